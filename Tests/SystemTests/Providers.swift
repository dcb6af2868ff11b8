import Testing

extension Host {
  /// A provider, as `nsphost providers` shows it.
  struct Provider: Decodable, Sendable {
    var name: String, state: String, isolation: String
    /// None of those that are in the host.
    var file: String?
    /// Of one that is failing.
    var reason: String?
  }

  var providers: [Provider] {
    get async throws {
      struct Document: Decodable { var providers: [Provider] }
      return try await nsphost.document(Document.self, "providers").providers
    }
  }

  /// None, where there is no such provider.
  func state(of provider: String) async throws -> String? {
    try await providers.first { $0.name == provider }?.state
  }

  /// Waits until they answer.
  func isReady(_ names: String..., sourceLocation: SourceLocation = #_sourceLocation) async throws {
    for name in names {
      try await eventually("\(name) is ready: \(log)", sourceLocation: sourceLocation) {
        try await state(of: name) == "ready"
      }
    }
  }
}
