import ArgumentParser
import CWinsock
import Glibc
import Hosting
import Providers
import QuerySets

struct ModulesCommand: WatchingCommand, ListingCommand {
  static let configuration = CommandConfiguration(
    commandName: "modules", abstract: "Show the network modules and what is bound to what.",
    discussion: """
      With --watch the host stays: it follows the plugin directories, loads what is dropped in, replaces what is renamed over, \
      detaches what is removed, and shows the modules again whenever they change. End with Ctrl-C.
      """)

  @OptionGroup var options: HostOptions

  @Flag(name: .long, help: "Stay, follow the plugin directories, and show every change.")
  var watch = false

  func run() throws {
    if let running = try options.runningHost() {
      if watch { return try watch(running) }
      return try show(running)
    }
    guard watch else { return try list() }
    try options.performAlone(.host, staysUp: true) { own in
      guard own.host.watch() else {
        throw CommandFailure(
          what: "watch", why: String(cString: strerror(errno)), remedy: "raise fs.inotify.max_user_instances",
          isJSON: options.json)
      }
      watch(own.host)
    }
  }

  func output(of host: ProviderHost, withAges: Bool) -> CommandOutput {
    let report = host.modules
    let files = host.listsOnly ? host.candidates.filter(\.isReady) : []
    if options.json { return CommandOutput(ModulesDocument(report, files, withAges: withAges)) }
    return CommandOutput(report.lines(files, withAges: withAges))
  }
}

extension ModulesReport {
  /// - Parameter files: Good ones that are not loaded.
  func lines(_ files: [Candidate] = [], withAges: Bool) -> [String] {
    var lines: [String] = []
    for interface in interfaces {
      let clients = interface.clients.isEmpty ? "no client" : "client " + interface.clients.joined(separator: ", ")
      lines.append("NPI \(interface.name ?? "-")  {\(interface.id)}  \(clients)")
      let rows = interface.providers.map { provider in
        [
          "  ", provider.name, provider.state.rawValue, withAges ? Output.age(provider.age) : "",
          provider.calls.map { Output.count($0, "call", "calls") } ?? "",
          provider.sessions.map { Output.count($0, "session", "sessions") } ?? "",
        ]
      }
      lines += Output.columns(rows)
    }
    for one in kept {
      lines.append("    \(one.name)  unbound  kept mapped: \(one.cause)\(withAges ? ", " + Output.age(one.age) : "")")
    }
    if !files.isEmpty {
      lines.append("not loaded, because no host serves")
      lines += Output.columns(files.map { ["  ", $0.manifest?.displayName ?? $0.path.lastPathComponent, $0.loadedAs] })
    }
    if !lines.isEmpty { lines.append("") }
    lines.append(
      Output.count(modules, "module", "modules") + ", " + Output.count(bindings, "binding", "bindings") + "; "
        + Output.count(pendingDetaches, "detach", "detaches") + " pending")
    return lines
  }
}

extension Candidate {
  /// What a host makes of the file.
  fileprivate var loadedAs: String { image?.livesInHost == true ? "registers modules" : "provider" }
}

private struct ModulesDocument: Encodable {
  struct Interface: Encodable {
    var name: String?
    var id: String
    var clients: [String]
    var providers: [Provider]
  }
  struct Provider: Encodable {
    var module: String
    var id: String?
    var file: String?
    var binding: String
    var ageUs: Int
    var calls: Int?
    var sessions: Int?
  }
  struct Kept: Encodable {
    var module: String
    var id: String?
    var file: String?
    var binding = "unbound"
    var mapped = true
    var cause: String
    var ageUs: Int
  }
  let schema = "nsphost.modules/1"
  let host = HostEnvelope()
  var npis: [Interface]
  struct File: Encodable {
    var name: String?
    var file: String
    var state: String
  }
  var kept: [Kept]
  /// Good ones that are not loaded.
  var files: [File]?

  init(_ report: ModulesReport, _ files: [Candidate], withAges: Bool) {
    if !files.isEmpty { self.files = files.map { .init(name: $0.manifest?.displayName, file: $0.path, state: $0.loadedAs) } }
    npis = report.interfaces.map { interface in
      Interface(
        name: interface.name, id: interface.id.description, clients: interface.clients,
        providers: interface.providers.map { provider in
          Provider(
            module: provider.name, id: provider.moduleID?.description, file: provider.path, binding: provider.state.rawValue,
            ageUs: withAges ? Int(provider.age.microseconds) : 0, calls: provider.calls, sessions: provider.sessions)
        })
    }
    kept = report.kept.map {
      Kept(
        module: $0.name, id: $0.moduleID?.description, file: $0.path, cause: $0.cause,
        ageUs: withAges ? Int($0.age.microseconds) : 0)
    }
  }
}
