import CWinsock
import Dispatch
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Rundown
import Sessions
import Testing

@Suite(.serialized) struct AdvertisingTests {
  @Test("a file may advertise its provider from a constructor, with a table on its stack")
  func constructor() throws {
    let scripted = try ScriptedHost("advertiser")
    #expect(try scripted.lookup(try scripted.open(), "x").end == .noData)
    scripted.finish()
  }

  private static let recursing = Locked<(host: ProviderHost, client: ClientSession, id: GUID)?>(nil)
  private static let innermost = Locked<(depth: Int, error: WinsockError?)>((0, nil))

  @Test("NSP-236 NSP-237 a provider whose Begin looks itself up does not deadlock, and gets WSANO_RECOVERY at depth 16")
  func recursion() throws {
    let host = ProviderHost(registrar: ModuleRegistrar())
    let id = Manifest(fileName: "recursing.so").id
    try host.catalog.install(Manifest(id: id, displayName: "recursing", nameSpace: .dns))
    var table = NSPV2_ROUTINE()
    table.cbSize = 72
    table.NSPv2LookupServiceBegin = { _, _, _, _, _ in
      guard let (host, client, id) = AdvertisingTests.recursing.withLock({ $0 }) else { return WSAEINVAL }
      AdvertisingTests.innermost.withLock { $0.depth += 1 }
      do throws(WinsockError) {
        try host.engine.begin(client, QuerySet(serviceInstanceName: "x", providerID: id), flags: []).end()
        return 0
      } catch {
        AdvertisingTests.innermost.withLock { if $0.error == nil { $0.error = error } }
        return error.rawValue
      }
    }
    table.NSPv2LookupServiceNextEx = { call, _, _, _, _ in WSAProviderCompleteAsyncCall(call, WSA_E_NO_MORE) }
    table.NSPv2LookupServiceEnd = { _ in 0 }
    try host.advertise(id, &table)
    let client = try host.open(ClientIdentity(processID: 1, userID: 0, groupID: 0, command: "test")).session
    Self.recursing.withLock { $0 = (host, client, id) }
    #expect(throws: WinsockError.noRecovery) {
      _ = try host.engine.begin(client, QuerySet(serviceInstanceName: "x", providerID: id), flags: [])
    }
    #expect(Self.innermost.withLock { $0.depth } == 16)
    #expect(Self.innermost.withLock { $0.error } == .noRecovery)
    Self.recursing.withLock { $0 = nil }
    host.stop()
  }

  @Test(
    "threads that advertise and take back one id, and look it up meanwhile: nothing of it is left, and it can be advertised again"
  )
  func contention() throws {
    let host = ProviderHost(registrar: ModuleRegistrar())
    let id = Manifest(fileName: "contended.so").id
    try host.catalog.install(Manifest(id: id, displayName: "contended", nameSpace: .dns))
    @Sendable func advertise() throws {
      var table = NSPV2_ROUTINE()
      table.cbSize = 72
      table.NSPv2LookupServiceBegin = { _, _, _, _, _ in 0 }
      table.NSPv2LookupServiceNextEx = { call, _, _, _, _ in WSAProviderCompleteAsyncCall(call, WSA_E_NO_MORE) }
      table.NSPv2LookupServiceEnd = { _ in 0 }
      try host.advertise(id, &table)
    }
    DispatchQueue.concurrentPerform(iterations: 6) { number in
      let client = try? host.open(
        ClientIdentity(processID: Int32(number + 1), userID: 0, groupID: 0, command: "test", processStart: 1)
      ).session
      for _ in 0..<200 {
        switch number % 3 {
        case 0: try? advertise()
        case 1: try? host.unadvertise(id)
        default:
          guard let client else { return }
          let query = QuerySet(serviceInstanceName: "x", providerID: id)
          guard let lookup = try? host.engine.begin(client, query, flags: []) else { continue }
          _ = try? lookup.next()
          lookup.end()
        }
      }
    }
    try? host.unadvertise(id)
    #expect(host.catalog[id]?.provider == nil)
    try advertise()
    #expect(host.catalog[id]?.provider != nil)
    host.stop()
  }
}
