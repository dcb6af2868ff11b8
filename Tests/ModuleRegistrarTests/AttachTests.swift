import CWinsock
import ModuleRegistrar
import Testing

/// Registering, matching and attaching (nmr.md §7, §8, §14).
@Suite struct AttachTests {
  let registrar = ModuleRegistrar()
  let journal = Journal()

  private func client(_ name: String = "c", npi: UInt32 = 7) -> TestModule {
    TestModule(.client, name, registrar, journal, npi: npi)
  }
  private func provider(_ name: String = "p", npi: UInt32 = 7) -> TestModule {
    TestModule(.provider, name, registrar, journal, npi: npi)
  }

  private func finish(_ modules: TestModule...) {
    for module in modules {
      module.deregister()
      #expect(module.wait() == .success)
    }
    #expect(registrar.snapshot.interfaces.isEmpty)
  }

  @Test("NMR-012 NMR-013 NMR-014 a module alone is registered and hears nothing; its handle is neither NULL nor all ones")
  func alone() {
    let (c, p) = (client(), provider(npi: 8))
    #expect(c.register() == .success && p.register() == .success)
    #expect(journal.events.isEmpty)
    for handle in [c.handle, p.handle] { #expect(handle.rawValue != 0 && handle.rawValue != UInt64.max) }
    finish(c, p)
    #expect(journal.events.isEmpty)
  }

  @Test("NMR-015 NMR-016 NMR-018 the pair is attached before the later registration returns", arguments: [true, false])
  func attachesInside(clientFirst: Bool) {
    let (c, p) = (client(), provider())
    (clientFirst ? c : p).register()
    #expect(journal.events.isEmpty)
    (clientFirst ? p : c).register()
    #expect(journal.events == ["c.attach", "p.attach"])
    finish(c, p)
  }

  @Test("NMR-017 NMR-019 NMR-020 NMR-021 NMR-109 contexts, instances and handles arrive as given; nothing is looked into")
  func relays() {
    let (c, p) = (client(), provider())
    c.dispatch = UnsafeRawPointer(bitPattern: 1)
    p.dispatch = UnsafeRawPointer(bitPattern: 2)
    var seen: [TestModule.Offer] = []
    c.onOffer = {
      seen.append($0)
      return $0.accept()
    }
    p.onOffer = {
      seen.append($0)
      return $0.accept()
    }
    c.register()
    p.register()
    #expect(seen.map(\.peer) == [p.instance, c.instance])
    #expect(seen[0].binding == seen[1].binding)
    #expect(seen[1].peerContext == c.attachments[0].context && seen[1].peerDispatch == UnsafeRawPointer(bitPattern: 1))
    #expect(c.attachments[0].peerContext == p.attachments[0].context)
    #expect(c.attachments[0].peerDispatch == UnsafeRawPointer(bitPattern: 2))
    finish(c, p)
  }

  @Test("NMR-035 NMR-036 NMR-053 NMR-065 NULL contexts and tables are relayed, their callbacks made, NULL cleanups skipped")
  func nulls() {
    let (c, p) = (client(), provider())
    for module in [c, p] {
      module.givesNullContext = true
      module.dispatch = nil
    }
    p.provider.pointee.ProviderCleanupBindingContext = nil
    Journal.ofNobody.clear()
    c.register()
    p.register()
    #expect(c.attachments[0].peerContext == nil && c.attachments[0].peerDispatch == nil)
    #expect(p.attachments[0].peerContext == nil && p.attachments[0].peerDispatch == nil)
    finish(c, p)
    #expect(Journal.ofNobody.events == ["detach", "detach", "cleanup"])
  }

  @Test("NMR-022 NMR-027 NMR-029 NMR-030 a provider is offered to every client, oldest first, each binding with its own handle")
  func manyClients() {
    let clients = (0..<5).map { client("c\($0)") }
    for client in clients { client.register() }
    let p = provider()
    p.register()
    #expect(journal.events == (0..<5).flatMap { ["c\($0).attach", "p.attach"] })
    #expect(Set(clients.map { $0.attachments[0].binding }).count == 5)
    p.deregister()
    for client in clients { client.deregister() }
    #expect(registrar.snapshot.interfaces.isEmpty)
  }

  @Test("NMR-028 NMR-033 a client is offered every provider, oldest first, whatever the earlier ones said")
  func manyProviders() {
    let providers = (0..<5).map { provider("p\($0)") }
    providers[1].onOffer = { _ in .noInterface }
    for provider in providers { provider.register() }
    let c = client()
    c.register()
    #expect(journal.events == (0..<5).flatMap { ["c.attach", "p\($0).attach"] })
    #expect(c.attachments.count == 4)
    c.deregister()
    for provider in providers { provider.deregister() }
  }

  @Test("NMR-023 NMR-024 NMR-025 interfaces match by their 16 bytes, wherever they are", arguments: 0..<128)
  func matching(bit: Int) {
    let (c, p) = (client(), provider())
    withUnsafeMutableBytes(of: &p.npi.pointee) { $0[bit / 8] ^= 1 << (bit % 8) }
    c.register()
    p.register()
    #expect(journal.events.isEmpty)
    finish(c, p)
    withUnsafeMutableBytes(of: &p.npi.pointee) { $0[bit / 8] ^= 1 << (bit % 8) }
    c.register()
    p.register()
    #expect(journal.events == ["c.attach", "p.attach"])
    finish(c, p)
  }

  @Test("NMR-026 NMR-097 NMR-100 number, version and module id take no part in matching and may be missing")
  func otherFields() {
    let (c, p) = (client(), provider())
    c.client.pointee.Version = 9
    c.client.pointee.ClientRegistrationInstance.Version = 8
    c.client.pointee.ClientRegistrationInstance.Number = 5
    c.client.pointee.ClientRegistrationInstance.ModuleId = nil
    p.provider.pointee.ProviderRegistrationInstance.NpiSpecificCharacteristics = nil
    p.moduleID.pointee.Guid.Data1 = 77
    c.register()
    p.register()
    #expect(c.attachments.count == 1)
    finish(c, p)
  }

  @Test("NMR-031 NMR-032 a client that declines leaves nothing behind, and registration succeeds all the same")
  func declines() {
    let (c, p) = (client(), provider())
    c.onOffer = { _ in .noInterface }
    p.register()
    #expect(c.register() == .success)
    #expect(registrar.snapshot.interfaces.first?.bindings.isEmpty == true)
    finish(c, p)
    #expect(journal.events == ["c.attach"])
  }

  @Test(
    "NMR-034 NMR-037 NMR-038 NMR-039 NMR-046 the provider's status is relayed; only STATUS_SUCCESS attaches",
    arguments: [NTStatus.noInterface, .accessDenied, .pending, NTStatus(rawValue: 1)])
  func providerDeclines(answer: NTStatus) {
    let (c, p) = (client(), provider())
    p.onOffer = { offer in
      _ = offer.accept()
      return answer
    }
    var relayed = NTStatus.success
    c.onOffer = { offer in
      relayed = self.registrar.attachProvider(offer.binding, clientContext: nil, clientDispatch: nil) { _, _ in
        Issue.record("the client's variables must keep their values")
      }
      return relayed
    }
    c.register()
    p.register()
    #expect(relayed == answer)
    finish(c, p)
    #expect(journal.events == ["c.attach", "p.attach"])
  }

  @Test("NMR-040 NMR-041 after a failure the client may try again in the same callback, after success it may not")
  func tryAgain() {
    let (c, p) = (client(), provider())
    var tries = 0
    p.onOffer = { offer in
      tries += 1
      return tries < 3 ? .noInterface : offer.accept()
    }
    c.onOffer = { offer in
      #expect(offer.accept() == .noInterface)
      #expect(offer.accept() == .noInterface)
      #expect(offer.accept() == .success)
      #expect(offer.accept() == .invalidDeviceState)
      return .success
    }
    c.register()
    p.register()
    #expect(tries == 3)
    #expect(registrar.snapshot.interfaces[0].bindings.map(\.state) == [.bound])
    finish(c, p)
  }

  @Test("NMR-042 NMR-043 NMR-044 NMR-045 attaching out of place is refused and reaches nobody")
  func outOfPlace() {
    let (c, p) = (client(), provider())
    var binding = ModuleHandle(rawValue: 0)
    c.onOffer = {
      binding = $0.binding
      return .noInterface
    }
    c.register()
    p.register()
    func attach(_ handle: ModuleHandle) -> NTStatus {
      registrar.attachProvider(handle, clientContext: nil, clientDispatch: nil) { _, _ in }
    }
    #expect(attach(binding) == .invalidParameter, "refused and gone")
    for garbage in [0, 1, 24, UInt64.max, 0xDEAD_BEEF] { #expect(attach(ModuleHandle(rawValue: garbage)) == .invalidParameter) }
    #expect(attach(c.handle) == .invalidParameter)
    finish(c, p)
    c.onOffer = { $0.accept() }
    c.register()
    p.register()
    journal.clear()
    #expect(attach(c.attachments[0].binding) == .invalidDeviceState, "attached")
    #expect(journal.events.isEmpty)
    finish(c, p)
    #expect(NmrClientAttachProvider(nil, nil, nil, nil, nil) == NTStatus.invalidParameter.rawValue)
  }

  @Test("NMR-047 a client that claims success without attaching is not attached")
  func falseSuccess() {
    let (c, p) = (client(), provider())
    c.onOffer = { _ in .success }
    c.register()
    p.register()
    finish(c, p)
    #expect(journal.events == ["c.attach"])
    #expect(registrar.diagnostics.successesWithoutAttach == 1)
  }

  @Test("NMR-048 NMR-049 a client that answers a failure after it was attached: its provider is detached and cleaned up")
  func failureAfterAttach() {
    let (c, p) = (client(), provider())
    c.onOffer = { offer in
      #expect(offer.accept() == .success)
      return .unsuccessful
    }
    c.register()
    p.register()
    #expect(journal.events == ["c.attach", "p.attach", "p.detach", "p.cleanup"])
    #expect(registrar.diagnostics.failuresAfterAttach == 1)
    finish(c, p)
  }

  @Test("NMR-094 NMR-095 NMR-096 NMR-098 bad characteristics are refused, and the handle variable keeps its value")
  func badCharacteristics() {
    var handle = HANDLE(bitPattern: 0x1234)
    #expect(NmrRegisterClient(nil, nil, &handle) == NTStatus.invalidParameter.rawValue)
    #expect(NmrRegisterProvider(nil, nil, &handle) == NTStatus.invalidParameter.rawValue)
    let (c, p) = (client(), provider())
    #expect(NmrRegisterClient(c.client, nil, nil) == NTStatus.invalidParameter.rawValue)
    #expect(NmrRegisterProvider(p.provider, nil, nil) == NTStatus.invalidParameter.rawValue)
    let (goodClient, goodProvider) = (c.client.pointee, p.provider.pointee)
    let badClients: [(inout NPI_CLIENT_CHARACTERISTICS) -> Void] = [
      { $0.Length = 71 }, { $0.ClientRegistrationInstance.Size = 39 }, { $0.ClientRegistrationInstance.NpiId = nil },
      { $0.ClientAttachProvider = nil }, { $0.ClientDetachProvider = nil },
    ]
    let badProviders: [(inout NPI_PROVIDER_CHARACTERISTICS) -> Void] = [
      { $0.Length = 71 }, { $0.ProviderRegistrationInstance.Size = 39 }, { $0.ProviderRegistrationInstance.NpiId = nil },
      { $0.ProviderAttachClient = nil }, { $0.ProviderDetachClient = nil },
    ]
    for spoil in badClients {
      spoil(&c.client.pointee)
      #expect(NmrRegisterClient(c.client, nil, &handle) == NTStatus.invalidParameter.rawValue)
      c.client.pointee = goodClient
    }
    for spoil in badProviders {
      spoil(&p.provider.pointee)
      #expect(NmrRegisterProvider(p.provider, nil, &handle) == NTStatus.invalidParameter.rawValue)
      p.provider.pointee = goodProvider
    }
    #expect(handle == HANDLE(bitPattern: 0x1234))
    c.client.pointee.Length = 200
    c.client.pointee.ClientRegistrationInstance.Size = 200
    #expect(c.register() == .success, "larger ones are of a later version")
    finish(c)
  }

  @Test("a module's id is read once, when it registers; one that can't be read counts as none")
  func moduleIDs() throws {
    let (c, p) = (client(), provider())
    c.client.pointee.ClientRegistrationInstance.ModuleId = UnsafePointer(bitPattern: 16)
    c.register()
    p.register()
    p.moduleID.pointee.Guid.Data1 += 1
    let interface = try #require(registrar.snapshot.interfaces.first)
    #expect(interface.clients.map(\.moduleID?.Data1) == [nil])
    p.moduleID.pointee.Guid.Data1 -= 1
    #expect(interface.providers.map(\.moduleID?.Data1) == [p.moduleID.pointee.Guid.Data1])
    finish(c, p)
  }

  @Test("NMR-099 the handle is written before the first callback")
  func handleFirst() {
    let (c, p) = (client(), provider())
    c.register()
    p.onOffer = { offer in
      #expect(p.handle.rawValue != 0)
      return offer.accept()
    }
    p.register()
    #expect(c.attachments.count == 1)
    finish(c, p)
  }

  @Test("NMR-101 one structure registered twice makes two modules")
  func twice() {
    let (c, p) = (client(), provider())
    c.register()
    let first = c.handle
    c.register()
    #expect(first != c.handle)
    p.register()
    #expect(c.attachments.count == 2)
    #expect((try? registrar.deregister(first, role: .client)) == true)
    finish(c, p)
  }

  @Test("NMR-102 a module in both roles is attached to itself, once")
  func both() {
    let (c, p) = (client("m"), provider("m"))
    c.register()
    p.register()
    #expect(journal.events == ["m.attach", "m.attach"])
    finish(c, p)
  }

  @Test("NMR-110 when the room is used up, registration answers so and leaves no trace")
  func noRoom() {
    let small = ModuleRegistrar(limits: .init(registrations: 3, bindings: 1))
    let modules = [
      TestModule(.client, "c1", small, journal), TestModule(.client, "c2", small, journal),
      TestModule(.provider, "p1", small, journal, npi: 8), TestModule(.provider, "p2", small, journal),
    ]
    #expect(modules[0].register() == .success && modules[1].register() == .success)
    #expect(modules[3].register() == .insufficientResources, "two bindings are one too many")
    #expect(modules[3].handle.rawValue == 0 && journal.events.isEmpty)
    #expect(modules[2].register() == .success)
    #expect(TestModule(.client, "c3", small, journal, npi: 9).register() == .insufficientResources)
    #expect(small.snapshot.interfaces.reduce(0) { $0 + $1.clients.count + $1.providers.count } == 3)
    for module in modules.prefix(3) { #expect(module.deregister() == .success) }
  }
}
