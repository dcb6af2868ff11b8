import CallManagement

/// What condis.md says that a virtual connection does, written down a second time from its tables (§7, §8 to §13), without handles,
/// locks or drivers: the state space of the real one is compared with this.
struct CallModel: Hashable {
  enum Call: Hashable {
    case c0, c1, c2, c3, c4, c5
    indirect case c6(Call)
    /// Where the call was, and whether a failed close goes back to "close indicated".
    indirect case c7(Call, indicated: Bool)
  }
  enum Activation: Hashable { case a0, a1, a2, a3, a4 }
  /// P1 to P4, with the former state of one that is being dropped. A drop may outlast its call.
  indirect enum Party: Hashable {
    case p1, p2, p3
    case p4(Party)
    case p4AfterCall
  }

  /// How the driver that is asked answers; `inside` completes before the handler has returned, and then answers PENDING.
  enum Answer: Hashable {
    case success, failure, pending
    case inside(Bool)
  }

  /// What the client does inside its callback for an incoming close.
  enum Reaction: Hashable {
    case returns
    case closes(Answer)
  }

  enum Offer: Hashable {
    case answers(Answer)
    /// The call manager indicates the close while the client looks at the offer.
    case closeIndicated(then: Answer)
    case closeIndicatedAndClosed(Answer, then: Answer)
  }

  enum Event: Hashable {
    case makeCall(multipoint: Bool, Answer)
    case makeCallComplete(Bool)
    case dispatchIncomingCall(Offer)
    case answerOffer(Bool)
    case dispatchConnected
    case modifyQoS(Answer)
    case modifyQoSComplete(Bool)
    case dispatchQoSChange
    case dispatchIncomingClose(Reaction)
    /// The party by its place among those that are there; nil: none.
    case closeCall(party: Int?, Answer)
    case closeCallComplete(Bool)
    case addParty(Answer)
    case addPartyComplete(Bool)
    case dropParty(Int, Answer)
    case dropPartyComplete(Int, Bool)
    case dispatchIncomingDropParty(Int)
    case activate(Answer)
    case activateComplete(Bool)
    case deactivate(Answer)
    case deactivateComplete(Bool)
    /// Whether the other side lets it go.
    case delete(Bool)
    case deleteByOther
  }

  let isClients: Bool
  let isStandAlone: Bool
  var call = Call.c0
  var activation = Activation.a0
  var makePending = false
  var closePending = false
  var qosPending = false
  var isMultipoint = false
  /// Places that parties take; nil: free.
  var parties: [Party?] = [nil, nil]
  var isGone = false

  /// The status of a function that has one, and the callbacks that NDIS makes, in order.
  struct Outcome: Equatable {
    var status: NDISStatus?
    var callbacks: [String] = []
  }

  static func events(isStandAlone: Bool) -> [Event] {
    let answers: [Answer] = [.success, .failure, .pending, .inside(true), .inside(false)]
    var events: [Event] = [.dispatchConnected, .dispatchQoSChange, .delete(true), .delete(false)]
    // Where the functions of the two sides differ, the wrong one can be told.
    if !isStandAlone { events.append(.deleteByOther) }
    for ok in [true, false] {
      events += [
        .makeCallComplete(ok), .answerOffer(ok), .modifyQoSComplete(ok), .closeCallComplete(ok), .addPartyComplete(ok),
      ]
      events += (0..<2).map { .dropPartyComplete($0, ok) }
      if isStandAlone { events += [.activateComplete(ok), .deactivateComplete(ok)] }
    }
    for answer in answers {
      events += [
        .makeCall(multipoint: false, answer), .makeCall(multipoint: true, answer), .modifyQoS(answer), .addParty(answer),
      ]
      events += [.dispatchIncomingCall(.answers(answer)), .dispatchIncomingCall(.closeIndicated(then: answer))]
      events += [.closeCall(party: nil, answer), .closeCall(party: 0, answer), .closeCall(party: 1, answer)]
      events += [.dropParty(0, answer), .dropParty(1, answer)]
      if isStandAlone { events += [.activate(answer), .deactivate(answer)] }
    }
    for answer in [Answer.success, .pending] {
      events += [.dispatchIncomingClose(.closes(answer))]
      events += [Answer.success, .pending, .failure].map {
        .dispatchIncomingCall(.closeIndicatedAndClosed(answer, then: $0))
      }
    }
    events += [.dispatchIncomingClose(.returns), .dispatchIncomingDropParty(0), .dispatchIncomingDropParty(1)]
    if !isStandAlone { events += [.activate(.success), .deactivate(.success)] }
    return events
  }

  /// There is a place for what the event would make.
  func hasRoom(for event: Event) -> Bool {
    switch event {
    case .makeCall(multipoint: true, _), .addParty: freePlace != nil
    default: true
    }
  }

  mutating func apply(_ event: Event) -> Outcome {
    switch event {
    case .makeCall(let multipoint, let answer): return makeCall(multipoint, answer)
    case .makeCallComplete(let ok):
      guard makePending else { return Outcome() }
      makePending = false
      makeEnded(ok)
      return Outcome(callbacks: ["cl.makeCallComplete"])
    case .dispatchIncomingCall(let offer): return dispatchIncomingCall(offer)
    case .answerOffer(let ok): return Outcome(callbacks: answer(ok) ? ["cm.incomingCallComplete"] : [])
    case .dispatchConnected:
      guard !isGone, call == .c4 else { return Outcome() }
      call = .c5
      return Outcome(callbacks: ["cl.callConnected"])
    case .modifyQoS(let answer): return modifyQoS(answer)
    case .modifyQoSComplete:
      guard qosPending else { return Outcome() }
      qosPending = false
      return Outcome(callbacks: ["cl.modifyCallQoSComplete"])
    case .dispatchQoSChange:
      guard !isGone, [.c2, .c4, .c5].contains(call) else { return Outcome() }
      return Outcome(callbacks: ["cl.incomingCallQoSChange"])
    case .dispatchIncomingClose(let reaction): return dispatchIncomingClose(reaction)
    case .closeCall(let party, let answer): return closeCall(party, answer)
    case .closeCallComplete(let ok):
      guard closePending else { return Outcome() }
      closeEnded(ok)
      return Outcome(callbacks: ["cl.closeCallComplete"])
    case .addParty(let answer): return addParty(answer)
    case .addPartyComplete(let ok):
      guard let index = parties.firstIndex(of: .p1), !makePending else { return Outcome() }
      partyEnded(index, ok)
      return Outcome(callbacks: ["cl.addPartyComplete"])
    case .dropParty(let index, let answer): return dropParty(index, answer)
    case .dropPartyComplete(let index, let ok):
      guard parties[index]?.isDropping ?? false else { return Outcome() }
      dropEnded(index, ok)
      return Outcome(callbacks: ["cl.dropPartyComplete"])
    case .dispatchIncomingDropParty(let index):
      guard parties[index] == .p2, call == .c2 else { return Outcome() }
      parties[index] = .p3
      return Outcome(callbacks: ["cl.incomingDropParty"])
    case .activate(let answer): return activate(answer)
    case .activateComplete(let ok):
      guard activation == .a1 || activation == .a3, !isGone else { return Outcome() }
      activation = ok || activation == .a3 ? .a2 : .a0
      return Outcome(callbacks: ["cm.activateVCComplete"])
    case .deactivate(let answer): return deactivate(answer)
    case .deactivateComplete(let ok):
      guard activation == .a4 else { return Outcome() }
      activation = ok ? .a0 : .a2
      return Outcome(callbacks: ["cm.deactivateVCComplete"])
    case .delete(let isAgreed): return delete(isAgreed)
    case .deleteByOther: return Outcome(status: .failure)
    }
  }

  // MARK: §8

  private mutating func makeCall(_ multipoint: Bool, _ answer: Answer) -> Outcome {
    guard !isGone, isClients else { return Outcome(status: .failure) }
    switch call {
    case .c6, .c7: return Outcome(status: .closing)
    case .c1, .c2, .c3, .c4, .c5: return Outcome(status: .notAccepted)
    case .c0: break
    }
    if activation == .a4 { return Outcome(status: .closing) }
    guard activation == .a0 else { return Outcome(status: .notAccepted) }
    call = .c1
    isMultipoint = multipoint
    if multipoint { parties[freePlace ?? 0] = .p1 }
    switch answer {
    case .success, .failure:
      makeEnded(answer == .success)
      return Outcome(status: answer.status, callbacks: ["cm.makeCall"])
    case .pending:
      makePending = true
      return Outcome(status: .pending, callbacks: ["cm.makeCall"])
    case .inside(let ok):
      makeEnded(ok)
      return Outcome(status: .pending, callbacks: ["cm.makeCall", "cl.makeCallComplete"])
    }
  }

  private mutating func makeEnded(_ ok: Bool) {
    call = .c2
    if ok { parties = parties.map { $0 == .p1 ? .p2 : $0 } } else { endCall() }
  }

  private mutating func endCall() {
    call = .c0
    isMultipoint = false
    parties = parties.map { $0.flatMap { $0.isDropping ? .p4AfterCall : nil } }
  }

  var freePlace: Int? { parties.firstIndex(of: nil) }
  /// Those of the call that are not being dropped.
  var rest: [Int] { parties.indices.filter { parties[$0].map { !$0.isDropping } ?? false } }

  // MARK: §9, §11.4

  /// Whether there was an offer to answer.
  private mutating func answer(_ ok: Bool) -> Bool {
    guard call == .c3 || call == .c6(.c3) else { return false }
    if ok { call = call == .c3 ? .c4 : .c6(.c4) } else { endCall() }
    return true
  }

  private mutating func dispatchIncomingCall(_ offer: Offer) -> Outcome {
    guard !isGone, !isClients else { return Outcome(status: .failure) }
    switch call {
    case .c6, .c7: return Outcome(status: .closing)
    case .c1, .c2, .c3, .c4, .c5: return Outcome(status: .notAccepted)
    case .c0: break
    }
    if activation == .a4 { return Outcome(status: .closing) }
    call = .c3
    var callbacks = ["cl.incomingCall"]
    var isClosed = false
    let last: Answer
    switch offer {
    case .answers(let answer): last = answer
    case .closeIndicated(let answer):
      call = .c6(.c3)
      last = answer
    case .closeIndicatedAndClosed(let answer, let then):
      call = .c6(.c3)
      callbacks += closeCall(nil, answer).callbacks
      isClosed = true
      last = then
    }
    if isClosed { return Outcome(status: .closing, callbacks: callbacks) }
    let status: NDISStatus
    switch last {
    case .success, .failure:
      _ = answer(last == .success)
      status = last.status
    case .pending: status = .pending
    case .inside(let ok):
      _ = answer(ok)
      callbacks.append("cm.incomingCallComplete")
      status = .pending
    }
    // The indication had to wait for the answer, and is dropped when there is no call any more.
    if case .c6 = call { callbacks.append("cl.incomingCloseCall") }
    return Outcome(status: status, callbacks: callbacks)
  }

  // MARK: §10

  private mutating func modifyQoS(_ answer: Answer) -> Outcome {
    guard !isGone else { return Outcome(status: .failure) }
    switch call {
    case .c0, .c1: return Outcome(status: .notAccepted)
    case .c6, .c7: return Outcome(status: .closing)
    case .c2, .c3, .c4, .c5: break
    }
    if qosPending { return Outcome(status: .notAccepted) }
    switch answer {
    case .success, .failure: return Outcome(status: answer.status, callbacks: ["cm.modifyCallQoS"])
    case .pending:
      qosPending = true
      return Outcome(status: .pending, callbacks: ["cm.modifyCallQoS"])
    case .inside: return Outcome(status: .pending, callbacks: ["cm.modifyCallQoS", "cl.modifyCallQoSComplete"])
    }
  }

  private mutating func closeCall(_ party: Int?, _ answer: Answer) -> Outcome {
    guard !isGone else { return Outcome(status: .failure) }
    let next: Call
    switch call {
    case .c0: return Outcome(status: .failure)
    case .c1, .c3: return Outcome(status: .notAccepted)
    case .c7: return Outcome(status: .closing)
    case .c2, .c4, .c5: next = .c7(call, indicated: false)
    case .c6(let from): next = .c7(from, indicated: true)
    }
    if isMultipoint {
      guard rest.count == 1, let party, rest[0] == party, parties[party] != .p1 else { return Outcome(status: .failure) }
    } else if party != nil {
      return Outcome(status: .failure)
    }
    call = next
    switch answer {
    case .success, .failure:
      closeEnded(answer == .success)
      return Outcome(status: answer.status, callbacks: ["cm.closeCall"])
    case .pending:
      closePending = true
      return Outcome(status: .pending, callbacks: ["cm.closeCall"])
    case .inside(let ok):
      closeEnded(ok)
      return Outcome(status: .pending, callbacks: ["cm.closeCall", "cl.closeCallComplete"])
    }
  }

  private mutating func closeEnded(_ ok: Bool) {
    closePending = false
    guard case .c7(let from, let indicated) = call else { return }
    if ok { endCall() } else { call = indicated ? .c6(from) : from }
  }

  // MARK: §11

  private mutating func dispatchIncomingClose(_ reaction: Reaction) -> Outcome {
    guard !isGone, [.c2, .c3, .c4, .c5].contains(call) else { return Outcome() }
    call = .c6(call)
    var callbacks = ["cl.incomingCloseCall"]
    if case .closes(let answer) = reaction {
      callbacks += closeCall(isMultipoint ? rest.first : nil, answer).callbacks
    }
    return Outcome(callbacks: callbacks)
  }

  // MARK: §12

  private mutating func addParty(_ answer: Answer) -> Outcome {
    guard !isGone else { return Outcome(status: .failure) }
    switch call {
    case .c6, .c7: return Outcome(status: .closing)
    case .c2 where isMultipoint: break
    default: return Outcome(status: .notAccepted)
    }
    let place = freePlace ?? 0
    parties[place] = .p1
    switch answer {
    case .success, .failure:
      partyEnded(place, answer == .success)
      return Outcome(status: answer.status, callbacks: ["cm.addParty"])
    case .pending: return Outcome(status: .pending, callbacks: ["cm.addParty"])
    case .inside(let ok):
      partyEnded(place, ok)
      return Outcome(status: .pending, callbacks: ["cm.addParty", "cl.addPartyComplete"])
    }
  }

  private mutating func partyEnded(_ index: Int, _ ok: Bool) { parties[index] = ok ? .p2 : nil }

  private mutating func dropParty(_ index: Int, _ answer: Answer) -> Outcome {
    guard !isGone, let party = parties[index] else { return Outcome(status: .failure) }
    switch call {
    case .c7: return Outcome(status: .closing)
    case .c2, .c6: break
    default: return Outcome(status: .failure)
    }
    // A party that is still being added is none that is left.
    guard party == .p2 || party == .p3, rest.count(where: { parties[$0] != .p1 }) > 1 else { return Outcome(status: .failure) }
    parties[index] = .p4(party)
    switch answer {
    case .success, .failure:
      dropEnded(index, answer == .success)
      return Outcome(status: answer.status, callbacks: ["cm.dropParty"])
    case .pending: return Outcome(status: .pending, callbacks: ["cm.dropParty"])
    case .inside(let ok):
      dropEnded(index, ok)
      return Outcome(status: .pending, callbacks: ["cm.dropParty", "cl.dropPartyComplete"])
    }
  }

  private mutating func dropEnded(_ index: Int, _ ok: Bool) {
    if !ok, case .p4(let former) = parties[index] { parties[index] = former } else { parties[index] = nil }
  }

  // MARK: §7

  private mutating func activate(_ answer: Answer) -> Outcome {
    guard !isGone else { return Outcome(status: .failure) }
    switch (call, activation) {
    case (.c6, _), (.c7, _), (_, .a4): return Outcome(status: .closing)
    case (_, .a1), (_, .a3): return Outcome(status: .notAccepted)
    case (.c0, .a0) where isClients: return Outcome(status: .notAccepted)
    default: break
    }
    guard isStandAlone else {
      activation = .a2
      return Outcome(status: .success)
    }
    let wasActive = activation == .a2
    switch answer {
    case .success, .failure:
      activation = answer == .success || wasActive ? .a2 : .a0
      return Outcome(status: answer.status, callbacks: ["mp.activateVC"])
    case .pending:
      activation = wasActive ? .a3 : .a1
      return Outcome(status: .pending, callbacks: ["mp.activateVC"])
    case .inside(let ok):
      activation = ok || wasActive ? .a2 : .a0
      return Outcome(status: .pending, callbacks: ["mp.activateVC", "cm.activateVCComplete"])
    }
  }

  private mutating func deactivate(_ answer: Answer) -> Outcome {
    guard !isGone else { return Outcome(status: .failure) }
    switch activation {
    case .a0, .a1, .a3: return Outcome(status: .notAccepted)
    case .a4: return Outcome(status: .closing)
    case .a2: break
    }
    guard isStandAlone else {
      activation = .a0
      return Outcome(status: .success)
    }
    switch answer {
    case .success, .failure:
      activation = answer == .success ? .a0 : .a2
      return Outcome(status: answer.status, callbacks: ["mp.deactivateVC"])
    case .pending:
      activation = .a4
      return Outcome(status: .pending, callbacks: ["mp.deactivateVC"])
    case .inside(let ok):
      activation = ok ? .a0 : .a2
      return Outcome(status: .pending, callbacks: ["mp.deactivateVC", "cm.deactivateVCComplete"])
    }
  }

  private mutating func delete(_ isAgreed: Bool) -> Outcome {
    guard !isGone else { return Outcome(status: .failure) }
    if activation == .a4 { return Outcome(status: .closing) }
    guard call == .c0, activation == .a0, !makePending, !closePending, !qosPending, parties.allSatisfy({ $0 == nil }) else {
      return Outcome(status: .notAccepted)
    }
    let peer = isClients ? "cm.deleteVC" : "cl.deleteVC"
    guard isAgreed else { return Outcome(status: .notAccepted, callbacks: [peer]) }
    isGone = true
    return Outcome(status: .success, callbacks: isStandAlone ? [peer, "mp.deleteVC"] : [peer])
  }
}

extension CallModel.Party {
  var isDropping: Bool {
    switch self {
    case .p4, .p4AfterCall: true
    case .p1, .p2, .p3: false
    }
  }
}

extension CallModel.Answer {
  /// What the handler returns.
  var status: NDISStatus {
    switch self {
    case .success: .success
    case .failure: .failure
    case .pending, .inside: .pending
    }
  }
}
