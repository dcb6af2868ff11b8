import CLinux
import CallManagement
import Glibc
import Hosting
import Providers
import QuerySets
import Rundown
import Sessions
import Synchronization
import Wire

/// One client's end of a Unix socket: frames in, frames out, one call.
final class Connection: Polled, CallPeer, @unchecked Sendable {
  // Unchecked: `vc` and `place` are written before anybody else has the connection.
  let peer: PeerCredentials
  var vc = Handle(rawValue: 0)
  var place = Handle(rawValue: 0)
  /// Whether what is counted by user is counted for this one.
  let isLimited: Bool
  /// Whether this host has started the process to run a provider, and this is what they speak over: it may say what is about that and nothing
  /// else, whoever it was when it connected.
  let isWorker: Bool
  /// Which of those it is that have not said hello; 0 before it is one of them.
  let helloNumber = Atomic<UInt64>(0)
  private let server: HostServer
  private let state: Locked<State>

  private struct State {
    var machine: ConnectionMachine
    var inbound: [UInt8] = []
    /// Whole frames that nobody serves yet, the oldest first.
    var backlog: [[UInt8]] = []
    var outbound: [UInt8] = []
    /// Bytes of all three that count for the user.
    var counted = 0
    /// Nil until the machine has a client.
    var session: ClientSession?
    /// What it is waiting for.
    var resolving: [ObjectIdentifier: Lookup] = [:]
    /// Once it has a session of its own.
    var identity: ClientIdentity?
    var processWatch: ProcessWatch.Ticket?
    /// Requests for a sign of life that were read, by number.
    var lifeSigns: [UInt32] = []
    /// A worker's end was seen while its hello was being served, and something that it has said is behind that.
    var vanishesLater = false
    /// The client is told when the catalog changes.
    var waitsForChange = false
    /// The client is told whenever what it watches is another.
    var follower: ChangeFollower?
  }

  init(_ descriptor: Int32, _ peer: PeerCredentials, isWorker: Bool, _ server: HostServer) {
    self.peer = peer
    self.isWorker = isWorker
    self.server = server
    state = Locked(State(machine: ConnectionMachine(mostRequests: server.limits.requestsPerClient, isWorker: isWorker)))
    isLimited = !server.limits.unlimitedUsers.contains(peer.userID)
    super.init(descriptor, of: .init(user: peer.userID, process: peer.processID))
  }

  /// Code in a worker is nobody's word but its provider's.
  var isOperator: Bool {
    peer.identity.isOperator && !isWorker && !server.workers.isWorker(peer.processID)
  }

  /// Not for this host itself, nor for the providers that it runs in processes.
  var mayResolve: Bool {
    peer.processID != getpid() && !server.workers.isWorker(peer.processID)
  }

  /// That of the client's end.
  var networkNamespace: NetworkNamespace? { NetworkNamespace(of: descriptor) }

  /// Nothing that it says counts any more.
  var isOver: Bool { state.withLock { $0.machine.life != .open } }

  /// Whether a change of the catalog is to be told, once at a time.
  func beginsToWait() -> Bool {
    state.withLock { state in
      defer { state.waitsForChange = true }
      return !state.waitsForChange
    }
  }
  func hasWaited() { state.withLock { $0.waitsForChange = false } }

  /// Keeps one that tells the client of changes, until the connection ends. It counts as a request of the user's that waits.
  /// - Throws: `alreadyInProgress` where there is one already, `noBuffers` where the user has as many requests as a user may have.
  func follow(_ follower: () -> ChangeFollower) throws(WinsockError) {
    let failure: WinsockError? = state.withLock { state in
      guard state.follower == nil, state.machine.life != .gone else { return .alreadyInProgress }
      guard !isLimited || server.quotas.requests.take(peer.userID) else { return .noBuffers }
      state.follower = follower()
      return nil
    }
    if let failure { throw failure }
  }

  /// It is one of those without a hello no longer.
  func hasSaidHello() { server.hellos.remove(self) }

  /// Something has come from it that was not served yet.
  var hasUnserved: Bool {
    let isWaiting = state.withLock { !$0.backlog.isEmpty || $0.machine.isGreeting }
    var byte: UInt8 = 0
    return isWaiting || recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) == 1
  }

  var session: ClientSession? { state.withLock { $0.session } }

  /// Who it is; before its hello without what that costs to learn.
  var identity: ClientIdentity { state.withLock { $0.identity } ?? peer.identity }

  // MARK: Reading

  override func ready() {
    flush()
    var outcome = Outcome.more
    while outcome == .more {
      outcome = read()
      showLife()
    }
    if isWorker || server.isOpen { serveOne() }
    switch outcome {
    case .all, .more: break
    case .over: vanish()
    case .nonsense: end(.protocolError)
    case .tooMuch: end(.bytesPerUser)
    }
  }

  /// The process is gone. Of what it said before, a goodbye counts.
  func processEnded() {
    var outcome = Outcome.more
    while outcome == .more { outcome = read() }
    vanish()
  }

  /// Nothing more comes. A worker has said last why it ends: that is served first, behind a hello that is being served on another thread.
  private func vanish() {
    if isWorker {
      while state.withLock({ !$0.backlog.isEmpty && !$0.machine.isGreeting }) { serveOne() }
      let waits = state.withLock { state in
        state.vanishesLater = state.machine.isGreeting && !state.backlog.isEmpty
        return state.vanishesLater
      }
      if waits { return }
    }
    handle(.vanished)
  }

  /// Serves the oldest request that has come. What is behind it waits for another turn, on another thread where this one takes long.
  private func serveOne() {
    let (frame, isMore): ([UInt8]?, Bool) = state.withLock { state in
      guard let oldest = state.backlog.first, state.machine.begins(Self.kind(of: oldest)) else { return (nil, false) }
      state.backlog.removeFirst()
      return (oldest, !state.backlog.isEmpty && !state.machine.isGreeting)
    }
    guard let frame else { return }
    if isMore { server.poll.again(self) }
    let isHello = Self.kind(of: frame) == .hello
    serve(frame)
    guard isHello else { return }
    let (hasWaited, vanishes) = state.withLock { state in
      state.machine.greeted()
      return (!state.backlog.isEmpty, state.vanishesLater)
    }
    if vanishes { vanish() } else if hasWaited { server.poll.again(self) }
  }

  private enum Outcome {
    /// Everything that is there was read, or the client has to wait.
    case all
    case more
    case over
    case nonsense
    /// The user has more bytes waiting than it may.
    case tooMuch
  }

  private func read() -> Outcome {
    state.withLock { state in
      guard state.machine.isRead else { return .all }
      return withUnsafeTemporaryAllocation(byteCount: 1 << 14, alignment: 16) { chunk in
        let count = recv(descriptor, chunk.baseAddress, chunk.count, Int32(MSG_DONTWAIT))
        if count == 0 || count < 0 && errno != EAGAIN && errno != EINTR { return .over }
        guard count > 0 else { return errno == EINTR ? .more : .all }
        guard take(count, &state) else { return .tooMuch }
        let bytes = UnsafeRawBufferPointer(rebasing: chunk[..<count])
        let (used, isNonsense): (Int, Bool)
        if state.inbound.isEmpty {
          (used, isNonsense) = cut(bytes, &state)
          if used < count { state.inbound = Array(bytes[used...]) }
        } else {
          var inbound: [UInt8] = []
          swap(&inbound, &state.inbound)
          inbound.append(contentsOf: bytes)
          (used, isNonsense) = inbound.withUnsafeBytes { cut($0, &state) }
          inbound.removeFirst(used)
          state.inbound = inbound
        }
        if isNonsense { return .nonsense }
        // Less than there was room for is all that there was, but for the end.
        return (count < chunk.count && !hangsUp) || state.machine.isPaused ? .all : .more
      }
    }
  }

  private func showLife() {
    let numbers = state.withLock { state in
      defer { state.lifeSigns = [] }
      return state.lifeSigns
    }
    for number in numbers {
      var answer = FrameWriter(RequestKind.nothing.answer, request: number, reserving: FrameHeader.size)
      send(answer.finish())
    }
  }

  /// Takes the whole frames at the start of some bytes.
  private func cut(_ bytes: UnsafeRawBufferPointer, _ state: inout State) -> (used: Int, isNonsense: Bool) {
    var used = 0
    while let header = FrameHeader(UnsafeRawBufferPointer(rebasing: bytes[used...])) {
      guard header.isAcceptable(maximum: server.limits.maximumFrame) else { return (used, true) }
      let end = used + Int(header.length)
      guard end <= bytes.count else { break }
      switch state.machine.came(RequestKind(rawValue: header.kind)) {
      case .waits: state.backlog.append(Array(bytes[used..<end]))
      case .isAnsweredAtOnce:
        state.lifeSigns.append(header.request)
        giveBack(Int(header.length), &state)
      }
      used = end
    }
    return (used, false)
  }

  /// Nil for one that this host does not know.
  private static func kind(of frame: [UInt8]) -> RequestKind? {
    frame.withUnsafeBytes { FrameHeader($0) }.flatMap { RequestKind(rawValue: $0.kind) }
  }

  /// Takes the frame over: what is read of it is changed in place, and no copy is made.
  private func serve(_ frame: consuming [UInt8]) {
    let size = frame.count
    let answer = frame.withUnsafeMutableBytes { server.requests.answer($0, for: self) }
    let resumes = state.withLock { state in
      giveBack(size, &state)
      return state.machine.answered()
    }
    // What came while the client had to wait is not said again.
    if resumes { server.poll.again(self) }
    if let answer { send(answer) }
  }

  // MARK: Writing

  func send(_ frame: [UInt8]) {
    let met: HostLimit? = state.withLock { state in
      guard state.machine.life != .gone else { return nil }
      var sent = 0
      if state.outbound.isEmpty {
        sent = max(0, frame.withUnsafeBytes { Self.write(descriptor, $0) })
        if sent == frame.count { return nil }
      }
      let rest = frame.count - sent
      guard state.outbound.count + rest <= server.limits.bytesQueued else { return .bytesQueued }
      guard take(rest, &state) else { return .bytesPerUser }
      // The poll says when there is room again.
      if state.outbound.isEmpty { server.poll.watch(place, descriptor, forRoom: true) }
      state.outbound.append(contentsOf: frame[sent...])
      return nil
    }
    if let met { end(met) }
  }

  /// Sends the descriptor of a channel for calls; false where that can't be done at once, and where descriptors are short.
  func send(descriptor channel: Int32) -> Bool {
    if server.isLast(channel) { return false }
    var frame = FrameWriter(ProviderCall.channel.rawValue, request: 0)
    let bytes = frame.finish()
    return state.withLock { state in
      state.machine.life != .gone && state.outbound.isEmpty
        && nsp_send_descriptor(descriptor, bytes, UInt32(bytes.count), channel) == 0
    }
  }

  private func take(_ bytes: Int, _ state: inout State) -> Bool {
    guard isLimited else { return true }
    guard server.quotas.bytes.take(peer.userID, bytes) else { return false }
    state.counted += bytes
    return true
  }

  private func giveBack(_ bytes: Int, _ state: inout State) {
    guard isLimited else { return }
    // What a connection has left is given back with it.
    let counted = min(bytes, state.counted)
    state.counted -= counted
    server.quotas.bytes.giveBack(peer.userID, counted)
  }

  private func flush() {
    state.withLock { state in
      guard !state.outbound.isEmpty else { return }
      let sent = max(0, state.outbound.withUnsafeBytes { Self.write(descriptor, $0) })
      giveBack(sent, &state)
      state.outbound.removeFirst(sent)
      if state.outbound.isEmpty {
        state.outbound = []
        server.poll.watch(place, descriptor, forRoom: false)
      }
    }
  }

  private static func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
  }

  // MARK: The call

  /// Why a hello is refused.
  enum HelloFailure: Error {
    case refused(NDISStatus)
    case met(HostLimit)
  }

  /// The client has said hello: calls the host for it.
  /// - Parameter sessionNumber: Which of its process's sessions it is part of.
  func call(_ sessionNumber: UInt32) throws(HelloFailure) {
    var process: PeerProcess
    do throws(PeerProcess.Failure) { process = try PeerProcess(of: descriptor, peer) } catch {
      throw error == .gone ? .refused(.closing) : .met(.descriptors)
    }
    guard let kept = server.outOfReserve(process.descriptor, isLimited: isLimited) else {
      close(process.descriptor)
      throw .met(.descriptors)
    }
    process.descriptor = kept
    if process.descriptor >= 0 {
      // The socket may outlive the process, in a child of it.
      let ticket = server.processes.watch(process, whenGone: { [weak self] in self?.processEnded() })
      let isTooLate = state.withLock { state in
        let isGone = state.machine.life == .gone
        if !isGone { state.processWatch = ticket }
        return isGone
      }
      if isTooLate { server.processes.cancel(ticket) }
    }
    var identity = process.identity
    identity.sessionNumber = UInt64(sessionNumber)
    state.withLock { [identity] in $0.identity = identity }
    let session: ClientSession
    do throws(NDISStatus) { session = try server.transport.connect(self, identity) } catch { throw .refused(error) }
    let effects = state.withLock { state in
      state.session = session
      return state.machine.handle(.called)
    }
    let isAdmitted = server.quotas.enter(session)
    perform(effects)
    // Refused after it was accepted: whoever asked ends it.
    if !isAdmitted { throw .met(.sessionsPerUser) }
  }

  /// The client has said that it only resolves names: it has no call, and nobody needs to know when its process ends.
  func becomeResolver() { handle(.becameResolver) }

  var isResolver: Bool { state.withLock { $0.machine.role == .resolver } }

  /// The lookup ends with the connection.
  func resolves(_ lookup: Lookup) {
    let isTooLate = state.withLock { state in
      let isOpen = state.machine.life == .open
      if isOpen { state.resolving[ObjectIdentifier(lookup)] = lookup }
      return !isOpen
    }
    if isTooLate { lookup.end() }
  }
  func hasResolved(_ lookup: Lookup) { state.withLock { _ = $0.resolving.removeValue(forKey: ObjectIdentifier(lookup)) } }

  /// Ends the connection, because a limit was met.
  private func end(_ limit: HostLimit) {
    server.refusals.met(limit, by: peer.userID)
    end(.overQuota)
  }

  /// Ends the connection, and with it the call that it carries. Asked twice, the first reason counts. Calls out.
  func end(_ reason: CloseReason) { handle(.ended(reason)) }

  /// Every provider has been told.
  func callEnded(_ status: NDISStatus) { handle(.callEnded) }

  private func handle(_ event: ConnectionMachine.Event) { perform(state.withLock { $0.machine.handle(event) }) }

  private func perform(_ effects: [ConnectionMachine.Effect]) {
    for effect in effects {
      switch effect {
      case .drop: drop()
      case .closeCall(let reason): server.transport.close(self, reason)
      case .leave: handle(.left)
      case .leaveResolvers: server.resolvers.leave(peer)
      case .depart: depart()
      }
    }
  }

  private func drop() {
    // The follower goes without the lock.
    let (lookups, follower) = state.withLock { state in
      defer { (state.resolving, state.follower) = ([:], nil) }
      return (state.resolving, state.follower)
    }
    if follower != nil, isLimited { server.quotas.requests.giveBack(peer.userID) }
    for lookup in lookups.values { lookup.end() }
    // Before its session ends, which may wait for what this very process owes.
    server.advertisements.lost(self)
  }

  private func depart() {
    let ticket = state.withLock { state in
      giveBack(state.counted, &state)
      return state.processWatch.take()
    }
    if let ticket { server.processes.cancel(ticket) }
    server.poll.remove(place, descriptor)
    // The client sees the end now; the descriptor's number is free again when nobody has the connection any more.
    shutdown(descriptor, Int32(SHUT_RDWR))
    server.left(self)
  }
}
