/* A provider of the tests: knows what no file and no server does.
     known         192.0.2.7 and 2001:db8::7, also called known-alias     many-N     N addresses of IPv4 and N aliases
     four, six     one address of one family                              long-N     an alias of N letters
     again, data   WSATRY_AGAIN, WSANO_DATA                               odd        no addresses of hosts, and names that are none
     zoned         fe80::7%lo
     wait-N        192.0.2.8 after N milliseconds                         look-NAME  whatever this process finds for NAME through glibc
     free-NAME     the same, without what the environment says            192.0.2.7  and back; door/tcp, 7777/tcp: a service
   cc -shared -fPIC -pthread -I../../Sources/ABI/CWinsock/include door.c -o door.so */
#define _GNU_SOURCE
#define NSP_ROUTINE_PROTOTYPES
#include <nsphost.h>
#include <svcguid.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>

NSP_PROVIDER("door", NS_DNS, 1, NSP_BLOCKING, "", 0x1d3c5b7a, 0x0e2f, 0x4a68, 0x91, 0xb4, 0xc6, 0xd8, 0x0f, 0x2a, 0x4e, 0x73);

enum { MOST = 600 };
struct lookup {
  char name[512];
  GUID class;
  int delivered;
};

static INT fail(INT code) { return WSASetLastError(code), SOCKET_ERROR; }

INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W asked, DWORD flags, LPVOID session, LPHANDLE handle) {
  struct lookup *lookup = calloc(1, sizeof *lookup);
  DWORD size = sizeof lookup->name;
  (void)id, (void)flags, (void)session;
  if (lookup == NULL || asked->lpszServiceInstanceName == NULL ||
      NSPHostUtf8FromWide(asked->lpszServiceInstanceName, lookup->name, &size) != NO_ERROR)
    return free(lookup), fail(WSASERVICE_NOT_FOUND);
  /* A name that is complete says so. */
  if (strlen(lookup->name) > 1 && lookup->name[strlen(lookup->name) - 1] == '.') lookup->name[strlen(lookup->name) - 1] = 0;
  NSPHostCurrentServiceClass(&lookup->class, NULL, NULL);
  *handle = lookup;
  return NO_ERROR;
}

INT NSPv2LookupServiceEnd(HANDLE handle) { return free(handle), NO_ERROR; }

static struct sockaddr_storage sockets[MOST];
static int put(CSADDR_INFO *infos, int count, const char *text, int port, int protocol) {
  struct sockaddr_storage *socket = &sockets[count];
  struct sockaddr_in *four = (struct sockaddr_in *)socket;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)socket;
  memset(&infos[count], 0, sizeof *infos), memset(socket, 0, sizeof *socket);
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) four->sin_family = AF_INET, four->sin_port = htons((uint16_t)port);
  else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) six->sin6_family = AF_INET6, six->sin6_port = htons((uint16_t)port);
  infos[count].RemoteAddr.lpSockaddr = (LPSOCKADDR)socket;
  infos[count].RemoteAddr.iSockaddrLength = socket->ss_family == AF_INET ? (INT)sizeof *four : (INT)sizeof *six;
  infos[count].iProtocol = protocol;
  return count + 1;
}

/* What glibc finds from in here: nothing that would come back to this provider. */
static int look(CSADDR_INFO *infos, const char *name) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  char text[64];
  if (getaddrinfo(name, NULL, &hints, &found) != 0) return 0;
  inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof text);
  freeaddrinfo(found);
  return put(infos, 0, text, 0, 0);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what the records lead to */

static INT deliver(struct lookup *lookup, LPDWORD length, LPWSAQUERYSET2W block) {
  static CSADDR_INFO infos[MOST];
  static WCHAR wide[2048];
  char name[2048];
  const char *asked = lookup->name;
  WSAQUERYSET2W record = {.dwSize = sizeof record, .dwNameSpace = NS_DNS};
  DWORD units = sizeof wide / sizeof *wide;
  int count = 0, n = 0, aliases = 0;
  snprintf(name, sizeof name, "%s.door.example", asked);
  if (strcmp(asked, "known") == 0 || strcmp(asked, "known-alias") == 0 || strcmp(asked, "192.0.2.7") == 0) {
    count = put(infos, 0, "192.0.2.7", 0, 0), count = put(infos, count, "2001:db8::7", 0, 0), aliases = 1;
    strcpy(name, lookup->delivered == 0 ? "known.door.example" : "known-alias");
  } else if (strcmp(asked, "four") == 0) count = put(infos, 0, "192.0.2.4", 0, 0);
  else if (strcmp(asked, "four.door.example") == 0) count = put(infos, 0, "192.0.2.4", 0, 0), strcpy(name, asked);
  else if (strcmp(asked, "here.door.example") == 0) count = put(infos, 0, "127.0.0.1", 0, 0), strcpy(name, asked);
  else if (strcmp(asked, "six") == 0) count = put(infos, 0, "2001:db8::6", 0, 0);
  else if (strcmp(asked, "zoned") == 0) count = put(infos, 0, "fe80::7", 0, 0), ((struct sockaddr_in6 *)&sockets[0])->sin6_scope_id = if_nametoindex("lo");
  else if (strcmp(asked, "again") == 0) return WSATRY_AGAIN;
  else if (strcmp(asked, "data") == 0) return WSANO_DATA;
  else if (sscanf(asked, "many-%d", &n) == 1 && n > 0 && n <= MOST) {
    for (int i = 0; i < n; i++) {
      char text[64];
      snprintf(text, sizeof text, "10.7.%d.%d", i / 256, i % 256), count = put(infos, count, text, 0, 0);
    }
    aliases = n;
    if (lookup->delivered > 0) snprintf(name, sizeof name, "alias-%d", lookup->delivered);
  } else if (sscanf(asked, "long-%d", &n) == 1 && n > 0 && n < (int)sizeof name) {
    count = put(infos, 0, "192.0.2.9", 0, 0), aliases = 1;
    if (lookup->delivered > 0) memset(name, 'l', (size_t)n), name[n] = 0;
  } else if (strcmp(asked, "odd") == 0) {
    count = put(infos, 0, "192.0.2.10", 0, 0), infos[0].RemoteAddr.iSockaddrLength = 7;
    count = put(infos, count, "192.0.2.11", 0, 0), sockets[1].ss_family = 77;
    count = put(infos, count, "192.0.2.12", 0, 0);
    strcpy(name, "two words\n");
  } else if (sscanf(asked, "wait-%d", &n) == 1) {
    struct timespec time = {n / 1000, n % 1000 * 1000000L};
    pthread_mutex_unlock(&lock), nanosleep(&time, NULL), pthread_mutex_lock(&lock);
    count = put(infos, 0, "192.0.2.8", 0, 0);
  } else if (strncmp(asked, "look-", 5) == 0) count = look(infos, asked + 5);
  else if (strncmp(asked, "free-", 5) == 0) unsetenv("NSP_NSS_BYPASS"), count = look(infos, asked + 5);
  else if (strcmp(asked, "door/tcp") == 0 || strcmp(asked, "7777/tcp") == 0 || strcmp(asked, "door") == 0) {
    count = put(infos, 0, "0.0.0.0", 7777, IPPROTO_TCP), aliases = 1;
    strcpy(name, lookup->delivered == 0 ? "door" : "gate");
  }
  if (count == 0) return WSASERVICE_NOT_FOUND;
  if (lookup->delivered > aliases) return WSA_E_NO_MORE;
  if (NSPHostWideFromUtf8(name, wide, &units) != NO_ERROR) return WSAEINVAL;
  record.lpszServiceInstanceName = wide;
  if (lookup->delivered > 0) record.dwOutputFlags = RESULT_IS_ALIAS;
  else record.dwNumberOfCsAddrs = (DWORD)count, record.lpcsaBuffer = infos;
  n = NSPHostPackQuerySet(&record, length, block);
  if (n == NO_ERROR) lookup->delivered++;
  return n;
}

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  struct lookup *lookup = handle;
  INT code;
  (void)flags;
  NSPHostLog(call, NSP_LOG_DEBUG, lookup->name);
  pthread_mutex_lock(&lock);
  code = deliver(lookup, length, block);
  pthread_mutex_unlock(&lock);
  WSAProviderCompleteAsyncCall(call, code);
}
