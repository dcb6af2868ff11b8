/* The functions of wchar.h on 16-bit characters. They compare and search unit by unit; their order is that of the units. */
#include "CWindows.h"

#include <stdlib.h>
#include <string.h>

size_t nsp_wcslen(const WCHAR *text) {
  const WCHAR *end = text;
  while (*end != 0) end++;
  return (size_t)(end - text);
}
size_t nsp_wcsnlen(const WCHAR *text, size_t count) {
  size_t length = 0;
  while (length < count && text[length] != 0) length++;
  return length;
}

WCHAR *nsp_wmemcpy(WCHAR *to, const WCHAR *from, size_t count) { return memcpy(to, from, count * sizeof *to); }
WCHAR *nsp_wmemmove(WCHAR *to, const WCHAR *from, size_t count) { return memmove(to, from, count * sizeof *to); }
WCHAR *nsp_wmemset(WCHAR *to, WCHAR character, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] = character;
  return to;
}
WCHAR *nsp_wmemchr(const WCHAR *text, WCHAR character, size_t count) {
  for (; count > 0; count--, text++)
    if (*text == character) return (WCHAR *)text;
  return NULL;
}
int nsp_wmemcmp(const WCHAR *one, const WCHAR *other, size_t count) {
  for (; count > 0; count--, one++, other++)
    if (*one != *other) return *one < *other ? -1 : 1;
  return 0;
}

WCHAR *nsp_wcscpy(WCHAR *to, const WCHAR *from) { return nsp_wmemcpy(to, from, nsp_wcslen(from) + 1); }
WCHAR *nsp_wcsncpy(WCHAR *to, const WCHAR *from, size_t count) {
  size_t length = nsp_wcsnlen(from, count);
  nsp_wmemcpy(to, from, length);
  nsp_wmemset(to + length, 0, count - length);
  return to;
}
WCHAR *nsp_wcscat(WCHAR *to, const WCHAR *from) { return nsp_wcscpy(to + nsp_wcslen(to), from), to; }
WCHAR *nsp_wcsncat(WCHAR *to, const WCHAR *from, size_t count) {
  WCHAR *end = to + nsp_wcslen(to);
  size_t length = nsp_wcsnlen(from, count);
  nsp_wmemcpy(end, from, length);
  end[length] = 0;
  return to;
}
WCHAR *nsp_wcsdup(const WCHAR *text) {
  WCHAR *copy = malloc((nsp_wcslen(text) + 1) * sizeof *copy);
  return copy == NULL ? NULL : nsp_wcscpy(copy, text);
}

int nsp_wcsncmp(const WCHAR *one, const WCHAR *other, size_t count) {
  for (; count > 0; count--, one++, other++) {
    if (*one != *other) return *one < *other ? -1 : 1;
    if (*one == 0) return 0;
  }
  return 0;
}
int nsp_wcscmp(const WCHAR *one, const WCHAR *other) { return nsp_wcsncmp(one, other, SIZE_MAX); }
int nsp_wcscoll(const WCHAR *one, const WCHAR *other) { return nsp_wcscmp(one, other); }
/* The order is that of the units, so a text is its own key. */
size_t nsp_wcsxfrm(WCHAR *to, const WCHAR *from, size_t count) {
  size_t length = nsp_wcslen(from);
  if (length < count) nsp_wcscpy(to, from);
  return length;
}

WCHAR *nsp_wcschr(const WCHAR *text, WCHAR character) { return nsp_wmemchr(text, character, nsp_wcslen(text) + 1); }
WCHAR *nsp_wcsrchr(const WCHAR *text, WCHAR character) {
  for (size_t i = nsp_wcslen(text) + 1; i-- > 0;)
    if (text[i] == character) return (WCHAR *)text + i;
  return NULL;
}
size_t nsp_wcsspn(const WCHAR *text, const WCHAR *of) {
  size_t length = 0;
  while (text[length] != 0 && nsp_wcschr(of, text[length]) != NULL) length++;
  return length;
}
size_t nsp_wcscspn(const WCHAR *text, const WCHAR *of) {
  size_t length = 0;
  while (text[length] != 0 && nsp_wcschr(of, text[length]) == NULL) length++;
  return length;
}
WCHAR *nsp_wcspbrk(const WCHAR *text, const WCHAR *of) {
  text += nsp_wcscspn(text, of);
  return *text == 0 ? NULL : (WCHAR *)text;
}
WCHAR *nsp_wcsstr(const WCHAR *text, const WCHAR *part) {
  size_t length = nsp_wcslen(part);
  for (;; text++) {
    if (nsp_wcsncmp(text, part, length) == 0) return (WCHAR *)text;
    if (*text == 0) return NULL;
  }
}
WCHAR *nsp_wcstok(WCHAR *text, const WCHAR *separators, WCHAR **rest) {
  if (text == NULL) text = *rest;
  text += nsp_wcsspn(text, separators);
  if (*text == 0) return *rest = text, NULL;
  WCHAR *end = text + nsp_wcscspn(text, separators);
  *rest = *end == 0 ? end : end + 1;
  *end = 0;
  return text;
}
