/* What the programs of this folder measure with: a clock, medians, one JSON line a benchmark, and a lookup of the sample named hello. */
#ifndef NSP_MEASURE_H
#define NSP_MEASURE_H

#include <ws2tcpip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static GUID provider;
static void lookup(void) {
  PADDRINFOEXA result = NULL;
  if (GetAddrInfoExA("hello", NULL, NS_DNS, &provider, NULL, &result, NULL, NULL, NULL, NULL) != 0) {
    fprintf(stderr, "hello is not found: %d\n", WSAGetLastError());
    exit(1);
  }
  FreeAddrInfoEx(result);
}
static void find_provider(void) {
  DWORD length = 1 << 16;
  WSANAMESPACE_INFOA *all = malloc(length);
  int count = WSAEnumNameSpaceProvidersA(&length, all);
  for (int i = 0; i < count; i++)
    if (strcmp(all[i].lpszIdentifier, "hello") == 0) provider = all[i].NSProviderId;
  free(all);
}

static int by_value(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }
static double median(double *values, int count) { return qsort(values, (size_t)count, sizeof *values, by_value), values[count / 2]; }

/* Goals on a ratio: at most, or with `least` at least. */
static void report(const char *name, double value, const char *unit, double floor, double goal, int least) {
  double ratio = value / floor;
  printf("{\"name\":\"%s\",\"value\":%.3g,\"unit\":\"%s\",\"floor\":%.3g,\"ratio\":%.3g,\"goal\":%.3g,\"goal_of\":\"ratio\",\"met\":%s}\n", name, value, unit, floor, ratio, goal, (least ? ratio >= goal : ratio <= goal) ? "true" : "false");
  fflush(stdout);
}

#endif
