import Foundation
import Testing

/// What a host has written to its log since a certain place.
struct FreshLog: Sendable {
  private let file: String
  private let start: Int

  init(of file: String, from start: Int) {
    self.file = file
    self.start = start
  }

  /// Providers may write what is no text.
  var text: String {
    String(decoding: (try? Data(contentsOf: URL(filePath: file)).dropFirst(start)) ?? Data(), as: UTF8.self)
  }

  func has(_ pattern: String) -> Bool { text.range(of: pattern, options: .regularExpression) != nil }

  /// Waits for a line that has this regular expression.
  func says(_ pattern: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    do { try await eventually("\(pattern) is said", sourceLocation: sourceLocation) { has(pattern) } } catch {
      Issue.record("the log: \(text.suffix(2000))", sourceLocation: sourceLocation)
      throw error
    }
  }
}

extension Host {
  /// From now on.
  var freshLog: FreshLog { freshLog(from: (try? Data(contentsOf: URL(filePath: folder["serve.err"])).count) ?? 0) }

  func freshLog(from start: Int) -> FreshLog { FreshLog(of: folder["serve.err"], from: start) }
}
