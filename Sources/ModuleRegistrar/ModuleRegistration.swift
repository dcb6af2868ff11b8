import CReadableMemory
import CWinsock
import Dispatch

/// The role of a module in one registration.
public enum ModuleRole: String, Sendable {
  case client
  case provider
}

typealias ClientAttachCallback =
  @convention(c) (HANDLE?, UnsafeMutableRawPointer?, PNPI_REGISTRATION_INSTANCE?) -> NTSTATUS
typealias ProviderAttachCallback =
  @convention(c) (
    HANDLE?, UnsafeMutableRawPointer?, PNPI_REGISTRATION_INSTANCE?, UnsafeMutableRawPointer?, UnsafeRawPointer?,
    UnsafeMutablePointer<UnsafeMutableRawPointer?>?, UnsafeMutablePointer<UnsafeRawPointer?>?
  ) -> NTSTATUS
typealias DetachCallback = @convention(c) (UnsafeMutableRawPointer?) -> NTSTATUS
typealias CleanupCallback = @convention(c) (UnsafeMutableRawPointer?) -> Void

/// One module in one role for one interface. The callbacks are copies; the registration instance is the module's own, because
/// peers see its address (nmr.md §7.1).
class ModuleRegistration: @unchecked Sendable {
  // Unchecked: the variables belong to the registrar, which holds its lock whenever it touches them.
  let role: ModuleRole
  let npi: InterfaceID
  /// The address of its attach callback.
  let code: UnsafeRawPointer
  let detach: DetachCallback
  let cleanup: CleanupCallback?
  let context: UnsafeMutableRawPointer?
  let instance: UnsafePointer<NPI_REGISTRATION_INSTANCE>
  /// Nil when the module gave none, or one that is not a GUID.
  let moduleID: GUID?
  let registeredAt = ContinuousClock.now

  var handle = ModuleHandle.none
  var isDeregistering = false
  var isComplete = false
  /// Its place in its interface's list; nil once it takes part in no new pairing.
  var place: Int?
  /// Bindings that are not closed, attach attempts included.
  var openBindings = 0
  /// In the order in which they were attached.
  var attached = LinkedSlots<ModuleBinding>()
  var waiting: [DispatchSemaphore] = []

  init(
    role: ModuleRole, code: UnsafeRawPointer, detach: @escaping DetachCallback, cleanup: CleanupCallback?,
    context: UnsafeMutableRawPointer?,
    instance: UnsafePointer<NPI_REGISTRATION_INSTANCE>
  ) {
    self.role = role
    self.code = code
    npi = InterfaceID(instance.pointee.NpiId.pointee)
    self.detach = detach
    self.cleanup = cleanup
    self.context = context
    self.instance = instance
    moduleID = instance.pointee.moduleGUID
  }
}

extension NPI_REGISTRATION_INSTANCE {
  fileprivate var moduleGUID: GUID? {
    guard let id = ModuleId, nsp_are_readable(id, MemoryLayout<NPI_MODULEID>.size) != 0, id.pointee.Type == MIT_GUID else {
      return nil
    }
    return id.pointee.Guid
  }

  /// Whether its interface can be read.
  fileprivate var namesAnInterface: Bool { NpiId != nil && nsp_are_readable(NpiId, MemoryLayout<NPIID>.size) != 0 }
}

final class ClientRegistration: ModuleRegistration, @unchecked Sendable {
  let attach: ClientAttachCallback

  /// Nil for characteristics that §14 refuses.
  init?(_ characteristics: UnsafePointer<NPI_CLIENT_CHARACTERISTICS>, context: UnsafeMutableRawPointer?) {
    guard nsp_are_readable(characteristics, MemoryLayout<NPI_CLIENT_CHARACTERISTICS>.size) != 0 else { return nil }
    let given = characteristics.pointee
    guard Int(given.Length) >= MemoryLayout<NPI_CLIENT_CHARACTERISTICS>.size,
      Int(given.ClientRegistrationInstance.Size) >= MemoryLayout<NPI_REGISTRATION_INSTANCE>.size,
      given.ClientRegistrationInstance.namesAnInterface, let attach = given.ClientAttachProvider,
      let detach = given.ClientDetachProvider
    else { return nil }
    self.attach = attach
    super.init(
      role: .client, code: unsafeBitCast(attach, to: UnsafeRawPointer.self), detach: detach,
      cleanup: given.ClientCleanupBindingContext, context: context,
      instance: characteristics.pointer(to: \.ClientRegistrationInstance)!)
  }
}

final class ProviderRegistration: ModuleRegistration, @unchecked Sendable {
  let attach: ProviderAttachCallback

  /// Nil for characteristics that §14 refuses.
  init?(_ characteristics: UnsafePointer<NPI_PROVIDER_CHARACTERISTICS>, context: UnsafeMutableRawPointer?) {
    guard nsp_are_readable(characteristics, MemoryLayout<NPI_PROVIDER_CHARACTERISTICS>.size) != 0 else { return nil }
    let given = characteristics.pointee
    guard Int(given.Length) >= MemoryLayout<NPI_PROVIDER_CHARACTERISTICS>.size,
      Int(given.ProviderRegistrationInstance.Size) >= MemoryLayout<NPI_REGISTRATION_INSTANCE>.size,
      given.ProviderRegistrationInstance.namesAnInterface, let attach = given.ProviderAttachClient,
      let detach = given.ProviderDetachClient
    else { return nil }
    self.attach = attach
    super.init(
      role: .provider, code: unsafeBitCast(attach, to: UnsafeRawPointer.self), detach: detach,
      cleanup: given.ProviderCleanupBindingContext, context: context,
      instance: characteristics.pointer(to: \.ProviderRegistrationInstance)!)
  }
}

/// One pair of a client and a provider. `state` and what follows it belong to the registrar's lock.
final class ModuleBinding: @unchecked Sendable {
  // Unchecked: as in `ModuleRegistration`. The contexts are written before the binding is attached and read after that.
  let handle: ModuleHandle
  let client: ClientRegistration
  let provider: ProviderRegistration
  let proposedAt = ContinuousClock.now

  var state = BindingState()
  var clientContext: UnsafeMutableRawPointer?
  var clientDispatch: UnsafeRawPointer?
  var providerContext: UnsafeMutableRawPointer?
  var placeAtClient: Int?
  var placeAtProvider: Int?

  init(handle: ModuleHandle, client: ClientRegistration, provider: ProviderRegistration) {
    self.handle = handle
    self.client = client
    self.provider = provider
  }

  var isDeregistering: Bool { client.isDeregistering || provider.isDeregistering }
}
