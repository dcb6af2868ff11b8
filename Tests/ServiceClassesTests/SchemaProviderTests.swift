import CWinsock
import Dispatch
import Foundation
import QuerySets
import ServiceClasses
import Testing

/// The schema provider, and what it keeps.
@Suite struct SchemaProviderTests {
  /// A directory of its own, gone with the test.
  private final class Place {
    let path = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString)"
    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  private static let typed = ServiceClass(
    id: GUID("77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a1")!, name: "Zähler 😀",
    entries: [
      .init(name: "TcpPort", nameSpace: .dns, dword: .max),
      .init(name: "Text", nameSpace: .all, type: .string, value: [0x3D, 0xD8, 0, 0xDE, 0, 0]),
      .init(name: "Texts", nameSpace: .all, type: .strings, value: [0x61, 0, 0, 0, 0x62, 0, 0, 0, 0, 0]),
      .init(name: "Path", nameSpace: .hosts, type: .expandString, value: [0x25, 0, 0, 0]),
      .init(name: "Bytes", nameSpace: NameSpace(rawValue: .max), type: .binary, value: Array(0...255)),
      .init(name: "Long", nameSpace: .all, type: .qword, value: [1, 2, 3, 4, 5, 6, 7, 8]),
      .init(name: "Odd", nameSpace: .all, type: .init(rawValue: .max), value: [0]),
      .init(name: "None", nameSpace: .all, type: .none, value: []),
      .init(name: "", nameSpace: .all, type: .binary, value: [7]),
      .init(name: "TcpPort", nameSpace: .sap, dword: 0),
    ])

  @Test("NSP-115 every typed value comes back byte for byte, also from another provider of the same directory")
  func roundTrip() throws {
    let place = Place()
    let schema = SchemaProvider(directory: place.path)
    try schema.install(Self.typed)
    schema.settle(Self.typed.id, isInstalled: true)
    #expect(schema.serviceClass(Self.typed.id) == Self.typed)
    #expect(SchemaProvider(directory: place.path).serviceClass(Self.typed.id) == Self.typed)
    #expect(SchemaProvider(directory: place.path).installed == [Self.typed])
    #expect(schema.classes(named: "ZÄHLER 😀") == [] && schema.classes(named: "zähler 😀") == [Self.typed])
  }

  @Test("what one host installs or removes the others see at once")
  func sharing() throws {
    let place = Place()
    let (one, other) = (SchemaProvider(directory: place.path), SchemaProvider(directory: place.path))
    one.prepare()
    for _ in 0..<100 {
      #expect(other.serviceClass(Self.typed.id) == nil)
      try one.install(Self.typed)
      #expect(other.serviceClass(Self.typed.id) == Self.typed)
      #expect(throws: WinsockError.alreadyInProgress) { try other.install(Self.typed) }
      one.settle(Self.typed.id, isInstalled: true)
      try other.remove(Self.typed.id)
      #expect(one.serviceClass(Self.typed.id) == nil)
      other.settle(Self.typed.id, isInstalled: false)
    }
  }

  @Test("NSP-116 of many that install one id at once exactly one does")
  func race() {
    let place = Place()
    let schemas = [SchemaProvider(directory: place.path), SchemaProvider(directory: place.path), SchemaProvider()]
    for schema in schemas { schema.prepare() }
    let (shared, alone) = (Counter(), Counter())
    DispatchQueue.concurrentPerform(iterations: 48) { index in
      do throws(WinsockError) {
        try schemas[index % 3].install(ServiceClass(id: Self.typed.id, name: "from \(index)"))
        (index % 3 == 2 ? alone : shared).add()
      } catch { #expect(error == .alreadyInProgress) }
    }
    #expect(shared.count == 1 && alone.count == 1)
  }

  private final class Counter: @unchecked Sendable {
    // Unchecked: under the lock alone.
    private let lock = NSLock()
    private var value = 0
    func add() { lock.withLock { value += 1 } }
    var count: Int { lock.withLock { value } }
  }

  @Test("what was begun and not settled is known to the next host: installed ones are there, removed ones are not")
  func unfinished() throws {
    let place = Place()
    let plain = ServiceClass(id: GUID("77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a2")!, name: "plain")
    let schema = SchemaProvider(directory: place.path)
    for new in [Self.typed, plain] { try schema.install(new) }
    schema.settle(plain.id, isInstalled: true)
    try schema.remove(plain.id)
    let next = SchemaProvider(directory: place.path)
    #expect(next.unfinished.map(\.isInstalled) == [true, false] && next.unfinished.map(\.serviceClass) == [Self.typed, plain])
    #expect(next.installed == [Self.typed] && next.serviceClass(plain.id) == nil)
    // Settled as what it is not: nothing happens.
    next.settle(plain.id, isInstalled: true)
    next.settle(Self.typed.id, isInstalled: false)
    #expect(next.unfinished.count == 2)
    next.settle(plain.id, isInstalled: false)
    next.settle(Self.typed.id, isInstalled: true)
    #expect(next.unfinished.isEmpty && next.installed == [Self.typed])
    try next.install(plain)
  }

  @Test("files that were taken away under it are missed: what is installed then is kept in new ones")
  func removedFiles() throws {
    let place = Place()
    let schema = SchemaProvider(directory: place.path)
    try schema.install(Self.typed)
    try FileManager.default.removeItem(atPath: place.path)
    #expect(!schema.isInstalled(Self.typed.id) && schema.installed.isEmpty)
    try schema.install(Self.typed)
    #expect(SchemaProvider(directory: place.path).serviceClass(Self.typed.id) == Self.typed)
    #expect(schema.serviceClass(Self.typed.id) == Self.typed)
  }

  @Test("nobody but its owner can open the database, whatever it was before")
  func modes() throws {
    let place = Place()
    try FileManager.default.createDirectory(atPath: place.path, withIntermediateDirectories: true)
    _ = FileManager.default.createFile(atPath: place.path + "/schema.db", contents: nil, attributes: [.posixPermissions: 0o666])
    let schema = SchemaProvider(directory: place.path)
    try schema.install(Self.typed)
    for file in try FileManager.default.contentsOfDirectory(atPath: place.path) {
      let mode = try FileManager.default.attributesOfItem(atPath: place.path + "/" + file)[.posixPermissions] as? Int
      #expect(mode == 0o600, "\(file)")
    }
    #expect(schema.serviceClass(Self.typed.id) == Self.typed)
  }

  @Test("nothing is made where nothing is kept")
  func reading() throws {
    let place = Place()
    let schema = SchemaProvider(directory: place.path)
    #expect(schema.installed.isEmpty && schema.serviceClass(Self.typed.id) == nil && schema.unfinished.isEmpty)
    #expect(throws: WinsockError.typeNotFound) { try schema.remove(Self.typed.id) }
    #expect(!FileManager.default.fileExists(atPath: place.path) && schema.defect == nil)
  }

  @Test("a damaged database, or a directory that is none, costs what was installed, and says why")
  func damage() throws {
    let place = Place()
    try FileManager.default.createDirectory(atPath: place.path, withIntermediateDirectories: true)
    try Data("this is no database, and long enough to be looked at as one".utf8).write(
      to: URL(filePath: place.path + "/schema.db"))
    for directory in [place.path, place.path + "/schema.db/x"] {
      let schema = SchemaProvider(directory: directory)
      schema.prepare()
      #expect(schema.defect?.detail.hasPrefix(directory + "/schema.db: ") == true && schema.defect?.remedy.isEmpty == false)
      #expect(throws: WinsockError.systemCallFailure) { try schema.install(Self.typed) }
      #expect(schema.serviceClass(GUID("00090050-0000-0000-c000-000000000046")!)?.entries.count == 2)
    }
  }

  /// Changes the database of a place behind the provider's back.
  private func change(_ place: Place, _ statement: String) throws {
    let sqlite = Process()
    sqlite.executableURL = URL(filePath: "/usr/bin/env")
    let script =
      "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); c.execute('PRAGMA wal_checkpoint(TRUNCATE)')"
    sqlite.arguments = ["python3", "-c", script, place.path + "/schema.db", statement]
    try sqlite.run()
    sqlite.waitUntilExit()
    #expect(sqlite.terminationStatus == 0)
  }

  @Test("a database of a later version is refused before anything is written to it, and costs what was installed")
  func laterVersion() throws {
    let place = Place()
    do {
      let schema = SchemaProvider(directory: place.path)
      try schema.install(Self.typed)
      schema.settle(Self.typed.id, isInstalled: true)
    }
    try change(place, "INSERT INTO grdb_migrations VALUES ('9')")
    let before = try Data(contentsOf: URL(filePath: place.path + "/schema.db"))
    let schema = SchemaProvider(directory: place.path)
    schema.prepare()
    #expect(schema.defect?.detail == place.path + "/schema.db: a later version of nsphost has made it")
    #expect(schema.defect?.remedy.hasPrefix("use that version, or move it away") == true)
    #expect(throws: WinsockError.systemCallFailure) { try schema.install(Self.typed) }
    #expect(schema.serviceClass(Self.typed.id) == nil && schema.installed.isEmpty)
    #expect(try Data(contentsOf: URL(filePath: place.path + "/schema.db")) == before)
    try change(place, "DELETE FROM grdb_migrations WHERE identifier = '9'")
    let next = SchemaProvider(directory: place.path)
    next.prepare()
    #expect(next.defect == nil && next.serviceClass(Self.typed.id) == Self.typed)
  }

  @Test("a class in the database that nobody can have installed is damage, not a class")
  func damagedClass() throws {
    for statement in [
      "UPDATE value SET type = -1", "UPDATE value SET value = x'00' WHERE type = 4", "UPDATE class SET id = 'x'",
      "UPDATE value SET namespace = 1 << 40",
      "UPDATE value SET value = zeroblob(600000) WHERE type = 3",
    ] {
      let place = Place()
      let schema = SchemaProvider(directory: place.path)
      try schema.install(Self.typed)
      let sqlite = Process()
      sqlite.executableURL = URL(filePath: "/usr/bin/env")
      let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
      sqlite.arguments = ["python3", "-c", script, place.path + "/schema.db", statement]
      try sqlite.run()
      sqlite.waitUntilExit()
      #expect(sqlite.terminationStatus == 0)
      let next = SchemaProvider(directory: place.path)
      #expect(next.serviceClass(Self.typed.id) == nil && next.installed.isEmpty, "\(statement)")
      #expect(next.defect?.remedy == "move it away, and install the classes again", "\(statement)")
    }
  }

  // MARK: Well-known classes

  private func id(_ text: String) -> GUID { GUID(text + "-c000-000000000046")! }

  @Test("NSP-124 NSP-125 ports, NetWare numbers and record types are classes without being installed")
  func wellKnown() throws {
    let schema = SchemaProvider(
      services: Services(text: "# x\nhttp 80/tcp www\nworld 80/tcp\nntp\t123/udp\nodd 5 6\n\nssh 22/tcp"))
    let http = try #require(schema.serviceClass(id("00090050-0000-0000")))
    #expect(http.name == "http")
    #expect(
      http.entries == [
        .init(name: "TcpPort", nameSpace: .dns, dword: 80), .init(name: "ConnectionOriented", nameSpace: .dns, dword: 1),
      ])
    #expect(schema.serviceClass(id("0009ffff-0000-0000"))?.name == "65535/tcp")
    #expect(schema.serviceClass(id("000a0000-0000-0000"))?.name == "0/udp")
    let ntp = try #require(schema.serviceClass(id("000a007b-0000-0000")))
    #expect(ntp.name == "ntp" && ntp.entries.map(\.reading) == [.number(123), .number(0)])
    let fileServer = try #require(schema.serviceClass(id("000b0004-0000-0000")))
    #expect(fileServer.entries == [.init(name: "SapId", nameSpace: .sap, dword: 4)])
    #expect(schema.serviceClass(id("000b00c8-0000-0000"))?.name == "sap/200")
    #expect(schema.serviceClass(id("00090035-0000-001c"))?.name == "dns/aaaa")
    #expect(schema.serviceClass(id("00090035-0000-0101"))?.name == "dns/257")
    #expect(schema.serviceClass(id("00090016-0000-0007"))?.name == "ssh/7")
    #expect(schema.serviceClass(id("0002a800-0000-0000"))?.name == "hostname")
    #expect(schema.serviceClass(id("0002a803-0000-0000"))?.name == "inet-hostaddrbyname")
    for strange in ["0002a804-0000-0000", "000b0004-0000-0001", "00090050-0001-0000", "000c0050-0000-0000", "0002a800-0000-0001"]
    {
      #expect(schema.serviceClass(id(strange)) == nil, "\(strange)")
    }
    #expect(schema.serviceClass(GUID("00090050-0000-0000-c000-000000000047")!) == nil)
    let names = schema.preallocated.map(\.name)
    #expect(names.contains("http") && names.contains("ntp") && names.contains("dns/srv") && names.contains("hostname"))
    #expect(Set(schema.preallocated.map(\.id)).count == names.count)
    #expect(schema.classes(named: "HTTP").map(\.id) == [http.id])
    #expect(schema.classes(named: "http/TCP") == [http] && schema.classes(named: "80/tcp") == [http])
    #expect(schema.classes(named: "123/udp") == [ntp] && schema.classes(named: "ntp/udp") == [ntp])
    #expect(schema.classes(named: "nosuch/tcp").isEmpty && schema.classes(named: "70000/tcp").isEmpty)
  }

  @Test("an installed class hides the well-known one of its id, until it is removed")
  func overriding() throws {
    let schema = SchemaProvider(services: Services(text: "http 80/tcp"))
    let own = ServiceClass(id: id("00090050-0000-0000"), name: "web")
    try schema.install(own)
    #expect(schema.serviceClass(own.id) == own && schema.classes(named: "http").isEmpty)
    #expect(!schema.preallocated.contains { $0.id == own.id } && schema.installed == [own])
    try schema.remove(own.id)
    schema.settle(own.id, isInstalled: false)
    #expect(schema.serviceClass(own.id)?.name == "http" && schema.classes(named: "web").isEmpty)
    #expect(throws: WinsockError.typeNotFound) { try schema.remove(own.id) }
  }
}
