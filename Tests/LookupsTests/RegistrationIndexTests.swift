import CWinsock
import Foundation
import Providers
import QuerySets
import Sessions
import Testing

@testable import Lookups

/// What the host remembers of registrations.
@Suite struct RegistrationIndexTests {
  private let serviceClass = GUID("0009abcd-4a6c-4f0e-9d0c-3a5be0c2b7a1")!

  private func set(
    _ scripted: ScriptedHost, _ client: ClientSession, _ name: String, _ operation: RegistrationOperation, class id: GUID? = nil,
    flags: UInt32 = 0, addresses: [ServiceAddress] = []
  ) throws {
    let registration = QuerySet(serviceInstanceName: name, serviceClassID: id, nameSpace: .dns, addresses: addresses)
    _ = try scripted.host.engine.setService(client, registration, operation: operation, flags: flags)
  }

  private func shown(_ scripted: ScriptedHost) -> [String] {
    let names = Dictionary(
      scripted.host.catalog.entries.map { ($0.id, $0.manifest.displayName) }, uniquingKeysWith: { first, _ in first })
    return scripted.host.engine.registrations.registrations.map { one in
      "\(one.name) \(names[one.provider] ?? "?") \(one.owner.command)" + (one.isRegistered ? "" : " deregistered")
        + (one.isOwnerLive ? "" : " gone")
    }
  }

  @Test("who has registered what, and where; until it is deleted, also behind the end of its owner")
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
    #expect(Set(shown(scripted)).contains("b version1 one gone") && scripted.host.engine.registrations.references(serviceClass))
    // Another takes a name over, and deletes the rest.
    let other = try scripted.open("two")
    try set(scripted, other, "a", .register)
    try set(scripted, other, "b", .delete)
    #expect(Set(shown(scripted)) == ["a scripted-a two", "a version1 two"])
    #expect(!scripted.host.engine.registrations.references(serviceClass))
    scripted.finish()
  }

  @Test("one user's flood makes room for itself where owners are gone, and leaves the others theirs")
  func bounds() throws {
    let scripted = try ScriptedHost("scripted-a")
    let index = RegistrationIndex(bytesPerUser: 64 << 10)
    let provider = try scripted.provider("scripted-a")
    func flood(_ user: UInt32, _ names: Range<Int>) throws -> LoopbackClient {
      let client = try scripted.host.open(ClientIdentity(processID: 1, userID: user, groupID: 0, command: "x"))
      for name in names {
        index.note(QuerySet(serviceInstanceName: "\(name)", nameSpace: .dns), .register, 0, at: provider, by: client.session, nil)
      }
      return client
    }
    let first = try flood(1, 0..<10_000)
    let count = index.registrations.count
    #expect(count > 50 && count < 200)
    let other = try flood(2, 20_000..<20_010)
    #expect(index.registrations.count == count + 10)
    first.hangUp(.remote)
    while index.registrations.contains(where: { $0.owner.userID == 1 && $0.isOwnerLive }) { usleep(1000) }
    let second = try flood(1, 10_000..<10_010)
    #expect(index.registrations.filter { $0.owner.userID == 1 && $0.isOwnerLive }.count == 10)
    #expect(index.registrations.filter { $0.owner.userID == 2 }.count == 10 && index.registrations.count <= count + 10)
    for client in [other, second] { client.hangUp(.remote) }
    scripted.finish()
  }

  @Test("a name under two classes is two registrations; taking back some addresses leaves the name")
  func classes() throws {
    let scripted = try ScriptedHost("scripted-a")
    let client = try scripted.open()
    let other = GUID("0009abce-4a6c-4f0e-9d0c-3a5be0c2b7a1")!
    let address = SocketAddress("10.0.0.1:7")!
    let addresses = [ServiceAddress(local: address, remote: address, socketType: 0, protocolNumber: 0)]
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
