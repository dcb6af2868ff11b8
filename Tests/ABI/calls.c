/* CON-001 to CON-012: what sources of connection-oriented drivers count on. As C11, C++17 and C++20; the header comes first and
   alone. The functions are doubles of this file: they say which of them was called, and with what. */
#include <Ndis.h>

#include <nspndis.h>

#ifdef __cplusplus
#define CHECK(condition) static_assert(condition, #condition)
template <typename A, typename B> struct same { static const bool value = false; };
template <typename A> struct same<A, A> { static const bool value = true; };
#define IS_VOID(expression) CHECK((same<decltype(expression), void>::value))
#define IS_STATUS(expression) CHECK((same<decltype(expression), NDIS_STATUS>::value))
#else
#define CHECK(condition) _Static_assert(condition, #condition)
#define IS_VOID(expression) CHECK(__builtin_types_compatible_p(__typeof__(expression), void))
#define IS_STATUS(expression) CHECK(__builtin_types_compatible_p(__typeof__(expression), NDIS_STATUS))
#endif
#define VALUE(name, bits) CHECK((ULONG)NDIS_STATUS_##name == bits && sizeof(NDIS_STATUS_##name) == 4)

/* CON-001 to CON-008 */
CHECK(sizeof(CO_ADDRESS_FAMILY) == 12 && sizeof(CO_SAP) == 12 && sizeof(CO_SPECIFIC_PARAMETERS) == 12);
CHECK(offsetof(CO_SAP, Sap) == 8 && offsetof(CO_SPECIFIC_PARAMETERS, Parameters) == 8);
CHECK(sizeof(FLOWSPEC) == 32 && offsetof(FLOWSPEC, ServiceType) == 20);
CHECK(sizeof(CO_CALL_MANAGER_PARAMETERS) == 76 && offsetof(CO_CALL_MANAGER_PARAMETERS, Receive) == 32);
CHECK(offsetof(CO_CALL_MANAGER_PARAMETERS, CallMgrSpecific) == 64);
CHECK(sizeof(CO_MEDIA_PARAMETERS) == 32 && offsetof(CO_MEDIA_PARAMETERS, MediaSpecific) == 16);
CHECK(sizeof(CO_CALL_PARAMETERS) == 24 && offsetof(CO_CALL_PARAMETERS, CallMgrParameters) == 8);
CHECK(offsetof(CO_CALL_PARAMETERS, MediaParameters) == 16 && sizeof(CO_PVC) == 24);
CHECK(sizeof(NDIS_PROTOCOL_CO_CHARACTERISTICS) == 40 && offsetof(NDIS_PROTOCOL_CO_CHARACTERISTICS, CoAfRegisterNotifyHandler) == 16);
CHECK(sizeof(NDIS_CO_CLIENT_OPTIONAL_HANDLERS) == 160 && offsetof(NDIS_CO_CLIENT_OPTIONAL_HANDLERS, ClIncomingCloseCallHandler) == 128);
CHECK(offsetof(NDIS_CO_CLIENT_OPTIONAL_HANDLERS, ClNotifyCloseAfHandler) == 152);
CHECK(sizeof(NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS) == 144 && offsetof(NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS, CmCloseCallHandler) == 64);
CHECK(offsetof(NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS, CmNotifyCloseAfCompleteHandler) == 136);
CHECK(sizeof(NDIS_MINIPORT_CO_CHARACTERISTICS) == 56 && offsetof(NDIS_MINIPORT_CO_CHARACTERISTICS, CoOidRequestHandler) == 48);

/* CON-009 */
CHECK(NDIS_OBJECT_TYPE_CO_PROTOCOL_CHARACTERISTICS == 0x90 && NDIS_OBJECT_TYPE_CO_MINIPORT_CHARACTERISTICS == 0x91);
CHECK(NDIS_OBJECT_TYPE_CO_CALL_MANAGER_OPTIONAL_HANDLERS == 0xA5 && NDIS_OBJECT_TYPE_CO_CLIENT_OPTIONAL_HANDLERS == 0xA6);
#define SIZEOF(name) CHECK(NDIS_SIZEOF_##name##_REVISION_1 == sizeof(NDIS_##name) && NDIS_##name##_REVISION_1 == 1)
SIZEOF(PROTOCOL_CO_CHARACTERISTICS);
SIZEOF(MINIPORT_CO_CHARACTERISTICS);
SIZEOF(CO_CLIENT_OPTIONAL_HANDLERS);
SIZEOF(CO_CALL_MANAGER_OPTIONAL_HANDLERS);

/* CON-010 */
CHECK(sizeof(NDIS_STATUS) == 4 && (NDIS_STATUS)-1 < 0);
VALUE(SUCCESS, 0x00000000);
VALUE(PENDING, 0x00000103);
VALUE(NOT_RECOGNIZED, 0x00010001);
VALUE(NOT_COPIED, 0x00010002);
VALUE(NOT_ACCEPTED, 0x00010003);
VALUE(CALL_ACTIVE, 0x00010007);
VALUE(MEDIA_CONNECT, 0x4001000B);
VALUE(MEDIA_DISCONNECT, 0x4001000C);
VALUE(HARDWARE_LINE_UP, 0x4001000D);
VALUE(HARDWARE_LINE_DOWN, 0x4001000E);
VALUE(BUFFER_OVERFLOW, 0x80000005);
VALUE(FAILURE, 0xC0000001);
VALUE(INVALID_PARAMETER, 0xC000000D);
VALUE(INVALID_DEVICE_REQUEST, 0xC0000010);
VALUE(RESOURCES, 0xC000009A);
VALUE(NOT_SUPPORTED, 0xC00000BB);
VALUE(NETWORK_UNREACHABLE, 0xC000023C);
VALUE(CLOSING, 0xC0010002);
VALUE(BAD_VERSION, 0xC0010004);
VALUE(BAD_CHARACTERISTICS, 0xC0010005);
VALUE(ADAPTER_NOT_FOUND, 0xC0010006);
VALUE(OPEN_FAILED, 0xC0010007);
VALUE(DEVICE_FAILED, 0xC0010008);
VALUE(REQUEST_ABORTED, 0xC001000C);
VALUE(CLOSING_INDICATING, 0xC001000E);
VALUE(ADAPTER_NOT_READY, 0xC0010011);
VALUE(ADAPTER_NOT_OPEN, 0xC0010012);
VALUE(INVALID_LENGTH, 0xC0010014);
VALUE(INVALID_DATA, 0xC0010015);
VALUE(BUFFER_TOO_SHORT, 0xC0010016);
VALUE(INVALID_OID, 0xC0010017);
VALUE(ADAPTER_REMOVED, 0xC0010018);
VALUE(INVALID_SAP, 0xC0010020);
VALUE(SAP_IN_USE, 0xC0010021);
VALUE(INVALID_ADDRESS, 0xC0010022);
VALUE(VC_NOT_ACTIVATED, 0xC0010023);
VALUE(DEST_OUT_OF_ORDER, 0xC0010024);
VALUE(VC_NOT_AVAILABLE, 0xC0010025);
VALUE(CELLRATE_NOT_AVAILABLE, 0xC0010026);
VALUE(INCOMPATABLE_QOS, 0xC0010027);
VALUE(AAL_PARAMS_UNSUPPORTED, 0xC0010028);
VALUE(NO_ROUTE_TO_DESTINATION, 0xC0010029);
VALUE(SEND_ABORTED, 0xC023000C);
VALUE(PAUSED, 0xC023002A);
CHECK(STATUS_SUCCESS == 0 && STATUS_PENDING == 0x103 && (ULONG)STATUS_UNSUCCESSFUL == 0xC0000001);

/* Constants of the calls. */
CHECK(CO_ADDRESS_FAMILY_Q2931 == 1 && CO_ADDRESS_FAMILY_INFINIBAND == 7 && CO_ADDRESS_FAMILY_TAPI == 0x800);
CHECK(CO_ADDRESS_FAMILY_TAPI_PROXY == 0x801 && CO_ADDRESS_FAMILY_PROXY == 0x80000000 && SAP_TYPE_NSAP == 1 && SAP_TYPE_E164 == 2);
CHECK(PERMANENT_VC == 1 && CALL_PARAMETERS_CHANGED == 2 && QUERY_CALL_PARAMETERS == 4 && BROADCAST_VC == 8 && MULTIPOINT_VC == 16);
CHECK(RECEIVE_TIME_INDICATION == 1 && USE_TIME_STAMPS == 2 && TRANSMIT_VC == 4 && RECEIVE_VC == 8 && INDICATE_ERRED_PACKETS == 16);
CHECK(INDICATE_END_OF_TX == 0x20 && RESERVE_RESOURCES_VC == 0x40 && ROUND_DOWN_FLOW == 0x80 && ROUND_UP_FLOW == 0x100);
CHECK(SERVICETYPE_GUARANTEED == 3 && QOS_NOT_SPECIFIED == 0xFFFFFFFF && POSITIVE_INFINITY_RATE == 0xFFFFFFFE);

/* Functions may be declared with the function types, and fit into the tables without a cast. */
static PROTOCOL_CL_INCOMING_CLOSE_CALL incoming_close;
static PROTOCOL_CM_REG_SAP register_sap;
static PROTOCOL_CM_MODIFY_QOS_CALL modify;
static PROTCOL_CO_AF_REGISTER_NOTIFY notified;
static MINIPORT_CO_ACTIVATE_VC activate;
static void incoming_close(_In_ NDIS_STATUS status, _In_ NDIS_HANDLE context, _In_reads_bytes_opt_(size) PVOID data, _In_ UINT size) { (void)status, (void)context, (void)data, (void)size; }
static NDIS_STATUS NTAPI register_sap(NDIS_HANDLE family, PCO_SAP sap, NDIS_HANDLE handle, PNDIS_HANDLE context) { return family == handle ? (NDIS_STATUS)sap->SapType : (*context = NULL, NDIS_STATUS_SUCCESS); }
static NDIS_STATUS modify(NDIS_HANDLE context, PCO_CALL_PARAMETERS parameters) { return context == NULL ? NDIS_STATUS_FAILURE : (NDIS_STATUS)parameters->Flags; }
static VOID notified(NDIS_HANDLE context, PCO_ADDRESS_FAMILY family) { (void)context, (void)family; }
_Use_decl_annotations_ static NDIS_STATUS activate(NDIS_HANDLE context, PCO_CALL_PARAMETERS parameters) { return modify(context, parameters); }

/* The doubles. */
static const char *called;
static ULONG_PTR given[5];
static void say(const char *name, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e) {
  ULONG_PTR all[5] = {a, b, c, d, e};
  int i;
  called = name;
  for (i = 0; i < 5; i++) given[i] = all[i];
}
#define W(x) ((ULONG_PTR)(x))
VOID NdisCmOpenAddressFamilyComplete(NDIS_STATUS s, NDIS_HANDLE h, NDIS_HANDLE c) { say("OpenAf", W(s), W(h), W(c), 0, 0); }
VOID NdisCmCloseAddressFamilyComplete(NDIS_STATUS s, NDIS_HANDLE h) { say("CloseAf", W(s), W(h), 0, 0, 0); }
VOID NdisCmRegisterSapComplete(NDIS_STATUS s, NDIS_HANDLE h, NDIS_HANDLE c) { say("RegSap", W(s), W(h), W(c), 0, 0); }
VOID NdisCmDeregisterSapComplete(NDIS_STATUS s, NDIS_HANDLE h) { say("DeregSap", W(s), W(h), 0, 0, 0); }
VOID NdisCmMakeCallComplete(NDIS_STATUS s, NDIS_HANDLE v, NDIS_HANDLE p, NDIS_HANDLE c, PCO_CALL_PARAMETERS r) { say("MakeCall", W(s), W(v), W(p), W(c), W(r)); }
VOID NdisCmCloseCallComplete(NDIS_STATUS s, NDIS_HANDLE v, NDIS_HANDLE p) { say("CloseCall", W(s), W(v), W(p), 0, 0); }
VOID NdisCmAddPartyComplete(NDIS_STATUS s, NDIS_HANDLE h, NDIS_HANDLE c, PCO_CALL_PARAMETERS r) { say("AddParty", W(s), W(h), W(c), W(r), 0); }
VOID NdisCmDropPartyComplete(NDIS_STATUS s, NDIS_HANDLE h) { say("DropParty", W(s), W(h), 0, 0, 0); }
NDIS_STATUS NdisCmDispatchIncomingCall(NDIS_HANDLE s, NDIS_HANDLE v, PCO_CALL_PARAMETERS r) { return say("Incoming", W(s), W(v), W(r), 0, 0), NDIS_STATUS_PENDING; }
VOID NdisCmDispatchCallConnected(NDIS_HANDLE h) { say("Connected", W(h), 0, 0, 0, 0); }
VOID NdisCmModifyCallQoSComplete(NDIS_STATUS s, NDIS_HANDLE h, PCO_CALL_PARAMETERS r) { say("Modify", W(s), W(h), W(r), 0, 0); }
VOID NdisCmDispatchIncomingCallQoSChange(NDIS_HANDLE h, PCO_CALL_PARAMETERS r) { say("Change", W(h), W(r), 0, 0, 0); }
VOID NdisCmDispatchIncomingCloseCall(NDIS_STATUS s, NDIS_HANDLE h, PVOID b, UINT z) { say("Close", W(s), W(h), W(b), z, 0); }
VOID NdisCmDispatchIncomingDropParty(NDIS_STATUS s, NDIS_HANDLE h, PVOID b, UINT z) { say("Drop", W(s), W(h), W(b), z, 0); }
NDIS_STATUS NdisCmNotifyCloseAddressFamily(NDIS_HANDLE h) { return say("NotifyClose", W(h), 0, 0, 0, 0), NDIS_STATUS_PENDING; }
VOID NdisCoOidRequestComplete(NDIS_HANDLE a, NDIS_HANDLE v, NDIS_HANDLE p, PNDIS_OID_REQUEST r, NDIS_STATUS s) { say("Oid", W(a), W(v), W(p), W(r), W(s)); }

#define P(number) ((PVOID)number##L)
#define CP(number) ((PCO_CALL_PARAMETERS)number##L)
static int was(const char *name, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e) {
  const char *x = called, *y = name;
  while (*x != 0 && *x == *y) x++, y++;
  return *x != *y || given[0] != a || given[1] != b || given[2] != c || given[3] != d || given[4] != e;
}

int main(void) {
  int failures = 0;
  NDIS_CO_CLIENT_OPTIONAL_HANDLERS client;
  NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS manager;
  NDIS_PROTOCOL_CO_CHARACTERISTICS protocol;
  NDIS_MINIPORT_CO_CHARACTERISTICS miniport;
  client.ClIncomingCloseCallHandler = incoming_close;
  manager.CmRegisterSapHandler = register_sap;
  manager.CmModifyCallQoSHandler = modify;
  protocol.CoAfRegisterNotifyHandler = notified;
  miniport.CoActivateVcHandler = activate;
  failures += client.ClIncomingCloseCallHandler == NULL || manager.CmRegisterSapHandler == NULL || manager.CmModifyCallQoSHandler == NULL ||
              protocol.CoAfRegisterNotifyHandler == NULL || miniport.CoActivateVcHandler == NULL;

  /* CON-011 */
#ifndef NdisMCmDispatchIncomingCloseCall
#error "it is a macro"
#endif
  IS_VOID(NdisMCmDispatchIncomingCloseCall(NDIS_STATUS_SUCCESS, P(1), P(2), 3));
  IS_STATUS(NdisMCmDispatchIncomingCall(P(1), P(2), CP(3)));
  IS_STATUS(NdisMCmNotifyCloseAddressFamily(P(1)));

  /* CON-012 */
  NdisMCmOpenAddressFamilyComplete(1, P(2), P(3)), failures += was("OpenAf", 1, 2, 3, 0, 0);
  NdisMCmCloseAddressFamilyComplete(1, P(2)), failures += was("CloseAf", 1, 2, 0, 0, 0);
  NdisMCmRegisterSapComplete(1, P(2), P(3)), failures += was("RegSap", 1, 2, 3, 0, 0);
  NdisMCmDeregisterSapComplete(1, P(2)), failures += was("DeregSap", 1, 2, 0, 0, 0);
  NdisMCmMakeCallComplete(1, P(2), P(3), P(4), CP(5)), failures += was("MakeCall", 1, 2, 3, 4, 5);
  NdisMCmCloseCallComplete(1, P(2), P(3)), failures += was("CloseCall", 1, 2, 3, 0, 0);
  NdisMCmAddPartyComplete(1, P(2), P(3), CP(4)), failures += was("AddParty", 1, 2, 3, 4, 0);
  NdisMCmDropPartyComplete(1, P(2)), failures += was("DropParty", 1, 2, 0, 0, 0);
  failures += NdisMCmDispatchIncomingCall(P(1), P(2), CP(3)) != NDIS_STATUS_PENDING || was("Incoming", 1, 2, 3, 0, 0);
  NdisMCmDispatchCallConnected(P(1)), failures += was("Connected", 1, 0, 0, 0, 0);
  NdisMCmModifyCallQoSComplete(1, P(2), CP(3)), failures += was("Modify", 1, 2, 3, 0, 0);
  NdisMCmDispatchIncomingCallQoSChange(P(1), CP(2)), failures += was("Change", 1, 2, 0, 0, 0);
  NdisMCmDispatchIncomingCloseCall(1, P(2), P(3), 4), failures += was("Close", 1, 2, 3, 4, 0);
  NdisMCmDispatchIncomingDropParty(1, P(2), P(3), 4), failures += was("Drop", 1, 2, 3, 4, 0);
  failures += NdisMCmNotifyCloseAddressFamily(P(1)) != NDIS_STATUS_PENDING || was("NotifyClose", 1, 0, 0, 0, 0);
  NdisMCmOidRequestComplete(P(1), P(2), P(3), (PNDIS_OID_REQUEST)4L, 5), failures += was("Oid", 1, 2, 3, 4, 5);
  return failures;
}
