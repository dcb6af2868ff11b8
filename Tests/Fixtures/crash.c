/* A provider that dies as it is told: crash-begin, crash-next, abort-next, overflow-next, divide-next, crash-thread, abort-thread. */
#define NSP_ROUTINE_PROTOTYPES
#include <nsphost.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

NSP_PROVIDER("crash", NS_DNS, 1, FIXTURE_FLAGS, "", 0x51e57000 + FIXTURE_FLAGS, 0x1, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, 99);

__attribute__((noinline)) static int crash(void) { return *(volatile int *)0x10; }
static int overflow(volatile int depth) {
  volatile char room[4096];
  room[depth & 4095] = (char)depth;
  return depth < 0 ? 0 : overflow(depth + 1) + room[0];
}
static void *thread(void *name) {
  if (strcmp(name, "abort-thread") == 0) abort();
  return (void *)(size_t)crash();
}

INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  static char name[64];
  DWORD size = sizeof name;
  (void)id, (void)flags, (void)session;
  NSPHostUtf8FromWide(query->lpszServiceInstanceName, name, &size);
  if (strcmp(name, "crash-begin") == 0) crash();
  *handle = name;
  return 0;
}
VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  volatile int zero = 0, many = 100;
  const char *name = handle;
  pthread_t started;
  (void)flags, (void)length, (void)block;
  if (strcmp(name, "crash-next") == 0) crash();
  if (strcmp(name, "abort-next") == 0) abort();
  if (strcmp(name, "overflow-next") == 0) overflow(0);
  if (strcmp(name, "divide-next") == 0) many = many / zero;
  if (strstr(name, "-thread") != NULL) {
    pthread_create(&started, NULL, thread, (void *)name);
    sleep(20);
  }
  WSAProviderCompleteAsyncCall(call, WSANO_DATA);
}
INT NSPv2LookupServiceEnd(HANDLE handle) { return (void)handle, 0; }
