import Foundation
import Testing

/// A provider that crashes takes a host with it that runs it in its own process: its last line says who it was, and under --supervise there is
/// another host soon.
@Suite(.timeLimit(.minutes(5))) struct HostCrashTests {
  private static let inProcess = "isolation = \"in-process\"\n"

  /// What is looked up, what the last line says of it, and the signal.
  private static let deaths: [(name: String, line: String, signal: Int32)] = [
    ("crash-next", "crash: died in NSPv2LookupServiceNextEx: SIGSEGV", SIGSEGV),
    ("abort-next", "crash: died in NSPv2LookupServiceNextEx: SIGABRT", SIGABRT),
    ("overflow-next", "crash: died in NSPv2LookupServiceNextEx: SIGSEGV", SIGSEGV),
    ("divide-next", "crash: died in NSPv2LookupServiceNextEx: SIGFPE", SIGFPE),
    ("crash-thread", "FILE.so: died on a thread of its own: SIGSEGV", SIGSEGV),
    ("crash-begin", "crash: died in NSPv2LookupServiceBegin: SIGSEGV", SIGSEGV),
    ("abort-thread", "FILE.so: died on a thread of its own: SIGABRT", SIGABRT),
  ]

  @Test(
    "a crash, an abort, a stack that overflows, a division by zero, on the host's threads and the provider's own: the last line names the provider, the routine and the signal",
    arguments: ["crash", "crash-blocking"])
  func crashes(_ file: String) async throws {
    for death in Self.deaths {
      let plugin = Plugin(file: Built.fixtures + "/crash/\(file).so")
      let folder = try await Host.serve(Self.inProcess, [plugin], endsWith: 128 + death.signal) { host in
        _ = try await host.nsphost.run("lookup", death.name)
        return host.folder
      }
      let line = "nsphost: " + death.line.replacing("FILE", with: file)
      let log = folder.text(of: "serve.err")
      #expect(log.split(separator: "\n").contains { $0 == line }, "\(death.name): \(log)")
    }
  }

  @Test("serve --supervise starts the host again, and ends with it")
  func revives() async throws {
    let plugins = [Plugin(file: Built.fixtures + "/crash/crash.so"), Plugin(file: Built.samples + "/hello.so")]
    let folder = try await Host.serve(Self.inProcess, plugins, options: ["--supervise"]) { host in
      for _ in 0..<3 {
        try await eventually("it serves: \(host.log)") {
          try await host.nsphost.run("lookup", "hello", "--namespace", "dns").output.contains("192.0.2.1")
        }
        _ = try await host.nsphost.run("lookup", "crash-next", "--provider", "51e57000-0001-4000-8000-000000000000")
        _ = try await host.nsphost.run("lookup", "crash-next")
      }
      try await eventually("it serves again: \(host.log)") {
        try await host.nsphost.run("lookup", "hello").output.contains("192.0.2.1")
      }
      #expect(host.log.split(separator: "\n").count { $0.contains("the host has died") } >= 3, "\(host.log)")
      return host.folder
    }
    #expect(!folder.has("socket"))
  }
}
