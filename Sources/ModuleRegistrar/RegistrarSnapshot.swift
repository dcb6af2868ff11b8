import CWinsock

/// What was registered and bound at one moment, in the order of registration.
public struct RegistrarSnapshot: Sendable {
  public struct Interface: Sendable {
    public var id: InterfaceID
    public var clients: [Module]
    public var providers: [Module]
    public var bindings: [Binding]
  }

  public struct Module: @unchecked Sendable {
    // Unchecked: the address of code is a number here, never followed.
    public var handle: ModuleHandle
    public var role: ModuleRole
    /// Nil when the module gave none, or one that is not a GUID.
    public var moduleID: GUID?
    public var isDeregistering: Bool
    /// Where its attach callback is: tells which file the module belongs to.
    public var code: UnsafeRawPointer
    public var age: Duration
  }

  public struct Binding: Sendable {
    public enum State: String, Sendable {
      case attaching
      case bound
      case detaching
    }

    public var handle: ModuleHandle
    public var client: ModuleHandle
    public var provider: ModuleHandle
    public var state: State
    /// Since the pair was proposed.
    public var age: Duration
  }

  public var interfaces: [Interface]

  init(registrations: [ModuleRegistration], bindings: [ModuleBinding]) {
    let now = ContinuousClock.now
    var order: [InterfaceID] = []
    var interfaces: [InterfaceID: Interface] = [:]
    for registration in registrations.sorted(by: { $0.registeredAt < $1.registeredAt }) {
      if interfaces[registration.npi] == nil {
        order.append(registration.npi)
        interfaces[registration.npi] = Interface(id: registration.npi, clients: [], providers: [], bindings: [])
      }
      let module = Module(
        handle: registration.handle, role: registration.role, moduleID: registration.moduleID,
        isDeregistering: registration.isDeregistering, code: registration.code, age: now - registration.registeredAt)
      switch registration.role {
      case .client: interfaces[registration.npi]?.clients.append(module)
      case .provider: interfaces[registration.npi]?.providers.append(module)
      }
    }
    for binding in bindings.sorted(by: { $0.handle.rawValue < $1.handle.rawValue }) {
      let state: Binding.State
      switch binding.state.phase {
      case .proposed, .attaching, .half: state = .attaching
      case .attached: state = .bound
      case .detaching, .cleanup, .closed: state = .detaching
      }
      interfaces[binding.client.npi]?.bindings.append(
        Binding(
          handle: binding.handle, client: binding.client.handle, provider: binding.provider.handle, state: state,
          age: now - binding.proposedAt))
    }
    self.interfaces = order.compactMap { interfaces[$0] }
  }
}
