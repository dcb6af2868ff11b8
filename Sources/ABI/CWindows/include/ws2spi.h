/* ws2spi.h as it is on Windows: it declares NSPStartup, and none of the routines of NSPv2 providers, which there have names of their own choice. */
#ifndef NSP_WINDOWS_WS2SPI_H
#define NSP_WINDOWS_WS2SPI_H
#pragma GCC system_header

#include <winsock2.h>

#include_next <ws2spi.h>

NSP_EXTERN_C_BEGIN
NSP_EXPORT INT WSAAPI NSPStartup(LPGUID lpProviderId, LPNSP_ROUTINE lpnspRoutines);
NSP_EXTERN_C_END

/* Providers in the field declare the cleanup routine's argument as LPVOID *. */
#ifdef __clang__
#pragma clang diagnostic warning "-Wincompatible-function-pointer-types"
#endif

#endif
