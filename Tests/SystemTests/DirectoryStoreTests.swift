import Foundation
import GRDB
import Testing

/// The default store: what is registered, by whom, for how long, and what is left of it after every kind of end. Clients and files are real.
@Suite(.timeLimit(.minutes(10))) struct DirectoryStoreTests {
  private struct Providers: Decodable {
    struct Provider: Decodable { var name: String, state: String, reason: String? }
    var providers: [Provider]

    var directory: Provider? { providers.first { $0.name == "directory" } }
  }

  /// A host with the store alone. When the body has ended, so have the sessions.
  private static func serve<Value: Sendable>(
    _ isolation: Isolation, settings: String = "", options: [String] = [], in before: WorkFolder? = nil,
    isKilled: Bool = false, _ body: @Sendable (Host) async throws -> Value
  ) async throws -> Value {
    let configuration = settings.isEmpty ? "" : "[providers.directory.settings]\n" + settings
    let plugin = try Plugin.shipped("directory", isolation)
    return try await Host.serve(configuration, [plugin], options: options, in: before, isKilled: isKilled) { host in
      // One that is failing is there, too.
      try await eventually("the store is there: \(host.log)") {
        ["ready", "failing"].contains(try await host.nsphost.document(Providers.self, "providers").directory?.state)
      }
      let value = try await body(host)
      if !isKilled { try await host.settles() }
      return value
    }
  }

  private static func client(of host: Host) async throws -> Program {
    try await host.client(Built.package + "/Tests/Plugins/directory.c")
  }

  /// The file itself, whoever else has it open.
  private static func database(_ folder: WorkFolder) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.busyMode = .timeout(10)
    return try DatabaseQueue(path: folder["state/directory.db"], configuration: configuration)
  }

  private static func texts(_ folder: WorkFolder, _ query: String) throws -> [String] {
    try database(folder).read { try String.fetchAll($0, sql: query) }
  }

  private static func count(_ folder: WorkFolder, _ condition: String) throws -> Int? {
    try database(folder).read { try Int.fetchOne($0, sql: "SELECT count(*) FROM instance WHERE " + condition) }
  }

  private static func change(_ folder: WorkFolder, _ body: (Database) throws -> Void) throws {
    try database(folder).write(body)
  }

  /// What SQLite finds wrong with it.
  private static func faults(_ folder: WorkFolder) throws -> [String] {
    try database(folder).read { database in
      try String.fetchAll(database, sql: "PRAGMA integrity_check").filter { $0 != "ok" }
        + Row.fetchAll(database, sql: "PRAGMA foreign_key_check").map(\.description)
    }
  }

  /// Everything in the one file, which nobody has open.
  private static func checkpoint(_ folder: WorkFolder) throws {
    try database(folder).writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
  }

  /// These bytes as the database, in the same file, with nothing beside it that belongs to others.
  private static func replace(_ folder: WorkFolder, with bytes: Data) throws {
    for name in ["state/directory.db-wal", "state/directory.db-shm"] where folder.has(name) {
      try FileManager.default.removeItem(atPath: folder[name])
    }
    try bytes.write(to: URL(filePath: folder["state/directory.db"]))
  }

  private static func bytes(_ folder: WorkFolder) throws -> Data {
    try Data(contentsOf: URL(filePath: folder["state/directory.db"]))
  }

  private static func noise(_ count: Int) -> Data { Data((0..<count).map { _ in UInt8.random(in: 0...255) }) }

  private static func missing(_ words: String..., of program: Program, sourceLocation: SourceLocation = #_sourceLocation)
    async throws
  {
    let outcome = try await program.run(["lookup"] + words)
    #expect(
      outcome.status == 2 && (outcome.output + outcome.errors).contains("WSASERVICE_NOT_FOUND"), "\(words): \(outcome)",
      sourceLocation: sourceLocation)
  }

  private static func isMissingSoon(_ name: String, _ host: Host) async throws {
    try await eventually("\(name) is gone") {
      let outcome = try await host.nsphost.run("lookup", name)
      return outcome.status == 2 && (outcome.output + outcome.errors).contains("WSASERVICE_NOT_FOUND")
    }
  }

  /// It is loaded and can answer nothing, which shows before it is asked.
  private static func isFailing(_ reason: String, _ host: Host, sourceLocation: SourceLocation = #_sourceLocation)
    async throws
  {
    try await host.nsphost.expect(2, of: "providers", "--exists", "directory", sourceLocation: sourceLocation)
    let inspected = try await host.nsphost.run("inspect", "directory").output
    let state = inspected.range(of: "state: failing")
    #expect(state.map { inspected[$0.upperBound...].contains(reason) } == true, "\(inspected)", sourceLocation: sourceLocation)
    let listed = try await host.nsphost.document(Providers.self, "providers").directory
    #expect(
      listed?.state == "failing" && listed?.reason?.contains(reason) == true, "\(String(describing: listed))",
      sourceLocation: sourceLocation)
  }

  /// Holds a name for a session, until the body ends or has killed its process.
  private static func holding<Value: Sendable>(
    _ name: String, of host: Host, _ body: @Sendable (Int32) async throws -> Value
  ) async throws -> Program.Outcome {
    let said = host.folder[name + ".said"]
    return try await client(of: host).beside("hold", name, printing: said) { process in
      try await eventually("\(name) is held") { host.folder.text(of: name + ".said").contains("held") }
      try await host.nsphost.expect(lines: ["192.0.2.1:80  \(name)"], of: "lookup", name)
      return try await body(process)
    }.outcome
  }

  @Test(
    "NSP-085 to NSP-089 NSP-189 NSP-199 all that a client can say of it, and how it is enumerated", arguments: Isolation.allCases)
  func statements(_ isolation: Isolation) async throws {
    struct Sessions: Decodable {
      struct Ledger: Decodable { var startups: Int }
      var ledger: Ledger
    }
    try await Self.serve(isolation) { host in
      let client = try await Self.client(of: host)
      try await client.expect(0, of: "statements")
      let left = try Self.texts(host.folder, "SELECT written_name FROM instance UNION ALL SELECT instance FROM address")
      #expect(left.isEmpty, "nothing of all that is left")
      try await client.expect(0, of: "enumerated")

      let before = try await host.nsphost.document(Sessions.self, "sessions").ledger.startups
      try await client.expect(0, of: "enumerated")
      // The client's; the two commands ask no provider.
      let after = try await host.nsphost.document(Sessions.self, "sessions").ledger.startups
      #expect(after - before == 1, "one session for all its name spaces")

      let explained = try await host.nsphost.run("lookup", "everywhere", "--explain")
      let asked = (explained.output + explained.errors).split(separator: "\n").filter {
        $0.firstMatch(of: /^ *[0-9]* *directory +asked\s/) != nil
      }
      #expect(asked.count == 1, "one question for a query: \(explained)")
    }
  }

  @Test("the command registers and finds: contexts, versions, containers, addresses, ports", arguments: Isolation.allCases)
  func commands(_ isolation: Isolation) async throws {
    let printers = ["10.0.0.7:631       printer", "[2001:db8::7]:631  printer"]
    let folder = try await Self.serve(isolation) { host in
      let nsphost = host.nsphost
      try await nsphost.expect(
        0,
        of: "register", "printer", "--address", "10.0.0.7:631", "--address", "[2001:db8::7]:631", "--service", "\\Floor\\Two",
        "--service-version", "3", "--comment", "warm")
      try await nsphost.expect(lines: printers, of: "lookup", "PRINTER", "--service", "floor\\two", "--at-least", "2")
      try await Self.missing("printer", of: nsphost)
      try await Self.missing("printer", "--service", "floor\\two", "--service-version", "2", of: nsphost)
      try await nsphost.expect(lines: printers, of: "lookup", "p?int*", "--flags", "return-name,return-addr,LUP_DEEP")
      try await nsphost.expect(lines: ["-  Floor"], of: "lookup", "*", "--flags", "return-name,LUP_CONTAINERS")
      try await nsphost.expect(
        lines: ["-  Floor", "-  Two"], of: "lookup", "*", "--flags", "return-name,LUP_CONTAINERS,LUP_DEEP")
      try await Self.zones(nsphost)
      try await Self.writtenAddresses(nsphost)
      try await Self.ports(nsphost)
      try await nsphost.expect(0, of: "register", "brief-before", "--expires", "1")
      return host.folder
    }
    // Its second is over before the next host starts.
    try await Task.sleep(for: .seconds(1))
    try await Self.serve(isolation, in: folder) { host in
      try await Self.missing("brief-before", of: host.nsphost)
      #expect(try Self.count(folder, "expires > 0") == 0)
      try await host.nsphost.expect(lines: printers, of: "lookup", "printer", "--service", "floor\\two")
      try await host.nsphost.expect(
        lines: printers, of: "lookup", "10.0.0.7", "--class", "0002a801-0000-0000-c000-000000000046", "--service", "floor\\two")
    }
  }

  /// A zone is taken, kept, printed, and tells addresses apart.
  private static func zones(_ nsphost: Program) async throws {
    struct Found: Decodable {
      struct Record: Decodable { var address: String? }
      var results: [Record]
    }
    let address = "[fe80::7%lo]:631"
    try await nsphost.expect(
      lines: ["registered local6 \(address)", "    directory  done"], of: "register", "local6", "--address", address)
    try await nsphost.expect(lines: ["\(address)  local6"], of: "lookup", "local6")
    let results = try await nsphost.document(Found.self, "lookup", "local6").results
    #expect(results.map(\.address) == [address])
    try await nsphost.expect(64, of: "register", "local6", "--address", "fe80::7%no-such")
    for name in ["fe80::7%lo", "fe80::7"] {
      try await nsphost.expect(lines: ["\(address)  local6"], of: "lookup", name, "--class", "inet-hostaddrbyinetstring")
    }
    let index = try String(contentsOfFile: "/sys/class/net/lo/ifindex", encoding: .utf8)
    let other = try #require(Int(index.trimmingCharacters(in: .whitespacesAndNewlines))) + 999
    try await missing("fe80::7%\(other)", "--class", "inet-hostaddrbyinetstring", of: nsphost)
    try await nsphost.expect(0, of: "unregister", "local6", "--address", address)
  }

  /// An address of IPv4, however it is written.
  private static func writtenAddresses(_ nsphost: Program) async throws {
    try await nsphost.expect(0, of: "register", "four", "--address", "10.0.0.44:1")
    try await nsphost.expect(0, of: "register", "six", "--address", "[::ffff:10.0.0.45]:1")
    for name in ["10.0.0.44", "::ffff:10.0.0.44", "::10.0.0.44"] {
      try await nsphost.expect(lines: ["10.0.0.44:1  four"], of: "lookup", name, "--class", "inet-hostaddrbyinetstring")
    }
    for name in ["10.0.0.45", "::ffff:10.0.0.45"] {
      try await nsphost.expect(lines: ["[::ffff:10.0.0.45]:1  six"], of: "lookup", name, "--class", "inet-hostaddrbyinetstring")
    }
    for name in ["four", "six"] { try await nsphost.expect(0, of: "unregister", name) }
  }

  /// The port of a service, by name or number, of one protocol or any.
  private static func ports(_ nsphost: Program) async throws {
    try await nsphost.expect(0, of: "register", "meters/tcp", "--class", "inet-servicebyname", "--address", "0.0.0.0:7001")
    for name in ["meters/tcp", "METERS", "7001/tcp", "7001"] {
      try await nsphost.expect(lines: ["0.0.0.0:7001  meters"], of: "lookup", name, "--class", "inet-servicebyname")
    }
    for name in ["meters/udp", "meter", "7001/udp", "7002/tcp", "7001/"] {
      let outcome = try await nsphost.run("lookup", name, "--class", "inet-servicebyname")
      #expect(outcome.status != 0, "\(name): \(outcome)")
    }
    try await nsphost.expect(0, of: "unregister", "meters/tcp", "--class", "inet-servicebyname")
  }

  @Test("what expires, and what is registered for a session, is found until then", arguments: Isolation.allCases)
  func lifetimes(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let nsphost = host.nsphost
      try await nsphost.expect(0, of: "register", "brief", "--expires", "15", "--address", "10.0.0.1:1")
      let end = ContinuousClock.now + .seconds(15)
      try await nsphost.expect(lines: ["10.0.0.1:1  brief"], of: "lookup", "brief")
      for seconds in ["1", "600"] {
        try await nsphost.expect(0, of: "register", "lasting", "--expires", seconds, "--address", "10.0.0.1:1")
      }

      try await nsphost.expect(0, of: "register", "gone", "--session", "--address", "10.0.0.1:1")
      try await Self.missing("gone", of: nsphost)
      let killed = try await Self.holding("held-and-killed", of: host) { process in
        kill(process, SIGKILL)
        try await Self.isMissingSoon("held-and-killed", host)
      }
      #expect(killed.status == 128 + SIGKILL)
      try await eventually("it is removed") { try Self.count(host.folder, "name = 'held-and-killed'") == 0 }
      let ended = try await Self.holding("held-and-let-go", of: host) { _ in }
      #expect(ended.status == 0, "\(ended)")
      try await Self.isMissingSoon("held-and-let-go", host)

      // A second host on the same file leaves the sessions of the first alone.
      try await nsphost.expect(0, of: "register", "kept", "--address", "10.0.0.3:3")
      let beside = try await Self.holding("held-beside", of: host) { _ in
        let plugins = host.folder["plugins"]
        try await nsphost.expect(0, of: "lookup", "kept", "--local", "--plugins", plugins)
        try await nsphost.expect(0, of: "register", "x", "--local", "--plugins", plugins)
        try await nsphost.expect(lines: ["192.0.2.1:80  held-beside"], of: "lookup", "held-beside")
        try await nsphost.expect(lines: ["-  x"], of: "lookup", "x")
      }
      #expect(beside.status == 0, "\(beside)")
      for name in ["kept", "x"] { try await nsphost.expect(0, of: "unregister", name) }

      try await Task.sleep(until: end)
      try await Self.isMissingSoon("brief", host)
      try await nsphost.expect(lines: ["10.0.0.1:1  lasting"], of: "lookup", "lasting")
      try await nsphost.expect(0, of: "register", "other", "--address", "10.0.0.1:1")
      #expect(try Self.texts(host.folder, "SELECT written_name FROM instance").sorted() == ["lasting", "other"])
    }
  }

  @Test("the host crashes: what was for a session is gone, what is permanent stays", arguments: Isolation.allCases)
  func crashed(_ isolation: Isolation) async throws {
    let folder = try await Self.serve(isolation, isKilled: true) { host in
      let holder = try await Self.holding("held-at-crash", of: host) { _ in
        try await host.nsphost.expect(0, of: "register", "kept", "--address", "10.0.0.3:3")
        try await host.crash()
      }
      #expect(holder.status == 0, "\(holder)")
      return host.folder
    }
    #expect(try Self.count(folder, "name = 'held-at-crash'") == 1)
    try await Self.serve(isolation, in: folder) { host in
      try await Self.missing("held-at-crash", of: host.nsphost)
      #expect(try Self.count(folder, "name = 'held-at-crash'") == 0)
      try await host.nsphost.expect(lines: ["10.0.0.3:3  kept"], of: "lookup", "kept")
    }
  }

  @Test(
    "what is another's stays as it is; secure lookups see what operators have registered, and one's own",
    .enabled(if: geteuid() == 0, "it takes root"), arguments: Isolation.allCases)
  func others(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let (root, nobody) = (host.nsphost, host.nsphost.asUser(65534))
      try await nobody.expect(0, of: "register", "theirs", "--address", "10.0.0.9:9")
      try await root.expect(0, of: "register", "ours", "--address", "10.0.0.8:8")
      try await nobody.expect(77, "WSAEACCES", of: "register", "ours", "--address", "10.0.0.9:9")
      try await nobody.expect(77, "WSAEACCES", of: "unregister", "ours")
      try await nobody.expect(77, "WSAEACCES", of: "unregister", "ours", "--address", "10.0.0.8:8")
      try await nobody.expect(lines: ["10.0.0.8:8  ours"], of: "lookup", "OURS")

      let flags = "return-name,return-addr,LUP_SECURE"
      try await Self.missing("theirs", "--flags", flags, of: root)
      try await nobody.expect(lines: ["10.0.0.9:9  theirs"], of: "lookup", "theirs", "--flags", flags)
      try await nobody.expect(lines: ["10.0.0.8:8  ours"], of: "lookup", "ours", "--flags", flags)
      try await Self.missing("theirs", of: root)
      try await root.expect(lines: ["10.0.0.9:9  theirs"], of: "lookup", "theirs", "--all-owners")
      // An operator takes over what it registers.
      try await root.expect(0, of: "register", "theirs", "--address", "10.0.0.4:4")
      try await root.expect(lines: ["10.0.0.4:4  theirs"], of: "lookup", "theirs", "--flags", flags)
      try await nobody.expect(77, "WSAEACCES", of: "unregister", "theirs")
    }
  }

  @Test(
    "a user has so many instances and no more", .enabled(if: geteuid() == 0, "it takes root"), arguments: Isolation.allCases)
  func quota(_ isolation: Isolation) async throws {
    try await Self.serve(isolation, settings: "per-user = 3\nblob-bytes = 16\n") { host in
      let nobody = host.nsphost.asUser(65534)
      for name in ["many1", "many2", "many3"] {
        try await nobody.expect(0, of: "register", name, "--address", "10.0.0.9:9")
      }
      try await nobody.expect(1, "WSAENOBUFS", of: "register", "many4", "--address", "10.0.0.9:9")
      try await nobody.expect(0, of: "register", "many3", "--address", "10.0.0.9:8")
      try await nobody.expect(0, of: "unregister", "many1")
      try await nobody.expect(0, of: "register", "many4", "--address", "10.0.0.9:9")
      try await host.nsphost.expect(0, of: "register", "many5", "--address", "10.0.0.9:9")
    }
  }

  @Test("a setting that can't be is said", arguments: Isolation.allCases)
  func unusableSetting(_ isolation: Isolation) async throws {
    try await Self.serve(isolation, settings: "per-user = -1\n") { host in
      try await host.nsphost.expect(1, "WSAEPROVIDERFAILEDINIT", of: "register", "a")
      try await host.writes("per-user is -1: write a number")
    }
  }

  @Test(
    "killed during registrations, three times: what was answered is there, and the file is sound", arguments: Isolation.allCases)
  func streams(_ isolation: Isolation) async throws {
    let folder = try WorkFolder()
    for (name, most) in [("first", 5), ("second", 50), ("third", 100)] {
      let streams = ["\(name)-a", "\(name)-b"]
      try await Self.serve(isolation, in: folder, isKilled: true) { host in
        let client = try await Self.client(of: host)
        _ = try await client.beside("stream", streams[0], printing: folder[streams[0]]) { _ in
          try await client.beside("stream", streams[1], printing: folder[streams[1]]) { _ in
            try await eventually("\(name): so many are registered") {
              streams.allSatisfy { folder.text(of: $0).split(separator: "\n").count > ($0 == streams[0] ? most : 0) }
            }
            try await host.crash()
          }.outcome
        }
      }
      try await Self.serve(isolation, in: folder) { host in
        let client = try await Self.client(of: host)
        for stream in streams {
          let done = try #require(folder.text(of: stream).split(separator: "\n").last.flatMap { Int($0) }, "\(stream)")
          let counted = try await client.run("count", stream + "*")
          let count = Int(counted.output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
          #expect(counted.status == 0 && count >= done && done > 0, "\(stream): \(done) answered, \(counted)")
          try await host.nsphost.expect(
            lines: ["192.0.2.\(done % 200 + 1):80  \(stream)\(done)"], of: "lookup", "\(stream)\(done)")
        }
      }
      let faults = try Self.faults(folder)
      #expect(faults.isEmpty, "\(name)")
    }
  }

  /// Microseconds, by the host's own clock: the middle one of 500 lookups.
  private static func median(_ name: String, _ client: Program, _ host: Host) async throws -> Int {
    @Sendable func times() -> [Int] {
      let lines = host.log.split(separator: "\n")
      return lines.indices.filter { lines[$0].contains("lookup of \(name),") }.flatMap { index in
        lines[index..<min(index + 2, lines.endIndex)].compactMap { line in
          line.firstMatch(of: /records, ([0-9.e-]+)/).flatMap { Double($0.1) }.map { Int($0 * 1e6) }
        }
      }
    }
    try await client.expect(0, of: "time", name, "500")
    try await eventually("the host has written how long they took") { times().count >= 500 }
    return times().sorted()[249]
  }

  @Test("100,000 instances: a lookup takes as long as among few, listings are in order, and damage deep inside is found")
  func large() async throws {
    let (folder, few) = try await Self.serve(.inProcess, options: ["--log", "debug"]) { host in
      try await host.nsphost.expect(0, of: "register", "kept", "--address", "10.0.0.3:3")
      try await host.nsphost.expect(0, of: "register", "among-few", "--address", "192.0.2.7:80")
      return (host.folder, try await Self.median("among-few", Self.client(of: host), host))
    }
    try Self.change(folder) { database in
      let instance = try database.makeStatement(
        sql: """
          INSERT INTO instance (context, name, class, space, written_context, written_name, is_registered, protocols,
            owner, is_trusted, registered, size) VALUES ('\\', ?, '', 0, '\\', ?, 1, '', 0, 1, 0, 200)
          """)
      let address = try database.makeStatement(sql: "INSERT INTO address VALUES (?, 0, x'', ?, 1, 6, ?)")
      for number in 0..<100_000 {
        let digits = String(number)
        let name = "n" + String(repeating: "0", count: 6 - digits.count) + digits
        try instance.execute(arguments: [name, name])
        let host = Data([10, UInt8(number >> 16), UInt8(number >> 8 & 255), UInt8(number & 255)])
        try address.execute(arguments: [database.lastInsertedRowID, Data([2, 0, 0, 80]) + host + Data(count: 8), host])
      }
    }
    try await Self.serve(.inProcess, options: ["--log", "debug"], in: folder) { host in
      let client = try await Self.client(of: host)
      try await host.nsphost.expect(lines: ["10.1.134.159:80  n099999"], of: "lookup", "N099999")
      try await client.expect(lines: ["10000"], of: "count", "n01*")
      let many = try await Self.median("n077777", client, host)
      #expect(many > 0 && many < 10 * few, "\(few) us among few, \(many) us among many")
      for _ in 0..<20 { try await client.expect(lines: ["100"], of: "some", "*7*", "100") }
      // Listings that are given up end.
      try await host.settles()
    }
    try Self.checkpoint(folder)
    try Self.replace(folder, with: Self.bytes(folder).dropLast(4096) + Self.noise(4096))
    try await Self.serve(.inProcess, in: folder) { host in
      try await host.nsphost.run("lookup", "kept")
      try await host.writes("move it away, with its")
      try await host.nsphost.expect(1, "WSA", of: "register", "a")
    }
  }

  /// Open descriptors, and kilobytes of memory.
  private static func holds(_ process: Int32) throws -> (descriptors: Int, memory: Int) {
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let resident = try #require(status.firstMatch(of: /VmRSS:\s*([0-9]+)/).flatMap { Int($0.1) })
    return (try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count, resident)
  }

  @Test(
    "four threads register, list and remove at once: what they left ends with them, neither descriptors nor memory grow",
    arguments: Isolation.allCases)
  func busy(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let client = try await Self.client(of: host)
      try await client.expect(0, of: "rounds", "60")
      try await eventually("nothing of a session is left") { try Self.count(host.folder, "run IS NOT NULL") == 0 }
      let process = isolation == .inProcess ? host.processID : try #require(try await host.workers.first)
      try await client.expect(0, of: "rounds", "20")
      let before = try Self.holds(process)
      for _ in 0..<3 { try await client.expect(0, of: "rounds", "30") }
      try await host.settles()
      let after = try Self.holds(process)
      #expect(after.descriptors - before.descriptors < 8 && after.memory - before.memory < 30000, "\(before), then \(after)")
    }
  }

  @Test("a file that was moved away is missed, not made anew; back in its place it goes on", arguments: Isolation.allCases)
  func moved(_ isolation: Isolation) async throws {
    try await Self.serve(isolation) { host in
      let (file, away) = (host.folder["state/directory.db"], host.folder["moved"])
      try await host.nsphost.expect(0, of: "register", "early", "--address", "10.0.0.5:5")
      try FileManager.default.moveItem(atPath: file, toPath: away)
      try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "register", "late", "--address", "10.0.0.5:5")
      try await host.writes("moved away or replaced: start the host again")
      #expect(!host.folder.has("state/directory.db"))
      try FileManager.default.moveItem(atPath: away, toPath: file)
      try await host.nsphost.expect(0, of: "register", "late", "--address", "10.0.0.5:5")
    }
  }

  /// The folder of a host that has ended, with `early` in a database of one file.
  private static func early(_ isolation: Isolation) async throws -> WorkFolder {
    let folder = try await serve(isolation) { host in
      try await host.nsphost.expect(0, of: "register", "early", "--address", "10.0.0.5:5")
      return host.folder
    }
    try checkpoint(folder)
    return folder
  }

  private static func findsEarly(_ isolation: Isolation, in folder: WorkFolder) async throws {
    try await serve(isolation, in: folder) { host in
      try await host.nsphost.expect(lines: ["10.0.0.5:5  early"], of: "lookup", "early")
    }
  }

  @Test("a damaged file is refused, said, and left as it is; a whole one in its place is used", arguments: Isolation.allCases)
  func damaged(_ isolation: Isolation) async throws {
    let folder = try await Self.early(isolation)
    let whole = try Self.bytes(folder)
    // The beginning, then everything behind the first two pages.
    let text = Data("not a database at all".utf8)
    let headless = text + whole.dropFirst(text.count)
    try Self.replace(folder, with: headless)
    try await Self.serve(isolation, in: folder) { host in
      try await host.nsphost.expect(1, "WSAEPROVIDERFAILEDINIT", of: "register", "a", "--address", "10.0.0.5:5")
      try await host.writes("file is not a database: move it away")
      #expect(try Self.bytes(folder) == headless, "it is left as it is")
      try whole.write(to: URL(filePath: folder["state/directory.db"]))
      try await eventually("it is used again") {
        try await host.nsphost.run("lookup", "early").output == "10.0.0.5:5  early\n"
      }
    }
    let hollow = whole.prefix(8192) + Self.noise(whole.count - 8192)
    try Self.replace(folder, with: hollow)
    try await Self.serve(isolation, in: folder) { host in
      try await Self.isFailing("move it away, with its", host)
      try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "early")
      try await host.writes("move it away, with its")
      try await host.nsphost.expect(1, "WSAEPROVIDERFAILEDINIT", of: "register", "a", "--address", "10.0.0.5:5")
      #expect(try Self.bytes(folder) == hollow, "it is left as it is")
    }
    try Self.replace(folder, with: whole)
    try await Self.findsEarly(isolation, in: folder)
  }

  @Test("a file of a later version is refused; a whole one in its place is used", arguments: Isolation.allCases)
  func newer(_ isolation: Isolation) async throws {
    let folder = try await Self.early(isolation)
    let whole = try Self.bytes(folder)
    try Self.change(folder) { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES (9)") }
    try await Self.serve(isolation, in: folder) { host in
      try await Self.isFailing("a later version of nsphost has made it", host)
      try await host.nsphost.expect(1, "WSATRY_AGAIN", of: "lookup", "early")
      try await host.writes("a later version of nsphost has made it: use that version")
    }
    try Self.replace(folder, with: whole)
    try await Self.findsEarly(isolation, in: folder)
  }

  @Test("nobody else reads the file; without one it starts empty", arguments: Isolation.allCases)
  func closed(_ isolation: Isolation) async throws {
    let folder = try await Self.early(isolation)
    try FileManager.default.removeItem(atPath: folder["state"])
    try await Self.serve(isolation, in: folder) { host in
      try await host.nsphost.expect(0, of: "register", "a")
      let attributes = try FileManager.default.attributesOfItem(atPath: host.folder["state/directory.db"])
      #expect(attributes[.posixPermissions] as? Int == 0o600)
      try await Self.missing("early", of: host.nsphost)
    }
  }
}
