#define _GNU_SOURCE
#include "Threads.h"

#include <pthread.h>
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
  thread->mark = NULL;
  thread->number = 0;
}

/* Where a thread was started: libc keeps that at the end of its stack. What else is there may lie where a file was that is gone. */
static int is_of_provider(void) {
  enum { CONTROL_BLOCK = 8192 };
  pthread_attr_t attributes;
  void *stack;
  size_t size;
  int found = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 1;
  if (pthread_attr_getstack(&attributes, &stack, &size) != 0) size = 0;
  pthread_attr_destroy(&attributes);
  for (size_t at = size > CONTROL_BLOCK ? size - CONTROL_BLOCK : 0; !found && at + sizeof(uintptr_t) <= size; at += sizeof(uintptr_t))
    found = nsp_is_in_mapped_file(*(const uintptr_t *)((const char *)stack + at));
  return found;
}

static pthread_key_t visiting;
static pthread_once_t has_key = PTHREAD_ONCE_INIT;
static int has_no_key;
static void visitor_ends(void *unused) { (void)unused, nsp_thread_leave(); }
static void make_key(void) { has_no_key = pthread_key_create(&visiting, visitor_ends); }

void nsp_thread_visit(void) {
  static _Thread_local int is_judged __attribute__((tls_model("initial-exec")));
  if (is_judged) return;
  is_judged = 1;
  if (this_thread != NULL || is_of_provider()) return;
  pthread_once(&has_key, make_key);
  if (has_no_key != 0) return;
  nsp_thread_enter();
  pthread_setspecific(visiting, &visiting);
}

int nsp_is_host_thread(int thread) {
  struct nsp_thread *threads = nsp_threads();
  for (int i = 0; i < NSP_THREADS; i++)
    if (threads[i].number == thread) return 1;
  return thread == getpid();
}

void nsp_thread_show_mark(void) {
  if (this_thread != NULL) this_thread->mark = &nsp_this_mark;
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
