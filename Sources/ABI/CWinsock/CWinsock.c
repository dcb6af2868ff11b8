/* Headers alone: what they declare is defined in other rooms, so that a provider that is built with this package brings none of the host's
   state along. */
#include "nsphost.h"
