import Foundation
import Testing

extension Host {
  /// Waits until it has written this to standard error.
  func writes(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await eventually("the host writes \(text): \(log)", sourceLocation: sourceLocation) { log.contains(text) }
  }

  func writes(matching pattern: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let pattern = try Regex(pattern)
    try await eventually("the host writes \(pattern): \(log)", sourceLocation: sourceLocation) {
      log.firstMatch(of: pattern) != nil
    }
  }

  /// The process that its only provider runs in.
  func providerProcess(_ isolation: Isolation) async throws -> Int32 {
    isolation == .inProcess ? processID : try #require(try await workers.first)
  }
}
