import CWinsock
import Glibc
import Hosting
import Providers
import QuerySets
import Sessions

/// A routine through the complete table against the bare pointer of `dlsym`, and a stub.
func callBenchmarks(_ directory: String) {
  let host = makeHost(directory)
  defer { host.stop() }
  guard let hello = host.catalog.entries.first(where: { $0.manifest.displayName == "hello" })?.provider,
    let routines = hello.routines as? DirectRoutines, let handle = dlopen(directory + "/hello.so", RTLD_NOW),
    let bare = dlsym(handle, "NSPv2LookupServiceEnd")
  else { return }
  defer { dlclose(handle) }
  typealias End = @convention(c) (UnsafeMutableRawPointer?) -> Int32
  let symbol = unsafeBitCast(bare, to: End.self)
  let entry = unsafeBitCast(routines.address(.lookupServiceEnd), to: End.self)
  let (direct, floor) = medians(count: 1_000_000, { _ = entry(nil) }, { _ = symbol(nil) })
  report("call.direct", direct, "ns", floor: floor, goal: 1.5)

  typealias Cleanup = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Int32
  let stub = unsafeBitCast(routines.address(.cleanup), to: Cleanup.self)
  report("call.stub", median(count: 200_000) { _ = stub(nil, nil) }, "ns", goal: 60)
}

/// Opening and ending a session at one provider, and the memory of one that is open.
func sessionBenchmarks(_ directory: String) {
  let host = makeHost(directory)
  defer { host.stop() }
  guard let hello = host.catalog.entries.first(where: { $0.manifest.displayName == "hello" })?.provider else { return }
  let identity = ClientIdentity(processID: 1, userID: 0, groupID: 0, command: "bench")
  let openAndClose = median(count: 10_000) {
    let client = host.sessions.open(identity)
    _ = client.use(hello)
    client.end(.abrupt)
  }
  report("session.open-close", openAndClose / 1000, "us", goal: 1)
  // The same as a client has it: a call through the loopback transport. The floor is the session alone.
  let call = median(count: 10_000) {
    guard let client = try? host.open(identity) else { return }
    _ = client.session.use(hello)
    client.hangUp(.lost)
  }
  report("session.call", call / 1000, "us", floor: openAndClose / 1000, goal: 5)

  let count = 100_000
  var clients: [ClientSession] = []
  clients.reserveCapacity(count)
  let before = residentBytes()
  for _ in 0..<count {
    let client = host.sessions.open(identity)
    _ = client.use(hello)
    clients.append(client)
  }
  report("session.memory", Double(residentBytes() - before) / Double(count), "bytes", goal: 1024)
  for client in clients { client.end(.graceful) }
}

/// One whole lookup: begin, a record, no more, end. The floor calls the provider's own routines with nothing in between.
func lookupBenchmark(_ directory: String) {
  let host = makeHost(directory)
  defer { host.stop() }
  guard let hello = host.catalog.entries.first(where: { $0.manifest.displayName == "hello" })?.provider else { return }
  guard let client = try? host.open(ClientIdentity(processID: 1, userID: 0, groupID: 0, command: "bench")).session else { return }
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
  defer { buffer.deallocate() }
  let query = QuerySet(serviceInstanceName: "hello", nameSpace: .dns, providerID: hello.id)
  let value = median(count: 20_000) {
    guard let lookup = try? host.engine.begin(client, query, flags: [.returnName, .returnAddress]) else { return }
    do {
      while true { try lookup.next(into: buffer) }
    } catch {
      lookup.end()
    }
  }
  report("lookup.engine", value / 1000, "us", goal: 2)
}
