/* UTF-8 and UTF-16. */
#include "CWindows.h"

#define REPLACEMENT 0xFFFD

char32_t nsp_next_narrow(const char **text, const char *end) {
  const unsigned char *at = (const unsigned char *)*text;
  unsigned first, follow;
  char32_t character, least;
  if (*text == end || (first = *at) == 0) return 0;
  (*text)++;
  if (first < 0x80) return first;
  follow = first >= 0xF0 && first < 0xF5 ? 3 : first >= 0xE0 && first < 0xF0 ? 2 : first >= 0xC2 && first < 0xE0 ? 1 : 0;
  if (follow == 0) return REPLACEMENT;
  character = first & (0x3F >> follow);
  least = follow == 3 ? 0x10000 : follow == 2 ? 0x800 : 0x80;
  for (unsigned i = 1; i <= follow; i++) {
    if (*text == end || (at[i] & 0xC0) != 0x80) return REPLACEMENT;
    character = character << 6 | (at[i] & 0x3F);
    (*text)++;
  }
  return character < least || character > 0x10FFFF || (character >= 0xD800 && character < 0xE000) ? REPLACEMENT : character;
}

char32_t nsp_next_wide(const WCHAR **text, const WCHAR *end) {
  char32_t first, second;
  if (*text == end || (first = (uint16_t)**text) == 0) return 0;
  (*text)++;
  if (first < 0xD800 || first > 0xDFFF) return first;
  if (first > 0xDBFF || *text == end) return REPLACEMENT;
  second = (uint16_t)**text;
  if (second < 0xDC00 || second > 0xDFFF) return REPLACEMENT;
  (*text)++;
  return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

int nsp_narrow_of(char32_t character, char *to) {
  if (character < 0x80) {
    to[0] = (char)character;
    return 1;
  }
  int follow = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  to[0] = (char)((0xF0 << (3 - follow) & 0xFF) | character >> (6 * follow));
  for (int i = 1; i <= follow; i++) to[i] = (char)(0x80 | (character >> (6 * (follow - i)) & 0x3F));
  return follow + 1;
}

int nsp_wide_of(char32_t character, WCHAR *to) {
  if (character < 0x10000) {
    to[0] = (WCHAR)character;
    return 1;
  }
  to[0] = (WCHAR)(0xD800 + ((character - 0x10000) >> 10));
  to[1] = (WCHAR)(0xDC00 + (character & 0x3FF));
  return 2;
}
