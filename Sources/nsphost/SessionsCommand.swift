import ArgumentParser

struct SessionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sessions", abstract: "Show the sessions of client processes, or end one.",
    subcommands: [ShowSessionsCommand.self, KickCommand.self], defaultSubcommand: ShowSessionsCommand.self)
}

struct ShowSessionsCommand: WatchingCommand, RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show each client process, its providers, what it has open, and the books.")

  @OptionGroup var options: HostOptions

  @Flag(name: .long, help: "Stay, and show every change. End with Ctrl-C.")
  var watch = false

  func request() -> Control.Sessions { Control.Sessions() }

  func output(_ answer: Control.Sessions.Answer) -> CommandOutput {
    options.json ? CommandOutput(answer) : CommandOutput(answer.lines)
  }
}

struct KickCommand: RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "kick", abstract: "End a client's session: every call of the process is closed, every provider is told.")

  @OptionGroup var options: HostOptions

  @Argument(help: "The process id.")
  var pid: Int32

  func request() -> Control.SessionKick { Control.SessionKick(pid: pid) }

  func output(_ answer: Control.SessionKick.Answer) -> CommandOutput {
    if options.json { return CommandOutput(answer.sessions) }
    return CommandOutput([
      "kicked \(pid) \(answer.command): \(Output.count(answer.closed, "call", "calls")) closed (status kicked)"
        + (answer.providers.isEmpty ? "" : ", rundown at \(answer.providers.joined(separator: ", "))")
    ])
  }
}

extension Control.Sessions.Answer {
  fileprivate var lines: [String] {
    var lines: [String] = []
    if !sessions.isEmpty {
      lines = Output.table(
        ["PID", "UID", "COMMAND", "AGE", "CALLS", "LOOKUPS", "IN FLIGHT", "STATE", "PROVIDERS"],
        sessions.map { session in
          [
            String(session.pid), String(session.uid), session.command, Output.age(.microseconds(session.ageUs)),
            String(session.calls.count), String(session.openLookups),
            String(session.providers.reduce(0) { $0 + $1.inFlight }), session.state,
            session.providers.isEmpty ? "-" : session.providers.map { "\($0.name) \($0.argument)" }.joined(separator: ", "),
          ]
        }, rightAligned: [0, 1, 4, 5, 6])
      lines.append("")
    }
    let isBalanced = ledger.startups == ledger.cleanups + ledger.rundowns + ledger.live
    lines.append(
      "\(Output.count(sessions.count, "session", "sessions")); startups \(ledger.startups) "
        + "\(isBalanced ? "=" : "!=") cleanups \(ledger.cleanups) + rundowns \(ledger.rundowns) + live \(ledger.live)")
    return lines
  }
}
