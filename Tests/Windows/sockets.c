/* Sockets, and addresses by name. */
#include <winsock2.h>
#include <ws2tcpip.h>

#include "check.h"

/* A client's message to a server, both here. */
static void messages(void) {
  SOCKADDR_IN address;
  SOCKADDR_STORAGE peer;
  char text[16];
  int length = sizeof address, type = 0;
  u_long on = 1, off = 0;
  SOCKET server = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP), client = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
  CHECK(server != INVALID_SOCKET && client != INVALID_SOCKET);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(server, (SOCKADDR *)&address, sizeof address) == 0 && getsockname(server, (SOCKADDR *)&address, &length) == 0);
  CHECK(length == sizeof address && ntohs(address.sin_port) != 0);
  length = sizeof type;
  CHECK(getsockopt(server, SOL_SOCKET, SO_TYPE, (char *)&type, &length) == 0 && type == SOCK_DGRAM);
  CHECK(ioctlsocket(server, FIONBIO, &on) == 0);
  length = sizeof peer;
  CHECK(recvfrom(server, text, sizeof text, 0, (SOCKADDR *)&peer, &length) == SOCKET_ERROR && WSAGetLastError() == WSAEWOULDBLOCK);
  CHECK(ioctlsocket(server, FIONBIO, &off) == 0);
  CHECK(connect(client, (SOCKADDR *)&address, sizeof address) == 0 && send(client, "hello", 6, 0) == 6);
  CHECK(recvfrom(server, text, sizeof text, 0, (SOCKADDR *)&peer, &length) == 6 && strcmp(text, "hello") == 0 && peer.ss_family == AF_INET);
  CHECK(bind(client, (SOCKADDR *)&address, sizeof address) == SOCKET_ERROR && WSAGetLastError() != 0);
#ifdef __cplusplus
  ULONG other = 1;
  CHECK(ioctlsocket(client, FIONBIO, &other) == 0);
#endif
  CHECK(closesocket(server) == 0 && closesocket(client) == 0 && closesocket(client) == SOCKET_ERROR && WSAGetLastError() == WSAEBADF);
  CHECK(send(client, "x", 1, 0) == SOCKET_ERROR && connect(client, (SOCKADDR *)&address, sizeof address) == SOCKET_ERROR);
  CHECK(ioctlsocket(client, FIONBIO, &on) == SOCKET_ERROR && WSAGetLastError() == WSAEBADF);
  CHECK(socket(AF_IPX, SOCK_DGRAM, 1000) == (int)INVALID_SOCKET && WSAGetLastError() == WSAEAFNOSUPPORT);
}

static void address_list(void) {
  SOCKET socketOfFour = socket(AF_INET, SOCK_DGRAM, 0);
  DWORD bytes = 0;
  SOCKET_ADDRESS_LIST *list;
  CHECK(WSAIoctl(socketOfFour, SIO_ADDRESS_LIST_QUERY, NULL, 0, NULL, 0, &bytes, NULL, NULL) == SOCKET_ERROR);
  CHECK(WSAGetLastError() == WSAEFAULT && bytes >= sizeof *list);
  list = (SOCKET_ADDRESS_LIST *)HeapAlloc(GetProcessHeap(), 0, bytes);
  CHECK(WSAIoctl(socketOfFour, SIO_ADDRESS_LIST_QUERY, NULL, 0, list, bytes, &bytes, NULL, NULL) == 0);
  for (int i = 0; i < list->iAddressCount; i++) {
    CHECK(list->Address[i].iSockaddrLength == sizeof(SOCKADDR_IN) && list->Address[i].lpSockaddr->sa_family == AF_INET);
    CHECK((char *)list->Address[i].lpSockaddr >= (char *)list && (char *)list->Address[i].lpSockaddr < (char *)list + bytes);
  }
  HeapFree(GetProcessHeap(), 0, list);
  CHECK(WSAIoctl(socketOfFour, 1, NULL, 0, NULL, 0, &bytes, NULL, NULL) == SOCKET_ERROR && WSAGetLastError() == WSAEOPNOTSUPP);
  closesocket(socketOfFour);
}

static void names(void) {
  struct addrinfo hints = {0}, *found = NULL;
  char host[NI_MAXHOST], service[NI_MAXSERV];
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  CHECK(getaddrinfo("127.0.0.1", "80", &hints, &found) == 0 && found != NULL && found->ai_family == AF_INET);
  CHECK(getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV) == 0);
  CHECK(strcmp(host, "127.0.0.1") == 0 && strcmp(service, "80") == 0);
  freeaddrinfo(found);
  freeaddrinfo(NULL);
  CHECK(getaddrinfo("not a number", NULL, &hints, &found) == EAI_NONAME && WSAGetLastError() == WSAHOST_NOT_FOUND && found == NULL);
  hints.ai_flags = 0x40000000;
  CHECK(getaddrinfo("127.0.0.1", NULL, &hints, &found) == WSAEINVAL);
  hints.ai_flags = 0, hints.ai_family = 99;
  CHECK(getaddrinfo("127.0.0.1", NULL, &hints, &found) == EAI_FAMILY);
}

static int text_is(const WCHAR *text, const char *expected) {
  while (*text != 0 && *text == (unsigned char)*expected) text++, expected++;
  return *text == 0 && *expected == 0;
}
static void address_text(void) {
  SOCKADDR_IN four;
  SOCKADDR_IN6 six;
  WCHAR wide[64];
  CHAR narrow[64];
  TCHAR neutral[64];
  DWORD count = 64;
  memset(&four, 0, sizeof four);
  memset(&six, 0, sizeof six);
  four.sin_family = AF_INET, four.sin_addr.s_addr = htonl(0xC0000201), six.sin6_family = AF_INET6, six.sin6_addr.s6_addr[15] = 1;
  CHECK(WSAAddressToStringW((LPSOCKADDR)&four, sizeof four, NULL, wide, &count) == 0 && count == 10 && text_is(wide, "192.0.2.1"));
  four.sin_port = htons(80), six.sin6_port = htons(80), six.sin6_scope_id = 2;
  count = 64;
  CHECK(WSAAddressToStringA((LPSOCKADDR)&four, sizeof four, NULL, narrow, &count) == 0 && count == 13);
  CHECK(strcmp(narrow, "192.0.2.1:80") == 0);
  count = 64;
  CHECK(WSAAddressToStringW((LPSOCKADDR)&six, sizeof six, NULL, wide, &count) == 0 && text_is(wide, "[::1%2]:80") && count == 11);
  six.sin6_port = 0;
  count = 64;
  CHECK(WSAAddressToString((LPSOCKADDR)&six, sizeof six, NULL, neutral, &count) == 0 && count == 6 && neutral[4] == '2');
  count = 5;
  CHECK(WSAAddressToStringW((LPSOCKADDR)&six, sizeof six, NULL, wide, &count) == SOCKET_ERROR && count == 6);
  CHECK(WSAGetLastError() == WSAEFAULT);
  CHECK(WSAAddressToStringA(NULL, 0, NULL, narrow, &count) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT);
}

int main(void) {
  WSADATA data;
  CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
  messages();
  address_list();
  names();
  address_text();
  CHECK(WSACleanup() == 0);
  return failures;
}
