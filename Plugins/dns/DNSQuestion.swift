import CWinsock
import Glibc
import NSPProvider
import QuerySets
import Resolver

/// What a query comes down to: a name and the types of records that are asked for.
struct DNSQuestion: Sendable {
  enum Subject: Sendable {
    /// The addresses of a host.
    case host
    /// The names of an address.
    case address(SocketAddress)
    /// Records as they are.
    case records
  }

  let subject: Subject
  let name: String
  let types: [Resolver.RecordType]
  let searches: Bool
  let query: Query

  init(_ query: Query) throws(WinsockError) {
    guard let name = query.name, !name.isEmpty, !name.contains("@") else { throw .serviceNotFound }
    self.query = query
    let written = SocketAddress(hostText: name)
    // Written as one of IPv6, an address of IPv4 is one of both families, and its names are those of IPv4.
    let address = written?.unmapped
    switch (query.serviceClass, address) {
    case (.nameOfAddress?, let address?), (nil, let address?), (.hostName?, let address?):
      let families = [written?.family, address.family].compactMap(\.self)
      guard families.contains(where: query.wants) else { throw .noData }
      (subject, types) = (.address(address), [.ptr])
    case (.nameOfAddress?, nil): throw .invalidArgument
    case (nil, nil), (.hostName?, nil), (.addressesOfName?, nil):
      let families: [(Int32, Resolver.RecordType)] = [(AF_INET, .a), (AF_INET6, .aaaa)]
      (subject, types) = (.host, families.filter { query.wants(family: $0.0) }.map(\.1))
      guard !types.isEmpty else { throw .noData }
    case (let serviceClass?, _):
      guard let type = serviceClass.dnsRecordType else { throw .serviceNotFound }
      // Zone transfers and what belongs to messages are no records of names.
      guard !(249...254).contains(type.rawValue), type.rawValue != 41 else { throw .invalidArgument }
      (subject, types) = (.records, [type])
    }
    if let host = address?.host, types == [.ptr], let reverse = Resolver.reverseName(of: Array(host)) {
      (self.name, searches) = (reverse, false)
    } else {
      self.name = query.flags.contains(.disableIDNEncoding) ? name : try Self.asciiName(name)
      searches = true
    }
  }

  static func asciiName(_ name: String) throws(WinsockError) -> String {
    do throws(Resolver.Failure) { return try Resolver.asciiName(name) } catch { throw .invalidArgument }
  }
}

extension GUID {
  /// The type of a class that names DNS records: SVCID_DNS(type).
  var dnsRecordType: Resolver.RecordType? {
    var other = GUID.hostName
    (other.Data1, other.Data3) = (0x0009_0035, Data3)
    return self == other && Data3 != 0 ? Resolver.RecordType(rawValue: Data3) : nil
  }
}
