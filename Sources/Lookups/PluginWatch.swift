import CDynamicLinker
import Glibc
import Providers
import Synchronization

/// Follows the plugin directories: tells when something in them may have changed.
///
/// A file counts when its writer closes it, when it is renamed into place, and when it is removed or renamed away; not while it is
/// being written. Directories that don't exist yet are looked for again and again.
final class PluginWatch: Sendable {
  /// The end of a pipe: closing it ends the watch.
  private let wakeUp: Mutex<Int32>
  private let ended = Attempt<Void>()

  /// How long to wait for more events of one change: a provider and its sidecar often come together.
  private static let settlingMilliseconds: Int32 = 30
  private static let retryMilliseconds: Int32 = 1000

  /// Begins to follow on a thread of the host. Nil when the system gives no descriptor.
  /// - Parameter changed: Called on that thread, one at a time.
  init?(_ directories: [String], changed: @escaping @Sendable () -> Void) {
    let events = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
    guard events >= 0 else { return nil }
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      close(events)
      return nil
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    wakeUp = Mutex(ends[1])
    let asleep = ends[0]
    var watched: Set<String> = []
    Self.watch(directories, events, &watched)
    let begun = watched
    HostThreads.run { [ended] in
      Self.follow(directories, begun, events: events, wakeUp: asleep, changed)
      close(events)
      close(asleep)
      _ = ended.resolve(())
    }
  }

  deinit { closeWakeUp() }

  /// Ends, and waits until no call of `changed` is running.
  func stop() {
    closeWakeUp()
    _ = ended.wait(for: .seconds(60))
  }

  private func closeWakeUp() {
    let end = wakeUp.withLock { end in
      defer { end = -1 }
      return end
    }
    if end >= 0 { close(end) }
  }

  private static func follow(
    _ directories: [String], _ begun: Set<String>, events: Int32, wakeUp: Int32, _ changed: @Sendable () -> Void
  ) {
    var watched = begun
    while true {
      let isComplete = watched.count == Set(directories).count
      var sources = [
        pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0), pollfd(fd: events, events: Int16(POLLIN), revents: 0),
      ]
      let ready = poll(&sources, 2, isComplete ? -1 : retryMilliseconds)
      if sources[0].revents != 0 { return }
      if ready < 0, errno != EINTR { return }
      var isNews = watch(directories, events, &watched)
      if sources[1].revents != 0 {
        if drain(events) { isNews = true }
        // Whatever else belongs to the same change.
        var more = [pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0), pollfd(fd: events, events: Int16(POLLIN), revents: 0)]
        while poll(&more, 2, settlingMilliseconds) > 0, more[0].revents == 0 {
          if drain(events) { isNews = true }
        }
      }
      if isNews { changed() }
    }
  }

  /// Adds watches for directories that exist now. True when there was one more.
  @discardableResult
  private static func watch(_ directories: [String], _ events: Int32, _ watched: inout Set<String>) -> Bool {
    let mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_ONLYDIR
    let before = watched.count
    for directory in directories where !watched.contains(directory) {
      if inotify_add_watch(events, directory, UInt32(mask)) >= 0 { watched.insert(directory) }
    }
    return watched.count > before
  }

  /// Reads all that is there. True when any of it concerns a module or a sidecar, or when events were lost.
  private static func drain(_ events: Int32) -> Bool {
    var isNews = false
    withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: MemoryLayout<inotify_event>.alignment) { buffer in
      while true {
        let count = read(events, buffer.baseAddress, buffer.count)
        guard count > 0 else { return }
        var offset = 0
        while offset < count {
          let event = buffer.load(fromByteOffset: offset, as: inotify_event.self)
          if event.mask & UInt32(IN_Q_OVERFLOW) != 0 { isNews = true }
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
