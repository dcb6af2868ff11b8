/* The other spelling; file names on Windows have no case. */
#include <ws2tcpip.h>
