/// The queries of a resolver and the servers that they were given to. For its thread alone; completions run here.
final class Desk {
  private let configuration: Resolver.Configuration
  private let poll: Int32
  private let arrivals = Arrivals()
  private var lookups: [UInt64: NameQuery] = [:]
  /// Whose lookup it is that has questions, wanted or not, and how many of them it has.
  private var owned: [UInt64: (owner: UInt32, open: Int)] = [:]
  private var asked: [UInt32: Int] = [:]
  /// The present servers, and those before them that still have questions.
  private var servers: Servers?
  private var former: [Servers] = []
  private var resolvConf: FileIdentity?
  private var looked: ContinuousClock.Instant?

  /// A channel has 65,536 numbers for its questions, and picks them at random until it finds a free one.
  private static let mostQuestions = 20_000
  private static let mostOfOwner = 4_000
  private static let mostOfOwners = 16_000
  /// How long resolv.conf may have changed unseen.
  private static let glance: Duration = .seconds(1)

  init(_ configuration: Resolver.Configuration, poll: Int32) { (self.configuration, self.poll) = (configuration, poll) }

  func accept(_ question: ResolverThread.Question, _ number: UInt64) {
    readResolvConf()
    func refuse(_ failure: Resolver.Failure) { question.completion(question.types.map { _ in .failure(failure) }) }
    guard Resolver.isPossible(question.name) else { return refuse(.invalidName) }
    guard let servers, servers.asked < Self.mostQuestions else { return refuse(.temporary) }
    if let owner = question.owner {
      guard asked[owner, default: 0] < Self.mostOfOwner, servers.asked < Self.mostOfOwners else { return refuse(.temporary) }
      owned[number] = (owner, 0)
    }
    var lookup = NameQuery(
      question.name, question.types, searches: question.searches, servers: servers, question.completion)
    let step = lookup.start()
    lookups[number] = lookup
    perform(step, number)
  }

  /// c-ares keeps its question until it is answered or its time is over; what comes then is dropped.
  func cancel(_ number: UInt64) { complete(number) { $0.types.map { _ in .failure(.cancelled) } } }

  func cancelAll() {
    for number in lookups.keys { cancel(number) }
    (servers, former) = (nil, [])
  }

  /// Goes through what has come.
  func handOut() {
    while let arrival = arrivals.next() {
      count(-1, of: arrival.lookup)
      if arrival.hasWaited, arrival.isAnswer { lookups[arrival.lookup]?.servers.hasWaited(for: arrival.channel.rotation) }
      guard let step = lookups[arrival.lookup]?.take(arrival) else { continue }
      perform(step, arrival.lookup)
    }
    former.removeAll { $0.asked == 0 }
  }

  private func perform(_ step: NameQuery.Step, _ number: UInt64) {
    switch step {
    case .wait: break
    case .complete(let outcomes): complete(number) { _ in outcomes }
    case .ask(let requests):
      guard let lookup = lookups[number] else { return }
      for request in requests {
        guard let channel = lookup.servers.channel(request.rotation) else {
          return complete(number) { $0.types.map { _ in .failure(.temporary) } }
        }
        count(1, of: number)
        channel.ask(request.name, lookup.types[request.place], lookup: number, place: request.place)
      }
    }
  }

  /// Questions of a lookup that is gone count until c-ares is done with them.
  private func count(_ change: Int, of number: UInt64) {
    guard let (owner, open) = owned[number] else { return }
    owned[number] = open + change > 0 || lookups[number] != nil ? (owner, open + change) : nil
    let rest = asked[owner, default: 0] + change
    asked[owner] = rest > 0 ? rest : nil
  }

  private func complete(_ number: UInt64, _ outcomes: (NameQuery) -> [NameQuery.Outcome]) {
    guard let lookup = lookups.removeValue(forKey: number) else { return }
    if owned[number]?.open == 0 { owned[number] = nil }
    lookup.completion(outcomes(lookup))
  }

  /// Reads it again where it has changed; what is asked already stays where it is.
  private func readResolvConf() {
    if servers != nil, let looked, looked + Self.glance > .now { return }
    looked = .now
    let identity = FileIdentity(configuration.resolvConf)
    guard servers == nil || identity != resolvConf else { return }
    guard let new = try? Servers(ServerSettings(configuration), poll: poll, arrivals: arrivals) else { return }
    // Also without questions at present: what has come for its queries may make new ones.
    if let servers { former.append(servers) }
    (servers, resolvConf) = (new, identity)
  }

  // MARK: The loop

  private var all: [Servers] { (servers.map { [$0] } ?? []) + former }

  /// When there is something to do besides what sockets say, in milliseconds.
  var patience: Int32? { all.compactMap(\.patience).min() }
  func process(_ socket: Int32) { for servers in all { servers.process(socket) } }
  func processTimeouts() { for servers in all { servers.processTimeouts() } }
}
