/* A provider for tests. What it does follows from the name that is asked for or registered:

     records-N          N records, record-0 …              begin-fail-C    Begin answers -1 with last error C
     begin-one-C        Begin answers 1, last error C      begin-literal-C Begin answers C itself
     begin-zero-C       Begin answers 0, last error C      next-fail-C     the first NextEx completes with C
     second-fail-C      one record, then C                 minus-C         completes with -1, last error C
     async-N            completes after N ms on a thread   before-return   completes on a thread before NextEx returns
     never              never completes                    sleep-N         NextEx sleeps N ms, then completes
     twice              completes twice                    big-N           demands N bytes
     unless-NAME        WSANO_DATA, unless NAME begins with the fixture's own name, which has one record
     greedy             demands what it was given          foreign         a record in memory freed after the completion
     count-5000 null-array size-40 lone-surrogate          broken records
     broken-WHAT        a pointer of the record leads nowhere: see broken() below
     edge               a text that ends where its mapping does
     nonsense-WHAT      hands nonsense to a function of the host; the record's name is the code that it answered
     wrong-id           a record with a false provider id  overrun         claims text that runs to the block's end
     garbage            Begin answers a random number      late            completes when scripted_release is called
     set-fail-C set-never set-async-N                      registrations; other names succeed

   scripted_count(routine) tells how often each routine was called; the other exported functions are described below. */
#define NSP_ROUTINE_PROTOTYPES
#include <nsphost.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef FIXTURE_NAME
#define FIXTURE_NAME "scripted"
#endif
#ifndef FIXTURE_SPACE
#define FIXTURE_SPACE NS_DNS
#endif
#ifndef FIXTURE_FLAGS
#define FIXTURE_FLAGS 0
#endif
#ifndef FIXTURE_DOMAINS
#define FIXTURE_DOMAINS ""
#endif
#ifndef FIXTURE_NUMBER
#define FIXTURE_NUMBER 1
#endif

NSP_PROVIDER(FIXTURE_NAME, FIXTURE_SPACE, 1, FIXTURE_FLAGS, FIXTURE_DOMAINS, 0xf1f70000 + FIXTURE_NUMBER, 0x1111, 0x4222, 0x83, 0x33,
             1, 2, 3, 4, 5, 6);

struct lookup {
  char name[128];
  int delivered;
  atomic_int ended;
  HANDLE handle;
  int users;
  struct lookup *next;
};

static atomic_int counts[7];
__attribute__((unused)) static atomic_int second_completion = -2;
__attribute__((unused)) static atomic_int startups;
static void *_Atomic last_argument;
__attribute__((unused)) static _Atomic(HANDLE) released;

/* How often a routine was called: 0 Startup … 6 ClientSessionRundown. */
NSP_EXPORT int scripted_count(int routine);
int scripted_count(int routine) { return counts[routine]; }
/* What the second completion of "twice" answered: 0 or -1. */
NSP_EXPORT int scripted_second(void);
int scripted_second(void) { return second_completion; }
/* The argument of the last Cleanup or Rundown. */
NSP_EXPORT void *scripted_argument(void);
void *scripted_argument(void) { return last_argument; }
/* Completes the call that "late" or "never" left behind; answers what the completion answered. */
NSP_EXPORT int scripted_release(void);
int scripted_release(void) { return WSAProviderCompleteAsyncCall(released, NO_ERROR); }

/* Says that something has changed at a provider: this one where the id is NULL. The name may be NULL. What the host answered. */
NSP_EXPORT int scripted_changed(const GUID *id, const char *name);
int scripted_changed(const GUID *id, const char *name) {
  static const GUID own = {0xf1f70000 + FIXTURE_NUMBER, 0x1111, 0x4222, {0x83, 0x33, 1, 2, 3, 4, 5, 6}};
  WCHAR wide[128];
  DWORD size = 128;
  int code;
  if (name != NULL && NSPHostWideFromUtf8(name, wide, &size) != 0) return -2;
  WSASetLastError(77);
  code = NSPHostChanged(id != NULL ? id : &own, name != NULL ? wide : NULL);
  return WSAGetLastError() == 77 ? code : -3;
}
/* What it answers to what is no id, and no text. */
NSP_EXPORT int scripted_changed_badly(void);
int scripted_changed_badly(void) {
  static const GUID own = {0xf1f70000 + FIXTURE_NUMBER, 0x1111, 0x4222, {0x83, 0x33, 1, 2, 3, 4, 5, 6}};
  static const WCHAR lone[] = {'x', 0xD800, 0};
  return NSPHostChanged(NULL, NULL) == WSAEINVAL && NSPHostChanged(&own, lone) == WSAEINVAL;
}

/* The threads that this file has started. They are joined before it is unmapped: a thread that has completed a call still has to
   return through this file's code. */
#define MAXIMUM_THREADS 4096
__attribute__((unused)) static pthread_t threads[MAXIMUM_THREADS];
__attribute__((unused)) static atomic_int thread_count;

__attribute__((destructor)) static void join_threads(void) {
  for (int i = 0; i < thread_count && i < MAXIMUM_THREADS; ++i) pthread_join(threads[i], NULL);
}

static inline int number(const char *text, const char *prefix, int *value) {
  size_t size = strlen(prefix);
  if (strncmp(text, prefix, size) != 0) return 0;
  *value = atoi(text + size);
  return 1;
}

static inline INT fail(INT code) {
  WSASetLastError(code);
  return SOCKET_ERROR;
}

#ifndef WITHOUT_STARTUP
INT NSPv2Startup(LPGUID id, LPVOID *argument) {
  (void)id;
  ++counts[0];
#ifdef STARTUP_UNSUPPORTED
  return WSAEOPNOTSUPP;
#endif
#ifdef STARTUP_EVERY_SECOND
  if (++startups % 2 == 1) return fail(WSAEACCES);
#endif
  *argument = (void *)(uintptr_t)(0x1000 + 0x10 * (uintptr_t)atomic_fetch_add(&startups, 1));
  return NO_ERROR;
}
#endif

#ifndef WITHOUT_CLEANUP
INT NSPv2Cleanup(LPGUID id, LPVOID argument) {
  (void)id;
  ++counts[1];
  last_argument = argument;
  return NO_ERROR;
}
#endif

#ifndef WITHOUT_RUNDOWN
VOID NSPv2ClientSessionRundown(LPGUID id, LPVOID argument) {
  (void)id;
  ++counts[6];
  last_argument = argument;
}
#endif

/* What NSPHostCurrentServiceClass said in the last Begin: its code without a buffer, its code with one, the class. */
static char class_text[128];
NSP_EXPORT const char *scripted_class(void);
const char *scripted_class(void) { return class_text; }

__attribute__((unused)) static void ask_for_class(void) {
  static _Alignas(8) char buffer[512];
  WSASERVICECLASSINFOW *info = (WSASERVICECLASSINFOW *)buffer;
  GUID id = {0};
  DWORD size = 8;
  INT small, large;
  char name[32] = "";
  DWORD room = sizeof name;
  memset(buffer, 0, sizeof buffer);
  small = NSPHostCurrentServiceClass(&id, &size, info);
  large = NSPHostCurrentServiceClass(NULL, &size, info);
  if (large == 0) NSPHostUtf8FromWide(info->lpszServiceClassName, name, &room);
  snprintf(class_text, sizeof class_text, "%d %d %x %s/%u %d", small, large, (unsigned)id.Data1, name, (unsigned)info->dwCount, (int)size);
}

#ifndef WITHOUT_LOOKUPS
/* An End may overlap a NextEx of its own handle, and overtake one that is about to begin: a handle is a number that comes once, and a
   lookup stays until whoever is at work on it has left. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct lookup *lookups;

static HANDLE add(struct lookup *lookup) {
  static uintptr_t last;
  pthread_mutex_lock(&lock);
  lookup->users = 1;
  HANDLE handle = lookup->handle = (HANDLE)++last;
  lookup->next = lookups;
  lookups = lookup;
  pthread_mutex_unlock(&lock);
  return handle;
}

/* NULL where it has ended. Whoever takes it out has the place of the open lookup among its users. */
static struct lookup *enter(HANDLE handle, int takes_out) {
  pthread_mutex_lock(&lock);
  struct lookup **place = &lookups;
  while (*place != NULL && (*place)->handle != handle) place = &(*place)->next;
  struct lookup *lookup = *place;
  if (lookup != NULL && takes_out) *place = lookup->next;
  else if (lookup != NULL) ++lookup->users;
  pthread_mutex_unlock(&lock);
  return lookup;
}

/* For a thread of whoever has entered. */
static void keep(struct lookup *lookup) {
  pthread_mutex_lock(&lock);
  ++lookup->users;
  pthread_mutex_unlock(&lock);
}

static void leave(struct lookup *lookup) {
  pthread_mutex_lock(&lock);
  int is_last = --lookup->users == 0;
  pthread_mutex_unlock(&lock);
  if (is_last) free(lookup);
}

INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID argument, LPHANDLE handle) {
  (void)id, (void)flags, (void)argument;
  ++counts[2];
  if (WSAGetLastError() != 0) return WSAEINPROGRESS; /* NSP-029: the slot is clean on entry */
  struct lookup *lookup = calloc(1, sizeof *lookup);
  DWORD size = sizeof lookup->name;
  int code = 0, result = SOCKET_ERROR;
  if (NSPHostUtf8FromWide(query->lpszServiceInstanceName, lookup->name, &size) != 0) strcpy(lookup->name, "records-1");
  ask_for_class();
  if (number(lookup->name, "begin-fail-", &code)) result = SOCKET_ERROR;
  else if (number(lookup->name, "begin-one-", &code)) result = 1;
  else if (number(lookup->name, "begin-literal-", &code)) result = code, code = 0;
  else if (number(lookup->name, "begin-zero-", &code)) result = 0;
  else if (strcmp(lookup->name, "garbage") == 0) result = 0x5A5A5A, *handle = (HANDLE)(uintptr_t)0xDEADBEEF;
  else result = 0;
  WSASetLastError(code);
  if (result != 0) {
    free(lookup);
    return result;
  }
  *handle = add(lookup);
  return NO_ERROR;
}

static void complete(struct lookup *lookup, HANDLE call, LPDWORD length, LPWSAQUERYSET2W block, const char *text) {
  WCHAR wide[128];
  DWORD size = 128;
  NSPHostWideFromUtf8(text, wide, &size);
  BYTE address[16] = {2, 0, 0, 7, 192, 0, 2, 9};
  CSADDR_INFO where = {.RemoteAddr = {(LPSOCKADDR)(void *)address, 16}, .iSocketType = 1};
  WSAQUERYSET2W record = {.dwSize = sizeof record, .lpszServiceInstanceName = wide, .dwNumberOfCsAddrs = 1, .lpcsaBuffer = &where};
  INT code = NSPHostPackQuerySet(&record, length, block);
  if (code == NO_ERROR) ++lookup->delivered;
  WSAProviderCompleteAsyncCall(call, code);
}

struct job {
  struct lookup *lookup;
  HANDLE call;
  LPDWORD length;
  LPWSAQUERYSET2W block;
  int delay;
};

static void *work(void *context) {
  struct job job = *(struct job *)context;
  free(context);
  NSPHostLog(job.call, NSP_LOG_WARNING, "on a thread\nof mine");
  for (int waited = 0; waited < job.delay && !job.lookup->ended; ++waited) usleep(1000);
  if (job.lookup->ended) {
    WSAProviderCompleteAsyncCall(job.call, WSA_E_CANCELLED);
  } else {
    complete(job.lookup, job.call, job.length, job.block, "async");
  }
  leave(job.lookup);
  return NULL;
}

static pthread_t start(struct lookup *lookup, HANDLE call, LPDWORD length, LPWSAQUERYSET2W block, int delay) {
  struct job *job = malloc(sizeof *job);
  *job = (struct job){lookup, call, length, block, delay};
  keep(lookup);
  pthread_t thread;
  pthread_create(&thread, NULL, work, job);
  return thread;
}

#define PAGE 4096
/* A page that can be read, and one behind it that can't. */
static char *fenced(void) {
  char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(pages + PAGE, PAGE, PROT_NONE);
  memset(pages, 0x41, PAGE);
  return pages;
}

/* A record of which one thing is wrong. */
static void broken(const char *what, LPWSAQUERYSET2W block) {
  static CSADDR_INFO where;
  static BLOB blob;
  static _Alignas(8) char text[8] = {0};
  static char *pages;
  if (pages == NULL) pages = fenced();
  char *nowhere = pages + PAGE;
  block->dwSize = sizeof *block;
  if (strcmp(what, "offset") == 0) block->lpszServiceInstanceName = (LPWSTR)sizeof *block;
  if (strcmp(what, "nowhere") == 0) block->lpszComment = (LPWSTR)nowhere;
  if (strcmp(what, "far") == 0) block->lpszComment = (LPWSTR)(uintptr_t)0xdead00000000beee;
  if (strcmp(what, "unterminated") == 0) block->lpszQueryString = (LPWSTR)pages;
  if (strcmp(what, "misaligned") == 0) block->lpszContext = (LPWSTR)(text + 1);
  if (strcmp(what, "version") == 0) block->lpVersion = (LPWSAVERSION)nowhere;
  if (strcmp(what, "provider") == 0) block->lpNSProviderId = (LPGUID)8;
  if (strcmp(what, "addresses") == 0) block->dwNumberOfCsAddrs = 2, block->lpcsaBuffer = (LPCSADDR_INFO)(nowhere - sizeof where);
  if (strcmp(what, "count") == 0) block->dwNumberOfProtocols = 7;
  if (strcmp(what, "sockaddr") == 0) {
    where.RemoteAddr = (SOCKET_ADDRESS){(LPSOCKADDR)(void *)(nowhere - 8), 16};
    block->dwNumberOfCsAddrs = 1, block->lpcsaBuffer = &where;
  }
  if (strcmp(what, "blob") == 0) blob = (BLOB){100000, (BYTE *)pages}, block->lpBlob = &blob;
}

/* What a function of the host answers to a pointer that leads nowhere. */
static INT nonsense(const char *what, HANDLE call) {
  static GUID own = {0xf1f70000 + FIXTURE_NUMBER, 0x1111, 0x4222, {0x83, 0x33, 1, 2, 3, 4, 5, 6}};
  _Alignas(8) char room[512];
  DWORD size = sizeof room;
  LPCWSTR wide = (LPCWSTR)(uintptr_t)0x78;
  LPCSTR narrow = fenced();
  if (strcmp(what, "log") == 0) return NSPHostLog(call, NSP_LOG_WARNING, narrow), NSPHostLog(call, NSP_LOG_WARNING, (LPCSTR)wide), 0;
  if (strcmp(what, "change") == 0) return NSPHostChanged(&own, wide);
  if (strcmp(what, "changer") == 0) return NSPHostChanged((const GUID *)wide, NULL);
  if (strcmp(what, "setting") == 0) return NSPHostSetting(&own, narrow, room, &size);
  if (strcmp(what, "failing") == 0) return NSPHostSetFailing(&own, (LPCSTR)wide);
  if (strcmp(what, "narrow") == 0) return NSPHostUtf8FromWide(wide, room, &size);
  if (strcmp(what, "wide") == 0) return NSPHostWideFromUtf8(narrow, (LPWSTR)(void *)room, &size);
  if (strcmp(what, "table") == 0) return WSAAdvertiseProvider(&own, (LPCNSPV2_ROUTINE)(uintptr_t)8) == SOCKET_ERROR ? WSAGetLastError() : 0;
  WSAQUERYSET2W record = {.dwSize = sizeof record, .lpszComment = (LPWSTR)wide};
  return NSPHostPackQuerySet(&record, &size, (LPWSAQUERYSET2W)(void *)room);
}

static void next(struct lookup *lookup, HANDLE call, LPDWORD length, LPWSAQUERYSET2W block) {
  const char *name = lookup->name;
  int n = 0;
  NSPHostLog(NULL, NSP_LOG_INFO, "in the routine");
  memset(block, 0, *length); /* NSP-064: all of it is ours to write */
  if (strcmp(name, "never") == 0 || strcmp(name, "late") == 0) {
    released = call;
    return;
  }
  if (number(name, "next-fail-", &n)) {
    WSAProviderCompleteAsyncCall(call, n);
    return;
  }
  if (number(name, "minus-", &n)) {
    WSASetLastError(n);
    WSAProviderCompleteAsyncCall(call, -1);
    return;
  }
  if (number(name, "records-", &n) && lookup->delivered < n) {
    char text[32] = "record-";
    text[7] = (char)('0' + lookup->delivered / 10 % 10);
    text[8] = (char)('0' + lookup->delivered % 10);
    complete(lookup, call, length, block, text);
    return;
  }
  if (lookup->delivered > 0) {
    WSAProviderCompleteAsyncCall(call, number(name, "second-fail-", &n) ? n : WSA_E_NO_MORE);
    return;
  }
  if (number(name, "records-", &n)) {
    WSAProviderCompleteAsyncCall(call, WSAENOMORE); /* NSP-030: the old number */
  } else if (number(name, "async-", &n)) {
    threads[atomic_fetch_add(&thread_count, 1) % MAXIMUM_THREADS] = start(lookup, call, length, block, n);
  } else if (strcmp(name, "before-return") == 0) {
    pthread_join(start(lookup, call, length, block, 0), NULL);
  } else if (number(name, "sleep-", &n)) {
    usleep((useconds_t)n * 1000);
    complete(lookup, call, length, block, "slept");
  } else if (strcmp(name, "twice") == 0) {
    complete(lookup, call, length, block, "once");
    second_completion = WSAProviderCompleteAsyncCall(call, NO_ERROR);
  } else if (number(name, "big-", &n) && *length < (DWORD)n) {
    *length = (DWORD)n;
    WSAProviderCompleteAsyncCall(call, WSAEFAULT);
  } else if (strcmp(name, "greedy") == 0) {
    WSAProviderCompleteAsyncCall(call, WSAEFAULT);
  } else if (strncmp(name, "unless-", 7) == 0) {
    if (strncmp(name + 7, FIXTURE_NAME, strlen(FIXTURE_NAME)) == 0) complete(lookup, call, length, block, "mine");
    else WSAProviderCompleteAsyncCall(call, WSANO_DATA);
  } else if (strncmp(name, "nonsense-", 9) == 0) {
    char text[32];
    snprintf(text, sizeof text, "answer %d", (int)nonsense(name + 9, call));
    complete(lookup, call, length, block, text);
  } else if (strncmp(name, "broken-", 7) == 0) {
    broken(name + 7, block);
    ++lookup->delivered;
    WSAProviderCompleteAsyncCall(call, NO_ERROR);
  } else if (strcmp(name, "edge") == 0) {
    char *pages = fenced();
    block->dwSize = sizeof *block;
    block->lpszServiceInstanceName = (LPWSTR)(void *)(pages + PAGE) - 5;
    static const WCHAR edge[] = {'e', 'd', 'g', 'e', 0};
    memcpy(block->lpszServiceInstanceName, edge, sizeof edge);
    ++lookup->delivered;
    WSAProviderCompleteAsyncCall(call, NO_ERROR);
  } else if (strcmp(name, "foreign") == 0) {
    WCHAR *text = malloc(64);
    DWORD size = 32;
    NSPHostWideFromUtf8("far away", text, &size);
    block->dwSize = sizeof *block;
    block->lpszServiceInstanceName = text;
    ++lookup->delivered;
    WSAProviderCompleteAsyncCall(call, NO_ERROR);
    memset(text, 0xEE, 64);
    free(text);
  } else {
    static GUID wrong = {1, 2, 3, {4}};
    static WCHAR lone[] = {0xD800, 0};
    block->dwSize = strcmp(name, "size-40") == 0 ? 40 : sizeof *block;
    if (strcmp(name, "count-5000") == 0) {
      block->dwNumberOfCsAddrs = 5000;
      block->lpcsaBuffer = (LPCSADDR_INFO)(block + 1);
    }
    if (strcmp(name, "null-array") == 0) block->dwNumberOfCsAddrs = 3;
    if (strcmp(name, "wrong-id") == 0) block->lpNSProviderId = &wrong;
    if (strcmp(name, "lone-surrogate") == 0) block->lpszServiceInstanceName = lone;
    if (strcmp(name, "overrun") == 0) {
      memset(block + 1, 0x41, *length - sizeof *block);
      block->lpszServiceInstanceName = (LPWSTR)(block + 1);
    }
    ++lookup->delivered;
    WSAProviderCompleteAsyncCall(call, NO_ERROR);
  }
}

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  struct lookup *lookup = enter(handle, 0);
  (void)flags;
  ++counts[3];
  if (lookup == NULL) {
    WSAProviderCompleteAsyncCall(call, WSA_E_CANCELLED);
    return;
  }
  next(lookup, call, length, block);
  leave(lookup);
}

#ifndef WITHOUT_END
INT NSPv2LookupServiceEnd(HANDLE handle) {
  struct lookup *lookup = enter(handle, 1);
  ++counts[4];
  if (lookup == NULL) return fail(WSA_INVALID_HANDLE);
  lookup->ended = 1;
  leave(lookup);
  return NO_ERROR;
}
#endif
#endif

#ifndef WITHOUT_SET
static void *set_later(void *context) {
  usleep(20000);
  WSAProviderCompleteAsyncCall(context, NO_ERROR);
  return NULL;
}

VOID NSPv2SetServiceEx(HANDLE call, LPGUID id, LPWSAQUERYSET2W info, WSAESETSERVICEOP what, DWORD flags, LPVOID argument) {
  char name[128] = "";
  DWORD size = sizeof name;
  int n = 0;
  (void)id, (void)what, (void)flags, (void)argument;
  ++counts[5];
  NSPHostUtf8FromWide(info->lpszServiceInstanceName, name, &size);
  if (strcmp(name, "set-never") == 0) {
    released = call;
    return;
  }
  if (number(name, "set-async-", &n)) {
    pthread_t thread;
    pthread_create(&thread, NULL, set_later, call);
    threads[atomic_fetch_add(&thread_count, 1) % MAXIMUM_THREADS] = thread;
    return;
  }
  WSAProviderCompleteAsyncCall(call, number(name, "set-fail-", &n) ? n : NO_ERROR);
}
#endif
