/* A module of glibc's name service switch for tests. What it does follows from the name that is asked for:

     fine              an address of each family, and the alias fine-alias
     grow-N            not content with less than N bytes of buffer; the alias calls-M tells how often it was called for that
     never             not content with any buffer; the alias of calls-of-never tells how often it was called
     many-N            N addresses of IPv4
     static            an answer in memory of the module's own, not in the caller's
     temporary  no-data  unavailable  status-77  stale-errno           answers that are none
     hang  crash       does not return; writes to where nothing is
     long-99  family-77  endless  wild-list  wild-name  no-name  long-name  not-utf8  cut-off  nothing     rubbish
     noise             a buffer and pointers by chance, other ones each time
     mixed             good addresses, with one of family 77 between them
     x.onion, a.localhost   as fine, for those whom nobody should ask
     then-...          knows it only when it is the last of several modules; others do what the rest of the name says

   Of services it knows the same names, with port 4711 over tcp, and these: unknown-protocol, far-port.

   MODULE is its name; HAS_4, HAS_3, HAS_2, HAS_PLAIN, HAS_ADDRESS2, HAS_ADDRESS and HAS_SERVICES say which functions it has, LAST that it is the last. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define JOIN(module, function) _nss_##module##_##function
#define NAMED(module, function) JOIN(module, function)
#define FUNCTION(function) enum nss_status __attribute__((visibility("default"))) NAMED(MODULE, function)

static atomic_int calls_of_grow, calls_of_never;

/* The caller's buffer, from which memory is taken; NULL when there is none left. */
struct room {
  char *next, *end;
};
static void *take(struct room *room, size_t count) {
  char *start = (char *)(((uintptr_t)room->next + 7) & ~(uintptr_t)7);
  if (start > room->end || (size_t)(room->end - start) < count) return NULL;
  room->next = start + count;
  return start;
}
static char *copy(struct room *room, const char *text) {
  char *copied = take(room, strlen(text) + 1);
  return copied ? strcpy(copied, text) : NULL;
}
static int begins(const char *name, const char *with) { return strncmp(name, with, strlen(with)) == 0; }

/* What a name comes to before any answer: a status, or NSS_STATUS_SUCCESS where the answer follows. */
static enum nss_status decide(const char **name, size_t size, int *error, int *host_error) {
  static const char *const known[] = {"fine", "fine-alias", "calls-of-never", "static", "long-99", "family-77", "endless", "wild-list", "wild-name",
                                      "no-name", "long-name", "not-utf8", "cut-off", "nothing", "noise", "mixed", "unknown-protocol", "far-port", "x.onion", "a.localhost"};
  *host_error = NETDB_INTERNAL;
  if (begins(*name, "then-")) {
#ifdef LAST
    *name = "fine";
#else
    *name += 5;
#endif
  }
  if (begins(*name, "grow-") || strcmp(*name, "never") == 0) {
    int never = **name == 'n';
    if (never) atomic_fetch_add(&calls_of_never, 1);
    else atomic_fetch_add(&calls_of_grow, 1);
    if (never || size < strtoul(*name + 5, NULL, 10)) {
      *error = ERANGE;
      return NSS_STATUS_TRYAGAIN;
    }
    return NSS_STATUS_SUCCESS;
  }
  if (begins(*name, "many-")) return NSS_STATUS_SUCCESS;
  if (strcmp(*name, "hang") == 0)
    for (;;) pause();
  if (strcmp(*name, "crash") == 0) *(volatile int *)8 = 1;
  if (strcmp(*name, "status-77") == 0) return (enum nss_status)77;
  if (strcmp(*name, "unavailable") == 0) {
    *error = ENOENT;
    return NSS_STATUS_UNAVAIL;
  }
  *host_error = TRY_AGAIN;
  if (strcmp(*name, "temporary") == 0) {
    *error = EAGAIN;
    return NSS_STATUS_TRYAGAIN;
  }
  /* Says nothing of an error: that of a call before must not count. */
  if (strcmp(*name, "stale-errno") == 0) {
    errno = ERANGE;
    return NSS_STATUS_TRYAGAIN;
  }
  *host_error = NO_DATA;
  if (strcmp(*name, "no-data") == 0) return NSS_STATUS_NOTFOUND;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(*name, known[i]) == 0) return NSS_STATUS_SUCCESS;
  *host_error = HOST_NOT_FOUND;
  return NSS_STATUS_NOTFOUND;
}

/* Numbers by chance, the same ones for every run. */
static atomic_uint_fast64_t chance = 88172645463325252u;
static uint64_t random_number(void) {
  uint64_t x = atomic_fetch_add(&chance, 0x9e3779b97f4a7c15u);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
/* An address that leads somewhere into the buffer, to its end, or anywhere; or none. */
static void *random_pointer(const char *buffer, size_t size) {
  uint64_t number = random_number();
  switch (random_number() % 8) {
    case 0: return NULL;
    case 1: return (void *)number;
    case 2: return (char *)buffer + size - number % 16;
    case 3: return (void *)(number & 0x7fffffffffff);
    default: return (char *)buffer + (number % size & ~(uint64_t)7);
  }
}
static void make_noise(char *buffer, size_t size) {
  for (size_t i = 0; i + 8 <= size; i += 8) {
    uint64_t word = random_number() % 3 == 0 ? (uint64_t)random_pointer(buffer, size) : random_number() % 2 ? random_number() & 0x7f7f7f7f7f7f7f : 0;
    memcpy(buffer + i, &word, 8);
  }
}

static const char *alias_of(const char *name, char text[32]) {
  if (begins(name, "grow-")) snprintf(text, 32, "calls-%d", atomic_exchange(&calls_of_grow, 0));
  else if (strcmp(name, "calls-of-never") == 0) snprintf(text, 32, "%d", atomic_exchange(&calls_of_never, 0));
  else snprintf(text, 32, "fine-alias");
  return text;
}

/* A list of one text. */
static char **list(struct room *room, const char *name) {
  char text[32], **list;
  if (strcmp(name, "endless") == 0) {
    /* Every byte that is left is part of the list, and none of it is NULL. */
    list = take(room, 8);
    for (char **entry = list; entry && (char *)(entry + 1) <= room->end; entry++) *entry = (char *)list;
    return list;
  }
  if (strcmp(name, "wild-list") == 0) return (char **)0x10;
  list = take(room, 2 * sizeof *list);
  if (!list || !(list[0] = copy(room, alias_of(name, text)))) return NULL;
  list[1] = NULL;
  return list;
}

static char *name_of(struct room *room, const char *name) {
  char *text;
  if (strcmp(name, "wild-name") == 0) return (char *)0xdead000000000000;
  if (strcmp(name, "no-name") == 0) return NULL;
  if (strcmp(name, "not-utf8") == 0) return copy(room, "\xc0\xff");
  if (strcmp(name, "cut-off") == 0) {
    /* The last bytes of the buffer, without a NUL. */
    memset(room->end - 4, 'x', 4);
    return room->end - 4;
  }
  if (strcmp(name, "long-name") == 0) {
    if (!(text = take(room, 2000))) return NULL;
    memset(text, 'x', 1999);
    text[1999] = 0;
    return text;
  }
  return copy(room, begins(name, "fine") || strcmp(name, "far-port") == 0 ? "fine" : name);
}

#if defined(HAS_3) || defined(HAS_2) || defined(HAS_PLAIN) || defined(HAS_ADDRESS) || defined(HAS_ADDRESS2)
static enum nss_status host(const char *name, int family, struct hostent *result, char *buffer, size_t size, int *error, int *host_error) {
  static char *own_aliases[] = {"own-alias", NULL}, *own_addresses[] = {"\xc0\x00\x02\x21", NULL};
  struct room room = {buffer, buffer + size};
  enum nss_status status = decide(&name, size, error, host_error);
  size_t count = begins(name, "many-") ? strtoul(name + 5, NULL, 10) : 1;
  if (status != NSS_STATUS_SUCCESS) return status;
  if (strcmp(name, "noise") == 0) {
    make_noise(buffer, size);
    *result = (struct hostent){random_pointer(buffer, size), random_pointer(buffer, size), family, family == AF_INET ? 4 : 16, random_pointer(buffer, size)};
    return NSS_STATUS_SUCCESS;
  }
  result->h_addrtype = strcmp(name, "family-77") == 0 ? 77 : family;
  result->h_length = strcmp(name, "long-99") == 0 ? 99 : family == AF_INET ? 4 : 16;
  if (strcmp(name, "static") == 0) {
    *result = (struct hostent){"own", own_aliases, AF_INET, 4, own_addresses};
    return NSS_STATUS_SUCCESS;
  }
  if (strcmp(name, "nothing") == 0) {
    memset(result, 0, sizeof *result);
    return NSS_STATUS_SUCCESS;
  }
  if (!(result->h_name = name_of(&room, name)) && strcmp(name, "no-name") != 0) goto small;
  result->h_addr_list = take(&room, (count + 1) * sizeof *result->h_addr_list);
  if (!result->h_addr_list) goto small;
  for (size_t i = 0; i < count; i++) {
    unsigned char *address = take(&room, 16);
    if (!address) goto small;
    inet_pton(family, family == AF_INET ? "198.51.100.0" : "2001:db8::5", address);
    if (family == AF_INET) address[2] = (unsigned char)(100 + (i >> 8)), address[3] = (unsigned char)i;
    result->h_addr_list[i] = (char *)address;
  }
  result->h_addr_list[count] = NULL;
  result->h_aliases = list(&room, name);
  if (!result->h_aliases) goto small;
  return NSS_STATUS_SUCCESS;
small:
  *error = ERANGE;
  *host_error = NETDB_INTERNAL;
  return NSS_STATUS_TRYAGAIN;
}
#endif

#ifdef HAS_4
FUNCTION(gethostbyname4_r)(const char *name, struct gaih_addrtuple **first, char *buffer, size_t size, int *error, int *host_error, int32_t *ttl) {
  struct room room = {buffer, buffer + size};
  enum nss_status status = decide(&name, size, error, host_error);
  size_t count = begins(name, "many-") ? strtoul(name + 5, NULL, 10) : strcmp(name, "mixed") == 0 ? 3 : 2;
  struct gaih_addrtuple *tuples;
  static struct gaih_addrtuple own = {NULL, "own", AF_INET, {0x210200c0}, 0};
  if (status != NSS_STATUS_SUCCESS) return status;
  *ttl = 77;
  if (strcmp(name, "nothing") == 0) return NSS_STATUS_SUCCESS;
  *first = &own;
  if (strcmp(name, "static") == 0) return NSS_STATUS_SUCCESS;
  *first = (struct gaih_addrtuple *)0x10;
  if (strcmp(name, "wild-list") == 0) return NSS_STATUS_SUCCESS;
  if (strcmp(name, "noise") == 0) {
    make_noise(buffer, size);
    *first = random_pointer(buffer, size);
    return NSS_STATUS_SUCCESS;
  }
  if (!(tuples = take(&room, count * sizeof *tuples))) {
    *error = ERANGE;
    return NSS_STATUS_TRYAGAIN;
  }
  memset(tuples, 0, count * sizeof *tuples);
  for (size_t i = 0; i < count; i++) {
    int family = begins(name, "many-") || i == 0 ? AF_INET : AF_INET6;
    tuples[i].next = i + 1 < count ? &tuples[i + 1] : strcmp(name, "endless") == 0 ? tuples : NULL;
    tuples[i].family = strcmp(name, "family-77") == 0 || (strcmp(name, "mixed") == 0 && i == 1) ? 77 : family;
    inet_pton(family, family == AF_INET ? "198.51.100.0" : "2001:db8::5", tuples[i].addr);
    if (family == AF_INET) tuples[i].addr[0] = htonl(ntohl(tuples[i].addr[0]) + (uint32_t)i);
  }
  *first = tuples;
  if ((tuples[0].name = name_of(&room, name)) || strcmp(name, "no-name") == 0) return NSS_STATUS_SUCCESS;
  *error = ERANGE;
  return NSS_STATUS_TRYAGAIN;
}
#endif

#ifdef HAS_3
FUNCTION(gethostbyname3_r)(const char *name, int family, struct hostent *result, char *buffer, size_t size, int *error, int *host_error, int32_t *ttl,
                           char **canonical) {
  *ttl = 33;
  *canonical = NULL;
  return host(name, family, result, buffer, size, error, host_error);
}
#endif
#ifdef HAS_2
FUNCTION(gethostbyname2_r)(const char *name, int family, struct hostent *result, char *buffer, size_t size, int *error, int *host_error) {
  return host(name, family, result, buffer, size, error, host_error);
}
#endif
#ifdef HAS_PLAIN
FUNCTION(gethostbyname_r)(const char *name, struct hostent *result, char *buffer, size_t size, int *error, int *host_error) {
  return host(name, AF_INET, result, buffer, size, error, host_error);
}
#endif

/* 198.51.100.N stands for one of five names, others for nobody. */
static __attribute__((unused)) const char *name_at(const void *address, int family) {
  static const char *const names[] = {"fine", "grow-9000", "temporary", "long-99", "wild-name"};
  const unsigned char *bytes = address;
  if (family == AF_INET6) return bytes[15] == 5 ? "fine" : "nobody";
  return bytes[3] >= 1 && bytes[3] <= 5 ? names[bytes[3] - 1] : "nobody";
}
#ifdef HAS_ADDRESS2
FUNCTION(gethostbyaddr2_r)(const void *address, socklen_t length, int family, struct hostent *result, char *buffer, size_t size, int *error,
                           int *host_error, int32_t *ttl) {
  (void)length;
  *ttl = 22;
  return host(name_at(address, family), family, result, buffer, size, error, host_error);
}
#endif
#ifdef HAS_ADDRESS
FUNCTION(gethostbyaddr_r)(const void *address, socklen_t length, int family, struct hostent *result, char *buffer, size_t size, int *error,
                          int *host_error) {
  (void)length;
  return host(name_at(address, family), family, result, buffer, size, error, host_error);
}
#endif

#ifdef HAS_SERVICES
FUNCTION(getservbyname_r)(const char *name, const char *protocol, struct servent *result, char *buffer, size_t size, int *error) {
  struct room room = {buffer, buffer + size};
  int host_error;
  enum nss_status status = decide(&name, size, error, &host_error);
  if (status != NSS_STATUS_SUCCESS) return status;
  if (strcmp(name, "noise") == 0) {
    make_noise(buffer, size);
    *result = (struct servent){random_pointer(buffer, size), random_pointer(buffer, size), (int)random_number(), random_pointer(buffer, size)};
    if (random_number() % 2) result->s_port = htons(4711), result->s_proto = "tcp";
    return NSS_STATUS_SUCCESS;
  }
  result->s_name = name_of(&room, name);
  result->s_aliases = list(&room, name);
  result->s_port = strcmp(name, "far-port") == 0 ? 0x10000 : htons(4711);
  /* What it was asked with, or a text of its own. */
  result->s_proto = strcmp(name, "unknown-protocol") == 0 ? "ddp" : protocol ? (char *)protocol : "tcp";
  if (result->s_aliases && (result->s_name || strcmp(name, "no-name") == 0)) return NSS_STATUS_SUCCESS;
  *error = ERANGE;
  return NSS_STATUS_TRYAGAIN;
}
FUNCTION(getservbyport_r)(int port, const char *protocol, struct servent *result, char *buffer, size_t size, int *error) {
  if (port != htons(4711)) return NSS_STATUS_NOTFOUND;
  return NAMED(MODULE, getservbyname_r)("fine", protocol, result, buffer, size, error);
}
#endif
