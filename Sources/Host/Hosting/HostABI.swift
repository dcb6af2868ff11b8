extension ProviderHost {
  /// The functions that the host offers to plugin files, and libnsphost.so to programs: what an unresolved symbol of a file may
  /// name. The same list as in Exports/nsphost.map.
  public static let exports: Set<String> = [
    "WSAGetLastError", "WSASetLastError", "GetLastError", "SetLastError", "WSAProviderCompleteAsyncCall",
    "WSAAdvertiseProvider", "WSAUnadvertiseProvider", "NSPHostAllocate", "NSPHostFree", "NSPHostPackQuerySet",
    "NSPHostWideFromUtf8", "NSPHostUtf8FromWide", "NSPHostLog", "NSPHostCurrentServiceClass", "NSPHostCurrentClient",
    "NSPHostSetting", "NSPHostSetFailing", "NSPHostChanged",
    "WSASetEvent", "NmrRegisterClient",
    "NmrRegisterProvider",
    "NmrClientAttachProvider",
    "NmrClientDetachProviderComplete", "NmrProviderDetachClientComplete", "NmrDeregisterClient", "NmrDeregisterProvider",
    "NmrWaitForClientDeregisterComplete", "NmrWaitForProviderDeregisterComplete", "NmrCompatDeregisterClient",
    "NmrCompatDeregisterProvider", "NdisSetOptionalHandlers", "NdisClOpenAddressFamilyEx", "NdisClCloseAddressFamily",
    "NdisClNotifyCloseAddressFamilyComplete", "NdisClRegisterSap", "NdisClDeregisterSap", "NdisClMakeCall",
    "NdisClIncomingCallComplete", "NdisClModifyCallQoS", "NdisClCloseCall", "NdisClAddParty", "NdisClDropParty",
    "NdisCoCreateVc", "NdisCoDeleteVc", "NdisCoOidRequest", "NdisCoOidRequestComplete", "NdisCmRegisterAddressFamilyEx",
    "NdisCmNotifyCloseAddressFamily", "NdisCmOpenAddressFamilyComplete", "NdisCmCloseAddressFamilyComplete",
    "NdisCmRegisterSapComplete", "NdisCmDeregisterSapComplete", "NdisCmActivateVc", "NdisCmDeactivateVc",
    "NdisCmMakeCallComplete", "NdisCmDispatchIncomingCall", "NdisCmDispatchCallConnected", "NdisCmModifyCallQoSComplete",
    "NdisCmDispatchIncomingCallQoSChange", "NdisCmCloseCallComplete", "NdisCmDispatchIncomingCloseCall",
    "NdisCmAddPartyComplete", "NdisCmDropPartyComplete", "NdisCmDispatchIncomingDropParty", "NdisMCmRegisterAddressFamilyEx",
    "NdisMCmCreateVc", "NdisMCmDeleteVc", "NdisMCmActivateVc", "NdisMCmDeactivateVc", "NdisMCmOidRequest",
    "NdisMCoActivateVcComplete", "NdisMCoDeactivateVcComplete", "NdisMCoOidRequestComplete", "NdisMCoIndicateStatusEx",
    "NspRegisterDriver", "NspDeregisterDriver", "NspCreateAdapter", "NspHaltAdapter", "NspOpenAdapter", "NspCloseAdapter",
  ]
}
