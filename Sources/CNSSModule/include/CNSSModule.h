#ifndef NSP_CNSSMODULE_H
#define NSP_CNSSMODULE_H
#endif
