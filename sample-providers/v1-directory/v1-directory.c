/* Teaches version 1 (NSP_ROUTINE): a directory in memory, with service classes. It has no sessions: what is registered stays until it is
   deleted. Of a class it keeps the values of its own name space; one of them, TcpPort, fills in the ports that registrations leave open.
   cc -shared -fPIC -O2 -pthread -I../../Sources/ABI/CWinsock/include v1-directory.c -o v1-directory.so */
#include <netinet/in.h>
#define NSP_ROUTINE_PROTOTYPES /* so that the routines below are exported, and checked */
#include <nsphost.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

NSP_PROVIDER("v1-directory", NS_NDS, 1, 0, "", 0x5e9f3d70, 0x2b8a, 0x4c16, 0x9d, 0x04, 0x6a, 0xe1, 0x37, 0xc5, 0x18, 0xf2);

enum { NAMES = 256, CLASSES = 64, ADDRESSES = 8, WAITERS = 64, LOOKUPS = 4096 };
static struct instance { WCHAR name[128]; GUID class; struct sockaddr_storage addresses[ADDRESSES]; INT sizes[ADDRESSES]; DWORD count; int used; } instances[NAMES];
static struct class { LPWSASERVICECLASSINFOW info; DWORD size; } classes[CLASSES]; /* each packed in one block */
static struct waiter { HANDLE lookup; LPWSAOVERLAPPED overlapped; } waiters[WAITERS];
static struct lookup { WCHAR name[128]; GUID class; HANDLE handle; int hasClass, next; uintptr_t seen; } lookups[LOOKUPS];
static uintptr_t begun, changes; /* count lookups, of which none has the number of another, and registrations */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the host calls from many threads, and End while a Next runs */

static INT fail(INT code) { return WSASetLastError(code), SOCKET_ERROR; }
static INT result(INT code) { return code == NO_ERROR ? NO_ERROR : fail(code); }
static DWORD length(LPCWSTR text) { DWORD n = 0; while (text[n] != 0) n++; return n; }
static int same(LPCWSTR a, LPCWSTR b) { return length(a) == length(b) && memcmp(a, b, length(a) * sizeof(WCHAR)) == 0; }
static int isName(LPCWSTR text, const char *name) { DWORD i = 0; while (name[i] != 0 && (text[i] | 32) == (WCHAR)(name[i] | 32)) i++; return name[i] == 0 && text[i] == 0; }

/* Parts of a packed structure: each at the next multiple of 8. Without a block they are measured only. */
struct packing { char *block; DWORD used; };
static void *put(struct packing *packing, const void *bytes, DWORD size) {
  DWORD start = (packing->used + 7) & ~7u;
  packing->used = start + size;
  return packing->block == NULL || bytes == NULL ? NULL : memcpy(packing->block + start, bytes, size);
}

static DWORD packClass(const WSASERVICECLASSINFOW *from, LPWSASERVICECLASSINFOW to) {
  struct packing packing = {(char *)to, sizeof *from};
  WSASERVICECLASSINFOW head = {0};
  WSANSCLASSINFOW values[32];
  for (DWORD i = 0; i < from->dwCount && head.dwCount < 32; ++i)
    if (from->lpClassInfos[i].dwNameSpace == NS_NDS || from->lpClassInfos[i].dwNameSpace == NS_ALL) values[head.dwCount++] = from->lpClassInfos[i];
  head.lpServiceClassId = put(&packing, from->lpServiceClassId, sizeof(GUID));
  head.lpszServiceClassName = put(&packing, from->lpszServiceClassName, (length(from->lpszServiceClassName) + 1) * 2);
  head.lpClassInfos = head.dwCount == 0 ? NULL : put(&packing, values, head.dwCount * (DWORD)sizeof *values);
  for (DWORD i = 0; i < head.dwCount; ++i) {
    LPWSTR name = put(&packing, values[i].lpszName, (length(values[i].lpszName) + 1) * 2);
    void *bytes = values[i].dwValueSize == 0 ? NULL : put(&packing, values[i].lpValue, values[i].dwValueSize);
    if (head.lpClassInfos != NULL) head.lpClassInfos[i].lpszName = name, head.lpClassInfos[i].lpValue = bytes;
  }
  if (to != NULL) *to = head;
  return packing.used;
}

static struct class *findClass(const GUID *id) {
  for (struct class *class = classes; class < classes + CLASSES; ++class)
    if (class->info != NULL && memcmp(class->info->lpServiceClassId, id, sizeof *id) == 0) return class;
  return NULL;
}

static INT installClass(LPGUID id, LPWSASERVICECLASSINFOW info) {
  struct class *free = classes; INT code = NO_ERROR; (void)id;
  pthread_mutex_lock(&lock);
  while (free < classes + CLASSES && free->info != NULL) ++free;
  if (findClass(info->lpServiceClassId) != NULL) code = WSAEALREADY;
  else if (free == classes + CLASSES || (free->info = malloc(free->size = packClass(info, NULL))) == NULL) code = WSA_NOT_ENOUGH_MEMORY;
  else packClass(info, free->info);
  pthread_mutex_unlock(&lock);
  return result(code);
}

static INT removeClass(LPGUID id, LPGUID wanted) {
  (void)id, pthread_mutex_lock(&lock);
  struct class *class = findClass(wanted);
  if (class != NULL) free(class->info), class->info = NULL;
  pthread_mutex_unlock(&lock);
  return result(class != NULL ? NO_ERROR : WSATYPE_NOT_FOUND);
}

/* The id that is wanted comes in through the block itself. */
static INT getClass(LPGUID id, LPDWORD size, LPWSASERVICECLASSINFOW info) {
  INT code = WSATYPE_NOT_FOUND; (void)id;
  pthread_mutex_lock(&lock);
  struct class *class = findClass(info->lpServiceClassId);
  if (class != NULL) code = *size >= class->size ? packClass(class->info, info), NO_ERROR : WSAEFAULT;
  if (code == WSAEFAULT) *size = class->size;
  pthread_mutex_unlock(&lock);
  return result(code);
}

/* Whoever waits for a change is told. An overlapped is gone when End has returned, so it is written under the lock. */
static void notify(void) {
  WSAEVENT events[WAITERS]; int count = 0;
  pthread_mutex_lock(&lock);
  ++changes;
  for (int i = 0; i < WAITERS; ++i) {
    if (waiters[i].overlapped == NULL) continue;
    waiters[i].overlapped->Internal = NO_ERROR;
    events[count++] = waiters[i].overlapped->hEvent;
    waiters[i] = (struct waiter){NULL, NULL};
  }
  pthread_mutex_unlock(&lock);
  while (count > 0) WSASetEvent(events[--count]);
}

static DWORD portOf(const WSASERVICECLASSINFOW *info) {
  for (DWORD i = 0, port; info != NULL && i < info->dwCount; ++i)
    if (isName(info->lpClassInfos[i].lpszName, "TcpPort") && info->lpClassInfos[i].dwValueType == REG_DWORD && info->lpClassInfos[i].dwValueSize == 4)
      return memcpy(&port, info->lpClassInfos[i].lpValue, 4), port;
  return 0;
}

static int readAddress(const SOCKET_ADDRESS *given, DWORD port, struct sockaddr_storage *address) {
  struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
  if (given->lpSockaddr == NULL || given->iSockaddrLength > (INT)sizeof *address) return 0;
  memset(address, 0, sizeof *address);
  memcpy(address, given->lpSockaddr, (size_t)given->iSockaddrLength);
  if (ipv4->sin_family == AF_INET && ipv4->sin_port == 0) ipv4->sin_port = htons((WORD)port);
  return 1;
}

/* Adds addresses to an instance, or removes them. */
static void change(struct instance *one, LPWSAQUERYSETW set, DWORD port, int adds) {
  struct sockaddr_storage address;
  for (DWORD i = 0; i < set->dwNumberOfCsAddrs; ++i) {
    if (!readAddress(&set->lpcsaBuffer[i].RemoteAddr, port, &address)) continue;
    for (DWORD at = one->count; !adds && at-- > 0;)
      if (memcmp(&one->addresses[at], &address, sizeof address) == 0) one->addresses[at] = one->addresses[--one->count], one->sizes[at] = one->sizes[one->count];
    if (adds && one->count < ADDRESSES) one->sizes[one->count] = set->lpcsaBuffer[i].RemoteAddr.iSockaddrLength, one->addresses[one->count++] = address;
  }
}

/* An instance is a name and a class; who names no class means the name alone. */
static INT setService(LPGUID id, LPWSASERVICECLASSINFOW info, LPWSAQUERYSETW set, WSAESETSERVICEOP what, DWORD flags) {
  static const GUID none;
  const GUID *class = set->lpServiceClassId != NULL ? set->lpServiceClassId : &none;
  struct instance *found = NULL, *free = NULL; INT code = NO_ERROR; (void)id;
  if (length(set->lpszServiceInstanceName) >= 128) return fail(WSAENOBUFS);
  pthread_mutex_lock(&lock);
  for (struct instance *one = instances + NAMES; one-- > instances;) {
    if (!one->used) free = one;
    else if (same(one->name, set->lpszServiceInstanceName) && (set->lpServiceClassId == NULL || memcmp(&one->class, class, sizeof *class) == 0)) found = one;
  }
  if (what != RNRSERVICE_REGISTER) {
    if (found == NULL) code = WSASERVICE_NOT_FOUND;
    else if ((flags & SERVICE_MULTIPLE) == 0 || set->dwNumberOfCsAddrs == 0) found->count = 0;
    else change(found, set, portOf(info), 0);
    if (found != NULL) found->used = what != RNRSERVICE_DELETE || found->count > 0;
  } else if (found == NULL && free == NULL) {
    code = WSAENOBUFS;
  } else {
    struct instance *one = found != NULL ? found : free;
    if (found == NULL || (flags & SERVICE_MULTIPLE) == 0) one->count = 0;
    memcpy(one->name, set->lpszServiceInstanceName, (length(set->lpszServiceInstanceName) + 1) * sizeof(WCHAR));
    one->class = *class, one->used = 1;
    change(one, set, portOf(info), 1);
  }
  pthread_mutex_unlock(&lock);
  if (code == NO_ERROR) notify();
  return result(code);
}

static struct lookup *findLookup(HANDLE handle) {
  struct lookup *lookup = lookups + (uintptr_t)handle % LOOKUPS;
  return handle != NULL && lookup->handle == handle ? lookup : NULL;
}

static INT begin(LPGUID id, LPWSAQUERYSETW query, LPWSASERVICECLASSINFOW info, DWORD flags, LPHANDLE handle) {
  struct lookup lookup = {.hasClass = query->lpServiceClassId != NULL};
  int tries = ((void)id, (void)info, (void)flags, 0);
  if (query->lpszServiceInstanceName != NULL && length(query->lpszServiceInstanceName) < 128)
    memcpy(lookup.name, query->lpszServiceInstanceName, (length(query->lpszServiceInstanceName) + 1) * sizeof(WCHAR));
  if (lookup.hasClass) lookup.class = *query->lpServiceClassId;
  pthread_mutex_lock(&lock);
  do ++begun, ++tries; while (lookups[begun % LOOKUPS].handle != NULL && tries < LOOKUPS);
  lookup.seen = changes;
  if (tries < LOOKUPS) *handle = lookup.handle = (HANDLE)begun, lookups[begun % LOOKUPS] = lookup;
  pthread_mutex_unlock(&lock);
  return result(tries < LOOKUPS ? NO_ERROR : WSA_NOT_ENOUGH_MEMORY);
}

static DWORD packRecord(const struct instance *one, LPWSAQUERYSETW to) {
  struct packing packing = {(char *)to, sizeof *to};
  CSADDR_INFO addresses[ADDRESSES] = {0};
  WSAQUERYSETW head = {.dwSize = sizeof head, .dwNameSpace = NS_NDS, .dwNumberOfCsAddrs = one->count};
  head.lpszServiceInstanceName = put(&packing, one->name, (length(one->name) + 1) * 2);
  head.lpServiceClassId = put(&packing, &one->class, sizeof one->class);
  LPCSADDR_INFO array = one->count == 0 ? NULL : put(&packing, addresses, one->count * (DWORD)sizeof *addresses);
  for (DWORD i = 0; i < one->count; ++i) {
    LPSOCKADDR address = put(&packing, &one->addresses[i], (DWORD)one->sizes[i]);
    if (array != NULL) array[i].LocalAddr = array[i].RemoteAddr = (SOCKET_ADDRESS){address, one->sizes[i]};
  }
  head.lpcsaBuffer = array;
  if (to != NULL) *to = head;
  return packing.used;
}

static INT next(HANDLE handle, DWORD flags, LPDWORD size, LPWSAQUERYSETW results) {
  INT code = WSA_E_NO_MORE; (void)flags;
  pthread_mutex_lock(&lock);
  struct lookup *lookup = findLookup(handle);
  if (lookup == NULL) code = WSA_E_CANCELLED;
  else lookup->seen = changes;
  for (; lookup != NULL && lookup->next < NAMES; ++lookup->next) {
    const struct instance *one = instances + lookup->next;
    if (!one->used || (lookup->hasClass && memcmp(&one->class, &lookup->class, sizeof one->class) != 0)) continue;
    if (!same(lookup->name, one->name) && !isName(lookup->name, "*")) continue;
    DWORD needed = packRecord(one, NULL);
    if (*size < needed) *size = needed, code = WSAEFAULT;
    else packRecord(one, results), lookup->next++, code = NO_ERROR;
    break;
  }
  pthread_mutex_unlock(&lock);
  return result(code);
}

static INT end(HANDLE handle) {
  pthread_mutex_lock(&lock);
  struct lookup *lookup = findLookup(handle);
  for (int i = 0; i < WAITERS; ++i) if (waiters[i].lookup == handle) waiters[i] = (struct waiter){NULL, NULL};
  if (lookup != NULL) lookup->handle = NULL;
  pthread_mutex_unlock(&lock);
  return result(lookup != NULL ? NO_ERROR : WSA_INVALID_HANDLE);
}

/* The host's completions are events. */
static INT control(HANDLE handle, DWORD code, LPVOID in, DWORD inSize, LPVOID out, DWORD outSize, LPDWORD returned, LPWSACOMPLETION completion, LPWSATHREADID thread) {
  INT answer = NO_ERROR, i = 0; (void)in, (void)inSize, (void)out, (void)outSize, (void)thread;
  if (code != SIO_NSP_NOTIFY_CHANGE) return fail(WSAEOPNOTSUPP);
  *returned = 0;
  pthread_mutex_lock(&lock);
  struct lookup *lookup = findLookup(handle);
  while (i < WAITERS && waiters[i].lookup != NULL) ++i;
  if (lookup == NULL) answer = WSA_INVALID_HANDLE;
  else if (lookup->seen != changes) answer = NO_ERROR;
  else if (completion == NULL) answer = WSAEWOULDBLOCK;
  else if (completion->Type != NSP_NOTIFY_EVENT || i == WAITERS) answer = WSAEOPNOTSUPP;
  else waiters[i] = (struct waiter){handle, completion->Parameters.Event.lpOverlapped}, answer = WSA_IO_PENDING;
  pthread_mutex_unlock(&lock);
  return result(answer);
}

static INT cleanup(LPGUID id) {
  for (int i = 0; i < CLASSES; ++i) free(classes[i].info), classes[i].info = NULL;
  return (void)id, NO_ERROR;
}

INT NSPStartup(LPGUID id, LPNSP_ROUTINE table) {
  *table = (NSP_ROUTINE){sizeof *table, 1, 1, cleanup, begin, next, end, setService, installClass, removeClass, getClass, control};
  return (void)id, NO_ERROR;
}
