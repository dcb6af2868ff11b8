/* Addresses by name, for clients (libnsp): GetAddrInfoEx and what belongs to it. The AI_ numbers are those of Windows, not glibc's: a source
   that also needs netdb.h includes it before this header, and uses these names for these functions. (NSP §8.9, §8.10) */
#ifndef NSP_WS2TCPIP_H
#define NSP_WS2TCPIP_H

#include <sys/time.h>

#include "winsock2.h"

NSP_EXTERN_C_BEGIN

#undef AI_PASSIVE
#undef AI_CANONNAME
#undef AI_NUMERICHOST
#undef AI_NUMERICSERV
#undef AI_ALL
#undef AI_ADDRCONFIG
#undef AI_V4MAPPED
#define AI_PASSIVE 0x00000001
#define AI_CANONNAME 0x00000002
#define AI_NUMERICHOST 0x00000004
#define AI_NUMERICSERV 0x00000008
#define AI_ALL 0x00000100
#define AI_ADDRCONFIG 0x00000400
#define AI_V4MAPPED 0x00000800
#define AI_NON_AUTHORITATIVE 0x00004000
#define AI_SECURE 0x00008000
#define AI_RETURN_PREFERRED_NAMES 0x00010000
#define AI_FQDN 0x00020000
#define AI_FILESERVER 0x00040000
#define AI_DISABLE_IDN_ENCODING 0x00080000

/* One address of a result. The whole chain is freed with FreeAddrInfoEx. */
typedef struct addrinfoexA {
  int ai_flags;
  int ai_family;
  int ai_socktype;
  int ai_protocol;
  size_t ai_addrlen;
  char *ai_canonname;
  struct sockaddr *ai_addr;
  void *ai_blob;
  size_t ai_bloblen;
  LPGUID ai_provider; /* who answered */
  struct addrinfoexA *ai_next;
} ADDRINFOEXA, *PADDRINFOEXA, *LPADDRINFOEXA;

typedef struct addrinfoexW {
  int ai_flags;
  int ai_family;
  int ai_socktype;
  int ai_protocol;
  size_t ai_addrlen;
  PWSTR ai_canonname;
  struct sockaddr *ai_addr;
  void *ai_blob;
  size_t ai_bloblen;
  LPGUID ai_provider;
  struct addrinfoexW *ai_next;
} ADDRINFOEXW, *PADDRINFOEXW, *LPADDRINFOEXW;

NSP_ASSERT_SIZE(ADDRINFOEXA, 72);
NSP_ASSERT_SIZE(ADDRINFOEXW, 72);
NSP_ASSERT_OFFSET(ADDRINFOEXW, ai_addrlen, 16);
NSP_ASSERT_OFFSET(ADDRINFOEXW, ai_canonname, 24);
NSP_ASSERT_OFFSET(ADDRINFOEXW, ai_addr, 32);
NSP_ASSERT_OFFSET(ADDRINFOEXW, ai_blob, 40);
NSP_ASSERT_OFFSET(ADDRINFOEXW, ai_bloblen, 48);
NSP_ASSERT_OFFSET(ADDRINFOEXW, ai_provider, 56);
NSP_ASSERT_OFFSET(ADDRINFOEXW, ai_next, 64);

typedef VOID(CALLBACK *LPLOOKUPSERVICE_COMPLETION_ROUTINE)(DWORD dwError, DWORD dwBytes, LPWSAOVERLAPPED lpOverlapped);

/* Every address of a name. Returns the code itself, and leaves the same in the thread's last error. With an overlapped it returns
   WSA_IO_PENDING, and exactly one completion follows: *ppResult and Internal are written, then the routine runs, on a thread of the
   library, or hEvent is set. Either a routine or an event (WSACreateEvent), else WSAEINVAL. GetAddrInfoExOverlappedResult tells too. A
   timeout works with and without an overlapped: WSAETIMEDOUT. WSAHOST_NOT_FOUND: nobody has the name; WSANO_DATA: it has no such addresses;
   WSASERVICE_NOT_FOUND: nobody serves the name space; WSATRY_AGAIN: somebody who may have it can't answer now. Numeric hosts may have a zone
   ("fe80::1%lo", "fe80::1%1"). ai_provider is NULL for answers of NS_DNS to a query for it. (NSP §8.9) */
NSP_EXPORT INT WSAAPI GetAddrInfoExW(PCWSTR pName, PCWSTR pServiceName, DWORD dwNameSpace, LPGUID lpNspId, const ADDRINFOEXW *hints, PADDRINFOEXW *ppResult, struct timeval *timeout, LPOVERLAPPED lpOverlapped, LPLOOKUPSERVICE_COMPLETION_ROUTINE lpCompletionRoutine, LPHANDLE lpHandle);
/* The same at once: the last four are NULL, or it is WSAEINVAL. */
NSP_EXPORT INT WSAAPI GetAddrInfoExA(PCSTR pName, PCSTR pServiceName, DWORD dwNameSpace, LPGUID lpNspId, const ADDRINFOEXA *hints, PADDRINFOEXA *ppResult, struct timeval *timeout, LPOVERLAPPED lpOverlapped, LPLOOKUPSERVICE_COMPLETION_ROUTINE lpCompletionRoutine, LPHANDLE lpNameHandle);
/* 0: the completion follows at once, with WSA_E_CANCELLED. WSA_INVALID_HANDLE: there is nothing to cancel any more. */
NSP_EXPORT INT WSAAPI GetAddrInfoExCancel(LPHANDLE lpHandle);
/* WSAEINPROGRESS, or the code of the request. */
NSP_EXPORT INT WSAAPI GetAddrInfoExOverlappedResult(LPOVERLAPPED lpOverlapped);
NSP_EXPORT void WSAAPI FreeAddrInfoExW(PADDRINFOEXW pAddrInfoEx);
NSP_EXPORT void WSAAPI FreeAddrInfoEx(PADDRINFOEXA pAddrInfoEx);

/* Registers the addresses under a name, or with none takes the name back. The last four are NULL, or it is WSAEINVAL. */
NSP_EXPORT INT WSAAPI SetAddrInfoExW(PCWSTR pName, PCWSTR pServiceName, SOCKET_ADDRESS *pAddresses, DWORD dwAddressCount, LPBLOB lpBlob, DWORD dwFlags, DWORD dwNameSpace, LPGUID lpNspId, struct timeval *timeout, LPOVERLAPPED lpOverlapped, LPLOOKUPSERVICE_COMPLETION_ROUTINE lpCompletionRoutine, LPHANDLE lpNameHandle);
NSP_EXPORT INT WSAAPI SetAddrInfoExA(PCSTR pName, PCSTR pServiceName, SOCKET_ADDRESS *pAddresses, DWORD dwAddressCount, LPBLOB lpBlob, DWORD dwFlags, DWORD dwNameSpace, LPGUID lpNspId, struct timeval *timeout, LPOVERLAPPED lpOverlapped, LPLOOKUPSERVICE_COMPLETION_ROUTINE lpCompletionRoutine, LPHANDLE lpNameHandle);
#define FreeAddrInfoExA FreeAddrInfoEx
#ifdef UNICODE
typedef ADDRINFOEXW ADDRINFOEX, *PADDRINFOEX;
#define GetAddrInfoEx GetAddrInfoExW
#define SetAddrInfoEx SetAddrInfoExW
#else
typedef ADDRINFOEXA ADDRINFOEX, *PADDRINFOEX;
#define GetAddrInfoEx GetAddrInfoExA
#define SetAddrInfoEx SetAddrInfoExA
#endif

NSP_EXTERN_C_END

#endif
