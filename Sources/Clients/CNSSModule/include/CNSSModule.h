/* What the NSS module needs of libc, where Embedded Swift has no view of it, and what it gives glibc (Exports/nss.map). */
#ifndef NSP_CNSSMODULE_H
#define NSP_CNSSMODULE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "CHostSocket.h"

/* A connection for one call. */
struct nsp_nss_connection {
  /* -1: none. */
  int descriptor;
  /* Where it is kept between calls; -1: nowhere. */
  int place;
  /* What the host said one name is worth, in milliseconds; 0: it has not said it yet. */
  uint32_t budget;
};

/* Takes a connection that was kept, for this call alone; where there is none, a place for a new one. */
struct nsp_nss_connection nsp_nss_take(void);
/* Connects, until `end`. 0, or -1. */
int nsp_nss_connect(struct nsp_nss_connection *connection, int64_t end);
/* Keeps it for the next call. */
void nsp_nss_keep(struct nsp_nss_connection *connection);
/* Closes it, and gives its place back. */
void nsp_nss_end(struct nsp_nss_connection *connection);

/* Whether a thread of the process at the other end waits for a processor or a disk, as far as this one can see: then it is not down. */
int nsp_nss_is_busy(const struct nsp_nss_connection *connection);

/* Whether this process does not want the module (NSP_NSS_BYPASS), or is the host or in its care. */
int nsp_nss_is_bypassed(void);
/* Until when the host is taken for one that does not answer. */
int64_t nsp_nss_silent_until(void);
void nsp_nss_set_silent_until(int64_t end);
/* A thread in the middle of a call can't be cancelled: it would take the connection with it. */
int nsp_nss_hold_cancellation(void);
void nsp_nss_release_cancellation(int former);

enum nss_status _nss_nsp_gethostbyname_r(const char *name, struct hostent *result, char *buffer, size_t buflen, int *errnop, int *h_errnop);
enum nss_status _nss_nsp_gethostbyname2_r(const char *name, int af, struct hostent *result, char *buffer, size_t buflen, int *errnop,
                                          int *h_errnop);
enum nss_status _nss_nsp_gethostbyname3_r(const char *name, int af, struct hostent *result, char *buffer, size_t buflen, int *errnop,
                                          int *h_errnop, int32_t *ttlp, char **canonp);
enum nss_status _nss_nsp_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat, char *buffer, size_t buflen, int *errnop,
                                          int *h_errnop, int32_t *ttlp);
enum nss_status _nss_nsp_gethostbyaddr_r(const void *addr, socklen_t len, int af, struct hostent *result, char *buffer, size_t buflen,
                                         int *errnop, int *h_errnop);
enum nss_status _nss_nsp_gethostbyaddr2_r(const void *addr, socklen_t len, int af, struct hostent *result, char *buffer, size_t buflen,
                                          int *errnop, int *h_errnop, int32_t *ttlp);
enum nss_status _nss_nsp_getservbyname_r(const char *name, const char *protocol, struct servent *result, char *buffer, size_t buflen,
                                         int *errnop);
enum nss_status _nss_nsp_getservbyport_r(int port, const char *protocol, struct servent *result, char *buffer, size_t buflen, int *errnop);

#endif
