import Foundation
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// A host whose log nobody reads serves everybody, counts the lines that are lost, and ends in order.
@Suite(.timeLimit(.minutes(10))) struct UnreadLogTests {
  private static let scripted = "f1f70001-1111-4222-8333-010203040506"
  private static let faulty = "fa017000-0005-4000-8000-000000000001"

  private struct Stats: Decodable {
    struct Log: Decodable { var lostLines: Int }
    var log: Log
  }

  private static func plugins() -> [Plugin] {
    [
      Plugin(file: Built.samples + "/hello.so"), Plugin.fixture("scripted-a"),
      Plugin(file: Built.fixtures + "/faults/faults.so", manifest: "isolation = \"worker\"\n"),
    ]
  }

  /// Each writes some lines of the log.
  private static func lookups(_ host: Host, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let said = try await Taker(of: host).run(0, "lookups", "3000", "records-1", scripted)
    #expect(said == "answered 3000", sourceLocation: sourceLocation)
  }

  private static func losesLines(_ host: Host, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let lost = try await host.nsphost.document(Stats.self, "stats").log.lostLines
    #expect(lost > 1000, sourceLocation: sourceLocation)
    let text = try await host.nsphost.run("stats").output
    #expect(text.contains("lines of the log lost"), "\(text)", sourceLocation: sourceLocation)
  }

  /// A host that writes to a pipe. The body is given the process that reads it into a file, from its beginning.
  private static func serve(
    _ configuration: String, _ plugins: [Plugin], endsWith status: Int32? = nil,
    _ body: @Sendable (Host, Int32, FreshLog) async throws -> Void
  ) async throws {
    let folder = try WorkFolder()
    let (pipe, read) = (folder["log"], folder["read"])
    try #require(mkfifo(pipe, 0o600) == 0)
    let log = FreshLog(of: read, from: 0)
    _ = try await Program(path: "/usr/bin/env", words: ["cat"]).beside(pipe, printing: read) { reader in
      defer { kill(reader, SIGKILL) }
      try await Host.serve(
        configuration, plugins, options: ["--log", "debug"], in: folder, endsWith: status, errors: pipe
      ) { host in try await body(host, reader, log) }
    }
  }

  @Test(
    "nobody reads the log: all lookups are answered; read again, it says how many lines are lost",
    arguments: Isolation.allCases)
  func pipe(_ isolation: Isolation) async throws {
    let configuration = "isolation = \"\(isolation.rawValue)\"\n"
    try await Self.serve(configuration, Self.plugins()) { host, reader, log in
      kill(reader, SIGSTOP)
      try await Self.lookups(host)
      // A provider that writes a mebibyte to standard error goes on.
      try await host.nsphost.expect(0, "chatter-next", of: "lookup", "chatter-next", "--provider", Self.faulty)
      try await Self.losesLines(host)
      let isNonblocking = try Self.isNonblocking(2, of: host.processID)
      #expect(!isNonblocking, "whom the host shares standard error with is not disturbed")
      kill(reader, SIGCONT)
      try await log.says("(?m)^warning: [0-9]* lines lost here: nobody has read what was written$")
      try await host.nsphost.run("lookup", "after-all", "--provider", Self.scripted)
      try await log.says("lookup of after-all")
      kill(reader, SIGSTOP)
      try await Self.lookups(host)
      try await host.ends(within: .seconds(15))
    }
  }

  private static func isNonblocking(_ descriptor: Int, of process: Int32) throws -> Bool {
    let text = try String(contentsOfFile: "/proc/\(process)/fdinfo/\(descriptor)", encoding: .utf8)
    let flags = try #require(text.firstMatch(of: /flags:\s*([0-7]+)/).flatMap { Int($0.1, radix: 8) }, "\(text)")
    return flags & Int(O_NONBLOCK) != 0
  }

  @Test("the same on a socket, as systemd gives one")
  func socket() async throws {
    let folder = try WorkFolder()
    try folder.make("plugins")
    for plugin in Self.plugins() { try folder.copy(plugin.file, to: "plugins/" + URL(filePath: plugin.file).lastPathComponent) }
    let log = FreshLog(of: folder["read"], from: 0)
    let environment = ["NSP_SOCKET": folder["socket"], "STATE_DIRECTORY": folder["state"]]
    let script = Program(path: "/usr/bin/env", environment: environment)
    let read = try FileDescriptor.open(
      FilePath(folder["read"]), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    let ended = try await Subprocess.run(
      .path(FilePath(script.path)),
      arguments: [
        "python3", Built.package + "/Tests/Clients/limits.py", "0", "serve", "SOCK_STREAM", Built.nsphost, "serve", "--plugins",
        folder["plugins"], "--log", "debug",
      ], environment: script.subprocessEnvironment, input: .inputWriter,
      output: .fileDescriptor(read, closeAfterSpawningProcess: true), error: .discarded
    ) { execution in
      try await eventually("the host has been started") { log.text.hasSuffix("\n") }
      let host = Host(folder: folder, processID: try #require(Int32(log.text.dropLast())))
      let outcome: Result<Void, any Error>
      do {
        try await eventually("it serves") { try await host.nsphost.run("stats").status == 0 }
        try await Self.lookups(host)
        try await Self.losesLines(host)
        // It reads from now on.
        try await execution.standardInputWriter.finish()
        try await log.says("lines lost here")
        outcome = .success(())
      } catch { outcome = .failure(error) }
      kill(host.processID, SIGTERM)
      return outcome
    }
    try ended.closureResult.get()
    #expect(ended.terminationStatus.isSuccess, "the host ends in order")
  }

  @Test("a host that dies while nobody reads its log is gone at once")
  func dies() async throws {
    let plugins = [Plugin(file: Built.fixtures + "/crash/crash.so"), Plugin.fixture("scripted-a")]
    try await Self.serve("isolation = \"in-process\"\n", plugins, endsWith: 128 + SIGSEGV) { host, reader, _ in
      kill(reader, SIGSTOP)
      try await Self.lookups(host)
      let took = try await ContinuousClock().measure {
        try await host.nsphost.run("lookup", "crash-begin")
        try await ProcessEnd.expect(of: [host.processID], within: .seconds(10))
      }
      #expect(took < .seconds(10))
    }
  }
}
