/*
 * doc/val.c - documents as immutable counted values; see val.h for ownership.
 *
 * Invariants: a container with refs > 1 is never changed; a sealed map's pairs ascend bytewise by
 * key and its keys are interned, so a key is found by comparing pointers.
 */
#include "doc/val.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The order of keys. Symbols lie in memory in that order (base/symbols.h), and most keys are symbols. */
static inline bool is_symbol(const ks_str *key) {
    return (uintptr_t)key - (uintptr_t)ks_symbols < sizeof ks_symbols;
}
static inline int key_cmp(const ks_str *a, const ks_str *b) {
    if (is_symbol(a) && is_symbol(b)) return a < b ? -1 : a > b;
    return ks_str_cmp(a, b);
}

/* Counting keys, without looking at those that are never counted. */
static inline const ks_str *key_ref(const ks_str *key) {
    return is_symbol(key) ? key : ks_str_ref(key);
}
static inline void key_unref(ks_heap *heap, const ks_str *key) {
    if (!is_symbol(key)) ks_str_unref(heap, key);
}

static size_t list_size(uint32_t cap) { return sizeof(ks_list) + cap * sizeof(ks_val); }
static size_t map_size(uint32_t cap) { return sizeof(ks_map) + cap * sizeof(ks_pair); }

/* --- constructors --- */

ks_val ks_string_take(const ks_str *str) { return (ks_val){.type = KS_STRING, .s = str}; }
ks_val ks_string(const ks_str *str) { return ks_string_take(ks_str_ref(str)); }
ks_val ks_text(ks_heap *heap, const char *s) { return ks_string_take(ks_str_of(heap, s)); }
ks_val ks_textn(ks_heap *heap, const char *s, size_t len) {
    return ks_string_take(ks_str_new(heap, s, len));
}

ks_val ks_format(ks_heap *heap, const char *format, ...) {
    ks_buf buf = {heap, NULL, 0, 0};
    char small[256];
    va_list args;
    va_start(args, format);
    int len = ks_vformat(small, sizeof small, format, args);
    va_end(args);
    if (len < (int)sizeof small) return ks_textn(heap, small, (size_t)len);
    char *big = ks_alloc(heap, (size_t)len + 1);
    va_start(args, format);
    ks_vformat(big, (size_t)len + 1, format, args);
    va_end(args);
    ks_buf_add(&buf, big, (size_t)len);
    ks_free(heap, big, (size_t)len + 1);
    return ks_string_take(ks_buf_take(&buf));
}

ks_val ks_list_new(ks_heap *heap, uint32_t capacity) {
    ks_list *l = ks_alloc(heap, list_size(capacity));
    *l = (ks_list){.refs = 1, .len = 0, .cap = capacity};
    return (ks_val){.type = KS_LIST, .l = l};
}

ks_val ks_map_new(ks_heap *heap, uint32_t capacity) {
    ks_map *m = ks_alloc(heap, map_size(capacity));
    *m = (ks_map){.refs = 1, .len = 0, .cap = capacity};
    return (ks_val){.type = KS_MAP, .m = m};
}

/* --- counting --- */

/* Asks for the memory of what is about to be let go, without waiting for it. What goes has mostly not been looked at for long, and one
 * after the other each would be waited for. */
static inline void fetch_counted(ks_val v) {
    if (v.type >= KS_STRING) __builtin_prefetch(v.s, 1);
}

void ks_list_free(ks_heap *heap, ks_list *l) {
    for (uint32_t i = 0; i < l->len; i++) fetch_counted(l->items[i]);
    for (uint32_t i = 0; i < l->len; i++) ks_unref(heap, l->items[i]);
    ks_free(heap, l, list_size(l->cap));
}

void ks_map_free(ks_heap *heap, ks_map *m) {
    for (uint32_t i = 0; i < m->len; i++) fetch_counted(m->pairs[i].val);
    for (uint32_t i = 0; i < m->len; i++) {
        key_unref(heap, m->pairs[i].key);
        ks_unref(heap, m->pairs[i].val);
    }
    ks_free(heap, m, map_size(m->cap));
}

/* --- reading --- */

/* The index of `key` in a map, or -1. */
static int64_t index_of(const ks_map *m, const ks_str *key) {
    if (m->len <= KS_SCANNED) {
        for (uint32_t i = 0; i < m->len; i++)
            if (m->pairs[i].key == key) return i;
        return -1;
    }
    uint32_t low = 0, high = m->len;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (m->pairs[mid].key == key) return mid;
        if (key_cmp(m->pairs[mid].key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

ks_val ks_get_large(const ks_map *m, const ks_str *key) {
    int64_t at = index_of(m, key);
    return at < 0 ? KS_NOTHING : m->pairs[at].val;
}

ks_val ks_get3(ks_val m, const ks_str *k1, const ks_str *k2, const ks_str *k3) {
    return ks_get(ks_get(ks_get(m, k1), k2), k3);
}

ks_val ks_get_text(ks_val m, const char *key, size_t len) {
    if (m.type != KS_MAP) return KS_NOTHING;
    const ks_str wanted = {.len = (uint32_t)len, .s = key};
    uint32_t low = 0, high = m.m->len;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int order = ks_str_cmp(m.m->pairs[mid].key, &wanted);
        if (order == 0) return m.m->pairs[mid].val;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return KS_NOTHING;
}

const ks_val *ks_items(ks_val l) {
    static const ks_val nothing = {.type = KS_NONE};
    return l.type == KS_LIST ? l.l->items : &nothing;
}

/* --- building --- */

/* Forgets what longer values of the list had, which are gone. */
static void shorten(ks_heap *heap, ks_list *l, uint32_t count) {
    while (l->len > count) ks_unref(heap, l->items[--l->len]);
}

/* A list that the caller alone holds, with room for `more` items; takes over `l`. */
static ks_list *list_own(ks_heap *heap, ks_val l, uint32_t more) {
    if (l.type != KS_LIST) {
        ks_unref(heap, l);
        return ks_list_new(heap, more < 4 ? 4 : more).l;
    }
    ks_list *old = l.l;
    if (old->refs == 1) shorten(heap, old, l.count);
    if (old->refs == 1 && old->len + more <= old->cap) return old;
    uint32_t cap = l.count + more;
    if (more > 0 && old->refs == 1 && cap < old->cap * 2) cap = old->cap * 2;
    ks_list *copy = ks_list_new(heap, cap).l;
    copy->len = l.count;
    memcpy(copy->items, old->items, l.count * sizeof(ks_val));
    if (old->refs == 1) {
        ks_free(heap, old, list_size(old->cap));
    } else {
        for (uint32_t i = 0; i < copy->len; i++) ks_ref(copy->items[i]);
        old->refs--;
    }
    return copy;
}

static ks_map *map_own(ks_heap *heap, ks_val m, uint32_t more) {
    if (m.type != KS_MAP) {
        ks_unref(heap, m);
        return ks_map_new(heap, more < 4 ? 4 : more).m;
    }
    ks_map *old = m.m;
    if (old->refs == 1 && old->len + more <= old->cap) return old;
    uint32_t cap = old->len + more;
    if (more > 0 && old->refs == 1 && cap < old->cap * 2) cap = old->cap * 2;
    ks_map *copy = ks_map_new(heap, cap).m;
    copy->len = old->len;
    memcpy(copy->pairs, old->pairs, old->len * sizeof(ks_pair));
    if (old->refs == 1) {
        ks_free(heap, old, map_size(old->cap));
    } else {
        for (uint32_t i = 0; i < copy->len; i++) {
            key_ref(copy->pairs[i].key);
            ks_ref(copy->pairs[i].val);
        }
        old->refs--;
    }
    return copy;
}

static ks_val of_list(ks_list *l) { return (ks_val){.type = KS_LIST, .count = l->len, .l = l}; }
static ks_val of_map(ks_map *m) { return (ks_val){.type = KS_MAP, .m = m}; }

ks_val ks_put(ks_heap *heap, ks_val m, const ks_str *key, ks_val v) {
    if (v.type == KS_NONE) return ks_drop(heap, m, key);
    int64_t at = m.type == KS_MAP ? index_of(m.m, key) : -1;
    if (at >= 0) {
        ks_map *map = map_own(heap, m, 0);
        ks_unref(heap, map->pairs[at].val);
        map->pairs[at].val = v;
        return of_map(map);
    }
    ks_map *map = map_own(heap, m, 1);
    uint32_t to = map->len;
    while (to > 0 && key_cmp(map->pairs[to - 1].key, key) > 0) to--;
    memmove(map->pairs + to + 1, map->pairs + to, (map->len - to) * sizeof(ks_pair));
    map->pairs[to] = (ks_pair){key_ref(key), v};
    map->len++;
    return of_map(map);
}

/* How many of these keys a map has; both are in order, and mostly each stands in the map not far behind the one before. */
static uint32_t count_shared(const ks_map *m, const ks_pair *more, uint32_t count) {
    uint32_t shared = 0, from = 0;
    for (uint32_t j = 0; j < count && m != NULL; j++) {
        uint32_t i = from;
        while (i < m->len && m->pairs[i].key != more[j].key) i++;
        if (i == m->len) continue;
        shared++;
        from = i + 1;
    }
    return shared;
}

ks_val ks_put_all(ks_heap *heap, ks_val m, const ks_pair *more, uint32_t count) {
    return ks_put_all_and(heap, m, more, count, 0);
}

/* The pairs of a map (NULL: none) and `more`, which hold where both have a key, in order; `own`: the map's are taken over. How many there
 * are. */
static uint32_t merge(ks_heap *heap, ks_pair *out, const ks_map *m, const ks_pair *more,
                      uint32_t count, bool own) {
    const ks_pair *p = m != NULL ? m->pairs : out, *end = m != NULL ? p + m->len : out;
    ks_pair *to = out;
    for (uint32_t j = 0; j <= count; j++) {
        const ks_str *next = j < count ? more[j].key : NULL;
        for (; p != end && (next == NULL || (p->key != next && key_cmp(p->key, next) < 0)); p++) {
            *to++ = *p;
            if (own) continue;
            key_ref(p->key);
            ks_ref(p->val);
        }
        if (next == NULL) break;
        bool shared = p != end && p->key == next;
        if (shared && own) ks_unref(heap, p->val);
        if (!shared || !own) key_ref(next);
        *to++ = more[j];
        p += shared;
    }
    return (uint32_t)(to - out);
}

ks_val ks_put_all_and(ks_heap *heap, ks_val m, const ks_pair *more, uint32_t count, uint32_t room) {
    enum { MOST = 32 }; /* mostly; where there are more they are counted beforehand */
    const ks_map *before = m.type == KS_MAP ? m.m : NULL;
    uint32_t had = before != NULL ? before->len : 0;
    bool own = had > 0 && before->refs == 1;
    ks_pair merged[MOST];
    ks_map *map = NULL;
    if (had + count > MOST)
        map = ks_map_new(heap, had + count - count_shared(before, more, count) + room).m;
    uint32_t len = merge(heap, map != NULL ? map->pairs : merged, before, more, count, own);
    if (map == NULL) {
        map = ks_map_new(heap, len + room).m;
        for (uint32_t i = 0; i < len; i++) map->pairs[i] = merged[i];
    }
    map->len = len;
    if (own)
        ks_free(heap, m.m, map_size(m.m->cap));
    else
        ks_unref(heap, m);
    return of_map(map);
}

ks_val ks_exchange(ks_heap *heap, ks_val m, const ks_pair *others, uint32_t count) {
    ks_map *copy = ks_map_new(heap, m.m->cap).m;
    const ks_pair *next = others, *end = others + count;
    for (; copy->len < m.m->len; copy->len++) {
        ks_pair p = m.m->pairs[copy->len];
        key_ref(p.key);
        if (next != end && next->key == p.key)
            p.val = next++->val;
        else
            ks_ref(p.val);
        copy->pairs[copy->len] = p;
    }
    ks_unref(heap, m);
    return of_map(copy);
}

ks_val ks_drop(ks_heap *heap, ks_val m, const ks_str *key) {
    int64_t at = m.type == KS_MAP ? index_of(m.m, key) : -1;
    if (at < 0) return m;
    ks_map *map = map_own(heap, m, 0);
    ks_pair gone = map->pairs[at];
    memmove(map->pairs + at, map->pairs + at + 1, (map->len - (uint32_t)at - 1) * sizeof(ks_pair));
    map->len--;
    key_unref(heap, gone.key);
    ks_unref(heap, gone.val);
    return of_map(map);
}

ks_val ks_append(ks_heap *heap, ks_val l, ks_val v) {
    ks_list *list = list_own(heap, l, 1);
    list->items[list->len++] = v;
    return of_list(list);
}

ks_val ks_extend(ks_heap *heap, ks_val l, ks_val v) {
    if (l.type != KS_LIST || l.l->refs == 1) return ks_append(heap, l, v);
    if (l.count < l.l->len || l.l->len == l.l->cap) {
        ks_val room = ks_list_new(heap, l.count + l.count / 2 + 4);
        ks_each(item, l) room.l->items[room.l->len++] = ks_ref(*item);
        ks_unref(heap, l);
        l = of_list(room.l);
    }
    l.l->items[l.l->len++] = v;
    return of_list(l.l);
}

ks_val ks_set_at(ks_heap *heap, ks_val l, uint32_t index, ks_val v) {
    ks_list *list = list_own(heap, l, 0);
    ks_unref(heap, list->items[index]);
    list->items[index] = v;
    return of_list(list);
}

ks_val ks_insert_at(ks_heap *heap, ks_val l, uint32_t index, ks_val v) {
    ks_list *list = list_own(heap, l, 1);
    memmove(list->items + index + 1, list->items + index, (list->len - index) * sizeof(ks_val));
    list->items[index] = v;
    list->len++;
    return of_list(list);
}

ks_val ks_remove_at(ks_heap *heap, ks_val l, uint32_t index) {
    ks_list *list = list_own(heap, l, 0);
    ks_val gone = list->items[index];
    memmove(list->items + index, list->items + index + 1, (list->len - index - 1) * sizeof(ks_val));
    list->len--;
    ks_unref(heap, gone);
    return of_list(list);
}

ks_val ks_take(ks_val m, const ks_str *key) {
    int64_t at = m.type == KS_MAP ? index_of(m.m, key) : -1;
    if (at < 0) return KS_NOTHING;
    ks_val *member = &m.m->pairs[at].val, taken = *member;
    if (m.m->refs > 1) return ks_ref(taken);
    *member = ks_null();
    return taken;
}

ks_val ks_put2(ks_heap *heap, ks_val m, const ks_str *k1, const ks_str *k2, ks_val v) {
    ks_val inner = ks_take(m, k1);
    return ks_put(heap, m, k1, ks_put(heap, inner, k2, v));
}

ks_val ks_put3(ks_heap *heap, ks_val m, const ks_str *k1, const ks_str *k2, const ks_str *k3,
               ks_val v) {
    ks_val inner = ks_take(m, k1);
    return ks_put(heap, m, k1, ks_put2(heap, inner, k2, k3, v));
}

/* Puts a pair among sorted ones, behind all of them mostly; of equal keys the last one holds. How many they are then. */
static uint32_t insert_pair(ks_heap *heap, ks_pair *pairs, uint32_t len, const ks_str *key,
                            ks_val v) {
    uint32_t to = len;
    int order = -1;
    while (to > 0 && (order = key_cmp(pairs[to - 1].key, key)) > 0) to--;
    if (to > 0 && order == 0) {
        ks_unref(heap, pairs[to - 1].val);
        pairs[to - 1].val = v;
        return len;
    }
    for (uint32_t i = len; i > to; i--) pairs[i] = pairs[i - 1];
    pairs[to] = (ks_pair){key_ref(key), v};
    return len + 1;
}

ks_val ks_map_of(ks_heap *heap, const ks_str *key, ...) {
    enum { MOST = 24 };
    ks_pair pairs[MOST];
    uint32_t count = 0;
    va_list args;
    va_start(args, key);
    for (; key != NULL && count < MOST; key = va_arg(args, const ks_str *)) {
        ks_val v = va_arg(args, ks_val);
        if (v.type != KS_NONE) count = insert_pair(heap, pairs, count, key, v);
    }
    ks_val m = ks_map_new(heap, count);
    m.m->len = count;
    for (uint32_t i = 0; i < count; i++) m.m->pairs[i] = pairs[i];
    for (; key != NULL; key = va_arg(args, const ks_str *)) { /* more than anybody has */
        ks_val v = va_arg(args, ks_val);
        if (v.type != KS_NONE) m = ks_put(heap, m, key, v);
    }
    va_end(args);
    return m;
}

static const ks_str *copy_text(ks_heap *heap, const ks_str *text) {
    return text->refs == KS_IMMORTAL ? text : ks_str_new(heap, text->s, text->len);
}

ks_val ks_copy(ks_heap *heap, ks_val v) {
    ks_val out = v;
    if (v.type == KS_STRING) {
        out.s = copy_text(heap, v.s);
    } else if (v.type == KS_LIST) {
        out = ks_list_new(heap, v.count);
        ks_each(item, v) out = ks_append(heap, out, ks_copy(heap, *item));
    } else if (v.type == KS_MAP) {
        out = ks_map_new(heap, v.m->len);
        for (uint32_t i = 0; i < v.m->len; i++) {
            const ks_pair *pair = &v.m->pairs[i];
            ks_map_push(heap, &out, ks_intern(heap, pair->key->s, pair->key->len),
                        ks_copy(heap, pair->val));
        }
    }
    return out;
}

size_t ks_own_bytes(ks_val v) {
    size_t bytes = 0;
    if (v.type == KS_STRING && v.s->refs == 1) {
        bytes = sizeof *v.s + v.s->len;
    } else if (v.type == KS_LIST && v.l->refs == 1) {
        bytes = list_size(v.l->cap);
        ks_each(item, v) bytes += ks_own_bytes(*item);
    } else if (v.type == KS_MAP && v.m->refs == 1) {
        bytes = map_size(v.m->cap);
        for (uint32_t i = 0; i < v.m->len; i++) bytes += ks_own_bytes(v.m->pairs[i].val);
    }
    return bytes;
}

void ks_map_push_slowly(ks_heap *heap, ks_val *m, const ks_str *key, ks_val v) {
    ks_map *map = map_own(heap, *m, 1);
    map->pairs[map->len++] = (ks_pair){key, v};
    *m = of_map(map);
}

/* Sorts pairs by key, stably: of equal keys the later stays behind the earlier. */
static void sort_pairs(ks_heap *heap, ks_pair *pairs, uint32_t len) {
    if (len <= 16) {
        for (uint32_t i = 1; i < len; i++) {
            ks_pair moving = pairs[i];
            uint32_t to = i;
            for (; to > 0 && key_cmp(pairs[to - 1].key, moving.key) > 0; to--)
                pairs[to] = pairs[to - 1];
            pairs[to] = moving;
        }
        return;
    }
    uint32_t half = len / 2;
    sort_pairs(heap, pairs, half);
    sort_pairs(heap, pairs + half, len - half);
    if (key_cmp(pairs[half - 1].key, pairs[half].key) <= 0) return;
    ks_pair *left = ks_alloc(heap, half * sizeof *left);
    memcpy(left, pairs, half * sizeof *left);
    uint32_t l = 0, r = half, out = 0;
    while (l < half)
        pairs[out++] = r < len && key_cmp(pairs[r].key, left[l].key) < 0 ? pairs[r++] : left[l++];
    ks_free(heap, left, half * sizeof *left);
}

const ks_str *ks_map_seal(ks_heap *heap, ks_val *m) {
    if (m->type != KS_MAP || m->m->len < 2) return NULL;
    ks_map *map = m->m;
    sort_pairs(heap, map->pairs, map->len);
    const ks_str *duplicate = NULL;
    uint32_t out = 0;
    for (uint32_t i = 1; i < map->len; i++) {
        if (map->pairs[i].key != map->pairs[out].key) {
            map->pairs[++out] = map->pairs[i];
            continue;
        }
        key_unref(heap, map->pairs[out].key);
        ks_unref(heap, map->pairs[out].val);
        map->pairs[out] = map->pairs[i];
        if (duplicate == NULL) duplicate = map->pairs[out].key;
    }
    map->len = out + 1;
    return duplicate;
}

/* --- comparing --- */

static bool equal_number(ks_val a, ks_val b) {
    double x = a.type == KS_INT ? (double)a.i : a.f, y = b.type == KS_INT ? (double)b.i : b.f;
    return x == y;
}

/* Members that are no lists or maps first: where maps differ, one of these mostly tells. */
static bool equal_maps(const ks_map *a, const ks_map *b) {
    bool deep = false;
    if (a->len != b->len) return false;
    for (uint32_t i = 0; i < a->len; i++) {
        const ks_pair *p = &a->pairs[i], *q = &b->pairs[i];
        if (p->key != q->key) return false;
        if (ks_identical(p->val, q->val)) continue;
        if (p->val.type >= KS_LIST && p->val.type == q->val.type)
            deep = true;
        else if (!ks_equal(p->val, q->val))
            return false;
    }
    for (uint32_t i = 0; deep && i < a->len; i++)
        if (a->pairs[i].val.type >= KS_LIST && !ks_equal(a->pairs[i].val, b->pairs[i].val))
            return false;
    return true;
}

bool ks_equal(ks_val a, ks_val b) {
    if (a.type != b.type) {
        bool numbers =
            (a.type == KS_INT && b.type == KS_FLOAT) || (a.type == KS_FLOAT && b.type == KS_INT);
        return numbers && equal_number(a, b);
    }
    switch (a.type) {
    case KS_NONE:
    case KS_NULL: return true;
    case KS_BOOL: return a.b == b.b;
    case KS_INT: return a.i == b.i;
    case KS_FLOAT: return a.f == b.f;
    case KS_STRING: return ks_str_eq(a.s, b.s);
    case KS_LIST:
        if (a.count != b.count) return false;
        if (a.l == b.l) return true;
        for (uint32_t i = 0; i < a.count; i++)
            if (!ks_equal(a.l->items[i], b.l->items[i])) return false;
        return true;
    case KS_MAP: return a.m == b.m || equal_maps(a.m, b.m);
    }
    return false;
}
