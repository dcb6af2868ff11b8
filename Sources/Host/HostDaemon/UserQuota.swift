import Hosting
import QuerySets
import Rundown
import Sessions
import Wire

/// How much of something each user has, all processes together: one user's flood leaves the others what they need.
final class UserQuota: Sendable {
  private let maximum: Int
  private let unlimited: Set<UInt32>
  private let taken = Locked<[UInt32: Int]>([:])

  private let limit: HostLimit

  init(_ limit: HostLimit, _ limits: HostLimits) {
    (self.limit, maximum) = (limit, limit.maximum(limits))
    let unlimited = limits.unlimitedUsers
    self.unlimited = unlimited
  }

  /// Takes so many, unless the user would have too many. What was taken is given back once.
  func take(_ user: UInt32, _ amount: Int = 1) -> Bool {
    if unlimited.contains(user) { return true }
    return taken.withLock { taken in
      guard taken[user, default: 0] + amount <= maximum else { return false }
      taken[user, default: 0] += amount
      return true
    }
  }

  /// The users who have nearly as much as they may.
  var near: [LimitsReport.Quota] {
    taken.withLock { $0 }.filter { LimitsReport.Quota.isNear($0.value, maximum) }.sorted { $0.key < $1.key }.map {
      LimitsReport.Quota(limit: limit.key, user: $0.key, taken: $0.value, maximum: maximum)
    }
  }

  func giveBack(_ user: UInt32, _ amount: Int = 1) {
    if amount == 0 || unlimited.contains(user) { return }
    taken.withLock { taken in
      let rest = taken[user, default: 0] - amount
      taken[user] = rest > 0 ? rest : nil
    }
  }
}

/// A user has as much of something as a user may have.
struct MetQuota: Error {
  var limit: HostLimit
}

/// Everything that is counted by user.
final class UserQuotas: Sendable {
  let connections: UserQuota
  /// Requests that wait for providers.
  let requests: UserQuota
  let lookups: UserQuota
  /// Of frames that were not served yet, and of answers that were not read yet.
  let bytes: UserQuota
  /// Of what is kept for lookups and registrations, in bytes. Apart from the others: a user who has used it up can still be answered.
  let kept: UserQuota
  private let sessions: UserQuota
  private let registrations: UserQuota
  private let known = Locked<[UInt64: Counted]>([:])

  /// What is known of a session.
  private struct Counted {
    var isAdmitted: Bool
    /// With the bytes that are counted for each.
    var names: [RegisteredName: Int] = [:]
  }

  /// What the host keeps of a lookup, or of a registration, besides what its caller has said: about.
  private static let headBytes = 1024

  /// What a process has registered, as far as it went through this host: it may do so again without having more.
  private struct RegisteredName: Hashable {
    var name: String?
    var nameSpace: UInt32
  }

  init(_ limits: HostLimits) {
    func quota(_ limit: HostLimit) -> UserQuota { UserQuota(limit, limits) }
    connections = quota(.connectionsPerUser)
    requests = quota(.requestsPerUser)
    lookups = quota(.lookupsPerUser)
    bytes = quota(.bytesPerUser)
    kept = quota(.bytesPerUser)
    sessions = quota(.sessionsPerUser)
    registrations = quota(.registrationsPerUser)
  }

  /// Those of which little is left to a user.
  var near: [LimitsReport.Quota] {
    [connections, sessions, requests, lookups, registrations, bytes, kept].flatMap(\.near)
  }

  /// Counts a session from its first connection on until it has ended. False when the user has too many.
  func enter(_ session: ClientSession) -> Bool {
    let user = session.identity.userID
    let (isAdmitted, isNew) = known.withLock { known in
      if let counted = known[session.number] { return (counted.isAdmitted, false) }
      let isAdmitted = sessions.take(user)
      known[session.number] = Counted(isAdmitted: isAdmitted)
      return (isAdmitted, true)
    }
    guard isNew else { return isAdmitted }
    session.afterEnd { [self] in
      let counted = known.withLock { known in
        defer { if known.count * 8 < known.capacity { known = Dictionary(uniqueKeysWithValues: known.map { $0 }) } }
        return known.removeValue(forKey: session.number)
      }
      if counted?.isAdmitted == true { sessions.giveBack(user) }
      guard let names = counted?.names, !names.isEmpty else { return }
      registrations.giveBack(user, names.count)
      let sum = names.values.reduce(0, +)
      kept.giveBack(user, sum)
      FreedMemory.note(sum)
    }
    return isAdmitted
  }

  /// Counts what a lookup keeps until it has ended: once more than what its request has. Throws the limit that is met where that is too much
  /// for the user.
  func open(lookupOf request: Int, _ user: UInt32) throws(MetQuota) -> LookupCharge {
    guard lookups.take(user) else { throw MetQuota(limit: .lookupsPerUser) }
    let bytes = request + Self.headBytes
    if kept.take(user, bytes) { return LookupCharge(self, user, bytes: bytes) }
    lookups.giveBack(user)
    throw MetQuota(limit: .bytesPerUser)
  }

  func close(_ lookup: LookupCharge, _ user: UInt32) {
    lookups.giveBack(user)
    lookup.giveBack()
  }

  /// Performs a registration, if the user may have one more of its size; one that is taken back, that failed, or whose process ends no longer
  /// counts.
  /// - Parameter whenFull: Called before it is refused, with the limit that is met.
  func register(
    _ set: QuerySet, _ session: ClientSession, isAdding: Bool, whenFull: (HostLimit) -> Void,
    perform: () throws(WinsockError) -> Void
  ) throws(WinsockError) {
    let name = RegisteredName(name: set.serviceInstanceName, nameSpace: set.nameSpace.rawValue)
    let user = session.identity.userID
    // What a name has had before is counted: once more of the same takes no more.
    let former = isAdding ? known.withLock { $0[session.number].map { $0.names[name] } } : .none
    let isNew = if case .some(.none) = former { true } else { false }
    let more = former.map { max(Self.bytes(of: set) - ($0 ?? 0), 0) } ?? 0
    if isNew, !registrations.take(user) {
      whenFull(.registrationsPerUser)
      throw .noBuffers
    }
    func giveBack() {
      if isNew { registrations.giveBack(user) }
      kept.giveBack(user, more)
    }
    guard more == 0 || kept.take(user, more) else {
      if isNew { registrations.giveBack(user) }
      whenFull(.bytesPerUser)
      throw .noBuffers
    }
    do throws(WinsockError) { try perform() } catch {
      giveBack()
      throw error
    }
    let surplus: (names: Int, bytes: Int) = known.withLock { known in
      // Out of the table while it changes, so that nothing is copied.
      guard var counted = known.removeValue(forKey: session.number) else { return (isNew ? 1 : 0, more) }
      defer { known[session.number] = counted }
      guard isAdding else { return counted.names.removeValue(forKey: name).map { (1, $0) } ?? (0, 0) }
      let there = counted.names[name]
      counted.names[name] = (there ?? 0) + more
      return (there != nil && isNew ? 1 : 0, 0)
    }
    registrations.giveBack(user, surplus.names)
    kept.giveBack(user, surplus.bytes)
  }

  /// What the host keeps of a registration, about.
  private static func bytes(of set: QuerySet) -> Int {
    headBytes + (set.serviceInstanceName?.utf8.count ?? 0) + (set.context?.utf8.count ?? 0)
      + set.addresses.reduce(0) { $0 + 64 + $1.remote.bytes.count }
  }
}
