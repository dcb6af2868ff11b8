/* On Windows it finds getaddrinfo on systems without; here ws2tcpip.h has it. */
#include <ws2tcpip.h>
