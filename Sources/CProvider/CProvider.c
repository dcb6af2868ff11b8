#include "CProvider.h"
