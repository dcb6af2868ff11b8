import CallManagement
import Rundown
import Testing

/// Address families and service access points (condis.md §6).
@Suite struct FamilyTests {
  @Test("CON-014 CON-015 CON-016 CON-017 a family is registered once; every client is told once, late ones too, others never")
  func registration() {
    let scene = Scene(standAlone: true, opens: false)
    #expect(scene.condis.registerAddressFamily(binding: scene.managerBinding, Scene.number) == .success)
    #expect(scene.condis.registerAddressFamily(binding: scene.managerBinding, Scene.number) == .failure)
    #expect(scene.condis.registerAddressFamily(binding: scene.clientBinding, AddressFamily(number: 3)) == .failure)
    #expect(scene.journal.lines == ["cl.addressFamilyRegistered 0xb2 77"])
    let late = FakeClient("late", scene.journal, contextsFrom: 1)
    _ = scene.condis.openAdapter(scene.adapter, client: late, context: Scene.context(0xB3))
    #expect(scene.journal.lines.last == "late.addressFamilyRegistered 0xb3 77")
    #expect(scene.journal.lines.count == 2)
  }

  @Test("CON-018 opening a family that nobody registered fails and asks nobody")
  func unknownFamily() {
    let scene = Scene(opens: false)
    var handle: Handle? = Handle(rawValue: 5)
    #expect(
      scene.condis.openAddressFamily(scene.clientBinding, Scene.number, context: Scene.familyContext) { handle = $0 } == .failure)
    #expect(handle == nil && scene.journal.lines.isEmpty)
  }

  @Test("CON-019 CON-020 an open answered at once has no completion; one that is pended has one, with NULL after a failure")
  func opening() {
    let scene = Scene(opens: false)
    _ = scene.condis.registerAddressFamily(adapter: scene.adapter, Scene.number)
    scene.journal.clear()
    func open() -> NDISStatus {
      scene.condis.openAddressFamily(scene.clientBinding, Scene.number, context: Scene.familyContext) { _ in }
    }
    #expect(open() == .success)
    #expect(scene.journal.names == ["cm.openAddressFamily"])
    scene.manager.answers["openAddressFamily"] = .pending
    #expect(open() == .pending)
    let pending = scene.manager.lastHandle
    #expect(scene.condis.registerSAP(pending, context: Scene.sapContext, Scene.address) { _ in } == .failure, "not open yet")
    scene.condis.openAddressFamilyComplete(.resources, pending, context: .none)
    #expect(scene.journal.lines.last == "cl.openAddressFamilyComplete 0xfa3 nil NDIS_STATUS_RESOURCES")
    scene.condis.openAddressFamilyComplete(.success, pending, context: .none)
    #expect(scene.journal.count("cl.openAddressFamilyComplete") == 1)
  }

  @Test("CON-021 a call manager may complete the open before it answers PENDING")
  func earlyOpen() {
    let scene = Scene(opens: false)
    _ = scene.condis.registerAddressFamily(adapter: scene.adapter, Scene.number)
    scene.manager.answers["openAddressFamily"] = .pending
    var issued: Handle?
    scene.manager.hooks["openAddressFamily"] = {
      scene.condis.openAddressFamilyComplete(.success, issued!, context: Scene.context(9))
    }
    #expect(
      scene.condis.openAddressFamily(scene.clientBinding, Scene.number, context: Scene.familyContext) { issued = $0 } == .pending)
    #expect(scene.journal.count("cl.openAddressFamilyComplete") == 1)
    #expect(scene.condis.registerSAP(issued!, context: Scene.sapContext, Scene.address) { _ in } == .success)
  }

  @Test("CON-022 CON-023 CON-024 a family is closed when nothing of it is left, once, and the call manager may refuse")
  func closing() {
    let scene = Scene()
    #expect(scene.condis.closeAddressFamily(scene.family) == .failure, "a service access point is left")
    #expect(scene.condis.deregisterSAP(scene.sap) == .success)
    let vc = scene.clientVC()
    #expect(scene.condis.closeAddressFamily(scene.family) == .failure, "a connection is left")
    #expect(scene.condis.deleteVC(vc) == .success)
    scene.manager.answers["closeAddressFamily"] = .notAccepted
    #expect(scene.condis.closeAddressFamily(scene.family) == .notAccepted)
    #expect(scene.clientVC().rawValue != 0, "still usable")
    let other = Scene()
    _ = other.condis.deregisterSAP(other.sap)
    other.manager.answers["closeAddressFamily"] = .pending
    #expect(other.condis.closeAddressFamily(other.family) == .pending)
    #expect(other.condis.closeAddressFamily(other.family) == .failure)
    other.condis.closeAddressFamilyComplete(.success, other.family)
    #expect(other.journal.lines.last == "cl.closeAddressFamilyComplete NDIS_STATUS_SUCCESS 0xfa3")
    #expect(other.condis.closeAdapter(other.clientBinding) == .success)
  }

  @Test("CON-025 CON-026 the call manager may ask for the close; its completion takes the handle of a closed family too")
  func notifyClose() {
    let scene = Scene()
    scene.client.answers["notifyCloseAddressFamily"] = .failure
    #expect(scene.condis.notifyCloseAddressFamily(scene.family) == .failure)
    #expect(scene.journal.lines == ["cl.notifyCloseAddressFamily 0xfa3"])
    scene.client.answers["notifyCloseAddressFamily"] = .pending
    #expect(scene.condis.notifyCloseAddressFamily(scene.family) == .pending)
    _ = scene.condis.deregisterSAP(scene.sap)
    #expect(scene.condis.closeAddressFamily(scene.family) == .success)
    scene.condis.notifyCloseAddressFamilyComplete(scene.family, .success)
    scene.condis.notifyCloseAddressFamilyComplete(scene.family, .success)
    #expect(scene.journal.count("cm.notifyCloseAddressFamilyComplete") == 1)
  }

  @Test("CON-027 CON-028 a service access point that is refused leaves nothing; a pended one comes back with its own pointer")
  func registeringSAP() {
    let scene = Scene()
    scene.manager.answers["registerSAP"] = .invalidData
    var handle: Handle? = Handle(rawValue: 1)
    #expect(scene.condis.registerSAP(scene.family, context: Scene.sapContext, Scene.address) { handle = $0 } == .invalidData)
    #expect(handle == nil)
    scene.manager.answers["registerSAP"] = .pending
    #expect(scene.condis.registerSAP(scene.family, context: Scene.sapContext, Scene.address) { _ in } == .pending)
    scene.condis.registerSAPComplete(.success, scene.manager.lastHandle, context: .none)
    #expect(scene.journal.lines.last == "cl.registerSAPComplete NDIS_STATUS_SUCCESS 0x5a9 0xadd4 handle")
  }

  @Test("CON-029 a call may come in before the registration's completion was delivered")
  func earlyCall() {
    let scene = Scene()
    scene.manager.answers["registerSAP"] = .pending
    _ = scene.condis.registerSAP(scene.family, context: Scene.context(0x77), Scene.address) { _ in }
    let early = scene.manager.lastHandle
    let vc = scene.managerVC()
    #expect(scene.condis.dispatchIncomingCall(early, vc, Scene.parameters) == .success)
    #expect(scene.journal.lines.last == "cl.incomingCall 0x77 0x100 0xca11")
  }

  @Test("CON-030 CON-031 CON-032 a deregistered service access point takes no calls; those that came through it stay")
  func deregistering() {
    let scene = Scene()
    let vc = scene.incoming()
    scene.manager.answers["deregisterSAP"] = .pending
    #expect(scene.condis.deregisterSAP(scene.sap) == .pending)
    #expect(scene.condis.deregisterSAP(scene.sap) == .failure)
    let another = scene.managerVC()
    #expect(scene.condis.dispatchIncomingCall(scene.sap, another, Scene.parameters) == .invalidSAP)
    scene.condis.deregisterSAPComplete(.success, scene.sap)
    #expect(scene.journal.count("cl.deregisterSAPComplete") == 1)
    #expect(scene.condis.dispatchIncomingCall(scene.sap, another, Scene.parameters) == .failure)
    #expect(scene.condis.calls.first { $0.handle == vc }?.state == .upIn)
  }
}
