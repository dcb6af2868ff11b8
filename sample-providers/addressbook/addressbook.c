/* Teaches sessions: what a client registers belongs to its session argument, and goes when the session is run down.
   cc -shared -fPIC -O2 -pthread -I../../Sources/ABI/CWinsock/include addressbook.c -o addressbook.so */
#define NSP_ROUTINE_PROTOTYPES /* so that the routines below are exported, and checked */
#include <nsphost.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

NSP_PROVIDER("addressbook", NS_EMAIL, 1, 0, "example.org=primary", 0xb7f2aa93, 0x51c4, 0x4e0b, 0xa1, 0x3d, 0x70, 0x5e,
             0x9f, 0x3d, 0x22, 0x61);

struct session { int unused; }; /* its address is the session argument */
struct lookup { char name[256]; int next; };
static struct entry { struct session *owner; char name[256]; SOCKADDR_STORAGE address; INT length; } book[1024];
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the host calls from many threads */

static INT fail(INT code) { return WSASetLastError(code), SOCKET_ERROR; }

static void removeAt(int i) { book[i] = book[--count]; }

INT NSPv2Startup(LPGUID id, LPVOID *session) {
  (void)id;
  *session = calloc(1, sizeof(struct session));
  return *session != NULL ? NO_ERROR : fail(WSA_NOT_ENOUGH_MEMORY);
}

/* Whether the client said goodbye or was killed, its entries go. */
static void endSession(struct session *session) {
  pthread_mutex_lock(&lock);
  for (int i = count; i-- > 0;)
    if (book[i].owner == session) removeAt(i);
  pthread_mutex_unlock(&lock);
  free(session);
}
INT NSPv2Cleanup(LPGUID id, LPVOID session) { return (void)id, endSession(session), NO_ERROR; }
VOID NSPv2ClientSessionRundown(LPGUID id, LPVOID session) { (void)id, endSession(session); }

VOID NSPv2SetServiceEx(HANDLE call, LPGUID id, LPWSAQUERYSET2W info, WSAESETSERVICEOP what, DWORD flags, LPVOID session) {
  char name[256];
  DWORD size = sizeof name;
  INT code = NSPHostUtf8FromWide(info->lpszServiceInstanceName, name, &size);
  int found = 0, multiple = (flags & SERVICE_MULTIPLE) != 0;
  (void)id;
  pthread_mutex_lock(&lock);
  for (int i = count; code == NO_ERROR && i-- > 0;) {
    if (strcmp(book[i].name, name) != 0) continue;
    if (book[i].owner != session) { code = WSAEACCES; break; } /* somebody else's name */
    found = 1;
    if (what == RNRSERVICE_REGISTER ? !multiple : !multiple || info->dwNumberOfCsAddrs == 0) removeAt(i);
    for (DWORD a = 0; what != RNRSERVICE_REGISTER && multiple && a < info->dwNumberOfCsAddrs; ++a) {
      SOCKET_ADDRESS *given = &info->lpcsaBuffer[a].RemoteAddr;
      if (given->iSockaddrLength == book[i].length && !memcmp(given->lpSockaddr, &book[i].address, (size_t)book[i].length)) { removeAt(i); break; }
    }
  }
  if (code == NO_ERROR && what != RNRSERVICE_REGISTER && !found) code = WSASERVICE_NOT_FOUND;
  for (DWORD a = 0; code == NO_ERROR && what == RNRSERVICE_REGISTER && a < info->dwNumberOfCsAddrs; ++a) {
    SOCKET_ADDRESS *given = &info->lpcsaBuffer[a].RemoteAddr;
    if (count == 1024 || given->lpSockaddr == NULL || given->iSockaddrLength > (INT)sizeof book[0].address) { code = WSAENOBUFS; break; }
    struct entry *entry = &book[count++];
    memset(entry, 0, sizeof *entry);
    entry->owner = session, entry->length = given->iSockaddrLength;
    strcpy(entry->name, name);
    memcpy(&entry->address, given->lpSockaddr, (size_t)entry->length);
  }
  pthread_mutex_unlock(&lock);
  WSAProviderCompleteAsyncCall(call, code);
}

INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  struct lookup *lookup = calloc(1, sizeof *lookup);
  DWORD size = sizeof lookup->name;
  (void)id, (void)flags, (void)session;
  if (lookup == NULL) return fail(WSA_NOT_ENOUGH_MEMORY);
  if (NSPHostUtf8FromWide(query->lpszServiceInstanceName, lookup->name, &size) != NO_ERROR) return free(lookup), fail(WSASERVICE_NOT_FOUND);
  return *handle = lookup, NO_ERROR;
}

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  struct lookup *lookup = handle;
  WCHAR name[256];
  DWORD size = 256;
  INT code = lookup->next == 0 ? WSASERVICE_NOT_FOUND : WSA_E_NO_MORE;
  (void)flags;
  pthread_mutex_lock(&lock);
  while (lookup->next < count && strcmp(book[lookup->next].name, lookup->name) != 0) ++lookup->next;
  if (lookup->next < count) {
    struct entry *entry = &book[lookup->next];
    CSADDR_INFO where = {.RemoteAddr = {(LPSOCKADDR)&entry->address, entry->length}, .iSocketType = SOCK_STREAM};
    WSAQUERYSET2W record = {.dwSize = sizeof record, .lpszServiceInstanceName = name, .dwNumberOfCsAddrs = 1, .lpcsaBuffer = &where};
    NSPHostWideFromUtf8(entry->name, name, &size);
    if ((code = NSPHostPackQuerySet(&record, length, block)) == NO_ERROR) ++lookup->next;
  }
  pthread_mutex_unlock(&lock);
  WSAProviderCompleteAsyncCall(call, code);
}

INT NSPv2LookupServiceEnd(HANDLE handle) { return free(handle), NO_ERROR; }
