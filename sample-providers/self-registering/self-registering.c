/* Teaches modules that register themselves: no NSPv2 routine is exported; the file registers its provider module when the host
   has loaded it, takes it back before the host unloads it, and waits until nobody can call it any more.
   cc -shared -fPIC -O2 -I../../Sources/ABI/CWinsock/include self-registering.c -o self-registering.so */
#include <nsphost.h>
#include <arpa/inet.h>
#include <stdlib.h>

/* One answer, to any name: enough to see that the provider is there. */
static INT begin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  static const WCHAR name[] = {'s', 'e', 'l', 'f', 0};
  const WCHAR *wanted = query->lpszServiceInstanceName;
  size_t i = 0;
  (void)id, (void)flags, (void)session;
  while (wanted != NULL && name[i] != 0 && wanted[i] == name[i]) ++i;
  if (wanted == NULL || wanted[i] != name[i] || (*handle = calloc(1, sizeof(int))) == NULL) {
    WSASetLastError(WSASERVICE_NOT_FOUND);
    return SOCKET_ERROR;
  }
  return NO_ERROR;
}

static VOID next(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  int *delivered = handle;
  WCHAR name[] = {'s', 'e', 'l', 'f', 0};
  SOCKADDR_IN address = {.sin_family = AF_INET, .sin_port = htons(7)};
  CSADDR_INFO where = {.RemoteAddr = {(LPSOCKADDR)&address, sizeof address}, .iSocketType = SOCK_STREAM};
  WSAQUERYSET2W record = {.dwSize = sizeof record, .lpszServiceInstanceName = name, .dwNumberOfCsAddrs = 1, .lpcsaBuffer = &where};
  INT code = WSA_E_NO_MORE;
  (void)flags;
  inet_pton(AF_INET, "192.0.2.99", &address.sin_addr);
  if (*delivered == 0 && (code = NSPHostPackQuerySet(&record, length, block)) == NO_ERROR) *delivered = 1;
  WSAProviderCompleteAsyncCall(call, code);
}

static INT end(HANDLE handle) { return free(handle), NO_ERROR; }

/* What is left out becomes a stub. */
static const NSPV2_ROUTINE routines = {
    .cbSize = sizeof routines, .dwMajorVersion = 1,
    .NSPv2LookupServiceBegin = begin, .NSPv2LookupServiceNextEx = next, .NSPv2LookupServiceEnd = end};

/* Who the module is, and what it says of itself. All of it stays in place until the deregistration is complete. */
static const NPIID interface_id = NSP_NPI_NSPV2;
static const NPI_MODULEID module_id = {
    sizeof module_id, MIT_GUID, {{0x6e2f7d10, 0x3c55, 0x4f0a, {0x9b, 0x21, 0x5c, 0x77, 0x0a, 0x1e, 0x42, 0xd9}}}};
static const NSPV2_CHARACTERISTICS characteristics = {sizeof characteristics, NS_DNS, 1, 0, "self-registering", ""};

static NTSTATUS attach(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE client, PVOID peer, const void *peer_dispatch, PVOID *own, const void **dispatch) {
  (void)binding, (void)context, (void)client, (void)peer, (void)peer_dispatch;
  *own = NULL;
  *dispatch = &routines;
  return STATUS_SUCCESS;
}

/* The client counts its own calls: there is nothing to wait for on this side. */
static NTSTATUS detach(PVOID own) { return (void)own, STATUS_SUCCESS; }

static const NPI_PROVIDER_CHARACTERISTICS provider = {
    .Length = sizeof provider, .ProviderAttachClient = attach, .ProviderDetachClient = detach,
    .ProviderRegistrationInstance = {
        .Size = sizeof(NPI_REGISTRATION_INSTANCE), .NpiId = &interface_id, .ModuleId = &module_id,
        .Number = NSP_NPI_NSPV2_NUMBER, .NpiSpecificCharacteristics = &characteristics}};
static HANDLE handle;

/* Once this has returned, the engine of the host is attached, or has declined. */
NTSTATUS NSPModuleLoad(void) { return NmrRegisterProvider(&provider, NULL, &handle); }

VOID NSPModuleUnload(void) {
  NmrDeregisterProvider(handle);
  NmrWaitForProviderDeregisterComplete(handle);
}
