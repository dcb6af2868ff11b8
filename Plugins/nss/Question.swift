import Glibc
import NSPProvider
import QuerySets

/// What is asked of the modules.
struct Question: Sendable {
  enum Subject: Sendable {
    case host(String)
    case address(SocketAddress)
    case service(String, protocolName: String?)
    case port(UInt16, protocolName: String?)
  }

  private static let longestName = 1024

  let subject: Subject
  /// Of addresses that are wanted.
  let families: [Int32]
  let wantsAliases: Bool

  init(_ query: Query) throws(WinsockError) {
    // Modules take texts of C.
    guard let name = query.name, !name.isEmpty, name.utf8.count <= Self.longestName, !name.utf8.contains(0) else {
      throw .serviceNotFound
    }
    let address = Self.address(name)
    switch query.serviceClass {
    case .addressesOfName?: subject = .host(name)
    case .nameOfAddress?:
      guard let address else { throw .invalidArgument }
      subject = .address(address)
    case .portOfService?: subject = try Self.service(name)
    case nil, .hostName?: subject = address.map { .address($0) } ?? .host(name)
    default: throw .serviceNotFound
    }
    families = [AF_INET, AF_INET6].filter { query.wants(family: $0) }
    wantsAliases = query.flags.contains(.returnAliases)
  }

  /// From text such as 192.0.2.1, 2001:db8::1, or fe80::1%eth0. Nil for anything else, an interface that there is not, too.
  private static func address(_ text: String) -> SocketAddress? {
    let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    var v4 = in_addr()
    if parts.count == 1, inet_pton(AF_INET, text, &v4) == 1 {
      return withUnsafeBytes(of: v4) { SocketAddress(host: $0) }
    }
    var v6 = in6_addr()
    guard inet_pton(AF_INET6, String(parts[0]), &v6) == 1 else { return nil }
    var scope: UInt32 = 0
    if parts.count == 2 {
      scope = UInt32(parts[1]) ?? if_nametoindex(String(parts[1]))
      if scope == 0 { return nil }
    }
    return withUnsafeBytes(of: v6) { SocketAddress(host: $0, scope: scope) }
  }

  /// From text such as http/tcp, http, 80/tcp, or 80.
  private static func service(_ text: String) throws(WinsockError) -> Subject {
    var (name, protocolName) = (text, String?.none)
    if let slash = text.lastIndex(of: "/") {
      name = String(text[..<slash])
      protocolName = text[text.index(after: slash)...].lowercased()
      guard !name.isEmpty, protocolName?.isEmpty == false else { throw .invalidArgument }
    }
    guard name.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return .service(name, protocolName: protocolName)
    }
    guard let port = UInt16(name) else { throw .serviceNotFound }
    return .port(port, protocolName: protocolName)
  }
}
