import Foundation
import Testing

/// Clients of a host that is stopped do not wait without end; those of a host that works, do.
@Suite(.timeLimit(.minutes(5))) struct StoppedHostTests {
  /// One run of the command.
  private struct Waiting: Sendable {
    var milliseconds: ClosedRange<Int>
    var text: String
    var words: [String]
    var status: Int32 = 69

    func expect(_ host: Host, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      try await host.nsphost.expect(status, text, after: milliseconds, of: words, sourceLocation: sourceLocation)
    }
  }

  private static let commands = [
    Waiting(milliseconds: 4000...20000, text: "no sign of life for 5 s (WSAETIMEDOUT)", words: ["providers"]),
    Waiting(milliseconds: 900...4000, text: "no sign of life for 1 s", words: ["lookup", "fine", "--timeout", "1"]),
    Waiting(milliseconds: 200...3000, text: "no sign of life for 0.25 s", words: ["sessions", "--timeout=0.25"]),
    // By NSPClient.
    Waiting(milliseconds: 400...4000, text: "no sign of life for 0.5 s", words: ["watch", "fine", "--timeout", "0.5"]),
    Waiting(milliseconds: 0...5000, text: "--timeout", words: ["lookup", "fine", "--timeout", "never"], status: 64),
    Waiting(milliseconds: 400...4000, text: "\"name\":\"WSAETIMEDOUT\"", words: ["sessions", "--json", "--timeout", "0.5"]),
  ]

  /// What the client does at the same time, with the code and the milliseconds of each.
  private static let calls: [(what: String, code: Int, milliseconds: ClosedRange<Int>)] = [
    ("next", 11002, 4500...20000), ("begin", 11002, 4500...20000), ("address", 11002, 4500...20000),
    ("address-1s", 10060, 950...4000), ("address-8s", 10060, 7900...20000), ("after", 0, 0...20000),
  ]

  @Test("every way of asking a stopped host gives up, after its own time-out or 5 s; the host that goes on is found")
  func stopped() async throws {
    try await StuckProvider.serve("isolation = \"worker\"\ndeadline-ms = 6000\n") { host in
      let client = try await host.client(Built.package + "/Tests/Clients/silence.c")
      let said = try await client.beside("\(host.processID)", printing: host.folder["said"]) { _ in
        try await eventually("the host is stopped") {
          let status = try String(contentsOfFile: "/proc/\(host.processID)/status", encoding: .utf8)
          return status.firstMatch(of: /(?m)^State:\s+T/) != nil
        }
        try await withThrowingTaskGroup { group in
          for command in Self.commands { group.addTask { try await command.expect(host) } }
          try await group.waitForAll()
        }
      }.outcome
      #expect(said.status == 0, "\(said)")
      let lines = said.output.split(separator: "\n").map { $0.split(separator: " ") }
      for call in Self.calls {
        let line = try #require(lines.first { $0.first.map(String.init) == call.what }, "\(call.what): \(said)")
        #expect(line.count == 3 && Int(line[1]) == call.code && Int(line[2]).map(call.milliseconds.contains) == true, "\(line)")
      }
      try await host.nsphost.expect(0, "192.0.2.8", after: 0...20000, of: ["lookup", "fine"])
    }
  }

  @Test("a provider that takes longer than --timeout is waited for: its host says that it works")
  func working() async throws {
    try await StuckProvider.serve("isolation = \"worker\"\ndeadline-ms = 6000\n") { host in
      try await host.nsphost.expect(0, "192.0.2.8", after: 2900...15000, of: ["lookup", "slow", "--timeout", "1"])
    }
  }
}
