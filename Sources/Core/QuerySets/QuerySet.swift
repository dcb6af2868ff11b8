import CWinsock

/// A query, a registration or a result as a Swift value: what `WSAQUERYSETW` and `WSAQUERYSET2W` hold (nsp.md §3).
public struct QuerySet: Hashable, Sendable {
  public var serviceInstanceName: String?
  /// Travels in `WSAQUERYSETW` only.
  public var serviceClassID: GUID?
  public var version: ServiceVersion?
  public var comment: String?
  public var nameSpace: NameSpace
  public var providerID: GUID?
  public var context: String?
  public var protocols: [ProtocolPair]
  public var queryString: String?
  public var addresses: [ServiceAddress]
  public var outputFlags: UInt32
  public var blob: [UInt8]?

  public init(
    serviceInstanceName: String? = nil, serviceClassID: GUID? = nil, version: ServiceVersion? = nil, comment: String? = nil,
    nameSpace: NameSpace = .all, providerID: GUID? = nil, context: String? = nil, protocols: [ProtocolPair] = [],
    queryString: String? = nil, addresses: [ServiceAddress] = [], outputFlags: UInt32 = 0, blob: [UInt8]? = nil
  ) {
    self.serviceInstanceName = serviceInstanceName
    self.serviceClassID = serviceClassID
    self.version = version
    self.comment = comment
    self.nameSpace = nameSpace
    self.providerID = providerID
    self.context = context
    self.protocols = protocols
    self.queryString = queryString
    self.addresses = addresses
    self.outputFlags = outputFlags
    self.blob = blob
  }
}

/// `WSAVERSION`: a version, and how it is compared.
public struct ServiceVersion: Hashable, Sendable {
  public enum Comparator: UInt32, Sendable {
    case equal = 0
    case notLess = 1
  }

  public var number: UInt32
  public var comparator: Comparator

  public init(number: UInt32, comparator: Comparator) {
    self.number = number
    self.comparator = comparator
  }
}

/// `AFPROTOCOLS`: an address family and a protocol, in Linux' numbers.
public struct ProtocolPair: Hashable, Sendable {
  public var addressFamily: Int32
  public var protocolNumber: Int32

  public init(addressFamily: Int32, protocolNumber: Int32) {
    self.addressFamily = addressFamily
    self.protocolNumber = protocolNumber
  }
}

/// `CSADDR_INFO`: where a service is reached (remote) and where it binds (local).
public struct ServiceAddress: Hashable, Sendable {
  public var local: SocketAddress
  public var remote: SocketAddress
  public var socketType: Int32
  public var protocolNumber: Int32

  public init(
    local: SocketAddress = SocketAddress(bytes: []), remote: SocketAddress, socketType: Int32 = 0, protocolNumber: Int32 = 0
  ) {
    self.local = local
    self.remote = remote
    self.socketType = socketType
    self.protocolNumber = protocolNumber
  }
}
