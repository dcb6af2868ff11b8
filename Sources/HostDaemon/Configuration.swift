import BoundedTOML
import Glibc
import Lookups
import Providers
import Sessions
import TOMLKit

/// `nsphost.toml`: what a host that serves others is told. Every value has a source, so that it can be said where it comes from.
public struct Configuration: Sendable {
  public struct Defect: Error, Sendable, Equatable {
    public var detail: String
    public var remedy: String
  }

  /// One value as people read it, and where it comes from.
  public struct Entry: Sendable, Equatable {
    public var key: String
    public var value: String
    public var source: String

    public init(key: String, value: String, source: String) { (self.key, self.value, self.source) = (key, value, source) }
  }

  public var plugins: [String]?
  public var socket: String?
  /// Where the host keeps what outlives it.
  public var state: String?
  public var log: LogLevel?
  /// Where providers run that do not say it themselves.
  public var isolation: Manifest.Isolation?
  public var limits = Limits()
  /// Who may have a session, besides root and the host's own user; nil: everybody.
  public var access: AccessList?
  /// From which network namespaces glibc's module is answered; nil: nobody has said it.
  public var networkNamespaces: NetworkNamespaces?
  /// Who may install and remove service classes, besides root and the host's own user; nil: nobody.
  public var classWriters: AccessList?
  public var providers = SettingsByProvider()
  public var entries: [Entry] { noted.values.sorted { $0.key < $1.key } }
  private var noted: [String: Entry] = [:]

  /// Without a file: everything is as it is by default.
  public init() {
    for limit in Self.numbers { note(limit.key, String(limit.get(limits)), "default") }
    note("access.network-namespaces", NetworkNamespaces.own.rawValue, "default")
    note("lookups.owners", Self.owners(limits.countsAllOwners), "default")
  }

  private struct Number {
    var key: String
    var range: ClosedRange<Int>
    var get: @Sendable (Limits) -> Int
    var set: @Sendable (inout Limits, Int) -> Void
  }

  private static let numbers: [Number] = [
    Number(
      key: "limits.frame-bytes", range: 4096...(1 << 26), get: { Int($0.maximumFrame) }, set: { $0.maximumFrame = UInt32($1) }),
    Number(
      key: "limits.requests-per-connection", range: 1...4096, get: { $0.requestsPerClient }, set: { $0.requestsPerClient = $1 }),
    Number(key: "limits.bytes-queued", range: 4096...(1 << 30), get: { $0.bytesQueued }, set: { $0.bytesQueued = $1 }),
    Number(
      key: "limits.lookups-per-process", range: 1...(1 << 20), get: { $0.lookupsPerClient }, set: { $0.lookupsPerClient = $1 }),
    Number(key: "limits.connections", range: 1...(1 << 20), get: { $0.connections }, set: { $0.connections = $1 }),
    Number(
      key: "limits.connections-per-user", range: 1...(1 << 20), get: { $0.connectionsPerUser },
      set: { $0.connectionsPerUser = $1 }),
    Number(
      key: "limits.sessions-per-user", range: 1...(1 << 20), get: { $0.sessionsPerUser }, set: { $0.sessionsPerUser = $1 }),
    Number(key: "limits.lookups-per-user", range: 1...(1 << 24), get: { $0.lookupsPerUser }, set: { $0.lookupsPerUser = $1 }),
    Number(
      key: "limits.registrations-per-user", range: 1...(1 << 24), get: { $0.registrationsPerUser },
      set: { $0.registrationsPerUser = $1 }),
    Number(key: "limits.bytes-per-user", range: 65536...(1 << 40), get: { $0.bytesPerUser }, set: { $0.bytesPerUser = $1 }),
    Number(key: "limits.requests-per-user", range: 1...4096, get: { $0.requestsPerUser }, set: { $0.requestsPerUser = $1 }),
    Number(key: "limits.hello-ms", range: 50...86_400_000, get: { $0.helloTime }, set: { $0.helloTime = $1 }),
    Number(key: "limits.reserve", range: 4...4096, get: { $0.reserve }, set: { $0.reserve = $1 }),
    Number(key: "nss.budget-ms", range: 50...120_000, get: { $0.resolveBudget }, set: { $0.resolveBudget = $1 }),
  ]

  private static let keys =
    [
      "plugins", "socket", "state", "log", "isolation", "access.users", "access.groups", "access.network-namespaces",
      "classes.writers", "classes.writer-groups", "lookups.owners",
    ] + numbers.map(\.key)
  private static let providerKeys =
    [
      "enabled", "order", "deadline-ms", "grace-ms", "concurrency", "users", "groups", "isolation", "blocking", "advertisers",
      "advertiser-groups", "serves", "registrars", "shared",
      "settings",
    ] + Confinement.keys

  /// Reads a file's text. Unknown keys and values of the wrong kind are defects that say where and what to do.
  public init(toml text: String, path: String) throws(Defect) {
    self.init()
    let table: TOMLTable
    do throws(BoundedTOML.Defect) { table = try BoundedTOML.table(text, path: path) } catch {
      throw Defect(detail: error.detail, remedy: error.remedy)
    }
    if let providers = table["providers"] {
      guard let settings = providers.table else { throw Self.wrong("providers", "tables, one a provider", path) }
      for name in settings.keys.sorted() { try take(provider: name, settings[name], path) }
    }
    for (key, value) in try Self.flatten(table, path) { try take(key, value, path) }
  }

  private static func wrong(_ key: String, _ kind: String, _ path: String) -> Defect {
    Defect(detail: "\(path): \(key) is not \(kind)", remedy: "write \(key) as \(kind)")
  }

  private static func flatten(_ table: TOMLTable, _ path: String) throws(Defect) -> [(String, any TOMLValueConvertible)] {
    var values: [(String, any TOMLValueConvertible)] = []
    for key in table.keys.sorted() where key != "providers" {
      guard let value = table[key] else { continue }
      guard let inner = value.table else {
        values.append((key, value))
        continue
      }
      for name in inner.keys.sorted() { if let value = inner[name] { values.append(("\(key).\(name)", value)) } }
    }
    if let unknown = values.map(\.0).first(where: { !keys.contains($0) }) {
      let prefix = unknown.split(separator: ".").first.map(String.init) ?? ""
      let near = keys.filter { $0.hasPrefix(prefix) }
      throw Defect(
        detail: "\(path) has an unknown key \"\(unknown)\"",
        remedy: "known are \((near.isEmpty ? keys : near).joined(separator: ", "))")
    }
    return values
  }

  private mutating func take(_ key: String, _ value: any TOMLValueConvertible, _ path: String) throws(Defect) {
    func wrong(_ kind: String) -> Defect { Self.wrong(key, kind, path) }
    let text: String
    if let number = Self.numbers.first(where: { $0.key == key }) {
      guard let given = value.int, number.range.contains(given) else {
        throw wrong("a number from \(number.range.lowerBound) to \(number.range.upperBound)")
      }
      number.set(&limits, given)
      text = String(given)
    } else if key == "socket" || key == "state" {
      guard let given = value.string, given.hasPrefix("/") else { throw wrong("an absolute path in quotes") }
      if key == "socket" { socket = given } else { state = given }
      text = given
    } else if key == "log" {
      guard let given = value.string, let level = LogLevel(named: given) else {
        throw wrong("\"debug\", \"info\", \"warning\" or \"error\"")
      }
      log = level
      text = given
    } else if key == "isolation" {
      guard let given = value.string, let mode = Manifest.Isolation(rawValue: given) else {
        throw wrong("\"in-process\" or \"worker\"")
      }
      isolation = mode
      text = given
    } else if key == "access.network-namespaces" {
      guard let given = value.string, let rule = NetworkNamespaces(rawValue: given) else { throw wrong("\"own\" or \"all\"") }
      networkNamespaces = rule
      text = given
    } else if key == "lookups.owners" {
      guard let given = value.string, let countsAll = ["trusted": false, "all": true][given] else {
        throw wrong("\"trusted\" or \"all\"")
      }
      limits.countsAllOwners = countsAll
      text = given
    } else if key == "plugins" {
      guard let given = Self.texts(value), given.allSatisfy({ $0.hasPrefix("/") }) else {
        throw wrong("a list of absolute paths")
      }
      plugins = given
      text = given.joined(separator: ":")
    } else {
      let isUsers = key == "access.users" || key == "classes.writers"
      let given =
        key.hasPrefix("access.")
        ? Self.admit(value, isUsers: isUsers, to: &access) : Self.admit(value, isUsers: isUsers, to: &classWriters)
      guard let given else { throw wrong(Self.kind(isUsers: isUsers)) }
      text = given
    }
    note(key, text, path)
  }

  private mutating func note(_ key: String, _ text: String, _ path: String) {
    noted[key] = Entry(key: key, value: text, source: path)
  }

  private mutating func take(provider name: String, _ value: (any TOMLValueConvertible)?, _ path: String) throws(Defect) {
    guard let table = value?.table else { throw Self.wrong("providers.\(name)", "a table", path) }
    var settings = ProviderSettings()
    for key in table.keys.sorted() {
      let full = "providers.\(name).\(key)"
      guard Self.providerKeys.contains(key), let value = table[key] else {
        throw Defect(
          detail: "\(path) has an unknown key \"\(full)\"", remedy: "known are \(Self.providerKeys.joined(separator: ", "))")
      }
      if key == "settings" {
        guard let own = Manifest.settings(in: value) else { throw Self.wrong(full, Manifest.kindOfSettings, path) }
        settings.own = own
        for (name, texts) in own { note("\(full).\(name)", texts.joined(separator: ", "), path) }
        continue
      }
      if key == "registrars" {
        try take(registrars: value, of: full, &settings, path)
        continue
      }
      note(full, try Self.take(key, value, &settings, { kind in Self.wrong(full, kind, path) }), path)
    }
    providers.settings[name] = settings
  }

  /// Rules, each a table with `users`, `groups` or both, and `names`; without these it is about every name.
  private mutating func take(
    registrars value: any TOMLValueConvertible, of key: String, _ settings: inout ProviderSettings, _ path: String
  ) throws(Defect) {
    let tables = value.array.map { $0.map(\.table) } ?? [nil]
    var rules: [RegistrarRule] = []
    for (index, table) in tables.enumerated() {
      let place = "\(key)[\(index)]"
      guard let table else {
        throw Self.wrong(key, "a list of tables such as { users = [\"ann\"], names = [\".example.org\"] }", path)
      }
      if let unknown = table.keys.sorted().first(where: { !["users", "groups", "names"].contains($0) }) {
        throw Defect(detail: "\(path) has an unknown key \"\(place).\(unknown)\"", remedy: "known are users, groups, names")
      }
      var registrars: AccessList?
      for name in ["users", "groups"] {
        guard let value = table[name] else { continue }
        guard let given = Self.admit(value, isUsers: name == "users", to: &registrars) else {
          throw Self.wrong("\(place).\(name)", Self.kind(isUsers: name == "users"), path)
        }
        note("\(place).\(name)", given, path)
      }
      guard let registrars else {
        throw Defect(detail: "\(path): \(place) names nobody", remedy: "write users, groups or both")
      }
      let texts = table["names"].map(Self.texts) ?? ["*"]
      let names = texts.map { $0.map(RegistrarRule.Names.init) } ?? [nil]
      guard !names.isEmpty, names.allSatisfy({ $0 != nil }) else {
        throw Self.wrong(
          "\(place).names", "a list of names such as \"printer\", \"*.example.org\", \".example.org\" or \"@example.org\"", path)
      }
      note("\(place).names", (texts ?? []).joined(separator: ", "), path)
      rules.append(RegistrarRule(place: place, registrars: registrars, names: names.compactMap(\.self)))
    }
    if rules.isEmpty { note(key, "", path) }
    settings.registrars = rules
  }

  /// Answers the value as people read it.
  private static func take(
    _ key: String, _ value: any TOMLValueConvertible, _ settings: inout ProviderSettings, _ wrong: (String) -> Defect
  ) throws(Defect) -> String {
    switch key {
    case "enabled", "blocking", "shared":
      guard let given = value.bool else { throw wrong("true or false") }
      switch key {
      case "enabled": settings.isEnabled = given
      case "blocking": settings.isBlocking = given
      default: settings.isShared = given
      }
      return String(given)
    case "order":
      guard let given = value.int, (-1_000_000...1_000_000).contains(given) else {
        throw wrong("a number from -1000000 to 1000000")
      }
      settings.order = given
      return String(given)
    case "deadline-ms", "grace-ms":
      guard let given = value.int, (1...86_400_000).contains(given) else { throw wrong("a number from 1 to 86400000") }
      if key == "grace-ms" { settings.grace = .milliseconds(given) } else { settings.deadline = .milliseconds(given) }
      return String(given)
    case "serves":
      guard let given = value.string, given == "user" || given == "everybody" else { throw wrong("\"user\" or \"everybody\"") }
      settings.servesEverybody = given == "everybody"
      return given
    case _ where Confinement.keys.contains(key):
      guard let given = settings.confinement.take(key, value) else { throw wrong(Confinement.kind(of: key)) }
      return given
    case "advertisers", "advertiser-groups":
      guard let given = admit(value, isUsers: key == "advertisers", to: &settings.advertisers) else {
        throw wrong(kind(isUsers: key == "advertisers"))
      }
      return given
    case "concurrency":
      guard let given = value.int, (1...4096).contains(given) else { throw wrong("a number from 1 to 4096") }
      settings.concurrency = given
      return String(given)
    case "isolation":
      guard let given = value.string, let isolation = Manifest.Isolation(rawValue: given) else {
        throw wrong("\"in-process\" or \"worker\"")
      }
      settings.isolation = isolation
      return given
    default:
      guard let given = admit(value, isUsers: key == "users", to: &settings.access) else {
        throw wrong(kind(isUsers: key == "users"))
      }
      return given
    }
  }

  // MARK: Values

  private static func owners(_ countsAll: Bool) -> String { countsAll ? "all" : "trusted" }

  private static func kind(isUsers: Bool) -> String { "a list of \(isUsers ? "users" : "groups") that exist, by name or number" }

  /// Adds users or groups to a list. Nil where one of them does not exist.
  private static func admit(_ value: any TOMLValueConvertible, isUsers: Bool, to access: inout AccessList?) -> String? {
    guard let given = ids(value, isUsers ? userID : groupID) else { return nil }
    var list = access ?? AccessList()
    if isUsers {
      list.users = given
    } else {
      list.groups = given
      list.members = Set(given.flatMap(memberIDs))
    }
    access = list
    return given.sorted().map(String.init).joined(separator: ", ")
  }

  private static func texts(_ value: any TOMLValueConvertible) -> [String]? {
    guard let array = value.array else { return nil }
    let texts = array.compactMap(\.string)
    return texts.count == array.count ? texts : nil
  }

  private static func ids(_ value: any TOMLValueConvertible, _ named: (String) -> UInt32?) -> Set<UInt32>? {
    guard let array = value.array else { return nil }
    let ids = array.compactMap { $0.int.flatMap { UInt32(exactly: $0) } ?? $0.string.flatMap(named) }
    return ids.count == array.count ? Set(ids) : nil
  }

  private static func userID(_ name: String) -> UInt32? { getpwnam(name)?.pointee.pw_uid }
  private static func groupID(_ name: String) -> UInt32? { getgrnam(name)?.pointee.gr_gid }

  private static func memberIDs(_ group: UInt32) -> [UInt32] {
    guard var name = getgrgid(group)?.pointee.gr_mem else { return [] }
    var names: [String] = []
    while let member = name.pointee {
      names.append(String(cString: member))
      name += 1
    }
    return names.compactMap(userID)
  }

  /// Whether a client may have a session.
  public func admits(_ client: ClientIdentity) -> Bool {
    guard let access else { return true }
    return client.isOperator || access.admits(user: client.userID, group: client.groupID)
  }
}
