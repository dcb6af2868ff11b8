import CWinsock
import Rundown

/// A client that was written against ndis.h.
final class ForeignClient: CallClient, @unchecked Sendable {
  // Unchecked: C functions, which may be called from any thread.
  private let handlers: NDIS_CO_CLIENT_OPTIONAL_HANDLERS
  private let characteristics: NDIS_PROTOCOL_CO_CHARACTERISTICS?

  init(_ handlers: NDIS_CO_CLIENT_OPTIONAL_HANDLERS, _ characteristics: NDIS_PROTOCOL_CO_CHARACTERISTICS?) {
    self.handlers = handlers
    self.characteristics = characteristics
  }

  func addressFamilyRegistered(_ binding: DriverContext, _ family: AddressFamily) {
    var family = CO_ADDRESS_FAMILY(family)
    characteristics?.CoAfRegisterNotifyHandler?(binding.pointer, &family)
  }
  func openAddressFamilyComplete(_ family: DriverContext, _ handle: Handle?, _ status: NDISStatus) {
    handlers.ClOpenAfCompleteHandlerEx?(family.pointer, handle?.pointer, status.rawValue)
  }
  func closeAddressFamilyComplete(_ status: NDISStatus, _ family: DriverContext) {
    handlers.ClCloseAfCompleteHandler?(status.rawValue, family.pointer)
  }
  func notifyCloseAddressFamily(_ family: DriverContext) -> NDISStatus {
    NDISStatus(answer: handlers.ClNotifyCloseAfHandler?(family.pointer))
  }
  func registerSAPComplete(_ status: NDISStatus, _ sap: DriverContext, _ address: PassedPointer, _ handle: Handle?) {
    handlers.ClRegisterSapCompleteHandler?(status.rawValue, sap.pointer, address.typed(), handle?.pointer)
  }
  func deregisterSAPComplete(_ status: NDISStatus, _ sap: DriverContext) {
    handlers.ClDeregisterSapCompleteHandler?(status.rawValue, sap.pointer)
  }
  func createVC(_ family: DriverContext, _ vc: Handle) -> (NDISStatus, DriverContext) {
    givingContext { handlers.ClCreateVcHandler?(family.pointer, vc.pointer, $0) }
  }
  func deleteVC(_ vc: DriverContext) -> NDISStatus { NDISStatus(answer: handlers.ClDeleteVcHandler?(vc.pointer)) }
  func makeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: Handle?, _ parameters: PassedPointer) {
    handlers.ClMakeCallCompleteHandler?(status.rawValue, vc.pointer, party?.pointer, parameters.typed())
  }
  func incomingCall(_ sap: DriverContext, _ vc: DriverContext, _ parameters: PassedPointer) -> NDISStatus {
    NDISStatus(answer: handlers.ClIncomingCallHandler?(sap.pointer, vc.pointer, parameters.typed()))
  }
  func callConnected(_ vc: DriverContext) { handlers.ClCallConnectedHandler?(vc.pointer) }
  func modifyCallQoSComplete(_ status: NDISStatus, _ vc: DriverContext, _ parameters: PassedPointer) {
    handlers.ClModifyCallQoSCompleteHandler?(status.rawValue, vc.pointer, parameters.typed())
  }
  func incomingCallQoSChange(_ vc: DriverContext, _ parameters: PassedPointer) {
    handlers.ClIncomingCallQoSChangeHandler?(vc.pointer, parameters.typed())
  }
  func closeCallComplete(_ status: NDISStatus, _ vc: DriverContext, _ party: DriverContext) {
    handlers.ClCloseCallCompleteHandler?(status.rawValue, vc.pointer, party.pointer)
  }
  func incomingCloseCall(_ status: NDISStatus, _ vc: DriverContext, _ data: CloseData) {
    handlers.ClIncomingCloseCallHandler?(status.rawValue, vc.pointer, data.pointer, data.size)
  }
  func addPartyComplete(_ status: NDISStatus, _ party: DriverContext, _ handle: Handle?, _ parameters: PassedPointer) {
    handlers.ClAddPartyCompleteHandler?(status.rawValue, party.pointer, handle?.pointer, parameters.typed())
  }
  func dropPartyComplete(_ status: NDISStatus, _ party: DriverContext) {
    handlers.ClDropPartyCompleteHandler?(status.rawValue, party.pointer)
  }
  func incomingDropParty(_ status: NDISStatus, _ party: DriverContext, _ data: CloseData) {
    handlers.ClIncomingDropPartyHandler?(status.rawValue, party.pointer, data.pointer, data.size)
  }
  func oidRequest(_ target: RequestTarget, _ request: PassedPointer) -> NDISStatus {
    NDISStatus(
      answer: handlers.ClOidRequestHandler?(
        target.owner.pointer, target.vc.pointer, target.party.pointer, request.opaque))
  }
  func oidRequestComplete(_ origin: RequestTarget, _ request: PassedPointer, _ status: NDISStatus) {
    handlers.ClOidRequestCompleteHandler?(
      origin.owner.pointer, origin.vc.pointer, origin.party.pointer, request.opaque, status.rawValue)
  }
  func statusIndicated(_ binding: DriverContext, _ vc: DriverContext, _ indication: PassedPointer) {
    characteristics?.CoStatusHandlerEx?(binding.pointer, vc.pointer, indication.opaque)
  }
}

extension NDISStatus {
  /// A handler that is not there supports nothing.
  init(answer: NDIS_STATUS?) { self = answer.map(NDISStatus.init(rawValue:)) ?? .notSupported }
}

extension PassedPointer {
  func typed<Pointee>() -> UnsafeMutablePointer<Pointee>? { pointer?.assumingMemoryBound(to: Pointee.self) }
  var opaque: OpaquePointer? { pointer.map(OpaquePointer.init) }
}

extension CO_ADDRESS_FAMILY {
  init(_ family: AddressFamily) {
    self.init(AddressFamily: family.number, MajorVersion: family.majorVersion, MinorVersion: family.minorVersion)
  }
}

/// Calls a handler that stores a context.
func givingContext(_ call: (UnsafeMutablePointer<NDIS_HANDLE?>) -> NDIS_STATUS?) -> (NDISStatus, DriverContext) {
  var context: NDIS_HANDLE?
  let status = NDISStatus(answer: call(&context))
  return (status, DriverContext(context))
}
