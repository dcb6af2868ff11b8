/* ws2spi.h with the prototypes of the routines that a hosted provider exports: for sources that can't define a macro before they include it, such
   as those in Swift, whose definitions implement these declarations. */
#ifndef NSP_NSPROUTINES_H
#define NSP_NSPROUTINES_H

#ifndef NSP_ROUTINE_PROTOTYPES
#define NSP_ROUTINE_PROTOTYPES
#endif
#include "ws2spi.h"

#endif
