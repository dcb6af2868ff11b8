import Foundation
import Testing

/// What the provider of the Domain Name System finds at a real server: names, addresses and records of all kinds.
@Suite(.timeLimit(.minutes(10))) struct DNSLookupTests {
  private static let www = ["192.0.2.1    www.example.test", "192.0.2.2    www.example.test", "2001:db8::1  www.example.test"]
  private static let away = ["198.51.100.9   host.other.test", "2001:db8:9::9  host.other.test"]
  private static let all = "return-name,return-addr,return-aliases"

  private static func serve(_ isolation: Isolation, _ body: @Sendable (Host, Knot) async throws -> Void) async throws {
    let knot = try Knot.example()
    try await knot.serving {
      try await serve(isolation, knot) { try await body($0, knot) }
    }
  }

  private static func serve(_ isolation: Isolation, _ knot: Knot, _ body: @Sendable (Host) async throws -> Void) async throws {
    let settings = [
      "servers = [\"\(knot.server)\"]", "search = [\"example.test\", \"other.test\"]", "ndots = 2", "timeout-ms = 2000",
    ]
    try await Host.servingDNS(isolation, settings, body)
  }

  /// As numbers are in a blob.
  private static func little(_ number: UInt32) -> String {
    withUnsafeBytes(of: number.littleEndian) { $0.map { String(format: "%02x", $0) }.joined() }
  }

  @Test("addresses of names, chains of CNAMEs, wildcards, and letters beyond ASCII", arguments: Isolation.allCases)
  func addresses(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host, _ in
      let nsphost = host.nsphost
      try await nsphost.expect(lines: Self.www, of: "lookup", "www.example.test")
      // In other letters, and with the root's dot.
      try await nsphost.expect(lines: ["192.0.2.4  V4.Example.TEST"], of: "lookup", "V4.Example.TEST.")
      try await nsphost.expect(lines: ["2001:db8::6  v6.example.test"], of: "lookup", "v6.example.test")
      // A chain of CNAMEs, and its names; one into another zone; one whose end is not there; one that is a ring.
      try await nsphost.expect(
        lines: Self.www + ["-            alias.example.test", "-            alias2.example.test"],
        of: "lookup", "alias.example.test", "--flags", Self.all)
      try await nsphost.expect(lines: Self.away, of: "lookup", "away.example.test.")
      try await nsphost.expect(missing: "nowhere.example.test.")
      try await nsphost.expect(2, "WSANO_DATA", of: "lookup", "ring1.example.test.")
      // One to the root, to this machine, and to a name that Tor alone knows.
      try await nsphost.expect(2, "WSANO_DATA", of: "lookup", "void.example.test.")
      try await nsphost.expect(
        lines: ["127.0.0.1  a.localhost", "::1        a.localhost"], of: "lookup", "self.example.test.")
      try await nsphost.expect(missing: "hidden.example.test.")

      try await nsphost.expect(lines: ["192.0.2.77  any.wild.example.test"], of: "lookup", "any.wild.example.test")
      try await nsphost.expect(lines: ["192.0.2.88  xn--bcher-kva.example.test"], of: "lookup", "Bücher.example.test")
      try await nsphost.expect(missing: "bücher.example.test.", "--flags", "return-name,LUP_DISABLE_IDN_ENCODING")
    }
  }

  @Test("names without dots are searched for in the domains, in order; failures have codes", arguments: Isolation.allCases)
  func search(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host, _ in
      let nsphost = host.nsphost
      try await nsphost.expect(lines: Self.www, of: "lookup", "www")
      try await nsphost.expect(lines: Self.away, of: "lookup", "host")
      // Fewer dots than ndots.
      try await nsphost.expect(lines: ["192.0.2.90  other.dots.example.test"], of: "lookup", "other.dots")
      // A final dot keeps a name from it.
      try await nsphost.expect(1, "WSAEREFUSED", of: "lookup", "www.")

      try await nsphost.expect(missing: "nobody.example.test.")
      try await nsphost.expect(2, "WSANO_DATA", of: "lookup", "v4.example.test.", "--class", "dns/mx")
      // SERVFAIL, and a zone that the server has not.
      try await nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "host.broken.test.")
      try await nsphost.expect(1, "WSAEREFUSED", of: "lookup", "www.elsewhere.invalid.")
      // A label that is too long, and what is no name of this kind.
      try await nsphost.expect(
        1, "WSAEINVAL", of: "lookup", String(repeating: "x", count: 70) + ".example.test.")
      try await nsphost.expect(missing: "someone@example.test")
    }
  }

  @Test("names of an address, however it is written", arguments: Isolation.allCases)
  func names(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host, _ in
      let nsphost = host.nsphost
      try await nsphost.expect(
        lines: ["192.0.2.1  www.example.test", "-          alias.example.test"],
        of: "lookup", "192.0.2.1", "--flags", Self.all)
      try await nsphost.expect(lines: ["2001:db8::1  www.example.test"], of: "lookup", "2001:DB8:0::1")
      for name in ["::ffff:192.0.2.1", "::192.0.2.1"] {
        try await nsphost.expect(lines: ["192.0.2.1  www.example.test"], of: "lookup", name)
      }
      try await nsphost.expect(
        lines: ["192.0.2.1  www.example.test"], of: "lookup", "::ffff:192.0.2.1", "--class", "inet-hostaddrbyinetstring")
      // A zone comes back.
      try await nsphost.expect(lines: ["fe80::1%lo  www.example.test"], of: "lookup", "fe80::1%lo")
    }
  }

  @Test("records of other types, and their data", arguments: Isolation.allCases)
  func records(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host, _ in
      let nsphost = host.nsphost
      try await nsphost.expect(
        lines: ["-  www.example.test", "-  v4.example.test"], of: "lookup", "_sip._tcp.example.test", "--class", "dns/srv")
      try await nsphost.expect(
        lines: ["-  mail.example.test", "-  mail1.example.test", "-  mail2.example.test"],
        of: "lookup", "example.test", "--class", "dns/mx")
      try await nsphost.expect(lines: ["-  ns.example.test"], of: "lookup", "example.test", "--class", "dns/ns")
      try await nsphost.expect(lines: ["-  alias2.example.test"], of: "lookup", "alias.example.test", "--class", "dns/cname")
      try await nsphost.expect(lines: ["-  example.test"], of: "lookup", "example.test", "--class", "dns/soa")

      /// The comments of a name's texts.
      func texts(_ name: String) async throws -> [String] {
        let answer = try await nsphost.document(Answer.self, "lookup", name + ".example.test", "--class", "dns/txt")
        return answer.results.compactMap(\.comment)
      }
      func data(_ name: String, _ type: String) async throws -> String? {
        try await nsphost.document(
          Answer.self, "lookup", name + ".example.test", "--class", "dns/" + type, "--flags", "return-all"
        ).blob
      }
      let (several, long, none) = (try await texts("text"), try await texts("long"), try await texts("binary"))
      #expect(several == ["onetwo"])
      #expect(long == [String(repeating: "0", count: 254) + "1" + String(repeating: "0", count: 99) + "2"])
      // What is no text comes in the blob alone.
      #expect(none == [])
      let binary = try await data("binary", "txt")
      #expect(binary == "4e535044" + Self.little(300) + "1000000000000000" + Self.little(3) + "02ff00")
      // Priority, weight, port and data.
      let service = try #require(try await data("_sip._tcp", "srv"))
      let head = "4e535044" + Self.little(300) + "2100"
      #expect(
        service.hasPrefix(head + "0a000500c413")
          || service.hasPrefix(head + "140000") && service.dropFirst(head.count + 6).contains("c513"), "\(service)")
      // The least time to live along the chain.
      let chain = try await nsphost.document(Answer.self, "lookup", "alias.example.test", "--flags", "return-all")
      #expect(chain.blob == "4e535044" + Self.little(40) + "0100000000000000" + Self.little(0))
    }
  }

  @Test("what UDP cuts off is taken by TCP: 500 addresses, 50 texts", arguments: Isolation.allCases)
  func truncated(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host, knot in
      for (name, type, count, words) in [("many", "A", 500, []), ("manytext", "TXT", 50, ["--class", "dns/txt"])] {
        let cut = try await Program(path: "/usr/bin/env").run(
          "kdig", "+notcp", "+ignore", "+noedns", "@" + knot.address, "-p", "\(knot.port)", name + ".example.test", type)
        #expect(cut.output.firstMatch(of: /(^|\n);; Flags:.* tc/) != nil, "\(cut)")
        let whole = try await host.nsphost.run(["lookup", name + ".example.test"] + words + ["--no-legend"])
        #expect(whole.output.split(separator: "\n").count == count, "\(whole)")
      }
    }
  }

  @Test("a server that is killed, and comes back", arguments: Isolation.allCases)
  func killed(_ isolation: Isolation) async throws {
    let knot = try Knot.example()
    try await Self.serve(isolation, knot) { host in
      let v4 = ["192.0.2.4  v4.example.test"]
      try await knot.serving { try await host.nsphost.expect(lines: v4, of: "lookup", "v4.example.test.") }
      try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "v4.example.test.")
      try await knot.serving { try await host.nsphost.expect(lines: v4, of: "lookup", "v4.example.test.") }
    }
  }

  @Test(
    "resolv.conf: edited, replaced, no file, and back", .enabled(if: geteuid() == 0, "port 53 takes root"),
    arguments: Isolation.allCases)
  func resolvConf(_ isolation: Isolation) async throws {
    let knot = try Knot.example(port: 53)
    let folder = knot.folder
    let file = URL(filePath: folder["resolv.conf"])
    /// In the same file.
    @Sendable func edit(_ lines: String...) throws { try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: file) }
    try edit("nameserver \(knot.address)", "search other.test")
    try await knot.serving {
      try await Host.servingDNS(isolation, ["resolv-conf = \"\(file.path)\""]) { host in
        let nsphost = host.nsphost
        @Sendable func finds(_ line: String, _ name: String) async throws {
          try await eventually("\(name) is \(line)") {
            let outcome = try await nsphost.run("lookup", name)
            return outcome.status == 0 && outcome.lines == [line]
          }
        }
        @Sendable func fails(_ text: String, _ name: String) async throws {
          try await eventually("\(name) fails with \(text)") {
            let outcome = try await nsphost.run("lookup", name)
            return outcome.status == 1 && outcome.errors.contains(text)
          }
        }
        // The server, and the domain.
        try await nsphost.expect(lines: ["198.51.100.1  www.other.test"], of: "lookup", "www")
        try edit("nameserver \(knot.address)", "search example.test", "options ndots:2 timeout:1 attempts:1")
        try await finds("192.0.2.4  v4.example.test", "v4")
        try await nsphost.expect(lines: ["192.0.2.90  other.dots.example.test"], of: "lookup", "other.dots")
        let nobody = knot.address.dropLast() + "8"
        try folder.write("nameserver \(nobody)\nsearch example.test\noptions timeout:1 attempts:1\n", to: "new")
        #expect(rename(folder["new"], file.path) == 0)
        try await fails("WSATRY_AGAIN", "v4")
        try edit("nameserver \(knot.address)")
        try await finds("192.0.2.4  v4.example.test", "v4.example.test")
        try FileManager.default.removeItem(at: file)
        #expect(mkfifo(file.path, 0o644) == 0)
        try await fails("WSA", "v4.example.test.")
        try FileManager.default.removeItem(at: file)
        try edit("nameserver \(knot.address)")
        try await finds("192.0.2.4  v4.example.test", "v4.example.test")
      }
    }
  }
}
