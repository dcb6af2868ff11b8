import Foundation
import Testing

/// What outlives a provider's file: a file that something would still call stays mapped, and the reason is told; others go.
@Suite(.timeLimit(.minutes(5))) struct LeftoverTests {
  /// A host that has a file that leaves this behind, and one that serves.
  private static func serve(
    _ leaves: String, _ isolation: Isolation = .inProcess, endsWith status: Int32? = nil,
    _ body: @Sendable (Host) async throws -> Void
  ) async throws {
    let plugins = [file(leaves), Built.samples + "/hello.so"].map { Plugin(file: $0) }
    try await Host.serve("isolation = \"\(isolation.rawValue)\"\n", plugins, endsWith: status, body)
  }

  private static func file(_ leaves: String) -> String { Built.fixtures + "/stays/stays-\(leaves).so" }

  private static func answers(_ host: Host, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await host.nsphost.expect(0, "192.0.2.1", of: "lookup", "hello", sourceLocation: sourceLocation)
  }

  /// Waits until the file is not mapped any more.
  private static func goes(_ leaves: String, _ host: Host) async throws {
    try await eventually("its file is gone") {
      // Foundation reads the first page of it alone.
      let maps = try await Program(path: "/usr/bin/env").run("cat", "/proc/\(host.processID)/maps")
      let modules = try await host.nsphost.run("modules").output
      return maps.status == 0 && !maps.output.contains("stays-" + leaves) && !modules.contains("kept mapped")
    }
  }

  @Test(
    "in-process: a thread, one that never rests, a timer, a destructor of thread-specific data, a handler of on_exit keep it",
    arguments: [
      "thread": #"its thread [0-9]+ \(.*\) has not ended"#,
      "spinning": #"thread [0-9]+ \(.*\) does not rest, and may be in it"#,
      "timer": #"a timer calls it \(SIGEV_THREAD\)"#,
      "key": #"a destructor of thread-specific data \(pthread_key_create\) is in it"#,
      "exit": #"it may have a handler for the end of the process \(on_exit\)"#,
    ])
  func stays(_ leaves: String, _ reason: String) async throws {
    struct Modules: Decodable {
      struct Kept: Decodable { var module: String, mapped: Bool }
      var kept: [Kept]
    }
    try await Self.serve(leaves) { host in
      let disabled = try await host.nsphost.run("disable", "stays-" + leaves)
      let told = try Regex("(?m)^    its file stays mapped: " + reason)
      #expect(disabled.status == 0 && disabled.output.contains(told), "\(disabled)")
      let modules = try await host.nsphost.run("modules")
      let line = try Regex("(?m)^    stays-\(leaves) +unbound +kept mapped: " + reason)
      #expect(modules.output.contains(line), "\(modules)")
      let kept = try await host.nsphost.document(Modules.self, "modules").kept
      #expect(kept.contains { $0.module == "stays-" + leaves && $0.mapped }, "\(kept)")
      try await Self.answers(host)
      try await host.nsphost.expect(0, of: "enable", "stays-" + leaves)
      try await Self.answers(host)
    }
  }

  @Test(
    "in-process: it goes after a thread that ends a little later, or for which its destructor waits, and with handlers of signals, exit and fork",
    arguments: ["late", "handler", "joined", "none"])
  func leaves(_ leaves: String) async throws {
    try await Self.serve(leaves) { host in
      try await host.nsphost.expect(0, of: "disable", "stays-" + leaves)
      try await Self.goes(leaves, host)
      try await Self.answers(host)
    }
  }

  @Test("in-process: a file that is over and can't leave is not used again; a copy of it is")
  func over() async throws {
    try await Self.serve("over") { host in
      try await host.nsphost.expect(0, "its thread", of: "disable", "stays-over")
      let refused = try await host.nsphost.run("enable", "stays-over")
      #expect(refused.status != 0 && (refused.output + refused.errors).contains("is still mapped"), "\(refused)")
      try host.folder.copy(Self.file("over"), to: "plugins/.new")
      try #require(rename(host.folder["plugins/.new"], host.folder["plugins/stays-over.so"]) == 0)
      try await host.nsphost.expect(0, of: "enable", "stays-over")
      try await Self.answers(host)
    }
  }

  @Test("in-process: a death in what was unmapped names the file")
  func unseen() async throws {
    try await Self.serve("unseen", endsWith: 128 + SIGSEGV) { host in
      try await host.nsphost.expect(0, of: "disable", "stays-unseen")
      try await Self.goes("unseen", host)
      kill(host.processID, SIGTERM)
      try await host.ends()
      let line = "nsphost: stays-unseen.so: died in its code, which was unmapped: SIGSEGV"
      #expect(host.log.split(separator: "\n").contains { $0 == line }, "\(host.log)")
    }
  }

  @Test(
    "unload says what keeps it, and that nothing does",
    arguments: [
      "thread": "^unloaded stays-thread: what was loaded before stays mapped: its thread [0-9]+",
      "none": "^unloaded stays-none: nothing of before stays mapped$",
    ])
  func unload(_ leaves: String, _ pattern: String) async throws {
    let folder = try WorkFolder()
    try folder.make("plugins")
    try folder.copy(Self.file(leaves), to: "plugins/stays-\(leaves).so")
    let nsphost = Program(path: Built.nsphost, environment: ["STATE_DIRECTORY": folder["state"], "NSP_SOCKET": folder["nobody"]])
    let outcome = try await nsphost.run("unload", "stays-" + leaves, "--plugins", folder["plugins"])
    let line = try Regex("(?m)" + pattern)
    #expect(outcome.status == 0 && outcome.output.contains(line), "\(outcome)")
  }

  @Test("worker: it goes with its process")
  func worker() async throws {
    try await Self.serve("thread", .worker) { host in
      let disabled = try await host.nsphost.run("disable", "stays-thread")
      #expect(disabled.status == 0 && !disabled.output.contains("mapped"), "\(disabled)")
      try await Self.answers(host)
    }
  }
}
