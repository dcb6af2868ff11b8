/* The libraries that go with a file, by the names in their dynamic sections: the dynamic linker keeps no count that it would show. */
#define _GNU_SOURCE
#include "CMappedFiles.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 4, MOST = 512 };
struct file {
  const ElfW(Dyn) *dynamic;
  const char *path, *soname, *texts;
  struct nsp_code code[PARTS];
  size_t code_count;
  int stays, leaves;
};
struct files {
  struct file *all;
  size_t count;
};

static int collect(struct dl_phdr_info *info, size_t size, void *context) {
  struct files *files = context;
  struct file *file = &files->all[files->count];
  (void)size;
  if (files->count == MOST) return 1;
  memset(file, 0, sizeof *file);
  file->path = info->dlpi_name;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = info->dlpi_phdr + i;
    uintptr_t start = info->dlpi_addr + part->p_vaddr;
    if (part->p_type == PT_DYNAMIC) file->dynamic = (const void *)start;
    if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0 && file->code_count < PARTS)
      file->code[file->code_count++] = (struct nsp_code){start, start + part->p_memsz};
  }
  for (const ElfW(Dyn) *entry = file->dynamic; entry != NULL && entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == DT_STRTAB) file->texts = (const char *)(entry->d_un.d_ptr < info->dlpi_addr ? info->dlpi_addr + entry->d_un.d_ptr : entry->d_un.d_ptr);
  for (const ElfW(Dyn) *entry = file->dynamic; entry != NULL && entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == DT_SONAME && file->texts != NULL) file->soname = file->texts + entry->d_un.d_val;
  files->count++;
  return 0;
}

static int is_called(const struct file *file, const char *name) {
  const char *base = strrchr(file->path, '/');
  return (file->soname != NULL && strcmp(file->soname, name) == 0) || strcmp(file->path, name) == 0 || strcmp(base != NULL ? base + 1 : file->path, name) == 0;
}

/* Marks a file and what it needs, at any depth. */
static void mark(struct files *files, struct file *file, int stays) {
  int *marked = stays ? &file->stays : &file->leaves;
  if (*marked) return;
  *marked = 1;
  for (const ElfW(Dyn) *entry = file->dynamic; entry != NULL && entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag != DT_NEEDED || file->texts == NULL) continue;
    for (size_t i = 0; i < files->count; i++)
      if (is_called(&files->all[i], file->texts + entry->d_un.d_val)) mark(files, &files->all[i], stays);
  }
}

static struct file *file_of(struct files *files, const void *identity) {
  for (size_t i = 0; i < files->count; i++)
    if (files->all[i].dynamic == identity) return &files->all[i];
  return NULL;
}

const void *nsp_file_identity(void *handle) {
  struct link_map *map = NULL;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? map->l_ld : NULL;
}

int nsp_file_is_named(void *handle, const char *name) {
  struct link_map *map = NULL;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && strcmp(map->l_name, name) == 0;
}

struct question {
  const void *file, *const *others;
  size_t other_count, most, count;
  struct nsp_code *code;
};

/* Asked once, for the lock that is held meanwhile: no file comes or goes. */
static int answer(struct dl_phdr_info *info, size_t size, void *context) {
  struct question *question = context;
  struct files files = {calloc(MOST, sizeof(struct file)), 0};
  struct file *own = NULL;
  (void)info, (void)size;
  if (files.all == NULL) return 1;
  dl_iterate_phdr(collect, &files);
  /* The first is the program. */
  if (files.count > 0) mark(&files, &files.all[0], 1);
  for (size_t i = 0; i < question->other_count; i++) {
    struct file *other = file_of(&files, question->others[i]);
    if (other != NULL) mark(&files, other, 1);
  }
  own = file_of(&files, question->file);
  if (own != NULL) mark(&files, own, 0);
  for (size_t i = 0; i < files.count; i++)
    for (size_t part = 0; part < files.all[i].code_count && question->count < question->most; part++)
      if (files.all[i].leaves && !files.all[i].stays) question->code[question->count++] = files.all[i].code[part];
  free(files.all);
  return 1;
}

size_t nsp_code_leaving(const void *file, const void *const *others, size_t other_count, struct nsp_code *code, size_t most) {
  struct question question = {file, others, other_count, most, 0, code};
  dl_iterate_phdr(answer, &question);
  return question.count;
}
