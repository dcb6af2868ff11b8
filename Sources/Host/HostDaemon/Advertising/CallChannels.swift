import CLinux
import Dispatch
import Glibc
import Providers
import Rundown
import Synchronization
import Wire

/// The channels to one provider's process: each call takes one for itself, and where all are taken there is another one, up to a bound.
///
/// Nobody waits for an End, and a process that sleeps is not woken for it: it waits for the next call on the same channel, which it goes
/// before, but not for longer than a moment.
final class CallChannels: Sendable {
  private struct State {
    /// The one that was used last is used next: its thread is awake.
    var idle: [CallChannel] = []
    /// Every one that is not let go of, those that are taken among them.
    var known: [ObjectIdentifier: CallChannel] = [:]
    /// Those whose routines have not returned for longer than they may.
    var abandoned: [CallChannel] = []
    /// What ran on those that were let go of, the first ones.
    var interrupted: [ProviderCall] = []
    /// Ends will be sent that nothing has followed, those that were kept before the last sweep.
    var isSweepDue = false
    var sweeps = 0
    var isOver = false
  }

  private let state = Locked<State>(State())
  /// Signalled when a channel is given back while somebody waits for one.
  private let freed = DispatchSemaphore(value: 0)
  private let waiting = Atomic<Int>(0)
  /// Signalled when Ends may have returned while somebody waits for some.
  private let settled = DispatchSemaphore(value: 0)
  private let settling = Atomic<Int>(0)
  private let maximum: Int
  private let grace: Duration
  private let send: @Sendable (Int32) -> Bool
  private let whenHung: @Sendable () -> Void

  /// How long an End waits for a call that it can go with.
  private static let moment: Duration = .milliseconds(2)

  /// - Parameters:
  ///   - maximum: How many there are at most.
  ///   - grace: How long an End may take.
  ///   - send: Sends a descriptor to the provider's process; false when that can't be done now.
  ///   - whenHung: Told of each End that takes longer. It must not wait.
  init(
    maximum: Int, grace: Duration, send: @escaping @Sendable (Int32) -> Bool, whenHung: @escaping @Sendable () -> Void
  ) {
    (self.maximum, self.grace, self.send, self.whenHung) = (maximum, grace, send, whenHung)
  }

  /// A channel for one call; nil when the provider's process is gone, or none was free in time.
  func take(until deadline: MonotonicTime) -> CallChannel? {
    while true {
      let (idle, isOver, mayGrow) = state.withLock { state in
        if state.idle.isEmpty, state.known.count >= maximum { letGoOfReturned(&state) }
        return (state.idle.popLast(), state.isOver, state.known.count < maximum)
      }
      if let idle { return idle }
      if isOver { return nil }
      if mayGrow, let channel = grow() { return channel }
      waiting.add(1, ordering: .sequentiallyConsistent)
      defer { waiting.subtract(1, ordering: .sequentiallyConsistent) }
      if let channel = state.withLock({ $0.idle.popLast() }) { return channel }
      guard deadline > MonotonicTime.now else { return nil }
      // Another process may have given up descriptors by then.
      _ = freed.wait(timeout: .now() + .milliseconds(20))
    }
  }

  private func letGoOfReturned(_ state: inout State) {
    for channel in state.abandoned where channel.hasSomething { state.known[ObjectIdentifier(channel)] = nil }
    state.abandoned.removeAll(where: \.hasSomething)
  }

  private func grow() -> CallChannel? {
    guard let (channel, far) = CallChannel.make() else { return nil }
    defer { close(far) }
    let isKnown = state.withLock { state in
      guard !state.isOver else { return false }
      state.known[ObjectIdentifier(channel)] = channel
      return true
    }
    guard isKnown else { return nil }
    guard send(far) else {
      drop(channel)
      return nil
    }
    return channel
  }

  func give(_ channel: CallChannel) {
    state.withLock { if !$0.isOver { $0.idle.append(channel) } }
    tellThoseWhoWait()
  }

  private func tellThoseWhoWait() {
    if waiting.load(ordering: .sequentiallyConsistent) > 0 { freed.signal() }
    for _ in 0..<settling.load(ordering: .sequentiallyConsistent) { settled.signal() }
  }

  /// Its process is gone, or it is held up for good.
  func drop(_ channel: CallChannel) {
    channel.hangUp()
    state.withLock { state in
      state.known[ObjectIdentifier(channel)] = nil
      if let running = channel.running, state.interrupted.count < 16 { state.interrupted.append(running) }
    }
    tellThoseWhoWait()
  }

  /// A routine does not return. Its thread is lost to the provider, so it counts on until it does.
  func abandon(_ channel: CallChannel) {
    channel.forgetEnds()
    state.withLock { state in
      state.abandoned.append(channel)
      if let running = channel.running, state.interrupted.count < 16 { state.interrupted.append(running) }
    }
    tellThoseWhoWait()
  }

  // MARK: Ends

  /// Ends a lookup, soon.
  /// - Parameter session: What ends the session comes behind it.
  func end(_ handle: UInt64, session: UInt64, until deadline: MonotonicTime) {
    // Not one that carries a call, which may wait for this very End.
    guard let channel = take(until: deadline) else { return }
    let isFirst = state.withLock { state in
      channel.keep(end: handle, of: session, sweep: state.sweeps)
      defer { state.isSweepDue = true }
      return !state.isSweepDue
    }
    give(channel)
    if isFirst { scheduleSweep() }
  }

  private func scheduleSweep() {
    HostTimers.after(Self.moment) { [weak self] in self?.sweep() }
  }

  /// Sends the Ends that nothing has followed.
  private func sweep() {
    let (channels, isMore) = state.withLock { state in
      let now = state.sweeps
      state.sweeps += 1
      let channels = state.idle.filter { $0.hasEnds(before: now) }
      state.idle.removeAll { $0.hasEnds(before: now) }
      // Those of channels that are at work follow their calls.
      state.isSweepDue = state.known.values.contains { $0.hasEnds(before: .max) }
      return (channels, state.isSweepDue)
    }
    if isMore { scheduleSweep() }
    // One that takes its time holds up no other.
    for channel in channels { HostThreads.run { self.finishEnds(channel, until: MonotonicTime.now + self.grace) } }
  }

  /// Has a channel's Ends done.
  private func finishEnds(_ channel: CallChannel, until deadline: MonotonicTime) {
    switch channel.finishEnds(until: deadline) {
    case .answer: give(channel)
    case .gone: drop(channel)
    case .late:
      abandon(channel)
      whenHung()
    }
  }

  /// Waits until the Ends of a session have returned.
  func settle(session: UInt64, until deadline: MonotonicTime) {
    // Before the look: what returns behind it is told.
    settling.add(1, ordering: .sequentiallyConsistent)
    defer { settling.subtract(1, ordering: .sequentiallyConsistent) }
    while true {
      let (mine, isBusy): (CallChannel?, Bool) = state.withLock { state in
        if let index = state.idle.firstIndex(where: { $0.hasEnd(of: session) }) { return (state.idle.remove(at: index), false) }
        return (nil, state.known.values.contains { $0.hasEnd(of: session) })
      }
      if let mine { finishEnds(mine, until: deadline) }
      guard isBusy else {
        if mine == nil { return }
        continue
      }
      let end = DispatchTime(uptimeNanoseconds: UInt64(max(0, deadline.nanoseconds)))
      guard settled.wait(timeout: end) == .success else { return }
    }
  }

  /// Whoever waits for an answer is told that none comes.
  /// - Returns: The routines that were running.
  func hangUp() -> [ProviderCall] {
    let (known, interrupted) = state.withLock { state in
      state.isOver = true
      (state.idle, state.abandoned) = ([], [])
      defer { state.known = [:] }
      return (Array(state.known.values), state.interrupted)
    }
    let running = interrupted + known.compactMap(\.running)
    for channel in known { channel.hangUp() }
    tellThoseWhoWait()
    return running
  }
}
