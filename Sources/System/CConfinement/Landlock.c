/* What this thread, and those that it starts, may do with files, TCP ports, abstract sockets and signals. */
#define _GNU_SOURCE
#include "Measures.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in linux/landlock.h; those of the system may be older than its kernel. */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2 };
enum { VERSION = 1 };
struct ruleset { uint64_t files, ports, scopes; };
struct path_rule { uint64_t allowed; int32_t descriptor; } __attribute__((packed));
struct port_rule { uint64_t allowed, port; };

enum { WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, READ_DIR = 1 << 3 };
enum { BIND_TCP = 1 << 0, CONNECT_TCP = 1 << 1 };
enum { SCOPE_ABSTRACT = 1 << 0, SCOPE_SIGNAL = 1 << 1 };

static const struct { const char *path; uint64_t allowed; } always[] = {
    /* Libraries, time zones, character sets, locales. */
    {"/usr", READ_FILE | READ_DIR},
    {"/lib", READ_FILE | READ_DIR},
    {"/lib64", READ_FILE | READ_DIR},
    {"/etc/ld.so.cache", READ_FILE},
    {"/etc/ld.so.preload", READ_FILE},
    {"/etc/localtime", READ_FILE},
    /* How names are resolved. */
    {"/etc/nsswitch.conf", READ_FILE},
    {"/etc/resolv.conf", READ_FILE},
    {"/etc/host.conf", READ_FILE},
    {"/etc/hosts", READ_FILE},
    {"/etc/gai.conf", READ_FILE},
    {"/etc/services", READ_FILE},
    {"/etc/protocols", READ_FILE},
    /* Its own stacks and maps, and how many processors there are. */
    {"/proc/self", READ_FILE | READ_DIR},
    {"/sys/devices/system/cpu", READ_FILE | READ_DIR},
    {"/dev/null", READ_FILE | WRITE_FILE},
    {"/dev/zero", READ_FILE},
    {"/dev/random", READ_FILE},
    {"/dev/urandom", READ_FILE},
};
enum { ALWAYS = sizeof always / sizeof *always };

const char *nsp_always_readable(size_t number) { return number < ALWAYS ? always[number].path : NULL; }

int landlock_version(void) {
  long version = syscall(CREATE_RULESET, NULL, 0, VERSION);
  return version > 0 ? (int)version : 0;
}

/* Every right over files that this kernel knows of, up to ABI 5, which brought the last. */
static uint64_t all_files(int version) {
  static const int rights[] = {0, 13, 14, 15, 15, 16};
  return (UINT64_C(1) << rights[version < 5 ? version : 5]) - 1;
}

/* 0, or a number of errno. A file takes no right that only folders have. */
static int permit_path(int ruleset, const char *path, uint64_t allowed) {
  struct stat found;
  int descriptor = path[0] == '/' ? open(path, O_PATH | O_CLOEXEC) : (errno = EINVAL, -1), code = 0;
  if (descriptor < 0) return errno;
  if (fstat(descriptor, &found) == 0 && !S_ISDIR(found.st_mode)) allowed &= ~(uint64_t)READ_DIR;
  struct path_rule rule = {allowed, descriptor};
  if (syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) != 0) code = errno;
  /* A rule is about what was found here. The folder of a process is found anew, as another one, once nobody has it open. */
  if (code != 0 || strncmp(path, "/proc/", 6) != 0) close(descriptor);
  return code;
}

static int permit_paths(int ruleset, const struct nsp_confinement *wanted, struct nsp_confinement_in_force *got) {
  int code;
  for (size_t i = 0; i < ALWAYS; i++)
    if ((code = permit_path(ruleset, always[i].path, always[i].allowed)) != 0 && code != ENOENT)
      return refuse(got, &got->reading, code, "reading", always[i].path);
  if (wanted->folder != NULL && (code = permit_path(ruleset, wanted->folder, READ_FILE | READ_DIR)) != 0)
    return refuse(got, &got->reading, code, "reading", wanted->folder);
  for (size_t i = 0; i < wanted->readable_count; i++)
    if ((code = permit_path(ruleset, wanted->readable[i], READ_FILE | READ_DIR)) != 0)
      return refuse(got, &got->reading, code, "reading", wanted->readable[i]);
  return 0;
}

static int permit_ports(int ruleset, const struct nsp_confinement *wanted, struct nsp_confinement_in_force *got) {
  for (size_t i = 0; i < wanted->reachable_count; i++) {
    const char *entry = wanted->reachable[i];
    struct port_rule rule = {CONNECT_TCP, strncmp(entry, "tcp:", 4) == 0 ? (uint64_t)atoi(entry + 4) : 0};
    if (rule.port != 0 && syscall(ADD_RULE, ruleset, RULE_NET_PORT, &rule, 0) != 0)
      return refuse(got, &got->tcp_ports, errno, "connecting", entry);
  }
  return 0;
}

int landlock_prepare(const struct nsp_confinement *wanted, const struct reach *reach, struct nsp_confinement_in_force *got, int *ruleset) {
  int version = landlock_version();
  struct ruleset rules = {0};
  const struct { int isWanted, least; enum nsp_standing *standing; uint64_t *part, value; } measures[] = {
      {wanted->restricts_reading, 1, &got->reading, &rules.files, all_files(version)},
      {wanted->restricts_connecting, 4, &got->tcp_ports, &rules.ports, reach->anyTCP ? BIND_TCP : BIND_TCP | CONNECT_TCP},
      {wanted->restricts_connecting && !reach->anyUnix, 6, &got->abstract_sockets, &rules.scopes, SCOPE_ABSTRACT},
      {wanted->restricts_signals, 6, &got->signals, &rules.scopes, SCOPE_SIGNAL},
  };
  for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
    if (!measures[i].isWanted) continue;
    *measures[i].standing = version >= measures[i].least ? NSP_IN_FORCE : NSP_LACKING;
    if (version >= measures[i].least) *measures[i].part |= measures[i].value;
  }
  if ((rules.files | rules.ports | rules.scopes) == 0) return 0;
  *ruleset = (int)syscall(CREATE_RULESET, &rules, sizeof rules, 0);
  if (*ruleset < 0) return refuse(got, &got->reading, errno, "Landlock", NULL);
  if (rules.files != 0 && permit_paths(*ruleset, wanted, got) != 0) return -1;
  return (rules.ports & CONNECT_TCP) != 0 ? permit_ports(*ruleset, wanted, got) : 0;
}

int landlock_enter(int ruleset) { return syscall(RESTRICT_SELF, ruleset, 0) == 0 ? 0 : errno; }
