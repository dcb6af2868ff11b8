// A provider that misbehaves as it is told. The name that is looked up says how and where:
//
//   segfault abort exit throw kill     die of it
//   exit0                              exits with status 0
//   heap                               overruns a block, then frees its neighbour
//   memory                             uses memory until there is none, at most 4 GiB, then the pointer that it did not get
//   spin deadlock                      never go on
//   closefds                           closes every descriptor but the standard ones, then goes on
//   chatter                            writes a mebibyte to standard error, then goes on
//   fork                               starts 1000 children at most, which sleep for 20 seconds with all descriptors open, then goes on
//
// followed by -begin, -next or -thread: in Begin, in NextEx, or on a thread that NextEx has started, and then the call stays
// unanswered. `fine` has one record, and so has whatever goes on. With CONSTRUCTOR_FAULT the file does it when it is loaded, with HARMLESS
// never. With LIVES_IN_HOST it registers modules, and is loaded by hosts only.
#define NSP_ROUTINE_PROTOTYPES
#include <nsphost.h>
#include <pthread.h>
#include <signal.h>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <string.h>
#include <unistd.h>

#ifdef CONSTRUCTOR_FAULT
#define FIXTURE_NAME "constructor-" CONSTRUCTOR_FAULT
#elif !defined FIXTURE_NAME
#define FIXTURE_NAME "faults"
#define FIXTURE_NUMBER 0
#endif

NSP_PROVIDER(FIXTURE_NAME, NS_DNS, 1, NSP_WORKER, "", 0xfa017000 + FIXTURE_NUMBER, 0x5, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, 1);

namespace {

// The compiler must not see what is wrong with these.
volatile size_t nowhere = 0x10, past_its_end = 2100;

void segfault() { *reinterpret_cast<volatile int *>(nowhere) = 1; }
void throw_one() { throw std::runtime_error("nobody catches this"); }
void die_by_signal() { raise(SIGKILL); }
void leave() { exit(3); }
void leave_well() { exit(0); }

void corrupt_heap() {
  char *block = static_cast<char *>(malloc(2000)), *neighbour = static_cast<char *>(malloc(2000));
  memset(block, 'A', past_its_end);
  free(neighbour);
  free(block);
  abort();
}

void use_memory() {
  constexpr size_t part = 1 << 20;
  for (int i = 0; i < 4096; i++) {
    char *memory = static_cast<char *>(malloc(part));
    if (memory == nullptr) segfault();
    memset(memory, 1, part);
    asm volatile("" : : "r"(memory) : "memory");
  }
  abort();
}

void spin() {
  for (volatile unsigned turns = 0;; turns = turns + 1) {}
}

void deadlock() {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  pthread_mutex_lock(&lock);
}

void close_descriptors() { close_range(3, ~0U, 0); }

void start_children() {
  for (int i = 0; i < 1000; i++) {
    pid_t child = fork();
    if (child < 0) return;
    if (child > 0) continue;
    sleep(20);
    _exit(0);
  }
}

void chatter() {
  const std::string line = "what nobody reads" + std::string(1006, '.') + "\n";
  for (int i = 0; i < 1024; i++) (void)!write(STDERR_FILENO, line.data(), line.size());
}

const struct {
  const char *name;
  void (*commit)();
} faults[] = {
    {"segfault", segfault}, {"abort", abort},         {"exit", leave},  {"throw", throw_one},   {"kill", die_by_signal},
    {"heap", corrupt_heap}, {"memory", use_memory},   {"spin", spin},   {"deadlock", deadlock}, {"closefds", close_descriptors},
    {"fork", start_children}, {"exit0", leave_well}, {"chatter", chatter},
};

void commit(const std::string &name) {
#ifdef HARMLESS
  return (void)name;
#endif
  for (const auto &fault : faults)
    if (name == fault.name) fault.commit();
}

struct Lookup {
  std::string fault, where;
  bool is_delivered = false;
  // Commits its fault if this is the place for it.
  bool reaches(const char *place) const { return where == place ? (commit(fault), true) : false; }
};

void *fault_on_thread(void *context) {
  Lookup lookup = *static_cast<Lookup *>(context);
  delete static_cast<Lookup *>(context);
  commit(lookup.fault);
  return nullptr;
}

INT deliver(Lookup &lookup, LPDWORD length, LPWSAQUERYSET2W block) {
  if (lookup.is_delivered) return WSA_E_NO_MORE;
  std::string name = lookup.where.empty() ? lookup.fault : lookup.fault + "-" + lookup.where;
  WCHAR wide[64];
  DWORD size = 64;
  BYTE address[16] = {2, 0, 0, 7, 192, 0, 2, 9}; // AF_INET, port 7, 192.0.2.9
  CSADDR_INFO place;
  WSAQUERYSET2W record;
  NSPHostWideFromUtf8(name.c_str(), wide, &size);
  memset(&place, 0, sizeof place);
  place.RemoteAddr.lpSockaddr = reinterpret_cast<LPSOCKADDR>(address);
  place.RemoteAddr.iSockaddrLength = sizeof address;
  place.iSocketType = 1;
  memset(&record, 0, sizeof record);
  record.dwSize = sizeof record;
  record.lpszServiceInstanceName = wide;
  record.dwNumberOfCsAddrs = 1;
  record.lpcsaBuffer = &place;
  INT code = NSPHostPackQuerySet(&record, length, block);
  lookup.is_delivered = code == NO_ERROR;
  return code;
}

#ifdef CONSTRUCTOR_FAULT
__attribute__((constructor)) void fault_when_loaded() { commit(CONSTRUCTOR_FAULT); }
#endif

} // namespace

#ifdef LIVES_IN_HOST
extern "C" __attribute__((visibility("default"))) NTSTATUS NSPModuleLoad() { return STATUS_SUCCESS; }
#endif

INT NSPv2LookupServiceBegin(LPGUID, LPWSAQUERYSET2W query, DWORD, LPVOID, LPHANDLE handle) {
  char name[64] = "";
  DWORD size = sizeof name;
  NSPHostUtf8FromWide(query->lpszServiceInstanceName, name, &size);
  const char *dash = strchr(name, '-');
  Lookup lookup;
  lookup.fault.assign(name, dash != nullptr ? static_cast<size_t>(dash - name) : strlen(name));
  lookup.where = dash != nullptr ? dash + 1 : "";
  bool is_known = lookup.fault == "fine";
  for (const auto &fault : faults) is_known = is_known || lookup.fault == fault.name;
  if (!is_known) return WSASetLastError(WSASERVICE_NOT_FOUND), SOCKET_ERROR;
  lookup.reaches("begin");
  *handle = new Lookup(lookup);
  return NO_ERROR;
}

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD, LPDWORD length, LPWSAQUERYSET2W block) {
  Lookup &lookup = *static_cast<Lookup *>(handle);
  pthread_t thread;
  if (lookup.where == "thread" && pthread_create(&thread, nullptr, fault_on_thread, new Lookup(lookup)) == 0) {
    pthread_detach(thread);
    return;
  }
  if (!lookup.is_delivered) lookup.reaches("next");
  WSAProviderCompleteAsyncCall(call, deliver(lookup, length, block));
}

INT NSPv2LookupServiceEnd(HANDLE handle) {
  delete static_cast<Lookup *>(handle);
  return NO_ERROR;
}
