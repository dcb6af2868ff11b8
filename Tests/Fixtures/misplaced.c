/* A transport that deletes a connection whose call is active: call management refuses that, and says so. The sample, with that at the end of its
   script. */
#define NSPModuleLoad load_sample
#include "../../sample-providers/loopback-mcm/loopback-mcm.c"
#undef NSPModuleLoad

NTSTATUS NSPModuleLoad(void) {
  NTSTATUS status = load_sample();
  NDIS_HANDLE vc = calls[0].vc;
  return status == STATUS_SUCCESS && (vc == NULL || NdisMCmDeleteVc(vc) == NDIS_STATUS_SUCCESS) ? STATUS_UNSUCCESSFUL : status;
}
