import CallManagement
import Rundown
import Testing

/// Virtual connections (condis.md §7).
@Suite struct ConnectionTests {
  @Test("CON-033 CON-034 CON-035 CON-036 who is asked for a new connection, by who creates it")
  func creation() {
    let standAlone = Scene(standAlone: true)
    _ = standAlone.clientVC()
    #expect(standAlone.journal.names == ["mp.createVC", "cm.createVC"])
    standAlone.journal.clear()
    _ = standAlone.managerVC()
    #expect(standAlone.journal.names == ["mp.createVC", "cl.createVC"])
    standAlone.journal.clear()
    #expect(standAlone.condis.createVC(binding: standAlone.managerBinding, family: nil, context: .none) { _ in } == .success)
    #expect(standAlone.journal.names == ["mp.createVC"])
    #expect(standAlone.condis.createVC(binding: standAlone.clientBinding, family: nil, context: .none) { _ in } == .failure)
    let miniport = Scene()
    _ = miniport.clientVC()
    #expect(miniport.journal.names == ["cm.createVC"])
    miniport.journal.clear()
    _ = miniport.managerVC()
    #expect(miniport.journal.lines == ["cl.createVC 0xfa3"])
  }

  @Test(
    "CON-037 CON-038 a creation that the other side refuses, or would answer later, is undone",
    arguments: [NDISStatus.resources, .pending])
  func failedCreation(answer: NDISStatus) {
    let scene = Scene(standAlone: true)
    scene.manager.answers["createVC"] = answer
    var handle: Handle? = Handle(rawValue: 1)
    let status = scene.condis.createVC(binding: scene.clientBinding, family: scene.family, context: .none) { handle = $0 }
    #expect(status == (answer == .pending ? .failure : answer) && handle == nil)
    #expect(scene.journal.names == ["mp.createVC", "cm.createVC", "mp.deleteVC"])
    #expect(scene.condis.calls.isEmpty)
  }

  @Test(
    "CON-039 CON-040 CON-044 CON-046 the creator deletes; the other side is told once; the handle is dead",
    arguments: [true, false])
  func deletion(byClient: Bool) {
    let scene = Scene()
    let vc = byClient ? scene.clientVC() : scene.managerVC()
    let context = scene.manager.lastContext
    scene.journal.clear()
    #expect(
      (byClient ? scene.condis.deleteVC(byMiniportCallManager: vc) : scene.condis.deleteVC(vc)) == .failure, "not the creator")
    #expect((byClient ? scene.condis.deleteVC(vc) : scene.condis.deleteVC(byMiniportCallManager: vc)) == .success)
    #expect(scene.journal.lines == [byClient ? "cm.deleteVC \(context)" : "cl.deleteVC 0x100"])
    #expect(scene.condis.deleteVC(vc) == .failure && scene.condis.deleteVC(byMiniportCallManager: vc) == .failure)
    #expect(scene.condis.makeCall(vc, Scene.parameters) == .failure && scene.condis.closeCall(vc) == .failure)
    #expect(scene.activate(vc) == .failure && scene.deactivate(vc) == .failure)
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    scene.condis.dispatchCallConnected(vc)
    scene.condis.closeCallComplete(.success, vc)
    #expect(scene.journal.lines.count == 1)
  }

  @Test("CON-041 CON-042 CON-043 a connection that is active, in a call or being deactivated is not deleted")
  func busyDeletion() {
    let scene = Scene(standAlone: true)
    let vc = scene.managerVC()
    _ = scene.activate(vc)
    scene.journal.clear()
    #expect(scene.deleteByManager(vc) == .notAccepted)
    scene.miniport?.answers["deactivateVC"] = .pending
    #expect(scene.deactivate(vc) == .pending)
    #expect(scene.deleteByManager(vc) == .closing)
    scene.condis.deactivateVCComplete(.success, vc)
    #expect(scene.condis.dispatchIncomingCall(scene.sap, vc, Scene.parameters) == .success)
    #expect(scene.deleteByManager(vc) == .notAccepted)
    #expect(scene.journal.count("cl.deleteVC") == 0)
  }

  @Test("CON-045 the other side may keep a connection alive", arguments: [NDISStatus.notAccepted, .pending])
  func refusedDeletion(answer: NDISStatus) {
    let scene = Scene()
    let vc = scene.clientVC()
    scene.manager.answers["deleteVC"] = answer
    #expect(scene.condis.deleteVC(vc) == .notAccepted)
    #expect(scene.condis.makeCall(vc, Scene.parameters) == .success)
  }

  @Test("during the deletion callback the handle answers CLOSING")
  func useDuringDeletion() {
    let scene = Scene()
    let vc = scene.clientVC()
    var answers: [NDISStatus] = []
    scene.manager.hooks["deleteVC"] = {
      answers = [scene.condis.deleteVC(vc), scene.condis.makeCall(vc, Scene.parameters)]
    }
    #expect(scene.condis.deleteVC(vc) == .success)
    #expect(answers == [.closing, .closing])
  }

  @Test(
    "CON-047 CON-048 CON-049 CON-050 a miniport is activated as often as asked, deactivated once; a failed change keeps it active"
  )
  func activation() {
    let scene = Scene(standAlone: true)
    let vc = scene.managerVC()
    #expect(scene.deactivate(vc) == .notAccepted, "redundant")
    scene.miniport?.answers["activateVC"] = .pending
    scene.journal.clear()
    #expect(scene.activate(vc) == .pending)
    #expect(scene.activate(vc) == .notAccepted && scene.deactivate(vc) == .notAccepted)
    scene.condis.activateVCComplete(.success, vc, Scene.parameters)
    #expect(scene.journal.lines.last?.hasPrefix("cm.activateVCComplete NDIS_STATUS_SUCCESS") == true)
    #expect(scene.journal.lines.last?.hasSuffix("0xca11") == true)
    scene.condis.activateVCComplete(.success, vc, Scene.parameters)
    #expect(scene.journal.count("cm.activateVCComplete") == 1)
    scene.miniport?.answers["activateVC"] = .invalidData
    #expect(scene.activate(vc) == .invalidData)
    #expect(scene.condis.calls.first { $0.handle == vc }?.activation == .active)
    scene.miniport?.answers["activateVC"] = .success
    #expect(scene.activate(vc) == .success)
    #expect(scene.deactivate(vc) == .success && scene.deactivate(vc) == .notAccepted)
    #expect(scene.journal.count("mp.deactivateVC") == 1)
  }

  @Test("CON-051 a miniport call manager only tells; nobody calls it back")
  func miniportCallManager() {
    let scene = Scene()
    let vc = scene.managerVC()
    #expect(scene.deactivate(vc) == .notAccepted)
    #expect(scene.activate(vc) == .success && scene.activate(vc) == .success)
    scene.condis.activateVCComplete(.success, vc, Scene.parameters)
    #expect(scene.deactivate(vc) == .success)
    #expect(scene.journal.count("cm.activateVCComplete") + scene.journal.count("cm.deactivateVCComplete") == 0)
    let idle = scene.clientVC()
    #expect(scene.activate(idle) == .notAccepted, "a client's connection without a call")
  }
}
