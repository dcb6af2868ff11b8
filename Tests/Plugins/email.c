/* A client of the e-mail name space: libnsp and nothing else. Each word on its command line is one thing to do, in order, and prints what
   came of it: "ok" or the code, or one line a record.
     register=NAME,SERVICE,ADDRESS...   and add, deregister, withdraw (addresses of it), delete, take (addresses of it)
     look=NAME,SERVICE  all=NAME,SERVICE  secure=NAME,SERVICE  family=NAME,SERVICE,FAMILY  resolve=NAME,SERVICE
     preferred=SERVICE  prefers=NAME  names=SERVICE
     opaque=NAME  many=N  wide=NAME,N  full=N  storm=N,NAME  cancel=N,NAME  hold */
#include <nspowners.h>
#include <ws2tcpip.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ADDRESSES 5000

static int code(INT result) { return result == 0 ? 0 : WSAGetLastError(); }

static void say(int status) {
  if (status == 0) puts("ok");
  else printf("%d\n", status);
  fflush(stdout);
}

static WSAQUERYSETA query(char *name, char *service) {
  WSAQUERYSETA set = {.dwSize = sizeof set, .dwNameSpace = NS_EMAIL, .lpszServiceInstanceName = name, .lpszContext = service};
  return set;
}

/* From 192.0.2.1:25, [2001:db8::1]:25 or [fe80::1%lo]:25. */
static int parse(const char *text, struct sockaddr_storage *address) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
  char host[64], zone[IF_NAMESIZE];
  unsigned port;
  memset(address, 0, sizeof *address);
  if (sscanf(text, "[%63[^]%]%%%15[^]]]:%u", host, zone, &port) == 3 && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1)
    return v6->sin6_family = AF_INET6, v6->sin6_port = htons((unsigned short)port), v6->sin6_scope_id = if_nametoindex(zone), (int)sizeof *v6;
  if (sscanf(text, "[%63[^]]]:%u", host, &port) == 2 && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1)
    return v6->sin6_family = AF_INET6, v6->sin6_port = htons((unsigned short)port), (int)sizeof *v6;
  if (sscanf(text, "%63[^:]:%u", host, &port) == 2 && inet_pton(AF_INET, host, &v4->sin_addr) == 1)
    return v4->sin_family = AF_INET, v4->sin_port = htons((unsigned short)port), (int)sizeof *v4;
  exit(64);
}

static void print(const struct sockaddr *address, size_t length) {
  char host[64] = "?";
  if (length >= sizeof(struct sockaddr_in6) && address->sa_family == AF_INET6) {
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    char zone[IF_NAMESIZE] = "";
    inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
    if (six->sin6_scope_id != 0 && if_indextoname(six->sin6_scope_id, zone) == NULL) strcpy(zone, "?");
    printf(" [%s%s%s]:%u", host, *zone != 0 ? "%" : "", zone, ntohs(six->sin6_port));
  } else if (length >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET) {
    inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, host, sizeof host);
    printf(" %s:%u", host, ntohs(((const struct sockaddr_in *)address)->sin_port));
  } else {
    for (size_t i = 0; i < length; i++) printf("%s%02x", i == 0 ? " " : "", ((const unsigned char *)address)[i]);
  }
}

/* What is registered under a name, by words: service first, then addresses. */
static int change(char *words, WSAESETSERVICEOP operation, DWORD flags) {
  char *name = strsep(&words, ","), *service = strsep(&words, ","), *word;
  struct sockaddr_storage addresses[16];
  CSADDR_INFO where[16];
  WSAQUERYSETA set = query(name, service);
  while ((word = strsep(&words, ",")) != NULL && set.dwNumberOfCsAddrs < 16) {
    struct sockaddr_storage *address = &addresses[set.dwNumberOfCsAddrs];
    SOCKET_ADDRESS side = {(LPSOCKADDR)address, parse(word, address)};
    where[set.dwNumberOfCsAddrs++] = (CSADDR_INFO){side, side, SOCK_STREAM, IPPROTO_TCP};
  }
  set.lpcsaBuffer = where;
  return code(WSASetServiceA(&set, operation, flags));
}

/* Every record, or nothing of them; how many, or the code that ended it, below 0. */
static int look(char *name, char *service, DWORD flags, int shows) {
  WSAQUERYSETA set = query(name, service);
  static _Thread_local union { WSAQUERYSETA set; char bytes[1 << 20]; } buffer;
  HANDLE lookup = NULL;
  int records = 0, ending;
  if (WSALookupServiceBeginA(&set, flags, &lookup) != 0) return -WSAGetLastError();
  for (DWORD length = sizeof buffer; WSALookupServiceNextA(lookup, 0, &length, &buffer.set) == 0; records++) {
    const WSAQUERYSETA *found = &buffer.set;
    if (!shows) continue;
    printf("%s %s", found->lpszContext != NULL && *found->lpszContext != '\0' ? found->lpszContext : "-", found->lpszServiceInstanceName);
    if (found->dwOutputFlags != 0) printf(" flags %x", found->dwOutputFlags);
    for (DWORD i = 0; found->dwNumberOfCsAddrs <= 16 && i < found->dwNumberOfCsAddrs; i++)
      print(found->lpcsaBuffer[i].RemoteAddr.lpSockaddr, (size_t)found->lpcsaBuffer[i].RemoteAddr.iSockaddrLength);
    if (found->dwNumberOfCsAddrs > 16) printf(" and %u in all", found->dwNumberOfCsAddrs);
    if (found->lpszComment != NULL) printf(" (%s)", found->lpszComment);
    puts("");
  }
  ending = WSAGetLastError();
  WSALookupServiceEnd(lookup);
  return records > 0 && ending == WSA_E_NO_MORE ? records : -ending;
}

/* The first record with addresses of a family alone. */
static void family(char *words) {
  char *name = strsep(&words, ","), *service = strsep(&words, ",");
  AFPROTOCOLS wanted = {atoi(words), IPPROTO_TCP};
  WSAQUERYSETA set = query(name, service);
  union { WSAQUERYSETA set; char bytes[4096]; } buffer;
  DWORD length = sizeof buffer;
  HANDLE lookup = NULL;
  set.dwNumberOfProtocols = 1, set.lpafpProtocols = &wanted;
  int failed = WSALookupServiceBeginA(&set, LUP_RETURN_NAME | LUP_RETURN_ADDR, &lookup) != 0 ||
               WSALookupServiceNextA(lookup, 0, &length, &buffer.set) != 0;
  if (failed) say(WSAGetLastError());
  for (DWORD i = 0; !failed && i < buffer.set.dwNumberOfCsAddrs; i++)
    print(buffer.set.lpcsaBuffer[i].RemoteAddr.lpSockaddr, (size_t)buffer.set.lpcsaBuffer[i].RemoteAddr.iSockaddrLength);
  if (!failed) puts(""), fflush(stdout);
  if (lookup != NULL) WSALookupServiceEnd(lookup);
}

static void show(char *words, DWORD flags) {
  char *name = strsep(&words, ",");
  int found = look(name, words, flags | LUP_RETURN_NAME | LUP_RETURN_ADDR | LUP_RETURN_COMMENT, 1);
  if (found < 0) say(-found);
  fflush(stdout);
}

static void resolve(char *name, char *service, int flags) {
  ADDRINFOEXA hints = {.ai_flags = flags}, *first = NULL;
  int status = GetAddrInfoExA(name, service, NS_EMAIL, NULL, &hints, &first, NULL, NULL, NULL, NULL);
  if (status != 0) say(status);
  for (ADDRINFOEXA *next = first; next != NULL; next = next->ai_next) {
    printf("%s", next->ai_canonname != NULL ? next->ai_canonname : "-");
    if (next->ai_addrlen > 0) print(next->ai_addr, next->ai_addrlen);
    printf(" %d %x\n", next->ai_protocol, next->ai_flags);
  }
  FreeAddrInfoEx(first);
}

/* Bytes that are no address, and a blob, come back as they were given. */
static int opaque(char *name) {
  unsigned char bytes[3][200], data[3000];
  BLOB blob = {sizeof data, data};
  INT lengths[] = {1, 28, 200};
  CSADDR_INFO where[3];
  WSAQUERYSETA set = query(name, "odd");
  union { WSAQUERYSETA set; char bytes[16384]; } buffer;
  DWORD length = sizeof buffer;
  HANDLE lookup;
  memset(bytes, 0xA7, sizeof bytes), memset(data, 0x5C, sizeof data);
  for (int i = 0; i < 3; i++) {
    SOCKET_ADDRESS side = {(LPSOCKADDR)bytes[i], lengths[i]};
    bytes[i][0] = (unsigned char)i;
    where[i] = (CSADDR_INFO){side, side, 77, -5};
  }
  set.lpcsaBuffer = where, set.dwNumberOfCsAddrs = 3, set.lpBlob = &blob, set.lpszComment = "odd ones";
  if (WSASetServiceA(&set, RNRSERVICE_REGISTER, 0) != 0) return WSAGetLastError();
  set = query(name, "odd");
  if (WSALookupServiceBeginA(&set, LUP_RETURN_ALL, &lookup) != 0 || WSALookupServiceNextA(lookup, 0, &length, &buffer.set) != 0)
    return WSAGetLastError();
  WSALookupServiceEnd(lookup);
  if (buffer.set.dwNumberOfCsAddrs != 3 || buffer.set.lpBlob == NULL || buffer.set.lpBlob->cbSize != sizeof data) return 1;
  if (memcmp(buffer.set.lpBlob->pBlobData, data, sizeof data) != 0 || strcmp(buffer.set.lpszComment, "odd ones") != 0) return 2;
  for (int i = 0; i < 3; i++) {
    const CSADDR_INFO *found = &buffer.set.lpcsaBuffer[i];
    if (found->iSocketType != 77 || found->iProtocol != -5 || found->RemoteAddr.iSockaddrLength != lengths[i]) return 3;
    if (memcmp(found->RemoteAddr.lpSockaddr, bytes[i], (size_t)lengths[i]) != 0) return 4;
  }
  return 0;
}

/* As many names as there is room for, up to so many. */
static void many(int wanted) {
  char words[64];
  int done = 0, status = 0;
  for (; done < wanted && status == 0; done += status == 0) {
    snprintf(words, sizeof words, "name%d@many.example,sip,192.0.2.1:1", done);
    status = change(words, RNRSERVICE_REGISTER, 0);
  }
  printf("%d ", done), say(status);
}

/* So many addresses under one name, or so many pairs of large ones. */
static int wide(char *name, DWORD count, size_t size) {
  static unsigned char bytes[MAX_ADDRESSES][4096];
  static CSADDR_INFO where[MAX_ADDRESSES];
  WSAQUERYSETA set = query(name, "wide");
  for (DWORD i = 0; i < count && i < MAX_ADDRESSES; i++) {
    struct sockaddr_in6 *address = (struct sockaddr_in6 *)bytes[i];
    SOCKET_ADDRESS side = {(LPSOCKADDR)address, size == 0 ? (INT)sizeof *address : (INT)size};
    address->sin6_family = AF_INET6, address->sin6_port = htons((unsigned short)i), address->sin6_flowinfo = i;
    where[i] = (CSADDR_INFO){side, side, SOCK_STREAM, IPPROTO_TCP};
  }
  set.lpcsaBuffer = where, set.dwNumberOfCsAddrs = count;
  return code(WSASetServiceA(&set, RNRSERVICE_REGISTER, SERVICE_MULTIPLE));
}

/* Several threads register, ask and take back at once. */
static char *stormName;
static int stormRounds, stormFailures;
static void *storm(void *number) {
  char words[128], name[128];
  for (int i = 0; i < stormRounds; i++) {
    int failed = 0;
    snprintf(name, sizeof name, "t%d-%s", (int)(long)number, stormName);
    snprintf(words, sizeof words, "%s,sip,192.0.2.1:%d", name, i % 60000 + 1);
    failed |= change(words, RNRSERVICE_REGISTER, i & 1 ? SERVICE_MULTIPLE : 0) != 0;
    failed |= look(name, "sip", LUP_RETURN_NAME | LUP_RETURN_ADDR, 0) != 1;
    snprintf(words, sizeof words, "%s,sip", name);
    failed |= change(words, RNRSERVICE_DELETE, 0) != 0;
    failed |= look(name, "sip", LUP_RETURN_NAME, 0) > 0;
    __atomic_fetch_add(&stormFailures, failed, __ATOMIC_RELAXED);
  }
  return NULL;
}

/* Lookups that are ended before their first answer has come. */
static int cancel(int rounds, char *name) {
  for (int i = 0; i < rounds; i++) {
    WSAQUERYSETA set = query(name, NULL);
    HANDLE lookup;
    if (WSALookupServiceBeginA(&set, LUP_RETURN_NAME | LUP_RETURN_ADDR, &lookup) != 0) return WSAGetLastError();
    if (WSALookupServiceEnd(lookup) != 0) return WSAGetLastError();
  }
  return 0;
}

int main(int count, char **words) {
  static const struct { const char *word; WSAESETSERVICEOP operation; DWORD flags; } changes[] = {
      {"register", RNRSERVICE_REGISTER, 0}, {"add", RNRSERVICE_REGISTER, SERVICE_MULTIPLE},
      {"deregister", RNRSERVICE_DEREGISTER, 0}, {"withdraw", RNRSERVICE_DEREGISTER, SERVICE_MULTIPLE},
      {"delete", RNRSERVICE_DELETE, 0}, {"take", RNRSERVICE_DELETE, SERVICE_MULTIPLE}};
  WSADATA data;
  int status = WSAStartup(0x0202, &data);
  if (status != 0) return say(status), 1;
  for (int i = 1; i < count; i++) {
    char *rest = words[i], *word = strsep(&rest, "="), *first = rest;
    for (size_t c = 0; c < sizeof changes / sizeof *changes; c++)
      if (strcmp(word, changes[c].word) == 0) say(change(rest, changes[c].operation, changes[c].flags));
    if (strcmp(word, "look") == 0) show(rest, 0);
    if (strcmp(word, "family") == 0) family(rest);
    if (strcmp(word, "all") == 0) show(rest, LUP_ALL_OWNERS);
    if (strcmp(word, "secure") == 0) show(rest, LUP_SECURE);
    if (strcmp(word, "preferred") == 0) {
      int found = look(NULL, rest, LUP_RETURN_PREFERRED_NAMES, 1);
      if (found < 0) say(-found);
    }
    if (strcmp(word, "prefers") == 0) say(-look(rest, NULL, LUP_RETURN_PREFERRED_NAMES, 0));
    if (strcmp(word, "resolve") == 0) first = strsep(&rest, ","), resolve(first, rest, AI_CANONNAME);
    if (strcmp(word, "names") == 0) resolve(NULL, rest, AI_RETURN_PREFERRED_NAMES);
    if (strcmp(word, "opaque") == 0) say(opaque(rest));
    if (strcmp(word, "many") == 0) many(atoi(rest));
    if (strcmp(word, "wide") == 0) first = strsep(&rest, ","), say(wide(first, (DWORD)atoi(rest), 0));
    if (strcmp(word, "full") == 0) say(wide("full@large.example", (DWORD)atoi(rest), 4096));
    if (strcmp(word, "cancel") == 0) first = strsep(&rest, ","), say(cancel(atoi(first), rest));
    if (strcmp(word, "storm") == 0) {
      pthread_t threads[8];
      stormRounds = atoi(strsep(&rest, ",")), stormName = rest;
      for (long t = 0; t < 8; t++) pthread_create(&threads[t], NULL, storm, (void *)t);
      for (int t = 0; t < 8; t++) pthread_join(threads[t], NULL);
      printf("%d failed\n", stormFailures);
    }
    if (strcmp(word, "hold") == 0) {
      puts("holding"), fflush(stdout);
      while (read(0, &status, 1) > 0) continue;
    }
  }
  return WSACleanup() != 0;
}
