import Foundation
import Testing

/// The host's books of sessions.
struct Ledger: Decodable {
  var startups: Int, cleanups: Int, rundowns: Int, live: Int
}

extension Host {
  /// A host with all sample providers, which writes down everything.
  static func serveSamples<Result: Sendable>(
    in before: WorkFolder? = nil, isKilled: Bool = false, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (Host) async throws -> Result
  ) async throws -> Result {
    try await serve(
      "", options: ["--plugins", Built.samples, "--log", "debug"], in: before, isKilled: isKilled,
      sourceLocation: sourceLocation, body)
  }

  var ledger: Ledger {
    get async throws {
      struct Document: Decodable { var ledger: Ledger }
      return try await nsphost.document(Document.self, "sessions").ledger
    }
  }

  /// A program of Tests/Clients.
  func client(named name: String) async throws -> Program { try await client(Built.package + "/Tests/Clients/\(name).c") }

  /// Ends it without a word.
  func die() async throws {
    kill(processID, SIGKILL)
    try await ends()
  }
}
