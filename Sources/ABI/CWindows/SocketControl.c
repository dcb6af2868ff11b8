/* ioctlsocket and WSAIoctl. */
#include "CWindows.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

static int failed(int code) {
  WSASetLastError(code);
  return SOCKET_ERROR;
}

int ioctlsocket(SOCKET socket, long command, u_long *argument) {
  if (command != FIONBIO) return failed(WSAEOPNOTSUPP);
  if (argument == NULL) return failed(WSAEFAULT);
  int flags = fcntl((int)socket, F_GETFL);
  if (flags < 0 || fcntl((int)socket, F_SETFL, *argument != 0 ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0) return nsp_socket_failed();
  return 0;
}

static INT length_of(int family) { return family == AF_INET6 ? (INT)sizeof(SOCKADDR_IN6) : (INT)sizeof(SOCKADDR_IN); }
static size_t rounded(size_t bytes) { return (bytes + 7) & ~(size_t)7; }

/* Whether an interface's address is asked for: of this family, of an interface that is up, of the loop-back or not. */
static int is_wanted(const struct ifaddrs *at, int family, int loopBack) {
  return at->ifa_addr != NULL && at->ifa_addr->sa_family == family && (at->ifa_flags & IFF_UP) != 0 &&
         ((at->ifa_flags & IFF_LOOPBACK) != 0) == loopBack;
}
static INT count_of(const struct ifaddrs *at, int family, int loopBack) {
  INT count = 0;
  for (; at != NULL; at = at->ifa_next) count += is_wanted(at, family, loopBack);
  return count;
}

/* The list, its array, then the addresses. */
static void write_list(SOCKET_ADDRESS_LIST *list, INT count, const struct ifaddrs *at, int family, int loopBack) {
  char *place = (char *)&list->Address[count];
  list->iAddressCount = 0;
  for (; at != NULL; at = at->ifa_next) {
    if (!is_wanted(at, family, loopBack)) continue;
    SOCKET_ADDRESS *address = &list->Address[list->iAddressCount++];
    *address = (SOCKET_ADDRESS){(LPSOCKADDR)place, length_of(family)};
    memcpy(place, at->ifa_addr, (size_t)address->iSockaddrLength);
    place += rounded((size_t)address->iSockaddrLength);
  }
}

static int list_addresses(int family, LPVOID out, DWORD outBytes, LPDWORD returned) {
  struct ifaddrs *first = NULL;
  if (getifaddrs(&first) != 0) return nsp_socket_failed();
  int loopBack = count_of(first, family, 0) == 0;
  INT count = count_of(first, family, loopBack);
  size_t needed = offsetof(SOCKET_ADDRESS_LIST, Address) + (size_t)count * (sizeof(SOCKET_ADDRESS) + rounded((size_t)length_of(family)));
  if (needed < sizeof(SOCKET_ADDRESS_LIST)) needed = sizeof(SOCKET_ADDRESS_LIST);
  int fits = out != NULL && outBytes >= needed;
  *returned = (DWORD)needed;
  if (fits) write_list(out, count, first, family, loopBack);
  freeifaddrs(first);
  return fits ? 0 : failed(WSAEFAULT);
}

int WSAIoctl(SOCKET socket, DWORD command, LPVOID in, DWORD inBytes, LPVOID out, DWORD outBytes, LPDWORD returned,
             LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
  int family = 0;
  socklen_t length = sizeof family;
  u_long value = in != NULL && inBytes >= sizeof(DWORD) ? *(DWORD *)in : 0;
  if (overlapped != NULL || routine != NULL) return failed(WSAEOPNOTSUPP);
  if (returned == NULL) return failed(WSAEFAULT);
  *returned = 0;
  if (command == FIONBIO) return in == NULL ? failed(WSAEFAULT) : ioctlsocket(socket, (long)command, &value);
  if (nsp_getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &length) != 0) return SOCKET_ERROR;
  if (command != SIO_ADDRESS_LIST_QUERY) return failed(WSAEOPNOTSUPP);
  if (family != AF_INET && family != AF_INET6) return failed(WSAEAFNOSUPPORT);
  return list_addresses(family, out, outBytes, returned);
}
