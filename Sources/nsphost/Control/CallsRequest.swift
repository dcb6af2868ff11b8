import CallManagement
import Hosting
import Rundown
import Sessions

extension Control {
  /// The calls of clients.
  struct Calls: WatchedRequest {
    static let name = "calls"
    static let bells: [ChangeBell] = [.calls]

    struct Answer: Codable, Sendable {
      struct Peer: Codable, Sendable {
        var pid: Int32
        var uid: UInt32
        var gid: UInt32
        var command: String
      }
      struct Call: Codable, Sendable {
        var vc: UInt64
        var owner: String
        var state: String
        var peer: Peer?
        var transport: String?
        var ageUs: Int
        var parties: Int
        var lastEvent: String
        var closingUs: Int?
      }
      var schema = "nsphost.calls/1"
      var host = HostEnvelope()
      var calls: [Call]
      var transports: [String]
      var ended: Int
      var illegalTransitions: Int
      var latestTransitions: [String]

      init(_ report: CallsReport) {
        calls = report.calls.map(Call.init)
        transports = report.transports
        ended = report.ended
        illegalTransitions = report.illegalTransitions
        latestTransitions = report.latestTransitions
      }
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) -> Answer { Answer(host.calls) }

    static func essence(of answer: Answer) -> Answer {
      var answer = answer
      for index in answer.calls.indices {
        answer.calls[index].ageUs = 0
        answer.calls[index].closingUs = answer.calls[index].closingUs.map { _ in 0 }
      }
      return answer
    }
  }

  /// Closes a call.
  struct CloseCall: ControlRequest {
    static let name = "calls close"
    var number: UInt64
    var status: CloseReason

    struct Answer: Codable, Sendable {
      /// The one that is closed.
      var call: Calls.Answer.Call
      /// What there is now.
      var calls: Calls.Answer
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      let outcome = host.closeCall(number, status)
      if case .closed(let call) = outcome { return Answer(call: .init(call), calls: Calls.Answer(host.calls)) }
      var kind = CommandFailure.Kind.failed
      if case .notFound = outcome { kind = .nothingFound }
      let (why, remedy) = outcome.failure
      throw CommandFailure(kind: kind, what: "call \(number)", why: why, remedy: remedy)
    }
  }
}

extension Control.Calls.Answer.Call {
  fileprivate init(_ call: CallsReport.Call) {
    self.init(
      vc: call.number, owner: call.owner.rawValue, state: call.state.rawValue,
      peer: call.peer.map { .init(pid: $0.processID, uid: $0.userID, gid: $0.groupID, command: $0.command) },
      transport: call.transport, ageUs: Int(call.age.microseconds), parties: call.parties, lastEvent: call.lastEvent.text,
      closingUs: call.closingFor.map { Int($0.microseconds) })
  }
}

extension CallClosing {
  /// Of one that is not over.
  fileprivate var failure: (why: String, remedy: String) {
    switch self {
    case .closed: ("it is closed", "nothing is to be done")
    case .notFound: ("there is no such call", "nsphost calls lists them")
    case .foreign: ("it is no client's call", "only the driver that made it can close it")
    case .refused(let call):
      (
        call.state == .closing ? "it is closing already" : "it is \(call.state.rawValue), so there is nothing to close",
        "see nsphost calls"
      )
    case .stillClosing(let call):
      call.closingFor == nil
        ? ("some provider has not let go yet", "nsphost modules shows calls in progress")
        : (
          "every provider has let go, and transport \(call.transport ?? "-") has not completed the close of connection \(call.number), which is \(call.state.rawValue)",
          "see what the transport waits for; nsphost calls shows its connections"
        )
    }
  }
}

extension CallEvent {
  /// In words of people.
  fileprivate var text: String {
    switch self {
    case .created: "created"
    case .makeCall: "outgoing call"
    case .incomingCall: "incoming call"
    case .accepted: "accepted"
    case .refused: "refused"
    case .failed: "failed"
    case .connected: "connected"
    case .incomingClose(let status): "incoming close (\(CloseReason(status)?.rawValue ?? status.description))"
    case .closeCall: "close"
    case .closeFailed: "close failed"
    case .closed: "closed"
    }
  }
}
