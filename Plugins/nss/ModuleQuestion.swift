import Glibc
import NSPProvider
import QuerySets

/// What is asked of the modules.
struct ModuleQuestion: Sendable {
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
    let written = SocketAddress(hostText: name)
    // Modules know the names of an address of IPv4 as such, however it is written.
    let address = written?.unmapped
    switch query.serviceClass {
    case .addressesOfName?: subject = .host(name)
    case .nameOfAddress?:
      guard let address else { throw .invalidArgument }
      subject = .address(address)
    case .portOfService?: subject = try Self.service(name)
    case nil, .hostName?: subject = address.map { .address($0) } ?? .host(name)
    default: throw .serviceNotFound
    }
    var families = [AF_INET, AF_INET6].filter { query.wants(family: $0) }
    // It is one of both families then.
    if case .address = subject, let written, written != address, families.contains(AF_INET6), !families.contains(AF_INET) {
      families.append(AF_INET)
    }
    self.families = families
    wantsAliases = query.flags.contains(.returnAliases)
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
