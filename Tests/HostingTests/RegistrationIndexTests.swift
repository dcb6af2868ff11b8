import CWinsock
import Foundation
import Providers
import QuerySets
import Sessions
import Testing

@testable import Hosting

/// What the host remembers of registrations.
@Suite struct RegistrationIndexTests {
  private let serviceClass = GUID("0009abcd-4a6c-4f0e-9d0c-3a5be0c2b7a1")!

  private func set(
    _ scripted: ScriptedHost, _ client: ClientSession, _ name: String, _ operation: RegistrationOperation, class id: GUID? = nil,
    context: String? = nil, in nameSpace: NameSpace = .dns, flags: UInt32 = 0, addresses: [ServiceAddress] = []
  ) throws {
    let registration = QuerySet(
      serviceInstanceName: name, serviceClassID: id, nameSpace: nameSpace, context: context, addresses: addresses)
    _ = try scripted.host.engine.setService(client, registration, operation: operation, flags: flags)
  }

  private func shown(_ scripted: ScriptedHost) -> [String] {
    let names = Dictionary(
      scripted.host.catalog.entries.map { ($0.id, $0.manifest.displayName) }, uniquingKeysWith: { first, _ in first })
    return scripted.host.engine.registrations.registrations.map { one in
      "\(one.name) \(names[one.provider] ?? "?") \(one.owner.command)" + (one.isRegistered ? "" : " deregistered")
    }
  }

  private func address(_ text: String) -> ServiceAddress { ServiceAddress(remote: SocketAddress(text)!) }

  @Test("who has registered what, and where; until it is deleted, or its owner's session ends")
  func life() throws {
    let scripted = try ScriptedHost("scripted-a", "version1")
    let client = try scripted.open("one")
    try set(scripted, client, "b", .register, class: serviceClass)
    try set(scripted, client, "a", .register)
    try set(scripted, client, "set-fail-10013", .register)
    #expect(Set(shown(scripted)) == ["a scripted-a one", "a version1 one", "b scripted-a one", "b version1 one"])
    #expect(scripted.host.engine.registrations.registrations.map(\.name) == ["a", "a", "b", "b"])
    #expect(scripted.host.engine.registrations.references(serviceClass))
    try set(scripted, client, "a", .deregister)
    #expect(Set(shown(scripted)).contains("a version1 one deregistered"))
    try scripted.hangUp(client, .lost)
    // Whether the provider has kept it, the provider alone knows; its class may still be in use.
    #expect(shown(scripted).isEmpty && scripted.host.engine.registrations.references(serviceClass))
    // Another takes a name over, and deletes the rest.
    let other = try scripted.open("two")
    try set(scripted, other, "a", .register)
    try set(scripted, other, "b", .delete)
    #expect(Set(shown(scripted)) == ["a scripted-a two", "a version1 two"])
    #expect(!scripted.host.engine.registrations.references(serviceClass))
    scripted.finish()
  }

  @Test("contexts, classes, name spaces and owners tell registrations apart")
  func keys() throws {
    let scripted = try ScriptedHost("scripted-a")
    let index = scripted.host.engine.registrations
    let (one, two) = (try scripted.open("one"), try scripted.open("two"))
    for _ in 0..<2 {
      for client in [one, two] {
        try set(scripted, client, "a", .register, addresses: [address("10.0.0.1:1")])
        try set(scripted, client, "a", .register, context: "floor", addresses: [address("10.0.0.2:2")])
        try set(scripted, client, "a", .register, class: serviceClass)
        try set(scripted, client, "a", .register, in: .all)
      }
    }
    #expect(index.registrations.count == 8)
    #expect(Set(index.registrations.map(\.context)) == [nil, "floor"])
    // What is added and taken away is seen.
    let more = [address("10.0.0.1:1"), address("10.0.0.9:9")]
    try set(scripted, two, "a", .register, flags: UInt32(SERVICE_MULTIPLE), addresses: more)
    func addresses(_ owner: String) -> [String]? {
      index.registrations.first {
        $0.owner.command == owner && $0.context == nil && $0.serviceClass == nil && $0.nameSpace == .dns
      }?
      .addresses.map(\.description)
    }
    #expect(addresses("two") == ["10.0.0.1:1", "10.0.0.9:9"] && addresses("one") == ["10.0.0.1:1"])
    try set(scripted, two, "a", .deregister, flags: UInt32(SERVICE_MULTIPLE), addresses: [address("10.0.0.1:1")])
    #expect(addresses("two") == ["10.0.0.9:9"] && addresses("one") == ["10.0.0.1:1"])
    // One's own goes first; where there is none, it was another's.
    try set(scripted, two, "a", .delete)
    #expect(index.registrations.count == 7 && addresses("one") != nil && addresses("two") == nil)
    try set(scripted, two, "a", .delete)
    #expect(index.registrations.count == 6 && addresses("one") == nil)
    try scripted.hangUp(one, .remote)
    #expect(Set(index.registrations.map(\.owner.command)) == ["two"] && index.registrations.count == 3)
    #expect(index.registrations(at: try scripted.id("scripted-a")).count == 3 && index.registrations(at: GUID()).isEmpty)
    try scripted.hangUp(two, .lost)
    #expect(index.registrations.isEmpty)
    scripted.finish()
  }

  @Test("one user's flood is bounded, leaves the others theirs, and goes with its session")
  func bounds() throws {
    let scripted = try ScriptedHost("scripted-a")
    let index = RegistrationIndex(bytesPerUser: 64 << 10)
    let provider = try scripted.provider("scripted-a")
    func flood(_ user: UInt32, _ names: Range<Int>, class id: GUID? = nil) throws -> LoopbackClient {
      let client = try scripted.host.open(ClientIdentity(processID: 1, userID: user, groupID: 0, command: "x"))
      for name in names {
        let registration = QuerySet(serviceInstanceName: "\(name)", serviceClassID: id, nameSpace: .dns)
        index.note(registration, .register, 0, at: provider, by: client.session, nil)
      }
      return client
    }
    let first = try flood(1, 0..<10_000, class: serviceClass)
    let count = index.registrations.count
    #expect(count > 50 && count < 200)
    let other = try flood(2, 20_000..<20_010)
    #expect(index.registrations.count == count + 10)
    first.hangUpAndWait()
    #expect(index.registrations.map(\.owner.userID) == Array(repeating: 2, count: 10))
    // Of what was left a little is remembered, for its class.
    #expect(index.references(serviceClass) && index.orphans(of: serviceClass).count <= count)
    let second = try flood(1, 10_000..<10_010)
    #expect(index.registrations.filter { $0.owner.userID == 1 }.count == 10)
    for client in [other, second] { client.hangUpAndWait() }
    #expect(index.registrations.isEmpty)
    for _ in 0..<20 { try flood(3, 0..<100, class: GUID()).hangUpAndWait() }
    #expect(index.orphans(of: GUID()).count == 100)
    for name in 0..<100 { index.forget("\(name)", of: GUID(), at: provider.id) }
    #expect(!index.references(GUID()) && index.references(serviceClass))
    index.forget(provider: provider.id)
    #expect(!index.references(serviceClass))
    scripted.finish()
  }

  @Test("a name under two classes is two registrations; taking back some addresses leaves the name")
  func classes() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    let other = GUID("0009abce-4a6c-4f0e-9d0c-3a5be0c2b7a1")!
    let addresses = [address("10.0.0.1:7")]
    try set(scripted, client, "a", .register, class: serviceClass, addresses: addresses)
    try set(scripted, client, "a", .register, class: other)
    try set(scripted, client, "a", .delete, class: serviceClass, flags: UInt32(SERVICE_MULTIPLE), addresses: addresses)
    let index = scripted.host.engine.registrations
    #expect(index.registrations.count == 2 && index.references(serviceClass) && index.references(other))
    try set(scripted, client, "a", .delete, class: serviceClass)
    #expect(index.registrations.count == 1 && !index.references(serviceClass) && index.references(other))
    try set(scripted, client, "a", .delete)
    #expect(index.registrations.isEmpty && !index.references(other))
    scripted.finish()
  }

  @Test("a question for registrations is for operators; records that say nothing of one are none")
  func questions() throws {
    let scripted = try ScriptedHost(["scripted-a"], sidecars: ["scripted-a": "lists-registrations = true\n"])
    #expect(try scripted.provider("scripted-a").manifest.listsRegistrations)
    let id = try scripted.id("scripted-a")
    var found = 0
    try scripted.host.engine.listRegistrations(at: id, try scripted.open(), named: "records-3") { _, _ in
      found += 1
      return true
    }
    #expect(found == 0)
    #expect(try scripted.count("scripted-a", .lookupServiceNextEx) == 4)
    #expect(throws: WinsockError.tryAgain) {
      try scripted.host.engine.listRegistrations(at: id, try scripted.open(), named: "next-fail-11002") { _, _ in true }
    }
    let stranger = try scripted.host.open(ClientIdentity(processID: 1, userID: 4711, groupID: 0, command: "stranger"))
    let query = QuerySet(serviceInstanceName: "records-1", serviceClassID: .registrations, nameSpace: .dns)
    #expect(throws: WinsockError.accessDenied) { try scripted.host.engine.begin(stranger.session, query, flags: .returnAll) }
    stranger.hangUpAndWait()
    scripted.finish()
  }

  @Test("a provider that does not know a name any more, or that leaves the catalog, has no registrations")
  func forgetting() throws {
    let scripted = try ScriptedHost("version1", "scripted-a")
    let client = try scripted.open()
    try set(scripted, client, "x", .register)
    try set(scripted, client, "set-fail-10108", .register)
    #expect(scripted.host.engine.registrations.registrations.count == 2)
    try FileManager.default.removeItem(atPath: scripted.directory + "/version1.so")
    scripted.host.rescan()
    #expect(shown(scripted) == ["x scripted-a client"])
    scripted.finish()
  }
}
