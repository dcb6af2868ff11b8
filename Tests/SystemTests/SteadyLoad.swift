import Foundation
import Testing

extension Host {
  /// Runs a program beside the body that asks the provider `hello` so many times a second, and expects that it loses nothing.
  func withSteadyLoad<Value: Sendable>(
    _ rate: Int, sourceLocation: SourceLocation = #_sourceLocation, _ body: @Sendable () async throws -> Value
  ) async throws -> Value {
    let hello = "3f0c5a1e-6b1d-4b52-9c57-1d0e442a9110"
    let load = try await client(Built.package + "/Tests/Clients/load.c")
    let (outcome, value) = try await load.beside(hello, "hello", "\(rate)", "1200", printing: folder["load"]) { process in
      let value = try await body()
      kill(process, SIGTERM)
      return value
    }
    #expect(
      outcome.status == 0 && outcome.output.contains(" lost=0 ") && !outcome.output.hasPrefix("lookups=0 "),
      "the load on another provider: \(outcome)", sourceLocation: sourceLocation)
    return value
  }
}
