import CallManagement
import Rundown
import Testing

/// Multipoint calls (condis.md §12).
@Suite struct PartyTests {
  private func multipoint(_ count: Int) -> (scene: Scene, vc: Handle, parties: [Handle]) {
    let scene = Scene()
    let vc = scene.clientVC()
    var parties: [Handle] = []
    _ = scene.condis.makeCall(vc, Scene.parameters, party: Scene.context(0x901)) { if let handle = $0 { parties.append(handle) } }
    for number in 1..<max(count, 1) {
      _ = scene.condis.addParty(vc, context: Scene.context(0x901 + UInt(number)), Scene.parameters) { handle in
        if let handle { parties.append(handle) }
      }
    }
    scene.journal.clear()
    return (scene, vc, parties)
  }

  @Test("CON-109 CON-110 CON-111 a call closes with its last party, which can't be dropped")
  func lastParty() {
    let (scene, vc, parties) = multipoint(2)
    #expect(scene.condis.closeCall(vc, party: parties[0]) == .failure, "two are left")
    #expect(scene.condis.closeCall(vc) == .failure, "no party given")
    scene.manager.answers["dropParty"] = .pending
    #expect(scene.condis.dropParty(parties[1]) == .pending)
    #expect(scene.condis.dropParty(parties[1]) == .failure && scene.condis.dropParty(parties[0]) == .failure)
    #expect(scene.condis.closeCall(vc, party: parties[1]) == .failure)
    #expect(scene.condis.closeCall(vc, party: parties[0]) == .success)
    scene.condis.dropPartyComplete(.success, parties[1])
    #expect(scene.journal.lines.last == "cl.dropPartyComplete NDIS_STATUS_SUCCESS 0x902")
    #expect(scene.condis.dropParty(parties[0]) == .failure)
    let plain = scene.clientVC()
    scene.outgoing(plain)
    #expect(scene.condis.closeCall(plain, party: parties[0]) == .failure)
  }

  @Test("CON-112 parties are added to multipoint calls; both sides know the handle")
  func adding() {
    let (scene, vc, _) = multipoint(1)
    scene.manager.answers["addParty"] = .pending
    var added: Handle?
    #expect(scene.condis.addParty(vc, context: Scene.context(0x910), Scene.parameters) { added = $0 } == .pending)
    #expect(added == scene.manager.lastHandle)
    scene.condis.addPartyComplete(.success, added!, context: Scene.context(1), Scene.parameters)
    #expect(scene.journal.lines.last == "cl.addPartyComplete NDIS_STATUS_SUCCESS 0x910")
    let plain = scene.clientVC()
    scene.outgoing(plain)
    #expect(scene.condis.addParty(plain, context: .none, Scene.parameters) { _ in } == .notAccepted)
  }

  @Test("CON-113 T10 leaves go one by one, the last one with the call")
  func incomingDrops() {
    let (scene, vc, parties) = multipoint(3)
    for party in parties.prefix(2) {
      scene.client.hooks["incomingDropParty"] = { #expect(scene.condis.dropParty(party) == .success) }
      scene.condis.dispatchIncomingDropParty(.networkUnreachable, party, CloseData(UnsafeMutableRawPointer(bitPattern: 0xDD), 4))
    }
    #expect(
      scene.journal.lines.filter { $0.hasPrefix("cl.incomingDropParty") }
        == ["0x901", "0x902"].map { "cl.incomingDropParty NDIS_STATUS_NETWORK_UNREACHABLE \($0) 0xdd+4" })
    scene.client.hooks["incomingCloseCall"] = { #expect(scene.condis.closeCall(vc, party: parties[2]) == .success) }
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    #expect(scene.journal.count("cm.closeCall") == 1)
  }

  @Test("CON-114 the last close hands each side its own context of the party")
  func lastClose() {
    let (scene, vc, parties) = multipoint(1)
    let context = scene.manager.lastContext
    scene.manager.answers["closeCall"] = .pending
    _ = scene.condis.closeCall(vc, party: parties[0])
    #expect(scene.journal.lines.last?.contains(" \(context) ") == true)
    scene.condis.closeCallComplete(.success, vc, party: parties[0])
    #expect(scene.journal.lines.last == "cl.closeCallComplete NDIS_STATUS_SUCCESS 0x7c 0x901")
  }

  @Test("T11 with two parties left, the indicated close is acknowledged after one was dropped")
  func indicatedWithTwo() {
    let (scene, vc, parties) = multipoint(2)
    scene.client.hooks["incomingCloseCall"] = {
      #expect(scene.condis.closeCall(vc, party: parties[0]) == .failure)
      #expect(scene.condis.dropParty(parties[1]) == .success)
      #expect(scene.condis.closeCall(vc, party: parties[0]) == .success)
    }
    scene.condis.dispatchIncomingCloseCall(.success, vc)
    #expect(scene.condis.calls.first { $0.handle == vc }?.state == .idle)
  }
}
