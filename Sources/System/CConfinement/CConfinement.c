#define _GNU_SOURCE
#include "CConfinement.h"
#include "Measures.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int refuse(struct nsp_confinement_in_force *got, enum nsp_standing *standing, int code, const char *measure, const char *subject) {
  *standing = NSP_FAILED;
  got->failure = code;
  got->measure = measure;
  got->subject = subject;
  return -1;
}

/* Whether it is a port, written as a number. */
static int is_port(const char *text) {
  char *end;
  long port = strtol(text, &end, 10);
  return *text >= '0' && *text <= '9' && *end == 0 && port > 0 && port <= 65535;
}

static int read_entries(const struct nsp_confinement *wanted, struct reach *reach, struct nsp_confinement_in_force *got) {
  for (size_t i = 0; wanted->restricts_connecting && i < wanted->reachable_count; i++) {
    const char *entry = wanted->reachable[i];
    if (strcmp(entry, "tcp:*") == 0) reach->tcp = reach->anyTCP = 1;
    else if (strcmp(entry, "udp:*") == 0) reach->udp = 1;
    else if (strcmp(entry, "unix:*") == 0) reach->anyUnix = 1;
    else if (strncmp(entry, "unix:/", 6) == 0) reach->unixPaths = 1;
    else if (strncmp(entry, "tcp:", 4) == 0 && is_port(entry + 4)) reach->tcp = 1;
    else return refuse(got, &got->socket_kinds, EINVAL, "connecting", entry);
  }
  return 0;
}

/* The bytes that RLIMIT_DATA counts. */
static uint64_t data_in_use(void) {
  char line[128], *end;
  uint64_t kibibytes = 0;
  FILE *status = fopen("/proc/self/status", "re");
  if (status == NULL) return 0;
  while (fgets(line, sizeof line, status) != NULL)
    if (strncmp(line, "VmData:", 7) == 0) kibibytes = strtoull(line + 7, &end, 10);
  fclose(status);
  return kibibytes << 10;
}

/* Where the numbers of descriptors have to end, so that this many more can be opened. */
static uint64_t descriptors_with(uint64_t more) {
  uint64_t end = 0;
  for (; more > 0 && end < INT32_MAX; end++)
    if (fcntl((int)end, F_GETFD) < 0) more--;
  return end;
}

/* A limit that is stricter already stays. */
static int limit(int resource, uint64_t soft, uint64_t hard) {
  struct rlimit present;
  if (getrlimit(resource, &present) != 0) return errno;
  if (hard > present.rlim_max) hard = present.rlim_max;
  if (soft > hard) soft = hard;
  present = (struct rlimit){soft, hard};
  return setrlimit(resource, &present) == 0 ? 0 : errno;
}

static int set_limits(const struct nsp_confinement *wanted, struct nsp_confinement_in_force *got) {
  uint64_t memory, descriptors = descriptors_with(wanted->descriptors), seconds = wanted->cpu_seconds;
  got->memory_before = data_in_use();
  if (__builtin_add_overflow(got->memory_before, wanted->memory_bytes, &memory)) memory = RLIM_INFINITY;
  const struct {
    int isWanted;
    enum nsp_standing *standing;
    int resource;
    uint64_t soft, hard;
    const char *measure;
  } limits[] = {
      {wanted->memory_bytes != 0, &got->memory, RLIMIT_DATA, memory, memory, "memory"},
      {seconds != 0, &got->cpu_time, RLIMIT_CPU, seconds, seconds < RLIM_INFINITY ? seconds + 1 : seconds, "processor time"},
      {wanted->descriptors != 0, &got->descriptors, RLIMIT_NOFILE, descriptors, descriptors, "descriptors"},
      {wanted->limits_processes && wanted->processes > 0, &got->processes, RLIMIT_NPROC, wanted->processes, wanted->processes, "processes"},
      {wanted->forbids_core_files, &got->core_files, RLIMIT_CORE, 0, 0, "core files"},
  };
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    if (!limits[i].isWanted) continue;
    int code = limit(limits[i].resource, limits[i].soft, limits[i].hard);
    if (code != 0) return refuse(got, limits[i].standing, code, limits[i].measure, NULL);
    *limits[i].standing = NSP_IN_FORCE;
  }
  return 0;
}

static int become(const char *name) {
  char buffer[4096];
  struct passwd entry, *user = NULL;
  uid_t real, effective, saved;
  int code = getpwnam_r(name, &entry, buffer, sizeof buffer, &user);
  if (user == NULL) return code != 0 ? code : ENOENT;
  if (getuid() != user->pw_uid || geteuid() != user->pw_uid) {
    if (initgroups(name, user->pw_gid) != 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0) return errno;
    if (setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0) return errno;
  }
  /* There must be no way back. */
  if (getresuid(&real, &effective, &saved) != 0 || real != user->pw_uid || effective != real || saved != real) return EPERM;
  if (user->pw_uid != 0 && (setuid(0) == 0 || (user->pw_gid != 0 && setgid(0) == 0))) return EPERM;
  return 0;
}

static unsigned other_threads(void) {
  unsigned count = 0;
  DIR *tasks = opendir("/proc/self/task");
  for (struct dirent *entry; tasks != NULL && (entry = readdir(tasks)) != NULL;) count += entry->d_name[0] != '.';
  if (tasks != NULL) closedir(tasks);
  return count > 0 ? count - 1 : 0;
}

static int confine(const struct nsp_confinement *wanted, struct nsp_confinement_in_force *got, int *ruleset) {
  struct reach reach = {0};
  int forbidsChildren = wanted->limits_processes && wanted->processes == 0, code;
  if (read_entries(wanted, &reach, got) != 0) return -1;
  /* Paths are opened and counts are taken by the user that starts, who may read more. */
  if (landlock_prepare(wanted, &reach, got, ruleset) != 0) return -1;
  got->threads_outside = other_threads();
  if (set_limits(wanted, got) != 0) return -1;
  if (wanted->user != NULL) {
    if ((code = become(wanted->user)) != 0) return refuse(got, &got->user, code, "user", wanted->user);
    got->user = NSP_IN_FORCE;
  }
  if (got->processes == NSP_IN_FORCE && getuid() == 0) got->processes = NSP_LACKING;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refuse(got, &got->no_new_privileges, errno, "no new privileges", NULL);
  got->no_new_privileges = NSP_IN_FORCE;
  if (*ruleset >= 0 && (code = landlock_enter(*ruleset)) != 0) return refuse(got, &got->reading, code, "Landlock", NULL);
  if (!forbidsChildren && !wanted->restricts_connecting) return 0;
  enum nsp_standing filtered = NSP_LACKING;
  if (system_calls_can_be_filtered()) {
    if ((code = filter_system_calls(forbidsChildren, wanted->restricts_connecting ? &reach : NULL)) != 0)
      return refuse(got, forbidsChildren ? &got->processes : &got->socket_kinds, code, "seccomp", NULL);
    filtered = NSP_IN_FORCE;
  }
  if (forbidsChildren) got->processes = filtered;
  if (wanted->restricts_connecting) got->socket_kinds = filtered;
  if (reach.unixPaths && !reach.anyUnix) got->unix_paths = NSP_LACKING;
  return 0;
}

int nsp_confine(const struct nsp_confinement *wanted, struct nsp_confinement_in_force *got) {
  int ruleset = -1;
  memset(got, 0, sizeof *got);
  int result = confine(wanted, got, &ruleset);
  if (ruleset >= 0) close(ruleset);
  return result;
}

struct nsp_confinement_available nsp_confinement_available(void) {
  return (struct nsp_confinement_available){.landlock = landlock_version(), .seccomp = system_calls_can_be_filtered()};
}
