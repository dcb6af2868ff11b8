import CallManagement
import Hosting
import Providers
import Rundown
import Sessions

extension Control {
  /// The client processes of a host, and the books of all that there were.
  struct Sessions: WatchedRequest {
    static let name = "sessions"
    static let bells: [ChangeBell] = [.sessions, .calls]

    struct Answer: Codable, Sendable {
      struct Provider: Codable, Sendable {
        var name: String
        /// What became of the session's argument, in a word.
        var argument: String
        /// Routines that run, calls that are not complete, lookups that are open there.
        var inFlight: Int
      }
      struct Session: Codable, Sendable {
        var pid: Int32
        var command: String
        var uid: UInt32
        var ageUs: Int
        var state: String
        var calls: [UInt64]
        var providers: [Provider]
        var openLookups: Int
      }
      struct Ledger: Codable, Sendable {
        var startups: Int
        var cleanups: Int
        var rundowns: Int
        var live: Int
      }
      var schema = "nsphost.sessions/1"
      var host = HostEnvelope()
      var sessions: [Session]
      var ledger: Ledger

      init(_ host: ProviderHost) {
        let calls = host.calls.calls
        sessions = host.sessions.sessions.map { session in
          Session(
            pid: session.identity.processID, command: session.identity.command, uid: session.identity.userID,
            ageUs: Int((MonotonicTime.now - session.opened).microseconds), state: session.isOpen ? "live" : "draining",
            calls: calls.filter { $0.peer == session.identity }.map(\.number),
            providers: session.providerSessions.map {
              Provider(name: $0.provider.name, argument: $0.state.word, inFlight: $0.gate.occupants)
            }, openLookups: session.resources.count)
        }
        let sum = host.ledger.reduce(SessionLedger.Figures()) { $0 + $1.figures }
        ledger = Ledger(startups: sum.startups, cleanups: sum.cleanups, rundowns: sum.rundowns, live: sum.live)
      }
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) -> Answer { Answer(host) }

    static func essence(of answer: Answer) -> Answer {
      var answer = answer
      for index in answer.sessions.indices { answer.sessions[index].ageUs = 0 }
      return answer
    }
  }

  /// Ends a client's session.
  struct SessionKick: ControlRequest {
    static let name = "sessions kick"
    var pid: Int32

    struct Answer: Codable, Sendable {
      var command: String
      /// How many calls of it were closed.
      var closed: Int
      /// Those that had a session with it.
      var providers: [String]
      /// What there is now.
      var sessions: Sessions.Answer
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      guard let session = host.sessions.sessions.first(where: { $0.identity.processID == pid }) else {
        throw CommandFailure(
          kind: .nothingFound, what: "process \(pid)", why: "it has no session", remedy: "nsphost sessions lists them")
      }
      let providers = session.providerSessions.map(\.provider.name)
      let calls = host.calls.calls.filter { $0.peer?.processID == pid }
      let closed = calls.count { if case .closed = host.closeCall($0.number, .kicked) { true } else { false } }
      return Answer(command: session.identity.command, closed: closed, providers: providers, sessions: Sessions.Answer(host))
    }
  }
}

extension Lifecycle.State {
  /// Of the session argument, in a word.
  fileprivate var word: String {
    switch self {
    case .absent: "absent"
    case .starting: "starting"
    case .live: "live"
    case .draining: "draining"
    case .ended: "ended"
    }
  }
}
