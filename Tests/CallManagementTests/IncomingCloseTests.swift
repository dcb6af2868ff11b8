import CallManagement
import Dispatch
import Foundation
import Rundown
import Testing

/// The incoming close: what the room is for (condis.md §11).
@Suite struct IncomingCloseTests {
  private func state(_ scene: Scene, _ vc: Handle) -> CallState? { scene.condis.calls.first { $0.handle == vc }?.state }

  /// A call in each of the states in which a close can come in.
  private func calls(_ scene: Scene) -> [Handle] {
    let outgoing = scene.clientVC()
    scene.outgoing(outgoing)
    let accepted = scene.managerVC()
    _ = scene.condis.dispatchIncomingCall(scene.sap, accepted, Scene.parameters)
    return [outgoing, accepted, scene.incoming()]
  }

  @Test("CON-081 CON-082 CON-083 CON-107 it reaches the client once, with its own context, on the thread that brings it")
  func delivery() {
    let scene = Scene()
    let vcs = calls(scene)
    scene.journal.clear()
    var threads: [UInt] = []
    scene.client.hooks["incomingCloseCall"] = { threads.append(UInt(bitPattern: pthread_self().hashValue)) }
    let done = DispatchSemaphore(value: 0)
    nonisolated(unsafe) let it = scene
    Thread {
      for vc in vcs { it.condis.dispatchIncomingCloseCall(.success, vc) }
      done.signal()
    }.start()
    done.wait()
    #expect(scene.journal.lines == ["0x7c", "0x100", "0x101"].map { "cl.incomingCloseCall NDIS_STATUS_SUCCESS \($0) 0x0+0" })
    #expect(Set(threads).count == 1 && threads.count == 3)
  }

  @Test("CON-084 CON-085 the status arrives as it is; PENDING as FAILURE")
  func statuses() {
    let scene = Scene()
    for status in [NDISStatus.success, .hardwareLineDown, .notAccepted, NDISStatus(rawValue: 12345), .pending] {
      scene.condis.dispatchIncomingCloseCall(status, scene.incoming())
      let arrived = status == .pending ? NDISStatus.failure : status
      #expect(scene.journal.lines.last?.hasPrefix("cl.incomingCloseCall \(arrived) ") == true)
    }
  }

  @Test("CON-086 CON-087 data arrives as pointer and size, or as neither")
  func data() {
    let scene = Scene()
    let pointer = UnsafeMutableRawPointer(bitPattern: 0xDA7A)
    for (given, size, arrived) in [(pointer, UInt32(9), "0xda7a+9"), (pointer, 0, "0x0+0"), (nil, 9, "0x0+0")] {
      scene.condis.dispatchIncomingCloseCall(.success, scene.incoming(), CloseData(given, size))
      #expect(scene.journal.lines.last?.hasSuffix(arrived) == true)
    }
  }

  @Test("CON-088 CON-089 CON-091 it comes once per call, and never where there is none")
  func onlyOnce() {
    let scene = Scene(standAlone: true)
    let vc = scene.incoming()
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    #expect(scene.journal.count("cl.incomingCloseCall") == 1)
    scene.journal.clear()
    scene.condis.dispatchIncomingCloseCall(.success, scene.clientVC())
    let making = scene.clientVC()
    scene.manager.answers["makeCall"] = .pending
    _ = scene.condis.makeCall(making, Scene.parameters)
    scene.condis.dispatchIncomingCloseCall(.success, making)
    var signalling = Handle(rawValue: 0)
    _ = scene.condis.createVC(binding: scene.managerBinding, family: nil, context: .none) { signalling = $0! }
    scene.condis.dispatchIncomingCloseCall(.success, signalling)
    let deleted = scene.clientVC()
    _ = scene.condis.deleteVC(deleted)
    scene.condis.dispatchIncomingCloseCall(.success, deleted)
    scene.condis.dispatchIncomingCloseCall(.success, Handle(rawValue: 0))
    let rejected = scene.managerVC()
    scene.client.answers["incomingCall"] = .failure
    _ = scene.condis.dispatchIncomingCall(scene.sap, rejected, Scene.parameters)
    scene.condis.dispatchIncomingCloseCall(.success, rejected)
    #expect(scene.journal.count("cl.incomingCloseCall") == 0)
  }

  @Test("CON-090 T9 crossing with the client's own close it is dropped, and the close completes once")
  func crossing() {
    let scene = Scene()
    let vc = scene.incoming()
    scene.manager.answers["closeCall"] = .pending
    #expect(scene.condis.closeCall(vc) == .pending)
    let before = scene.condis.diagnostics.count
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    #expect(scene.condis.diagnostics.count == before, "silently")
    scene.condis.closeCallComplete(.success, vc)
    #expect(scene.journal.count("cl.incomingCloseCall") == 0 && scene.journal.count("cl.closeCallComplete") == 1)
    #expect(state(scene, vc) == .idle)
  }

  @Test(
    "CON-092 CON-093 CON-094 the client acknowledges inside or later; until then the call manager can't delete",
    arguments: [true, false])
  func acknowledging(inside: Bool) {
    let scene = Scene()
    let vc = scene.incoming()
    if inside { scene.client.hooks["incomingCloseCall"] = { #expect(scene.condis.closeCall(vc) == .success) } }
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    #expect(scene.journal.count("cm.closeCall") == (inside ? 1 : 0))
    if !inside {
      _ = scene.deactivate(vc)
      #expect(scene.deleteByManager(vc) == .notAccepted)
      let done = DispatchSemaphore(value: 0)
      nonisolated(unsafe) let it = scene
      Thread {
        #expect(it.condis.closeCall(vc) == .success)
        done.signal()
      }.start()
      done.wait()
    } else {
      _ = scene.deactivate(vc)
    }
    #expect(scene.deleteByManager(vc) == .success)
    #expect(scene.journal.lines.last == "cl.deleteVC 0x100")
  }

  @Test("CON-096 CON-097 from then on only what takes the call down is possible")
  func afterIndication() {
    let scene = Scene()
    let vc = scene.incoming()
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    scene.journal.clear()
    #expect(scene.condis.modifyCallQoS(vc, Scene.parameters) == .closing)
    #expect(scene.condis.addParty(vc, context: .none, Scene.parameters) { _ in } == .closing)
    #expect(scene.activate(vc) == .closing)
    scene.condis.dispatchCallConnected(vc)
    scene.condis.dispatchIncomingCallQoSChange(vc, Scene.parameters)
    #expect(scene.journal.lines.isEmpty)
    #expect(scene.deactivate(vc) == .success)
  }

  @Test("CON-098 T5 an acceptance that can't be supported: the callbacks, in their nesting")
  func unsupportableAcceptance() {
    let scene = Scene()
    let vc = scene.managerVC()
    _ = scene.activate(vc)
    scene.client.answers["incomingCall"] = .pending
    _ = scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters)
    scene.journal.clear()
    scene.manager.hooks["incomingCallComplete"] = {
      scene.condis.dispatchIncomingCloseCall(.incompatibleQoS, vc)
      scene.journal.note("}")
    }
    scene.client.hooks["incomingCloseCall"] = {
      #expect(scene.condis.closeCall(vc) == .success)
      scene.journal.note("}")
    }
    scene.manager.hooks["closeCall"] = { #expect(scene.deactivate(vc) == .success) }
    scene.condis.incomingCallComplete(.success, vc, Scene.parameters)
    #expect(scene.deleteByManager(vc) == .success)
    #expect(
      scene.journal.lines == [
        "cm.incomingCallComplete NDIS_STATUS_SUCCESS 0x7c 0xca11",
        "cl.incomingCloseCall NDIS_STATUS_INCOMPATABLE_QOS 0x100 0x0+0",
        "cm.closeCall 0x7c 0x0 0x0+0", "}", "}", "cl.deleteVC 0x100",
      ])
  }

  private func unanswered() -> (Scene, Handle) {
    let scene = Scene()
    let vc = scene.managerVC()
    scene.client.answers["incomingCall"] = .pending
    _ = scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters)
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    #expect(scene.journal.count("cl.incomingCloseCall") == 1)
    return (scene, vc)
  }

  @Test("CON-099 an unanswered offer may be refused then: one answer, no close")
  func refuseIndicated() {
    let (scene, vc) = unanswered()
    scene.condis.incomingCallComplete(.networkUnreachable, vc, Scene.parameters)
    #expect(scene.journal.lines.last == "cm.incomingCallComplete NDIS_STATUS_NETWORK_UNREACHABLE 0x7c 0xca11")
    #expect(scene.journal.count("cm.closeCall") == 0 && state(scene, vc) == .idle)
  }

  @Test("CON-100 or closed: one close, no answer, also when one follows")
  func closeIndicated() {
    let (scene, vc) = unanswered()
    scene.manager.answers["closeCall"] = .pending
    #expect(scene.condis.closeCall(vc) == .pending)
    scene.condis.incomingCallComplete(.success, vc, Scene.parameters)
    scene.condis.closeCallComplete(.success, vc)
    #expect(scene.journal.count("cm.closeCall") == 1 && scene.journal.count("cm.incomingCallComplete") == 0)
    #expect(state(scene, vc) == .idle)
  }

  @Test("CON-101 or accepted, crossing: the call manager hears of it, and the client still owes the close")
  func acceptIndicated() {
    let (scene, vc) = unanswered()
    scene.condis.incomingCallComplete(.success, vc, Scene.parameters)
    #expect(scene.journal.count("cm.incomingCallComplete") == 1 && state(scene, vc) == .closeIndicated(.accepted))
    scene.condis.dispatchCallConnected(vc)
    #expect(scene.journal.count("cl.callConnected") == 0 && scene.deleteByManager(vc) == .notAccepted)
    #expect(scene.condis.closeCall(vc) == .success && scene.deleteByManager(vc) == .success)
  }

  @Test(
    "CON-102 while the offer is being looked at it waits, with a copy of its data; a rejection drops it",
    arguments: [NDISStatus.success, .pending, .failure])
  func deferredBehindOffer(answer: NDISStatus) {
    let scene = Scene()
    let vc = scene.managerVC()
    scene.client.answers["incomingCall"] = answer
    nonisolated(unsafe) let it = scene
    scene.client.hooks["incomingCall"] = {
      let done = DispatchSemaphore(value: 0)
      Thread {
        var bytes: [UInt8] = [7, 8, 9]
        bytes.withUnsafeMutableBytes { it.condis.dispatchIncomingCloseCall(.mediaDisconnect, vc, CloseData($0.baseAddress, 3)) }
        done.signal()
      }.start()
      done.wait()
      #expect(it.journal.count("cl.incomingCloseCall") == 0)
    }
    let result = scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters)
    #expect(result == answer)
    #expect(scene.journal.count("cl.incomingCloseCall") == (answer == .failure ? 0 : 1))
    if answer != .failure { #expect(scene.journal.lines.last?.hasSuffix("+3") == true) }
    #expect(state(scene, vc) == (answer == .failure ? .idle : .closeIndicated(answer == .success ? .accepted : .offered)))
  }

  @Test("a client that closes inside the offer makes the dispatch answer CLOSING")
  func closeInsideOffer() {
    let scene = Scene()
    let vc = scene.managerVC()
    scene.client.hooks["incomingCall"] = {
      scene.condis.dispatchIncomingCloseCall(.success, vc)
      #expect(scene.condis.closeCall(vc) == .success)
    }
    #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .closing)
    #expect(scene.journal.count("cl.incomingCloseCall") == 0, "the close overtook it")
    #expect(state(scene, vc) == .idle)
  }

  @Test("CON-103 connected never begins after a close did, on whatever threads they come")
  func connectedAndClose() {
    for round in 0..<500 {
      let scene = Scene()
      let vc = scene.managerVC()
      _ = scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters)
      nonisolated(unsafe) let it = scene
      DispatchQueue.concurrentPerform(iterations: 2) { thread in
        if (thread + round) % 2 == 0 {
          it.condis.dispatchCallConnected(vc)
        } else {
          it.condis.dispatchIncomingCloseCall(.success, vc)
        }
      }
      let names = scene.journal.names
      #expect(names.filter { $0 == "cl.incomingCloseCall" }.count == 1)
      if let connected = names.firstIndex(of: "cl.callConnected") {
        #expect(connected < names.firstIndex(of: "cl.incomingCloseCall")!)
      }
    }
  }

  @Test("CON-104 T6 a client's connection: deleted by the client, inside the completion of the close")
  func clientCreated() {
    let scene = Scene()
    let vc = scene.clientVC()
    let managerContext = scene.manager.lastContext
    scene.outgoing(vc)
    scene.journal.clear()
    scene.manager.answers["closeCall"] = .pending
    scene.client.hooks["incomingCloseCall"] = { #expect(scene.condis.closeCall(vc) == .pending) }
    scene.client.hooks["closeCallComplete"] = { #expect(scene.condis.deleteVC(vc) == .success) }
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    _ = scene.deactivate(vc)
    scene.condis.closeCallComplete(.success, vc)
    #expect(scene.journal.names == ["cl.incomingCloseCall", "cm.closeCall", "cl.closeCallComplete", "cm.deleteVC"])
    #expect(scene.journal.lines.last == "cm.deleteVC \(managerContext)")
  }

  @Test("CON-105 T7 a call manager's connection: deleted by the call manager after the close")
  func managerCreated() {
    let scene = Scene()
    let vc = scene.incoming()
    scene.journal.clear()
    scene.manager.answers["closeCall"] = .pending
    scene.client.hooks["incomingCloseCall"] = { #expect(scene.condis.closeCall(vc) == .pending) }
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    _ = scene.deactivate(vc)
    scene.condis.closeCallComplete(.success, vc)
    #expect(scene.deleteByManager(vc) == .success)
    #expect(scene.journal.names == ["cl.incomingCloseCall", "cm.closeCall", "cl.closeCallComplete", "cl.deleteVC"])
  }

  @Test("CON-106 T8 a link goes down under three calls: each ends in its way, none stays up")
  func linkDown() {
    let scene = Scene()
    let making = scene.clientVC()
    let outgoing = scene.clientVC()
    scene.outgoing(outgoing)
    let incoming = scene.incoming()
    scene.manager.answers["makeCall"] = .pending
    _ = scene.condis.makeCall(making, Scene.parameters)
    scene.journal.clear()
    scene.condis.makeCallComplete(.hardwareLineDown, making, Scene.parameters)
    for vc in [outgoing, incoming] { scene.condis.dispatchIncomingCloseCall(.hardwareLineDown, vc) }
    #expect(scene.journal.count("cl.incomingCloseCall") == 2)
    #expect(scene.journal.lines.allSatisfy { $0.contains("NDIS_STATUS_HARDWARE_LINE_DOWN") })
    #expect(scene.condis.calls.allSatisfy { $0.state != .upOut && $0.state != .upIn })
    for vc in [outgoing, incoming] {
      #expect(scene.condis.closeCall(vc) == .success)
      _ = scene.deactivate(vc)
    }
    #expect(scene.condis.deleteVC(making) == .success && scene.condis.deleteVC(outgoing) == .success)
    #expect(scene.deleteByManager(incoming) == .success && scene.condis.calls.isEmpty)
  }

  @Test("T12 after a close without a deletion, the next call has the same contexts")
  func nextCall() {
    let scene = Scene()
    let vc = scene.incoming()
    scene.client.hooks["incomingCloseCall"] = { _ = scene.condis.closeCall(vc) }
    for _ in 0..<3 {
      scene.condis.dispatchIncomingCloseCall(.success, vc)
      _ = scene.deactivate(vc)
      #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .success)
      scene.condis.dispatchCallConnected(vc)
    }
    #expect(scene.journal.count("cl.incomingCloseCall") == 3)
  }
}
