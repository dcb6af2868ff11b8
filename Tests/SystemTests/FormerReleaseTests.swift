import Foundation
import Testing

/// Where its libraries and its sources are.
private enum Former {
  static let commit = try? String(contentsOfFile: Built.package + "/Tests/last-release", encoding: .utf8)
  static let folder = Built.package + "/build/last-release/" + (commit ?? "").trimmingCharacters(in: .newlines)
  static let exists = FileManager.default.fileExists(atPath: folder + "/libnsp.so.0")
}

/// Programs of the last release on this host: its libnsp.so and its module for glibc, with a client and a provider in C that were linked with that
/// library. `make last-release` builds both libraries of the commit that Tests/last-release names, where the repository has its history; a copy without it
/// has no last release to try.
@Suite(.timeLimit(.minutes(5))) struct FormerReleaseTests {
  /// A folder that stands in the place of /run and of /etc/nsswitch.conf for its programs: nothing of the machine's own is touched.
  private struct Place: Sendable {
    let folder: WorkFolder

    init() async throws {
      folder = try WorkFolder()
      for name in ["run/nsphost", "lib", "plugins"] { try folder.make(name) }
      try folder.write("hosts: nsp\n", to: "nsswitch.conf")
      for name in ["hello", "addressbook"] { try folder.copy(Built.samples + "/\(name).so", to: "plugins/\(name).so") }
      for name in ["libnsp.so.0", "libnss_nsp.so.2"] { try folder.copy(Former.folder + "/" + name, to: "lib/" + name) }
      try FileManager.default.createSymbolicLink(atPath: folder["lib/libnsp.so"], withDestinationPath: "libnsp.so.0")
    }

    /// A program that finds its host where programs do that are told nothing.
    func program(_ path: String, environment: [String: String] = [:]) -> Program {
      let mounts = "mount --bind \"$0/run\" /run && mount --bind \"$0/nsswitch.conf\" /etc/nsswitch.conf && exec \"$@\""
      let unset = ["NSP_SOCKET", "XDG_RUNTIME_DIR", "NSP_NSS_BYPASS"].flatMap { ["-u", $0] }
      let namespace =
        ["unshare"] + (geteuid() == 0 ? [] : ["--user", "--map-root-user"]) + ["--mount", "--propagation", "private"]
      return Program(
        path: "/usr/bin/env", environment: environment, words: unset + namespace + ["sh", "-c", mounts, folder.path, path])
    }

    /// One of the last release's programs, linked with its library.
    func former(_ name: String) async throws -> Program {
      let sources = Former.folder + "/source"
      let headers = ["ABI/CWinsock/include", "CWinsock/include"].map { "\(sources)/Sources/\($0)" }
        .first { FileManager.default.fileExists(atPath: $0) }
      let clang = Program(path: "/usr/bin/env")
      let compiled = try await clang.run(
        "clang", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I" + (try #require(headers)),
        "\(sources)/Tests/Clients/\(name).c", "-o", folder[name], "-L" + folder["lib"], "-lnsp", "-pthread")
      try #require(compiled.status == 0, "\(compiled)")
      return program(folder[name], environment: ["LD_LIBRARY_PATH": folder["lib"]])
    }

    /// A host of today beside the body.
    func serve(_ body: @Sendable (_ nsphost: Program) async throws -> Void) async throws {
      let nsphost = program(Built.nsphost, environment: ["STATE_DIRECTORY": folder["state"]])
      let served = try await nsphost.beside("serve", "--plugins", folder["plugins"]) { server in
        for name in ["hello", "addressbook"] {
          try await eventually("\(name) is there: \(server.printed)") {
            try await nsphost.run("providers", "--exists", name).status == 0
          }
        }
        try await body(nsphost)
        kill(server.processID, SIGTERM)
      }
      #expect(served.outcome.status == 0, "\(served.outcome)")
    }
  }

  @Test("its client resolves names, lists the providers, registers a name and takes it back, and has 100 threads")
  func client() async throws {
    guard Former.exists else { return }
    let place = try await Place()
    let client = try await place.former("client")
    try await place.serve { _ in
      try await client.expect(0, "hello 192.0.2.1 7", of: "start", "resolve=hello", "cleanup")
      try await client.expect(0, of: "start", "fails=10108:nobody", "cleanup")
      try await client.expect(0, "addressbook 37 1", of: "start", "providers", "cleanup")
      try await client.expect(
        0, "a@example.org 10.0.0.7 5060",
        of: "start", "publish=a@example.org", "resolve=a@example.org", "withdraw=a@example.org", "cleanup")
      try await client.expect(0, of: "start", "many", "cleanup")
    }
  }

  @Test("its provider is served, and taken back")
  func provider() async throws {
    guard Former.exists else { return }
    let place = try await Place()
    let advertiser = try await place.former("advertiser")
    try await place.serve { nsphost in
      try await advertiser.expect(0, of: "start", "install=former:1000", "cleanup")
      let id = try await advertiser.run("id=former").output.trimmingCharacters(in: .newlines)
      let offered = try await advertiser.beside("start", "advertise=former", "wait", "cleanup") { companion in
        try await companion.prints("ready")
        let found = try await nsphost.run("lookup", "x", "--provider", id)
        #expect(found.output + found.errors == "192.0.2.9:99  x\n", "\(found)")
      }
      #expect(offered.outcome.status == 0, "\(offered.outcome)")
    }
  }

  @Test("glibc's module of it resolves a name")
  func module() async throws {
    guard Former.exists else { return }
    let place = try await Place()
    try await place.serve { _ in
      let getent = place.program("getent", environment: ["LD_LIBRARY_PATH": place.folder["lib"]])
      try await getent.expect(0, "192.0.2.1", of: "ahostsv4", "hello")
    }
  }
}
