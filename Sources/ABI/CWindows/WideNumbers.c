/* Numbers out of 16-bit text. Their characters are ASCII, so the C library reads a narrow copy of the text up to the first that is not. */
#include "CWindows.h"

#include <stdlib.h>

/* Long enough for what is written by hand; longer ones have a copy on the heap. */
struct copy {
  char room[128];
  char *text;
};
static void copy_of(struct copy *copy, const WCHAR *text) {
  size_t length = 0;
  while (text[length] != 0 && (uint16_t)text[length] < 0x80) length++;
  copy->text = length < sizeof copy->room ? copy->room : malloc(length + 1);
  if (copy->text == NULL) copy->text = copy->room, length = sizeof copy->room - 1;
  for (size_t i = 0; i < length; i++) copy->text[i] = (char)text[i];
  copy->text[length] = 0;
}
static void done(struct copy *copy, const WCHAR *text, WCHAR **end, const char *narrowEnd) {
  if (end != NULL) *end = (WCHAR *)text + (narrowEnd - copy->text);
  if (copy->text != copy->room) free(copy->text);
}

#define NUMBER(type, name, narrow, parameters, ...)                      \
  type nsp_##name parameters {                                           \
    struct copy copy;                                                    \
    char *narrowEnd;                                                     \
    copy_of(&copy, text);                                                \
    type value = narrow(copy.text, &narrowEnd __VA_OPT__(, ) __VA_ARGS__); \
    done(&copy, text, end, narrowEnd);                                   \
    return value;                                                        \
  }
NUMBER(long, wcstol, strtol, (const WCHAR *text, WCHAR **end, int base), base)
NUMBER(unsigned long, wcstoul, strtoul, (const WCHAR *text, WCHAR **end, int base), base)
NUMBER(long long, wcstoll, strtoll, (const WCHAR *text, WCHAR **end, int base), base)
NUMBER(unsigned long long, wcstoull, strtoull, (const WCHAR *text, WCHAR **end, int base), base)
NUMBER(float, wcstof, strtof, (const WCHAR *text, WCHAR **end))
NUMBER(double, wcstod, strtod, (const WCHAR *text, WCHAR **end))
NUMBER(long double, wcstold, strtold, (const WCHAR *text, WCHAR **end))
