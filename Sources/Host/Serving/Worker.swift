import CClientSystem
import CHostSocket
import CLastWords
import CWinsock
import Glibc
import Hosting
import Providers
import QuerySets
import Rundown
import Synchronization
import Wire
import WireValues

/// The process that runs one provider's file for a host (`nsphost worker`): an advertiser like any other, which knows more of what it serves.
public final class Worker: Sendable {
  private let id: GUID
  private let connection: Int32
  private let settings: Manifest.Settings
  private let turns: RoutineTurns?
  private let takesClasses = Atomic<Bool>(false)
  private let reports = Atomic<UInt32>(0)
  /// The provider has said that it tells of every change, perhaps before the host could hear it.
  private let hasPromised = Atomic<Bool>(false)
  private let advertised = Locked<WorkerAdvertisement?>(nil)
  private let file = Locked<(object: SharedObject, version1: Version1Routines?)?>(nil)

  /// Says hello to the host. Nil when it is not there, or does not want this process.
  /// - Parameters:
  ///   - name: What the provider is called.
  ///   - settings: The provider's own.
  ///   - turns: Where so many of its routines may run at a time.
  public init?(_ id: GUID, name: String, settings: Manifest.Settings = [:], turns: RoutineTurns? = nil, socket: String) {
    WorkerAdvertisement.mark = strdup(name.printable)
    setenv("NSP_SOCKET", socket, 1)
    let descriptor = nsp_host_move_up(nsp_host_connect(socket, NSP_HOST_NO_END))
    guard descriptor >= 0 else { return nil }
    var hello = HelloRequest(session: 0).frame()
    // A host that has stopped goes on some time, and its workers with it.
    guard FrameChannel.send(descriptor, &hello, silence: NSP_HOST_NO_END),
      case .frame(let header, _) = FrameChannel.receive(descriptor, readsAhead: false, silence: NSP_HOST_NO_END),
      header.status == 0
    else {
      close(descriptor)
      return nil
    }
    (self.id, connection, self.settings, self.turns) = (id, descriptor, settings, turns)
  }

  /// A descriptor that was inherited for this process alone, out of the way of the provider and its children.
  public static func keep(_ descriptor: Int32) -> Int32 { nsp_host_move_up(descriptor) }

  /// How much more than usual the static thread-local storage of this process takes: it lies in the stack of every thread. To be said before
  /// there is another thread.
  public static func makeRoom(forStaticTLS bytes: Int) {
    OwnThread.makeRoom(forStaticTLS: bytes)
  }

  /// Loads the file, and serves what it provides from now on. Throws why it can't; then the host has been told.
  public func serve(_ path: String, isUnloadable: Bool, allowsPartial: Bool, takesClasses: Bool, advertisesItself: Bool)
    throws(Refusal)
  {
    self.takesClasses.store(takesClasses, ordering: .relaxed)
    WorkerDoors.current = Doors(self)
    // For what is said where it dies meanwhile.
    let outer = nsp_mark_provider(WorkerAdvertisement.mark)
    defer { nsp_mark_restore(outer) }
    let name = WorkerAdvertisement.mark.map { String(cString: $0) }
    let object = try SharedObject(path: path, name: name, isUnloadable: isUnloadable, isAlone: true)
    file.withLock { $0 = (object, nil) }
    // What it says of itself then is known before anybody can ask for it.
    object.callProviderPrepare(id)
    if !advertisesItself {
      let (routines, version1, traits) = try routines(of: object, allowsPartial: allowsPartial)
      file.withLock { $0 = (object, version1) }
      if let failure = advertise(routines, version1, traits.union(allowsPartial ? .allowsPartial : [])) {
        throw Refusal(
          path: path, reason: .failedToLoad, detail: "the host does not take it: \(failure)", remedy: "see the host's log")
      }
    } else if advertised.withLock({ $0 }) == nil {
      throw Refusal(
        path: path, reason: .failedToLoad, detail: "it has advertised nothing",
        remedy: "advertise from a constructor, or let it run in the host: isolation = \"in-process\"")
    }
  }

  /// Tells the host how this process is confined, a line each.
  public func note(confinement lines: [String]) { note(.confinement, lines.joined(separator: "\n")) }

  /// Tells the host why the file can't be used.
  public func note(_ refusal: Refusal) {
    // A line each, whatever is in the names.
    let lines = [refusal.reason.rawValue, refusal.detail.printable, refusal.remedy.printable].map { String($0.prefix(2000)) }
    note(.refusal, lines.joined(separator: "\n"))
  }

  private func note(_ kind: WorkerNoteKind, _ text: String, number: UInt32 = 0) {
    var frame = WorkerNoteRequest(about: kind, number: number).frame()
    frame.append(Array(text.utf8.prefix(8192)))
    // From then on it is the advertisement's connection, on which one frame goes at a time.
    if let advertised = advertised.withLock({ $0 }) {
      advertised.say(&frame)
    } else {
      _ = FrameChannel.send(connection, &frame, silence: NSP_HOST_NO_END)
    }
  }

  /// A line of the host's log, on its way.
  static func line(_ level: LogLevel, of query: UInt64, _ text: String) -> FrameWriter {
    var frame = LogLine(query: query, level: level.rawValue).frame()
    frame.append(Array(text.utf8.prefix(8192)))
    return frame
  }

  /// Tells the host whether the provider can answer: each report with a higher number than the one before.
  fileprivate func report(failing reason: String?) {
    let number = reports.add(1, ordering: .relaxed).newValue
    note(reason == nil ? .answering : .failing, reason ?? "", number: number)
  }

  /// The host wants no more: what is open here is ended, then the file takes its leave.
  public func finish() {
    advertised.withLock { $0 }?.withdraw(isHostGone: true)
    let file = file.withLock { $0.take() }
    guard let (object, version1) = file else { return }
    version1?.cleanup(keeping: object)
    object.callModuleUnload()
  }

  private func routines(
    of object: SharedObject, allowsPartial: Bool
  ) throws(Refusal) -> (NSPV2_ROUTINE, Version1Routines?, ProviderTraits) {
    let manifest = Manifest(id: id, displayName: "", nameSpace: .all, allowsPartial: allowsPartial)
    var exported = object.exportedRoutines()
    let servesLookups = exported.NSPv2LookupServiceBegin != nil || allowsPartial && exported.NSPv2SetServiceEx != nil
    var version1: Version1Routines?
    do throws(Version1Routines.Defect) { version1 = try object.startVersion1(manifest) } catch {
      if !servesLookups {
        throw Refusal(
          path: object.path, reason: .failedToLoad, detail: "\(error)",
          remedy: "see what it needs to start, and which version it is for")
      }
    }
    var traits: ProviderTraits = takesClasses.load(ordering: .relaxed) ? .takesClasses : []
    if let version1 { traits.formUnion(version1.hasIoctl ? [.keepsClasses, .hasIoctl] : .keepsClasses) }
    guard !servesLookups, let version1 else { return (exported, version1, traits) }
    do throws(DirectRoutines.Defect) {
      let complete: AsyncCompletion = { handle, code in _ = WSAProviderCompleteAsyncCall(handle, code) }
      let table = try DirectRoutines(
        calling: Version1Adapter(version1, completion: complete),
        context: {
          CallContext(serviceClass: InProgress.current?.serviceClass.map { CallContext.NamedClass(id: $0.id, known: $0.known) })
        },
        completion: complete)
      exported = table.pointer.pointee
      // What it lacks the host answers for.
      if table.entry(.startup) == .stub { exported.NSPv2Startup = nil }
      if table.entry(.cleanup) == .stub { exported.NSPv2Cleanup = nil }
      if table.entry(.clientSessionRundown) == .stub { exported.NSPv2ClientSessionRundown = nil }
      // The entries live as long as the process.
      _ = Unmanaged.passRetained(table)
    } catch {
      throw Refusal(path: object.path, reason: .failedToLoad, detail: "\(error)", remedy: "give the machine more memory")
    }
    return (exported, version1, traits.union([.version1, .takesClasses]))
  }

  fileprivate func advertise(_ routines: NSPV2_ROUTINE, _ version1: Version1Routines?, _ traits: ProviderTraits) -> WinsockError?
  {
    let new = WorkerAdvertisement(id, routines, version1, traits, turns, connection)
    let isFirst = advertised.withLock { advertised in
      guard advertised == nil else { return false }
      advertised = new
      return true
    }
    guard isFirst else { return .alreadyInProgress }
    let status = new.advertise()
    if status == 0, hasPromised.load(ordering: .sequentiallyConsistent) { new.changed(nil) }
    return status == 0 ? nil : WinsockError(rawValue: status)
  }

  /// What the file's code finds behind the functions of nsphost.h and ws2spi.h.
  private final class Doors: ProviderDoors {
    private let worker: Worker
    init(_ worker: Worker) { self.worker = worker }

    func complete(_ handle: UnsafeMutableRawPointer?, _ code: Int32) -> WinsockError? {
      let outer = nsp_mark_reading(WorkerAdvertisement.mark)
      defer { nsp_mark_restore(outer) }
      let status = PendingCalls.shared.complete(handle, code)
      return status == 0 ? nil : WinsockError(rawValue: status)
    }

    func advertise(_ id: GUID, _ table: UnsafePointer<NSPV2_ROUTINE>) -> WinsockError? {
      guard id == worker.id else { return .invalidProvider }
      guard let routines = NSPV2_ROUTINE(copying: table), routines.isComplete else { return .invalidArgument }
      return worker.advertise(routines, nil, worker.takesClasses.load(ordering: .relaxed) ? .takesClasses : [])
    }

    func unadvertise(_ id: GUID) -> WinsockError? {
      guard id == worker.id, let advertised = worker.advertised.withLock({ $0 }), advertised.takesLeave() else {
        return .invalidProvider
      }
      // The host ends what it has opened, then the channels.
      var frame = UnadvertiseRequest(provider: WireID(id), isInside: advertised.isInside).frame()
      advertised.say(&frame)
      advertised.waitUntilLeft()
      return nil
    }

    func changed(_ id: GUID, _ name: String?) -> WinsockError? {
      if id == worker.id, name == nil { worker.hasPromised.store(true, ordering: .sequentiallyConsistent) }
      guard id == worker.id, let advertised = worker.advertised.withLock({ $0 }) else { return .invalidProvider }
      advertised.changed(name.map { Array($0.utf16) })
      return nil
    }

    var serviceClass: (id: GUID, known: ServiceClass?)? { InProgress.current?.serviceClass }

    var client: NSP_CLIENT? { InProgress.current?.client }

    func settings(of id: GUID) -> Manifest.Settings? { id == worker.id ? worker.settings : nil }

    func setFailing(_ id: GUID, _ reason: String?) -> Bool {
      guard id == worker.id else { return false }
      worker.report(failing: reason)
      return true
    }

    func setEvent(_ event: UnsafeMutableRawPointer?) -> Bool {
      worker.advertised.withLock { $0 }?.changes.set(event) ?? false
    }

    func log(_ handle: UnsafeMutableRawPointer?, _ level: LogLevel, _ text: String) {
      let query = PendingCalls.shared.query(of: handle) ?? InProgress.current?.query ?? 0
      var frame = Worker.line(level, of: query, text)
      // Constructors speak before anything is advertised.
      if let advertised = worker.advertised.withLock({ $0 }) {
        advertised.say(&frame)
      } else {
        _ = FrameChannel.send(worker.connection, &frame, silence: NSP_HOST_NO_END)
      }
    }
  }
}

/// What a routine on this thread was called for.
struct InProgress {
  let query: UInt64
  let serviceClass: (id: GUID, known: ServiceClass?)?
  /// In a startup: whom the session is for.
  let client: NSP_CLIENT?

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    let status = pthread_key_create(&key, nil)
    precondition(status == 0, "the process has no thread-specific data left")
    return key
  }()

  static var current: InProgress? { pthread_getspecific(key).map { $0.assumingMemoryBound(to: InProgress.self).pointee } }

  init(_ purpose: Advertisement.Purpose) {
    query = purpose.query
    client = purpose.client
    serviceClass = purpose.classID.map { id in (id, purpose.classInfo.flatMap { try? ServiceClass(onTheWire: $0) }) }
  }

  func run(_ routine: () -> Void) {
    let outer = pthread_getspecific(Self.key)
    // On this stack for as long as the routine runs.
    withUnsafePointer(to: self) { frame in
      pthread_setspecific(Self.key, frame)
      defer { pthread_setspecific(Self.key, outer) }
      routine()
    }
  }
}
