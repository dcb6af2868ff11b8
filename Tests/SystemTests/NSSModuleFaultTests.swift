import Foundation
import Testing

/// Hosts that are slow, stopped, killed or none, and impostors at their socket, keep no program of glibc's waiting longer than agreed.
@Suite(.timeLimit(.minutes(10))) struct NSSModuleFaultTests {
  /// A host that has been stopped: the body begins when every thread of it stands still.
  private static func stopping<Value: Sendable>(_ host: Host, _ body: @Sendable () async throws -> Value) async throws -> Value {
    kill(host.processID, SIGSTOP)
    defer { kill(host.processID, SIGCONT) }
    let tasks = "/proc/\(host.processID)/task"
    try await eventually("every thread is stopped") {
      try FileManager.default.contentsOfDirectory(atPath: tasks).allSatisfy { thread in
        let stat = (try? String(contentsOfFile: "\(tasks)/\(thread)/stat", encoding: .utf8)) ?? ""
        // The state is behind the name, which is in parentheses.
        return stat.isEmpty || stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].hasPrefix(") T ")
      }
    }
    return try await body()
  }

  /// Nobody listens any more when it returns.
  private static func end(_ host: Host) async throws {
    try await host.crash()
    try await eventually("the host has ended") { ProcessEnd.isReached(by: host.processID) }
  }

  @Test("a slow provider: TRYAGAIN when the host's budget is over, and the next service answers")
  func slow() async throws {
    let door = try await Door()
    try await door.serve(.inProcess, budget: 300) { host in
      let said = try await door.ask("wait-3000")
      #expect(said.codes == [-2, 11, 2] && (290...2800).contains(said.milliseconds), "\(said)")
      try await eventually("it answers within the budget") { try await door.ask("wait-100").codes[0] == 1 }
      try await door.expectFallback("wait-5000", within: .milliseconds(4500))
    }
  }

  @Test("stopped: UNAVAIL after 50 ms on a new connection, and the next service answers")
  func stopped() async throws {
    let door = try await Door()
    try await door.serve(.inProcess) { host in
      try await Self.stopping(host) {
        let said = try await door.ask("known")
        #expect(said.codes == [-1, 110, 3] && (45...2500).contains(said.milliseconds), "\(said)")
        try await door.expectFallback()
      }
    }
  }

  @Test("stopped: the same on a kept connection, which works again later")
  func stoppedLater() async throws {
    let door = try await Door()
    try await door.serve(.inProcess) { host in
      try await door.asking("known", "known", "known") { asker in
        let answered = try await asker.said(0)
        #expect(answered.codes == Door.Said.success, "\(answered)")
        let said = try await Self.stopping(host) {
          try await asker.next()
          return try await asker.said(1)
        }
        #expect(said.codes == [-1, 110, 3] && said.milliseconds <= 2500, "\(said)")
        // One that has been silent is not asked for a second.
        try await Task.sleep(for: .milliseconds(1200))
        try await asker.next()
        let later = try await asker.said(2)
        #expect(later.codes == Door.Said.success, "\(later)")
      }
    }
  }

  @Test("stopped, and with its queue full: the next service answers")
  func full() async throws {
    let door = try await Door()
    // Connects until nobody has room for one more, and holds what it has until its input ends.
    let holder = """
      import resource, socket, sys
      resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
      held = []
      try:
          while True:
              one = socket.socket(socket.AF_UNIX)
              one.setblocking(False)
              one.connect(sys.argv[1])
              held.append(one)
      except BlockingIOError:
          print("full", flush=True)
      sys.stdin.read()
      """
    try await door.serve(.inProcess) { host in
      try await Self.stopping(host) {
        let python = Program(path: "/usr/bin/env", words: ["python3", "-c", holder, door.folder["socket"]])
        let ended = try await python.beside(printing: door.folder["holder"]) { _ in
          try await eventually("its queue is full") { door.folder.text(of: "holder").contains("full") }
          try await door.expectFallback()
        }
        #expect(ended.outcome.status == 0, "\(ended.outcome)")
      }
    }
  }

  @Test("killed in mid-call: UNAVAIL at once, then refused at once, then the next host answers")
  func killed() async throws {
    let door = try await Door()
    try await door.serve(.inProcess, isKilled: true) { host in
      try await door.asking("wait-4000", "known", "known") { asker in
        try await host.writes(": wait-4000\n")
        try await Self.end(host)
        let waiting = try await asker.said(0)
        #expect(waiting.codes[0] == -1 && waiting.milliseconds < 3500, "\(waiting)")
        try await asker.next()
        let refused = try await asker.said(1)
        #expect([[-1, 110, 3], [-1, 111, 3]].contains(refused.codes) && refused.milliseconds <= 2500, "\(refused)")
        try await door.serve(.inProcess) { _ in
          try await asker.next()
          let answered = try await asker.said(2)
          #expect(answered.codes == Door.Said.success, "\(answered)")
        }
      }
    }
  }

  @Test("a kept connection whose host has died: the next one answers the same call, without SIGPIPE")
  func keptConnection() async throws {
    let door = try await Door()
    try await door.serve(.inProcess, isKilled: true) { host in
      try await door.asking("known", "known") { asker in
        let answered = try await asker.said(0)
        #expect(answered.codes == Door.Said.success, "\(answered)")
        try await Self.end(host)
        try await door.serve(.inProcess) { _ in
          try await asker.next()
          let again = try await asker.said(1)
          #expect(again.codes == Door.Said.success, "\(again)")
        }
      }
    }
  }

  @Test("no host: the next service answers at once, before there was one and after it has ended")
  func none() async throws {
    let door = try await Door()
    try await door.expectFallback()
    try await door.serve(.inProcess) { _ in }
    try await door.expectFallback()
  }

  @Test(
    "an impostor at the socket may say what it likes",
    arguments: ["silent", "closes", "garbage", "endless", "huge", "half", "lies", "refuses", "drips"])
  func impostor(_ mode: String) async throws {
    let door = try await Door()
    let impostor = Built.package + "/Tests/NSSModule/impostor.py"
    _ = try await door.program.beside("python3", impostor, mode, printing: door.folder["impostor"]) { process in
      defer { kill(process, SIGKILL) }
      try await eventually("it listens") { door.folder.has("socket") }
      let time = try await ContinuousClock().measure {
        let outcome = try await door.contract.run(["ask", "known", "known"], input: "\n")
        let said = outcome.output.split(separator: "\n")
        #expect(said.count == 2 && said.allSatisfy { $0.hasPrefix("-1 ") || $0.hasPrefix("-2 ") }, "\(outcome)")
      }
      #expect(time <= .seconds(30))
    }
  }
}
