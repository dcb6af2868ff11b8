import CWinsock
import Dispatch
import Foundation
import Hosting
import Providers
import QuerySets
import Rundown
import Sessions
import Synchronization
import Testing

/// How the host calls a provider's routines (nsp.md §5.4 to §5.8), as the `witness` fixture sees it.
@Suite struct CallingRulesTests {
  /// The rules that the fixture counts every breach of.
  private static let rules = [
    "dirty_arguments", "early_begins", "early_finals", "misplaced_blocks", "repeated_calls", "nested_calls",
  ]

  private func seen(_ scripted: ScriptedHost, _ number: String, by name: String = "witness") throws -> Int {
    typealias Number = @convention(c) (UnsafePointer<CChar>) -> Int32
    return Int(try scripted.function(name, "witness_number", as: Number.self)(number))
  }

  private func release(_ scripted: ScriptedHost, _ code: Int32 = 0) throws -> Int {
    typealias Release = @convention(c) (Int32) -> Int32
    return Int(try scripted.function("witness", "witness_release", as: Release.self)(code))
  }

  private func expectNoBreach(_ scripted: ScriptedHost, by name: String = "witness") throws {
    for rule in Self.rules { #expect(try seen(scripted, rule, by: name) == 0, "\(rule)") }
  }

  private func wait(until condition: () throws -> Bool) throws {
    let end = MonotonicTime.now.nanoseconds + 10_000_000_000
    while try !condition() {
      guard MonotonicTime.now.nanoseconds < end else { throw WinsockError.timedOut }
      usleep(500)
    }
  }

  @Test("NSP-036 NSP-037 NSP-064 NSP-075 NSP-239 startup comes first and clean; blocks are whole; no call nests in a completion")
  func order() throws {
    let scripted = try ScriptedHost("witness")
    let client = try scripted.open()
    DispatchQueue.concurrentPerform(iterations: 16) { _ in
      _ = try? scripted.lookup(client, "x")
    }
    #expect(try seen(scripted, "startups") == 1)
    try expectNoBreach(scripted)
    scripted.finish()
  }

  @Test("NSP-060 NSP-061 Begin gets size 112, an empty context for none, and nothing that a query does not use")
  func begin() throws {
    let scripted = try ScriptedHost("witness")
    let query = QuerySet(
      serviceInstanceName: "x", comment: "unused", nameSpace: .dns,
      addresses: [
        ServiceAddress(
          local: SocketAddress(bytes: []), remote: try #require(SocketAddress("10.0.0.1:1")), socketType: 1, protocolNumber: 6)
      ], outputFlags: 7)
    try scripted.host.engine.begin(try scripted.open(), query, flags: .returnAll).end()
    #expect(try seen(scripted, "begin_size") == 112)
    #expect(try seen(scripted, "begin_context_is_empty") == 1)
    #expect(try seen(scripted, "begin_extras") == 0)
    scripted.finish()
  }

  @Test("NSP-062 a provider's lookup handle may be 0 or all ones", arguments: ["zero", "ones"])
  func handles(name: String) throws {
    let scripted = try ScriptedHost("witness")
    let (records, end) = try scripted.lookup(try scripted.open(), name)
    #expect(records.count == 1 && end == .noMore)
    #expect(try seen(scripted, "ends") == 1)
    scripted.finish()
  }

  @Test("NSP-159 a provider's failing End is nobody's trouble")
  func failingEnd() throws {
    let scripted = try ScriptedHost("witness")
    let client = try scripted.open()
    #expect(try scripted.lookup(client, "bad-end").records.count == 1)
    #expect(try scripted.hangUp(client, .remote))
    #expect(try seen(scripted, "finals") == 1)
    scripted.finish()
  }

  @Test("NSP-065 NSP-081 a thousand unanswered calls have a handle each and don't delay another provider")
  func thousandPending() throws {
    let scripted = try ScriptedHost("witness", "scripted-a", sidecars: ["witness": "name = \"witness\"\nnamespace = \"nds\""])
    let client = try scripted.open()
    let lookups = try (0..<1000).map { _ in
      try scripted.host.engine.begin(
        client, QuerySet(serviceInstanceName: "hold", nameSpace: NameSpace(rawValue: UInt32(NS_NDS))), flags: .returnAll)
    }
    let answers = Atomic<Int>(0)
    for lookup in lookups {
      HostThreads.run {
        _ = try? lookup.next()
        answers.add(1, ordering: .relaxed)
      }
    }
    try wait { try seen(scripted, "held") == 1000 }
    #expect(try scripted.lookup(client, "records-3").records.count == 3)
    #expect(answers.load(ordering: .relaxed) == 0)
    #expect(try release(scripted, WSANO_DATA) == 1000)
    try wait { answers.load(ordering: .relaxed) == 1000 }
    #expect(try seen(scripted, "repeated_calls") == 0)
    for lookup in lookups { lookup.end() }
    scripted.finish()
  }

  @Test("NSP-052 NSP-079 a session ends only after its unfinished call, whose late record is accepted and dropped")
  func finalComesLast() throws {
    let scripted = try ScriptedHost("witness")
    let client = try scripted.open()
    let lookup = try scripted.host.engine.begin(
      client, QuerySet(serviceInstanceName: "hold", nameSpace: .dns), flags: .returnAll)
    HostThreads.run { #expect(throws: LookupError.failed(.cancelled)) { try lookup.next() } }
    try wait { try seen(scripted, "held") == 1 }
    try scripted.client(client).hangUp(.lost)
    #expect(try seen(scripted, "ends") == 1)
    #expect(
      try !scripted.hangUp(client, .lost, deadline: .milliseconds(50)), "it drains as long as the provider owes a completion")
    #expect(try seen(scripted, "finals") == 0)
    #expect(try release(scripted) == 1)
    #expect(try scripted.hangUp(client, .lost))
    #expect(try seen(scripted, "finals") == 1)
    try expectNoBreach(scripted)
    scripted.finish()
  }

  @Test("NSP-080 two Nexts of one lookup never overlap at the provider; NSP-238 two lookups do")
  func overlap() throws {
    let scripted = try ScriptedHost("witness")
    let client = try scripted.open()
    _ = try scripted.lookup(client, "x")
    let single = try scripted.host.engine.begin(
      client, QuerySet(serviceInstanceName: "linger", nameSpace: .dns), flags: .returnAll)
    DispatchQueue.concurrentPerform(iterations: 4) { _ in _ = try? single.next() }
    single.end()
    #expect(try seen(scripted, "greatest_overlap") == 1)
    let finished = DispatchSemaphore(value: 0)
    for _ in 0..<8 {
      HostThreads.run {
        _ = try? scripted.lookup(client, "linger")
        finished.signal()
      }
    }
    for _ in 0..<8 { #expect(finished.wait(timeout: .now() + 10) == .success) }
    #expect(try seen(scripted, "greatest_overlap") > 1)
    scripted.finish()
  }

  @Test("NSP-238 a provider that asks for it is called one routine at a time")
  func serialised() throws {
    let scripted = try ScriptedHost("witness-serial")
    DispatchQueue.concurrentPerform(iterations: 4) { number in
      guard let client = try? scripted.open("client \(number)") else { return }
      for _ in 0..<2 { _ = try? scripted.lookup(client, "linger") }
      _ = try? scripted.hangUp(client, .remote)
    }
    #expect(try seen(scripted, "greatest_overlap", by: "witness-serial") == 1)
    #expect(try seen(scripted, "nexts", by: "witness-serial") >= 8)
    try expectNoBreach(scripted, by: "witness-serial")
    scripted.finish()
  }

  @Test("NSP-058 a client that comes back gets a second startup and a fresh argument")
  func rebirth() throws {
    let scripted = try ScriptedHost("witness")
    typealias Argument = @convention(c) () -> UnsafeMutableRawPointer?
    var arguments: Set<UnsafeMutableRawPointer?> = []
    for _ in 0..<2 {
      let client = try scripted.open()
      _ = try scripted.lookup(client, "x")
      arguments.insert(try scripted.function("witness", "witness_argument", as: Argument.self)())
      #expect(try scripted.hangUp(client, .remote))
    }
    #expect(try seen(scripted, "startups") == 2 && arguments.count == 2)
    scripted.finish()
  }

  @Test("NSP-145 NSP-149 a query needs no class, and a provider that comes later has no part in it")
  func lateProvider() throws {
    let scripted = try ScriptedHost("scripted-a")
    let lookup = try scripted.host.engine.begin(
      try scripted.open(), QuerySet(serviceInstanceName: "records-1", nameSpace: .dns), flags: .returnAll)
    try FileManager.default.copyItem(
      atPath: "\(fixturesDirectory)/scripted-b.so", toPath: "\(scripted.directory)/scripted-b.so")
    scripted.host.load(from: [scripted.directory])
    #expect(try scripted.provider("scripted-b").name == "scripted-b")
    _ = try lookup.next()
    #expect(throws: LookupError.failed(.noMore)) { try lookup.next() }
    lookup.end()
    scripted.finish()
  }

  // MARK: Registrations

  private func register(
    _ scripted: ScriptedHost, _ client: ClientSession, _ name: String, addresses: [SocketAddress] = []
  ) throws -> WinsockError? {
    try scripted.host.engine.setService(
      client,
      QuerySet(
        serviceInstanceName: name, nameSpace: .dns,
        addresses: addresses.map {
          ServiceAddress(local: SocketAddress(bytes: []), remote: $0, socketType: 1, protocolNumber: 6)
        }),
      operation: .register
    ).result
  }

  @Test("NSP-082 NSP-084 SetServiceEx gets size 112, every address byte for byte, and the session argument")
  func registration() throws {
    let scripted = try ScriptedHost("witness")
    // A family of IPv6 in the length of IPv4: the host has no opinion.
    let odd = SocketAddress(bytes: [10, 0] + (1...14).map { UInt8($0) })
    #expect(try register(scripted, try scripted.open(), "x", addresses: [odd, odd, odd]) == nil)
    #expect(try seen(scripted, "set_size") == 112 && seen(scripted, "set_addresses") == 3)
    #expect(try seen(scripted, "address_length") == 16)
    typealias Address = @convention(c) () -> UnsafePointer<UInt8>
    let bytes = try scripted.function("witness", "witness_address", as: Address.self)()
    #expect(Array(UnsafeBufferPointer(start: bytes, count: 16)) == odd.bytes)
    typealias Argument = @convention(c) () -> UnsafeMutableRawPointer?
    let argument = try scripted.function("witness", "witness_argument", as: Argument.self)()
    #expect(UInt(bitPattern: argument) == 0x1000)
    scripted.finish()
  }

  @Test("NSP-083 NSP-078 a registration's data belongs to the provider until it completes, however late")
  func keptRegistration() throws {
    let scripted = try ScriptedHost(
      "witness", sidecars: ["witness": "deadline-ms = 30\nnamespace = \"dns\"\nname = \"witness\""])
    let client = try scripted.open()
    #expect(try register(scripted, client, "keep") == .tryAgain)
    try scripted.client(client).hangUp(.lost)
    for number in 0..<50 { _ = try? register(scripted, try scripted.open(), "other \(number)") }
    #expect(try release(scripted) == 1)
    #expect(try seen(scripted, "kept_is_intact") == 1)
    #expect(try scripted.hangUp(client, .lost))
    scripted.finish()
  }

  @Test("NSP-091 there are three operations")
  func operations() {
    #expect(RegistrationOperation(rawValue: 3) == nil)
    #expect(RegistrationOperation.allCases.map(\.rawValue) == [0, 1, 2])
  }

  // MARK: Unadvertising

  /// Puts the witness's routines into a table and advertises them under another id: one that no other host in this process has,
  /// because a call of `WSAUnadvertiseProvider` names nothing but the id.
  private func advertise(_ scripted: ScriptedHost) throws -> GUID {
    let manifest = Manifest(fileName: UUID().uuidString)
    try scripted.host.catalog.install(Manifest(id: manifest.id, displayName: "advertised", nameSpace: .dns))
    let handle = try #require(dlopen("\(scripted.directory)/witness.so", RTLD_NOW | RTLD_NOLOAD))
    defer { dlclose(handle) }
    var table = NSPV2_ROUTINE()
    table.cbSize = 72
    table.NSPv2Startup = unsafeBitCast(dlsym(handle, "NSPv2Startup"), to: LPNSPV2STARTUP.self)
    table.NSPv2Cleanup = unsafeBitCast(dlsym(handle, "NSPv2Cleanup"), to: LPNSPV2CLEANUP.self)
    table.NSPv2LookupServiceBegin = unsafeBitCast(
      dlsym(handle, "NSPv2LookupServiceBegin"), to: LPNSPV2LOOKUPSERVICEBEGIN.self)
    table.NSPv2LookupServiceNextEx = unsafeBitCast(
      dlsym(handle, "NSPv2LookupServiceNextEx"), to: LPNSPV2LOOKUPSERVICENEXTEX.self)
    table.NSPv2LookupServiceEnd = unsafeBitCast(dlsym(handle, "NSPv2LookupServiceEnd"), to: LPNSPV2LOOKUPSERVICEEND.self)
    table.NSPv2SetServiceEx = unsafeBitCast(dlsym(handle, "NSPv2SetServiceEx"), to: LPNSPV2SETSERVICEEX.self)
    try scripted.host.advertise(manifest.id, &table)
    return manifest.id
  }

  @Test("NSP-099 NSP-100 unadvertising answers a pending registration with WSA_E_CANCELLED and cleans every session up")
  func unadvertisePending() throws {
    let scripted = try ScriptedHost(
      "witness", sidecars: ["witness": "name = \"witness\"\nnamespace = \"nds\""])
    let id = try advertise(scripted)
    let client = try scripted.open()
    let answer = Locked<WinsockError??>(nil)
    HostThreads.run {
      let result = try? register(scripted, client, "keep")
      answer.withLock { $0 = .some(result ?? nil) }
    }
    try wait { try seen(scripted, "held") == 1 }
    let unadvertised = DispatchSemaphore(value: 0)
    HostThreads.run {
      try? scripted.host.unadvertise(id)
      unadvertised.signal()
    }
    try wait { answer.withLock { $0 } != nil }
    #expect(answer.withLock { $0 } == .some(.some(.cancelled)))
    #expect(try release(scripted) == 1, "the late completion is accepted")
    #expect(unadvertised.wait(timeout: .now() + 5) == .success)
    #expect(try seen(scripted, "finals") == 1)
    #expect(throws: WinsockError.serviceNotFound) { try register(scripted, client, "x") }
    try expectNoBreach(scripted)
    scripted.finish()
  }

  @Test("NSP-101 unadvertising from inside one of the provider's own routines does not deadlock")
  func unadvertiseInside() throws {
    let scripted = try ScriptedHost("witness", sidecars: ["witness": "name = \"witness\"\nnamespace = \"nds\""])
    let id = try advertise(scripted)
    _ = try register(scripted, try scripted.open(), "unadvertise")
    #expect(throws: WinsockError.serviceNotFound) {
      _ = try scripted.host.engine.begin(try scripted.open(), QuerySet(serviceInstanceName: "x", providerID: id), flags: [])
    }
    try wait { try seen(scripted, "finals") == 1 }
    scripted.finish()
  }
}
