import CallManagement
import Rundown
import Testing

/// Drivers that break the rules: nothing but their own call suffers, and what they did is counted.
@Suite struct FaultTests {
  @Test("a client that never answers an offer keeps that connection alone; others go on, and the offer can be answered at last")
  func neverCompletes() {
    let scene = Scene()
    scene.client.answers["incomingCall"] = .pending
    let silent = scene.managerVC()
    #expect(scene.condis.dispatchIncomingCall(scene.sap, silent, Scene.parameters) == .pending)
    scene.client.answers = [:]
    for _ in 0..<100 {
      let other = scene.incoming()
      scene.client.hooks["incomingCloseCall"] = { _ = scene.condis.closeCall(other) }
      scene.condis.dispatchIncomingCloseCall(.success, other)
      #expect(scene.deactivate(other) == .success && scene.deleteByManager(other) == .success)
    }
    scene.client.hooks = [:]
    #expect(scene.deleteByManager(silent) == .notAccepted)
    #expect(scene.condis.calls.count == 1 && scene.condis.calls.first?.state == .offered)
    // Told to close, it does nothing either.
    scene.condis.dispatchIncomingCloseCall(.hardwareLineDown, silent)
    #expect(scene.deleteByManager(silent) == .notAccepted)
    scene.condis.incomingCallComplete(.failure, silent, Scene.parameters)
    #expect(scene.deleteByManager(silent) == .success)
  }

  @Test("a call manager that never completes a close keeps that connection alone, and says so in `calls`")
  func closeNeverCompletes() {
    let scene = Scene()
    let vc = scene.incoming()
    scene.manager.answers["closeCall"] = .pending
    #expect(scene.condis.closeCall(vc) == .pending)
    #expect(scene.condis.calls.first.map { "\($0.state)" }?.hasPrefix("closing") == true)
    #expect(scene.condis.closeAddressFamily(scene.family) == .failure, "it can't be taken down under a call")
    scene.manager.answers = [:]
    let other = scene.incoming()
    #expect(scene.condis.closeCall(other) == .success)
  }

  @Test("every completion that comes twice, or with PENDING, has no second effect and is counted")
  func completesTwice() {
    let scene = Scene(standAlone: true)
    let vc = scene.clientVC()
    scene.manager.answers = ["makeCall": .pending, "modifyCallQoS": .pending, "closeCall": .pending]
    scene.miniport?.answers = ["activateVC": .pending, "deactivateVC": .pending]
    var expected = scene.condis.diagnostics.count

    /// Once with PENDING, once in earnest, twice too often.
    func complete(_ callback: String, _ body: (NDISStatus) -> Void) {
      scene.journal.clear()
      body(.pending)
      #expect(scene.journal.lines.isEmpty)
      body(.success)
      body(.success)
      body(.failure)
      #expect(scene.journal.names == [callback])
      expected += 3
      #expect(scene.condis.diagnostics.count == expected, "\(callback)")
    }

    #expect(scene.condis.makeCall(vc, Scene.parameters) == .pending)
    #expect(scene.activate(vc) == .pending)
    complete("cm.activateVCComplete") { scene.condis.activateVCComplete($0, vc, Scene.parameters) }
    complete("cl.makeCallComplete") { scene.condis.makeCallComplete($0, vc, Scene.parameters) }
    #expect(scene.condis.modifyCallQoS(vc, Scene.parameters) == .pending)
    complete("cl.modifyCallQoSComplete") { scene.condis.modifyCallQoSComplete($0, vc, Scene.parameters) }
    #expect(scene.condis.closeCall(vc) == .pending)
    #expect(scene.deactivate(vc) == .pending)
    complete("cm.deactivateVCComplete") { scene.condis.deactivateVCComplete($0, vc) }
    complete("cl.closeCallComplete") { scene.condis.closeCallComplete($0, vc) }
    #expect(scene.condis.deleteVC(vc) == .success)
  }

  @Test("a client that closes twice: the second time is refused, whether the first is pending, complete, or the connection gone")
  func closesTwice() {
    let scene = Scene()
    let vc = scene.incoming()
    scene.manager.answers["closeCall"] = .pending
    #expect(scene.condis.closeCall(vc) == .pending)
    let illegal = scene.condis.illegalTransitions
    #expect(scene.condis.closeCall(vc) == .closing)
    scene.condis.closeCallComplete(.success, vc)
    #expect(scene.condis.closeCall(vc) == .failure)
    #expect(scene.condis.illegalTransitions == illegal + 2)
    #expect(scene.journal.count("cm.closeCall") == 1)
    #expect(scene.deactivate(vc) == .success && scene.deleteByManager(vc) == .success)
    #expect(scene.condis.closeCall(vc) == .failure)
  }

  @Test(
    "CON-046 whatever is done to a connection that was deleted answers FAILURE or is ignored, also when its slot is used again")
  func touchesDeleted() {
    let scene = Scene()
    let vc = scene.managerVC()
    #expect(scene.deleteByManager(vc) == .success)
    let heir = scene.incoming()
    scene.journal.clear()
    let condis = scene.condis
    let noted = condis.diagnostics.count
    #expect(condis.makeCall(vc, Scene.parameters) == .failure)
    #expect(condis.closeCall(vc) == .failure)
    #expect(condis.modifyCallQoS(vc, Scene.parameters) == .failure)
    var party: Handle? = vc
    #expect(condis.addParty(vc, context: .none, Scene.parameters, issued: { party = $0 }) == .failure)
    #expect(party == nil)
    #expect(condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .failure)
    #expect(scene.activate(vc) == .failure && scene.deactivate(vc) == .failure)
    #expect(scene.deleteByManager(vc) == .failure && condis.deleteVC(vc) == .failure)
    #expect(condis.sendStatus(vc) == .failure)
    condis.incomingCallComplete(.success, vc, Scene.parameters)
    condis.makeCallComplete(.success, vc, Scene.parameters)
    condis.modifyCallQoSComplete(.success, vc, Scene.parameters)
    condis.closeCallComplete(.success, vc)
    condis.activateVCComplete(.success, vc, Scene.parameters)
    condis.deactivateVCComplete(.success, vc)
    condis.dispatchCallConnected(vc)
    condis.dispatchIncomingCallQoSChange(vc, Scene.parameters)
    condis.dispatchIncomingCloseCall(.success, vc)
    condis.dispatchIncomingCloseCall(.success, Handle(rawValue: 0))
    condis.dispatchIncomingCloseCall(.success, scene.sap)
    #expect(condis.diagnostics.count == noted + 11)
    #expect(scene.journal.lines.isEmpty && condis.snapshot(heir)?.state == .upIn)
  }

  @Test("CON-048 CON-095 what a data path is told: not active, active, closing")
  func sendStatus() {
    let scene = Scene(standAlone: true)
    let vc = scene.managerVC()
    #expect(scene.condis.sendStatus(vc) == .vcNotActivated)
    #expect(scene.activate(vc) == .success)
    #expect(scene.condis.sendStatus(vc) == .success)
    scene.miniport?.answers["activateVC"] = .resources
    #expect(scene.activate(vc) == .resources)
    #expect(scene.condis.sendStatus(vc) == .success, "a change that failed keeps it active")
    _ = scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters)
    scene.condis.dispatchCallConnected(vc)
    #expect(scene.condis.sendStatus(vc) == .success)
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    #expect(scene.condis.sendStatus(vc) == .closing, "nothing more is sent, and nothing received is delivered")
    #expect(scene.condis.closeCall(vc) == .success)
    #expect(scene.condis.sendStatus(vc) == .success, "activation alone decides while there is no call")
    #expect(scene.deactivate(vc) == .success && scene.condis.sendStatus(vc) == .vcNotActivated)
  }

  @Test(
    "close data that has to wait is copied, up to 64 KiB: more is left out, and that is counted", arguments: [65_536, 65_537])
  func muchData(size: Int) {
    let scene = Scene()
    let vc = scene.managerVC()
    let bytes = [UInt8](repeating: 7, count: size)
    scene.client.hooks["incomingCall"] = {
      bytes.withUnsafeBytes { data in
        let pointer = UnsafeMutableRawPointer(mutating: data.baseAddress)
        scene.condis.dispatchIncomingCloseCall(.success, vc, CloseData(pointer, UInt32(size)))
      }
    }
    #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .success)
    let delivered = scene.journal.lines.last ?? ""
    #expect(delivered.hasPrefix("cl.incomingCloseCall") && delivered.hasSuffix(size == 65_536 ? "+65536" : "0x0+0"))
    #expect(scene.condis.diagnostics.count == (size == 65_536 ? 0 : 1))
    #expect(scene.condis.closeCall(vc) == .success)
  }

  @Test("a service access point that is deregistered during an offer stays until the client has answered")
  func deregisteredDuringOffer() {
    let scene = Scene()
    let vc = scene.managerVC()
    scene.client.hooks["incomingCall"] = {
      #expect(scene.condis.deregisterSAP(scene.sap) == .pending)
      #expect(scene.condis.deregisterSAP(scene.sap) == .failure)
    }
    #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .success)
    #expect(scene.journal.names == ["cl.createVC", "cl.incomingCall", "cm.deregisterSAP", "cl.deregisterSAPComplete"])
    #expect(scene.condis.closeCall(vc) == .success)
    #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .failure)
    #expect(scene.deleteByManager(vc) == .success && scene.condis.closeAddressFamily(scene.family) == .success)
  }

  @Test("nothing can be done to a connection whose creation is not over, not even by its creator")
  func usedDuringCreation() {
    let scene = Scene(standAlone: true)
    scene.manager.answers["createVC"] = .resources
    scene.manager.hooks["createVC"] = {
      let vc = scene.condis.calls[0].handle
      #expect(scene.condis.deleteVC(vc) == .failure && scene.activate(vc) == .failure)
      #expect(scene.condis.makeCall(vc, Scene.parameters) == .failure)
      #expect(scene.condis.closeAddressFamily(scene.family) == .failure)
    }
    _ = scene.clientVC()
    #expect(scene.journal.names == ["mp.createVC", "cm.createVC", "mp.deleteVC"])
    #expect(scene.condis.calls.isEmpty)
    #expect(scene.condis.deregisterSAP(scene.sap) == .success && scene.condis.closeAddressFamily(scene.family) == .success)
  }

  @Test("a miniport call manager makes connections on address families of its own adapter only")
  func othersFamily() {
    let scene = Scene()
    let stranger = FakeManager("other", scene.journal, contextsFrom: 0x900)
    let adapter = scene.condis.createAdapter(.none, callManager: stranger)!
    var vc: Handle? = scene.sap
    #expect(scene.condis.createVC(adapter: adapter, family: scene.family, context: .none, issued: { vc = $0 }) == .failure)
    #expect(vc == nil && scene.journal.lines.isEmpty)
    #expect(scene.condis.haltAdapter(adapter) == .success)
    #expect(scene.condis.openAdapter(adapter, client: scene.client, context: .none) == .failure)
  }

  @Test("X-23 a call never loses its last party: one that is still being added does not count as left")
  func lastCertainParty() {
    let scene = Scene()
    let vc = scene.clientVC()
    var (first, second) = (Handle(rawValue: 0), Handle(rawValue: 0))
    #expect(scene.condis.makeCall(vc, Scene.parameters, party: Scene.context(1), issued: { first = $0! }) == .success)
    scene.manager.answers["addParty"] = .pending
    #expect(scene.condis.addParty(vc, context: Scene.context(2), Scene.parameters, issued: { second = $0! }) == .pending)
    #expect(scene.condis.dropParty(first) == .failure)
    scene.condis.addPartyComplete(.failure, second, context: .none, Scene.parameters)
    #expect(scene.condis.closeCall(vc, party: first) == .success)
  }

  @Test(
    "an address family is closed over idle connections of the call manager's, which it deletes later; its client stays until then"
  )
  func leftovers() {
    let scene = Scene()
    let vc = scene.managerVC()
    #expect(scene.condis.deregisterSAP(scene.sap) == .success)
    let noted = scene.condis.diagnostics.count
    #expect(scene.condis.closeAddressFamily(scene.family) == .success)
    #expect(scene.condis.diagnostics.count == noted + 1)
    #expect(scene.condis.closeAdapter(scene.clientBinding) == .notAccepted)
    #expect(scene.deleteByManager(vc) == .success)
    #expect(scene.journal.names.last == "cl.deleteVC")
    #expect(scene.condis.closeAdapter(scene.clientBinding) == .success)
  }
}
