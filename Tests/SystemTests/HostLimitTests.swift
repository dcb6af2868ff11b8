import Foundation
import Testing

/// A host of which others take all that they can: who is refused is told by which limit, root gets in whatever the others do, and everybody is served.
@Suite(.enabled(if: geteuid() == 0, "it takes root"), .timeLimit(.minutes(10))) struct HostLimitTests {
  private static let scripted = "f1f70001-1111-4222-8333-010203040506"
  private static let (a, b, c, d): (UInt32, UInt32, UInt32, UInt32) = (60001, 60002, 60003, 60004)

  private struct Stats: Decodable {
    struct Refusal: Decodable { var limit: String, uid: UInt32?, count: Int }
    struct Quota: Decodable { var limit: String, uid: UInt32?, taken: Int, maximum: Int }
    var refusals: [Refusal], nearlyTaken: [Quota], isWell: Bool

    func refused(_ limit: String, _ user: UInt32) -> Int {
      refusals.filter { $0.limit == limit && $0.uid == user }.map(\.count).reduce(0, +)
    }
  }

  private static func serve(
    _ settings: String, isKilled: Bool = false, under: [String] = [], _ body: @Sendable (Host, Taker) async throws -> Void
  ) async throws {
    let plugins = [Plugin(file: Built.samples + "/hello.so"), Plugin.fixture("scripted-a")]
    try await Host.serve("isolation = \"in-process\"\n" + settings, plugins, isKilled: isKilled, under: under) { host in
      try await body(host, Taker(of: host))
    }
  }

  private static func stats(_ host: Host) async throws -> Stats { try await host.nsphost.document(Stats.self, "stats") }

  private static func isServed(_ user: UInt32, _ host: Host, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await host.nsphost.asUser(user).expect(0, "192.0.2.1:7", of: "lookup", "hello", sourceLocation: sourceLocation)
  }

  private static func isServedSoon(_ user: UInt32, _ host: Host, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await eventually("user \(user) is served", sourceLocation: sourceLocation) {
      try await host.nsphost.asUser(user).run("lookup", "hello").output.contains("192.0.2.1:7")
    }
  }

  private static func isRefused(
    _ user: UInt32, _ text: String, _ host: Host, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let outcome = try await host.nsphost.asUser(user).run("lookup", "hello")
    #expect(
      outcome.status != 0 && (outcome.output + outcome.errors).contains(text), "\(outcome)", sourceLocation: sourceLocation)
  }

  /// Processes with a session that are Python's.
  private static func takers(_ host: Host) async throws -> [Int32] {
    struct Document: Decodable {
      struct Session: Decodable { var pid: Int32, command: String }
      var sessions: [Session]
    }
    return try await host.nsphost.document(Document.self, "sessions").sessions.filter { $0.command == "python3" }.map(\.pid)
  }

  private static func refusals(of user: UInt32, _ host: Host) -> [Substring] {
    host.log.split(separator: "\n").filter { $0.contains("user \(user) is refused") }
  }

  /// Timers of the host that run.
  private static func timers(_ host: Host) throws -> Int {
    let folder = "/proc/\(host.processID)/fdinfo"
    return try FileManager.default.contentsOfDirectory(atPath: folder).filter { number in
      let text = (try? String(contentsOfFile: folder + "/" + number, encoding: .utf8)) ?? ""
      return text.split(separator: "\n").contains { $0.hasPrefix("it_value: ") && !$0.hasPrefix("it_value: (0, 0)") }
    }.count
  }

  private static func threads(_ host: Host) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(host.processID)/task").count
  }

  @Test("a connection that says no hello is told so, and closed after limits.hello-ms; it is said once, and counted")
  func hello() async throws {
    try await Self.serve("[limits]\nhello-ms = 700\n") { host, taker in
      try await taker.hold(Self.b, "hold", "1", "hello") { _ in
        for user in [Self.a, 0] {
          let said = try await taker.run(user, "silent")
          let took = try #require(said.wholeMatch(of: /limit 11 of ([0-9]+): 700 closed after ([0-9]+) ms/), "\(said)")
          #expect(took.1 == "\(user)", "\(said)")
          #expect((650..<5000).contains(Int(took.2) ?? 0), "\(said)")
        }
        // One that has said hello stays.
        #expect(try await Self.takers(host).count == 1)
        let line = "warning: user \(Self.a) is refused: limits.hello-ms = 700 of each connection is met"
        #expect(Self.refusals(of: Self.a, host).map(String.init) == [line], "\(host.log)")
        let stats = try await Self.stats(host)
        #expect(stats.refused("limits.hello-ms", Self.a) == 1 && !stats.isWell, "\(stats)")
      }
    }
  }

  @Test("a timer runs only while somebody owes a hello")
  func timer() async throws {
    try await Self.serve("") { host, taker in
      let before = try Self.timers(host)
      try await taker.hold(Self.a, "hold", "1", "silent") { _ in
        let timers = try Self.timers(host)
        #expect(timers == before + 1)
      }
      try await eventually("it does not run any longer") { try Self.timers(host) == before }
    }
  }

  private static let connections = "[limits]\nconnections = 40\nconnections-per-user = 30\n"

  @Test("two users take all connections: all are told whose limit is met, root sees who has them and ends a session")
  func twoUsers() async throws {
    try await Self.serve(Self.connections) { host, taker in
      try await taker.hold(Self.a, "hold", "35", "hello") { first in
        #expect(first.said.hasPrefix("held 30 refused 5 limit 2 of \(Self.a): 30"))
        try await taker.hold(Self.b, "hold", "15", "hello") { second in
          #expect(second.said.hasPrefix("held 10 refused 5 limit 1 of all: 40"))
          try await Self.isRefused(Self.c, "limits.connections = 40 of all users together is met (WSAENOBUFS)", host)
          #expect(Set(try await Self.takers(host)) == [first.process, second.process])
          try await Self.shows(host)
          // Five refusals of a user in a minute are one line.
          for user in [Self.a, Self.b] { #expect(Self.refusals(of: user, host).count == 1, "\(host.log)") }
          try await host.nsphost.expect(0, "kicked \(first.process) python3", of: "sessions", "kick", "\(first.process)")
          try await Self.isServed(Self.c, host)
        }
      }
    }
  }

  /// What is taken and what was refused, by limit and user.
  private static func shows(_ host: Host) async throws {
    let text = try await host.nsphost.run("stats").output
    for part in ["limits.connections ", "limits.connections-per-user", "wrong: 11 refusals, 2 quotas nearly taken"] {
      #expect(text.contains(part), "\(text)")
    }
    let stats = try await stats(host)
    #expect(stats.refused("limits.connections", b) == 5 && stats.refused("limits.connections", c) == 1, "\(stats)")
    #expect(stats.refused("limits.connections-per-user", a) == 5, "\(stats)")
    let quotas = stats.nearlyTaken.filter { $0.uid == a }
    #expect(quotas.count == 1 && quotas.first?.taken == 30 && quotas.first?.maximum == 30, "\(quotas)")
  }

  @Test("connections without a hello take nothing: they are closed first, and others are served")
  func silent() async throws {
    try await Self.serve(Self.connections) { host, taker in
      try await taker.hold(Self.a, "hold", "40", "silent") { taken in
        #expect(taken.said.hasPrefix("held 40"))
        try await Self.isServed(Self.c, host)
      }
    }
  }

  @Test(
    "all descriptors are taken: others are served or told why, root gets in, and the host ends in order",
    arguments: ["silent", "processes"])
  func descriptors(_ kind: String) async throws {
    // Each process takes two.
    try await Self.serve("", under: ["prlimit", "--nofile=200:200"]) { host, taker in
      try await taker.hold(Self.a, "hold", "150", kind) { _ in
        try await taker.hold(Self.b, "hold", "150", kind) { second in
          if kind == "silent" {
            try await Self.isServed(Self.c, host)
          } else {
            #expect(second.said.contains("limit 12 of all: 200"))
            try await Self.isRefused(Self.c, "RLIMIT_NOFILE = 200 of the host's process is met", host)
          }
          try await withThrowingTaskGroup { group in
            for _ in 0..<5 { group.addTask { try await host.nsphost.run("sessions", "--json") } }
            for try await outcome in group { #expect(outcome.status == 0, "root gets in: \(outcome)") }
          }
          if kind == "processes" {
            let victim = try #require(try await Self.takers(host).first)
            try await host.nsphost.expect(0, "kicked \(victim) python3", of: "sessions", "kick", "\(victim)")
          }
          let warning =
            "warning: limits.connections = 65536 takes up to 132224 descriptors, and this process has 200 (RLIMIT_NOFILE)"
          #expect(host.log.split(separator: "\n").contains { $0.hasPrefix(warning) }, "\(host.log)")
        }
      }
      try await Self.isServedSoon(Self.c, host)
      try await taker.hold(Self.a, "hold", "150", kind) { _ in
        try await taker.hold(Self.b, "hold", "150", kind) { _ in try await host.ends(within: .seconds(15)) }
      }
    }
  }

  @Test("the blocks of open lookups are the user's, who is told which limit is met; they are given back with the lookups")
  func blocks() async throws {
    try await Self.serve("[limits]\nbytes-per-user = 8000000\n") { host, taker in
      // Root has no such limit.
      let cases = [
        (Self.a, "20", "records 8 limit 8 of \(Self.a): 8000000"), (Self.a, "8", "records 8"), (Self.b, "8", "records 8"),
        (0, "20", "records 20"),
      ]
      for (user, number, expected) in cases {
        let said = try await taker.run(user, "blocks", number, "big-500000", Self.scripted)
        #expect(said == expected, "user \(user)")
      }
    }
  }

  @Test("requests that nobody answers hold the threads: a user has a share, others are served, and root ends a session")
  func requests() async throws {
    let settings = "[limits]\nrequests-per-connection = 64\n[providers.scripted-a]\ndeadline-ms = 60000\n"
    let ask = ["ask", "256", "never", Self.scripted]
    try await Self.serve(settings, isKilled: true) { host, taker in
      try await taker.hold(Self.a, ask) { first in
        // Before the user asks for more: another request would take the place of one of these.
        try await eventually("a user has as many requests as a user may have") {
          try await Self.stats(host).nearlyTaken.filter { $0.limit == "limits.requests-per-user" }.map(\.taken) == [256]
        }
        try await Self.isRefused(Self.a, "limits.requests-per-user = 256 of user \(Self.a) is met", host)
        try await taker.hold(Self.b, ask) { _ in
          // The first has half of them, the second half of the rest.
          try await eventually("requests of two users hold most threads") { try Self.threads(host) > 380 }
          try await Self.isServed(Self.c, host)
          try await taker.hold(Self.c, ask) { _ in
            try await eventually("the third has a share") { try Self.threads(host) > 440 }
            try await Self.isServed(Self.d, host)
            #expect(try await Self.takers(host).contains(first.process))
            try await host.nsphost.expect(0, "kicked", of: "sessions", "kick", "\(first.process)")
            try await Self.isServedSoon(Self.c, host)
          }
        }
      }
      // Its requests have a minute: it would wait for them.
      kill(host.processID, SIGKILL)
    }
  }
}

/// The limits that are in force where nobody says otherwise.
@Suite struct LimitDefaultTests {
  @Test("LimitNOFILE of the unit is enough for the limits")
  func unit() throws {
    let unit = try String(contentsOfFile: Built.package + "/packaging/nsphost.service", encoding: .utf8)
    let limit = try #require(unit.firstMatch(of: /(?m)^LimitNOFILE=([0-9]+)$/), "\(unit)")
    #expect(try #require(Int(limit.1)) >= 2 * (65536 + 64) + 1024)
  }
}
