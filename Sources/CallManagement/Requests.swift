import Rundown
import Synchronization

/// OID requests and status indications, passed on as they are (condis.md §17).
extension CoNDIS {
  struct OutstandingRequest: Sendable {
    let connection: VirtualConnection?
    let complete: @Sendable (NDISStatus) -> Void
  }

  /// `NdisCoOidRequest`: with a family to its other side, without to the miniport. Calls the one that is asked.
  public func oidRequest(
    binding handle: Handle, family: Handle?, vc: Handle? = nil, party: Handle? = nil, _ request: PassedPointer
  ) -> NDISStatus {
    guard let binding = bindings[handle], let subject = subject(vc, party) else { return .failure }
    guard let family else { return askMiniport(binding, subject, request) }
    guard let open = families[family], control.withLock({ _ in open.state == .open }), subject.isPart(of: open) else {
      return .failure
    }
    if open.clientBinding == handle { return ask(open, byClient: true, subject, request) }
    return open.managerBinding == handle ? ask(open, byClient: false, subject, request) : .failure
  }

  /// `NdisMCmOidRequest`: by a miniport call manager, to a client. Calls the client.
  public func oidRequest(
    byMiniportCallManager family: Handle, vc: Handle? = nil, party: Handle? = nil, _ request: PassedPointer
  ) -> NDISStatus {
    guard let open = families[family], open.managerBinding == nil, let subject = subject(vc, party),
      control.withLock({ _ in open.state == .open }), subject.isPart(of: open)
    else { return .failure }
    return ask(open, byClient: false, subject, request)
  }

  /// `NdisCoOidRequestComplete`, `NdisMCoOidRequestComplete`: the request's memory says which one it is. Calls who asked.
  public func oidRequestComplete(_ request: PassedPointer, _ status: NDISStatus) {
    guard status != .pending, let outstanding = settle(request) else { return note("a request completed out of place") }
    outstanding.complete(status)
  }

  private struct Subject {
    var connection: VirtualConnection?
    var party: Party?

    func isPart(of open: FamilyOpen) -> Bool { connection.map { $0.family === open } ?? true }
  }

  /// Nil for handles that name nothing.
  private func subject(_ vc: Handle?, _ party: Handle?) -> Subject? {
    var subject = Subject()
    if let vc {
      guard let connection = connections[vc] else { return nil }
      subject.connection = connection
    }
    if let party {
      guard let named = parties[party], subject.connection == nil || subject.connection === named.vc else { return nil }
      (subject.connection, subject.party) = (named.vc, named)
    }
    return subject
  }

  private func ask(_ open: FamilyOpen, byClient: Bool, _ subject: Subject, _ request: PassedPointer) -> NDISStatus {
    let (client, manager) = contexts(subject, family: open)
    return send(
      request, about: subject.connection,
      to: { byClient ? open.manager.oidRequest(manager, request) : open.client.oidRequest(client, request) },
      complete: { status in
        if byClient {
          open.client.oidRequestComplete(client, request, status)
        } else {
          open.manager.oidRequestComplete(manager, request, status)
        }
      })
  }

  private func askMiniport(_ binding: Binding, _ subject: Subject, _ request: PassedPointer) -> NDISStatus {
    guard let miniport = binding.adapter.miniport, subject.party == nil,
      subject.connection.map({ $0.adapter === binding.adapter }) ?? true
    else { return .failure }
    let target = RequestTarget(
      owner: binding.adapter.context, vc: subject.connection?.state.withLock { $0.miniportContext } ?? .none)
    let isClients = subject.connection?.creator != .signalling && binding.client != nil
    let own = subject.connection?.state.withLock { isClients ? $0.clientContext : $0.managerContext } ?? .none
    let origin = RequestTarget(owner: binding.context, vc: own)
    return send(
      request, about: subject.connection, to: { miniport.oidRequest(target, request) },
      complete: { status in
        if isClients {
          binding.client?.oidRequestComplete(origin, request, status)
        } else {
          binding.callManager?.oidRequestComplete(origin, request, status)
        }
      })
  }

  private func contexts(_ subject: Subject, family open: FamilyOpen) -> (client: RequestTarget, manager: RequestTarget) {
    let vc = subject.connection?.state.withLock { ($0.clientContext, $0.managerContext) }
    let familyContext = control.withLock { _ in open.managerContext }
    return (
      RequestTarget(owner: open.clientContext, vc: vc?.0 ?? .none, party: subject.party?.clientContext ?? .none),
      RequestTarget(owner: familyContext, vc: vc?.1 ?? .none, party: subject.party?.managerContext ?? .none)
    )
  }

  /// Keeps the request until its final status is known; a connection that it is about can't be deleted meanwhile.
  private func send(
    _ request: PassedPointer, about connection: VirtualConnection?, to receiver: () -> NDISStatus,
    complete: @escaping @Sendable (NDISStatus) -> Void
  ) -> NDISStatus {
    let refusal: NDISStatus? = connection?.state.withLock { state in
      if let refusal = state.existence.refusal { return refusal }
      state.requests += 1
      return nil
    }
    if let refusal { return refusal }
    let isNew = requests.withLock { requests in
      guard request.pointer != nil, requests[request] == nil else { return false }
      requests[request] = OutstandingRequest(connection: connection, complete: complete)
      return true
    }
    guard isNew else {
      connection?.state.withLock { $0.requests -= 1 }
      return .failure
    }
    let status = receiver()
    if status == .pending { return .pending }
    return settle(request) == nil ? .pending : status
  }

  private func settle(_ request: PassedPointer) -> OutstandingRequest? {
    guard let outstanding = requests.withLock({ $0.removeValue(forKey: request) }) else { return nil }
    outstanding.connection?.state.withLock { $0.requests -= 1 }
    return outstanding
  }

  /// `NdisMCoIndicateStatusEx`: with a connection to the sides that share it, else to every driver that is bound to the adapter.
  public func indicateStatus(adapter handle: Handle, vc: Handle?, _ indication: PassedPointer) {
    guard let adapter = adapters[handle] else { return note("a status indicated by no adapter") }
    guard let vc else {
      for binding in control.withLock({ _ in adapter.bindings }).compactMap({ bindings[$0] }) {
        binding.client?.statusIndicated(binding.context, .none, indication)
        binding.callManager?.statusIndicated(binding.context, .none, indication)
      }
      return
    }
    guard let connection = connections[vc] else { return note("a status indicated for no connection") }
    let contexts = connection.state.withLock { $0.existence == .alive ? ($0.clientContext, $0.managerContext) : nil }
    guard let (client, manager) = contexts else { return note("a status indicated for a connection that comes or goes") }
    if let open = connection.family, let binding = bindings[open.clientBinding] {
      open.client.statusIndicated(binding.context, client, indication)
    }
    if let standAlone = connection.standAloneManager {
      let owner = connection.signaller?.context ?? connection.family?.managerBinding.flatMap { bindings[$0]?.context } ?? .none
      standAlone.statusIndicated(owner, manager, indication)
    }
  }
}
