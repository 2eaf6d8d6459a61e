/*
 * base/str.h - immutable counted strings, and the interned ones among them.
 *
 * Keys of documents are always interned: two equal keys are one pointer, so finding a field is
 * comparing pointers. The field names of the Kubernetes API are known at compile time and stand in
 * a constant table (base/symbols.h, `K(spec)`): interning one of their texts yields the table's
 * entry. Values are plain strings.
 *
 * Text is bytes, normally UTF-8, always followed by a NUL that `len` does not count.
 */
#ifndef KS_BASE_STR_H
#define KS_BASE_STR_H

#include "base/heap.h"

#include <stdarg.h>
#include <string.h>

typedef struct ks_str {
    uint32_t refs; /* KS_IMMORTAL: constant, never counted */
    uint32_t len;
    uint32_t hash; /* of interned strings, else 0 until needed */
    uint32_t interned;
    const char *s; /* the bytes: behind this header, or constant */
} ks_str;

#define KS_IMMORTAL UINT32_MAX

/* New references to new strings; the bytes are copied. */
const ks_str *ks_str_new(ks_heap *heap, const char *s, size_t len);
const ks_str *ks_str_of(ks_heap *heap, const char *s);
/* printf into a new string. */
const ks_str *ks_str_printf(ks_heap *heap, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `count` strings, one behind the other, as a new one. NULL is fine, and empty. */
const ks_str *ks_str_join(ks_heap *heap, const ks_str *const *parts, size_t count);
/* "a-b-3": what is numbered by its parts; of none just "3". NULL is an empty one. */
const ks_str *ks_str_numbered(ks_heap *heap, const ks_str *const *parts, size_t count,
                              uint64_t number);
/* Writes a number's digits in front of `end`, 20 at most; returns the first. No NUL. */
char *ks_put_digits(char *end, uint64_t number);
/* vsnprintf; quick where a format has no other conversions than %s, %.*s, %c, %d, %u, %lld and %llu. */
int ks_vformat(char *out, size_t room, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
/* snprintf, as quick as that. */
int ks_nformat(char *out, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The eight lower-case hexadecimal digits of a word; returns what follows them. No NUL. */
char *ks_put_hex(char *out, uint32_t word);
/* A new reference to the one interned string with these bytes. */
const ks_str *ks_intern(ks_heap *heap, const char *s, size_t len);
const ks_str *ks_intern_of(ks_heap *heap, const char *s);
/* The interned string with these bytes, borrowed, or NULL when nobody has interned it. */
const ks_str *ks_interned(ks_heap *heap, const char *s, size_t len);

/* Count up (returns its argument) and down. NULL is fine for both. */
static inline const ks_str *ks_str_ref(const ks_str *str) {
    if (str != NULL && str->refs != KS_IMMORTAL) ((ks_str *)str)->refs++;
    return str;
}
void ks_str_free(ks_heap *heap, const ks_str *str); /* private: the last reference has gone */
static inline void ks_str_unref(ks_heap *heap, const ks_str *str) {
    if (str != NULL && str->refs != KS_IMMORTAL && --((ks_str *)str)->refs == 0)
        ks_str_free(heap, str);
}

/* Equality and bytewise order. NULL equals only NULL and sorts first. */
static inline bool ks_str_eq(const ks_str *a, const ks_str *b) {
    if (a == b) return true;
    if (a == NULL || b == NULL || a->len != b->len) return false;
    if (a->interned && b->interned) return false;
    return memcmp(a->s, b->s, a->len) == 0;
}
static inline bool ks_str_is(const ks_str *a, const char *text) {
    return a != NULL && strlen(text) == a->len && memcmp(a->s, text, a->len) == 0;
}
int ks_str_cmp(const ks_str *a, const ks_str *b);
/* 32-bit FNV-1a; the hash that interning uses. */
uint32_t ks_hash_bytes(const char *s, size_t len);
/* 64 bits of a text, taken eight bytes at a time: for the keys of maps. NULL is fine; `seed`: what the text follows. */
uint64_t ks_hash_text(const ks_str *text, uint64_t seed);
/* The last bytes of a text, of which there are 1 to 7, as a word with zeros above them; the same on every machine. */
static inline uint64_t ks_tail_word(const char *s, size_t n) {
    const unsigned char *p = (const unsigned char *)s;
    if (n < 4) return p[0] | (uint64_t)p[n / 2] << n / 2 * 8 | (uint64_t)p[n - 1] << (n - 1) * 8;
    uint32_t low, high; /* they overlap, and agree where they do */
    memcpy(&low, s, 4);
    memcpy(&high, s + n - 4, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    low = __builtin_bswap32(low);
    high = __builtin_bswap32(high);
#endif
    return low | (uint64_t)high << (n - 4) * 8;
}

/* A growing text, for messages and output. `ks_buf b = {heap}` is an empty one. */
typedef struct ks_buf {
    ks_heap *heap;
    char *s; /* NUL-terminated when not NULL */
    size_t len, cap;
} ks_buf;
void ks_buf_add(ks_buf *buf, const char *s, size_t len);
void ks_buf_puts(ks_buf *buf, const char *s);
void ks_buf_putc(ks_buf *buf, char c);
void ks_buf_grow(ks_buf *buf, size_t more); /* private: there is no room */
/* Where so many bytes more can be written; the caller moves `len` on, and looks after the NUL if there is to be one. */
static inline char *ks_buf_room(ks_buf *buf, size_t more) {
    if (buf->len + more + 1 > buf->cap) ks_buf_grow(buf, more);
    return buf->s + buf->len;
}
void ks_buf_str(ks_buf *buf, const ks_str *str);
void ks_buf_printf(ks_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text as a new string, or interned; both empty the buffer. */
const ks_str *ks_buf_take(ks_buf *buf);
void ks_buf_dispose(ks_buf *buf);

#endif
