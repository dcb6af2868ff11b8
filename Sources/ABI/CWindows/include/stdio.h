/* The C library's stdio.h, where wide characters have 16 bits: formats have their Windows meaning (%S is the other width, %I64d, l has 32
   bits), and text is UTF-8. The compilers' format checks know another meaning, so they are off. */
#pragma GCC system_header

#if __SIZEOF_WCHAR_T__ != 2 || defined(NSP_NATIVE_RUNTIME) || defined(__need_FILE) || defined(__need___FILE)
#include_next <stdio.h>
#elif !defined(NSP_STDIO_H)
#define NSP_STDIO_H

#define printf nsp_native_printf
#define fprintf nsp_native_fprintf
#define sprintf nsp_native_sprintf
#define snprintf nsp_native_snprintf
#define vprintf nsp_native_vprintf
#define vfprintf nsp_native_vfprintf
#define vsprintf nsp_native_vsprintf
#define vsnprintf nsp_native_vsnprintf

#include_next <stdio.h>

#undef printf
#undef fprintf
#undef sprintf
#undef snprintf
#undef vprintf
#undef vfprintf
#undef vsprintf
#undef vsnprintf

#include <stdarg.h>

#include "nsp/instead.h"

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#endif

NSP_INSTEAD_BEGIN

NSP_INSTEAD(int, printf, (const char *format, ...));
NSP_INSTEAD(int, fprintf, (FILE * stream, const char *format, ...));
NSP_INSTEAD(int, sprintf, (char *to, const char *format, ...));
NSP_INSTEAD(int, snprintf, (char *to, size_t count, const char *format, ...));
NSP_INSTEAD(int, vprintf, (const char *format, va_list arguments));
NSP_INSTEAD(int, vfprintf, (FILE * stream, const char *format, va_list arguments));
NSP_INSTEAD(int, vsprintf, (char *to, const char *format, va_list arguments));
NSP_INSTEAD(int, vsnprintf, (char *to, size_t count, const char *format, va_list arguments));

NSP_INSTEAD_END

#endif
