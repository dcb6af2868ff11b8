import CClientSystem

#if !hasFeature(Embedded) && canImport(Wire)
  import Wire
#endif

/// Whole frames from a descriptor, and to it.
enum FrameChannel {
  /// The next frame: its header, and its payload, which begins at a multiple of 8. Nil when the other end is gone, or sends what is no frame.
  /// Waits without a deadline: the other end answers, or goes.
  /// - Parameter readsAhead: Nothing comes behind it.
  static func receive(_ descriptor: Int32, readsAhead: Bool) -> (header: FrameHeader, payload: [UInt8])? {
    var result: (FrameHeader, [UInt8])?
    // As a rule the whole frame comes at once.
    withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 16) { room in
      let got = nsp_client_receive_some(
        descriptor, room.baseAddress, FrameHeader.size, readsAhead ? room.count : FrameHeader.size)
      guard got >= FrameHeader.size, let header = FrameHeader(UnsafeRawBufferPointer(rebasing: room[..<got])),
        header.isAcceptable(maximum: 1 << 26), Int(header.length) >= got
      else { return }
      var bytes = Array(room[FrameHeader.size..<got])
      let missing = Int(header.length) - got
      if missing > 0 {
        bytes.append(contentsOf: repeatElement(0, count: missing))
        let have = got - FrameHeader.size
        let isWhole = bytes.withUnsafeMutableBytes { nsp_client_receive(descriptor, $0.baseAddress! + have, missing) == 0 }
        guard isWhole else { return }
      }
      result = (header, bytes)
    }
    return result
  }

  /// False when the other end is gone.
  static func send(_ descriptor: Int32, _ frame: inout FrameWriter) -> Bool {
    let bytes = frame.finish()
    return nsp_client_send(descriptor, bytes, bytes.count) == 0
  }
}

/// Frames that come one behind the other on a descriptor, several at once perhaps.
struct FrameStream {
  private let descriptor: Int32
  /// What has come, from `start` on.
  private var bytes: [UInt8] = []
  private var start = 0

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// The next frame, as `FrameChannel.receive`.
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
      let got = nsp_client_receive_some(descriptor, room.baseAddress, least, room.count)
      guard got > 0 else { return }
      more = Array(room[..<got])
      isGood = true
    }
    if bytes.isEmpty { bytes = more } else { bytes.append(contentsOf: more) }
    return isGood
  }
}
