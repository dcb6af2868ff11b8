import CLinux
import Dispatch
import Glibc
import Providers
import Rundown

/// Lines for a descriptor that somebody else reads, or has stopped reading: whoever writes one never waits.
///
/// A line goes out at once where there is room. Where there is none it waits here for a thread, which writes it as soon as there is, up to a
/// bound; lines beyond it are lost, and counted by a line of their own when there is room again. The descriptor may be shared with other
/// processes, and stays as it is: it may block them, and what they write to it.
public final class LineOutput: Sendable {
  /// How the descriptor is written to without waiting.
  private enum Way: Sendable {
    case socket
    /// Another opening of the same pipe, terminal or device, which does not block.
    case own(Int32)
    /// A regular file.
    case file
    /// None: the thread does it.
    case none
  }

  private struct State {
    var waiting: [[UInt8]] = []
    var size = 0
    /// Lines that are lost, and that no line counts yet.
    var lost = 0
    var isDraining = false
    /// Told when everything has gone out.
    var awaited: [DispatchSemaphore] = []
  }

  private let descriptor: Int32
  private let way: Way
  private let most: Int
  private let count: @Sendable (Int) -> String
  private let whenLost: @Sendable (Int) -> Void
  private let state = Locked<State>(State())

  /// - Parameters:
  ///   - descriptor: Stays the caller's, who keeps it open.
  ///   - most: How many bytes wait at most.
  ///   - count: The line that says how many are lost, without its end.
  ///   - whenLost: Called with each number of lines that are lost; must not wait, nor write here.
  public init(
    _ descriptor: Int32, most: Int = 1 << 18, count: @escaping @Sendable (Int) -> String,
    whenLost: @escaping @Sendable (Int) -> Void = { _ in }
  ) {
    (self.descriptor, self.most, self.count, self.whenLost) = (descriptor, most, count, whenLost)
    way = Self.way(descriptor)
  }

  deinit { if case .own(let own) = way { close(own) } }

  private static func way(_ descriptor: Int32) -> Way {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return .none }
    switch status.st_mode & S_IFMT {
    case S_IFSOCK: return .socket
    // What is written to it elsewhere goes on where this leaves off.
    case S_IFREG: return .file
    default:
      let own = open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
      return own >= 0 ? .own(own) : .none
    }
  }

  /// Writes a line, now or soon. Any thread.
  public func write(_ line: String) { write(bytes: Array(line.utf8) + [UInt8(ascii: "\n")]) }

  /// Writes lines that have their ends.
  public func write(bytes: [UInt8]) {
    let (needsThread, lost) = state.withLock { state -> (Bool, Int) in
      if state.isDraining {
        guard state.size + bytes.count <= most else { return (false, lose(bytes, &state)) }
        keep(bytes, &state)
        return (false, 0)
      }
      let said = state.lost
      let all = said > 0 ? Array((count(said) + "\n").utf8) + bytes : bytes
      guard let sent = send(all) else { return (false, lose(bytes, &state)) }
      state.lost = 0
      if sent == all.count { return (false, 0) }
      keep(Array(all[sent...]), &state)
      state.isDraining = true
      return (true, 0)
    }
    if lost > 0 { whenLost(lost) }
    if needsThread { HostThreads.run { self.drain() } }
  }

  /// Waits until everything has gone out, or for so long.
  public func flush(within time: Duration) {
    let isOut = DispatchSemaphore(value: 0)
    let isWaiting = state.withLock { state in
      if state.isDraining { state.awaited.append(isOut) }
      return state.isDraining
    }
    if isWaiting { _ = isOut.wait(timeout: .now() + time.interval) }
  }

  private func keep(_ bytes: [UInt8], _ state: inout State) {
    state.waiting.append(bytes)
    state.size += bytes.count
  }

  /// How many lines it is.
  private func lose(_ bytes: [UInt8], _ state: inout State) -> Int {
    let lines = bytes.count { $0 == UInt8(ascii: "\n") }
    state.lost += lines
    return lines
  }

  /// Writes what there is room for, without waiting. How much it was; nil where nobody reads it any more.
  private func send(_ bytes: [UInt8]) -> Int? {
    while true {
      let count =
        switch way {
        case .socket: Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        case .own(let own): Glibc.write(own, bytes, bytes.count)
        case .file: Glibc.write(descriptor, bytes, bytes.count)
        case .none: 0
        }
      if count >= 0 { return count }
      if errno == EAGAIN { return 0 }
      guard errno == EINTR else { return nil }
    }
  }

  /// Writes everything that waits, then what counts the lost lines. Waits for whoever reads it, for as long as that takes.
  private func drain() {
    while let bytes = next() {
      guard !writeAll(bytes) else { continue }
      // Nobody reads it any more.
      let lost = state.withLock { state in
        defer { (state.waiting, state.size) = ([], 0) }
        return lose(bytes + state.waiting.joined(), &state)
      }
      whenLost(lost)
      return rest()
    }
  }

  /// What is to be written next; nil where that is nothing, and this thread is not needed any more.
  private func next() -> [UInt8]? {
    let (bytes, awaited): ([UInt8]?, [DispatchSemaphore]) = state.withLock { state in
      if state.waiting.isEmpty, state.lost > 0 {
        defer { state.lost = 0 }
        return (Array((count(state.lost) + "\n").utf8), [])
      }
      guard state.waiting.isEmpty else {
        // What is being written waits, too.
        defer { (state.waiting, state.size) = ([], 0) }
        return (Array(state.waiting.joined()), [])
      }
      return (nil, stop(&state))
    }
    for one in awaited { one.signal() }
    return bytes
  }

  private func rest() { for one in state.withLock({ stop(&$0) }) { one.signal() } }

  private func stop(_ state: inout State) -> [DispatchSemaphore] {
    state.isDraining = false
    defer { state.awaited = [] }
    return state.awaited
  }

  private func writeAll(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      // No more at a time than fits into a pipe that has room.
      let part = Array(rest.prefix(4096))
      guard let sent = send(part).flatMap({ $0 > 0 ? $0 : waitForRoom(part) }) else { return false }
      rest = rest.dropFirst(sent)
    }
    return true
  }

  /// Waits until there is room. Where only waiting writes, how much was written then.
  private func waitForRoom(_ part: [UInt8]) -> Int? {
    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    if case .own(let own) = way { entry.fd = own }
    // No deadline: whoever reads may come back in a day.
    while poll(&entry, 1, -1) < 0 { guard errno == EINTR else { return nil } }
    guard case .none = way else { return 0 }
    let count = Glibc.write(descriptor, part, part.count)
    return count >= 0 ? count : errno == EINTR || errno == EAGAIN ? 0 : nil
  }
}
