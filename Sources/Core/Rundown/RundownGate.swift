import Dispatch
import Synchronization

/// Counts work in progress and lets an owner close the door behind it.
///
/// `enter()` and `leave()` bracket a piece of work; after `close` nobody enters, and the one who closes learns when the last
/// has left. All operations may be called from any thread; entering and leaving is one compare-and-swap each.
public final class RundownGate: Sendable {
  /// Bit 63: closed. The other bits: how many are inside.
  private let state = Atomic<UInt64>(0)
  private let waiters = Locked<Waiters>(Waiters())

  private static let closed: UInt64 = 1 << 63

  private struct Waiters {
    var isDrained = false
    var actions: [@Sendable () -> Void] = []
  }

  public init() {}

  public var isClosed: Bool { state.load(ordering: .acquiring) & Self.closed != 0 }

  /// How many are inside at this moment.
  public var occupants: Int { Int(state.load(ordering: .acquiring) & ~Self.closed) }

  /// Enters unless the gate is closed. Each `true` is owed one `leave()`.
  public func enter() -> Bool {
    var current = state.load(ordering: .relaxed)
    while current & Self.closed == 0 {
      let (exchanged, original) = state.weakCompareExchange(
        expected: current, desired: current &+ 1, ordering: .acquiringAndReleasing)
      if exchanged { return true }
      current = original
    }
    return false
  }

  /// Leaves; the last one to leave a closed gate runs what waits for that, on its own thread.
  public func leave() {
    let (before, _) = state.subtract(1, ordering: .acquiringAndReleasing)
    precondition(before & ~Self.closed != 0, "leave() without enter()")
    if before == Self.closed | 1 { drained() }
  }

  /// Closes the gate; later calls of `enter()` answer false. Returns whether this call was the one that closed it.
  @discardableResult
  public func close() -> Bool {
    let (before, _) = state.bitwiseOr(Self.closed, ordering: .acquiringAndReleasing)
    guard before & Self.closed == 0 else { return false }
    if before == 0 { drained() }
    return true
  }

  /// Closes the gate and runs `action` once the last has left: at once on this thread when nobody is inside, otherwise on the
  /// thread that leaves last. The action runs without any lock held.
  public func close(whenDrained action: @escaping @Sendable () -> Void) {
    if closeReportingEmpty(orWhenDrained: action) { action() }
  }

  /// Closes the gate and tells whether nobody was inside: then the caller goes on itself and `action` is dropped. Otherwise
  /// the one who leaves last runs `action`, on its own thread.
  public func closeReportingEmpty(orWhenDrained action: @escaping @Sendable () -> Void) -> Bool {
    close()
    return waiters.withLock { waiters in
      if !waiters.isDrained { waiters.actions.append(action) }
      return waiters.isDrained
    }
  }

  /// Closes the gate and waits until the last has left. Must not be called by one who is inside.
  /// - Returns: false when the deadline passed first; the gate stays closed and can be waited for again.
  public func closeAndWait(until deadline: DispatchTime = .distantFuture) -> Bool {
    let semaphore = DispatchSemaphore(value: 0)
    close(whenDrained: { semaphore.signal() })
    return semaphore.wait(timeout: deadline) == .success
  }

  private func drained() {
    let actions = waiters.withLock { waiters in
      waiters.isDrained = true
      defer { waiters.actions = [] }
      return waiters.actions
    }
    for action in actions { action() }
  }
}
