#define _GNU_SOURCE
#include "CHostSocket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int64_t nsp_host_clock(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* Waits for something on the socket; 0 when the time is over. */
static int await(int socket, short what, int64_t end) {
  for (;;) {
    struct pollfd one = {.fd = socket, .events = what};
    struct timespec rest = {0, 0};
    int64_t left = end == NSP_HOST_NO_END ? 0 : end - nsp_host_clock();
    int status;
    if (left > 0) rest.tv_sec = left / 1000000000, rest.tv_nsec = left % 1000000000;
    status = ppoll(&one, 1, end == NSP_HOST_NO_END ? NULL : &rest, NULL);
    if (status >= 0 || errno != EINTR) return status > 0;
  }
}

/* How long a connect may wait in the host's queue. Zero would be for ever. */
static void bound_connect(int descriptor, int64_t end) {
  int64_t left = end - nsp_host_clock();
  struct timeval rest = {0, 1};
  if (left >= 1000) rest.tv_sec = left / 1000000000, rest.tv_usec = left % 1000000000 / 1000;
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &rest, sizeof rest);
}

int nsp_host_move_up(int descriptor) {
  enum { USUAL = 512 };
  struct rlimit limit;
  int least = USUAL, moved;
  /* Where numbers are few, the upper half of them. */
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < USUAL) least = (int)(limit.rlim_cur / 2);
  moved = descriptor < 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, least);
  if (moved < 0) return descriptor;
  close(descriptor);
  return moved;
}

/* What a program without standard output prints is not for the host. */
static int above_standard(int descriptor) {
  int other = descriptor, why;
  if (descriptor < 0 || descriptor > STDERR_FILENO) return descriptor;
  other = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  why = errno;
  close(descriptor);
  return errno = why, other;
}

static int connect_to(const char *path, int64_t end) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval none = {0, 0};
  int descriptor, status;
  if (strlen(path) >= sizeof address.sun_path) return errno = ENAMETOOLONG, -1;
  strcpy(address.sun_path, path);
  descriptor = above_standard(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (descriptor < 0) return -1;
  do {
    if (end != NSP_HOST_NO_END) bound_connect(descriptor, end);
    status = connect(descriptor, (struct sockaddr *)&address, sizeof address);
  } while (status != 0 && errno == EINTR);
  if (status != 0) {
    int why = errno;
    close(descriptor);
    return errno = why, -1;
  }
  if (end != NSP_HOST_NO_END) setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
  return descriptor;
}

struct nsp_host_surroundings nsp_host_here(void) {
  return (struct nsp_host_surroundings){getenv("NSP_SOCKET"), getenv("XDG_RUNTIME_DIR"), geteuid(), getauxval(AT_SECURE) != 0};
}

struct nsp_host_places nsp_host_find(const char *given, struct nsp_host_surroundings here) {
  struct nsp_host_places places = {.named = given, .machine = "/run/nsphost/socket"};
  const char *folder = here.runtime_directory;
  if (here.is_secure) return places;
  if (given == NULL && here.variable != NULL && *here.variable != 0) places.named = here.variable;
  /* What is not absolute counts for nothing there (XDG Base Directory Specification). */
  if (here.user != 0 && folder != NULL && *folder == '/' &&
      snprintf(places.own, sizeof places.own, "%s/nsphost/socket", folder) >= (int)sizeof places.own)
    places.own[0] = 0;
  return places;
}

const char *nsp_host_place(const struct nsp_host_places *places, unsigned index) {
  if (places->named != NULL) return index == 0 ? places->named : NULL;
  if (places->own[0] == 0) index++;
  return index == 0 ? places->own : index == 1 ? places->machine : NULL;
}

const char *nsp_host_listens_at(const struct nsp_host_places *places, const char *configured) {
  return places->named == NULL && configured != NULL ? configured : nsp_host_place(places, 0);
}

int nsp_host_connect_to(const struct nsp_host_places *places, int64_t end, const char **found) {
  const char *path;
  for (unsigned index = 0; (path = nsp_host_place(places, index)) != NULL; index++) {
    int descriptor = connect_to(path, end);
    if (descriptor >= 0 && found != NULL) *found = path;
    /* One that listens and takes nobody for now is the host all the same. */
    if (descriptor >= 0 || errno == EAGAIN) return descriptor;
  }
  return -1;
}

int nsp_host_connect(const char *given, int64_t end) {
  struct nsp_host_places places = nsp_host_find(given, nsp_host_here());
  return nsp_host_connect_to(&places, end, NULL);
}

int nsp_host_send(int socket, const void *bytes, size_t count, int64_t end) {
  const char *next = bytes;
  while (count > 0) {
    ssize_t sent = send(socket, next, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      next += sent, count -= (size_t)sent;
    } else if (sent == 0 || (errno != EINTR && (errno != EAGAIN || !await(socket, POLLOUT, end)))) {
      return -1;
    }
  }
  return 0;
}

/* To sleep and be woken on another processor costs more than a whole lookup. So an answer is looked for a moment before it is waited for,
   as long as that pays: after a moment in vain the next few are waited for at once, after the next one twice as many. The first answer of all
   takes longer, since the host has to get to know this process. */
enum { MOMENT = 40000, FIRST_MOMENT = 200000, SHORT_WAIT = 8, LONG_WAIT = 1024 }; /* nanoseconds, calls */
static _Thread_local struct {
  unsigned waits, next;
} patience __attribute__((tls_model("initial-exec")));

/* What recv answers; -1 with EAGAIN when nothing came. */
static ssize_t look(int socket, void *bytes, size_t most) {
  int64_t end = nsp_host_clock() + (patience.next == 0 ? FIRST_MOMENT : MOMENT);
  ssize_t got;
  if (patience.waits > 0) return patience.waits--, errno = EAGAIN, -1;
  /* Whoever would send may be waiting for this very processor. */
  do got = recv(socket, bytes, most, MSG_DONTWAIT);
  while (got < 0 && errno == EAGAIN && (sched_yield(), nsp_host_clock() < end));
  if (got >= 0 || patience.next == 0) patience.next = SHORT_WAIT;
  else patience.waits = patience.next, patience.next = patience.next < LONG_WAIT ? patience.next * 2 : LONG_WAIT;
  return got;
}

ssize_t nsp_host_receive(int socket, void *bytes, size_t least, size_t most, int64_t end) {
  ssize_t got;
  size_t have = 0;
  if (least == 0) return 0;
  got = look(socket, bytes, most);
  for (;;) {
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return -1;
    if (got > 0) have += (size_t)got;
    if (have >= least) return (ssize_t)have;
    /* Waits in poll: in recv the kernel would wake it when the host has read the request, too. */
    if (got < 0 && errno == EAGAIN && !await(socket, POLLIN, end)) return (ssize_t)have;
    got = recv(socket, (char *)bytes + have, most - have, MSG_DONTWAIT);
  }
}

int64_t nsp_host_after(int64_t span) {
  int64_t now = nsp_host_clock();
  return span < NSP_HOST_NO_END - now ? now + span : NSP_HOST_NO_END;
}

int nsp_host_await(int socket, int64_t end) { return await(socket, POLLIN, end); }

void nsp_host_ask_for_life(int socket) {
  /* The frame "nothing" of docs/wire.md. */
  static const struct {
    uint32_t length;
    uint16_t kind, zero;
    uint32_t request;
    int32_t status;
  } nothing = {sizeof nothing, NSP_HOST_NOTHING, 0, 0, 0};
  /* At once or not at all: a host that does not read has something to answer already. */
  nsp_host_send(socket, &nothing, sizeof nothing, 0);
}

ssize_t nsp_host_receive_while_alive(int socket, void *bytes, size_t least, size_t most, int64_t silence) {
  size_t have = 0;
  int isAsked = 0;
  int64_t end;
  if (silence == NSP_HOST_NO_END) return nsp_host_receive(socket, bytes, least, most, NSP_HOST_NO_END);
  end = nsp_host_after(silence / 4);
  for (;;) {
    ssize_t got = nsp_host_receive(socket, (char *)bytes + have, least - have, most - have, end);
    if (got < 0) return -1;
    have += (size_t)got;
    if (have >= least) return (ssize_t)have;
    if (got == 0 && isAsked) return NSP_HOST_SILENT;
    isAsked = got == 0;
    if (isAsked) nsp_host_ask_for_life(socket);
    /* Counted from now: this process may have been stopped meanwhile, too. */
    end = nsp_host_after(isAsked ? silence - silence / 4 : silence / 4);
  }
}
