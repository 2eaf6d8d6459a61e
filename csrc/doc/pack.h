/*
 * doc/pack.h - documents in few bytes, for those who keep many of them and mostly never look at them again: the journal of a cluster.
 *
 * Nothing is lost: texts may be any bytes, integers and floats stay what they are. What stands in a pack has been put there by this
 * program in this run of it, so it is not checked when it is read.
 *
 * A value is a byte that says what it is, and what that takes. Short texts, lists, maps and small integers have their length or their value
 * in that byte. Keys that are symbols are their places in the table of symbols. Lengths are seven bits in a byte, the lowest first.
 */
#ifndef KS_DOC_PACK_H
#define KS_DOC_PACK_H

#include "doc/val.h"

/* Each appends one value. */
void ks_pack(ks_buf *out, ks_val v);
static inline void ks_pack_text(ks_buf *out, const char *s, size_t len);
static inline void ks_pack_int(ks_buf *out, int64_t i);
static inline void ks_pack_bool(ks_buf *out, bool b);
static inline void ks_pack_nothing(ks_buf *out);
/* The head of a list: so many values follow. */
static inline void ks_pack_list(ks_buf *out, uint32_t n);

/* The value at *at, which moves behind it: a new reference. */
ks_val ks_unpack(ks_heap *heap, const char **at);

/* --- private: first bytes, in the order in which they are told apart --- */
enum {
    KS_PACK_NOTHING,
    KS_PACK_NULL,
    KS_PACK_FALSE,
    KS_PACK_TRUE,
    KS_PACK_INT,               /* and the integer, its sign in the lowest bit */
    KS_PACK_FLOAT,             /* and its bytes */
    KS_PACK_TEXT,              /* and length, bytes */
    KS_PACK_LIST,              /* and count, items */
    KS_PACK_MAP,               /* and count, pairs */
    KS_PACK_SYMBOL,            /* a key: and its place */
    KS_PACK_SHORT_TEXT = 0x40, /* | length */
    KS_PACK_SHORT_LIST = 0x80, /* | count */
    KS_PACK_SHORT_MAP = 0xa0,  /* | count */
    KS_PACK_SMALL_INT = 0xc0,  /* | the integer */
};
enum { KS_PACK_FEW = 32, KS_PACK_SHORT = 64 }; /* what goes into the byte is less */
enum { KS_PACK_HEAD = 11 }; /* bytes that a value takes but for its text or items, at the most */
char *ks_pack_put_length(char *to, int byte, uint64_t n);

/* Where there is room: each returns what follows the value. */

/* memcpy for a few bytes, in place. */
static inline char *ks_pack_put_bytes(char *to, const char *from, size_t len) {
    if (len >= 8) {
        for (size_t at = 0; at + 8 < len; at += 8) memcpy(to + at, from + at, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else {
        for (size_t at = 0; at < len; at++) to[at] = from[at];
    }
    return to + len;
}

static inline char *ks_pack_put_text(char *to, const char *s, size_t len) {
    if (len >= KS_PACK_SHORT) {
        to = ks_pack_put_length(to, KS_PACK_TEXT, len);
        memcpy(to, s, len);
        return to + len;
    }
    *to++ = (char)((size_t)KS_PACK_SHORT_TEXT | len);
    return ks_pack_put_bytes(to, s, len);
}

static inline char *ks_pack_put_int(char *to, int64_t i) {
    if (i < 0 || i >= KS_PACK_SHORT)
        return ks_pack_put_length(to, KS_PACK_INT, (uint64_t)i << 1 ^ (i < 0 ? UINT64_MAX : 0));
    *to++ = (char)(KS_PACK_SMALL_INT | (int)i);
    return to;
}

static inline char *ks_pack_put_list(char *to, uint32_t n) {
    if (n >= KS_PACK_FEW) return ks_pack_put_length(to, KS_PACK_LIST, n);
    *to++ = (char)(KS_PACK_SHORT_LIST | (int)n);
    return to;
}

static inline char *ks_pack_put_byte(char *to, int byte) {
    *to++ = (char)byte;
    return to;
}

/* Moves the end of the text to where the writer has come. */
static inline void ks_pack_end(ks_buf *out, const char *to) { out->len = (size_t)(to - out->s); }

static inline void ks_pack_text(ks_buf *out, const char *s, size_t len) {
    ks_pack_end(out, ks_pack_put_text(ks_buf_room(out, KS_PACK_HEAD + len), s, len));
}

static inline void ks_pack_int(ks_buf *out, int64_t i) {
    ks_pack_end(out, ks_pack_put_int(ks_buf_room(out, KS_PACK_HEAD), i));
}

static inline void ks_pack_byte(ks_buf *out, int byte) {
    ks_pack_end(out, ks_pack_put_byte(ks_buf_room(out, 1), byte));
}

static inline void ks_pack_bool(ks_buf *out, bool b) {
    ks_pack_byte(out, b ? KS_PACK_TRUE : KS_PACK_FALSE);
}
static inline void ks_pack_nothing(ks_buf *out) { ks_pack_byte(out, KS_PACK_NOTHING); }
static inline void ks_pack_list(ks_buf *out, uint32_t n) {
    ks_pack_end(out, ks_pack_put_list(ks_buf_room(out, KS_PACK_HEAD), n));
}

#endif
