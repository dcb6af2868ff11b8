import Rundown
import Synchronization

/// Connection-oriented call management (condis.md): adapters, address families, service access points, virtual connections, calls
/// and parties, between clients and call managers. Signalling only: no data passes through it.
///
/// Any thread may call, also from inside a callback; callbacks run on the thread that causes them, and no lock is held meanwhile.
/// Nothing waits. Several can live in one process; `shared` is the one behind the C functions.
public final class CoNDIS: Sendable {
  public static let shared = CoNDIS()

  /// What drivers did that has no effect (condis.md §16): how often, and the latest in words.
  public struct Diagnostics: Sendable {
    public var count = 0
    public var latest: [String] = []
    /// The latest illegal transitions, those that were refused with a status included: function, connection, its state, and what came of it.
    public var transitions: [String] = []
  }

  final class Adapter: @unchecked Sendable {
    // Unchecked: the variables belong to the lock of `control`.
    let context: DriverContext
    let miniport: (any ConnectionMiniport)?
    let callManager: (any CallManager)?
    var families: [UInt32: FamilyRegistration] = [:]
    var bindings: [Handle] = []
    var connections = 0
    var isHalted = false

    init(_ context: DriverContext, _ miniport: (any ConnectionMiniport)?, _ callManager: (any CallManager)?) {
      self.context = context
      self.miniport = miniport
      self.callManager = callManager
    }
  }

  struct FamilyRegistration {
    let family: AddressFamily
    let manager: any CallManager
    /// Nil for a miniport call manager.
    let binding: Handle?
    let owner: DriverContext
  }

  final class Binding: @unchecked Sendable {
    // Unchecked: the variables belong to the lock of `control`.
    let adapter: Adapter
    let adapterHandle: Handle
    let client: (any CallClient)?
    let callManager: (any CallManager)?
    let context: DriverContext
    var isClosing = false
    var uses = 0

    init(
      _ adapter: Adapter, _ adapterHandle: Handle, _ client: (any CallClient)?, _ callManager: (any CallManager)?,
      _ context: DriverContext
    ) {
      self.adapter = adapter
      self.adapterHandle = adapterHandle
      self.client = client
      self.callManager = callManager
      self.context = context
    }
  }

  let adapters = HandleTable<Adapter>(kind: 16)
  let bindings = HandleTable<Binding>(kind: 17)
  let families = HandleTable<FamilyOpen>(kind: 18)
  let saps = HandleTable<ServiceAccessPoint>(kind: 19)
  let connections = HandleTable<VirtualConnection>(kind: 20)
  let parties = HandleTable<Party>(kind: 21)
  /// Guards adapters, bindings, address families and service access points. Never held together with that of a connection.
  let control = Locked<Void>(())
  /// Requests that were not answered yet, by their memory.
  let requests = Locked<[PassedPointer: OutstandingRequest]>([:])
  private let trouble = Locked<Diagnostics>(Diagnostics())
  private let created = Atomic<UInt64>(0)
  private let ended = Atomic<Int>(0)
  private let illegal = Atomic<Int>(0)

  public init() {}

  public var diagnostics: Diagnostics { trouble.withLock { $0 } }

  /// Calls that have ended: refused, failed or closed.
  public var endedCalls: Int { ended.load(ordering: .relaxed) }
  /// Operations that a state forbids: refused with a status, or ignored and noted.
  public var illegalTransitions: Int { illegal.load(ordering: .relaxed) }

  func nextNumber() -> UInt64 { created.add(1, ordering: .relaxed).newValue }
  func countEndedCall() {
    ended.add(1, ordering: .relaxed)
    ChangeBell.calls.ring()
  }

  /// The answer to a request that the state of its object forbids.
  func refused<Success>(
    _ begun: Result<Success, Refused>, _ vc: VirtualConnection, function: String = #function
  ) -> NDISStatus {
    guard case .failure(let refusal) = begun else { return .success }
    return refused(refusal.status, vc, function: function)
  }

  func refused(_ status: NDISStatus, _ vc: VirtualConnection, function: String = #function) -> NDISStatus {
    illegal.add(1, ordering: .relaxed)
    defer { ChangeBell.calls.ring() }
    let transition = Self.transition(function, vc, "refused with \(status)")
    trouble.withLock { Self.keep(transition, in: &$0.transitions) }
    return status
  }

  /// - Parameter vc: Not locked by the caller.
  func note(_ text: @autoclosure () -> String, _ vc: VirtualConnection? = nil, function: String = #function) {
    let text = text()
    illegal.add(1, ordering: .relaxed)
    let transition = Self.transition(function, vc, text)
    trouble.withLock { trouble in
      trouble.count += 1
      Self.keep(text, in: &trouble.latest)
      Self.keep(transition, in: &trouble.transitions)
    }
  }

  private static func transition(_ function: String, _ vc: VirtualConnection?, _ text: String) -> String {
    let place = vc.map { vc in "connection \(vc.number), \(vc.state.withLock { $0.call.text })" } ?? "no connection"
    return "\(function.prefix { $0 != "(" }), \(place): \(text)"
  }

  private static func keep(_ text: String, in texts: inout [String]) {
    if texts.count == 32 { texts.removeFirst() }
    texts.append(text)
  }

  // MARK: Adapters and bindings

  /// Creates an adapter: of a miniport call manager, or of a miniport under stand-alone call managers.
  public func createAdapter(
    _ context: DriverContext, miniport: (any ConnectionMiniport)? = nil, callManager: (any CallManager)? = nil
  ) -> Handle? {
    adapters.insert(Adapter(context, miniport, callManager))
  }

  /// Removes an adapter that nobody is bound to and that has no connections.
  public func haltAdapter(_ handle: Handle) -> NDISStatus {
    guard let adapter = adapters[handle] else { return .failure }
    let isIdle = control.withLock { _ in
      guard adapter.bindings.isEmpty, adapter.connections == 0 else { return false }
      adapter.isHalted = true
      return true
    }
    guard isIdle else { return .notAccepted }
    return adapters.remove(handle) == nil ? .failure : .success
  }

  /// Binds a protocol driver to an adapter. A client is told of every address family that is registered already. Calls out.
  public func openAdapter(
    _ handle: Handle, client: (any CallClient)? = nil, callManager: (any CallManager)? = nil, context: DriverContext,
    issued: (Handle?) -> Void = { _ in }
  ) -> NDISStatus {
    guard let adapter = adapters[handle] else {
      issued(nil)
      return .failure
    }
    let binding = Binding(adapter, handle, client, callManager, context)
    guard let bound = bindings.insert(binding) else {
      issued(nil)
      return .resources
    }
    // Before the adapter knows of it: whoever is told of a family there uses the handle.
    issued(bound)
    let families: [AddressFamily]? = control.withLock { _ in
      guard !adapter.isHalted else { return nil }
      adapter.bindings.append(bound)
      return adapter.families.values.map(\.family).sorted { $0.number < $1.number }
    }
    guard let families else {
      _ = bindings.remove(bound)
      issued(nil)
      return .failure
    }
    if let client { for family in families { client.addressFamilyRegistered(context, family) } }
    return .success
  }

  /// Unbinds. Refused as long as address families are open through the binding.
  public func closeAdapter(_ handle: Handle) -> NDISStatus {
    guard let binding = bindings[handle] else { return .failure }
    let isFree = control.withLock { _ in
      guard binding.uses == 0 else { return false }
      binding.isClosing = true
      binding.adapter.bindings.removeAll { $0 == handle }
      binding.adapter.families = binding.adapter.families.filter { $0.value.binding != handle }
      return true
    }
    guard isFree else { return .notAccepted }
    return bindings.remove(handle) == nil ? .failure : .success
  }

  // MARK: Address families

  /// `NdisCmRegisterAddressFamilyEx`: a stand-alone call manager offers an address family. Tells every client of the adapter.
  public func registerAddressFamily(binding handle: Handle, _ family: AddressFamily) -> NDISStatus {
    guard let binding = bindings[handle], let manager = binding.callManager else { return .failure }
    return register(
      FamilyRegistration(family: family, manager: manager, binding: handle, owner: binding.context), binding.adapter,
      mayRegister: { !binding.isClosing })
  }

  /// `NdisMCmRegisterAddressFamilyEx`: a miniport call manager does. It takes the place of a stand-alone one that was there first: clients are
  /// told again, and what they open from then on is the miniport's; what they have open stays as it is until they close it.
  public func registerAddressFamily(adapter handle: Handle, _ family: AddressFamily) -> NDISStatus {
    guard let adapter = adapters[handle], let manager = adapter.callManager else { return .failure }
    return register(
      FamilyRegistration(family: family, manager: manager, binding: nil, owner: adapter.context), adapter, mayRegister: { true })
  }

  private func register(_ registration: FamilyRegistration, _ adapter: Adapter, mayRegister: () -> Bool) -> NDISStatus {
    let number = registration.family.number
    let bound: [Handle]? = control.withLock { _ in
      let isDisplaced = registration.binding == nil && adapter.families[number]?.binding != nil
      guard mayRegister(), !adapter.isHalted, adapter.families[number] == nil || isDisplaced else { return nil }
      adapter.families[number] = registration
      return adapter.bindings
    }
    guard let bound else { return .failure }
    for binding in bound.compactMap({ bindings[$0] }) {
      binding.client?.addressFamilyRegistered(binding.context, registration.family)
    }
    return .success
  }

  /// `NdisClOpenAddressFamilyEx`.
  /// - Parameter issued: Gets the handle before the call manager is asked, and nil after a failure.
  public func openAddressFamily(
    _ handle: Handle, _ family: AddressFamily, context: DriverContext, issued: (Handle?) -> Void
  ) -> NDISStatus {
    guard let binding = bindings[handle], let client = binding.client else {
      issued(nil)
      return .failure
    }
    let registration: FamilyRegistration? = control.withLock { _ in
      guard !binding.isClosing, let registration = binding.adapter.families[family.number] else { return nil }
      binding.uses += 1
      if let manager = registration.binding { bindings[manager]?.uses += 1 }
      return registration
    }
    guard let registration else {
      issued(nil)
      return .failure
    }
    let open = FamilyOpen(
      family: family, client: client, clientBinding: handle, manager: registration.manager,
      managerBinding: registration.binding,
      // A miniport call manager moves its data itself.
      miniport: registration.binding == nil ? nil : binding.adapter.miniport, clientContext: context)
    guard let opened = families.insert(open) else {
      releaseBindings(open)
      issued(nil)
      return .resources
    }
    control.withLock { _ in open.handle = opened }
    issued(opened)
    let (status, managerContext) = registration.manager.openAddressFamily(registration.owner, family, opened)
    let isOutstanding = control.withLock { _ in
      guard open.operation != 0 else { return false }
      if status == .pending { return false }
      open.operation = 0
      if status == .success {
        open.managerContext = managerContext
        open.state = .open
      }
      return true
    }
    guard isOutstanding else { return .pending }
    if status != .success {
      destroy(opened, open)
      issued(nil)
    }
    return status
  }

  /// `Ndis(M)CmOpenAddressFamilyComplete`. Calls the client.
  public func openAddressFamilyComplete(_ status: NDISStatus, _ handle: Handle, context: DriverContext) {
    guard let open = families[handle], status != .pending,
      control.withLock({ _ in
        guard open.state == .opening, open.operation != 0 else { return false }
        open.operation = 0
        if status == .success {
          open.managerContext = context
          open.state = .open
        }
        return true
      })
    else { return note("open of an address family completed out of place") }
    if status != .success { destroy(handle, open) }
    open.client.openAddressFamilyComplete(open.clientContext, status == .success ? handle : nil, status)
  }

  func destroy(_ handle: Handle, _ open: FamilyOpen) {
    control.withLock { _ in open.state = .closed }
    if families.remove(handle) != nil { releaseBindings(open) }
  }

  /// Once: the binding can be closed from here on.
  private func releaseBindings(_ open: FamilyOpen) {
    control.withLock { _ in
      guard open.holdsBindings else { return }
      open.holdsBindings = false
      bindings[open.clientBinding]?.uses -= 1
      if let manager = open.managerBinding { bindings[manager]?.uses -= 1 }
    }
  }

  /// `NdisClCloseAddressFamily`. Refused while service access points, connections of the client's own, or calls are left; idle
  /// connections of the call manager's are its own affair until it completes the close.
  public func closeAddressFamily(_ handle: Handle) -> NDISStatus {
    guard let open = families[handle],
      let left = control.withLock({ _ -> Int? in
        guard open.state == .open, open.saps == 0 else { return nil }
        // From here on no connection is created.
        open.state = .closing
        return open.connections
      })
    else { return .failure }
    // One that is counted and not found yet is being created.
    let isFree = left == 0 || connections.values.count { $0.family === open && $0.isIdleAndForeign } == left
    let mayClose = control.withLock { _ in
      open.state = isFree ? .closing : .open
      open.operation = isFree ? 1 : 0
      return isFree
    }
    guard mayClose else { return .failure }
    let status = open.manager.closeAddressFamily(open.managerContext)
    if status == .pending { return .pending }
    guard
      control.withLock({ _ in
        guard open.operation != 0 else { return false }
        open.operation = 0
        return true
      })
    else { return .pending }
    finishClose(handle, open, status)
    return status
  }

  /// `Ndis(M)CmCloseAddressFamilyComplete`. Calls the client.
  public func closeAddressFamilyComplete(_ status: NDISStatus, _ handle: Handle) {
    guard let open = families[handle], status != .pending,
      control.withLock({ _ in
        guard open.state == .closing, open.operation != 0 else { return false }
        open.operation = 0
        return true
      })
    else { return note("close of an address family completed out of place") }
    finishClose(handle, open, status)
    open.client.closeAddressFamilyComplete(status, open.clientContext)
  }

  private func finishClose(_ handle: Handle, _ open: FamilyOpen, _ status: NDISStatus) {
    guard status == .success else { return control.withLock { _ in open.state = .open } }
    let isNotifying = control.withLock { _ in
      open.state = .closed
      return open.notification != 0
    }
    let isLeftBehind = control.withLock { _ in open.connections > 0 }
    if isLeftBehind { note("an address family was closed before its connections were deleted") }
    // Connections that were left behind need their client. The notification's completion still takes the handle.
    if !isLeftBehind { releaseBindings(open) }
    if !isNotifying, !isLeftBehind { destroy(handle, open) }
  }

  /// `Ndis(M)CmNotifyCloseAddressFamily`: asks the client to close. Calls the client.
  public func notifyCloseAddressFamily(_ handle: Handle) -> NDISStatus {
    guard let open = families[handle],
      control.withLock({ _ in
        guard open.state == .open, open.notification == 0 else { return false }
        open.notification = 1
        return true
      })
    else { return .failure }
    let status = open.client.notifyCloseAddressFamily(open.clientContext)
    if status == .pending { return .pending }
    return endNotification(handle, open) ? status : .pending
  }

  /// `NdisClNotifyCloseAddressFamilyComplete`: legal after the close too. Calls the call manager.
  public func notifyCloseAddressFamilyComplete(_ handle: Handle, _ status: NDISStatus) {
    guard let open = families[handle], status != .pending, endNotification(handle, open) else {
      return note("a close notification completed out of place")
    }
    open.manager.notifyCloseAddressFamilyComplete(open.managerContext, status)
  }

  private func endNotification(_ handle: Handle, _ open: FamilyOpen) -> Bool {
    let (wasOutstanding, isClosed) = control.withLock { _ in
      defer { open.notification = 0 }
      return (open.notification != 0, open.state == .closed)
    }
    if wasOutstanding, isClosed, control.withLock({ _ in open.connections == 0 }) { destroy(handle, open) }
    return wasOutstanding
  }

  // MARK: Service access points

  /// `NdisClRegisterSap`.
  public func registerSAP(
    _ family: Handle, context: DriverContext, _ address: PassedPointer, issued: (Handle?) -> Void
  ) -> NDISStatus {
    guard let open = families[family], address.pointer != nil,
      control.withLock({ _ in
        guard open.state == .open else { return false }
        open.saps += 1
        return true
      })
    else {
      issued(nil)
      return .failure
    }
    let sap = ServiceAccessPoint(family: open, address: address, clientContext: context)
    guard let handle = saps.insert(sap) else {
      control.withLock { _ in open.saps -= 1 }
      issued(nil)
      return .resources
    }
    issued(handle)
    let (status, managerContext) = open.manager.registerSAP(open.managerContext, address, handle)
    if status == .pending { return .pending }
    guard settleRegistration(handle, sap, status, managerContext) else { return .pending }
    if status != .success { issued(nil) }
    return status
  }

  /// `Ndis(M)CmRegisterSapComplete`. Calls the client.
  public func registerSAPComplete(_ status: NDISStatus, _ handle: Handle, context: DriverContext) {
    guard let sap = saps[handle], status != .pending, settleRegistration(handle, sap, status, context) else {
      return note("registration of a service access point completed out of place")
    }
    sap.family.client.registerSAPComplete(status, sap.clientContext, sap.address, status == .success ? handle : nil)
  }

  private func settleRegistration(
    _ handle: Handle, _ sap: ServiceAccessPoint, _ status: NDISStatus, _ context: DriverContext
  ) -> Bool {
    let isFirst = control.withLock { _ in
      guard sap.state == .registering else { return false }
      sap.state = status == .success ? .registered : .gone
      sap.managerContext = context
      if status != .success { sap.family.saps -= 1 }
      return true
    }
    if isFirst, status != .success { _ = saps.remove(handle) }
    return isFirst
  }

  /// `NdisClDeregisterSap`. Calls that came through it stay as they are.
  public func deregisterSAP(_ handle: Handle) -> NDISStatus {
    guard let sap = saps[handle],
      control.withLock({ _ in
        guard sap.state == .registered else { return false }
        sap.state = .deregistering
        // Its address family can be closed from here on (condis.md §6.3).
        sap.family.saps -= 1
        return true
      })
    else { return .failure }
    let status = sap.family.manager.deregisterSAP(sap.managerContext)
    if status == .pending { return .pending }
    return settleDeregistration(handle, sap, status) == .now ? status : .pending
  }

  /// `Ndis(M)CmDeregisterSapComplete`. Calls the client.
  public func deregisterSAPComplete(_ status: NDISStatus, _ handle: Handle) {
    guard let sap = saps[handle], status != .pending else {
      return note("deregistration of a service access point completed out of place")
    }
    switch settleDeregistration(handle, sap, status) {
    case .now: sap.family.client.deregisterSAPComplete(status, sap.clientContext)
    case .whenOffersAreOver: break
    case .outOfPlace: note("deregistration of a service access point completed out of place")
    }
  }

  private enum Settlement {
    case now
    /// The client still looks at an offer through it, and its context is needed until then.
    case whenOffersAreOver
    case outOfPlace
  }

  private func settleDeregistration(_ handle: Handle, _ sap: ServiceAccessPoint, _ status: NDISStatus) -> Settlement {
    let settlement: Settlement = control.withLock { _ in
      guard sap.state == .deregistering, !sap.isAwaited else { return .outOfPlace }
      guard status == .success else {
        sap.state = .registered
        sap.family.saps += 1
        return .now
      }
      if sap.offers > 0 {
        sap.isAwaited = true
        return .whenOffersAreOver
      }
      sap.state = .gone
      return .now
    }
    if settlement == .now, status == .success { _ = saps.remove(handle) }
    return settlement
  }

  /// An offer through a service access point begins; false when it is on its way out.
  func beginOffer(_ sap: ServiceAccessPoint) -> Bool {
    control.withLock { _ in
      guard sap.state == .registered || sap.state == .registering else { return false }
      sap.offers += 1
      return true
    }
  }

  /// The client has answered, or its callback has returned. The last one completes a deregistration that waited. Calls the client.
  func endOffer(_ sap: ServiceAccessPoint, _ handle: Handle) {
    let isOver = control.withLock { _ in
      sap.offers -= 1
      guard sap.offers == 0, sap.isAwaited else { return false }
      sap.isAwaited = false
      sap.state = .gone
      return true
    }
    guard isOver else { return }
    _ = saps.remove(handle)
    sap.family.client.deregisterSAPComplete(.success, sap.clientContext)
  }
}
