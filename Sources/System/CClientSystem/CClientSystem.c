#define _GNU_SOURCE
#include "CClientSystem.h"
#include "CHostSocket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

/* When the library is loaded, before anybody can fork: what Swift makes at its first use would be made for ever in a child of a fork that
   comes in the middle of it. A worker has this code too, and nothing to begin. */
#pragma weak nsp_client_begin
__attribute__((constructor)) static void begin(void) {
  if (nsp_client_begin != NULL) nsp_client_begin();
}

int64_t nsp_client_usual_silence(void) { return NSP_HOST_USUAL_SILENCE; }
int64_t nsp_client_endless(void) { return NSP_HOST_NO_END; }

int nsp_client_connect(int64_t silence) {
  int socket = nsp_host_connect(NULL, nsp_host_after(silence));
  return socket < 0 && errno == EAGAIN ? NSP_HOST_SILENT : socket;
}

int nsp_client_send(int socket, const void *bytes, size_t count, int64_t silence) {
  return nsp_host_send(socket, bytes, count, nsp_host_after(silence));
}

ssize_t nsp_client_receive(int socket, void *bytes, size_t least, size_t most, int64_t silence) {
  return nsp_host_receive_while_alive(socket, bytes, least, most, silence);
}

int nsp_client_await(int socket, int64_t span) { return nsp_host_await(socket, nsp_host_after(span)); }

uint32_t nsp_client_moment(void) { return (uint32_t)nsp_host_clock(); }

int nsp_client_receive_descriptor(int socket, void *bytes, size_t count, int *descriptor) {
  size_t have = 0;
  *descriptor = -1;
  while (have < count) {
    union {
      struct cmsghdr head;
      char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {(char *)bytes + have, count - have};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *head;
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += (size_t)got;
    head = CMSG_FIRSTHDR(&message);
    if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    if (*descriptor >= 0) close(*descriptor);
    memcpy(descriptor, CMSG_DATA(head), sizeof(int));
  }
  *descriptor = nsp_host_move_up(*descriptor);
  if (have == count) return 0;
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
  return -1;
}

int nsp_client_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) { return pthread_atfork(prepare, parent, child); }

void nsp_client_interrupt(int socket) { shutdown(socket, SHUT_RDWR); }

int nsp_client_port(const char *text, int type) {
  char *end, buffer[1024];
  struct servent entry, *found = NULL;
  long number = strtol(text, &end, 10);
  if (*text != 0 && *end == 0) return number >= 0 && number <= 65535 ? htons((uint16_t)number) : -1;
  if (getservbyname_r(text, type == SOCK_DGRAM ? "udp" : type == SOCK_STREAM ? "tcp" : NULL, &entry, buffer, sizeof buffer, &found) != 0)
    return -1;
  return found != NULL ? found->s_port : -1;
}

/* The number of an interface of this machine, by its name or in digits; 0 stands for itself: no zone. -1 when there is no such one. */
static int64_t zone_number(const char *text) {
  char name[IF_NAMESIZE];
  unsigned long number = if_nametoindex(text);
  if (number > 0) return (int64_t)number;
  if (*text == 0 || strspn(text, "0123456789") != strlen(text)) return -1;
  errno = 0;
  number = strtoul(text, NULL, 10);
  if (errno != 0 || number > UINT32_MAX || (number > 0 && if_indextoname((unsigned)number, name) == NULL)) return -1;
  return (int64_t)number;
}

int nsp_client_numeric(const char *text, void *address) {
  struct sockaddr_in four = {.sin_family = AF_INET};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  const char *zone = strchr(text, '%');
  char bare[INET6_ADDRSTRLEN];
  int64_t number;
  if (zone == NULL) {
    if (inet_pton(AF_INET, text, &four.sin_addr) == 1) return memcpy(address, &four, sizeof four), (int)sizeof four;
    if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1) return memcpy(address, &six, sizeof six), (int)sizeof six;
    return 0;
  }
  if ((size_t)(zone - text) >= sizeof bare) return 0;
  memcpy(bare, text, (size_t)(zone - text));
  bare[zone - text] = 0;
  if (inet_pton(AF_INET6, bare, &six.sin6_addr) != 1) return 0;
  number = zone_number(zone + 1);
  if (number < 0) return -1;
  six.sin6_scope_id = (uint32_t)number;
  return memcpy(address, &six, sizeof six), (int)sizeof six;
}

static _Thread_local void *serving __attribute__((tls_model("initial-exec")));
void *nsp_client_serving(void) { return serving; }
void nsp_client_set_serving(void *what) { serving = what; }

void nsp_client_pause(unsigned milliseconds) {
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  while (nanosleep(&time, &time) != 0 && errno == EINTR) {}
}

void nsp_event_create(struct nsp_event *event) {
  pthread_condattr_t attributes;
  pthread_mutex_init(&event->lock, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&event->came, &attributes);
  pthread_condattr_destroy(&attributes);
  event->isSet = 0;
}
void nsp_event_set(struct nsp_event *event) {
  pthread_mutex_lock(&event->lock);
  event->isSet = 1;
  pthread_cond_broadcast(&event->came);
  pthread_mutex_unlock(&event->lock);
}
int nsp_event_wait(struct nsp_event *event, int64_t microseconds) {
  struct timespec end;
  int isSet;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += microseconds / 1000000, end.tv_nsec += microseconds % 1000000 * 1000;
  if (end.tv_nsec >= 1000000000) end.tv_sec++, end.tv_nsec -= 1000000000;
  pthread_mutex_lock(&event->lock);
  while (!event->isSet) {
    if (microseconds < 0) pthread_cond_wait(&event->came, &event->lock);
    else if (pthread_cond_timedwait(&event->came, &event->lock, &end) == ETIMEDOUT) break;
  }
  isSet = event->isSet;
  pthread_mutex_unlock(&event->lock);
  return isSet;
}
