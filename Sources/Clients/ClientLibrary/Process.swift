import CClientSystem
import CWinsock

/// What this process has of the host: how often it was started, its connections, its lookups.
///
/// Each call takes a connection for itself, waits for its answer there, and gives it back; the host sees one process, whatever the
/// number of its connections. A child of fork finds everything as if it had never been started: the lock is taken for the fork, so that
/// it finds nothing half done.
final class Process {
  nonisolated(unsafe) private static var shared = first()

  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let owner = getpid()
  private var starts = 0
  /// Tells the host that a session is not the one before, whose end it may not have heard of yet.
  private var sessionNumber: UInt32 = 0
  /// Connections that nobody uses, and those that somebody waits on.
  private var idle: [Int32] = []
  private var busy: [Int32] = []
  /// Counts sessions at the host: handles of one that is gone mean nothing to the next.
  private var epoch: UInt64 = 1
  private var session = Session()
  private var lookups = HandleSlots<OpenLookup>(kind: 4)
  /// Address lookups that go on.
  private var requests: [AddressRequest] = []
  private var lastRequest: UInt = 0
  /// The providers that this process serves.
  private var advertisements: [LibraryAdvertisement] = []

  private static let idleConnections = 8

  init() {
    lock = .allocate(capacity: 1)
    nsp_lock_create(lock)
  }

  private static func first() -> Process {
    _ = nsp_client_at_fork(
      {
        nsp_lock(Process.shared.lock)
        for one in Process.shared.advertisements { one.holdForFork() }
      }, { Process.shared.releaseAfterFork() },
      {
        Process.shared.releaseAfterFork()
        Process.renew()
      })
    return Process()
  }

  private func releaseAfterFork() {
    for one in advertisements { one.releaseAfterFork() }
    nsp_unlock(lock)
  }

  /// A child begins with nothing. Its parent's connections are closed without a word; what its parent's other threads held is left
  /// behind with them.
  private static func renew() {
    let parent = shared
    for descriptor in parent.idle + parent.busy { close(descriptor) }
    for one in parent.advertisements { one.abandon() }
    PendingCalls.renew()
    _ = Unmanaged.passRetained(parent)
    shared = Process()
  }

  /// This process's; a new one where a process was made without the handlers of fork.
  static var current: Process {
    if shared.owner != getpid() { renew() }
    return shared
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    nsp_lock(lock)
    defer { nsp_unlock(lock) }
    return body()
  }

  // MARK: Starting and ending

  func start() {
    locked {
      if starts == 0 { sessionNumber = nsp_client_moment() }
      starts += 1
    }
  }

  var isStarted: Bool { locked { starts > 0 } }

  /// False when it was not started.
  func cleanup() -> Bool {
    // While it is still somebody to the host.
    if locked({ starts == 1 }) { for one in locked({ advertisements }) { _ = unadvertise(one.id) } }
    enum Course {
      case notStarted
      case goesOn
      case last(idle: [Int32], requests: [AddressRequest])
    }
    let course: Course = locked {
      guard starts > 0 else { return .notStarted }
      starts -= 1
      guard starts == 0 else { return .goesOn }
      // Whoever waits is woken, and finds that everything has ended.
      for descriptor in busy { nsp_client_interrupt(descriptor) }
      for (handle, _) in lookups.entries { _ = lookups.remove(handle) }
      defer { idle = [] }
      return .last(idle: idle, requests: requests)
    }
    switch course {
    case .notStarted: return false
    case .goesOn: return true
    case .last(let descriptors, let requests):
      for request in requests { request.finish(nil, Int32(WSA_E_CANCELLED)) }
      for descriptor in descriptors {
        // What was said counts, also when nobody is there any more to hear the answer.
        var goodbye = FrameWriter(RequestKind.goodbye.rawValue, request: 1)
        let frame = goodbye.finish()
        _ = nsp_client_send(descriptor, frame, frame.count, 0)
        close(descriptor)
      }
      return true
    }
  }

  // MARK: Requests

  /// One request and its answer. The payload begins behind the header, at a multiple of 8.
  enum Answer {
    case frame([UInt8], status: Int32)
    case failed(Int32)
  }

  /// The epoch of the session that answered comes with the answer.
  /// - Parameters:
  ///   - expected: The epoch in which a handle of the request means something.
  ///   - silence: How long the host may give no sign of life, in nanoseconds. Then the answer is `WSATRY_AGAIN` (nsp.md §10.3).
  func ask(
    _ frame: inout FrameWriter, epoch expected: UInt64? = nil, silence: Int64 = nsp_client_usual_silence()
  ) -> (Answer, epoch: UInt64) {
    let (answer, descriptor, epoch) = exchange(frame.finish(), expected, silence)
    if descriptor >= 0 { give(descriptor) }
    return (answer, epoch)
  }

  /// One request of which the answer is a status alone: zero, or the code of its failure.
  func status(_ frame: inout FrameWriter) -> Int32 {
    switch ask(&frame).0 {
    case .failed(let code): code
    case .frame(_, let status): status
    }
  }

  /// The same, for a request that may be answered a second time. Where the first answer says that it goes on (`WSA_IO_PENDING`), the
  /// connection is the caller's until `awaitAnswer`; else -1.
  func askTwice(_ frame: inout FrameWriter, epoch expected: UInt64?) -> (Answer, connection: Int32) {
    let (answer, descriptor, _) = exchange(frame.finish(), expected, nsp_client_usual_silence(), readsAhead: false)
    if case .frame(_, Int32(WSA_IO_PENDING)) = answer { return (answer, descriptor) }
    if descriptor >= 0 { give(descriptor) }
    return (answer, -1)
  }

  /// The second answer; nil when the host went away, or this process has ended its session. No deadline: what is waited for may never be.
  func awaitAnswer(_ descriptor: Int32) -> Answer? {
    guard
      case .frame(let header, let payload) = FrameChannel.receive(descriptor, readsAhead: false, silence: nsp_client_endless())
    else {
      letGo(descriptor)
      return nil
    }
    give(descriptor)
    return .frame(payload, status: header.status)
  }

  /// - Returns: The answer, and the connection that it came on, which is the caller's to give back; -1 where there is none.
  /// - Parameter readsAhead: Nothing comes behind the answer.
  private func exchange(_ bytes: [UInt8], _ expected: UInt64?, _ silence: Int64, readsAhead: Bool = true)
    -> (Answer, descriptor: Int32, epoch: UInt64)
  {
    let wasStarted = isStarted
    while true {
      let (descriptor, isFresh) = take(silence)
      guard descriptor >= 0 else { return (.failed(Self.code(descriptor)), -1, 0) }
      var isSent = false
      if isFresh {
        // The hello takes no time of its own: a request that any session may have follows at once.
        let first = expected == nil ? hello() + bytes : hello()
        // A host that has closed already may have said why.
        _ = nsp_client_send(descriptor, first, first.count, silence)
        let (refusal, session) = greeting(descriptor, silence)
        guard refusal == 0 else { return (.failed(end(descriptor, wasStarted, refusal)), -1, 0) }
        met(session)
        isSent = expected == nil
      }
      let at = locked { epoch }
      if let expected, expected != at {
        return (.failed(Int32(WSA_INVALID_HANDLE)), descriptor, at)
      }
      isSent = isSent || nsp_client_send(descriptor, bytes, bytes.count, silence) == 0
      var failure = Int32(WSAENETDOWN)
      if isSent {
        switch FrameChannel.receive(descriptor, readsAhead: readsAhead, silence: silence) {
        case .frame(let header, let payload): return (.frame(payload, status: header.status), descriptor, at)
        case .gone: break
        case .silent: failure = Int32(WSATRY_AGAIN)
        }
      }
      let code = end(descriptor, wasStarted, failure)
      // A connection that was kept may be one to a host that is gone. What was sent is not sent again.
      if isFresh || isSent || code != Int32(WSAENETDOWN) { return (.failed(code), -1, at) }
    }
  }

  /// Why there is no connection, by what `nsp_client_connect` says.
  private static func code(_ failure: Int32) -> Int32 { failure == -2 ? Int32(WSATRY_AGAIN) : Int32(WSAENETDOWN) }

  /// A connection of this session for whoever asks, who closes it; or why there is none.
  func open() -> (descriptor: Int32, failure: Int32) {
    let silence = nsp_client_usual_silence()
    let descriptor = nsp_client_connect(silence)
    guard descriptor >= 0 else { return (-1, Self.code(descriptor)) }
    let first = hello()
    _ = nsp_client_send(descriptor, first, first.count, silence)
    let (refusal, session) = greeting(descriptor, silence)
    guard refusal == 0 else {
      close(descriptor)
      return (-1, refusal)
    }
    met(session)
    return (descriptor, 0)
  }

  /// A connection for one call: one that is idle, or a new one that has not said hello yet. Negative as `nsp_client_connect` where there is none.
  private func take(_ silence: Int64) -> (Int32, isFresh: Bool) {
    let known: Int32 = locked {
      guard let descriptor = idle.popLast() else { return -1 }
      busy.append(descriptor)
      return descriptor
    }
    if known >= 0 { return (known, false) }
    let descriptor = nsp_client_connect(silence)
    if descriptor >= 0 { locked { busy.append(descriptor) } }
    return (descriptor, true)
  }

  private func hello() -> [UInt8] {
    var hello = HelloRequest(session: locked { sessionNumber }).frame()
    return hello.finish()
  }

  /// A session as the host knows it: its process, and its number there.
  private struct Session: Equatable {
    var host: UInt32 = 0
    var number: UInt32 = 0
  }

  /// Reads the answer to the hello, and nothing of what follows it: 0, or the code that the host refuses with, or of how it failed.
  private func greeting(_ descriptor: Int32, _ silence: Int64) -> (status: Int32, Session) {
    switch FrameChannel.receive(descriptor, readsAhead: false, silence: silence) {
    case .gone: return (Int32(WSAENETDOWN), Session())
    case .silent: return (Int32(WSATRY_AGAIN), Session())
    case .frame(let header, let payload):
      guard header.status == 0, let answer = payload.withUnsafeBytes({ HelloAnswer($0) }) else {
        return (header.status > 0 ? header.status : Int32(WSAENETDOWN), Session())
      }
      return (0, Session(host: answer.processID, number: answer.number))
    }
  }

  /// Where it is another session than before, handles of that one mean nothing to it.
  private func met(_ session: Session) {
    locked {
      if session != self.session { epoch += 1 }
      self.session = session
    }
  }

  private func give(_ descriptor: Int32) {
    let isKept = locked {
      forget(descriptor)
      guard starts > 0, idle.count < Self.idleConnections else { return false }
      idle.append(descriptor)
      return true
    }
    if !isKept { close(descriptor) }
  }

  /// The connection broke. The code, unless this process has ended its session meanwhile.
  private func end(_ descriptor: Int32, _ wasStarted: Bool, _ code: Int32) -> Int32 {
    let isOver = locked {
      forget(descriptor)
      return wasStarted && starts == 0
    }
    close(descriptor)
    return isOver ? Int32(WSA_E_CANCELLED) : code
  }

  /// Closes a connection whose answer nobody will read.
  func letGo(_ descriptor: Int32) { _ = end(descriptor, true, 0) }

  private func forget(_ descriptor: Int32) {
    if let index = busy.firstIndex(of: descriptor) { busy.remove(at: index) }
  }

  // MARK: Advertising

  /// Serves a provider from now on. Zero, or why not.
  func advertise(_ id: GUID, _ routines: NSPV2_ROUTINE) -> Int32 {
    let advertisement = LibraryAdvertisement(id, routines)
    let isFirst = locked {
      guard !advertisements.contains(where: { $0.serves(id) }) else { return false }
      advertisements.append(advertisement)
      return true
    }
    guard isFirst else { return Int32(WSAEALREADY) }
    let failure = advertisement.advertise()
    if failure != 0 { forget(advertisement) }
    return failure
  }

  /// Returns when none of its routines is running, but for the one that this is called from. Zero, or why not.
  func unadvertise(_ id: GUID) -> Int32 {
    guard let advertisement = locked({ advertisements.first { $0.serves(id) } }) else { return Int32(WSAEINVALIDPROVIDER) }
    forget(advertisement)
    var request = UnadvertiseRequest(provider: WireID(id), isInside: advertisement.isInside).frame(request: 1)
    advertisement.withdraw(isHostGone: status(&request) != 0)
    return 0
  }

  /// What a provider serves has changed. Zero, or why the host is not told.
  func changed(_ id: GUID, _ name: [UInt16]?) -> Int32 {
    guard let advertisement = locked({ advertisements.first { $0.serves(id) } }) else { return Int32(WSAEINVALIDPROVIDER) }
    advertisement.changed(name)
    return 0
  }

  private func forget(_ advertisement: LibraryAdvertisement) {
    locked { if let index = advertisements.firstIndex(where: { $0 === advertisement }) { advertisements.remove(at: index) } }
  }

  // MARK: Address lookups

  /// Gives the request a number that is never used again.
  func keep(_ request: AddressRequest) {
    locked {
      lastRequest += 1
      request.handle = lastRequest << 4 | 0xA
      requests.append(request)
    }
  }

  func forget(_ request: AddressRequest) {
    locked { if let index = requests.firstIndex(where: { $0 === request }) { requests.remove(at: index) } }
  }

  func request(_ handle: UInt) -> AddressRequest? { locked { requests.first { $0.handle == handle } } }

  // MARK: Lookups

  /// Nil only where 2^24 lookups are open.
  func open(_ lookup: OpenLookup) -> HANDLE? { locked { lookups.insert(lookup)?.pointer } }

  func lookup(_ handle: HANDLE?) -> OpenLookup? { locked { lookups[Handle(handle)] } }

  /// Exactly one caller gets it.
  func end(_ handle: HANDLE?) -> OpenLookup? { locked { lookups.remove(Handle(handle)) } }
}

/// A lookup at the host, and the record that did not fit into the caller's buffer.
final class OpenLookup {
  let remote: UInt64
  let epoch: UInt64
  private let turn: UnsafeMutablePointer<pthread_mutex_t>
  /// Of whoever has the turn.
  var kept: [UInt8]?

  init(remote: UInt64, epoch: UInt64) {
    self.remote = remote
    self.epoch = epoch
    turn = .allocate(capacity: 1)
    nsp_lock_create(turn)
  }

  deinit { turn.deallocate() }

  /// One Next at a time (nsp.md §8.4).
  func takeTurn() { nsp_lock(turn) }
  func passTurn() { nsp_unlock(turn) }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func nsp_client_begin() {
  _ = Process.current
  _ = PendingCalls.shared
}
