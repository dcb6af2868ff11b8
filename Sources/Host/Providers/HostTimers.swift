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

private final class TimerQueue: Sendable {
  private struct State: Sendable {
    var entries = Entries()
    var hasThread = false
  }

  private let state = Monitor(State())

  func add(_ entry: HostTimers.Entry) {
    let startsThread = state.withLock { state in
      state.entries.push(entry)
      if state.entries.first === entry { self.state.signal() }
      defer { state.hasThread = true }
      return !state.hasThread
    }
    if startsThread { HostThreads.run { self.serve() } }
  }

  private func serve() -> Never {
    while true { if let work = next().take() { HostThreads.run(work) } }
  }

  /// Waits until the earliest entry is due. No deadline where there is none: `add` wakes it.
  private func next() -> HostTimers.Entry {
    state.wait { state in
      while state.entries.first?.isCancelled == true { state.entries.pop() }
      guard let first = state.entries.first else { return .sleep }
      guard first.end <= .now else { return .sleepUntil(.nanoseconds(first.end.nanoseconds)) }
      state.entries.pop()
      return .over(first)
    }
  }
}

/// A heap: each entry is no later than the two behind it, at twice its place.
private struct Entries: Sendable {
  private var entries: [HostTimers.Entry] = []

  var first: HostTimers.Entry? { entries.first }

  mutating func push(_ entry: HostTimers.Entry) {
    var place = entries.count
    entries.append(entry)
    while place > 0, entries[(place - 1) / 2].end > entry.end {
      entries.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  mutating func pop() {
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
