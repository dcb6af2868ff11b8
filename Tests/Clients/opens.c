/* Loads a file as a host does, and says which files under a folder have come along, a line each; or "refused".
     opens FILE FOLDER */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int show(struct dl_phdr_info *info, size_t size, void *context) {
  char **words = context, *path = realpath(info->dlpi_name, NULL), *file = realpath(words[1], NULL);
  (void)size;
  if (path != NULL && strncmp(path, words[2], strlen(words[2])) == 0 && strcmp(path, file) != 0 && info->dlpi_name[0] != 0) puts(path);
  free(path);
  free(file);
  return 0;
}

int main(int count, char **words) {
  if (count != 3) return 2;
  /* Lazily: what the host supplies is not there. */
  if (dlopen(words[1], RTLD_LAZY | RTLD_LOCAL) == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    puts("refused");
    return 0;
  }
  dl_iterate_phdr(show, words);
  return 0;
}
