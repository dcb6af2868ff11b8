import CAres

/// One query on its way: a name, the names that a search makes of it, and the types that are asked for at once. For the resolver's
/// thread alone.
struct NameQuery {
  typealias Outcome = Result<Resolver.Reply, Resolver.Failure>

  let servers: Servers
  let types: [Resolver.RecordType]
  let completion: @Sendable ([Outcome]) -> Void
  /// The name, where no server is asked for it.
  private let special: (kind: Resolver.SpecialName, name: String)?
  private var candidates: ArraySlice<String>
  /// What is asked at present, by type.
  private var questions: [Question] = []
  /// The failures of the candidates so far that say most, by type.
  private var failures: [Resolver.Failure?]
  /// Nobody has answered in time: another candidate would only take as long.
  private var isUnreachable = false

  /// A question for one type, along the chain of CNAMEs.
  private struct Question {
    var target: String
    var chain: [Resolver.Record] = []
    /// How often the end of an answer's chain had to be asked for.
    var continuations = 0
    var rotation = 0
    /// How many servers could not tell.
    var refusals = 0
    /// A server did not understand it, and it was asked once more without EDNS.
    var isPlain = false
    var outcome: Outcome?
  }

  /// What is to be asked next: the name for the type at a place, of which servers.
  struct Request {
    var name: String
    var place: Int
    var rotation: Int
  }

  /// How a lookup goes on.
  enum Step {
    case ask([Request])
    case wait
    case complete([Outcome])
  }

  private static let mostContinuations = 8
  private static let longestChain = 32

  init(
    _ name: String, _ types: [Resolver.RecordType], searches: Bool, servers: Servers,
    _ completion: @escaping @Sendable ([Outcome]) -> Void
  ) {
    (self.servers, self.types, self.completion) = (servers, types, completion)
    candidates = Resolver.candidates(name, searches: searches, domains: servers.search, ndots: servers.ndots)[...]
    special = Resolver.SpecialName(name).map { ($0, name) }
    failures = Array(repeating: nil, count: types.count)
  }

  /// Asks for the next candidate; completes where there is none.
  mutating func start() -> Step {
    guard !isUnreachable, let name = candidates.popFirst() else {
      if let special, special.kind == .loopback { return .complete(types.map { special.kind.outcome(special.name, $0) }) }
      return .complete(failures.map { .failure($0 ?? .noSuchName) })
    }
    let rotation = servers.first
    questions = types.map { _ in Question(target: name, rotation: rotation) }
    return .ask(questions.indices.map { Request(name: name, place: $0, rotation: rotation) })
  }

  mutating func take(_ arrival: Arrival) -> Step {
    let place = arrival.place
    var next: Request?
    switch arrival.status {
    case ARES_SUCCESS: next = take(Message(arrival.packet), at: place)
    case ARES_ENODATA: end(place, .noData)
    case ARES_ENOTFOUND: end(place, .noSuchName)
    case ARES_EBADNAME: end(place, .invalidName)
    case ARES_ESERVFAIL: next = askAnother(place, .temporary)
    case ARES_EFORMERR where !questions[place].isPlain:
      // It may not know EDNS, and c-ares leaves that out from then on; it asks again itself only what it was asked first.
      questions[place].isPlain = true
      next = Request(name: questions[place].target, place: place, rotation: questions[place].rotation)
    case ARES_EREFUSED, ARES_ENOTIMP, ARES_EFORMERR, ARES_EBADRESP: next = askAnother(place, .refused)
    case ARES_ETIMEOUT:
      isUnreachable = true
      end(place, .unanswered)
    default:
      isUnreachable = true
      end(place, .temporary)
    }
    if let next { return .ask([next]) }
    return questions.allSatisfy { $0.outcome != nil } ? candidateEnded() : .wait
  }

  private mutating func end(_ place: Int, _ failure: Resolver.Failure) { questions[place].outcome = .failure(failure) }

  /// A server can't tell: the next one may.
  private mutating func askAnother(_ place: Int, _ failure: Resolver.Failure) -> Request? {
    questions[place].refusals += 1
    guard let rotation = servers.next(after: questions[place].rotation, failures: questions[place].refusals) else {
      end(place, failure)
      return nil
    }
    questions[place].rotation = rotation
    return Request(name: questions[place].target, place: place, rotation: rotation)
  }

  /// Follows the chain in an answer. What is left to ask, where the answer ends within the chain.
  private mutating func take(_ message: Message?, at place: Int) -> Request? {
    guard let message else { return askAnother(place, .refused) }
    var question = questions[place]
    defer { questions[place] = question }
    let wanted = types[place]
    let length = question.chain.count
    question.target = message.question
    while true {
      let owned = message.answers.filter { Self.areSame($0.owner, question.target) }
      let records = owned.filter { $0.type == wanted || wanted == .any }
      if !records.isEmpty {
        let reply = Resolver.Reply(records: records, chain: question.chain, canonicalName: records[0].owner)
        question.outcome = .success(reply)
        return nil
      }
      guard let alias = owned.first(where: { $0.type == .cname }), case .name(let target) = alias.data else { break }
      let isLoop = Self.areSame(target, alias.owner) || question.chain.contains { Self.areSame($0.owner, target) }
      // The name is there, and leads nowhere.
      guard !isLoop, question.chain.count < Self.longestChain else {
        question.outcome = .failure(.noData)
        return nil
      }
      question.chain.append(alias)
      question.target = target
      // The root has no records of hosts: an alias of it says that there are none.
      if target.isEmpty || target == "." {
        question.outcome = .failure(.noData)
        return nil
      }
      if let special = Resolver.SpecialName(target) {
        question.outcome = special.outcome(target, wanted, chain: question.chain)
        return nil
      }
    }
    guard question.chain.count > length else {
      question.outcome = .failure(.noData)
      return nil
    }
    question.continuations += 1
    guard question.continuations <= Self.mostContinuations else {
      question.outcome = .failure(.noData)
      return nil
    }
    question.refusals = 0
    return Request(name: question.target + ".", place: place, rotation: question.rotation)
  }

  private mutating func candidateEnded() -> Step {
    let outcomes = questions.compactMap(\.outcome)
    for (place, outcome) in outcomes.enumerated() {
      if case .failure(let failure) = outcome { failures[place] = Self.saysMore(failure, failures[place]) }
    }
    if outcomes.contains(where: { if case .success = $0 { true } else { false } }) { return .complete(outcomes) }
    return start()
  }

  /// Of a search's failures the one that counts: that the name is there somewhere, else that it may be, else that it is not. A server
  /// that refuses says nothing of the name; those of one zone refuse whatever is not in it.
  private static func saysMore(_ one: Resolver.Failure, _ other: Resolver.Failure?) -> Resolver.Failure {
    let order: [Resolver.Failure] = [.cancelled, .noData, .temporary, .unanswered, .noSuchName, .refused, .invalidName]
    return order.first { $0 == one || $0 == other } ?? one
  }

  /// Names compare without regard to the case of ASCII's letters, and to the root's dot.
  private static func areSame(_ one: String, _ other: String) -> Bool {
    func folded(_ name: String) -> some Sequence<UInt8> {
      (name.count > 1 && name.hasSuffix(".") ? name.dropLast() : name[...]).utf8.lazy.map {
        (65...90).contains($0) ? $0 + 32 : $0
      }
    }
    return folded(one).elementsEqual(folded(other))
  }
}
