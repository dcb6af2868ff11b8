import CallManagement
import Rundown
import Sessions

/// The calls of a host: who is at the other end, how far they are, and what became of those that are over.
public struct CallsReport: Sendable {
  public struct Call: Sendable {
    public enum State: String, Sendable {
      case idle
      case making
      case offered
      case accepted
      case active
      /// From the close on until every provider has been told.
      case closing
    }

    /// What people call the virtual connection; handles are for drivers.
    public var number: UInt64
    public var owner: CallSnapshot.Owner
    public var state: State
    /// Nil for calls that are not the host's.
    public var peer: ClientIdentity?
    public var transport: String?
    public var age: Duration
    public var parties: Int
    public var lastEvent: CallEvent
    /// How long its transport has owed the completion of its close. Every provider has been told.
    public var closingFor: Duration?
    fileprivate var handle: Handle
  }

  public var calls: [Call]
  public var transports: [String]
  /// Calls that have ended, since the process began.
  public var ended: Int
  public var illegalTransitions: Int
  /// The latest of them, each with function, connection and state.
  public var latestTransitions: [String]
}

/// What came of an operator's wish to end a call.
public enum CallClosing: Sendable {
  case closed(CallsReport.Call)
  /// A provider or the transport has not let go yet.
  case stillClosing(CallsReport.Call)
  /// In this state it can't be closed: it closes already, or is not up.
  case refused(CallsReport.Call)
  /// It is no call of this host's.
  case foreign
  case notFound
}

extension ProviderHost {
  /// The calls of this host's call management at this moment, in the order in which they came.
  public var calls: CallsReport {
    CallsReport(
      calls: layer.calls.calls.map(report), transports: layer.transports.map(\.name).sorted(), ended: layer.calls.endedCalls,
      illegalTransitions: layer.calls.illegalTransitions, latestTransitions: layer.calls.diagnostics.transitions)
  }

  private func report(_ snapshot: CallSnapshot) -> CallsReport.Call {
    let call = layer.call(snapshot)
    return CallsReport.Call(
      number: snapshot.number, owner: snapshot.owner, state: .init(snapshot.state), peer: call?.session?.identity,
      transport: call?.link.name, age: snapshot.age, parties: snapshot.parties, lastEvent: snapshot.lastEvent,
      closingFor: call?.closingFor, handle: snapshot.handle)
  }

  /// Ends a call on an operator's behalf, and waits until its providers have been told and its connection is gone. Calls out.
  public func closeCall(_ number: UInt64, _ reason: CloseReason, deadline: Duration = .seconds(5)) -> CallClosing {
    guard let snapshot = layer.calls.calls.first(where: { $0.number == number }) else { return .notFound }
    guard layer.call(snapshot) != nil else { return .foreign }
    let call = report(snapshot)
    guard snapshot.canBeClosed else { return .refused(call) }
    guard layer.closeAndWait(snapshot, reason, deadline: deadline) else {
      return .stillClosing(layer.calls.snapshot(snapshot.handle).map(report) ?? call)
    }
    return .closed(call)
  }
}

extension CallsReport.Call.State {
  fileprivate init(_ state: CallState) {
    switch state {
    case .idle: self = .idle
    case .making: self = .making
    case .offered: self = .offered
    case .accepted: self = .accepted
    case .upOut, .upIn: self = .active
    case .closeIndicated, .closing: self = .closing
    }
  }
}
