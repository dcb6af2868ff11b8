/* A client that registers many names at a provider, with libnsp alone:
     registrations ID PREFIX COUNT BYTES      so many names of so many bytes each, then says "done", stays until its input ends, and leaves them */
#include <nsphost.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **words) {
  unsigned id[11];
  GUID provider;
  WSADATA data;
  WSAQUERYSETA set = {.dwSize = sizeof set, .dwNameSpace = NS_ALL, .lpNSProviderId = &provider};
  if (count != 5 || sscanf(words[1], "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x", &id[0], &id[1], &id[2], &id[3], &id[4], &id[5], &id[6], &id[7],
      &id[8], &id[9], &id[10]) != 11) return 2;
  provider = (GUID){id[0], (WORD)id[1], (WORD)id[2], {0}};
  for (int i = 0; i < 8; i++) provider.Data4[i] = (BYTE)id[3 + i];
  int names = atoi(words[3]), size = atoi(words[4]);
  char *name = malloc((size_t)size + 1);
  if (WSAStartup(MAKEWORD(2, 2), &data) != 0) return 3;
  for (int i = 0; i < names; i++) {
    memset(name, 'x', (size_t)size), name[size] = 0;
    memcpy(name, words[2], strlen(words[2]));
    char number[16];
    snprintf(number, sizeof number, "%08d", i), memcpy(name + size - 8, number, 8);
    set.lpszServiceInstanceName = name;
    if (WSASetServiceA(&set, RNRSERVICE_REGISTER, 0) != 0) return printf("%s: %d\n", name, WSAGetLastError()), 4;
  }
  puts("done"), fflush(stdout);
  while (getchar() != EOF) {}
  free(name);
  return WSACleanup() == 0 ? 0 : 5;
}
