import CWinsock
import CallManagement
import Glibc
import Hosting
import QuerySets
import Rundown
import Sessions
import Wire
import WireValues

/// Serves the requests of clients, one frame each. Nothing in a frame is trusted; what can't be read is `WSAEINVAL`, never more.
struct Requests: Sendable {
  let host: ProviderHost
  let limits: HostLimits
  let quotas: UserQuotas
  let refusals: Refusals
  let advertisements: Advertisements
  let resolvers: ResolverSessions
  let networks: NetworkAdmission
  /// Tells sessions of this host from those of an earlier one with the same process id.
  private let nonce = UInt32.random(in: 0...UInt32.max)
  let control: @Sendable (ControlQuestion) -> ControlReply?

  init(
    host: ProviderHost, limits: HostLimits, quotas: UserQuotas, refusals: Refusals, advertisements: Advertisements,
    resolvers: ResolverSessions, networks: NetworkAdmission,
    control: @escaping @Sendable (ControlQuestion) -> ControlReply?
  ) {
    (self.host, self.limits, self.quotas, self.control) = (host, limits, quotas, control)
    self.refusals = refusals
    self.advertisements = advertisements
    self.resolvers = resolvers
    self.networks = networks
  }

  /// The answer's frame; nil where there is none.
  func answer(_ frame: UnsafeMutableRawBufferPointer, for connection: Connection) -> [UInt8]? {
    guard let header = FrameHeader(UnsafeRawBufferPointer(frame)) else { return nil }
    let payload = UnsafeMutableRawBufferPointer(rebasing: frame[FrameHeader.size...])
    if header.kind == RequestKind.hello.rawValue { return hello(header, payload, connection) }
    let answerKind = header.kind | RequestKind.answerBit
    let kind = RequestKind(rawValue: header.kind)
    if let kind, connection.isResolver { return resolverAnswer(kind, header, payload, connection) }
    guard let session = connection.session else { return failure(answerKind, header, .notInitialised) }
    guard let kind else { return failure(answerKind, header, .operationNotSupported) }
    if connection.isWorker, !kind.isForWorkers { return failure(kind.answer, header, .accessDenied) }
    let user = connection.peer.userID
    let isCounted = kind.waitsForProviders && connection.isLimited
    if isCounted, !quotas.requests.take(user) { return failure(kind.answer, header, refusals.met(.requestsPerUser, by: user)) }
    defer { if isCounted { quotas.requests.giveBack(user) } }
    // What it is refused for, where that is a limit.
    var met: HostLimit?
    do throws(WinsockError) {
      var answer = FrameWriter(kind.answer, request: header.request)
      switch kind {
      case .hello: return nil
      case .begin: try begin(payload, session, &answer, &met)
      case .next: try next(payload, session, &answer, &met)
      case .end: try end(payload, session)
      case .lookup: try lookup(payload, session, &answer, &met)
      case .setService: try setService(payload, session, &met)
      case .enumerate: enumerate(&answer)
      case .install: try changeCatalog(payload, connection, install)
      case .uninstall: try changeCatalog(payload, connection, uninstall)
      case .enable: try changeCatalog(payload, connection, enable)
      case .order: try changeCatalog(payload, connection, order)
      case .goodbye:
        connection.send(answer.finish())
        connection.end(.remote)
        return nil
      case .command: try command(payload, &answer)
      case .ask: guard try ask(payload, header, session, connection, &answer, &met) else { return nil }
      case .installClass: try installClass(payload, session)
      case .removeClass: try removeClass(payload, session)
      case .classInfo: try classInfo(payload, session, &answer)
      case .className: try className(payload, session, &answer)
      case .ioctl: guard try ioctl(payload, session, header, connection, &answer, &met) else { return nil }
      case .advertise: try advertise(payload, connection)
      case .unadvertise: try unadvertise(payload, connection)
      case .complete:
        try complete(payload, connection)
        return nil
      case .log:
        try log(payload, connection)
        return nil
      case .note:
        try note(payload, connection)
        return nil
      case .resolve: try resolve(payload, session, connection, &answer)
      case .nothing: break
      case .changed: try changed(payload, connection)
      case .catalogChange: guard try catalogChange(payload, header, connection) else { return nil }
      }
      // What people are shown may be more; who does not read it is closed.
      let maximum = kind == .ask ? limits.bytesQueued : Int(limits.maximumFrame)
      guard answer.count <= maximum else {
        met = kind == .ask ? .bytesQueued : .frameBytes
        throw .noBuffers
      }
      return answer.finish()
    } catch {
      guard let met else { return failure(kind.answer, header, error) }
      return failure(kind.answer, header, refusals.met(met, by: user))
    }
  }

  /// Says which limit was met.
  func failure(_ kind: UInt16, _ header: FrameHeader, _ met: MetLimit) -> [UInt8] {
    var answer = FrameWriter(kind, request: header.request, status: WinsockError.noBuffers.rawValue)
    met.append(to: &answer)
    return answer.finish()
  }

  func failure(_ kind: UInt16, _ header: FrameHeader, _ error: WinsockError) -> [UInt8] {
    var answer = FrameWriter(kind, request: header.request, status: error.rawValue)
    return answer.finish()
  }

  // MARK: Hello

  private func hello(_ header: FrameHeader, _ payload: UnsafeMutableRawBufferPointer, _ connection: Connection) -> [UInt8]? {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let hello = HelloRequest(&fields), hello.magic == WireVersion.magic, connection.session == nil,
      !connection.isResolver
    else {
      connection.end(.protocolError)
      return nil
    }
    connection.hasSaidHello()
    guard hello.major == WireVersion.major else { return refuse(header, .versionNotSupported, connection) }
    do throws(Connection.HelloFailure) {
      if hello.session == WireVersion.noSession {
        if let refusal = networkRefusal(of: connection) { return refuse(header, .accessDenied, connection, refusal) }
        // Whoever may not have a session may not resolve either.
        do throws(NDISStatus) { try resolvers.enter(connection.peer) } catch { throw .refused(error) }
        connection.becomeResolver()
      } else {
        guard connection.peer.isVisible else {
          HostLog.write(.warning, Self.invisible(connection.peer))
          return refuse(header, .accessDenied, connection, .processIsInvisible)
        }
        try connection.call(hello.session)
      }
    } catch {
      switch error {
      case .refused(let status): return refuse(header, WinsockError(refusal: status), connection)
      case .met(let limit):
        connection.send(failure(RequestKind.hello.answer, header, refusals.met(limit, by: connection.peer.userID)))
        connection.end(.kicked)
        return nil
      }
    }
    var answer = FrameWriter(RequestKind.hello.answer, request: header.request)
    var greeting = HelloAnswer()
    (greeting.major, greeting.minor, greeting.maximumFrame) = (WireVersion.major, WireVersion.minor, limits.maximumFrame)
    greeting.processID = UInt32(getpid())
    greeting.number = UInt32(truncatingIfNeeded: connection.session?.number ?? 0) &+ nonce
    greeting.resolveBudget = UInt32(limits.resolveBudget)
    greeting.write(to: &answer)
    return answer.finish()
  }

  private func refuse(
    _ header: FrameHeader, _ error: WinsockError, _ connection: Connection, _ reason: HelloRefusal = .statusSays
  ) -> [UInt8]? {
    var answer = FrameWriter(RequestKind.hello.answer, request: header.request, status: error.rawValue)
    HelloRefusalAnswer(reason).write(to: &answer)
    connection.send(answer.finish())
    connection.end(.kicked)
    return nil
  }

  private func networkRefusal(of connection: Connection) -> HelloRefusal? {
    guard case .refused(let isNew) = networks.verdict(connection.networkNamespace) else { return nil }
    let peer = connection.peer
    HostLog.write(
      isNew ? .info : .debug,
      "names are not for the network namespace of \(peer.isVisible ? "process \(peer.processID), " : "")user \(peer.userID): "
        + "access.network-namespaces is \"own\"")
    return .otherNetworkNamespace
  }

  private static func invisible(_ peer: PeerCredentials) -> String {
    "a process of user \(peer.userID) is refused: it is outside of the pid namespace that this host is in, and has no process id "
      + "here, by which its session is known: start the host in the pid namespace of its clients"
  }

  // MARK: Lookups

  private func querySet(_ bytes: UnsafeMutableRawBufferPointer) throws(WinsockError) -> QuerySet {
    guard SelfRelative.resolve(bytes) else { throw .invalidArgument }
    do throws(QuerySetError) {
      let set = UnsafeRawPointer(bytes.baseAddress!).assumingMemoryBound(to: WSAQUERYSETW.self)
      return QuerySet(try QuerySetView(reading: set, in: .packed(UnsafeRawBufferPointer(bytes))))
    } catch { throw error.winsockError }
  }

  private func query(_ payload: UnsafeMutableRawBufferPointer, at offset: Int) throws(WinsockError) -> QuerySet {
    guard payload.count > offset else { throw .invalidArgument }
    return try querySet(UnsafeMutableRawBufferPointer(rebasing: payload[offset...]))
  }

  private func begin(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ answer: inout FrameWriter, _ met: inout HostLimit?
  ) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let request = BeginRequest(&fields), let unsaid = UnsaidOwners(rawValue: request.owners) else {
      throw .invalidArgument
    }
    var flags = LookupFlags(rawValue: request.flags)
    if unsaid == .asConfigured, limits.countsAllOwners, !flags.contains(.secure) { flags.insert(.allOwners) }
    let user = session.identity.userID
    let size = payload.count
    let charge: LookupCharge
    do throws(MetQuota) {
      guard session.resources.count < limits.lookupsPerClient else { throw MetQuota(limit: .lookupsPerProcess) }
      charge = try quotas.open(lookupOf: size, user)
    } catch {
      met = error.limit
      throw .noBuffers
    }
    let lookup: Lookup
    do throws(WinsockError) {
      lookup = try host.engine.begin(session, try query(payload, at: fields.offset), flags: flags)
    } catch {
      quotas.close(charge, user)
      throw error
    }
    lookup.mayGrow { charge.grow(by: $0) }
    lookup.afterEnd { [quotas] in quotas.close(charge, user) }
    guard let handle = lookup.handle else { throw .cancelled }
    LookupHandle(handle.rawValue).write(to: &answer)
  }

  func open(_ handle: UInt64, _ session: ClientSession) throws(WinsockError) -> Lookup {
    guard let lookup = session.resources[Handle(rawValue: handle)] as? Lookup else { throw .invalidHandle }
    return lookup
  }

  private func next(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ answer: inout FrameWriter, _ met: inout HostLimit?
  ) throws(WinsockError) {
    guard let request = NextRequest(UnsafeRawBufferPointer(payload)) else { throw .invalidArgument }
    let lookup = try open(request.handle, session)
    do throws(LookupError) {
      try lookup.next(LookupFlags(rawValue: request.flags)) { view throws(QuerySetError) in try answer.append(view) }
    } catch {
      if error.winsockError == .noBuffers, lookup.wasTooLarge { met = .bytesPerUser }
      throw error.winsockError
    }
  }

  private func end(_ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession) throws(WinsockError) {
    guard let handle = LookupHandle(UnsafeRawBufferPointer(payload))?.handle else { throw .invalidArgument }
    try open(handle, session).end()
  }

  /// Begin, every next and end. The status is the code that ended it; records come first.
  private func lookup(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ answer: inout FrameWriter, _ met: inout HostLimit?
  ) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let request = LookupRequest(&fields) else { throw .invalidArgument }
    let maximum = request.mostRecords
    var wasRefused = false
    let lookup: Lookup
    do throws(WinsockError) {
      lookup = try host.engine.begin(
        session, try query(payload, at: fields.offset), flags: LookupFlags(rawValue: request.flags), takesAll: maximum == 0
      ) { _ in wasRefused = true }
    } catch {
      guard wasRefused else { throw error }
      // Providers were asked, and none of them has anything: an answer without records.
      LookupAnswer().write(to: &answer)
      answer.set(status: error.rawValue)
      return
    }
    let charge = LookupCharge(quotas, session.identity.userID, bytes: 0)
    lookup.mayGrow { charge.grow(by: $0) }
    defer {
      lookup.end()
      charge.giveBack()
    }
    LookupAnswer().write(to: &answer)
    var count: UInt32 = 0
    var ending = WinsockError.noMore
    while maximum == 0 || count < maximum {
      do throws(LookupError) {
        try lookup.next { view throws(QuerySetError) in
          let start = answer.reserve(8)
          try answer.append(view)
          answer.set(UInt32(answer.count - start - 8), at: start)
        }
      } catch {
        ending = error.winsockError
        break
      }
      count += 1
      guard answer.count <= Int(limits.maximumFrame) else {
        met = .frameBytes
        throw .noBuffers
      }
    }
    answer.set(count, at: FrameHeader.size)
    answer.set(status: ending.rawValue)
  }

  // MARK: Registrations

  private func setService(
    _ payload: UnsafeMutableRawBufferPointer, _ session: ClientSession, _ met: inout HostLimit?
  ) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    guard let request = SetServiceRequest(&fields), let operation = RegistrationOperation(rawValue: request.operation) else {
      throw .invalidArgument
    }
    let set = try query(payload, at: fields.offset)
    try quotas.register(
      set, session, isAdding: operation == .register, whenFull: { met = $0 },
      perform: { () throws(WinsockError) in
        let outcomes = try host.engine.setService(session, set, operation: operation, flags: request.flags)
        if let failure = outcomes.result { throw failure }
      })
  }

  // MARK: Operators

  private func changeCatalog(
    _ payload: UnsafeMutableRawBufferPointer, _ connection: Connection,
    _ change: (inout FieldReader, Connection) throws(WinsockError) -> Void
  ) throws(WinsockError) {
    var fields = FieldReader(UnsafeRawBufferPointer(payload))
    try change(&fields, connection)
  }
}

extension WinsockError {
  /// Why the host did not take a client's call.
  init(refusal status: NDISStatus) {
    switch status {
    case .notAccepted: self = .accessDenied
    case .resources: self = .noBuffers
    case .closing: self = .systemNotReady
    default: self = .networkDown
    }
  }
}

extension RequestKind {
  /// What is about serving a provider.
  fileprivate var isForWorkers: Bool {
    switch self {
    case .hello, .goodbye, .advertise, .unadvertise, .complete, .log, .note, .nothing, .changed: true
    default: false
    }
  }

  /// Those that end something are always served.
  fileprivate var waitsForProviders: Bool {
    switch self {
    case .begin, .next, .lookup, .resolve, .setService, .ask, .installClass, .removeClass, .classInfo, .className, .ioctl:
      true
    default: false
    }
  }
}
