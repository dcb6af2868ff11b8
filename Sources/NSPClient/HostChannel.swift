import Foundation
import Glibc
import QuerySets
import Synchronization
import Wire

/// One connection to the host that any number of tasks use at once: requests go out as they come, a thread hands each answer to the
/// task that waits for it.
final class HostChannel: Sendable {
  struct Answer: Sendable {
    var status: WinsockError
    var payload: [UInt8]
  }

  private struct State {
    var next: UInt32 = 1
    var waiting: [UInt32: CheckedContinuation<Answer, any Error>] = [:]
    var isOver = false
  }

  private let descriptor: Int32
  private let state = Mutex<State>(State())

  /// Connects and says hello. Throws `networkDown` where no host answers, and what the host refuses with.
  init(_ path: String) throws(WinsockError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { throw .networkDown }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    self.descriptor = descriptor
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
    var hello = FrameWriter(RequestKind.hello.rawValue, request: 0)
    hello.append(WireVersion.magic)
    hello.append(WireVersion.major)
    hello.append(WireVersion.minor)
    hello.append(WireVersion.defaultMaximumFrame)
    hello.append(UInt32(0))
    guard connected == 0, Self.send(descriptor, hello.finish()), let (_, answer) = Self.receive(descriptor) else {
      close(descriptor)
      throw .networkDown
    }
    guard answer.status == .success else {
      close(descriptor)
      throw answer.status
    }
    let reader = Thread { [weak self] in
      while let (number, answer) = Self.receive(descriptor) { self?.deliver(number, answer) }
      self?.fail()
      close(descriptor)
    }
    reader.name = "nsp-client"
    reader.start()
  }

  /// Says goodbye; the thread ends when the host has closed the connection.
  deinit {
    var goodbye = FrameWriter(RequestKind.goodbye.rawValue, request: 0)
    _ = Self.send(descriptor, goodbye.finish())
    shutdown(descriptor, Int32(SHUT_WR))
  }

  var isOver: Bool { state.withLock { $0.isOver } }

  /// Sends a request and waits for its answer. Throws `networkDown` when the host goes away meanwhile.
  func ask(_ kind: RequestKind, _ fill: (inout FrameWriter) -> Void) async throws -> Answer {
    let number = number()
    var frame = FrameWriter(kind.rawValue, request: number)
    fill(&frame)
    let bytes = frame.finish()
    return try await withCheckedThrowingContinuation { continuation in
      let isOver = state.withLock { state in
        if !state.isOver { state.waiting[number] = continuation }
        return state.isOver
      }
      if isOver { return continuation.resume(throwing: WinsockError.networkDown) }
      // One that could not be sent is answered when the reader finds the connection broken.
      if !Self.send(descriptor, bytes) { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
  }

  /// Sends a request whose answer nobody waits for.
  func post(_ kind: RequestKind, _ fill: (inout FrameWriter) -> Void) {
    var frame = FrameWriter(kind.rawValue, request: number())
    fill(&frame)
    _ = Self.send(descriptor, frame.finish())
  }

  private func number() -> UInt32 {
    state.withLock { state in
      defer { state.next = state.next == .max ? 1 : state.next + 1 }
      return state.next
    }
  }

  private func deliver(_ number: UInt32, _ answer: Answer) {
    state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: answer)
  }

  private func fail() {
    let waiting = state.withLock { state in
      state.isOver = true
      defer { state.waiting = [:] }
      return state.waiting
    }
    for continuation in waiting.values { continuation.resume(throwing: WinsockError.networkDown) }
  }

  private static let writers = Mutex<Void>(())

  /// Whole frames only: two senders never mix.
  private static func send(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
    writers.withLock { _ in
      var sent = 0
      while sent < bytes.count {
        let count = bytes.withUnsafeBytes {
          Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        sent += count
      }
      return true
    }
  }

  private static func receive(_ descriptor: Int32) -> (UInt32, Answer)? {
    guard let head = bytes(descriptor, FrameHeader.size), let header = head.withUnsafeBytes({ FrameHeader($0) }),
      header.isAcceptable(maximum: 1 << 26), let payload = bytes(descriptor, Int(header.length) - FrameHeader.size)
    else { return nil }
    return (header.request, Answer(status: WinsockError(rawValue: header.status), payload: payload))
  }

  private static func bytes(_ descriptor: Int32, _ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var have = 0
    while have < count {
      let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + have, count - have, 0) }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { return nil }
      have += got
    }
    return bytes
  }
}
