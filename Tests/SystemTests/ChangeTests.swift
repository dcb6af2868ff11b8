import Foundation
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// What changes inside providers is seen by processes that watch it: in files, in the directory, of published addresses, of advertised programs.
@Suite(.timeLimit(.minutes(10))) struct ChangeTests {
  private static let teller = "51e57b00-0001-4000-8000-000000000001"

  /// A host with the providers that ship and one that says what a test makes it say.
  private static func serve<Value: Sendable>(
    _ isolation: Isolation, in before: WorkFolder? = nil, _ body: @Sendable (Host) async throws -> Value
  ) async throws -> Value {
    let folder = try before ?? WorkFolder()
    try folder.make("data")
    if !folder.has("teller.so") {
      try folder.write("192.0.2.1 moving\n", to: "hosts")
      try await compile(
        [Built.package + "/Tests/Plugins/teller.c"], ["-shared", "-fPIC", "-pthread"], to: folder["teller.so"])
    }
    let configuration = """
      [providers.hosts.settings]
      files = ["\(folder["hosts"])", "\(folder["folder/more"])"]
      [providers.email.settings]
      discover = false
      """
    let manifest = "isolation = \"\(isolation.rawValue)\"\n[settings]\ndata = \"\(folder["data"])\"\n"
    var plugins = [Plugin(file: folder["teller.so"], manifest: manifest)]
    for name in ["hosts", "directory", "email"] { plugins.append(try .shipped(name, isolation)) }
    return try await Host.serve(configuration, plugins, options: ["--log", "debug"], in: folder) { host in
      for name in ["teller", "hosts", "directory", "email"] { try await host.loads(name) }
      return try await body(host)
    }
  }

  /// A name that somebody watches at a provider.
  private struct Watch: Sendable {
    let name: String
    let host: Host
    let file: String

    private var printed: String { host.folder.text(of: file) }

    /// How often it was asked for.
    private var asked: Int { host.log.components(separatedBy: "lookup of \(name),").count - 1 }

    /// This is the last line that it prints, sooner or later.
    func sees(_ line: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      try await eventually("\(name): \(line) is not the last line of: \(printed)", sourceLocation: sourceLocation) {
        printed.hasSuffix(line + "\n") && printed.split(separator: "\n").last == line[...]
      }
    }

    /// Nobody asks for it any more while nothing happens, once the provider has promised to say every change.
    func becomesQuiet(sourceLocation: SourceLocation = #_sourceLocation) async throws {
      try await eventually("\(name) is asked for", sourceLocation: sourceLocation) { asked > 0 }
      try await eventually("\(name) is asked for no more: \(asked) times", sourceLocation: sourceLocation) {
        let before = asked
        try await Task.sleep(for: .seconds(2.5))
        return asked == before
      }
    }

    /// Nobody is told of what the body does: where somebody were asked again each second, this would show.
    func staysSo(
      sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void = {}
    ) async throws {
      let before = printed
      try await body()
      try await Task.sleep(for: .seconds(2.5))
      #expect(printed == before, "\(name)", sourceLocation: sourceLocation)
    }
  }

  private static func watching(
    _ name: String, at provider: String, of host: Host, _ body: @Sendable (Watch) async throws -> Void
  ) async throws {
    let watch = Watch(name: name, host: host, file: name + ".seen")
    _ = try await host.nsphost.beside("watch", name, "--provider", provider, printing: host.folder[watch.file]) { process in
      try await body(watch)
      kill(process, SIGTERM)
    }
  }

  @Test("a hosts file that is written, replaced, removed and made; nobody asks meanwhile", arguments: Isolation.allCases)
  func hostsFile(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let hosts = URL(filePath: host.folder["hosts"])
      try await Self.watching("moving", at: "hosts", of: host) { watch in
        try await watch.sees("+ 192.0.2.1  moving  hosts")
        try await watch.becomesQuiet()
        try Data("192.0.2.2 moving\n".utf8).write(to: hosts)
        try await watch.sees("= 192.0.2.2  moving  hosts")
        let end = try FileHandle(forWritingTo: hosts)
        try end.seekToEnd()
        try end.write(contentsOf: Data("192.0.2.3 moving\n".utf8))
        try await watch.sees("= 192.0.2.2 192.0.2.3  moving  hosts")
        try host.folder.write("192.0.2.4 moving\n", to: "new")
        #expect(rename(host.folder["new"], hosts.path) == 0)
        try await watch.sees("= 192.0.2.4  moving  hosts")
        try FileManager.default.removeItem(at: hosts)
        try await watch.sees("- 192.0.2.4  moving  hosts")
        // In a folder that was not there.
        try host.folder.make("folder")
        try host.folder.write("192.0.2.5 moving\n", to: "folder/more")
        try await watch.sees("+ 192.0.2.5  moving  hosts")
        try await watch.becomesQuiet()
      }
    }
  }

  @Test("what other processes and other hosts register in the directory, and take back", arguments: Isolation.allCases)
  func registered(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let nsphost = host.nsphost
      try await Self.watching("thing", at: "directory", of: host) { watch in
        try await nsphost.expect(0, of: "register", "thing", "--address", "192.0.2.1:1")
        try await watch.sees("+ 192.0.2.1:1  thing  directory")
        try await watch.becomesQuiet()
        try await nsphost.expect(0, of: "unregister", "thing")
        try await watch.sees("- 192.0.2.1:1  thing  directory")
      }
      let local = ["--local", "--plugins", host.folder["plugins"]]
      try await Self.watching("beside", at: "directory", of: host) { watch in
        try await watch.becomesQuiet()
        let registered = try await nsphost.run(["register", "beside", "--address", "192.0.2.1:1"] + local)
        #expect(registered.status == 0, "\(registered)")
        try await watch.sees("+ 192.0.2.1:1  beside  directory")
        let removed = try await nsphost.run(["unregister", "beside"] + local)
        #expect(removed.status == 0, "\(removed)")
        try await watch.sees("- 192.0.2.1:1  beside  directory")
      }
    }
  }

  @Test("what expires in the directory", arguments: Isolation.allCases)
  func expired(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      @Sendable func register(_ name: String, _ address: String, _ seconds: Int) async throws {
        try await host.nsphost.expect(0, of: "register", name, "--address", address, "--expires", "\(seconds)")
      }
      try await Self.watching("brief", at: "directory", of: host) { brief in
        try await register("brief", "192.0.2.1:1", 4)
        try await brief.sees("+ 192.0.2.1:1  brief  directory")
        try await brief.sees("- 192.0.2.1:1  brief  directory")
        try await register("brief", "192.0.2.2:1", 3)
        try await register("later", "192.0.2.2:1", 9)
        try await Self.watching("later", at: "directory", of: host) { later in
          try await brief.sees("- 192.0.2.2:1  brief  directory")
          try await later.sees("- 192.0.2.2:1  later  directory")
        }
        try await brief.becomesQuiet()
      }
    }
  }

  @Test("what ends with its session: in the directory, and a published e-mail address", arguments: Isolation.allCases)
  func sessions(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let directory = try await host.client(Built.package + "/Tests/Plugins/directory.c")
      let held = try await directory.beside("hold", "held", printing: host.folder["held"]) { process in
        try await Self.watching("held", at: "directory", of: host) { watch in
          try await watch.sees("+ 192.0.2.1:80  held  directory")
          try await watch.becomesQuiet()
          kill(process, SIGKILL)
          try await watch.sees("- 192.0.2.1:80  held  directory")
        }
      }.outcome
      #expect(held.status == 128 + SIGKILL, "\(held)")

      let email = try await host.client(Built.package + "/Tests/Plugins/email.c")
      try await Self.watching("eve@here.test", at: "email", of: host) { watch in
        let file = host.folder["published"]
        let published = try await email.beside("register=eve@here.test,imap,192.0.2.5:143", "hold", printing: file) { process in
          try await watch.sees("+ 192.0.2.5:143  eve@here.test  email")
          kill(process, SIGKILL)
          try await watch.sees("- 192.0.2.5:143  eve@here.test  email")
        }.outcome
        #expect(published.status == 128 + SIGKILL, "\(published)")
      }
    }
  }

  private static func put(_ name: String, _ address: String, _ host: Host) throws {
    try host.folder.write(address, to: "data/" + name)
  }

  /// Has the teller say that this has changed.
  private static func say(_ what: String, _ host: Host, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await host.nsphost.expect(0, of: "lookup", "say-" + what, "--provider", teller, sourceLocation: sourceLocation)
  }

  @Test("a provider that never says so is asked again", arguments: Isolation.allCases)
  func silent(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      try await Self.watching("silent", at: Self.teller, of: host) { watch in
        try Self.put("silent", "192.0.2.1", host)
        try await watch.sees("+ 192.0.2.1  silent  teller")
        try Self.put("silent", "192.0.2.2", host)
        try await watch.sees("= 192.0.2.2  silent  teller")
        try FileManager.default.removeItem(atPath: host.folder["data/silent"])
        try await watch.sees("- 192.0.2.2  silent  teller")
      }
    }
  }

  @Test(
    "WSANSPIoctl is told of the name that a provider says, and of everything; who has promised to say every change is asked then alone",
    arguments: Isolation.allCases)
  func said(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      try Self.put("named", "192.0.2.1", host)
      try await Self.watching("named", at: Self.teller, of: host) { watch in
        try await watch.sees("+ 192.0.2.1  named  teller")
        let client = try await host.client(Built.package + "/Tests/Plugins/changes.c")
        let folder = host.folder
        let (other, waiting) = try await client.beside(Self.teller, "other-name", printing: folder["other"]) { _ in
          let waiting = try await client.beside(Self.teller, "named", printing: folder["waiting"]) { _ in
            try await eventually("both wait") { ["other", "waiting"].allSatisfy { folder.text(of: $0).contains("waits") } }
            try await Self.say("NAMED", host)
            try await eventually("the one that waits for it is told") { folder.text(of: "waiting").contains("told") }
            #expect(!folder.text(of: "other").contains("told"))
          }.outcome
          try await Self.say("everything", host)
          return waiting
        }
        for outcome in [waiting, other] { #expect(outcome.status == 0 && outcome.lines.contains("told 0"), "\(outcome)") }

        try await watch.becomesQuiet()
        try await watch.staysSo { try Self.put("named", "192.0.2.7", host) }
        try await Self.say("named", host)
        try await watch.sees("= 192.0.2.7  named  teller")
        try await watch.staysSo { try Self.put("named", "192.0.2.8", host) }
        try await Self.say("other-name", host)
        try await watch.staysSo()
        try await Self.say("everything", host)
        try await watch.sees("= 192.0.2.8  named  teller")
      }
      // Nobody speaks for another, or for nobody.
      for name in ["say-nobody", "say-hosts"] {
        try await host.nsphost.expect(1, "WSAEINVALIDPROVIDER", of: "lookup", name, "--provider", Self.teller)
      }
    }
  }

  /// Runs a program with these lines as its input, each as soon as it is said. True when it ends in order.
  private static func run(
    _ program: Program, _ words: [String], saying lines: AsyncStream<String>, printing file: String
  ) async throws -> Bool {
    let output = try FileDescriptor.open(
      FilePath(file), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    let result = try await Subprocess.run(
      .path(FilePath(program.path)), arguments: Arguments(words), environment: program.subprocessEnvironment,
      input: .inputWriter, output: .fileDescriptor(output, closeAfterSpawningProcess: true), error: .combinedWithOutput
    ) { execution in
      for await line in lines { _ = try await execution.standardInputWriter.write(line + "\n") }
      try await execution.standardInputWriter.finish()
    }
    return result.terminationStatus.isSuccess
  }

  @Test("a program that advertises says what changes, at the next host too, and only for itself", arguments: Isolation.allCases)
  func advertised(_ isolation: Isolation) async throws {
    let folder = try WorkFolder()
    let (lines, input) = AsyncStream.makeStream(of: String.self)
    defer { input.finish() }
    let (id, program) = try await Self.serve(isolation, in: folder) { host in
      let advertiser = try await host.client(Built.package + "/Tests/Clients/advertiser.c")
      try await advertiser.expect(0, of: "start", "install=offered:12", "cleanup")
      let id = try #require(try await advertiser.run("id=offered").lines.first)
      let program = Task {
        try await Self.run(
          advertiser, ["start", "advertise=offered", "wait", "cleanup"], saying: lines, printing: folder["offered"])
      }
      try await eventually("it is advertised") { folder.text(of: "offered").contains("ready") }
      try await Self.watching("switch", at: id, of: host) { watch in
        input.yield("on")
        try await watch.sees("+ 192.0.2.9:99  switch  offered")
        input.yield("off")
        try await watch.sees("- 192.0.2.9:99  switch  offered")
        input.yield("changed")
        try await watch.becomesQuiet()
        try await watch.staysSo { input.yield("on") }
        input.yield("changed switch")
        try await watch.sees("+ 192.0.2.9:99  switch  offered")
        input.yield("others")
        try await eventually("it has said so for others") { folder.text(of: "offered").contains("others: ") }
        let said = folder.text(of: "offered").split(separator: "\n")
        #expect(said.filter { $0.hasPrefix("changed:") } == ["changed: 0", "changed: 0"], "\(said)")
        #expect(said.contains("others: 10105 10105 10022"), "\(said)")
      }
      return (id, program)
    }
    // The promise holds at the next host.
    try await Self.serve(isolation, in: folder) { host in
      try await eventually("it is advertised again") {
        try await host.nsphost.run("lookup", "switch", "--provider", id).status == 0
      }
      try await Self.watching("switch", at: id, of: host) { watch in
        try await watch.sees("+ 192.0.2.9:99  switch  offered")
        try await watch.becomesQuiet()
      }
      input.finish()
      #expect(try await program.value, "the program ends in order")
    }
  }
}
