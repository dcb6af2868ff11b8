import Glibc
import Rundown
import Synchronization

/// Calls: made by clients, offered by call managers, changed and closed by either (condis.md §8 to §11).
extension CoNDIS {
  // MARK: Outgoing calls

  /// `NdisClMakeCall`. Calls the call manager.
  /// - Parameter party: The client's context of the first party makes it a multipoint call; nil: point-to-point.
  /// - Parameter issued: Gets the party's handle before the call manager is asked. Nil where the client has no place for it.
  public func makeCall(
    _ handle: Handle, _ parameters: PassedPointer, party: DriverContext? = nil, issued: ((Handle?) -> Void)? = nil
  ) -> NDISStatus {
    guard let vc = connections[handle], let open = vc.family, vc.creator == .client, parameters.pointer != nil,
      party == nil || issued != nil
    else {
      issued?(nil)
      return .failure
    }
    let first = party.map { Party(vc: vc, handle: handle, clientContext: $0) }
    if let first, !publish(first) {
      issued?(nil)
      return .resources
    }
    let begun: Result<(operation: UInt32, wasBroken: Bool), Refused> = vc.state.withLock { state in
      if let refusal = state.existence.refusal { return .failure(Refused(status: refusal)) }
      if case .refuse(let status) = CallOperation.makeCall.answer(in: state.call) { return .failure(Refused(status: status)) }
      switch state.activation {
      case .inactive: break
      case .deactivating: return .failure(Refused(status: .closing))
      case .activating, .active, .reactivating: return .failure(Refused(status: .notAccepted))
      }
      state.take(.makeCall, .makeCall)
      state.makeCall = state.begin()
      state.isMultipoint = first != nil
      state.parties = first.map { [$0] } ?? []
      defer { state.wasBroken = false }
      return .success((state.makeCall, state.wasBroken))
    }
    guard case .success(let (operation, wasBroken)) = begun else {
      retire(first.map { [$0] } ?? [])
      issued?(nil)
      return refused(begun, vc)
    }
    if wasBroken {
      note("a call was made on a connection whose last call broke: delete it instead (condis.md §11.4)", connections[handle])
    }
    issued?(first?.handle)
    let managerContext = vc.state.withLock { $0.managerContext }
    let (status, partyContext) = open.manager.makeCall(managerContext, parameters, first?.handle)
    if status == .pending { return .pending }
    guard settleMakeCall(vc, status, partyContext, operation) else { return .pending }
    if status != .success { issued?(nil) }
    return status
  }

  /// Gives the party its handle; false when there is none left.
  func publish(_ party: Party) -> Bool {
    guard let handle = parties.insert(party) else { return false }
    party.handle = handle
    return true
  }

  /// `Ndis(M)CmMakeCallComplete`. Calls the client.
  public func makeCallComplete(
    _ status: NDISStatus, _ handle: Handle, party: Handle? = nil, partyContext: DriverContext = .none, _ parameters: PassedPointer
  ) {
    let first = connections[handle]?.state.withLock { $0.parties.first }
    guard let vc = connections[handle], let open = vc.family, status != .pending, settleMakeCall(vc, status, partyContext, nil)
    else { return note("a make-call completed out of place", connections[handle]) }
    open.client.makeCallComplete(
      status, vc.state.withLock { $0.clientContext }, status == .success ? first?.handle : nil, parameters)
  }

  private func settleMakeCall(
    _ vc: VirtualConnection, _ status: NDISStatus, _ partyContext: DriverContext, _ operation: UInt32?
  ) -> Bool {
    let (isFirst, ended): (Bool, [Party]) = vc.state.withLock { state in
      guard state.makeCall != 0, operation == nil || state.makeCall == operation, state.call == .making else {
        return (false, [])
      }
      state.makeCall = 0
      if status == .success {
        state.take(.made(true), .connected)
        for party in state.parties {
          party.state = .active
          party.managerContext = partyContext
        }
        return (true, [])
      }
      state.take(.made(false), .failed)
      return (true, state.endCall())
    }
    retire(ended)
    if isFirst, status != .success { countEndedCall() }
    return isFirst
  }

  func retire(_ ended: [Party]) {
    for party in ended { _ = parties.remove(party.handle) }
  }

  // MARK: Incoming calls

  /// `Ndis(M)CmDispatchIncomingCall`: offers a call to the client of a service access point. Calls the client.
  /// - Returns: The client's answer; with `pending` it comes through `incomingCallComplete`.
  public func dispatchIncomingCall(_ sapHandle: Handle, _ handle: Handle, _ parameters: PassedPointer) -> NDISStatus {
    guard let vc = connections[handle], let open = vc.family, vc.creator != .client, let sap = saps[sapHandle],
      sap.family === open, parameters.pointer != nil
    else { return .failure }
    guard beginOffer(sap) else { return .invalidSAP }
    defer { endOffer(sap, sapHandle) }
    let begun: Result<UInt32, Refused> = vc.state.withLock { state in
      if let refusal = state.existence.refusal { return .failure(Refused(status: refusal)) }
      if case .refuse(let status) = CallOperation.dispatchIncomingCall.answer(in: state.call) {
        return .failure(Refused(status: status))
      }
      if state.activation == .deactivating { return .failure(Refused(status: .closing)) }
      state.take(.offer, .incomingCall)
      state.offer = .running
      state.offerNumber = state.begin()
      state.enterIndication()
      return .success(state.offerNumber)
    }
    guard case .success(let number) = begun else { return refused(begun, vc) }
    let clientContext = vc.state.withLock { $0.clientContext }
    let answer = open.client.incomingCall(sap.clientContext, clientContext, parameters)
    let (result, deferred, isOver): (NDISStatus, VirtualConnection.DeferredClose?, Bool) = vc.state.withLock { state in
      // Another offer on the same connection may be under way by now: then this one was answered.
      let offer = state.offerNumber == number ? state.offer : .answered
      if state.offerNumber == number { state.offer = .none }
      let result: NDISStatus
      var isOver = false
      switch offer {
      case .closed: result = .closing
      case .answered: result = .pending
      case .none, .running:
        result = answer
        if answer == .success { state.accept() } else if answer != .pending { isOver = state.refuse() }
      }
      return (result, state.leaveIndication(), isOver)
    }
    if isOver { countEndedCall() }
    deliver(deferred, vc)
    return result
  }

  /// `NdisClIncomingCallComplete`: the client's answer to an offer. Calls the call manager.
  public func incomingCallComplete(_ status: NDISStatus, _ handle: Handle, _ parameters: PassedPointer) {
    guard let vc = connections[handle], let open = vc.family, status != .pending else {
      return note("an answer to no offer", connections[handle])
    }
    let (answer, context, isOver): (CallOperation.Answer, DriverContext, Bool) = vc.state.withLock { state in
      let answer = CallOperation.answerIncomingCall.answer(in: state.call)
      var isOver = false
      if answer == .go {
        if state.offer == .running { state.offer = .answered }
        if status == .success { state.accept() } else { isOver = state.refuse() }
      }
      return (answer, state.managerContext, isOver)
    }
    if isOver { countEndedCall() }
    switch answer {
    case .go: open.manager.incomingCallComplete(status, context, parameters)
    case .ignore, .refuse: note("an answer to an offer that was answered", connections[handle])
    case .ignoreSilently: break
    }
  }

  /// `Ndis(M)CmDispatchCallConnected`. Calls the client.
  public func dispatchCallConnected(_ handle: Handle) {
    indicate(handle, .dispatchConnected, { $0.take(.connect, .connected) }, { client, context in client.callConnected(context) })
  }

  /// Makes an indication to the client, unless the call's state forbids it.
  private func indicate(
    _ handle: Handle, _ operation: CallOperation, _ change: (inout VirtualConnection.State) -> Void,
    _ call: (any CallClient, DriverContext) -> Void, function: String = #function
  ) {
    guard let vc = connections[handle], let open = vc.family else {
      return note("\(operation) for no connection", connections[handle], function: function)
    }
    let (answer, context): (CallOperation.Answer, DriverContext) = vc.state.withLock { state in
      let answer = state.existence == .alive ? operation.answer(in: state.call) : .ignore
      if answer == .go {
        change(&state)
        state.enterIndication()
      }
      return (answer, state.clientContext)
    }
    guard answer == .go else {
      if answer != .ignoreSilently { note("\(operation) in a state that has none", connections[handle], function: function) }
      return
    }
    call(open.client, context)
    deliver(vc.state.withLock { $0.leaveIndication() }, vc)
  }

  // MARK: Changing parameters

  /// `NdisClModifyCallQoS`. Calls the call manager.
  public func modifyCallQoS(_ handle: Handle, _ parameters: PassedPointer) -> NDISStatus {
    guard let vc = connections[handle], let open = vc.family, parameters.pointer != nil else { return .failure }
    let begun: Result<(UInt32, DriverContext), Refused> = vc.state.withLock { state in
      if let refusal = state.existence.refusal { return .failure(Refused(status: refusal)) }
      if case .refuse(let status) = CallOperation.modifyQoS.answer(in: state.call) { return .failure(Refused(status: status)) }
      guard state.modifyQoS == 0 else { return .failure(Refused(status: .notAccepted)) }
      state.modifyQoS = state.begin()
      return .success((state.modifyQoS, state.managerContext))
    }
    guard case .success(let (operation, context)) = begun else { return refused(begun, vc) }
    let status = open.manager.modifyCallQoS(context, parameters)
    if status == .pending { return .pending }
    return settleQoS(vc, operation) ? status : .pending
  }

  /// `Ndis(M)CmModifyCallQoSComplete`. Calls the client.
  public func modifyCallQoSComplete(_ status: NDISStatus, _ handle: Handle, _ parameters: PassedPointer) {
    guard let vc = connections[handle], let open = vc.family, status != .pending, settleQoS(vc, nil) else {
      return note("a change of parameters completed out of place", connections[handle])
    }
    open.client.modifyCallQoSComplete(status, vc.state.withLock { $0.clientContext }, parameters)
  }

  private func settleQoS(_ vc: VirtualConnection, _ operation: UInt32?) -> Bool {
    vc.state.withLock { state in
      guard state.modifyQoS != 0, operation == nil || state.modifyQoS == operation else { return false }
      state.modifyQoS = 0
      return true
    }
  }

  /// `Ndis(M)CmDispatchIncomingCallQoSChange`. Calls the client.
  public func dispatchIncomingCallQoSChange(_ handle: Handle, _ parameters: PassedPointer) {
    indicate(handle, .dispatchQoSChange, { _ in }, { client, context in client.incomingCallQoSChange(context, parameters) })
  }

  // MARK: Closing

  /// `NdisClCloseCall`: also how a client acknowledges an incoming close. Calls the call manager.
  public func closeCall(_ handle: Handle, party: Handle? = nil, _ data: CloseData = .none) -> NDISStatus {
    guard let vc = connections[handle], let open = vc.family else { return .failure }
    let begun: Result<(operation: UInt32, manager: DriverContext, party: DriverContext), Refused> = vc.state.withLock { state in
      if let refusal = state.existence.refusal { return .failure(Refused(status: refusal)) }
      if case .refuse(let status) = CallOperation.closeCall.answer(in: state.call) { return .failure(Refused(status: status)) }
      var last = DriverContext.none
      if state.isMultipoint {
        // The one that is left: those that are being dropped don't count, those that are being added do.
        let rest = state.parties.filter { $0.state != .dropping && $0.state != .gone }
        guard rest.count == 1, let party, let only = rest.first, only.handle == party, only.state != .adding else {
          return .failure(Refused(status: .failure))
        }
        last = only.managerContext
      } else if party != nil {
        return .failure(Refused(status: .failure))
      }
      if state.offer == .running { state.offer = .closed }
      // The reason why it was told to close stays to be seen.
      if case .closeIndicated = state.call { state.take(.close, state.lastEvent) } else { state.take(.close, .closeCall) }
      state.deferred = nil
      state.closeCall = state.begin()
      return .success((state.closeCall, state.managerContext, last))
    }
    guard case .success(let (operation, manager, last)) = begun else { return refused(begun, vc) }
    let status = open.manager.closeCall(manager, last, data)
    if status == .pending { return .pending }
    return settleClose(vc, status, operation) == nil ? .pending : status
  }

  /// `Ndis(M)CmCloseCallComplete`. Calls the client.
  public func closeCallComplete(_ status: NDISStatus, _ handle: Handle, party: Handle? = nil) {
    guard let vc = connections[handle], let open = vc.family, status != .pending, let last = settleClose(vc, status, nil) else {
      return note("a close completed out of place", connections[handle])
    }
    open.client.closeCallComplete(status, vc.state.withLock { $0.clientContext }, last)
  }

  /// - Returns: The client's context of the last party; nil when no such close is outstanding.
  private func settleClose(_ vc: VirtualConnection, _ status: NDISStatus, _ operation: UInt32?) -> DriverContext? {
    let (last, ended): (DriverContext?, [Party]) = vc.state.withLock { state in
      guard state.closeCall != 0, operation == nil || state.closeCall == operation, case .closing = state.call else {
        return (nil, [])
      }
      state.closeCall = 0
      let last = state.parties.first { $0.state != .dropping && $0.state != .gone }?.clientContext ?? DriverContext.none
      if status == .success {
        state.take(.closed(true), .closed)
        return (last, state.endCall())
      }
      state.take(.closed(false), .closeFailed)
      return (last, [])
    }
    retire(ended)
    if last != nil, status == .success { countEndedCall() }
    return last
  }

  /// `Ndis(M)CmDispatchIncomingCloseCall`: tells the client to close an active or an offered call. Calls the client, once per call;
  /// the call ends when the client's close is complete (condis.md §11).
  /// - Parameter status: `success`: the other end has closed; anything else: why the call manager ended it.
  public func dispatchIncomingCloseCall(_ status: NDISStatus, _ handle: Handle, _ data: CloseData = .none) {
    guard let vc = connections[handle], let open = vc.family else {
      return note("an incoming close for no connection", connections[handle])
    }
    if data.isMalformed { note("an incoming close with a size and no data", connections[handle]) }
    var status = status
    if status == .pending {
      note("an incoming close with the status PENDING, delivered as FAILURE", connections[handle])
      status = .failure
    }
    enum Course {
      case deliver(DriverContext)
      case deferred
      case deferredWithoutData
      case none(CallOperation.Answer)
    }
    let course: Course = vc.state.withLock { state in
      guard state.existence == .alive else { return .none(.ignore) }
      let answer = CallOperation.dispatchIncomingClose.answer(in: state.call)
      guard answer == .go else { return .none(answer) }
      state.take(.indicateClose, .incomingClose(status))
      state.wasBroken = status != .success
      if state.mustDefer {
        guard data.size <= Self.maximumDeferredData else {
          state.deferred = VirtualConnection.DeferredClose(status: status, data: [])
          return .deferredWithoutData
        }
        let bytes = data.pointer.map { Array(UnsafeRawBufferPointer(start: $0, count: Int(data.size))) } ?? []
        state.deferred = VirtualConnection.DeferredClose(status: status, data: bytes)
        return .deferred
      }
      return .deliver(state.clientContext)
    }
    switch course {
    case .deliver(let context): open.client.incomingCloseCall(status, context, data)
    case .deferred, .none(.ignoreSilently): break
    case .deferredWithoutData:
      note("an incoming close that had to wait, with too much data to keep; delivered without", connections[handle])
    case .none: note("an incoming close in a state that has none", connections[handle])
    }
  }

  /// How much disconnect data is kept, in bytes, where it can't be delivered at once.
  static let maximumDeferredData: UInt32 = 1 << 16

  /// Delivers an incoming close that had to wait for another indication.
  func deliver(_ deferred: VirtualConnection.DeferredClose?, _ vc: VirtualConnection) {
    guard var data = deferred?.data, let status = deferred?.status, let open = vc.family else { return }
    let context = vc.state.withLock { $0.clientContext }
    data.withUnsafeMutableBytes { bytes in
      open.client.incomingCloseCall(status, context, CloseData(bytes.baseAddress, UInt32(bytes.count)))
    }
  }
}

extension VirtualConnection.State {
  /// The client takes the offer.
  fileprivate mutating func accept() {
    if call == .offered { take(.accept, .accepted) } else if call.after(.accept) != nil { take(.accept, lastEvent) }
  }

  /// The client refuses the offer: nothing more is owed.
  /// - Returns: Whether that ended a call.
  fileprivate mutating func refuse() -> Bool {
    guard call.after(.refuse) != nil else { return false }
    take(.refuse, .refused)
    deferred = nil
    return true
  }

  /// Goes where the table says; the caller has asked it whether this is legal.
  fileprivate mutating func take(_ transition: CallState.Transition, _ event: CallEvent) {
    guard let next = call.after(transition) else { preconditionFailure("\(transition) in \(call)") }
    call = next
    lastEvent = event
    ChangeBell.calls.ring()
  }

  /// Back to a connection without a call. Answers the parties that are gone with it.
  fileprivate mutating func endCall() -> [Party] {
    // A party that is being dropped goes when its drop is complete.
    let ended = parties.filter { $0.state != .dropping }
    for party in ended { party.state = .gone }
    parties = []
    isMultipoint = false
    deferred = nil
    return ended
  }

  mutating func enterIndication() { running.append(UInt(pthread_self())) }

  /// The last one out takes the deferred close with it.
  mutating func leaveIndication() -> VirtualConnection.DeferredClose? {
    if let own = running.lastIndex(of: UInt(pthread_self())) { running.remove(at: own) }
    guard running.isEmpty else { return nil }
    defer { deferred = nil }
    return deferred
  }

  /// A close must not overtake an indication on another thread, nor an offer that is being looked at.
  fileprivate var mustDefer: Bool { offer == .running || running.contains { $0 != UInt(pthread_self()) } }
}
