import ArgumentParser
import CallManagement
import Glibc
import Lookups
import NSPClient
import Providers
import ServiceClasses
import Sessions

@main
struct NSPHost: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nsphost",
    abstract: "A host for name space providers.",
    discussion: """
      Loads providers (.so files that export NSPv2 entry points) from the plugin directories, and looks up and registers \
      names and services through them.
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
      RunCommand.self, CompletionsCommand.self,
    ])

  static let version = "0.1.0"

  static func main() {
    // What providers look up here, in workers and in programs that these start does not come back through glibc's module.
    setenv("NSP_NSS_BYPASS", "1", 1)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CommandFailure {
      failure.report()
      exit(withError: ExitCode(failure.status))
    } catch {
      exit(withError: error)
    }
  }
}

/// Where providers come from, and in which form results are printed.
struct HostOptions: ParsableArguments {
  @Option(
    name: .customLong("plugins"), parsing: .singleValue,
    help: ArgumentHelp(
      "A directory to take providers from; may be given several times.",
      discussion: "Otherwise NSP_PLUGIN_PATH, otherwise ~/.local/lib/nsp, /usr/local/lib/nsp and /usr/lib/nsp.",
      valueName: "directory"),
    completion: .directory)
  var directories: [String] = []

  @Flag(name: .long, help: "Print JSON instead of text.")
  var json = false

  @Flag(name: .long, help: "Do it in this process, also where a host is running.")
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

  @Flag(name: .shortAndLong, help: "Say on standard error who does it: a running host, or this process.")
  var verbose = false

  /// The host that serves this machine. Nil when there is none, or the command is about directories of its own.
  func runningHost() throws -> RunningHost? {
    guard !local, directories.isEmpty else { return note("in this process") }
    if let running = RunningHost(socket) {
      if verbose { Output.aside("asking the host on \(running.path)") }
      return running
    }
    if let socket {
      throw CommandFailure(
        kind: .unreachable, what: socket, why: "no host listens there", remedy: "start one with nsphost serve", isJSON: json)
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

  /// A host with every provider loaded.
  func makeHost() -> ProviderHost {
    let host = ProviderHost()
    host.keepChanges(in: CatalogFile(directory: ProcessEnvironment.stateDirectory), environment: ProcessEnvironment.variables)
    host.load(from: resolvedDirectories)
    host.keepClasses(in: SchemaProvider(directory: ProcessEnvironment.stateDirectory))
    if let defect = host.catalogDefect { Output.aside("\(defect.detail): \(defect.remedy)") }
    return host
  }

  /// This process as a client of its own host.
  func connect(to host: ProviderHost, what: String) throws -> ClientSession {
    do throws(NDISStatus) { return try host.open(ProcessEnvironment.identity).session } catch {
      throw CommandFailure(
        kind: error == .notAccepted ? .notPermitted : .failed, what: what, why: "the host refused the call with \(error)",
        remedy: "see who may have a session", isJSON: json)
    }
  }
}

struct CompletionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completions", abstract: "Print a completion script for a shell.")

  @Argument(help: "bash, zsh or fish.")
  var shell: String

  func validate() throws {
    guard CompletionShell(rawValue: shell) != nil else {
      throw ValidationError("\(shell): no such shell: choose bash, zsh or fish")
    }
  }

  func run() {
    guard let shell = CompletionShell(rawValue: shell) else { return }
    print(NSPHost.completionScript(for: shell))
  }
}
