#define _GNU_SOURCE
#include "Threads.h"

#include <string.h>
#include <unistd.h>

static _Thread_local struct nsp_thread *this_thread __attribute__((tls_model("initial-exec")));

void nsp_thread_enter(void) {
  struct nsp_thread *threads = nsp_threads();
  int number = gettid();
  /* Where no place is left a thread is not known: what is said of it is less exact. */
  for (int i = 0; i < NSP_THREADS && this_thread == NULL; i++) {
    int none = 0;
    if (atomic_compare_exchange_strong(&threads[i].number, &none, number)) this_thread = &threads[i];
  }
}

void nsp_thread_leave(void) {
  struct nsp_thread *thread = this_thread;
  if (thread == NULL) return;
  this_thread = NULL;
  thread->provider[0] = 0;
  thread->number = 0;
}

int nsp_is_host_thread(int thread) {
  struct nsp_thread *threads = nsp_threads();
  for (int i = 0; i < NSP_THREADS; i++)
    if (threads[i].number == thread) return 1;
  return thread == getpid();
}

static void publish(char *place, const char *text) {
  size_t length = text != NULL ? strnlen(text, NSP_TEXT - 1) : 0;
  if (length > 0) memcpy(place, text, length);
  place[length] = 0;
}

void nsp_mark_publish(void) {
  struct nsp_thread *thread = this_thread;
  struct nsp_mark mark = nsp_this_mark;
  if (thread == NULL) return;
  publish(thread->routine, mark.reads ? "the host's reading of a record" : mark.routine);
  publish(thread->provider, mark.provider);
}
