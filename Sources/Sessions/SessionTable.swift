import Providers
import Synchronization

/// Every client session of the host that has not ended yet. Any thread may call.
public final class SessionTable: Sendable {
  private struct State {
    var sessions: [UInt64: ClientSession] = [:]
    var next: UInt64 = 1
  }

  private let state = Mutex<State>(State())

  public init() {}

  /// The sessions that live or drain, oldest first.
  public var sessions: [ClientSession] {
    state.withLock { state in state.sessions.values.sorted { $0.number < $1.number } }
  }

  /// Opens a session for a client. No provider hears of it before the client uses one (nsp.md L1).
  package func open(_ identity: ClientIdentity) -> ClientSession {
    state.withLock { state in
      let session = ClientSession(
        number: state.next, identity: identity,
        whenGone: { [weak self] session in
          self?.state.withLock { _ = $0.sessions.removeValue(forKey: session.number) }
        })
      state.sessions[session.number] = session
      state.next += 1
      return session
    }
  }
}
