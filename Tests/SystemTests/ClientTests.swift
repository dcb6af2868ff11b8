import Foundation
import Testing

/// What the client library promises to programs, asked by C programs of a real host.
@Suite(.timeLimit(.minutes(10))) struct ClientTests {
  @Test("without a host: WSAENETDOWN; a socket that nobody listens on is said, with status 69")
  func withoutHost() async throws {
    try await Host.serveSamples { host in
      var client = try await host.client(named: "client")
      client.environment["NSP_SOCKET"] = host.folder["nobody"]
      try await client.expect(0, of: "start", "fails=10050:hello", "cleanup")
      try await host.nsphost.expect(69, of: "lookup", "--socket", host.folder["nobody"], "hello")
    }
  }

  @Test(
    "NSP-045 NSP-056 NSP-057 NSP-133 to NSP-141 NSP-146 NSP-168 to NSP-178 the library checks what it is given, and keeps its promises"
  )
  func promises() async throws {
    try await Host.serveSamples { host in
      try await host.client(named: "client").expect(0, of: "arguments")
      try await host.client(named: "statements").expect(0)
      // At every offset and of every size.
      try await host.client(named: "buffers").expect(0)
      try await host.client(named: "catalog").expect(0, of: "events")
      try await host.settles()
    }
  }

  @Test(
    "NSP-203 to NSP-223 names are resolved and registered, by queries and by addresses in three styles, beside threads and forks")
  func names() async throws {
    try await Host.serveSamples { host in
      let client = try await host.client(named: "client")
      try await client.expect(0, "hello 192.0.2.1 7", of: "start", "resolve=hello", "cleanup")
      try await client.expect(0, of: "start", "fails=10108:nobody", "cleanup")
      try await client.expect(0, "addressbook 37 1", of: "start", "providers", "cleanup")
      try await client.expect(
        0, "a@example.org 10.0.0.7 5060",
        of: "start", "publish=a@example.org", "resolve=a@example.org", "withdraw=a@example.org", "cleanup")
      // 100 threads in one process; End from another thread answers a Next that waits; the final cleanup completes what is pending.
      for word in ["many", "cancel", "addresses", "registers", "cleanup-completes", "fork"] {
        try await client.expect(0, of: "start", word, "cleanup")
      }
      // 200 forks while 8 threads start, look up and end.
      try await client.expect(0, of: "many-forks")
      try await host.settles()
      let ledger = try await host.ledger
      #expect(ledger.startups > 0 && ledger.startups == ledger.cleanups + ledger.rundowns, "\(ledger)")
    }
  }

  @Test("a query has one id in its explanation, in the host's log and in the provider's")
  func queryID() async throws {
    try await Host.serveSamples { host in
      let explained = try await host.nsphost.run("lookup", "wait-20", "--explain")
      let line = try Regex<(Substring, Substring)>("(?m)^query ([0-9a-f]+)  wait-20 .*client pid [0-9]+ \\(nsphost, uid")
      let id = try #require(explained.output.firstMatch(of: line)?.1, "\(explained)")
      for text in ["lookup of wait-20", "slow: begins to wait", "slow: has waited", "slow: asked, 1 records"] {
        try await eventually("the log has \(id), \(text): \(host.log)") {
          host.log.split(separator: "\n").contains { $0.hasPrefix("debug: query \(id): \(text)") }
        }
      }
    }
  }

  @Test(
    "NSP-115 to NSP-127 NSP-183 to NSP-188 service classes are installed, changes of them are waited for, and they outlive their host"
  )
  func classes() async throws {
    let folder = try await Host.serveSamples(isKilled: true) { host in
      try await host.client(named: "classes").expect(0, of: "changes")
      try await host.die()
      return host.folder
    }
    try await Host.serveSamples(in: folder) { try await $0.client(named: "classes").expect(0, of: "kept") }
  }

  @Test("NSP-189 to NSP-200 NSP-226 the catalog is changed, and stays so when its host is killed")
  func catalog() async throws {
    let folder = try await Host.serveSamples(isKilled: true) { host in
      try await host.client(named: "catalog").expect(0, of: "changes")
      let warning =
        "warning: not uninstalled: hello was not installed: it is \(Built.samples)/hello.so, in a plugin directory: remove that file, "
        + "or disable the provider: nsphost disable hello"
      #expect(
        host.log.split(separator: "\n").contains { $0 == warning }, "NSP-197 how a file in a plugin directory goes: \(host.log)")
      try await host.die()
      return host.folder
    }
    try await Host.serveSamples(in: folder) { try await $0.client(named: "catalog").expect(0, of: "kept") }
  }
}
