import CWinsock
import Hosting
import Providers
import QuerySets
import Sessions

extension Control {
  /// One registration or its reverse.
  struct Registration: ControlRequest {
    static let name = "register"
    static let isForOperators = false
    var operation: RegistrationOperation
    /// The name of the service instance.
    var instance: String
    /// In their text form.
    var addresses: [String]
    var nameSpace: UInt32
    var provider: ProviderReference?
    var serviceClass: ClassReference?
    var service: String?
    var comment: String?
    var version: UInt32?
    /// How long it is to live, in the words that providers know.
    var lifetime: String?
    /// Whose it is, by name or number, where an operator takes it back.
    var owner: String?

    struct Answer: Codable, Sendable {
      var outcomes: [Outcome] = []
      /// Why it was not done.
      var failure: CommandFailure?

      /// What a provider made of it.
      struct Outcome: Codable, Sendable {
        var provider: String
        /// Nil: done.
        var failure: WinsockError?
        /// Left out where the provider was not asked.
        var entry: String?
        /// Why it could not take the registration.
        var reason: String?
        var detail: String?
        /// The rule of the host's by which it was refused.
        var refusal: String?
        var countsForUserOnly: Bool
      }
    }

    private var what: String { "\(operation == .register ? "registration" : "removal") of \(instance)" }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      let client = try client()
      let owner = try owner.map { try UserNames.number(of: $0, for: what) }
      guard owner == nil || client.identity.isOperator else {
        throw CommandFailure(
          kind: .notPermitted, error: .accessDenied, what: what,
          why: "only root and the host's own user may take back what others have registered", remedy: "ask one of them")
      }
      var answer = Answer()
      let outcomes: [RegistrationOutcome]
      do {
        let asked = try querySet(
          class: try serviceClass?.one(in: host.engine.classes.schema),
          provider: try provider?.one(among: host.catalog.entries.known))
        do throws(WinsockError) {
          outcomes = try host.engine.setService(client, asked, operation: operation, flags: flags, owner: owner)
        } catch { throw failure(error, []) }
      } catch let failure as CommandFailure {
        answer.failure = failure
        return answer
      }
      answer.outcomes = outcomes.map(Answer.Outcome.init)
      answer.failure = outcomes.result.map { failure($0, answer.outcomes) }
      return answer
    }

    private func querySet(class id: GUID?, provider: GUID?) throws -> QuerySet {
      let parsed = try addresses.map { text in
        guard let address = SocketAddress(text) else {
          throw CommandFailure(
            kind: .usage, error: .invalidArgument, what: what, why: "\(text) is no address",
            remedy: "write 10.0.0.7:22 or [fe80::7%eth0]:443")
        }
        return ServiceAddress(local: address, remote: address, socketType: 0, protocolNumber: 0)
      }
      return QuerySet(
        serviceInstanceName: instance, serviceClassID: id,
        version: version.map { ServiceVersion(number: $0, comparator: .equal) }, comment: comment,
        nameSpace: NameSpace(rawValue: nameSpace), providerID: provider, context: service, queryString: lifetime,
        addresses: parsed)
    }

    /// `SERVICE_MULTIPLE` (§5.7): with addresses, they are added to or taken from the set instead of standing for all of it.
    private var flags: UInt32 { operation != .register && !addresses.isEmpty ? UInt32(SERVICE_MULTIPLE) : 0 }

    private func failure(_ error: WinsockError, _ outcomes: [Answer.Outcome]) -> CommandFailure {
      // Of refusals, by which rules; of an outage, whose it is and which.
      let decisive = outcomes.filter { $0.failure == error }
      var rules: [String] = []
      for rule in decisive.compactMap(\.refusal) where !rules.contains(rule) { rules.append(rule) }
      let culprit =
        rules.isEmpty
        ? decisive.first.flatMap { one in one.outage.map { "\(one.provider) could not take it: \($0.detail)" } }
        : rules.joined(separator: "; ")
      return CommandFailure(
        kind: error == .accessDenied
          ? .notPermitted : operation != .register && error.meansNothingFound ? .nothingFound : .failed,
        error: error, what: what, why: culprit ?? (outcomes.isEmpty ? error.meaning : Self.meaning(error)),
        remedy: Self.remedy(error, wasAsked: !outcomes.isEmpty, wasRefused: !rules.isEmpty),
        unanswered: outcomes.compactMap(\.outage))
    }

    private static func meaning(_ error: WinsockError) -> String {
      error == .operationNotSupported ? "no provider takes such registrations" : error.meaning
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
  }
}

extension Control.Registration.Answer.Outcome {
  fileprivate init(_ outcome: RegistrationOutcome) {
    self.init(
      provider: outcome.name, failure: outcome.failure, entry: outcome.provider?.routines.entry(.setServiceEx).rawValue,
      reason: outcome.outage?.name, detail: outcome.outage?.text, refusal: outcome.refusal,
      countsForUserOnly: outcome.countsForUserOnly)
  }

  fileprivate var outage: CommandFailure.Unanswered? {
    guard let reason, let detail else { return nil }
    return .init(provider: provider, reason: reason, detail: detail)
  }
}
