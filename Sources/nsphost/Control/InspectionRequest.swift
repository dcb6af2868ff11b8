import Hosting
import Providers
import QuerySets
import Sessions

extension Control {
  /// All that is known of one provider or file of a host.
  struct Inspection: ControlRequest {
    static let name = "inspect"
    static let isForOperators = false
    /// A provider's name, its id or the first digits of that, or the path of a file.
    var subject: String

    struct Answer: Codable, Sendable {
      struct Document: Codable, Sendable {
        struct Body: Codable, Sendable {
          struct File: Codable, Sendable {
            var path: String
            var buildId: String?
            var size: Int?
            var unloadable: Bool?
            var needs: [String]?
            /// Where the libraries were found, those that they need among them.
            var libraries: [String]?
            var executableStack: Bool?
          }
          struct Routine: Codable, Sendable {
            var name: String
            var entry: String
            var intercepted: Int?
          }
          struct ProcessBody: Codable, Sendable {
            var state: String
            var pid: Int32?
            var advertiser: String?
            var deaths: Int
            var lastDeath: String?
            var confinement: [String]
          }
          struct Refused: Codable, Sendable {
            var reason: String
            var detail: String
            var remedy: String
          }
          var name: String
          var id: String?
          var file: File
          var manifest: String?
          var namespace: UInt32?
          var version: UInt32?
          var trusted: Bool?
          var process: ProcessBody?
          var state: String
          /// Why it can answer nothing, where it is failing.
          var reason: String?
          var refused: Refused?
          var routines: [Routine]
        }
        var schema = "nsphost.provider/1"
        var host = HostEnvelope()
        var provider: Body
      }
      /// For people.
      struct Fact: Codable, Sendable {
        var key: String
        var value: String
      }
      var document: Document
      var facts: [Fact]
      /// Those that stand behind the routines.
      var figures: [Fact]
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      if host.listsOnly { host.prepareProviders() }
      guard let report = try InspectionReport(host, subject) else {
        throw CommandFailure(
          kind: .nothingFound, what: "inspect \(subject)", why: "there is no provider and no file of this name",
          remedy: "nsphost providers lists the names")
      }
      return report.answer
    }

    /// Of a file that no host has.
    /// - Parameter isLoadable: A worker has loaded it, where it was not refused.
    static func answer(of file: Candidate, isLoadable: Bool) -> Answer {
      InspectionReport(file, isLoadable: isLoadable).answer
    }
  }
}

/// All that is known of one provider or candidate file.
private struct InspectionReport {
  private let candidate: Candidate?
  private let entry: Catalog.Entry?
  /// Why it can answer nothing, where it is loaded.
  private var failing: String?

  /// The file was looked at, and is no host's.
  private let isExamined: Bool
  /// A worker has loaded such a file.
  private var isLoadable = false

  /// Of a file that no host has.
  /// - Parameter isLoadable: A worker has loaded it, where it was not refused.
  init(_ candidate: Candidate, isLoadable: Bool) {
    (self.candidate, entry, isExamined, self.isLoadable) = (candidate, nil, true, isLoadable)
  }

  /// Nil when neither a provider nor a file of the host is meant.
  init?(_ host: ProviderHost, _ subject: String) throws(CommandFailure) {
    let entries = host.catalog.entries
    let id = try ProviderReference(argument: subject)?.find(among: entries.known)
    if let entry = entries.first(where: { $0.id == id }) {
      self.entry = entry
      candidate = host.candidates.first { $0.path == entry.path }
      isExamined = false
      failing = host.failure(of: entry)
      return
    }
    guard subject.contains("/") || subject.hasSuffix(".so") else { return nil }
    let known = host.candidates.first { candidate in
      candidate.path == subject || candidate.path.printable == subject || candidate.path.lastPathComponent.printable == subject
        || candidate.path.absolutePath == subject
    }
    guard let candidate = known else { return nil }
    self.candidate = candidate
    isExamined = false
    entry = entries.first { $0.path == candidate.path }
  }

  /// Why it is not used: what the scan has found, or what came of loading it.
  private var refusal: Refusal? {
    if case .refused(let refusal)? = candidate?.state { return refusal }
    return entry?.failure
  }

  private var manifest: Manifest? { entry?.manifest ?? candidate?.manifest }
  private var path: String { entry?.path ?? candidate?.path ?? "" }

  private var stateName: String {
    if registersModules { return Control.Providers.registersModules }
    return entry?.stateName(isFailing: failing != nil) ?? "ready"
  }

  /// It is for a host to load, and none has done it.
  private var registersModules: Bool {
    entry?.isListed != false && candidate?.isReady == true && candidate?.image?.livesInHost == true
  }

  private var stateText: String {
    if !isExamined { return stateName }
    if isLoadable { return "examined: its tables are good, and a process of its own can load it" }
    return "examined: its tables are good; it registers modules, so only a host loads it"
  }

  /// What a host makes of a routine of a file that is listed; nil where that is not known before it is loaded.
  private func listed(_ routine: ProviderRoutine) -> RoutineEntry? {
    guard entry?.isListed == true, let image = candidate?.image, image.exportsRoutines, !image.isVersion1 else { return nil }
    return image.defines(routine) ? .direct : .stub
  }

  /// Where it runs, and why.
  private func isolation(_ manifest: Manifest) -> String {
    if let advertiser = entry?.hosting?.advertiser { return "a program of its own: \(advertiser)" }
    if let hosting = entry?.hosting {
      let process = hosting.processID.map { "process \($0)" } ?? "no process now"
      return "worker: \(process), \(hosting.state.rawValue)"
    }
    guard manifest.isolation == .worker else { return "in-process" }
    return candidate?.image?.livesInHost == true
      ? "in-process: it registers modules, and those live in the host" : "worker"
  }

  /// What is in force in its process, and what is not.
  private var hosting: [String]? {
    guard let entry, entry.hosting != nil, entry.hosting?.advertiser == nil else { return nil }
    return entry.hosting?.confinement
  }

  var answer: Control.Inspection.Answer { .init(document: document, facts: facts, figures: figures) }

  /// What is known besides the routines, the most important first.
  private var facts: [Control.Inspection.Answer.Fact] {
    var facts: [Control.Inspection.Answer.Fact] = []
    func add(_ key: String, _ value: String?) {
      if let value, !value.isEmpty { facts.append(.init(key: key, value: value)) }
    }
    add("id", manifest?.id.description)
    add("file", path)
    if let image = candidate?.image {
      let build = image.buildID.isEmpty ? "none" : Output.hexadecimal(image.buildID)
      add("build id", build)
      add("size", "\(image.fileSize) bytes")
    }
    add("manifest", manifest?.source.description)
    if let manifest {
      let spaces = [manifest.nameSpace] + manifest.nameSpaces.further
      add("name space", spaces.map { "\($0.rawValue) (\($0))" }.joined(separator: ", "))
      let enumerated = manifest.nameSpaces.enumerated
      if enumerated != spaces { add("enumerated as", enumerated.map { "\($0.rawValue) (\($0))" }.joined(separator: ", ")) }
      add("version", String(manifest.version))
      let domains = manifest.domains.map { "\($0.name)=\($0.level)" } + (manifest.servesAnyDomain ? ["*"] : [])
      add("domains", domains.joined(separator: " "))
      add("isolation", isolation(manifest))
      add("routines at a time", manifest.concurrency.map(String.init))
      if manifest.endsWait { add("cancel", "wait: End is called when NextEx has returned") }
      for line in hosting ?? [] { add("confined", line) }
      if manifest.confinement != Confinement(), entry?.provider != nil, entry?.hosting == nil {
        add("confined", "not at all: it runs in the host")
      }
      if let death = entry?.hosting?.lastDeath, let deaths = entry?.hosting?.deaths {
        add("deaths", "\(deaths), the last by \(death)")
      }
    }
    switch candidate?.state {
    case .superseded(let by): add("state", "superseded by \(by)")
    case .disabled: add("state", "disabled")
    case .refused, .ready, nil:
      if let refusal {
        add("state", "refused: \(refusal.reason.title): \(refusal.detail)")
        add("do", refusal.remedy)
      } else {
        add("state", stateText)
      }
    }
    add("failing", failing)
    add("loading", entry?.start)
    if let candidate { add("trust", candidate.isTrusted ? "the file and every folder above it are safe" : "refused") }
    if let image = candidate?.image {
      add("needs", image.needed.joined(separator: " "))
      add("unload", image.whyMapped.map { "no: it stays mapped: \($0)" } ?? "yes")
      add("stack", image.executableStack.map { "\($0.isEmpty ? "it" : $0) wants an executable one: only a worker loads it" })
    }
    if candidate?.image?.exportsVersion1 == true {
      add("version 1", candidate?.image?.isVersion1 == true ? "NSPStartup serves it" : "NSPStartup too; lookups go to version 2")
    }
    return facts
  }

  /// How it goes, where it has routines to be called.
  private var figures: [Control.Inspection.Answer.Fact] {
    if manifest?.source == .builtIn { return [] }
    var facts: [Control.Inspection.Answer.Fact] = []
    func add(_ key: String, _ value: String) { facts.append(.init(key: key, value: value)) }
    if let figures = entry?.figures {
      add(
        "sessions",
        "\(figures.live) live   \(figures.startups) started   \(figures.cleanups) cleaned up   \(figures.rundowns) run down")
    }
    if let provider = entry?.provider {
      add("deadline", Output.text(provider.deadline))
    } else if let entry, entry.isListed {
      add("deadline", Output.text(entry.manifest.deadline ?? Provider.defaultDeadline))
    }
    return facts
  }

  private var document: Control.Inspection.Answer.Document {
    var state = isExamined ? "examined" : stateName
    var refused: Control.Inspection.Answer.Document.Body.Refused?
    switch candidate?.state {
    case .superseded: state = "superseded"
    case .disabled: state = "disabled"
    case .refused, .ready, nil:
      if let refusal {
        state = "refused"
        refused = .init(reason: refusal.reason.rawValue, detail: refusal.detail, remedy: refusal.remedy)
      }
    }
    let image = candidate?.image
    return Control.Inspection.Answer.Document(
      provider: .init(
        name: manifest?.displayName ?? path.lastPathComponent, id: manifest?.id.description,
        file: .init(
          path: path, buildId: image.map { Output.hexadecimal($0.buildID) }, size: image?.fileSize,
          unloadable: image?.isUnloadable, needs: image?.needed, libraries: image?.libraries.paths,
          executableStack: image.map { $0.executableStack != nil }),
        manifest: manifest?.source.description, namespace: manifest?.nameSpace.rawValue, version: manifest?.version,
        trusted: candidate?.isTrusted,
        process: entry?.hosting.map { hosting in
          .init(
            state: hosting.state.rawValue, pid: hosting.processID, advertiser: hosting.advertiser, deaths: hosting.deaths,
            lastDeath: hosting.lastDeath, confinement: hosting.confinement)
        }, state: state, reason: failing, refused: refused,
        routines: manifest?.source == .builtIn
          ? []
          : ProviderRoutine.allCases.map { routine in
            guard let kind = entry?.provider?.routines.entry(routine) ?? listed(routine) else {
              return .init(name: routine.exportedName, entry: image?.defines(routine) == true ? "exported" : "missing")
            }
            return .init(
              name: routine.exportedName, entry: kind.rawValue,
              intercepted: kind == .stub ? entry?.provider?.routines.interceptions(routine) ?? 0 : nil)
          }))
  }
}

extension Candidate {
  var isTrusted: Bool {
    if case .refused(let refusal) = state { refusal.reason != .untrusted } else { true }
  }
}
