import ArgumentParser
import CWinsock
import Glibc
import Lookups
import Providers
import QuerySets
import Sessions

struct ProvidersCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "providers", abstract: "List the providers, in the order in which they are asked.")

  @OptionGroup var options: HostOptions

  @Flag(name: .long, help: "List the files that are not used, why, and what to do.")
  var refused = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Print nothing; exit 0 if a provider of this name or id, or whose id begins so, is ready and not failing, else 2.",
      valueName: "provider"))
  var exists: ProviderReference?

  static let isForOperators = false

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) -> CommandOutput {
    if !ProcessEnvironment.isServing { host.prepareProviders() }
    if let exists {
      let ready = host.catalog.entries.filter { $0.isReady && host.failure(of: $0) == nil }
      let isReady = !exists.candidates(among: ready.known).isEmpty
      return CommandOutput([], status: isReady ? 0 : CommandFailure.Kind.nothingFound.rawValue)
    }
    let report = ProviderReport(host)
    if options.json { return CommandOutput(report.document(onlyRefused: refused)) }
    return CommandOutput(
      refused ? report.refusedLines : report.lines(directories: host.directories, withWholeIDs: options.verbose))
  }
}

/// The providers of a host and the files that are none, as people and programs read them.
struct ProviderReport {
  let entries: [Catalog.Entry]
  let refusals: [(path: String, refusal: Refusal)]
  /// Why providers that are loaded can answer nothing.
  let failures: [GUID: String]

  init(_ host: ProviderHost) {
    let entries = host.catalog.entries
    self.entries = entries
    failures = Dictionary(
      entries.compactMap { entry in host.failure(of: entry).map { (entry.id, $0) } }, uniquingKeysWith: { first, _ in first })
    let files: [(path: String, refusal: Refusal)] = host.candidates.compactMap { candidate in
      switch candidate.state {
      case .refused(let refusal): (candidate.path, refusal)
      case .superseded(let by):
        (
          candidate.path,
          Refusal(
            path: candidate.path, reason: .superseded, detail: "\(by) has the same provider id and comes first",
            remedy: "give it an id of its own, or remove one of the two")
        )
      case .ready, .disabled: nil
      }
    }
    // An installed provider whose path leads nowhere has no file that was looked at.
    refusals =
      files
      + entries.compactMap { entry in
        guard let failure = entry.failure, !files.contains(where: { $0.path == entry.path }) else { return nil }
        return (entry.path.isEmpty ? failure.path : entry.path, failure)
      }
  }

  /// So many digits of an id that no two are alike, eight at least.
  private var idLength: Int {
    let ids = entries.map(\.id.description)
    return (8...36).first { length in Set(ids.map { $0.prefix(length) }).count == ids.count } ?? 36
  }

  func lines(directories: [String], withWholeIDs: Bool = false) -> [String] {
    let idLength = withWholeIDs ? 36 : idLength
    let rows = entries.enumerated().map { order, entry in
      [
        entry.isActive ? String(order + 1) : "-", entry.manifest.displayName, entry.manifest.nameSpace.description,
        String(entry.id.description.prefix(idLength)), entry.fileName, entry.routineSummary,
        entry.stateName(isFailing: failures[entry.id] != nil),
      ]
    }
    var lines = Output.table(
      ["ORDER", "NAME", "NS", "ID", "FILE", "ROUTINES", "STATE"], rows, rightAligned: [0])
    lines.append("")
    for entry in entries {
      if let failure = failures[entry.id] { lines.append("\(entry.manifest.displayName) is failing: \(failure)".printable) }
    }
    var closing =
      "\(Output.count(entries.count, "provider", "providers")) in \(Output.count(directories.count, "directory", "directories"))"
    if !refusals.isEmpty {
      closing += "; \(Output.count(refusals.count, "file", "files")) not used (nsphost providers --refused)"
    }
    lines.append(closing)
    if entries.isEmpty { lines.append("looked in: \(directories.joined(separator: ":"))") }
    return lines
  }

  var refusedLines: [String] {
    if refusals.isEmpty { return ["no file was refused"] }
    // Before they are counted: a name may have characters that are shown as others.
    let refusals = refusals.map { ($0.path.printable, $0.refusal) }
    let width = refusals.map { $0.0.lastPathComponent.count }.max() ?? 0
    return refusals.flatMap { path, refusal in
      let name = path.lastPathComponent
      let indent = String(repeating: " ", count: width + 2)
      return [
        name + String(repeating: " ", count: width - name.count) + "  \(refusal.reason.title): \(refusal.detail)",
        indent + path, indent + "do: \(refusal.remedy)",
      ]
    }
  }

  struct Document: Encodable {
    struct ProviderBody: Encodable {
      struct Space: Encodable {
        var number: UInt32
        var name: String
      }
      struct Routines: Encodable {
        var direct: Int
        var stub: Int
      }
      var order: Int
      var name: String
      var id: String
      var namespace: Space
      /// Under which programs find it.
      var enumerated: [Space]
      var version: UInt32
      var file: String?
      var routines: Routines?
      var isolation: String
      var state: String
      /// Why it can answer nothing, where it is failing.
      var reason: String?
    }
    struct RefusedBody: Encodable {
      var file: String
      var reason: String
      var detail: String
      var remedy: String
    }
    let schema = "nsphost.providers/1"
    let host = HostEnvelope()
    var providers: [ProviderBody]?
    var refused: [RefusedBody]
  }

  func document(onlyRefused: Bool) -> Document {
    Document(
      providers: onlyRefused
        ? nil
        : entries.enumerated().map { order, entry in
          Document.ProviderBody(
            order: order + 1, name: entry.manifest.displayName, id: entry.id.description,
            namespace: .init(number: entry.manifest.nameSpace.rawValue, name: entry.manifest.nameSpace.description),
            enumerated: entry.manifest.nameSpaces.enumerated.map { .init(number: $0.rawValue, name: $0.description) },
            version: entry.manifest.version, file: entry.path.isEmpty ? nil : entry.path,
            routines: entry.provider.map { provider in
              .init(direct: provider.directCount, stub: ProviderRoutine.allCases.count - provider.directCount)
            },
            isolation: (entry.hosting == nil ? Manifest.Isolation.inProcess : .worker).rawValue,
            state: entry.stateName(isFailing: failures[entry.id] != nil), reason: failures[entry.id])
        },
      refused: refusals.map { path, refusal in
        .init(file: path, reason: refusal.reason.rawValue, detail: refusal.detail, remedy: refusal.remedy)
      })
  }
}

extension Provider {
  var directCount: Int { ProviderRoutine.allCases.filter { routines.entry($0) != .stub }.count }
}

extension Catalog.Entry {
  /// `7`, or `3+4 stub`: the provider's own routines and those that the host fills in.
  var routineSummary: String {
    if manifest.source == .builtIn { return "classes" }
    guard let provider else { return "-" }
    let direct = provider.directCount
    let stubs = ProviderRoutine.allCases.count - direct
    return stubs == 0 ? "\(direct)" : "\(direct)+\(stubs) stub"
  }

  /// - Parameter isFailing: It is loaded and can answer nothing.
  func stateName(isFailing: Bool) -> String {
    if !isActive { return "disabled" }
    if failure != nil { return "failed" }
    if isReady { return isFailing ? "failing" : "ready" }
    return awaitedProcess?.rawValue ?? hosting?.state.rawValue ?? "waiting"
  }

  var isReady: Bool { isActive && (provider != nil || manifest.source == .builtIn) }

  var fileName: String { path.isEmpty ? "-" : path.lastPathComponent }

  /// Whether a person means this entry: by name, by id, or by at least eight digits of the id.
  func isNamed(_ text: String) -> Bool {
    let lower = text.lowercased()
    return manifest.displayName == text || id.description == lower || lower.count >= 8 && id.description.hasPrefix(lower)
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
