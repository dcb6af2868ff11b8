import Sessions
import Wire

/// The life of a connection as values, without its socket: what the client has said, what the host takes it for, and how far its end is.
/// The owner performs the effects after its lock is released.
struct ConnectionMachine: Sendable {
  enum Role: Sendable {
    /// No hello was accepted yet.
    case stranger
    /// It carries a call.
    case client
    /// It only resolves names.
    case resolver
  }

  enum Life: Sendable {
    case open
    /// Nothing that the client says from now on counts. Its call is being closed.
    case over
    /// Nothing can be sent to the client any more.
    case gone
  }

  enum Event: Sendable {
    /// The host has accepted the call.
    case called
    case becameResolver
    /// The host, a limit or a broken frame ends the connection. Of several reasons the first one counts.
    case ended(CloseReason)
    /// The socket was closed at the other end, or the process has ended.
    case vanished
    /// The call is closed, and every provider has been told.
    case callEnded
    /// What the connection owes is settled: it leaves the host.
    case left
  }

  enum Effect: Sendable, Equatable {
    /// Ends what the client waits for, and what it serves.
    case drop
    /// Closes the call. `callEnded` follows.
    case closeCall(CloseReason)
    /// Brings the event `left`.
    case leave
    case leaveResolvers
    /// Closes the socket, and gives back what the connection has.
    case depart
  }

  /// What becomes of a frame that has come.
  enum Arrival: Sendable {
    /// It waits for its turn.
    case waits
    /// It asks for a sign of life, which waits for no turn.
    case isAnsweredAtOnce
  }

  /// What has come so far, perhaps behind requests that are still served.
  private enum Word { case none, hello, goodbye }

  private(set) var role = Role.stranger
  private(set) var life = Life.open
  private var word = Word.none
  /// The hello is being served: what follows it waits.
  private(set) var isGreeting = false
  /// Those that have come and are not answered.
  private var requests = 0
  private let mostRequests: Int
  private let isWorker: Bool

  /// - Parameters:
  ///   - mostRequests: How many requests are read before one of them is answered.
  ///   - isWorker: The host has started the process at the other end.
  init(mostRequests: Int, isWorker: Bool) { (self.mostRequests, self.isWorker) = (mostRequests, isWorker) }

  /// The client sends faster than it is served: it is read again when a request has been answered.
  var isPaused: Bool { requests >= mostRequests }

  var isRead: Bool { life == .open && !isPaused }

  // MARK: Requests

  mutating func came(_ kind: RequestKind?) -> Arrival {
    switch (word, kind) {
    case (.none, .hello): word = .hello
    case (.hello, .goodbye): word = .goodbye
    case (.hello, .nothing) where !isWorker, (.goodbye, .nothing) where !isWorker: return .isAnsweredAtOnce
    case (.none, _), (.hello, _), (.goodbye, _): break
    }
    requests += 1
    return .waits
  }

  /// Whether the oldest request that waits is served now.
  mutating func begins(_ kind: RequestKind?) -> Bool {
    // Nobody reads the answers to a resolver that has gone. Other requests are served: a worker may have said why it ends.
    if isGreeting || life != .open && role == .resolver { return false }
    isGreeting = kind == .hello
    return true
  }

  /// A request has been served.
  /// - Returns: Whether the client had to wait for that: what came meanwhile is not said again.
  mutating func answered() -> Bool {
    defer { requests -= 1 }
    return requests == mostRequests
  }

  /// The hello's answer is on its way.
  mutating func greeted() { isGreeting = false }

  // MARK: The end

  mutating func handle(_ event: Event) -> [Effect] {
    switch (life, event) {
    case (_, .called):
      role = .client
      // Its socket was closed meanwhile.
      return life == .open ? [] : [.closeCall(.lost)]
    case (.gone, .becameResolver): return [.leaveResolvers]
    case (_, .becameResolver):
      role = .resolver
      return []
    // A client that has said goodbye has ended in order, also where the goodbye has not had its turn yet.
    case (.open, .vanished): return handle(.ended(word == .goodbye ? .remote : .lost))
    case (.open, .ended(let reason)):
      life = .over
      return [.drop, role == .client ? .closeCall(reason) : .leave]
    case (.open, .callEnded), (.over, .callEnded):
      life = .over
      return [.leave]
    case (.open, .left), (.over, .left):
      life = .gone
      return role == .resolver ? [.leaveResolvers, .depart] : [.depart]
    case (.over, .ended), (.over, .vanished), (.gone, .ended), (.gone, .vanished), (.gone, .callEnded), (.gone, .left): return []
    }
  }
}
