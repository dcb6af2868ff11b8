/* Events that programs wait for. In C because Embedded Swift has no atomics without its own runtime: a child of fork keeps the events of
   its parent, so there is no lock here that another thread could have held. */
#define _GNU_SOURCE
#include "CClientSystem.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>

/* Generation (24 bits), then the descriptor plus one (32 bits); 0 in the low half: free. */
#define PLACES 16384u
static _Atomic uint64_t places[PLACES];
static _Atomic uint32_t hint;

static uint64_t value_of(uint32_t generation, int descriptor) { return (uint64_t)(generation & 0xFFFFFF) << 32 | (uint32_t)(descriptor + 1); }

/* The place's value, if the handle is that of a live event. */
static _Atomic uint64_t *place_of(uintptr_t handle, uint64_t *value) {
  uintptr_t place = handle & 0xFFFFFF;
  if (place == 0 || place > PLACES) return NULL;
  *value = atomic_load(&places[place - 1]);
  return (uint32_t)*value != 0 && *value >> 32 == handle >> 24 ? &places[place - 1] : NULL;
}
static int descriptor_of(uintptr_t handle) {
  uint64_t value;
  return place_of(handle, &value) == NULL ? -1 : (int)(uint32_t)value - 1;
}

uintptr_t nsp_signal_create(void) {
  int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) return 0;
  for (uint32_t i = 0; i < PLACES; i++) {
    uint32_t place = atomic_fetch_add(&hint, 1) % PLACES;
    uint64_t known = atomic_load(&places[place]);
    uint32_t generation = ((uint32_t)(known >> 32) + 1) & 0xFFFFFF;
    if (generation == 0) generation = 1;
    if ((uint32_t)known == 0 && atomic_compare_exchange_strong(&places[place], &known, value_of(generation, descriptor)))
      return (uintptr_t)generation << 24 | (place + 1);
  }
  close(descriptor);
  return 0;
}

int nsp_signal_close(uintptr_t handle) {
  uint64_t value;
  _Atomic uint64_t *place = place_of(handle, &value);
  if (place == NULL || !atomic_compare_exchange_strong(place, &value, value & ~(uint64_t)0xFFFFFFFF)) return -1;
  close((int)(uint32_t)value - 1);
  return 0;
}

int nsp_signal_is(uintptr_t handle) { return descriptor_of(handle) >= 0; }

int nsp_signal_set(uintptr_t handle) {
  int descriptor = descriptor_of(handle);
  uint64_t one = 1;
  if (descriptor < 0) return -1;
  while (write(descriptor, &one, sizeof one) < 0 && errno == EINTR) {}
  return 0;
}

int nsp_signal_reset(uintptr_t handle) {
  int descriptor = descriptor_of(handle);
  uint64_t count;
  if (descriptor < 0) return -1;
  while (read(descriptor, &count, sizeof count) < 0 && errno == EINTR) {}
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

int nsp_signal_wait(const void *const *handles, unsigned count, int waitsForAll, int64_t milliseconds) {
  struct pollfd watched[NSP_SIGNALS_AT_ONCE];
  int64_t end = milliseconds < 0 ? -1 : now() + milliseconds;
  for (unsigned i = 0; i < count; i++) {
    watched[i] = (struct pollfd){.fd = descriptor_of((uintptr_t)handles[i]), .events = POLLIN};
    if (watched[i].fd < 0) return -1;
  }
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
