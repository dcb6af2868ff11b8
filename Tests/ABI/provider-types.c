/* NSP-005: a provider's routines, written with the types of the contract, go into its table without a cast; and a hosted
   provider's definitions agree with the declarations. Built as C and as C++. */
#include "nsphost.h"

static INT startup(LPGUID id, LPVOID *argument) { return *argument = id, NO_ERROR; }
static INT cleanup(LPGUID id, LPVOID argument) { return id == argument ? NO_ERROR : SOCKET_ERROR; }
static INT begin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID argument, LPHANDLE lookup) {
  *lookup = query;
  return id == argument && flags == 0 ? NO_ERROR : SOCKET_ERROR;
}
static void nextEx(HANDLE call, HANDLE lookup, DWORD flags, LPDWORD length, LPWSAQUERYSET2W results) {
  WSAProviderCompleteAsyncCall(call, lookup == results && flags == *length ? NO_ERROR : WSA_E_NO_MORE);
}
static INT end(HANDLE lookup) { return lookup ? NO_ERROR : SOCKET_ERROR; }
static void setServiceEx(HANDLE call, LPGUID id, LPWSAQUERYSET2W record, WSAESETSERVICEOP operation, DWORD flags, LPVOID argument) {
  WSAProviderCompleteAsyncCall(
      call, id == argument && record && operation == RNRSERVICE_REGISTER && flags == SERVICE_MULTIPLE ? NO_ERROR : WSAEOPNOTSUPP);
}
static void rundown(LPGUID id, LPVOID argument) { (void)id, (void)argument; }

const NSPV2_ROUTINE routines = {sizeof(NSPV2_ROUTINE), 1, 0, startup, cleanup, begin, nextEx, end, setServiceEx, rundown};

INT advertise(const GUID *id);
INT advertise(const GUID *id) { return WSAAdvertiseProvider(id, &routines); }

/* -DINT_RESULTS: the same with int results, which must not compile. */
#ifdef INT_RESULTS
static int intRundown(LPGUID id, LPVOID argument) { return id == argument; }
const LPNSPV2CLIENTSESSIONRUNDOWN refused = intRundown;
#endif
