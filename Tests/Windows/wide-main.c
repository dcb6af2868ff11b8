/* wmain gets its arguments in UTF-16. */
#include <windows.h>

#include "check.h"

int __cdecl wmain(int argc, __in_ecount(argc) LPWSTR *argv) {
  const WCHAR face[] = {0xD83D, 0xDE00, 0};
  CHECK(argc == 3 && argv[argc] == NULL && wcscmp(argv[1], L"\xE4") == 0 && wcscmp(argv[2], face) == 0);
  return failures;
}
