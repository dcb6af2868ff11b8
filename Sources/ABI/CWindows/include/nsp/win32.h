/* The part of the Win32 base that clients and providers of the name service use. Any thread may call any of these functions; those that
   fail leave a code in the thread's last error. */
#ifndef NSP_WIN32_H
#define NSP_WIN32_H

#include <pthread.h>

#include "nsp/windows-compat.h"

NSP_EXTERN_C_BEGIN

typedef WCHAR *PWCHAR;
#ifdef UNICODE
typedef WCHAR TCHAR;
#else
typedef CHAR TCHAR;
#endif

#define MAX_PATH 260
#define S_OK ((HRESULT)0)
#define E_UNEXPECTED ((HRESULT)0x8000FFFF)
#define E_FAIL ((HRESULT)0x80004005)
#define SUCCEEDED(result) ((HRESULT)(result) >= 0)
#define FAILED(result) ((HRESULT)(result) < 0)
static inline HRESULT nsp_result_of_code(DWORD code) {
  return (HRESULT)code <= 0 ? (HRESULT)code : (HRESULT)((code & 0xFFFF) | 0x80070000);
}
#define HRESULT_FROM_WIN32(code) nsp_result_of_code((DWORD)(code))

#define CopyMemory(to, from, bytes) memcpy((to), (from), (bytes))
#define ZeroMemory(place, bytes) memset((place), 0, (bytes))
/* Also where the compiler sees that nobody reads it any more. */
PVOID SecureZeroMemory(PVOID place, SIZE_T bytes);
#define CONTAINING_RECORD(address, type, field) ((type *)((char *)(address) - offsetof(type, field)))
#ifndef UNREFERENCED_PARAMETER
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#endif

/* Critical sections: the thread that is inside may enter again. */
typedef struct _RTL_CRITICAL_SECTION {
  pthread_mutex_t lock;
} CRITICAL_SECTION, *PCRITICAL_SECTION, *LPCRITICAL_SECTION;
VOID WINAPI InitializeCriticalSection(LPCRITICAL_SECTION section);
VOID WINAPI EnterCriticalSection(LPCRITICAL_SECTION section);
VOID WINAPI LeaveCriticalSection(LPCRITICAL_SECTION section);
VOID WINAPI DeleteCriticalSection(LPCRITICAL_SECTION section);

/* Events, the same as those of WSACreateEvent: one with manual reset is good for GetAddrInfoEx. They have no names and no attributes; both
   are NULL, or it is WSA_INVALID_PARAMETER. */
#define WAIT_FAILED ((DWORD)0xFFFFFFFF)
HANDLE WINAPI CreateEventA(LPVOID attributes, BOOL manualReset, BOOL initiallySet, LPCSTR name);
HANDLE WINAPI CreateEventW(LPVOID attributes, BOOL manualReset, BOOL initiallySet, LPCWSTR name);
BOOL WINAPI SetEvent(HANDLE event);
BOOL WINAPI ResetEvent(HANDLE event);
/* WAIT_OBJECT_0, WAIT_TIMEOUT or WAIT_FAILED; milliseconds, or INFINITE. */
DWORD WINAPI WaitForSingleObject(HANDLE event, DWORD milliseconds);
BOOL WINAPI CloseHandle(HANDLE event);
VOID WINAPI Sleep(DWORD milliseconds);

/* Heap memory is malloc's; there is one heap. */
HANDLE WINAPI GetProcessHeap(VOID);
LPVOID WINAPI HeapAlloc(HANDLE heap, DWORD flags, SIZE_T bytes);
BOOL WINAPI HeapFree(HANDLE heap, DWORD flags, LPVOID memory);

/* Comparison without regard to case, in all scripts. */
int WINAPI lstrcmpiA(LPCSTR one, LPCSTR other);
int WINAPI lstrcmpiW(LPCWSTR one, LPCWSTR other);

/* The host name. *count: characters that there is room for, in; those written without the NUL, out, or, when it does not fit (code 111),
   those needed with it. */
BOOL WINAPI GetComputerNameA(LPSTR name, LPDWORD count);
BOOL WINAPI GetComputerNameW(LPWSTR name, LPDWORD count);

/* Handlers run on a thread of their own, the last one added first, until one answers TRUE; when none does, the signal has its usual
   effect. The process goes on behind a TRUE whatever the event. SIGINT, SIGQUIT, SIGHUP and SIGTERM are CTRL_C, CTRL_BREAK, CTRL_CLOSE and
   CTRL_SHUTDOWN; nothing is CTRL_LOGOFF. A NULL handler: Ctrl-C is ignored (TRUE), or not any more (FALSE). Waits for handlers that are
   running, for five seconds at most, unless one of them calls it. */
#define CTRL_C_EVENT 0
#define CTRL_BREAK_EVENT 1
#define CTRL_CLOSE_EVENT 2
#define CTRL_LOGOFF_EVENT 5
#define CTRL_SHUTDOWN_EVENT 6
typedef BOOL(WINAPI *PHANDLER_ROUTINE)(DWORD event);
BOOL WINAPI SetConsoleCtrlHandler(PHANDLER_ROUTINE handler, BOOL add);

NSP_EXTERN_C_END

/* On Windows a DWORD is an unsigned long, and sources pass one. */
#ifdef __cplusplus
static inline BOOL GetComputerNameA(LPSTR name, unsigned long *count) {
  DWORD given = (DWORD)*count;
  BOOL done = GetComputerNameA(name, &given);
  *count = given;
  return done;
}
static inline BOOL GetComputerNameW(LPWSTR name, unsigned long *count) {
  DWORD given = (DWORD)*count;
  BOOL done = GetComputerNameW(name, &given);
  *count = given;
  return done;
}
#endif

#ifdef UNICODE
#define CreateEvent CreateEventW
#define lstrcmpi lstrcmpiW
#define GetComputerName GetComputerNameW
#else
#define CreateEvent CreateEventA
#define lstrcmpi lstrcmpiA
#define GetComputerName GetComputerNameA
#endif

#endif
