#define _GNU_SOURCE
#include "ModuleABI.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int nsp_copy_memory(void *to, const void *from, size_t count) {
  struct iovec here = {to, count}, there = {(void *)from, count};
  ssize_t copied = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
  if (copied < 0 && (errno == ENOSYS || errno == EPERM)) {
    /* Whoever confines this process has forbidden the call: then as glibc does it, which believes its modules. */
    memcpy(to, from, count);
    return 0;
  }
  return copied == (ssize_t)count ? 0 : -1;
}
