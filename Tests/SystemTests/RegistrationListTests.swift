import Foundation
import Testing

/// `nsphost registrations` shows what is registered: by whom, where, for how long, page by page. What has been registered leaves nothing in the host.
@Suite(.timeLimit(.minutes(15))) struct RegistrationListTests {
  private struct List: Decodable {
    struct Registration: Decodable {
      var name: String, context: String?, namespace: String, classId: String?, className: String?, addresses: [String]
      var provider: String, uid: UInt32, user: String?, pid: Int32?, command: String?, registered: Bool
      var lasts: String, expires: String?, endsWithSession: Bool?
    }
    struct Unknown: Decodable { var provider: String }
    var registrations: [Registration], unknown: [Unknown], next: Int?

    var names: [String] { registrations.map(\.name) }
  }

  private static let absorber = "51e57b00-0002-4000-8000-000000000001"
  private static let user = NSUserName()

  /// A host with providers that can list what they keep, and two that can't.
  private static func serve<Value: Sendable>(
    _ isolation: Isolation, in before: WorkFolder? = nil, _ body: @Sendable (Host) async throws -> Value
  ) async throws -> Value {
    let folder = try before ?? WorkFolder()
    if !folder.has("absorber.so") {
      try await compile([Built.package + "/Tests/Plugins/absorber.c"], ["-shared", "-fPIC"], to: folder["absorber.so"])
    }
    var plugins = [Plugin(file: folder["absorber.so"], manifest: "isolation = \"\(isolation.rawValue)\"\n")]
    for name in ["directory", "email", "dns"] { plugins.append(try .shipped(name, isolation)) }
    let configuration = "[providers.email.settings]\ndiscover = false\n"
    return try await Host.serve(configuration, plugins, in: folder) { host in
      for name in ["directory", "email", "dns", "absorber"] { try await host.loads(name) }
      return try await body(host)
    }
  }

  private static func list(_ host: Host, _ words: String...) async throws -> List {
    let outcome = try await host.nsphost.run(["registrations", "--json"] + words)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do { return try decoder.decode(List.self, from: Data(outcome.output.utf8)) } catch {
      Issue.record("\(words): \(error): \(outcome)")
      throw error
    }
  }

  /// The columns of what people are shown.
  private static func rows(_ host: Host, _ words: String...) async throws -> [[String]] {
    try await host.nsphost.run(["registrations"] + words).lines.map { line in
      line.components(separatedBy: "  ").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }
  }

  private static func isEmptySoon(_ host: Host, _ word: String, _ value: String? = nil) async throws {
    try await eventually("nothing of \(word) \(value ?? "") is left") {
      let list = if let value { try await list(host, word, value) } else { try await list(host, word) }
      return list.registrations.isEmpty
    }
  }

  private static func register(_ host: Host, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let outcome = try await host.nsphost.run(["register"] + words)
    #expect(outcome.status == 0, "\(words): \(outcome)", sourceLocation: sourceLocation)
  }

  private static func client(_ name: String, of host: Host) async throws -> Program {
    try await host.client(Built.package + "/Tests/Plugins/\(name).c")
  }

  /// Registers so many names of so many bytes at a provider, and stays while the body runs.
  private static func registering(
    _ count: Int, _ prefix: String, bytes: Int, at provider: String, of host: Host,
    _ body: @Sendable (Int32) async throws -> Void = { _ in }
  ) async throws {
    let said = "registering-" + prefix
    let program = try await client("registrations", of: host)
    let outcome = try await program.beside(
      provider, prefix, "\(count)", "\(bytes)", printing: host.folder[said]
    ) { process in
      // Thousands of names take their time where the machine is busy.
      let end = ContinuousClock.now + .seconds(300)
      while host.folder.text(of: said).isEmpty, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(20)) }
      try #require(host.folder.text(of: said) == "done\n")
      try await body(process)
    }.outcome
    #expect(outcome.status == 0, "\(outcome)")
  }

  @Test(
    "what is kept for good, with all that tells registrations apart, before and after a restart", arguments: Isolation.allCases)
  func durable(_ isolation: Isolation) async throws {
    let folder = try await Self.serve(isolation) { host in
      let addresses = ["10.0.0.7:631", "[2001:db8::7]:631"]
      try await Self.register(
        host, "printer", "--address", addresses[0], "--address", addresses[1], "--service", "\\Floor\\Two", "--class", "hostname",
        "--provider", "directory")
      let one = try #require(try await Self.list(host).registrations.first)
      #expect(one.provider == "directory" && one.user == Self.user && one.uid == getuid() && one.lasts == "for-good", "\(one)")
      #expect(one.className == "hostname" && one.context == "\\Floor\\Two" && one.registered && one.namespace == "all", "\(one)")
      #expect(one.addresses == addresses)
      let rows = try await Self.rows(host)
      let row = ["printer", "\\Floor\\Two", "hostname", addresses.joined(separator: " "), "directory", Self.user, "for good"]
      #expect(rows.contains(row), "\(rows)")

      // Contexts, classes and name spaces.
      try await Self.register(host, "printer", "--address", "10.0.0.8:1", "--provider", "directory")
      try await Self.register(host, "printer", "--address", "10.0.0.9:1", "--class", "hostname", "--provider", "directory")
      try await Self.register(host, "printer", "--address", "10.0.0.9:2", "--namespace", "dns", "--provider", "directory")
      let all = try await Self.list(host, "PRINTER").registrations
      #expect(all.count == 4 && Set(all.map { [$0.context, $0.classId, $0.namespace] }).count == 4, "\(all)")
      return host.folder
    }
    try await Self.serve(isolation, in: folder) { host in
      #expect(try await Self.list(host, "printer").registrations.count == 4)
      let nsphost = host.nsphost
      try await nsphost.expect(0, of: "unregister", "printer", "--provider", "directory")
      try await nsphost.expect(0, of: "unregister", "printer", "--class", "hostname", "--provider", "directory")
      try await nsphost.expect(0, of: "unregister", "printer", "--namespace", "dns", "--provider", "directory")
      #expect(try await Self.list(host).names == ["printer"])

      // A provider that is disabled is not asked.
      try await nsphost.expect(0, of: "disable", "directory")
      #expect(try await Self.list(host).names == [])
      try await nsphost.expect(0, of: "enable", "directory")
      #expect(try await Self.list(host).names == ["printer"])
    }
  }

  @Test("what ends with its session, or at its time, is shown as that until it is gone", arguments: Isolation.allCases)
  func passing(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let holder = try await Self.client("directory", of: host).beside("hold", "held", printing: host.folder["held"]) { process in
        try await eventually("it is held") { host.folder.text(of: "held").contains("held") }
        let one = try #require(try await Self.list(host, "held").registrations.first)
        #expect(one.lasts == "session" && one.endsWithSession == true && one.provider == "directory", "\(one)")
        #expect(one.pid == process && one.command == "directory", "\(one)")
        let rows = try await Self.rows(host, "held")
        #expect(rows.contains { $0.suffix(2) == ["\(Self.user) (directory \(process))", "session"] }, "\(rows)")
        kill(process, SIGKILL)
        try await Self.isEmptySoon(host, "held")
      }.outcome
      #expect(holder.status == 128 + SIGKILL, "\(holder)")

      try await Self.register(host, "brief", "--address", "10.0.0.1:1", "--expires", "5", "--provider", "directory")
      let end = ContinuousClock.now + .seconds(5.1)
      let brief = try #require(try await Self.list(host, "brief").registrations.first)
      #expect(brief.lasts == "expires" && brief.expires?.contains("T") == true, "\(brief)")
      try await Task.sleep(until: end)
      #expect(try await Self.list(host, "brief").names == [])
    }
  }

  @Test("published e-mail addresses are listed until the session ends", arguments: Isolation.allCases)
  func published(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let words = ["register=eve@here.test,imap,192.0.2.5:143", "register=eve@here.test,jmap,192.0.2.5:443"]
      let client = try await Self.client("email", of: host)
      let publisher = try await client.beside(words[0], words[1], "hold", printing: host.folder["published"]) { process in
        try await eventually("they are published") { host.folder.text(of: "published").contains("holding") }
        let contexts = try await Self.list(host, "--provider", "email").registrations.compactMap(\.context)
        #expect(contexts.sorted() == ["imap", "jmap"])
        let one = try #require(try await Self.list(host, "EVE@here.test").registrations.first)
        #expect(one.provider == "email" && one.lasts == "session" && one.pid == process, "\(one)")
      }.outcome
      #expect(publisher.status == 0, "\(publisher)")
      try await Self.isEmptySoon(host, "--provider", "email")
    }
  }

  @Test(
    "of providers that list nothing it shows what lives, and says that it does not know the rest", arguments: Isolation.allCases)
  func unknown(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      try await Self.registering(3, "live", bytes: 20, at: Self.absorber, of: host) { process in
        let live = try await Self.list(host, "--provider", "absorber").registrations
        #expect(live.count == 3 && live.allSatisfy { $0.lasts == "unknown" && $0.pid == process }, "\(live)")
      }
      try await Self.isEmptySoon(host, "--provider", Self.absorber)
      #expect(try await Self.list(host).unknown.map(\.provider).sorted() == ["absorber", "dns"])
      let text = try await host.nsphost.run("registrations")
      #expect(text.lines.contains("dns: it does not list what it keeps"), "\(text)")
      #expect(text.output.contains("only what running processes have registered"), "\(text)")
    }
  }

  @Test("pages follow each other without a gap; by user and provider", arguments: Isolation.allCases)
  func pages(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let nsphost = host.nsphost
      try await Self.register(host, "printer", "--provider", "directory")
      try await Self.registering(25, "page", bytes: 20, at: "94c1f3a6-82c4-4b19-a6d8-1f0b7e63c925", of: host)
      let first = try await Self.list(host, "--limit", "10")
      #expect(first.registrations.count == 10 && first.next == 10 && first.registrations[0].context == nil, "\(first)")
      let text = try await nsphost.run("registrations", "--limit", "10")
      #expect(text.lines.contains("There are more: --skip 10") && text.lines.last == "10 registrations", "\(text)")
      var names: [String] = []
      for skipped in [0, 10, 20] { names += try await Self.list(host, "--limit", "10", "--skip", "\(skipped)").names }
      #expect(names.count == 26 && Set(names).count == 26, "\(names)")
      #expect(try await Self.list(host, "--limit", "10", "--skip", "20").next == nil)
      #expect(try await Self.list(host, "--skip", "100").names == [])
      try await nsphost.expect(64, "write a number from 1", of: "registrations", "--limit", "0")

      for (option, value) in [("--user", Self.user), ("--user", "\(getuid())"), ("--provider", "directory")] {
        #expect(try await Self.list(host, option, value).names.count == 26, "\(option) \(value)")
      }
      #expect(try await Self.list(host, "--user", "12345").names == [])
      try await nsphost.expect(64, "there is no user \"nosuch\"", of: "registrations", "--user", "nosuch")
      try await nsphost.expect(2, "there is no provider with this name", of: "registrations", "--provider", "nosuch")
    }
  }

  @Test(
    "another user's are told apart; who is no operator is not shown any", .enabled(if: geteuid() == 0, "it takes root"),
    arguments: Isolation.allCases)
  func others(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let nobody = host.nsphost.asUser(65534)
      try await Self.register(host, "ours", "--provider", "directory")
      try await nobody.expect(0, of: "register", "theirs", "--address", "10.0.0.9:9", "--provider", "directory")
      #expect(try await Self.list(host, "--user", "nobody").names == ["theirs"])
      let theirs = try #require(try await Self.list(host, "theirs").registrations.first)
      #expect(theirs.user == "nobody" && theirs.uid == 65534, "\(theirs)")
      try await nobody.expect(77, "only root", of: "registrations")
      let listing = "6d1f2c8f-0b7a-4f53-9b1e-6a2f0c4d9e31"
      try await nobody.expect(1, "WSAEACCES", of: "lookup", "*", "--class", listing, "--provider", "directory")
    }
  }

  @Test("5,000 names of 1,000 bytes, registered and left three times, leave the host where it was", arguments: Isolation.allCases)
  func bounded(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      // At a provider that keeps nothing: what grows is the host's.
      @Sendable func round(_ number: Int) async throws {
        try await Self.registering(5000, "round\(number)-", bytes: 1000, at: Self.absorber, of: host) { _ in
          let names = try await Self.list(host, "nosuch").names
          #expect(names == [])
        }
        try await Self.isEmptySoon(host, "--provider", "absorber")
      }
      // What it takes while they are there, it keeps for the next ones. They are 15,000 KiB.
      try await round(0)
      let before = try ProcessFigures(of: host.processID).resident
      for number in 1...3 { try await round(number) }
      try await eventually("the host has no more than the \(before) KiB that it had") {
        try ProcessFigures(of: host.processID).resident - before < 4096
      }
    }
  }

  @Test("names that the directory keeps do not grow in the host", arguments: Isolation.allCases)
  func kept(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let directory = "94c1f3a6-82c4-4b19-a6d8-1f0b7e63c925"
      try await Self.registering(300, "first-", bytes: 1000, at: directory, of: host)
      let before = try ProcessFigures(of: host.processID).resident
      try await Self.registering(900, "second-", bytes: 1000, at: directory, of: host)
      let after = try ProcessFigures(of: host.processID).resident
      let list = try await Self.list(host, "--provider", "directory", "--user", Self.user, "--limit", "10000")
      #expect(list.names.count == 1200 && after - before < 8192, "\(before), then \(after) KiB")
    }
  }
}
