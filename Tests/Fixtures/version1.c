/* A version 1 provider for tests. What it does follows from the name that is asked for or registered:

     records-N     N records, the first with the queried class in its comment ("-" for none)
     wait-N        the first Next takes N ms, unless End comes: then it answers WSA_E_CANCELLED
     fault-N       the first Next asks for N bytes
     next-fail-C   the first Next fails with C          begin-fail-C   Begin fails with C
     set-fail-C    the registration fails with C; other names succeed

   scripted_count(n) tells how often each routine was called: 0 NSPStartup, 1 Cleanup, 2 Begin, 3 Next, 4 End, 5 SetService. */
#include <nsphost.h>
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
#ifndef MAJOR
#define MAJOR 4
#define MINOR 4
#endif
NSP_PROVIDER(FIXTURE_NAME, NS_DNS, 1, FIXTURE_FLAGS, "", 0x51e57000 + FIXTURE_NUMBER, 0x1, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, FIXTURE_NUMBER);

struct lookup {
  char name[64], class[16];
  int delivered, asked;
  atomic_int ended, busy;
};
static atomic_int counts[6];
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

static INT cleanup(LPGUID id) {
  (void)id;
  ++counts[1];
  return 0;
}

static INT begin(LPGUID id, LPWSAQUERYSETW query, LPWSASERVICECLASSINFOW info, DWORD flags, LPHANDLE handle) {
  struct lookup *lookup = calloc(1, sizeof *lookup);
  DWORD size = sizeof lookup->name;
  int n;
  (void)id, (void)info, (void)flags;
  ++counts[2];
  if (query->dwSize != sizeof *query || query->lpszServiceInstanceName == NULL || query->lpszContext == NULL) return free(lookup), fail(WSAEINVAL);
  NSPHostUtf8FromWide(query->lpszServiceInstanceName, lookup->name, &size);
  if (number(lookup->name, "begin-fail-", &n)) return free(lookup), fail(n);
  snprintf(lookup->class, sizeof lookup->class, query->lpServiceClassId == NULL ? "-" : "%x", query->lpServiceClassId == NULL ? 0 : (unsigned)query->lpServiceClassId->Data1);
  *handle = lookup;
  return 0;
}

static INT record(struct lookup *lookup, LPDWORD length, LPWSAQUERYSETW results) {
  /* the structure, then its name and comment, as UTF-16 */
  WCHAR *text = (WCHAR *)(results + 1);
  DWORD name = 32, comment = 16;
  char number[32];
  if (*length < sizeof *results + 96) return *length = sizeof *results + 96, fail(WSAEFAULT);
  memset(results, 0, sizeof *results);
  snprintf(number, sizeof number, "record-%d", lookup->delivered);
  NSPHostWideFromUtf8(number, text, &name);
  NSPHostWideFromUtf8(lookup->delivered == 0 ? lookup->class : "", text + 32, &comment);
  results->dwSize = sizeof *results, results->lpszServiceInstanceName = text, results->lpszComment = text + 32;
  lookup->delivered++;
  return 0;
}

static INT next(HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSETW results) {
  struct lookup *lookup = handle;
  INT answer = 0;
  int n = 1;
  (void)flags;
  ++counts[3];
  ++lookup->busy;
  if (number(lookup->name, "next-fail-", &n)) answer = fail(n);
  else if (number(lookup->name, "wait-", &n) && lookup->asked++ == 0) {
    for (int i = 0; i < n && !lookup->ended; i++) usleep(1000);
    answer = lookup->ended ? fail(WSA_E_CANCELLED) : record(lookup, length, results);
  } else if (number(lookup->name, "fault-", &n) && *length < (DWORD)n) *length = (DWORD)n, answer = fail(WSAEFAULT);
  else {
    if (!number(lookup->name, "records-", &n)) n = 1;
    answer = lookup->delivered < n ? record(lookup, length, results) : fail(WSA_E_NO_MORE);
  }
  if (--lookup->busy == 0 && lookup->ended) free(lookup);
  return answer;
}

static INT end(HANDLE handle) {
  struct lookup *lookup = handle;
  ++counts[4];
  ++lookup->busy;
  lookup->ended = 1;
  if (--lookup->busy == 0) free(lookup);
  return 0;
}

static INT set(LPGUID id, LPWSASERVICECLASSINFOW info, LPWSAQUERYSETW registration, WSAESETSERVICEOP operation, DWORD flags) {
  char name[64];
  DWORD size = sizeof name;
  int n;
  (void)id, (void)info, (void)operation, (void)flags;
  ++counts[5];
  if (registration->dwSize != sizeof *registration) return fail(WSAEINVAL);
  NSPHostUtf8FromWide(registration->lpszServiceInstanceName, name, &size);
  return number(name, "set-fail-", &n) ? fail(n) : 0;
}
static INT class_info(LPGUID id, LPWSASERVICECLASSINFOW info) { return (void)id, (void)info, fail(WSAEOPNOTSUPP); }
static INT remove_class(LPGUID id, LPGUID class) { return (void)id, (void)class, fail(WSAEOPNOTSUPP); }
static INT get_class(LPGUID id, LPDWORD size, LPWSASERVICECLASSINFOW info) { return (void)id, (void)size, (void)info, fail(WSATYPE_NOT_FOUND); }

INT NSPStartup(LPGUID id, LPNSP_ROUTINE table) {
  NSP_ROUTINE clear;
  (void)id;
  ++counts[0];
  memset(&clear, 0, sizeof clear), clear.cbSize = sizeof clear;
  if (memcmp(&clear, table, sizeof clear) != 0) return fail(WSAEINVAL); /* zeroed, with its size */
#ifdef STARTUP_FAILS
  return fail(STARTUP_FAILS);
#endif
  *table = (NSP_ROUTINE){TABLE_SIZE, MAJOR, MINOR, cleanup, begin, next, end, set, class_info, remove_class, get_class, NULL};
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
