import ArgumentParser
import Hosting
import NSPClient
import Providers

/// A command that asks a host something: a running one when there is one, else a host of the command's own.
protocol HostCommand: ParsableCommand {
  associatedtype Request: ControlRequest
  var options: HostOptions { get }
  func request() throws -> Request
  /// What is printed of the answer.
  func output(_ answer: Request.Answer) throws -> CommandOutput
  /// The same where no host runs.
  func outputAlone(_ answer: Request.Answer) throws -> CommandOutput

  /// Which of the files that are good a host of the command's own has to load.
  func needed(of files: [Candidate]) -> [Candidate]
  /// Which of these it loads itself.
  func loadsItself(_ file: Candidate) -> Bool
  /// Whether it can be done again when a host has died of it: it changes nothing.
  static var mayBeRepeated: Bool { get }
}

/// What a command prints, and how it ends.
struct CommandOutput {
  var lines: [String] = []
  var status: Int32 = 0

  /// Names of others may be in the lines: they drive no terminal.
  init(_ lines: [String], status: Int32 = 0) { (self.lines, self.status) = (lines.map(\.printable), status) }
  init(_ document: some Encodable) { lines = [Output.jsonText(document)] }

  func show() throws {
    for line in lines { print(line) }
    if status != 0 { throw ExitCode(status) }
  }
}

extension HostCommand {
  static var mayBeRepeated: Bool { false }

  func needed(of files: [Candidate]) -> [Candidate] { files }
  func loadsItself(_ file: Candidate) -> Bool { false }
  func outputAlone(_ answer: Request.Answer) throws -> CommandOutput { try output(answer) }

  func run() throws {
    if let running = try options.runningHost() { return try show(running) }
    try options.performAlone(mayRepeat: Self.mayBeRepeated, choose: needed, later: loadsItself) { try show($0) }
  }

  func show(_ running: RunningHost) throws { try output(try running.ask(try request())).show() }

  func show(_ own: OwnHost) throws { try outputAlone(try request().answer(of: own.host, for: own.session)).show() }
}

/// A command that shows what there is. Without a running host it shows what is in the files, and runs none of their code.
protocol ListingCommand: HostCommand {}

extension ListingCommand {
  func run() throws {
    if let running = try options.runningHost() { return try show(running) }
    try list()
  }

  func list() throws {
    let own = OwnHost(options, what: CommandWords.ofProcess.name)
    defer { own.stop() }
    try show(own)
  }
}

/// A command about what a running host does. Where none runs there is nothing to show: a host of this process's own would show itself.
protocol RunningHostCommand: HostCommand {}

extension RunningHostCommand {
  func run() throws { try show(try options.hostThatRuns()) }
}

extension RunningHostCommand where Self: WatchingCommand {
  func run() throws { try showOrWatch(try options.hostThatRuns()) }
}

extension HostOptions {
  /// The host that is running, for commands that are about it.
  func hostThatRuns() throws -> RunningHost {
    let what = CommandWords.ofProcess.name
    if local || !directories.isEmpty {
      throw CommandFailure(
        kind: .usage, what: what, why: "it is about a running host, and \(local ? "--local" : "--plugins") is about another one",
        remedy: "leave out \(local ? "--local" : "--plugins"); --socket names the host")
    }
    // What it says of itself is that it goes on in this process.
    var quiet = self
    quiet.verbose = false
    guard let running = try quiet.runningHost() else {
      throw CommandFailure(
        kind: .unreachable, what: what,
        why: "no host is running: nobody listens on \(HostPlaces(socket).paths.joined(separator: " or "))",
        remedy: "start one with nsphost serve, or name its socket with --socket")
    }
    if verbose { Output.aside("asking the host on \(running.path)") }
    return running
  }
}
