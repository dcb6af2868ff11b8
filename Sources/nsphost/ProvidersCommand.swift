import ArgumentParser
import CWinsock
import Glibc
import Providers
import QuerySets

struct ProvidersCommand: WatchingCommand, ListingCommand {
  static let configuration = CommandConfiguration(
    commandName: "providers", abstract: "List the providers, in the order in which they are asked.")

  @OptionGroup var options: HostOptions

  @Flag(name: .long, help: "List the files that are not used, why, and what to do.")
  var refused = false

  @Flag(name: .long, help: "Stay, and show every change of a running host. End with Ctrl-C.")
  var watch = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Print nothing; exit 0 if a provider of this name or id, or whose id begins so, is ready and not failing, else 2.",
      valueName: "provider"))
  var exists: ProviderReference?

  func validate() throws {
    if watch, exists != nil { throw ValidationError("--watch and --exists exclude each other") }
  }

  func run() throws {
    if watch { return try watch(try options.hostThatRuns()) }
    if let running = try options.runningHost() { return try show(running) }
    try list()
  }

  func request() -> Control.Providers { Control.Providers() }

  func output(_ answer: Control.Providers.Answer) -> CommandOutput {
    if let exists {
      let isReady = !exists.candidates(among: answer.ready).isEmpty
      return CommandOutput([], status: isReady ? 0 : CommandFailure.Kind.nothingFound.rawValue)
    }
    if refused, options.json {
      var answer = answer
      (answer.providers, answer.modules) = (nil, nil)
      return CommandOutput(answer)
    }
    if options.json { return CommandOutput(answer) }
    return CommandOutput(refused ? answer.refusedLines : answer.lines(withWholeIDs: options.verbose))
  }
}

extension Control.Providers.Answer {
  /// Those that can be asked.
  fileprivate var ready: [ProviderReference.Known] {
    (providers ?? []).filter { ["ready", Control.Providers.registersModules].contains($0.state) }
      .compactMap { provider in GUID(provider.id).map { .init(id: $0, name: provider.name) } }
  }

  /// So many digits of an id that no two are alike, eight at least.
  private var idLength: Int {
    let ids = (providers ?? []).map(\.id)
    return (8...36).first { length in Set(ids.map { $0.prefix(length) }).count == ids.count } ?? 36
  }

  func lines(withWholeIDs: Bool = false) -> [String] {
    let (providers, idLength) = (providers ?? [], withWholeIDs ? 36 : idLength)
    var rows = providers.map { provider in
      [
        provider.state == "disabled" ? "-" : String(provider.order), provider.name, provider.namespace.name,
        String(provider.id.prefix(idLength)), provider.file?.lastPathComponent ?? "-", provider.routinesText, provider.state,
      ]
    }
    rows += (modules ?? []).map { ["-", $0.name ?? "-", "-", "-", $0.file.lastPathComponent, "-", $0.state] }
    var lines = Output.table(
      ["ORDER", "NAME", "NS", "ID", "FILE", "ROUTINES", "STATE"], rows, rightAligned: [0])
    lines.append("")
    for provider in providers { if let reason = provider.reason { lines.append("\(provider.name) is failing: \(reason)") } }
    var closing =
      "\(Output.count(providers.count, "provider", "providers")) in \(Output.count(directories.count, "directory", "directories"))"
    if !refused.isEmpty {
      closing += "; \(Output.count(refused.count, "file", "files")) not used (nsphost providers --refused)"
    }
    lines.append(closing)
    if providers.isEmpty { lines.append("looked in: \(directories.joined(separator: ":"))") }
    return lines
  }

  var refusedLines: [String] {
    if refused.isEmpty { return ["no file was refused"] }
    // Before they are counted: a name may have characters that are shown as others.
    let refusals = refused.map { ($0.file.printable, $0) }
    let width = refusals.map { $0.0.lastPathComponent.count }.max() ?? 0
    return refusals.flatMap { path, refusal in
      let name = path.lastPathComponent
      let indent = String(repeating: " ", count: width + 2)
      let title = Refusal.Reason(rawValue: refusal.reason)?.title ?? refusal.reason
      return [
        name + String(repeating: " ", count: width - name.count) + "  \(title): \(refusal.detail)",
        indent + path, indent + "do: \(refusal.remedy)",
      ]
    }
  }
}

extension Control.Providers.Answer.Provider {
  /// `7`, or `3+4 stub`: the provider's own routines and those that the host fills in.
  fileprivate var routinesText: String {
    if builtIn == true { return "classes" }
    return routines.map { $0.stub == 0 ? "\($0.direct)" : "\($0.direct)+\($0.stub) stub" } ?? "-"
  }
}

extension String {
  var lastPathComponent: String { split(separator: "/").last.map(String.init) ?? self }
}

extension String {
  var fileExists: Bool { access(self, F_OK) == 0 }

  /// The path of the folder that a file is in, without links, and the file's name in it; the text itself where there is no such folder.
  var absolutePath: String {
    let name = lastPathComponent
    let folder = String(dropLast(name.count))
    guard let resolved = realpath(folder.isEmpty ? "." : folder, nil) else { return self }
    defer { free(resolved) }
    return String(naming: resolved) + "/" + name
  }
}
