import CLinux
import Dispatch
import Glibc
import Providers
import Synchronization
import Wire

/// The channels to one provider's process: each call takes one for itself, and where all are taken there is another one, up to a bound.
final class CallChannels: Sendable {
  private struct State {
    var idle: [CallChannel] = []
    /// Their Ends have not been answered, and nobody waits for that.
    var ending: [Ending] = []
    /// Every one that is not let go of, those that are taken among them.
    var known: [ObjectIdentifier: CallChannel] = [:]
    /// What ran on those that were let go of, the first ones.
    var interrupted: [ProviderCall] = []
    var isOver = false
  }

  private struct Ending: Sendable {
    var channel: CallChannel
    var session: UInt64
    var since = MonotonicTime.coarse
  }

  private let state = Mutex<State>(State())
  /// Signalled when a channel is given back while somebody waits for one.
  private let freed = DispatchSemaphore(value: 0)
  private let waiting = Atomic<Int>(0)
  private let maximum: Int
  private let grace: Duration
  private let send: @Sendable (Int32) -> Bool
  private let whenHung: @Sendable () -> Void

  /// - Parameters:
  ///   - grace: How long an End may take.
  ///   - maximum: How many there are at most.
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
      if let channel = state.withLock({ takeIdle(&$0) }) { return channel }
      let (isOver, mayGrow) = state.withLock { ($0.isOver, $0.known.count < maximum) }
      if isOver { return nil }
      if mayGrow, let channel = grow() { return channel }
      // One of those that end, or one that somebody else gives back.
      waiting.add(1, ordering: .sequentiallyConsistent)
      defer { waiting.subtract(1, ordering: .sequentiallyConsistent) }
      if let channel = state.withLock({ takeIdle(&$0) }) { return channel }
      guard deadline.nanoseconds > MonotonicTime.now.nanoseconds else { return nil }
      _ = freed.wait(timeout: .now() + .milliseconds(2))
    }
  }

  private func takeIdle(_ state: inout State) -> CallChannel? {
    if let channel = state.idle.popLast() { return channel }
    settle(&state)
    return state.idle.popLast()
  }

  /// Those whose Ends have been answered are idle again.
  private func settle(_ state: inout State) {
    state.ending.removeAll { ending in
      switch ending.channel.answerNow() {
      case .late:
        guard MonotonicTime.coarse - ending.since > grace else { return false }
        // One that has hung for long comes to nothing.
        state.known[ObjectIdentifier(ending.channel)] = nil
        whenHung()
      case .answer: state.idle.append(ending.channel)
      case .gone: state.known[ObjectIdentifier(ending.channel)] = nil
      }
      return true
    }
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
    wake()
  }

  /// Its process is gone, or it is held up for good.
  func drop(_ channel: CallChannel) {
    channel.hangUp()
    state.withLock { state in
      state.known[ObjectIdentifier(channel)] = nil
      if let running = channel.running, state.interrupted.count < 16 { state.interrupted.append(running) }
    }
    wake()
  }

  /// An End was sent on it, for which nobody waits.
  func giveEnding(_ channel: CallChannel, session: UInt64) {
    state.withLock { if !$0.isOver { $0.ending.append(Ending(channel: channel, session: session)) } }
    wake()
  }

  private func wake() { if waiting.load(ordering: .sequentiallyConsistent) > 0 { freed.signal() } }

  /// Waits until the Ends of a session have returned: what ends the session comes behind them.
  func settle(session: UInt64, until deadline: MonotonicTime) {
    while true {
      // Taken out: nobody else may read its answer meanwhile.
      let ending: Ending? = state.withLock { state in
        guard let index = state.ending.firstIndex(where: { $0.session == session }) else { return nil }
        return state.ending.remove(at: index)
      }
      guard let ending else { return }
      switch ending.channel.answer(until: deadline) {
      case .answer: give(ending.channel)
      case .gone: drop(ending.channel)
      case .late:
        giveEnding(ending.channel, session: session)
        return
      }
    }
  }

  /// Whoever waits for an answer is told that none comes.
  /// - Returns: The routines that were running.
  func hangUp() -> [ProviderCall] {
    let (known, interrupted) = state.withLock { state in
      state.isOver = true
      state.idle = []
      state.ending = []
      defer { state.known = [:] }
      return (Array(state.known.values), state.interrupted)
    }
    let running = interrupted + known.compactMap(\.running)
    for channel in known { channel.hangUp() }
    wake()
    return running
  }
}
