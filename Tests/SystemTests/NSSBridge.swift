import Foundation
import Testing

/// Modules of glibc's name service switch in a folder of their own, for the provider that asks such modules.
struct NSSBridge: Sendable {
  let folder: WorkFolder

  /// Ours are made of Tests/Plugins/nss/scripted.c, each with other functions.
  private static let functions = [
    "scripted": ["4", "3", "ADDRESS2", "SERVICES"], "families": ["2", "ADDRESS"], "plain": ["PLAIN"],
    "dns": ["4", "3", "ADDRESS2"], "last": ["4", "SERVICES"],
  ]

  var modules: String { folder["modules"] }

  /// - Parameter modules: The names of ours; and "broken", which is no library.
  init(_ modules: String...) async throws {
    folder = try WorkFolder()
    try folder.make("modules")
    for name in modules where name != "broken" {
      let functions = try #require(Self.functions[name]).map { "-DHAS_" + $0 } + (name == "last" ? ["-DLAST"] : [])
      try await compile(
        [Built.package + "/Tests/Plugins/nss/scripted.c"],
        ["-shared", "-fPIC", "-fvisibility=hidden", "-DMODULE=" + name] + functions, to: file(name))
    }
    if modules.contains("broken") { try folder.write("no shared object\n", to: "modules/libnss_broken.so.2") }
  }

  func file(_ module: String) -> String { modules + "/libnss_\(module).so.2" }

  /// Adds the modules of a package of Debian. It is unpacked, not installed: that would change how this machine looks names up.
  func add(package: String) async throws {
    let (env, cache) = (Program(path: "/usr/bin/env"), Built.package + "/build/debian")
    func kept() -> String? {
      let files = (try? FileManager.default.contentsOfDirectory(atPath: cache)) ?? []
      return files.filter { $0.hasPrefix(package + "_") && $0.hasSuffix(".deb") }.max()
    }
    if kept() == nil {
      try FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: true)
      let fetch = "cd '\(cache)' && { apt-get download \(package) || { apt-get update && apt-get download \(package); }; }"
      try await env.run("sh", "-c", fetch)
    }
    let file = try #require(kept(), "\(package) is not in build/debian and can't be downloaded")
    let unpack = "dpkg -x \"$0\" \"$1\" && cp \"$1\"/usr/lib/*-linux-gnu/libnss_*.so.2 \"$2\""
    let outcome = try await env.run("sh", "-c", unpack, cache + "/" + file, folder["debian"], modules)
    try #require(outcome.status == 0, "\(outcome)")
  }

  /// A host with the provider alone, which asks these modules. When the body has ended, so have the sessions.
  /// - Parameters:
  ///   - deadline: Milliseconds. Usually nobody is given up, however busy the machine is.
  ///   - settings: In the place of the usual ones.
  func serve(
    _ isolation: Isolation, asking modules: String..., deadline: Int = 60_000, settings: String? = nil, isKilled: Bool = false,
    inside view: MountView? = nil, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @Sendable (Host) async throws -> Void
  ) async throws {
    let listed = modules.map { "\"\($0)\"" }.joined(separator: ", ")
    let usual = "modules = [\(listed)]\nfolder = \"\(self.modules)\"\n"
    let configuration =
      "[providers.nss]\ndeadline-ms = \(deadline)\ngrace-ms = 2000\n[providers.nss.settings]\n" + (settings ?? usual)
    let plugin = try Plugin.shipped("nss", isolation)
    try await Host.serve(
      configuration, [plugin], options: ["--log", "debug"], isKilled: isKilled, inside: view, sourceLocation: sourceLocation
    ) { host in
      try await host.loads("nss", sourceLocation: sourceLocation)
      try await body(host)
      if !isKilled { try await host.settles(sourceLocation: sourceLocation) }
    }
  }
}

/// The classes of queries that such modules answer.
enum NSSClass: String, Sendable {
  case names = "2a801"
  case hosts = "2a800"
  case ports = "2a802"
  case addresses = "2a803"

  /// Words of a lookup.
  var words: [String] { ["--class", "000\(rawValue)-0000-0000-c000-000000000046"] }
}

extension Host {
  /// Shows all of what a client gets, as Tests/Plugins/nss/ask.c says.
  var ask: Program { get async throws { try await client(Built.package + "/Tests/Plugins/nss/ask.c") } }

  func lookup(_ name: String, _ class: NSSClass) async throws -> Program.Outcome {
    try await nsphost.run(["lookup", name] + `class`.words)
  }

  /// Expects that a lookup of that class fails so.
  func expect(
    _ status: Int32, _ text: String, of name: String, _ class: NSSClass, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let outcome = try await lookup(name, `class`)
    #expect(
      outcome.status == status && (outcome.output + outcome.errors).contains(text), "\(name): \(outcome)",
      sourceLocation: sourceLocation)
  }
}
