import ArgumentParser
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

  func request() -> Control.Calls { Control.Calls() }

  func output(_ answer: Control.Calls.Answer) -> CommandOutput {
    options.json ? CommandOutput(answer) : CommandOutput(answer.lines())
  }
}

struct CloseCallCommand: RunningHostCommand {
  static let configuration = CommandConfiguration(
    commandName: "close", abstract: "Close a call: its session ends, and every provider is told.",
    discussion: "Returns when the providers have been told, or after five seconds.")

  @OptionGroup var options: HostOptions
  @OptionGroup var choice: CallChoice

  func request() -> Control.CloseCall { choice.request }

  func output(_ answer: Control.CloseCall.Answer) -> CommandOutput {
    options.json ? CommandOutput(answer.calls) : CommandOutput([choice.line(answer.call)])
  }
}

/// Which call, and why it is closed, on the command line and in scripts alike.
struct CallChoice: ParsableArguments {
  @Argument(help: ArgumentHelp("The call's number, as nsphost calls shows it.", valueName: "vc"))
  var number: UInt64

  @Option(name: .long, help: ArgumentHelp("Why it is closed.", valueName: "reason"))
  var status: CloseReason = .kicked

  var request: Control.CloseCall { Control.CloseCall(number: number, status: status) }

  func line(_ closed: Control.Calls.Answer.Call) -> String { "closed \(number) (\(status.rawValue)): \(closed.peerText)" }
}

extension CloseReason: ExpressibleByArgument {}

extension Control.Calls.Answer {
  func lines(withAges: Bool = true) -> [String] {
    var lines: [String] = []
    if !calls.isEmpty {
      lines = Output.table(
        ["VC", "OWNER", "STATE", "PEER", withAges ? "AGE" : "", "PARTIES", "LAST EVENT"],
        calls.map { call in
          [
            String(call.vc), call.owner, call.state, call.peerText, withAges ? Output.age(.microseconds(call.ageUs)) : "",
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

extension Control.Calls.Answer.Call {
  fileprivate func eventText(withAges: Bool) -> String {
    guard let closingUs else { return lastEvent }
    let span = withAges ? " for \(Output.age(.microseconds(closingUs)))" : ""
    return "\(lastEvent); \(transport ?? "its transport") has not completed the close\(span)"
  }

  fileprivate var peerText: String { peer.map { "pid \($0.pid) uid \($0.uid) \($0.command)" } ?? "-" }
}
