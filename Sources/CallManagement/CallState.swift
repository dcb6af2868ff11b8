/// The state of the call on a virtual connection: condis.md §13, C0 to C7.
public enum CallState: Hashable, Sendable {
  /// Where a call was when its close was indicated, or asked for.
  public enum Origin: Hashable, Sendable {
    case upOut
    case offered
    case accepted
    case upIn
  }

  case idle  // C0
  case making  // C1
  case upOut  // C2
  case offered  // C3
  case accepted  // C4
  case upIn  // C5
  case closeIndicated(Origin)  // C6
  case closing(Origin, wasIndicated: Bool)  // C7

  /// For people.
  public var text: String {
    switch self {
    case .idle: "idle"
    case .making: "making"
    case .upOut, .upIn: "active"
    case .offered: "offered"
    case .accepted: "accepted"
    case .closeIndicated: "asked to close"
    case .closing: "closing"
    }
  }

  /// The column of the table.
  var column: Int {
    switch self {
    case .idle: 0
    case .making: 1
    case .upOut: 2
    case .offered: 3
    case .accepted: 4
    case .upIn: 5
    case .closeIndicated: 6
    case .closing: 7
    }
  }

  init(_ origin: Origin) {
    switch origin {
    case .upOut: self = .upOut
    case .offered: self = .offered
    case .accepted: self = .accepted
    case .upIn: self = .upIn
    }
  }
}

extension CallState {
  /// What happens to a call: condis.md §13, rows 1 to 13. A flag says whether it succeeded.
  enum Transition: Hashable {
    case makeCall
    case made(Bool)
    case offer
    case accept
    case refuse
    case connect
    case indicateClose
    case close
    case closed(Bool)
  }

  /// The state that follows; nil where the transition is none from here.
  func after(_ transition: Transition) -> CallState? {
    switch (transition, self) {
    case (.makeCall, .idle): .making
    case (.made(true), .making): .upOut
    case (.made(false), .making): .idle
    case (.offer, .idle): .offered
    case (.accept, .offered): .accepted
    case (.accept, .closeIndicated(.offered)): .closeIndicated(.accepted)
    case (.refuse, .offered), (.refuse, .closeIndicated(.offered)): .idle
    case (.connect, .accepted): .upIn
    case (.indicateClose, .upOut): .closeIndicated(.upOut)
    case (.indicateClose, .offered): .closeIndicated(.offered)
    case (.indicateClose, .accepted): .closeIndicated(.accepted)
    case (.indicateClose, .upIn): .closeIndicated(.upIn)
    case (.close, .upOut): .closing(.upOut, wasIndicated: false)
    case (.close, .accepted): .closing(.accepted, wasIndicated: false)
    case (.close, .upIn): .closing(.upIn, wasIndicated: false)
    case (.close, .closeIndicated(let origin)): .closing(origin, wasIndicated: true)
    case (.closed(true), .closing): .idle
    case (.closed(false), .closing(let origin, wasIndicated: true)): .closeIndicated(origin)
    case (.closed(false), .closing(let origin, wasIndicated: false)): CallState(origin)
    default: nil
    }
  }
}

/// What last happened to the call on a virtual connection, for people.
public enum CallEvent: Hashable, Sendable {
  case created
  case makeCall
  case incomingCall
  case accepted
  case refused
  case failed
  case connected
  case incomingClose(NDISStatus)
  case closeCall
  case closeFailed
  case closed
}

/// Whether data can move on a virtual connection: condis.md §7.3, A0 to A4.
public enum ActivationState: Hashable, Sendable {
  case inactive  // A0
  case activating  // A1
  case active  // A2
  case reactivating  // A3
  case deactivating  // A4
}

extension ActivationState {
  /// What happens to the activation: condis.md §7.3. A flag says whether it succeeded.
  enum Transition: Hashable {
    case activate
    case activated(Bool)
    case deactivate
    case deactivated(Bool)
  }

  /// The state that follows, or why the transition is refused; one that is out of place has no answer but FAILURE.
  func after(_ transition: Transition) -> Result<ActivationState, Refused> {
    switch (transition, self) {
    case (.activate, .inactive): .success(.activating)
    case (.activate, .active): .success(.reactivating)
    case (.activated(true), .activating), (.activated, .reactivating): .success(.active)  // a failure keeps the old parameters
    case (.activated(false), .activating): .success(.inactive)
    case (.deactivate, .active): .success(.deactivating)
    case (.deactivated(true), .deactivating): .success(.inactive)
    case (.deactivated(false), .deactivating): .success(.active)
    case (.activate, .deactivating), (.deactivate, .deactivating): .failure(Refused(status: .closing))
    case (.activate, _), (.deactivate, _): .failure(Refused(status: .notAccepted))
    case (.activated, _), (.deactivated, _): .failure(Refused(status: .failure))
    }
  }
}

/// Why a request was not made.
struct Refused: Error {
  let status: NDISStatus
}

/// What may be done to a virtual connection, and the answer in each call state: condis.md §13.1, one row each.
enum CallOperation: CaseIterable {
  case makeCall
  case closeCall
  case modifyQoS
  case addParty
  case dropParty
  case answerIncomingCall
  case dispatchIncomingCall
  case dispatchConnected
  case dispatchQoSChange
  case dispatchIncomingClose
  case dispatchIncomingDropParty
  case makeCallComplete
  case closeCallComplete
  case activate

  enum Answer: Equatable {
    case go
    case refuse(NDISStatus)
    /// Has no effect and is counted.
    case ignore
    /// Has no effect, as happens when both ends close at once.
    case ignoreSilently
  }

  func answer(in state: CallState) -> Answer {
    switch (self, state) {
    // Row "answer": only an offer that was not answered yet can be.
    case (.answerIncomingCall, .closeIndicated(.offered)): .go
    case (.answerIncomingCall, .closing(.offered, _)): .ignoreSilently
    default: Self.table[self]![state.column]
    }
  }

  private static let table: [CallOperation: [Answer]] = {
    let notAccepted = Answer.refuse(.notAccepted)
    let failure = Answer.refuse(.failure)
    let closing = Answer.refuse(.closing)
    let (go, no, silent) = (Answer.go, Answer.ignore, Answer.ignoreSilently)
    return [
      //                       C0           C1           C2           C3           C4           C5           C6       C7
      .makeCall: [go, notAccepted, notAccepted, failure, failure, failure, closing, closing],
      .closeCall: [failure, notAccepted, go, notAccepted, go, go, go, closing],
      .modifyQoS: [notAccepted, notAccepted, go, go, go, go, closing, closing],
      .addParty: [notAccepted, notAccepted, go, notAccepted, notAccepted, notAccepted, closing, closing],
      .dropParty: [failure, failure, go, failure, failure, failure, go, closing],
      .answerIncomingCall: [no, no, no, go, no, no, no, no],
      .dispatchIncomingCall: [go, failure, failure, notAccepted, notAccepted, notAccepted, closing, closing],
      .dispatchConnected: [no, no, no, no, go, no, no, silent],
      .dispatchQoSChange: [no, no, go, no, go, go, no, silent],
      .dispatchIncomingClose: [no, no, go, go, go, go, no, silent],
      .dispatchIncomingDropParty: [no, no, go, no, no, no, silent, silent],
      .makeCallComplete: [no, go, no, no, no, no, no, no],
      .closeCallComplete: [no, no, no, no, no, no, no, go],
      .activate: [go, go, go, go, go, go, closing, closing],
    ]
  }()
}
