/* A transport of StuckTransportTests.swift: the sample, but no close that the host asks for is ever completed. */
#include "../../sample-providers/loopback-mcm/loopback-mcm.c"

static NDIS_STATUS never(NDIS_HANDLE context, NDIS_HANDLE party, PVOID data, UINT size) {
  (void)context, (void)party, (void)data, (void)size;
  return NDIS_STATUS_PENDING;
}
__attribute__((constructor)) static void prepare(void) { handlers.CmCloseCallHandler = never; }
