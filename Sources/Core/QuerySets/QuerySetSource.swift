import CWinsock

/// The two C forms of a query set.
public enum QuerySetForm: Sendable {
  /// `WSAQUERYSETW`, 120 bytes, with a service class.
  case v1
  /// `WSAQUERYSET2W`, 112 bytes.
  case v2

  public var structureSize: Int { self == .v1 ? MemoryLayout<WSAQUERYSETW>.size : MemoryLayout<WSAQUERYSET2W>.size }
}

/// The text members of a query set.
public enum QuerySetText: Sendable {
  case name
  case comment
  case context
  case queryString

  var member: String {
    switch self {
    case .name: "lpszServiceInstanceName"
    case .comment: "lpszComment"
    case .context: "lpszContext"
    case .queryString: "lpszQueryString"
    }
  }
}

/// Which side of a `CSADDR_INFO`.
public enum AddressSide: Sendable {
  case local
  case remote
}

/// Anything that a query set can be packed from: a Swift value, or a view of foreign memory.
public protocol QuerySetSource {
  /// Throws where a count or a size is beyond what the host accepts from anybody (`QuerySetLimits`).
  func checkLimits() throws(QuerySetError)
  var serviceClassID: GUID? { get }
  var version: ServiceVersion? { get }
  var nameSpace: NameSpace { get }
  var providerID: GUID? { get }
  var outputFlags: UInt32 { get }
  var protocolCount: Int { get }
  func protocolPair(at index: Int) -> ProtocolPair
  var addressCount: Int { get }
  func socketKind(at index: Int) -> (type: Int32, protocolNumber: Int32)
  /// The length of a text in UTF-16 units without its NUL; nil where there is none.
  func unitCount(_ text: QuerySetText) throws(QuerySetError) -> Int?
  /// Writes exactly `unitCount` units.
  func writeUnits(_ text: QuerySetText, to target: UnsafeMutablePointer<UInt16>)
  func sockaddrSize(at index: Int, _ side: AddressSide) -> Int
  func writeSockaddr(at index: Int, _ side: AddressSide, to target: UnsafeMutableRawPointer)
  var blobSize: Int? { get }
  func writeBlob(to target: UnsafeMutableRawPointer)
}

extension QuerySetSource {
  /// The bytes that the canonical packing takes (nsp.md §9.3). Throws where a member can't be packed at all.
  public func packedSize(as form: QuerySetForm) throws(QuerySetError) -> Int {
    try checkLimits()
    var packing = Packing(base: nil, used: form.structureSize)
    try lay(out: &packing, form)
    return packing.rounded
  }

  /// Packs into a caller's buffer, which must be aligned to 8: the structure first, then all it points to, every pointer leading
  /// into the buffer. When it is too small, nothing is written and the error says how many bytes are needed (nsp.md §9.2).
  public func pack(as form: QuerySetForm, into buffer: UnsafeMutableRawBufferPointer) throws(QuerySetError) {
    let needed = try packedSize(as: form)
    guard let base = buffer.baseAddress, buffer.count >= needed else { throw .bufferTooSmall(needed: needed) }
    guard Int(bitPattern: base) & 7 == 0 else { throw .misaligned("the caller's buffer") }
    base.initializeMemory(as: UInt8.self, repeating: 0, count: form.structureSize)
    var packing = Packing(base: base, used: form.structureSize)
    let parts = try lay(out: &packing, form)
    switch form {
    case .v1: fill(&base.assumingMemoryBound(to: WSAQUERYSETW.self).pointee, parts)
    case .v2: fill(&base.assumingMemoryBound(to: WSAQUERYSET2W.self).pointee, parts)
    }
  }

  /// One walk over the parts in canonical order, for measuring and for writing alike.
  @discardableResult
  private func lay(out packing: inout Packing, _ form: QuerySetForm) throws(QuerySetError) -> Parts {
    var parts = Parts()
    parts.name = try packing.text(self, .name)
    if form == .v1, let id = serviceClassID { parts.serviceClass = packing.value(id) }
    if let version {
      let comparator = version.comparator == .equal ? COMP_EQUAL : COMP_NOTLESS
      parts.version = packing.value(WSAVERSION(dwVersion: version.number, ecHow: comparator))
    }
    parts.comment = try packing.text(self, .comment)
    if let id = providerID { parts.provider = packing.value(id) }
    parts.context = try packing.text(self, .context)
    if protocolCount > 0 {
      parts.protocols = packing.place(protocolCount * MemoryLayout<AFPROTOCOLS>.stride)?.assumingMemoryBound(to: AFPROTOCOLS.self)
      if let target = parts.protocols {
        for index in 0..<protocolCount {
          let pair = protocolPair(at: index)
          target[index] = AFPROTOCOLS(iAddressFamily: pair.addressFamily, iProtocol: pair.protocolNumber)
        }
      }
    }
    parts.queryString = try packing.text(self, .queryString)
    if addressCount > 0 {
      parts.addresses = packing.place(addressCount * MemoryLayout<CSADDR_INFO>.stride)?.assumingMemoryBound(to: CSADDR_INFO.self)
      for index in 0..<addressCount {
        let local = packing.sockaddr(self, index, .local)
        let remote = packing.sockaddr(self, index, .remote)
        if let target = parts.addresses {
          let kind = socketKind(at: index)
          target[index] = CSADDR_INFO(
            LocalAddr: local, RemoteAddr: remote, iSocketType: kind.type, iProtocol: kind.protocolNumber)
        }
      }
    }
    if let size = blobSize {
      let head = packing.place(MemoryLayout<BLOB>.size)
      let data = size > 0 ? packing.place(size) : nil
      if let data { writeBlob(to: data) }
      parts.blob = head?.assumingMemoryBound(to: BLOB.self)
      parts.blob?.pointee = BLOB(cbSize: UInt32(size), pBlobData: data?.assumingMemoryBound(to: UInt8.self))
    }
    return parts
  }

  private func fill(_ target: inout WSAQUERYSETW, _ parts: Parts) {
    target.dwSize = UInt32(MemoryLayout<WSAQUERYSETW>.size)
    target.lpszServiceInstanceName = parts.name
    target.lpServiceClassId = parts.serviceClass
    target.lpVersion = parts.version
    target.lpszComment = parts.comment
    target.dwNameSpace = nameSpace.rawValue
    target.lpNSProviderId = parts.provider
    target.lpszContext = parts.context
    target.dwNumberOfProtocols = UInt32(protocolCount)
    target.lpafpProtocols = parts.protocols
    target.lpszQueryString = parts.queryString
    target.dwNumberOfCsAddrs = UInt32(addressCount)
    target.lpcsaBuffer = parts.addresses
    target.dwOutputFlags = outputFlags
    target.lpBlob = parts.blob
  }

  private func fill(_ target: inout WSAQUERYSET2W, _ parts: Parts) {
    target.dwSize = UInt32(MemoryLayout<WSAQUERYSET2W>.size)
    target.lpszServiceInstanceName = parts.name
    target.lpVersion = parts.version
    target.lpszComment = parts.comment
    target.dwNameSpace = nameSpace.rawValue
    target.lpNSProviderId = parts.provider
    target.lpszContext = parts.context
    target.dwNumberOfProtocols = UInt32(protocolCount)
    target.lpafpProtocols = parts.protocols
    target.lpszQueryString = parts.queryString
    target.dwNumberOfCsAddrs = UInt32(addressCount)
    target.lpcsaBuffer = parts.addresses
    target.dwOutputFlags = outputFlags
    target.lpBlob = parts.blob
  }
}

/// Where the parts of a packed query set came to lie.
private struct Parts {
  var name: UnsafeMutablePointer<UInt16>?
  var serviceClass: UnsafeMutablePointer<GUID>?
  var version: UnsafeMutablePointer<WSAVERSION>?
  var comment: UnsafeMutablePointer<UInt16>?
  var provider: UnsafeMutablePointer<GUID>?
  var context: UnsafeMutablePointer<UInt16>?
  var protocols: UnsafeMutablePointer<AFPROTOCOLS>?
  var queryString: UnsafeMutablePointer<UInt16>?
  var addresses: UnsafeMutablePointer<CSADDR_INFO>?
  var blob: UnsafeMutablePointer<BLOB>?
}
