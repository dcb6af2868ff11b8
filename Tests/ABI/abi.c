/* NSP-001 to NSP-004, NSP-007, NSP-009, NSP-010: every fact of facts.def, checked while compiling, against these headers or
   against those for Windows. Where the two are meant to differ, the difference itself is asserted. */
#include <stddef.h>
#ifdef __MINGW32__
#include <winsock2.h>
#include <windows.h>
#include <ws2tcpip.h>
#include <ws2spi.h>
#include <nspapi.h>
#include <svcguid.h>
#include <nsemail.h>
#else
#include "nsphost.h"
#include "nsemail.h"
#include "svcguid.h"
#endif

#define SAME_TYPE(expression, type) _Generic((expression), type: 1, default: 0)
/* The result type of a function pointer type; the arguments are never evaluated. */
#define MEMBER(type, member) (((type *)0)->member)

#ifdef __MINGW32__

/* Newer names that mingw-w64 10 lacks: supplied, so that the table below is whole. Once it has one, this file must learn of it. */
#if defined(NS_LOCALNAME) || defined(LUP_RETURN_RESPONSE_FLAGS) || defined(LUP_RESERVED_UNUSED) ||                \
    defined(LUP_EXTENDED_QUERYSET) || defined(LUP_SECURE_WITH_FALLBACK) || defined(LUP_EXCLUSIVE_CUSTOM_SERVERS) || \
    defined(LUP_REQUIRE_SECURE) || defined(LUP_RETURN_TTL) || defined(LUP_FORCE_CLEAR_TEXT)
#error "mingw-w64 has gained a name of this list: take it off"
#endif
#define NS_LOCALNAME 19
#define LUP_RETURN_RESPONSE_FLAGS 0x00040000
#define LUP_RESERVED_UNUSED 0x00080000
#define LUP_EXTENDED_QUERYSET 0x02000000
#define LUP_SECURE_WITH_FALLBACK 0x04000000
#define LUP_EXCLUSIVE_CUSTOM_SERVERS 0x08000000
#define LUP_REQUIRE_SECURE 0x10000000
#define LUP_RETURN_TTL 0x20000000
#define LUP_FORCE_CLEAR_TEXT 0x40000000
/* NSP §14.3: nor has it the neutral names; with them, this redefines a type and stops. */
typedef struct Absent *WSAQUERYSET2;
typedef struct Absent *PWSAQUERYSET2;
typedef struct Absent *LPWSAQUERYSET2;
/* NSP §3: and neither of these two aliases. */
typedef struct Absent *LPNSPV2_ROUTINE;
typedef struct Absent *PCNSPV2_ROUTINE;

/* NSP §5.1, §18 row 1: there all seven v2 routines are int. */
#define RESULT_OF_VOID_ROUTINE int
/* NSP §2: the address families are each system's own, and so is struct timeval. */
#define EXPECTED_AF_INET6 23
#define EXPECTED_TIMEVAL 8
/* NSP §18 row 35: lpszContext of WSAQUERYSET2W is an LPTSTR there, char * without UNICODE. */
#ifdef UNICODE
#define CONTEXT_OF_QUERYSET2W WCHAR *
#else
#define CONTEXT_OF_QUERYSET2W char *
#endif
/* NSP §5.8, §18 row 14: a pointer too many there. */
#define ADVERTISED_TABLE const LPCNSPV2_ROUTINE *
/* NSP §3: LPCNSPV2_ROUTINE has no const there. */
#define CONST_ROUTINE_POINTER NSPV2_ROUTINE *

#else

#include <sys/time.h>
#define RESULT_OF_VOID_ROUTINE void
#define EXPECTED_AF_INET6 10
#define EXPECTED_TIMEVAL 16
#define CONTEXT_OF_QUERYSET2W WCHAR *
#define ADVERTISED_TABLE LPCNSPV2_ROUTINE
#define CONST_ROUTINE_POINTER const NSPV2_ROUTINE *

#endif

#define STRUCT(type, size, alignment)                                          \
  _Static_assert(sizeof(type) == (size), "NSP-001 size of " #type);            \
  _Static_assert(_Alignof(type) == (alignment), "NSP-001 alignment of " #type);
#define FIELD(type, member, offset, size)                                                        \
  _Static_assert(offsetof(type, member) == (offset), "NSP-001 offset of " #type "." #member);    \
  _Static_assert(sizeof(MEMBER(type, member)) == (size), "NSP-001 size of " #type "." #member);
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), "NSP-003 size of " #type);
#define ALIAS(pointer, type) _Static_assert(SAME_TYPE((pointer)0, type *), #pointer " points to " #type);
#define CONSTANT(name, value) _Static_assert((long long)(name) == (value), "NSP-009 value of " #name);
#include "facts.def"

/* The signs of what is compared as a number above. NSP §2. */
_Static_assert((DWORD)-1 > 0 && (WORD)-1 > 0 && (BYTE)-1 > 0 && (ULONG_PTR)-1 > 0 && (SOCKET)-1 > 0 && (WCHAR)-1 > 0, "unsigned");
_Static_assert((LONG)-1 < 0 && (INT)-1 < 0 && (BOOL)-1 < 0 && (HRESULT)-1 < 0, "signed");
_Static_assert(INVALID_SOCKET == (SOCKET)-1, "INVALID_SOCKET is all ones");
_Static_assert(NO_ERROR == 0 && SOCKET_ERROR == -1, "NSP-004");
_Static_assert(LUP_RES_SERVICE == LUP_SECURE, "NSP-009");
_Static_assert(MAKEWORD(2, 1) == 0x0102, "MAKEWORD");

/* Meant to differ. */
_Static_assert(AF_INET6 == EXPECTED_AF_INET6, "AF_INET6 is the system's own");
_Static_assert(sizeof(struct timeval) == EXPECTED_TIMEVAL, "struct timeval is the system's own");
_Static_assert(SAME_TYPE(MEMBER(WSAQUERYSET2W, lpszContext), CONTEXT_OF_QUERYSET2W), "lpszContext");
_Static_assert(SAME_TYPE((LPCNSPV2_ROUTINE)0, CONST_ROUTINE_POINTER), "LPCNSPV2_ROUTINE");
_Static_assert(SAME_TYPE(&WSAAdvertiseProvider, INT(WSAAPI *)(const GUID *, ADVERTISED_TABLE)), "WSAAdvertiseProvider");

#define TAKES(member, result, ...) \
  _Static_assert(SAME_TYPE(MEMBER(NSPV2_ROUTINE, member), result(WSAAPI *)(__VA_ARGS__)), "NSP-005 type of " #member);
TAKES(NSPv2Startup, INT, LPGUID, LPVOID *)
TAKES(NSPv2Cleanup, INT, LPGUID, LPVOID)
TAKES(NSPv2LookupServiceBegin, INT, LPGUID, LPWSAQUERYSET2W, DWORD, LPVOID, LPHANDLE)
TAKES(NSPv2LookupServiceNextEx, RESULT_OF_VOID_ROUTINE, HANDLE, HANDLE, DWORD, LPDWORD, LPWSAQUERYSET2W)
TAKES(NSPv2LookupServiceEnd, INT, HANDLE)
TAKES(NSPv2SetServiceEx, RESULT_OF_VOID_ROUTINE, HANDLE, LPGUID, LPWSAQUERYSET2W, WSAESETSERVICEOP, DWORD, LPVOID)
TAKES(NSPv2ClientSessionRundown, RESULT_OF_VOID_ROUTINE, LPGUID, LPVOID)
#undef TAKES

#define TAKES(member, ...) \
  _Static_assert(SAME_TYPE(MEMBER(NSP_ROUTINE, member), INT(WSAAPI *)(__VA_ARGS__)), "type of " #member);
TAKES(NSPCleanup, LPGUID)
TAKES(NSPLookupServiceBegin, LPGUID, LPWSAQUERYSETW, LPWSASERVICECLASSINFOW, DWORD, LPHANDLE)
TAKES(NSPLookupServiceNext, HANDLE, DWORD, LPDWORD, LPWSAQUERYSETW)
TAKES(NSPLookupServiceEnd, HANDLE)
TAKES(NSPSetService, LPGUID, LPWSASERVICECLASSINFOW, LPWSAQUERYSETW, WSAESETSERVICEOP, DWORD)
TAKES(NSPInstallServiceClass, LPGUID, LPWSASERVICECLASSINFOW)
TAKES(NSPRemoveServiceClass, LPGUID, LPGUID)
TAKES(NSPGetServiceClassInfo, LPGUID, LPDWORD, LPWSASERVICECLASSINFOW)
TAKES(NSPIoctl, HANDLE, DWORD, LPVOID, DWORD, LPVOID, DWORD, LPDWORD, LPWSACOMPLETION, LPWSATHREADID)
_Static_assert(SAME_TYPE((LPNSPSTARTUP)0, INT(WSAAPI *)(LPGUID, LPNSP_ROUTINE)), "LPNSPSTARTUP");
_Static_assert(SAME_TYPE(&WSAProviderCompleteAsyncCall, INT(WSAAPI *)(HANDLE, INT)), "WSAProviderCompleteAsyncCall");
_Static_assert(SAME_TYPE(&WSAUnadvertiseProvider, INT(WSAAPI *)(const GUID *)), "WSAUnadvertiseProvider");

#ifndef __MINGW32__
#ifdef UNICODE
#define NEUTRAL(name) _Static_assert(SAME_TYPE((name *)0, name##W *), #name);
#else
#define NEUTRAL(name) _Static_assert(SAME_TYPE((name *)0, name##A *), #name);
#endif
NEUTRAL(WSAQUERYSET) NEUTRAL(PWSAQUERYSET) NEUTRAL(LPWSAQUERYSET)
NEUTRAL(WSAQUERYSET2) NEUTRAL(PWSAQUERYSET2) NEUTRAL(LPWSAQUERYSET2)
NEUTRAL(WSASERVICECLASSINFO) NEUTRAL(WSANSCLASSINFO) NEUTRAL(WSANAMESPACE_INFO) NEUTRAL(WSANAMESPACE_INFOEX)
_Static_assert(SAME_TYPE((LPNSPV2_ROUTINE)0, NSPV2_ROUTINE *), "LPNSPV2_ROUTINE");
_Static_assert(SAME_TYPE((PCNSPV2_ROUTINE)0, const NSPV2_ROUTINE *), "PCNSPV2_ROUTINE");
#endif
