/* Teaches transports: a miniport call manager in a plugin file that brings clients to the host. The clients are made up: a script
   offers their calls, closes them for one reason or another, and takes the link down. LOOPBACK_MCM_SCRIPT names the script; without it
   the transport is there and nobody calls.
       offer NAME UID PID      a client calls
       close NAME REASON       it ends: remote, lost, idle, protocol-error, over-quota
       down                    the link to every client is lost
       later                   what follows runs on a thread of its own, from here on
       sleep MILLISECONDS
   cc -shared -fPIC -O2 -I../../Sources/ABI/CWinsock/include loopback-mcm.c -o loopback-mcm.so -lpthread */
#include <nsphost.h>
#include <nspndis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALLS 64
struct call {
  char name[16];
  _Atomic(NDIS_HANDLE) vc; /* NULL: nobody calls */
};
static struct call calls[CALLS];
/* Written on the host's threads, read on that of the script. */
static _Atomic(NDIS_HANDLE) adapter, family, sap;
static HANDLE module;
static FILE *script;
static pthread_t thread;
static atomic_bool stopping;
static bool has_thread; /* of NSPModuleLoad and NSPModuleUnload, which never run at once */

/* Offers a call: connection, activation, offer, connected. The parameters say who calls. */
static void offer(const char *name, unsigned uid, int pid) {
  struct {
    CO_CALL_MANAGER_PARAMETERS head;
    UCHAR tail[sizeof(NSP_PEER_CREDENTIALS)]; /* the credentials begin inside the head */
  } manager = {0};
  CO_CALL_PARAMETERS parameters = {0, &manager.head, NULL};
  NSP_PEER_CREDENTIALS peer = {.ProcessId = pid, .UserId = uid, .GroupId = uid, .ProcessFd = -1};
  NDIS_HANDLE vc = NULL;
  NDIS_STATUS status;
  int i = 0;
  while (i < CALLS && calls[i].vc != NULL) i++;
  if (i == CALLS || sap == NULL) return;
  snprintf(calls[i].name, sizeof calls[i].name, "%s", name);
  memcpy(peer.Command, calls[i].name, sizeof peer.Command);
  manager.head.CallMgrSpecific.ParamType = CALLMGR_SPECIFIC_NSP_PEER;
  manager.head.CallMgrSpecific.Length = sizeof peer;
  memcpy((UCHAR *)&manager + offsetof(CO_CALL_MANAGER_PARAMETERS, CallMgrSpecific.Parameters), &peer, sizeof peer);
  if (NdisMCmCreateVc(adapter, family, &calls[i], &vc) != NDIS_STATUS_SUCCESS) return;
  calls[i].vc = vc;
  NdisMCmActivateVc(vc, &parameters);
  status = NdisMCmDispatchIncomingCall(sap, vc, &parameters); /* the host answers at once */
  if (status == NDIS_STATUS_SUCCESS) {
    NdisMCmDispatchCallConnected(vc);
  } else {
    fprintf(stderr, "loopback-mcm: the call of %s was refused with 0x%08X\n", name, (unsigned)status);
    NdisMCmDeactivateVc(vc);
    NdisMCmDeleteVc(vc);
    calls[i].vc = NULL;
  }
}

/* Asks the host to close. It closes in return, perhaps later, when every provider has been told: see close_call. */
static void hang_up(const char *name, NDIS_STATUS status) {
  for (int i = 0; i < CALLS; i++) {
    NDIS_HANDLE vc = calls[i].vc;
    if (vc != NULL && (name == NULL || strcmp(calls[i].name, name) == 0)) NdisMCmDispatchIncomingCloseCall(status, vc, NULL, 0);
  }
}

static NDIS_STATUS reason(const char *word) {
  static const struct { const char *word; NDIS_STATUS status; } reasons[] = {
      {"remote", NSP_CLOSE_REMOTE}, {"lost", NSP_CLOSE_PEER_LOST}, {"idle", NSP_CLOSE_IDLE},
      {"protocol-error", NSP_CLOSE_PROTOCOL_ERROR}, {"over-quota", NSP_CLOSE_OVER_QUOTA}};
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (strcmp(reasons[i].word, word) == 0) return reasons[i].status;
  return NDIS_STATUS_FAILURE;
}

static void perform(const char *line) {
  char name[16], word[32];
  unsigned uid;
  int pid, pause;
  if (sscanf(line, "offer %15s %u %d", name, &uid, &pid) == 3) offer(name, uid, pid);
  else if (sscanf(line, "close %15s %31s", name, word) == 2) hang_up(name, reason(word));
  else if (sscanf(line, "sleep %d", &pause) == 1) while (pause-- > 0 && !stopping) usleep(1000);
  else if (strncmp(line, "down", 4) == 0) hang_up(NULL, NSP_CLOSE_LINE_DOWN);
}

/* Performs lines until the script ends, or says "later"; true for that. */
static bool play(void) {
  char line[256];
  while (!stopping && fgets(line, sizeof line, script) != NULL) {
    if (strncmp(line, "later", 5) == 0) return true;
    perform(line);
  }
  return false;
}
static void *play_later(void *unused) {
  while (play()) {}
  return unused;
}

/* What the host asks of a transport. */
static NDIS_STATUS open_family(NDIS_HANDLE context, PCO_ADDRESS_FAMILY af, NDIS_HANDLE handle, PNDIS_HANDLE own) {
  (void)context, (void)af;
  *own = NULL;
  family = handle;
  return NDIS_STATUS_SUCCESS;
}
static NDIS_STATUS register_sap(NDIS_HANDLE af, PCO_SAP address, NDIS_HANDLE handle, PNDIS_HANDLE own) {
  (void)af, (void)address;
  *own = NULL;
  sap = handle;
  return NDIS_STATUS_SUCCESS;
}
static NDIS_STATUS deregister_sap(NDIS_HANDLE own) {
  (void)own;
  sap = NULL;
  return NDIS_STATUS_SUCCESS;
}
static NDIS_STATUS close_family(NDIS_HANDLE own) { return (void)own, NDIS_STATUS_SUCCESS; }

/* Every provider has been told: the connection can go. Completed from inside, so the answer is that it was pending. */
static NDIS_STATUS close_call(NDIS_HANDLE context, NDIS_HANDLE party, PVOID data, UINT size) {
  struct call *call = context;
  NDIS_HANDLE vc = call->vc;
  (void)party, (void)data, (void)size;
  NdisMCmDeactivateVc(vc);
  NdisMCmCloseCallComplete(NDIS_STATUS_SUCCESS, vc, NULL);
  NdisMCmDeleteVc(vc);
  call->vc = NULL;
  return NDIS_STATUS_PENDING;
}

/* What the host never asks. */
static NDIS_STATUS no_vc(NDIS_HANDLE af, NDIS_HANDLE vc, PNDIS_HANDLE own) { return (void)af, (void)vc, (void)own, NDIS_STATUS_NOT_SUPPORTED; }
static NDIS_STATUS no_context(NDIS_HANDLE own) { return (void)own, NDIS_STATUS_NOT_SUPPORTED; }
static NDIS_STATUS no_call(NDIS_HANDLE vc, PCO_CALL_PARAMETERS parameters, NDIS_HANDLE party, PNDIS_HANDLE own) { return (void)vc, (void)parameters, (void)party, (void)own, NDIS_STATUS_NOT_SUPPORTED; }
static NDIS_STATUS no_drop(NDIS_HANDLE party, PVOID data, UINT size) { return (void)party, (void)data, (void)size, NDIS_STATUS_NOT_SUPPORTED; }
static NDIS_STATUS no_change(NDIS_HANDLE vc, PCO_CALL_PARAMETERS parameters) { return (void)vc, (void)parameters, NDIS_STATUS_NOT_SUPPORTED; }
static NDIS_STATUS no_request(NDIS_HANDLE af, NDIS_HANDLE vc, NDIS_HANDLE party, PNDIS_OID_REQUEST request) { return (void)af, (void)vc, (void)party, (void)request, NDIS_STATUS_NOT_SUPPORTED; }
static VOID answered(NDIS_STATUS status, NDIS_HANDLE vc, PCO_CALL_PARAMETERS parameters) { (void)status, (void)vc, (void)parameters; }
static VOID done(NDIS_STATUS status, NDIS_HANDLE vc) { (void)status, (void)vc; }
static VOID request_done(NDIS_HANDLE af, NDIS_HANDLE vc, NDIS_HANDLE party, PNDIS_OID_REQUEST request, NDIS_STATUS status) { (void)af, (void)vc, (void)party, (void)request, (void)status; }
static VOID notified(NDIS_HANDLE af, NDIS_STATUS status) { (void)af, (void)status; }

static NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS handlers = {
    {NDIS_OBJECT_TYPE_CO_CALL_MANAGER_OPTIONAL_HANDLERS, NDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS_REVISION_1, sizeof handlers}, 0,
    no_vc, no_context, open_family, close_family, register_sap, deregister_sap, no_call, close_call, answered, no_call, no_drop,
    answered, done, no_change, no_request, request_done, notified};

/* The host has an adapter for us, and will have none any more. */
static NDIS_STATUS initialize(NDIS_HANDLE handle, NDIS_HANDLE context) {
  CO_ADDRESS_FAMILY af = {CO_ADDRESS_FAMILY_NSP, 1, 0};
  NDIS_STATUS status = NdisMCmRegisterAddressFamilyEx(handle, &af);
  (void)context;
  if (status == NDIS_STATUS_SUCCESS) adapter = handle;
  return status;
}
static VOID halt(NDIS_HANDLE context) {
  (void)context;
  adapter = NULL; /* the next host may come */
}

/* The module: attached by the host as soon as it is registered. */
static const NSP_TRANSPORT transport = {sizeof transport, "loopback-mcm", &handlers, initialize, halt};
static const NPIID interface_id = NSP_NPI_TRANSPORT;
static NTSTATUS attach(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE client, PVOID peer, const void *peer_dispatch, PVOID *own, const void **dispatch) {
  (void)binding, (void)context, (void)client, (void)peer, (void)peer_dispatch;
  *own = NULL;
  *dispatch = &transport;
  return adapter == NULL ? STATUS_SUCCESS : STATUS_NOINTERFACE; /* one host is enough */
}
static NTSTATUS detach(PVOID own) { return (void)own, STATUS_SUCCESS; }
static const NPI_PROVIDER_CHARACTERISTICS provider = {
    .Length = sizeof provider, .ProviderAttachClient = attach, .ProviderDetachClient = detach,
    .ProviderRegistrationInstance = {.Size = sizeof(NPI_REGISTRATION_INSTANCE), .NpiId = &interface_id}};

NTSTATUS NSPModuleLoad(void) {
  const char *path = getenv("LOOPBACK_MCM_SCRIPT");
  NTSTATUS status = NmrRegisterProvider(&provider, NULL, &module);
  if (status == STATUS_SUCCESS && path != NULL && (script = fopen(path, "re")) != NULL && play())
    has_thread = pthread_create(&thread, NULL, play_later, NULL) == 0;
  return status;
}

VOID NSPModuleUnload(void) {
  stopping = true;
  if (has_thread) pthread_join(thread, NULL); /* no thread of ours is left when the file goes */
  NmrDeregisterProvider(module);
  NmrWaitForProviderDeregisterComplete(module); /* the host has closed every call, and has halted us */
  if (script != NULL) fclose(script);
}
