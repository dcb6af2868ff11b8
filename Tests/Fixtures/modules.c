/* Files that register modules of their own: a provider module and a client module of two interfaces, in a constructor, never taken
   back; or, with REFUSES, one in NSPModuleLoad that then answers a failure. */
#include <nsphost.h>

static INT begin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID argument, LPHANDLE handle) {
  (void)id, (void)query, (void)flags, (void)argument;
  *handle = NULL;
  return NO_ERROR;
}
static VOID next(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  (void)handle, (void)flags, (void)length, (void)block;
  WSAProviderCompleteAsyncCall(call, WSANO_DATA);
}
static INT end(HANDLE handle) { return (void)handle, NO_ERROR; }
static const NSPV2_ROUTINE routines = {
    .cbSize = sizeof routines, .NSPv2LookupServiceBegin = begin, .NSPv2LookupServiceNextEx = next, .NSPv2LookupServiceEnd = end};

static const NPIID nspv2 = NSP_NPI_NSPV2, other = {0xf1f9, 1, 2, {3}};
#ifdef REFUSES
static const NPI_MODULEID id = {sizeof id, MIT_GUID, {NSP_GUID(0xf1f90002, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)}};
static const NSPV2_CHARACTERISTICS facts = {sizeof facts, NS_DNS, 1, 0, "refuses-to-start", 0};
#else
NSP_PROVIDER("registers-in-constructor", NS_DNS, 1, NSP_ADVERTISES, "", 0xf1f90001, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
static const NPI_MODULEID id = {sizeof id, MIT_GUID, {NSP_GUID(0xf1f90001, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)}};
static const NSPV2_CHARACTERISTICS facts = {sizeof facts, NS_DNS, 1, 0, "registers-in-constructor", 0};
#endif

static NTSTATUS attach_client(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE client, PVOID peer, const void *peer_dispatch, PVOID *own, const void **dispatch) {
  (void)binding, (void)context, (void)client, (void)peer, (void)peer_dispatch;
  *own = NULL, *dispatch = &routines;
  return STATUS_SUCCESS;
}
static NTSTATUS attach_provider(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE provider) {
  (void)binding, (void)context, (void)provider;
  return STATUS_NOINTERFACE;
}
static NTSTATUS detach(PVOID context) { return (void)context, STATUS_SUCCESS; }
static const NPI_PROVIDER_CHARACTERISTICS provider = {
    0, sizeof provider, attach_client, detach, 0, {0, sizeof(NPI_REGISTRATION_INSTANCE), &nspv2, &id, 1, &facts}};
__attribute__((unused)) static const NPI_CLIENT_CHARACTERISTICS client = {
    0, sizeof client, attach_provider, detach, 0, {0, sizeof(NPI_REGISTRATION_INSTANCE), &other, 0, 0, 0}};
static HANDLE handles[2];

#ifdef REFUSES
NTSTATUS NSPModuleLoad(void) {
  NmrRegisterProvider(&provider, NULL, &handles[0]);
  return STATUS_ACCESS_DENIED;
}
#else
__attribute__((constructor)) static void begin_all(void) {
  NmrRegisterProvider(&provider, NULL, &handles[0]);
  NmrRegisterClient(&client, NULL, &handles[1]);
}
#endif
