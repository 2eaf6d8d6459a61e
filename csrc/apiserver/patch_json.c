/*
 * apiserver/patch_json.c - RFC 6902 as the API server's library does it
 * (gopkg.in/evanphx/json-patch.v4): `replace` of a missing key of a map succeeds, -1 is the last
 * element, a missing value is null; one failing operation undoes all.
 *
 * Called by patch.c.
 */
#include "apiserver/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPERATIONS = 10000, MAX_DEPTH = 1000 };

/* A JSON pointer, decoded: interned tokens. */
typedef struct pointer {
    ks_heap *heap;
    const ks_str **tokens;
    int count, capacity;
} pointer;

static void pointer_free(pointer *p) {
    for (int i = 0; i < p->count; i++) ks_str_unref(p->heap, p->tokens[i]);
    ks_free(p->heap, p->tokens, (size_t)p->capacity * sizeof *p->tokens);
}

static const ks_str *decode_token(ks_heap *heap, const char *s, size_t len) {
    ks_buf out = {.heap = heap};
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        if (c == '~' && i + 1 < len && (s[i + 1] == '0' || s[i + 1] == '1'))
            c = s[++i] == '0' ? '~' : '/';
        ks_buf_putc(&out, c);
    }
    const ks_str *token = ks_intern(heap, out.s != NULL ? out.s : "", out.len);
    ks_buf_dispose(&out);
    return token;
}

/* False when the text is no pointer into a document. */
static bool pointer_read(ks_heap *heap, ks_val text, pointer *p) {
    *p = (pointer){.heap = heap};
    const ks_str *s = ks_str_or_null(text);
    if (s == NULL || memchr(s->s, '/', s->len) == NULL) return false;
    p->capacity = 1;
    for (uint32_t i = 0; i < s->len; i++) p->capacity += s->s[i] == '/';
    p->tokens = ks_alloc(heap, (size_t)p->capacity * sizeof *p->tokens);
    const char *at = memchr(s->s, '/', s->len), *end = s->s + s->len;
    while (at != NULL && at < end) {
        const char *next = memchr(at + 1, '/', (size_t)(end - at - 1));
        const char *stop = next != NULL ? next : end;
        p->tokens[p->count++] = decode_token(heap, at + 1, (size_t)(stop - at - 1));
        at = next;
    }
    return p->count > 0 && p->count <= MAX_DEPTH;
}

/* The index that a token names in a list of `len` items, or -1. */
static int64_t index_of(const ks_str *token, uint32_t len) {
    char *end;
    if (token->len == 0 || isspace((unsigned char)token->s[0])) return -1;
    long long i = strtoll(token->s, &end, 10);
    if (*end != '\0' || end != token->s + token->len) return -1;
    if (i < 0) i += len;
    return i >= 0 && i < len ? i : -1;
}

static ks_val child(ks_val container, const ks_str *token) {
    if (container.type == KS_MAP) return ks_get(container, token);
    int64_t i = container.type == KS_LIST ? index_of(token, ks_len(container)) : -1;
    return i < 0 ? KS_NOTHING : ks_at(container, (uint32_t)i);
}

typedef enum verb { ADD, REMOVE, REPLACE } verb;

/* Changes the last step in its container (taken over, as `value` is). */
static bool change_here(ks_heap *heap, ks_val *container, const ks_str *token, verb what,
                        ks_val value) {
    if (container->type == KS_MAP) {
        if (what == REMOVE && ks_get(*container, token).type == KS_NONE) return false;
        *container = ks_put(heap, *container, token, value); /* KS_NOTHING removes */
        return true;
    }
    if (container->type != KS_LIST) return false;
    uint32_t len = ks_len(*container);
    if (what == ADD) {
        int64_t i = ks_str_is(token, "-") ? (int64_t)len : index_of(token, len + 1);
        if (i < 0) return false;
        *container = ks_insert_at(heap, *container, (uint32_t)i, value);
        return true;
    }
    int64_t i = index_of(token, len);
    if (i < 0) return false;
    *container = what == REMOVE ? ks_remove_at(heap, *container, (uint32_t)i)
                                : ks_set_at(heap, *container, (uint32_t)i, value);
    return true;
}

/* Walks down to the container of the last token; false: `doc` is unchanged, `value` still the
 * caller's. */
static bool change(ks_heap *heap, ks_val *doc, const pointer *p, int at, verb what, ks_val value) {
    const ks_str *token = p->tokens[at];
    if (at == p->count - 1) return change_here(heap, doc, token, what, value);
    ks_val inner = ks_ref(child(*doc, token));
    if (!ks_exists(inner) || !change(heap, &inner, p, at + 1, what, value)) {
        ks_unref(heap, inner);
        return false;
    }
    return change_here(heap, doc, token, REPLACE, inner);
}

/* What stands there, borrowed; false when its container is missing. */
static bool look(ks_val doc, const pointer *p, ks_val *found) {
    for (int i = 0; i < p->count - 1; i++) {
        doc = child(doc, p->tokens[i]);
        if (!ks_exists(doc)) return false;
    }
    if (doc.type != KS_MAP && doc.type != KS_LIST) return false;
    *found = child(doc, p->tokens[p->count - 1]);
    return doc.type == KS_MAP || found->type != KS_NONE;
}

static bool edit(ks_heap *heap, ks_val *doc, const pointer *p, verb what, ks_val value) {
    if (change(heap, doc, p, 0, what, value)) return true;
    ks_unref(heap, value);
    return false;
}

static ks_val or_null(ks_val v) { return v.type == KS_NONE ? ks_null() : v; }

static bool test(ks_val doc, const pointer *p, ks_val value) {
    ks_val found;
    if (!look(doc, p, &found)) return false;
    return ks_equal(or_null(found), value);
}

/* How long a value is as JSON, or something beyond `limit`: never walks further. */
static int64_t size_within(ks_val v, int64_t limit) {
    int64_t size = 2;
    switch (v.type) {
    case KS_STRING: return size + v.s->len;
    case KS_LIST:
        for (uint32_t i = 0; i < ks_len(v) && size <= limit; i++)
            size += 1 + size_within(ks_at(v, i), limit - size);
        return size;
    case KS_MAP:
        for (uint32_t i = 0; i < ks_len(v) && size <= limit; i++) {
            const ks_pair *pair = ks_pair_at(v, i);
            size += 4 + pair->key->len + size_within(pair->val, limit - size);
        }
        return size;
    default: return 4;
    }
}

/* What is copied counts, all copies together (evanphx/json-patch: AccumulatedCopySizeLimit, which the API server sets to the
 * size of a request): copies of copies would grow without bound. */
enum { MAX_COPIED = 3 * 1024 * 1024 };

/* `move` and `copy`. */
static bool transfer(ks_heap *heap, ks_val *doc, ks_val operation, const pointer *to, bool move,
                     int64_t *copied) {
    pointer from;
    ks_val found;
    bool ok = pointer_read(heap, ks_get(operation, K(from)), &from) && look(*doc, &from, &found);
    if (ok && !move) {
        *copied += size_within(found, MAX_COPIED - *copied);
        ok = *copied <= MAX_COPIED;
    }
    if (ok) {
        ks_val value = or_null(ks_ref(found));
        ok = !move || edit(heap, doc, &from, REMOVE, KS_NOTHING);
        if (ok)
            ok = edit(heap, doc, to, ADD, value);
        else
            ks_unref(heap, value);
    }
    pointer_free(&from);
    return ok;
}

static bool operate(ks_heap *heap, ks_val *doc, ks_val operation, int64_t *copied) {
    const char *op = ks_text_or(ks_get(operation, K(op)), "");
    ks_val value = or_null(ks_get(operation, K(value)));
    pointer p;
    bool ok = pointer_read(heap, ks_get(operation, K(path)), &p);
    if (!ok) {
        /* the whole document can be looked at and exchanged */
        bool whole = ks_text_is(ks_get(operation, K(path)), "");
        if (whole && strcmp(op, "replace") == 0 && value.type >= KS_LIST) {
            ks_val before = *doc;
            *doc = ks_ref(value);
            ks_unref(heap, before);
            ok = true;
        } else {
            ok = whole && strcmp(op, "test") == 0 && ks_equal(*doc, value);
        }
    } else if (strcmp(op, "add") == 0) {
        ok = edit(heap, doc, &p, ADD, ks_ref(value));
    } else if (strcmp(op, "remove") == 0) {
        ok = edit(heap, doc, &p, REMOVE, KS_NOTHING);
    } else if (strcmp(op, "replace") == 0) {
        ok = edit(heap, doc, &p, REPLACE, ks_ref(value));
    } else if (strcmp(op, "test") == 0) {
        ok = test(*doc, &p, value);
    } else if (strcmp(op, "move") == 0 || strcmp(op, "copy") == 0) {
        ok = transfer(heap, doc, operation, &p, *op == 'm', copied);
    } else {
        ok = false;
    }
    pointer_free(&p);
    return ok;
}

static const char *go_kind(ks_val v) {
    switch (v.type) {
    case KS_STRING: return "string";
    case KS_BOOL: return "bool";
    case KS_INT:
    case KS_FLOAT: return "number";
    case KS_LIST: return "array";
    default: return "object";
    }
}

static ks_refusal *check_format(ks_heap *heap, ks_val patch) {
    if (patch.type != KS_LIST)
        return ks_refuse(heap, 400, "BadRequest",
                         "error decoding patch: json: cannot unmarshal %s into Go value of type "
                         "[]handlers.jsonPatchOp",
                         go_kind(patch));
    ks_each(operation, patch) {
        if (operation->type == KS_NULL) continue; /* fails when its turn comes */
        if (operation->type != KS_MAP)
            return ks_refuse(
                heap, 400, "BadRequest",
                "error decoding patch: json: cannot unmarshal %s into Go value of type "
                "handlers.jsonPatchOp",
                go_kind(*operation));
        const ks_str *const texts[] = {K(op), K(path), K(from)};
        for (int i = 0; i < 3; i++) {
            ks_val text = ks_get(*operation, texts[i]);
            if (!ks_exists(text) || text.type == KS_STRING) continue;
            return ks_refuse(heap, 400, "BadRequest",
                             "error decoding patch: json: cannot unmarshal %s into Go struct field "
                             "jsonPatchOp.%s of type string",
                             go_kind(text), texts[i]->s);
        }
    }
    if (ks_len(patch) > MAX_OPERATIONS)
        return ks_refuse(
            heap, 413, "RequestEntityTooLarge",
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            "%d, got %u",
            MAX_OPERATIONS, ks_len(patch));
    return NULL;
}

ks_val ks_patch_json_unknown(ks_heap *heap, ks_val patch) {
    ks_val unknown = KS_NOTHING;
    for (uint32_t i = 0; i < ks_len(patch); i++) {
        ks_val operation = ks_at(patch, i);
        for (uint32_t j = 0; operation.type == KS_MAP && j < ks_len(operation); j++) {
            const ks_str *key = ks_pair_at(operation, j)->key;
            if (key == K(op) || key == K(path) || key == K(from) || key == K(value)) continue;
            unknown = ks_append(heap, unknown,
                                ks_format(heap, "json patch unknown field \"[%u].%s\"", i, key->s));
        }
    }
    return unknown;
}

ks_refusal *ks_patch_json(ks_heap *heap, ks_val doc, ks_val patch, ks_val *out) {
    ks_refusal *refusal = check_format(heap, patch);
    int64_t copied = 0;
    if (refusal == NULL) {
        ks_each(operation, patch) {
            if (operate(heap, &doc, *operation, &copied)) continue;
            refusal = ks_refuse(heap, 422, "Invalid",
                                "the server rejected our request due to an error in our request");
            break;
        }
    }
    ks_unref(heap, patch);
    if (refusal != NULL)
        ks_unref(heap, doc);
    else
        *out = doc;
    return refusal;
}
