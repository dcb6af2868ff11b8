import CWinsock
import ModuleRegistrar
import Providers
import QuerySets
import Rundown
import ServiceClasses
import Sessions

/// The lookup engine as a client module of the interface NSPv2: what it is bound to is what the catalog can call, and nothing else.
///
/// It attaches provider modules that are enabled and of a version that it speaks. A binding that is detached is retired first:
/// see `Retirement`.
final class EngineModule: Sendable {
  private let client: ClientModule
  private let catalog: Catalog
  private let sessions: SessionTable

  private struct State {
    /// The host's own modules, by what the registrar shows of them.
    var own: [UInt: ProviderModule] = [:]
    /// The files that are loaded, for modules that register themselves.
    var files: [SharedObject] = []
    /// The numbers of all files that were loaded for this engine.
    var numbers: Set<UInt64> = []
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

  private let state = Locked<State>(State())

  init(registrar: ModuleRegistrar, catalog: Catalog, sessions: SessionTable) {
    self.catalog = catalog
    self.sessions = sessions
    let offers = Offers()
    client = ClientModule(registrar: registrar, interface: .nspv2, number: UInt32(NSP_NPI_NSPV2_NUMBER)) { handle, instance in
      offers.engine?.attach(handle, instance) ?? .noInterface
    }
    offers.engine = self
  }

  /// The client module belongs to the engine, and outlives it while it is registered.
  private final class Offers: @unchecked Sendable {
    // Unchecked: written before the module is registered.
    weak var engine: EngineModule?
  }

  /// Registers the engine; from now on providers are attached as they come. Calls out.
  func register() { client.register() }

  /// Detaches every provider and waits until the last one is gone. Calls out.
  func deregister() { client.deregister() }

  func isRegistration(_ handle: ModuleHandle) -> Bool { client.isRegistration(handle) }

  // MARK: What the host tells it

  func expect(_ module: ProviderModule) { state.withLock { $0.own[module.instanceAddress] = module } }
  func forget(_ module: ProviderModule) { state.withLock { _ = $0.own.removeValue(forKey: module.instanceAddress) } }

  /// A file has been loaded: providers that it registered meanwhile are in it.
  func know(_ file: SharedObject) {
    state.withLock { state in
      state.files.append(file)
      state.numbers.insert(file.number)
    }
    for entry in catalog.entries {
      guard let provider = entry.provider, provider.file == nil, let routines = provider.routines as? DirectRoutines,
        file.contains(routines.address(.lookupServiceBegin))
      else { continue }
      provider.keep(file)
      _ = catalog.report(.located(file.path), to: entry.id)
    }
  }

  /// The loaded file that some code belongs to.
  func path(of code: UnsafeRawPointer) -> String? { state.withLock { $0.files }.first { $0.contains(code) }?.path }

  func forget(_ file: SharedObject) { state.withLock { $0.files.removeAll { $0 === file } } }

  /// The files of this engine's that nobody calls any more and that stay mapped all the same.
  var keptFiles: [MappedFiles.Kept] {
    let numbers = state.withLock { $0.numbers }
    return MappedFiles.kept.filter { numbers.contains($0.number) }
  }

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
    let registrant = own == nil ? SlotRegistrant.itself : .host
    guard let manifest = own?.manifest ?? Manifest(instance), manifest.id != SchemaProvider.id,
      catalog.admits(manifest.id, registrant)
    else { return .noInterface }
    let binding = EngineBinding(engine: self, handle)
    // The routines of one of its own it has without a table.
    let ownDispatch = own == nil ? nil : ProviderModule.engineDispatch
    return client.attach(handle, binding, dispatch: ownDispatch) { _, dispatch in
      let provider: Provider
      if let own {
        provider = Provider(
          manifest: manifest, routines: own.routines, version1: own.version1, file: own.file, scope: own.scope)
      } else {
        guard let routines = completed(dispatch, manifest) else { return false }
        provider = Provider(manifest: manifest, routines: routines, file: file(of: routines))
      }
      guard catalog.attach(provider, by: registrant) else { return false }
      binding.provider.withLock { $0 = provider }
      return true
    }
  }

  /// The table of a module that registered itself, with stubs for what it lacks.
  private func completed(_ dispatch: UnsafeRawPointer?, _ manifest: Manifest) -> DirectRoutines? {
    guard let table = dispatch?.assumingMemoryBound(to: NSPV2_ROUTINE.self) else { return nil }
    do throws(QuerySetError) { try NSPV2_ROUTINE.checkReadable(table, "its dispatch table") } catch {
      HostLog.write(.warning, provider: manifest.displayName, "a module of providers is refused: \(error)")
      return nil
    }
    return try? DirectRoutines(
      completing: table, allowsPartial: manifest.allowsPartial,
      completion: ProviderHost.complete)
  }

  private func file(of routines: DirectRoutines) -> SharedObject? {
    let address = routines.address(.lookupServiceBegin)
    return state.withLock { $0.files }.first { $0.contains(address) }
  }

  // MARK: Detaching

  fileprivate func detach(_ provider: Provider, _ handle: ModuleHandle) -> NTStatus {
    let effects = catalog.report(.detached(provider), to: provider.id)
    // Its slot has had it, so it is retired now, and once.
    guard effects.contains(where: { if case .retire = $0 { true } else { false } }) else { return .success }
    state.withLock {
      $0.retired.append(
        Retired(provider: provider, name: provider.name, id: provider.id, path: provider.file?.path, since: .now))
    }
    let retirement = Retirement(provider, sessions) { [client, catalog] in
      _ = catalog.report(.gone(provider), to: provider.id)
      client.detachComplete(handle)
    }
    retirement.begin()
    return .pending
  }
}

/// One binding of the engine: its binding context.
private final class EngineBinding: ClientBinding {
  let engine: EngineModule
  let handle: ModuleHandle
  let provider = Locked<Provider?>(nil)

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
    guard instance.Number <= UInt32(NSP_NPI_NSPV2_NUMBER), let module = instance.ModuleId,
      let characteristics = instance.NpiSpecificCharacteristics
    else { return nil }
    let (known, given): (NPI_MODULEID, NSPV2_CHARACTERISTICS)
    var (name, domains) = ("", "")
    do throws(QuerySetError) {
      try HandedOver.check(module, MemoryLayout<NPI_MODULEID>.size, "ModuleId")
      known = module.pointee
      let size = try HandedOver.value(characteristics.assumingMemoryBound(to: UInt32.self), "NpiSpecificCharacteristics")
      guard known.Type == MIT_GUID, Int(size) >= MemoryLayout<NSPV2_CHARACTERISTICS>.size else { return nil }
      given = try HandedOver.value(
        characteristics.assumingMemoryBound(to: NSPV2_CHARACTERISTICS.self), "NpiSpecificCharacteristics")
      if let text = given.lpszName { name = try HandedOver.text(text, limit: QuerySetLimits.textUnits, "lpszName") }
      if let text = given.lpszDomains { domains = try HandedOver.text(text, limit: QuerySetLimits.textUnits, "lpszDomains") }
    } catch {
      HostLog.write(.warning, "a module of providers is refused: \(error)")
      return nil
    }
    guard !name.isEmpty else { return nil }
    try? self.init(
      id: known.Guid, displayName: name, nameSpace: NameSpace(rawValue: given.dwNameSpace), version: given.dwVersion,
      flags: given.dwFlags, domains: domains, source: .registration)
  }
}
