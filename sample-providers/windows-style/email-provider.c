/* Teaches how an e-mail name space provider written for Windows serves from a process of its own: it installs itself with the domain that
   it is primary for, advertises its routines, and keeps what clients publish in memory. Not a line is for Linux.
   clang -DUNICODE -D_UNICODE $(pkg-config --cflags nsp-windows) email-provider.c -o email-provider $(pkg-config --libs nsp-windows)
   email-provider install | remove | serve */
#include <winsock2.h>
#include <windows.h>
#include <ws2spi.h>
#include <nsemail.h>
#include <strsafe.h>
#include <stdio.h>
#include <stdlib.h>

#define DOMAIN L"example.net"
#define MAX_ADDRESSES 16

/* Every provider makes an id of its own. */
static GUID ProviderId = {0x5b0f6a2e, 0x94d3, 0x4c17, {0x8e, 0x21, 0x6d, 0x3a, 0x90, 0x5c, 0x7b, 0x44}};

typedef struct _ADDRESS {
  INT iSocketType;
  INT iProtocol;
  INT cbSockaddr;
  BYTE Sockaddr[sizeof(SOCKADDR_STORAGE)];
} ADDRESS;

/* One published name; several services may be published under it. */
typedef struct _ENTRY {
  struct _ENTRY *pNext;
  WCHAR wszName[MAX_PATH];
  WCHAR wszService[MAX_PATH];
  DWORD cAddresses;
  ADDRESS Addresses[MAX_ADDRESSES];
} ENTRY;

typedef struct _LOOKUP {
  WCHAR wszName[MAX_PATH];
  WCHAR wszService[MAX_PATH]; /* empty: all of them */
  DWORD cDelivered;
} LOOKUP;

/* Routines are called on several threads at once. */
static CRITICAL_SECTION Lock;
static ENTRY *Entries;

static INT Fail(INT iError) {
  SetLastError(iError);
  return SOCKET_ERROR;
}

/* Clients need not say a service. */
static PCWSTR ServiceOf(const WSAQUERYSET2W *pSet) { return pSet->lpszContext != NULL ? pSet->lpszContext : L""; }

/* The place of the entry with this name and service, or the end of the list. */
static ENTRY **FindEntry(PCWSTR pwszName, PCWSTR pwszService) {
  ENTRY **ppEntry = &Entries;
  while (*ppEntry != NULL && (_wcsicmp((*ppEntry)->wszName, pwszName) != 0 || _wcsicmp((*ppEntry)->wszService, pwszService) != 0))
    ppEntry = &(*ppEntry)->pNext;
  return ppEntry;
}

/* This provider keeps nothing for a session. */
static INT WSAAPI Startup(LPGUID lpProviderId, LPVOID *ppvClientSessionArg) {
  UNREFERENCED_PARAMETER(lpProviderId);
  *ppvClientSessionArg = NULL;
  return NO_ERROR;
}
static INT WSAAPI Cleanup(LPGUID lpProviderId, LPVOID pvClientSessionArg) {
  UNREFERENCED_PARAMETER(lpProviderId);
  UNREFERENCED_PARAMETER(pvClientSessionArg);
  return NO_ERROR;
}

static INT AddAddresses(ENTRY *pEntry, const WSAQUERYSET2W *pInfo) {
  DWORD i;
  if (pInfo->dwNumberOfCsAddrs > MAX_ADDRESSES - pEntry->cAddresses) return WSAENOBUFS;
  for (i = 0; i < pInfo->dwNumberOfCsAddrs; i++) {
    const CSADDR_INFO *pGiven = &pInfo->lpcsaBuffer[i];
    ADDRESS *pAddress = &pEntry->Addresses[pEntry->cAddresses];
    /* An address is so many bytes, whatever they are, and none at all is an address, too: clients in the field publish such. */
    if (pGiven->RemoteAddr.iSockaddrLength < 0 || (size_t)pGiven->RemoteAddr.iSockaddrLength > sizeof(pAddress->Sockaddr)) return WSAEINVAL;
    pAddress->iSocketType = pGiven->iSocketType;
    pAddress->iProtocol = pGiven->iProtocol;
    pAddress->cbSockaddr = pGiven->RemoteAddr.lpSockaddr != NULL ? pGiven->RemoteAddr.iSockaddrLength : 0;
    if (pAddress->cbSockaddr > 0) CopyMemory(pAddress->Sockaddr, pGiven->RemoteAddr.lpSockaddr, pAddress->cbSockaddr);
    pEntry->cAddresses++;
  }
  return NO_ERROR;
}

static INT Publish(const WSAQUERYSET2W *pInfo, DWORD dwFlags) {
  ENTRY **ppOld = FindEntry(pInfo->lpszServiceInstanceName, ServiceOf(pInfo)), *pOld = *ppOld;
  ENTRY *pNew = calloc(1, sizeof(*pNew));
  INT iError;
  if (pNew == NULL) return WSA_NOT_ENOUGH_MEMORY;
  if (pOld != NULL && (dwFlags & SERVICE_MULTIPLE) != 0) *pNew = *pOld; /* add to what there is */
  iError = AddAddresses(pNew, pInfo);
  if (FAILED(StringCchCopyW(pNew->wszName, MAX_PATH, pInfo->lpszServiceInstanceName)) ||
      FAILED(StringCchCopyW(pNew->wszService, MAX_PATH, ServiceOf(pInfo))))
    iError = WSAEINVAL;
  if (iError != NO_ERROR) {
    free(pNew);
    return iError;
  }
  pNew->pNext = pOld != NULL ? pOld->pNext : NULL;
  *ppOld = pNew;
  free(pOld);
  return NO_ERROR;
}

static INT Withdraw(const WSAQUERYSET2W *pInfo) {
  ENTRY **ppEntry = FindEntry(pInfo->lpszServiceInstanceName, ServiceOf(pInfo)), *pEntry = *ppEntry;
  if (pEntry == NULL) return WSASERVICE_NOT_FOUND;
  *ppEntry = pEntry->pNext;
  free(pEntry);
  return NO_ERROR;
}

/* What is published stays when the client ends: it is taken back by name, from any process. */
static VOID WSAAPI SetServiceEx(HANDLE hAsyncCall, LPGUID lpProviderId, LPWSAQUERYSET2W lpqsRegInfo, WSAESETSERVICEOP essOperation,
                                DWORD dwControlFlags, LPVOID lpvClientSessionArg) {
  INT iError = WSAEINVAL;
  UNREFERENCED_PARAMETER(lpProviderId);
  UNREFERENCED_PARAMETER(lpvClientSessionArg);
  if (lpqsRegInfo->lpszServiceInstanceName != NULL) {
    EnterCriticalSection(&Lock);
    iError = essOperation == RNRSERVICE_REGISTER ? Publish(lpqsRegInfo, dwControlFlags) : Withdraw(lpqsRegInfo);
    LeaveCriticalSection(&Lock);
  }
  /* The result of this routine is this call, here or later, on any thread. */
  WSAProviderCompleteAsyncCall(hAsyncCall, iError);
}

/* Only takes note of the question: it can't be cancelled, so it must not wait. */
static INT WSAAPI LookupServiceBegin(LPGUID lpProviderId, LPWSAQUERYSET2W lpqsRestrictions, DWORD dwControlFlags,
                                     LPVOID lpvClientSessionArg, LPHANDLE lphLookup) {
  LOOKUP *pLookup;
  UNREFERENCED_PARAMETER(lpProviderId);
  UNREFERENCED_PARAMETER(dwControlFlags);
  UNREFERENCED_PARAMETER(lpvClientSessionArg);
  if (lpqsRestrictions->lpszServiceInstanceName == NULL) return Fail(WSANO_DATA);
  pLookup = calloc(1, sizeof(*pLookup));
  if (pLookup == NULL) return Fail(WSA_NOT_ENOUGH_MEMORY);
  if (FAILED(StringCchCopyW(pLookup->wszName, MAX_PATH, lpqsRestrictions->lpszServiceInstanceName)) ||
      FAILED(StringCchCopyW(pLookup->wszService, MAX_PATH, ServiceOf(lpqsRestrictions)))) {
    free(pLookup);
    return Fail(WSANO_DATA);
  }
  *lphLookup = pLookup;
  return NO_ERROR;
}

static const ENTRY *NextMatch(const LOOKUP *pLookup) {
  const ENTRY *pEntry;
  DWORD cSeen = 0;
  for (pEntry = Entries; pEntry != NULL; pEntry = pEntry->pNext) {
    if (_wcsicmp(pEntry->wszName, pLookup->wszName) != 0) continue;
    if (pLookup->wszService[0] != L'\0' && _wcsicmp(pEntry->wszService, pLookup->wszService) != 0) continue;
    if (cSeen++ == pLookup->cDelivered) return pEntry;
  }
  return NULL;
}

/* All that a record points to lies behind it in the caller's block, each part at a multiple of eight. */
static size_t Rounded(size_t cb) { return (cb + 7) & ~(size_t)7; }
static LPVOID Put(BYTE **ppbNext, const void *pvSource, size_t cb) {
  LPVOID pvPlace = *ppbNext;
  CopyMemory(pvPlace, pvSource, cb);
  *ppbNext += Rounded(cb);
  return pvPlace;
}

static INT Deliver(const ENTRY *pEntry, LPDWORD lpdwBufferLength, LPWSAQUERYSET2W lpqsResults) {
  size_t cbName = (wcslen(pEntry->wszName) + 1) * sizeof(WCHAR), cbService = (wcslen(pEntry->wszService) + 1) * sizeof(WCHAR);
  size_t cbNeeded = Rounded(sizeof(*lpqsResults)) + Rounded(cbName) + Rounded(cbService) + Rounded(sizeof(GUID)) +
                    pEntry->cAddresses * Rounded(sizeof(CSADDR_INFO));
  BYTE *pbNext = (BYTE *)lpqsResults + Rounded(sizeof(*lpqsResults));
  DWORD i;
  for (i = 0; i < pEntry->cAddresses; i++) cbNeeded += Rounded(pEntry->Addresses[i].cbSockaddr);
  if (*lpdwBufferLength < cbNeeded) {
    *lpdwBufferLength = (DWORD)cbNeeded; /* the same record is asked for again, with a larger block */
    return WSAEFAULT;
  }
  ZeroMemory(lpqsResults, *lpdwBufferLength);
  lpqsResults->dwSize = sizeof(*lpqsResults);
  lpqsResults->dwNameSpace = NS_EMAIL;
  lpqsResults->lpszServiceInstanceName = Put(&pbNext, pEntry->wszName, cbName);
  lpqsResults->lpszContext = Put(&pbNext, pEntry->wszService, cbService);
  lpqsResults->lpNSProviderId = Put(&pbNext, &ProviderId, sizeof(GUID));
  lpqsResults->dwNumberOfCsAddrs = pEntry->cAddresses;
  lpqsResults->lpcsaBuffer = (LPCSADDR_INFO)pbNext;
  pbNext += pEntry->cAddresses * Rounded(sizeof(CSADDR_INFO));
  for (i = 0; i < pEntry->cAddresses; i++) {
    const ADDRESS *pAddress = &pEntry->Addresses[i];
    LPCSADDR_INFO pInfo = &lpqsResults->lpcsaBuffer[i];
    pInfo->iSocketType = pAddress->iSocketType;
    pInfo->iProtocol = pAddress->iProtocol;
    if (pAddress->cbSockaddr > 0) pInfo->RemoteAddr.lpSockaddr = Put(&pbNext, pAddress->Sockaddr, pAddress->cbSockaddr);
    pInfo->RemoteAddr.iSockaddrLength = pAddress->cbSockaddr;
    pInfo->LocalAddr = pInfo->RemoteAddr;
  }
  return NO_ERROR;
}

static VOID WSAAPI LookupServiceNextEx(HANDLE hAsyncCall, HANDLE hLookup, DWORD dwControlFlags, LPDWORD lpdwBufferLength,
                                       LPWSAQUERYSET2W lpqsResults) {
  LOOKUP *pLookup = hLookup;
  const ENTRY *pEntry;
  INT iError;
  UNREFERENCED_PARAMETER(dwControlFlags);
  EnterCriticalSection(&Lock);
  pEntry = NextMatch(pLookup);
  if (pEntry != NULL) iError = Deliver(pEntry, lpdwBufferLength, lpqsResults);
  else iError = pLookup->cDelivered > 0 ? WSA_E_NO_MORE : WSANO_DATA;
  LeaveCriticalSection(&Lock);
  if (iError == NO_ERROR) pLookup->cDelivered++;
  WSAProviderCompleteAsyncCall(hAsyncCall, iError);
}

static INT WSAAPI LookupServiceEnd(HANDLE hLookup) {
  free(hLookup);
  return NO_ERROR;
}

/* The installation says which domains' names are asked of this provider; its offsets count from its start. */
static INT Install(void) {
  static WCHAR wszIdentifier[] = L"E-mail in the style of Windows", wszNoPath[] = L"";
  struct {
    NAPI_PROVIDER_INSTALLATION_BLOB Head;
    NAPI_DOMAIN_DESCRIPTION_BLOB Domain;
    WCHAR wszDomain[sizeof(DOMAIN) / sizeof(WCHAR)];
  } Installation = {{0}, {0}, DOMAIN};
  BLOB Blob;
  Installation.Head.dwVersion = 1;
  Installation.Head.dwProviderType = ProviderType_Application;
  Installation.Head.cDomains = 1;
  Installation.Head.OffsetFirstDomain = sizeof(Installation.Head);
  Installation.Domain.AuthLevel = ProviderLevel_Primary;
  Installation.Domain.cchDomainName = (DWORD)wcslen(DOMAIN);
  Installation.Domain.OffsetThisDomainName = sizeof(Installation.Head) + sizeof(Installation.Domain);
  Blob.cbSize = sizeof(Installation);
  Blob.pBlobData = (BYTE *)&Installation;
  /* No path: nobody loads it, it advertises itself. */
  return WSCInstallNameSpaceEx(wszIdentifier, wszNoPath, NS_EMAIL, 1, &ProviderId, &Blob);
}

/* The routines are called on threads of the system, while this one waits for input. */
static INT Serve(void) {
  NSPV2_ROUTINE Routines = {0};
  INT iResult;
  int iCharacter;
  Routines.cbSize = sizeof(Routines);
  Routines.dwMajorVersion = 1;
  Routines.NSPv2Startup = Startup;
  Routines.NSPv2Cleanup = Cleanup;
  Routines.NSPv2LookupServiceBegin = LookupServiceBegin;
  Routines.NSPv2LookupServiceNextEx = LookupServiceNextEx;
  Routines.NSPv2LookupServiceEnd = LookupServiceEnd;
  Routines.NSPv2SetServiceEx = SetServiceEx;
  InitializeCriticalSection(&Lock);
  if (WSAAdvertiseProvider(&ProviderId, &Routines) != 0) return SOCKET_ERROR;
  wprintf(L"serving %s: press Enter to end\n", DOMAIN);
  fflush(stdout);
  do iCharacter = getchar();
  while (iCharacter != EOF && iCharacter != '\n');
  iResult = WSAUnadvertiseProvider(&ProviderId); /* no routine runs any more when it returns */
  while (Entries != NULL) {
    ENTRY *pEntry = Entries;
    Entries = pEntry->pNext;
    free(pEntry);
  }
  DeleteCriticalSection(&Lock);
  return iResult;
}

int __cdecl wmain(int argc, wchar_t **argv) {
  PCWSTR pwszCommand = argc == 2 ? argv[1] : L"";
  WSADATA Data;
  INT iResult;
  INT iError = WSAStartup(MAKEWORD(2, 2), &Data);
  if (iError != 0) {
    fwprintf(stderr, L"email-provider: WSAStartup: error %d\n", iError);
    return 1;
  }
  if (_wcsicmp(pwszCommand, L"install") == 0) iResult = Install();
  else if (_wcsicmp(pwszCommand, L"remove") == 0) iResult = WSCUnInstallNameSpace(&ProviderId);
  else if (_wcsicmp(pwszCommand, L"serve") == 0) iResult = Serve();
  else {
    fwprintf(stderr, L"usage: email-provider install | remove | serve\n");
    WSACleanup();
    return 64;
  }
  if (iResult != 0) fwprintf(stderr, L"email-provider: %s: error %d\n", pwszCommand, WSAGetLastError());
  WSACleanup();
  return iResult != 0;
}
