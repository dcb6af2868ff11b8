import CWinsock
import CallManagement
import Glibc
import Providers
import Rundown

/// A transport as the session layer is bound to it: an adapter, a binding, an address family, a service access point, and the calls
/// through it.
///
/// Everything may be answered late, so bringing it up and taking it down go from phase to phase by the answers; nobody waits but
/// those who ask to. Any thread may call.
public final class TransportLink: Sendable {
  /// The host's address family (nspndis.h).
  static let family = UInt32(CO_ADDRESS_FAMILY_NSP)

  public enum Phase: Sendable, Equatable {
    /// The transport has not registered its address family yet.
    case waitingForFamily
    case openingFamily
    case registeringSAP
    case open
    /// Calls are being closed.
    case draining
    case deregisteringSAP
    case closingFamily
    case unbinding
    case closed
    /// The transport refused a step, so that the next one is not possible.
    case stuck(NDISStatus)
  }

  private enum Action {
    case none
    case openFamily
    case registerSAP
    case drain
    case deregisterSAP
    case closeFamily
    /// The family could not be closed: somebody was just creating a connection.
    case closeFamilyLater
    case unbind
  }

  /// How often a step is tried that something else stands in the way of for a moment: some seconds in all.
  private static let attempts = 56

  private struct State {
    var phase = Phase.waitingForFamily
    /// Asked to close before it was open.
    var closing: CloseReason?
    var attempts = 0
    var familyNumber = AddressFamily(number: TransportLink.family)
    var adapter = Handle(rawValue: 0)
    var binding = Handle(rawValue: 0)
    var family = Handle(rawValue: 0)
    var sap = Handle(rawValue: 0)
    var halt: (@Sendable () -> Void)?
    var whenClosed: (@Sendable () -> Void)?
  }

  public let name: String
  /// The thread that brings a close may run providers' last calls.
  let mayWait: Bool
  /// Held by each virtual connection.
  let gate = RundownGate()
  /// Resolved when the link is closed, or can't be.
  public let ended = Promise<Phase>()
  private let layer: SessionLayer
  private let state = Locked<State>(State())
  private let context = Locked<Handle?>(nil)
  /// The service access point has no address of its own: a transport has one host.
  private nonisolated(unsafe) let address = UnsafeMutablePointer<CO_SAP>.allocate(capacity: 1)

  init(_ name: String, layer: SessionLayer, mayWait: Bool) {
    self.name = name
    self.layer = layer
    self.mayWait = mayWait
    address.initialize(to: CO_SAP(SapType: UInt32(SAP_TYPE_NSP), SapLength: 0, Sap: (0)))
  }

  deinit { address.deallocate() }

  /// One of its connections, for people.
  func text(of snapshot: CallSnapshot) -> String {
    "transport \(name), connection \(snapshot.number), \(snapshot.state.text)"
  }

  /// Virtual connections that are there.
  public var connections: Int { gate.occupants }

  public var phase: Phase { state.withLock { $0.phase } }

  /// Calls may arrive as soon as the transport knows the service access point (condis.md §6.5).
  var isAccepting: Bool {
    state.withLock { ($0.phase == .open || $0.phase == .registeringSAP) && $0.closing == nil }
  }

  // MARK: Up

  /// Creates the transport's adapter, has the transport initialise, and binds to it. Calls out.
  /// - Parameters:
  ///   - initialize: Gets the adapter; registers the address family, now or later.
  ///   - halt: Called once, when the transport is not called any more.
  func open(
    _ manager: any CallManager, context owner: DriverContext, initialize: (Handle) -> NDISStatus,
    halt: @escaping @Sendable () -> Void = {}
  ) -> NDISStatus {
    let calls = layer.calls
    guard let own = layer.links.insert(self) else { return .resources }
    context.withLock { $0 = own }
    guard let adapter = calls.createAdapter(owner, callManager: manager) else {
      forget()
      return .resources
    }
    state.withLock { $0.adapter = adapter }
    let status = initialize(adapter)
    guard status == .success else {
      _ = calls.haltAdapter(adapter)
      forget()
      return status
    }
    state.withLock { $0.halt = halt }
    let bound = calls.openAdapter(
      adapter, client: layer, context: DriverContext(own.pointer),
      issued: { binding in if let binding { state.withLock { $0.binding = binding } } })
    if bound != .success { perform(.unbind) }
    return bound
  }

  /// Calls through this link see nothing of it any more.
  private func forget() {
    if let own = context.withLock({ $0.take() }) { _ = layer.links.remove(own) }
  }

  func familyIsThere(_ family: AddressFamily) {
    let isFirst = state.withLock { state in
      guard state.phase == .waitingForFamily else { return false }
      state.phase = .openingFamily
      state.familyNumber = family
      return true
    }
    if isFirst { perform(.openFamily) }
  }

  // MARK: Down

  /// Ends every call with the reason, then takes the link down; later calls are refused. Returns without waiting: see `ended`.
  /// Calls out.
  public func close(_ reason: CloseReason) {
    let action: Action = state.withLock { state in
      guard state.closing == nil else { return .none }
      state.closing = reason
      return Self.next(&state)
    }
    perform(action)
  }

  /// Sets what is done, once, when the transport is not called any more. Set before `close`.
  func whenClosed(_ action: @escaping @Sendable () -> Void) {
    let isClosed = state.withLock { state in
      if state.phase != .closed { state.whenClosed = action }
      return state.phase == .closed
    }
    if isClosed { action() }
  }

  // MARK: Phases

  /// A step was answered. One that is not the current one says nothing.
  func done(_ step: Phase, _ status: NDISStatus) {
    let action: Action = state.withLock { state in
      guard state.phase == step else { return .none }
      switch (step, status == .success) {
      case (.openingFamily, true):
        state.phase = .registeringSAP
        return .registerSAP
      case (.openingFamily, false), (.closingFamily, true):
        state.phase = .unbinding
        return .unbind
      case (.registeringSAP, true):
        state.phase = .open
        return Self.next(&state)
      case (.registeringSAP, false), (.deregisteringSAP, true):
        state.phase = .closingFamily
        return .closeFamily
      case (.closingFamily, false) where status == .failure && state.attempts < Self.attempts:
        state.attempts += 1
        return .closeFamilyLater
      case (.draining, _):
        state.phase = .deregisteringSAP
        return .deregisterSAP
      default:
        state.phase = .stuck(status)
        return .none
      }
    }
    perform(action)
    if case .stuck = phase { ended.resolve(phase) }
  }

  /// What a wish to close means for a link at rest.
  private static func next(_ state: inout State) -> Action {
    switch state.phase {
    case .waitingForFamily where state.closing != nil:
      state.phase = .unbinding
      return .unbind
    case .open where state.closing != nil:
      state.phase = .draining
      return .drain
    default: return .none
    }
  }

  private func perform(_ action: Action) {
    let calls = layer.calls
    let (binding, family, sap) = state.withLock { ($0.binding, $0.family, $0.sap) }
    let own = DriverContext(context.withLock { $0?.pointer })
    switch action {
    case .none: break
    case .openFamily:
      let number = state.withLock { $0.familyNumber }
      answer(
        .openingFamily,
        calls.openAddressFamily(
          binding, number, context: own, issued: { family in if let family { state.withLock { $0.family = family } } }))
    case .registerSAP:
      answer(
        .registeringSAP,
        calls.registerSAP(
          family, context: own, PassedPointer(address), issued: { sap in if let sap { state.withLock { $0.sap = sap } } }))
    case .drain: drain()
    case .deregisterSAP: answer(.deregisteringSAP, calls.deregisterSAP(sap))
    case .closeFamily: answer(.closingFamily, calls.closeAddressFamily(family))
    case .closeFamilyLater: later(state.withLock { $0.attempts }) { self.perform(.closeFamily) }
    // Whoever completed the last step is inside the transport, which is halted now.
    case .unbind: if mayWait { unbind() } else { HostThreads.run { self.unbind() } }
    }
  }

  private func answer(_ step: Phase, _ status: NDISStatus) { if status != .pending { done(step, status) } }

  private func drain() {
    let reason = state.withLock { $0.closing } ?? .shuttingDown
    for snapshot in layer.calls.calls where snapshot.canBeClosed && layer.call(snapshot)?.link === self {
      layer.close(snapshot.handle, reason)
    }
    let isEmpty = gate.closeReportingEmpty(orWhenDrained: { [self] in
      // Whoever deletes the last connection is inside the transport, which must not find itself being taken down there.
      HostThreads.run { self.done(.draining, .success) }
    })
    if isEmpty { done(.draining, .success) }
  }

  private func unbind() {
    let (adapter, binding, halt) = state.withLock { state in
      defer { state.halt = nil }
      return (state.adapter, state.binding, state.halt)
    }
    // A deletion that is still on its way out elsewhere holds the binding for a moment.
    persist(
      { self.layer.calls.closeAdapter(binding) },
      then: {
        halt?()
        self.persist({ self.layer.calls.haltAdapter(adapter) }, then: { self.isUnbound() })
      })
  }

  private func isUnbound() {
    forget()
    let action = state.withLock { state in
      state.phase = .closed
      return state.whenClosed.take()
    }
    ended.resolve(.closed)
    action?()
  }

  /// Tries a step until it is taken, then goes on: at once on this thread where nothing stands in the way.
  private func persist(
    _ step: @escaping @Sendable () -> NDISStatus, _ attempt: Int = 1, then: @escaping @Sendable () -> Void
  ) {
    if step() != .notAccepted { return then() }
    guard attempt < Self.attempts else { return giveUp(.notAccepted) }
    later(attempt) { self.persist(step, attempt + 1, then: then) }
  }

  /// The more attempts there were, the later: from a millisecond to a tenth of a second.
  private func later(_ attempt: Int, _ action: @escaping @Sendable () -> Void) {
    HostTimers.after(.milliseconds(min(1 << min(attempt - 1, 7), 100)), action)
  }

  /// The transport stays as it is; nothing of it is unloaded.
  private func giveUp(_ status: NDISStatus) {
    state.withLock { $0.phase = .stuck(status) }
    ended.resolve(.stuck(status))
  }
}
