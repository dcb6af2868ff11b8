import CNSSModule

/// What became of one question.
enum Outcome {
  case found
  /// The host's code: nobody has it, or nobody could say.
  case code(Int32)
  /// No host answers: `errno` says how that showed.
  case unavailable(Int32)
  /// The host is there, and took too long.
  case late
}

/// One question to the host, with the times that it keeps: where nobody is there, that shows within 50 ms; where the host waits for others,
/// the budget that it is configured for is what one name is worth. A host that waits for a processor is not down: it is given a little more.
struct Call {
  private static let millisecond: Int64 = 1_000_000
  /// Who is silent for so long is asked whether somebody is there, and has to say so before the second is over.
  private static let firstSilence = 20 * millisecond
  private static let firstEnd = 50 * millisecond
  /// The same, once the host has been heard.
  private static let laterSilence = 200 * millisecond
  private static let answerTime = 30 * millisecond
  private static let busyTime = 50 * millisecond
  private static let mostBusyTimes = 9
  /// For how long a host that did not answer is left alone.
  private static let rest = 1_000 * millisecond
  /// The least that whoever is asked has, also where this process has had no processor meanwhile.
  private static let leastTime = 5 * millisecond
  private static let defaultBudget: UInt32 = 5_000
  private static let longestText = 1_280
  /// As much as has a place on the stack.
  private static let firstRoom = 1_024
  private static let mostBytes = 1 << 17

  /// Asks, and shows the payload of the answer to `read`, where there is one.
  static func ask(
    _ question: ResolveQuestion, family: Int32, _ text: UnsafeRawBufferPointer, _ read: (UnsafeRawBufferPointer) -> Void
  ) -> Outcome {
    guard text.count <= longestText else { return .code(Code.hostNotFound) }
    if nsp_nss_is_bypassed() != 0 { return .unavailable(ENOENT) }
    if nsp_host_clock() < nsp_nss_silent_until() { return .unavailable(ETIMEDOUT) }
    let former = nsp_nss_hold_cancellation()
    defer { nsp_nss_release_cancellation(former) }
    let size = FrameHeader.size + 16 + text.count
    // Tells its answer from one that was meant for somebody else.
    let number = UInt32(truncatingIfNeeded: nsp_host_clock())
    return withUnsafeTemporaryAllocation(byteCount: helloSize + size, alignment: 8) { frames in
      HelloRequest(session: WireVersion.noSession).write(frame: UnsafeMutableRawBufferPointer(rebasing: frames[..<helloSize]))
      let request = UnsafeMutableRawBufferPointer(rebasing: frames[helloSize...])
      var fields = ResolveRequest()
      (fields.question, fields.family, fields.size) = (question.rawValue, UInt32(bitPattern: family), UInt32(text.count))
      let place = fields.write(frame: request, request: number)
      if let start = text.baseAddress { (request.baseAddress! + place).copyMemory(from: start, byteCount: text.count) }
      return ask(UnsafeRawBufferPointer(frames), number, read)
    }
  }

  private static let helloSize = 32

  /// - Parameter frames: The hello and the request.
  private static func ask(_ frames: UnsafeRawBufferPointer, _ number: UInt32, _ read: (UnsafeRawBufferPointer) -> Void) -> Outcome
  {
    while true {
      var connection = nsp_nss_take()
      let isKept = connection.descriptor >= 0
      let start = nsp_host_clock()
      if !isKept, nsp_nss_connect(&connection, start + firstEnd) != 0 {
        nsp_nss_end(&connection)
        // Nobody took it in all that time: its queue is full, and will be.
        if nsp_host_clock() > start + firstSilence { nsp_nss_set_silent_until(nsp_host_clock() + rest) }
        return .unavailable(ECONNREFUSED)
      }
      // The hello takes no time of its own: the request follows at once.
      let bytes = isKept ? UnsafeRawBufferPointer(rebasing: frames[helloSize...]) : frames
      var end = End.gone
      if nsp_host_send(connection.descriptor, bytes.baseAddress, bytes.count, start + firstEnd) == 0 {
        end = receive(&connection, start, number, read)
      }
      switch end {
      case .answered(let outcome, let isClean):
        // Where more has come, or a part of it, the next answer would not be found.
        if isClean { nsp_nss_keep(&connection) } else { nsp_nss_end(&connection) }
        return outcome
      case .refused(let code):
        nsp_nss_end(&connection)
        return .code(code)
      case .late:
        nsp_nss_end(&connection)
        return .late
      case .silent:
        nsp_nss_end(&connection)
        nsp_nss_set_silent_until(nsp_host_clock() + rest)
        return .unavailable(ETIMEDOUT)
      case .gone:
        nsp_nss_end(&connection)
        // One that was kept may be one to a host that has been started anew since.
        if !isKept { return .unavailable(ECONNRESET) }
      }
    }
  }

  private enum End {
    /// Nothing that came behind it was read.
    case answered(Outcome, isClean: Bool)
    /// With the host's code.
    case refused(Int32)
    /// The budget is over.
    case late
    /// Nobody has said anything.
    case silent
    case gone
  }

  /// The times of one wait, as a table of what silence means.
  private struct Watch {
    private let start: Int64
    private var heardAt: Int64?
    private var askedAt: Int64?
    private var busyTimes = 0

    init(_ start: Int64) { self.start = start }

    mutating func heard() { (heardAt, askedAt, busyTimes) = (nsp_host_clock(), nil, 0) }
    mutating func asked() { askedAt = nsp_host_clock() }
    /// The host has too much to do. False when it has had too much for too long.
    mutating func waitsForBusy() -> Bool {
      busyTimes += 1
      return busyTimes <= mostBusyTimes
    }
    var hasAsked: Bool { askedAt != nil }

    /// Until when to wait for the next byte.
    func end(_ budget: Int64) -> Int64 {
      switch (heardAt, askedAt) {
      case (nil, nil): start + firstSilence
      case (nil, let asked?): max(start + firstEnd, asked + leastTime) + Int64(busyTimes) * busyTime
      case (let heard?, nil): min(heard + laterSilence, budget)
      case (_?, let asked?): min(asked + answerTime + Int64(busyTimes) * busyTime, budget)
      }
    }
  }

  private static func receive(
    _ connection: inout nsp_nss_connection, _ start: Int64, _ number: UInt32, _ read: (UnsafeRawBufferPointer) -> Void
  )
    -> End
  {
    var watch = Watch(start)
    var room = firstRoom
    var end: End?
    // What has come of a frame that had no room.
    var rest: UnsafeMutableRawBufferPointer?
    while end == nil {
      withUnsafeTemporaryAllocation(byteCount: room, alignment: 8) { buffer in
        var have = 0
        if let former = rest {
          buffer.copyMemory(from: UnsafeRawBufferPointer(former))
          have = former.count
          former.deallocate()
          rest = nil
        }
        while end == nil {
          switch take(UnsafeMutableRawBufferPointer(rebasing: buffer[..<have]), &connection, number, read) {
          case .frame(let size, let found):
            end = found
            have -= size
            if case .answered(let outcome, _)? = found { end = .answered(outcome, isClean: have == 0) }
            if have > 0 { memmove(buffer.baseAddress!, buffer.baseAddress! + size, have) }
            if end != nil || have > 0 { continue }
          case .nonsense:
            end = .gone
            continue
          case .needs(let size) where size > buffer.count:
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: have, alignment: 8)
            copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<have]))
            (rest, room) = (copy, size)
            return
          case .needs: break
          }
          let budget = start + Int64(connection.budget > 0 ? connection.budget : defaultBudget) * millisecond
          let got = nsp_host_receive(connection.descriptor, buffer.baseAddress! + have, 1, buffer.count - have, watch.end(budget))
          if got > 0 {
            have += got
            watch.heard()
          } else if got < 0 {
            end = .gone
          } else if nsp_host_clock() >= budget {
            end = .late
          } else if watch.hasAsked {
            if nsp_nss_is_busy(&connection) == 0 || !watch.waitsForBusy() { end = .silent }
          } else {
            watch.asked()
            if !askWhetherSomebodyIsThere(connection.descriptor) { end = .silent }
          }
        }
      }
    }
    rest?.deallocate()
    return end ?? .gone
  }

  private static func askWhetherSomebodyIsThere(_ descriptor: Int32) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: FrameHeader.size, alignment: 8) { frame in
      FrameHeader(length: UInt32(FrameHeader.size), kind: RequestKind.nothing.rawValue, request: 2).write(to: frame)
      return nsp_host_send(descriptor, frame.baseAddress, frame.count, 0) == 0
    }
  }

  private enum Taken {
    /// So many bytes were a whole frame, which may be what was waited for.
    case frame(Int, End?)
    /// The first frame has so many, not all of which are here.
    case needs(Int)
    case nonsense
  }

  private static func take(
    _ bytes: UnsafeMutableRawBufferPointer, _ connection: inout nsp_nss_connection, _ number: UInt32,
    _ read: (UnsafeRawBufferPointer) -> Void
  ) -> Taken {
    guard let header = FrameHeader(UnsafeRawBufferPointer(bytes)) else { return .needs(FrameHeader.size) }
    guard header.isAcceptable(maximum: UInt32(mostBytes)) else { return .nonsense }
    let size = Int(header.length)
    guard bytes.count >= size else { return .needs(size) }
    let payload = UnsafeRawBufferPointer(rebasing: bytes[FrameHeader.size..<size])
    switch header.kind {
    case RequestKind.hello.answer:
      guard header.status == 0 else { return .frame(size, .refused(header.status)) }
      if let budget = HelloAnswer(payload)?.resolveBudget, budget > 0 { connection.budget = budget }
      return .frame(size, nil)
    case RequestKind.resolve.answer where header.request == number:
      guard header.status == 0 else { return .frame(size, .answered(.code(header.status), isClean: true)) }
      read(payload)
      return .frame(size, .answered(.found, isClean: true))
    default: return .frame(size, nil)
    }
  }
}
