import Hosting
import Providers
import Sessions

extension Control {
  /// The books: every startup is answered by one cleanup or one rundown, or its session lives. And what an operator should look at.
  struct Stats: ControlRequest {
    static let name = "stats"

    struct Answer: Codable, Sendable {
      struct Figures: Codable, Sendable {
        var provider: String?
        var startups: Int
        var cleanups: Int
        var rundowns: Int
        var live: Int
        var failed: Int

        init(_ provider: String?, _ figures: SessionLedger.Figures) {
          self.provider = provider
          startups = figures.startups
          cleanups = figures.cleanups
          rundowns = figures.rundowns
          live = figures.live
          failed = figures.failedStartups
        }
      }
      struct Refusal: Codable, Sendable {
        var limit: String
        var uid: UInt32?
        var count: Int
        var lastAgeUs: Int
      }
      struct Quota: Codable, Sendable {
        var limit: String
        var uid: UInt32?
        var pid: Int32?
        var taken: Int
        var maximum: Int
      }
      /// What a provider did, or does, that it should not.
      struct Fault: Codable, Sendable {
        var provider: String
        var deaths: Int
        var lastDeath: String?
        var failedStartups: Int
        var lateCalls: Int
        /// What is wrong now; nil where it is well again.
        var state: String?
      }
      struct Log: Codable, Sendable {
        var lostLines: Int
      }
      var schema = "nsphost.stats/1"
      var host = HostEnvelope()
      var providers: [Figures]
      var ledger: Figures
      var refusals: [Refusal]
      var nearlyTaken: [Quota]
      var faults: [Fault]
      var log: Log
      var isWell: Bool

      init(_ host: ProviderHost) {
        let (rows, limits) = (host.ledger, host.limitsReport ?? LimitsReport())
        providers = rows.map { Figures($0.provider, $0.figures) }
        ledger = Figures(nil, rows.reduce(SessionLedger.Figures()) { $0 + $1.figures })
        refusals = limits.refusals.map {
          Refusal(limit: $0.limit, uid: $0.user, count: $0.count, lastAgeUs: Int((MonotonicTime.now - $0.last).microseconds))
        }
        nearlyTaken = limits.near.map {
          Quota(limit: $0.limit, uid: $0.user, pid: $0.processID, taken: $0.taken, maximum: $0.maximum)
        }
        faults = host.catalog.entries.filter { $0.manifest.source != .builtIn }.compactMap(Fault.init)
        log = Log(lostLines: HostLog.lost)
        isWell = limits.refusals.isEmpty && nearlyTaken.isEmpty && faults.isEmpty && log.lostLines == 0
      }
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) -> Answer { Answer(host) }
  }
}

extension Control.Stats.Answer.Fault {
  /// Nil where nothing ever was wrong.
  fileprivate init?(_ entry: Catalog.Entry) {
    let figures = entry.figures
    provider = entry.manifest.displayName
    (deaths, lastDeath) = (entry.hosting?.deaths ?? 0, entry.hosting?.lastDeath)
    (failedStartups, lateCalls) = (figures.failedStartups, figures.lateCalls)
    switch entry.awaitedProcess {
    case .quarantined: state = "quarantined"
    case .restarting: state = "restarting"
    case .dead: state = "dead"
    case .starting, .running, nil: state = entry.provider?.condition.failure ?? entry.failure.map { "failed: \($0.detail)" }
    }
    if deaths + failedStartups + lateCalls == 0, state == nil { return nil }
  }
}
