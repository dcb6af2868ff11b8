import Foundation
import Testing

/// Providers in programs of their own: real programs that advertise, real clients, a real host, each of them killed in the middle.
@Suite(.timeLimit(.minutes(10))) struct AdvertisingTests {
  /// A host, and the program that advertises to it.
  private struct Stage: Sendable {
    let host: Host
    let advertiser: Program

    func find(_ name: String, of provider: String = "one", as user: UInt32? = nil) async throws -> Program.Outcome {
      let id = try await advertiser.run("id=\(provider)").output.trimmingCharacters(in: .newlines)
      let nsphost = user.map { host.nsphost.asUser($0) } ?? host.nsphost
      return try await nsphost.run("lookup", name, "--provider", id)
    }

    func register(_ name: String, _ addresses: String...) async throws -> Program.Outcome {
      let id = try await advertiser.run("id=one").output.trimmingCharacters(in: .newlines)
      return try await host.nsphost.run(["register", name, "--provider", id] + addresses.flatMap { ["--address", $0] })
    }

    func finds(
      _ name: String, of provider: String = "one", as user: UInt32? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
      let outcome = try await find(name, of: provider, as: user)
      #expect(outcome.output == "192.0.2.9:99  \(name)\n", "\(outcome)", sourceLocation: sourceLocation)
    }

    func misses(
      _ name: String, _ code: String, of provider: String = "one", as user: UInt32? = nil,
      sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
      let outcome = try await find(name, of: provider, as: user)
      #expect(
        outcome.status != 0 && (outcome.output + outcome.errors).contains(code), "not \(code), but \(outcome)",
        sourceLocation: sourceLocation)
    }

    /// A program that serves a provider until its input ends, which is when the body ends. It ends with this status.
    func offer(
      _ provider: String = "one", _ steps: [String] = [], endsWith status: Int32 = 0, as user: UInt32? = nil,
      sourceLocation: SourceLocation = #_sourceLocation, _ body: @Sendable (Companion) async throws -> Void
    ) async throws -> Program.Outcome {
      let program = user.map { advertiser.asUser($0) } ?? advertiser
      let outcome = try await program.beside(["start", "advertise=\(provider)", "wait"] + steps + ["cleanup"]) {
        try await $0.prints("ready", sourceLocation: sourceLocation)
        try await body($0)
      }.outcome
      #expect(outcome.status == status, "\(outcome)", sourceLocation: sourceLocation)
      return outcome
    }

    /// A lookup beside the body, which begins when the provider's routine runs.
    func looking(
      up name: String, of offered: Companion, _ body: @Sendable (_ client: Int32) async throws -> Void
    ) async throws -> Program.Outcome {
      let id = try await advertiser.run("id=one").output.trimmingCharacters(in: .newlines)
      let before = offered.count("next \(name)")
      return try await host.nsphost.beside("lookup", name, "--provider", id) { client in
        try await offered.prints("next \(name)", times: before + 1)
        try await body(client.processID)
      }.outcome
    }
  }

  private static func serve<Value: Sendable>(
    _ configuration: String = "", in before: WorkFolder? = nil, isKilled: Bool = false,
    _ body: @Sendable (Stage) async throws -> Value
  ) async throws -> Value {
    let hello = Plugin(file: Built.samples + "/hello.so")
    return try await Host.serve(configuration, [hello], options: ["--log", "debug"], in: before, isKilled: isKilled) { host in
      try await eventually("hello is there: \(host.log)") {
        try await host.nsphost.run("providers", "--exists", "hello").status == 0
      }
      let advertiser = try await host.client(named: "advertiser")
      for name in ["checks", "one", "two"] where before == nil {
        try await advertiser.expect(0, of: "start", "install=\(name):1000", "cleanup")
      }
      return try await body(Stage(host: host, advertiser: advertiser))
    }
  }

  /// One end for each startup.
  private static func isBalanced(_ offered: Program.Outcome, sourceLocation: SourceLocation = #_sourceLocation) {
    let lines = offered.output.split(separator: "\n")
    let ends = lines.count { $0.hasPrefix("cleanup") || $0.hasPrefix("rundown") }
    let startups = lines.count { $0.hasPrefix("startup") }
    #expect(startups > 0 && startups == ends, "\(offered)", sourceLocation: sourceLocation)
  }

  @Test(
    "NSP-011 to NSP-017 NSP-073 NSP-092 to NSP-095 NSP-097 NSP-102 what the library is given is checked, and what nobody advertises is not found"
  )
  func checks() async throws {
    try await Self.serve { stage in
      try await stage.advertiser.expect(0, of: "checks")
      try await stage.misses("x", "WSASERVICE_NOT_FOUND")
    }
  }

  @Test(
    "NSP-066 NSP-069 NSP-071 NSP-096 NSP-101 a program serves while its main thread waits in a read, and takes back from inside a routine"
  )
  func serves() async throws {
    try await Self.serve { stage in
      _ = try await stage.offer { offered in
        try await stage.finds("x")
        #expect(offered.count("startup") == 1)
        try await stage.host.settles()
        try await offered.prints("cleanup")
        // A record that comes after the routine has returned, and one of 70,000 bytes, which leads to memory that is freed.
        try await stage.finds("later")
        try await stage.finds("big")
        try await stage.misses("fails-begin", "WSANO_DATA")
        try await stage.finds("wait-300")

        let unadvertising = try await stage.find("unadvertise")
        #expect(offered.count("unadvertised from inside: 0") == 1, "\(unadvertising)")
        try await stage.misses("x", "WSASERVICE_NOT_FOUND")
      }
    }
  }

  @Test("eight routines that take their time do so at once")
  func overlaps() async throws {
    // However busy the machine is, nobody is given up.
    try await Self.serve("[providers.one]\ndeadline-ms = 60000\n") { stage in
      _ = try await stage.offer { _ in
        let start = ContinuousClock.now
        try await withThrowingTaskGroup { group in
          for _ in 0..<8 { group.addTask { try await stage.finds("wait-5000") } }
          try await group.waitForAll()
        }
        #expect(ContinuousClock.now - start < .seconds(30))
      }
    }
  }

  @Test("NSP-082 NSP-090 a registration, and one that is refused")
  func registers() async throws {
    try await Self.serve { stage in
      _ = try await stage.offer { offered in
        let refused = try await stage.register("refused", "10.0.0.1:5")
        #expect(refused.status != 0 && (refused.output + refused.errors).contains("WSAHOST_NOT_FOUND"), "\(refused)")
        let thing = try await stage.register("thing", "10.0.0.1:5", "10.0.0.2:5")
        #expect(thing.status == 0, "\(thing)")
        try await offered.prints("set 0 thing 2")
      }
    }
  }

  @Test(
    "NSP-050 NSP-051 NSP-076 NSP-077 NSP-079 no answer in time, and a client that is killed: End, a completion that is accepted, then Rundown"
  )
  func late() async throws {
    try await Self.serve { stage in
      _ = try await stage.offer { offered in
        let start = ContinuousClock.now
        try await stage.misses("late", "WSATRY_AGAIN")
        #expect(ContinuousClock.now - start >= .milliseconds(4500))
        try await offered.prints("end late")
        try await offered.prints("late: 0")
        try await stage.host.settles()

        let before = offered.count("rundown")
        let killed = try await stage.looking(up: "late", of: offered) { kill($0, SIGKILL) }
        #expect(killed.status == 128 + SIGKILL)
        try await stage.host.settles()
        try await offered.prints("end late", times: 2)
        try await offered.prints("late: 0", times: 2)
        try await offered.prints("rundown", times: before + 1)
        #expect(offered.printed.split(separator: "\n").last?.contains("rundown") == true, "\(offered.printed)")
      }
    }
  }

  @Test("NSP-095 an id that another process advertises: WSAEALREADY; another id meanwhile")
  func already() async throws {
    try await Self.serve { stage in
      _ = try await stage.offer { _ in
        try await stage.advertiser.expect(0, of: "start", "advertise=one:10037", "cleanup")
        try await stage.advertiser.expect(0, of: "start", "advertise=two", "wait")
      }
    }
  }

  @Test("NSP-099 NSP-100 taken back with a call under way: it is cancelled, the session gets its end, nothing comes after")
  func pending() async throws {
    try await Self.serve { stage in
      let offered = try await stage.offer("one", ["unadvertise=one"]) { offered in
        async let never = stage.register("never", "10.0.0.1:5")
        try await offered.prints("set 0 never")
        try await offered.endInput()
        let outcome = try await never
        #expect((outcome.output + outcome.errors).contains("WSA_E_CANCELLED"), "\(outcome)")
      }
      Self.isBalanced(offered)
      #expect(offered.output.split(separator: "\n").last == "unadvertised", "\(offered)")
    }
  }

  @Test("NSP-103 WSACleanup takes everything back")
  func implied() async throws {
    try await Self.serve { stage in
      let offered = try await stage.offer { _ in try await stage.finds("x") }
      try await stage.misses("x", "WSASERVICE_NOT_FOUND")
      #expect(offered.output.contains("cleanup"), "\(offered)")
    }
  }

  @Test("NSP-054 NSP-055 it is killed in the middle of a call: an error at once, and a new session when it is back")
  func dies() async throws {
    try await Self.serve { stage in
      _ = try await stage.offer(endsWith: 128 + SIGKILL) { offered in
        try await stage.finds("x")
        async let answer = (stage.find("wait-9000"), ContinuousClock.now)
        try await offered.prints("next wait-9000")
        let start = ContinuousClock.now
        kill(offered.processID, SIGKILL)
        let (outcome, end) = try await answer
        #expect((outcome.output + outcome.errors).contains("WSATRY_AGAIN"), "\(outcome)")
        #expect(end - start < .milliseconds(4500))
      }
      try await stage.host.settles()
      _ = try await stage.offer { offered in
        try await stage.finds("x")
        try await offered.prints("startup")
      }
    }
  }

  @Test("it crashes, exits or hangs in a routine: the log names provider and routine of a crash, and others are served")
  func faults() async throws {
    try await Self.serve { stage in
      _ = try await stage.offer(endsWith: 128 + SIGABRT) { _ in try await stage.misses("crash", "WSATRY_AGAIN") }
      try await stage.host.settles()
      let line = /one: its process is gone: .*NSPv2LookupServiceNextEx/
      try await eventually("the log names provider and routine: \(stage.host.log)") {
        stage.host.log.firstMatch(of: line) != nil
      }
      _ = try await stage.offer(endsWith: 3) { _ in try await stage.misses("exit", "WSATRY_AGAIN") }
      try await stage.host.settles()
      _ = try await stage.offer(endsWith: 128 + SIGKILL) { offered in
        try await stage.misses("hang", "WSATRY_AGAIN")
        try await stage.finds("x")
        kill(offered.processID, SIGKILL)
      }
      try await stage.host.settles()
    }
  }

  @Test("the host is killed: what it had open is run down, and the provider is advertised to the next host")
  func hostDies() async throws {
    try await Self.serve(isKilled: true) { first in
      let offered = try await first.offer { offered in
        try await first.finds("x")
        _ = try await first.looking(up: "wait-2000", of: offered) { _ in try await first.host.die() }
        try await Self.serve(in: first.host.folder) { second in
          try await eventually("it is advertised to the next: \(second.host.log)") {
            try await second.find("x").output == "192.0.2.9:99  x\n"
          }
          try await second.finds("x")
          try await second.host.settles()
          try await eventually("each session has its end: \(offered.printed)") {
            offered.count("startup") == offered.count("cleanup") + offered.count("rundown")
          }
          try await offered.endInput()
          try await offered.ends()
        }
      }
      Self.isBalanced(offered)
    }
  }

  @Test("disabled it gets no calls; enabled again it is served as before")
  func disabled() async throws {
    try await Self.serve { stage in
      _ = try await stage.offer { _ in
        try await stage.finds("x")
        try await stage.host.nsphost.expect(0, of: "disable", "one")
        try await stage.misses("x", "WSASERVICE_NOT_FOUND")
        try await stage.host.nsphost.expect(0, of: "enable", "one")
        try await stage.finds("x")
      }
    }
  }

  @Test(
    "NSP-098 what a user advertises is for that user's clients, and an id is its owner's",
    .enabled(if: geteuid() == 0, "it takes root"))
  func others() async throws {
    let nobody: UInt32 = 65534
    try await Self.serve { stage in
      _ = try await stage.offer { _ in
        try await stage.finds("x")
        try await stage.misses("x", "WSASERVICE_NOT_FOUND", as: nobody)
      }
      try await stage.advertiser.asUser(nobody).expect(0, of: "start", "advertise=hello:10105", "cleanup")
      _ = try await stage.offer("two", as: nobody) { _ in
        try await stage.finds("x", of: "two", as: nobody)
        try await stage.misses("x", "WSASERVICE_NOT_FOUND", of: "two")
      }
    }
  }

  @Test("NSP-202 a change of the catalog is told")
  func watched() async throws {
    try await Self.serve { try await $0.host.client(named: "catalog").expect(0, of: "watched") }
  }

  @Test("200 clients leave nothing behind")
  func many() async throws {
    @Sendable func descriptors(_ process: Int32) throws -> Int {
      try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
    }
    try await Self.serve { stage in
      _ = try await stage.offer { offered in
        let before = (try descriptors(stage.host.processID), try descriptors(offered.processID))
        for _ in 0..<200 { try await stage.finds("x") }
        try await stage.host.settles()
        let after = (try descriptors(stage.host.processID), try descriptors(offered.processID))
        #expect(after.0 - before.0 <= 4 && after.1 - before.1 <= 4, "\(before), then \(after)")
      }
    }
  }
}
