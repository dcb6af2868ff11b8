/* A client of whatever /etc/nsswitch.conf names for hosts:

     resolve load NAMES PROCESSES MILLISECONDS   so many processes at once; prints p50 and p99 in us, and lookups a second
     resolve warm NAMES                          each name once
     resolve start NAMES TIMES PROGRAM           prints the median time in us of a new process that resolves one name

   The lines of NAMES are those of /etc/hosts: an address and a name. A lookup that fails or has another answer ends the whole. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct entry {
  char name[64], text[16];
  struct in_addr address;
};
static struct entry *entries;
static uint32_t entry_count;

static void fail(const char *what, const char *why) {
  fprintf(stderr, "resolve: %s: %s\n", what, why);
  exit(1);
}

static void read_names(const char *path) {
  FILE *file = fopen(path, "r");
  struct entry entry;
  if (file == NULL) fail(path, "cannot be read");
  while (fscanf(file, "%15s %63s", entry.text, entry.name) == 2) {
    if (inet_pton(AF_INET, entry.text, &entry.address) != 1) fail(entry.text, "not an address");
    if ((entry_count & (entry_count - 1)) == 0) entries = realloc(entries, (entry_count == 0 ? 1 : 2 * entry_count) * sizeof entry);
    if (entries == NULL) fail(path, "too long");
    entries[entry_count++] = entry;
  }
  fclose(file);
  if (entry_count == 0) fail(path, "has no names");
}

/* The same names in every run, and others in every process. */
static const struct entry *random_entry(uint32_t *state) {
  *state ^= *state << 13, *state ^= *state >> 17, *state ^= *state << 5;
  return &entries[*state % entry_count];
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Returns the nanoseconds that the lookup took; to free the answer is part of it, to compare it is not. */
static uint64_t look_up(const struct entry *entry) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  uint64_t start = now();
  int error = getaddrinfo(entry->name, NULL, &hints, &found);
  uint64_t answered = now();
  if (error != 0) fail(entry->name, gai_strerror(error));
  if (((struct sockaddr_in *)found->ai_addr)->sin_addr.s_addr != entry->address.s_addr) fail(entry->name, "a wrong address");
  if (found->ai_next != NULL) fail(entry->name, "more than one address");
  uint64_t compared = now();
  freeaddrinfo(found);
  return answered - start + (now() - compared);
}

/* Latencies are counted in buckets that are 1/256 of their value wide, so that a process needs as much memory for a million of them as for
   one and its own pages are no part of what is measured. */
enum { STEPS = 256, BUCKETS = STEPS * 34 };
struct figures {
  uint64_t end;
  uint32_t counts[BUCKETS];
};

static unsigned bucket_of(uint64_t value) {
  if (value < STEPS) return (unsigned)value;
  unsigned shift = 63 - (unsigned)__builtin_clzll(value) - 8;
  unsigned bucket = STEPS * (shift + 1) + (unsigned)(value >> shift) - STEPS;
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}
static double middle_of(unsigned bucket) {
  if (bucket < STEPS) return bucket;
  unsigned shift = bucket / STEPS - 1;
  return ((double)(STEPS + bucket % STEPS) + 0.5) * (double)(1ull << shift);
}
static double microseconds_at(const uint64_t *counts, uint64_t total, double fraction) {
  uint64_t seen = 0;
  unsigned bucket = 0;
  while (bucket < BUCKETS - 1 && (double)(seen += counts[bucket]) < fraction * (double)total) bucket++;
  return middle_of(bucket) / 1e3;
}

static void run_client(uint32_t number, int ready, int go, const uint64_t *deadline, struct figures *figures) {
  uint32_t state = 0x9e3779b9u * (number + 1);
  char byte = 0;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* The first lookup loads and connects what there is to load and to connect; what that costs is measured by `start`. */
  look_up(random_entry(&state));
  if (write(ready, &byte, 1) != 1) fail("client", "cannot report");
  close(ready);
  if (read(go, &byte, 1) != 0) fail("client", "cannot wait");
  do figures->counts[bucket_of(look_up(random_entry(&state)))]++;
  while ((figures->end = now()) < *deadline);
}

static void *share(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("load", "no memory");
  return memory;
}

static void load(uint32_t processes, uint64_t duration) {
  static uint64_t counts[BUCKETS];
  int ready[2], go[2], status, is_well = 1;
  uint64_t total = 0, end = 0, *deadline = share(sizeof *deadline);
  struct figures *all = share(processes * sizeof *all);
  char byte;
  if (pipe(ready) != 0 || pipe(go) != 0) fail("load", "no pipes");
  for (uint32_t i = 0; i < processes; i++) {
    pid_t child = fork();
    if (child < 0) fail("load", "no more processes");
    if (child > 0) continue;
    close(ready[0]), close(go[1]);
    run_client(i, ready[1], go[0], deadline, &all[i]);
    _exit(0);
  }
  /* A client that fails closes its end without a byte: when all have closed theirs, whoever is left is let go. */
  close(ready[1]), close(go[0]);
  while (read(ready[0], &byte, 1) == 1) {}
  /* All have the same end, and what is done by then counts against the whole time: a client that gets no processor for a while is late,
     and does not begin a time of its own. */
  uint64_t start = now();
  *deadline = start + duration;
  close(go[1]);
  while (wait(&status) > 0) is_well = is_well && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!is_well) fail("load", "a client has failed");
  for (uint32_t i = 0; i < processes; i++) {
    if (all[i].end > end) end = all[i].end;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) counts[bucket] += all[i].counts[bucket], total += all[i].counts[bucket];
  }
  printf("%.6g %.6g %.6g\n", microseconds_at(counts, total, 0.5), microseconds_at(counts, total, 0.99),
         (double)total * 1e9 / (double)(end - start));
}

static int by_value(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static void start_processes(uint32_t times, char *program) {
  double *all = calloc(times, sizeof *all);
  uint32_t state = 0x9e3779b9u;
  char *environment[] = {NULL};
  if (all == NULL) fail("start", "no memory");
  for (uint32_t i = 0; i < times; i++) {
    struct entry entry = *random_entry(&state);
    char *words[] = {program, entry.name, entry.text, NULL};
    pid_t child;
    int status;
    uint64_t start = now();
    if (posix_spawn(&child, program, NULL, NULL, words, environment) != 0) fail(program, "cannot be started");
    if (waitpid(child, &status, 0) != child || status != 0) fail(entry.name, "not found by a new process");
    all[i] = (double)(now() - start) / 1e3;
  }
  qsort(all, times, sizeof *all, by_value);
  printf("%.6g\n", all[times / 2]);
  free(all);
}

int main(int count, char **words) {
  const char *what = count > 2 ? words[1] : "";
  if (count > 2) read_names(words[2]);
  if (strcmp(what, "load") == 0 && count == 5 && atoi(words[3]) > 0 && atoi(words[4]) > 0) {
    load((uint32_t)atoi(words[3]), (uint64_t)atoi(words[4]) * 1000000);
  } else if (strcmp(what, "warm") == 0 && count == 3) {
    for (uint32_t i = 0; i < entry_count; i++) look_up(&entries[i]);
  } else if (strcmp(what, "start") == 0 && count == 5 && atoi(words[3]) > 0) {
    start_processes((uint32_t)atoi(words[3]), words[4]);
  } else {
    fail("usage", "resolve load NAMES PROCESSES MILLISECONDS | warm NAMES | start NAMES TIMES PROGRAM");
  }
  return 0;
}
