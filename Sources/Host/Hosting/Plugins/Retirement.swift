import Providers
import Rundown
import Sessions

/// Takes a provider out of use while calls run: no new calls; calls in progress end, or reach the provider's deadline; every
/// session gets its Cleanup. Then the provider is detached, though a call that was never completed keeps its file mapped.
///
/// Every step goes on by itself; none waits on a thread.
final class Retirement: Sendable {
  private enum Phase: Int {
    case finishingCalls
    case endingSessions
    case finished
  }

  private let provider: Provider
  private let sessions: SessionTable
  private let finished: @Sendable () -> Void
  private let phase = Locked<Phase>(.finishingCalls)
  private let timer = Locked<DeadlineTimer?>(nil)

  /// - Parameter finished: Called once, without a lock, on any thread of the host or on the one that begins.
  init(_ provider: Provider, _ sessions: SessionTable, finished: @escaping @Sendable () -> Void) {
    self.provider = provider
    self.sessions = sessions
    self.finished = finished
  }

  /// Begins. Calls out.
  func begin() {
    guard provider.isReplaced else { return endSessions() }
    // The last one out may be a thread of the provider: what follows calls it, and so runs elsewhere.
    let isIdle = provider.calls.closeReportingEmpty(orWhenDrained: { [self] in HostThreads.run { self.endSessions() } })
    if isIdle { endSessions() } else { after(provider.deadline, in: .finishingCalls) { $0.endSessions() } }
  }

  private func endSessions() {
    guard advance(to: .endingSessions) else { return }
    provider.calls.close()
    provider.gate.close()
    for session in sessions.sessions { session.detach(provider) }
    let isIdle = provider.gate.closeReportingEmpty(orWhenDrained: { [self] in HostThreads.run { self.finish() } })
    if isIdle { finish() } else { after(provider.deadline, in: .endingSessions) { $0.giveUp() } }
  }

  /// The deadline has passed: calls that were never completed no longer hold their sessions. What is left then are routines that
  /// have not returned, and the host's own final calls on threads that may be slow to come.
  private func giveUp() {
    for call in AsyncCall.unfinished.values where call.provider === provider { call.forsake() }
    after(max(provider.deadline, Provider.defaultDeadline), in: .endingSessions) { $0.finish() }
  }

  private func finish() {
    if advance(to: .finished) { finished() }
  }

  private func advance(to next: Phase) -> Bool {
    let isNews = phase.withLock { phase in
      guard phase.rawValue < next.rawValue else { return false }
      phase = next
      return true
    }
    if isNews { timer.withLock { $0 }?.cancel() }
    return isNews
  }

  private func after(_ span: Duration, in current: Phase, _ step: @escaping @Sendable (Retirement) -> Void) {
    let timer = DeadlineTimer(after: span) { [self] in HostThreads.run { step(self) } }
    self.timer.withLock { $0 = timer }
    // What was waited for may have come meanwhile, and found no timer to cancel.
    if phase.withLock({ $0 }) != current { timer.cancel() }
  }
}
