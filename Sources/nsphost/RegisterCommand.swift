import ArgumentParser
import CWinsock
import Hosting
import Providers
import QuerySets
import Sessions

struct RegisterCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "register", abstract: "Register a name with the providers that take registrations.",
    discussion: """
      The session lasts as long as this command: what a provider keeps for the session only is gone when it ends. \
      Scripts of nsphost run keep their sessions open.
      """)

  @OptionGroup var options: HostOptions
  @OptionGroup var registration: RegistrationArguments

  static let isForOperators = false

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    try registration.perform(.register, on: host, try client(), isJSON: options.json)
  }
}

struct UnregisterCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "unregister", abstract: "Take a registration back: the addresses given, or all of the name.")

  @OptionGroup var options: HostOptions
  @OptionGroup var registration: RegistrationArguments

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Take back what this user has registered, by name or number; root and the host's own user may.", valueName: "user"))
  var owner: String?

  static let isForOperators = false

  func perform(on host: ProviderHost, for client: () throws -> ClientSession) throws -> CommandOutput {
    let client = try client()
    let owner = try owner.map { try UserNames.number(of: $0, for: "removal of \(registration.name)", isJSON: options.json) }
    guard owner == nil || client.identity.isOperator else {
      throw CommandFailure(
        kind: .notPermitted, error: .accessDenied, what: "removal of \(registration.name)",
        why: "only root and the host's own user may take back what others have registered", remedy: "ask one of them",
        isJSON: options.json)
    }
    return try registration.perform(.delete, on: host, client, owner: owner, isJSON: options.json)
  }
}

/// What is registered, on the command line and in scripts alike.
struct RegistrationArguments: ParsableArguments {
  @Argument(help: "The name of the service instance.")
  var name: String

  @Option(
    name: .customLong("address"), parsing: .singleValue,
    help: ArgumentHelp(
      "An address, such as 10.0.0.7:22 or [fe80::7%eth0]:443; may be given several times.", valueName: "addr:port"))
  var addresses: [SocketAddress] = []

  @Option(name: .long, help: ArgumentHelp("Register in this name space only: by its name or its number.", valueName: "ns"))
  var namespace: NameSpace = .all

  @Option(
    name: .long,
    help: ArgumentHelp("Register with this provider only: its name, its id, or the first digits of that.", valueName: "provider"))
  var provider: ProviderReference?

  @Option(name: .customLong("class"), help: ArgumentHelp("The service class, by its id or its name.", valueName: "class"))
  var serviceClass: ClassReference?

  @Option(name: .long, help: ArgumentHelp("The service, where a name space has several at one name.", valueName: "name"))
  var service: String?

  @Option(name: .long, help: "A comment to keep with the registration.")
  var comment: String?

  @Option(name: .customLong("service-version"), help: ArgumentHelp("The version of the service.", valueName: "number"))
  var version: UInt32?

  @Option(name: .long, help: ArgumentHelp("Registers for so long, with providers that can.", valueName: "seconds"))
  var expires: UInt32?

  @Flag(name: .long, help: "Registers until the session ends, with providers that can.")
  var session = false

  /// How long it is to live, in the words that providers know.
  private var lifetime: String? {
    let words = (session ? ["session"] : []) + (expires.map { ["expires=\($0)"] } ?? [])
    return words.isEmpty ? nil : words.joined(separator: ";")
  }

  func querySet(class id: GUID?, provider: GUID?) -> QuerySet {
    QuerySet(
      serviceInstanceName: name, serviceClassID: id, version: version.map { ServiceVersion(number: $0, comparator: .equal) },
      comment: comment, nameSpace: namespace, providerID: provider, context: service, queryString: lifetime,
      addresses: addresses.map { ServiceAddress(local: $0, remote: $0, socketType: 0, protocolNumber: 0) })
  }

  /// `SERVICE_MULTIPLE` (§5.7): with addresses, they are added to or taken from the set instead of standing for all of it.
  func flags(for operation: RegistrationOperation) -> UInt32 {
    operation != .register && !addresses.isEmpty ? UInt32(SERVICE_MULTIPLE) : 0
  }

  fileprivate func perform(
    _ operation: RegistrationOperation, on host: ProviderHost, _ client: ClientSession, owner: UInt32? = nil, isJSON: Bool
  ) throws -> CommandOutput {
    let report = RegistrationReport(host, client, self, operation, owner: owner, isJSON: isJSON)
    if let failure = report.failure { throw failure }
    return isJSON ? CommandOutput(report.document) : CommandOutput(report.lines)
  }
}

extension SocketAddress: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

/// One registration or its reverse, and what each provider made of it.
struct RegistrationReport {
  let arguments: RegistrationArguments
  let operation: RegistrationOperation
  private(set) var outcomes: [RegistrationOutcome] = []
  private(set) var failure: CommandFailure?

  init(
    _ host: ProviderHost, _ client: ClientSession, _ arguments: RegistrationArguments, _ operation: RegistrationOperation,
    owner: UInt32? = nil, isJSON: Bool
  ) {
    self.arguments = arguments
    self.operation = operation
    let asked: QuerySet
    do throws(CommandFailure) {
      asked = arguments.querySet(
        class: try arguments.serviceClass?.one(in: host.engine.classes.schema, isJSON: isJSON),
        provider: try arguments.provider?.one(among: host.catalog.entries.known, isJSON: isJSON))
    } catch {
      failure = error
      return
    }
    do throws(WinsockError) {
      outcomes = try host.engine.setService(
        client, asked, operation: operation, flags: arguments.flags(for: operation), owner: owner)
    } catch {
      failure = failure(error, isJSON)
      return
    }
    if let error = outcomes.result { failure = failure(error, isJSON) }
  }

  private func failure(_ error: WinsockError, _ isJSON: Bool) -> CommandFailure {
    let down = outcomes.compactMap { outcome in
      outcome.outage.map { CommandFailure.Unanswered(provider: outcome.name, reason: $0.name, detail: $0.text) }
    }
    // Of refusals, by which rules; of an outage, whose it is and which.
    let decisive = outcomes.filter { $0.failure == error }
    var rules: [String] = []
    for rule in decisive.compactMap(\.refusal) where !rules.contains(rule) { rules.append(rule) }
    let culprit =
      rules.isEmpty
      ? decisive.first.flatMap { outcome in outcome.outage.map { "\(outcome.name) could not take it: \($0.text)" } }
      : rules.joined(separator: "; ")
    return CommandFailure(
      kind: error == .accessDenied ? .notPermitted : operation != .register && error.meansNothingFound ? .nothingFound : .failed,
      error: error, what: "\(operation == .register ? "registration" : "removal") of \(arguments.name)",
      why: culprit ?? (outcomes.isEmpty ? error.meaning : Self.meaning(error)),
      remedy: Self.remedy(error, wasAsked: !outcomes.isEmpty, wasRefused: !rules.isEmpty), unanswered: down,
      isJSON: isJSON)
  }

  private static func meaning(_ error: WinsockError) -> String {
    error == .operationNotSupported ? "no provider takes such registrations" : error.meaning
  }

  var lines: [String] {
    let addresses = arguments.addresses.map(\.description).joined(separator: " ")
    let title = "\(operation == .register ? "registered" : "unregistered") \(arguments.name.printable) \(addresses)"
    // Those that do not serve such names are no part of it.
    let concerned = outcomes.filter { $0.failure != .operationNotSupported }
    let width = concerned.map { $0.name.count }.max() ?? 0
    return [title.trimmingTrailingSpace]
      + concerned.map { outcome in
        let name = outcome.name
        return "    " + name + String(repeating: " ", count: width - name.count + 2) + Self.text(outcome)
      }
  }

  private static func remedy(_ error: WinsockError, wasAsked: Bool, wasRefused: Bool) -> String {
    if !wasAsked { return "nsphost providers shows who serves what" }
    if wasRefused { return "choose another name, or ask root or the host's own user to register this one" }
    return switch error {
    case .operationNotSupported: "choose a provider that takes it with --provider"
    case .accessDenied: "its owner, root and the host's own user may"
    default: "what the provider says of it is in the host's log"
    }
  }

  private static func text(_ outcome: RegistrationOutcome) -> String {
    guard let failure = outcome.failure else { return outcome.countsForUserOnly ? "done, for this user only" : "done" }
    return failure.symbolicName + ((outcome.refusal ?? outcome.outage?.text).map { ": \($0)" } ?? "")
  }

  struct Document: Encodable {
    struct Registration: Encodable {
      var name: String
      var addresses: [String]
    }
    struct Outcome: Encodable {
      var provider: String
      var status: String
      var code: Int32?
      var name: String?
      /// Left out where the provider was not asked.
      var entry: String?
      /// Why it could not take the registration.
      var reason: String?
      var detail: String?
      /// Left out where it was not done.
      var countsFor: String?
    }
    let schema: String
    let host = HostEnvelope()
    var registration: Registration
    var outcome: [Outcome]
  }

  var document: Document {
    Document(
      schema: operation == .register ? "nsphost.register/1" : "nsphost.unregister/1",
      registration: .init(name: arguments.name, addresses: arguments.addresses.map(\.description)),
      outcome: outcomes.map { outcome in
        .init(
          provider: outcome.name,
          status: outcome.failure == nil ? "success" : outcome.failure == .operationNotSupported ? "unsupported" : "failed",
          code: outcome.failure?.rawValue, name: outcome.failure?.symbolicName,
          entry: outcome.provider?.routines.entry(.setServiceEx).rawValue, reason: outcome.outage?.name,
          detail: outcome.refusal ?? outcome.outage?.text,
          countsFor: outcome.countsForUserOnly ? "user" : nil)
      })
  }
}

extension String {
  var trimmingTrailingSpace: String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}
