/* Files that are no good providers, one for each macro. */
#define NSP_ROUTINE_PROTOTYPES
#include <nsphost.h>

#ifdef NO_ENTRY_POINTS
NSP_EXPORT int something_else(void);
int something_else(void) { return 1; }
#endif

#if defined(ROUTINES) || defined(UNDEFINED_SYMBOL) || defined(FAILS_TO_LOAD)
INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID argument, LPHANDLE handle) {
  (void)id, (void)query, (void)flags, (void)argument, (void)handle;
  return WSAEINVAL;
}
VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  (void)handle, (void)flags, (void)length, (void)block;
  WSAProviderCompleteAsyncCall(call, WSAEINVAL);
}
#ifndef WITHOUT_END
INT NSPv2LookupServiceEnd(HANDLE handle) {
  (void)handle;
  return NO_ERROR;
}
#endif
#endif

#ifdef UNDEFINED_SYMBOL
extern int nobody_defines_this(void);
NSP_EXPORT int uses_it(void);
int uses_it(void) { return nobody_defines_this(); }
#endif

#ifdef FAILS_TO_LOAD
/* More static thread-local storage than the dynamic linker keeps in reserve: dlopen fails although every table is right. */
static __thread char storage[FAILS_TO_LOAD] __attribute__((tls_model("initial-exec")));
NSP_EXPORT char *uses_storage(void);
char *uses_storage(void) { return storage; }
#endif

#ifdef BORROWER
/* Its routines are those of a library that it needs. */
extern int borrowed_anchor(void);
NSP_EXPORT int uses_library(void);
int uses_library(void) { return borrowed_anchor(); }
#endif

#ifdef USES_BROKEN
extern int broken_anchor(void);
NSP_EXPORT int uses_broken(void);
int uses_broken(void) { return broken_anchor(); }
#endif

#ifdef BROKEN
extern int nobody_defines_this_either(void);
NSP_EXPORT int broken_anchor(void);
int broken_anchor(void) { return nobody_defines_this_either(); }
#endif

#ifdef BORROWED
NSP_EXPORT int borrowed_anchor(void);
int borrowed_anchor(void) { return 1; }
#endif
