import CWinsock
import Foundation
import Providers
import QuerySets
import Sessions
import Synchronization

/// What was registered through this host, with whom, and by whom. Nothing is ever deregistered because of it: what belongs to a session
/// is the provider's to drop (nsp.md L17), so an entry stays until somebody deletes the name, or its provider leaves the catalog.
///
/// Any thread may call.
public final class RegistrationIndex: Sendable {
  public struct Registration: Sendable {
    public var name: String
    public var serviceClass: GUID?
    public var provider: GUID
    public var owner: ClientIdentity
    /// Whether the owner's session lives. Where not, only the provider knows whether it has kept the registration.
    public var isOwnerLive = true
    /// Deregistered ones are still objects of their providers.
    public var isRegistered = true
    public var since: Date
    fileprivate var session: UInt64
  }

  /// A name at a provider. Under it, one registration for each class.
  fileprivate struct Place: Hashable {
    var provider: GUID
    var name: String
  }

  fileprivate struct Key: Hashable {
    var place: Place
    var serviceClass: GUID?
  }

  fileprivate struct State {
    var registrations: [Place: [GUID?: Registration]] = [:]
    /// What the entries of each user take.
    var users: [UInt32: Share] = [:]
    /// What each live session owns.
    var owned: [UInt64: Set<Key>] = [:]
    /// How many registrations of each class there are.
    var references: [GUID: Int] = [:]
  }

  fileprivate struct Share {
    var bytes = 0
    /// How many entries of owners that are gone there are.
    var orphans = 0
  }

  private let state = Mutex<State>(State())
  private let bytesPerUser: Int

  /// - Parameter bytesPerUser: About how much memory the entries of a user may take. Beyond it, those whose owners are gone make room,
  ///   the oldest first; where there is none, new ones are not noted. One user's flood costs the others nothing.
  public init(bytesPerUser: Int = 16 << 20) { self.bytesPerUser = bytesPerUser }

  /// By name.
  public var registrations: [Registration] {
    state.withLock { $0.registrations.values.flatMap(\.values) }.sorted { ($0.name, $0.since) < ($1.name, $1.since) }
  }

  /// Whether an instance of a class was registered and not deleted (`WSAETOOMANYREFS`, nsp.md §7.2).
  public func references(_ serviceClass: GUID) -> Bool { state.withLock { $0.references[serviceClass] ?? 0 > 0 } }

  /// Where instances of a class were registered by owners that are gone: their providers may have dropped them.
  func orphans(of serviceClass: GUID) -> [(provider: GUID, name: String)] {
    state.withLock { state in
      state.registrations.values.compactMap { $0[serviceClass] }.filter { !$0.isOwnerLive }.map { ($0.provider, $0.name) }
    }
  }

  /// A provider does not have a name any more that an owner had left there.
  func forget(_ name: String, of serviceClass: GUID, at provider: GUID) {
    let key = Key(place: Place(provider: provider, name: name), serviceClass: serviceClass)
    state.withLock { state in
      // Somebody may have registered it anew meanwhile.
      if state.registrations[key.place]?[serviceClass]?.isOwnerLive == false { state.remove(key) }
    }
  }

  // MARK: What has happened

  /// Takes in what a provider made of a registration.
  func note(
    _ set: QuerySet, _ operation: RegistrationOperation, _ flags: UInt32, at provider: Provider, by client: ClientSession,
    _ failure: WinsockError?
  ) {
    guard let name = set.serviceInstanceName else { return }
    let key = Key(place: Place(provider: provider.id, name: name), serviceClass: set.serviceClassID)
    // Of some addresses of a name: others may be left.
    let isPart = flags & UInt32(SERVICE_MULTIPLE) != 0 && !set.addresses.isEmpty
    switch (operation, failure) {
    case (.register, nil): insert(key, by: client)
    case (.deregister, nil) where !isPart: state.withLock { $0.change(key) { $0.isRegistered = false } }
    case (.delete, nil) where !isPart, (.delete, .serviceNotFound?), (.delete, .hostNotFound?):
      state.withLock { $0.remove($0.meant(key)) }
    default: break
    }
  }

  private func insert(_ key: Key, by client: ClientSession) {
    let user = client.identity.userID
    let isNewOwner = state.withLock { state in
      func hasRoom() -> Bool {
        let isOwn = state.registrations[key.place]?[key.serviceClass]?.owner.userID == user
        return (state.users[user]?.bytes ?? 0) + (isOwn ? 0 : key.bytes) <= bytesPerUser
      }
      if !hasRoom() { state.makeRoom(user, bytesPerUser / 16) }
      // Whose it was keeps it: the name is taken, whoever has it now.
      guard hasRoom() else { return false }
      state.remove(key)
      state.users[user, default: .init()].bytes += key.bytes
      state.registrations[key.place, default: [:]][key.serviceClass] = Registration(
        name: key.place.name, serviceClass: key.serviceClass, provider: key.place.provider, owner: client.identity, since: .now,
        session: client.number)
      if let serviceClass = key.serviceClass { state.references[serviceClass, default: 0] += 1 }
      let isNewOwner = state.owned[client.number] == nil
      state.owned[client.number, default: []].insert(key)
      return isNewOwner
    }
    if isNewOwner { client.afterEnd { [weak self] in self?.ended(client.number) } }
  }

  private func ended(_ session: UInt64) {
    state.withLock { state in
      for key in state.owned.removeValue(forKey: session) ?? [] {
        state.change(key) { $0.isOwnerLive = false }
        if let user = state.registrations[key.place]?[key.serviceClass]?.owner.userID { state.users[user]?.orphans += 1 }
      }
    }
  }

  /// A provider has left the catalog, and with it everything that it knew.
  func forget(provider: GUID) {
    state.withLock { state in
      for (place, classes) in state.registrations where place.provider == provider {
        for serviceClass in classes.keys { state.remove(Key(place: place, serviceClass: serviceClass)) }
      }
    }
  }
}

extension RegistrationIndex.State {
  /// Who names no class means the name, whatever its class was.
  fileprivate func meant(_ key: RegistrationIndex.Key) -> RegistrationIndex.Key {
    guard key.serviceClass == nil, let classes = registrations[key.place], classes[nil] == nil, let first = classes.keys.first
    else { return key }
    return RegistrationIndex.Key(place: key.place, serviceClass: first)
  }

  fileprivate mutating func change(_ key: RegistrationIndex.Key, _ change: (inout RegistrationIndex.Registration) -> Void) {
    let key = meant(key)
    guard var registration = registrations[key.place]?[key.serviceClass] else { return }
    change(&registration)
    registrations[key.place]?[key.serviceClass] = registration
  }

  fileprivate mutating func remove(_ key: RegistrationIndex.Key) {
    guard let registration = registrations[key.place]?.removeValue(forKey: key.serviceClass) else { return }
    if registrations[key.place]?.isEmpty == true { registrations[key.place] = nil }
    let user = registration.owner.userID
    users[user]?.bytes -= key.bytes
    if !registration.isOwnerLive { users[user]?.orphans -= 1 }
    if users[user]?.bytes == 0 { users[user] = nil }
    // A session that has none left stays known: it is told of once.
    owned[registration.session]?.remove(key)
    guard let serviceClass = key.serviceClass else { return }
    let rest = (references[serviceClass] ?? 1) - 1
    references[serviceClass] = rest > 0 ? rest : nil
  }

  /// So much at a time, so that it is not looked for each time.
  fileprivate mutating func makeRoom(_ user: UInt32, _ bytes: Int) {
    guard users[user]?.orphans ?? 0 > 0 else { return }
    let orphans = registrations.flatMap { place, classes in
      classes.filter { !$0.value.isOwnerLive && $0.value.owner.userID == user }.map {
        (RegistrationIndex.Key(place: place, serviceClass: $0.key), $0.value.since)
      }
    }
    var freed = 0
    for (key, _) in orphans.sorted(by: { $0.1 < $1.1 }) where freed < bytes {
      freed += key.bytes
      remove(key)
    }
  }
}

extension RegistrationIndex.Key {
  /// What it takes in memory, about.
  fileprivate var bytes: Int { 512 + place.name.utf8.count }
}
