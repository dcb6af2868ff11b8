/* A file's destructors, run before it is unmapped: they may end its threads. The dynamic linker knows one way to run them alone, which is to
   unmap the file as well. */
#define _GNU_SOURCE
#include "CMappedFiles.h"

#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct image {
  const ElfW(Dyn) *dynamic;
  uintptr_t base, relro_start, relro_end;
};

static int find(struct dl_phdr_info *info, size_t size, void *context) {
  struct image *image = context;
  int is_it = 0;
  (void)size;
  image->relro_start = image->relro_end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = info->dlpi_phdr + i;
    uintptr_t start = info->dlpi_addr + part->p_vaddr;
    if (part->p_type == PT_DYNAMIC) is_it = (const void *)start == image->dynamic;
    if (part->p_type == PT_GNU_RELRO) image->relro_start = start, image->relro_end = start + part->p_memsz;
  }
  image->base = info->dlpi_addr;
  return is_it;
}

static uintptr_t entry(const struct image *image, ElfW(Sxword) tag) {
  for (const ElfW(Dyn) *entry = image->dynamic; entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == tag) return entry->d_un.d_ptr;
  return 0;
}
/* The dynamic linker has made addresses of some entries, and left offsets in others. */
static uintptr_t place(const struct image *image, ElfW(Sxword) tag) {
  uintptr_t value = entry(image, tag);
  return value != 0 && value < image->base ? image->base + value : value;
}

/* Whether something of the file refers to a function of this name. */
static int refers(const struct image *image, ElfW(Sxword) table, ElfW(Sxword) size, const char *name) {
  const ElfW(Rela) *relocations = (const void *)place(image, table);
  const ElfW(Sym) *symbols = (const void *)place(image, DT_SYMTAB);
  const char *texts = (const char *)place(image, DT_STRTAB);
  size_t count = relocations != NULL ? entry(image, size) / sizeof *relocations : 0;
  for (size_t i = 0; i < count && symbols != NULL && texts != NULL; i++) {
    size_t symbol = (size_t)(relocations[i].r_info >> 32);
    if (symbol != 0 && strcmp(texts + symbols[symbol].st_name, name) == 0) return 1;
  }
  return 0;
}

static void nothing(void) {}

int nsp_run_destructors(const void *file) {
  struct image image = {.dynamic = file};
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
  if (dl_iterate_phdr(find, &image) == 0) return 0;
  void (**functions)(void) = (void (**)(void))(image.base + entry(&image, DT_FINI_ARRAY));
  size_t count = entry(&image, DT_FINI_ARRAY) != 0 ? entry(&image, DT_FINI_ARRAYSZ) / sizeof *functions : 0;
  /* The compiler's own is in every file, and runs what was registered by this function. */
  int has_own = count > 1 || refers(&image, DT_JMPREL, DT_PLTRELSZ, "__cxa_atexit") || refers(&image, DT_RELA, DT_RELASZ, "__cxa_atexit");
  if (count == 0 || !has_own) return 0;
  /* Whole pages are read-only from then on, when the file has been loaded. */
  uintptr_t start = (uintptr_t)functions & ~page, end = ((uintptr_t)(functions + count) + page) & ~page, limit = image.relro_end & ~page;
  int is_protected = (uintptr_t)functions >= image.relro_start && (uintptr_t)functions < limit;
  if (end > limit && is_protected) end = limit;
  if (is_protected && mprotect((void *)start, end - start, PROT_READ | PROT_WRITE) != 0) return 0;
  for (size_t i = count; i-- > 0;) {
    void (*function)(void) = functions[i];
    functions[i] = nothing;
    function();
  }
  if (is_protected) mprotect((void *)start, end - start, PROT_READ);
  return 1;
}
