/* A hosted provider with its manifest. Its seven routines and the note must be found in the shared object, also when it is built
   with hidden visibility, stripped, and from C++. */
#define NSP_ROUTINE_PROTOTYPES
#include "nsphost.h"

NSP_PROVIDER("hosted", NS_EMAIL, 1, NSP_WORKER | NSP_BLOCKING, "example.org=primary;*",
             0x8a1f0c52, 0x3b7e, 0x4d19, 0x9c, 0x04, 0x5e, 0x61, 0xd2, 0x7f, 0xa8, 0x33);

INT NSPv2Startup(LPGUID id, LPVOID *argument) { return *argument = id, NO_ERROR; }
INT NSPv2Cleanup(LPGUID id, LPVOID argument) { return id == argument ? NO_ERROR : SOCKET_ERROR; }
INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID argument, LPHANDLE lookup) {
  *lookup = query;
  return id == argument && flags == 0 ? NO_ERROR : SOCKET_ERROR;
}
VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE lookup, DWORD flags, LPDWORD length, LPWSAQUERYSET2W results) {
  WSAProviderCompleteAsyncCall(call, lookup == results && flags == *length ? NO_ERROR : WSA_E_NO_MORE);
}
INT NSPv2LookupServiceEnd(HANDLE lookup) { return lookup ? NO_ERROR : SOCKET_ERROR; }
VOID NSPv2SetServiceEx(HANDLE call, LPGUID id, LPWSAQUERYSET2W record, WSAESETSERVICEOP operation, DWORD flags, LPVOID argument) {
  WSAProviderCompleteAsyncCall(call, id == argument && record && operation == RNRSERVICE_DELETE && flags ? NO_ERROR : WSAEINVAL);
}
VOID NSPv2ClientSessionRundown(LPGUID id, LPVOID argument) { (void)id, (void)argument; }
