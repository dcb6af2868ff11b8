/* A client that waits for a change of a name at a provider, with libnsp alone:
     changes ID NAME      says "waits" once it waits, and "told CODE" when it was told; a poll goes before and after it */
#include <nsphost.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what) { return printf("%s: %d\n", what, WSAGetLastError()), 1; }

int main(int count, char **words) {
  unsigned id[11];
  GUID provider;
  WSADATA data;
  HANDLE lookup;
  DWORD returned = 0, size;
  union { WSAQUERYSETA set; char bytes[4096]; } record;
  WSAQUERYSETA query = {.dwSize = sizeof query, .dwNameSpace = NS_ALL, .lpNSProviderId = &provider};
  WSAOVERLAPPED overlapped = {0};
  WSACOMPLETION completion = {.Type = NSP_NOTIFY_EVENT};
  if (count != 3 || sscanf(words[1], "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x", &id[0], &id[1], &id[2], &id[3], &id[4], &id[5], &id[6], &id[7],
      &id[8], &id[9], &id[10]) != 11) return 2;
  provider = (GUID){id[0], (WORD)id[1], (WORD)id[2], {0}};
  for (int i = 0; i < 8; i++) provider.Data4[i] = (BYTE)id[3 + i];
  query.lpszServiceInstanceName = words[2];
  if (WSAStartup(MAKEWORD(2, 2), &data) != 0) return fail("WSAStartup");
  if (WSALookupServiceBeginA(&query, LUP_RETURN_NAME | LUP_RETURN_ADDR, &lookup) != 0) return fail("begin");
  do size = sizeof record; while (WSALookupServiceNextA(lookup, 0, &size, &record.set) == 0);
  if (WSANSPIoctl(lookup, SIO_NSP_NOTIFY_CHANGE, NULL, 0, NULL, 0, &returned, NULL) != SOCKET_ERROR || WSAGetLastError() != WSAEWOULDBLOCK)
    return fail("a poll before the change");
  overlapped.hEvent = WSACreateEvent(), completion.Parameters.Event.lpOverlapped = &overlapped;
  if (WSANSPIoctl(lookup, SIO_NSP_NOTIFY_CHANGE, NULL, 0, NULL, 0, &returned, &completion) != SOCKET_ERROR || WSAGetLastError() != WSA_IO_PENDING)
    return fail("a wait");
  puts("waits"), fflush(stdout);
  if (WSAWaitForMultipleEvents(1, &overlapped.hEvent, 1, 30000, 0) != WSA_WAIT_EVENT_0) return fail("nobody tells");
  if (WSANSPIoctl(lookup, SIO_NSP_NOTIFY_CHANGE, NULL, 0, NULL, 0, &returned, NULL) != 0) return fail("a poll after the change");
  printf("told %d\n", (int)overlapped.Internal), fflush(stdout);
  if (WSALookupServiceEnd(lookup) != 0 || WSACleanup() != 0) return fail("the end");
  return 0;
}
