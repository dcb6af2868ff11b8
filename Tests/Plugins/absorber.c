/* A provider for checks: takes every registration, and keeps and lists none. */
#include <nsphost.h>

NSP_PROVIDER("absorber", NS_DNS, 1, NSP_ALLOW_PARTIAL, "", 0x51e57b00, 0x0002, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, 1);

VOID NSPv2SetServiceEx(HANDLE call, LPGUID id, LPWSAQUERYSET2W info, WSAESETSERVICEOP operation, DWORD flags, LPVOID session) {
  (void)id, (void)info, (void)operation, (void)flags, (void)session;
  WSAProviderCompleteAsyncCall(call, 0);
}
