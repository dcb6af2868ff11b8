#define _GNU_SOURCE
#include "CLastWords.h"
#include "Threads.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <ucontext.h>
#include <unistd.h>

_Thread_local struct nsp_mark nsp_this_mark __attribute__((tls_model("initial-exec")));

/* Read by a handler while others write: a slot is whole when its start is there. */
enum { SLOTS = 512, NAME = 64 };
static struct { _Atomic uintptr_t start; uintptr_t end; _Atomic int is_gone; char name[NAME]; } files[SLOTS];
static atomic_flag isBusy = ATOMIC_FLAG_INIT;
/* The slot that was given up last, where all were taken. */
static int last = 0;

static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
static const char *const names[] = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS"};
enum { SIGNALS = sizeof numbers / sizeof *numbers };

/* The process that has installed the handlers, 0 for none: children that providers fork say nothing. */
static _Atomic int process = 0;
static pthread_key_t ending;

/* MARK: Whose code */

void nsp_last_words_know(const void *start, size_t size, const char *name) {
  uintptr_t first = (uintptr_t)start, end = first + size;
  int place = -1, is_known = 0;
  while (atomic_flag_test_and_set(&isBusy)) {}
  for (int i = 0; i < SLOTS; i++) {
    int overlaps = files[i].start != 0 && files[i].start < end && first < files[i].end;
    /* Something else is where it was. */
    if (overlaps && files[i].is_gone) files[i].start = 0;
    is_known = is_known || files[i].start == first;
    if (files[i].start == 0 && place < 0) place = i;
  }
  for (int i = 0; i < SLOTS && place < 0; i++) {
    last = (last + 1) % SLOTS;
    if (files[last].is_gone) place = last;
  }
  if (!is_known && place >= 0) {
    files[place].start = 0;
    files[place].end = end;
    files[place].is_gone = 0;
    strncpy(files[place].name, name, NAME - 1);
    files[place].start = first;
  }
  atomic_flag_clear(&isBusy);
}

void nsp_last_words_forget(const void *start) {
  while (atomic_flag_test_and_set(&isBusy)) {}
  for (int i = 0; i < SLOTS; i++)
    if (files[i].start == (uintptr_t)start) files[i].is_gone = 1;
  atomic_flag_clear(&isBusy);
}

int nsp_file_of(uintptr_t address) {
  for (int i = 0; i < SLOTS; i++) {
    uintptr_t start = files[i].start;
    if (start != 0 && address >= start && address < files[i].end) return i;
  }
  return -1;
}

int nsp_is_in_mapped_file(uintptr_t address) {
  int file = nsp_file_of(address);
  return file >= 0 && !files[file].is_gone;
}

/* Whose code it was: that of the instruction, else of the nearest caller that can be found; an abort is in libc. The stack is read by a call
   that fails where there is no memory: above it may lie the guard page of another thread's, and the pointer may be anything. */
static int culprit(uintptr_t instruction, uintptr_t stack) {
  uintptr_t words[64];
  int file = nsp_file_of(instruction);
  stack &= ~(uintptr_t)(sizeof *words - 1);
  for (size_t done = 0; file < 0 && done < 16384; done += sizeof words) {
    struct iovec here = {words, sizeof words}, there = {(void *)(stack + done), sizeof words};
    ssize_t count = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
    for (ssize_t i = 0; file < 0 && i < count / (ssize_t)sizeof *words; i++) file = nsp_file_of(words[i]);
    /* Where the stack ends, so does the search. */
    if (count < (ssize_t)sizeof words) break;
  }
  return file;
}

/* MARK: The line */

struct line {
  size_t used;
  char text[512];
};

static void add(struct line *line, const char *text) {
  while (*text != 0 && line->used < sizeof line->text - 1) line->text[line->used++] = *text++;
}

static void add_number(struct line *line, int number) {
  char digits[12];
  size_t at = sizeof digits - 1;
  unsigned rest = number < 0 ? 0u - (unsigned)number : (unsigned)number;
  digits[at] = 0;
  do digits[--at] = (char)('0' + rest % 10);
  while ((rest /= 10) > 0);
  if (number < 0) digits[--at] = '-';
  add(line, digits + at);
}

static void add_culprit(struct line *line, uintptr_t instruction, uintptr_t stack) {
  struct nsp_mark mark = nsp_this_mark;
  add(line, "nsphost: ");
  if (mark.provider != NULL && mark.reads) {
    add(line, "the host itself: died while reading a record of ");
    add(line, mark.provider);
  } else if (mark.provider != NULL) {
    add(line, mark.provider);
    add(line, ": died in ");
    add(line, mark.routine != NULL ? mark.routine : "a routine");
  } else {
    int file = culprit(instruction, stack);
    add(line, file >= 0 ? files[file].name : "the host itself");
    add(line, file < 0 ? ": died outside of every provider" : files[file].is_gone ? ": died in its code, which was unmapped" : ": died on a thread of its own");
  }
  add(line, ": ");
}

/* Whoever reads standard error may have stopped: death does not wait for that. */
static void say(struct line *line) {
  struct pollfd entry = {STDERR_FILENO, POLLOUT, 0};
  struct iovec part = {line->text, 0};
  struct stat status;
  line->text[line->used++] = '\n';
  part.iov_len = line->used;
  if (poll(&entry, 1, 500) <= 0 || fstat(STDERR_FILENO, &status) != 0) return;
  if (S_ISSOCK(status.st_mode)) {
    (void)!send(STDERR_FILENO, line->text, line->used, MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  /* What there is room for now may be taken by others. */
  if (S_ISFIFO(status.st_mode) && (pwritev2(STDERR_FILENO, &part, 1, -1, RWF_NOWAIT) >= 0 || errno == EAGAIN)) return;
  (void)!write(STDERR_FILENO, line->text, line->used);
}

/* MARK: Signals */

static void last_words(int number, siginfo_t *info, void *given) {
  const ucontext_t *context = given;
  struct line line = {0};
  int index = 0;
  while (index < SIGNALS - 1 && numbers[index] != number) index++;
#if defined(__x86_64__)
  add_culprit(&line, (uintptr_t)context->uc_mcontext.gregs[REG_RIP], (uintptr_t)context->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  add_culprit(&line, context->uc_mcontext.pc, context->uc_mcontext.sp);
#endif
  add(&line, names[index]);
  say(&line);
  /* The instruction is met again when this returns, or the signal is sent again; nobody says anything more. */
  signal(number, SIG_DFL);
  if (info->si_code <= 0 || number == SIGTRAP || number == SIGSYS) raise(number);
}

/* MARK: Ends without a signal */

static _Noreturn void end(struct line *line, int status) {
  say(line);
  for (;;) syscall(SYS_exit_group, (status & 0xFF) != 0 ? status : EX_SOFTWARE);
}

/* Whether a provider ends this process: the host does it on its first thread, and in no provider. */
static int is_unasked(void) { return process == getpid() && (nsp_this_mark.provider != NULL || gettid() != process); }

void nsp_last_words_of_exit(const char *function, int status) {
  struct line line = {0};
  if (!is_unasked()) return;
  add_culprit(&line, (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_frame_address(0));
  add(&line, function);
  add(&line, "(");
  add_number(&line, status);
  add(&line, ")");
  end(&line, status);
}

static void exits(int status, void *unused) {
  (void)unused;
  nsp_last_words_of_exit("exit", status);
}

/* Whose status nobody tells. */
static void exits_quickly(void) {
  struct line line = {0};
  if (!is_unasked()) return;
  add_culprit(&line, (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_frame_address(0));
  add(&line, "quick_exit");
  end(&line, EX_SOFTWARE);
}

/* A thread of the host's has come to its end. Inside a routine only the routine can have done that. */
static void thread_ends(void *unused) {
  struct line line = {0};
  (void)unused;
  if (process != getpid() || nsp_this_mark.provider == NULL) {
    nsp_thread_leave();
    return;
  }
  add_culprit(&line, 0, 0);
  add(&line, "pthread_exit on a thread of the host");
  end(&line, EX_SOFTWARE);
}

static void watch_thread(void) {
  nsp_thread_enter();
  nsp_thread_show_mark();
  if (process != 0) pthread_setspecific(ending, &process);
}

void nsp_last_words_of_threads(void) {
  struct nsp_thread *threads = nsp_threads();
  if (process != getpid()) return;
  for (int i = 0; i < NSP_THREADS; i++) {
    int number = threads[i].number;
    const struct nsp_mark *mark = threads[i].mark;
    if (number == 0 || mark == NULL || syscall(SYS_tgkill, process, number, 0) == 0 || errno != ESRCH) continue;
    /* One that ends in order has given its place back before it is gone. */
    if (threads[i].number != number) continue;
    struct line line = {0};
    nsp_this_mark = *mark;
    add_culprit(&line, 0, 0);
    add(&line, "the system call exit on a thread of the host");
    end(&line, EX_SOFTWARE);
  }
}

void nsp_last_words_install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = last_words;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < SIGNALS; i++) sigaction(numbers[i], &action, NULL);
  if (process != 0 || pthread_key_create(&ending, thread_ends) != 0) return;
  process = getpid();
  on_exit(exits, NULL);
  at_quick_exit(exits_quickly);
  watch_thread();
}

/* MARK: Threads of the host */

enum { STACK = 64 << 10 };

void *nsp_last_words_stack(void) {
  void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack_t alternate = {.ss_sp = stack, .ss_size = STACK};
  watch_thread();
  if (stack == MAP_FAILED) return NULL;
  if (sigaltstack(&alternate, NULL) == 0) return stack;
  munmap(stack, STACK);
  return NULL;
}

void nsp_last_words_stack_free(void *stack) {
  stack_t none = {.ss_flags = SS_DISABLE};
  if (process != 0) pthread_setspecific(ending, NULL);
  nsp_thread_leave();
  if (stack == NULL) return;
  sigaltstack(&none, NULL);
  munmap(stack, STACK);
}
