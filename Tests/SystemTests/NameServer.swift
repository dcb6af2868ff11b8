import Foundation
import Testing

/// A server of the Domain Name System as it should not be, on this machine.
struct NameServer: Sendable {
  /// See dns-server.py.
  enum Mode: String, Sendable {
    case silent, late, garbage, without, names
  }

  /// As settings name it.
  let server: String
  private let folder: WorkFolder

  /// The lines that it has printed until now.
  var said: [String] { folder.text(of: "said").split(separator: "\n").dropFirst().map(String.init) }

  /// Runs one beside the body.
  static func serving<Value: Sendable>(
    _ mode: Mode, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (NameServer) async throws -> Value
  ) async throws -> Value {
    let folder = try WorkFolder()
    let python = Program(
      path: "/usr/bin/env", words: ["python3", Built.package + "/Tests/Plugins/dns-server.py", mode.rawValue] + words)
    return try await python.beside(printing: folder["said"]) { process in
      try await eventually("the \(mode) server serves", sourceLocation: sourceLocation) {
        folder.text(of: "said").hasPrefix("ready") && folder.text(of: "said").contains("\n")
      }
      let ready = try #require(folder.text(of: "said").split(separator: "\n").first?.split(separator: " ").last)
      defer { kill(process, SIGKILL) }
      return try await body(NameServer(server: "127.0.0.1:\(ready)", folder: folder))
    }.value
  }
}
