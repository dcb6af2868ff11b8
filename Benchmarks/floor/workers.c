/* A provider in a worker against the same one in the host's own process, each behind a host of its own, turn by turn; and how soon a program
   that advertises a provider is asked. NSP_IN_PROCESS and NSP_ISOLATED name the two hosts' sockets. */
#define _GNU_SOURCE
#include <ws2spi.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

static void turn_to(const char *host) {
  WSADATA data;
  setenv("NSP_SOCKET", getenv(host), 1);
  WSAStartup(0x0202, &data);
}

static void latency(void) {
  enum { ROUNDS = 40, EACH = 250 };
  static double times[2][ROUNDS * EACH];
  for (int round = 0; round < ROUNDS; round++) {
    for (int isolated = 0; isolated < 2; isolated++) {
      turn_to(isolated ? "NSP_ISOLATED" : "NSP_IN_PROCESS");
      lookup();
      for (int i = 0; i < EACH; i++) {
        double start = now();
        lookup();
        times[isolated][round * EACH + i] = now() - start;
      }
      WSACleanup();
    }
  }
  report("worker.lookup", median(times[1], ROUNDS * EACH), "us", median(times[0], ROUNDS * EACH), 1.8, 0);
}

/* Lookups a second of so many processes, for a second. */
static double throughput(int clients, const char *host) {
  atomic_long *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < clients; i++) {
    if (fork() != 0) continue;
    long mine = 0;
    turn_to(host);
    lookup();
    for (double end = now() + 1e6; now() < end; mine++) lookup();
    *count += mine;
    WSACleanup();
    _exit(0);
  }
  for (int i = 0; i < clients; i++) wait(NULL);
  return (double)*count;
}

static INT begin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  return (void)id, (void)query, (void)flags, (void)session, (void)handle, WSAHOST_NOT_FOUND;
}
static VOID next(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  (void)handle, (void)flags, (void)length, (void)block, WSAProviderCompleteAsyncCall(call, WSA_E_NO_MORE);
}
static INT end(HANDLE handle) { return (void)handle, 0; }

/* From the call of WSAAdvertiseProvider to the answer of the first lookup that the provider has served. */
static void advertising(void) {
  enum { TIMES = 100 };
  static double times[TIMES];
  static WCHAR name[] = {'b', 'e', 'n', 'c', 'h', 0}, path[] = {0};
  GUID id = {0x51e57bbb, 0xbe, 0x4000, {0x80, 0, 0, 0, 0, 0, 0, 1}};
  NSPV2_ROUTINE table = {.cbSize = sizeof table, .NSPv2LookupServiceBegin = begin, .NSPv2LookupServiceNextEx = next, .NSPv2LookupServiceEnd = end};
  turn_to("NSP_IN_PROCESS");
  WSCInstallNameSpace(name, path, 4000, 1, &id);
  for (int i = 0; i < TIMES; i++) {
    PADDRINFOEXA result = NULL;
    double start = now();
    if (WSAAdvertiseProvider(&id, &table) != 0) exit(1);
    if (GetAddrInfoExA("x", NULL, 4000, &id, NULL, &result, NULL, NULL, NULL, NULL) != WSAHOST_NOT_FOUND) exit(1);
    times[i] = now() - start;
    WSAUnadvertiseProvider(&id);
  }
  WSCUnInstallNameSpace(&id);
  WSACleanup();
  double value = median(times, TIMES) / 1000;
  printf("{\"name\":\"advertise.first-call\",\"value\":%.3g,\"unit\":\"ms\",\"ratio\":%.3g,\"goal\":20,\"goal_of\":\"value\",\"met\":%s}\n", value, value / 20, value <= 20 ? "true" : "false");
}

int main(void) {
  turn_to("NSP_IN_PROCESS");
  find_provider();
  WSACleanup();
  latency();
  double in_process = throughput(64, "NSP_IN_PROCESS"), isolated = throughput(64, "NSP_ISOLATED");
  report("worker.throughput.64", isolated / 1000, "1000/s", in_process / 1000, 0.5, 1);
  advertising();
  return 0;
}
