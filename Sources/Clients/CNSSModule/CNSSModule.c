#define _GNU_SOURCE
#include "CNSSModule.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Connections that outlive their call. There are no handlers of fork: whoever holds a place is known by its process, so that a child takes
   over what its parent held, and closes its copy. Programs close descriptors that are not theirs, and use the numbers again: a connection
   is known by its device and inode, and one that is not what it was is forgotten. */
enum { PLACES = 32 };
static struct place {
  /* The process of the thread that uses it; 0: nobody. */
  _Atomic(pid_t) holder;
  /* The connection and the process that has made it, 0 where there is none, and whom the host takes that for. */
  pid_t owner;
  uid_t user;
  gid_t group;
  /* The network namespace that it was made in; 0 where the kernel does not say. */
  uint64_t network;
  int descriptor;
  uint32_t budget;
  dev_t device;
  ino_t inode;
} places[PLACES];

/* The network namespace that a socket was made in, by a number that no other has (SO_NETNS_COOKIE); 0 where the kernel does not say. */
static uint64_t network_of(int socket) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return getsockopt(socket, SOL_SOCKET, 71, &cookie, &size) == 0 && size == sizeof cookie ? cookie : 0;
}

/* That of this thread, which only a socket of its own tells; 0 where it can't have one. */
static uint64_t current_network(void) {
  int one = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  uint64_t network;
  if (one < 0) return 0;
  network = network_of(one);
  close(one);
  return network;
}

/* A process that has changed its user since, or a thread its network namespace, is another one to the host. */
static int is_own(const struct place *place, pid_t self) {
  uint64_t network;
  if (place->owner != self || place->user != geteuid() || place->group != getegid()) return 0;
  network = place->network != 0 ? current_network() : 0;
  return network == 0 || network == place->network;
}

static int is_same(const struct place *place) {
  struct stat found;
  return fstat(place->descriptor, &found) == 0 && found.st_dev == place->device && found.st_ino == place->inode;
}

static void forget(struct place *place) {
  if (place->owner != 0 && is_same(place)) close(place->descriptor);
  place->owner = 0;
}

/* True where nobody has it, or somebody of another process, of which this one is a child. */
static int hold(struct place *place, pid_t self) {
  pid_t holder = atomic_load_explicit(&place->holder, memory_order_relaxed);
  return holder != self && atomic_compare_exchange_strong_explicit(&place->holder, &holder, self, memory_order_acquire, memory_order_relaxed);
}

struct nsp_nss_connection nsp_nss_take(void) {
  pid_t self = getpid();
  int free = -1;
  for (int index = 0; index < PLACES; index++) {
    struct place *place = &places[index];
    if (!hold(place, self)) continue;
    if (is_own(place, self) && is_same(place)) {
      if (free >= 0) atomic_store_explicit(&places[free].holder, 0, memory_order_release);
      return (struct nsp_nss_connection){place->descriptor, index, place->budget};
    }
    /* The parent's, another user's, or no longer what it was. */
    forget(place);
    if (free < 0) free = index;
    else atomic_store_explicit(&place->holder, 0, memory_order_release);
  }
  return (struct nsp_nss_connection){-1, free, 0};
}

int nsp_nss_connect(struct nsp_nss_connection *connection, int64_t end) {
  int descriptor = nsp_host_connect(NULL, end);
  struct stat found;
  if (descriptor < 0) return -1;
  connection->descriptor = descriptor;
  if (connection->place < 0 || fstat(descriptor, &found) != 0) return 0;
  struct place *place = &places[connection->place];
  /* Before anything else happens to it, so that a child that is made meanwhile knows of it. */
  place->descriptor = descriptor, place->device = found.st_dev, place->inode = found.st_ino;
  place->network = network_of(descriptor);
  place->user = geteuid(), place->group = getegid(), place->owner = getpid();
  return 0;
}

void nsp_nss_keep(struct nsp_nss_connection *connection) {
  if (connection->place < 0) return nsp_nss_end(connection);
  places[connection->place].budget = connection->budget;
  atomic_store_explicit(&places[connection->place].holder, 0, memory_order_release);
}

void nsp_nss_end(struct nsp_nss_connection *connection) {
  if (connection->place >= 0) {
    forget(&places[connection->place]);
    atomic_store_explicit(&places[connection->place].holder, 0, memory_order_release);
  } else if (connection->descriptor >= 0) {
    close(connection->descriptor);
  }
  connection->descriptor = connection->place = -1;
}

/* The state of a thread by its stat file: behind the name, which may have parentheses of its own. 0 where it can't be read. */
static char state(const char *path) {
  char text[512], *end;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got;
  if (file < 0) return 0;
  got = read(file, text, sizeof text - 1);
  close(file);
  if (got <= 0) return 0;
  text[got] = 0;
  end = strrchr(text, ')');
  return end != NULL && end[1] == ' ' ? end[2] : 0;
}

int nsp_nss_is_busy(const struct nsp_nss_connection *connection) {
  struct ucred peer = {0};
  socklen_t size = sizeof peer;
  char path[320];
  struct dirent *entry;
  DIR *threads;
  int isBusy = 0;
  if (getsockopt(connection->descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) return 0;
  snprintf(path, sizeof path, "/proc/%d/task", (int)peer.pid);
  threads = opendir(path);
  if (threads == NULL) return 0;
  while (!isBusy && (entry = readdir(threads)) != NULL) {
    char now;
    snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)peer.pid, entry->d_name);
    now = entry->d_name[0] == '.' ? 0 : state(path);
    isBusy = now == 'R' || now == 'D';
  }
  closedir(threads);
  return isBusy;
}

int nsp_nss_is_bypassed(void) {
  const char *given = secure_getenv("NSP_NSS_BYPASS");
  return given != NULL && *given != 0 && strcmp(given, "0") != 0;
}

static _Atomic(int64_t) silent_until;
int64_t nsp_nss_silent_until(void) { return atomic_load_explicit(&silent_until, memory_order_relaxed); }
void nsp_nss_set_silent_until(int64_t end) { atomic_store_explicit(&silent_until, end, memory_order_relaxed); }

int nsp_nss_hold_cancellation(void) {
  int former;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &former);
  return former;
}
void nsp_nss_release_cancellation(int former) { pthread_setcancelstate(former, NULL); }
