/* winsock2.h with what it brings on Windows: the Win32 base and sockets. */
#ifndef NSP_WINDOWS_WINSOCK2_H
#define NSP_WINDOWS_WINSOCK2_H
#pragma GCC system_header

#include "nsp/windows-compat.h"

#include_next <winsock2.h>

#include "nsp/win32.h"
#include "nsp/sockets.h"

#endif
