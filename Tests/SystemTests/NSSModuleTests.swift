import Foundation
import Testing

/// Real programs find through glibc's module what only a provider of a host knows, and the module keeps glibc's contract.
@Suite(.timeLimit(.minutes(10))) struct NSSModuleTests {
  @Test(
    "getent, python3, curl and ssh find what a provider knows, and what the next service knows", arguments: Isolation.allCases)
  func programs(_ isolation: Isolation) async throws {
    let door = try await Door()
    try await door.serve(isolation) { host in
      try await Self.getent(door.program)
      let interface = try String(contentsOfFile: "/sys/class/net/lo/ifindex", encoding: .utf8)
      let index = interface.trimmingCharacters(in: .whitespacesAndNewlines)
      try await door.program.expect(
        inOrder: "('fe80::7', 80, 0, \(index))", of: "python3", "-c",
        "import socket; print(socket.getaddrinfo('zoned', 80, type=socket.SOCK_STREAM)[0][4])")
      try await door.program.expect(
        inOrder: "['192.0.2.7', '2001:db8::7']", "('known.door.example', ['known-alias'], ['192.0.2.7'])", "7777",
        of: "python3", "-c",
        """
        import socket
        print([one[4][0] for one in socket.getaddrinfo("known", 80, type=socket.SOCK_STREAM)])
        print(socket.gethostbyname_ex("known"))
        print(socket.getservbyname("door", "tcp"))
        """)
      try await Self.curl(door)
      // It asks for the name in a domain.
      let ssh = try await door.program.run(
        "ssh", "-F", "none", "-G", "-o", "CanonicalizeHostname=yes", "-o", "CanonicalDomains=door.example", "four")
      #expect(ssh.lines.filter { $0.hasPrefix("hostname ") } == ["hostname four.door.example"], "\(ssh)")
    }
  }

  private static func getent(_ program: Program) async throws {
    try await program.expect(
      inOrder: "2001:db8::7     known.door.example known-alias", of: "getent", "hosts", "known")
    try await program.expect(
      inOrder: "192.0.2.7       STREAM known.door.example", "192.0.2.7       DGRAM  ", "192.0.2.7       RAW    ",
      "2001:db8::7     STREAM ", "2001:db8::7     DGRAM  ", "2001:db8::7     RAW    ", of: "getent", "ahosts", "known")
    // From an address, of IPv4 also where it is written as one of IPv6.
    for address in ["192.0.2.7       ", "::ffff:192.0.2.7 ", "::192.0.2.7     "] {
      let written = address.trimmingCharacters(in: .whitespaces)
      try await program.expect(inOrder: address + "known.door.example known-alias", of: "getent", "hosts", written)
    }
    for key in ["door", "7777/tcp"] {
      try await program.expect(inOrder: "door                  7777/tcp gate", of: "getent", "services", key)
    }
    try await program.expect(2, of: "getent", "hosts", "nobody")
    try await program.expect(inOrder: "192.0.2.200     fallback wait-5000", of: "getent", "hosts", "fallback")
  }

  /// A server whose address only a provider knows.
  private static func curl(_ door: Door) async throws {
    let server = Program(path: "/usr/bin/env", words: ["python3", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"])
    _ = try await server.beside("--directory", door.folder["plugins"], printing: door.folder["server"]) { process in
      defer { kill(process, SIGKILL) }
      var port = ""
      try await eventually("the server serves") {
        port = door.folder.text(of: "server").firstMatch(of: /port ([0-9]+)\s/).map { String($0.1) } ?? ""
        return !port.isEmpty
      }
      try await door.program.expect(0, "door.so", of: "curl", "-sS", "-m", "30", "http://here.door.example:" + port + "/")
    }
  }

  /// Whether it may send anything here.
  private static func pings() async throws -> Bool {
    try await Program(path: "/usr/bin/env").run("ping", "-c1", "-W1", "127.0.0.1").status == 0
  }

  @Test("ping knows the name", .enabled("it may not send anything here") { try await pings() }, arguments: Isolation.allCases)
  func ping(_ isolation: Isolation) async throws {
    let door = try await Door()
    try await door.serve(isolation) { host in
      // It sends nothing that anybody would answer; whether it knows the name is what it says first.
      let outcome = try await door.program.run("ping", "-c1", "-W1", "four")
      #expect(outcome.output.hasPrefix("PING four.door.example (192.0.2.4) "), "\(outcome)")
    }
  }

  @Test("what glibc relies on, function by function, with threads, forks and few descriptors", arguments: Isolation.allCases)
  func contract(_ isolation: Isolation) async throws {
    let all = [
      "statuses", "buffers", "growth", "services", "threads", "threads-that-fork", "forks", "execs", "reuse", "streams",
      "exhausted", "cancelled",
    ]
    let door = try await Door()
    try await door.serve(isolation) { host in
      for check in isolation == .inProcess ? all : ["statuses", "growth", "services", "threads"] {
        try await door.contract.expect(0, of: check)
      }
    }
  }

  @Test("each user of a process has a session of its own", .enabled(if: geteuid() == 0, "it takes root"))
  func users() async throws {
    let door = try await Door()
    try await door.serve(.inProcess) { host in try await door.contract.expect(0, of: "users") }
  }

  @Test("NSP_NSS_BYPASS turns it off for a process")
  func bypass() async throws {
    let door = try await Door()
    try await door.serve(.inProcess) { host in
      var (contract, program) = (door.contract, door.program)
      try await door.expect(Door.Said.success, of: "known")
      // Behind the word that takes it away.
      let place = try #require(program.words.lastIndex(of: "NSP_NSS_BYPASS")) + 1
      contract.words.insert("NSP_NSS_BYPASS=1", at: place)
      program.words.insert("NSP_NSS_BYPASS=1", at: place)
      let asked = try await contract.run("ask", "known")
      #expect(asked.output.hasPrefix("-1 "), "\(asked)")
      try await program.expect(2, of: "getent", "hosts", "known")
    }
  }

  @Test("the module is small, needs libc alone, and exports nothing but what glibc asks for")
  func file() async throws {
    let env = Program(path: "/usr/bin/env")
    let attributes = try FileManager.default.attributesOfItem(atPath: Built.nssModule)
    #expect(try #require(attributes[.size] as? Int) <= 98304)
    let needed = try await env.run("readelf", "-d", Built.nssModule).lines.filter { $0.contains("NEEDED") }
    #expect(needed.count == 1 && needed[0].contains("libc.so.6"), "\(needed)")
    let defined = try await env.run("nm", "-D", "--defined-only", Built.nssModule).lines
    let exported = defined.compactMap { $0.split(separator: " ").last }
    #expect(!exported.isEmpty && exported.allSatisfy { $0.hasPrefix("_nss_nsp_") }, "\(exported)")
  }

  @Test(
    "what another user has registered is nothing to root; what root has registered is everybody's",
    .enabled(if: geteuid() == 0, "it takes root"))
  func registered() async throws {
    let door = try await Door()
    try await door.serve(.inProcess, with: [try .shipped("directory", .inProcess)]) { host in
      try await host.loads("directory")
      try await host.nsphost.asUser(65534).expect(0, of: "register", "shadow", "--address", "192.0.2.66")
      try await host.nsphost.expect(0, of: "register", "ours", "--address", "192.0.2.67")
      try await door.expect("192.0.2.66", of: "shadow", asUser: 65534)
      try await door.expect("192.0.2.67", of: "ours", asUser: 65534)
      try await door.program.expect(2, of: "getent", "ahostsv4", "shadow")
      try await door.expect("192.0.2.67", of: "ours")
    }
  }

  @Test(
    "a provider's own lookups do not come back, nor where it has cleared the environment", arguments: Isolation.allCases,
    ["look", "free"])
  func loops(_ isolation: Isolation, _ way: String) async throws {
    let door = try await Door()
    try await door.serve(isolation) { host in
      let time = try await ContinuousClock().measure {
        try await door.program.expect(2, of: "getent", "ahostsv4", way + "-known")
      }
      #expect(time <= .seconds(4))
      // By files, which is behind nsp for that process, too.
      try await door.expect(Door.fallback, of: way + "-fallback")
      #expect(host.log.contains(": \(way)-known\n") && !host.log.contains(": known\n"), "\(host.log)")
      let process = try await host.providerProcess(isolation)
      let mapped = try await Program(path: "/usr/bin/env").run("cat", "/proc/\(process)/maps")
      #expect(mapped.output.contains("libnss_nsp.so.2"), "the provider's process has the module")
    }
  }

  @Test("while a provider's process is down nobody says that there is no such name")
  func quarantine() async throws {
    struct Document: Decodable {
      struct Provider: Decodable { var name: String, state: String }
      var providers: [Provider]
    }
    let door = try await Door()
    try await door.serve(.worker) { host in
      try await eventually("it is quarantined: \(host.log)") {
        for worker in try await host.workers { kill(worker, SIGKILL) }
        return try await host.nsphost.document(Document.self, "providers").providers.contains { $0.state == "quarantined" }
      }
      try await door.expect([-2, 11, 2], of: "nobody")
      try await door.expect(Door.fallback, of: "fallback")
      try await host.nsphost.expect(0, of: "enable", "door")
    }
  }
}
