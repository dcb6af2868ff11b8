import CWinsock
import ModuleRegistrar
import Providers
import QuerySets
import Sessions

/// What is registered and bound in a host, with the names that the host knows, and what is detached but still mapped.
public struct ModulesReport: Sendable {
  public struct Interface: Sendable {
    /// Nil for an interface that the host has no name for.
    public var name: String?
    public var id: GUID
    public var clients: [String]
    public var providers: [Provider]
  }

  public struct Provider: Sendable {
    public enum State: String, Sendable {
      case bound
      case attaching
      case detaching
      case unbound
    }

    public var name: String
    public var moduleID: GUID?
    public var path: String?
    public var state: State
    /// Since it was bound, or registered where it is not.
    public var age: Duration
    /// Lookups and registrations in progress; nil for modules of other interfaces.
    public var calls: Int?
    public var sessions: Int?
  }

  /// A provider that was detached and whose file stays mapped.
  public struct Kept: Sendable {
    public var name: String
    /// Nil for a file of which no provider is known any more.
    public var moduleID: GUID?
    public var path: String?
    public var cause: String
    public var age: Duration
  }

  public var interfaces: [Interface]
  public var kept: [Kept]
}

extension ProviderHost {
  /// The modules of this host's registrar at this moment.
  public var modules: ModulesReport {
    let snapshot = registrar.snapshot
    let entries = catalog.entries
    let retired = module.retired
    return ModulesReport(
      interfaces: snapshot.interfaces.map { interface in
        ModulesReport.Interface(
          name: Self.interfaceNames[interface.id], id: interface.id.npiID,
          clients: interface.clients.map { name(ofClient: $0.handle) },
          providers: interface.providers.map { provider in
            let bindings = interface.bindings.filter { $0.provider == provider.handle }
            if let link = bindings.lazy.compactMap({ self.transports[$0.handle] }).first {
              return report(provider, bindings, link)
            }
            return report(provider, bindings, entries, retired.map(\.provider))
          })
      },
      kept: retired.filter { !$0.provider.isBeingDetached(in: snapshot) }.map { kept($0.retired, $0.provider) }
        + module.keptFiles.map { file in .init(file, entries.first { $0.path == file.path }) })
  }

  private static let interfaceNames: [InterfaceID: String] = [InterfaceID(.nspv2): "NSPv2", InterfaceID(.transport): "transport"]

  private func name(ofClient handle: ModuleHandle) -> String {
    module.isRegistration(handle) ? "engine" : transports.isRegistration(handle) ? "sessions" : handle.text
  }

  private func report(
    _ registered: RegistrarSnapshot.Module, _ bindings: [RegistrarSnapshot.Binding], _ link: TransportLink
  ) -> ModulesReport.Provider {
    ModulesReport.Provider(
      name: link.name, moduleID: registered.moduleID, path: module.path(of: registered.code),
      state: .init(bindings.first?.state), age: bindings.first?.age ?? registered.age, calls: link.connections,
      sessions: link.connections)
  }

  private func report(
    _ registered: RegistrarSnapshot.Module, _ bindings: [RegistrarSnapshot.Binding], _ entries: [Catalog.Entry],
    _ retired: [Providers.Provider]
  ) -> ModulesReport.Provider {
    let entry = entries.first { $0.id == registered.moduleID }
    let binding = bindings.first
    let provider = binding?.state == .detaching ? retired.last { $0.id == registered.moduleID } : entry?.provider
    return ModulesReport.Provider(
      name: provider?.name ?? entry?.manifest.displayName ?? registered.handle.text, moduleID: registered.moduleID,
      path: provider?.file?.path ?? entry.flatMap { $0.path.isEmpty ? nil : $0.path },
      state: .init(binding?.state),
      age: binding?.age ?? registered.age, calls: provider?.calls.occupants, sessions: provider?.gate.occupants)
  }

  private func kept(_ retired: EngineModule.Retired, _ provider: Providers.Provider) -> ModulesReport.Kept {
    let unanswered = AsyncCall.unfinished.values.count { $0.provider === provider }
    let cause: String
    if unanswered > 0 {
      cause = unanswered == 1 ? "1 call was never completed" : "\(unanswered) calls were never completed"
    } else if provider.gate.occupants > 0 {
      cause = "a routine has not returned"
    } else {
      cause = "it is being let go"
    }
    return ModulesReport.Kept(
      name: retired.name, moduleID: retired.id, path: retired.path, cause: cause, age: MonotonicTime.now - retired.since)
  }
}

extension ModulesReport.Kept {
  /// Something of the file still runs, though nobody calls it.
  fileprivate init(_ file: MappedFiles.Kept, _ entry: Catalog.Entry?) {
    let name = entry?.manifest.displayName ?? String(file.path.split(separator: "/").last ?? "")
    self.init(name: name, moduleID: entry?.id, path: file.path, cause: file.cause, age: MonotonicTime.now - file.since)
  }
}

extension ModulesReport.Provider.State {
  fileprivate init(_ state: RegistrarSnapshot.Binding.State?) {
    switch state {
    case .bound?: self = .bound
    case .attaching?: self = .attaching
    case .detaching?: self = .detaching
    case nil: self = .unbound
    }
  }
}

extension Providers.Provider {
  /// Whether the registrar still has a detach of this one going on.
  fileprivate func isBeingDetached(in snapshot: RegistrarSnapshot) -> Bool {
    snapshot.interfaces.contains { interface in
      interface.bindings.contains { binding in
        binding.state == .detaching && interface.providers.contains { $0.handle == binding.provider && $0.moduleID == id }
      }
    }
  }
}

extension ModuleHandle {
  /// For modules that nobody has given a name.
  fileprivate var text: String { "0x" + String(rawValue, radix: 16) }
}
