import ArgumentParser
import CWinsock
import Hosting
import Providers
import QuerySets
import Sessions

struct LookupCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "lookup", abstract: "Look a name up; prints address first, name second.")

  @OptionGroup var options: HostOptions
  @OptionGroup var query: QueryArguments

  @Flag(name: .long, help: "Show who was asked or skipped, why, how long it took and with what status.")
  var explain = false

  @Flag(name: .customLong("no-legend"), help: "Leave out the closing line that says where results came from.")
  var noLegend = false

  static let isForOperators = false
  static let mayBeRepeated = true

  func needed(of files: [Candidate]) -> [Candidate] { query.needed(of: files) }

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    let report = LookupReport(host, try client(), query, isJSON: options.json)
    if explain, !options.json {
      return CommandOutput(report.explanation, status: report.failure?.status ?? 0)
    }
    if let failure = report.failure { throw failure }
    if options.json { return CommandOutput(report.document) }
    let hasLegend = !noLegend && ProcessEnvironment.outputIsTerminal
    return CommandOutput(report.resultLines + (hasLegend ? ["", report.legend] : []))
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

  func querySet(class id: GUID?, provider: GUID?) -> QuerySet {
    let asked =
      version.map { ServiceVersion(number: $0, comparator: .equal) }
      ?? atLeast.map { ServiceVersion(number: $0, comparator: .notLess) }
    return QuerySet(
      serviceInstanceName: name, serviceClassID: id, version: asked, nameSpace: namespace, providerID: provider, context: service)
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

/// One query from begin to end, and what came of it.
struct LookupReport {
  let id = QueryID.next()
  let client: ClientIdentity
  let query: QueryArguments
  let entries: [Catalog.Entry]
  private(set) var records: [QuerySet] = []
  private(set) var trace: QueryTrace?
  private(set) var failure: CommandFailure?
  private(set) var took: Duration = .zero

  init(_ host: ProviderHost, _ client: ClientSession, _ query: QueryArguments, isJSON: Bool) {
    self.query = query
    self.client = client.identity
    entries = host.catalog.entries
    let asked: QuerySet
    do throws(CommandFailure) {
      asked = query.querySet(
        class: try query.serviceClass?.one(in: host.engine.classes.schema, isJSON: isJSON),
        provider: try query.provider?.one(among: host.catalog.entries.known, isJSON: isJSON))
    } catch {
      failure = error
      return
    }
    let start = MonotonicTime.now
    var ending: WinsockError = .noMore
    do throws(WinsockError) {
      var early: QueryTrace?
      defer { trace = trace ?? early }
      let lookup = try host.engine.begin(client, asked, flags: query.lookupFlags, id: id) { early = $0 }
      defer { lookup.end() }
      do throws(LookupError) {
        while true { records.append(try lookup.next()) }
      } catch {
        ending = error.winsockError
      }
      trace = lookup.trace
    } catch {
      ending = error
    }
    took = MonotonicTime.now - start
    if records.isEmpty || ending != .noMore { failure = failure(ending, isJSON: isJSON) }
  }

  private func failure(_ error: WinsockError, isJSON: Bool) -> CommandFailure {
    let (asked, down) = (askedCount, unanswered)
    let why: String
    if !down.isEmpty {
      why = down.map { "\($0.provider) could not answer: \($0.detail)" }.joined(separator: "; ")
    } else if asked == 0 {
      why = error == .accessDenied || error == .providerFailedInit ? error.meaning : "no provider serves it"
    } else if error.meansNothingFound {
      why = "\(Output.count(asked, "provider was", "providers were")) asked, none has it"
    } else {
      why = error.meaning
    }
    let isServed = asked > 0 || !down.isEmpty
    return CommandFailure(
      kind: error.meansNothingFound ? .nothingFound : .failed, error: error, what: "lookup of \(query.name)", why: why,
      remedy: isServed ? "nsphost lookup \(query.name) --explain" : "nsphost providers shows who serves what", query: id,
      unanswered: down, isJSON: isJSON)
  }

  /// Those that should have answered and could not.
  private var unanswered: [CommandFailure.Unanswered] {
    trace?.lines.compactMap { line in
      line.outage.map { .init(provider: line.provider, reason: $0.name, detail: $0.text) }
    } ?? []
  }

  private var askedCount: Int {
    trace?.lines.count { if case .asked = $0.verdict { true } else { false } } ?? 0
  }

  func providerName(_ id: GUID?) -> String {
    entries.first { $0.id == id }?.manifest.displayName ?? id?.description ?? "-"
  }

  /// Address first, name second, as `getent` does; a record without an address shows its name alone.
  var resultLines: [String] {
    let cells = records.flatMap { record -> [(String, String)] in
      let name = (record.serviceInstanceName ?? query.name).printable
      if record.addresses.isEmpty { return [("-", name)] }
      return record.addresses.map { ($0.remote.description, name) }
    }
    let width = cells.map { $0.0.count }.max() ?? 0
    return cells.map { $0.0 + String(repeating: " ", count: width - $0.0.count) + "  " + $0.1 }
  }

  var legend: String {
    var names: [String] = []
    for record in records where !names.contains(providerName(record.providerID)) { names.append(providerName(record.providerID)) }
    return "-- from \(names.joined(separator: ", ")) in \(Output.text(took)), query \(id)"
  }

  var explanation: [String] {
    var lines = [
      "query \(id)  \(query.name)  name space \(query.namespace)  client pid \(client.processID) (\(client.command), uid \(client.userID))"
    ]
    guard let trace else {
      return lines + ["no provider was asked: \(failure?.why ?? "")" + (failure?.error.map { " (\($0.symbolicName))" } ?? "")]
    }
    lines += Output.table(
      ["", "PROVIDER", "VERDICT", "TOOK", "RESULT"],
      trace.lines.map { line in
        switch line.verdict {
        case .asked(let status, let results, let took):
          [
            String(line.order), line.provider, "asked", Output.text(took),
            line.outage.map { "could not answer: \($0.text)" } ?? Self.text(status, results),
          ]
        case .down: [String(line.order), line.provider, "down", "-", line.outage?.text ?? ""]
        case .skipped(let reason): [String(line.order), line.provider, "skipped", "-", reason.text]
        }
      }, rightAligned: [0])
    if let failure, let error = failure.error { lines.append("no records: \(failure.why) (\(error.symbolicName))") }
    return lines
  }

  private static func text(_ status: WinsockError?, _ results: Int) -> String {
    let found = results == 0 ? "not found" : Output.count(results, "result", "results")
    guard let status, !status.meansNothingFound || results > 0 else { return found }
    return results == 0 ? status.symbolicName : "\(found), then \(status.symbolicName)"
  }

  struct Document: Encodable {
    struct Query: Encodable {
      var id: String
      var name: String
      var namespace: String
    }
    struct Result: Encodable {
      var name: String
      var address: String?
      var provider: String
      var context: String?
      var version: UInt32?
      var comment: String?
      var blob: String?
    }
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
    var query: Query
    var results: [Result]
    var asked: [Asked]
  }

  var document: Document {
    Document(
      query: .init(id: id.description, name: query.name, namespace: query.namespace.description),
      results: records.flatMap { record -> [Document.Result] in
        let addresses: [String?] = record.addresses.isEmpty ? [nil] : record.addresses.map { $0.remote.description }
        return addresses.map { address in
          .init(
            name: record.serviceInstanceName ?? query.name, address: address, provider: providerName(record.providerID),
            context: record.context.flatMap { $0.isEmpty ? nil : $0 }, version: record.version?.number, comment: record.comment,
            blob: record.blob.map(Output.hexadecimal))
        }
      },
      asked: trace?.lines.map { line in
        switch line.verdict {
        case .asked(let status, let results, let took):
          .init(
            provider: line.provider, verdict: "asked",
            status: status?.symbolicName ?? (results > 0 ? "success" : "notfound"), results: results,
            reason: line.outage?.name, detail: line.outage?.text, tookUs: Int(took.microseconds))
        case .down: .init(provider: line.provider, verdict: "down", reason: line.outage?.name, detail: line.outage?.text)
        case .skipped(let reason): .init(provider: line.provider, verdict: "skipped", reason: reason.rawValue)
        }
      } ?? [])
  }
}
