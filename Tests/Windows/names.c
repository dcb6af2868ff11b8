/* The name service, where no host runs: each function is there, under its neutral name too, and says so. */
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <Ws2tcpip.h>
#include "ws2spi.h"

#include "check.h"

#ifdef UNICODE
#define TEXT_OF(text) L##text
#else
#define TEXT_OF(text) text
#endif

static GUID id = {0x6d0ff1c4, 0x1a3f, 0x4b6e, {1, 2, 3, 4, 5, 6, 7, 8}};
static HANDLE completed;
static DWORD completionCode;

static void CALLBACK completes(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped) {
  UNREFERENCED_PARAMETER(overlapped);
  completionCode = error + bytes;
  SetEvent(completed);
}

/* What belongs to a process that serves providers is compiled here, and called by the samples. */
static void provider_functions(void) {
  NSPV2_ROUTINE routines = {0};
  BLOB blob = {0};
  WCHAR name[] = L"name", path[] = L"";
  CHECK(sizeof(WSAAdvertiseProvider(&id, &routines)) == sizeof(INT) && sizeof(WSAUnadvertiseProvider(&id)) == sizeof(INT));
  CHECK(sizeof(WSAProviderCompleteAsyncCall(NULL, 0)) == sizeof(INT) && routines.NSPv2Startup == NULL);
  CHECK(WSCInstallNameSpaceEx(name, path, NS_EMAIL, 1, &id, &blob) == SOCKET_ERROR && WSAGetLastError() == WSAENETDOWN);
  CHECK(WSCUnInstallNameSpace(&id) == SOCKET_ERROR && WSAGetLastError() == WSAENETDOWN);
}

static void registrations(void) {
  TCHAR name[] = TEXT_OF("name");
  DWORD length = 0;
  WSAQUERYSET set = {0};
  WSASERVICECLASSINFO info = {0};
  HANDLE lookup = NULL;
  set.dwSize = sizeof set;
  set.lpszServiceInstanceName = name;
  CHECK(WSALookupServiceBegin(&set, LUP_RETURN_NAME, &lookup) == SOCKET_ERROR && WSAGetLastError() == WSAENETDOWN);
  CHECK(WSALookupServiceNext(lookup, 0, &length, NULL) == SOCKET_ERROR && WSALookupServiceEnd(lookup) == SOCKET_ERROR);
  CHECK(WSASetService(&set, RNRSERVICE_REGISTER, 0) == SOCKET_ERROR);
  CHECK(WSAEnumNameSpaceProviders(&length, NULL) == SOCKET_ERROR);
  info.lpServiceClassId = &id;
  info.lpszServiceClassName = name;
  CHECK(WSAInstallServiceClass(&info) == SOCKET_ERROR && WSARemoveServiceClass(&id) == SOCKET_ERROR);
  /* And each form by its own name. */
  CHECK(sizeof(WSASetServiceW(NULL, RNRSERVICE_DELETE, 0)) == sizeof(WSASetServiceA(NULL, RNRSERVICE_DELETE, 0)));
  CHECK(sizeof(WSALookupServiceBeginA(NULL, 0, NULL)) == sizeof(WSALookupServiceNextA(NULL, 0, NULL, NULL)));
  CHECK(sizeof(WSAEnumNameSpaceProvidersA(NULL, NULL)) == sizeof(WSAInstallServiceClassA(NULL)));
}

/* CreateEvent's events are good for overlapped requests, if they stay set. */
static void addresses(void) {
  PADDRINFOEXW found = NULL;
  OVERLAPPED overlapped;
  HANDLE event = CreateEvent(NULL, FALSE, FALSE, NULL);
  ZeroMemory(&overlapped, sizeof overlapped);
  overlapped.hEvent = event;
  CHECK(GetAddrInfoExW(L"localhost", NULL, NS_ALL, NULL, NULL, &found, NULL, &overlapped, NULL, NULL) == WSAEINVAL);
  CloseHandle(event);
  overlapped.hEvent = event = CreateEvent(NULL, TRUE, FALSE, NULL);
  CHECK(GetAddrInfoExW(L"name", NULL, NS_ALL, NULL, NULL, &found, NULL, &overlapped, NULL, NULL) == WSA_IO_PENDING);
  CHECK(WaitForSingleObject(event, 5000) == WAIT_OBJECT_0 && GetAddrInfoExOverlappedResult(&overlapped) == WSAENETDOWN);
  CloseHandle(event);
  overlapped.hEvent = NULL;
  completed = CreateEvent(NULL, TRUE, FALSE, NULL);
  HANDLE request = NULL;
  CHECK(GetAddrInfoExW(L"name", NULL, NS_DNS, NULL, NULL, &found, NULL, &overlapped, completes, &request) == WSA_IO_PENDING);
  CHECK(WaitForSingleObject(completed, 5000) == WAIT_OBJECT_0 && completionCode == WSAENETDOWN);
  CHECK(GetAddrInfoExCancel(&request) == WSA_INVALID_HANDLE);
  FreeAddrInfoExW(found);
  PADDRINFOEX neutral = NULL;
  CHECK(GetAddrInfoEx(TEXT_OF("name"), NULL, NS_ALL, NULL, NULL, &neutral, NULL, NULL, NULL, NULL) == WSAENETDOWN && neutral == NULL);
  FreeAddrInfoEx(neutral);
  FreeAddrInfoExA(NULL);
  CloseHandle(completed);
}

int main(void) {
  WSADATA data = {0};
  CHECK(WSALookupServiceEnd(NULL) == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED);
  CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
  provider_functions();
  registrations();
  addresses();
  CHECK(WSACleanup() == 0);
  SetLastError(5);
  CHECK(WSAGetLastError() == 5);
  return failures;
}
