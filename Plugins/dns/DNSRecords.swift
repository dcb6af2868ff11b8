import CWinsock
import NSPProvider
import QuerySets
import Resolver

extension DNSQuestion {
  typealias Outcome = Result<Resolver.Reply, Resolver.Failure>

  /// What the query is answered with.
  /// - Parameter outcomes: One for each type.
  func records(_ outcomes: [Outcome]) throws(WinsockError) -> [QuerySet] {
    let replies = outcomes.compactMap { try? $0.get() }
    guard let first = replies.first else { throw Self.failure(outcomes) }
    switch subject {
    case .host: return host(replies)
    case .address(let address): return names(first, of: address)
    case .records: return first.records.map { record($0) }
    }
  }

  /// What no outcome is any good is answered with: what may be there counts for more than what is not.
  private static func failure(_ outcomes: [Outcome]) -> WinsockError {
    let order: [(Resolver.Failure, WinsockError)] = [
      (.cancelled, .cancelled), (.temporary, .tryAgain), (.unanswered, .timedOut), (.refused, .refused), (.noData, .noData),
      (.noSuchName, .serviceNotFound), (.invalidName, .invalidArgument),
    ]
    return order.first { outcomes.contains(.failure($0.0)) }?.1 ?? .serviceNotFound
  }

  private func host(_ replies: [Resolver.Reply]) -> [QuerySet] {
    let records = replies.flatMap(\.records)
    var links: [Resolver.Record] = []
    let name = replies[0].canonicalName
    for link in replies.flatMap(\.chain) where link.owner != name && !links.contains(where: { $0.owner == link.owner }) {
      links.append(link)
    }
    let timeToLive = replies.flatMap { $0.records + $0.chain }.map(\.timeToLive).min() ?? 0
    let host = QuerySet(
      serviceInstanceName: name, nameSpace: .dns, addresses: records.compactMap(\.address),
      blob: DNSBlob(type: records[0].type.rawValue, timeToLive: timeToLive).bytes)
    guard query.flags.contains(.returnAliases) else { return [host] }
    return [host] + links.map { alias($0.owner, $0) }
  }

  private func names(_ reply: Resolver.Reply, of address: SocketAddress) -> [QuerySet] {
    reply.records.enumerated().compactMap { number, record in
      guard case .name(let name) = record.data else { return nil }
      if number > 0 { return query.flags.contains(.returnAliases) ? alias(name, record) : nil }
      return QuerySet(
        serviceInstanceName: name, nameSpace: .dns, addresses: [ServiceAddress(remote: address)], blob: record.blob)
    }
  }

  private func alias(_ name: String, _ record: Resolver.Record) -> QuerySet {
    QuerySet(serviceInstanceName: name, nameSpace: .dns, outputFlags: UInt32(RESULT_IS_ALIAS), blob: record.blob)
  }

  private func record(_ record: Resolver.Record) -> QuerySet {
    var set = QuerySet(serviceInstanceName: record.owner, nameSpace: .dns, blob: record.blob)
    switch record.data {
    case .name(let name), .mail(_, let name), .service(_, _, _, let name): set.serviceInstanceName = name
    case .address: set.addresses = record.address.map { [$0] } ?? []
    case .text(let strings):
      let bytes = strings.flatMap { $0 }
      // A comment is text for people; whatever else the strings are is in the blob.
      if !bytes.contains(0) { set.comment = String(validating: bytes, as: UTF8.self) }
    case .other: break
    }
    return set
  }
}

extension Resolver.Record {
  fileprivate var address: ServiceAddress? {
    guard case .address(let bytes) = data else { return nil }
    return SocketAddress(host: bytes).map { ServiceAddress(remote: $0) }
  }
}

extension Resolver.Record {
  /// What it was, with its data.
  fileprivate var blob: [UInt8] {
    var blob = DNSBlob(type: type.rawValue, timeToLive: timeToLive)
    switch data {
    case .mail(let preference, _): blob.priority = preference
    case .service(let priority, let weight, let port, _): (blob.priority, blob.weight, blob.port) = (priority, weight, port)
    default: break
    }
    blob.data = bytes
    return blob.bytes
  }
}
