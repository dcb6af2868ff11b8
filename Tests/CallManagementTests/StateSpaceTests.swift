import Rundown
import Synchronization
import Testing

@testable import CallManagement

/// One virtual connection with one client and one call manager: what condis.md says of it beside what it does.
private final class World {
  typealias Model = CallModel
  let scene: Scene
  var model: Model
  let vc: Handle
  private var parties: [Handle] = [Handle(rawValue: 1), Handle(rawValue: 1)]
  private(set) var deletions = 0
  private(set) var begun = 0

  init(isClients: Bool, isStandAlone: Bool) {
    scene = Scene(standAlone: isStandAlone)
    model = Model(isClients: isClients, isStandAlone: isStandAlone)
    vc = isClients ? scene.clientVC() : scene.managerVC()
    scene.journal.clear()
  }

  private var condis: CoNDIS { scene.condis }
  private static func status(_ ok: Bool) -> NDISStatus { ok ? .success : .failure }

  /// Applies an event to both.
  /// - Returns: In words, where they differ; nil where they don't.
  func step(_ event: Model.Event) -> String? {
    let illegal = condis.illegalTransitions
    let before = model
    let status = perform(event)
    let expected = model.apply(event)
    let callbacks = scene.journal.names
    scene.journal.clear()
    begun += callbacks.count { $0 == "cm.makeCall" || $0 == "cl.incomingCall" }
    if case .delete = event, status == .success { deletions += 1 }
    if status != expected.status { return "\(event) answered \(status as Any), not \(expected.status as Any), in \(before)" }
    if callbacks != expected.callbacks { return "\(event) called \(callbacks), not \(expected.callbacks), in \(before)" }
    if callbacks.isEmpty, status == .closing || status == .notAccepted, condis.illegalTransitions == illegal {
      return "\(event) was not counted in \(before)"
    }
    return difference.map { "\(event): \($0), in \(before)" }
  }

  private func perform(_ event: Model.Event) -> NDISStatus? {
    let (client, manager, miniport) = (scene.client, scene.manager, scene.miniport)
    defer {
      for driver in [client, manager, miniport].compactMap({ $0 as FakeDriver? }) { (driver.answers, driver.hooks) = ([:], [:]) }
    }
    let vc = vc
    let parameters = Scene.parameters
    /// How a handler answers; what completes it, where it does so from inside.
    func prepare(_ driver: FakeDriver?, _ name: String, _ answer: Model.Answer, _ complete: @escaping (NDISStatus) -> Void) {
      driver?.answers[name] = answer.status
      if case .inside(let ok) = answer { driver?.hooks[name] = { complete(Self.status(ok)) } }
    }
    func prepareClose(_ answer: Model.Answer) {
      prepare(manager, "closeCall", answer) { [condis] in condis.closeCallComplete($0, vc) }
    }
    switch event {
    case .makeCall(let multipoint, let answer):
      let place = model.freePlace ?? 0
      prepare(manager, "makeCall", answer) { [condis] in condis.makeCallComplete($0, vc, parameters) }
      return condis.makeCall(
        vc, parameters, party: multipoint ? Scene.context(0xAA) : nil,
        issued: { if multipoint, let handle = $0 { self.parties[place] = handle } })
    case .makeCallComplete(let ok): condis.makeCallComplete(Self.status(ok), vc, parameters)
    case .dispatchIncomingCall(let offer): return dispatch(offer, prepare, prepareClose)
    case .answerOffer(let ok): condis.incomingCallComplete(Self.status(ok), vc, parameters)
    case .dispatchConnected: condis.dispatchCallConnected(vc)
    case .modifyQoS(let answer):
      prepare(manager, "modifyCallQoS", answer) { [condis] in condis.modifyCallQoSComplete($0, vc, parameters) }
      return condis.modifyCallQoS(vc, parameters)
    case .modifyQoSComplete(let ok): condis.modifyCallQoSComplete(Self.status(ok), vc, parameters)
    case .dispatchQoSChange: condis.dispatchIncomingCallQoSChange(vc, parameters)
    case .dispatchIncomingClose(let reaction):
      if case .closes(let answer) = reaction {
        prepareClose(answer)
        let party = model.isMultipoint ? model.rest.first.map { parties[$0] } : nil
        client.hooks["incomingCloseCall"] = { [condis] in _ = condis.closeCall(vc, party: party) }
      }
      condis.dispatchIncomingCloseCall(.success, vc)
    case .closeCall(let party, let answer):
      prepareClose(answer)
      return condis.closeCall(vc, party: party.map { parties[$0] })
    case .closeCallComplete(let ok): condis.closeCallComplete(Self.status(ok), vc)
    case .addParty(let answer):
      let place = model.freePlace ?? 0
      prepare(manager, "addParty", answer) { [condis] in
        condis.addPartyComplete($0, self.parties[place], context: .none, parameters)
      }
      return condis.addParty(
        vc, context: Scene.context(0xBB), parameters, issued: { if let handle = $0 { self.parties[place] = handle } })
    case .addPartyComplete(let ok):
      let place = model.parties.firstIndex(of: .p1) ?? 0
      condis.addPartyComplete(Self.status(ok), parties[place], context: .none, parameters)
    case .dropParty(let place, let answer):
      prepare(manager, "dropParty", answer) { [condis] in condis.dropPartyComplete($0, self.parties[place]) }
      return condis.dropParty(parties[place])
    case .dropPartyComplete(let place, let ok): condis.dropPartyComplete(Self.status(ok), parties[place])
    case .dispatchIncomingDropParty(let place): condis.dispatchIncomingDropParty(.success, parties[place])
    case .activate(let answer):
      prepare(miniport, "activateVC", answer) { [condis] in condis.activateVCComplete($0, vc, parameters) }
      return scene.activate(vc)
    case .activateComplete(let ok): condis.activateVCComplete(Self.status(ok), vc, parameters)
    case .deactivate(let answer):
      prepare(miniport, "deactivateVC", answer) { [condis] in condis.deactivateVCComplete($0, vc) }
      return scene.deactivate(vc)
    case .deactivateComplete(let ok): condis.deactivateVCComplete(Self.status(ok), vc)
    case .delete(let isAgreed):
      if !isAgreed { (model.isClients ? manager : client).answers["deleteVC"] = .notAccepted }
      return model.isClients ? condis.deleteVC(vc) : scene.deleteByManager(vc)
    case .deleteByOther: return model.isClients ? condis.deleteVC(byMiniportCallManager: vc) : condis.deleteVC(vc)
    }
    return nil
  }

  private func dispatch(
    _ offer: Model.Offer,
    _ prepare: (FakeDriver?, String, Model.Answer, @escaping (NDISStatus) -> Void) -> Void, _ prepareClose: (Model.Answer) -> Void
  ) -> NDISStatus {
    let (condis, client, vc) = (condis, scene.client, vc)
    let answer: Model.Answer
    var before: () -> Void = {}
    switch offer {
    case .answers(let given): answer = given
    case .closeIndicated(let given):
      answer = given
      before = { condis.dispatchIncomingCloseCall(.success, vc) }
    case .closeIndicatedAndClosed(let close, let given):
      answer = given
      prepareClose(close)
      before = {
        condis.dispatchIncomingCloseCall(.success, vc)
        _ = condis.closeCall(vc)
      }
    }
    prepare(client, "incomingCall", answer) { condis.incomingCallComplete($0, vc, Scene.parameters) }
    let inside = client.hooks["incomingCall"]
    client.hooks["incomingCall"] = {
      before()
      inside?()
    }
    return condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters)
  }

  /// Where the connection is not as the model has it.
  private var difference: String? {
    guard let real = condis.connections[vc] else { return model.isGone ? nil : "the connection is lost" }
    if model.isGone { return "the connection is still there" }
    return real.state.withLock { state in
      if Model.Call(state.call) != model.call { return "the call is \(state.call)" }
      if Model.Activation(state.activation) != model.activation { return "the activation is \(state.activation)" }
      if (state.makeCall != 0) != model.makePending { return "make-call outstanding: \(state.makeCall != 0)" }
      if (state.closeCall != 0) != model.closePending { return "close outstanding: \(state.closeCall != 0)" }
      if (state.modifyQoS != 0) != model.qosPending { return "change outstanding: \(state.modifyQoS != 0)" }
      if state.isMultipoint != model.isMultipoint { return "multipoint: \(state.isMultipoint)" }
      if state.deferred != nil || !state.running.isEmpty || state.offer != .none { return "something is left of a callback" }
      let parties = model.parties.compactMap { $0 }
      let isMaking = model.call == .c1
      let operations = parties.count { $0 == .p1 && !isMaking || $0.isDropping }
      if state.partyOperations != operations { return "\(state.partyOperations) operations of parties" }
      let ofCall = parties.filter { $0 != .p4AfterCall }
      if Set(state.parties.map { Model.Party($0) }) != Set(ofCall) || state.parties.count != ofCall.count {
        return "the parties are \(state.parties.map(\.state))"
      }
      return condis.parties.count == parties.count ? nil : "\(condis.parties.count) parties have handles"
    }
  }

  /// What brings any state to its end: completions first, then the parties, the call, the activation, the connection.
  private var wayOut: Model.Event {
    if model.makePending { return .makeCallComplete(true) }
    if model.closePending { return .closeCallComplete(true) }
    if model.qosPending { return .modifyQoSComplete(true) }
    if model.parties.contains(.p1) { return .addPartyComplete(false) }
    if let place = model.parties.firstIndex(where: { $0?.isDropping ?? false }) { return .dropPartyComplete(place, true) }
    if model.activation == .a1 || model.activation == .a3 { return .activateComplete(true) }
    if model.activation == .a4 { return .deactivateComplete(true) }
    if model.rest.count > 1 { return .dropParty(model.rest[1], .success) }
    switch model.call {
    case .c0: return model.activation == .a2 ? .deactivate(.success) : .delete(true)
    case .c3, .c6(.c3): return .answerOffer(false)
    default: return .closeCall(party: model.isMultipoint ? model.rest.first : nil, .success)
    }
  }

  /// Takes the connection to its end from wherever it is.
  func drain() -> String? {
    for _ in 0..<20 where !model.isGone { if let difference = step(wayOut) { return "on the way out: " + difference } }
    guard model.isGone, deletions == 1 else { return "deleted \(deletions) times" }
    guard condis.endedCalls == begun else { return "\(begun) calls began, \(condis.endedCalls) ended" }
    guard condis.connections.count == 0, condis.parties.count == 0 else { return "handles are left" }
    guard condis.deregisterSAP(scene.sap) == .success, condis.closeAddressFamily(scene.family) == .success else {
      return "the address family does not close"
    }
    return nil
  }
}

@Suite struct StateSpaceTests {
  @Test(
    "one connection, one client, one call manager: every event in every state that 12 events reach does what the tables say",
    arguments: [(true, false), (false, false), (true, true), (false, true)])
  func explore(isClients: Bool, isStandAlone: Bool) {
    let depth = 12
    let events = CallModel.events(isStandAlone: isStandAlone)
    let start = CallModel(isClients: isClients, isStandAlone: isStandAlone)
    var paths: [CallModel: [CallModel.Event]] = [start: []]
    var edge = [start]
    var transitions = 0
    var differences: [String] = []

    func world(_ path: [CallModel.Event]) -> World {
      let world = World(isClients: isClients, isStandAlone: isStandAlone)
      for event in path { if let difference = world.step(event) { differences.append(difference) } }
      return world
    }

    for _ in 0..<depth {
      var found: [CallModel] = []
      for state in edge {
        let path = paths[state] ?? []
        var here = world(path)
        for event in events where state.hasRoom(for: event) {
          transitions += 1
          if let difference = here.step(event) { differences.append(difference) }
          guard here.model != state else { continue }
          if paths[here.model] == nil {
            paths[here.model] = path + [event]
            found.append(here.model)
          }
          here = world(path)
        }
        guard differences.isEmpty else { break }
      }
      edge = found
    }
    for (state, path) in paths where !state.isGone && differences.isEmpty {
      if let difference = world(path).drain() { differences.append("\(difference) from \(state)") }
    }
    let side =
      "\(isClients ? "client's" : "call manager's") connection, \(isStandAlone ? "stand-alone" : "miniport") call manager"
    print("state space, \(side): \(paths.count) states, \(transitions) transitions, depth \(depth)")
    #expect(differences.isEmpty, "\(differences.prefix(5).joined(separator: "\n"))")
    #expect(paths.count > 20 && paths.keys.contains { $0.isGone })
  }
}

extension CallModel.Call {
  init(_ state: CallState) {
    switch state {
    case .idle: self = .c0
    case .making: self = .c1
    case .upOut: self = .c2
    case .offered: self = .c3
    case .accepted: self = .c4
    case .upIn: self = .c5
    case .closeIndicated(let origin): self = .c6(Self(CallState(origin)))
    case .closing(let origin, let wasIndicated): self = .c7(Self(CallState(origin)), indicated: wasIndicated)
    }
  }
}

extension CallModel.Activation {
  init(_ state: ActivationState) {
    switch state {
    case .inactive: self = .a0
    case .activating: self = .a1
    case .active: self = .a2
    case .reactivating: self = .a3
    case .deactivating: self = .a4
    }
  }
}

extension CallModel.Party {
  init(_ party: Party) {
    func plain(_ state: Party.State) -> Self { state == .dropIndicated ? .p3 : state == .adding ? .p1 : .p2 }
    self = party.state == .dropping ? .p4(plain(party.formerState)) : plain(party.state)
  }
}
