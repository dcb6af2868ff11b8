/* What a process says of itself when it dies of a signal: which routine of which provider ran, or whose code it was. */
#ifndef NSPHOST_CLASTWORDS_H
#define NSPHOST_CLASTWORDS_H

#include <stddef.h>

/* What this thread runs; NULL: nothing of a provider's. The texts must stay as long as the mark does. */
struct nsp_mark {
  const char *provider;
  const void *routine; /* a C string */
};
/* initial-exec: a signal handler may read it in every thread, also where nothing was marked yet. */
extern _Thread_local struct nsp_mark nsp_this_mark __attribute__((tls_model("initial-exec")));

/* Marks a provider on this thread; what was marked before is to be given to nsp_mark_restore. */
static inline struct nsp_mark nsp_mark_provider(const char *provider) {
  struct nsp_mark before = nsp_this_mark;
  nsp_this_mark.provider = provider;
  nsp_this_mark.routine = NULL;
  return before;
}
static inline void nsp_mark_routine(const void *routine) { nsp_this_mark.routine = routine; }
static inline void nsp_mark_restore(struct nsp_mark before) { nsp_this_mark = before; }

/* A file of a provider's is mapped, or is about to be unmapped: code in it that no mark is about is named by it. Any thread. */
void nsp_last_words_know(const void *start, size_t size, const char *name);
void nsp_last_words_forget(const void *start);

/* From now on SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT leave a line on standard error before they end the process. */
void nsp_last_words_install(void);

/* A stack of this thread's own for the handlers of signals, where its own has no room left; NULL when there is none. Given back by the
   thread before it ends. */
void *nsp_last_words_stack(void);
void nsp_last_words_stack_free(void *stack);

#endif
