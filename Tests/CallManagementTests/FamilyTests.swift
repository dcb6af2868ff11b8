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

  @Test("CON-014 a miniport call manager displaces a stand-alone one; what is open there stays, and works")
  func displacement() {
    let condis = CoNDIS()
    let journal = CallJournal()
    let mini = FakeManager("mcm", journal, contextsFrom: 0x100)
    let alone = FakeManager("cm", journal, contextsFrom: 0x200)
    let client = FakeClient("cl", journal, contextsFrom: 0x300)
    let adapter = condis.createAdapter(Scene.context(1), callManager: mini)!
    var (managerBinding, clientBinding) = (Handle?.none, Handle?.none)
    _ = condis.openAdapter(adapter, callManager: alone, context: Scene.context(2)) { managerBinding = $0 ?? managerBinding }
    _ = condis.openAdapter(adapter, client: client, context: Scene.context(3)) { clientBinding = $0 ?? clientBinding }
    func open() -> Handle? {
      var handle: Handle?
      _ = condis.openAddressFamily(clientBinding!, Scene.number, context: Scene.context(4)) { handle = $0 }
      return handle
    }
    func connection(_ family: Handle?) -> Handle? {
      var handle: Handle?
      _ = condis.createVC(binding: clientBinding!, family: family!, context: Scene.context(5)) { handle = $0 }
      return handle
    }
    #expect(condis.registerAddressFamily(binding: managerBinding!, Scene.number) == .success)
    let former = open()
    let early = connection(former)
    #expect(condis.registerAddressFamily(adapter: adapter, Scene.number) == .success)
    #expect(condis.registerAddressFamily(adapter: adapter, Scene.number) == .failure)
    #expect(condis.registerAddressFamily(binding: managerBinding!, Scene.number) == .failure)
    #expect(journal.count("cl.addressFamilyRegistered") == 2)
    let latter = open()
    #expect(journal.count("cm.openAddressFamily") == 1 && journal.count("mcm.openAddressFamily") == 1)
    let (old, new) = (connection(former), connection(latter))
    #expect(journal.count("cm.createVC") == 2 && journal.count("mcm.createVC") == 1)
    for vc in [early, old, new] { #expect(condis.deleteVC(vc!) == .success) }
    #expect(journal.count("cm.deleteVC") == 2 && journal.count("mcm.deleteVC") == 1)
    #expect(condis.closeAdapter(managerBinding!) == .notAccepted, "a client has a family open there")
    #expect(condis.closeAddressFamily(former!) == .success && condis.closeAdapter(managerBinding!) == .success)
    // The displaced one takes nothing with it.
    #expect(connection(latter) != nil && open() != nil && journal.count("mcm.openAddressFamily") == 2)
  }

  @Test("CON-014 who has a family, after every order of registrations, closed bindings and opens", arguments: 0..<6)
  func owners(_ first: Int) {
    /// Who may have it: two stand-alone call managers, and that of the miniport.
    struct Model {
      var owner: Int?
      var isBound = [true, true]

      /// Whether it is done; nil for an open: whom it reaches is told apart.
      mutating func take(_ event: Int) -> Bool {
        switch event {
        case 0, 1:
          guard isBound[event], owner == nil else { return false }
          owner = event
        case 2:
          guard owner != 2 else { return false }
          owner = 2
        case 3, 4:
          guard isBound[event - 3] else { return false }
          isBound[event - 3] = false
          if owner == event - 3 { owner = nil }
        default: return owner != nil
        }
        return true
      }
    }
    for sequence in 0..<6 * 6 * 6 * 6 {
      var events = [first]
      var rest = sequence
      for _ in 0..<4 {
        events.append(rest % 6)
        rest /= 6
      }
      let condis = CoNDIS()
      let journal = CallJournal()
      let managers = (0..<3).map { FakeManager("m\($0)", journal, contextsFrom: 0x100) }
      let client = FakeClient("cl", journal, contextsFrom: 0x300)
      let adapter = condis.createAdapter(Scene.context(1), callManager: managers[2])!
      var bound: [Handle] = []
      for manager in managers[..<2] {
        _ = condis.openAdapter(adapter, callManager: manager, context: Scene.context(2)) {
          if let handle = $0 { bound.append(handle) }
        }
      }
      _ = condis.openAdapter(adapter, client: client, context: Scene.context(3)) { if let handle = $0 { bound.append(handle) } }
      var model = Model()
      for (step, event) in events.enumerated() {
        let told = journal.count("cl.addressFamilyRegistered")
        let opened = (0..<3).map { journal.count("m\($0).openAddressFamily") }
        var status: NDISStatus
        switch event {
        case 0, 1: status = condis.registerAddressFamily(binding: bound[event], Scene.number)
        case 2: status = condis.registerAddressFamily(adapter: adapter, Scene.number)
        case 3, 4: status = condis.closeAdapter(bound[event - 3])
        default:
          var family: Handle?
          status = condis.openAddressFamily(bound[2], Scene.number, context: Scene.context(4)) { family = $0 }
          if let family { #expect(condis.closeAddressFamily(family) == .success) }
        }
        let isDone = model.take(event)
        #expect((status == .success) == isDone, "\(events), step \(step)")
        let isTold = event <= 2 && isDone
        #expect(journal.count("cl.addressFamilyRegistered") == told + (isTold ? 1 : 0), "\(events), step \(step)")
        for manager in 0..<3 {
          let isAsked = event == 5 && model.owner == manager
          #expect(
            journal.count("m\(manager).openAddressFamily") == opened[manager] + (isAsked ? 1 : 0), "\(events), step \(step)")
        }
      }
    }
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
