import CWinsock
import Providers
import QuerySets
import Sessions

/// Whom a query or a registration goes to, and why not the others (nsp.md §8.3, §13.2).
struct Route: Sendable {
  /// One or more providers that stand at one place of the order.
  enum Step: Sendable {
    case provider(Participant)
    /// A fall-back chain: the first one that delivers supplies everything.
    case chain([Participant])
  }

  /// One that counts for the answer: it is asked, or should be and is down.
  struct Participant: Sendable {
    let id: GUID
    let name: String
    let standing: Standing

    enum Standing: Sendable {
      case callable(Provider)
      case down(Outage)
    }

    var provider: Provider? { if case .callable(let provider) = standing { provider } else { nil } }
  }

  var steps: [Step] = []

  var isEmpty: Bool { steps.isEmpty }
}

struct RouteRequest: Sendable {
  var client: ClientIdentity
  var providerID: GUID?
  var nameSpace: NameSpace
  var name: String?
  var flags: LookupFlags
  /// All providers are one fall-back chain, but for those of e-mail, who know no hosts.
  var isChain = false
  /// Nobody keeps the host from asking.
  var isForHost = false

  /// Text after the last "@"; nil when there is none.
  var domain: String? {
    guard let name, let at = name.lastIndex(of: "@") else { return nil }
    let domain = name[name.index(after: at)...]
    return domain.isEmpty ? nil : domain.lowercased()
  }

  /// How an entry stands to this client, whatever the query asks for.
  enum Standing {
    case counted(Route.Participant)
    case absent(SkipReason)
  }

  func standing(of entry: Catalog.Entry) -> Standing {
    if !entry.isActive { return .absent(.disabled) }
    if entry.manifest.source == .builtIn { return .absent(.keepsClasses) }
    // To other users than its own it is not advertised.
    if let scope = entry.provider?.scope, scope != client.userID { return .absent(.otherUser) }
    if !isAdmitted(to: entry) { return .absent(.notAdmitted) }
    let standing: Route.Participant.Standing
    if let provider = entry.provider {
      standing = .callable(provider)
    } else if let process = entry.awaitedProcess {
      standing = .down(Outage(process))
    } else if let death = entry.death {
      standing = .down(.died(death))
    } else {
      return .absent(entry.failure == nil ? .notAdvertised : .failedToLoad)
    }
    return .counted(Route.Participant(id: entry.id, name: entry.manifest.displayName, standing: standing))
  }

  /// What is to be said of one that was chosen and could not be entered any more.
  func finding(ofParted entry: Catalog.Entry?) -> Finding {
    guard let entry else { return .absent(.serviceNotFound) }
    switch standing(of: entry) {
    case .absent(let reason): return .absent(reason.code)
    case .counted(let participant):
      if case .down(let outage) = participant.standing { return .down(outage) }
      return .down(.gone)
    }
  }

  /// Root and the host's own user may use every provider.
  func isAdmitted(to entry: Catalog.Entry) -> Bool {
    guard !isForHost, let access = entry.manifest.access else { return true }
    return client.isOperator || access.admits(user: client.userID, group: client.groupID)
  }
}

/// Why a provider was not asked.
public enum SkipReason: String, Sendable {
  case disabled
  case notAdmitted = "not-admitted"
  case otherUser = "other-user"
  case otherProviderNamed = "other-provider-named"
  case otherNameSpace = "other-name-space"
  case notAdvertised = "not-advertised"
  case failedToLoad = "failed-to-load"
  case otherDomain = "other-domain"
  case answeredBefore = "answered-before"
  case keepsClasses = "keeps-classes"

  public var text: String {
    switch self {
    case .disabled: "it is disabled"
    case .notAdmitted, .otherUser: "it is not for this user"
    case .otherProviderNamed: "the query names another provider"
    case .otherNameSpace: "its name space does not match"
    case .notAdvertised: "nobody advertises it"
    case .failedToLoad: "its file could not be loaded"
    case .otherDomain: "the name is not in its domains"
    case .answeredBefore: "answered before"
    case .keepsClasses: "it keeps service classes only"
    }
  }

  /// What a client is told that has named such a provider.
  var code: WinsockError {
    switch self {
    case .notAdmitted: .accessDenied
    case .failedToLoad: .providerFailedInit
    default: .serviceNotFound
    }
  }
}

extension Outage {
  fileprivate init(_ process: ProviderHosting.State) {
    switch process {
    case .starting: self = .starting
    case .running, .restarting: self = .restarting
    case .quarantined: self = .quarantined
    case .dead: self = .gone
    }
  }
}

extension Route {
  /// Chooses among catalog entries, in catalog order. Those that are down are part of the route: they count for the answer.
  init(_ request: RouteRequest, in entries: [Catalog.Entry]) throws(WinsockError) {
    if let id = request.providerID {
      guard let entry = entries.first(where: { $0.id == id }) else { throw .invalidArgument }
      switch request.standing(of: entry) {
      case .counted(let participant): steps = [.provider(participant)]
      case .absent(let reason): throw reason.code
      }
      return
    }
    if request.isChain {
      let participants = entries.compactMap { $0.servedNameSpace == .email ? nil : Self.participant($0, request) }
      if participants.isEmpty { throw .systemNotReady }
      steps = [.chain(participants)]
      return
    }
    var mailIsRouted = false
    for entry in entries where entry.servedManifest.nameSpaces.serve(request.nameSpace) {
      guard let participant = Self.participant(entry, request) else { continue }
      if entry.servedNameSpace == .email {
        guard !mailIsRouted else { continue }
        mailIsRouted = true
        steps += Self.mailSteps(request, entries)
      } else {
        steps.append(.provider(participant))
      }
    }
    if steps.isEmpty { throw .serviceNotFound }
  }

  private static func participant(_ entry: Catalog.Entry, _ request: RouteRequest) -> Participant? {
    if case .counted(let participant) = request.standing(of: entry) { participant } else { nil }
  }

  /// Why an entry is not in the route; nil when it is.
  static func skipReason(_ entry: Catalog.Entry, _ request: RouteRequest, in entries: [Catalog.Entry]) -> SkipReason? {
    if let id = request.providerID, id != entry.id { return .otherProviderNamed }
    let standing = request.standing(of: entry)
    if case .absent(let reason) = standing, reason != .notAdvertised, reason != .failedToLoad { return reason }
    if request.providerID == nil, !entry.servedManifest.nameSpaces.serve(request.nameSpace) { return .otherNameSpace }
    if case .absent(let reason) = standing { return reason }
    if request.providerID == nil, entry.servedNameSpace == .email {
      let isAsked = mailSteps(request, entries).contains { step in
        switch step {
        case .provider(let one): one.id == entry.id
        case .chain(let some): some.contains { $0.id == entry.id }
        }
      }
      if !isAsked { return .otherDomain }
    }
    return nil
  }

  /// The e-mail providers in the order of §13.2: primary, secondaries, wildcards; a chain for an authoritative query.
  private static func mailSteps(_ request: RouteRequest, _ entries: [Catalog.Entry]) -> [Step] {
    let mail = entries.compactMap { entry in
      entry.servedNameSpace == .email
        ? participant(entry, request).map { (manifest: entry.servedManifest, participant: $0) } : nil
    }
    if request.flags.contains(.returnPreferredNames), request.name == nil { return mail.map { .provider($0.participant) } }
    var ordered: [Participant] = []
    if let domain = request.domain {
      func level(_ manifest: Manifest) -> InstallationBlob.Level {
        manifest.domains.first { $0.name.lowercased() == domain }?.level ?? .none
      }
      if let primary = mail.first(where: { level($0.manifest) == .primary }) { ordered.append(primary.participant) }
      ordered += mail.filter { level($0.manifest) == .secondary }.map(\.participant)
    }
    ordered += mail.filter { one in one.manifest.servesAnyDomain && !ordered.contains { $0.id == one.participant.id } }.map(
      \.participant)
    if ordered.isEmpty { return [] }
    return request.flags.contains(.nonAuthoritative) ? ordered.map { .provider($0) } : [.chain(ordered)]
  }
}

extension Catalog.Entry {
  fileprivate var servedManifest: Manifest { provider?.manifest ?? manifest }
  fileprivate var servedNameSpace: NameSpace { servedManifest.nameSpace }
}
