import CWinsock
import Dispatch
import Glibc
import ModuleRegistrar
import QuerySets
import Rundown

/// A provider as a provider module of the interface between providers and the engine (`NSP_NPI_NSPV2` in nsphost.h): what it
/// hands out when a foreign client attaches is a complete routine table.
///
/// The structures that the registrar and peers see stay in place as long as this object lives, which its registration ensures.
public final class ProviderModule: ProviderOffer {
  public let manifest: Manifest
  public let routines: any ProviderRoutines
  /// The file that the routines are in; nil for a table that was advertised.
  public let file: SharedObject?

  /// What the file exports of version 1, whether or not lookups go there.
  public let version1: (any ServiceClassRoutines)?
  /// The user whose clients alone it serves; nil: everybody's.
  public let scope: UInt32?

  private let registrar: ModuleRegistrar
  private let completion: AsyncCompletion
  /// The table that foreign clients call, where the routines are none.
  private let table = Locked<DirectRoutines?>(nil)
  private nonisolated(unsafe) let structures: UnsafeMutablePointer<Structures>
  private let registration = Locked<ModuleHandle?>(nil)
  /// A module is registered once: whoever takes it back meanwhile waits until it has been.
  private let life = Locked<Life>(.fresh)
  private let registering = DispatchGroup()

  private enum Life {
    case fresh
    case registered
    case over
  }

  /// What is lent to the registrar.
  private struct Structures {
    var provider = NPI_PROVIDER_CHARACTERISTICS()
    var interface = NPIID.nspv2
    var module = NPI_MODULEID()
    var characteristics = NSPV2_CHARACTERISTICS()
  }

  public init(
    manifest: Manifest, routines: any ProviderRoutines, version1: (any ServiceClassRoutines)? = nil, file: SharedObject?,
    scope: UInt32? = nil, registrar: ModuleRegistrar, completion: @escaping AsyncCompletion
  ) {
    self.version1 = version1
    self.scope = scope
    self.manifest = manifest
    self.routines = routines
    self.file = file
    self.registrar = registrar
    self.completion = completion
    structures = .allocate(capacity: 1)
    structures.initialize(to: Structures())
    structures.pointee.module.Length = UInt16(MemoryLayout<NPI_MODULEID>.size)
    structures.pointee.module.Type = MIT_GUID
    structures.pointee.module.Guid = manifest.id
    structures.pointee.characteristics = NSPV2_CHARACTERISTICS(
      cbSize: UInt32(MemoryLayout<NSPV2_CHARACTERISTICS>.size), dwNameSpace: manifest.nameSpace.rawValue,
      dwVersion: manifest.version, dwFlags: manifest.flags, lpszName: strdup(manifest.displayName),
      lpszDomains: strdup(manifest.domainText))
    let instance = NPI_REGISTRATION_INSTANCE(
      Version: 0, Size: UInt16(MemoryLayout<NPI_REGISTRATION_INSTANCE>.size), NpiId: structures.pointer(to: \.interface),
      ModuleId: structures.pointer(to: \.module), Number: UInt32(NSP_NPI_NSPV2_NUMBER),
      NpiSpecificCharacteristics: UnsafeRawPointer(structures.pointer(to: \.characteristics)!))
    structures.pointee.provider = NPI_PROVIDER_CHARACTERISTICS(
      Version: 0, Length: UInt16(MemoryLayout<NPI_PROVIDER_CHARACTERISTICS>.size),
      ProviderAttachClient: { _, context, _, _, clientDispatch, contextOut, dispatchOut in
        // Borrowed: a module that is registered is kept by whoever registered it.
        let module = Unmanaged<ProviderModule>.fromOpaque(context!).takeUnretainedValue()
        contextOut?.pointee = context
        // The engine has the routines themselves.
        if clientDispatch == ProviderModule.engineDispatch { return NTStatus.success.rawValue }
        guard let table = module.foreignTable() else { return NTStatus.insufficientResources.rawValue }
        dispatchOut?.pointee = UnsafeRawPointer(table.pointer)
        return NTStatus.success.rawValue
      },
      // Calls in progress are counted by the one who makes them.
      ProviderDetachClient: { _ in NTStatus.success.rawValue }, ProviderCleanupBindingContext: nil,
      ProviderRegistrationInstance: instance)
  }

  /// What the lookup engine shows as its client dispatch to a module that it has the routines of: an address that no other client has.
  public static nonisolated(unsafe) let engineDispatch = UnsafeRawPointer(
    UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1))

  /// The complete table of C functions; made for the first foreign client. Nil when there is no memory for it.
  private func foreignTable() -> DirectRoutines? {
    if let direct = routines as? DirectRoutines { return direct }
    return table.withLock { table in
      table = table ?? (try? DirectRoutines(calling: routines, completion: completion))
      return table
    }
  }

  /// The same, to be registered anew.
  public func renewed() -> ProviderModule {
    ProviderModule(
      manifest: manifest, routines: routines, version1: version1, file: file, scope: scope, registrar: registrar,
      completion: completion)
  }

  deinit {
    free(UnsafeMutableRawPointer(mutating: structures.pointee.characteristics.lpszName))
    free(UnsafeMutableRawPointer(mutating: structures.pointee.characteristics.lpszDomains))
    structures.deallocate()
  }

  /// Where the registration instance is that peers see of it.
  public var instanceAddress: UInt {
    UInt(bitPattern: UnsafePointer(structures).pointer(to: \.provider.ProviderRegistrationInstance)!)
  }

  /// Offers it to every client of the interface. Calls out. Keep it until `deregister` and `waitUntilGone`.
  public func register() throws(NTStatus) {
    let isFresh = life.withLock { life in
      guard life == .fresh else { return false }
      life = .registered
      registering.enter()
      return true
    }
    guard isFresh else { throw .invalidDeviceState }
    defer { registering.leave() }
    try registrar.registerProvider(
      UnsafePointer(structures).pointer(to: \.provider)!, context: Unmanaged.passUnretained(self).toOpaque()
    ) { handle in registration.withLock { $0 = handle } }
  }

  /// Starts to detach it from every client. Calls out. Asked twice, the first time counts.
  public func deregister() {
    life.withLock { $0 = .over }
    // No deadline: nothing of a provider runs while its module is registered.
    registering.wait()
    guard let handle = registration.withLock({ $0 }) else { return }
    _ = try? registrar.deregister(handle, role: .provider)
  }

  /// Waits until it is detached from every client: then no client calls its routines any more. Bounded by the clients' own deadlines.
  public func waitUntilGone() {
    guard let handle = registration.withLock({ $0 }) else { return }
    _ = try? registrar.waitForDeregistration(handle, role: .provider)
  }
}

extension NPIID {
  /// `NSP_NPI_NSPV2` of nsphost.h.
  public static let nspv2 = NPIID(Data1: 0x2f1c_0000, Data2: 0, Data3: 0x4000, Data4: (0x80, 0, 0, 0, 0, 0, 0, 1))
}
