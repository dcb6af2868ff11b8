/* Whether memory of this process can be read, asked without reading it. */
#ifndef NSPHOST_CREADABLEMEMORY_H
#define NSPHOST_CREADABLEMEMORY_H

#include <stddef.h>

/* The smallest page of the system's: what is readable at one address is readable up to the next multiple of this. */
#define NSP_PAGE_BYTES 4096

/* 1 where the page that an address lies in can be read, 0 where a read would end the process. Any address, any thread, also in a handler of
   signals; errno stays. The answer holds until somebody unmaps the page. One system call. */
int nsp_is_readable(const void *address);

/* The same for so many bytes from an address on: a system call for each page. */
int nsp_are_readable(const void *address, size_t bytes);

#endif
