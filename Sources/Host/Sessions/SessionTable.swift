import Providers
import Rundown

/// Every client session of the host that has not ended yet. Any thread may call.
public final class SessionTable: Sendable {
  private struct State {
    var sessions: [UInt64: ClientSession] = [:]
    var next: UInt64 = 1
    /// The sessions of processes that are known for certain. One that was ended may still be there while the process has its next.
    var processes: [Process: Shared] = [:]
  }

  private struct Shared {
    var session: ClientSession
    var calls = 1
    /// One of its calls was ended by a goodbye: that is the process's word, whatever becomes of the others.
    var saidGoodbye = false
  }

  private struct Process: Hashable {
    var id: Int32
    var start: UInt64
    var session: UInt64
    /// Whose word its calls are: connections of a process that changes its user have sessions of their own.
    var userID: UInt32
    var groupID: UInt32

    init?(_ identity: ClientIdentity) {
      guard identity.processStart != 0 else { return nil }
      (id, start, session) = (identity.processID, identity.processStart, identity.sessionNumber)
      (userID, groupID) = (identity.userID, identity.groupID)
    }
  }

  private let state = Locked<State>(State())

  public init() {}

  /// The sessions that live or drain, oldest first.
  public var sessions: [ClientSession] {
    state.withLock { state in state.sessions.values.sorted { $0.number < $1.number } }
  }

  /// Opens a session for a client. No provider hears of it before the client uses one (nsp.md L1).
  package func open(_ identity: ClientIdentity) -> ClientSession { state.withLock { open(identity, &$0) } }

  /// The session of a call: that of its process, if it has one, else a new one.
  func join(_ identity: ClientIdentity) -> ClientSession {
    state.withLock { state in
      guard let process = Process(identity) else { return open(identity, &state) }
      if let known = state.processes[process] {
        state.processes[process]?.calls += 1
        return known.session
      }
      let session = open(identity, &state)
      state.processes[process] = Shared(session: session)
      return session
    }
  }

  /// A call of the session is over.
  /// - Returns: How the session ends, if it was the last one: then it is the caller's to end, and the process's next call opens
  ///   another.
  func leave(_ session: ClientSession, _ ending: SessionEnding) -> SessionEnding? {
    state.withLock { state in
      guard let process = Process(session.identity), var known = state.processes[process], known.session === session else {
        return ending
      }
      known.calls -= 1
      if ending == .graceful { known.saidGoodbye = true }
      state.processes[process] = known.calls > 0 ? known : nil
      return known.calls > 0 ? nil : known.saidGoodbye ? .graceful : ending
    }
  }

  private func open(_ identity: ClientIdentity, _ state: inout State) -> ClientSession {
    let session = ClientSession(
      number: state.next, identity: identity,
      whenGone: { [weak self] session in
        self?.state.withLock { _ = $0.sessions.removeValue(forKey: session.number) }
        ChangeBell.sessions.ring()
      })
    state.sessions[session.number] = session
    state.next += 1
    ChangeBell.sessions.ring()
    return session
  }
}
