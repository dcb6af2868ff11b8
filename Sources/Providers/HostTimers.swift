import Glibc
import Rundown

/// Has work done later, on a thread of the host. One thread waits for the earliest of it, and sleeps where there is none. Not libdispatch: from
/// the first timer or queue on, that wakes a process each second.
public enum HostTimers {
  /// Work that is to come.
  public final class Entry: Sendable {
    fileprivate let end: MonotonicTime
    private let work: Locked<(@Sendable () -> Void)?>

    fileprivate init(_ end: MonotonicTime, _ work: @escaping @Sendable () -> Void) {
      self.end = end
      self.work = Locked(work)
    }

    /// It is not done any more, unless it is being done. What it keeps alive is let go of.
    public func cancel() { _ = take() }

    fileprivate var isCancelled: Bool { work.withLock { $0 == nil } }

    fileprivate func take() -> (@Sendable () -> Void)? {
      work.withLock { work in
        defer { work = nil }
        return work
      }
    }
  }

  /// Runs `work` when so much time has passed, unless it is cancelled before. Any thread.
  @discardableResult
  public static func after(_ span: Duration, _ work: @escaping @Sendable () -> Void) -> Entry {
    let entry = Entry(MonotonicTime.now + span, work)
    queue.add(entry)
    return entry
  }

  private static let queue = TimerQueue()
}

private final class TimerQueue: @unchecked Sendable {
  // Unchecked: everything mutable is used under `lock` alone. pthread's, because the thread waits on a condition.
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// A heap: each is no later than the two behind it, at twice its place.
  private var entries: [HostTimers.Entry] = []
  private var hasThread = false

  init() {
    pthread_mutex_init(lock, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  func add(_ entry: HostTimers.Entry) {
    pthread_mutex_lock(lock)
    push(entry)
    let startsThread = !hasThread
    hasThread = true
    if entries[0] === entry { pthread_cond_signal(changed) }
    pthread_mutex_unlock(lock)
    if startsThread { HostThreads.run { self.serve() } }
  }

  private func serve() -> Never {
    pthread_mutex_lock(lock)
    while true {
      while let first = entries.first, first.isCancelled { pop() }
      guard let first = entries.first else {
        // No deadline: `add` wakes it.
        pthread_cond_wait(changed, lock)
        continue
      }
      if first.end > MonotonicTime.now {
        var end = timespec(
          tv_sec: Int(first.end.nanoseconds / 1_000_000_000), tv_nsec: Int(first.end.nanoseconds % 1_000_000_000))
        pthread_cond_timedwait(changed, lock, &end)
        continue
      }
      pop()
      pthread_mutex_unlock(lock)
      if let work = first.take() { HostThreads.run(work) }
      pthread_mutex_lock(lock)
    }
  }

  private func push(_ entry: HostTimers.Entry) {
    var place = entries.count
    entries.append(entry)
    while place > 0, entries[(place - 1) / 2].end > entry.end {
      entries.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  private func pop() {
    entries.swapAt(0, entries.count - 1)
    entries.removeLast()
    var place = 0
    while true {
      var least = place
      for child in [2 * place + 1, 2 * place + 2] where child < entries.count && entries[child].end < entries[least].end {
        least = child
      }
      if least == place { return }
      entries.swapAt(place, least)
      place = least
    }
  }
}
