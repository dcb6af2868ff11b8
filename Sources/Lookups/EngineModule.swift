import CWinsock
import ModuleRegistrar
import Providers
import QuerySets
import Sessions
import Synchronization

/// The lookup engine as a client module of the interface NSPv2: what it is bound to is what the catalog can call, and nothing else.
///
/// It attaches provider modules that are enabled and of a version that it speaks. A binding that is detached is retired first:
/// see `Retirement`.
final class EngineModule: Sendable {
  private let registrar: ModuleRegistrar
  private let catalog: Catalog
  private let sessions: SessionTable
  private nonisolated(unsafe) let structures: UnsafeMutablePointer<Structures>

  private struct Structures {
    var client = NPI_CLIENT_CHARACTERISTICS()
    var interface = NPIID.nspv2
  }

  private struct State {
    var registration: ModuleHandle?
    /// The host's own modules, by what the registrar shows of them.
    var own: [UInt: ProviderModule] = [:]
    /// The files that are loaded, for modules that register themselves.
    var files: [SharedObject] = []
    /// Ids whose provider may be taken over by a module that registers itself: its file is being replaced.
    var replaceable: Set<GUID> = []
    var retired: [Retired] = []
  }

  /// A provider that was detached, and whoever still keeps it.
  struct Retired: Sendable {
    weak let provider: Provider?
    let name: String
    let id: GUID
    let path: String?
    let since: MonotonicTime
  }

  private let state = Mutex<State>(State())

  init(registrar: ModuleRegistrar, catalog: Catalog, sessions: SessionTable) {
    self.registrar = registrar
    self.catalog = catalog
    self.sessions = sessions
    structures = .allocate(capacity: 1)
    structures.initialize(to: Structures())
    structures.pointee.client = NPI_CLIENT_CHARACTERISTICS(
      Version: 0, Length: UInt16(MemoryLayout<NPI_CLIENT_CHARACTERISTICS>.size),
      ClientAttachProvider: { binding, context, instance in
        // Borrowed: retained from `register` until `deregister` has been waited for.
        let engine = Unmanaged<EngineModule>.fromOpaque(context!).takeUnretainedValue()
        return engine.attach(ModuleHandle(binding), instance!).rawValue
      },
      ClientDetachProvider: { context in
        // Borrowed: the binding's own reference is given up in the cleanup callback.
        Unmanaged<EngineBinding>.fromOpaque(context!).takeUnretainedValue().detach().rawValue
      },
      // Gives up the reference that `attach` took for the registrar.
      ClientCleanupBindingContext: { Unmanaged<EngineBinding>.fromOpaque($0!).release() },
      ClientRegistrationInstance: NPI_REGISTRATION_INSTANCE(
        Version: 0, Size: UInt16(MemoryLayout<NPI_REGISTRATION_INSTANCE>.size), NpiId: structures.pointer(to: \.interface),
        ModuleId: nil, Number: UInt32(NSP_NPI_NSPV2_NUMBER), NpiSpecificCharacteristics: nil))
  }

  deinit { structures.deallocate() }

  /// Registers the engine; from now on providers are attached as they come. Calls out.
  func register() {
    // Retained for the registrar; released when the deregistration has been waited for.
    let context = Unmanaged.passRetained(self).toOpaque()
    do {
      try registrar.registerClient(UnsafePointer(structures).pointer(to: \.client)!, context: context) { handle in
        state.withLock { $0.registration = handle }
      }
    } catch {
      Unmanaged<EngineModule>.fromOpaque(context).release()
    }
  }

  /// Detaches every provider and waits until the last one is gone. Calls out.
  func deregister() {
    guard
      let handle = state.withLock({ state -> ModuleHandle? in
        defer { state.registration = nil }
        return state.registration
      })
    else { return }
    _ = try? registrar.deregister(handle, role: .client)
    _ = try? registrar.waitForDeregistration(handle, role: .client)
    // Retained in `register`; no callback can come any more.
    Unmanaged.passUnretained(self).release()
  }

  func isRegistration(_ handle: ModuleHandle) -> Bool { state.withLock { $0.registration == handle } }

  // MARK: What the host tells it

  func expect(_ module: ProviderModule) { state.withLock { $0.own[module.instanceAddress] = module } }
  func forget(_ module: ProviderModule) { state.withLock { _ = $0.own.removeValue(forKey: module.instanceAddress) } }

  func replace(_ ids: some Sequence<GUID>) { state.withLock { $0.replaceable.formUnion(ids) } }
  func replaced(_ ids: some Sequence<GUID>) { state.withLock { $0.replaceable.subtract(ids) } }

  /// A file has been loaded: providers that it registered meanwhile are in it.
  func know(_ file: SharedObject) {
    state.withLock { $0.files.append(file) }
    for entry in catalog.entries {
      guard let provider = entry.provider, provider.file == nil, file.contains(provider.routines.address(.lookupServiceBegin))
      else { continue }
      provider.keep(file)
      catalog.update(entry.id) { $0.path = file.path }
    }
  }

  /// The loaded file that some code belongs to.
  func path(of code: UnsafeRawPointer) -> String? { state.withLock { $0.files }.first { $0.contains(code) }?.path }

  func forget(_ file: SharedObject) { state.withLock { $0.files.removeAll { $0 === file } } }

  /// Providers that were detached and are still in use somewhere: a call that never completed, a routine that never returned.
  var retired: [(retired: Retired, provider: Provider)] {
    state.withLock { state in
      state.retired.removeAll { $0.provider == nil }
      return state.retired.compactMap { retired in retired.provider.map { (retired, $0) } }
    }
  }

  // MARK: Attaching

  private func attach(_ handle: ModuleHandle, _ instance: UnsafePointer<NPI_REGISTRATION_INSTANCE>) -> NTStatus {
    let address = UInt(bitPattern: instance)
    let own = state.withLock { $0.own[address] }
    guard let manifest = own?.manifest ?? Manifest(instance), catalog[manifest.id]?.isActive ?? true else { return .noInterface }
    let mayReplace = own != nil || state.withLock { $0.replaceable.contains(manifest.id) }
    if !mayReplace, catalog[manifest.id]?.provider != nil { return .noInterface }
    let binding = EngineBinding(engine: self, handle)
    // Retained for the registrar. Given up in the cleanup callback once attached, else below.
    let context = Unmanaged.passRetained(binding)
    var dispatch: UnsafeRawPointer?
    let status = registrar.attachProvider(handle, clientContext: context.toOpaque(), clientDispatch: nil) { dispatch = $1 }
    guard status == .success else {
      context.release()
      return status
    }
    guard let routines = own?.routines ?? completed(dispatch, manifest),
      case let provider = Provider(manifest: manifest, routines: routines, file: own?.file ?? file(of: routines)),
      serve(provider, mayReplace: mayReplace)
    else {
      // The registrar detaches the provider's side alone, and leaves this context to its owner.
      context.release()
      return .notSupported
    }
    binding.provider.withLock { $0 = provider }
    return .success
  }

  private func serve(_ provider: Provider, mayReplace: Bool) -> Bool {
    guard catalog.serve(provider, mayReplace: mayReplace) else { return false }
    if let path = provider.file?.path { catalog.update(provider.id) { $0.path = path } }
    return true
  }

  /// The table of a module that registered itself, with stubs for what it lacks.
  private func completed(_ dispatch: UnsafeRawPointer?, _ manifest: Manifest) -> RoutineTable? {
    guard let dispatch else { return nil }
    return try? RoutineTable(
      completing: dispatch.assumingMemoryBound(to: NSPV2_ROUTINE.self), allowsPartial: manifest.allowsPartial,
      completion: ProviderHost.completeForStub)
  }

  private func file(of routines: RoutineTable) -> SharedObject? {
    let address = routines.address(.lookupServiceBegin)
    return state.withLock { $0.files }.first { $0.contains(address) }
  }

  // MARK: Detaching

  fileprivate func detach(_ provider: Provider, _ handle: ModuleHandle) -> NTStatus {
    catalog.unbind(provider)
    state.withLock {
      $0.retired.append(
        Retired(provider: provider, name: provider.name, id: provider.id, path: provider.file?.path, since: .now))
    }
    let retirement = Retirement(provider, sessions) { [registrar] in registrar.detachComplete(handle, role: .client) }
    retirement.begin()
    return .pending
  }
}

/// One binding of the engine: its binding context.
private final class EngineBinding: Sendable {
  let engine: EngineModule
  let handle: ModuleHandle
  let provider = Mutex<Provider?>(nil)

  init(engine: EngineModule, _ handle: ModuleHandle) {
    self.engine = engine
    self.handle = handle
  }

  func detach() -> NTStatus {
    guard let provider = provider.withLock({ $0 }) else { return .success }
    return engine.detach(provider, handle)
  }
}

extension Manifest {
  /// What a module that registered itself says of itself; nil when it says too little, or speaks another version.
  fileprivate init?(_ instance: UnsafePointer<NPI_REGISTRATION_INSTANCE>) {
    let instance = instance.pointee
    guard instance.Number <= UInt32(NSP_NPI_NSPV2_NUMBER), let module = instance.ModuleId?.pointee, module.Type == MIT_GUID,
      let given = instance.NpiSpecificCharacteristics?.assumingMemoryBound(to: NSPV2_CHARACTERISTICS.self).pointee,
      Int(given.cbSize) >= MemoryLayout<NSPV2_CHARACTERISTICS>.size,
      let name = given.lpszName.flatMap({ String(validatingCString: $0) }), !name.isEmpty,
      let domains = given.lpszDomains.map({ String(validatingCString: $0) }) ?? ""
    else { return nil }
    try? self.init(
      id: module.Guid, displayName: name, nameSpace: NameSpace(rawValue: given.dwNameSpace), version: given.dwVersion,
      flags: given.dwFlags, domains: domains, source: .registration)
  }
}
