import CWinsock
import Glibc
import NSPProvider
import QuerySets
import Testing

/// What glibc's modules are asked for a query, and which of their answers counts.
@Suite struct ModuleQuestionTests {
  private func question(
    _ name: String?, _ serviceClass: GUID? = nil, families: [Int32] = [], flags: LookupFlags = []
  ) throws(WinsockError) -> ModuleQuestion {
    try ModuleQuestion(
      Query(
        QuerySet(
          serviceInstanceName: name, serviceClassID: serviceClass,
          protocols: families.map { ProtocolPair(addressFamily: $0, protocolNumber: 0) }), flags: flags))
  }

  @Test("names, addresses, services and ports")
  func subjects() throws {
    guard case .host("example") = try question("example").subject else { return #expect(Bool(false), "a name is a host's") }
    guard case .host("192.0.2.1") = try question("192.0.2.1", .addressesOfName).subject else {
      return #expect(Bool(false), "of a name addresses are asked for, whatever it looks like")
    }
    guard case .address(let address) = try question("::ffff:192.0.2.1").subject else { return #expect(Bool(false), "an address") }
    #expect(address.description == "192.0.2.1")
    guard case .service("http", "tcp"?) = try question("http/TCP", .portOfService).subject else { return #expect(Bool(false)) }
    guard case .port(80, nil) = try question("80", .portOfService).subject else { return #expect(Bool(false)) }
    guard case .service("a/b", "udp"?) = try question("a/b/udp", .portOfService).subject else { return #expect(Bool(false)) }
  }

  @Test("what can't be asked, with its code")
  func refused() {
    #expect(throws: WinsockError.serviceNotFound) { try question(nil) }
    #expect(throws: WinsockError.serviceNotFound) { try question("") }
    #expect(throws: WinsockError.serviceNotFound) { try question("a\0b") }
    #expect(throws: WinsockError.serviceNotFound) { try question(String(repeating: "a", count: 1025)) }
    #expect(throws: WinsockError.invalidArgument) { try question("example", .nameOfAddress) }
    #expect(throws: WinsockError.invalidArgument) { try question("http/", .portOfService) }
    #expect(throws: WinsockError.serviceNotFound) { try question("65536", .portOfService) }
    #expect(throws: WinsockError.serviceNotFound) { try question("example", GUID()) }
  }

  @Test("families: both where none is named; an address of IPv4 in IPv6 is one of both")
  func families() throws {
    #expect(try question("x").families == [AF_INET, AF_INET6] && question("x", families: [AF_INET6]).families == [AF_INET6])
    #expect(try question("::ffff:192.0.2.1", families: [AF_INET6]).families == [AF_INET6, AF_INET])
    #expect(try question("192.0.2.1", families: [AF_INET6]).families == [AF_INET6])
    #expect(try !question("x").wantsAliases && question("x", flags: .returnAliases).wantsAliases)
  }

  @Test("of several modules whoever has come furthest counts, and whoever may know later most")
  func shortfalls() {
    let inOrder: [Shortfall] = [.lacking, .unavailable, .rubbish("x"), .unknown, .noData, .tooLarge, .tryAgain]
    for (index, worthier) in inOrder.enumerated() {
      for other in inOrder[..<index] {
        #expect("\(worthier.orWorthier(other))" == "\(worthier)" && "\(other.orWorthier(worthier))" == "\(worthier)")
      }
    }
    #expect(
      inOrder.map(\.winsockError) == [
        .serviceNotFound, .systemCallFailure, .systemCallFailure, .serviceNotFound, .noData, .noBuffers, .tryAgain,
      ])
  }

  @Test("two functions of a module about one host: each name and address once")
  func merged() throws {
    func address(_ last: UInt8) throws -> SocketAddress { try #require(SocketAddress(host: [192, 0, 2, last])) }
    var host = FoundHost(name: "one", aliases: ["uno"], addresses: [try address(1)], timeToLive: 30)
    host.add(FoundHost(name: "uno", aliases: ["one", "eins"], addresses: [try address(1), try address(2)], timeToLive: 20))
    #expect(host.aliases == ["uno", "eins"] && host.addresses.count == 2 && host.timeToLive == 20)
    #expect(throws: Shortfall.self) { try host.limited(to: [AF_INET6]) }
    #expect(try host.limited(to: [AF_INET]).addresses.count == 2)
  }
}
