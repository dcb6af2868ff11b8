import CWinsock
import Foundation
import GRDB
import QuerySets

/// What tells one instance from another, as the database has it.
struct InstanceKey: Sendable {
  var context: String
  var name: String
  /// Empty for none.
  var serviceClass: String
  var nameSpace: UInt32
}

/// A registration as it is kept: everything that was said with it, who said it, and how long it lives.
struct Instance: Sendable {
  var key: InstanceKey
  /// Its context is the whole path from the top.
  var set: QuerySet
  /// False once it was deregistered: it is there, and nobody serves it.
  var isRegistered = true
  var owner: UInt32
  /// It counts for everybody: operators or those whom a rule permits it have registered it. Else it counts for its owner alone.
  var isTrusted: Bool
  /// Milliseconds since 1970, as those below.
  var registered: Int64
  var expires: Int64?
  /// The session that it ends with.
  var session: (run: Int64, number: Int64)?
}

extension Instance {
  /// Bytes, as it is delivered.
  var size: Int { (try? set.packedSize(as: .v2)) ?? 0 }
}

// MARK: Rows

extension Instance {
  static let columns = """
    id, context, name, class, space, written_context, written_name, is_registered, version, comparator, comment, \
    query_string, blob, protocols, owner, is_trusted, registered, expires, run, session
    """

  /// From a row of `columns`, with its addresses. Every value of the row is checked.
  init(_ row: Row, _ database: Database) throws {
    key = try InstanceKey(row)
    set = QuerySet(
      serviceInstanceName: try row.value("written_name"), serviceClassID: GUID(key.serviceClass),
      comment: try row.optional("comment"), nameSpace: NameSpace(rawValue: key.nameSpace),
      context: try row.value("written_context"), queryString: try row.optional("query_string"),
      blob: (try row.optional("blob") as Data?).map { Array($0) })
    guard (set.serviceClassID == nil) == key.serviceClass.isEmpty, let protocols = Self.protocols(try row.value("protocols"))
    else {
      throw DirectoryDatabase.damage("an instance in it is damaged")
    }
    set.protocols = protocols
    if let version: Int64 = try row.optional("version") {
      guard let number = UInt32(exactly: version),
        let how = ServiceVersion.Comparator(rawValue: try row.number("comparator"))
      else {
        throw DirectoryDatabase.damage("a version in it is damaged")
      }
      set.version = ServiceVersion(number: number, comparator: how)
    }
    isRegistered = try row.value("is_registered")
    owner = try row.number("owner")
    isTrusted = try row.value("is_trusted")
    registered = try row.value("registered")
    expires = try row.optional("expires")
    session = try Self.session(row)
    set.addresses = try Self.addresses(database, of: try row.value("id"))
  }

  private static func session(_ row: Row) throws -> (run: Int64, number: Int64)? {
    guard let run: Int64 = try row.optional("run") else { return nil }
    return (run, try row.value("session"))
  }

  private static func addresses(_ database: Database, of id: Int64) throws -> [ServiceAddress] {
    let statement = try database.cachedStatement(
      sql: "SELECT local, remote, type, protocol FROM address WHERE instance = ? ORDER BY place")
    let rows = try Row.fetchCursor(statement, arguments: [id])
    var addresses: [ServiceAddress] = []
    while let row = try rows.next() {
      addresses.append(
        ServiceAddress(
          local: SocketAddress(bytes: Array(try row.value("local") as Data)),
          remote: SocketAddress(bytes: Array(try row.value("remote") as Data)),
          socketType: try row.number("type"), protocolNumber: try row.number("protocol")))
    }
    return addresses
  }

  /// Pairs such as `2:6`, with spaces between them.
  private static func protocols(_ text: String) -> [ProtocolPair]? {
    let pairs = text.split(separator: " ").map { pair -> ProtocolPair? in
      let numbers = pair.split(separator: ":").compactMap { Int32($0) }
      return numbers.count == 2 ? ProtocolPair(addressFamily: numbers[0], protocolNumber: numbers[1]) : nil
    }
    return pairs.contains { $0 == nil } ? nil : pairs.compactMap(\.self)
  }

  /// The instances of a key with the numbers of their rows: at most one that counts for everybody, and one of each user.
  static func all(_ database: Database, _ key: InstanceKey) throws -> [(id: Int64, instance: Instance)] {
    let statement = try database.cachedStatement(
      sql: "SELECT \(columns) FROM instance WHERE name = ? AND context = ? AND class = ? AND space = ?")
    let rows = try Row.fetchCursor(statement, arguments: [key.name, key.context, key.serviceClass, Int64(key.nameSpace)])
    var found: [(id: Int64, instance: Instance)] = []
    while let row = try rows.next() { found.append((try row.value("id"), try Instance(row, database))) }
    return found
  }

  /// Writes all of it, in place of the row of this number where one is given.
  func save(_ database: Database, as id: Int64?) throws {
    if let id { try Self.remove(database, id) }
    let statement = try database.cachedStatement(
      sql: """
        INSERT INTO instance (id, context, name, class, space, written_context, written_name, is_registered, version,
          comparator, comment, query_string, blob, protocols, owner, is_trusted, registered, expires, run, session, size)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    let protocols = set.protocols.map { "\($0.addressFamily):\($0.protocolNumber)" }.joined(separator: " ")
    try statement.execute(arguments: [
      id, key.context, key.name, key.serviceClass, Int64(key.nameSpace), set.context, set.serviceInstanceName, isRegistered,
      set.version.map { Int64($0.number) }, set.version.map { Int64($0.comparator.rawValue) }, set.comment, set.queryString,
      set.blob.map { Data($0) }, protocols, Int64(owner), isTrusted, registered, expires, session?.run, session?.number,
      Int64(size),
    ])
    let id = id ?? database.lastInsertedRowID
    let insert = try database.cachedStatement(
      sql: "INSERT INTO address (instance, place, local, remote, type, protocol, host) VALUES (?, ?, ?, ?, ?, ?, ?)")
    for (place, address) in set.addresses.enumerated() {
      try insert.execute(arguments: [
        id, place, Data(address.local.bytes), Data(address.remote.bytes), Int64(address.socketType),
        Int64(address.protocolNumber),
        // However an address of IPv4 is written, it is found by the same.
        address.remote.unmapped.host.map { Data($0) },
      ])
    }
  }

  static func remove(_ database: Database, _ id: Int64) throws {
    try database.cachedStatement(sql: "DELETE FROM instance WHERE id = ?").execute(arguments: [id])
  }
}

extension InstanceKey {
  /// From a row of `Instance.columns`.
  init(_ row: Row) throws {
    self.init(
      context: try row.value("context"), name: try row.value("name"), serviceClass: try row.value("class"),
      nameSpace: try row.number("space"))
  }
}

/// Values of a row whose database somebody else may have written.
extension Row {
  func optional<Value: DatabaseValueConvertible>(_ column: String) throws -> Value? {
    let value: DatabaseValue = self[column]
    if value.isNull { return nil }
    guard let read = Value.fromDatabaseValue(value) else { throw DirectoryDatabase.damage("a value in it is of the wrong kind") }
    return read
  }

  func value<Value: DatabaseValueConvertible>(_ column: String) throws -> Value {
    guard let read: Value = try optional(column) else { throw DirectoryDatabase.damage("a value in it is missing") }
    return read
  }

  func number<Number: FixedWidthInteger>(_ column: String) throws -> Number {
    guard let read = Number(exactly: try value(column) as Int64) else {
      throw DirectoryDatabase.damage("a number in it is out of range")
    }
    return read
  }
}
