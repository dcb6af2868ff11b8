import QuerySets

/// A host as a module knows it, or some of it.
struct FoundHost: Sendable {
  var name: String
  var aliases: [String] = []
  var addresses: [SocketAddress] = []
  /// In seconds; nil where the module does not say.
  var timeToLive: UInt32?

  /// With addresses of these families alone.
  func limited(to families: [Int32]) throws(Shortfall) -> FoundHost {
    var host = self
    host.addresses.removeAll { address in !families.contains { $0 == address.family } }
    if host.addresses.isEmpty { throw .noData }
    return host
  }

  /// Adds what another function of the same module says of the same host.
  mutating func add(_ other: FoundHost) {
    aliases = (aliases + [other.name] + other.aliases).withoutRepetition(except: [name])
    addresses = (addresses + other.addresses).withoutRepetition()
    timeToLive = [timeToLive, other.timeToLive].compactMap { $0 }.min()
  }
}

extension Sequence where Element: Hashable {
  /// Each element once, where it comes first; those that are there already not at all.
  func withoutRepetition(except known: Set<Element> = []) -> [Element] {
    var known = known
    return filter { known.insert($0).inserted }
  }
}

/// A service as a module knows it.
struct FoundService: Sendable {
  var name: String
  var aliases: [String]
  var port: UInt16
  var protocolName: String
}

/// Why a module gives no answer.
enum Shortfall: Error {
  /// It has no function for the question: a stub answers in its place, as if it were unavailable.
  case lacking
  case unavailable
  /// It says that it has answered, but what it has left can't be an answer.
  case rubbish(String)
  case unknown
  case noData
  /// No buffer is large enough for it.
  case tooLarge
  case tryAgain

  /// Of several modules the one counts that has come furthest; whoever may know later counts most.
  private var rank: Int {
    switch self {
    case .lacking: 0
    case .unavailable: 1
    case .rubbish: 2
    case .unknown: 3
    case .noData: 4
    case .tooLarge: 5
    case .tryAgain: 6
    }
  }

  func orWorthier(_ other: Shortfall) -> Shortfall { rank >= other.rank ? self : other }

  var winsockError: WinsockError {
    switch self {
    case .lacking, .unknown: .serviceNotFound
    case .unavailable, .rubbish: .systemCallFailure
    case .noData: .noData
    case .tooLarge: .noBuffers
    case .tryAgain: .tryAgain
    }
  }
}

extension Shortfall: CustomStringConvertible {
  var description: String {
    switch self {
    case .lacking: "has no function for that"
    case .unavailable: "is unavailable"
    case .rubbish(let what): "has left rubbish: \(what)"
    case .unknown: "knows nothing of it"
    case .noData: "knows it, but has no data of that kind"
    case .tooLarge: "is not content with any buffer"
    case .tryAgain: "has no answer for now"
    }
  }
}
