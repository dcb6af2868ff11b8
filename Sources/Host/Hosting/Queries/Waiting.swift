import Dispatch
import Providers
import QuerySets
import Rundown
import Sessions
import Synchronization

/// The place of a Next that waits: for its turn, or for its answer.
final class NextTicket: Sendable {
  private let arrived = DispatchSemaphore(value: 0)
  private let turn = Locked<Bool>(false)
  private struct State {
    var answer: Result<Void, WinsockError>?
    /// Until when somebody waits for the answer.
    var end = MonotonicTime(nanoseconds: 0)
  }
  private let state = Locked<State>(State())

  func giveTurn(_ isGranted: Bool) {
    turn.withLock { $0 = isGranted }
    arrived.signal()
  }

  /// False when the lookup was ended instead. No deadline: the Next in front has one, and End wakes everybody.
  func waitForTurn() -> Bool {
    arrived.wait()
    return turn.withLock { $0 }
  }

  private let isAnswered = Atomic<Bool>(false)

  func answer(_ result: Result<Void, WinsockError>) {
    state.withLock { $0.answer = result }
    isAnswered.store(true, ordering: .releasing)
    arrived.signal()
  }

  var hasAnswer: Bool { isAnswered.load(ordering: .acquiring) }

  /// Until when the next `wait` waits.
  func minds(_ end: MonotonicTime) { state.withLock { $0.end = end } }

  /// The answer; nil when the time is over, or somebody has hurried.
  func wait() -> Result<Void, WinsockError>? {
    let end = state.withLock { $0.end }
    _ = arrived.wait(timeout: DispatchTime(uptimeNanoseconds: UInt64(max(0, end.nanoseconds))))
    return state.withLock { $0.answer }
  }

  /// There is something to mind at a time that whoever waits would sleep through.
  func hurry(_ end: MonotonicTime) {
    if state.withLock({ $0.end > end }) { arrived.signal() }
  }
}

/// Something that another thread tries while this one waits, up to a deadline. Exactly one side wins.
final class Attempt<Value: Sendable>: Sendable {
  private enum State {
    case open
    case resolved(Value)
    case left
  }

  private let arrived = DispatchSemaphore(value: 0)
  private let state = Locked<State>(.open)

  /// False when the one who waited has left: then the value is the caller's to dispose of.
  func resolve(_ value: Value) -> Bool {
    let isWanted = state.withLock { state in
      guard case .open = state else { return false }
      state = .resolved(value)
      return true
    }
    if isWanted { arrived.signal() }
    return isWanted
  }

  /// Whether somebody still waits.
  var isOpen: Bool { state.withLock { if case .open = $0 { true } else { false } } }

  func wait(for deadline: Duration) -> Value? {
    _ = arrived.wait(timeout: .now() + deadline.dispatchInterval)
    return state.withLock { state in
      if case .resolved(let value) = state { return value }
      state = .left
      return nil
    }
  }
}

/// Runs something when a time has passed, unless it is cancelled before. What it keeps alive it lets go of when it has run or is
/// cancelled, not only at its time.
final class DeadlineTimer: Sendable {
  private let entry: HostTimers.Entry

  init(after span: Duration, _ action: @escaping @Sendable () -> Void) { entry = HostTimers.after(span, action) }

  func cancel() { entry.cancel() }
}

/// Lets one in at a time, for work that calls out: nothing of the host is held meanwhile.
final class Turn: Sendable {
  private let free = DispatchSemaphore(value: 1)

  func take<Result, Failure: Error>(_ work: () throws(Failure) -> Result) throws(Failure) -> Result {
    // No deadline: whoever has the turn waits for providers up to their deadlines, and for a file's own start, which nothing can cut
    // short.
    free.wait()
    defer { free.signal() }
    return try work()
  }

  /// False, without having worked, where somebody else is in for so long.
  func take<Failure: Error>(within patience: Duration, _ work: () throws(Failure) -> Void) throws(Failure) -> Bool {
    guard free.wait(timeout: .now() + patience.dispatchInterval) == .success else { return false }
    defer { free.signal() }
    try work()
    return true
  }
}
