import CWinsock
import QuerySets

/// The classes that exist without being installed: a port, a NetWare number or a type of DNS record inside an id, and those of host
/// names (nsp.md §4.4, §7.3). Any number is one; those that have a name are listed.
public struct WellKnownClasses: Sendable {
  private let services: Services

  /// - Parameter services: What ports are called.
  public init(services: Services) { self.services = services }

  /// The class of an id; nil where the id is none of these.
  public func serviceClass(_ id: GUID) -> ServiceClass? {
    guard id.Data2 == 0, id.isPreallocated else { return nil }
    let number = UInt16(truncatingIfNeeded: id.Data1)
    switch (id.Data1 >> 16, id.Data3) {
    case (2, 0): return Self.hostNames[number].map { ServiceClass(id: id, name: $0) }
    case (9, let type) where number == 53 && type != 0:
      return ServiceClass(id: id, name: "dns/" + (Self.recordTypes[type] ?? String(type)), entries: Self.values(.tcp, number))
    case (9, let type): return ServiceClass(id: id, name: name(.tcp, number, type), entries: Self.values(.tcp, number))
    case (10, let type): return ServiceClass(id: id, name: name(.udp, number, type), entries: Self.values(.udp, number))
    case (11, 0):
      return ServiceClass(
        id: id, name: Self.netWare[number] ?? "sap/\(number)",
        entries: [.init(name: "SapId", nameSpace: .sap, dword: UInt32(number))])
    default: return nil
    }
  }

  /// The id of a port that is written with its transport, by number or by name.
  func port(_ text: String) -> GUID? {
    let parts = text.lowercased().split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let transport = Services.Transport(rawValue: String(parts[1])),
      let port = UInt16(parts[0]) ?? services.port(transport, named: String(parts[0]))
    else { return nil }
    return GUID(preallocated: transport == .tcp ? 9 : 10, port)
  }

  /// Those that have a name of their own, the ports last, TCP before UDP.
  public var named: [ServiceClass] {
    var ids = Self.hostNames.keys.sorted().map { GUID(preallocated: 2, $0) }
    ids += Self.recordTypes.keys.sorted().map { GUID(preallocated: 9, 53, $0) }
    ids += Self.netWare.keys.sorted().map { GUID(preallocated: 11, $0) }
    ids += services.ports(.tcp).map { GUID(preallocated: 9, $0) }
    ids += services.ports(.udp).map { GUID(preallocated: 10, $0) }
    return ids.compactMap(serviceClass)
  }

  private func name(_ transport: Services.Transport, _ port: UInt16, _ type: UInt16) -> String {
    (services.name(transport, port) ?? "\(port)/\(transport.rawValue)") + (type == 0 ? "" : "/\(type)")
  }

  private static func values(_ transport: Services.Transport, _ port: UInt16) -> [ServiceClass.Entry] {
    [
      .init(name: transport == .tcp ? "TcpPort" : "UdpPort", nameSpace: .dns, dword: UInt32(port)),
      .init(name: "ConnectionOriented", nameSpace: .dns, dword: transport == .tcp ? 1 : 0),
    ]
  }

  private static let hostNames: [UInt16: String] = [
    0xA800: "hostname", 0xA801: "inet-hostaddrbyinetstring", 0xA802: "inet-servicebyname", 0xA803: "inet-hostaddrbyname",
  ]
  private static let recordTypes: [UInt16: String] = [
    1: "a", 2: "ns", 5: "cname", 6: "soa", 12: "ptr", 15: "mx", 16: "txt", 28: "aaaa", 33: "srv",
  ]
  private static let netWare: [UInt16: String] = [
    3: "print-queue", 4: "file-server", 5: "job-server", 7: "print-server", 9: "archive-server", 36: "remote-bridge-server",
    71: "advertising-print-server",
  ]
}

extension GUID {
  /// One of the ids that stand for numbers (`SVCID_TCP(port)` and its kin).
  init(preallocated kind: UInt32, _ number: UInt16, _ type: UInt16 = 0) {
    self.init(Data1: kind << 16 | UInt32(number), Data2: 0, Data3: type, Data4: (0xC0, 0, 0, 0, 0, 0, 0, 0x46))
  }

  fileprivate var isPreallocated: Bool { self == GUID(preallocated: Data1 >> 16, UInt16(truncatingIfNeeded: Data1), Data3) }
}
