/* A provider that ends its process, or changes what belongs to all of it, as the name that is looked up says:

     exit _exit raw quick thread     exit(0), _exit(0), the system call, quick_exit(0), pthread_exit
     task                            the system call by which a thread ends
     directory mask locale handler   changes the working directory, the umask, the locale, the disposition of SIGTERM

   followed by -begin, -next or -own: in Begin, in NextEx, or on a thread of the provider's own. Nothing has data. With ENDS_STARTUP in the
   environment it does it in each startup, with CONSTRUCTOR when it is loaded, with UNLOAD when it is unloaded. */
#define _GNU_SOURCE
#define NSP_ROUTINE_PROTOTYPES
#include <nsphost.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

NSP_PROVIDER("ends", NS_DNS, 1, 0, "", 0xe2d50000 + FIXTURE_NUMBER, 0x5, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, 1);

static void on_signal(int number) { (void)number; }
static void commit(const char *what) {
  if (strcmp(what, "exit") == 0) exit(0);
  if (strcmp(what, "_exit") == 0) _exit(0);
  if (strcmp(what, "raw") == 0) syscall(SYS_exit_group, 0);
  if (strcmp(what, "quick") == 0) quick_exit(0);
  if (strcmp(what, "thread") == 0) pthread_exit(NULL);
  if (strcmp(what, "task") == 0) syscall(SYS_exit, 0);
  if (strcmp(what, "directory") == 0 && chdir("/proc") != 0) abort();
  if (strcmp(what, "mask") == 0) umask(0777);
  if (strcmp(what, "locale") == 0 && setlocale(LC_ALL, "C.UTF-8") == NULL) abort();
  if (strcmp(what, "handler") == 0) signal(SIGTERM, on_signal), signal(SIGSEGV, SIG_DFL);
}
static void *commit_on_thread(void *what) {
  commit(what);
  return NULL;
}
static void commit_at(const char *name, const char *place) {
  static char what[64];
  pthread_t thread;
  const char *dash = strchr(name, '-');
  if (dash == NULL || strcmp(dash + 1, place) != 0) return;
  memcpy(what, name, (size_t)(dash - name));
  what[dash - name] = 0;
  if (strcmp(place, "own") != 0) commit(what);
  else if (pthread_create(&thread, NULL, commit_on_thread, what) == 0) sleep(20);
}

#ifdef CONSTRUCTOR
__attribute__((constructor)) static void load(void) { commit(CONSTRUCTOR); }
#endif
#ifdef UNLOAD
void NSPModuleUnload(void) { commit(UNLOAD); }
#endif

INT NSPv2Startup(LPGUID id, LPVOID *session) {
  const char *what = getenv("ENDS_STARTUP");
  (void)id;
  if (what != NULL) commit(what);
  *session = NULL;
  return 0;
}
INT NSPv2LookupServiceBegin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  char *name = calloc(1, 64);
  DWORD size = 64;
  (void)id, (void)flags, (void)session;
  NSPHostUtf8FromWide(query->lpszServiceInstanceName, name, &size);
  commit_at(name, "begin");
  *handle = name;
  return 0;
}
VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  (void)flags, (void)length, (void)block;
  commit_at(handle, "next");
  commit_at(handle, "own");
  WSAProviderCompleteAsyncCall(call, WSANO_DATA);
}
INT NSPv2LookupServiceEnd(HANDLE handle) { return free(handle), 0; }
