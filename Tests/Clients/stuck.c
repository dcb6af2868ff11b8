/* A provider of StuckProvider.swift. The name that is looked up says what it does before it answers with 192.0.2.8:
     fine       nothing                         slow       sleeps three seconds in Begin
     cat        reads standard input to its end, in a child of system(3)
     child      leaves a child behind that sleeps for a minute, with all descriptors open
   cc -shared -fPIC -I../../Sources/ABI/CWinsock/include stuck.c -o stuck.so */
#define _GNU_SOURCE
#include <nsphost.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

NSP_PROVIDER("stuck", NS_DNS, 1, 0, "", 0x5c1f0a77, 0x61de, 0x4b0c, 0x92, 0x4e, 0x07, 0x3d, 0xc8, 0x51, 0xaa, 0x16);

static INT fail(INT code) { return WSASetLastError(code), SOCKET_ERROR; }

static int is_done(const char *name) {
  if (strcmp(name, "slow") == 0) return sleep(3), 1;
  if (strcmp(name, "cat") == 0) return system("cat >/dev/null") == 0;
  if (strcmp(name, "child") == 0) {
    pid_t child = fork();
    if (child == 0) sleep(60), _exit(0);
    return child > 0;
  }
  return strcmp(name, "fine") == 0;
}

INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W asked, DWORD flags, LPVOID session, LPHANDLE handle) {
  char name[256];
  DWORD size = sizeof name;
  (void)id, (void)flags, (void)session;
  if (asked->lpszServiceInstanceName == NULL || NSPHostUtf8FromWide(asked->lpszServiceInstanceName, name, &size) != 0 || !is_done(name))
    return fail(WSASERVICE_NOT_FOUND);
  *handle = calloc(1, sizeof(int));
  return 0;
}

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  struct sockaddr_in four = {.sin_family = AF_INET};
  CSADDR_INFO where = {.RemoteAddr = {(LPSOCKADDR)&four, sizeof four}, .iSocketType = 1, .iProtocol = 6};
  WCHAR name[] = {'s', 't', 'u', 'c', 'k', 0};
  WSAQUERYSET2W record = {.dwSize = sizeof record, .lpszServiceInstanceName = name, .dwNameSpace = NS_DNS, .dwNumberOfCsAddrs = 1, .lpcsaBuffer = &where};
  int *delivered = handle;
  (void)flags;
  inet_pton(AF_INET, "192.0.2.8", &four.sin_addr);
  WSAProviderCompleteAsyncCall(call, (*delivered)++ > 0 ? WSA_E_NO_MORE : NSPHostPackQuerySet(&record, length, block));
}

INT NSPv2LookupServiceEnd(HANDLE handle) { return free(handle), 0; }
