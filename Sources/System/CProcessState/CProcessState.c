#define _GNU_SOURCE
#include "CProcessState.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int categories[] = {LC_CTYPE, LC_NUMERIC, LC_TIME,    LC_COLLATE,   LC_MONETARY,    LC_MESSAGES,
                                 LC_PAPER, LC_NAME,    LC_ADDRESS, LC_TELEPHONE, LC_MEASUREMENT, LC_IDENTIFICATION};
enum { CATEGORIES = sizeof categories / sizeof *categories, NAME = 64, SIGNALS = 65 };
typedef char names[CATEGORIES][NAME];

static struct {
  int directory;
  int mask;
  names locale;
  struct sigaction actions[SIGNALS];
} kept = {.directory = -1, .mask = -1};

/* Not by umask, which would change it for a moment. -1 where the kernel does not say. */
static int current_mask(void) {
  FILE *status = fopen("/proc/self/status", "re");
  char line[256];
  unsigned mask = 0;
  int found = 0;
  while (status != NULL && !found && fgets(line, sizeof line, status) != NULL) found = sscanf(line, "Umask: %o", &mask) == 1;
  if (status != NULL) fclose(status);
  return found ? (int)mask : -1;
}

/* Not by setlocale, whose text another thread may free. */
static void current_locale(names into) {
  locale_t copy = duplocale(LC_GLOBAL_LOCALE);
  for (int i = 0; i < CATEGORIES; i++) {
    const char *name = copy != (locale_t)0 ? nl_langinfo_l(NL_LOCALE_NAME(categories[i]), copy) : "";
    snprintf(into[i], NAME, "%s", name);
  }
  if (copy != (locale_t)0) freelocale(copy);
}

static int is_same(const struct sigaction *one, const struct sigaction *other) {
  return one->sa_handler == other->sa_handler && one->sa_flags == other->sa_flags && memcmp(&one->sa_mask, &other->sa_mask, sizeof(unsigned long)) == 0;
}

void nsp_process_state_keep(void) {
  if (kept.directory >= 0) close(kept.directory);
  kept.directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  kept.mask = current_mask();
  current_locale(kept.locale);
  for (int number = 1; number < SIGNALS; number++) sigaction(number, NULL, &kept.actions[number]);
}

struct list {
  char *text;
  size_t size, used;
};

static void __attribute__((format(printf, 2, 3))) add(struct list *list, const char *format, ...) {
  va_list arguments;
  int length = snprintf(list->text + list->used, list->size - list->used, "%s", list->used > 0 ? ", " : "");
  if (length > 0 && list->used + (size_t)length < list->size) list->used += (size_t)length;
  va_start(arguments, format);
  length = vsnprintf(list->text + list->used, list->size - list->used, format, arguments);
  va_end(arguments);
  if (length > 0) list->used = list->used + (size_t)length < list->size ? list->used + (size_t)length : list->size - 1;
}

static void restore_directory(struct list *list) {
  struct stat own, now;
  char path[PATH_MAX] = "";
  if (kept.directory < 0 || fstat(kept.directory, &own) != 0) return;
  if (stat(".", &now) == 0 && own.st_dev == now.st_dev && own.st_ino == now.st_ino) return;
  if (getcwd(path, sizeof path) == NULL) path[0] = 0;
  add(list, "the working directory (%.200s)%s", path, fchdir(kept.directory) == 0 ? "" : ", which can't be set back");
}

static void restore_locale(struct list *list) {
  names now;
  int differs = 0;
  current_locale(now);
  for (int i = 0; i < CATEGORIES; i++) {
    if (strcmp(now[i], kept.locale[i]) == 0) continue;
    if (!differs) add(list, "the locale (%.40s)", now[i]);
    differs = 1;
    setlocale(categories[i], kept.locale[i]);
  }
  if (uselocale((locale_t)0) == LC_GLOBAL_LOCALE) return;
  add(list, "the locale of the host's thread");
  uselocale(LC_GLOBAL_LOCALE);
}

int nsp_process_state_restore(char *text, size_t size) {
  struct list list = {text, size, 0};
  int mask = current_mask();
  text[0] = 0;
  restore_directory(&list);
  if (mask >= 0 && kept.mask >= 0 && mask != kept.mask) {
    add(&list, "the umask (%04o)", (unsigned)mask);
    umask((mode_t)kept.mask);
  }
  restore_locale(&list);
  for (int number = 1; number < SIGNALS; number++) {
    struct sigaction now;
    const char *name = sigabbrev_np(number);
    if (sigaction(number, NULL, &now) != 0 || is_same(&now, &kept.actions[number])) continue;
    if (sigaction(number, &kept.actions[number], NULL) != 0) continue;
    if (name != NULL) add(&list, "the disposition of SIG%s", name);
    else add(&list, "the disposition of signal %d", number);
  }
  return list.used > 0;
}
