import CWinsock
import CallManagement
import ModuleRegistrar
import Synchronization

/// The session layer as a client module of the transport interface: files that register a transport bring clients to the host
/// (nspndis.h).
public final class TransportModule: Sendable {
  private let registrar: ModuleRegistrar
  private let layer: SessionLayer
  private nonisolated(unsafe) let structures: UnsafeMutablePointer<Structures>
  private let registration = Mutex<ModuleHandle?>(nil)
  private let attached = Mutex<[ModuleHandle: TransportLink]>([:])

  private struct Structures {
    var client = NPI_CLIENT_CHARACTERISTICS()
    var interface = NPIID.transport
  }

  public init(registrar: ModuleRegistrar, layer: SessionLayer) {
    self.registrar = registrar
    self.layer = layer
    structures = .allocate(capacity: 1)
    structures.initialize(to: Structures())
    structures.pointee.client = NPI_CLIENT_CHARACTERISTICS(
      Version: 0, Length: UInt16(MemoryLayout<NPI_CLIENT_CHARACTERISTICS>.size),
      ClientAttachProvider: { binding, context, _ in
        // Borrowed: retained from `register` until `deregister` has been waited for.
        Unmanaged<TransportModule>.fromOpaque(context!).takeUnretainedValue().attach(ModuleHandle(binding)).rawValue
      },
      ClientDetachProvider: { context in
        // Borrowed: the binding's own reference is given up in the cleanup callback.
        Unmanaged<TransportBinding>.fromOpaque(context!).takeUnretainedValue().detach().rawValue
      },
      // Gives up the reference that `attach` took for the registrar.
      ClientCleanupBindingContext: { Unmanaged<TransportBinding>.fromOpaque($0!).release() },
      ClientRegistrationInstance: NPI_REGISTRATION_INSTANCE(
        Version: 0, Size: UInt16(MemoryLayout<NPI_REGISTRATION_INSTANCE>.size), NpiId: structures.pointer(to: \.interface),
        ModuleId: nil, Number: 0, NpiSpecificCharacteristics: nil))
  }

  deinit { structures.deallocate() }

  /// From now on transports are attached as they come. Calls out.
  public func register() {
    // Retained for the registrar; released when the deregistration has been waited for.
    let context = Unmanaged.passRetained(self).toOpaque()
    do {
      try registrar.registerClient(UnsafePointer(structures).pointer(to: \.client)!, context: context) { handle in
        registration.withLock { $0 = handle }
      }
    } catch {
      Unmanaged<TransportModule>.fromOpaque(context).release()
    }
  }

  /// Takes every transport down, and waits until the last one is not called any more. Calls out.
  public func deregister() {
    guard let handle = registration.withLock({ $0.take() }) else { return }
    _ = try? registrar.deregister(handle, role: .client)
    _ = try? registrar.waitForDeregistration(handle, role: .client)
    // Retained in `register`; no callback can come any more.
    Unmanaged.passUnretained(self).release()
  }

  public func isRegistration(_ handle: ModuleHandle) -> Bool { registration.withLock { $0 == handle } }

  /// The transport at the other end of a binding.
  public subscript(binding: ModuleHandle) -> TransportLink? { attached.withLock { $0[binding] } }

  fileprivate func detached(_ handle: ModuleHandle) {
    attached.withLock { _ = $0.removeValue(forKey: handle) }
    registrar.detachComplete(handle, role: .client)
  }

  private func attach(_ handle: ModuleHandle) -> NTStatus {
    let binding = TransportBinding(self, handle)
    // Retained for the registrar. Given up in the cleanup callback once attached, else below.
    let context = Unmanaged.passRetained(binding)
    var provider: (context: UnsafeMutableRawPointer?, dispatch: UnsafeRawPointer?)
    let status = registrar.attachProvider(handle, clientContext: context.toOpaque(), clientDispatch: nil) { provider = ($0, $1) }
    guard status == .success else {
      context.release()
      return status
    }
    guard let link = open(provider.dispatch, DriverContext(provider.context)) else {
      // The registrar detaches the provider's side alone, and leaves this context to its owner.
      context.release()
      return .notSupported
    }
    binding.link.withLock { $0 = link }
    attached.withLock { $0[handle] = link }
    return .success
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
private final class TransportBinding: Sendable {
  let module: TransportModule
  let handle: ModuleHandle
  let link = Mutex<TransportLink?>(nil)

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
