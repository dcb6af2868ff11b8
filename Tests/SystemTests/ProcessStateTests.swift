import Foundation
import Testing

/// What belongs to the whole process, the working directory, the umask, the locale and the handlers of signals, is set back when a provider changes
/// it.
@Suite(.timeLimit(.minutes(5))) struct ProcessStateTests {
  private struct State: Equatable {
    var directory: String, umask: String, signals: [String]

    init(of process: String) throws {
      directory = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/cwd")
      let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8).split(separator: "\n")
      func values(_ names: String...) -> [String] {
        status.filter { line in names.contains { line.hasPrefix($0 + ":") } }.map(String.init)
      }
      umask = try #require(values("Umask").first)
      signals = values("SigIgn", "SigCgt")
    }

    init(of host: Host) throws { try self.init(of: "\(host.processID)") }
  }

  private static func serve(
    _ files: [String], _ isolation: Isolation = .inProcess, variables: [String: String] = [:],
    _ body: @Sendable (Host) async throws -> Void
  ) async throws {
    let plugins = files.map { Plugin(file: Built.fixtures + "/ends/\($0).so") }
    try await Host.serve("isolation = \"\(isolation.rawValue)\"\n", plugins, variables: variables, body)
  }

  private static func isSetBack(
    _ what: String, after name: String, from before: State, _ host: Host, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    _ = try await host.nsphost.run("lookup", name)
    // At most once a second on behalf of a routine: the startup of the next session looks again.
    _ = try await host.nsphost.run("lookup", "fine")
    let line = "\nwarning: ends: changed what belongs to the whole host, which is set back: \(what)"
    #expect(("\n" + host.log).contains(line), "\(name): \(host.log)", sourceLocation: sourceLocation)
    let after = try State(of: host)
    #expect(after == before, "\(name)", sourceLocation: sourceLocation)
  }

  @Test("in-process: in routines and in a startup")
  func routines() async throws {
    try await Self.serve(["ends"]) { host in
      let before = try State(of: host)
      try await Self.isSetBack("the working directory (/proc)", after: "directory-begin", from: before, host)
      try await Self.isSetBack("the umask (0777)", after: "mask-next", from: before, host)
      try await Self.isSetBack("the locale (C.UTF-8)", after: "locale-begin", from: before, host)
      try await Self.isSetBack(
        "the disposition of SIGSEGV, the disposition of SIGTERM", after: "handler-begin", from: before, host)
    }
    try await Self.serve(["ends"], variables: ["ENDS_STARTUP": "mask"]) { host in
      try await Self.isSetBack("the umask (0777)", after: "fine", from: State(of: host), host)
    }
  }

  @Test("in-process: in a constructor, and when it is unloaded")
  func files() async throws {
    // A host begins with what these tests have.
    let before = try State(of: "self")
    try await Self.serve(["ends-unload", "ends-state-constructor"]) { host in
      for (what, change) in [("the working directory", []), ("the umask", ["disable", "e2d50003"])] {
        if !change.isEmpty { _ = try await host.nsphost.run(change) }
        let line = try Regex("ends: changed .*" + what)
        #expect(host.log.contains(line), "\(host.log)")
        let after = try State(of: host)
        #expect(after.directory == before.directory && after.umask == before.umask, "\(what): \(before), then \(after)")
      }
    }
  }

  @Test("worker: it is the worker's own")
  func worker() async throws {
    try await Self.serve(["ends"], .worker) { host in
      let before = try State(of: host)
      for name in ["mask-begin", "directory-begin"] { _ = try await host.nsphost.run("lookup", name) }
      #expect(try State(of: host) == before)
      #expect(!host.log.contains("changed"), "\(host.log)")
    }
  }
}
