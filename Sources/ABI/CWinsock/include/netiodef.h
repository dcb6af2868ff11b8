/* Identifiers of network programming interfaces and of network modules (NMR §3). */
#ifndef NSP_NETIODEF_H
#define NSP_NETIODEF_H

#include "ntdef.h"

/* Which interface: modules are matched when these 16 bytes are equal, and by nothing else. */
typedef GUID NPIID;
typedef const NPIID *PNPIID;

typedef enum _NPI_MODULEID_TYPE { MIT_GUID = 1, MIT_IF_LUID = 2 } NPI_MODULEID_TYPE;

/* Who a module is. Length is sizeof(NPI_MODULEID); Type selects the member of the union. */
typedef struct _NPI_MODULEID {
  USHORT Length;
  NPI_MODULEID_TYPE Type;
  union {
    GUID Guid;
    LUID IfLuid;
  };
} NPI_MODULEID;
typedef const NPI_MODULEID *PNPI_MODULEID;

/* Whether two module ids are the same: of one type, with equal values. Length takes no part; other types are never equal. */
static inline BOOLEAN NmrIsEqualNpiModuleId(PNPI_MODULEID ModuleId1, PNPI_MODULEID ModuleId2) {
  if (ModuleId1->Type != ModuleId2->Type) return FALSE;
  switch (ModuleId1->Type) {
    case MIT_GUID: return memcmp(&ModuleId1->Guid, &ModuleId2->Guid, sizeof(GUID)) == 0;
    case MIT_IF_LUID: return memcmp(&ModuleId1->IfLuid, &ModuleId2->IfLuid, sizeof(LUID)) == 0;
  }
  return FALSE;
}

NSP_ASSERT_SIZE(NPI_MODULEID_TYPE, 4);
NSP_ASSERT_SIZE(NPI_MODULEID, 24);
NSP_ASSERT_ALIGNMENT(NPI_MODULEID, 4);
NSP_ASSERT_OFFSET(NPI_MODULEID, Length, 0);
NSP_ASSERT_OFFSET(NPI_MODULEID, Type, 4);
NSP_ASSERT_OFFSET(NPI_MODULEID, Guid, 8);
NSP_ASSERT_OFFSET(NPI_MODULEID, IfLuid, 8);

#endif
