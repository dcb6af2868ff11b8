import Foundation
import Testing

extension Program {
  /// Expects that nobody has the name.
  func expect(missing words: String..., sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let outcome = try await run(["lookup"] + words)
    #expect(
      outcome.status == 2 && (outcome.output + outcome.errors).contains("WSASERVICE_NOT_FOUND"), "\(words): \(outcome)",
      sourceLocation: sourceLocation)
  }

  /// Expects that it prints exactly these lines, in this order.
  func expect(inOrder lines: [String], of words: [String], sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let outcome = try await run(words)
    #expect(outcome.lines == lines, "\(words): \(outcome)", sourceLocation: sourceLocation)
  }

  func expect(inOrder lines: String..., of words: String..., sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await expect(inOrder: lines, of: words, sourceLocation: sourceLocation)
  }
}

extension Program.Outcome {
  /// What it has said, line by line.
  var lines: [String] { (output + errors).split(separator: "\n").map(String.init) }
}

extension Host {
  /// Waits until a provider answers, or has said why it can't.
  func loads(_ provider: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await eventually("\(provider) is loaded: \(log)", sourceLocation: sourceLocation) {
      ["ready", "failing"].contains(try await state(of: provider))
    }
  }
}
