import Glibc
import Rundown
import Synchronization

/// Notices that processes end, also while others hold their sockets open: one thread that waits for all of their pidfds.
final class ProcessWatch: Sendable {
  private struct Watched: Sendable {
    let descriptor: Int32
    let whenGone: @Sendable () -> Void
  }

  private let poll: Int32
  private let wake: Int32
  private let watched = Mutex<[UInt64: Watched]>([:])
  private let next = Atomic<UInt64>(1)

  init?() {
    poll = epoll_create1(Int32(EPOLL_CLOEXEC.rawValue))
    wake = eventfd(0, Int32(EFD_CLOEXEC.rawValue | EFD_NONBLOCK.rawValue))
    guard poll >= 0, wake >= 0, add(wake, 0) else { return nil }
    var thread = pthread_t()
    // The thread's own reference; given up when it ends.
    let context = Unmanaged.passRetained(self).toOpaque()
    let status = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<ProcessWatch>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, context)
    guard status == 0 else {
      Unmanaged<ProcessWatch>.fromOpaque(context).release()
      return nil
    }
    pthread_detach(thread)
  }

  deinit {
    if poll >= 0 { close(poll) }
    if wake >= 0 { close(wake) }
  }

  private func add(_ descriptor: Int32, _ number: UInt64) -> Bool {
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: number))
    return epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) == 0
  }

  /// Takes over the pidfd. `whenGone` is called once, on the watch's thread, unless the watch is cancelled before; it must not wait.
  func watch(_ descriptor: Int32, whenGone: @escaping @Sendable () -> Void) -> UInt64 {
    let number = next.add(1, ordering: .relaxed).oldValue
    watched.withLock { $0[number] = Watched(descriptor: descriptor, whenGone: whenGone) }
    if !add(descriptor, number) { cancel(number) }
    return number
  }

  func cancel(_ number: UInt64) {
    guard let one = watched.withLock({ $0.removeValue(forKey: number) }) else { return }
    _ = epoll_ctl(poll, EPOLL_CTL_DEL, one.descriptor, nil)
    close(one.descriptor)
  }

  /// Ends the thread.
  func stop() { eventfd_write(wake, 1) }

  private func run() {
    var events = [epoll_event](repeating: epoll_event(), count: 64)
    while true {
      // No deadline: `stop` wakes it.
      let count = epoll_wait(poll, &events, Int32(events.count), -1)
      guard count >= 0 else {
        if errno == EINTR { continue }
        return
      }
      for event in events.prefix(Int(count)) {
        if event.data.u64 == 0 { return }
        let gone = watched.withLock { $0[event.data.u64] }
        cancel(event.data.u64)
        gone?.whenGone()
      }
    }
  }
}
