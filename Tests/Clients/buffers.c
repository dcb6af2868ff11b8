/* Buffers of callers: at each offset from a multiple of 8, and of each size, every function that fills one either fills it, inside its bounds and with
   structures at multiples of 8, or answers WSAEFAULT with the size that suffices there. Ends with the number of promises that were not kept. */
#define _GNU_SOURCE
#include <nsphost.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
#define CHECK(condition, what) ((condition) ? (void)0 : (failures++, (void)fprintf(stderr, "buffers.c:%d: %s at offset %u: " #condition " (last error %d)\n", __LINE__, what, (unsigned)offset, WSAGetLastError())))

enum { ROOM = 8192, MARGIN = 64, FILL = 0xEE };
static GUID schema = NSP_SCHEMA_PROVIDER, http = {0x00090050, 0, 0, {0xC0, 0, 0, 0, 0, 0, 0, 0x46}}; /* SVCID_TCP(80) */
static HANDLE lookup;
static _Alignas(16) char memory[ROOM + 2 * MARGIN];

/* A part of what was delivered, of so many bytes: inside the buffer, and aligned. */
static int holds(const char *buffer, DWORD size, const void *part, size_t bytes, size_t alignment) {
  const char *start = part;
  return part == NULL || (start >= buffer && start + bytes <= buffer + size && ((size_t)part & (alignment - 1)) == 0);
}

/* One function, in one form, and whether all parts of what it has delivered are as they must be. */
struct door {
  const char *name;
  INT (*fill)(DWORD *length, void *buffer);
  int (*is_sound)(const char *buffer, DWORD size, int count);
  int renews; /* the lookup is begun anew for each record */
};

static INT next_w(DWORD *length, void *buffer) { return WSALookupServiceNextW(lookup, 0, length, buffer); }
static INT next_a(DWORD *length, void *buffer) { return WSALookupServiceNextA(lookup, 0, length, buffer); }
static INT info_w(DWORD *length, void *buffer) { return WSAGetServiceClassInfoW(&schema, &http, length, buffer); }
static INT info_a(DWORD *length, void *buffer) { return WSAGetServiceClassInfoA(&schema, &http, length, buffer); }
static INT enum_w(DWORD *length, void *buffer) { return WSAEnumNameSpaceProvidersW(length, buffer); }
static INT enum_a(DWORD *length, void *buffer) { return WSAEnumNameSpaceProvidersA(length, buffer); }
static INT enum_ex_w(DWORD *length, void *buffer) { return WSAEnumNameSpaceProvidersExW(length, buffer); }
static INT enum_ex_a(DWORD *length, void *buffer) { return WSAEnumNameSpaceProvidersExA(length, buffer); }

static size_t wide_bytes(const WCHAR *text) {
  size_t count = 0;
  while (text[count] != 0) count++;
  return 2 * (count + 1);
}
static int is_record(const char *buffer, DWORD size, int count, int is_wide) {
  WSAQUERYSETW set; /* copied: the structure itself may stand anywhere */
  (void)count;
  memcpy(&set, buffer, sizeof set);
  size_t name = is_wide ? wide_bytes(set.lpszServiceInstanceName) : strlen((const char *)set.lpszServiceInstanceName) + 1;
  int sound = set.dwSize == sizeof set && name == (is_wide ? sizeof u"hello" : sizeof "hello") && set.dwNumberOfCsAddrs == 1 &&
              holds(buffer, size, set.lpszServiceInstanceName, name, is_wide ? 2 : 1) && holds(buffer, size, set.lpNSProviderId, sizeof(GUID), 8) &&
              holds(buffer, size, set.lpServiceClassId, sizeof(GUID), 8) && holds(buffer, size, set.lpVersion, sizeof(WSAVERSION), 8) &&
              holds(buffer, size, set.lpBlob, sizeof(BLOB), 8) && holds(buffer, size, set.lpcsaBuffer, sizeof(CSADDR_INFO), 8);
  if (!sound) return 0;
  return holds(buffer, size, set.lpcsaBuffer->RemoteAddr.lpSockaddr, (size_t)set.lpcsaBuffer->RemoteAddr.iSockaddrLength, 8) &&
         ((struct sockaddr_in *)set.lpcsaBuffer->RemoteAddr.lpSockaddr)->sin_addr.s_addr == htonl(0xC0000201);
}
static int is_record_w(const char *buffer, DWORD size, int count) { return is_record(buffer, size, count, 1); }
static int is_record_a(const char *buffer, DWORD size, int count) { return is_record(buffer, size, count, 0); }

static int is_class(const char *buffer, DWORD size, int is_wide) {
  WSASERVICECLASSINFOW info;
  memcpy(&info, buffer, sizeof info);
  if (info.dwCount != 2 || memcmp(info.lpServiceClassId, &http, sizeof http) != 0) return 0;
  size_t name = is_wide ? wide_bytes(info.lpszServiceClassName) : strlen((const char *)info.lpszServiceClassName) + 1;
  int sound = holds(buffer, size, info.lpServiceClassId, sizeof(GUID), 8) && holds(buffer, size, info.lpszServiceClassName, name, is_wide ? 2 : 1) &&
              holds(buffer, size, info.lpClassInfos, 2 * sizeof(WSANSCLASSINFOW), 8);
  for (DWORD i = 0; sound && i < 2; i++) {
    const WSANSCLASSINFOW *value = info.lpClassInfos + i;
    size_t bytes = is_wide ? wide_bytes(value->lpszName) : strlen((const char *)value->lpszName) + 1;
    sound = holds(buffer, size, value->lpszName, bytes, is_wide ? 2 : 1) && value->dwValueSize == 4 && holds(buffer, size, value->lpValue, 4, 8);
    if (sound && bytes == (is_wide ? sizeof u"TcpPort" : sizeof "TcpPort")) sound = *(DWORD *)value->lpValue == 80;
  }
  return sound;
}
static int is_class_w(const char *buffer, DWORD size, int count) { return (void)count, is_class(buffer, size, 1); }
static int is_class_a(const char *buffer, DWORD size, int count) { return (void)count, is_class(buffer, size, 0); }

static int are_providers(const char *buffer, DWORD size, int count, size_t each, int is_wide) {
  int hellos = 0;
  for (int i = 0; i < count; i++) {
    WSANAMESPACE_INFOEXW info;
    memset(&info, 0, sizeof info);
    memcpy(&info, buffer + (size_t)i * each, each);
    size_t name = is_wide ? wide_bytes(info.lpszIdentifier) : strlen((const char *)info.lpszIdentifier) + 1;
    if (info.lpszIdentifier == NULL || !holds(buffer, size, info.lpszIdentifier, name, is_wide ? 2 : 1)) return 0;
    if (!holds(buffer, size, info.ProviderSpecific.pBlobData, info.ProviderSpecific.cbSize, 8)) return 0;
    hellos += is_wide ? memcmp(info.lpszIdentifier, u"hello", sizeof u"hello") == 0 : strcmp((const char *)info.lpszIdentifier, "hello") == 0;
  }
  return hellos == 1;
}
static int are_w(const char *buffer, DWORD size, int count) { return are_providers(buffer, size, count, sizeof(WSANAMESPACE_INFOW), 1); }
static int are_a(const char *buffer, DWORD size, int count) { return are_providers(buffer, size, count, sizeof(WSANAMESPACE_INFOA), 0); }
static int are_ex_w(const char *buffer, DWORD size, int count) { return are_providers(buffer, size, count, sizeof(WSANAMESPACE_INFOEXW), 1); }
static int are_ex_a(const char *buffer, DWORD size, int count) { return are_providers(buffer, size, count, sizeof(WSANAMESPACE_INFOEXA), 0); }

static void begin(void) {
  WSAQUERYSETA set;
  DWORD offset = 0;
  memset(&set, 0, sizeof set), set.dwSize = sizeof set, set.lpszServiceInstanceName = (char *)"hello";
  CHECK(WSALookupServiceBeginA(&set, LUP_RETURN_ALL, &lookup) == 0, "begin");
}

static int is_filled(const char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++)
    if ((unsigned char)bytes[i] != FILL) return 0;
  return 1;
}

static void try(const struct door *door) {
  DWORD aligned = 0, offset = 0, length;
  INT result;
  if (door->renews) begin();
  /* As callers do that only ask how much it is. */
  length = 32, result = door->fill(&length, door->fill == info_w || door->fill == info_a ? memory + MARGIN : NULL);
  CHECK(result == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT && length > 32, door->name);
  aligned = length;
  for (offset = 0; offset <= 8; offset++) {
    char *buffer = memory + MARGIN + offset;
    DWORD needed = aligned + (8 - offset % 8) % 8;
    for (DWORD size = 0; size < needed; size++) {
      memset(memory, FILL, sizeof memory);
      length = size, result = door->fill(&length, buffer);
      CHECK(result == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT && length == needed && is_filled(memory, sizeof memory), door->name);
      if (failures > 20) return;
    }
    for (DWORD more = 0; more <= 8; more++) {
      if (door->renews && more > 0) CHECK(WSALookupServiceEnd(lookup) == 0, door->name), begin();
      memset(memory, FILL, sizeof memory);
      length = needed + more, result = door->fill(&length, buffer);
      CHECK(result >= 0 && length == needed + more && door->is_sound(buffer, needed, result), door->name);
      CHECK(is_filled(memory, (size_t)(buffer - memory)) && is_filled(buffer + needed, ROOM - needed), door->name);
    }
    if (door->renews) CHECK(WSALookupServiceEnd(lookup) == 0, door->name), begin();
  }
  if (door->renews) WSALookupServiceEnd(lookup);
}

/* A name is nothing but text, whose length is that of the text wherever it stands. */
static void names(void) {
  DWORD count = 0, offset = 0, length;
  CHECK(WSAGetServiceClassNameByClassIdW(&http, NULL, &count) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT && count > 1, "names");
  for (offset = 0; offset <= 8; offset++) {
    char *buffer = memory + MARGIN + offset, text[64];
    for (DWORD size = 0; size <= count + 2; size++) {
      memset(memory, FILL, sizeof memory), length = size;
      INT result = WSAGetServiceClassNameByClassIdW(&http, (LPWSTR)(void *)buffer, &length);
      CHECK(length == count && (size < count ? result == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT && is_filled(memory, sizeof memory) : result == 0), "name, wide");
      if (size >= count) for (DWORD i = 0; i < count; i++) text[i] = buffer[2 * i];
      memset(memory, FILL, sizeof memory), length = size;
      result = WSAGetServiceClassNameByClassIdA(&http, buffer, &length);
      CHECK(length == count && (size < count ? result == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT && is_filled(memory, sizeof memory) : result == 0), "name, narrow");
      if (size >= count) CHECK(strlen(buffer) + 1 == count && memcmp(buffer, text, count) == 0 && is_filled(buffer + count, MARGIN), "name");
    }
  }
}

int main(void) {
  static const struct door doors[] = {
    {"WSALookupServiceNextW", next_w, is_record_w, 1}, {"WSALookupServiceNextA", next_a, is_record_a, 1},
    {"WSAGetServiceClassInfoW", info_w, is_class_w, 0}, {"WSAGetServiceClassInfoA", info_a, is_class_a, 0},
    {"WSAEnumNameSpaceProvidersW", enum_w, are_w, 0}, {"WSAEnumNameSpaceProvidersA", enum_a, are_a, 0},
    {"WSAEnumNameSpaceProvidersExW", enum_ex_w, are_ex_w, 0}, {"WSAEnumNameSpaceProvidersExA", enum_ex_a, are_ex_a, 0}};
  static WSADATA data;
  DWORD offset = 0;
  CHECK(WSAStartup(0x0202, &data) == 0, "start");
  for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) try(doors + i);
  names();
  CHECK(WSACleanup() == 0, "cleanup");
  return failures;
}
