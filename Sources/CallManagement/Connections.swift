import Rundown
import Synchronization

/// Creating, activating, deactivating and deleting virtual connections (condis.md §7).
extension CoNDIS {
  /// `NdisCoCreateVc`: by a client, or by a stand-alone call manager (without a family: for its own signalling). Calls out.
  public func createVC(
    binding handle: Handle, family: Handle?, context: DriverContext, issued: (Handle?) -> Void
  ) -> NDISStatus {
    guard let binding = bindings[handle] else { return rejected(issued) }
    guard let family else {
      guard binding.callManager != nil, let miniport = binding.adapter.miniport else { return rejected(issued) }
      return create(
        VirtualConnection(
          number: nextNumber(), creator: .signalling, family: nil, miniport: miniport, adapter: binding.adapter,
          signaller: binding),
        context, peer: nil, issued)
    }
    guard let open = families[family] else { return rejected(issued) }
    if open.clientBinding == handle {
      return create(
        VirtualConnection(
          number: nextNumber(), creator: .client, family: open, miniport: open.miniport, adapter: binding.adapter), context,
        peer: { open.manager.createVC(open.managerContext, $0) }, issued)
    }
    guard open.managerBinding == handle else { return rejected(issued) }
    return create(
      VirtualConnection(
        number: nextNumber(), creator: .callManager, family: open, miniport: open.miniport, adapter: binding.adapter), context,
      peer: { open.client.createVC(open.clientContext, $0) }, issued)
  }

  /// `NdisMCmCreateVc`: by a miniport call manager. Calls the client.
  public func createVC(
    adapter handle: Handle, family: Handle, context: DriverContext, issued: (Handle?) -> Void
  ) -> NDISStatus {
    guard let adapter = adapters[handle], adapter.callManager != nil, let open = families[family], open.managerBinding == nil,
      bindings[open.clientBinding]?.adapter === adapter
    else { return rejected(issued) }
    return create(
      VirtualConnection(number: nextNumber(), creator: .miniportCallManager, family: open, miniport: nil, adapter: adapter),
      context,
      peer: { open.client.createVC(open.clientContext, $0) }, issued)
  }

  private func rejected(_ issued: (Handle?) -> Void) -> NDISStatus {
    issued(nil)
    return .failure
  }

  /// Miniport first, then the other side; what was done is undone when a later part fails.
  private func create(
    _ vc: VirtualConnection, _ context: DriverContext, peer: ((Handle) -> (NDISStatus, DriverContext))?,
    _ issued: (Handle?) -> Void
  ) -> NDISStatus {
    let isAllowed = control.withLock { _ in
      if let open = vc.family {
        guard open.state == .open else { return false }
        open.connections += 1
      } else {
        guard vc.signaller?.isClosing == false, !vc.adapter.isHalted else { return false }
        vc.signaller?.uses += 1
        vc.adapter.connections += 1
      }
      return true
    }
    guard isAllowed else { return rejected(issued) }
    guard let handle = connections.insert(vc) else {
      uncount(vc)
      issued(nil)
      return .resources
    }
    vc.state.withLock { state in
      switch vc.creator {
      case .client: state.clientContext = context
      case .callManager, .miniportCallManager, .signalling: state.managerContext = context
      }
    }
    issued(handle)
    var failure: NDISStatus?
    var hasMiniportPart = false
    if let miniport = vc.miniport {
      let (status, miniportContext) = miniport.createVC(vc.adapter.context, handle)
      vc.state.withLock { $0.miniportContext = miniportContext }
      hasMiniportPart = status == .success
      if status != .success { failure = status }
    }
    if failure == nil, let peer {
      let (status, peerContext) = peer(handle)
      vc.state.withLock { state in
        if vc.creator == .client { state.managerContext = peerContext } else { state.clientContext = peerContext }
      }
      if status != .success { failure = status }
    }
    guard let failure else {
      vc.state.withLock { $0.existence = .alive }
      return .success
    }
    vc.state.withLock { $0.existence = .gone }
    if hasMiniportPart { _ = vc.miniport?.deleteVC(vc.state.withLock { $0.miniportContext }) }
    _ = connections.remove(handle)
    ChangeBell.calls.ring()
    uncount(vc)
    issued(nil)
    // A create can't be answered later.
    return failure == .pending ? .failure : failure
  }

  private func uncount(_ vc: VirtualConnection) {
    let wasLastOfClosed = control.withLock { _ in
      guard let open = vc.family else {
        vc.signaller?.uses -= 1
        vc.adapter.connections -= 1
        return false
      }
      open.connections -= 1
      return open.connections == 0 && open.state == .closed && open.notification == 0
    }
    if wasLastOfClosed, let open = vc.family { destroy(open.handle, open) }
  }

  // MARK: Deleting

  /// `NdisCoDeleteVc`: by the client, or by the stand-alone call manager, that created it. Calls the other side.
  public func deleteVC(_ handle: Handle) -> NDISStatus {
    guard let vc = connections[handle], vc.creator != .miniportCallManager else { return .failure }
    return delete(handle, vc)
  }

  /// `NdisMCmDeleteVc`: by the miniport call manager that created it. Calls the client.
  public func deleteVC(byMiniportCallManager handle: Handle) -> NDISStatus {
    guard let vc = connections[handle], vc.creator == .miniportCallManager else { return .failure }
    return delete(handle, vc)
  }

  private func delete(_ handle: Handle, _ vc: VirtualConnection, function: String = #function) -> NDISStatus {
    let refusal: NDISStatus? = vc.state.withLock { state in
      if let refusal = state.existence.refusal { return refusal }
      if state.activation == .deactivating { return .closing }
      guard state.isAtRest, state.activation == .inactive else { return .notAccepted }
      state.existence = .deleting
      return nil
    }
    if let refusal { return refused(refusal, vc, function: function) }
    let (client, manager, miniport) = vc.state.withLock { ($0.clientContext, $0.managerContext, $0.miniportContext) }
    // The client may take its side down as soon as it has been told.
    let isClientTold = vc.creator == .callManager || vc.creator == .miniportCallManager
    if isClientTold { uncount(vc) }
    let answer: NDISStatus
    switch vc.creator {
    case .client: answer = vc.family?.manager.deleteVC(manager) ?? .success
    case .callManager, .miniportCallManager: answer = vc.family?.client.deleteVC(client) ?? .success
    case .signalling: answer = .success
    }
    guard answer == .success else {
      if isClientTold { control.withLock { _ in vc.family?.connections += 1 } }
      vc.state.withLock { $0.existence = .alive }
      return answer == .pending ? .notAccepted : answer
    }
    _ = vc.miniport?.deleteVC(miniport)
    vc.state.withLock { $0.existence = .gone }
    _ = connections.remove(handle)
    ChangeBell.calls.ring()
    if !isClientTold { uncount(vc) }
    return .success
  }

  // MARK: Activating

  /// `NdisCmActivateVc`: asks the miniport. Repeated for every change of parameters.
  public func activateVC(_ handle: Handle, _ parameters: PassedPointer) -> NDISStatus {
    guard let vc = connections[handle], let miniport = vc.miniport, parameters.pointer != nil else { return .failure }
    let begun: Result<UInt32, Refused> = vc.state.withLock { state in
      Self.mayActivate(state, vc).map { next in
        state.activation = next
        state.activationOperation = state.begin()
        return state.activationOperation
      }
    }
    guard case .success(let operation) = begun else { return refused(begun, vc) }
    let status = miniport.activateVC(vc.state.withLock { $0.miniportContext }, parameters)
    if status == .pending { return .pending }
    return settleActivation(vc, status, operation) ? status : .pending
  }

  private static func mayActivate(
    _ state: borrowing VirtualConnection.State, _ vc: VirtualConnection
  ) -> Result<ActivationState, Refused> {
    if let refusal = state.existence.refusal { return .failure(Refused(status: refusal)) }
    if case .refuse(let status) = CallOperation.activate.answer(in: state.call) { return .failure(Refused(status: status)) }
    // Nobody but its client can have a call on it yet.
    if vc.creator == .client, state.call == .idle, state.activation == .inactive {
      return .failure(Refused(status: .notAccepted))
    }
    return state.activation.after(.activate)
  }

  /// `NdisMCoActivateVcComplete`. Calls the call manager.
  public func activateVCComplete(_ status: NDISStatus, _ handle: Handle, _ parameters: PassedPointer) {
    guard let vc = connections[handle], status != .pending, settleActivation(vc, status, nil) else {
      return note("activation completed out of place", connections[handle])
    }
    vc.standAloneManager?.activateVCComplete(status, vc.state.withLock { $0.managerContext }, parameters)
  }

  private func settleActivation(_ vc: VirtualConnection, _ status: NDISStatus, _ operation: UInt32?) -> Bool {
    vc.state.withLock { state in
      state.settle(.activated(status == .success), operation)
    }
  }

  /// `NdisMCmActivateVc`: a miniport call manager tells that it has done so.
  public func activateVC(byMiniportCallManager handle: Handle, _ parameters: PassedPointer) -> NDISStatus {
    guard let vc = connections[handle], vc.isOfMiniportCallManager, parameters.pointer != nil else { return .failure }
    return refused(
      vc.state.withLock { state in
        Self.mayActivate(state, vc).flatMap { $0.after(.activated(true)) }.map { state.activation = $0 }
      }, vc)
  }

  /// `NdisCmDeactivateVc`: asks the miniport, once however often it was activated.
  public func deactivateVC(_ handle: Handle) -> NDISStatus {
    guard let vc = connections[handle], let miniport = vc.miniport else { return .failure }
    let begun: Result<UInt32, Refused> = vc.state.withLock { state in
      Self.mayDeactivate(state).map { next in
        state.activation = next
        state.activationOperation = state.begin()
        return state.activationOperation
      }
    }
    guard case .success(let operation) = begun else { return refused(begun, vc) }
    let status = miniport.deactivateVC(vc.state.withLock { $0.miniportContext })
    if status == .pending { return .pending }
    return settleDeactivation(vc, status, operation) ? status : .pending
  }

  private static func mayDeactivate(_ state: borrowing VirtualConnection.State) -> Result<ActivationState, Refused> {
    if let refusal = state.existence.refusal { return .failure(Refused(status: refusal)) }
    return state.activation.after(.deactivate)
  }

  /// `NdisMCoDeactivateVcComplete`. Calls the call manager.
  public func deactivateVCComplete(_ status: NDISStatus, _ handle: Handle) {
    guard let vc = connections[handle], status != .pending, settleDeactivation(vc, status, nil) else {
      return note("deactivation completed out of place", connections[handle])
    }
    vc.standAloneManager?.deactivateVCComplete(status, vc.state.withLock { $0.managerContext })
  }

  private func settleDeactivation(_ vc: VirtualConnection, _ status: NDISStatus, _ operation: UInt32?) -> Bool {
    vc.state.withLock { state in
      state.settle(.deactivated(status == .success), operation)
    }
  }

  /// `NdisMCmDeactivateVc`: a miniport call manager tells that it has done so.
  public func deactivateVC(byMiniportCallManager handle: Handle) -> NDISStatus {
    guard let vc = connections[handle], vc.isOfMiniportCallManager else { return .failure }
    return refused(
      vc.state.withLock { state in
        Self.mayDeactivate(state).flatMap { $0.after(.deactivated(true)) }.map { state.activation = $0 }
      }, vc)
  }
}

extension VirtualConnection.State {
  /// The miniport's answer, now or later; false for one that nobody waits for.
  fileprivate mutating func settle(_ transition: ActivationState.Transition, _ operation: UInt32?) -> Bool {
    guard activationOperation != 0, operation == nil || activationOperation == operation,
      case .success(let next) = activation.after(transition)
    else { return false }
    activation = next
    activationOperation = 0
    return true
  }
}
