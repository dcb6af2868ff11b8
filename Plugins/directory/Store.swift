import GRDB
import Glibc
import NSPProvider
import QuerySets
import Rundown

/// The instances, and who may find which of them now. Any thread may call.
final class Store: Sendable {
  private let database: DirectoryDatabase
  /// Changes happen here, one after the other and in the order in which they were asked for: each waits for the disk.
  private let changing = WorkQueue()
  /// Sessions that have ended and whose instances are not removed yet: nobody finds them any more.
  private let ended = Locked<Set<Int64>>([])
  private let changes: ProviderChanges
  /// When the next instance expires.
  private let expiry: Expiry
  /// Follows what other hosts write to the same file. Nil in memory, and where the system does not let it be followed.
  private let watch = Locked<FileWatch?>(nil)
  /// The state of the file that was looked at last, of those that others have made.
  private let foreignState = Locked<Int64>(0)
  /// What a change removes besides, at most: those that wait behind it do not wait for long.
  private static let expiredAtOnce = 200

  init(directory: String?, _ changes: ProviderChanges) throws(WinsockError) {
    database = try DirectoryDatabase(directory: directory)
    self.changes = changes
    expiry = Expiry()
    let (runs, now) = (database.runs, Self.now)
    let hasLeavings = try database.read { database in
      let expired = "SELECT EXISTS (SELECT 1 FROM instance WHERE expires <= ?)"
      return try !Self.formerRuns(database, runs).isEmpty || Bool.fetchOne(database, sql: expired, arguments: [now]) == true
    }
    if hasLeavings { try database.write { try purge($0, now) } }
    WorkQueue.run { [database] in database.examine() }
    try follow(directory)
  }

  /// From now on everything that changes without a registration here is said: expiries, ended sessions, and what other hosts write.
  private func follow(_ directory: String?) throws(WinsockError) {
    try awaitExpiry()
    if let directory {
      _ = try isForeign()
      let watch = FileWatch([directory + "/directory.db-wal"]) { [weak self] in self?.fileChanged() }
      guard let watch else {
        HostLog.say(.warning, "\(directory) can't be followed: who watches a name asks again every second")
        return
      }
      self.watch.withLock { $0 = watch }
    }
    changes.promise()
  }

  /// The file was written to: perhaps by this host, which tells of registrations itself.
  private func fileChanged() {
    changing.async { [self] in
      do throws(WinsockError) {
        guard try isForeign() else { return }
        try awaitExpiry()
      } catch {
        // Said where it happened. What there is now is not known here.
      }
      changes.sayEverything()
    }
  }

  /// Whether another process has changed the file since this was asked last.
  private func isForeign() throws(WinsockError) -> Bool {
    let now = try database.foreignState()
    return foreignState.withLock { known in
      defer { known = now }
      return known != now
    }
  }

  /// Waits for the next expiry, which is said.
  private func awaitExpiry() throws(WinsockError) {
    let next = try database.read { database in
      try Int64.fetchOne(database, sql: "SELECT min(expires) FROM instance WHERE expires > ?", arguments: [Self.now])
    }
    if let next { expires(at: next) }
  }

  private func expires(at moment: Int64) {
    expiry.wait(until: moment) { [weak self] in
      guard let self else { return }
      // The next one first: what is said may be asked for at once.
      do throws(WinsockError) { try awaitExpiry() } catch {
        // Said where it happened.
      }
      changes.sayEverything()
    }
  }

  var run: Int64 { database.runs.mine }

  /// Milliseconds since 1970: what expires does so while no host runs, too.
  static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  // MARK: Changing

  /// Done, and on the disk, when the completion is called.
  func change(_ change: Change, _ completion: Completion) {
    changing.async { [self] in
      do throws(WinsockError) {
        try database.write { database in
          let now = Self.now
          try purge(database, now)
          try change.perform(database, at: now)
        }
        if let expires = change.expires(from: Self.now) { self.expires(at: expires) }
        completion()
      } catch {
        completion(error)
      }
    }
  }

  /// The file is whole without the log beside it when this returns, but for what another process is in the middle of.
  func settle() { changing.sync { [self] in database.checkpoint() } }

  /// What was registered until the end of a session goes.
  func end(_ session: Int64) {
    ended.withLock { _ = $0.insert(session) }
    changes.sayEverything()
    changing.async { [self] in
      do throws(WinsockError) {
        try database.write { database in
          try database.execute(sql: "DELETE FROM instance WHERE run = ? AND session = ?", arguments: [run, session])
        }
        ended.withLock { _ = $0.remove(session) }
      } catch {
        // They stay hidden as long as this run lasts, and the next one removes them.
      }
    }
  }

  /// Removes what has expired, and what sessions have left whose processes ended without a word.
  private func purge(_ database: Database, _ now: Int64) throws {
    try database.cachedStatement(
      sql: "DELETE FROM instance WHERE id IN (SELECT id FROM instance WHERE expires <= ? LIMIT ?)"
    ).execute(arguments: [now, Self.expiredAtOnce])
    for run in try Self.formerRuns(database, self.database.runs) {
      try database.execute(sql: "DELETE FROM run WHERE id = ?", arguments: [run])
    }
  }

  /// Those that have left something and are over. What was registered in their sessions goes with the row of the run.
  private static func formerRuns(_ database: Database, _ runs: Runs) throws -> [Int64] {
    try Int64.fetchAll(try database.cachedStatement(sql: "SELECT id FROM run")).filter(runs.isOver)
  }

  // MARK: Finding

  /// The next piece of a search. Takes about as long as its rows, and waits for nobody who writes.
  func next(_ search: inout some Search) throws(WinsockError) -> [QuerySet] {
    var copy = search
    defer { search = copy }
    let moment = Moment(now: Self.now, run: run, ended: ended.withLock { $0 })
    return try database.read { try copy.next($0, moment) }
  }
}

/// What of the database counts as there.
struct Moment: Sendable {
  var now: Int64
  var run: Int64
  var ended: Set<Int64>

  /// Whether an instance is alive, by the columns `expires`, `run` and `session` of its row.
  func isAlive(_ row: Row) throws -> Bool {
    if let expires: Int64 = try row.optional("expires"), expires <= now { return false }
    guard let run: Int64 = try row.optional("run"), let session: Int64 = try row.optional("session") else { return true }
    return run != self.run || !ended.contains(session)
  }
}
