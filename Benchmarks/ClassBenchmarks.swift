import CWinsock
import Foundation
import Glibc
import Hosting
import Providers
import QuerySets
import ServiceClasses
import Sessions

/// Classes by id: as a running host finds them, which keeps in memory what it was asked for, and as it finds one for the first time.
func classBenchmarks() {
  func schema(_ count: Int) -> (SchemaProvider, [GUID], String) {
    let directory = FileManager.default.temporaryDirectory.path + "/nsphost-bench-\(UUID().uuidString)"
    let schema = SchemaProvider(directory: directory)
    let ids = (0..<count).map { index in GUID("77d3fe10-4a6c-4f0e-9d0c-\(String(format: "%012x", index))")! }
    for (index, id) in ids.enumerated() {
      try? schema.install(
        ServiceClass(
          id: id, name: "class \(index)",
          entries: [
            .init(name: "TcpPort", nameSpace: .dns, dword: 7001), .init(name: "UdpPort", nameSpace: .dns, dword: 7001),
            .init(name: "Tag", nameSpace: .all, type: .binary, value: [1, 2, 3, 4]),
          ]))
    }
    return (schema, ids.shuffled(), directory)
  }
  let (few, some, firstDirectory) = schema(100)
  let (many, all, secondDirectory) = schema(10_000)
  defer { for directory in [firstDirectory, secondDirectory] { try? FileManager.default.removeItem(atPath: directory) } }

  var next = 0
  func found(_ schema: SchemaProvider, _ ids: [GUID]) -> () -> Void {
    {
      next += 1
      _ = schema.serviceClass(ids[next % ids.count])
    }
  }
  let (warm, floor) = medians(count: 20_000, found(many, all), found(few, some))
  report("class.lookup.10000", warm / 1000, "us", goal: 20)
  report("class.lookup.growth", warm / 1000, "us", floor: floor / 1000, goal: 2)

  /// Every id once, by a schema provider that has not been asked before.
  func cold(_ directory: String, _ ids: ArraySlice<GUID>) -> Double {
    let fresh = SchemaProvider(directory: directory)
    _ = fresh.serviceClass(ids.first!)
    let start = MonotonicTime.now
    for id in ids.dropFirst() { _ = fresh.serviceClass(id) }
    return Double(MonotonicTime.now.nanoseconds - start.nanoseconds) / Double(ids.count - 1)
  }
  var figures: [(Double, Double)] = []
  for _ in 0..<15 { figures.append((cold(secondDirectory, all.shuffled()[..<100]), cold(firstDirectory, some[...]))) }
  let first = figures.map(\.0).sorted()[7]
  report("class.lookup.first", first / 1000, "us", goal: 20)
  report("class.lookup.first.growth", first / 1000, "us", floor: figures.map(\.1).sorted()[7] / 1000, goal: 2)
}

/// A whole lookup at a version 1 provider with and without a class that the schema knows; and what the adapter puts between the engine
/// and the provider's own NSPLookupServiceNext.
func version1Benchmarks(_ directory: String) {
  let host = makeHost(directory)
  defer { host.stop() }
  let schema = SchemaProvider()
  host.keepClasses(in: schema)
  let id = GUID("77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a1")!
  try? schema.install(
    ServiceClass(
      id: id, name: "meter",
      entries: [
        .init(name: "TcpPort", nameSpace: .dns, dword: 7001),
        .init(name: "Tag", nameSpace: .all, type: .binary, value: [1, 2, 3]),
      ]))
  guard let provider = host.catalog.entries.first(where: { $0.manifest.displayName == "v1-directory" })?.provider,
    let hello = host.catalog.entries.first(where: { $0.manifest.displayName == "hello" })?.provider,
    let client = try? host.open(ClientIdentity(processID: 1, userID: 0, groupID: 0, command: "bench")).session
  else { return }
  let names = 100
  for index in 0..<names {
    _ = try? host.engine.setService(
      client, QuerySet(serviceInstanceName: "name \(index)", serviceClassID: id, nameSpace: .all, providerID: provider.id),
      operation: .register)
  }
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
  defer { buffer.deallocate() }
  func lookup(_ name: String, _ serviceClass: GUID?, _ provider: Provider) {
    let query = QuerySet(serviceInstanceName: name, serviceClassID: serviceClass, nameSpace: .all, providerID: provider.id)
    guard let lookup = try? host.engine.begin(client, query, flags: [.returnName, .returnAddress]) else { return }
    do { while true { try lookup.next(into: buffer) } } catch { lookup.end() }
  }
  let (with1, without1) = medians(count: 500, { lookup("name 1", id, provider) }, { lookup("name 1", nil, provider) })
  report("class.attached.version1", with1 / 1000, "us", floor: without1 / 1000, goal: 1.2)
  let (with2, without2) = medians(count: 10_000, { lookup("hello", id, hello) }, { lookup("hello", nil, hello) })
  report("class.attached.version2", with2 / 1000, "us", floor: without2 / 1000, goal: 1.2)

  // The provider's own routines, without a host.
  guard let file = dlopen(directory + "/v1-directory.so", RTLD_NOW), let symbol = dlsym(file, "NSPStartup") else { return }
  defer { dlclose(file) }
  var (table, own, handle) = (NSP_ROUTINE(), provider.id, UnsafeMutableRawPointer?.none)
  table.cbSize = UInt32(MemoryLayout<NSP_ROUTINE>.size)
  _ = unsafeBitCast(symbol, to: LPNSPSTARTUP.self)(&own, &table)
  let all: [UInt16] = [0x2A, 0]
  let bare = median(count: 50) {
    all.withUnsafeBufferPointer { name in
      var query = WSAQUERYSETW()
      query.dwSize = UInt32(MemoryLayout<WSAQUERYSETW>.size)
      query.lpszServiceInstanceName = UnsafeMutablePointer(mutating: name.baseAddress)
      _ = table.NSPLookupServiceBegin(&own, &query, nil, 0, &handle)
    }
    for _ in 0..<names {
      var length = UInt32(buffer.count)
      _ = table.NSPLookupServiceNext(handle, 0, &length, buffer.baseAddress!.assumingMemoryBound(to: WSAQUERYSETW.self))
    }
    _ = table.NSPLookupServiceEnd(handle)
  }
  let adapted = median(count: 50) {
    guard
      let lookup = try? host.engine.begin(
        client, QuerySet(serviceInstanceName: "*", nameSpace: .all, providerID: provider.id), flags: [.returnName])
    else { return }
    for _ in 0..<names { _ = try? lookup.next(into: buffer) }
    lookup.end()
  }
  report("version1.next", (adapted - bare) / Double(names) / 1000, "us", goal: 10)
}
