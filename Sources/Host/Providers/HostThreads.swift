import CLastWords
import Dispatch
import Rundown
import Synchronization

/// Threads of the host on which work goes on that must not run on a provider's stack, or that a client must be able to leave.
///
/// Work never waits behind other work that a provider holds up: when no thread is idle a new one is made, and idle ones end
/// after a while. They are started as `OwnThread` says; their stacks have 1 MiB (nsp.md T6).
public enum HostThreads {
  /// Runs `work` on a thread of the host, soon.
  public static func run(_ work: @escaping @Sendable () -> Void) { pool.submit(work) }

  /// Runs `work` for each, on a thread each, and waits until all of it is done. No deadline of its own: the work has them.
  public static func runEach<Item: Sendable>(_ items: [Item], _ work: @escaping @Sendable (Item) -> Void) {
    let rest = DispatchGroup()
    for item in items {
      rest.enter()
      run {
        work(item)
        rest.leave()
      }
    }
    rest.wait()
  }

  private static let pool = ThreadPool()
}

private final class ThreadPool: Sendable {
  private struct State: Sendable {
    var work: [@Sendable () -> Void] = []
    var idle = 0
    /// One of the idle threads looks for work instead of sleeping: it is not woken for the first piece that comes.
    var isLooking = false
  }

  private let state = Monitor(State())
  /// Whether there is work, for the one that looks.
  private let hasWork = Atomic<Bool>(false)

  private static let idleTime = Duration.seconds(10)

  func submit(_ job: @escaping @Sendable () -> Void) {
    let needsThread = state.withLock { state in
      state.work.append(job)
      hasWork.store(true, ordering: .relaxed)
      if state.work.count > (state.isLooking ? 1 : 0) { self.state.signal() }
      return state.work.count > state.idle
    }
    // Where the system gives no thread, the work waits for one of those that are there.
    if needsThread { _ = OwnThread.start { self.serve() } }
  }

  private func serve() {
    var patience = Patience()
    let stack = nsp_last_words_stack()
    defer { nsp_last_words_stack_free(stack) }
    while let job = next(&patience) { job() }
  }

  /// Waits for work; nil when there was none for a while.
  private func next(_ patience: inout Patience) -> (@Sendable () -> Void)? {
    var looks = state.withLock { state in
      state.idle += 1
      guard state.work.isEmpty, !state.isLooking else { return false }
      state.isLooking = true
      return true
    }
    if looks { _ = patience.look { hasWork.load(ordering: .relaxed) ? 1 : 0 } }
    let end = MonotonicTime.now + Self.idleTime
    return state.wait { state in
      if looks { (looks, state.isLooking) = (false, false) }
      if state.work.isEmpty, MonotonicTime.now < end { return .sleepUntil(.nanoseconds(end.nanoseconds)) }
      state.idle -= 1
      guard !state.work.isEmpty else { return .over(nil) }
      defer { hasWork.store(!state.work.isEmpty, ordering: .relaxed) }
      return .over(state.work.removeFirst())
    }
  }
}
