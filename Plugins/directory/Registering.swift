import GRDB
import NSPProvider
import QuerySets

/// How much a registration may take.
struct DirectoryLimits: Sendable {
  /// Instances of a user that is no operator.
  var instancesOfUser: Int
  var blobBytes: Int
  /// All instances of such a user together.
  var bytesOfUser: Int
  /// Everything of an instance but its blob, as it is delivered.
  static let recordBytes = 64 << 10
  static let nameBytes = 1024
}

/// One registration, or its reverse: what nsp.md §5.7 says of it, in one transaction.
struct Change: Sendable {
  private let operation: Registration.Operation
  private let isMultiple: Bool
  private let key: InstanceKey
  private let set: QuerySet
  private let client: Client
  /// It is an operator's, or a rule permits it.
  private let countsForEverybody: Bool
  private let session: (run: Int64, number: Int64)?
  private let seconds: Int64?
  /// Whose is taken back, where that is said.
  private let owner: UInt32?
  private let limits: DirectoryLimits

  var endsWithSession: Bool { session != nil }

  /// When what was registered at a moment is over; nil: not by itself.
  func expires(from moment: Int64) -> Int64? { seconds.map { moment + $0 * 1000 } }

  /// What is wrong with the registration itself is thrown here.
  init(
    _ registration: Registration, by client: Client, session: (run: Int64, number: Int64), _ limits: DirectoryLimits
  ) throws(WinsockError) {
    var set = registration.set
    guard set.nameSpace != .email else { throw .operationNotSupported }
    guard let name = set.serviceInstanceName, !name.isEmpty, name.utf8.count <= DirectoryLimits.nameBytes,
      !NamePattern.isOne(name),
      let context = ContextPath(set.context)
    else { throw .invalidArgument }
    let lifetime = registration.operation == .register ? try Lifetime(set.queryString) : nil
    (set.context, set.providerID, set.outputFlags) = (context.description, nil, 0)
    key = InstanceKey(
      context: context.key, name: Spelling.folded(name), serviceClass: set.serviceClassID?.description ?? "",
      nameSpace: set.nameSpace.rawValue)
    (self.set, operation, isMultiple) = (set, registration.operation, registration.isMultiple)
    (self.client, self.limits) = (client, limits)
    countsForEverybody = client.isOperator || registration.isPermitted
    self.session = lifetime?.endsWithSession == true ? session : nil
    seconds = lifetime?.seconds
    owner = registration.owner
    guard client.isOperator || owner == nil || owner == client.userID else { throw .accessDenied }
    try check(set)
  }

  private func check(_ set: QuerySet) throws(WinsockError) {
    var record = set
    record.blob = nil
    guard let size = try? record.packedSize(as: .v2) else { throw .invalidArgument }
    guard size <= DirectoryLimits.recordBytes, set.blob?.count ?? 0 <= limits.blobBytes else { throw .noBuffers }
  }

  // MARK: In a transaction

  func perform(_ database: Database, at now: Int64) throws {
    var there = try Instance.all(database, key)
    for found in there where found.instance.expires.map({ $0 <= now }) == true { try Instance.remove(database, found.id) }
    there.removeAll { $0.instance.expires.map { $0 <= now } == true }
    // What ends with a session goes with the run's row, too.
    if let session { try database.execute(sql: "INSERT OR IGNORE INTO run (id) VALUES (?)", arguments: [session.run]) }
    if operation == .register { return try register(database, there, now) }
    let meant = try takenBack(of: there)
    if meant.isEmpty { throw WinsockError.serviceNotFound }
    for found in meant {
      if let rest = rest(of: found.instance) {
        try rest.save(database, as: found.id)
      } else {
        try Instance.remove(database, found.id)
      }
    }
  }

  /// In the place of what counts for everybody, else of the client's own.
  private func register(_ database: Database, _ there: [(id: Int64, instance: Instance)], _ now: Int64) throws {
    let known = there.first { $0.instance.isTrusted } ?? there.first { $0.instance.owner == client.userID }
    guard let known else {
      let new = Instance(key: key, set: set, owner: client.userID, isTrusted: countsForEverybody, registered: now)
      return try save(database, renewed(new, now), inPlaceOf: nil, there)
    }
    guard client.isOperator || known.instance.owner == client.userID else { throw WinsockError.accessDenied }
    try save(database, renewed(registered(known.instance, now), now), inPlaceOf: known, there)
  }

  private func save(
    _ database: Database, _ new: Instance, inPlaceOf known: (id: Int64, instance: Instance)?,
    _ there: [(id: Int64, instance: Instance)]
  ) throws {
    try check(new.set)
    try checkQuota(database, new, inPlaceOf: known?.instance)
    // What counts for everybody takes the place of what users have for themselves.
    if new.isTrusted { for other in there where other.id != known?.id { try Instance.remove(database, other.id) } }
    try new.save(database, as: known?.id)
  }

  /// What a registration makes of an instance that the client may change.
  private func registered(_ known: Instance, _ now: Int64) -> Instance {
    guard isMultiple else {
      // All of it is this client's now.
      return Instance(key: key, set: set, owner: client.userID, isTrusted: countsForEverybody, registered: now)
    }
    var changed = known
    changed.isTrusted = countsForEverybody && (known.isTrusted || known.owner == client.userID)
    for address in set.addresses where !changed.set.addresses.contains(address) { changed.set.addresses.append(address) }
    changed.set.version = set.version ?? known.set.version
    changed.set.comment = set.comment ?? known.set.comment
    changed.set.blob = set.blob ?? known.set.blob
    changed.set.protocols = set.protocols.isEmpty ? known.set.protocols : set.protocols
    changed.set.queryString = set.queryString
    changed.isRegistered = true
    return changed
  }

  /// Which instances the client takes back: its own; else the one that counts for everybody, if it may; an operator, where there is neither,
  /// those of all users.
  private func takenBack(of there: [(id: Int64, instance: Instance)]) throws -> [(id: Int64, instance: Instance)] {
    if let owner { return there.filter { $0.instance.owner == owner } }
    if let own = there.first(where: { !$0.instance.isTrusted && $0.instance.owner == client.userID }) { return [own] }
    if let common = there.first(where: { $0.instance.isTrusted }) {
      guard client.isOperator || common.instance.owner == client.userID else { throw WinsockError.accessDenied }
      return [common]
    }
    return client.isOperator ? there : []
  }

  /// What is left of an instance that is taken back; nil where it goes.
  private func rest(of known: Instance) -> Instance? {
    var rest = known
    if isMultiple { rest.set.addresses.removeAll { set.addresses.contains($0) } } else { rest.set.addresses = [] }
    guard rest.set.addresses.isEmpty else { return rest }
    rest.isRegistered = false
    return operation == .delete ? nil : rest
  }

  /// Lives from now on as this registration says.
  private func renewed(_ instance: Instance, _ now: Int64) -> Instance {
    var instance = instance
    instance.expires = seconds.map { now + $0 * 1000 }
    instance.session = session
    return instance
  }

  /// Whether the client may own this one besides what it has.
  private func checkQuota(_ database: Database, _ new: Instance, inPlaceOf old: Instance?) throws {
    guard !client.isOperator, new.owner == client.userID else { return }
    let isOwn = old?.owner == client.userID
    if let old, isOwn, new.size <= old.size { return }
    let statement = try database.cachedStatement(
      sql: "SELECT count(*) AS count, total(size) AS bytes FROM instance WHERE owner = ?")
    guard let row = try Row.fetchOne(statement, arguments: [Int64(client.userID)]) else { return }
    let (count, bytes): (Int, Double) = (try row.value("count"), try row.value("bytes"))
    let added = Double(new.size - (isOwn ? old?.size ?? 0 : 0))
    guard isOwn || count < limits.instancesOfUser, bytes + added <= Double(limits.bytesOfUser) else {
      throw WinsockError.noBuffers
    }
  }
}
