/* Annotations that tools elsewhere read; they say nothing to a compiler. The C++ library has parameters called __in and __out: those of its
   headers that do come first. */
#ifndef NSP_ANNOTATIONS_H
#define NSP_ANNOTATIONS_H

#ifdef __cplusplus
#include <algorithm>
#include <functional>
#include <iostream>
#include <locale>
#include <memory>
#include <regex>
#include <string>
#include <thread>
#include <tuple>
#endif

#define __in
#define __out
#define __inout
#define __deref_out
#define __in_ecount(count)
#define __out_ecount(count)
#define __out_bcount(bytes)
#ifndef _In_
#define _In_
#endif
#define _In_reads_(count)

#endif
