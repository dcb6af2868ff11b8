/* A program outside the package: a greeter module and one that uses it find each other through the registrar. C11 and C++17. */
#include <netioddk.h>
#include <stdio.h>
#include <string.h>

typedef struct { const char *(*greet)(PVOID context); } GREETER_DISPATCH;
static const NPIID greeting = {0x6bd1f00d, 0x1000, 0x4000, {0x80, 0, 0, 0, 0, 0, 0, 1}};

static const char *greet(PVOID context) { return (const char *)context; }
static const GREETER_DISPATCH greeter_dispatch = {greet};
static char greeting_text[] = "hello through a binding";

static NTSTATUS greeter_attach(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE client, PVOID peer, const void *peer_dispatch, PVOID *own, const void **dispatch) {
  (void)binding, (void)client, (void)peer, (void)peer_dispatch;
  *own = context;
  *dispatch = &greeter_dispatch;
  return STATUS_SUCCESS;
}
static NTSTATUS detach(PVOID context) { return (void)context, STATUS_SUCCESS; }

static struct { PVOID greeter; const GREETER_DISPATCH *dispatch; int cleanups; } bound;
static NTSTATUS user_attach(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE provider) {
  const void *dispatch = NULL;
  (void)provider;
  NTSTATUS status = NmrClientAttachProvider(binding, context, NULL, &bound.greeter, &dispatch);
  bound.dispatch = (const GREETER_DISPATCH *)dispatch;
  return status;
}
static void user_cleanup(PVOID context) { (void)context, ++bound.cleanups; }

int main(void) {
  NPI_PROVIDER_CHARACTERISTICS greeter = {0, sizeof greeter, greeter_attach, detach, NULL, {0, sizeof(NPI_REGISTRATION_INSTANCE), &greeting, NULL, 0, NULL}};
  NPI_CLIENT_CHARACTERISTICS user = {0, sizeof user, user_attach, detach, user_cleanup, {0, sizeof(NPI_REGISTRATION_INSTANCE), &greeting, NULL, 0, NULL}};
  HANDLE greeter_handle, user_handle;
  if (NmrRegisterProvider(&greeter, greeting_text, &greeter_handle) != STATUS_SUCCESS) return 1;
  if (NmrRegisterClient(&user, NULL, &user_handle) != STATUS_SUCCESS || bound.dispatch == NULL) return 2;
  puts(bound.dispatch->greet(bound.greeter));
  if (strcmp(bound.dispatch->greet(bound.greeter), greeting_text) != 0) return 3;
  if (NmrDeregisterProvider(greeter_handle) != STATUS_PENDING) return 4;
  if (NmrWaitForProviderDeregisterComplete(greeter_handle) != STATUS_SUCCESS || bound.cleanups != 1) return 5;
  if (NmrDeregisterClient(user_handle) != STATUS_PENDING) return 6;
  return NmrWaitForClientDeregisterComplete(user_handle) == STATUS_SUCCESS ? 0 : 7;
}
