import Synchronization

/// Who waits for the next change of the catalog: another entry, one less, another order, one that is enabled or disabled.
public final class CatalogChanges: Sendable {
  /// Told once.
  private struct Waiter: Sendable {
    var isWanted: @Sendable () -> Bool
    var tell: @Sendable () -> Void
  }

  private struct State {
    var waiters: [Waiter] = []
    /// When those that nobody wants any more are looked for.
    var limit = 64
  }

  private let state = Mutex<State>(State())

  init() {}

  /// Tells of the next change that is made from now on, on the thread that makes it, without a lock.
  /// - Parameter isWanted: Asked now and then; false lets go of it.
  public func whenNext(isWanted: @escaping @Sendable () -> Bool, _ tell: @escaping @Sendable () -> Void) {
    state.withLock { state in
      state.waiters.append(Waiter(isWanted: isWanted, tell: tell))
      guard state.waiters.count > state.limit else { return }
      state.waiters.removeAll { !$0.isWanted() }
      state.limit = max(64, state.waiters.count * 2)
    }
  }

  func advance() {
    let waiters = state.withLock { state in
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.tell() }
  }
}
