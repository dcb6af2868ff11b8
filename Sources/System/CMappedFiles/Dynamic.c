#define _GNU_SOURCE
#include "Dynamic.h"

#include <string.h>

uintptr_t nsp_dynamic_entry(const ElfW(Dyn) *dynamic, ElfW(Sxword) tag) {
  for (const ElfW(Dyn) *entry = dynamic; entry != NULL && entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == tag) return entry->d_un.d_ptr;
  return 0;
}

const void *nsp_dynamic_place(const ElfW(Dyn) *dynamic, uintptr_t base, ElfW(Sxword) tag) {
  uintptr_t value = nsp_dynamic_entry(dynamic, tag);
  return (const void *)(value != 0 && value < base ? base + value : value);
}

static int refers_in(const ElfW(Dyn) *dynamic, uintptr_t base, ElfW(Sxword) table, ElfW(Sxword) size, const char *name) {
  const ElfW(Rela) *relocations = nsp_dynamic_place(dynamic, base, table);
  const ElfW(Sym) *symbols = nsp_dynamic_place(dynamic, base, DT_SYMTAB);
  const char *texts = nsp_dynamic_place(dynamic, base, DT_STRTAB);
  size_t count = relocations != NULL ? nsp_dynamic_entry(dynamic, size) / sizeof *relocations : 0;
  for (size_t i = 0; i < count && symbols != NULL && texts != NULL; i++) {
    size_t symbol = (size_t)(relocations[i].r_info >> 32);
    if (symbol != 0 && strcmp(texts + symbols[symbol].st_name, name) == 0) return 1;
  }
  return 0;
}

int nsp_dynamic_refers(const ElfW(Dyn) *dynamic, uintptr_t base, const char *name) {
  return refers_in(dynamic, base, DT_JMPREL, DT_PLTRELSZ, name) || refers_in(dynamic, base, DT_RELA, DT_RELASZ, name);
}
