import QuerySets
import Sessions
import Synchronization

/// How much of something each user has, all processes together: one user's flood leaves the others what they need.
final class UserQuota: Sendable {
  private let maximum: Int
  private let unlimited: Set<UInt32>
  private let taken = Mutex<[UInt32: Int]>([:])

  init(_ maximum: Int, except unlimited: Set<UInt32>) {
    self.maximum = maximum
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

  func giveBack(_ user: UInt32, _ amount: Int = 1) {
    if amount == 0 || unlimited.contains(user) { return }
    taken.withLock { taken in
      let rest = taken[user, default: 0] - amount
      taken[user] = rest > 0 ? rest : nil
    }
  }
}

/// Everything that is counted by user.
final class UserQuotas: Sendable {
  let connections: UserQuota
  /// Requests that wait for providers.
  let requests: UserQuota
  let lookups: UserQuota
  /// Of frames that were not served yet, and of answers that were not read yet.
  let bytes: UserQuota
  private let sessions: UserQuota
  private let registrations: UserQuota
  private let known = Mutex<[UInt64: Counted]>([:])

  /// What is known of a session.
  private struct Counted {
    var isAdmitted: Bool
    var names: Set<RegisteredName> = []
  }

  /// What a process has registered, as far as it went through this host: it may do so again without having more.
  private struct RegisteredName: Hashable {
    var name: String?
    var nameSpace: UInt32
  }

  init(_ limits: Limits) {
    func quota(_ maximum: Int) -> UserQuota { UserQuota(maximum, except: limits.unlimitedUsers) }
    connections = quota(limits.connectionsPerUser)
    requests = quota(limits.requestsPerUser)
    lookups = quota(limits.lookupsPerUser)
    bytes = quota(limits.bytesPerUser)
    sessions = quota(limits.sessionsPerUser)
    registrations = quota(limits.registrationsPerUser)
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
      let counted = known.withLock { $0.removeValue(forKey: session.number) }
      if counted?.isAdmitted == true { sessions.giveBack(user) }
      registrations.giveBack(user, counted?.names.count ?? 0)
    }
    return isAdmitted
  }

  /// Performs a registration, if the user may have one more; one that is taken back, that failed, or whose process ends no longer
  /// counts.
  func register(_ set: QuerySet, _ session: ClientSession, isAdding: Bool, _ perform: () throws(WinsockError) -> Void)
    throws(WinsockError)
  {
    let name = RegisteredName(name: set.serviceInstanceName, nameSpace: set.nameSpace.rawValue)
    let user = session.identity.userID
    let isNew = isAdding && known.withLock { $0[session.number]?.names.contains(name) == false }
    if isNew, !registrations.take(user) { throw .noBuffers }
    do throws(WinsockError) { try perform() } catch {
      if isNew { registrations.giveBack(user) }
      throw error
    }
    let surplus = known.withLock { known in
      guard var counted = known.removeValue(forKey: session.number) else { return isNew }
      defer { known[session.number] = counted }
      if isAdding { return !counted.names.insert(name).inserted && isNew }
      return counted.names.remove(name) != nil
    }
    if surplus { registrations.giveBack(user) }
  }
}
