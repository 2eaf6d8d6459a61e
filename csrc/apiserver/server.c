/*
 * apiserver/server.c - a server's life, its clock and uids, and the one way into the store.
 */
#include "api/values.h"
#include "apiserver/internal.h"
#include "store/object_internal.h"

#include <string.h>

enum { MEMO_LIMIT = 128 };

/* --- the memo --- */

static void memo_ref(void *value) { ((ks_memo *)value)->refs++; }

static void memo_unref(ks_heap *heap, void *value) {
    ks_memo *memo = value;
    if (--memo->refs > 0) return;
    ks_unref(heap, memo->in);
    ks_unref(heap, memo->out);
    ks_unref(heap, memo->status);
    ks_unref(heap, memo->meta);
    ks_unref(heap, memo->finalizers);
    ks_str_unref(heap, memo->ns);
    ks_free(heap, memo, sizeof *memo);
}

static const ks_tree_type memo_type = {NULL, NULL, NULL, memo_ref, memo_unref};

static ks_key memo_key(const void *identity, uint64_t what) {
    return (ks_key){what, (uint64_t)(uintptr_t)identity};
}

const ks_memo *ks_memo_get(const ks_server *s, const void *identity, uint64_t what) {
    return ks_tree_get(&s->memo, memo_key(identity, what));
}

void ks_memo_put(ks_server *s, const void *identity, uint64_t what, ks_memo *memo) {
    if (s->memo.count >= MEMO_LIMIT) ks_tree_clear(s->heap, &s->memo);
    ks_tree_put(s->heap, &s->memo, memo_key(identity, what), memo);
}

/* What admission looks at has changed: nothing that was admitted holds any more. */
static bool admission_reads(ks_kind kind) {
    return kind == KS_LIMITRANGE || kind == KS_PRIORITYCLASS || kind == KS_SERVICEACCOUNT ||
           kind == KS_NAMESPACE || kind == KS_STORAGECLASS;
}

/* --- life --- */

void ks_server_init(ks_server *s, ks_world *world, ks_rules rules) {
    *s = (ks_server){.world = world, .heap = world->heap, .rules = rules, .last_event = -1};
    ks_store_init(&s->store, world);
    s->memo.type = s->bound.type = &memo_type;
    ks_record_init(s);
}

void ks_server_dispose(ks_server *s) {
    ks_tree_clear(s->heap, &s->memo);
    ks_tree_clear(s->heap, &s->bound);
    ks_tree_clear(s->heap, &s->service_ips);
    ks_tree_clear(s->heap, &s->node_ports);
    ks_ids_clear(s->heap, &s->correlation);
    ks_tree_clear(s->heap, &s->series.unwritten);
    ks_record_cache_drop(s);
    ks_store_dispose(&s->store);
}

/* All but the store. */
static void copied_around(ks_server *out, ks_world *world) {
    out->world = world;
    out->heap = world->heap;
    ks_trees_copied(&out->memo, 1);
    ks_trees_copied(&out->bound, 1);
    ks_trees_copied(&out->service_ips, 1);
    ks_trees_copied(&out->node_ports, 1);
    ks_ids_copied(&out->correlation, 1);
    ks_trees_copied(&out->series.unwritten, 1);
    out->record_cache = NULL;
}

void ks_server_copied(ks_server *out, ks_world *world) {
    copied_around(out, world);
    ks_store_copied(&out->store, world);
}

void ks_server_snapshot(ks_server *out, ks_server *from, ks_world *world) {
    copied_around(out, world);
    ks_store_snapshot(&out->store, &from->store, world);
}

/* --- time and identity --- */

ks_val ks_server__stamp(ks_server *s) { return ks_time_val(s->world, s->world->now); }

/* A version-4 UUID of random words. */
static ks_val uuid_of(ks_heap *heap, const uint32_t words[4]) {
    char digits[32], text[36], *at = digits;
    for (int i = 0; i < 4; i++) at = ks_put_hex(at, words[i]);
    digits[12] = '4';
    digits[16] = "89ab"[words[2] >> 28 & 3];
    memcpy(text, digits, 8);
    memcpy(text + 9, digits + 8, 4);
    memcpy(text + 14, digits + 12, 4);
    memcpy(text + 19, digits + 16, 4);
    memcpy(text + 24, digits + 20, 12);
    text[8] = text[13] = text[18] = text[23] = '-';
    return ks_textn(heap, text, sizeof text);
}

ks_val ks_server__uid(ks_server *s) {
    uint32_t words[4];
    ks_choose_words(s->world, KS_CHOOSE_UID, words, 4);
    return uuid_of(s->heap, words);
}

ks_val ks_server__uid_of(const ks_world *world, uint64_t id) {
    uint32_t words[4];
    ks_words_of(world, id, words, 4);
    return uuid_of(world->heap, words);
}

/* --- the way into the store --- */

static void announce(ks_server *s, const ks_change *change) {
    if (admission_reads(change->object->kind)) ks_tree_clear(s->heap, &s->memo);
    if (change->object->kind == KS_NAMESPACE) ks_record_namespace_changed(s);
    if (s->on_change != NULL) s->on_change(s->payload, change);
    ks_change_unref(s->heap, change);
}

static void written(ks_server *s, const ks_change *change, const ks_object **out) {
    if (out != NULL) *out = ks_object_ref(change->object);
    announce(s, change);
}

void ks_server__commit(ks_server *s, ks_kind kind, ks_val doc, const ks_object *old,
                       const ks_object **out) {
    if (kind == KS_SERVICE) ks_service_settle(s, doc, old != NULL ? ks_doc(old) : KS_NOTHING);
    written(s, ks_store_write(&s->store, kind, doc, old, 0), out);
}

void ks_server__commit_new(ks_server *s, ks_kind kind, ks_parts parts, uint32_t kin,
                           const ks_object **out) {
    written(s, ks_store_write_parts(&s->store, kind, parts, NULL, kin), out);
}

void ks_server__commit_next(ks_server *s, const ks_object *old, ks_parts parts,
                            const ks_object **out) {
    if (old->apart) {
        written(s, ks_store_write_parts(&s->store, old->kind, parts, old, 0), out);
        return;
    }
    ks_val doc = ks_put(s->heap, ks_doc_ref(old), K(metadata), parts.meta);
    doc = ks_put(s->heap, doc, K(spec), parts.spec);
    ks_server__commit(s, old->kind, ks_put(s->heap, doc, K(status), parts.status), old, out);
}

void ks_server__remove(ks_server *s, const ks_object *object) {
    uint64_t id = object->id;
    bool has_events = object->kind != KS_EVENT;
    if (object->kind == KS_SERVICE) ks_service_settle(s, KS_NOTHING, ks_doc(object));
    announce(s, ks_store_delete(&s->store, object));
    if (has_events) ks_record_forget(s, id); /* who hears of its end may have more to say */
}

void ks_server__commit_brief(ks_server *s, ks_brief *brief, const ks_brief *old) {
    const ks_change *change;
    ks_kind kind = brief->type->kind;
    uint64_t before = s->store.version;
    ks_store_write_brief(&s->store, brief, old);
    if (s->listens == NULL || !s->listens(s->payload, kind)) return;
    ks_store_since(&s->store, kind, before, &change);
    announce(s, ks_change_ref(change));
}

const ks_object *ks_server__unstored(ks_server *s, ks_kind kind, ks_val doc, const ks_object *old) {
    return ks_object__new(s->world, kind, doc, old, old != NULL ? old->id : 0,
                          old != NULL ? old->version : 0);
}

/* --- small helpers of the room --- */

ks_request ks_request_of(ks_server *s, ks_kind kind, const char *subresource,
                         const ks_write_opts *opts) {
    static const ks_write_opts defaults = {.field_validation = KS_STRICT};
    if (opts == NULL) opts = &defaults;
    return (ks_request){.s = s,
                        .heap = s->heap,
                        .kind = kind,
                        .info = ks_kind_get(kind),
                        .subresource = subresource,
                        .trusted = opts->trusted || opts->whole,
                        .whole = opts->whole,
                        .dry_run = opts->dry_run,
                        .field_validation = opts->field_validation,
                        .warnings = opts->warnings,
                        .manager = opts->manager,
                        .force = opts->force};
}

ks_val ks_meta_get(ks_val doc, const ks_str *key) { return ks_get2(doc, K(metadata), key); }

void ks_meta_put(ks_heap *heap, ks_val *doc, const ks_str *key, ks_val value) {
    if (value.type == KS_NONE && ks_meta_get(*doc, key).type == KS_NONE) return;
    *doc = ks_put2(heap, *doc, K(metadata), key, value);
}

bool ks_has_text(ks_val list, const char *text) {
    ks_each(item, list) {
        if (ks_text_is(*item, text)) return true;
    }
    return false;
}

ks_refusal *ks_refuse_stale(ks_heap *heap, ks_kind kind, const ks_str *name) {
    return ks_refuse_conflict(heap, kind, name,
                              "the object has been modified; please apply your changes to the "
                              "latest version and try again");
}
