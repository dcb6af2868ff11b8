import CWinsock
import Foundation
import Glibc
import Hosting
import Providers
import QuerySets
import ServiceClasses
import Sessions
import Synchronization
import Testing

/// Service classes between clients, the schema and version 1 providers.
@Suite struct ServiceClassTests {
  private static let meter = ServiceClass(
    id: GUID("0009abcd-4a6c-4f0e-9d0c-3a5be0c2b7a1")!, name: "meter",
    entries: [
      .init(name: "TcpPort", nameSpace: .dns, dword: 7001),
      .init(name: "Tag", nameSpace: NameSpace(rawValue: 40), type: .binary, value: [1, 2]),
    ])
  /// As the fixture describes it.
  private static let meterText = "9abcd:meter/2 TcpPort@12#4=591b0000 Tag@40#3=0102"

  /// Ids of classes that the fixture itself knows something of.
  private func own(_ kind: String) -> GUID { GUID("0009abcd-\(kind)-4000-8000-000000000000")! }

  private func host(_ plugins: String..., sidecars: [String: String] = [:]) throws -> ScriptedHost {
    let scripted = try ScriptedHost(plugins, sidecars: sidecars)
    scripted.host.keepClasses(in: SchemaProvider(services: Services(text: "http 80/tcp")))
    return scripted
  }

  private func count(_ scripted: ScriptedHost, _ name: String, _ routine: Int32) throws -> Int32 {
    try scripted.function(name, "scripted_count", as: (@convention(c) (Int32) -> Int32).self)(routine)
  }

  /// What a provider was handed at Begin, for a query with a class.
  private func seen(_ scripted: ScriptedHost, _ client: ClientSession, _ id: GUID?, at provider: String) throws -> String? {
    let query = QuerySet(
      serviceInstanceName: "records-1", serviceClassID: id, nameSpace: .dns, providerID: try scripted.id(provider))
    let lookup = try scripted.host.engine.begin(client, query, flags: .returnAll)
    defer { lookup.end() }
    return try lookup.next().comment
  }

  private func set(
    _ scripted: ScriptedHost, _ client: ClientSession, _ name: String, _ id: GUID?, _ operation: RegistrationOperation
  )
    throws -> WinsockError?
  {
    let registration = QuerySet(serviceInstanceName: name, serviceClassID: id, nameSpace: .dns)
    return try scripted.host.engine.setService(client, registration, operation: operation).result
  }

  @Test("NSP-115 NSP-116 NSP-119 a class reaches the schema and every provider, whole; twice is WSAEALREADY")
  func installing() throws {
    let scripted = try host("version1", "version1-second", "scripted-a")
    let client = try scripted.open()
    let classes = scripted.host.engine.classes
    let outcomes = try classes.install(Self.meter, for: client.identity)
    #expect(outcomes.map(\.provider) == ["schema", "version1-second", "version1"] && outcomes.allSatisfy { $0.failure == nil })
    for provider in [SchemaProvider.id, try scripted.id("version1"), try scripted.id("version1-second")] {
      #expect(try classes.serviceClass(Self.meter.id, at: provider, for: client.identity) == Self.meter)
    }
    #expect(throws: WinsockError.alreadyInProgress) { try classes.install(Self.meter, for: client.identity) }
    #expect(try count(scripted, "version1", 6) == 1)
    #expect(
      classes.keepers(of: Self.meter.id, for: client.identity).map(\.provider) == ["schema", "version1-second", "version1"])
    scripted.finish()
  }

  @Test("one that refuses undoes nothing, and is named; without anybody who keeps classes it is WSAEOPNOTSUPP")
  func partialFailure() throws {
    let scripted = try host("version1", "version1-refuses")
    let client = try scripted.open()
    let classes = scripted.host.engine.classes
    let outcomes = try classes.install(Self.meter, for: client.identity)
    #expect(outcomes.map(\.failure) == [nil, .accessDenied, nil] && outcomes.installation == nil)
    let removed = try classes.remove(Self.meter.id, for: client.identity)
    #expect(removed.map(\.failure) == [nil, .accessDenied, nil] && removed.removal == nil)
    // Without the schema, what the providers say counts.
    try scripted.host.disable(SchemaProvider.id)
    #expect(try classes.install(Self.meter, for: client.identity).map(\.failure) == [.accessDenied, nil])
    try scripted.host.disable(try scripted.id("version1"))
    #expect(try classes.install(Self.meter, for: client.identity).installation == .accessDenied)
    #expect(try classes.remove(Self.meter.id, for: client.identity).removal == .accessDenied)
    try scripted.host.disable(try scripted.id("version1-refuses"))
    #expect(try classes.install(Self.meter, for: client.identity).installation == .operationNotSupported)
    #expect(try classes.remove(Self.meter.id, for: client.identity).removal == .typeNotFound)
    scripted.finish()
  }

  @Test("NSP-117 NSP-118 a class without values is one; what can't be one is refused before anybody is asked")
  func checks() throws {
    let scripted = try host("version1")
    let client = try scripted.open()
    let classes = scripted.host.engine.classes
    let plain = ServiceClass(id: Self.meter.id, name: "plain")
    _ = try classes.install(plain, for: client.identity)
    #expect(try classes.serviceClass(plain.id, at: try scripted.id("version1"), for: client.identity) == plain)
    var broken = Self.meter
    broken.entries[0].value = [1]
    #expect(throws: WinsockError.invalidArgument) { try classes.install(broken, for: client.identity) }
    broken = ServiceClass(id: .zero, name: "a\0b")
    #expect(throws: WinsockError.invalidArgument) { try classes.install(broken, for: client.identity) }
    #expect(try count(scripted, "version1", 6) == 1)
    scripted.finish()
  }

  @Test("NSP-120 NSP-121 removing: unknown is WSATYPE_NOT_FOUND, referenced WSAETOOMANYREFS until the instance is deleted")
  func removing() throws {
    let scripted = try host("version1", "scripted-a")
    let client = try scripted.open()
    let classes = scripted.host.engine.classes
    #expect(try classes.remove(Self.meter.id, for: client.identity).removal == .typeNotFound)
    _ = try classes.install(Self.meter, for: client.identity)
    #expect(try set(scripted, client, "x", Self.meter.id, .register) == nil)
    #expect(throws: WinsockError.tooManyReferences) { try classes.remove(Self.meter.id, for: client.identity) }
    #expect(try set(scripted, client, "x", Self.meter.id, .deregister) == nil)
    #expect(throws: WinsockError.tooManyReferences) { try classes.remove(Self.meter.id, for: client.identity) }
    // By its name alone.
    #expect(try set(scripted, client, "x", nil, .delete) == nil)
    #expect(try classes.remove(Self.meter.id, for: client.identity).removal == nil)
    #expect(try count(scripted, "version1", 7) == 2)
    scripted.finish()
  }

  @Test("WSAEACCES to those who may not write; root, the host's own user and the configured may")
  func access() throws {
    let scripted = try ScriptedHost("version1")
    scripted.host.keepClasses(in: SchemaProvider(), writers: AccessList(users: [1000], groups: [2000]))
    let classes = scripted.host.engine.classes
    func identity(_ user: UInt32, _ group: UInt32) -> ClientIdentity {
      ClientIdentity(processID: 1, userID: user, groupID: group, command: "x")
    }
    for stranger in [identity(1001, 1001), identity(1001, 0)] {
      #expect(throws: WinsockError.accessDenied) { try classes.install(Self.meter, for: stranger) }
      #expect(throws: WinsockError.accessDenied) { try classes.remove(Self.meter.id, for: stranger) }
    }
    for writer in [identity(1000, 1), identity(1, 2000), identity(0, 0), identity(geteuid(), 1)] {
      _ = try classes.install(Self.meter, for: writer)
      _ = try classes.remove(Self.meter.id, for: writer)
    }
    scripted.finish()
  }

  @Test("NSP-112 NSP-122 exactly the provider that is named is asked; its buffer grows; codes come through")
  func asking() throws {
    let scripted = try host("version1", "version1-short", "scripted-a", "version1-both")
    let client = try scripted.open()
    func ask(_ id: GUID, _ provider: GUID) throws -> ServiceClass {
      try scripted.host.engine.classes.serviceClass(id, at: provider, for: client.identity)
    }
    let version1 = try scripted.id("version1")
    #expect(try ask(own("0e11"), version1) == ServiceClass(id: own("0e11"), name: "own-31"))
    #expect(try ask(own("0e11"), try scripted.id("version1-short")).name == "own-32")
    #expect(try ask(own("0e12"), version1).name == "own-31")
    #expect(throws: WinsockError.accessDenied) { try ask(own("0e14"), version1) }
    #expect(throws: WinsockError.systemCallFailure) { try ask(own("0e15"), version1) }
    // What leads out of the buffer is not followed.
    #expect(throws: WinsockError.systemCallFailure) { try ask(own("0e17"), version1) }
    #expect(throws: WinsockError.systemCallFailure) { try ask(own("0e18"), version1) }
    #expect(throws: WinsockError.typeNotFound) { try ask(Self.meter.id, version1) }
    #expect(throws: WinsockError.typeNotFound) { try ask(Self.meter.id, SchemaProvider.id) }
    #expect(throws: WinsockError.operationNotSupported) { try ask(own("0e11"), try scripted.id("scripted-a")) }
    #expect(throws: WinsockError.invalidArgument) { try ask(own("0e11"), .zero) }
    // A file with both versions keeps both: its class routines are those of version 1.
    #expect(try ask(own("0e11"), try scripted.id("version1-both")).name == "own-37")
    try scripted.host.disable(try scripted.id("version1"))
    #expect(throws: WinsockError.serviceNotFound) { try ask(own("0e11"), version1) }
    scripted.finish()
  }

  @Test("NSP-126 the name of a class is that of the schema, else of the first provider that knows it")
  func names() throws {
    let scripted = try host("version1-refuses", "version1-second", "version1")
    let client = try scripted.open()
    func name(_ id: GUID) throws -> String { try scripted.host.engine.classes.name(of: id, for: client.identity) }
    #expect(try name(GUID("00090050-0000-0000-c000-000000000046")!) == "http")
    let providers = try [
      scripted.id("version1-refuses"), scripted.id("version1"), scripted.id("version1-second"), SchemaProvider.id,
    ]
    try scripted.host.order(providers)
    #expect(try name(own("0e11")) == "own-31")
    try scripted.host.order(providers.reversed())
    #expect(try name(own("0e11")) == "own-38")
    #expect(throws: WinsockError.typeNotFound) { try name(Self.meter.id) }
    scripted.finish()
  }

  // MARK: On the way to providers

  @Test(
    "NSP-128 NSP-110 NSP-111 NSP-131 what the schema knows is handed to every version 1 provider; without a class nobody is asked"
  )
  func fromTheSchema() throws {
    let scripted = try host("version1", "version1-second")
    let client = try scripted.open()
    try scripted.host.engine.classes.schema?.install(Self.meter)
    let query = QuerySet(serviceInstanceName: "records-1", serviceClassID: Self.meter.id, nameSpace: .dns)
    let both = try scripted.host.engine.begin(client, query, flags: .returnAll)
    #expect(try both.next().comment == Self.meterText && both.next().comment == Self.meterText)
    both.end()
    for provider in ["version1", "version1-second"] {
      #expect(try seen(scripted, client, Self.meter.id, at: provider) == Self.meterText)
      // A class is always there: the one that getaddrinfo would have named.
      #expect(try seen(scripted, client, nil, at: provider) == "2a803")
      #expect(try count(scripted, provider, 8) == 0)
    }
    #expect(
      try seen(scripted, client, GUID("00090050-0000-0000-c000-000000000046")!, at: "version1")
        == "90050:http/2 TcpPort@12#4=50000000 ConnectionOriented@12#4=01000000")
    #expect(try set(scripted, client, "x", Self.meter.id, .register) == nil)
    let text = try scripted.function("version1", "scripted_class", as: (@convention(c) () -> UnsafePointer<CChar>).self)
    #expect(String(cString: text()) == Self.meterText)
    #expect(try set(scripted, client, "y", nil, .register) == nil)
    #expect(String(cString: text()) == "2a803")
    scripted.finish()
  }

  @Test("NSP-129 NSP-130 without the schema each is handed its own answer; a class that nobody knows reaches it without one")
  func fromTheProviders() throws {
    let scripted = try host("version1", "version1-second", "version1-refuses")
    let client = try scripted.open()
    try scripted.host.disable(SchemaProvider.id)
    #expect(try seen(scripted, client, own("0e11"), at: "version1") == "9abcd:own-31/0")
    #expect(try seen(scripted, client, own("0e11"), at: "version1-second") == "9abcd:own-38/0")
    #expect(try seen(scripted, client, own("0e11"), at: "version1-refuses") == "9abcd")
    #expect(try seen(scripted, client, Self.meter.id, at: "version1") == "9abcd")
    #expect(try seen(scripted, client, own("0e15"), at: "version1") == "9abcd")
    scripted.finish()
  }

  @Test("a plugin can be the schema: behind the host's own, or in its place")
  func pluginSchema() throws {
    let scripted = try host("version1", "version1-schema", "scripted-a")
    let client = try scripted.open()
    #expect(try scripted.provider("version1-schema").manifest.storesClasses)
    // The host's own does not know it, and the one that is asked is not asked itself.
    #expect(try seen(scripted, client, own("0e11"), at: "version1") == "9abcd:own-40/0")
    #expect(try count(scripted, "version1", 8) == 0)
    try scripted.host.disable(SchemaProvider.id)
    let classes = scripted.host.engine.classes
    let outcomes = try classes.install(Self.meter, for: client.identity)
    #expect(outcomes.map(\.provider) == ["version1-schema", "version1"])
    #expect(throws: WinsockError.alreadyInProgress) { try classes.install(Self.meter, for: client.identity) }
    #expect(try count(scripted, "version1", 6) == 1)
    #expect(try seen(scripted, client, Self.meter.id, at: "version1") == Self.meterText)
    scripted.finish()
  }

  @Test("a sidecar makes a plugin the schema; one that is slow, or that fails, costs the class, not the lookup")
  func slowSchema() throws {
    let scripted = try host("version1-refuses", "version1-second", sidecars: ["version1-second": "schema = true\n"])
    let client = try scripted.open()
    #expect(try seen(scripted, client, own("0e14"), at: "version1-refuses") == "9abcd")
    // It would take 4 s. While it owes that answer, it is not asked for others.
    #expect(try seen(scripted, client, own("0e13"), at: "version1-refuses") == "9abcd")
    #expect(try seen(scripted, client, own("0e11"), at: "version1-refuses") == "9abcd")
    #expect(try count(scripted, "version1-second", 8) == 2)
    // When that has come, it is again.
    while try seen(scripted, client, own("0e11"), at: "version1-refuses") != "9abcd:own-38/0" { usleep(20_000) }
    scripted.finish()
  }

  @Test("a provider that is slow with its own answer goes without it, where it lets in more than one routine")
  func slowAnswer() throws {
    let scripted = try host("version1", sidecars: ["version1": "concurrency = 4\n"])
    let client = try scripted.open()
    #expect(try seen(scripted, client, own("0e13"), at: "version1") == "9abcd")
    #expect(try count(scripted, "version1", 8) == 1)
    #expect(try seen(scripted, client, own("0e11"), at: "version1") == "9abcd")
    while try seen(scripted, client, own("0e11"), at: "version1") != "9abcd:own-31/0" { usleep(20_000) }
    scripted.finish()
  }

  @Test("an instance whose owner is gone counts only where its provider still has it")
  func orphans() throws {
    let scripted = try host("version1")
    let client = try scripted.open()
    let owner = try scripted.open("owner")
    _ = try scripted.host.engine.classes.install(Self.meter, for: client.identity)
    // The fixture finds a name without a number, but none of this kind.
    #expect(try set(scripted, owner, "records-0", Self.meter.id, .register) == nil)
    #expect(throws: WinsockError.tooManyReferences) { try scripted.host.engine.removeClass(client, Self.meter.id) }
    try scripted.hangUp(owner, .lost)
    #expect(try scripted.host.engine.removeClass(client, Self.meter.id).removal == nil)
    #expect(scripted.host.engine.registrations.registrations.isEmpty)
    _ = try scripted.host.engine.classes.install(Self.meter, for: client.identity)
    let other = try scripted.open("other")
    #expect(try set(scripted, other, "kept", Self.meter.id, .register) == nil)
    try scripted.hangUp(other, .lost)
    #expect(throws: WinsockError.tooManyReferences) { try scripted.host.engine.removeClass(client, Self.meter.id) }
    scripted.finish()
  }

  @Test("one that keeps whole classes and takes one call at a time is asked for the class of its own query")
  func serialSchema() throws {
    let scripted = try host("version1-schema", "version1", sidecars: ["version1-schema": "serialise = true\n"])
    let client = try scripted.open()
    #expect(try seen(scripted, client, own("0e11"), at: "version1-schema") == "9abcd:own-40/0")
    #expect(try seen(scripted, client, own("0e11"), at: "version1") == "9abcd:own-40/0")
    scripted.finish()
  }

  @Test("a change that a provider is slow with is made good when it has answered; meanwhile it is told of no other")
  func lateChange() throws {
    let scripted = try host("version1", sidecars: ["version1": "deadline-ms = 100\n"])
    let client = try scripted.open()
    let classes = scripted.host.engine.classes
    let slow = ServiceClass(id: own("0e16"), name: "slow")
    #expect(try classes.install(slow, for: client.identity).map(\.failure) == [nil, .tryAgain])
    #expect(classes.schema?.unfinished.map(\.isInstalled) == [true])
    #expect(try classes.remove(slow.id, for: client.identity).map(\.failure) == [nil, .tryAgain])
    #expect(try count(scripted, "version1", 7) == 0 && classes.schema?.unfinished.map(\.isInstalled) == [false])
    while classes.schema?.unfinished.isEmpty == false { usleep(10_000) }
    #expect(try count(scripted, "version1", 6) == 1 && count(scripted, "version1", 7) == 1)
    #expect(throws: WinsockError.typeNotFound) {
      try classes.serviceClass(slow.id, at: try scripted.id("version1"), for: client.identity)
    }
    scripted.finish()
  }

  @Test("classes change everywhere, also at providers that whoever changes them may not use; they are not shown to them")
  func accessToProviders() throws {
    let scripted = try ScriptedHost([])
    var settings = SettingsByProvider()
    settings.settings["version1"] = ProviderSettings { $0.access = AccessList(users: [7]) }
    scripted.host.configure(settings)
    try FileManager.default.copyItem(atPath: fixturesDirectory + "/version1.so", toPath: scripted.directory + "/version1.so")
    scripted.host.rescan()
    scripted.host.keepClasses(in: SchemaProvider(), writers: AccessList(users: [1000]))
    let writer = ClientIdentity(processID: 1, userID: 1000, groupID: 1000, command: "x")
    let classes = scripted.host.engine.classes
    let version1 = try scripted.id("version1")
    #expect(try classes.install(Self.meter, for: writer).map(\.failure) == [nil, nil])
    #expect(throws: WinsockError.accessDenied) { try classes.serviceClass(Self.meter.id, at: version1, for: writer) }
    #expect(classes.keepers(of: Self.meter.id, for: writer).map(\.provider) == ["schema"])
    #expect(try classes.remove(Self.meter.id, for: writer).map(\.failure) == [nil, nil])
    scripted.finish()
  }

  @Test("the schema's id is nobody else's")
  func reservedID() throws {
    let scripted = try ScriptedHost(["version1"], sidecars: ["version1": "id = \"\(SchemaProvider.id)\"\n"])
    let refused = scripted.host.candidates.compactMap { if case .refused(let refusal) = $0.state { refusal.detail } else { nil } }
    #expect(refused == ["its id is that of the host's own schema provider"])
    scripted.host.keepClasses(in: SchemaProvider())
    #expect(scripted.host.engine.classes.schema != nil)
    var table = NSPV2_ROUTINE()
    #expect(throws: WinsockError.self) { try scripted.host.advertise(SchemaProvider.id, &table) }
    let installation = try Installation(
      id: SchemaProvider.id, identifier: "x", path: "", nameSpace: .dns, version: 1, blob: nil)
    #expect(throws: ProviderHost.ChangeFailure.self) { try scripted.host.install(installation) }
    scripted.host.rescan()
    #expect(scripted.host.catalog[SchemaProvider.id]?.manifest.displayName == "schema")
    scripted.finish()
  }

  // MARK: Version 2

  @Test("NSP-132 a version 2 provider can ask for the class while its routine runs")
  func version2() throws {
    let scripted = try host("scripted-a")
    let client = try scripted.open()
    try scripted.host.engine.classes.schema?.install(Self.meter)
    func answer(_ id: GUID?) throws -> String {
      let query = QuerySet(serviceInstanceName: "records-1", serviceClassID: id, nameSpace: .dns)
      try scripted.host.engine.begin(client, query, flags: .returnAll).end()
      let text = try scripted.function("scripted-a", "scripted_class", as: (@convention(c) () -> UnsafePointer<CChar>).self)
      return String(cString: text())
    }
    #expect(try answer(Self.meter.id) == "10014 0 9abcd meter/2 \(Self.meter.packedSize)")
    #expect(try answer(own("0e11")) == "10014 0 9abcd /0 56")
    #expect(try answer(nil) == "10109 10109 0 /0 8")
    // On a thread that is in no routine.
    var (id, size) = (GUID(), UInt32(0))
    #expect(NSPHostCurrentServiceClass(&id, &size, nil) == WSATYPE_NOT_FOUND)
    #expect(NSPHostCurrentServiceClass(nil, nil, nil) == WSAEINVAL)
    scripted.finish()
  }

  // MARK: Without the schema's good will

  @Test("NSP-142 the schema is in the catalog, takes no part in lookups, and is found under its own id alone")
  func inTheCatalog() throws {
    let scripted = try host("version1")
    let client = try scripted.open()
    let entry = try #require(scripted.host.catalog[SchemaProvider.id])
    #expect(entry.isActive && entry.manifest.displayName == "schema" && entry.provider == nil)
    let query = QuerySet(serviceInstanceName: "records-1", nameSpace: .all, providerID: SchemaProvider.id)
    #expect(throws: WinsockError.serviceNotFound) { try scripted.host.engine.begin(client, query, flags: .returnAll) }
    let lookup = try scripted.host.engine.begin(
      client, QuerySet(serviceInstanceName: "records-1", nameSpace: .all), flags: .returnAll)
    let line = try #require(lookup.trace.lines.first { $0.id == SchemaProvider.id })
    if case .skipped(let reason) = line.verdict { #expect(reason == .keepsClasses) } else { Issue.record("it was asked") }
    lookup.end()
    let ids = scripted.host.catalog.entries.map(\.id)
    try scripted.host.order(ids.reversed())
    #expect(scripted.host.catalog.entries.map(\.id) == ids.reversed())
    scripted.finish()
  }

  @Test("what a host before was ended in the middle of is told to the providers")
  func unfinished() throws {
    let schema = SchemaProvider()
    let plain = ServiceClass(id: own("0001"), name: "plain")
    try schema.install(Self.meter)
    try schema.install(plain)
    schema.settle(plain.id, isInstalled: true)
    try schema.remove(plain.id)
    let scripted = try ScriptedHost("version1")
    scripted.host.keepClasses(in: schema)
    scripted.host.engine.classes.finishChanges()
    #expect(try count(scripted, "version1", 6) == 1 && count(scripted, "version1", 7) == 1 && schema.unfinished.isEmpty)
    let client = try scripted.open()
    let kept = try scripted.host.engine.classes.serviceClass(Self.meter.id, at: try scripted.id("version1"), for: client.identity)
    #expect(kept == Self.meter)
    scripted.finish()
  }
}
