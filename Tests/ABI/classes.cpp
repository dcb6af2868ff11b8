// NSP-007: what the class initialisers hold, as constants; for these headers and for those for Windows.
#ifdef __MINGW32__
#include <winsock2.h>
#endif
#include "svcguid.h"

constexpr bool holds(const GUID &g, DWORD data1, WORD data3) {
  return g.Data1 == data1 && g.Data2 == 0 && g.Data3 == data3 && g.Data4[0] == 0xC0 && g.Data4[1] == 0 && g.Data4[2] == 0 &&
         g.Data4[3] == 0 && g.Data4[4] == 0 && g.Data4[5] == 0 && g.Data4[6] == 0 && g.Data4[7] == 0x46;
}

#define CLASS(initialiser, data1, data3) static_assert(holds(GUID initialiser, data1, data3), "NSP-007 " #initialiser);
#include "facts.def"
