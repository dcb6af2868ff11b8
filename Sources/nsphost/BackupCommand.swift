import ArgumentParser
import HostDaemon
import StateBackups

/// Which folders a backup is of.
struct StateFolders: ParsableArguments {
  @OptionGroup var file: ConfigurationFile

  @Flag(name: .long, help: "Print JSON instead of text.")
  var json = false

  /// The host's own, and those of providers for which the configuration names one.
  func all() throws -> [StateFolder] {
    let configuration = try file.load()
    let own = StateFolder(name: "state", path: configuration.state ?? ProcessEnvironment.stateDirectory)
    let others = configuration.providers.settings.sorted { $0.key < $1.key }.compactMap { name, settings in
      settings.own["state"]?.first.map { StateFolder(name: name, path: $0) }
    }
    return [own] + others.filter { $0.path != own.path }
  }

  func perform(_ what: String, _ body: ([StateFolder]) throws(StateFailure) -> StateBackup.Report) throws -> StateBackup.Report {
    let all = try all()
    do throws(StateFailure) { return try body(all) } catch {
      throw CommandFailure(what: what, why: error.why, remedy: error.remedy)
    }
  }
}

struct BackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Save the state of a host in a file, also while it runs.",
    discussion: """
      The file is a tar archive of the state folder (catalog.toml, schema.db, directory.db, and what providers keep there) and of the folders \
      that the configuration names as state of providers. Each database is saved as it is at one moment. The file takes the place of one of \
      its name when it is complete; nobody but its owner can read it. The state folder is the one of the configuration, otherwise \
      STATE_DIRECTORY, otherwise /var/lib/nsphost for root and ~/.local/state/nsphost for others.
      """)

  @Argument(help: "The file to write.", completion: .file())
  var path: String
  @OptionGroup var folders: StateFolders

  private struct Document: Encodable {
    struct Body: Encodable {
      var file: String
      var saved: [String]
      var leftOut: [String]
    }
    let schema = "nsphost.backup/1"
    let host = HostEnvelope()
    var backup: Body
  }

  func run() throws {
    let report = try folders.perform("backup") { folders throws(StateFailure) in try StateBackup.save(folders, to: path) }
    for line in report.leftOut { Output.warn("not saved: \(line)", help: "save it by other means") }
    if folders.json {
      return Output.json(Document(backup: .init(file: path, saved: report.files, leftOut: report.leftOut)))
    }
    Output.line("saved \(Output.count(report.files.count, "file", "files")) in \(path)")
    for file in report.files { Output.line("    \(file)") }
  }
}

struct RestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Put back the state that backup has saved, while no host runs.",
    discussion: """
      The backup is read and checked first, each database as a whole. Then a new folder takes the place of the state folder in one step; the folder \
      that was there is kept beside it. While a host uses the folder, nothing is done. What is wrong with a backup is said, and changes nothing. \
      The folders are found as backup finds them.
      """)

  @Argument(help: "The file that backup has written.", completion: .file())
  var path: String
  @OptionGroup var folders: StateFolders

  private struct Document: Encodable {
    struct Body: Encodable {
      var file: String
      var restored: [String]
      /// Where the folders are now that were there before.
      var kept: [String]
    }
    let schema = "nsphost.restore/1"
    let host = HostEnvelope()
    var restore: Body
  }

  func run() throws {
    let report = try folders.perform("restore") { folders throws(StateFailure) in try StateBackup.restore(path, to: folders) }
    if folders.json {
      return Output.json(Document(restore: .init(file: path, restored: report.files, kept: report.replaced)))
    }
    Output.line("restored \(Output.count(report.files.count, "file", "files")) from \(path)")
    for file in report.files { Output.line("    \(file)") }
    for folder in report.replaced { Output.line("what was there before is in \(folder)") }
  }
}
