import Foundation
import Testing

/// Providers that end their process without a signal: the host says who it was, and is started again under --supervise.
@Suite(.timeLimit(.minutes(5))) struct ProviderExitTests {
  private static let inProcess = "isolation = \"in-process\"\n"
  private static let ends = Plugin(file: Built.fixtures + "/ends/ends.so")
  private static let hello = Plugin(file: Built.samples + "/hello.so")

  private static func answers(_ host: Host) async throws -> Bool {
    try await host.nsphost.run("lookup", "hello").output.contains("192.0.2.1")
  }

  /// What the host's errors say after so many characters of them.
  private static func hasSaid(_ pattern: some RegexComponent, after: Int = 0, _ host: Host) -> Bool {
    host.log.dropFirst(after).firstMatch(of: pattern) != nil
  }

  @Test(
    "in-process: the last line names the provider, the routine and the way",
    arguments: [
      "exit-begin": "ends: died in NSPv2LookupServiceBegin: exit(0)",
      "exit-next": "ends: died in NSPv2LookupServiceNextEx: exit(0)",
      "_exit-begin": "ends: died in NSPv2LookupServiceBegin: _exit(0)",
      "quick-next": "ends: died in NSPv2LookupServiceNextEx: quick_exit",
      "thread-begin": "ends: died in NSPv2LookupServiceBegin: pthread_exit on a thread of the host",
      "task-begin": "ends: died in NSPv2LookupServiceBegin: the system call exit on a thread of the host",
      "task-next": "ends: died in NSPv2LookupServiceNextEx: the system call exit on a thread of the host",
      "exit-own": "ends.so: died on a thread of its own: exit(0)",
      "_exit-own": "ends.so: died on a thread of its own: _exit(0)",
    ])
  func inProcess(_ name: String, _ line: String) async throws {
    let folder = try await Host.serve(Self.inProcess, [Self.ends], endsWith: 70) { host in
      _ = try await host.nsphost.run("lookup", name)
      return host.folder
    }
    let log = folder.text(of: "serve.err")
    #expect(log.split(separator: "\n").map(String.init).filter { $0.hasPrefix("nsphost: ") } == ["nsphost: " + line], "\(log)")
  }

  /// A command with a folder of its own that has this file.
  private static func command(_ file: String) throws -> (WorkFolder, Program) {
    let folder = try WorkFolder()
    try folder.make("plugins")
    try folder.copy(Built.fixtures + "/ends/" + file, to: "plugins/" + file)
    let environment = ["STATE_DIRECTORY": folder["state"], "NSP_SOCKET": folder["socket"]]
    return (folder, Program(path: "/usr/bin/env", environment: environment, words: ["timeout", "120", Built.nsphost]))
  }

  @Test("in-process: exit(0) in a constructor")
  func constructor() async throws {
    let (folder, nsphost) = try Self.command("ends-constructor.so")
    try folder.write(Self.inProcess, to: "nsphost.toml")
    let outcome = try await nsphost.run("serve", "--config", folder["nsphost.toml"], "--plugins", folder["plugins"])
    let lines = outcome.errors.split(separator: "\n")
    #expect(outcome.status == 70 && lines.contains("nsphost: ends: died in a constructor: exit(0)"), "\(outcome)")
  }

  @Test("a command whose provider exits says so, and fails")
  func command() async throws {
    let (folder, nsphost) = try Self.command("ends.so")
    let outcome = try await nsphost.run(
      "lookup", "exit-begin", "--provider", "e2d50001-0005-4000-8000-000000000001", "--plugins", folder["plugins"])
    #expect(![0, 124].contains(outcome.status), "\(outcome)")
    #expect((outcome.output + outcome.errors).contains(/ends.*NSPv2LookupServiceBegin/), "\(outcome)")
  }

  @Test("worker: it is its process's end, and nobody else's")
  func worker() async throws {
    try await Host.serve("isolation = \"worker\"\n", [Self.ends, Self.hello]) { host in
      for how in ["exit", "_exit", "raw", "quick", "thread", "task"] {
        let before = host.log.count
        _ = try await host.nsphost.run("lookup", how + "-begin")
        try await eventually("\(how) is told: \(host.log)") {
          Self.hasSaid(/its process has died: .*NSPv2LookupServiceBegin/, after: before, host)
        }
        #expect(!ProcessEnd.isReached(by: host.processID))
        try await host.nsphost.expect(0, of: "enable", "ends")
        try await eventually("\(how): it is there again") {
          try await host.nsphost.run("providers", "--exists", "ends").status == 0
        }
        try await eventually("\(how): others are served") { try await Self.answers(host) }
      }
    }
  }

  @Test("supervision: the host is started again after every end that nobody asked for, and one that leaves no time for a word")
  func supervised() async throws {
    try await Host.serve(Self.inProcess, [Self.ends, Self.hello], options: ["--supervise"]) { host in
      for (number, how) in ["raw", "_exit", "exit", "thread", "task"].enumerated() {
        _ = try await host.nsphost.run("lookup", how + "-begin")
        try await eventually("after \(how) it is started again: \(host.log)") {
          let deaths = host.log.split(separator: "\n").count { $0.contains("the host has died") }
          let listens = try await host.nsphost.run("sessions").status == 0
          return deaths == number + 1 && listens
        }
      }
      #expect(try await Self.answers(host))
      for pattern in [
        /(?m)^nsphost: ends: died in NSPv2LookupServiceBegin: _exit\(0\)$/,
        /the host has died \(exit with status 0, in NSPv2LookupServiceBegin of ends\): it is started again in 100 ms/,
        /the host has died \(exit with status 70, in NSPv2LookupServiceBegin of ends\)/,
      ] { #expect(Self.hasSaid(pattern, host), "\(host.log)") }
    }
  }

  @Test("supervision: an end that was asked for is the end of both")
  func asked() async throws {
    let log = try await Host.serve(Self.inProcess, [Self.hello], options: ["--supervise"], endsWith: 0) { host in
      let children = try await host.workers
      try #require(children.count == 1)
      kill(children[0], SIGTERM)
      try await host.ends()
      return host.log
    }
    #expect(!log.contains("has died"), "\(log)")
  }

  @Test("supervision: a configuration that is refused is not tried again")
  func refused() async throws {
    let (folder, nsphost) = try Self.command("ends.so")
    try folder.write("nonsense = 1\n", to: "nsphost.toml")
    let outcome = try await nsphost.run("serve", "--config", folder["nsphost.toml"], "--supervise")
    #expect(outcome.status == 1 && outcome.errors.contains("nonsense"), "\(outcome)")
    #expect(!outcome.errors.contains("started again"), "\(outcome)")
  }
}
