import CLinux
import Glibc
import Providers
import QuerySets
import Rundown
import Synchronization
import Wire

/// A socket that carries calls to a provider in another process, one at a time.
final class CallChannel: @unchecked Sendable {
  // Unchecked: whoever has taken the channel uses it alone.
  private let descriptor: Descriptor
  /// Another process has to be woken first.
  private var patience = Patience(moment: 60_000)
  private var inbound: [UInt8] = []
  /// Of the call that it carries; 0 for none.
  private let carried = Atomic<UInt16>(0)

  struct Answer {
    var header: FrameHeader
    /// Begins at a multiple of 8.
    var payload: [UInt8]

    var status: WinsockError { WinsockError(rawValue: header.status) }
  }

  enum Outcome {
    case answer(Answer)
    /// Not yet; it may still come.
    case late
    /// The process is gone, or has sent what is no answer.
    case gone
  }

  /// - Returns: The channel, and the other end of it, which is for the provider's process; nil when there are no descriptors left.
  static func make() -> (channel: CallChannel, far: Int32)? {
    var ends: [Int32] = [-1, -1]
    guard nsp_socket_pair(&ends) == 0, let near = Descriptor(ends[0]) else { return nil }
    return (CallChannel(near), ends[1])
  }

  private init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

  /// The routine that it waits for. Any thread.
  var running: ProviderCall? { ProviderCall(rawValue: carried.load(ordering: .relaxed)) }

  /// Whether there is an answer, or the end. Any thread.
  var hasSomething: Bool {
    var entry = pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) > 0
  }

  /// Wakes whoever waits on it: nothing more comes. Any thread.
  func hangUp() { shutdown(descriptor.number, Int32(SHUT_RDWR)) }

  /// Sends a call, behind the Ends that wait for one, and waits for its answer.
  func ask(_ frame: [UInt8], until deadline: MonotonicTime) -> Outcome {
    carried.store(frame.withUnsafeBytes { FrameHeader($0)?.kind ?? 0 }, ordering: .relaxed)
    let ends = ends.withLock { ends in
      defer { (ends.frames, ends.waiting, ends.sent) = ([], [], ends.sent + ends.waiting) }
      return ends.frames
    }
    guard send(ends.isEmpty ? frame : ends + frame, until: deadline) else { return .gone }
    return answer(until: deadline)
  }

  private func send(_ frames: [UInt8], until deadline: MonotonicTime) -> Bool {
    frames.withUnsafeBytes { bytes in
      var sent = 0
      while sent < bytes.count {
        let count = Glibc.send(
          descriptor.number, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        if count > 0 {
          sent += count
        } else if count < 0, errno == EAGAIN {
          guard wait(for: POLLOUT, until: deadline) else { return false }
        } else if errno != EINTR {
          return false
        }
      }
      return true
    }
  }

  // MARK: Ends

  /// Ends that have no answer of their own: what is answered behind them says that they have returned.
  private struct Ends {
    var frames: [UInt8] = []
    /// Whose lookups they end, and those that were sent and not answered for.
    var waiting: [UInt64] = []
    var sent: [UInt64] = []
    /// When the first of them was kept.
    var sweep = 0
  }

  private let ends = Locked<Ends>(Ends())

  /// Keeps an End for the next call.
  func keep(end handle: UInt64, of session: UInt64, sweep: Int) {
    var frame = FrameWriter(ProviderCall.endUnanswered.rawValue, request: 0, reserving: 24)
    EndCall(handle: handle).write(to: &frame)
    ends.withLock { ends in
      if ends.frames.isEmpty { ends.sweep = sweep }
      ends.frames += frame.finish()
      ends.waiting.append(session)
    }
  }

  /// Whether there are Ends that nothing has followed, since before some sweep.
  func hasEnds(before sweep: Int) -> Bool { ends.withLock { !$0.frames.isEmpty && $0.sweep < sweep } }

  /// Whether an End of a session may still be running, or has not begun. Any thread.
  func hasEnd(of session: UInt64) -> Bool { ends.withLock { $0.waiting.contains(session) || $0.sent.contains(session) } }

  /// Nobody waits for them any more.
  func forgetEnds() { ends.withLock { $0 = Ends() } }

  /// Has the Ends done that nothing has followed.
  func finishEnds(until deadline: MonotonicTime) -> Outcome {
    var frame = FrameWriter(ProviderCall.nothing.rawValue, request: 0)
    let bytes = frame.finish()
    defer { carried.store(0, ordering: .relaxed) }
    let outcome = ask(bytes, until: deadline)
    if case .late = outcome { carried.store(ProviderCall.end.rawValue, ordering: .relaxed) }
    return outcome
  }

  /// Waits for the answer to what was sent.
  func answer(until deadline: MonotonicTime) -> Outcome {
    while true {
      switch step() {
      case .answer(let answer): return .answer(answer)
      case .gone: return .gone
      case .late: if !wait(for: POLLIN, until: deadline) { return .late }
      }
    }
  }

  private func step() -> Outcome {
    let outcome = look()
    guard case .answer = outcome else { return outcome }
    carried.store(0, ordering: .relaxed)
    // What went before it has returned.
    ends.withLock { $0.sent = [] }
    return outcome
  }

  private func look() -> Outcome {
    withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 16) { room in
      while true {
        // 0 stands for nothing yet, so the end is told as -1.
        func look() -> Int {
          let count = recv(descriptor.number, room.baseAddress, room.count, Int32(MSG_DONTWAIT))
          return count > 0 ? count : count == 0 ? -1 : errno == EAGAIN || errno == EINTR ? 0 : -1
        }
        var count = look()
        if count == 0, inbound.isEmpty { count = found(&patience, look) }
        if count < 0 { return .gone }
        if count == 0 { return .late }
        if inbound.isEmpty, let answer = Self.cut(UnsafeRawBufferPointer(rebasing: room[..<count])) { return .answer(answer) }
        inbound.append(contentsOf: room[..<count])
        guard let header = inbound.withUnsafeBytes({ FrameHeader($0) }) else { continue }
        guard header.isAcceptable(maximum: Self.maximumAnswer) else { return .gone }
        if inbound.count == Int(header.length) {
          defer { inbound = [] }
          return .answer(Answer(header: header, payload: Array(inbound[FrameHeader.size...])))
        }
        // One call, one answer.
        if inbound.count > Int(header.length) { return .gone }
      }
    }
  }

  /// Looks a moment; the end counts as something found.
  private func found(_ patience: inout Patience, _ look: () -> Int) -> Int {
    var isOver = false
    let count = patience.look {
      let count = look()
      isOver = count < 0
      return abs(count)
    }
    return isOver ? -1 : count
  }

  private static let maximumAnswer: UInt32 = 1 << 22

  private static func cut(_ bytes: UnsafeRawBufferPointer) -> Answer? {
    guard let header = FrameHeader(bytes), Int(header.length) == bytes.count, bytes.count >= FrameHeader.size else { return nil }
    return Answer(header: header, payload: Array(bytes[FrameHeader.size...]))
  }

  private func wait(for events: Int32, until deadline: MonotonicTime) -> Bool {
    let left = deadline.nanoseconds - MonotonicTime.now.nanoseconds
    guard left > 0 else { return false }
    var entry = pollfd(fd: descriptor.number, events: Int16(events), revents: 0)
    return poll(&entry, 1, Int32(min(left / 1_000_000 + 1, Int64(Int32.max)))) > 0 || errno == EINTR
  }
}
