import Synchronization

/// Counts changes of something, and tells those who want to know of the next one. Any thread may call.
public final class ChangeSignal: Sendable {
  /// Who waits: told once, on the thread of whoever makes the change.
  public struct Ticket: Sendable, Hashable { fileprivate let number: UInt64 }

  private struct Waiter: Sendable { let action: @Sendable () -> Void }

  private struct State {
    var waiting: [UInt64: Waiter] = [:]
    var last: UInt64 = 0
  }

  private let changes = Atomic<UInt64>(0)
  private let state = Mutex<State>(State())

  public init() {}

  public var count: UInt64 { changes.load(ordering: .acquiring) }

  /// Something has changed. Calls those who wait.
  public func advance() {
    let waiting = state.withLock { state in
      changes.add(1, ordering: .acquiringAndReleasing)
      defer { state.waiting = [:] }
      return state.waiting
    }
    for waiter in waiting.values { waiter.action() }
  }

  /// Has something done at the next change after `seen`. Nil, and it is the caller's to do, where there was one already.
  public func next(after seen: UInt64, _ action: @escaping @Sendable () -> Void) -> Ticket? {
    state.withLock { state in
      guard changes.load(ordering: .acquiring) == seen else { return nil }
      state.last += 1
      state.waiting[state.last] = Waiter(action: action)
      return Ticket(number: state.last)
    }
  }

  /// Lets go of what was to be done. It may be under way.
  public func cancel(_ ticket: Ticket) { state.withLock { _ = $0.waiting.removeValue(forKey: ticket.number) } }
}
