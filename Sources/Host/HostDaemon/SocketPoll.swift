import CLinux
import Dispatch
import Glibc
import Providers
import Rundown
import Synchronization

/// Something with a descriptor that the poll watches.
class Polled: @unchecked Sendable {
  // Unchecked: subclasses say why.
  /// Closed with this.
  let descriptor: Int32
  /// Who it is served for.
  let share: FairQueue<Polled>.Share
  /// It has a place in the queue: a second one would serve nothing.
  private let isQueued = Atomic<Bool>(false)
  private let hungUp = Atomic<Bool>(false)

  /// Takes over the descriptor.
  init(_ descriptor: Int32, of share: FairQueue<Polled>.Share) { (self.descriptor, self.share) = (descriptor, share) }

  deinit { close(descriptor) }

  /// Something has changed: there is more to read, or room to write, or the other end is gone. Said after each change, perhaps on
  /// several threads at once. May take its time.
  func ready() { preconditionFailure("a descriptor that nobody handles") }

  /// The other end has said that nothing more comes: there is an end to read behind whatever there is.
  final var hangsUp: Bool { hungUp.load(ordering: .acquiring) }

  fileprivate func noteHangUp() { hungUp.store(true, ordering: .releasing) }
  fileprivate func takesPlace() -> Bool { !isQueued.exchange(true, ordering: .acquiringAndReleasing) }
  fileprivate func leavesPlace() { isQueued.store(false, ordering: .releasing) }
}

/// Threads that share one epoll: whoever gets an event handles it on the spot, so that a request changes threads once, as it must. Where
/// several have something, users and processes take turns.
///
/// One thread is enough as long as it comes back for the next event: where several wait, the kernel wakes one that has gone to sleep
/// elsewhere. There are more while one is held up, so that a routine that never returns keeps one thread and nobody else, and while
/// they never find a moment's rest, up to one for each processor. Those that are not needed end soon.
final class SocketPoll: Sendable {
  private let poll: Descriptor
  /// Stays set once the threads are to end.
  private let wake: Descriptor
  /// Set each time that something is in the queue and every thread sleeps: one of them wakes.
  private let call: Descriptor
  private let polled = HandleTable<Polled>(kind: 27)
  private let threads: Locked<Threads>
  /// Of threads.
  private let maximum: Int
  private let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
  /// Events that were taken, for the look at whether anything moves.
  private let taken = Atomic<Int>(0)
  private let ended = RundownGate()

  private struct Threads {
    var count = 0
    /// Those that wait for events.
    var idle = 0
    var queue = FairQueue<Polled>()
    var isWatched = false
    var isStopping = false
    var shares: ThreadShares

    /// Somebody waits whom a thread may serve now.
    var hasWork: Bool { !queue.isEmpty && queue.hasTurn(of: shares.mayServe) }

    /// The next one whom a thread may serve. The queue is taken out meanwhile, so that nothing is copied.
    mutating func takeNext() -> Polled? {
      var waiting = FairQueue<Polled>()
      swap(&waiting, &queue)
      defer { swap(&waiting, &queue) }
      return waiting.popFirst(of: shares.mayServe)
    }
  }

  /// - Parameters:
  ///   - maximum: How many threads serve everybody at most; `ThreadShares` says whom.
  ///   - reserve: How many more there are for `users` and for the host's own descriptors.
  init?(maximum: Int = 512, reserve: Int = 0, for users: Set<UInt32> = []) {
    self.maximum = maximum + reserve
    threads = Locked(Threads(shares: ThreadShares(maximum: maximum, privileged: users)))
    guard let poll = Descriptor(nsp_poll_create()), let wake = Descriptor(nsp_eventfd()), let call = Descriptor(nsp_eventfd()),
      nsp_poll_add(poll.number, wake.number, UInt32(NSP_READ), 0) == 0,
      nsp_poll_add(poll.number, call.number, UInt32(NSP_READ) | UInt32(bitPattern: Int32(NSP_EDGE)), 0) == 0
    else { return nil }
    self.poll = poll
    self.wake = wake
    self.call = call
  }

  func start() { addThread() }

  /// Ends the threads, those that are not held up at once.
  func stop() {
    threads.withLock { $0.isStopping = true }
    nsp_eventfd_signal(wake.number)
    _ = ended.closeAndWait(until: .now() + 1)
  }

  // MARK: Descriptors

  /// A place for something that will be watched. Nil when there are too many.
  func place(_ one: Polled) -> Handle? { polled.insert(one) }

  private static let reading = UInt32(bitPattern: Int32(NSP_READ | NSP_HANGUP) | Int32(NSP_EDGE))

  /// Watches it from now on for something to read, or its end; what has happened already counts as a change.
  func watch(_ place: Handle, _ descriptor: Int32) -> Bool {
    nsp_poll_add(poll.number, descriptor, Self.reading, place.rawValue) == 0
  }

  /// Watches it for room to write, too, or no longer. Not all the time: the kernel would say so after each answer that is read.
  func watch(_ place: Handle, _ descriptor: Int32, forRoom: Bool) {
    _ = nsp_poll_change(poll.number, descriptor, Self.reading | (forRoom ? UInt32(NSP_WRITE) : 0), place.rawValue)
  }

  func remove(_ handle: Handle, _ descriptor: Int32) {
    nsp_poll_remove(poll.number, descriptor)
    _ = polled.remove(handle)
  }

  /// There is more to do for it than was done: it gets another turn. Any thread.
  func again(_ one: Polled) {
    guard one.takesPlace() else { return }
    let isAsleep = threads.withLock { state in
      state.queue.append(one, of: one.share)
      // One that is at work looks at the queue when it is done, and others come where that takes long.
      return state.idle == state.count
    }
    if isAsleep { nsp_eventfd_signal(call.number) }
  }

  // MARK: Threads

  private func addThread() {
    guard ended.enter() else { return }
    let number = threads.withLock { state in
      state.count += 1
      state.idle += 1
      return state.shares.addThread()
    }
    HostThreads.run { [self] in
      serve(on: number)
      ended.leave()
    }
  }

  private func serve(on number: Int) {
    withUnsafeTemporaryAllocation(of: nsp_ready.self, capacity: Int(NSP_MOST_EVENTS)) { events in
      // A thread that was added for the queue looks there first.
      var (isQueue, isWarm, patience) = (true, false, Patience())
      while true {
        let count = wait(events, isQueue: isQueue, isWarm: isWarm, &patience)
        switch step(UnsafeBufferPointer(rebasing: events[..<count]), mayEnd: !isQueue, on: number) {
        case .end: return
        case .wait: (isQueue, isWarm) = (false, false)
        case .gather: isQueue = true
        case .serve(let one, let startsWatch):
          taken.add(1, ordering: .relaxed)
          if startsWatch { HostThreads.run { self.watchThreads() } }
          one.leavesPlace()
          one.ready()
          isWarm = true
          isQueue = threads.withLock { state in
            state.idle += 1
            state.shares.rest(number)
            return !state.queue.isEmpty
          }
        }
      }
    }
  }

  /// How many events there are, after a while at most. Where somebody is in the queue those that have come take their places at once.
  private func wait(
    _ events: UnsafeMutableBufferPointer<nsp_ready>, isQueue: Bool, isWarm: Bool, _ patience: inout Patience
  ) -> Int {
    func poll(_ milliseconds: Int32) -> Int {
      Int(max(0, nsp_poll_wait(self.poll.number, events.baseAddress, Int32(events.count), milliseconds)))
    }
    if isQueue { return poll(0) }
    let soon = isWarm ? patience.look { poll(0) } : 0
    if soon > 0 { return soon }
    // The last one has no deadline; the others end where there is nothing for them.
    return poll(threads.withLock { $0.idle > 1 } ? 100 : -1)
  }

  private enum Step {
    case serve(Polled, startsWatch: Bool)
    case wait
    /// More may have come than fitted: all of it takes its place before the next turn is given.
    case gather
    case end
  }

  private func step(_ events: UnsafeBufferPointer<nsp_ready>, mayEnd: Bool, on number: Int) -> Step {
    // As a rule there is one: no array is made for it.
    var (first, others): (Polled?, [Polled]) = (nil, [])
    for event in events {
      guard let one = polled[Handle(rawValue: event.number)] else { continue }
      if event.hangsUp != 0 { one.noteHangUp() }
      guard one.takesPlace() else { continue }
      if first == nil { first = one } else { others.append(one) }
    }
    let (one, more) = (first, others)
    let isMore = events.count == Int(NSP_MOST_EVENTS)
    return threads.withLock { state in
      if state.isStopping || mayEnd && one == nil && !state.hasWork && state.idle > 1 {
        state.count -= 1
        state.idle -= 1
        state.shares.removeThread(number)
        return .end
      }
      let isAlone = more.isEmpty && state.queue.isEmpty && !isMore && one.map { state.shares.mayServe($0.share.user) } ?? true
      if !isAlone {
        if let one { state.queue.append(one, of: one.share) }
        for one in more { state.queue.append(one, of: one.share) }
      }
      if isMore { return .gather }
      guard let next = isAlone ? one : state.takeNext() else { return .wait }
      state.idle -= 1
      state.shares.serve(next.share.user, on: number)
      defer { state.isWatched = true }
      return .serve(next, startsWatch: !state.isWatched)
    }
  }

  /// Looks every other millisecond while there is something to do, whether there are threads enough.
  private func watchThreads() {
    var (busy, quiet) = (0, 0)
    while true {
      let before = taken.load(ordering: .relaxed)
      // Less often while nothing moves: some routine may never return.
      usleep(quiet < 100 ? 2_000 : 20_000)
      let isMoving = taken.load(ordering: .relaxed) != before
      if quiet % 50 == 49 { ProcessState.lookAtThreads() }
      let isShort: Bool? = threads.withLock { state in
        if quiet >= 100, state.idle == state.count, state.queue.isEmpty { state.isWatched = false }
        guard !state.isStopping, state.isWatched else { return nil }
        busy = state.idle == 0 ? busy + 1 : 0
        // Held up; or found at work at every look for a while.
        return isMoving ? busy >= 8 && state.count < processors : (busy > 0 || state.hasWork) && state.count < maximum
      }
      guard let isShort else { return }
      if isShort {
        busy = 0
        addThread()
      }
      quiet = isMoving || busy > 0 ? 0 : quiet + 1
    }
  }
}
