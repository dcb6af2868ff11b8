import Testing

@testable import Resolver

/// Names that never leave the machine.
@Suite struct SpecialNameTests {
  @Test(
    "localhost and every name below it is this machine, however it is written",
    arguments: [
      "localhost", "LocalHost", "localhost.", "a.localhost", "a.b.LOCALHOST.", "local\\host", "\\108ocalhost", "x\\.y.localhost",
    ])
  func loopback(_ name: String) {
    #expect(Resolver.SpecialName(name) == .loopback)
    for searches in [true, false] {
      #expect(Resolver.candidates(name, searches: searches, domains: ["example.test", "localhost"], ndots: 1).isEmpty)
    }
  }

  @Test(
    "names below onion are asked for nowhere, with or without a search domain",
    arguments: ["x.onion", "X.Onion.", "a.b.onion", "x.\\111nion", "x.oni\\on.", "_imaps._tcp.x.onion"])
  func onion(_ name: String) {
    #expect(Resolver.SpecialName(name) == .onion)
    for searches in [true, false] {
      #expect(Resolver.candidates(name, searches: searches, domains: ["example.test"], ndots: 15).isEmpty)
    }
  }

  @Test(
    "others are names like any",
    arguments: [
      "", ".", "localhosts", "mylocalhost", "localhost.example.test", "onions.test", "x.onion.test", "x\\.onion", "a\\.localhost",
      "onion\\",
    ])
  func others(_ name: String) { #expect(Resolver.SpecialName(name) == nil) }

  @Test("onion itself may be a host of a search domain, and is asked for nowhere else")
  func top() {
    #expect(Resolver.candidates("onion", searches: true, domains: ["example.test"], ndots: 1) == ["onion.example.test"])
    #expect(Resolver.candidates("onion", searches: true, domains: ["example.test", "onion"], ndots: 0) == ["onion.example.test"])
    #expect(Resolver.candidates("onion.", searches: true, domains: ["example.test"], ndots: 1) == [])
    #expect(Resolver.candidates("onion", searches: false, domains: ["example.test"], ndots: 1) == [])
  }

  @Test("a search domain that is special makes nothing of a name")
  func searchDomains() {
    #expect(
      Resolver.candidates("www", searches: true, domains: ["localhost", "example.test", "x.onion"], ndots: 1) == [
        "www.example.test", "www",
      ])
  }

  @Test("other names are searched as resolv.conf says")
  func candidates() {
    #expect(
      Resolver.candidates("www", searches: true, domains: ["a.test", ".", "b.test"], ndots: 1) == [
        "www.a.test", "www.b.test", "www",
      ])
    #expect(Resolver.candidates("www.x", searches: true, domains: ["a.test"], ndots: 1) == ["www.x", "www.x.a.test"])
    #expect(Resolver.candidates("www.", searches: true, domains: ["a.test"], ndots: 1) == ["www."])
  }

  @Test("this machine has loopback addresses, and nothing of any other type")
  func outcomes() throws {
    let four = try Resolver.SpecialName.loopback.outcome("a.localhost.", .a).get()
    #expect(four.records.map(\.data) == [.address([127, 0, 0, 1])] && four.canonicalName == "a.localhost")
    let six = try Resolver.SpecialName.loopback.outcome("localhost", .aaaa).get()
    #expect(six.records.map(\.data) == [.address([UInt8](repeating: 0, count: 15) + [1])])
    #expect(try Resolver.SpecialName.loopback.outcome("localhost", .any).get().records.count == 2)
    for type in [Resolver.RecordType.mx, .srv, .txt, .soa] {
      #expect(Resolver.SpecialName.loopback.outcome("localhost", type) == .failure(.noData))
    }
    #expect(Resolver.SpecialName.onion.outcome("x.onion", .a) == .failure(.noSuchName))
  }
}
