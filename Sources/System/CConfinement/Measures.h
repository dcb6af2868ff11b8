/* The measures that take more than one call, each in a file of its own. */
#ifndef NSPHOST_MEASURES_H
#define NSPHOST_MEASURES_H

#include "CConfinement.h"

/* What `reachable` comes to. */
struct reach {
  int tcp, anyTCP, udp, unixPaths, anyUnix;
};

/* A failure of a measure; -1. */
int refuse(struct nsp_confinement_in_force *got, enum nsp_standing *standing, int code, const char *measure, const char *subject);

/* Landlock's ABI; 0: none. */
int landlock_version(void);
/* The rules that are wanted, and how they will stand: a descriptor in `ruleset`, -1 when there are none. 0; -1 with the failure. */
int landlock_prepare(const struct nsp_confinement *wanted, const struct reach *reach, struct nsp_confinement_in_force *got, int *ruleset);
/* Holds this thread and its own to them. 0, or a number of errno. */
int landlock_enter(int ruleset);

int system_calls_can_be_filtered(void);
/* Holds all threads to a filter: no children, only the sockets that are reached, each only if so wanted. 0, or a number of errno. */
int filter_system_calls(int forbidsChildren, const struct reach *reach);

#endif
