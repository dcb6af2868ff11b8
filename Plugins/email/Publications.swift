import NSPProvider
import QuerySets
import Rundown

/// What the sessions of this host have published. It goes with the session.
///
/// An address belongs to the user who has published it for everybody as long as anything of it is there; that user's other sessions may add to
/// it. What others publish at it before that counts for themselves, and is in nobody's way.
final class Publications: Sendable {
  private let state = Locked(State())

  private struct State {
    /// By the address's key, in the order of publication.
    var addresses: [String: [Publication]] = [:]
    var sessions: [ObjectIdentifier: Holding] = [:]
    var users: [UInt32: User] = [:]
    /// How often something was registered.
    var turn: UInt64 = 0
  }

  /// What a session has: how much of it under which address.
  private struct Holding {
    var addresses: [String: Int] = [:]
    var count = 0
  }

  private struct User {
    var sessions: Set<ObjectIdentifier> = []
    var bytes = 0
  }

  private static let publicationsPerSession = 1000
  private static let addressesPerName = 4096
  /// A record has to fit into one answer of the host's.
  private static let largestRecord = 512 << 10
  private static let bytesPerUser = 64 << 20

  // MARK: Publishing

  /// Performs a registration for a session. Its own publication is meant; where it has none, an operator takes back everybody's.
  func change(_ address: EmailAddress, _ service: Service, _ registration: Registration, by session: EmailSession) -> WinsockError
  {
    state.withLock { state in
      let (client, own, operation) = (session.client, ObjectIdentifier(session), registration.operation)
      let there = state.addresses[address.key] ?? []
      if let owner = registration.owner {
        guard client.isOperator || owner == client.userID else { return .accessDenied }
        // The address, whatever the service, where none is named.
        let meant = there.indices.filter {
          there[$0].client.userID == owner && (service == .any || there[$0].service == service)
        }
        return Self.change(&state, address, at: meant, registration)
      }
      let mine = there.firstIndex { $0.session == own && $0.service == service }
      let common = there.filter(\.countsForEverybody)
      let isAnothers = !common.isEmpty && !common.contains { $0.client.userID == client.userID }
      // What it has published for itself it may still take back.
      if isAnothers, !client.isOperator, operation == .register || mine == nil { return .accessDenied }
      if let mine { return Self.change(&state, address, at: mine, registration) }
      if operation == .register { return Self.add(&state, address, service, registration, by: session) }
      let others = there.indices.filter { there[$0].service == service }
      return client.isOperator ? Self.change(&state, address, at: others, registration) : .serviceNotFound
    }
  }

  private static func change(
    _ state: inout State, _ address: EmailAddress, at others: [Int], _ registration: Registration
  ) -> WinsockError {
    // From the last one: a removal moves those behind it.
    for index in others.reversed() { _ = change(&state, address, at: index, registration) }
    return others.isEmpty ? .serviceNotFound : .success
  }

  private static func add(
    _ state: inout State, _ address: EmailAddress, _ service: Service, _ registration: Registration, by session: EmailSession
  ) -> WinsockError {
    guard case .addresses(let addresses, _) = Publication.change(nil, by: registration) else { return .serviceNotFound }
    let (id, set, user) = (ObjectIdentifier(session), registration.set, session.client.userID)
    state.turn += 1
    let publication = Publication(
      session: id, client: session.client, service: service,
      record: QuerySet(
        serviceInstanceName: address.text, version: set.version, comment: set.comment, nameSpace: .email, context: set.context,
        addresses: addresses, blob: set.blob),
      countsForEverybody: session.client.isOperator || registration.isPermitted, latest: state.turn)
    guard fits(state, address, publication, insteadOf: nil), state.sessions[id, default: Holding()].count < publicationsPerSession
    else {
      return .noBuffers
    }
    state.addresses[address.key, default: []].append(publication)
    state.sessions[id, default: Holding()].addresses[address.key, default: 0] += 1
    state.sessions[id]?.count += 1
    state.users[user, default: User()].sessions.insert(id)
    state.users[user]?.bytes += publication.size
    return .success
  }

  private static func change(
    _ state: inout State, _ address: EmailAddress, at index: Int, _ registration: Registration
  ) -> WinsockError {
    guard let old = state.addresses[address.key]?[index] else { return .serviceNotFound }
    switch Publication.change(old, by: registration) {
    case .unknown: return .serviceNotFound
    case .removal:
      state.addresses[address.key]?.remove(at: index)
      forget(&state, address.key, [old])
      return .success
    case .addresses(let addresses, let isRegistered):
      var new = old
      (new.record.addresses, new.isRegistered) = (addresses, isRegistered)
      if registration.operation == .register {
        state.turn += 1
        new.latest = state.turn
        new.countsForEverybody = new.client.isOperator || registration.isPermitted
        let (set, adds) = (registration.set, registration.isMultiple)
        new.record.serviceInstanceName = address.text
        new.record.context = set.context
        // Whoever only adds addresses need not say the rest again.
        new.record.version = set.version ?? (adds ? old.record.version : nil)
        new.record.comment = set.comment ?? (adds ? old.record.comment : nil)
        new.record.blob = set.blob ?? (adds ? old.record.blob : nil)
        guard fits(state, address, new, insteadOf: old) else { return .noBuffers }
      }
      state.addresses[address.key]?[index] = new
      state.users[old.client.userID]?.bytes += new.size - old.size
      return .success
    }
  }

  private static func fits(_ state: State, _ address: EmailAddress, _ new: Publication, insteadOf old: Publication?) -> Bool {
    // One user's room is not another's.
    let known = (state.addresses[address.key] ?? []).filter { $0.isSeen(by: new.client) }
    let addresses = known.reduce(0) { $0 + $1.record.addresses.count }
    let bytes = state.users[new.client.userID]?.bytes ?? 0
    let size = new.size
    return addresses - (old?.record.addresses.count ?? 0) + new.record.addresses.count <= addressesPerName
      && size <= largestRecord && bytes - (old?.size ?? 0) + size <= bytesPerUser
  }

  /// The books of publications that are gone from an address.
  private static func forget(_ state: inout State, _ key: String, _ gone: [Publication]) {
    if state.addresses[key]?.isEmpty == true { state.addresses[key] = nil }
    for publication in gone {
      let (id, user) = (publication.session, publication.client.userID)
      state.users[user]?.bytes -= publication.size
      guard var holding = state.sessions.removeValue(forKey: id) else { continue }
      holding.count -= 1
      let left = (holding.addresses[key] ?? 1) - 1
      holding.addresses[key] = left == 0 ? nil : left
      if holding.count > 0 {
        state.sessions[id] = holding
        continue
      }
      state.users[user]?.sessions.remove(id)
      if state.users[user]?.sessions.isEmpty == true { state.users[user] = nil }
    }
  }

  /// The session is over, however it has ended.
  /// - Returns: The addresses of which something is gone, each as it was published.
  func end(_ session: EmailSession) -> Set<String> {
    let id = ObjectIdentifier(session)
    return state.withLock { state in
      guard let addresses = state.sessions[id]?.addresses.keys else { return [] }
      var names: Set<String> = []
      for key in Array(addresses) {
        let gone = state.addresses[key]?.filter { $0.session == id } ?? []
        state.addresses[key]?.removeAll { $0.session == id }
        Self.forget(&state, key, gone)
        names.formUnion(gone.compactMap(\.record.serviceInstanceName))
      }
      return names
    }
  }

  // MARK: Asking

  /// What is published under an address for a service, or for all; nil where the address is not published at all.
  /// - Parameter client: For whom it must count; nil: it counts whoever has published it.
  func records(_ address: EmailAddress, _ service: Service, for client: Client?) -> [QuerySet]? {
    let there = state.withLock { $0.addresses[address.key] ?? [] }.filter { client.map($0.isSeen) ?? true }
    if there.isEmpty { return nil }
    return there.filter { $0.isRegistered && (service == .any || $0.service == service) }.map(\.record)
  }

  /// Everything that is published, for operators (`NSP_REGISTRATIONS` in nsphost.h), by address.
  /// - Parameters:
  ///   - user: Nil: by whomever.
  ///   - address: Nil: at all.
  func registrations(of user: UInt32?, at address: EmailAddress?) -> [QuerySet] {
    let there = state.withLock { state in
      address.map { [$0.key: state.addresses[$0.key] ?? []] } ?? state.addresses
    }
    return there.sorted { $0.key < $1.key }.flatMap(\.value).filter { user == nil || $0.client.userID == user }.map { one in
      var about = RegistrationBlob(userID: one.client.userID)
      (about.processID, about.endsWithSession) = (one.client.processID, true)
      about.isDeregistered = !one.isRegistered
      return QuerySet(
        serviceInstanceName: one.record.serviceInstanceName, nameSpace: .email, context: one.record.context,
        addresses: one.record.addresses, blob: about.bytes)
    }
  }

  /// The addresses that the sessions of a user have published for a service, or for any: each once, those that were published last first.
  func preferredNames(of user: UInt32, _ service: Service) -> [String] {
    let published = state.withLock { state in
      (state.users[user]?.sessions ?? []).flatMap { id in
        (state.sessions[id]?.addresses.keys).map(Array.init)?.flatMap { key in
          (state.addresses[key] ?? []).filter { $0.session == id }.map { (key: key, publication: $0) }
        } ?? []
      }
    }
    var seen: Set<String> = []
    return published.filter { $0.publication.isRegistered && (service == .any || $0.publication.service == service) }
      .sorted { $0.publication.latest > $1.publication.latest }
      .filter { seen.insert($0.key).inserted }
      .compactMap(\.publication.record.serviceInstanceName)
  }
}

/// A client, and whom it belongs to. What it has published is in `Publications`.
final class EmailSession: ProviderSession {
  let client: Client

  init(_ client: Client) { self.client = client }
}
