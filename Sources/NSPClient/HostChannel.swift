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
    /// Requests that are pending, and get a second answer.
    var pending: [UInt32: Pending] = [:]
    var isOver = false
  }

  private enum Pending {
    case open
    case awaited(CheckedContinuation<Answer, any Error>)
    case answered(Answer)
  }

  private let socket: HostSocket
  private let state = Mutex<State>(State())

  /// Connects and says hello. Throws `networkDown` where no host answers, and what the host refuses with.
  init(_ path: String?) throws(WinsockError) {
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

  /// What a request comes to whose first answer said that it is pending. To be asked for once.
  func secondAnswer(to request: UInt32) async throws -> Answer {
    try await withCheckedThrowingContinuation { continuation in
      let result: Result<Answer, any Error>? = state.withLock { state in
        if case .answered(let answer)? = state.pending[request] {
          state.pending[request] = nil
          return .success(answer)
        }
        guard !state.isOver else { return .failure(WinsockError.networkDown) }
        state.pending[request] = .awaited(continuation)
        return nil
      }
      if let result { continuation.resume(with: result) }
    }
  }

  private func deliver(_ answer: Answer) {
    let waiting: CheckedContinuation<Answer, any Error>? = state.withLock { state in
      if let first = state.waiting.removeValue(forKey: answer.request) {
        // Of other requests it would be what a provider said.
        if answer.kind == RequestKind.ioctl.answer, answer.status == .ioPending { state.pending[answer.request] = .open }
        return first
      }
      switch state.pending[answer.request] {
      case .open?: state.pending[answer.request] = .answered(answer)
      case .awaited(let second)?:
        state.pending[answer.request] = nil
        return second
      case .answered?, nil: break
      }
      return nil
    }
    waiting?.resume(returning: answer)
  }

  private func fail() {
    let waiting = state.withLock { state in
      state.isOver = true
      defer { (state.waiting, state.pending) = ([:], [:]) }
      let seconds = state.pending.values.compactMap { if case .awaited(let second) = $0 { second } else { nil } }
      return Array(state.waiting.values) + seconds
    }
    for continuation in waiting { continuation.resume(throwing: WinsockError.networkDown) }
  }
}
