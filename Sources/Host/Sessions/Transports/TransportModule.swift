import CWinsock
import CallManagement
import ModuleRegistrar
import Rundown

/// The session layer as a client module of the transport interface: files that register a transport bring clients to the host
/// (nspndis.h).
public final class TransportModule: Sendable {
  private let client: ClientModule
  private let layer: SessionLayer
  private let attached = Locked<[ModuleHandle: TransportLink]>([:])

  public init(registrar: ModuleRegistrar, layer: SessionLayer) {
    self.layer = layer
    let offers = Offers()
    client = ClientModule(registrar: registrar, interface: .transport) { handle, _ in
      offers.module?.attach(handle) ?? .noInterface
    }
    offers.module = self
  }

  /// The client module belongs to this one, and outlives it while it is registered.
  private final class Offers: @unchecked Sendable {
    // Unchecked: written before the module is registered.
    weak var module: TransportModule?
  }

  /// From now on transports are attached as they come. Calls out.
  public func register() { client.register() }

  /// Takes every transport down, and waits until the last one is not called any more. Calls out.
  public func deregister() { client.deregister() }

  public func isRegistration(_ handle: ModuleHandle) -> Bool { client.isRegistration(handle) }

  /// The transport at the other end of a binding.
  public subscript(binding: ModuleHandle) -> TransportLink? { attached.withLock { $0[binding] } }

  fileprivate func detached(_ handle: ModuleHandle) {
    attached.withLock { _ = $0.removeValue(forKey: handle) }
    client.detachComplete(handle)
  }

  private func attach(_ handle: ModuleHandle) -> NTStatus {
    let binding = TransportBinding(self, handle)
    return client.attach(handle, binding) { context, dispatch in
      guard let link = open(dispatch, DriverContext(context)) else { return false }
      binding.link.withLock { $0 = link }
      attached.withLock { $0[handle] = link }
      return true
    }
  }

  /// Nil for a table that lacks something, and for a transport that does not start.
  private func open(_ dispatch: UnsafeRawPointer?, _ owner: DriverContext) -> TransportLink? {
    guard let dispatch, dispatch.load(as: DWORD.self) >= MemoryLayout<NSP_TRANSPORT>.size else { return nil }
    let transport = dispatch.load(as: NSP_TRANSPORT.self)
    guard let handlers = transport.CallManagerHandlers, let manager = CoNDIS.callManager(handlers),
      let initialize = transport.TransportInitialize, let halt = transport.TransportHalt,
      let name = transport.lpszName.flatMap({ String(validatingCString: $0) })
    else { return nil }
    let link = TransportLink(name, layer: layer, mayWait: false)
    let status = link.open(
      manager, context: owner, initialize: { NDISStatus(rawValue: initialize($0.pointer, owner.pointer)) },
      halt: { halt(owner.pointer) })
    guard status == .success else { return nil }
    switch link.phase {
    case .unbinding, .closed, .stuck:
      // It refused its own family or service access point, at once.
      _ = link.ended.wait(for: .seconds(10))
      return nil
    default: return link
    }
  }
}

extension NPIID {
  /// Between transports and the session layer: `NSP_NPI_TRANSPORT`, a macro that Swift does not see.
  public static let transport = NPIID(Data1: 0x2f1c_0000, Data2: 0, Data3: 0x4000, Data4: (0x80, 0, 0, 0, 0, 0, 0, 2))
}

/// One transport that is attached: its binding context.
private final class TransportBinding: ClientBinding {
  let module: TransportModule
  let handle: ModuleHandle
  let link = Locked<TransportLink?>(nil)

  init(_ module: TransportModule, _ handle: ModuleHandle) {
    self.module = module
    self.handle = handle
  }

  /// The binding ends when the link has: no deadline, because until then the transport's code is still called.
  func detach() -> NTStatus {
    guard let link = link.withLock({ $0 }) else { return .success }
    link.whenClosed { [module, handle] in module.detached(handle) }
    link.close(.shuttingDown)
    return .pending
  }
}
