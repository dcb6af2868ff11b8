/* The per-thread last error, declared in winsock2.h. There is one in a process that hosts providers, and one in libnsp.so. */
#ifndef NSP_CLASTERROR_H
#define NSP_CLASTERROR_H

#include "winsock2.h"

#endif
