/* Teaches the three routines that make a provider: begin a lookup, deliver its records one by one, end it.
   cc -shared -fPIC -O2 -I../../Sources/ABI/CWinsock/include hello.c -o hello.so */
#define NSP_ROUTINE_PROTOTYPES /* so that the routines below are exported, and checked */
#include <nsphost.h>
#include <arpa/inet.h>
#include <stdlib.h>

/* What the host shows and routes by; it reads this without loading the file. */
NSP_PROVIDER("hello", NS_DNS, 1, 0, "", 0x3f0c5a1e, 0x6b1d, 0x4b52, 0x9c, 0x57, 0x1d, 0x0e, 0x44, 0x2a, 0x91, 0x10);

static const struct {
  WCHAR name[8];
  const char *address;
} table[] = {
    {{'h', 'e', 'l', 'l', 'o'}, "192.0.2.1"},
    {{'w', 'o', 'r', 'l', 'd'}, "192.0.2.2"},
    {{'n', 's', 'p'}, "192.0.2.3"},
};
#define ROWS (sizeof table / sizeof table[0])

/* The state of one lookup: which rows are left, and what is asked for. */
struct lookup {
  size_t next;
  WCHAR name[8];
};

static int matches(const WCHAR *wanted, const WCHAR *name) {
  if (wanted[0] == '*' && wanted[1] == 0) return 1;
  while (*wanted != 0 && *wanted == *name) ++wanted, ++name;
  return *wanted == *name;
}

/* The query is valid during this call only: keep a copy of what matters. */
INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  (void)id, (void)flags, (void)session;
  const WCHAR *name = query->lpszServiceInstanceName;
  struct lookup *lookup = calloc(1, sizeof *lookup);
  if (lookup == NULL) {
    WSASetLastError(WSA_NOT_ENOUGH_MEMORY);
    return SOCKET_ERROR;
  }
  /* Eight units hold every name of the table; a longer one can match none. */
  for (size_t i = 0; name != NULL && i < 8; ++i) {
    lookup->name[i] = name[i];
    if (name[i] == 0) break;
    if (i == 7) lookup->next = ROWS;
  }
  *handle = lookup;
  return NO_ERROR;
}

/* One record a call. The answer is the code of the completion; the record is packed into the host's block. */
VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  struct lookup *lookup = handle;
  (void)flags;
  while (lookup->next < ROWS && !matches(lookup->name, table[lookup->next].name)) ++lookup->next;
  if (lookup->next >= ROWS) {
    WSAProviderCompleteAsyncCall(call, WSA_E_NO_MORE);
    return;
  }
  SOCKADDR_IN address = {.sin_family = AF_INET, .sin_port = htons(7)};
  inet_pton(AF_INET, table[lookup->next].address, &address.sin_addr);
  CSADDR_INFO where = {.RemoteAddr = {(LPSOCKADDR)&address, sizeof address}, .iSocketType = SOCK_STREAM};
  WSAQUERYSET2W record = {.dwSize = sizeof record, .dwNameSpace = NS_DNS, .dwNumberOfCsAddrs = 1, .lpcsaBuffer = &where};
  record.lpszServiceInstanceName = (LPWSTR)table[lookup->next].name;
  INT code = NSPHostPackQuerySet(&record, length, block);
  if (code == NO_ERROR) ++lookup->next; /* with WSAEFAULT the same record is asked for again */
  WSAProviderCompleteAsyncCall(call, code);
}

INT NSPv2LookupServiceEnd(HANDLE handle) {
  free(handle);
  return NO_ERROR;
}
