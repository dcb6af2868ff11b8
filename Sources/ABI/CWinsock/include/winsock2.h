/* The name service part of Winsock 2: query sets, service classes, name spaces, lookup flags and error codes.
   Structures exist in A (char) and W (UTF-16) forms of the same layout; only the W forms reach providers. */
#ifndef NSP_WINSOCK2_H
#define NSP_WINSOCK2_H

#include "windef.h"
#include "ws2def.h"

NSP_EXTERN_C_BEGIN

#define NO_ERROR 0
#define ERROR_SUCCESS 0
#define SOCKET_ERROR (-1)
#define INVALID_SOCKET (~(SOCKET)0)
#define WAIT_OBJECT_0 0
#define WAIT_TIMEOUT 258
#define INFINITE 0xFFFFFFFF

/* Error codes. WSAENOMORE and WSAECANCELLED are the first release's numbers for WSA_E_NO_MORE and WSA_E_CANCELLED: accepted
   from providers, never produced. */
#define WSA_INVALID_HANDLE 6
#define WSA_NOT_ENOUGH_MEMORY 8
#define WSA_INVALID_PARAMETER 87
#define WSA_OPERATION_ABORTED 995
#define WSA_IO_INCOMPLETE 996
#define WSA_IO_PENDING 997
#define WSAEINTR 10004
#define WSAEBADF 10009
#define WSAEACCES 10013
#define WSAEFAULT 10014
#define WSAEINVAL 10022
#define WSAEMFILE 10024
#define WSAEWOULDBLOCK 10035
#define WSAEINPROGRESS 10036
#define WSAEALREADY 10037
#define WSAENOTSOCK 10038
#define WSAEMSGSIZE 10040
#define WSAESOCKTNOSUPPORT 10044
#define WSAEOPNOTSUPP 10045
#define WSAEAFNOSUPPORT 10047
#define WSAENETDOWN 10050
#define WSAENOBUFS 10055
#define WSAETOOMANYREFS 10059
#define WSAETIMEDOUT 10060
#define WSAECONNREFUSED 10061
#define WSAEPROCLIM 10067
#define WSASYSNOTREADY 10091
#define WSAVERNOTSUPPORTED 10092
#define WSANOTINITIALISED 10093
#define WSAENOMORE 10102
#define WSAECANCELLED 10103
#define WSAEINVALIDPROCTABLE 10104
#define WSAEINVALIDPROVIDER 10105
#define WSAEPROVIDERFAILEDINIT 10106
#define WSASYSCALLFAILURE 10107
#define WSASERVICE_NOT_FOUND 10108
#define WSATYPE_NOT_FOUND 10109
#define WSA_E_NO_MORE 10110
#define WSA_E_CANCELLED 10111
#define WSAEREFUSED 10112
#define WSAHOST_NOT_FOUND 11001
#define WSATRY_AGAIN 11002
#define WSANO_RECOVERY 11003
#define WSANO_DATA 11004
#define WSANO_ADDRESS WSANO_DATA

/* Name spaces. NS_ALL is for requests only: no provider has it. */
#define NS_ALL 0
#define NS_SAP 1
#define NS_NDS 2
#define NS_PEER_BROWSE 3
#define NS_SLP 5
#define NS_DHCP 6
#define NS_TCPIP_LOCAL 10
#define NS_TCPIP_HOSTS 11
#define NS_DNS 12
#define NS_NETBT 13
#define NS_WINS 14
#define NS_NLA 15
#define NS_BTH 16
#define NS_LOCALNAME 19
#define NS_NBP 20
#define NS_MS 30
#define NS_STDA 31
#define NS_NTDS 32
#define NS_EMAIL 37
#define NS_PNRPNAME 38
#define NS_PNRPCLOUD 39
#define NS_X500 40
#define NS_NIS 41
#define NS_NISPLUS 42
#define NS_WRQ 50
#define NS_NETDES 60
#define NS_DEFAULT NS_ALL

/* Lookup flags. LUP_RES_SERVICE and LUP_SECURE share a bit: the kind of query decides which is meant. */
#define LUP_DEEP 0x00000001
#define LUP_CONTAINERS 0x00000002
#define LUP_NOCONTAINERS 0x00000004
#define LUP_NEAREST 0x00000008
#define LUP_RETURN_NAME 0x00000010
#define LUP_RETURN_TYPE 0x00000020
#define LUP_RETURN_VERSION 0x00000040
#define LUP_RETURN_COMMENT 0x00000080
#define LUP_RETURN_ADDR 0x00000100
#define LUP_RETURN_BLOB 0x00000200
#define LUP_RETURN_ALIASES 0x00000400
#define LUP_RETURN_QUERY_STRING 0x00000800
#define LUP_RETURN_ALL 0x00000FF0
#define LUP_FLUSHCACHE 0x00001000
#define LUP_FLUSHPREVIOUS 0x00002000
#define LUP_NON_AUTHORITATIVE 0x00004000
#define LUP_RES_SERVICE 0x00008000
#define LUP_RES_RESERVICE 0x00008000
#define LUP_SECURE 0x00008000
#define LUP_RETURN_PREFERRED_NAMES 0x00010000
#define LUP_DNS_ONLY 0x00020000
#define LUP_RETURN_RESPONSE_FLAGS 0x00040000
#define LUP_RESERVED_UNUSED 0x00080000
#define LUP_ADDRCONFIG 0x00100000
#define LUP_DUAL_ADDR 0x00200000
#define LUP_FILESERVER 0x00400000
#define LUP_DISABLE_IDN_ENCODING 0x00800000
#define LUP_API_ANSI 0x01000000
#define LUP_EXTENDED_QUERYSET 0x02000000
#define LUP_SECURE_WITH_FALLBACK 0x04000000
#define LUP_EXCLUSIVE_CUSTOM_SERVERS 0x08000000
#define LUP_REQUIRE_SECURE 0x10000000
#define LUP_RETURN_TTL 0x20000000
#define LUP_FORCE_CLEAR_TEXT 0x40000000
#define LUP_RESOLUTION_HANDLE 0x80000000

/* Flags of a result (dwOutputFlags). */
#define RESULT_IS_ALIAS 0x0001
#define RESULT_IS_ADDED 0x0010
#define RESULT_IS_CHANGED 0x0020
#define RESULT_IS_DELETED 0x0040

/* Registration flags: add to, or take from, the set of addresses instead of replacing it. */
#define SERVICE_MULTIPLE 0x00000001

/* Control codes: IOC_IN | IOC_WS2 | 25, written out so that Swift sees a number. */
#define IOC_IN 0x80000000
#define IOC_WS2 0x08000000
#define SIO_NSP_NOTIFY_CHANGE 0x88000019

/* Names of class values. Compared without regard to case. */
#define SERVICE_TYPE_VALUE_SAPIDA "SapId"
#define SERVICE_TYPE_VALUE_SAPIDW NSP_WIDE("SapId")
#define SERVICE_TYPE_VALUE_TCPPORTA "TcpPort"
#define SERVICE_TYPE_VALUE_TCPPORTW NSP_WIDE("TcpPort")
#define SERVICE_TYPE_VALUE_UDPPORTA "UdpPort"
#define SERVICE_TYPE_VALUE_UDPPORTW NSP_WIDE("UdpPort")
#define SERVICE_TYPE_VALUE_OBJECTIDA "ObjectId"
#define SERVICE_TYPE_VALUE_OBJECTIDW NSP_WIDE("ObjectId")
#define SERVICE_TYPE_VALUE_IPXPORTA "IpxSocket"
#define SERVICE_TYPE_VALUE_IPXPORTW NSP_WIDE("IpxSocket")
#ifdef UNICODE
#define SERVICE_TYPE_VALUE_SAPID SERVICE_TYPE_VALUE_SAPIDW
#define SERVICE_TYPE_VALUE_TCPPORT SERVICE_TYPE_VALUE_TCPPORTW
#define SERVICE_TYPE_VALUE_UDPPORT SERVICE_TYPE_VALUE_UDPPORTW
#define SERVICE_TYPE_VALUE_OBJECTID SERVICE_TYPE_VALUE_OBJECTIDW
#else
#define SERVICE_TYPE_VALUE_SAPID SERVICE_TYPE_VALUE_SAPIDA
#define SERVICE_TYPE_VALUE_TCPPORT SERVICE_TYPE_VALUE_TCPPORTA
#define SERVICE_TYPE_VALUE_UDPPORT SERVICE_TYPE_VALUE_UDPPORTA
#define SERVICE_TYPE_VALUE_OBJECTID SERVICE_TYPE_VALUE_OBJECTIDA
#endif

/* Types of class values. */
#define REG_NONE 0
#define REG_SZ 1
#define REG_EXPAND_SZ 2
#define REG_BINARY 3
#define REG_DWORD 4
#define REG_DWORD_BIG_ENDIAN 5
#define REG_LINK 6
#define REG_MULTI_SZ 7
#define REG_QWORD 11

typedef enum _WSAESETSERVICEOP {
  RNRSERVICE_REGISTER = 0,
  RNRSERVICE_DEREGISTER = 1,
  RNRSERVICE_DELETE = 2
} WSAESETSERVICEOP, *PWSAESETSERVICEOP, *LPWSAESETSERVICEOP;

typedef enum _WSAEcomparator { COMP_EQUAL = 0, COMP_NOTLESS = 1 } WSAECOMPARATOR, *PWSAECOMPARATOR, *LPWSAECOMPARATOR;

NSP_ASSERT_SIZE(WSAESETSERVICEOP, 4);
NSP_ASSERT_SIZE(WSAECOMPARATOR, 4);

typedef struct _WSAVersion {
  DWORD dwVersion;
  WSAECOMPARATOR ecHow;
} WSAVERSION, *PWSAVERSION, *LPWSAVERSION;

NSP_ASSERT_SIZE(WSAVERSION, 8);
NSP_ASSERT_ALIGNMENT(WSAVERSION, 4);
NSP_ASSERT_OFFSET(WSAVERSION, dwVersion, 0);
NSP_ASSERT_OFFSET(WSAVERSION, ecHow, 4);

/* A query, a registration or a result. Counts are numbers of elements. Whoever passes one on owns it and all that it points to;
   the other side copies what it keeps. A record written into a block points into that block, and nothing is freed. (NSP §9) */
typedef struct _WSAQuerySetA {
  DWORD dwSize;
  LPSTR lpszServiceInstanceName;
  LPGUID lpServiceClassId;
  LPWSAVERSION lpVersion;
  LPSTR lpszComment;
  DWORD dwNameSpace;
  LPGUID lpNSProviderId;
  LPSTR lpszContext;
  DWORD dwNumberOfProtocols;
  LPAFPROTOCOLS lpafpProtocols;
  LPSTR lpszQueryString;
  DWORD dwNumberOfCsAddrs;
  LPCSADDR_INFO lpcsaBuffer;
  DWORD dwOutputFlags;
  LPBLOB lpBlob;
} WSAQUERYSETA, *PWSAQUERYSETA, *LPWSAQUERYSETA;

NSP_ASSERT_SIZE(WSAQUERYSETA, 120);
NSP_ASSERT_ALIGNMENT(WSAQUERYSETA, 8);
NSP_ASSERT_OFFSET(WSAQUERYSETA, dwSize, 0);
NSP_ASSERT_OFFSET(WSAQUERYSETA, lpszServiceInstanceName, 8);
NSP_ASSERT_OFFSET(WSAQUERYSETA, lpServiceClassId, 16);
NSP_ASSERT_OFFSET(WSAQUERYSETA, lpVersion, 24);
NSP_ASSERT_OFFSET(WSAQUERYSETA, lpszComment, 32);
NSP_ASSERT_OFFSET(WSAQUERYSETA, dwNameSpace, 40);
NSP_ASSERT_OFFSET(WSAQUERYSETA, lpNSProviderId, 48);
NSP_ASSERT_OFFSET(WSAQUERYSETA, lpszContext, 56);
NSP_ASSERT_OFFSET(WSAQUERYSETA, dwNumberOfProtocols, 64);
NSP_ASSERT_OFFSET(WSAQUERYSETA, lpafpProtocols, 72);
NSP_ASSERT_OFFSET(WSAQUERYSETA, lpszQueryString, 80);
NSP_ASSERT_OFFSET(WSAQUERYSETA, dwNumberOfCsAddrs, 88);
NSP_ASSERT_OFFSET(WSAQUERYSETA, lpcsaBuffer, 96);
NSP_ASSERT_OFFSET(WSAQUERYSETA, dwOutputFlags, 104);
NSP_ASSERT_OFFSET(WSAQUERYSETA, lpBlob, 112);

/* The same for NSPv2 providers: without a service class. dwSize is 112. (NSP §5.5) */
typedef struct _WSAQuerySet2A {
  DWORD dwSize;
  LPSTR lpszServiceInstanceName;
  LPWSAVERSION lpVersion;
  LPSTR lpszComment;
  DWORD dwNameSpace;
  LPGUID lpNSProviderId;
  LPSTR lpszContext;
  DWORD dwNumberOfProtocols;
  LPAFPROTOCOLS lpafpProtocols;
  LPSTR lpszQueryString;
  DWORD dwNumberOfCsAddrs;
  LPCSADDR_INFO lpcsaBuffer;
  DWORD dwOutputFlags;
  LPBLOB lpBlob;
} WSAQUERYSET2A, *PWSAQUERYSET2A, *LPWSAQUERYSET2A;

NSP_ASSERT_SIZE(WSAQUERYSET2A, 112);
NSP_ASSERT_ALIGNMENT(WSAQUERYSET2A, 8);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, dwSize, 0);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, lpszServiceInstanceName, 8);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, lpVersion, 16);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, lpszComment, 24);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, dwNameSpace, 32);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, lpNSProviderId, 40);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, lpszContext, 48);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, dwNumberOfProtocols, 56);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, lpafpProtocols, 64);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, lpszQueryString, 72);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, dwNumberOfCsAddrs, 80);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, lpcsaBuffer, 88);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, dwOutputFlags, 96);
NSP_ASSERT_OFFSET(WSAQUERYSET2A, lpBlob, 104);

typedef struct _WSANSClassInfoA {
  LPSTR lpszName;
  DWORD dwNameSpace;
  DWORD dwValueType;
  DWORD dwValueSize;
  LPVOID lpValue;
} WSANSCLASSINFOA, *PWSANSCLASSINFOA, *LPWSANSCLASSINFOA;

NSP_ASSERT_SIZE(WSANSCLASSINFOA, 32);
NSP_ASSERT_ALIGNMENT(WSANSCLASSINFOA, 8);
NSP_ASSERT_OFFSET(WSANSCLASSINFOA, lpszName, 0);
NSP_ASSERT_OFFSET(WSANSCLASSINFOA, dwNameSpace, 8);
NSP_ASSERT_OFFSET(WSANSCLASSINFOA, dwValueType, 12);
NSP_ASSERT_OFFSET(WSANSCLASSINFOA, dwValueSize, 16);
NSP_ASSERT_OFFSET(WSANSCLASSINFOA, lpValue, 24);

typedef struct _WSAServiceClassInfoA {
  LPGUID lpServiceClassId;
  LPSTR lpszServiceClassName;
  DWORD dwCount;
  LPWSANSCLASSINFOA lpClassInfos;
} WSASERVICECLASSINFOA, *PWSASERVICECLASSINFOA, *LPWSASERVICECLASSINFOA;

NSP_ASSERT_SIZE(WSASERVICECLASSINFOA, 32);
NSP_ASSERT_ALIGNMENT(WSASERVICECLASSINFOA, 8);
NSP_ASSERT_OFFSET(WSASERVICECLASSINFOA, lpServiceClassId, 0);
NSP_ASSERT_OFFSET(WSASERVICECLASSINFOA, lpszServiceClassName, 8);
NSP_ASSERT_OFFSET(WSASERVICECLASSINFOA, dwCount, 16);
NSP_ASSERT_OFFSET(WSASERVICECLASSINFOA, lpClassInfos, 24);

typedef struct _WSANAMESPACE_INFOA {
  GUID NSProviderId;
  DWORD dwNameSpace;
  BOOL fActive;
  DWORD dwVersion;
  LPSTR lpszIdentifier;
} WSANAMESPACE_INFOA, *PWSANAMESPACE_INFOA, *LPWSANAMESPACE_INFOA;

NSP_ASSERT_SIZE(WSANAMESPACE_INFOA, 40);
NSP_ASSERT_ALIGNMENT(WSANAMESPACE_INFOA, 8);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOA, NSProviderId, 0);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOA, dwNameSpace, 16);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOA, fActive, 20);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOA, dwVersion, 24);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOA, lpszIdentifier, 32);

typedef struct _WSANAMESPACE_INFOEXA {
  GUID NSProviderId;
  DWORD dwNameSpace;
  BOOL fActive;
  DWORD dwVersion;
  LPSTR lpszIdentifier;
  BLOB ProviderSpecific;
} WSANAMESPACE_INFOEXA, *PWSANAMESPACE_INFOEXA, *LPWSANAMESPACE_INFOEXA;

NSP_ASSERT_SIZE(WSANAMESPACE_INFOEXA, 56);
NSP_ASSERT_ALIGNMENT(WSANAMESPACE_INFOEXA, 8);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXA, NSProviderId, 0);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXA, dwNameSpace, 16);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXA, fActive, 20);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXA, dwVersion, 24);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXA, lpszIdentifier, 32);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXA, ProviderSpecific, 40);

typedef struct _WSAQuerySetW {
  DWORD dwSize;
  LPWSTR lpszServiceInstanceName;
  LPGUID lpServiceClassId;
  LPWSAVERSION lpVersion;
  LPWSTR lpszComment;
  DWORD dwNameSpace;
  LPGUID lpNSProviderId;
  LPWSTR lpszContext;
  DWORD dwNumberOfProtocols;
  LPAFPROTOCOLS lpafpProtocols;
  LPWSTR lpszQueryString;
  DWORD dwNumberOfCsAddrs;
  LPCSADDR_INFO lpcsaBuffer;
  DWORD dwOutputFlags;
  LPBLOB lpBlob;
} WSAQUERYSETW, *PWSAQUERYSETW, *LPWSAQUERYSETW;

NSP_ASSERT_SIZE(WSAQUERYSETW, 120);
NSP_ASSERT_ALIGNMENT(WSAQUERYSETW, 8);
NSP_ASSERT_OFFSET(WSAQUERYSETW, dwSize, 0);
NSP_ASSERT_OFFSET(WSAQUERYSETW, lpszServiceInstanceName, 8);
NSP_ASSERT_OFFSET(WSAQUERYSETW, lpServiceClassId, 16);
NSP_ASSERT_OFFSET(WSAQUERYSETW, lpVersion, 24);
NSP_ASSERT_OFFSET(WSAQUERYSETW, lpszComment, 32);
NSP_ASSERT_OFFSET(WSAQUERYSETW, dwNameSpace, 40);
NSP_ASSERT_OFFSET(WSAQUERYSETW, lpNSProviderId, 48);
NSP_ASSERT_OFFSET(WSAQUERYSETW, lpszContext, 56);
NSP_ASSERT_OFFSET(WSAQUERYSETW, dwNumberOfProtocols, 64);
NSP_ASSERT_OFFSET(WSAQUERYSETW, lpafpProtocols, 72);
NSP_ASSERT_OFFSET(WSAQUERYSETW, lpszQueryString, 80);
NSP_ASSERT_OFFSET(WSAQUERYSETW, dwNumberOfCsAddrs, 88);
NSP_ASSERT_OFFSET(WSAQUERYSETW, lpcsaBuffer, 96);
NSP_ASSERT_OFFSET(WSAQUERYSETW, dwOutputFlags, 104);
NSP_ASSERT_OFFSET(WSAQUERYSETW, lpBlob, 112);

typedef struct _WSAQuerySet2W {
  DWORD dwSize;
  LPWSTR lpszServiceInstanceName;
  LPWSAVERSION lpVersion;
  LPWSTR lpszComment;
  DWORD dwNameSpace;
  LPGUID lpNSProviderId;
  LPWSTR lpszContext;
  DWORD dwNumberOfProtocols;
  LPAFPROTOCOLS lpafpProtocols;
  LPWSTR lpszQueryString;
  DWORD dwNumberOfCsAddrs;
  LPCSADDR_INFO lpcsaBuffer;
  DWORD dwOutputFlags;
  LPBLOB lpBlob;
} WSAQUERYSET2W, *PWSAQUERYSET2W, *LPWSAQUERYSET2W;

NSP_ASSERT_SIZE(WSAQUERYSET2W, 112);
NSP_ASSERT_ALIGNMENT(WSAQUERYSET2W, 8);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, dwSize, 0);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, lpszServiceInstanceName, 8);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, lpVersion, 16);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, lpszComment, 24);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, dwNameSpace, 32);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, lpNSProviderId, 40);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, lpszContext, 48);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, dwNumberOfProtocols, 56);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, lpafpProtocols, 64);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, lpszQueryString, 72);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, dwNumberOfCsAddrs, 80);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, lpcsaBuffer, 88);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, dwOutputFlags, 96);
NSP_ASSERT_OFFSET(WSAQUERYSET2W, lpBlob, 104);

typedef struct _WSANSClassInfoW {
  LPWSTR lpszName;
  DWORD dwNameSpace;
  DWORD dwValueType;
  DWORD dwValueSize;
  LPVOID lpValue;
} WSANSCLASSINFOW, *PWSANSCLASSINFOW, *LPWSANSCLASSINFOW;

NSP_ASSERT_SIZE(WSANSCLASSINFOW, 32);
NSP_ASSERT_ALIGNMENT(WSANSCLASSINFOW, 8);
NSP_ASSERT_OFFSET(WSANSCLASSINFOW, lpszName, 0);
NSP_ASSERT_OFFSET(WSANSCLASSINFOW, dwNameSpace, 8);
NSP_ASSERT_OFFSET(WSANSCLASSINFOW, dwValueType, 12);
NSP_ASSERT_OFFSET(WSANSCLASSINFOW, dwValueSize, 16);
NSP_ASSERT_OFFSET(WSANSCLASSINFOW, lpValue, 24);

typedef struct _WSAServiceClassInfoW {
  LPGUID lpServiceClassId;
  LPWSTR lpszServiceClassName;
  DWORD dwCount;
  LPWSANSCLASSINFOW lpClassInfos;
} WSASERVICECLASSINFOW, *PWSASERVICECLASSINFOW, *LPWSASERVICECLASSINFOW;

NSP_ASSERT_SIZE(WSASERVICECLASSINFOW, 32);
NSP_ASSERT_ALIGNMENT(WSASERVICECLASSINFOW, 8);
NSP_ASSERT_OFFSET(WSASERVICECLASSINFOW, lpServiceClassId, 0);
NSP_ASSERT_OFFSET(WSASERVICECLASSINFOW, lpszServiceClassName, 8);
NSP_ASSERT_OFFSET(WSASERVICECLASSINFOW, dwCount, 16);
NSP_ASSERT_OFFSET(WSASERVICECLASSINFOW, lpClassInfos, 24);

typedef struct _WSANAMESPACE_INFOW {
  GUID NSProviderId;
  DWORD dwNameSpace;
  BOOL fActive;
  DWORD dwVersion;
  LPWSTR lpszIdentifier;
} WSANAMESPACE_INFOW, *PWSANAMESPACE_INFOW, *LPWSANAMESPACE_INFOW;

NSP_ASSERT_SIZE(WSANAMESPACE_INFOW, 40);
NSP_ASSERT_ALIGNMENT(WSANAMESPACE_INFOW, 8);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOW, NSProviderId, 0);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOW, dwNameSpace, 16);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOW, fActive, 20);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOW, dwVersion, 24);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOW, lpszIdentifier, 32);

typedef struct _WSANAMESPACE_INFOEXW {
  GUID NSProviderId;
  DWORD dwNameSpace;
  BOOL fActive;
  DWORD dwVersion;
  LPWSTR lpszIdentifier;
  BLOB ProviderSpecific;
} WSANAMESPACE_INFOEXW, *PWSANAMESPACE_INFOEXW, *LPWSANAMESPACE_INFOEXW;

NSP_ASSERT_SIZE(WSANAMESPACE_INFOEXW, 56);
NSP_ASSERT_ALIGNMENT(WSANAMESPACE_INFOEXW, 8);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXW, NSProviderId, 0);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXW, dwNameSpace, 16);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXW, fActive, 20);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXW, dwVersion, 24);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXW, lpszIdentifier, 32);
NSP_ASSERT_OFFSET(WSANAMESPACE_INFOEXW, ProviderSpecific, 40);

/* How a change notification is to be told of its completion. (NSP §8.7) */
typedef struct _OVERLAPPED {
  ULONG_PTR Internal;
  ULONG_PTR InternalHigh;
  __extension__ union {
    __extension__ struct {
      DWORD Offset;
      DWORD OffsetHigh;
    };
    PVOID Pointer;
  };
  HANDLE hEvent;
} OVERLAPPED, *LPOVERLAPPED;

typedef OVERLAPPED WSAOVERLAPPED;
typedef LPOVERLAPPED LPWSAOVERLAPPED;

NSP_ASSERT_SIZE(OVERLAPPED, 32);
NSP_ASSERT_ALIGNMENT(OVERLAPPED, 8);
NSP_ASSERT_OFFSET(OVERLAPPED, Internal, 0);
NSP_ASSERT_OFFSET(OVERLAPPED, InternalHigh, 8);
NSP_ASSERT_OFFSET(OVERLAPPED, Offset, 16);
NSP_ASSERT_OFFSET(OVERLAPPED, OffsetHigh, 20);
NSP_ASSERT_OFFSET(OVERLAPPED, Pointer, 16);
NSP_ASSERT_OFFSET(OVERLAPPED, hEvent, 24);

typedef VOID(CALLBACK *LPWSAOVERLAPPED_COMPLETION_ROUTINE)(DWORD dwError, DWORD cbTransferred, LPWSAOVERLAPPED lpOverlapped,
                                                           DWORD dwFlags);

typedef enum _WSACOMPLETIONTYPE {
  NSP_NOTIFY_IMMEDIATELY = 0,
  NSP_NOTIFY_HWND = 1,
  NSP_NOTIFY_EVENT = 2,
  NSP_NOTIFY_PORT = 3,
  NSP_NOTIFY_APC = 4
} WSACOMPLETIONTYPE, *PWSACOMPLETIONTYPE, *LPWSACOMPLETIONTYPE;

NSP_ASSERT_SIZE(WSACOMPLETIONTYPE, 4);

typedef struct _WSACOMPLETION {
  WSACOMPLETIONTYPE Type;
  union {
    struct {
      HWND hWnd;
      UINT uMsg;
      WPARAM context;
    } WindowMessage;
    struct {
      LPWSAOVERLAPPED lpOverlapped;
    } Event;
    struct {
      LPWSAOVERLAPPED lpOverlapped;
      LPWSAOVERLAPPED_COMPLETION_ROUTINE lpfnCompletionProc;
    } Apc;
    struct {
      LPWSAOVERLAPPED lpOverlapped;
      HANDLE hPort;
      ULONG_PTR Key;
    } Port;
  } Parameters;
} WSACOMPLETION, *PWSACOMPLETION, *LPWSACOMPLETION;

NSP_ASSERT_SIZE(WSACOMPLETION, 32);
NSP_ASSERT_ALIGNMENT(WSACOMPLETION, 8);
NSP_ASSERT_OFFSET(WSACOMPLETION, Type, 0);
NSP_ASSERT_OFFSET(WSACOMPLETION, Parameters, 8);
NSP_ASSERT_OFFSET(WSACOMPLETION, Parameters.WindowMessage.hWnd, 8);
NSP_ASSERT_OFFSET(WSACOMPLETION, Parameters.WindowMessage.uMsg, 16);
NSP_ASSERT_OFFSET(WSACOMPLETION, Parameters.WindowMessage.context, 24);
NSP_ASSERT_OFFSET(WSACOMPLETION, Parameters.Event.lpOverlapped, 8);
NSP_ASSERT_OFFSET(WSACOMPLETION, Parameters.Apc.lpOverlapped, 8);
NSP_ASSERT_OFFSET(WSACOMPLETION, Parameters.Apc.lpfnCompletionProc, 16);
NSP_ASSERT_OFFSET(WSACOMPLETION, Parameters.Port.lpOverlapped, 8);
NSP_ASSERT_OFFSET(WSACOMPLETION, Parameters.Port.hPort, 16);
NSP_ASSERT_OFFSET(WSACOMPLETION, Parameters.Port.Key, 24);

/* The neutral names follow UNICODE, as on Windows. */
#ifdef UNICODE
typedef WSAQUERYSETW WSAQUERYSET;
typedef PWSAQUERYSETW PWSAQUERYSET;
typedef LPWSAQUERYSETW LPWSAQUERYSET;
typedef WSAQUERYSET2W WSAQUERYSET2;
typedef PWSAQUERYSET2W PWSAQUERYSET2;
typedef LPWSAQUERYSET2W LPWSAQUERYSET2;
typedef WSANSCLASSINFOW WSANSCLASSINFO;
typedef PWSANSCLASSINFOW PWSANSCLASSINFO;
typedef LPWSANSCLASSINFOW LPWSANSCLASSINFO;
typedef WSASERVICECLASSINFOW WSASERVICECLASSINFO;
typedef PWSASERVICECLASSINFOW PWSASERVICECLASSINFO;
typedef LPWSASERVICECLASSINFOW LPWSASERVICECLASSINFO;
typedef WSANAMESPACE_INFOW WSANAMESPACE_INFO;
typedef PWSANAMESPACE_INFOW PWSANAMESPACE_INFO;
typedef LPWSANAMESPACE_INFOW LPWSANAMESPACE_INFO;
typedef WSANAMESPACE_INFOEXW WSANAMESPACE_INFOEX;
typedef PWSANAMESPACE_INFOEXW PWSANAMESPACE_INFOEX;
typedef LPWSANAMESPACE_INFOEXW LPWSANAMESPACE_INFOEX;
#else
typedef WSAQUERYSETA WSAQUERYSET;
typedef PWSAQUERYSETA PWSAQUERYSET;
typedef LPWSAQUERYSETA LPWSAQUERYSET;
typedef WSAQUERYSET2A WSAQUERYSET2;
typedef PWSAQUERYSET2A PWSAQUERYSET2;
typedef LPWSAQUERYSET2A LPWSAQUERYSET2;
typedef WSANSCLASSINFOA WSANSCLASSINFO;
typedef PWSANSCLASSINFOA PWSANSCLASSINFO;
typedef LPWSANSCLASSINFOA LPWSANSCLASSINFO;
typedef WSASERVICECLASSINFOA WSASERVICECLASSINFO;
typedef PWSASERVICECLASSINFOA PWSASERVICECLASSINFO;
typedef LPWSASERVICECLASSINFOA LPWSASERVICECLASSINFO;
typedef WSANAMESPACE_INFOA WSANAMESPACE_INFO;
typedef PWSANAMESPACE_INFOA PWSANAMESPACE_INFO;
typedef LPWSANAMESPACE_INFOA LPWSANAMESPACE_INFO;
typedef WSANAMESPACE_INFOEXA WSANAMESPACE_INFOEX;
typedef PWSANAMESPACE_INFOEXA PWSANAMESPACE_INFOEX;
typedef LPWSANAMESPACE_INFOEXA LPWSANAMESPACE_INFOEX;
#endif

/* The calling thread's last error: one slot, by whichever pair of names it is reached. Any thread; these can't fail. A thread
   starts with 0; the host sets 0 before it calls a provider's INT routine. (NSP §5.3, NSP-029) */
NSP_EXPORT INT WSAAPI WSAGetLastError(void);
NSP_EXPORT VOID WSAAPI WSASetLastError(INT iError);
NSP_EXPORT DWORD WINAPI GetLastError(void);
NSP_EXPORT VOID WINAPI SetLastError(DWORD dwErrCode);

/* Events: made unset, set until they are reset. WSAWaitForMultipleEvents answers WSA_WAIT_EVENT_0 plus the place of the first that is
   set (plus 0 when it waits for all), WSA_WAIT_TIMEOUT, or WSA_WAIT_FAILED with WSA_INVALID_PARAMETER (none, or more than 64) or
   WSA_INVALID_HANDLE in the last error. The time is in milliseconds; no thread is alertable. These need no WSAStartup. */
#define WSAEVENT HANDLE
#define LPWSAEVENT LPHANDLE
#define WSA_INVALID_EVENT ((WSAEVENT)NULL)
#define WSA_MAXIMUM_WAIT_EVENTS 64
#define WSA_WAIT_EVENT_0 WAIT_OBJECT_0
#define WSA_WAIT_TIMEOUT WAIT_TIMEOUT
#define WSA_WAIT_FAILED ((DWORD)0xFFFFFFFF)
#define WSA_INFINITE INFINITE
NSP_EXPORT WSAEVENT WSAAPI WSACreateEvent(void);
NSP_EXPORT BOOL WSAAPI WSACloseEvent(WSAEVENT hEvent);
NSP_EXPORT BOOL WSAAPI WSASetEvent(WSAEVENT hEvent);
NSP_EXPORT BOOL WSAAPI WSAResetEvent(WSAEVENT hEvent);
NSP_EXPORT DWORD WSAAPI WSAWaitForMultipleEvents(DWORD cEvents, const WSAEVENT *lphEvents, BOOL fWaitAll, DWORD dwTimeout, BOOL fAlertable);

/* What a program starts with. */
typedef struct WSAData {
  WORD wVersion;
  WORD wHighVersion;
  unsigned short iMaxSockets;
  unsigned short iMaxUdpDg;
  char *lpVendorInfo;
  char szDescription[257];
  char szSystemStatus[129];
} WSADATA, *LPWSADATA;
#define WSADESCRIPTION_LEN 256
#define WSASYS_STATUS_LEN 128

NSP_ASSERT_SIZE(WSADATA, 408);
NSP_ASSERT_OFFSET(WSADATA, lpVendorInfo, 8);
NSP_ASSERT_OFFSET(WSADATA, szDescription, 16);
NSP_ASSERT_OFFSET(WSADATA, szSystemStatus, 273);

/* The client API, in libnsp. Any thread. Functions that answer SOCKET_ERROR leave the code in the thread's last error. Each start needs
   its cleanup; before the first and after the last everything else is WSANOTINITIALISED. A child of fork has not been started. The A
   forms speak UTF-8. (NSP §8) */

/* 0, WSAEFAULT or WSAVERNOTSUPPORTED, directly. The host need not run. */
NSP_EXPORT int WSAAPI WSAStartup(WORD wVersionRequested, LPWSADATA lpWSAData);
/* The last one ends the process's session; calls that wait are answered WSA_E_CANCELLED. */
NSP_EXPORT int WSAAPI WSACleanup(void);

/* Opens a lookup. WSAEFAULT for NULL, WSAEINVAL for what can't be asked, WSASERVICE_NOT_FOUND when nobody serves it, WSAENETDOWN when no
   host runs, or the code of the last provider asked. *lphLookup is NULL then. */
NSP_EXPORT INT WSAAPI WSALookupServiceBeginA(LPWSAQUERYSETA lpqsRestrictions, DWORD dwControlFlags, LPHANDLE lphLookup);
NSP_EXPORT INT WSAAPI WSALookupServiceBeginW(LPWSAQUERYSETW lpqsRestrictions, DWORD dwControlFlags, LPHANDLE lphLookup);
/* The next record, all of it inside the buffer. WSAEFAULT with the bytes needed in *lpdwBufferLength when it does not fit: it is kept for
   the next call, unless that has LUP_FLUSHPREVIOUS. WSA_E_NO_MORE at the end. */
NSP_EXPORT INT WSAAPI WSALookupServiceNextA(HANDLE hLookup, DWORD dwControlFlags, LPDWORD lpdwBufferLength, LPWSAQUERYSETA lpqsResults);
NSP_EXPORT INT WSAAPI WSALookupServiceNextW(HANDLE hLookup, DWORD dwControlFlags, LPDWORD lpdwBufferLength, LPWSAQUERYSETW lpqsResults);
/* Also from another thread: a call that waits is answered WSA_E_CANCELLED at once. */
NSP_EXPORT INT WSAAPI WSALookupServiceEnd(HANDLE hLookup);

/* Registers, deregisters or deletes. 0 when at least one provider has done it. */
NSP_EXPORT INT WSAAPI WSASetServiceA(LPWSAQUERYSETA lpqsRegInfo, WSAESETSERVICEOP essoperation, DWORD dwControlFlags);
NSP_EXPORT INT WSAAPI WSASetServiceW(LPWSAQUERYSETW lpqsRegInfo, WSAESETSERVICEOP essoperation, DWORD dwControlFlags);

/* Every provider, in the order in which they are asked, one that serves several name spaces once for each; none with NS_ALL. Their number, or
   SOCKET_ERROR with WSAEFAULT and the bytes needed.
   Here, as for records and classes: a buffer may begin anywhere. What is behind the structures stands at multiples of 8; in a buffer that does not
   begin at one, the padding counts in the bytes needed. (NSP §8.8, §9.2) */
NSP_EXPORT INT WSAAPI WSAEnumNameSpaceProvidersA(LPDWORD lpdwBufferLength, LPWSANAMESPACE_INFOA lpnspBuffer);
NSP_EXPORT INT WSAAPI WSAEnumNameSpaceProvidersW(LPDWORD lpdwBufferLength, LPWSANAMESPACE_INFOW lpnspBuffer);
NSP_EXPORT INT WSAAPI WSAEnumNameSpaceProvidersExA(LPDWORD lpdwBufferLength, LPWSANAMESPACE_INFOEXA lpnspBuffer);
NSP_EXPORT INT WSAAPI WSAEnumNameSpaceProvidersExW(LPDWORD lpdwBufferLength, LPWSANAMESPACE_INFOEXW lpnspBuffer);

/* Gives a class to every provider that keeps classes, each of which keeps what concerns it. 0 when one has; WSAEALREADY when its id is
   installed, WSAEINVAL for what is no class, WSAEACCES for those who may not. (NSP §7.2) */
NSP_EXPORT INT WSAAPI WSAInstallServiceClassA(LPWSASERVICECLASSINFOA lpServiceClassInfo);
NSP_EXPORT INT WSAAPI WSAInstallServiceClassW(LPWSASERVICECLASSINFOW lpServiceClassInfo);
/* WSATYPE_NOT_FOUND when nobody knows it, WSAETOOMANYREFS while an instance of it is registered. */
NSP_EXPORT INT WSAAPI WSARemoveServiceClass(LPGUID lpServiceClassId);
/* What one provider keeps of a class, all of it inside the buffer. WSAEFAULT with the bytes needed in *lpdwBufSize. */
NSP_EXPORT INT WSAAPI WSAGetServiceClassInfoA(LPGUID lpProviderId, LPGUID lpServiceClassId, LPDWORD lpdwBufSize, LPWSASERVICECLASSINFOA lpServiceClassInfo);
NSP_EXPORT INT WSAAPI WSAGetServiceClassInfoW(LPGUID lpProviderId, LPGUID lpServiceClassId, LPDWORD lpdwBufSize, LPWSASERVICECLASSINFOW lpServiceClassInfo);
/* What a class is called. The length counts characters, the NUL among them, in and out, also on success: WSAEFAULT with those needed. */
NSP_EXPORT INT WSAAPI WSAGetServiceClassNameByClassIdA(LPGUID lpServiceClassId, LPSTR lpszServiceClassName, LPDWORD lpdwBufferLength);
NSP_EXPORT INT WSAAPI WSAGetServiceClassNameByClassIdW(LPGUID lpServiceClassId, LPWSTR lpszServiceClassName, LPDWORD lpdwBufferLength);

/* Control of a lookup at one provider. SIO_NSP_NOTIFY_CHANGE without a completion, or with NSP_NOTIFY_IMMEDIATELY: WSAEWOULDBLOCK while what
   was delivered holds, 0 when it has changed. With NSP_NOTIFY_EVENT or NSP_NOTIFY_APC: WSA_IO_PENDING, then once the event, after Internal
   of the overlapped, or the routine, on a thread of the library; WSA_OPERATION_ABORTED when the lookup ends first. The overlapped and the event
   must last until then. (NSP §8.7) */
NSP_EXPORT INT WSAAPI WSANSPIoctl(HANDLE hLookup, DWORD dwControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer, LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned, LPWSACOMPLETION lpCompletion);

/* Being told of the next change of the catalog. The first call, with NULL in *lpNotificationHandle, returns 0 and puts a handle there; each
   later one completes at the next change behind it: with an overlapped it returns WSA_IO_PENDING, without one it waits. (NSP §8.8) */
NSP_EXPORT INT WSAAPI WSAProviderConfigChange(LPHANDLE lpNotificationHandle, LPWSAOVERLAPPED lpOverlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);

#ifdef UNICODE
#define WSAInstallServiceClass WSAInstallServiceClassW
#define WSAGetServiceClassInfo WSAGetServiceClassInfoW
#define WSAGetServiceClassNameByClassId WSAGetServiceClassNameByClassIdW
#define WSALookupServiceBegin WSALookupServiceBeginW
#define WSALookupServiceNext WSALookupServiceNextW
#define WSASetService WSASetServiceW
#define WSAEnumNameSpaceProviders WSAEnumNameSpaceProvidersW
#define WSAEnumNameSpaceProvidersEx WSAEnumNameSpaceProvidersExW
#else
#define WSAInstallServiceClass WSAInstallServiceClassA
#define WSAGetServiceClassInfo WSAGetServiceClassInfoA
#define WSAGetServiceClassNameByClassId WSAGetServiceClassNameByClassIdA
#define WSALookupServiceBegin WSALookupServiceBeginA
#define WSALookupServiceNext WSALookupServiceNextA
#define WSASetService WSASetServiceA
#define WSAEnumNameSpaceProviders WSAEnumNameSpaceProvidersA
#define WSAEnumNameSpaceProvidersEx WSAEnumNameSpaceProvidersExA
#endif

NSP_EXTERN_C_END

#endif
