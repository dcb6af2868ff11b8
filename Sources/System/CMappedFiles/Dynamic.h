/* What the dynamic section of a mapped file says. */
#ifndef NSPHOST_DYNAMIC_H
#define NSPHOST_DYNAMIC_H

#include <link.h>
#include <stdint.h>

/* The value of the first entry with this tag; 0 where there is none. */
uintptr_t nsp_dynamic_entry(const ElfW(Dyn) *dynamic, ElfW(Sxword) tag);

/* The address that an entry leads to, in a file that is mapped at `base`: the dynamic linker has made addresses of some entries, and left offsets in
   others. NULL where there is none. */
const void *nsp_dynamic_place(const ElfW(Dyn) *dynamic, uintptr_t base, ElfW(Sxword) tag);

/* Whether something of the file refers to a function of this name. */
int nsp_dynamic_refers(const ElfW(Dyn) *dynamic, uintptr_t base, const char *name);

#endif
