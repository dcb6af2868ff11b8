import CWinsock

/// A query set in foreign memory, checked: every pointer here leads to memory that was found readable by the rules of `Memory`.
///
/// Borrowed: valid as long as the memory is, and only while nobody writes to it. Members may be changed or taken out before it
/// is packed elsewhere.
public struct QuerySetView {
  /// What is known of the memory that a query set points to.
  public enum Memory {
    /// One packed buffer of a stranger: every pointer must lead into it, aligned, with all that it points to.
    case packed(UnsafeRawBufferPointer)
    /// A provider's answer: what points into the block must end there; other pointers are the provider's own memory, read up to
    /// the limits of nsp.md §9.4, and never where nothing can be read.
    case foreign(block: UnsafeRawBufferPointer?)
    /// What the host itself has made, in its own memory.
    case own
  }

  public var name: UnsafeBufferPointer<UInt16>?
  public var serviceClassID: GUID?
  public var version: ServiceVersion?
  public var comment: UnsafeBufferPointer<UInt16>?
  public var nameSpace: NameSpace
  public var providerID: GUID?
  public var context: UnsafeBufferPointer<UInt16>?
  public var protocols: UnsafeBufferPointer<AFPROTOCOLS>
  public var queryString: UnsafeBufferPointer<UInt16>?
  public var addresses: UnsafeBufferPointer<CSADDR_INFO>
  public var outputFlags: UInt32
  public var blob: UnsafeRawBufferPointer?

  /// Checks and views an NSPv2 query set.
  public init(reading set: UnsafePointer<WSAQUERYSET2W>, in memory: Memory) throws(QuerySetError) {
    var reader = ForeignMemory(memory)
    let raw = try reader.structure(set)
    guard raw.dwSize >= MemoryLayout<WSAQUERYSET2W>.size else { throw .structureTooSmall(raw.dwSize) }
    serviceClassID = nil
    name = try reader.text(raw.lpszServiceInstanceName, QuerySetText.name.member)
    version = try reader.version(raw.lpVersion)
    comment = try reader.text(raw.lpszComment, QuerySetText.comment.member)
    nameSpace = NameSpace(rawValue: raw.dwNameSpace)
    providerID = try reader.value(raw.lpNSProviderId, "lpNSProviderId")
    context = try reader.text(raw.lpszContext, QuerySetText.context.member)
    protocols = try reader.array(
      raw.lpafpProtocols, raw.dwNumberOfProtocols, limit: QuerySetLimits.protocols, "lpafpProtocols")
    queryString = try reader.text(raw.lpszQueryString, QuerySetText.queryString.member)
    addresses = try reader.addresses(raw.lpcsaBuffer, raw.dwNumberOfCsAddrs)
    outputFlags = raw.dwOutputFlags
    blob = try reader.blob(raw.lpBlob)
  }

  /// Checks and views an NSPv1 or client query set.
  public init(reading set: UnsafePointer<WSAQUERYSETW>, in memory: Memory) throws(QuerySetError) {
    var reader = ForeignMemory(memory)
    let raw = try reader.structure(set)
    guard raw.dwSize >= MemoryLayout<WSAQUERYSETW>.size else { throw .structureTooSmall(raw.dwSize) }
    serviceClassID = try reader.value(raw.lpServiceClassId, "lpServiceClassId")
    name = try reader.text(raw.lpszServiceInstanceName, QuerySetText.name.member)
    version = try reader.version(raw.lpVersion)
    comment = try reader.text(raw.lpszComment, QuerySetText.comment.member)
    nameSpace = NameSpace(rawValue: raw.dwNameSpace)
    providerID = try reader.value(raw.lpNSProviderId, "lpNSProviderId")
    context = try reader.text(raw.lpszContext, QuerySetText.context.member)
    protocols = try reader.array(
      raw.lpafpProtocols, raw.dwNumberOfProtocols, limit: QuerySetLimits.protocols, "lpafpProtocols")
    queryString = try reader.text(raw.lpszQueryString, QuerySetText.queryString.member)
    addresses = try reader.addresses(raw.lpcsaBuffer, raw.dwNumberOfCsAddrs)
    outputFlags = raw.dwOutputFlags
    blob = try reader.blob(raw.lpBlob)
  }

  /// Takes out every member whose flag is not set (nsp.md §9.1). Protocols are never part of a result.
  public mutating func narrow(to flags: LookupFlags) {
    if flags.isDisjoint(with: [.returnName, .returnPreferredNames]) { name = nil }
    if !flags.contains(.returnType) { serviceClassID = nil }
    if !flags.contains(.returnVersion) { version = nil }
    if !flags.contains(.returnComment) { comment = nil }
    if !flags.contains(.returnAddress) { addresses = UnsafeBufferPointer(start: nil, count: 0) }
    if !flags.contains(.returnBlob) { blob = nil }
    if !flags.contains(.returnQueryString) { queryString = nil }
    protocols = UnsafeBufferPointer(start: nil, count: 0)
  }
}

extension QuerySetView: QuerySetSource {
  public func checkLimits() {}  // Everything was checked when it was read.

  public var protocolCount: Int { protocols.count }

  public func protocolPair(at index: Int) -> ProtocolPair {
    ProtocolPair(addressFamily: protocols[index].iAddressFamily, protocolNumber: protocols[index].iProtocol)
  }

  public var addressCount: Int { addresses.count }

  public func socketKind(at index: Int) -> (type: Int32, protocolNumber: Int32) {
    (addresses[index].iSocketType, addresses[index].iProtocol)
  }

  public func unitCount(_ text: QuerySetText) -> Int? { self[text]?.count }

  public func writeUnits(_ text: QuerySetText, to target: UnsafeMutablePointer<UInt16>) {
    guard let units = self[text], let source = units.baseAddress else { return }
    target.update(from: source, count: units.count)
  }

  public func sockaddrSize(at index: Int, _ side: AddressSide) -> Int {
    let address = self[index, side]
    // A NULL address with a length is delivered as none (§9.4).
    return address.lpSockaddr == nil ? 0 : Int(address.iSockaddrLength)
  }

  public func writeSockaddr(at index: Int, _ side: AddressSide, to target: UnsafeMutableRawPointer) {
    target.copyMemory(from: self[index, side].lpSockaddr, byteCount: sockaddrSize(at: index, side))
  }

  public var blobSize: Int? { blob?.count }

  public func writeBlob(to target: UnsafeMutableRawPointer) {
    guard let blob, let source = blob.baseAddress else { return }
    target.copyMemory(from: source, byteCount: blob.count)
  }

  subscript(text: QuerySetText) -> UnsafeBufferPointer<UInt16>? {
    switch text {
    case .name: name
    case .comment: comment
    case .context: context
    case .queryString: queryString
    }
  }

  private subscript(index: Int, side: AddressSide) -> SOCKET_ADDRESS {
    side == .local ? addresses[index].LocalAddr : addresses[index].RemoteAddr
  }
}

extension QuerySet {
  /// Copies everything out of foreign memory.
  public init(_ view: QuerySetView) {
    func text(_ text: QuerySetText) -> String? { view[text].map { String(decoding: $0, as: UTF16.self) } }
    func address(_ index: Int, _ side: AddressSide) -> SocketAddress {
      let size = view.sockaddrSize(at: index, side)
      guard size > 0 else { return SocketAddress(bytes: []) }
      return SocketAddress(
        bytes: [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
          view.writeSockaddr(at: index, side, to: UnsafeMutableRawPointer(buffer.baseAddress!))
          count = size
        })
    }
    self.init(
      serviceInstanceName: text(.name), serviceClassID: view.serviceClassID, version: view.version, comment: text(.comment),
      nameSpace: view.nameSpace, providerID: view.providerID, context: text(.context),
      protocols: view.protocols.indices.map { view.protocolPair(at: $0) }, queryString: text(.queryString),
      addresses: view.addresses.indices.map { index in
        let kind = view.socketKind(at: index)
        return ServiceAddress(
          local: address(index, .local), remote: address(index, .remote), socketType: kind.type,
          protocolNumber: kind.protocolNumber)
      }, outputFlags: view.outputFlags, blob: view.blob.map { Array($0) })
  }
}
