#ifndef CTHREADS_H
#define CTHREADS_H

#include <stddef.h>

/* The one way in which this project's code starts a thread. Any thread may call. */

#ifdef __cplusplus
extern "C" {
#endif

/* Runs `work` on a new thread, which nobody waits for. All signals are blocked on it but those that code brings upon itself. Its stack has
   1 MiB. Returns 0, or a code of errno; then `work` does not run. */
int nsp_start_thread(void (*work)(void *), void *context);

/* How many bytes more of stack the threads get that are started from now on: where static thread-local storage, which lies in the stack of
   every thread, takes more than usual. */
void nsp_make_room_for_threads(size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
