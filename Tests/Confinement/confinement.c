/* Puts each measure in force, in a process of its own, and then tries what it forbids.
     confinement FOLDER    has plugin/plugin.so, inside/file, outside/file */
#define _GNU_SOURCE
#include <CConfinement.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MEBIBYTE = 1 << 20, SKIPPED = 77 };

static int failures;
static const char *folder;
static struct nsp_confinement_in_force got;
static struct nsp_confinement_available kernel;

static void check(int holds, const char *condition, int line) {
  if (!holds) failures++, printf("        confinement.c:%d: %s (%s)\n", line, condition, strerror(errno));
}
#define CHECK(condition) check(condition, #condition, __LINE__)
#define REFUSED(call, code) (errno = 0, check((call) < 0 && errno == (code), #call " is refused with " #code, __LINE__))

static void skip(const char *reason) {
  printf("        %s\n", reason);
  fflush(stdout);
  _exit(SKIPPED);
}
static void need_root(void) { if (getuid() != 0) skip("needs root"); }
static void need_filter(void) { if (!kernel.seccomp) skip("this kernel filters no system calls"); }
static void need_landlock(int version) { if (kernel.landlock < version) skip("this kernel's Landlock is too old, or not there"); }

static void confine(struct nsp_confinement wanted) {
  int result = nsp_confine(&wanted, &got);
  CHECK(result == 0 && got.failure == 0 && got.no_new_privileges == NSP_IN_FORCE);
  if (result != 0) printf("        %s: %s: %s\n", got.measure, got.subject, strerror(got.failure));
}
static void confine_refused(struct nsp_confinement wanted, int code, const char *measure, const char *subject) {
  CHECK(nsp_confine(&wanted, &got) == -1 && got.failure == code);
  CHECK(got.measure != NULL && strcmp(got.measure, measure) == 0);
  CHECK(got.subject != NULL && strcmp(got.subject, subject) == 0);
}
static const char *path(const char *name) {
  static char paths[8][512];
  static int next;
  char *place = paths[next++ % 8];
  snprintf(place, sizeof paths[0], "%s/%s", folder, name);
  return place;
}
static int reads(const char *name) {
  char byte;
  int descriptor = open(name, O_RDONLY | O_CLOEXEC), result;
  if (descriptor < 0) return -1;
  result = (int)read(descriptor, &byte, 1);
  close(descriptor);
  return result < 0 ? -1 : 0;
}
static void *nothing(void *context) { return context; }
static void check_threads(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
}
static void check_plugin(void) {
  void *file = dlopen(path("plugin/plugin.so"), RTLD_NOW | RTLD_LOCAL);
  int (*answer)(void) = file != NULL ? (int (*)(void))dlsym(file, "plugin_answer") : NULL;
  if (file == NULL) printf("        %s\n", dlerror());
  CHECK(answer != NULL && answer() == 42);
}

static void nothing_is_wanted(void) {
  struct rlimit before[RLIM_NLIMITS], after;
  for (int i = 0; i < RLIM_NLIMITS; i++) getrlimit(i, &before[i]);
  confine((struct nsp_confinement){0});
  for (int i = 0; i < RLIM_NLIMITS; i++) CHECK(getrlimit(i, &after) == 0 && memcmp(&after, &before[i], sizeof after) == 0);
  CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_SECCOMP) == 0);
  CHECK(got.memory == NSP_NOT_WANTED && got.reading == NSP_NOT_WANTED && got.socket_kinds == NSP_NOT_WANTED && got.user == NSP_NOT_WANTED);
  CHECK(reads(path("outside/file")) == 0 && socket(AF_INET, SOCK_DGRAM, 0) >= 0);
  check_plugin();
  pid_t child = fork();
  if (child == 0) _exit(0);
  CHECK(child > 0 && waitpid(child, NULL, 0) == child);
}

static void memory_is_limited(void) {
  size_t had = 0;
  void *part;
  confine((struct nsp_confinement){.memory_bytes = 64 * MEBIBYTE});
  CHECK(got.memory == NSP_IN_FORCE && got.memory_before > 0);
  for (; had < 1024 && (part = malloc(MEBIBYTE)) != NULL; had++) memset(part, 1, MEBIBYTE);
  CHECK(errno == ENOMEM && had >= 56 && had <= 64);
}
/* What a thread's allocator reserves is not what it has. */
static void *allocate(void *context) { return memset(malloc(1000), 1, 1000), context; }
static void reservations_are_free(void) {
  pthread_attr_t small;
  pthread_t threads[16];
  confine((struct nsp_confinement){.memory_bytes = 64 * MEBIBYTE});
  pthread_attr_init(&small), pthread_attr_setstacksize(&small, 256 << 10);
  for (int i = 0; i < 16; i++) CHECK(pthread_create(&threads[i], &small, allocate, NULL) == 0);
  for (int i = 0; i < 16; i++) pthread_join(threads[i], NULL);
}
static volatile sig_atomic_t warned;
static void warn(int number) { warned = number; }
static void time_is_limited(void) {
  signal(SIGXCPU, warn);
  confine((struct nsp_confinement){.cpu_seconds = 1});
  CHECK(got.cpu_time == NSP_IN_FORCE);
  while (!warned) {}
  /* Whoever goes on is killed: the table below says so. */
  if (failures == 0) for (;;) {}
}
static void descriptors_are_limited(void) {
  int count = 0;
  CHECK(dup2(STDOUT_FILENO, 40) == 40);
  confine((struct nsp_confinement){.descriptors = 10});
  CHECK(got.descriptors == NSP_IN_FORCE);
  while (count < 100 && dup(STDOUT_FILENO) >= 0) count++;
  CHECK(errno == EMFILE && count == 10);
}
static void children_are_forbidden(void) {
  char *arguments[] = {"true", NULL};
  pid_t child;
  need_filter();
  confine((struct nsp_confinement){.limits_processes = 1});
  CHECK(got.processes == NSP_IN_FORCE);
  REFUSED(fork(), EPERM);
  REFUSED(vfork(), EPERM);
  REFUSED(execv("/bin/true", arguments), EPERM);
  CHECK(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == EPERM);
  REFUSED(syscall(SYS_clone3, NULL, 0), ENOSYS);
  check_threads();
  check_plugin();
}
static void children_are_counted(void) {
  struct rlimit present;
  int count = 0;
  need_root();
  confine((struct nsp_confinement){.limits_processes = 1, .processes = 4, .user = "nobody"});
  CHECK(got.processes == NSP_IN_FORCE && getrlimit(RLIMIT_NPROC, &present) == 0 && present.rlim_cur == 4);
  for (pid_t child; count < 20 && (child = fork()) >= 0; count++)
    if (child == 0) pause(), _exit(0);
  CHECK(errno == EAGAIN && count <= 3);
  signal(SIGTERM, SIG_IGN), kill(0, SIGTERM);
}
static void root_is_not_counted(void) {
  need_root();
  confine((struct nsp_confinement){.limits_processes = 1, .processes = 4});
  CHECK(got.processes == NSP_LACKING);
}
static void core_files_are_forbidden(void) {
  struct rlimit present;
  confine((struct nsp_confinement){.forbids_core_files = 1});
  CHECK(got.core_files == NSP_IN_FORCE && getrlimit(RLIMIT_CORE, &present) == 0 && present.rlim_max == 0);
}

static void reading_is_restricted(void) {
  const char *readable[] = {path("inside")}, *plugin = path("plugin");
  int open_before = open(path("outside/file"), O_RDONLY);
  char byte;
  need_landlock(1);
  confine((struct nsp_confinement){.restricts_reading = 1, .folder = plugin, .readable = readable, .readable_count = 1});
  CHECK(got.reading == NSP_IN_FORCE && got.threads_outside == 0);
  CHECK(reads(path("inside/file")) == 0 && read(open_before, &byte, 1) == 1);
  CHECK(reads("/etc/hosts") == 0 && reads("/proc/self/status") == 0 && reads("/dev/urandom") == 0);
  REFUSED(reads(path("outside/file")), EACCES);
  REFUSED(reads(path("inside/../outside/file")), EACCES);
  REFUSED(reads("/etc/shadow"), EACCES);
  REFUSED(open(folder, O_RDONLY | O_DIRECTORY), EACCES);
  REFUSED(open(path("inside/file"), O_WRONLY), EACCES);
  REFUSED(open(path("inside/new"), O_WRONLY | O_CREAT, 0600), EACCES);
  REFUSED(truncate(path("inside/file"), 0), EACCES);
  REFUSED(unlink(path("inside/file")), EACCES);
  REFUSED(mkdir(path("plugin/new"), 0700), EACCES);
  REFUSED(execl("/bin/true", "true", (char *)NULL), EACCES);
  CHECK(open("/dev/null", O_WRONLY) >= 0);
  check_plugin();
}
static void nothing_is_readable(void) {
  need_landlock(1);
  confine((struct nsp_confinement){.restricts_reading = 1});
  REFUSED(reads(path("inside/file")), EACCES);
  for (size_t i = 0; nsp_always_readable(i) != NULL; i++)
    CHECK(access(nsp_always_readable(i), R_OK) != 0 || open(nsp_always_readable(i), O_RDONLY) >= 0);
}
static void paths_are_checked(void) {
  const char *missing[] = {"/nowhere/at/all"}, *relative[] = {"inside"};
  need_landlock(1);
  struct nsp_confinement wanted = {.restricts_reading = 1, .readable = missing, .readable_count = 1};
  confine_refused(wanted, ENOENT, "reading", missing[0]);
  wanted.readable = relative;
  confine_refused(wanted, EINVAL, "reading", relative[0]);
}

/* A server on a port of the kernel's choice. */
static int serve(int type, int *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int server = socket(AF_INET, type, 0);
  CHECK(bind(server, (struct sockaddr *)&address, sizeof address) == 0 && getsockname(server, (struct sockaddr *)&address, &size) == 0);
  if (type == SOCK_STREAM) CHECK(listen(server, 8) == 0);
  *port = ntohs(address.sin_port);
  return server;
}
static struct sockaddr_in at(int port) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}
static int reach(int type, int port) {
  struct sockaddr_in address = at(port);
  int client = socket(AF_INET, type, 0);
  return client < 0 ? -1 : connect(client, (struct sockaddr *)&address, sizeof address);
}
static int reach_path(const char *name, size_t size) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int client = socket(AF_UNIX, SOCK_STREAM, 0);
  memcpy(address.sun_path, name, size);
  return client < 0 ? -1 : connect(client, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
}
static int serve_path(const char *name, size_t size) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  memcpy(address.sun_path, name, size);
  CHECK(bind(server, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) == 0);
  CHECK(listen(server, 8) == 0);
  return server;
}
static struct nsp_confinement connecting(const char *const *entries, size_t count) {
  return (struct nsp_confinement){.restricts_connecting = 1, .reachable = entries, .reachable_count = count};
}

static void one_port_is_reachable(void) {
  char entry[16], byte = 0;
  const char *entries[] = {entry};
  int permitted, other, host[2];
  need_filter(), need_landlock(4);
  serve(SOCK_STREAM, &permitted), serve(SOCK_STREAM, &other);
  struct sockaddr_in permitted_address = at(permitted), other_address = at(other), any = at(0);
  snprintf(entry, sizeof entry, "tcp:%d", permitted);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, host) == 0);
  confine(connecting(entries, 1));
  CHECK(got.socket_kinds == NSP_IN_FORCE && got.tcp_ports == NSP_IN_FORCE && got.unix_paths == NSP_NOT_WANTED);
  CHECK(reach(SOCK_STREAM, permitted) == 0);
  REFUSED(reach(SOCK_STREAM, other), EACCES);
  CHECK(send(host[0], &byte, 1, 0) == 1 && recv(host[1], &byte, 1, 0) == 1);
  REFUSED(socket(AF_INET, SOCK_DGRAM, 0), EACCES);
  REFUSED(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), EACCES);
  REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EACCES);
  REFUSED(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), EACCES);
  REFUSED(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), EACCES);
  REFUSED(socket(AF_UNIX, SOCK_STREAM, 0), EACCES);
  REFUSED(socket(AF_PACKET, SOCK_RAW, 0), EACCES);
  REFUSED(socketpair(AF_UNIX, SOCK_DGRAM, 0, host), EACCES);
  int client = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP), fast = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(client >= 0 && fast >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, host) == 0);
  REFUSED(sendto(fast, &byte, 1, MSG_FASTOPEN, (struct sockaddr *)&other_address, sizeof other_address), EACCES);
  REFUSED(bind(fast, (struct sockaddr *)&any, sizeof any), EACCES);
  REFUSED(listen(fast, 1), EACCES);
  CHECK(connect(fast, (struct sockaddr *)&permitted_address, sizeof permitted_address) == 0);
  struct io_uring_params parameters = {0};
  REFUSED(syscall(SYS_io_uring_setup, 1, &parameters), ENOSYS);
  CHECK(reads(path("outside/file")) == 0);
}
static void any_port_is_reachable(void) {
  const char *entries[] = {"tcp:*", "udp:*"};
  int one, other, datagrams;
  need_filter();
  serve(SOCK_STREAM, &one), serve(SOCK_STREAM, &other), serve(SOCK_DGRAM, &datagrams);
  confine(connecting(entries, 2));
  CHECK(reach(SOCK_STREAM, one) == 0 && reach(SOCK_STREAM, other) == 0 && reach(SOCK_DGRAM, datagrams) == 0);
  REFUSED(socket(AF_UNIX, SOCK_DGRAM, 0), EACCES);
  struct addrinfo *found = NULL;
  CHECK(getaddrinfo("127.0.0.1", "80", NULL, &found) == 0 && found != NULL);
}
static void nothing_is_reachable(void) {
  need_filter();
  confine(connecting(NULL, 0));
  REFUSED(socket(AF_INET, SOCK_STREAM, 0), EACCES);
  REFUSED(socket(AF_INET6, SOCK_STREAM, 0), EACCES);
  REFUSED(socket(AF_NETLINK, SOCK_RAW, 0), EACCES);
  REFUSED(socket(AF_UNIX, SOCK_SEQPACKET, 0), EACCES);
  check_plugin();
}
static void sockets_of_this_machine_are_reachable(void) {
  const char *named = path("socket"), hidden[] = "\0nsphost-confinement-test";
  char entry[600];
  const char *entries[] = {entry};
  need_filter();
  snprintf(entry, sizeof entry, "unix:%s", named);
  unlink(named), serve_path(named, strlen(named) + 1), serve_path(hidden, sizeof hidden - 1);
  pid_t child = fork();
  if (child == 0) {
    confine(connecting(entries, 1));
    CHECK(got.unix_paths == NSP_LACKING && reach_path(named, strlen(named) + 1) == 0);
    if (got.abstract_sockets == NSP_IN_FORCE) REFUSED(reach_path(hidden, sizeof hidden - 1), EPERM);
    REFUSED(socket(AF_INET, SOCK_STREAM, 0), EACCES);
    fflush(stdout), _exit(failures);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}
static void entries_are_checked(void) {
  static const char *wrong[] = {
      "", "tcp", "tcp:", "tcp:0", "tcp:65536", "tcp:+5", "tcp:5x", "tcp: 5", "udp:53", "unix:relative", "http:80",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) confine_refused(connecting(&wrong[i], 1), EINVAL, "connecting", wrong[i]);
}
static void signals_are_restricted(void) {
  need_landlock(6);
  confine((struct nsp_confinement){.restricts_signals = 1});
  CHECK(got.signals == NSP_IN_FORCE);
  REFUSED(kill(getppid(), 0), EPERM);
  CHECK(kill(getpid(), 0) == 0);
  pid_t child = fork();
  if (child == 0) pause(), _exit(0);
  CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

static void user_is_changed(void) {
  uid_t real, effective, saved;
  need_root();
  confine((struct nsp_confinement){.user = "nobody"});
  CHECK(got.user == NSP_IN_FORCE && getresuid(&real, &effective, &saved) == 0 && real != 0 && effective == real && saved == real);
  CHECK(getgid() != 0 && getgroups(0, NULL) <= 1);
  REFUSED(setuid(0), EPERM);
  REFUSED(setgid(0), EPERM);
  REFUSED(reads("/etc/shadow"), EACCES);
}
static void user_is_unknown(void) {
  confine_refused((struct nsp_confinement){.user = "nobody-at-all"}, ENOENT, "user", "nobody-at-all");
}
static void user_is_not_ours(void) {
  need_root();
  confine((struct nsp_confinement){.user = "nobody"});
  confine((struct nsp_confinement){.user = "nobody"});
  confine_refused((struct nsp_confinement){.user = "daemon"}, EPERM, "user", "daemon");
}

static int may_go = 0;
static void *later(void *context) {
  while (!__atomic_load_n(&may_go, __ATOMIC_ACQUIRE)) usleep(1000);
  return (void *)(intptr_t)(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EACCES && context == NULL);
}
static void earlier_threads_are_filtered(void) {
  pthread_t thread;
  void *refused = NULL;
  need_filter();
  CHECK(pthread_create(&thread, NULL, later, NULL) == 0);
  confine(connecting(NULL, 0));
  CHECK(got.threads_outside == 1);
  __atomic_store_n(&may_go, 1, __ATOMIC_RELEASE);
  CHECK(pthread_join(thread, &refused) == 0 && refused != NULL);
}
/* As a provider's worker is: the strictest there is. */
static void all_at_once(void) {
  const char *readable[] = {path("inside")}, *plugin = path("plugin");
  need_root(), need_filter(), need_landlock(6);
  confine((struct nsp_confinement){
      .memory_bytes = 128 * MEBIBYTE, .cpu_seconds = 60, .descriptors = 32, .limits_processes = 1, .forbids_core_files = 1,
      .user = "nobody", .restricts_reading = 1, .folder = plugin, .readable = readable, .readable_count = 1,
      .restricts_connecting = 1, .restricts_signals = 1});
  const enum nsp_standing standings[] = {
      got.memory, got.cpu_time, got.descriptors, got.processes, got.core_files, got.user, got.reading,
      got.socket_kinds, got.tcp_ports, got.abstract_sockets, got.signals,
  };
  for (size_t i = 0; i < sizeof standings / sizeof *standings; i++) CHECK(standings[i] == NSP_IN_FORCE);
  check_plugin();
  check_threads();
  CHECK(reads(path("inside/file")) == 0 && reads("/proc/self/maps") == 0);
  REFUSED(reads(path("outside/file")), EACCES);
  REFUSED(fork(), EPERM);
}
#if defined(__x86_64__)
static void other_architectures_are_refused(void) {
  long call = 0x40000000 | SYS_getpid;
  need_filter();
  confine((struct nsp_confinement){.limits_processes = 1});
  REFUSED(syscall(call), ENOSYS);
  if (failures != 0) return;
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory"); /* getpid of the 32-bit kind */
}
#endif

static const struct {
  const char *behaviour;
  void (*run)(void);
  int signal;
} tests[] = {
    {"nothing is wanted: no new privileges, and nothing else", nothing_is_wanted, 0},
    {"memory ends at its limit with ENOMEM", memory_is_limited, 0},
    {"what the allocators of threads reserve does not count", reservations_are_free, 0},
    {"processor time: SIGXCPU, then SIGKILL", time_is_limited, SIGKILL},
    {"descriptors end with EMFILE, those that are open aside", descriptors_are_limited, 0},
    {"no children and no other programs; threads and libraries go on", children_are_forbidden, 0},
    {"the processes of a user are counted", children_are_counted, 0},
    {"that root's are not counted is said", root_is_not_counted, 0},
    {"no core files", core_files_are_forbidden, 0},
    {"reading: the folders that are named, the plugin's, the libraries; nothing is written", reading_is_restricted, 0},
    {"reading: an empty list leaves what is always readable", nothing_is_readable, 0},
    {"reading: a path that is missing or relative is named", paths_are_checked, 0},
    {"connecting: one TCP port, and what is connected; no other port, family or kind", one_port_is_reachable, 0},
    {"connecting: any TCP port and UDP", any_port_is_reachable, 0},
    {"connecting: an empty list leaves nothing", nothing_is_reachable, 0},
    {"connecting: sockets with paths, not abstract ones; that paths are not told apart is said", sockets_of_this_machine_are_reachable, 0},
    {"connecting: an entry that means nothing is named", entries_are_checked, 0},
    {"signals: to itself and its children only", signals_are_restricted, 0},
    {"another user, with no way back", user_is_changed, 0},
    {"a user that there is not is named", user_is_unknown, 0},
    {"a user that one may not become is named; the present one is no change", user_is_not_ours, 0},
    {"earlier threads are filtered, and counted as outside of Landlock", earlier_threads_are_filtered, 0},
    {"all measures at once leave a provider able to work", all_at_once, 0},
#if defined(__x86_64__)
    {"system calls of other architectures end the process", other_architectures_are_refused, SIGSYS},
#endif
};

int main(int count, char **arguments) {
  int failed = 0;
  if (count != 2) return fprintf(stderr, "usage: confinement FOLDER\n"), 64;
  folder = arguments[1];
  kernel = nsp_confinement_available();
  printf("Landlock ABI %d, seccomp %s\n", kernel.landlock, kernel.seccomp ? "yes" : "no");
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      setpgid(0, 0);
      alarm(30);
      tests[i].run();
      fflush(stdout);
      _exit(failures > 0);
    }
    waitpid(child, &status, 0);
    int passed = tests[i].signal != 0 ? WIFSIGNALED(status) && WTERMSIG(status) == tests[i].signal : status == 0;
    int skipped = WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED;
    failed += !passed && !skipped;
    printf("%s %s\n", passed ? "ok     " : skipped ? "skipped" : "FAILED ", tests[i].behaviour);
    if (!passed && WIFSIGNALED(status)) printf("        %s\n", strsignal(WTERMSIG(status)));
  }
  return failed > 0;
}
