import CWinsock
import Rundown

/// What a client module keeps of one binding: its binding context.
public protocol ClientBinding: AnyObject, Sendable {
  /// The binding ends. `pending` promises a `detachComplete` (`NPI_CLIENT_DETACH_PROVIDER_FN`).
  func detach() -> NTStatus
}

/// A client module of this process: the one place where Swift objects become the registrar's contexts.
public final class ClientModule: Sendable {
  public let registrar: ModuleRegistrar
  private let offered: @Sendable (ModuleHandle, UnsafePointer<NPI_REGISTRATION_INSTANCE>) -> NTStatus
  private let registration = Locked<ModuleHandle?>(nil)
  private nonisolated(unsafe) let structures: UnsafeMutablePointer<Structures>

  private struct Structures {
    var client = NPI_CLIENT_CHARACTERISTICS()
    var interface: NPIID
  }

  /// - Parameter offered: Called for each provider of the interface; declines it with `noInterface`, or answers what `attach` did.
  public init(
    registrar: ModuleRegistrar, interface: NPIID, number: UInt32 = 0,
    offered: @escaping @Sendable (ModuleHandle, UnsafePointer<NPI_REGISTRATION_INSTANCE>) -> NTStatus
  ) {
    self.registrar = registrar
    self.offered = offered
    structures = .allocate(capacity: 1)
    structures.initialize(to: Structures(interface: interface))
    structures.pointee.client = NPI_CLIENT_CHARACTERISTICS(
      Version: 0, Length: UInt16(MemoryLayout<NPI_CLIENT_CHARACTERISTICS>.size),
      ClientAttachProvider: { binding, context, instance in
        // Borrowed: retained from `register` until `deregister` has been waited for.
        let module = Unmanaged<ClientModule>.fromOpaque(context!).takeUnretainedValue()
        return module.offered(ModuleHandle(binding), instance!).rawValue
      },
      ClientDetachProvider: { context in
        // Borrowed: the binding's own reference is given up in the cleanup callback.
        Unmanaged<BindingBox>.fromOpaque(context!).takeUnretainedValue().binding.detach().rawValue
      },
      // Gives up the reference that `attach` took for the registrar.
      ClientCleanupBindingContext: { Unmanaged<BindingBox>.fromOpaque($0!).release() },
      ClientRegistrationInstance: NPI_REGISTRATION_INSTANCE(
        Version: 0, Size: UInt16(MemoryLayout<NPI_REGISTRATION_INSTANCE>.size), NpiId: structures.pointer(to: \.interface),
        ModuleId: nil, Number: number, NpiSpecificCharacteristics: nil))
  }

  deinit { structures.deallocate() }

  /// From now on providers are offered as they come. Calls out.
  public func register() {
    // Retained for the registrar; released when the deregistration has been waited for.
    let context = Unmanaged.passRetained(self).toOpaque()
    do {
      try registrar.registerClient(UnsafePointer(structures).pointer(to: \.client)!, context: context) { handle in
        registration.withLock { $0 = handle }
      }
    } catch {
      Unmanaged<ClientModule>.fromOpaque(context).release()
    }
  }

  /// Detaches every provider and waits until the last one is gone. Calls out.
  public func deregister() {
    guard let handle = registration.withLock({ $0.take() }) else { return }
    _ = try? registrar.deregister(handle, role: .client)
    _ = try? registrar.waitForDeregistration(handle, role: .client)
    // Retained in `register`; no callback can come any more.
    Unmanaged.passUnretained(self).release()
  }

  public func isRegistration(_ handle: ModuleHandle) -> Bool { registration.withLock { $0 == handle } }

  /// Attaches a provider that was just offered.
  /// - Parameters:
  ///   - clientDispatch: This module's dispatch table, as the provider is shown it.
  ///   - accept: Looks at the provider's context and dispatch table; false: they can't be used.
  public func attach(
    _ handle: ModuleHandle, _ binding: any ClientBinding, dispatch clientDispatch: UnsafeRawPointer? = nil,
    accept: (_ context: UnsafeMutableRawPointer?, _ dispatch: UnsafeRawPointer?) -> Bool
  ) -> NTStatus {
    // Retained for the registrar. Given up in the cleanup callback once attached, else below.
    let context = Unmanaged.passRetained(BindingBox(binding))
    var provider: (context: UnsafeMutableRawPointer?, dispatch: UnsafeRawPointer?)
    let status = registrar.attachProvider(handle, clientContext: context.toOpaque(), clientDispatch: clientDispatch) {
      provider = ($0, $1)
    }
    if status == .success, accept(provider.context, provider.dispatch) { return .success }
    // The registrar detaches the provider's side alone, and leaves this context to its owner.
    context.release()
    return status == .success ? .notSupported : status
  }

  public func detachComplete(_ handle: ModuleHandle) { registrar.detachComplete(handle, role: .client) }
}

/// An existential has no address of its own.
private final class BindingBox: Sendable {
  let binding: any ClientBinding
  init(_ binding: any ClientBinding) { self.binding = binding }
}
