import CWinsock
import Glibc
import ModuleRegistrar
import Providers
import QuerySets
import Rundown
import ServiceClasses
import Sessions

/// Changing the set of providers while calls run.
extension ProviderHost {
  /// Why a change was not made.
  public enum ChangeFailure: Error, Sendable {
    case notInstalled
    /// The provider has no file of its own, or none that is there any more.
    case noFile
    case refused(Refusal)
    case alreadyInstalled
    case invalid
    /// It was not installed: it comes from a file in a plugin directory, or with the host.
    case notRemovable(NotRemovable)
    /// Another change is being made.
    case busy
    /// It could not be written down, and was not made.
    case notKept(CatalogFile.Defect)
  }

  /// A provider that is in the catalog without having been installed, and how it goes.
  public struct NotRemovable: Equatable, Sendable {
    public let detail: String
    public let remedy: String

    init(_ entry: Catalog.Entry) {
      let name = entry.manifest.displayName
      if entry.manifest.source == .builtIn {
        (detail, remedy) = ("\(name) is part of the host", "disable it: nsphost disable \(name)")
      } else if entry.path.isEmpty {
        (detail, remedy) = ("\(name) was not installed: it registered itself", "disable it: nsphost disable \(name)")
      } else {
        (detail, remedy) = (
          "\(name) was not installed: it is \(entry.path), in a plugin directory",
          "remove that file, or disable the provider: nsphost disable \(name)"
        )
      }
    }
  }

  /// What a look at the plugin directories changed, by path.
  public struct Changes: Sendable {
    public var loaded: [String] = []
    public var replaced: [String] = []
    public var removed: [String] = []
    public var refused: [Refusal] = []

    public var isEmpty: Bool { loaded.isEmpty && replaced.isEmpty && removed.isEmpty }
  }

  /// Every candidate file of the last scan, with its state; a file that was found good but could not be loaded is refused here.
  public var candidates: [Candidate] { shelf.withLock { $0.candidates } }

  /// Whether it loads no file, and lists them only.
  public var listsOnly: Bool { shelf.withLock { $0.rule.listsOnly } }

  // MARK: Directories

  /// Where providers come from.
  public var directories: [String] { shelf.withLock { $0.directories } }

  /// Scans directories, loads every file that is ready, and installs each in the order in which it was found.
  /// A bad file never stops the others: it is named in `candidates`. Calls out.
  @discardableResult
  public func load(from directories: [String], _ rule: LoadingRule = .everything) -> Changes {
    shelf.withLock { ($0.directories, $0.rule) = (directories, rule) }
    return rescan()
  }

  /// Loads one file, wherever it is, as the only one of this host. What became of it is in `candidates`. Calls out.
  public func load(file path: String, _ rule: LoadingRule) {
    self.changes.take {
      shelf.withLock { $0.rule = rule }
      var (candidate, changes) = (scan().candidate(at: path), Changes())
      if let refusal = take(candidate, &changes) { candidate.state = .refused(refusal) }
      shelf.withLock { $0.candidates = [candidate] }
    }
  }

  /// Looks at the directories again: loads files that are new, replaces those whose contents changed, unloads those that are
  /// gone. A file that turned bad does not take a good one's place. Calls out.
  @discardableResult
  public func rescan() -> Changes { changes.take { lookAgain() } }

  /// Whoever calls has the turn.
  @discardableResult
  func lookAgain() -> Changes {
    var changes = Changes()
    let installed = takeInstalled(readRecord())
    let scan = self.scan(shelf.withLock { $0.directories })
    let paths = Dictionary(installed.map { ($0.installation.id, $0.path) }, uniquingKeysWith: { first, _ in first })
    var candidates = scan.candidates(taken: paths).filter { !paths.values.contains($0.path) }
    var present = Set(candidates.map(\.path))
    for (installation, path) in installed {
      candidates.append(scan.candidate(at: path, of: installation))
      if access(path, F_OK) == 0 { present.insert(path) }
    }
    for file in catalog.members.compactMap(\.file) where !present.contains(file.path) {
      if paths[file.manifest.id] == file.path { putAway(file) } else { remove(file) }
      changes.removed.append(file.path)
    }
    for start in catalog.members.compactMap(\.start) where !present.contains(start.candidate.path) {
      abandonStart(of: start.candidate.path)
      if catalog[start.manifest.id].map({ $0.provider == nil && $0.manifest.source != .installation }) == true {
        uninstallEntry(start.manifest.id)
      }
    }
    for (index, refusal) in takeAll(candidates, &changes).enumerated() {
      if let refusal { candidates[index].state = .refused(refusal) }
      if case .refused(let refusal) = candidates[index].state, index >= candidates.count - installed.count {
        // An installed provider stays in the catalog without its file.
        report(.refused(refusal), to: installed[index - (candidates.count - installed.count)].installation.id)
      }
    }
    settleSchema()
    arrange()
    shelf.withLock { $0.candidates = candidates }
    return changes
  }

  /// Brings the host in line with the candidates, in the order in which they were found. Of those that are new and run in processes of their
  /// own, some that follow each other start at the same time. Answers of each what `take` answers.
  private func takeAll(_ candidates: [Candidate], _ changes: inout Changes) -> [Refusal?] {
    var refusals: [Refusal?] = []
    while refusals.count < candidates.count {
      let group = candidates[refusals.count...].prefix(Self.startsAtOnce).prefix(while: startsProcess)
      guard group.count > 1 else {
        refusals.append(take(candidates[refusals.count], &changes))
        continue
      }
      for candidate in group {
        // Whoever is ready first does not come first.
        guard let manifest = candidate.manifest, catalog[manifest.id] == nil else { continue }
        _ = try? catalog.install(manifest, path: candidate.path)
      }
      let taken = Taken()
      HostThreads.runEach(Array(group.indices)) { [self] index in
        var own = Changes()
        let refusal = take(candidates[index], &own)
        taken.all.withLock { $0[index] = (refusal, own) }
      }
      for (_, outcome) in taken.all.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
        refusals.append(outcome.refusal)
        changes.loaded += outcome.changes.loaded
        changes.refused += outcome.changes.refused
      }
    }
    return refusals
  }

  private final class Taken: Sendable {
    let all = Locked<[Int: (refusal: Refusal?, changes: Changes)]>([:])
  }

  /// More would not be ready any sooner, and each has a deadline.
  private static let startsAtOnce = max(2, 2 * sysconf(Int32(_SC_NPROCESSORS_ONLN)))

  /// Whether a process is to be started for a file from which nothing is loaded now.
  private func startsProcess(_ candidate: Candidate) -> Bool {
    guard case .ready = candidate.state, let manifest = candidate.manifest, manifest.id != SchemaProvider.id,
      manifest.isolation == .worker, candidate.image?.livesInHost == false
    else { return false }
    return file(at: candidate.path) == nil && shelf.withLock { $0.processes != nil && $0.rule.loads(candidate) }
  }

  /// Brings the host in line with one candidate. Answers why its file could not be loaded, now or when it was tried last; what is new is noted
  /// in the changes.
  private func take(_ candidate: Candidate, _ changes: inout Changes) -> Refusal? {
    guard let manifest = candidate.manifest else { return nil }
    if manifest.id == SchemaProvider.id {
      guard case .ready = candidate.state else { return nil }
      let refusal = Refusal(
        path: candidate.path, reason: .superseded, detail: "its id is that of the host's own schema provider",
        remedy: "give it an id of its own; to take the schema's place, say schema = true")
      changes.refused.append(refusal)
      return refusal
    }
    let former = file(at: candidate.path)
    switch candidate.state {
    case .refused: return nil
    case .superseded:
      abandonStart(of: candidate.path)
      if let former { remove(former) }
      return nil
    case .disabled:
      abandonStart(of: candidate.path)
      if let former { putAway(former) }
      if catalog[manifest.id] == nil { _ = try? catalog.install(manifest, path: candidate.path) }
      catalog.describe(manifest)
      report(.disabled, to: manifest.id)
      return nil
    case .ready: break
    }
    guard shelf.withLock({ $0.rule }).loads(candidate) else {
      list(candidate, manifest)
      return nil
    }
    if let former, former.version == candidate.version, former.manifest == manifest {
      // What was to take its place is no longer there.
      if let start = start(of: candidate.path), !start.isOf(candidate, manifest) { abandonStart(of: candidate.path) }
      return nil
    }
    if former == nil, let member = catalog.member(manifest.id), member.slot.path == candidate.path {
      // Put away by somebody; the sidecar decides anew only when it changed.
      let isOverruled = member.manifest == manifest && (member.slot.isUnloaded || !member.slot.isEnabled)
      if isOverruled { return nil }
      if let refusal = member.slot.refusal, candidate.version == member.slot.refusedVersion { return refusal }
    }
    do throws(Refusal) {
      try replace(former, with: candidate, manifest)
      if former == nil { changes.loaded.append(candidate.path) } else { changes.replaced.append(candidate.path) }
      return nil
    } catch {
      // It has been said; it goes on by itself.
      if error.reason == .starting { return nil }
      if catalog[manifest.id] == nil { _ = try? catalog.install(manifest, path: candidate.path) }
      report(.failed(error, candidate.version), to: manifest.id)
      changes.refused.append(error)
      return error
    }
  }

  /// What registers its modules itself has no entry until it has done so.
  private func list(_ candidate: Candidate, _ manifest: Manifest) {
    guard candidate.image?.exportsRoutines == true || manifest.advertises else { return }
    if catalog[manifest.id] == nil { _ = try? catalog.install(manifest, path: candidate.path) }
    report(.listed(path: candidate.path), to: manifest.id)
  }

  /// Attaches a file's provider, and only then detaches the one that the path had before: new lookups go to the new one from the
  /// moment that it is attached, open ones may finish at the old one.
  private func replace(_ former: LoadedFile?, with candidate: Candidate, _ manifest: Manifest) throws(Refusal) {
    let (id, path) = (manifest.id, candidate.path)
    try place(manifest, candidate)
    // The start of a file that runs in a process of its own now, or of other contents, is not wanted any more.
    let start = catalog.member(id)?.start
    let goesOn = start.map { $0.isOf(candidate, manifest) && isolated(candidate, manifest) == nil } ?? false
    if !goesOn { abandonStart(of: path) }
    report(.loading(path: path, continuing: goesOn ? start : nil), to: id)
    let ids = former.map { served(by: $0.path) } ?? []
    for one in ids { report(.yields, to: one) }
    let file: LoadedFile
    do throws(Refusal) { file = try load(candidate, manifest) } catch {
      // One that is being started may register its modules yet.
      if error.reason != .starting { for one in ids { report(.keeps, to: one) } }
      // The process that was to take its place has reported, too.
      if let former, let process = former.process { report(.process(process.hosting), to: former.manifest.id) }
      throw error
    }
    report(.loaded(file), to: id)
    if let former, former.manifest.id != id {
      report(.putAway, to: former.manifest.id)
      uninstallEntry(former.manifest.id)
    }
    for one in ids { report(.keeps, to: one) }
  }

  /// Gives it its place before its constructors run: one of them may advertise.
  private func place(_ manifest: Manifest, _ candidate: Candidate) throws(Refusal) {
    guard catalog[manifest.id] == nil else { return }
    guard candidate.image?.exportsRoutines == true || manifest.advertises else {
      return catalog.setAside(manifest, path: candidate.path)
    }
    do { try catalog.install(manifest, path: candidate.path) } catch {
      throw Refusal(
        path: candidate.path, reason: .failedToLoad, detail: "provider id \(manifest.id) is installed already",
        remedy: "give each provider an id of its own")
    }
  }

  /// Goes on with a file whose own code has returned after all. Calls out.
  func finish(_ start: FileStart) {
    let (path, manifest) = (start.candidate.path, start.manifest)
    changes.take {
      guard self.start(of: path) === start else { return }
      do throws(Refusal) {
        try replace(file(at: path), with: start.candidate, manifest)
        HostLog.write(.info, "loaded \(path)".printable)
      } catch {
        report(.failed(error, start.candidate.version), to: manifest.id)
        shelf.withLock { shelf in
          guard let index = shelf.candidates.firstIndex(where: { $0.path == path }) else { return }
          shelf.candidates[index].state = .refused(error)
        }
        HostLog.write(.warning, "\(path) is not used: \(error.detail): \(error.remedy)".printable)
      }
    }
  }

  /// The file is gone: so are its provider and its entry.
  private func remove(_ file: LoadedFile) {
    let ids = served(by: file.path)
    putAway(file)
    for id in ids { uninstallEntry(id) }
  }

  func uninstallEntry(_ id: GUID) {
    // Whoever advertises it serves nobody any more.
    if let effects = catalog.uninstall(id: id) { perform(effects, of: id) }
    engine.registrations.forget(provider: id)
  }

  private func putAway(_ file: LoadedFile) {
    abandonStart(of: file.path)
    report(.putAway, to: file.manifest.id)
  }

  // MARK: Single providers

  /// Disables a provider, for good where changes are kept: it gets no new calls, calls in progress end or reach its deadline, every session gets its Cleanup, then its
  /// file is unloaded. The entry stays. Calls out.
  public func disable(_ id: GUID) throws(ChangeFailure) {
    try changes.take { () throws(ChangeFailure) in
      try keepSwitch(id, isOn: false)
      letGo(id, .disabled)
    }
  }

  private func keepSwitch(_ id: GUID, isOn: Bool) throws(ChangeFailure) {
    guard catalog[id] != nil else { throw .notInstalled }
    try keep { (record: inout CatalogRecord) throws(ChangeFailure) in record.enabled[id] = isOn }
  }

  /// Unloads a provider's file, in the same order. It comes back with `enable` or `reload`, or when the file changes. Calls out.
  public func unload(_ id: GUID) throws(ChangeFailure) {
    try changes.take { () throws(ChangeFailure) in
      guard let entry = catalog[id] else { throw .notInstalled }
      guard file(at: entry.path) != nil || start(of: entry.path) != nil else { throw .noFile }
      letGo(id, .unload)
    }
  }

  /// Reports an event after which a provider has no file; the file itself may be another one's, which has a module for this one too.
  func letGo(_ id: GUID, _ event: Catalog.Event) {
    let path = catalog[id]?.path ?? ""
    report(event, to: id)
    abandonStart(of: path)
    if let file = file(at: path) { putAway(file) }
  }

  /// Enables a provider, for good where changes are kept, and loads its file if it is not loaded. Calls out.
  public func enable(_ id: GUID) throws(ChangeFailure) {
    try changes.take { () throws(ChangeFailure) in
      try keepSwitch(id, isOn: true)
      guard perform(catalog.report(.enabled, to: id), of: id) == nil else { throw .busy }
      guard let entry = catalog[id], !entry.path.isEmpty else { return }
      guard let file = file(at: entry.path) else { return try loadAgain(entry) }
      if file.process?.revive() == false { try loadAgain(entry) }
    }
  }

  /// Loads a provider's file anew and attaches what it provides now, before what it provided until now is detached. A file that
  /// turned bad changes nothing. Calls out.
  public func reload(_ id: GUID) throws(ChangeFailure) {
    try changes.take { () throws(ChangeFailure) in
      guard let entry = catalog[id] else { throw .notInstalled }
      guard !entry.path.isEmpty else { throw .noFile }
      try loadAgain(entry)
    }
  }

  private func loadAgain(_ entry: Catalog.Entry) throws(ChangeFailure) {
    let installation = keeping.withLock { $0.record.installed.first { $0.id == entry.id } }
    var candidate = scan().candidate(at: entry.path, of: installation)
    // What the last scan made of the file may be different.
    defer {
      shelf.withLock { shelf in
        if let index = shelf.candidates.firstIndex(where: { $0.path == candidate.path }) { shelf.candidates[index] = candidate }
      }
    }
    switch (candidate.state, candidate.manifest) {
    case (.refused(let refusal), _): throw .refused(refusal)
    case (_, var manifest?):
      // Asked for by name, so the sidecar's word does not count.
      manifest.isEnabled = true
      do throws(Refusal) {
        try replace(file(at: entry.path), with: candidate, manifest)
        candidate.state = .ready
      } catch {
        if error.reason != .starting {
          candidate.state = .refused(error)
          for id in Set([entry.id, manifest.id]) { report(.failed(error, candidate.version), to: id) }
        }
        throw .refused(error)
      }
    case (_, nil): throw .noFile
    }
  }

  // MARK: Stopping

  /// Stops the host: every session ends in order, then every provider is detached and every file unloaded. Calls out.
  public func stop() {
    let watch = shelf.withLock { shelf in
      defer { shelf.watch = nil }
      return shelf.watch
    }
    watch?.stop()
    changes.take {
      for member in catalog.members { report(.givenUp, to: member.id) }
      closeTransports()
      module.deregister()
      // Modules before the files that they are in.
      let effects = catalog.members.map { ($0.id, catalog.report(.hostStops, to: $0.id)) }
      for isFirst in [true, false] {
        for (id, effects) in effects { perform(effects.filter { $0.isOfModule == isFirst }, of: id) }
      }
    }
    engine.classes.close()
  }
}
