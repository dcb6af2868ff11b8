/* The C library's wchar.h, where wide characters have 16 bits (-fshort-wchar): the names are the usual ones, the functions are those of
   libnspwindows.a. The C library's own read 32 bits a character, so their declarations are renamed away here, and nothing reaches them, not
   even <cwchar> and <string>. A wide function that libnspwindows.a lacks does not link: "nsp_has_no_" goes before its name. */
#pragma GCC system_header

#if __SIZEOF_WCHAR_T__ != 2 || defined(NSP_NATIVE_RUNTIME) || defined(__need_mbstate_t) || defined(__need_wint_t)
#include_next <wchar.h>
#elif !defined(NSP_WCHAR_H)
#define NSP_WCHAR_H

#define wcscpy nsp_native_wcscpy
#define wcsncpy nsp_native_wcsncpy
#define wcscat nsp_native_wcscat
#define wcsncat nsp_native_wcsncat
#define wcscmp nsp_native_wcscmp
#define wcsncmp nsp_native_wcsncmp
#define wcscoll nsp_native_wcscoll
#define wcsxfrm nsp_native_wcsxfrm
#define wcschr nsp_native_wcschr
#define wcsrchr nsp_native_wcsrchr
#define wcsspn nsp_native_wcsspn
#define wcscspn nsp_native_wcscspn
#define wcspbrk nsp_native_wcspbrk
#define wcsstr nsp_native_wcsstr
#define wcstok nsp_native_wcstok
#define wcslen nsp_native_wcslen
#define wcsnlen nsp_native_wcsnlen
#define wcsdup nsp_native_wcsdup
#define wcscasecmp nsp_native_wcscasecmp
#define wcsncasecmp nsp_native_wcsncasecmp
#define wcschrnul nsp_native_wcschrnul
#define wcpcpy nsp_native_wcpcpy
#define wcpncpy nsp_native_wcpncpy
#define wcswidth nsp_native_wcswidth
#define wmemchr nsp_native_wmemchr
#define wmemcmp nsp_native_wmemcmp
#define wmemcpy nsp_native_wmemcpy
#define wmemmove nsp_native_wmemmove
#define wmempcpy nsp_native_wmempcpy
#define wmemset nsp_native_wmemset
#define wcstol nsp_native_wcstol
#define wcstoul nsp_native_wcstoul
#define wcstoll nsp_native_wcstoll
#define wcstoull nsp_native_wcstoull
#define wcstof nsp_native_wcstof
#define wcstod nsp_native_wcstod
#define wcstold nsp_native_wcstold
#define wprintf nsp_native_wprintf
#define fwprintf nsp_native_fwprintf
#define swprintf nsp_native_swprintf
#define vwprintf nsp_native_vwprintf
#define vfwprintf nsp_native_vfwprintf
#define vswprintf nsp_native_vswprintf
#define fputws nsp_native_fputws
#define fputwc nsp_native_fputwc
#define putwc nsp_native_putwc
#define putwchar nsp_native_putwchar
#define wscanf nsp_native_wscanf
#define fwscanf nsp_native_fwscanf
#define swscanf nsp_native_swscanf
#define vwscanf nsp_native_vwscanf
#define vfwscanf nsp_native_vfwscanf
#define vswscanf nsp_native_vswscanf
#define fgetws nsp_native_fgetws
#define fgetwc nsp_native_fgetwc
#define getwc nsp_native_getwc
#define getwchar nsp_native_getwchar
#define ungetwc nsp_native_ungetwc
#define mbrtowc nsp_native_mbrtowc
#define wcrtomb nsp_native_wcrtomb
#define mbsrtowcs nsp_native_mbsrtowcs
#define wcsrtombs nsp_native_wcsrtombs
#define mbsnrtowcs nsp_native_mbsnrtowcs
#define wcsnrtombs nsp_native_wcsnrtombs
#define wcsftime nsp_native_wcsftime

#include_next <wchar.h>

#undef wcscpy
#undef wcsncpy
#undef wcscat
#undef wcsncat
#undef wcscmp
#undef wcsncmp
#undef wcscoll
#undef wcsxfrm
#undef wcschr
#undef wcsrchr
#undef wcsspn
#undef wcscspn
#undef wcspbrk
#undef wcsstr
#undef wcstok
#undef wcslen
#undef wcsnlen
#undef wcsdup
#undef wcscasecmp
#undef wcsncasecmp
#undef wcschrnul
#undef wcpcpy
#undef wcpncpy
#undef wcswidth
#undef wmemchr
#undef wmemcmp
#undef wmemcpy
#undef wmemmove
#undef wmempcpy
#undef wmemset
#undef wcstol
#undef wcstoul
#undef wcstoll
#undef wcstoull
#undef wcstof
#undef wcstod
#undef wcstold
#undef wprintf
#undef fwprintf
#undef swprintf
#undef vwprintf
#undef vfwprintf
#undef vswprintf
#undef fputws
#undef fputwc
#undef putwc
#undef putwchar
#undef wscanf
#undef fwscanf
#undef swscanf
#undef vwscanf
#undef vfwscanf
#undef vswscanf
#undef fgetws
#undef fgetwc
#undef getwc
#undef getwchar
#undef ungetwc
#undef mbrtowc
#undef wcrtomb
#undef mbsrtowcs
#undef wcsrtombs
#undef mbsnrtowcs
#undef wcsnrtombs
#undef wcsftime

#include <stdarg.h>
#include <stdio.h>

#include "nsp/instead.h"

NSP_INSTEAD_BEGIN

NSP_INSTEAD(wchar_t *, wcscpy, (wchar_t * to, const wchar_t *from));
NSP_INSTEAD(wchar_t *, wcsncpy, (wchar_t * to, const wchar_t *from, size_t count));
NSP_INSTEAD(wchar_t *, wcscat, (wchar_t * to, const wchar_t *from));
NSP_INSTEAD(wchar_t *, wcsncat, (wchar_t * to, const wchar_t *from, size_t count));
NSP_INSTEAD(int, wcscmp, (const wchar_t *one, const wchar_t *other));
NSP_INSTEAD(int, wcsncmp, (const wchar_t *one, const wchar_t *other, size_t count));
NSP_INSTEAD(int, wcscoll, (const wchar_t *one, const wchar_t *other));
NSP_INSTEAD(size_t, wcsxfrm, (wchar_t * to, const wchar_t *from, size_t count));
NSP_INSTEAD(size_t, wcsspn, (const wchar_t *text, const wchar_t *of));
NSP_INSTEAD(size_t, wcscspn, (const wchar_t *text, const wchar_t *of));
NSP_INSTEAD(wchar_t *, wcstok, (wchar_t * text, const wchar_t *separators, wchar_t **rest));
NSP_INSTEAD(size_t, wcslen, (const wchar_t *text));
NSP_INSTEAD(size_t, wcsnlen, (const wchar_t *text, size_t count));
NSP_INSTEAD(wchar_t *, wcsdup, (const wchar_t *text));
NSP_INSTEAD(int, wmemcmp, (const wchar_t *one, const wchar_t *other, size_t count));
NSP_INSTEAD(wchar_t *, wmemcpy, (wchar_t * to, const wchar_t *from, size_t count));
NSP_INSTEAD(wchar_t *, wmemmove, (wchar_t * to, const wchar_t *from, size_t count));
NSP_INSTEAD(wchar_t *, wmemset, (wchar_t * to, wchar_t character, size_t count));
NSP_INSTEAD(long, wcstol, (const wchar_t *text, wchar_t **end, int base));
NSP_INSTEAD(unsigned long, wcstoul, (const wchar_t *text, wchar_t **end, int base));
__extension__ NSP_INSTEAD(long long, wcstoll, (const wchar_t *text, wchar_t **end, int base));
__extension__ NSP_INSTEAD(unsigned long long, wcstoull, (const wchar_t *text, wchar_t **end, int base));
NSP_INSTEAD(float, wcstof, (const wchar_t *text, wchar_t **end));
NSP_INSTEAD(double, wcstod, (const wchar_t *text, wchar_t **end));
NSP_INSTEAD(long double, wcstold, (const wchar_t *text, wchar_t **end));

/* Output is UTF-8, whatever the locale; a stream takes both kinds in any order. */
NSP_INSTEAD(int, wprintf, (const wchar_t *format, ...));
NSP_INSTEAD(int, fwprintf, (FILE * stream, const wchar_t *format, ...));
NSP_INSTEAD(int, swprintf, (wchar_t * to, size_t count, const wchar_t *format, ...));
NSP_INSTEAD(int, vwprintf, (const wchar_t *format, va_list arguments));
NSP_INSTEAD(int, vfwprintf, (FILE * stream, const wchar_t *format, va_list arguments));
NSP_INSTEAD(int, vswprintf, (wchar_t * to, size_t count, const wchar_t *format, va_list arguments));
NSP_INSTEAD(int, fputws, (const wchar_t *text, FILE *stream));
NSP_INSTEAD(wint_t, fputwc, (wchar_t character, FILE *stream));
NSP_INSTEAD_AS(wint_t, putwc, (wchar_t character, FILE *stream), nsp_fputwc);
NSP_INSTEAD(wint_t, putwchar, (wchar_t character));

/* There are none of these: <cwchar> needs the names. */
NSP_NONE(int, wscanf, (const wchar_t *format, ...));
NSP_NONE(int, fwscanf, (FILE * stream, const wchar_t *format, ...));
NSP_NONE(int, swscanf, (const wchar_t *text, const wchar_t *format, ...));
NSP_NONE(int, vwscanf, (const wchar_t *format, va_list arguments));
NSP_NONE(int, vfwscanf, (FILE * stream, const wchar_t *format, va_list arguments));
NSP_NONE(int, vswscanf, (const wchar_t *text, const wchar_t *format, va_list arguments));
NSP_NONE(wchar_t *, fgetws, (wchar_t * to, int count, FILE *stream));
NSP_NONE(wint_t, fgetwc, (FILE * stream));
NSP_NONE(wint_t, getwc, (FILE * stream));
NSP_NONE(wint_t, getwchar, (void));
NSP_NONE(wint_t, ungetwc, (wint_t character, FILE *stream));
NSP_NONE(size_t, mbrtowc, (wchar_t * to, const char *from, size_t count, mbstate_t *state));
NSP_NONE(size_t, wcrtomb, (char *to, wchar_t character, mbstate_t *state));
NSP_NONE(size_t, mbsrtowcs, (wchar_t * to, const char **from, size_t count, mbstate_t *state));
NSP_NONE(size_t, wcsrtombs, (char *to, const wchar_t **from, size_t count, mbstate_t *state));
NSP_NONE(size_t, mbsnrtowcs, (wchar_t * to, const char **from, size_t bytes, size_t count, mbstate_t *state));
NSP_NONE(size_t, wcsnrtombs, (char *to, const wchar_t **from, size_t characters, size_t count, mbstate_t *state));
NSP_NONE(size_t, wcsftime, (wchar_t * to, size_t count, const wchar_t *format, const struct tm *time));

NSP_INSTEAD_END

/* Those whose result is as constant as their argument, where the C library declares them so; <cwchar> adds what it does not. */
#ifdef __CORRECT_ISO_CPP_WCHAR_H_PROTO
wchar_t *wcschr(wchar_t *text, wchar_t character) __asm__("nsp_wcschr");
const wchar_t *wcschr(const wchar_t *text, wchar_t character) __asm__("nsp_wcschr");
wchar_t *wcsrchr(wchar_t *text, wchar_t character) __asm__("nsp_wcsrchr");
const wchar_t *wcsrchr(const wchar_t *text, wchar_t character) __asm__("nsp_wcsrchr");
wchar_t *wcspbrk(wchar_t *text, const wchar_t *of) __asm__("nsp_wcspbrk");
const wchar_t *wcspbrk(const wchar_t *text, const wchar_t *of) __asm__("nsp_wcspbrk");
wchar_t *wcsstr(wchar_t *text, const wchar_t *part) __asm__("nsp_wcsstr");
const wchar_t *wcsstr(const wchar_t *text, const wchar_t *part) __asm__("nsp_wcsstr");
wchar_t *wmemchr(wchar_t *text, wchar_t character, size_t count) __asm__("nsp_wmemchr");
const wchar_t *wmemchr(const wchar_t *text, wchar_t character, size_t count) __asm__("nsp_wmemchr");
#else
NSP_INSTEAD_BEGIN
NSP_INSTEAD(wchar_t *, wcschr, (const wchar_t *text, wchar_t character));
NSP_INSTEAD(wchar_t *, wcsrchr, (const wchar_t *text, wchar_t character));
NSP_INSTEAD(wchar_t *, wcspbrk, (const wchar_t *text, const wchar_t *of));
NSP_INSTEAD(wchar_t *, wcsstr, (const wchar_t *text, const wchar_t *part));
NSP_INSTEAD(wchar_t *, wmemchr, (const wchar_t *text, wchar_t character, size_t count));
NSP_INSTEAD_END
#endif

#endif
