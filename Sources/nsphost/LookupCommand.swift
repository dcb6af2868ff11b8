import ArgumentParser
import CWinsock
import Providers
import QuerySets

struct LookupCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "lookup", abstract: "Look a name up; prints address first, name second.")

  @OptionGroup var options: HostOptions
  @OptionGroup var query: QueryArguments

  @Flag(name: .long, help: "Show who was asked or skipped, why, how long it took and with what status.")
  var explain = false

  @Flag(name: .customLong("no-legend"), help: "Leave out the closing line that says where results came from.")
  var noLegend = false

  static let mayBeRepeated = true

  func needed(of files: [Candidate]) -> [Candidate] { query.needed(of: files) }

  func request() -> Control.Lookup { query.request }

  func output(_ answer: Control.Lookup.Answer) throws -> CommandOutput {
    if explain, !options.json { return CommandOutput(answer.explanation, status: answer.failure?.status ?? 0) }
    if let failure = answer.failure { throw failure }
    if options.json { return CommandOutput(LookupDocument(answer)) }
    let hasLegend = !noLegend && ProcessEnvironment.outputIsTerminal
    return CommandOutput(answer.resultLines + (hasLegend ? ["", answer.legend] : []))
  }
}

/// What is asked for, on the command line and in scripts alike.
struct QueryArguments: ParsableArguments {
  @Argument(help: "The name; \"*\" asks providers that understand it for everything.")
  var name: String

  @Option(name: .long, help: ArgumentHelp("Ask this name space only: by its name or its number.", valueName: "ns"))
  var namespace: NameSpace = .all

  @Option(
    name: .long,
    help: ArgumentHelp("Ask this provider only: its name, its id, or the first digits of that.", valueName: "provider"))
  var provider: ProviderReference?

  @Option(name: .customLong("class"), help: ArgumentHelp("The service class, by its id or its name.", valueName: "class"))
  var serviceClass: ClassReference?

  @Option(name: .long, help: ArgumentHelp("The service, where a name space has several at one name.", valueName: "name"))
  var service: String?

  @Option(name: .customLong("service-version"), help: ArgumentHelp("Of this version only.", valueName: "number"))
  var version: UInt32?

  @Option(name: .long, help: ArgumentHelp("Of this version or a later one only.", valueName: "number"))
  var atLeast: UInt32?

  @Option(
    name: .long,
    help: ArgumentHelp("Lookup flags, separated by commas; LUP_ before a name is not needed.", valueName: "flags"))
  var flags: LookupFlags = [.returnName, .returnAddress, .returnBlob, .returnComment]

  @Flag(
    name: .long,
    help: ArgumentHelp(
      """
      Count the registrations of all users. Without it only those of root, of the host's user and of yourself count, and those that a \
      rule of the configuration permits.
      """))
  var allOwners = false

  /// With what other options say.
  var lookupFlags: LookupFlags { allOwners ? flags.union(.allOwners) : flags }

  func validate() throws {
    if version != nil, atLeast != nil { throw ValidationError("--service-version and --at-least exclude each other") }
  }

  /// The files whose providers may be asked. A file that registers modules says only then whose they are.
  func needed(of files: [Candidate]) -> [Candidate] {
    if let provider {
      return provider.files(among: files) + (serviceClass == nil ? [] : files.filter { $0.manifest?.storesClasses == true })
    }
    return files.filter { file in
      guard file.image?.livesInHost != true, let manifest = file.manifest else { return true }
      // Those are asked for the classes of others' queries.
      return manifest.storesClasses || manifest.nameSpaces.serve(namespace)
    }
  }

  var request: Control.Lookup {
    Control.Lookup(
      instance: name, nameSpace: namespace.rawValue, provider: provider, serviceClass: serviceClass, service: service,
      version: version, atLeast: atLeast, flags: lookupFlags.rawValue)
  }
}

extension NameSpace: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }

  public static var allValueStrings: [String] { names }
  public static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
  public var defaultValueDescription: String { description }
}

extension LookupFlags: ExpressibleByArgument {
  public static var allValueStrings: [String] { shortNames }
  public static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
  public var defaultValueDescription: String {
    Self.shortNames.filter { name in
      guard let flag = LookupFlags(named: name) else { return false }
      return flag != .returnAll && contains(flag)
    }.joined(separator: ",")
  }

  public init?(argument: String) {
    var flags: LookupFlags = []
    for name in argument.split(separator: ",") {
      guard let flag = LookupFlags(named: String(name)) else { return nil }
      flags.formUnion(flag)
    }
    self = flags
  }
}

extension Control.Lookup.Answer {
  /// Address first, name second, as `getent` does; a record without an address shows its name alone.
  var resultLines: [String] {
    let cells = results.map { ($0.address ?? "-", $0.name.printable) }
    let width = cells.map { $0.0.count }.max() ?? 0
    return cells.map { $0.0 + String(repeating: " ", count: width - $0.0.count) + "  " + $0.1 }
  }

  var legend: String {
    var names: [String] = []
    for result in results where !names.contains(result.provider) { names.append(result.provider) }
    return "-- from \(names.joined(separator: ", ")) in \(Output.text(.microseconds(tookUs))), query \(query.id)"
  }

  var explanation: [String] {
    let who = "client pid \(client.pid) (\(client.command), uid \(client.uid))"
    var lines = ["query \(query.id)  \(query.name)  name space \(query.namespace)  \(who)"]
    guard let asked else {
      return lines + ["no provider was asked: \(failure?.why ?? "")" + (failure?.error.map { " (\($0.symbolicName))" } ?? "")]
    }
    lines += Output.table(
      ["", "PROVIDER", "VERDICT", "TOOK", "RESULT"],
      asked.map { one in
        [
          String(one.order), one.provider, one.verdict.rawValue, one.tookUs.map { Output.text(.microseconds($0)) } ?? "-",
          one.text,
        ]
      }, rightAligned: [0])
    if let failure, let error = failure.error { lines.append("no records: \(failure.why) (\(error.symbolicName))") }
    return lines
  }
}

extension Control.Lookup.Answer.Asked {
  fileprivate var text: String {
    if verdict != .asked { return detail ?? "" }
    if let detail { return "could not answer: \(detail)" }
    let results = results ?? 0
    let found = results == 0 ? "not found" : Output.count(results, "result", "results")
    guard let status, !status.meansNothingFound || results > 0 else { return found }
    return results == 0 ? status.symbolicName : "\(found), then \(status.symbolicName)"
  }
}

private struct LookupDocument: Encodable {
  struct Asked: Encodable {
    var provider: String
    var verdict: String
    var status: String?
    var results: Int?
    var reason: String?
    /// Why it could not answer, for people.
    var detail: String?
    var tookUs: Int?
  }
  let schema = "nsphost.lookup/1"
  let host = HostEnvelope()
  var query: Control.Lookup.Answer.Query
  var results: [Control.Lookup.Answer.Result]
  var asked: [Asked]

  init(_ answer: Control.Lookup.Answer) {
    (query, results) = (answer.query, answer.results)
    asked = (answer.asked ?? []).map { one in
      let isAsked = one.verdict == .asked
      return Asked(
        provider: one.provider, verdict: one.verdict.rawValue,
        status: isAsked ? one.status?.symbolicName ?? ((one.results ?? 0) > 0 ? "success" : "notfound") : nil,
        results: one.results, reason: one.reason, detail: one.verdict == .skipped ? nil : one.detail, tookUs: one.tookUs)
    }
  }
}
