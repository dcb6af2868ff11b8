/* The name of this machine. */
#include "CWindows.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

BOOL GetComputerNameA(LPSTR name, LPDWORD count) {
  char host[HOST_NAME_MAX + 1] = "";
  gethostname(host, sizeof host - 1);
  size_t length = strlen(host);
  BOOL fits = name != NULL && *count > length;
  if (fits) memcpy(name, host, length + 1);
  else SetLastError(bufferOverflow);
  *count = (DWORD)(fits ? length : length + 1);
  return fits;
}

BOOL GetComputerNameW(LPWSTR name, LPDWORD count) {
  char host[HOST_NAME_MAX + 1];
  WCHAR wide[HOST_NAME_MAX + 1];
  DWORD narrowCount = sizeof host, length = 0;
  const char *at = host;
  char32_t character;
  if (!GetComputerNameA(host, &narrowCount)) return FALSE;
  while ((character = nsp_next_narrow(&at, NULL)) != 0) length += (DWORD)nsp_wide_of(character, wide + length);
  BOOL fits = name != NULL && *count > length;
  wide[length] = 0;
  if (fits) memcpy(name, wide, (length + 1) * sizeof(WCHAR));
  else SetLastError(bufferOverflow);
  *count = fits ? length : length + 1;
  return fits;
}
