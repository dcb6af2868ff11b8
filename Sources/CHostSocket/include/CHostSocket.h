/* The host's socket, as every program reaches it that links libnsp or has the NSS module: found, sent to and received from, without
   SIGPIPE, and not longer than somebody wants to wait. */
#ifndef NSP_CHOSTSOCKET_H
#define NSP_CHOSTSOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A point on the clock that nobody sets, in nanoseconds. */
int64_t nsp_host_clock(void);
/* Waits for ever, in the place of a point. */
#define NSP_HOST_NO_END INT64_MAX

/* A connection to the host: NSP_SOCKET; else $XDG_RUNTIME_DIR/nsphost/socket, unless for root; else /run/nsphost/socket. -1 when
   nobody listens, or takes it until `end`. A set-user-ID program trusts no environment. */
int nsp_host_connect(int64_t end);
/* All of it, or -1. */
int nsp_host_send(int socket, const void *bytes, size_t count, int64_t end);
/* At least `least` bytes and `most` at most: how many, fewer when the time is over first; -1 when the host is gone. */
ssize_t nsp_host_receive(int socket, void *bytes, size_t least, size_t most, int64_t end);

#endif
