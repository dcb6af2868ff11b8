import Dispatch
import Rundown

/// Work of a provider's, one piece after the other, on a thread of its own, which sleeps where there is none and ends with the queue. Any thread may
/// add to it. Not libdispatch: from its first piece of work on, that wakes a process each second.
public final class WorkQueue: Sendable {
  private struct State: Sendable {
    var work: [@Sendable () -> Void] = []
    var hasThread = false
    var isOver = false
  }

  private let state = Monitor(State())

  public init() {}

  /// What was added before is still done.
  deinit {
    state.withLock { $0.isOver = true }
    state.signal()
  }

  /// Has it done, behind all that was added before.
  public func async(_ work: @escaping @Sendable () -> Void) {
    let startsThread = state.withLock { state in
      state.work.append(work)
      defer { state.hasThread = true }
      return !state.hasThread
    }
    state.signal()
    // The thread keeps the work, and not the queue.
    guard startsThread, !OwnThread.start({ [state] in while let one = Self.next(state) { one() } }) else { return }
    // Where the system gives no thread it is done here.
    let all = state.withLock { state in
      defer { (state.work, state.hasThread) = ([], false) }
      return state.work
    }
    for one in all { one() }
  }

  /// The same, and waits until it is done: not from inside the queue's own work. No deadline: what was added before has an end.
  public func sync(_ work: @escaping @Sendable () -> Void) {
    let isDone = DispatchSemaphore(value: 0)
    async {
      work()
      isDone.signal()
    }
    isDone.wait()
  }

  /// Has one piece of work done on a thread of its own.
  public static func run(_ work: @escaping @Sendable () -> Void) { WorkQueue().async(work) }

  /// Waits for work; nil when the queue is over and all of it is done. No deadline: `async` and `deinit` wake it.
  private static func next(_ state: Monitor<State>) -> (@Sendable () -> Void)? {
    state.wait { state in
      if state.work.isEmpty { return state.isOver ? .over(nil) : .sleep }
      return .over(state.work.removeFirst())
    }
  }
}
