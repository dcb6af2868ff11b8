/* The provider SDK of nsphost: the manifest that a provider carries inside its file, and the functions that the host offers to
   providers besides those of ws2spi.h. All of them may be called from any thread. */
#ifndef NSP_NSPHOST_H
#define NSP_NSPHOST_H

#include "ws2spi.h"

NSP_EXTERN_C_BEGIN

/* Flags of a manifest. */
#define NSP_ALLOW_PARTIAL 0x1 /* accept the provider without Begin, NextEx or End: stubs answer in their place */
#define NSP_WORKER 0x2        /* run it in a process of its own, where the host can */
#define NSP_BLOCKING 0x4      /* its routines may keep a thread: call them on threads of the host's own */
#define NSP_ADVERTISES 0x8    /* exports nothing: calls WSAAdvertiseProvider from a constructor or later */
#define NSP_SERIALISE 0x10    /* call one routine at a time */

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

/* Memory of the host's allocator, for parts of records that outlive a call. Any thread, also from inside a routine. */

/* Gives zeroed memory aligned for any type, which the caller owns until it is given to NSPHostFree; NULL when there is none. */
NSP_EXPORT LPVOID NSPHostAllocate(SIZE_T cb);

/* Takes back what NSPHostAllocate gave, and nothing else; ignores NULL. */
NSP_EXPORT VOID NSPHostFree(LPVOID lpMemory);

/* The functions below return their code directly, 0 for success, and leave the thread's last error alone. Any thread. */

/* Copies a record, with everything it points to, into the block that NextEx was given; the record may point anywhere and stays
   the caller's. Meant for `WSAProviderCompleteAsyncCall(hAsyncCall, NSPHostPackQuerySet(...))`. Returns 0, WSAEFAULT with the bytes
   needed in *lpdwBufferLength (then the block is unchanged), or WSAEINVAL for a NULL pointer or a malformed record.
   (NSP §5.6, §9.3, §9.4) */
NSP_EXPORT INT NSPHostPackQuerySet(const WSAQUERYSET2W *lpqsRecord, LPDWORD lpdwBufferLength, LPWSAQUERYSET2W lpqsResults);

/* UTF-8 to UTF-16. *lpcchWide counts WCHARs including the NUL: the room on entry, the length used or needed on return. Returns 0,
   WSAEFAULT when the room is too small (wide may be NULL then, with room 0), or WSAEINVAL for NULL or malformed text. */
NSP_EXPORT INT NSPHostWideFromUtf8(LPCSTR text, LPWSTR wide, LPDWORD lpcchWide);

/* UTF-16 to UTF-8, likewise; *lpcbText counts bytes including the NUL. An unpaired surrogate is malformed. */
NSP_EXPORT INT NSPHostUtf8FromWide(LPCWSTR wide, LPSTR text, LPDWORD lpcbText);

NSP_EXTERN_C_END

#endif
