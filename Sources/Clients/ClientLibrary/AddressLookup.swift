import CClientSystem
import CWinsock

/// What one call of `GetAddrInfoEx` asks for, copied: the caller's texts may be gone before the answer comes.
struct AddressQuery {
  var form: TextForm
  var name: [UInt16]?
  var service: [UInt16]?
  var nameSpace: UInt32
  var provider: GUID?
  var flags: Int32 = 0
  var family: Int32 = 0
  var socketType: Int32 = 0
  var socketProtocol: Int32 = 0

  /// Nil with a code for arguments that can't be asked (nsp.md §8.9).
  static func make(
    _ name: UnsafeRawPointer?, _ service: UnsafeRawPointer?, _ nameSpace: DWORD, _ provider: LPGUID?, _ hints: UnsafeRawPointer?,
    _ form: TextForm
  ) -> (AddressQuery?, Int32) {
    guard name != nil || service != nil else { return (nil, Int32(WSAHOST_NOT_FOUND)) }
    var query = AddressQuery(form: form, nameSpace: nameSpace, provider: provider?.pointee)
    if let name {
      guard let text = units(name, form, limit: SelfRelative.maximumText - 1) else { return (nil, Int32(WSAEINVAL)) }
      query.name = text
    }
    if let service {
      guard let text = units(service, form, limit: SelfRelative.maximumText - 1) else { return (nil, Int32(WSAEINVAL)) }
      query.service = text
    }
    if let hints {
      // Both forms have one layout.
      let given = hints.assumingMemoryBound(to: ADDRINFOEXW.self).pointee
      guard given.ai_addrlen == 0, given.ai_canonname == nil, given.ai_addr == nil, given.ai_next == nil else {
        return (nil, Int32(WSANO_RECOVERY))
      }
      guard given.ai_flags & ~(0xFCD0F | AI_ALL_OWNERS) == 0 else { return (nil, Int32(WSAEINVAL)) }
      guard given.ai_family == AF_UNSPEC || given.ai_family == AF_INET || given.ai_family == AF_INET6 else {
        return (nil, Int32(WSAEAFNOSUPPORT))
      }
      guard (0...3).contains(given.ai_socktype) else { return (nil, Int32(WSAESOCKTNOSUPPORT)) }
      (query.flags, query.family) = (given.ai_flags, given.ai_family)
      (query.socketType, query.socketProtocol) = (given.ai_socktype, given.ai_protocol)
    }
    if query.port == nil { return (nil, Int32(WSATYPE_NOT_FOUND)) }
    return (query, 0)
  }

  /// The service as a port in network order; 0 where it is none of ours to translate. Nil: unknown.
  var port: UInt16? {
    guard let service, !service.isEmpty, nameSpace != UInt32(NS_EMAIL) else { return 0 }
    let port = ascii(service).withUnsafeBufferPointer { nsp_client_port($0.baseAddress!, socketType) }
    return port < 0 ? nil : UInt16(port)
  }

  /// With a NUL; other characters become "?".
  private func ascii(_ units: [UInt16]) -> [CChar] { units.map { $0 < 128 ? CChar($0) : 63 } + [0] }

  // MARK: Asking

  /// The chain of addresses, or why there is none. Waits for the host, as long as it gives signs of life.
  /// - Parameter silence: How long it may give none, in nanoseconds.
  func resolve(_ process: Process, silence: Int64 = nsp_client_usual_silence()) -> (UnsafeMutablePointer<ADDRINFOEXW>?, Int32) {
    var chain = AddressChain(query: self, mergesEqual: nameSpace != UInt32(NS_ALL) || provider != nil)
    switch name.map({ Self.known(ascii($0)) }) ?? .unknown {
    case .addresses(let local):
      for address in local { chain.append(address, type: socketType, number: socketProtocol, of: nil) }
      return chain.first.map { ($0, 0) } ?? (nil, Int32(WSANO_DATA))
    case .noSuchZone: return (nil, Int32(WSAHOST_NOT_FOUND))
    case .unknown: break
    }
    if flags & AI_NUMERICHOST != 0 { return (nil, Int32(WSAHOST_NOT_FOUND)) }
    var request = LookupRequest(flags: lookupFlags).frame(request: 1)
    append(to: &request)
    switch process.ask(&request, silence: silence).0 {
    case .failed(let code): return (nil, code)
    case .frame(let payload, let status):
      let (records, isReadable) = Self.records(payload)
      guard isReadable || status != 0 else { return (nil, Int32(WSASYSCALLFAILURE)) }
      for record in records { chain.append(record: record) }
      if let first = chain.first { return (first, 0) }
      if !records.isEmpty { return (nil, Int32(WSANO_DATA)) }
      return (nil, Self.code(status, wasAsked: isReadable))
    }
  }

  /// Why there is no record, as this function says it (nsp.md §8.9).
  /// - Parameter wasAsked: Somebody serves the name space and was asked: then it is the name that was not found, else the service.
  private static func code(_ status: Int32, wasAsked: Bool) -> Int32 {
    switch status {
    case 0, Int32(WSA_E_NO_MORE), Int32(WSAENOMORE): Int32(WSAHOST_NOT_FOUND)
    case Int32(WSASERVICE_NOT_FOUND) where wasAsked: Int32(WSAHOST_NOT_FOUND)
    default: status
    }
  }

  private var lookupFlags: UInt32 {
    var lookup = UInt32(LUP_RETURN_ADDR) | UInt32(LUP_RETURN_BLOB)
    if flags & AI_CANONNAME != 0 || flags & AI_RETURN_PREFERRED_NAMES != 0 { lookup |= UInt32(LUP_RETURN_NAME) }
    // These have one value in both.
    lookup |= UInt32(flags & (AI_NON_AUTHORITATIVE | AI_SECURE | AI_RETURN_PREFERRED_NAMES))
    if flags & AI_ALL_OWNERS != 0 { lookup |= UInt32(LUP_ALL_OWNERS) }
    return lookup
  }

  private func append(to frame: inout FrameWriter) {
    var set = WSAQUERYSETW()
    set.dwSize = DWORD(MemoryLayout<WSAQUERYSETW>.size)
    set.dwNameSpace = nameSpace
    var (id, hostByName) = (provider ?? GUID(), GUID(Data1: 0x2A803, Data2: 0, Data3: 0, Data4: (0xC0, 0, 0, 0, 0, 0, 0, 0x46)))
    var (name, service) = ((name ?? []) + [0], (service ?? []) + [0])
    let (hasName, hasService, hasProvider) = (self.name != nil, self.service != nil, provider != nil)
    name.withUnsafeMutableBufferPointer { name in
      service.withUnsafeMutableBufferPointer { service in
        withUnsafeMutablePointer(to: &id) { id in
          withUnsafeMutablePointer(to: &hostByName) { hostByName in
            if hasName { set.lpszServiceInstanceName = name.baseAddress }
            if hasService, nameSpace == UInt32(NS_EMAIL) { set.lpszContext = service.baseAddress }
            if hasProvider { set.lpNSProviderId = id }
            if nameSpace != UInt32(NS_EMAIL) { set.lpServiceClassId = hostByName }
            _ = withUnsafePointer(to: &set) { QuerySetCopy.append(UnsafeRawPointer($0), .wide, for: .lookup, to: &frame) }
          }
        }
      }
    }
  }

  private static func records(_ payload: [UInt8]) -> ([[UInt8]], Bool) {
    payload.withUnsafeBytes { bytes in
      var fields = FieldReader(bytes)
      guard let count = fields.uint32(), fields.uint32() != nil else { return ([], false) }
      var records: [[UInt8]] = []
      for _ in 0..<count {
        guard fields.align(), let size = fields.uint32(), fields.uint32() != nil, let record = fields.bytes(Int(size)) else {
          return (records, false)
        }
        records.append(Array(record))
      }
      return (records, true)
    }
  }

  /// What is known of a name without the host.
  private enum Known {
    case addresses([[UInt8]])
    /// A numeric address whose zone is no interface of this machine.
    case noSuchZone
    case unknown
  }

  /// Names that no host needs to be asked for: addresses in numbers, this machine by its loop.
  private static func known(_ name: [CChar]) -> Known {
    var numeric = [UInt8](repeating: 0, count: 28)
    let size = nsp_client_numeric(name, &numeric)
    if size > 0 { return .addresses([Array(numeric[..<Int(size)])]) }
    if size < 0 { return .noSuchZone }
    guard name.count == 1 || strcmp(name, "localhost") == 0 || strcmp(name, "..localmachine") == 0 else { return .unknown }
    return .addresses(
      ["::1", "127.0.0.1"].map { text in
        var address = [UInt8](repeating: 0, count: 28)
        let size = text.withCString { nsp_client_numeric($0, &address) }
        return Array(address[..<Int(size)])
      })
  }
}

/// The chain that a caller gets: one allocation a node, with all that it points to.
struct AddressChain {
  private let query: AddressQuery
  private let mergesEqual: Bool
  private(set) var first: UnsafeMutablePointer<ADDRINFOEXW>?
  private var last: UnsafeMutablePointer<ADDRINFOEXW>?

  init(query: AddressQuery, mergesEqual: Bool) { (self.query, self.mergesEqual) = (query, mergesEqual) }

  /// What a record names besides its address.
  struct Origin {
    var name: UnsafePointer<UInt16>?
    var blob: UnsafeRawBufferPointer
    var provider: UnsafePointer<GUID>?
  }

  mutating func append(record: [UInt8]) {
    var copy = record
    copy.withUnsafeMutableBytes { bytes in
      guard SelfRelative.resolve(bytes), let base = bytes.baseAddress else { return }
      let set = base.assumingMemoryBound(to: WSAQUERYSETW.self).pointee
      // An answer of the Domain Name System to a query for it has neither blob nor provider (nsp.md §8.9).
      let isDNS = query.nameSpace == UInt32(NS_DNS) && set.dwNameSpace == UInt32(NS_DNS)
      let blob = isDNS ? nil : set.lpBlob?.pointee
      let origin = Origin(
        name: UnsafePointer(set.lpszServiceInstanceName),
        blob: UnsafeRawBufferPointer(start: blob?.pBlobData, count: Int(blob?.cbSize ?? 0)),
        provider: isDNS ? nil : UnsafePointer(set.lpNSProviderId))
      for index in 0..<Int(set.dwNumberOfCsAddrs) {
        let address = set.lpcsaBuffer[index]
        guard let bytes = address.RemoteAddr.lpSockaddr else { continue }
        append(
          Array(UnsafeRawBufferPointer(start: bytes, count: Int(address.RemoteAddr.iSockaddrLength))), type: address.iSocketType,
          number: address.iProtocol, of: origin)
      }
      // Preferred names come without addresses.
      if query.flags & AI_RETURN_PREFERRED_NAMES != 0, set.dwNumberOfCsAddrs == 0, origin.name != nil {
        append([], type: 0, number: 0, of: origin)
      }
    }
  }

  mutating func append(_ given: [UInt8], type: Int32, number: Int32, of origin: Origin?) {
    var address = given
    let family = given.count >= 2 ? Int32(given[0]) | Int32(given[1]) << 8 : AF_UNSPEC
    if query.family != AF_UNSPEC, family != query.family { return }
    if query.socketType != 0, type != 0, type != query.socketType { return }
    // The port of the service, where the provider knows none.
    if let port = query.port, port != 0, address.count >= 4, address[2] == 0, address[3] == 0 {
      address[2] = UInt8(truncatingIfNeeded: port)
      address[3] = UInt8(truncatingIfNeeded: port >> 8)
    }
    let (socketType, protocolNumber) = (type != 0 ? type : query.socketType, number != 0 ? number : query.socketProtocol)
    if mergesEqual, !address.isEmpty, contains(address, socketType, protocolNumber) { return }
    var name: [UInt8] = []
    let wantsName = query.flags & (AI_CANONNAME | AI_RETURN_PREFERRED_NAMES) != 0
    if wantsName, let text = origin?.name { name = Self.bytes(text, query.form) }
    let blob = origin?.blob ?? UnsafeRawBufferPointer(start: nil, count: 0)
    func rounded(_ size: Int) -> Int { (size + 15) & ~15 }
    let head = rounded(MemoryLayout<ADDRINFOEXW>.size)
    let (nameAt, blobAt) = (head + rounded(address.count), head + rounded(address.count) + rounded(name.count))
    let idAt = blobAt + rounded(blob.count)
    guard let memory = calloc(1, idAt + 16) else { return }
    let node = memory.assumingMemoryBound(to: ADDRINFOEXW.self)
    node.pointee.ai_flags = query.flags & AI_RETURN_PREFERRED_NAMES
    node.pointee.ai_family = family
    node.pointee.ai_socktype = socketType
    node.pointee.ai_protocol = protocolNumber
    if !address.isEmpty {
      (memory + head).copyMemory(from: address, byteCount: address.count)
      node.pointee.ai_addrlen = address.count
      node.pointee.ai_addr = (memory + head).assumingMemoryBound(to: sockaddr.self)
    }
    if !name.isEmpty {
      (memory + nameAt).copyMemory(from: name, byteCount: name.count)
      node.pointee.ai_canonname = (memory + nameAt).assumingMemoryBound(to: UInt16.self)
    }
    if blob.count > 0, let data = blob.baseAddress {
      (memory + blobAt).copyMemory(from: data, byteCount: blob.count)
      node.pointee.ai_blob = memory + blobAt
      node.pointee.ai_bloblen = blob.count
    }
    if let provider = origin?.provider {
      (memory + idAt).copyMemory(from: provider, byteCount: 16)
      node.pointee.ai_provider = (memory + idAt).assumingMemoryBound(to: GUID.self)
    }
    if let last { last.pointee.ai_next = node } else { first = node }
    last = node
  }

  private func contains(_ address: [UInt8], _ type: Int32, _ number: Int32) -> Bool {
    var next = first
    while let node = next {
      if node.pointee.ai_addrlen == address.count, node.pointee.ai_socktype == type, node.pointee.ai_protocol == number,
        memcmp(node.pointee.ai_addr, address, address.count) == 0
      {
        return true
      }
      next = node.pointee.ai_next
    }
    return false
  }

  private static func bytes(_ text: UnsafePointer<UInt16>, _ form: TextForm) -> [UInt8] {
    switch form {
    case .narrow:
      var bytes = [UInt8](repeating: 0, count: narrow(text, into: nil))
      _ = bytes.withUnsafeMutableBufferPointer { narrow(text, into: $0.baseAddress) }
      return bytes
    case .wide:
      var count = 0
      while text[count] != 0 { count += 1 }
      return Array(UnsafeRawBufferPointer(start: text, count: (count + 1) * 2))
    }
  }

  static func free(_ chain: UnsafeMutablePointer<ADDRINFOEXW>?) {
    var next = chain
    while let node = next {
      next = node.pointee.ai_next
      CClientSystem.free(node)
    }
  }
}
