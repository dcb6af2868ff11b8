import CWinsock
import Hosting
import Providers
import QuerySets
import Testing

/// What the host makes of a provider's answers (nsp.md §5.2, §5.3, §5.6).
@Suite struct ProviderConventionTests {
  @Test(
    "NSP-024 NSP-025 NSP-026 NSP-027 a failed Begin is reported with the provider's code",
    arguments: [
      ("begin-fail-11004", WinsockError.noData), ("begin-fail-0", .systemCallFailure), ("begin-one-10108", .serviceNotFound),
      ("begin-literal-10045", .operationNotSupported), ("garbage", WinsockError(rawValue: 0x5A5A5A)),
    ])
  func beginFailures(name: String, expected: WinsockError) throws {
    let scripted = try ScriptedHost("scripted-a")
    let (records, end) = try scripted.lookup(try scripted.open(), name)
    #expect(records.isEmpty && end == expected)
    #expect(try scripted.count("scripted-a", .lookupServiceEnd) == 0, "NSP-063 a failed Begin has no End")
    scripted.finish()
  }

  @Test("NSP-028 NSP-029 a Begin that answers 0 succeeded, whatever it left in the last error; it found the slot clean")
  func beginZero() throws {
    let scripted = try ScriptedHost("scripted-a")
    WSASetLastError(4711)
    #expect(try scripted.lookup(try scripted.open(), "begin-zero-10022").end == .noMore)
    scripted.finish()
  }

  @Test(
    "NSP-030 NSP-074 codes of a completion reach the client, normalised; each that says that there is nothing as one code",
    arguments: [
      ("next-fail-10103", WinsockError.cancelled), ("next-fail-11001", .serviceNotFound), ("minus-11002", .tryAgain),
      ("minus-0", .systemCallFailure), ("records-0", .serviceNotFound),
    ])
  func completions(name: String, expected: WinsockError) throws {
    let scripted = try ScriptedHost("scripted-a")
    #expect(try scripted.lookup(try scripted.open(), name).end == expected)
    #expect(try scripted.count("scripted-a", .lookupServiceEnd) == 1)
    scripted.finish()
  }

  @Test("NSP-071 a record arrives alike from inside NextEx, from a thread before it returned, and from one afterwards")
  func completionPlaces() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    for name in ["records-1", "before-return", "async-5"] {
      let (records, end) = try scripted.lookup(client, name)
      #expect(records.count == 1 && end == .noMore, "\(name)")
      #expect(records.first?.addresses.first?.remote.description == "192.0.2.9:7")
    }
    scripted.finish()
  }

  @Test("NSP-072 a second completion answers WSA_INVALID_HANDLE and changes nothing")
  func twice() throws {
    let scripted = try ScriptedHost("scripted-a")
    let (records, end) = try scripted.lookup(try scripted.open(), "twice")
    #expect(records.map(\.serviceInstanceName) == ["once"] && end == .noMore)
    typealias Second = @convention(c) () -> Int32
    #expect(try scripted.function("scripted-a", "scripted_second", as: Second.self)() == -1)
    scripted.finish()
  }

  @Test("NSP-073 completing NULL or random numbers is an error and harms nothing")
  func forgedCompletions() {
    #expect(WSAProviderCompleteAsyncCall(nil, 0) == SOCKET_ERROR)
    #expect(WSAGetLastError() == WSAEINVAL)
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<10_000 {
      let forged = UnsafeMutableRawPointer(bitPattern: UInt(generator.next() | 1))
      #expect(WSAProviderCompleteAsyncCall(forged, 0) == SOCKET_ERROR)
      #expect(WSAGetLastError() == WSA_INVALID_HANDLE)
    }
  }

  @Test("NSP-066 a provider that needs a bigger block gets it for the same record", arguments: [5_000, 70_000, 1 << 20])
  func bigger(size: Int) throws {
    let scripted = try ScriptedHost("scripted-a")
    let (records, end) = try scripted.lookup(try scripted.open(), "big-\(size)")
    #expect(records.count == 1 && end == .noMore)
    #expect(try scripted.count("scripted-a", .lookupServiceNextEx) == 3)
    scripted.finish()
  }

  @Test(
    "NSP-067 NSP-068 NSP-070 a provider that lies loses its own records only",
    arguments: [
      ("greedy", WinsockError.systemCallFailure), ("big-1048577", .noBuffers), ("count-5000", .systemCallFailure),
      ("null-array", .systemCallFailure), ("size-40", .systemCallFailure), ("lone-surrogate", .systemCallFailure),
      ("overrun", .systemCallFailure),
    ])
  func lies(name: String, expected: WinsockError) throws {
    let scripted = try ScriptedHost("scripted-a")
    #expect(try scripted.lookup(try scripted.open(), name).end == expected)
    scripted.finish()
  }

  @Test(
    "NSP-070 a record whose pointers lead nowhere is refused, and the provider goes on",
    arguments: [
      "offset", "nowhere", "far", "unterminated", "misaligned", "version", "provider", "addresses", "count", "sockaddr", "blob",
    ])
  func broken(what: String) throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "broken-\(what)").end == .systemCallFailure)
    #expect(try scripted.lookup(client, "edge").records.map(\.serviceInstanceName) == ["edge"])
    scripted.finish()
  }

  @Test(
    "a function of the host refuses a pointer that leads nowhere",
    arguments: [
      ("log", 0), ("change", WinsockError.invalidArgument.rawValue), ("changer", WinsockError.invalidArgument.rawValue),
      ("setting", WinsockError.invalidArgument.rawValue), ("failing", WinsockError.invalidArgument.rawValue),
      ("narrow", WinsockError.invalidArgument.rawValue), ("wide", WinsockError.invalidArgument.rawValue),
      ("table", WinsockError.invalidArgument.rawValue), ("pack", WinsockError.invalidArgument.rawValue),
    ])
  func nonsense(what: String, code: Int32) throws {
    let scripted = try ScriptedHost("scripted-a")
    #expect(try scripted.lookup(try scripted.open(), "nonsense-\(what)").records.map(\.serviceInstanceName) == ["answer \(code)"])
    scripted.finish()
  }

  @Test("NSP-069 a record in memory that is gone after the completion arrives intact")
  func foreignMemory() throws {
    let scripted = try ScriptedHost("scripted-a")
    #expect(try scripted.lookup(try scripted.open(), "foreign").records.map(\.serviceInstanceName) == ["far away"])
    scripted.finish()
  }

  @Test("NSP-166 NSP-167 every record carries the true provider id and name space")
  func trueIdentity() throws {
    let scripted = try ScriptedHost("scripted-a")
    let records = try scripted.lookup(try scripted.open(), "wrong-id").records
    #expect(records.first?.providerID == (try scripted.id("scripted-a")))
    #expect(records.first?.nameSpace == .dns)
    scripted.finish()
  }

  @Test("NSP-020 NSP-021 NSP-023 NSP-245 a missing routine is a counted stub that answers WSAEOPNOTSUPP")
  func stubs() throws {
    let scripted = try ScriptedHost("only-three")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "records-1").records.count == 1)
    let outcomes = try scripted.host.engine.setService(
      client, QuerySet(serviceInstanceName: "x", nameSpace: .dns), operation: .register)
    #expect(outcomes.result == .operationNotSupported)
    let provider = try scripted.provider("only-three")
    #expect(provider.routines.interceptions(.setServiceEx) == 1)
    #expect(provider.routines.interceptions(.startup) == 1)
    typealias Rundown = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Int32
    let direct = try #require(provider.routines as? DirectRoutines)
    let rundown = unsafeBitCast(direct.address(.clientSessionRundown), to: Rundown.self)
    WSASetLastError(0)
    #expect(rundown(nil, nil) == WSAEOPNOTSUPP)
    #expect(WSAGetLastError() == WSAEOPNOTSUPP)
    scripted.finish()
  }

  @Test("NSP-246 allow-partial loads a provider without lookups: stubs answer those, registrations work")
  func partial() throws {
    let scripted = try ScriptedHost("partial-set")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "records-1").end == .operationNotSupported)
    #expect(try scripted.provider("partial-set").routines.interceptions(.lookupServiceBegin) == 1)
    let outcomes = try scripted.host.engine.setService(
      client, QuerySet(serviceInstanceName: "x", nameSpace: .dns), operation: .register)
    #expect(outcomes.result == nil)
    scripted.finish()
  }
}
