/* The part of windows.h that clients and providers of the name service use; docs/porting.md lists it. */
#ifndef NSP_WINDOWS_H
#define NSP_WINDOWS_H

#include <winsock2.h>

#endif
