/* What the client API promises, statement by statement, from outside the package. Ends with the number of promises that were not kept. */
#define _GNU_SOURCE
#include <ws2tcpip.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;
#define CHECK(condition) ((condition) ? (void)0 : (failures++, (void)fprintf(stderr, "statements.c:%d: " #condition " (last error %d)\n", __LINE__, WSAGetLastError())))
#define FAILS(call, code) CHECK((call) == SOCKET_ERROR && WSAGetLastError() == (code))

static WSADATA data;
static union { WSAQUERYSETA set; WSAQUERYSETW wide; char bytes[4096]; } first, second;

static WSAQUERYSETA query(const char *name) {
  WSAQUERYSETA set;
  memset(&set, 0, sizeof set);
  set.dwSize = sizeof set, set.dwNameSpace = NS_ALL, set.lpszServiceInstanceName = (char *)name;
  return set;
}
static HANDLE begin(const char *name) {
  WSAQUERYSETA set = query(name);
  HANDLE lookup = NULL;
  CHECK(WSALookupServiceBeginA(&set, LUP_RETURN_ALL, &lookup) == 0 && lookup != NULL);
  return lookup;
}
static INT next(HANDLE lookup, DWORD length) { return WSALookupServiceNextA(lookup, 0, &length, &first.set); }

/* NSP-137, NSP-056 */
static void not_started(void) {
  WSAQUERYSETA set = query("hello");
  HANDLE lookup = NULL;
  DWORD length = sizeof first;
  PADDRINFOEXA narrow;
  PADDRINFOEXW wide;
  FAILS(WSALookupServiceBeginA(NULL, 0, NULL), WSANOTINITIALISED);
  FAILS(WSALookupServiceBeginW(NULL, 0, &lookup), WSANOTINITIALISED);
  FAILS(WSALookupServiceNextA(lookup, 0, &length, &first.set), WSANOTINITIALISED);
  FAILS(WSALookupServiceNextW(NULL, 0, NULL, NULL), WSANOTINITIALISED);
  FAILS(WSALookupServiceEnd(lookup), WSANOTINITIALISED);
  FAILS(WSASetServiceA(&set, RNRSERVICE_REGISTER, 0), WSANOTINITIALISED);
  FAILS(WSASetServiceW(NULL, RNRSERVICE_DELETE, 0), WSANOTINITIALISED);
  FAILS(WSAEnumNameSpaceProvidersA(&length, NULL), WSANOTINITIALISED);
  FAILS(WSAEnumNameSpaceProvidersExW(NULL, NULL), WSANOTINITIALISED);
  CHECK(GetAddrInfoExA("hello", NULL, NS_ALL, NULL, NULL, &narrow, NULL, NULL, NULL, NULL) == WSANOTINITIALISED);
  CHECK(GetAddrInfoExW(NULL, NULL, NS_ALL, NULL, NULL, &wide, NULL, NULL, NULL, NULL) == WSANOTINITIALISED);
  CHECK(SetAddrInfoExA("x", NULL, NULL, 0, NULL, 0, NS_EMAIL, NULL, NULL, NULL, NULL, NULL) == WSANOTINITIALISED);
  FAILS(WSACleanup(), WSANOTINITIALISED); /* NSP-136 */
}

/* NSP-146, NSP-178 */
static void refusals(void) {
  WSAQUERYSETA set = query("hello");
  HANDLE lookup = (HANDLE)1;
  struct sockaddr_in address = {.sin_family = AF_INET};
  CSADDR_INFO where = {{(LPSOCKADDR)&address, sizeof address}, {(LPSOCKADDR)&address, sizeof address}, SOCK_STREAM, 0};
  set.dwNameSpace = NS_NLA;
  FAILS(WSALookupServiceBeginA(&set, 0, &lookup), WSASERVICE_NOT_FOUND);
  CHECK(lookup == NULL);
  set = query("x@example.org"), set.dwNameSpace = NS_EMAIL, set.dwNumberOfCsAddrs = 1, set.lpcsaBuffer = &where;
  where.RemoteAddr.iSockaddrLength = -1;
  FAILS(WSASetServiceA(&set, RNRSERVICE_REGISTER, 0), WSAEINVAL);
  where.RemoteAddr.iSockaddrLength = 28, where.RemoteAddr.lpSockaddr = NULL;
  FAILS(WSASetServiceA(&set, RNRSERVICE_REGISTER, 0), WSAEINVAL);
  set.dwSize = 100; /* NSP-177 */
  FAILS(WSASetServiceA(&set, RNRSERVICE_REGISTER, 0), WSAEINVAL);
}

static int is_inside(const void *pointer, size_t size) { /* NSP-172 */
  const char *start = pointer;
  return pointer == NULL || (start >= first.bytes && start + size <= first.bytes + sizeof first);
}

static void records(void) {
  DWORD length = sizeof first, narrow = 0, wide = 0;
  HANDLE lookup = begin("hello");
  WSAQUERYSETW set;
  memset(&first, 0, sizeof first), memset(&second, 0xFF, sizeof second);
  CHECK(WSALookupServiceNextA(lookup, 0, &length, &first.set) == 0 && length == sizeof first); /* NSP-170 */
  CHECK(is_inside(first.set.lpszServiceInstanceName, 1) && is_inside(first.set.lpNSProviderId, sizeof(GUID)) && is_inside(first.set.lpBlob, sizeof(BLOB)));
  CHECK(is_inside(first.set.lpcsaBuffer, first.set.dwNumberOfCsAddrs * sizeof(CSADDR_INFO)) && ((size_t)first.set.lpcsaBuffer & 7) == 0);
  for (DWORD i = 0; i < first.set.dwNumberOfCsAddrs; i++) {
    SOCKET_ADDRESS remote = first.set.lpcsaBuffer[i].RemoteAddr;
    CHECK(is_inside(remote.lpSockaddr, (size_t)remote.iSockaddrLength) && ((size_t)remote.lpSockaddr & 7) == 0);
  }
  FAILS(next(lookup, sizeof first), WSA_E_NO_MORE);
  FAILS(next(lookup, sizeof first), WSA_E_NO_MORE); /* NSP-156 */
  CHECK(WSALookupServiceEnd(lookup) == 0);
  FAILS(next(lookup, sizeof first), WSA_INVALID_HANDLE); /* NSP-157 */
  /* NSP-174: what was in the buffer does not matter */
  lookup = begin("hello"), length = sizeof second;
  CHECK(WSALookupServiceNextA(lookup, 0, &length, &second.set) == 0 && strcmp(second.set.lpszServiceInstanceName, first.set.lpszServiceInstanceName) == 0);
  CHECK(second.set.dwNumberOfCsAddrs == first.set.dwNumberOfCsAddrs && memcmp(second.set.lpcsaBuffer[0].RemoteAddr.lpSockaddr, first.set.lpcsaBuffer[0].RemoteAddr.lpSockaddr, 16) == 0);
  CHECK(WSALookupServiceEnd(lookup) == 0);
  /* NSP-171: LUP_FLUSHPREVIOUS drops the record that did not fit, and does nothing where there is none */
  lookup = begin("hello"), length = 8;
  FAILS(WSALookupServiceNextA(lookup, 0, &length, &first.set), WSAEFAULT);
  narrow = length, length = sizeof first;
  FAILS(WSALookupServiceNextA(lookup, LUP_FLUSHPREVIOUS, &length, &first.set), WSA_E_NO_MORE);
  CHECK(WSALookupServiceEnd(lookup) == 0);
  lookup = begin("hello"), length = sizeof first;
  CHECK(WSALookupServiceNextA(lookup, LUP_FLUSHPREVIOUS, &length, &first.set) == 0 && WSALookupServiceEnd(lookup) == 0);
  /* NSP-176: the A form is UTF-8, and smaller */
  memset(&set, 0, sizeof set);
  set.dwSize = sizeof set, set.lpszServiceInstanceName = (LPWSTR)u"hello";
  CHECK(WSALookupServiceBeginW(&set, LUP_RETURN_ALL, &lookup) == 0);
  FAILS(WSALookupServiceNextW(lookup, 0, &wide, NULL), WSAEFAULT);
  CHECK(wide > narrow && narrow > sizeof(WSAQUERYSETA) && WSALookupServiceEnd(lookup) == 0);
}

static HANDLE waiting;
static void *wait_for_next(void *unused) {
  DWORD length = sizeof second;
  (void)unused;
  return (void *)(long)(WSALookupServiceNextA(waiting, 0, &length, &second.set) == 0 ? 0 : WSAGetLastError());
}

static void starting_and_ending(void) {
  pthread_t thread;
  void *code;
  HANDLE lookup;
  struct sockaddr_in address = {.sin_family = AF_INET};
  SOCKET_ADDRESS where = {(LPSOCKADDR)&address, sizeof address};
  PADDRINFOEXA found;
  /* NSP-045: what the session keeps is there until the last WSACleanup */
  CHECK(WSAStartup(0x0202, &data) == 0 && WSAStartup(0x0202, &data) == 0);
  CHECK(SetAddrInfoExA("s@example.org", NULL, &where, 1, NULL, 0, NS_EMAIL, NULL, NULL, NULL, NULL, NULL) == 0 && WSACleanup() == 0);
  CHECK(GetAddrInfoExA("s@example.org", NULL, NS_EMAIL, NULL, NULL, &found, NULL, NULL, NULL, NULL) == 0);
  FreeAddrInfoEx(found);
  /* NSP-138: the last WSACleanup wakes a Next; NSP-139: what was open is nothing to the next start */
  waiting = begin("wait-4000"), lookup = begin("hello");
  pthread_create(&thread, NULL, wait_for_next, NULL);
  usleep(100000);
  CHECK(WSACleanup() == 0);
  pthread_join(thread, &code);
  CHECK((long)code == WSA_E_CANCELLED);
  CHECK(WSAStartup(0x0202, &data) == 0);
  FAILS(next(lookup, sizeof first), WSA_INVALID_HANDLE);
  FAILS(WSALookupServiceEnd(lookup), WSA_INVALID_HANDLE);
  int is_gone = 0; /* soon: the provider hears of the end behind WSACleanup's back */
  for (int i = 0; i < 500 && !is_gone; i++) {
    is_gone = GetAddrInfoExA("s@example.org", NULL, NS_EMAIL, NULL, NULL, &found, NULL, NULL, NULL, NULL) != 0;
    if (!is_gone) FreeAddrInfoEx(found), usleep(10000);
  }
  CHECK(is_gone && WSACleanup() == 0);
}

static void forked(void) {
  CHECK(WSAStartup(0x0202, &data) == 0);
  HANDLE lookup = begin("hello");
  int status;
  pid_t child = fork();
  if (child == 0) {
    failures = 0;
    not_started();
    CHECK(WSAStartup(0x0202, &data) == 0);
    FAILS(next(lookup, sizeof first), WSA_INVALID_HANDLE); /* NSP-057 */
    _exit(failures);
  }
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(next(lookup, sizeof first) == 0 && WSALookupServiceEnd(lookup) == 0 && WSACleanup() == 0);
}

int main(void) {
  not_started();
  CHECK(WSAStartup(0x0202, &data) == 0);
  refusals();
  records();
  CHECK(WSACleanup() == 0);
  not_started();
  starting_and_ending();
  forked();
  return failures;
}
