/* A provider for tests that watches its host: every rule about how routines are called that it sees broken is counted in
   a number with a name, and the last arguments are kept. What it does follows from the name:

     hold     NextEx stays unanswered until witness_release        linger     NextEx sleeps 20 ms
     zero     Begin answers the handle 0                           ones       Begin answers the handle with all bits set
     bad-end  End answers -1                                       keep       SetServiceEx stays unanswered, its data is kept */
#define NSP_ROUTINE_PROTOTYPES
#include <nsphost.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#ifndef FIXTURE_NAME
#define FIXTURE_NAME "witness"
#endif
#ifndef FIXTURE_FLAGS
#define FIXTURE_FLAGS 0
#endif
#ifndef FIXTURE_NUMBER
#define FIXTURE_NUMBER 20
#endif
NSP_PROVIDER(FIXTURE_NAME, NS_DNS, 1, FIXTURE_FLAGS, "", 0xf1f70000 + FIXTURE_NUMBER, 0x1111, 0x4222, 0x83, 0x33, 1, 2, 3, 4, 5, 6);

#define MAXIMUM_CALLS 4096

/* First the rules seen broken, which must stay 0; then what was seen. */
#define NUMBERS(X)                                                                                             \
  X(dirty_arguments)  /* startup found an argument other than NULL */                                          \
  X(early_begins)     /* Begin entered while the startup was running */                                        \
  X(early_finals)     /* Cleanup or Rundown entered while another routine was running or a call was held */    \
  X(misplaced_blocks) /* a result block that is NULL, not aligned to 8, or not writable to its end */          \
  X(repeated_calls)   /* an hAsyncCall that another unfinished call has, or the lookup's handle */             \
  X(nested_calls)     /* a routine entered on the stack of a completion */                                     \
  X(startups) X(finals) X(nexts) X(ends) X(held) X(greatest_overlap)                                           \
  X(begin_size) X(begin_context_is_empty) X(begin_extras)                                                      \
  X(set_size) X(set_addresses) X(address_length) X(kept_is_intact)

#define MEMBER(name) atomic_int name;
static struct { NUMBERS(MEMBER) } witness;
static _Atomic(void *) argument_seen;
static unsigned char address_seen[128];

/* A number by its name, -1 for one that there is not. */
NSP_EXPORT int witness_number(const char *name);
int witness_number(const char *name) {
#define ANSWER(member) if (strcmp(name, #member) == 0) return witness.member;
  NUMBERS(ANSWER)
  return -1;
}
/* The session argument of the last routine that got one; the bytes of the last registration's first address. */
NSP_EXPORT void *witness_argument(void);
void *witness_argument(void) { return argument_seen; }
NSP_EXPORT const unsigned char *witness_address(void);
const unsigned char *witness_address(void) { return address_seen; }

static atomic_int running, is_starting;
static _Thread_local int completing;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static HANDLE held[MAXIMUM_CALLS];
static int held_count;
static LPWSAQUERYSET2W kept;
struct lookup { char name[32]; int delivered; };
static struct lookup lookups[MAXIMUM_CALLS];
static atomic_int lookup_count = 2; /* 0: handle NULL, 1: handle of all ones */

static void enter(void) {
  int now = atomic_fetch_add(&running, 1) + 1;
  if (completing) ++witness.nested_calls;
  for (int seen = witness.greatest_overlap; now > seen && !atomic_compare_exchange_weak(&witness.greatest_overlap, &seen, now);) {}
}
static void leave(void) { --running; }

static void complete(HANDLE call, INT code) {
  ++completing;
  WSAProviderCompleteAsyncCall(call, code);
  --completing;
}

/* Completes every call that is held, with one code; answers how many there were. */
NSP_EXPORT int witness_release(int code);
int witness_release(int code) {
  int released = 0;
  if (kept != NULL) {
    WCHAR name[] = {'k', 'e', 'e', 'p', 0};
    witness.kept_is_intact = kept->dwSize == sizeof *kept && memcmp(kept->lpszServiceInstanceName, name, sizeof name) == 0;
    kept = NULL;
  }
  for (;; ++released) {
    pthread_mutex_lock(&lock);
    HANDLE call = held_count > 0 ? held[--held_count] : NULL;
    pthread_mutex_unlock(&lock);
    if (call == NULL) return released;
    --witness.held;
    complete(call, code);
  }
}

static void hold(HANDLE call) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < held_count; ++i)
    if (held[i] == call) ++witness.repeated_calls;
  if (held_count < MAXIMUM_CALLS) held[held_count++] = call;
  pthread_mutex_unlock(&lock);
  ++witness.held;
}

INT NSPv2Startup(LPGUID id, LPVOID *argument) {
  (void)id;
  enter();
  ++is_starting;
  if (*argument != NULL) ++witness.dirty_arguments;
  usleep(5000);
  *argument = (void *)(uintptr_t)(0x1000 + atomic_fetch_add(&witness.startups, 1));
  --is_starting;
  leave();
  return NO_ERROR;
}

static void final(LPVOID argument) {
  if (running > 0 || witness.held > 0) ++witness.early_finals;
  ++witness.finals;
  argument_seen = argument;
}
INT NSPv2Cleanup(LPGUID id, LPVOID argument) { return (void)id, final(argument), NO_ERROR; }
VOID NSPv2ClientSessionRundown(LPGUID id, LPVOID argument) { (void)id, final(argument); }

INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID argument, LPHANDLE handle) {
  (void)id, (void)flags;
  enter();
  if (is_starting) ++witness.early_begins;
  witness.begin_size = (int)query->dwSize;
  witness.begin_context_is_empty = query->lpszContext != NULL && query->lpszContext[0] == 0;
  witness.begin_extras = query->lpszComment != NULL || query->dwNumberOfCsAddrs != 0 || query->dwOutputFlags != 0;
  argument_seen = argument;
  char name[32] = "";
  DWORD size = sizeof name;
  NSPHostUtf8FromWide(query->lpszServiceInstanceName, name, &size);
  int index = strcmp(name, "zero") == 0 ? 0 : strcmp(name, "ones") == 0 ? 1 : lookup_count++ % MAXIMUM_CALLS;
  memcpy(lookups[index].name, name, sizeof name);
  lookups[index].delivered = 0;
  *handle = index == 0 ? NULL : index == 1 ? (HANDLE)UINTPTR_MAX : (HANDLE)&lookups[index];
  leave();
  return NO_ERROR;
}

static struct lookup *find(HANDLE handle) {
  return handle == NULL ? &lookups[0] : handle == (HANDLE)UINTPTR_MAX ? &lookups[1] : handle;
}

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  struct lookup *lookup = find(handle);
  (void)flags;
  enter();
  ++witness.nexts;
  if (call == handle) ++witness.repeated_calls;
  if (block == NULL || (uintptr_t)block % 8 != 0 || *length < sizeof *block) ++witness.misplaced_blocks;
  else memset(block, 0xEE, *length);
  if (strcmp(lookup->name, "hold") == 0) {
    hold(call);
  } else {
    if (strcmp(lookup->name, "linger") == 0) usleep(20000);
    INT code = WSA_E_NO_MORE;
    if (lookup->delivered++ == 0) {
      WSAQUERYSET2W record = {.dwSize = sizeof record};
      code = NSPHostPackQuerySet(&record, length, block);
    }
    complete(call, code);
  }
  leave();
}

INT NSPv2LookupServiceEnd(HANDLE handle) {
  enter();
  int is_bad = strcmp(find(handle)->name, "bad-end") == 0;
  ++witness.ends;
  leave();
  return is_bad ? (WSASetLastError(WSAEFAULT), SOCKET_ERROR) : NO_ERROR;
}

VOID NSPv2SetServiceEx(HANDLE call, LPGUID id, LPWSAQUERYSET2W info, WSAESETSERVICEOP what, DWORD flags, LPVOID argument) {
  (void)what, (void)flags;
  enter();
  witness.set_size = (int)info->dwSize;
  witness.set_addresses = (int)info->dwNumberOfCsAddrs;
  argument_seen = argument;
  if (info->dwNumberOfCsAddrs > 0) {
    SOCKET_ADDRESS *first = &info->lpcsaBuffer[0].RemoteAddr;
    witness.address_length = first->iSockaddrLength;
    memcpy(address_seen, first->lpSockaddr, (size_t)first->iSockaddrLength % sizeof address_seen);
  }
  char name[32] = "";
  DWORD size = sizeof name;
  NSPHostUtf8FromWide(info->lpszServiceInstanceName, name, &size);
  if (strcmp(name, "keep") == 0) {
    kept = info;
    hold(call);
  } else {
    complete(call, strcmp(name, "unadvertise") == 0 && WSAUnadvertiseProvider(id) != 0 ? WSAGetLastError() : NO_ERROR);
  }
  leave();
}
