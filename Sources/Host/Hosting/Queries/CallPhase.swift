/// The phases of an asynchronous call and what each event makes of them. On the stack: the routine has not returned.
enum CallPhase: Sendable {
  case idle
  case running
  /// Completed while the routine is still on the stack.
  case answered(CallOutcome)
  /// Returned, not completed.
  case pending
  case abandonedRunning
  case abandonedAnswered
  case abandonedPending
  /// Abandoned, and its session has ended without it.
  case forsaken

  enum ReturnEffect: Sendable {
    case proceed(CallOutcome)
    case wait
    /// Somebody else has gone on in the meantime.
    case abandoned
    case releaseAbandoned
  }

  enum CompletionEffect: Sendable {
    case nothing
    case resume
    case release
    case letGo
  }

  var isAbandoned: Bool {
    switch self {
    case .abandonedRunning, .abandonedAnswered, .abandonedPending, .forsaken: true
    case .idle, .running, .answered, .pending: false
    }
  }

  var isUnanswered: Bool {
    switch self {
    case .running, .pending: true
    case .idle, .answered, .abandonedRunning, .abandonedAnswered, .abandonedPending, .forsaken: false
    }
  }

  mutating func returned() -> ReturnEffect {
    switch self {
    case .running:
      self = .pending
      return .wait
    case .answered(let outcome):
      self = .idle
      return .proceed(outcome)
    case .abandonedRunning:
      self = .abandonedPending
      return .abandoned
    case .abandonedAnswered:
      self = .idle
      return .releaseAbandoned
    case .idle, .pending, .abandonedPending, .forsaken: preconditionFailure("a routine returned twice")
    }
  }

  mutating func completed(_ outcome: CallOutcome) -> CompletionEffect {
    switch self {
    case .running:
      self = .answered(outcome)
      return .nothing
    case .pending:
      self = .idle
      return .resume
    case .abandonedRunning:
      self = .abandonedAnswered
      return .nothing
    case .abandonedPending:
      self = .idle
      return .release
    case .forsaken:
      self = .idle
      return .letGo
    case .idle, .answered, .abandonedAnswered: preconditionFailure("a dead handle completed a call")
    }
  }

  mutating func abandon() -> Bool {
    switch self {
    case .running: self = .abandonedRunning
    case .answered: self = .abandonedAnswered
    case .pending: self = .abandonedPending
    case .idle, .abandonedRunning, .abandonedAnswered, .abandonedPending, .forsaken: return false
    }
    return true
  }

  /// True when the call is one that nobody waits for, and whose routine has returned.
  mutating func forsake() -> Bool {
    guard case .abandonedPending = self else { return false }
    self = .forsaken
    return true
  }
}
