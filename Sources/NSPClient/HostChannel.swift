import Foundation
import Glibc
import QuerySets
import Synchronization
import Wire

/// One connection to the host that any number of tasks use at once: requests go out as they come, a thread hands each answer to the
/// task that waits for it.
final class HostChannel: Sendable {
  typealias Answer = HostSocket.Answer

  private struct State {
    var next: UInt32 = 1
    var waiting: [UInt32: CheckedContinuation<Answer, any Error>] = [:]
    var isOver = false
  }

  private let socket: HostSocket
  private let state = Mutex<State>(State())

  /// Connects and says hello. Throws `networkDown` where no host answers, and what the host refuses with.
  init(_ path: String) throws(WinsockError) {
    guard let socket = HostSocket(path) else { throw .networkDown }
    self.socket = socket
    var hello = FrameWriter.hello()
    guard socket.send(hello.finish()), let answer = socket.receive() else { throw .networkDown }
    guard answer.status == .success else { throw answer.status }
    let reader = Thread { [weak self] in
      while let answer = socket.receive() { self?.deliver(answer) }
      self?.fail()
    }
    reader.name = "nsp-client"
    reader.start()
  }

  /// Says goodbye; the thread ends when the host has closed the connection.
  deinit {
    var goodbye = FrameWriter(RequestKind.goodbye.rawValue, request: 0)
    _ = socket.send(goodbye.finish())
    socket.shut(SHUT_WR)
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
      if !socket.send(bytes) { socket.shut(SHUT_RDWR) }
    }
  }

  /// Sends a request whose answer nobody waits for.
  func post(_ kind: RequestKind, _ fill: (inout FrameWriter) -> Void) {
    var frame = FrameWriter(kind.rawValue, request: number())
    fill(&frame)
    _ = socket.send(frame.finish())
  }

  private func number() -> UInt32 {
    state.withLock { state in
      defer { state.next = state.next == .max ? 1 : state.next + 1 }
      return state.next
    }
  }

  private func deliver(_ answer: Answer) {
    // Another one follows. Of other requests it would be what a provider said.
    if answer.kind == RequestKind.ioctl.answer, answer.status == .ioPending { return }
    state.withLock { $0.waiting.removeValue(forKey: answer.request) }?.resume(returning: answer)
  }

  private func fail() {
    let waiting = state.withLock { state in
      state.isOver = true
      defer { state.waiting = [:] }
      return state.waiting
    }
    for continuation in waiting.values { continuation.resume(throwing: WinsockError.networkDown) }
  }
}
