import Glibc
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
  }

  public var plugins: [String]?
  public var socket: String?
  public var limits = Limits()
  /// Who may have a session, besides root and the host's own user; nil: everybody.
  public var users: Set<UInt32>?
  public var groups: Set<UInt32>?
  /// Those whom the group database names as members of `groups`; read once, so that no session waits for a directory service.
  private var members: Set<UInt32> = []
  public private(set) var entries: [Entry] = []

  /// Without a file: everything is as it is by default.
  public init() {
    for limit in Self.numbers { entries.append(Entry(key: limit.key, value: String(limit.get(limits)), source: "default")) }
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
    Number(key: "limits.requests-per-user", range: 1...4096, get: { $0.requestsPerUser }, set: { $0.requestsPerUser = $1 }),
  ]

  private static let keys = ["plugins", "socket", "access.users", "access.groups"] + numbers.map(\.key)

  /// Reads a file's text. Unknown keys and values of the wrong kind are defects that say where and what to do.
  public init(toml text: String, path: String) throws(Defect) {
    self.init()
    let table: TOMLTable
    do { table = try TOMLTable(string: text) } catch {
      throw Defect(detail: "\(path) is not TOML: \(error)".replacing("\n", with: " "), remedy: "correct it there")
    }
    for (key, value) in try Self.flatten(table, path) { try take(key, value, path) }
  }

  private static func flatten(_ table: TOMLTable, _ path: String) throws(Defect) -> [(String, any TOMLValueConvertible)] {
    var values: [(String, any TOMLValueConvertible)] = []
    for key in table.keys.sorted() {
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
    func wrong(_ kind: String) -> Defect { Defect(detail: "\(path): \(key) is not \(kind)", remedy: "write \(key) as \(kind)") }
    let text: String
    if let number = Self.numbers.first(where: { $0.key == key }) {
      guard let given = value.int, number.range.contains(given) else {
        throw wrong("a number from \(number.range.lowerBound) to \(number.range.upperBound)")
      }
      number.set(&limits, given)
      text = String(given)
    } else if key == "socket" {
      guard let given = value.string, given.hasPrefix("/") else { throw wrong("an absolute path in quotes") }
      socket = given
      text = given
    } else if key == "plugins" {
      guard let given = Self.texts(value), given.allSatisfy({ $0.hasPrefix("/") }) else {
        throw wrong("a list of absolute paths")
      }
      plugins = given
      text = given.joined(separator: ":")
    } else {
      let isUsers = key == "access.users"
      guard let given = Self.ids(value, isUsers ? Self.userID : Self.groupID) else {
        throw wrong("a list of \(isUsers ? "users" : "groups") that exist, by name or number")
      }
      if isUsers {
        users = given
      } else {
        groups = given
        members = Set(given.flatMap(Self.memberIDs))
      }
      text = given.sorted().map(String.init).joined(separator: ", ")
    }
    entries.removeAll { $0.key == key }
    entries.append(Entry(key: key, value: text, source: path))
    entries.sort { $0.key < $1.key }
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

  /// Whether a client may have a session. A group admits those whose primary group it is, and its members.
  public func admits(_ client: ClientIdentity) -> Bool {
    if users == nil, groups == nil { return true }
    if client.userID == 0 || client.userID == geteuid() { return true }
    return users?.contains(client.userID) == true || groups?.contains(client.groupID) == true || members.contains(client.userID)
  }
}
