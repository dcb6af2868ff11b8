import ArgumentParser
import Hosting
import Providers
import Sessions

struct StatsCommand: RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Show the sessions of each provider, and what is wrong with the host.",
    discussion: """
      What is wrong: what was refused since the host began, by limit and user; the quotas of which four fifths are taken now; providers that \
      died, that cannot answer, or that did not answer in time; and how many lines of the log are lost.
      """)

  @OptionGroup var options: HostOptions

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) -> CommandOutput {
    let report = StatsReport(host)
    return options.json ? CommandOutput(report.document) : CommandOutput(report.lines)
  }
}

/// The books: every startup is answered by one cleanup or one rundown, or its session lives. And what an operator should look at.
struct StatsReport {
  private let rows: [(provider: String, figures: SessionLedger.Figures)]
  private let limits: LimitsReport
  private let faults: [Fault]
  private let lostLines: Int

  /// What a provider did, or does, that it should not.
  private struct Fault {
    var provider: String
    var deaths: Int
    var lastDeath: String?
    var failedStartups: Int
    var lateCalls: Int
    /// What is wrong now; nil where it is well again.
    var state: String?

    init?(_ entry: Catalog.Entry) {
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

  init(_ host: ProviderHost) {
    rows = host.ledger
    limits = host.limitsReport ?? LimitsReport()
    faults = host.catalog.entries.filter { $0.manifest.source != .builtIn }.compactMap(Fault.init)
    lostLines = HostLog.lost
  }

  /// The books alone.
  var ledgerLines: [String] {
    var lines = Output.table(
      ["PROVIDER", "STARTUPS", "CLEANUPS", "RUNDOWNS", "LIVE", "FAILED"],
      rows.map { name, figures in
        [name] + [figures.startups, figures.cleanups, figures.rundowns, figures.live, figures.failedStartups].map(String.init)
      }, rightAligned: [1, 2, 3, 4, 5])
    let sum = rows.reduce(SessionLedger.Figures()) { $0 + $1.figures }
    lines.append("")
    lines.append(
      "startups \(sum.startups) \(sum.isBalanced ? "=" : "!=") cleanups \(sum.cleanups) + rundowns \(sum.rundowns) + live \(sum.live)"
    )
    return lines
  }

  var lines: [String] {
    var lines = ledgerLines
    func add(_ header: [String], _ rows: [[String]], rightAligned: Set<Int>) {
      if rows.isEmpty { return }
      lines.append("")
      lines += Output.table(header, rows, rightAligned: rightAligned)
    }
    add(
      ["REFUSED BY", "UID", "TIMES", "LAST"],
      limits.refusals.map { [$0.limit, Self.text($0.user), String($0.count), Output.age(MonotonicTime.now - $0.last) + " ago"] },
      rightAligned: [1, 2])
    add(
      ["NEARLY TAKEN", "UID", "PID", "TAKEN", "LIMIT"],
      limits.near.map {
        [$0.limit, Self.text($0.user), $0.processID.map(String.init) ?? "-", String($0.taken), String($0.maximum)]
      }, rightAligned: [1, 2, 3, 4])
    add(
      ["FAULTS OF", "DEATHS", "FAILED", "LATE", "NOW"],
      faults.map { fault in
        [fault.provider, String(fault.deaths), String(fault.failedStartups), String(fault.lateCalls)]
          + [fault.state ?? fault.lastDeath.map { "well; died last of \($0)" } ?? "well"]
      }, rightAligned: [1, 2, 3])
    lines.append("")
    lines.append(contentsOf: troubles.isEmpty ? ["nothing is wrong"] : ["wrong: \(troubles.joined(separator: ", "))"])
    return lines
  }

  /// All of it in a few words.
  private var troubles: [String] {
    let refused = limits.refusals.reduce(0) { $0 + $1.count }
    return [
      (refused, Output.count(refused, "refusal", "refusals")),
      (limits.near.count, "\(Output.count(limits.near.count, "quota", "quotas")) nearly taken"),
      (faults.count, "faults of \(Output.count(faults.count, "provider", "providers"))"),
      (lostLines, "\(Output.count(lostLines, "line", "lines")) of the log lost"),
    ].filter { $0.0 > 0 }.map(\.1)
  }

  private static func text(_ user: UInt32?) -> String { user.map(String.init) ?? "-" }

  struct Document: Encodable {
    struct Figures: Encodable {
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
    struct Refusal: Encodable {
      var limit: String
      var uid: UInt32?
      var count: Int
      var lastAgeUs: Int
    }
    struct Quota: Encodable {
      var limit: String
      var uid: UInt32?
      var pid: Int32?
      var taken: Int
      var maximum: Int
    }
    struct Fault: Encodable {
      var provider: String
      var deaths: Int
      var lastDeath: String?
      var failedStartups: Int
      var lateCalls: Int
      var state: String?
    }
    struct Log: Encodable {
      var lostLines: Int
    }
    let schema = "nsphost.stats/1"
    let host = HostEnvelope()
    var providers: [Figures]
    var ledger: Figures
    var refusals: [Refusal]
    var nearlyTaken: [Quota]
    var faults: [Fault]
    var log: Log
    var isWell: Bool
  }

  var document: Document {
    Document(
      providers: rows.map { .init($0.provider, $0.figures) },
      ledger: .init(nil, rows.reduce(SessionLedger.Figures()) { $0 + $1.figures }),
      refusals: limits.refusals.map {
        .init(limit: $0.limit, uid: $0.user, count: $0.count, lastAgeUs: Int((MonotonicTime.now - $0.last).microseconds))
      },
      nearlyTaken: limits.near.map {
        .init(limit: $0.limit, uid: $0.user, pid: $0.processID, taken: $0.taken, maximum: $0.maximum)
      },
      faults: faults.map {
        .init(
          provider: $0.provider, deaths: $0.deaths, lastDeath: $0.lastDeath, failedStartups: $0.failedStartups,
          lateCalls: $0.lateCalls, state: $0.state)
      }, log: .init(lostLines: lostLines), isWell: troubles.isEmpty)
  }
}
