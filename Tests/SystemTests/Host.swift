import Foundation
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// Where a provider runs.
enum Isolation: String, CaseIterable, Sendable {
  case inProcess = "in-process"
  case worker
}

/// A provider's file with what stands beside it.
struct Plugin: Sendable {
  var file: String
  /// Lines of its manifest.
  var manifest: String?

  static func fixture(_ name: String, _ manifest: String? = nil) -> Plugin {
    Plugin(file: Built.fixtures + "/" + name + ".so", manifest: manifest)
  }

  /// One that ships, with its manifest, whatever that says of where it runs and whether it does.
  static func shipped(_ name: String, _ isolation: Isolation) throws -> Plugin {
    let manifest = try String(contentsOfFile: Built.plugins + "/" + name + ".toml", encoding: .utf8)
    let lines = manifest.components(separatedBy: "\n").filter { !$0.hasPrefix("isolation") && !$0.hasPrefix("enabled") }
    let file = Built.plugins + "/" + name + ".so"
    return Plugin(file: file, manifest: "isolation = \"\(isolation.rawValue)\"\n" + lines.joined(separator: "\n"))
  }
}

/// A real host with a socket, a state folder and plugins of its own.
struct Host: Sendable {
  let folder: WorkFolder
  let processID: Int32

  private static func environment(_ folder: WorkFolder) -> [String: String] {
    ["NSP_SOCKET": folder["socket"], "STATE_DIRECTORY": folder["state"]]
  }

  /// The command, as an operator of this host runs it.
  var nsphost: Program { Program(path: Built.nsphost, environment: Self.environment(folder)) }

  /// The variables by which a client finds this host.
  var environment: [String: String] { Self.environment(folder) }

  /// What it has written to standard error until now.
  var log: String { folder.text(of: "serve.err") }

  /// A C program that is linked with libnsp, as a client of this host.
  func client(_ source: String) async throws -> Program {
    let program = "clients/" + URL(filePath: source).deletingPathExtension().lastPathComponent
    if !folder.has("clients/libnsp.so") {
      try folder.make("clients")
      try folder.copy(Built.folder + "/libNSPLibrary.so", to: "clients/libnsp.so.0")
      try FileManager.default.createSymbolicLink(atPath: folder["clients/libnsp.so"], withDestinationPath: "libnsp.so.0")
    }
    if !folder.has(program) {
      try await compile([source], ["-L" + folder["clients"], "-lnsp", "-pthread"], to: folder[program])
    }
    return Program(path: folder[program], environment: environment.merging(["LD_LIBRARY_PATH": folder["clients"]]) { $1 })
  }

  /// The processes of its providers, the oldest first.
  var workers: [Int32] {
    get async throws {
      let found = try await Program(path: "/usr/bin/env").run("pgrep", "-P", "\(processID)")
      // One says that there are none; more, that it could not look.
      try #require(found.status <= 1, "\(found)")
      return found.output.split(separator: "\n").compactMap { Int32($0) }
    }
  }

  /// Ends it and its providers' processes without a word, as `isKilled` has to say where it was started.
  func crash() async throws {
    let workers = try await workers
    kill(processID, SIGKILL)
    for worker in workers { kill(worker, SIGKILL) }
    for worker in workers { try await eventually("process \(worker) has ended") { kill(worker, 0) != 0 } }
  }

  /// Waits until its process has ended by itself.
  func ends(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await eventually("the host has ended: \(log)", sourceLocation: sourceLocation) { ProcessEnd.isReached(by: processID) }
  }

  /// Waits until every session has ended.
  func settles(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    struct Document: Decodable {
      struct Ledger: Decodable { var live: Int }
      var ledger: Ledger
    }
    try await eventually("no session is left", sourceLocation: sourceLocation) {
      try await nsphost.document(Document.self, "sessions").ledger.live == 0
    }
  }

  /// Starts a host, and ends it when the body has returned, however it returns. An end that is not in order fails the test.
  /// - Parameters:
  ///   - configuration: The text of its nsphost.toml.
  ///   - variables: Of its environment, and of its workers'.
  ///   - options: Further words of its command.
  ///   - before: The folder of a host that has ended, which this one goes on with.
  ///   - isKilled: The body kills it.
  ///   - status: It ends by itself before the body does or soon after, with this status.
  ///   - view: What it sees of the file system, where that is not the machine's own.
  ///   - under: Words in front of its command, of a program that becomes the host.
  ///   - errors: Where it writes to, in the place of `log`: a file or a pipe that somebody reads.
  static func serve<Result: Sendable>(
    _ configuration: String, _ plugins: [Plugin] = [], variables: [String: String] = [:],
    options: [String] = [], in before: WorkFolder? = nil, isKilled: Bool = false,
    endsWith status: Int32? = nil, inside view: MountView? = nil, under: [String] = [], errors file: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (Host) async throws -> Result
  ) async throws -> Result {
    let folder = try before ?? WorkFolder()
    try folder.make("plugins")
    try folder.write(configuration, to: "nsphost.toml")
    for plugin in plugins {
      let name = URL(filePath: plugin.file).lastPathComponent
      if let manifest = plugin.manifest { try folder.write(manifest, to: "plugins/\(name.dropLast(3)).toml") }
      try folder.copy(plugin.file, to: "plugins/" + name)
    }
    let program = Program(path: Built.nsphost, environment: environment(folder).merging(variables) { $1 })
    let command = Program(path: "/usr/bin/env", environment: program.environment, words: under + [program.path])
    let started = view.map { command.inside($0) } ?? command
    let errors = try FileDescriptor.open(
      FilePath(file ?? folder["serve.err"]), .writeOnly, options: [.create, .append, .truncate], permissions: .ownerReadWrite)
    let result = try await Subprocess.run(
      .path(FilePath(started.path)),
      arguments: Arguments(
        started.words + ["serve", "--config", folder["nsphost.toml"], "--plugins", folder["plugins"]] + options),
      environment: started.subprocessEnvironment, input: .none, output: .discarded,
      error: .fileDescriptor(errors, closeAfterSpawningProcess: true)
    ) { execution -> Swift.Result<Result, any Error> in
      let host = Host(folder: folder, processID: execution.processIdentifier.value)
      let outcome: Swift.Result<Result, any Error>
      do {
        try await eventually("the host serves: \(host.log)", sourceLocation: sourceLocation) {
          try await program.run("stats").status == 0
        }
        let value = try await body(host)
        if status != nil { try await host.ends(sourceLocation: sourceLocation) }
        outcome = .success(value)
      } catch { outcome = .failure(error) }
      try? execution.send(signal: .terminate)
      return outcome
    }
    let value = try result.closureResult.get()
    #expect(
      result.terminationStatus.number == status ?? (isKilled ? 128 + SIGKILL : 0),
      "the host ends as it is expected to: \(folder.text(of: "serve.err"))",
      sourceLocation: sourceLocation)
    return value
  }
}
