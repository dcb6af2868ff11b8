/* The addresses of IPv6 are in winsock2.h. */
#include <winsock2.h>
