import Foundation
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// glibc's door to the host: a provider that knows what no file and no server does, and programs whose nsswitch.conf names nsp, in a view of
/// their own.
struct Door: Sendable {
  let folder: WorkFolder
  /// The host's socket is where it is for everybody, and the next service is files.
  let view: MountView

  /// The address of names that files know.
  static let fallback = "192.0.2.200"

  init() async throws {
    folder = try WorkFolder()
    for name in ["run/nsphost", "made", "lib"] { try folder.make(name) }
    try folder.write("hosts: nsp files\nservices: nsp files\npasswd: files\ngroup: files\n", to: "nsswitch.conf")
    try folder.write("127.0.0.1 localhost\n\(Self.fallback) fallback wait-5000\n", to: "hosts")
    try folder.copy(Built.nssModule, to: "lib/libnss_nsp.so.2")
    view = MountView(places: [
      (folder["run"], "/run"), (folder.path, "/run/nsphost"), (folder["nsswitch.conf"], "/etc/nsswitch.conf"),
      (folder["hosts"], "/etc/hosts"),
    ])
    let sources = Built.package + "/Tests/NSSModule/"
    try await compile([sources + "contract.c"], ["-O1", "-g", "-pthread"], to: folder["made/contract"])
    try await compile([sources + "door.c"], ["-shared", "-fPIC", "-pthread"], to: folder["made/door.so"])
  }

  /// A host whose own lookups could come back through the module.
  /// - Parameter budget: Milliseconds of a whole call.
  func serve<Value: Sendable>(
    _ isolation: Isolation, budget: Int = 5000, with plugins: [Plugin] = [], isKilled: Bool = false,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: @Sendable (Host) async throws -> Value
  ) async throws -> Value {
    let configuration = "[nss]\nbudget-ms = \(budget)\n[providers.door]\nisolation = \"\(isolation.rawValue)\"\n"
    return try await Host.serve(
      configuration, [Plugin(file: folder["made/door.so"])] + plugins, variables: ["LD_LIBRARY_PATH": folder["lib"]],
      options: ["--log", "debug"], in: folder, isKilled: isKilled, inside: view, sourceLocation: sourceLocation
    ) { host in
      try await eventually("the provider serves: \(host.log)", sourceLocation: sourceLocation) {
        try await host.nsphost.run("providers", "--exists", "door").status == 0
      }
      return try await body(host)
    }
  }

  /// Any program of the machine, its name first, as a client.
  var program: Program {
    let places = ["-u", "NSP_SOCKET", "-u", "XDG_RUNTIME_DIR", "-u", "NSP_NSS_BYPASS"]
    return Program(path: "/usr/bin/env", environment: ["LD_LIBRARY_PATH": folder["lib"]], words: places).inside(view)
  }

  /// What glibc relies on, as Tests/NSSModule/contract.c says.
  var contract: Program {
    var contract = program
    contract.words += [folder["made/contract"], folder["lib/libnss_nsp.so.2"]]
    return contract
  }

  /// Expects that a program, as any user, sees this address of a name.
  func expect(
    _ address: String, of name: String, asUser user: UInt32? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let become = user.map { ["setpriv", "--reuid", "\($0)", "--regid", "\($0)", "--clear-groups"] } ?? []
    let outcome = try await program.run(become + ["getent", "ahostsv4", name])
    #expect(
      outcome.status == 0 && outcome.output.hasPrefix(address + " "), "\(name): \(outcome)", sourceLocation: sourceLocation)
  }

  /// Expects that the next service answers for what the host does not, and that it takes no longer than that.
  func expectFallback(
    _ name: String = "fallback", within most: Duration = .milliseconds(2500), sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let time = try await ContinuousClock().measure {
      let outcome = try await program.run("getent", "hosts", name)
      #expect(outcome.output.hasPrefix(Self.fallback + " "), "\(name): \(outcome)", sourceLocation: sourceLocation)
    }
    #expect(time <= most, sourceLocation: sourceLocation)
  }

  /// What came of a call: the status, errno and h_errno, and how long it took.
  struct Said: Sendable, CustomStringConvertible {
    var codes: [Int]
    var milliseconds: Int

    static let success = [1, 0, 0]

    init(_ line: some StringProtocol) throws {
      let numbers = line.split(separator: " ").compactMap { Int($0) }
      try #require(numbers.count == 4, "\(line)")
      (codes, milliseconds) = (Array(numbers.prefix(3)), numbers[3])
    }

    var description: String { "\(codes) after \(milliseconds) ms" }
  }

  func ask(_ name: String) async throws -> Said {
    let outcome = try await contract.run("ask", name)
    return try Said(try #require(outcome.output.split(separator: "\n").first, "\(outcome)"))
  }

  func expect(_ codes: [Int], of name: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let said = try await ask(name)
    #expect(said.codes == codes, "\(name): \(said)", sourceLocation: sourceLocation)
  }

  /// A process that asks for one name after the other.
  struct Asker: Sendable {
    fileprivate let folder: WorkFolder
    /// Lets it ask for the next name.
    let next: @Sendable () async throws -> Void

    /// What came of a name, by its number from 0.
    func said(_ index: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws -> Said {
      func lines() -> [Substring] { folder.text(of: "said").split(separator: "\n", omittingEmptySubsequences: false).dropLast() }
      try await eventually("it has asked for name \(index)", sourceLocation: sourceLocation) { lines().count > index }
      return try Said(lines()[index])
    }
  }

  /// Asks for these names in one process: the first at once, each other one when it is told so.
  func asking(_ names: String..., body: @Sendable (Asker) async throws -> Void) async throws {
    let output = try FileDescriptor.open(
      FilePath(folder["said"]), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    let contract = contract
    let result = try await Subprocess.run(
      .path(FilePath(contract.path)), arguments: Arguments(contract.words + ["ask"] + names),
      environment: contract.subprocessEnvironment, input: .inputWriter,
      output: .fileDescriptor(output, closeAfterSpawningProcess: true), error: .string(limit: 1 << 20)
    ) { execution -> Result<Void, any Error> in
      let outcome: Result<Void, any Error>
      let writer = execution.standardInputWriter
      do {
        try await body(Asker(folder: folder) { _ = try await writer.write([UInt8(ascii: "\n")]) })
        outcome = .success(())
      } catch {
        outcome = .failure(error)
        try? execution.send(signal: .kill)
      }
      try await writer.finish()
      return outcome
    }
    try result.closureResult.get()
    #expect(result.terminationStatus.isSuccess, "\(result.standardError)")
  }
}

extension Built {
  static let nssModule = ProcessInfo.processInfo.environment["NSPHOST_NSS_MODULE"] ?? package + "/build/libnss_nsp.so.2"
}
