#define _GNU_SOURCE
#include "CDynamicLinker.h"

#include <nsphost.h>

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>
#if defined __x86_64__ && __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define KNOWS_PROCESSOR 1
#endif

/* The file that an address belongs to. dl_iterate_phdr takes a lock that the dynamic linker holds for short times only, not while
   constructors run. */
struct extent {
  const char *address, *start, *end;
};

static int measure(struct dl_phdr_info *info, size_t size, void *context) {
  struct extent *extent = context;
  const char *start = NULL, *end = NULL;
  (void)size;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = info->dlpi_phdr + i;
    if (part->p_type != PT_LOAD) continue;
    const char *first = (const char *)info->dlpi_addr + part->p_vaddr, *last = first + part->p_memsz;
    if (start == NULL || first < start) start = first;
    if (last > end) end = last;
  }
  if (extent->address < start || extent->address >= end) return 0;
  extent->start = (const char *)((uintptr_t)start & -(uintptr_t)sysconf(_SC_PAGESIZE));
  extent->end = end;
  return 1;
}

void *nsp_mapping_base(const void *address) {
  struct extent extent = {address, NULL, NULL};
  dl_iterate_phdr(measure, &extent);
  return (void *)extent.start;
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

size_t nsp_mapping_size(const void *address) {
  struct extent extent = {address, NULL, NULL};
  dl_iterate_phdr(measure, &extent);
  return extent.start == NULL ? 0 : (size_t)(extent.end - extent.start);
}

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int count;
  pid_t process;
} linking = {.lock = PTHREAD_MUTEX_INITIALIZER};
static _Thread_local int links;

/* How long destructors may take that run when the process ends. */
enum { SECONDS = 3 };

static void leave(int status, void *context) {
  struct timespec end;
  int count;
  (void)context;
  /* One's own call does not wait for itself. */
  if (links != 0) return;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += SECONDS;
  if (linking.process == getpid()) {
    pthread_mutex_lock(&linking.lock);
    while (linking.count > 0)
      if (pthread_cond_timedwait(&linking.changed, &linking.lock, &end) == ETIMEDOUT) break;
    count = linking.count;
    pthread_mutex_unlock(&linking.lock);
  } else {
    /* A child of fork: no other thread is there to end the call, or to let go of the lock. */
    count = linking.count;
  }
  if (count == 0) return;
  fflush_unlocked(stdout);
  _exit(status);
}

static void prepare(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&linking.changed, &attributes);
  pthread_condattr_destroy(&attributes);
  on_exit(leave, NULL);
}

static void count_call(int more) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare);
  links += more;
  pthread_mutex_lock(&linking.lock);
  linking.count += more;
  linking.process = getpid();
  pthread_cond_broadcast(&linking.changed);
  pthread_mutex_unlock(&linking.lock);
}

void nsp_linking_begins(void) { count_call(1); }

void nsp_linking_ends(void) { count_call(-1); }

/* The tables of a loaded file by which its symbols are found. */
struct tables {
  const ElfW(Sym) *symbols;
  const char *strings;
  const uint32_t *gnu_hash, *hash;
};

static const void *at(const struct link_map *map, ElfW(Addr) address) {
  /* glibc adds the base to what it has read. */
  return (const void *)(address < map->l_addr ? address + map->l_addr : address);
}

static struct tables tables_of(const struct link_map *map) {
  struct tables tables = {0};
  for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
    switch (entry->d_tag) {
      case DT_SYMTAB: tables.symbols = at(map, entry->d_un.d_ptr); break;
      case DT_STRTAB: tables.strings = at(map, entry->d_un.d_ptr); break;
      case DT_GNU_HASH: tables.gnu_hash = at(map, entry->d_un.d_ptr); break;
      case DT_HASH: tables.hash = at(map, entry->d_un.d_ptr); break;
      default: break;
    }
  }
  return tables;
}

static int is_function(const struct tables *tables, uint32_t index, const char *name) {
  const ElfW(Sym) *symbol = tables->symbols + index;
  int type = ELF64_ST_TYPE(symbol->st_info), binding = ELF64_ST_BIND(symbol->st_info);
  return symbol->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_GNU_IFUNC) &&
         (binding == STB_GLOBAL || binding == STB_WEAK) && strcmp(tables->strings + symbol->st_name, name) == 0;
}

static int in_gnu_hash(const struct tables *tables, const char *name) {
  uint32_t buckets = tables->gnu_hash[0], offset = tables->gnu_hash[1], bloom = tables->gnu_hash[2], value = 5381;
  const uint32_t *bucket = tables->gnu_hash + 4 + bloom * (sizeof(ElfW(Addr)) / 4), *chain = bucket + buckets;
  for (const unsigned char *byte = (const unsigned char *)name; *byte != 0; byte++) value = value * 33 + *byte;
  uint32_t index = buckets == 0 ? 0 : bucket[value % buckets];
  if (index < offset) return 0;
  for (;; index++) {
    uint32_t link = chain[index - offset];
    if ((link | 1) == (value | 1) && is_function(tables, index, name)) return 1;
    if (link & 1) return 0;
  }
}

static int in_hash(const struct tables *tables, const char *name) {
  uint32_t value = 0;
  for (const unsigned char *byte = (const unsigned char *)name; *byte != 0; byte++) {
    value = (value << 4) + *byte;
    value = (value ^ (value >> 24 & 0xF0)) & 0x0FFFFFFF;
  }
  const uint32_t *bucket = tables->hash + 2, *chain = bucket + tables->hash[0];
  if (tables->hash[0] == 0) return 0;
  for (uint32_t index = bucket[value % tables->hash[0]]; index != STN_UNDEF; index = chain[index])
    if (is_function(tables, index, name)) return 1;
  return 0;
}

void *nsp_function(void *handle, const char *name) {
  struct link_map *map = NULL;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) return NULL;
  struct tables tables = tables_of(map);
  if (tables.symbols == NULL || tables.strings == NULL) return NULL;
  int is_there = tables.gnu_hash != NULL ? in_gnu_hash(&tables, name) : tables.hash != NULL && in_hash(&tables, name);
  return is_there ? dlsym(handle, name) : NULL;
}

struct visitor {
  void (*visit)(const char *path, const char *name, void *context);
  void *context;
};

static int visit_one(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct visitor *visitor = context;
  const ElfW(Dyn) *dynamic = NULL;
  const char *strings = NULL, *name = NULL;
  ElfW(Xword) offset = 0;
  if (info->dlpi_name == NULL || info->dlpi_name[0] == '\0') return 0;
  for (int i = 0; i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_DYNAMIC) dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
  struct link_map place = {.l_addr = info->dlpi_addr};
  for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
    if (dynamic->d_tag == DT_STRTAB) strings = at(&place, dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_SONAME) offset = dynamic->d_un.d_val;
  }
  if (strings != NULL && offset != 0) name = strings + offset;
  visitor->visit(info->dlpi_name, name, visitor->context);
  return 0;
}

void nsp_each_library(void (*visit)(const char *path, const char *name, void *context), void *context) {
  struct visitor visitor = {visit, context};
  dl_iterate_phdr(visit_one, &visitor);
}

static int is_own(struct dl_phdr_info *info, size_t size, void *context) {
  struct extent extent = {(const char *)&nsp_own_library, NULL, NULL};
  if (measure(info, size, &extent) == 0) return 0;
  *(const char **)context = info->dlpi_name;
  return 1;
}

const char *nsp_own_library(void) {
  const char *path = NULL;
  dl_iterate_phdr(is_own, &path);
  return path != NULL && path[0] != '\0' ? path : NULL;
}

void nsp_each_search_folder(void (*visit)(const char *folder, void *context), void *context) {
  Dl_serinfo size, *folders = NULL;
  /* One that has no paths of its own. */
  void *library = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  if (library == NULL) return;
  if (dlinfo(library, RTLD_DI_SERINFOSIZE, &size) == 0 && (folders = malloc(size.dls_size)) != NULL) {
    *folders = size;
    if (dlinfo(library, RTLD_DI_SERINFO, folders) == 0)
      for (unsigned i = 0; i < folders->dls_cnt; i++) visit(folders->dls_serpath[i].dls_name, context);
    free(folders);
  }
  dlclose(library);
}

const char *nsp_processor_folder(int n) {
#ifdef KNOWS_PROCESSOR
  int level = 0;
  if (CPU_FEATURE_ACTIVE(CMPXCHG16B) && CPU_FEATURE_ACTIVE(LAHF64_SAHF64) && CPU_FEATURE_ACTIVE(POPCNT) && CPU_FEATURE_ACTIVE(SSE3) &&
      CPU_FEATURE_ACTIVE(SSE4_1) && CPU_FEATURE_ACTIVE(SSE4_2) && CPU_FEATURE_ACTIVE(SSSE3)) {
    level = 1;
    if (CPU_FEATURE_ACTIVE(AVX) && CPU_FEATURE_ACTIVE(AVX2) && CPU_FEATURE_ACTIVE(BMI1) && CPU_FEATURE_ACTIVE(BMI2) &&
        CPU_FEATURE_ACTIVE(F16C) && CPU_FEATURE_ACTIVE(FMA) && CPU_FEATURE_ACTIVE(LZCNT) && CPU_FEATURE_ACTIVE(MOVBE)) {
      level = 2;
      if (CPU_FEATURE_ACTIVE(AVX512F) && CPU_FEATURE_ACTIVE(AVX512BW) && CPU_FEATURE_ACTIVE(AVX512CD) &&
          CPU_FEATURE_ACTIVE(AVX512DQ) && CPU_FEATURE_ACTIVE(AVX512VL))
        level = 3;
    }
  }
  static const char *const names[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};
  return n >= 0 && n < level ? names[3 - level + n] : NULL;
#else
  (void)n;
  return NULL;
#endif
}

const char *nsp_platform(void) {
  unsigned long text = getauxval(AT_PLATFORM);
#ifdef KNOWS_PROCESSOR
  /* glibc has names of its own for some. */
  if (CPU_FEATURE_ACTIVE(AVX512ER) && CPU_FEATURE_ACTIVE(AVX512PF)) return "xeon_phi";
  if (CPU_FEATURE_ACTIVE(AVX2) && CPU_FEATURE_ACTIVE(BMI1) && CPU_FEATURE_ACTIVE(BMI2) && CPU_FEATURE_ACTIVE(LZCNT) &&
      CPU_FEATURE_ACTIVE(MOVBE) && CPU_FEATURE_ACTIVE(POPCNT))
    return "haswell";
#endif
  return (const char *)text;
}

int nsp_secure_execution(void) { return getauxval(AT_SECURE) != 0; }
