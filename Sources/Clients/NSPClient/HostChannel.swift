import Glibc
import QuerySets
import Rundown
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
    /// Requests that wait until others have been answered, the oldest first.
    var queued: [(number: UInt32, frame: [UInt8], continuation: CheckedContinuation<Answer, any Error>)] = []
    /// Frames that the host has sent, signs of life included.
    var heard = 0
    /// A task sees to it that the host does not keep silent.
    var isWatched = false
    var isOver = false
    /// Why it is over.
    var failure = WinsockError.networkDown
  }

  /// How many requests wait for the host at once. Half of what a host serves for a connection as a rule, so that it reads what cancels them, and what
  /// asks whether it lives.
  private static let mostRequests = 32

  private enum Pending {
    case open
    case awaited(CheckedContinuation<Answer, any Error>)
    case answered(Answer)
  }

  private let socket: HostSocket
  private let state = Locked<State>(State())

  private let silence: Duration

  /// Connects and says hello. Throws `networkDown` where no host answers, `timedOut` where one gives no sign of life, and what the host
  /// refuses with.
  /// - Parameter silence: How long a host may give no sign of life while it owes an answer.
  init(_ path: String?, silence: Duration) throws(WinsockError) {
    let answer: Answer
    do throws(HostSocket.Failure) {
      socket = try HostSocket(path, silence: silence)
      var hello = HelloRequest(session: 0).frame()
      guard socket.send(hello.finish()) else { throw .gone }
      answer = try socket.receive()
    } catch { throw error == .silent ? .timedOut : .networkDown }
    self.silence = silence
    guard answer.status == .success else { throw answer.status }
    let hasReader = OwnThread.start { [weak self, socket] in
      while let answer = try? socket.next() { self?.deliver(answer) }
      self?.fail()
    }
    guard hasReader else { throw .noBuffers }
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
      let (failure, isSent, startsWatch): (WinsockError?, Bool, Bool) = state.withLock { state in
        guard !state.isOver else { return (state.failure, false, false) }
        guard state.waiting.count < Self.mostRequests else {
          state.queued.append((number, bytes, continuation))
          return (nil, false, false)
        }
        state.waiting[number] = continuation
        defer { state.isWatched = true }
        return (nil, true, !state.isWatched)
      }
      if let failure { return continuation.resume(throwing: failure) }
      if startsWatch { watch() }
      if isSent { send(bytes) }
    }
  }

  /// A frame that could not be sent is answered when the reader finds the connection broken.
  private func send(_ bytes: [UInt8]) { if !socket.send(bytes) { socket.shut(SHUT_RDWR) } }

  // MARK: Signs of life

  /// While answers are owed: a host that says nothing for a quarter of the time that it has is asked whether it lives.
  private func watch() {
    Task.detached { [weak self, silence] in
      var (known, quiet) = (0, 0)
      while true {
        try? await Task.sleep(for: silence / 4)
        guard let self, self.isWatchOver(&known, &quiet) == false else { return }
      }
    }
  }

  private func isWatchOver(_ known: inout Int, _ quiet: inout Int) -> Bool {
    let isOver = state.withLock { state in
      if state.waiting.isEmpty { state.isWatched = false }
      guard !state.waiting.isEmpty, !state.isOver else { return true }
      // What was heard before the watch began counts as heard in it.
      quiet = state.heard == known ? quiet + 1 : 0
      known = state.heard
      if quiet == Self.mostQuiet { state.failure = .timedOut }
      return false
    }
    if isOver { return true }
    switch quiet {
    case 1: socket.askForLife()
    case Self.mostQuiet:
      socket.shut(SHUT_RDWR)
      return true
    default: break
    }
    return false
  }

  /// Quarters of the time without a word.
  private static let mostQuiet = 4

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
        guard !state.isOver else { return .failure(state.failure) }
        state.pending[request] = .awaited(continuation)
        return nil
      }
      if let result { continuation.resume(with: result) }
    }
  }

  private func deliver(_ answer: Answer) {
    var next: [UInt8]?
    let waiting: CheckedContinuation<Answer, any Error>? = state.withLock { state in
      state.heard += 1
      guard answer.kind != RequestKind.nothing.answer else { return nil }
      if let first = state.waiting.removeValue(forKey: answer.request) {
        // Of other requests it would be what a provider said.
        let isAnsweredTwice = [RequestKind.ioctl.answer, RequestKind.catalogChange.answer].contains(answer.kind)
        if isAnsweredTwice, answer.status == .ioPending { state.pending[answer.request] = .open }
        if !state.queued.isEmpty {
          let queued = state.queued.removeFirst()
          state.waiting[queued.number] = queued.continuation
          next = queued.frame
        }
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
    if let next { send(next) }
  }

  private func fail() {
    let (waiting, failure) = state.withLock { state in
      state.isOver = true
      defer { (state.waiting, state.pending, state.queued) = ([:], [:], []) }
      let seconds = state.pending.values.compactMap { if case .awaited(let second) = $0 { second } else { nil } }
      return (Array(state.waiting.values) + seconds + state.queued.map(\.continuation), state.failure)
    }
    for continuation in waiting { continuation.resume(throwing: failure) }
  }
}
