/* Teaches what the host does for a provider that lacks the four optional routines: it puts stubs in their places.
   Startup and Cleanup then answer WSAEOPNOTSUPP, which the host takes as "needs no session"; a registration fails with
   WSAEOPNOTSUPP; a client that vanishes needs no rundown. nsphost inspect partial counts what each stub intercepted.
   cc -shared -fPIC -O2 -I../../Sources/ABI/CWinsock/include partial.c -o partial.so */
#define NSP_ROUTINE_PROTOTYPES /* so that the routines below are exported, and checked */
#include <nsphost.h>
#include <stdlib.h>

NSP_PROVIDER("partial", NS_TCPIP_HOSTS, 1, 0, "", 0x41d0c7f8, 0x9a2b, 0x4c6e, 0xb3, 0x18, 0x62, 0x0d, 0xe5, 0x77, 0x3c, 0x09);

static WCHAR localhost[] = {'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't', 0};

/* Knows one name. */
INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  (void)id, (void)flags, (void)session; /* session is NULL: there was no startup */
  const WCHAR *name = query->lpszServiceInstanceName;
  for (int i = 0; i < 10; ++i) {
    if (name == NULL || name[i] != localhost[i]) {
      WSASetLastError(WSASERVICE_NOT_FOUND);
      return SOCKET_ERROR;
    }
  }
  *handle = calloc(1, sizeof(int));
  return *handle != NULL ? NO_ERROR : (WSASetLastError(WSA_NOT_ENOUGH_MEMORY), SOCKET_ERROR);
}

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  int *delivered = handle;
  (void)flags;
  SOCKADDR_IN6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  CSADDR_INFO where = {.RemoteAddr = {(LPSOCKADDR)&address, sizeof address}};
  WSAQUERYSET2W record = {.dwSize = sizeof record, .lpszServiceInstanceName = localhost, .dwNumberOfCsAddrs = 1, .lpcsaBuffer = &where};
  INT code = *delivered ? WSA_E_NO_MORE : NSPHostPackQuerySet(&record, length, block);
  if (code == NO_ERROR) *delivered = 1;
  WSAProviderCompleteAsyncCall(call, code);
}

INT NSPv2LookupServiceEnd(HANDLE handle) {
  free(handle);
  return NO_ERROR;
}
