/* A filter of system calls, made of rows: which calls are answered with which error, and which kinds of sockets are given. */
#define _GNU_SOURCE
#include "Measures.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { ARCHITECTURE = (int)AUDIT_ARCH_X86_64, FIRST_FOREIGN = 0x40000000 }; /* x32 */
#elif defined(__aarch64__)
enum { ARCHITECTURE = (int)AUDIT_ARCH_AARCH64, FIRST_FOREIGN = 0x7FFFFFFF };
#else
enum { ARCHITECTURE = 0, FIRST_FOREIGN = 0x7FFFFFFF };
#endif

/* A call that is refused: always, or when an argument has all or none of some bits. */
enum when { ALWAYS, HAS, LACKS };
struct refusal {
  int call, code;
  enum when when;
  unsigned argument, bits;
};

/* Without children. Threads stay: libc asks for them with clone3 first, whose arguments no filter can see, and with clone when the
   kernel is so old that it has none. */
static const struct refusal children[] = {
#ifdef SYS_fork
    {SYS_fork, EPERM, ALWAYS, 0, 0},
    {SYS_vfork, EPERM, ALWAYS, 0, 0},
#endif
    {SYS_clone, EPERM, LACKS, 0, CLONE_THREAD},
    {SYS_clone3, ENOSYS, ALWAYS, 0, 0},
    {SYS_execve, EPERM, ALWAYS, 0, 0},
    {SYS_execveat, EPERM, ALWAYS, 0, 0},
};

/* What would connect without being asked for a socket's kind or a port: io_uring makes sockets itself, and a TCP socket that sends
   before it is connected connects where Landlock does not look. */
static const struct refusal sockets[] = {
    {SYS_listen, EACCES, ALWAYS, 0, 0},
    {SYS_io_uring_setup, ENOSYS, ALWAYS, 0, 0},
    {SYS_sendto, EACCES, HAS, 3, MSG_FASTOPEN},
    {SYS_sendmsg, EACCES, HAS, 2, MSG_FASTOPEN},
    {SYS_sendmmsg, EACCES, HAS, 3, MSG_FASTOPEN},
};

/* A kind of socket, and what it serves. A pair can reach nobody else, except a datagram socket, which sends to any path. Other protocols
   than these would pass by Landlock's ports; netlink tells libc which addresses this machine has. */
enum { NOBODY = 1, TCP = 2, UDP = 4, UNIX = 8 };
struct kind {
  int call, family, type, protocol, serves;
};
static const struct kind kinds[] = {
    {SYS_socket, AF_UNIX, SOCK_STREAM, 0, UNIX},
    {SYS_socket, AF_UNIX, SOCK_DGRAM, 0, UNIX},
    {SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0, UNIX},
    {SYS_socket, AF_INET, SOCK_STREAM, 0, TCP},
    {SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP},
    {SYS_socket, AF_INET6, SOCK_STREAM, 0, TCP},
    {SYS_socket, AF_INET6, SOCK_STREAM, IPPROTO_TCP, TCP},
    {SYS_socket, AF_INET, SOCK_DGRAM, 0, UDP},
    {SYS_socket, AF_INET, SOCK_DGRAM, IPPROTO_UDP, UDP},
    {SYS_socket, AF_INET6, SOCK_DGRAM, 0, UDP},
    {SYS_socket, AF_INET6, SOCK_DGRAM, IPPROTO_UDP, UDP},
    {SYS_socket, AF_NETLINK, SOCK_RAW, 0, TCP | UDP},
    {SYS_socket, AF_NETLINK, SOCK_DGRAM, 0, TCP | UDP},
    {SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, NOBODY},
    {SYS_socketpair, AF_UNIX, SOCK_SEQPACKET, 0, NOBODY},
    {SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, UNIX},
};
enum { TYPE = 0xF }; /* the type in socket's second argument, which carries flags as well */

#define COUNT(table) (sizeof(table) / sizeof *(table))
enum { MOST = 256 };
struct program {
  struct sock_filter steps[MOST];
  unsigned short count;
};
_Static_assert(7 + 6 * COUNT(children) + 5 * COUNT(sockets) + 10 * COUNT(kinds) + 6 <= MOST, "the longest filter");

static void step(struct program *program, struct sock_filter step) { program->steps[program->count++] = step; }
static void load(struct program *program, size_t offset) {
  step(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}
static void load_call(struct program *program) { load(program, offsetof(struct seccomp_data, nr)); }
/* An argument's lower half, which is all that an int of the kernel's takes. Both processors are little-endian. */
static void load_argument(struct program *program, unsigned number) { load(program, offsetof(struct seccomp_data, args) + 8 * number); }
static void answer(struct program *program, uint32_t action) { step(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action)); }
static void fail(struct program *program, int code) { answer(program, SECCOMP_RET_ERRNO | (uint32_t)code); }
/* Goes on when the comparison holds; else passes over some steps. */
static void unless_skip(struct program *program, int comparison, uint32_t value, unsigned steps) {
  step(program, (struct sock_filter)BPF_JUMP(BPF_JMP | comparison | BPF_K, value, 0, (uint8_t)steps));
}

static void refuse_call(struct program *program, const struct refusal *refusal) {
  load_call(program);
  switch (refusal->when) {
    case ALWAYS: unless_skip(program, BPF_JEQ, (uint32_t)refusal->call, 1); break;
    case HAS:
      unless_skip(program, BPF_JEQ, (uint32_t)refusal->call, 3);
      load_argument(program, refusal->argument);
      unless_skip(program, BPF_JSET, refusal->bits, 1);
      break;
    case LACKS:
      unless_skip(program, BPF_JEQ, (uint32_t)refusal->call, 4);
      load_argument(program, refusal->argument);
      unless_skip(program, BPF_JSET, refusal->bits, 1);
      answer(program, SECCOMP_RET_ALLOW);
      break;
  }
  fail(program, refusal->code);
}

static void permit_kind(struct program *program, const struct kind *kind) {
  load_call(program);
  unless_skip(program, BPF_JEQ, (uint32_t)kind->call, 8);
  load_argument(program, 0);
  unless_skip(program, BPF_JEQ, (uint32_t)kind->family, 6);
  load_argument(program, 1);
  step(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TYPE));
  unless_skip(program, BPF_JEQ, (uint32_t)kind->type, 3);
  load_argument(program, 2);
  unless_skip(program, BPF_JEQ, (uint32_t)kind->protocol, 1);
  answer(program, SECCOMP_RET_ALLOW);
}

static long seccomp(unsigned operation, unsigned flags, void *arguments) { return syscall(SYS_seccomp, operation, flags, arguments); }

int system_calls_can_be_filtered(void) {
  uint32_t action = SECCOMP_RET_KILL_PROCESS;
  return ARCHITECTURE != 0 && seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int filter_system_calls(int forbidsChildren, const struct reach *reach) {
  struct program program = {.count = 0};
  load(&program, offsetof(struct seccomp_data, arch));
  step(&program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ARCHITECTURE, 1, 0));
  answer(&program, SECCOMP_RET_KILL_PROCESS);
  load_call(&program);
  unless_skip(&program, BPF_JGE, FIRST_FOREIGN, 1);
  fail(&program, ENOSYS);
  for (size_t i = 0; forbidsChildren && i < COUNT(children); i++) refuse_call(&program, &children[i]);
  if (reach != NULL) {
    int served = NOBODY | (reach->tcp ? TCP : 0) | (reach->udp ? UDP : 0) | (reach->unixPaths || reach->anyUnix ? UNIX : 0);
    for (size_t i = 0; i < COUNT(sockets); i++) refuse_call(&program, &sockets[i]);
    for (size_t i = 0; i < COUNT(kinds); i++)
      if ((kinds[i].serves & served) != 0) permit_kind(&program, &kinds[i]);
    refuse_call(&program, &(struct refusal){SYS_socket, EACCES, ALWAYS, 0, 0});
    refuse_call(&program, &(struct refusal){SYS_socketpair, EACCES, ALWAYS, 0, 0});
  }
  answer(&program, SECCOMP_RET_ALLOW);
  struct sock_fprog filter = {.len = program.count, .filter = program.steps};
  long result = seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
  /* The number of a thread that has a filter of its own and can't be given this one. */
  return result == 0 ? 0 : result > 0 ? EBUSY : errno;
}
