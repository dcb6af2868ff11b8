import Foundation
import Testing

/// A host that has nothing to do sleeps, and so do its workers. The providers are those that ship, and one plugin directory does not exist.
@Suite(.serialized, .timeLimit(.minutes(5))) struct IdleHostTests {
  /// How often each thread of these processes has gone to sleep.
  private static func sleeps(_ processes: [Int32]) -> [String: Int] {
    var counts: [String: Int] = [:]
    for process in processes {
      let folder = "/proc/\(process)/task"
      for thread in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
        let text = (try? String(contentsOfFile: "\(folder)/\(thread)/status", encoding: .utf8)) ?? ""
        guard let count = text.firstMatch(of: /(?m)^voluntary_ctxt_switches:\s*([0-9]+)/).flatMap({ Int($0.1) }) else { continue }
        let name = text.split(separator: "\n").first.map(String.init) ?? ""
        counts["\(process)/\(thread) \(name)"] = count
      }
    }
    return counts
  }

  /// How often their threads wake in 5 seconds.
  private static func wakes(_ processes: [Int32]) async throws -> Int {
    let before = sleeps(processes)
    try await Task.sleep(for: .seconds(5))
    return sleeps(processes).map { $0.value - before[$0.key, default: 0] }.reduce(0, +)
  }

  /// A host that is in no folder where others make files all the time: the providers follow every folder on the way to their files.
  private static func serve(
    _ variables: [String: String] = [:], _ body: @Sendable (Host, [Int32]) async throws -> Void
  ) async throws {
    let folder = try WorkFolder(in: Built.package + "/build")
    let plugins = try ["directory", "dns", "email", "hosts", "nss"].map { name in
      let file = Built.plugins + "/" + name + ".so"
      return Plugin(file: file, manifest: try String(contentsOfFile: Built.plugins + "/\(name).toml", encoding: .utf8))
    }
    try await Host.serve(
      "[providers.nss]\nenabled = true\n[providers.nss.settings]\nmodules = [\"files\"]\n", plugins, variables: variables,
      options: ["--plugins", folder["nowhere/at/all"], "--log", "info"], in: folder
    ) { host in
      try await host.isReady("directory", "hosts", "nss")
      let processes = try await [host.processID] + host.workers
      #expect(processes.count >= 4, "it runs workers: \(host.log)")
      try await body(host, processes)
    }
  }

  @Test("no thread of an idle host and its workers wakes in 5 seconds; a plugin directory that comes to be is found")
  func idle() async throws {
    try await Self.serve { host, processes in
      // Threads that its start has taken end when they have been idle for 10 seconds.
      try await eventually("its start is over") {
        let before = Self.sleeps(processes)
        try await Task.sleep(for: .seconds(12))
        return Self.sleeps(processes) == before
      }
      let before = Self.sleeps(processes)
      try await Task.sleep(for: .seconds(5))
      #expect(Self.sleeps(processes) == before)

      let made = try WorkFolder()
      let stuck = try await StuckProvider.compiled(in: made)
      try host.folder.make("nowhere/at/all")
      try host.folder.copy(stuck, to: "nowhere/at/all/stuck.so")
      try await host.isReady("stuck")
    }
  }

  @Test("with a watchdog it wakes once a heartbeat")
  func watchdog() async throws {
    try await Self.serve(["WATCHDOG_USEC": "1000000"]) { _, processes in
      try await eventually("its start is over") { try await Self.wakes(processes) <= 14 }
      let beats = try await Self.wakes(processes)
      #expect((5...14).contains(beats), "in 5 s")
    }
  }
}
