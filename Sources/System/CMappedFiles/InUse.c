#define _GNU_SOURCE
#include "CMappedFiles.h"
#include "Leaving.h"

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

/* Where a thread's stack may be. */
struct mapping {
  uintptr_t start, end;
};

struct search {
  struct parts parts;
  size_t count;
  struct nsp_use *uses;
  struct mapping *mappings;
  size_t mapping_count, mapping_room;
  /* What was found is said with this. */
  const char *said;
};

/* The first of what would run a file is what is said. */
static void note(struct search *search, size_t file) {
  if (search->uses[file].text[0] == 0) snprintf(search->uses[file].text, sizeof search->uses[file].text, "%s", search->said);
}

static void note_all(struct search *search) {
  for (size_t file = 0; file < search->count; file++) note(search, file);
}

/* Whether a call may have left an address behind: the instruction before it is one. Words that only look like addresses seldom pass. */
static int is_return(uintptr_t address) {
#if defined(__x86_64__)
  unsigned char bytes[7];
  struct iovec here = {bytes, sizeof bytes}, there = {(void *)(address - sizeof bytes), sizeof bytes};
  if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) != sizeof bytes) return 1;
  if (bytes[2] == 0xe8) return 1;
  /* FF /2, with what its operand takes: 2, 3, 4, 6 or 7 bytes. */
  for (size_t length = 2; length <= sizeof bytes; length++)
    if (bytes[sizeof bytes - length] == 0xff && (bytes[sizeof bytes - length + 1] >> 3 & 7) == 2) return 1;
  return 0;
#else
  (void)address;
  return 1;
#endif
}

/* Notes every file that has the code which an address lies in. */
static void look_up(struct search *search, uintptr_t address, int returns) {
  const struct part *all = search->parts.all;
  size_t low = 0, high = search->parts.count;
  if (high == 0 || address < all[0].start) return;
  /* The parts in front of `low` start at the address or before it. */
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (all[middle].start <= address) low = middle + 1;
    else high = middle;
  }
  if (address >= all[low - 1].end || (returns && !is_return(address))) return;
  for (size_t i = low; i > 0 && all[i - 1].start == all[low - 1].start; i--) note(search, all[i - 1].file);
}

/* Looks at each word between two addresses, or at those only that lead back to where a call was made. Memory that is not there ends the search. */
static void look_between(struct search *search, uintptr_t start, uintptr_t end, int returns) {
  uintptr_t words[512];
  for (start &= ~(uintptr_t)(sizeof *words - 1); start < end;) {
    size_t size = end - start < sizeof words ? end - start : sizeof words;
    struct iovec here = {words, size}, there = {(void *)start, size};
    ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
    for (ssize_t i = 0; i < got / (ssize_t)sizeof *words; i++) look_up(search, words[i], returns);
    if (got < (ssize_t)size) return;
    start += size;
  }
}

/* MARK: Threads */

static void read_mappings(struct search *search) {
  FILE *maps = fopen("/proc/self/maps", "re");
  char line[512];
  unsigned long start, end;
  search->mapping_count = 0;
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    if (sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
    if (!nsp_grow((void **)&search->mappings, &search->mapping_room, search->mapping_count, sizeof *search->mappings)) break;
    search->mappings[search->mapping_count++] = (struct mapping){start, end};
  }
  if (maps != NULL) fclose(maps);
}

/* The end of the mapping that an address lies in; 0 where it lies in none. The mappings are read for the first thread, and again for one that has come
   since. */
static uintptr_t mapping_end(struct search *search, uintptr_t address) {
  for (int reads = 0;; reads++) {
    size_t low = 0, high = search->mapping_count;
    while (low < high) {
      size_t middle = low + (high - low) / 2;
      if (search->mappings[middle].end <= address) low = middle + 1;
      else high = middle;
    }
    if (low < search->mapping_count && search->mappings[low].start <= address) return search->mappings[low].end;
    if (reads == 1) return 0;
    read_mappings(search);
  }
}

enum { DEEPEST = 1 << 20, CONTROL_BLOCK = 8192, LOOKS = 64 };

/* A thread at rest shows where it is and where its stack is. What its stack holds from there on are the frames that it returns to, and at the
   end what it was started with. 0: that can't be seen. */
static int look_at(struct search *search, int thread) {
  char path[64], text[256];
  for (int look = 0; look < LOOKS; look++) {
    FILE *file;
    unsigned long stack = 0, instruction = 0;
    char *last, *before;
    size_t length;
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
    file = fopen(path, "re");
    /* It may have ended. */
    if (file == NULL) return access("/proc/self/task", X_OK) == 0 && access(path, F_OK) != 0;
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    if (length == 0) return 1;
    /* Its last two fields. */
    last = strrchr(text, ' ');
    if (last == NULL) {
      sched_yield();
      continue;
    }
    *last = 0;
    before = strrchr(text, ' ');
    if (before == NULL) return 0;
    stack = strtoul(before + 1, NULL, 16);
    instruction = strtoul(last + 1, NULL, 16);
    uintptr_t end = mapping_end(search, stack);
    if (end == 0) {
      sched_yield();
      continue;
    }
    uintptr_t deepest = end - stack > DEEPEST ? stack + DEEPEST : end;
    look_up(search, instruction, 0);
    look_between(search, stack, deepest, 1);
    look_between(search, end - stack > CONTROL_BLOCK ? end - CONTROL_BLOCK : stack, end, 0);
    return 1;
  }
  return 0;
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

static void look_at_threads(struct search *search) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *entry;
  char text[128], name[32];
  int self = gettid();
  search->said = "its threads can't be seen, since /proc is not there";
  if (tasks == NULL) return note_all(search);
  search->said = text;
  while ((entry = readdir(tasks)) != NULL) {
    int thread = atoi(entry->d_name);
    if (thread <= 0 || thread == self || nsp_is_host_thread(thread)) continue;
    name_of(thread, name);
    snprintf(text, sizeof text, "its thread %d (%s) has not ended", thread, name);
    if (look_at(search, thread)) continue;
    snprintf(text, sizeof text, "thread %d (%s) does not rest, and may be in it", thread, name);
    note_all(search);
  }
  closedir(tasks);
  free(search->mappings);
}

/* MARK: What is called later */

static void look_at_handlers(struct search *search) {
  char text[64];
  search->said = text;
  for (int number = 1; number <= SIGRTMAX; number++) {
    struct sigaction action;
    const char *name = sigabbrev_np(number);
    if (sigaction(number, NULL, &action) != 0) continue;
    if (name != NULL) snprintf(text, sizeof text, "it handles SIG%s", name);
    else snprintf(text, sizeof text, "it handles signal %d", number);
    look_up(search, (uintptr_t)action.sa_handler, 0);
  }
}

/* libc shows the keys of thread-specific data to debuggers: a number that is odd while the key is taken, and its destructor. Where it does not,
   such a destructor is not seen. */
static void look_at_destructors(struct search *search) {
  struct key {
    uintptr_t number;
    void (*destructor)(void *);
  };
  const struct key *keys = dlvsym(RTLD_DEFAULT, "__pthread_keys", "GLIBC_PRIVATE");
  search->said = "a destructor of thread-specific data (pthread_key_create) is in it";
  for (int i = 0; keys != NULL && i < PTHREAD_KEYS_MAX; i++)
    if ((keys[i].number & 1) != 0) look_up(search, (uintptr_t)keys[i].destructor, 0);
}

/* The kernel lists a process's timers. One that starts a thread signals a thread of libc's, with a value that leads to libc's record of it, and
   that has the function. */
static void look_at_timers(struct search *search) {
  FILE *timers = fopen("/proc/self/timers", "re");
  char line[128];
  unsigned long value = 0;
  search->said = "a timer calls it (SIGEV_THREAD)";
  while (timers != NULL && fgets(line, sizeof line, timers) != NULL) {
    if (sscanf(line, "signal: %*d/%lx", &value) == 1) continue;
    if (strncmp(line, "notify: ", 8) == 0 && strstr(line, "/tid.") != NULL) look_between(search, value, value + 128, 0);
  }
  if (timers != NULL) fclose(timers);
}

/* What on_exit was given is in a list of libc's that nobody can read, without the file that it belongs to: such a handler does not go with its file, as
   those of atexit do. So a file that can call it may have done so. */
static void look_at_exit_handlers(struct search *search) {
  search->said = "it may have a handler for the end of the process (on_exit)";
  for (size_t i = 0; i < search->parts.count; i++)
    if (search->parts.all[i].handles_exit) note(search, search->parts.all[i].file);
}

void nsp_files_in_use(const void *const *files, size_t count, const void *const *open, size_t open_count, struct nsp_use *uses) {
  struct search search = {.count = count, .uses = uses};
  for (size_t file = 0; file < count; file++) uses[file].text[0] = 0;
  search.said = "there is no memory to look at what runs it";
  if (!parts_leaving(files, count, open, open_count, &search.parts)) note_all(&search);
  if (search.parts.count > 0) {
    look_at_handlers(&search);
    look_at_destructors(&search);
    look_at_timers(&search);
    look_at_exit_handlers(&search);
    look_at_threads(&search);
  }
  free(search.parts.all);
}
