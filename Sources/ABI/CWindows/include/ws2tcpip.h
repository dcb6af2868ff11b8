/* ws2tcpip.h with names and addresses as Winsock has them: getaddrinfo takes the AI_ numbers of Windows, and codes are Winsock's. */
#ifndef NSP_WINDOWS_WS2TCPIP_H
#define NSP_WINDOWS_WS2TCPIP_H
#pragma GCC system_header

#include <netdb.h>

#include <winsock2.h>

#include_next <ws2tcpip.h>

#undef EAI_AGAIN
#undef EAI_BADFLAGS
#undef EAI_FAIL
#undef EAI_FAMILY
#undef EAI_MEMORY
#undef EAI_NODATA
#undef EAI_NONAME
#undef EAI_SERVICE
#undef EAI_SOCKTYPE
#define EAI_AGAIN WSATRY_AGAIN
#define EAI_BADFLAGS WSAEINVAL
#define EAI_FAIL WSANO_RECOVERY
#define EAI_FAMILY WSAEAFNOSUPPORT
#define EAI_MEMORY WSA_NOT_ENOUGH_MEMORY
#define EAI_NODATA WSANO_DATA
#define EAI_NONAME WSAHOST_NOT_FOUND
#define EAI_SERVICE WSATYPE_NOT_FOUND
#define EAI_SOCKTYPE WSAESOCKTNOSUPPORT
#ifndef NI_MAXHOST
#define NI_MAXHOST 1025
#define NI_MAXSERV 32
#endif

NSP_EXTERN_C_BEGIN

/* The name service switch of Linux answers. They return the code, and leave the same in the thread's last error. */
NSP_INSTEAD(int, getaddrinfo,
            (const char *__restrict name, const char *__restrict service, const struct addrinfo *__restrict hints,
             struct addrinfo **__restrict result));
#ifdef __cplusplus
extern void freeaddrinfo(struct addrinfo *first) noexcept __asm__("nsp_freeaddrinfo");
#else
NSP_INSTEAD(void, freeaddrinfo, (struct addrinfo *first));
#endif
NSP_INSTEAD(int, getnameinfo,
            (const struct sockaddr *__restrict address, socklen_t length, char *__restrict host, socklen_t hostCount,
             char *__restrict service, socklen_t serviceCount, int flags));

/* Windows has one neutral name of the three. */
#undef FreeAddrInfoExA
NSP_INSTEAD_AS(void, FreeAddrInfoExA, (PADDRINFOEXA pAddrInfoEx), FreeAddrInfoEx);
#ifdef UNICODE
#define FreeAddrInfoEx FreeAddrInfoExW
#endif

NSP_EXTERN_C_END

#endif
