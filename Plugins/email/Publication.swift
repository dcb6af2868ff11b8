import NSPProvider
import QuerySets

/// What one session has published under one address and service, and what a registration makes of it (nsp.md §5.7).
struct Publication: Sendable {
  let session: ObjectIdentifier
  let client: Client
  let service: Service
  /// Name, context, comment, blob and addresses: what is asked for is answered with it as it is.
  var record: QuerySet
  /// False when it was deregistered: there, and without addresses.
  var isRegistered = true
  /// An operator has published it, or a rule permits it: it counts for everybody. Else it counts for its user alone.
  var countsForEverybody: Bool
  /// When it was registered last, in the provider's own count.
  var latest: UInt64

  /// Whether it counts for a client.
  func isSeen(by client: Client) -> Bool { countsForEverybody || self.client.userID == client.userID }

  /// What it takes to give it away.
  var size: Int { (try? record.packedSize(as: .v2)) ?? .max }

  enum Change {
    case addresses([ServiceAddress], isRegistered: Bool)
    case removal
    case unknown
  }

  /// The table of §5.7: what becomes of a publication, or of none.
  static func change(_ known: Publication?, by registration: Registration) -> Change {
    let given = registration.set.addresses
    let old = known?.record.addresses ?? []
    switch (registration.operation, registration.isMultiple, known) {
    case (.register, false, _): return .addresses(distinct(given), isRegistered: true)
    case (.register, true, _): return .addresses(distinct(old + given), isRegistered: true)
    case (.deregister, _, nil), (.delete, _, nil): return .unknown
    case (.deregister, false, _): return .addresses([], isRegistered: false)
    case (.deregister, true, let known?):
      let rest = rest(of: old, without: given)
      return .addresses(rest, isRegistered: known.isRegistered && !rest.isEmpty)
    case (.delete, false, _): return .removal
    case (.delete, true, let known?):
      let rest = rest(of: old, without: given)
      return rest.isEmpty ? .removal : .addresses(rest, isRegistered: known.isRegistered)
    }
  }

  /// Each once, at its first place.
  private static func distinct(_ addresses: [ServiceAddress]) -> [ServiceAddress] {
    var seen: Set<ServiceAddress> = []
    return addresses.filter { seen.insert($0).inserted }
  }

  /// What is left when some addresses are taken back. What these say nothing of, which is local address, type and protocol, may be anything.
  private static func rest(of addresses: [ServiceAddress], without given: [ServiceAddress]) -> [ServiceAddress] {
    let given = Set(given)
    return addresses.filter { address in
      for local in [address.local, SocketAddress(bytes: [])] {
        for socketType in [address.socketType, 0] {
          for number in [address.protocolNumber, 0]
          where given.contains(
            ServiceAddress(local: local, remote: address.remote, socketType: socketType, protocolNumber: number))
          {
            return false
          }
        }
      }
      return true
    }
  }
}
