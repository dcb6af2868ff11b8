import Foundation
import Testing

/// What other users than the host's own may do.
@Suite(.timeLimit(.minutes(5)), .enabled(if: geteuid() == 0, "it takes root")) struct OtherUserTests {
  @Test("NSP-201 another user may look up, and neither see the calls of others nor change the catalog or classes")
  func strangers() async throws {
    try await Host.serveSamples { host in
      let nobody = host.nsphost.asUser(65534)
      try await nobody.expect(0, "192.0.2.1:7  hello", of: "lookup", "hello")
      try await nobody.expect(77, of: "calls")
      for name in ["catalog", "classes"] {
        let client = try await host.client(named: name)
        try await client.expect(0, of: "changes")
        try await client.asUser(65534).expect(0, of: "refused")
      }
    }
  }

  @Test("a configuration admits the members of a group, and turns away the others", arguments: [65534, 0])
  func groups(_ number: gid_t) async throws {
    let group = String(cString: try #require(getgrgid(number)).pointee.gr_name)
    let folder = try WorkFolder()
    let (configuration, socket) = (folder["nsphost.toml"], folder["socket"])
    try folder.write(
      "plugins = [\"\(Built.samples)\"]\nsocket = \"\(socket)\"\n[access]\ngroups = [\"\(group)\"]\n", to: "nsphost.toml")
    let nsphost = Program(
      path: "/usr/bin/env", environment: ["STATE_DIRECTORY": folder["state"]],
      words: ["-u", "NSP_SOCKET", "-u", "NSP_PLUGIN_PATH", Built.nsphost])
    try await nsphost.expect(0, "the configuration is good", of: "config", "check", "--config", configuration)
    let served = try await nsphost.beside("serve", "--config", configuration) { server in
      try await eventually("it serves: \(server.printed)") {
        try await nsphost.run("lookup", "--socket", socket, "hello").output.contains("192.0.2.1:7  hello")
      }
      let answer = try await nsphost.asUser(65534).run("lookup", "--socket", socket, "hello")
      if number == 65534 {
        #expect(answer.status == 0, "\(answer)")
      } else {
        #expect(answer.status != 0 && (answer.output + answer.errors).contains("WSAEACCES"), "\(answer)")
      }
      kill(server.processID, SIGTERM)
    }
    #expect(served.outcome.status == 0, "\(served.outcome)")
  }
}
