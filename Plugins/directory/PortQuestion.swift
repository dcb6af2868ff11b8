import CWinsock
import QuerySets

/// What the class of ports of services asks for: `http/tcp`, `http`, `80/tcp` or `80`. Instances of the class are called `http/tcp`.
struct PortQuestion: Sendable {
  /// Which names may be meant.
  let pattern: String
  private let port: UInt16?

  private static let protocols: [String: Int32] = ["tcp": 6, "udp": 17, "dccp": 33, "sctp": 132, "udplite": 136]

  init(_ name: String) {
    let parts = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    port = parts.first.flatMap { UInt16($0) }
    let service = port == nil ? parts.first ?? "" : "*"
    pattern = parts.count > 1 ? "\(service)/\(parts[1])" : "\(service)/*"
  }

  /// The service alone, its addresses with the protocol that is in its name; nil where it has not the port.
  func answer(_ instance: QuerySet) -> QuerySet? {
    let parts = (instance.serviceInstanceName ?? "").split(separator: "/", maxSplits: 1)
    guard parts.count == 2 else { return nil }
    var service = instance
    service.serviceInstanceName = String(parts[0])
    let number = Self.protocols[parts[1].lowercased()] ?? 0
    for index in service.addresses.indices where service.addresses[index].protocolNumber == 0 {
      service.addresses[index].protocolNumber = number
    }
    if let port { service.addresses.removeAll { $0.remote.port != port } }
    return port != nil && service.addresses.isEmpty ? nil : service
  }
}
