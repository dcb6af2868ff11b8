import Hosting
import Providers
import QuerySets
import Rundown
import Sessions

extension Control {
  /// The providers of a host, in the order in which they are asked, and the files that are none.
  struct Providers: WatchedRequest {
    static let name = "providers"
    static let bells: [ChangeBell] = [.providers]
    static let isForOperators = false
    /// The state of a file that no host has loaded yet: which modules it registers is not known before.
    static let registersModules = "registers modules"

    struct Answer: Codable, Sendable {
      struct Space: Codable, Sendable {
        var number: UInt32
        var name: String
      }
      struct Routines: Codable, Sendable {
        var direct: Int
        var stub: Int
      }
      struct Provider: Codable, Sendable {
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
        /// It is a part of the host.
        var builtIn: Bool?
      }
      struct Refused: Codable, Sendable {
        var file: String
        var reason: String
        var detail: String
        var remedy: String
      }
      struct Module: Codable, Sendable {
        var name: String?
        var file: String
        var state: String
      }
      var schema = "nsphost.providers/1"
      var host = HostEnvelope()
      var providers: [Provider]?
      var modules: [Module]?
      var refused: [Refused]
      /// Where it has looked.
      var directories: [String]
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) -> Answer {
      if host.listsOnly { host.prepareProviders() }
      return Answer(host)
    }
  }
}

extension Control.Providers.Answer {
  init(_ host: ProviderHost) {
    let (entries, candidates) = (host.catalog.entries, host.candidates)
    /// The files of entries that are listed and not loaded, by path.
    let listed = Dictionary(
      entries.filter(\.isListed).compactMap { entry in candidates.first { $0.path == entry.path }.map { (entry.path, $0) } },
      uniquingKeysWith: { first, _ in first })
    providers = entries.enumerated().map { order, entry in
      Provider(entry, order + 1, listed[entry.path], failure: host.failure(of: entry))
    }
    let own = Set(entries.map(\.path))
    let others = host.listsOnly ? candidates.filter { $0.isReady && !own.contains($0.path) } : []
    modules =
      others.isEmpty
      ? nil
      : others.map { Module(name: $0.manifest?.displayName, file: $0.path, state: Control.Providers.registersModules) }
    let files = candidates.compactMap(Refused.init)
    // An installed provider whose path leads nowhere has no file that was looked at.
    refused =
      files
      + entries.compactMap { entry in
        guard let failure = entry.failure, !files.contains(where: { $0.file == entry.path }) else { return nil }
        return Refused(entry.path.isEmpty ? failure.path : entry.path, failure)
      }
    directories = host.directories
  }
}

extension Control.Providers.Answer.Provider {
  fileprivate init(_ entry: Catalog.Entry, _ order: Int, _ file: Candidate?, failure: String?) {
    let manifest = entry.manifest
    self.init(
      order: order, name: manifest.displayName, id: entry.id.description, namespace: .init(manifest.nameSpace),
      enumerated: manifest.nameSpaces.enumerated.map { .init($0) }, version: manifest.version,
      file: entry.path.isEmpty ? nil : entry.path,
      routines: (entry.provider?.directCount ?? file?.image?.directCount).map { direct in
        .init(direct: direct, stub: ProviderRoutine.allCases.count - direct)
      },
      isolation: Self.isolation(entry, file).rawValue,
      state: entry.isActive && file?.image?.livesInHost == true
        ? Control.Providers.registersModules : entry.stateName(isFailing: failure != nil),
      reason: failure, builtIn: manifest.source == .builtIn ? true : nil)
  }

  private static func isolation(_ entry: Catalog.Entry, _ file: Candidate?) -> Manifest.Isolation {
    guard let file else { return entry.hosting == nil ? .inProcess : .worker }
    return file.image?.livesInHost == true ? .inProcess : entry.manifest.isolation ?? .inProcess
  }
}

extension Control.Providers.Answer.Space {
  fileprivate init(_ space: NameSpace) { self.init(number: space.rawValue, name: space.description) }
}

extension Control.Providers.Answer.Refused {
  fileprivate init(_ path: String, _ refusal: Refusal) {
    self.init(file: path, reason: refusal.reason.rawValue, detail: refusal.detail, remedy: refusal.remedy)
  }

  /// Nil where the file is used, or may be.
  fileprivate init?(_ candidate: Candidate) {
    switch candidate.state {
    case .refused(let refusal): self.init(candidate.path, refusal)
    case .superseded(let by):
      self.init(
        candidate.path,
        Refusal(
          path: candidate.path, reason: .superseded, detail: "\(by) has the same provider id and comes first",
          remedy: "give it an id of its own, or remove one of the two"))
    case .ready, .disabled: return nil
    }
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
  fileprivate var directCount: Int { ProviderRoutine.allCases.filter { routines.entry($0) != .stub }.count }
}

extension Catalog.Entry {
  /// - Parameter isFailing: It is loaded and can answer nothing.
  func stateName(isFailing: Bool) -> String {
    if !isActive { return "disabled" }
    if failure != nil { return "failed" }
    if isReady { return isFailing ? "failing" : "ready" }
    return awaitedProcess?.rawValue ?? hosting?.state.rawValue ?? "waiting"
  }

  /// One that is listed and not loaded counts as what its file promises.
  private var isReady: Bool { isActive && (provider != nil || isListed || manifest.source == .builtIn) }
}
