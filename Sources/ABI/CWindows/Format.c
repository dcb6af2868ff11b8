/* Formats as Windows reads them. %s and %c are of the format's own width, %S and %C of the other; h is narrow, l and w are wide. A long has
   32 bits: l says so, ll and I64 say 64. %p is 16 digits. %n is refused: it does nothing. */
#include "CWindows.h"

#include <string.h>
#include <sys/types.h>

/* A conversion: %[flags][width][.precision][size]letter. */
struct conversion {
  char flags[8];
  int width, precision; /* precision -1: none */
  enum { plain, byte, half, wide, longs, word, pointer, maximum, longDouble } size;
  char letter;
};

/* Reads a format of either width, of which all that has a meaning is ASCII. */
struct reader {
  const char *narrow;
  const WCHAR *wide;
};
static char32_t peek(const struct reader *format) {
  return format->wide != NULL ? (uint16_t)*format->wide : (unsigned char)*format->narrow;
}
static void skip(struct reader *format) {
  if (format->wide != NULL) format->wide++;
  else format->narrow++;
}
static int skip_if(struct reader *format, char expected) {
  if (peek(format) != (unsigned char)expected) return 0;
  skip(format);
  return 1;
}
static int number(struct reader *format) {
  int value = 0;
  for (; peek(format) >= '0' && peek(format) <= '9'; skip(format))
    if (value < 100000) value = value * 10 + (int)(peek(format) - '0');
  return value;
}

/* Puts all units of a character, or none: nothing follows what did not fit. */
static void put_units(struct nsp_output *output, const void *units, size_t count) {
  size_t size = output->isWide ? sizeof(WCHAR) : 1;
  if (output->written + count < output->count) memcpy((char *)output->room + output->written * size, units, count * size);
  else {
    if (output->count > output->written) output->count = output->written + 1;
    output->hasFailed = 1;
  }
  output->written += count;
}
static void put_bytes(struct nsp_output *output, const char *bytes, size_t count) {
  if (output->stream == NULL) put_units(output, bytes, count);
  else {
    if (fwrite_unlocked(bytes, 1, count, output->stream) != count) output->hasFailed = 1;
    output->written += count;
  }
}

void nsp_put(struct nsp_output *output, char32_t character) {
  char narrow[4];
  WCHAR wide[2];
  size_t units = (size_t)nsp_wide_of(character, wide), bytes = (size_t)nsp_narrow_of(character, narrow);
  if (!output->isWide) put_bytes(output, narrow, bytes);
  else if (output->stream == NULL) put_units(output, wide, units);
  else {
    put_bytes(output, narrow, bytes);
    output->written += units - bytes;
  }
}

static void pad(struct nsp_output *output, int count, char with) {
  while (count-- > 0) nsp_put(output, (unsigned char)with);
}

static void put_padded(struct nsp_output *output, const struct conversion *given, size_t length, const char *narrow, const char *narrowEnd,
                       const WCHAR *wide, const WCHAR *wideEnd) {
  int missing = length < 100000 ? given->width - (int)length : 0, isLeft = strchr(given->flags, '-') != NULL;
  char32_t character;
  if (!isLeft) pad(output, missing, strchr(given->flags, '0') != NULL ? '0' : ' ');
  if (wide != NULL)
    while ((character = nsp_next_wide(&wide, wideEnd)) != 0) nsp_put(output, character);
  else if (output->isWide)
    while ((character = nsp_next_narrow(&narrow, narrowEnd)) != 0) nsp_put(output, character);
  else
    for (; narrow != narrowEnd; narrow++) put_bytes(output, narrow, 1); /* whatever they mean */
  if (isLeft) pad(output, missing, ' ');
}

/* A text of either width: as many of its units as the precision says. It need not end behind those. */
static void put_narrow(struct nsp_output *output, const struct conversion *given, const char *text, size_t length) {
  struct nsp_output measured = {.isWide = output->isWide};
  if (output->isWide) put_padded(&measured, &(struct conversion){.width = 0}, 0, text, text + length, NULL, NULL);
  put_padded(output, given, output->isWide ? measured.written : length, text, text + length, NULL, NULL);
}
static void put_wide(struct nsp_output *output, const struct conversion *given, const WCHAR *text, size_t length) {
  struct nsp_output measured = {.isWide = output->isWide};
  put_padded(&measured, &(struct conversion){.width = 0}, 0, NULL, NULL, text, text + length);
  put_padded(output, given, measured.written, NULL, NULL, text, text + length);
}
static void put_text(struct nsp_output *output, const struct conversion *given, const void *text, int isWide) {
  size_t most = given->precision < 0 ? SIZE_MAX : (size_t)given->precision;
  if (text == NULL) put_text(output, given, "(null)", 0);
  else if (isWide) put_wide(output, given, text, nsp_wcsnlen(text, most));
  else put_narrow(output, given, text, given->precision < 0 ? strlen(text) : strnlen(text, most));
}

/* Digits are the C library's. */
static void put_number(struct nsp_output *output, const struct conversion *given, const char *size, ...) {
  char format[64], width[16] = "", precision[16] = "", text[512];
  char *longer = NULL;
  va_list value;
  if (given->precision >= 0) snprintf(precision, sizeof precision, ".%d", given->precision);
  if (given->width > 0) snprintf(width, sizeof width, "%d", given->width);
  snprintf(format, sizeof format, "%%%s%s%s%s%c", given->flags, width, precision, size, given->letter);
  va_start(value, size);
  int length = vsnprintf(text, sizeof text, format, value);
  va_end(value);
  va_start(value, size);
  if (length >= (int)sizeof text && vasprintf(&longer, format, value) < 0) longer = NULL; /* cut, then */
  va_end(value);
  for (const char *at = longer != NULL ? longer : text; *at != 0; at++) nsp_put(output, (unsigned char)*at);
  free(longer);
}

static void read_size(struct reader *format, struct conversion *given) {
  given->size = plain;
  if (skip_if(format, 'h')) given->size = skip_if(format, 'h') ? byte : half;
  else if (skip_if(format, 'l')) given->size = skip_if(format, 'l') ? longs : wide;
  else if (skip_if(format, 'w')) given->size = wide;
  else if (skip_if(format, 'z') || skip_if(format, 't')) given->size = pointer;
  else if (skip_if(format, 'j')) given->size = maximum;
  else if (skip_if(format, 'L')) given->size = longDouble;
  else if (skip_if(format, 'I')) {
    given->size = pointer;
    if (skip_if(format, '6')) given->size = skip_if(format, '4') ? longs : plain;
    else if (skip_if(format, '3') && skip_if(format, '2')) given->size = plain;
  }
}

static void put_integer(struct nsp_output *output, const struct conversion *given, va_list *arguments) {
  switch (given->size) {
  case byte: put_number(output, given, "hh", va_arg(*arguments, int)); break;
  case half: put_number(output, given, "h", va_arg(*arguments, int)); break;
  case longs: put_number(output, given, "ll", va_arg(*arguments, long long)); break;
  case pointer: put_number(output, given, "z", va_arg(*arguments, size_t)); break;
  case maximum: put_number(output, given, "j", va_arg(*arguments, intmax_t)); break;
  default: put_number(output, given, "", va_arg(*arguments, int)); break;
  }
}

/* Whether a text or a character is wide: by its size, else by the format's width. */
static int is_wide(const struct conversion *given, int formatIsWide) {
  int isOther = given->letter == 'S' || given->letter == 'C';
  return given->size == wide ? 1 : given->size == half || given->size == byte ? 0 : formatIsWide != isOther;
}

static void put_conversion(struct nsp_output *output, struct conversion *given, int formatIsWide, va_list *arguments) {
  switch (given->letter) {
  case 'd': case 'i': case 'u': case 'x': case 'X': case 'o': put_integer(output, given, arguments); break;
  case 'e': case 'E': case 'f': case 'F': case 'g': case 'G': case 'a': case 'A':
    if (given->size == longDouble) put_number(output, given, "L", va_arg(*arguments, long double));
    else put_number(output, given, "", va_arg(*arguments, double));
    break;
  case 'c': case 'C': {
    int value = va_arg(*arguments, int);
    WCHAR unit = (WCHAR)value;
    char letter = (char)value;
    if (value == 0) nsp_put(output, 0);
    else if (is_wide(given, formatIsWide)) put_wide(output, given, &unit, 1);
    else put_narrow(output, given, &letter, 1);
    break;
  }
  case 's': case 'S': put_text(output, given, va_arg(*arguments, const void *), is_wide(given, formatIsWide)); break;
  case 'p':
    given->precision = 16, given->letter = 'X';
    put_number(output, given, "z", (size_t)va_arg(*arguments, void *));
    break;
  case 'n': (void)va_arg(*arguments, void *); break;
  default:
    if (given->letter != 0) nsp_put(output, (unsigned char)given->letter);
  }
}

static void format_either(struct nsp_output *output, struct reader format, va_list *arguments) {
  int formatIsWide = format.wide != NULL;
  if (output->stream != NULL) flockfile(output->stream);
  while (peek(&format) != 0) {
    struct conversion given = {.precision = -1};
    size_t flags = 0;
    if (!skip_if(&format, '%')) {
      if (formatIsWide) nsp_put(output, nsp_next_wide(&format.wide, NULL));
      else put_bytes(output, format.narrow++, 1);
      continue;
    }
    for (; peek(&format) != 0 && peek(&format) < 0x80 && strchr("-+ #0", (int)peek(&format)) != NULL; skip(&format))
      if (flags < sizeof given.flags - 1 && strchr(given.flags, (int)peek(&format)) == NULL) given.flags[flags++] = (char)peek(&format);
    given.width = skip_if(&format, '*') ? va_arg(*arguments, int) : number(&format);
    if (given.width < 0) {
      if (strchr(given.flags, '-') == NULL) given.flags[flags++] = '-';
      given.width = given.width < -100000 ? 100000 : -given.width;
    }
    if (skip_if(&format, '.')) given.precision = skip_if(&format, '*') ? va_arg(*arguments, int) : number(&format);
    read_size(&format, &given);
    given.letter = peek(&format) < 0x80 ? (char)peek(&format) : 0;
    if (peek(&format) != 0) skip(&format);
    put_conversion(output, &given, formatIsWide, arguments);
  }
  if (output->stream != NULL) funlockfile(output->stream);
}

void nsp_format_narrow(struct nsp_output *output, const char *format, va_list arguments) {
  va_list copy;
  va_copy(copy, arguments);
  format_either(output, (struct reader){.narrow = format}, &copy);
  va_end(copy);
}
void nsp_format_wide(struct nsp_output *output, const WCHAR *format, va_list arguments) {
  va_list copy;
  va_copy(copy, arguments);
  format_either(output, (struct reader){.wide = format}, &copy);
  va_end(copy);
}

int nsp_finish(struct nsp_output *output) {
  if (output->room != NULL && output->count > 0) {
    size_t end = output->written < output->count ? output->written : output->count - 1;
    if (output->isWide) ((WCHAR *)output->room)[end] = 0;
    else ((char *)output->room)[end] = 0;
  }
  if ((output->stream != NULL && output->hasFailed) || output->written > INT_MAX) return -1;
  return (int)output->written;
}
