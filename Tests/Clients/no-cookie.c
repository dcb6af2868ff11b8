/* Preloaded: a kernel that does not tell the network namespace of a socket (SO_NETNS_COOKIE is from Linux 5.14 on). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

int getsockopt(int socket, int level, int name, void *value, socklen_t *size) {
  int (*next)(int, int, int, void *, socklen_t *);
  if (level == SOL_SOCKET && name == 71) return errno = ENOPROTOOPT, -1;
  *(void **)&next = dlsym(RTLD_NEXT, "getsockopt");
  return next(socket, level, name, value, size);
}
