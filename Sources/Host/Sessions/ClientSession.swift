import Providers
import QuerySets
import Rundown

/// Something that a client holds open and that ends with its session: a lookup, a registration in progress.
public protocol ClientResource: AnyObject, Sendable {
  /// Ends it for the client, at once; what it still owes its provider goes on behind the scenes. Calls out; may be repeated.
  func end()
  /// Lets go of one provider that is being detached. Calls out.
  func drop(_ provider: Provider)
}

/// The session of one client process: what it has open, and its `StartedSession` for each provider that it has used.
public final class ClientSession: Sendable {
  public let number: UInt64
  public let identity: ClientIdentity
  public let opened = MonotonicTime.now
  /// The handles that the client knows, and what they name.
  public let resources = HandleTable<any ClientResource>(kind: 1)

  private struct State {
    var isOpen = true
    var providers: [StartedSession] = []
    var whenEnded: [@Sendable () -> Void] = []
  }

  private let state = Locked<State>(State())
  private let whenGone: @Sendable (ClientSession) -> Void

  /// - Parameter whenGone: Called once, without a lock, when the last provider has been told.
  init(number: UInt64, identity: ClientIdentity, whenGone: @escaping @Sendable (ClientSession) -> Void) {
    self.number = number
    self.identity = identity
    self.whenGone = whenGone
  }

  public var isOpen: Bool { state.withLock { $0.isOpen } }

  /// No provider has heard of this client.
  var isUnused: Bool { state.withLock { $0.providers.isEmpty } }

  public var providerSessions: [StartedSession] { state.withLock { $0.providers } }

  /// This client's session at a provider, started if need be. Calls out to the provider's startup.
  /// - Parameter query: The number of the query or registration that needs it.
  public func use(_ provider: Provider, query: UInt64 = 0) -> Result<(StartedSession, SessionArgument), WinsockError> {
    let session: StartedSession? = state.withLock { state in
      guard state.isOpen else { return nil }
      if let known = state.providers.first(where: { $0.provider === provider }) { return known }
      let new = StartedSession(provider: provider, whenEnded: { [weak self] in self?.forget($0) })
      state.providers.append(new)
      return new
    }
    guard let session else { return .failure(.cancelled) }
    return session.use(CallContext(query: query, client: identity.record)).map { (session, $0) }
  }

  /// Gives the client a handle for a resource. Nil when the session has ended: then the caller ends the resource itself.
  public func adopt(_ resource: any ClientResource) -> Handle? {
    guard let handle = resources.insert(resource) else { return nil }
    // Looked at after the insertion: either this sees the end, or the end sees the resource.
    if !isOpen, resources.remove(handle) != nil { return nil }
    ChangeBell.sessions.ring()
    return handle
  }

  /// The client has nothing open by this handle any more.
  public func forget(_ handle: Handle) {
    _ = resources.remove(handle)
    ChangeBell.sessions.ring()
  }

  /// Ends the session, for the session layer alone: everything open is ended, then each provider gets its final call once its last call has returned.
  /// Returns without waiting for that. Asked twice, the first ending counts.
  /// - Parameter finished: Called once every provider has been told; at once when nothing was in progress.
  package func end(_ ending: SessionEnding, finished: @escaping @Sendable () -> Void = {}) {
    enum Course {
      case first([StartedSession])
      case underWay
      case over
    }
    let course: Course = state.withLock { state in
      if state.isOpen {
        state.isOpen = false
        state.whenEnded.append(finished)
        return .first(state.providers)
      }
      if state.providers.isEmpty { return .over }
      state.whenEnded.append(finished)
      return .underWay
    }
    switch course {
    case .first(let sessions):
      ChangeBell.sessions.ring()
      for resource in resources.values { resource.end() }
      if sessions.isEmpty { gone() } else { for session in sessions { session.end(ending) } }
    case .underWay: break
    case .over: finished()
    }
  }

  /// Has something done once every provider has been told of the end; at once where that is so already.
  public func afterEnd(_ action: @escaping @Sendable () -> Void) {
    let isOver = state.withLock { state in
      guard state.isOpen || !state.providers.isEmpty else { return true }
      state.whenEnded.append(action)
      return false
    }
    if isOver { action() }
  }

  /// Lets go of a provider that is being detached: its lookups end, then it gets its Cleanup.
  public func detach(_ provider: Provider) {
    for resource in resources.values { resource.drop(provider) }
    for session in providerSessions where session.provider === provider { session.end(.providerDetached) }
  }

  private func forget(_ session: StartedSession) {
    let isLast = state.withLock { state in
      state.providers.removeAll { $0 === session }
      return !state.isOpen && state.providers.isEmpty
    }
    ChangeBell.sessions.ring()
    if isLast { gone() }
  }

  private func gone() {
    whenGone(self)
    let actions = state.withLock { state in
      defer { state.whenEnded = [] }
      return state.whenEnded
    }
    for action in actions { action() }
  }
}
