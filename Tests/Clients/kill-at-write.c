/* Preloaded into a host: kills it, as kill -9 would, in place of the write number NSP_KILL_AT to the database of classes; with NSP_KILL_TORN
   after half of that write. A write is anything that changes a file or has it put on the disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int writes;

/* Whether this is the one. */
static int is_last(int file) {
  const char *at = getenv("NSP_KILL_AT");
  char link[64], path[4096];
  if (at == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, "/schema.") != NULL && ++writes == atoi(at);
}
static void die(void) { kill(getpid(), SIGKILL); }

#define REAL(name) static __typeof__(&name) real; if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define TORN (strcmp(getenv("NSP_KILL_TORN"), "half") == 0)

ssize_t write(int file, const void *bytes, size_t size) {
  REAL(write);
  if (is_last(file)) { if (TORN) real(file, bytes, size / 2); die(); }
  return real(file, bytes, size);
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
  REAL(pwrite);
  if (is_last(file)) { if (TORN) real(file, bytes, size / 2, at); die(); }
  return real(file, bytes, size, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
  REAL(pwrite64);
  if (is_last(file)) { if (TORN) real(file, bytes, size / 2, at); die(); }
  return real(file, bytes, size, at);
}
int ftruncate(int file, off_t size) {
  REAL(ftruncate);
  if (is_last(file)) die();
  return real(file, size);
}
int ftruncate64(int file, off64_t size) {
  REAL(ftruncate64);
  if (is_last(file)) die();
  return real(file, size);
}
int fsync(int file) {
  REAL(fsync);
  if (is_last(file)) die();
  return real(file);
}
int fdatasync(int file) {
  REAL(fdatasync);
  if (is_last(file)) die();
  return real(file);
}
