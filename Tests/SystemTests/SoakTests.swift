import Foundation
import Testing

private let thousandths = min(1000, ProcessInfo.processInfo.environment["NSPHOST_ENDURANCE"].flatMap { Int($0) } ?? 20)

/// Clients that come, ask and are killed, beside reloads and crashes, and hosts that are killed: no answer is lost and nothing grows. NSPHOST_ENDURANCE says
/// how many thousandths of the whole, which is 800,000 lookups of 20,000 clients, 10,000 of them killed, 1,000 reloads, 200 crashes, 100 hosts killed.
@Suite(.serialized, .timeLimit(.minutes(thousandths > 100 ? 240 : 20))) struct SoakTests {
  /// So many of the whole, one at least.
  private static func share(_ whole: Int) -> Int { (whole * thousandths + 999) / 1000 }

  private static func quarter(_ whole: Int) -> Int { (share(whole) + 3) / 4 }

  private static let scripted = ["f1f70001-1111-4222-8333-010203040506", "f1f70002-1111-4222-8333-010203040506"]
  private static let faulty = "fa017000-0005-4000-8000-000000000001"

  private static func isReady(_ provider: String, _ host: Host) async throws {
    struct Document: Decodable {
      struct Provider: Decodable { var name: String, state: String }
      var providers: [Provider]
    }
    try await eventually("\(provider) is ready: \(host.log.suffix(2000))") {
      let document = try await host.nsphost.document(Document.self, "providers")
      return document.providers.contains { $0.name == provider && $0.state == "ready" }
    }
  }

  private static func replace(_ count: Int, _ host: Host) async throws {
    let names = ["scripted-a", "scripted-b"]
    for number in 1...count { try await host.nsphost.expect(0, of: "reload", names[number % 2]) }
  }

  private static func crash(_ count: Int, _ host: Host) async throws {
    for _ in 1...count {
      let asked = try await host.nsphost.run("lookup", "segfault-next", "--provider", faulty)
      #expect(asked.status != 0, "\(asked)")
      try await host.nsphost.expect(0, of: "enable", "faults")
      try await isReady("faults", host)
    }
  }

  /// A quarter of all clients, while providers are replaced and crash.
  private static func quarter(seed: Int, _ soak: Program, _ host: Host) async throws {
    try await withThrowingTaskGroup { group in
      group.addTask { try await replace(quarter(1000), host) }
      group.addTask { try await crash(quarter(200), host) }
      group.addTask {
        let counts = [quarter(20000), 54, quarter(10000), seed].map(String.init)
        let outcome = try await soak.run(counts + ["records-1", "record-00"] + scripted)
        #expect(outcome.status == 0, "\(outcome)")
        print("soak: \(outcome.output)", terminator: "")
      }
      try await group.waitForAll()
    }
    try await host.settles()
  }

  /// Of the host and its workers: KiB that they have allocated, not what is mapped from files, which depends on what has run.
  private struct Figures {
    var allocated: Int
    var descriptors: Int
    var workers: Int

    init(_ host: Host) async throws {
      let processes = try await host.workers
      (workers, descriptors) = (processes.count, try ProcessFigures(of: host.processID).descriptors)
      allocated = try (processes + [host.processID]).map { try ProcessFigures(of: $0).allocated }.reduce(0, +)
    }
  }

  @Test("clients that come and die, reloads and crashes: no lookup is lost, every session ends, and nothing grows")
  func clients() async throws {
    struct Document: Decodable {
      struct Ledger: Decodable { var startups: Int, cleanups: Int, rundowns: Int, live: Int }
      var ledger: Ledger
    }
    let seed = ProcessInfo.processInfo.environment["NSPHOST_SEED"].flatMap { Int($0) } ?? Int.random(in: 0..<32768)
    print("soak: \(thousandths) thousandths, NSPHOST_SEED=\(seed)")
    // One provider in a process of its own, one in the host's, and one that crashes. However busy the machine is, nobody is given up.
    let configuration = """
      [providers.scripted-a]
      isolation = "in-process"
      deadline-ms = 60000
      [providers.scripted-b]
      isolation = "worker"
      deadline-ms = 60000
      """
    let plugins = [.fixture("scripted-a"), .fixture("scripted-b"), Plugin(file: Built.fixtures + "/faults/faults.so")]
    try await Host.serve(configuration, plugins, options: ["--log", "warning"]) { host in
      for name in ["scripted-a", "scripted-b", "faults"] { try await Self.isReady(name, host) }
      let soak = try await host.client(Built.package + "/Tests/Plugins/soak.c")
      try await Self.quarter(seed: seed + 1, soak, host)
      let before = try await Figures(host)
      for turn in 2...4 { try await Self.quarter(seed: seed + turn, soak, host) }
      let after = try await Figures(host)
      print("soak: \(before), then \(after)")
      // A channel to a worker comes where two of its calls meet, and stays: a few, whatever the number of clients.
      #expect(
        after.allocated - before.allocated < 8192 && after.descriptors <= before.descriptors + 8, "\(before), then \(after)")
      #expect(after.workers == before.workers)
      let ledger = try await host.nsphost.document(Document.self, "sessions").ledger
      #expect(ledger.live == 0 && ledger.startups == ledger.cleanups + ledger.rundowns, "\(ledger)")
    }
  }

  /// How many registrations a host has answered until it was killed.
  private static func registrations(_ prefix: String, _ plugin: Plugin, _ configuration: String, in folder: WorkFolder)
    async throws -> Int
  {
    try await Host.serve(configuration, [plugin], in: folder, isKilled: true) { host in
      try await isReady("directory", host)
      let client = try await host.client(Built.package + "/Tests/Plugins/directory.c")
      _ = try await client.beside("stream", prefix, printing: folder["said"]) { _ in
        try await eventually("one is answered") { folder.text(of: "said").contains("\n") }
        // At any moment.
        try await Task.sleep(for: .milliseconds(.random(in: 0..<200)))
        try await host.crash()
      }
    }
    return try #require(folder.text(of: "said").split(separator: "\n").last.flatMap { Int($0) })
  }

  @Test("hosts killed during registrations: every one that was answered is there")
  func hosts() async throws {
    let folder = try WorkFolder()
    let plugin = try Plugin.shipped("directory", .worker)
    let configuration = "[providers.directory]\ndeadline-ms = 60000\n"
    var answered = 0
    for round in 1...Self.share(100) {
      let prefix = "round-\(round)-"
      let last = try await Self.registrations(prefix, plugin, configuration, in: folder)
      answered += last
      try await Host.serve(configuration, [plugin], in: folder) { host in
        try await Self.isReady("directory", host)
        let counted = try await host.client(Built.package + "/Tests/Plugins/directory.c").run("count", prefix + "*")
        let count = counted.lines.first.flatMap { Int($0) }
        // One more may have been written and not been answered.
        #expect(counted.status == 0 && (count == last || count == last + 1), "\(prefix): \(last) answered, \(counted)")
      }
    }
    print("soak: \(answered) registrations were answered")
  }
}
