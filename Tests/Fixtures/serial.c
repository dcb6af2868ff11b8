/* A provider that says which of its routines have run at a time. What it does follows from the name:

     linger-N   one record; the Next takes N ms, unless End comes meanwhile; of 1000 and more it says "lingers" first, in the host's log, or a program on
                its standard output
     report     one record, whose name is "overlaps-A beside-B most-C nulls-D class-E": how often a routine began while others ran, but for an End
                beside the Next of its own handle alone; how often that was; how many ran at a time at most, own Ends not counted; how often the class was
                NULL, and the first word of the last one

   Of version 1, or with VERSION2 of version 2, with the routines of one and the same; with PROGRAM, which needs that, a program that installs and
   advertises it until its input ends. */
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
NSP_PROVIDER(FIXTURE_NAME, NS_DNS, 1, FIXTURE_FLAGS, "", 0x5e71a100 + FIXTURE_NUMBER, 0x1, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, FIXTURE_NUMBER);

#ifdef PROGRAM
#define SAY(text) (puts(text), fflush(stdout))
#else
#define SAY(text) NSPHostLog(NULL, NSP_LOG_INFO, text)
#endif

enum { OTHER, NEXT, END };
struct lookup {
  char name[64];
  int delivered;
  atomic_int ended;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { int kind; void *lookup; } running[64];
static int count, overlaps, beside, most, nulls;
static unsigned last_class;

static void enter(int kind, void *lookup) {
  int others = 0, own = 0, guests = 0;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < count; i++) {
    if (kind == END && running[i].kind == NEXT && running[i].lookup == lookup) own++;
    else others++;
    for (int j = 0; j < count; j++) guests += running[i].kind == END && running[j].kind == NEXT && running[i].lookup == running[j].lookup;
  }
  if (own > 0) beside++;
  if (others > 0) overlaps++;
  if (own == 0 && count - guests + 1 > most) most = count - guests + 1;
  running[count].kind = kind, running[count].lookup = lookup, count++;
  pthread_mutex_unlock(&lock);
}
static void leave(int kind, void *lookup) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < count; i++)
    if (running[i].kind == kind && running[i].lookup == lookup) {
      running[i] = running[--count];
      break;
    }
  pthread_mutex_unlock(&lock);
}
static INT fail(int code) {
  WSASetLastError(code);
  return SOCKET_ERROR;
}
/* Names are plain, and programs have not what nsphost.h declares. */
static void narrow(LPCWSTR wide, char *text, size_t room) {
  size_t i = 0;
  for (; wide != NULL && wide[i] != 0 && i + 1 < room; i++) text[i] = (char)wide[i];
  text[i] = 0;
}
static void widen(const char *text, WCHAR *wide) {
  do *wide++ = (unsigned char)*text;
  while (*text++ != 0);
}

static INT begin_lookup(LPCWSTR name, LPHANDLE handle) {
  struct lookup *lookup = calloc(1, sizeof *lookup);
  enter(OTHER, lookup);
  usleep(2000);
  narrow(name, lookup->name, sizeof lookup->name);
  leave(OTHER, lookup);
  if (strncmp(lookup->name, "linger-", 7) != 0 && strcmp(lookup->name, "report") != 0) return free(lookup), fail(WSASERVICE_NOT_FOUND);
  *handle = lookup;
  return NO_ERROR;
}
/* 0, with the name of the record; or why there is none. */
static INT next_record(struct lookup *lookup, WCHAR *text) {
  char name[128];
  INT code = 0;
  enter(NEXT, lookup);
  if (lookup->delivered) {
    code = WSA_E_NO_MORE;
  } else if (strcmp(lookup->name, "report") == 0) {
    pthread_mutex_lock(&lock);
    snprintf(name, sizeof name, "overlaps-%d beside-%d most-%d nulls-%d class-%x", overlaps, beside, most, nulls, last_class);
    pthread_mutex_unlock(&lock);
  } else {
    if (atoi(lookup->name + 7) >= 1000) SAY("lingers");
    for (int i = atoi(lookup->name + 7); i > 0 && !lookup->ended; i--) usleep(1000);
    if (lookup->ended) code = WSA_E_CANCELLED;
    snprintf(name, sizeof name, "%s", lookup->name);
  }
  if (code == 0) widen(name, text), lookup->delivered = 1;
  leave(NEXT, lookup);
  return code;
}
/* What a Next still looks at stays: a test leaves few of them. */
static INT end_lookup(struct lookup *lookup) {
  enter(END, lookup);
  lookup->ended = 1;
  usleep(2000);
  leave(END, lookup);
  return NO_ERROR;
}

#ifdef VERSION2
INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  (void)id, (void)flags, (void)session;
  return begin_lookup(query->lpszServiceInstanceName, handle);
}
VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  WCHAR text[128];
  const DWORD needed = sizeof *block + sizeof text;
  INT code = *length < needed ? WSAEFAULT : next_record(handle, text);
  (void)flags;
  if (code == WSAEFAULT) *length = needed;
  if (code == 0) {
    memset(block, 0, sizeof *block);
    block->dwSize = sizeof *block, block->lpszServiceInstanceName = memcpy(block + 1, text, sizeof text);
  }
  WSAProviderCompleteAsyncCall(call, code);
}
INT NSPv2LookupServiceEnd(HANDLE handle) { return end_lookup(handle); }
#ifdef PROGRAM
int main(void) {
  WSADATA data;
  GUID id = {0x5e71a100 + FIXTURE_NUMBER, 0x1, 0x4000, {0x80, 0, 0, 0, 0, 0, 0, FIXTURE_NUMBER}};
  WCHAR name[64], path[1] = {0};
  const NSPV2_ROUTINE table = {.cbSize = sizeof table, .NSPv2LookupServiceBegin = NSPv2LookupServiceBegin,
    .NSPv2LookupServiceNextEx = NSPv2LookupServiceNextEx, .NSPv2LookupServiceEnd = NSPv2LookupServiceEnd};
  widen(FIXTURE_NAME, name);
  if (WSAStartup(0x0202, &data) != 0 || WSCInstallNameSpace(name, path, NS_DNS, 1, &id) != 0 || WSAAdvertiseProvider(&id, &table) != 0) return 1;
  while (getchar() != EOF) {}
  return WSAUnadvertiseProvider(&id) != 0 || WSCUnInstallNameSpace(&id) != 0 || WSACleanup() != 0;
}
#endif
#else
static INT cleanup(LPGUID id) { return (void)id, NO_ERROR; }
static INT begin(LPGUID id, LPWSAQUERYSETW query, LPWSASERVICECLASSINFOW info, DWORD flags, LPHANDLE handle) {
  (void)id, (void)info, (void)flags;
  pthread_mutex_lock(&lock);
  if (query->lpServiceClassId == NULL) nulls++;
  else last_class = (unsigned)query->lpServiceClassId->Data1;
  pthread_mutex_unlock(&lock);
  return begin_lookup(query->lpszServiceInstanceName, handle);
}
static INT next(HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSETW results) {
  WCHAR text[128];
  const DWORD needed = sizeof *results + sizeof text;
  (void)flags;
  if (*length < needed) return *length = needed, fail(WSAEFAULT);
  INT code = next_record(handle, text);
  if (code != 0) return fail(code);
  memset(results, 0, sizeof *results);
  results->dwSize = sizeof *results, results->lpszServiceInstanceName = memcpy(results + 1, text, sizeof text);
  return NO_ERROR;
}
static INT end(HANDLE handle) { return end_lookup(handle); }
static INT set(LPGUID id, LPWSASERVICECLASSINFOW info, LPWSAQUERYSETW query, WSAESETSERVICEOP operation, DWORD flags) {
  (void)id, (void)info, (void)query, (void)operation, (void)flags;
  return fail(WSAEOPNOTSUPP);
}
static INT install(LPGUID id, LPWSASERVICECLASSINFOW info) { return (void)id, (void)info, fail(WSAEOPNOTSUPP); }
static INT remove_class(LPGUID id, LPGUID class) { return (void)id, (void)class, fail(WSAEOPNOTSUPP); }
static INT get(LPGUID id, LPDWORD size, LPWSASERVICECLASSINFOW info) { return (void)id, (void)size, (void)info, fail(WSAEOPNOTSUPP); }
INT NSPStartup(LPGUID id, LPNSP_ROUTINE table) {
  (void)id;
  *table = (NSP_ROUTINE){sizeof *table, 1, 1, cleanup, begin, next, end, set, install, remove_class, get, NULL};
  return NO_ERROR;
}
#endif
