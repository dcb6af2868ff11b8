import CClientSystem

#if !hasFeature(Embedded) && canImport(Wire)
  import Wire
#endif

/// Whole frames from a descriptor, and to it.
enum FrameChannel {
  enum Received {
    /// Its payload begins at a multiple of 8.
    case frame(header: FrameHeader, payload: [UInt8])
    /// The other end is gone, or sends what is no frame.
    case gone
    /// It gave no sign of life.
    case silent
  }

  /// The next frame. Answers to `nothing`, by which the other end shows that it lives, are passed over.
  /// - Parameters:
  ///   - readsAhead: Nothing but such answers comes behind it.
  ///   - silence: How long the other end may say nothing, in nanoseconds.
  static func receive(_ descriptor: Int32, readsAhead: Bool, silence: Int64) -> Received {
    var result = Received.gone
    // As a rule the whole frame comes at once.
    withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 16) { room in
      result = receive(descriptor, into: room, most: readsAhead ? room.count : FrameHeader.size, silence)
    }
    return result
  }

  private static func receive(_ descriptor: Int32, into room: UnsafeMutableRawBufferPointer, most: Int, _ silence: Int64)
    -> Received
  {
    var got = 0
    while true {
      if got < FrameHeader.size {
        let more = nsp_client_receive(descriptor, room.baseAddress! + got, FrameHeader.size - got, most - got, silence)
        guard more > 0 else { return more == -2 ? .silent : .gone }
        got += more
      }
      guard let header = FrameHeader(UnsafeRawBufferPointer(rebasing: room[..<got])), header.isAcceptable(maximum: 1 << 26) else {
        return .gone
      }
      let length = Int(header.length)
      guard isSignOfLife(header) else { return whole(header, room, got, descriptor, silence) }
      got -= length
      memmove(room.baseAddress!, room.baseAddress! + length, got)
    }
  }

  /// Of one without a payload alone: it is never longer than what has come.
  private static func isSignOfLife(_ header: FrameHeader) -> Bool {
    header.kind == RequestKind.nothing.answer && Int(header.length) == FrameHeader.size
  }

  private static func whole(
    _ header: FrameHeader, _ room: UnsafeMutableRawBufferPointer, _ got: Int, _ descriptor: Int32, _ silence: Int64
  ) -> Received {
    let (have, length) = (min(got, Int(header.length)), Int(header.length))
    var behind = have
    while behind < got {
      guard let other = FrameHeader(UnsafeRawBufferPointer(rebasing: room[behind..<got])), isSignOfLife(other) else {
        return .gone
      }
      behind += FrameHeader.size
    }
    var payload = Array(room[FrameHeader.size..<have])
    let missing = length - have
    guard missing > 0 else { return .frame(header: header, payload: payload) }
    payload.append(contentsOf: repeatElement(0, count: missing))
    let more = payload.withUnsafeMutableBytes {
      nsp_client_receive(descriptor, $0.baseAddress! + have - FrameHeader.size, missing, missing, silence)
    }
    guard more == missing else { return more == -2 ? .silent : .gone }
    return .frame(header: header, payload: payload)
  }

  /// False when the other end is gone, or reads nothing for `silence` nanoseconds.
  static func send(_ descriptor: Int32, _ frame: inout FrameWriter, silence: Int64) -> Bool {
    let bytes = frame.finish()
    return nsp_client_send(descriptor, bytes, bytes.count, silence) == 0
  }
}

/// Frames that come one behind the other on a descriptor, several at once perhaps.
struct FrameStream {
  private let descriptor: Int32
  /// What has come, from `start` on.
  private var bytes: [UInt8] = []
  private var start = 0

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// The next frame: its header, and its payload, which begins at a multiple of 8. Nil when the other end is gone, or sends what is no frame.
  /// Waits without a deadline: the other end sends, or goes.
  mutating func next() -> (header: FrameHeader, payload: [UInt8])? {
    while true {
      let have = bytes.count - start
      var needed = FrameHeader.size
      if have >= FrameHeader.size {
        let from = start
        guard let header = bytes.withUnsafeBytes({ FrameHeader(UnsafeRawBufferPointer(rebasing: $0[from...])) }),
          header.isAcceptable(maximum: 1 << 26)
        else { return nil }
        needed = Int(header.length)
        if have >= needed {
          let payload = Array(bytes[start + FrameHeader.size..<start + needed])
          start += needed
          if start == bytes.count { (bytes, start) = ([], 0) }
          return (header, payload)
        }
      }
      guard fill(atLeast: needed - have) else { return nil }
    }
  }

  private mutating func fill(atLeast least: Int) -> Bool {
    if start > 0 {
      bytes.removeFirst(start)
      start = 0
    }
    var (more, isGood): ([UInt8], Bool) = ([], false)
    withUnsafeTemporaryAllocation(byteCount: max(4096, least), alignment: 16) { room in
      let got = nsp_client_receive(descriptor, room.baseAddress, least, room.count, nsp_client_endless())
      guard got > 0 else { return }
      more = Array(room[..<got])
      isGood = true
    }
    if bytes.isEmpty { bytes = more } else { bytes.append(contentsOf: more) }
    return isGood
  }
}
