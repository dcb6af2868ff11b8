import Foundation
import Testing

/// Commands without a host: providers run in workers, files that register modules in a process that is their host. One that dies or hangs is
/// named, takes nothing else along, and leaves a status that is not 0.
@Suite(.timeLimit(.minutes(10))) struct LocalCommandTests {
  /// How a provider dies, and how that is told.
  struct Fault: CustomTestStringConvertible {
    var name: String, told: String

    static let all = [
      Fault(name: "abort", told: "SIGABRT"), Fault(name: "exit0", told: "exit with status 70"),
      Fault(name: "segfault", told: "SIGSEGV"), Fault(name: "spin", told: "killed, because it did not return"),
    ]

    var testDescription: String { name }
  }

  /// What the file is: a provider, or one that registers modules.
  enum Kind: String, CaseIterable { case faults, hosted }

  /// A folder with this file, which may take so many milliseconds to load and to answer, and one that serves.
  private struct Bench {
    let folder: WorkFolder
    let nsphost: Program
    /// What is tried, for what failures say.
    let context: String

    init(_ file: String, loading grace: Int = 30000, answering deadline: Int = 30000, _ context: String) throws {
      folder = try WorkFolder()
      self.context = context
      try folder.make("temporary")
      try folder.make("plugins")
      let name = URL(filePath: file).deletingPathExtension().lastPathComponent
      try folder.copy(Built.samples + "/hello.so", to: "plugins/hello.so")
      try folder.copy(file, to: "plugins/\(name).so")
      try folder.write("deadline-ms = \(deadline)\ngrace-ms = \(grace)\n", to: "plugins/\(name).toml")
      nsphost = Program(
        path: "/usr/bin/env",
        environment: ["STATE_DIRECTORY": folder["state"], "NSP_SOCKET": folder["nobody"], "TMPDIR": folder["temporary"]],
        words: ["timeout", "120", Built.nsphost])
    }

    /// Expects this status, a line of errors that a pattern fits, and what it prints.
    func expect(
      _ status: Int32, _ pattern: String = "", prints text: String = "", of words: String..., input: String = "",
      sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
      let outcome = try await nsphost.run(words + ["--plugins", folder["plugins"]], input: input)
      let isSaid = try pattern.isEmpty || outcome.errors.firstMatch(of: Regex("(?m)" + pattern)) != nil
      #expect(
        outcome.status == status && isSaid && (text.isEmpty || outcome.output.contains(text)),
        "\(context), \(words): not status \(status), \(pattern), \(text), but \(outcome)", sourceLocation: sourceLocation)
    }

    /// Expects that it ends well and says nothing, as it would of a provider that it runs.
    func isQuiet(_ words: String..., sourceLocation: SourceLocation = #_sourceLocation) async throws {
      let outcome = try await nsphost.run(words + ["--plugins", folder["plugins"]])
      #expect(
        outcome.status == 0 && outcome.errors.isEmpty, "\(context), \(words): \(outcome)", sourceLocation: sourceLocation)
    }

    func leavesNothing(sourceLocation: SourceLocation = #_sourceLocation) throws {
      let left = try FileManager.default.contentsOfDirectory(atPath: folder["temporary"])
      #expect(left.isEmpty, "\(context)", sourceLocation: sourceLocation)
    }
  }

  private static let record = "192.0.2.1:7  hello"

  @Test("a file that dies or hangs when it is loaded", arguments: Fault.all, Kind.allCases)
  func constructors(_ fault: Fault, _ kind: Kind) async throws {
    let name = "constructor-" + fault.name
    let grace = fault.name == "spin" ? 1000 : 30000
    let bench = try Bench(
      "\(Built.fixtures)/\(kind.rawValue)/\(name).so", loading: grace, "\(kind), \(fault.name)")
    // A worker is told by the provider, a process that is a host by the file that it loaded.
    let culprit = kind == .faults ? name : ".*/\(name).so"
    let line = "^nsphost: \(culprit): its process has died: \(fault.told).* while it was being loaded"
    try await bench.expect(1, line, prints: Self.record, of: "lookup", "hello")
    try await bench.expect(1, "\(name).*(died: \(fault.told)|died: killed)", of: "lookup", "nosuch")
    try await bench.isQuiet("lookup", "hello", "--provider", "hello")
    for words in [
      ["providers"], ["providers", "--json"], ["providers", "--refused"], ["providers", "--exists", "hello"], ["modules"],
      ["modules", "--json"], ["inspect", "hello"], ["inspect", name],
    ] {
      let outcome = try await bench.nsphost.run(words + ["--plugins", bench.folder["plugins"]])
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(bench.context), \(words) runs nothing: \(outcome)")
    }
    let file = bench.folder["plugins/\(name).so"]
    if kind == .faults {
      try await bench.expect(
        1, line, prints: "refused: failed to load: its process has died: \(fault.told)", of: "inspect", file)
    } else {
      try await bench.expect(0, prints: "\(name).so  3+4 stub  registers modules", of: "providers")
      try await bench.expect(0, prints: "registers modules, so only a host loads it", of: "inspect", file)
    }
    try await bench.expect(1, "\(fault.told).* while it was being loaded", of: "reload", name)
    if fault.name == "abort" { try await Self.everyOther(fault, name, line, bench) }
    try bench.leavesNothing()
  }

  /// The commands that the other faults need not be tried with.
  private static func everyOther(_ fault: Fault, _ name: String, _ line: String, _ bench: Bench) async throws {
    struct Found: Decodable {
      struct Record: Decodable { var address: String? }
      var results: [Record]
    }
    let json = try await bench.nsphost.run("lookup", "hello", "--json", "--plugins", bench.folder["plugins"])
    let found = try JSONDecoder().decode(Found.self, from: Data(json.output.utf8))
    #expect(
      try json.status == 1 && json.errors.firstMatch(of: Regex("(?m)" + line)) != nil
        && found.results.contains { $0.address == "192.0.2.1:7" },
      "\(json)")
    try await bench.expect(1, line, prints: "classes", of: "classes")
    try await bench.expect(1, name, of: "register", "x.example", "--address", "192.0.2.3:1")
    try await bench.expect(1, prints: "+ 192.0.2.1:7  hello  hello", of: "watch", "hello", "--once")
    try await bench.isQuiet("reload", "hello")
    try await bench.expect(1, "\(fault.told).* while it was being loaded", of: "enable", name)
    try await bench.isQuiet("unload", "hello")
    let died = "/\(name).so: its process has died: \(fault.told).* while it was being loaded"
    try await bench.expect(1, died, of: "unload", name)
    try bench.folder.write("providers\nopen ann\nlookup ann hello\n", to: "hello.nsp")
    try await bench.expect(1, died, of: "run", bench.folder["hello.nsp"])
    if bench.folder.has("state") { try FileManager.default.removeItem(atPath: bench.folder["state"]) }
    try await bench.isQuiet("disable", "hello")
    try await bench.isQuiet("enable", "hello")
  }

  @Test("a routine that ends its process", arguments: Fault.all.dropLast(), Kind.allCases)
  func routines(_ fault: Fault, _ kind: Kind) async throws {
    let name = fault.name + "-begin"
    let bench = try Bench("\(Built.fixtures)/\(kind.rawValue)/faults.so", "\(kind), \(fault.name)")
    try bench.folder.copy(Built.fixtures + "/faults/harmless.so", to: "plugins/harmless.so")
    let line =
      kind == .faults
      ? "^nsphost: faults: its process has died: \(fault.told).* in NSPv2LookupServiceBegin"
      : "^nsphost: lookup: the process of its host has died: \(fault.told)"
    try await bench.expect(1, line, prints: "192.0.2.9:7  \(name)", of: "lookup", name)
    try await bench.isQuiet("lookup", name, "--provider", "harmless")
    try await bench.expect(
      1, "^nsphost: run: the process of its host has died: \(fault.told)", prints: "> open ann", of: "run", "-",
      input: "open ann\nlookup ann \(name)\n")
    if kind == .hosted, fault.name == "segfault" {
      try await bench.expect(1, "^nsphost: hosted-faults: died in NSPv2LookupServiceBegin: SIGSEGV", of: "lookup", name)
    }
    try bench.leavesNothing()
  }

  @Test("a routine that does not return: its provider could not answer", arguments: ["begin", "next"])
  func hangs(_ routine: String) async throws {
    let bench = try Bench(Built.fixtures + "/faults/faults.so", loading: 5000, answering: 1000, routine)
    try await bench.expect(1, "faults could not answer: no answer in time", of: "lookup", "spin-" + routine)
    try bench.leavesNothing()
  }

  @Test("a manifest with 30,000 keys within each other is refused; a configuration of 16,000 keys is read")
  func manyKeys() async throws {
    let folder = try WorkFolder()
    let nsphost = Program(path: Built.nsphost, environment: ["STATE_DIRECTORY": folder["state"], "NSP_SOCKET": folder["nobody"]])
    try folder.copy(Built.fixtures + "/scripted-a.so", to: "scripted-a.so")
    try folder.write(
      "settings." + [String](repeating: "a", count: 30000).joined(separator: ".") + " = 1\n", to: "scripted-a.toml")
    let inspected = try await nsphost.run("inspect", folder["scripted-a.so"])
    for text in ["scripted-a.toml:1: more than 16 keys, lists or tables within each other", "write at most 16 levels"] {
      #expect(inspected.status == 0 && (inspected.output + inspected.errors).contains(text), "\(inspected)")
    }
    try folder.write("[providers.one.settings]\n" + (0..<16000).map { "k\($0) = 1\n" }.joined(), to: "many.toml")
    try await nsphost.expect(0, "the configuration is good", of: "config", "check", "--config", folder["many.toml"])
  }
}
