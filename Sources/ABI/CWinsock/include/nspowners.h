/* Whose registrations a lookup counts. Not part of Winsock 2.
   A registration counts for everybody if root or the host's own user made it, or if a rule of the host's configuration permits it
   (`registrars`); any other registration counts for the user who made it. Providers that keep owners apart (NSP_KEEPS_OWNERS in nsphost.h)
   answer a query accordingly. (NSP §8.2, §8.9) */
#ifndef NSP_NSPOWNERS_H
#define NSP_NSPOWNERS_H

#include "windef.h"

/* For WSALookupServiceBegin: counts the registrations of all users. LUP_SECURE goes before it. With neither flag the host decides
   (lookups.owners in nsphost.toml). Users other than root and the host's own get the registrations of others by name or by address only: for
   a pattern, for no name and for LUP_CONTAINERS the flag has no effect. It is the bit that Windows calls LUP_RESERVED_UNUSED. Providers find
   it in the flags of NSPv2LookupServiceBegin, also where the configuration says that what is registered with them is shared. */
#define LUP_ALL_OWNERS 0x00080000

/* The same for GetAddrInfoEx, in ai_flags of the hints. Without it only registrations that count for the asking user count. */
#define AI_ALL_OWNERS 0x01000000

#endif
