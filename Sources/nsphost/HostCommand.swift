import ArgumentParser
import CallManagement
import Foundation
import HostDaemon
import Hosting
import NSPClient
import Providers
import Sessions

/// A command that asks a host something. The same command is performed by a running host when there is one, else by a host of the
/// command's own.
protocol HostCommand: ParsableCommand {
  var options: HostOptions { get }
  /// - Parameter client: The session of whoever asks; opened when it is needed.
  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput
  /// Operators alone may ask this of a host that serves others.
  static var isForOperators: Bool { get }

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
  static var isForOperators: Bool { true }
  static var mayBeRepeated: Bool { false }

  func needed(of files: [Candidate]) -> [Candidate] { files }
  func loadsItself(_ file: Candidate) -> Bool { false }

  func run() throws {
    if let running = try options.runningHost() { return try show(running) }
    try options.performAlone(mayRepeat: Self.mayBeRepeated, choose: needed, later: loadsItself) { own in
      try perform(on: own.host, for: own.session).show()
    }
  }
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
    try perform(on: own.host, for: own.session).show()
  }
}

extension HostCommand {
  /// Prints what a running host answers to this very command line.
  func show(_ running: RunningHost, _ words: [String] = CommandWords.ofProcess.arranged) throws {
    try show(try running.ask(words))
  }

  func show(_ answer: ControlAnswer) throws {
    try? FileHandle.standardError.write(contentsOf: Data(answer.errors.utf8))
    try? FileHandle.standardOutput.write(contentsOf: Data(answer.output.utf8))
    if answer.status != 0 { throw ExitCode(answer.status) }
  }
}

/// A command about what a running host does. Where none runs there is nothing to show: a host of this process's own would show itself.
protocol RunningHostCommand: HostCommand {}

extension RunningHostCommand {
  func run() throws { try show(try options.hostThatRuns()) }
}

extension RunningHostCommand where Self: WatchingCommand {
  func run() throws {
    let running = try options.hostThatRuns()
    if watch { try watch(running) } else { try show(running) }
  }
}

extension HostOptions {
  /// The host that is running, for commands that are about it.
  func hostThatRuns() throws -> RunningHost {
    let what = CommandWords.ofProcess.name
    if local || !directories.isEmpty {
      throw CommandFailure(
        kind: .usage, what: what, why: "it is about a running host, and \(local ? "--local" : "--plugins") is about another one",
        remedy: "leave out \(local ? "--local" : "--plugins"); --socket names the host", isJSON: json)
    }
    // What it says of itself is that it goes on in this process.
    var quiet = self
    quiet.verbose = false
    guard let running = try quiet.runningHost() else {
      throw CommandFailure(
        kind: .unreachable, what: what,
        why: "no host is running: nobody listens on \(HostPlaces(socket).paths.joined(separator: " or "))",
        remedy: "start one with nsphost serve, or name its socket with --socket", isJSON: json)
    }
    if verbose { Output.aside("asking the host on \(running.path)") }
    return running
  }
}

/// A command that can stay and show every change.
protocol WatchingCommand: HostCommand {
  var watch: Bool { get }
  /// As `perform`, with ages for people or without them, for comparing.
  func output(of host: ProviderHost, withAges: Bool) -> CommandOutput
}

extension WatchingCommand {
  func perform(on host: ProviderHost, for client: () throws -> ClientSession) -> CommandOutput {
    output(of: host, withAges: true)
  }

  /// Shows what there is, and again whenever it changes, until it is interrupted.
  func watch(_ host: ProviderHost) {
    let interrupted = Interruption()
    var shown: [String]?
    repeat {
      let now = output(of: host, withAges: false).lines
      guard now != shown else { continue }
      if shown != nil, !options.json { print("") }
      for line in output(of: host, withAges: true).lines { print(line) }
      fflush(nil)
      shown = now
    } while !interrupted.wait(milliseconds: 200)
  }

  /// The same of a host elsewhere, which is asked now and then.
  func watch(_ running: RunningHost) throws {
    let words = CommandWords.ofProcess.arranged.filter { $0 != "--watch" }
    let interrupted = Interruption()
    var shown: String?
    repeat {
      let answer = try running.ask(words)
      guard answer.status == 0 else { return try show(answer) }
      let now = answer.output
      guard now != shown else { continue }
      if shown != nil, !options.json { print("") }
      print(now, terminator: "")
      fflush(nil)
      shown = now
    } while !interrupted.wait(milliseconds: 500)
  }
}

/// What operators ask of a running host: the words of a command line, performed on it.
struct ControlDesk {
  let host: ProviderHost

  func answer(_ words: [String], _ client: ClientSession, isOperator: Bool) -> ControlAnswer {
    let words = CommandWords(words)
    do {
      guard let command = try NSPHost.parseAsRoot(words.arranged) as? any HostCommand else {
        throw CommandFailure(
          kind: .usage, what: words.name, why: "a running host does not do this",
          remedy: "give the command --local", isJSON: words.wantsJSON)
      }
      guard isOperator || !type(of: command).isForOperators else {
        throw CommandFailure(
          kind: .notPermitted, error: .accessDenied, what: words.name,
          why: "only root and the host's own user may ask this",
          remedy: "ask as one of them", isJSON: command.options.json)
      }
      let output = try command.perform(on: host, for: { client })
      return ControlAnswer(status: output.status, output: output.lines.map { $0 + "\n" }.joined(), errors: "")
    } catch {
      guard let failure = error as? CommandFailure ?? CommandFailure(error, words) else {
        return ControlAnswer(status: NSPHost.exitCode(for: error).rawValue, output: NSPHost.fullMessage(for: error), errors: "")
      }
      return ControlAnswer(
        status: failure.status, output: failure.document.map { $0 + "\n" } ?? "",
        errors: failure.lines.map { $0 + "\n" }.joined())
    }
  }
}
