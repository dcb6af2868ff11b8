import CLinux
import Glibc
import Providers
import Rundown

/// A timer among what the poll watches: it wakes a thread once, when its time has come, and never while it is not set.
final class PollTimer: Polled, @unchecked Sendable {
  // Unchecked: `place` and `action` are written before it is watched.
  private var place = Handle(rawValue: 0)
  private var action: @Sendable () -> Void = {}

  /// Nil where there is no descriptor for it.
  init?() {
    let timer = nsp_timer()
    guard timer >= 0 else { return nil }
    super.init(timer, of: .init(user: .max, process: 0))
  }

  /// Calls `action` on a thread of the poll, each time that it goes off.
  func start(_ poll: SocketPoll, _ action: @escaping @Sendable () -> Void) -> Bool {
    self.action = action
    guard let place = poll.place(self) else { return false }
    self.place = place
    return poll.watch(place, descriptor)
  }

  func stop(_ poll: SocketPoll) { poll.remove(place, descriptor) }

  /// Nil: not at all.
  func set(_ time: MonotonicTime?) { nsp_timer_set(descriptor, time.map { max(1, $0.nanoseconds) } ?? 0) }

  override func ready() {
    var count: UInt64 = 0
    guard read(descriptor, &count, 8) == 8 else { return }
    action()
  }
}

/// The connections that have not said hello yet, in the order in which they came. Each has a limited time for that, and where room is short
/// they are closed first. The timer is set only while there is one.
final class HelloWatch: Sendable {
  private struct State {
    var waiting: [UInt64: Connection] = [:]
    /// In order of time; those that are not in `waiting` any more are passed over.
    var order: [(number: UInt64, end: MonotonicTime)] = []
    var first = 0
    var last: UInt64 = 0
    var isStopped = false

    /// The oldest one, after those that have said hello were dropped.
    mutating func oldest() -> (number: UInt64, end: MonotonicTime)? {
      while first < order.count, waiting[order[first].number] == nil { first += 1 }
      if first == order.count || first > 64 + 2 * waiting.count {
        order.removeFirst(first)
        first = 0
      }
      return order.first.map { _ in order[first] }
    }
  }

  private let time: Duration
  private let timer: PollTimer
  private let state = Locked<State>(State())

  /// - Parameter time: How long a connection may be silent.
  init(_ timer: PollTimer, time: Duration) { (self.timer, self.time) = (timer, time) }

  func add(_ connection: Connection) {
    state.withLock { state in
      guard !state.isStopped else { return }
      state.last += 1
      connection.helloNumber.store(state.last, ordering: .relaxed)
      let end = MonotonicTime.now + time
      state.waiting[state.last] = connection
      if state.order.count > 128 + 4 * state.waiting.count {
        state.order = state.order[state.first...].filter { [state] in state.waiting[$0.number] != nil }
        state.first = 0
      }
      state.order.append((state.last, end))
      if state.waiting.count == 1 { timer.set(end) }
    }
  }

  /// It has said hello, or is gone.
  /// - Returns: Whether it was waited for.
  @discardableResult
  func remove(_ connection: Connection) -> Bool {
    state.withLock { state in
      guard state.waiting.removeValue(forKey: connection.helloNumber.load(ordering: .relaxed)) != nil else { return false }
      if state.waiting.isEmpty { timer.set(nil) }
      return true
    }
  }

  /// Takes out the one that has waited longest, of a user, or of all whose connections are limited.
  func takeOldest(of user: UInt32? = nil) -> Connection? {
    state.withLock { state in
      guard state.oldest() != nil else { return nil }
      for index in state.order[state.first...].indices {
        guard let connection = state.waiting[state.order[index].number], connection.isLimited,
          user == nil || connection.peer.userID == user
        else { continue }
        state.waiting[state.order[index].number] = nil
        if state.waiting.isEmpty { timer.set(nil) }
        return connection
      }
      return nil
    }
  }

  /// Takes out those whose time is over, and sets the timer for the next one.
  func takeLate() -> [Connection] {
    state.withLock { state in
      let now = MonotonicTime.now
      var late: [Connection] = []
      while let oldest = state.oldest(), oldest.end <= now {
        if let connection = state.waiting.removeValue(forKey: oldest.number) { late.append(connection) }
      }
      timer.set(state.oldest()?.end)
      return late
    }
  }

  func stop() {
    state.withLock { state in
      state.isStopped = true
      (state.waiting, state.order, state.first) = ([:], [], 0)
      timer.set(nil)
    }
  }
}
