import CWinsock
import Dispatch
import Providers
import QuerySets
import Rundown

/// The session of one client at one provider: started once, carried through every call, and ended by exactly one Cleanup or
/// Rundown after every other routine call has returned (nsp.md §5.4).
///
/// Whoever calls the provider for this client holds `gate` meanwhile: from before the routine is called until it has returned,
/// for an asynchronous call until it is completed, for a lookup until its End has returned.
public final class StartedSession: Sendable {
  public let provider: Provider
  public let gate = RundownGate()
  private let lifecycle = Locked<Lifecycle>(Lifecycle())
  private let whenEnded: @Sendable (StartedSession) -> Void

  /// - Parameter whenEnded: Called once, without a lock, when the session has ended or turned out never to have begun.
  init(provider: Provider, whenEnded: @escaping @Sendable (StartedSession) -> Void) {
    self.provider = provider
    self.whenEnded = whenEnded
  }

  public var state: Lifecycle.State { lifecycle.withLock { $0.state } }

  /// Makes sure that the provider's startup has succeeded and gives its argument. The first user calls the startup; others
  /// that come meanwhile wait for its result, up to the provider's deadline (nsp.md L2, L3, L5).
  /// - Parameter context: What the startup is told.
  public func use(_ context: CallContext) -> Result<SessionArgument, WinsockError> {
    switch lifecycle.withLock({ $0.use() }) {
    case .go(let argument): return .success(argument)
    case .refuse(let error): return .failure(error)
    case .callStartup: return start(context)
    case .wait(let promise):
      return promise.wait(for: provider.deadline) ?? .failure(.tryAgain)
    }
  }

  private func start(_ context: CallContext) -> Result<SessionArgument, WinsockError> {
    let result: Result<SessionArgument, WinsockError>
    if provider.gate.enter() {
      result = provider.call(.startup) { $0.startup(provider.id, context) } ?? .failure(.tryAgain)
      if case .failure(let error) = result {
        provider.ledger.record(.failedStartup)
        provider.condition.started(error)
        provider.gate.leave()
      } else {
        provider.ledger.record(.startup)
        provider.condition.started(nil)
      }
    } else {
      result = .failure(.serviceNotFound)
    }
    let (waiting, end) = lifecycle.withLock { $0.started(result) }
    ChangeBell.sessions.ring()
    for promise in waiting { promise.resolve(result) }
    perform(end)
    return result
  }

  /// Ends the session: no new use; the last one out makes the final call. Asked twice, the first ending counts.
  func end(_ ending: SessionEnding) {
    perform(lifecycle.withLock { $0.end(ending) })
    ChangeBell.sessions.ring()
  }

  private func perform(_ effect: Lifecycle.EndEffect) {
    switch effect {
    case .nothing: break
    case .neverBegan: whenEnded(self)
    case .drain(let ending): drain(ending)
    }
  }

  private func drain(_ ending: SessionEnding) {
    let isEmpty = gate.closeReportingEmpty(orWhenDrained: { [self] in
      // The last one out may be a thread of the provider, inside its completion: never call it back on that stack.
      HostThreads.run { self.finish(ending) }
    })
    guard isEmpty else { return }
    // A provider that keeps threads must not keep the one that ends the session.
    if provider.isBlocking { HostThreads.run { self.finish(ending) } } else { finish(ending) }
  }

  private func finish(_ ending: SessionEnding) {
    guard let argument = lifecycle.withLock({ $0.finish() }) else { return }
    if ending == .abrupt, provider.routines.entry(.clientSessionRundown) != .stub {
      provider.end(.clientSessionRundown) { $0.clientSessionRundown(provider.id, argument) }
      provider.ledger.record(.rundown)
    } else {
      provider.end(.cleanup) { $0.cleanup(provider.id, argument) }
      provider.ledger.record(.cleanup)
    }
    whenEnded(self)
    provider.gate.leave()
  }
}

/// The place of one who waits for somebody else's startup call.
typealias StartupPromise = Promise<Result<SessionArgument, WinsockError>>

/// The states of a `StartedSession` and what each event makes of them: absent → starting → live → draining → ended.
public struct Lifecycle: Sendable {
  public enum State: Sendable, Equatable {
    case absent
    /// The ending is set when the client left while the startup was still running.
    case starting(ending: SessionEnding?)
    case live(SessionArgument)
    case draining(SessionArgument)
    case ended
  }

  enum UseEffect {
    case callStartup
    case wait(StartupPromise)
    case go(SessionArgument)
    case refuse(WinsockError)
  }

  enum EndEffect: Equatable {
    case nothing
    case neverBegan
    case drain(SessionEnding)
  }

  private(set) var state: State = .absent
  private var waiting: [StartupPromise] = []

  mutating func use() -> UseEffect {
    switch state {
    case .absent:
      state = .starting(ending: nil)
      return .callStartup
    case .starting(nil):
      let promise = StartupPromise()
      waiting.append(promise)
      return .wait(promise)
    case .live(let argument): return .go(argument)
    case .starting, .draining, .ended: return .refuse(.cancelled)
    }
  }

  mutating func started(_ result: Result<SessionArgument, WinsockError>) -> (waiting: [StartupPromise], end: EndEffect) {
    defer { waiting = [] }
    guard case .starting(let ending) = state else { return (waiting, .nothing) }
    switch (result, ending) {
    case (.success(let argument), nil):
      state = .live(argument)
      return (waiting, .nothing)
    case (.success(let argument), .some(let ending)):
      state = .draining(argument)
      return (waiting, .drain(ending))
    case (.failure, nil):
      state = .absent
      return (waiting, .nothing)
    case (.failure, .some):
      state = .ended
      return (waiting, .neverBegan)
    }
  }

  mutating func end(_ ending: SessionEnding) -> EndEffect {
    switch state {
    case .absent:
      state = .ended
      return .neverBegan
    case .starting(nil):
      state = .starting(ending: ending)
      return .nothing
    case .live(let argument):
      state = .draining(argument)
      return .drain(ending)
    case .starting, .draining, .ended: return .nothing
    }
  }

  /// The one who gets the argument makes the final call.
  mutating func finish() -> SessionArgument? {
    guard case .draining(let argument) = state else { return nil }
    state = .ended
    return argument
  }
}
