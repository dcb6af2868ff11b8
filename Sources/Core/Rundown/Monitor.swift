import Glibc

/// A value under a lock, and threads that wait until it changes. Any thread may call.
///
/// The closures run under the lock: they call nothing foreign, and nothing of the same monitor but `signal`.
public final class Monitor<Value: Sendable>: @unchecked Sendable {
  /// What a waiting thread learns of the value.
  public enum Finding<Result> {
    /// There is what it waits for.
    case over(Result)
    /// There is not: it sleeps until `signal` wakes it, and looks again.
    case sleep
    /// The same, but it looks again at this moment at the latest: the time since the zero of the monitor's clock.
    case sleepUntil(Duration)
  }

  // Unchecked: `value` is used under `lock` alone. pthread's, because threads wait on a condition.
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var value: Value

  /// - Parameter clock: Moments are of this clock: `CLOCK_MONOTONIC` or `CLOCK_REALTIME`.
  public init(_ value: Value, clock: clockid_t = CLOCK_MONOTONIC) {
    self.value = value
    pthread_mutex_init(lock, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, clock)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_mutex_destroy(lock)
    pthread_cond_destroy(changed)
    lock.deallocate()
    changed.deallocate()
  }

  public func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return try body(&value)
  }

  /// Wakes one of the threads that wait, to look again.
  public func signal() { pthread_cond_signal(changed) }

  /// Waits until `look` finds what this thread waits for. It is called at once, and each time when the thread was woken or its moment has
  /// come; it may be called without such a reason, too.
  public func wait<Result>(_ look: (inout Value) -> Finding<Result>) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while true {
      switch look(&value) {
      case .over(let result): return result
      case .sleep: pthread_cond_wait(changed, lock)
      case .sleepUntil(let moment):
        let (seconds, attoseconds) = moment.components
        var end = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        pthread_cond_timedwait(changed, lock, &end)
      }
    }
  }
}
