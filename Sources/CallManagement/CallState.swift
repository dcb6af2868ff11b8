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

  var origin: Origin? {
    switch self {
    case .upOut: .upOut
    case .offered: .offered
    case .accepted: .accepted
    case .upIn: .upIn
    case .closeIndicated(let origin), .closing(let origin, _): origin
    case .idle, .making: nil
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

/// What last happened to the call on a virtual connection.
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
