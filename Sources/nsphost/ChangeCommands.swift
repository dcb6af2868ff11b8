import ArgumentParser
import Glibc
import Hosting
import Providers

/// Which provider a command is about.
struct ProviderChoice: ParsableArguments {
  @OptionGroup var options: HostOptions

  @Argument(help: "A provider's name, its id, or the first digits of that.")
  var provider: ProviderReference
}

/// Enables or disables a provider for good: a running host does it at once, and keeps it in its catalog file.
protocol SwitchCommand: HostCommand where Request == Control.Switch {
  var choice: ProviderChoice { get }
  static var enables: Bool { get }
}

extension SwitchCommand {
  var options: HostOptions { choice.options }

  func needed(of files: [Candidate]) -> [Candidate] { Self.enables ? choice.provider.files(among: files) : [] }
  func loadsItself(_ file: Candidate) -> Bool { file.hasEntry }

  func request() throws -> Control.Switch {
    try options.requireState(for: Self.enables ? "enable" : "disable")
    return Control.Switch(provider: choice.provider, enables: Self.enables)
  }

  func output(_ answer: Control.Switch.Answer) -> CommandOutput {
    if options.json { return CommandOutput(SwitchDocument(answer, enabled: Self.enables)) }
    let howLong = answer.catalog.map { "for good: kept in \($0)" } ?? "until the host ends: it keeps no state"
    let staysMapped = answer.cause.map { ["    its file stays mapped: \($0)"] } ?? []
    return CommandOutput(["\(Self.enables ? "enabled" : "disabled") \(answer.name), \(howLong)"] + staysMapped)
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

  init(_ answer: Control.Switch.Answer, enabled: Bool) {
    change = Body(
      name: answer.name, file: answer.file, catalog: answer.catalog, enabled: enabled, mapped: answer.cause != nil,
      cause: answer.cause)
  }
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

  func request() -> Control.Reload { Control.Reload(provider: choice.provider) }

  func output(_ answer: Control.Reload.Answer) -> CommandOutput { output(answer, more: []) }

  /// A new time makes the file a changed one to every host that watches.
  func outputAlone(_ answer: Control.Reload.Answer) -> CommandOutput {
    let isAnnounced = utimensat(AT_FDCWD, answer.file, nil, 0) == 0
    return output(
      answer,
      more: [
        isAnnounced
          ? "    hosts that watch its folder load it anew" : "    other hosts were not told: \(String(cString: strerror(errno)))"
      ])
  }

  private func output(_ answer: Control.Reload.Answer, more: [String]) -> CommandOutput {
    let report = FileChange(name: answer.name, path: answer.file, verb: "reloaded", cause: answer.cause)
    return options.json ? CommandOutput(report.document) : CommandOutput([report.line] + more)
  }
}

struct UnloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unload", abstract: "Load a provider, unload it again, and show whether its file left the process.",
    discussion: "A rehearsal in a process of its own: it says what disabling or replacing the provider would come to.")

  @OptionGroup var choice: ProviderChoice

  func run() throws {
    try choice.options.performAlone(.rehearsal, choose: choice.provider.files) { own in
      let entry = try choice.provider.entry(in: own.host, for: "unload")
      do throws(ProviderHost.ChangeFailure) { try own.host.unload(entry.id) } catch {
        throw choice.provider.failure("unload", error)
      }
      let report = FileChange(own.host, entry, "unloaded")
      try (choice.options.json ? CommandOutput(report.document) : CommandOutput([report.line])).show()
    }
  }
}

/// What became of a provider's file.
struct FileChange {
  var name: String
  var path: String
  var verb: String
  /// Why it stays mapped; nil where it does not.
  var cause: String?

  var line: String {
    "\(verb) \(name): " + (cause.map { "what was loaded before stays mapped: \($0)" } ?? "nothing of before stays mapped")
  }

  var document: some Encodable {
    Document(change: .init(name: name, file: path, done: verb, mapped: cause != nil, cause: cause))
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

extension FileChange {
  init(_ host: ProviderHost, _ entry: Catalog.Entry, _ verb: String) {
    self.init(
      name: entry.manifest.displayName, path: entry.path, verb: verb, cause: FormerFile.cause(of: entry, host))
  }
}
