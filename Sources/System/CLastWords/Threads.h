/* The host's own threads, one place each. */
#ifndef NSPHOST_THREADS_H
#define NSPHOST_THREADS_H

#include "CLastWords.h"

#include <stdatomic.h>
#include <stdint.h>

enum { NSP_THREADS = 1024, NSP_TEXT = 60 };
struct nsp_thread {
  _Atomic int number; /* 0: the place is free */
  /* Its mark, as long as it lives, and after an end of which it has not told. NULL for a thread that others have started. */
  const struct nsp_mark *_Atomic mark;
  /* What it runs of whose, where marks are published. */
  char provider[NSP_TEXT], routine[NSP_TEXT];
};
struct nsp_thread *nsp_threads(void);

/* The calling thread takes a place, or gives its own back. */
void nsp_thread_enter(void);
void nsp_thread_leave(void);
/* Others may look at what the calling thread runs. Its storage stays where it is if it ends without a word. */
void nsp_thread_show_mark(void);

/* Which known file an address lies in, also one that is gone; -1 for none. */
int nsp_file_of(uintptr_t address);
int nsp_is_in_mapped_file(uintptr_t address);

#endif
