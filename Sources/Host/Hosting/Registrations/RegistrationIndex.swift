import CWinsock
import Foundation
import Providers
import QuerySets
import Rundown
import Sessions

/// What was registered through this host by sessions that live: with whom, and by whom. An entry goes with its owner's session; what the
/// provider keeps longer, the provider alone knows. Nothing is ever deregistered because of it: what belongs to a session is the provider's
/// to drop (nsp.md L17).
///
/// Of instances of service classes whose owners are gone a little is remembered, for removals of their classes (nsp.md §7.2).
///
/// Any thread may call.
public final class RegistrationIndex: Sendable {
  public struct Registration: Sendable {
    public var name: String
    public var context: String?
    public var serviceClass: GUID?
    public var nameSpace: NameSpace
    public var provider: GUID
    public var owner: ClientIdentity
    public var addresses: [SocketAddress]
    /// Deregistered ones are still objects of their providers.
    public var isRegistered = true
    public var since: Date
    fileprivate var session: UInt64
  }

  /// A name at a provider. Under it, a registration of each class by each session.
  fileprivate struct Place: Hashable {
    var provider: GUID
    var name: String
    var context: String?
    var nameSpace: NameSpace
  }

  /// An instance whose owner is gone.
  fileprivate struct Leaving: Equatable {
    var provider: GUID
    var name: String
    var serviceClass: GUID
  }

  /// Whose entries an operation means.
  fileprivate indirect enum Whose {
    /// The session's own; where it has none, others'.
    case session(UInt64, else: Whose?)
    case user(UInt32)
    case all
  }

  fileprivate struct State {
    var registrations: [Place: [Registration]] = [:]
    /// What the entries of each user take, in bytes.
    var users: [UInt32: Int] = [:]
    /// What each live session owns.
    var owned: [UInt64: Set<Place>] = [:]
    /// How many registrations of each class there are, those of `leavings` among them.
    var references: [GUID: Int] = [:]
    /// By whom they were registered, the oldest first.
    var leavings: [UInt32: [Leaving]] = [:]
  }

  private let state = Locked<State>(State())
  private let bytesPerUser: Int
  /// What the leavings of a user may take.
  private static let leftBytes = 64 << 10

  /// - Parameter bytesPerUser: About how much memory the entries of a user may take. Beyond it, new ones are not noted. One user's flood
  ///   costs the others nothing.
  public init(bytesPerUser: Int = 16 << 20) { self.bytesPerUser = bytesPerUser }

  /// By name.
  public var registrations: [Registration] {
    state.withLock { $0.registrations.values.flatMap(\.self) }.sorted { ($0.name, $0.since) < ($1.name, $1.since) }
  }

  /// Those at a provider, by name.
  public func registrations(at provider: GUID) -> [Registration] {
    state.withLock { state in state.registrations.filter { $0.key.provider == provider }.values.flatMap(\.self) }
      .sorted { ($0.name, $0.since) < ($1.name, $1.since) }
  }

  /// Whether an instance of a class was registered and not deleted (`WSAETOOMANYREFS`, nsp.md §7.2).
  public func references(_ serviceClass: GUID) -> Bool { state.withLock { $0.references[serviceClass] ?? 0 > 0 } }

  /// Where instances of a class were registered by owners that are gone: their providers may have dropped them.
  func orphans(of serviceClass: GUID) -> [(provider: GUID, name: String)] {
    state.withLock { state in
      state.leavings.values.flatMap(\.self).filter { $0.serviceClass == serviceClass }.map { ($0.provider, $0.name) }
    }
  }

  /// A provider does not have a name any more that an owner had left there.
  func forget(_ name: String, of serviceClass: GUID, at provider: GUID) {
    state.withLock { $0.forgetLeavings { $0 == Leaving(provider: provider, name: name, serviceClass: serviceClass) } }
  }

  // MARK: What has happened

  /// Takes in what a provider made of a registration.
  /// - Parameter owner: Whose was taken back, where that was said.
  func note(
    _ set: QuerySet, _ operation: RegistrationOperation, _ flags: UInt32, at provider: Provider, by client: ClientSession,
    of owner: UInt32? = nil, _ failure: WinsockError?
  ) {
    guard let name = set.serviceInstanceName else { return }
    defer { ChangeBell.registrations.ring() }
    let place = Place(
      provider: provider.id, name: name, context: set.context.flatMap { $0.isEmpty ? nil : $0 }, nameSpace: set.nameSpace)
    let addresses = set.addresses.map(\.remote)
    let isMultiple = flags & UInt32(SERVICE_MULTIPLE) != 0
    // Of some addresses of a name: others may be left.
    let isPart = isMultiple && !addresses.isEmpty
    // A user who is no operator takes back nothing of another's.
    let whose: Whose =
      owner.map { .user($0) } ?? .session(client.number, else: client.identity.isOperator ? .all : .user(client.identity.userID))
    switch (operation, failure) {
    case (.register, nil): insert(place, set.serviceClassID, addresses, adds: isMultiple, by: client)
    case (.deregister, nil), (.delete, nil):
      state.withLock { state in
        if isPart {
          state.change(place, set.serviceClassID, whose) { $0.addresses.removeAll(where: addresses.contains) }
        } else if operation == .deregister {
          state.change(place, set.serviceClassID, whose) { ($0.isRegistered, $0.addresses) = (false, []) }
        } else {
          state.remove(place, set.serviceClassID, whose)
        }
      }
    case (.delete, .serviceNotFound?), (.delete, .hostNotFound?):
      state.withLock { $0.remove(place, set.serviceClassID, .session(client.number, else: nil)) }
    default: break
    }
  }

  private func insert(
    _ place: Place, _ serviceClass: GUID?, _ addresses: [SocketAddress], adds: Bool, by client: ClientSession
  ) {
    var new = Registration(
      name: place.name, context: place.context, serviceClass: serviceClass, nameSpace: place.nameSpace, provider: place.provider,
      owner: client.identity, addresses: addresses, since: .now, session: client.number)
    let isNewOwner = state.withLock { state in
      let former = state.registrations[place]?.first { $0.serviceClass == serviceClass && $0.session == client.number }
      if adds, let former { new.addresses = former.addresses + addresses.filter { !former.addresses.contains($0) } }
      // Somebody who lives has it now.
      if let serviceClass {
        let left = Leaving(provider: place.provider, name: place.name, serviceClass: serviceClass)
        state.forgetLeavings { $0 == left }
      }
      let taken = (state.users[client.identity.userID] ?? 0) - (former?.bytes ?? 0)
      if former != nil { state.remove(place, serviceClass, .session(client.number, else: nil)) }
      guard taken + new.bytes <= bytesPerUser else { return false }
      state.add(new, at: place)
      let isNewOwner = state.owned[client.number] == nil
      state.owned[client.number, default: []].insert(place)
      return isNewOwner
    }
    if isNewOwner { client.afterEnd { [weak self] in self?.ended(client.number) } }
  }

  private func ended(_ session: UInt64) {
    let freed = state.withLock { state in
      var freed = 0
      for place in state.owned.removeValue(forKey: session) ?? [] {
        for one in state.registrations[place] ?? [] where one.session == session {
          state.remove(one, at: place)
          freed += one.bytes
          if let serviceClass = one.serviceClass {
            let left = Leaving(provider: one.provider, name: one.name, serviceClass: serviceClass)
            state.leave(left, by: one.owner.userID, Self.leftBytes)
          }
        }
      }
      state.shrink()
      return freed
    }
    FreedMemory.note(freed)
    ChangeBell.registrations.ring()
  }

  /// A provider has left the catalog, and with it everything that it knew.
  func forget(provider: GUID) {
    state.withLock { state in
      for (place, all) in state.registrations where place.provider == provider {
        for one in all { state.remove(one, at: place) }
      }
      state.forgetLeavings { $0.provider == provider }
      state.shrink()
    }
  }
}

extension RegistrationIndex.State {
  fileprivate mutating func add(_ new: RegistrationIndex.Registration, at place: RegistrationIndex.Place) {
    registrations[place, default: []].append(new)
    users[new.owner.userID, default: 0] += new.bytes
    if let serviceClass = new.serviceClass { references[serviceClass, default: 0] += 1 }
  }

  fileprivate mutating func remove(_ one: RegistrationIndex.Registration, at place: RegistrationIndex.Place) {
    guard let index = index(place, one.serviceClass, one.session) else { return }
    registrations[place]?.remove(at: index)
    if registrations[place]?.isEmpty == true { registrations[place] = nil }
    count(one, -one.bytes)
    // A session that has none left stays known: it is told of once.
    if registrations[place]?.contains(where: { $0.session == one.session }) != true { owned[one.session]?.remove(place) }
    if let serviceClass = one.serviceClass { forget(serviceClass) }
  }

  private mutating func count(_ one: RegistrationIndex.Registration, _ bytes: Int) {
    let rest = (users[one.owner.userID] ?? 0) + bytes
    users[one.owner.userID] = rest > 0 ? rest : nil
  }

  private mutating func forget(_ serviceClass: GUID) {
    let rest = (references[serviceClass] ?? 1) - 1
    references[serviceClass] = rest > 0 ? rest : nil
  }

  private func index(_ place: RegistrationIndex.Place, _ serviceClass: GUID?, _ session: UInt64) -> Int? {
    registrations[place]?.firstIndex { $0.serviceClass == serviceClass && $0.session == session }
  }

  /// Which entries an operation means. Who names no class means the name, whatever its class is.
  private func meant(
    _ place: RegistrationIndex.Place, _ serviceClass: GUID?, _ whose: RegistrationIndex.Whose
  ) -> [RegistrationIndex.Registration] {
    let all = registrations[place] ?? []
    let exact = all.filter { $0.serviceClass == serviceClass }
    let named = exact.isEmpty && serviceClass == nil ? all.filter { $0.serviceClass == all.first?.serviceClass } : exact
    switch whose {
    case .all: return named
    case .user(let user): return named.filter { $0.owner.userID == user }
    case .session(let session, let others):
      let own = named.filter { $0.session == session }
      return own.isEmpty ? others.map { meant(place, serviceClass, $0) } ?? [] : own
    }
  }

  fileprivate mutating func change(
    _ place: RegistrationIndex.Place, _ serviceClass: GUID?, _ whose: RegistrationIndex.Whose,
    _ change: (inout RegistrationIndex.Registration) -> Void
  ) {
    for one in meant(place, serviceClass, whose) {
      guard let index = index(place, one.serviceClass, one.session) else { continue }
      var new = one
      change(&new)
      registrations[place]?[index] = new
      count(new, new.bytes - one.bytes)
    }
  }

  fileprivate mutating func remove(
    _ place: RegistrationIndex.Place, _ serviceClass: GUID?, _ whose: RegistrationIndex.Whose
  ) {
    for one in meant(place, serviceClass, whose) { remove(one, at: place) }
    forgetLeavings { left in
      left.provider == place.provider && left.name == place.name && (serviceClass == nil || left.serviceClass == serviceClass)
    }
  }

  // MARK: What owners that are gone have left

  fileprivate mutating func leave(_ new: RegistrationIndex.Leaving, by user: UInt32, _ most: Int) {
    var all = leavings[user] ?? []
    if all.contains(new) { return }
    all.append(new)
    references[new.serviceClass, default: 0] += 1
    var bytes = all.reduce(0) { $0 + $1.bytes }
    while bytes > most {
      let oldest = all.removeFirst()
      bytes -= oldest.bytes
      forget(oldest.serviceClass)
    }
    leavings[user] = all.isEmpty ? nil : all
  }

  fileprivate mutating func forgetLeavings(_ isMeant: (RegistrationIndex.Leaving) -> Bool) {
    for (user, all) in leavings where all.contains(where: isMeant) {
      for one in all where isMeant(one) { forget(one.serviceClass) }
      let rest = all.filter { !isMeant($0) }
      leavings[user] = rest.isEmpty ? nil : rest
    }
  }

  /// Where little is left, so is the room for it.
  fileprivate mutating func shrink() {
    if registrations.count * 8 < registrations.capacity {
      registrations = Dictionary(uniqueKeysWithValues: registrations.map { $0 })
    }
    if owned.count * 8 < owned.capacity { owned = Dictionary(uniqueKeysWithValues: owned.map { $0 }) }
  }
}

extension RegistrationIndex.Registration {
  /// What it takes in memory, about.
  fileprivate var bytes: Int {
    512 + name.utf8.count + (context?.utf8.count ?? 0) + addresses.reduce(0) { $0 + 64 + $1.bytes.count }
  }
}

extension RegistrationIndex.Leaving {
  fileprivate var bytes: Int { 128 + name.utf8.count }
}
