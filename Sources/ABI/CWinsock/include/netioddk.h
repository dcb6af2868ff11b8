/* The network module registrar: attaches client modules of an interface to provider modules of the same interface, and
   detaches them before one of them goes. The registrar relays contexts and dispatch tables and looks into neither. (NMR §4)

   Order of callbacks for one binding: ClientAttachProvider, inside it ProviderAttachClient; later ClientDetachProvider,
   ProviderDetachClient, ClientCleanupBindingContext, ProviderCleanupBindingContext. No lock of the registrar is held during any:
   a callback may call every function below. Callbacks for different bindings may run at the same time. */
#ifndef _NETIODDK_
#define _NETIODDK_

#include "netiodef.h"

NSP_EXTERN_C_BEGIN

/* One registration of a module. The memory of the structure, and what it points to, stays until deregistration is complete;
   peers see this very address. */
typedef struct _NPI_REGISTRATION_INSTANCE {
  USHORT Version;         /* 0 */
  USHORT Size;            /* sizeof(NPI_REGISTRATION_INSTANCE) */
  PNPIID NpiId;
  PNPI_MODULEID ModuleId; /* may be NULL */
  ULONG Number;           /* which implementation of the interface; 0 when there is one */
  const void *NpiSpecificCharacteristics;
} NPI_REGISTRATION_INSTANCE;
typedef const NPI_REGISTRATION_INSTANCE *PNPI_REGISTRATION_INSTANCE;

/* A provider is offered. The client declines with STATUS_NOINTERFACE, or calls NmrClientAttachProvider before it returns
   and returns what that returned. */
typedef NTSTATUS NPI_CLIENT_ATTACH_PROVIDER_FN(HANDLE NmrBindingHandle, PVOID ClientContext, PNPI_REGISTRATION_INSTANCE ProviderRegistrationInstance);
typedef NPI_CLIENT_ATTACH_PROVIDER_FN *PNPI_CLIENT_ATTACH_PROVIDER_FN;

/* The binding ends: no new call to the provider from now on. STATUS_SUCCESS when none is in progress, else STATUS_PENDING,
   and NmrClientDetachProviderComplete when the last has returned. */
typedef NTSTATUS NPI_CLIENT_DETACH_PROVIDER_FN(PVOID ClientBindingContext);
typedef NPI_CLIENT_DETACH_PROVIDER_FN *PNPI_CLIENT_DETACH_PROVIDER_FN;

/* Both sides are detached: the client's context is its own again, to be freed. */
typedef VOID NPI_CLIENT_CLEANUP_BINDING_CONTEXT_FN(PVOID ClientBindingContext);
typedef NPI_CLIENT_CLEANUP_BINDING_CONTEXT_FN *PNPI_CLIENT_CLEANUP_BINDING_CONTEXT_FN;

/* A client attaches. STATUS_SUCCESS, with context and dispatch table stored, attaches it; any other status declines. */
typedef NTSTATUS NPI_PROVIDER_ATTACH_CLIENT_FN(HANDLE NmrBindingHandle, PVOID ProviderContext, PNPI_REGISTRATION_INSTANCE ClientRegistrationInstance, PVOID ClientBindingContext, const void *ClientDispatch, PVOID *ProviderBindingContext, const void **ProviderDispatch);
typedef NPI_PROVIDER_ATTACH_CLIENT_FN *PNPI_PROVIDER_ATTACH_CLIENT_FN;

/* As ClientDetachProvider, with NmrProviderDetachClientComplete. */
typedef NTSTATUS NPI_PROVIDER_DETACH_CLIENT_FN(PVOID ProviderBindingContext);
typedef NPI_PROVIDER_DETACH_CLIENT_FN *PNPI_PROVIDER_DETACH_CLIENT_FN;

typedef VOID NPI_PROVIDER_CLEANUP_BINDING_CONTEXT_FN(PVOID ProviderBindingContext);
typedef NPI_PROVIDER_CLEANUP_BINDING_CONTEXT_FN *PNPI_PROVIDER_CLEANUP_BINDING_CONTEXT_FN;

typedef struct _NPI_CLIENT_CHARACTERISTICS {
  USHORT Version; /* 0 */
  USHORT Length;  /* sizeof(NPI_CLIENT_CHARACTERISTICS) */
  PNPI_CLIENT_ATTACH_PROVIDER_FN ClientAttachProvider;
  PNPI_CLIENT_DETACH_PROVIDER_FN ClientDetachProvider;
  PNPI_CLIENT_CLEANUP_BINDING_CONTEXT_FN ClientCleanupBindingContext; /* may be NULL */
  NPI_REGISTRATION_INSTANCE ClientRegistrationInstance;
} NPI_CLIENT_CHARACTERISTICS;
typedef const NPI_CLIENT_CHARACTERISTICS *PNPI_CLIENT_CHARACTERISTICS;

typedef struct _NPI_PROVIDER_CHARACTERISTICS {
  USHORT Version; /* 0 */
  USHORT Length;  /* sizeof(NPI_PROVIDER_CHARACTERISTICS) */
  PNPI_PROVIDER_ATTACH_CLIENT_FN ProviderAttachClient;
  PNPI_PROVIDER_DETACH_CLIENT_FN ProviderDetachClient;
  PNPI_PROVIDER_CLEANUP_BINDING_CONTEXT_FN ProviderCleanupBindingContext; /* may be NULL */
  NPI_REGISTRATION_INSTANCE ProviderRegistrationInstance;
} NPI_PROVIDER_CHARACTERISTICS;
typedef const NPI_PROVIDER_CHARACTERISTICS *PNPI_PROVIDER_CHARACTERISTICS;

/* Register a module and offer it, on this thread and before the function returns, to every module of the other role that is
   registered for the same interface, oldest first. The handle is written before the first callback.
   STATUS_SUCCESS whatever the offers came to; STATUS_INVALID_PARAMETER; STATUS_INSUFFICIENT_RESOURCES.  (NMR §7.1, §14) */
NSP_EXPORT NTSTATUS NmrRegisterClient(PNPI_CLIENT_CHARACTERISTICS ClientCharacteristics, PVOID ClientContext, PHANDLE NmrClientHandle);
NSP_EXPORT NTSTATUS NmrRegisterProvider(PNPI_PROVIDER_CHARACTERISTICS ProviderCharacteristics, PVOID ProviderContext, PHANDLE NmrProviderHandle);

/* Attaches the client to the provider that it was offered; while its ClientAttachProvider runs, from any thread. Returns what
   ProviderAttachClient returned, and stores the provider's context and dispatch table on STATUS_SUCCESS alone.
   STATUS_INVALID_PARAMETER, STATUS_INVALID_DEVICE_STATE, or STATUS_NOINTERFACE when one of them is going, without asking the
   provider.  (NMR §7.2) */
NSP_EXPORT NTSTATUS NmrClientAttachProvider(HANDLE NmrBindingHandle, PVOID ClientBindingContext, const void *ClientDispatch, PVOID *ProviderBindingContext, const void **ProviderDispatch);

/* Complete a detach for which the callback answered, or is about to answer, STATUS_PENDING. Any thread. The cleanup callbacks may
   run before these return: the context must not be touched after. Anything out of place is ignored.  (NMR §7.3) */
NSP_EXPORT VOID NmrClientDetachProviderComplete(HANDLE NmrBindingHandle);
NSP_EXPORT VOID NmrProviderDetachClientComplete(HANDLE NmrBindingHandle);

/* Start to take a registration back: detaches its bindings on this thread. STATUS_PENDING when accepted, even when all is done
   already; STATUS_INVALID_PARAMETER; STATUS_INVALID_DEVICE_STATE for a second time.  (NMR §10.1, §10.3) */
NSP_EXPORT NTSTATUS NmrDeregisterClient(HANDLE NmrClientHandle);
NSP_EXPORT NTSTATUS NmrDeregisterProvider(HANDLE NmrProviderHandle);

/* Wait until a deregistration is complete: then no callback of the module runs or will run. STATUS_SUCCESS, as often as asked;
   STATUS_INVALID_PARAMETER when it was not deregistered; STATUS_POSSIBLE_DEADLOCK from inside one of the module's own
   callbacks.  (NMR §10.2) */
NSP_EXPORT NTSTATUS NmrWaitForClientDeregisterComplete(HANDLE NmrClientHandle);
NSP_EXPORT NTSTATUS NmrWaitForProviderDeregisterComplete(HANDLE NmrProviderHandle);

/* As NmrDeregister..., but STATUS_SUCCESS when everything was done at once. Sources that count on that define
   NMR_COMPAT_SYNC_DEREGISTER before they include this header.  (NMR §10.3) */
NSP_EXPORT NTSTATUS NmrCompatDeregisterClient(HANDLE NmrClientHandle);
NSP_EXPORT NTSTATUS NmrCompatDeregisterProvider(HANDLE NmrProviderHandle);
#ifdef NMR_COMPAT_SYNC_DEREGISTER
#define NmrDeregisterClient NmrCompatDeregisterClient
#define NmrDeregisterProvider NmrCompatDeregisterProvider
#endif

NSP_ASSERT_SIZE(NPI_REGISTRATION_INSTANCE, 40);
NSP_ASSERT_ALIGNMENT(NPI_REGISTRATION_INSTANCE, 8);
NSP_ASSERT_OFFSET(NPI_REGISTRATION_INSTANCE, Version, 0);
NSP_ASSERT_OFFSET(NPI_REGISTRATION_INSTANCE, Size, 2);
NSP_ASSERT_OFFSET(NPI_REGISTRATION_INSTANCE, NpiId, 8);
NSP_ASSERT_OFFSET(NPI_REGISTRATION_INSTANCE, ModuleId, 16);
NSP_ASSERT_OFFSET(NPI_REGISTRATION_INSTANCE, Number, 24);
NSP_ASSERT_OFFSET(NPI_REGISTRATION_INSTANCE, NpiSpecificCharacteristics, 32);
NSP_ASSERT_SIZE(NPI_CLIENT_CHARACTERISTICS, 72);
NSP_ASSERT_ALIGNMENT(NPI_CLIENT_CHARACTERISTICS, 8);
NSP_ASSERT_OFFSET(NPI_CLIENT_CHARACTERISTICS, Version, 0);
NSP_ASSERT_OFFSET(NPI_CLIENT_CHARACTERISTICS, Length, 2);
NSP_ASSERT_OFFSET(NPI_CLIENT_CHARACTERISTICS, ClientAttachProvider, 8);
NSP_ASSERT_OFFSET(NPI_CLIENT_CHARACTERISTICS, ClientDetachProvider, 16);
NSP_ASSERT_OFFSET(NPI_CLIENT_CHARACTERISTICS, ClientCleanupBindingContext, 24);
NSP_ASSERT_OFFSET(NPI_CLIENT_CHARACTERISTICS, ClientRegistrationInstance, 32);
NSP_ASSERT_SIZE(NPI_PROVIDER_CHARACTERISTICS, 72);
NSP_ASSERT_ALIGNMENT(NPI_PROVIDER_CHARACTERISTICS, 8);
NSP_ASSERT_OFFSET(NPI_PROVIDER_CHARACTERISTICS, Version, 0);
NSP_ASSERT_OFFSET(NPI_PROVIDER_CHARACTERISTICS, Length, 2);
NSP_ASSERT_OFFSET(NPI_PROVIDER_CHARACTERISTICS, ProviderAttachClient, 8);
NSP_ASSERT_OFFSET(NPI_PROVIDER_CHARACTERISTICS, ProviderDetachClient, 16);
NSP_ASSERT_OFFSET(NPI_PROVIDER_CHARACTERISTICS, ProviderCleanupBindingContext, 24);
NSP_ASSERT_OFFSET(NPI_PROVIDER_CHARACTERISTICS, ProviderRegistrationInstance, 32);

NSP_EXTERN_C_END

#endif
