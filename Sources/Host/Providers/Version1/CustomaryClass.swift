import CWinsock
import Glibc
import QuerySets

/// The class that a version 1 provider is given for a query or a registration that names none: its routines are never given NULL, because
/// providers of that version read the class of every query (nsp.md §6.2).
enum CustomaryClass {
  /// For the Domain Name System and for all name spaces: the one that `getaddrinfo` would have named, addresses of a name, or the name of an
  /// address. For others there is no custom: a class of zeros.
  static func id(for name: String?, in nameSpace: NameSpace) -> GUID {
    guard nameSpace == .all || nameSpace == .dns else { return GUID() }
    return name.map(isAddress) == true ? .nameOfAddress : .addressesOfName
  }

  static func id(for set: WSAQUERYSET2W) -> GUID {
    let name = set.lpszServiceInstanceName.map { String(decodingCString: $0, as: UTF16.self) }
    return id(for: name, in: NameSpace(rawValue: set.dwNameSpace))
  }

  /// In numbers, of IPv6 perhaps with a zone.
  private static func isAddress(_ name: String) -> Bool {
    var room = in6_addr()
    let parts = name.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 1, inet_pton(AF_INET, name, &room) == 1 { return true }
    return parts.last?.isEmpty == false && inet_pton(AF_INET6, String(parts[0]), &room) == 1
  }
}
