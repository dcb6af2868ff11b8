/* Types, constants and macros of the headers. */
#include <winsock2.h>
#include <ws2ipdef.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <wspiapi.h>
#include <svcguid.h>
#include <wsipx.h>
#include <wsnwlink.h>
#include <nspapi.h>
#include <nsemail.h>
#include "ws2spi.h"
#include <Ws2tcpip.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

#define SIZE(type, size) CHECK(sizeof(type) == (size))

static void base_types(void) {
  SIZE(BYTE, 1);
  SIZE(CHAR, 1);
  SIZE(WORD, 2);
  SIZE(WCHAR, 2);
  SIZE(BOOL, 4);
  SIZE(DWORD, 4);
  SIZE(HRESULT, 4);
  SIZE(INT, 4);
  SIZE(LONG, 4);
  SIZE(ULONG, 4);
  SIZE(ULONG_PTR, 8);
  SIZE(size_t, 8);
  SIZE(GUID, 16);
  SIZE(u_long, 8);
#ifdef UNICODE
  SIZE(TCHAR, 2);
#else
  SIZE(TCHAR, 1);
#endif
  WCHAR wide[] = L"wide";
  CHAR narrow[] = "narrow";
  BYTE byte = 1;
  DWORD word = 2;
  GUID id = {0};
  HANDLE handle = NULL;
  LPDWORD wordPointer = &word;
  LPGUID idPointer = &id;
  LPHANDLE handlePointer = &handle;
  LPVOID anything = &id;
  PBYTE bytePointer = &byte;
  PWSTR text = wide;
  LPWSTR sameText = text;
  PCWSTR constantText = sameText;
  PWCHAR characters = wide;
  LPSTR narrowText = narrow;
  CHECK(*wordPointer == 2 && idPointer->Data1 == 0 && *handlePointer == NULL && anything == idPointer && *bytePointer == 1);
  CHECK(constantText[0] == L'w' && characters[1] == L'i' && narrowText[0] == 'n');
}

static void socket_types(void) {
  SIZE(CSADDR_INFO, 40);
  SIZE(AFPROTOCOLS, 8);
  SIZE(BLOB, 16);
  SIZE(WSADATA, 408);
  SIZE(WSAVERSION, 8);
  SIZE(SOCKADDR, 16);
  SIZE(SOCKADDR_IN, 16);
  SIZE(SOCKADDR_IN6, 28);
  SIZE(SOCKADDR_STORAGE, 128);
  SIZE(SOCKADDR_IPX, 14);
  SIZE(SOCKET, 8);
  SIZE(SOCKET_ADDRESS_LIST, 24);
  SIZE(IPX_ADDRESS_DATA, 24);
  SIZE(WSAQUERYSETA, 120);
  SIZE(WSAQUERYSETW, 120);
  SIZE(ADDRINFOEX, 72);
  SIZE(OVERLAPPED, 32);
  SIZE(struct sockaddr, 16);
  struct addrinfo hints = {0};
  CSADDR_INFO address;
  OVERLAPPED overlapped;
  ADDRINFOEX found;
  SOCKADDR_IPX ipx = {AF_IPX, {0}, {0}, 0};
  LPCSADDR_INFO addressPointer = &address;
  LPSOCKADDR sockaddrPointer = (LPSOCKADDR)&ipx;
  PSOCKADDR_IPX ipxPointer = (PSOCKADDR_IPX)sockaddrPointer;
  LPOVERLAPPED overlappedPointer = &overlapped;
  PADDRINFOEX foundPointer = &found;
  CHECK(hints.ai_next == NULL && addressPointer == &address && ipxPointer == &ipx && overlappedPointer == &overlapped);
  CHECK(foundPointer == &found && sockaddrPointer->sa_family == AF_IPX);
}

static void name_service_types(void) {
  SIZE(NSPV2_ROUTINE, 72);
  SIZE(WSAESETSERVICEOP, 4);
  SIZE(WSAQUERYSET, 120);
  SIZE(WSAQUERYSET2, 112);
  SIZE(WSASERVICECLASSINFO, 32);
  SIZE(WSANSCLASSINFO, 32);
  CHECK(sizeof(CRITICAL_SECTION) >= 40);
  WSAQUERYSET2 set = {0};
  PWSAQUERYSET2 one = &set;
  LPWSAQUERYSET2 other = one;
  LPWSASERVICECLASSINFO info = NULL;
  LPWSANAMESPACE_INFO space = NULL;
  LPLOOKUPSERVICE_COMPLETION_ROUTINE routine = NULL;
  CHECK(other == &set && info == NULL && space == NULL && routine == NULL);
}

static void constants(void) {
  CHECK(FALSE == 0 && TRUE == 1 && NO_ERROR == 0 && ERROR_SUCCESS == 0 && SOCKET_ERROR == -1 && S_OK == 0);
  CHECK(E_FAIL == (HRESULT)0x80004005 && E_UNEXPECTED == (HRESULT)0x8000FFFF && MAX_PATH == 260);
  CHECK(INVALID_SOCKET == ~(SOCKET)0 && INFINITE == 0xFFFFFFFF && WAIT_TIMEOUT == 258 && WAIT_OBJECT_0 == 0);
  CHECK(WAIT_FAILED == 0xFFFFFFFF);
  CHECK(LUP_RETURN_PREFERRED_NAMES == 0x10000 && LUP_RETURN_ADDR == 0x100 && LUP_RETURN_NAME == 0x10);
  CHECK(NS_ALL == 0 && NS_SAP == 1 && NS_DNS == 12 && NS_NTDS == 32 && NS_EMAIL == 37);
  CHECK(RNRSERVICE_REGISTER == 0 && RNRSERVICE_DELETE == 2 && REG_DWORD == 4);
  CHECK(WSA_NOT_ENOUGH_MEMORY == 8 && WSA_INVALID_PARAMETER == 87 && WSA_IO_PENDING == 997 && WSAEFAULT == 10014);
  CHECK(WSAEWOULDBLOCK == 10035 && WSAEMSGSIZE == 10040 && WSAENOMORE == 10102 && WSASERVICE_NOT_FOUND == 10108);
  CHECK(WSA_E_NO_MORE == 10110 && WSAHOST_NOT_FOUND == 11001 && WSANO_DATA == 11004);
  /* Addresses are Linux's own. */
  CHECK(AF_UNSPEC == 0 && AF_INET == 2 && AF_INET6 == 10 && PF_INET6 == AF_INET6 && AF_IPX == 4);
  CHECK(SOCK_STREAM == 1 && SOCK_DGRAM == 2 && IPPROTO_TCP == 6 && IPPROTO_UDP == 17 && NSPROTO_IPX == 1000);
  CHECK(AI_PASSIVE == 1 && NI_MAXHOST == 1025 && NI_MAXSERV == 32 && NI_NUMERICHOST != 0 && NI_NUMERICSERV != 0);
  CHECK(EAI_AGAIN == 11002 && EAI_BADFLAGS == 10022 && EAI_FAIL == 11003 && EAI_FAMILY == 10047 && EAI_MEMORY == 8);
  CHECK(EAI_NONAME == 11001 && EAI_NODATA == 11004 && EAI_SERVICE == 10109 && EAI_SOCKTYPE == 10044);
  CHECK(FIONBIO == 0x8004667E && SIO_ADDRESS_LIST_QUERY == 0x48000016 && IPX_ADDRESS == 0x4007 && IPX_MAX_ADAPTER_NUM == 0x400D);
  CHECK(CTRL_C_EVENT == 0 && CTRL_BREAK_EVENT == 1 && CTRL_CLOSE_EVENT == 2 && CTRL_LOGOFF_EVENT == 5 && CTRL_SHUTDOWN_EVENT == 6);
  CHECK(sizeof SERVICE_TYPE_VALUE_CONN == 19 * sizeof(TCHAR) && SERVICE_TYPE_VALUE_CONN[0] == 'C');
  CHECK(SERVICE_TYPE_VALUE_CONNA[10] == 'O' && SERVICE_TYPE_VALUE_CONNW[10] == 'O');
  CHECK(SERVICE_TYPE_VALUE_SAPID[0] == 'S' && SERVICE_TYPE_VALUE_UDPPORT[0] == 'U');
  CHECK(ProviderType_Application == 1 && ProviderLevel_Primary == 2 && sizeof(NAPI_PROVIDER_INSTALLATION_BLOB) == 20);
  CHECK(sizeof(NAPI_DOMAIN_DESCRIPTION_BLOB) == 16 && CHAR_BIT == 8);
}

struct record {
  int first;
  int second;
};

static void macros(void) {
  struct record record = {1, 2}, copy;
  GUID id = SVCID_NETWARE(200);
  CHECK(MAKEWORD(2, 2) == 0x202 && HRESULT_FROM_WIN32(0) == 0 && HRESULT_FROM_WIN32(11001) == (HRESULT)0x80072AF9);
  CHECK(HRESULT_FROM_WIN32(E_FAIL) == E_FAIL && SUCCEEDED(S_OK) && !SUCCEEDED(E_FAIL) && FAILED(E_FAIL) && !FAILED(1));
  CopyMemory(&copy, &record, sizeof copy);
  CHECK(copy.second == 2 && CONTAINING_RECORD(&record.second, struct record, second) == &record);
  ZeroMemory(&copy, sizeof copy);
  SecureZeroMemory(&record, sizeof record);
  CHECK(copy.first == 0 && record.first == 0 && id.Data1 == 0x000B00C8);
  UNREFERENCED_PARAMETER(id);
}

/* Attributes and annotations, where sources have them. */
static INT WSAAPI annotated(__in int *given, __out int *made, __inout int *both, __deref_out int **inside, int count,
                            __in_ecount(count) const int *first, __out_ecount(count) int *second, __out_bcount(count) BYTE *third,
                            _In_ int one, _In_reads_(count) const int *many) {
  *made = *given + one + many[0] + first[0];
  *inside = both;
  second[0] = third[0] = 7;
  UNREFERENCED_PARAMETER(count);
  return 0;
}
static BOOL WINAPI called(int value) { return value != 0; }

int __cdecl main(VOID) {
  int value = 1, made, *inside, second;
  BYTE third;
  base_types();
  socket_types();
  name_service_types();
  constants();
  macros();
  CHECK(annotated(&value, &made, &value, &inside, 1, &value, &second, &third, 1, &value) == 0 && made == 4 && inside == &value);
  CHECK(second == 7 && third == 7 && called(1));
  return failures;
}
