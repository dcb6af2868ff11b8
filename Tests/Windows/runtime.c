/* The C library with wide characters of 16 bits. No header of Windows is included: the C library's own names are enough. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "check.h"

/* What a function writes to its stream. */
static char written[4096];
static void captures(FILE *stream) {
  rewind(stream);
  size_t count = fread(written, 1, sizeof written - 1, stream);
  written[count] = 0;
  rewind(stream);
  CHECK(ftruncate(fileno(stream), 0) == 0);
}
#define PRINTS(expected, call) (CHECK((call) >= 0), captures(stream), CHECK(strcmp(written, expected) == 0))

static void strings(void) {
  wchar_t room[32], other[32], *rest = NULL;
  CHECK(sizeof(wchar_t) == 2 && wcslen(L"abcdef") == 6 && wcsnlen(L"abcdef", 3) == 3 && wcslen(L"") == 0);
  CHECK(wcscmp(L"a", L"a") == 0 && wcscmp(L"a", L"b") < 0 && wcscmp(L"\xE000", L"\xD800") > 0 && wcsncmp(L"abc", L"abd", 2) == 0);
  CHECK(wcscoll(L"a", L"b") < 0 && wcsxfrm(other, L"key", 32) == 3 && wcscmp(other, L"key") == 0);
  wmemset(room, L'x', 32);
  CHECK(wcscpy(room, L"a@b@c") == room && room[5] == 0 && room[6] == L'x');
  CHECK(wcschr(room, L'@') == room + 1 && wcsrchr(room, L'@') == room + 3 && wcschr(room, L'?') == NULL && wcschr(room, 0) == room + 5);
  CHECK(wcsspn(room, L"a@") == 2 && wcscspn(room, L"@") == 1 && wcspbrk(room, L"cb") == room + 2 && wcspbrk(room, L"?") == NULL);
  CHECK(wcsstr(room, L"b@") == room + 2 && wcsstr(room, L"") == room && wcsstr(room, L"@a") == NULL);
  CHECK(wcscat(room, L"!") == room && wcsncat(room, L"12345", 2) == room && wcscmp(room, L"a@b@c!12") == 0);
  CHECK(wcscmp(wcstok(room, L"@", &rest), L"a") == 0 && wcscmp(wcstok(NULL, L"@", &rest), L"b") == 0);
  CHECK(wcscmp(wcstok(NULL, L"@", &rest), L"c!12") == 0 && wcstok(NULL, L"@", &rest) == NULL);
  wcsncpy(other, L"ab", 4);
  CHECK(other[1] == L'b' && other[2] == 0 && other[3] == 0);
  CHECK(wmemcpy(room, L"abcd", 4) == room && wmemmove(room + 1, room, 3) == room + 1 && room[3] == L'c');
  CHECK(wmemcmp(room, L"aabc", 4) == 0 && wmemcmp(L"a", L"b", 1) < 0 && wmemchr(room, L'b', 4) == room + 2);
  wchar_t *copy = wcsdup(L"copy");
  CHECK(copy != NULL && wcscmp(copy, L"copy") == 0);
  free(copy);
}

static void numbers(void) {
  wchar_t text[] = L" -42x", *end;
  CHECK(wcstol(text, &end, 10) == -42 && *end == L'x' && wcstoul(L"ff", NULL, 16) == 255);
  CHECK(wcstoll(L"9000000000", NULL, 10) == 9000000000 && wcstoull(L"7", NULL, 0) == 7);
  CHECK(wcstod(L"2.5", NULL) == 2.5 && wcstof(L"0.5", NULL) == 0.5f && wcstold(L"4", NULL) == 4);
}

static void formats(FILE *stream) {
  const wchar_t wide[] = {L'w', 0xE4, 0xD83D, 0xDE00, 0}; /* wä and a face, which has two units */
  const char *narrow = "n\xC3\xA4";
  wchar_t room[64];
  char small[64];
  PRINTS("w\xC3\xA4\xF0\x9F\x98\x80|", fprintf(stream, "%S|", wide));
  PRINTS("w\xC3\xA4\xF0\x9F\x98\x80 w\xC3\xA4\xF0\x9F\x98\x80", fprintf(stream, "%ls %ws", wide, wide));
  PRINTS("n\xC3\xA4|n\xC3\xA4|n\xC3\xA4", fprintf(stream, "%s|%hs|%hS", narrow, narrow, narrow));
  PRINTS("w\xC3\xA4\xF0\x9F\x98\x80|n\xC3\xA4|x|y", fwprintf(stream, L"%s|%S|%c|%C", wide, narrow, L'x', 'y'));
  PRINTS("n\xC3\xA4 w\xC3\xA4\xF0\x9F\x98\x80", fwprintf(stream, L"%hs %ls", narrow, wide));
  PRINTS("  wide|wide  |wi|(null)", fprintf(stream, "%6S|%-6S|%.2S|%s", L"wide", L"wide", L"wide", (char *)NULL));
  PRINTS("-1 4294967295 ff 0XFF 010 +5", fprintf(stream, "%d %u %x %#X %03o %+d", -1, 0xFFFFFFFFu, 255, 255, 8, 5));
  /* A long has 32 bits there: whatever is passed, those count. */
  PRINTS("4000000000 -1 9000000000", fprintf(stream, "%lu %ld %lld", 4000000000u, -1, 9000000000LL));
  PRINTS("9000000000 12 7", fprintf(stream, "%I64d %I32d %Iu", 9000000000LL, 12, (size_t)7));
  PRINTS("1 255 3 4", fprintf(stream, "%hd %hhu %zu %jd", (short)1, (unsigned char)255, (size_t)3, (intmax_t)4));
  PRINTS("1.50 2e+00 0.5", fprintf(stream, "%.2f %.0e %Lg", 1.5, 2.0, 0.5L));
  PRINTS("00000000DEADBEEF 100% *  5", fprintf(stream, "%p 100%% %c%*d", (void *)0xDEADBEEF, '*', 3, 5));
  PRINTS("\xFF|abc", fprintf(stream, "%c|%.*s", 0xFF, 3, "abcdef")); /* bytes stay as they are */
  CHECK(swprintf(room, 64, L"%s-%04x", L"id", 0xAB) == 7 && wcscmp(room, L"id-00ab") == 0);
  CHECK(swprintf(room, 4, L"%s", L"too long") == -1 && wcscmp(room, L"too") == 0);
  CHECK(swprintf(room, 64, L"%S|", "\xF0\x9F\x98\x80") == 3 && room[0] == 0xD83D && room[1] == 0xDE00);
  CHECK(snprintf(small, 4, "%S", L"too long") == 8 && strcmp(small, "too") == 0 && snprintf(NULL, 0, "%d", 123) == 3);
  CHECK(sprintf(small, "%s %S", "both", L"kinds") == 10 && strcmp(small, "both kinds") == 0);
  PRINTS("line\n", fputws(L"line\n", stream));
  PRINTS("\xC3\xA4z", fputwc(0xE4, stream) == WEOF || putwc(L'z', stream) == WEOF ? -1 : 0);
}

static int to_stream(FILE *stream, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vfprintf(stream, format, arguments);
  va_end(arguments);
  return length;
}
static int to_wide_stream(FILE *stream, const wchar_t *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vfwprintf(stream, format, arguments);
  va_end(arguments);
  return length;
}
static int to_room(char *to, size_t count, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = count == 0 ? vsprintf(to, format, arguments) : vsnprintf(to, count, format, arguments);
  va_end(arguments);
  return length;
}
static int to_wide_room(wchar_t *to, size_t count, const wchar_t *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vswprintf(to, count, format, arguments);
  va_end(arguments);
  return length;
}
static int to_output(const char *format, const wchar_t *wideFormat, ...) {
  va_list arguments;
  va_start(arguments, wideFormat);
  int length = format != NULL ? vprintf(format, arguments) : vwprintf(wideFormat, arguments);
  va_end(arguments);
  return length;
}
static void lists(FILE *stream) {
  char room[16];
  wchar_t wide[16];
  PRINTS("a b", to_stream(stream, "%S %s", L"a", "b"));
  PRINTS("a b", to_wide_stream(stream, L"%s %S", L"a", "b"));
  CHECK(to_room(room, 0, "%S", L"x") == 1 && to_room(room, sizeof room, "%S", L"y") == 1 && room[0] == 'y');
  CHECK(to_wide_room(wide, 16, L"%s", L"z") == 1 && wide[0] == L'z');
}

/* The two kinds of output share a stream. */
static void standard_output(void) {
  CHECK(printf("narrow %S, ", L"wide") == 13 && wprintf(L"wide %s, ", L"wide") == 11 && putwchar(L'.') == L'.');
  CHECK(to_output(" %S", NULL, L"v") == 2 && to_output(NULL, L" %s\n", L"w") == 3 && fflush(stdout) == 0);
}

/* What sources use besides is the C library's own, and stays it. */
static void others(void) {
  char *copy = (char *)malloc(6);
  memcpy(copy, "Narrow", 5);
  copy[5] = 0;
  CHECK(strcmp(copy, "Narro") == 0 && strlen(copy) == 5 && atoi("-5x") == -5 && tolower('N') == 'n');
  CHECK(ungetc('g', stdin) == 'g' && getchar() == 'g');
  free(copy);
}

int main(void) {
  FILE *stream = tmpfile();
  others();
  strings();
  numbers();
  formats(stream);
  lists(stream);
  standard_output();
  return failures;
}
