/* The provider side of the name service: the routine tables that providers fill, and what the host offers them.
   Provider routines are called on threads of the host, several at a time; they may call back into the host. */
#ifndef NSP_WS2SPI_H
#define NSP_WS2SPI_H

#include "winsock2.h"

NSP_EXTERN_C_BEGIN

/* NSPv2 routines. INT routines answer NO_ERROR, or SOCKET_ERROR with the code in the thread's last error. */
typedef INT(WSAAPI *LPNSPV2STARTUP)(LPGUID lpProviderId, LPVOID *ppvClientSessionArg);
typedef INT(WSAAPI *LPNSPV2CLEANUP)(LPGUID lpProviderId, LPVOID pvClientSessionArg);
typedef INT(WSAAPI *LPNSPV2LOOKUPSERVICEBEGIN)(LPGUID lpProviderId, LPWSAQUERYSET2W lpqsRestrictions, DWORD dwControlFlags, LPVOID lpvClientSessionArg, LPHANDLE lphLookup);
typedef VOID(WSAAPI *LPNSPV2LOOKUPSERVICENEXTEX)(HANDLE hAsyncCall, HANDLE hLookup, DWORD dwControlFlags, LPDWORD lpdwBufferLength, LPWSAQUERYSET2W lpqsResults);
typedef INT(WSAAPI *LPNSPV2LOOKUPSERVICEEND)(HANDLE hLookup);
typedef VOID(WSAAPI *LPNSPV2SETSERVICEEX)(HANDLE hAsyncCall, LPGUID lpProviderId, LPWSAQUERYSET2W lpqsRegInfo, WSAESETSERVICEOP essOperation, DWORD dwControlFlags, LPVOID lpvClientSessionArg);
typedef VOID(WSAAPI *LPNSPV2CLIENTSESSIONRUNDOWN)(LPGUID lpProviderId, LPVOID pvClientSessionArg);

/* The seven routines of a provider. Begin, NextEx and End are required; NULL in another place is replaced by a stub of the host
   that answers WSAEOPNOTSUPP. cbSize is the size that the provider was compiled with. (nsp.md 5.1, 5.2) */
typedef struct _NSPV2_ROUTINE {
  DWORD cbSize;
  DWORD dwMajorVersion;
  DWORD dwMinorVersion;
  LPNSPV2STARTUP NSPv2Startup;
  LPNSPV2CLEANUP NSPv2Cleanup;
  LPNSPV2LOOKUPSERVICEBEGIN NSPv2LookupServiceBegin;
  LPNSPV2LOOKUPSERVICENEXTEX NSPv2LookupServiceNextEx;
  LPNSPV2LOOKUPSERVICEEND NSPv2LookupServiceEnd;
  LPNSPV2SETSERVICEEX NSPv2SetServiceEx;
  LPNSPV2CLIENTSESSIONRUNDOWN NSPv2ClientSessionRundown;
} NSPV2_ROUTINE, *PNSPV2_ROUTINE, *LPNSPV2_ROUTINE;

NSP_ASSERT_SIZE(NSPV2_ROUTINE, 72);
NSP_ASSERT_OFFSET(NSPV2_ROUTINE, cbSize, 0);
NSP_ASSERT_OFFSET(NSPV2_ROUTINE, dwMajorVersion, 4);
NSP_ASSERT_OFFSET(NSPV2_ROUTINE, dwMinorVersion, 8);
NSP_ASSERT_OFFSET(NSPV2_ROUTINE, NSPv2Startup, 16);
NSP_ASSERT_OFFSET(NSPV2_ROUTINE, NSPv2Cleanup, 24);
NSP_ASSERT_OFFSET(NSPV2_ROUTINE, NSPv2LookupServiceBegin, 32);
NSP_ASSERT_OFFSET(NSPV2_ROUTINE, NSPv2LookupServiceNextEx, 40);
NSP_ASSERT_OFFSET(NSPV2_ROUTINE, NSPv2LookupServiceEnd, 48);
NSP_ASSERT_OFFSET(NSPV2_ROUTINE, NSPv2SetServiceEx, 56);
NSP_ASSERT_OFFSET(NSPV2_ROUTINE, NSPv2ClientSessionRundown, 64);

typedef const NSPV2_ROUTINE *PCNSPV2_ROUTINE;
typedef const NSPV2_ROUTINE *LPCNSPV2_ROUTINE;

/* What a hosted provider exports, under these very names. */

/* First call for a client, once per session. Stores the session's argument, which the host passes on to every later call of the
   session; it is NULL on entry. (nsp.md 5.4, L2 to L7) */
NSP_EXPORT INT WSAAPI NSPv2Startup(LPGUID lpProviderId, LPVOID *ppvClientSessionArg);

/* Last call of a session whose client said goodbye, after every other call of the session has returned. (L9, L12) */
NSP_EXPORT INT WSAAPI NSPv2Cleanup(LPGUID lpProviderId, LPVOID pvClientSessionArg);

/* Prepares a lookup without waiting for an answer and stores its handle. The query is valid during the call only. (5.5) */
NSP_EXPORT INT WSAAPI NSPv2LookupServiceBegin(LPGUID lpProviderId, LPWSAQUERYSET2W lpqsRestrictions, DWORD dwControlFlags, LPVOID lpvClientSessionArg, LPHANDLE lphLookup);

/* Delivers one record by completing hAsyncCall, once, from any thread, before or after returning. Length and block belong to the
   provider until then. Too small a block: WSAEFAULT with the bytes needed in *lpdwBufferLength. (5.6) */
NSP_EXPORT VOID WSAAPI NSPv2LookupServiceNextEx(HANDLE hAsyncCall, HANDLE hLookup, DWORD dwControlFlags, LPDWORD lpdwBufferLength, LPWSAQUERYSET2W lpqsResults);

/* Frees the handle. May come on another thread during NextEx, whose call is then completed with WSA_E_CANCELLED. (5.6) */
NSP_EXPORT INT WSAAPI NSPv2LookupServiceEnd(HANDLE hLookup);

/* Registers, deregisters or deletes; completes hAsyncCall once. lpqsRegInfo belongs to the provider until then. (5.7) */
NSP_EXPORT VOID WSAAPI NSPv2SetServiceEx(HANDLE hAsyncCall, LPGUID lpProviderId, LPWSAQUERYSET2W lpqsRegInfo, WSAESETSERVICEOP essOperation, DWORD dwControlFlags, LPVOID lpvClientSessionArg);

/* Last call of a session whose client vanished, instead of Cleanup. (L10, L12) */
NSP_EXPORT VOID WSAAPI NSPv2ClientSessionRundown(LPGUID lpProviderId, LPVOID pvClientSessionArg);

/* Completes one asynchronous call, once. Any thread, also from inside the routine that was given the handle. iRetCode is 0, a
   code, or -1 for the thread's last error. Returns 0, or SOCKET_ERROR with WSAEINVAL (NULL) or WSA_INVALID_HANDLE (completed
   before, or no handle of the host). (5.8) */
NSP_EXPORT INT WSAAPI WSAProviderCompleteAsyncCall(HANDLE hAsyncCall, INT iRetCode);

/* Serves an installed provider from a routine table, which is copied. Any thread. Returns 0, or SOCKET_ERROR with WSAEINVAL,
   WSAEINVALIDPROVIDER or WSAEALREADY. (5.8) */
NSP_EXPORT INT WSAAPI WSAAdvertiseProvider(const GUID *puuidProviderId, const LPCNSPV2_ROUTINE pNSPv2Routine);

/* Takes an advertised provider back; returns when none of its routines is running, except the one it is called from. (5.8) */
NSP_EXPORT INT WSAAPI WSAUnadvertiseProvider(const GUID *puuidProviderId);

NSP_EXTERN_C_END

#endif
