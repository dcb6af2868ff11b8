/* A client of a host that is stopped: what each way of asking says, and after how many milliseconds, one line each.
     silence HOST     stops that process (SIGSTOP) once there are a session and an open lookup, and lets it go on at the end */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static HANDLE open_lookup;
static WCHAR name[] = {'f', 'i', 'n', 'e', 0};

static long milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Whether all threads of a process are stopped: a signal stops them one after the other. */
static int is_stopped(pid_t process) {
  char path[64], text[256];
  int stopped = 1;
  snprintf(path, sizeof path, "/proc/%d/task", (int)process);
  DIR *tasks = opendir(path);
  for (struct dirent *entry; tasks != NULL && stopped && (entry = readdir(tasks)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", (int)process, entry->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    const char *name_end = strrchr(text, ')');
    stopped = name_end == NULL || name_end[1] == 0 || name_end[2] == 'T';
  }
  if (tasks != NULL) closedir(tasks);
  return stopped;
}

static void say(const char *what, INT code, long begin) {
  pthread_mutex_lock(&lock);
  printf("%s %d %ld\n", what, code, milliseconds() - begin), fflush(stdout);
  pthread_mutex_unlock(&lock);
}

static INT begin_lookup(HANDLE *lookup) {
  WSAQUERYSETW query;
  memset(&query, 0, sizeof query);
  query.dwSize = sizeof query, query.lpszServiceInstanceName = name, query.dwNameSpace = NS_ALL;
  return WSALookupServiceBeginW(&query, LUP_RETURN_NAME | LUP_RETURN_ADDR, lookup) == 0 ? 0 : WSAGetLastError();
}

static INT resolve(struct timeval *timeout) {
  PADDRINFOEXW found = NULL;
  INT code = GetAddrInfoExW(name, NULL, NS_ALL, NULL, NULL, &found, timeout, NULL, NULL, NULL);
  return FreeAddrInfoExW(found), code;
}

static void *next(void *nothing) {
  static union {
    WSAQUERYSETW set;
    char bytes[4096];
  } room;
  DWORD length = sizeof room;
  long begin = milliseconds();
  say("next", WSALookupServiceNextW(open_lookup, 0, &length, &room.set) == 0 ? 0 : WSAGetLastError(), begin);
  return nothing;
}
static void *begin(void *nothing) {
  HANDLE lookup;
  long begin = milliseconds();
  say("begin", begin_lookup(&lookup), begin);
  return nothing;
}
static void *address(void *nothing) {
  long begin = milliseconds();
  return say("address", resolve(NULL), begin), nothing;
}
static void *address_in_time(void *nothing) {
  struct timeval timeout = {1, 0};
  long begin = milliseconds();
  return say("address-1s", resolve(&timeout), begin), nothing;
}
static void *long_address(void *nothing) {
  struct timeval timeout = {8, 0};
  long begin = milliseconds();
  return say("address-8s", resolve(&timeout), begin), nothing;
}
int main(int count, char **words) {
  void *(*const asks[])(void *) = {next, begin, address, address_in_time, long_address};
  enum { ASKS = sizeof asks / sizeof *asks };
  pthread_t threads[ASKS];
  WSADATA data;
  HANDLE lookup;
  pid_t host = count > 1 ? (pid_t)atoi(words[1]) : 0;
  if (host <= 0 || WSAStartup(0x0202, &data) != 0 || begin_lookup(&open_lookup) != 0) return 1;
  kill(host, SIGSTOP);
  while (!is_stopped(host)) usleep(1000);
  for (int i = 0; i < ASKS; i++) pthread_create(&threads[i], NULL, asks[i], NULL);
  for (int i = 0; i < ASKS; i++) pthread_join(threads[i], NULL);
  kill(host, SIGCONT);
  /* What was given up is over; a new call finds the host. */
  long begin = milliseconds();
  INT code = begin_lookup(&lookup);
  if (code == 0) WSALookupServiceEnd(lookup);
  say("after", code, begin);
  return WSACleanup() == 0 ? 0 : 1;
}
