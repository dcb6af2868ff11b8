/* The provider side of the name service: the routine tables that providers fill, and what the host offers them.
   Provider routines are called on threads of the host, several at a time; they may call back into the host. */
#ifndef NSP_WS2SPI_H
#define NSP_WS2SPI_H

#include "winsock2.h"

NSP_EXTERN_C_BEGIN

/* NSPv2 routines. INT routines answer NO_ERROR, or SOCKET_ERROR with the code in the thread's last error; VOID routines tell
   their outcome through WSAProviderCompleteAsyncCall, or not at all. (NSP §5.1, §5.3, NSP-005) */
typedef INT(WSAAPI *LPNSPV2STARTUP)(LPGUID lpProviderId, LPVOID *ppvClientSessionArg);
typedef INT(WSAAPI *LPNSPV2CLEANUP)(LPGUID lpProviderId, LPVOID pvClientSessionArg);
typedef INT(WSAAPI *LPNSPV2LOOKUPSERVICEBEGIN)(LPGUID lpProviderId, LPWSAQUERYSET2W lpqsRestrictions, DWORD dwControlFlags,
                                               LPVOID lpvClientSessionArg, LPHANDLE lphLookup);
typedef VOID(WSAAPI *LPNSPV2LOOKUPSERVICENEXTEX)(HANDLE hAsyncCall, HANDLE hLookup, DWORD dwControlFlags,
                                                 LPDWORD lpdwBufferLength, LPWSAQUERYSET2W lpqsResults);
typedef INT(WSAAPI *LPNSPV2LOOKUPSERVICEEND)(HANDLE hLookup);
typedef VOID(WSAAPI *LPNSPV2SETSERVICEEX)(HANDLE hAsyncCall, LPGUID lpProviderId, LPWSAQUERYSET2W lpqsRegInfo,
                                          WSAESETSERVICEOP essOperation, DWORD dwControlFlags, LPVOID lpvClientSessionArg);
typedef VOID(WSAAPI *LPNSPV2CLIENTSESSIONRUNDOWN)(LPGUID lpProviderId, LPVOID pvClientSessionArg);

/* The seven routines of a provider. Begin, NextEx and End are required; NULL in another place is replaced by a stub of the host
   that answers WSAEOPNOTSUPP. cbSize is the size that the provider was compiled with. (NSP §5.1, §5.2) */
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
NSP_ASSERT_ALIGNMENT(NSPV2_ROUTINE, 8);
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

/* NSPv1: a provider exports NSPStartup, which fills this table. Every entry must be a function of the provider's; what it does
   not do fails with WSAEOPNOTSUPP. All of them are INT: NO_ERROR, or SOCKET_ERROR with the code in the thread's last error. They
   are called on host threads that may block. (NSP §6) */

/* What NSPIoctl keeps, by value, to notify the calling thread later. */
typedef struct _WSATHREADID {
  HANDLE ThreadHandle;
  DWORD_PTR Reserved;
} WSATHREADID, *PWSATHREADID, *LPWSATHREADID;

NSP_ASSERT_SIZE(WSATHREADID, 16);
NSP_ASSERT_ALIGNMENT(WSATHREADID, 8);
NSP_ASSERT_OFFSET(WSATHREADID, ThreadHandle, 0);
NSP_ASSERT_OFFSET(WSATHREADID, Reserved, 8);

typedef INT(WSAAPI *LPNSPCLEANUP)(LPGUID lpProviderId);
typedef INT(WSAAPI *LPNSPLOOKUPSERVICEBEGIN)(LPGUID lpProviderId, LPWSAQUERYSETW lpqsRestrictions,
                                             LPWSASERVICECLASSINFOW lpServiceClassInfo, DWORD dwControlFlags, LPHANDLE lphLookup);
typedef INT(WSAAPI *LPNSPLOOKUPSERVICENEXT)(HANDLE hLookup, DWORD dwControlFlags, LPDWORD lpdwBufferLength,
                                            LPWSAQUERYSETW lpqsResults);
typedef INT(WSAAPI *LPNSPLOOKUPSERVICEEND)(HANDLE hLookup);
typedef INT(WSAAPI *LPNSPSETSERVICE)(LPGUID lpProviderId, LPWSASERVICECLASSINFOW lpServiceClassInfo, LPWSAQUERYSETW lpqsRegInfo,
                                     WSAESETSERVICEOP essOperation, DWORD dwControlFlags);
typedef INT(WSAAPI *LPNSPINSTALLSERVICECLASS)(LPGUID lpProviderId, LPWSASERVICECLASSINFOW lpServiceClassInfo);
typedef INT(WSAAPI *LPNSPREMOVESERVICECLASS)(LPGUID lpProviderId, LPGUID lpServiceClassId);
/* The wanted class comes in through lpServiceClassInfo->lpServiceClassId. */
typedef INT(WSAAPI *LPNSPGETSERVICECLASSINFO)(LPGUID lpProviderId, LPDWORD lpdwBufSize, LPWSASERVICECLASSINFOW lpServiceClassInfo);
/* lpCompletion, where it is not NULL, is an event: the provider answers WSA_IO_PENDING, later stores the code in Internal of the overlapped
   and calls WSASetEvent with its hEvent, once. What lpCompletion leads to is the provider's until then, or until End of the lookup
   has returned, whichever comes first. Never called while End of the lookup runs, or behind it. */
typedef INT(WSAAPI *LPNSPIOCTL)(HANDLE hLookup, DWORD dwControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer, LPVOID lpvOutBuffer,
                                DWORD cbOutBuffer, LPDWORD lpcbBytesReturned, LPWSACOMPLETION lpCompletion,
                                LPWSATHREADID lpThreadId);

/* cbSize may end before NSPIoctl (80): then the provider has none. */
typedef struct _NSP_ROUTINE {
  DWORD cbSize;
  DWORD dwMajorVersion;
  DWORD dwMinorVersion;
  LPNSPCLEANUP NSPCleanup;
  LPNSPLOOKUPSERVICEBEGIN NSPLookupServiceBegin;
  LPNSPLOOKUPSERVICENEXT NSPLookupServiceNext;
  LPNSPLOOKUPSERVICEEND NSPLookupServiceEnd;
  LPNSPSETSERVICE NSPSetService;
  LPNSPINSTALLSERVICECLASS NSPInstallServiceClass;
  LPNSPREMOVESERVICECLASS NSPRemoveServiceClass;
  LPNSPGETSERVICECLASSINFO NSPGetServiceClassInfo;
  LPNSPIOCTL NSPIoctl;
} NSP_ROUTINE, *PNSP_ROUTINE, *LPNSP_ROUTINE;

NSP_ASSERT_SIZE(NSP_ROUTINE, 88);
NSP_ASSERT_ALIGNMENT(NSP_ROUTINE, 8);
NSP_ASSERT_OFFSET(NSP_ROUTINE, cbSize, 0);
NSP_ASSERT_OFFSET(NSP_ROUTINE, dwMajorVersion, 4);
NSP_ASSERT_OFFSET(NSP_ROUTINE, dwMinorVersion, 8);
NSP_ASSERT_OFFSET(NSP_ROUTINE, NSPCleanup, 16);
NSP_ASSERT_OFFSET(NSP_ROUTINE, NSPLookupServiceBegin, 24);
NSP_ASSERT_OFFSET(NSP_ROUTINE, NSPLookupServiceNext, 32);
NSP_ASSERT_OFFSET(NSP_ROUTINE, NSPLookupServiceEnd, 40);
NSP_ASSERT_OFFSET(NSP_ROUTINE, NSPSetService, 48);
NSP_ASSERT_OFFSET(NSP_ROUTINE, NSPInstallServiceClass, 56);
NSP_ASSERT_OFFSET(NSP_ROUTINE, NSPRemoveServiceClass, 64);
NSP_ASSERT_OFFSET(NSP_ROUTINE, NSPGetServiceClassInfo, 72);
NSP_ASSERT_OFFSET(NSP_ROUTINE, NSPIoctl, 80);

/* The table comes zeroed, with cbSize 88; the provider fills it and sets its own size and version. */
typedef INT(WSAAPI *LPNSPSTARTUP)(LPGUID lpProviderId, LPNSP_ROUTINE lpnspRoutines);

/* Completes one asynchronous call, once. Any thread, also from inside the routine that was given the handle; never re-enters the
   provider. iRetCode is 0, a code, or -1 for the calling thread's last error. On return the host has copied the record: it and
   all that it points to are no longer read. Returns 0, also when nobody waits any more, or SOCKET_ERROR with WSAEINVAL (NULL) or
   WSA_INVALID_HANDLE (completed before, or no handle of the host). (NSP §5.8, §10.1) */
NSP_EXPORT INT WSAAPI WSAProviderCompleteAsyncCall(HANDLE hAsyncCall, INT iRetCode);

/* Serves an installed provider from a routine table, which is copied before the call returns. Any thread. Returns 0, or
   SOCKET_ERROR with WSANOTINITIALISED, WSAEINVAL (NULL, a required routine missing, cbSize too small), WSAEINVALIDPROVIDER (not
   in the catalog), WSAEALREADY, WSAEACCES, WSA_NOT_ENOUGH_MEMORY or WSAEFAULT. (NSP §5.8) */
NSP_EXPORT INT WSAAPI WSAAdvertiseProvider(const GUID *puuidProviderId, const LPCNSPV2_ROUTINE pNSPv2Routine);

/* Takes an advertised provider back: no new calls, sessions ended with Cleanup. Any thread; returns when none of the provider's
   routines is running, except the one it is called from. Returns 0, or SOCKET_ERROR with WSAEINVAL (NULL), WSAEINVALIDPROVIDER
   (not advertised by this process) or WSANOTINITIALISED. (NSP §5.8) */
NSP_EXPORT INT WSAAPI WSAUnadvertiseProvider(const GUID *puuidProviderId);

/* The catalog, changed for good; for root and the host's own user alone. They need no WSAStartup. Each returns 0, or SOCKET_ERROR with
   WSAEACCES, WSAENETDOWN (no host), WSATRY_AGAIN (another change takes long), or what is said below; everything that is given is copied. A change counts for every program from
   then on. (NSP §8.8)

   Installs a provider: active, last in order. An empty path: it can only be advertised. Parts such as %NAME% of a path stand for
   variables of the host's environment; the file need not exist yet. WSAEINVAL: a NULL, NS_ALL, a relative path, a blob of NS_EMAIL that
   can't be read; WSANO_RECOVERY: the id is installed already, or the file is another provider's. */
NSP_EXPORT INT WSAAPI WSCInstallNameSpace(LPWSTR lpszIdentifier, LPWSTR lpszPathName, DWORD dwNameSpace, DWORD dwVersion, LPGUID lpProviderId);
NSP_EXPORT INT WSAAPI WSCInstallNameSpaceEx(LPWSTR lpszIdentifier, LPWSTR lpszPathName, DWORD dwNameSpace, DWORD dwVersion, LPGUID lpProviderId, LPBLOB lpProviderSpecific);
/* Its sessions are drained. WSAEFAULT: NULL; WSAEINVAL: there is none of this id; WSAEACCES also for one that was not installed: a file in a plugin
   directory, which goes when the file is removed, or the host's own. The host's log says what to do. */
NSP_EXPORT INT WSAAPI WSCUnInstallNameSpace(LPGUID lpProviderId);
/* A disabled provider stays in the catalog and gets neither queries nor registrations. WSAEFAULT: NULL; WSAEINVAL: unknown. */
NSP_EXPORT INT WSAAPI WSCEnableNSProvider(LPGUID lpProviderId, BOOL fEnable);
/* Returns the code itself. WSAEFAULT: NULL; WSAEINVAL, and nothing is changed: not each id of the catalog once; WSANO_RECOVERY: not
   permitted; WSATRY_AGAIN: another change is being made. */
NSP_EXPORT int WSAAPI WSCWriteNameSpaceOrder(LPGUID lpProviderId, DWORD dwNumberOfEntries);
#define WSCEnumNameSpaceProviders WSAEnumNameSpaceProvidersW
#define WSCEnumNameSpaceProvidersEx WSAEnumNameSpaceProvidersExW

NSP_EXTERN_C_END

#endif

/* What a hosted provider exports, under these very names. They are declared only where NSP_ROUTINE_PROTOTYPES is defined before this header, or
   one that includes it, is included: then a C++ provider's definitions get C names, all are exported whatever -fvisibility says, and the compiler
   checks them. Without it a provider may define them as its own documents have them, say with an int result, or use the names otherwise; in C++ it
   then writes extern "C", and with -fvisibility=hidden it says which are exported. The host finds them by their names alone, and reads no
   result of a VOID routine.
   The host calls them on its own threads, with all signals blocked, several at a time; none is called with a lock of the host held, so
   they may call back. The provider id belongs to the host, and is valid during the call. (NSP §5, §11) */
#if defined(NSP_ROUTINE_PROTOTYPES) && !defined(NSP_ROUTINE_PROTOTYPES_DECLARED)
#define NSP_ROUTINE_PROTOTYPES_DECLARED

NSP_EXTERN_C_BEGIN

/* First call for a client, once per session; every other call of the session comes after it has returned. Stores the session's
   argument, NULL on entry, which comes back bit for bit in all later calls of the session. A failure other than WSAEOPNOTSUPP
   leaves no session: neither Cleanup nor Rundown follows. (NSP §5.4, L2 to L7) */
NSP_EXPORT INT WSAAPI NSPv2Startup(LPGUID lpProviderId, LPVOID *ppvClientSessionArg);

/* Last call of a session that ended in good order, after every other call of it has returned; the argument is the provider's to
   free. The result is ignored. (L9, L12) */
NSP_EXPORT INT WSAAPI NSPv2Cleanup(LPGUID lpProviderId, LPVOID pvClientSessionArg);

/* Prepares a lookup and stores its handle, any value. May start work but not wait for it: this call can't be cancelled.
   lpqsRestrictions is the host's, valid during the call only. lpszContext is never NULL; lpszServiceInstanceName may be. Errors: WSAEINVAL, WSANO_DATA,
   WSASERVICE_NOT_FOUND, WSA_NOT_ENOUGH_MEMORY; after one, End is not called. (NSP §5.5) */
NSP_EXPORT INT WSAAPI NSPv2LookupServiceBegin(LPGUID lpProviderId, LPWSAQUERYSET2W lpqsRestrictions, DWORD dwControlFlags,
                                              LPVOID lpvClientSessionArg, LPHANDLE lphLookup);

/* Delivers one record by completing hAsyncCall exactly once, on any thread, before or after returning. The block, of
   *lpdwBufferLength bytes and aligned to 8, and the length are the provider's to write until then. Codes: 0; WSAEFAULT with the
   bytes needed in *lpdwBufferLength, to be asked for the same record again; WSA_E_NO_MORE; WSA_E_CANCELLED; any other ends this
   provider's part in the lookup. Never called twice at a time for one handle. (NSP §5.6) */
NSP_EXPORT VOID WSAAPI NSPv2LookupServiceNextEx(HANDLE hAsyncCall, HANDLE hLookup, DWORD dwControlFlags,
                                                LPDWORD lpdwBufferLength, LPWSAQUERYSET2W lpqsResults);

/* Frees the handle, once per successful Begin. May come on another thread during NextEx, whose call is then completed with
   WSA_E_CANCELLED, if later than this routine's return. The result is ignored. (NSP §5.6) */
NSP_EXPORT INT WSAAPI NSPv2LookupServiceEnd(HANDLE hLookup);

/* Registers, deregisters or deletes, and completes hAsyncCall exactly once, on any thread. lpqsRegInfo is the host's copy, to
   be read until then. Codes: 0, WSASERVICE_NOT_FOUND, WSAEACCES, WSAEINVAL, WSAEOPNOTSUPP, others. (NSP §5.7) */
NSP_EXPORT VOID WSAAPI NSPv2SetServiceEx(HANDLE hAsyncCall, LPGUID lpProviderId, LPWSAQUERYSET2W lpqsRegInfo,
                                         WSAESETSERVICEOP essOperation, DWORD dwControlFlags, LPVOID lpvClientSessionArg);

/* Last call of a session whose client vanished, in place of Cleanup and under the same terms; nobody is left to be told of an
   error. A provider without it gets Cleanup. (NSP §5.4, L10 to L12) */
NSP_EXPORT VOID WSAAPI NSPv2ClientSessionRundown(LPGUID lpProviderId, LPVOID pvClientSessionArg);

/* What an NSPv1 provider exports. (NSP §6.1) */
NSP_EXPORT INT WSAAPI NSPStartup(LPGUID lpProviderId, LPNSP_ROUTINE lpnspRoutines);

NSP_EXTERN_C_END

#endif
