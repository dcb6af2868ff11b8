import Hosting
import Providers
import QuerySets
import Sessions

extension Control {
  /// Enables or disables a provider for good.
  struct Switch: ControlRequest {
    static let name = "enable"
    var provider: ProviderReference
    var enables: Bool

    struct Answer: Codable, Sendable {
      var name: String
      var file: String
      /// Where it is kept; nil: until the host ends.
      var catalog: String?
      /// Why the file stays mapped that was loaded; nil where it does not.
      var cause: String?
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      let verb = enables ? "enable" : "disable"
      let entry = try provider.entry(in: host, for: verb)
      do throws(ProviderHost.ChangeFailure) {
        if enables { try host.enable(entry.id) } else { try host.disable(entry.id) }
      } catch { throw provider.failure(verb, error) }
      return Answer(
        name: entry.manifest.displayName, file: entry.path, catalog: host.catalogFile?.path,
        cause: enables || entry.hosting != nil ? nil : FormerFile.cause(of: entry, host))
    }
  }

  /// Loads a provider's file anew.
  struct Reload: ControlRequest {
    static let name = "reload"
    var provider: ProviderReference

    struct Answer: Codable, Sendable {
      var name: String
      var file: String
      /// Why what was loaded before stays mapped; nil where it does not.
      var cause: String?
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      let entry = try provider.entry(in: host, for: "reload")
      do throws(ProviderHost.ChangeFailure) { try host.reload(entry.id) } catch { throw provider.failure("reload", error) }
      return Answer(name: entry.manifest.displayName, file: entry.path, cause: FormerFile.cause(of: entry, host))
    }
  }
}

/// What becomes of the file that a provider had.
enum FormerFile {
  /// How long it may take to leave.
  private static let patience: Duration = .seconds(2)

  /// Why it stays mapped; nil where it does not. Waits a moment for it.
  static func cause(of entry: Catalog.Entry, _ host: ProviderHost) -> String? {
    if let kept = host.modules.kept.first(where: { $0.moduleID == entry.id && $0.cause != "it is being let go" }) {
      return kept.cause
    }
    let current = host.catalog[entry.id]?.provider?.file?.number
    return host.candidates.first { $0.path == entry.path }?.image?.whyMapped
      ?? MappedFiles.cause(of: entry.path, besides: current, within: patience)
  }
}

extension ProviderReference {
  /// Its entry in a host that knows every file, without the provider, which would keep its file.
  func entry(in host: ProviderHost, for what: String) throws(CommandFailure) -> Catalog.Entry {
    let entries = host.catalog.entries
    let id = try find(among: entries.known)
    guard var entry = entries.first(where: { $0.id == id }) else {
      throw CommandFailure(
        kind: .nothingFound, what: "\(what) \(text)", why: "there is no provider of this name",
        remedy: "nsphost providers lists the names")
    }
    entry.provider = nil
    return entry
  }

  func failure(_ what: String, _ failure: ProviderHost.ChangeFailure) -> CommandFailure {
    let (why, remedy) = failure.text
    return CommandFailure(what: "\(what) \(text)", why: why, remedy: remedy)
  }
}

extension ProviderHost.ChangeFailure {
  /// Why, and what to do.
  fileprivate var text: (why: String, remedy: String) {
    switch self {
    case .notInstalled: ("there is no provider of this name", "nsphost providers lists the names")
    case .noFile: ("it has no file that is loaded", "nsphost inspect shows its state")
    case .refused(let refusal): (refusal.detail, refusal.remedy)
    case .alreadyInstalled: ("a provider has this id already", "uninstall that one first")
    case .notRemovable(let reason): (reason.detail, reason.remedy)
    case .invalid: ("the ids are not those of the catalog", "nsphost providers lists them")
    case .busy: ("another change is being made", "try again")
    case .notKept(let defect): (defect.detail, defect.remedy)
    }
  }
}
