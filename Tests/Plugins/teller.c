/* A provider for checks: the address of a name is the content of the file DATA/NAME, where the setting "data" says DATA; nobody watches it.
   The names say-NAME, say-everything, say-nobody and say-hosts make it say that something has changed: of a name of its own, of everything, of
   a provider that is not there, of another one that is. They are found where the host takes that, else they fail with its code. */
#include <nsphost.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NSP_PROVIDER("teller", NS_DNS, 1, 0, "", 0x51e57b00, 0x0001, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, 1);
static const GUID own = {0x51e57b00, 0x0001, 0x4000, {0x80, 0, 0, 0, 0, 0, 0, 1}};
static const GUID nobody = {0x51e57b00, 0x0001, 0x4000, {0x80, 0, 0, 0, 0, 0, 0, 9}};
static const GUID hosts = {0xb0e4c7d2, 0x7d2b, 0x4c6e, {0x9b, 0x10, 0x52, 0xe8, 0xa4, 0xf1, 0xc7, 0x01}};

struct lookup {
  char name[256];
  int given;
};

INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  struct lookup *lookup = calloc(1, sizeof *lookup);
  DWORD room = sizeof lookup->name;
  (void)id, (void)flags, (void)session;
  if (query->lpszServiceInstanceName == NULL || NSPHostUtf8FromWide(query->lpszServiceInstanceName, lookup->name, &room) != 0) {
    free(lookup);
    return WSASetLastError(WSAEINVAL), SOCKET_ERROR;
  }
  *handle = lookup;
  return 0;
}

static INT say(const char *what) {
  WCHAR wide[256];
  DWORD room = 256;
  if (strcmp(what, "everything") == 0) return NSPHostChanged(&own, NULL);
  if (strcmp(what, "nobody") == 0) return NSPHostChanged(&nobody, NULL);
  if (strcmp(what, "hosts") == 0) return NSPHostChanged(&hosts, NULL);
  return NSPHostWideFromUtf8(what, wide, &room) == 0 ? NSPHostChanged(&own, wide) : WSAEINVAL;
}

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  struct lookup *lookup = handle;
  char data[256], path[600], text[64] = "192.0.2.1";
  WCHAR name[256];
  DWORD room = sizeof data, units = 256;
  GUID id = own;
  struct sockaddr_in address = {.sin_family = AF_INET};
  CSADDR_INFO info = {.RemoteAddr = {(LPSOCKADDR)(void *)&address, sizeof address}, .iSocketType = 1};
  WSAQUERYSET2W record = {.dwSize = sizeof record, .lpszServiceInstanceName = name, .dwNumberOfCsAddrs = 1, .lpcsaBuffer = &info};
  INT status;
  (void)flags;
  if (lookup->given++ > 0) return (void)WSAProviderCompleteAsyncCall(call, WSA_E_NO_MORE);
  if (strncmp(lookup->name, "say-", 4) == 0) {
    if ((status = say(lookup->name + 4)) != 0) return (void)WSAProviderCompleteAsyncCall(call, status);
  } else {
    FILE *file = NULL;
    if (NSPHostSetting(&id, "data", data, &room) == 0) snprintf(path, sizeof path, "%s/%s", data, lookup->name), file = fopen(path, "r");
    if (file == NULL) return (void)WSAProviderCompleteAsyncCall(call, WSASERVICE_NOT_FOUND);
    if (fscanf(file, "%63s", text) != 1) text[0] = 0;
    fclose(file);
  }
  inet_pton(AF_INET, text, &address.sin_addr);
  NSPHostWideFromUtf8(lookup->name, name, &units);
  WSAProviderCompleteAsyncCall(call, NSPHostPackQuerySet(&record, length, block));
}

INT NSPv2LookupServiceEnd(HANDLE handle) { return free(handle), 0; }
