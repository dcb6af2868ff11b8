/* A provider in a program of its own: each argument is a step.
     start  install=NAME:SPACE[:VERSION]  uninstall=NAME  advertise=NAME  fails=CODE  unadvertise=NAME  wait (for the end of input)
     checks (what the calls promise of bad arguments)  cleanup
   The id of a provider is made from its name. What it finds depends on the name that is asked for: later, late, never, wait-N, big, crash,
   exit, hang, unadvertise, self; switch, after "on" in the input, and not any more after "off"; anything else is found at once. "changed" and
   "changed NAME" in the input say that something has changed; "others" says so for those who are not served here. What happens is said on
   standard output, a line each. */
#define _GNU_SOURCE
#include <nsphost.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>

static int live, inside;
static volatile int isOn;
static char serving[16][64];
static void say(const char *format, ...) {
  char line[256];
  va_list list;
  va_start(list, format);
  vsnprintf(line, sizeof line - 1, format, list);
  va_end(list);
  strcat(line, "\n");
  if (write(1, line, strlen(line)) < 0) _exit(9);
}
static GUID id_of(const char *name) {
  GUID id = {0x51e57a00, 0xad, 0x4000, {0x80, 0, 0, 0, 0, 0, 0, 0}};
  for (size_t i = 0; name[i] != 0; i++) id.Data4[1 + i % 7] = (BYTE)(id.Data4[1 + i % 7] * 31 + name[i]);
  return id;
}
static LPWSTR wide(const char *text) {
  LPWSTR result = calloc(strlen(text) + 1, sizeof *result);
  for (size_t i = 0; text[i] != 0; i++) result[i] = (WCHAR)text[i];
  return result;
}
static char *narrow(LPCWSTR text) {
  size_t count = 0;
  char *result;
  while (text[count] != 0) count++;
  result = calloc(count + 1, 1);
  for (size_t i = 0; i < count; i++) result[i] = (char)text[i];
  return result;
}

struct lookup {
  char *name;
  LPVOID session;
  int given, isEnded;
  HANDLE owed;
  LPWSAQUERYSET2W block;
};

static INT startup(LPGUID id, LPVOID *argument) {
  (void)id;
  live++;
  *argument = (LPVOID)(size_t)(0x1000 + live);
  return say("startup %zx", (size_t)*argument), 0;
}
static INT cleanup(LPGUID id, LPVOID argument) { return (void)id, live--, say("cleanup %zx", (size_t)argument), 0; }
static VOID rundown(LPGUID id, LPVOID argument) { (void)id, live--, say("rundown %zx", (size_t)argument); }
static INT begin(LPGUID id, LPWSAQUERYSET2W query, DWORD flags, LPVOID session, LPHANDLE handle) {
  struct lookup *lookup = calloc(1, sizeof *lookup);
  (void)id, (void)flags;
  lookup->name = narrow(query->lpszServiceInstanceName), lookup->session = session;
  if (WSAGetLastError() != 0) say("the last error is %d", WSAGetLastError());
  if (query->dwSize != sizeof *query || query->lpszContext == NULL) say("not a query");
  if (strcmp(lookup->name, "hang-begin") == 0) sleep(60);
  if (strcmp(lookup->name, "crash-begin") == 0) abort();
  if (strcmp(lookup->name, "fails-begin") == 0) return WSASetLastError(WSANO_DATA), SOCKET_ERROR;
  *handle = lookup;
  return 0;
}
/* A record of the lookup: its name, and the address 192.0.2.9. What it leads to is gone as soon as it is delivered. */
static INT deliver(struct lookup *lookup, HANDLE call, LPWSAQUERYSET2W block) {
  LPWSTR name = wide(lookup->name);
  struct sockaddr_in *address = calloc(1, sizeof *address);
  CSADDR_INFO *info = calloc(1, sizeof *info);
  INT status;
  address->sin_family = AF_INET, address->sin_port = htons(99), inet_pton(AF_INET, "192.0.2.9", &address->sin_addr);
  *info = (CSADDR_INFO){{(LPSOCKADDR)address, sizeof *address}, {(LPSOCKADDR)address, sizeof *address}, SOCK_STREAM, IPPROTO_TCP};
  memset(block, 0, sizeof *block);
  block->dwSize = sizeof *block, block->lpszServiceInstanceName = name, block->dwNumberOfCsAddrs = 1, block->lpcsaBuffer = info;
  status = WSAProviderCompleteAsyncCall(call, 0);
  free(name), free(address), free(info);
  return status;
}
static void *later(void *given) {
  struct lookup *lookup = given;
  usleep(20000);
  if (deliver(lookup, lookup->owed, lookup->block) != 0) say("a late completion is refused: %d", WSAGetLastError());
  return NULL;
}
static void *late(void *given) {
  struct lookup *lookup = given;
  sleep(7);
  say("late: %d", deliver(lookup, lookup->owed, lookup->block));
  return NULL;
}
static VOID next(HANDLE call, HANDLE handle, DWORD flags, LPDWORD length, LPWSAQUERYSET2W block) {
  struct lookup *lookup = handle;
  pthread_t thread;
  int milliseconds;
  (void)flags;
  if (lookup->given++ > 0 && strcmp(lookup->name, "big") != 0) {
    WSAProviderCompleteAsyncCall(call, WSA_E_NO_MORE);
    if (WSAProviderCompleteAsyncCall(call, 0) != SOCKET_ERROR || WSAGetLastError() != WSA_INVALID_HANDLE) say("completed twice");
    return;
  }
  lookup->owed = call, lookup->block = block;
  if (strcmp(lookup->name, "switch") == 0 && !isOn) {
    WSAProviderCompleteAsyncCall(call, WSASERVICE_NOT_FOUND);
    return;
  }
  if (strcmp(lookup->name, "later") == 0) {
    pthread_create(&thread, NULL, later, lookup), pthread_detach(thread);
  } else if (strcmp(lookup->name, "late") == 0) {
    say("next late");
    pthread_create(&thread, NULL, late, lookup), pthread_detach(thread);
  } else if (strcmp(lookup->name, "never") == 0) {
    say("never");
  } else if (strcmp(lookup->name, "crash") == 0) {
    abort();
  } else if (strcmp(lookup->name, "exit") == 0) {
    exit(3);
  } else if (strcmp(lookup->name, "hang") == 0) {
    say("hang");
    sleep(60);
  } else if (strcmp(lookup->name, "unadvertise") == 0) {
    GUID id = id_of(serving[0]);
    inside = WSAUnadvertiseProvider(&id);
    say("unadvertised from inside: %d", inside);
    deliver(lookup, call, block);
  } else if (strcmp(lookup->name, "big") == 0) {
    if (*length < 70000) *length = 70000, lookup->given = 0, WSAProviderCompleteAsyncCall(call, WSAEFAULT);
    else if (lookup->given == 1) memset((char *)block + 69000, 1, 1000), deliver(lookup, call, block);
    else WSAProviderCompleteAsyncCall(call, WSA_E_NO_MORE);
  } else if (sscanf(lookup->name, "wait-%d", &milliseconds) == 1) {
    say("next %s", lookup->name);
    usleep((useconds_t)milliseconds * 1000);
    deliver(lookup, call, block);
  } else {
    deliver(lookup, call, block);
  }
}
static INT end(HANDLE handle) {
  struct lookup *lookup = handle;
  if (lookup->isEnded++) say("ended twice");
  if (strstr("later late never hang", lookup->name) != NULL) return say("end %s", lookup->name), 0;
  return free(lookup->name), free(lookup), 0;
}
static VOID set(HANDLE call, LPGUID id, LPWSAQUERYSET2W info, WSAESETSERVICEOP operation, DWORD flags, LPVOID session) {
  char *name = narrow(info->lpszServiceInstanceName);
  (void)id, (void)flags, (void)session;
  say("set %d %s %u", (int)operation, name, (unsigned)info->dwNumberOfCsAddrs);
  if (strcmp(name, "never") != 0) WSAProviderCompleteAsyncCall(call, strcmp(name, "refused") == 0 ? WSAHOST_NOT_FOUND : 0);
  free(name);
}

static NSPV2_ROUTINE table(void) {
  return (NSPV2_ROUTINE){sizeof(NSPV2_ROUTINE), 1, 0, startup, cleanup, begin, next, end, set, rundown};
}
static int expect(const char *what, INT result, INT code) {
  if (result == (code == 0 ? 0 : SOCKET_ERROR) && (code == 0 || WSAGetLastError() == code)) return 0;
  return say("%s: %d, %d instead of %d", what, result, WSAGetLastError(), code), 1;
}
static int checks(void) {
  GUID id = id_of("checks"), other = id_of("nobody");
  NSPV2_ROUTINE routines = table(), short_one = table();
  struct { NSPV2_ROUTINE routines; char rest[8]; } long_one = {table(), {1, 2, 3, 4, 5, 6, 7, 8}};
  int failed = 0;
  failed += expect("NSP-092 before WSAStartup", WSAAdvertiseProvider(&id, &routines), WSANOTINITIALISED);
  failed += expect("NSP-092 before WSAStartup", WSAUnadvertiseProvider(&id), WSANOTINITIALISED);
  WSADATA data;
  WSAStartup(MAKEWORD(2, 2), &data);
  failed += expect("NSP-093 no id", WSAAdvertiseProvider(NULL, &routines), WSAEINVAL);
  failed += expect("NSP-093 no table", WSAAdvertiseProvider(&id, NULL), WSAEINVAL);
  failed += expect("NSP-094 an id that is not installed", WSAAdvertiseProvider(&other, &routines), WSAEINVALIDPROVIDER);
  for (int entry = 0; entry < 3; entry++) {
    NSPV2_ROUTINE lacks = table();
    ((void **)&lacks.NSPv2LookupServiceBegin)[entry] = NULL;
    failed += expect("NSP-011 a table without a routine", WSAAdvertiseProvider(&id, &lacks), WSAEINVAL);
  }
  short_one.cbSize = 55;
  failed += expect("NSP-013 a table of 55 bytes", WSAAdvertiseProvider(&id, &short_one), WSAEINVAL);
  short_one.cbSize = 56;
  failed += expect("NSP-014 a table of 56 bytes", WSAAdvertiseProvider(&id, &short_one), 0);
  failed += expect("NSP-095 twice", WSAAdvertiseProvider(&id, &routines), WSAEALREADY);
  failed += expect("back", WSAUnadvertiseProvider(&id), 0);
  failed += expect("NSP-102 not advertised", WSAUnadvertiseProvider(&id), WSAEINVALIDPROVIDER);
  failed += expect("NSP-102 NULL", WSAUnadvertiseProvider(NULL), WSAEINVAL);
  long_one.routines.cbSize = 80;
  failed += expect("NSP-015 a table of 80 bytes", WSAAdvertiseProvider(&id, &long_one.routines), 0);
  memset(&long_one, 0xEE, sizeof long_one);
  failed += expect("back", WSAUnadvertiseProvider(&id), 0);
  routines = table(), routines.NSPv2Startup = NULL, routines.NSPv2Cleanup = NULL, routines.NSPv2SetServiceEx = NULL;
  routines.NSPv2ClientSessionRundown = NULL, routines.dwMajorVersion = 65535, routines.dwMinorVersion = 65535;
  failed += expect("NSP-012 NSP-017 three routines", WSAAdvertiseProvider(&id, &routines), 0);
  failed += expect("back", WSAUnadvertiseProvider(&id), 0);
  failed += expect("NSP-073 no handle", WSAProviderCompleteAsyncCall(NULL, 0), WSAEINVAL);
  for (size_t handle = 1; handle < 1000; handle++)
    failed += expect("NSP-073 a forged handle", WSAProviderCompleteAsyncCall((HANDLE)(handle * 0x9E3779B97F4A7C15u), 0), WSA_INVALID_HANDLE);
  WSACleanup();
  return failed;
}

/* Does what the input says, up to its end. */
static void obey(void) {
  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) {
    GUID id = id_of(serving[0]), other = id_of("nobody"), hosts = {0xb0e4c7d2, 0x7d2b, 0x4c6e, {0x9b, 0x10, 0x52, 0xe8, 0xa4, 0xf1, 0xc7, 0x01}};
    line[strcspn(line, "\n")] = 0;
    if (strcmp(line, "on") == 0 || strcmp(line, "off") == 0) isOn = line[1] == 'n';
    if (strcmp(line, "changed") == 0) say("changed: %d", NSPHostChanged(&id, NULL));
    if (strncmp(line, "changed ", 8) == 0) say("changed: %d", NSPHostChanged(&id, wide(line + 8)));
    if (strcmp(line, "others") == 0)
      say("others: %d %d %d", NSPHostChanged(&other, NULL), NSPHostChanged(&hosts, NULL), NSPHostChanged(NULL, NULL));
  }
}

int main(int count, char **arguments) {
  int advertised = 0;
  for (int i = 1; i < count; i++) {
    char *step = strdup(arguments[i]), *value = strchr(step, '='), *expected = NULL;
    INT result = 0;
    GUID id;
    if (value != NULL) *value++ = 0;
    if (value != NULL && (expected = strchr(value, ':')) != NULL) *expected++ = 0;
    if (value != NULL) id = id_of(value);
    if (strcmp(step, "start") == 0) {
      WSADATA data;
      result = WSAStartup(MAKEWORD(2, 2), &data);
    } else if (strcmp(step, "install") == 0) {
      result = WSCInstallNameSpace(wide(value), wide(""), (DWORD)atoi(expected), 1, &id), expected = NULL;
    } else if (strcmp(step, "uninstall") == 0) {
      result = WSCUnInstallNameSpace(&id);
    } else if (strcmp(step, "advertise") == 0) {
      NSPV2_ROUTINE routines = table();
      result = WSAAdvertiseProvider(&id, &routines);
      memset(&routines, 0xEE, sizeof routines);
      if (result == 0) strncpy(serving[advertised++ % 16], value, 63);
    } else if (strcmp(step, "unadvertise") == 0) {
      result = WSAUnadvertiseProvider(&id);
      say("unadvertised");
    } else if (strcmp(step, "id") == 0) {
      say("%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", id.Data1, id.Data2, id.Data3, id.Data4[0], id.Data4[1], id.Data4[2], id.Data4[3],
          id.Data4[4], id.Data4[5], id.Data4[6], id.Data4[7]);
    } else if (strcmp(step, "wait") == 0) {
      say("ready");
      obey();
    } else if (strcmp(step, "checks") == 0) {
      if (checks() != 0) return 1;
    } else if (strcmp(step, "cleanup") == 0) {
      result = WSACleanup();
    } else {
      return say("what is %s?", step), 2;
    }
    if (expected == NULL ? result != 0 : result != SOCKET_ERROR || WSAGetLastError() != atoi(expected))
      return say("%s: %d, %d", arguments[i], result, WSAGetLastError()), 1;
    free(step);
  }
  return 0;
}
