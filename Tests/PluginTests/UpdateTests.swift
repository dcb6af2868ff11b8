import CWinsock
import NSPProvider
import QuerySets
import Resolver
import Testing

/// What a registration asks a server of the Domain Name System to do, and under which conditions.
@Suite struct UpdateTests {
  private func update(
    _ name: String, _ operation: Registration.Operation, _ addresses: [String] = [], isMultiple: Bool = false,
    text: String? = nil,
    takesWildcards: Bool = false
  ) throws -> Update {
    var dnsText = GUID.hostName
    (dnsText.Data1, dnsText.Data3) = (0x0009_0035, Resolver.RecordType.txt.rawValue)
    let set = QuerySet(
      serviceInstanceName: name, serviceClassID: text == nil ? nil : dnsText, comment: text, nameSpace: .dns,
      addresses: addresses.map { ServiceAddress(remote: SocketAddress($0)!) })
    return try Update(Registration(set, operation, isMultiple: isMultiple), zone: "example.test", takesWildcards: takesWildcards)
  }

  @Test("whatever is registered, the name must have no CNAME", arguments: [false, true])
  func aliases(_ isMultiple: Bool) throws {
    #expect(try update("one", .register, ["192.0.2.1"], isMultiple: isMultiple).attempts == [[.noAlias]])
    #expect(try update("one", .register, isMultiple: isMultiple, text: "words").attempts == [[.noAlias]])
  }

  @Test("what is taken back must be there, of any of the types", arguments: [Registration.Operation.deregister, .delete])
  func removals(_ operation: Registration.Operation) throws {
    #expect(try update("one", operation).attempts == [[.has(.a)], [.has(.aaaa)]] && update("one", operation).removed.isEmpty)
    #expect(try update("one", operation, text: "words").attempts == [[.has(.txt)]])
    let four = try update("one", operation, ["192.0.2.1"], isMultiple: true)
    #expect(four.attempts == [[.has(.a)]] && four.removed.map(\.data) == [[192, 0, 2, 1]])
    #expect(
      try update("one", operation, ["192.0.2.1", "2001:db8::1"], isMultiple: true).attempts == [[.has(.a)], [.has(.aaaa)]])
  }

  @Test(
    "a wildcard is a name where the settings say so, and nowhere else",
    arguments: ["*", "*.example.test", "*.sub.example.test", "*.example.test."])
  func wildcards(_ name: String) throws {
    for operation in [Registration.Operation.register, .deregister, .delete] {
      #expect(throws: WinsockError.invalidArgument) { try update(name, operation, ["192.0.2.1"]) }
    }
    #expect(try update(name, .register, ["192.0.2.1"], takesWildcards: true).name.hasPrefix("*."))
  }

  @Test("a star within a label is no wildcard", arguments: ["a*", "*a", "a.*.example.test"])
  func stars(_ name: String) throws { #expect(try !update(name, .register, ["192.0.2.1"]).name.isEmpty) }

  @Test("no record can keep a zone")
  func zones() {
    #expect(throws: WinsockError.invalidArgument) { try update("one", .register, ["[fe80::7%lo]:631"]) }
    #expect(throws: Never.self) { try update("one", .register, ["fe80::7"]) }
  }
}
