import Foundation
import Testing

/// Registrations by dynamic update at a real server: what they change there, who may, and what is wrong with keys that nothing can be signed with.
@Suite(.timeLimit(.minutes(10))) struct DNSUpdateTests {
  private static let v4 = ["192.0.2.4  v4.example.test"]

  /// A file with a key, which its owner alone can read.
  private static func key(_ knot: Knot, _ name: String, _ text: String) throws -> String {
    try knot.folder.write(text, to: name)
    try permit(0o600, knot.folder[name])
    return knot.folder[name]
  }

  private static func permit(_ mode: Int, _ file: String) throws {
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
  }

  private static func right(_ knot: Knot) throws -> String { try key(knot, "right", text(Knot.keyName, knot.secret)) }

  private static func text(_ name: String, _ secret: String) -> String {
    "key \"\(name)\" {\n\talgorithm hmac-sha256;\n\tsecret \"\(secret)\";\n};\n"
  }

  private static func settings(_ knot: Knot, key: String?) -> [String] {
    ["servers = [\"\(knot.server)\"]", "update-server = \"\(knot.server)\"", "update-zone = \"dynamic.test\""]
      + (key.map { ["update-key = \"\($0)\""] } ?? [])
  }

  /// A host that can register at a server that runs.
  private static func serve(_ isolation: Isolation, _ body: @Sendable (Host, Knot) async throws -> Void) async throws {
    let knot = try Knot.example()
    try await knot.serving { try await serve(isolation, knot) { try await body($0, knot) } }
  }

  private static func serve(_ isolation: Isolation, _ knot: Knot, _ body: @Sendable (Host) async throws -> Void) async throws {
    let more = ["update-ttl = 77", "search = [\"dynamic.test\"]", "update-users = [\"daemon\", 65534]"]
    try await Host.servingDNS(isolation, settings(knot, key: try right(knot)) + more, body)
  }

  @Test(
    "what is registered replaces what was there, addresses are added and taken back, and text is kept",
    arguments: Isolation.allCases)
  func changes(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host, knot in
      let nsphost = host.nsphost
      let one = "one.dynamic.test"
      try await nsphost.expect(0, of: "register", "one", "--address", "192.0.2.10", "--address", "2001:db8::10")
      try await knot.expect("192.0.2.10", of: one, "A")
      try await knot.expect("2001:db8::10", of: one, "AAAA")
      try await nsphost.expect(
        lines: ["192.0.2.10    one.dynamic.test", "2001:db8::10  one.dynamic.test"], of: "lookup", "one")
      let found = try await nsphost.document(Answer.self, "lookup", "one", "--flags", "return-all")
      #expect(found.blob?.hasPrefix("4e535044" + "4d000000") == true, "not 77 seconds: \(found)")
      try await nsphost.expect(0, of: "register", "one", "--address", "192.0.2.11")
      try await knot.expect("192.0.2.11", of: one, "A")
      try await knot.expect(of: one, "AAAA")

      // One address is taken back, then all, then there is nothing.
      try await nsphost.expect(
        0, of: "register", "ONE.dynamic.test.", "--address", "192.0.2.12", "--address", "192.0.2.13")
      try await nsphost.expect(0, of: "unregister", "one", "--address", "192.0.2.12")
      try await knot.expect("192.0.2.13", of: one, "A")
      try await nsphost.expect(0, of: "unregister", "one")
      try await knot.expect(of: one, "A")
      try await nsphost.expect(2, "WSASERVICE_NOT_FOUND", of: "unregister", "one")

      let many = try await host.many
      for address in ["192.0.2.14", "192.0.2.15"] { try await many.expect(0, of: "add", "one", address) }
      try await knot.expect("192.0.2.14", "192.0.2.15", of: one, "A")

      try await nsphost.expect(0, of: "register", "words", "--class", "dns/txt", "--comment", "two words")
      try await knot.expect("\"two words\"", of: "words.dynamic.test", "TXT")
    }
  }

  @Test("what is not there can't be taken back, beside other records, a CNAME or other addresses", arguments: Isolation.allCases)
  func absent(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host, knot in
      let nsphost = host.nsphost
      let said: Int32 = 2
      let missing = "WSASERVICE_NOT_FOUND"
      try await nsphost.expect(said, missing, of: "unregister", "worded")
      try await nsphost.expect(said, missing, of: "unregister", "pointer")
      try await nsphost.expect(said, missing, of: "unregister", "worded", "--address", "192.0.2.61")
      try await knot.expect("\"x\"", of: "worded.dynamic.test", "TXT")

      try await nsphost.expect(0, of: "register", "single", "--address", "192.0.2.62", "--address", "192.0.2.63")
      try await nsphost.expect(said, missing, of: "unregister", "single", "--address", "192.0.2.64")
      try await nsphost.expect(0, of: "unregister", "single", "--address", "192.0.2.63", "--address", "192.0.2.64")
      try await knot.expect("192.0.2.62", of: "single.dynamic.test", "A")
      try await nsphost.expect(0, of: "unregister", "single")

      try await nsphost.expect(0, of: "register", "six", "--address", "2001:db8::62")
      try await nsphost.expect(0, of: "unregister", "six")
      try await knot.expect(of: "six.dynamic.test", "AAAA")
      try await nsphost.expect(said, missing, of: "unregister", "six")
      try await nsphost.expect(0, of: "register", "six", "--address", "2001:db8::62")
      try await nsphost.expect(0, of: "unregister", "six", "--address", "2001:db8::62")
      try await knot.expect(of: "six.dynamic.test", "AAAA")
    }
  }

  @Test(
    "what no record can keep is refused: aliases, wildcards, zones, other domains, other classes", arguments: Isolation.allCases)
  func refusals(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host, knot in
      let nsphost = host.nsphost
      // Over a CNAME.
      try await nsphost.expect(1, "WSAEINVAL", of: "register", "pointer", "--address", "192.0.2.60")
      let added = try await host.many.run("add", "pointer", "192.0.2.60")
      #expect(added.status != 0, "\(added)")
      try await host.writes("pointer.dynamic.test was not updated: there is an alias (CNAME)")
      try await knot.expect("elsewhere.dynamic.test.", of: "pointer.dynamic.test", "CNAME")

      for name in ["*", "*.sub.dynamic.test"] {
        try await nsphost.expect(1, "WSAEINVAL", of: "register", name, "--address", "192.0.2.65")
      }
      try await host.writes("set update-wildcards = true")
      try await knot.expect(of: "any.dynamic.test", "A")

      try await nsphost.expect(1, "WSAEINVAL", of: "register", "one", "--address", "[fe80::7%lo]:631")
      try await eventually("the zone is named: \(host.log)") { host.log.firstMatch(of: /fe80::7%lo.* has a zone/) != nil }
      try await nsphost.expect(1, "WSAEINVAL", of: "register", "www.example.test", "--address", "192.0.2.10")
      try await nsphost.expect(1, "WSAEOPNOTSUPP", of: "register", "one", "--address", "192.0.2.10", "--class", "dns/mx")
    }
    let knot = try Knot.example()
    try await Host.servingDNS(isolation, ["servers = [\"\(knot.server)\"]"]) { host in
      try await host.nsphost.expect(1, "WSAEOPNOTSUPP", of: "register", "one.dynamic.test", "--address", "192.0.2.10")
    }
  }

  @Test(
    "the users in the settings may register, by name and number", .enabled(if: geteuid() == 0, "it takes root"),
    arguments: Isolation.allCases)
  func users(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host, knot in
      let daemon = try #require(getpwnam("daemon")).pointee.pw_uid
      try await host.nsphost.asUser(12345).expect(77, "WSAEACCES", of: "register", "theirs", "--address", "192.0.2.20")
      try await host.nsphost.asUser(daemon).expect(0, of: "register", "theirs", "--address", "192.0.2.20")
      try await host.nsphost.asUser(65534).expect(0, of: "register", "others", "--address", "192.0.2.20")
      for name in ["theirs.dynamic.test", "others.dynamic.test"] {
        try await knot.expect("192.0.2.20", of: name, "A")
      }
    }
  }

  @Test("a server that is killed, and comes back, takes registrations again", arguments: Isolation.allCases)
  func killed(_ isolation: Isolation) async throws {
    let knot = try Knot.example()
    try await Self.serve(isolation, knot) { host in
      try await knot.serving { try await host.nsphost.expect(0, of: "register", "early", "--address", "192.0.2.29") }
      try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "register", "late", "--address", "192.0.2.30")
      try await knot.serving {
        try await host.nsphost.expect(0, of: "register", "late", "--address", "192.0.2.30")
        try await knot.expect("192.0.2.30", of: "late.dynamic.test", "A")
      }
    }
  }

  @Test(
    "a wildcard where the settings say so; a key with comments, and a dot behind its algorithm", arguments: Isolation.allCases)
  func wildcards(_ isolation: Isolation) async throws {
    let knot = try Knot.example()
    let key = try Self.key(
      knot, "commented",
      """
      # made by hand
      // for the updates
      /* of
         dynamic.test */
      key "\(Knot.keyName)" { # its name
      \talgorithm HMAC-SHA256.; // with a dot
      \tsecret "\(knot.secret)";
      };

      """)
    try await knot.serving {
      try await Host.servingDNS(isolation, Self.settings(knot, key: key) + ["update-wildcards = true"]) { host in
        try await host.nsphost.expect(0, of: "register", "*", "--address", "192.0.2.66")
        try await knot.expect("192.0.2.66", of: "any.dynamic.test", "A")
        try await host.nsphost.expect(0, of: "unregister", "*")
        try await knot.expect(of: "any.dynamic.test", "A")
      }
    }
  }

  @Test("the server takes nothing with a key that is wrong or unknown, or with none", arguments: Isolation.allCases)
  func wrongKeys(_ isolation: Isolation) async throws {
    let knot = try Knot.example()
    let wrong = try Self.key(knot, "wrong", Self.text(Knot.keyName, Knot.noise()))
    let unknown = try Self.key(knot, "unknown", Self.text("another.key", knot.secret))
    try await knot.serving {
      for key in [wrong, unknown, nil] {
        try await Host.servingDNS(isolation, Self.settings(knot, key: key)) { host in
          try await host.nsphost.expect(77, "WSAEACCES", of: "register", "no", "--address", "192.0.2.40")
          try await knot.expect(of: "no.dynamic.test", "A")
          if key == nil { try await host.writes("the server answers") }
        }
      }
    }
  }

  @Test("a key that can't be used stops registrations, and no lookup, until it is mended", arguments: Isolation.allCases)
  func unusableKeys(_ isolation: Isolation) async throws {
    let knot = try Knot.example()
    let right = try Self.right(knot)
    let nonsense = try Self.key(knot, "nonsense", "")
    try Data((0..<1000).map { _ in UInt8.random(in: 0...255) }).write(to: URL(filePath: nonsense))
    @Sendable func serve(_ key: String, _ reason: String, then body: @escaping @Sendable (Host) async throws -> Void = { _ in })
      async throws
    {
      try await Host.servingDNS(isolation, Self.settings(knot, key: key)) { host in
        try await host.nsphost.expect(lines: Self.v4, of: "lookup", "v4.example.test")
        try await host.nsphost.expect(1, "WSANO_RECOVERY", of: "register", "no.dynamic.test", "--address", "192.0.2.40")
        try await host.writes(reason)
        try await knot.expect(of: "no.dynamic.test", "A")
        try await body(host)
      }
    }
    try await knot.serving {
      try Self.permit(0o644, right)
      try await serve(right, "is not its owner's alone") { host in
        try Self.permit(0o600, right)
        try await host.nsphost.expect(0, of: "register", "mended", "--address", "192.0.2.41")
        try await knot.expect("192.0.2.41", of: "mended.dynamic.test", "A")
        try await host.nsphost.expect(0, of: "unregister", "mended")
      }
      try await serve(nonsense, "is no key file")
      try await serve(knot.folder["nowhere"], "can't be read: No such file")
    }
  }

  @Test("a worker that reads its key and reaches its servers, and nothing else")
  func confined() async throws {
    let knot = try Knot.example()
    let key = try Self.right(knot)
    let table = ["allow-read = [\"\(key)\"]", "allow-connect = [\"udp:*\", \"tcp:\(knot.port)\"]"]
    try await knot.serving {
      try await Host.servingDNS(.worker, Self.settings(knot, key: key), table: table) { host in
        try await host.nsphost.expect(lines: Self.v4, of: "lookup", "v4.example.test")
        try await host.nsphost.expect(0, of: "register", "inside", "--address", "192.0.2.50")
        try await knot.expect("192.0.2.50", of: "inside.dynamic.test", "A")
      }
    }
  }
}
