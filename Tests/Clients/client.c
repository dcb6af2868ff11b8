/* A client outside the package: winsock2.h and libnsp, nothing else. Each word on its command line is one thing to do, in order; it prints
   what came of it and ends with the number of things that went wrong. */
#define _GNU_SOURCE
#include <ws2tcpip.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;
#define CHECK(condition) ((condition) ? (void)0 : (failures++, (void)fprintf(stderr, "client.c:%d: " #condition " (last error %d)\n", __LINE__, WSAGetLastError())))

static WSAQUERYSETA query(const char *name) {
  WSAQUERYSETA set;
  memset(&set, 0, sizeof set);
  set.dwSize = sizeof set;
  set.dwNameSpace = NS_ALL;
  set.lpszServiceInstanceName = (char *)name;
  return set;
}

/* Every record of a name; the code that ended it. */
static int resolve(const char *name, int show) {
  WSAQUERYSETA set = query(name);
  union { WSAQUERYSETA set; char bytes[4096]; } buffer;
  HANDLE lookup = NULL;
  int code, records = 0;
  if (WSALookupServiceBeginA(&set, LUP_RETURN_NAME | LUP_RETURN_ADDR, &lookup) != 0) return -WSAGetLastError();
  for (;;) {
    DWORD length = sizeof buffer;
    if (WSALookupServiceNextA(lookup, 0, &length, &buffer.set) != 0) break;
    CHECK(length == sizeof buffer && buffer.set.dwSize == sizeof buffer.set);
    if (show && buffer.set.dwNumberOfCsAddrs > 0) {
      struct sockaddr_in *address = (struct sockaddr_in *)buffer.set.lpcsaBuffer[0].RemoteAddr.lpSockaddr;
      char text[64];
      inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
      printf("%s %s %d\n", buffer.set.lpszServiceInstanceName, text, ntohs(address->sin_port));
    }
    records++;
  }
  code = WSAGetLastError();
  CHECK(WSALookupServiceEnd(lookup) == 0);
  CHECK(WSALookupServiceEnd(lookup) == SOCKET_ERROR && WSAGetLastError() == WSA_INVALID_HANDLE);
  return records > 0 ? records : -code;
}

static int publish(const char *name, WSAESETSERVICEOP operation) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(5060)};
  CSADDR_INFO where = {{(LPSOCKADDR)&address, sizeof address}, {(LPSOCKADDR)&address, sizeof address}, SOCK_STREAM, 0};
  WSAQUERYSETA set = query(name);
  inet_pton(AF_INET, "10.0.0.7", &address.sin_addr);
  set.dwNameSpace = NS_EMAIL;
  set.dwNumberOfCsAddrs = 1;
  set.lpcsaBuffer = &where;
  return WSASetServiceA(&set, operation, 0) == 0 ? 0 : WSAGetLastError();
}

/* What is checked before the host is asked anything. (NSP-133 to NSP-141, NSP-157, NSP-158, NSP-168 to NSP-172, NSP-177, NSP-178) */
static void arguments(void) {
  WSADATA data;
  HANDLE handle = (HANDLE)1;
  WSAQUERYSETA set = query("hello");
  WSAQUERYSETW wide;
  DWORD length = 0, needed;
  char *buffer;
  CHECK(WSACleanup() == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED);
  CHECK(WSALookupServiceBeginA(NULL, 0, NULL) == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED);
  CHECK(WSAStartup(0, &data) == WSAVERNOTSUPPORTED && WSAStartup(0x0202, NULL) == WSAEFAULT);
  CHECK(WSAStartup(0x0101, &data) == 0 && data.wVersion == 0x0101 && data.wHighVersion == 0x0202);
  CHECK(WSAStartup(0x0003, &data) == 0 && data.wVersion == 0x0202);
  CHECK(WSAStartup(0x0202, &data) == 0 && data.wVersion == 0x0202);
  CHECK(WSACleanup() == 0 && WSACleanup() == 0);
  CHECK(WSALookupServiceBeginA(NULL, 0, &handle) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT);
  CHECK(WSALookupServiceBeginA(&set, 0, NULL) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT);
  set.dwSize = 119;
  CHECK(WSALookupServiceBeginA(&set, 0, &handle) == SOCKET_ERROR && WSAGetLastError() == WSAEINVAL && handle == NULL);
  set.dwSize = 4096;
  CHECK(WSALookupServiceBeginA(&set, LUP_RETURN_ALL, &handle) == 0 && handle != NULL);
  CHECK(WSALookupServiceNextA(handle, 0, NULL, NULL) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT);
  CHECK(WSALookupServiceNextA(handle, 0, &length, NULL) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT && length > 120);
  needed = length--;
  buffer = malloc(needed);
  memset(buffer, 0xFF, needed);
  CHECK(WSALookupServiceNextA(handle, 0, &length, (LPWSAQUERYSETA)buffer) == SOCKET_ERROR && length == needed && (unsigned char)buffer[0] == 0xFF);
  CHECK(WSALookupServiceNextA(handle, 0, &length, (LPWSAQUERYSETA)buffer) == 0 && strcmp(((LPWSAQUERYSETA)buffer)->lpszServiceInstanceName, "hello") == 0);
  CHECK(((LPWSAQUERYSETA)buffer)->lpszServiceInstanceName > buffer && ((LPWSAQUERYSETA)buffer)->lpszServiceInstanceName < buffer + needed);
  CHECK(WSALookupServiceNextA(handle, 0, &length, (LPWSAQUERYSETA)buffer) == SOCKET_ERROR && WSAGetLastError() == WSA_E_NO_MORE);
  CHECK(WSALookupServiceEnd(handle) == 0 && WSALookupServiceEnd(NULL) == SOCKET_ERROR && WSAGetLastError() == WSA_INVALID_HANDLE);
  CHECK(WSALookupServiceNextA((HANDLE)0x123456789, 0, &length, NULL) == SOCKET_ERROR && WSAGetLastError() == WSA_INVALID_HANDLE);
  set.dwSize = sizeof set, set.lpszServiceInstanceName = (char *)"\xff";
  CHECK(WSALookupServiceBeginA(&set, 0, &handle) == SOCKET_ERROR && WSAGetLastError() == WSAEINVAL);
  memset(&wide, 0, sizeof wide), wide.dwSize = sizeof wide, wide.lpszServiceInstanceName = (LPWSTR)u"\xD800x";
  CHECK(WSALookupServiceBeginW(&wide, 0, &handle) == SOCKET_ERROR && WSAGetLastError() == WSAEINVAL);
  wide.lpszServiceInstanceName = (LPWSTR)u"hello";
  CHECK(WSALookupServiceBeginW(&wide, LUP_RETURN_ALL, &handle) == 0);
  length = 0;
  CHECK(WSALookupServiceNextW(handle, 0, &length, NULL) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT && length > needed);
  CHECK(WSALookupServiceEnd(handle) == 0);
  CHECK(WSASetServiceA(NULL, RNRSERVICE_REGISTER, 0) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT);
  set = query(NULL);
  CHECK(WSASetServiceA(&set, RNRSERVICE_REGISTER, 0) == SOCKET_ERROR && WSAGetLastError() == WSAEINVAL);
  set = query("x"), set.dwNumberOfCsAddrs = 1;
  CHECK(WSASetServiceA(&set, RNRSERVICE_REGISTER, 0) == SOCKET_ERROR && WSAGetLastError() == WSAEINVAL);
  free(buffer);
  CHECK(WSACleanup() == 0);
  CHECK(WSALookupServiceBeginA(&set, 0, &handle) == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED);
}

static void providers(void) {
  DWORD length = 0;
  CHECK(WSAEnumNameSpaceProvidersA(NULL, NULL) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT);
  CHECK(WSAEnumNameSpaceProvidersA(&length, NULL) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT && length > 0);
  WSANAMESPACE_INFOA *all = malloc(length);
  int count = WSAEnumNameSpaceProvidersA(&length, all), i;
  CHECK(count > 0);
  for (i = 0; i < count; i++) printf("%s %u %d\n", all[i].lpszIdentifier, (unsigned)all[i].dwNameSpace, all[i].fActive);
  free(all);
}

static void *many(void *unused) {
  for (int i = 0; i < 20; i++) CHECK(resolve("hello", 0) == 1);
  return unused;
}

/* A Next that waits, and its end from another thread. (NSP-160) */
static HANDLE waiting;
static void *wait_for_next(void *unused) {
  union { WSAQUERYSETA set; char bytes[4096]; } buffer;
  DWORD length = sizeof buffer;
  (void)unused;
  return (void *)(long)(WSALookupServiceNextA(waiting, 0, &length, &buffer.set) == 0 ? 0 : WSAGetLastError());
}
static void cancel(void) {
  WSAQUERYSETA set = query("wait-5000");
  pthread_t thread;
  void *code;
  CHECK(WSALookupServiceBeginA(&set, LUP_RETURN_NAME, &waiting) == 0);
  pthread_create(&thread, NULL, wait_for_next, NULL);
  usleep(200000);
  CHECK(WSALookupServiceEnd(waiting) == 0);
  pthread_join(thread, &code);
  CHECK((long)code == WSA_E_CANCELLED);
}

/* A child has not been started, and its parent goes on. (NSP L15) */
static void fork_in_the_middle(void) {
  WSAQUERYSETA set = query("hello");
  HANDLE lookup;
  union { WSAQUERYSETA set; char bytes[4096]; } buffer;
  DWORD length = sizeof buffer;
  int status;
  CHECK(WSALookupServiceBeginA(&set, LUP_RETURN_NAME, &lookup) == 0);
  pid_t child = fork();
  if (child == 0) {
    WSADATA data;
    failures = 0;
    CHECK(WSALookupServiceNextA(lookup, 0, &length, &buffer.set) == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED);
    CHECK(WSAStartup(0x0202, &data) == 0);
    CHECK(WSALookupServiceNextA(lookup, 0, &length, &buffer.set) == SOCKET_ERROR && WSAGetLastError() == WSA_INVALID_HANDLE);
    CHECK(resolve("hello", 0) == 1);
    CHECK(WSACleanup() == 0);
    _exit(failures);
  }
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(WSALookupServiceNextA(lookup, 0, &length, &buffer.set) == 0);
  CHECK(WSALookupServiceEnd(lookup) == 0);
}

/* Forks while eight threads start, look up and end: each child starts anew and is served. */
static atomic_int forks_over;
static void *start_and_end(void *unused) {
  WSADATA data;
  PADDRINFOEXA found;
  while (!forks_over) {
    CHECK(WSAStartup(0x0202, &data) == 0);
    if (GetAddrInfoExA("hello", NULL, NS_ALL, NULL, NULL, &found, NULL, NULL, NULL, NULL) == 0) FreeAddrInfoEx(found);
    resolve("hello", 0);
    CHECK(WSACleanup() == 0);
  }
  return unused;
}
static void many_forks(void) {
  pthread_t threads[8];
  PADDRINFOEXA found;
  for (int t = 0; t < 8; t++) pthread_create(&threads[t], NULL, start_and_end, NULL);
  for (int i = 0; i < 200; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) {
      WSADATA data;
      alarm(60);
      failures = 0;
      CHECK(WSAStartup(0x0202, &data) == 0 && resolve("hello", 0) == 1);
      CHECK(GetAddrInfoExA("hello", NULL, NS_ALL, NULL, NULL, &found, NULL, NULL, NULL, NULL) == 0 && WSACleanup() == 0);
      _exit(failures);
    }
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  forks_over = 1;
  for (int t = 0; t < 8; t++) pthread_join(threads[t], NULL);
}

/* Addresses by name: at once, with a routine, and asked for now and then; cancelled, and out of time. (NSP-203 to NSP-223) */
static atomic_int completions;
static struct { OVERLAPPED overlapped; PADDRINFOEXW result; atomic_int code; } request;
static VOID completed(DWORD code, DWORD bytes, LPWSAOVERLAPPED overlapped) {
  CHECK(bytes == 0 && overlapped == &request.overlapped && overlapped->Internal == code && (code == 0) == (request.result != NULL));
  request.code = (int)code;
  completions++;
}
static INT ask(const WCHAR *name, struct timeval *timeout, LPLOOKUPSERVICE_COMPLETION_ROUTINE routine, HANDLE event, HANDLE *handle) {
  memset(&request.overlapped, 0, sizeof request.overlapped);
  request.overlapped.hEvent = event;
  request.result = NULL;
  return GetAddrInfoExW((PCWSTR)name, NULL, NS_ALL, NULL, NULL, &request.result, timeout, &request.overlapped, routine, handle);
}
static int wait_for(int number) {
  for (int i = 0; i < 500 && completions < number; i++) usleep(10000);
  return completions == number;
}
/* Numeric hosts with a zone, which is an interface of this machine by its name or number. */
static void zones(void) {
  ADDRINFOEXA hints, *found;
  char text[64], name[IF_NAMESIZE];
  unsigned loop = if_nametoindex("lo"), none = 1000000;
  const struct { const char *address; unsigned zone; } good[] = {{"fe80::1%lo", loop}, {"fe80::1%1", 1}, {"ff02::1%lo", loop}, {"fe80::1", 0}, {"::1%lo", loop}};
  const char *bad[] = {"fe80::1%no-such-zone", "fe80::1%", "fe80::1%1x", "fe80::1%-1", "fe80::1%99999999999999999999", "fe80::1%lo%lo", text};
  CHECK(loop != 0 && if_indextoname(1, name) != NULL && if_indextoname(none, name) == NULL);
  snprintf(text, sizeof text, "fe80::1%%%u", none);
  memset(&hints, 0, sizeof hints);
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    for (hints.ai_flags = 0; hints.ai_flags <= AI_NUMERICHOST; hints.ai_flags += AI_NUMERICHOST) {
      found = NULL;
      CHECK(GetAddrInfoExA(good[i].address, "80", NS_DNS, NULL, &hints, &found, NULL, NULL, NULL, NULL) == 0 && found != NULL);
      if (found == NULL) continue;
      struct sockaddr_in6 *address = (struct sockaddr_in6 *)found->ai_addr;
      CHECK(found->ai_family == AF_INET6 && found->ai_addrlen == sizeof *address && ntohs(address->sin6_port) == 80);
      CHECK(address->sin6_scope_id == good[i].zone && (address->sin6_addr.s6_addr[15] == 1) && found->ai_next == NULL);
      FreeAddrInfoEx(found);
    }
  }
  hints.ai_flags = 0;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(GetAddrInfoExA(bad[i], NULL, NS_DNS, NULL, &hints, &found, NULL, NULL, NULL, NULL) == WSAHOST_NOT_FOUND && found == NULL);
}
static void addresses(void) {
  ADDRINFOEXA hints, *narrow;
  ADDRINFOEXW wide_hints;
  PADDRINFOEXW wide;
  HANDLE handle, event = WSACreateEvent();
  struct timeval second = {0, 300000};
  int before = completions;
  CHECK(GetAddrInfoExA("hello", "7000", NS_ALL, NULL, NULL, &narrow, NULL, NULL, NULL, NULL) == 0 && WSAGetLastError() == 0);
  CHECK(narrow != NULL && narrow->ai_family == AF_INET && narrow->ai_addrlen == 16 && ntohs(((struct sockaddr_in *)narrow->ai_addr)->sin_port) == 7 && narrow->ai_provider != NULL);
  FreeAddrInfoEx(narrow);
  memset(&hints, 0, sizeof hints);
  hints.ai_flags = AI_CANONNAME, hints.ai_socktype = SOCK_STREAM;
  CHECK(GetAddrInfoExA("hello", NULL, NS_DNS, NULL, &hints, &narrow, NULL, NULL, NULL, NULL) == 0 && strcmp(narrow->ai_canonname, "hello") == 0);
  CHECK(narrow != NULL && narrow->ai_provider == NULL && narrow->ai_blob == NULL && narrow->ai_bloblen == 0);
  FreeAddrInfoEx(narrow);
  CHECK(GetAddrInfoExA("127.0.0.1", "80", NS_ALL, NULL, NULL, &narrow, NULL, NULL, NULL, NULL) == 0 && ntohs(((struct sockaddr_in *)narrow->ai_addr)->sin_port) == 80);
  FreeAddrInfoEx(narrow);
  CHECK(GetAddrInfoExA("nobody", NULL, NS_ALL, NULL, NULL, &narrow, NULL, NULL, NULL, NULL) == WSAHOST_NOT_FOUND && narrow == NULL && WSAGetLastError() == WSAHOST_NOT_FOUND);
  CHECK(GetAddrInfoExA("nobody", NULL, NS_DNS, NULL, NULL, &narrow, NULL, NULL, NULL, NULL) == WSAHOST_NOT_FOUND && narrow == NULL);
  CHECK(GetAddrInfoExA("hello", NULL, NS_NLA, NULL, NULL, &narrow, NULL, NULL, NULL, NULL) == WSASERVICE_NOT_FOUND && narrow == NULL);
  hints.ai_flags = 0, hints.ai_socktype = 0, hints.ai_family = AF_INET6;
  CHECK(GetAddrInfoExA("hello", NULL, NS_ALL, NULL, &hints, &narrow, NULL, NULL, NULL, NULL) == WSANO_DATA && narrow == NULL);
  zones();
  CHECK(GetAddrInfoExA(NULL, NULL, NS_ALL, NULL, NULL, &narrow, NULL, NULL, NULL, NULL) == WSAHOST_NOT_FOUND);
  CHECK(GetAddrInfoExA("hello", NULL, NS_ALL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) == WSAEINVAL);
  CHECK(GetAddrInfoExA("hello", NULL, NS_ALL, NULL, NULL, &narrow, &second, NULL, NULL, NULL) == WSAEINVAL);
  CHECK(GetAddrInfoExA("hello", "no-such-service", NS_ALL, NULL, NULL, &narrow, NULL, NULL, NULL, NULL) == WSATYPE_NOT_FOUND);
  memset(&wide_hints, 0, sizeof wide_hints);
  wide_hints.ai_addrlen = 1;
  CHECK(GetAddrInfoExW((PCWSTR)u"hello", NULL, NS_ALL, NULL, &wide_hints, &wide, NULL, NULL, NULL, NULL) == WSANO_RECOVERY);
  wide_hints.ai_addrlen = 0, wide_hints.ai_family = 99;
  CHECK(GetAddrInfoExW((PCWSTR)u"hello", NULL, NS_ALL, NULL, &wide_hints, &wide, NULL, NULL, NULL, NULL) == WSAEAFNOSUPPORT);
  CHECK(GetAddrInfoExW((PCWSTR)u"hello", NULL, NS_ALL, NULL, NULL, &wide, NULL, NULL, completed, NULL) == WSAEINVAL);
  CHECK(GetAddrInfoExW((PCWSTR)u"hello", NULL, NS_ALL, NULL, NULL, &wide, NULL, NULL, NULL, &handle) == WSAEINVAL);
  /* with a routine */
  CHECK(ask(u"hello", NULL, completed, NULL, &handle) == WSA_IO_PENDING && wait_for(before + 1) && request.code == 0);
  CHECK(request.overlapped.Pointer == &request.result && request.result->ai_family == AF_INET);
  CHECK(GetAddrInfoExCancel(&handle) == WSA_INVALID_HANDLE);
  FreeAddrInfoExW(request.result);
  /* with an event, which the result can be asked for too; one of the two, and a real one */
  CHECK(ask(u"hello", NULL, NULL, NULL, NULL) == WSAEINVAL && ask(u"hello", NULL, completed, event, NULL) == WSAEINVAL);
  CHECK(ask(u"hello", NULL, NULL, (HANDLE)0x77, NULL) == WSAEINVAL);
  CHECK(ask(u"wait-200", NULL, NULL, event, NULL) == WSA_IO_PENDING && GetAddrInfoExOverlappedResult(&request.overlapped) == WSAEINPROGRESS);
  CHECK(WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE) == WSA_WAIT_TIMEOUT);
  CHECK(WSAWaitForMultipleEvents(1, &event, FALSE, 5000, FALSE) == WSA_WAIT_EVENT_0 && request.overlapped.hEvent == event);
  CHECK(GetAddrInfoExOverlappedResult(&request.overlapped) == WSANO_DATA && request.result == NULL); /* it has a name and no address */
  CHECK(WSAResetEvent(event) && ask(u"nobody", NULL, NULL, event, NULL) == WSA_IO_PENDING);
  CHECK(WSAWaitForMultipleEvents(1, &event, FALSE, 5000, FALSE) == WSA_WAIT_EVENT_0);
  CHECK(GetAddrInfoExOverlappedResult(&request.overlapped) == WSAHOST_NOT_FOUND && request.result == NULL);
  CHECK(WSAResetEvent(event) && ask(u"hello", NULL, NULL, event, &handle) == WSA_IO_PENDING);
  CHECK(WSAWaitForMultipleEvents(1, &event, FALSE, 5000, FALSE) == WSA_WAIT_EVENT_0 && request.overlapped.Internal == 0 && request.result->ai_family == AF_INET);
  FreeAddrInfoExW(request.result), WSACloseEvent(event);
  CHECK(GetAddrInfoExOverlappedResult(NULL) == WSAEINVAL);
  /* cancelled */
  CHECK(ask(u"wait-3000", NULL, completed, NULL, &handle) == WSA_IO_PENDING && GetAddrInfoExCancel(&handle) == 0 && wait_for(before + 2) && request.code == WSA_E_CANCELLED);
  CHECK(GetAddrInfoExCancel(&handle) == WSA_INVALID_HANDLE && GetAddrInfoExCancel(NULL) == WSA_INVALID_HANDLE);
  /* out of time, with and without an overlapped */
  CHECK(ask(u"wait-3000", &second, completed, NULL, &handle) == WSA_IO_PENDING && wait_for(before + 3) && request.code == WSAETIMEDOUT);
  CHECK(GetAddrInfoExW((PCWSTR)u"wait-3000", NULL, NS_ALL, NULL, NULL, &wide, &second, NULL, NULL, NULL) == WSAETIMEDOUT && wide == NULL);
  CHECK(GetAddrInfoExW((PCWSTR)u"hello", NULL, NS_ALL, NULL, NULL, &wide, &second, NULL, NULL, NULL) == 0 && wide != NULL);
  FreeAddrInfoExW(wide), FreeAddrInfoExW(NULL);
  /* many races of cancellation and completion: one completion each */
  before = completions;
  for (int i = 0; i < 2000; i++) {
    CHECK(ask(u"hello", NULL, completed, NULL, &handle) == WSA_IO_PENDING);
    if (i % 3 != 0) usleep((unsigned)i % 150);
    GetAddrInfoExCancel(&handle);
    while (completions < before + i + 1) usleep(10);
    FreeAddrInfoExW(request.result);
  }
  usleep(200000);
  CHECK(completions == before + 2000);
}
static void registers(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(25)};
  SOCKET_ADDRESS where = {(LPSOCKADDR)&address, sizeof address};
  PADDRINFOEXA found;
  inet_pton(AF_INET, "10.1.1.1", &address.sin_addr);
  CHECK(SetAddrInfoExA("x@example.org", NULL, &where, 1, NULL, 0, NS_EMAIL, NULL, NULL, NULL, NULL, NULL) == 0);
  CHECK(GetAddrInfoExA("x@example.org", NULL, NS_EMAIL, NULL, NULL, &found, NULL, NULL, NULL, NULL) == 0 && ((struct sockaddr_in *)found->ai_addr)->sin_addr.s_addr == address.sin_addr.s_addr);
  FreeAddrInfoEx(found);
  CHECK(SetAddrInfoExA(NULL, NULL, &where, 1, NULL, 0, NS_EMAIL, NULL, NULL, NULL, NULL, NULL) == WSAEINVAL);
  CHECK(SetAddrInfoExA("x@example.org", NULL, NULL, 0, NULL, 0, NS_EMAIL, NULL, NULL, NULL, NULL, NULL) == 0);
  CHECK(GetAddrInfoExA("x@example.org", NULL, NS_EMAIL, NULL, NULL, &found, NULL, NULL, NULL, NULL) != 0);
}

/* The final cleanup completes what is pending before it returns. (NSP-219) */
static void cleanup_completes(void) {
  int before = completions;
  WSADATA data;
  CHECK(ask(u"wait-3000", NULL, completed, NULL, NULL) == WSA_IO_PENDING);
  CHECK(WSACleanup() == 0 && completions == before + 1 && request.code == WSA_E_CANCELLED);
  CHECK(WSAStartup(0x0202, &data) == 0);
}

/* So many processes, one after the other, that connect, look up, and die: one of four says goodbye. */
static void lives(int count) {
  for (int i = 0; i < count; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) {
      WSADATA data;
      failures = 0;
      CHECK(WSAStartup(0x0202, &data) == 0 && resolve("hello", 0) == 1);
      if (i % 4 == 0) CHECK(WSACleanup() == 0);
      if (i % 4 == 1) kill(getpid(), SIGKILL);
      _exit(failures);
    }
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
  }
}

/* A process that dies, and at once another of the same number. Says so where that can't be had. */
static void reuse(void) {
  pid_t wanted = fork();
  struct clone_args arguments = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1};
  for (int life = 0; life < 2; life++) {
    int status;
    pid_t child = life == 0 ? wanted : (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child < 0) { puts("no process number can be chosen here"); return; }
    if (child == 0) {
      WSADATA data;
      failures = 0;
      CHECK(WSAStartup(0x0202, &data) == 0 && resolve("hello", 0) == 1 && publish("r@example.org", RNRSERVICE_REGISTER) == 0);
      failures == 0 ? (void)kill(syscall(SYS_getpid), SIGKILL) : _exit(failures);
    }
    CHECK(child == wanted && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  }
}

/* So many connections that have said hello (docs/wire.md) and then nothing; they stay until the program ends. */
static void idle(int count) {
  static const unsigned char hello[32] = {32, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'N', 'S', 'P', '1', 1, 0, 0, 0, 0, 0, 16, 0};
  unsigned char answer[32];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files), files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
  strncpy(address.sun_path, getenv("NSP_SOCKET"), sizeof address.sun_path - 1);
  for (int i = 0; i < count && failures == 0; i++) {
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0 && send(descriptor, hello, sizeof hello, 0) == sizeof hello);
    CHECK(recv(descriptor, answer, sizeof answer, MSG_WAITALL) == sizeof answer);
  }
}

/* Looks up through errors, until it has gone well a hundred times after the first of them, for so long at most; says when it works first, and
   when it fails first. */
static void persist(int milliseconds) {
  int before = 0, errors = 0, after = 0;
  for (int i = 0; i < milliseconds && after < 100; i += 5) {
    int found = resolve("hello", 0);
    if (found == 1 && errors == 0 && before++ == 0) puts("works"), fflush(stdout);
    if (found == 1 && errors > 0) after++;
    if (found == -WSAENETDOWN || found == -WSA_INVALID_HANDLE) { if (errors++ == 0) puts("fails"), fflush(stdout); }
    else CHECK(found == 1);
    usleep(5000);
  }
  CHECK(before > 0 && errors > 0 && after > 0);
}

int main(int count, char **words) {
  WSADATA data;
  for (int i = 1; i < count; i++) {
    const char *word = words[i];
    if (strcmp(word, "start") == 0) CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
    else if (strcmp(word, "cleanup") == 0) CHECK(WSACleanup() == 0);
    else if (strcmp(word, "arguments") == 0) arguments();
    else if (strcmp(word, "providers") == 0) providers();
    else if (strcmp(word, "cancel") == 0) cancel();
    else if (strcmp(word, "addresses") == 0) addresses();
    else if (strcmp(word, "registers") == 0) registers();
    else if (strcmp(word, "cleanup-completes") == 0) cleanup_completes();
    else if (strcmp(word, "fork") == 0) fork_in_the_middle();
    else if (strcmp(word, "many-forks") == 0) many_forks();
    else if (strcmp(word, "many") == 0) {
      pthread_t threads[100];
      for (int t = 0; t < 100; t++) pthread_create(&threads[t], NULL, many, NULL);
      for (int t = 0; t < 100; t++) pthread_join(threads[t], NULL);
    }
    else if (strcmp(word, "abort") == 0) kill(getpid(), SIGKILL);
    else if (strcmp(word, "quit") == 0) _exit(failures);
    else if (strcmp(word, "ready") == 0) puts("ready"), fflush(stdout);
    else if (strcmp(word, "pause") == 0) pause();
    else if (strcmp(word, "input") == 0) while (getchar() != EOF) {}
    else if (strcmp(word, "reuse") == 0) reuse();
    else if (strcmp(word, "exec") == 0) execl("/bin/sleep", "sleep", "30", (char *)NULL);
    else if (strcmp(word, "close") == 0) close_range(3, ~0u, 0);
    else if (strcmp(word, "daemon") == 0) { if (fork() == 0) setsid(), fork() == 0 ? sleep(30), _exit(0) : _exit(0); }
    else if (strcmp(word, "linger") == 0) { if (fork() == 0) sleep(30), _exit(0); }
    else if (strncmp(word, "idle=", 5) == 0) idle(atoi(word + 5));
    else if (strncmp(word, "lives=", 6) == 0) lives(atoi(word + 6));
    else if (strncmp(word, "persist=", 8) == 0) persist(atoi(word + 8));
    else if (strncmp(word, "publish=", 8) == 0) CHECK(publish(word + 8, RNRSERVICE_REGISTER) == 0);
    else if (strncmp(word, "withdraw=", 9) == 0) CHECK(publish(word + 9, RNRSERVICE_DELETE) == 0);
    else if (strncmp(word, "resolve=", 8) == 0) CHECK(resolve(word + 8, 1) > 0);
    else if (strncmp(word, "fails=", 6) == 0) { char *name = strchr(word, ':') + 1; CHECK(resolve(name, 0) == -atoi(word + 6)); }
    else failures++, fprintf(stderr, "client.c: there is no %s\n", word);
  }
  return failures;
}
