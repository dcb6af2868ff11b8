/* The questions to the dynamic linker that glibc answers under _GNU_SOURCE only, which Swift's own view of glibc lacks. */
#ifndef NSPHOST_CDYNAMICLINKER_H
#define NSPHOST_CDYNAMICLINKER_H

#include <stddef.h>

/* The start of the mapping that an address belongs to; NULL when it belongs to no loaded file. Any thread; it does not wait for a
   file that is being loaded, as dladdr does. */
void *nsp_mapping_base(const void *address);

/* The start of the mapping of a file opened with dlopen; NULL when the handle is none. */
void *nsp_module_base(void *handle);

/* To be called on the thread that calls dlopen or dlclose, before and after. A process that ends waits 3 s for such calls on other
   threads; then it ends without the destructors of its files, because the dynamic linker would wait for the call without end. */
void nsp_linking_begins(void);
void nsp_linking_ends(void);

/* The address of a function that the file itself defines: for an indirect function, what its resolver answers. NULL for a name that
   only a library of the file defines, and for a symbol that is no function. Waits while another file is being loaded. */
void *nsp_function(void *handle, const char *name);

/* How far the mapping of the file that an address belongs to reaches, in bytes; 0 when it belongs to no loaded file. */
size_t nsp_mapping_size(const void *address);

/* Calls `visit` with the path of every library that the process has loaded, and with the name that it gives itself (DT_SONAME), or
   NULL. */
void nsp_each_library(void (*visit)(const char *path, const char *name, void *context), void *context);

/* The path of the library that the host itself is in; NULL where it is a part of the program. For the life of the process. */
const char *nsp_own_library(void);

/* Calls `visit` with the folders in which the dynamic linker looks for libraries of libc, in its order: its own are the last. Waits while
   a file is being loaded. */
void nsp_each_search_folder(void (*visit)(const char *folder, void *context), void *context);

/* The n-th of the folders of glibc-hwcaps that this processor's libraries are looked for in, best first; NULL behind the last. */
const char *nsp_processor_folder(int n);

/* What $PLATFORM stands for; NULL where the kernel does not say it. */
const char *nsp_platform(void);

/* Whether the process runs in secure-execution mode (set-user-ID and the like): then its environment is a stranger's. */
int nsp_secure_execution(void);

/* NSPHostLog with the address that it was called from: Swift can't ask who calls. Written in Swift. */
void nsp_host_log(void *call, unsigned level, const char *text, const void *caller);

/* NSPHostChanged likewise: the id of a provider, and UTF-16 text or NULL. */
int nsp_host_changed(const void *provider, const void *name, const void *caller);

#endif
