import Glibc
import NSPProvider

/// Has something done when a moment has come, by the clock of the day: at the earliest of those that were asked for. A thread waits for it, while
/// there is one. Not a timer of libdispatch, which would wake the process each second.
final class Expiry: Sendable {
  private let line = Line()

  deinit { line.end() }

  /// - Parameters:
  ///   - moment: In milliseconds since 1970.
  ///   - action: On a thread of its own. It stands for all that were asked for until then.
  func wait(until moment: Int64, _ action: @escaping @Sendable () -> Void) { line.wait(until: moment, action) }

  private final class Line: @unchecked Sendable {
    // Unchecked: everything mutable is used under `lock` alone. pthread's, because the thread waits on a condition by that clock.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var next: (moment: Int64, action: @Sendable () -> Void)?
    private var hasThread = false

    init() {
      pthread_mutex_init(lock, nil)
      pthread_cond_init(changed, nil)
    }

    deinit {
      pthread_mutex_destroy(lock)
      pthread_cond_destroy(changed)
      lock.deallocate()
      changed.deallocate()
    }

    func wait(until moment: Int64, _ action: @escaping @Sendable () -> Void) {
      pthread_mutex_lock(lock)
      defer { pthread_mutex_unlock(lock) }
      if let next, next.moment <= moment { return }
      next = (moment, action)
      if hasThread {
        pthread_cond_signal(changed)
      } else {
        hasThread = true
        WorkQueue.run { self.serve() }
      }
    }

    func end() {
      pthread_mutex_lock(lock)
      next = nil
      pthread_cond_signal(changed)
      pthread_mutex_unlock(lock)
    }

    private func serve() { while let action = due() { action() } }

    /// Waits for the next moment; nil, and the thread ends, where there is none.
    private func due() -> (@Sendable () -> Void)? {
      pthread_mutex_lock(lock)
      defer { pthread_mutex_unlock(lock) }
      while let (moment, action) = next {
        var time = timespec(tv_sec: Int(moment / 1000), tv_nsec: Int(moment % 1000) * 1_000_000)
        // Signalled when there is an earlier one, or none any more.
        guard pthread_cond_timedwait(changed, lock, &time) == ETIMEDOUT, next?.moment == moment else { continue }
        next = nil
        return action
      }
      hasThread = false
      return nil
    }
  }
}
