/* The base types of the Windows interface, with the widths that they have there. The headers of this folder are
   self-contained, and clean as C11 and C++17. */
#ifndef NSP_WINDEF_H
#define NSP_WINDEF_H

#include <stddef.h>
#include <stdint.h>

#include "guiddef.h"

#ifdef __cplusplus
#define NSP_STATIC_ASSERT(condition, text) static_assert(condition, text)
#define NSP_ALIGNOF(type) alignof(type)
#define NSP_EXTERN_C_BEGIN extern "C" {
#define NSP_EXTERN_C_END }
#else
#include <uchar.h>
#define NSP_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#define NSP_ALIGNOF(type) _Alignof(type)
#define NSP_EXTERN_C_BEGIN
#define NSP_EXTERN_C_END
#endif
/* The layout of a structure, as it is on 64-bit Windows and here. */
#define NSP_ASSERT_SIZE(type, size) NSP_STATIC_ASSERT(sizeof(type) == (size), #type " has another size")
#define NSP_ASSERT_OFFSET(type, field, offset) \
  NSP_STATIC_ASSERT(offsetof(type, field) == (offset), #type "." #field " has another offset")
#define NSP_ASSERT_ALIGNMENT(type, bytes) NSP_STATIC_ASSERT(NSP_ALIGNOF(type) == (bytes), #type " has another alignment")

/* Marks what a shared object shows to others even when it is built with -fvisibility=hidden. */
#define NSP_EXPORT __attribute__((visibility("default")))

/* The calling convention is the platform's own. */
#define WSAAPI
#define WSPAPI
#define WINAPI
#define CALLBACK
#define PASCAL
#define FAR
#ifndef __cdecl
#define __cdecl
#endif

/* A macro, so that `(VOID)` is an empty parameter list in C++ too. */
#define VOID void
typedef char CHAR;
typedef uint8_t BYTE;
typedef uint8_t UCHAR;
typedef uint8_t BOOLEAN;
typedef uint16_t WORD;
typedef uint64_t ULONGLONG;
typedef uint16_t USHORT;
typedef uint32_t DWORD;
typedef uint32_t ULONG;
typedef uint32_t UINT;
typedef int32_t LONG;
typedef int32_t INT;
typedef int32_t BOOL;
typedef int32_t HRESULT;

/* One UTF-16 code unit: wchar_t where that has 16 bits (-fshort-wchar, so that L"" literals fit), else char16_t. */
#if __SIZEOF_WCHAR_T__ == 2
typedef wchar_t WCHAR;
#else
typedef char16_t WCHAR;
#endif

/* A literal of WCHARs: NSP_WIDE("text"), in both modes. */
#if __SIZEOF_WCHAR_T__ == 2
#define NSP_WIDE(text) L##text
#else
#define NSP_WIDE(text) u##text
#endif

typedef void *PVOID;
typedef void *LPVOID;
typedef const void *LPCVOID;
typedef void *HANDLE;
typedef HANDLE *LPHANDLE;
typedef HANDLE HWND;
typedef BOOL *LPBOOL;
typedef BYTE *PBYTE;
typedef BYTE *LPBYTE;
typedef DWORD *PDWORD;
typedef DWORD *LPDWORD;
typedef INT *LPINT;
typedef ULONG *PULONG;
typedef WORD *LPWORD;
typedef CHAR *PSTR;
typedef CHAR *LPSTR;
typedef const CHAR *PCSTR;
typedef const CHAR *LPCSTR;
typedef WCHAR *PWSTR;
typedef WCHAR *LPWSTR;
typedef const WCHAR *PCWSTR;
typedef const WCHAR *LPCWSTR;
typedef uintptr_t ULONG_PTR;
typedef uintptr_t DWORD_PTR;
typedef uintptr_t UINT_PTR;
typedef uintptr_t SIZE_T;
typedef uintptr_t WPARAM;
typedef intptr_t LPARAM;

#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif
#define MAKEWORD(low, high) ((WORD)(((BYTE)((low) & 0xff)) | (((WORD)((BYTE)((high) & 0xff))) << 8)))

NSP_ASSERT_SIZE(GUID, 16);
NSP_ASSERT_ALIGNMENT(GUID, 4);
NSP_ASSERT_OFFSET(GUID, Data1, 0);
NSP_ASSERT_OFFSET(GUID, Data2, 4);
NSP_ASSERT_OFFSET(GUID, Data3, 6);
NSP_ASSERT_OFFSET(GUID, Data4, 8);
NSP_ASSERT_SIZE(BYTE, 1);
NSP_ASSERT_SIZE(WORD, 2);
NSP_ASSERT_SIZE(DWORD, 4);
NSP_ASSERT_SIZE(ULONG, 4);
NSP_ASSERT_SIZE(LONG, 4);
NSP_ASSERT_SIZE(INT, 4);
NSP_ASSERT_SIZE(BOOL, 4);
NSP_ASSERT_SIZE(WCHAR, 2);
NSP_ASSERT_SIZE(HANDLE, 8);
NSP_ASSERT_SIZE(LPVOID, 8);
NSP_ASSERT_SIZE(ULONG_PTR, 8);
NSP_ASSERT_SIZE(SIZE_T, 8);

#endif
