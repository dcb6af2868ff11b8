/* NMR-001 to NMR-011: what sources of network modules count on. As C11, C++17 and C++20; netioddk.h comes first and alone. The
   layouts themselves are asserted in the header. */
#include <netioddk.h>

#ifdef __cplusplus
#define CHECK(condition) static_assert(condition, #condition)
template <typename A, typename B> struct same { static const bool value = false; };
template <typename A> struct same<A, A> { static const bool value = true; };
#define SAME(A, B) CHECK((same<A, B>::value))
#else
#define CHECK(condition) _Static_assert(condition, #condition)
#define SAME(A, B) CHECK(_Generic((A){0}, B: 1, default: 0))
#endif

CHECK(sizeof(NPI_REGISTRATION_INSTANCE) == 40 && sizeof(NPI_CLIENT_CHARACTERISTICS) == 72);
CHECK(sizeof(NPI_PROVIDER_CHARACTERISTICS) == 72 && sizeof(NPI_MODULEID) == 24 && sizeof(NTSTATUS) == 4);
CHECK(MIT_GUID == 1 && MIT_IF_LUID == 2);
CHECK(STATUS_NOINTERFACE < 0 && (ULONG)STATUS_NOINTERFACE == 0xC00002B9 && !NT_SUCCESS(STATUS_NOINTERFACE));
CHECK(STATUS_PENDING == 0x103 && NT_SUCCESS(STATUS_PENDING) && NT_SUCCESS(STATUS_SUCCESS));
CHECK((ULONG)STATUS_INVALID_PARAMETER == 0xC000000D && (ULONG)STATUS_INSUFFICIENT_RESOURCES == 0xC000009A);
CHECK((ULONG)STATUS_INVALID_DEVICE_STATE == 0xC0000184 && (ULONG)STATUS_POSSIBLE_DEADLOCK == 0xC0000194);
CHECK((ULONG)STATUS_UNSUCCESSFUL == 0xC0000001 && (ULONG)STATUS_ACCESS_DENIED == 0xC0000022);
CHECK((ULONG)STATUS_NOT_SUPPORTED == 0xC00000BB && (ULONG)STATUS_INVALID_HANDLE == 0xC0000008 && (ULONG)STATUS_NO_MEMORY == 0xC0000017);
SAME(PNPIID, const NPIID *);
SAME(PNPI_MODULEID, const NPI_MODULEID *);
SAME(PNPI_REGISTRATION_INSTANCE, const NPI_REGISTRATION_INSTANCE *);
SAME(PNPI_CLIENT_CHARACTERISTICS, const NPI_CLIENT_CHARACTERISTICS *);
SAME(PNPI_PROVIDER_CHARACTERISTICS, const NPI_PROVIDER_CHARACTERISTICS *);

/* Plain functions fit without a cast, and may be declared with the function types. */
static NPI_CLIENT_ATTACH_PROVIDER_FN attach_provider;
static NTSTATUS detach(PVOID context) { return context != NULL ? STATUS_SUCCESS : STATUS_PENDING; }
static void cleanup(PVOID context) { UNREFERENCED_PARAMETER(context); }
static NTSTATUS attach_provider(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE instance) {
  (void)binding, (void)context;
  return instance->ModuleId == NULL ? STATUS_NOINTERFACE : STATUS_SUCCESS;
}
static NTSTATUS attach_client(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE instance, PVOID peer, const void *dispatch, PVOID *own, const void **table) {
  (void)binding, (void)context, (void)instance, (void)peer, (void)dispatch;
  *own = NULL, *table = NULL;
  return STATUS_SUCCESS;
}
static NPIID id = {0};
NPI_CLIENT_CHARACTERISTICS client = {0, sizeof client, attach_provider, detach, cleanup, {0, sizeof(NPI_REGISTRATION_INSTANCE), &id, NULL, 0, NULL}};
NPI_PROVIDER_CHARACTERISTICS provider = {0, sizeof provider, (PNPI_PROVIDER_ATTACH_CLIENT_FN)attach_client, detach, cleanup, {0, sizeof(NPI_REGISTRATION_INSTANCE), &id, NULL, 0, NULL}};

int main(void) {
  NPI_MODULEID a = {sizeof a, MIT_GUID, {{1, 2, 3, {4}}}}, b = a;
  int failures = 0;
  failures += !NmrIsEqualNpiModuleId(&a, &b); /* NMR-011 */
  b.Length = 99;
  failures += !NmrIsEqualNpiModuleId(&a, &b);
  b.Guid.Data4[7] ^= 1;
  failures += NmrIsEqualNpiModuleId(&a, &b);
  b = a;
  b.Type = MIT_IF_LUID;
  failures += NmrIsEqualNpiModuleId(&a, &b);
  a.Type = MIT_IF_LUID;
  failures += !NmrIsEqualNpiModuleId(&a, &b);
  b.Guid.Data4[7] ^= 1; /* behind the eight bytes of a LUID */
  failures += !NmrIsEqualNpiModuleId(&a, &b);
#ifdef __cplusplus
  failures += !(a.Guid == a.Guid) || a.Guid != a.Guid;
#endif
  return failures;
}
