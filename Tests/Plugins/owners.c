/* A client that asks for host names in each way of libnsp. Each pair of words on its command line is one thing to do, and prints what came of
   it: "ok", an address, or the code.
     register=NAME,ADDRESS  take=NAME               WSASetService
     forge=NAME,ADDRESS                             the same with NSP_SERVICE_FOR_EVERYBODY, which is the host's word
     steal=NAME,USER                                takes back what a user has registered
     look=NAME  look-all=NAME  look-secure=NAME     WSALookupService with neither flag, LUP_ALL_OWNERS, LUP_SECURE
     resolve=NAME  resolve-all=NAME                 GetAddrInfoEx, with AI_ALL_OWNERS
     mail=ADDRESS  mail-all=ADDRESS                 the same in the name space of e-mail
     publish=ADDRESS,ADDRESS                        WSASetService in that name space
     hold                                           says so, and stays until its input ends */
#include <nsphost.h>
#include <nspowners.h>
#include <ws2tcpip.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(int status) {
  if (status == 0) puts("ok");
  else printf("%d\n", status);
}

static void print(const struct sockaddr *address) {
  char host[INET_ADDRSTRLEN] = "?";
  if (address != NULL && address->sa_family == AF_INET)
    inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, host, sizeof host);
  puts(host);
}

static void change(char *words, DWORD space, WSAESETSERVICEOP operation, DWORD flags) {
  WSAQUERYSETA set = {.dwSize = sizeof set, .dwNameSpace = space, .lpszServiceInstanceName = strsep(&words, ",")};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
  char owner[32];
  SOCKET_ADDRESS side = {(LPSOCKADDR)&address, sizeof address};
  CSADDR_INFO where = {side, side, SOCK_STREAM, IPPROTO_TCP};
  if (words != NULL && inet_pton(AF_INET, words, &address.sin_addr) == 1) set.dwNumberOfCsAddrs = 1, set.lpcsaBuffer = &where;
  if (words != NULL && operation == RNRSERVICE_DELETE) {
    snprintf(owner, sizeof owner, "user=%s", words);
    set.lpszQueryString = owner;
  }
  say(WSASetServiceA(&set, operation, flags) == 0 ? 0 : WSAGetLastError());
}

static void look(char *name, DWORD flags) {
  WSAQUERYSETA set = {.dwSize = sizeof set, .dwNameSpace = NS_ALL, .lpszServiceInstanceName = name};
  static union { WSAQUERYSETA set; char bytes[1 << 16]; } buffer;
  HANDLE lookup;
  int found = 0;
  if (WSALookupServiceBeginA(&set, flags | LUP_RETURN_ADDR | LUP_RETURN_NAME, &lookup) != 0) return say(WSAGetLastError());
  for (DWORD length = sizeof buffer; WSALookupServiceNextA(lookup, 0, &length, &buffer.set) == 0; found++)
    if (buffer.set.dwNumberOfCsAddrs > 0) print(buffer.set.lpcsaBuffer[0].RemoteAddr.lpSockaddr);
  if (found == 0) say(WSAGetLastError());
  WSALookupServiceEnd(lookup);
}

static void resolve(const char *name, DWORD space, int flags) {
  ADDRINFOEXA hints = {.ai_flags = flags}, *first = NULL;
  INT status = GetAddrInfoExA(name, NULL, space, NULL, &hints, &first, NULL, NULL, NULL, NULL);
  if (status != 0) return say(status);
  for (ADDRINFOEXA *one = first; one != NULL; one = one->ai_next) print(one->ai_addr);
  FreeAddrInfoEx(first);
}

int main(int count, char **words) {
  WSADATA data;
  if (WSAStartup(0x0202, &data) != 0) return 1;
  for (int i = 1; i < count; i++) {
    char *rest = words[i], *word = strsep(&rest, "="), c;
    if (strcmp(word, "register") == 0) change(rest, NS_ALL, RNRSERVICE_REGISTER, 0);
    if (strcmp(word, "forge") == 0) change(rest, NS_ALL, RNRSERVICE_REGISTER, NSP_SERVICE_FOR_EVERYBODY);
    if (strcmp(word, "take") == 0) change(rest, NS_ALL, RNRSERVICE_DELETE, 0);
    if (strcmp(word, "steal") == 0) change(rest, NS_ALL, RNRSERVICE_DELETE, 0);
    if (strcmp(word, "publish") == 0) change(rest, NS_EMAIL, RNRSERVICE_REGISTER, 0);
    if (strcmp(word, "look") == 0) look(rest, 0);
    if (strcmp(word, "look-all") == 0) look(rest, LUP_ALL_OWNERS);
    if (strcmp(word, "look-secure") == 0) look(rest, LUP_SECURE | LUP_ALL_OWNERS);
    if (strcmp(word, "resolve") == 0) resolve(rest, NS_ALL, 0);
    if (strcmp(word, "resolve-all") == 0) resolve(rest, NS_ALL, AI_ALL_OWNERS);
    if (strcmp(word, "mail") == 0) resolve(rest, NS_EMAIL, 0);
    if (strcmp(word, "mail-all") == 0) resolve(rest, NS_EMAIL, AI_ALL_OWNERS);
    fflush(stdout);
    if (strcmp(word, "hold") == 0) {
      puts("holding"), fflush(stdout);
      while (read(0, &c, 1) > 0) continue;
    }
  }
  return WSACleanup() != 0;
}
