/* libffi as Swift sees it. Its type descriptors are global variables; these accessors hand out their addresses, so that Swift
   code needs no access to mutable globals. */
#ifndef NSPHOST_CFFI_SHIM_H
#define NSPHOST_CFFI_SHIM_H

#include <ffi.h>

static inline ffi_type *nsp_ffi_void(void) { return &ffi_type_void; }
static inline ffi_type *nsp_ffi_int(void) { return &ffi_type_sint32; }
static inline ffi_type *nsp_ffi_dword(void) { return &ffi_type_uint32; }
static inline ffi_type *nsp_ffi_pointer(void) { return &ffi_type_pointer; }
static inline ffi_abi nsp_ffi_default_abi(void) { return FFI_DEFAULT_ABI; }

#endif
