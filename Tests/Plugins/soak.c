/* Clients that come, ask and go, each a process of its own, eight at a time:
     soak CLIENTS LOOKUPS DEATHS SEED QUERY NAME PROVIDER...
   so many clients, each with so many lookups of QUERY at the providers in turn; every lookup must give one record, which has that NAME. So many of the clients are killed at a moment of their own choice: between two lookups, or inside one. One line says what came of it; the
   status is 1 when a lookup was lost or a client ended otherwise than it should. */
#define _GNU_SOURCE
#include <winsock2.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 8, PROVIDERS = 8, COMPLAINTS = 10, MOMENTS = 5 };

static struct { _Atomic unsigned long lookups, lost; } *sums;
static GUID providers[PROVIDERS];
static int provider_count;
static const char *query, *name;

static int read_id(const char *text, GUID *id) {
  unsigned part[11];
  int count = sscanf(text, "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5], &part[6],
                     &part[7], &part[8], &part[9], &part[10]);
  id->Data1 = part[0], id->Data2 = (WORD)part[1], id->Data3 = (WORD)part[2];
  for (int i = 0; i < 8; i++) id->Data4[i] = (BYTE)part[3 + i];
  return count == 11;
}

static void lose(const char *where, int provider) {
  int code = WSAGetLastError();
  if (atomic_fetch_add(&sums->lost, 1) < COMPLAINTS) fprintf(stderr, "soak: %s at provider %d: %d\n", where, provider, code);
}

/* The process ends here, without a word to anybody, when `moment` is 0. */
static void step(int *moment) {
  if ((*moment)-- == 0) kill(getpid(), SIGKILL);
}

static void look_up(int which, int moment) {
  WSAQUERYSETA set = {.dwSize = sizeof set, .dwNameSpace = NS_ALL, .lpszServiceInstanceName = (char *)query, .lpNSProviderId = &providers[which]};
  union { WSAQUERYSETA set; char bytes[4096]; } record;
  HANDLE lookup = NULL;
  DWORD length = sizeof record;
  step(&moment);
  if (WSALookupServiceBeginA(&set, LUP_RETURN_NAME | LUP_RETURN_ADDR, &lookup) != 0) return lose("begin", which);
  step(&moment);
  if (WSALookupServiceNextA(lookup, 0, &length, &record.set) != 0) lose("next", which);
  else if (record.set.lpszServiceInstanceName == NULL || strcmp(record.set.lpszServiceInstanceName, name) != 0) lose("another name", which);
  step(&moment);
  length = sizeof record;
  if (WSALookupServiceNextA(lookup, 0, &length, &record.set) == 0 || WSAGetLastError() != WSA_E_NO_MORE) lose("behind the record", which);
  step(&moment);
  if (WSALookupServiceEnd(lookup) != 0) lose("end", which);
  step(&moment);
  sums->lookups++;
}

/* In a process of its own. Which lookup it dies in, and where; -1: it does not. */
static void live(int first, int lookups, int last, int moment) {
  WSADATA data;
  if (WSAStartup(MAKEWORD(2, 2), &data) != 0) _exit(3);
  for (int i = 0; i < lookups; i++) look_up((first + i) % provider_count, i == last ? moment : -1);
  _exit(WSACleanup() == 0 ? 0 : 4);
}

int main(int count, char **words) {
  if (count < 8 || count > 7 + PROVIDERS) return fprintf(stderr, "usage: soak CLIENTS LOOKUPS DEATHS SEED QUERY NAME PROVIDER...\n"), 64;
  int clients = atoi(words[1]), lookups = atoi(words[2]), deaths = atoi(words[3]), killed = 0, wrong = 0, started = 0, running = 0;
  unsigned seed = (unsigned)atoi(words[4]);
  query = words[5], name = words[6];
  for (provider_count = 0; provider_count < count - 7; provider_count++)
    if (!read_id(words[7 + provider_count], &providers[provider_count])) return fprintf(stderr, "soak: %s is no id\n", words[7 + provider_count]), 64;
  sums = mmap(NULL, sizeof *sums, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (sums == MAP_FAILED || clients <= 0 || lookups <= 0 || deaths > clients) return 64;
  while (started < clients || running > 0) {
    int status;
    if (started < clients && running < AT_ONCE) {
      /* Spread evenly: of the first so many clients, that share. */
      int dies = (long)(started + 1) * deaths / clients > (long)started * deaths / clients;
      int last = dies ? rand_r(&seed) % lookups : -1, moment = rand_r(&seed) % MOMENTS;
      pid_t child = fork();
      if (child < 0) return perror("soak: fork"), 1;
      if (child == 0) live(started, lookups, last, moment);
      started++, running++;
      continue;
    }
    if (wait(&status) < 0) return perror("soak: wait"), 1;
    running--;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) killed++;
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) wrong++, fprintf(stderr, "soak: a client ended with %#x\n", (unsigned)status);
  }
  printf("clients=%d killed=%d lookups=%lu lost=%lu wrong=%d\n", started, killed, sums->lookups, sums->lost, wrong);
  return sums->lost > 0 || wrong > 0 || killed != deaths;
}
