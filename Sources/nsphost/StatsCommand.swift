import ArgumentParser
import Lookups
import Providers
import Sessions

struct StatsCommand: RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Show how many sessions each provider was given and how they ended.")

  @OptionGroup var options: HostOptions

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) -> CommandOutput {
    let report = LedgerReport(host)
    return options.json ? CommandOutput(report.document) : CommandOutput(report.lines)
  }
}

/// The books: every startup is answered by one cleanup or one rundown, or its session lives.
struct LedgerReport {
  let rows: [(provider: String, figures: SessionLedger.Figures)]

  init(_ host: ProviderHost) { rows = host.ledger }

  var lines: [String] {
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
    let schema = "nsphost.stats/1"
    let host = HostEnvelope()
    var providers: [Figures]
    var ledger: Figures
  }

  var document: Document {
    Document(
      providers: rows.map { .init($0.provider, $0.figures) },
      ledger: .init(nil, rows.reduce(SessionLedger.Figures()) { $0 + $1.figures }))
  }
}
