/* NSP-031: a hosted provider's rundown, declared and defined by any of the documents that have it: -DRESULT="int WSAAPI" as Microsoft's page
   does, -DRESULT="INT WSAAPI" as mingw-w64, -DRESULT="VOID WSAAPI" or void as the header of the Windows SDK. Built as C and as C++. */
#include "nsphost.h"

#ifdef __cplusplus
extern "C" {
#endif
RESULT NSPv2ClientSessionRundown(LPGUID lpProviderId, LPVOID pvClientSessionArg);
INT WSAAPI NSPv2LookupServiceEnd(HANDLE hLookup);
#ifdef __cplusplus
}
#endif

static int ended;
RESULT NSPv2ClientSessionRundown(LPGUID lpProviderId, LPVOID pvClientSessionArg) {
  ended += lpProviderId != pvClientSessionArg;
#ifdef HAS_RESULT
  return NO_ERROR;
#endif
}
INT WSAAPI NSPv2LookupServiceEnd(HANDLE hLookup) { return hLookup != NULL && ended >= 0 ? NO_ERROR : SOCKET_ERROR; }

/* In the table it has the table's type: one with a result needs a cast. */
LPNSPV2CLIENTSESSIONRUNDOWN rundownOfTable(void);
LPNSPV2CLIENTSESSIONRUNDOWN rundownOfTable(void) {
#ifdef HAS_RESULT
  return (LPNSPV2CLIENTSESSIONRUNDOWN)(void *)NSPv2ClientSessionRundown;
#else
  return NSPv2ClientSessionRundown;
#endif
}
