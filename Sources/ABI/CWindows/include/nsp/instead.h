/* How a name of the C library is given another function: the declaration's assembler name, as the C library does it itself. Unlike a macro
   it leaves members and other names that read the same alone, and <cstdio> and <cwchar> can't undo it. */
#ifndef NSP_INSTEAD_H
#define NSP_INSTEAD_H

#ifdef __cplusplus
#define NSP_INSTEAD_BEGIN extern "C" {
#define NSP_INSTEAD_END }
#else
#define NSP_INSTEAD_BEGIN
#define NSP_INSTEAD_END
#endif
#define NSP_INSTEAD(type, name, parameters) extern type name parameters __asm__("nsp_" #name)
#define NSP_INSTEAD_AS(type, name, parameters, other) extern type name parameters __asm__(#other)
#define NSP_NONE(type, name, parameters) extern type name parameters __asm__("nsp_has_no_" #name)

#endif
