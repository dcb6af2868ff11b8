import Foundation
import Testing

/// Whose state a command uses and changes without a host: that of another user would be that user's own; here it is that of one who has
/// disabled a provider.
@Suite(.timeLimit(.minutes(2))) struct OwnStateTests {
  @Test(
    "a provider is disabled for good in the user's own state, which counts for the directories that everybody uses and not for others"
  )
  func ownState() async throws {
    let folder = try WorkFolder()
    try folder.make("home/nsphost")
    let samples = Built.samples
    var user = Program(
      path: "/usr/bin/env",
      environment: ["NSP_SOCKET": folder["nobody"], "XDG_STATE_HOME": folder["home"], "NSP_PLUGIN_PATH": samples],
      words: ["-u", "STATE_DIRECTORY", Built.nsphost])
    if geteuid() == 0 {
      for name in ["home", "home/nsphost"] { try #require(chown(folder[name], 65534, 65534) == 0) }
      user = user.asUser(65534)
    }
    let catalog = "home/nsphost/catalog.toml"
    try await user.expect(0, "kept in \(folder[catalog])", of: "disable", "hello")
    let before = folder.text(of: catalog)
    #expect(!before.isEmpty)
    try await user.expect(2, "WSA", of: "lookup", "hello", "--namespace", "dns")
    try await user.expect(0, "192.0.2.1:7  hello", of: "lookup", "hello", "--plugins", samples)
    try await user.expect(64, "STATE_DIRECTORY=/FOLDER", of: "enable", "hello", "--plugins", samples)
    #expect(folder.text(of: catalog) == before)
  }

  @Test("a folder that is named keeps it, and so does one that the configuration names")
  func named() async throws {
    let folder = try WorkFolder()
    var nsphost = Program(
      path: Built.nsphost, environment: ["STATE_DIRECTORY": folder["named"], "NSP_SOCKET": folder["socket"]])
    let disabled = try await nsphost.run("disable", "hello", "--plugins", Built.samples)
    let line = "disabled hello, for good: kept in \(folder["named/catalog.toml"])\n"
    #expect(disabled.status == 0 && disabled.output + disabled.errors == line, "\(disabled)")

    try folder.write("state = \"\(folder["configured"])\"\n", to: "nsphost.toml")
    let server = Program(
      path: "/usr/bin/env", environment: ["NSP_SOCKET": folder["socket"]], words: ["-u", "STATE_DIRECTORY", Built.nsphost])
    nsphost.environment["STATE_DIRECTORY"] = folder["state"]
    let command = nsphost
    let served = try await server.beside("serve", "--config", folder["nsphost.toml"], "--plugins", Built.samples) { server in
      try await eventually("it serves: \(server.printed)") { try await command.run("stats").status == 0 }
      try await command.expect(0, "kept in \(folder["configured/catalog.toml"])", of: "disable", "hello")
      kill(server.processID, SIGTERM)
    }
    #expect(served.outcome.status == 0, "\(served.outcome)")
  }
}
