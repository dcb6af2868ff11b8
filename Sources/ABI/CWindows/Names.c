/* getaddrinfo and getnameinfo of the C library, with the flags and the codes of Winsock. */
#include "CWindows.h"

#include <errno.h>
#include <netdb.h>

/* Of the C library: its headers' numbers, but for those that ws2tcpip.h has in common names. */
static const struct {
  int code, of;
} codes[] = {
    {EAI_AGAIN, WSATRY_AGAIN}, {EAI_BADFLAGS, WSAEINVAL}, {EAI_FAIL, WSANO_RECOVERY}, {EAI_FAMILY, WSAEAFNOSUPPORT},
    {EAI_MEMORY, WSA_NOT_ENOUGH_MEMORY}, {EAI_NONAME, WSAHOST_NOT_FOUND}, {EAI_NODATA, WSANO_DATA}, {EAI_ADDRFAMILY, WSANO_DATA},
    {EAI_SERVICE, WSATYPE_NOT_FOUND}, {EAI_SOCKTYPE, WSAESOCKTNOSUPPORT}, {EAI_OVERFLOW, WSAEFAULT},
};
static const struct {
  int windows, native;
} flags[] = {
    {0x1, AI_PASSIVE}, {0x2, AI_CANONNAME}, {0x4, AI_NUMERICHOST}, {0x8, AI_NUMERICSERV}, {0x100, AI_ALL}, {0x400, AI_ADDRCONFIG},
    {0x800, AI_V4MAPPED},
};

static int answer(int code) {
  int found = WSASYSCALLFAILURE;
  if (code == 0) return 0;
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
    if (codes[i].code == code) found = codes[i].of;
  WSASetLastError(found);
  return found;
}

extern int native_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
    __asm__("getaddrinfo");
extern void native_freeaddrinfo(struct addrinfo *first) __asm__("freeaddrinfo");
extern int native_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t hostCount, char *service,
                              socklen_t serviceCount, int flags) __asm__("getnameinfo");

int nsp_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
  struct addrinfo native = {.ai_family = AF_UNSPEC};
  int rest;
  *result = NULL;
  if (hints != NULL) native = *hints;
  rest = native.ai_flags;
  native.ai_flags = 0;
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
    if ((rest & flags[i].windows) != 0) rest &= ~flags[i].windows, native.ai_flags |= flags[i].native;
  if (rest != 0) return answer(EAI_BADFLAGS);
  return answer(native_getaddrinfo(name, service, &native, result));
}
void nsp_freeaddrinfo(struct addrinfo *first) {
  if (first != NULL) native_freeaddrinfo(first);
}
int nsp_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t hostCount, char *service,
                    socklen_t serviceCount, int given) {
  return answer(native_getnameinfo(address, length, host, hostCount, service, serviceCount, given));
}
