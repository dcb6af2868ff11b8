/* Addresses of IPX. Linux has the family's number (AF_IPX) and no sockets of it: they fail with WSAEAFNOSUPPORT. */
#ifndef NSP_WSIPX_H
#define NSP_WSIPX_H

#include <winsock2.h>

#define NSPROTO_IPX 1000

typedef struct sockaddr_ipx {
  short sa_family;
  char sa_netnum[4];
  char sa_nodenum[6];
  unsigned short sa_socket;
} SOCKADDR_IPX, *PSOCKADDR_IPX;

NSP_ASSERT_SIZE(SOCKADDR_IPX, 14);
NSP_ASSERT_OFFSET(SOCKADDR_IPX, sa_netnum, 2);
NSP_ASSERT_OFFSET(SOCKADDR_IPX, sa_nodenum, 6);
NSP_ASSERT_OFFSET(SOCKADDR_IPX, sa_socket, 12);

#endif
