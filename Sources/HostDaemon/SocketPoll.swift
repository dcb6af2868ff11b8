import CLinux
import Dispatch
import Glibc
import Providers
import Rundown
import Synchronization

/// Something with a descriptor that the poll watches.
protocol Polled: AnyObject, Sendable {
  var descriptor: Int32 { get }
  /// Something has changed: there is more to read, or room to write, or the other end is gone. Said once for each change, perhaps
  /// on several threads at once. May take its time.
  func ready()
}

/// Threads that share one epoll: whoever gets an event handles it on the spot, so that a request changes threads once, as it must.
///
/// One thread is enough as long as it comes back for the next event: where several wait, the kernel wakes one that has gone to sleep
/// elsewhere. There are more while one is held up, so that a routine that never returns keeps one thread and nobody else, and while
/// they never find a moment's rest, up to one for each processor. Those that are not needed end soon.
final class SocketPoll: Sendable {
  private let poll: Int32
  private let wake: Int32
  private let polled = HandleTable<any Polled>(kind: 27)
  private let threads = Mutex<Threads>(Threads())
  private let maximum: Int
  private let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
  /// Events that were taken, for the look at whether anything moves.
  private let taken = Atomic<Int>(0)
  private let ended = RundownGate()

  private struct Threads {
    var count = 0
    var idle = 0
    var isWatched = false
    var isStopping = false
  }

  init?(maximum: Int = 512) {
    poll = nsp_poll_create()
    wake = nsp_eventfd()
    self.maximum = maximum
    guard poll >= 0, wake >= 0, nsp_poll_add(poll, wake, UInt32(NSP_READ), 0) == 0 else { return nil }
  }

  deinit {
    if poll >= 0 { close(poll) }
    if wake >= 0 { close(wake) }
  }

  func start() { addThread() }

  /// Ends the threads, those that are not held up at once.
  func stop() {
    threads.withLock { $0.isStopping = true }
    nsp_eventfd_signal(wake)
    _ = ended.closeAndWait(until: .now() + 1)
  }

  // MARK: Descriptors

  /// A place for something that will be watched. Nil when there are too many.
  func place(_ one: any Polled) -> Handle? { polled.insert(one) }

  /// Watches it from now on; what has happened already counts as a change.
  func watch(_ place: Handle, _ descriptor: Int32) -> Bool {
    let everything = UInt32(bitPattern: Int32(NSP_READ | NSP_WRITE | NSP_HANGUP) | Int32(NSP_EDGE))
    return nsp_poll_add(poll, descriptor, everything, place.rawValue) == 0
  }

  func remove(_ handle: Handle, _ descriptor: Int32) {
    nsp_poll_remove(poll, descriptor)
    _ = polled.remove(handle)
  }

  // MARK: Threads

  private func addThread() {
    guard ended.enter() else { return }
    threads.withLock { state in
      state.count += 1
      state.idle += 1
    }
    HostThreads.run { [self] in
      serve()
      ended.leave()
    }
  }

  private func serve() {
    var event = nsp_ready()
    while true {
      let count = nsp_poll_wait(poll, &event, 100)
      let (isOver, startsWatch): (Bool, Bool) = threads.withLock { state in
        if state.isStopping || count == 0 && state.idle > 1 {
          state.count -= 1
          state.idle -= 1
          return (true, false)
        }
        guard count > 0 else { return (false, false) }
        state.idle -= 1
        defer { state.isWatched = true }
        return (false, !state.isWatched)
      }
      if isOver { return }
      guard count > 0 else { continue }
      taken.add(1, ordering: .relaxed)
      if startsWatch { HostThreads.run { self.watchThreads() } }
      polled[Handle(rawValue: event.number)]?.ready()
      threads.withLock { $0.idle += 1 }
    }
  }

  /// Looks every other millisecond, while there is something to do, whether there are threads enough.
  private func watchThreads() {
    var (busy, quiet) = (0, 0)
    while quiet < 500 {
      let before = taken.load(ordering: .relaxed)
      usleep(2_000)
      let isMoving = taken.load(ordering: .relaxed) != before
      let isShort: Bool? = threads.withLock { state in
        guard !state.isStopping else { return nil }
        busy = state.idle == 0 ? busy + 1 : 0
        // Held up; or found at work at every look for a while.
        return isMoving ? busy >= 8 && state.count < processors : busy > 0 && state.count < maximum
      }
      guard let isShort else { return }
      if isShort {
        busy = 0
        addThread()
      }
      quiet = isMoving || busy > 0 ? 0 : quiet + 1
    }
    threads.withLock { $0.isWatched = false }
  }
}
