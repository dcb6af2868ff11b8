/* The socket functions of Winsock that clients and providers of the name service use: Linux's sockets, with the code of a failure in the
   thread's last error. Other functions of <sys/socket.h> work too, and leave theirs in errno. */
#ifndef NSP_SOCKETS_H
#define NSP_SOCKETS_H

#include <sys/ioctl.h>

#include "nsp/instead.h"
#include "nsp/win32.h"

NSP_EXTERN_C_BEGIN

/* A failed socket() is -1, which widens to INVALID_SOCKET. */
#ifdef __cplusplus
extern int socket(int family, int type, int protocol) noexcept __asm__("nsp_socket");
extern int bind(int socket, const struct sockaddr *address, socklen_t length) noexcept __asm__("nsp_bind");
#else
NSP_INSTEAD(int, socket, (int family, int type, int protocol));
NSP_INSTEAD(int, bind, (int socket, __CONST_SOCKADDR_ARG address, socklen_t length));
#endif
NSP_INSTEAD(int, connect, (int socket, __CONST_SOCKADDR_ARG address, socklen_t length));
NSP_INSTEAD(ssize_t, send, (int socket, const void *bytes, size_t count, int flags));

int nsp_getsockname(SOCKET socket, struct sockaddr *address, void *length);
int nsp_getsockopt(SOCKET socket, int level, int option, void *value, void *length);
int nsp_recvfrom(SOCKET socket, void *bytes, size_t count, int flags, struct sockaddr *address, void *length);

typedef unsigned long u_long; /* the C library has it, unless it is told to keep to a standard */
int WSAAPI closesocket(SOCKET socket);
/* FIONBIO alone: zero, or not. */
#undef FIONBIO
#define FIONBIO 0x8004667E
int WSAAPI ioctlsocket(SOCKET socket, long command, u_long *argument);

/* SIO_ADDRESS_LIST_QUERY: the addresses of this machine that the socket's family has, as a SOCKET_ADDRESS_LIST, those of the loop-back when
   there are no others. WSAEFAULT with the bytes needed in *returned. Overlapped requests are WSAEOPNOTSUPP. */
#define SIO_ADDRESS_LIST_QUERY 0x48000016
int WSAAPI WSAIoctl(SOCKET socket, DWORD command, LPVOID in, DWORD inBytes, LPVOID out, DWORD outBytes, LPDWORD returned,
                    LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);

/* An address as text, with its port unless that is 0. The count is of characters with the NUL, in and out: WSAEFAULT with those needed. */
typedef struct _WSAPROTOCOL_INFOA *LPWSAPROTOCOL_INFOA; /* NULL: there are no protocol catalogs */
typedef struct _WSAPROTOCOL_INFOW *LPWSAPROTOCOL_INFOW;
INT WSAAPI WSAAddressToStringA(LPSOCKADDR address, DWORD length, LPWSAPROTOCOL_INFOA protocol, LPSTR text, LPDWORD count);
INT WSAAPI WSAAddressToStringW(LPSOCKADDR address, DWORD length, LPWSAPROTOCOL_INFOW protocol, LPWSTR text, LPDWORD count);
#ifdef UNICODE
#define WSAAddressToString WSAAddressToStringW
#else
#define WSAAddressToString WSAAddressToStringA
#endif

NSP_EXTERN_C_END

/* On Windows a socklen_t is an int, and a u_long a ULONG, and sources pass those. */
#ifdef __cplusplus
static inline int ioctlsocket(SOCKET socket, long command, ULONG *argument) {
  u_long given = *argument;
  return ioctlsocket(socket, command, &given);
}
static inline int getsockname(SOCKET socket, struct sockaddr *address, int *length) { return nsp_getsockname(socket, address, length); }
static inline int getsockopt(SOCKET socket, int level, int option, void *value, int *length) {
  return nsp_getsockopt(socket, level, option, value, length);
}
static inline int recvfrom(SOCKET socket, void *bytes, int count, int flags, struct sockaddr *address, int *length) {
  return nsp_recvfrom(socket, bytes, (size_t)count, flags, address, length);
}
#else
#define getsockname(socket, address, length) nsp_getsockname(socket, address, length)
#define getsockopt(socket, level, option, value, length) nsp_getsockopt(socket, level, option, value, length)
#define recvfrom(socket, bytes, count, flags, address, length) nsp_recvfrom(socket, bytes, count, flags, address, length)
#endif

#endif
