import Hosting
import QuerySets
import Rundown
import Sessions

/// What a command asks of a host: a running host over its socket, or a host of the command's own. Only the request and the answer travel; the command
/// makes the text.
protocol ControlRequest: Codable, Sendable {
  associatedtype Answer: Codable & Sendable
  /// What it is called on the wire. A host that does not know it is older than the command.
  static var name: String { get }
  /// Root and the host's own user alone may ask this of a host that serves others.
  static var isForOperators: Bool { get }
  /// Calls out. Throws `CommandFailure`.
  /// - Parameter client: The session of the client that asks; it is opened when it is needed.
  func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer
}

extension ControlRequest {
  static var isForOperators: Bool { true }
}

/// One that can be answered anew whenever the answer is another.
protocol WatchedRequest: ControlRequest {
  /// What rings when the answer may be another. Never what the answer itself rings.
  static var bells: [ChangeBell] { get }
  /// What of an answer counts when two are compared: nothing that only gets older.
  static func essence(of answer: Answer) -> Answer
}

extension WatchedRequest {
  static func essence(of answer: Answer) -> Answer { answer }
}

/// The requests, by the commands that make them.
enum Control {
  static let requests: [any ControlRequest.Type] = [
    Calls.self, CloseCall.self, Inspection.self, InstallClasses.self, ListClasses.self, Lookup.self, Modules.self, Providers.self,
    Registration.self, Registrations.self, Reload.self, RemoveClass.self, SessionKick.self, Sessions.self, ShowClass.self,
    Stats.self, Switch.self,
  ]
}

extension WinsockError: Codable {}
extension CloseReason: Codable {}
extension RegistrationOperation: Codable {}
