import CWinsock
import RandomSequences
import Testing

@testable import QuerySets

/// Memory aligned to 8, filled with a pattern.
func withBuffer<Result>(_ size: Int, fill: UInt8 = 0, _ body: (UnsafeMutableRawBufferPointer) throws -> Result) rethrows -> Result
{
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(size, 8), alignment: 8)
  defer { buffer.deallocate() }
  buffer.initializeMemory(as: UInt8.self, repeating: fill)
  return try body(UnsafeMutableRawBufferPointer(rebasing: buffer[0..<size]))
}

func read(_ form: QuerySetForm, _ buffer: UnsafeMutableRawBufferPointer) throws(QuerySetError) -> QuerySetView {
  let base = buffer.baseAddress!
  let memory = QuerySetView.Memory.packed(UnsafeRawBufferPointer(buffer))
  switch form {
  case .v1: return try QuerySetView(reading: UnsafePointer(base.assumingMemoryBound(to: WSAQUERYSETW.self)), in: memory)
  case .v2: return try QuerySetView(reading: UnsafePointer(base.assumingMemoryBound(to: WSAQUERYSET2W.self)), in: memory)
  }
}

extension QuerySet {
  static func random(_ generator: inout SplitMix) -> QuerySet {
    func maybe<Value>(_ value: @autoclosure () -> Value) -> Value? { Bool.random(using: &generator) ? value() : nil }
    func text() -> String {
      let alphabet: [Character] = ["a", "Z", "0", ".", "@", "é", "ß", "名", "前", "😀", "\u{10FFFF}", "\u{FFFD}", " "]
      return String((0..<Int.random(in: 0...40, using: &generator)).map { _ in alphabet.randomElement(using: &generator)! })
    }
    func guid() -> GUID { GUID(bytes: (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })! }
    func address() -> SocketAddress {
      SocketAddress(
        bytes: (0..<[0, 1, 16, 28, 128].randomElement(using: &generator)!).map { _ in UInt8.random(in: 0...255, using: &generator)
        })
    }
    func number() -> Int32 { Int32(truncatingIfNeeded: generator.next()) }
    return QuerySet(
      serviceInstanceName: maybe(text()), serviceClassID: maybe(guid()),
      version: maybe(ServiceVersion(number: UInt32(truncatingIfNeeded: generator.next()), comparator: .notLess)),
      comment: maybe(text()), nameSpace: NameSpace(rawValue: UInt32.random(in: 0...60, using: &generator)),
      providerID: maybe(guid()), context: maybe(text()),
      protocols: (0..<Int.random(in: 0...3, using: &generator)).map { _ in
        ProtocolPair(addressFamily: number(), protocolNumber: number())
      }, queryString: maybe(text()),
      addresses: (0..<Int.random(in: 0...4, using: &generator)).map { _ in
        ServiceAddress(local: address(), remote: address(), socketType: number(), protocolNumber: number())
      }, outputFlags: UInt32(truncatingIfNeeded: generator.next()),
      blob: maybe((0..<Int.random(in: 0...64, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }))
  }
}

@Suite struct QuerySetPackingTests {
  private var sample: QuerySet {
    QuerySet(
      serviceInstanceName: "a@sampleprovider.net", providerID: GUID("e6401bf9-5579-472a-8382-ca07076611bd"),
      addresses: [
        ServiceAddress(
          local: SocketAddress("[2001:db8::1]:25")!, remote: SocketAddress("[2001:db8::2]:25")!, socketType: 1, protocolNumber: 6)
      ])
  }

  @Test("NSP-173 the record of the sample provider takes 288 bytes, laid out canonically")
  func vector() throws {
    #expect(try sample.packedSize(as: .v1) == 288)
    try withBuffer(288) { buffer in
      try sample.pack(as: .v1, into: buffer)
      let base = buffer.baseAddress!
      let set = base.load(as: WSAQUERYSETW.self)
      #expect(set.dwSize == 120)
      #expect(UnsafeRawPointer(set.lpszServiceInstanceName) == UnsafeRawPointer(base + 120))
      #expect(UnsafeRawPointer(set.lpNSProviderId) == UnsafeRawPointer(base + 168))
      #expect(UnsafeRawPointer(set.lpcsaBuffer) == UnsafeRawPointer(base + 184))
      #expect(UnsafeRawPointer(set.lpcsaBuffer.pointee.LocalAddr.lpSockaddr) == UnsafeRawPointer(base + 224))
      #expect(UnsafeRawPointer(set.lpcsaBuffer.pointee.RemoteAddr.lpSockaddr) == UnsafeRawPointer(base + 256))
    }
    var nameless = sample
    nameless.serviceInstanceName = nil
    #expect(try nameless.packedSize(as: .v1) == 240)
  }

  @Test("5,000 random query sets survive packing and reading", arguments: [QuerySetForm.v1, .v2])
  func roundTrip(form: QuerySetForm) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SplitMix(state: seed)
    for number in 0..<5_000 {
      var original = QuerySet.random(&generator)
      if form == .v2 { original.serviceClassID = nil }
      let size = try original.packedSize(as: form)
      let copy = try withBuffer(size, fill: 0xFF) { buffer in
        try original.pack(as: form, into: buffer)
        return QuerySet(try read(form, buffer))
      }
      #expect(copy == original, "seed \(seed), set \(number)")
      if copy != original { return }
    }
  }

  @Test("NSP-168 NSP-169 one byte too few says how many are needed and writes nothing", arguments: [QuerySetForm.v1, .v2])
  func tooSmall(form: QuerySetForm) throws {
    let needed = try sample.packedSize(as: form)
    for size in [0, 8, 119, needed - 1] {
      withBuffer(size, fill: 0xA5) { buffer in
        #expect(throws: QuerySetError.bufferTooSmall(needed: needed)) { try sample.pack(as: form, into: buffer) }
        #expect(buffer.allSatisfy { $0 == 0xA5 })
      }
    }
  }

  @Test("NSP-174 what was in the buffer before makes no difference")
  func dirtyBuffer() throws {
    let size = try sample.packedSize(as: .v2)
    let results = try [UInt8(0), 0xFF].map { fill in
      try withBuffer(size, fill: fill) { buffer in
        try sample.pack(as: .v2, into: buffer)
        return QuerySet(try read(.v2, buffer))
      }
    }
    #expect(results[0] == results[1])
  }

  @Test("NSP-172 every pointer leads into the buffer, and structures are aligned to 8")
  func pointers() throws {
    var generator = SplitMix(state: 7)
    for _ in 0..<500 {
      let set = QuerySet.random(&generator)
      let size = try set.packedSize(as: .v1)
      #expect(size % 8 == 0)
      try withBuffer(size) { buffer in
        try set.pack(as: .v1, into: buffer)
        let raw = buffer.baseAddress!.load(as: WSAQUERYSETW.self)
        let pointers: [UnsafeRawPointer?] = [
          UnsafeRawPointer(raw.lpszServiceInstanceName), UnsafeRawPointer(raw.lpServiceClassId), UnsafeRawPointer(raw.lpVersion),
          UnsafeRawPointer(raw.lpNSProviderId), UnsafeRawPointer(raw.lpafpProtocols), UnsafeRawPointer(raw.lpcsaBuffer),
          UnsafeRawPointer(raw.lpBlob),
        ]
        for case let pointer? in pointers {
          #expect(pointer >= UnsafeRawPointer(buffer.baseAddress!) && pointer < UnsafeRawPointer(buffer.baseAddress! + size))
          #expect(Int(bitPattern: pointer) % 8 == 0)
        }
      }
    }
  }

  @Test("text with a NUL inside, and text that is too long, are refused")
  func badText() {
    #expect(throws: QuerySetError.malformedText("lpszServiceInstanceName")) {
      try QuerySet(serviceInstanceName: "a\0b").packedSize(as: .v2)
    }
    #expect(throws: QuerySetError.tooLong("lpszComment", QuerySetLimits.textUnits)) {
      try QuerySet(comment: String(repeating: "x", count: 40_000)).packedSize(as: .v2)
    }
  }

  @Test("a blob of a DNS record is what it was made of; others, and cut ones, are none")
  func dnsBlob() {
    var blob = DNSBlob(type: 33, timeToLive: 300)
    (blob.priority, blob.weight, blob.port, blob.data) = (1, 2, 993, [1, 2, 3, 4, 5])
    let bytes = blob.bytes
    #expect(bytes.count == 25 && Array(bytes.prefix(4)) == Array("NSPD".utf8))
    let read = DNSBlob(bytes)
    #expect(read?.bytes == bytes && read?.timeToLive == 300 && read?.port == 993)
    for count in bytes.indices { #expect(DNSBlob(Array(bytes[..<count])) == nil) }
    #expect(DNSBlob([UInt8](repeating: 0xFF, count: 40)) == nil)
  }
}
