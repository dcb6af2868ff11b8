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

  /// Starts a host, and ends it when the body has returned, however it returns. An end that is not in order fails the test.
  /// - Parameters:
  ///   - configuration: The text of its nsphost.toml.
  ///   - variables: Of its environment, and of its workers'.
  static func serve<Result: Sendable>(
    _ configuration: String, _ plugins: [Plugin] = [], variables: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (Host) async throws -> Result
  ) async throws -> Result {
    let folder = try WorkFolder()
    try folder.make("plugins")
    try folder.write(configuration, to: "nsphost.toml")
    for plugin in plugins {
      let name = URL(filePath: plugin.file).lastPathComponent
      if let manifest = plugin.manifest { try folder.write(manifest, to: "plugins/\(name.dropLast(3)).toml") }
      try folder.copy(plugin.file, to: "plugins/" + name)
    }
    let program = Program(path: Built.nsphost, environment: environment(folder).merging(variables) { $1 })
    let errors = try FileDescriptor.open(
      FilePath(folder["serve.err"]), .writeOnly, options: [.create, .append], permissions: .ownerReadWrite)
    let result = try await Subprocess.run(
      .path(FilePath(program.path)),
      arguments: ["serve", "--config", folder["nsphost.toml"], "--plugins", folder["plugins"]],
      environment: program.subprocessEnvironment, input: .none, output: .discarded,
      error: .fileDescriptor(errors, closeAfterSpawningProcess: true)
    ) { execution -> Swift.Result<Result, any Error> in
      let host = Host(folder: folder, processID: execution.processIdentifier.value)
      let outcome: Swift.Result<Result, any Error>
      do {
        try await eventually("the host serves: \(host.log)", sourceLocation: sourceLocation) {
          try await program.run("stats").status == 0
        }
        outcome = .success(try await body(host))
      } catch { outcome = .failure(error) }
      try? execution.send(signal: .terminate)
      return outcome
    }
    let value = try result.closureResult.get()
    #expect(
      result.terminationStatus.isSuccess, "the host ends in order: \(folder.text(of: "serve.err"))",
      sourceLocation: sourceLocation)
    return value
  }
}
