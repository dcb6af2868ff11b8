import CWinsock
import Foundation
import GRDB
import NSPProvider
import QuerySets

/// Goes through the database in pieces; between them nothing is kept open.
protocol Search: Sendable {
  /// What it finds next, which may be nothing yet.
  mutating func next(_ database: Database, _ moment: Moment) throws -> [QuerySet]
  var isOver: Bool { get }
  /// How a search that is over ends.
  var ending: WinsockError { get }
}

/// For whom a search is, and in which name space: what others registered may not be for them.
struct Audience: Sendable {
  private let userID: UInt32?
  private let nameSpace: NameSpace
  /// Else what counts for everybody, and what the asking user registered.
  private let countsAllOwners: Bool

  init(_ query: Query, _ client: Client?) {
    userID = client?.userID
    nameSpace = query.restrictions.nameSpace
    countsAllOwners = query.countsAllOwners
  }

  /// The columns of a row that it is judged by; those of an instance have them, too.
  static let columns = "space, owner, is_trusted, expires, run, session"

  func sees(_ row: Row, _ moment: Moment) throws -> Bool {
    let space: UInt32 = try row.number("space")
    guard nameSpace == .all || space == nameSpace.rawValue || space == 0 else { return false }
    guard try moment.isAlive(row) else { return false }
    if countsAllOwners { return true }
    let (owner, isTrusted): (UInt32, Bool) = (try row.number("owner"), try row.value("is_trusted"))
    return isTrusted || owner == userID
  }
}

/// Looks for instances: by their name, by a pattern in an order of contexts and names, or by an address.
struct InstanceSearch: Search {
  private enum Subject {
    case name(String)
    case pattern(NamePattern)
    /// As the database has it, and the zone; 0 where any will do.
    case host([UInt8], scope: UInt32)
  }

  private let subject: Subject
  private let port: PortQuestion?
  private let query: Query
  private let audience: Audience
  private let context: ContextPath
  private let wanted: ClassCondition
  /// The last one that was looked at. One key may have an instance of each user: their numbers tell these apart.
  private var last: InstanceKey
  private var lastID: Int64 = 0
  private var hasFound = false
  private var hasSeenName = false
  private(set) var isOver = false

  /// Rows that a piece looks at, records that it has, the bytes of their blobs, and how long it takes, at most.
  private static let rows = 512
  private static let records = 64
  private static let blobBytes = 256 << 10
  private static let duration = Duration.milliseconds(20)

  init(_ query: Query, _ audience: Audience) throws(WinsockError) {
    guard let context = ContextPath(query.restrictions.context) else { throw .invalidArgument }
    (self.query, self.audience, self.context) = (query, audience, context)
    wanted = ClassCondition(query.serviceClass)
    var name = query.name ?? ""
    port = query.serviceClass == .portOfService && !name.isEmpty && !NamePattern.isOne(name) ? PortQuestion(name) : nil
    if let port { name = port.pattern }
    if wanted == .host {
      // Whoever resolves asks for one host.
      if name.hasSuffix(".") { name.removeLast() }
      guard !name.isEmpty, !NamePattern.isOne(name) else { throw .serviceNotFound }
    }
    if query.serviceClass == .nameOfAddress {
      guard let address = SocketAddress(hostText: name)?.unmapped, let host = address.host else { throw .invalidArgument }
      subject = .host(Array(host), scope: address.scope)
    } else if name.isEmpty || NamePattern.isOne(name) {
      // No name is as long.
      guard name.utf8.count <= 2 * DirectoryLimits.nameBytes else { throw .serviceNotFound }
      subject = .pattern(NamePattern(name.isEmpty ? "*" : name))
    } else {
      subject = .name(Spelling.folded(name))
    }
    // Names below the first that can match are passed over; so are those of contexts that come before.
    let start = if case .pattern(let pattern) = subject { pattern.prefix } else { "" }
    last = InstanceKey(context: context.key, name: start, serviceClass: "", nameSpace: 0)
  }

  /// Whether an index leads to what it looks for.
  var isDirect: Bool { if case .pattern = subject { false } else { true } }

  var ending: WinsockError { hasFound ? .noMore : hasSeenName ? .noData : .serviceNotFound }

  mutating func next(_ database: Database, _ moment: Moment) throws -> [QuerySet] {
    let rows = try cursor(database)
    var records: [QuerySet] = []
    var (looked, blobBytes) = (0, 0)
    let end = ContinuousClock.now + Self.duration
    while records.count < Self.records, blobBytes < Self.blobBytes, looked == 0 || ContinuousClock.now < end {
      guard let row = try rows.next() else {
        isOver = looked < Self.rows
        break
      }
      looked += 1
      if try isBehind(row) {
        isOver = true
        break
      }
      guard let record = try record(row, database, moment) else { continue }
      records.append(record)
      blobBytes += record.blob?.count ?? 0
    }
    hasFound = hasFound || !records.isEmpty
    return records
  }

  private func cursor(_ database: Database) throws -> RowCursor {
    let end = query.flags.contains(.deep) ? context.end : context.key
    switch subject {
    case .name(let name):
      // The first of a key's columns is the same for all: the rest orders them.
      return try Row.fetchCursor(
        try database.cachedStatement(
          sql: """
            SELECT \(Instance.columns) FROM instance WHERE name = ? AND (context, class, space, id) > (?, ?, ?, ?) AND context <= ?
            ORDER BY context, class, space, id LIMIT \(Self.rows)
            """),
        arguments: [name, last.context, last.serviceClass, Int64(last.nameSpace), lastID, end])
    case .pattern:
      return try Row.fetchCursor(
        try database.cachedStatement(
          sql: """
            SELECT \(Instance.columns) FROM instance WHERE (context, name, class, space, id) > (?, ?, ?, ?, ?) AND context <= ?
            ORDER BY context, name, class, space, id LIMIT \(Self.rows)
            """),
        arguments: [last.context, last.name, last.serviceClass, Int64(last.nameSpace), lastID, end])
    case .host(let host, _):
      return try Row.fetchCursor(
        try database.cachedStatement(
          sql: """
            SELECT \(Instance.columns) FROM (SELECT DISTINCT instance FROM address WHERE host = ? AND instance > ? ORDER BY instance
            LIMIT \(Self.rows)) AS found JOIN instance ON instance.id = found.instance ORDER BY id
            """),
        arguments: [Data(host), lastID])
    }
  }

  /// Whether no name from here on can match.
  private func isBehind(_ row: Row) throws -> Bool {
    guard case .pattern(let pattern) = subject, !query.flags.contains(.deep) else { return false }
    let name: String = try row.value("name")
    return name > pattern.prefix && !name.utf8.starts(with: pattern.prefix.utf8)
  }

  /// What the query gets of a row; nil for nothing.
  private mutating func record(_ row: Row, _ database: Database, _ moment: Moment) throws -> QuerySet? {
    lastID = try row.value("id")
    last = try InstanceKey(row)
    switch subject {
    case .pattern(let pattern): guard pattern.matches(last.name) else { return nil }
    case .host: guard last.context >= context.key, isInside(last.context) else { return nil }
    case .name: break
    }
    guard wanted.allows(last.serviceClass), try audience.sees(row, moment) else { return nil }
    let instance = try Instance(row, database)
    guard query.allows(instance.set.version) else { return nil }
    func isAsked(_ address: ServiceAddress) -> Bool {
      guard case .host(let host, let scope) = subject else { return false }
      // One without a zone is there in every zone. Written as one of IPv6, an address of IPv4 is one of both families.
      let remote = address.remote.unmapped
      return remote.host?.elementsEqual(host) == true && (scope == 0 || remote.scope == 0 || remote.scope == scope)
    }
    if case .host = subject, !instance.set.addresses.contains(where: isAsked) { return nil }
    hasSeenName = true
    var record = instance.set
    record.addresses.removeAll { !query.wants($0) && !isAsked($0) }
    let isEmptied = record.addresses.isEmpty && !(instance.set.addresses.isEmpty && query.restrictions.protocols.isEmpty)
    guard instance.isRegistered, !isEmptied, wanted != .host || !record.addresses.isEmpty else { return nil }
    // Whoever resolves a name takes a blob for how long it holds.
    if wanted == .host { record.blob = nil }
    return port == nil ? record : port?.answer(record)
  }

  private func isInside(_ key: String) -> Bool {
    query.flags.contains(.deep) ? key.utf8.starts(with: context.key.utf8) : key == context.key
  }
}

/// Which classes a query means.
private enum ClassCondition: Equatable, Sendable {
  case any
  case one(String)
  /// Hosts by name or address: instances of one of the classes for that, or of none.
  case host

  private static let hosts = ["", GUID.hostName.description, GUID.addressesOfName.description, GUID.nameOfAddress.description]

  init(_ id: GUID?) {
    switch id {
    case nil: self = .any
    case .hostName?, .addressesOfName?, .nameOfAddress?: self = .host
    case let id?: self = .one(id.description)
    }
  }

  func allows(_ serviceClass: String) -> Bool {
    switch self {
    case .any: true
    case .one(let id): id == serviceClass
    case .host: Self.hosts.contains(serviceClass)
    }
  }
}

extension Query {
  fileprivate func allows(_ version: ServiceVersion?) -> Bool {
    guard let asked = restrictions.version else { return true }
    guard let version else { return false }
    return switch asked.comparator {
    case .equal: version.number == asked.number
    case .notLess: version.number >= asked.number
    }
  }

  /// Whether an address is of a family and a protocol that are asked for; 0 stands for any.
  fileprivate func wants(_ address: ServiceAddress) -> Bool {
    let family = address.remote.family ?? address.local.family ?? 0
    return restrictions.protocols.isEmpty
      || restrictions.protocols.contains { pair in
        (pair.addressFamily == 0 || pair.addressFamily == family)
          && (pair.protocolNumber == 0 || address.protocolNumber == 0 || pair.protocolNumber == address.protocolNumber)
      }
  }
}
