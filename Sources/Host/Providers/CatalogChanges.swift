import Rundown

/// Who waits for the next change of the catalog: another entry, one less, another order, one that is enabled or disabled.
public final class CatalogChanges: Sendable {
  /// Told once.
  private struct Waiter: Sendable {
    var isWanted: @Sendable () -> Bool
    var tell: @Sendable () -> Void
  }

  private struct State {
    var count = 0
    var waiters: [Waiter] = []
    /// When those that nobody wants any more are looked for.
    var limit = 64
  }

  private let state = Locked<State>(State())

  init() {}

  /// How many there were.
  public var count: Int { state.withLock { $0.count } }

  /// Tells of the next change, once, on the thread that makes it, without a lock; at once where there was one since.
  /// - Parameters:
  ///   - seen: How many there were when whoever asks began to wait.
  ///   - isWanted: Asked now and then; false lets go of it.
  public func whenNext(
    after seen: Int, isWanted: @escaping @Sendable () -> Bool, _ tell: @escaping @Sendable () -> Void
  ) {
    let isOver = state.withLock { state in
      guard state.count == seen else { return true }
      state.waiters.append(Waiter(isWanted: isWanted, tell: tell))
      guard state.waiters.count > state.limit else { return false }
      state.waiters.removeAll { !$0.isWanted() }
      state.limit = max(64, state.waiters.count * 2)
      return false
    }
    if isOver { tell() }
  }

  func advance() {
    let waiters = state.withLock { state in
      state.count += 1
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.tell() }
    ChangeBell.providers.ring()
  }
}
