/* The code that leaves the process with files that are about to be closed. */
#ifndef NSPHOST_LEAVING_H
#define NSPHOST_LEAVING_H

#include <stddef.h>
#include <stdint.h>

/* Code of a file's, or of a library's that goes with it, from the first byte to the one behind the last. */
struct part {
  uintptr_t start, end;
  size_t file;
  /* It refers to on_exit. */
  int handles_exit;
};

struct parts {
  struct part *all;
  size_t count, room;
};

/* Sorted by their starts; a library that several of the files need is there once for each. The parts are freed by the caller. 0: there is no
   memory for them. */
int parts_leaving(const void *const *files, size_t count, const void *const *open, size_t open_count, struct parts *parts);

/* Makes room for one more at the end of an array of `count` elements. 0: there is no memory for it, and the array stays as it is. */
int nsp_grow(void **all, size_t *room, size_t count, size_t size);

#endif
