import CWinsock
import Foundation
import HostDaemon
import NSPClient
import Providers
import QuerySets
import ServiceClasses
import Sessions
import Testing
import Wire

/// Service classes and changes, over the socket.
@Suite struct ClassRequestTests {
  private static let meter = ServiceClass(
    id: GUID("77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7a1")!, name: "Zähler",
    entries: [.init(name: "TcpPort", nameSpace: .dns, dword: 7)])

  private func served(_ plugins: String..., limits: HostLimits = HostLimits()) throws -> ServedHost {
    let served = try ServedHost(plugins, limits: limits)
    served.host.keepClasses(in: SchemaProvider())
    return served
  }

  private func append(_ value: ServiceClass, to frame: inout FrameWriter) {
    let start = frame.reserve(value.packedSize)
    frame.withBytes(from: start) { bytes in
      try? value.pack(into: bytes)
      SelfRelative.makeClassRelative(bytes)
    }
  }

  private func append(_ id: GUID, to frame: inout FrameWriter) { withUnsafeBytes(of: id) { frame.append($0) } }

  @Test("a class is installed, asked for, named and removed")
  func life() throws {
    let served = try served("version1")
    let client = try RawClient(served)
    #expect(try client.ask(.installClass) { append(Self.meter, to: &$0) }.status == .success)
    #expect(try client.ask(.installClass) { append(Self.meter, to: &$0) }.status == .alreadyInProgress)
    for provider in [SchemaProvider.id, try #require(served.host.catalog.entries.first).id] {
      let answer = try client.ask(.classInfo) { frame in
        append(provider, to: &frame)
        append(Self.meter.id, to: &frame)
      }
      var payload = answer.payload
      let read: ServiceClass? = payload.withUnsafeMutableBytes { bytes in
        guard SelfRelative.resolveClass(bytes) else { return nil }
        let info = UnsafeRawPointer(bytes.baseAddress!).assumingMemoryBound(to: WSASERVICECLASSINFOW.self)
        return try? ServiceClass(reading: info, in: .packed(UnsafeRawBufferPointer(bytes)))
      }
      #expect(read == Self.meter)
    }
    let name = try client.ask(.className) { append(Self.meter.id, to: &$0) }.payload
    #expect(name.count == 16 && name[0] == 6)
    #expect(try client.ask(.removeClass) { append(Self.meter.id, to: &$0) }.status == .success)
    #expect(try client.ask(.removeClass) { append(Self.meter.id, to: &$0) }.status == .typeNotFound)
    #expect(try client.ask(.className) { append(Self.meter.id, to: &$0) }.status == .typeNotFound)
    served.finish()
  }

  @Test("what can't be read is WSAEINVAL; an answer that does not fit into a frame WSAENOBUFS")
  func garbage() throws {
    var limits = HostLimits()
    limits.maximumFrame = 4096
    let served = try served("version1", limits: limits)
    let client = try RawClient(served)
    var generator = SystemRandomNumberGenerator()
    for kind in [RequestKind.installClass, .removeClass, .classInfo, .className, .ioctl] {
      #expect(try [.invalidArgument, .invalidHandle].contains(client.ask(kind).status))
      for _ in 0..<50 {
        let bytes = (0..<Int.random(in: 1...300)).map { _ in UInt8.random(in: 0...255, using: &generator) }
        #expect(try client.ask(kind) { $0.append(bytes) }.status != .success)
      }
    }
    let large = ServiceClass(
      id: Self.meter.id, name: "large",
      entries: [.init(name: "x", nameSpace: .all, type: .binary, value: Array(repeating: 7, count: 5000))])
    _ = try served.host.engine.classes.install(
      large, for: ClientIdentity(processID: 1, userID: 0, groupID: 0, command: "x"))
    let answer = try client.ask(.classInfo) { frame in
      append(SchemaProvider.id, to: &frame)
      append(large.id, to: &frame)
    }
    #expect(answer.status == .noBuffers)
    served.finish()
  }

  @Test("a request that waits is answered twice; others on the same connection are not held up")
  func waiting() throws {
    let served = try served("scripted-a")
    let client = try RawClient(served)
    let handle = try #require(try client.begin("records-1").handle)
    func control(_ frame: inout FrameWriter, _ waits: UInt32) {
      frame.append(handle)
      frame.append(SIO_NSP_NOTIFY_CHANGE)
      for word: UInt32 in [waits, 0, 0] { frame.append(word) }
    }
    #expect(try client.ask(.ioctl) { control(&$0, 0) }.status == .wouldBlock)
    let pending = try client.ask(.ioctl) { control(&$0, 1) }
    #expect(pending.status == .ioPending)
    #expect(try client.ask(.enumerate).status == .success)
    let registration = client.post(.setService) { frame in
      frame.append(UInt32(0))
      frame.append(UInt32(0))
      RawClient.append("x", to: &frame)
    }
    let answers = try [#require(client.receive()), #require(client.receive())]
    #expect(Set(answers.map(\.header.request)) == [pending.header.request, registration])
    #expect(answers.allSatisfy { $0.status == .success })
    let again = try client.ask(.next) { frame in
      frame.append(handle)
      frame.append(UInt32(0))
    }
    #expect(again.status == .success)
    let last = try client.ask(.ioctl) { control(&$0, 1) }
    client.post(.end) { $0.append(handle) }
    let ends = try [#require(client.receive()), #require(client.receive())]
    #expect(ends.first { $0.header.request == last.header.request }?.status == .operationAborted)
    served.finish()
  }

  @Test("what waits for a change counts as its user's memory until the lookup has ended")
  func counted() throws {
    var limits = HostLimits()
    (limits.unlimitedUsers, limits.bytesPerUser) = ([], 6000)
    let served = try served("scripted-a", limits: limits)
    let client = try RawClient(served)
    for round in 1...3 {
      let handle = try #require(try client.begin("records-1").handle, "round \(round)")
      var waiting = 0
      var refusal: MetLimit?
      while refusal == nil, waiting < 16 {
        let answer = try client.ask(.ioctl) { frame in
          frame.append(handle)
          frame.append(SIO_NSP_NOTIFY_CHANGE)
          for word: UInt32 in [1, 0, 0] { frame.append(word) }
        }
        if answer.status == .ioPending { waiting += 1 } else { refusal = answer.payload.withUnsafeBytes { MetLimit($0) } }
      }
      #expect((2...5).contains(waiting))
      #expect(refusal == MetLimit(.bytesPerUser, of: getuid(), maximum: 6000))
      client.post(.end) { $0.append(handle) }
      for _ in 0...waiting { _ = try #require(client.receive()) }
    }
    served.finish()
  }

  @Test("a client that is gone leaves nothing that waits")
  func gone() throws {
    let served = try served("scripted-a", "version1")
    for name in ["records-1", "records-2"] {
      let client = try RawClient(served)
      let provider = try #require(
        served.host.catalog.entries.first { $0.manifest.displayName == (name == "records-1" ? "scripted-a" : "version1") })
      let begun = try client.ask(.begin) { frame in
        frame.append(LookupFlags.returnAll.rawValue)
        frame.append(UInt32(0))
        let set = QuerySet(serviceInstanceName: name, nameSpace: .dns, providerID: provider.id)
        let start = frame.reserve((try? set.packedSize(as: .v1)) ?? 0)
        frame.withBytes(from: start) { bytes in
          try? set.pack(as: .v1, into: bytes)
          SelfRelative.makeRelative(bytes)
        }
      }
      let handle = try #require(begun.handle)
      let pending = try client.ask(.ioctl) { frame in
        frame.append(handle)
        frame.append(SIO_NSP_NOTIFY_CHANGE)
        for word: UInt32 in [1, 0, 0] { frame.append(word) }
      }
      #expect(pending.status == .ioPending)
    }
    try served.wait("the session ends") { served.host.sessions.sessions.isEmpty }
    served.finish()
  }

  @Test("changes are an asynchronous sequence: what there is, and again whenever it changes")
  func changes() async throws {
    let served = try served("version1", "version1-no-ioctl")
    let service = NameService(socket: served.server.path)
    for provider in served.host.catalog.entries where provider.provider != nil {
      let query = QuerySet(serviceInstanceName: "registered", nameSpace: .dns, providerID: provider.id)
      var iterator = service.changes(of: query).makeAsyncIterator()
      let first = try #require(try await iterator.next())
      #expect(first.isEmpty)
      async let second = iterator.next()
      try await service.setService(
        QuerySet(serviceInstanceName: "registered", nameSpace: .dns, providerID: provider.id), .register)
      #expect(try await second?.map(\.serviceInstanceName) == ["record-0"])
    }
    let query = QuerySet(serviceInstanceName: "records-1", nameSpace: .dns, providerID: served.host.catalog.entries[0].id)
    let (elements, arrived) = AsyncStream<Int>.makeStream()
    let task = Task { for try await records in service.changes(of: query) { arrived.yield(records.count) } }
    for await count in elements {
      #expect(count == 1)
      break
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    try served.wait("nothing is open") { served.host.sessions.sessions.allSatisfy { $0.resources.count == 0 } }
    served.finish()
  }
}
