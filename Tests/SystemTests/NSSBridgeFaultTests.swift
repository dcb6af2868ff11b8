import Foundation
import Testing

/// The bridge to modules of glibc's name service switch with modules that do everything that one should not: what comes of it, and what is said of it.
@Suite(.timeLimit(.minutes(10)), .enabled(if: geteuid() == 0, "it takes root")) struct NSSBridgeFaultTests {
  private static let fine = ["198.51.100.0  fine", "2001:db8::5   fine"]
  private static let fineAlias = ["-             fine-alias"]
  private static let all = "return-name,return-addr,return-aliases"

  /// A lookup fails, and the log says why the answer is none.
  private static func rubbish(
    _ name: String, _ pattern: String, _ host: Host, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try await host.nsphost.expect(1, "WSASYSCALLFAILURE", of: "lookup", name, sourceLocation: sourceLocation)
    try await host.writes(matching: "libnss_.*left rubbish: (\(pattern))", sourceLocation: sourceLocation)
  }

  /// As soon as the process of the provider is there again.
  private static func findsFine(_ host: Host) async throws {
    try await eventually("it answers again: \(host.log)") { try await host.nsphost.run("lookup", "fine").status == 0 }
    try await host.nsphost.expect(lines: fine, of: "lookup", "fine")
  }

  @Test(
    "buffers grow as far as an answer may, and a module that none contents is asked eleven times",
    arguments: Isolation.allCases)
  func buffers(_ isolation: Isolation) async throws {
    try await NSSBridge("scripted").serve(isolation, asking: "scripted") { host in
      let nsphost = host.nsphost
      // Addresses by the function that knows both families, aliases by the other.
      try await nsphost.expect(lines: Self.fine + Self.fineAlias, of: "lookup", "fine", "--flags", Self.all)
      // How often a buffer was offered: by the function for addresses with that for names of IPv4, then by that for names of IPv6.
      for (size, calls) in [("1000", ["2", "1"]), ("4096", ["6", "3"]), ("1048576", ["22", "11"])] {
        let names = try await nsphost.document(Answer.self, "lookup", "grow-" + size, "--flags", Self.all).names
        #expect(names.filter { $0.hasPrefix("calls-") }.map { String($0.dropFirst(6)) } == calls, "\(size): \(names)")
      }
      // A byte more is too much.
      try await nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "grow-1048577")
      try await nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "never")
      try await nsphost.expect(
        lines: [
          "198.51.100.0  calls-of-never", "2001:db8::5   calls-of-never", "-             0", "-             11",
        ], of: "lookup", "calls-of-never", "--flags", Self.all)
      // For addresses and services too.
      try await nsphost.expect(lines: ["198.51.100.0  grow-9000"], of: "lookup", "198.51.100.2")
      try await nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "198.51.100.3")
      try await host.ask.expect(
        lines: ["grow-9000 0 0.0.0.0 4711 6 1", "calls-5 1"], of: NSSClass.ports.rawValue, "grow-9000/tcp")
      try await host.expect(1, "WSATRY_AGAIN", of: "never", .ports)

      let many = try await nsphost.run("lookup", "many-4096").lines
      #expect(many.count == 4096 && many.contains { $0.hasPrefix("198.51.115.255 ") }, "\(many.count)")
      try await Self.rubbish("many-4097", "a list of addresses that has no end", host)
      // An answer in memory of the module's own.
      try await nsphost.expect(
        lines: ["192.0.2.33  own", "-           own-alias"], of: "lookup", "static", "--flags", Self.all)
      // How long an answer may be kept, where the module says it.
      let kept = try await nsphost.document(Answer.self, "lookup", "fine")
      #expect(kept.blob?.hasPrefix("4e5350444d0000000100000000000000") == true, "\(kept)")
    }
  }

  @Test("statuses are told apart, and answers that lead nowhere are rubbish", arguments: Isolation.allCases)
  func answers(_ isolation: Isolation) async throws {
    try await NSSBridge("scripted").serve(isolation, asking: "scripted") { host in
      let nsphost = host.nsphost
      // A family that nobody knows is passed over.
      try await nsphost.expect(lines: ["198.51.100.0  mixed", "2001:db8::5   mixed"], of: "lookup", "mixed")
      try await nsphost.expect(2, "WSANO_DATA", of: "lookup", "family-77")
      try await nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "temporary")
      // With an error of another call behind it.
      try await nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "stale-errno")
      try await nsphost.expect(2, "WSANO_DATA", of: "lookup", "no-data")
      try await nsphost.expect(1, "WSASYSCALLFAILURE", of: "lookup", "unavailable")
      let noText = "the name of the host is no text"
      for (name, reason) in [
        ("status-77", "status 77"), ("endless", "a list of addresses that has no end"),
        ("wild-list", "an address that leads nowhere"), ("wild-name", noText), ("long-name", noText), ("not-utf8", noText),
        ("cut-off", noText), ("nothing", "no addresses"),
      ] { try await Self.rubbish(name, reason, host) }
      try await nsphost.expect(1, "WSASYSCALLFAILURE", of: "lookup", "198.51.100.4")

      try await host.ask.expect(
        lines: ["fine 0 0.0.0.0 4711 17 2", "fine-alias 1"], of: NSSClass.ports.rawValue, "4711/udp")
      try await host.expect(2, "WSANO_DATA", of: "unknown-protocol", .ports)
      for name in ["far-port", "no-name/tcp", "endless/tcp"] { try await host.expect(1, "WSASYSCALLFAILURE", of: name, .ports) }
    }
  }

  @Test("noise, 2,000 times: nothing but answers, and the process lives", arguments: Isolation.allCases)
  func noise(_ isolation: Isolation) async throws {
    try await NSSBridge("scripted").serve(isolation, asking: "scripted") { host in
      let before = try await host.providerProcess(isolation)
      for kind in [NSSClass.hosts, .ports] { try await host.ask.run(kind.rawValue, "noise", "125", "8") }
      let after = try await host.providerProcess(isolation)
      #expect(after == before)
      try await host.writes("left rubbish")
      try await host.nsphost.expect(lines: Self.fine, of: "lookup", "fine")
    }
  }

  @Test("modules with the older functions, or with one alone", arguments: Isolation.allCases)
  func olderFunctions(_ isolation: Isolation) async throws {
    let bridge = try await NSSBridge("families", "plain")
    try await bridge.serve(isolation, asking: "families") { host in
      // It is asked for each family.
      try await host.nsphost.expect(lines: Self.fine + Self.fineAlias, of: "lookup", "fine", "--flags", Self.all)
      // A list without end in the whole buffer, a length that no family has, a family that is none, lists that lead nowhere.
      try await Self.rubbish("endless", "an address that leads nowhere|a list of aliases", host)
      try await Self.rubbish("long-99", "addresses of 99 bytes", host)
      try await Self.rubbish("family-77", "addresses of .* bytes and of family 77", host)
      try await Self.rubbish("no-name", "the name of the host is no text", host)
      try await Self.rubbish("wild-list", "a list of aliases that leads nowhere", host)
      try await host.nsphost.expect(lines: ["198.51.100.0  fine"], of: "lookup", "198.51.100.1")
    }
    try await bridge.serve(isolation, asking: "plain") { host in
      try await host.nsphost.expect(
        lines: ["198.51.100.0  fine", "-             fine-alias"], of: "lookup", "fine", "--flags", Self.all)
      // Stubs for the others.
      try await host.nsphost.expect(missing: "198.51.100.1")
    }
  }

  @Test(
    "a module that is called dns is not asked for this machine's names, nor for what Tor alone knows",
    arguments: Isolation.allCases)
  func special(_ isolation: Isolation) async throws {
    let bridge = try await NSSBridge("dns", "scripted")
    try await bridge.serve(isolation, asking: "dns") { host in
      try await host.nsphost.expect(lines: Self.fine, of: "lookup", "fine")
      for name in ["x.onion", "X.Onion.", "a.localhost"] { try await host.nsphost.expect(missing: name) }
    }
    // Others are.
    try await bridge.serve(isolation, asking: "dns", "scripted") { host in
      for name in ["x.onion", "a.localhost"] {
        let outcome = try await host.nsphost.run("lookup", name)
        #expect(outcome.lines.contains { $0.hasPrefix("198.51.100.0 ") }, "\(name): \(outcome)")
      }
    }
  }

  @Test(
    "one module after the other; those that can't be loaded, or that anybody can write, are named",
    arguments: Isolation.allCases)
  func order(_ isolation: Isolation) async throws {
    let bridge = try await NSSBridge("broken", "scripted", "plain", "last")
    try await bridge.serve(isolation, asking: "missing", "broken", "scripted", "plain", "last") { host in
      for name in ["nobody", "unavailable", "temporary", "no-data", "wild-name", "family-77", "never", "status-77"] {
        try await host.nsphost.expect(lines: Self.fine, of: "lookup", "then-" + name)
      }
      // Who may know later counts most.
      try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "temporary")
      try await host.nsphost.expect(lines: Self.fine, of: "lookup", "fine")
      for name in ["missing", "broken"] {
        let lines = host.log.split(separator: "\n").filter { $0.contains("libnss_\(name).so.2 can't be loaded: ") }
        #expect(lines.count == 1, "\(name): \(host.log)")
      }
    }
    try await bridge.serve(isolation, asking: "missing", "broken") { host in
      try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "fine")
    }
    try FileManager.default.setAttributes([.posixPermissions: 0o757], ofItemAtPath: bridge.file("plain"))
    try await bridge.serve(isolation, asking: "plain") { host in
      try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "fine")
      try await host.writes("libnss_plain.so.2 belongs to others than root and the running user, or they can write it")
    }
  }

  @Test("6,000 lookups, eight at a time, take nothing that stays", arguments: Isolation.allCases)
  func endurance(_ isolation: Isolation) async throws {
    try await NSSBridge("scripted").serve(isolation, asking: "scripted") { host in
      let process = try await host.providerProcess(isolation)
      try await host.ask.expect(lines: ["1000"], of: NSSClass.hosts.rawValue, "fine", "125", "8")
      let before = try ProcessFigures(of: process)
      try await host.ask.expect(lines: ["1000"], of: NSSClass.hosts.rawValue, "grow-9000", "125", "8")
      try await host.ask.expect(lines: ["2000"], of: NSSClass.ports.rawValue, "fine/tcp", "250", "8")
      try await host.ask.expect(lines: ["2000"], of: NSSClass.hosts.rawValue, "fine", "250", "8")
      let after = try ProcessFigures(of: process)
      // A worker has a socket for each thread that has ever been busy at the same time.
      #expect(after.descriptors <= before.descriptors + 8 && after.resident <= before.resident + 8192, "\(before), \(after)")
    }
  }

  @Test("a module that hangs: an answer at the deadline, and others go on", arguments: Isolation.allCases)
  func hang(_ isolation: Isolation) async throws {
    // In good order the host would wait for the thread that the module keeps.
    try await NSSBridge("scripted").serve(isolation, asking: "scripted", deadline: 1000, isKilled: true) { host in
      let time = try await ContinuousClock().measure {
        try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "hang")
      }
      #expect(time <= .seconds(10))
      try await Self.findsFine(host)
      try await host.crash()
    }
  }

  @Test("a module that crashes, and a worker that is killed: an answer at once, and the next process answers")
  func crash() async throws {
    try await NSSBridge("scripted").serve(.worker, asking: "scripted") { host in
      let time = try await ContinuousClock().measure {
        try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "crash")
      }
      #expect(time <= .seconds(10))
      try await Self.findsFine(host)
      try await host.writes("SIGSEGV")
      for _ in 0..<3 {
        kill(try await host.providerProcess(.worker), SIGKILL)
        try await Self.findsFine(host)
      }
    }
  }

  @Test(
    "settings that can't be used are named: a module that leads back here, no name, none at all, a folder that is somewhere",
    arguments: [
      ("[\"files\", \"nsp\"]", nil, "nsp, of modules, asks this host"),
      ("[\"../evil\"]", nil, "../evil, of modules, is no name of a module"), ("[]", nil, "modules is empty"),
      ("[\"files\"]", "modules", "modules, of folder, is not an absolute path"),
    ] as [(String, String?, String)])
  func settings(_ modules: String, _ folder: String?, _ reason: String) async throws {
    let bridge = try await NSSBridge()
    let settings = "modules = \(modules)\nfolder = \"\(folder ?? bridge.modules)\"\n"
    try await bridge.serve(.inProcess, settings: settings) { host in
      try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "fine")
      try await host.writes("its settings can't be used: \(reason)")
    }
  }
}
