/* The default store from a client's side: what the command does not say. Ends with the number of promises that were not kept.

     statements           what is registered is kept whole, is found by what it was registered as, and goes as nsp.md 5.7 says
     stream PREFIX        registers PREFIX1, PREFIX2 and so on, and prints each number once it is done, until one fails
     enumerated           how the list of providers has it, and that it is one provider under several name spaces
     hold NAME            registers NAME until the session ends, says "held", and stays until it is killed or its input ends
     time NAME COUNT      prints how many microseconds the middle one of so many lookups takes
     count PATTERN        prints how many names match, each counted once and in order
     some PATTERN COUNT   reads so many of the records and ends the lookup
     rounds COUNT         so many registrations, lookups and removals of each of four threads */
#define _GNU_SOURCE
#include <svcguid.h>
#include <ws2spi.h>
#include <ws2tcpip.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int failures;
#define CHECK(condition) ((condition) ? (void)0 : (failures++, (void)fprintf(stderr, "directory.c:%d: %s (last error %d)\n", __LINE__, #condition, WSAGetLastError())))
#define FAILS(call, code) CHECK((call) == SOCKET_ERROR && WSAGetLastError() == (code))

static GUID store = {0x94c1f3a6, 0x82c4, 0x4b19, {0xa6, 0xd8, 0x1f, 0x0b, 0x7e, 0x63, 0xc9, 0x25}};
static GUID web = SVCID_TCP(80), other = {1, 2, 3, {4}};
static GUID byName = SVCID_INET_HOSTADDRBYNAME, byAddress = SVCID_INET_HOSTADDRBYINETSTRING, hostName = SVCID_HOSTNAME, port = SVCID_INET_SERVICEBYNAME;
static _Thread_local union { WSAQUERYSETA set; char bytes[1 << 20]; } record;
/* The last record, whose parts are in `record`. */
static _Thread_local struct { WSAQUERYSETA set; } found;

static WSAQUERYSETA set(const char *name) {
  WSAQUERYSETA set;
  memset(&set, 0, sizeof set);
  set.dwSize = sizeof set, set.dwNameSpace = NS_ALL, set.lpszServiceInstanceName = (char *)name, set.lpNSProviderId = &store;
  return set;
}

/* 192.0.2.LAST:PORT, as one address of a registration. */
static CSADDR_INFO address(struct sockaddr_in *room, int last, int port, int protocol) {
  CSADDR_INFO info;
  memset(room, 0, sizeof *room), memset(&info, 0, sizeof info);
  room->sin_family = AF_INET, room->sin_port = htons((unsigned short)port), room->sin_addr.s_addr = htonl(0xC0000200u + (unsigned)last);
  info.RemoteAddr.lpSockaddr = (LPSOCKADDR)room, info.RemoteAddr.iSockaddrLength = sizeof *room;
  info.iSocketType = 1, info.iProtocol = protocol;
  return info;
}
static INT put(WSAQUERYSETA what, int last, WSAESETSERVICEOP operation, DWORD flags) {
  struct sockaddr_in room;
  CSADDR_INFO info = address(&room, last, 80, 6);
  if (last > 0) what.dwNumberOfCsAddrs = 1, what.lpcsaBuffer = &info;
  return WSASetServiceA(&what, operation, flags);
}
#define REGISTER(what, last) CHECK(put(what, last, RNRSERVICE_REGISTER, 0) == 0)

/* How many records, or minus the code that came in their place; the last one is in `found`. */
static int look_up(WSAQUERYSETA query, DWORD flags) {
  HANDLE lookup = NULL;
  int count = 0;
  if (WSALookupServiceBeginA(&query, LUP_RETURN_ALL | flags, &lookup) != 0) return -WSAGetLastError();
  for (;; count++) {
    DWORD length = sizeof record;
    if (WSALookupServiceNextA(lookup, 0, &length, &record.set) != 0) break;
    found.set = record.set;
  }
  int code = WSAGetLastError();
  WSALookupServiceEnd(lookup);
  return count > 0 && code == WSA_E_NO_MORE ? count : -code;
}
static int last_of(int index) { return (int)(ntohl(((struct sockaddr_in *)found.set.lpcsaBuffer[index].RemoteAddr.lpSockaddr)->sin_addr.s_addr) & 255); }

static void is_kept_whole(void) {
  unsigned char opaque[4096], bytes[] = {0, 255, 1};
  BLOB blob = {sizeof bytes, bytes};
  WSAVERSION version = {7, COMP_NOTLESS};
  WSAQUERYSETA it = set("Whole");
  struct sockaddr_in room;
  CSADDR_INFO infos[2] = {address(&room, 1, 80, 6)};
  for (unsigned i = 0; i < sizeof opaque; i++) opaque[i] = (unsigned char)(i * 7);
  memset(infos + 1, 0, sizeof infos[1]);
  infos[1].LocalAddr.lpSockaddr = (LPSOCKADDR)opaque, infos[1].LocalAddr.iSockaddrLength = sizeof opaque, infos[1].iSocketType = -5, infos[1].iProtocol = 99;
  it.lpServiceClassId = &other, it.lpVersion = &version, it.lpszComment = "w\xc3\xa4re", it.dwNameSpace = 12, it.lpszContext = "\\Lab\\Bench";
  it.lpszQueryString = "expires=86400", it.dwNumberOfCsAddrs = 2, it.lpcsaBuffer = infos, it.lpBlob = &blob;
  CHECK(WSASetServiceA(&it, RNRSERVICE_REGISTER, 0) == 0);
  WSAQUERYSETA query = set("wHOLE");
  query.lpszContext = "lab\\BENCH\\";
  CHECK(look_up(query, 0) == 1);
  CHECK(strcmp(found.set.lpszServiceInstanceName, "Whole") == 0 && strcmp(found.set.lpszComment, "w\xc3\xa4re") == 0);
  CHECK(strcmp(found.set.lpszContext, "\\Lab\\Bench") == 0 && strcmp(found.set.lpszQueryString, "expires=86400") == 0 && found.set.dwNameSpace == 12);
  CHECK(found.set.lpVersion->dwVersion == 7 && found.set.lpVersion->ecHow == COMP_NOTLESS);
  CHECK(found.set.lpBlob->cbSize == sizeof bytes && memcmp(found.set.lpBlob->pBlobData, bytes, sizeof bytes) == 0);
  CHECK(found.set.dwNumberOfCsAddrs == 2 && last_of(0) == 1 && found.set.lpcsaBuffer[0].LocalAddr.iSockaddrLength == 0);
  CHECK(found.set.lpcsaBuffer[1].LocalAddr.iSockaddrLength == sizeof opaque && memcmp(found.set.lpcsaBuffer[1].LocalAddr.lpSockaddr, opaque, sizeof opaque) == 0);
  CHECK(found.set.lpcsaBuffer[1].iSocketType == -5 && found.set.lpcsaBuffer[1].iProtocol == 99 && found.set.lpcsaBuffer[1].RemoteAddr.lpSockaddr == NULL);
  /* Seen in its own name space and in all of them. */
  query.dwNameSpace = 12, CHECK(look_up(query, 0) == 1);
  /* Not there: another class, another context, another name space of its kind. */
  query.lpServiceClassId = &web, CHECK(look_up(query, 0) == -WSASERVICE_NOT_FOUND);
  query.lpServiceClassId = NULL, query.lpszContext = "lab", CHECK(look_up(query, 0) == -WSASERVICE_NOT_FOUND);
  FAILS(WSASetServiceA(&query, RNRSERVICE_DELETE, 0), WSASERVICE_NOT_FOUND);
  it.dwNameSpace = 13, FAILS(WSASetServiceA(&it, RNRSERVICE_DELETE, 0), WSASERVICE_NOT_FOUND);
  it.dwNameSpace = 12, CHECK(WSASetServiceA(&it, RNRSERVICE_DELETE, 0) == 0);
}

static void is_told_apart(void) {
  WSAQUERYSETA plain = set("same"), classed = plain, placed = plain, spaced = plain;
  classed.lpServiceClassId = &web, placed.lpszContext = "\\here", spaced.dwNameSpace = 12;
  REGISTER(plain, 1), REGISTER(classed, 2), REGISTER(placed, 3), REGISTER(spaced, 4);
  CHECK(look_up(plain, 0) == 3), CHECK(look_up(plain, LUP_DEEP) == 4);
  CHECK(look_up(classed, 0) == 1 && last_of(0) == 2), CHECK(look_up(placed, 0) == 1 && last_of(0) == 3);
  WSAQUERYSETA asked = plain;
  asked.dwNameSpace = 13, CHECK(look_up(asked, 0) == 2);
  asked.dwNameSpace = NS_EMAIL, CHECK(look_up(asked, 0) == -WSASERVICE_NOT_FOUND);
  FAILS(put(asked, 1, RNRSERVICE_REGISTER, 0), WSAEOPNOTSUPP);
  CHECK(put(plain, 0, RNRSERVICE_DELETE, 0) == 0 && look_up(plain, LUP_DEEP) == 3);
  CHECK(put(classed, 0, RNRSERVICE_DELETE, 0) == 0 && put(placed, 0, RNRSERVICE_DELETE, 0) == 0 && put(spaced, 0, RNRSERVICE_DELETE, 0) == 0);
  CHECK(look_up(plain, LUP_DEEP) == -WSASERVICE_NOT_FOUND);
}

/* NSP-085 to NSP-089 */
static void operations(void) {
  WSAQUERYSETA it = set("operated");
  FAILS(put(it, 0, RNRSERVICE_DEREGISTER, 0), WSASERVICE_NOT_FOUND), FAILS(put(it, 1, RNRSERVICE_DELETE, SERVICE_MULTIPLE), WSASERVICE_NOT_FOUND);
  REGISTER(it, 1), REGISTER(it, 2);
  CHECK(look_up(it, 0) == 1 && found.set.dwNumberOfCsAddrs == 1 && last_of(0) == 2);
  CHECK(put(it, 3, RNRSERVICE_REGISTER, SERVICE_MULTIPLE) == 0 && put(it, 3, RNRSERVICE_REGISTER, SERVICE_MULTIPLE) == 0);
  CHECK(look_up(it, 0) == 1 && found.set.dwNumberOfCsAddrs == 2 && last_of(1) == 3);
  CHECK(put(it, 2, RNRSERVICE_DEREGISTER, SERVICE_MULTIPLE) == 0 && look_up(it, 0) == 1 && found.set.dwNumberOfCsAddrs == 1);
  CHECK(put(it, 3, RNRSERVICE_DEREGISTER, SERVICE_MULTIPLE) == 0 && look_up(it, 0) == -WSANO_DATA);
  CHECK(look_up(set("oper*"), 0) == -WSANO_DATA);
  REGISTER(it, 4), CHECK(look_up(it, 0) == 1 && last_of(0) == 4);
  CHECK(put(it, 0, RNRSERVICE_DEREGISTER, 0) == 0 && look_up(it, 0) == -WSANO_DATA);
  CHECK(put(it, 5, RNRSERVICE_REGISTER, SERVICE_MULTIPLE) == 0 && put(it, 6, RNRSERVICE_REGISTER, SERVICE_MULTIPLE) == 0);
  CHECK(put(it, 5, RNRSERVICE_DELETE, SERVICE_MULTIPLE) == 0 && look_up(it, 0) == 1 && last_of(0) == 6);
  CHECK(put(it, 6, RNRSERVICE_DELETE, SERVICE_MULTIPLE) == 0 && look_up(it, 0) == -WSASERVICE_NOT_FOUND);
  CHECK(put(it, 5, RNRSERVICE_REGISTER, SERVICE_MULTIPLE) == 0 && put(it, 0, RNRSERVICE_DELETE, 0) == 0);
  CHECK(look_up(it, 0) == -WSASERVICE_NOT_FOUND);
  FAILS(put(it, 0, RNRSERVICE_REGISTER, 2), WSAEOPNOTSUPP);
}

static void versions(void) {
  WSAQUERYSETA plain = set("versions"), it = plain;
  WSAVERSION version = {5, COMP_EQUAL};
  REGISTER(plain, 1), it.lpVersion = &version;
  CHECK(look_up(it, 0) == -WSASERVICE_NOT_FOUND);
  REGISTER(it, 1), CHECK(look_up(it, 0) == 1 && look_up(plain, 0) == 1);
  version.dwVersion = 4, CHECK(look_up(it, 0) == -WSASERVICE_NOT_FOUND);
  version.ecHow = COMP_NOTLESS, CHECK(look_up(it, 0) == 1);
  version.dwVersion = 5, CHECK(look_up(it, 0) == 1);
  version.dwVersion = 6, CHECK(look_up(it, 0) == -WSASERVICE_NOT_FOUND);
  version.dwVersion = 0xFFFFFFFF, REGISTER(it, 1), CHECK(look_up(it, 0) == 1);
  CHECK(put(it, 0, RNRSERVICE_DELETE, 0) == 0);
}

static void protocols(void) {
  WSAQUERYSETA it = set("protocols");
  struct sockaddr_in six, seventeen;
  struct sockaddr_in6 wide = {.sin6_family = AF_INET6};
  CSADDR_INFO infos[3] = {address(&six, 1, 80, 6), address(&seventeen, 2, 80, 17), address(&six, 1, 80, 0)};
  AFPROTOCOLS asked[2] = {{AF_INET, 17}, {AF_INET6, 0}};
  infos[2].RemoteAddr.lpSockaddr = (LPSOCKADDR)&wide, infos[2].RemoteAddr.iSockaddrLength = sizeof wide;
  it.dwNumberOfCsAddrs = 3, it.lpcsaBuffer = infos;
  CHECK(WSASetServiceA(&it, RNRSERVICE_REGISTER, 0) == 0);
  it.dwNumberOfCsAddrs = 0, it.lpafpProtocols = asked, it.dwNumberOfProtocols = 1;
  CHECK(look_up(it, 0) == 1 && found.set.dwNumberOfCsAddrs == 1 && last_of(0) == 2);
  it.dwNumberOfProtocols = 2, CHECK(look_up(it, 0) == 1 && found.set.dwNumberOfCsAddrs == 2);
  asked[0].iProtocol = 33, asked[1].iAddressFamily = AF_UNIX, CHECK(look_up(it, 0) == -WSANO_DATA);
  asked[0].iAddressFamily = 0, asked[0].iProtocol = 6, CHECK(look_up(it, 0) == 1 && found.set.dwNumberOfCsAddrs == 2);
  it.dwNumberOfProtocols = 0, CHECK(WSASetServiceA(&it, RNRSERVICE_DELETE, 0) == 0);
}

static void wildcards(void) {
  static const char *names[] = {"w-a", "w-ab", "w-abc", "W-B%c", "w-b_c", "w-b[a]c", "w-b\xc3\xa4", "w-\\x"};
  for (int i = 0; i < 8; i++) REGISTER(set(names[i]), 1);
  static const struct { const char *pattern; int count; } cases[] = {{"w-*", 8}, {"w-a?", 1}, {"w-a*", 3}, {"*c", 4}, {"w-b%c", 1}, {"w-b_c", 1},
    {"w-b[a]c", 1}, {"w-b[a]*", 1}, {"w-b%*", 1}, {"w-b?", 1}, {"w-b\xc3\x84", 1}, {"W-\?\?C", 3}, {"w-\?\?\?", 3}, {"w-*a*b*c*", 1}, {"w-\\*", 1}, {"w-a", 1}};
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    int count = look_up(set(cases[i].pattern), 0);
    if (count != (cases[i].count ? cases[i].count : -WSASERVICE_NOT_FOUND)) failures++, fprintf(stderr, "%s: %d\n", cases[i].pattern, count);
  }
  CHECK(look_up(set(""), 0) == look_up(set("*"), 0));
  CHECK(look_up(set(NULL), 0) == look_up(set("*"), 0));
  for (int i = 0; i < 8; i++) CHECK(put(set(names[i]), 0, RNRSERVICE_DELETE, 0) == 0);
}

static void contexts(void) {
  static const char *places[] = {"\\t\\One\\a", "t\\one\\b", "t\\one", "t\\two\\c\\d", "t\\onerous", "t"};
  WSAQUERYSETA query = set("*");
  for (int i = 0; i < 6; i++) {
    WSAQUERYSETA it = set("thing");
    it.lpszContext = (char *)places[i], REGISTER(it, i + 1);
  }
  query.lpszContext = "\\t", CHECK(look_up(query, 0) == 1 && last_of(0) == 6);
  CHECK(look_up(query, LUP_DEEP) == 6);
  CHECK(look_up(query, LUP_CONTAINERS) == 3);
  CHECK(look_up(query, LUP_CONTAINERS | LUP_DEEP) == 7);
  CHECK(look_up(query, LUP_CONTAINERS | LUP_NOCONTAINERS) == 1 && last_of(0) == 6);
  query.lpszServiceInstanceName = "ONE", CHECK(look_up(query, LUP_CONTAINERS) == 1);
  CHECK(strcasecmp(found.set.lpszServiceInstanceName, "one") == 0 && strcmp(found.set.lpszContext, "\\t") == 0 && found.set.dwNumberOfCsAddrs == 0);
  query.lpszServiceInstanceName = "o*", CHECK(look_up(query, LUP_CONTAINERS) == 2);
  query.lpszServiceInstanceName = "c", CHECK(look_up(query, LUP_CONTAINERS) == -WSASERVICE_NOT_FOUND);
  CHECK(look_up(query, LUP_CONTAINERS | LUP_DEEP) == 1 && strcasecmp(found.set.lpszContext, "\\t\\two") == 0);
  query.lpszServiceInstanceName = "thing", query.lpszContext = "T\\oNe", CHECK(look_up(query, LUP_DEEP) == 3);
  query.lpszServiceInstanceName = NULL, query.lpszContext = "t\\onerous", CHECK(look_up(query, LUP_CONTAINERS) == -WSANO_DATA);
  query.lpszContext = "t\\nowhere", CHECK(look_up(query, LUP_CONTAINERS) == -WSASERVICE_NOT_FOUND && look_up(query, LUP_DEEP) == -WSASERVICE_NOT_FOUND);
  query.lpszContext = "t\\\\one", CHECK(look_up(query, 0) == -WSAEINVAL);
  for (int i = 0; i < 6; i++) {
    WSAQUERYSETA it = set("thing");
    it.lpszContext = (char *)places[i], CHECK(put(it, 0, RNRSERVICE_DELETE, 0) == 0);
  }
  query.lpszContext = "t", CHECK(look_up(query, LUP_CONTAINERS) == -WSASERVICE_NOT_FOUND);
}

static void hosts(void) {
  BLOB blob = {3, (BYTE *)"abc"};
  WSAQUERYSETA host = set("a-host"), service = set("a-service"), query;
  host.lpBlob = &blob, service.lpServiceClassId = &web;
  REGISTER(host, 77), REGISTER(service, 77);
  query = set("A-Host."), query.lpServiceClassId = &byName, CHECK(look_up(query, 0) == 1 && last_of(0) == 77 && found.set.lpBlob == NULL);
  query.lpServiceClassId = &hostName, CHECK(look_up(query, 0) == 1);
  query.lpszServiceInstanceName = "a-service", CHECK(look_up(query, 0) == -WSASERVICE_NOT_FOUND);
  query.lpszServiceInstanceName = "a-*", CHECK(look_up(query, 0) == -WSASERVICE_NOT_FOUND);
  query.lpszServiceInstanceName = "192.0.2.77", query.lpServiceClassId = &byAddress;
  CHECK(look_up(query, 0) == 1 && strcmp(found.set.lpszServiceInstanceName, "a-host") == 0);
  query.lpszServiceInstanceName = "192.0.2.78", CHECK(look_up(query, 0) == -WSASERVICE_NOT_FOUND);
  query.lpszServiceInstanceName = "nonsense", CHECK(look_up(query, 0) == -WSAEINVAL);
  CHECK(put(host, 0, RNRSERVICE_DEREGISTER, 0) == 0);
  query = set("a-host"), query.lpServiceClassId = &byName, CHECK(look_up(query, 0) == -WSANO_DATA);
  CHECK(put(host, 0, RNRSERVICE_DELETE, 0) == 0 && put(service, 0, RNRSERVICE_DELETE, 0) == 0);
  WSAQUERYSETA entry = set("http/tcp");
  entry.lpServiceClassId = &port, REGISTER(entry, 1);
  CHECK(look_up(entry, 0) == 1 && ntohs(((struct sockaddr_in *)found.set.lpcsaBuffer->RemoteAddr.lpSockaddr)->sin_port) == 80);
  CHECK(put(entry, 0, RNRSERVICE_DELETE, 0) == 0);
}

static void refuses(void) {
  static BYTE bytes[(64 << 10) + 1];
  static char name[1026], deep[80];
  static const char *words[] = {"forever", "expires", "expires=", "expires=0", "expires=-1", "expires=315360001", "expires=1;expires=2", "session session",
    "session=1", "expires=99999999999999999999", "EXPIRES=1"};
  BLOB blob = {sizeof bytes, bytes};
  WSAQUERYSETA it = set("refused");
  for (unsigned i = 0; i < sizeof words / sizeof *words; i++) it.lpszQueryString = (char *)words[i], FAILS(put(it, 1, RNRSERVICE_REGISTER, 0), WSAEINVAL);
  it.lpszQueryString = " ; expires=315360000 ;session; ", REGISTER(it, 1), it.lpszQueryString = NULL;
  CHECK(put(it, 0, RNRSERVICE_DELETE, 0) == 0);
  it.lpBlob = &blob, FAILS(put(it, 1, RNRSERVICE_REGISTER, 0), WSAENOBUFS);
  blob.cbSize--, REGISTER(it, 1), CHECK(look_up(it, 0) == 1 && found.set.lpBlob->cbSize == 64 << 10), it.lpBlob = NULL;
  CHECK(put(it, 0, RNRSERVICE_DELETE, 0) == 0);
  FAILS(put(set("st*r"), 1, RNRSERVICE_REGISTER, 0), WSAEINVAL), FAILS(put(set("ma?rk"), 1, RNRSERVICE_REGISTER, 0), WSAEINVAL);
  FAILS(put(set(""), 1, RNRSERVICE_REGISTER, 0), WSAEINVAL);
  memset(name, 'n', 1025), FAILS(put(set(name), 1, RNRSERVICE_REGISTER, 0), WSAEINVAL);
  for (int i = 0; i < 33; i++) strcat(deep, "d\\");
  it.lpszContext = deep, FAILS(put(it, 1, RNRSERVICE_REGISTER, 0), WSAEINVAL);
  /* More addresses than a record has room for, also when they come one by one. */
  it = set("crowded");
  int code = 0;
  for (int i = 1; i < 40 && code == 0; i++) {
    unsigned char large[4096];
    CSADDR_INFO info;
    memset(large, i, sizeof large), memset(&info, 0, sizeof info);
    info.RemoteAddr.lpSockaddr = (LPSOCKADDR)large, info.RemoteAddr.iSockaddrLength = sizeof large, it.dwNumberOfCsAddrs = 1, it.lpcsaBuffer = &info;
    if (WSASetServiceA(&it, RNRSERVICE_REGISTER, SERVICE_MULTIPLE) != 0) code = WSAGetLastError();
  }
  CHECK(code == WSAENOBUFS && look_up(it, 0) == 1 && found.set.dwNumberOfCsAddrs == 15);
  it.dwNumberOfCsAddrs = 0, CHECK(WSASetServiceA(&it, RNRSERVICE_DELETE, 0) == 0);
}

static double microseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}
static int ascending(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b; }
static void measure(const char *name, int count) {
  double *took = calloc((size_t)count, sizeof *took);
  for (int i = 0; i < count; i++) {
    double start = microseconds();
    CHECK(look_up(set(name), 0) == 1);
    took[i] = microseconds() - start;
  }
  qsort(took, (size_t)count, sizeof *took, ascending);
  printf("%.0f\n", took[count / 2]), free(took);
}

static void list(const char *pattern, int most) {
  WSAQUERYSETA query = set(pattern);
  HANDLE lookup = NULL;
  char previous[1100] = "";
  int count = 0;
  if (WSALookupServiceBeginA(&query, LUP_RETURN_NAME, &lookup) != 0) exit(1);
  for (DWORD length = sizeof record; (most == 0 || count < most) && WSALookupServiceNextA(lookup, 0, &length, &record.set) == 0; count++) {
    CHECK(strcmp(previous, record.set.lpszServiceInstanceName) < 0);
    snprintf(previous, sizeof previous, "%s", record.set.lpszServiceInstanceName);
  }
  if (most == 0) CHECK(WSAGetLastError() == WSA_E_NO_MORE);
  CHECK(WSALookupServiceEnd(lookup) == 0);
  printf("%d\n", count);
}

static int rounds;
static void *work(void *number) {
  char name[32];
  for (int i = 0; i < rounds; i++) {
    snprintf(name, sizeof name, "round-%d-%d", (int)(long)number, i % 10);
    WSAQUERYSETA it = set(name);
    it.lpszQueryString = i % 2 ? "session" : "expires=100";
    REGISTER(it, i % 200 + 1), CHECK(look_up(it, 0) == 1 && last_of(0) == i % 200 + 1);
    CHECK(look_up(set("round-*"), 0) > 0);
    if (i % 3 == 0) CHECK(put(it, 0, RNRSERVICE_DELETE, 0) == 0);
  }
  return NULL;
}

/* Where another change is being made, it does not wait. */
static int order(GUID *ids, int count) {
  int code = WSATRY_AGAIN;
  for (int i = 0; i < 100 && code == WSATRY_AGAIN; i++) code = WSCWriteNameSpaceOrder(ids, (DWORD)count), usleep(20000);
  return code;
}
static void enumerated(void) {
  union { WSANAMESPACE_INFOW all[1]; char bytes[1 << 14]; } list;
  DWORD length = sizeof list, spaces[] = {NS_NTDS, NS_DNS, NS_ALL, NS_NDS, 1000};
  GUID ids[64];
  int count = WSAEnumNameSpaceProvidersW(&length, list.all), rows = 0;
  CHECK(count >= 2 && count <= 64);
  for (int i = 0; i < count && i < 64; i++) {
    ids[i] = list.all[i].NSProviderId;
    CHECK(list.all[i].dwNameSpace != NS_ALL);
    if (memcmp(ids + i, &store, sizeof store) != 0) continue;
    CHECK(list.all[i].dwNameSpace == (rows == 0 ? NS_NTDS : NS_DNS) && memcmp(list.all[i].lpszIdentifier, u"directory", sizeof u"directory") == 0);
    rows++;
  }
  CHECK(rows == 2);
  /* As a program writes the order that it was given; and each provider once. */
  CHECK(order(ids, count) == 0);
  for (int i = 1; i < count; i++) if (memcmp(ids + i - 1, ids + i, sizeof *ids) == 0) memmove(ids + i - 1, ids + i, (size_t)(count - i) * sizeof *ids), count--, i--;
  CHECK(order(ids, count) == 0);
  ids[count] = ids[0];
  CHECK(order(ids, count + 1) == (memcmp(ids, &store, sizeof store) == 0 ? 0 : WSAEINVAL));
  /* One registration, which is found under whatever name space, once. */
  WSAQUERYSETA it = set("everywhere");
  it.lpNSProviderId = NULL;
  REGISTER(it, 9);
  for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
    it.dwNameSpace = spaces[i];
    CHECK(look_up(it, 0) == 1 && found.set.dwNameSpace == spaces[i] && memcmp(found.set.lpNSProviderId, &store, sizeof store) == 0);
  }
  PADDRINFOEXW addresses = NULL;
  CHECK(GetAddrInfoExW((PCWSTR)u"everywhere", NULL, NS_DNS, NULL, NULL, &addresses, NULL, NULL, NULL, NULL) == 0);
  CHECK(addresses != NULL && addresses->ai_provider == NULL && addresses->ai_next == NULL), FreeAddrInfoExW(addresses);
  CHECK(GetAddrInfoExW((PCWSTR)u"everywhere", NULL, NS_NTDS, NULL, NULL, &addresses, NULL, NULL, NULL, NULL) == 0);
  CHECK(addresses != NULL && addresses->ai_provider != NULL && memcmp(addresses->ai_provider, &store, sizeof store) == 0), FreeAddrInfoExW(addresses);
  it.dwNameSpace = NS_NTDS;
  CHECK(put(it, 0, RNRSERVICE_DELETE, 0) != 0); /* it was registered for all */
  it.dwNameSpace = NS_ALL;
  CHECK(put(it, 0, RNRSERVICE_DELETE, 0) == 0 && look_up(it, 0) < 0);
}

int main(int count, char **words) {
  WSADATA data;
  if (count < 2 || WSAStartup(MAKEWORD(2, 2), &data) != 0) return 64;
  if (strcmp(words[1], "statements") == 0) {
    is_kept_whole(), is_told_apart(), operations(), versions(), protocols(), wildcards(), contexts(), hosts(), refuses();
  } else if (strcmp(words[1], "enumerated") == 0) {
    enumerated();
  } else if (strcmp(words[1], "stream") == 0 && count == 3) {
    char name[64];
    for (int i = 1;; i++) {
      snprintf(name, sizeof name, "%s%d", words[2], i);
      if (put(set(name), i % 200 + 1, RNRSERVICE_REGISTER, 0) != 0) return 0;
      printf("%d\n", i), fflush(stdout);
    }
  } else if (strcmp(words[1], "hold") == 0 && count == 3) {
    WSAQUERYSETA it = set(words[2]);
    it.lpszQueryString = "session";
    REGISTER(it, 1), puts("held"), fflush(stdout);
    while (getchar() != EOF) {}
  } else if (strcmp(words[1], "time") == 0 && count == 4) {
    measure(words[2], atoi(words[3]));
  } else if (strcmp(words[1], "count") == 0 && count == 3) {
    list(words[2], 0);
  } else if (strcmp(words[1], "some") == 0 && count == 4) {
    list(words[2], atoi(words[3]));
  } else if (strcmp(words[1], "rounds") == 0 && count == 3) {
    pthread_t threads[4];
    rounds = atoi(words[2]);
    for (long i = 0; i < 4; i++) pthread_create(threads + i, NULL, work, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  } else {
    return 64;
  }
  WSACleanup();
  return failures > 100 ? 100 : failures;
}
