import BoundedTOML
import CWinsock
import HostDaemon
import Providers
import QuerySets
import Sessions
import Testing

@Suite struct ConfigurationTests {
  @Test("values have a source; those that a file leaves out are the defaults")
  func sources() throws {
    let text = """
      plugins = ["/opt/nsp", "/usr/lib/nsp"]
      socket = "/tmp/socket"
      [limits]
      connections = 7
      [access]
      users = ["root", 1234]
      """
    let configuration = try Configuration(toml: text, path: "x.toml")
    #expect(configuration.plugins == ["/opt/nsp", "/usr/lib/nsp"] && configuration.socket == "/tmp/socket")
    #expect(configuration.limits.connections == 7 && configuration.limits.bytesQueued == HostLimits().bytesQueued)
    #expect(configuration.access?.users == [0, 1234])
    #expect(configuration.entries.first { $0.key == "limits.connections" }?.source == "x.toml")
    #expect(configuration.entries.first { $0.key == "limits.frame-bytes" }?.source == "default")
  }

  @Test(
    "many keys take a time that grows with their number",
    arguments: [
      (0..<16_000).map { "[providers.p\($0)]\nenabled = true\n" }.joined(),
      "[providers.one.settings]\n" + (0..<16_000).map { "k\($0) = 1\n" }.joined(),
    ])
  func manyKeys(text: String) throws {
    let begin = ContinuousClock.now
    let configuration = try Configuration(toml: text, path: "x.toml")
    #expect(configuration.entries.count > 16_000)
    #expect(begin.duration(to: .now) < .seconds(30), "quadratic: four minutes")
  }

  @Test("who may write classes is said by name or number")
  func classWriters() throws {
    let configuration = try Configuration(toml: "[classes]\nwriters = [\"root\", 7]\nwriter-groups = [9]", path: "x.toml")
    #expect(
      configuration.classWriters?.users == [0, 7] && configuration.classWriters?.groups == [9] && configuration.access == nil)
    #expect(configuration.entries.contains { $0.key == "classes.writers" && $0.value == "0, 7" })
    #expect(
      lines("[classes]\nwriters = \"root\"") == [
        "x.toml:2:11: classes.writers: \"root\" is not a list of users, by name or number"
      ])
  }

  @Test("from which network namespaces glibc's module is answered is \"own\" or \"all\", and \"own\" where nobody says it")
  func networkNamespaces() throws {
    func entry(_ configuration: Configuration) -> Configuration.Entry? {
      configuration.entries.first { $0.key == "access.network-namespaces" }
    }
    let silent = try Configuration(toml: "", path: "x.toml")
    #expect(silent.networkNamespaces == nil)
    #expect(entry(silent) == .init(key: "access.network-namespaces", value: "own", source: "default"))
    for (text, rule) in [("own", NetworkNamespaces.own), ("all", .all)] {
      let said = try Configuration(toml: "[access]\nnetwork-namespaces = \"\(text)\"", path: "x.toml")
      #expect(said.networkNamespaces == rule && said.access == nil, "it is not about who may have a session")
      #expect(entry(said) == .init(key: "access.network-namespaces", value: text, source: "x.toml"))
    }
    for wrong in ["\"mine\"", "true", "[\"own\"]"] {
      let lines = lines("[access]\nnetwork-namespaces = \(wrong)")
      #expect(lines.count == 1 && lines[0].hasPrefix("x.toml:2:22: access.network-namespaces: "))
      #expect(lines[0].hasSuffix(" is not \"own\" or \"all\""))
    }
  }

  @Test("whose registrations count is \"trusted\" or \"all\", and \"trusted\" where nobody says it")
  func owners() throws {
    for (text, value, countsAll) in [
      ("", "trusted", false), ("owners = \"all\"", "all", true), ("owners = \"trusted\"", "trusted", false),
    ] {
      let configuration = try Configuration(toml: "[lookups]\n\(text)\n[providers.hello]\nshared = \(countsAll)", path: "x.toml")
      #expect(configuration.limits.countsAllOwners == countsAll)
      #expect(configuration.entries.first { $0.key == "lookups.owners" }?.value == value)
      var manifest = Manifest(id: GUID(), displayName: "hello", nameSpace: .dns)
      configuration.providers.apply(to: &manifest)
      #expect(manifest.isShared == countsAll)
    }
  }

  @Test("registrars are users and groups, each with the names that they may register")
  func registrars() throws {
    let text = """
      [providers.hello]
      registrars = [
        { users = ["root", 7], names = [".build.example.org", "printer"] },
        { groups = [8], names = ["*-?.example.org", "@example.org"] },
        { users = [9] },
      ]
      """
    let configuration = try Configuration(toml: text, path: "x.toml")
    var manifest = Manifest(id: GUID(), displayName: "hello", nameSpace: .dns)
    configuration.providers.apply(to: &manifest)
    let rules = try #require(manifest.registrars)
    #expect(rules.map(\.place) == (0...2).map { "providers.hello.registrars[\($0)]" })
    #expect(rules[0].registrars.users == [0, 7] && rules[1].registrars.groups == [8])
    #expect(
      configuration.entries.contains {
        $0.key == "providers.hello.registrars[0].names" && $0.value == ".build.example.org, printer"
      })
    func covering(_ name: String) -> [Int] { rules.indices.filter { rules[$0].covers(name) } }
    #expect(
      covering("a.build.example.org") == [0, 2] && covering("A.B.Build.Example.Org..") == [0, 2] && covering("PRINTER") == [0, 2])
    #expect(covering("build.example.org") == [2] && covering("abuild.example.org") == [2] && covering("printers") == [2])
    #expect(covering("web-1.example.org") == [1, 2] && covering("web-10.example.org") == [2])
    #expect(covering("ann@example.org") == [1, 2] && covering("@example.org") == [2] && covering("ann@a.example.org") == [2])
  }

  @Test("a provider's table is known by name or id, and goes before its manifest")
  func providers() throws {
    let text = """
      log = "debug"
      state = "/var/lib/x"
      [providers.hello]
      enabled = false
      order = -1
      deadline-ms = 250
      concurrency = 3
      blocking = true
      users = ["root", 7]
      isolation = "worker"
      [providers."3f0c5a1e-6b1d-4b52-9c57-1d0e442a9110"]
      order = 2
      """
    let configuration = try Configuration(toml: text, path: "x.toml")
    #expect(configuration.log == .debug && configuration.state == "/var/lib/x")
    var manifest = Manifest(id: GUID("3f0c5a1e-6b1d-4b52-9c57-1d0e442a9110")!, displayName: "hello", nameSpace: .dns)
    configuration.providers.apply(to: &manifest)
    #expect(!manifest.isEnabled && manifest.deadline == .milliseconds(250) && manifest.concurrency == 3 && manifest.isBlocking)
    #expect(manifest.isolation == .worker && manifest.access?.users == [0, 7])
    #expect(manifest.order == -1, "by name before by id")
    manifest.displayName = "other"
    configuration.providers.apply(to: &manifest)
    #expect(manifest.order == 2)
    #expect(configuration.entries.contains { $0.key == "providers.hello.deadline-ms" && $0.value == "250" })
  }

  @Test("where providers run, and what their processes may take and do")
  func confinement() throws {
    let text = """
      isolation = "in-process"
      [providers.hello]
      grace-ms = 900
      memory-mb = 64
      cpu-seconds = 5
      descriptors = 20
      processes = 0
      user = "nobody"
      allow-read = ["/srv", "/etc/names"]
      allow-connect = ["tcp:53", "udp:*", "unix:/run/x"]
      advertisers = ["root"]
      serves = "everybody"
      """
    let configuration = try Configuration(toml: text, path: "x.toml")
    #expect(configuration.isolation == .inProcess)
    var manifest = Manifest(id: GUID(), displayName: "hello", nameSpace: .dns)
    manifest.confinement.memory = 1
    manifest.confinement.user = "games"
    configuration.providers.apply(to: &manifest)
    let rules = manifest.confinement
    #expect(manifest.grace == .milliseconds(900) && manifest.servesEverybody == true && manifest.advertisers?.users == [0])
    #expect(rules.memory == 64 << 20 && rules.processorSeconds == 5 && rules.descriptors == 20 && rules.processes == 0)
    #expect(rules.user == "nobody" && rules.readable == ["/srv", "/etc/names"])
    #expect(rules.reachable == ["tcp:53", "udp:*", "unix:/run/x"])
  }

  @Test(
    "what is wrong is named, with what to do",
    arguments: [
      ("plugins = 7", "x.toml:1:11: plugins: 7 is not a list of absolute paths"),
      ("plugins = [\"/a\", \"relative\"]", "x.toml:1:18: plugins: \"relative\" is not an absolute path in quotes"),
      ("socket = \"relative\"", "x.toml:1:10: socket: \"relative\" is not an absolute path in quotes"),
      ("[limits]\nconnections = 0", "x.toml:2:15: limits.connections: 0 is not a number from 1 to 1048576"),
      ("[limits]\nhello-ms = 10", "x.toml:2:12: limits.hello-ms: 10 is not a number from 50 to 86400000"),
      ("limits.reserve = 0", "x.toml:1:18: limits.reserve: 0 is not a number from 4 to 4096"),
      ("[limits]\nframe-bytes = \"much\"", "x.toml:2:15: limits.frame-bytes: \"much\" is not a number from 4096 to 67108864"),
      ("[limits]\nconections = 1", "x.toml:2:1: unknown key \"limits.conections\""),
      ("limits = 1", "x.toml:1:10: limits: 1 is not a table"),
      ("[access]\nusers = [\"root\", \"nosuch\"]", "x.toml:2:18: access.users: there is no user \"nosuch\""),
      ("unknown = 1", "x.toml:1:1: unknown key \"unknown\""),
      ("log = \"loud\"", "x.toml:1:7: log: \"loud\" is not \"debug\", \"info\", \"warning\" or \"error\""),
      ("isolation = \"jail\"", "x.toml:1:13: isolation: \"jail\" is not \"in-process\" or \"worker\""),
      ("[providers.hello]\nmemory-mb = 0", "x.toml:2:13: providers.hello.memory-mb: 0 is not a number from 1 to 1073741824"),
      (
        "[providers.hello]\nallow-read = [\"here\"]",
        "x.toml:2:15: providers.hello.allow-read: \"here\" is not an absolute path in quotes"
      ),
      (
        "[providers.hello]\nallow-connect = [\"tcp:0\"]",
        "x.toml:2:18: providers.hello.allow-connect: \"tcp:0\" is not \"tcp:PORT\", \"tcp:*\", \"udp:*\", \"unix:*\" or \"unix:/PATH\""
      ),
      ("[providers.hello]\nserves = \"some\"", "x.toml:2:10: providers.hello.serves: \"some\" is not \"user\" or \"everybody\""),
      ("[providers.hello]\nshared = 1", "x.toml:2:10: providers.hello.shared: 1 is not true or false"),
      ("[lookups]\nowners = \"mine\"", "x.toml:2:10: lookups.owners: \"mine\" is not \"trusted\" or \"all\""),
      (
        "[providers.hello]\nregistrars = [7]",
        "x.toml:2:15: providers.hello.registrars: 7 is not a table such as { users = [\"ann\"], names = [\".example.org\"] }"
      ),
      ("[[providers.hello.registrars]]\nnames = [\"a\"]", "x.toml:1:1: providers.hello.registrars: nobody may register by it"),
      (
        "[[providers.hello.registrars]]\nusers = [\"nosuch\"]",
        "x.toml:2:10: providers.hello.registrars[0].users: there is no user \"nosuch\""
      ),
      (
        "[[providers.hello.registrars]]\nusers = [1]\nnames = [\"@\"]",
        "x.toml:3:10: providers.hello.registrars[0].names: \"@\" is not a name such as \"printer\", \"*.example.org\", \".example.org\" or "
          + "\"@example.org\""
      ),
      ("[[providers.hello.registrars]]\nusers = []\nuser = 1", "x.toml:3:1: unknown key \"providers.hello.registrars[0].user\""),
      ("providers = 1", "x.toml:1:13: providers: 1 is not tables, one a provider"),
      ("[providers]\nhello = 1", "x.toml:2:9: providers.hello: 1 is not a table"),
      ("[provders.hello]\norder = 1", "x.toml:1:1: unknown table [provders]"),
      (
        "[providers.hello]\norder = \"first\"",
        "x.toml:2:9: providers.hello.order: \"first\" is not a number from -1000000 to 1000000"
      ),
      ("[providers.\"a.b\"]\nconcurrency = 0", "x.toml:2:15: providers.\"a.b\".concurrency: 0 is not a number from 1 to 4096"),
      ("[providers.hello]\nenable = true", "x.toml:2:1: unknown key \"providers.hello.enable\""),
      (
        "[providers.hello]\nnamespace = \"dns\"",
        "x.toml:2:1: providers.hello.namespace does not stand in [providers.NAME] of nsphost.toml"
      ),
      ("log = = nonsense", "x.toml:1:7: not TOML: "),
    ])
  func defects(text: String, line: String) {
    let problems = Configuration.read(text, path: "x.toml").problems
    #expect(problems.count == 1 && problems[0].line.hasPrefix(line) && !problems[0].help.isEmpty, "\(problems)")
    #expect(throws: Problems.self) { try Configuration(toml: text, path: "x.toml") }
  }

  private func lines(_ text: String) -> [String] { Configuration.read(text, path: "x.toml").problems.map(\.line) }

  @Test("all that is wrong is reported, in the order of the file; what is good counts")
  func allProblems() {
    let text = """
      log = "loud"
      [limits]
      connections = 7
      conections = 1
      [access]
      users = ["nosuch", 7, "nobodyhere"]
      [providers.hello]
      order = true
      settings = { files = "" }
      """
    let (configuration, problems) = Configuration.read(text, path: "x.toml")
    #expect(
      problems.map { [$0.position?.line, $0.position?.column] } == [[1, 7], [4, 1], [6, 10], [6, 23], [8, 9], [9, 22]])
    #expect(
      problems.map(\.key) == [
        "log", "limits.conections", "access.users[0]", "access.users[2]", "providers.hello.order",
        "providers.hello.settings.files",
      ])
    #expect(problems.map(\.value) == ["\"loud\"", nil, "\"nosuch\"", "\"nobodyhere\"", "true", "\"\""])
    #expect(problems[1].help == "did you mean \"limits.connections\"?")
    #expect(problems[2].help == "use a name or number that `getent passwd` knows")
    #expect(configuration.limits.connections == 7 && configuration.access == nil && configuration.log == .info)
  }

  @Test(
    "the help for an unknown word is the nearest known one",
    arguments: [
      ("conections = 1", "did you mean \"limits.connections\"?"), ("plugin = 1", "did you mean \"plugins\"?"),
      ("budget-ms = 1", "did you mean \"nss.budget-ms\"?"), ("[provders.x]", "did you mean [providers]?"),
      ("[limit]\nreserve = 9", "did you mean [limits]?"), ("[lookups]\nsomething = 1", "known are lookups.owners"),
      ("[providers.x]\ndead-line-ms = 1", "did you mean \"deadline-ms\"?"),
    ])
  func nearest(text: String, help: String) {
    #expect(Configuration.read(text, path: "x.toml").problems.map(\.help) == [help])
  }

  @Test("a provider's own settings are those that its manifest accepts, each of its kind")
  func acceptedSettings() {
    var manifest = Manifest(id: GUID("3f0c5a1e-6b1d-4b52-9c57-1d0e442a9110")!, displayName: "hello", nameSpace: .dns)
    let text = """
      [providers.hello.settings]
      files = ["/a", "b"]
      file = "/a"
      tries = 16
      loud = "yes"
      name = ["a", "b"]
      [providers."3f0c5a1e-6b1d-4b52-9c57-1d0e442a9110".settings]
      tries = 15
      loud = false
      other = 1
      [providers.unknown.settings]
      any = "thing"
      """
    #expect(Configuration.read(text, path: "x.toml", of: [manifest]).problems.isEmpty, "it declares nothing")
    manifest.accepts = [
      "files": .paths, "tries": .number(0...15), "loud": .truth, "name": .text, "place": .path, "words": .texts,
    ]
    let problems = Configuration.read(text, path: "x.toml", of: [manifest]).problems
    #expect(
      problems.map(\.line) == [
        "x.toml:2:9: providers.hello.settings.files: /a, b is not a list of absolute paths",
        "x.toml:3:1: unknown key \"providers.hello.settings.file\"",
        "x.toml:4:9: providers.hello.settings.tries: 16 is not a number from 0 to 15",
        "x.toml:5:8: providers.hello.settings.loud: yes is not true or false",
        "x.toml:6:8: providers.hello.settings.name: a, b is not one text",
        "x.toml:10:1: unknown key \"providers.3f0c5a1e-6b1d-4b52-9c57-1d0e442a9110.settings.other\"",
      ])
    #expect(problems[1].help == "did you mean \"files\"?")
    #expect(problems[5].help == "hello has the settings files, loud, name, place, tries, words")
  }

  @Test("each setting has a key of its own, a kind and a help; what is shown by default is its default")
  func table() {
    let keys = Configuration.table.settings.map(\.key) + Manifest.table.settings.map { "providers.NAME." + $0.key }
    #expect(Set(keys).count == keys.count)
    #expect(Configuration.table.settings.allSatisfy { !$0.kind.isEmpty && !$0.help.isEmpty && $0.places == [.host] })
    #expect(Manifest.table.settings.allSatisfy { !$0.kind.isEmpty && !$0.help.isEmpty && !$0.places.isEmpty })
    let shown = Configuration().entries
    #expect(shown.first { $0.key == "isolation" }?.value == "worker" && shown.first { $0.key == "log" }?.value == "info")
    #expect(shown.first { $0.key == "limits.frame-bytes" }?.value == "1048576" && shown.allSatisfy { $0.source == "default" })
  }

  @Test("a list of users or groups admits those, root, and nobody else; without one everybody may")
  func access() throws {
    func client(_ user: UInt32, _ group: UInt32) -> ClientIdentity {
      ClientIdentity(processID: 1, userID: user, groupID: group, command: "x")
    }
    #expect(Configuration().admits(client(9, 9)))
    let configuration = try Configuration(toml: "[access]\nusers = [7]\ngroups = [8]", path: "x.toml")
    #expect(configuration.admits(client(7, 1)) && configuration.admits(client(1, 8)) && configuration.admits(client(0, 0)))
    #expect(!configuration.admits(client(9, 9)))
  }

  @Test("a provider's own settings are lists of texts, and go before the same ones of its manifest")
  func ownSettings() throws {
    let text = """
      [providers.hello.settings]
      files = ["/a", "/b"]
      tries = 3
      loud = true
      """
    let configuration = try Configuration(toml: text, path: "x.toml")
    var manifest = Manifest(id: GUID("3f0c5a1e-6b1d-4b52-9c57-1d0e442a9110")!, displayName: "hello", nameSpace: .dns)
    manifest.settings = ["files": ["/z"], "kept": ["as it is"]]
    configuration.providers.apply(to: &manifest)
    #expect(
      manifest.settings == ["files": ["/a", "/b"], "tries": ["3"], "loud": ["true"], "kept": ["as it is"]])
    #expect(configuration.entries.contains { $0.key == "providers.hello.settings.files" && $0.value == "/a, /b" })
    #expect(configuration.providers[manifest]?.own["tries"] == ["3"] && configuration.providers[manifest]?.own["kept"] == nil)
    #expect(
      lines("[providers.hello.settings]\nfiles = [\"a\", [\"b\"]]") == [
        "x.toml:2:15: providers.hello.settings.files: a list is not text, a number, true or false, without NUL and not empty"
      ])
  }
}
