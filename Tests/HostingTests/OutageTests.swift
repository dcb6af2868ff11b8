import CWinsock
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Rundown
import Sessions
import Testing

/// Providers that are down beside others that answer (nsp.md §8.2 to §8.4, §8.6).
@Suite struct OutageTests {
  /// What a provider of these tests does.
  private enum Conduct: Sendable {
    /// Its NextEx completes with this code; 0: with a record, again and again.
    case says(Int32)
    /// Its NextEx is never completed, and its deadline is short.
    case hangs
    case failsBegin(Int32)
    case failsStartup(Int32)
    case takes(Int32)
    /// It is installed, and nobody advertises it.
    case isAway
    /// Its process is not there.
    case isDown(ProviderHosting.State)
    case isRefused
  }

  private static let conducts = Locked<[GUID: Conduct]>([:])
  private static func conduct(_ id: LPGUID?) -> Conduct? { id.flatMap { id in conducts.withLock { $0[id.pointee] } } }

  private static func result(_ code: Int32) -> Int32 {
    WSASetLastError(code)
    return code == 0 ? 0 : SOCKET_ERROR
  }

  private static var table: NSPV2_ROUTINE {
    var table = NSPV2_ROUTINE()
    table.cbSize = 72
    table.NSPv2Startup = { id, _ in
      if case .failsStartup(let code)? = OutageTests.conduct(id) { OutageTests.result(code) } else { 0 }
    }
    table.NSPv2Cleanup = { _, _ in 0 }
    table.NSPv2LookupServiceBegin = { id, _, _, _, handle in
      switch OutageTests.conduct(id) {
      case .failsBegin(let code)?: return OutageTests.result(code)
      case .says(let code)?: handle?.pointee = UnsafeMutableRawPointer(bitPattern: Int(code))
      case .hangs?: handle?.pointee = UnsafeMutableRawPointer(bitPattern: -1)
      default: handle?.pointee = UnsafeMutableRawPointer(bitPattern: Int(WSA_E_NO_MORE))
      }
      return 0
    }
    table.NSPv2LookupServiceNextEx = { call, handle, _, length, block in
      switch Int(bitPattern: handle) {
      case -1: return
      case 0:
        var record = WSAQUERYSET2W()
        record.dwSize = DWORD(MemoryLayout<WSAQUERYSET2W>.size)
        _ = WSAProviderCompleteAsyncCall(call, NSPHostPackQuerySet(&record, length, block))
      case let code: _ = WSAProviderCompleteAsyncCall(call, Int32(code))
      }
    }
    table.NSPv2LookupServiceEnd = { _ in 0 }
    table.NSPv2SetServiceEx = { call, id, _, _, _, _ in
      if case .takes(let code)? = OutageTests.conduct(id) {
        _ = WSAProviderCompleteAsyncCall(call, code)
      } else {
        _ = WSAProviderCompleteAsyncCall(call, WSAEOPNOTSUPP)
      }
    }
    return table
  }

  /// A host with such providers.
  private final class House {
    let host = ProviderHost(registrar: ModuleRegistrar())

    @discardableResult
    func add(
      _ name: String, _ conduct: Conduct, in space: NameSpace = .dns, domains: [InstallationBlob.Domain] = [],
      any servesAnyDomain: Bool = false, access: AccessList? = nil
    ) throws -> GUID {
      let id = try #require(GUID(bytes: (0..<16).map { _ in UInt8.random(in: 0...255) }))
      OutageTests.conducts.withLock { $0[id] = conduct }
      var manifest = Manifest(id: id, displayName: name, nameSpace: space, domains: domains, servesAnyDomain: servesAnyDomain)
      if case .hangs = conduct { manifest.deadline = .milliseconds(40) }
      manifest.access = access
      try host.catalog.install(manifest)
      switch conduct {
      case .isAway: break
      case .isDown(let state):
        host.report(.loading(path: "x.so", continuing: nil), to: id)
        host.report(.process(ProviderHosting(state)), to: id)
      case .isRefused:
        host.report(
          .refused(Refusal(path: "x.so", reason: .failedToLoad, detail: "it is damaged", remedy: "mend it")), to: id)
      default:
        var table = OutageTests.table
        try host.advertise(id, &table)
      }
      return id
    }

    func client() throws -> ClientSession {
      try host.open(ClientIdentity(processID: 1, userID: 4711, groupID: 4711, command: "test")).session
    }

    struct Answer {
      var hasRecords = false
      /// Begin's alone where that failed, else those of the first Next and of the second.
      var codes: [WinsockError] = []
      var trace: QueryTrace?

      func outage(of name: String) -> Outage? { trace?.lines.first { $0.provider == name }?.outage }
    }

    func ask(
      _ name: String = "x", in space: NameSpace = .all, at provider: GUID? = nil, chain: Bool = false
    ) throws -> Answer {
      var answer = Answer()
      do throws(WinsockError) {
        let lookup = try host.engine.begin(
          try! client(), QuerySet(serviceInstanceName: name, nameSpace: space, providerID: provider), flags: .returnAll,
          stopsAtFirst: chain
        ) { answer.trace = $0 }
        defer { lookup.end() }
        do throws(LookupError) {
          _ = try lookup.next()
          answer.hasRecords = true
        } catch {
          answer.codes.append(error.winsockError)
          do throws(LookupError) { _ = try lookup.next() } catch { answer.codes.append(error.winsockError) }
        }
        answer.trace = lookup.trace
      } catch { answer.codes = [error] }
      return answer
    }

    func register(_ name: String = "x", in space: NameSpace = .all) throws -> [RegistrationOutcome] {
      try host.engine.setService(
        try client(), QuerySet(serviceInstanceName: name, nameSpace: space), operation: .register)
    }

    deinit { host.stop() }
  }

  @Test(
    "NSP-155 beside one that says no, a provider whose process is away makes it WSATRY_AGAIN, in queries of all kinds",
    arguments: [ProviderHosting.State.starting, .restarting, .quarantined], [false, true])
  func down(state: ProviderHosting.State, isChain: Bool) throws {
    let house = House()
    try house.add("knower", .says(WSASERVICE_NOT_FOUND))
    try house.add("away", .isDown(state))
    let answer = try house.ask(chain: isChain)
    #expect(answer.codes == [.tryAgain, .noMore])
    #expect(answer.outage(of: "away")?.name == state.rawValue && answer.outage(of: "knower") == nil)
    #expect(try house.ask(in: .dns).codes == [.tryAgain, .noMore])
  }

  @Test(
    "a provider that is named and down is WSATRY_AGAIN, and its Begin says so",
    arguments: [ProviderHosting.State.starting, .restarting, .quarantined])
  func named(state: ProviderHosting.State) throws {
    let house = House()
    let id = try house.add("away", .isDown(state))
    let answer = try house.ask(at: id)
    #expect(answer.codes == [.tryAgain] && answer.outage(of: "away")?.name == state.rawValue)
    // Nobody else serves the name space.
    #expect(try house.ask(in: .dns).codes == [.tryAgain])
    #expect(try house.ask(chain: true).codes == [.tryAgain])
  }

  @Test("an answer that somebody has is the answer, whoever else is down", arguments: [false, true])
  func found(isChain: Bool) throws {
    let house = House()
    try house.add("away", .isDown(.quarantined))
    try house.add("late", .hangs)
    try house.add("sick", .failsStartup(WSAEPROVIDERFAILEDINIT))
    try house.add("owner", .says(0))
    #expect(try house.ask(chain: isChain).hasRecords)
  }

  @Test(
    "NSP-152 NSP-155 the first end of a query that matches nothing: not found or no data, by whoever says it and however",
    arguments: [false, true])
  func nothing(isChain: Bool) throws {
    for code in [WSA_E_NO_MORE, WSAENOMORE, WSASERVICE_NOT_FOUND, WSAHOST_NOT_FOUND] {
      let house = House()
      try house.add("one", .says(code))
      #expect(try house.ask(chain: isChain).codes == [.serviceNotFound, .noMore], "\(code)")
      try house.add("two", .failsBegin(WSASERVICE_NOT_FOUND))
      #expect(try house.ask(chain: isChain).codes == [.serviceNotFound, .noMore], "\(code)")
      try house.add("three", .says(WSANO_DATA))
      #expect(try house.ask(chain: isChain).codes == [.noData, .noMore], "\(code)")
    }
  }

  @Test(
    "who is absent does not count: disabled, refused, not for this user, not advertised, without the routine",
    arguments: [false, true])
  func absent(isChain: Bool) throws {
    let house = House()
    try house.add("knower", .says(WSASERVICE_NOT_FOUND))
    let disabled = try house.add("disabled", .isDown(.restarting))
    try house.host.disable(disabled)
    try house.add("refused", .isRefused)
    try house.add("others'", .isDown(.restarting), access: AccessList(users: [1]))
    try house.add("away", .isAway)
    try house.add("stub", .failsBegin(WSAEOPNOTSUPP))
    try house.add("strict", .failsStartup(WSAEACCES))
    try house.add("mail", .isDown(.restarting), in: .email, domains: [.init(name: "example.org", level: .primary)])
    let answer = try house.ask(chain: isChain)
    #expect(answer.codes == [.serviceNotFound, .noMore])
    #expect(answer.trace?.lines.allSatisfy { $0.outage == nil } == true)
  }

  @Test("down is also: failed its startup, out of time, out of resources, without an answer for now; each says what it is")
  func kinds() throws {
    for (conduct, name) in [
      (.failsStartup(WSAEPROVIDERFAILEDINIT), "failed-startup"), (.failsStartup(WSAEINVAL), "failed-startup"),
      (.hangs, "timed-out"), (.says(WSAENOBUFS), "out-of-resources"), (.says(WSATRY_AGAIN), "no-answer-now"),
      (.failsBegin(WSAEPROVIDERFAILEDINIT), "failed-startup"),
    ] as [(Conduct, String)] {
      let house = House()
      let id = try house.add("sick", conduct)
      #expect(try house.ask(at: id).codes.first == .tryAgain, "\(name)")
      try house.add("knower", .says(WSASERVICE_NOT_FOUND))
      let answer = try house.ask()
      #expect(answer.codes == [.tryAgain, .noMore] && answer.outage(of: "sick")?.name == name, "\(name): \(answer)")
    }
  }

  @Test("a provider whose startup failed last, or that says so itself, is failing until it is not, and its reason is told")
  func failing() throws {
    let house = House()
    let id = try house.add("sick", .failsStartup(WSAENOBUFS))
    let provider = try #require(house.host.catalog[id]?.provider)
    #expect(provider.condition.failure == nil)
    #expect(try house.ask(at: id).codes == [.tryAgain])
    #expect(provider.condition.failure?.contains("WSAENOBUFS") == true)
    provider.condition.report("the disk is gone")
    #expect(provider.condition.failure == "the disk is gone")
    #expect(try house.ask(at: id).outage(of: "sick") == .failing("the disk is gone"))
    Self.conducts.withLock { $0[id] = .says(0) }
    #expect(try house.ask(at: id).hasRecords)
    provider.condition.report(nil)
    #expect(provider.condition.failure == nil)
  }

  @Test("of e-mail providers those count that the chain reaches: a primary that is down leads to the next, others' do not matter")
  func mail() throws {
    let house = House()
    try house.add("primary", .isDown(.restarting), in: .email, domains: [.init(name: "example.org", level: .primary)])
    let secondary = try house.add("secondary", .says(0), in: .email, domains: [.init(name: "example.org", level: .secondary)])
    try house.add("other", .says(WSASERVICE_NOT_FOUND), in: .email, domains: [.init(name: "example.net", level: .primary)])
    #expect(try house.ask("a@example.org", in: .email).hasRecords)
    #expect(try house.ask("a@example.net", in: .email).codes == [.serviceNotFound, .noMore])
    Self.conducts.withLock { $0[secondary] = .says(WSANO_DATA) }
    #expect(try house.ask("a@example.org", in: .email).codes == [.tryAgain, .noMore])
    #expect(try house.ask("a@example.org").codes == [.tryAgain, .noMore])
    try house.add("any", .isDown(.quarantined), in: .email, any: true)
    #expect(try house.ask("a@example.net", in: .email).codes == [.tryAgain, .noMore])
  }

  @Test("a provider that is disabled while a query is open does not count in its answer; one that goes otherwise does")
  func leaving() throws {
    for isDisabled in [true, false] {
      let house = House()
      try house.add("knower", .says(WSASERVICE_NOT_FOUND))
      let id = try house.add("leaver", .says(WSASERVICE_NOT_FOUND))
      let lookup = try house.host.engine.begin(
        try house.client(), QuerySet(serviceInstanceName: "x", nameSpace: .dns), flags: .returnAll)
      if isDisabled {
        try house.host.disable(id)
      } else {
        // As where its process has died: it is to come back.
        house.host.report(.loading(path: "x.so", continuing: nil), to: id)
        house.host.report(.process(ProviderHosting(.running)), to: id)
        try house.host.unadvertise(id)
      }
      #expect(throws: LookupError.failed(isDisabled ? .serviceNotFound : .tryAgain)) { try lookup.next() }
      lookup.end()
    }
  }

  // MARK: Registrations

  @Test("NSP-180 a registration that nobody takes fails with an outage before it fails with that nobody serves such names")
  func registrations() throws {
    let house = House()
    try house.add("stub", .takes(WSAEOPNOTSUPP))
    #expect(try house.register().result == .operationNotSupported)
    try house.add("away", .isDown(.restarting))
    let outcomes = try house.register()
    #expect(outcomes.result == .tryAgain && outcomes.map(\.outage) == [nil, .restarting])
    try house.add("strict", .takes(WSAEACCES))
    #expect(try house.register().result == .accessDenied)
    try house.add("taker", .takes(0))
    #expect(try house.register().result == nil)
  }

  @Test("NSP-234 the chain of e-mail providers goes on behind one that is down, and has the same order of codes")
  func mailRegistrations() throws {
    let house = House()
    try house.add("primary", .isDown(.restarting), in: .email, domains: [.init(name: "example.org", level: .primary)])
    let secondary = try house.add(
      "secondary", .takes(WSAEOPNOTSUPP), in: .email, domains: [.init(name: "example.org", level: .secondary)])
    #expect(try house.register("a@example.org").result == .tryAgain)
    Self.conducts.withLock { $0[secondary] = .takes(0) }
    let outcomes = try house.register("a@example.org")
    #expect(outcomes.result == nil && outcomes.map(\.name) == ["primary", "secondary"])
  }
}
