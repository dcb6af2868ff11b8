/* What a module of glibc's name service switch has for hosts and services, as glibc's own header says it, and how to look at what such a
   module has left in memory. */
#ifndef NSP_MODULEABI_H
#define NSP_MODULEABI_H

#include <netdb.h>
#include <nss.h>
#include <stddef.h>

/* The functions that are looked for by name (dlsym); glibc declares what they are, these are pointers to them. */
typedef nss_gethostbyname4_r *nsp_gethostbyname4;
typedef nss_gethostbyname3_r *nsp_gethostbyname3;
typedef nss_gethostbyname2_r *nsp_gethostbyname2;
typedef nss_gethostbyname_r *nsp_gethostbyname;
typedef nss_gethostbyaddr2_r *nsp_gethostbyaddr2;
typedef nss_gethostbyaddr_r *nsp_gethostbyaddr;
typedef nss_getservbyname_r *nsp_getservbyname;
typedef nss_getservbyport_r *nsp_getservbyport;

/* Has glibc read /etc/host.conf, which it does before it calls modules: without it, `files` gives one address of a name alone. Any thread. */
void nsp_read_host_configuration(void);

/* Copies memory of this process, if all of it is there: an address that leads nowhere is an answer, not a crash. 0, or -1. Any thread. */
int nsp_copy_memory(void *to, const void *from, size_t count);

#endif
