import CWinsock
import Synchronization

/// Completes one asynchronous call: what `WSAProviderCompleteAsyncCall` does, without its C edge.
public typealias AsyncCompletion = @Sendable (UnsafeMutableRawPointer?, Int32) -> Void

/// A routine that a provider does not have, as a function of its own: answers `WSAEOPNOTSUPP`, leaves it in the thread's last
/// error, completes the asynchronous call where there is one, and counts (nsp.md §5.2).
final class StubClosure: Sendable {
  private final class Count: Sendable {
    let interceptions = Atomic<Int>(0)
  }

  private let count: Count
  private let closure: RoutineClosure

  /// The function to put into a routine table; valid as long as this object lives.
  var code: UnsafeMutableRawPointer { closure.code }
  var interceptions: Int { count.interceptions.load(ordering: .relaxed) }

  /// Answers nil when the system gives no memory for another closure.
  init?(routine: ProviderRoutine, complete: @escaping AsyncCompletion) {
    let count = Count()
    let asyncHandle = RoutineSignature.all[routine.rawValue].asyncHandlePosition
    let closure = RoutineClosure(routine) { arguments in
      count.interceptions.add(1, ordering: .relaxed)
      if let asyncHandle { complete(arguments.pointer(asyncHandle), WSAEOPNOTSUPP) }
      WSASetLastError(WSAEOPNOTSUPP)
      return WSAEOPNOTSUPP
    }
    guard let closure else { return nil }
    self.count = count
    self.closure = closure
  }
}
