import ArgumentParser
import Foundation
import Glibc
import HostDaemon

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Check the configuration of nsphost serve, or show it.",
    subcommands: [ShowConfigCommand.self, CheckConfigCommand.self], defaultSubcommand: ShowConfigCommand.self)
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
  func load(isJSON: Bool) throws -> Configuration {
    let path = config ?? defaultPath
    guard let data = FileManager.default.contents(atPath: path) else {
      guard config != nil else { return Configuration() }
      throw CommandFailure(what: path, why: "it can't be read", remedy: "give the path of a configuration", isJSON: isJSON)
    }
    do throws(Configuration.Defect) {
      return try Configuration(toml: String(decoding: data, as: UTF8.self), path: path)
    } catch {
      throw CommandFailure(what: "configuration", why: error.detail, remedy: error.remedy, isJSON: isJSON)
    }
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
    let entries = try file.load(isJSON: json).entries
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

  func run() throws {
    _ = try file.load(isJSON: false)
    print("the configuration is good")
  }
}
