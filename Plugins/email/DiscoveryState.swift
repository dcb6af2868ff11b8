import QuerySets
import Resolver

/// What is asked of the Domain Name System for one address, what was answered, and what follows from that.
///
/// All services are asked for at once, and each target as soon as it is known. Endpoints are delivered in their order, as soon as those
/// before them are.
struct DiscoveryState: Sendable {
  enum Question: Hashable, Sendable {
    /// Where a service is: by its place among those that are asked for.
    case offers(Int)
    case addresses(String)
    /// Whether there is a domain at all: asked where no other answer has said it.
    case domain
  }

  enum Effect {
    case ask(Question, name: String, [Resolver.RecordType])
    case deliver([Endpoint])
    case finish(WinsockError)
  }

  struct Endpoint: Sendable {
    var service: MailService
    var offer: Offer
    var target: Target
  }

  /// What the name of a target comes to.
  struct Target: Sendable {
    /// Of 4 or 16 bytes each.
    var addresses: [[UInt8]] = []
    var firstType = Resolver.RecordType.a
    /// Seconds, for all of them and the way to them.
    var timeToLive = UInt32.max
  }

  private enum Phase {
    case asking
    case askingDomain
    case over
  }

  /// What is answered of one type.
  typealias Outcome = Result<Resolver.Reply, Resolver.Failure>

  /// A domain that names more than these is not served any better by the rest of them.
  private static let offersPerService = 20
  private static let addressesPerTarget = 256

  private let domain: String
  private let services: [MailService]
  /// The record types of the wanted families.
  private let addressTypes: [Resolver.RecordType]
  private var phase = Phase.asking
  /// In order; nil where the answer is not there yet.
  private var offers: [[Offer]?]
  /// Those that were asked for; nil where the answer is not there yet.
  private var targets: [String: Target?] = [:]
  /// The first endpoint that is not delivered yet.
  private var next = (service: 0, offer: 0)
  private var hasDelivered = false
  private var domainIsThere = false
  private var domainIsMissing = false
  /// What kept from knowing all that there is.
  private var failure: WinsockError?

  init(domain: String, services: [MailService], addressTypes: [Resolver.RecordType]) {
    (self.domain, self.services, self.addressTypes) = (domain, services, addressTypes)
    offers = services.map { _ in nil }
  }

  /// The questions to begin with.
  func begin() -> [Effect] {
    services.enumerated().map { index, service in
      switch service.question {
      case .service(let label): .ask(.offers(index), name: "\(label).\(domain)", [.srv])
      case .mail: .ask(.offers(index), name: domain, [.mx])
      }
    }
  }

  /// - Parameter outcomes: One for each type that was asked for.
  mutating func handle(_ question: Question, _ outcomes: [Outcome]) -> [Effect] {
    switch (phase, question) {
    case (.asking, .offers(let index)):
      for outcome in outcomes { note(outcome, isOfDomain: services[index].question == .mail) }
      let found = outcomes.flatMap { offered(services[index], $0) }
      offers[index] = found
      return found.flatMap { ask($0.target) } + settle()
    case (.asking, .addresses(let name)):
      // A target that is not there, or not reachable by the wanted families, is none; it says nothing of the domain.
      for case .failure(let failure) in outcomes { note(failure) }
      targets[name] = Self.target(outcomes.compactMap { try? $0.get() })
      return settle()
    case (.askingDomain, .domain):
      for outcome in outcomes { note(outcome, isOfDomain: true) }
      return finish()
    case (.over, _), (.asking, .domain), (.askingDomain, _): return []
    }
  }

  /// Nobody wants the rest.
  mutating func cancel() { phase = .over }

  // MARK: What answers say

  private mutating func note(_ outcome: Outcome, isOfDomain: Bool) {
    switch outcome {
    case .success, .failure(.noData): domainIsThere = true
    case .failure(.noSuchName): domainIsMissing = domainIsMissing || isOfDomain
    case .failure(let failure): note(failure)
    }
  }

  private mutating func note(_ failure: Resolver.Failure) {
    switch failure {
    case .noSuchName, .noData, .cancelled: break
    case .temporary: self.failure = .tryAgain
    case .unanswered: self.failure = .timedOut
    // Another time may be better where some answers were missing only.
    case .refused: self.failure = self.failure ?? .refused
    case .invalidName: domainIsMissing = true
    }
  }

  /// What a service's answer comes to, in the order in which it is to be tried.
  private func offered(_ service: MailService, _ outcome: Outcome) -> [Offer] {
    var found: [Offer] = []
    switch outcome {
    case .success(let reply): found = reply.records.compactMap { Offer($0, timeToLive: reply.timeToLive) }
    case .failure(.noData) where service.question == .mail:
      found = [Offer(priority: 0, weight: 0, port: MailService.mailPort, target: domain, type: nil, timeToLive: .max)]
    case .failure: break
    }
    var chance = SystemRandomNumberGenerator()
    // The root as target, and nothing else, says that there is no such service (RFC 2782, RFC 7505).
    let offers = Offer.ordered(found.filter { !$0.target.isEmpty && $0.port != 0 }, using: &chance)
    return Array(offers.prefix(Self.offersPerService))
  }

  private static func target(_ replies: [Resolver.Reply]) -> Target {
    var found = Target()
    for reply in replies {
      let addresses = reply.records.prefix(addressesPerTarget).compactMap { record in
        if case .address(let bytes) = record.data { bytes } else { nil }
      }
      if found.addresses.isEmpty, let type = reply.records.first?.type { found.firstType = type }
      found.addresses += addresses
      found.timeToLive = min(found.timeToLive, reply.timeToLive)
    }
    return found
  }

  private mutating func ask(_ target: String) -> [Effect] {
    guard targets[target] == nil else { return [] }
    targets.updateValue(nil, forKey: target)
    return [.ask(.addresses(target), name: target, addressTypes)]
  }

  // MARK: What follows

  /// Delivers what is complete, and ends where everything is.
  private mutating func settle() -> [Effect] {
    var ready: [Endpoint] = []
    while next.service < services.count, let found = offers[next.service] {
      guard next.offer < found.count else {
        next = (next.service + 1, 0)
        continue
      }
      let offer = found[next.offer]
      guard case .some(.some(let target)) = targets[offer.target] else { break }
      if !target.addresses.isEmpty { ready.append(Endpoint(service: services[next.service], offer: offer, target: target)) }
      next.offer += 1
    }
    hasDelivered = hasDelivered || !ready.isEmpty
    let delivery: [Effect] = ready.isEmpty ? [] : [.deliver(ready)]
    guard next.service == services.count else { return delivery }
    if hasDelivered || failure != nil || domainIsThere || domainIsMissing { return delivery + finish() }
    phase = .askingDomain
    return [.ask(.domain, name: domain, [.soa])]
  }

  private mutating func finish() -> [Effect] {
    phase = .over
    if hasDelivered { return [.finish(.noMore)] }
    // Below a domain that is not there, nothing is.
    if domainIsMissing && !domainIsThere { return [.finish(.serviceNotFound)] }
    return [.finish(failure ?? .noData)]
  }
}

extension Offer {
  /// From a record of a service or of mail; nil for others.
  fileprivate init?(_ record: Resolver.Record, timeToLive: UInt32) {
    switch record.data {
    case .service(let priority, let weight, let port, let target):
      self.init(
        priority: priority, weight: weight, port: port, target: Self.name(target), type: record.type, timeToLive: timeToLive)
    case .mail(let preference, let exchange):
      self.init(
        priority: preference, weight: 0, port: MailService.mailPort, target: Self.name(exchange), type: record.type,
        timeToLive: timeToLive)
    default: return nil
    }
  }

  /// Without the root's dot.
  private static func name(_ target: String) -> String { target.hasSuffix(".") ? String(target.dropLast()) : target }
}

extension Resolver.Reply {
  /// How long it may be kept, with the way to it.
  fileprivate var timeToLive: UInt32 { (records + chain).map(\.timeToLive).min() ?? 0 }
}
