import CWinsock
import Foundation
import Hosting
import Providers
import QuerySets
import Rundown
import Sessions

extension Control {
  /// What is registered. Providers that can list what they keep are asked; of the others the host shows what running processes have registered
  /// through it.
  struct Registrations: WatchedRequest {
    static let name = "registrations"
    static let bells: [ChangeBell] = [.registrations, .providers]
    /// Only those of this name.
    var named: String?
    /// Only those of this user, by name or number.
    var user: String?
    /// Only those at this provider.
    var provider: ProviderReference?
    /// How many to pass over, and how many to show then.
    var skip: Int
    var limit: Int

    struct Answer: Codable, Sendable {
      struct Body: Codable, Sendable {
        var name: String
        var context: String?
        var namespace: String
        var classId: String?
        var className: String?
        var addresses: [String]
        var provider: String
        var uid: UInt32
        var user: String?
        var pid: Int32?
        var command: String?
        var registered: Bool
        var lasts: String
        var endsWithSession: Bool?
        var expires: String?
        var since: String?
      }
      struct Unknown: Codable, Sendable {
        var provider: String
        var reason: String
      }
      var schema = "nsphost.registrations/2"
      var host = HostEnvelope()
      var registrations: [Body]
      /// Of these the list has what the host has seen, and no more.
      var unknown: [Unknown]
      /// How many to pass over to see what follows; left out where nothing does.
      var next: Int?
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      let users = UserNames()
      let userID = try user.map { try UserNames.number(of: $0, for: "registrations") }
      var page = Page(name: named, user: userID, skip: max(skip, 0), limit: min(max(limit, 1), 10_000))
      for entry in try entries(of: host) {
        try page.add(entry, on: host, client)
      }
      return Answer(page, host, users)
    }

    /// Those that are asked for, in catalog order.
    private func entries(of host: ProviderHost) throws -> [Catalog.Entry] {
      let all = host.catalog.entries.filter { $0.manifest.source != .builtIn }
      guard let provider else { return all }
      let id = try provider.one(among: all.known)
      return all.filter { $0.id == id }
    }
  }
}

/// One registration as it is shown.
private struct ShownRegistration {
  var name: String
  var context: String?
  var nameSpace: NameSpace
  var serviceClass: GUID?
  var addresses: [SocketAddress]
  var provider: String
  var userID: UInt32
  var processID: Int32?
  var isRegistered: Bool
  var lasts: Lasts
  var since: Date?

  enum Lasts {
    case forGood
    case session
    case until(Date, orSession: Bool)
    /// The provider does not say.
    case unknown
  }
}

/// Some of the registrations, and what is not known.
private struct Page {
  let name: String?
  let user: UInt32?
  let skip: Int
  let limit: Int
  private(set) var shown: [ShownRegistration] = []
  private(set) var hasMore = false
  /// Providers of which not everything is known, and why.
  private(set) var unknown: [(provider: String, reason: String)] = []
  private var passed = 0

  init(name: String?, user: UInt32?, skip: Int, limit: Int) {
    (self.name, self.user, self.skip, self.limit) = (name, user, skip, limit)
  }

  /// What is registered with a provider: as it says itself, or as the host has seen it.
  mutating func add(_ entry: Catalog.Entry, on host: ProviderHost, _ client: () throws -> ClientSession) throws {
    let label = entry.manifest.displayName
    guard let provider = entry.provider else {
      if entry.isActive, entry.hosting != nil { unknown.append((label, "it is down and can't be asked")) }
      return
    }
    if entry.manifest.listsRegistrations {
      let before = (shown, passed, hasMore)
      let session = try client()
      do throws(WinsockError) {
        return try host.engine.listRegistrations(at: entry.id, session, named: name, of: user) { record, about in
          take(ShownRegistration(record, about, label))
        }
      } catch {
        (shown, passed, hasMore) = before
        unknown.append((label, "it can't be asked: \(error.symbolicName)"))
      }
    } else if provider.routines.entry(.setServiceEx) != .stub {
      unknown.append((label, "it does not list what it keeps"))
    }
    for one in host.engine.registrations.registrations(at: entry.id) where user == nil || one.owner.userID == user {
      guard name == nil || one.name.lowercased() == name?.lowercased() else { continue }
      guard take(ShownRegistration(one, label)) else { return }
    }
  }

  /// False where there is no room for more.
  private mutating func take(_ one: ShownRegistration) -> Bool {
    guard passed >= skip else {
      passed += 1
      return true
    }
    guard shown.count < limit else {
      hasMore = true
      return false
    }
    shown.append(one)
    return true
  }
}

extension ShownRegistration {
  fileprivate init(_ record: QuerySet, _ about: RegistrationBlob, _ provider: String) {
    let expiry = about.expires.map { Date(timeIntervalSince1970: TimeInterval($0)) }
    self.init(
      name: record.serviceInstanceName ?? "", context: Self.context(record.context), nameSpace: record.nameSpace,
      serviceClass: about.serviceClass, addresses: record.addresses.map(\.remote), provider: provider, userID: about.userID,
      processID: about.processID, isRegistered: !about.isDeregistered,
      lasts: expiry.map { .until($0, orSession: about.endsWithSession) } ?? (about.endsWithSession ? .session : .forGood),
      since: about.registered.map { Date(timeIntervalSince1970: TimeInterval($0)) })
  }

  fileprivate init(_ one: RegistrationIndex.Registration, _ provider: String) {
    self.init(
      name: one.name, context: Self.context(one.context), nameSpace: one.nameSpace, serviceClass: one.serviceClass,
      addresses: one.addresses, provider: provider, userID: one.owner.userID, processID: one.owner.processID,
      isRegistered: one.isRegistered, lasts: .unknown, since: one.since)
  }

  /// The top of a name space is as good as none.
  private static func context(_ text: String?) -> String? { text == nil || text == "" || text == "\\" ? nil : text }
}

extension Control.Registrations.Answer {
  fileprivate init(_ page: Page, _ host: ProviderHost, _ users: UserNames) {
    let commands = Dictionary(
      host.sessions.sessions.map { ($0.identity.processID, $0.identity.command) }, uniquingKeysWith: { first, _ in first })
    registrations = page.shown.map { one in
      var body = Body(
        name: one.name, context: one.context, namespace: one.nameSpace.description, classId: one.serviceClass?.description,
        className: one.serviceClass.map { host.engine.classes.schema?.serviceClass($0)?.name ?? $0.description },
        addresses: one.addresses.map(\.description), provider: one.provider, uid: one.userID,
        user: users.name(of: one.userID), pid: one.processID, command: one.processID.flatMap { commands[$0] },
        registered: one.isRegistered, lasts: "", since: one.since?.formatted(.iso8601))
      switch one.lasts {
      case .forGood: body.lasts = "for-good"
      case .session: (body.lasts, body.endsWithSession) = ("session", true)
      case .until(let end, let orSession):
        (body.lasts, body.expires, body.endsWithSession) = ("expires", end.formatted(.iso8601), orSession ? true : nil)
      case .unknown: body.lasts = "unknown"
      }
      return body
    }
    unknown = page.unknown.map { Unknown(provider: $0.provider, reason: $0.reason) }
    next = page.hasMore ? page.skip + page.shown.count : nil
  }
}
