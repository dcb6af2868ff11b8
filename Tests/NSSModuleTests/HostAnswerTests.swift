import CNSSModule
import RandomSequences
import Testing

/// What the host says of a name, laid into the structures of glibc.
@Suite struct HostAnswerTests {
  /// The payload of an answer to `resolve`.
  private static func payload(
    _ names: [String], _ addresses: [(family: Int32, scope: UInt32, bytes: [UInt8])] = [], seconds: UInt32 = .max,
    port: UInt16 = 0,
    protocolNumber: UInt16 = 0
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    func add(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
    add(UInt32(names.count))
    add(UInt32(addresses.count))
    add(seconds)
    add(port)
    add(protocolNumber)
    for (family, scope, address) in addresses {
      add(family)
      add(scope)
      bytes += address + [UInt8](repeating: 0, count: 16 - address.count)
    }
    for name in names {
      add(UInt16(name.utf8.count))
      bytes += name.utf8
    }
    return bytes
  }

  private static let addresses: [(family: Int32, scope: UInt32, bytes: [UInt8])] = [
    (AF_INET, 0, [192, 0, 2, 1]), (AF_INET6, 3, Array(0xF0...0xFF)), (AF_INET, 0, [192, 0, 2, 2]),
  ]

  /// Shows an answer and a buffer of so many bytes, which begins at no multiple of 8.
  private static func withAnswer<Result>(
    _ payload: [UInt8], room: Int = 4096, _ body: (HostAnswer, inout CallerBuffer) throws -> Result
  ) throws -> Result {
    try payload.withUnsafeBytes { bytes in
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room + 9, alignment: 8)
      defer {
        #expect(memory[(room + 1)...].allSatisfy { $0 == 0xAA }, "nothing behind the buffer is written")
        memory.deallocate()
      }
      memory.initializeMemory(as: UInt8.self, repeating: 0xAA)
      var buffer = try #require(CallerBuffer((memory.baseAddress! + 1).assumingMemoryBound(to: CChar.self), room))
      return try body(try #require(HostAnswer(bytes)), &buffer)
    }
  }

  private static func texts(_ list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> [String] {
    var (texts, next) = ([String](), list)
    while let text = next.pointee {
      texts.append(String(cString: text))
      next += 1
    }
    return texts
  }

  @Test("every payload that is cut off is refused, and so is one without a name")
  func truncated() {
    let whole = Self.payload(["one", "uno"], Self.addresses)
    for count in whole.indices {
      whole.withUnsafeBytes { #expect(HostAnswer(UnsafeRawBufferPointer(rebasing: $0[..<count])) == nil) }
    }
    Self.payload([]).withUnsafeBytes { #expect(HostAnswer($0) == nil) }
  }

  @Test("payloads with a byte changed are read or refused, never more; 20,000 of them, the seed is printed")
  func changed() {
    let seed = UInt64.random(in: .min ... .max)
    print("NSSModule payloads: seed \(seed)")
    var chance = SplitMix(state: seed)
    let whole = Self.payload(["one", "uno", ""], Self.addresses)
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...3, using: &chance) {
        bytes[Int.random(in: bytes.indices, using: &chance)] = .random(in: 0...255, using: &chance)
      }
      bytes.withUnsafeBytes { bytes in
        guard let answer = HostAnswer(bytes) else { return }
        var (names, size) = (0, 0)
        answer.forEachName { (names, size) = (names + 1, size + $0.count) }
        #expect(names == answer.nameCount && size <= bytes.count)
      }
    }
  }

  @Test("a host: the addresses of its family in their order, its names, and how long it may be kept")
  func host() throws {
    var result = hostent()
    try Self.withAnswer(Self.payload(["one", "uno", "eins"], Self.addresses, seconds: 60)) { answer, buffer in
      #expect(answer.timeToLive == 60)
      #expect(pack(answer, AF_INET, &result, &buffer).status == NSS_STATUS_SUCCESS)
      #expect(String(cString: result.h_name) == "one" && Self.texts(result.h_aliases) == ["uno", "eins"])
      #expect(result.h_addrtype == AF_INET && result.h_length == 4 && result.h_addr_list[2] == nil)
      for index in 0..<2 {
        let bytes = UnsafeRawBufferPointer(start: result.h_addr_list[index], count: 4)
        #expect(Array(bytes) == [192, 0, 2, UInt8(index + 1)])
      }
    }
    try Self.withAnswer(Self.payload(["one"], [Self.addresses[0]])) { answer, buffer in
      #expect(answer.timeToLive == nil)
      let status = pack(answer, AF_INET6, &result, &buffer)
      #expect(status.status == NSS_STATUS_NOTFOUND && status.hostErrno == NO_DATA)
    }
  }

  @Test("a list of all families: the caller's own element comes first where it gives one", arguments: [false, true])
  func list(_ isGiven: Bool) throws {
    var own = gaih_addrtuple()
    try withUnsafeMutablePointer(to: &own) { own in
      var first: UnsafeMutablePointer<gaih_addrtuple>? = isGiven ? own : nil
      try Self.withAnswer(Self.payload(["one"], Self.addresses)) { answer, buffer in
        #expect(pack(answer, &first, &buffer).status == NSS_STATUS_SUCCESS)
        #expect(!isGiven || first == own)
        var (families, scopes, next) = ([Int32](), [UInt32](), first)
        while let one = next {
          families.append(one.pointee.family)
          scopes.append(one.pointee.scopeid)
          #expect(String(cString: one.pointee.name) == "one")
          next = one.pointee.next
        }
        #expect(families == [AF_INET, AF_INET6, AF_INET] && scopes == [0, 3, 0])
      }
    }
  }

  @Test("a buffer that is too small is told so at every size, and the first that is large enough does")
  func sizes() throws {
    let payload = Self.payload(["one", "uno"], Self.addresses)
    var wasTooSmall = true
    for room in 0...200 {
      var result = hostent()
      let status = try Self.withAnswer(payload, room: room) { pack($0, AF_INET, &result, &$1) }
      if status.status == NSS_STATUS_SUCCESS { wasTooSmall = false }
      #expect(status.status == NSS_STATUS_SUCCESS || status.status == NSS_STATUS_TRYAGAIN && status.errno == ERANGE)
      #expect(wasTooSmall || status.status == NSS_STATUS_SUCCESS, "\(room) bytes")
    }
    #expect(!wasTooSmall)
  }

  @Test("a service: its own protocol, or the one that was asked for; none without a port")
  func service() throws {
    var result = servent()
    try Self.withAnswer(Self.payload(["http", "www"], port: 80, protocolNumber: 6)) { answer, buffer in
      #expect(pack(answer, UnsafeRawBufferPointer(start: nil, count: 0), &result, &buffer).status == NSS_STATUS_SUCCESS)
      #expect(String(cString: result.s_proto) == "tcp" && UInt16(truncatingIfNeeded: result.s_port).bigEndian == 80)
      #expect(String(cString: result.s_name) == "http" && Self.texts(result.s_aliases) == ["www"])
    }
    let asked = Array("sctp".utf8)
    try Self.withAnswer(Self.payload(["http"], port: 80, protocolNumber: 200)) { answer, buffer in
      #expect(pack(answer, UnsafeRawBufferPointer(start: nil, count: 0), &result, &buffer).status == NSS_STATUS_NOTFOUND)
      #expect(asked.withUnsafeBytes { pack(answer, $0, &result, &buffer) }.status == NSS_STATUS_SUCCESS)
      #expect(String(cString: result.s_proto) == "sctp")
    }
    try Self.withAnswer(Self.payload(["http"], protocolNumber: 6)) { answer, buffer in
      #expect(asked.withUnsafeBytes { pack(answer, $0, &result, &buffer) }.status == NSS_STATUS_NOTFOUND)
    }
  }

  @Test("the host's codes, as glibc's manual pairs status, errno and h_errno")
  func codes() {
    func told(_ code: Int32) -> (nss_status, Int32, Int32) {
      let status = Status(.code(code), packed: .success)
      return (status.status, status.errno, status.hostErrno)
    }
    for code: Int32 in [11001, 10108, 10110, 10022] { #expect(told(code) == (NSS_STATUS_NOTFOUND, ENOENT, HOST_NOT_FOUND)) }
    #expect(told(11004) == (NSS_STATUS_NOTFOUND, ENOENT, NO_DATA))
    for code: Int32 in [11002, 10060, 10055, 10111] { #expect(told(code) == (NSS_STATUS_TRYAGAIN, EAGAIN, TRY_AGAIN)) }
    for code: Int32 in [10107, 10013, 10045, 12345] { #expect(told(code) == (NSS_STATUS_UNAVAIL, ENOENT, NO_RECOVERY)) }
    #expect(Status(.unavailable(ECONNREFUSED), packed: .success).errno == ECONNREFUSED)
    #expect(Status(.late, packed: .success).status == NSS_STATUS_TRYAGAIN)
    #expect(Status(.found, packed: .bufferTooSmall).errno == ERANGE)
  }
}
