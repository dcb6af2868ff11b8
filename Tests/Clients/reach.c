/* Which host a program reaches, told by the address that it gives for a name.
     reach libnsp NAME   by the client API
     reach names NAME    by glibc's module
     reach moves NAME    the same; then again in a network namespace of its own, and after that in the first one, in one process
   One line for each question: the address, or how the question failed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <winsock2.h>

static void by_library(char *name) {
  WSAQUERYSETA wanted = {.dwSize = sizeof wanted, .dwNameSpace = NS_ALL, .lpszServiceInstanceName = name};
  union { WSAQUERYSETA set; char bytes[4096]; } buffer;
  WSADATA data;
  HANDLE lookup;
  DWORD length = sizeof buffer;
  char text[64] = "no address";
  if (WSAStartup(MAKEWORD(2, 2), &data) != 0) puts("no startup");
  else if (WSALookupServiceBeginA(&wanted, LUP_RETURN_ADDR, &lookup) != 0) printf("%d\n", WSAGetLastError());
  else if (WSALookupServiceNextA(lookup, 0, &length, &buffer.set) != 0) printf("%d\n", WSAGetLastError());
  else {
    if (buffer.set.dwNumberOfCsAddrs > 0)
      inet_ntop(AF_INET, &((struct sockaddr_in *)buffer.set.lpcsaBuffer[0].RemoteAddr.lpSockaddr)->sin_addr, text, sizeof text);
    puts(text);
  }
  WSACleanup();
}

static void by_name(const char *name) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  char text[64];
  int status = getaddrinfo(name, NULL, &hints, &found);
  if (status != 0) {
    puts(gai_strerror(status));
    return;
  }
  puts(inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof text));
  freeaddrinfo(found);
}

int main(int count, char **words) {
  if (count != 3) return 64;
  if (strcmp(words[1], "libnsp") == 0) by_library(words[2]);
  else by_name(words[2]);
  if (strcmp(words[1], "moves") == 0) {
    int former = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (former < 0 || unshare(CLONE_NEWNET) != 0) return perror("unshare"), 1;
    by_name(words[2]);
    if (setns(former, CLONE_NEWNET) != 0) return perror("setns"), 1;
    by_name(words[2]);
  }
  return 0;
}
