import ArgumentParser
import CWinsock
import Glibc
import Hosting
import Providers
import QuerySets
import Sessions

struct ProvidersCommand: ListingCommand {
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
  /// The files of entries that are listed and not loaded, by path.
  private let listed: [String: Candidate]
  /// Files that no host has loaded yet: which modules they register is not known before.
  let modules: [Candidate]
  /// Why providers that are loaded can answer nothing.
  let failures: [GUID: String]

  init(_ host: ProviderHost) {
    let entries = host.catalog.entries
    self.entries = entries
    let (own, candidates) = (Set(entries.map(\.path)), host.candidates)
    listed = Dictionary(
      entries.filter(\.isListed).compactMap { entry in candidates.first { $0.path == entry.path }.map { (entry.path, $0) } },
      uniquingKeysWith: { first, _ in first })
    modules = host.listsOnly ? candidates.filter { $0.isReady && !own.contains($0.path) } : []
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

  private static let registersModules = "registers modules"

  private func stateName(_ entry: Catalog.Entry) -> String {
    if entry.isActive, listed[entry.path]?.image?.livesInHost == true { return Self.registersModules }
    return entry.stateName(isFailing: failures[entry.id] != nil)
  }

  private func routineSummary(_ entry: Catalog.Entry) -> String {
    guard let file = listed[entry.path] else { return entry.routineSummary }
    return file.image?.directCount.map(Catalog.Entry.routineSummary) ?? "-"
  }

  func lines(directories: [String], withWholeIDs: Bool = false) -> [String] {
    let idLength = withWholeIDs ? 36 : idLength
    var rows = entries.enumerated().map { order, entry in
      [
        entry.isActive ? String(order + 1) : "-", entry.manifest.displayName, entry.manifest.nameSpace.description,
        String(entry.id.description.prefix(idLength)), entry.fileName, routineSummary(entry), stateName(entry),
      ]
    }
    rows += modules.map {
      ["-", $0.manifest?.displayName ?? "-", "-", "-", $0.path.lastPathComponent, "-", Self.registersModules]
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
    struct ModuleBody: Encodable {
      var name: String?
      var file: String
      var state: String
    }
    var providers: [ProviderBody]?
    var modules: [ModuleBody]?
    var refused: [RefusedBody]
  }

  private func isolation(_ entry: Catalog.Entry) -> Manifest.Isolation {
    guard let file = listed[entry.path] else { return entry.hosting == nil ? .inProcess : .worker }
    return file.image?.livesInHost == true ? .inProcess : entry.manifest.isolation ?? .inProcess
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
            routines: (entry.provider?.directCount ?? listed[entry.path]?.image?.directCount).map { direct in
              .init(direct: direct, stub: ProviderRoutine.allCases.count - direct)
            },
            isolation: isolation(entry).rawValue, state: stateName(entry), reason: failures[entry.id])
        },
      modules: onlyRefused || modules.isEmpty
        ? nil
        : modules.map {
          .init(name: $0.manifest?.displayName, file: $0.path, state: Self.registersModules)
        },
      refused: refusals.map { path, refusal in
        .init(file: path, reason: refusal.reason.rawValue, detail: refusal.detail, remedy: refusal.remedy)
      })
  }
}

extension ELFImage {
  /// How many routines are its own; nil for one of version 1, which tells when it is started.
  var directCount: Int? { isVersion1 ? nil : ProviderRoutine.allCases.count { defines($0) } }
}

extension Candidate {
  /// Whether it is in the catalog before it is loaded. A file that registers modules says only then which providers they are.
  var hasEntry: Bool { image?.exportsRoutines == true || manifest?.advertises == true }

  var isReady: Bool { if case .ready = state { true } else { false } }
}

extension Provider {
  var directCount: Int { ProviderRoutine.allCases.filter { routines.entry($0) != .stub }.count }
}

extension Catalog.Entry {
  /// `7`, or `3+4 stub`: the provider's own routines and those that the host fills in.
  var routineSummary: String {
    if manifest.source == .builtIn { return "classes" }
    return provider.map { Self.routineSummary($0.directCount) } ?? "-"
  }

  static func routineSummary(_ direct: Int) -> String {
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

  /// One that is listed and not loaded counts as what its file promises.
  var isReady: Bool { isActive && (provider != nil || isListed || manifest.source == .builtIn) }

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
