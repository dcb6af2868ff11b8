import CWinsock
import Providers
import QuerySets
import Sessions

/// Whom a query or a registration goes to, and why not the others (nsp.md §8.3, §13.2).
struct Route: Sendable {
  /// One or more providers that stand at one place of the order.
  enum Step: Sendable {
    case provider(Provider)
    /// A fall-back chain: the first one that delivers supplies everything.
    case chain([Provider])
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

  /// Text after the last "@"; nil when there is none.
  var domain: String? {
    guard let name, let at = name.lastIndex(of: "@") else { return nil }
    let domain = name[name.index(after: at)...]
    return domain.isEmpty ? nil : domain.lowercased()
  }

  /// Whether an entry takes calls, and from this client. Root and the host's own user may use every provider.
  func mayUse(_ entry: Catalog.Entry) -> Bool { entry.isActive && isAdmitted(to: entry) }

  /// Whether an entry would be asked if its process were there.
  func isOwedAnswer(by entry: Catalog.Entry) -> Bool {
    mayUse(entry) && entry.provider == nil && entry.hosting != nil && entry.manifest.nameSpace != .email
  }

  func isAdmitted(to entry: Catalog.Entry) -> Bool {
    if let scope = entry.provider?.scope, scope != client.userID { return false }
    guard let access = entry.manifest.access else { return true }
    return client.isOperator || access.admits(user: client.userID, group: client.groupID)
  }
}

/// Why a provider was not asked.
public enum SkipReason: String, Sendable {
  case disabled
  case notAdmitted = "not-admitted"
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
    case .notAdmitted: "it is not for this user"
    case .otherProviderNamed: "the query names another provider"
    case .otherNameSpace: "its name space does not match"
    case .notAdvertised: "nobody advertises it"
    case .failedToLoad: "its file could not be loaded"
    case .otherDomain: "the name is not in its domains"
    case .answeredBefore: "answered before"
    case .keepsClasses: "it keeps service classes only"
    }
  }
}

extension Route {
  /// Chooses among catalog entries, in catalog order.
  init(_ request: RouteRequest, in entries: [Catalog.Entry]) throws(WinsockError) {
    if let id = request.providerID {
      guard let entry = entries.first(where: { $0.id == id }) else { throw .invalidArgument }
      guard entry.isActive else { throw .serviceNotFound }
      // To other users than its own it is not advertised.
      if let scope = entry.provider?.scope, scope != request.client.userID { throw .serviceNotFound }
      guard request.isAdmitted(to: entry) else { throw .accessDenied }
      guard let provider = entry.provider else { throw entry.failure == nil ? .serviceNotFound : .providerFailedInit }
      steps = [.provider(provider)]
      return
    }
    if request.isChain {
      let providers = entries.compactMap { entry in
        request.mayUse(entry) && entry.provider?.nameSpace != .email ? entry.provider : nil
      }
      if providers.isEmpty { throw entries.contains(where: request.isOwedAnswer) ? .tryAgain : .systemNotReady }
      steps = [.chain(providers)]
      return
    }
    var mailIsRouted = false
    for entry in entries {
      guard request.mayUse(entry), let provider = entry.provider else { continue }
      guard Self.serves(provider.nameSpace, request.nameSpace) else { continue }
      if provider.nameSpace == .email {
        guard !mailIsRouted else { continue }
        mailIsRouted = true
        steps += Self.mailSteps(request, entries)
      } else {
        steps.append(.provider(provider))
      }
    }
    if steps.isEmpty { throw .serviceNotFound }
  }

  /// Why an entry is not in the route; nil when it is.
  static func skipReason(_ entry: Catalog.Entry, _ request: RouteRequest, in entries: [Catalog.Entry]) -> SkipReason? {
    if let id = request.providerID, id != entry.id { return .otherProviderNamed }
    if !entry.isActive { return .disabled }
    if entry.manifest.source == .builtIn { return .keepsClasses }
    if !request.isAdmitted(to: entry) { return .notAdmitted }
    if request.providerID == nil, !serves(entry.manifest.nameSpace, request.nameSpace) { return .otherNameSpace }
    guard let provider = entry.provider else { return entry.failure == nil ? .notAdvertised : .failedToLoad }
    if request.providerID == nil, provider.nameSpace == .email {
      let isAsked = mailSteps(request, entries).contains { step in
        switch step {
        case .provider(let one): one === provider
        case .chain(let some): some.contains { $0 === provider }
        }
      }
      if !isAsked { return .otherDomain }
    }
    return nil
  }

  /// A provider whose manifest names no name space serves every one.
  private static func serves(_ provided: NameSpace, _ requested: NameSpace) -> Bool {
    requested == .all || provided == .all || provided == requested
  }

  /// The e-mail providers in the order of §13.2: primary, secondaries, wildcards; a chain for an authoritative query.
  private static func mailSteps(_ request: RouteRequest, _ entries: [Catalog.Entry]) -> [Step] {
    let mail = entries.compactMap { entry in
      request.mayUse(entry) && entry.provider?.nameSpace == .email ? entry.provider : nil
    }
    if request.flags.contains(.returnPreferredNames), request.name == nil { return mail.map { .provider($0) } }
    var ordered: [Provider] = []
    if let domain = request.domain {
      func level(_ provider: Provider) -> InstallationBlob.Level {
        provider.manifest.domains.first { $0.name.lowercased() == domain }?.level ?? .none
      }
      if let primary = mail.first(where: { level($0) == .primary }) { ordered.append(primary) }
      ordered += mail.filter { level($0) == .secondary }
    }
    ordered += mail.filter { provider in provider.manifest.servesAnyDomain && !ordered.contains { $0 === provider } }
    if ordered.isEmpty { return [] }
    return request.flags.contains(.nonAuthoritative) ? ordered.map { .provider($0) } : [.chain(ordered)]
  }
}
