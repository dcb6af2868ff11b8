import CWinsock
import QuerySets
import Testing

@testable import Providers

@Suite struct CustomaryClassTests {
  @Test(
    "a version 1 provider is given a class for every query: what getaddrinfo would have asked",
    arguments: [
      ("hello", NameSpace.dns, GUID.addressesOfName), ("hello", .all, .addressesOfName), (nil, .dns, .addressesOfName),
      ("", .all, .addressesOfName), ("192.0.2.1", .dns, .nameOfAddress), ("2001:db8::1", .all, .nameOfAddress),
      ("fe80::1%lo", .dns, .nameOfAddress), ("fe80::1%", .dns, .addressesOfName), ("192.0.2.1%lo", .dns, .addressesOfName),
      ("192.0.2.1.example", .dns, .addressesOfName), ("1.2.3", .dns, .addressesOfName), ("hello", .nds, GUID()),
      ("192.0.2.1", .email, GUID()),
    ] as [(String?, NameSpace, GUID)])
  func classes(_ name: String?, _ space: NameSpace, _ expected: GUID) {
    #expect(CustomaryClass.id(for: name, in: space) == expected)
  }
}
