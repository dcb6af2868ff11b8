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

/* A place: the descriptor plus one (32 bits; 0: free), a generation (24), who is using the descriptor (7), and whether it is to be closed
   by the last of them. A handle: the generation, then the place plus one (24). */
#define PLACES 16384u
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
static int enter(uintptr_t handle) {
  for (;;) {
    uint64_t value;
    _Atomic uint64_t *place = place_of(handle, &value);
    if (place == NULL) return -1;
    if ((value & USERS) == USERS) sched_yield();
    else if (atomic_compare_exchange_weak(place, &value, value + USER)) return (int)(uint32_t)value - 1;
  }
}
static void leave(uintptr_t handle) {
  _Atomic uint64_t *place = &places[(handle & 0xFFFFFF) - 1];
  uint64_t value = atomic_load(place), rest;
  do rest = (value & CLOSING) != 0 && (value & USERS) == USER ? (uint64_t)GENERATION(value) << 32 : value - USER;
  while (!atomic_compare_exchange_weak(place, &value, rest));
  if ((uint32_t)rest == 0) close((int)(uint32_t)value - 1);
}

uintptr_t nsp_signal_create(void) {
  int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) return 0;
  for (uint32_t i = 0; i < PLACES; i++) {
    uint32_t place = atomic_fetch_add(&hint, 1) % PLACES;
    uint64_t known = atomic_load(&places[place]);
    uint32_t generation = (GENERATION(known) + 1) & 0xFFFFFF;
    if (generation == 0) generation = 1;
    if ((uint32_t)known == 0 && atomic_compare_exchange_strong(&places[place], &known, (uint64_t)generation << 32 | (uint32_t)(descriptor + 1)))
      return (uintptr_t)generation << 24 | (place + 1);
  }
  close(descriptor);
  return 0;
}

int nsp_signal_close(uintptr_t handle) {
  for (;;) {
    uint64_t value;
    _Atomic uint64_t *place = place_of(handle, &value);
    if (place == NULL) return -1;
    if ((value & USERS) != 0) {
      if (atomic_compare_exchange_weak(place, &value, value | CLOSING)) return 0;
    } else if (atomic_compare_exchange_weak(place, &value, (uint64_t)GENERATION(value) << 32)) {
      close((int)(uint32_t)value - 1);
      return 0;
    }
  }
}

int nsp_signal_is(uintptr_t handle) {
  uint64_t value;
  return place_of(handle, &value) != NULL;
}

int nsp_signal_set(uintptr_t handle) {
  int descriptor = enter(handle);
  uint64_t one = 1;
  if (descriptor < 0) return -1;
  while (write(descriptor, &one, sizeof one) < 0 && errno == EINTR) {}
  leave(handle);
  return 0;
}

int nsp_signal_reset(uintptr_t handle) {
  int descriptor = enter(handle);
  uint64_t count;
  if (descriptor < 0) return -1;
  while (read(descriptor, &count, sizeof count) < 0 && errno == EINTR) {}
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

static int wait_for(struct pollfd *watched, unsigned count, int waitsForAll, int64_t end) {
  for (;;) {
    struct pollfd *missing = NULL;
    int ready = poll(watched, count, waitsForAll ? 0 : rest_until(end));
    if (ready < 0 && errno != EINTR) return -1;
    for (unsigned i = 0; ready >= 0 && i < count; i++) {
      if ((watched[i].revents & POLLIN) == 0) missing = &watched[i];
      else if (!waitsForAll) return (int)i;
    }
    if (waitsForAll && ready >= 0 && missing == NULL) return 0;
    if (rest_until(end) == 0) return NSP_SIGNALS_AT_ONCE;
    /* Of all, one that is not set; then all are looked at again. */
    if (waitsForAll && missing != NULL) poll(missing, 1, rest_until(end));
  }
}

/* A descriptor of one's own for the same event, so that nobody is kept from it by those who wait; -1. */
static int duplicate(uintptr_t handle) {
  int descriptor = enter(handle), own;
  if (descriptor < 0) return -1;
  own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  leave(handle);
  return own;
}

int nsp_signal_wait(const void *const *handles, unsigned count, int waitsForAll, int64_t milliseconds) {
  struct pollfd watched[NSP_SIGNALS_AT_ONCE];
  int64_t end = milliseconds < 0 ? -1 : now() + milliseconds;
  unsigned known = 0;
  int found = -1;
  while (known < count && (watched[known] = (struct pollfd){.fd = duplicate((uintptr_t)handles[known]), .events = POLLIN}).fd >= 0) known++;
  if (known == count) found = wait_for(watched, count, waitsForAll, end);
  while (known > 0) close(watched[--known].fd);
  return found;
}
