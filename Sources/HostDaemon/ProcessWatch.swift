import CLinux
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
    poll = nsp_poll_create()
    wake = nsp_eventfd()
    guard poll >= 0, wake >= 0, nsp_poll_add(poll, wake, UInt32(NSP_READ), 0) == 0 else { return nil }
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

  /// Takes over the pidfd. `whenGone` is called once, on the watch's thread, unless the watch is cancelled before; it must not wait.
  func watch(_ descriptor: Int32, whenGone: @escaping @Sendable () -> Void) -> UInt64 {
    let number = next.add(1, ordering: .relaxed).oldValue
    watched.withLock { $0[number] = Watched(descriptor: descriptor, whenGone: whenGone) }
    if nsp_poll_add(poll, descriptor, UInt32(NSP_READ), number) != 0 { cancel(number) }
    return number
  }

  func cancel(_ number: UInt64) {
    guard let one = watched.withLock({ $0.removeValue(forKey: number) }) else { return }
    nsp_poll_remove(poll, one.descriptor)
    close(one.descriptor)
  }

  /// Ends the thread.
  func stop() { nsp_eventfd_signal(wake) }

  private func run() {
    var number: UInt64 = 0
    // No deadline: `stop` wakes it.
    while nsp_poll_wait(poll, &number, 1, -1) == 1, number != 0 {
      let gone = watched.withLock { $0[number] }
      cancel(number)
      gone?.whenGone()
    }
  }
}
