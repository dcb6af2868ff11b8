import Foundation
import Testing

/// The bridge to modules of glibc's name service switch says what glibc itself gets from the same files and the same modules of Debian.
@Suite(.timeLimit(.minutes(10)), .enabled(if: geteuid() == 0, "files of its own in /etc take root")) struct NSSBridgeFilesTests {
  private static let hosts = """
    # A comment
    192.0.2.1   One.example one uno
    2001:db8::1 one.example
    192.0.2.2\ttwo.example two\t# three
    192.0.2.3   two.example
    ::1         loop.example
    127.0.0.1   loop.example loopback
    198.51.100.7 umlaut-ä.example

    """
  private static let services = """
    http        80/tcp      www        # the web
    domain      53/tcp
    domain      53/udp      nameserver
    ntp         123/udp
    signalling  2905/sctp   m3ua sig
    video       5004/dccp
    thin        5005/udplite
    rtmp        1/ddp
    last        65535/tcp

    """
  private static let localhost = ["127.0.0.1  localhost", "::1        localhost"]

  /// A view with these files in the place of the machine's own.
  private static func view(_ folder: WorkFolder) throws -> MountView {
    try folder.write(hosts, to: "hosts")
    try folder.write(services, to: "services")
    return MountView(places: [(folder["hosts"], "/etc/hosts"), (folder["services"], "/etc/services")])
  }

  /// The words of each line that getent prints.
  private static func getent(_ view: MountView, _ words: String..., modules: String? = nil) async throws -> [[String]] {
    let environment = modules.map { ["LD_LIBRARY_PATH": $0] } ?? [:]
    let outcome = try await Program(path: "/usr/bin/env", environment: environment).inside(view).run(["getent"] + words)
    return outcome.output.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace).map(String.init) }
  }

  private static func streams(_ lines: [[String]]) -> [String] {
    Set(lines.filter { $0.count > 1 && $0[1] == "STREAM" }.map { $0[0] }).sorted()
  }

  @Test("glibc says the same of the addresses of every name", arguments: Isolation.allCases)
  func addresses(_ isolation: Isolation) async throws {
    let bridge = try await NSSBridge()
    let view = try Self.view(bridge.folder)
    try await bridge.serve(isolation, asking: "files", inside: view) { host in
      let names = [
        "one.example", "ONE.example", "one", "uno", "two.example", "two", "loop.example", "loopback", "umlaut-ä.example",
        "nobody.example",
      ]
      for name in names {
        let outcome = try await host.nsphost.run("lookup", name)
        let ours = outcome.output.split(separator: "\n").map { String($0.prefix { $0 != " " }) }
        let theirs = Self.streams(try await Self.getent(view, "-A", "-i", "-s", "files", "ahosts", name))
        #expect(ours.sorted() == theirs && ours.isEmpty == (name == "nobody.example"), "\(name): \(outcome)")
      }
    }
  }

  /// One name after the other: of IPv6, of IPv4, and of getaddrinfo, as far as they have them.
  private static func theirNames(_ name: String, _ view: MountView) async throws -> [String] {
    var lines = try await getent(view, "-i", "-s", "files", "hosts", name)
    if !name.contains(":"), name.split(separator: ".").count != 4 {
      let first = try await getent(view, "-A", "-i", "-s", "files", "ahostsv4", name)
      lines += first
      if let address = first.first?.first { lines += try await getent(view, "-i", "-s", "files", "hosts", address) }
    }
    return Set(lines.flatMap { $0.dropFirst() }).subtracting(["STREAM", "DGRAM", "RAW"]).sorted()
  }

  @Test("glibc says the same of every other name of a name or an address", arguments: Isolation.allCases)
  func aliases(_ isolation: Isolation) async throws {
    let bridge = try await NSSBridge()
    let view = try Self.view(bridge.folder)
    try await bridge.serve(isolation, asking: "files", inside: view) { host in
      for name in ["one.example", "two", "uno", "loopback", "192.0.2.1", "192.0.2.2", "2001:db8::1", "::1"] {
        let outcome = try await host.ask.run(NSSClass.hosts.rawValue, name)
        let ours = Set(outcome.output.split(separator: "\n").map { String($0.prefix { $0 != " " }) }).sorted()
        let theirs = try await Self.theirNames(name, view)
        #expect(!ours.isEmpty && ours == theirs, "\(name): \(outcome)")
      }
      // An alias is told from the name.
      try await host.nsphost.expect(
        lines: ["192.0.2.1  One.example", "-          one", "-          uno"],
        of: "lookup", "192.0.2.1", "--flags", "return-name,return-addr,return-aliases")
      // An address of IPv4, written as one of IPv6.
      try await host.nsphost.expect(lines: ["192.0.2.1  One.example"], of: "lookup", "::ffff:192.0.2.1")
      let names = try await host.lookup("::192.0.2.1", .names)
      #expect(names.lines == ["192.0.2.1  One.example"], "\(names)")
    }
  }

  /// A line as getent prints it, from records: name, flags, address, port, protocol, type of socket; or name and flags of an alias.
  private static func asGetent(_ output: String) -> String {
    let names = ["6": "tcp", "17": "udp", "33": "dccp", "132": "sctp", "136": "udplite"]
    let types = ["6": "1", "17": "2", "33": "6", "132": "1", "136": "2"]
    var line = ""
    for record in output.split(separator: "\n").map({ $0.split(separator: " ").map(String.init) }) {
      guard record.count >= 6, record[1] == "0" else {
        line += " " + record[0]
        continue
      }
      let isRight = types[record[4]] == record[5] && record[2] == "0.0.0.0"
      line = "\(record[0]) \(record[3])/\(isRight ? names[record[4]] ?? "?" : "?")"
    }
    return line
  }

  @Test(
    "glibc says the same of every service, by name and by port, with protocol and type of socket", arguments: Isolation.allCases)
  func services(_ isolation: Isolation) async throws {
    let bridge = try await NSSBridge()
    let view = try Self.view(bridge.folder)
    try await bridge.serve(isolation, asking: "files", inside: view) { host in
      let keys = [
        "http/tcp", "http", "www", "www/tcp", "domain", "domain/tcp", "domain/udp", "nameserver", "ntp", "ntp/udp", "ntp/tcp",
        "signalling/sctp", "m3ua", "video/dccp", "thin/udplite", "last", "80", "80/tcp", "80/udp", "53", "53/udp", "123/udp",
        "2905/sctp", "5004/dccp", "5005/udplite", "65535", "65535/tcp", "4", "nobody", "nobody/tcp", "http/foo",
      ]
      for key in keys {
        let ours = Self.asGetent(try await host.ask.run(NSSClass.ports.rawValue, key).output)
        let theirs = try await Self.getent(view, "-s", "files", "services", key).map { $0.joined(separator: " ") }
        #expect(ours == theirs.joined(separator: "\n"), "\(key)")
      }
    }
  }

  @Test("what is no address, port, service or class of theirs is refused or not found", arguments: Isolation.allCases)
  func refusals(_ isolation: Isolation) async throws {
    let bridge = try await NSSBridge()
    try await bridge.serve(isolation, asking: "files", inside: try Self.view(bridge.folder)) { host in
      // The class of names of an address takes addresses alone, and that of addresses of a name takes an address for a name.
      try await host.expect(1, "WSAEINVAL", of: "one.example", .names)
      try await host.expect(2, "WSASERVICE_NOT_FOUND", of: "192.0.2.77", .addresses)
      try await host.expect(2, "WSASERVICE_NOT_FOUND", of: "65536/tcp", .ports)
      try await host.expect(1, "WSAEINVAL", of: "http/", .ports)
      // A protocol without ports.
      try await host.expect(2, "WSANO_DATA", of: "rtmp/ddp", .ports)
      try await host.nsphost.expect(missing: "one", "--class", "dns/mx")
      // A name longer than any.
      try await host.nsphost.expect(missing: String(repeating: "a", count: 1025))
    }
  }

  @Test("modules of Debian: this machine's own names, and the next module where one has nothing", arguments: Isolation.allCases)
  func debian(_ isolation: Isolation) async throws {
    let bridge = try await NSSBridge()
    for package in ["libnss-myhostname", "libnss-unknown"] { try await bridge.add(package: package) }
    let view = try Self.view(bridge.folder)
    try await bridge.serve(isolation, asking: "unknown", "myhostname", inside: view) { host in
      let nsphost = host.nsphost
      try await Self.ownName(host, bridge, view)
      for name in ["localhost", "anything.localhost"] { try await nsphost.expect(lines: Self.localhost, of: "lookup", name) }
      try await nsphost.expect(lines: ["127.0.0.1  localhost"], of: "lookup", "127.0.0.1")
      try await nsphost.expect(missing: "nobody.example")
      // It has nothing of services: a stub.
      try await host.expect(2, "WSASERVICE_NOT_FOUND", of: "http/tcp", .ports)
      try await host.writes("libnss_unknown.so.2 has nothing for hosts or services")
    }
    try await bridge.serve(isolation, asking: "files", "myhostname", inside: view) { host in
      try await host.nsphost.expect(
        lines: ["127.0.0.1  loop.example", "::1        loop.example"], of: "lookup", "loop.example")
      try await host.nsphost.expect(lines: Self.localhost, of: "lookup", "localhost")
    }
  }

  /// What glibc itself gets from myhostname. It numbers the interface of a link-local address, which we name.
  private static func ownName(_ host: Host, _ bridge: NSSBridge, _ view: MountView) async throws {
    let name = try await Program(path: "/usr/bin/env").run("hostname").output.trimmingCharacters(in: .whitespacesAndNewlines)
    let ours = try await host.nsphost.document(Answer.self, "lookup", name).addresses.map { address in
      let parts = address.split(separator: "%")
      guard parts.count == 2 else { return address }
      let index = try String(contentsOfFile: "/sys/class/net/\(parts[1])/ifindex", encoding: .utf8)
      return parts[0] + "%" + index.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    let theirs = try await getent(view, "-A", "-s", "myhostname", "ahosts", name, modules: bridge.modules)
    #expect(ours.sorted() == streams(theirs), "\(name): \(theirs)")
  }
}
