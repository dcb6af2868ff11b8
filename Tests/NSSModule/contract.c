/* What glibc relies on, called as glibc calls it, and what programs do to a library that keeps a descriptor.
     contract LIBRARY CHECK    one of the checks below; says what is wrong, and ends with 1
   cc -pthread contract.c -o contract */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <nss.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static enum nss_status (*byName3)(const char *, int, struct hostent *, char *, size_t, int *, int *, int32_t *, char **);
static enum nss_status (*byName4)(const char *, struct gaih_addrtuple **, char *, size_t, int *, int *, int32_t *);
static enum nss_status (*byAddress)(const void *, socklen_t, int, struct hostent *, char *, size_t, int *, int *, int32_t *);
static enum nss_status (*serviceByName)(const char *, const char *, struct servent *, char *, size_t, int *);
static enum nss_status (*serviceByPort)(int, const char *, struct servent *, char *, size_t, int *);

#define WANT(condition) \
  do \
    if (!(condition)) { \
      fprintf(stderr, "%s:%d: %s (errno %d)\n", __func__, __LINE__, #condition, errno); \
      exit(1); \
    } \
  while (0)

static double milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static enum nss_status ask(const char *name, int family, int *error, int *hostError) {
  struct hostent host;
  char buffer[65536];
  return byName3(name, family, &host, buffer, sizeof buffer, error, hostError, NULL, NULL);
}
static int knows(const char *name) {
  int error = 0, hostError = 0;
  return ask(name, AF_INET, &error, &hostError) == NSS_STATUS_SUCCESS;
}
static int descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  int count = 0;
  while (folder != NULL && readdir(folder) != NULL) count++;
  if (folder != NULL) closedir(folder);
  return count;
}
/* The number of the first socket, which is the module's; -1. */
static int kept(void) {
  for (int number = 0; number < 64; number++) {
    char path[32], target[64] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", number);
    if (readlink(path, target, sizeof target - 1) > 0 && strncmp(target, "socket:", 7) == 0) return number;
  }
  return -1;
}

/* Every pair of status and codes that the manual names. */
static void statuses(void) {
  struct { const char *name; int family; enum nss_status status; int error, hostError; } cases[] = {
      {"known", AF_INET, NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS},   {"known", AF_INET6, NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS},
      {"nobody", AF_INET, NSS_STATUS_NOTFOUND, ENOENT, HOST_NOT_FOUND}, {"data", AF_INET, NSS_STATUS_NOTFOUND, ENOENT, NO_DATA},
      {"four", AF_INET6, NSS_STATUS_NOTFOUND, ENOENT, NO_DATA},   {"again", AF_INET, NSS_STATUS_TRYAGAIN, EAGAIN, TRY_AGAIN},
      {"known", AF_UNIX, NSS_STATUS_UNAVAIL, EAFNOSUPPORT, NO_DATA}, {"\xff\xfe", AF_INET, NSS_STATUS_NOTFOUND, ENOENT, HOST_NOT_FOUND},
      {"", AF_INET, NSS_STATUS_NOTFOUND, ENOENT, HOST_NOT_FOUND},
  };
  char name[4096], line[4096];
  struct servent service;
  int error, hostError;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    error = 0, hostError = -7;
    WANT(ask(cases[i].name, cases[i].family, &error, &hostError) == cases[i].status);
    WANT(error == cases[i].error && hostError == cases[i].hostError);
  }
  memset(name, 'n', sizeof name), name[sizeof name - 1] = 0;
  WANT(ask(name, AF_INET, &error, &hostError) == NSS_STATUS_NOTFOUND && error == ENOENT);
  WANT(serviceByName("nobody", "tcp", &service, line, sizeof line, &error) == NSS_STATUS_NOTFOUND && error == ENOENT);
  WANT(serviceByName(name, NULL, &service, line, sizeof line, &error) == NSS_STATUS_NOTFOUND && error == ENOENT);
}

/* Any size, any alignment: ERANGE and not a byte too far, or all of it inside. */
static void inside(const void *pointer, size_t size, const char *buffer, size_t length) {
  WANT((const char *)pointer >= buffer && (const char *)pointer + size <= buffer + length);
}
static void aligned(const void *pointer, size_t alignment) { WANT((uintptr_t)pointer % alignment == 0); }
static void host(const struct hostent *host, const char *buffer, size_t length) {
  inside(host->h_name, strlen(host->h_name) + 1, buffer, length);
  aligned(host->h_aliases, sizeof(char *)), aligned(host->h_addr_list, sizeof(char *));
  for (char **one = host->h_aliases; *one != NULL; one++) inside(*one, strlen(*one) + 1, buffer, length);
  for (char **one = host->h_addr_list; *one != NULL; one++) inside(*one, (size_t)host->h_length, buffer, length), aligned(*one, 4);
}
static void buffers(void) {
  static char memory[4096];
  size_t needed[4] = {0};
  for (size_t offset = 0; offset < 9; offset++)
    for (size_t size = 0; size < 1024; size++) {
      char *buffer = memory + 64 + offset, address[16];
      struct hostent found;
      struct servent service;
      struct gaih_addrtuple first, *list;
      enum nss_status status;
      int error, hostError, given = offset % 2;
#define TRY(index, call, check) \
  memset(memory, 0x5a, sizeof memory), error = hostError = 0, status = call; \
  WANT(status == NSS_STATUS_SUCCESS || (status == NSS_STATUS_TRYAGAIN && error == ERANGE)); \
  for (char *byte = memory; byte < buffer; byte++) WANT(*byte == 0x5a); \
  for (char *byte = buffer + size; byte < memory + sizeof memory; byte++) WANT(*byte == 0x5a); \
  if (status == NSS_STATUS_SUCCESS) { check; if (needed[index] == 0) needed[index] = size; } \
  else WANT(needed[index] == 0 || offset > 0);
      TRY(0, byName3("known", AF_INET6, &found, buffer, size, &error, &hostError, NULL, NULL), host(&found, buffer, size);
          WANT(strcmp(found.h_name, "known.door.example") == 0 && strcmp(found.h_aliases[0], "known-alias") == 0 && found.h_aliases[1] == NULL);
          WANT(found.h_length == 16 && found.h_addr_list[1] == NULL))
      WANT(status == NSS_STATUS_SUCCESS || hostError == NETDB_INTERNAL);
      list = given ? &first : NULL;
      TRY(1, byName4("known", &list, buffer, size, &error, &hostError, NULL), if (given) WANT(list == &first); else inside(list, sizeof *list, buffer, size);
          aligned(list, sizeof(char *)); inside(list->next, sizeof *list, buffer, size);
          WANT(list->family == AF_INET && list->next->family == AF_INET6 && list->next->next == NULL);
          WANT(strcmp(list->name, "known.door.example") == 0))
      inet_pton(AF_INET, "192.0.2.7", address);
      TRY(2, byAddress(address, 4, AF_INET, &found, buffer, size, &error, &hostError, NULL), host(&found, buffer, size);
          WANT(memcmp(found.h_addr_list[0], address, 4) == 0))
      TRY(3, serviceByName("door", "tcp", &service, buffer, size, &error), inside(service.s_name, 5, buffer, size);
          WANT(strcmp(service.s_name, "door") == 0 && strcmp(service.s_aliases[0], "gate") == 0 && ntohs((uint16_t)service.s_port) == 7777);
          WANT(strcmp(service.s_proto, "tcp") == 0))
      if (size > 256) size += 255;
    }
  for (int i = 0; i < 4; i++) WANT(needed[i] > 0 && needed[i] < 256);
}

/* As many as there are, by growing the buffer as glibc does. */
static void growth(void) {
  struct hostent found;
  int error, hostError, count = 0;
  size_t size = 64;
  char *buffer = malloc(size);
  enum nss_status status;
  while ((status = byName3("many-300", AF_INET, &found, buffer, size, &error, &hostError, NULL, NULL)) == NSS_STATUS_TRYAGAIN && error == ERANGE)
    buffer = realloc(buffer, size *= 2);
  WANT(status == NSS_STATUS_SUCCESS);
  for (char **one = found.h_addr_list; *one != NULL; one++) count++;
  WANT(count == 300);
  for (count = 0; found.h_aliases[count] != NULL; count++) WANT(strncmp(found.h_aliases[count], "alias-", 6) == 0);
  WANT(count == 300);
  WANT(byName3("odd", AF_INET, &found, buffer, size, &error, &hostError, NULL, NULL) == NSS_STATUS_SUCCESS);
  WANT(strcmp(found.h_name, "odd") == 0 && found.h_addr_list[0][3] == 12 && found.h_addr_list[1] == NULL);
  WANT(byName3("long-900", AF_INET, &found, buffer, size, &error, &hostError, NULL, NULL) == NSS_STATUS_SUCCESS && strlen(found.h_aliases[0]) == 900);
  WANT(byName3("long-1900", AF_INET, &found, buffer, size, &error, &hostError, NULL, NULL) == NSS_STATUS_SUCCESS && found.h_aliases[0] == NULL);
  free(buffer);
}

static void services(void) {
  struct servent service;
  char buffer[1024];
  int error;
  WANT(serviceByPort(htons(7777), "tcp", &service, buffer, sizeof buffer, &error) == NSS_STATUS_SUCCESS && strcmp(service.s_name, "door") == 0);
  WANT(serviceByName("door", NULL, &service, buffer, sizeof buffer, &error) == NSS_STATUS_SUCCESS && strcmp(service.s_proto, "tcp") == 0);
  WANT(serviceByName("door", "udp", &service, buffer, sizeof buffer, &error) == NSS_STATUS_NOTFOUND);
  WANT(serviceByName("7777", "tcp", &service, buffer, sizeof buffer, &error) == NSS_STATUS_NOTFOUND);
}

/* A machine that has much else to do may take longer than the module waits for somebody to be there. */
static enum nss_status patiently(const char *name, struct hostent *found, char *buffer, size_t size) {
  enum nss_status status = NSS_STATUS_UNAVAIL;
  for (int i = 0; i < 5 && status == NSS_STATUS_UNAVAIL; i++) {
    int error = 0, hostError;
    if (i > 0) usleep(1200000);
    status = byName3(name, AF_INET, found, buffer, size, &error, &hostError, NULL, NULL);
    WANT(status == NSS_STATUS_SUCCESS || error == ETIMEDOUT);
  }
  return status;
}
static void *many(void *mode) {
  for (int i = 0; i < 300; i++) {
    struct hostent found;
    char buffer[16384], name[32];
    int count = i % 40 + 1;
    snprintf(name, sizeof name, "many-%d", count);
    WANT(patiently(name, &found, buffer, sizeof buffer) == NSS_STATUS_SUCCESS);
    for (int a = 0; a < count; a++) WANT((unsigned char)found.h_addr_list[a][3] == a);
    WANT(found.h_addr_list[count] == NULL);
    if (mode != NULL && i % 20 == 0) {
      pid_t child = fork();
      if (child == 0) _exit(patiently("four", &found, buffer, sizeof buffer) == NSS_STATUS_SUCCESS ? 0 : 1);
      int status;
      WANT(waitpid(child, &status, 0) == child && status == 0);
    }
  }
  return NULL;
}
static void threads(void *mode) {
  pthread_t all[16];
  int before, count = mode == NULL ? 16 : 4;
  WANT(knows("known"));
  before = descriptors();
  for (int i = 0; i < count; i++) pthread_create(&all[i], NULL, many, mode);
  for (int i = 0; i < count; i++) pthread_join(all[i], NULL);
  WANT(descriptors() <= before + 32);
}

/* A child of fork has its own connection, and what its parent had is not used, nor closed for the parent. */
static void forks(void) {
  int status, before;
  WANT(knows("known") && kept() >= 0);
  before = descriptors();
  for (int i = 0; i < 50; i++) {
    pid_t child = fork();
    if (child == 0) _exit(knows("known") && knows("four") && descriptors() == before ? 0 : 1);
    WANT(knows("known"));
    WANT(waitpid(child, &status, 0) == child && status == 0);
  }
  WANT(descriptors() == before);
}
static void execs(const char *self) {
  char number[16];
  WANT(knows("known") && kept() >= 0);
  snprintf(number, sizeof number, "%d", kept());
  execl(self, self, "-", "closed", number, (char *)NULL);
  WANT(0);
}

/* Programs close what is not theirs, and use the numbers for something else. */
static void reuse(void) {
  int pair[2], number, pipes[8][2];
  char byte;
  WANT(knows("known") && (number = kept()) >= 0);
  for (int fd = 3; fd < 64; fd++) close(fd);
  for (int i = 0; i < 8; i++) WANT(pipe(pipes[i]) == 0);
  WANT(knows("known"));
  WANT(fcntl(number, F_GETFD) >= 0);
  for (int fd = 3; fd < 64; fd++) close(fd);
  WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  for (int fd = 5; fd < 16; fd++) dup2(pair[0], fd);
  WANT(knows("known") && knows("four"));
  WANT(recv(pair[1], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
  WANT(send(pair[0], "x", 1, 0) == 1 && recv(pair[1], &byte, 1, 0) == 1);
}
static void withoutStandardStreams(void) {
  for (int fd = 0; fd < 3; fd++) close(fd);
  if (!knows("known") || !knows("known")) _exit(1);
  for (int fd = 0; fd < 3; fd++) if (fcntl(fd, F_GETFD) >= 0) _exit(2);
  _exit(0);
}
static void exhausted(void) {
  struct rlimit limit = {3, 3};
  int error = 0, hostError;
  setrlimit(RLIMIT_NOFILE, &limit);
  WANT(ask("known", AF_INET, &error, &hostError) == NSS_STATUS_UNAVAIL && hostError == NO_RECOVERY);
}

static ino_t inode(void) {
  struct stat found = {0};
  int number = kept();
  return number >= 0 && fstat(number, &found) == 0 ? found.st_ino : 0;
}
/* What the host knew a process as is not what it is known as when it has another user. */
static void users(void) {
  ino_t first, second;
  WANT(knows("known") && (first = inode()) != 0);
  WANT(knows("known") && inode() == first);
  WANT(setegid(65534) == 0 && seteuid(65534) == 0);
  WANT(knows("known") && (second = inode()) != 0 && second != first);
  WANT(knows("four") && inode() == second);
  WANT(seteuid(0) == 0 && setegid(0) == 0);
  WANT(knows("known") && inode() != second);
}

static void *asker(void *unused) {
  (void)unused;
  knows("wait-300");
  pthread_testcancel();
  return NULL;
}
static void cancelled(void) {
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, asker, NULL);
    usleep(20000), pthread_cancel(thread), pthread_join(thread, NULL);
  }
  WANT(knows("known") && descriptors() < 20);
}

/* For a test, which does something to the host meanwhile: asks, and says what came of it. */
static void one(const char *name) {
  int error = 0, hostError = 0;
  double start = milliseconds();
  enum nss_status status = ask(name, AF_INET, &error, &hostError);
  printf("%d %d %d %.0f\n", status, error, hostError, milliseconds() - start);
  fflush(stdout);
}

int main(int argc, char **argv) {
  void *library;
  const char *check = argc > 2 ? argv[2] : "";
  if (argc > 3 && strcmp(check, "closed") == 0) return fcntl(atoi(argv[3]), F_GETFD) < 0 ? 0 : 1;
  library = dlopen(argv[1], RTLD_NOW);
  if (library == NULL) return fprintf(stderr, "%s\n", dlerror()), 1;
  byName3 = dlsym(library, "_nss_nsp_gethostbyname3_r"), byName4 = dlsym(library, "_nss_nsp_gethostbyname4_r");
  byAddress = dlsym(library, "_nss_nsp_gethostbyaddr2_r");
  serviceByName = dlsym(library, "_nss_nsp_getservbyname_r"), serviceByPort = dlsym(library, "_nss_nsp_getservbyport_r");
  if (strcmp(check, "statuses") == 0) statuses();
  else if (strcmp(check, "buffers") == 0) buffers();
  else if (strcmp(check, "growth") == 0) growth();
  else if (strcmp(check, "services") == 0) services();
  else if (strcmp(check, "threads") == 0) threads(NULL);
  else if (strcmp(check, "threads-that-fork") == 0) threads(&library);
  else if (strcmp(check, "forks") == 0) forks();
  else if (strcmp(check, "execs") == 0) execs(argv[0]);
  else if (strcmp(check, "reuse") == 0) reuse();
  else if (strcmp(check, "streams") == 0) withoutStandardStreams();
  else if (strcmp(check, "exhausted") == 0) exhausted();
  else if (strcmp(check, "cancelled") == 0) cancelled();
  else if (strcmp(check, "users") == 0) users();
  else if (strcmp(check, "ask") == 0) /* each name when a line comes, the first at once */
    for (int i = 3; i < argc; i++) {
      char line[16];
      if (i > 3 && fgets(line, sizeof line, stdin) == NULL) break;
      one(argv[i]);
    }
  else return fprintf(stderr, "no such check\n"), 2;
  return 0;
}
