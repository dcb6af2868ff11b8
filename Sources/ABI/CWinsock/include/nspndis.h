/* What call management needs of the rest of NDIS, in the smallest form: drivers, adapters, bindings. And the interface by which a
   plugin file brings clients to the host: a transport, which is a miniport call manager. Any thread may call. */
#ifndef NSP_NSPNDIS_H
#define NSP_NSPNDIS_H

#include "ndis.h"
#include "netioddk.h"

NSP_EXTERN_C_BEGIN

/* A driver is what its tables say (NdisSetOptionalHandlers): with client handlers a client, with call manager handlers a call
   manager, with miniport characteristics a miniport, with the last two a miniport call manager. NDIS_STATUS_RESOURCES when there is
   no handle left. */
NSP_EXPORT NDIS_STATUS NspRegisterDriver(PNDIS_HANDLE NdisDriverHandle);
/* NDIS_STATUS_NOT_ACCEPTED as long as it has adapters or bindings. */
NSP_EXPORT NDIS_STATUS NspDeregisterDriver(NDIS_HANDLE NdisDriverHandle);

/* An adapter of a miniport. NDIS_STATUS_FAILURE for a driver that is none. The handle is written before the function returns. */
NSP_EXPORT NDIS_STATUS NspCreateAdapter(NDIS_HANDLE NdisDriverHandle, NDIS_HANDLE MiniportAdapterContext, PNDIS_HANDLE MiniportAdapterHandle);
/* NDIS_STATUS_NOT_ACCEPTED as long as somebody is bound to it, or it has connections. */
NSP_EXPORT NDIS_STATUS NspHaltAdapter(NDIS_HANDLE MiniportAdapterHandle);

/* Binds a client or a call manager to an adapter. A client is told of every address family that is registered there, before this
   returns and after the handle is written. */
NSP_EXPORT NDIS_STATUS NspOpenAdapter(NDIS_HANDLE NdisDriverHandle, NDIS_HANDLE MiniportAdapterHandle, NDIS_HANDLE ProtocolBindingContext, PNDIS_HANDLE NdisBindingHandle);
/* NDIS_STATUS_NOT_ACCEPTED as long as address families are open through it. */
NSP_EXPORT NDIS_STATUS NspCloseAdapter(NDIS_HANDLE NdisBindingHandle);

/* Transports. A file registers a provider module of the interface below, in NSPModuleLoad say; the host attaches to it. The
   provider dispatch table is an NSP_TRANSPORT, and the provider's binding context is the context of the adapter. There is no client
   dispatch table. static const NPIID npi = NSP_NPI_TRANSPORT;

   The host creates the adapter and calls TransportInitialize, which registers the address family CO_ADDRESS_FAMILY_NSP
   (NdisMCmRegisterAddressFamilyEx). The host opens it and registers its service access point: SapType SAP_TYPE_NSP, of SapLength 0.
   From then on the transport offers one incoming call for each client that arrives: NdisMCmCreateVc, NdisMCmActivateVc,
   NdisMCmDispatchIncomingCall, and when the answer is NDIS_STATUS_SUCCESS, perhaps later, NdisMCmDispatchCallConnected. A call that
   is up is the session of that client. When the client ends, however it ends, the transport indicates the close; the host
   acknowledges with ProtocolCmCloseCall when every provider has been told, and the transport completes that, now or later, and deletes
   the connection. No data passes.

   When the module detaches, the host closes every call, deregisters the service access point, closes the address family, and
   calls TransportHalt; after that it calls the transport no more. */
#define NSP_NPI_TRANSPORT \
  { 0x2f1c0000, 0x0000, 0x4000, { 0x80, 0, 0, 0, 0, 0, 0, 2 } }
#define CO_ADDRESS_FAMILY_NSP ((NDIS_AF)0x4E5350)
#define SAP_TYPE_NSP 0x4E5350

typedef NDIS_STATUS NSP_TRANSPORT_INITIALIZE(NDIS_HANDLE MiniportAdapterHandle, NDIS_HANDLE MiniportAdapterContext);
typedef VOID NSP_TRANSPORT_HALT(NDIS_HANDLE MiniportAdapterContext);

typedef struct _NSP_TRANSPORT {
  DWORD cbSize;  /* sizeof(NSP_TRANSPORT) */
  LPCSTR lpszName; /* for display; UTF-8 */
  PNDIS_CO_CALL_MANAGER_OPTIONAL_HANDLERS CallManagerHandlers;
  NSP_TRANSPORT_INITIALIZE *TransportInitialize; /* NDIS_STATUS_SUCCESS, or the transport is not used */
  NSP_TRANSPORT_HALT *TransportHalt;
} NSP_TRANSPORT;

/* Who calls: CallMgrParameters->CallMgrSpecific of the call parameters, with this ParamType and Length
   sizeof(NSP_PEER_CREDENTIALS) or more. The transport vouches for it; but for the session's
   number, nothing in it comes from the client's own mouth. */
#define CALLMGR_SPECIFIC_NSP_PEER 0x4E5350
typedef struct _NSP_PEER_CREDENTIALS {
  INT ProcessId;
  ULONG UserId;
  ULONG GroupId;
  INT ProcessFd;    /* a pidfd, the transport's own; -1 when there is none */
  CHAR Command[16]; /* for display; need not end with a NUL */
  ULONGLONG ProcessStart; /* field 22 of /proc/PID/stat; calls of one process share its session. 0: this call has one of its own */
  ULONGLONG SessionNumber; /* tells the sessions of one process apart, in any way: the process's own word is good enough */
} NSP_PEER_CREDENTIALS, *PNSP_PEER_CREDENTIALS;

/* Close statuses between host and transports; each is the reason in an incoming close, or the close data of the host's own close
   (one NDIS_STATUS). */
#define NSP_CLOSE_REMOTE NDIS_STATUS_SUCCESS                      /* the client said goodbye: providers get Cleanup */
#define NSP_CLOSE_PEER_LOST NDIS_STATUS_MEDIA_DISCONNECT          /* it vanished: Rundown, as for all below except shutting down */
#define NSP_CLOSE_LINE_DOWN NDIS_STATUS_HARDWARE_LINE_DOWN        /* the transport's link to its clients is gone */
#define NSP_CLOSE_IDLE NDIS_STATUS_NETWORK_UNREACHABLE            /* it was silent for too long */
#define NSP_CLOSE_PROTOCOL_ERROR NDIS_STATUS_INVALID_DATA         /* it sent what can't be understood */
#define NSP_CLOSE_OVER_QUOTA NDIS_STATUS_RESOURCES                /* it took more than it may */
#define NSP_CLOSE_KICKED NDIS_STATUS_REQUEST_ABORTED              /* an operator ended it */
#define NSP_CLOSE_SHUTTING_DOWN NDIS_STATUS_CLOSING               /* the host or the transport ends: Cleanup */

NSP_ASSERT_SIZE(NSP_PEER_CREDENTIALS, 48);
NSP_ASSERT_OFFSET(NSP_PEER_CREDENTIALS, ProcessStart, 32);
NSP_ASSERT_SIZE(NSP_TRANSPORT, 40);
NSP_ASSERT_OFFSET(NSP_TRANSPORT, lpszName, 8);

NSP_EXTERN_C_END

#endif
