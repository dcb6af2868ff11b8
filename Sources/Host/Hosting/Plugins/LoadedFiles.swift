import CWinsock
import ModuleRegistrar
import Providers
import QuerySets
import Synchronization

/// Where files run that are not to be in the host's process.
public protocol ProviderProcesses: AnyObject, Sendable {
  /// Runs a file in a process of its own, and keeps it running; returns when it serves, or when it is clear that it does not yet. Throws
  /// why it can't. Calls out.
  func start(_ image: ELFImage, at path: String, _ manifest: Manifest) throws(Refusal) -> any ProviderProcess
}

/// A file that runs in a process of its own.
public protocol ProviderProcess: AnyObject, Sendable {
  /// Ends it: what its provider has open is ended before. Returns when it is gone.
  func stop()
  /// Starts it again where it has died too often. False where nobody watches over it any more.
  func revive() -> Bool
  /// How it stands.
  var hosting: ProviderHosting { get }
}

/// A file of a plugin directory that is loaded.
final class LoadedFile: ProviderFile {
  let path: String
  let version: FileVersion?
  let manifest: Manifest
  /// Where it is in this process; nil where it runs in one of its own.
  let object: SharedObject?
  let process: (any ProviderProcess)?
  /// The provider that the file exports; nil for a file that registers or advertises its providers itself.
  let module: ProviderModule?
  /// What the file exports of version 1, whether or not lookups go there.
  let version1: Version1Routines?

  init(
    path: String, version: FileVersion?, manifest: Manifest, object: SharedObject? = nil, process: (any ProviderProcess)? = nil,
    module: ProviderModule? = nil, version1: Version1Routines? = nil
  ) {
    self.process = process
    self.path = path
    self.version = version
    self.manifest = manifest
    self.object = object
    self.module = module
    self.version1 = version1
  }

  var hasProcess: Bool { process != nil }
}

extension Catalog.Member {
  /// What the host has loaded for it.
  var file: LoadedFile? { slot.file as? LoadedFile }
  var start: FileStart? { slot.start as? FileStart }
  var advertised: ProviderModule? { slot.advertised as? ProviderModule }
}

/// Which of the good files a host loads. It lists the others.
public struct LoadingRule: Sendable {
  /// Whether a file may be loaded into this process. Otherwise only files are loaded that run in a process of their own.
  let mayLoadHere: Bool
  let isWanted: @Sendable (Candidate) -> Bool
  private(set) var listsOnly = false
  /// Told of each file before it is loaded into this process; nil: it has been, can't be, or goes on without its host.
  let loadsHere: @Sendable (Candidate?) -> Void

  /// Loads every file.
  public static let everything = LoadingRule(mayLoadHere: true) { _ in true }
  /// Loads no file: no code of a provider runs.
  public static let nothing: LoadingRule = {
    var rule = LoadingRule(mayLoadHere: false) { _ in false }
    rule.listsOnly = true
    return rule
  }()

  public init(
    mayLoadHere: Bool, loadsHere: @escaping @Sendable (Candidate?) -> Void = { _ in },
    isWanted: @escaping @Sendable (Candidate) -> Bool
  ) {
    (self.mayLoadHere, self.isWanted, self.loadsHere) = (mayLoadHere, isWanted, loadsHere)
  }

  func loads(_ candidate: Candidate) -> Bool { isWanted(candidate) && (mayLoadHere || candidate.image?.livesInHost != true) }
}

/// What the host loads, and from where.
struct Shelf {
  var rule = LoadingRule.everything
  var directories: [String] = []
  /// What the last scan found, file by file.
  var candidates: [Candidate] = []
  var processes: (any ProviderProcesses)?
  var watch: PluginWatch?
  /// Providers make themselves ready when they are loaded, not when they are first asked.
  var preparesProviders = false
}

/// Loading and unloading of single files. The callers have the turn of `changes`; a file of this process whose own code takes long goes
/// on without it, see `FileStart`.
extension ProviderHost {
  /// Loads a file that a scan found good, and attaches what it provides. What another file of the same path provides now is
  /// replaced without a moment in which nobody serves it.
  func load(_ candidate: Candidate, _ manifest: Manifest) throws(Refusal) -> LoadedFile {
    let isVersion1 = candidate.image?.isVersion1 == true
    let registersItself = candidate.image?.exportsRoutines != true || manifest.advertises
    if let (image, processes) = isolated(candidate, manifest) {
      let process = try processes.start(image, at: candidate.path, manifest)
      return LoadedFile(path: candidate.path, version: candidate.version, manifest: manifest, process: process)
    }
    if let file = candidate.image?.executableStack {
      throw Refusal(
        path: candidate.path, reason: .executableStack,
        detail: "\(file.isEmpty ? "it" : file) wants an executable stack, and would make every stack of this process executable",
        remedy: "build it with -z noexecstack, or run it in a worker: isolation = \"worker\" in its manifest")
    }
    let rule = shelf.withLock { $0.rule }
    guard rule.mayLoadHere else {
      throw Refusal(
        path: candidate.path, reason: .failedToLoad,
        detail: "it can't run in a process of its own, and this host loads no file into its own",
        remedy: "start a host that serves: nsphost serve")
    }
    rule.loadsHere(candidate)
    defer { rule.loadsHere(nil) }
    let started = try started(candidate, manifest, needsVersion1: isVersion1)
    do throws(Refusal) {
      let provided =
        registersItself ? nil : try provide(manifest, started.object, started.version1, servesLookups: isVersion1)
      if provided != nil, shelf.withLock({ $0.preparesProviders }) { prepare(started.object, manifest) }
      return LoadedFile(
        path: candidate.path, version: candidate.version, manifest: manifest, object: started.object, module: provided,
        version1: started.version1)
    } catch {
      takeBack(started)
      throw error
    }
  }

  /// Where a file is to run that is to have a process of its own; nil for one that runs in this process.
  func isolated(_ candidate: Candidate, _ manifest: Manifest) -> (ELFImage, any ProviderProcesses)? {
    guard manifest.isolation == .worker, let image = candidate.image, !image.livesInHost,
      let processes = shelf.withLock({ $0.processes })
    else { return nil }
    return (image, processes)
  }

  /// What is loaded from a path.
  func file(at path: String) -> LoadedFile? { catalog.member { $0.file?.path == path }?.file }

  /// The start of a path that goes on, or whose result is not taken yet.
  func start(of path: String) -> FileStart? { catalog.member { $0.start?.candidate.path == path }?.start }

  /// The ids of those that a file serves.
  func served(by path: String) -> [GUID] { catalog.entries.filter { $0.path == path }.map(\.id) }

  // MARK: Starting in this process

  /// How long the host waits for a file's own code before it goes on with other work.
  private static let startPatience: Duration = .seconds(3)

  /// Starts a file in this process, or takes what its start has come to. Throws `starting` where its code has not returned for some time:
  /// when it does, `finish` goes on. Calls out.
  private func started(
    _ candidate: Candidate, _ manifest: Manifest, needsVersion1: Bool
  ) throws(Refusal) -> FileStart.Started {
    let path = candidate.path
    // Another one was abandoned when this load began.
    let known = catalog.member(manifest.id)?.start
    let start = known ?? FileStart(candidate, manifest)
    if known == nil {
      report(.started(start), to: manifest.id)
      start.begin { [self] start in
        run(start, needsVersion1: needsVersion1)
      } late: { [self] in
        finish(start)
      } dispose: { [self] started in
        takeBack(started)
      }
    }
    guard let result = start.wait(for: known == nil ? Self.startPatience : .zero) else {
      let reason = start.reason
      report(.late(start, reason), to: manifest.id)
      if known == nil {
        HostLog.write(
          .warning, provider: manifest.displayName,
          "\(path) does not serve yet: \(reason); it serves when that is over, others are served meanwhile".printable)
      }
      throw Refusal(
        path: path, reason: .starting, detail: reason,
        remedy: "see what it does when it is loaded; it serves when that is over; a worker would be killed and started again")
    }
    report(.returned(start), to: manifest.id)
    return try result.get()
  }

  /// Lets go of a file that is still being started: it is taken back when its code returns. Calls out.
  func abandonStart(of path: String) {
    guard let start = start(of: path) else { return }
    report(.givenUp, to: start.manifest.id)
    for id in served(by: path) { report(.keeps, to: id) }
  }

  /// The file's own code, on a thread for it alone. Calls out.
  private func run(_ start: FileStart, needsVersion1: Bool) -> Result<FileStart.Started, Refusal> {
    let (candidate, manifest) = (start.candidate, start.manifest)
    return Result { () throws(Refusal) in
      let object = try start.link { () throws(Refusal) in
        try whileLoading { () throws(Refusal) in
          try SharedObject(
            path: candidate.path, name: manifest.displayName, isUnloadable: candidate.image?.isUnloadable ?? false)
        }
      }
      guard let object else {
        throw Refusal(
          path: candidate.path, reason: .starting, detail: "nobody wants it any more", remedy: "enable or reload it")
      }
      module.know(object)
      var version1: Version1Routines?
      do throws(Refusal) {
        start.enter(.startup)
        version1 = try startVersion1(manifest, object, isNeeded: needsVersion1)
        start.enter(.moduleLoad)
        let status = try whileLoading { () throws(Refusal) in object.callModuleLoad() }
        guard status >= 0 else {
          throw Refusal(
            path: candidate.path, reason: .failedToLoad, detail: "its NSPModuleLoad answered \(NTStatus(rawValue: status))",
            remedy: "see what it needs to start")
        }
        return FileStart.Started(object: object, version1: version1)
      } catch {
        letGo(object, version1)
        throw error
      }
    }
  }

  /// Takes back what a file's start has come to. Calls out.
  func takeBack(_ started: FileStart.Started) {
    started.object.callModuleUnload()
    letGo(started.object, started.version1)
  }

  private func letGo(_ object: SharedObject, _ version1: Version1Routines?) {
    version1?.cleanup(keeping: object)
    takeBackModules(of: object)
    module.forget(object)
  }

  /// Has providers of this process make themselves ready, those that are loaded and those that will be: from then on one that can answer
  /// nothing says so before it is asked. Waits for each as long as its deadline allows. Calls out.
  public func prepareProviders() {
    shelf.withLock { $0.preparesProviders = true }
    for file in catalog.members.compactMap(\.file) where file.module != nil {
      if let object = file.object { prepare(object, file.manifest) }
    }
    // What was installed is read where there is any: what is wrong with it shows.
    _ = engine.classes.schema?.installed
  }

  private func prepare(_ object: SharedObject, _ manifest: Manifest) {
    guard object.preparesProvider else { return }
    let attempt = Attempt<Void>()
    HostThreads.run {
      object.callProviderPrepare(manifest.id)
      _ = attempt.resolve(())
    }
    // One that takes longer goes on: it is not needed to serve.
    _ = attempt.wait(for: manifest.deadline ?? Provider.defaultDeadline)
  }

  /// Why an entry that is loaded can answer nothing; nil where it can, and where it is not there.
  public func failure(of entry: Catalog.Entry) -> String? {
    guard entry.isActive else { return nil }
    if entry.manifest.source == .builtIn { return engine.classes.schema?.defect.map { "\($0.detail): \($0.remedy)" } }
    return entry.provider?.condition.failure
  }

  /// - Parameter isNeeded: Nothing else of the file serves lookups.
  private func startVersion1(_ manifest: Manifest, _ object: SharedObject, isNeeded: Bool) throws(Refusal) -> Version1Routines? {
    do throws(Version1Routines.Defect) { return try object.startVersion1(manifest) } catch {
      guard isNeeded else {
        HostLog.write(.warning, provider: manifest.displayName, "goes on without version 1: \(error)")
        return nil
      }
      throw Refusal(
        path: object.path, reason: .failedToLoad, detail: "\(error)",
        remedy: "see what it needs to start, and which version it is for")
    }
  }

  /// Attaches the provider that a file exports: its version 2 routines, or in their place those of version 1.
  /// - Parameter servesLookups: Version 1 does.
  private func provide(
    _ manifest: Manifest, _ object: SharedObject, _ version1: Version1Routines?, servesLookups: Bool
  ) throws(Refusal) -> ProviderModule {
    var exported = object.exportedRoutines()
    let routines: any ProviderRoutines
    do throws(DirectRoutines.Defect) {
      if servesLookups, let version1 {
        routines = Version1Adapter(version1, completion: Self.complete)
      } else {
        routines = try DirectRoutines(
          completing: &exported, allowsPartial: manifest.allowsPartial, completion: Self.complete)
      }
    } catch {
      throw Refusal(
        path: object.path, reason: .failedToLoad, detail: "its routines can't be reached: \(error)",
        remedy: "export the routine from the file itself, not from a library that it links")
    }
    let provided = ProviderModule(
      manifest: manifest, routines: routines, version1: version1, file: object, registrar: registrar,
      completion: Self.complete)
    do throws(NTStatus) { try register(provided) } catch {
      throw Refusal(
        path: object.path, reason: .failedToLoad, detail: "the registrar answered \(error)", remedy: "unload other modules")
    }
    return provided
  }

  /// Detaches what a file provides and lets go of the file: it is unmapped when nothing can still be running in it. Calls out.
  func unload(_ file: LoadedFile) {
    if let provided = file.module { deregister(provided) }
    file.process?.stop()
    guard let object = file.object else { return }
    file.version1?.cleanup(keeping: object, patience: file.manifest.deadline ?? Provider.defaultDeadline)
    let isOver = Attempt<Void>()
    HostThreads.run { [self] in
      object.callModuleUnload()
      takeBackModules(of: object)
      module.forget(object)
      _ = isOver.resolve(())
    }
    guard isOver.wait(for: Self.unloadPatience) == nil else { return }
    // Its file stays mapped until then: the thread has it.
    let late = layer.transports.flatMap(layer.connections)
    HostLog.write(
      .warning,
      "\(file.path): not let go of after 5 s, and stays mapped: "
        + (late.isEmpty ? "its NSPModuleUnload, or a module of its, does not come to an end" : late.joined(separator: "; ")))
  }

  /// How long whoever unloads a file waits for what is in it to end.
  private static let unloadPatience: Duration = .seconds(5)

  /// Deregisters the modules that are still registered from inside a file, and waits until that is complete.
  private func takeBackModules(of object: SharedObject) {
    let own = registrar.snapshot.interfaces.flatMap { interface in
      (interface.clients + interface.providers).filter { object.contains($0.code) }
    }
    for module in own { _ = try? registrar.deregister(module.handle, role: module.role) }
    for module in own { _ = try? registrar.waitForDeregistration(module.handle, role: module.role) }
  }
}
