import GRDB
import NSPProvider
import QuerySets

/// How much a registration may take.
struct Limits: Sendable {
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
  private let session: (run: Int64, number: Int64)?
  private let seconds: Int64?
  private let limits: Limits

  var endsWithSession: Bool { session != nil }

  /// When what was registered at a moment is over; nil: not by itself.
  func expires(from moment: Int64) -> Int64? { seconds.map { moment + $0 * 1000 } }

  /// What is wrong with the registration itself is thrown here.
  init(
    _ registration: Registration, by client: Client, session: (run: Int64, number: Int64), _ limits: Limits
  ) throws(WinsockError) {
    var set = registration.set
    guard set.nameSpace != .email else { throw .operationNotSupported }
    guard let name = set.serviceInstanceName, !name.isEmpty, name.utf8.count <= Limits.nameBytes, !NamePattern.isOne(name),
      let context = ContextPath(set.context)
    else { throw .invalidArgument }
    let lifetime = registration.operation == .register ? try Lifetime(set.queryString) : nil
    (set.context, set.providerID, set.outputFlags) = (context.description, nil, 0)
    key = InstanceKey(
      context: context.key, name: Spelling.folded(name), serviceClass: set.serviceClassID?.description ?? "",
      nameSpace: set.nameSpace.rawValue)
    (self.set, operation, isMultiple) = (set, registration.operation, registration.isMultiple)
    (self.client, self.limits) = (client, limits)
    self.session = lifetime?.endsWithSession == true ? session : nil
    seconds = lifetime?.seconds
    try check(set)
  }

  private func check(_ set: QuerySet) throws(WinsockError) {
    var record = set
    record.blob = nil
    guard let size = try? record.packedSize(as: .v2) else { throw .invalidArgument }
    guard size <= Limits.recordBytes, set.blob?.count ?? 0 <= limits.blobBytes else { throw .noBuffers }
  }

  // MARK: In a transaction

  func perform(_ database: Database, at now: Int64) throws {
    var known = try Instance.find(database, key)
    if let found = known, let expires = found.instance.expires, expires <= now {
      try Instance.remove(database, found.id)
      known = nil
    }
    // What ends with a session goes with the run's row, too.
    if let session { try database.execute(sql: "INSERT OR IGNORE INTO run (id) VALUES (?)", arguments: [session.run]) }
    guard let known else {
      guard operation == .register else { throw WinsockError.serviceNotFound }
      let new = renewed(
        Instance(key: key, set: set, owner: client.userID, isTrusted: client.isOperator, registered: now), now)
      try checkQuota(database, new, inPlaceOf: nil)
      return try new.save(database, as: nil)
    }
    guard client.isOperator || known.instance.owner == client.userID else { throw WinsockError.accessDenied }
    guard let changed = try changed(known.instance, now) else { return try Instance.remove(database, known.id) }
    try check(changed.set)
    try checkQuota(database, changed, inPlaceOf: known.instance)
    try changed.save(database, as: known.id)
  }

  /// What becomes of an instance; nil where it goes.
  private func changed(_ known: Instance, _ now: Int64) throws -> Instance? {
    var changed = known
    changed.isTrusted = known.isTrusted && client.isOperator
    switch (operation, isMultiple) {
    case (.register, false):
      // All of it is this client's now.
      changed = Instance(key: key, set: set, owner: client.userID, isTrusted: client.isOperator, registered: now)
      return renewed(changed, now)
    case (.register, true):
      for address in set.addresses where !changed.set.addresses.contains(address) { changed.set.addresses.append(address) }
      changed.set.version = set.version ?? known.set.version
      changed.set.comment = set.comment ?? known.set.comment
      changed.set.blob = set.blob ?? known.set.blob
      changed.set.protocols = set.protocols.isEmpty ? known.set.protocols : set.protocols
      changed.set.queryString = set.queryString
      changed.isRegistered = true
      return renewed(changed, now)
    case (.deregister, false), (.delete, false):
      changed.set.addresses = []
    case (.deregister, true), (.delete, true):
      changed.set.addresses.removeAll { set.addresses.contains($0) }
    }
    guard changed.set.addresses.isEmpty else { return changed }
    changed.isRegistered = false
    return operation == .delete ? nil : changed
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
    let statement = try database.cachedStatement(sql: "SELECT count(*), total(size) FROM instance WHERE owner = ?")
    guard let row = try Row.fetchOne(statement, arguments: [Int64(client.userID)]) else { return }
    let (count, bytes): (Int, Double) = (try row.value(0), try row.value(1))
    let added = Double(new.size - (isOwn ? old?.size ?? 0 : 0))
    guard isOwn || count < limits.instancesOfUser, bytes + added <= Double(limits.bytesOfUser) else {
      throw WinsockError.noBuffers
    }
  }
}
