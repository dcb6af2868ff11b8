import Foundation
import Testing

/// A program that means harm: takes what a host has, as limits.py does it for the user with a number.
struct Taker: Sendable {
  /// What it has, as it says.
  struct Held: Sendable {
    var process: Int32
    var said: String
  }

  private let script: Program
  private let folder: WorkFolder

  init(of host: Host) {
    script = Program(
      path: "/usr/bin/env", environment: host.environment, words: ["python3", Built.package + "/Tests/Clients/limits.py"])
    folder = host.folder
  }

  /// Runs one of its commands to the end: the line that it prints.
  func run(_ user: UInt32, _ words: String...) async throws -> String {
    let outcome = try await script.run(["\(user)"] + words)
    return outcome.status == 0 ? outcome.output.trimmingCharacters(in: .whitespacesAndNewlines) : outcome.description
  }

  /// Takes things, and has them until the body returns.
  func hold<Value: Sendable>(
    _ user: UInt32, _ words: [String], sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (Held) async throws -> Value
  ) async throws -> Value {
    let name = UUID().uuidString
    var command = script
    command.words += ["\(user)"] + words
    return try await command.beside(printing: folder[name]) { process in
      try await eventually("\(words) of \(user) are there", sourceLocation: sourceLocation) {
        folder.text(of: name).hasSuffix("\n") || ProcessEnd.isReached(by: process)
      }
      let said = folder.text(of: name)
      try #require(said.hasPrefix("held ") || said.hasPrefix("asked "), "\(words): \(said)", sourceLocation: sourceLocation)
      // What it has is given back at once, whatever it waits for.
      defer { kill(process, SIGKILL) }
      return try await body(Held(process: process, said: said))
    }.value
  }

  func hold<Value: Sendable>(
    _ user: UInt32, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (Held) async throws -> Value
  ) async throws -> Value {
    try await hold(user, words, sourceLocation: sourceLocation, body)
  }
}
