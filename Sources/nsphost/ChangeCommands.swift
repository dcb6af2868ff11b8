import ArgumentParser
import Foundation
import Glibc
import Hosting
import Providers
import Sessions

/// Which provider a command is about.
struct ProviderChoice: ParsableArguments {
  @OptionGroup var options: HostOptions

  @Argument(help: "A provider's name, its id, or the first digits of that.")
  var provider: ProviderReference

  /// Its entry in a host that knows every file.
  func entry(in host: ProviderHost, for what: String) throws -> Catalog.Entry {
    let entries = host.catalog.entries
    let id = try provider.find(among: entries.known, isJSON: options.json)
    guard var entry = entries.first(where: { $0.id == id }) else {
      throw CommandFailure(
        kind: .nothingFound, what: "\(what) \(provider.text)", why: "there is no provider of this name",
        remedy: "nsphost providers lists the names", isJSON: options.json)
    }
    // Held here, it would keep its file.
    entry.provider = nil
    return entry
  }

  func failure(_ what: String, _ failure: ProviderHost.ChangeFailure) -> CommandFailure {
    let (why, remedy) = failure.text
    return CommandFailure(what: "\(what) \(provider.text)", why: why, remedy: remedy, isJSON: options.json)
  }
}

/// Enables or disables a provider for good: a running host does it at once, and keeps it in its catalog file.
protocol SwitchCommand: HostCommand {
  var choice: ProviderChoice { get }
  static var enables: Bool { get }
}

extension SwitchCommand {
  var options: HostOptions { choice.options }

  func needed(of files: [Candidate]) -> [Candidate] { Self.enables ? choice.provider.files(among: files) : [] }
  func loadsItself(_ file: Candidate) -> Bool { file.hasEntry }

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    let verb = Self.enables ? "enable" : "disable"
    try options.requireState(for: verb)
    let entry = try choice.entry(in: host, for: verb)
    do throws(ProviderHost.ChangeFailure) {
      if Self.enables { try host.enable(entry.id) } else { try host.disable(entry.id) }
    } catch { throw choice.failure(verb, error) }
    let (name, catalog) = (entry.manifest.displayName, host.catalogFile?.path)
    let isElsewhere = entry.hosting != nil
    let mapped = Self.enables || isElsewhere ? nil : ChangeReport(host, entry, "disabled").staysMapped
    if options.json {
      return CommandOutput(
        SwitchDocument(
          change: .init(
            name: name, file: entry.path, catalog: catalog, enabled: Self.enables, mapped: mapped != nil, cause: mapped)))
    }
    let howLong = catalog.map { "for good: kept in \($0)" } ?? "until the host ends: it keeps no state"
    let staysMapped = mapped.map { ["    its file stays mapped: \($0)"] } ?? []
    return CommandOutput(["\(verb)d \(name), \(howLong)"] + staysMapped)
  }
}

private struct SwitchDocument: Encodable {
  struct Body: Encodable {
    var name: String
    var file: String
    var catalog: String?
    var enabled: Bool
    var mapped: Bool
    var cause: String?
  }
  let schema = "nsphost.change/1"
  let host = HostEnvelope()
  var change: Body
}

struct EnableCommand: SwitchCommand {
  static let configuration = CommandConfiguration(
    commandName: "enable", abstract: "Enable a provider, for good.",
    discussion: "Overrules its manifest and the configuration. A running host loads it at once, others when they start.")
  static let enables = true

  @OptionGroup var choice: ProviderChoice
}

struct DisableCommand: SwitchCommand {
  static let configuration = CommandConfiguration(
    commandName: "disable", abstract: "Disable a provider, for good.",
    discussion: """
      Overrules its manifest and the configuration. A running host lets go of it at once: it gets no new calls, calls in progress end \
      or reach its deadline, every session its Cleanup, then its file is unloaded.
      """)
  static let enables = false

  @OptionGroup var choice: ProviderChoice
}

struct ReloadCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload", abstract: "Load a provider's file anew.",
    discussion: """
      The new one is attached before the old one is detached. A file that can't be loaded changes nothing. Where no host is running, \
      it is tried here, and hosts that watch its folder are told.
      """)

  @OptionGroup var choice: ProviderChoice
  var options: HostOptions { choice.options }

  func needed(of files: [Candidate]) -> [Candidate] { choice.provider.files(among: files) }
  func loadsItself(_ file: Candidate) -> Bool { file.hasEntry }

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    let entry = try choice.entry(in: host, for: "reload")
    do throws(ProviderHost.ChangeFailure) { try host.reload(entry.id) } catch { throw choice.failure("reload", error) }
    let report = ChangeReport(host, entry, "reloaded")
    if ProcessEnvironment.isServing { return report.output(nil, options) }
    // A new time makes the file a changed one to every host that watches.
    let isAnnounced = utimensat(AT_FDCWD, entry.path, nil, 0) == 0
    return report.output(
      isAnnounced ? "hosts that watch its folder load it anew" : "other hosts were not told: \(String(cString: strerror(errno)))",
      options)
  }
}

struct UnloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unload", abstract: "Load a provider, unload it again, and show whether its file left the process.",
    discussion: "A rehearsal in a process of its own: it says what disabling or replacing the provider would come to.")

  @OptionGroup var choice: ProviderChoice

  func run() throws {
    try choice.options.performAlone(.rehearsal, choose: choice.provider.files) { own in
      let entry = try choice.entry(in: own.host, for: "unload")
      do throws(ProviderHost.ChangeFailure) { try own.host.unload(entry.id) } catch { throw choice.failure("unload", error) }
      try ChangeReport(own.host, entry, "unloaded").output(nil, choice.options).show()
    }
  }
}

/// What became of a provider's file.
struct ChangeReport {
  let name: String
  let path: String
  let verb: String
  let staysMapped: String?

  init(_ host: ProviderHost, _ entry: Catalog.Entry, _ verb: String) {
    name = entry.manifest.displayName
    path = entry.path
    self.verb = verb
    if let kept = host.modules.kept.first(where: { $0.moduleID == entry.id && $0.cause != "it is being let go" }) {
      staysMapped = kept.cause
    } else {
      let current = host.catalog[entry.id]?.provider?.file?.number
      staysMapped =
        host.candidates.first { $0.path == entry.path }?.image?.whyMapped
        ?? MappedFiles.cause(of: entry.path, besides: current, within: Self.patience)
    }
  }

  /// How long a file may take to leave.
  private static let patience: Duration = .seconds(2)

  var line: String {
    "\(verb) \(name): " + (staysMapped.map { "what was loaded before stays mapped: \($0)" } ?? "nothing of before stays mapped")
  }

  func output(_ more: String?, _ options: HostOptions) -> CommandOutput {
    if options.json {
      return CommandOutput(
        Document(change: .init(name: name, file: path, done: verb, mapped: staysMapped != nil, cause: staysMapped)))
    }
    return CommandOutput([line] + (more.map { ["    " + $0] } ?? []))
  }

  private struct Document: Encodable {
    struct Body: Encodable {
      var name: String
      var file: String
      var done: String
      var mapped: Bool
      var cause: String?
    }
    let schema = "nsphost.change/1"
    let host = HostEnvelope()
    var change: Body
  }
}

extension ProviderHost.ChangeFailure {
  /// Why, and what to do.
  var text: (why: String, remedy: String) {
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
