/* A file's destructors, run before it is unmapped: they may end its threads. The dynamic linker knows one way to run them alone, which is to
   unmap the file as well. */
#define _GNU_SOURCE
#include "CMappedFiles.h"
#include "Dynamic.h"

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

static void nothing(void) {}

int nsp_run_destructors(const void *file) {
  struct image image = {.dynamic = file};
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
  if (dl_iterate_phdr(find, &image) == 0) return 0;
  uintptr_t array = nsp_dynamic_entry(file, DT_FINI_ARRAY);
  void (**functions)(void) = (void (**)(void))(image.base + array);
  size_t count = array != 0 ? nsp_dynamic_entry(file, DT_FINI_ARRAYSZ) / sizeof *functions : 0;
  /* The compiler's own is in every file, and runs what was registered by this function. */
  int has_own = count > 1 || nsp_dynamic_refers(file, image.base, "__cxa_atexit");
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
