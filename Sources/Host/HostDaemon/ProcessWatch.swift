import CLinux
import Glibc
import Rundown

/// Notices that processes end, also while others hold their sockets open: one thread that waits for all of their pidfds.
final class ProcessWatch: Sendable {
  private struct Watched: Sendable {
    let process: ProcessName
    let descriptor: Int32
    var whenGone: [UInt64: @Sendable () -> Void] = [:]
  }

  /// A process by a name that is never used again.
  private struct ProcessName: Hashable {
    var id: Int32
    var start: UInt64
  }

  private struct State {
    var last: UInt64 = 0
    var watched: [UInt64: Watched] = [:]
    var numbers: [ProcessName: UInt64] = [:]

    mutating func number() -> UInt64 {
      last += 1
      return last
    }

    mutating func remove(_ number: UInt64) -> Watched? {
      guard let one = watched.removeValue(forKey: number) else { return nil }
      numbers[one.process] = nil
      return one
    }
  }

  /// What to cancel a watch by.
  struct Ticket: Sendable {
    fileprivate var process: UInt64
    fileprivate var place: UInt64
  }

  private let poll: Descriptor
  private let wake: Descriptor
  private let state = Locked<State>(State())

  init?() {
    guard let poll = Descriptor(nsp_poll_create()), let wake = Descriptor(nsp_eventfd()),
      nsp_poll_add(poll.number, wake.number, UInt32(NSP_READ), 0) == 0
    else { return nil }
    self.poll = poll
    self.wake = wake
    guard OwnThread.start({ self.run() }) else { return nil }
  }

  /// Takes over the pidfd; a process has one here, however many watch it. `whenGone` is called once, on the watch's thread, unless the
  /// watch is cancelled before; it must not wait.
  func watch(_ process: PeerProcess, whenGone: @escaping @Sendable () -> Void) -> Ticket {
    let name = ProcessName(id: process.identity.processID, start: process.identity.processStart)
    let (ticket, isNew): (Ticket, Bool) = state.withLock { state in
      let known = state.numbers[name]
      let number = known ?? state.number()
      let place = state.number()
      state.watched[number, default: Watched(process: name, descriptor: process.descriptor)].whenGone[place] = whenGone
      state.numbers[name] = number
      return (Ticket(process: number, place: place), known == nil)
    }
    if !isNew {
      close(process.descriptor)
    } else if nsp_poll_add(poll.number, process.descriptor, UInt32(NSP_READ), ticket.process) != 0 {
      cancel(ticket)
    }
    return ticket
  }

  func cancel(_ ticket: Ticket) {
    let last = state.withLock { state in
      state.watched[ticket.process]?.whenGone[ticket.place] = nil
      return state.watched[ticket.process]?.whenGone.isEmpty == true ? state.remove(ticket.process) : nil
    }
    if let last { letGo(last) }
  }

  private func letGo(_ one: Watched) {
    nsp_poll_remove(poll.number, one.descriptor)
    close(one.descriptor)
  }

  /// Ends the thread.
  func stop() { nsp_eventfd_signal(wake.number) }

  private func run() {
    var ready = nsp_ready()
    // No deadline: `stop` wakes it.
    while nsp_poll_wait(poll.number, &ready, 1, -1) == 1, ready.number != 0 {
      let number = ready.number
      guard let gone = state.withLock({ $0.remove(number) }) else { continue }
      letGo(gone)
      for action in gone.whenGone.values { action() }
    }
  }
}
