import ArgumentParser
import CLastWords
import CallManagement
import Glibc
import Hosting
import NSPClient
import Providers
import ServiceClasses
import Sessions
import StateBackups

@main
struct NSPHost: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nsphost",
    abstract: "A host for name space providers.",
    discussion: """
      Loads providers (.so files that export NSPv2 entry points) from the plugin directories, and looks up and registers \
      names and services through them. -v says which host answers; it may stand before the command, too.
      """,
    version: version,
    subcommands: [
      ProvidersCommand.self, InspectCommand.self, LookupCommand.self, WatchCommand.self, RegisterCommand.self,
      UnregisterCommand.self,
      RegistrationsCommand.self, ClassesCommand.self,
      ModulesCommand.self, CallsCommand.self, ServeCommand.self, SessionsCommand.self, WorkerCommand.self, ConfigCommand.self,
      EnableCommand.self,
      DisableCommand.self,
      ReloadCommand.self, UnloadCommand.self,
      StatsCommand.self,
      BackupCommand.self, RestoreCommand.self,
      RunCommand.self, CompletionsCommand.self,
    ])

  static let version = "0.1.0"

  static func main() {
    // What providers look up here, in workers and in programs that these start does not come back through glibc's module.
    setenv("NSP_NSS_BYPASS", "1", 1)
    let words = CommandWords.ofProcess
    do {
      try ProcessEnvironment.requireUTF8()
      var command = try parseAsRoot(words.arranged)
      try command.run()
      Output.flush()
    } catch {
      guard let failure = error as? CommandFailure ?? CommandFailure(error, words) else { exit(withError: error) }
      failure.report()
      Output.flush()
      exit(withError: ExitCode(failure.status))
    }
  }
}

/// Where providers come from, and in which form results are printed.
struct HostOptions: ParsableArguments {
  @Option(
    name: .customLong("plugins"), parsing: .singleValue,
    help: ArgumentHelp(
      "A directory to take providers from; may be given several times.",
      discussion: """
        Otherwise NSP_PLUGIN_PATH, otherwise ~/.local/lib/nsp (not for root), lib/nsp of the prefix of this program, /usr/local/lib/nsp and \
        /usr/lib/nsp. With it nothing is read from the machine's state folder, nor kept there: name a folder in STATE_DIRECTORY to keep what is changed.
        """,
      valueName: "directory"),
    completion: .directory)
  var directories: [String] = []

  @Flag(name: .long, help: "Print JSON instead of text.")
  var json = false

  @Flag(name: .long, help: "Do it with a host of this command's own, also where one is running.")
  var local = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The socket of the running host.",
      discussion:
        "Otherwise NSP_SOCKET, otherwise $XDG_RUNTIME_DIR/nsphost/socket (not for root), otherwise /run/nsphost/socket.",
      valueName: "path"),
    completion: .file())
  var socket: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How long the running host may give no sign of life.",
      discussion: "Otherwise 5 seconds. A host that works on the command says so, and is waited for.", valueName: "seconds"))
  var timeout: Double?

  @Flag(name: .shortAndLong, help: "Say on standard error who does it: a running host, or this process.")
  var verbose = false

  func validate() throws {
    if let timeout, !(0.001...86_400).contains(timeout) {
      throw ValidationError("--timeout \(timeout) is not between 0.001 and 86400 seconds")
    }
  }

  var silence: Duration { timeout.map { .seconds($0) } ?? HostSocket.usualSilence }
  /// This process is the host of another one that has this very command line, which reads on this descriptor how far it is (`HostChild`).
  @Option(name: .long, help: .hidden)
  var hostFor: Int32?

  /// The folder that such a process has its socket in.
  @Option(name: .long, help: .hidden)
  var hostFolder: String?

  /// Files that such a process does not load.
  @Option(name: .long, parsing: .singleValue, help: .hidden)
  var without: [String] = []

  /// The host that serves this machine. Nil when there is none, or the command is about directories of its own.
  func runningHost() throws -> RunningHost? {
    // The one that asked for it has looked.
    if hostFor != nil { return nil }
    guard !local, directories.isEmpty else { return note("in this process") }
    if let running = try RunningHost(socket, silence: silence) {
      if verbose { Output.aside("asking the host on \(running.path)") }
      return running
    }
    if let socket {
      throw CommandFailure(
        kind: .unreachable, what: socket, why: "no host listens there", remedy: "start one with nsphost serve")
    }
    return note("no host listens on \(HostPlaces().paths.joined(separator: " or ")): in this process")
  }

  private func note(_ text: String) -> RunningHost? {
    if verbose { Output.aside(text) }
    return nil
  }

  var resolvedDirectories: [String] {
    PluginDirectories.resolve(
      explicit: directories, environment: ProcessEnvironment.variables, isPrivileged: ProcessEnvironment.isPrivileged)
  }

  /// The directories that somebody has named; empty where the standard ones count.
  var namedDirectories: [String] {
    PluginDirectories.named(
      explicit: directories, environment: ProcessEnvironment.variables, isPrivileged: ProcessEnvironment.isPrivileged) ?? []
  }

  /// The folder of what outlives a host. Nil where providers come from directories of the command's own and nobody has named one: what the
  /// machine's folder keeps is about the machine's providers.
  var stateDirectory: String? {
    directories.isEmpty ? ProcessEnvironment.stateDirectory : ProcessEnvironment.namedStateDirectory
  }

  /// For what is changed for good: it would be gone with this process.
  func requireState(for what: String) throws(CommandFailure) {
    guard stateDirectory == nil else { return }
    throw CommandFailure(
      kind: .usage, what: what, why: "with --plugins there is no state folder that could keep the change",
      remedy: "name one: STATE_DIRECTORY=/FOLDER nsphost \(what) …")
  }

  /// Keeps a restore from replacing the state folder while this process uses it, until it ends. While one is going on the command ends: what it
  /// would keep would be lost. False where the folder is not used, which is said.
  func claimState() -> Bool {
    guard let stateDirectory else { return true }
    do throws(StateFailure) {
      if let claim = try StateClaim.share(stateDirectory, creating: false) { _ = Unmanaged.passRetained(claim) }
      return true
    } catch {
      guard error.passes else {
        Output.warn(error.why, help: error.remedy)
        return false
      }
      let failure = CommandFailure(what: CommandWords.ofProcess.name, why: error.why, remedy: error.remedy)
      failure.report()
      NSPHost.exit(withError: ExitCode(failure.status))
    }
  }
}

struct CompletionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completions", abstract: "Print a completion script for a shell.")

  enum Shell: String, CaseIterable, ExpressibleByArgument {
    case bash, zsh, fish
  }

  @Argument(help: "The shell.")
  var shell: Shell

  func run() {
    guard let shell = CompletionShell(rawValue: shell.rawValue) else { return }
    print(NSPHost.completionScript(for: shell))
  }
}
