import CWinsock
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Sessions
import Testing

/// Queries that go from one provider to the next until somebody knows, as glibc's do.
@Suite struct ChainTests {
  private func ask(_ scripted: ScriptedHost, _ name: String) throws -> (records: [QuerySet], end: WinsockError) {
    var records: [QuerySet] = []
    let client = try scripted.open()
    do {
      let lookup = try scripted.host.engine.begin(
        client, QuerySet(serviceInstanceName: name), flags: .returnAll, takesAll: true, stopsAtFirst: true)
      defer { lookup.end() }
      do { while true { records.append(try lookup.next()) } } catch { return (records, error.winsockError) }
    } catch { return (records, error) }
  }

  @Test("the first that delivers supplies everything, and those behind it never hear of the query")
  func first() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b", "scripted-c")
    let (records, end) = try ask(scripted, "unless-scripted-b")
    #expect(records.count == 1 && end == .noMore)
    #expect(records.first?.providerID == (try scripted.id("scripted-b")))
    #expect(try scripted.count("scripted-a", .lookupServiceBegin) == 1 && scripted.count("scripted-a", .lookupServiceEnd) == 1)
    #expect(try scripted.count("scripted-c", .lookupServiceBegin) == 0)
    #expect(try ask(scripted, "records-3").records.count == 3)
    scripted.finish()
  }

  @Test("one whose Begin fails is passed over, as is one that fails later")
  func failing() throws {
    let scripted = try ScriptedHost("scripted-a", "scripted-b")
    #expect(try ask(scripted, "begin-fail-11004").end == .noData)
    #expect(try ask(scripted, "next-fail-10108").end == .serviceNotFound)
    #expect(try ask(scripted, "unless-nobody").end == .noData)
    scripted.finish()
  }

  @Test("whoever can't say now counts more than whoever knows of nothing, wherever it stands", arguments: [false, true])
  func gravity(_ isReversed: Bool) throws {
    let host = ProviderHost(registrar: ModuleRegistrar())
    var temporary = NSPV2_ROUTINE()
    temporary.cbSize = 72
    temporary.NSPv2LookupServiceBegin = { _, _, _, _, _ in 0 }
    temporary.NSPv2LookupServiceNextEx = { call, _, _, _, _ in WSAProviderCompleteAsyncCall(call, WSATRY_AGAIN) }
    temporary.NSPv2LookupServiceEnd = { _ in 0 }
    var definite = temporary
    definite.NSPv2LookupServiceNextEx = { call, _, _, _, _ in WSAProviderCompleteAsyncCall(call, WSASERVICE_NOT_FOUND) }
    for (name, table) in isReversed ? [("b", definite), ("a", temporary)] : [("a", temporary), ("b", definite)] {
      let id = Manifest(fileName: "\(name).so").id
      try host.catalog.install(Manifest(id: id, displayName: name, nameSpace: .dns))
      var table = table
      try host.advertise(id, &table)
    }
    let client = try host.open(ClientIdentity(processID: 1, userID: 0, groupID: 0, command: "test")).session
    let lookup = try host.engine.begin(client, QuerySet(serviceInstanceName: "x"), flags: .returnAll, stopsAtFirst: true)
    #expect(throws: LookupError.failed(.tryAgain)) { try lookup.next() }
    lookup.end()
    host.stop()
  }

  @Test("e-mail providers know no hosts; where there is nobody else there is nobody to ask")
  func mail() throws {
    let scripted = try ScriptedHost("mail-wildcard")
    #expect(try ask(scripted, "records-1").end == .systemNotReady)
    #expect(try scripted.count("mail-wildcard", .lookupServiceBegin) == 0)
    scripted.finish()
  }
}
