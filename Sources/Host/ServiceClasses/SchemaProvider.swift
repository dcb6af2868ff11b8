import CWinsock
import Dispatch
import Glibc
import QuerySets
import Rundown

/// The provider that keeps the classes of all name spaces (nsp.md §7.3): those that were installed, and in their absence those that
/// are well known. It is never needed for anything but what it knows: what it can't read it does not know.
///
/// Any thread may call; nothing here calls out or waits for more than the database.
public final class SchemaProvider: Sendable {
  /// `NSP_SCHEMA_PROVIDER` of nsphost.h.
  public static let id = GUID("6d1f2c8e-0b7a-4f53-9b1e-6a2f0c4d9e31")!

  /// Why classes can't be kept or read: what, and what to do.
  public struct Defect: Error, Sendable, Equatable {
    public var detail: String
    public var remedy: String
  }

  private let directory: String?
  private let wellKnown: WellKnownClasses
  private let state = Locked<State>(State())

  private struct State {
    /// Opened when it is first needed, and only where it is there or something is to be kept.
    var store: ClassStore?
    /// One that could not be opened is not tried again at once.
    var nextTry: ContinuousClock.Instant?
    /// What was asked for, found or not, as of one generation of the store.
    var known: [GUID: ServiceClass?] = [:]
    var generation = 0
    var defect: ClassStore.Defect?
  }

  /// Beyond it everything is forgotten and found anew.
  private static let cacheSize = 32_768

  /// - Parameters:
  ///   - directory: Where `schema.db` is kept from one host to the next, made when the first class is installed; nil: kept in memory. One
  ///     that can't be used leaves the well-known classes.
  ///   - services: What ports are called.
  public init(directory: String? = nil, services: Services = Services()) {
    self.directory = directory
    wellKnown = WellKnownClasses(services: services)
  }

  /// Why the classes that were installed can't be read or kept; nil where they can.
  public var defect: Defect? {
    state.withLock { $0.defect }.map { Defect(detail: $0.detail, remedy: $0.remedy) }
  }

  /// Makes ready for installations: what is wrong with the directory shows in `defect`.
  public func prepare() { _ = try? opened(waits: true) }

  /// Lets go of the database, which is whole without the log beside it then. It is opened again where it is asked for something.
  public func close() {
    let store = state.withLock { state in
      state.known = [:]
      return state.store.take()
    }
    store?.checkpoint()
  }

  /// Whether anything was ever kept.
  private var isThere: Bool {
    if state.withLock({ $0.store }) != nil { return true }
    return directory.map { access($0 + "/schema.db", F_OK) == 0 } ?? false
  }

  /// Nil where nothing was ever kept, and for those who only ask while it is being opened, or could not be opened just now.
  private func opened(waits: Bool) throws(ClassStore.Defect) -> ClassStore? {
    let (store, nextTry) = state.withLock { ($0.store, $0.nextTry) }
    if let store {
      if store.isInPlace { return store }
      // Somebody has taken the files away: what they had is gone.
      state.withLock { state in if state.store === store { (state.store, state.known) = (nil, [:]) } }
    }
    if !waits { guard isThere, nextTry.map({ $0 <= .now }) ?? true else { return nil } }
    guard opening.wait(timeout: .now() + (waits ? Self.patience : 0)) == .success else {
      if waits { throw ClassStore.Defect(detail: "schema.db is still being opened", remedy: "try again") }
      return nil
    }
    defer { opening.signal() }
    if let store = state.withLock({ $0.store }) { return store }
    do throws(ClassStore.Defect) {
      let store = try ClassStore(directory: directory)
      state.withLock { ($0.store, $0.defect, $0.nextTry) = (store, nil, nil) }
      return store
    } catch {
      state.withLock { ($0.defect, $0.nextTry) = (error, .now + Self.pause) }
      throw error
    }
  }

  /// One at a time opens the database. A turn, not a lock: those who only ask go on without it.
  private let opening = DispatchSemaphore(value: 1)
  /// In seconds; longer than the database itself waits for another process.
  private static let patience = 10.0
  private static let pause: Duration = .seconds(5)

  // MARK: Asking

  /// The class of an id: as it was installed, else as it is well known.
  public func serviceClass(_ id: GUID) -> ServiceClass? {
    let generation = state.withLock { $0.store }?.generation ?? 0
    let cached: ServiceClass?? = state.withLock { $0.generation == generation ? $0.known[id] : nil }
    if let cached { return cached }
    let installed: ServiceClass??
    installed = read({ store throws(ClassStore.Defect) in .some(try store.serviceClass(id)) }, else: nil)
    let found = (installed ?? nil) ?? wellKnown.serviceClass(id)
    // What could not be read is asked for again.
    if installed == nil { return found }
    state.withLock { state in
      if state.generation != generation || state.known.count >= Self.cacheSize { state.known = [:] }
      state.generation = generation
      state.known[id] = .some(found)
    }
    return found
  }

  /// The classes of a name, whatever its case: those that were installed, else those that are well known. A port may be written with its
  /// transport: `https/udp`, `22/tcp`.
  public func classes(named name: String) -> [ServiceClass] {
    let installed = read({ store throws(ClassStore.Defect) in try store.classes(named: name) }, else: [])
    guard installed.isEmpty else { return installed }
    if let id = wellKnown.port(name) { return [serviceClass(id)].compactMap { $0 } }
    return preallocated.filter { $0.name.lowercased() == name.lowercased() }
  }

  public func isInstalled(_ id: GUID) -> Bool {
    read({ store throws(ClassStore.Defect) in try store.serviceClass(id) }, else: nil) != nil
  }

  /// Whether a class is well known, and not one that was installed in its place.
  public func isPreallocated(_ id: GUID) -> Bool { !isInstalled(id) && wellKnown.serviceClass(id) != nil }

  /// Those that were installed, by name.
  public var installed: [ServiceClass] { read({ store throws(ClassStore.Defect) in try store.all() }, else: []) }

  /// Those that need no installation and have a name; an installed one of the same id hides them.
  public var preallocated: [ServiceClass] { wellKnown.named.filter { serviceClass($0.id) == $0 } }

  private func read<Found>(_ body: (ClassStore) throws(ClassStore.Defect) -> Found, else nothing: Found) -> Found {
    do throws(ClassStore.Defect) {
      guard let store = try opened(waits: false) else { return nothing }
      return try body(store)
    } catch {
      state.withLock { $0.defect = error }
      return nothing
    }
  }

  // MARK: Changing

  /// Keeps a class, as a whole. `WSAEALREADY` where one of its id was installed, `WSASYSCALLFAILURE` where it can't be kept: `defect`
  /// says why. Followed by `settle` when the other providers have been told.
  public func install(_ new: ServiceClass) throws(WinsockError) {
    if try !change(creating: true, { store throws(ClassStore.Defect) in try store.install(new) }) { throw .alreadyInProgress }
  }

  /// Takes a class away. `WSATYPE_NOT_FOUND` where none of the id was installed. Followed by `settle`, likewise.
  public func remove(_ id: GUID) throws(WinsockError) {
    if try !change({ store throws(ClassStore.Defect) in try store.beginRemoval(id) }) { throw .typeNotFound }
  }

  /// The other providers have been told that a class was installed, or that it was removed.
  public func settle(_ id: GUID, isInstalled: Bool) {
    _ = try? change { store throws(ClassStore.Defect) in
      try store.settle(id, isInstalled ? .installing : .removing)
      return true
    }
  }

  /// What a host was ended in the middle of: classes of which the other providers may not have been told yet.
  public var unfinished: [(isInstalled: Bool, serviceClass: ServiceClass)] {
    read({ store throws(ClassStore.Defect) in try store.unfinished() }, else: []).map {
      ($0.change == .installing, $0.serviceClass)
    }
  }

  private func change(creating: Bool = false, _ body: (ClassStore) throws(ClassStore.Defect) -> Bool) throws(WinsockError) -> Bool
  {
    do throws(ClassStore.Defect) {
      // Nothing is found where nothing was kept; only an installation makes a place for it.
      guard creating || isThere, let store = try opened(waits: true) else { return false }
      let isDone = try body(store)
      state.withLock { $0.defect = nil }
      return isDone
    } catch {
      state.withLock { $0.defect = error }
      throw .systemCallFailure
    }
  }
}
