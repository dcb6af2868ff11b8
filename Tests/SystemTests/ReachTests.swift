import Foundation
import Testing

/// Which host a program reaches, at each of the ways to one: the command, libnsp, glibc's module and NSPClient. By the environment, the user and
/// the rights that a program runs with.
@Suite(.enabled(if: geteuid() == 0, "programs of other users take root"), .timeLimit(.minutes(5))) struct ReachTests {
  private typealias Body =
    @Sendable (
      Reach, _ machine: Reach.Running, _ user: Reach.Running, _ named: Reach.Running
    ) async throws -> Void

  /// Hosts of the machine, of a user, and one whose configuration has moved it.
  /// - Parameter areKilled: The body kills the one of the user and the one that is moved.
  private static func serve(areKilled: Bool = false, _ body: Body) async throws {
    let reach = try await Reach()
    let status: Int32 = areKilled ? 128 + SIGKILL : 0
    try await reach.serve("machine", "192.0.2.1") { machine in
      try await reach.serve("user", "192.0.2.2", under: reach.user(), endsWith: status) { user in
        let configuration = "socket = \"\(reach.folder["named"])\""
        try await reach.serve("named", "192.0.2.3", .worker, configuration, endsWith: status) { named in
          try await body(reach, machine, user, named)
        }
      }
    }
  }

  @Test("NSP_SOCKET goes before a user's own host, and that before the machine's; hosts that have been moved say so")
  func places() async throws {
    try await Self.serve { reach, machine, user, named in
      // A host that listens where clients look says no more.
      #expect(!machine.mustBeNamed && !user.mustBeNamed)
      #expect(user.said.contains("on \(reach.folder["user"])/nsphost/socket"), "\(user.said)")
      #expect(named.said.contains("clients must set NSP_SOCKET=\(reach.folder["named"])"), "\(named.said)")
      let isNamed = "NSP_SOCKET=" + reach.folder["named"]
      try await reach.expectEverywhere("192.0.2.1")
      try await reach.expectEverywhere("192.0.2.1", Reach.nobody)
      // Root has no host of its own.
      try await reach.expectEverywhere("192.0.2.1", ["env", "XDG_RUNTIME_DIR=" + reach.folder["user"]])
      try await reach.expectEverywhere("192.0.2.2", reach.user())
      try await reach.expectEverywhere("192.0.2.3", reach.user(isNamed))
      try await reach.expectEverywhere("192.0.2.2", reach.user("NSP_SOCKET="))
      try await reach.expect(
        lines: ["192.0.2.3  where"],
        of: reach.user("NSP_SOCKET=/run/nsphost/socket") + reach.words(.command) + ["--socket", reach.folder["named"]])
      // A configuration that names a socket moves no client.
      try await reach.expect("192.0.2.1", by: .command)
      try await Self.shows(reach, reach.folder["named"])
      try await Self.shows(reach, "/x", ["env", "NSP_SOCKET=/x"])
    }
  }

  /// Expects that `config show` tells where a host would listen.
  private static func shows(_ reach: Reach, _ socket: String, _ before: [String] = []) async throws {
    let outcome = try await reach.run(before + [Built.nsphost, "config", "show", "--config", reach.folder["named.toml"]])
    let line = outcome.lines.first { $0.hasPrefix("socket ") }?.split(separator: " ")
    #expect(line?.dropFirst().first.map(String.init) == socket, "\(outcome)")
  }

  @Test("a set-user-ID program goes by nothing of its environment")
  func setUserID() async throws {
    try await Self.serve { reach, _, _, _ in
      let hostile = reach.user("NSP_SOCKET=" + reach.folder["named"])
      for way in ["libnsp", "names"] {
        try await reach.expect(lines: ["192.0.2.1"], of: hostile + [reach.folder["reach-setuid"], way, "where"])
      }
      let command = hostile + [reach.folder["nsphost-setuid"], "lookup", "where", "--namespace", "dns"]
      try await reach.expect(lines: ["192.0.2.1  where"], of: command)
      // The same program without those rights.
      try await reach.expect("192.0.2.3", by: .library, hostile)
    }
  }

  @Test("a user's host that has died leaves the machine's, one that was named leaves no other; one that came back is found")
  func died() async throws {
    try await Self.serve(areKilled: true) { reach, _, user, named in
      try await user.crash()
      #expect(reach.folder.has("user/nsphost/socket"))
      try await reach.expectEverywhere("192.0.2.1", reach.user())

      try await named.crash()
      let isNamed = ["env", "NSP_SOCKET=" + reach.folder["named"]]
      try await reach.expect("10050", by: .library, isNamed)
      try await reach.expect(Reach.files, by: .module, isNamed)
      try await reach.expect("WSAENETDOWN (10050)", by: .swift, isNamed)
      try await reach.expect(
        status: 69, "no host listens there", of: [Built.nsphost, "lookup", "where", "--socket", reach.folder["named"]])

      try await reach.serve("again", "192.0.2.2", under: reach.user()) { _ in
        try await reach.expectEverywhere("192.0.2.2", reach.user())
      }
    }
  }

  @Test("the machine's socket by another path needs nothing to be set; another file in its folder does")
  func alias() async throws {
    let reach = try await Reach()
    try FileManager.default.createSymbolicLink(atPath: reach.folder["run/other"], withDestinationPath: "nsphost")
    try await reach.serve("alias", "192.0.2.4", .inProcess, "socket = \"/run/other/alias\"") { alias in
      #expect(alias.said.contains("clients must set NSP_SOCKET=/run/other/alias"), "\(alias.said)")
    }
    try await reach.serve("alias", "192.0.2.4", .inProcess, "socket = \"/run/other/socket\"") { alias in
      #expect(!alias.mustBeNamed, "\(alias.said)")
      try await reach.expectEverywhere("192.0.2.4")
    }
  }
}
