import CallManagement
import Rundown
import Testing

/// Calls that are made, offered, changed and closed by the client (condis.md §8 to §10).
@Suite struct CallTests {
  private func state(_ scene: Scene, _ vc: Handle) -> CallState? { scene.condis.calls.first { $0.handle == vc }?.state }

  // MARK: Outgoing

  @Test("CON-052 CON-053 CON-054 a call made at once has no completion; a pended one has one, with the caller's pointer")
  func making() {
    let scene = Scene()
    let vc = scene.clientVC()
    var party: Handle? = Handle(rawValue: 1)
    #expect(scene.condis.makeCall(vc, Scene.parameters) { party = $0 } == .success)
    #expect(party == nil && scene.journal.lines.last?.hasSuffix("0xca11 nil") == true)
    #expect(scene.journal.count("cl.makeCallComplete") == 0 && state(scene, vc) == .upOut)
    let second = scene.clientVC()
    scene.manager.answers["makeCall"] = .pending
    #expect(scene.condis.makeCall(second, Scene.parameters) == .pending)
    #expect(state(scene, second) == .making)
    scene.condis.makeCallComplete(.success, second, Scene.parameters)
    #expect(scene.journal.lines.last == "cl.makeCallComplete NDIS_STATUS_SUCCESS 0x7c nil 0xca11")
    #expect(state(scene, second) == .upOut)
  }

  @Test("CON-055 CON-059 a party handle is the same for both, and dead after a failed call")
  func firstParty() {
    let scene = Scene()
    let vc = scene.clientVC()
    var party: Handle?
    #expect(scene.condis.makeCall(vc, Scene.parameters, party: Scene.context(1)) { party = $0 } == .success)
    #expect(party != nil && party == scene.manager.lastHandle)
    #expect(scene.condis.makeCall(scene.clientVC(), Scene.parameters, party: Scene.context(1)) == .failure, "no place for it")
    let failing = scene.clientVC()
    scene.manager.answers["makeCall"] = .pending
    var dead: Handle?
    _ = scene.condis.makeCall(failing, Scene.parameters, party: Scene.context(1)) { dead = $0 }
    scene.condis.makeCallComplete(.networkUnreachable, failing, party: dead, Scene.parameters)
    #expect(scene.condis.dropParty(dead!) == .failure)
  }

  @Test("CON-056 CON-057 CON-058 one call at a time, on the client's own connections; after a failure another may be made")
  func oneCall() {
    let scene = Scene()
    let vc = scene.clientVC()
    scene.manager.answers["makeCall"] = .pending
    _ = scene.condis.makeCall(vc, Scene.parameters)
    #expect(scene.condis.makeCall(vc, Scene.parameters) == .notAccepted)
    #expect(scene.condis.closeCall(vc) == .notAccepted, "CON-075")
    scene.condis.makeCallComplete(.networkUnreachable, vc, Scene.parameters)
    scene.manager.answers["makeCall"] = .success
    #expect(scene.condis.makeCall(vc, Scene.parameters) == .success)
    #expect(scene.condis.makeCall(vc, Scene.parameters) == .notAccepted)
    #expect(scene.condis.makeCall(scene.managerVC(), Scene.parameters) == .failure)
    #expect(scene.condis.makeCall(scene.clientVC(), .none) == .failure, "no parameters")
  }

  @Test("CON-060 a completion with PENDING, a second one, and one beside a final answer have no effect and are counted")
  func doubleCompletion() {
    let scene = Scene()
    let vc = scene.clientVC()
    scene.manager.answers["makeCall"] = .pending
    _ = scene.condis.makeCall(vc, Scene.parameters)
    let before = scene.condis.diagnostics.count
    scene.condis.makeCallComplete(.pending, vc, Scene.parameters)
    #expect(state(scene, vc) == .making)
    scene.condis.makeCallComplete(.success, vc, Scene.parameters)
    scene.condis.makeCallComplete(.failure, vc, Scene.parameters)
    #expect(scene.condis.diagnostics.count == before + 2 && state(scene, vc) == .upOut)
    #expect(scene.journal.count("cl.makeCallComplete") == 1)
    let other = scene.clientVC()
    scene.manager.answers["makeCall"] = .failure
    scene.manager.hooks["makeCall"] = { scene.condis.makeCallComplete(.success, other, Scene.parameters) }
    #expect(scene.condis.makeCall(other, Scene.parameters) == .pending, "the first of the two counts")
    #expect(state(scene, other) == .upOut)
  }

  // MARK: Incoming

  @Test("CON-061 CON-062 an offer brings the client its own contexts; an answer at once is the dispatch's result")
  func offer() {
    let scene = Scene()
    let vc = scene.managerVC()
    scene.journal.clear()
    #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .success)
    #expect(scene.journal.lines == ["cl.incomingCall 0x5a9 0x100 0xca11"])
    #expect(state(scene, vc) == .accepted)
  }

  @Test("CON-063 CON-065 an answer given later reaches the call manager once, with the client's pointer")
  func laterAnswer() {
    let scene = Scene()
    let vc = scene.managerVC()
    scene.client.answers["incomingCall"] = .pending
    #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .pending)
    let changed = PassedPointer(UnsafeMutableRawPointer(bitPattern: 0xC4A))
    scene.condis.incomingCallComplete(.success, vc, changed)
    scene.condis.incomingCallComplete(.failure, vc, changed)
    #expect(scene.journal.lines.last == "cm.incomingCallComplete NDIS_STATUS_SUCCESS 0x7c 0xc4a")
    #expect(scene.journal.count("cm.incomingCallComplete") == 1 && state(scene, vc) == .accepted)
  }

  @Test("an answer from inside the offer holds, whatever the callback then returns")
  func answerInside() {
    let scene = Scene()
    let vc = scene.managerVC()
    scene.client.answers["incomingCall"] = .failure
    scene.client.hooks["incomingCall"] = { scene.condis.incomingCallComplete(.success, vc, Scene.parameters) }
    #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .pending)
    #expect(state(scene, vc) == .accepted && scene.journal.count("cm.incomingCallComplete") == 1)
  }

  @Test("CON-064 CON-068 a rejected offer leaves the connection free, without any close", arguments: [true, false])
  func rejection(atOnce: Bool) {
    let scene = Scene()
    let vc = scene.managerVC()
    scene.client.answers["incomingCall"] = atOnce ? .failure : .pending
    let answer = scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters)
    if !atOnce { scene.condis.incomingCallComplete(.failure, vc, Scene.parameters) }
    #expect(answer == (atOnce ? .failure : .pending) && state(scene, vc) == .idle)
    scene.client.answers["incomingCall"] = .success
    #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .success, "offered again, inactive")
    #expect(scene.activate(vc) == .success)
    #expect(!scene.journal.names.contains { $0.hasSuffix("closeCall") })
  }

  @Test("CON-066 a connection and a service access point of different opens don't fit")
  func otherOpen() {
    let scene = Scene()
    var other = Handle(rawValue: 0)
    _ = scene.condis.openAddressFamily(scene.clientBinding, Scene.number, context: .none) { other = $0! }
    var vc = Handle(rawValue: 0)
    _ = scene.condis.createVC(adapter: scene.adapter, family: other, context: .none) { vc = $0! }
    #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .failure)
    #expect(scene.condis.dispatchIncomingCall(scene.sap, scene.clientVC(), Scene.parameters) == .failure)
  }

  @Test("CON-067 connected reaches the client after acceptance, once")
  func connected() {
    let scene = Scene()
    let vc = scene.managerVC()
    scene.condis.dispatchCallConnected(vc)
    scene.client.answers["incomingCall"] = .pending
    _ = scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters)
    scene.condis.dispatchCallConnected(vc)
    #expect(scene.journal.count("cl.callConnected") == 0)
    scene.condis.incomingCallComplete(.success, vc, Scene.parameters)
    scene.condis.dispatchCallConnected(vc)
    scene.condis.dispatchCallConnected(vc)
    #expect(scene.journal.count("cl.callConnected") == 1 && state(scene, vc) == .upIn)
  }

  // MARK: Changing

  @Test("CON-069 CON-070 CON-071 parameters are changed one at a time; a failure leaves the call as it is")
  func changing() {
    let scene = Scene()
    let vc = scene.incoming()
    scene.manager.answers["modifyCallQoS"] = .failure
    #expect(scene.condis.modifyCallQoS(vc, Scene.parameters) == .failure && state(scene, vc) == .upIn)
    scene.manager.answers["modifyCallQoS"] = .pending
    #expect(scene.condis.modifyCallQoS(vc, Scene.parameters) == .pending)
    #expect(scene.condis.modifyCallQoS(vc, Scene.parameters) == .notAccepted)
    scene.condis.modifyCallQoSComplete(.success, vc, Scene.parameters)
    #expect(scene.journal.lines.last == "cl.modifyCallQoSComplete NDIS_STATUS_SUCCESS 0x100 0xca11")
    scene.condis.dispatchIncomingCallQoSChange(vc, Scene.parameters)
    scene.condis.dispatchIncomingCallQoSChange(scene.clientVC(), Scene.parameters)
    #expect(scene.journal.count("cl.incomingCallQoSChange") == 1)
  }

  // MARK: Closing by the client

  @Test("CON-072 CON-073 CON-074 CON-075 a close passes its data on, is complete once, and is asked for once")
  func closing() {
    let scene = Scene()
    let vc = scene.clientVC()
    #expect(scene.condis.closeCall(vc) == .failure, "idle")
    scene.outgoing(vc)
    var bytes: [UInt8] = [1, 2, 3]
    bytes.withUnsafeMutableBytes { data in
      scene.manager.answers["closeCall"] = .pending
      #expect(scene.condis.closeCall(vc, CloseData(data.baseAddress, 3)) == .pending)
      #expect(scene.journal.lines.last?.hasSuffix("\(CloseData(data.baseAddress, 3).text)") == true)
    }
    #expect(scene.condis.closeCall(vc) == .closing)
    #expect(scene.journal.count("cm.closeCall") == 1)
    scene.condis.closeCallComplete(.success, vc)
    scene.condis.closeCallComplete(.success, vc)
    #expect(scene.journal.lines.last == "cl.closeCallComplete NDIS_STATUS_SUCCESS 0x7c 0x0")
    #expect(scene.journal.count("cl.closeCallComplete") == 1)
    let second = scene.incoming()
    scene.manager.answers["closeCall"] = .success
    #expect(scene.condis.closeCall(second) == .success)
    #expect(scene.journal.count("cl.closeCallComplete") == 1)
  }

  @Test("CON-076 a close that the call manager refuses leaves the call as it was")
  func refusedClose() {
    let scene = Scene()
    let vc = scene.incoming()
    scene.manager.answers["closeCall"] = .invalidData
    #expect(scene.condis.closeCall(vc) == .invalidData && state(scene, vc) == .upIn)
    scene.manager.answers["closeCall"] = .success
    #expect(scene.condis.closeCall(vc) == .success && state(scene, vc) == .idle)
  }

  @Test("CON-077 CON-078 a client may delete inside the completion, once the connection is inactive", arguments: [true, false])
  func deleteInside(deactivatesFirst: Bool) {
    let scene = Scene()
    let vc = scene.clientVC()
    scene.outgoing(vc)
    scene.manager.answers["closeCall"] = .pending
    _ = scene.condis.closeCall(vc)
    var answer = NDISStatus.pending
    scene.client.hooks["closeCallComplete"] = { answer = scene.condis.deleteVC(vc) }
    if deactivatesFirst { _ = scene.deactivate(vc) }
    scene.condis.closeCallComplete(.success, vc)
    #expect(answer == (deactivatesFirst ? .success : .notAccepted))
    if !deactivatesFirst {
      _ = scene.deactivate(vc)
      #expect(scene.condis.deleteVC(vc) == .success)
    }
  }

  @Test("CON-079 CON-080 a connection carries one call after another, with the same contexts")
  func reuse() {
    let scene = Scene()
    let vc = scene.clientVC()
    for _ in 0..<3 {
      scene.outgoing(vc)
      _ = scene.condis.closeCall(vc)
      #expect(scene.condis.makeCall(vc, Scene.parameters) == .notAccepted, "still active")
      _ = scene.deactivate(vc)
    }
    let incoming = scene.incoming()
    _ = scene.condis.closeCall(incoming)
    _ = scene.deactivate(incoming)
    #expect(scene.condis.dispatchIncomingCall(scene.sap, incoming, Scene.parameters) == .success)
    #expect(
      scene.journal.lines.filter { $0.hasPrefix("cl.incomingCall ") }
        == Array(repeating: "cl.incomingCall 0x5a9 0x100 0xca11", count: 2))
  }
}
