import CWinsock
import QuerySets
import Testing

@testable import Wire

@Suite struct SelfRelativeTests {
  private static let full = QuerySet(
    serviceInstanceName: "printer.local", serviceClassID: GUID(Data1: 1, Data2: 2, Data3: 3, Data4: (4, 5, 6, 7, 8, 9, 10, 11)),
    version: ServiceVersion(number: 7, comparator: .notLess), comment: "über", nameSpace: .dns, providerID: .zero, context: "",
    protocols: [ProtocolPair(addressFamily: 2, protocolNumber: 6)], queryString: "?",
    addresses: [
      ServiceAddress(
        local: SocketAddress(bytes: []),
        remote: SocketAddress(bytes: [2, 0, 0, 7, 10, 0, 0, 1] + [UInt8](repeating: 0, count: 8)),
        socketType: 1, protocolNumber: 6),
      ServiceAddress(
        local: SocketAddress(bytes: [1, 2, 3]), remote: SocketAddress(bytes: []), socketType: 2, protocolNumber: 17),
    ], outputFlags: 5, blob: [1, 2, 3, 4, 5])

  /// Packed, and made relative, in memory aligned to 8.
  private func relative(_ set: QuerySet) throws -> [UInt64] {
    let size = try set.packedSize(as: .v1)
    var words = [UInt64](repeating: 0, count: size / 8)
    try words.withUnsafeMutableBytes { bytes in
      try set.pack(as: .v1, into: bytes)
      SelfRelative.makeRelative(bytes)
    }
    return words
  }

  private func resolved(_ words: inout [UInt64]) -> QuerySet? {
    words.withUnsafeMutableBytes { bytes in
      guard SelfRelative.resolve(bytes) else { return nil }
      let set = UnsafeRawPointer(bytes.baseAddress!).assumingMemoryBound(to: WSAQUERYSETW.self)
      return (try? QuerySetView(reading: set, in: .packed(UnsafeRawBufferPointer(bytes)))).map { QuerySet($0) }
    }
  }

  @Test("the offsets are those of the structures")
  func layout() {
    #expect(MemoryLayout<WSAQUERYSETW>.size == SelfRelative.headSize)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.lpszServiceInstanceName) == SelfRelative.Field.name)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.lpServiceClassId) == SelfRelative.Field.serviceClass)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.lpVersion) == SelfRelative.Field.version)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.lpszComment) == SelfRelative.Field.comment)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.dwNameSpace) == SelfRelative.Field.nameSpace)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.lpNSProviderId) == SelfRelative.Field.provider)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.lpszContext) == SelfRelative.Field.context)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.dwNumberOfProtocols) == SelfRelative.Field.protocolCount)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.lpafpProtocols) == SelfRelative.Field.protocols)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.lpszQueryString) == SelfRelative.Field.queryString)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.dwNumberOfCsAddrs) == SelfRelative.Field.addressCount)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.lpcsaBuffer) == SelfRelative.Field.addresses)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.dwOutputFlags) == SelfRelative.Field.outputFlags)
    #expect(MemoryLayout<WSAQUERYSETW>.offset(of: \.lpBlob) == SelfRelative.Field.blob)
    #expect(
      MemoryLayout<CSADDR_INFO>.stride == SelfRelative.addressSize
        && MemoryLayout<AFPROTOCOLS>.stride == SelfRelative.protocolSize)
  }

  @Test("what is packed, made relative, moved and resolved is what it was", arguments: [full, QuerySet(), QuerySet(blob: [])])
  func roundTrip(set: QuerySet) throws {
    var moved = try relative(set)
    #expect(!moved.isEmpty && resolved(&moved) == set)
  }

  @Test("cut short at any length, it is refused or reads within bounds")
  func cut() throws {
    let words = try relative(Self.full)
    for count in 0..<words.count {
      // Exactly as long as it says, so that a read beyond it is one beyond the allocation.
      var short = Array(words[..<count])
      _ = resolved(&short)
      #expect(count >= 15 || resolved(&short) == nil)
    }
  }

  @Test("an offset that leads back, into the head, to the same part twice, or out is refused")
  func strange() throws {
    let words = try relative(Self.full)
    for field in [
      SelfRelative.Field.name, SelfRelative.Field.serviceClass, SelfRelative.Field.addresses, SelfRelative.Field.blob,
    ] {
      for offset in [1, 7, 8, 112, 121, UInt64(words.count * 8) + 8, .max, .max - 7, 1 << 63] {
        var changed = words
        changed[field / 8] = offset
        #expect(resolved(&changed) == nil, "\(field): \(offset)")
      }
    }
    var twice = words
    twice[SelfRelative.Field.comment / 8] = twice[SelfRelative.Field.name / 8]
    #expect(resolved(&twice) == nil)
  }

  @Test("100,000 random changes are refused or read within bounds")
  func random() throws {
    let words = try relative(Self.full)
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<100_000 {
      var changed = words
      for _ in 0..<Int.random(in: 1...3) {
        let index = Int.random(in: changed.indices, using: &generator)
        switch Int.random(in: 0..<4) {
        case 0: changed[index] = .random(in: 0...UInt64(words.count * 8 + 16))
        case 1: changed[index] ^= 1 << UInt64.random(in: 0..<64)
        case 2: changed[index] = .random(in: 0...UInt64.max)
        default: changed[index] &= 0xFFFF_FFFF
        }
      }
      _ = resolved(&changed)
    }
  }

  @Test("frames say their length, kind, number and status; fields are read in order and not beyond the end")
  func frames() {
    var writer = FrameWriter(RequestKind.next.rawValue, request: 42, status: -1)
    writer.append(UInt64(0x0102_0304_0506_0708))
    writer.append(UInt16(7))
    writer.align()
    let frame = writer.finish()
    #expect(frame.count == 32)
    frame.withUnsafeBytes { bytes in
      let header = FrameHeader(bytes)
      #expect(header?.length == 32 && header?.kind == 3 && header?.request == 42 && header?.status == -1)
      var fields = FieldReader(UnsafeRawBufferPointer(rebasing: bytes[FrameHeader.size...]))
      #expect(fields.uint64() == 0x0102_0304_0506_0708 && fields.uint16() == 7 && fields.align())
      #expect(fields.uint16() == nil && fields.bytes(1) == nil && fields.bytes(-1) == nil && fields.bytes(0)?.isEmpty == true)
    }
    #expect(FrameHeader(UnsafeRawBufferPointer(start: nil, count: 0)) == nil)
    #expect(!FrameHeader(length: 15, kind: 1, request: 1).isAcceptable(maximum: 100))
    #expect(!FrameHeader(length: 101, kind: 1, request: 1).isAcceptable(maximum: 100))
  }
}
