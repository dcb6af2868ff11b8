/* The questions to the dynamic linker that glibc answers under _GNU_SOURCE only, which Swift's own view of glibc lacks. */
#ifndef NSPHOST_CDYNAMICLINKER_H
#define NSPHOST_CDYNAMICLINKER_H

#include <stddef.h>

/* The start of the mapping that an address belongs to; NULL when it belongs to no loaded file. */
void *nsp_mapping_base(const void *address);

/* The start of the mapping of a file opened with dlopen; NULL when the handle is none. */
void *nsp_module_base(void *handle);

/* How far the mapping of the file that an address belongs to reaches, in bytes; 0 when it belongs to no loaded file. */
size_t nsp_mapping_size(const void *address);

/* Calls `visit` with the path of every library that the process has loaded. */
void nsp_each_library(void (*visit)(const char *path, void *context), void *context);

/* Whether the process runs in secure-execution mode (set-user-ID and the like): then its environment is a stranger's. */
int nsp_secure_execution(void);

/* NSPHostLog with the address that it was called from: Swift can't ask who calls. Written in Swift. */
void nsp_host_log(void *call, unsigned level, const char *text, const void *caller);

/* NSPHostChanged likewise: the id of a provider, and UTF-16 text or NULL. */
int nsp_host_changed(const void *provider, const void *name, const void *caller);

#endif
