import Foundation
import Testing

/// What a user registers counts for that user, unless the configuration or root says otherwise: nobody speaks for another. The users are real.
@Suite(.enabled(if: geteuid() == 0, "processes of several users take root"), .timeLimit(.minutes(10))) struct OwnerTests {
  /// Clients of one host: root, two users whom the configurations below name, and one who means harm.
  private struct People: Sendable {
    let root, alice, bob, mallory: Program
    /// The same, as programs that use libnsp.
    let rootClient, aliceClient, bobClient, malloryClient: Program
    let host: Host

    init(_ host: Host) async throws {
      let client = try await host.client(Built.package + "/Tests/Plugins/owners.c")
      (root, rootClient, self.host) = (host.nsphost, client, host)
      (alice, aliceClient) = (root.asUser(1), client.asUser(1))
      (bob, bobClient) = (root.asUser(2), client.asUser(2))
      (mallory, malloryClient) = (root.asUser(65534), client.asUser(65534))
    }

    /// What the body does while an e-mail address is published, by one of the clients.
    func publishing(
      _ address: String, _ endpoint: String, by client: Program, _ body: @Sendable () async throws -> Void
    ) async throws {
      let (file, folder) = ("published-" + endpoint, host.folder)
      let ended = try await client.beside("publish=\(address),\(endpoint)", "hold", printing: folder[file]) { _ in
        try await eventually("it holds the address") { folder.text(of: file).contains("holding") }
        #expect(folder.text(of: file) == "ok\nholding\n")
        try await body()
      }.outcome
      #expect(ended.status == 0, "\(ended)")
    }
  }

  private static func serve(
    _ isolation: Isolation, _ configuration: String = "", absorber: Bool = false, in before: WorkFolder? = nil,
    _ body: @Sendable (People) async throws -> Void
  ) async throws {
    let folder = try before ?? WorkFolder()
    var plugins: [Plugin] = []
    for name in ["directory", "email", "hosts"] { plugins.append(try .shipped(name, isolation)) }
    if absorber {
      // It takes registrations and does not keep owners apart.
      try await compile([Built.package + "/Tests/Plugins/absorber.c"], ["-shared", "-fPIC"], to: folder["absorber.so"])
      plugins.append(Plugin(file: folder["absorber.so"], manifest: "isolation = \"\(isolation.rawValue)\"\n"))
    }
    let all = "[providers.email.settings]\ndiscover = false\n" + configuration
    try await Host.serve(all, plugins, options: ["--log", "debug"], in: folder) { host in
      for name in ["directory", "email", "hosts"] + (absorber ? ["absorber"] : []) { try await host.loads(name) }
      try await body(People(host))
    }
  }

  /// What several tests look at: a name of each of three users.
  private static func registerThree(_ people: People) async throws {
    try await people.mallory.expect(0, of: "register", "updates.example.com", "--address", "192.0.2.66:80")
    try await people.alice.expect(0, of: "register", "alices", "--address", "192.0.2.1:80", "--service", "\\Own")
    try await people.root.expect(0, of: "register", "ours", "--address", "192.0.2.7:80")
  }

  private static let updates = "192.0.2.66:80  updates.example.com"

  @Test(
    "NSP-260 what a user registers, nobody else's lookups see, by whichever way they ask; what root registers, all do",
    arguments: Isolation.allCases)
  func visibility(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { people in
      try await Self.registerThree(people)
      try await people.root.expect(missing: "updates.example.com")
      try await people.alice.expect(missing: "updates.example.com")
      try await people.mallory.expect(lines: [Self.updates], of: "lookup", "updates.example.com")
      try await people.mallory.expect(lines: ["192.0.2.7:80  ours"], of: "lookup", "ours")
      // GetAddrInfoEx.
      for client in [people.rootClient, people.aliceClient] {
        try await client.expect(inOrder: "11001", "192.0.2.7", of: "resolve=updates.example.com", "resolve=ours")
      }
      try await people.malloryClient.expect(inOrder: "192.0.2.66", of: "resolve=updates.example.com")
      // WSALookupService.
      try await people.rootClient.expect(
        inOrder: "10108", "10108", "192.0.2.7", of: "look=updates.example.com", "look-secure=updates.example.com", "look=ours")
      // NSPClient, by which nsphost watch asks.
      try await people.root.expect(2, "nobody has it now", of: "watch", "updates.example.com", "--once")
      let watched = try await people.mallory.run("watch", "updates.example.com", "--once")
      #expect(watched.lines.contains { $0.hasPrefix("+ 192.0.2.66:80") }, "\(watched)")
      // The names of an address.
      let byAddress = ["192.0.2.66", "--class", "inet-hostaddrbyinetstring"]
      try await people.root.expect(missing: byAddress[0], byAddress[1], byAddress[2])
      try await people.mallory.expect(inOrder: [Self.updates], of: ["lookup"] + byAddress)
    }
  }

  @Test(
    "who asks for all owners gets them, by the command, libnsp and NSPClient; LUP_SECURE goes before that",
    arguments: Isolation.allCases)
  func allOwners(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { people in
      try await Self.registerThree(people)
      for program in [people.root, people.alice] {
        try await program.expect(lines: [Self.updates], of: "lookup", "updates.example.com", "--all-owners")
      }
      let watched = try await people.root.run("watch", "updates.example.com", "--once", "--all-owners")
      #expect(watched.lines.contains { $0.hasPrefix("+ 192.0.2.66:80") }, "\(watched)")
      try await people.rootClient.expect(
        inOrder: "192.0.2.66", "192.0.2.66", "10108",
        of: "resolve-all=updates.example.com", "look-all=updates.example.com", "look-secure=updates.example.com")
    }
  }

  @Test("NSP-262 a pattern shows a user what counts for that user; all of it is for operators", arguments: Isolation.allCases)
  func patterns(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { people in
      try await Self.registerThree(people)
      let (deep, containers) = ("return-name,return-addr,LUP_DEEP", "return-name,LUP_CONTAINERS")
      let (ours, theirs) = ("192.0.2.7:80   ours", "192.0.2.66:80  updates.example.com")
      try await people.root.expect(lines: ["192.0.2.7:80  ours"], of: "lookup", "*")
      try await people.mallory.expect(lines: [ours, theirs], of: "lookup", "*")
      try await people.mallory.expect(lines: [ours, theirs], of: "lookup", "*", "--all-owners", "--flags", deep)
      try await people.bob.expect(missing: "u*", "--all-owners")
      try await people.bob.expect(2, "WSANO_DATA", of: "lookup", "*", "--flags", containers, "--all-owners")
      try await people.alice.expect(lines: ["-  Own"], of: "lookup", "*", "--flags", containers)
      try await people.root.expect(
        lines: ["192.0.2.1:80   alices", ours, theirs], of: "lookup", "*", "--all-owners", "--flags", deep)
      try await people.aliceClient.expect(inOrder: "192.0.2.7", of: "look-all=o*")
      try await people.aliceClient.expect(inOrder: "10108", of: "look-all=u*")
      // Nor does a list of registrations.
      let listed = try await people.root.run("registrations", "--json")
      #expect(listed.output.contains("updates.example.com"), "\(listed)")
      try await people.alice.expect(77, "only root", of: "registrations")
    }
  }

  @Test("an e-mail address that a user publishes is that user's", arguments: Isolation.allCases)
  func mail(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { people in
      try await people.publishing("root@here.test", "192.0.2.66", by: people.malloryClient) {
        try await people.rootClient.expect(inOrder: "11001", "192.0.2.66", of: "mail=root@here.test", "mail-all=root@here.test")
        try await people.aliceClient.expect(inOrder: "11001", of: "mail=root@here.test")
        try await people.malloryClient.expect(inOrder: "192.0.2.66", of: "mail=root@here.test")
        try await people.root.expect(missing: "root@here.test", "--namespace", "email")
        try await people.root.expect(
          lines: ["192.0.2.66:80  root@here.test"], of: "lookup", "root@here.test", "--namespace", "email", "--all-owners")
      }
    }
  }

  @Test(
    "NSP-261 lookups.owners = \"all\" is about WSALookupService alone, and about no pattern; NSP-263 a shared provider serves everybody",
    arguments: Isolation.allCases)
  func configured(_ isolation: Isolation) async throws {
    let folder = try WorkFolder()
    try await Self.serve(isolation, in: folder) { try await Self.registerThree($0) }
    try await Self.serve(isolation, "[lookups]\nowners = \"all\"\n", in: folder) { people in
      try await people.rootClient.expect(
        inOrder: "192.0.2.66", "10108", "11001",
        of: "look=updates.example.com", "look-secure=updates.example.com", "resolve=updates.example.com")
      try await people.root.expect(missing: "updates.example.com")
      try await people.aliceClient.expect(inOrder: "10108", of: "look=u*")
    }
    try await Self.serve(isolation, "[providers.directory]\nshared = true\n", in: folder) { people in
      try await people.root.expect(lines: [Self.updates], of: "lookup", "updates.example.com")
      try await people.aliceClient.expect(inOrder: "192.0.2.66", of: "resolve=updates.example.com")
      try await people.bob.expect(lines: ["192.0.2.7:80   ours", Self.updates], of: "lookup", "*")
      try await people.rootClient.expect(inOrder: "10108", of: "look-secure=updates.example.com")
    }
  }

  @Test(
    "NSP-264 the machine's own names, and those in the files that hosts serves, are root's alone to register",
    arguments: Isolation.allCases)
  func reserved(_ isolation: Isolation) async throws {
    let folder = try WorkFolder()
    try folder.write("192.0.2.50 files.example.com alias.example\n", to: "hosts")
    let settings = "[providers.hosts.settings]\nfiles = [\"/etc/hosts\", \"\(folder["hosts"])\"]\n"
    try await Self.serve(isolation, settings, in: folder) { people in
      @Sendable func isRefused(
        _ name: String, _ why: String, sourceLocation: SourceLocation = #_sourceLocation
      ) async throws {
        try await people.mallory.expect(
          77, "\(name) is reserved: \(why)", of: "register", name, "--address", "192.0.2.66:80", sourceLocation: sourceLocation)
        try await people.mallory.expect(missing: name, "--provider", "directory", sourceLocation: sourceLocation)
      }
      try await isRefused("localhost", "it stands for this machine")
      try await isRefused("LocalHost.", "it stands")
      try await isRefused("a.localhost", "it stands")
      let machine = try String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8)
      try await isRefused(machine.trimmingCharacters(in: .whitespacesAndNewlines), "it is the name of this machine")
      try await isRefused("files.example.com", "hosts serves it")
      try await isRefused("Alias.Example.", "hosts serves it")
      try await people.aliceClient.expect(inOrder: "10013", of: "register=files.example.com,192.0.2.66")
      // As the files are now.
      try folder.write("192.0.2.50 files.example.com alias.example\n192.0.2.51 later.example\n", to: "hosts")
      try await isRefused("later.example", "hosts serves it")
      try await people.mallory.expect(0, of: "register", "free.example", "--address", "192.0.2.66:80")
      try await eventually("the log names the rule: \(people.host.log)") {
        let line = /info: query .*: a registration by .*uid 65534.* is refused: localhost is reserved/
        return people.host.log.firstMatch(of: line) != nil
      }
      try await people.root.expect(0, of: "register", "files.example.com", "--address", "192.0.2.51:80")
      try await people.mallory.expect(
        lines: ["192.0.2.51:80  files.example.com"], of: "lookup", "files.example.com", "--provider", "directory")
      try await people.root.expect(0, of: "unregister", "files.example.com")

      // While the files can't be read nobody else registers anything.
      try FileManager.default.removeItem(atPath: folder["hosts"])
      try folder.make("hosts")
      try await people.mallory.expect(1, "WSATRY_AGAIN", of: "register", "unsure.example", "--address", "192.0.2.66:80")
      try await people.root.expect(0, of: "register", "sure.example", "--address", "192.0.2.7:80")
      try FileManager.default.removeItem(atPath: folder["hosts"])
      try await people.root.expect(0, of: "unregister", "sure.example")
      try await people.mallory.expect(0, of: "unregister", "free.example")
    }
  }

  private static let rules = """
    [[providers.directory.registrars]]
    users = [1]
    names = ["*.build.example.com", "printer", "localhost"]
    [[providers.directory.registrars]]
    users = [1]
    groups = [2]
    names = [".team.example.com"]
    [[providers.email.registrars]]
    users = [1]
    names = ["ann@here.test", "@alice.test"]

    """

  private static let web = "web.build.example.com"

  @Test(
    "NSP-266 without a rule a name counts for its user, and users have it beside each other; NSP-265 a rule makes it count for everybody",
    arguments: Isolation.allCases)
  func registrars(_ isolation: Isolation) async throws {
    let folder = try WorkFolder()
    try await Self.serve(isolation, in: folder) { try await besideEachOther($0) }
    try await Self.serve(isolation, Self.rules, in: folder) { people in
      // A name that somebody had for himself is not in its way.
      try await people.alice.expect(0, of: "register", Self.web, "--address", "192.0.2.1:80")
      try await people.root.expect(lines: ["192.0.2.1:80  \(Self.web)"], of: "lookup", Self.web)
      try await people.bobClient.expect(
        inOrder: "192.0.2.1", "192.0.2.1", of: "resolve=\(Self.web)", "look-secure=\(Self.web)")
      try await people.mallory.expect(lines: ["192.0.2.1:80  \(Self.web)"], of: "lookup", Self.web)
      // What a rule permits a group is its owner's.
      try await people.bob.expect(0, of: "register", "x.team.example.com", "--address", "192.0.2.2:80")
      try await people.rootClient.expect(inOrder: "192.0.2.2", of: "resolve=x.team.example.com")
      try await people.alice.expect(77, "WSAEACCES", of: "register", "x.team.example.com", "--address", "192.0.2.1:80")
      try await refusals(people)
    }
    // Registered again without the rule it counts for its user.
    try await Self.serve(isolation, in: folder) { people in
      try await people.alice.expect(0, of: "register", Self.web, "--address", "192.0.2.1:80")
      try await people.root.expect(missing: Self.web)
      try await people.alice.expect(lines: ["192.0.2.1:80  \(Self.web)"], of: "lookup", Self.web)
    }
  }

  private func besideEachOther(_ people: People) async throws {
    struct Registered: Decodable {
      struct Outcome: Decodable { var countsFor: String? }
      var outcome: [Outcome]
    }
    let web = Self.web
    let both = ["192.0.2.1:80   \(web)", "192.0.2.66:80  \(web)"]
    try await people.mallory.expect(0, of: "register", web, "--address", "192.0.2.66:80")
    try await people.alice.expect(0, of: "register", web, "--address", "192.0.2.1:80")
    try await people.mallory.expect(lines: ["192.0.2.66:80  \(web)"], of: "lookup", web)
    try await people.alice.expect(lines: ["192.0.2.1:80  \(web)"], of: "lookup", web)
    try await people.bob.expect(missing: web)
    for name in [web, "web.*"] { try await people.root.expect(lines: both, of: "lookup", name, "--all-owners") }
    // Each takes back what is its own.
    try await people.alice.expect(0, of: "unregister", web)
    try await people.alice.expect(missing: web)
    try await people.mallory.expect(lines: ["192.0.2.66:80  \(web)"], of: "lookup", web)
    // The command tells for whom it counts.
    let words = ["register", "mine.example.com", "--address", "192.0.2.66:80"]
    let told = try await people.mallory.run(words)
    #expect(told.lines.contains("    directory  done, for this user only"), "\(told)")
    let document = try await people.mallory.document(Registered.self, words[0], words[1], words[2], words[3])
    #expect(document.outcome.contains { $0.countsFor == "user" }, "\(document)")
    // NSP-267 a client can't say for whom it counts.
    try await people.malloryClient.expect(inOrder: "ok", of: "forge=forged.example.com,192.0.2.66")
    try await people.root.expect(missing: "forged.example.com")
  }

  /// Others are refused, and told by which rule; no rule permits a reserved name.
  private func refusals(_ people: People) async throws {
    let (upper, dotted) = ("WEB.build.example.com", "y.team.example.com.")
    try await people.mallory.expect(
      77, "providers.directory.registrars[0] gives \(upper) to others", of: "register", upper, "--address", "192.0.2.66:80")
    try await people.mallory.expect(
      77, "providers.directory.registrars[1] gives \(dotted) to others", of: "register", dotted, "--address", "192.0.2.66:80")
    try await people.malloryClient.expect(
      inOrder: "10013", "10013", "10013", of: "register=printer,192.0.2.66", "forge=printer,192.0.2.66", "take=\(Self.web)")
    try await people.root.expect(missing: "printer", "--all-owners")
    try await people.alice.expect(77, "localhost is reserved", of: "register", "localhost", "--address", "192.0.2.1:80")
  }

  @Test(
    "an e-mail address that the configuration gives to a user is visible to all, and nobody else's; what users have is not in root's way",
    arguments: Isolation.allCases)
  func mailRules(_ isolation: Isolation) async throws {
    try await Self.serve(isolation, Self.rules) { people in
      try await people.malloryClient.expect(
        inOrder: "10013", "10013", of: "publish=ann@here.test,192.0.2.66", "publish=any@ALICE.test,192.0.2.66")
      try await people.publishing("Ann@here.test", "192.0.2.1", by: people.aliceClient) {
        try await people.rootClient.expect(inOrder: "192.0.2.1", "192.0.2.1", of: "mail=ann@here.test", "mail-all=ann@here.test")
        try await people.bobClient.expect(inOrder: "192.0.2.1", of: "mail=ann@here.test")
      }
      try await people.publishing("eve@free.test", "192.0.2.66", by: people.malloryClient) {
        try await people.rootClient.expect(
          inOrder: "ok", "192.0.2.7", of: "publish=eve@free.test,192.0.2.7", "mail=eve@free.test")
      }
    }
  }

  @Test(
    "of a provider that can't keep owners apart the rules permit all that there is, and no owner is named to it",
    arguments: Isolation.allCases)
  func absorber(_ isolation: Isolation) async throws {
    let rules = "[[providers.absorber.registrars]]\nusers = [1]\nnames = [\"a.example\"]\n"
    try await Self.serve(isolation, rules, absorber: true) { people in
      let words = ["--address", "192.0.2.1:80", "--provider", "absorber"]
      try await people.alice.expect(
        77, "no rule of providers.absorber.registrars permits b.example", of: "register", "b.example", words[0], words[1],
        words[2],
        words[3])
      try await people.mallory.expect(
        77, "providers.absorber.registrars[0] gives a.example to others", of: "register", "a.example", words[0], words[1],
        words[2],
        words[3])
      try await people.alice.expect(0, of: "register", "a.example", words[0], words[1], words[2], words[3])
      try await people.root.expect(
        1, "WSAEOPNOTSUPP", of: "unregister", "a.example", "--owner", "daemon", "--provider", "absorber")
    }
  }

  @Test(
    "NSP-268 an operator takes back what one user has registered or published, and nothing of another's; nobody else does",
    arguments: Isolation.allCases)
  func takenBack(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { people in
      try await people.mallory.expect(0, of: "register", "theirs", "--address", "192.0.2.66:80")
      try await people.alice.expect(0, of: "register", "theirs", "--address", "192.0.2.1:80")
      try await people.root.expect(
        lines: ["unregistered theirs", "    directory  done"], of: "unregister", "theirs", "--owner", "nobody")
      try await people.mallory.expect(missing: "theirs")
      try await people.alice.expect(lines: ["192.0.2.1:80  theirs"], of: "lookup", "theirs")
      try await people.root.expect(2, "WSASERVICE_NOT_FOUND", of: "unregister", "theirs", "--owner", "65534")

      try await people.publishing("evil@here.test", "192.0.2.66", by: people.malloryClient) {
        try await people.root.expect(0, of: "unregister", "evil@here.test", "--namespace", "email", "--owner", "65534")
        try await people.malloryClient.expect(inOrder: "11001", of: "mail=evil@here.test")
      }

      try await people.mallory.expect(77, "only root and the host", of: "unregister", "theirs", "--owner", "daemon")
      try await people.malloryClient.expect(inOrder: "10013", of: "steal=theirs,1")
      try await people.alice.expect(lines: ["192.0.2.1:80  theirs"], of: "lookup", "theirs")
      try await people.root.expect(64, "there is no user \"nosuch\"", of: "unregister", "theirs", "--owner", "nosuch")
    }
  }
}
