/* Comparison without regard to case: of the letters a to z for the C library's functions, of all scripts for those of Win32. */
#include "CWindows.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

static int lower(int character) { return character >= 'A' && character <= 'Z' ? character + ('a' - 'A') : character; }

int _strnicmp(const char *one, const char *other, size_t count) {
  for (; count > 0; count--, one++, other++) {
    int difference = lower((unsigned char)*one) - lower((unsigned char)*other);
    if (difference != 0 || *one == 0) return difference;
  }
  return 0;
}
int _stricmp(const char *one, const char *other) { return _strnicmp(one, other, SIZE_MAX); }
int _wcsnicmp(const WCHAR *one, const WCHAR *other, size_t count) {
  for (; count > 0; count--, one++, other++) {
    int difference = lower((uint16_t)*one) - lower((uint16_t)*other);
    if (difference != 0 || *one == 0) return difference;
  }
  return 0;
}
int _wcsicmp(const WCHAR *one, const WCHAR *other) { return _wcsnicmp(one, other, SIZE_MAX); }

/* Which capital belongs to which letter, whatever locale the program has chosen. */
static locale_t scripts;
static void find_scripts(void) { scripts = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); }
static char32_t folded(char32_t character) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_scripts);
  return scripts == (locale_t)0 ? (char32_t)lower((int)character) : (char32_t)towlower_l((wint_t)character, scripts);
}
static int order(char32_t one, char32_t other) { return one < other ? -1 : one > other; }

/* NULL is before every text. */
int lstrcmpiA(LPCSTR one, LPCSTR other) {
  if (one == NULL || other == NULL) return (one != NULL) - (other != NULL);
  for (;;) {
    char32_t first = folded(nsp_next_narrow(&one, NULL)), second = folded(nsp_next_narrow(&other, NULL));
    if (first != second || first == 0) return order(first, second);
  }
}
int lstrcmpiW(LPCWSTR one, LPCWSTR other) {
  if (one == NULL || other == NULL) return (one != NULL) - (other != NULL);
  for (;;) {
    char32_t first = folded(nsp_next_wide(&one, NULL)), second = folded(nsp_next_wide(&other, NULL));
    if (first != second || first == 0) return order(first, second);
  }
}
