import Foundation
import Testing

/// The endpoints of an e-mail address that nobody has published are those that its domain names, at a real server of the Domain Name System.
@Suite(.timeLimit(.minutes(10))) struct EmailDiscoveryTests {
  @Test(
    "the endpoints of one service and of every one, TLS first, with both families, a CNAME among them",
    arguments: Isolation.allCases)
  func endpoints(_ isolation: Isolation) async throws {
    struct Answer: Decodable {
      struct Record: Decodable { var blob: String?, comment: String?, context: String? }
      var results: [Record]
    }
    let imap = [
      "imaps ann@full.test 192.0.2.1:993 [2001:db8::1]:993 (imap.full.test:993)",
      "imap ann@full.test 192.0.2.1:143 [2001:db8::1]:143 (imap.full.test:143)",
    ]
    let submissions = "submissions ann@full.test 192.0.2.2:465 (out.full.test:465)"
    let all =
      [submissions, "submission ann@full.test 192.0.2.2:587 (out.full.test:587)"] + imap + [
        "jmap ann@full.test 192.0.2.1:443 [2001:db8::1]:443 (imap.full.test:443)",
        "smtp ann@full.test 192.0.2.3:25 (first.full.test:25)",
        "smtp ann@full.test [2001:db8::4]:25 (second.full.test:25)",
      ]
    try await EmailHost.serve(isolation) { email in
      try await email.client.expect(inOrder: imap, of: ["look=ann@full.test,imap"])
      try await email.client.expect(inOrder: all, of: ["look=ann@full.test"])
      // Of one family, and of none that is there; what is published is its publisher's business.
      try await email.client.expect(
        inOrder: " [2001:db8::1]:993", " 192.0.2.1:993", "11004", "ok", " 192.0.2.1:1",
        of: "family=ann@full.test,imap,10", "family=ann@full.test,imap,2", "family=ann@full.test,imap,1",
        "register=f@here.test,sip,192.0.2.1:1", "family=f@here.test,sip,10")
      // Services that are not asked for by default.
      try await email.client.expect(
        inOrder: "pop3s a@full.test 192.0.2.1:995 [2001:db8::1]:995 (imap.full.test:995)",
        "pop3 a@full.test 192.0.2.1:110 [2001:db8::1]:110 (imap.full.test:110)",
        "sieve a@full.test 192.0.2.1:4190 [2001:db8::1]:4190 (alias.full.test:4190)",
        "submissions a@full.test 192.0.2.2:465 (out.full.test:465)",
        of: "look=a@full.test,pop3", "look=a@full.test,sieve", "look=a@full.test,SUBMISSIONS")
      // By GetAddrInfoEx.
      try await email.client.expect(
        inOrder: "ann@full.test 192.0.2.1:443 6 0", "ann@full.test [2001:db8::1]:443 6 0", of: "resolve=ann@full.test,jmap")
      // The command says where from, and a blob what the record is made of.
      let answer = try await email.host.nsphost.document(
        Answer.self, "lookup", "ann@full.test", "--namespace", "email", "--service", "imaps")
      let isMade = answer.results.contains {
        $0.blob == "4e5350443c000000210007000900e10300000000" && $0.comment == "imap.full.test:993" && $0.context == "imaps"
      }
      #expect(isMade, "\(answer)")
    }
  }

  @Test("by priority, and among equals by chance according to weight; a target of nothing is none", arguments: Isolation.allCases)
  func weights(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation) { email in
      let lines = try await email.client.run([String](repeating: "look=a@order.test,imap", count: 60)).lines
      try #require(lines.count == 240, "\(lines.prefix(10))")
      func every(_ place: Int) -> [String] { stride(from: place, to: 240, by: 4).map { lines[$0] } }
      #expect(Set(every(0)) == ["imaps a@order.test 192.0.2.9:1000 (z.order.test:1000)"])
      #expect(Set(every(3)) == ["imaps a@order.test 192.0.2.12:1003 (c.order.test:1003)"])
      let first = every(1).count { $0.contains(":1001") }
      #expect(first > 40 && Set(every(1) + every(2)).count == 2, "first \(first) times")
    }
  }

  @Test("domains that offer nothing, little, much, or are not there", arguments: Isolation.allCases)
  func domains(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation) { email in
      let client = email.client
      // Services that are decidedly not offered.
      try await client.expect(
        inOrder: "11004", "11004", "11004", of: "look=a@null.test,imap", "look=a@null.test,smtp", "look=a@null.test")
      // Without MX the domain itself, and nothing else.
      try await client.expect(
        inOrder: "smtp a@plain.test 192.0.2.30:25 [2001:db8::30]:25 (plain.test:25)", "11004",
        of: "look=a@plain.test", "look=a@plain.test,imap")
      try await client.expect(
        inOrder: "11004", "11004", "11004", of: "look=a@empty.test", "look=a@empty.test,smtp", "look=a@empty.test,jmap")
      // A domain that is not there, and targets that are not.
      try await client.expect(
        inOrder: "10108", "10108", "10108", of: "look=a@no.full.test", "look=a@no.full.test,mx", "look=a@no.full.test,imap")
      try await client.expect(
        inOrder: "imaps a@holes.test [2001:db8::6]:993 (six.holes.test:993)", of: "look=a@holes.test,imap")
      try await client.expect(
        inOrder: "imaps a@München.test 192.0.2.40:993 (imap.xn--mnchen-3ya.test:993)", of: "look=a@München.test,imap")
      // Many targets, and many addresses.
      #expect(try await client.run("look=a@many.test,imap").lines.count == 20)
      try await client.expect(inOrder: "imaps a@big.test and 256 in all (big.big.test:993)", of: "look=a@big.test,imap")
      // What nobody vouches for is not secure; a service that is none of e-mail.
      try await client.expect(inOrder: "10108", "10108", of: "secure=a@full.test,imap", "look=a@full.test,gopher")
    }
  }

  @Test(
    "this machine's own domains are not asked for, nor those that Tor alone knows, nor what is no domain",
    arguments: Isolation.allCases)
  func unasked(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation) { email in
      // The server would refuse to answer for either.
      try await email.client.expect(
        inOrder: "smtp a@localhost 127.0.0.1:25 [::1]:25 (localhost:25)", "11004",
        "smtp a@b.LocalHost 127.0.0.1:25 [::1]:25 (b.localhost:25)", "10108", "10108",
        of: "look=a@localhost", "look=a@localhost,imap", "look=a@b.LocalHost,smtp", "look=a@x.onion", "look=a@x.onion,smtp")
      let long = String(repeating: "x", count: 70)
      try await email.client.expect(
        inOrder: "10108", "10108", "10112",
        of: "look=a@\(long).test,imap", "look=a@x y.test,imap", "look=a@elsewhere.example,imap")
    }
  }

  @Test("a server that says nothing, clients that don't wait for it, and the server again", arguments: Isolation.allCases)
  func silentServer(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation, patience: 400) { email in
      try await email.knot.silenced {
        try await email.client.expect(inOrder: "11002", of: "look=a@full.test,imap")
        let killed = try await email.client.beside("look=b@full.test", printing: email.host.folder["b"]) { process in
          try await email.isAsked(for: "b@full.test")
          kill(process, SIGTERM)
          try await email.client.expect(inOrder: "ok", of: "cancel=200,c@full.test")
        }.outcome
        #expect(killed.status == 128 + SIGTERM, "\(killed)")
        try await email.host.settles()
      }
      try await email.soon(
        "jmap a@full.test 192.0.2.1:443 [2001:db8::1]:443 (imap.full.test:443)", of: "look=a@full.test,jmap")
    }
  }

  @Test("a server that dies, and the next one in its place", arguments: Isolation.allCases)
  func deadServer(_ isolation: Isolation) async throws {
    try await EmailHost.serve(isolation, patience: 400) { email in
      let server = try email.knot.processID
      kill(server, SIGKILL)
      try await eventually("nothing answers at its port") { try await email.knot.answers("full.test", "SOA").isEmpty }
      try await email.client.expect(
        inOrder: "11002", "11002", "ok", "sip d@full.test 192.0.2.1:1",
        of: "look=a@full.test,imap", "look=a@full.test", "register=d@full.test,sip,192.0.2.1:1", "look=d@full.test")
      // The process is kept until its own body ends: the next one would take it for alive.
      try FileManager.default.removeItem(atPath: email.knot.folder["knot.pid"])
      try await email.knot.serving {
        try await email.soon(
          "submissions a@full.test 192.0.2.2:465 (out.full.test:465)", of: "look=a@full.test,submissions")
      }
    }
  }

  private static func serve(_ settings: String, _ body: @Sendable (Host) async throws -> Void) async throws {
    let configuration = "[providers.email.settings]\n" + settings
    try await Host.serve(configuration, [.shipped("email", .inProcess)], options: ["--log", "debug"]) { host in
      try await host.loads("email")
      try await body(host)
    }
  }

  @Test("servers that are none are refused, and named in the host's log")
  func unusableServers() async throws {
    try await Self.serve("servers = [\"nowhere\"]\n") { host in
      try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "a@full.test", "--namespace", "email")
      #expect(host.log.firstMatch(of: /email: its settings can.t be used: .*nowhere/) != nil, "\(host.log)")
    }
  }

  @Test("without discovery, only what is published is there")
  func withoutDiscovery() async throws {
    try await Self.serve("discover = false\n") { host in
      try await host.client(Built.package + "/Tests/Plugins/email.c").expect(
        inOrder: "10108", "ok", "sip a@full.test 192.0.2.1:1",
        of: "look=a@full.test,imap", "register=a@full.test,sip,192.0.2.1:1", "look=a@full.test")
    }
  }
}
