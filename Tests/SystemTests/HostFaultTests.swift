import Testing

/// What operators are shown of providers and transports that misbehave, and that others are served meanwhile.
@Suite(.timeLimit(.minutes(5))) struct HostFaultTests {
  private static let faults = "fa017000-0005-4000-8000-000000000001"

  @Test("calls names the function, the connection and its state of a transition that call management has refused")
  func illegalTransition() async throws {
    struct Document: Decodable {
      struct Call: Decodable { var vc: UInt64, state: String }
      var calls: [Call], illegalTransitions: Int, latestTransitions: [String]
    }
    let made = try WorkFolder()
    try await compile(
      [Built.package + "/Tests/Fixtures/misplaced.c"], ["-shared", "-fPIC", "-pthread"], to: made["misplaced.so"])
    try made.write("offer ann 1000 4101\n", to: "script")
    try await Host.serve("", [Plugin(file: made["misplaced.so"])], variables: ["LOOPBACK_MCM_SCRIPT": made["script"]]) { host in
      let document = try await host.nsphost.document(Document.self, "calls")
      let call = try #require(document.calls.first { $0.state == "active" }, "\(document)")
      let line = try #require(document.latestTransitions.first)
      #expect(document.illegalTransitions == 1 && document.latestTransitions.count == 1)
      #expect(line.hasPrefix("deleteVC, connection \(call.vc), active: refused with "), "\(line)")
      let text = try await host.nsphost.run("calls").output
      #expect(text.contains("1 illegal transition\n") && text.contains("the latest illegal transitions:\n  \(line)\n"), "\(text)")
    }
  }

  @Test("stats counts the deaths of a provider's process and the calls that were given up, in text and JSON")
  func faultRows() async throws {
    struct Document: Decodable {
      struct Fault: Decodable, Equatable { var provider: String, deaths: Int, lastDeath: String?, lateCalls: Int, state: String? }
      var faults: [Fault], isWell: Bool
    }
    let faulty = Plugin(file: Built.fixtures + "/faults/faults.so", manifest: "isolation = \"worker\"\n")
    let scripted = Plugin.fixture("scripted-a", "isolation = \"in-process\"\ndeadline-ms = 300\n")
    try await Host.serve("", [faulty, scripted]) { host in
      let before = try await host.nsphost.document(Document.self, "stats")
      #expect(before.faults.isEmpty && before.isWell, "\(before)")
      #expect(try await host.nsphost.run("lookup", "segfault-next", "--provider", Self.faults).status == 1)
      try await eventually("its process serves again") {
        try await host.nsphost.run("lookup", "fine", "--provider", Self.faults).status == 0
      }
      #expect(try await host.nsphost.run("lookup", "never", "--provider", "scripted-a").status == 1)
      let told = try await host.nsphost.document(Document.self, "stats")
      let dead = try #require(told.faults.first { $0.provider == "faults" }, "\(told)")
      #expect(dead.deaths == 1 && dead.lastDeath?.contains("SIGSEGV in NSPv2LookupServiceNextEx") == true, "\(dead)")
      let late = try #require(told.faults.first { $0.provider == "scripted-a" }, "\(told)")
      #expect(late.deaths == 0 && late.lateCalls == 1 && !told.isWell, "\(late)")
      let text = try await host.nsphost.run("stats").output
      #expect(text.contains("faults") && text.contains("SIGSEGV") && text.contains("wrong: "), "\(text)")
    }
  }

  @Test(
    "NSPStartup that does not return: others are served, the provider is starting or dead, and the host ends in order",
    arguments: Isolation.allCases)
  func startup(_ isolation: Isolation) async throws {
    struct Document: Decodable {
      struct Provider: Decodable { var name: String, state: String }
      var providers: [Provider]
    }
    let made = try WorkFolder()
    try await compile([Built.package + "/Tests/Fixtures/never-starts.c"], ["-shared", "-fPIC"], to: made["never-starts.so"])
    let never = Plugin(file: made["never-starts.so"], manifest: "isolation = \"\(isolation.rawValue)\"\ngrace-ms = 1000\n")
    let hello = Plugin(file: Built.samples + "/hello.so", manifest: "isolation = \"\(isolation.rawValue)\"\n")
    try await Host.serve("", [never, hello]) { host in
      #expect(try await host.nsphost.run("lookup", "hello", "--provider", "hello").output == "192.0.2.1:7  hello\n")
      // In the host's process its start goes on; a worker is killed, and started again some times.
      let states = isolation == .inProcess ? ["starting"] : ["starting", "restarting", "quarantined"]
      let shown = try await host.nsphost.document(Document.self, "providers")
      let state = try #require(shown.providers.first { $0.name == "never-starts" }, "\(shown)").state
      #expect(states.contains(state), "\(shown)")
      let asked = try await host.nsphost.run("lookup", "x", "--provider", "never-starts")
      #expect(asked.status == 1 && asked.errors.contains("WSATRY_AGAIN"), "\(asked)")
      if isolation == .worker {
        try await eventually("its process is killed after the grace: \(host.log)") {
          host.log.contains("never-starts: its process has died")
        }
      }
    }
  }

  @Test("a provider's thread of its own is known in the log by the file that its code is in", arguments: Isolation.allCases)
  func ownThread(_ isolation: Isolation) async throws {
    let made = try WorkFolder()
    try await compile([Built.package + "/Tests/Fixtures/talks.c"], ["-shared", "-fPIC", "-pthread"], to: made["talks.so"])
    // The host knows no provider by this file.
    try await compile(
      [Built.package + "/Tests/Fixtures/talks.c"], ["-shared", "-fPIC", "-pthread", "-DIS_LIBRARY"], to: made["libtalks.so"])
    let talks = Plugin(file: made["talks.so"], manifest: "isolation = \"\(isolation.rawValue)\"\n")
    try await Host.serve("", [talks], variables: ["LIBRARY_THAT_TALKS": made["libtalks.so"]], options: ["--log", "info"]) {
      host in
      try await host.nsphost.expect(2, of: "lookup", "x", "--provider", "talks")
      try await eventually("both have said it: \(host.log)") {
        host.log.contains("talks: on a thread of mine\n")
          && host.log.contains(isolation == .inProcess ? "a provider: from a library\n" : "talks: from a library\n")
      }
    }
  }

  @Test(
    "NSP-039 a startup that leaves the session's argument NULL: its lookups and its cleanup are as others'",
    arguments: Isolation.allCases)
  func nullArgument(_ isolation: Isolation) async throws {
    struct Document: Decodable {
      struct Figures: Decodable { var provider: String, startups: Int, cleanups: Int, failed: Int }
      var providers: [Figures]
    }
    let ends = Plugin(file: Built.fixtures + "/ends/ends.so", manifest: "isolation = \"\(isolation.rawValue)\"\n")
    try await Host.serve("", [ends]) { host in
      for _ in 1...2 { try await host.nsphost.expect(2, "WSANO_DATA", of: "lookup", "fine", "--provider", "ends") }
      try await host.settles()
      let stats = try await host.nsphost.document(Document.self, "stats")
      let figures = try #require(stats.providers.first { $0.provider == "ends" }, "\(stats)")
      #expect(figures.startups == 2 && figures.cleanups == 2 && figures.failed == 0, "\(stats)")
    }
  }
}
