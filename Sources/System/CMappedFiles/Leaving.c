/* The libraries that go with a file, by the names in their dynamic sections: the dynamic linker keeps no count that it would show. */
#define _GNU_SOURCE
#include "Leaving.h"

#include "CMappedFiles.h"
#include "Dynamic.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 4 };
struct span {
  uintptr_t start, end;
};
struct file {
  const ElfW(Dyn) *dynamic;
  uintptr_t base;
  const char *path, *soname, *texts;
  struct span code[PARTS];
  size_t code_count;
  /* Which of the files that leave was the last one that took it along, from 1. */
  size_t leaves_with;
  int stays;
};
struct files {
  struct file *all;
  size_t count, room;
  int is_short;
};

int nsp_grow(void **all, size_t *room, size_t count, size_t size) {
  void *grown;
  if (count < *room) return 1;
  grown = realloc(*all, (*room * 2 + 64) * size);
  if (grown == NULL) return 0;
  *all = grown;
  *room = *room * 2 + 64;
  return 1;
}

static int collect(struct dl_phdr_info *info, size_t size, void *context) {
  struct files *files = context;
  struct file *file;
  (void)size;
  files->is_short = !nsp_grow((void **)&files->all, &files->room, files->count, sizeof *files->all);
  if (files->is_short) return 1;
  file = &files->all[files->count];
  memset(file, 0, sizeof *file);
  file->path = info->dlpi_name;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = info->dlpi_phdr + i;
    uintptr_t start = info->dlpi_addr + part->p_vaddr;
    if (part->p_type == PT_DYNAMIC) file->dynamic = (const void *)start;
    if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0 && file->code_count < PARTS)
      file->code[file->code_count++] = (struct span){start, start + part->p_memsz};
  }
  file->base = info->dlpi_addr;
  file->texts = nsp_dynamic_place(file->dynamic, file->base, DT_STRTAB);
  uintptr_t soname = nsp_dynamic_entry(file->dynamic, DT_SONAME);
  if (soname != 0 && file->texts != NULL) file->soname = file->texts + soname;
  files->count++;
  return 0;
}

static int is_called(const struct file *file, const char *name) {
  const char *base = strrchr(file->path, '/');
  return (file->soname != NULL && strcmp(file->soname, name) == 0) || strcmp(file->path, name) == 0 || strcmp(base != NULL ? base + 1 : file->path, name) == 0;
}

/* The file that the dynamic linker takes for a name: the first that is called so. */
static struct file *named(struct files *files, const char *name) {
  for (size_t i = 0; i < files->count; i++)
    if (is_called(&files->all[i], name)) return &files->all[i];
  return NULL;
}

/* A file and what it needs, at any depth: stays, or leaves with the file of a number. What stays keeps what it needs. */
static void mark(struct files *files, struct file *file, size_t leaves_with) {
  if (file == NULL || file->stays || (leaves_with != 0 && file->leaves_with == leaves_with)) return;
  if (leaves_with == 0) file->stays = 1;
  else file->leaves_with = leaves_with;
  for (const ElfW(Dyn) *entry = file->dynamic; entry != NULL && entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == DT_NEEDED && file->texts != NULL) mark(files, named(files, file->texts + entry->d_un.d_val), leaves_with);
}

static struct file *file_of(struct files *files, const void *identity) {
  for (size_t i = 0; i < files->count; i++)
    if (identity != NULL && files->all[i].dynamic == identity) return &files->all[i];
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
  const void *const *files, *const *open;
  size_t count, open_count;
  struct parts *parts;
  int is_answered;
};

static int add(struct parts *parts, const struct file *file, size_t number) {
  int handles_exit = nsp_dynamic_refers(file->dynamic, file->base, "on_exit");
  for (size_t i = 0; i < file->code_count; i++) {
    if (!nsp_grow((void **)&parts->all, &parts->room, parts->count, sizeof *parts->all)) return 0;
    parts->all[parts->count++] = (struct part){file->code[i].start, file->code[i].end, number, handles_exit};
  }
  return 1;
}

/* Asked once, for the lock that is held meanwhile: no file comes or goes. */
static int answer(struct dl_phdr_info *info, size_t size, void *context) {
  struct question *question = context;
  struct files files = {NULL, 0, 0, 0};
  (void)info, (void)size;
  dl_iterate_phdr(collect, &files);
  question->is_answered = !files.is_short;
  /* The first is the program. */
  if (files.count > 0) mark(&files, &files.all[0], 0);
  for (size_t i = 0; i < question->open_count; i++) mark(&files, file_of(&files, question->open[i]), 0);
  for (size_t number = 0; number < question->count; number++) {
    mark(&files, file_of(&files, question->files[number]), number + 1);
    for (size_t i = 0; i < files.count && question->is_answered; i++)
      if (files.all[i].leaves_with == number + 1) question->is_answered = add(question->parts, &files.all[i], number);
  }
  free(files.all);
  return 1;
}

static int by_start(const void *one, const void *other) {
  const struct part *a = one, *b = other;
  return a->start < b->start ? -1 : a->start > b->start;
}

int parts_leaving(const void *const *files, size_t count, const void *const *open, size_t open_count, struct parts *parts) {
  struct question question = {files, open, count, open_count, parts, 0};
  dl_iterate_phdr(answer, &question);
  if (parts->count > 0) qsort(parts->all, parts->count, sizeof *parts->all, by_start);
  return question.is_answered;
}
