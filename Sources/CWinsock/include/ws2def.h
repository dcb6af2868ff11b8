/* Addresses. `struct sockaddr` and the AF_ numbers are Linux's own: an address can be given to a Linux socket as it is. */
#ifndef NSP_WS2DEF_H
#define NSP_WS2DEF_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "windef.h"

typedef struct sockaddr SOCKADDR;
typedef SOCKADDR *PSOCKADDR;
typedef SOCKADDR *LPSOCKADDR;
typedef struct sockaddr_in SOCKADDR_IN;
typedef SOCKADDR_IN *PSOCKADDR_IN;
typedef SOCKADDR_IN *LPSOCKADDR_IN;
typedef struct sockaddr_in6 SOCKADDR_IN6;
typedef SOCKADDR_IN6 *PSOCKADDR_IN6;
typedef SOCKADDR_IN6 *LPSOCKADDR_IN6;
typedef struct sockaddr_storage SOCKADDR_STORAGE;
typedef SOCKADDR_STORAGE *PSOCKADDR_STORAGE;
typedef SOCKADDR_STORAGE *LPSOCKADDR_STORAGE;
typedef UINT_PTR SOCKET;

typedef struct _SOCKET_ADDRESS {
  LPSOCKADDR lpSockaddr;
  INT iSockaddrLength;
} SOCKET_ADDRESS, *PSOCKET_ADDRESS, *LPSOCKET_ADDRESS;

typedef struct _SOCKET_ADDRESS_LIST {
  INT iAddressCount;
  SOCKET_ADDRESS Address[1];
} SOCKET_ADDRESS_LIST, *PSOCKET_ADDRESS_LIST, *LPSOCKET_ADDRESS_LIST;

/* Where a service is reached: the client connects to RemoteAddr; the service binds LocalAddr. */
typedef struct _CSADDR_INFO {
  SOCKET_ADDRESS LocalAddr;
  SOCKET_ADDRESS RemoteAddr;
  INT iSocketType;
  INT iProtocol;
} CSADDR_INFO, *PCSADDR_INFO, *LPCSADDR_INFO;

NSP_ASSERT_SIZE(SOCKADDR, 16);
NSP_ASSERT_SIZE(SOCKADDR_IN, 16);
NSP_ASSERT_SIZE(SOCKADDR_IN6, 28);
NSP_ASSERT_SIZE(SOCKADDR_STORAGE, 128);
NSP_ASSERT_SIZE(SOCKET, 8);
NSP_ASSERT_SIZE(SOCKET_ADDRESS, 16);
NSP_ASSERT_OFFSET(SOCKET_ADDRESS, lpSockaddr, 0);
NSP_ASSERT_OFFSET(SOCKET_ADDRESS, iSockaddrLength, 8);
NSP_ASSERT_SIZE(SOCKET_ADDRESS_LIST, 24);
NSP_ASSERT_OFFSET(SOCKET_ADDRESS_LIST, iAddressCount, 0);
NSP_ASSERT_OFFSET(SOCKET_ADDRESS_LIST, Address, 8);
NSP_ASSERT_SIZE(CSADDR_INFO, 40);
NSP_ASSERT_OFFSET(CSADDR_INFO, LocalAddr, 0);
NSP_ASSERT_OFFSET(CSADDR_INFO, RemoteAddr, 16);
NSP_ASSERT_OFFSET(CSADDR_INFO, iSocketType, 32);
NSP_ASSERT_OFFSET(CSADDR_INFO, iProtocol, 36);

#endif
