import CallManagement
import Providers
import Rundown
import Sessions

/// A client and a miniport call manager that do what they must: the client closes what it is told to close, the call manager
/// deactivates.
private final class Ends: CallClient, CallManager, @unchecked Sendable {
  // Unchecked: the benchmark has one thread.
  let calls = CoNDIS()
  var (adapter, binding, family, sap) = (
    Handle(rawValue: 0), Handle(rawValue: 0), Handle(rawValue: 0), Handle(rawValue: 0)
  )
  private let parameters = PassedPointer(UnsafeMutableRawPointer(bitPattern: 0xCA11))

  init() {
    let number = AddressFamily(number: 7)
    adapter = calls.createAdapter(.none, callManager: self) ?? adapter
    _ = calls.registerAddressFamily(adapter: adapter, number)
    _ = calls.openAdapter(adapter, client: self, context: .none, issued: { binding = $0 ?? binding })
    _ = calls.openAddressFamily(binding, number, context: .none) { family = $0 ?? family }
    _ = calls.registerSAP(family, context: .none, parameters) { sap = $0 ?? sap }
  }

  /// A connected incoming call. The handle is the context of both sides.
  func incoming() -> Handle {
    var vc = Handle(rawValue: 0)
    _ = calls.createVC(adapter: adapter, family: family, context: .none, issued: { vc = $0 ?? vc })
    _ = calls.activateVC(byMiniportCallManager: vc, parameters)
    _ = calls.dispatchIncomingCall(sap, vc, parameters)
    calls.dispatchCallConnected(vc)
    return vc
  }

  func idle() -> Handle {
    var vc = Handle(rawValue: 0)
    _ = calls.createVC(adapter: adapter, family: family, context: .none, issued: { vc = $0 ?? vc })
    return vc
  }

  func end(_ vc: Handle) {
    calls.dispatchIncomingCloseCall(.success, vc)
    delete(vc)
  }

  func delete(_ vc: Handle) {
    _ = calls.deactivateVC(byMiniportCallManager: vc)
    _ = calls.deleteVC(byMiniportCallManager: vc)
  }

  func createVC(_ family: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext) { (.success, DriverContext(vc.pointer)) }
  func deleteVC(_ vc: DriverContext) -> NDISStatus { .success }
  func incomingCall(_ sap: DriverContext, _ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus { .success }
  func incomingCloseCall(_ status: NDISStatus, _ vc: DriverContext, _ data: CloseData) {
    _ = calls.closeCall(Handle(vc.pointer))
  }
  func closeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: DriverContext) {}
  func openAddressFamily(_ owner: DriverContext, _ family: AddressFamily, _ handle: Handle) -> (NDISStatus, DriverContext) {
    (.success, .none)
  }
  func closeAddressFamily(_ family: DriverContext) -> NDISStatus { .success }
  func registerSAP(_ family: DriverContext, _ address: PassedPointer, _ handle: Handle) -> (NDISStatus, DriverContext) {
    (.success, .none)
  }
  func deregisterSAP(_ sap: DriverContext) -> NDISStatus { .success }
  func closeCall(_ vc: DriverContext, _ party: DriverContext, _ data: CloseData) -> NDISStatus { .success }
  func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus { .notSupported }
  func oidRequestComplete(_ origin: RequestTarget, _ request: PassedPointer, _ status: NDISStatus) {}
  func statusIndicated(_ binding: DriverContext, _ vc: DriverContext, _ indication: PassedPointer) {}
}

/// The life of a call, and a link that goes down.
func connectionBenchmarks(memory: Double) {
  report("condis.memory", memory, "bytes", goal: 512)
  let ends = Ends()
  report("condis.call", median(count: 10_000) { ends.end(ends.incoming()) } / 1000, "us", goal: 2)

  /// What a line that goes down costs for each connection: the incoming close and the client's own.
  func lineDown(_ count: Int) -> Double {
    var figures: [Double] = []
    for _ in 0..<(count > 10_000 ? 5 : 101) {
      let connections = (0..<count).map { _ in ends.incoming() }
      let start = MonotonicTime.now
      for vc in connections { ends.calls.dispatchIncomingCloseCall(.hardwareLineDown, vc) }
      figures.append(Double(MonotonicTime.now.nanoseconds - start.nanoseconds) / Double(count))
      for vc in connections { ends.delete(vc) }
    }
    return figures.sorted()[figures.count / 2]
  }
  let few = lineDown(1_000)
  report("condis.line-down.100000", lineDown(100_000), "ns", floor: few, goal: 2)
}

/// The memory of an idle connection.
func connectionMemory() -> Double {
  let ends = Ends()
  let count = 100_000
  var connections: [Handle] = []
  connections.reserveCapacity(count)
  let before = residentBytes()
  for _ in 0..<count { connections.append(ends.idle()) }
  defer { for vc in connections { ends.delete(vc) } }
  return Double(residentBytes() - before) / Double(count)
}
