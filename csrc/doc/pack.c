/*
 * doc/pack.c - documents in few bytes; see pack.h.
 */
#include "doc/pack.h"

static char *put_length(char *to, uint64_t n) {
    for (; n >= 0x80; n >>= 7) *to++ = (char)(n | 0x80);
    *to++ = (char)n;
    return to;
}

/* A byte, and a length. */
char *ks_pack_put_length(char *to, int byte, uint64_t n) {
    *to++ = (char)byte;
    return put_length(to, n);
}

static void pack_float(ks_buf *out, double f) {
    char *to = ks_buf_room(out, 1 + sizeof f);
    *to = KS_PACK_FLOAT;
    memcpy(to + 1, &f, sizeof f);
    out->len += 1 + sizeof f;
}

static void pack_list(ks_buf *out, ks_val list) {
    ks_pack_list(out, list.count);
    ks_each(item, list) ks_pack(out, *item);
}

_Static_assert(KS_SYM_COUNT <= UINT16_MAX, "a symbol's place is two bytes");

static inline char *put_key(char *to, const ks_str *key) {
    uintptr_t at = (uintptr_t)key - (uintptr_t)ks_symbols;
    if (at >= sizeof ks_symbols) return ks_pack_put_text(to, key->s, key->len);
    uint16_t place = (uint16_t)(at / sizeof *ks_symbols);
    *to = KS_PACK_SYMBOL;
    memcpy(to + 1, &place, sizeof place);
    return to + 1 + sizeof place;
}

static void pack_map(ks_buf *out, const ks_map *map) {
    char *to = ks_buf_room(out, KS_PACK_HEAD);
    ks_pack_end(out, map->len < KS_PACK_FEW
                         ? ks_pack_put_byte(to, KS_PACK_SHORT_MAP | (int)map->len)
                         : ks_pack_put_length(to, KS_PACK_MAP, map->len));
    for (const ks_pair *p = map->pairs, *end = p + map->len; p != end; p++) {
        size_t text = p->val.type == KS_STRING ? p->val.s->len : 0;
        to = put_key(ks_buf_room(out, 2 * KS_PACK_HEAD + p->key->len + text), p->key);
        if (p->val.type == KS_STRING) to = ks_pack_put_text(to, p->val.s->s, text);
        ks_pack_end(out, to);
        if (p->val.type == KS_MAP)
            pack_map(out, p->val.m);
        else if (p->val.type != KS_STRING)
            ks_pack(out, p->val);
    }
}

void ks_pack(ks_buf *out, ks_val v) {
    switch (v.type) {
    case KS_NONE: ks_pack_nothing(out); break;
    case KS_NULL: ks_pack_byte(out, KS_PACK_NULL); break;
    case KS_BOOL: ks_pack_bool(out, v.b); break;
    case KS_INT: ks_pack_int(out, v.i); break;
    case KS_FLOAT: pack_float(out, v.f); break;
    case KS_STRING: ks_pack_text(out, v.s->s, v.s->len); break;
    case KS_LIST: pack_list(out, v); break;
    case KS_MAP: pack_map(out, v.m); break;
    }
}

/* --- and back --- */

static uint64_t take_length(const char **at) {
    uint64_t n = 0;
    for (int shift = 0;; shift += 7) {
        unsigned char byte = (unsigned char)*(*at)++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return n;
    }
}

static const char *take_bytes(const char **at, size_t len) {
    const char *bytes = *at;
    *at += len;
    return bytes;
}

static const ks_str *take_key(ks_heap *heap, const char **at) {
    unsigned char tag = (unsigned char)*(*at)++;
    uint16_t place;
    if (tag == KS_PACK_SYMBOL) {
        memcpy(&place, take_bytes(at, sizeof place), sizeof place);
        return &ks_symbols[place];
    }
    size_t n = tag == KS_PACK_TEXT ? (size_t)take_length(at) : tag - (size_t)KS_PACK_SHORT_TEXT;
    return ks_intern(heap, take_bytes(at, n), n);
}

static ks_val take_list(ks_heap *heap, const char **at, uint32_t n) {
    ks_val list = ks_list_new(heap, n);
    for (uint32_t i = 0; i < n; i++) list = ks_append(heap, list, ks_unpack(heap, at));
    return list;
}

static ks_val take_map(ks_heap *heap, const char **at, uint32_t n) {
    ks_val map = ks_map_new(heap, n);
    for (uint32_t i = 0; i < n; i++) {
        const ks_str *key = take_key(heap, at);
        ks_map_push(heap, &map, key, ks_unpack(heap, at));
    }
    ks_map_seal(heap, &map);
    return map;
}

static ks_val take_number(const char **at) {
    uint64_t word = take_length(at);
    return ks_int((int64_t)(word >> 1 ^ (word & 1 ? UINT64_MAX : 0)));
}

static ks_val take_float(const char **at) {
    double f;
    memcpy(&f, take_bytes(at, sizeof f), sizeof f);
    return ks_float(f);
}

static ks_val take_text(ks_heap *heap, const char **at, size_t len) {
    return ks_textn(heap, take_bytes(at, len), len);
}

ks_val ks_unpack(ks_heap *heap, const char **at) {
    unsigned char tag = (unsigned char)*(*at)++;
    if (tag >= KS_PACK_SMALL_INT) return ks_int(tag - KS_PACK_SMALL_INT);
    if (tag >= KS_PACK_SHORT_MAP) return take_map(heap, at, tag - (uint32_t)KS_PACK_SHORT_MAP);
    if (tag >= KS_PACK_SHORT_LIST) return take_list(heap, at, tag - (uint32_t)KS_PACK_SHORT_LIST);
    if (tag >= KS_PACK_SHORT_TEXT) return take_text(heap, at, tag - (size_t)KS_PACK_SHORT_TEXT);
    switch (tag) {
    case KS_PACK_NULL: return ks_null();
    case KS_PACK_FALSE:
    case KS_PACK_TRUE: return ks_bool(tag == KS_PACK_TRUE);
    case KS_PACK_INT: return take_number(at);
    case KS_PACK_FLOAT: return take_float(at);
    case KS_PACK_TEXT: return take_text(heap, at, (size_t)take_length(at));
    case KS_PACK_LIST: return take_list(heap, at, (uint32_t)take_length(at));
    case KS_PACK_MAP: return take_map(heap, at, (uint32_t)take_length(at));
    default: return KS_NOTHING;
    }
}
