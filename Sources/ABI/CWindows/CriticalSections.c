/* Critical sections are recursive mutexes. */
#include "CWindows.h"

VOID InitializeCriticalSection(LPCRITICAL_SECTION section) {
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&section->lock, &kind);
  pthread_mutexattr_destroy(&kind);
}
VOID EnterCriticalSection(LPCRITICAL_SECTION section) { pthread_mutex_lock(&section->lock); }
VOID LeaveCriticalSection(LPCRITICAL_SECTION section) { pthread_mutex_unlock(&section->lock); }
VOID DeleteCriticalSection(LPCRITICAL_SECTION section) { pthread_mutex_destroy(&section->lock); }
