/* What in this process would still run code of files that are about to be unmapped. */
#ifndef NSPHOST_CMAPPEDFILES_H
#define NSPHOST_CMAPPEDFILES_H

#include <stddef.h>

/* What tells a file that is open from others: its dynamic section. NULL where the handle is none of dlopen's. */
const void *nsp_file_identity(void *handle);

/* Whether the dynamic linker has mapped a file under this name. It does not where it gives out one that it had under another name. */
int nsp_file_is_named(void *handle, const char *name);

/* What would still run the code of a file, as a text for people; empty where nothing would. */
struct nsp_use {
  char text[200];
};

/* Looks for what would run code that leaves the process when files are closed: their own, and that of libraries which they need and neither the
   program nor a file that stays open does. That is a thread that is in it or returns to it, the handler of a signal, a destructor of
   thread-specific data, a timer that starts a thread, a call of on_exit. Threads of the host's own do not count: the host knows what they run. What can't be seen
   counts. One look at each thread, for all files. Each file is given by its identity; what is no file any more has no use. Any thread; does not
   wait. */
void nsp_files_in_use(const void *const *files, size_t count, const void *const *open, size_t open_count, struct nsp_use *uses);

/* Runs the destructors of a file, which may end its threads; when it is unmapped they do not run again. Returns 1 when they have run, 0 when the
   file has none of its own. Calls out. Once for each file that is open. */
int nsp_run_destructors(const void *file);

#endif
