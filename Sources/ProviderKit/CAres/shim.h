#include <ares.h>

/* What reads an answer, record by record; it is libresolv's. */
#include <arpa/nameser.h>
