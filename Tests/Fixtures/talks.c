/* A provider that writes to the log on a thread of its own, which the host has not called; and a library that it loads, which does the same. */
#include <nsphost.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#ifdef IS_LIBRARY
static void *talk(void *unused) {
  NSPHostLog(NULL, NSP_LOG_WARNING, "from a library");
  return unused;
}

__attribute__((constructor)) static void load(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, talk, NULL) == 0) pthread_detach(thread);
}
#else
NSP_PROVIDER("talks", NS_DNS, 1, 0, "", 0x7a1c5000, 0x0001, 0x4000, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01);

static void *talk(void *unused) {
  NSPHostLog(NULL, NSP_LOG_WARNING, "on a thread of mine");
  if (getenv("LIBRARY_THAT_TALKS") != NULL) dlopen(getenv("LIBRARY_THAT_TALKS"), RTLD_NOW);
  return unused;
}

NSP_EXPORT INT NSPv2Startup(LPGUID id, LPVOID *session) {
  (void)id;
  return pthread_create((pthread_t *)session, NULL, talk, NULL) == 0 ? NO_ERROR : WSASYSCALLFAILURE;
}

NSP_EXPORT INT NSPv2Cleanup(LPGUID id, LPVOID session) {
  (void)id;
  pthread_join((pthread_t)session, NULL);
  return NO_ERROR;
}

NSP_EXPORT INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  (void)id, (void)query, (void)flags, (void)session, (void)handle;
  return NO_ERROR;
}

NSP_EXPORT VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  (void)handle, (void)flags, (void)length, (void)block;
  WSAProviderCompleteAsyncCall(call, WSANO_DATA);
}

NSP_EXPORT INT NSPv2LookupServiceEnd(HANDLE handle) {
  (void)handle;
  return NO_ERROR;
}
#endif
