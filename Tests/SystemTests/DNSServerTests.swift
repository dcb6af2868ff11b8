import Foundation
import Testing

/// Servers of the Domain Name System that are dead, slow, wrong or old cost no more than they have to, and some names are asked of none.
@Suite(.timeLimit(.minutes(10))) struct DNSServerTests {
  private static let plain = ["192.0.2.1  plain.test", "::         plain.test"]

  private static func settings(_ servers: String...) -> [String] {
    let listed = servers.map { "\"\($0)\"" }.joined(separator: ", ")
    return ["servers = [\(listed)]", "search = []"]
  }

  /// Microseconds at the provider, by the host's own clock.
  private static func took(_ name: String, _ host: Host) async throws -> Int {
    let answer = try await host.nsphost.document(Answer.self, "lookup", name)
    #expect(!answer.results.isEmpty, "\(name)")
    return try #require(answer.asked.compactMap(\.tookUs).first)
  }

  @Test("a dead first server costs its time once; one that nobody is costs none", arguments: Isolation.allCases)
  func deadServer(_ isolation: Isolation) async throws {
    let knot = try Knot.example()
    try await knot.serving {
      try await NameServer.serving(.silent) { silent in
        let settings = Self.settings(silent.server, knot.server) + ["timeout-ms = 2000"]
        try await Host.servingDNS(isolation, settings) { host in
          let first = try await Self.took("v4.example.test", host)
          let second = try await Self.took("v6.example.test", host)
          #expect(first >= 2_000_000 && second < 2_000_000, "\(first) us, then \(second) us")
        }
      }
      let nobody = "127.\(Int.random(in: 1...250)).\(Int.random(in: 1...250)).8:\(knot.port)"
      try await Host.servingDNS(isolation, Self.settings(nobody, knot.server) + ["timeout-ms = 2000"]) { host in
        let time = try await Self.took("v4.example.test", host)
        #expect(time < 2_000_000, "\(time) us")
      }
    }
  }

  @Test("after SERVFAIL the next server is asked; one that knows no EDNS is asked without", arguments: Isolation.allCases)
  func oldServer(_ isolation: Isolation) async throws {
    let knot = try Knot.example()
    try await NameServer.serving(.without) { without in
      try await knot.serving {
        try await Host.servingDNS(isolation, Self.settings(knot.server, without.server)) { host in
          try await host.nsphost.expect(
            lines: ["192.0.2.1  any.broken.test", "::         any.broken.test"], of: "lookup", "any.broken.test")
        }
      }
      try await Host.servingDNS(isolation, Self.settings(without.server)) { host in
        try await host.nsphost.expect(lines: Self.plain, of: "lookup", "plain.test")
      }
    }
  }

  @Test("localhost is this machine, and neither it nor what Tor alone knows is ever sent", arguments: Isolation.allCases)
  func unsent(_ isolation: Isolation) async throws {
    try await NameServer.serving(.names) { names in
      let settings = ["servers = [\"\(names.server)\"]", "search = [\"example.test\", \"localhost\"]", "ndots = 2"]
      try await Host.servingDNS(isolation, settings) { host in
        let nsphost = host.nsphost
        for name in ["localhost", "LOCALHOST.", "a.b.localhost", "\\108ocalhost"] {
          let outcome = try await nsphost.run("lookup", name)
          let addresses = outcome.output.split(separator: "\n").compactMap { $0.split(separator: " ").first }
          #expect(outcome.status == 0 && addresses.sorted() == ["127.0.0.1", "::1"], "\(name): \(outcome)")
        }
        try await nsphost.expect(2, "WSANO_DATA", of: "lookup", "localhost", "--class", "dns/mx")
        try await nsphost.expect(2, "WSANO_DATA", of: "lookup", "a.localhost", "--class", "dns/txt")
        for name in ["x.onion", "X.Onion.", "a.b.onion", "x.\\111nion", "onion.", "x.onion."] {
          try await nsphost.expect(missing: name)
        }
        try await nsphost.expect(missing: "x.onion", "--class", "dns/txt")
        for name in ["onion", "www"] { try await nsphost.expect(missing: name) }
        // A name without dots is searched for: there may be a host that is called onion.
        #expect(Set(names.said.map { $0.lowercased() }) == ["onion.example.test", "www", "www.example.test"])
      }
    }
  }

  @Test("answers that are none, in twelve ways", arguments: Isolation.allCases)
  func noise(_ isolation: Isolation) async throws {
    try await NameServer.serving(.garbage) { garbage in
      try await Host.servingDNS(isolation, Self.settings(garbage.server) + ["timeout-ms = 30"]) { host in
        let kinds = ["noise", "short", "cut", "more", "lies", "size", "pointer", "beyond", "label", "self", "other", "endless"]
        for kind in kinds {
          let outcome = try await host.nsphost.run("lookup", kind + ".test")
          let failure = (outcome.output + outcome.errors).firstMatch(of: /WSATRY_AGAIN|WSAEREFUSED|WSANO_DATA/)
          #expect(outcome.status != 0 && failure != nil, "\(kind): \(outcome)")
        }
        // However busy the machine is, one comes in time.
        var good: Program.Outcome?
        try await eventually("a good answer is taken") {
          good = try await host.nsphost.run("lookup", "plain.test")
          return good?.status == 0
        }
        #expect(good?.lines.sorted() == Self.plain)
      }
    }
  }

  /// Asks that many names of a server that is late, and ends with the client.
  private static func asking(
    _ count: Int, of host: Host, _ body: @Sendable () async throws -> Void
  ) async throws -> Program.Outcome {
    try await host.many.beside("ask", "\(count)", "late.test", printing: host.folder["asked"]) { _ in
      try await eventually("all are asked") { host.folder.text(of: "asked").contains("asked") }
      try await body()
    }.outcome
  }

  private static func late(_ isolation: Isolation, _ body: @Sendable (Host, NameServer) async throws -> Void) async throws {
    // So long that all are asked before the first answer, however busy the machine is.
    try await NameServer.serving(.late, "6") { late in
      let settings = settings(late.server) + ["timeout-ms = 30000"]
      try await Host.servingDNS(isolation, settings, table: ["deadline-ms = 60000"]) { try await body($0, late) }
    }
  }

  @Test("1,000 queries in flight, and no thread for each", arguments: Isolation.allCases)
  func thousand(_ isolation: Isolation) async throws {
    try await Self.late(isolation) { host, late in
      @Sendable func threads() async throws -> Int {
        let process = try await host.providerProcess(isolation)
        return try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").count
      }
      try await host.nsphost.expect(0, of: "lookup", "warm.test")
      let before = try await threads()
      let outcome = try await Self.asking(1000, of: host) {
        let inFlight = try await threads()
        #expect(inFlight <= before + 8, "\(before) threads before, \(inFlight) with a thousand queries")
      }
      #expect(outcome.status == 0, "\(outcome)")
      // Two questions a name, and none had been answered when the last was asked.
      #expect(late.said.last == "waiting 2000")
    }
  }

  @Test("a worker that is killed with 200 in flight")
  func crash() async throws {
    try await Self.late(.worker) { host, _ in
      let outcome = try await Self.asking(200, of: host) {
        kill(try await host.providerProcess(.worker), SIGKILL)
      }
      #expect(outcome.status != 0 && outcome.lines.contains { $0.hasPrefix("0 records") }, "\(outcome)")
      // The host starts another, which takes it a moment.
      try await eventually("its next process answers") { try await host.nsphost.run("lookup", "after.test").status == 0 }
      try await host.nsphost.expect(lines: ["192.0.2.99  after.test"], of: "lookup", "after.test")
    }
  }

  @Test("End and cancel, while nobody answers", arguments: Isolation.allCases)
  func cancel(_ isolation: Isolation) async throws {
    try await NameServer.serving(.silent) { silent in
      try await Host.servingDNS(isolation, Self.settings(silent.server) + ["timeout-ms = 20000"]) { host in
        try await host.many.expect(0, of: "cancel", "nobody.test", "3")
      }
    }
  }

  @Test("settings that can't be used are named")
  func settings() async throws {
    let knot = try Knot.example()
    func refuses(_ text: String, _ settings: [String]) async throws {
      try await Host.servingDNS(.inProcess, settings) { host in
        try await host.nsphost.expect(1, "WSA", of: "lookup", "v4.example.test")
        try await host.writes(text)
      }
    }
    try await refuses("nobody, of servers, is no address", ["servers = [\"nobody\"]"])
    try await refuses("need each other", ["servers = [\"\(knot.server)\"]", "update-zone = \"dynamic.test\""])
  }

  @Test("thousands of rounds, most of them ended early, leave no descriptors and no memory behind")
  func endurance() async throws {
    let knot = try Knot.example()
    try await knot.serving {
      try await Host.servingDNS(.inProcess, Self.settings(knot.server)) { host in
        try await host.many.expect(0, of: "rounds", "1000", "www.example.test")
        let before = try ProcessFigures(of: host.processID)
        try await host.many.expect(0, of: "rounds", "4000", "www.example.test")
        try await host.settles()
        let after = try ProcessFigures(of: host.processID)
        #expect(after.descriptors <= before.descriptors + 2 && after.resident <= before.resident + 4096, "\(before), \(after)")
      }
    }
  }
}
