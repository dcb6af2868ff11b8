import CWinsock
import Glibc
import RandomSequences
import Testing

@testable import QuerySets

@Suite struct ForeignMemoryTests {
  private func packed(_ set: QuerySet, _ change: (UnsafeMutablePointer<WSAQUERYSET2W>, UnsafeMutableRawBufferPointer) -> Void)
    throws -> Result<QuerySet, QuerySetError>
  {
    let size = try set.packedSize(as: .v2)
    return try withBuffer(size) { buffer in
      try set.pack(as: .v2, into: buffer)
      change(buffer.baseAddress!.assumingMemoryBound(to: WSAQUERYSET2W.self), buffer)
      do throws(QuerySetError) { return .success(QuerySet(try read(.v2, buffer))) } catch { return .failure(error) }
    }
  }

  private let full = QuerySet(
    serviceInstanceName: "name", version: ServiceVersion(number: 1, comparator: .equal), comment: "comment",
    providerID: GUID("e6401bf9-5579-472a-8382-ca07076611bd"), context: "context",
    protocols: [ProtocolPair(addressFamily: 2, protocolNumber: 6)], queryString: "query",
    addresses: [
      ServiceAddress(
        local: SocketAddress("10.0.0.1:1")!, remote: SocketAddress("10.0.0.2:2")!, socketType: 1, protocolNumber: 6)
    ], blob: [1, 2, 3])

  @Test("a pointer that leads outside the packed memory is refused, whichever member it is")
  func outside() throws {
    let fields: [PartialKeyPath<WSAQUERYSET2W>] = [
      \.lpszServiceInstanceName, \.lpVersion, \.lpszComment, \.lpNSProviderId, \.lpszContext, \.lpafpProtocols,
      \.lpszQueryString, \.lpcsaBuffer, \.lpBlob,
    ]
    for field in fields {
      let offset = try #require(MemoryLayout<WSAQUERYSET2W>.offset(of: field))
      for target in [8, -8, Int.max - 7, 1 << 46] {
        let result = try packed(full) { _, buffer in
          let end = Int(bitPattern: buffer.baseAddress!) &+ (target > 0 ? buffer.count : 0) &+ target
          buffer.storeBytes(of: end & ~7, toByteOffset: offset, as: Int.self)
        }
        #expect(throws: QuerySetError.self) { try result.get() }
      }
    }
  }

  @Test("counts beyond the memory, beyond the limits, and with NULL arrays are refused")
  func counts() throws {
    for count in [100, 4096, 4097, UInt32.max] {
      let protocols = try packed(full) { set, _ in set.pointee.dwNumberOfProtocols = count }
      let addresses = try packed(full) { set, _ in set.pointee.dwNumberOfCsAddrs = count }
      let blob = try packed(full) { set, _ in set.pointee.lpBlob.pointee.cbSize = count &+ 4096 }
      for result in [protocols, addresses, blob] { #expect(throws: QuerySetError.self) { try result.get() } }
    }
    let missing = try packed(full) { set, _ in set.pointee.lpcsaBuffer = nil }
    #expect(throws: QuerySetError.missing("lpcsaBuffer")) { try missing.get() }
    let negative = try packed(full) { set, _ in set.pointee.lpcsaBuffer.pointee.RemoteAddr.iSockaddrLength = -1 }
    #expect(throws: QuerySetError.self) { try negative.get() }
  }

  @Test("dwSize below the structure's size is refused")
  func size() throws {
    let result = try packed(full) { set, _ in set.pointee.dwSize = 40 }
    #expect(throws: QuerySetError.structureTooSmall(40)) { try result.get() }
  }

  @Test("NSP-175 lone surrogates are refused, in both halves", arguments: [[0xD800, 0x41], [0xDC00, 0x41], [0xD83D, 0xD83D]])
  func surrogates(units: [UInt16]) throws {
    let result = try packed(full) { set, _ in
      set.pointee.lpszServiceInstanceName[0] = units[0]
      set.pointee.lpszServiceInstanceName[1] = units[1]
    }
    #expect(throws: QuerySetError.malformedText("lpszServiceInstanceName")) { try result.get() }
  }

  @Test("text without a NUL before the end of the memory is refused")
  func unterminated() throws {
    let only = QuerySet(queryString: "abc")
    let result = try packed(only) { set, buffer in
      for offset in stride(from: 112, to: buffer.count, by: 2) {
        buffer.storeBytes(of: 0x41, toByteOffset: offset, as: UInt16.self)
      }
    }
    #expect(throws: QuerySetError.unterminatedText("lpszQueryString")) { try result.get() }
  }

  @Test("a NULL address with a length is delivered as none")
  func nullAddress() throws {
    let result = try packed(full) { set, _ in set.pointee.lpcsaBuffer.pointee.LocalAddr.lpSockaddr = nil }
    #expect(try result.get().addresses[0].local.bytes.isEmpty)
  }

  @Test("every truncation and 20,000 random changes of a packed set are read or refused, never more")
  func corruption() throws {
    let size = try full.packedSize(as: .v2)
    for length in 0..<size {
      try withBuffer(size) { buffer in
        try full.pack(as: .v2, into: buffer)
        let cut = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<length])
        if length < 112 {
          #expect(throws: QuerySetError.self) { _ = try read(.v2, cut) }
        } else {
          _ = try? read(.v2, cut)
        }
      }
    }
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SplitMix(state: seed)
    var refused = 0
    for _ in 0..<20_000 {
      let result = try packed(full) { _, buffer in
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
          buffer[Int.random(in: 0..<buffer.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
        }
      }
      if case .failure = result { refused += 1 }
    }
    #expect(refused > 1_000, "seed \(seed)")
  }
}

@Suite struct ValueTests {
  @Test("GUIDs are read and written in text form, either case, with or without braces")
  func guids() {
    let id = GUID("{E6401BF9-5579-472A-8382-CA07076611BD}")
    #expect(id?.description == "e6401bf9-5579-472a-8382-ca07076611bd")
    #expect(id?.Data1 == 0xE640_1BF9)
    #expect(GUID("e6401bf9-5579-472a-8382-ca07076611b") == nil)
    #expect(GUID("e6401bf95579-472a-8382-ca07076611bdxx") == nil)
    #expect(GUID("g6401bf9-5579-472a-8382-ca07076611bd") == nil)
  }

  @Test(
    "addresses survive their text form",
    arguments: ["10.0.0.7:22", "10.0.0.7", "[::1]:443", "::1", "fe80::a6", "[2001:db8::1]:65535"])
  func addresses(text: String) { #expect(SocketAddress(text)?.description == text) }

  @Test("text that is no address is refused", arguments: ["", "10.0.0", "10.0.0.1:99999", "[::1", "[::1]443", "host:1", "::g"])
  func badAddresses(text: String) { #expect(SocketAddress(text) == nil) }

  @Test("NSP-162 NSP-163 NSP-164 a Next narrows what Begin asked, and none means all of it")
  func effectiveFlags() {
    let begin: LookupFlags = [.returnName, .returnAddress, .deep]
    #expect(LookupFlags.effective(begin: begin, next: []) == begin)
    #expect(LookupFlags.effective(begin: begin, next: .returnName) == [.returnName, .deep])
    #expect(LookupFlags.effective(begin: [.returnName], next: .returnAddress) == [])
    #expect(LookupFlags.effective(begin: [.returnName, .flushPrevious], next: .nearest) == [.returnName, .nearest])
    #expect(LookupFlags.effective(begin: .returnName, next: .flushPrevious) == [.returnName, .flushPrevious])
  }

  @Test("NSP-009 flags have the header's values, and both forms of their names are understood")
  func flagNames() {
    #expect(LookupFlags.flushCache.rawValue == 0x1000)
    #expect(LookupFlags.flushPrevious.rawValue == 0x2000)
    #expect(LookupFlags.secure == .resService)
    #expect(LookupFlags(named: "LUP_RETURN_ADDR") == .returnAddress)
    #expect(LookupFlags(named: "return-addr") == .returnAddress)
    #expect(LookupFlags(named: "nonsense") == nil)
  }

  @Test("error codes have names; the old twins become the new ones")
  func errors() {
    #expect(WinsockError(rawValue: 10102).normalised == .noMore)
    #expect(WinsockError(rawValue: 10103).normalised == .cancelled)
    #expect(WinsockError.serviceNotFound.symbolicName == "WSASERVICE_NOT_FOUND")
    #expect(WinsockError(rawValue: 4711).symbolicName == "4711")
    #expect(NameSpace("NS_EMAIL") == .email && NameSpace("37") == .email && NameSpace("tcpip") == nil)
  }
}

@Suite struct InstallationBlobTests {
  static func words(_ words: [UInt32], _ names: [String]) -> [UInt8] {
    words.flatMap { word in withUnsafeBytes(of: word.littleEndian, Array.init) }
      + names.flatMap { $0.utf16.flatMap { unit in withUnsafeBytes(of: unit.littleEndian, Array.init) } }
  }

  static let one = words([1, 0, 0, 1, 20, 2, 18, 36, 36], ["sampleprovider.net"])
  static let two = words(
    [1, 0, 1, 2, 0x14, 2, 9, 0x24, 0x34, 1, 9, 0x34, 0x46], ["a.example", "b.example"])

  @Test("NSP-224 both vectors parse to their domains, levels and wildcards")
  func vectors() throws {
    #expect(Self.one.count == 72 && Self.two.count == 88)
    let one = try InstallationBlob(parsing: Self.one)
    #expect(one.domains == [.init(name: "sampleprovider.net", level: .primary)] && !one.supportsWildcard)
    let two = try InstallationBlob(parsing: Self.two)
    #expect(two.domains == [.init(name: "a.example", level: .primary), .init(name: "b.example", level: .secondary)])
    #expect(two.supportsWildcard)
  }

  @Test("NSP-225 every truncation is refused")
  func truncations() {
    for vector in [Self.one, Self.two] {
      for length in 0..<vector.count {
        #expect(throws: QuerySetError.self) { try InstallationBlob(parsing: Array(vector[..<length])) }
      }
    }
  }

  @Test("NSP-226 offsets outside, level 3 and type 3 are refused")
  func badFields() {
    for (offset, value) in [(4, 3), (16, 72), (16, 21), (20, 3), (24, 0), (24, 19), (32, 38), (32, 72)] {
      var blob = Self.one
      blob[offset] = UInt8(value)
      #expect(throws: QuerySetError.self, "byte \(offset) = \(value)") { try InstallationBlob(parsing: blob) }
    }
  }

  // MARK: Outside the block

  /// A page that can be read, and one behind it that can't.
  private func withFence<Result>(_ body: (UnsafeMutableRawPointer, UnsafeMutableRawPointer) throws -> Result) throws -> Result {
    let pages = try #require(mmap(nil, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
    try #require(pages != MAP_FAILED && mprotect(pages + 4096, 4096, PROT_NONE) == 0)
    defer { munmap(pages, 8192) }
    return try body(pages, pages + 4096)
  }

  private func reading(_ set: WSAQUERYSET2W) throws -> QuerySet {
    try withUnsafePointer(to: set) { QuerySet(try QuerySetView(reading: $0, in: .foreign(block: nil))) }
  }

  @Test("a member that leads where nothing can be read is refused by name, whichever it is")
  func nowhere() throws {
    let fields: [(PartialKeyPath<WSAQUERYSET2W>, String)] = [
      (\.lpszServiceInstanceName, "lpszServiceInstanceName"), (\.lpVersion, "lpVersion"), (\.lpszComment, "lpszComment"),
      (\.lpNSProviderId, "lpNSProviderId"), (\.lpszContext, "lpszContext"), (\.lpafpProtocols, "lpafpProtocols"),
      (\.lpszQueryString, "lpszQueryString"), (\.lpcsaBuffer, "lpcsaBuffer"), (\.lpBlob, "lpBlob"),
    ]
    try withFence { (_, fence) throws in
      for (field, member) in fields {
        let offset = try #require(MemoryLayout<WSAQUERYSET2W>.offset(of: field))
        // An offset, a page that is protected, an address that no process has, and the end of the address space.
        for address in [112, UInt(bitPattern: fence), 0xdead_0000_0000_bee8, UInt.max - 511] {
          var set = WSAQUERYSET2W()
          (set.dwSize, set.dwNumberOfProtocols, set.dwNumberOfCsAddrs) = (112, 1, 1)
          if member != "lpcsaBuffer" { set.dwNumberOfCsAddrs = 0 }
          if member != "lpafpProtocols" { set.dwNumberOfProtocols = 0 }
          withUnsafeMutableBytes(of: &set) { $0.storeBytes(of: address, toByteOffset: offset, as: UInt.self) }
          #expect(throws: QuerySetError.unreadable(member, at: address)) { try reading(set) }
        }
      }
    }
  }

  @Test("text may end where what can be read does, and must end there")
  func edge() throws {
    try withFence { (start, fence) throws in
      var set = WSAQUERYSET2W()
      set.dwSize = 112
      let text = (fence - 8).assumingMemoryBound(to: UInt16.self)
      for (index, unit) in [0x41, 0xD83D, 0xDE00, 0].enumerated() { text[index] = UInt16(unit) }
      set.lpszComment = text
      #expect(try reading(set).comment == "A\u{1F600}")
      text[3] = 0x42
      #expect(throws: QuerySetError.unterminatedText("lpszComment")) { try reading(set) }
      // Half a pair, at the very end.
      text[3] = 0xD83D
      #expect(throws: QuerySetError.unterminatedText("lpszComment")) { try reading(set) }
      text[3] = 0
      set.lpszComment = start.assumingMemoryBound(to: UInt16.self)
      for index in 0..<2044 { set.lpszComment[index] = 0x43 }
      #expect(try reading(set).comment?.utf16.count == 2047)
    }
  }

  @Test("arrays, addresses and blobs end before what can't be read")
  func sizes() throws {
    try withFence { (_, fence) throws in
      let blob = UnsafeMutablePointer<BLOB>.allocate(capacity: 1)
      defer { blob.deallocate() }
      blob.initialize(to: BLOB(cbSize: 16, pBlobData: (fence - 16).assumingMemoryBound(to: UInt8.self)))
      var set = WSAQUERYSET2W()
      (set.dwSize, set.lpBlob) = (112, blob)
      #expect(try reading(set).blob?.count == 16)
      blob.pointee.cbSize = 17
      #expect(throws: QuerySetError.self) { try reading(set) }
      blob.pointee.cbSize = 0
      (set.dwNumberOfCsAddrs, set.lpcsaBuffer) = (1, (fence - 56).assumingMemoryBound(to: CSADDR_INFO.self))
      set.lpcsaBuffer.initialize(to: CSADDR_INFO())
      #expect(try reading(set).addresses.count == 1)
      set.lpcsaBuffer.pointee.RemoteAddr = SOCKET_ADDRESS(
        lpSockaddr: (fence - 8).assumingMemoryBound(to: SOCKADDR.self), iSockaddrLength: 16)
      #expect(throws: QuerySetError.unreadable("lpSockaddr", at: UInt(bitPattern: fence - 8))) { try reading(set) }
      set.dwNumberOfCsAddrs = 2
      #expect(throws: QuerySetError.self) { try reading(set) }
    }
  }

  @Test("pages behind the end of their file can't be read either")
  func truncated() throws {
    var name = Array("/tmp/nsphost-records-XXXXXX".utf8CString)
    let file = mkstemp(&name)
    unlink(name)
    defer { close(file) }
    try #require(file >= 0 && ftruncate(file, 4096) == 0)
    let page = try #require(mmap(nil, 4096, PROT_READ, MAP_SHARED, file, 0))
    defer { munmap(page, 4096) }
    var set = WSAQUERYSET2W()
    (set.dwSize, set.lpszComment) = (112, page.assumingMemoryBound(to: UInt16.self))
    #expect(try reading(set).comment == "")
    try #require(ftruncate(file, 0) == 0)
    #expect(throws: QuerySetError.self) { try reading(set) }
  }
}
