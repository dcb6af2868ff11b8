import Foundation
import Testing

/// "There is no such name" is said only where everybody has said so: providers that are killed, quarantined, late, that fail their startup, whose
/// database or server is of no use, each beside one that says no, at every way in.
@Suite(.timeLimit(.minutes(10))) struct OutageTests {
  @Test("names that nobody has, that somebody has, and of which somebody has no data", arguments: Isolation.allCases)
  func everybodyIsThere(_ isolation: Isolation) async throws {
    try await Outage().serve(isolation, ["frail"]) { outage in
      try await outage.isMissing("nobody")
      try await outage.isThere()
      try await outage.expect(glibc: "192.0.2.7", of: "known")
      try await outage.expect(library: "data: 11004, 10110", of: "data")
      try await outage.nsphost.expect(2, "WSANO_DATA", of: "lookup", "data")
      try await outage.expect(glibc: "EAI_NODATA", of: "data")

      let registered = try await outage.nsphost.run("register", "frail-one", "--address", "192.0.2.1:1")
      #expect(registered.status == 0, "\(registered)")
      // Those that serve such names.
      #expect(registered.lines.count == 2 && registered.lines.last == "    frail  done", "\(registered)")
      try await outage.nsphost.expect(1, "WSAEOPNOTSUPP", of: "register", "other", "--address", "192.0.2.1:1")
    }
  }

  @Test("a provider has no answer for now, or runs out of time: WSATRY_AGAIN, with the reason", arguments: Isolation.allCases)
  func noAnswer(_ isolation: Isolation) async throws {
    try await Outage().serve(isolation, ["frail"]) { outage in
      // Which is no matter of time.
      try await outage.isDown("again", "frail could not answer: it cannot tell for now (WSATRY_AGAIN)")
      try await outage.isDown("hang", "frail could not answer: no answer in time")
      // An answer that somebody has is one all the same.
      try await outage.isThere()
    }
  }

  @Test("a provider whose startup fails, and later does not", arguments: Isolation.allCases)
  func startup(_ isolation: Isolation) async throws {
    // Of a host that glibc has not asked before: its session there begins with the startup.
    try await Outage().serve(isolation, ["frail"]) { outage in
      try outage.folder.write("", to: "broken")
      try await outage.isDown("nobody", "its startup failed")
      try await outage.isFailing("frail", "its startup failed")
      try await outage.isThere()
      try FileManager.default.removeItem(atPath: outage.folder["broken"])
      try await outage.isMissing("nobody")
      try await outage.isReady("frail")
    }
  }

  @Test(
    "a damaged database: the store is failing before anybody has asked; with another one it is ready again",
    arguments: Isolation.allCases)
  func damagedDatabase(_ isolation: Isolation) async throws {
    let outage = try await Outage()
    try await outage.serve(isolation, ["directory"]) { try await $0.isReady("directory") }
    try outage.removeDatabase()
    try outage.folder.write("this is no database, and of a certain length", to: "state/directory.db")
    try await outage.serve(isolation, ["directory"]) { outage in
      try await outage.isFailing("directory", "is not a database")
      try await outage.isDown("nobody", "it is failing: ")
      try await outage.isThere()
      try await outage.nsphost.expect(1, "WSAEPROVIDERFAILEDINIT", of: "register", "one", "--address", "192.0.2.1:1")

      try outage.removeDatabase()
      try await eventually("the store has made another one") { try await outage.nsphost.run("lookup", "nobody").status == 2 }
      try await outage.isMissing("nobody")
      try await outage.isReady("directory")
    }
  }

  @Test("a database that can't be written: failing, with the file", arguments: Isolation.allCases)
  func readOnlyDatabase(_ isolation: Isolation) async throws {
    let outage = try await Outage()
    try await outage.serve(isolation, ["directory"]) { try await $0.isReady("directory") }
    let state = outage.folder["state"]
    let mounts = "mount --bind \(state) \(state) && mount -o remount,bind,ro \(state) && exec \"$@\""
    let under = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, "sh"]
    try await outage.serve(isolation, ["directory"], under: under) { outage in
      try await outage.isFailing("directory", outage.folder["state/directory.db"])
      try await outage.isDown("nobody", "it is failing: ")
    }
  }

  @Test("a server that answers SERVFAIL, and one that never answers", arguments: Isolation.allCases)
  func servers(_ isolation: Isolation) async throws {
    let outage = try await Outage()
    for (mode, settings, reason) in [
      ([], "", "it cannot tell for now (WSATRY_AGAIN)"), (["silent"], "timeout-ms = 100\ntries = 1\n", "no answer in time"),
    ] {
      let script = Built.package + "/Tests/Clients/servfail.py"
      let port = mode.isEmpty ? "port" : "silent-port"
      let server = Program(path: "/usr/bin/env", words: ["python3", script, outage.folder[port]] + mode)
      _ = try await server.beside(printing: outage.folder["server"]) { process in
        defer { kill(process, SIGKILL) }
        try await eventually("the server serves") { outage.folder.has(port) }
        let address = "servers = [\"127.0.0.1:\(outage.folder.text(of: port))\"]\nsearch = []\n"
        try await outage.serve(isolation, ["dns"], "[providers.dns.settings]\n" + address + settings) { outage in
          try await outage.isDown("nobody.example", "dns could not answer: " + reason)
        }
      }
    }
  }

  @Test("servers that are none: failing, with the reason", arguments: Isolation.allCases)
  func noServers(_ isolation: Isolation) async throws {
    try await Outage().serve(isolation, ["dns"], "[providers.dns.settings]\nservers = [\"nobody\"]\n") { outage in
      try await outage.isFailing("dns", "of servers, is no address")
      try await outage.isDown("nobody", "it is failing: ")
      try await outage.isThere()
    }
  }

  // MARK: a process that dies

  @Test("killed: from its death until it serves again nobody is told that there is no such name")
  func killed() async throws {
    try await Outage().serve(.worker, ["frail"]) { outage in
      for _ in 0..<2 {
        try await outage.killWorker()
        try await eventually("it comes back") {
          let library = try await outage.asked("known")
          let glibc = try await outage.glibc("known")
          for word in ["10108", "11001", "11004"] { #expect(!library.contains(word), "\(library)") }
          #expect(!glibc.hasPrefix("EAI_N"))
          return library == "known: 0, 10110; 0" && glibc == "192.0.2.7"
        }
      }
    }
  }

  @Test("quarantined: nobody says that a name is missing; enabled it answers again; disabled it does not count")
  func quarantined() async throws {
    let id = "6b1f0c52-7a3e-4d19-8c05-2ef1946db738"
    try await Outage().serve(.worker, ["frail"]) { outage in
      let nsphost = outage.nsphost
      try await eventually("killed again and again it is quarantined") {
        if try await outage.host.state(of: "frail") == "quarantined" { return true }
        try await outage.killWorker()
        return false
      }
      try await outage.isDown("nobody", "frail could not answer: its process has died too often and is quarantined")
      // Nor one that it would know.
      try await outage.expect(library: "known: 11002, 10110; 11002", of: "known")
      try await outage.expect(glibc: "EAI_AGAIN", of: "known")
      // Named, watched, registered with.
      let named = try await outage.library.run("-i", id, "known")
      #expect(named.output == "known: begin 11002\n", "\(named)")
      try await nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "known", "--provider", id)
      try await nsphost.expect(1, "WSATRY_AGAIN", of: "watch", "known", "--once")
      try await nsphost.expect(1, "its process has died too often", of: "register", "frail-two", "--address", "192.0.2.1:1")
      try await outage.isThere()

      try await nsphost.run("enable", "frail")
      try await outage.isMissing("nobody")
      try await outage.expect(glibc: "192.0.2.7", of: "known")
      try await nsphost.run("disable", "frail")
      try await outage.isMissing("known")
      try await nsphost.run("enable", "frail")
      try await outage.expect(glibc: "192.0.2.7", of: "known")
    }
  }
}
