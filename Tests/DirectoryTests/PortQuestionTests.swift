import QuerySets
import Testing

/// Ports of services, by name and by number.
@Suite struct PortQuestionTests {
  private func instance(_ name: String, _ ports: [UInt16], protocolNumber: Int32 = 0) throws -> QuerySet {
    QuerySet(
      serviceInstanceName: name,
      addresses: try ports.map { port in
        ServiceAddress(
          local: SocketAddress(bytes: []), remote: try #require(SocketAddress(host: [192, 0, 2, 1], port: port)), socketType: 1,
          protocolNumber: protocolNumber)
      })
  }

  @Test(
    "which names may be meant",
    arguments: [
      ("http/tcp", "http/tcp"), ("http", "http/*"), ("80/tcp", "*/tcp"), ("80", "*/*"), ("65536", "65536/*"), ("a/b/c", "a/b/c"),
    ])
  func patterns(_ text: String, _ pattern: String) { #expect(PortQuestion(text).pattern == pattern) }

  @Test("the answer is the service alone, its addresses with the protocol of its name where they have none")
  func answers() throws {
    let answer = try #require(PortQuestion("http").answer(instance("http/TCP", [80])))
    #expect(answer.serviceInstanceName == "http" && answer.addresses.map(\.protocolNumber) == [6])
    #expect(
      try PortQuestion("http").answer(instance("http/udp", [80], protocolNumber: 99))?.addresses.first?.protocolNumber == 99)
    #expect(try PortQuestion("http").answer(instance("http/new", [80]))?.addresses.first?.protocolNumber == 0)
  }

  @Test("by number: addresses with that port alone, and nothing where there are none")
  func numbers() throws {
    #expect(try PortQuestion("81/tcp").answer(instance("http/tcp", [80, 81, 8080]))?.addresses.map(\.remote.port) == [81])
    #expect(try PortQuestion("82").answer(instance("http/tcp", [80, 81])) == nil)
    #expect(try PortQuestion("82").answer(instance("http/tcp", [])) == nil)
  }

  @Test("an instance whose name has no protocol is no port of a service", arguments: ["http", "", "/tcp"])
  func noService(_ name: String) throws { #expect(try PortQuestion("*").answer(instance(name, [80])) == nil) }
}
