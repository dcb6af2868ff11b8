import CWinsock
import Hosting
import Providers
import QuerySets
import Sessions

extension Control {
  /// One query from begin to end.
  struct Lookup: ControlRequest {
    static let name = "lookup"
    static let isForOperators = false
    /// The name that is looked up.
    var instance: String
    var nameSpace: UInt32
    var provider: ProviderReference?
    var serviceClass: ClassReference?
    var service: String?
    var version: UInt32?
    var atLeast: UInt32?
    var flags: UInt32

    struct Answer: Codable, Sendable {
      struct Query: Codable, Sendable {
        var id: String
        var name: String
        var namespace: String
      }
      struct Client: Codable, Sendable {
        var pid: Int32
        var uid: UInt32
        var command: String
      }
      struct Result: Codable, Sendable {
        var name: String
        var address: String?
        var provider: String
        var context: String?
        var version: UInt32?
        var comment: String?
        var blob: String?
      }
      struct Asked: Codable, Sendable {
        enum Verdict: String, Codable {
          case asked
          /// It should have been asked, and could not be.
          case down
          case skipped
        }
        /// Its place in the catalog, from 1.
        var order: Int
        var provider: String
        var verdict: Verdict
        var status: WinsockError?
        var results: Int?
        var reason: String?
        /// Why it could not answer, or was skipped, for people.
        var detail: String?
        var tookUs: Int?
      }
      var query: Query
      var client: Client
      var results: [Result] = []
      /// Nil if no provider was considered.
      var asked: [Asked]?
      var tookUs = 0
      /// Why there is nothing, or not everything.
      var failure: CommandFailure?
    }

    func answer(of host: ProviderHost, for client: () throws -> ClientSession) throws -> Answer {
      let (id, client) = (QueryID.next(), try client())
      let identity = client.identity
      var answer = Answer(
        query: .init(id: id.description, name: instance, namespace: NameSpace(rawValue: nameSpace).description),
        client: .init(pid: identity.processID, uid: identity.userID, command: identity.command))
      let asked: QuerySet
      do throws(CommandFailure) {
        asked = querySet(
          class: try serviceClass?.one(in: host.engine.classes.schema),
          provider: try provider?.one(among: host.catalog.entries.known))
      } catch {
        answer.failure = error
        return answer
      }
      let (start, entries) = (MonotonicTime.now, host.catalog.entries)
      var (records, trace, ending): ([QuerySet], QueryTrace?, WinsockError) = ([], nil, .noMore)
      do throws(WinsockError) {
        var early: QueryTrace?
        defer { trace = trace ?? early }
        let lookup = try host.engine.begin(client, asked, flags: LookupFlags(rawValue: flags), id: id) { early = $0 }
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
      answer.tookUs = Int((MonotonicTime.now - start).microseconds)
      answer.results = records.flatMap { record in
        Answer.Result.all(of: record, asked: instance, by: entries.name(of: record.providerID))
      }
      answer.asked = trace?.lines.map(Answer.Asked.init)
      if records.isEmpty || ending != .noMore { answer.failure = failure(ending, answer) }
      return answer
    }

    func querySet(class id: GUID?, provider: GUID?) -> QuerySet {
      let asked =
        version.map { ServiceVersion(number: $0, comparator: .equal) }
        ?? atLeast.map { ServiceVersion(number: $0, comparator: .notLess) }
      return QuerySet(
        serviceInstanceName: instance, serviceClassID: id, version: asked, nameSpace: NameSpace(rawValue: nameSpace),
        providerID: provider, context: service)
    }

    private func failure(_ error: WinsockError, _ answer: Answer) -> CommandFailure {
      let asked = (answer.asked ?? []).count { $0.verdict == .asked }
      let down = (answer.asked ?? []).compactMap(\.outage)
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
        kind: error.meansNothingFound ? .nothingFound : .failed, error: error, what: "lookup of \(instance)", why: why,
        remedy: isServed ? "nsphost lookup \(instance) --explain" : "nsphost providers shows who serves what",
        query: answer.query.id, unanswered: down)
    }
  }
}

extension Control.Lookup.Answer.Result {
  /// One for each address; one without where there is none.
  fileprivate static func all(of record: QuerySet, asked name: String, by provider: String) -> [Self] {
    let addresses: [String?] = record.addresses.isEmpty ? [nil] : record.addresses.map { $0.remote.description }
    return addresses.map { address in
      Self(
        name: record.serviceInstanceName ?? name, address: address, provider: provider,
        context: record.context.flatMap { $0.isEmpty ? nil : $0 }, version: record.version?.number, comment: record.comment,
        blob: record.blob.map(Output.hexadecimal))
    }
  }
}

extension Control.Lookup.Answer.Asked {
  fileprivate init(_ line: QueryTrace.Line) {
    switch line.verdict {
    case .asked(let status, let results, let took):
      self.init(
        order: line.order, provider: line.provider, verdict: .asked, status: status, results: results,
        reason: line.outage?.name, detail: line.outage?.text, tookUs: Int(took.microseconds))
    case .down:
      self.init(
        order: line.order, provider: line.provider, verdict: .down, reason: line.outage?.name, detail: line.outage?.text)
    case .skipped(let reason):
      self.init(order: line.order, provider: line.provider, verdict: .skipped, reason: reason.rawValue, detail: reason.text)
    }
  }

  /// Nil where it has answered, or need not.
  fileprivate var outage: CommandFailure.Unanswered? {
    guard verdict != .skipped, let reason, let detail else { return nil }
    return .init(provider: provider, reason: reason, detail: detail)
  }
}

extension [Catalog.Entry] {
  fileprivate func name(of id: GUID?) -> String { first { $0.id == id }?.manifest.displayName ?? id?.description ?? "-" }
}
