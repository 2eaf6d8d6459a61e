/*
 * kubelet/files.c - stores of files: each a persistent map from path to file, found by the store's name.
 *
 * A store is what lies behind a volume or a container's root ("csi:driver/handle", "host:node", "empty:pod/volume", "root:...").
 * A fork shares all of it. Called by mounts.c.
 */
#include "kubelet/worker.h"

#include <string.h>

static const ks_str *path_of(ks_key key) { return (const ks_str *)(uintptr_t)key.a; }

static int path_compare(ks_key x, ks_key y) { return ks_str_cmp(path_of(x), path_of(y)); }

static void path_ref(ks_key key) { ks_str_ref(path_of(key)); }

static void path_unref(ks_heap *heap, ks_key key) { ks_str_unref(heap, path_of(key)); }

static void entry_ref(void *value) { ((entry *)value)->refs++; }

static void entry_unref(ks_heap *heap, void *value) {
    entry *e = value;
    if (--e->refs > 0) return;
    ks_str_unref(heap, e->bytes);
    ks_free(heap, e, sizeof *e);
}

static const ks_tree_type entry_type = {path_compare, path_ref, path_unref, entry_ref, entry_unref};

typedef struct store {
    uint32_t refs;
    ks_tree entries; /* path -> entry */
} store;

static void store_ref(void *value) { ((store *)value)->refs++; }

static void store_unref(ks_heap *heap, void *value) {
    store *s = value;
    if (--s->refs > 0) return;
    ks_tree_clear(heap, &s->entries);
    ks_free(heap, s, sizeof *s);
}

const ks_tree_type store_type = {.ref = store_ref, .unref = store_unref};

static ks_key store_key(const char *name) {
    size_t len = strlen(name);
    ks_key key = {hash64(name, len, 21), hash64(name, len, 22)};
    return key;
}

static store *store_own(kubelet *k, const char *name) {
    ks_key key = store_key(name);
    if (!ks_tree_has(&k->files, key)) {
        store *s = ks_alloc_zero(k->heap, sizeof *s);
        s->refs = 1;
        s->entries.type = &entry_type;
        ks_tree_put(k->heap, &k->files, key, s);
        return s;
    }
    void **slot = ks_tree_slot(k->heap, &k->files, key);
    store *s = *slot;
    if (s->refs > 1) {
        store *own = ks_alloc(k->heap, sizeof *own);
        own->refs = 1;
        own->entries = ks_tree_copy(&s->entries);
        s->refs--;
        *slot = s = own;
    }
    return s;
}

/* A string that lives for one look-up. */
static ks_str brief(const char *s) {
    return (ks_str){.refs = KS_IMMORTAL, .len = (uint32_t)strlen(s), .s = s};
}

static ks_key path_key(const ks_str *path) {
    ks_key key = {(uint64_t)(uintptr_t)path, 0};
    return key;
}

const entry *store_find(const kubelet *k, const char *name, const char *path) {
    const store *s = ks_tree_get(&k->files, store_key(name));
    ks_str text = brief(path);
    return s ? ks_tree_get(&s->entries, path_key(&text)) : NULL;
}

void store_put(kubelet *k, const char *name, const char *path, bool directory, const ks_str *bytes,
               int64_t now) {
    store *s = store_own(k, name);
    entry *e = ks_alloc(k->heap, sizeof *e);
    *e = (entry){1, directory, bytes, now};
    const ks_str *key = ks_str_of(k->heap, path);
    ks_tree_put(k->heap, &s->entries, path_key(key), e);
    ks_str_unref(k->heap, key); /* the map holds it */
}

const entry *store_next(const kubelet *k, const char *name, const char *prefix, const char *after,
                        const char **path) {
    const store *s = ks_tree_get(&k->files, store_key(name));
    if (!s) return NULL;
    ks_str from = brief(*after ? after : prefix);
    ks_key key;
    void *value;
    if (!ks_tree_higher(&s->entries, path_key(&from), &key, &value)) return NULL;
    if (strncmp(path_of(key)->s, prefix, strlen(prefix)) != 0) return NULL;
    *path = path_of(key)->s;
    return value;
}

bool store_remove(kubelet *k, const char *name, const char *path) {
    if (!ks_tree_has(&k->files, store_key(name))) return false;
    store *s = store_own(k, name);
    ks_str text = brief(path);
    bool any = ks_tree_del(k->heap, &s->entries, path_key(&text));
    ks_buf below = {k->heap, NULL, 0, 0};
    ks_buf_printf(&below, "%s/", path);
    ks_str prefix = brief(below.s);
    ks_key key;
    while (ks_tree_higher(&s->entries, path_key(&prefix), &key, NULL) &&
           !strncmp(path_of(key)->s, prefix.s, prefix.len)) {
        const ks_str *found = ks_str_ref(path_of(key));
        ks_tree_del(k->heap, &s->entries, path_key(found));
        ks_str_unref(k->heap, found);
        any = true;
    }
    ks_buf_dispose(&below);
    return any;
}

void store_drop(kubelet *k, const char *name) {
    if (k->files.count) ks_tree_del(k->heap, &k->files, store_key(name));
}

static int digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Secrets' data. */
ks_val decode_base64(ks_heap *heap, ks_val text) {
    ks_buf out = {heap, NULL, 0, 0};
    uint32_t bits = 0;
    int count = 0;
    const ks_str *s = ks_str_or_null(text);
    for (uint32_t i = 0; s && i < s->len; i++) {
        int d = digit(s->s[i]);
        if (d < 0) continue;
        bits = bits << 6 | (uint32_t)d;
        count += 6;
        if (count >= 8) {
            count -= 8;
            ks_buf_putc(&out, (char)(bits >> count & 255));
        }
    }
    return ks_string_take(ks_buf_take(&out));
}
