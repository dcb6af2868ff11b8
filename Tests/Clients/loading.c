/* A provider that is loaded in many ways. It has one record, with the name that is asked for.
     NAME and NUMBER          what it is called, and the first digits of its id
     DATA_STARTUP, DATA_END   a routine's name is one of data
     INDIRECT                 Begin is an indirect function (IFUNC)
     NEEDS                    a function of a library that it needs
     HANGS                    its constructor returns when the file of this name is there
     LOAD_HANGS               its NSPModuleLoad does */
#define NSP_ROUTINE_PROTOTYPES
#include <nsphost.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef NUMBER
#define NUMBER 0
#endif
NSP_PROVIDER(NAME, NS_DNS, 1, 0, "", 0x10ad1400 + NUMBER, 0x1, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, 1);

#ifdef NEEDS
extern int NEEDS(void);
NSP_EXPORT int needed(void) { return NEEDS(); }
#endif

#ifdef HANGS
__attribute__((constructor)) static void hang(void) {
  while (access(HANGS, F_OK) != 0) usleep(20000);
}
#endif

#ifdef LOAD_HANGS
NTSTATUS NSPModuleLoad(void) {
  while (access(LOAD_HANGS, F_OK) != 0) usleep(20000);
  return 0;
}
#endif

#ifdef DATA_STARTUP
NSP_EXPORT __attribute__((aligned(16))) char data_startup[64] __asm__("NSPv2Startup") = {1};
#endif

struct lookup {
  int is_over;
  WCHAR name[64];
};

static INT begin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  struct lookup *lookup = calloc(1, sizeof *lookup);
  (void)id, (void)flags, (void)session;
  for (int i = 0; query->lpszServiceInstanceName != NULL && i < 63 && query->lpszServiceInstanceName[i] != 0; i++)
    lookup->name[i] = query->lpszServiceInstanceName[i];
  *handle = lookup;
  return NO_ERROR;
}

#ifdef INDIRECT
static LPNSPV2LOOKUPSERVICEBEGIN resolve_begin(void) { return begin; }
NSP_EXPORT INT NSPv2LookupServiceBegin(LPGUID, LPWSAQUERYSET2W, DWORD, LPVOID, LPHANDLE) __attribute__((ifunc("resolve_begin")));
#else
INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  return begin(id, query, flags, session, handle);
}
#endif

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  struct lookup *lookup = handle;
  WSAQUERYSET2W record = {.dwSize = sizeof record, .dwNameSpace = NS_DNS, .lpszServiceInstanceName = lookup->name};
  (void)flags;
  INT code = lookup->is_over ? WSA_E_NO_MORE : NSPHostPackQuerySet(&record, length, block);
  if (code == NO_ERROR) lookup->is_over = 1;
  WSAProviderCompleteAsyncCall(call, code);
}

#ifdef DATA_END
NSP_EXPORT char data_end[64] __asm__("NSPv2LookupServiceEnd") = {1};
#else
INT NSPv2LookupServiceEnd(HANDLE handle) {
  free(handle);
  return NO_ERROR;
}
#endif
