/* The functions by which a provider ends its process without a word, as providers find them in the program that hosts them: `_exit` and
   `_Exit` of unistd.h and stdlib.h. */
#ifndef NSPHOST_CENDING_H
#define NSPHOST_CENDING_H
#endif
