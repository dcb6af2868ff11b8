import CWinsock
import Dispatch
import Rundown
import Synchronization

/// The network module registrar (nmr.md): attaches every client module of an interface to every provider module of the same
/// interface, and detaches them in order before one of them goes.
///
/// Any thread may call, also from inside a callback. No lock is held while a module's callback runs. Several registrars can live
/// in one process; `shared` is the one behind the C functions.
public final class ModuleRegistrar: Sendable {
  public static let shared = ModuleRegistrar(number: 0)

  /// How much may be registered before `NmrRegister…` answers `STATUS_INSUFFICIENT_RESOURCES`.
  public struct Limits: Sendable {
    public var registrations: Int
    public var bindings: Int

    public init(registrations: Int = 1 << 20, bindings: Int = 1 << 24) {
      self.registrations = registrations
      self.bindings = bindings
    }
  }

  /// What modules did that the contract does not have (nmr.md §13.6).
  public struct Diagnostics: Sendable, Equatable {
    public var ignoredCompletions = 0
    public var unexpectedDetachStatuses = 0
    public var successesWithoutAttach = 0
    public var failuresAfterAttach = 0
    public var repeatedDeregistrations = 0

    public init() {}
  }

  private struct Interface {
    var clients = LinkedSlots<ClientRegistration>()
    var providers = LinkedSlots<ProviderRegistration>()
  }

  private struct State {
    var interfaces: [InterfaceID: Interface] = [:]
    var registrations: [ModuleHandle: ModuleRegistration] = [:]
    var bindings: [ModuleHandle: ModuleBinding] = [:]
    var lastClient: UInt64 = 0
    var lastProvider: UInt64 = 0
    var lastBinding: UInt64 = 0
    var diagnostics = Diagnostics()
  }

  private let number: UInt64
  private let limits: Limits
  private let state = Locked<State>(State())
  private static let registrars = Atomic<UInt64>(0)

  public convenience init(limits: Limits = Limits()) {
    let (_, number) = Self.registrars.add(1, ordering: .relaxed)
    precondition(number < 1 << 15, "too many registrars in one process")
    self.init(number: number, limits: limits)
  }

  private init(number: UInt64, limits: Limits = Limits()) {
    self.number = number
    self.limits = limits
  }

  public var diagnostics: Diagnostics { state.withLock { $0.diagnostics } }

  /// Everything that is registered and bound at this moment.
  public var snapshot: RegistrarSnapshot {
    state.withLock { state in
      RegistrarSnapshot(registrations: Array(state.registrations.values), bindings: Array(state.bindings.values))
    }
  }

  // MARK: Registering

  /// Registers a client and offers it every provider of its interface, oldest first, on this thread. Calls out.
  /// - Parameter characteristics: Stays the caller's, and in place until deregistration is complete.
  /// - Parameter issued: Gets the handle before the first callback.
  public func registerClient(
    _ characteristics: UnsafePointer<NPI_CLIENT_CHARACTERISTICS>, context: UnsafeMutableRawPointer? = nil,
    issued: (ModuleHandle) -> Void
  ) throws(NTStatus) {
    guard let client = ClientRegistration(characteristics, context: context) else { throw .invalidParameter }
    let proposed = state.withLock { state -> [ModuleBinding]? in
      let peers = state.interfaces[client.npi]?.providers
      guard hasRoom(state, for: peers?.count ?? 0), state.lastClient < ModuleHandle.maximumSerial else { return nil }
      state.lastClient += 1
      client.handle = ModuleHandle(kind: .client, serial: state.lastClient, registrar: number)
      state.registrations[client.handle] = client
      client.place = state.interfaces[client.npi, default: Interface()].clients.append(client)
      var proposed: [ModuleBinding] = []
      for peer in peers ?? LinkedSlots() { proposed.append(propose(&state, client, peer)) }
      return proposed
    }
    guard let proposed else { throw .insufficientResources }
    ChangeBell.modules.ring()
    issued(client.handle)
    for binding in proposed { attach(binding) }
  }

  /// Registers a provider and offers it to every client of its interface, oldest first, on this thread. Calls out.
  /// - Parameter characteristics: Stays the caller's, and in place until deregistration is complete.
  /// - Parameter issued: Gets the handle before the first callback.
  public func registerProvider(
    _ characteristics: UnsafePointer<NPI_PROVIDER_CHARACTERISTICS>, context: UnsafeMutableRawPointer? = nil,
    issued: (ModuleHandle) -> Void
  ) throws(NTStatus) {
    guard let provider = ProviderRegistration(characteristics, context: context) else { throw .invalidParameter }
    let proposed = state.withLock { state -> [ModuleBinding]? in
      let peers = state.interfaces[provider.npi]?.clients
      guard hasRoom(state, for: peers?.count ?? 0), state.lastProvider < ModuleHandle.maximumSerial else { return nil }
      state.lastProvider += 1
      provider.handle = ModuleHandle(kind: .provider, serial: state.lastProvider, registrar: number)
      state.registrations[provider.handle] = provider
      provider.place = state.interfaces[provider.npi, default: Interface()].providers.append(provider)
      var proposed: [ModuleBinding] = []
      for peer in peers ?? LinkedSlots() { proposed.append(propose(&state, peer, provider)) }
      return proposed
    }
    guard let proposed else { throw .insufficientResources }
    ChangeBell.modules.ring()
    issued(provider.handle)
    for binding in proposed { attach(binding) }
  }

  private func hasRoom(_ state: borrowing State, for bindings: Int) -> Bool {
    state.registrations.count < limits.registrations && state.bindings.count + bindings <= limits.bindings
  }

  /// Row 1.
  private func propose(_ state: inout State, _ client: ClientRegistration, _ provider: ProviderRegistration) -> ModuleBinding {
    state.lastBinding += 1
    let handle = ModuleHandle(kind: .binding, serial: state.lastBinding, registrar: number)
    let binding = ModuleBinding(handle: handle, client: client, provider: provider)
    state.bindings[handle] = binding
    client.openBindings += 1
    provider.openBindings += 1
    return binding
  }

  // MARK: Attaching

  /// Offers the provider to the client (nmr.md §8.2). Calls out.
  private func attach(_ binding: ModuleBinding) {
    perform(advance(binding, .turnCame(isDeregistering: binding.isDeregistering)), binding)
  }

  /// `NmrClientAttachProvider`: attaches the client of an offered binding. Calls the provider.
  /// - Returns: What the provider's attach callback returned, or why it was not called.
  public func attachProvider(
    _ handle: ModuleHandle, clientContext: UnsafeMutableRawPointer?, clientDispatch: UnsafeRawPointer?,
    attached: (_ providerContext: UnsafeMutableRawPointer?, _ providerDispatch: UnsafeRawPointer?) -> Void
  ) -> NTStatus {
    let found = state.withLock { state -> (ModuleBinding, BindingState.Effect)? in
      guard let binding = state.bindings[handle] else { return nil }
      return (binding, binding.state.handle(.attachRequested(isDeregistering: binding.isDeregistering)))
    }
    guard let (binding, effect) = found else { return .invalidParameter }
    if case .answer(let status) = effect { return status }
    var context: UnsafeMutableRawPointer?
    var dispatch: UnsafeRawPointer?
    let (client, provider) = (binding.client, binding.provider)
    let answer = CallbackFrames.run(binding) {
      NTStatus(
        rawValue: provider.attach(
          binding.handle.handle, provider.context, client.instance, clientContext, clientDispatch, &context, &dispatch))
    }
    state.withLock { _ in
      _ = binding.state.handle(.providerAnswered(isAttached: answer == .success))
      guard answer == .success else { return }
      binding.clientContext = clientContext
      binding.providerContext = context
    }
    ChangeBell.modules.ring()
    if answer == .success { attached(context, dispatch) }
    return answer
  }

  // MARK: Detaching

  /// `NmrClientDetachProviderComplete`, `NmrProviderDetachClientComplete`: a detach that was pending is done. Calls out: the
  /// last one to say so runs the cleanup callbacks. Out of place it is ignored and counted.
  public func detachComplete(_ handle: ModuleHandle, role: ModuleRole) {
    let found = state.withLock { state -> (ModuleBinding, BindingState.Effect)? in
      guard let binding = state.bindings[handle] else {
        state.diagnostics.ignoredCompletions += 1
        return nil
      }
      let effect = binding.state.handle(role == .client ? .clientCompletes : .providerCompletes)
      if effect == .ignore { state.diagnostics.ignoredCompletions += 1 }
      return (binding, effect)
    }
    if let (binding, effect) = found { perform(effect, binding) }
  }

  /// Moves a binding on; what follows is performed without the lock.
  private func advance(_ binding: ModuleBinding, _ event: @autoclosure () -> BindingState.Event) -> BindingState.Effect {
    defer { ChangeBell.modules.ring() }
    return state.withLock { state in
      let effect = binding.state.handle(event())
      switch effect {
      case .link:
        binding.placeAtClient = binding.client.attached.append(binding)
        binding.placeAtProvider = binding.provider.attached.append(binding)
      case .discard(clientClaimedSuccess: true): state.diagnostics.successesWithoutAttach += 1
      case .detach(callsClient: false): state.diagnostics.failuresAfterAttach += 1
      default: break
      }
      return effect
    }
  }

  private func perform(_ effect: BindingState.Effect, _ binding: ModuleBinding) {
    let (client, provider) = (binding.client, binding.provider)
    switch effect {
    case .nothing, .link, .ignore, .answer, .callProviderAttach: break
    case .callClientAttach:
      let answer = CallbackFrames.run(binding) { client.attach(binding.handle.handle, client.context, provider.instance) }
      perform(
        advance(binding, .clientAnswered(isSuccess: answer == STATUS_SUCCESS, isDeregistering: binding.isDeregistering)), binding)
    case .detach(let callsClient):
      if callsClient {
        let answer = CallbackFrames.run(binding) { client.detach(binding.clientContext) }
        note(answer)
        _ = advance(binding, .clientDetachReturned(isPending: answer == STATUS_PENDING))
      }
      let answer = CallbackFrames.run(binding) { provider.detach(binding.providerContext) }
      note(answer)
      perform(advance(binding, .providerDetachReturned(isPending: answer == STATUS_PENDING)), binding)
    case .cleanUp(let callsClient):
      if callsClient, let cleanup = client.cleanup {
        CallbackFrames.run(binding) { cleanup(binding.clientContext) }
      }
      if let cleanup = provider.cleanup { CallbackFrames.run(binding) { cleanup(binding.providerContext) } }
      perform(advance(binding, .cleanedUp), binding)
    case .close, .discard: close(binding)
    }
  }

  private func note(_ detachStatus: NTSTATUS) {
    guard detachStatus != STATUS_SUCCESS, detachStatus != STATUS_PENDING else { return }
    state.withLock { $0.diagnostics.unexpectedDetachStatuses += 1 }
  }

  /// Retires the binding's handle; a deregistration that waited for it may be complete now.
  private func close(_ binding: ModuleBinding) {
    let waiting = state.withLock { state in
      state.bindings[binding.handle] = nil
      binding.client.openBindings -= 1
      binding.provider.openBindings -= 1
      return complete(&state, binding.client) + complete(&state, binding.provider)
    }
    ChangeBell.modules.ring()
    for waiter in waiting { waiter.signal() }
  }

  /// Retires a registration that is deregistering and has nothing left. Answers who is to be woken.
  private func complete(_ state: inout State, _ registration: ModuleRegistration) -> [DispatchSemaphore] {
    guard registration.isDeregistering, !registration.isComplete, registration.openBindings == 0 else { return [] }
    registration.isComplete = true
    state.registrations[registration.handle] = nil
    defer { registration.waiting = [] }
    return registration.waiting
  }

  // MARK: Deregistering

  /// `NmrDeregisterClient`, `NmrDeregisterProvider`: detaches every binding of the registration on this thread. Calls out.
  /// - Returns: Whether everything was done when it returned; if not, `waitForDeregistration` tells when.
  public func deregister(_ handle: ModuleHandle, role: ModuleRole) throws(NTStatus) -> Bool {
    let accepted: Result<(ModuleRegistration, [ModuleBinding]), NTStatus> = state.withLock { state in
      guard let registration = state.registrations[handle], registration.role == role else { return .failure(.invalidParameter) }
      guard !registration.isDeregistering else {
        state.diagnostics.repeatedDeregistrations += 1
        return .failure(.invalidDeviceState)
      }
      registration.isDeregistering = true
      unpair(&state, registration)
      let attached = Array(registration.attached)
      for binding in attached {
        _ = binding.state.handle(.sideDeregisters)
        unlink(binding)
      }
      // Nobody can be waiting yet.
      _ = complete(&state, registration)
      return .success((registration, attached))
    }
    let (registration, attached) = try accepted.get()
    ChangeBell.modules.ring()
    for binding in attached { perform(.detach(callsClient: true), binding) }
    return state.withLock { _ in registration.isComplete }
  }

  /// From now on it is paired with nobody.
  private func unpair(_ state: inout State, _ registration: ModuleRegistration) {
    guard let place = registration.place else { return }
    registration.place = nil
    switch registration.role {
    case .client: state.interfaces[registration.npi]?.clients.remove(at: place)
    case .provider: state.interfaces[registration.npi]?.providers.remove(at: place)
    }
    if let interface = state.interfaces[registration.npi], interface.clients.count == 0, interface.providers.count == 0 {
      state.interfaces[registration.npi] = nil
    }
  }

  private func unlink(_ binding: ModuleBinding) {
    if let place = binding.placeAtClient { binding.client.attached.remove(at: place) }
    if let place = binding.placeAtProvider { binding.provider.attached.remove(at: place) }
    binding.placeAtClient = nil
    binding.placeAtProvider = nil
  }

  /// `NmrWaitForClientDeregisterComplete`, `NmrWaitForProviderDeregisterComplete`. No deadline: the contract has none, and a module
  /// must not go before it.
  public func waitForDeregistration(_ handle: ModuleHandle, role: ModuleRole) throws(NTStatus) {
    let isInside = CallbackFrames.contains(handle)
    let found: Result<DispatchSemaphore?, NTStatus> = state.withLock { state in
      guard let registration = state.registrations[handle] else {
        return wasIssued(handle, role, state) ? .success(nil) : .failure(.invalidParameter)
      }
      guard registration.role == role, registration.isDeregistering else { return .failure(.invalidParameter) }
      if isInside { return .failure(.possibleDeadlock) }
      let arrived = DispatchSemaphore(value: 0)
      registration.waiting.append(arrived)
      return .success(arrived)
    }
    try found.get()?.wait()
  }

  private func wasIssued(_ handle: ModuleHandle, _ role: ModuleRole, _ state: borrowing State) -> Bool {
    let last = role == .client ? state.lastClient : state.lastProvider
    return handle.registrar == number && handle.kind == (role == .client ? .client : .provider)
      && (1...max(last, 1)).contains(handle.serial) && last > 0
  }
}
