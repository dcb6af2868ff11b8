/* The same header in the other spelling that sources use. */
#include "ndis.h"
