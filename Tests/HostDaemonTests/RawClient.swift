import CallManagement
import Foundation
import Glibc
import HostDaemon
import Hosting
import ModuleRegistrar
import Providers
import QuerySets
import Sessions
import Synchronization
import Testing
import Wire

/// A host with fixture providers, on a socket of its own.
final class ServedHost: Sendable {
  let host: ProviderHost
  let server: HostServer
  let directory: String
  /// How often "sessions" was answered.
  let counter = AnswerCounter()

  /// Where `make fixtures` has put the providers of the tests.
  static let fixtures =
    ProcessInfo.processInfo.environment["NSPHOST_FIXTURES"]
    ?? URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    + "/build/fixtures"

  convenience init(
    _ plugins: String..., limits: HostLimits = HostLimits(), registrar: ModuleRegistrar = ModuleRegistrar(),
    admits: @escaping @Sendable (ClientIdentity) -> Bool = { _ in true }
  ) throws { try self.init(plugins, limits: limits, registrar: registrar, admits: admits) }

  init(
    _ plugins: [String], limits: HostLimits = HostLimits(), registrar: ModuleRegistrar = ModuleRegistrar(),
    admits: @escaping @Sendable (ClientIdentity) -> Bool = { _ in true }
  ) throws {
    host = ProviderHost(registrar: registrar, calls: CoNDIS(), admits: admits)
    directory = FileManager.default.temporaryDirectory.path + "/nsphost-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    for plugin in plugins {
      try FileManager.default.copyItem(atPath: "\(Self.fixtures)/\(plugin).so", toPath: "\(directory)/\(plugin).so")
    }
    host.load(from: [directory])
    server = try HostServer(host, path: directory + "/socket", limits: limits) { [counter] question in
      switch question.name {
      case "echo": ControlReply(body: question.body, isFailure: !question.isOperator)
      case "sessions":
        ControlReply(
          body: counter.next(), isFailure: false,
          watch: .init(essence: Array(question.client.resources.values.count.description.utf8), bells: [.sessions]))
      default: nil
      }
    }
  }

  /// Stops the host and checks that every startup was answered.
  func finish() {
    server.stop()
    host.stop()
    for (provider, figures) in host.ledger { #expect(figures.isBalanced && figures.live == 0, "\(provider): \(figures)") }
    #expect(host.calls.calls.isEmpty && server.connectionCount == 0)
    try? FileManager.default.removeItem(atPath: directory)
  }

  func wait(_ what: String, until condition: () throws -> Bool) throws {
    let end = ContinuousClock.now + .seconds(10)
    while try !condition() {
      guard ContinuousClock.now < end else {
        Issue.record("waited too long: \(what)")
        throw WinsockError.timedOut
      }
      usleep(1000)
    }
  }
}

final class AnswerCounter: Sendable {
  private let count = Atomic<Int>(0)

  var value: Int { count.load(ordering: .relaxed) }

  func next() -> [UInt8] { Array(count.add(1, ordering: .relaxed).newValue.description.utf8) }
}

/// A second server at the socket of one that was stopped.
struct HostAgain {
  let server: HostServer

  init(_ served: ServedHost) throws {
    server = try HostServer(served.host, path: served.server.path) { _ in nil }
  }
}

/// A client that speaks in frames, and may say anything.
final class RawClient {
  let descriptor: Int32
  private var number: UInt32 = 0

  struct Answer {
    var header: FrameHeader
    var payload: [UInt8]
    var status: WinsockError { WinsockError(rawValue: header.status) }
    var handle: UInt64? {
      payload.withUnsafeBytes { bytes in
        var fields = FieldReader(bytes)
        return fields.uint64()
      }
    }
  }

  init(_ served: ServedHost, hello: Bool = true) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: served.server.path.utf8) }
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
    try #require(status == 0)
    var patience = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    if hello { try #require(try self.hello().status == .success) }
  }

  deinit { close(descriptor) }

  func hello(magic: UInt32 = WireVersion.magic, major: UInt16 = WireVersion.major, session: UInt32 = 0) throws -> Answer {
    try ask(.hello) { Self.fillHello(&$0, magic, major, session) }
  }

  /// Whether the host says that there are too many, and closes the connection.
  func isTurnedAway() -> Bool {
    post(.hello) { Self.fillHello(&$0, WireVersion.magic, WireVersion.major) }
    return receive()?.status == .noBuffers && receive() == nil
  }

  private static func fillHello(_ frame: inout FrameWriter, _ magic: UInt32, _ major: UInt16, _ session: UInt32 = 0) {
    frame.append(magic)
    frame.append(major)
    frame.append(UInt16(0))
    frame.append(UInt32(1 << 20))
    frame.append(session)
  }

  func helloFrame() -> [UInt8] { frame(.hello) { Self.fillHello(&$0, WireVersion.magic, WireVersion.major) } }

  func frame(_ kind: RequestKind, _ fill: (inout FrameWriter) -> Void = { _ in }) -> [UInt8] {
    var frame = FrameWriter(kind.rawValue, request: 1)
    fill(&frame)
    return frame.finish()
  }

  func send(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

  @discardableResult
  func post(_ kind: RequestKind, _ fill: (inout FrameWriter) -> Void = { _ in }) -> UInt32 {
    number += 1
    var frame = FrameWriter(kind.rawValue, request: number)
    fill(&frame)
    send(frame.finish())
    return number
  }

  func ask(_ kind: RequestKind, _ fill: (inout FrameWriter) -> Void = { _ in }) throws -> Answer {
    let number = post(kind, fill)
    let answer = try #require(receive(), "the host has closed the connection")
    #expect(answer.header.request == number && answer.header.kind == kind.answer)
    return answer
  }

  /// Nil when the host has closed the connection.
  func receive() -> Answer? {
    guard let head = bytes(FrameHeader.size), let header = head.withUnsafeBytes({ FrameHeader($0) }),
      let payload = bytes(Int(header.length) - FrameHeader.size)
    else { return nil }
    return Answer(header: header, payload: payload)
  }

  private func bytes(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var have = 0
    while have < count {
      let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + have, count - have, 0) }
      guard got > 0 else { return nil }
      have += got
    }
    return bytes
  }

  // MARK: Requests

  static func append(_ name: String, to frame: inout FrameWriter) {
    let set = QuerySet(serviceInstanceName: name, nameSpace: .dns)
    guard let size = try? set.packedSize(as: .v1) else { return }
    let start = frame.reserve(size)
    frame.withBytes(from: start) { bytes in
      try? set.pack(as: .v1, into: bytes)
      SelfRelative.makeRelative(bytes)
    }
  }

  func begin(_ name: String) throws -> Answer {
    try ask(.begin) { frame in
      frame.append(LookupFlags.returnAll.rawValue)
      frame.append(UInt32(0))
      Self.append(name, to: &frame)
    }
  }

  func next(_ handle: UInt64) throws -> Answer {
    try ask(.next) { frame in
      frame.append(handle)
      frame.append(UInt32(0))
    }
  }

  func end(_ handle: UInt64) throws -> Answer { try ask(.end) { $0.append(handle) } }

  /// Records, and what ended them.
  func lookup(_ name: String, maximum: UInt32 = 0) throws -> (count: UInt32, status: WinsockError) {
    let answer = try ask(.lookup) { frame in
      frame.append(LookupFlags.returnAll.rawValue)
      frame.append(maximum)
      Self.append(name, to: &frame)
    }
    let count: UInt32? = answer.payload.withUnsafeBytes { bytes in
      var fields = FieldReader(bytes)
      return fields.uint32()
    }
    return (count ?? 0, answer.status)
  }
}
