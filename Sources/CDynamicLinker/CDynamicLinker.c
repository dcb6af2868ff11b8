#define _GNU_SOURCE
#include "CDynamicLinker.h"

#include <nsphost.h>

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <sys/auxv.h>

void *nsp_mapping_base(const void *address) {
  Dl_info found;
  return dladdr(address, &found) != 0 ? found.dli_fbase : NULL;
}

VOID NSPHostLog(HANDLE hAsyncCall, DWORD dwLevel, LPCSTR lpszText) {
  nsp_host_log(hAsyncCall, dwLevel, lpszText, __builtin_return_address(0));
}

INT NSPHostChanged(const GUID *lpProviderId, LPCWSTR lpszName) {
  return nsp_host_changed(lpProviderId, lpszName, __builtin_return_address(0));
}

void *nsp_module_base(void *handle) {
  struct link_map *map = NULL;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? nsp_mapping_base(map->l_ld) : NULL;
}

struct extent {
  const char *address;
  size_t size;
};

static int measure(struct dl_phdr_info *info, size_t size, void *context) {
  struct extent *extent = context;
  const char *end = NULL;
  (void)size;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = info->dlpi_phdr + i;
    const char *last = (const char *)info->dlpi_addr + part->p_vaddr + part->p_memsz;
    if (part->p_type == PT_LOAD && last > end) end = last;
  }
  if (extent->address < (const char *)info->dlpi_addr || extent->address >= end) return 0;
  extent->size = (size_t)(end - extent->address);
  return 1;
}

size_t nsp_mapping_size(const void *address) {
  struct extent extent = {address, 0};
  dl_iterate_phdr(measure, &extent);
  return extent.size;
}

struct visitor {
  void (*visit)(const char *path, void *context);
  void *context;
};

static int visit_one(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct visitor *visitor = context;
  if (info->dlpi_name != NULL && info->dlpi_name[0] != '\0') visitor->visit(info->dlpi_name, visitor->context);
  return 0;
}

void nsp_each_library(void (*visit)(const char *path, void *context), void *context) {
  struct visitor visitor = {visit, context};
  dl_iterate_phdr(visit_one, &visitor);
}

int nsp_secure_execution(void) { return getauxval(AT_SECURE) != 0; }
