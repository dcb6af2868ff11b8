/* The per-thread last error. In C because the host's Swift code has no thread-local variables. */
#include "winsock2.h"

static _Thread_local DWORD lastError;

INT WSAGetLastError(void) { return (INT)lastError; }
VOID WSASetLastError(INT iError) { lastError = (DWORD)iError; }
DWORD GetLastError(void) { return lastError; }
VOID SetLastError(DWORD dwErrCode) { lastError = dwErrCode; }
