/*
 * cluster/list.c - lists in pages of one consistent state; see list.h.
 *
 * k8s.io/apiserver/pkg/storage/continue.go (tokens), etcd3/store.go (GetList), etcd3/errors.go
 * (what is too old), pkg/endpoints/handlers/get.go (ListResource).
 */
#include "cluster/list.h"

#include "doc/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- tokens: unpadded base64url of {"v":"meta.k8s.io/v1","rv":N,"start":"ns/name\0"} --- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode_base64(ks_buf *out, const char *s, size_t len) {
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)(unsigned char)s[i] << 16;
        if (left > 1) bits |= (uint32_t)(unsigned char)s[i + 1] << 8;
        if (left > 2) bits |= (uint32_t)(unsigned char)s[i + 2];
        ks_buf_putc(out, digits[bits >> 18]);
        ks_buf_putc(out, digits[bits >> 12 & 63]);
        if (left > 1) ks_buf_putc(out, digits[bits >> 6 & 63]);
        if (left > 2) ks_buf_putc(out, digits[bits & 63]);
    }
}

/* The offset of what cannot be decoded, or -1. */
static int64_t decode_base64(ks_buf *out, const char *s, size_t len) {
    uint32_t bits = 0;
    for (size_t i = 0; i < len; i++) {
        const char *digit = s[i] != '\0' ? strchr(digits, s[i]) : NULL;
        if (digit == NULL) return (int64_t)i;
        bits = bits << 6 | (uint32_t)(digit - digits);
        switch (i % 4) {
        case 1: ks_buf_putc(out, (char)(bits >> 4)); break;
        case 2: ks_buf_putc(out, (char)(bits >> 2)); break;
        case 3: ks_buf_putc(out, (char)bits); break;
        default: break;
        }
    }
    return len % 4 == 1 ? (int64_t)len : -1;
}

/* The token that goes on behind `last`. `version` < 0: with whatever is there then. */
static ks_val token_after(ks_heap *heap, const ks_filter *filter, const ks_object *last,
                          int64_t version) {
    ks_buf start = {.heap = heap}, json = {.heap = heap}, out = {.heap = heap};
    if (last->ns != NULL && filter->ns == NULL) ks_buf_printf(&start, "%s/", last->ns->s);
    ks_buf_str(&start, last->name);
    ks_buf_printf(&json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%lld,\"start\":\"%s\\u0000\"}",
                  (long long)version, start.s);
    encode_base64(&out, json.s, json.len);
    ks_buf_dispose(&start);
    ks_buf_dispose(&json);
    return ks_string_take(ks_buf_take(&out));
}

typedef struct place {
    int64_t version;     /* -1: the newest */
    const ks_str *start; /* owned; NULL: from the beginning */
} place;

static ks_refusal *refuse_token(ks_heap *heap, const char *why, const char *more) {
    return ks_refuse(heap, 400, "BadRequest",
                     "invalid continue token: continue key is not valid%s%s", why, more);
}

/* path.Clean would change it: empty steps, "." and "..". */
static bool unclean(const ks_str *start) {
    const char *s = start->s, *end = s + start->len;
    if (s < end && *s == '/') s++;
    for (;;) {
        const char *slash = s < end ? memchr(s, '/', (size_t)(end - s)) : NULL;
        size_t len = (size_t)((slash != NULL ? slash : end) - s);
        if (len == 0 || (len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
            return true;
        if (slash == NULL) return false;
        s = slash + 1;
    }
}

static ks_refusal *check_token(ks_heap *heap, ks_val token, place *out) {
    const char *version = ks_text_or(ks_get_text(token, "v", 1), "");
    const ks_str *start = ks_str_or_null(ks_get_text(token, "start", 5));
    out->version = ks_int_or(ks_get_text(token, "rv", 2), 0);
    if (strcmp(version, "meta.k8s.io/v1") != 0)
        return refuse_token(heap, ": server does not recognize this encoded version ", version);
    if (out->version == 0)
        return refuse_token(
            heap, ": incorrect encoded start resourceVersion (version meta.k8s.io/v1)", "");
    if (start == NULL || start->len == 0)
        return refuse_token(heap, ": encoded start key empty (version meta.k8s.io/v1)", "");
    if (unclean(start)) return refuse_token(heap, ": ", start->s);
    out->start = ks_str_ref(start);
    return NULL;
}

static ks_refusal *read_token(ks_heap *heap, const ks_list_opts *opts, place *out) {
    ks_buf json = {.heap = heap};
    ks_val token = KS_NOTHING;
    ks_text_error err = {0};
    ks_refusal *refusal = NULL;
    char where[64];
    ks_buf_puts(&json, "");
    int64_t fault = decode_base64(&json, opts->token, opts->token_len);
    if (fault >= 0) {
        snprintf(where, sizeof where, "illegal base64 data at input byte %lld", (long long)fault);
        refusal = refuse_token(heap, ": ", where);
    } else if (!ks_json_read(heap, json.s, json.len, NULL, &token, &err)) {
        refusal = refuse_token(heap, ": ", err.message->s);
        ks_str_unref(heap, err.message);
    } else {
        refusal = check_token(heap, token, out);
    }
    ks_unref(heap, token);
    ks_buf_dispose(&json);
    return refusal;
}

/* --- which version --- */

static ks_refusal *refuse_future(ks_heap *heap, uint64_t asked, uint64_t now) {
    ks_refusal *refusal =
        ks_refuse(heap, 504, "Timeout", "Timeout: Too large resource version: %llu, current: %llu",
                  (unsigned long long)asked, (unsigned long long)now);
    refusal->retry_after = 1;
    refusal->causes =
        ks_append(heap, KS_NOTHING,
                  ks_map_of(heap, K(reason), ks_text(heap, "ResourceVersionTooLarge"), K(message),
                            ks_text(heap, "Too large resource version"), NULL));
    return refusal;
}

static const char too_old_token[] =
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list.";

/* etcd3/errors.go: handleCompactedErrorForPaging. */
static ks_refusal *refuse_old_token(ks_heap *heap, const place *at) {
    ks_refusal *refusal = ks_refuse(heap, 410, "Expired", "%s", too_old_token);
    ks_buf json = {.heap = heap}, out = {.heap = heap};
    ks_buf_printf(&json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":-1,\"start\":\"%s\\u0000\"}",
                  at->start->s);
    encode_base64(&out, json.s, json.len);
    ks_buf_dispose(&json);
    refusal->continue_token = ks_buf_take(&out);
    return refusal;
}

static ks_refusal *choose_version(const ks_store *store, const ks_list_opts *opts, place *out) {
    ks_heap *heap = store->world->heap;
    bool named = opts->version != NULL && opts->version[0] != '\0';
    uint64_t asked = named ? strtoull(opts->version, NULL, 10) : 0;
    *out = (place){.version = -1};
    if (opts->token != NULL && opts->token_len > 0) {
        if (named && asked != 0)
            return ks_refuse_bad_request(
                heap, "specifying resource version is not allowed when using continue");
        return read_token(heap, opts, out);
    }
    if (asked > store->version) return refuse_future(heap, asked, store->version);
    if (opts->exact && asked != 0) out->version = (int64_t)asked;
    return NULL;
}

/* --- collecting --- */

typedef struct collection {
    ks_heap *heap;
    const ks_filter *filter;
    const ks_str *start;
    const ks_object **objects;
    size_t count, cap;
} collection;

/* Is the key of this object ("ns/name", or its name alone) before the one at which the page begins?
 */
static bool is_before(const collection *c, const ks_object *o) {
    if (c->start == NULL) return false;
    ks_buf key = {.heap = c->heap};
    if (o->ns != NULL && c->filter->ns == NULL) ks_buf_printf(&key, "%s/", o->ns->s);
    ks_buf_str(&key, o->name);
    size_t len = c->start->len, shared = key.len < len ? key.len : len;
    int order = memcmp(key.s, c->start->s, shared);
    bool before = order != 0 ? order < 0 : key.len < len;
    ks_buf_dispose(&key);
    return before;
}

static void collect(void *payload, const ks_object *object) {
    collection *c = payload;
    if (is_before(c, object) || !ks_filter_matches(c->filter, object)) return;
    if (c->count == c->cap) {
        size_t cap = c->cap == 0 ? 16 : c->cap * 2;
        c->objects =
            ks_resize(c->heap, c->objects, c->cap * sizeof *c->objects, cap * sizeof *c->objects);
        c->cap = cap;
    }
    c->objects[c->count++] = object;
}

static bool may_match(void *payload, const ks_brief *brief) {
    return ks_filter_brief(((const collection *)payload)->filter, brief) != KS_DIFFERS;
}

/* The page, and what the list says about itself. */
static void build(const collection *c, const ks_list_opts *opts, uint64_t version, ks_val *items,
                  ks_val *metadata) {
    ks_heap *heap = c->heap;
    size_t page =
        opts->limit > 0 && (uint64_t)opts->limit < c->count ? (size_t)opts->limit : c->count;
    bool plain = c->filter->labels == NULL && !ks_exists(c->filter->fields);
    *items = ks_list_new(heap, (uint32_t)page);
    for (size_t i = 0; i < page; i++)
        *items = ks_append(heap, *items, ks_object_doc(heap, c->objects[i]));
    *metadata = ks_map_of(heap, K(resourceVersion),
                          ks_format(heap, "%llu", (unsigned long long)version), NULL);
    if (page == c->count) return;
    *metadata = ks_put(heap, *metadata, K(continue),
                       token_after(heap, c->filter, c->objects[page - 1], (int64_t)version));
    if (plain)
        *metadata =
            ks_put(heap, *metadata, K(remainingItemCount), ks_int((int64_t)(c->count - page)));
}

ks_refusal *ks_cluster_list(const ks_store *store, ks_kind kind, const ks_filter *filter,
                            const ks_list_opts *opts, ks_val *items, ks_val *metadata) {
    ks_heap *heap = store->world->heap;
    place at;
    ks_past past;
    *items = *metadata = KS_NOTHING;
    ks_refusal *refusal = choose_version(store, opts, &at);
    if (refusal != NULL) return refusal;
    collection c = {.heap = heap, .filter = filter, .start = at.start};
    uint64_t version = at.version > 0 ? (uint64_t)at.version : store->version;
    if (version >= store->version) {
        ks_walk w = ks_walk_kind(store, kind, filter->ns);
        w.passes = may_match;
        w.payload = &c;
        while (ks_walk_next(&w)) collect(&c, w.object);
    } else if (ks_past_open(store, kind, version, &past)) {
        ks_past_walk(store, kind, &past, collect, &c);
    } else if (at.start != NULL) {
        refusal = refuse_old_token(heap, &at);
    } else {
        refusal = ks_refuse(heap, 410, "Expired", "too old resource version: %llu",
                            (unsigned long long)version);
    }
    if (refusal == NULL) {
        if (c.count > 1) ks_store_sort(heap, c.objects, c.count);
        build(&c, opts, version, items, metadata);
        if (version < store->version) ks_past_dispose(store, &past);
    }
    ks_free(heap, c.objects, c.cap * sizeof *c.objects);
    ks_str_unref(heap, at.start);
    return refusal;
}
