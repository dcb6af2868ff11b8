import Foundation
import Testing

/// Commands that stay: the host says when there is something else to show, and they ask nothing meanwhile.
@Suite(.timeLimit(.minutes(5))) struct WatchTests {
  /// Runs a command that stays, and ends it as Ctrl-C does when the body has returned.
  private static func watching(
    _ host: Host, _ words: String..., body: @escaping @Sendable (@Sendable () -> [String]) async throws -> Void
  ) async throws -> Program.Outcome {
    let file = host.folder["watched-\(UUID().uuidString)"]
    let program = Program(path: host.nsphost.path, environment: host.nsphost.environment, words: words)
    return try await program.beside("--watch", "--json", printing: file) { process in
      let shown: @Sendable () -> [String] = {
        ((try? String(contentsOfFile: file, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
      }
      try await eventually("it shows what there is") { !shown().isEmpty }
      try await body(shown)
      kill(process, SIGINT)
    }.outcome
  }

  @Test("providers: one that is disabled, and enabled again, is shown once each; nothing is shown while nothing changes")
  func providers() async throws {
    try await Host.serve("", [Plugin(file: Built.samples + "/hello.so", manifest: "isolation = \"worker\"\n")]) { host in
      let outcome = try await Self.watching(host, "providers") { shown in
        try await eventually("hello is ready") {
          shown().last?.contains(#""name":"hello""#) == true && shown().last?.contains("ready") == true
        }
        let before = shown().count
        try await Task.sleep(for: .seconds(1))
        #expect(shown().count == before)
        #expect(try await host.nsphost.run("disable", "hello").status == 0)
        try await eventually("it is shown as disabled") { shown().last?.contains(#""state":"disabled""#) == true }
        #expect(try await host.nsphost.run("enable", "hello").status == 0)
        try await eventually("it is shown as ready again") { shown().last?.contains(#""state":"disabled""#) == false }
      }
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
    }
  }

  @Test("registrations: one that comes, and goes, is shown; a list that asks providers rings no bell of its own")
  func registrations() async throws {
    try await Host.serve("", [try Plugin.shipped("directory", .worker)]) { host in
      let outcome = try await Self.watching(host, "registrations") { shown in
        #expect(
          try await host.nsphost.run("register", "printer.example", "--address", "192.0.2.7:631", "--expires", "600").status == 0)
        try await eventually("it is there") { shown().last?.contains("printer.example") == true }
        try await Task.sleep(for: .milliseconds(300))
        let before = shown().count
        try await Task.sleep(for: .seconds(1))
        #expect(shown().count == before)
        #expect(try await host.nsphost.run("unregister", "printer.example").status == 0)
        try await eventually("it is gone") { shown().last?.contains("printer.example") == false }
      }
      #expect(outcome.status == 0, "\(outcome)")
      // It says goodbye.
      struct Document: Decodable {
        struct Ledger: Decodable { var rundowns: Int, live: Int }
        var ledger: Ledger
      }
      try await host.settles()
      #expect(try await host.nsphost.document(Document.self, "stats").ledger.rundowns == 0)
    }
  }

  @Test("sessions and calls: a command that comes and goes is shown")
  func sessions() async throws {
    try await Host.serve("", [Plugin(file: Built.samples + "/hello.so", manifest: "isolation = \"in-process\"\n")]) { host in
      for command in ["sessions", "calls"] {
        let outcome = try await Self.watching(host, command) { shown in
          let before = shown().count
          #expect(try await host.nsphost.run("lookup", "hello").status == 0)
          try await eventually("its session is shown: \(shown())") { shown().count > before }
        }
        #expect(outcome.status == 0, "\(command): \(outcome)")
      }
    }
  }

  @Test("modules: a provider that is disabled is no longer shown as bound")
  func modules() async throws {
    try await Host.serve("", [Plugin(file: Built.samples + "/hello.so", manifest: "isolation = \"in-process\"\n")]) { host in
      let outcome = try await Self.watching(host, "modules") { shown in
        #expect(shown().last?.contains(#""module":"hello""#) == true)
        #expect(try await host.nsphost.run("disable", "hello").status == 0)
        try await eventually("it is gone") { shown().last?.contains(#""module":"hello""#) == false }
      }
      #expect(outcome.status == 0, "\(outcome)")
    }
  }

  @Test("a host that goes away ends the command with what to do")
  func end() async throws {
    try await Host.serve(
      "", [Plugin(file: Built.samples + "/hello.so", manifest: "isolation = \"in-process\"\n")], isKilled: true
    ) {
      host in
      let file = host.folder["watched"]
      let program = Program(path: host.nsphost.path, environment: host.nsphost.environment)
      let outcome = try await program.beside("sessions", "--watch", printing: file) { _ in
        try await eventually("it shows what there is") { host.folder.has("watched") && !host.folder.text(of: "watched").isEmpty }
        try await host.crash()
      }.outcome
      #expect(outcome.status == 69 && outcome.errors.contains("help: "), "\(outcome)")
    }
  }

  @Test("only root and the host's own user watch what is theirs alone")
  func permission() async throws {
    try await Host.serve("", [Plugin(file: Built.samples + "/hello.so", manifest: "isolation = \"in-process\"\n")]) { host in
      let refused = try await host.nsphost.asUser(60001).run("sessions", "--watch")
      #expect(refused.status == 77 && refused.errors.contains("only root and the host's own user may ask this"), "\(refused)")
    }
  }
}
