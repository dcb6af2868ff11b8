import Foundation
import Testing

/// A folder with what others may put into a host's way: a file that nobody may write to, a folder of another user, and one like /tmp.
struct Ground: Sendable {
  let folder: WorkFolder

  static let nobody: UInt32 = 65534

  init() throws {
    folder = try WorkFolder()
    for name in ["run", "plugins", "theirs", "shared"] { try folder.make(name) }
    try folder.write("precious", to: "precious")
    try give("theirs")
    try permit(0o1777, "shared")
  }

  func give(_ name: String) throws {
    try #require(lchown(folder[name], Self.nobody, Self.nobody) == 0, "\(name)")
  }

  func permit(_ mode: Int, _ name: String) throws {
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: folder[name])
  }

  func link(_ name: String, to target: String, asNobody: Bool = true) throws {
    try FileManager.default.createSymbolicLink(atPath: folder[name], withDestinationPath: folder[target])
    if asNobody { try give(name) }
  }

  /// Nothing was written through a link or a second name.
  func isUntouched(sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(folder.text(of: "precious") == "precious", sourceLocation: sourceLocation)
  }

  /// The command with a socket and a state folder in here.
  func nsphost(socket: String = "run/socket", state: String = "none") -> Program {
    Program(path: Built.nsphost, environment: ["NSP_SOCKET": folder[socket], "STATE_DIRECTORY": folder[state]])
  }

  /// Expects that a host refuses to start there, and says this.
  func refuses(
    _ text: String, socket: String = "run/socket", state: String = "none", sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    // One that starts is ended, with another status.
    let limited = Program(
      path: "/usr/bin/env", environment: nsphost(socket: socket, state: state).environment,
      words: ["timeout", "60", Built.nsphost])
    try await limited.expect(1, text, of: "serve", "--plugins", folder["plugins"], sourceLocation: sourceLocation)
  }

  /// Runs a host that ends in order when the body has returned.
  /// - Parameters:
  ///   - words: Those of `serve` and before it.
  ///   - client: How the command finds it.
  @discardableResult
  func serving(
    _ program: Program, _ words: [String], client: Program, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (Program) async throws -> Void = { _ in }
  ) async throws -> Program.Outcome {
    var program = program
    program.words += words
    let outcome = try await program.beside(printing: folder["other.log"]) { process in
      try await eventually("it serves: \(words)", sourceLocation: sourceLocation) {
        // One that has ended will never serve.
        try #require(!ProcessEnd.isReached(by: process), "\(words)", sourceLocation: sourceLocation)
        return try await client.run("stats").status == 0
      }
      try await body(client)
      kill(process, SIGTERM)
    }.outcome
    #expect(outcome.status == 0, "\(outcome)", sourceLocation: sourceLocation)
    return outcome
  }
}
