/* A version 1 provider for tests. What it does follows from the name that is asked for or registered:

     records-N     N records, the first with the queried class in its comment: "-" for none, its number, and behind a colon what was
                   handed over of it: name, number of values, then name, name space, type and bytes of each
     wait-N        the first Next takes N ms, unless End comes: then it answers WSA_E_CANCELLED
     registered    one record once something was registered
     fault-N       the first Next asks for N bytes      broken-offset a comment that is an offset
     broken-overrun  a comment without an end            inside        a comment that ends where its block does
     next-fail-C   the first Next fails with C          begin-fail-C   Begin fails with C
     set-fail-C    the registration fails with C; other names succeed

   Classes that are installed are kept whole. Of others it knows those whose Data2 is 0xe11, by its own name; with 0xe12 as well, but
   only in 5,000 bytes; with 0xe13 after 4 s; those with 0xe14 fail with WSAEACCES, with 0xe15 without a code;
   to install one with 0xe16 takes 3 s; to 0xe17 it answers with values that are nowhere, to 0xe18 with a name that is. Built with CLASSES_FAIL, all
   class routines fail with it.

   WSANSPIoctl tells of registrations; code 0x1234 answers the input backwards; 0x1235 takes 300 ms, 0x1236 is WSA_IO_PENDING. A change is
   waited for in 300 ms at "slow-control". It counts the controls of lookups that have ended: scripted_count(10).

   scripted_count(n) tells how often each routine was called: 0 NSPStartup, 1 Cleanup, 2 Begin, 3 Next, 4 End, 5 SetService, 6 install, 7
   remove, 8 get, 9 ioctl. scripted_class() tells what was handed to the last SetService, in the form above. */
#define NSP_ROUTINE_PROTOTYPES
#include <nsphost.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef FIXTURE_FLAGS
#define FIXTURE_FLAGS 0
#endif
#ifndef TABLE_SIZE
#define TABLE_SIZE sizeof(NSP_ROUTINE)
#endif
#ifndef RECORD_SIZE
#define RECORD_SIZE sizeof(WSAQUERYSETW)
#endif
#ifndef MAJOR
#define MAJOR 4
#define MINOR 4
#endif
NSP_PROVIDER(FIXTURE_NAME, NS_DNS, 1, FIXTURE_FLAGS, "", 0x51e57000 + FIXTURE_NUMBER, 0x1, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, FIXTURE_NUMBER);

struct lookup {
  char name[64], class[128];
  int seen;
  int delivered, asked;
  atomic_int ended;
  int busy; /* under the lock */
};
static atomic_int counts[11], changes;
static _Atomic(void *) last_ended;
__attribute__((visibility("default"))) int scripted_count(int routine) { return counts[routine]; }

static INT fail(int code) {
  WSASetLastError(code);
  return SOCKET_ERROR;
}
static int number(const char *text, const char *prefix, int *value) {
  size_t size = strlen(prefix);
  if (strncmp(text, prefix, size) != 0) return 0;
  *value = atoi(text + size);
  return 1;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A class as text, for tests to compare. */
static void describe(const GUID *id, const WSASERVICECLASSINFOW *info, char *text, size_t room) {
  size_t used = 0;
#define SAY(...) used += (size_t)snprintf(text + (used < room ? used : room - 1), room - (used < room ? used : room - 1), __VA_ARGS__)
  if (id == NULL) SAY("-");
  else SAY("%x", (unsigned)id->Data1);
  if (info != NULL) {
    char name[64] = "?";
    DWORD size = sizeof name;
    NSPHostUtf8FromWide(info->lpszServiceClassName, name, &size);
    SAY(":%s/%u", name, (unsigned)info->dwCount);
    for (DWORD i = 0; i < info->dwCount; i++) {
      const WSANSCLASSINFOW *value = info->lpClassInfos + i;
      size = sizeof name, NSPHostUtf8FromWide(value->lpszName, name, &size);
      SAY(" %s@%u#%u=", name, (unsigned)value->dwNameSpace, (unsigned)value->dwValueType);
      for (DWORD at = 0; at < value->dwValueSize; at++) SAY("%02x", ((const unsigned char *)value->lpValue)[at]);
    }
  }
}
static char set_class[512];
__attribute__((visibility("default"))) const char *scripted_class(void) { return set_class; }

static INT cleanup(LPGUID id) {
  (void)id;
  ++counts[1];
  return 0;
}

static INT begin(LPGUID id, LPWSAQUERYSETW query, LPWSASERVICECLASSINFOW info, DWORD flags, LPHANDLE handle) {
  struct lookup *lookup = calloc(1, sizeof *lookup);
  DWORD size = sizeof lookup->name;
  int n;
  (void)id, (void)flags;
  ++counts[2];
  if (query->dwSize != sizeof *query || query->lpszServiceInstanceName == NULL || query->lpszContext == NULL) return free(lookup), fail(WSAEINVAL);
  NSPHostUtf8FromWide(query->lpszServiceInstanceName, lookup->name, &size);
  if (number(lookup->name, "begin-fail-", &n)) return free(lookup), fail(n);
  describe(query->lpServiceClassId, info, lookup->class, sizeof lookup->class);
  lookup->seen = changes;
  if (last_ended == lookup) last_ended = NULL;
  *handle = lookup;
  return 0;
}

static INT record(struct lookup *lookup, LPDWORD length, LPWSAQUERYSETW results) {
  /* the structure, then its name and comment, as UTF-16 */
  WCHAR *text = (WCHAR *)(results + 1);
  DWORD name = 32, comment = 128;
  char number[32];
  if (*length < sizeof *results + 320) return *length = sizeof *results + 320, fail(WSAEFAULT);
  memset(results, 0, sizeof *results);
  snprintf(number, sizeof number, "record-%d", lookup->delivered);
  NSPHostWideFromUtf8(number, text, &name);
  NSPHostWideFromUtf8(lookup->delivered == 0 ? lookup->class : "", text + 32, &comment);
  results->dwSize = RECORD_SIZE, results->lpszServiceInstanceName = text, results->lpszComment = text + 32;
  lookup->delivered++;
  return 0;
}

/* The last one out of a lookup that has ended frees it. */
static void enter(struct lookup *lookup) {
  pthread_mutex_lock(&lock);
  ++lookup->busy;
  pthread_mutex_unlock(&lock);
}
static void leave(struct lookup *lookup) {
  pthread_mutex_lock(&lock);
  int isLast = --lookup->busy == 0 && lookup->ended;
  pthread_mutex_unlock(&lock);
  if (isLast) free(lookup);
}

static INT next(HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSETW results) {
  struct lookup *lookup = handle;
  INT answer = 0;
  int n = 1;
  (void)flags;
  ++counts[3];
  enter(lookup);
  lookup->seen = changes;
  if (number(lookup->name, "next-fail-", &n)) answer = fail(n);
  else if (number(lookup->name, "wait-", &n) && lookup->asked++ == 0) {
    for (int i = 0; i < n && !lookup->ended; i++) usleep(1000);
    answer = lookup->ended ? fail(WSA_E_CANCELLED) : record(lookup, length, results);
  } else if (number(lookup->name, "fault-", &n) && *length < (DWORD)n) *length = (DWORD)n, answer = fail(WSAEFAULT);
  else if (strcmp(lookup->name, "broken-offset") == 0) {
    answer = record(lookup, length, results);
    if (answer == 0) results->lpszComment = (LPWSTR)sizeof *results;
  } else if ((strcmp(lookup->name, "broken-overrun") == 0 || strcmp(lookup->name, "inside") == 0) && lookup->delivered == 0) {
    answer = record(lookup, length, results);
    if (answer == 0) {
      WCHAR *end = (WCHAR *)((char *)results + (*length & ~1u));
      for (WCHAR *text = results->lpszComment; text < end; text++) *text = 'x';
      if (lookup->name[0] == 'i') end[-1] = 0;
    }
  } else {
    if (!number(lookup->name, "records-", &n)) n = strcmp(lookup->name, "registered") != 0 || changes > 0;
    answer = lookup->delivered < n ? record(lookup, length, results) : fail(WSA_E_NO_MORE);
  }
  leave(lookup);
  return answer;
}

/* Who waits for a registration. */
static struct {
  struct lookup *lookup;
  LPWSAOVERLAPPED overlapped;
} waiting[64];

static void notify(void) {
  WSAEVENT events[64];
  int count = 0;
  pthread_mutex_lock(&lock);
  ++changes;
  /* An overlapped is gone when End has returned. */
  for (int i = 0; i < 64; i++)
    if (waiting[i].overlapped != NULL) waiting[i].overlapped->Internal = 0, events[count++] = waiting[i].overlapped->hEvent, waiting[i].overlapped = NULL;
  pthread_mutex_unlock(&lock);
  while (count > 0) WSASetEvent(events[--count]);
}

static INT end(HANDLE handle) {
  struct lookup *lookup = handle;
  ++counts[4];
  pthread_mutex_lock(&lock);
  for (int i = 0; i < 64; i++)
    if (waiting[i].lookup == lookup) waiting[i].overlapped = NULL;
  pthread_mutex_unlock(&lock);
  enter(lookup);
  lookup->ended = 1;
  last_ended = lookup;
  leave(lookup);
  return 0;
}

static INT control(HANDLE handle, DWORD code, LPVOID in, DWORD ins, LPVOID out, DWORD outs, LPDWORD returned, LPWSACOMPLETION completion, LPWSATHREADID thread) {
  struct lookup *lookup = handle;
  INT answer = 0;
  ++counts[9];
  if (last_ended == handle) ++counts[10];
  if (code == 0x1235 || strcmp(lookup->name, "slow-control") == 0) {
    usleep(300000);
    if (last_ended == handle) ++counts[10];
  }
  if (code == 0x1235) return 0;
  if (code == 0x1236) return fail(WSA_IO_PENDING);
  if (thread == NULL || returned == NULL) return fail(WSAEFAULT);
  if (code == 0x1234) {
    if (outs < ins) return fail(WSAEFAULT);
    for (DWORD i = 0; i < ins; i++) ((char *)out)[i] = ((char *)in)[ins - 1 - i];
    return *returned = ins, 0;
  }
  if (code != SIO_NSP_NOTIFY_CHANGE) return fail(WSAEOPNOTSUPP);
  pthread_mutex_lock(&lock);
  if (lookup->seen == changes) {
    answer = WSAEWOULDBLOCK;
    if (completion != NULL)
      for (int i = 0; i < 64; i++)
        if (waiting[i].overlapped == NULL) {
          waiting[i].lookup = lookup, waiting[i].overlapped = completion->Parameters.Event.lpOverlapped, answer = WSA_IO_PENDING;
          break;
        }
  }
  pthread_mutex_unlock(&lock);
  return answer == 0 ? 0 : fail(answer);
}

static INT set(LPGUID id, LPWSASERVICECLASSINFOW info, LPWSAQUERYSETW registration, WSAESETSERVICEOP operation, DWORD flags) {
  char name[64];
  DWORD size = sizeof name;
  int n;
  (void)id, (void)operation, (void)flags;
  ++counts[5];
  if (registration->dwSize != sizeof *registration) return fail(WSAEINVAL);
  describe(registration->lpServiceClassId, info, set_class, sizeof set_class);
  NSPHostUtf8FromWide(registration->lpszServiceInstanceName, name, &size);
  if (number(name, "set-fail-", &n)) return fail(n);
  notify();
  return 0;
}

/* Classes, each packed in one block. */
#define CLASSES 16
static struct {
  GUID id;
  DWORD size;
  LPWSASERVICECLASSINFOW info;
} classes[CLASSES];

static DWORD units(LPCWSTR text) {
  DWORD count = 1;
  while (text[count - 1] != 0) count++;
  return count;
}
/* Packs a class, or measures it only: structure, id, name, values, then the name and the bytes of each. */
static DWORD pack(const WSASERVICECLASSINFOW *from, LPWSASERVICECLASSINFOW to) {
  char *at = (char *)to;
  DWORD used = sizeof *from;
#define PUT(field, source, size)                                                             \
  do {                                                                                       \
    used = (used + 7) & ~7u;                                                                 \
    if (to != NULL) memcpy(at + used, source, size), to->field = (void *)(at + used);        \
    used += size;                                                                            \
  } while (0)
  if (to != NULL) *to = *from;
  PUT(lpServiceClassId, from->lpServiceClassId, sizeof(GUID));
  PUT(lpszServiceClassName, from->lpszServiceClassName, units(from->lpszServiceClassName) * 2);
  if (from->dwCount > 0) PUT(lpClassInfos, from->lpClassInfos, from->dwCount * (DWORD)sizeof(WSANSCLASSINFOW));
  for (DWORD i = 0; i < from->dwCount; i++) {
    PUT(lpClassInfos[i].lpszName, from->lpClassInfos[i].lpszName, units(from->lpClassInfos[i].lpszName) * 2);
    if (from->lpClassInfos[i].dwValueSize > 0) PUT(lpClassInfos[i].lpValue, from->lpClassInfos[i].lpValue, from->lpClassInfos[i].dwValueSize);
  }
  return used;
}
static int find(const GUID *id) {
  for (int i = 0; i < CLASSES; i++)
    if (classes[i].info != NULL && memcmp(&classes[i].id, id, sizeof *id) == 0) return i;
  return -1;
}

static INT install_class(LPGUID id, LPWSASERVICECLASSINFOW info) {
  INT answer = WSAENOBUFS;
  (void)id;
  ++counts[6];
#ifdef CLASSES_FAIL
  (void)answer, (void)info;
  return fail(CLASSES_FAIL);
#endif
  if (info->lpServiceClassId->Data2 == 0xe16) usleep(3000000);
  pthread_mutex_lock(&lock);
  if (find(info->lpServiceClassId) >= 0) answer = WSAEALREADY;
  else
    for (int i = 0; i < CLASSES; i++)
      if (classes[i].info == NULL) {
        classes[i].id = *info->lpServiceClassId, classes[i].size = pack(info, NULL), classes[i].info = malloc(classes[i].size);
        pack(info, classes[i].info), answer = 0;
        break;
      }
  pthread_mutex_unlock(&lock);
  return answer == 0 ? 0 : fail(answer);
}

static INT remove_class(LPGUID id, LPGUID class) {
  int found;
  (void)id;
  ++counts[7];
#ifdef CLASSES_FAIL
  (void)found, (void)class;
  return fail(CLASSES_FAIL);
#endif
  pthread_mutex_lock(&lock);
  if ((found = find(class)) >= 0) free(classes[found].info), classes[found].info = NULL;
  pthread_mutex_unlock(&lock);
  return found >= 0 ? 0 : fail(WSATYPE_NOT_FOUND);
}

static INT get_class(LPGUID id, LPDWORD size, LPWSASERVICECLASSINFOW info) {
  static WCHAR own[] = {'o', 'w', 'n', '-', '0' + FIXTURE_NUMBER / 10, '0' + FIXTURE_NUMBER % 10, 0};
  GUID wanted = *info->lpServiceClassId;
  WSASERVICECLASSINFOW known = {&wanted, own, 0, NULL};
  INT answer = 0;
  DWORD needed;
  int found;
  (void)id;
  ++counts[8];
  if (*size < 32) return fail(WSAEINVAL);
#ifdef CLASSES_FAIL
  (void)known, (void)answer, (void)needed, (void)found;
  return fail(CLASSES_FAIL);
#endif
  if (wanted.Data2 == 0xe13) usleep(4000000);
  if (wanted.Data2 == 0xe17) return info->lpszServiceClassName = NULL, info->dwCount = 4000, info->lpClassInfos = (void *)0x10000, info->lpszServiceClassName = own, 0;
  if (wanted.Data2 == 0xe18) return info->lpszServiceClassName = (LPWSTR)0x10, 0;
  if (wanted.Data2 == 0xe14) return fail(WSAEACCES);
  if (wanted.Data2 == 0xe15) return fail(0);
  pthread_mutex_lock(&lock);
  if ((found = find(&wanted)) >= 0) known = *classes[found].info;
  else if (wanted.Data2 < 0xe11 || wanted.Data2 > 0xe13) answer = WSATYPE_NOT_FOUND;
  needed = wanted.Data2 == 0xe12 ? 5000 : pack(&known, NULL);
  if (answer == 0 && *size < needed) *size = needed, answer = WSAEFAULT;
  if (answer == 0) pack(&known, info);
  pthread_mutex_unlock(&lock);
  return answer == 0 ? 0 : fail(answer);
}

INT NSPStartup(LPGUID id, LPNSP_ROUTINE table) {
  NSP_ROUTINE clear;
  (void)id;
  ++counts[0];
  memset(&clear, 0, sizeof clear), clear.cbSize = sizeof clear;
  if (memcmp(&clear, table, sizeof clear) != 0) return fail(WSAEINVAL); /* zeroed, with its size */
#ifdef STARTUP_FAILS
  return fail(STARTUP_FAILS);
#endif
  *table = (NSP_ROUTINE){TABLE_SIZE, MAJOR, MINOR, cleanup, begin, next, end, set, install_class, remove_class, get_class, control};
#ifdef WITHOUT_IOCTL
  table->NSPIoctl = NULL;
#endif
#ifdef WITHOUT_SET
  table->NSPSetService = NULL;
#endif
  return 0;
}

#ifdef BOTH
INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  (void)id, (void)query, (void)flags, (void)session;
  *handle = (HANDLE)2;
  return 0;
}
VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  (void)handle, (void)flags, (void)length, (void)block;
  WSAProviderCompleteAsyncCall(call, WSANO_DATA);
}
INT NSPv2LookupServiceEnd(HANDLE handle) { return (void)handle, 0; }
#endif
