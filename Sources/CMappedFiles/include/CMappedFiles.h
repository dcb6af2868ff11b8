/* What in this process would still run code of a file that is about to be unmapped. */
#ifndef NSPHOST_CMAPPEDFILES_H
#define NSPHOST_CMAPPEDFILES_H

#include <stddef.h>
#include <stdint.h>

/* Code, from the first byte to the one behind the last. */
struct nsp_code {
  uintptr_t start, end;
};

/* What tells a file that is open from others: its dynamic section. NULL where the handle is none of dlopen's. */
const void *nsp_file_identity(void *handle);

/* Whether the dynamic linker has mapped a file under this name. It does not where it gives out one that it had under another name. */
int nsp_file_is_named(void *handle, const char *name);

/* The code that leaves the process when a file is closed: its own, and that of the libraries which it needs and the program does not.
   `others`: files that stay open, whose libraries stay as well; those that are closed meanwhile do not count. Returns how many parts there are,
   at most `most`. Any thread. */
size_t nsp_code_leaving(const void *file, const void *const *others, size_t other_count, struct nsp_code *code, size_t most);

/* What would still run it, as a text for people: a thread that is in it or returns to it, the handler of a signal, a destructor of
   thread-specific data, a timer that starts a thread. Threads of the host's own do not count: the host knows what they run. 0: nothing would.
   1: something would, or may, since it can't be seen. Any thread; does not wait. */
int nsp_code_in_use(const struct nsp_code *code, size_t count, char *text, size_t size);

/* Runs the destructors of a file, which may end its threads; when it is unmapped they do not run again. Returns 1 when they have run, 0 when the
   file has none of its own. Calls out. Once for each file that is open. */
int nsp_run_destructors(const void *file);

#endif
