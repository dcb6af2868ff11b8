#define _GNU_SOURCE
#include "CReadableMemory.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel copies the new mask before it looks at what is to be done with it, which is nothing: EINVAL says that the copy went well, EFAULT
   that nothing is there. Every process may change its mask, so no filter of system calls is in the way, and nothing is written. Pages that lie
   behind the end of their file, and those that are protected, are EFAULT too. */
int nsp_is_readable(const void *address) {
  const int before = errno;
  const size_t mask_bytes = 8;
  /* NULL would be no mask: the next word of that page. */
  const uintptr_t start = (uintptr_t)address & ~(uintptr_t)(mask_bytes - 1);
  const void *word = (const void *)(start != 0 ? start : mask_bytes);
  const int nothing = ~0;
  const int is_readable = syscall(SYS_rt_sigprocmask, nothing, word, NULL, mask_bytes) == 0 || errno != EFAULT;
  errno = before;
  return is_readable;
}

int nsp_are_readable(const void *address, size_t bytes) {
  const uintptr_t start = (uintptr_t)address;
  if (bytes == 0) return 1;
  if (start + bytes < start) return 0;
  for (uintptr_t page = start & ~(uintptr_t)(NSP_PAGE_BYTES - 1); page < start + bytes; page += NSP_PAGE_BYTES)
    if (!nsp_is_readable((const void *)page)) return 0;
  return 1;
}
