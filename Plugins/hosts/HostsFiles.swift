import Glibc
import NSPProvider
import Rundown

/// Some files and what they say now. A lookup costs a look at each file's times; they are read again when one of them has changed.
final class HostsFiles: Sendable {
  private let paths: [String]
  private let state = Locked<State>(State())

  private struct State {
    var table: HostsTable?
    /// What the files were when `table` was read.
    var identities: [Identity?] = []
    /// A file was changed so shortly before it was read that another change need not show in its times.
    var isUnsettled = false
    var readAt: Int64 = 0
    var isReading = false
    /// Those that came while the files are read.
    var waiting: [@Sendable (HostsTable) -> Void] = []
  }

  /// Tells one state of a file from another.
  private struct Identity: Equatable {
    var device: UInt64
    var number: UInt64
    var size: Int64
    var modified: Int64
    var changed: Int64
  }

  /// The kernel's clock for times of files may stand still for so long, in nanoseconds.
  private static let tick: Int64 = 20_000_000
  private static let largestFile: Int64 = 1 << 28
  private static let mostAttempts = 5

  init(_ paths: [String]) { self.paths = paths }

  /// Gives what the files say: at once, or on another thread when they have been read. Does not wait.
  func withTable(_ body: @escaping @Sendable (HostsTable) -> Void) {
    let now = paths.map(Self.identity)
    let (table, startsReading): (HostsTable?, Bool) = state.withLock { state in
      let isStale =
        state.table == nil || state.identities != now || state.isUnsettled && Self.clock() > state.readAt + Self.tick
      guard isStale || state.isReading else { return (state.table, false) }
      state.waiting.append(body)
      defer { state.isReading = true }
      return (nil, !state.isReading)
    }
    if let table { return body(table) }
    // Large files take longer than a routine may keep its thread.
    if startsReading { WorkQueue.run { self.read() } }
  }

  private func read() {
    var (table, start, identities) = (HostsTable(), Self.clock(), paths.map(Self.identity))
    for attempt in 1... {
      for path in paths { Self.read(path, into: &table) }
      let now = paths.map(Self.identity)
      // Whoever came meanwhile wants what the files have by now. One that changes all the time is what it was at some time.
      if now == identities || attempt == Self.mostAttempts { break }
      (table, start, identities) = (HostsTable(), Self.clock(), now)
    }
    table.seal()
    let whole = table
    if let unread = whole.unread { Condition.fails(unread) } else { Condition.answers() }
    let waiting = state.withLock { state in
      let latest = identities.compactMap { $0.map { max($0.modified, $0.changed) } }.max() ?? 0
      state.isUnsettled = latest > start - Self.tick
      state.readAt = start
      (state.table, state.identities, state.isReading) = (whole, identities, false)
      defer { state.waiting = [] }
      return state.waiting
    }
    for body in waiting { body(whole) }
  }

  private static func read(_ path: String, into table: inout HostsTable) {
    // Not to wait for somebody who writes, where it is a pipe.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let reason = errno
      let text = "\(path) is left out: \(String(cString: strerror(reason)))"
      // A file that is not there has no names.
      if reason != ENOENT && reason != ENOTDIR { table.unread = table.unread ?? text }
      return HostLog.say(.warning, text)
    }
    defer { close(descriptor) }
    var found = stat()
    guard fstat(descriptor, &found) == 0, found.st_mode & S_IFMT == S_IFREG, found.st_size <= largestFile else {
      let text = "\(path) is left out: it is not a regular file of at most \(largestFile >> 20) MiB"
      table.unread = table.unread ?? text
      return HostLog.say(.warning, text)
    }
    let size = Int(found.st_size)
    var isWhole = true
    let text = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let got = Glibc.read(descriptor, buffer.baseAddress! + count, size - count)
        if got < 0, errno == EINTR { continue }
        isWhole = got >= 0
        if got <= 0 { break }
        count += got
      }
    }
    if !isWhole {
      let text = "\(path) could be read in part only: \(String(cString: strerror(errno)))"
      table.unread = table.unread ?? text
      HostLog.say(.warning, text)
    }
    report(table.read(text), of: path)
  }

  private static func report(_ unusable: HostsTable.Unusable, of path: String) {
    for place in unusable.first {
      let what =
        switch place.part {
        case .line: "is no address with names and is left out"
        case .name: "a name in it is no UTF-8, empty or too long, and is left out"
        }
      HostLog.say(.warning, "\(path):\(place.line): \(what)")
    }
    let rest = unusable.count - unusable.first.count
    if rest > 0 { HostLog.say(.warning, "\(path): \(rest) more lines are left out, whole or in part") }
  }

  private static func identity(_ path: String) -> Identity? {
    var found = stat()
    guard stat(path, &found) == 0 else { return nil }
    func nanoseconds(_ time: timespec) -> Int64 { Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec) }
    return Identity(
      device: UInt64(found.st_dev), number: UInt64(found.st_ino), size: Int64(found.st_size),
      modified: nanoseconds(found.st_mtim), changed: nanoseconds(found.st_ctim))
  }

  /// The clock that times of files are taken from, in nanoseconds.
  private static func clock() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
