import Rundown
import Synchronization

/// The leaves of a multipoint call (condis.md §12).
extension CoNDIS {
  /// `NdisClAddParty`. Calls the call manager.
  public func addParty(
    _ handle: Handle, context: DriverContext, _ parameters: PassedPointer, issued: (Handle?) -> Void
  ) -> NDISStatus {
    guard let vc = connections[handle], let open = vc.family, parameters.pointer != nil else {
      issued(nil)
      return .failure
    }
    let party = Party(vc: vc, handle: handle, clientContext: context)
    guard publish(party) else {
      issued(nil)
      return .resources
    }
    let begun: Result<(UInt32, DriverContext), Refused> = vc.state.withLock { state in
      if let refusal = state.existence.refusal { return .failure(Refused(status: refusal)) }
      if case .refuse(let status) = CallOperation.addParty.answer(in: state.call) { return .failure(Refused(status: status)) }
      guard state.isMultipoint else { return .failure(Refused(status: .notAccepted)) }
      party.operation = state.begin()
      state.partyOperations += 1
      state.parties.append(party)
      ChangeBell.calls.ring()
      return .success((party.operation, state.managerContext))
    }
    guard case .success(let (operation, manager)) = begun else {
      retire([party])
      issued(nil)
      return refused(begun, vc)
    }
    issued(party.handle)
    let (status, partyContext) = open.manager.addParty(manager, parameters, party.handle)
    if status == .pending { return .pending }
    guard settleAdd(party, status, partyContext, operation) else { return .pending }
    if status != .success { issued(nil) }
    return status
  }

  /// `Ndis(M)CmAddPartyComplete`. Calls the client.
  public func addPartyComplete(_ status: NDISStatus, _ handle: Handle, context: DriverContext, _ parameters: PassedPointer) {
    guard let party = parties[handle], let open = party.vc.family, status != .pending, settleAdd(party, status, context, nil)
    else {
      return note("an added party completed out of place", parties[handle]?.vc)
    }
    open.client.addPartyComplete(status, party.clientContext, status == .success ? handle : nil, parameters)
  }

  private func settleAdd(_ party: Party, _ status: NDISStatus, _ context: DriverContext, _ operation: UInt32?) -> Bool {
    let isFirst = party.vc.state.withLock { state in
      guard party.state == .adding, party.operation != 0, operation == nil || party.operation == operation else { return false }
      party.operation = 0
      state.partyOperations -= 1
      if status == .success {
        party.state = .active
        party.managerContext = context
      } else {
        party.state = .gone
        state.parties.removeAll { $0 === party }
        ChangeBell.calls.ring()
      }
      return true
    }
    if isFirst, status != .success { retire([party]) }
    return isFirst
  }

  /// `NdisClDropParty`. Refused for the last one: its call is closed instead. Calls the call manager.
  public func dropParty(_ handle: Handle, _ data: CloseData = .none) -> NDISStatus {
    guard let party = parties[handle], let open = party.vc.family else { return .failure }
    let begun: Result<UInt32, Refused> = party.vc.state.withLock { state in
      if case .refuse(let status) = CallOperation.dropParty.answer(in: state.call) { return .failure(Refused(status: status)) }
      // One that is still being added may yet fail, and a call without a party could never be closed: it does not count here.
      guard party.state == .active || party.state == .dropIndicated,
        state.parties.count(where: { $0.state == .active || $0.state == .dropIndicated }) > 1
      else { return .failure(Refused(status: .failure)) }
      party.formerState = party.state
      party.state = .dropping
      party.operation = state.begin()
      state.partyOperations += 1
      return .success(party.operation)
    }
    guard case .success(let operation) = begun else { return refused(begun, party.vc) }
    let status = open.manager.dropParty(party.managerContext, data)
    if status == .pending { return .pending }
    return settleDrop(party, status, operation) ? status : .pending
  }

  /// `Ndis(M)CmDropPartyComplete`. Calls the client.
  public func dropPartyComplete(_ status: NDISStatus, _ handle: Handle) {
    guard let party = parties[handle], let open = party.vc.family, status != .pending, settleDrop(party, status, nil) else {
      return note("a dropped party completed out of place", parties[handle]?.vc)
    }
    open.client.dropPartyComplete(status, party.clientContext)
  }

  private func settleDrop(_ party: Party, _ status: NDISStatus, _ operation: UInt32?) -> Bool {
    let (isFirst, isGone) = party.vc.state.withLock { state in
      guard party.state == .dropping, party.operation != 0, operation == nil || party.operation == operation else {
        return (false, false)
      }
      party.operation = 0
      state.partyOperations -= 1
      // A drop that fails brings the party back, unless its call has ended meanwhile.
      let isGone = status == .success || !state.parties.contains { $0 === party }
      party.state = isGone ? .gone : party.formerState
      if isGone { state.parties.removeAll { $0 === party } }
      return (true, isGone)
    }
    if isGone { retire([party]) }
    return isFirst
  }

  /// `Ndis(M)CmDispatchIncomingDropParty`: the other end of a leaf is gone. Calls the client.
  public func dispatchIncomingDropParty(_ status: NDISStatus, _ handle: Handle, _ data: CloseData = .none) {
    guard let party = parties[handle], let open = party.vc.family else {
      return note("an incoming drop for no party", parties[handle]?.vc)
    }
    if data.isMalformed { note("an incoming drop with a size and no data", party.vc) }
    if status == .pending { note("an incoming drop with the status PENDING, delivered as FAILURE", party.vc) }
    var isLast = false
    let answer: CallOperation.Answer = party.vc.state.withLock { state in
      let answer = CallOperation.dispatchIncomingDropParty.answer(in: state.call)
      guard answer == .go else { return answer }
      guard party.state == .active else { return party.state == .dropping ? .ignoreSilently : .ignore }
      isLast = state.parties.count { $0.state != .dropping && $0.state != .gone } == 1
      party.state = .dropIndicated
      state.enterIndication()
      return .go
    }
    if isLast { note("an incoming drop of the last party, where an incoming close is called for", party.vc) }
    guard answer == .go else {
      if answer != .ignoreSilently { note("an incoming drop in a state that has none", party.vc) }
      return
    }
    open.client.incomingDropParty(status == .pending ? .failure : status, party.clientContext, data)
    let deferred = party.vc.state.withLock { $0.leaveIndication() }
    deliver(deferred, party.vc)
  }
}
