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
    #expect(configuration.limits.connections == 7 && configuration.limits.bytesQueued == Limits().bytesQueued)
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
    let failure = #expect(throws: Configuration.Defect.self) {
      try Configuration(toml: "[classes]\nwriters = \"root\"", path: "x.toml")
    }
    #expect(failure?.detail == "x.toml: classes.writers is not a list of users that exist, by name or number")
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
      let failure = #expect(throws: Configuration.Defect.self) {
        try Configuration(toml: "[access]\nnetwork-namespaces = \(wrong)", path: "x.toml")
      }
      #expect(failure?.detail == "x.toml: access.network-namespaces is not \"own\" or \"all\"")
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
    #expect(configuration.providers[manifest]?.order == -1, "by name before by id")
    manifest.displayName = "other"
    #expect(configuration.providers[manifest]?.order == 2)
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
      ("plugins = 7", "x.toml: plugins is not a list of absolute paths"),
      ("plugins = [\"relative\"]", "x.toml: plugins is not a list of absolute paths"),
      ("socket = \"relative\"", "x.toml: socket is not an absolute path in quotes"),
      ("[limits]\nconnections = 0", "x.toml: limits.connections is not a number from 1 to 1048576"),
      ("[limits]\nhello-ms = 10", "x.toml: limits.hello-ms is not a number from 50 to 86400000"),
      ("[limits]\nreserve = 0", "x.toml: limits.reserve is not a number from 4 to 4096"),
      ("[limits]\nframe-bytes = \"much\"", "x.toml: limits.frame-bytes is not a number from 4096 to 67108864"),
      ("[limits]\nconections = 1", "x.toml has an unknown key \"limits.conections\""),
      ("[access]\nusers = [\"no-such-user-here\"]", "x.toml: access.users is not a list of users that exist, by name or number"),
      ("unknown = 1", "x.toml has an unknown key \"unknown\""),
      ("log = \"loud\"", "x.toml: log is not \"debug\", \"info\", \"warning\" or \"error\""),
      ("isolation = \"jail\"", "x.toml: isolation is not \"in-process\" or \"worker\""),
      ("[providers.hello]\nmemory-mb = 0", "x.toml: providers.hello.memory-mb is not a number from 1"),
      ("[providers.hello]\nallow-read = [\"here\"]", "x.toml: providers.hello.allow-read is not a list of absolute paths"),
      (
        "[providers.hello]\nallow-connect = [\"tcp:0\"]",
        "x.toml: providers.hello.allow-connect is not a list of \"tcp:PORT\", \"tcp:*\", \"udp:*\", \"unix:*\" or \"unix:/PATH\""
      ),
      ("[providers.hello]\nserves = \"some\"", "x.toml: providers.hello.serves is not \"user\" or \"everybody\""),
      ("[providers.hello]\nshared = 1", "x.toml: providers.hello.shared is not true or false"),
      ("[lookups]\nowners = \"mine\"", "x.toml: lookups.owners is not \"trusted\" or \"all\""),
      (
        "[providers.hello]\nregistrars = [7]",
        "x.toml: providers.hello.registrars is not a list of tables such as { users = [\"ann\"], names = [\".example.org\"] }"
      ),
      ("[[providers.hello.registrars]]\nnames = [\"a\"]", "x.toml: providers.hello.registrars[0] names nobody"),
      (
        "[[providers.hello.registrars]]\nusers = [\"no-such-user-here\"]",
        "x.toml: providers.hello.registrars[0].users is not a list of users that exist, by name or number"
      ),
      (
        "[[providers.hello.registrars]]\nusers = [1]\nnames = [\"@\"]",
        "x.toml: providers.hello.registrars[0].names is not a list of names such as \"printer\", \"*.example.org\", \".example.org\" or "
          + "\"@example.org\""
      ),
      ("[[providers.hello.registrars]]\nuser = 1", "x.toml has an unknown key \"providers.hello.registrars[0].user\""),
      ("providers = 1", "x.toml: providers is not tables, one a provider"),
      ("[providers]\nhello = 1", "x.toml: providers.hello is not a table"),
      ("[providers.hello]\norder = \"first\"", "x.toml: providers.hello.order is not a number from -1000000 to 1000000"),
      ("[providers.hello]\nconcurrency = 0", "x.toml: providers.hello.concurrency is not a number from 1 to 4096"),
      ("[providers.hello]\nenable = true", "x.toml has an unknown key \"providers.hello.enable\""),
    ])
  func defects(text: String, detail: String) {
    #expect { try Configuration(toml: text, path: "x.toml") } throws: { error in
      (error as? Configuration.Defect)?.detail == detail && (error as? Configuration.Defect)?.remedy.isEmpty == false
    }
    #expect(throws: Configuration.Defect.self) { try Configuration(toml: "= nonsense", path: "x.toml") }
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
    let failure = #expect(throws: Configuration.Defect.self) {
      try Configuration(toml: "[providers.hello.settings]\nfiles = [[\"a\"]]", path: "x.toml")
    }
    #expect(failure?.detail.hasPrefix("x.toml: providers.hello.settings is not a table of texts") == true)
  }
}
