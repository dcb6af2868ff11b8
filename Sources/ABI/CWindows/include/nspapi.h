/* What winsock2.h does not have of the names of class values. */
#ifndef NSP_NSPAPI_H
#define NSP_NSPAPI_H

#include <winsock2.h>

#define SERVICE_TYPE_VALUE_CONNA "ConnectionOriented"
#define SERVICE_TYPE_VALUE_CONNW NSP_WIDE("ConnectionOriented")
#ifdef UNICODE
#define SERVICE_TYPE_VALUE_CONN SERVICE_TYPE_VALUE_CONNW
#else
#define SERVICE_TYPE_VALUE_CONN SERVICE_TYPE_VALUE_CONNA
#endif

#endif
