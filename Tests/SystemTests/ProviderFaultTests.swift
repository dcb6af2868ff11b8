import Foundation
import Testing

/// Providers that misbehave in every way, each in a process of its own, beside one that goes on answering a steady load.
@Suite(.timeLimit(.minutes(20))) struct ProviderFaultTests {
  private static let faulty = "fa017000-0005-4000-8000-000000000001"
  private static let faults = Built.fixtures + "/faults"

  /// Every fault has a bound: what eats and what spins is stopped, what hangs is killed.
  private static let configuration = """
    [providers.hello]
    isolation = "worker"
    [providers.faults]
    deadline-ms = 400
    grace-ms = 800
    memory-mb = 64
    cpu-seconds = 2
    descriptors = 64
    processes = 8
    [providers.constructor-spin]
    grace-ms = 500
    [providers.constructor-deadlock]
    grace-ms = 500

    """

  /// A host with `faults` and `hello`, which is under load. All sessions end, and the host ends its workers.
  private static func serve(load: Int, _ body: @Sendable (Host) async throws -> Void) async throws {
    let plugins = [Plugin(file: Built.samples + "/hello.so"), Plugin(file: faults + "/faults.so")]
    let workers = try await Host.serve(configuration, plugins, options: ["--log", "info"]) { host in
      try await host.isReady("faults", "hello")
      try await host.withSteadyLoad(load) { try await body(host) }
      try await balances(host)
      return try await host.workers
    }
    #expect(!workers.isEmpty)
    for worker in workers { #expect(kill(worker, 0) != 0, "worker \(worker) has ended with its host") }
  }

  private static func balances(_ host: Host) async throws {
    struct Document: Decodable {
      struct Ledger: Decodable { var startups: Int, cleanups: Int, rundowns: Int, live: Int }
      var ledger: Ledger
    }
    try await host.settles()
    let ledger = try await host.nsphost.document(Document.self, "sessions").ledger
    #expect(ledger.startups > 0 && ledger.startups == ledger.cleanups + ledger.rundowns, "\(ledger)")
  }

  @discardableResult
  private static func asks(_ name: String, _ host: Host) async throws -> Program.Outcome {
    try await host.nsphost.run("lookup", name, "--provider", faulty)
  }

  enum Place: String, CaseIterable, Sendable {
    case begin, next, thread

    /// The routine in which it happens. What happens on a thread is outside of every routine, or beside that which has started the thread.
    fileprivate var routine: String {
      switch self {
      case .begin: "NSPv2LookupServiceBegin"
      case .next: "NSPv2LookupServiceNextEx"
      case .thread: "its own thread|outside|faults.so|NSPv2LookupServiceNextEx"
      }
    }

    /// Each fault, with the line that its process writes as it dies, or the host. None where it may go on.
    fileprivate var faults: [(name: String, line: String?)] {
      let killed = "faults.*killed, because it did not return.*(\(routine))"
      return [
        (
          "segfault",
          "faults.*(SIGSEGV|Segmentation).*(\(routine))|(\(routine)).*(SIGSEGV|Segmentation)"
        ),
        ("abort", "faults.*(SIGABRT|Aborted).*(\(routine))|(\(routine)).*(SIGABRT|Aborted)"),
        ("exit", "faults.*exit with status.*(\(routine))"),
        ("throw", "faults.*SIGABRT.*(\(routine))"),
        ("heap", "faults.*SIG(ABRT|SEGV).*(\(routine))"),
        ("kill", "faults.*SIGKILL.*(\(routine))"),
        ("memory", "faults.*SIG(SEGV|ABRT).*(\(routine))"),
        ("spin", self == .thread ? "faults.*SIGXCPU" : killed),
        ("deadlock", self == .thread ? nil : killed),
        ("closefds", nil),
        ("fork", nil),
      ]
    }
  }

  @Test(
    "whatever a provider does, its client is soon answered, the log says what it was, and it serves again",
    arguments: Place.allCases)
  func everyFault(_ place: Place) async throws {
    try await Self.serve(load: 250) { host in
      for fault in place.faults {
        let name = "\(fault.name)-\(place.rawValue)"
        let log = host.freshLog
        let took = try await ContinuousClock().measure { _ = try await Self.asks(name, host) }
        if let line = fault.line { try await log.says(line) }
        #expect(took < .seconds(10), "\(name): the client has waited")
        // Five deaths in a minute are not what this is about.
        try await host.nsphost.run("enable", "faults")
        try await host.isReady("faults")
        // One that has shut itself off may only now be noticed.
        try await eventually("\(name): it answers again: \(log.text)") {
          try await Self.asks("fine", host).output.hasSuffix("fine\n")
        }
      }
      // Calls that its threads have left without an answer end with its process.
      try await Self.asks("kill-begin", host)
    }
  }

  @Test("after five deaths it is quarantined; inspect says of what it died and how it is confined; enable lifts it")
  func quarantine() async throws {
    try await Self.serve(load: 250) { host in
      for _ in 0..<5 {
        try await host.isReady("faults")
        let deaths = try await Self.deaths(host)
        try await Self.asks("abort-begin", host)
        try await eventually("its death is noticed") { try await Self.deaths(host) > deaths }
      }
      try await eventually("it is quarantined") { try await host.state(of: "faults") == "quarantined" }
      let inspected = try await host.nsphost.run("inspect", "faults").output
      #expect(inspected.firstMatch(of: /deaths: .*SIGABRT in NSPv2LookupServiceBegin/) != nil, "\(inspected)")
      for line in ["memory: 64 MiB more", "processor time: 2 s", "descriptors: 64 more", "no new privileges"] {
        let lines = inspected.split(separator: "\n").filter { $0.contains("confined: ") && $0.contains(line) }
        #expect(lines.count == 1, "\(line): \(inspected)")
      }
      try await host.nsphost.run("enable", "faults")
      try await host.isReady("faults")
    }
  }

  private static func deaths(_ host: Host) async throws -> Int {
    struct Document: Decodable {
      struct Fault: Decodable { var provider: String, deaths: Int }
      var faults: [Fault]
    }
    return try await host.nsphost.document(Document.self, "stats").faults.first { $0.provider == "faults" }?.deaths ?? 0
  }

  @Test("one that dies while it is loaded does not serve, and the others do not notice")
  func constructors() async throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.faults).filter { $0.hasPrefix("constructor-") }.sorted()
    #expect(files.count == 12, "\(files)")
    try await Self.serve(load: 250) { host in
      for file in files {
        // Put into place by renaming, so that the host never sees half a file.
        try host.folder.copy(Self.faults + "/" + file, to: "plugins/.new")
        let place = host.folder["plugins/" + file]
        try FileManager.default.moveItem(atPath: host.folder["plugins/.new"], toPath: place)
        let ends = ["quarantined", "failed", "ready"]
        try await eventually("the fate of \(file) is decided") {
          ends.contains(try await host.providers.first { $0.file == place }?.state ?? "")
        }
        let state = try await host.providers.first { $0.file == place }?.state ?? ""
        let mayServe = ["constructor-fork.so", "constructor-closefds.so"].contains(file)
        #expect(mayServe || ["quarantined", "failed"].contains(state), "\(file) is \(state): \(host.log.suffix(2000))")
        try FileManager.default.removeItem(atPath: place)
      }
    }
  }

  @Test("200 deaths under load leave nothing behind: no descriptors, no processes, no memory")
  func again() async throws {
    try await Self.serve(load: 1000) { host in
      let deaths = 200
      var before: (figures: ProcessFigures, workers: Int)?
      for death in 1...deaths {
        try await Self.asks("segfault-next", host)
        try await host.nsphost.run("enable", "faults")
        try await host.isReady("faults")
        if death == deaths / 4 { before = (try ProcessFigures(of: host.processID), try await host.workers.count) }
      }
      let first = try #require(before)
      #expect(first.workers == 2)
      // A channel to the other provider comes where two of its calls meet, and stays: a few, whatever the number of deaths.
      try await eventually("\(first.figures.descriptors) descriptors before, \(host.descriptors) now") {
        try await host.workers.count == 2 && host.descriptors <= first.figures.descriptors + 4
      }
      let grown = try ProcessFigures(of: host.processID).resident - first.figures.resident
      #expect(grown < 8192, "KiB more")
    }
  }
}

extension Host {
  fileprivate var descriptors: Int { (try? ProcessFigures(of: processID).descriptors) ?? 0 }
}
