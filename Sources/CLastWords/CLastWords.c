#define _GNU_SOURCE
#include "CLastWords.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

_Thread_local struct nsp_mark nsp_this_mark __attribute__((tls_model("initial-exec")));

/* Read by a handler while others write: a slot is whole when its start is there. */
enum { SLOTS = 512, NAME = 64 };
static struct { _Atomic uintptr_t start; uintptr_t end; char name[NAME]; } files[SLOTS];
static atomic_flag isBusy = ATOMIC_FLAG_INIT;

static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
static const char *const names[] = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"};
enum { SIGNALS = sizeof numbers / sizeof *numbers };

void nsp_last_words_know(const void *start, size_t size, const char *name) {
  while (atomic_flag_test_and_set(&isBusy)) {}
  int isKnown = 0;
  for (int i = 0; i < SLOTS; i++) isKnown = isKnown || files[i].start == (uintptr_t)start;
  for (int i = 0; i < SLOTS && !isKnown; i++) {
    if (files[i].start != 0) continue;
    files[i].end = (uintptr_t)start + size;
    strncpy(files[i].name, name, NAME - 1);
    files[i].start = (uintptr_t)start;
    break;
  }
  atomic_flag_clear(&isBusy);
}

void nsp_last_words_forget(const void *start) {
  while (atomic_flag_test_and_set(&isBusy)) {}
  for (int i = 0; i < SLOTS; i++)
    if (files[i].start == (uintptr_t)start) files[i].start = 0;
  atomic_flag_clear(&isBusy);
}

static const char *file_of(uintptr_t address) {
  for (int i = 0; i < SLOTS; i++) {
    uintptr_t start = files[i].start;
    if (start != 0 && address >= start && address < files[i].end) return files[i].name;
  }
  return NULL;
}

/* Whose code it was: that of the instruction, else of the nearest caller that can be found. An abort is in libc. */
static const char *culprit(const ucontext_t *context) {
#if defined(__x86_64__)
  uintptr_t instruction = (uintptr_t)context->uc_mcontext.gregs[REG_RIP], stack = (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
  uintptr_t instruction = context->uc_mcontext.pc, stack = context->uc_mcontext.sp;
#endif
  const char *name = file_of(instruction);
  uintptr_t page = 0;
  for (uintptr_t at = stack & ~(uintptr_t)7; name == NULL && at < stack + 16384; at += sizeof at) {
    /* Where the stack ends, so does the search. */
    if (at >> 12 != page && msync((void *)(at & ~(uintptr_t)4095), 4096, MS_ASYNC) != 0) break;
    page = at >> 12;
    name = file_of(*(const uintptr_t *)at);
  }
  return name;
}

static size_t add(char *line, size_t used, size_t room, const char *text) {
  while (*text != 0 && used < room) line[used++] = *text++;
  return used;
}

static void last_words(int number, siginfo_t *info, void *context) {
  char line[512];
  size_t used = 0, room = sizeof line - 1;
  struct nsp_mark mark = nsp_this_mark;
  int index = 0;
  while (index < SIGNALS - 1 && numbers[index] != number) index++;
  used = add(line, used, room, "nsphost: ");
  if (mark.provider != NULL) {
    used = add(line, used, room, mark.provider);
    used = add(line, used, room, ": died in ");
    used = add(line, used, room, mark.routine != NULL ? mark.routine : "a routine");
  } else {
    const char *file = culprit(context);
    used = add(line, used, room, file != NULL ? file : "the host itself");
    used = add(line, used, room, file != NULL ? ": died on a thread of its own" : ": died outside of every provider");
  }
  used = add(line, used, room, ": ");
  used = add(line, used, room, names[index]);
  line[used++] = '\n';
  (void)!write(STDERR_FILENO, line, used);
  /* The instruction is met again when this returns, or the signal is sent again; nobody says anything more. */
  signal(number, SIG_DFL);
  if (info->si_code <= 0) raise(number);
}

void nsp_last_words_install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = last_words;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < SIGNALS; i++) sigaction(numbers[i], &action, NULL);
}

enum { STACK = 64 << 10 };

void *nsp_last_words_stack(void) {
  void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack_t alternate = {.ss_sp = stack, .ss_size = STACK};
  if (stack == MAP_FAILED) return NULL;
  if (sigaltstack(&alternate, NULL) == 0) return stack;
  munmap(stack, STACK);
  return NULL;
}

void nsp_last_words_stack_free(void *stack) {
  stack_t none = {.ss_flags = SS_DISABLE};
  if (stack == NULL) return;
  sigaltstack(&none, NULL);
  munmap(stack, STACK);
}
