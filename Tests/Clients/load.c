/* A steady load on one provider, by which a test sees whether anything is lost when another one dies.
     load PROVIDER NAME RATE SECONDS
   asks the provider with that id for the name so many times a second, on four threads, for so many seconds or until SIGTERM. Each lookup
   has to give one record, which has the name. One line says what came of it; the status is 1 when a lookup was lost. A turn that comes while
   its thread is still at the one before is left out and counted: `slowest_ms` is the longest time of one lookup, from its call to its end,
   and says nothing of how busy the machine was before. `load` is how much of the rate was reached, in percent. */
#define _GNU_SOURCE
#include <winsock2.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 4, COMPLAINTS = 10 };

static GUID provider;
static const char *name;
static double rate;
static int64_t start, end; /* nanoseconds */
static atomic_int stops;
static atomic_ulong lookups, lost, missed;
static _Atomic int64_t slowest;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}
static void stop(int number) { (void)number, stops = 1; }

static int read_id(const char *text, GUID *id) {
  unsigned part[11];
  int length = 0;
  int braces = text[0] == '{';
  int count = sscanf(text + braces, "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x%n", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5],
                     &part[6], &part[7], &part[8], &part[9], &part[10], &length);
  if (count != 11 || strcmp(text + braces + length, braces ? "}" : "") != 0) return 0;
  id->Data1 = part[0], id->Data2 = (WORD)part[1], id->Data3 = (WORD)part[2];
  for (int i = 0; i < 8; i++) id->Data4[i] = (BYTE)part[3 + i];
  return 1;
}

static int lose(const char *where) {
  int code = WSAGetLastError();
  if (atomic_fetch_add(&lost, 1) < COMPLAINTS) fprintf(stderr, "load: %s: %d\n", where, code);
  return -1;
}

/* One record that has the name, and no more. */
static void look_up(void) {
  WSAQUERYSETA set;
  union { WSAQUERYSETA set; char bytes[4096]; } record;
  HANDLE lookup = NULL;
  DWORD length = sizeof record;
  const char *wrong = NULL;
  memset(&set, 0, sizeof set);
  set.dwSize = sizeof set;
  set.dwNameSpace = NS_ALL;
  set.lpNSProviderId = &provider;
  set.lpszServiceInstanceName = (char *)name;
  if (WSALookupServiceBeginA(&set, LUP_RETURN_NAME | LUP_RETURN_ADDR, &lookup) != 0) {
    lose("begin");
    return;
  }
  if (WSALookupServiceNextA(lookup, 0, &length, &record.set) != 0) wrong = "next";
  else if (record.set.lpszServiceInstanceName == NULL || strcmp(record.set.lpszServiceInstanceName, name) != 0) wrong = "another name";
  length = sizeof record;
  if (wrong == NULL && WSALookupServiceNextA(lookup, 0, &length, &record.set) == 0) wrong = "a second record";
  else if (wrong == NULL && WSAGetLastError() != WSA_E_NO_MORE) wrong = "after the record";
  if (wrong != NULL) lose(wrong);
  if (WSALookupServiceEnd(lookup) != 0 && wrong == NULL) lose("end");
}

static void *work(void *context) {
  for (uint64_t turn = (uint64_t)(uintptr_t)context; !stops; turn += THREADS) {
    int64_t due = start + (int64_t)((double)turn / rate * 1e9), begin, took, seen = slowest;
    struct timespec time = {due / 1000000000, due % 1000000000};
    if (due >= end) break;
    if (now() > due + (int64_t)(THREADS / rate * 1e9)) {
      missed++;
      continue;
    }
    while (!stops && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) != 0) {}
    if (stops) break;
    begin = now();
    look_up();
    lookups++;
    for (took = now() - begin; took > seen && !atomic_compare_exchange_weak(&slowest, &seen, took);) {}
  }
  return NULL;
}

int main(int count, char **arguments) {
  pthread_t threads[THREADS];
  WSADATA data;
  if (count != 5 || !read_id(arguments[1], &provider) || (rate = atof(arguments[3])) <= 0 || atof(arguments[4]) <= 0)
    return fprintf(stderr, "usage: load PROVIDER NAME RATE SECONDS\n"), 64;
  name = arguments[2];
  signal(SIGTERM, stop);
  if (WSAStartup(0x0202, &data) != 0) return fprintf(stderr, "load: no library\n"), 1;
  start = now();
  end = start + (int64_t)(atof(arguments[4]) * 1e9);
  for (uintptr_t i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, work, (void *)i) != 0) return fprintf(stderr, "load: no threads\n"), 1;
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  WSACleanup();
  printf("lookups=%lu lost=%lu load=%.0f%% slowest_ms=%.1f\n", (unsigned long)lookups, (unsigned long)lost,
         100.0 * (double)lookups / (double)(lookups + missed ? lookups + missed : 1), (double)slowest / 1e6);
  return lost > 0;
}
