import QuerySets
import RandomSequences
import Testing

@testable import Resolver

/// What is asked for one e-mail address, and what follows from the answers.
@Suite struct DiscoveryStateTests {
  private typealias Question = DiscoveryState.Question

  private static func state(_ services: String) throws -> DiscoveryState {
    DiscoveryState(
      domain: "example.org", services: MailService.asked(try #require(Service(services))), addressTypes: [.a, .aaaa])
  }

  private static func reply(_ data: [Resolver.Record.Data], _ type: Resolver.RecordType) -> DiscoveryState.Outcome {
    .success(
      Resolver.Reply(
        records: data.map { Resolver.Record(owner: "example.org.", type: type, timeToLive: 60, data: $0, bytes: []) }, chain: [],
        canonicalName: "example.org."))
  }

  private static func address(_ last: UInt8) -> [DiscoveryState.Outcome] {
    [reply([.address([192, 0, 2, last])], .a), .failure(.noData)]
  }

  /// What effects come to, as texts.
  private static func told(_ effects: [DiscoveryState.Effect]) -> [String] {
    effects.flatMap { effect -> [String] in
      switch effect {
      case .ask(_, let name, let types): ["ask \(name) \(types.map(\.rawValue))"]
      case .deliver(let endpoints): endpoints.map { "\($0.service.name) \($0.offer.target):\($0.offer.port)" }
      case .finish(let ending): ["\(ending)"]
      }
    }
  }

  @Test("mail: exchangers by preference, each target asked for once")
  func mail() throws {
    var state = try Self.state("smtp")
    #expect(Self.told(state.begin()) == ["ask example.org [15]"])
    let offers: [Resolver.Record.Data] = [
      .mail(preference: 20, exchange: "b.example.org."), .mail(preference: 10, exchange: "a.example.org."),
      .mail(preference: 30, exchange: "a.example.org."),
    ]
    #expect(
      Self.told(state.handle(.offers(0), [Self.reply(offers, .mx)])) == [
        "ask a.example.org [1, 28]", "ask b.example.org [1, 28]",
      ])
    // The second target is known first: what it has waits for what stands before it.
    #expect(Self.told(state.handle(.addresses("b.example.org"), Self.address(2))).isEmpty)
    #expect(
      Self.told(state.handle(.addresses("a.example.org"), Self.address(1)))
        == ["smtp a.example.org:25", "smtp b.example.org:25", "smtp a.example.org:25", "\(WinsockError.noMore)"])
  }

  @Test("a domain without exchangers stands for itself; one with the root as exchanger takes no mail")
  func mailWithout() throws {
    var state = try Self.state("smtp")
    _ = state.begin()
    #expect(Self.told(state.handle(.offers(0), [.failure(.noData)])) == ["ask example.org [1, 28]"])
    #expect(Self.told(state.handle(.addresses("example.org"), Self.address(1))).first == "smtp example.org:25")
    state = try Self.state("smtp")
    _ = state.begin()
    let none = Self.reply([.mail(preference: 0, exchange: ".")], .mx)
    #expect(Self.told(state.handle(.offers(0), [none])) == ["\(WinsockError.noData)"])
  }

  @Test(
    "how it ends where nothing was found",
    arguments: [
      (.failure(.noSuchName), .serviceNotFound), (.failure(.temporary), .tryAgain), (.failure(.unanswered), .timedOut),
      (.failure(.refused), .refused),
    ] as [(DiscoveryState.Outcome, WinsockError)])
  func endings(_ outcome: DiscoveryState.Outcome, _ ending: WinsockError) throws {
    var state = try Self.state("smtp")
    _ = state.begin()
    #expect(Self.told(state.handle(.offers(0), [outcome])) == ["\(ending)"])
  }

  @Test("where no service is named whether there is a domain is asked for last")
  func domain() throws {
    var state = try Self.state("jmap")
    #expect(Self.told(state.begin()) == ["ask _jmap._tcp.example.org [33]"])
    #expect(Self.told(state.handle(.offers(0), [.failure(.noSuchName)])) == ["ask example.org [6]"])
    var other = state
    #expect(Self.told(state.handle(.domain, [.failure(.noSuchName)])) == ["\(WinsockError.serviceNotFound)"])
    #expect(Self.told(other.handle(.domain, [Self.reply([], .soa)])) == ["\(WinsockError.noData)"])
    // Late answers say nothing.
    #expect(state.handle(.domain, [Self.reply([], .soa)]).isEmpty)
  }

  @Test("an answer that is missing beside others: what there is, and the end that it has")
  func partly() throws {
    var state = try Self.state("imap")
    _ = state.begin()
    #expect(Self.told(state.handle(.offers(1), [.failure(.temporary)])).isEmpty)
    #expect(Self.told(state.handle(.offers(0), [.failure(.noData)])) == ["\(WinsockError.tryAgain)"])
  }

  @Test("nobody wants the rest: nothing follows any more")
  func cancelled() throws {
    var state = try Self.state("smtp")
    _ = state.begin()
    state.cancel()
    #expect(state.handle(.offers(0), [.failure(.noData)]).isEmpty)
  }

  @Test("equals are tried as often first as their weights say (RFC 2782)")
  func weights() {
    func offer(_ target: String, _ priority: UInt16, _ weight: UInt16) -> Offer {
      Offer(priority: priority, weight: weight, port: 1, target: target, type: .srv, timeToLive: 1)
    }
    var (chance, first) = (SplitMix(state: 2782), [String: Int]())
    for _ in 0..<4000 {
      let ordered = Offer.ordered(
        [offer("later", 2, 1000), offer("heavy", 1, 3), offer("light", 1, 1), offer("none", 1, 0)], using: &chance)
      #expect(ordered.count == 4 && ordered.last?.target == "later")
      first[ordered[0].target, default: 0] += 1
    }
    // Of 5 equal chances heavy has 3, and the others one each: 0 and 1 lead to none and to light.
    #expect((2200...2600).contains(first["heavy"] ?? 0) && (650...950).contains(first["light"] ?? 0))
    #expect((650...950).contains(first["none"] ?? 0))
  }
}
