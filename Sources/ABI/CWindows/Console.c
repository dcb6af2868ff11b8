/* Console control handlers. A signal handler only writes which signal it was to a pipe; a thread reads it there and calls the handlers,
   which may therefore do anything. */
#include "CWindows.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct handler {
  PHANDLER_ROUTINE routine;
  struct handler *next;
};
static struct {
  pthread_mutex_t lock;
  pthread_cond_t haveReturned;
  struct handler *first; /* the last one added */
  BOOL ignoresInterrupt;
  BOOL isWatching;
  BOOL isCalling;
  pthread_t watcher;
  int pipe[2];
} console = {.lock = PTHREAD_MUTEX_INITIALIZER, .haveReturned = PTHREAD_COND_INITIALIZER};

static const struct {
  int signal;
  DWORD event;
} events[] = {{SIGINT, CTRL_C_EVENT}, {SIGQUIT, CTRL_BREAK_EVENT}, {SIGHUP, CTRL_CLOSE_EVENT}, {SIGTERM, CTRL_SHUTDOWN_EVENT}};
#define EVENTS (sizeof events / sizeof events[0])

static void note(int signal) {
  int kept = errno;
  unsigned char which = (unsigned char)signal;
  while (write(console.pipe[1], &which, 1) < 0 && errno == EINTR) {}
  errno = kept;
}

/* Those of this moment: handlers may add and remove others. */
static PHANDLER_ROUTINE *routines(size_t *count, BOOL *ignoresInterrupt) {
  PHANDLER_ROUTINE *all;
  size_t i = 0;
  pthread_mutex_lock(&console.lock);
  *ignoresInterrupt = console.ignoresInterrupt;
  console.isCalling = TRUE;
  *count = 0;
  for (struct handler *at = console.first; at != NULL; at = at->next) ++*count;
  all = calloc(*count + 1, sizeof *all);
  if (all == NULL) *count = 0;
  for (struct handler *at = console.first; i < *count; at = at->next) all[i++] = at->routine;
  pthread_mutex_unlock(&console.lock);
  return all;
}

static void have_returned(void) {
  pthread_mutex_lock(&console.lock);
  console.isCalling = FALSE;
  pthread_cond_broadcast(&console.haveReturned);
  pthread_mutex_unlock(&console.lock);
}

/* With the lock held. A program that takes its handlers back goes on to take down what they use, so whoever changes them waits for those
   that run; not for ever, as a handler may wait for that very thread. */
static void await_handlers(void) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += 5;
  while (console.isCalling && !pthread_equal(pthread_self(), console.watcher))
    if (pthread_cond_timedwait(&console.haveReturned, &console.lock, &end) != 0) return;
}

static void handle(int which, DWORD event) {
  size_t count;
  BOOL ignoresInterrupt;
  PHANDLER_ROUTINE *all = routines(&count, &ignoresInterrupt);
  BOOL isHandled = which == SIGINT && ignoresInterrupt;
  for (size_t i = 0; i < count && !isHandled; i++) isHandled = all[i](event);
  free(all);
  have_returned();
  if (isHandled) return;
  signal(which, SIG_DFL);
  kill(getpid(), which);
}

static void *watch(void *unused) {
  unsigned char which;
  ssize_t count;
  while ((count = read(console.pipe[0], &which, 1)) == 1 || (count < 0 && errno == EINTR))
    for (size_t i = 0; count == 1 && i < EVENTS; i++)
      if (events[i].signal == which) handle(which, events[i].event);
  return unused;
}

/* With the lock held. Signals that a shell has told a program in the background to ignore are watched all the same: the program asks for
   them. A hang-up that nohup has told it to ignore is not. */
static BOOL begin_watching(void) {
  struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART}, hangUp;
  sigset_t all, kept;
  if (console.isWatching) return TRUE;
  if (pipe2(console.pipe, O_CLOEXEC) != 0) return FALSE;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &kept);
  console.isWatching = pthread_create(&console.watcher, NULL, watch, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &kept, NULL);
  if (!console.isWatching) return close(console.pipe[0]), close(console.pipe[1]), FALSE;
  pthread_detach(console.watcher);
  sigemptyset(&action.sa_mask);
  sigaction(SIGHUP, NULL, &hangUp);
  for (size_t i = 0; i < EVENTS; i++)
    if (events[i].signal != SIGHUP || hangUp.sa_handler != SIG_IGN) sigaction(events[i].signal, &action, NULL);
  return TRUE;
}

static BOOL add_handler(PHANDLER_ROUTINE routine) {
  struct handler *handler = malloc(sizeof *handler);
  if (handler == NULL || !begin_watching()) return free(handler), SetLastError(WSA_NOT_ENOUGH_MEMORY), FALSE;
  *handler = (struct handler){routine, console.first};
  console.first = handler;
  return TRUE;
}
static BOOL remove_handler(PHANDLER_ROUTINE routine) {
  for (struct handler **at = &console.first; *at != NULL; at = &(*at)->next) {
    struct handler *found = *at;
    if (found->routine != routine) continue;
    *at = found->next;
    free(found);
    return TRUE;
  }
  SetLastError(WSA_INVALID_PARAMETER);
  return FALSE;
}

BOOL SetConsoleCtrlHandler(PHANDLER_ROUTINE routine, BOOL add) {
  pthread_mutex_lock(&console.lock);
  await_handlers();
  BOOL done = TRUE;
  if (routine == NULL) {
    done = begin_watching();
    console.ignoresInterrupt = add;
  } else {
    done = add ? add_handler(routine) : remove_handler(routine);
  }
  pthread_mutex_unlock(&console.lock);
  return done;
}
