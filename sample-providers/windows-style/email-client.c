/* Teaches the client's side in the style of Windows: it publishes this machine's addresses under an e-mail name, finds them again in two
   ways, and takes them back. Not a line is for Linux.
   clang -DUNICODE -D_UNICODE $(pkg-config --cflags nsp-windows) email-client.c -o email-client $(pkg-config --libs nsp-windows)
   email-client publish NAME SERVICE PORT | lookup NAME | resolve NAME SERVICE | withdraw NAME SERVICE */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_ADDRESSES 8

#ifdef __MINGW32__ /* whose ws2tcpip.h has not got these two */
INT WSAAPI GetAddrInfoExCancel(LPHANDLE lpHandle);
INT WSAAPI GetAddrInfoExOverlappedResult(LPOVERLAPPED lpOverlapped);
#endif

static int Fail(PCWSTR pwszWhat, INT iError) {
  fwprintf(stderr, L"email-client: %s: error %d\n", pwszWhat, iError);
  return 1;
}

static void PrintAddress(PCWSTR pwszName, LPSOCKADDR pSockaddr, INT cbSockaddr) {
  WCHAR wszAddress[64];
  DWORD cchAddress = 64;
  if (WSAAddressToStringW(pSockaddr, cbSockaddr, NULL, wszAddress, &cchAddress) != 0) wszAddress[0] = L'\0';
  wprintf(L"%s %s\n", pwszName, wszAddress);
}

/* The addresses of this machine with a port; the loop-back where its own name has none. */
static DWORD OwnAddresses(USHORT usPort, SOCKADDR_STORAGE *pStorage, CSADDR_INFO *pAddresses) {
  CHAR szComputer[MAX_PATH], szPort[8];
  DWORD cchComputer = MAX_PATH, cAddresses = 0;
  struct addrinfo Hints = {0}, *pFirst = NULL, *pNext;
  sprintf(szPort, "%u", usPort);
  Hints.ai_socktype = SOCK_STREAM;
  if (!GetComputerNameA(szComputer, &cchComputer) || getaddrinfo(szComputer, szPort, &Hints, &pFirst) != 0)
    if (getaddrinfo("127.0.0.1", szPort, &Hints, &pFirst) != 0) return 0;
  for (pNext = pFirst; pNext != NULL && cAddresses < MAX_ADDRESSES; pNext = pNext->ai_next) {
    CSADDR_INFO *pAddress = &pAddresses[cAddresses];
    CopyMemory(&pStorage[cAddresses], pNext->ai_addr, pNext->ai_addrlen);
    pAddress->iSocketType = pNext->ai_socktype;
    pAddress->iProtocol = pNext->ai_protocol;
    pAddress->RemoteAddr.lpSockaddr = (LPSOCKADDR)&pStorage[cAddresses++];
    pAddress->RemoteAddr.iSockaddrLength = (INT)pNext->ai_addrlen;
    pAddress->LocalAddr = pAddress->RemoteAddr;
  }
  freeaddrinfo(pFirst);
  return cAddresses;
}

/* What is published outlives this process. Whoever serves the domain of the name gets it: no provider is named here. */
static int Publish(PWSTR pwszName, PWSTR pwszService, PCWSTR pwszPort) {
  SOCKADDR_STORAGE Storage[MAX_ADDRESSES];
  CSADDR_INFO Addresses[MAX_ADDRESSES];
  WSAQUERYSETW Set = {0};
  Set.dwSize = sizeof(Set);
  Set.dwNameSpace = NS_EMAIL;
  Set.lpszServiceInstanceName = pwszName;
  Set.lpszContext = pwszService;
  Set.dwNumberOfCsAddrs = OwnAddresses((USHORT)wcstol(pwszPort, NULL, 10), Storage, Addresses);
  Set.lpcsaBuffer = Addresses;
  if (WSASetServiceW(&Set, RNRSERVICE_REGISTER, 0) != 0) return Fail(L"publish", WSAGetLastError());
  return 0;
}

static int Withdraw(PWSTR pwszName, PWSTR pwszService) {
  WSAQUERYSETW Set = {0};
  Set.dwSize = sizeof(Set);
  Set.dwNameSpace = NS_EMAIL;
  Set.lpszServiceInstanceName = pwszName;
  Set.lpszContext = pwszService;
  if (WSASetServiceW(&Set, RNRSERVICE_DELETE, 0) != 0) return Fail(L"withdraw", WSAGetLastError());
  return 0;
}

/* A record that does not fit is kept for the next call, and the length that it needs is said. */
static LPWSAQUERYSETW NextRecord(HANDLE hLookup, LPWSAQUERYSETW pRecord, DWORD *pcbRecord) {
  while (WSALookupServiceNextW(hLookup, 0, pcbRecord, pRecord) != 0) {
    LPWSAQUERYSETW pLarger;
    if (WSAGetLastError() != WSAEFAULT || (pLarger = realloc(pRecord, *pcbRecord)) == NULL) {
      free(pRecord);
      return NULL;
    }
    pRecord = pLarger;
  }
  return pRecord;
}

static int Lookup(PWSTR pwszName) {
  WSAQUERYSETW Set = {0};
  LPWSAQUERYSETW pRecord = NULL;
  HANDLE hLookup = NULL;
  DWORD cbRecord = 0, i;
  INT iError;
  Set.dwSize = sizeof(Set);
  Set.dwNameSpace = NS_EMAIL;
  Set.lpszServiceInstanceName = pwszName;
  if (WSALookupServiceBeginW(&Set, LUP_RETURN_NAME | LUP_RETURN_ADDR, &hLookup) != 0) return Fail(L"lookup", WSAGetLastError());
  while ((pRecord = NextRecord(hLookup, pRecord, &cbRecord)) != NULL)
    for (i = 0; i < pRecord->dwNumberOfCsAddrs; i++) {
      const SOCKET_ADDRESS *pAddress = &pRecord->lpcsaBuffer[i].RemoteAddr;
      PrintAddress(pRecord->lpszContext != NULL ? pRecord->lpszContext : L"", pAddress->lpSockaddr, pAddress->iSockaddrLength);
    }
  iError = WSAGetLastError();
  WSALookupServiceEnd(hLookup);
  return iError == WSA_E_NO_MORE ? 0 : Fail(L"lookup", iError);
}

/* The same without waiting for it in the call: the event is set when the answer is there. In this name space the service is no port: it is
   what the name was published with. */
static int Resolve(PCWSTR pwszName, PCWSTR pwszService) {
  PADDRINFOEXW pFirst = NULL, pNext;
  OVERLAPPED Overlapped = {0};
  HANDLE hRequest = NULL;
  INT iError;
  Overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (Overlapped.hEvent == NULL) return Fail(L"CreateEvent", GetLastError());
  iError = GetAddrInfoExW(pwszName, pwszService, NS_EMAIL, NULL, NULL, &pFirst, NULL, &Overlapped, NULL, &hRequest);
  if (iError == WSA_IO_PENDING) {
    if (WaitForSingleObject(Overlapped.hEvent, 5000) == WAIT_TIMEOUT) {
      GetAddrInfoExCancel(&hRequest);
      WaitForSingleObject(Overlapped.hEvent, INFINITE); /* what is cancelled completes, too */
    }
    iError = GetAddrInfoExOverlappedResult(&Overlapped);
  }
  for (pNext = pFirst; pNext != NULL; pNext = pNext->ai_next) PrintAddress(pwszName, pNext->ai_addr, (INT)pNext->ai_addrlen);
  FreeAddrInfoExW(pFirst);
  CloseHandle(Overlapped.hEvent);
  return iError == 0 ? 0 : Fail(L"resolve", iError);
}

int __cdecl wmain(int argc, wchar_t **argv) {
  PCWSTR pwszCommand = argc > 1 ? argv[1] : L"";
  WSADATA Data;
  int iResult;
  INT iError = WSAStartup(MAKEWORD(2, 2), &Data);
  if (iError != 0) return Fail(L"WSAStartup", iError);
  if (argc == 5 && _wcsicmp(pwszCommand, L"publish") == 0) iResult = Publish(argv[2], argv[3], argv[4]);
  else if (argc == 3 && _wcsicmp(pwszCommand, L"lookup") == 0) iResult = Lookup(argv[2]);
  else if (argc == 4 && _wcsicmp(pwszCommand, L"resolve") == 0) iResult = Resolve(argv[2], argv[3]);
  else if (argc == 4 && _wcsicmp(pwszCommand, L"withdraw") == 0) iResult = Withdraw(argv[2], argv[3]);
  else {
    fwprintf(stderr, L"usage: email-client publish NAME SERVICE PORT | lookup NAME | resolve NAME SERVICE | withdraw NAME SERVICE\n");
    iResult = 64;
  }
  WSACleanup();
  return iResult;
}
