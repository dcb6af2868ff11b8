/* Sockets: Linux's calls, whose failures leave Winsock's codes. */
#include "CWindows.h"

#include <errno.h>
#include <unistd.h>

static const struct {
  int of, code;
} codes[] = {
    {EINTR, WSAEINTR}, {EBADF, WSAEBADF}, {EACCES, WSAEACCES}, {EPERM, WSAEACCES}, {EFAULT, WSAEFAULT}, {EINVAL, WSAEINVAL},
    {EMFILE, WSAEMFILE}, {ENFILE, WSAEMFILE}, {EAGAIN, WSAEWOULDBLOCK}, {EINPROGRESS, WSAEWOULDBLOCK}, {EALREADY, WSAEALREADY},
    {ENOTSOCK, WSAENOTSOCK}, {EDESTADDRREQ, 10039}, {EMSGSIZE, WSAEMSGSIZE}, {EPROTOTYPE, 10041}, {ENOPROTOOPT, 10042},
    {EPROTONOSUPPORT, 10043}, {ESOCKTNOSUPPORT, WSAESOCKTNOSUPPORT}, {EOPNOTSUPP, WSAEOPNOTSUPP}, {EAFNOSUPPORT, WSAEAFNOSUPPORT},
    {EADDRINUSE, 10048}, {EADDRNOTAVAIL, 10049}, {ENETDOWN, WSAENETDOWN}, {ENETUNREACH, 10051}, {ENETRESET, 10052},
    {ECONNABORTED, 10053}, {ECONNRESET, 10054}, {EPIPE, 10054}, {ENOBUFS, WSAENOBUFS}, {ENOMEM, WSAENOBUFS}, {EISCONN, 10056},
    {ENOTCONN, 10057}, {ESHUTDOWN, 10058}, {ETIMEDOUT, WSAETIMEDOUT}, {ECONNREFUSED, WSAECONNREFUSED}, {EHOSTDOWN, 10064},
    {EHOSTUNREACH, 10065},
};

int nsp_socket_failed(void) {
  int code = WSASYSCALLFAILURE;
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
    if (codes[i].of == errno) code = codes[i].code;
  WSASetLastError(code);
  return SOCKET_ERROR;
}

/* Under their own names the calls of Linux are these very functions here, so they are reached by another one. */
extern int native_socket(int family, int type, int protocol) __asm__("socket");
extern int native_bind(int socket, const void *address, socklen_t length) __asm__("bind");
extern int native_connect(int socket, const void *address, socklen_t length) __asm__("connect");
extern ssize_t native_send(int socket, const void *bytes, size_t count, int flags) __asm__("send");
extern int native_getsockname(int socket, void *address, void *length) __asm__("getsockname");
extern int native_getsockopt(int socket, int level, int option, void *value, void *length) __asm__("getsockopt");
extern ssize_t native_recvfrom(int socket, void *bytes, size_t count, int flags, void *address, void *length) __asm__("recvfrom");

static int checked(int result) { return result < 0 ? nsp_socket_failed() : result; }

int nsp_socket(int family, int type, int protocol) { return checked(native_socket(family, type | SOCK_CLOEXEC, protocol)); }
int nsp_bind(int socket, const struct sockaddr *address, socklen_t length) { return checked(native_bind(socket, address, length)); }
int nsp_connect(int socket, const struct sockaddr *address, socklen_t length) {
  return checked(native_connect(socket, address, length));
}
/* A peer that is gone is a code, never a signal. */
ssize_t nsp_send(int socket, const void *bytes, size_t count, int flags) {
  ssize_t sent = native_send(socket, bytes, count, flags | MSG_NOSIGNAL);
  return sent < 0 ? nsp_socket_failed() : sent;
}
int nsp_getsockname(SOCKET socket, struct sockaddr *address, void *length) {
  return checked(native_getsockname((int)socket, address, length));
}
int nsp_getsockopt(SOCKET socket, int level, int option, void *value, void *length) {
  return checked(native_getsockopt((int)socket, level, option, value, length));
}
int nsp_recvfrom(SOCKET socket, void *bytes, size_t count, int flags, struct sockaddr *address, void *length) {
  return checked((int)native_recvfrom((int)socket, bytes, count, flags, address, length));
}

int closesocket(SOCKET socket) { return checked(close((int)socket)); }
