/* Service classes and changes that are waited for, from outside the package. Ends with the number of promises that were not kept.

     changes        everything at a running host that has v1-directory
     kept           after the host was started anew: what "changes" has left behind is there, and is removed
     refused        as somebody who may not write classes */
#define _GNU_SOURCE
#include <nsphost.h>
#include <svcguid.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures;
#define CHECK(condition) ((condition) ? (void)0 : (failures++, (void)fprintf(stderr, "classes.c:%d: " #condition " (last error %d)\n", __LINE__, WSAGetLastError())))
#define FAILS(call, code) CHECK((call) == SOCKET_ERROR && WSAGetLastError() == (code))

static WSADATA data;
static GUID schema = NSP_SCHEMA_PROVIDER, unknown = {1, 2, 3, {4}};
static GUID directory = {0x5e9f3d70, 0x2b8a, 0x4c16, {0x9d, 0x04, 0x6a, 0xe1, 0x37, 0xc5, 0x18, 0xf2}};
static GUID hello = {0x3f0c5a1e, 0x6b1d, 0x4b52, {0x9c, 0x57, 0x1d, 0x0e, 0x44, 0x2a, 0x91, 0x10}};
static GUID id = {0x77d3fe10, 0x4a6c, 0x4f0e, {0x9d, 0x0c, 0x3a, 0x5b, 0xe0, 0xc2, 0xb7, 0xa9}};
static GUID left = {0x77d3fe11, 0x4a6c, 0x4f0e, {0x9d, 0x0c, 0x3a, 0x5b, 0xe0, 0xc2, 0xb7, 0xa9}};
static union { WSASERVICECLASSINFOA narrow; WSASERVICECLASSINFOW wide; WSAQUERYSETA set; char bytes[8192]; } first, second;

/* Every type of value, in all name spaces. */
static DWORD number = 0xFEDCBA98;
static unsigned char bytes[] = {0, 255, 1, 0, 0, 7};
static WSANSCLASSINFOA values[] = {{"TcpPort", NS_DNS, REG_DWORD, 4, &number}, {"Text", NS_NDS, REG_SZ, sizeof u"z\xe4", (void *)u"z\xe4"},
  {"Texts", NS_ALL, REG_MULTI_SZ, sizeof u"a\0b\0", (void *)u"a\0b\0"}, {"Bytes", NS_NDS, REG_BINARY, 6, bytes},
  {"Odd", 12345, 0xFFFFFFFF, 1, bytes + 1}, {"N\xc3\xb6ne", NS_ALL, REG_NONE, 0, NULL}};
static WSASERVICECLASSINFOA class = {&id, "Z\xc3\xa4hler", 6, values};

static int same_values(const WSANSCLASSINFOA *a, const WSANSCLASSINFOA *b) {
  return strcmp(a->lpszName, b->lpszName) == 0 && a->dwNameSpace == b->dwNameSpace && a->dwValueType == b->dwValueType && a->dwValueSize == b->dwValueSize &&
         (a->dwValueSize == 0 ? b->lpValue == NULL : memcmp(a->lpValue, b->lpValue, a->dwValueSize) == 0);
}
static int is_inside(const void *part, DWORD size) { return (const char *)part >= first.bytes && (const char *)part < first.bytes + size; }

/* NSP-137 for these */
static void not_started(void) {
  DWORD size = sizeof first;
  FAILS(WSAInstallServiceClassA(NULL), WSANOTINITIALISED);
  FAILS(WSARemoveServiceClass(NULL), WSANOTINITIALISED);
  FAILS(WSAGetServiceClassInfoW(NULL, NULL, NULL, NULL), WSANOTINITIALISED);
  FAILS(WSAGetServiceClassNameByClassIdA(NULL, NULL, &size), WSANOTINITIALISED);
  FAILS(WSANSPIoctl(NULL, 0, NULL, 0, NULL, 0, NULL, NULL), WSANOTINITIALISED);
}

static void arguments(void) {
  WSANSCLASSINFOA value = values[0];
  WSASERVICECLASSINFOA info = {&unknown, "x", 1, &value};
  DWORD size = sizeof first;
  FAILS(WSAInstallServiceClassA(NULL), WSAEINVAL); /* NSP-118 and its kin */
  info.lpServiceClassId = NULL, FAILS(WSAInstallServiceClassA(&info), WSAEINVAL), info.lpServiceClassId = &unknown;
  info.lpszServiceClassName = NULL, FAILS(WSAInstallServiceClassA(&info), WSAEINVAL), info.lpszServiceClassName = "\xff";
  FAILS(WSAInstallServiceClassA(&info), WSAEINVAL), info.lpszServiceClassName = "x";
  info.lpClassInfos = NULL, FAILS(WSAInstallServiceClassA(&info), WSAEINVAL), info.lpClassInfos = &value;
  value.lpszName = NULL, FAILS(WSAInstallServiceClassA(&info), WSAEINVAL), value.lpszName = "P";
  value.lpValue = NULL, FAILS(WSAInstallServiceClassA(&info), WSAEINVAL), value.lpValue = &number;
  value.dwValueSize = 3, FAILS(WSAInstallServiceClassA(&info), WSAEINVAL);
  value.dwValueType = REG_BINARY, value.dwValueSize = 0xFFFFFFFF, FAILS(WSAInstallServiceClassA(&info), WSAEINVAL);
  info.dwCount = 0xFFFFFFFF, FAILS(WSAInstallServiceClassA(&info), WSAEINVAL);
  FAILS(WSARemoveServiceClass(NULL), WSAEINVAL);
  FAILS(WSARemoveServiceClass(&unknown), WSATYPE_NOT_FOUND); /* NSP-120 */
  FAILS(WSAGetServiceClassInfoA(NULL, &id, &size, &first.narrow), WSAEINVAL);
  FAILS(WSAGetServiceClassInfoA(&schema, NULL, &size, &first.narrow), WSAEINVAL);
  FAILS(WSAGetServiceClassInfoA(&schema, &id, NULL, &first.narrow), WSAEINVAL);
  FAILS(WSAGetServiceClassInfoA(&schema, &id, &size, NULL), WSAEINVAL);
  FAILS(WSAGetServiceClassInfoA(&unknown, &id, &size, &first.narrow), WSAEINVAL);      /* NSP-122 */
  FAILS(WSAGetServiceClassInfoA(&hello, &id, &size, &first.narrow), WSAEOPNOTSUPP);
  FAILS(WSAGetServiceClassInfoA(&schema, &id, &size, &first.narrow), WSATYPE_NOT_FOUND);
  FAILS(WSAGetServiceClassNameByClassIdA(NULL, first.bytes, &size), WSA_INVALID_PARAMETER);
  FAILS(WSAGetServiceClassNameByClassIdW(&id, NULL, NULL), WSAEFAULT);
  FAILS(WSAGetServiceClassNameByClassIdA(&unknown, first.bytes, &size), WSATYPE_NOT_FOUND);
}

static void round_trip(void) {
  DWORD size, needed;
  CHECK(WSAInstallServiceClassA(&class) == 0);
  FAILS(WSAInstallServiceClassA(&class), WSAEALREADY); /* NSP-116 */
  /* NSP-115 NSP-123 */
  size = 32, FAILS(WSAGetServiceClassInfoA(&schema, &id, &size, &first.narrow), WSAEFAULT), needed = size;
  memset(&first, 0xEE, sizeof first), CHECK(WSAGetServiceClassInfoA(&schema, &id, &size, &first.narrow) == 0 && size == needed);
  CHECK((unsigned char)first.bytes[needed] == 0xEE);
  size = needed - 1, FAILS(WSAGetServiceClassInfoA(&schema, &id, &size, &second.narrow), WSAEFAULT), CHECK(size == needed);
  CHECK(memcmp(first.narrow.lpServiceClassId, &id, sizeof id) == 0 && strcmp(first.narrow.lpszServiceClassName, class.lpszServiceClassName) == 0);
  CHECK(first.narrow.dwCount == 6 && is_inside(first.narrow.lpClassInfos, needed) && is_inside(first.narrow.lpServiceClassId, needed));
  for (DWORD i = 0; i < 6 && first.narrow.dwCount == 6; i++) {
    CHECK(same_values(values + i, first.narrow.lpClassInfos + i));
    CHECK(is_inside(first.narrow.lpClassInfos[i].lpszName, needed) && (values[i].lpValue == NULL || is_inside(first.narrow.lpClassInfos[i].lpValue, needed)));
  }
  /* The provider keeps what concerns it: less than was installed. */
  size = sizeof first, CHECK(WSAGetServiceClassInfoA(&directory, &id, &size, &first.narrow) == 0 && first.narrow.dwCount == 4);
  for (DWORD i = 0; i < 4 && first.narrow.dwCount == 4; i++) CHECK(same_values(values + (i < 3 ? i + 1 : 5), first.narrow.lpClassInfos + i));
  size = sizeof first, CHECK(WSAGetServiceClassInfoW(&schema, &id, &size, &first.wide) == 0 && memcmp(first.wide.lpszServiceClassName, u"Z\u00e4hler", 14) == 0);
  CHECK(memcmp(first.wide.lpClassInfos[5].lpszName, u"N\u00f6ne", 10) == 0 && memcmp(first.wide.lpClassInfos[0].lpValue, &number, 4) == 0);
  /* NSP-126 NSP-127: characters, with the NUL; seven here, eight bytes of UTF-8. */
  size = 1, FAILS(WSAGetServiceClassNameByClassIdW(&id, (LPWSTR)first.bytes, &size), WSAEFAULT), CHECK(size == 7);
  CHECK(WSAGetServiceClassNameByClassIdW(&id, (LPWSTR)first.bytes, &size) == 0 && memcmp(first.bytes, u"Z\u00e4hler", 14) == 0);
  size = 100, CHECK(WSAGetServiceClassNameByClassIdW(&id, (LPWSTR)first.bytes, &size) == 0 && size == 7);
  size = 100, CHECK(WSAGetServiceClassNameByClassIdA(&id, first.bytes, &size) == 0 && size == 8);
  size = 0, FAILS(WSAGetServiceClassNameByClassIdA(&id, NULL, &size), WSAEFAULT), CHECK(size == 8);
  CHECK(WSAGetServiceClassNameByClassIdA(&id, first.bytes, &size) == 0 && strcmp(first.bytes, "Z\xc3\xa4hler") == 0);
  /* The wide form of it, back into another class; NSP-117. */
  WSASERVICECLASSINFOW wide = {&left, u"left behind", 0, (LPWSANSCLASSINFOW)1};
  CHECK(WSAInstallServiceClassW(&wide) == 0);
  size = sizeof first, CHECK(WSAGetServiceClassInfoA(&schema, &left, &size, &first.narrow) == 0 && first.narrow.dwCount == 0 && first.narrow.lpClassInfos == NULL);
}

static void well_known(void) {
  GUID web = SVCID_TCP(80), files = SVCID_NETWARE(4);
  DWORD size = sizeof first;
  CHECK(WSAGetServiceClassInfoA(&schema, &web, &size, &first.narrow) == 0 && first.narrow.dwCount == 2); /* NSP-124 */
  CHECK(strcmp(first.narrow.lpClassInfos[0].lpszName, "TcpPort") == 0 && *(DWORD *)first.narrow.lpClassInfos[0].lpValue == 80);
  CHECK(strcmp(first.narrow.lpClassInfos[1].lpszName, "ConnectionOriented") == 0 && *(DWORD *)first.narrow.lpClassInfos[1].lpValue == 1);
  size = sizeof first;
  CHECK(WSAGetServiceClassInfoA(&schema, &files, &size, &first.narrow) == 0 && *(DWORD *)first.narrow.lpClassInfos[0].lpValue == 4); /* NSP-125 */
  FAILS(WSARemoveServiceClass(&web), WSATYPE_NOT_FOUND);
}

/* Changes */

static WSAQUERYSETA query(const char *name, GUID *provider) {
  WSAQUERYSETA set;
  memset(&set, 0, sizeof set);
  set.dwSize = sizeof set, set.dwNameSpace = NS_ALL, set.lpszServiceInstanceName = (char *)name, set.lpNSProviderId = provider;
  return set;
}
static HANDLE begin(const char *name, GUID *provider) {
  WSAQUERYSETA set = query(name, provider);
  HANDLE lookup = NULL;
  CHECK(WSALookupServiceBeginA(&set, LUP_RETURN_ALL, &lookup) == 0);
  return lookup;
}
static INT set(WSAESETSERVICEOP what, const char *name, GUID *of) {
  WSAQUERYSETA set = query(name, &directory);
  set.lpServiceClassId = of;
  return WSASetServiceA(&set, what, 0);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static int calls, last_error;
static LPWSAOVERLAPPED last_overlapped;
static void CALLBACK routine(DWORD error, DWORD transferred, LPWSAOVERLAPPED overlapped, DWORD flags) {
  pthread_mutex_lock(&lock);
  calls += transferred == 0 && flags == 0 && overlapped->Internal == error, last_error = (int)error, last_overlapped = overlapped;
  pthread_cond_signal(&told);
  pthread_mutex_unlock(&lock);
}
static void wait_for_calls(int count) {
  pthread_mutex_lock(&lock);
  while (calls < count) pthread_cond_wait(&told, &lock);
  pthread_mutex_unlock(&lock);
}

static void references(void) {
  CHECK(set(RNRSERVICE_REGISTER, "instance", &id) == 0);
  FAILS(WSARemoveServiceClass(&id), WSAETOOMANYREFS); /* NSP-121 */
  CHECK(set(RNRSERVICE_DELETE, "instance", &id) == 0);
  CHECK(WSARemoveServiceClass(&id) == 0);
  FAILS(WSARemoveServiceClass(&id), WSATYPE_NOT_FOUND);
}

/* At a provider of version 1, which tells itself, and at one of version 2, where the host does. */
static void notices(GUID *provider, int isVersion1) {
  WSAOVERLAPPED overlapped = {0}, other = {0};
  WSACOMPLETION completion = {.Type = NSP_NOTIFY_IMMEDIATELY}, event = {.Type = NSP_NOTIFY_EVENT}, apc = {.Type = NSP_NOTIFY_APC};
  WSAEVENT handle = WSACreateEvent();
  DWORD returned = 7;
  HANDLE lookup = begin("nobody", provider), both;
  WSAQUERYSETA changed = query("changed@example.org", provider);
  overlapped.hEvent = handle, event.Parameters.Event.lpOverlapped = &overlapped;
  apc.Parameters.Apc.lpOverlapped = &other, apc.Parameters.Apc.lpfnCompletionProc = routine;
#define NOTIFY(how) WSANSPIoctl(lookup, SIO_NSP_NOTIFY_CHANGE, NULL, 0, NULL, 0, &returned, how)
  FAILS(WSANSPIoctl((HANDLE)99, SIO_NSP_NOTIFY_CHANGE, NULL, 0, NULL, 0, &returned, NULL), WSA_INVALID_HANDLE);
  FAILS(WSANSPIoctl(lookup, SIO_NSP_NOTIFY_CHANGE, NULL, 0, NULL, 0, NULL, NULL), WSAEFAULT);
  FAILS(WSANSPIoctl(lookup, 0x88000001, NULL, 0, NULL, 0, &returned, NULL), WSAEOPNOTSUPP); /* NSP-184 */
  both = begin("hello", NULL);
  FAILS(WSANSPIoctl(both, SIO_NSP_NOTIFY_CHANGE, NULL, 0, NULL, 0, &returned, NULL), WSAEINVAL); /* NSP-183 */
  WSALookupServiceEnd(both);
  completion.Type = NSP_NOTIFY_HWND, FAILS(NOTIFY(&completion), WSAEOPNOTSUPP); /* NSP-188 */
  completion.Type = NSP_NOTIFY_PORT, FAILS(NOTIFY(&completion), WSAEOPNOTSUPP);
  overlapped.hEvent = (HANDLE)99, FAILS(NOTIFY(&event), WSAEINVAL), overlapped.hEvent = handle;
  completion.Type = NSP_NOTIFY_IMMEDIATELY;
  FAILS(NOTIFY(NULL), WSAEWOULDBLOCK), FAILS(NOTIFY(&completion), WSAEWOULDBLOCK); /* NSP-185 */
  FAILS(NOTIFY(&event), WSA_IO_PENDING), FAILS(NOTIFY(&apc), WSA_IO_PENDING);      /* NSP-186 */
  CHECK(WSAWaitForMultipleEvents(1, &handle, TRUE, 50, FALSE) == WAIT_TIMEOUT && overlapped.Internal == WSA_IO_PENDING);
  calls = 0;
  CHECK(WSASetServiceA(&changed, RNRSERVICE_REGISTER, 0) == 0);
  CHECK(WSAWaitForMultipleEvents(1, &handle, TRUE, 20000, FALSE) == WAIT_OBJECT_0 && overlapped.Internal == 0);
  wait_for_calls(1), CHECK(last_error == 0 && last_overlapped == &other);
  CHECK(NOTIFY(NULL) == 0 && NOTIFY(&completion) == 0 && returned == 0);
  /* It has changed already: a provider of version 1 says so at once, else the two answers of the host come as one. */
  for (int i = 0; i < 200; i++) {
    WSAResetEvent(handle), overlapped.Internal = 7;
    if (isVersion1) { CHECK(NOTIFY(&event) == 0 && overlapped.Internal == 0); continue; }
    FAILS(NOTIFY(&event), WSA_IO_PENDING);
    CHECK(WSAWaitForMultipleEvents(1, &handle, TRUE, 20000, FALSE) == WAIT_OBJECT_0 && overlapped.Internal == 0);
  }
  DWORD length = sizeof first;
  CHECK(WSALookupServiceNextA(lookup, 0, &length, &first.set) == SOCKET_ERROR);
  FAILS(NOTIFY(NULL), WSAEWOULDBLOCK);
  /* NSP-187 */
  WSAResetEvent(handle), FAILS(NOTIFY(&event), WSA_IO_PENDING), FAILS(NOTIFY(&apc), WSA_IO_PENDING);
  CHECK(WSALookupServiceEnd(lookup) == 0);
  CHECK(WSAWaitForMultipleEvents(1, &handle, TRUE, 20000, FALSE) == WAIT_OBJECT_0 && overlapped.Internal == WSA_OPERATION_ABORTED);
  wait_for_calls(2), CHECK(last_error == WSA_OPERATION_ABORTED);
  FAILS(NOTIFY(NULL), WSA_INVALID_HANDLE);
  /* The end of the session ends the wait too. */
  lookup = begin("nobody", provider), WSAResetEvent(handle), FAILS(NOTIFY(&event), WSA_IO_PENDING);
  WSASetServiceA(&changed, RNRSERVICE_DELETE, 0);
  WSAWaitForMultipleEvents(1, &handle, TRUE, 20000, FALSE), WSALookupServiceEnd(lookup);
  lookup = begin("nobody", provider), WSAResetEvent(handle), FAILS(NOTIFY(&event), WSA_IO_PENDING);
  WSACleanup(), CHECK(WSAWaitForMultipleEvents(1, &handle, TRUE, 20000, FALSE) == WAIT_OBJECT_0 && overlapped.Internal == WSA_OPERATION_ABORTED);
  CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
  WSACloseEvent(handle);
}

int main(int count, char **words) {
  DWORD size = sizeof first;
  if (count < 2) return 64;
  if (strcmp(words[1], "changes") == 0) {
    GUID addressbook = {0xb7f2aa93, 0x51c4, 0x4e0b, {0xa1, 0x3d, 0x70, 0x5e, 0x9f, 0x3d, 0x22, 0x61}};
    not_started();
    CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
    arguments(), round_trip(), well_known(), references();
    notices(&directory, 1), notices(&addressbook, 0);
    WSACleanup();
  } else if (strcmp(words[1], "kept") == 0) {
    CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
    CHECK(WSAGetServiceClassNameByClassIdA(&left, first.bytes, &size) == 0 && strcmp(first.bytes, "left behind") == 0); /* NSP-115 */
    CHECK(WSARemoveServiceClass(&left) == 0);
    WSACleanup();
  } else if (strcmp(words[1], "refused") == 0) {
    CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
    FAILS(WSAInstallServiceClassA(&class), WSAEACCES);
    FAILS(WSARemoveServiceClass(&left), WSAEACCES);
    CHECK(WSAGetServiceClassNameByClassIdA(&left, first.bytes, &size) == 0);
    WSACleanup();
  }
  return failures;
}
