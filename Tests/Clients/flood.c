/* A user who registers a lot: so many processes, each with so many names of so many letters.
     flood PROVIDER PROCESSES NAMES LETTERS
   One line says how many registrations there are, and the code of the first that was refused in each process that met one; then all wait until
   this process ends, and end with it. */
#define _GNU_SOURCE
#include <winsock2.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct outcome {
  int registered, code;
};

static int read_id(const char *text, GUID *id) {
  unsigned part[11];
  if (sscanf(text, "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5], &part[6], &part[7],
             &part[8], &part[9], &part[10]) != 11)
    return 0;
  id->Data1 = part[0], id->Data2 = (WORD)part[1], id->Data3 = (WORD)part[2];
  for (int i = 0; i < 8; i++) id->Data4[i] = (BYTE)part[3 + i];
  return 1;
}

static struct outcome flood(const GUID *provider, int names, int letters) {
  struct outcome outcome = {0, 0};
  WSADATA data;
  BYTE address[16] = {2, 0, 0, 7, 192, 0, 2, 9};
  CSADDR_INFO where = {.RemoteAddr = {(LPSOCKADDR)(void *)address, 16}, .iSocketType = 1};
  WSAQUERYSETA set = {.dwSize = sizeof set, .lpNSProviderId = (LPGUID)provider, .dwNumberOfCsAddrs = 1, .lpcsaBuffer = &where};
  char *name = malloc((size_t)letters + 32);
  outcome.code = WSAStartup(MAKEWORD(2, 2), &data);
  while (outcome.code == 0 && outcome.registered < names) {
    int head = sprintf(name, "%d-%d-", (int)getpid(), outcome.registered);
    memset(name + head, 'x', (size_t)letters), name[letters] = 0;
    set.lpszServiceInstanceName = name;
    if (WSASetServiceA(&set, RNRSERVICE_REGISTER, 0) == 0) ++outcome.registered;
    else outcome.code = WSAGetLastError();
  }
  return outcome;
}

int main(int count, char **words) {
  GUID provider;
  int ends[2], processes, registered = 0, refused = 0, code = 0;
  if (count != 5 || !read_id(words[1], &provider) || pipe(ends) != 0) return 64;
  processes = atoi(words[2]);
  for (int i = 0; i < processes; i++) {
    pid_t parent = getpid(), child = fork();
    if (child < 0) return 1;
    if (child > 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) return 1;
    struct outcome outcome = flood(&provider, atoi(words[3]), atoi(words[4]));
    if (write(ends[1], &outcome, sizeof outcome) != sizeof outcome) return 1;
    for (;;) pause();
  }
  for (int i = 0; i < processes; i++) {
    struct outcome outcome;
    if (read(ends[0], &outcome, sizeof outcome) != sizeof outcome) return 1;
    registered += outcome.registered;
    if (outcome.code != 0) ++refused, code = outcome.code;
  }
  printf("registered=%d refused=%d code=%d\n", registered, refused, code);
  fflush(stdout);
  for (;;) pause();
}
