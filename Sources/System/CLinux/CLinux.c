#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(NSP_READ == EPOLLIN && NSP_WRITE == EPOLLOUT && NSP_HANGUP == EPOLLRDHUP && (uint32_t)NSP_EDGE == (uint32_t)EPOLLET, "epoll's numbers");

int nsp_pidfd_open(int process) { return (int)syscall(SYS_pidfd_open, process, 0); }
void nsp_end_with_parent(void) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  /* Its parent may have gone before it asked. */
  if (getppid() == 1) raise(SIGTERM);
}
int nsp_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }
int nsp_exchange(const char *one, const char *other) { return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE); }
int nsp_rename_new(const char *old, const char *new_name) { return renameat2(AT_FDCWD, old, AT_FDCWD, new_name, RENAME_NOREPLACE); }
int nsp_socket_pair(int ends[2]) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends); }
int nsp_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? fcntl(ends[0], F_SETFL, O_NONBLOCK) : -1; }
int nsp_send_descriptor(int socket, const void *bytes, unsigned count, int descriptor) {
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  struct iovec part = {(void *)(uintptr_t)bytes, count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  memcpy(CMSG_DATA(&control.head), &descriptor, sizeof descriptor);
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)count ? 0 : -1;
}
/* The environment of this process, with one more tunable of glibc: how much static thread-local storage is kept for files that are loaded
   later. `tunables` has the new variable's text. NULL where there is no memory. */
static char **with_static_tls(char *const *environment, size_t bytes, char **tunables) {
  static const char name[] = "GLIBC_TUNABLES=";
  const char *known = NULL;
  char **copy = NULL;
  size_t count = 0, kept = 0;
  while (environment[count] != NULL) count++;
  copy = calloc(count + 2, sizeof *copy);
  if (copy == NULL) return NULL;
  for (size_t i = 0; i < count; i++) {
    if (strncmp(environment[i], name, sizeof name - 1) == 0) known = environment[i] + sizeof name - 1;
    else copy[kept++] = environment[i];
  }
  if (known != NULL && *known == 0) known = NULL;
  if (asprintf(tunables, "%s%s%sglibc.rtld.optional_static_tls=%zu", name, known != NULL ? known : "", known != NULL ? ":" : "", bytes) < 0) {
    free(copy);
    return NULL;
  }
  copy[kept] = *tunables;
  return copy;
}

/* A process group of its own, with no signal blocked or ignored. */
static void in_own_group(posix_spawnattr_t *attributes) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_init(attributes);
  posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setsigdefault(attributes, &all);
  posix_spawnattr_setpgroup(attributes, 0);
}

int nsp_spawn_worker(const char *program, char *const arguments[], int input, int output, size_t static_tls) {
  extern char **environ;
  char **environment = NULL, *tunables = NULL;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  pid_t process = -1;
  int status;
  in_own_group(&attributes);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, NSP_WORKER_INPUT);
  /* A child that reads standard input finds its end. */
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (output >= 0) {
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  }
  /* What others have opened in this process, without a word about exec, is not the worker's. */
  posix_spawn_file_actions_addclosefrom_np(&actions, NSP_WORKER_INPUT + 1);
  if (static_tls > 0) environment = with_static_tls(environ, static_tls, &tunables);
  status = posix_spawn(&process, program, &actions, &attributes, arguments, environment != NULL ? environment : environ);
  if (environment != NULL) free(tunables);
  free(environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return status == 0 ? process : -1;
}
int nsp_spawn(const char *program, char *const arguments[]) {
  extern char **environ;
  posix_spawnattr_t attributes;
  pid_t process = -1;
  int status;
  in_own_group(&attributes);
  status = posix_spawn(&process, program, NULL, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  errno = status;
  return status == 0 ? process : -1;
}
void nsp_await_end(int process) {
  siginfo_t info;
  while (waitid(P_PID, (id_t)process, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {}
}
void nsp_bound_arenas(void) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  mallopt(M_ARENA_MAX, processors > 2 ? (int)processors : 2);
}
void nsp_name_process(const char *name) { prctl(PR_SET_NAME, name); }
static int signal_pipe[2] = {-1, -1};
static pid_t signals_owner;
static void note_signal(int number) {
  unsigned char byte = (unsigned char)number;
  int error = errno;
  /* In a child that some provider has made: it is not about this process. */
  if (getpid() != signals_owner) {
    signal(number, SIG_DFL);
    raise(number);
    return;
  }
  (void)!write(signal_pipe[1], &byte, 1);
  errno = error;
}
int nsp_take_signals(const int *numbers, unsigned count) {
  sigset_t taken;
  struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
  if (signal_pipe[0] < 0 && pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -1;
  signals_owner = getpid();
  sigemptyset(&action.sa_mask);
  sigemptyset(&taken);
  for (unsigned i = 0; i < count; i++) sigaction(numbers[i], &action, NULL), sigaddset(&taken, numbers[i]);
  /* Whoever has started this process may have had them blocked. */
  pthread_sigmask(SIG_UNBLOCK, &taken, NULL);
  return 0;
}
int nsp_next_signal(int64_t milliseconds) {
  struct pollfd one = {.fd = signal_pipe[0], .events = POLLIN};
  for (;;) {
    unsigned char byte;
    int status;
    if (read(signal_pipe[0], &byte, 1) == 1) return byte;
    status = poll(&one, 1, milliseconds < 0 ? -1 : milliseconds > INT32_MAX ? INT32_MAX : (int)milliseconds);
    if (status == 0) return 0;
  }
}
int nsp_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
void nsp_eventfd_signal(int descriptor) { (void)!eventfd_write(descriptor, 1); }
int nsp_timer(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); }
void nsp_timer_set(int descriptor, int64_t nanoseconds) {
  struct itimerspec time = {.it_value = {nanoseconds / 1000000000, nanoseconds % 1000000000}};
  timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &time, NULL);
}

int nsp_poll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static int control(int poll, int how, int descriptor, uint32_t events, uint64_t number) {
  struct epoll_event event = {.events = events, .data.u64 = number};
  return epoll_ctl(poll, how, descriptor, &event);
}
int nsp_poll_add(int poll, int descriptor, uint32_t events, uint64_t number) { return control(poll, EPOLL_CTL_ADD, descriptor, events, number); }
int nsp_poll_change(int poll, int descriptor, uint32_t events, uint64_t number) { return control(poll, EPOLL_CTL_MOD, descriptor, events, number); }
void nsp_poll_remove(int poll, int descriptor) { control(poll, EPOLL_CTL_DEL, descriptor, 0, 0); }

int nsp_poll_wait(int poll, struct nsp_ready *ready, int most, int milliseconds) {
  struct epoll_event events[NSP_MOST_EVENTS];
  int count;
  do count = epoll_wait(poll, events, most < NSP_MOST_EVENTS ? most : NSP_MOST_EVENTS, milliseconds);
  while (count < 0 && errno == EINTR);
  for (int i = 0; i < count; i++) ready[i] = (struct nsp_ready){events[i].data.u64, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)};
  return count;
}
void nsp_give_back_memory(void) {
  extern int malloc_trim(size_t pad);
  malloc_trim(0);
}
