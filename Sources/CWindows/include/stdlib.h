/* The C library's stdlib.h, where wide characters have 16 bits: without the four functions that store or read 32 bits a character. */
#pragma GCC system_header

#if __SIZEOF_WCHAR_T__ != 2 || defined(NSP_NATIVE_RUNTIME) || defined(__need_malloc_and_calloc)
#include_next <stdlib.h>
#elif !defined(NSP_STDLIB_H)
#define NSP_STDLIB_H

#define mbstowcs nsp_native_mbstowcs
#define wcstombs nsp_native_wcstombs
#define mbtowc nsp_native_mbtowc
#define wctomb nsp_native_wctomb

#include_next <stdlib.h>

#undef mbstowcs
#undef wcstombs
#undef mbtowc
#undef wctomb

#include "nsp/instead.h"

NSP_INSTEAD_BEGIN

NSP_NONE(size_t, mbstowcs, (wchar_t * to, const char *from, size_t count));
NSP_NONE(size_t, wcstombs, (char *to, const wchar_t *from, size_t count));
NSP_NONE(int, mbtowc, (wchar_t * to, const char *from, size_t count));
NSP_NONE(int, wctomb, (char *to, wchar_t character));

NSP_INSTEAD_END

#endif
