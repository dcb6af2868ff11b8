import CWinsock
import CallManagement
import Glibc
import Providers
import Rundown

/// The client of call management that turns incoming calls into sessions: one for each client process, whatever calls it makes.
/// Transports are its call managers.
///
/// A call is admitted by accepting it; the first of a process opens its session. The incoming close of the last one is the one thing
/// that ends it, whoever asks for it; closing the call in return says that every provider has been told.
public final class SessionLayer: CallClient {
  public let calls: CoNDIS
  let sessions: SessionTable
  private let admits: @Sendable (ClientIdentity) -> Bool
  private let whenLate: @Sendable (String) -> Void
  /// What the layer's contexts name. Handles, because transports are other people's: a late callback finds nothing.
  let links = HandleTable<TransportLink>(kind: 24)
  private let sessionCalls = HandleTable<SessionCall>(kind: 25)

  /// - Parameters:
  ///   - admits: Who may have a session; asked on the transport's thread, and must not wait.
  ///   - whenLate: Told of each close that a transport has not completed in time: the transport, the connection, its state.
  public init(
    calls: CoNDIS, sessions: SessionTable, admits: @escaping @Sendable (ClientIdentity) -> Bool = { _ in true },
    whenLate: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.whenLate = whenLate
    self.calls = calls
    self.sessions = sessions
    self.admits = admits
  }

  /// Every transport that is attached.
  public var transports: [TransportLink] { links.values }

  /// Who is at the other end of a call, and the session that it carries, by what a snapshot says of the call.
  /// Nil for calls of other clients.
  public func call(_ snapshot: CallSnapshot) -> SessionCall? {
    guard let call = sessionCalls[Handle(snapshot.clientContext.pointer)], call.vc == snapshot.handle else { return nil }
    return call
  }

  /// Ends a call from the host's side. Its session ends first. Calls out.
  public func close(_ vc: Handle, _ reason: CloseReason) { calls.dispatchIncomingCloseCall(reason.status, vc) }

  /// `close`, and waits until the providers have been told and the transport has deleted the connection.
  /// - Returns: false when the deadline passed first.
  public func closeAndWait(_ snapshot: CallSnapshot, _ reason: CloseReason, deadline: Duration) -> Bool {
    guard let gone = call(snapshot)?.expectEnd() else { return calls.snapshot(snapshot.handle) == nil }
    close(snapshot.handle, reason)
    return gone.wait(for: deadline) != nil
  }

  // MARK: Address families and service access points

  public func addressFamilyRegistered(_ binding: DriverContext, _ family: AddressFamily) {
    guard family.number == TransportLink.family else { return }
    links[Handle(binding.pointer)]?.familyIsThere(family)
  }

  public func openAddressFamilyComplete(_ family: DriverContext, _ handle: Handle?, _ status: NDISStatus) {
    links[Handle(family.pointer)]?.done(.openingFamily, status)
  }

  public func closeAddressFamilyComplete(_ status: NDISStatus, _ family: DriverContext) {
    links[Handle(family.pointer)]?.done(.closingFamily, status)
  }

  public func notifyCloseAddressFamily(_ family: DriverContext) -> NDISStatus {
    guard let link = links[Handle(family.pointer)] else { return .failure }
    link.close(.lineDown)
    return .success
  }

  public func registerSAPComplete(_ status: NDISStatus, _ sap: DriverContext, _ address: PassedPointer, _ handle: Handle?) {
    links[Handle(sap.pointer)]?.done(.registeringSAP, status)
  }

  public func deregisterSAPComplete(_ status: NDISStatus, _ sap: DriverContext) {
    links[Handle(sap.pointer)]?.done(.deregisteringSAP, status)
  }

  // MARK: Calls

  public func createVC(_ family: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext) {
    guard let link = links[Handle(family.pointer)], link.gate.enter() else { return (.closing, .none) }
    guard let handle = sessionCalls.insert(SessionCall(vc: vc, link: link)) else {
      link.gate.leave()
      return (.resources, .none)
    }
    return (.success, DriverContext(handle.pointer))
  }

  public func deleteVC(_ vc: DriverContext) -> NDISStatus {
    guard let call = sessionCalls.remove(Handle(vc.pointer)) else { return .failure }
    call.isGone()
    call.link.gate.leave()
    return .success
  }

  /// Answers at once: a session, or why there is none.
  public func incomingCall(_ sap: DriverContext, _ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus {
    guard let call = sessionCalls[Handle(vc.pointer)] else { return .failure }
    guard call.link.isAccepting else { return .closing }
    guard let identity = CallParameters.identity(in: parameters) else { return .invalidData }
    guard admits(identity) else { return .notAccepted }
    call.begin(sessions.join(identity))
    return .success
  }

  public func incomingCloseCall(_ status: NDISStatus, _ vc: DriverContext, _ data: CloseData) {
    guard let call = sessionCalls[Handle(vc.pointer)] else { return }
    call.note(status)
    guard let session = call.session else { return acknowledge(call) }
    // Others of the process's calls go on, and the session with them.
    guard let ending = sessions.leave(session, SessionEnding(closedWith: status)) else { return acknowledge(call) }
    let end = { @Sendable [self] in session.end(ending, finished: { self.acknowledge(call) }) }
    // A transport's thread must not wait for a provider's last call.
    if call.link.mayWait || session.isUnused { end() } else { HostThreads.run(end) }
  }

  /// Closes the call in return, with the reason as close data where the transport takes any.
  private func acknowledge(_ call: SessionCall) {
    call.asksToClose()
    let status = calls.closeCall(call.vc, call.closeData)
    if status == .pending { watchClose(call) }
    // CLOSING: somebody has closed it already.
    if status != .success, status != .pending, status != .closing { closeFailed(call, status) }
  }

  /// How long a transport may take to complete a close before somebody is told.
  public static let closePatience: Duration = .seconds(5)

  private func watchClose(_ call: SessionCall) {
    // As a rule it was completed from inside.
    guard calls.snapshot(call.vc) != nil else { return }
    HostTimers.after(Self.closePatience) { [weak self, weak call] in
      guard let self, let call, let snapshot = self.calls.snapshot(call.vc), self.call(snapshot) === call else { return }
      self.whenLate("\(call.link.text(of: snapshot)): its close is not completed after 5 s")
    }
  }

  /// The connections of a transport that are still there, for people: `transport X, connection 3, closing`.
  public func connections(of link: TransportLink) -> [String] {
    calls.calls.filter { call($0)?.link === link }.map { link.text(of: $0) }
  }

  public func closeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: DriverContext) {
    guard status != .success, let call = sessionCalls[Handle(vc.pointer)] else { return }
    closeFailed(call, status)
  }

  /// A transport must be able to close a call in the end (condis.md §11.5): without data, or a little later.
  private func closeFailed(_ call: SessionCall, _ status: NDISStatus) {
    if status == .invalidData, call.leaveDataOut() { return acknowledge(call) }
    guard call.mayTryAgain(), calls.snapshot(call.vc) != nil else { return }
    HostTimers.after(.milliseconds(100)) { [self] in acknowledge(call) }
  }
}

/// One virtual connection of a transport, and the session of the call on it.
public final class SessionCall: Sendable {
  private struct State {
    var session: ClientSession?
    var isGone = false
    var hasNoData = false
    var attempts = 0
    var waiting: [Promise<Void>] = []
    /// When the transport was asked to close it.
    var askedAt: ContinuousClock.Instant?
  }

  let vc: Handle
  public let link: TransportLink
  private let state = Locked<State>(State())
  /// Close data must last until the close is complete.
  private nonisolated(unsafe) let data = UnsafeMutablePointer<Int32>.allocate(capacity: 1)

  init(vc: Handle, link: TransportLink) {
    self.vc = vc
    self.link = link
    data.initialize(to: 0)
  }

  deinit { data.deallocate() }

  /// Nil before a call was accepted.
  public var session: ClientSession? { state.withLock { $0.session } }

  func begin(_ session: ClientSession) { state.withLock { $0.session = session } }

  func asksToClose() { state.withLock { $0.askedAt = $0.askedAt ?? .now } }

  /// How long the transport owes the completion of its close: its session is over. Nil where it was not asked yet.
  public var closingFor: Duration? { state.withLock { $0.askedAt.map { .now - $0 } } }

  /// Resolved when the connection is deleted; nil when it is already.
  func expectEnd() -> Promise<Void>? {
    state.withLock { state in
      guard !state.isGone else { return nil }
      let promise = Promise<Void>()
      state.waiting.append(promise)
      return promise
    }
  }

  func isGone() {
    let waiting = state.withLock { state in
      state.isGone = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for promise in waiting { promise.resolve(()) }
  }

  /// Why the call is closed. Written before the first close reads it.
  func note(_ status: NDISStatus) {
    data.pointee = status.rawValue
    state.withLock { ($0.hasNoData, $0.attempts) = (false, 0) }
  }

  var closeData: CloseData {
    state.withLock { $0.hasNoData } ? .none : CloseData(data, UInt32(MemoryLayout<Int32>.size))
  }

  /// False when it was left out already.
  func leaveDataOut() -> Bool {
    state.withLock { state in
      defer { state.hasNoData = true }
      return !state.hasNoData
    }
  }

  /// Fifty times, a tenth of a second apart; after that the call stays, and is seen to be closing.
  func mayTryAgain() -> Bool {
    state.withLock { state in
      state.attempts += 1
      return state.attempts <= 50
    }
  }
}
