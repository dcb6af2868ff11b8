import CallManagement
import Rundown
import Synchronization

/// What every driver of a test was called with, in order, with the nesting shown by "}" where a callback returned.
final class CallJournal: Sendable {
  private let noted = Locked<[String]>([])

  func note(_ line: String) { noted.withLock { $0.append(line) } }
  func clear() { noted.withLock { $0 = [] } }
  /// Whole lines, such as "cl.incomingCloseCall NDIS_STATUS_SUCCESS 0x101 0x0+0".
  var lines: [String] { noted.withLock { $0 } }
  /// The callbacks alone.
  var names: [String] { lines.map { String($0.prefix { $0 != " " }) } }
  func count(_ name: String) -> Int { names.count { $0 == name } }
}

/// Answers callbacks as a test has told it: a status for each, and something to do inside it.
class FakeDriver: @unchecked Sendable {
  // Unchecked: a test sets a driver up before it uses it, or from inside its callbacks.
  let prefix: String
  let journal: CallJournal
  var answers: [String: NDISStatus] = [:]
  var hooks: [String: () -> Void] = [:]
  /// Contexts are numbers that the driver makes up.
  private let next = Atomic<UInt>(0)
  private let first: UInt

  init(_ prefix: String, _ journal: CallJournal, contextsFrom first: UInt) {
    self.prefix = prefix
    self.journal = journal
    self.first = first
  }

  func context() -> DriverContext {
    let (number, _) = next.add(1, ordering: .relaxed)
    return DriverContext(UnsafeMutableRawPointer(bitPattern: first + number))
  }

  @discardableResult
  func called(_ name: String, _ arguments: CustomStringConvertible...) -> NDISStatus {
    journal.note(([prefix + "." + name] + arguments.map(\.description)).joined(separator: " "))
    hooks[name]?()
    return answers[name] ?? .success
  }
}

final class FakeClient: FakeDriver, CallClient, @unchecked Sendable {
  func addressFamilyRegistered(_ binding: DriverContext, _ family: AddressFamily) {
    called("addressFamilyRegistered", binding, family.number)
  }
  func openAddressFamilyComplete(_ family: DriverContext, _ handle: Handle?, _ status: NDISStatus) {
    called("openAddressFamilyComplete", family, handle == nil ? "nil" : "handle", status)
  }
  func closeAddressFamilyComplete(_ status: NDISStatus, _ family: DriverContext) {
    called("closeAddressFamilyComplete", status, family)
  }
  func notifyCloseAddressFamily(_ family: DriverContext) -> NDISStatus { called("notifyCloseAddressFamily", family) }
  func registerSAPComplete(_ status: NDISStatus, _ sap: DriverContext, _ address: PassedPointer, _ handle: Handle?) {
    called("registerSAPComplete", status, sap, address, handle == nil ? "nil" : "handle")
  }
  func deregisterSAPComplete(_ status: NDISStatus, _ sap: DriverContext) { called("deregisterSAPComplete", status, sap) }
  func createVC(_ family: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext) {
    (called("createVC", family), context())
  }
  func deleteVC(_ vc: DriverContext) -> NDISStatus { called("deleteVC", vc) }
  func makeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: Handle?, _ parameters: PassedPointer) {
    called("makeCallComplete", status, vc, party == nil ? "nil" : "party", parameters)
  }
  func incomingCall(_ sap: DriverContext, _ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus {
    called("incomingCall", sap, vc, parameters)
  }
  func callConnected(_ vc: DriverContext) { called("callConnected", vc) }
  func modifyCallQoSComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer) {
    called("modifyCallQoSComplete", status, vc, parameters)
  }
  func incomingCallQoSChange(_ vc: DriverContext, _ parameters: PassedPointer) { called("incomingCallQoSChange", vc, parameters) }
  func closeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: DriverContext) {
    called("closeCallComplete", status, vc, party)
  }
  func incomingCloseCall(_ status: NDISStatus, _ vc: DriverContext, _ data: CloseData) {
    called("incomingCloseCall", status, vc, data.text)
  }
  func addPartyComplete(_ status: NDISStatus, _ party: DriverContext, _ handle: Handle?, _ parameters: PassedPointer) {
    called("addPartyComplete", status, party)
  }
  func dropPartyComplete(_ status: NDISStatus, _ party: DriverContext) { called("dropPartyComplete", status, party) }
  func incomingDropParty(_ status: NDISStatus, _ party: DriverContext, _ data: CloseData) {
    called("incomingDropParty", status, party, data.text)
  }
}

final class FakeManager: FakeDriver, CallManager, @unchecked Sendable {
  /// What the last family, connection and party were given as context.
  private(set) var lastHandle = Handle(rawValue: 0)
  private(set) var lastContext = DriverContext.none

  private func given(_ status: NDISStatus, _ handle: Handle) -> (NDISStatus, DriverContext) {
    lastHandle = handle
    lastContext = context()
    return (status, lastContext)
  }

  func openAddressFamily(_ owner: DriverContext, _ family: AddressFamily, _ handle: Handle) -> (NDISStatus, DriverContext) {
    lastHandle = handle
    return given(called("openAddressFamily", owner, family.number), handle)
  }
  func closeAddressFamily(_ family: DriverContext) -> NDISStatus { called("closeAddressFamily", family) }
  func notifyCloseAddressFamilyComplete(_ family: DriverContext, _ status: NDISStatus) {
    called("notifyCloseAddressFamilyComplete", family, status)
  }
  func registerSAP(_ family: DriverContext, _ address: PassedPointer, _ handle: Handle) -> (NDISStatus, DriverContext) {
    lastHandle = handle
    return given(called("registerSAP", family, address), handle)
  }
  func deregisterSAP(_ sap: DriverContext) -> NDISStatus { called("deregisterSAP", sap) }
  func createVC(_ family: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext) { given(called("createVC", family), vc) }
  func deleteVC(_ vc: DriverContext) -> NDISStatus { called("deleteVC", vc) }
  func makeCall(_ vc: DriverContext, _ parameters: PassedPointer, _ party: Handle?) -> (NDISStatus, DriverContext) {
    given(called("makeCall", vc, parameters, party == nil ? "nil" : "party"), party ?? Handle(rawValue: 0))
  }
  func closeCall(_ vc: DriverContext, _ party: DriverContext, _ data: CloseData) -> NDISStatus {
    called("closeCall", vc, party, data.text)
  }
  func incomingCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer) {
    called("incomingCallComplete", status, vc, parameters)
  }
  func modifyCallQoS(_ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus { called("modifyCallQoS", vc, parameters) }
  func addParty(_ vc: DriverContext, _ parameters: PassedPointer, _ party: Handle) -> (NDISStatus, DriverContext) {
    given(called("addParty", vc, parameters), party)
  }
  func dropParty(_ party: DriverContext, _ data: CloseData) -> NDISStatus { called("dropParty", party, data.text) }
  func activateVCComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer) {
    called("activateVCComplete", status, vc, parameters)
  }
  func deactivateVCComplete(_ status: NDISStatus, _ vc: DriverContext) { called("deactivateVCComplete", status, vc) }
}

final class FakeMiniport: FakeDriver, ConnectionMiniport, @unchecked Sendable {
  func createVC(_ adapter: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext) {
    (called("createVC", adapter), context())
  }
  func deleteVC(_ vc: DriverContext) -> NDISStatus { called("deleteVC", vc) }
  func activateVC(_ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus { called("activateVC", vc, parameters) }
  func deactivateVC(_ vc: DriverContext) -> NDISStatus { called("deactivateVC", vc) }
}

extension DriverContext: CustomStringConvertible {
  public var description: String { "0x" + String(UInt(bitPattern: pointer), radix: 16) }
}
extension PassedPointer: CustomStringConvertible {
  public var description: String { "0x" + String(UInt(bitPattern: pointer), radix: 16) }
}
extension CloseData {
  var text: String { "0x" + String(UInt(bitPattern: pointer), radix: 16) + "+\(size)" }
}

/// A client and a call manager on one adapter, with an address family open between them and a service access point.
final class Scene {
  let condis = CoNDIS()
  let journal = CallJournal()
  let client: FakeClient
  let manager: FakeManager
  /// Nil where the call manager is a miniport's own.
  let miniport: FakeMiniport?
  let adapter: Handle
  private(set) var clientBinding = Handle(rawValue: 0)
  private(set) var managerBinding = Handle(rawValue: 0)
  private(set) var family = Handle(rawValue: 0)
  private(set) var sap = Handle(rawValue: 0)

  static let number = AddressFamily(number: 77)
  static let parameters = PassedPointer(UnsafeMutableRawPointer(bitPattern: 0xCA11))
  static let address = PassedPointer(UnsafeMutableRawPointer(bitPattern: 0xADD4))
  static func context(_ number: UInt) -> DriverContext { DriverContext(UnsafeMutableRawPointer(bitPattern: number)) }
  static let sapContext = context(0x5A9)
  static let familyContext = context(0xFA3)
  static let vcContext = context(0x7C)

  /// - Parameter standAlone: A call manager that is a protocol driver over somebody else's miniport.
  init(standAlone: Bool = false, opens: Bool = true) {
    client = FakeClient("cl", journal, contextsFrom: 0x100)
    manager = FakeManager("cm", journal, contextsFrom: 0x200)
    miniport = standAlone ? FakeMiniport("mp", journal, contextsFrom: 0x300) : nil
    adapter = condis.createAdapter(Self.context(0xADA), miniport: miniport, callManager: standAlone ? nil : manager)!
    if standAlone {
      _ = condis.openAdapter(adapter, callManager: manager, context: Self.context(0xB1), issued: { managerBinding = $0! })
    }
    _ = condis.openAdapter(adapter, client: client, context: Self.context(0xB2), issued: { clientBinding = $0! })
    guard opens else { return }
    _ =
      standAlone
      ? condis.registerAddressFamily(binding: managerBinding, Self.number)
      : condis.registerAddressFamily(adapter: adapter, Self.number)
    _ = condis.openAddressFamily(clientBinding, Self.number, context: Self.familyContext) { family = $0! }
    _ = condis.registerSAP(family, context: Self.sapContext, Self.address) { sap = $0! }
    journal.clear()
  }

  var isStandAlone: Bool { miniport != nil }

  func clientVC() -> Handle {
    var handle = Handle(rawValue: 0)
    _ = condis.createVC(binding: clientBinding, family: family, context: Self.vcContext) { handle = $0 ?? handle }
    return handle
  }

  func managerVC() -> Handle {
    var handle = Handle(rawValue: 0)
    _ =
      isStandAlone
      ? condis.createVC(binding: managerBinding, family: family, context: Self.vcContext) { handle = $0 ?? handle }
      : condis.createVC(adapter: adapter, family: family, context: Self.vcContext) { handle = $0 ?? handle }
    return handle
  }

  func activate(_ vc: Handle) -> NDISStatus {
    isStandAlone
      ? condis.activateVC(vc, Self.parameters) : condis.activateVC(byMiniportCallManager: vc, Self.parameters)
  }
  func deactivate(_ vc: Handle) -> NDISStatus {
    isStandAlone ? condis.deactivateVC(vc) : condis.deactivateVC(byMiniportCallManager: vc)
  }
  func deleteByManager(_ vc: Handle) -> NDISStatus {
    isStandAlone ? condis.deleteVC(vc) : condis.deleteVC(byMiniportCallManager: vc)
  }

  /// A connected outgoing call.
  func outgoing(_ vc: Handle) {
    _ = condis.makeCall(vc, Self.parameters)
    _ = activate(vc)
  }

  /// A connected incoming call on a new connection of the call manager's.
  func incoming() -> Handle {
    let vc = managerVC()
    _ = activate(vc)
    _ = condis.dispatchIncomingCall(sap, vc, Self.parameters)
    condis.dispatchCallConnected(vc)
    return vc
  }
}
