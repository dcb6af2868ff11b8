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
      again.status == 1 && again.errors.contains("class meter is installed already (WSAEALREADY): to change it, remove it first"))
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
    #expect(unclear.status == 64 && unclear.errors.contains("2 classes have this name: name one by its id"))
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
        "has no class: begin each class with [[class]]"))
  }

  @Test("registrations and watch show what there is")
  func watching() async throws {
    let registrations = try await run("registrations", "--plugins", Self.samples)
    #expect(registrations.status == 0 && registrations.output.hasSuffix("\n0 registrations\n"))
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
      ["providers"], ["providers", "--refused"], ["stats"], ["inspect", "hello"], ["lookup", "hello"], ["lookup", "nosuch"],
      ["register", "x@example.org", "--address", "10.0.0.1:1", "--namespace", "email"], ["inspect", "nosuch"],
      ["classes"], ["classes", "show", "ssh"], ["classes", "show", "nosuch"], ["registrations"], ["inspect", "schema"],
      ["watch", "hello", "--once"],
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
    #expect(damaged.status == 1 && damaged.errors.contains("catalog.toml can't be understood: correct it, or move it away"))
    #expect(try String(contentsOfFile: state + "/catalog.toml", encoding: .utf8) == "garbage")
    let served = try await run("serve", "--socket", state + "/socket", "--plugins", Self.samples, state: state)
    #expect(served.status == 1 && served.errors.contains("can't be understood"))
  }

  @Test("every bad file is listed with one remedy, and stops nobody")
  func refused() async throws {
    let outcome = try await run("providers", "--refused", "--plugins", "\(Self.fixtures)/bad", "--plugins", Self.fixtures)
    #expect(outcome.status == 0)
    #expect(outcome.output.split(separator: "\n").count { $0.contains("do: ") } == 14)
    #expect(try await run("providers", "--exists", "hello", "--plugins", Self.samples).status == 0)
    #expect(try await run("providers", "--exists", "nobody", "--plugins", Self.samples).status == 2)
  }

  @Test("wrong usage exits with 64, and a script stops at the line that fails")
  func usage() async throws {
    #expect(try await run("lookup").status == 64)
    #expect(try await run("lookup", "x", "--flags", "nonsense").status == 64)
    let script = try await run("run", "-", "--plugins", Self.samples, input: "open a\nlookup a nosuch\nsay unreached\n")
    #expect(script.status == 1 && script.errors.contains("line 2") && !script.output.contains("unreached"))
    let unknown = try await run("run", "-", "--plugins", Self.samples, input: "dance\n")
    #expect(unknown.status == 1 && unknown.errors.contains("there is no command dance"))
  }

  @Test("calls shows who calls over which transport, as text and as JSON, and closes one by number")
  func calls() async throws {
    let script = Self.package + "/sample-providers/loopback-mcm/calls.script"
    let shown = try await run("calls", "--plugins", Self.samples, script: script)
    #expect(shown.status == 0 && shown.output.contains(" 3  mcm    active  pid 4103 uid 1001 cleo"), "\(shown)")
    #expect(shown.output.hasSuffix("3 calls over transports loopback, loopback-mcm; 2 ended, 0 illegal transitions\n"))
    let closed = try await run("calls", "close", "4", "--status", "idle", "--plugins", Self.samples, script: script)
    #expect(closed.output == "closed 4 (idle): pid 4104 uid 1001 dan\n")
    let document = try await run("calls", "close", "4", "--json", "--plugins", Self.samples, script: script)
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
    let decoded = try JSONDecoder().decode(Document.self, from: Data(document.output.utf8))
    #expect(decoded.schema == "nsphost.calls/1" && decoded.ended == 3)
    #expect(decoded.calls.map(\.vc) == [3, 5] && decoded.calls.allSatisfy { $0.state == "active" && $0.peer != nil })
    let missing = try await run("calls", "close", "99", "--plugins", Self.samples)
    #expect(missing.status == 2 && missing.errors == "nsphost: call 99: there is no such call: nsphost calls lists them\n")
    #expect(try await run("calls", "close", "1", "--status", "bored").status == 64)
    #expect(
      try await run("calls", "--plugins", "/nonexistent").output
        == "0 calls over transport loopback; 0 ended, 0 illegal transitions\n")
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

  /// The most memory, in KiB, that the command had while it ran a script.
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
      let text = (try? String(contentsOfFile: "/proc/\(child)/status", encoding: .utf8)) ?? ""
      let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
      peak = max(peak, line.flatMap { Int($0.filter(\.isNumber)) } ?? 0)
      usleep(5_000)
    }
    #expect(status == 0)
    return peak
  }

  @Test("the program exports its C ABI and nothing else")
  func exports() async throws {
    let result = try await Subprocess.run(
      .name("nm"), arguments: ["-D", "--defined-only", Self.program], output: .string(limit: 1 << 20), error: .discarded)
    let names = result.standardOutput.split(separator: "\n").compactMap { $0.split(separator: " ").last.map(String.init) }
    let listed = try String(contentsOfFile: Self.package + "/Exports/nsphost.map", encoding: .utf8)
      .split(separator: "\n").filter { $0.hasSuffix(";") && !$0.contains("*") && !$0.contains("}") }
      .map { $0.trimmingCharacters(in: [" ", ";"]) }
    #expect(Set(names) == Set(listed) && listed.count == 78)
  }
}
