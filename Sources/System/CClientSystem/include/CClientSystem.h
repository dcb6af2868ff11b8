/* What the client library needs of libc, where Embedded Swift has no view of it. */
#ifndef NSP_CCLIENTSYSTEM_H
#define NSP_CCLIENTSYSTEM_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Makes what the library has once. Written in Swift. */
void nsp_client_begin(void);

/* As in CHostSocket.h. `silence`: how long the other end may give no sign of life, in nanoseconds; what a host is given without a word of the
   caller's; for ever, which is for the calls that come to a provider. */
int64_t nsp_client_usual_silence(void);
int64_t nsp_client_endless(void);
/* A connection; -1 when nobody listens, -2 when the host takes nobody for so long. */
int nsp_client_connect(int64_t silence);
/* 0; -1 when the other end is gone, or does not read for so long. */
int nsp_client_send(int socket, const void *bytes, size_t count, int64_t silence);
/* At least `least` bytes and `most` at most: how many; -1 when the other end is gone, -2 when it is silent for so long. */
ssize_t nsp_client_receive(int socket, void *bytes, size_t least, size_t most, int64_t silence);
/* Whether something comes, or the end, within so many nanoseconds. */
int nsp_client_await(int socket, int64_t span);
/* Exactly so many bytes, and a descriptor that came with them, with a high number, or -1 where none did; no more than one comes. 0, or -1. */
int nsp_client_receive_descriptor(int socket, void *bytes, size_t count, int *descriptor);
/* Runs these around every fork of this process (pthread_atfork). */
int nsp_client_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
/* Wakes whoever waits on it; its number stays taken until it is closed. */
void nsp_client_interrupt(int socket);

/* A number that another moment of this or of another program's run does not have, as far as it matters. */
uint32_t nsp_client_moment(void);

/* A port in network order: a number, or a name of /etc/services; -1 when it is neither. Type: SOCK_STREAM, SOCK_DGRAM, or 0. */
int nsp_client_port(const char *text, int type);
/* An address that is written as a number, one of IPv6 perhaps with a zone ("fe80::1%lo", "fe80::1%1"): its bytes in `address` (28 at most) and
   their number; 0 when it is none, -1 when its zone is no interface of this machine. */
int nsp_client_numeric(const char *text, void *address);
/* What this thread serves, by an address; NULL where it serves nothing. */
void *nsp_client_serving(void);
void nsp_client_set_serving(void *what);
void nsp_client_pause(unsigned milliseconds);

/* A value that comes once. */
struct nsp_event {
  pthread_mutex_t lock;
  pthread_cond_t came;
  int isSet;
};
void nsp_event_create(struct nsp_event *event);
void nsp_event_set(struct nsp_event *event);
/* 1 when it was set, 0 when the time (in microseconds, -1: none) is over first. */
int nsp_event_wait(struct nsp_event *event, int64_t microseconds);

/* Events that programs make, set and wait for; each stays set until it is reset, or, an automatic one, until one wait has seen it. A
   handle is given again after 16 million others of its place, and 0 is none. Setting, resetting and closing answer -1 for what is no
   event. Who waits for one that is closed goes on waiting. A child of fork shares the events of its parent. libnsp.so exports these for
   libnspwindows.a: what CreateEvent makes there is what the client API sets here. */
uintptr_t nsp_signal_create(void);
uintptr_t nsp_signal_create_automatic(void);
int nsp_signal_close(uintptr_t handle);
int nsp_signal_is(uintptr_t handle);
/* Whether it is one that stays set. */
int nsp_signal_stays(uintptr_t handle);
int nsp_signal_set(uintptr_t handle);
int nsp_signal_reset(uintptr_t handle);
#define NSP_SIGNALS_AT_ONCE 64
/* Which one is set, the first of several; 0 when all had to be; NSP_SIGNALS_AT_ONCE when the time (-1: none) is over; -1 when one is no
   event. Of at most NSP_SIGNALS_AT_ONCE. */
int nsp_signal_wait(const void *const *handles, unsigned count, int waitsForAll, int64_t milliseconds);

static inline void nsp_store_release(uintptr_t *place, uintptr_t value) { __atomic_store_n(place, value, __ATOMIC_RELEASE); }
static inline uintptr_t nsp_load_acquire(const uintptr_t *place) { return __atomic_load_n(place, __ATOMIC_ACQUIRE); }

static inline void nsp_lock_create(pthread_mutex_t *lock) { pthread_mutex_init(lock, NULL); }
static inline void nsp_lock(pthread_mutex_t *lock) { pthread_mutex_lock(lock); }
static inline void nsp_unlock(pthread_mutex_t *lock) { pthread_mutex_unlock(lock); }

#endif
