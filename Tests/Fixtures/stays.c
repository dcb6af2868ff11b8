/* A provider that leaves behind what would run its code after it has been unloaded, and says nothing of it:
     thread, spinning, timer, key, handler: a thread that sleeps, one that never rests, a timer that calls it
     (SIGEV_THREAD), a destructor of thread-specific data, a handler of a signal; late: a thread that ends 300 ms after the unload;
     joined: a thread that its destructor ends and waits for; over: one that the destructor does not wait for;
     none: handlers of exit and of fork, which go with the file; exit: one of on_exit, which does not; unseen: the same, found by a way that nobody
     sees. */
#define _GNU_SOURCE
#define NSP_ROUTINE_PROTOTYPES
#include <nsphost.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

NSP_PROVIDER("stays-" LEAVES, NS_DNS, 1, 0, "", 0x57a75000 + FIXTURE_NUMBER, 0x5, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, 1);

static volatile int is_unloaded, turns;
static void *sleeps(void *unused) {
  for (;;) sleep(1);
  return unused;
}
static void *spins(void *unused) {
  for (;;) turns = turns + 1;
  return unused;
}
static void *ends_soon(void *unused) {
  while (!is_unloaded) usleep(10000);
  usleep(300000);
  return unused;
}
static pthread_t waited_for;
#ifdef DESTRUCTOR
__attribute__((destructor)) static void unload(void) {
  is_unloaded = 1;
  if (strcmp(LEAVES, "joined") == 0) pthread_join(waited_for, NULL);
}
#endif
static void called(union sigval value) { (void)value; }
static void destroys(void *value) { (void)value; }
static void handles(int number) { (void)number; }
static void at_end(void) {}
static void at_exit(int status, void *unused) { (void)status, (void)unused; }

__attribute__((constructor)) static void load(void) {
  pthread_t thread;
  pthread_key_t key;
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = called};
  struct itimerspec soon = {.it_value = {.tv_sec = 600}};
  if (strcmp(LEAVES, "thread") == 0) pthread_create(&thread, NULL, sleeps, NULL);
  if (strcmp(LEAVES, "spinning") == 0) pthread_create(&thread, NULL, spins, NULL);
  if (strcmp(LEAVES, "joined") == 0) pthread_create(&waited_for, NULL, ends_soon, NULL);
  if (strcmp(LEAVES, "over") == 0) pthread_create(&thread, NULL, sleeps, NULL);
  if (strcmp(LEAVES, "late") == 0) pthread_create(&thread, NULL, ends_soon, NULL);
  if (strcmp(LEAVES, "timer") == 0 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) timer_settime(timer, 0, &soon, NULL);
  if (strcmp(LEAVES, "key") == 0) pthread_key_create(&key, destroys);
  if (strcmp(LEAVES, "handler") == 0) signal(SIGUSR2, handles);
  if (strcmp(LEAVES, "none") == 0) atexit(at_end), at_quick_exit(at_end), pthread_atfork(at_end, at_end, at_end);
#ifdef ON_EXIT
  on_exit(at_exit, NULL);
#endif
  int (*found)(void (*)(int, void *), void *) = (int (*)(void (*)(int, void *), void *))dlsym(RTLD_DEFAULT, "on_exit");
  if (strcmp(LEAVES, "unseen") == 0) found(at_exit, NULL);
}
void NSPModuleUnload(void) { is_unloaded = strcmp(LEAVES, "joined") != 0; }

INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  (void)id, (void)query, (void)flags, (void)session;
  *handle = NULL;
  return 0;
}
VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  (void)handle, (void)flags, (void)length, (void)block;
  WSAProviderCompleteAsyncCall(call, WSANO_DATA);
}
INT NSPv2LookupServiceEnd(HANDLE handle) { return (void)handle, 0; }
