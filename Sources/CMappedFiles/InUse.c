#define _GNU_SOURCE
#include "CMappedFiles.h"

#include <CLastWords.h>
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct search {
  const struct nsp_code *code;
  size_t count;
};

static int is_in(struct search search, uintptr_t address) {
  for (size_t i = 0; i < search.count; i++)
    if (address >= search.code[i].start && address < search.code[i].end) return 1;
  return 0;
}

/* Whether a word between two addresses is an address of the code. Memory that is not there ends the search. */
static int leads_to(struct search search, uintptr_t start, uintptr_t end) {
  uintptr_t words[512];
  for (start &= ~(uintptr_t)(sizeof *words - 1); start < end;) {
    size_t size = end - start < sizeof words ? end - start : sizeof words;
    struct iovec here = {words, size}, there = {(void *)start, size};
    ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
    for (ssize_t i = 0; i < got / (ssize_t)sizeof *words; i++)
      if (is_in(search, words[i])) return 1;
    if (got < (ssize_t)size) return 0;
    start += size;
  }
  return 0;
}

/* MARK: Threads */

/* The end of the mapping that an address lies in; 0 where it lies in none. */
static uintptr_t mapping_end(uintptr_t address) {
  FILE *maps = fopen("/proc/self/maps", "re");
  char line[512];
  uintptr_t found = 0;
  unsigned long start, end;
  while (maps != NULL && found == 0 && fgets(line, sizeof line, maps) != NULL)
    if (sscanf(line, "%lx-%lx", &start, &end) == 2 && address >= start && address < end) found = end;
  if (maps != NULL) fclose(maps);
  return found;
}

enum sight { FREE, USES, UNSEEN, GONE };
enum { DEEPEST = 1 << 20, CONTROL_BLOCK = 8192, LOOKS = 64 };

/* A thread at rest shows where it is and where its stack is. What its stack holds from there on are the frames that it returns to, and at the
   end what it was started with. */
static enum sight look_at(struct search search, int thread) {
  char path[64], text[256];
  for (int look = 0; look < LOOKS; look++) {
    FILE *file;
    unsigned long stack = 0, instruction = 0;
    char *last, *before;
    size_t length;
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
    file = fopen(path, "re");
    if (file == NULL) return access("/proc/self/task", X_OK) == 0 && access(path, F_OK) != 0 ? GONE : UNSEEN;
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    if (length == 0) return GONE;
    /* Its last two fields. */
    last = strrchr(text, ' ');
    if (last == NULL) {
      sched_yield();
      continue;
    }
    *last = 0;
    before = strrchr(text, ' ');
    if (before == NULL) return UNSEEN;
    stack = strtoul(before + 1, NULL, 16);
    instruction = strtoul(last + 1, NULL, 16);
    uintptr_t end = mapping_end(stack);
    uintptr_t deepest = end - stack > DEEPEST ? stack + DEEPEST : end;
    if (is_in(search, instruction) || leads_to(search, stack, deepest)) return USES;
    return deepest < end && leads_to(search, end - CONTROL_BLOCK, end) ? USES : FREE;
  }
  return UNSEEN;
}

static void name_of(int thread, char name[32]) {
  char path[64];
  FILE *file;
  snprintf(path, sizeof path, "/proc/self/task/%d/comm", thread);
  file = fopen(path, "re");
  name[0] = 0;
  if (file == NULL) return;
  if (fgets(name, 32, file) == NULL) name[0] = 0;
  fclose(file);
  name[strcspn(name, "\n")] = 0;
}

static int has_thread(struct search search, char *text, size_t size) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *entry;
  int found = 0, self = gettid();
  if (tasks == NULL) {
    snprintf(text, size, "its threads can't be seen, since /proc is not there");
    return 1;
  }
  while (!found && (entry = readdir(tasks)) != NULL) {
    int thread = atoi(entry->d_name);
    char name[32];
    if (thread <= 0 || thread == self || nsp_is_host_thread(thread)) continue;
    enum sight sight = look_at(search, thread);
    if (sight == FREE || sight == GONE) continue;
    found = 1;
    name_of(thread, name);
    snprintf(text, size, sight == USES ? "its thread %d (%s) has not ended" : "thread %d (%s) does not rest, and may be in it", thread, name);
  }
  closedir(tasks);
  return found;
}

/* MARK: What is called later */

static int has_handler(struct search search, char *text, size_t size) {
  for (int number = 1; number <= SIGRTMAX; number++) {
    struct sigaction action;
    const char *name = sigabbrev_np(number);
    if (sigaction(number, NULL, &action) != 0 || !is_in(search, (uintptr_t)action.sa_handler)) continue;
    if (name != NULL) snprintf(text, size, "it handles SIG%s", name);
    else snprintf(text, size, "it handles signal %d", number);
    return 1;
  }
  return 0;
}

/* libc shows the keys of thread-specific data to debuggers: a number that is odd while the key is taken, and its destructor. Where it does not,
   such a destructor is not seen. */
static int has_destructor(struct search search, char *text, size_t size) {
  struct key {
    uintptr_t number;
    void (*destructor)(void *);
  };
  const struct key *keys = dlvsym(RTLD_DEFAULT, "__pthread_keys", "GLIBC_PRIVATE");
  for (int i = 0; keys != NULL && i < PTHREAD_KEYS_MAX; i++) {
    if ((keys[i].number & 1) == 0 || !is_in(search, (uintptr_t)keys[i].destructor)) continue;
    snprintf(text, size, "a destructor of thread-specific data (pthread_key_create) is in it");
    return 1;
  }
  return 0;
}

/* The kernel lists a process's timers. One that starts a thread signals a thread of libc's, with a value that leads to libc's record of it, and
   that has the function. */
static int has_timer(struct search search, char *text, size_t size) {
  FILE *timers = fopen("/proc/self/timers", "re");
  char line[128];
  int found = 0;
  unsigned long value = 0;
  while (timers != NULL && !found && fgets(line, sizeof line, timers) != NULL) {
    if (sscanf(line, "signal: %*d/%lx", &value) == 1) continue;
    if (strncmp(line, "notify: ", 8) == 0 && strstr(line, "/tid.") != NULL) found = leads_to(search, value, value + 128);
  }
  if (timers != NULL) fclose(timers);
  if (found) snprintf(text, size, "a timer calls it (SIGEV_THREAD)");
  return found;
}

int nsp_code_in_use(const struct nsp_code *code, size_t count, char *text, size_t size) {
  struct search search = {code, count};
  text[0] = 0;
  return has_handler(search, text, size) || has_destructor(search, text, size) || has_timer(search, text, size) || has_thread(search, text, size);
}
