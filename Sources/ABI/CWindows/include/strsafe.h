/* Strings that always end: S_OK; 0x8007007A, cut and ended, when the room does not suffice; 0x80070057 when there is no room at all, or
   more than 2^31 - 1 characters of it. Counts are of characters, the NUL among them. */
#ifndef NSP_STRSAFE_H
#define NSP_STRSAFE_H

#include "nsp/win32.h"

NSP_EXTERN_C_BEGIN

HRESULT StringCchCopyA(LPSTR to, size_t count, LPCSTR from);
HRESULT StringCchCopyW(LPWSTR to, size_t count, LPCWSTR from);
HRESULT StringCchCatA(LPSTR to, size_t count, LPCSTR from);
HRESULT StringCchCatW(LPWSTR to, size_t count, LPCWSTR from);
HRESULT StringCchPrintfA(LPSTR to, size_t count, LPCSTR format, ...);
HRESULT StringCchPrintfW(LPWSTR to, size_t count, LPCWSTR format, ...);

NSP_EXTERN_C_END

#ifdef UNICODE
#define StringCchCopy StringCchCopyW
#define StringCchCat StringCchCatW
#define StringCchPrintf StringCchPrintfW
#else
#define StringCchCopy StringCchCopyA
#define StringCchCat StringCchCatA
#define StringCchPrintf StringCchPrintfA
#endif

/* One block that is left by its end or by __leave, outside of loops, and what follows it either way; a return leaves both. The C++ library
   has a __try of its own, so this header is the last one to include, as it is on Windows. */
#undef __try
#define __try do
#define __leave break
#define __finally while (0);

#endif
