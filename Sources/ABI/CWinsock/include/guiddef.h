/* GUID: 16 bytes, aligned to 4. Its text form is 8-4-4-4-12 hexadecimal digits, the bytes of Data4 in order. It is an
   aggregate: `= {0}` works. (NSP §3) */
#ifndef NSP_GUIDDEF_H
#define NSP_GUIDDEF_H

#include <stdint.h>
#include <string.h>

typedef struct _GUID {
  uint32_t Data1;
  uint16_t Data2;
  uint16_t Data3;
  uint8_t Data4[8];
} GUID;

typedef GUID *LPGUID;
typedef const GUID *LPCGUID;

/* How a function takes a GUID that it only reads: by reference in C++, by pointer in C. */
#ifdef __cplusplus
#define REFGUID const GUID &
#else
#define REFGUID const GUID *
#endif

/* Non-zero when both are the same. Any thread. */
#ifdef __cplusplus
static inline int IsEqualGUID(REFGUID rguid1, REFGUID rguid2) { return memcmp(&rguid1, &rguid2, sizeof(GUID)) == 0; }
static inline bool operator==(REFGUID rguid1, REFGUID rguid2) { return IsEqualGUID(rguid1, rguid2) != 0; }
static inline bool operator!=(REFGUID rguid1, REFGUID rguid2) { return IsEqualGUID(rguid1, rguid2) == 0; }
#else
static inline int IsEqualGUID(REFGUID rguid1, REFGUID rguid2) { return memcmp(rguid1, rguid2, sizeof(GUID)) == 0; }
#endif

#endif
