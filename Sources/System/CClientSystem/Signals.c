/* Events that programs wait for. In C, for its atomics: a child of fork keeps the events of its parent, so there is no lock here that
   another thread could have held. Who uses an event at the moment of a fork counts in the child,
   too; there it keeps a closed event's descriptor open, and nothing else. */
#define _GNU_SOURCE
#include "CClientSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>

/* A place: the descriptor plus one (31 bits; 0: free), whether a wait resets the event, a generation (24), who is using the descriptor (7),
   and whether it is to be closed by the last of them. A handle: the generation, then the place plus one (24). */
#define PLACES 16384u
#define DESCRIPTOR(value) ((int)((value) & 0x7FFFFFFF) - 1)
#define AUTOMATIC (UINT64_C(1) << 31)
#define GENERATION(value) ((uint32_t)((value) >> 32) & 0xFFFFFF)
#define USER (UINT64_C(1) << 56)
#define USERS (UINT64_C(127) << 56)
#define CLOSING (UINT64_C(1) << 63)
static _Atomic uint64_t places[PLACES];
static _Atomic uint32_t hint;

/* The place of a live event with its value, or NULL. */
static _Atomic uint64_t *place_of(uintptr_t handle, uint64_t *value) {
  uintptr_t place = handle & 0xFFFFFF;
  if (place == 0 || place > PLACES) return NULL;
  *value = atomic_load(&places[place - 1]);
  return (uint32_t)*value != 0 && (*value & CLOSING) == 0 && GENERATION(*value) == handle >> 24 ? &places[place - 1] : NULL;
}

/* The descriptor, which stays open until `leave`; -1. */
static int enter(uintptr_t handle, int *isAutomatic) {
  for (;;) {
    uint64_t value;
    _Atomic uint64_t *place = place_of(handle, &value);
    if (place == NULL) return -1;
    if ((value & USERS) == USERS) sched_yield();
    else if (atomic_compare_exchange_weak(place, &value, value + USER)) {
      *isAutomatic = (value & AUTOMATIC) != 0;
      return DESCRIPTOR(value);
    }
  }
}
static void leave(uintptr_t handle) {
  _Atomic uint64_t *place = &places[(handle & 0xFFFFFF) - 1];
  uint64_t value = atomic_load(place), rest;
  do rest = (value & CLOSING) != 0 && (value & USERS) == USER ? (uint64_t)GENERATION(value) << 32 : value - USER;
  while (!atomic_compare_exchange_weak(place, &value, rest));
  if ((uint32_t)rest == 0) close(DESCRIPTOR(value));
}

static uintptr_t create(uint64_t kind) {
  int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) return 0;
  for (uint32_t i = 0; i < PLACES; i++) {
    uint32_t place = atomic_fetch_add(&hint, 1) % PLACES;
    uint64_t known = atomic_load(&places[place]);
    uint32_t generation = (GENERATION(known) + 1) & 0xFFFFFF;
    if (generation == 0) generation = 1;
    uint64_t made = (uint64_t)generation << 32 | kind | (uint32_t)(descriptor + 1);
    if ((uint32_t)known == 0 && atomic_compare_exchange_strong(&places[place], &known, made))
      return (uintptr_t)generation << 24 | (place + 1);
  }
  close(descriptor);
  return 0;
}

uintptr_t nsp_signal_create(void) { return create(0); }
uintptr_t nsp_signal_create_automatic(void) { return create(AUTOMATIC); }

int nsp_signal_close(uintptr_t handle) {
  for (;;) {
    uint64_t value;
    _Atomic uint64_t *place = place_of(handle, &value);
    if (place == NULL) return -1;
    if ((value & USERS) != 0) {
      if (atomic_compare_exchange_weak(place, &value, value | CLOSING)) return 0;
    } else if (atomic_compare_exchange_weak(place, &value, (uint64_t)GENERATION(value) << 32)) {
      close(DESCRIPTOR(value));
      return 0;
    }
  }
}

int nsp_signal_is(uintptr_t handle) {
  uint64_t value;
  return place_of(handle, &value) != NULL;
}

int nsp_signal_stays(uintptr_t handle) {
  uint64_t value;
  return place_of(handle, &value) != NULL && (value & AUTOMATIC) == 0;
}

static void set(int descriptor) {
  uint64_t one = 1;
  while (write(descriptor, &one, sizeof one) < 0 && errno == EINTR) {}
}
/* Whether it was set. */
static int reset(int descriptor) {
  uint64_t count;
  ssize_t taken;
  do taken = read(descriptor, &count, sizeof count);
  while (taken < 0 && errno == EINTR);
  return taken > 0;
}

int nsp_signal_set(uintptr_t handle) {
  int automatic, descriptor = enter(handle, &automatic);
  if (descriptor < 0) return -1;
  set(descriptor);
  leave(handle);
  return 0;
}

int nsp_signal_reset(uintptr_t handle) {
  int automatic, descriptor = enter(handle, &automatic);
  if (descriptor < 0) return -1;
  reset(descriptor);
  leave(handle);
  return 0;
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Milliseconds left, for poll. */
static int rest_until(int64_t end) {
  int64_t rest = end < 0 ? -1 : end - now();
  return end < 0 ? -1 : rest <= 0 ? 0 : rest > 1 << 30 ? 1 << 30 : (int)rest;
}

/* What one wait looks at. */
struct watch {
  struct pollfd polled[NSP_SIGNALS_AT_ONCE];
  int isAutomatic[NSP_SIGNALS_AT_ONCE];
  unsigned count;
};

/* Of several that wait for an automatic event, the one that resets it has it. */
static int take(struct watch *watch, unsigned i) { return !watch->isAutomatic[i] || reset(watch->polled[i].fd); }

/* All of them or none. */
static int take_all(struct watch *watch) {
  for (unsigned i = 0; i < watch->count; i++) {
    if (take(watch, i)) continue;
    while (i-- > 0)
      if (watch->isAutomatic[i]) set(watch->polled[i].fd);
    return 0;
  }
  return 1;
}

static int wait_for(struct watch *watch, int waitsForAll, int64_t end) {
  for (;;) {
    struct pollfd *missing = NULL;
    int ready = poll(watch->polled, watch->count, waitsForAll ? 0 : rest_until(end));
    if (ready < 0 && errno != EINTR) return -1;
    for (unsigned i = 0; ready >= 0 && i < watch->count; i++) {
      if ((watch->polled[i].revents & POLLIN) == 0) missing = &watch->polled[i];
      else if (!waitsForAll && take(watch, i)) return (int)i;
    }
    if (waitsForAll && ready >= 0 && missing == NULL && take_all(watch)) return 0;
    if (rest_until(end) == 0) return NSP_SIGNALS_AT_ONCE;
    /* Of all, one that is not set; then all are looked at again. */
    if (waitsForAll && missing != NULL) poll(missing, 1, rest_until(end));
  }
}

/* A descriptor of one's own for the same event, so that nobody is kept from it by those who wait; -1. */
static int duplicate(uintptr_t handle, int *isAutomatic) {
  int descriptor = enter(handle, isAutomatic), own;
  if (descriptor < 0) return -1;
  own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  leave(handle);
  return own;
}

int nsp_signal_wait(const void *const *handles, unsigned count, int waitsForAll, int64_t milliseconds) {
  struct watch watch = {.count = 0};
  int64_t end = milliseconds < 0 ? -1 : now() + milliseconds;
  int found = -1;
  while (watch.count < count) {
    struct pollfd *polled = &watch.polled[watch.count];
    polled->events = POLLIN;
    if ((polled->fd = duplicate((uintptr_t)handles[watch.count], &watch.isAutomatic[watch.count])) < 0) break;
    watch.count++;
  }
  if (watch.count == count) found = wait_for(&watch, waitsForAll, end);
  while (watch.count > 0) close(watch.polled[--watch.count].fd);
  return found;
}
