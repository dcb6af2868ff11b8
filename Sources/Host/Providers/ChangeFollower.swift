import Rundown

/// Looks at something at once, and again after one of several bells has rung, and tells whoever follows it when it is different. It looks on threads of
/// the host, never twice at a time, and pauses before each look, so that many changes at once are one look. It stops when it is released; a look
/// that has begun is completed.
public final class ChangeFollower: Sendable {
  /// What was found.
  public struct Look {
    /// Two looks with the same essence have found the same.
    var essence: [UInt8]
    var tell: () -> Void

    public init(essence: [UInt8], tell: @escaping () -> Void) { (self.essence, self.tell) = (essence, tell) }
  }

  private enum Phase {
    case idle
    case paused
    case looking
    /// A bell has rung since the look began.
    case outdated
  }

  private struct State {
    var phase = Phase.looking
    /// The essence of what was told last.
    var told: [UInt8]?
    var listening: [ChangeBell.Listening] = []
  }

  private let state = Locked(State())
  private let pause: Duration
  private let look: @Sendable () -> Look?

  /// - Parameter look: Nil if there is nothing to tell.
  public init(_ bells: [ChangeBell], pause: Duration = .milliseconds(100), _ look: @escaping @Sendable () -> Look?) {
    (self.pause, self.look) = (pause, look)
    let listening = bells.map { bell in bell.listen { [weak self] in self?.rung() } }
    state.withLock { $0.listening = listening }
    HostThreads.run { [weak self] in self?.perform() }
  }

  private func rung() {
    let begins = state.withLock { state in
      switch state.phase {
      case .idle:
        state.phase = .paused
        return true
      case .looking:
        state.phase = .outdated
        return false
      case .paused, .outdated: return false
      }
    }
    if begins { performLater() }
  }

  private func performLater() {
    HostTimers.after(pause) { [weak self] in
      guard let self else { return }
      state.withLock { $0.phase = .looking }
      perform()
    }
  }

  private func perform() {
    if let found = look() {
      let isNews = state.withLock { state in
        defer { state.told = found.essence }
        return state.told != found.essence
      }
      if isNews { found.tell() }
    }
    let isOutdated = state.withLock { state in
      defer { state.phase = state.phase == .outdated ? .paused : .idle }
      return state.phase == .outdated
    }
    if isOutdated { performLater() }
  }
}
