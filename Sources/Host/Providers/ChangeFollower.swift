import Rundown

/// Does something at once, and again whenever one of several bells has rung: on threads of the host, never twice at a time, and with a pause before
/// each time, so that many changes that come together count as one. It ends with its last reference; work that has begun then goes on to its end.
public final class ChangeFollower: Sendable {
  private enum Phase {
    case idle
    case paused
    case working
    /// A bell has rung since the work began.
    case outdated
  }

  private let phase = Locked(Phase.working)
  private let listening = Locked<[ChangeBell.Listening]>([])
  private let pause: Duration
  private let work: @Sendable () -> Void

  public init(_ bells: [ChangeBell], pause: Duration = .milliseconds(100), _ work: @escaping @Sendable () -> Void) {
    (self.pause, self.work) = (pause, work)
    listening.withLock { $0 = bells.map { bell in bell.listen { [weak self] in self?.rung() } } }
    HostThreads.run { [weak self] in self?.perform() }
  }

  private func rung() {
    let begins = phase.withLock { phase in
      switch phase {
      case .idle:
        phase = .paused
        return true
      case .working:
        phase = .outdated
        return false
      case .paused, .outdated: return false
      }
    }
    if begins { performLater() }
  }

  private func performLater() {
    HostTimers.after(pause) { [weak self] in
      guard let self else { return }
      phase.withLock { $0 = .working }
      perform()
    }
  }

  private func perform() {
    work()
    let isOutdated = phase.withLock { phase in
      defer { phase = phase == .outdated ? .paused : .idle }
      return phase == .outdated
    }
    if isOutdated { performLater() }
  }
}
