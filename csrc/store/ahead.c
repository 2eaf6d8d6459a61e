/*
 * store/ahead.c - asking for the memory of objects before they are looked at; see ks_store_ahead() in store.h. Called by the engine for
 * keys that wait, and by the store for what it lets go.
 *
 * Where there are many objects nearly each look at one waits for memory: for the leaf of the map that says where it is, then for the
 * object, then for its document; and then for the object that it names. What is asked for a few steps before comes while
 * other work is done. It is asked for one after the other, a step apart, so that each is there when what stands in it is asked for.
 */
#include "store/object_internal.h"

enum { FRONT = 128 }; /* of a map: its first pairs, which are read mostly */

static void fetch_version(const void *version) {
    if (version != NULL && !ks_version__is_brief(version)) ks_fetch_all(version, sizeof(ks_object));
}

static void fetch_map(ks_val v) {
    if (v.type == KS_MAP) ks_fetch_all(v.m, FRONT);
}

static void fetch_list(ks_val v) {
    if (v.type == KS_LIST) ks_fetch(v.l);
}

static void fetch_document(const ks_object *o) {
    if (o->whole != NULL) ks_fetch_all(o->whole, FRONT);
    fetch_map(o->meta);
    fetch_map(o->spec);
    fetch_map(o->status);
    ks_fetch(o->name);
    if (o->uid != NULL) ks_fetch(o->uid);
}

/* The object of one of the kinds that has the id, if it is there and whole. */
static const ks_object *of_kinds(const ks_store *s, uint64_t kinds, uint64_t id) {
    for (; kinds != 0; kinds &= kinds - 1) {
        const void *version = ks_ids_peek(&s->by_id[__builtin_ctzll(kinds)], id);
        if (version != NULL) return ks_version__is_brief(version) ? NULL : version;
    }
    return NULL;
}

/* The map of the object that it names. */
static const ks_ids *of_named(const ks_store *s, const ks_object *o) {
    return &s->by_id[ks_store__kind_at(o->named)];
}

void ks_store_ahead(const ks_store *s, ks_coming *next, int steps) {
    if (steps >= KS_STEPS_AHEAD) {
        for (uint64_t left = next->kinds; left != 0; left &= left - 1)
            ks_ids_ask(&s->by_id[__builtin_ctzll(left)], next->id);
        return;
    }
    if (next->object == NULL) next->object = of_kinds(s, next->kinds, next->id);
    const ks_object *o = next->object;
    if (o == NULL) return;
    if (steps == 3) {
        fetch_version(o); /* nothing of it is there yet */
    } else if (steps == 2) {
        fetch_document(o);
        if (o->named != 0) ks_ids_ask(of_named(s, o), ks_store__id_at(o->named));
    } else {
        if (o->kind == KS_POD) fetch_list(ks_get(o->status, K(containerStatuses)));
        if (o->named != 0) fetch_version(ks_ids_peek(of_named(s, o), ks_store__id_at(o->named)));
    }
}

/* Of several it is the first one. */
void ks_store_ahead_naming(const ks_store *s, ks_kind kind, uint64_t id, int steps) {
    const ks_ties *ties = ks_store__ties_of(s, kind);
    if (steps >= KS_STEPS_AHEAD) {
        ks_ties_ask(ties, id);
        return;
    }
    ks_link link = ks_ties_of(ties, id);
    if (link.only == 0 || !ks_link_next(&link)) return;
    uint64_t from = ks_store__id_at(link.id);
    if (steps == 3) ks_ids_ask(&s->by_id[kind], from);
    if (steps == 2) fetch_version(ks_ids_peek(&s->by_id[kind], from));
}

void ks_store_ask_name(const ks_store *s, ks_kind kind, const ks_str *ns, const ks_str *name) {
    ks_table_ask(&s->by_name, ks_store__name_key(kind, ns, name));
}

/* --- what is let go --- */

/* Lists and maps in a map that goes with its only holder. */
static void fetch_members(ks_val v) {
    if (v.type != KS_MAP || v.m->refs > 1) return;
    for (uint32_t i = 0; i < v.m->len; i++) {
        ks_val member = v.m->pairs[i].val;
        if (member.type >= KS_LIST) ks_fetch(member.l);
    }
}

void ks_version__leaves(const void *version, int step) {
    const ks_object *o = version;
    if (step == 0) {
        ks_fetch_all(ks_version__address(version), sizeof *o / 2);
    } else if (ks_version__is_brief(version) || o->refs > 1) {
        return; /* it stays, or it is short */
    } else if (step == 1) {
        if (o->whole != NULL) ks_fetch_all(o->whole, FRONT);
        fetch_map(o->meta);
        fetch_map(o->status);
    } else {
        fetch_members(o->status);
    }
}
