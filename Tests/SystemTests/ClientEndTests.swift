import Foundation
import Testing

/// How programs end, and that every provider is told so: each of them has a session with two of them.
@Suite(.timeLimit(.minutes(5))) struct ClientEndTests {
  @Test("NSP-046 to NSP-048 WSACleanup is a cleanup; exit without it, _exit and kill -9 are rundowns")
  func ends() async throws {
    try await Host.serveSamples { host in
      let client = try await host.client(named: "client")
      for (words, isRundown, status) in [
        (["cleanup"], false, 0), ([], true, 0), (["quit"], true, 0), (["abort"], true, 128 + SIGKILL),
      ] {
        let before = try await host.ledger
        let outcome = try await client.run(["start", "publish=b@example.org", "resolve=hello"] + words)
        #expect(outcome.status == status, "\(words): \(outcome)")
        try await host.settles()
        let after = try await host.ledger
        // Some providers have no rundown of their own: theirs is a cleanup.
        #expect(
          after.cleanups > before.cleanups && (after.rundowns > before.rundowns) == isRundown,
          "\(words): \(before), then \(after)")
      }
    }
  }

  @Test("a socket that a child goes on holding, SIGSTOP before SIGKILL: a rundown")
  func held() async throws {
    try await Host.serveSamples { host in
      let client = try await host.client(named: "client")
      let before = try await host.ledger
      let lingers = try await client.beside("start", "publish=c@example.org", "linger") { _ in }
      #expect(lingers.outcome.status == 0, "\(lingers.outcome)")
      try await host.settles()
      let after = try await host.ledger
      #expect(after.rundowns > before.rundowns, "\(before), then \(after)")

      let stopped = try await client.beside("start", "publish=d@example.org", "ready", "pause") { companion in
        try await companion.prints("ready")
        kill(companion.processID, SIGSTOP)
        kill(companion.processID, SIGKILL)
      }
      #expect(stopped.outcome.status == 128 + SIGKILL)
      try await host.settles()
      #expect(try await host.ledger.rundowns > after.rundowns)
    }
  }

  /// Those that live on after the end of their session, as something else.
  @Test(
    "exec, a socket that is closed, a daemon of two forks that holds it, a process number that is used again at once: a rundown",
    arguments: [["exec"], ["close", "pause"], ["daemon"], ["reuse"]])
  func outlives(_ words: [String]) async throws {
    try await Host.serveSamples { host in
      let client = try await host.client(named: "client")
      let before = try await host.ledger
      let all = ["start", "publish=f@example.org", "resolve=hello"] + words
      let lives = ["exec", "close"].contains(words[0])
      let ended = try await client.beside(all) { companion in
        try await eventually("its session is run down: \(companion.printed)") {
          try await host.ledger.rundowns > before.rundowns
        }
        try await host.settles()
        #expect(!lives || !ProcessEnd.isReached(by: companion.processID), "it lives on")
        if lives { kill(companion.processID, SIGTERM) }
      }
      #expect(ended.outcome.status == (lives ? 128 + SIGTERM : 0), "\(ended.outcome)")
      // What the others had not yet written down has gone with their program.
      #expect(lives || ended.outcome.output.hasPrefix("hello 192.0.2.1 7\n"), "\(ended.outcome)")
    }
  }

  @Test("an operator kicks a client; sessions --watch shows clients as they come")
  func operators() async throws {
    try await Host.serveSamples { host in
      let client = try await host.client(named: "client")
      let kicked = try await client.beside("start", "publish=e@example.org", "ready", "pause") { companion in
        try await companion.prints("ready")
        try await host.nsphost.expect(
          0, "kicked \(companion.processID) client", of: "sessions", "kick", "\(companion.processID)")
        #expect(try await host.ledger.live == 0)
        #expect(!ProcessEnd.isReached(by: companion.processID), "its process goes on")
        kill(companion.processID, SIGTERM)
      }
      #expect(kicked.outcome.status == 128 + SIGTERM)

      _ = try await host.nsphost.beside("sessions", "--watch") { watch in
        try await watch.prints("startups")
        #expect(watch.count(" client ") == 0)
        _ = try await client.beside("start", "resolve=hello", "input", "cleanup") { _ in
          try await watch.prints(" client ")
          try await watch.prints("startups", times: 2)
        }
        kill(watch.processID, SIGTERM)
      }
    }
  }
}
