import GRDB
import Glibc

/// SQLite databases among the files of a state folder.
enum Databases {
  /// Those that the host and its providers have under these names are nothing else.
  static let known = ["schema.db", "directory.db"]

  private static var configuration: GRDB.Configuration {
    var configuration = GRDB.Configuration()
    configuration.label = "state"
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { database in
      // Whatever the file says, it runs no code of its own.
      try database.execute(sql: "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
    }
    return configuration
  }

  /// Whether a file is one, by its first bytes.
  static func isDatabase(_ descriptor: Int32) -> Bool {
    let magic = Array("SQLite format 3\0".utf8)
    let head = [UInt8](unsafeUninitializedCapacity: magic.count) { buffer, count in
      count = max(0, pread(descriptor, buffer.baseAddress, buffer.count, 0))
    }
    return head == magic
  }

  /// Copies one state of a database, with what its log has, to a file that is not there yet. Others may go on with it meanwhile.
  static func copy(_ path: String, to new: String) throws(StateFailure) {
    do {
      let source = try DatabaseQueue(path: path, configuration: configuration)
      let copy = try DatabaseQueue(path: new, configuration: configuration)
      try source.backup(to: copy)
      try inspect(copy)
      try copy.close()
      try source.close()
    } catch { throw failure(path, error, "move it away, or restore another backup of it") }
  }

  /// Reads all of a database: whether it is sound.
  static func check(_ path: String, named name: String) throws(StateFailure) {
    do {
      let database = try DatabaseQueue(path: path, configuration: configuration)
      try inspect(database)
      try database.close()
    } catch { throw failure(name, error, "use another backup") }
  }

  private static func inspect(_ database: DatabaseQueue) throws {
    let found = try database.read { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
    if let found, found != "ok" { throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: found) }
  }

  /// Whether another process has a database open. One that is damaged is nobody's any more.
  static func isInUse(_ path: String) -> Bool {
    var configuration = configuration
    configuration.busyMode = .immediateError
    do {
      let database = try DatabaseQueue(path: path, configuration: configuration)
      // Who has it open in WAL mode has a lock on the file as long.
      try database.writeWithoutTransaction { database in
        try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
      }
      return false
    } catch { return [.SQLITE_BUSY, .SQLITE_LOCKED].contains((error as? DatabaseError)?.resultCode) }
  }

  private static func failure(_ path: String, _ error: any Error, _ remedy: String) -> StateFailure {
    guard let error = error as? DatabaseError else { return StateFailure("\(path): \(error)", remedy) }
    let why = error.message ?? "\(error.resultCode)"
    switch error.resultCode {
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: return StateFailure("\(path) is damaged: \(why)", remedy)
    case .SQLITE_FULL: return StateFailure("\(path): \(why)", "make room there")
    case .SQLITE_BUSY: return StateFailure("\(path): \(why)", "see which process keeps it")
    default: return StateFailure("\(path): \(why)", "see that its folder can be written")
    }
  }
}
