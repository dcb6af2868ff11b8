/* Status codes and the small words of the kernel interfaces (NMR §2, §5). */
#ifndef NSP_NTDEF_H
#define NSP_NTDEF_H

#include "windef.h"

/* 32 bits; negative means failure. */
typedef LONG NTSTATUS;
typedef HANDLE *PHANDLE;

typedef struct _LUID {
  DWORD LowPart;
  LONG HighPart;
} LUID, *PLUID;

#ifndef CONST
#define CONST const
#endif
/* The calling convention is the platform's own: plain functions fit into every callback field. */
#ifndef NTAPI
#define NTAPI
#endif

/* Annotations that tools elsewhere read; they say nothing to a compiler. */
#ifndef _In_
#define _In_
#define _In_opt_
#define _Out_
#define _Outptr_
#define _Outptr_result_maybenull_
#define _Inout_
#endif
#ifndef __drv_aliasesMem
#define __drv_aliasesMem
#endif

#define NT_SUCCESS(status) (((NTSTATUS)(status)) >= 0)
#ifndef UNREFERENCED_PARAMETER
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#endif

#define STATUS_SUCCESS ((NTSTATUS)0x00000000)
#define STATUS_PENDING ((NTSTATUS)0x00000103)
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001)
#define STATUS_INVALID_HANDLE ((NTSTATUS)0xC0000008)
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000D)
#define STATUS_NO_MEMORY ((NTSTATUS)0xC0000017)
#define STATUS_ACCESS_DENIED ((NTSTATUS)0xC0000022)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BB)
#define STATUS_INVALID_DEVICE_STATE ((NTSTATUS)0xC0000184)
#define STATUS_POSSIBLE_DEADLOCK ((NTSTATUS)0xC0000194)
#define STATUS_NOINTERFACE ((NTSTATUS)0xC00002B9)

NSP_ASSERT_SIZE(NTSTATUS, 4);
NSP_ASSERT_SIZE(LUID, 8);
NSP_ASSERT_ALIGNMENT(LUID, 4);
NSP_ASSERT_OFFSET(LUID, HighPart, 4);

#endif
