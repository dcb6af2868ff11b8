// A main that returns nothing, compiled with -Dmain=nsp_void_main; and the blocks that strsafe.h has for __try.
#include <winsock2.h>
#include <string>
#include <vector>
#include <strsafe.h>

#include "check.h"

static int steps(BOOL leaves) {
  int done = 0;
  __try
  {
    done = 1;
    if (leaves)
      __leave;
    done = 2;
  }
  __finally
  {
    done += 10;
  }
  return done;
}

void __cdecl main(int argc, char *argv[]) {
  std::vector<std::string> arguments(argv, argv + argc);
  CHECK(steps(TRUE) == 11 && steps(FALSE) == 12);
  CHECK(arguments.size() == 2 && arguments[1] == "one");
  exit(failures);
}
