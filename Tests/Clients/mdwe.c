/* Runs a program with the promise that no page of it, or of its children, can be written and executed.
     mdwe PROGRAM ARGUMENT...
     mdwe of PROCESS           says "in-force" where no page of a process can be both */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

static int shows(const char *process) {
  char path[64], line[512], access[8];
  snprintf(path, sizeof path, "/proc/%s/maps", process);
  FILE *maps = fopen(path, "r");
  if (maps == NULL) return 1;
  while (fgets(line, sizeof line, maps) != NULL)
    if (sscanf(line, "%*s %7s", access) == 1 && access[1] == 'w' && access[2] == 'x') return puts(line), 1;
  fclose(maps);
  puts("in-force");
  return 0;
}

int main(int count, char **words) {
  if (count < 2) return 2;
  if (strcmp(words[1], "of") == 0 && count == 3) return shows(words[2]);
  if (prctl(PR_SET_MDWE, 1L, 0L, 0L, 0L) != 0) return perror("PR_SET_MDWE"), 1;
  /* What is in force is tried, not only asked for. */
  if (mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) return 1;
  execvp(words[1], words + 1);
  return perror(words[1]), 1;
}
