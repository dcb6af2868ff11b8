import Foundation
import Testing

/// Hosts and programs that look for them where everybody does, in a view of the file system whose /run is a folder of the test's own. Each host
/// gives another address for "where", which tells them apart.
struct Reach: Sendable {
  /// What glibc's files say, where nobody else does.
  static let files = "192.0.2.200"
  static let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

  let folder: WorkFolder
  private let view: MountView

  init() async throws {
    folder = try WorkFolder()
    for name in ["run/nsphost", "lib", "plugins", "user"] { try folder.make(name) }
    try #require(chown(folder["user"], 65534, 65534) == 0)
    try folder.write("hosts: nsp files\npasswd: files\ngroup: files\n", to: "nsswitch.conf")
    try folder.write("127.0.0.1 localhost\n\(Self.files) where\n", to: "etc-hosts")
    view = MountView(places: [
      (folder["run"], "/run"), (folder["nsswitch.conf"], "/etc/nsswitch.conf"), (folder["etc-hosts"], "/etc/hosts"),
    ])
    try folder.copy(Built.folder + "/libNSPLibrary.so", to: "lib/libnsp.so.0")
    try FileManager.default.createSymbolicLink(atPath: folder["lib/libnsp.so"], withDestinationPath: "libnsp.so.0")
    try folder.copy(Built.package + "/build/libnss_nsp.so.2", to: "lib/libnss_nsp.so.2")
    for name in ["hosts.so", "hosts.toml"] { try folder.copy(Built.plugins + "/" + name, to: "plugins/" + name) }
    let clients = Built.package + "/Tests/Clients/"
    // By RPATH, which a set-user-ID program keeps, and which glibc goes by for its modules too.
    let library = ["-L" + folder["lib"], "-lnsp", "-Wl,-rpath," + folder["lib"], "-Wl,--disable-new-dtags"]
    try await compile([clients + "reach.c"], library, to: folder["reach-c"])
    try await compile([clients + "no-cookie.c"], ["-shared", "-fPIC", "-ldl"], to: folder["no-cookie.so"])
    for (program, copy) in [(folder["reach-c"], "reach-setuid"), (Built.nsphost, "nsphost-setuid")] {
      try folder.copy(program, to: copy)
      try FileManager.default.setAttributes([.posixPermissions: 0o4755], ofItemAtPath: folder[copy])
    }
  }

  /// Words before a command: nothing of the tests' environment says where a host is.
  private static let unset = [
    "NSP_SOCKET", "XDG_RUNTIME_DIR", "NSP_NSS_BYPASS", "NSP_PLUGIN_PATH", "STATE_DIRECTORY", "LD_LIBRARY_PATH",
  ].flatMap { ["-u", $0] }

  /// What stands before the command of a user whose own host is in the folder `user`.
  func user(_ variables: String...) -> [String] { Self.nobody + ["env", "XDG_RUNTIME_DIR=" + folder["user"]] + variables }

  func run(_ words: [String]) async throws -> Program.Outcome {
    try await Program(path: "/usr/bin/env", words: Self.unset).inside(view).run(words)
  }

  // MARK: the ways to a host

  enum Way: CaseIterable, Sendable { case command, library, module, swift }

  /// The words by which a program asks for "where".
  func words(_ way: Way) -> [String] {
    switch way {
    case .command: [Built.nsphost, "lookup", "where", "--namespace", "dns"]
    case .library: [folder["reach-c"], "libnsp", "where"]
    case .module: [folder["reach-c"], "names", "where"]
    case .swift: [Built.folder + "/reach", "where"]
    }
  }

  /// Expects that it is told this, or these lines, with such words before its command.
  func expect(
    _ expected: String, by way: Way, _ before: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let line = way == .command ? expected + "  where" : expected
    try await expect(lines: [line], of: before + words(way), sourceLocation: sourceLocation)
  }

  func expect(lines: [String], of words: [String], sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let outcome = try await run(words)
    #expect(outcome.lines == lines, "\(words.suffix(8)): \(outcome)", sourceLocation: sourceLocation)
  }

  func expect(status: Int32, _ text: String, of words: [String], sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let outcome = try await run(words)
    #expect(
      outcome.status == status && (text.isEmpty || (outcome.output + outcome.errors).contains(text)),
      "\(words.suffix(8)): \(outcome)", sourceLocation: sourceLocation)
  }

  /// Expects that all ways lead to the host with this address.
  func expectEverywhere(
    _ address: String, _ before: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    for way in Way.allCases { try await expect(address, by: way, before, sourceLocation: sourceLocation) }
  }

  /// What a program that moves to another network namespace and back is told.
  func expectMoving(_ lines: String..., before: [String] = [], sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await expect(lines: lines, of: before + [folder["reach-c"], "moves", "where"], sourceLocation: sourceLocation)
  }

  // MARK: hosts

  /// A host that runs.
  struct Running: Sendable {
    let process: Int32
    fileprivate let folder: WorkFolder
    fileprivate let name: String

    /// What it says when it serves.
    var said: String { folder.text(of: name + ".said") }
    var log: String { folder.text(of: name + ".log") }

    /// Whether clients have to be told where it is.
    var mustBeNamed: Bool { said.contains("NSP_SOCKET") }

    /// Ends it without a word. `serve` has to be told.
    func crash() async throws {
      kill(process, SIGKILL)
      try await eventually("it has ended") { ProcessEnd.isReached(by: process) }
    }
  }

  /// The words that run a host with this address for "where".
  func command(
    _ name: String, _ address: String, _ isolation: Isolation = .inProcess, _ configuration: String = "", under: [String] = []
  ) throws -> [String] {
    try folder.write("\(address) where\n", to: name + ".hosts")
    try folder.write(
      """
      \(configuration)
      [providers.hosts]
      isolation = "\(isolation.rawValue)"
      [providers.hosts.settings]
      files = ["\(folder[name + ".hosts"])"]

      """, to: name + ".toml")
    if !folder.has(name + ".state") {
      try folder.make(name + ".state")
      if under.starts(with: Self.nobody) { try #require(chown(folder[name + ".state"], 65534, 65534) == 0) }
    }
    // It may become another user, who can't open the log.
    return ["STATE_DIRECTORY=" + folder[name + ".state"], "sh", "-c", "exec \"$@\" 2>'\(folder[name + ".log"])'", "sh"] + under
      + [Built.nsphost, "serve", "--config", folder[name + ".toml"], "--plugins", folder["plugins"], "--log", "debug"]
  }

  /// Runs such a host beside the body.
  /// - Parameter status: How it ends.
  func serve<Value: Sendable>(
    _ name: String, _ address: String, _ isolation: Isolation = .inProcess, _ configuration: String = "",
    under: [String] = [], endsWith status: Int32? = 0, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (Running) async throws -> Value
  ) async throws -> Value {
    let words = try Self.unset + command(name, address, isolation, configuration, under: under)
    let program = Program(path: "/usr/bin/env", words: words).inside(view)
    let (outcome, value) = try await program.beside(printing: folder[name + ".said"]) { process in
      let host = Running(process: process, folder: folder, name: name)
      try await eventually("the host \(name) serves", sourceLocation: sourceLocation) {
        try #require(!ProcessEnd.isReached(by: process), "\(host.log)", sourceLocation: sourceLocation)
        return host.said.split(separator: "\n").contains { $0.hasPrefix("nsphost serves") }
      }
      let value = try await body(host)
      kill(process, SIGTERM)
      return value
    }
    #expect(status == nil || outcome.status == status, "\(folder.text(of: name + ".log"))", sourceLocation: sourceLocation)
    return value
  }

  /// Runs the body beside another network namespace: the words that start a program there.
  func withOtherNetwork<Value: Sendable>(_ body: @Sendable ([String]) async throws -> Value) async throws -> Value {
    let holder = Program(path: "/usr/bin/env", words: ["unshare", "--net", "cat"])
    @Sendable func network(_ process: String) -> String? {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/net")
    }
    return try await holder.beside(printing: folder["network"]) { process in
      try await eventually("it has a namespace of its own") { network("\(process)").map { $0 != network("self") } ?? false }
      return try await body(["nsenter", "--net=/proc/\(process)/ns/net"])
    }.value
  }
}
