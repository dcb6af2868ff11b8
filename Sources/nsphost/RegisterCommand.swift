import ArgumentParser
import Hosting
import QuerySets

struct RegisterCommand: HostCommand {
  static let configuration = CommandConfiguration(
    commandName: "register", abstract: "Register a name with the providers that take registrations.",
    discussion: """
      The session lasts as long as this command: what a provider keeps for the session only is gone when it ends. \
      Scripts of nsphost run keep their sessions open.
      """)

  @OptionGroup var options: HostOptions
  @OptionGroup var registration: RegistrationArguments

  func request() -> Control.Registration { registration.request(.register) }

  func output(_ answer: Control.Registration.Answer) throws -> CommandOutput {
    try registration.output(answer, .register, isJSON: options.json)
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

  func request() -> Control.Registration {
    var request = registration.request(.delete)
    request.owner = owner
    return request
  }

  func output(_ answer: Control.Registration.Answer) throws -> CommandOutput {
    try registration.output(answer, .delete, isJSON: options.json)
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

  func request(_ operation: RegistrationOperation) -> Control.Registration {
    Control.Registration(
      operation: operation, instance: name, addresses: addresses.map(\.description), nameSpace: namespace.rawValue,
      provider: provider, serviceClass: serviceClass, service: service, comment: comment, version: version, lifetime: lifetime)
  }

  fileprivate func output(
    _ answer: Control.Registration.Answer, _ operation: RegistrationOperation, isJSON: Bool
  ) throws -> CommandOutput {
    if let failure = answer.failure { throw failure }
    return isJSON
      ? CommandOutput(RegistrationDocument(self, operation, answer)) : CommandOutput(lines(of: answer, operation))
  }

  func lines(of answer: Control.Registration.Answer, _ operation: RegistrationOperation) -> [String] {
    let title = ([operation == .register ? "registered" : "unregistered", name.printable] + addresses.map(\.description))
    // Those that do not serve such names are no part of it.
    let concerned = answer.outcomes.filter { $0.failure != .operationNotSupported }
    let width = concerned.map { $0.provider.count }.max() ?? 0
    return [title.joined(separator: " ")]
      + concerned.map { one in
        "    " + one.provider + String(repeating: " ", count: width - one.provider.count + 2) + one.text
      }
  }
}

extension SocketAddress: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

extension Control.Registration.Answer.Outcome {
  fileprivate var text: String {
    guard let failure else { return countsForUserOnly ? "done, for this user only" : "done" }
    return failure.symbolicName + ((refusal ?? detail).map { ": \($0)" } ?? "")
  }
}

private struct RegistrationDocument: Encodable {
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

  init(_ arguments: RegistrationArguments, _ operation: RegistrationOperation, _ answer: Control.Registration.Answer) {
    schema = operation == .register ? "nsphost.register/1" : "nsphost.unregister/1"
    registration = .init(name: arguments.name, addresses: arguments.addresses.map(\.description))
    outcome = answer.outcomes.map { one in
      Outcome(
        provider: one.provider,
        status: one.failure == nil ? "success" : one.failure == .operationNotSupported ? "unsupported" : "failed",
        code: one.failure?.rawValue, name: one.failure?.symbolicName, entry: one.entry, reason: one.reason,
        detail: one.refusal ?? one.detail, countsFor: one.countsForUserOnly ? "user" : nil)
    }
  }
}
