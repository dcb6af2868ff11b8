/* The catalog and events, from outside the package: nsphost.h and libnsp. One word on its command line; ends with the number of things that
   went wrong.
     changes          installs, orders, enables, disables and uninstalls, as root or the host's own user
     refused          the same as somebody else
     kept             what a host that has restarted must still know
     events           WSACreateEvent and what goes with it
     watched          WSAProviderConfigChange, as root or the host's own user */
#include <nsphost.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures;
#define CHECK(condition) ((condition) ? (void)0 : (failures++, (void)fprintf(stderr, "catalog.c:%d: " #condition " (last error %d)\n", __LINE__, WSAGetLastError())))
#define FAILS(call, code) CHECK((call) == SOCKET_ERROR && WSAGetLastError() == (code))

static const GUID first = {0x11111111, 1, 1, {1, 1, 1, 1, 1, 1, 1, 1}}, second = {0x22222222, 2, 2, {2, 2, 2, 2, 2, 2, 2, 2}};
static const GUID hello = {0x3f0c5a1e, 0x6b1d, 0x4b52, {0x9c, 0x57, 0x1d, 0x0e, 0x44, 0x2a, 0x91, 0x10}}, schema = NSP_SCHEMA_PROVIDER;
#define ID(guid) ((LPGUID)&(guid))
#define TEXT16(text) ((LPWSTR)u"" text)

/* One e-mail domain, as nsemail.h lays it out: a head of 20 bytes, a description of 16, the name. */
static DWORD blob_words[] = {1, 2, 0, 1, 20, 2, 3, 0, 36, 'x' | '.' << 16, 'y'};
static BLOB blob = {42, (BYTE *)blob_words};

static LPWSANAMESPACE_INFOEXA list(int *count) {
  static union { WSANAMESPACE_INFOEXA all[1]; char bytes[1 << 16]; } buffer;
  DWORD length = sizeof buffer;
  CHECK((*count = WSAEnumNameSpaceProvidersExA(&length, buffer.all)) >= 0);
  return buffer.all;
}
static int place(const GUID *id) {
  int count, i;
  LPWSANAMESPACE_INFOEXA all = list(&count);
  for (i = 0; i < count; i++) if (memcmp(&all[i].NSProviderId, id, sizeof *id) == 0) return i;
  return -1;
}
static int begins(DWORD space) { /* 0, or why a query of a name space finds nobody to ask */
  WSAQUERYSETA set;
  HANDLE lookup;
  memset(&set, 0, sizeof set);
  set.dwSize = sizeof set, set.dwNameSpace = space, set.lpszServiceInstanceName = (char *)"hello";
  if (WSALookupServiceBeginA(&set, LUP_RETURN_NAME, &lookup) != 0) return WSAGetLastError();
  return WSALookupServiceEnd(lookup);
}

static void changes(void) {
  WSADATA data;
  WCHAR *name = malloc(12), *path = malloc(2);
  BLOB copy = {blob.cbSize, malloc(blob.cbSize)};
  GUID ids[64];
  int count, i;
  LPWSANAMESPACE_INFOEXA all;
  /* NSP-192, before WSAStartup: these need none */
  FAILS(WSCInstallNameSpace(NULL, TEXT16(""), NS_EMAIL, 1, ID(first)), WSAEINVAL);
  FAILS(WSCInstallNameSpace(TEXT16("n"), NULL, NS_EMAIL, 1, ID(first)), WSAEINVAL);
  FAILS(WSCInstallNameSpace(TEXT16("n"), TEXT16(""), NS_EMAIL, 1, NULL), WSAEINVAL);
  FAILS(WSCInstallNameSpace(TEXT16("n"), TEXT16(""), NS_ALL, 1, ID(first)), WSAEINVAL);
  FAILS(WSCInstallNameSpace(TEXT16("n"), TEXT16("relative.so"), NS_DNS, 1, ID(first)), WSAEINVAL);
  /* NSP-193, NSP-195: an empty path; what is given may be freed at once */
  memcpy(name, u"mail", 10), *path = 0, memcpy(copy.pBlobData, blob.pBlobData, blob.cbSize);
  CHECK(WSCInstallNameSpaceEx(name, path, NS_EMAIL, 3, ID(first), &copy) == 0);
  memset(name, 0xFF, 12), memset(copy.pBlobData, 0xFF, copy.cbSize), free(name), free(path), free(copy.pBlobData);
  CHECK(WSAStartup(0x0202, &data) == 0);
  /* NSP-189, NSP-191, NSP-196: counted, with its blob, active, last */
  all = list(&count), i = place(&first);
  CHECK(count > 1 && i == count - 1);
  CHECK(all[i].fActive && all[i].dwNameSpace == NS_EMAIL && all[i].dwVersion == 3 && strcmp(all[i].lpszIdentifier, "mail") == 0);
  CHECK(all[i].ProviderSpecific.cbSize == blob.cbSize && memcmp(all[i].ProviderSpecific.pBlobData, blob.pBlobData, blob.cbSize) == 0);
  CHECK(all[0].ProviderSpecific.cbSize == 0 && all[0].ProviderSpecific.pBlobData == NULL);
  /* NSP-194: not twice */
  FAILS(WSCInstallNameSpace(TEXT16("n"), TEXT16(""), NS_EMAIL, 1, ID(first)), WSANO_RECOVERY);
  CHECK(WSCUnInstallNameSpace(ID(first)) == 0 && place(&first) < 0);
  CHECK(WSCInstallNameSpaceEx(TEXT16("mail"), TEXT16(""), NS_EMAIL, 3, ID(first), &blob) == 0);
  /* NSP-197, NSP-226: unknown ids, and blobs that can't be read: each shorter one */
  FAILS(WSCUnInstallNameSpace(NULL), WSAEFAULT);
  FAILS(WSCUnInstallNameSpace(ID(second)), WSAEINVAL);
  /* one that is there without having been installed: a file in a plugin directory, and what is the host's own */
  FAILS(WSCUnInstallNameSpace(ID(hello)), WSAEACCES);
  FAILS(WSCUnInstallNameSpace(ID(schema)), WSAEACCES);
  CHECK(place(&hello) >= 0 && place(&schema) >= 0 && begins(NS_DNS) == 0);
  for (DWORD size = 1; size < blob.cbSize; size++) {
    BLOB cut = {size, blob.pBlobData};
    FAILS(WSCInstallNameSpaceEx(TEXT16("n"), TEXT16(""), NS_EMAIL, 1, ID(second), &cut), WSAEINVAL);
  }
  CHECK(place(&second) < 0);
  /* NSP-190, NSP-198: for a program that is running */
  CHECK(begins(NS_DNS) == 0);
  all = list(&count);
  for (i = 0; i < count; i++) ids[i] = all[i].NSProviderId;
  for (i = 0; i < count; i++) CHECK(WSCEnableNSProvider(&ids[i], FALSE) == 0);
  all = list(&i);
  CHECK(i == count && !all[0].fActive && !all[count - 1].fActive && begins(NS_DNS) == WSASERVICE_NOT_FOUND);
  for (i = 0; i < count; i++) CHECK(WSCEnableNSProvider(&ids[i], TRUE) == 0);
  CHECK(begins(NS_DNS) == 0 && list(&i)->fActive && i == count);
  FAILS(WSCEnableNSProvider(NULL, TRUE), WSAEFAULT);
  FAILS(WSCEnableNSProvider(ID(second), TRUE), WSAEINVAL);
  /* NSP-199: nothing but a permutation */
  CHECK(WSCWriteNameSpaceOrder(NULL, 1) == WSAEFAULT && WSCWriteNameSpaceOrder(ids, (DWORD)count - 1) == WSAEINVAL);
  ids[0] = ids[1];
  CHECK(WSCWriteNameSpaceOrder(ids, (DWORD)count) == WSAEINVAL);
  ids[0] = second;
  CHECK(WSCWriteNameSpaceOrder(ids, (DWORD)count) == WSAEINVAL && WSCWriteNameSpaceOrder(ids, 1u << 30) == WSAEINVAL);
  CHECK(place(&first) == count - 1);
  /* NSP-200: the last one first */
  all = list(&count);
  for (i = 0; i < count; i++) ids[(i + 1) % count] = all[i].NSProviderId;
  CHECK(WSCWriteNameSpaceOrder(ids, (DWORD)count) == 0 && place(&first) == 0);
  CHECK(WSACleanup() == 0);
}

/* NSP-201 */
static void refused(void) {
  WSADATA data;
  GUID ids[64];
  int count, i;
  CHECK(WSAStartup(0x0202, &data) == 0);
  LPWSANAMESPACE_INFOEXA all = list(&count);
  for (i = 0; i < count; i++) ids[i] = all[i].NSProviderId;
  FAILS(WSCInstallNameSpace(TEXT16("n"), TEXT16(""), NS_EMAIL, 1, ID(second)), WSAEACCES);
  FAILS(WSCUnInstallNameSpace(ID(first)), WSAEACCES);
  FAILS(WSCEnableNSProvider(ids, FALSE), WSAEACCES);
  CHECK(WSCWriteNameSpaceOrder(ids, (DWORD)count) == WSANO_RECOVERY);
  CHECK(WSACleanup() == 0);
}

static void kept(void) {
  WSADATA data;
  int count;
  CHECK(WSAStartup(0x0202, &data) == 0);
  LPWSANAMESPACE_INFOEXA all = list(&count);
  CHECK(place(&first) == 0 && strcmp(all[0].lpszIdentifier, "mail") == 0 && all[0].ProviderSpecific.cbSize == blob.cbSize);
  CHECK(WSCUnInstallNameSpace(ID(first)) == 0 && place(&first) < 0);
  CHECK(WSACleanup() == 0);
}

static void *set_later(void *event) {
  usleep(50000);
  CHECK(WSASetEvent(event));
  return NULL;
}
static void events(void) {
  WSAEVENT all[65];
  pthread_t thread;
  int i;
  for (i = 0; i < 65; i++) CHECK((all[i] = WSACreateEvent()) != WSA_INVALID_EVENT);
  CHECK(WSAWaitForMultipleEvents(64, all, FALSE, 0, FALSE) == WSA_WAIT_TIMEOUT);
  CHECK(WSASetEvent(all[5]) && WSASetEvent(all[9]) && WSASetEvent(all[5]));
  CHECK(WSAWaitForMultipleEvents(64, all, FALSE, WSA_INFINITE, FALSE) == WSA_WAIT_EVENT_0 + 5);
  CHECK(WSAWaitForMultipleEvents(2, all + 5, TRUE, 20, FALSE) == WSA_WAIT_TIMEOUT);
  CHECK(WSAResetEvent(all[5]) && WSAWaitForMultipleEvents(64, all, FALSE, 0, TRUE) == WSA_WAIT_EVENT_0 + 9);
  pthread_create(&thread, NULL, set_later, all[8]);
  CHECK(WSAWaitForMultipleEvents(2, all + 8, TRUE, WSA_INFINITE, FALSE) == WSA_WAIT_EVENT_0);
  pthread_join(thread, NULL);
  CHECK(WSAWaitForMultipleEvents(65, all, FALSE, 0, FALSE) == WSA_WAIT_FAILED && WSAGetLastError() == WSA_INVALID_PARAMETER);
  CHECK(WSAWaitForMultipleEvents(0, all, FALSE, 0, FALSE) == WSA_WAIT_FAILED && WSAGetLastError() == WSA_INVALID_PARAMETER);
  for (i = 0; i < 65; i++) CHECK(WSACloseEvent(all[i]));
  CHECK(!WSACloseEvent(all[0]) && WSAGetLastError() == WSA_INVALID_HANDLE && !WSASetEvent(all[1]) && !WSAResetEvent(NULL));
  CHECK(WSAWaitForMultipleEvents(1, all, FALSE, 0, FALSE) == WSA_WAIT_FAILED && WSAGetLastError() == WSA_INVALID_HANDLE);
  CHECK((all[64] = WSACreateEvent()) != all[0] && WSACloseEvent(all[64]));
}

/* The next change, waited for and not (NSP-202). */
static void *change_later(void *unused) {
  static GUID id = {0x33333333, 3, 3, {3, 3, 3, 3, 3, 3, 3, 3}};
  usleep(100000);
  CHECK(WSCInstallNameSpace(TEXT16("third"), TEXT16(""), 1000, 1, &id) == 0);
  usleep(100000);
  CHECK(WSCUnInstallNameSpace(&id) == 0);
  return unused;
}
static void watched(void) {
  WSADATA data;
  HANDLE handle = NULL;
  WSAOVERLAPPED overlapped = {0};
  pthread_t thread;
  FAILS(WSAProviderConfigChange(&handle, NULL, NULL), WSANOTINITIALISED);
  CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
  FAILS(WSAProviderConfigChange(NULL, NULL, NULL), WSAEINVAL);
  CHECK(WSAProviderConfigChange(&handle, NULL, NULL) == 0 && handle != NULL);
  FAILS(WSAProviderConfigChange(&handle, &overlapped, NULL), WSAEINVAL);
  overlapped.hEvent = WSACreateEvent();
  FAILS(WSAProviderConfigChange(&handle, &overlapped, NULL), WSA_IO_PENDING);
  CHECK(WSAWaitForMultipleEvents(1, &overlapped.hEvent, FALSE, 50, FALSE) == WSA_WAIT_TIMEOUT);
  pthread_create(&thread, NULL, change_later, NULL);
  CHECK(WSAProviderConfigChange(&handle, NULL, NULL) == 0);
  CHECK(WSAWaitForMultipleEvents(1, &overlapped.hEvent, FALSE, 5000, FALSE) == WSA_WAIT_EVENT_0 && overlapped.Internal == 0);
  CHECK(WSAProviderConfigChange(&handle, NULL, NULL) == 0);
  pthread_join(thread, NULL);
  CHECK(WSACloseEvent(handle));
  FAILS(WSAProviderConfigChange(&handle, NULL, NULL), WSA_INVALID_HANDLE);
  CHECK(WSACleanup() == 0);
}

int main(int count, char **words) {
  const char *word = count == 2 ? words[1] : "";
  if (strcmp(word, "changes") == 0) changes();
  else if (strcmp(word, "refused") == 0) refused();
  else if (strcmp(word, "kept") == 0) kept();
  else if (strcmp(word, "events") == 0) events();
  else if (strcmp(word, "watched") == 0) watched();
  else failures++, fprintf(stderr, "catalog.c: there is no %s\n", word);
  return failures;
}
