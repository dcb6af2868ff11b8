import CWinsock
import CallManagement
import Glibc
import ModuleRegistrar
import Providers
import QuerySets
import Rundown
import Sessions

/// The host: loads providers from directories, serves clients, changes providers while calls run, and takes everything down in
/// order.
///
/// Several hosts can live in one process, as tests do, each with a registrar of its own; the one that serves modules which register
/// themselves uses `ModuleRegistrar.shared`. Any thread may call.
public final class ProviderHost: Sendable {
  public let registrar: ModuleRegistrar
  public let catalog = Catalog()
  public let sessions = SessionTable()
  public let engine: LookupEngine
  /// Where clients come in: every session is a call through one of its transports.
  public let layer: SessionLayer
  let module: EngineModule
  let transports: TransportModule
  private let loopback: (transport: LoopbackTransport, link: TransportLink)
  let shelf = Locked<Shelf>(Shelf())
  let keeping = Locked<CatalogKeeping>(CatalogKeeping())
  private let reportingLimits = Locked<LimitsReporter?>(nil)
  // A bare closure would be wrapped once more each time that it is looked at through the lock.
  private struct LimitsReporter {
    var report: @Sendable () -> LimitsReport
  }
  /// One change of the set of providers at a time. A turn, not a lock: nothing of the host is held while a provider runs.
  let changes = Turn()

  /// The host whose file is being loaded on this thread is asked first when a constructor advertises a provider.
  private static let hosts = Locked<[WeakHost]>([])
  private struct WeakHost: Sendable {
    weak let host: ProviderHost?
  }

  /// - Parameters:
  ///   - calls: Plugin files bring clients to the host that uses the shared one.
  ///   - admits: Who may have a session; asked on the transport's thread, and must not wait.
  public init(
    registrar: ModuleRegistrar = .shared, calls: CoNDIS = .shared,
    admits: @escaping @Sendable (ClientIdentity) -> Bool = { _ in true }
  ) {
    self.registrar = registrar
    layer = SessionLayer(calls: calls, sessions: sessions, admits: admits) { HostLog.write(.warning, $0) }
    loopback = LoopbackTransport.attach("loopback", to: layer, mayWait: true)
    transports = TransportModule(registrar: registrar, layer: layer)
    engine = LookupEngine(catalog: catalog)
    module = EngineModule(registrar: registrar, catalog: catalog, sessions: sessions)
    Self.hosts.withLock { hosts in
      hosts.removeAll { $0.host == nil }
      hosts.append(WeakHost(host: self))
    }
    module.register()
    // Files reach the process's own call management, through the functions of ndis.h.
    if calls === CoNDIS.shared { transports.register() }
  }

  deinit {
    // A host that was not stopped: its engine goes on its own, because it may have to wait.
    HostThreads.run { [transports] in transports.deregister() }
    HostThreads.run { [module, loopback] in
      loopback.link.close(.shuttingDown)
      module.deregister()
    }
  }

  static let complete: AsyncCompletion = { handle, code in _ = WSAProviderCompleteAsyncCall(handle, code) }

  // MARK: Clients

  /// Calls the host on behalf of a client inside this process. Throws the status with which the call was refused: `notAccepted` when
  /// access is denied, `closing` when the host stops.
  public func open(_ identity: ClientIdentity) throws(NDISStatus) -> LoopbackClient {
    try LoopbackClient(identity, over: loopback.transport)
  }

  /// Takes every transport down: every call is closed, every session ends in order. Calls out.
  func closeTransports() {
    let areGone = Promise<Void>()
    HostThreads.run { [transports] in
      transports.deregister()
      areGone.resolve(())
    }
    loopback.link.close(.shuttingDown)
    // What a provider or a transport keeps busy goes on behind the scenes.
    _ = loopback.link.ended.wait(for: .seconds(5))
    _ = areGone.wait(for: .seconds(5))
  }

  /// What an end of the host waits for, for people.
  public var obstacles: [String] {
    let links = layer.transports.flatMap(layer.connections)
    let busy = catalog.entries.filter { ($0.provider?.calls.occupants ?? 0) > 0 }.map {
      "provider \($0.manifest.displayName), a routine of which has not returned or not completed its call"
    }
    return links + busy + modules.kept.map { "provider \($0.name): \($0.cause)" }
  }

  /// The books of every provider, in catalog order.
  public var ledger: [(provider: String, figures: SessionLedger.Figures)] {
    catalog.entries.filter { $0.manifest.source != .builtIn }.map { ($0.manifest.displayName, $0.figures) }
  }

  /// How whoever serves others with this host stands with the limits of that; nil where nobody does.
  public var limitsReport: LimitsReport? { reportingLimits.withLock { $0 }?.report() }

  /// From now on `report` is asked for that, on any thread.
  public func reportLimits(_ report: @escaping @Sendable () -> LimitsReport) {
    reportingLimits.withLock { $0 = LimitsReporter(report: report) }
  }

  // MARK: Advertising

  /// Serves an installed provider from a routine table (`WSAAdvertiseProvider`, nsp.md §5.8). The table is copied.
  public func advertise(_ id: GUID, _ table: UnsafePointer<NSPV2_ROUTINE>) throws(WinsockError) {
    let routines: DirectRoutines
    do throws(DirectRoutines.Defect) {
      routines = try DirectRoutines(completing: table, allowsPartial: false, completion: Self.complete)
    } catch {
      throw error == .outOfMemory ? .notEnoughMemory : .invalidArgument
    }
    try advertise(id, routines)
  }

  /// The same, from routines that are complete, perhaps those of another process. While the provider is disabled it gets no calls.
  /// - Parameters:
  ///   - scope: The user whose clients alone it serves; nil: everybody's.
  ///   - mayReplace: Another one that serves the id is taken back when this one is attached.
  public func advertise(
    _ id: GUID, _ routines: any ProviderRoutines, version1: (any ServiceClassRoutines)? = nil, scope: UInt32? = nil,
    mayReplace: Bool = false
  ) throws(WinsockError) {
    guard let entry = catalog[id], entry.manifest.source != .builtIn else { throw .invalidProvider }
    let advertised = ProviderModule(
      manifest: entry.manifest, routines: routines, version1: version1, file: nil, scope: scope, registrar: registrar,
      completion: Self.complete)
    let effects = catalog.report(.advertise(advertised, mayReplace: mayReplace), to: id)
    if effects.isEmpty, catalog.member(id)?.advertised !== advertised { throw .invalidProvider }
    if effects.contains(where: \.isRefusal) { throw .alreadyInProgress }
    if let status = perform(effects, of: id) { throw status == .invalidDeviceState ? .cancelled : .notEnoughMemory }
  }

  /// Takes an advertised provider back: no new call enters, unfinished calls are answered with `WSA_E_CANCELLED`, every session
  /// gets its Cleanup; returns when no routine is running, except the one that this is called from.
  public func unadvertise(_ id: GUID) throws(WinsockError) {
    guard let advertised = catalog.member(id)?.advertised else { throw .invalidProvider }
    let effects = catalog.report(.unadvertise(advertised), to: id)
    guard !effects.isEmpty else { throw .invalidProvider }
    perform(effects, of: id)
  }

  /// Whether these routines are the ones that an id is advertised with.
  public func isAdvertised(_ id: GUID, _ routines: any ProviderRoutines) -> Bool {
    catalog.member(id)?.advertised?.routines === routines
  }

  /// The same, unless another one has taken over since.
  public func unadvertise(_ id: GUID, _ routines: any ProviderRoutines) {
    guard let advertised = catalog.member(id)?.advertised, advertised.routines === routines else { return }
    report(.unadvertise(advertised), to: id)
  }

  // MARK: Slots

  /// Tells the slot of a provider what has happened, and does what follows. Calls out.
  public func report(_ event: Catalog.Event, to id: GUID) { perform(catalog.report(event, to: id), of: id) }

  /// Does what follows from an event. Calls out.
  /// - Returns: Why a module could not be registered, if one was to be.
  @discardableResult
  func perform(_ effects: [Catalog.Effect], of id: GUID) -> NTStatus? {
    var failure: NTStatus?
    for effect in effects {
      switch effect {
      case .register(let offer):
        guard let module = offer as? ProviderModule else { break }
        do throws(NTStatus) {
          try register(module)
          report(.registered(module), to: id)
        } catch {
          failure = error
          report(.notRegistered(module), to: id)
        }
      case .renew(let offer):
        guard let module = offer as? ProviderModule else { break }
        let renewed = catalog.report(.renewed(module.renewed(), from: module), to: id)
        failure = perform(renewed, of: id) ?? failure
      case .deregister(let offer): if let module = offer as? ProviderModule { deregister(module) }
      case .abandon(let start): if let started = (start as? FileStart)?.abandon() { takeBack(started) }
      case .unload(let file): if let file = file as? LoadedFile { unload(file) }
      // For whoever has asked.
      case .turnAway, .refuse: break
      // The catalog and the engine's module do that.
      case .markReplaced, .keepBooks, .retire: break
      }
    }
    return failure
  }

  func register(_ provider: ProviderModule) throws(NTStatus) {
    module.expect(provider)
    do { try provider.register() } catch {
      module.forget(provider)
      throw error
    }
  }

  /// Detaches a module and waits until nobody calls it. Called from one of its own routines, it does not wait for itself.
  func deregister(_ provider: ProviderModule) {
    provider.deregister()
    if CallFrame.depth > 0 {
      HostThreads.run { [module] in
        provider.waitUntilGone()
        module.forget(provider)
      }
    } else {
      provider.waitUntilGone()
      module.forget(provider)
    }
  }

  /// The host that a call of `WSAAdvertiseProvider` or `WSAUnadvertiseProvider` in this process means.
  static func owner(of id: GUID) -> ProviderHost? {
    if let loading = pthread_getspecific(loadingKey) {
      // Borrowed from `whileLoading`, which is further down on this stack.
      return Unmanaged<ProviderHost>.fromOpaque(loading).takeUnretainedValue()
    }
    return hosts.withLock { hosts in hosts.compactMap(\.host) }.first { $0.catalog[id] != nil }
  }

  /// A provider of this process says that something has changed (`NSPHostChanged`). Calls those who wait for that.
  /// - Parameter base: Of the file that says so. One that has a provider speaks for its own; any other may be a library of the provider's.
  /// - Returns: Nil, or what the caller gets.
  static func changed(_ id: GUID, _ name: String?, inFileAt base: UInt) -> WinsockError? {
    let providers = hosts.withLock { $0.compactMap(\.host) }.flatMap { $0.catalog.entries.compactMap(\.provider) }
    let own = base == 0 ? [] : providers.filter { $0.file?.base == base }
    let meant = (own.isEmpty ? providers : own).filter { $0.id == id }
    if meant.isEmpty { return .invalidProvider }
    for provider in meant { provider.said(name) }
    return nil
  }

  /// What people call the provider whose file is mapped there.
  static func providerName(of base: UInt) -> String? {
    guard base != 0 else { return nil }
    return hosts.withLock { hosts in hosts.compactMap(\.host) }.lazy.compactMap { host in
      host.catalog.entries.first { $0.provider?.file?.base == base }?.manifest.displayName
    }.first
  }

  private static let loadingKey: pthread_key_t = {
    var key = pthread_key_t()
    let status = pthread_key_create(&key, nil)
    precondition(status == 0, "the process has no thread-specific data left")
    return key
  }()

  func whileLoading<T>(_ load: () throws(Refusal) -> T) throws(Refusal) -> T {
    // Not retained: the host outlives this call, and the slot is empty again after it.
    pthread_setspecific(Self.loadingKey, Unmanaged.passUnretained(self).toOpaque())
    defer { pthread_setspecific(Self.loadingKey, nil) }
    return try load()
  }
}
