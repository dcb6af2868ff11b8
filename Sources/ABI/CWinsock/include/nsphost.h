/* The provider SDK of nsphost: the manifest that a provider carries inside its file, and the functions that the host offers to
   providers besides those of ws2spi.h. All of them may be called from any thread. */
#ifndef NSP_NSPHOST_H
#define NSP_NSPHOST_H

#include "netioddk.h"
#include "ws2spi.h"

NSP_EXTERN_C_BEGIN

/* Flags of a manifest. */
#define NSP_ALLOW_PARTIAL 0x1 /* accept the provider without Begin, NextEx or End: stubs answer in their place */
#define NSP_WORKER 0x2        /* run it in a process of its own, where the host can */
#define NSP_BLOCKING 0x4      /* its routines may keep a thread: call them on threads of the host's own */
#define NSP_ADVERTISES 0x8    /* exports nothing: calls WSAAdvertiseProvider or NmrRegisterProvider, in a constructor or later */
#define NSP_SERIALISE 0x10    /* call one routine at a time, but for an End during the NextEx of its own handle; version 1 has this anyway */
#define NSP_SCHEMA 0x20       /* version 1: it keeps whole service classes, of all name spaces; the host asks it for those of queries */
#define NSP_LISTS_REGISTRATIONS 0x40 /* it lists what is registered with it: NSP_REGISTRATIONS below */
#define NSP_KEEPS_OWNERS 0x80 /* it keeps whose registrations are whose: NSP_SERVICE_FOR_EVERYBODY below */

/* NSP_PROVIDER("name", NS_DNS, version, flags, "domains", guid numbers); puts the provider's manifest into its file, as an ELF
   note (owner "NSP", type 1) that the host reads without loading the file. Once per file, at file level. The guid is given as its
   eleven numbers: 0x12345678, 0x1234, 0x1234, 0x12, ... The domains of an e-mail provider are text such as
   "example.org=primary;example.net=secondary;*", where "*" stands for any domain; others give "". Both texts are UTF-8.
   The manifest's words: format 1, id, name space, version, flags; then name and domains, each with its NUL. */
#define NSP_PROVIDER(name, space, version, flags, domains, ...)                                                  \
  static const struct {                                                                                          \
    DWORD cbOwner, cbManifest, dwType;                                                                           \
    CHAR szOwner[4];                                                                                             \
    DWORD dwFormat;                                                                                              \
    GUID Id;                                                                                                     \
    DWORD dwNameSpace, dwVersion, dwFlags;                                                                       \
    CHAR szText[sizeof(name "\0" domains)];                                                                      \
  } NspProviderManifest __attribute__((section(".note.nsp"), used, aligned(4))) = {                              \
      4, 32 + sizeof(name "\0" domains), 1, "NSP", 1, NSP_GUID(__VA_ARGS__), space, version, flags, name "\0" domains}
#define NSP_GUID(d1, d2, d3, b0, b1, b2, b3, b4, b5, b6, b7) \
  { d1, d2, d3, { b0, b1, b2, b3, b4, b5, b6, b7 } }

/* A file may register network modules itself (netioddk.h), of any interface: in a constructor, or in the first of these two, which
   it may export. The host calls NSPModuleLoad once the file is loaded, and refuses the file when it answers a failure; it calls
   NSPModuleUnload before it unloads the file, also when it ends in good order. Modules that are still registered then are deregistered by
   the host, which waits until that is complete before the file goes. Both run on a thread of the host's, never at once for one file. A host
   does not wait for an NSPModuleLoad, or a constructor, that does not return. Threads that the file has started
   must have ended when its destructors, or NSPModuleUnload, have run. */
NSP_EXPORT NTSTATUS NSPModuleLoad(void);
NSP_EXPORT VOID NSPModuleUnload(void);

/* What a file may export for its provider: makes it ready, before any routine is called in a worker, else right after the file was loaded. A
   provider that finds that it can answer nothing reports that by NSPHostSetFailing, and is asked all the same. A host that only serves one
   command calls it where the command shows what providers can. On a thread of the host's, once for each time that the file is loaded. */
NSP_EXPORT VOID NSPProviderPrepare(LPGUID lpProviderId);

/* The interface between providers and the engine of the host, for files that register provider modules of it: the provider
   dispatch table is an NSPV2_ROUTINE, the module id the provider's, the number NSP_NPI_NSPV2_NUMBER, and the NPI-specific
   characteristics the structure below. There is no client dispatch table. Entries that are NULL become stubs; without Begin, NextEx
   or End the provider can't be called. static const NPIID npi = NSP_NPI_NSPV2; */
#define NSP_NPI_NSPV2 \
  { 0x2f1c0000, 0x0000, 0x4000, { 0x80, 0, 0, 0, 0, 0, 0, 1 } }
#define NSP_NPI_NSPV2_NUMBER 1

typedef struct _NSPV2_CHARACTERISTICS {
  DWORD cbSize; /* sizeof(NSPV2_CHARACTERISTICS) */
  DWORD dwNameSpace;
  DWORD dwVersion;
  DWORD dwFlags;      /* as in NSP_PROVIDER */
  LPCSTR lpszName;    /* UTF-8 */
  LPCSTR lpszDomains; /* as in NSP_PROVIDER; may be NULL */
} NSPV2_CHARACTERISTICS;
typedef const NSPV2_CHARACTERISTICS *PCNSPV2_CHARACTERISTICS;

/* Memory of the host's allocator, for parts of records that outlive a call. Any thread, also from inside a routine. */

/* Gives zeroed memory aligned for any type, which the caller owns until it is given to NSPHostFree; NULL when there is none. */
NSP_EXPORT LPVOID NSPHostAllocate(SIZE_T cb);

/* Takes back what NSPHostAllocate gave, and nothing else; ignores NULL. */
NSP_EXPORT VOID NSPHostFree(LPVOID lpMemory);

/* The functions below return their code directly, 0 for success, and leave the thread's last error alone. Any thread. */

/* Copies a record, with everything it points to, into the block that NextEx was given; the record may point anywhere and stays
   the caller's. Meant for `WSAProviderCompleteAsyncCall(hAsyncCall, NSPHostPackQuerySet(...))`. Returns 0, WSAEFAULT with the bytes
   needed in *lpdwBufferLength (then the block is unchanged), or WSAEINVAL for a NULL pointer or a malformed record; the log says which member
   is wrong. (NSP §5.6, §9.3, §9.4) */
NSP_EXPORT INT NSPHostPackQuerySet(const WSAQUERYSET2W *lpqsRecord, LPDWORD lpdwBufferLength, LPWSAQUERYSET2W lpqsResults);

/* UTF-8 to UTF-16. *lpcchWide counts WCHARs including the NUL: the room on entry, the length used or needed on return. Returns 0,
   WSAEFAULT when the room is too small (wide may be NULL then, with room 0), or WSAEINVAL for NULL or malformed text. */
NSP_EXPORT INT NSPHostWideFromUtf8(LPCSTR text, LPWSTR wide, LPDWORD lpcchWide);

/* UTF-16 to UTF-8, likewise; *lpcbText counts bytes including the NUL. An unpaired surrogate is malformed. */
NSP_EXPORT INT NSPHostUtf8FromWide(LPCWSTR wide, LPSTR text, LPDWORD lpcbText);

/* The class that the query names, and what is known of it, inside NSPv2LookupServiceBegin and NSPv2SetServiceEx on the thread that they were
   called on. Version 2 query sets have no member for it. Stores the id where lpServiceClassId is not NULL; fills the buffer where lpdwBufSize
   is not NULL, which has its size and gets the bytes needed with WSAEFAULT; of a class that nobody knows that is the id, an empty name and no
   values. WSATYPE_NOT_FOUND: the query names no class, or the thread is in no such routine. WSAEINVAL: nothing was asked for. (NSP §5.5) */
NSP_EXPORT INT NSPHostCurrentServiceClass(LPGUID lpServiceClassId, LPDWORD lpdwBufSize, LPWSASERVICECLASSINFOW lpServiceClassInfo);

/* Who a session is for, as the kernel says: a process, its user and its primary group. The process is 0 where several of one user and group share
   the session: those that ask by glibc's module alone. */
typedef struct _NSP_CLIENT {
  DWORD cbSize; /* sizeof(NSP_CLIENT) */
  DWORD dwProcessId;
  DWORD dwUserId;
  DWORD dwGroupId;
  DWORD dwTraits;
} NSP_CLIENT, *LPNSP_CLIENT;

/* The client is root or the host's own user: whoever it is, it may change what is the machine's. */
#define NSP_CLIENT_IS_OPERATOR 0x1

/* The client that the session is opened for, inside NSPv2Startup on the thread that it was called on. cbSize is set by the caller. Returns 0,
   WSAEINVAL for NULL or another size, or WSANO_DATA anywhere else: what the provider needs later it keeps with its session. */
NSP_EXPORT INT NSPHostCurrentClient(LPNSP_CLIENT lpClient);

/* What the manifest (`[settings]`) or, before it, the configuration (`[providers.NAME.settings]`) says for the provider: the texts of a value one
   after the other, each with its NUL, and an empty one behind the last. A value that is not a list is one text; numbers are written in digits,
   truth as true and false. Both texts are UTF-8. *lpcbValue is the room on entry, the bytes used or needed on return. For any provider of this
   process, once it is there: inside its routines, and on threads of its own. What the host sets itself, unless they do: "state", the folder
   where it keeps what outlives it, which need not exist yet. Returns 0, WSAEFAULT when the room is too small (value may be NULL
   then, with room 0), WSANO_DATA when nothing is set under the name, or WSAEINVAL for NULL or an unknown provider. */
NSP_EXPORT INT NSPHostSetting(LPGUID lpProviderId, LPCSTR lpszName, LPSTR lpszValue, LPDWORD lpcbValue);

/* Reports that a provider can answer nothing, and why: a database that is damaged, servers that are none. NULL: it can answer again. The host
   shows the provider as failing, with the reason, and goes on asking it; where it has no answer and nobody else has one, the client gets
   WSATRY_AGAIN. The reason is one line of UTF-8, of which 512 bytes are kept. What a worker has reported ends with its process. Returns 0, or
   WSAEINVAL for NULL or a provider that is not loaded (in a process that hosts it, during its constructors). (NSP §8.4) */
NSP_EXPORT INT NSPHostSetFailing(LPGUID lpProviderId, LPCSTR lpszReason);

/* Something that the provider would answer queries with has changed, without a registration through the host: those see that themselves.
   lpszName is the name that queries for it have, in any case; NULL: everything may have changed. Lookups of the name, and those without a name
   or with a pattern (* or ?) in its place, are told (WSANSPIoctl with SIO_NSP_NOTIFY_CHANGE); programs such as `nsphost watch` ask again. Lookups
   that lead to the same by another name, as by an address, are told of that name, or of everything.
   With NULL a provider also promises to say every change from now on: it says so once when it begins to follow what it serves. A provider that
   has not promised that is asked again every second by those who watch. One that knows of some changes only always gives a name.
   A provider speaks for itself: the id is one that the calling file, or the calling program by WSAAdvertiseProvider, serves at the time. Any
   thread, inside its routines too; it does not wait. What is said faster than the host takes it is told as one change. Returns 0, WSAEINVAL for a
   NULL id or malformed text, or WSAEINVALIDPROVIDER for an id that is unknown, another's, or not served. Programs find it in libnsp. (NSP §8.7) */
NSP_EXPORT INT NSPHostChanged(const GUID *lpProviderId, LPCWSTR lpszName);

/* What is registered with a provider, for `nsphost registrations`. A provider whose manifest has NSP_LISTS_REGISTRATIONS is asked by a query of
   the class NSP_REGISTRATIONS (NSPHostCurrentServiceClass); the host passes such queries of operators on, and refuses those of others. The name
   is NULL or empty for all registrations; the query string is NULL or empty for those of all users, else "user=" and a user's number. A provider
   may give more than was asked for: the host leaves it out. There is a record for each registration that is there now, of whatever owner: the
   name, lpszContext, dwNameSpace, the addresses, and a NSP_REGISTRATION as blob. What ended with its session or has expired is not there. The
   end is that of any query. NSP_REGISTRATIONS initialises a GUID. (NSP §8.6) */
#define NSP_REGISTRATIONS \
  { 0x6d1f2c8f, 0x0b7a, 0x4f53, { 0x9b, 0x1e, 0x6a, 0x2f, 0x0c, 0x4d, 0x9e, 0x31 } }

typedef struct _NSP_REGISTRATION {
  DWORD cbSize; /* sizeof(NSP_REGISTRATION) */
  DWORD dwTraits;
  DWORD dwUserId;          /* whose it is */
  DWORD dwProcessId;       /* of the session that it ends with; 0: not known, or none */
  ULONGLONG ullRegistered; /* when it was registered last, in seconds since 1970; 0: not known */
  ULONGLONG ullExpires;    /* when it expires, likewise; 0: not by time */
  GUID ServiceClassId;     /* where dwTraits has NSP_REGISTRATION_HAS_CLASS */
} NSP_REGISTRATION;

#define NSP_REGISTRATION_HAS_CLASS 0x1
#define NSP_REGISTRATION_ENDS_WITH_SESSION 0x2
#define NSP_REGISTRATION_DEREGISTERED 0x4 /* there, and not served: RNRSERVICE_DEREGISTER */

/* Whose registration counts for whom. A provider whose manifest has NSP_KEEPS_OWNERS keeps with each registration whose it is (the user of the
   session, NSPHostCurrentClient) and whether it counts for everybody: that of an operator does, and one that NSPv2SetServiceEx was given with
   this control flag, because a rule of the configuration permits it. Any other registration counts for its user alone: queries of other users
   leave it out, unless they have LUP_ALL_OWNERS and not LUP_SECURE (nspowners.h), and it keeps nobody from registering the same name. Clients
   can't set the flag, and other providers do not see it. */
#define NSP_SERVICE_FOR_EVERYBODY 0x80000000

/* The host's own provider of service classes, as WSAGetServiceClassInfo names it: NSP_SCHEMA_PROVIDER initialises a GUID. */
#define NSP_SCHEMA_PROVIDER \
  { 0x6d1f2c8e, 0x0b7a, 0x4f53, { 0x9b, 0x1e, 0x6a, 0x2f, 0x0c, 0x4d, 0x9e, 0x31 } }

#define NSP_LOG_DEBUG 0
#define NSP_LOG_INFO 1
#define NSP_LOG_WARNING 2
#define NSP_LOG_ERROR 3

/* Says something in the host's log, with the provider's name and the id of the query that it is about, which `lookup --explain` shows too:
   the query that hAsyncCall is for; with NULL, the one whose routine runs on this thread. One line of UTF-8. What the log is not open for
   costs next to nothing. Any thread, any time. */
NSP_EXPORT VOID NSPHostLog(HANDLE hAsyncCall, DWORD dwLevel, LPCSTR lpszText);

NSP_ASSERT_SIZE(NSP_CLIENT, 20);
NSP_ASSERT_OFFSET(NSP_CLIENT, dwUserId, 8);
NSP_ASSERT_OFFSET(NSP_CLIENT, dwTraits, 16);
NSP_ASSERT_SIZE(NSP_REGISTRATION, 48);
NSP_ASSERT_OFFSET(NSP_REGISTRATION, ullRegistered, 16);
NSP_ASSERT_OFFSET(NSP_REGISTRATION, ServiceClassId, 32);
NSP_ASSERT_SIZE(NSPV2_CHARACTERISTICS, 32);
NSP_ASSERT_OFFSET(NSPV2_CHARACTERISTICS, dwNameSpace, 4);
NSP_ASSERT_OFFSET(NSPV2_CHARACTERISTICS, dwVersion, 8);
NSP_ASSERT_OFFSET(NSPV2_CHARACTERISTICS, dwFlags, 12);
NSP_ASSERT_OFFSET(NSPV2_CHARACTERISTICS, lpszName, 16);
NSP_ASSERT_OFFSET(NSPV2_CHARACTERISTICS, lpszDomains, 24);

NSP_EXTERN_C_END

#endif
