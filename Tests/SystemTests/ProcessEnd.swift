import Foundation
import Testing

/// What becomes of processes.
enum ProcessEnd {
  /// Whether it is gone, or only its parent has not been told yet.
  static func isReached(by process: Int32) -> Bool {
    guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let end = status.lastIndex(of: ")")
    else { return true }
    return status[end...].dropFirst(2).first == "Z"
  }

  /// Waits for the end of all of them, and expects it within so long.
  static func expect(
    of processes: [Int32], within limit: Duration, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let took = try await ContinuousClock().measure {
      try await eventually("\(processes) have ended", sourceLocation: sourceLocation) { processes.allSatisfy(isReached) }
    }
    #expect(took <= limit, sourceLocation: sourceLocation)
  }
}

extension Host {
  /// Asks it to end, and expects that it has within so long. `serve` looks at how.
  func ends(within limit: Duration, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    kill(processID, SIGTERM)
    try await ProcessEnd.expect(of: [processID], within: limit, sourceLocation: sourceLocation)
  }
}
