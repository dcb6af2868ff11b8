import CWinsock
import Glibc
import NSPProvider
import QuerySets
import Resolver
import Testing

/// What a query comes down to.
@Suite struct DNSQuestionTests {
  private func question(_ name: String, family: Int32? = nil, _ serviceClass: GUID? = nil) throws -> DNSQuestion {
    var set = QuerySet(serviceInstanceName: name, serviceClassID: serviceClass, nameSpace: .dns)
    if let family { set.protocols = [ProtocolPair(addressFamily: family, protocolNumber: 0)] }
    return try DNSQuestion(Query(set, flags: .returnName))
  }

  @Test(
    "the names of an address of IPv4 are those of IPv4, however it is written",
    arguments: ["192.0.2.1", "::ffff:192.0.2.1", "::192.0.2.1", "::FFFF:c000:201"])
  func unmapped(_ name: String) throws {
    for family in [nil, Int32(AF_INET)] { #expect(try question(name, family: family).name == "1.2.0.192.in-addr.arpa.") }
    #expect(try question(name, .nameOfAddress).types == [.ptr])
    if name.contains(":") { #expect(try question(name, family: AF_INET6).name == "1.2.0.192.in-addr.arpa.") }
  }

  @Test("an address with a zone is one, and its zone goes nowhere")
  func zones() throws {
    let asked = try question("fe80::1%lo")
    #expect(asked.name == Resolver.reverseName(of: [0xFE, 0x80] + [UInt8](repeating: 0, count: 13) + [1]) && !asked.searches)
    guard case .address(let address) = asked.subject else { throw WinsockError.fault }
    #expect(address.description == "fe80::1%lo")
  }
}
