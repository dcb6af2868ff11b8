/* The heap, and memory that is to be forgotten. */
#include "CWindows.h"

#include <stdlib.h>
#include <string.h>

#define ZEROED 0x8

HANDLE GetProcessHeap(VOID) {
  static char heap;
  return &heap;
}
LPVOID HeapAlloc(HANDLE heap, DWORD flags, SIZE_T bytes) {
  (void)heap;
  return (flags & ZEROED) != 0 ? calloc(1, bytes > 0 ? bytes : 1) : malloc(bytes > 0 ? bytes : 1);
}
BOOL HeapFree(HANDLE heap, DWORD flags, LPVOID memory) {
  (void)heap, (void)flags;
  free(memory);
  return TRUE;
}

PVOID SecureZeroMemory(PVOID place, SIZE_T bytes) {
  explicit_bzero(place, bytes);
  return place;
}
