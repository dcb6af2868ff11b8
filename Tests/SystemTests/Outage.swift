import Foundation
import Testing

/// Hosts of which some providers may be down, beside `hosts`, which knows "there" and says no to all else; and every way to ask them: libnsp, the
/// command, its watch, and glibc, which has no other service.
struct Outage: Sendable {
  let folder: WorkFolder
  private let view: MountView
  private let frail: String

  init() async throws {
    folder = try WorkFolder()
    for name in ["run/nsphost", "lib", "made"] { try folder.make(name) }
    try folder.write("hosts: nsp\n", to: "nsswitch.conf")
    try folder.write("192.0.2.9 there\n", to: "hosts")
    try folder.copy(Built.package + "/build/libnss_nsp.so.2", to: "lib/libnss_nsp.so.2")
    view = MountView(places: [
      (folder["run"], "/run"), (folder.path, "/run/nsphost"), (folder["nsswitch.conf"], "/etc/nsswitch.conf"),
    ])
    frail = folder["made/frail.so"]
    try await compile([Built.package + "/Tests/Clients/frail.c"], ["-shared", "-fPIC"], to: frail)
  }

  /// Runs a host with these providers that is asked in the body.
  func serve(
    _ isolation: Isolation, _ providers: [String], _ settings: String = "", under: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation, _ body: @Sendable (Asked) async throws -> Void
  ) async throws {
    let names = ["hosts"] + providers
    var configuration = "[providers.hosts.settings]\nfiles = [\"\(folder["hosts"])\"]\n"
    if providers.contains("frail") { configuration += "[providers.frail.settings]\nbroken = \"\(folder["broken"])\"\n" }
    for name in names { configuration += "[providers.\(name)]\nisolation = \"\(isolation.rawValue)\"\ndeadline-ms = 700\n" }
    let plugins = try names.map { $0 == "frail" ? Plugin(file: frail) : try Plugin.shipped($0, isolation) }
    try await Host.serve(
      configuration + settings, plugins, options: ["--log", "debug"], in: folder, inside: view, under: under,
      sourceLocation: sourceLocation
    ) { host in
      try await host.isReady("hosts", sourceLocation: sourceLocation)
      let library = try await host.client(Built.package + "/Tests/Clients/outages.c")
      try await body(Asked(host: host, folder: folder, library: library, view: view))
    }
  }

  func removeDatabase() throws { try Asked.removeDatabase(folder) }

  /// One of these hosts, and what is expected of it.
  struct Asked: Sendable {
    let host: Host
    let folder: WorkFolder
    /// See outages.c.
    let library: Program
    fileprivate let view: MountView

    var nsphost: Program { host.nsphost }

    /// What the client library says.
    func asked(_ name: String) async throws -> String {
      try await library.run(name).output.trimmingCharacters(in: .newlines)
    }

    /// What glibc's getaddrinfo says: an address, or the code of the error.
    func glibc(_ name: String) async throws -> String {
      let script = """
        import socket, sys
        codes = {socket.EAI_AGAIN: "EAI_AGAIN", socket.EAI_NONAME: "EAI_NONAME", socket.EAI_NODATA: "EAI_NODATA"}
        try: print(socket.getaddrinfo(sys.argv[1], None, socket.AF_INET)[0][4][0])
        except socket.gaierror as error: print(codes.get(error.errno, error.errno))
        """
      let words = ["-u", "NSP_SOCKET", "-u", "XDG_RUNTIME_DIR", "-u", "NSP_NSS_BYPASS", "python3", "-c", script]
      let program = Program(path: "/usr/bin/env", environment: ["LD_LIBRARY_PATH": folder["lib"]], words: words)
      let outcome = try await program.inside(view).run(name)
      return outcome.status == 0 ? outcome.output.trimmingCharacters(in: .newlines) : outcome.description
    }

    /// What comes before the semicolon is enough where there is none in what is expected.
    func expect(library expected: String, of name: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      let said = try await asked(name)
      #expect(
        said == expected || !expected.contains(";") && said.hasPrefix(expected + "; "), "expected \(expected), not \(said)",
        sourceLocation: sourceLocation)
    }

    func expect(glibc expected: String, of name: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      let said = try await glibc(name)
      #expect(said == expected, "glibc, of \(name)", sourceLocation: sourceLocation)
    }

    /// A name that nobody has, while somebody is down: the same at every way in. What the command gives as the reason is in it.
    func isDown(_ name: String, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      try await expect(library: "\(name): 11002, 10110; 11002", of: name, sourceLocation: sourceLocation)
      try await nsphost.expect(1, reason, of: "lookup", name, sourceLocation: sourceLocation)
      try await nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", name, sourceLocation: sourceLocation)
      try await nsphost.expect(1, reason, of: "lookup", name, "--explain", sourceLocation: sourceLocation)
      struct Document: Decodable {
        struct Failure: Decodable {
          struct Provider: Decodable { var provider: String, detail: String }
          var unanswered: [Provider]
        }
        var error: Failure
      }
      try await nsphost.expect(1, of: "lookup", name, "--json", sourceLocation: sourceLocation)
      let unanswered = try await nsphost.document(Document.self, "lookup", name).error.unanswered
      let reasons = unanswered.map { "\($0.provider) could not answer: \($0.detail)" }
      #expect(reasons.count == 1 && reasons[0].contains(reason), "\(reasons)", sourceLocation: sourceLocation)
      try await expect(glibc: "EAI_AGAIN", of: name, sourceLocation: sourceLocation)
    }

    /// The same of a name that all have been asked for.
    func isMissing(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      try await expect(library: "\(name): 10108, 10110", of: name, sourceLocation: sourceLocation)
      try await nsphost.expect(2, "WSASERVICE_NOT_FOUND", of: "lookup", name, sourceLocation: sourceLocation)
      try await expect(glibc: "EAI_NONAME", of: name, sourceLocation: sourceLocation)
      try await nsphost.expect(2, "nobody has it now", of: "watch", name, "--once", sourceLocation: sourceLocation)
    }

    func isThere(sourceLocation: SourceLocation = #_sourceLocation) async throws {
      try await expect(library: "there: 0, 10110; 0", of: "there", sourceLocation: sourceLocation)
      try await nsphost.expect(0, of: "lookup", "there", sourceLocation: sourceLocation)
      try await expect(glibc: "192.0.2.9", of: "there", sourceLocation: sourceLocation)
    }

    func isFailing(_ provider: String, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      let exists = try await nsphost.run("providers", "--exists", provider)
      #expect(exists.status != 0, "\(exists)", sourceLocation: sourceLocation)
      let shown = try await host.providers.first { $0.name == provider }
      #expect(
        shown?.state == "failing" && shown?.reason?.contains(reason) == true, "\(String(describing: shown))",
        sourceLocation: sourceLocation)
      let text = try await nsphost.run("providers").output
      let line = text.range(of: "\(provider) is failing: ")
      #expect(
        text.contains(" failing\n") && line.map { text[$0.upperBound...].contains(reason) } == true, "\(text)",
        sourceLocation: sourceLocation)
      let inspected = try await nsphost.run("inspect", provider).output
      let state = inspected.range(of: "state: failing")
      #expect(
        state.map { inspected[$0.upperBound...].contains(reason) } == true, "\(inspected)", sourceLocation: sourceLocation)
      struct Document: Decodable {
        struct Provider: Decodable { var state: String, reason: String? }
        var provider: Provider
      }
      let document = try await nsphost.document(Document.self, "inspect", provider).provider
      #expect(
        document.state == "failing" && document.reason?.contains(reason) == true, "\(document)", sourceLocation: sourceLocation)
    }

    func isReady(_ provider: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      try await nsphost.expect(0, of: "providers", "--exists", provider, sourceLocation: sourceLocation)
      let failing = try await host.providers.filter { $0.state == "failing" }
      #expect(failing.isEmpty, sourceLocation: sourceLocation)
    }

    func removeDatabase() throws { try Self.removeDatabase(folder) }

    fileprivate static func removeDatabase(_ folder: WorkFolder) throws {
      for name in try FileManager.default.contentsOfDirectory(atPath: folder["state"]) where name.hasPrefix("directory.db") {
        try FileManager.default.removeItem(atPath: folder["state/" + name])
      }
    }

    /// Ends the process of `frail`, where there is one.
    func killWorker() async throws {
      struct Document: Decodable {
        struct Provider: Decodable {
          struct Process: Decodable { var pid: Int32? }
          var process: Process?
        }
        var provider: Provider
      }
      guard let worker = try await nsphost.document(Document.self, "inspect", "frail").provider.process?.pid else { return }
      kill(worker, SIGKILL)
    }
  }
}
