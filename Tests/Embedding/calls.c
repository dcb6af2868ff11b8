/* A client and a miniport call manager in one C program, through ndis.h alone: an incoming call with modified parameters, a close by the
   function and by the macro, an outgoing call with two parties, a request, and what must be refused. Prints nothing when all is well. */
#include <Ndis.h>
#include <nspndis.h>
#include <stdio.h>
#include <string.h>

static int failures;
#define CHECK(condition) ((condition) ? 0 : (failures++, fprintf(stderr, "calls.c:%d: " #condition "\n", __LINE__)))

static NDIS_HANDLE family, sap, clientVc, managerVc, closedVc, party, secondParty;
static char events[512];
static NDIS_STATUS closeAnswer = NDIS_STATUS_SUCCESS, offerAnswer = NDIS_STATUS_PENDING;
static NDIS_STATUS lastClose;
static char closeData[8];
static int client, manager, clientContext, managerContext; /* their addresses are the contexts */

static void event(const char *name) { strcat(strcat(events, name), " "); }
static int happened(const char *expected) {
  int same = strcmp(events, expected) == 0;
  if (!same) fprintf(stderr, "expected %s\n     got %s\n", expected, events);
  events[0] = 0;
  return same;
}

/* The client. */
static VOID notified(NDIS_HANDLE binding, PCO_ADDRESS_FAMILY af) { CHECK(binding == &client && af->AddressFamily == 7 && af->MajorVersion == 3), event("notified"); }
static VOID status_ex(NDIS_HANDLE binding, NDIS_HANDLE vc, PNDIS_STATUS_INDICATION status) { (void)binding, (void)vc, (void)status, event("status"); }
static NDIS_STATUS cl_create(NDIS_HANDLE af, NDIS_HANDLE vc, PNDIS_HANDLE context) { CHECK(af == &family), managerVc = vc, *context = &clientContext, event("cl.create"); return NDIS_STATUS_SUCCESS; }
static NDIS_STATUS cl_delete(NDIS_HANDLE vc) { CHECK(vc == &clientContext), event("cl.delete"); return NDIS_STATUS_SUCCESS; }
static NDIS_STATUS cl_request(NDIS_HANDLE af, NDIS_HANDLE vc, NDIS_HANDLE p, PNDIS_OID_REQUEST r) { (void)af, (void)vc, (void)p, (void)r, event("cl.request"); return NDIS_STATUS_PENDING; }
static VOID cl_answered(NDIS_HANDLE af, NDIS_HANDLE vc, NDIS_HANDLE p, PNDIS_OID_REQUEST r, NDIS_STATUS s) { (void)vc, (void)p, CHECK(af == &family && r != NULL && s == NDIS_STATUS_INVALID_OID), event("cl.answered"); }
static VOID cl_opened(NDIS_HANDLE context, NDIS_HANDLE af, NDIS_STATUS s) { (void)context, (void)af, (void)s, event("cl.opened"); }
static VOID cl_closed(NDIS_STATUS s, NDIS_HANDLE context) { (void)s, (void)context, event("cl.closed"); }
static VOID cl_registered(NDIS_STATUS s, NDIS_HANDLE context, PCO_SAP address, NDIS_HANDLE handle) { (void)s, (void)context, (void)address, (void)handle, event("cl.registered"); }
static VOID cl_deregistered(NDIS_STATUS s, NDIS_HANDLE context) { (void)s, (void)context, event("cl.deregistered"); }
static VOID cl_made(NDIS_STATUS s, NDIS_HANDLE vc, NDIS_HANDLE p, PCO_CALL_PARAMETERS r) { (void)vc, (void)r, CHECK(s == NDIS_STATUS_SUCCESS && p == party), event("cl.made"); }
static VOID cl_modified(NDIS_STATUS s, NDIS_HANDLE vc, PCO_CALL_PARAMETERS r) { (void)s, (void)vc, (void)r, event("cl.modified"); }
static VOID cl_call_closed(NDIS_STATUS s, NDIS_HANDLE vc, NDIS_HANDLE p) { (void)vc, (void)p, CHECK(s == NDIS_STATUS_SUCCESS), event("cl.callClosed"); }
static VOID cl_added(NDIS_STATUS s, NDIS_HANDLE context, NDIS_HANDLE p, PCO_CALL_PARAMETERS r) { (void)r, CHECK(s == NDIS_STATUS_SUCCESS && context == &secondParty && p == secondParty), event("cl.added"); }
static VOID cl_dropped(NDIS_STATUS s, NDIS_HANDLE p) { (void)s, (void)p, event("cl.dropped"); }
static NDIS_STATUS cl_incoming(NDIS_HANDLE context, NDIS_HANDLE vc, PCO_CALL_PARAMETERS r) { CHECK(context == &sap && vc == &clientContext && r->Flags == 0), event("cl.incoming"); return offerAnswer; }
static VOID cl_changed(NDIS_HANDLE vc, PCO_CALL_PARAMETERS r) { (void)vc, (void)r, event("cl.changed"); }
static VOID cl_closing(NDIS_STATUS s, NDIS_HANDLE vc, PVOID data, UINT size) {
  CHECK(vc == &clientContext && (data == NULL) == (size == 0) && size < sizeof closeData);
  lastClose = s;
  memset(closeData, 0, sizeof closeData);
  if (size != 0) memcpy(closeData, data, size);
  event("cl.closing");
  CHECK(NdisClCloseCall(closedVc, NULL, NULL, 0) == NDIS_STATUS_SUCCESS);
}
static VOID cl_leaf(NDIS_STATUS s, NDIS_HANDLE p, PVOID data, UINT size) { (void)s, (void)data, (void)size, CHECK(p == &secondParty), event("cl.leaf"); CHECK(NdisClDropParty(secondParty, NULL, 0) == NDIS_STATUS_SUCCESS); }
static VOID cl_connected(NDIS_HANDLE vc) { CHECK(vc == &clientContext), event("cl.connected"); }
static NDIS_STATUS cl_notify(NDIS_HANDLE af) { CHECK(af == &family), event("cl.notify"); return NDIS_STATUS_NOT_ACCEPTED; }

/* The miniport call manager. */
static NDIS_STATUS cm_create(NDIS_HANDLE af, NDIS_HANDLE vc, PNDIS_HANDLE context) { (void)vc, CHECK(af == &manager), *context = &managerContext, event("cm.create"); return NDIS_STATUS_SUCCESS; }
static NDIS_STATUS cm_delete(NDIS_HANDLE vc) { CHECK(vc == &managerContext), event("cm.delete"); return NDIS_STATUS_SUCCESS; }
static NDIS_STATUS cm_open(NDIS_HANDLE adapter, PCO_ADDRESS_FAMILY af, NDIS_HANDLE handle, PNDIS_HANDLE context) { (void)handle, CHECK(adapter == &manager && af->AddressFamily == 7), *context = &manager, event("cm.open"); return NDIS_STATUS_SUCCESS; }
static NDIS_STATUS cm_close(NDIS_HANDLE af) { (void)af, event("cm.close"); return NDIS_STATUS_SUCCESS; }
static NDIS_STATUS cm_register(NDIS_HANDLE af, PCO_SAP address, NDIS_HANDLE handle, PNDIS_HANDLE context) { (void)af, (void)handle, CHECK(address->SapType == SAP_TYPE_NSAP), *context = &manager, event("cm.register"); return NDIS_STATUS_SUCCESS; }
static NDIS_STATUS cm_deregister(NDIS_HANDLE context) { (void)context, event("cm.deregister"); return NDIS_STATUS_SUCCESS; }
static NDIS_STATUS cm_make(NDIS_HANDLE vc, PCO_CALL_PARAMETERS r, NDIS_HANDLE p, PNDIS_HANDLE context) { (void)r, (void)context, CHECK(vc == &managerContext && p == party && p != NULL), event("cm.make"); return NDIS_STATUS_PENDING; }
static NDIS_STATUS cm_close_call(NDIS_HANDLE vc, NDIS_HANDLE p, PVOID data, UINT size) { (void)p, (void)data, (void)size, CHECK(vc == &managerContext), event("cm.closeCall"); CHECK(NdisMCmDeactivateVc(closedVc) == NDIS_STATUS_SUCCESS); return closeAnswer; }
static VOID cm_answered(NDIS_STATUS s, NDIS_HANDLE vc, PCO_CALL_PARAMETERS r) { CHECK(s == NDIS_STATUS_SUCCESS && vc == &managerContext && (r->Flags & CALL_PARAMETERS_CHANGED) != 0), event("cm.answered"); }
static NDIS_STATUS cm_add(NDIS_HANDLE vc, PCO_CALL_PARAMETERS r, NDIS_HANDLE p, PNDIS_HANDLE context) { (void)vc, (void)r, CHECK(p == secondParty), *context = &secondParty, event("cm.add"); return NDIS_STATUS_PENDING; }
static NDIS_STATUS cm_drop(NDIS_HANDLE p, PVOID data, UINT size) { (void)data, (void)size, CHECK(p == &manager), event("cm.drop"); return NDIS_STATUS_SUCCESS; }
static VOID cm_activated(NDIS_STATUS s, NDIS_HANDLE vc, PCO_CALL_PARAMETERS r) { (void)s, (void)vc, (void)r, event("cm.activated"); }
static VOID cm_deactivated(NDIS_STATUS s, NDIS_HANDLE vc) { (void)s, (void)vc, event("cm.deactivated"); }
static NDIS_STATUS cm_modify(NDIS_HANDLE vc, PCO_CALL_PARAMETERS r) { (void)vc, (void)r, event("cm.modify"); return NDIS_STATUS_FAILURE; }
static NDIS_STATUS cm_request(NDIS_HANDLE af, NDIS_HANDLE vc, NDIS_HANDLE p, PNDIS_OID_REQUEST r) { (void)vc, (void)p, CHECK(af == &manager && r != NULL), event("cm.request"); return NDIS_STATUS_PENDING; }
static VOID cm_request_done(NDIS_HANDLE af, NDIS_HANDLE vc, NDIS_HANDLE p, PNDIS_OID_REQUEST r, NDIS_STATUS s) { (void)af, (void)vc, (void)p, (void)r, (void)s, event("cm.requestDone"); }
static VOID cm_notify_done(NDIS_HANDLE af, NDIS_STATUS s) { (void)af, (void)s, event("cm.notifyDone"); }

static NDIS_CO_CLIENT_OPTIONAL_HANDLERS clientHandlers = {
    {NDIS_OBJECT_TYPE_CO_CLIENT_OPTIONAL_HANDLERS, NDIS_CO_CLIENT_OPTIONAL_HANDLERS_REVISION_1, NDIS_SIZEOF_CO_CLIENT_OPTIONAL_HANDLERS_REVISION_1}, 0,
    cl_create, cl_delete, cl_request, cl_answered, cl_opened, cl_closed, cl_registered, cl_deregistered, cl_made, cl_modified, cl_call_closed,
    cl_added, cl_dropped, cl_incoming, cl_changed, cl_closing, cl_leaf, cl_connected, cl_notify};
static NDIS_PROTOCOL_CO_CHARACTERISTICS protocol = {
    {NDIS_OBJECT_TYPE_CO_PROTOCOL_CHARACTERISTICS, NDIS_PROTOCOL_CO_CHARACTERISTICS_REVISION_1, NDIS_SIZEOF_PROTOCOL_CO_CHARACTERISTICS_REVISION_1}, 0,
    status_ex, notified, NULL, NULL};
static NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS managerHandlers = {
    {NDIS_OBJECT_TYPE_CO_CALL_MANAGER_OPTIONAL_HANDLERS, NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS_REVISION_1, NDIS_SIZEOF_CO_CALL_MANAGER_OPTIONAL_HANDLERS_REVISION_1}, 0,
    cm_create, cm_delete, cm_open, cm_close, cm_register, cm_deregister, cm_make, cm_close_call, cm_answered, cm_add, cm_drop, cm_activated,
    cm_deactivated, cm_modify, cm_request, cm_request_done, cm_notify_done};
static NDIS_MINIPORT_CO_CHARACTERISTICS miniport = {
    {NDIS_OBJECT_TYPE_CO_MINIPORT_CHARACTERISTICS, NDIS_MINIPORT_CO_CHARACTERISTICS_REVISION_1, NDIS_SIZEOF_MINIPORT_CO_CHARACTERISTICS_REVISION_1}, 0,
    NULL, NULL, NULL, NULL, NULL, NULL};

static NDIS_STATUS set(NDIS_HANDLE driver, void *table) { return NdisSetOptionalHandlers(driver, (PNDIS_DRIVER_OPTIONAL_HANDLERS)table); }

int main(void) {
  NDIS_HANDLE clientDriver = NULL, managerDriver = NULL, adapter, other, binding;
  CO_ADDRESS_FAMILY af = {7, 3, 1};
  CO_SAP address = {SAP_TYPE_NSAP, 1, {0}};
  CO_CALL_PARAMETERS parameters = {0, NULL, NULL};
  NDIS_CO_CLIENT_OPTIONAL_HANDLERS bad = clientHandlers;
  char text[] = "bye";

  /* CON-013, and what else is refused of tables */
  CHECK(NspRegisterDriver(&clientDriver) == NDIS_STATUS_SUCCESS && NspRegisterDriver(&managerDriver) == NDIS_STATUS_SUCCESS);
  bad.ClIncomingCloseCallHandler = NULL;
  CHECK(set(clientDriver, &bad) == NDIS_STATUS_FAILURE);
  bad = clientHandlers, bad.Header.Type = 0x42;
  CHECK(set(clientDriver, &bad) == NDIS_STATUS_NOT_SUPPORTED);
  bad = clientHandlers, bad.Header.Size--;
  CHECK(set(clientDriver, &bad) == NDIS_STATUS_FAILURE);
  bad = clientHandlers, bad.Header.Revision = 0;
  CHECK(set(clientDriver, &bad) == NDIS_STATUS_FAILURE);
  CHECK(NspOpenAdapter(clientDriver, NULL, NULL, &binding) == NDIS_STATUS_FAILURE && binding == NULL);
  CHECK(set(clientDriver, &clientHandlers) == NDIS_STATUS_SUCCESS && set(clientDriver, &protocol) == NDIS_STATUS_SUCCESS);
  CHECK(set(clientDriver, &clientHandlers) == NDIS_STATUS_FAILURE);
  CHECK(NspCreateAdapter(clientDriver, NULL, &adapter) == NDIS_STATUS_FAILURE && adapter == NULL);
  CHECK(set(managerDriver, &managerHandlers) == NDIS_STATUS_SUCCESS && set(managerDriver, &miniport) == NDIS_STATUS_SUCCESS);
  CHECK(set(NULL, &protocol) == NDIS_STATUS_FAILURE && NdisSetOptionalHandlers(managerDriver, NULL) == NDIS_STATUS_FAILURE);

  /* Adapter, binding, address family, service access point */
  CHECK(NspCreateAdapter(managerDriver, &manager, &adapter) == NDIS_STATUS_SUCCESS);
  CHECK(NspOpenAdapter(managerDriver, adapter, &manager, &other) == NDIS_STATUS_FAILURE && other == NULL);
  CHECK(NspOpenAdapter(clientDriver, adapter, &client, &binding) == NDIS_STATUS_SUCCESS && happened(""));
  CHECK(NdisMCmRegisterAddressFamilyEx(adapter, &af) == NDIS_STATUS_SUCCESS && happened("notified "));
  CHECK(NdisMCmRegisterAddressFamilyEx(adapter, NULL) == NDIS_STATUS_FAILURE);
  CHECK(NdisClOpenAddressFamilyEx(binding, &af, &family, &family) == NDIS_STATUS_SUCCESS && happened("cm.open "));
  CHECK(NdisClOpenAddressFamilyEx(binding, NULL, NULL, &other) == NDIS_STATUS_FAILURE && other == NULL);
  CHECK(NdisClRegisterSap(family, &sap, &address, &sap) == NDIS_STATUS_SUCCESS && happened("cm.register "));
  CHECK(NdisMCmNotifyCloseAddressFamily(family) == NDIS_STATUS_NOT_ACCEPTED && happened("cl.notify "));

  /* CON-108: an incoming call, closed by the function first and by the macro then */
  for (int round = 0; round < 2; round++) {
    parameters.Flags = 0;
    CHECK(NdisMCmCreateVc(adapter, family, &managerContext, &managerVc) == NDIS_STATUS_SUCCESS);
    closedVc = managerVc;
    CHECK(NdisMCmActivateVc(managerVc, &parameters) == NDIS_STATUS_SUCCESS);
    CHECK(NdisMCmDispatchIncomingCall(sap, managerVc, &parameters) == NDIS_STATUS_PENDING);
    parameters.Flags |= CALL_PARAMETERS_CHANGED;
    NdisClIncomingCallComplete(NDIS_STATUS_SUCCESS, managerVc, &parameters);
    NdisMCmDispatchCallConnected(managerVc);
    CHECK(happened("cl.create cl.incoming cm.answered cl.connected "));
    if (round == 0)
      NdisCmDispatchIncomingCloseCall(NDIS_STATUS_NOT_ACCEPTED, managerVc, text, 3);
    else
      NdisMCmDispatchIncomingCloseCall(NDIS_STATUS_NOT_ACCEPTED, managerVc, text, 3);
    CHECK(lastClose == NDIS_STATUS_NOT_ACCEPTED && strcmp(closeData, "bye") == 0);
    CHECK(NdisCoDeleteVc(managerVc) == NDIS_STATUS_FAILURE);
    CHECK(NdisMCmDeleteVc(managerVc) == NDIS_STATUS_SUCCESS && NdisMCmDeleteVc(managerVc) == NDIS_STATUS_FAILURE);
    CHECK(happened("cl.closing cm.closeCall cl.delete "));
  }

  /* An outgoing call with two parties */
  CHECK(NdisCoCreateVc(binding, family, &clientContext, &clientVc) == NDIS_STATUS_SUCCESS);
  closedVc = clientVc;
  CHECK(NdisClMakeCall(clientVc, NULL, NULL, NULL) == NDIS_STATUS_FAILURE);
  CHECK(NdisClMakeCall(clientVc, &parameters, &party, &party) == NDIS_STATUS_PENDING && party != NULL);
  CHECK(NdisMCmActivateVc(clientVc, &parameters) == NDIS_STATUS_SUCCESS);
  NdisMCmMakeCallComplete(NDIS_STATUS_SUCCESS, clientVc, party, &party, &parameters);
  CHECK(NdisClAddParty(clientVc, &secondParty, &parameters, &secondParty) == NDIS_STATUS_PENDING);
  NdisMCmAddPartyComplete(NDIS_STATUS_SUCCESS, secondParty, &manager, &parameters);
  CHECK(NdisClModifyCallQoS(clientVc, &parameters) == NDIS_STATUS_FAILURE);
  NdisMCmDispatchIncomingCallQoSChange(clientVc, &parameters);
  NdisMCmDispatchIncomingDropParty(NDIS_STATUS_SUCCESS, secondParty, NULL, 0);
  CHECK(happened("cm.create cm.make cl.made cm.add cl.added cm.modify cl.changed cl.leaf cm.drop "));
  closeAnswer = NDIS_STATUS_PENDING;
  CHECK(NdisClCloseCall(clientVc, party, NULL, 0) == NDIS_STATUS_PENDING);
  NdisMCmCloseCallComplete(NDIS_STATUS_SUCCESS, clientVc, party);
  CHECK(NdisMCmDeleteVc(clientVc) == NDIS_STATUS_FAILURE && NdisCoDeleteVc(clientVc) == NDIS_STATUS_SUCCESS);
  CHECK(happened("cm.closeCall cl.callClosed cm.delete "));

  /* Requests and indications */
  CHECK(NdisCoOidRequest(binding, family, NULL, NULL, (PNDIS_OID_REQUEST)&text) == NDIS_STATUS_PENDING);
  NdisMCmOidRequestComplete(family, NULL, NULL, (PNDIS_OID_REQUEST)&text, NDIS_STATUS_INVALID_OID);
  NdisMCmOidRequestComplete(family, NULL, NULL, (PNDIS_OID_REQUEST)&text, NDIS_STATUS_INVALID_OID);
  CHECK(NdisMCmOidRequest(family, NULL, NULL, (PNDIS_OID_REQUEST)&text) == NDIS_STATUS_PENDING);
  NdisCoOidRequestComplete(family, NULL, NULL, (PNDIS_OID_REQUEST)&text, NDIS_STATUS_SUCCESS);
  CHECK(NdisCoOidRequest(binding, NULL, NULL, NULL, (PNDIS_OID_REQUEST)&text) == NDIS_STATUS_NOT_SUPPORTED);
  NdisMCoIndicateStatusEx(adapter, NULL, (PNDIS_STATUS_INDICATION)&text);
  CHECK(happened("cm.request cl.answered cl.request cm.requestDone status "));

  /* Down again; handles that are dead do no harm */
  CHECK(NspHaltAdapter(adapter) == NDIS_STATUS_NOT_ACCEPTED && NspCloseAdapter(binding) == NDIS_STATUS_NOT_ACCEPTED);
  CHECK(NspDeregisterDriver(clientDriver) == NDIS_STATUS_NOT_ACCEPTED && set(clientDriver, &miniport) == NDIS_STATUS_FAILURE);
  CHECK(NdisClDeregisterSap(sap) == NDIS_STATUS_SUCCESS && NdisClCloseAddressFamily(family) == NDIS_STATUS_SUCCESS);
  CHECK(NspCloseAdapter(binding) == NDIS_STATUS_SUCCESS && NspHaltAdapter(adapter) == NDIS_STATUS_SUCCESS);
  CHECK(NspDeregisterDriver(clientDriver) == NDIS_STATUS_SUCCESS && NspDeregisterDriver(managerDriver) == NDIS_STATUS_SUCCESS);
  CHECK(NspDeregisterDriver(managerDriver) == NDIS_STATUS_FAILURE && NspHaltAdapter(adapter) == NDIS_STATUS_FAILURE);
  CHECK(happened("cm.deregister cm.close "));
  NdisMCmDispatchIncomingCloseCall(NDIS_STATUS_SUCCESS, managerVc, NULL, 0);
  NdisMCmDispatchIncomingCloseCall(NDIS_STATUS_SUCCESS, NULL, NULL, 0);
  CHECK(NdisClCloseCall((NDIS_HANDLE)&client, NULL, NULL, 0) == NDIS_STATUS_FAILURE && happened(""));
  return failures;
}
