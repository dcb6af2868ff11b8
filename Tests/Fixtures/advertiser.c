/* Exports no routine: advertises a table that lives on the stack, from a constructor. */
#include <nsphost.h>

NSP_PROVIDER("advertiser", NS_DNS, 1, NSP_ADVERTISES, "", 0xf1f80001, 0x1111, 0x4222, 0x83, 0x33, 1, 2, 3, 4, 5, 6);

static INT begin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID argument, LPHANDLE handle) {
  (void)id, (void)query, (void)flags, (void)argument;
  *handle = NULL;
  return NO_ERROR;
}
static VOID next(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  (void)handle, (void)flags, (void)length, (void)block;
  WSAProviderCompleteAsyncCall(call, WSANO_DATA);
}
static INT end(HANDLE handle) {
  (void)handle;
  return NO_ERROR;
}

__attribute__((constructor)) static void advertise(void) {
  const GUID id = NSP_GUID(0xf1f80001, 0x1111, 0x4222, 0x83, 0x33, 1, 2, 3, 4, 5, 6);
  NSPV2_ROUTINE table = {.cbSize = sizeof table, .dwMajorVersion = 1, .NSPv2LookupServiceBegin = begin};
  table.NSPv2LookupServiceNextEx = next;
  table.NSPv2LookupServiceEnd = end;
  WSAAdvertiseProvider(&id, &table);
}
