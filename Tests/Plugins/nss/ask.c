/* A client that shows all of what it gets: ask CLASS NAME prints a line for each record: name, flags, and each address with its port,
   protocol and type of socket. ask CLASS NAME ROUNDS THREADS asks so often from so many threads, and says how many had records. */
#include <ws2tcpip.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static GUID class_id = {0, 0, 0, {0xC0, 0, 0, 0, 0, 0, 0, 0x46}};
static char *name;
static int rounds;

static void show(const WSAQUERYSETA *record) {
  printf("%s %lu", record->lpszServiceInstanceName, (unsigned long)record->dwOutputFlags);
  for (DWORD i = 0; i < record->dwNumberOfCsAddrs; i++) {
    const CSADDR_INFO *address = &record->lpcsaBuffer[i];
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address->RemoteAddr.lpSockaddr;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)v6;
    char text[INET6_ADDRSTRLEN];
    inet_ntop(v4->sin_family, v4->sin_family == AF_INET ? (const void *)&v4->sin_addr : &v6->sin6_addr, text, sizeof text);
    printf(" %s %d %d %d", text, ntohs(v4->sin_port), (int)address->iProtocol, (int)address->iSocketType);
  }
  printf("\n");
}

/* How many records there are; none, with the last error. */
static int ask(int shows) {
  static _Thread_local union { WSAQUERYSETA set; char bytes[1 << 19]; } buffer;
  WSAQUERYSETA query;
  HANDLE lookup;
  int records = 0;
  memset(&query, 0, sizeof query);
  query.dwSize = sizeof query;
  query.dwNameSpace = NS_ALL;
  query.lpszServiceInstanceName = name;
  query.lpServiceClassId = &class_id;
  if (WSALookupServiceBeginA(&query, LUP_RETURN_NAME | LUP_RETURN_ADDR | LUP_RETURN_ALIASES, &lookup) != 0) return 0;
  for (;;) {
    DWORD length = sizeof buffer;
    if (WSALookupServiceNextA(lookup, 0, &length, &buffer.set) != 0) break;
    if (shows) show(&buffer.set);
    records++;
  }
  WSALookupServiceEnd(lookup);
  return records;
}

static void *work(void *count) {
  for (int i = 0; i < rounds; i++) *(int *)count += ask(0) > 0;
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t threads[64];
  int counts[64] = {0}, many = argc > 4 ? atoi(argv[4]) : 0, total = 0;
  WSADATA data;
  if (argc < 3 || many > 64 || WSAStartup(MAKEWORD(2, 2), &data) != 0) return 64;
  class_id.Data1 = (unsigned)strtoul(argv[1], NULL, 16);
  name = argv[2];
  rounds = argc > 3 ? atoi(argv[3]) : 0;
  if (many == 0) total = ask(1);
  for (int i = 0; i < many; i++) pthread_create(&threads[i], NULL, work, &counts[i]);
  for (int i = 0; i < many; i++) pthread_join(threads[i], NULL), total += counts[i];
  if (many > 0) printf("%d\n", total);
  WSACleanup();
  return total > 0 ? 0 : 2;
}
