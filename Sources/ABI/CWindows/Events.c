/* Events and waiting: those of libnsp.so, so that the client API can set what CreateEvent has made. */
#include "CWindows.h"

#include <errno.h>
#include <time.h>

/* Of libnsp.so. */
uintptr_t nsp_signal_create(void);
uintptr_t nsp_signal_create_automatic(void);
int nsp_signal_close(uintptr_t handle);
int nsp_signal_set(uintptr_t handle);
int nsp_signal_reset(uintptr_t handle);
int nsp_signal_wait(const void *const *handles, unsigned count, int waitsForAll, int64_t milliseconds);

static BOOL succeeds(int status) {
  if (status != 0) SetLastError(WSA_INVALID_HANDLE);
  return status == 0;
}

static HANDLE create_event(LPVOID attributes, BOOL manualReset, BOOL initiallySet, const void *name) {
  if (attributes != NULL || name != NULL) return SetLastError(WSA_INVALID_PARAMETER), NULL;
  uintptr_t event = manualReset ? nsp_signal_create() : nsp_signal_create_automatic();
  if (event == 0) SetLastError(WSA_NOT_ENOUGH_MEMORY);
  else if (initiallySet) nsp_signal_set(event);
  return (HANDLE)event;
}
HANDLE CreateEventA(LPVOID attributes, BOOL manualReset, BOOL initiallySet, LPCSTR name) {
  return create_event(attributes, manualReset, initiallySet, name);
}
HANDLE CreateEventW(LPVOID attributes, BOOL manualReset, BOOL initiallySet, LPCWSTR name) {
  return create_event(attributes, manualReset, initiallySet, name);
}

BOOL SetEvent(HANDLE event) { return succeeds(nsp_signal_set((uintptr_t)event)); }
BOOL ResetEvent(HANDLE event) { return succeeds(nsp_signal_reset((uintptr_t)event)); }
BOOL CloseHandle(HANDLE event) { return succeeds(nsp_signal_close((uintptr_t)event)); }

DWORD WaitForSingleObject(HANDLE event, DWORD milliseconds) {
  const void *handle = event;
  int found = nsp_signal_wait(&handle, 1, 0, milliseconds == INFINITE ? -1 : (int64_t)milliseconds);
  if (found < 0) SetLastError(WSA_INVALID_HANDLE);
  return found < 0 ? WAIT_FAILED : found == 0 ? WAIT_OBJECT_0 : WAIT_TIMEOUT;
}

VOID Sleep(DWORD milliseconds) {
  struct timespec rest = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
  do {
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {}
    rest.tv_sec = 1 << 30;
  } while (milliseconds == INFINITE);
}
