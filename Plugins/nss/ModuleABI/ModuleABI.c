#define _GNU_SOURCE
#include "ModuleABI.h"

#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

void nsp_read_host_configuration(void) {
  /* The file is read with that of the resolver, and once for the process. */
  struct __res_state state;
  memset(&state, 0, sizeof state);
  if (res_ninit(&state) == 0) res_nclose(&state);
}

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
