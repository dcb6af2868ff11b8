import CLinux
import Dispatch
import Glibc
import Providers
import Rundown
import Synchronization

/// What a descriptor can be watched for.
enum Readiness {
  static let read = UInt32(NSP_READ | NSP_HANGUP)
  static let write = UInt32(NSP_WRITE)
}

/// Something with a descriptor that the poll watches.
protocol Polled: AnyObject, Sendable {
  var descriptor: Int32 { get }
  /// The descriptor is ready, and is not watched again before `SocketPoll.watch`. May take its time.
  func ready(_ poll: SocketPoll, _ events: UInt32)
}

/// Threads that share one epoll: whoever gets an event handles it on the spot, so that a request changes threads once, as it must.
///
/// There are a few threads, and more as long as all of them are held up: a routine of a provider that never returns keeps one, and
/// nobody else waits for it. Threads that were not needed for a while end.
final class SocketPoll: Sendable {
  private let poll: Int32
  private let wake: Int32
  private let polled = HandleTable<any Polled>(kind: 27)
  private let threads = Mutex<Threads>(Threads())
  private let minimum: Int
  private let maximum: Int
  /// Events that were taken, for the look at whether anything moves.
  private let taken = Atomic<Int>(0)
  private let ended = RundownGate()

  private struct Threads {
    var count = 0
    var idle = 0
    var isWatched = false
    var isStopping = false
  }

  init?(minimum: Int = 3, maximum: Int = 512) {
    poll = nsp_poll_create()
    wake = nsp_eventfd()
    (self.minimum, self.maximum) = (minimum, maximum)
    guard poll >= 0, wake >= 0, nsp_poll_add(poll, wake, UInt32(NSP_READ), 0) == 0 else { return nil }
  }

  deinit {
    if poll >= 0 { close(poll) }
    if wake >= 0 { close(wake) }
  }

  func start() { for _ in 0..<minimum { addThread() } }

  /// Ends the threads, those that are not held up at once.
  func stop() {
    threads.withLock { $0.isStopping = true }
    nsp_eventfd_signal(wake)
    _ = ended.closeAndWait(until: .now() + 1)
  }

  // MARK: Descriptors

  /// Starts to know a descriptor; `watch` arms it. Nil when there are too many, or the kernel refuses.
  func add(_ one: any Polled) -> Handle? {
    guard let handle = polled.insert(one) else { return nil }
    guard nsp_poll_add(poll, one.descriptor, UInt32(NSP_ONCE), handle.rawValue) == 0 else {
      _ = polled.remove(handle)
      return nil
    }
    return handle
  }

  /// Waits for one event of the descriptor.
  func watch(_ handle: Handle, _ descriptor: Int32, _ events: UInt32) {
    _ = nsp_poll_change(poll, descriptor, events | UInt32(NSP_ONCE), handle.rawValue)
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
      // Wakes now and then to end where it is not needed.
      let count = nsp_poll_wait(poll, &event, 10_000)
      let (isOver, isLast): (Bool, Bool) = threads.withLock { state in
        if state.isStopping || count == 0 && state.count > minimum {
          state.count -= 1
          state.idle -= 1
          return (true, false)
        }
        guard count > 0 else { return (false, false) }
        state.idle -= 1
        let isLast = state.idle == 0 && !state.isWatched && state.count < maximum
        if isLast { state.isWatched = true }
        return (false, isLast)
      }
      if isOver { return }
      guard count > 0 else { continue }
      taken.add(1, ordering: .relaxed)
      if isLast { HostThreads.run { self.watchThreads() } }
      polled[Handle(rawValue: event.number)]?.ready(self, event.events)
      threads.withLock { $0.idle += 1 }
    }
  }

  /// All threads are at work. As long as none of them comes back for the next event, there is one more every other millisecond.
  private func watchThreads() {
    while true {
      let before = taken.load(ordering: .relaxed)
      usleep(2_000)
      let isHeldUp = taken.load(ordering: .relaxed) == before
      let goesOn = threads.withLock { state in
        let goesOn = state.idle == 0 && state.count < maximum && !state.isStopping
        if !goesOn { state.isWatched = false }
        return goesOn
      }
      guard goesOn else { return }
      if isHeldUp { addThread() }
    }
  }
}
