#include "CNSSModule.h"
