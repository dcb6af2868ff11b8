import CWinsock
import Dispatch
import Glibc
import Providers
import QuerySets
import Sessions
import Synchronization

/// The host: loads providers from directories, serves clients, and takes everything down in order.
///
/// Several hosts can live in one process, as tests do; each has its own catalog and sessions.
public final class ProviderHost: Sendable {
  public let catalog = Catalog()
  public let sessions = SessionTable()
  public let engine: LookupEngine
  private let scanned = Mutex<[Candidate]>([])

  /// The host whose file is being loaded on this thread is asked first when a constructor advertises a provider.
  private static let hosts = Mutex<[WeakHost]>([])
  private struct WeakHost: Sendable {
    weak let host: ProviderHost?
  }

  public init() {
    engine = LookupEngine(catalog: catalog)
    Self.hosts.withLock { hosts in
      hosts.removeAll { $0.host == nil }
      hosts.append(WeakHost(host: self))
    }
  }

  /// Every candidate file of the last scan, with its state; a file that was found good but could not be loaded is refused here.
  public var candidates: [Candidate] { scanned.withLock { $0 } }

  // MARK: Loading

  /// The functions that the host offers to providers: what an unresolved symbol of a provider may name.
  public static let exports: Set<String> = [
    "WSAGetLastError", "WSASetLastError", "GetLastError", "SetLastError", "WSAProviderCompleteAsyncCall",
    "WSAAdvertiseProvider", "WSAUnadvertiseProvider", "NSPHostAllocate", "NSPHostFree", "NSPHostPackQuerySet",
    "NSPHostWideFromUtf8", "NSPHostUtf8FromWide",
  ]

  /// Scans directories, loads every file that is ready, and installs each in the order in which it was found.
  /// A bad file never stops the others: it is named in `candidates`.
  public func load(from directories: [String]) {
    let candidates = PluginScan(directories: directories, hostExports: Self.exports).candidates().map(load)
    scanned.withLock { $0 = candidates }
  }

  private func load(_ candidate: Candidate) -> Candidate {
    guard let manifest = candidate.manifest else { return candidate }
    switch candidate.state {
    case .disabled:
      _ = try? catalog.install(manifest, path: candidate.path)
      return candidate
    case .ready: break
    case .superseded, .refused: return candidate
    }
    do throws(Refusal) {
      try load(manifest, path: candidate.path, isUnloadable: candidate.image?.isUnloadable ?? false)
      return candidate
    } catch {
      var refused = candidate
      refused.state = .refused(error)
      if catalog[manifest.id] == nil { _ = try? catalog.install(manifest, path: candidate.path, failure: error) }
      return refused
    }
  }

  private func load(_ manifest: Manifest, path: String, isUnloadable: Bool) throws(Refusal) {
    if manifest.advertises {
      // Installed before its constructors run: one of them may advertise.
      try? catalog.install(manifest, path: path)
      advertising.withLock { $0[manifest.id] = nil }
      let module = try Self.whileLoading(self) { () throws(Refusal) in
        try ProviderModule(path: path, isUnloadable: isUnloadable)
      }
      advertising.withLock { $0[manifest.id] = module }
      return
    }
    let module = try Self.whileLoading(self) { () throws(Refusal) in
      try ProviderModule(path: path, isUnloadable: isUnloadable)
    }
    var exported = module.exportedRoutines()
    let routines: RoutineTable
    do throws(RoutineTable.Defect) {
      routines = try RoutineTable(
        completing: &exported, allowsPartial: manifest.allowsPartial, completion: Self.completeForStub)
    } catch {
      throw Refusal(
        path: path, reason: .failedToLoad, detail: "its routines can't be reached: \(error)",
        remedy: "export the routine from the file itself, not from a library that it links")
    }
    let provider = Provider(manifest: manifest, routines: routines, module: module)
    do { try catalog.install(manifest, path: path, provider: provider) } catch {
      throw Refusal(
        path: path, reason: .failedToLoad, detail: "provider id \(manifest.id) is installed already",
        remedy: "give each provider an id of its own")
    }
  }

  /// The files whose providers arrive by advertising; kept mapped as long as the host lives.
  private let advertising = Mutex<[GUID: ProviderModule]>([:])

  static let completeForStub: AsyncCompletion = { handle, code in _ = AsyncCall.complete(handle, code: code) }

  // MARK: Advertising

  /// Serves an installed provider from a routine table (`WSAAdvertiseProvider`, nsp.md §5.8). The table is copied.
  public func advertise(_ id: GUID, _ table: UnsafePointer<NSPV2_ROUTINE>) throws(WinsockError) {
    let routines: RoutineTable
    do throws(RoutineTable.Defect) {
      routines = try RoutineTable(completing: table, allowsPartial: false, completion: Self.completeForStub)
    } catch {
      throw error == .outOfMemory ? .notEnoughMemory : .invalidArgument
    }
    guard let entry = catalog[id] else { throw .invalidProvider }
    guard catalog.bind(Provider(manifest: entry.manifest, routines: routines, module: nil)) else { throw .alreadyInProgress }
  }

  /// Takes an advertised provider back: no new call enters, unfinished calls are answered with `WSA_E_CANCELLED`, every session
  /// gets its Cleanup; returns when no routine is running, except the one that this is called from.
  public func unadvertise(_ id: GUID) throws(WinsockError) {
    guard let entry = catalog[id], let provider = entry.provider, provider.path == nil else { throw .invalidProvider }
    detach(provider)
  }

  /// The host that a call of `WSAAdvertiseProvider` or `WSAUnadvertiseProvider` in this process means.
  static func owner(of id: GUID) -> ProviderHost? {
    if let loading = pthread_getspecific(loadingKey) {
      // Borrowed from `whileLoading`, which is further down on this stack.
      return Unmanaged<ProviderHost>.fromOpaque(loading).takeUnretainedValue()
    }
    return hosts.withLock { hosts in hosts.compactMap(\.host) }.first { $0.catalog[id] != nil }
  }

  private static let loadingKey: pthread_key_t = {
    var key = pthread_key_t()
    let status = pthread_key_create(&key, nil)
    precondition(status == 0, "the process has no thread-specific data left")
    return key
  }()

  private static func whileLoading<T>(_ host: ProviderHost, _ load: () throws(Refusal) -> T) throws(Refusal) -> T {
    // Not retained: `host` outlives this call, and the slot is empty again after it.
    pthread_setspecific(loadingKey, Unmanaged.passUnretained(host).toOpaque())
    defer { pthread_setspecific(loadingKey, nil) }
    return try load()
  }

  // MARK: Clients

  public func open(_ identity: ClientIdentity) -> ClientSession { sessions.open(identity) }

  // MARK: Taking down

  public enum Change: Error, Sendable {
    case notInstalled
  }

  /// Disables a provider: it gets no new calls, every session its Cleanup, then it is unloaded. The entry stays.
  public func disable(_ id: GUID) throws(Change) {
    guard catalog.setActive(false, id: id), let entry = catalog[id] else { throw .notInstalled }
    if let provider = entry.provider { detach(provider) }
  }

  /// Detaches a provider. A call that it never completes is given up at its deadline.
  private func detach(_ provider: Provider) {
    provider.gate.close()
    for session in sessions.sessions { session.detach(provider) }
    // Called from one of the provider's own routines, this must not wait for itself.
    let patience = CallDepth.current > 0 ? Duration.zero : provider.deadline
    if !provider.gate.closeAndWait(until: .now() + patience.dispatchInterval) {
      for call in AsyncCall.unfinished.values where call.provider === provider { call.giveUp() }
      // Now only the host's own final calls are left, on threads that may be slow to come.
      let rest = max(patience, patience == .zero ? .zero : Provider.defaultDeadline)
      _ = provider.gate.closeAndWait(until: .now() + rest.dispatchInterval)
    }
    catalog.unbind(provider)
  }

  /// Stops the host: every session ends in order, then every provider is unloaded.
  public func stop() {
    for session in sessions.sessions { session.end(.graceful) }
    for entry in catalog.entries {
      if let provider = entry.provider { detach(provider) }
    }
    advertising.withLock { $0 = [:] }
  }

  /// The books of every provider, in catalog order.
  public var ledger: [(provider: String, figures: SessionLedger.Figures)] {
    catalog.entries.map { ($0.manifest.displayName, $0.figures) }
  }
}
