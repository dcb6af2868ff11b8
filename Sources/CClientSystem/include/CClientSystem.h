/* What the client library needs of libc, where Embedded Swift has no view of it. */
#ifndef NSP_CCLIENTSYSTEM_H
#define NSP_CCLIENTSYSTEM_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A connection to the host: NSP_SOCKET; else $XDG_RUNTIME_DIR/nsphost/socket, unless for root; else /run/nsphost/socket. -1 when
   nobody listens. A set-user-ID program trusts no environment. */
int nsp_client_connect(void);
/* All of it, or -1. Never raises SIGPIPE. */
int nsp_client_send(int socket, const void *bytes, size_t count);
int nsp_client_receive(int socket, void *bytes, size_t count);
/* Wakes whoever waits on it; its number stays taken until it is closed. */
void nsp_client_interrupt(int socket);

static inline void nsp_lock_create(pthread_mutex_t *lock) { pthread_mutex_init(lock, NULL); }
static inline void nsp_lock(pthread_mutex_t *lock) { pthread_mutex_lock(lock); }
static inline void nsp_unlock(pthread_mutex_t *lock) { pthread_mutex_unlock(lock); }

#endif
