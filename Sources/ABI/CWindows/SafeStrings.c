/* strsafe.h. */
#include "CWindows.h"
#include "strsafe.h"

#include <string.h>

#define INSUFFICIENT_BUFFER ((HRESULT)0x8007007A)
#define INVALID_PARAMETER ((HRESULT)0x80070057)

static int is_room(const void *to, size_t count) { return to != NULL && count > 0 && count <= INT_MAX; }

/* How much of a text, with its NUL, fits behind what is there. */
static HRESULT copy(void *to, size_t count, const void *from, size_t length, size_t size) {
  size_t taken = length < count ? length : count - 1;
  memcpy(to, from, taken * size);
  memset((char *)to + taken * size, 0, size);
  return taken == length ? S_OK : INSUFFICIENT_BUFFER;
}

HRESULT StringCchCopyA(LPSTR to, size_t count, LPCSTR from) {
  if (!is_room(to, count)) return INVALID_PARAMETER;
  return copy(to, count, from, strnlen(from, count), 1);
}
HRESULT StringCchCopyW(LPWSTR to, size_t count, LPCWSTR from) {
  if (!is_room(to, count)) return INVALID_PARAMETER;
  return copy(to, count, from, nsp_wcsnlen(from, count), sizeof(WCHAR));
}
HRESULT StringCchCatA(LPSTR to, size_t count, LPCSTR from) {
  size_t there = is_room(to, count) ? strnlen(to, count) : count;
  return there == count ? INVALID_PARAMETER : StringCchCopyA(to + there, count - there, from);
}
HRESULT StringCchCatW(LPWSTR to, size_t count, LPCWSTR from) {
  size_t there = is_room(to, count) ? nsp_wcsnlen(to, count) : count;
  return there == count ? INVALID_PARAMETER : StringCchCopyW(to + there, count - there, from);
}

HRESULT StringCchPrintfA(LPSTR to, size_t count, LPCSTR format, ...) {
  struct nsp_output output = {.room = to, .count = count};
  va_list arguments;
  if (!is_room(to, count)) return INVALID_PARAMETER;
  va_start(arguments, format);
  nsp_format_narrow(&output, format, arguments);
  va_end(arguments);
  return nsp_finish(&output) < 0 || output.hasFailed ? INSUFFICIENT_BUFFER : S_OK;
}
HRESULT StringCchPrintfW(LPWSTR to, size_t count, LPCWSTR format, ...) {
  struct nsp_output output = {.room = to, .count = count, .isWide = 1};
  va_list arguments;
  if (!is_room(to, count)) return INVALID_PARAMETER;
  va_start(arguments, format);
  nsp_format_wide(&output, format, arguments);
  va_end(arguments);
  return nsp_finish(&output) < 0 || output.hasFailed ? INSUFFICIENT_BUFFER : S_OK;
}
