import Foundation
import RandomSequences
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// What a host's process bears: a log that nobody reads, garbage on its socket, a second host, signals, and the end of the process that watches it.
@Suite(.timeLimit(.minutes(5))) struct HostProcessTests {
  @Test("the host goes on when nobody reads its log any more")
  func deafLog() async throws {
    let folder = try WorkFolder()
    let nsphost = Program(path: Built.nsphost, environment: ["NSP_SOCKET": folder["socket"], "STATE_DIRECTORY": folder["state"]])
    let (reading, writing) = try FileDescriptor.pipe()
    // Nobody else has the end that is read.
    _ = fcntl(reading.rawValue, F_SETFD, FD_CLOEXEC)
    let result = try await Subprocess.run(
      .path(FilePath(nsphost.path)), arguments: ["serve", "--plugins", Built.samples, "--log", "debug"],
      environment: nsphost.subprocessEnvironment, input: .none, output: .discarded,
      error: .fileDescriptor(writing, closeAfterSpawningProcess: true)
    ) { execution in
      try await eventually("the host serves") { try await nsphost.run("stats").status == 0 }
      var byte: UInt8 = 0
      let count = try withUnsafeMutableBytes(of: &byte) { try reading.read(into: $0) }
      #expect(count == 1, "it writes a log")
      try reading.close()
      for _ in 0..<3 { try await nsphost.expect(0, of: "lookup", "hello") }
      try execution.send(signal: .terminate)
    }
    #expect(result.terminationStatus.isSuccess)
  }

  /// Says this on the socket, and waits until the host closes it: for a second at most.
  private static func say(_ bytes: [UInt8], on path: String) throws {
    let socket = FileDescriptor(rawValue: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
    defer { try? socket.close() }
    var (address, second) = (sockaddr_un(), timeval(tv_sec: 1, tv_usec: 0))
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    setsockopt(socket.rawValue, SOL_SOCKET, SO_RCVTIMEO, &second, socklen_t(MemoryLayout<timeval>.size))
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket.rawValue, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(connected == 0, "errno \(errno)")
    send(socket.rawValue, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    shutdown(socket.rawValue, Int32(SHUT_WR))
    var answer = [UInt8](repeating: 0, count: 4096)
    while recv(socket.rawValue, &answer, answer.count, 0) > 0 {}
  }

  @Test("garbage on the socket harms nobody")
  func garbage() async throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var numbers = SplitMix(state: seed)
    let all = (0..<200).map { _ in
      (0..<Int.random(in: 0..<300, using: &numbers)).map { _ in UInt8.random(in: 0...255, using: &numbers) }
    }
    try await Host.serveSamples { host in
      for bytes in all { try Self.say(bytes, on: host.folder["socket"]) }
      let client = try await host.client(named: "client")
      let outcome = try await client.run("start", "resolve=hello", "cleanup")
      #expect(outcome.status == 0 && outcome.output.contains("hello 192.0.2.1"), "seed \(seed): \(outcome)")
      try await host.settles()
    }
  }

  @Test("a second host on the socket is refused, and told who has it")
  func second() async throws {
    try await Host.serveSamples { host in
      let outcome = try await host.nsphost.run("serve", "--plugins", Built.samples)
      let said = outcome.output + outcome.errors
      #expect(
        outcome.status == 1
          && said.firstMatch(of: /another host listens[\s\S]*process ([0-9]+)/).map { Int32($0.1) } == host.processID,
        "\(outcome)")
    }
  }

  @Test("SIGHUP looks at the directories again and the host goes on; SIGTERM ends it in order, and the socket is gone with it")
  func signals() async throws {
    let folder = try await Host.serveSamples { host in
      kill(host.processID, SIGHUP)
      let client = try await host.client(named: "client")
      try await client.expect(0, "hello", of: "start", "resolve=hello", "cleanup")
      return host.folder
    }
    #expect(!folder.has("socket"))
  }

  @Test("serve --supervise: the host ends in order when the process that watches it is killed")
  func orphaned() async throws {
    try await Host.serve("", options: ["--plugins", Built.samples, "--supervise"], isKilled: true) { host in
      #expect(host.folder.has("socket"))
      try await host.die()
      try await eventually("the socket is gone") { !host.folder.has("socket") }
    }
  }
}
