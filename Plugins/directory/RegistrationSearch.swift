import GRDB
import NSPProvider
import QuerySets

/// Lists what is registered, for operators (`NSP_REGISTRATIONS` in nsphost.h), in the order of contexts and names.
struct RegistrationSearch: Search {
  private let name: String?
  private let user: UInt32?
  private let run: Int64
  /// Of the sessions of this run that something ends with.
  private let processes: [Int64: Int32]
  /// The last one that was looked at. Before the first, nothing is: no context is empty.
  private var last = InstanceKey(context: "", name: "", serviceClass: "", nameSpace: 0)
  private var lastID: Int64 = 0
  private(set) var isOver = false

  private static let rows = 128

  init(_ query: Query, run: Int64, processes: [Int64: Int32]) {
    name = query.name.flatMap { $0.isEmpty ? nil : Spelling.folded($0) }
    user = RegistrationBlob.user(in: query.restrictions.queryString)
    (self.run, self.processes) = (run, processes)
  }

  var ending: WinsockError { .noMore }

  mutating func next(_ database: Database, _ moment: Moment) throws -> [QuerySet] {
    let conditions = (name == nil ? "" : "AND name = :name ") + (user == nil ? "" : "AND owner = :user ")
    let statement = try database.cachedStatement(
      sql: """
        SELECT \(Instance.columns) FROM instance
        WHERE (context, name, class, space, id) > (:lastContext, :lastName, :lastClass, :lastSpace, :lastID) \(conditions)
        ORDER BY context, name, class, space, id LIMIT \(Self.rows)
        """)
    var arguments: StatementArguments = [
      "lastContext": last.context, "lastName": last.name, "lastClass": last.serviceClass, "lastSpace": Int64(last.nameSpace),
      "lastID": lastID,
    ]
    if let name { arguments += ["name": name] }
    if let user { arguments += ["user": Int64(user)] }
    let rows = try Row.fetchCursor(statement, arguments: arguments)
    var records: [QuerySet] = []
    var looked = 0
    while let row = try rows.next() {
      looked += 1
      lastID = try row.value("id")
      last = try InstanceKey(row)
      guard try moment.isAlive(row) else { continue }
      records.append(record(try Instance(row, database)))
    }
    isOver = looked < Self.rows
    return records
  }

  private func record(_ instance: Instance) -> QuerySet {
    var about = RegistrationBlob(userID: instance.owner)
    about.serviceClass = instance.set.serviceClassID
    about.registered = UInt64(exactly: instance.registered / 1000)
    about.expires = instance.expires.flatMap { UInt64(exactly: ($0 + 999) / 1000) }
    about.isDeregistered = !instance.isRegistered
    if let session = instance.session {
      about.endsWithSession = true
      about.processID = session.run == run ? processes[session.number] : nil
    }
    return QuerySet(
      serviceInstanceName: instance.set.serviceInstanceName, nameSpace: instance.set.nameSpace, context: instance.set.context,
      addresses: instance.set.addresses, blob: about.bytes)
  }
}
