/* Addresses as text. */
#include "CWindows.h"

#include <arpa/inet.h>
#include <string.h>

/* 192.0.2.1:80, 2001:db8::1%2, [2001:db8::1%2]:80. The length, or the negative code. */
static int text_of(const SOCKADDR *address, DWORD length, char *text, size_t room) {
  char host[INET6_ADDRSTRLEN], scope[16] = "";
  if (address == NULL) return -WSAEFAULT;
  if (length >= sizeof(SOCKADDR_IN) && address->sa_family == AF_INET) {
    const SOCKADDR_IN *four = (const SOCKADDR_IN *)address;
    inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
    if (four->sin_port == 0) return snprintf(text, room, "%s", host);
    return snprintf(text, room, "%s:%u", host, ntohs(four->sin_port));
  }
  if (length >= sizeof(SOCKADDR_IN6) && address->sa_family == AF_INET6) {
    const SOCKADDR_IN6 *six = (const SOCKADDR_IN6 *)address;
    inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
    if (six->sin6_scope_id != 0) snprintf(scope, sizeof scope, "%%%u", six->sin6_scope_id);
    if (six->sin6_port == 0) return snprintf(text, room, "%s%s", host, scope);
    return snprintf(text, room, "[%s%s]:%u", host, scope, ntohs(six->sin6_port));
  }
  return -WSAEINVAL;
}

static INT failed(INT code) {
  WSASetLastError(code);
  return SOCKET_ERROR;
}

/* The text, when there is room for it and its NUL. */
static INT deliver(LPSOCKADDR address, DWORD length, LPSTR text, LPDWORD count) {
  char made[96];
  int characters = text_of(address, length, made, sizeof made);
  if (characters < 0 || count == NULL) return failed(characters < 0 ? -characters : WSAEFAULT);
  DWORD given = *count;
  *count = (DWORD)characters + 1;
  if (text == NULL || given < *count) return failed(WSAEFAULT);
  memcpy(text, made, *count);
  return 0;
}

INT WSAAddressToStringA(LPSOCKADDR address, DWORD length, LPWSAPROTOCOL_INFOA protocol, LPSTR text, LPDWORD count) {
  return protocol != NULL ? failed(WSAEINVAL) : deliver(address, length, text, count);
}
INT WSAAddressToStringW(LPSOCKADDR address, DWORD length, LPWSAPROTOCOL_INFOW protocol, LPWSTR text, LPDWORD count) {
  char narrow[96];
  if (protocol != NULL) return failed(WSAEINVAL);
  if (deliver(address, length, text != NULL ? narrow : NULL, count) != 0) return SOCKET_ERROR;
  for (DWORD i = 0; i < *count; i++) text[i] = (WCHAR)narrow[i];
  return 0;
}
