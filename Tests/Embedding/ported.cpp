/* NMR-107, NMR-108: a source written the way that programs for the Windows registrar are: C++20 designated initialisers, attach
   functions with a non-const instance that are cast, NULL contexts and module ids, dispatch tables that are mere numbers.
   With NMR_COMPAT_SYNC_DEREGISTER it expects STATUS_SUCCESS where all was done at once, else STATUS_PENDING and a wait. */
#include <netioddk.h>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#define REQUIRE(condition) ((condition) ? (void)0 : (std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition), std::exit(1)))
#ifdef NMR_COMPAT_SYNC_DEREGISTER
static const NTSTATUS done = STATUS_SUCCESS;
#else
static const NTSTATUS done = STATUS_PENDING;
#endif

struct side { HANDLE binding; void *peer; const void *dispatch; int attached, detached, cleaned; NTSTATUS answer; };
static side client_side, provider_side;
static NPIID npi = {0};

static NTSTATUS client_attach(HANDLE binding, void *, NPI_REGISTRATION_INSTANCE *provider) {
  REQUIRE(client_side.binding == nullptr && provider->NpiId != nullptr);
  client_side.binding = binding;
  ++client_side.attached;
  return NmrClientAttachProvider(binding, &client_side, (const void *)1, &client_side.peer, &client_side.dispatch);
}
static NTSTATUS client_detach(void *context) {
  REQUIRE(context == &client_side);
  ++client_side.detached;
  return client_side.answer;
}
static void client_cleanup(void *context) {
  REQUIRE(context == &client_side);
  client_side.binding = nullptr;
  ++client_side.cleaned;
}
static NTSTATUS provider_attach(HANDLE binding, void *, NPI_REGISTRATION_INSTANCE *, void *peer, const void *dispatch, void **own, const void **table) {
  REQUIRE(provider_side.binding == nullptr);
  provider_side.binding = binding;
  provider_side.peer = peer;
  provider_side.dispatch = dispatch;
  ++provider_side.attached;
  *own = &provider_side;
  *table = (const void *)2;
  return STATUS_SUCCESS;
}
static NTSTATUS provider_detach(void *context) {
  REQUIRE(context == &provider_side);
  ++provider_side.detached;
  return provider_side.answer;
}
static void provider_cleanup(void *context) {
  REQUIRE(context == &provider_side);
  provider_side.binding = nullptr;
  ++provider_side.cleaned;
}

static NPI_CLIENT_CHARACTERISTICS client = {
    .Length = sizeof(client),
    .ClientAttachProvider = (PNPI_CLIENT_ATTACH_PROVIDER_FN)client_attach,
    .ClientDetachProvider = client_detach,
    .ClientCleanupBindingContext = client_cleanup,
    .ClientRegistrationInstance = {.Size = sizeof(NPI_REGISTRATION_INSTANCE), .NpiId = &npi}};
static NPI_PROVIDER_CHARACTERISTICS provider = {
    .Length = sizeof(provider),
    .ProviderAttachClient = (PNPI_PROVIDER_ATTACH_CLIENT_FN)provider_attach,
    .ProviderDetachClient = provider_detach,
    .ProviderCleanupBindingContext = provider_cleanup,
    .ProviderRegistrationInstance = {.Size = sizeof(NPI_REGISTRATION_INSTANCE), .NpiId = &npi}};

static void reset(NTSTATUS client_answer = STATUS_SUCCESS, NTSTATUS provider_answer = STATUS_SUCCESS) {
  client_side = {};
  provider_side = {};
  client_side.answer = client_answer;
  provider_side.answer = provider_answer;
}
static void client_goes(HANDLE handle) {
  REQUIRE(NmrDeregisterClient(handle) == done);
  if (done == STATUS_PENDING) REQUIRE(NmrWaitForClientDeregisterComplete(handle) == STATUS_SUCCESS);
}
static void provider_goes(HANDLE handle) {
  REQUIRE(NmrDeregisterProvider(handle) == done);
  if (done == STATUS_PENDING) REQUIRE(NmrWaitForProviderDeregisterComplete(handle) == STATUS_SUCCESS);
}
static void check_attached() {
  REQUIRE(client_side.attached == 1 && provider_side.attached == 1);
  REQUIRE(client_side.binding != nullptr && client_side.peer != nullptr && client_side.dispatch == (const void *)2);
  REQUIRE(provider_side.binding != nullptr && provider_side.peer != nullptr && provider_side.dispatch == (const void *)1);
}
static void check_cleaned(int cleaned) {
  REQUIRE(client_side.detached == 1 && provider_side.detached == 1);
  REQUIRE(client_side.cleaned == cleaned && provider_side.cleaned == cleaned);
}

int main() {
  HANDLE c = nullptr, p = nullptr;
  reset();
  REQUIRE(NmrRegisterClient(&client, nullptr, &c) == STATUS_SUCCESS && c != nullptr);
  client_goes(c);
  REQUIRE(NmrRegisterProvider(&provider, nullptr, &p) == STATUS_SUCCESS && p != nullptr);
  provider_goes(p);
  REQUIRE(client_side.attached == 0 && provider_side.attached == 0);

  REQUIRE(NT_SUCCESS(NmrRegisterClient(&client, nullptr, &c)) && NT_SUCCESS(NmrRegisterProvider(&provider, nullptr, &p)));
  check_attached();
  provider_goes(p);
  check_cleaned(1);
  client_goes(c);

  reset();
  REQUIRE(NT_SUCCESS(NmrRegisterProvider(&provider, nullptr, &p)) && NT_SUCCESS(NmrRegisterClient(&client, nullptr, &c)));
  check_attached();
  client_goes(c);
  check_cleaned(1);
  provider_goes(p);

  reset(STATUS_PENDING, STATUS_SUCCESS);
  REQUIRE(NT_SUCCESS(NmrRegisterProvider(&provider, nullptr, &p)) && NT_SUCCESS(NmrRegisterClient(&client, nullptr, &c)));
  REQUIRE(NmrDeregisterClient(c) == STATUS_PENDING);
  check_cleaned(0);
  NmrClientDetachProviderComplete(client_side.binding);
  REQUIRE(NmrWaitForClientDeregisterComplete(c) == STATUS_SUCCESS);
  check_cleaned(1);
  provider_goes(p);

  reset(STATUS_SUCCESS, STATUS_PENDING);
  REQUIRE(NT_SUCCESS(NmrRegisterClient(&client, nullptr, &c)) && NT_SUCCESS(NmrRegisterProvider(&provider, nullptr, &p)));
  REQUIRE(NmrDeregisterProvider(p) == STATUS_PENDING);
  check_cleaned(0);
  NmrProviderDetachClientComplete(provider_side.binding);
  REQUIRE(NmrWaitForProviderDeregisterComplete(p) == STATUS_SUCCESS);
  check_cleaned(1);
  client_goes(c);

  const char *seconds = std::getenv("NSPHOST_ENDURANCE");
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(seconds ? std::atoi(seconds) * 1000 : 300);
  static NPIID other = {1};
  static NPI_CLIENT_CHARACTERISTICS free_client = {
      .Length = sizeof(free_client),
      .ClientAttachProvider = [](HANDLE binding, void *, PNPI_REGISTRATION_INSTANCE) -> NTSTATUS {
        void *peer;
        const void *dispatch;
        return NmrClientAttachProvider(binding, binding, nullptr, &peer, &dispatch);
      },
      .ClientDetachProvider = [](void *) -> NTSTATUS { return STATUS_SUCCESS; },
      .ClientRegistrationInstance = {.Size = sizeof(NPI_REGISTRATION_INSTANCE), .NpiId = &other}};
  static NPI_PROVIDER_CHARACTERISTICS free_provider = {
      .Length = sizeof(free_provider),
      .ProviderAttachClient = [](HANDLE, void *, PNPI_REGISTRATION_INSTANCE, void *peer, const void *, void **own, const void **) -> NTSTATUS {
        *own = peer;
        return STATUS_SUCCESS;
      },
      .ProviderDetachClient = [](void *) -> NTSTATUS { return STATUS_SUCCESS; },
      .ProviderRegistrationInstance = {.Size = sizeof(NPI_REGISTRATION_INSTANCE), .NpiId = &other}};
  std::thread providers([&] {
    while (std::chrono::steady_clock::now() < end) {
      HANDLE handle;
      REQUIRE(NT_SUCCESS(NmrRegisterProvider(&free_provider, nullptr, &handle)));
      if (NmrDeregisterProvider(handle) == STATUS_PENDING) REQUIRE(NmrWaitForProviderDeregisterComplete(handle) == STATUS_SUCCESS);
    }
  });
  while (std::chrono::steady_clock::now() < end) {
    HANDLE handle;
    REQUIRE(NT_SUCCESS(NmrRegisterClient(&free_client, nullptr, &handle)));
    if (NmrDeregisterClient(handle) == STATUS_PENDING) REQUIRE(NmrWaitForClientDeregisterComplete(handle) == STATUS_SUCCESS);
  }
  providers.join();
  std::puts("ported source: ok");
}
