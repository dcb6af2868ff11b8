import CWinsock
import Foundation
import Glibc
import HostDaemon
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Rundown
import Sessions
import Testing
import Wire

@testable import Serving

/// The provider's side of the wire in this very process, and a host on a socket: both sides of it, under the same sanitizer.
@Suite(.serialized) struct AdvertisedProviderTests {
  private static let id = GUID("51e57a11-00ad-4000-8000-000000000001")!

  /// What the routines have seen.
  private struct Books: Sendable {
    var startups = 0
    var endings = 0
    var begins = 0
    var ends = 0
  }
  private static let books = Locked(Books())

  /// A provider whose connection the test can cut.
  private final class Offered: Advertisement, @unchecked Sendable {
    // Unchecked: `descriptor` is written before anything is served.
    let path: String
    var descriptor: Int32 = -1
    init(_ path: String) {
      self.path = path
      super.init(AdvertisedProviderTests.id, Self.table)
    }

    override func connect() -> (descriptor: Int32, failure: Int32) {
      guard descriptor < 0 else { return (-1, WSAENETDOWN) }
      descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
      let status = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
      var hello = HelloRequest(session: 77).frame()
      guard status == 0, FrameChannel.send(descriptor, &hello, silence: .max),
        case .frame(let header, _) = FrameChannel.receive(descriptor, readsAhead: false, silence: .max), header.status == 0
      else { return (-1, WSAENETDOWN) }
      return (descriptor, 0)
    }

    /// A handle is what is asked for, and how many records are left of it.
    private static var table: NSPV2_ROUTINE {
      var table = NSPV2_ROUTINE()
      table.cbSize = 72
      table.NSPv2Startup = { _, argument in
        books.withLock { $0.startups += 1 }
        argument?.pointee = UnsafeMutableRawPointer(bitPattern: 0x5e55)
        return 0
      }
      table.NSPv2Cleanup = { _, argument in
        #expect(argument == UnsafeMutableRawPointer(bitPattern: 0x5e55))
        books.withLock { $0.endings += 1 }
        return 0
      }
      table.NSPv2ClientSessionRundown = { _, _ in books.withLock { $0.endings += 1 } }
      table.NSPv2LookupServiceBegin = { _, set, _, _, handle in
        let name = String(decodingCString: set!.pointee.lpszServiceInstanceName, as: UTF16.self)
        guard let kind = ["now", "later", "never", "slow"].firstIndex(of: String(name.prefix { $0 != "-" })) else {
          return WSAHOST_NOT_FOUND
        }
        books.withLock { $0.begins += 1 }
        let state = UnsafeMutablePointer<(kind: Int, left: Int)>.allocate(capacity: 1)
        state.initialize(to: (kind, Int(name.split(separator: "-").last ?? "1") ?? 1))
        handle?.pointee = UnsafeMutableRawPointer(state)
        return 0
      }
      table.NSPv2LookupServiceNextEx = { call, handle, _, _, block in
        let state = handle!.assumingMemoryBound(to: (kind: Int, left: Int).self)
        let pending = Pending(call: call, block: block)
        guard state.pointee.left > 0 else {
          _ = PendingCalls.shared.complete(call, WSA_E_NO_MORE)
          return
        }
        state.pointee.left -= 1
        switch state.pointee.kind {
        case 0: pending.deliver()
        case 1: HostThreads.run { pending.deliver() }
        case 2: break
        default:
          usleep(1_500_000)
          pending.deliver()
        }
      }
      table.NSPv2LookupServiceEnd = { handle in
        books.withLock { $0.ends += 1 }
        handle?.deallocate()
        return 0
      }
      return table
    }

    private struct Pending: @unchecked Sendable {
      // Unchecked: the block is the call's.
      let call: HANDLE?
      let block: LPWSAQUERYSET2W?

      func deliver() {
        var name: [UInt16] = Array("found".utf16) + [0]
        name.withUnsafeMutableBufferPointer { name in
          block?.pointee = WSAQUERYSET2W()
          block?.pointee.dwSize = UInt32(MemoryLayout<WSAQUERYSET2W>.size)
          block?.pointee.lpszServiceInstanceName = name.baseAddress
          #expect(PendingCalls.shared.complete(call, 0) == 0)
          #expect(PendingCalls.shared.complete(call, 0) == WSA_INVALID_HANDLE)
        }
      }
    }
  }

  private func offered(
    _ deadline: Duration = .seconds(5), registrar: ModuleRegistrar = ModuleRegistrar()
  ) throws -> (ServedHost, Offered) {
    Self.books.withLock { $0 = Books() }
    let served = try ServedHost(registrar: registrar)
    var manifest = Manifest(id: Self.id, displayName: "offered", nameSpace: .dns)
    manifest.deadline = deadline
    try served.host.catalog.install(manifest)
    let offered = Offered(served.server.path)
    #expect(offered.advertise() == 0)
    return (served, offered)
  }

  private func finish(_ served: ServedHost, _ offered: Offered) throws {
    served.finish()
    offered.withdraw(isHostGone: true)
    let books = Self.books.withLock { $0 }
    #expect(books.startups == books.endings && books.begins == books.ends, "\(books)")
  }

  private func client(_ served: ServedHost, _ number: Int32) throws -> ClientSession {
    try served.host.open(ClientIdentity(processID: number, userID: geteuid(), groupID: 0, command: "test", processStart: 1))
      .session
  }

  private func count(_ lookup: Lookup) -> (Int, WinsockError) {
    var count = 0
    while true {
      do throws(LookupError) {
        let record = try lookup.next()
        #expect(record.serviceInstanceName == "found" && record.providerID == Self.id)
        count += 1
      } catch { return (count, error.winsockError) }
    }
  }

  @Test("lookups of eight clients, step by step and read ahead, answered at once and later")
  func lookups() throws {
    let (served, offered) = try offered()
    DispatchQueue.concurrentPerform(iterations: 8) { number in
      guard let client = try? client(served, Int32(1000 + number)) else {
        Issue.record("no session")
        return
      }
      for round in 0..<40 {
        for (name, records) in [("now-\(round % 5)", round % 5), ("later-3", 3), ("later-100", 100)]
        where round % 10 == 0 || records < 100 {
          do throws(WinsockError) {
            let query = QuerySet(serviceInstanceName: name, nameSpace: .dns, providerID: Self.id)
            let lookup = try served.host.engine.begin(client, query, flags: .returnAll, takesAll: round % 2 == 0)
            let (found, end) = count(lookup)
            #expect(found == records && end == (records > 0 ? .noMore : .serviceNotFound), "\(name): \(found), \(end)")
            lookup.end()
          } catch { Issue.record("\(name): \(error)") }
        }
        #expect(throws: WinsockError.serviceNotFound) {
          try served.host.engine.begin(
            client, QuerySet(serviceInstanceName: "unknown", nameSpace: .dns, providerID: Self.id), flags: .returnAll)
        }
      }
    }
    try finish(served, offered)
  }

  @Test(
    "NSP-054 NSP-055 the process goes while calls are owed: they are answered, the sessions are gone, and the id is free again")
  func death() throws {
    let (served, offered) = try offered()
    let client = try client(served, 2000)
    let ended = DispatchSemaphore(value: 0)
    for number in 0..<16 {
      let query = QuerySet(serviceInstanceName: number % 2 == 0 ? "never" : "slow", nameSpace: .dns, providerID: Self.id)
      let lookup = try served.host.engine.begin(client, query, flags: .returnAll)
      HostThreads.run {
        let (found, end) = count(lookup)
        #expect(found == 0 && end == .tryAgain)
        lookup.end()
        ended.signal()
      }
    }
    usleep(300_000)
    let start = ContinuousClock.now
    shutdown(offered.descriptor, Int32(SHUT_RDWR))
    for _ in 0..<16 { #expect(ended.wait(timeout: .now() + 10) == .success) }
    #expect(ContinuousClock.now - start < .seconds(5), "nobody waits for the deadline")
    try served.wait("it is not advertised any more") { served.host.catalog[Self.id]?.provider == nil }
    let again = Offered(served.server.path)
    #expect(again.advertise() == 0)
    let lookup = try served.host.engine.begin(
      client, QuerySet(serviceInstanceName: "now-2", nameSpace: .dns, providerID: Self.id), flags: .returnAll)
    #expect(count(lookup) == (2, .noMore))
    lookup.end()
    offered.withdraw(isHostGone: true)
    try finish(served, again)
  }

  @Test("a routine that outlasts its deadline: the client is answered, what comes late is taken back")
  func lateness() throws {
    let (served, offered) = try offered(.milliseconds(300))
    let client = try client(served, 3000)
    let query = QuerySet(serviceInstanceName: "slow", nameSpace: .dns, providerID: Self.id)
    let lookup = try served.host.engine.begin(client, query, flags: .returnAll)
    let start = ContinuousClock.now
    let (found, end) = count(lookup)
    #expect(found == 0 && end == .tryAgain && ContinuousClock.now - start < .seconds(1.4))
    lookup.end()
    usleep(1_500_000)
    let other = try served.host.engine.begin(
      client, QuerySet(serviceInstanceName: "now", nameSpace: .dns, providerID: Self.id), flags: .returnAll)
    #expect(count(other) == (1, .noMore))
    other.end()
    try finish(served, offered)
  }

  @Test("the process says that something has changed: those who wait for the name are told, others are not")
  func changes() throws {
    let (served, offered) = try offered()
    let client = try client(served, 4000)
    let told = Locked<[String]>([])
    var lookups: [Lookup] = []
    func wait(_ name: String) throws {
      let query = QuerySet(serviceInstanceName: name, nameSpace: .dns, providerID: Self.id)
      let lookup = try served.host.engine.begin(client, query, flags: .returnAll)
      lookups.append(lookup)
      guard case .pending(let notice) = try lookup.control(SIO_NSP_NOTIFY_CHANGE, waits: true) else {
        throw WinsockError.invalidArgument
      }
      #expect(!notice.isToldOfAll)
      notice.whenComplete { failure in told.withLock { $0.append(failure == nil ? name : "-") } }
    }
    try wait("now-1")
    try wait("now-2")
    offered.changed(Array("NOW-1".utf16))
    try served.wait("one is told") { told.withLock { $0 } == ["now-1"] }
    // A flood is a few changes for the host, and nothing is missed.
    for number in 0..<100_000 { offered.changed(Array("\(number)".utf16)) }
    offered.changed(Array("now-2".utf16))
    try served.wait("the other is told") { told.withLock { $0 } == ["now-1", "now-2"] }
    #expect(served.host.catalog[Self.id]?.provider?.changes.isComplete == false)
    offered.changed(nil)
    try served.wait("it promises") { served.host.catalog[Self.id]?.provider?.changes.isComplete == true }
    for lookup in lookups { lookup.end() }
    #expect(told.withLock { $0.count } == 2)
    // Somebody else has no say.
    let stranger = try RawClient(served)
    func say(_ id: GUID, _ kind: UInt32, _ units: UInt32) throws -> WinsockError {
      try stranger.ask(.changed) { frame in
        withUnsafeBytes(of: id) { frame.append($0) }
        for word in [kind, units] { frame.append(word) }
      }.status
    }
    #expect(try say(Self.id, 1, 0) == .invalidProvider)
    #expect(try say(GUID(), 1, 0) == .invalidProvider)
    #expect(try say(Self.id, 3, 0) == .invalidArgument)
    #expect(try say(Self.id, 0, 5) == .invalidArgument)
    try finish(served, offered)
  }

  @Test("a client module in C attaches to a provider in another process, and every entry of its table works")
  func foreignClient() throws {
    let (served, offered) = try offered(registrar: .shared)
    let library = try #require(dlopen("\(ServedHost.fixtures)/foreign/foreign.so", RTLD_NOW), "\(String(cString: dlerror()))")
    func function<Function>(_ name: String, as type: Function.Type) throws -> Function {
      unsafeBitCast(try #require(dlsym(library, name)), to: type)
    }
    let register = try function("foreign_register", as: (@convention(c) (UnsafePointer<GUID>) -> Int32).self)
    let call = try function("foreign_call", as: (@convention(c) (UnsafeMutablePointer<CChar>, Int) -> Void).self)
    let deregister = try function("foreign_deregister", as: (@convention(c) () -> Int32).self)
    var id = Self.id
    #expect(register(&id) == 1)
    var text = [CChar](repeating: 0, count: 256)
    call(&text, text.count)
    #expect(
      text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        == "7 entries of 72 bytes; startup 0, begin 0, record f, unknown \(WSAHOST_NOT_FOUND), end 0, set \(WSAEOPNOTSUPP), cleanup 0, startup 0"
    )
    #expect(deregister() == 1)
    dlclose(library)
    try finish(served, offered)
  }

  @Test("who is no worker has no say in the log, and nobody advertises what is not there or is somebody else's")
  func strangers() throws {
    let (served, offered) = try offered()
    let client = try RawClient(served)
    #expect(try client.ask(.log) { $0.append([UInt8](repeating: 0, count: 16)) }.status == .invalidArgument)
    #expect(try client.ask(.note) { $0.append([UInt8](repeating: 0, count: 16)) }.status == .invalidArgument)
    #expect(try client.ask(.complete).status == .invalidArgument)
    func advertise(_ id: GUID, _ entries: UInt32) throws -> WinsockError {
      try client.ask(.advertise) { frame in
        withUnsafeBytes(of: id) { frame.append($0) }
        for word in [entries, 1, 0, 0] { frame.append(word) }
      }.status
    }
    #expect(try advertise(Self.id, 0x7F) == .alreadyInProgress)
    #expect(try advertise(Self.id, 0x63) == .invalidArgument)
    #expect(try advertise(GUID(), 0x7F) == .invalidProvider)
    #expect(
      try client.ask(.unadvertise) { frame in
        withUnsafeBytes(of: Self.id) { frame.append($0) }
        frame.append(UInt64(0))
      }.status == .invalidProvider, "it is another process's")
    try finish(served, offered)
  }
}
