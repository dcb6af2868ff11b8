import ArgumentParser
import BoundedTOML
import Foundation
import Glibc
import HostDaemon
import Hosting
import NSPClient
import Providers
import SettingsTable

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Check the configuration of nsphost serve, or show it.",
    subcommands: [ShowConfigCommand.self, CheckConfigCommand.self, ConfigManualCommand.self],
    defaultSubcommand: ShowConfigCommand.self)
}

/// Where a configuration comes from.
struct ConfigurationFile: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The configuration file.",
      discussion: "Otherwise /etc/nsphost/nsphost.toml for root, ~/.config/nsphost/nsphost.toml for others, where there is one.",
      valueName: "file"),
    completion: .file())
  var config: String?

  /// The file's contents, or everything by default where there is none.
  func load() throws -> Configuration {
    guard let file = try text() else { return Configuration() }
    do throws(Problems) { return try Configuration(toml: file.text, path: file.path) } catch {
      throw CommandFailure(error)
    }
  }

  /// Nil where there is no file, and none was named.
  func text() throws -> (text: String, path: String)? {
    let path = config ?? defaultPath
    guard let data = FileManager.default.contents(atPath: path) else {
      // One that is there and can't be read is not the same as none.
      guard config != nil || errno != ENOENT && path.fileExists else { return nil }
      throw CommandFailure(
        what: path, why: "it can't be read: \(String(cString: strerror(errno)))", remedy: "give the path of a configuration")
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw CommandFailure(what: path, why: "it is not UTF-8 text", remedy: "save it as UTF-8")
    }
    return (text, path)
  }

  /// What a host would go by: the configuration, and where it is silent the environment and the defaults.
  static func effective(_ configuration: Configuration) -> [Configuration.Entry] {
    let variables = ProcessEnvironment.variables
    var entries = configuration.entries
    func entry(_ key: String, _ value: String, from variable: String?) {
      let given = variable.flatMap { variables[$0] }?.isEmpty == false ? variable : nil
      entries.append(.init(key: key, value: value, source: given ?? "default"))
    }
    func isSaid(_ key: String) -> Bool { entries.contains { $0.key == key } }
    if !isSaid("plugins") {
      entry("plugins", directories.joined(separator: ":"), from: "NSP_PLUGIN_PATH")
    }
    if variables["NSP_SOCKET"]?.isEmpty == false { entries.removeAll { $0.key == "socket" } }
    if !isSaid("socket") { entry("socket", HostPlaces().listener, from: "NSP_SOCKET") }
    if !isSaid("state") { entry("state", ProcessEnvironment.stateDirectory, from: "STATE_DIRECTORY") }
    if !isSaid("access.users"), !isSaid("access.groups") { entry("access", "everybody", from: nil) }
    return entries.sorted { $0.key < $1.key }
  }

  /// Where providers are looked for without `plugins`.
  static var directories: [String] {
    PluginDirectories.resolve(
      explicit: [], environment: ProcessEnvironment.variables, isPrivileged: ProcessEnvironment.isPrivileged)
  }

  private var defaultPath: String {
    if geteuid() == 0 { return "/etc/nsphost/nsphost.toml" }
    return (ProcessEnvironment.variables["HOME"] ?? "/") + "/.config/nsphost/nsphost.toml"
  }
}

struct ShowConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Show each value and where it comes from.")

  @OptionGroup var file: ConfigurationFile

  @Flag(name: .long, help: "Print JSON instead of text.")
  var json = false

  private struct Document: Encodable {
    struct Value: Encodable {
      var key: String
      var value: String
      var source: String
    }
    let schema = "nsphost.config/1"
    let host = HostEnvelope()
    var values: [Value]
  }

  func run() throws {
    let entries = ConfigurationFile.effective(try file.load())
    if json {
      Output.json(Document(values: entries.map { .init(key: $0.key, value: $0.value, source: $0.source) }))
    } else {
      for line in Output.table(["KEY", "VALUE", "SOURCE"], entries.map { [$0.key, $0.value, $0.source] }) { print(line) }
    }
  }
}

struct CheckConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Check a configuration; says what is wrong with it.")

  @OptionGroup var file: ConfigurationFile

  @Flag(name: .long, help: "Print JSON instead of text.")
  var json = false

  private struct Document: Encodable {
    struct Body: Encodable {
      var good: Bool
      var problems: [ProblemDocument]
    }
    let schema = "nsphost.config-check/1"
    let host = HostEnvelope()
    let check: Body
  }

  func run() throws {
    let file = try self.file.text()
    let configuration = file.map { Configuration.read($0.text, path: $0.path).configuration } ?? Configuration()
    for defect in PluginDirectories.defects(of: configuration.plugins ?? []) { Output.warn(defect.detail, help: defect.remedy) }
    let candidates = PluginScan(
      directories: configuration.plugins ?? ConfigurationFile.directories, hostExports: ProviderHost.exports
    ).candidates()
    let manifests = candidates.compactMap(\.manifest)
    let ofManifests = candidates.flatMap { candidate -> [Problem] in
      if case .refused(let refusal) = candidate.state { return refusal.problems }
      return []
    }
    let problems = (file.map { Configuration.read($0.text, path: $0.path, of: manifests).problems } ?? []) + ofManifests
    for problem in problems { Output.tell(problem) }
    let known = manifests.flatMap { [$0.displayName, $0.id.description] }
    for name in configuration.providers.settings.keys.sorted() where !known.contains(name) {
      Output.warn(
        "[providers.\(name)] is about no provider in the plugin directories",
        help: name.nearest(of: known).map { "did you mean [providers.\($0)]?" } ?? "nsphost providers lists them")
    }
    if json {
      Output.json(Document(check: .init(good: problems.isEmpty, problems: problems.map(ProblemDocument.init))))
    } else if problems.isEmpty {
      print("the configuration is good")
    }
    if !problems.isEmpty { throw ExitCode.failure }
  }
}
