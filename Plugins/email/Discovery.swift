import CWinsock
import Glibc
import NSPProvider
import QuerySets
import Resolver
import Rundown

/// Finds the endpoints of an address by what its domain says, for one query. The resolver's thread drives it.
final class Discovery: Sendable {
  private let resolver: Resolver
  private let owner: UInt32?
  private let name: String
  private let answer: Locked<Answer?> = Locked(nil)
  private let state: Locked<State>

  private struct State {
    var discovery: DiscoveryState
    /// Questions that are with the resolver; nil while its ticket is on the way.
    var asked: [DiscoveryState.Question: Resolver.Ticket?] = [:]
    var isCancelled = false
  }

  private init(
    _ address: EmailAddress, _ services: [MailService], _ types: [Resolver.RecordType], _ resolver: Resolver, _ owner: UInt32?
  ) {
    (self.resolver, self.owner, name) = (resolver, owner, address.text)
    state = Locked(State(discovery: DiscoveryState(domain: address.domain, services: services, addressTypes: types)))
  }

  /// Does not wait.
  /// - Parameter owner: Whose questions they are; nil for an operator.
  static func answer(
    _ address: EmailAddress, _ services: [MailService], _ query: Query, _ resolver: Resolver, for owner: UInt32?
  ) throws(WinsockError) -> Answer {
    let types: [Resolver.RecordType] = (query.wants(family: AF_INET) ? [.a] : []) + (query.wants(family: AF_INET6) ? [.aaaa] : [])
    if types.isEmpty { throw .noData }
    let discovery = Discovery(address, services, types, resolver, owner)
    // Each holds the other until the query ends, or the last answer has come.
    let answer = Answer(cancel: { discovery.cancel() })
    discovery.answer.withLock { $0 = answer }
    discovery.perform(discovery.state.withLock { $0.discovery.begin() })
    return answer
  }

  private func perform(_ effects: [DiscoveryState.Effect]) {
    for effect in effects {
      switch effect {
      case .ask(let question, let name, let types): ask(question, name, types)
      case .deliver(let endpoints): answer.withLock { $0 }?.deliver(endpoints.map(record))
      case .finish(let ending): answer.withLock { $0.take() }?.finish(ending)
      }
    }
  }

  private func ask(_ question: DiscoveryState.Question, _ name: String, _ types: [Resolver.RecordType]) {
    let isWanted = state.withLock { state in
      if !state.isCancelled { state.asked.updateValue(nil, forKey: question) }
      return !state.isCancelled
    }
    guard isWanted else { return }
    let ticket = resolver.query(name, types, searches: false, owner: owner) { self.take($0, for: question) }
    // It may have been answered, or the query may have ended, meanwhile.
    let isLate = state.withLock { state in
      guard state.asked.keys.contains(question) else { return state.isCancelled }
      state.asked.updateValue(ticket, forKey: question)
      return false
    }
    if isLate { resolver.cancel(ticket) }
  }

  private func take(_ outcomes: [DiscoveryState.Outcome], for question: DiscoveryState.Question) {
    let effects = state.withLock { state in
      state.asked.removeValue(forKey: question)
      return state.discovery.handle(question, outcomes)
    }
    perform(effects)
  }

  private func cancel() {
    let tickets = state.withLock { state in
      state.isCancelled = true
      state.discovery.cancel()
      defer { state.asked = [:] }
      return state.asked.values.compactMap { $0 }
    }
    answer.withLock { $0 = nil }
    for ticket in tickets { resolver.cancel(ticket) }
  }

  private func record(_ endpoint: DiscoveryState.Endpoint) -> QuerySet {
    let offer = endpoint.offer
    let addresses = endpoint.target.addresses.compactMap { SocketAddress(host: $0, port: offer.port) }
    return QuerySet(
      serviceInstanceName: name, comment: "\(offer.target):\(offer.port)", nameSpace: .email, context: endpoint.service.name,
      addresses: addresses.map { address in
        ServiceAddress(
          local: SocketAddress(bytes: []), remote: address, socketType: Int32(SOCK_STREAM.rawValue),
          protocolNumber: Int32(IPPROTO_TCP))
      }, blob: endpoint.blob)
  }
}

extension DiscoveryState.Endpoint {
  /// Of a record that was made from several: without data.
  fileprivate var blob: [UInt8] {
    var blob = DNSBlob(
      type: (offer.type ?? target.firstType).rawValue, timeToLive: min(offer.timeToLive, target.timeToLive))
    if offer.type != nil { (blob.priority, blob.weight) = (offer.priority, offer.weight) }
    if offer.type == .srv { blob.port = offer.port }
    return blob.bytes
  }
}
