/* Many questions at once, and questions that nobody wants any more.
     many ask N DOMAIN      begins lookups of n0.DOMAIN, n1.DOMAIN, … says "asked", then takes the address of each
     many cancel NAME S     ends a lookup that waits, and cancels an overlapped one: each has ended within so many seconds
     many rounds N NAME     asks, and ends most of it before the answer comes, N times
     many add NAME ADDRESS  registers one more address of a name */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "winsock2.h"
#include "ws2tcpip.h"

typedef struct { WSAOVERLAPPED overlapped; PADDRINFOEXW found; HANDLE handle; } request;
static atomic_int completed, last_code;

static void wide(const char *from, WCHAR *to) { while ((*to++ = (WCHAR)*from++)) {} }
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static void CALLBACK done(DWORD code, DWORD bytes, LPWSAOVERLAPPED overlapped) {
  request *one = (request *)overlapped;
  (void)bytes;
  if (code) last_code = (int)code;
  FreeAddrInfoExW(one->found);
  completed++;
}
static int wait_for(int count, double seconds) {
  for (double end = now() + seconds; completed < count && now() < end;) usleep(2000);
  return completed == count;
}
static INT ask(request *one, const char *name) {
  WCHAR text[300];
  wide(name, text);
  return GetAddrInfoExW((PCWSTR)text, NULL, NS_DNS, NULL, NULL, &one->found, NULL, &one->overlapped, done, &one->handle);
}

static int begin(const char *name, HANDLE *lookup) {
  WCHAR text[300];
  wide(name, text);
  WSAQUERYSETW set = {.dwSize = sizeof set, .lpszServiceInstanceName = (LPWSTR)text, .dwNameSpace = NS_DNS};
  return WSALookupServiceBeginW(&set, LUP_RETURN_ALL, lookup);
}
static int many(int count, const char *domain) {
  HANDLE *lookups = calloc((size_t)count, sizeof *lookups);
  int records = 0, code = 0;
  for (int i = 0; i < count; i++) {
    char name[256];
    snprintf(name, sizeof name, "n%d.%s", i, domain);
    if (begin(name, &lookups[i]) != 0) return printf("%s: %d\n", name, WSAGetLastError()), 1;
  }
  printf("asked\n");
  fflush(stdout);
  for (int i = 0; i < count; i++) {
    char block[4096];
    DWORD length = sizeof block;
    LPWSAQUERYSETW set = (LPWSAQUERYSETW)block;
    if (WSALookupServiceNextW(lookups[i], 0, &length, set) == 0) records += set->dwNumberOfCsAddrs == 1;
    else code = WSAGetLastError();
    WSALookupServiceEnd(lookups[i]);
  }
  printf("%d records, last code %d\n", records, code);
  return records != count;
}

static void *end_soon(void *lookup) {
  usleep(100000);
  WSALookupServiceEnd((HANDLE)lookup);
  return NULL;
}
static int cancel(const char *name, double most) {
  HANDLE lookup;
  if (begin(name, &lookup) != 0) return printf("begin: %d\n", WSAGetLastError()), 1;
  char block[4096];
  DWORD length = sizeof block;
  pthread_t thread;
  double start = now();
  pthread_create(&thread, NULL, end_soon, (void *)lookup);
  int code = WSALookupServiceNextW(lookup, 0, &length, (LPWSAQUERYSETW)block) == 0 ? 0 : WSAGetLastError();
  double took = now() - start;
  pthread_join(thread, NULL);
  if (code != WSA_E_CANCELLED || took > most) return printf("next: %d after %.0f ms\n", code, took * 1000), 1;

  request one = {0};
  if (ask(&one, name) != WSA_IO_PENDING) return printf("overlapped: %d\n", WSAGetLastError()), 1;
  usleep(100000);
  start = now();
  if (completed || GetAddrInfoExCancel(&one.handle) != 0 || !wait_for(1, most) || last_code != WSA_E_CANCELLED)
    return printf("cancel: %d after %.0f ms\n", last_code, (now() - start) * 1000), 1;
  return 0;
}

static int rounds(int count, const char *name) {
  int records = 0;
  for (int i = 0; i < count; i++) {
    HANDLE lookup;
    if (begin(name, &lookup) != 0) return printf("begin %d: %d\n", i, WSAGetLastError()), 1;
    char block[4096];
    DWORD length = sizeof block;
    if (i % 4 == 0 && WSALookupServiceNextW(lookup, 0, &length, (LPWSAQUERYSETW)block) == 0) records++;
    if (WSALookupServiceEnd(lookup) != 0) return printf("end %d: %d\n", i, WSAGetLastError()), 1;
  }
  printf("%d records\n", records);
  return records != (count + 3) / 4;
}

static int add(const char *name, const char *address) {
  WCHAR text[300];
  wide(name, text);
  struct sockaddr_in host = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, address, &host.sin_addr) != 1) return 2;
  CSADDR_INFO place = {.LocalAddr = {(LPSOCKADDR)&host, sizeof host}, .RemoteAddr = {(LPSOCKADDR)&host, sizeof host}};
  WSAQUERYSETW set = {.dwSize = sizeof set, .lpszServiceInstanceName = (LPWSTR)text, .dwNameSpace = NS_DNS, .dwNumberOfCsAddrs = 1, .lpcsaBuffer = &place};
  return WSASetServiceW(&set, RNRSERVICE_REGISTER, SERVICE_MULTIPLE) == 0 ? 0 : (printf("set: %d\n", WSAGetLastError()), 1);
}

int main(int count, char **words) {
  WSADATA data;
  if (count < 3 || WSAStartup(0x202, &data) != 0) return 2;
  int failed = 2;
  if (count > 3 && !strcmp(words[1], "cancel")) failed = cancel(words[2], atof(words[3]));
  if (count > 3 && !strcmp(words[1], "ask")) failed = many(atoi(words[2]), words[3]);
  if (count > 3 && !strcmp(words[1], "rounds")) failed = rounds(atoi(words[2]), words[3]);
  if (count > 3 && !strcmp(words[1], "add")) failed = add(words[2], words[3]);
  WSACleanup();
  return failed;
}
