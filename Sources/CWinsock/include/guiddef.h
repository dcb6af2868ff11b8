/* GUID: 16 bytes, aligned to 4. Its text form is 8-4-4-4-12 hexadecimal digits, the bytes of Data4 in order. */
#ifndef NSP_GUIDDEF_H
#define NSP_GUIDDEF_H

#include <stdint.h>

typedef struct _GUID {
  uint32_t Data1;
  uint16_t Data2;
  uint16_t Data3;
  uint8_t Data4[8];
} GUID;

typedef GUID *LPGUID;
typedef const GUID *LPCGUID;

#endif
