import Foundation
import GRDB
import Glibc
import NSPProvider
import Ownership
import QuerySets
import Rundown

/// The database of the store: `directory.db` with its log beside it, or memory. What was written is there after a crash of the host, and
/// after a loss of power. Any thread may call; who reads does not wait for who writes.
final class DirectoryDatabase: Sendable {
  /// Why it can't be used, and what to do.
  private struct Defect: Error {
    var detail: String
    var remedy: String
    var isTemporary = false
    /// The file is sound and at hand: it goes on by itself.
    var passes = false
  }

  let runs: Runs
  private let database: any DatabaseWriter
  private let path: String?
  /// Which file it is, to notice when it is moved away.
  private let identity: [UInt64]
  private let said = Locked<Defects>(Defects())
  /// What the log was told last, so that each defect is said once.
  private let logged = Locked<String?>(nil)
  /// What is wrong inside the file, once that is known: from then on it is left as it is.
  private let damage = Locked<Defect?>(nil)

  /// - Parameter directory: Made where it is missing. Nil: kept in memory.
  init(directory: String?) throws(WinsockError) {
    path = directory.map { $0 + "/directory.db" }
    do {
      if let directory, let path {
        let folder = try OwnFolder(directory, creating: 0o700)
        // The log beside it is made with the mode of this one: what is registered shows by lookups, to whom it may.
        _ = try folder.own("directory.db")
        let runsPath = try folder.own("directory.runs")
        try Self.inspect(path)
        runs = try Runs(runsPath)
        database = try DatabasePool(path: path, configuration: Self.configuration)
      } else {
        runs = try Runs(nil)
        database = try DatabaseQueue(configuration: Self.configuration)
      }
      identity = Self.identity(of: path)
      try database.read(Self.refuseLater)
      try Self.migrator.migrate(database)
      // The log is written through before anybody is told that something is registered.
      try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    } catch {
      let defect = Self.defect(error)
      let text = "\(path ?? "the store") can't be used: \(defect.detail): \(defect.remedy)"
      Condition.explain(text)
      HostLog.say(.error, text)
      throw defect.isTemporary ? .tryAgain : .providerFailedInit
    }
  }

  private static let configuration: GRDB.Configuration = {
    var configuration = GRDB.Configuration()
    configuration.label = "directory"
    configuration.maximumReaderCount = 4
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { database in
      // Whatever the file says, it runs no code of its own.
      try database.execute(sql: "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
    }
    return configuration
  }()

  /// Connections that are closed. When their queues are let go of, libdispatch starts its threads, which wake the process each second.
  private static let closed = Locked<[DatabaseQueue]>([])

  /// Looks at a file before anything is written to it: at all of it where that takes no time.
  private static func inspect(_ path: String) throws {
    var configuration = configuration
    configuration.readonly = true
    var status = stat()
    let isSmall = stat(path, &status) == 0 && status.st_size < 4 << 20
    do {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      defer {
        try? queue.close()
        closed.withLock { $0.append(queue) }
      }
      try queue.read { database in
        try refuseLater(database)
        if isSmall { try check(database) }
      }
    } catch let error as DatabaseError where [.SQLITE_READONLY, .SQLITE_CANTOPEN].contains(error.resultCode) {
      // A host was killed while it made or changed the file: only who may write finds out what is in it.
    }
  }

  private static func refuseLater(_ database: Database) throws {
    guard try migrator.hasBeenSuperseded(database) else { return }
    throw Defect(
      detail: "a later version of nsphost has made it", remedy: "use that version, or move it away to start with an empty one")
  }

  private static func check(_ database: Database) throws {
    if let found = try String.fetchOne(database, sql: "PRAGMA quick_check(1)"), found != "ok" { throw damage(found) }
  }

  private static func identity(of path: String?) -> [UInt64] {
    var status = stat()
    guard let path, stat(path, &status) == 0 else { return [] }
    return [UInt64(status.st_dev), UInt64(status.st_ino)]
  }

  private static let migrator: DatabaseMigrator = {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1") { database in
      try database.execute(
        sql: """
          CREATE TABLE run (id INTEGER PRIMARY KEY NOT NULL) STRICT;
          CREATE TABLE instance (
            id INTEGER PRIMARY KEY NOT NULL,
            context TEXT NOT NULL, name TEXT NOT NULL, class TEXT NOT NULL, space INTEGER NOT NULL,
            written_context TEXT NOT NULL, written_name TEXT NOT NULL,
            is_registered INTEGER NOT NULL, version INTEGER, comparator INTEGER,
            comment TEXT, query_string TEXT, blob BLOB, protocols TEXT NOT NULL,
            owner INTEGER NOT NULL, is_trusted INTEGER NOT NULL, registered INTEGER NOT NULL, expires INTEGER,
            size INTEGER NOT NULL,
            run INTEGER REFERENCES run (id) ON DELETE CASCADE, session INTEGER
          ) STRICT;
          CREATE UNIQUE INDEX instance_by_name ON instance (name, context, class, space);
          CREATE INDEX instance_by_context ON instance (context, name, class, space);
          CREATE INDEX instance_by_owner ON instance (owner, size);
          CREATE INDEX instance_by_expiry ON instance (expires) WHERE expires IS NOT NULL;
          CREATE INDEX instance_by_session ON instance (run, session) WHERE run IS NOT NULL;
          CREATE TABLE address (
            instance INTEGER NOT NULL REFERENCES instance (id) ON DELETE CASCADE, place INTEGER NOT NULL,
            local BLOB NOT NULL, remote BLOB NOT NULL, type INTEGER NOT NULL, protocol INTEGER NOT NULL, host BLOB,
            PRIMARY KEY (instance, place)
          ) STRICT, WITHOUT ROWID;
          CREATE INDEX address_by_host ON address (host, instance) WHERE host IS NOT NULL;
          """)
    }
    migrator.registerMigration("2") { database in
      // What counts for its user alone may be there once for each user, and beside it what counts for everybody.
      try database.execute(
        sql: "DROP INDEX instance_by_name; CREATE INDEX instance_by_name ON instance (name, context, class, space)")
    }
    return migrator
  }()

  // MARK: Using it

  /// Looks for damage in all of it, which a lookup need not meet. Takes as long as reading it does.
  func examine() {
    do { try database.read(Self.check) } catch {
      guard (error as? DatabaseError)?.resultCode == .SQLITE_CORRUPT else { return }
      damage.withLock { $0 = Self.defect(error) }
      _ = said(error, .reading)
    }
  }

  /// What is open is the file that the path leads to, and it is not damaged.
  private func checkFile() throws {
    if let damage = damage.withLock({ $0 }) { throw damage }
    guard Self.identity(of: path) == identity else {
      throw Defect(detail: "it was moved away or replaced", remedy: "start the host again", isTemporary: true)
    }
  }

  /// One state of the database. Waits for the disk at most.
  func read<Result>(_ body: (Database) throws -> Result) throws(WinsockError) -> Result {
    do {
      try checkFile()
      let result = try database.read(body)
      settle(.reading)
      return result
    } catch { throw said(error, .reading) }
  }

  /// One transaction, which has reached the disk when this returns. What the body throws undoes it.
  func write<Result>(_ body: (Database) throws -> Result) throws(WinsockError) -> Result {
    do {
      try checkFile()
      let result = try database.write(body)
      settle(.writing)
      return result
    } catch { throw said(error, .writing) }
  }

  /// Moves what the log beside the file has into the file: a copy of the file alone is whole then. Another process that is in the middle of
  /// something keeps the log, and moves it itself.
  func checkpoint() {
    guard path != nil, (try? checkFile()) != nil else { return }
    try? database.writeWithoutTransaction { database in
      try database.execute(sql: "PRAGMA busy_timeout = 1000")
      defer { try? database.execute(sql: "PRAGMA busy_timeout = 5000") }
      try database.checkpoint(.truncate)
    }
  }

  /// A number that is another one after each change by another connection than the one that writes here: by another process.
  func foreignState() throws(WinsockError) -> Int64 {
    do {
      return try database.writeWithoutTransaction { try Int64.fetchOne($0, sql: "PRAGMA data_version") ?? 0 }
    } catch { throw said(error, .reading) }
  }

  /// What is wrong with each use: the log and the host are told of each defect once.
  private struct Defects {
    var reading: String?
    var writing: String?

    subscript(_ use: Use) -> String? {
      get { use == .reading ? reading : writing }
      set { if use == .reading { reading = newValue } else { writing = newValue } }
    }
  }

  private enum Use { case reading, writing }

  private func settle(_ use: Use) {
    said.withLock { said in
      guard said[use] != nil else { return }
      said[use] = nil
      tell(said)
    }
  }

  private func said(_ error: any Error, _ use: Use) -> WinsockError {
    if let answer = error as? WinsockError { return answer }
    let defect = Self.defect(error)
    let text = "\(path ?? "the store"): \(defect.detail): \(defect.remedy)"
    let isNew = said.withLock { said in
      // What passes by itself, a full disk or a file that is kept by another process, is no failure of the provider.
      if !defect.passes {
        said[use] = text
        tell(said)
      }
      defer { logged.withLock { $0 = text } }
      return logged.withLock { $0 } != text
    }
    if isNew { HostLog.say(.error, text) }
    return .tryAgain
  }

  private func tell(_ defects: Defects) {
    if let text = defects.reading ?? defects.writing { Condition.fails(text) } else { Condition.answers() }
  }

  /// Something in it that this provider can't have written.
  static func damage(_ what: String) -> DatabaseError { DatabaseError(resultCode: .SQLITE_CORRUPT, message: what) }

  private static func defect(_ error: any Error) -> Defect {
    if let defect = error as? Defect { return defect }
    if let objection = error as? Objection { return Defect(detail: objection.detail, remedy: objection.remedy) }
    if let error = error as? SystemError {
      return Defect(detail: error.text, remedy: "see that the host can write the folder, or set state for this provider")
    }
    guard let failure = error as? DatabaseError else {
      return Defect(
        detail: error.localizedDescription, remedy: "see that the host can write the folder, or set state for this provider")
    }
    let remedy =
      switch failure.resultCode {
      case .SQLITE_CORRUPT, .SQLITE_NOTADB:
        "move it away, with its -wal and -shm; sqlite3 FILE .recover may save what is in it"
      case .SQLITE_FULL: "make room there"
      case .SQLITE_BUSY: "see which process keeps it"
      default: "see that the host can write the folder, or set state for this provider"
      }
    let isTemporary = [.SQLITE_FULL, .SQLITE_BUSY].contains(failure.resultCode)
    return Defect(
      detail: failure.message ?? "\(failure.resultCode)", remedy: remedy, isTemporary: isTemporary, passes: isTemporary)
  }
}
