/* The per-thread last error. In C because Swift has no thread-local variables. Initial-exec: one load or store, no call, and no
   allocation on a provider's first use. */
#include "CLastError.h"

static _Thread_local DWORD lastError __attribute__((tls_model("initial-exec")));

INT WSAGetLastError(void) { return (INT)lastError; }
VOID WSASetLastError(INT iError) { lastError = (DWORD)iError; }
DWORD GetLastError(void) { return lastError; }
VOID SetLastError(DWORD dwErrCode) { lastError = dwErrCode; }
