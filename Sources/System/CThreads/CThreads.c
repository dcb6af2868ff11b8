#define _GNU_SOURCE
#include "CThreads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* Blocked, they would end the process without a word to its handlers. */
static const int own_fault[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};

struct work {
  void (*work)(void *);
  void *context;
};

static void *run(void *given) {
  struct work work = *(struct work *)given;
  free(given);
  work.work(work.context);
  return NULL;
}

static _Atomic size_t extra_stack;

void nsp_make_room_for_threads(size_t bytes) { extra_stack = bytes; }

int nsp_start_thread(void (*work)(void *), void *context) {
  struct work *given = malloc(sizeof *given);
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all, former;
  int status;
  if (given == NULL) return ENOMEM;
  *given = (struct work){work, context};
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  /* Providers' routines run on them. No larger: limits of memory count stacks. */
  pthread_attr_setstacksize(&attributes, (1 << 20) + extra_stack);
  sigfillset(&all);
  for (size_t index = 0; index < sizeof own_fault / sizeof *own_fault; index++) sigdelset(&all, own_fault[index]);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  status = pthread_create(&thread, &attributes, run, given);
  pthread_sigmask(SIG_SETMASK, &former, NULL);
  pthread_attr_destroy(&attributes);
  if (status != 0) free(given);
  return status;
}
