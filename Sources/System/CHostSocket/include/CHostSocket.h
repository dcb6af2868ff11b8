/* The host's socket, as every program reaches it that links libnsp or has the NSS module: found, sent to and received from, without
   SIGPIPE, and not longer than somebody wants to wait. */
#ifndef NSP_CHOSTSOCKET_H
#define NSP_CHOSTSOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* A point on the clock that nobody sets, in nanoseconds. */
int64_t nsp_host_clock(void);
/* Waits for ever, in the place of a point. */
static const int64_t NSP_HOST_NO_END = INT64_MAX;

/* What decides where the socket is. */
struct nsp_host_surroundings {
  /* NSP_SOCKET and XDG_RUNTIME_DIR; NULL where they are not set. */
  const char *variable, *runtime_directory;
  /* The effective user. */
  uid_t user;
  /* Whether the program runs with more rights than the one that has started it (AT_SECURE): it does not trust its environment. */
  int is_secure;
};
/* Those of this process. The texts are those of its environment. */
struct nsp_host_surroundings nsp_host_here(void);

/* The places of the socket. A name (--socket, else NSP_SOCKET) leaves no other place. Without a name a host is looked for in the user's
   own place, $XDG_RUNTIME_DIR/nsphost/socket unless for root, and then in the machine's. */
struct nsp_host_places {
  /* NULL without a name. Not copied: it lives as long as the text that was given, or the environment. */
  const char *named;
  /* Empty where the user has no place of its own, or the path is too long for a socket. */
  char own[sizeof((struct sockaddr_un *)0)->sun_path];
  const char *machine;
};
/* The one place that knows them. `given` is what --socket says; NULL without it. */
struct nsp_host_places nsp_host_find(const char *given, struct nsp_host_surroundings here);
/* The places in the order in which a client tries them, from 0 on; NULL behind the last. */
const char *nsp_host_place(const struct nsp_host_places *places, unsigned index);
/* Where a host listens: a name, else `configured` (NULL: nothing), else the first place of a client. */
const char *nsp_host_listens_at(const struct nsp_host_places *places, const char *configured);

/* A connection to the first place where a host listens, never one of the standard descriptors; -1 where none does, or none takes it until `end`, with errno. A socket file that
   no host listens to any more is passed over. `found`, unless NULL, gets the place. */
int nsp_host_connect_to(const struct nsp_host_places *places, int64_t end, const char **found);
/* The same, in the places of this process. */
int nsp_host_connect(const char *given, int64_t end);
/* All of it, or -1. */
int nsp_host_send(int socket, const void *bytes, size_t count, int64_t end);
/* At least `least` bytes and `most` at most: how many, fewer when the time is over first; -1 when the host is gone. */
ssize_t nsp_host_receive(int socket, void *bytes, size_t least, size_t most, int64_t end);

/* The same file under a high number, closed on exec: out of the way of programs that close, replace or count the low ones. The descriptor itself
   where there is no room for it. */
int nsp_host_move_up(int descriptor);

/* How long a host may give no sign of life, in nanoseconds, before a client gives it up, unless the client says another time. */
static const int64_t NSP_HOST_USUAL_SILENCE = INT64_C(5000000000);
/* The host gave no sign of life. */
enum { NSP_HOST_SILENT = -2 };
/* The kind of the frame that a host answers at once, whatever else it does (RequestKind.nothing). */
enum { NSP_HOST_NOTHING = 27 };
/* The point that lies so many nanoseconds after now. */
int64_t nsp_host_after(int64_t span);
/* Whether there is something to read, or the end; 0 when the time is over. */
int nsp_host_await(int socket, int64_t end);
/* Sends a frame that a living host answers at once. Does not wait. Between whole frames only. */
void nsp_host_ask_for_life(int socket);
/* As nsp_host_receive, as long as the host is alive: one that says nothing for a part of `silence` is asked for a sign of life. -1 when the
   host is gone; NSP_HOST_SILENT after `silence` nanoseconds without a byte. Between the frames that the caller waits for there may be answers to "nothing", on
   this connection also later: the caller passes over them. Any thread; one at a time on a connection. */
ssize_t nsp_host_receive_while_alive(int socket, void *bytes, size_t least, size_t most, int64_t silence);

#endif
