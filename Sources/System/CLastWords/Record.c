/* Memory that a process shares with the one that watches over it: it is read when there is nobody left who could say anything. */
#define _GNU_SOURCE
#include "Threads.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int nsp_marks_are_published = 0;

struct record {
  _Atomic int is_ended;
  struct nsp_thread threads[NSP_THREADS];
};
static struct record own, *record = &own;

struct nsp_thread *nsp_threads(void) { return record->threads; }

int nsp_record_create(void) {
  int descriptor = memfd_create("nsphost", 0);
  if (descriptor < 0 || nsp_record_clear(descriptor) == 0) return descriptor;
  close(descriptor);
  return -1;
}

int nsp_record_clear(int descriptor) {
  return ftruncate(descriptor, 0) == 0 ? ftruncate(descriptor, (off_t)sizeof(struct record)) : -1;
}

int nsp_record_use(int descriptor) {
  struct record *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (shared == MAP_FAILED) return -1;
  close(descriptor);
  record = shared;
  nsp_marks_are_published = 1;
  return 0;
}

void nsp_record_end(void) { record->is_ended = 1; }

int nsp_record_is_ended(int descriptor) {
  int is_ended = 0;
  return pread(descriptor, &is_ended, sizeof is_ended, offsetof(struct record, is_ended)) == sizeof is_ended && is_ended != 0;
}

void nsp_record_running(int descriptor, char *text, size_t size) {
  size_t used = 0;
  *text = 0;
  for (size_t i = 0; i < NSP_THREADS && used < size; i++) {
    struct nsp_thread thread;
    off_t place = (off_t)(offsetof(struct record, threads) + i * sizeof thread);
    if (pread(descriptor, &thread, sizeof thread, place) != sizeof thread) return;
    if (thread.number == 0 || thread.provider[0] == 0) continue;
    const char *routine = thread.routine[0] != 0 ? thread.routine : "a routine";
    used += (size_t)snprintf(
        text + used, size - used, "%s%.*s of %.*s", used > 0 ? ", " : "", NSP_TEXT - 1, routine, NSP_TEXT - 1, thread.provider);
  }
}
