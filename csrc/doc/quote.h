/*
 * doc/quote.h - text as Go shows it in messages, and UTF-8. Used by the readers and writers of doc/ and by
 * api/refusal.c.
 */
#ifndef KS_DOC_QUOTE_H
#define KS_DOC_QUOTE_H

#include "base/str.h"

/* The length of the valid UTF-8 sequence at `s` (1..4), or 0 when there is none. */
int ks_utf8_length(const char *s, size_t len);
/* The code point of a valid sequence of `length` bytes. */
uint32_t ks_utf8_rune(const char *s, int length);
/* Appends a code point as UTF-8. */
void ks_buf_rune(ks_buf *buf, uint32_t rune);
/* Appends text, each byte that is no UTF-8 replaced by U+FFFD, as encoding/json does. */
void ks_buf_utf8(ks_buf *buf, const char *s, size_t len);

/* Appends a text as strconv.Quote (%q) shows it. */
void ks_buf_quote(ks_buf *buf, const char *s, size_t len);
/* Appends a byte as encoding/json names it: 'x', '\'', '"', '\u00ff'. */
void ks_buf_quote_byte(ks_buf *buf, unsigned char c);

#endif
