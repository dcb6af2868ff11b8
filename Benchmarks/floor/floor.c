/* The daemon against the floor of this machine, in one run: lookups through libnsp beside a bare ping-pong of 512 bytes with an epoll echo
   server, turn by turn. One JSON line a benchmark, as the others print. NSP_SOCKET names the host's socket. */
#define _GNU_SOURCE
#include <ws2tcpip.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"

enum { SIZE = 512 };
static struct sockaddr_un floor_address = {.sun_family = AF_UNIX};

static void serve(int listener) {
  int poll = epoll_create1(0);
  struct epoll_event event = {EPOLLIN, {.fd = listener}};
  char buffer[SIZE];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    struct epoll_event ready[64];
    int count = epoll_wait(poll, ready, 64, -1);
    for (int i = 0; i < count; i++) {
      if (ready[i].data.fd == listener) {
        event.data.fd = accept(listener, NULL, NULL);
        epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
      } else if (recv(ready[i].data.fd, buffer, SIZE, 0) != SIZE || send(ready[i].data.fd, buffer, SIZE, MSG_NOSIGNAL) != SIZE) {
        close(ready[i].data.fd);
      }
    }
  }
}

static int floor_connect(void) {
  int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(descriptor, (struct sockaddr *)&floor_address, sizeof floor_address) != 0) exit(1);
  return descriptor;
}
static void floor_ping(int descriptor) {
  static char buffer[SIZE];
  if (send(descriptor, buffer, SIZE, 0) != SIZE || recv(descriptor, buffer, SIZE, MSG_WAITALL) != SIZE) exit(1);
}

static void latency(void) {
  enum { ROUNDS = 40, EACH = 250 };
  static double floor_times[ROUNDS * EACH], times[ROUNDS * EACH];
  int descriptor = floor_connect();
  /* The floor by itself first, and then turn by turn: where the scheduler puts the two sides makes a great difference, and the better
     of the two is the floor. */
  for (int i = 0; i < ROUNDS * EACH; i++) {
    double start = now();
    floor_ping(descriptor);
    floor_times[i] = now() - start;
  }
  double alone = median(floor_times, ROUNDS * EACH);
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < EACH; i++) {
      double start = now();
      floor_ping(descriptor);
      floor_times[round * EACH + i] = now() - start;
    }
    for (int i = 0; i < EACH; i++) {
      double start = now();
      lookup();
      times[round * EACH + i] = now() - start;
    }
  }
  close(descriptor);
  double beside = median(floor_times, ROUNDS * EACH);
  report("daemon.lookup", median(times, ROUNDS * EACH), "us", alone < beside ? alone : beside, 1.5, 0);
}

/* Requests a second of so many processes, for a second. */
static double throughput(int clients, int through_host) {
  atomic_long *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t children[64];
  for (int i = 0; i < clients; i++) {
    if ((children[i] = fork()) != 0) continue;
    WSADATA data;
    int descriptor = through_host ? -1 : floor_connect();
    long mine = 0;
    if (through_host) WSAStartup(0x0202, &data), lookup();
    double end = now() + 1e6;
    while (now() < end) {
      if (through_host) lookup();
      else floor_ping(descriptor);
      mine++;
    }
    *count += mine;
    if (through_host) WSACleanup();
    _exit(0);
  }
  for (int i = 0; i < clients; i++) waitpid(children[i], NULL, 0);
  return (double)*count;
}

static void lives(void) {
  enum { LIVES = 1000 };
  static double floor_times[LIVES], times[LIVES];
  WSADATA data;
  for (int i = 0; i < LIVES; i++) {
    double start = now();
    int descriptor = floor_connect();
    floor_ping(descriptor);
    close(descriptor);
    floor_times[i] = now() - start;
    start = now();
    WSAStartup(0x0202, &data);
    lookup();
    WSACleanup();
    times[i] = now() - start;
  }
  report("daemon.life", median(times, LIVES), "us", median(floor_times, LIVES), 3, 0);
}

static void *flood_host(void *unused) {
  for (;;) lookup();
  return unused;
}
static void *flood_floor(void *unused) {
  int descriptor = floor_connect();
  for (;;) floor_ping(descriptor);
  return unused;
}
/* Another process asks with 16 threads as fast as it is answered: how much longer does a request take? Turn by turn, with the flood
   stopped and going on. */
static double flooded(int through_host, double *median_beside) {
  enum { ROUNDS = 20, EACH = 250 };
  static double alone[ROUNDS * EACH], beside[ROUNDS * EACH];
  WSADATA data;
  pid_t other = fork();
  if (other == 0) {
    pthread_t thread;
    if (through_host) WSAStartup(0x0202, &data);
    for (int i = 0; i < 16; i++) pthread_create(&thread, NULL, through_host ? flood_host : flood_floor, NULL);
    for (;;) pause();
  }
  int descriptor = through_host ? -1 : floor_connect();
  if (through_host) WSAStartup(0x0202, &data);
  for (int round = 0; round < ROUNDS; round++) {
    for (int is_flooded = 0; is_flooded < 2; is_flooded++) {
      kill(other, is_flooded ? SIGCONT : SIGSTOP);
      usleep(20000);
      for (int i = 0; i < EACH; i++) {
        double start = now();
        if (through_host) lookup();
        else floor_ping(descriptor);
        (is_flooded ? beside : alone)[round * EACH + i] = now() - start;
      }
    }
  }
  kill(other, SIGKILL);
  waitpid(other, NULL, 0);
  if (through_host) WSACleanup();
  else close(descriptor);
  *median_beside = median(beside, ROUNDS * EACH);
  return *median_beside / median(alone, ROUNDS * EACH);
}

static long resident(pid_t process) {
  char path[64], line[256];
  long pages = 0;
  snprintf(path, sizeof path, "/proc/%d/statm", process);
  FILE *file = fopen(path, "r");
  if (file != NULL && fgets(line, sizeof line, file) != NULL) sscanf(line, "%*d %ld", &pages);
  if (file != NULL) fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}
static void memory(pid_t host, pid_t echo) {
  enum { CLIENTS = 10000 };
  static int descriptors[CLIENTS];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  unsigned char hello[32] = {32, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'N', 'S', 'P', '1', 1, 0, 0, 0, 0, 0, 16, 0}, answer[32];
  double used[2];
  strncpy(address.sun_path, getenv("NSP_SOCKET"), sizeof address.sun_path - 1);
  for (int through_host = 0; through_host < 2; through_host++) {
    pid_t server = through_host ? host : echo;
    long before = resident(server);
    for (int i = 0; i < CLIENTS; i++) {
      descriptors[i] = through_host ? socket(AF_UNIX, SOCK_STREAM, 0) : floor_connect();
      if (!through_host) floor_ping(descriptors[i]);
      else if (connect(descriptors[i], (struct sockaddr *)&address, sizeof address) != 0 || send(descriptors[i], hello, sizeof hello, 0) != sizeof hello || recv(descriptors[i], answer, sizeof answer, MSG_WAITALL) <= 0) exit(1);
    }
    used[through_host] = (double)(resident(server) - before) / CLIENTS;
    for (int i = 0; i < CLIENTS; i++) close(descriptors[i]);
    usleep(300000);
  }
  double more = used[1] - used[0];
  printf("{\"name\":\"daemon.memory\",\"value\":%.3g,\"unit\":\"bytes\",\"ratio\":%.3g,\"goal\":8.19e+03,\"goal_of\":\"value\",\"met\":%s}\n", more, more / 8192, more <= 8192 ? "true" : "false");
}

int main(int count, char **words) {
  WSADATA data;
  struct rlimit files = {16384, 16384};
  snprintf(floor_address.sun_path, sizeof floor_address.sun_path, "/tmp/nsp-floor-%d", getpid());
  setrlimit(RLIMIT_NOFILE, &files);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (count != 2 || bind(listener, (struct sockaddr *)&floor_address, sizeof floor_address) != 0 || listen(listener, 4096) != 0) return 64;
  pid_t echo = fork();
  if (echo == 0) serve(listener);
  WSAStartup(0x0202, &data);
  find_provider();
  latency();
  WSACleanup();
  for (int clients = 8; clients <= 64; clients *= 8) {
    char name[64];
    double floor = throughput(clients, 0), value;
    value = throughput(clients, 1);
    snprintf(name, sizeof name, "daemon.throughput.%d", clients);
    report(name, value / 1000, "1000/s", floor / 1000, 0.6, 1);
  }
  lives();
  double beside, floor = flooded(0, &beside), value = flooded(1, &beside);
  printf("{\"name\":\"daemon.flooded\",\"value\":%.3g,\"unit\":\"us\",\"ratio\":%.3g,\"ratio_of_floor\":%.3g,\"goal\":2,\"goal_of\":\"ratio\",\"met\":%s}\n", beside, value, floor, value <= 2 ? "true" : "false");
  memory((pid_t)atoi(words[1]), echo);
  kill(echo, SIGKILL);
  unlink(floor_address.sun_path);
  return 0;
}
