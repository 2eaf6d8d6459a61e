/*
 * controllers/history.c - see history.h.
 */
#include "controllers/history.h"

#include "doc/text.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_PREFIX = 223, HASH_SIZE = 16 };

int64_t ks_revision_number(const ks_object *revision) {
    return ks_count(ks_doc(revision), K(revision), 0);
}

static int by_age(const void *a, const void *b) {
    const ks_object *x = *(const ks_object *const *)a, *y = *(const ks_object *const *)b;
    int64_t nx = ks_revision_number(x), ny = ks_revision_number(y);
    if (nx != ny) return nx < ny ? -1 : 1;
    if (x->created != y->created) return x->created < y->created ? -1 : 1;
    return ks_str_cmp(x->name, y->name);
}

void ks_history_list(ks_sim *sim, const ks_object *owner, const ks_selector *selector,
                     const ks_tree *loose, ks_objects *out) {
    const ks_store *store = ks_view(sim);
    ks_heap *heap = sim->world.heap;
    for (ks_walk w = ks_walk_owned(store, owner->uid, KS_CONTROLLERREVISION); ks_walk_next(&w);)
        if (ks_str_eq(w.object->owner_uid, owner->uid) && ks_str_eq(w.object->ns, owner->ns) &&
            ks_selector_matches(selector, w.object->labels))
            ks_objects_add(heap, out, w.object);
    uint64_t ns = ks_text_hash(owner->ns);
    for (ks_tree_iter it = ks_tree_from(loose, (ks_key){ns, 0});
         ks_tree_next(&it) && it.key.a == ns;) {
        const ks_object *r = ks_store_by_id(store, KS_CONTROLLERREVISION, it.key.b);
        if (r != NULL && r->owner_uid == NULL && ks_str_eq(r->ns, owner->ns) &&
            ks_selector_matches(selector, r->labels))
            ks_objects_add(heap, out, r);
    }
    if (out->count > 1) qsort((void *)out->items, out->count, sizeof *out->items, by_age);
}

ks_val ks_revision_data(ks_heap *heap, ks_val template) {
    ks_val patch = ks_put(heap, ks_ref(template), K(_patch), ks_text(heap, "replace"));
    return ks_map_of(heap, K(spec), ks_map_of(heap, K(template), patch, NULL), NULL);
}

ks_val ks_revision_template(ks_heap *heap, ks_val data) {
    return ks_drop(heap, ks_ref(ks_get2(data, K(spec), K(template))), K(_patch));
}

/* HashControllerRevision: FNV-1 over the data's bytes and the count of collisions, in the safe alphabet. */
static void hash_data(ks_heap *heap, ks_val data, int64_t collisions, char *out) {
    ks_buf text = {heap, NULL, 0, 0};
    ks_json_write(&text, data, KS_JSON_GO);
    ks_buf_printf(&text, "%lld", (long long)collisions);
    ks_safe_encode(ks_fnv32(text.s, text.len), out);
    ks_buf_dispose(&text);
}

static ks_val revision_of(ks_heap *heap, const ks_object *owner, ks_val data, int64_t number,
                          const char *hash) {
    ks_val labels = ks_ref(ks_get3(owner->spec, K(template), K(metadata), K(labels)));
    labels = ks_put(heap, labels, K(controller_kubernetes_io_hash), ks_text(heap, hash));
    ks_val owners = ks_append(heap, ks_list_new(heap, 1), ks_owner_reference(heap, owner));
    ks_val meta = ks_map_of(heap, K(labels), labels, K(annotations),
                            ks_ref(ks_get(owner->meta, K(annotations))), K(ownerReferences), owners,
                            K(namespace), ks_string(owner->ns), NULL);
    return ks_map_of(heap, K(apiVersion), ks_text(heap, "apps/v1"), K(kind),
                     ks_text(heap, "ControllerRevision"), K(metadata), meta, K(data), ks_ref(data),
                     K(revision), ks_int(number), NULL);
}

static ks_val name_of(ks_heap *heap, const ks_object *owner, const char *hash) {
    int len = owner->name->len < NAME_MAX_PREFIX ? (int)owner->name->len : NAME_MAX_PREFIX;
    return ks_format(heap, "%.*s-%s", len, owner->name->s, hash);
}

/* CreateControllerRevision: the hash label keeps the first hash, whatever the name becomes. */
ks_refusal *ks_revision_create(ks_sim *sim, const ks_object *owner, ks_val data, int64_t number,
                               int64_t *collisions, const ks_object **out) {
    ks_heap *heap = sim->world.heap;
    static const ks_write_opts opts = {.trusted = true};
    char hash[HASH_SIZE];
    hash_data(heap, data, *collisions, hash);
    ks_val proto = revision_of(heap, owner, data, number, hash);
    for (;;) {
        hash_data(heap, data, *collisions, hash);
        ks_val name = name_of(heap, owner, hash);
        ks_val doc = ks_put2(heap, ks_ref(proto), K(metadata), K(name), ks_ref(name));
        ks_refusal *refusal =
            ks_server_create(&sim->server, KS_CONTROLLERREVISION, owner->ns, doc, &opts, out);
        const ks_object *there = NULL;
        if (refusal != NULL && refusal->code == 409)
            there = ks_store_get(&sim->server.store, KS_CONTROLLERREVISION, owner->ns, name.s);
        ks_unref(heap, name);
        if (there == NULL) {
            ks_unref(heap, proto);
            return refusal;
        }
        ks_refusal_free(heap, refusal);
        if (ks_equal(ks_get(ks_doc(there), K(data)), data)) {
            ks_unref(heap, proto);
            *out = ks_object_ref(there);
            return NULL;
        }
        ++*collisions;
    }
}

ks_refusal *ks_revision_renumber(ks_sim *sim, const ks_object *revision, int64_t number,
                                 const ks_object **out) {
    ks_heap *heap = sim->world.heap;
    ks_val doc = ks_put(heap, ks_doc_ref(revision), K(revision), ks_int(number));
    return ks_server_update_object(&sim->server, revision, doc, out);
}
