import CFFI
import CWinsock
import Synchronization

/// Completes one asynchronous call: what `WSAProviderCompleteAsyncCall` does, without its C edge.
public typealias AsyncCompletion = @Sendable (UnsafeMutableRawPointer?, Int32) -> Void

/// A routine that a provider does not have, as a function of its own: answers `WSAEOPNOTSUPP`, leaves it in the thread's last
/// error, completes the asynchronous call where there is one, and counts (nsp.md §5.2).
final class StubClosure: Sendable {
  /// What the closure's code can find while it runs.
  fileprivate final class Context: Sendable {
    let routine: ProviderRoutine
    let complete: AsyncCompletion
    let interceptions = Atomic<Int>(0)

    init(routine: ProviderRoutine, complete: @escaping AsyncCompletion) {
      self.routine = routine
      self.complete = complete
    }
  }

  private let context: Context
  private nonisolated(unsafe) let closure: UnsafeMutableRawPointer
  /// The function to put into a routine table; valid as long as this object lives.
  nonisolated(unsafe) let code: UnsafeMutableRawPointer

  var interceptions: Int { context.interceptions.load(ordering: .relaxed) }

  /// Answers nil when the system gives no memory for another closure.
  init?(routine: ProviderRoutine, complete: @escaping AsyncCompletion) {
    var code: UnsafeMutableRawPointer?
    guard let closure = ffi_closure_alloc(MemoryLayout<ffi_closure>.size, &code), let code else { return nil }
    context = Context(routine: routine, complete: complete)
    self.closure = closure
    self.code = code
    // Retained here, released in `deinit`.
    let status = ffi_prep_closure_loc(
      closure.assumingMemoryBound(to: ffi_closure.self), RoutineSignature.prepared[routine.rawValue], answerUnsupported,
      Unmanaged.passRetained(context).toOpaque(), code)
    precondition(status == FFI_OK, "libffi refused a closure for a prepared signature")
  }

  deinit {
    ffi_closure_free(closure)
    // Retained in `init`; nothing can run the closure's code any more.
    Unmanaged.passUnretained(context).release()
  }
}

private func answerUnsupported(
  _: UnsafeMutablePointer<ffi_cif>?, result: UnsafeMutableRawPointer?,
  arguments: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, context: UnsafeMutableRawPointer?
) {
  guard let result, let arguments, let context else { return }
  // Borrowed from `StubClosure`, which outlives every call of its code.
  let stub = Unmanaged<StubClosure.Context>.fromOpaque(context).takeUnretainedValue()
  stub.interceptions.add(1, ordering: .relaxed)
  if let position = RoutineSignature.all[stub.routine.rawValue].asyncHandlePosition, let slot = arguments[position] {
    stub.complete(slot.load(as: UnsafeMutableRawPointer?.self), WSAEOPNOTSUPP)
  }
  WSASetLastError(WSAEOPNOTSUPP)
  // libffi widens integer results to a register.
  result.storeBytes(of: ffi_sarg(WSAEOPNOTSUPP), as: ffi_sarg.self)
}
