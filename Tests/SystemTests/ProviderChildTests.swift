import Foundation
import Testing

/// What children of a provider get of its process, and that they hold up nobody.
@Suite(.timeLimit(.minutes(5))) struct ProviderChildTests {
  private static func worker(_ host: Host) async throws -> Int32 {
    try #require(
      try await host.workers.first { worker in
        let command = try? String(contentsOfFile: "/proc/\(worker)/cmdline", encoding: .utf8)
        return command?.contains("/stuck.so") == true
      })
  }

  private static func file(_ descriptor: Int, of process: Int32) -> String? {
    try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/fd/\(descriptor)")
  }

  /// Descriptors that children would get, or that programs may stumble on.
  private static func exposed(_ process: Int32) throws -> [String] {
    let folder = "/proc/\(process)/fdinfo"
    return try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { Int($0) }.sorted().flatMap { number in
      var faults: [String] = []
      if number > 2, let text = try? String(contentsOfFile: "\(folder)/\(number)", encoding: .utf8) {
        let flags = try #require(text.firstMatch(of: /flags:\s*([0-7]+)/).flatMap { Int($0.1, radix: 8) }, "\(text)")
        if flags & Int(O_CLOEXEC) == 0 { faults.append("\(number) stays open in children") }
      }
      if number < 100, file(number, of: process)?.hasPrefix("socket:") == true { faults.append("\(number) is a socket") }
      return faults
    }
  }

  @Test("a worker's standard input is /dev/null, its channels have high numbers and are closed on exec: a child that reads ends")
  func standardInput() async throws {
    try await StuckProvider.serve("isolation = \"worker\"\ndeadline-ms = 6000\n") { host in
      let worker = try await Self.worker(host)
      #expect(Self.file(0, of: worker) == "/dev/null")
      #expect(try Self.exposed(worker) == [])
      try await host.nsphost.expect(0, "192.0.2.8", after: 0...5000, of: ["lookup", "cat"])
      #expect(try await Self.worker(host) == worker, "its worker is the one that was there")
    }
  }

  @Test("a host and its workers end at once beside a child that holds their descriptors", arguments: [SIGTERM, SIGKILL])
  func ends(_ signal: Int32) async throws {
    try await StuckProvider.serve("isolation = \"in-process\"\n", isKilled: signal == SIGKILL) { host in
      let workers = try await host.workers
      try await host.nsphost.expect(0, "192.0.2.8", after: 0...20000, of: ["lookup", "child"])
      let child = try #require(try await host.workers.first { !workers.contains($0) })
      defer { kill(child, SIGKILL) }
      #expect(!workers.isEmpty)
      kill(host.processID, signal)
      try await ProcessEnd.expect(of: [host.processID] + workers, within: .milliseconds(2500))
      #expect(!ProcessEnd.isReached(by: child))
    }
  }
}
