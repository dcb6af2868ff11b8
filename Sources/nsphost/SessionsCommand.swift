import ArgumentParser
import CallManagement
import Foundation
import Hosting
import Providers
import Sessions

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

  func output(of host: ProviderHost, withAges: Bool) -> CommandOutput {
    let report = SessionsReport(host)
    return options.json ? CommandOutput(report.document(withAges: withAges)) : CommandOutput(report.lines(withAges: withAges))
  }
}

struct KickCommand: RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "kick", abstract: "End a client's session: every call of the process is closed, every provider is told.")

  @OptionGroup var options: HostOptions

  @Argument(help: "The process id.")
  var pid: Int32

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    let sessions = host.sessions.sessions.filter { $0.identity.processID == pid }
    guard let session = sessions.first else {
      throw CommandFailure(
        kind: .nothingFound, what: "process \(pid)", why: "it has no session", remedy: "nsphost sessions lists them",
        isJSON: options.json)
    }
    let providers = session.providerSessions.map(\.provider.name)
    let calls = host.calls.calls.filter { $0.peer?.processID == pid }
    let closed = calls.count { if case .closed = host.closeCall($0.number, .kicked) { true } else { false } }
    let line =
      "kicked \(pid) \(session.identity.command): \(Output.count(closed, "call", "calls")) closed (status kicked)"
      + (providers.isEmpty ? "" : ", rundown at \(providers.joined(separator: ", "))")
    return options.json ? CommandOutput(SessionsReport(host).document(withAges: true)) : CommandOutput([line])
  }
}

/// The client processes of a host, and the books of all that there were.
struct SessionsReport {
  private let sessions: [ClientSession]
  private let calls: [CallsReport.Call]
  private let ledger: SessionLedger.Figures

  init(_ host: ProviderHost) {
    sessions = host.sessions.sessions
    calls = host.calls.calls
    ledger = host.ledger.reduce(SessionLedger.Figures()) { $0 + $1.figures }
  }

  private func calls(of session: ClientSession) -> [CallsReport.Call] { calls.filter { $0.peer == session.identity } }

  func lines(withAges: Bool) -> [String] {
    var lines: [String] = []
    if !sessions.isEmpty {
      lines = Output.table(
        ["PID", "UID", "COMMAND", withAges ? "AGE" : "", "CALLS", "LOOKUPS", "IN FLIGHT", "STATE", "PROVIDERS"],
        sessions.map { session in
          [
            String(session.identity.processID), String(session.identity.userID), session.identity.command,
            withAges ? Output.age(MonotonicTime.now - session.opened) : "", String(calls(of: session).count),
            String(session.resources.count), String(inFlight(session)), session.isOpen ? "live" : "draining",
            session.providerSessions.isEmpty
              ? "-" : session.providerSessions.map { "\($0.provider.name) \($0.state.word)" }.joined(separator: ", "),
          ]
        }, rightAligned: [0, 1, 4, 5, 6])
      lines.append("")
    }
    lines.append(
      "\(Output.count(sessions.count, "session", "sessions")); startups \(ledger.startups) "
        + "\(ledger.isBalanced ? "=" : "!=") cleanups \(ledger.cleanups) + rundowns \(ledger.rundowns) + live \(ledger.live)")
    return lines
  }

  /// Whoever is inside the session at a provider: routines that run, calls that are not complete, lookups that are open there.
  private func inFlight(_ session: ClientSession) -> Int { session.providerSessions.reduce(0) { $0 + $1.gate.occupants } }

  struct Document: Encodable {
    struct Provider: Encodable {
      var name: String
      var argument: String
      var inFlight: Int
    }
    struct Session: Encodable {
      var pid: Int32
      var command: String
      var uid: UInt32
      var ageUs: Int
      var state: String
      var calls: [UInt64]
      var providers: [Provider]
      var openLookups: Int
    }
    struct Ledger: Encodable {
      var startups: Int
      var cleanups: Int
      var rundowns: Int
      var live: Int
    }
    let schema = "nsphost.sessions/1"
    let host = HostEnvelope()
    var sessions: [Session]
    var ledger: Ledger
  }

  func document(withAges: Bool) -> Document {
    Document(
      sessions: sessions.map { session in
        .init(
          pid: session.identity.processID, command: session.identity.command, uid: session.identity.userID,
          ageUs: withAges ? Int((MonotonicTime.now - session.opened).microseconds) : 0,
          state: session.isOpen ? "live" : "draining", calls: calls(of: session).map(\.number),
          providers: session.providerSessions.map {
            .init(name: $0.provider.name, argument: $0.state.word, inFlight: $0.gate.occupants)
          }, openLookups: session.resources.count)
      },
      ledger: .init(startups: ledger.startups, cleanups: ledger.cleanups, rundowns: ledger.rundowns, live: ledger.live))
  }
}

extension Lifecycle.State {
  /// Of the session argument, in a word.
  var word: String {
    switch self {
    case .absent: "absent"
    case .starting: "starting"
    case .live: "live"
    case .draining: "draining"
    case .ended: "ended"
    }
  }
}
