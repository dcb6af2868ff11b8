import Foundation
import Testing

/// A host that is killed is an error to its clients, and then there is another: programs go on without being started again.
@Suite(.timeLimit(.minutes(5))) struct HostRestartTests {
  @Test("the host is killed and comes back: it takes the stale socket over, and a program that has waited is served again")
  func comesBack() async throws {
    try await Host.serveSamples(isKilled: true) { first in
      let client = try await first.client(named: "client")
      let waited = try await client.beside("start", "resolve=hello", "ready", "input", "resolve=hello", "cleanup") { companion in
        try await companion.prints("ready")
        try await first.die()
        try await client.expect(0, of: "start", "fails=10050:hello", "cleanup")
        #expect(first.folder.has("socket"))
        try await Host.serveSamples(in: first.folder) { _ in
          try await companion.endInput()
          try await companion.ends()
        }
      }
      #expect(
        waited.outcome.status == 0 && waited.outcome.output == "hello 192.0.2.1 7\nready\nhello 192.0.2.1 7\n",
        "\(waited.outcome)")
    }
  }

  @Test("50 programs work while the host is killed: each gets an error, then works again")
  func fifty() async throws {
    try await Host.serveSamples(isKilled: true) { first in
      let client = try await first.client(named: "client")
      try await together(50, of: client, ["start", "persist=60000", "cleanup"]) { programs in
        for program in programs { try await program.prints("works") }
        try await first.die()
        for program in programs { try await program.prints("fails") }
        try await Host.serveSamples(in: first.folder) { _ in for program in programs { try await program.ends() } }
      }
    }
  }

  /// Runs so many of them beside the body, and expects that each ends well.
  private func together(
    _ count: Int, of client: Program, _ words: [String], besides: [Companion] = [],
    _ body: @Sendable ([Companion]) async throws -> Void
  ) async throws {
    if besides.count == count { return try await body(besides) }
    let outcome = try await client.beside(words) {
      try await together(count, of: client, words, besides: besides + [$0], body)
    }.outcome
    #expect(outcome.status == 0, "\(outcome)")
  }
}
