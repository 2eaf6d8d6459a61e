/*
 * doc/val.h - documents: what YAML and JSON mean, as immutable counted values.
 *
 * A ks_val is two words, passed by value: none (absent), null, bool, int, float, string, list or
 * map. Lists and maps are counted and never change once shared. Maps hold interned keys in bytewise
 * order, so printing is canonical and comparing is linear.
 *
 * Ownership: getters BORROW (what they return lives as long as the container); constructors return
 * a new reference; functions that build (`ks_put`, `ks_append`, ...) TAKE OVER their ks_val
 * arguments and return the result: when the container is referenced only by the caller it is
 * changed in place, else copied one level deep. So code reads status = ks_ref(ks_get(pod,
 * K(status))); status = ks_put(heap, status, K(phase), ks_text(heap, "Running")); and pays for what
 * it changes. Keys are always borrowed: pass K(name) or an interned string.
 */
#ifndef KS_DOC_VAL_H
#define KS_DOC_VAL_H

#include "base/str.h"
#include "base/symbols.h"

typedef enum ks_kindof {
    KS_NONE, /* absent: what getters return for what is not there */
    KS_NULL,
    KS_BOOL,
    KS_INT,
    KS_FLOAT,
    KS_STRING,
    KS_LIST,
    KS_MAP,
} ks_kindof;

typedef struct ks_list ks_list;
typedef struct ks_map ks_map;

typedef struct ks_val {
    ks_kindof type;
    uint32_t count; /* of a list: how many of its items are this value's (ks_extend) */
    union {
        bool b;
        int64_t i;
        double f;
        const ks_str *s;
        ks_list *l;
        ks_map *m;
    };
} ks_val;

typedef struct ks_pair {
    const ks_str *key;
    ks_val val;
} ks_pair;

/* Visible for fast walks only; change nothing in them. A list that has been extended has more items than older values of it. */
struct ks_list {
    uint32_t refs, len, cap;
    ks_val items[];
};
struct ks_map {
    uint32_t refs, len, cap;
    ks_pair pairs[];
};

#define KS_NOTHING ((ks_val){.type = KS_NONE})
enum { KS_SCANNED = 24 }; /* maps of up to so many keys are scanned for one, larger ones bisected */

/* Constructors. */
static inline ks_val ks_null(void) { return (ks_val){.type = KS_NULL}; }
static inline ks_val ks_bool(bool b) { return (ks_val){.type = KS_BOOL, .b = b}; }
static inline ks_val ks_int(int64_t i) { return (ks_val){.type = KS_INT, .i = i}; }
static inline ks_val ks_float(double f) { return (ks_val){.type = KS_FLOAT, .f = f}; }
ks_val ks_text(ks_heap *heap, const char *s);              /* copies */
ks_val ks_textn(ks_heap *heap, const char *s, size_t len); /* copies */
ks_val ks_format(ks_heap *heap, const char *format, ...) __attribute__((format(printf, 2, 3)));
ks_val ks_string_take(const ks_str *str); /* takes over the reference */
ks_val ks_string(const ks_str *str);      /* counts up */
ks_val ks_list_new(ks_heap *heap, uint32_t capacity);
ks_val ks_map_new(ks_heap *heap, uint32_t capacity);

/* Counting. Fine for every type. */
static inline ks_val ks_ref(ks_val v) {
    if (v.type == KS_STRING)
        ks_str_ref(v.s);
    else if (v.type == KS_LIST)
        v.l->refs++;
    else if (v.type == KS_MAP)
        v.m->refs++;
    return v;
}
void ks_list_free(ks_heap *heap, ks_list *l); /* private: the last reference has gone */
void ks_map_free(ks_heap *heap, ks_map *m);
static inline void ks_unref(ks_heap *heap, ks_val v) {
    if (v.type == KS_STRING)
        ks_str_unref(heap, v.s);
    else if (v.type == KS_LIST && --v.l->refs == 0)
        ks_list_free(heap, v.l);
    else if (v.type == KS_MAP && --v.m->refs == 0)
        ks_map_free(heap, v.m);
}

/* Reading. `m` and `l` may be anything: what is not a map has no members. */
ks_val ks_get_large(const ks_map *m, const ks_str *key); /* private: of a map with many keys */
static inline ks_val ks_get(ks_val m, const ks_str *key) {
    if (m.type != KS_MAP) return KS_NOTHING;
    if (m.m->len > KS_SCANNED) return ks_get_large(m.m, key);
    for (const ks_pair *p = m.m->pairs, *end = p + m.m->len; p != end; p++)
        if (p->key == key) return p->val;
    return KS_NOTHING;
}
static inline ks_val ks_get2(ks_val m, const ks_str *k1, const ks_str *k2) {
    return ks_get(ks_get(m, k1), k2);
}
ks_val ks_get3(ks_val m, const ks_str *k1, const ks_str *k2, const ks_str *k3);
/* By text, when the key is not known at compile time (never interns). */
ks_val ks_get_text(ks_val m, const char *key, size_t len);
/* Items of a list, pairs of a map, else 0. */
static inline uint32_t ks_len(ks_val v) {
    return v.type == KS_LIST ? v.count : v.type == KS_MAP ? v.m->len : 0;
}
/* KS_NOTHING beyond the end. */
static inline ks_val ks_at(ks_val l, uint32_t index) {
    return l.type == KS_LIST && index < l.count ? l.l->items[index] : KS_NOTHING;
}
/* Walking a map: pair i in key order (i < ks_len). */
static inline const ks_pair *ks_pair_at(ks_val m, uint32_t i) { return &m.m->pairs[i]; }
/* Walking a list that may be absent:  ks_each(v, list) { use(*v); } */
#define ks_each(v, list)                                                                           \
    for (const ks_val *v = ks_items(list), *v##_end = v + ks_len(list); v != v##_end; v++)
const ks_val *ks_items(ks_val l); /* the first item of a list; a valid pointer for anything else */

/* One and the same value, not only an equal one: nothing is looked into. */
static inline bool ks_identical(ks_val a, ks_val b) {
    if (a.type != b.type) return false;
    if (a.type >= KS_STRING) return a.s == b.s && (a.type != KS_LIST || a.count == b.count);
    if (a.type == KS_INT) return a.i == b.i;
    if (a.type == KS_BOOL) return a.b == b.b;
    return a.type != KS_FLOAT || a.f == b.f;
}

static inline bool ks_is(ks_val v, ks_kindof type) { return v.type == type; }
static inline bool ks_exists(ks_val v) { return v.type > KS_NULL; } /* neither absent nor null */
/* With a default for what is absent or of another type. */
static inline bool ks_bool_or(ks_val v, bool otherwise) {
    return v.type == KS_BOOL ? v.b : otherwise;
}
static inline int64_t ks_int_or(ks_val v, int64_t otherwise) {
    return v.type == KS_INT ? v.i : otherwise;
}
/* Borrowed; NULL unless a string. */
static inline const ks_str *ks_str_or_null(ks_val v) { return v.type == KS_STRING ? v.s : NULL; }
static inline const char *ks_text_or(ks_val v, const char *otherwise) {
    return v.type == KS_STRING ? v.s->s : otherwise;
}
/* A string with that text. */
static inline bool ks_text_is(ks_val v, const char *text) {
    return v.type == KS_STRING && ks_str_is(v.s, text);
}

/* Building (see ownership above). `m` of type KS_NONE counts as an empty map, likewise `l`. */
ks_val ks_put(ks_heap *heap, ks_val m, const ks_str *key, ks_val v); /* v KS_NONE: removes */
/* Several at once, in one walk, into a map with room for just these: `more` in key order, no value KS_NONE. */
ks_val ks_put_all(ks_heap *heap, ks_val m, const ks_pair *more, uint32_t count);
/* The same, with room for `room` members more. A version that is soon to get one, and its successor, are blocks of one size then: what
 * the versions before leave behind is what the next ones are made in. */
ks_val ks_put_all_and(ks_heap *heap, ks_val m, const ks_pair *more, uint32_t count, uint32_t room);
/* Others for values that are there: `others` in key order, each of whose keys the map has. Compares no texts. The map has as much room as
 * `m` had. */
ks_val ks_exchange(ks_heap *heap, ks_val m, const ks_pair *others, uint32_t count);
ks_val ks_drop(ks_heap *heap, ks_val m, const ks_str *key);
/* A member as a new reference, to be put back changed. Out of a map that nobody else has it is taken, and null stays there: so it can be
 * changed in place. */
ks_val ks_take(ks_val m, const ks_str *key);
ks_val ks_append(ks_heap *heap, ks_val l, ks_val v);
/* The same for a list of which older values live on, at the cost of one item: they share its items, and each knows how many are its.
 * `v` must not hold the list. */
ks_val ks_extend(ks_heap *heap, ks_val l, ks_val v);
ks_val ks_set_at(ks_heap *heap, ks_val l, uint32_t index, ks_val v);
ks_val ks_insert_at(ks_heap *heap, ks_val l, uint32_t index, ks_val v);
ks_val ks_remove_at(ks_heap *heap, ks_val l, uint32_t index);
/* Deep: m[k1][k2] = v, making maps on the way. */
ks_val ks_put2(ks_heap *heap, ks_val m, const ks_str *k1, const ks_str *k2, ks_val v);
ks_val ks_put3(ks_heap *heap, ks_val m, const ks_str *k1, const ks_str *k2, const ks_str *k3,
               ks_val v);
/* A map from a list of fields: ks_map_of(heap, K(name), ks_text(heap, "x"), K(value), v, NULL).
 * Takes over the values; KS_NONE values are left out. */
ks_val ks_map_of(ks_heap *heap, const ks_str *key, ...);
/* A new copy of a document that lives in another heap. */
ks_val ks_copy(ks_heap *heap, ks_val v);
/* Bytes that only this reference holds: a walk over what no other document shares. */
size_t ks_own_bytes(ks_val v);
/* Raw building for parsers: appends a pair without sorting (takes over key and value) ... */
void ks_map_push_slowly(ks_heap *heap, ks_val *m, const ks_str *key,
                        ks_val v); /* private: where there is no room */
static inline void ks_map_push(ks_heap *heap, ks_val *m, const ks_str *key, ks_val v) {
    if (m->type == KS_MAP && m->m->refs == 1 && m->m->len < m->m->cap)
        m->m->pairs[m->m->len++] = (ks_pair){key, v};
    else
        ks_map_push_slowly(heap, m, key, v);
}
/* ... and sorts by key; of equal keys the last one wins. Returns the first duplicate key or NULL.
 */
const ks_str *ks_map_seal(ks_heap *heap, ks_val *m);

/* Deep equality (1 and 1.0 are equal) and a total order. Shared subtrees compare in O(1). */
bool ks_equal(ks_val a, ks_val b);

#endif
