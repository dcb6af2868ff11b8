/* Where programs begin that have wmain, or a main that returns nothing. A program with a main of its own does not get this file out of the
   library. */
#include "CWindows.h"

#include <stdlib.h>
#include <string.h>

int wmain(int argc, WCHAR **argv) __attribute__((weak));
void nsp_void_main(int argc, char **argv) __attribute__((weak));

/* UTF-16 has at most as many units as UTF-8 has bytes. */
static WCHAR *wide_of(const char *text) {
  WCHAR *wide = calloc(strlen(text) + 1, sizeof *wide), *end = wide;
  char32_t character;
  while (wide != NULL && (character = nsp_next_narrow(&text, NULL)) != 0) end += nsp_wide_of(character, end);
  return wide;
}

int main(int argc, char **argv) {
  if (wmain == NULL && nsp_void_main != NULL) {
    nsp_void_main(argc, argv);
    return 0;
  }
  if (wmain == NULL) {
    fprintf(stderr, "%s: nothing to run: the program has neither main nor wmain: in C++, include windows.h before wmain\n", argv[0]);
    return 127;
  }
  WCHAR **wide = calloc((size_t)argc + 1, sizeof *wide);
  for (int i = 0; wide != NULL && i < argc; i++)
    if ((wide[i] = wide_of(argv[i])) == NULL) wide = NULL;
  if (wide == NULL) return fprintf(stderr, "%s: no memory for the arguments\n", argv[0]), 127;
  return wmain(argc, wide);
}
