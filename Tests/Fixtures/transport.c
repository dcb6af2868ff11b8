/* A transport that a test plays: the sample, line by line, and with faults. */
#include "../../sample-providers/loopback-mcm/loopback-mcm.c"

/* The test's threads are in here and are nobody's: the file waits for them before it goes. */
static atomic_int inside;
__attribute__((destructor)) static void wait_for_them(void) {
  while (inside > 0) usleep(1000);
  usleep(10000);
}

static atomic_bool holding, refusing;
static atomic_int refusals;
static _Atomic(struct call *) held;

/* Keeps a close until it is released. */
static NDIS_STATUS hold_call(NDIS_HANDLE context, NDIS_HANDLE party, PVOID data, UINT size) {
  if (refusing) {
    NDIS_HANDLE vc = ((struct call *)context)->vc;
    refusals++;
    NdisMCmCloseCallComplete(NDIS_STATUS_INVALID_DATA, vc, NULL);
    return NDIS_STATUS_PENDING;
  }
  if (!holding) return close_call(context, party, data, size);
  held = context;
  return NDIS_STATUS_PENDING;
}
static NDIS_STATUS lastReason;
static NDIS_STATUS noted_close(NDIS_HANDLE context, NDIS_HANDLE party, PVOID data, UINT size) {
  if (size == sizeof lastReason) memcpy(&lastReason, data, size);
  return hold_call(context, party, data, size);
}
__attribute__((constructor)) static void prepare(void) { handlers.CmCloseCallHandler = noted_close; }

/* One line of a script. */
NSP_EXPORT void transport_perform(const char *line) {
  inside++;
  perform(line);
  inside--;
}
NSP_EXPORT void transport_hold(int hold) {
  struct call *call;
  inside++;
  holding = hold != 0;
  if (!hold && (call = atomic_exchange(&held, NULL)) != NULL) close_call(call, NULL, NULL, 0);
  inside--;
}
/* Refuses every close, with or without data; answers how many it has refused. */
NSP_EXPORT int transport_refuse(int refuse) {
  refusing = refuse != 0;
  return refusals;
}
/* Wants its address family closed. */
NSP_EXPORT int transport_notify(void) { return NdisMCmNotifyCloseAddressFamily(family); }
NSP_EXPORT int transport_reason(void) { return lastReason; }

/* An offer whose parameters are not as they should be; answers what the host said. */
NSP_EXPORT int transport_offer_bad(int how) {
  CO_CALL_MANAGER_PARAMETERS manager = {.CallMgrSpecific = {.ParamType = how == 1 ? 7 : CALLMGR_SPECIFIC_NSP_PEER, .Length = how == 2 ? 4 : sizeof(NSP_PEER_CREDENTIALS)}};
  CO_CALL_PARAMETERS parameters = {0, how == 0 ? NULL : &manager, NULL};
  NDIS_HANDLE vc = NULL;
  NDIS_STATUS status = NdisMCmCreateVc(adapter, family, NULL, &vc);
  if (status != NDIS_STATUS_SUCCESS) return status;
  status = NdisMCmDispatchIncomingCall(sap, vc, &parameters);
  return NdisMCmDeleteVc(vc) == NDIS_STATUS_SUCCESS ? status : -1;
}
