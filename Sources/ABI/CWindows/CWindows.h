/* Inside libnspwindows.a: the functions that its headers put in the place of the C library's, and what its files share. Here the C library
   keeps its own names (NSP_NATIVE_RUNTIME). */
#ifndef NSP_CWINDOWS_H
#define NSP_CWINDOWS_H

#define _GNU_SOURCE
#define NSP_NATIVE_RUNTIME
#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

#include <windows.h>

/* Codes that winsock2.h does not name. */
enum { bufferOverflow = 111, noData = 11004 };

/* One character of a text, which it advances; 0 at the end, where it stays. What is ill-formed is U+FFFD. */
char32_t nsp_next_narrow(const char **text, const char *end);
char32_t nsp_next_wide(const WCHAR **text, const WCHAR *end);
/* Writes a character: how many units it has, 4 or 2 at most. */
int nsp_narrow_of(char32_t character, char *to);
int nsp_wide_of(char32_t character, WCHAR *to);

size_t nsp_wcslen(const WCHAR *text);
size_t nsp_wcsnlen(const WCHAR *text, size_t count);

/* Where formatted text goes: a stream, or room for so many units of which the last is kept for the NUL. `written` counts those that did not
   fit, too. */
struct nsp_output {
  FILE *stream;
  void *room;
  size_t count;
  size_t written;
  int isWide;
  int hasFailed;
};
void nsp_put(struct nsp_output *output, char32_t character);
void nsp_format_narrow(struct nsp_output *output, const char *format, va_list arguments);
void nsp_format_wide(struct nsp_output *output, const WCHAR *format, va_list arguments);
/* What the functions of the C library answer; ends the text. */
int nsp_finish(struct nsp_output *output);

/* The code of a failed call of Linux, in the last error: SOCKET_ERROR. */
int nsp_socket_failed(void);

#endif
