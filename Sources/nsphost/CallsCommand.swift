import ArgumentParser
import CallManagement
import Glibc
import Hosting
import Sessions

struct CallsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calls", abstract: "Show the calls of clients, or close one.",
    discussion: "Every client's session is a call through a transport; closing the call ends the session.",
    subcommands: [ShowCallsCommand.self, CloseCallCommand.self], defaultSubcommand: ShowCallsCommand.self)
}

struct ShowCallsCommand: WatchingCommand, RunningHostCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Show the calls of clients.")

  @OptionGroup var options: HostOptions

  @Flag(name: .long, help: "Stay, and show every change. End with Ctrl-C.")
  var watch = false

  func output(of host: ProviderHost, withAges: Bool) -> CommandOutput {
    options.json
      ? CommandOutput(CallsDocument(host.calls, withAges: withAges)) : CommandOutput(host.calls.lines(withAges: withAges))
  }
}

struct CloseCallCommand: RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "close", abstract: "Close a call: its session ends, and every provider is told.",
    discussion: "Returns when the providers have been told, or after five seconds.")

  @OptionGroup var options: HostOptions
  @OptionGroup var choice: CallChoice

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    let outcome = host.closeCall(choice.number, choice.status)
    if let (why, remedy) = outcome.failure {
      var kind = CommandFailure.Kind.failed
      if case .notFound = outcome { kind = .nothingFound }
      throw CommandFailure(kind: kind, what: "call \(choice.number)", why: why, remedy: remedy, isJSON: options.json)
    }
    return options.json ? CommandOutput(CallsDocument(host.calls, withAges: true)) : CommandOutput([outcome.line(choice)])
  }
}

/// Which call, and why it is closed, on the command line and in scripts alike.
struct CallChoice: ParsableArguments {
  @Argument(help: ArgumentHelp("The call's number, as nsphost calls shows it.", valueName: "vc"))
  var number: UInt64

  @Option(name: .long, help: ArgumentHelp("Why it is closed.", valueName: "reason"))
  var status: CloseReason = .kicked
}

extension CloseReason: ExpressibleByArgument {}

extension CallClosing {
  /// Nil when the call is over.
  var failure: (why: String, remedy: String)? {
    switch self {
    case .closed: nil
    case .notFound: ("there is no such call", "nsphost calls lists them")
    case .foreign: ("it is no client's call", "only the driver that made it can close it")
    case .refused(let call):
      (
        call.state == .closing ? "it is closing already" : "it is \(call.state.rawValue), so there is nothing to close",
        "see nsphost calls"
      )
    case .stillClosing(let call):
      call.closingFor == nil
        ? ("some provider has not let go yet", "nsphost modules shows calls in progress")
        : (
          "every provider has let go, and transport \(call.transport ?? "-") has not completed the close of connection \(call.number), which is \(call.state.rawValue)",
          "see what the transport waits for; nsphost calls shows its connections"
        )
    }
  }

  func line(_ choice: CallChoice) -> String {
    guard case .closed(let call) = self else { return "" }
    return "closed \(call.number) (\(choice.status.rawValue)): \(call.peerText)"
  }
}

extension CallsReport {
  func lines(withAges: Bool) -> [String] {
    var lines: [String] = []
    if !calls.isEmpty {
      lines = Output.table(
        ["VC", "OWNER", "STATE", "PEER", withAges ? "AGE" : "", "PARTIES", "LAST EVENT"],
        calls.map { call in
          [
            String(call.number), call.owner.rawValue, call.state.rawValue, call.peerText, withAges ? Output.age(call.age) : "",
            String(call.parties), call.eventText(withAges: withAges),
          ]
        }, rightAligned: [0, 5])
      lines.append("")
    }
    let over = transports.count == 1 ? "transport" : "transports"
    lines.append(
      "\(Output.count(calls.count, "call", "calls")) over \(over) \(transports.joined(separator: ", ")); \(ended) ended, "
        + Output.count(illegalTransitions, "illegal transition", "illegal transitions"))
    if !latestTransitions.isEmpty {
      lines.append("the latest illegal transitions:")
      lines += latestTransitions.map { "  \($0)" }
    }
    return lines
  }
}

extension CallsReport.Call {
  func eventText(withAges: Bool) -> String {
    guard let closingFor else { return lastEvent.text }
    let span = withAges ? " for \(Output.age(closingFor))" : ""
    return "\(lastEvent.text); \(transport ?? "its transport") has not completed the close\(span)"
  }

  var peerText: String {
    peer.map { "pid \($0.processID) uid \($0.userID) \($0.command)" } ?? "-"
  }
}

extension CallEvent {
  /// In words of people.
  var text: String {
    switch self {
    case .created: "created"
    case .makeCall: "outgoing call"
    case .incomingCall: "incoming call"
    case .accepted: "accepted"
    case .refused: "refused"
    case .failed: "failed"
    case .connected: "connected"
    case .incomingClose(let status): "incoming close (\(CloseReason(status)?.rawValue ?? status.description))"
    case .closeCall: "close"
    case .closeFailed: "close failed"
    case .closed: "closed"
    }
  }
}

private struct CallsDocument: Encodable {
  struct Peer: Encodable {
    var pid: Int32
    var uid: UInt32
    var gid: UInt32
    var command: String
  }
  struct Call: Encodable {
    var vc: UInt64
    var owner: String
    var state: String
    var peer: Peer?
    var transport: String?
    var ageUs: Int
    var parties: Int
    var lastEvent: String
    var closingUs: Int?
  }
  let schema = "nsphost.calls/1"
  let host = HostEnvelope()
  var calls: [Call]
  var transports: [String]
  var ended: Int
  var illegalTransitions: Int
  var latestTransitions: [String]

  init(_ report: CallsReport, withAges: Bool) {
    calls = report.calls.map { call in
      Call(
        vc: call.number, owner: call.owner.rawValue, state: call.state.rawValue,
        peer: call.peer.map { Peer(pid: $0.processID, uid: $0.userID, gid: $0.groupID, command: $0.command) },
        transport: call.transport, ageUs: withAges ? Int(call.age.microseconds) : 0, parties: call.parties,
        lastEvent: call.lastEvent.text, closingUs: withAges ? call.closingFor.map { Int($0.microseconds) } : nil)
    }
    transports = report.transports
    ended = report.ended
    illegalTransitions = report.illegalTransitions
    latestTransitions = report.latestTransitions
  }
}
