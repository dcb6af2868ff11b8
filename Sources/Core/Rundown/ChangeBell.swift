import Synchronization

/// Says that something has changed, but not what: listeners look for themselves. A ring that nobody hears costs one atomic load.
///
/// The bells belong to the process. If several hosts live in it, each hears of the others' changes, and finds that nothing has changed for it.
public final class ChangeBell: Sendable {
  /// Client sessions, what they have open, and their sessions at providers.
  public static let sessions = ChangeBell()
  /// Connections of call management, and the calls on them.
  public static let calls = ChangeBell()
  /// Modules, bindings, and files that stay mapped.
  public static let modules = ChangeBell()
  /// The providers of catalogs, and whether they can answer.
  public static let providers = ChangeBell()
  /// What is registered, as far as hosts hear of it.
  public static let registrations = ChangeBell()

  private struct State {
    var listeners: [UInt64: @Sendable () -> Void] = [:]
    var next: UInt64 = 0
  }

  private let state = Locked<State>(State())
  private let isHeard = Atomic<Bool>(false)

  private init() {}

  /// Any thread may ring, also with locks held: those who listen take none of a host's.
  public func ring() {
    guard isHeard.load(ordering: .acquiring) else { return }
    for listener in state.withLock({ Array($0.listeners.values) }) { listener() }
  }

  /// Calls a listener at each ring, on the thread that rings, until what is returned is let go of. It must not wait, and takes no lock of a host's.
  public func listen(_ listener: @escaping @Sendable () -> Void) -> Listening {
    let number = state.withLock { state in
      defer { state.next += 1 }
      state.listeners[state.next] = listener
      isHeard.store(true, ordering: .releasing)
      return state.next
    }
    return Listening(self, number)
  }

  public final class Listening: Sendable {
    private let bell: ChangeBell
    private let number: UInt64

    fileprivate init(_ bell: ChangeBell, _ number: UInt64) { (self.bell, self.number) = (bell, number) }

    deinit { bell.forget(number) }
  }

  private func forget(_ number: UInt64) {
    state.withLock { state in
      state.listeners[number] = nil
      isHeard.store(!state.listeners.isEmpty, ordering: .releasing)
    }
  }
}
