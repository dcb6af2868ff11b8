import Foundation
import HostDaemon
import Hosting

/// Answers what commands ask of a host that runs.
struct ControlDesk: Sendable {
  let host: ProviderHost

  /// Nil where nothing is known by that name.
  func reply(to question: ControlQuestion) -> ControlReply? {
    guard let type = Control.requests.first(where: { $0.name == question.name }) else { return nil }
    return reply(to: question, type)
  }

  private func reply<Request: ControlRequest>(to question: ControlQuestion, _ type: Request.Type) -> ControlReply {
    do {
      guard question.isOperator || !type.isForOperators else {
        throw CommandFailure(
          kind: .notPermitted, error: .accessDenied, what: type.name, why: "only root and the host's own user may ask this",
          remedy: "ask as one of them")
      }
      let answer = try request(question, type).answer(of: host) { question.client }
      let watch = try (type as? any WatchedRequest.Type).flatMap { try Self.watch(answer, $0) }
      return ControlReply(body: try ControlCoding.bytes(answer), isFailure: false, watch: watch)
    } catch {
      let failure =
        error as? CommandFailure
        ?? CommandFailure(what: type.name, why: "\(error)", remedy: "see the host's log")
      return ControlReply(body: (try? ControlCoding.bytes(failure)) ?? [], isFailure: true)
    }
  }

  private func request<Request: ControlRequest>(_ question: ControlQuestion, _ type: Request.Type) throws -> Request {
    do { return try ControlCoding.value(type, question.body) } catch {
      throw CommandFailure(
        kind: .usage, error: .invalidArgument, what: type.name, why: "the running host can't read what is asked",
        remedy: "see that both are of one version")
    }
  }

  private static func watch<Request: WatchedRequest>(_ answer: Any, _ type: Request.Type) throws -> ControlReply.Watch? {
    try (answer as? Request.Answer).map { answer in
      ControlReply.Watch(essence: try ControlCoding.bytes(type.essence(of: answer)), bells: type.bells)
    }
  }
}

/// The form in which requests and answers go over the socket: JSON, the keys of a value always in one order.
enum ControlCoding {
  static func bytes(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  static func value<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) throws -> Value {
    try JSONDecoder().decode(type, from: Data(bytes))
  }
}
