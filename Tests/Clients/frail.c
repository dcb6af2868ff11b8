/* A provider of Outage.swift that knows "known" and can't always answer:
     known     192.0.2.7                        again     WSATRY_AGAIN         hang      never an answer
     nobody    WSASERVICE_NOT_FOUND             data      WSANO_DATA
   While the file that its setting "broken" names is there, its startup fails. It takes registrations of names that begin with "frail-".
   cc -shared -fPIC -I../../Sources/ABI/CWinsock/include frail.c -o frail.so */
#define _GNU_SOURCE
#include <nsphost.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

NSP_PROVIDER("frail", NS_DNS, 1, 0, "", 0x6b1f0c52, 0x7a3e, 0x4d19, 0x8c, 0x05, 0x2e, 0xf1, 0x94, 0x6d, 0xb7, 0x38);

struct lookup {
  char name[256];
  int delivered;
};

static INT fail(INT code) { return WSASetLastError(code), SOCKET_ERROR; }

INT NSPv2Startup(LPGUID id, LPVOID *session) {
  char path[512];
  DWORD size = sizeof path;
  *session = NULL;
  if (NSPHostSetting(id, "broken", path, &size) == 0 && access(path, F_OK) == 0) return fail(WSAEPROVIDERFAILEDINIT);
  return 0;
}

INT NSPv2Cleanup(LPGUID id, LPVOID session) { return (void)id, (void)session, 0; }

INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W asked, DWORD flags, LPVOID session, LPHANDLE handle) {
  struct lookup *lookup = calloc(1, sizeof *lookup);
  DWORD size = sizeof lookup->name;
  (void)id, (void)flags, (void)session;
  if (lookup == NULL || asked->lpszServiceInstanceName == NULL ||
      NSPHostUtf8FromWide(asked->lpszServiceInstanceName, lookup->name, &size) != 0)
    return free(lookup), fail(WSASERVICE_NOT_FOUND);
  *handle = lookup;
  return 0;
}

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  struct lookup *lookup = handle;
  struct sockaddr_in four = {.sin_family = AF_INET};
  CSADDR_INFO where = {.RemoteAddr = {(LPSOCKADDR)&four, sizeof four}, .iSocketType = 1, .iProtocol = 6};
  WCHAR name[] = {'k', 'n', 'o', 'w', 'n', 0};
  WSAQUERYSET2W record = {.dwSize = sizeof record, .lpszServiceInstanceName = name, .dwNameSpace = NS_DNS, .dwNumberOfCsAddrs = 1, .lpcsaBuffer = &where};
  (void)flags;
  if (strcmp(lookup->name, "hang") == 0) return;
  if (strcmp(lookup->name, "again") == 0) WSAProviderCompleteAsyncCall(call, WSATRY_AGAIN);
  else if (strcmp(lookup->name, "data") == 0) WSAProviderCompleteAsyncCall(call, WSANO_DATA);
  else if (strcmp(lookup->name, "known") != 0) WSAProviderCompleteAsyncCall(call, WSASERVICE_NOT_FOUND);
  else if (lookup->delivered++ > 0) WSAProviderCompleteAsyncCall(call, WSA_E_NO_MORE);
  else {
    inet_pton(AF_INET, "192.0.2.7", &four.sin_addr);
    WSAProviderCompleteAsyncCall(call, NSPHostPackQuerySet(&record, length, block));
  }
}

INT NSPv2LookupServiceEnd(HANDLE handle) { return free(handle), 0; }

VOID NSPv2SetServiceEx(HANDLE call, LPGUID id, LPWSAQUERYSET2W set, WSAESETSERVICEOP operation, DWORD flags, LPVOID session) {
  char name[256];
  DWORD size = sizeof name;
  INT failed = NSPHostUtf8FromWide(set->lpszServiceInstanceName, name, &size);
  (void)id, (void)operation, (void)flags, (void)session;
  WSAProviderCompleteAsyncCall(call, failed != 0 || strncmp(name, "frail-", 6) != 0 ? WSAEOPNOTSUPP : 0);
}
