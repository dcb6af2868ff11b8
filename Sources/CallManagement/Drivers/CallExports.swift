// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CWinsock
import Rundown

// The C doors of this room, declared in ndis.h: they serve the process's shared call management. Logic lives in the Swift API.

private var calls: CoNDIS { .shared }

@c @implementation
public func NdisSetOptionalHandlers(
  _ NdisHandle: NDIS_HANDLE?, _ OptionalHandlers: UnsafeMutablePointer<NDIS_DRIVER_OPTIONAL_HANDLERS>?
) -> NDIS_STATUS {
  guard let driver = drivers[Handle(NdisHandle)], let header = OptionalHandlers else { return NDISStatus.failure.rawValue }
  return driver.set(header).rawValue
}

// MARK: Clients

@c @implementation
public func NdisClOpenAddressFamilyEx(
  _ NdisBindingHandle: NDIS_HANDLE?, _ AddressFamily: UnsafeMutablePointer<CO_ADDRESS_FAMILY>?, _ ClientAfContext: NDIS_HANDLE?,
  _ NdisAfHandle: UnsafeMutablePointer<NDIS_HANDLE?>?
) -> NDIS_STATUS {
  guard let out = NdisAfHandle, let family = AddressFamily?.pointee else {
    NdisAfHandle?.pointee = nil
    return NDISStatus.failure.rawValue
  }
  return calls.openAddressFamily(
    Handle(NdisBindingHandle), CallManagement.AddressFamily(family), context: DriverContext(ClientAfContext),
    issued: { out.pointee = $0?.pointer }
  ).rawValue
}

@c @implementation
public func NdisClCloseAddressFamily(_ NdisAfHandle: NDIS_HANDLE?) -> NDIS_STATUS {
  calls.closeAddressFamily(Handle(NdisAfHandle)).rawValue
}

@c @implementation
public func NdisClNotifyCloseAddressFamilyComplete(_ NdisAfHandle: NDIS_HANDLE?, _ Status: NDIS_STATUS) {
  calls.notifyCloseAddressFamilyComplete(Handle(NdisAfHandle), NDISStatus(rawValue: Status))
}

@c @implementation
public func NdisClRegisterSap(
  _ NdisAfHandle: NDIS_HANDLE?, _ ProtocolSapContext: NDIS_HANDLE?, _ Sap: UnsafeMutablePointer<CO_SAP>?,
  _ NdisSapHandle: UnsafeMutablePointer<NDIS_HANDLE?>?
) -> NDIS_STATUS {
  guard let out = NdisSapHandle else { return NDISStatus.failure.rawValue }
  return calls.registerSAP(
    Handle(NdisAfHandle), context: DriverContext(ProtocolSapContext), PassedPointer(Sap), issued: { out.pointee = $0?.pointer }
  ).rawValue
}

@c @implementation
public func NdisClDeregisterSap(_ NdisSapHandle: NDIS_HANDLE?) -> NDIS_STATUS {
  calls.deregisterSAP(Handle(NdisSapHandle)).rawValue
}

@c @implementation
public func NdisClMakeCall(
  _ NdisVcHandle: NDIS_HANDLE?, _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?, _ ProtocolPartyContext: NDIS_HANDLE?,
  _ NdisPartyHandle: UnsafeMutablePointer<NDIS_HANDLE?>?
) -> NDIS_STATUS {
  calls.makeCall(
    Handle(NdisVcHandle), PassedPointer(CallParameters), party: ProtocolPartyContext.map { DriverContext($0) },
    issued: NdisPartyHandle.map { out in { out.pointee = $0?.pointer } }
  ).rawValue
}

@c @implementation
public func NdisClIncomingCallComplete(
  _ Status: NDIS_STATUS, _ NdisVcHandle: NDIS_HANDLE?, _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?
) {
  calls.incomingCallComplete(NDISStatus(rawValue: Status), Handle(NdisVcHandle), PassedPointer(CallParameters))
}

@c @implementation
public func NdisClModifyCallQoS(_ NdisVcHandle: NDIS_HANDLE?, _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?)
  -> NDIS_STATUS
{
  calls.modifyCallQoS(Handle(NdisVcHandle), PassedPointer(CallParameters)).rawValue
}

@c @implementation
public func NdisClCloseCall(_ NdisVcHandle: NDIS_HANDLE?, _ NdisPartyHandle: NDIS_HANDLE?, _ Buffer: PVOID?, _ Size: UINT)
  -> NDIS_STATUS
{
  calls.closeCall(Handle(NdisVcHandle), party: NdisPartyHandle.map { Handle($0) }, CloseData(Buffer, Size)).rawValue
}

@c @implementation
public func NdisClAddParty(
  _ NdisVcHandle: NDIS_HANDLE?, _ ProtocolPartyContext: NDIS_HANDLE?, _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?,
  _ NdisPartyHandle: UnsafeMutablePointer<NDIS_HANDLE?>?
) -> NDIS_STATUS {
  guard let out = NdisPartyHandle else { return NDISStatus.failure.rawValue }
  return calls.addParty(
    Handle(NdisVcHandle), context: DriverContext(ProtocolPartyContext), PassedPointer(CallParameters),
    issued: { out.pointee = $0?.pointer }
  ).rawValue
}

@c @implementation
public func NdisClDropParty(_ NdisPartyHandle: NDIS_HANDLE?, _ Buffer: PVOID?, _ Size: UINT) -> NDIS_STATUS {
  calls.dropParty(Handle(NdisPartyHandle), CloseData(Buffer, Size)).rawValue
}

// MARK: Clients and stand-alone call managers

@c @implementation
public func NdisCoCreateVc(
  _ NdisBindingHandle: NDIS_HANDLE?, _ NdisAfHandle: NDIS_HANDLE?, _ ProtocolVcContext: NDIS_HANDLE?,
  _ NdisVcHandle: UnsafeMutablePointer<NDIS_HANDLE?>?
) -> NDIS_STATUS {
  guard let out = NdisVcHandle else { return NDISStatus.failure.rawValue }
  return calls.createVC(
    binding: Handle(NdisBindingHandle), family: NdisAfHandle.map { Handle($0) }, context: DriverContext(ProtocolVcContext),
    issued: { out.pointee = $0?.pointer }
  ).rawValue
}

@c @implementation
public func NdisCoDeleteVc(_ NdisVcHandle: NDIS_HANDLE?) -> NDIS_STATUS {
  calls.deleteVC(Handle(NdisVcHandle)).rawValue
}

@c @implementation
public func NdisCoOidRequest(
  _ NdisBindingHandle: NDIS_HANDLE?, _ NdisAfHandle: NDIS_HANDLE?, _ NdisVcHandle: NDIS_HANDLE?, _ NdisPartyHandle: NDIS_HANDLE?,
  _ OidRequest: OpaquePointer?
) -> NDIS_STATUS {
  calls.oidRequest(
    binding: Handle(NdisBindingHandle), family: NdisAfHandle.map { Handle($0) }, vc: NdisVcHandle.map { Handle($0) },
    party: NdisPartyHandle.map { Handle($0) }, PassedPointer(OidRequest)
  ).rawValue
}

@c @implementation
public func NdisCoOidRequestComplete(
  _ NdisAfHandle: NDIS_HANDLE?, _ NdisVcHandle: NDIS_HANDLE?, _ NdisPartyHandle: NDIS_HANDLE?, _ OidRequest: OpaquePointer?,
  _ Status: NDIS_STATUS
) {
  calls.oidRequestComplete(PassedPointer(OidRequest), NDISStatus(rawValue: Status))
}

// MARK: Call managers

@c @implementation
public func NdisCmRegisterAddressFamilyEx(
  _ NdisBindingHandle: NDIS_HANDLE?, _ AddressFamily: UnsafeMutablePointer<CO_ADDRESS_FAMILY>?
) -> NDIS_STATUS {
  guard let family = AddressFamily?.pointee else { return NDISStatus.failure.rawValue }
  return calls.registerAddressFamily(binding: Handle(NdisBindingHandle), CallManagement.AddressFamily(family)).rawValue
}

@c @implementation
public func NdisCmNotifyCloseAddressFamily(_ NdisAfHandle: NDIS_HANDLE?) -> NDIS_STATUS {
  calls.notifyCloseAddressFamily(Handle(NdisAfHandle)).rawValue
}

@c @implementation
public func NdisCmOpenAddressFamilyComplete(_ Status: NDIS_STATUS, _ NdisAfHandle: NDIS_HANDLE?, _ CallMgrAfContext: NDIS_HANDLE?)
{
  calls.openAddressFamilyComplete(NDISStatus(rawValue: Status), Handle(NdisAfHandle), context: DriverContext(CallMgrAfContext))
}

@c @implementation
public func NdisCmCloseAddressFamilyComplete(_ Status: NDIS_STATUS, _ NdisAfHandle: NDIS_HANDLE?) {
  calls.closeAddressFamilyComplete(NDISStatus(rawValue: Status), Handle(NdisAfHandle))
}

@c @implementation
public func NdisCmRegisterSapComplete(_ Status: NDIS_STATUS, _ NdisSapHandle: NDIS_HANDLE?, _ CallMgrSapContext: NDIS_HANDLE?) {
  calls.registerSAPComplete(NDISStatus(rawValue: Status), Handle(NdisSapHandle), context: DriverContext(CallMgrSapContext))
}

@c @implementation
public func NdisCmDeregisterSapComplete(_ Status: NDIS_STATUS, _ NdisSapHandle: NDIS_HANDLE?) {
  calls.deregisterSAPComplete(NDISStatus(rawValue: Status), Handle(NdisSapHandle))
}

@c @implementation
public func NdisCmActivateVc(_ NdisVcHandle: NDIS_HANDLE?, _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?)
  -> NDIS_STATUS
{
  calls.activateVC(Handle(NdisVcHandle), PassedPointer(CallParameters)).rawValue
}

@c @implementation
public func NdisCmDeactivateVc(_ NdisVcHandle: NDIS_HANDLE?) -> NDIS_STATUS {
  calls.deactivateVC(Handle(NdisVcHandle)).rawValue
}

@c @implementation
public func NdisCmMakeCallComplete(
  _ Status: NDIS_STATUS, _ NdisVcHandle: NDIS_HANDLE?, _ NdisPartyHandle: NDIS_HANDLE?, _ CallMgrPartyContext: NDIS_HANDLE?,
  _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?
) {
  calls.makeCallComplete(
    NDISStatus(rawValue: Status), Handle(NdisVcHandle), party: NdisPartyHandle.map { Handle($0) },
    partyContext: DriverContext(CallMgrPartyContext), PassedPointer(CallParameters))
}

@c @implementation
public func NdisCmDispatchIncomingCall(
  _ NdisSapHandle: NDIS_HANDLE?, _ NdisVcHandle: NDIS_HANDLE?, _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?
) -> NDIS_STATUS {
  calls.dispatchIncomingCall(Handle(NdisSapHandle), Handle(NdisVcHandle), PassedPointer(CallParameters)).rawValue
}

@c @implementation
public func NdisCmDispatchCallConnected(_ NdisVcHandle: NDIS_HANDLE?) {
  calls.dispatchCallConnected(Handle(NdisVcHandle))
}

@c @implementation
public func NdisCmModifyCallQoSComplete(
  _ Status: NDIS_STATUS, _ NdisVcHandle: NDIS_HANDLE?, _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?
) {
  calls.modifyCallQoSComplete(NDISStatus(rawValue: Status), Handle(NdisVcHandle), PassedPointer(CallParameters))
}

@c @implementation
public func NdisCmDispatchIncomingCallQoSChange(
  _ NdisVcHandle: NDIS_HANDLE?, _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?
) {
  calls.dispatchIncomingCallQoSChange(Handle(NdisVcHandle), PassedPointer(CallParameters))
}

@c @implementation
public func NdisCmCloseCallComplete(_ Status: NDIS_STATUS, _ NdisVcHandle: NDIS_HANDLE?, _ NdisPartyHandle: NDIS_HANDLE?) {
  calls.closeCallComplete(
    NDISStatus(rawValue: Status), Handle(NdisVcHandle), party: NdisPartyHandle.map { Handle($0) })
}

@c @implementation
public func NdisCmDispatchIncomingCloseCall(
  _ CloseStatus: NDIS_STATUS, _ NdisVcHandle: NDIS_HANDLE?, _ Buffer: PVOID?, _ Size: UINT
) {
  calls.dispatchIncomingCloseCall(NDISStatus(rawValue: CloseStatus), Handle(NdisVcHandle), CloseData(Buffer, Size))
}

@c @implementation
public func NdisCmAddPartyComplete(
  _ Status: NDIS_STATUS, _ NdisPartyHandle: NDIS_HANDLE?, _ CallMgrPartyContext: NDIS_HANDLE?,
  _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?
) {
  calls.addPartyComplete(
    NDISStatus(rawValue: Status), Handle(NdisPartyHandle), context: DriverContext(CallMgrPartyContext),
    PassedPointer(CallParameters))
}

@c @implementation
public func NdisCmDropPartyComplete(_ Status: NDIS_STATUS, _ NdisPartyHandle: NDIS_HANDLE?) {
  calls.dropPartyComplete(NDISStatus(rawValue: Status), Handle(NdisPartyHandle))
}

@c @implementation
public func NdisCmDispatchIncomingDropParty(
  _ DropStatus: NDIS_STATUS, _ NdisPartyHandle: NDIS_HANDLE?, _ Buffer: PVOID?, _ Size: UINT
) {
  calls.dispatchIncomingDropParty(NDISStatus(rawValue: DropStatus), Handle(NdisPartyHandle), CloseData(Buffer, Size))
}

// MARK: Miniport call managers

@c @implementation
public func NdisMCmRegisterAddressFamilyEx(
  _ MiniportAdapterHandle: NDIS_HANDLE?, _ AddressFamily: UnsafeMutablePointer<CO_ADDRESS_FAMILY>?
) -> NDIS_STATUS {
  guard let family = AddressFamily?.pointee else { return NDISStatus.failure.rawValue }
  return calls.registerAddressFamily(adapter: Handle(MiniportAdapterHandle), CallManagement.AddressFamily(family)).rawValue
}

@c @implementation
public func NdisMCmCreateVc(
  _ MiniportAdapterHandle: NDIS_HANDLE?, _ NdisAfHandle: NDIS_HANDLE?, _ MiniportVcContext: NDIS_HANDLE?,
  _ NdisVcHandle: UnsafeMutablePointer<NDIS_HANDLE?>?
) -> NDIS_STATUS {
  guard let out = NdisVcHandle else { return NDISStatus.failure.rawValue }
  return calls.createVC(
    adapter: Handle(MiniportAdapterHandle), family: Handle(NdisAfHandle), context: DriverContext(MiniportVcContext),
    issued: { out.pointee = $0?.pointer }
  ).rawValue
}

@c @implementation
public func NdisMCmDeleteVc(_ NdisVcHandle: NDIS_HANDLE?) -> NDIS_STATUS {
  calls.deleteVC(byMiniportCallManager: Handle(NdisVcHandle)).rawValue
}

@c @implementation
public func NdisMCmActivateVc(_ NdisVcHandle: NDIS_HANDLE?, _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?)
  -> NDIS_STATUS
{
  calls.activateVC(byMiniportCallManager: Handle(NdisVcHandle), PassedPointer(CallParameters)).rawValue
}

@c @implementation
public func NdisMCmDeactivateVc(_ NdisVcHandle: NDIS_HANDLE?) -> NDIS_STATUS {
  calls.deactivateVC(byMiniportCallManager: Handle(NdisVcHandle)).rawValue
}

@c @implementation
public func NdisMCmOidRequest(
  _ NdisAfHandle: NDIS_HANDLE?, _ NdisVcHandle: NDIS_HANDLE?, _ NdisPartyHandle: NDIS_HANDLE?, _ OidRequest: OpaquePointer?
) -> NDIS_STATUS {
  calls.oidRequest(
    byMiniportCallManager: Handle(NdisAfHandle), vc: NdisVcHandle.map { Handle($0) },
    party: NdisPartyHandle.map { Handle($0) }, PassedPointer(OidRequest)
  ).rawValue
}

// MARK: Miniports

@c @implementation
public func NdisMCoActivateVcComplete(
  _ Status: NDIS_STATUS, _ NdisVcHandle: NDIS_HANDLE?, _ CallParameters: UnsafeMutablePointer<CO_CALL_PARAMETERS>?
) {
  calls.activateVCComplete(NDISStatus(rawValue: Status), Handle(NdisVcHandle), PassedPointer(CallParameters))
}

@c @implementation
public func NdisMCoDeactivateVcComplete(_ Status: NDIS_STATUS, _ NdisVcHandle: NDIS_HANDLE?) {
  calls.deactivateVCComplete(NDISStatus(rawValue: Status), Handle(NdisVcHandle))
}

@c @implementation
public func NdisMCoOidRequestComplete(
  _ MiniportAdapterHandle: NDIS_HANDLE?, _ NdisMiniportVcHandle: NDIS_HANDLE?, _ OidRequest: OpaquePointer?, _ Status: NDIS_STATUS
) {
  calls.oidRequestComplete(PassedPointer(OidRequest), NDISStatus(rawValue: Status))
}

@c @implementation
public func NdisMCoIndicateStatusEx(
  _ MiniportAdapterHandle: NDIS_HANDLE?, _ NdisVcHandle: NDIS_HANDLE?, _ StatusIndication: OpaquePointer?
) {
  calls.indicateStatus(
    adapter: Handle(MiniportAdapterHandle), vc: NdisVcHandle.map { Handle($0) }, PassedPointer(StatusIndication))
}

extension AddressFamily {
  fileprivate init(_ family: CO_ADDRESS_FAMILY) {
    self.init(number: family.AddressFamily, majorVersion: family.MajorVersion, minorVersion: family.MinorVersion)
  }
}

extension PassedPointer {
  fileprivate init(_ pointer: OpaquePointer?) { self.init(pointer.map { UnsafeMutableRawPointer($0) }) }
  fileprivate init<Pointee>(_ pointer: UnsafeMutablePointer<Pointee>?) { self.init(pointer.map { UnsafeMutableRawPointer($0) }) }
}
