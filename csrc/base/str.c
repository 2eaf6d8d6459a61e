/*
 * base/str.c - counted strings, the table of interned ones, growing buffers.
 */
#include "base/str.h"
#include "base/heap_internal.h"
#include "base/symbols.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t ks_hash_bytes(const char *s, size_t len) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)s[i]) * 16777619u;
    return hash;
}

/* A string whose bytes the caller fills in. */
static ks_str *str_raw(ks_heap *heap, size_t len) {
    if (len >= UINT32_MAX) ks_heap_unwind(heap, KS_ENOMEM);
    ks_str *str = ks_alloc(heap, sizeof *str + len + 1);
    char *bytes = (char *)(str + 1);
    bytes[len] = '\0';
    *str = (ks_str){.refs = 1, .len = (uint32_t)len, .s = bytes};
    return str;
}

const ks_str *ks_str_new(ks_heap *heap, const char *s, size_t len) {
    ks_str *str = str_raw(heap, len);
    if (len > 0) memcpy(str + 1, s, len);
    return str;
}

const ks_str *ks_str_of(ks_heap *heap, const char *s) { return ks_str_new(heap, s, strlen(s)); }

const ks_str *ks_str_printf(ks_heap *heap, const char *format, ...) {
    char small[256];
    va_list args;
    va_start(args, format);
    int len = ks_vformat(small, sizeof small, format, args);
    va_end(args);
    if (len < (int)sizeof small) return ks_str_new(heap, small, (size_t)len);
    ks_str *str = str_raw(heap, (size_t)len);
    va_start(args, format);
    ks_vformat((char *)(str + 1), (size_t)len + 1, format, args);
    va_end(args);
    return str;
}

const ks_str *ks_str_join(ks_heap *heap, const ks_str *const *parts, size_t count) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++) len += parts[i] == NULL ? 0 : parts[i]->len;
    ks_str *str = str_raw(heap, len);
    char *to = (char *)(str + 1);
    for (size_t i = 0; i < count; i++) {
        if (parts[i] == NULL) continue;
        memcpy(to, parts[i]->s, parts[i]->len);
        to += parts[i]->len;
    }
    return str;
}

const ks_str *ks_str_numbered(ks_heap *heap, const ks_str *const *parts, size_t count,
                              uint64_t number) {
    char digits[20], *end = digits + sizeof digits;
    const char *first = ks_put_digits(end, number);
    size_t len = (size_t)(end - first) + count;
    for (size_t i = 0; i < count; i++) len += parts[i] == NULL ? 0 : parts[i]->len;
    ks_str *str = str_raw(heap, len);
    char *to = (char *)(str + 1);
    for (size_t i = 0; i < count; i++) {
        if (parts[i] != NULL) {
            memcpy(to, parts[i]->s, parts[i]->len);
            to += parts[i]->len;
        }
        *to++ = '-';
    }
    while (first < end) *to++ = *first++;
    return str;
}

/* --- interned strings --- */

static uint32_t slot_of(const ks_heap *heap, const char *s, size_t len, uint32_t hash) {
    uint32_t mask = heap->interned_cap - 1, at = hash & mask;
    for (const ks_str *str; (str = heap->interned[at]) != NULL; at = (at + 1) & mask)
        if (str->hash == hash && str->len == len && memcmp(str->s, s, len) == 0) break;
    return at;
}

static void table_grow(ks_heap *heap) {
    uint32_t old_cap = heap->interned_cap, cap = old_cap == 0 ? 256 : old_cap * 2;
    const ks_str **old = heap->interned;
    const ks_str **table = ks_alloc_zero(heap, cap * sizeof *table);
    heap->interned = table;
    heap->interned_cap = cap;
    for (uint32_t i = 0; i < old_cap; i++)
        if (old[i] != NULL) table[slot_of(heap, old[i]->s, old[i]->len, old[i]->hash)] = old[i];
    ks_free(heap, old, old_cap * sizeof *old);
}

const ks_str *ks_interned(ks_heap *heap, const char *s, size_t len) {
    uint32_t hash = ks_hash_bytes(s, len);
    const ks_str *symbol = ks_symbol_find(s, len, hash);
    if (symbol != NULL || heap->interned_cap == 0) return symbol;
    return heap->interned[slot_of(heap, s, len, hash)];
}

const ks_str *ks_intern(ks_heap *heap, const char *s, size_t len) {
    uint32_t hash = ks_hash_bytes(s, len);
    const ks_str *symbol = ks_symbol_find(s, len, hash);
    if (symbol != NULL) return symbol;
    if (heap->interned_count * 2 >= heap->interned_cap) table_grow(heap);
    uint32_t at = slot_of(heap, s, len, hash);
    if (heap->interned[at] != NULL) return ks_str_ref(heap->interned[at]);
    ks_str *str = str_raw(heap, len);
    if (len > 0) memcpy(str + 1, s, len);
    str->hash = hash;
    str->interned = 1;
    heap->interned[at] = str;
    heap->interned_count++;
    return str;
}

const ks_str *ks_intern_of(ks_heap *heap, const char *s) { return ks_intern(heap, s, strlen(s)); }

/* Takes a string out of the table, closing the gap so that probing still finds what follows. */
static void forget(ks_heap *heap, const ks_str *str) {
    uint32_t mask = heap->interned_cap - 1, gap = str->hash & mask;
    while (heap->interned[gap] != str) gap = (gap + 1) & mask;
    for (uint32_t at = (gap + 1) & mask; heap->interned[at] != NULL; at = (at + 1) & mask) {
        uint32_t home = heap->interned[at]->hash & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            heap->interned[gap] = heap->interned[at];
            gap = at;
        }
    }
    heap->interned[gap] = NULL;
    heap->interned_count--;
}

void ks_str_free(ks_heap *heap, const ks_str *str) {
    ks_str *mutable = (ks_str *)str;
    if (mutable->interned) forget(heap, str);
    ks_free(heap, mutable, sizeof *mutable + mutable->len + 1);
}

int ks_str_cmp(const ks_str *a, const ks_str *b) {
    if (a == b) return 0;
    if (a == NULL || b == NULL) return a == NULL ? -1 : 1;
    int order = memcmp(a->s, b->s, a->len < b->len ? a->len : b->len);
    if (order != 0) return order;
    return a->len == b->len ? 0 : a->len < b->len ? -1 : 1;
}

/* The same word on every machine. */
static inline uint64_t little_endian(const char *s) {
    const unsigned char *p = (const unsigned char *)s;
    return p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

uint64_t ks_hash_text(const ks_str *text, uint64_t seed) {
    if (text == NULL) return seed;
    const char *s = text->s;
    uint64_t hash = (seed ^ text->len) * UINT64_C(0x9e3779b97f4a7c15), rest = 0;
    uint32_t left = text->len;
    for (; left >= 8; left -= 8, s += 8) {
        hash = (hash ^ little_endian(s)) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 32;
    }
    if (left > 0) rest = ks_tail_word(s, left);
    hash = (hash ^ rest) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 32;
}

/* --- buffers --- */

void ks_buf_grow(ks_buf *buf, size_t more) {
    size_t cap = buf->cap < 64 ? 64 : buf->cap * 2;
    while (cap < buf->len + more + 1) cap *= 2;
    buf->s = ks_resize(buf->heap, buf->s, buf->cap, cap);
    buf->cap = cap;
}

static void buf_reserve(ks_buf *buf, size_t more) {
    if (buf->len + more + 1 > buf->cap) ks_buf_grow(buf, more);
}

void ks_buf_add(ks_buf *buf, const char *s, size_t len) {
    buf_reserve(buf, len);
    if (len > 0) memcpy(buf->s + buf->len, s, len);
    buf->len += len;
    buf->s[buf->len] = '\0';
}

void ks_buf_puts(ks_buf *buf, const char *s) { ks_buf_add(buf, s, strlen(s)); }
void ks_buf_putc(ks_buf *buf, char c) {
    if (buf->len + 2 > buf->cap) buf_reserve(buf, 1);
    buf->s[buf->len++] = c;
    buf->s[buf->len] = '\0';
}
void ks_buf_str(ks_buf *buf, const ks_str *str) {
    if (str != NULL) ks_buf_add(buf, str->s, str->len);
}

void ks_buf_printf(ks_buf *buf, const char *format, ...) {
    va_list args;
    buf_reserve(buf, 120);
    va_start(args, format);
    size_t room = buf->cap - buf->len;
    int len = ks_vformat(buf->s + buf->len, room, format, args);
    va_end(args);
    if ((size_t)len >= room) {
        buf_reserve(buf, (size_t)len);
        va_start(args, format);
        ks_vformat(buf->s + buf->len, (size_t)len + 1, format, args);
        va_end(args);
    }
    buf->len += (size_t)len;
}

const ks_str *ks_buf_take(ks_buf *buf) {
    const ks_str *str = ks_str_new(buf->heap, buf->s, buf->len);
    ks_buf_dispose(buf);
    return str;
}

void ks_buf_dispose(ks_buf *buf) {
    ks_free(buf->heap, buf->s, buf->cap);
    buf->s = NULL;
    buf->len = buf->cap = 0;
}
