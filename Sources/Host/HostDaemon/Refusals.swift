import Hosting
import Providers
import Rundown
import Wire

extension HostLimit {
  /// What it is called in the configuration; of descriptors, what the system calls it.
  public var key: String {
    switch self {
    case .connections: "limits.connections"
    case .connectionsPerUser: "limits.connections-per-user"
    case .sessionsPerUser: "limits.sessions-per-user"
    case .requestsPerUser: "limits.requests-per-user"
    case .lookupsPerProcess: "limits.lookups-per-process"
    case .lookupsPerUser: "limits.lookups-per-user"
    case .registrationsPerUser: "limits.registrations-per-user"
    case .bytesPerUser: "limits.bytes-per-user"
    case .bytesQueued: "limits.bytes-queued"
    case .frameBytes: "limits.frame-bytes"
    case .helloTime: "limits.hello-ms"
    case .descriptors: "RLIMIT_NOFILE"
    }
  }

  /// Whether all users together meet it.
  var isShared: Bool { self == .connections || self == .descriptors }

  /// How much of it there is.
  func maximum(_ limits: HostLimits) -> Int {
    switch self {
    case .connections: limits.connections
    case .connectionsPerUser: limits.connectionsPerUser
    case .sessionsPerUser: limits.sessionsPerUser
    case .requestsPerUser: limits.requestsPerUser
    case .lookupsPerProcess: limits.lookupsPerClient
    case .lookupsPerUser: limits.lookupsPerUser
    case .registrationsPerUser: limits.registrationsPerUser
    case .bytesPerUser: limits.bytesPerUser
    case .bytesQueued: limits.bytesQueued
    case .frameBytes: Int(limits.maximumFrame)
    case .helloTime: limits.helloTime
    case .descriptors: DescriptorLimit.current
    }
  }
}

extension MetLimit {
  /// The limit, its value, and whose it is.
  public var text: String {
    let whose =
      switch limit {
      case .descriptors: "the host's process"
      case .lookupsPerProcess: "each process"
      case .frameBytes, .bytesQueued, .helloTime: "each connection"
      case .connections: "all users together"
      default: user.map { "user \($0)" } ?? "each user"
      }
    return "\(limit.key) = \(maximum) of \(whose)"
  }
}

/// Counts what is refused by limits, by limit and user, and writes it to the log: the first refusal of a user at once, those of the next
/// minute as one line with their number. There is a timer only while such a minute runs.
final class Refusals: Sendable {
  private struct Key: Hashable {
    var limit: HostLimit
    var user: UInt32
  }

  private struct State {
    var counts: [Key: (number: Int, last: MonotonicTime)] = [:]
    /// What has been refused and is in no line yet, of the users whose minute runs.
    var unsaid: [UInt32: [HostLimit: Int]] = [:]
  }

  private let limits: HostLimits
  private let period: Duration
  private let state = Locked<State>(State())

  /// The others are counted as users of this number, which nobody has.
  private static let mostRows = 4096
  static let otherUsers = UInt32.max

  init(_ limits: HostLimits, period: Duration = .seconds(60)) { (self.limits, self.period) = (limits, period) }

  /// Something of a user is refused. Calls out to the log: hold no lock.
  /// - Returns: What the client is told.
  @discardableResult
  func met(_ limit: HostLimit, by user: UInt32) -> MetLimit {
    let met = MetLimit(limit, of: limit.isShared ? nil : user, maximum: UInt64(max(0, limit.maximum(limits))))
    let isFirst = state.withLock { state in
      var key = Key(limit: limit, user: user)
      if state.counts[key] == nil, state.counts.count >= Self.mostRows { key.user = Self.otherUsers }
      state.counts[key] = ((state.counts[key]?.number ?? 0) + 1, .now)
      guard state.unsaid[key.user] != nil else {
        state.unsaid[key.user] = [:]
        return true
      }
      state.unsaid[key.user]![limit, default: 0] += 1
      return false
    }
    if isFirst {
      HostLog.write(.warning, "user \(user) is refused: \(met.text) is met")
      sayLater(user)
    }
    return met
  }

  private func sayLater(_ user: UInt32) {
    HostTimers.after(period) { [weak self] in self?.minuteIsOver(user) }
  }

  private func minuteIsOver(_ user: UInt32) {
    let unsaid: [HostLimit: Int] = state.withLock { state in
      defer { state.unsaid[user] = state.unsaid[user]?.isEmpty == false ? [:] : nil }
      return state.unsaid[user] ?? [:]
    }
    guard !unsaid.isEmpty else { return }
    let parts = unsaid.sorted { $0.key.rawValue < $1.key.rawValue }.map {
      "\($0.key.key) = \($0.key.maximum(limits)) (\($0.value))"
    }
    let sum = unsaid.values.reduce(0, +)
    HostLog.write(
      .warning,
      "user \(user) was refused \(sum) more \(sum == 1 ? "time" : "times") in \(period.components.seconds) s: "
        + parts.joined(separator: ", "))
    sayLater(user)
  }

  /// How often each limit was met since the host has begun, by limit and user.
  var rows: [LimitsReport.Refusal] {
    state.withLock { $0.counts }.map { key, count in
      LimitsReport.Refusal(
        limit: key.limit.key, user: key.user == Self.otherUsers ? nil : key.user, count: count.number, last: count.last)
    }.sorted { ($0.limit, $0.user ?? .max) < ($1.limit, $1.user ?? .max) }
  }
}
