/* What a process says as it dies, without a host: guard | stack | reading | routine | record.
     guard    on a thread whose stack lies right below memory that can't be read
     stack    with a stack pointer that leads nowhere
     reading  while the host reads a record; routine: in a routine of a provider's
     record   by _exit in a routine, while the process that has started it reads what it did */
#define _GNU_SOURCE
#include <CLastWords.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile size_t nowhere = 0x10;
static void *dies(void *unused) {
  void *stack = nsp_last_words_stack();
  *(volatile int *)nowhere = 1;
  nsp_last_words_stack_free(stack);
  return unused;
}

int main(int count, char **words) {
  const char *how = count > 1 ? words[1] : "";
  const size_t size = 256 << 10;
  if (strcmp(how, "record") == 0) {
    int record = nsp_record_create(), status;
    char text[256];
    pid_t child = fork();
    if (child == 0) {
      if (nsp_record_use(record) != 0) return 1;
      nsp_last_words_install();
      nsp_mark_provider("alpha");
      nsp_mark_routine("Begin");
      _exit(0);
    }
    waitpid(child, &status, 0);
    nsp_record_running(record, text, sizeof text);
    printf("%d %d %s\n", status, nsp_record_is_ended(record), text);
    return 0;
  }
  nsp_last_words_install();
  if (strcmp(how, "guard") == 0) {
    char *memory = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attributes;
    pthread_t thread;
    mprotect(memory + size, size, PROT_NONE);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, memory, size);
    pthread_create(&thread, &attributes, dies, NULL);
    pthread_join(thread, NULL);
  }
  if (strcmp(how, "reading") == 0) {
    nsp_mark_provider("alpha");
    nsp_mark_routine("NSPv2LookupServiceNextEx");
    nsp_mark_reading("alpha");
    *(volatile int *)nowhere = 1;
  }
  if (strcmp(how, "routine") == 0) {
    nsp_mark_provider("alpha");
    nsp_mark_routine("NSPv2LookupServiceNextEx");
    nsp_mark_restore(nsp_mark_reading("alpha"));
    *(volatile int *)nowhere = 1;
  }
#if defined(__x86_64__)
  if (strcmp(how, "stack") == 0) {
    nsp_last_words_stack();
    __asm__ volatile("movq $0xfffffffffffffff8, %%rsp\n\tmovl $0, 0x10" ::: "memory");
  }
#elif defined(__aarch64__)
  if (strcmp(how, "stack") == 0) {
    nsp_last_words_stack();
    __asm__ volatile("mov x1, #0x10\n\tmov sp, x1\n\tstr xzr, [x1]" ::: "memory");
  }
#endif
  return 1;
}
