import CWinsock
import Providers
import QuerySets
import ServiceClasses
import Synchronization

/// What is kept from one host to the next, and what the configuration says of providers.
struct CatalogKeeping: Sendable {
  var file: CatalogFile?
  /// As it was read last.
  var record = CatalogRecord()
  /// Why the file can't be read, if it can't.
  var defect: CatalogFile.Defect?
  var settings = SettingsByProvider()
  /// Where providers run that do not say it themselves; or all of them.
  var isolation = Manifest.Isolation.inProcess
  var isForced = false
  /// For the paths of installed files.
  var environment: [String: String] = [:]

  /// What the configuration says over what a manifest says, and what an operator said over both.
  func settle(_ manifest: inout Manifest) {
    settings.apply(to: &manifest)
    if let file, manifest.settings["state"] == nil { manifest.settings["state"] = [file.directory] }
    manifest.isolation = isForced ? isolation : manifest.isolation ?? isolation
    manifest.isEnabled = record.enabled[manifest.id] ?? manifest.isEnabled
  }
}

/// Changes of the catalog that outlive the host (nsp.md §8.8).
extension ProviderHost {
  /// Keeps what is installed, ordered, enabled and disabled in a file from now on; without this, for as long as the host lives.
  /// To be called before the first `load`.
  /// - Parameter environment: For the parts `%NAME%` of installed paths.
  public func keepChanges(in file: CatalogFile, environment: [String: String]) {
    keeping.withLock { ($0.file, $0.environment) = (file, environment) }
  }

  /// Has the last word on manifests, except where an operator said otherwise since. To be called before the first `load`.
  public func configure(_ settings: SettingsByProvider) { keeping.withLock { $0.settings = settings } }

  /// Where providers run that do not say it themselves, or all of them. To be called before the first `load`.
  /// - Parameter processes: Where those run that are not to be in this process; nil for a host that loads none.
  public func isolate(_ isolation: Manifest.Isolation, isForced: Bool, in processes: (any ProviderProcesses)?) {
    keeping.withLock { ($0.isolation, $0.isForced) = (isolation, isForced) }
    shelf.withLock { $0.processes = processes }
  }

  public var catalogFile: CatalogFile? { keeping.withLock { $0.file } }

  /// Why what was kept can't be read; the host goes on without it, and changes nothing in it.
  public var catalogDefect: CatalogFile.Defect? { keeping.withLock { $0.defect } }

  /// Installs a provider by its id: active, and last. Its file need not exist yet; where it does, it is loaded. Calls out.
  public func install(_ installation: Installation) throws(ChangeFailure) {
    let isMade = try changes.take(within: Self.patience) { () throws(ChangeFailure) in
      guard catalog[installation.id] == nil, installation.id != SchemaProvider.id else { throw .alreadyInstalled }
      // One file is one provider.
      let environment = keeping.withLock { $0.environment }
      if !installation.path.isEmpty, let path = try? installation.file(in: environment),
        catalog.entries.contains(where: { $0.path == path })
      {
        throw .alreadyInstalled
      }
      try keep { (record: inout CatalogRecord) throws(ChangeFailure) in
        guard !record.installed.contains(where: { $0.id == installation.id }) else { throw .alreadyInstalled }
        record.installed.append(installation)
        record.order = catalog.entries.map(\.id) + [installation.id]
        record.enabled[installation.id] = nil
      }
      lookAgain()
    }
    if !isMade { throw .busy }
  }

  /// How long a change waits for another one: a file that is being loaded may be the one that asks.
  private static let patience: Duration = .seconds(10)

  /// Takes an installed provider out of the catalog; its sessions are drained. One that a plugin directory has is not removed: it goes with
  /// its file, and the log says so. Calls out.
  public func uninstall(_ id: GUID) throws(ChangeFailure) {
    let isMade = try changes.take(within: Self.patience) { () throws(ChangeFailure) in
      try keep { (record: inout CatalogRecord) throws(ChangeFailure) in
        guard record.installed.contains(where: { $0.id == id }) else {
          guard let entry = catalog[id] else { throw .notInstalled }
          let reason = NotRemovable(entry)
          HostLog.write(.warning, "not uninstalled: \(reason.detail): \(reason.remedy)")
          throw .notRemovable(reason)
        }
        record.installed.removeAll { $0.id == id }
        record.order.removeAll { $0 == id }
        record.enabled[id] = nil
      }
      lookAgain()
    }
    if !isMade { throw .busy }
  }

  /// Orders the catalog: every provider's id, once, or as often as it is enumerated, where its first place counts. Where another change is
  /// being made it does not wait.
  public func order(_ ids: [GUID]) throws(ChangeFailure) {
    let isMade = try changes.take(within: .zero) { () throws(ChangeFailure) in
      var seen: [GUID: Int] = [:]
      var order: [GUID] = []
      for id in ids {
        if seen[id] == nil { order.append(id) }
        seen[id, default: 0] += 1
      }
      let rows = catalog.entries.map { ($0.id, $0.manifest.nameSpaces.enumerated.count) }
      let isOnce = ids.count == rows.count && order.count == rows.count && rows.allSatisfy { seen[$0.0] == 1 }
      guard isOnce || order.count == rows.count && rows.allSatisfy({ seen[$0.0] == $0.1 }) else { throw .invalid }
      try keep { (record: inout CatalogRecord) throws(ChangeFailure) in record.order = order }
      arrange()
    }
    if !isMade { throw .busy }
  }

  /// Changes the record, in the file too where there is one.
  func keep(_ change: (inout CatalogRecord) throws(ChangeFailure) -> Void) throws(ChangeFailure) {
    let (file, known) = keeping.withLock { ($0.file, $0.record) }
    var record = known
    if let file {
      do throws(CatalogFile.ChangeFailure<ChangeFailure>) {
        try file.change { (kept: inout CatalogRecord) throws(ChangeFailure) in
          try change(&kept)
          record = kept
        }
      } catch {
        switch error {
        case .defect(let defect): throw .notKept(defect)
        case .refused(let failure): throw failure
        }
      }
    } else {
      try change(&record)
    }
    keeping.withLock { $0.record = record }
  }

  /// Reads what is kept, which others may have changed.
  func readRecord() -> CatalogRecord {
    let (file, known) = keeping.withLock { ($0.file, $0.record) }
    guard let file else { return known }
    do throws(CatalogFile.Defect) {
      let record = try file.read()
      keeping.withLock { ($0.record, $0.defect) = (record, nil) }
      return record
    } catch {
      keeping.withLock { $0.defect = error }
      return known
    }
  }

  /// The scan of files, with what the configuration and operators say of their providers.
  func scan(_ directories: [String] = []) -> PluginScan {
    let kept = keeping.withLock { $0 }
    return PluginScan(directories: directories, hostExports: Self.exports) { kept.settle(&$0) }
  }

  /// Brings the catalog's entries in line with what is installed; answers the files of those that have one.
  func takeInstalled(_ record: CatalogRecord) -> [(installation: Installation, path: String)] {
    for entry in catalog.entries where entry.manifest.source == .installation {
      if record.installed.contains(where: { $0.id == entry.id }) { continue }
      letGo(entry.id, .putAway)
      uninstallEntry(entry.id)
    }
    let environment = keeping.withLock { $0.environment }
    var files: [(Installation, String)] = []
    for installation in record.installed where installation.id != SchemaProvider.id {
      var (path, refusal): (String?, Refusal?) = (nil, nil)
      if !installation.path.isEmpty {
        do throws(Refusal) { path = try installation.file(in: environment) } catch { refusal = error }
        if let taken = files.first(where: { $0.1 == path }) {
          refusal = Refusal(
            path: installation.path, reason: .superseded, detail: "\(taken.0.identifier) is installed with this file",
            remedy: "uninstall one of them")
          path = nil
        }
      }
      if catalog[installation.id] == nil {
        var manifest = installation.manifest()
        keeping.withLock { $0 }.settle(&manifest)
        try? catalog.install(manifest, path: path ?? "", blob: installation.blob)
      }
      guard catalog[installation.id]?.manifest.source == .installation else { continue }
      if let refusal { report(.refused(refusal), to: installation.id) }
      if let path { files.append((installation, path)) }
    }
    return files
  }

  /// The host's own schema provider has no file that says whether it is enabled.
  func settleSchema() {
    guard var manifest = catalog[SchemaProvider.id]?.manifest, manifest.source == .builtIn else { return }
    manifest.isEnabled = true
    keeping.withLock { $0 }.settle(&manifest)
    report(manifest.isEnabled ? .enabled : .disabled, to: manifest.id)
  }

  func arrange() {
    let order = keeping.withLock { $0.record.order }
    let ranks = Dictionary(order.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    catalog.arrange { entry in ranks[entry.id].map { (0, $0) } ?? (1, entry.manifest.order) }
  }
}
