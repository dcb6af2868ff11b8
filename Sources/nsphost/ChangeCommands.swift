import ArgumentParser
import Foundation
import Glibc
import Lookups
import Providers

/// Which provider a command is about.
struct ProviderChoice: ParsableArguments {
  @OptionGroup var options: HostOptions

  @Argument(help: "A provider's name or id.")
  var provider: String

  /// Its entry in a host that has loaded everything.
  func entry(in host: ProviderHost, for what: String) throws -> Catalog.Entry {
    guard let entry = host.catalog.entries.first(where: { $0.isNamed(provider) }) else {
      throw CommandFailure(
        kind: .nothingFound, what: "\(what) \(provider)", why: "there is no provider of this name",
        remedy: "nsphost providers lists the names", isJSON: options.json)
    }
    return entry
  }

  func failure(_ what: String, _ failure: ProviderHost.ChangeFailure) -> CommandFailure {
    let (why, remedy) = failure.text
    return CommandFailure(what: "\(what) \(provider)", why: why, remedy: remedy, isJSON: options.json)
  }
}

struct EnableCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "enable", abstract: "Enable a provider, for good: says so in the sidecar beside its file.",
    discussion: "Hosts that watch the folder load it at once, others when they start.")

  @OptionGroup var choice: ProviderChoice

  func run() throws { try Sidecar.set(enabled: true, choice) }
}

struct DisableCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "disable", abstract: "Disable a provider, for good: says so in the sidecar beside its file.",
    discussion: """
      Hosts that watch the folder let go of it at once: it gets no new calls, calls in progress end or reach its deadline, every \
      session its Cleanup, then its file is unloaded.
      """)

  @OptionGroup var choice: ProviderChoice

  func run() throws { try Sidecar.set(enabled: false, choice) }
}

struct ReloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload", abstract: "Load a provider's file anew; hosts that watch its folder do the same.",
    discussion: """
      The new one is attached before the old one is detached. It is tried here first: a file that can't be loaded changes nothing \
      anywhere.
      """)

  @OptionGroup var choice: ProviderChoice

  func run() throws {
    let host = choice.options.makeHost()
    defer { host.stop() }
    let entry = try choice.entry(in: host, for: "reload")
    do throws(ProviderHost.ChangeFailure) { try host.reload(entry.id) } catch { throw choice.failure("reload", error) }
    // A new time makes the file a changed one to every host that watches.
    let isAnnounced = utimensat(AT_FDCWD, entry.path, nil, 0) == 0
    ChangeReport(host, entry, "reloaded").show(
      isAnnounced ? "hosts that watch its folder load it anew" : "other hosts were not told: \(String(cString: strerror(errno)))",
      choice.options)
  }
}

struct UnloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unload", abstract: "Load a provider, unload it again, and show whether its file left the process.",
    discussion: "A rehearsal inside this command: it says what disabling or replacing the provider would come to.")

  @OptionGroup var choice: ProviderChoice

  func run() throws {
    let host = choice.options.makeHost()
    defer { host.stop() }
    let entry = try choice.entry(in: host, for: "unload")
    do throws(ProviderHost.ChangeFailure) { try host.unload(entry.id) } catch { throw choice.failure("unload", error) }
    ChangeReport(host, entry, "unloaded").show(nil, choice.options)
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
    } else if host.candidates.first(where: { $0.path == entry.path })?.image?.isUnloadable == false {
      staysMapped = "it can't leave a process: Swift runtime, or its own wish"
    } else {
      staysMapped = nil
    }
  }

  var line: String {
    "\(verb) \(name): " + (staysMapped.map { "what was loaded before stays mapped: \($0)" } ?? "nothing of before stays mapped")
  }

  func show(_ more: String?, _ options: HostOptions) {
    if options.json {
      Output.json(Document(change: .init(name: name, file: path, done: verb, mapped: staysMapped != nil, cause: staysMapped)))
    } else {
      print(line)
      if let more { print("    " + more) }
    }
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
    }
  }
}

/// The manifest beside a provider's file, as far as commands write it.
enum Sidecar {
  static func set(enabled: Bool, _ choice: ProviderChoice) throws {
    let verb = enabled ? "enable" : "disable"
    let host = choice.options.makeHost()
    defer { host.stop() }
    let entry = try choice.entry(in: host, for: verb)
    guard entry.path.hasSuffix(".so") else { throw choice.failure(verb, .noFile) }
    let path = entry.path.dropLast(3) + ".toml"
    do {
      let present =
        FileManager.default.fileExists(atPath: String(path)) ? try String(contentsOfFile: String(path), encoding: .utf8) : ""
      try write(text(present, enabled: enabled), to: String(path))
    } catch {
      throw CommandFailure(
        kind: .notPermitted, what: "\(verb) \(choice.provider)", why: "\(path) can't be written: \(error.localizedDescription)",
        remedy: "run it as the owner of the folder", isJSON: choice.options.json)
    }
    if choice.options.json {
      Output.json(
        Document(change: .init(name: entry.manifest.displayName, file: entry.path, sidecar: String(path), enabled: enabled)))
    } else {
      print("\(verb)d \(entry.manifest.displayName): enabled = \(enabled) in \(path)")
    }
  }

  /// The sidecar with its `enabled` line changed, or added where there is none. Everything else stays as it is.
  static func text(_ present: String, enabled: Bool) -> String {
    let line = "enabled = \(enabled)"
    var lines = present.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let isEnabledLine = { (text: String) in
      let key = text.prefix { $0 != "=" }.trimmingCharacters(in: .whitespaces)
      return key == "enabled" && text.contains("=")
    }
    if let index = lines.firstIndex(where: isEnabledLine) {
      lines[index] = line
      return lines.joined(separator: "\n")
    }
    // At the top: keys after a table's heading would belong to the table.
    return line + "\n" + present
  }

  /// Written aside and moved into place, readable by all and writable by the owner alone.
  private static func write(_ text: String, to path: String) throws {
    let new = path + ".new"
    try text.write(toFile: new, atomically: false, encoding: .utf8)
    chmod(new, 0o644)
    guard rename(new, path) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
  }

  private struct Document: Encodable {
    struct Body: Encodable {
      var name: String
      var file: String
      var sidecar: String
      var enabled: Bool
    }
    let schema = "nsphost.change/1"
    let host = HostEnvelope()
    var change: Body
  }
}
