import ArgumentParser
import CWinsock
import CallManagement
import Foundation
import Hosting
import Providers
import QuerySets
import Sessions

/// Performs the lines of a script, one after the other, on one host with named clients.
final class Scenario {
  struct Failure: Error {
    var error: WinsockError?
    var why: String
    var remedy: String

    init(error: WinsockError? = nil, why: String, remedy: String) {
      (self.error, self.why, self.remedy) = (error, why, remedy)
    }
    init(_ failure: CommandFailure) { self.init(error: failure.error, why: failure.why, remedy: failure.remedy) }
  }

  private let options: HostOptions
  private let folder: String
  private let host: ProviderHost
  private var clients: [String: LoopbackClient] = [:]
  private var lastOutput: [String] = []
  /// Scripts have no processes: each client gets a number of its own in the place of a process id.
  private var nextProcessID: Int32 = 1

  /// - Parameter folder: What the paths of files in the script begin at.
  init(_ options: HostOptions, _ host: ProviderHost, in folder: String) {
    (self.options, self.host, self.folder) = (options, host, folder)
  }

  func perform(_ line: String) throws(Failure) {
    var words = try Self.words(of: line)
    guard let first = words.first, !first.hasPrefix("#") else { return }
    var mayFail = false
    if first == "-" {
      mayFail = true
      words.removeFirst()
    } else if first.hasPrefix("-") {
      mayFail = true
      words[0].removeFirst()
    }
    guard let command = words.first else { return }
    if command == "say" {
      Output.line(words.dropFirst().joined(separator: " "))
      return
    }
    if command == "expect" {
      try expect(words.dropFirst().joined(separator: " "))
      return
    }
    Output.line("> " + words.joined(separator: " "))
    do throws(Failure) {
      show(try output(of: command, Array(words.dropFirst())))
    } catch {
      show([Self.text(error)])
      if !mayFail { throw error }
    }
  }

  private static func text(_ failure: Failure) -> String {
    guard let error = failure.error else { return failure.why }
    return "\(error.symbolicName): \(failure.why)"
  }

  private func show(_ lines: [String]) {
    lastOutput = lines.map(\.printable)
    for line in lastOutput { print(line.isEmpty ? "" : "  " + line) }
  }

  private func expect(_ text: String) throws(Failure) {
    guard !lastOutput.contains(where: { $0.contains(text) }) else { return }
    throw Failure(why: "expected \"\(text)\" in what the last command printed", remedy: "look at the lines above")
  }

  private func output(of command: String, _ arguments: [String]) throws(Failure) -> [String] {
    switch command {
    case "providers":
      let answer = Control.Providers.Answer(host)
      return arguments == ["--refused"] ? answer.refusedLines : answer.lines()
    case "stats": return Control.Stats.Answer(host).ledgerLines
    case "open": return [try open(try only(arguments, "open CLIENT"))]
    case "lookup": return try lookup(arguments)
    case "register": return try register(arguments, .register)
    case "unregister": return try register(arguments, .delete)
    case "close": return try end(try only(arguments, "close CLIENT"), .remote)
    case "kill": return try end(try only(arguments, "kill CLIENT"), .lost)
    case "calls": return try calls(arguments)
    case "classes": return try classes(arguments)
    case "registrations": return try perform([command] + arguments)
    case "modules": return Control.Modules.Answer(host).lines(withAges: false)
    case "disable":
      return [try change(try only(arguments, "disable PROVIDER"), "disabled") { id throws(Change) in try host.disable(id) }]
    case "enable":
      return [try change(try only(arguments, "enable PROVIDER"), "enabled") { id throws(Change) in try host.enable(id) }]
    case "reload":
      return [try change(try only(arguments, "reload PROVIDER"), "reloaded") { id throws(Change) in try host.reload(id) }]
    case "unload":
      return [try change(try only(arguments, "unload PROVIDER"), "unloaded") { id throws(Change) in try host.unload(id) }]
    default:
      throw Failure(why: "there is no command \(command)", remedy: "nsphost run --help lists the commands")
    }
  }

  // MARK: Commands

  private func open(_ name: String) throws(Failure) -> String {
    guard clients[name] == nil else {
      throw Failure(why: "\(name) has a session already", remedy: "close or kill it first")
    }
    let identity = ClientIdentity(
      processID: nextProcessID, userID: ProcessEnvironment.identity.userID, groupID: ProcessEnvironment.identity.groupID,
      command: name)
    nextProcessID += 1
    do throws(NDISStatus) { clients[name] = try host.open(identity) } catch {
      throw Failure(why: "its call was refused: \(error)", remedy: "see who may have a session")
    }
    return "\(name) has a session; no provider was started for it yet"
  }

  private func classes(_ arguments: [String]) throws(Failure) -> [String] {
    guard arguments.first == "install" else { return try perform(["classes"] + arguments) }
    let file = folder + "/" + (try only(Array(arguments.dropFirst()), "classes install FILE"))
    guard FileManager.default.isReadableFile(atPath: file) else {
      throw Failure(why: "\(file) can't be read", remedy: "give its path, from where the script is")
    }
    return try perform(["classes", "install", file])
  }

  /// As on the command line, by an operator.
  private func perform(_ words: [String]) throws(Failure) -> [String] {
    do {
      guard let command = try NSPHost.parseAsRoot(words) as? any HostCommand else { return [] }
      return try perform(command)
    } catch let failure as CommandFailure {
      throw Failure(failure)
    } catch {
      let defect = UsageDefect(NSPHost.message(for: error))
      throw Failure(why: defect.why, remedy: defect.remedy ?? "nsphost \(words[0]) --help says how it is used")
    }
  }

  private func perform(_ command: some HostCommand) throws -> [String] {
    let client = try host.open(ProcessEnvironment.identity)
    defer { _ = client.hangUpAndWait(.remote, deadline: .seconds(5)) }
    return try command.output(try command.request().answer(of: host) { client.session }).lines
  }

  private func lookup(_ arguments: [String]) throws(Failure) -> [String] {
    let client = try client(arguments.first).session
    var rest = Array(arguments.dropFirst())
    let explain = rest.contains("--explain")
    rest.removeAll { $0 == "--explain" }
    let query: QueryArguments = try parse(rest)
    let answer = try answer(to: query.request, client)
    if explain { return answer.explanation }
    if let failure = answer.failure { throw Failure(failure) }
    return answer.resultLines + [answer.legend]
  }

  private func register(_ arguments: [String], _ operation: RegistrationOperation) throws(Failure) -> [String] {
    let client = try client(arguments.first).session
    let registration: RegistrationArguments = try parse(Array(arguments.dropFirst()))
    let answer = try answer(to: registration.request(operation), client)
    if let failure = answer.failure { throw Failure(failure) }
    return registration.lines(of: answer, operation)
  }

  /// Ends a session and says, provider by provider, which routine answered its startup.
  private func end(_ name: String, _ reason: CloseReason) throws(Failure) -> [String] {
    let client = try client(name)
    let sessions = client.session.providerSessions
    let before = sessions.map { $0.provider.ledger.figures }
    clients[name] = nil
    let isComplete = client.hangUpAndWait(reason)
    let width = sessions.map { $0.provider.name.count }.max() ?? 0
    var lines = [reason == .remote ? "\(name) said goodbye" : "\(name) vanished"]
    for (session, old) in zip(sessions, before) {
      let provider = session.provider
      let new = provider.ledger.figures
      let routine: ProviderRoutine = new.rundowns > old.rundowns ? .clientSessionRundown : .cleanup
      let what =
        new.rundowns + new.cleanups == old.rundowns + old.cleanups
        ? "draining: a call is not completed yet"
        : (routine == .cleanup ? "session argument cleaned up" : "session argument run down")
          + " by \(routine.exportedName)\(provider.routines.entry(routine) == .stub ? " (stub)" : "")"
      lines.append(provider.name + String(repeating: " ", count: width - provider.name.count + 2) + what)
    }
    if !isComplete { lines.append("some provider has not let go yet") }
    return lines
  }

  private func calls(_ arguments: [String]) throws(Failure) -> [String] {
    guard let first = arguments.first else { return Control.Calls.Answer(host.calls).lines(withAges: false) }
    guard first == "close" else { throw Failure(why: "calls has no \(first)", remedy: "write: calls, or calls close VC") }
    let choice: CallChoice = try parse(Array(arguments.dropFirst()))
    return [choice.line(try answer(to: choice.request, nil).call)]
  }

  /// - Parameter client: Who asks, where that counts.
  private func answer<Request: ControlRequest>(
    to request: Request, _ client: ClientSession?
  ) throws(Failure) -> Request.Answer {
    do { return try request.answer(of: host) { try client ?? { throw NDISStatus.notAccepted }() } } catch {
      throw Failure(error as? CommandFailure ?? CommandFailure(what: Request.name, why: "\(error)", remedy: ""))
    }
  }

  private typealias Change = ProviderHost.ChangeFailure

  private func change(_ name: String, _ verb: String, _ make: (GUID) throws(Change) -> Void) throws(Failure) -> String {
    let entry: Catalog.Entry
    guard let reference = ProviderReference(argument: name) else {
      throw Failure(why: "no provider is named", remedy: "providers lists them")
    }
    do throws(CommandFailure) {
      entry = try reference.entry(in: host, for: verb)
      do throws(Change) { try make(entry.id) } catch { throw reference.failure(verb, error) }
    } catch { throw Failure(error) }
    return verb == "enabled" ? "enabled \(name)" : FileChange(host, entry, verb).line
  }

  // MARK: Words

  private func client(_ name: String?) throws(Failure) -> LoopbackClient {
    guard let name, let client = clients[name] else {
      throw Failure(why: "there is no session \(name ?? "")", remedy: "open it first: open CLIENT")
    }
    return client
  }

  private func only(_ arguments: [String], _ usage: String) throws(Failure) -> String {
    guard arguments.count == 1 else { throw Failure(why: "wrong number of words", remedy: "write: \(usage)") }
    return arguments[0]
  }

  private func parse<Arguments: ParsableArguments>(_ words: [String]) throws(Failure) -> Arguments {
    do { return try Arguments.parse(words) } catch {
      let defect = UsageDefect(Arguments.message(for: error))
      throw Failure(
        why: defect.why, remedy: defect.remedy ?? "nsphost help lookup and nsphost help register list the options")
    }
  }

  /// Splits a line at spaces; double quotes keep a word together.
  static func words(of line: String) throws(Failure) -> [String] {
    var words: [String] = []
    var word = ""
    var isQuoted = false
    var hasWord = false
    for character in line {
      switch character {
      case "\"":
        isQuoted.toggle()
        hasWord = true
      case " " where !isQuoted, "\t" where !isQuoted:
        if hasWord { words.append(word) }
        word = ""
        hasWord = false
      default:
        word.append(character)
        hasWord = true
      }
    }
    if isQuoted { throw Failure(why: "a quotation mark is not closed", remedy: "close it") }
    if hasWord { words.append(word) }
    return words
  }
}
