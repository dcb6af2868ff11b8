import CallManagement
import Providers
import Rundown
import Synchronization

/// The transport of clients that live inside the host's own process: a call each, no wire.
public final class LoopbackTransport: CallManager {
  private struct State {
    var adapter = Handle(rawValue: 0)
    var family = Handle(rawValue: 0)
    var sap: Handle?
  }

  private let calls: CoNDIS
  private let layer: SessionLayer
  private let state = Mutex<State>(State())
  private let clients = HandleTable<LoopbackClient>(kind: 26)

  private init(_ layer: SessionLayer) {
    calls = layer.calls
    self.layer = layer
  }

  /// Attaches a loopback transport to the session layer. The thread that hangs a client up runs providers' last calls, unless
  /// they keep threads.
  public static func attach(to layer: SessionLayer) -> (LoopbackTransport, TransportLink) {
    let transport = LoopbackTransport(layer)
    let link = TransportLink("loopback", layer: layer, mayWait: true)
    let status = link.open(transport, context: .none) { adapter in
      transport.state.withLock { $0.adapter = adapter }
      return transport.calls.registerAddressFamily(adapter: adapter, AddressFamily(number: TransportLink.family))
    }
    // Nobody else has to do with this adapter.
    precondition(status == .success && link.phase == .open, "the loopback transport does not open: \(status)")
    return (transport, link)
  }

  /// Calls the host. The call that is accepted is the client's session.
  public func connect(_ identity: ClientIdentity) throws(NDISStatus) -> LoopbackClient {
    let (adapter, family, sap) = state.withLock { ($0.adapter, $0.family, $0.sap) }
    guard let sap else { throw .closing }
    let client = LoopbackClient(transport: self)
    guard let context = clients.insert(client) else { throw .resources }
    var status = calls.createVC(
      adapter: adapter, family: family, context: DriverContext(context.pointer), issued: { if let vc = $0 { client.vc = vc } })
    guard status == .success else {
      _ = clients.remove(context)
      throw status
    }
    status = PeerCredentials.withCallParameters(identity) { parameters in
      _ = calls.activateVC(byMiniportCallManager: client.vc, parameters)
      return calls.dispatchIncomingCall(sap, client.vc, parameters)
    }
    guard status == .success, let session = calls.snapshot(client.vc).flatMap({ layer.call($0)?.session }) else {
      hangUp(client.vc)
      _ = clients.remove(context)
      throw status == .success ? .closing : status
    }
    client.session = session
    calls.dispatchCallConnected(client.vc)
    return client
  }

  fileprivate func close(_ vc: Handle, _ status: NDISStatus) { calls.dispatchIncomingCloseCall(status, vc) }

  private func hangUp(_ vc: Handle) {
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

  /// The host has told every provider: the connection goes, and whoever waits for that goes on.
  public func closeCall(_ vc: DriverContext, _ party: DriverContext, _ data: CloseData) -> NDISStatus {
    guard let client = clients.remove(Handle(vc.pointer)) else { return .failure }
    _ = calls.deactivateVC(byMiniportCallManager: client.vc)
    calls.closeCallComplete(.success, client.vc)
    _ = calls.deleteVC(byMiniportCallManager: client.vc)
    let status = data.pointer.map { NDISStatus(rawValue: $0.loadUnaligned(as: Int32.self)) } ?? .success
    client.ended.resolve(status)
    return .pending
  }
}

/// A client inside the host's process: one end of a call.
public final class LoopbackClient: @unchecked Sendable {
  // Unchecked: both variables are written once, before anybody else has the client.
  fileprivate(set) var vc = Handle(rawValue: 0)
  fileprivate var connected: ClientSession?
  /// Resolved with the status of the close, when every provider has been told.
  public let ended = Ticket<NDISStatus>()
  private let transport: LoopbackTransport

  init(transport: LoopbackTransport) { self.transport = transport }

  public fileprivate(set) var session: ClientSession {
    get { connected! }
    set { connected = newValue }
  }

  /// Ends the call. Hung up twice, or by both ends, the first reason counts. Calls out.
  public func hangUp(_ reason: CloseReason = .remote) { if ended.isOpen { transport.close(vc, reason.status) } }

  /// `hangUp`, and waits until every provider has been told.
  /// - Returns: false when the deadline passed first; the session is then visible as draining until its calls are completed.
  @discardableResult
  public func hangUpAndWait(_ reason: CloseReason = .remote, deadline: Duration = .seconds(5)) -> Bool {
    hangUp(reason)
    return ended.wait(for: deadline) != nil
  }
}
