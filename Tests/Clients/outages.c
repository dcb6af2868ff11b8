/* Asks for each name by both ways of the client library, and prints what they say: "NAME: CODE, CODE; CODE": of Begin, or of the first Next and
   the one behind it, 0 where there is a record; of GetAddrInfoExW.
     outages [-i PROVIDER-ID] NAME...     with an id, only of that provider, and by lookups alone */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static INT next(HANDLE lookup) {
  static union {
    WSAQUERYSETA set;
    char bytes[8192];
  } room;
  DWORD length = sizeof room;
  return WSALookupServiceNextA(lookup, 0, &length, &room.set) == 0 ? 0 : WSAGetLastError();
}

static void widen(const char *text, WCHAR *wide) {
  while ((*wide++ = (WCHAR)*text++) != 0) {}
}

int main(int count, char **words) {
  WSADATA data;
  GUID id;
  int first = 1, has_id = 0;
  if (WSAStartup(0x0202, &data) != 0) return 1;
  if (count > 2 && strcmp(words[1], "-i") == 0) {
    unsigned a, b, c, d[8];
    if (sscanf(words[2], "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x", &a, &b, &c, d, d + 1, d + 2, d + 3, d + 4, d + 5, d + 6, d + 7) != 11) return 1;
    id.Data1 = a, id.Data2 = (unsigned short)b, id.Data3 = (unsigned short)c, has_id = 1, first = 3;
    for (int i = 0; i < 8; i++) id.Data4[i] = (unsigned char)d[i];
  }
  for (int i = first; i < count; i++) {
    WSAQUERYSETA query;
    HANDLE lookup;
    memset(&query, 0, sizeof query);
    query.dwSize = sizeof query, query.lpszServiceInstanceName = words[i], query.dwNameSpace = NS_ALL;
    if (has_id) query.lpNSProviderId = &id;
    if (WSALookupServiceBeginA(&query, LUP_RETURN_NAME | LUP_RETURN_ADDR, &lookup) != 0) printf("%s: begin %d", words[i], WSAGetLastError());
    else {
      INT one = next(lookup), two = next(lookup);
      printf("%s: %d, %d", words[i], one, two);
      WSALookupServiceEnd(lookup);
    }
    if (!has_id) {
      WCHAR wide[512];
      PADDRINFOEXW found = NULL;
      widen(words[i], wide);
      printf("; %d", GetAddrInfoExW(wide, NULL, NS_ALL, NULL, NULL, &found, NULL, NULL, NULL, NULL));
      FreeAddrInfoExW(found);
    }
    printf("\n"), fflush(stdout);
  }
  return WSACleanup() == 0 ? 0 : 1;
}
