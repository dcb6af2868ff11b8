import CallManagement
import Glibc
import Providers
import Rundown
import Sessions
import Synchronization
import Wire

/// One client's end of a Unix socket: frames in, frames out, one call.
final class Connection: CallPeer, Polled, @unchecked Sendable {
  // Unchecked: `vc`, `place` and `processWatch` are written before anybody else has the connection.
  let descriptor: Int32
  let process: PeerProcess
  var vc = Handle(rawValue: 0)
  var place = Handle(rawValue: 0)
  private let server: HostServer
  private let state = Mutex<State>(State())

  private struct State {
    var inbound: [UInt8] = []
    var outbound: [UInt8] = []
    /// Nil until the client has said hello and was accepted.
    var session: ClientSession?
    var processWatch: UInt64?
    var requests = 0
    /// The client sends faster than it is served: it is read again when a request has been answered.
    var isPaused = false
    var isEnding = false
    var isGone = false
  }

  init(_ descriptor: Int32, _ process: PeerProcess, _ server: HostServer) {
    self.descriptor = descriptor
    self.process = process
    self.server = server
  }

  deinit { close(descriptor) }

  var session: ClientSession? { state.withLock { $0.session } }

  func watched(_ number: UInt64) { state.withLock { $0.processWatch = number } }

  // MARK: Reading

  func ready(_ poll: SocketPoll, _ events: UInt32) {
    if events & Readiness.write != 0 { flush() }
    var frames: [[UInt8]] = []
    let outcome = read(&frames)
    // Watched again before the requests are served: one that takes its time must not keep a cancellation from being read.
    if outcome == .goesOn { watch() }
    for (index, frame) in frames.enumerated() {
      if index == frames.count - 1 {
        serve(frame)
      } else {
        HostThreads.run { self.serve(frame) }
      }
    }
    switch outcome {
    case .goesOn: break
    case .over: end(.lost)
    case .nonsense: end(.protocolError)
    }
  }

  private enum Outcome {
    case goesOn
    case over
    case nonsense
  }

  private func read(_ frames: inout [[UInt8]]) -> Outcome {
    state.withLock { state in
      var outcome = Outcome.goesOn
      withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { chunk in
        let count = recv(descriptor, chunk.baseAddress, chunk.count, Int32(MSG_DONTWAIT))
        if count == 0 || count < 0 && errno != EAGAIN && errno != EINTR { outcome = .over }
        if count > 0 { state.inbound.append(contentsOf: UnsafeRawBufferPointer(rebasing: chunk[..<count])) }
      }
      var used = 0
      state.inbound.withUnsafeBytes { bytes in
        while let header = FrameHeader(UnsafeRawBufferPointer(rebasing: bytes[used...])) {
          guard header.isAcceptable(maximum: server.limits.maximumFrame) else {
            outcome = .nonsense
            return
          }
          let end = used + Int(header.length)
          guard end <= bytes.count else { return }
          frames.append(Array(bytes[used..<end]))
          used = end
        }
      }
      if used == state.inbound.count { state.inbound = [] } else { state.inbound.removeFirst(used) }
      state.requests += frames.count
      state.isPaused = state.requests >= server.limits.requestsPerClient
      return outcome
    }
  }

  /// Waits for what the client sends next, and for room where something waits to be sent.
  private func watch() {
    // Under the lock: of two that arm it, the one that knows more must be the later one.
    state.withLock { state in
      guard !state.isGone else { return }
      var events = state.isPaused || state.isEnding ? 0 : Readiness.read
      if !state.outbound.isEmpty { events |= Readiness.write }
      server.poll.watch(place, descriptor, events)
    }
  }

  private func serve(_ frame: [UInt8]) {
    var frame = frame
    if let answer = frame.withUnsafeMutableBytes({ server.requests.answer($0, for: self) }) { send(answer) }
    let resumes = state.withLock { state in
      state.requests -= 1
      guard state.isPaused, state.requests < server.limits.requestsPerClient else { return false }
      state.isPaused = false
      return true
    }
    if resumes { watch() }
  }

  // MARK: Writing

  func send(_ frame: [UInt8]) {
    enum Course {
      case done
      case waits
      case tooMuch
    }
    let course: Course = state.withLock { state in
      guard !state.isGone else { return .done }
      var sent = 0
      if state.outbound.isEmpty {
        sent = max(0, frame.withUnsafeBytes { Self.write(descriptor, $0) })
        if sent == frame.count { return .done }
      }
      guard state.outbound.count + frame.count - sent <= server.limits.bytesQueued else { return .tooMuch }
      state.outbound.append(contentsOf: frame[sent...])
      return .waits
    }
    switch course {
    case .done: break
    case .waits: watch()
    case .tooMuch: end(.overQuota)
    }
  }

  private func flush() {
    state.withLock { state in
      let sent = max(0, state.outbound.withUnsafeBytes { Self.write(descriptor, $0) })
      if sent == state.outbound.count { state.outbound = [] } else { state.outbound.removeFirst(sent) }
    }
  }

  private static func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
  }

  // MARK: The call

  /// The client has said hello: calls the host for it.
  func call() throws(NDISStatus) {
    let session = try server.transport.connect(self, process.identity)
    let isTooLate = state.withLock { state in
      state.session = session
      return state.isEnding
    }
    // Its socket was closed meanwhile.
    if isTooLate { server.transport.close(self, .lost) }
  }

  /// Ends the connection, and with it the call that it carries. Asked twice, the first reason counts.
  func end(_ reason: CloseReason) {
    let (isFirst, hasCall) = state.withLock { state in
      defer { state.isEnding = true }
      return (!state.isEnding, state.session != nil)
    }
    guard isFirst else { return }
    if hasCall { server.transport.close(self, reason) } else { leave() }
  }

  /// Every provider has been told.
  func callEnded(_ status: NDISStatus) {
    state.withLock { $0.isEnding = true }
    leave()
  }

  private func leave() {
    let watch: (isFirst: Bool, number: UInt64?) = state.withLock { state in
      defer { state.isGone = true }
      return (!state.isGone, state.processWatch.take())
    }
    guard watch.isFirst else { return }
    if let number = watch.number { server.processes.cancel(number) }
    server.poll.remove(place, descriptor)
    // The client sees the end now; the descriptor's number is free again when nobody has the connection any more.
    shutdown(descriptor, Int32(SHUT_RDWR))
    server.left(self)
  }
}
