#define _GNU_SOURCE
#include "CClientSystem.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int descriptor;
  if (strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0) return descriptor;
  close(descriptor);
  return -1;
}

int nsp_client_connect(void) {
  char path[sizeof((struct sockaddr_un *)0)->sun_path];
  const char *given = secure_getenv("NSP_SOCKET"), *folder = geteuid() != 0 ? secure_getenv("XDG_RUNTIME_DIR") : NULL;
  int descriptor;
  if (given != NULL && *given != 0) return connect_to(given);
  if (folder != NULL && snprintf(path, sizeof path, "%s/nsphost/socket", folder) < (int)sizeof path &&
      (descriptor = connect_to(path)) >= 0)
    return descriptor;
  return connect_to("/run/nsphost/socket");
}

int nsp_client_send(int socket, const void *bytes, size_t count) {
  const char *next = bytes;
  while (count > 0) {
    ssize_t sent = send(socket, next, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return -1;
    next += sent, count -= (size_t)sent;
  }
  return 0;
}

int nsp_client_receive(int socket, void *bytes, size_t count) {
  char *next = bytes;
  while (count > 0) {
    ssize_t got = recv(socket, next, count, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return -1;
    next += got, count -= (size_t)got;
  }
  return 0;
}

void nsp_client_interrupt(int socket) { shutdown(socket, SHUT_RDWR); }
