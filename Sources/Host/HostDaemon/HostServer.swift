import CLinux
import CallManagement
import Dispatch
import Glibc
import Hosting
import Ownership
import Providers
import QuerySets
import Rundown
import Sessions
import Synchronization
import Wire

/// What a client may take (docs/wire.md).
public struct HostLimits: Sendable {
  public var maximumFrame = WireVersion.defaultMaximumFrame
  /// Requests of one connection that are served at once; more wait in the socket.
  public var requestsPerClient = 64
  /// Bytes that a client has not read yet, before it is closed.
  public var bytesQueued = 4 << 20
  public var lookupsPerClient = 1024
  public var connections = 65_536
  /// Of all processes of a user.
  public var connectionsPerUser = 4096
  /// Of all processes of a user, served at once. Where many are, `ThreadShares` lets some of them wait.
  public var requestsPerUser = 256
  public var lookupsPerUser = 16_384
  public var sessionsPerUser = 2048
  /// Names that processes have registered and not taken back.
  public var registrationsPerUser = 16_384
  /// Of requests that were not served yet and answers that were not read yet; and as many of what is kept for lookups and
  /// registrations.
  public var bytesPerUser = 64 << 20
  /// How long a connection may be there without a hello, in milliseconds.
  public var helloTime = 10_000
  /// Connections that root and the host's own user have beside those of everybody, as many requests that are served at once, and the descriptors
  /// for them.
  public var reserve = 64
  /// How long glibc's module waits for one name, in milliseconds, all providers together. It is told with the answer to its hello.
  public var resolveBudget = 5_000
  /// Whether WSALookupService counts the registrations of all users where the client says nothing of it.
  public var countsAllOwners = false
  /// Users to whom what is said of a user does not apply.
  public var unlimitedUsers: Set<UInt32> = [0, geteuid()]

  public init() {}
}

/// Why a host does not listen.
public struct ListenFailure: Error {
  public var why: String
  public var remedy: String
}

/// A host that serves processes over a Unix socket: the transport of the sessions of the machine.
public final class HostServer: Sendable {
  public let host: ProviderHost
  public let path: String
  let limits: HostLimits
  let requests: Requests
  let resolvers: ResolverSessions
  let poll: SocketPoll
  let processes: ProcessWatch
  let transport: PeerTransport<Connection>
  private let link: TransportLink
  private let listener: Listener
  private let isReady = Atomic<Bool>(false)
  private let isStopping = Atomic<Bool>(false)
  /// Signalled for each connection that goes while the host stops.
  private let departures = DispatchSemaphore(value: 0)
  private let descriptors: DescriptorLimit
  let refusals: Refusals
  let hellos: HelloWatch
  private let helloTimer: PollTimer
  private let connections = Locked<[ObjectIdentifier: Connection]>([:])
  let quotas: UserQuotas
  let advertisements: Advertisements
  public let workers: Workers

  /// Listens, and serves from now on.
  /// - Parameters:
  ///   - networks: From which network namespaces glibc's module is answered.
  ///   - isOpen: Otherwise it serves its own workers at first, and everybody else from `open` on.
  ///   - restartsWorkers: Otherwise a worker that dies stays dead.
  ///   - control: Answers what commands ask; nil: it knows nothing by that name. May take its time.
  public init(
    _ host: ProviderHost, path: String, limits: HostLimits = HostLimits(), networks: NetworkNamespaces = .own,
    isOpen: Bool = true,
    restartsWorkers: Bool = true,
    control: @escaping @Sendable (ControlQuestion) -> ControlReply?
  ) throws(ListenFailure) {
    let descriptors = DescriptorLimit(limits)
    guard let poll = SocketPoll(reserve: limits.reserve, for: limits.unlimitedUsers), let processes = ProcessWatch(),
      let helloTimer = PollTimer()
    else {
      throw ListenFailure(why: String(cString: strerror(errno)), remedy: "raise the limits of open files and of inotify or epoll")
    }
    guard PeerProcess.canBeLookedUp else {
      throw ListenFailure(
        why: "/proc does not show the processes of this pid namespace, by which clients are known",
        remedy: "mount it there: unshare --pid --fork --mount-proc, or mount -t proc proc /proc")
    }
    let listener = try Listener(path)
    self.host = host
    self.listener = listener
    // The service manager's socket is where it is.
    self.path = listener.path
    self.limits = limits
    self.poll = poll
    self.processes = processes
    self.descriptors = descriptors
    self.helloTimer = helloTimer
    hellos = HelloWatch(helloTimer, time: .milliseconds(limits.helloTime))
    refusals = Refusals(limits)
    quotas = UserQuotas(limits)
    workers = Workers(host, socket: listener.path, restarts: restartsWorkers)
    advertisements = Advertisements(host, workers)
    resolvers = ResolverSessions(host)
    requests = Requests(
      host: host, limits: limits, quotas: quotas, refusals: refusals, advertisements: advertisements, resolvers: resolvers,
      networks: NetworkAdmission(networks), control: control)
    (transport, link) = PeerTransport.attach("unix", to: host.layer, mayWait: false)
    let isTimed = helloTimer.start(poll) { [weak self] in self?.closeSilent() }
    guard isTimed, listener.start(self) else {
      throw ListenFailure(why: "the socket can't be watched", remedy: "raise the limit of open files")
    }
    if let shortage = descriptors.shortage(limits) { HostLog.write(.warning, shortage) }
    host.reportLimits { [weak self] in self?.limitsReport ?? LimitsReport() }
    workers.output?.start(poll)
    if isOpen { open() }
    poll.start()
  }

  /// Serves everybody from now on.
  public func open() {
    isReady.store(true, ordering: .sequentiallyConsistent)
    for connection in connections.withLock({ Array($0.values) }) where !connection.isWorker {
      HostThreads.run { connection.ready() }
    }
  }

  /// Whether everybody is served. Until then who comes is heard, and told that the host lives.
  var isOpen: Bool { isReady.load(ordering: .sequentiallyConsistent) }

  /// How many clients are connected.
  public var connectionCount: Int { connections.withLock { $0.count } }

  /// Takes no more clients, closes every call, waits for their sessions to end, and lets go of the socket.
  public func stop(deadline: Duration = .seconds(10)) {
    isStopping.store(true, ordering: .sequentiallyConsistent)
    listener.stop(poll)
    hellos.stop()
    helloTimer.stop(poll)
    // Those who serve others are needed until the last of these has left.
    for connection in connections.withLock({ Array($0.values) }) where !advertisements.has(connection) {
      connection.end(.shuttingDown)
    }
    let end = DispatchTime.now() + deadline.interval
    while connections.withLock({ $0.values.contains { !advertisements.has($0) } }), departures.wait(timeout: end) == .success {}
    resolvers.stop()
    advertisements.stop()
    workers.stop()
    workers.output?.stop(poll)
    link.close(.shuttingDown)
    _ = link.ended.wait(for: deadline)
    for connection in connections.withLock({ Array($0.values) }) { connection.end(.shuttingDown) }
    poll.stop()
    processes.stop()
  }

  // MARK: Clients

  /// Somebody has connected. Takes over the descriptor.
  func accept(_ descriptor: Int32) {
    guard let peer = PeerCredentials(of: descriptor) else {
      close(descriptor)
      return
    }
    let isLimited = !limits.unlimitedUsers.contains(peer.userID)
    guard let kept = outOfReserve(descriptor, isLimited: isLimited) else {
      return turnAway(Connection(descriptor, peer, isWorker: false, self), .descriptors)
    }
    enter(Connection(kept, peer, isWorker: workers.claim(peer.processID), self))
  }

  private func enter(_ connection: Connection) {
    guard let place = poll.place(connection) else { return }
    connection.place = place
    let user = connection.peer.userID
    while !quotas.connections.take(user) {
      guard makeRoom(.connectionsPerUser, of: user) else { return turnAway(connection, .connectionsPerUser) }
    }
    while !add(connection) {
      guard makeRoom(.connections) else {
        quotas.connections.giveBack(user)
        return turnAway(connection, .connections)
      }
    }
    hellos.add(connection)
    if !poll.watch(place, connection.descriptor) { connection.end(.overQuota) }
  }

  /// False where there are as many as there may be.
  private func add(_ connection: Connection) -> Bool {
    connections.withLock { known in
      guard known.count < limits.connections + (connection.isLimited ? 0 : limits.reserve) else { return false }
      known[ObjectIdentifier(connection)] = connection
      return true
    }
  }

  /// Closes the connection that has waited longest without a hello, of a user or of anybody. False where there is none.
  private func makeRoom(_ limit: HostLimit, of user: UInt32? = nil) -> Bool {
    guard let silent = hellos.takeOldest(of: user) else { return false }
    expel(silent, limit)
    return true
  }

  /// The time of some connections to say hello is over.
  private func closeSilent() {
    for connection in hellos.takeLate() {
      // What it has sent may be waiting for its turn.
      if connection.hasUnserved { hellos.add(connection) } else { expel(connection, .helloTime) }
    }
  }

  private func expel(_ connection: Connection, _ limit: HostLimit) {
    connection.send(refusal(of: connection, limit))
    connection.end(.overQuota)
  }

  /// There are too many: says so before it is asked. The socket is closed with the last reference.
  private func turnAway(_ connection: Connection, _ limit: HostLimit) {
    connection.send(refusal(of: connection, limit))
    poll.remove(connection.place, connection.descriptor)
  }

  private func refusal(of connection: Connection, _ limit: HostLimit) -> [UInt8] {
    var answer = FrameWriter(RequestKind.hello.answer, request: 0, status: WinsockError.noBuffers.rawValue)
    refusals.met(limit, by: connection.peer.userID).append(to: &answer)
    return answer.finish()
  }

  /// No descriptor is left, not even in the reserve. False where nobody could be closed for one.
  func isOutOfDescriptors() -> Bool { makeRoom(.descriptors) }

  /// Whether so few are left that calls make do with the channels that there are.
  func isLast(_ descriptor: Int32) -> Bool { descriptors.isLast(descriptor) }

  /// The descriptor that stays in the place of this one, which may be in the reserve: somebody without a hello makes room for it where it must
  /// not stay there. Nil, and nothing is done, where nobody can.
  func outOfReserve(_ descriptor: Int32, isLimited: Bool) -> Int32? {
    guard isLimited, descriptors.isReserved(descriptor) else { return descriptor }
    return makeRoom(.descriptors) ? descriptors.move(descriptor) : nil
  }

  func left(_ connection: Connection) {
    guard connections.withLock({ $0.removeValue(forKey: ObjectIdentifier(connection)) }) != nil else { return }
    hellos.remove(connection)
    if connection.isWorker { workers.parted(connection.peer.processID) }
    quotas.connections.giveBack(connection.peer.userID)
    if isStopping.load(ordering: .sequentiallyConsistent) { departures.signal() }
  }

  /// Whom an end of the host waits for, for people.
  public var obstacles: [String] {
    let clients = connections.withLock { Array($0.values) }.filter { !$0.isWorker }
    return clients.prefix(5).map { "the session of \($0.identity)" }
      + (clients.count > 5 ? ["\(clients.count - 5) more sessions"] : [])
      + workers.obstacles
  }

  /// What was refused, and what is nearly taken.
  private var limitsReport: LimitsReport {
    var report = LimitsReport()
    report.refusals = refusals.rows
    report.near = quotas.near
    func add(_ limit: HostLimit, taken: Int) {
      let maximum = limit.maximum(limits)
      guard LimitsReport.Quota.isNear(taken, maximum) else { return }
      report.near.append(.init(limit: limit.key, user: nil, taken: taken, maximum: maximum))
    }
    add(.connections, taken: connectionCount)
    add(.descriptors, taken: DescriptorLimit.open)
    for session in host.sessions.sessions where session.identity.processID > 0 {
      let taken = session.resources.count
      guard LimitsReport.Quota.isNear(taken, limits.lookupsPerClient) else { continue }
      report.near.append(
        .init(
          limit: HostLimit.lookupsPerProcess.key, user: session.identity.userID, processID: session.identity.processID,
          taken: taken, maximum: limits.lookupsPerClient))
    }
    return report
  }
}

/// The socket that clients connect to.
final class Listener: Polled, @unchecked Sendable {
  // Unchecked: `place` and `server` are written before the socket is watched.
  let path: String
  /// Keeps a second host from taking the path over. Nil where the service manager has given the socket.
  private let lock: Descriptor?
  private var place = Handle(rawValue: 0)
  private weak var server: HostServer?
  private let isStopped = Atomic<Bool>(false)
  /// Set while somebody waits for a descriptor.
  private let retry: PollTimer?

  /// Binds the path. A socket that nobody listens on any more is taken over; a live one is an error that says who has it.
  init(_ path: String) throws(ListenFailure) {
    if let given = try Self.activated() {
      // Whatever was configured: clients have been told of this one, and workers are.
      guard let name = Self.path(of: given) else {
        throw ListenFailure(
          why: "the socket of the service manager has no path", remedy: "write a path as ListenStream of its socket unit")
      }
      var status = stat()
      guard stat(name, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
        throw ListenFailure(
          why: "the socket of the service manager, \(name), is not there for this process, nor for the workers that it starts",
          remedy: "write another path as ListenStream of its socket unit: PrivateTmp=yes hides /tmp and /var/tmp")
      }
      self.path = name
      lock = nil
      retry = PollTimer()
      super.init(given, of: Self.share)
      return
    }
    self.path = path
    lock = try Self.lock(path)
    retry = PollTimer()
    super.init(try Self.bind(path).take(), of: Self.share)
    // Everybody on the machine may ask; who may have a session is decided by their credentials.
    chmod(path, 0o666)
  }

  /// Those who come take turns with those who are there.
  private static let share = FairQueue<Polled>.Share(user: .max, process: 0)

  /// The socket that the service manager has given (sd_listen_fds).
  private static func activated() throws(ListenFailure) -> Int32? {
    guard let pid = getenv("LISTEN_PID"), let count = getenv("LISTEN_FDS"), atoi(pid) == getpid(), atoi(count) > 0 else {
      return nil
    }
    guard atoi(count) == 1 else {
      throw ListenFailure(
        why: "the service manager has given \(atoi(count)) sockets, and a host listens on one",
        remedy: "write one ListenStream in its socket unit")
    }
    let flags = fcntl(3, F_GETFL)
    _ = fcntl(3, F_SETFL, flags | O_NONBLOCK)
    _ = fcntl(3, F_SETFD, FD_CLOEXEC)
    // Whoever connects sees this process at the other end from now on, and not the one that made the socket.
    listen(3, 4096)
    return 3
  }

  /// Nil for one in the abstract name space, and for one of another family.
  private static func path(of listener: Int32) -> String? {
    var address = sockaddr_un()
    var size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let status = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &size) }
    }
    guard status == 0, address.sun_family == sa_family_t(AF_UNIX) else { return nil }
    return withUnsafeBytes(of: &address.sun_path) { bytes in
      let path = bytes.prefix { $0 != 0 }
      return path.isEmpty ? nil : String(decoding: path, as: UTF8.self)
    }
  }

  private static func failure(_ what: String) -> ListenFailure {
    ListenFailure(why: "\(what): \(String(cString: strerror(errno)))", remedy: "choose another path with --socket or NSP_SOCKET")
  }

  private static func lock(_ path: String) throws(ListenFailure) -> Descriptor {
    let slash = path.lastIndex(of: "/")
    let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
    let file: Descriptor?
    do throws(Objection) {
      // A folder like /tmp will do: what others have there is not opened.
      let folder = try OwnFolder(slash.map { String(path[...$0]) } ?? ".", creating: 0o755, mayBeShared: true)
      file = Descriptor(try folder.open(name + ".lock", O_CREAT | O_RDWR))
    } catch {
      throw ListenFailure(
        why: "\(path) can't be used: \(error.detail)", remedy: "\(error.remedy), or choose another path with --socket")
    }
    guard let file else { throw failure(path) }
    guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else {
      throw ListenFailure(
        why: "another host listens on \(path)\(owner(file.number))", remedy: "stop it, or choose another path with --socket")
    }
    ftruncate(file.number, 0)
    _ = "\(getpid())\n".withCString { write(file.number, $0, strlen($0)) }
    return file
  }

  private static func bind(_ path: String) throws(ListenFailure) -> Descriptor {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    guard path.utf8.count < room else {
      throw ListenFailure(why: "\(path) is too long for a socket", remedy: "choose a path of less than \(room) bytes")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let made = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard let listener = Descriptor(made) else { throw failure(path) }
    // A socket that nobody listens on any more; anything else is somebody's.
    var status = stat()
    if lstat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFSOCK else {
        throw ListenFailure(
          why: "\(path) is there and is no socket", remedy: "move it away, or choose another path with --socket")
      }
      // In a folder like /tmp.
      guard status.st_uid == 0 || status.st_uid == geteuid() else {
        throw ListenFailure(
          why: "\(path) is a socket of user \(status.st_uid)", remedy: "choose another path with --socket")
      }
      unlink(path)
    }
    let isBound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.bind(listener.number, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
    guard isBound, listen(listener.number, 4096) == 0 else { throw failure(path) }
    return listener
  }

  private static func owner(_ lock: Int32) -> String {
    var text = [CChar](repeating: 0, count: 32)
    let count = pread(lock, &text, 31, 0)
    return count > 1 ? ": process \(atoi(text))" : ""
  }

  func start(_ server: HostServer) -> Bool {
    self.server = server
    guard let place = server.poll.place(self), let retry,
      retry.start(server.poll, { [weak self, weak server] in if let self { server?.poll.again(self) } })
    else { return false }
    self.place = place
    return server.poll.watch(place, descriptor)
  }

  func stop(_ poll: SocketPoll) {
    isStopped.store(true, ordering: .sequentiallyConsistent)
    poll.remove(place, descriptor)
    retry?.stop(poll)
    switch lock {
    case .none: break
    case .some(let lock):
      unlink(path)
      flock(lock.number, LOCK_UN)
    }
  }

  override func ready() {
    while let server, !isStopped.load(ordering: .sequentiallyConsistent) {
      let client = nsp_accept(descriptor)
      if client >= 0 {
        server.accept(client)
      } else if errno == EMFILE || errno == ENFILE || errno == ECONNABORTED || errno == EINTR {
        guard errno == EMFILE || errno == ENFILE, !server.isOutOfDescriptors() else { continue }
        // Whoever gives some back does not say so.
        server.refusals.met(.descriptors, by: Refusals.otherUsers)
        retry?.set(MonotonicTime.now + .milliseconds(100))
        return
      } else {
        return
      }
    }
  }
}
