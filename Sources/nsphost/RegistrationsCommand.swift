import ArgumentParser
import CWinsock
import Foundation
import Hosting
import Providers
import QuerySets
import Sessions

struct RegistrationsCommand: RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "registrations",
    abstract: "Show what is registered: the name, its class and addresses, with whom, by whom, for how long.",
    discussion: """
      Providers that can list what they keep (directory, email) are asked. Of the others the host shows what running processes \
      have registered through it; what such a provider keeps besides is not known here, and the list says so.
      """)

  @OptionGroup var options: HostOptions

  @Argument(help: "Only those of this name.")
  var name: String?

  @Option(name: .long, help: ArgumentHelp("Only those of this user, by name or number.", valueName: "user"))
  var user: String?

  @Option(name: .long, help: ArgumentHelp("Only those at this provider, by its name or its id.", valueName: "provider"))
  var provider: ProviderReference?

  @Option(name: .long, help: ArgumentHelp("Show so many at most.", valueName: "number"))
  var limit = 1000

  @Option(name: .long, help: ArgumentHelp("Pass over so many first.", valueName: "number"))
  var skip = 0

  func validate() throws {
    guard (1...10_000).contains(limit) else { throw ValidationError("--limit is \(limit): write a number from 1 to 10000") }
    guard skip >= 0 else { throw ValidationError("--skip is \(skip): write a number from 0") }
  }

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    let users = UserNames()
    let userID = try user.map { try UserNames.number(of: $0, for: "registrations", isJSON: options.json) }
    var page = Page(name: name, user: userID, skip: skip, limit: limit)
    for entry in try entries(of: host) {
      try page.add(entry, on: host, client)
    }
    let list = RegistrationList(page, host, users)
    return options.json ? CommandOutput(list.document) : CommandOutput(list.lines)
  }

  /// Those that are asked for, in catalog order.
  private func entries(of host: ProviderHost) throws -> [Catalog.Entry] {
    let all = host.catalog.entries.filter { $0.manifest.source != .builtIn }
    guard let provider else { return all }
    let id = try provider.one(among: all.known, isJSON: options.json)
    return all.filter { $0.id == id }
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

/// What people and programs are shown.
private struct RegistrationList {
  private let page: Page
  private let users: UserNames
  private let commands: [Int32: String]
  private let className: (GUID) -> String

  init(_ page: Page, _ host: ProviderHost, _ users: UserNames) {
    (self.page, self.users) = (page, users)
    commands = Dictionary(
      host.sessions.sessions.map { ($0.identity.processID, $0.identity.command) }, uniquingKeysWith: { first, _ in first })
    className = { host.engine.classes.schema?.serviceClass($0)?.name ?? $0.description }
  }

  private func owner(_ one: ShownRegistration) -> String {
    let name = users.name(of: one.userID) ?? String(one.userID)
    guard let processID = one.processID else { return name }
    return "\(name) (\(commands[processID].map { "\($0) " } ?? "")\(processID))"
  }

  private static func text(_ lasts: ShownRegistration.Lasts) -> String {
    switch lasts {
    case .forGood: "for good"
    case .session: "session"
    case .until(let end, let orSession):
      Output.age(.seconds(max(0, end.timeIntervalSinceNow))) + (orSession ? " or session" : "")
    case .unknown: "unknown"
    }
  }

  var lines: [String] {
    let rows = page.shown.map { one in
      [
        one.name, one.context ?? "-", one.serviceClass.map(className) ?? "-",
        one.isRegistered ? one.addresses.isEmpty ? "-" : one.addresses.map(\.description).joined(separator: " ") : "deregistered",
        one.provider, owner(one), Self.text(one.lasts),
      ]
    }
    var lines = Output.table(["NAME", "CONTEXT", "CLASS", "ADDRESSES", "PROVIDER", "OWNER", "LASTS"], rows)
    lines.append("")
    for (provider, reason) in page.unknown { lines.append("\(provider): \(reason)".printable) }
    if !page.unknown.isEmpty { lines.append("Of these, only what running processes have registered through this host is shown.") }
    if let next { lines.append("There are more: --skip \(next)") }
    return lines + [Output.count(rows.count, "registration", "registrations")]
  }

  private var next: Int? { page.hasMore ? page.skip + page.shown.count : nil }

  struct Document: Encodable {
    struct Body: Encodable {
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
    struct Unknown: Encodable {
      var provider: String
      var reason: String
    }
    let schema = "nsphost.registrations/2"
    let host = HostEnvelope()
    var registrations: [Body]
    /// Of these the list has what the host has seen, and no more.
    var unknown: [Unknown]
    /// How many to pass over to see what follows; left out where nothing does.
    var next: Int?
  }

  var document: Document {
    Document(
      registrations: page.shown.map { one in
        var body = Document.Body(
          name: one.name, context: one.context, namespace: one.nameSpace.description, classId: one.serviceClass?.description,
          className: one.serviceClass.map(className), addresses: one.addresses.map(\.description), provider: one.provider,
          uid: one.userID, user: users.name(of: one.userID), pid: one.processID, command: one.processID.flatMap { commands[$0] },
          registered: one.isRegistered, lasts: "", since: one.since?.formatted(.iso8601))
        switch one.lasts {
        case .forGood: body.lasts = "for-good"
        case .session: (body.lasts, body.endsWithSession) = ("session", true)
        case .until(let end, let orSession):
          (body.lasts, body.expires, body.endsWithSession) = ("expires", end.formatted(.iso8601), orSession ? true : nil)
        case .unknown: body.lasts = "unknown"
        }
        return body
      }, unknown: page.unknown.map { .init(provider: $0.provider, reason: $0.reason) }, next: next)
  }
}
