import Glibc
import QuerySets
import Rundown

/// Follows some files, which need not be there: tells when one may have changed, was replaced, removed or made. An idle one costs nothing.
///
/// A file is followed by what it leads to, links included, and by the folders on the way to it, so that it is found again when it or one of
/// them is replaced.
public final class FileWatch: Sendable {
  private let follower: Follower

  /// Nil where the system does not let all of them be followed.
  /// - Parameter changed: Called on a thread of its own, one at a time.
  public init?(_ paths: [String], changed: @escaping @Sendable () -> Void) {
    guard let follower = Follower(paths), follower.follow() else { return nil }
    self.follower = follower
    // The descriptors are closed with the last one who has the follower.
    guard OwnThread.start({ while follower.waits() { if follower.isNews() { changed() } } }) else { return nil }
  }

  deinit { follower.end() }
}

private final class Follower: Sendable {
  /// Of inotify; not blocking.
  private let events: Int32
  /// A pipe: what is written to it ends the watch. Not its end of file, which a child of this process may hold up.
  private let (ending, ended): (Int32, Int32)
  private let paths: [String]
  private let state = Locked<State>(State())

  private struct State {
    /// Numbers of watches: of folders, and of the files themselves.
    var folders: Set<Int32> = []
    var files: Set<Int32> = []
    var identities: [Identity?] = []
  }

  /// Tells one state of a file from another.
  private struct Identity: Equatable {
    var device: UInt64
    var number: UInt64
    var size: Int64
    var changed: Int64

    init?(_ path: String) {
      var found = stat()
      guard stat(path, &found) == 0 else { return nil }
      (device, number, size) = (UInt64(found.st_dev), UInt64(found.st_ino), Int64(found.st_size))
      changed = Int64(found.st_ctim.tv_sec) * 1_000_000_000 + Int64(found.st_ctim.tv_nsec)
    }
  }

  private static let ofFolder = UInt32(
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
  private static let ofFile = UInt32(IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

  init?(_ paths: [String]) {
    var ends: [Int32] = [-1, -1]
    if pipe(&ends) == 0 { for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) } }
    (ended, ending) = (ends[0], ends[1])
    events = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
    self.paths = paths
    if events < 0 || ended < 0 { return nil }
  }

  deinit { for descriptor in [events, ending, ended] where descriptor >= 0 { close(descriptor) } }

  func end() { _ = write(ending, "", 1) }

  /// Waits for events; false when the watch is over.
  func waits() -> Bool {
    var both = [pollfd(fd: ended, events: Int16(POLLIN), revents: 0), pollfd(fd: events, events: Int16(POLLIN), revents: 0)]
    while poll(&both, 2, -1) < 0 { if errno != EINTR { return false } }
    return both[0].revents == 0
  }

  /// Follows what the paths lead to now. False where a file, or the folder that it would be in, can't be followed.
  @discardableResult
  func follow() -> Bool { state.withLock { follow(&$0) } }

  @discardableResult
  private func follow(_ state: inout State) -> Bool {
    let former = state.folders.union(state.files)
    (state.folders, state.files) = ([], [])
    var isWhole = true
    for path in paths {
      // From the nearest one up. Those further up may be closed to this user.
      var (folder, isNearest) = (Self.parent(of: path), true)
      while true {
        let number = inotify_add_watch(events, folder, Self.ofFolder)
        if number >= 0 { state.folders.insert(number) }
        let isThere = number >= 0 || !Self.isMissing(errno)
        if isThere, isNearest { (isNearest, isWhole) = (false, isWhole && number >= 0) }
        if folder == "/" { break }
        folder = Self.parent(of: folder)
      }
      let number = inotify_add_watch(events, path, Self.ofFile)
      if number >= 0 { state.files.insert(number) } else if !Self.isMissing(errno) { isWhole = false }
    }
    for number in former.subtracting(state.folders).subtracting(state.files) { inotify_rm_watch(events, number) }
    // From now on nothing is missed.
    state.identities = paths.map(Identity.init)
    return isWhole
  }

  private static func isMissing(_ code: Int32) -> Bool { code == ENOENT || code == ENOTDIR }

  private static func parent(of path: String) -> String {
    guard let slash = path.dropLast().lastIndex(of: "/"), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }

  /// Takes in what has happened. True where a file may be another than before.
  func isNews() -> Bool {
    state.withLock { state in
      let (files, known) = (state.files, state.identities)
      let isOfFile = drain { files.contains($0) }
      follow(&state)
      return isOfFile || state.identities != known
    }
  }

  /// Reads all that is there. True when one of the watches is among it, or when events were lost.
  private func drain(_ isWanted: (Int32) -> Bool) -> Bool {
    var isAmong = false
    withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: MemoryLayout<inotify_event>.alignment) { buffer in
      while true {
        let count = read(events, buffer.baseAddress, buffer.count)
        guard count > 0 else { return }
        var offset = 0
        while offset < count {
          let event = buffer.load(fromByteOffset: offset, as: inotify_event.self)
          // A watch that was let go of says so.
          let isChange = event.mask & UInt32(IN_IGNORED) == 0 && isWanted(event.wd)
          if isChange || event.mask & UInt32(IN_Q_OVERFLOW) != 0 { isAmong = true }
          offset += MemoryLayout<inotify_event>.size + Int(event.len)
        }
      }
    }
    return isAmong
  }
}
