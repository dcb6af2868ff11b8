/* What a source for Windows expects of its compiler and C library before it has included anything. windows.h and winsock2.h begin with it;
   a source that includes neither gets it by -include nsp/windows-compat.h. It needs -fshort-wchar, and does not look at UNICODE. */
#ifndef NSP_WINDOWS_COMPAT_H
#define NSP_WINDOWS_COMPAT_H

#if __SIZEOF_WCHAR_T__ != 2
#error "sources for Windows have wide characters of 16 bits: compile them with -fshort-wchar"
#endif

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* addrinfo, whatever -std says */
#endif

/* With the headers of the C library that use a word which is a macro behind them. */
#include <ctype.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "nsp/annotations.h"
#include <windef.h>

/* The other functions of the C library that read or store 32 bits a character: no source reaches them. */
#define mbstowcs nsp_has_no_mbstowcs
#define wcstombs nsp_has_no_wcstombs
#define mbtowc nsp_has_no_mbtowc
#define wctomb nsp_has_no_wctomb

NSP_EXTERN_C_BEGIN

/* Comparison without regard to the case of the letters a to z. */
int _stricmp(const char *one, const char *other);
int _strnicmp(const char *one, const char *other, size_t count);
int _wcsicmp(const wchar_t *one, const wchar_t *other);
int _wcsnicmp(const wchar_t *one, const wchar_t *other, size_t count);

/* Where a program begins: main of libnspwindows.a makes UTF-16 of the arguments. A C++ source whose main returns nothing is compiled with
   -Dmain=nsp_void_main. In C the definitions need no declaration, and may have other parameters. */
#ifdef __cplusplus
int wmain(int argc, wchar_t **argv);
void nsp_void_main(int argc, char **argv);
#endif

NSP_EXTERN_C_END

#endif
