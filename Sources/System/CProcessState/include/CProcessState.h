/* What belongs to a whole process and any code in it can change: working directory, umask, locale, dispositions of signals. */
#ifndef NSPHOST_CPROCESSSTATE_H
#define NSPHOST_CPROCESSSTATE_H

#include <stddef.h>

/* Keeps it as it is now; what was kept before is forgotten. One thread at a time, here and below. */
void nsp_process_state_keep(void);

/* Compares it with what was kept, and sets back what is different; the locale of the calling thread as well. Returns 1 and a text that says what
   it was, 0 when all is as it was. */
int nsp_process_state_restore(char *text, size_t size);

#endif
