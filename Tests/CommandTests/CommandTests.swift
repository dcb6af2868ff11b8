import Foundation
import Subprocess
import Testing

/// The real program, run as people run it.
@Suite struct CommandTests {
  private struct Outcome {
    var status: Int32
    var output: String
    var errors: String
  }

  private static let samples = ProcessInfo.processInfo.environment["NSPHOST_SAMPLES"] ?? "build/providers"
  private static let fixtures = ProcessInfo.processInfo.environment["NSPHOST_FIXTURES"] ?? "build/fixtures"

  /// The program lies beside the test bundle.
  private static let program = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().path + "/nsphost"

  private static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// - Parameters:
  ///   - script: What the sample transport plays; its clients call the command's host.
  ///   - state: Where the command keeps what is to last.
  private func run(
    _ arguments: String..., input: String = "", script: String = "/nonexistent", state: String = "/nonexistent"
  ) async throws -> Outcome {
    let result = try await Subprocess.run(
      .path(.init(Self.program)), arguments: Arguments(arguments),
      environment: .inherit.updating(["LOOPBACK_MCM_SCRIPT": script, "STATE_DIRECTORY": state]), input: .string(input),
      output: .string(limit: 1 << 20),
      error: .string(limit: 1 << 20))
    let status: Int32
    switch result.terminationStatus {
    case .exited(let code): status = code
    default: status = -1
    }
    return Outcome(status: status, output: result.standardOutput, errors: result.standardError)
  }

  @Test("config check lists every error as editors read it, and as JSON; other commands list them too")
  func configurationProblems() async throws {
    let path = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString).toml"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try "[limits]\nconections = 7\nreserve = 0\n".write(toFile: path, atomically: true, encoding: .utf8)
    let lines = """
      \(path):2:1: unknown key "limits.conections"
      help: did you mean "limits.connections"?
      \(path):3:11: limits.reserve: 0 is not a number from 4 to 4096
      help: connections and requests that only root and the host's own user get

      """
    for words in [["check"], ["show"]] {
      let told = try await run("config", words[0], "--config", path)
      #expect(told.status == 1 && told.errors == lines && told.output.isEmpty)
    }
    struct Document: Decodable {
      struct Check: Decodable { var good: Bool, problems: [Problem] }
      struct Problem: Decodable { var file: String, line: Int, column: Int, key: String, value: String?, what: String }
      var schema: String, check: Check
    }
    let told = try await run("config", "check", "--json", "--config", path)
    let document = try JSONDecoder().decode(Document.self, from: Data(told.output.utf8))
    #expect(told.status == 1 && document.schema == "nsphost.config-check/1" && !document.check.good)
    #expect(document.check.problems.map { [$0.line, $0.column] } == [[2, 1], [3, 11]])
    #expect(document.check.problems.map(\.key) == ["limits.conections", "limits.reserve"])
    #expect(document.check.problems.map(\.value) == [nil, "0"] && document.check.problems.allSatisfy { $0.file == path })
    try "[limits]\nreserve = 4\n".write(toFile: path, atomically: true, encoding: .utf8)
    let good = try await run("config", "check", "--config", path)
    #expect(good.status == 0 && good.output == "the configuration is good\n")
  }

  @Test(
    "the manual page of nsphost.toml has each setting that config show and manifests know, and no line that man would take for a request"
  )
  func configurationManual() async throws {
    let page = try await run("config", "manual", "--date", "December 1, 2026").output
    for key in ["socket", "limits.requests-per-user", "access.users", "isolation", "deadline-ms", "namespace"] {
      #expect(page.contains("\n.It Cm \(key)\n"), "\(key)")
    }
    let requests: Set = [".Dd", ".Dt", ".Os", ".Sh", ".Nm", ".Nd", ".Bl", ".It", ".El", ".Ic", ".Bd", ".Ed", ".Xr"]
    for line in page.split(separator: "\n") where line.hasPrefix(".") && !line.hasPrefix(".\\\"") {
      #expect(requests.contains(String(line.prefix(3))), "\(line)")
    }
  }

  @Test("config check reads the manifests of the plugin directories, and names tables that are about no provider")
  func configurationOfProviders() async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func write(_ text: String, to name: String) throws {
      try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
      chmod("\(folder)/\(name)", 0o644)
    }
    for name in ["scripted-a", "scripted-b"] {
      try FileManager.default.copyItem(atPath: "\(Self.fixtures)/\(name).so", toPath: "\(folder)/\(name).so")
    }
    try write("name = \"good\"\n[accepts]\npages = \"paths\"\n", to: "scripted-a.toml")
    try write("nmae = \"bad\"\nversion = true\n", to: "scripted-b.toml")
    try write("plugins = [\"\(folder)\"]\n[providers.goood]\n[providers.good.settings]\npage = \"/a\"\n", to: "x.toml")
    let told = try await run("config", "check", "--config", folder + "/x.toml")
    #expect(told.status == 1 && told.output.isEmpty)
    #expect(
      told.errors == """
        \(folder)/x.toml:4:1: unknown key "providers.good.settings.page"
        help: did you mean "pages"?
        \(folder)/scripted-b.toml:1:1: unknown key "nmae"
        help: did you mean "name"?
        \(folder)/scripted-b.toml:2:11: version: true is not a number from 0
        help: the version that programs see
        nsphost: [providers.goood] is about no provider in the plugin directories
        help: did you mean [providers.good]?

        """)
  }

  /// Runs a host while `body` runs, which is given the host's socket.
  private func withHost(
    _ arguments: String..., script: String = "/nonexistent", state: String? = "/nonexistent",
    _ body: (String) async throws -> Void
  ) async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(filePath: Self.program)
    process.arguments = ["serve", "--socket", folder + "/socket", "--log", "error"] + arguments
    var environment = ProcessInfo.processInfo.environment.merging(["LOOPBACK_MCM_SCRIPT": script]) { $1 }
    environment["STATE_DIRECTORY"] = state
    process.environment = environment
    process.standardOutput = output
    try process.run()
    defer {
      process.terminate()
      process.waitUntilExit()
    }
    // It says one line when it serves, and none when it ends before that.
    let said = output.fileHandleForReading.availableData
    try #require(String(decoding: said, as: UTF8.self).hasPrefix("nsphost serves "))
    try await body(folder + "/socket")
  }

  @Test("the tour runs to its end, and every startup is answered")
  func tour() async throws {
    let samples = Self.package + "/sample-providers"
    let state = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: state) }
    let outcome = try await run(
      "run", "\(samples)/tour.nsp", "--plugins", Self.samples, "--plugins", Self.package + "/build/tour",
      script: "\(samples)/loopback-mcm/calls.script", state: state)
    #expect(outcome.status == 0, "\(outcome.output)\n\(outcome.errors)")
    #expect(outcome.output.contains("run down by NSPv2ClientSessionRundown"))
    #expect(outcome.output.contains("live 0"))
  }

  @Test("lookup prints address and name, and exits with 2 when nothing is found")
  func lookup() async throws {
    let found = try await run("lookup", "hello", "--plugins", Self.samples)
    #expect(found.status == 0 && found.output == "192.0.2.1:7  hello\n")
    let missing = try await run("lookup", "nosuch", "--plugins", Self.samples)
    #expect(missing.status == 2 && missing.output.isEmpty)
    #expect(missing.errors.hasPrefix("nsphost: lookup of nosuch: "))
  }

  @Test("classes are installed from a file, shown, used by name, and removed")
  func classes() async throws {
    let state = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: state) }
    try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
    let file = state + "/meter.toml"
    try """
    [[class]]
    name = "meter"
    id = "77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a1"
    values = [
      { name = "TcpPort", namespace = "nds", type = "dword", value = 7001 },
      { name = "Vendor", namespace = "dns", type = "string", value = "Example" },
    ]
    """.write(toFile: file, atomically: true, encoding: .utf8)
    func perform(_ arguments: String...) async throws -> Outcome {
      let result = try await Subprocess.run(
        .path(.init(Self.program)), arguments: Arguments(arguments + ["--plugins", Self.samples]),
        environment: .inherit.updating(["STATE_DIRECTORY": state]), output: .string(limit: 1 << 20),
        error: .string(limit: 1 << 20))
      guard case .exited(let status) = result.terminationStatus else { return Outcome(status: -1, output: "", errors: "") }
      return Outcome(status: status, output: result.standardOutput, errors: result.standardError)
    }
    let installed = try await perform("classes", "install", file)
    #expect(installed.status == 0, "\(installed.errors)")
    #expect(
      installed.output == """
        installed meter  77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a1
            schema        done
            v1-directory  done

        """)
    let again = try await perform("classes", "install", file)
    #expect(
      again.status == 1
        && again.errors.contains("class meter is installed already (WSAEALREADY)\nhelp: to change it, remove it first"))
    let shown = try await perform("classes", "show", "meter")
    #expect(shown.output.contains("nds  TcpPort  dword   7001") && shown.output.contains("dns  Vendor   string  \"Example\""))
    #expect(try await perform("classes", "show", "SSH").output.hasPrefix("ssh  00090016-0000-0000-c000-000000000046"))
    let listed = try await perform("classes")
    #expect(listed.output.contains("meter") && listed.output.contains("hostname") && listed.output.hasSuffix(" classes\n"))
    #expect(try await perform("classes", "--installed").output.hasSuffix("\n1 class\n"))
    let looked = try await perform("lookup", "nobody", "--class", "meter", "--namespace", "nds")
    #expect(looked.status == 2 && looked.errors.contains("1 provider was asked, none has it"))
    let unknown = try await perform("lookup", "nobody", "--class", "nothing")
    #expect(unknown.status == 2 && unknown.errors.contains("class nothing: nobody knows it (WSATYPE_NOT_FOUND)"))
    #expect(try await perform("lookup", "nobody", "--class", "domain", "--namespace", "nds").status == 2)
    #expect(try await perform("classes", "show", "domain/udp").output.hasPrefix("domain  000a0035-"))
    #expect(try await perform("classes", "show", "65535/tcp").output.contains("kept by: well known"))
    try """
    [[class]]
    name = "meter"
    id = "77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a2"
    """.write(toFile: state + "/second.toml", atomically: true, encoding: .utf8)
    #expect(try await perform("classes", "install", state + "/second.toml").status == 0)
    let unclear = try await perform("lookup", "nobody", "--class", "meter")
    #expect(unclear.status == 64 && unclear.errors.contains("2 classes have this name\nhelp: name one by its id"))
    let byID = try await perform("classes", "remove", "77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a2")
    #expect(byID.output.hasPrefix("removed meter  77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a2\n"))
    let removed = try await perform("classes", "remove", "meter")
    #expect(removed.status == 0 && removed.output.contains("schema"))
    #expect(try await perform("classes", "remove", "meter").status == 2)
    #expect(try await perform("classes", "remove", "ssh").errors.contains("it is well known, and was not installed"))
    #expect(try await perform("classes", "install", state + "/nothing.toml").status == 1)
    try "".write(toFile: state + "/empty.toml", atomically: true, encoding: .utf8)
    #expect(
      try await perform("classes", "install", state + "/empty.toml").errors.contains(
        "has no class\nhelp: begin each class with [[class]]"))
  }

  @Test("registrations and watch show what there is")
  func watching() async throws {
    try await withHost("--plugins", Self.samples) { socket in
      let registrations = try await run("registrations", "--socket", socket)
      #expect(registrations.status == 0 && registrations.output.hasSuffix("\n0 registrations\n"))
    }
    let watched = try await run("watch", "hello", "--once", "--plugins", Self.samples)
    #expect(watched.status == 0 && watched.output == "+ 192.0.2.1:7  hello  hello\n")
    let nothing = try await run("watch", "nosuch", "--once", "--plugins", Self.samples)
    #expect(nothing.status == 2 && nothing.errors.contains("nobody has it now"))
  }

  @Test("JSON is one document a line, errors included")
  func json() async throws {
    struct Envelope: Decodable {
      struct Host: Decodable { var version: String }
      var schema: String
      var host: Host
    }
    let commands: [[String]] = [
      ["providers"], ["providers", "--refused"], ["inspect", "hello"], ["lookup", "hello"], ["lookup", "nosuch"],
      ["register", "x@example.org", "--address", "10.0.0.1:1", "--namespace", "email"], ["inspect", "nosuch"],
      ["classes"], ["classes", "show", "ssh"], ["classes", "show", "nosuch"], ["inspect", "schema"],
      ["watch", "hello", "--once"],
      // What is no command line, and what no host answers.
      ["lookup"], ["lookup", "hello", "--flags", "nonsense"], ["dance"], ["stats"], ["registrations"],
      ["calls", "close", "none"],
      ["lookup", "hello", "--provider", "nosuch"],
    ]
    for command in commands {
      let result = try await Subprocess.run(
        .path(.init(Self.program)), arguments: Arguments(command + ["--plugins", Self.samples, "--json"]),
        output: .string(limit: 1 << 20), error: .discarded)
      let text = result.standardOutput
      #expect(text.split(separator: "\n").count == 1, "\(command)")
      let envelope = try JSONDecoder().decode(Envelope.self, from: Data(text.utf8))
      #expect(envelope.schema.hasPrefix("nsphost.") && !envelope.host.version.isEmpty)
    }
  }

  @Test("inspect tells a stub from a routine, and why a file is refused")
  func inspect() async throws {
    let hello = try await run("inspect", "hello", "--plugins", Self.samples)
    #expect(hello.output.contains("LookupServiceBegin    direct"))
    #expect(hello.output.contains("SetServiceEx          stub    WSAEOPNOTSUPP"))
    let bad = try await run("inspect", "\(Self.fixtures)/bad/undefined-symbol.so")
    #expect(bad.output.contains("nobody_defines_this"))
  }

  @Test("a provider is disabled and enabled for good; a damaged catalog is named, and not written over")
  func switches() async throws {
    let state = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: state) }
    let disabled = try await run("disable", "hello", "--plugins", Self.samples, state: state)
    #expect(disabled.status == 0 && disabled.output == "disabled hello, for good: kept in \(state)/catalog.toml\n")
    #expect(try await run("lookup", "hello", "--namespace", "dns", "--plugins", Self.samples, state: state).status == 2)
    let enabled = try await run("enable", "hello", "--json", "--plugins", Self.samples, state: state)
    #expect(enabled.status == 0 && enabled.output.contains("\"enabled\":true"))
    #expect(try await run("lookup", "hello", "--plugins", Self.samples, state: state).status == 0)
    #expect(try await run("disable", "nobody", "--plugins", Self.samples, state: state).status == 2)
    try "garbage".write(toFile: state + "/catalog.toml", atomically: true, encoding: .utf8)
    chmod(state + "/catalog.toml", 0o644)
    let damaged = try await run("disable", "hello", "--plugins", Self.samples, state: state)
    #expect(damaged.status == 1 && damaged.errors.contains("catalog.toml can't be understood\nhelp: correct it, or move it away"))
    #expect(try String(contentsOfFile: state + "/catalog.toml", encoding: .utf8) == "garbage")
    let served = try await run("serve", "--socket", state + "/socket", "--plugins", Self.samples, state: state)
    #expect(served.status == 1 && served.errors.contains("can't be understood"))
  }

  @Test("every bad file is listed with one remedy, and stops nobody")
  func refused() async throws {
    let outcome = try await run("providers", "--refused", "--plugins", "\(Self.fixtures)/bad", "--plugins", Self.fixtures)
    #expect(outcome.status == 0)
    // Those that show without any being loaded.
    #expect(outcome.output.split(separator: "\n").count { $0.contains("do: ") } == 10)
    let loaded = try await run("inspect", "\(Self.fixtures)/bad/undefined-in-library.so")
    #expect(loaded.output.contains("libbroken.so.1: undefined symbol: nobody_defines_this_either"), "\(loaded)")
    #expect(try await run("providers", "--exists", "hello", "--plugins", Self.samples).status == 0)
    #expect(try await run("providers", "--exists", "nobody", "--plugins", Self.samples).status == 2)
  }

  @Test("wrong usage exits with 64, and a script stops at the line that fails")
  func usage() async throws {
    let nothing = try await run("lookup")
    #expect(
      nothing.status == 64 && nothing.output.isEmpty
        && nothing.errors == """
          nsphost: lookup: missing expected argument '<name>'
          help: nsphost lookup --help shows how it is used

          """
    )
    let flags = try await run("lookup", "x", "--flags", "nonsense")
    #expect(flags.status == 64 && flags.errors.contains("help: choose from return-all, deep, "))
    let level = try await run("serve", "--log", "loud")
    #expect(
      level.status == 64
        && level.errors == """
          nsphost: serve: the value 'loud' is invalid for '--log <level>'
          help: choose from debug, info, warning, error

          """
    )
    let space = try await run("lookup", "x", "--namespace", "nosuch", "--json")
    #expect(space.status == 64 && space.output.contains(#""do":"choose from all, sap, nds, "#))
    #expect(try await run("providers", "--exists", "hello", "--namespace", "dns").status == 64)
    let misspelt = try await run("looup", "x")
    #expect(
      misspelt.status == 64 && misspelt.errors == "nsphost: looup: there is no command of this name\nhelp: did you mean lookup?\n"
    )
    let misspeltOption = try await run("lookup", "x", "--flagss", "deep")
    #expect(misspeltOption.errors.hasSuffix("help: did you mean '--flags'?\n"))
    #expect(try await run("--help").status == 0)
    let help = try await run("lookup", "--help")
    #expect(
      help.status == 0 && help.output.contains("(values: all, sap, nds,") && help.output.contains("(values: return-all, deep,"))
    let levels = try await run("serve", "--help").output.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
    #expect(levels.contains("(values: debug, info, warning, error)"))
    let completions = try await run("completions", "bash")
    for value in ["return-all", "nisplus", "warning", "over-quota"] {
      #expect(completions.output.contains(value), "values by their names")
    }
    let script = try await run("run", "-", "--plugins", Self.samples, input: "open a\nlookup a nosuch\nsay unreached\n")
    #expect(script.status == 1 && script.errors.contains("line 2") && !script.output.contains("unreached"))
    let unknown = try await run("run", "-", "--plugins", Self.samples, input: "dance\n")
    #expect(unknown.status == 1 && unknown.errors.contains("there is no command dance"))
  }

  @Test("calls shows who calls over which transport, as text and as JSON, and closes one by number")
  func calls() async throws {
    let script = Self.package + "/sample-providers/loopback-mcm/calls.script"
    let alone = try await run(
      "run", "-", "--plugins", Self.samples,
      input: "calls\nexpect 3 calls over transports loopback, loopback-mcm; 2 ended, 0 illegal transitions\n", script: script)
    #expect(alone.status == 0, "\(alone)")
    struct Document: Decodable {
      struct Call: Decodable {
        struct Peer: Decodable { var pid: Int }
        var vc: Int
        var state: String
        var peer: Peer?
      }
      var schema: String
      var calls: [Call]
      var ended: Int
    }
    // Without others: processes of providers call the host as well.
    let folder = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.copyItem(atPath: Self.samples + "/loopback-mcm.so", toPath: folder + "/loopback-mcm.so")
    try await withHost("--plugins", folder, script: script) { socket in
      let shown = try await run("calls", "--socket", socket)
      #expect(shown.status == 0 && shown.output.contains(" 3  mcm    active  pid 4103 uid 1001 cleo"), "\(shown)")
      let closed = try await run("calls", "close", "4", "--status", "idle", "--socket", socket)
      #expect(closed.output == "closed 4 (idle): pid 4104 uid 1001 dan\n")
      let document = try await run("calls", "close", "3", "--json", "--socket", socket)
      let decoded = try JSONDecoder().decode(Document.self, from: Data(document.output.utf8))
      #expect(decoded.schema == "nsphost.calls/1" && decoded.ended >= 4)
      // The last one is the command's own.
      #expect(decoded.calls.map(\.vc).first == 5 && decoded.calls.count == 2)
      let isActive = decoded.calls.allSatisfy { $0.state == "active" && $0.peer != nil }
      #expect(isActive)
      let missing = try await run("calls", "close", "99", "--socket", socket)
      #expect(
        missing.status == 2 && missing.errors == "nsphost: call 99: there is no such call\nhelp: nsphost calls lists them\n")
    }
    #expect(try await run("calls", "close", "1", "--status", "bored").status == 64)
  }

  @Test(
    "what is about a running host says that there is none, with 69, and answers for no other",
    arguments: [["sessions"], ["sessions", "kick", "1"], ["calls"], ["calls", "close", "1"], ["stats"], ["registrations"]])
  func noHost(command: [String]) async throws {
    func perform(_ more: String...) async throws -> Outcome {
      let result = try await Subprocess.run(
        .path(.init(Self.program)), arguments: Arguments(command + more),
        environment: .inherit.updating(["NSP_SOCKET": "/nonexistent/socket", "NSP_PLUGIN_PATH": Self.samples]),
        output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
      guard case .exited(let status) = result.terminationStatus else { return Outcome(status: -1, output: "", errors: "") }
      return Outcome(status: status, output: result.standardOutput, errors: result.standardError)
    }
    let name = command.filter { $0 != "1" }.joined(separator: " ")
    let outcome = try await perform()
    #expect(outcome.status == 69 && outcome.output.isEmpty)
    #expect(outcome.errors.hasPrefix("nsphost: \(name): no host is running: nobody listens on /nonexistent/socket\nhelp: "))
    let document = try await perform("--json")
    #expect(document.status == 69 && document.output.hasPrefix(#"{"error":{"do":"start one with nsphost serve"#))
    for option in [["--local"], ["--plugins", Self.samples]] {
      let other = try await perform(option[0], option.last == option[0] ? "--json" : option[1])
      #expect(other.status == 64 && other.errors.contains("help: leave out \(option[0]);"), "\(other)")
    }
  }

  @Test("with --plugins the machine's state is neither read nor written, but in a folder that is named")
  func ownState() async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func perform(_ arguments: String...) async throws -> Outcome {
      let result = try await Subprocess.run(
        .path(.init(Self.program)), arguments: Arguments(arguments),
        environment: .inherit.updating(["STATE_DIRECTORY": nil, "XDG_STATE_HOME": folder]), output: .string(limit: 1 << 20),
        error: .string(limit: 1 << 20))
      guard case .exited(let status) = result.terminationStatus else { return Outcome(status: -1, output: "", errors: "") }
      return Outcome(status: status, output: result.standardOutput, errors: result.standardError)
    }
    for command in [["disable", "hello"], ["enable", "hello"], ["classes", "remove", "ssh"]] {
      let refused =
        try await command.count == 2
        ? perform(command[0], command[1], "--plugins", Self.samples)
        : perform(command[0], command[1], command[2], "--plugins", Self.samples)
      #expect(refused.status == 64 && refused.errors.contains("help: name one: STATE_DIRECTORY=/FOLDER"), "\(refused)")
    }
    #expect(try await perform("lookup", "hello", "--plugins", Self.samples).status == 0)
    try await withHost("--plugins", Self.samples, state: nil) { socket in
      let disabled = try await perform("disable", "hello", "--socket", socket)
      #expect(disabled.output == "disabled hello, until the host ends: it keeps no state\n")
      #expect(try await perform("providers", "--exists", "hello", "--socket", socket).status == 2)
    }
    try await withHost("--plugins", Self.samples, state: nil) { socket in
      let enabled = try await perform("providers", "--exists", "hello", "--socket", socket)
      #expect(enabled.status == 0)
    }
    #expect(!FileManager.default.fileExists(atPath: folder))
  }

  @Test("a provider is named by its name, its id, or the first digits of that; several that are meant are listed")
  func providerReferences() async throws {
    struct Document: Decodable {
      struct Provider: Decodable {
        var name: String
        var id: String
      }
      var providers: [Provider]
    }
    let plugins = ["--plugins", Self.samples]
    let listed = try await run("providers", "--json", plugins[0], plugins[1])
    let known = try JSONDecoder().decode(Document.self, from: Data(listed.output.utf8)).providers
    let hello = try #require(known.first { $0.name == "hello" }).id
    for reference in [
      "hello", hello, hello.uppercased(), "{\(hello)}", String(hello.prefix(12)), String(hello.prefix(30)).uppercased(),
    ] {
      let found = try await run("lookup", "hello", "--provider", reference, plugins[0], plugins[1])
      #expect(found.output == "192.0.2.1:7  hello\n", "\(reference): \(found.errors)")
      let watched = try await run("watch", "hello", "--once", "--provider", reference, plugins[0], plugins[1])
      #expect(watched.output == "+ 192.0.2.1:7  hello  hello\n", "\(reference): \(watched.errors)")
      #expect(try await run("inspect", reference, plugins[0], plugins[1]).output.hasPrefix("hello\n"))
      #expect(try await run("providers", "--exists", reference, plugins[0], plugins[1]).status == 0)
    }
    let missing = try await run("lookup", "hello", "--provider", "nosuch", plugins[0], plugins[1])
    #expect(missing.status == 2 && missing.errors.hasPrefix("nsphost: provider nosuch: there is no provider with this name"))
    // Two that begin alike.
    let scripted = ["--plugins", Self.fixtures]
    let ambiguous = try await run("lookup", "x", "--provider", "f1f7000", scripted[0], scripted[1])
    #expect(
      ambiguous.status == 64 && ambiguous.errors.contains("help: choose one by its id: ")
        && ambiguous.errors.contains("(scripted-a)")
        && ambiguous.errors.contains("(scripted-b)"), "\(ambiguous.errors)")
    for command in ["register", "unregister"] {
      let same = try await run(command, "x", "--provider", "f1f7000", scripted[0], scripted[1])
      #expect(same.status == 64 && same.errors.contains("(scripted-c)"))
    }
    #expect(try await run("inspect", "f1f7000", scripted[0], scripted[1]).status == 64)
    let script = try await run(
      "run", "-", scripted[0], scripted[1],
      input:
        "open ann\n- lookup ann x --provider f1f7000\nexpect have an id that begins so\ndisable f1f70001\nproviders\nexpect disabled\n"
    )
    #expect(script.status == 0, "\(script)")
  }

  @Test("-v is taken before the command, between it and its subcommand, and behind them")
  func verbose() async throws {
    try await withHost("--plugins", Self.samples) { socket in
      for words in [
        ["-v", "sessions", "show", "--socket", socket], ["sessions", "-v", "show", "--socket", socket],
        ["sessions", "show", "--socket", socket, "-v"], ["--verbose", "stats", "--socket", socket],
      ] {
        let result = try await Subprocess.run(
          .path(.init(Self.program)), arguments: Arguments(words), output: .string(limit: 1 << 20), error: .string(limit: 1 << 20)
        )
        #expect(
          result.terminationStatus == .exited(0) && result.standardError == "nsphost: asking the host on \(socket)\n", "\(words)")
      }
    }
    // Whole ids, too.
    #expect(try await run("providers", "--plugins", Self.fixtures).output.contains("  f1f70001  scripted-a.so  "))
    #expect(try await run("providers", "-v", "--plugins", Self.fixtures).output.contains("  f1f70001-1111-4222-8333-"))
    let here = try await run("-v", "lookup", "hello", "--plugins", Self.samples)
    #expect(here.status == 0 && here.errors == "nsphost: in this process\n")
  }

  @Test("a script sees its own calls, and a call that an operator closed is over for its client")
  func callsInScripts() async throws {
    let text =
      "open ann\ncalls\nexpect ann\ncalls close 1 --status over-quota\nexpect over-quota\n- lookup ann hello\n"
      + "expect WSA_E_CANCELLED\nclose ann\ncalls\nexpect 0 calls\n- calls close 1\nexpect no such call\n"
    let outcome = try await run("run", "-", "--plugins", Self.samples, input: text)
    #expect(outcome.status == 0, "\(outcome.output)\n\(outcome.errors)")
  }

  @Test("memory stays as it is over a thousand reloads, and over two thousand sessions")
  func memory() throws {
    func script(_ reloads: Int, _ sessions: Int) -> String {
      String(repeating: "reload hello\n", count: reloads)
        + String(repeating: "open ann\nlookup ann hello\nkill ann\n", count: sessions)
        // Time to look at it at the end.
        + "open ann\nlookup ann wait-200\n"
    }
    let few = try peakMemory(of: script(100, 200))
    let many = try peakMemory(of: script(1_000, 2_000))
    #expect(few > 1_000 && Double(many) <= Double(few) * 1.1, "\(few) KiB at most for a tenth, \(many) KiB for all")
  }

  /// The most memory, in KiB, that the process of its host had while the command ran a script.
  private func peakMemory(of script: String) throws -> Int {
    let path = FileManager.default.temporaryDirectory.path + "/memory-\(UUID().uuidString).nsp"
    try script.write(toFile: path, atomically: true, encoding: .utf8)
    defer { unlink(path) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    let words = [Self.program, "run", path, "--plugins", Self.samples]
    var arguments = words.map { strdup($0) } + [nil]
    defer { for word in arguments { free(word) } }
    var child = pid_t()
    try #require(posix_spawn(&child, Self.program, &actions, nil, &arguments, environ) == 0)
    // Not from wait4: that counts this process's own memory, which the child had until it executed the program.
    var (status, peak) = (Int32(0), 0)
    while waitpid(child, &status, WNOHANG) == 0 {
      let children = (try? String(contentsOfFile: "/proc/\(child)/task/\(child)/children", encoding: .utf8)) ?? ""
      let host = children.split(separator: " ").first ?? "none"
      let text = (try? String(contentsOfFile: "/proc/\(host)/status", encoding: .utf8)) ?? ""
      let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
      peak = max(peak, line.flatMap { Int($0.filter(\.isNumber)) } ?? 0)
      usleep(5_000)
    }
    #expect(status == 0)
    return peak
  }

  @Test("a schema.db that can't be used makes the schema failing, with its reason, and --exists fails for it")
  func failingSchema() async throws {
    let state = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: state, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    defer { try? FileManager.default.removeItem(atPath: state) }
    #expect(try await run("providers", "--exists", "schema", "--plugins", Self.samples, state: state).status == 0)
    try Data("this is no database, and long enough to be looked at as one".utf8).write(to: URL(filePath: state + "/schema.db"))
    #expect(try await run("providers", "--exists", "schema", "--plugins", Self.samples, state: state).status == 2)
    let listed = try await run("providers", "--plugins", Self.samples, state: state)
    #expect(listed.status == 0 && listed.output.contains("schema is failing: \(state)/schema.db: "), "\(listed.output)")
    let inspected = try await run("inspect", "schema", "--json", "--plugins", Self.samples, state: state)
    #expect(inspected.output.contains("\"state\":\"failing\"") && inspected.output.contains("\"reason\":\"\(state)/schema.db: "))
  }

  @Test("the program exports its C ABI and nothing else")
  func exports() async throws {
    let result = try await Subprocess.run(
      .name("nm"), arguments: ["-D", "--defined-only", Self.program], output: .string(limit: 1 << 20), error: .discarded)
    let names = result.standardOutput.split(separator: "\n").compactMap { $0.split(separator: " ").last.map(String.init) }
    let listed = try String(contentsOfFile: Self.package + "/Exports/nsphost.map", encoding: .utf8)
      .split(separator: "\n").filter { $0.hasSuffix(";") && !$0.contains("*") && !$0.contains("}") }
      .map { $0.trimmingCharacters(in: [" ", ";"]) }
    #expect(Set(names) == Set(listed) && listed.count == 82)
  }
}
