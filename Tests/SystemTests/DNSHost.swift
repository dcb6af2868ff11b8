import Foundation
import Testing

extension Host {
  /// A host with the provider of the Domain Name System alone. When the body has ended, so have the sessions.
  /// - Parameter table: Lines of the provider's table in the configuration, outside of its settings.
  static func servingDNS<Value: Sendable>(
    _ isolation: Isolation, _ settings: [String], table: [String] = [], sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (Host) async throws -> Value
  ) async throws -> Value {
    let lines = ["[providers.dns]"] + table + ["[providers.dns.settings]"] + settings
    let plugin = try Plugin.shipped("dns", isolation)
    return try await serve(
      lines.joined(separator: "\n") + "\n", [plugin], options: ["--log", "debug"], sourceLocation: sourceLocation
    ) { host in
      try await host.loads("dns", sourceLocation: sourceLocation)
      let value = try await body(host)
      try await host.settles(sourceLocation: sourceLocation)
      return value
    }
  }

  /// Looks names up and registers some, as Tests/Plugins/many.c says.
  var many: Program { get async throws { try await client(Built.package + "/Tests/Plugins/many.c") } }
}

extension Knot {
  /// Expects these data of a name, and no others.
  func expect(
    _ data: String..., of name: String, _ type: String, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let answers = try await answers(name, type)
    #expect(answers == data, "\(name)", sourceLocation: sourceLocation)
  }

  /// A server with zones of all kinds of records.
  static func example(port: Int? = nil) throws -> Knot {
    let ones = String(repeating: "0", count: 254) + "1"
    let twos = String(repeating: "0", count: 99) + "2"
    let many = (0..<500).map { "many 300 A 10.1.\($0 / 256).\($0 % 256)" }
    let texts = (100..<150).map { "manytext 300 TXT \"\($0)-\(String(repeating: " ", count: 199))x\"" }
    let example = records + "\nlong 300 TXT \"\(ones)\" \"\(twos)\"\n" + (many + texts).joined(separator: "\n")
    return try Knot(
      [
        Zone(domain: "example.test", records: example),
        Zone(
          domain: "other.test", records: "host 20 A 198.51.100.9\nhost 20 AAAA 2001:db8:9::9\nwww 300 A 198.51.100.1"),
        Zone(domain: "2.0.192.in-addr.arpa", records: "1 70 PTR www.example.test.\n1 70 PTR alias.example.test."),
        Zone(domain: "8.b.d.0.1.0.0.2.ip6.arpa", records: "1" + String(repeating: ".0", count: 23) + " 70 PTR www.example.test."),
        Zone(domain: "0.8.e.f.ip6.arpa", records: "1" + String(repeating: ".0", count: 27) + " 70 PTR www.example.test."),
        Zone(domain: "broken.test"),
        Zone(domain: "dynamic.test", records: "pointer 300 CNAME elsewhere\nworded 300 TXT \"x\"", takesUpdates: true),
      ], port: port)
  }

  private static let records = """
    ns 300 A 127.0.0.1
    @ 300 MX 10 mail2
    @ 300 MX 5 mail
    @ 300 MX 10 mail1
    www 120 A 192.0.2.1
    www 120 A 192.0.2.2
    www 90 AAAA 2001:db8::1
    v4 300 A 192.0.2.4
    v6 300 AAAA 2001:db8::6
    alias 50 CNAME alias2
    alias2 40 CNAME www
    away 300 CNAME host.other.test.
    nowhere 300 CNAME nobody.other.test.
    void 300 CNAME .
    hidden 300 CNAME x.onion.
    self 300 CNAME a.localhost.
    ring1 300 CNAME ring2
    ring2 300 CNAME ring1
    _sip._tcp 300 SRV 10 5 5060 www
    _sip._tcp 300 SRV 20 0 5061 v4
    text 300 TXT "one" "two"
    binary 300 TXT "\\255\\000"
    *.wild 300 A 192.0.2.77
    xn--bcher-kva 300 A 192.0.2.88
    other.dots 300 A 192.0.2.90
    """
}
