import Foundation
import Testing

/// A host with the provider of e-mail addresses, which asks a knotd with zones for its tests, and a client of it.
struct EmailHost: Sendable {
  let host: Host
  let knot: Knot
  let client: Program

  /// - Parameters:
  ///   - patience: Milliseconds after which a server has not answered.
  ///   - isKilled: The body kills the host. Else every session has ended when the body has.
  static func serve(
    _ isolation: Isolation, patience: Int = 5000, isKilled: Bool = false,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: @Sendable (EmailHost) async throws -> Void
  ) async throws {
    let knot = try Knot(zones)
    let configuration = """
      [limits]
      frame-bytes = 4194304
      [providers.email.settings]
      servers = ["\(knot.server)"]
      timeout-ms = \(patience)
      tries = 1
      """
    let plugin = try Plugin.shipped("email", isolation)
    try await knot.serving {
      try await Host.serve(
        configuration, [plugin], options: ["--log", "debug"], isKilled: isKilled, sourceLocation: sourceLocation
      ) { host in
        try await host.loads("email")
        let client = try await host.client(Built.package + "/Tests/Plugins/email.c")
        try await body(EmailHost(host: host, knot: knot, client: client))
        if !isKilled { try await host.settles() }
      }
    }
  }

  /// What a name comes to once everything that has ended is ended.
  func soon(
    _ lines: String..., of words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try await eventually("\(words): \(lines)", sourceLocation: sourceLocation) { try await client.run(words).lines == lines }
  }

  /// What the body does beside a client that has done what it was told, and stays. The body may kill it.
  func holding(
    _ words: [String], by client: Program, _ body: @Sendable (Int32) async throws -> Void
  ) async throws -> Program.Outcome {
    let (said, folder) = ("held-" + UUID().uuidString, host.folder)
    let program = Program(path: client.path, environment: client.environment, words: client.words + words)
    return try await program.beside("hold", printing: folder[said]) { process in
      try await eventually("it holds what it was told: \(folder.text(of: said))") { folder.text(of: said).contains("holding") }
      try await body(process)
    }.outcome
  }

  /// Waits until the host has been asked for a name, whatever comes of it.
  func isAsked(for name: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await eventually("\(name) is asked for", sourceLocation: sourceLocation) { host.log.contains("lookup of \(name),") }
  }

  private static func service(_ name: String, _ data: String) -> String { "_\(name)._tcp SRV \(data)\n" }

  private static func zone(_ domain: String, _ services: [(String, String)], _ records: String) -> Knot.Zone {
    Knot.Zone(domain: domain, records: "$TTL 60\n" + services.map(service).joined() + records)
  }

  private static let zones: [Knot.Zone] = [
    zone(
      "full.test",
      [
        ("imaps", "7 9 993 imap"), ("imap", "0 0 143 imap"), ("submissions", "0 0 465 out"), ("submission", "0 0 587 out"),
        ("jmap", "0 0 443 imap"), ("pop3s", "0 0 995 imap"), ("pop3", "0 0 110 imap"), ("sieve", "0 0 4190 alias"),
      ],
      """
      @ MX 20 second
      @ MX 10 first
      imap A 192.0.2.1
      imap AAAA 2001:db8::1
      out A 192.0.2.2
      first A 192.0.2.3
      second AAAA 2001:db8::4
      alias CNAME imap
      """),
    zone(
      "order.test",
      [
        ("imaps", "10 95 1001 a"), ("imaps", "10 5 1002 b"), ("imaps", "5 60000 1000 z"), ("imaps", "20 0 1003 c"),
        ("imap", "0 0 0 ."),
      ], "a A 192.0.2.10\nb A 192.0.2.11\nc A 192.0.2.12\nz A 192.0.2.9"),
    zone("null.test", [("imaps", "0 0 0 ."), ("imap", "0 0 0 .")], "@ MX 0 .\n@ A 192.0.2.20"),
    zone("plain.test", [], "@ A 192.0.2.30\n@ AAAA 2001:db8::30"),
    zone("empty.test", [], "@ TXT \"nothing here\""),
    zone(
      "holes.test", [("imaps", "0 0 993 nowhere"), ("imaps", "1 0 993 six"), ("imaps", "2 0 993 loop")],
      "six AAAA 2001:db8::6\nloop CNAME loop2\nloop2 CNAME loop"),
    zone("xn--mnchen-3ya.test", [("imaps", "0 0 993 imap")], "imap A 192.0.2.40"),
    zone(
      "many.test", (1...40).map { ("imaps", "\($0) 0 \($0) t\($0)") },
      (1...40).map { "t\($0) A 192.0.2.\($0)" }.joined(separator: "\n")),
    zone(
      "big.test", [("imaps", "0 0 993 big")],
      (1...300).map { "big A 198.51.\($0 / 200).\($0 % 200)" }.joined(separator: "\n")),
  ]
}

extension Knot {
  /// Its process, by the file that it writes.
  var processID: Int32 {
    get throws {
      let text = folder.text(of: "knot.pid").trimmingCharacters(in: .whitespacesAndNewlines)
      return try #require(Int32(text), "\(text)")
    }
  }

  /// Answers nothing while the body runs, and again after it.
  func silenced(_ body: () async throws -> Void) async throws {
    let process = try processID
    kill(process, SIGSTOP)
    defer { kill(process, SIGCONT) }
    // Each thread stops when it is next to run.
    let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
    try await eventually("every thread has stopped") {
      try threads.allSatisfy {
        try String(contentsOfFile: "/proc/\(process)/task/\($0)/status", encoding: .utf8).contains("State:\tT")
      }
    }
    try await body()
  }
}
