import CWinsock
import Hosting
import ModuleRegistrar
import QuerySets
import Testing

@testable import Providers

/// Tables that are handed over (nsp.md §5.1, §5.8). The routines here are never called.
@Suite struct DirectRoutinesTests {
  private let begin: LPNSPV2LOOKUPSERVICEBEGIN = { _, _, _, _, _ in 0 }
  private let next: LPNSPV2LOOKUPSERVICENEXTEX = { call, _, _, _, _ in WSAProviderCompleteAsyncCall(call, WSANO_DATA) }
  private let end: LPNSPV2LOOKUPSERVICEEND = { _ in 0 }

  private func table(size: UInt32 = 72) -> NSPV2_ROUTINE {
    var table = NSPV2_ROUTINE()
    table.cbSize = size
    table.dwMajorVersion = 65_535
    table.dwMinorVersion = 65_535
    table.NSPv2LookupServiceBegin = begin
    table.NSPv2LookupServiceNextEx = next
    table.NSPv2LookupServiceEnd = end
    return table
  }

  private func host() throws -> (ProviderHost, GUID) {
    let host = ProviderHost(registrar: ModuleRegistrar())
    let id = Manifest(fileName: "advertised-\(UInt64.random(in: 0...UInt64.max))").id
    try host.catalog.install(Manifest(id: id, displayName: "advertised", nameSpace: .dns))
    return (host, id)
  }

  @Test("NSP-011 NSP-012 a table needs Begin, NextEx and End, and nothing else", arguments: [0, 1, 2, 3])
  func required(missing: Int) throws {
    let (host, id) = try host()
    var table = table()
    if missing == 1 { table.NSPv2LookupServiceBegin = nil }
    if missing == 2 { table.NSPv2LookupServiceNextEx = nil }
    if missing == 3 { table.NSPv2LookupServiceEnd = nil }
    if missing == 0 {
      try host.advertise(id, &table)
      try host.unadvertise(id)
    } else {
      #expect(throws: WinsockError.invalidArgument) { try host.advertise(id, &table) }
    }
  }

  @Test("NSP-013 NSP-014 NSP-015 cbSize 55 is too small; 56 to 80 are accepted, and nothing behind the table is used")
  func sizes() throws {
    let (host, id) = try host()
    var small = table(size: 55)
    #expect(throws: WinsockError.invalidArgument) { try host.advertise(id, &small) }
    for size: UInt32 in [56, 63, 64, 71, 72, 80] {
      var table = table(size: size)
      table.NSPv2SetServiceEx = unsafeBitCast(0x4141_4141_4141_4141, to: LPNSPV2SETSERVICEEX.self)
      table.NSPv2ClientSessionRundown = unsafeBitCast(0x4141_4141_4141_4141, to: LPNSPV2CLIENTSESSIONRUNDOWN.self)
      try host.advertise(id, &table)
      let routines = try #require(host.catalog[id]?.provider?.routines)
      #expect(routines.entry(.setServiceEx) == (size < 64 ? .stub : .direct))
      #expect(routines.entry(.clientSessionRundown) == (size < 72 ? .stub : .direct))
      try host.unadvertise(id)
    }
  }

  @Test("NSP-016 NSP-017 the table is copied, and its version shown as it is")
  func copied() throws {
    let (host, id) = try host()
    var given = table()
    try host.advertise(id, &given)
    given = NSPV2_ROUTINE()
    let client = try host.open(.init(processID: 1, userID: 0, groupID: 0, command: "test")).session
    let lookup = try host.engine.begin(client, QuerySet(serviceInstanceName: "x", nameSpace: .dns), flags: .returnAll)
    #expect(throws: LookupError.failed(.noData)) { try lookup.next() }
    #expect(host.catalog[id]?.provider?.routines.majorVersion == 65_535)
    host.stop()
  }

  @Test("NSP-093 NSP-094 NSP-095 NSP-102 advertising and taking back answer misuse with the documented codes")
  func misuse() throws {
    let (host, id) = try host()
    var given = table()
    var unknown = GUID.zero
    #expect(WSAAdvertiseProvider(nil, &given) == SOCKET_ERROR && WSAGetLastError() == WSAEINVAL)
    #expect(WSAAdvertiseProvider(&unknown, nil) == SOCKET_ERROR && WSAGetLastError() == WSAEINVAL)
    #expect(WSAAdvertiseProvider(&unknown, &given) == SOCKET_ERROR && WSAGetLastError() == WSAEINVALIDPROVIDER)
    var known = id
    #expect(WSAAdvertiseProvider(&known, &given) == 0)
    #expect(WSAAdvertiseProvider(&known, &given) == SOCKET_ERROR && WSAGetLastError() == WSAEALREADY)
    #expect(WSAUnadvertiseProvider(nil) == SOCKET_ERROR && WSAGetLastError() == WSAEINVAL)
    #expect(WSAUnadvertiseProvider(&known) == 0)
    #expect(WSAUnadvertiseProvider(&known) == SOCKET_ERROR && WSAGetLastError() == WSAEINVALIDPROVIDER)
    host.stop()
  }
}
