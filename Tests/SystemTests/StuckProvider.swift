import Foundation
import Testing

/// The provider of Tests/Clients/stuck.c, which sleeps, and starts children.
enum StuckProvider {
  /// A host with it and the sample `hello`, which runs in a worker.
  static func serve(
    _ manifest: String, isKilled: Bool = false, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (Host) async throws -> Void
  ) async throws {
    let made = try WorkFolder()
    let plugins = [
      Plugin(file: try await compiled(in: made), manifest: manifest),
      Plugin(file: Built.samples + "/hello.so", manifest: "isolation = \"worker\"\n"),
    ]
    try await Host.serve("", plugins, options: ["--log", "info"], isKilled: isKilled, sourceLocation: sourceLocation) { host in
      try await host.isReady("hello", "stuck", sourceLocation: sourceLocation)
      try await body(host)
    }
  }

  static func compiled(in folder: WorkFolder) async throws -> String {
    try await compile([Built.package + "/Tests/Clients/stuck.c"], ["-shared", "-fPIC"], to: folder["stuck.so"])
    return folder["stuck.so"]
  }
}

extension Program {
  /// Expects that it ends so and says this, after so many milliseconds.
  func expect(
    _ status: Int32, _ text: String, after milliseconds: ClosedRange<Int>, of words: [String],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let begin = ContinuousClock.now
    let outcome = try await run(words)
    let took = Int((ContinuousClock.now - begin) / .milliseconds(1))
    #expect(
      outcome.status == status && (text.isEmpty || (outcome.output + outcome.errors).contains(text))
        && milliseconds.contains(took),
      "\(words): not status \(status), \(text), after \(milliseconds) ms, but after \(took) ms \(outcome)",
      sourceLocation: sourceLocation)
  }
}
