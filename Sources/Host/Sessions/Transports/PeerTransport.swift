import CallManagement
import Rundown

/// The other end of a call, where a transport in Swift has it.
public protocol CallPeer: AnyObject, Sendable {
  /// Its virtual connection; written once, before the host knows the peer.
  var vc: Handle { get set }
  /// The call is over: every provider has been told, and the connection is gone. Called once, by whoever brought that about.
  func callEnded(_ status: NDISStatus)
}

/// A transport written in Swift: a miniport call manager whose calls are offered one by one, by `connect`.
public final class PeerTransport<Peer: CallPeer>: CallManager {
  private struct State {
    var adapter = Handle(rawValue: 0)
    var family = Handle(rawValue: 0)
    var sap: Handle?
  }

  private let calls: CoNDIS
  private let layer: SessionLayer
  private let state = Locked<State>(State())
  private let peers = HandleTable<Peer>(kind: 26)

  private init(_ layer: SessionLayer) {
    calls = layer.calls
    self.layer = layer
  }

  /// Attaches a transport to the session layer.
  /// - Parameter mayWait: The thread that closes a call may run providers' last calls; otherwise a thread of the host's does.
  public static func attach(_ name: String, to layer: SessionLayer, mayWait: Bool) -> (PeerTransport, TransportLink) {
    let transport = PeerTransport(layer)
    let link = TransportLink(name, layer: layer, mayWait: mayWait)
    let status = link.open(transport, context: .none) { adapter in
      transport.state.withLock { $0.adapter = adapter }
      return transport.calls.registerAddressFamily(adapter: adapter, AddressFamily(number: TransportLink.family))
    }
    // Nobody else has to do with this adapter.
    precondition(status == .success && link.phase == .open, "the transport \(name) does not open: \(status)")
    return (transport, link)
  }

  /// Calls the host. The call that is accepted is the peer's session.
  public func connect(_ peer: Peer, _ identity: ClientIdentity) throws(NDISStatus) -> ClientSession {
    let (adapter, family, sap) = state.withLock { ($0.adapter, $0.family, $0.sap) }
    guard let sap else { throw .closing }
    guard let context = peers.insert(peer) else { throw .resources }
    var status = calls.createVC(
      adapter: adapter, family: family, context: DriverContext(context.pointer), issued: { if let vc = $0 { peer.vc = vc } })
    guard status == .success else {
      _ = peers.remove(context)
      throw status
    }
    status = CallParameters.with(identity) { parameters in
      _ = calls.activateVC(byMiniportCallManager: peer.vc, parameters)
      return calls.dispatchIncomingCall(sap, peer.vc, parameters)
    }
    guard status == .success, let session = calls.snapshot(peer.vc).flatMap({ layer.call($0)?.session }) else {
      _ = peers.remove(context)
      release(peer.vc)
      throw status == .success ? .closing : status
    }
    calls.dispatchCallConnected(peer.vc)
    return session
  }

  /// Tells the host to close; `callEnded` follows when it has.
  public func close(_ peer: Peer, _ reason: CloseReason) { calls.dispatchIncomingCloseCall(reason.status, peer.vc) }

  private func release(_ vc: Handle) {
    _ = calls.deactivateVC(byMiniportCallManager: vc)
    _ = calls.deleteVC(byMiniportCallManager: vc)
  }

  // MARK: As a call manager

  public func openAddressFamily(_ owner: DriverContext, _ family: AddressFamily, _ handle: Handle) -> (NDISStatus, DriverContext)
  {
    state.withLock { $0.family = handle }
    return (.success, .none)
  }
  public func closeAddressFamily(_ family: DriverContext) -> NDISStatus { .success }
  public func registerSAP(_ family: DriverContext, _ address: PassedPointer, _ handle: Handle) -> (NDISStatus, DriverContext) {
    state.withLock { $0.sap = handle }
    return (.success, .none)
  }
  public func deregisterSAP(_ sap: DriverContext) -> NDISStatus {
    state.withLock { $0.sap = nil }
    return .success
  }

  /// The host has told every provider: the connection goes.
  public func closeCall(_ vc: DriverContext, _ party: DriverContext, _ data: CloseData) -> NDISStatus {
    guard let peer = peers.remove(Handle(vc.pointer)) else { return .failure }
    _ = calls.deactivateVC(byMiniportCallManager: peer.vc)
    calls.closeCallComplete(.success, peer.vc)
    _ = calls.deleteVC(byMiniportCallManager: peer.vc)
    peer.callEnded(data.pointer.map { NDISStatus(rawValue: $0.loadUnaligned(as: Int32.self)) } ?? .success)
    return .pending
  }
}
