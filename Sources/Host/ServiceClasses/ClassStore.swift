import CWinsock
import Foundation
import GRDB
import Glibc
import Ownership
import QuerySets
import Rundown

/// The classes that were installed, in a database (`schema.db`) or, without a directory, in memory. A class is there with all its values
/// or not at all, whenever its host is killed.
///
/// Several processes may use one directory. Any thread may call.
final class ClassStore: Sendable {
  /// Why classes can't be kept or read.
  struct Defect: Error, Sendable, Equatable {
    var detail: String
    var remedy: String
  }

  /// What has begun to be told to providers, and was not seen to end.
  enum Change: Int, Sendable {
    case installing = 1
    case removing = 2
  }

  private let database: DatabaseQueue
  /// Another connection where there is a file: who reads does not wait for who writes.
  private let reader: DatabaseQueue
  private let path: String
  /// A file that has one byte more after each change: a look at its size tells whether somebody, in any process, has changed something,
  /// which is far cheaper than to ask the database. -1 in memory.
  private let changes: Int32
  /// Which file the database is, to know it again.
  private let identity: [UInt64]

  /// - Parameter directory: Made where it is missing. Nil: kept in memory.
  init(directory: String?) throws(Defect) {
    path = directory.map { $0 + "/schema.db" } ?? "classes in memory"
    var configuration = GRDB.Configuration()
    configuration.label = "schema"
    configuration.journalMode = .wal
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { database in
      // Whatever the file says, it runs no code of its own.
      try database.execute(sql: "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
    }
    var changes: Int32 = -1
    do {
      if let directory {
        let folder = try OwnFolder(directory, creating: 0o755)
        // The database's other files are made with the mode of this one: whoever can open them can hold everybody up.
        _ = try folder.own("schema.db")
        _ = try folder.own("schema.changes")
        changes = try folder.open("schema.changes", O_RDWR | O_APPEND)
        // Any other size will do.
        var status = stat()
        if fstat(changes, &status) == 0, status.st_size > 1 << 20 { ftruncate(changes, 0) }
        try Self.inspect(path, configuration)
        database = try DatabaseQueue(path: path, configuration: configuration)
        try Self.refuseLater(path, database)
      } else {
        database = try DatabaseQueue(configuration: configuration)
      }
      try Self.migrator.migrate(database)
      // What was said to be kept is kept, also when the machine loses power.
      try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
      if directory == nil {
        reader = database
      } else {
        configuration.readonly = true
        reader = try DatabaseQueue(path: path, configuration: configuration)
      }
    } catch {
      if changes >= 0 { close(changes) }
      throw Self.defect(path, error)
    }
    self.changes = changes
    identity = Self.identity(of: path)
  }

  private static func identity(of path: String) -> [UInt64] {
    var status = stat()
    return stat(path, &status) == 0 ? [UInt64(status.st_dev), UInt64(status.st_ino)] : []
  }

  /// Whether what it has open is still what its directory has: otherwise nobody would find what is kept.
  var isInPlace: Bool { changes < 0 || Self.identity(of: path) == identity }

  deinit { if changes >= 0 { close(changes) } }

  private static let migrator: DatabaseMigrator = {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1") { database in
      try database.execute(
        sql: """
          CREATE TABLE class (
            id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, change INTEGER NOT NULL
          ) STRICT, WITHOUT ROWID;
          CREATE TABLE value (
            class TEXT NOT NULL REFERENCES class (id) ON DELETE CASCADE, place INTEGER NOT NULL, name TEXT NOT NULL,
            namespace INTEGER NOT NULL, type INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (class, place)
          ) STRICT, WITHOUT ROWID;
          CREATE INDEX class_by_name ON class (name COLLATE NOCASE);
          CREATE INDEX class_by_change ON class (change) WHERE change <> 0;
          """)
    }
    return migrator
  }()

  /// Connections that are closed. When their queues are let go of, libdispatch starts its threads, which wake the process each second.
  private static let closed = Locked<[DatabaseQueue]>([])

  /// Looks at a file before anything is written to it.
  private static func inspect(_ path: String, _ configuration: GRDB.Configuration) throws {
    var configuration = configuration
    configuration.readonly = true
    configuration.journalMode = .default
    do {
      let database = try DatabaseQueue(path: path, configuration: configuration)
      defer {
        try? database.close()
        closed.withLock { $0.append(database) }
      }
      try refuseLater(path, database)
    } catch let error as DatabaseError where [.SQLITE_READONLY, .SQLITE_CANTOPEN].contains(error.resultCode) {
      // A host was killed while it made or changed the file: only who may write finds out what is in it.
    }
  }

  private static func refuseLater(_ path: String, _ database: DatabaseQueue) throws {
    guard try database.read({ try migrator.hasBeenSuperseded($0) }) else { return }
    throw Defect(
      detail: "\(path): a later version of nsphost has made it",
      remedy: "use that version, or move it away to start without installed classes")
  }

  private static func defect(_ path: String, _ error: any Error) -> Defect {
    if let defect = error as? Defect { return defect }
    if let objection = error as? Objection { return Defect(detail: "\(path): \(objection.detail)", remedy: objection.remedy) }
    let remedy =
      switch (error as? DatabaseError)?.resultCode {
      case .SQLITE_CORRUPT?, .SQLITE_NOTADB?: "move it away, and install the classes again"
      case .SQLITE_FULL?: "make room there"
      case .SQLITE_BUSY?: "see which process keeps it"
      default: "see that the host can write its folder, or set STATE_DIRECTORY"
      }
    let why = (error as? DatabaseError)?.message ?? error.localizedDescription
    return Defect(detail: "\(path): \(why)", remedy: remedy)
  }

  // MARK: Reading

  /// Another number after each change, by whatever process.
  var generation: Int {
    guard changes >= 0 else { return memoryGeneration.withLock { $0 } }
    var status = stat()
    // Of a file that was taken away, what was found before means nothing.
    return fstat(changes, &status) == 0 && status.st_nlink > 0 ? Int(status.st_size) : Int.random(in: .min..<0)
  }

  private let memoryGeneration = Locked<Int>(0)

  /// The class of an id, with its values in their order; nil where none was installed.
  func serviceClass(_ id: GUID) throws(Defect) -> ServiceClass? {
    // One statement sees one state of the database: it needs no transaction.
    do { return try reader.unsafeRead { try Self.fetch($0, id) } } catch { throw Self.defect(path, error) }
  }

  /// Those of a name, whatever its case.
  func classes(named name: String) throws(Defect) -> [ServiceClass] {
    try read { try Self.fetchAll($0, "WHERE change <> 2 AND name = ? COLLATE NOCASE ORDER BY id", [name]) }
  }

  func all() throws(Defect) -> [ServiceClass] {
    try read { try Self.fetchAll($0, "WHERE change <> 2 ORDER BY name COLLATE NOCASE, id", []) }
  }

  /// The changes that a host has begun to tell its providers of and was ended in.
  func unfinished() throws(Defect) -> [(change: Change, serviceClass: ServiceClass)] {
    try read { database in
      try [Change.installing, .removing].flatMap { change in
        try Self.fetchAll(database, "WHERE change = ?", [change.rawValue]).map { (change, $0) }
      }
    }
  }

  private func read<Result>(_ body: (Database) throws -> Result) throws(Defect) -> Result {
    do { return try reader.read(body) } catch { throw Self.defect(path, error) }
  }

  private static func fetch(_ database: Database, _ id: GUID) throws -> ServiceClass? {
    let statement = try database.cachedStatement(
      sql: """
        SELECT class.name AS class_name, value.name AS name, namespace, type, value FROM class LEFT JOIN value ON value.class = class.id
        WHERE class.id = ? AND change <> 2 ORDER BY place
        """)
    let rows = try Row.fetchCursor(statement, arguments: [id.description])
    var known: ServiceClass?
    while let row = try rows.next() {
      guard let name: String = row["class_name"] else { throw damage }
      if known == nil { known = ServiceClass(id: id, name: name) }
      // A class without values has one row, in which they are missing.
      if row["name"] != nil { known?.entries.append(try value(row)) }
    }
    if let known, (try? known.check()) == nil { throw damage }
    return known
  }

  /// What nobody could have installed.
  private static var damage: DatabaseError { DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a class in it is damaged") }

  /// From a row of the columns `name`, `namespace`, `type` and `value`.
  private static func value(_ row: Row) throws -> ServiceClass.Entry {
    guard let name: String = row["name"], let space: Int64 = row["namespace"], let space = UInt32(exactly: space),
      let type: Int64 = row["type"], let type = UInt32(exactly: type), let value: Data = row["value"]
    else { throw damage }
    return .init(name: name, nameSpace: NameSpace(rawValue: space), type: .init(rawValue: type), value: Array(value))
  }

  private static func fetchAll(_ database: Database, _ condition: String, _ arguments: StatementArguments) throws
    -> [ServiceClass]
  {
    try Row.fetchAll(database, sql: "SELECT id, name FROM class " + condition, arguments: arguments).map { row in
      try complete(database, row)
    }
  }

  /// A class with its values.
  private static func complete(_ database: Database, _ row: Row) throws -> ServiceClass {
    guard let text: String = row["id"], let id = GUID(text), let name: String = row["name"] else { throw damage }
    let values = try database.cachedStatement(
      sql: "SELECT name, namespace, type, value FROM value WHERE class = ? ORDER BY place")
    let known = ServiceClass(
      id: id, name: name, entries: try Row.fetchAll(values, arguments: [text]).map { try value($0) })
    guard (try? known.check()) != nil else { throw damage }
    return known
  }

  // MARK: Changing

  /// Keeps a class, in one transaction; until `settle` it counts as one that providers are being told of. False where the id is taken.
  func install(_ new: ServiceClass) throws(Defect) -> Bool {
    try write { database in
      let id = new.id.description
      guard try Row.fetchOne(database, sql: "SELECT 1 FROM class WHERE id = ?", arguments: [id]) == nil else { return false }
      try database.execute(
        sql: "INSERT INTO class (id, name, change) VALUES (?, ?, ?)", arguments: [id, new.name, Change.installing.rawValue])
      let insert = try database.cachedStatement(
        sql: "INSERT INTO value (class, place, name, namespace, type, value) VALUES (?, ?, ?, ?, ?, ?)")
      for (place, entry) in new.entries.enumerated() {
        try insert.execute(
          arguments: [
            id, place, entry.name, Int64(entry.nameSpace.rawValue), Int64(entry.type.rawValue), Data(entry.value),
          ])
      }
      return true
    }
  }

  /// Begins to take a class away: nobody finds it any more. False where there is none.
  func beginRemoval(_ id: GUID) throws(Defect) -> Bool {
    try write { database in
      try database.execute(
        sql: "UPDATE class SET change = ? WHERE id = ? AND change <> 2",
        arguments: [Change.removing.rawValue, id.description])
      return database.changesCount > 0
    }
  }

  /// The providers have been told: what was being removed is gone, what was being installed stays.
  func settle(_ id: GUID, _ change: Change) throws(Defect) {
    _ = try write { database in
      let sql =
        switch change {
        case .installing: "UPDATE class SET change = 0 WHERE id = ? AND change = 1"
        case .removing: "DELETE FROM class WHERE id = ? AND change = 2"
        }
      try database.execute(sql: sql, arguments: [id.description])
      return database.changesCount > 0
    }
  }

  /// Moves what the log beside the database has into the database: a copy of that file alone is whole then. Another process that is in the
  /// middle of something keeps the log, and moves it itself.
  func checkpoint() {
    guard changes >= 0 else { return }
    try? database.writeWithoutTransaction { database in
      try database.execute(sql: "PRAGMA busy_timeout = 1000")
      try database.checkpoint(.truncate)
    }
  }

  /// One transaction. Everybody's view of it changes when it has been made.
  private func write(_ body: (Database) throws -> Bool) throws(Defect) -> Bool {
    let isDone: Bool
    do { isDone = try database.write(body) } catch { throw Self.defect(path, error) }
    if isDone { note() }
    return isDone
  }

  private func note() {
    guard changes >= 0 else { return memoryGeneration.withLock { $0 += 1 } }
    var byte: UInt8 = 0
    while Glibc.write(changes, &byte, 1) < 0, errno == EINTR {}
  }
}
