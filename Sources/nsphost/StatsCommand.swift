import ArgumentParser

struct StatsCommand: RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Show the sessions of each provider, and what is wrong with the host.",
    discussion: """
      What is wrong: what was refused since the host began, by limit and user; the quotas of which four fifths are taken now; providers that \
      died, that cannot answer, or that did not answer in time; and how many lines of the log are lost.
      """)

  @OptionGroup var options: HostOptions

  func request() -> Control.Stats { Control.Stats() }

  func output(_ answer: Control.Stats.Answer) -> CommandOutput {
    options.json ? CommandOutput(answer) : CommandOutput(answer.lines)
  }
}

extension Control.Stats.Answer {
  /// The books alone.
  var ledgerLines: [String] {
    var lines = Output.table(
      ["PROVIDER", "STARTUPS", "CLEANUPS", "RUNDOWNS", "LIVE", "FAILED"],
      providers.map { row in
        [row.provider ?? "-"] + [row.startups, row.cleanups, row.rundowns, row.live, row.failed].map(String.init)
      }, rightAligned: [1, 2, 3, 4, 5])
    let isBalanced = ledger.startups == ledger.cleanups + ledger.rundowns + ledger.live
    lines.append("")
    lines.append(
      "startups \(ledger.startups) \(isBalanced ? "=" : "!=") cleanups \(ledger.cleanups) + rundowns \(ledger.rundowns) + live \(ledger.live)"
    )
    return lines
  }

  fileprivate var lines: [String] {
    var lines = ledgerLines
    func add(_ header: [String], _ rows: [[String]], rightAligned: Set<Int>) {
      if rows.isEmpty { return }
      lines.append("")
      lines += Output.table(header, rows, rightAligned: rightAligned)
    }
    add(
      ["REFUSED BY", "UID", "TIMES", "LAST"],
      refusals.map { [$0.limit, Self.text($0.uid), String($0.count), Output.age(.microseconds($0.lastAgeUs)) + " ago"] },
      rightAligned: [1, 2])
    add(
      ["NEARLY TAKEN", "UID", "PID", "TAKEN", "LIMIT"],
      nearlyTaken.map {
        [$0.limit, Self.text($0.uid), $0.pid.map(String.init) ?? "-", String($0.taken), String($0.maximum)]
      }, rightAligned: [1, 2, 3, 4])
    add(
      ["FAULTS OF", "DEATHS", "FAILED", "LATE", "NOW"],
      faults.map { fault in
        [fault.provider, String(fault.deaths), String(fault.failedStartups), String(fault.lateCalls)]
          + [fault.state ?? fault.lastDeath.map { "well; died last of \($0)" } ?? "well"]
      }, rightAligned: [1, 2, 3])
    lines.append("")
    lines.append(contentsOf: isWell ? ["nothing is wrong"] : ["wrong: \(troubles.joined(separator: ", "))"])
    return lines
  }

  /// All of it in a few words.
  private var troubles: [String] {
    let refused = refusals.reduce(0) { $0 + $1.count }
    return [
      (refused, Output.count(refused, "refusal", "refusals")),
      (nearlyTaken.count, "\(Output.count(nearlyTaken.count, "quota", "quotas")) nearly taken"),
      (faults.count, "faults of \(Output.count(faults.count, "provider", "providers"))"),
      (log.lostLines, "\(Output.count(log.lostLines, "line", "lines")) of the log lost"),
    ].filter { $0.0 > 0 }.map(\.1)
  }

  private static func text(_ user: UInt32?) -> String { user.map(String.init) ?? "-" }
}
