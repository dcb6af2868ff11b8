/* What a process says of itself when it ends and nobody has asked for that: which routine of which provider ran, or whose code it was. */
#ifndef NSPHOST_CLASTWORDS_H
#define NSPHOST_CLASTWORDS_H

#include <stddef.h>
#include <stdint.h>

/* What this thread runs; NULL: nothing of a provider's. The texts must stay as long as the mark does. */
struct nsp_mark {
  const char *provider;
  const void *routine; /* a C string */
  int reads;           /* the host itself reads a record of the provider's */
};
/* initial-exec: a signal handler may read it in every thread, also where nothing was marked yet. */
extern _Thread_local struct nsp_mark nsp_this_mark __attribute__((tls_model("initial-exec")));
/* Whether marks are published in a record, which another process reads. */
extern int nsp_marks_are_published;
void nsp_mark_publish(void);

static inline struct nsp_mark nsp_mark_set(struct nsp_mark mark) {
  struct nsp_mark before = nsp_this_mark;
  nsp_this_mark = mark;
  if (__builtin_expect(nsp_marks_are_published, 0)) nsp_mark_publish();
  return before;
}
/* Marks a provider on this thread; what was marked before is to be given to nsp_mark_restore. */
static inline struct nsp_mark nsp_mark_provider(const char *provider) {
  return nsp_mark_set((struct nsp_mark){provider, NULL, 0});
}
/* The same, while the host reads a record of the provider's: nobody runs the provider's own code meanwhile. */
static inline struct nsp_mark nsp_mark_reading(const char *provider) {
  return nsp_mark_set((struct nsp_mark){provider, NULL, 1});
}
/* The same for the provider that is marked already. */
static inline struct nsp_mark nsp_mark_reads(void) { return nsp_mark_reading(nsp_this_mark.provider); }
static inline void nsp_mark_routine(const void *routine) {
  nsp_mark_set((struct nsp_mark){nsp_this_mark.provider, routine, 0});
}
static inline void nsp_mark_restore(struct nsp_mark before) { nsp_mark_set(before); }

/* A file of a provider's is mapped: code in it that no mark is about is named by it. Any thread. */
void nsp_last_words_know(const void *start, size_t size, const char *name);
/* It is mapped no longer. What runs there later is still named by it, until something else is mapped in its place. */
void nsp_last_words_forget(const void *start);

/* From now on this process leaves a line on standard error when it ends and nobody has asked for that: by a signal that says that its code
   is wrong, by exit or quick_exit of a provider, or where a routine ends the thread that the host has called it on. Its exit status is then
   another than 0. On the main thread. */
void nsp_last_words_install(void);

/* Looks whether threads of the host have ended without its knowledge, by a system call of a provider's: what they were to do is never done. Then the
   process ends, with a line that names the routine. Costs a system call for each thread. Any thread. */
void nsp_last_words_of_threads(void);

/* The process is about to end with this status, by a function of this name. Where a provider has called it: leaves the line, and ends the
   process with a status other than 0. Else returns: the host itself ends it, or a child that a provider has forked. */
void nsp_last_words_of_exit(const char *function, int status);

/* The calling thread is one of the host's from now on, with a stack of its own for the handlers of signals, where its own has no room left.
   NULL when there is none. Given back by the thread before it ends. */
void *nsp_last_words_stack(void);
void nsp_last_words_stack_free(void *stack);

/* The calling thread is about to run a routine for the host. Unless a provider has started it, it counts as one of the host's from now on: what is
   left on its stack by routines that have returned is no call. */
void nsp_thread_visit(void);

/* Whether a thread of this process is one of those, or its first. Any thread. */
int nsp_is_host_thread(int thread);

/* The record of a process that another one watches over: what its threads run, and whether it has ended by its own decision. */

/* A new one: a descriptor, to be passed on to the program that is started; -1 with errno. */
int nsp_record_create(void);
/* Empties it, for the next process. 0, or -1 with errno. */
int nsp_record_clear(int record);
/* This process publishes its marks there from now on, and closes the descriptor. Before any other thread is there. 0, or -1 with errno. */
int nsp_record_use(int record);
/* This process ends now, as it was asked to, or as it has decided. */
void nsp_record_end(void);
/* Whether the process whose record it is has said so. */
int nsp_record_is_ended(int record);
/* What its threads ran at the end, as "ROUTINE of PROVIDER", with commas between; an empty text for nothing. It may hold any bytes. */
void nsp_record_running(int record, char *text, size_t size);

#endif
