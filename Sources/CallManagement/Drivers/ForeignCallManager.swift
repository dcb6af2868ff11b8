import CWinsock
import Rundown

/// A call manager, stand-alone or in a miniport, that was written against ndis.h.
final class ForeignCallManager: CallManager, @unchecked Sendable {
  // Unchecked: C functions, which may be called from any thread.
  private let handlers: NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS
  private let characteristics: NDIS_PROTOCOL_CO_CHARACTERISTICS?

  init(_ handlers: NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS, _ characteristics: NDIS_PROTOCOL_CO_CHARACTERISTICS?) {
    self.handlers = handlers
    self.characteristics = characteristics
  }

  func openAddressFamily(_ owner: DriverContext, _ family: AddressFamily, _ handle: Handle) -> (NDISStatus, DriverContext) {
    var family = CO_ADDRESS_FAMILY(family)
    return givingContext { handlers.CmOpenAfHandler?(owner.pointer, &family, handle.pointer, $0) }
  }
  func closeAddressFamily(_ family: DriverContext) -> NDISStatus {
    NDISStatus(answer: handlers.CmCloseAfHandler?(family.pointer))
  }
  func notifyCloseAddressFamilyComplete(_ family: DriverContext, _ status: NDISStatus) {
    handlers.CmNotifyCloseAfCompleteHandler?(family.pointer, status.rawValue)
  }
  func registerSAP(_ family: DriverContext, _ address: PassedPointer, _ handle: Handle) -> (NDISStatus, DriverContext) {
    givingContext { handlers.CmRegisterSapHandler?(family.pointer, address.typed(), handle.pointer, $0) }
  }
  func deregisterSAP(_ sap: DriverContext) -> NDISStatus { NDISStatus(answer: handlers.CmDeregisterSapHandler?(sap.pointer)) }
  func createVC(_ family: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext) {
    givingContext { handlers.CmCreateVcHandler?(family.pointer, vc.pointer, $0) }
  }
  func deleteVC(_ vc: DriverContext) -> NDISStatus { NDISStatus(answer: handlers.CmDeleteVcHandler?(vc.pointer)) }
  func makeCall(_ vc: DriverContext, _ parameters: PassedPointer, _ party: Handle?) -> (NDISStatus, DriverContext) {
    givingContext { handlers.CmMakeCallHandler?(vc.pointer, parameters.typed(), party?.pointer, $0) }
  }
  func closeCall(_ vc: DriverContext, _ party: DriverContext, _ data: CloseData) -> NDISStatus {
    NDISStatus(answer: handlers.CmCloseCallHandler?(vc.pointer, party.pointer, data.pointer, data.size))
  }
  func incomingCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer) {
    handlers.CmIncomingCallCompleteHandler?(status.rawValue, vc.pointer, parameters.typed())
  }
  func modifyCallQoS(_ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus {
    NDISStatus(answer: handlers.CmModifyCallQoSHandler?(vc.pointer, parameters.typed()))
  }
  func addParty(_ vc: DriverContext, _ parameters: PassedPointer, _ party: Handle) -> (NDISStatus, DriverContext) {
    givingContext { handlers.CmAddPartyHandler?(vc.pointer, parameters.typed(), party.pointer, $0) }
  }
  func dropParty(_ party: DriverContext, _ data: CloseData) -> NDISStatus {
    NDISStatus(answer: handlers.CmDropPartyHandler?(party.pointer, data.pointer, data.size))
  }
  func activateVCComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer) {
    handlers.CmActivateVcCompleteHandler?(status.rawValue, vc.pointer, parameters.typed())
  }
  func deactivateVCComplete(_ status: NDISStatus, _ vc: DriverContext) {
    handlers.CmDeactivateVcCompleteHandler?(status.rawValue, vc.pointer)
  }
  func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus {
    NDISStatus(
      answer: handlers.CmOidRequestHandler?(target.owner.pointer, target.vc.pointer, target.party.pointer, request.opaque))
  }
  func oidRequestComplete(_ origin: RequestTarget, _ request: PassedPointer, _ status: NDISStatus) {
    handlers.CmOidRequestCompleteHandler?(
      origin.owner.pointer, origin.vc.pointer, origin.party.pointer, request.opaque, status.rawValue)
  }
  func statusIndicated(_ binding: DriverContext, _ vc: DriverContext, _ indication: PassedPointer) {
    characteristics?.CoStatusHandlerEx?(binding.pointer, vc.pointer, indication.opaque)
  }
}

extension CoNDIS {
  /// The call manager behind a table of ndis.h, which is copied; nil for a table that is not complete.
  public static func callManager(_ table: UnsafePointer<NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS>) -> (any CallManager)? {
    guard Int32(table.pointee.Header.Type) == NDIS_OBJECT_TYPE_CO_CALL_MANAGER_OPTIONAL_HANDLERS else { return nil }
    var copied: NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS?
    let status = DriverTables.copy(UnsafePointer(table).pointer(to: \.Header)!, into: &copied, 0)
    return status == .success ? copied.map { ForeignCallManager($0, nil) } : nil
  }
}

/// A miniport that was written against ndis.h.
final class ForeignMiniport: ConnectionMiniport, @unchecked Sendable {
  // Unchecked: C functions, which may be called from any thread.
  private let handlers: NDIS_MINIPORT_CO_CHARACTERISTICS

  init(_ handlers: NDIS_MINIPORT_CO_CHARACTERISTICS) { self.handlers = handlers }

  func createVC(_ adapter: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext) {
    givingContext { handlers.CoCreateVcHandler?(adapter.pointer, vc.pointer, $0) }
  }
  func deleteVC(_ vc: DriverContext) -> NDISStatus { NDISStatus(answer: handlers.CoDeleteVcHandler?(vc.pointer)) }
  func activateVC(_ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus {
    NDISStatus(answer: handlers.CoActivateVcHandler?(vc.pointer, parameters.typed()))
  }
  func deactivateVC(_ vc: DriverContext) -> NDISStatus { NDISStatus(answer: handlers.CoDeactivateVcHandler?(vc.pointer)) }
  func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus {
    NDISStatus(answer: handlers.CoOidRequestHandler?(target.owner.pointer, target.vc.pointer, request.opaque))
  }
}
