/* printf and its family, over Format.c. */
#include "CWindows.h"

int nsp_vfprintf(FILE *stream, const char *format, va_list arguments) {
  struct nsp_output output = {.stream = stream};
  nsp_format_narrow(&output, format, arguments);
  return nsp_finish(&output);
}
int nsp_vfwprintf(FILE *stream, const WCHAR *format, va_list arguments) {
  struct nsp_output output = {.stream = stream, .isWide = 1};
  nsp_format_wide(&output, format, arguments);
  return nsp_finish(&output);
}
int nsp_vsnprintf(char *to, size_t count, const char *format, va_list arguments) {
  struct nsp_output output = {.room = to, .count = count};
  nsp_format_narrow(&output, format, arguments);
  return nsp_finish(&output);
}
int nsp_vsprintf(char *to, const char *format, va_list arguments) { return nsp_vsnprintf(to, INT_MAX, format, arguments); }
/* -1 when the text does not fit, unlike its narrow namesake. */
int nsp_vswprintf(WCHAR *to, size_t count, const WCHAR *format, va_list arguments) {
  struct nsp_output output = {.room = to, .count = count, .isWide = 1};
  nsp_format_wide(&output, format, arguments);
  int length = nsp_finish(&output);
  return length < 0 || (size_t)length >= count || output.hasFailed ? -1 : length;
}
int nsp_vprintf(const char *format, va_list arguments) { return nsp_vfprintf(stdout, format, arguments); }
int nsp_vwprintf(const WCHAR *format, va_list arguments) { return nsp_vfwprintf(stdout, format, arguments); }

#define WITH_ARGUMENTS(call) \
  va_list arguments;         \
  va_start(arguments, format); \
  int length = call;         \
  va_end(arguments);         \
  return length

int nsp_printf(const char *format, ...) { WITH_ARGUMENTS(nsp_vfprintf(stdout, format, arguments)); }
int nsp_fprintf(FILE *stream, const char *format, ...) { WITH_ARGUMENTS(nsp_vfprintf(stream, format, arguments)); }
int nsp_sprintf(char *to, const char *format, ...) { WITH_ARGUMENTS(nsp_vsprintf(to, format, arguments)); }
int nsp_snprintf(char *to, size_t count, const char *format, ...) { WITH_ARGUMENTS(nsp_vsnprintf(to, count, format, arguments)); }
int nsp_wprintf(const WCHAR *format, ...) { WITH_ARGUMENTS(nsp_vfwprintf(stdout, format, arguments)); }
int nsp_fwprintf(FILE *stream, const WCHAR *format, ...) { WITH_ARGUMENTS(nsp_vfwprintf(stream, format, arguments)); }
int nsp_swprintf(WCHAR *to, size_t count, const WCHAR *format, ...) { WITH_ARGUMENTS(nsp_vswprintf(to, count, format, arguments)); }

int nsp_fputws(const WCHAR *text, FILE *stream) {
  struct nsp_output output = {.stream = stream};
  char32_t character;
  flockfile(stream);
  while ((character = nsp_next_wide(&text, NULL)) != 0) nsp_put(&output, character);
  funlockfile(stream);
  return nsp_finish(&output) < 0 ? -1 : 0;
}
wint_t nsp_fputwc(WCHAR character, FILE *stream) {
  struct nsp_output output = {.stream = stream};
  const WCHAR *at = &character;
  flockfile(stream);
  nsp_put(&output, nsp_next_wide(&at, &character + 1));
  funlockfile(stream);
  return nsp_finish(&output) < 0 ? WEOF : (wint_t)character;
}
wint_t nsp_putwchar(WCHAR character) { return nsp_fputwc(character, stdout); }
