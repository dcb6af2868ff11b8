/* Confines this process to what a provider needs. For a process that runs one provider: it makes its connection to the host, confines
   itself, then loads the provider's file.

   Limits are the provider's own: memory and descriptors count from what the process has when it is confined. A process that goes on as
   root can raise them again, so they keep a mistake from the machine, not a foe; so does a limit on processes. */
#ifndef NSPHOST_CCONFINEMENT_H
#define NSPHOST_CCONFINEMENT_H

#include <stddef.h>
#include <stdint.h>

/* What is wanted. All zeros: nothing but no_new_privs. Texts and arrays stay the caller's. */
struct nsp_confinement {
  /* Bytes that it may allocate besides those that the process has; 0: any number. More is ENOMEM. This is RLIMIT_DATA: RLIMIT_AS would
     count what is merely reserved, 64 MiB and more for each thread that allocates. The stack of each new thread counts, with 8 MiB as a
     rule: leave room for those of the process itself, for Swift waits for ever where a thread can't be had. Memory that is shared
     between processes does not count. */
  uint64_t memory_bytes;
  /* Seconds of processor time, of the process since its start; 0: any number. Then it gets SIGXCPU, a second later SIGKILL. */
  uint64_t cpu_seconds;
  /* Descriptors that it may open besides those that are open; 0: any number. More is EMFILE. */
  uint64_t descriptors;

  /* Children and other programs. None (0): fork and exec are EPERM, by seccomp; threads are free. Otherwise RLIMIT_NPROC, which counts
     the user's processes and threads together, all there are, and which the kernel does not hold against root. */
  int limits_processes;
  uint64_t processes;

  /* No core files. A core_pattern that begins with a pipe gets its dumps nevertheless. */
  int forbids_core_files;

  /* The name of the user to go on as, for ever, with the user's groups; NULL: the present one. Clears what PR_SET_PDEATHSIG has set. */
  const char *user;

  /* Files. Restricted: the folders and files of `readable` (absolute paths that exist) can be read with all beneath them, and with them
     the provider's own folder and what libraries and libc need, which nsp_always_readable names; nothing can be written, made, removed
     or executed, except that /dev/null can be written. What is open stays open. By Landlock. */
  int restricts_reading;
  const char *folder; /* the provider's own; may be NULL */
  const char *const *readable;
  size_t readable_count;

  /* Connections. Restricted: new ones only as `reachable` says; listening and binding of TCP ports are EACCES. What is connected stays
     connected. Each entry is one of
       tcp:PORT   that port of any machine: by Landlock, ABI 4     tcp:*   any port
       udp:*      any: the kernel has no rule for single ports     unix:*  any socket of this machine
       unix:/PATH no kernel can tell one path from another yet, so this permits every socket that has a path, and is reported so
     Other families and kinds of sockets are EACCES, by seccomp. Names that DNS resolves need udp:* and tcp:53. Abstract sockets of
     others are out of reach where the kernel can do that (Landlock, ABI 6), unless unix:* is there. */
  int restricts_connecting;
  const char *const *reachable;
  size_t reachable_count;

  /* No signals to other processes (Landlock, ABI 6). */
  int restricts_signals;
};

enum nsp_standing {
  NSP_NOT_WANTED = 0,
  NSP_IN_FORCE,
  NSP_LACKING, /* wanted, but this kernel has no such thing, or does not hold it against this user */
  NSP_FAILED   /* wanted, and refused: `failure` says why */
};

/* How each measure stands. */
struct nsp_confinement_in_force {
  enum nsp_standing no_new_privileges;
  enum nsp_standing memory;
  enum nsp_standing cpu_time;
  enum nsp_standing descriptors;
  enum nsp_standing processes;
  enum nsp_standing core_files;
  enum nsp_standing user;
  enum nsp_standing reading;
  enum nsp_standing socket_kinds;     /* of restricts_connecting: families and kinds, listening */
  enum nsp_standing tcp_ports;        /* of restricts_connecting: single ports, binding */
  enum nsp_standing unix_paths;       /* of restricts_connecting: never more than NSP_LACKING */
  enum nsp_standing abstract_sockets; /* of restricts_connecting */
  enum nsp_standing signals;

  uint64_t memory_before; /* the bytes that memory_bytes comes on top of */
  /* Threads that ran before. Landlock does not hold for them (reading, tcp_ports, abstract_sockets, signals): when this is not 0, who
     prints those measures as being in force should say so. */
  unsigned threads_outside;

  int failure;         /* a number of errno; 0: none */
  const char *measure; /* what has failed, in words: "memory", "reading", "user", … */
  const char *subject; /* the path, the entry or the user that it is about, as the caller has given it; NULL: none */
};

/* Puts what is wanted in force, once and for ever. To be called on the thread that will start all others, before it has started any:
   Landlock holds for the caller and the threads that it starts. seccomp and the limits hold for all threads.
   0, also where measures are lacking; -1 when one was refused: `failure`, `measure` and `subject` say which. Some of the others
   may be in force then, whatever `got` says of them, and the process had better end. */
int nsp_confine(const struct nsp_confinement *wanted, struct nsp_confinement_in_force *got);

/* What this kernel has. */
struct nsp_confinement_available {
  int landlock; /* its ABI; 0: none. 1: reading, 4: TCP ports, 6: abstract sockets and signals */
  int seccomp;  /* whether system calls can be filtered, in a program for this processor */
};
struct nsp_confinement_available nsp_confinement_available(void);

/* A path that can always be read, by its number from 0; NULL after the last. Those that do not exist are left out. */
const char *nsp_always_readable(size_t number);

#endif
