/* A client module of the interface between providers and the engine that is not the host's: it attaches to the provider of one id, and calls every
   entry of the table that it is given. */
#include <nsphost.h>
#include <stdio.h>
#include <string.h>

static GUID wanted;
static const NSPV2_ROUTINE *routines;
static HANDLE registration;

static NTSTATUS attach(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE provider) {
  PVOID peer = NULL;
  const void *dispatch = NULL;
  NTSTATUS status;
  (void)context;
  if (provider->ModuleId == NULL || memcmp(&provider->ModuleId->Guid, &wanted, sizeof wanted) != 0) return STATUS_NOINTERFACE;
  status = NmrClientAttachProvider(binding, &registration, NULL, &peer, &dispatch);
  if (status == STATUS_SUCCESS) routines = dispatch;
  return status;
}
static NTSTATUS detach(PVOID context) {
  (void)context;
  routines = NULL;
  return STATUS_SUCCESS;
}

static const NPIID nspv2 = NSP_NPI_NSPV2;
static const NPI_CLIENT_CHARACTERISTICS client = {
    0, sizeof client, attach, detach, 0, {0, sizeof(NPI_REGISTRATION_INSTANCE), &nspv2, 0, NSP_NPI_NSPV2_NUMBER, 0}};

/* Returns 1 where it is attached. */
NSP_EXPORT int foreign_register(const GUID *id) {
  wanted = *id;
  return NmrRegisterClient(&client, NULL, &registration) == STATUS_SUCCESS && routines != NULL;
}

/* Returns 1 where it has been detached. */
NSP_EXPORT int foreign_deregister(void) {
  NmrDeregisterClient(registration);
  return NmrWaitForClientDeregisterComplete(registration) == STATUS_SUCCESS && routines == NULL;
}

/* Calls the seven entries, and says what each of them did. A call that is asynchronous has no handle: what it answers at once is in its memory. */
NSP_EXPORT void foreign_call(char *text, size_t size) {
  const void *const *entry = (const void *const *)&routines->NSPv2Startup;
  WCHAR name[] = {'n', 'o', 'w', '-', '1', 0};
  WSAQUERYSET2W query = {.dwSize = sizeof query, .lpszServiceInstanceName = name, .dwNameSpace = NS_DNS};
  union {
    WSAQUERYSET2W set;
    char bytes[4096];
  } block = {0};
  DWORD length = sizeof block;
  LPVOID argument = NULL, other = NULL;
  HANDLE lookup = NULL;
  int filled = 0, started, begun, unknown, ended, cleaned, again, set;
  for (int i = 0; i < 7; i++) filled += entry[i] != NULL;
  started = routines->NSPv2Startup(&wanted, &argument);
  begun = routines->NSPv2LookupServiceBegin(&wanted, &query, LUP_RETURN_ALL, argument, &lookup);
  routines->NSPv2LookupServiceNextEx(NULL, lookup, LUP_RETURN_ALL, &length, &block.set);
  name[0] = 'x';
  unknown = routines->NSPv2LookupServiceBegin(&wanted, &query, LUP_RETURN_ALL, argument, &other) == 0 ? 0 : WSAGetLastError();
  ended = routines->NSPv2LookupServiceEnd(lookup);
  WSASetLastError(0);
  routines->NSPv2SetServiceEx(NULL, &wanted, &query, RNRSERVICE_REGISTER, 0, argument);
  set = WSAGetLastError();
  cleaned = routines->NSPv2Cleanup(&wanted, argument);
  again = routines->NSPv2Startup(&wanted, &argument);
  routines->NSPv2ClientSessionRundown(&wanted, argument);
  snprintf(
      text, size, "%d entries of %u bytes; startup %d, begin %d, record %c, unknown %d, end %d, set %d, cleanup %d, startup %d", filled,
      (unsigned)routines->cbSize, started, begun, block.set.lpszServiceInstanceName ? (char)block.set.lpszServiceInstanceName[0] : '-', unknown,
      ended, set, cleaned, again);
}
