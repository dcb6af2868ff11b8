import CDynamicLinker
import CLinux
import Glibc
import Providers
import Synchronization

/// Follows the plugin directories: tells when something in them may have changed.
///
/// A file counts when its writer closes it, when it is renamed into place, and when it is removed or renamed away; not while it is
/// being written. A directory that does not exist yet is found by the folders on the way to it. An idle watch sleeps.
final class PluginWatch: Sendable {
  private let wakeUp: WakeUp
  private let ended = Attempt<Void>()

  /// An event that ends the watch. Not the end of a pipe: a child of this process may hold copies of all of its descriptors.
  private final class WakeUp: Sendable {
    let descriptor = nsp_eventfd()
    deinit { if descriptor >= 0 { close(descriptor) } }
    func signal() { nsp_eventfd_signal(descriptor) }
  }

  /// How long to wait for more events of one change: a provider and its sidecar often come together.
  private static let settlingMilliseconds: Int32 = 30
  /// How long an end waits for a call of `changed`.
  private static let patience: Duration = .seconds(5)

  /// Begins to follow on a thread of the host. Nil when the system gives no descriptor.
  /// - Parameter changed: Called on that thread, one at a time.
  init?(_ directories: [String], changed: @escaping @Sendable () -> Void) {
    let wakeUp = WakeUp()
    self.wakeUp = wakeUp
    let events = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
    guard events >= 0, wakeUp.descriptor >= 0 else {
      if events >= 0 { close(events) }
      return nil
    }
    var watched = Watched(directories, events)
    watched.extend()
    let begun = watched
    HostThreads.run { [ended] in
      Self.follow(begun, wakeUp.descriptor, changed)
      close(events)
      withExtendedLifetime(wakeUp) { _ = ended.resolve(()) }
    }
  }

  deinit { wakeUp.signal() }

  /// Ends, and waits until no call of `changed` is running, some seconds at most.
  func stop() {
    wakeUp.signal()
    guard ended.wait(for: Self.patience) == nil else { return }
    HostLog.write(
      .warning, "stopping: a look at the plugin directories is not over after 5 s: a file is being loaded, or let go of")
  }

  private static func follow(_ begun: Watched, _ wakeUp: Int32, _ changed: @Sendable () -> Void) {
    var watched = begun
    func wait(_ milliseconds: Int32) -> (isOver: Bool, hasEvents: Bool) {
      var sources = [
        pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0), pollfd(fd: watched.events, events: Int16(POLLIN), revents: 0),
      ]
      let ready = poll(&sources, 2, milliseconds)
      return (sources[0].revents != 0 || ready < 0 && errno != EINTR, ready > 0 && sources[1].revents != 0)
    }
    while true {
      // No deadline: `stop` wakes it.
      let (isOver, hasEvents) = wait(-1)
      if isOver { return }
      guard hasEvents else { continue }
      var isNews = watched.drain()
      // Whatever else belongs to the same change.
      while case (false, true) = wait(settlingMilliseconds) { if watched.drain() { isNews = true } }
      if watched.extend() { isNews = true }
      if isNews { changed() }
    }
  }
}

/// What is watched: the directories that exist, and the nearest folders on the way to those that don't.
private struct Watched {
  /// Of inotify.
  let events: Int32
  private let directories: [String]
  private var there: [String: Int32] = [:]
  private var onTheWay: Set<Int32> = []

  init(_ directories: [String], _ events: Int32) { (self.directories, self.events) = (directories, events) }

  private static let inDirectory = UInt32(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_ONLYDIR)
  private static let inFolder = UInt32(IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

  /// Adds watches for directories that exist now. True when there was one more.
  @discardableResult
  mutating func extend() -> Bool {
    let (before, former) = (there.count, onTheWay)
    onTheWay = []
    for directory in directories where there[directory] == nil { approach(directory) }
    for number in former.subtracting(onTheWay) where !there.values.contains(number) { inotify_rm_watch(events, number) }
    return there.count > before
  }

  private mutating func approach(_ directory: String) {
    var nearest: Int32 = -1
    while true {
      let number = inotify_add_watch(events, directory, Self.inDirectory | UInt32(IN_MASK_ADD))
      if number >= 0 {
        there[directory] = number
        return
      }
      var folder = directory
      var found: Int32 = -1
      while found < 0, folder != "/" {
        folder = Self.parent(of: folder)
        found = inotify_add_watch(events, folder, Self.inFolder | UInt32(IN_MASK_ADD))
      }
      if found >= 0 { onTheWay.insert(found) }
      // What is made in it from now on is told; what was made just before is found by another look.
      if found < 0 || found == nearest { return }
      nearest = found
    }
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.dropLast().lastIndex(of: "/"), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }

  /// Reads all that is there. True when any of it concerns a module or a sidecar, or when events were lost.
  mutating func drain() -> Bool {
    var isNews = false
    withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: MemoryLayout<inotify_event>.alignment) { buffer in
      while true {
        let count = read(events, buffer.baseAddress, buffer.count)
        guard count > 0 else { return }
        var offset = 0
        while offset < count {
          let event = buffer.load(fromByteOffset: offset, as: inotify_event.self)
          if event.mask & UInt32(IN_Q_OVERFLOW) != 0 { isNews = true }
          // The directory is gone: it may come back.
          if event.mask & UInt32(IN_IGNORED) != 0 { there = there.filter { $0.value != event.wd } }
          if event.len > 0 {
            let start = buffer.baseAddress! + offset + MemoryLayout<inotify_event>.size
            let name = String(cString: start.assumingMemoryBound(to: CChar.self))
            if name.hasSuffix(".so") || name.hasSuffix(".toml") { isNews = true }
          }
          offset += MemoryLayout<inotify_event>.size + Int(event.len)
        }
      }
    }
    return isNews
  }
}

extension ProviderHost {
  /// Follows the plugin directories from now on: files that are dropped in are loaded, replaced ones are replaced, removed ones
  /// are detached; and the catalog file, which other processes may change. Ends with `stop`.
  /// - Parameter changed: Told of every change, on a thread of the host.
  /// - Returns: false when the system gives no descriptor for it.
  @discardableResult
  public func watch(_ changed: @escaping @Sendable (Changes) -> Void = { _ in }) -> Bool {
    let directories = shelf.withLock { $0.directories } + (catalogFile.map { [$0.directory] } ?? [])
    guard
      let watch = PluginWatch(
        directories,
        changed: { [weak self] in
          guard let changes = self?.rescan() else { return }
          changed(changes)
        })
    else { return false }
    shelf.withLock { $0.watch = watch }
    // What changed before the watch began.
    rescan()
    return true
  }
}
