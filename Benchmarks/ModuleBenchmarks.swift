import CWinsock
import Foundation
import ModuleRegistrar
import Providers
import Rundown

/// A module of the benchmark: attaches to whatever is offered, and does nothing else.
private final class BenchModule {
  private let npi = UnsafeMutablePointer<NPIID>.allocate(capacity: 1)
  private let client = UnsafeMutablePointer<NPI_CLIENT_CHARACTERISTICS>.allocate(capacity: 1)
  private let provider = UnsafeMutablePointer<NPI_PROVIDER_CHARACTERISTICS>.allocate(capacity: 1)
  nonisolated(unsafe) private static var registrar = ModuleRegistrar.shared
  private let registrar: ModuleRegistrar

  init(_ registrar: ModuleRegistrar) {
    self.registrar = registrar
    Self.registrar = registrar
    npi.initialize(to: NPIID(Data1: 0xBE7C, Data2: 0, Data3: 0, Data4: (0, 0, 0, 0, 0, 0, 0, 0)))
    var instance = NPI_REGISTRATION_INSTANCE()
    instance.Size = UInt16(MemoryLayout<NPI_REGISTRATION_INSTANCE>.size)
    instance.NpiId = UnsafePointer(npi)
    client.initialize(
      to: NPI_CLIENT_CHARACTERISTICS(
        Version: 0, Length: UInt16(MemoryLayout<NPI_CLIENT_CHARACTERISTICS>.size),
        ClientAttachProvider: { binding, _, _ in
          BenchModule.registrar.attachProvider(ModuleHandle(binding), clientContext: nil, clientDispatch: nil) { _, _ in }
            .rawValue
        }, ClientDetachProvider: { _ in 0 }, ClientCleanupBindingContext: { _ in }, ClientRegistrationInstance: instance))
    provider.initialize(
      to: NPI_PROVIDER_CHARACTERISTICS(
        Version: 0, Length: UInt16(MemoryLayout<NPI_PROVIDER_CHARACTERISTICS>.size),
        ProviderAttachClient: { _, _, _, _, _, _, _ in 0 }, ProviderDetachClient: { _ in 0 },
        ProviderCleanupBindingContext: { _ in }, ProviderRegistrationInstance: instance))
  }

  deinit {
    npi.deallocate()
    client.deallocate()
    provider.deallocate()
  }

  func registerClient() -> ModuleHandle {
    var handle = ModuleHandle(rawValue: 0)
    try? registrar.registerClient(client) { handle = $0 }
    return handle
  }

  func registerProvider() -> ModuleHandle {
    var handle = ModuleHandle(rawValue: 0)
    try? registrar.registerProvider(provider) { handle = $0 }
    return handle
  }

  func deregister(_ handle: ModuleHandle, _ role: ModuleRole) { _ = try? registrar.deregister(handle, role: role) }
}

/// One pair from registration to deregistration; one client with many providers; the gate of a binding on the call path.
func moduleBenchmarks() {
  let module = BenchModule(ModuleRegistrar())
  let pair = median(count: 20_000) {
    let client = module.registerClient()
    let provider = module.registerProvider()
    module.deregister(provider, .provider)
    module.deregister(client, .client)
  }
  report("module.pair", pair / 1000, "us", goal: 3)

  func perPair(_ count: Int) -> Double {
    median(rounds: 9, count: 1) {
      let client = module.registerClient()
      let providers = (0..<count).map { _ in module.registerProvider() }
      for provider in providers { module.deregister(provider, .provider) }
      module.deregister(client, .client)
    } / Double(count)
  }
  let few = perPair(100)
  report("module.10000", perPair(10_000) / 1000, "us", floor: few / 1000, goal: 2)

  let gate = RundownGate()
  report("binding.enter-leave", median(count: 1_000_000) { if gate.enter() { gate.leave() } }, "ns", goal: 10)
}
