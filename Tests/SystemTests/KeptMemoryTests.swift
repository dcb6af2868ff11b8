import Foundation
import Testing

/// What a user makes the host keep is the user's own: it is refused beyond the user's share, and given back when the user's processes are gone. Nor
/// does the host keep what a worker served that another one has replaced.
@Suite(.serialized, .timeLimit(.minutes(5))) struct KeptMemoryTests {
  private static let scripted = "f1f70001-1111-4222-8333-010203040506"

  private static func serve(_ limits: String, _ body: @Sendable (Host) async throws -> Void) async throws {
    try await Host.serve("[limits]\n" + limits, [Plugin.fixture("scripted-a")]) { host in
      try await host.isReady("scripted-a")
      try await body(host)
    }
  }

  /// So many processes of another user register so many names of so many letters, and stand until the body returns. Then their sessions end.
  private static func flood(
    _ host: Host, processes: Int, names: Int, letters: Int, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (String) async throws -> Void
  ) async throws {
    let client = try await host.client(Built.package + "/Tests/Clients/flood.c").asUser(65534)
    _ = try await client.beside(scripted, "\(processes)", "\(names)", "\(letters)", printing: host.folder["flooded"]) { process in
      defer { kill(process, SIGKILL) }
      try await eventually("the flood stands", sourceLocation: sourceLocation) {
        host.folder.text(of: "flooded").contains("registered")
      }
      try await body(host.folder.text(of: "flooded"))
    }
    try await host.settles(sourceLocation: sourceLocation)
  }

  private static func memory(_ host: Host) throws -> Int { try ProcessFigures(of: host.processID).resident }

  @Test(
    "many processes of a user with many long names go, and what was kept for them goes with them",
    .enabled(if: geteuid() == 0, "it takes root"))
  func givenBack() async throws {
    try await Self.serve("registrations-per-user = 100000\n") { host in
      // What the host takes for the first processes of anybody it keeps for the next.
      try await Self.flood(host, processes: 20, names: 5, letters: 20) {
        #expect($0.hasPrefix("registered=100 refused=0"), "\($0)")
      }
      let first = try Self.memory(host)
      try await Self.flood(host, processes: 40, names: 60, letters: 8000) {
        #expect($0.hasPrefix("registered=2400 refused=0"), "\($0)")
      }
      try await eventually("the host is about as small as with \(first) KiB") { try Self.memory(host) - first < 12288 }
    }
  }

  @Test(
    "a user's share is over: WSAENOBUFS; root has its own; it is whole again when the processes are gone",
    .enabled(if: geteuid() == 0, "it takes root"))
  func share() async throws {
    try await Self.serve("bytes-per-user = 1000000\n") { host in
      try await Self.flood(host, processes: 4, names: 400, letters: 3000) { said in
        #expect(said.hasPrefix("registered=243 refused=4") && said.contains("refused=4 code=10055"), "\(said)")
        try await host.nsphost.expect(
          0, of: "register", "of-root", "--address", "192.0.2.1:1", "--provider", "scripted-a")
      }
      try await Self.flood(host, processes: 4, names: 50, letters: 3000) { #expect($0.hasPrefix("registered=2"), "\($0)") }
    }
  }

  @Test("a worker that is reloaded leaves nothing behind")
  func reloaded() async throws {
    try await Self.serve("") { host in
      for _ in 0..<5 { try await host.nsphost.expect(0, of: "reload", "scripted-a") }
      try await eventually("no module is kept") { !(try await host.nsphost.run("modules").output.contains("kept")) }
    }
  }
}
