/*
 * controllers/statefulset/entry.c - indexes of one StatefulSet, kept as its pods change.
 */
#include "controllers/statefulset/internal.h"

#include <string.h>

#define FLAGS ((UINT64_C(1) << STS_FLAG_BITS) - 1)

#define EACH_TREE(X)                                                                               \
    X(pods)                                                                                        \
    X(unsettled)                                                                                   \
    X(finished)                                                                                    \
    X(outdated) X(condemned) X(missing) X(dirty) X(labels) X(waiting) X(ripe) X(misfits) X(orphans)

static void entry_ref(void *value) { ((sts_entry *)value)->refs++; }

static void entry_unref(ks_heap *heap, void *value) {
    sts_entry *e = value;
    if (--e->refs > 0) return;
    sts_forget_history(heap, e);
    ks_str_unref(heap, e->name);
    ks_selector_unref(heap, e->selector);
    ks_unref(heap, e->templates);
    ks_unref(heap, e->owners);
    ks_unref(heap, e->prefix);
    ks_unref(heap, e->parsed);
#define CLEAR(tree) ks_tree_clear(heap, &e->tree);
    EACH_TREE(CLEAR)
#undef CLEAR
    ks_free(heap, e, sizeof *e);
}

const ks_ids_type sts_entry_type = {.ref = entry_ref, .unref = entry_unref};

static sts_entry *entry_copy(ks_heap *heap, const sts_entry *from) {
    sts_entry *e = ks_alloc(heap, sizeof *e);
    *e = *from;
    e->refs = 1;
    ks_str_ref(e->name);
    if (e->selector != NULL) ks_selector_ref(e->selector);
    ks_ref(e->templates);
    ks_ref(e->owners);
    ks_ref(e->prefix);
    ks_ref(e->parsed);
    if (e->history != NULL) e->history->refs++;
#define COPY(tree) e->tree = ks_tree_copy(&from->tree);
    EACH_TREE(COPY)
#undef COPY
    return e;
}

sts_entry *sts_entry_of(ks_heap *heap, sts_state *st, uint64_t id) {
    void **slot = ks_ids_slot(heap, &st->entries, id);
    if (slot == NULL) return NULL;
    sts_entry *e = *slot;
    if (e->refs > 1) {
        sts_entry *own = entry_copy(heap, e);
        e->refs--;
        *slot = e = own;
    }
    return e;
}

/* --- words --- */

uint64_t sts_revision_word(const ks_str *revision) {
    return ks_text_hash(revision) << STS_FLAG_BITS;
}

static ks_key label_key(uint64_t word) { return (ks_key){word & ~FLAGS, 0}; }
static bool settled(uint64_t word) {
    return (word & (STS_READY | STS_AVAILABLE | STS_TERMINATING)) == (STS_READY | STS_AVAILABLE);
}
static bool is_outdated(const sts_entry *e, uint64_t word) {
    return (word & ~FLAGS) != e->update && !(word & STS_TERMINATING);
}

/* What follows from its name and labels. */
static uint64_t identify(const ks_object *pod) {
    const ks_str *revision = ks_str_or_null(ks_get(pod->labels, K(controller_revision_hash)));
    return sts_revision_word(revision) | (sts_identity_matches(pod) ? 0 : STS_STRANGE);
}

/* `identity`: see identify(). *ripe: when a ready pod becomes available; KS_NEVER: it is, or it is none. */
static uint64_t classify(const ks_sim *sim, const sts_entry *e, const ks_object *pod,
                         uint64_t identity, int64_t *ripe) {
    ks_phase phase = ks_phase_of(pod);
    uint64_t word = STS_KNOWN | identity;
    bool available = false;
    *ripe = KS_NEVER;
    if (pod->ready) {
        int64_t at = ks_pod_available_at(pod->ready_since, e->min_ready);
        available = at <= sim->world.now;
        if (!available) *ripe = at;
        if (phase == KS_RUNNING) word |= available ? STS_READY | STS_AVAILABLE : STS_READY;
    }
    if (ks_object_terminating(pod)) word |= STS_TERMINATING;
    if (!available || ks_object_terminating(pod)) word |= STS_UNAVAILABLE;
    if (ks_phase_finished(phase)) word |= STS_FINISHED;
    if (phase == KS_PENDING) word |= STS_PENDING;
    return word;
}

int64_t sts_labelled(const sts_entry *e, uint64_t revision, bool live) {
    uint64_t counts = ks_word_of(ks_tree_get(&e->labels, label_key(revision)));
    return (int64_t)(live ? counts & UINT32_MAX : counts >> 32);
}

static void count_label(ks_heap *heap, sts_entry *e, uint64_t word, int by) {
    ks_key key = label_key(word);
    int64_t counts = (int64_t)ks_word_of(ks_tree_get(&e->labels, key));
    counts += by * ((INT64_C(1) << 32) + ((word & STS_TERMINATING) ? 0 : 1));
    if (counts == 0)
        ks_tree_del(heap, &e->labels, key);
    else
        ks_tree_put(heap, &e->labels, key, ks_word((uint64_t)counts));
}

static void set(ks_heap *heap, ks_tree *tree, ks_key key, bool is, bool was, uint64_t word) {
    if (is)
        ks_tree_put(heap, tree, key, ks_word(word));
    else if (was)
        ks_tree_del(heap, tree, key);
}

/* Exchanges what a pod counts as; 0: it is not there. */
static void exchange(ks_heap *heap, sts_entry *e, ks_key key, uint64_t old, uint64_t word) {
    int64_t ordinal = (int64_t)key.a;
    bool in = sts_in_range(e, ordinal);
#define DELTA(flag) (((word & (flag)) != 0) - ((old & (flag)) != 0))
    e->created += DELTA(STS_KNOWN);
    e->ready += DELTA(STS_READY);
    e->available += DELTA(STS_AVAILABLE);
    if (in) e->unavailable += DELTA(STS_UNAVAILABLE);
#undef DELTA
    if ((old ^ word) & (~FLAGS | STS_TERMINATING | STS_KNOWN)) {
        if (old != 0) count_label(heap, e, old, -1);
        if (word != 0) count_label(heap, e, word, 1);
    }
    set(heap, &e->pods, key, word != 0, old != 0, word);
    set(heap, &e->unsettled, key, word != 0 && !settled(word), old != 0 && !settled(old), word);
    set(heap, &e->outdated, key, word != 0 && is_outdated(e, word), old != 0 && is_outdated(e, old),
        word);
    if (in) {
        set(heap, &e->finished, key, word & STS_FINISHED, old & STS_FINISHED, word);
    } else {
        bool live = word != 0 && !(word & STS_TERMINATING);
        set(heap, &e->condemned, key, live, old != 0 && !(old & STS_TERMINATING), word);
    }
}

static bool has_pod(const sts_entry *e, int64_t ordinal) {
    ks_key found;
    return ks_tree_ceiling(&e->pods, (ks_key){(uint64_t)ordinal, 0}, &found, NULL) &&
           found.a == (uint64_t)ordinal;
}

/* An ordinal in range has a pod from now on, or none any more. */
static void pod_came(ks_heap *heap, sts_entry *e, int64_t ordinal) {
    if (ordinal < e->beyond) {
        ks_tree_del(heap, &e->missing, (ks_key){(uint64_t)ordinal, 0});
        return;
    }
    for (; e->beyond < ordinal; e->beyond++)
        ks_tree_put(heap, &e->missing, (ks_key){(uint64_t)e->beyond, 0}, ks_word(1));
    e->beyond++;
}
static void pod_went(ks_heap *heap, sts_entry *e, int64_t ordinal) {
    if (ordinal + 1 == e->beyond)
        e->beyond--;
    else
        ks_tree_put(heap, &e->missing, (ks_key){(uint64_t)ordinal, 0}, ks_word(1));
}

void sts_entry_mark(ks_heap *heap, sts_entry *e, int64_t ordinal) {
    if (ordinal >= 0 && has_pod(e, ordinal))
        ks_tree_put(heap, &e->dirty, (ks_key){(uint64_t)ordinal, 0}, ks_word(1));
}

static void set_ripe(ks_heap *heap, sts_entry *e, uint64_t pod, int64_t ripe) {
    if (e->min_ready == 0) return;
    ks_key key = {0, pod};
    if (ks_tree_has(&e->ripe, key)) {
        uint64_t old = ks_word_of(ks_tree_take(heap, &e->ripe, key));
        ks_tree_del(heap, &e->waiting, (ks_key){old, pod});
    }
    if (ripe == KS_NEVER) return;
    ks_tree_put(heap, &e->ripe, key, ks_word(ks_instant_word(ripe)));
    ks_tree_put(heap, &e->waiting, (ks_key){ks_instant_word(ripe), pod}, ks_word(1));
}

void sts_entry_drop(ks_sim *sim, sts_entry *e, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_tree_del(heap, &e->misfits, (ks_key){0, pod->id});
    int64_t ordinal = sts_ordinal_of(e->name, pod->name, NULL);
    if (ordinal < 0) return;
    ks_key key = {(uint64_t)ordinal, pod->id};
    uint64_t old = ks_word_of(ks_tree_get(&e->pods, key));
    if (old == 0) return;
    set_ripe(heap, e, pod->id, KS_NEVER);
    exchange(heap, e, key, old, 0);
    if (has_pod(e, ordinal)) return;
    ks_tree_del(heap, &e->dirty, (ks_key){(uint64_t)ordinal, 0});
    if (sts_in_range(e, ordinal)) pod_went(heap, e, ordinal);
}

bool sts_entry_knows(const sts_entry *e, const ks_object *pod, const ks_object *old) {
    return e->dirty.count == 0 && !e->failing && ks_identical(pod->labels, old->labels) &&
           pod->phase == old->phase && pod->ready == old->ready && pod->deleting == old->deleting &&
           pod->ready_since == old->ready_since;
}

/* What a pod is counts from now on; `identity`: see identify(). */
static void put_as(ks_sim *sim, sts_entry *e, const ks_object *pod, ks_key key, uint64_t old,
                   uint64_t identity) {
    ks_heap *heap = sim->world.heap;
    int64_t ordinal = (int64_t)key.a, ripe;
    uint64_t word = classify(sim, e, pod, identity, &ripe);
    set_ripe(heap, e, pod->id, ripe);
    if (word == old) return;
    exchange(heap, e, key, old, word);
    if (old == 0 && sts_in_range(e, ordinal)) pod_came(heap, e, ordinal);
    /* The claims of a pod that is being made are as they should be; when they change, they say so themselves. */
    bool is_new = ((old ^ word) & STS_KNOWN) != 0 && e->making != ordinal;
    if ((word & STS_STRANGE) || (is_new && ks_len(e->templates) > 0))
        sts_entry_mark(heap, e, ordinal);
}

void sts_entry_put(ks_sim *sim, sts_entry *e, const ks_object *pod, bool alike) {
    ks_heap *heap = sim->world.heap;
    bool member;
    int64_t ordinal = sts_ordinal_of(e->name, pod->name, &member);
    if (e->selector == NULL) return;
    ks_key key = {(uint64_t)ordinal, pod->id};
    uint64_t old = ordinal < 0 ? 0 : ks_word_of(ks_tree_get(&e->pods, key));
    if (alike && old != 0) {
        put_as(sim, e, pod, key, old, old & (~FLAGS | STS_STRANGE));
        return;
    }
    if (!member || !ks_selector_matches(e->selector, pod->labels)) {
        sts_entry_drop(sim, e, pod);
        ks_tree_put(heap, &e->misfits, (ks_key){0, pod->id}, ks_word(1));
        return;
    }
    if (e->misfits.count > 0) ks_tree_del(heap, &e->misfits, (ks_key){0, pod->id});
    if (ordinal >= 0) put_as(sim, e, pod, key, old, identify(pod));
}

void sts_entry_ripen(ks_sim *sim, sts_entry *e) {
    ks_key first;
    while (ks_tree_first(&e->waiting, &first, NULL) && ks_word_instant(first.a) <= sim->world.now) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, first.b);
        sts_entry_put(sim, e, pod, false);
    }
}

void sts_entry_aim(ks_sim *sim, sts_entry *e, uint64_t revision) {
    ks_heap *heap = sim->world.heap;
    if (e->update == revision) return;
    e->update = revision;
    ks_tree_clear(heap, &e->outdated);
    for (ks_tree_iter it = ks_tree_begin(&e->pods); ks_tree_next(&it);)
        if (is_outdated(e, ks_word_of(it.value))) ks_tree_put(heap, &e->outdated, it.key, it.value);
}

uint64_t sts_id_at(const sts_entry *e, int64_t ordinal, uint64_t *word) {
    ks_key found;
    void *value;
    if (!ks_tree_floor(&e->pods, (ks_key){(uint64_t)ordinal, UINT64_MAX}, &found, &value) ||
        found.a != (uint64_t)ordinal)
        return 0;
    if (word != NULL) *word = ks_word_of(value);
    return found.b;
}

const ks_object *sts_pod_at(const sts_sync *c, int64_t ordinal, uint64_t *word) {
    uint64_t id = sts_id_at(c->e, ordinal, word);
    return id == 0 ? NULL : ks_store_by_id(ks_view(c->sim), KS_POD, id);
}

/* --- building --- */

bool sts_entry_outdated(const ks_object *set, const ks_object *old) {
    if (ks_is(set->spec, KS_MAP) && ks_is(old->spec, KS_MAP) && set->spec.m == old->spec.m)
        return false;
    const ks_str *const keys[] = {K(replicas),
                                  K(ordinals),
                                  K(minReadySeconds),
                                  K(selector),
                                  K(volumeClaimTemplates),
                                  K(persistentVolumeClaimRetentionPolicy)};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!ks_equal(ks_get(set->spec, keys[i]), ks_get(old->spec, keys[i]))) return true;
    return false;
}

uint64_t sts_claims_hash(const ks_str *ns, const ks_str *claim, uint32_t len) {
    ks_str prefix = {.s = claim->s, .len = len};
    return ks_hash_text(&prefix, ks_hash_text(ns, 0));
}

/* Claims are named "template-set-ordinal": their part before the ordinal finds the set. */
static void index_claims(ks_sim *sim, sts_state *st, const sts_entry *e, const ks_object *set_) {
    ks_heap *heap = sim->world.heap;
    ks_each(template, e->templates) {
        ks_val prefix = sts_claim_prefix(heap, set_, *template);
        ks_key key = {sts_claims_hash(set_->ns, prefix.s, prefix.s->len), set_->id};
        ks_tree_put(heap, &st->claims, key, ks_word(1));
        ks_unref(heap, prefix);
    }
}

static void find_orphans(ks_sim *sim, sts_state *st, sts_entry *e, const ks_object *set_) {
    ks_key first = {ks_text_hash(set_->ns), 0};
    for (ks_tree_iter it = ks_tree_from(&st->loose, first);
         ks_tree_next(&it) && it.key.a == first.a;) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.key.b);
        bool member;
        sts_ordinal_of(e->name, pod->name, &member);
        if (member && e->selector != NULL && ks_str_eq(pod->ns, set_->ns) &&
            ks_selector_matches(e->selector, pod->labels))
            ks_tree_put(sim->world.heap, &e->orphans, (ks_key){0, pod->id}, ks_word(1));
    }
}

void sts_entry_build(ks_sim *sim, sts_state *st, const ks_object *set_) {
    ks_heap *heap = sim->world.heap;
    sts_entry *e = ks_alloc_zero(heap, sizeof *e);
    const ks_str *why = NULL;
    e->refs = 1;
    e->making = -1;
    e->name = ks_str_ref(set_->name);
    e->selector = ks_selector_of(heap, ks_get(set_->spec, K(selector)), &why);
    ks_str_unref(heap, why);
    e->templates = ks_ref(ks_get(set_->spec, K(volumeClaimTemplates)));
    e->min_ready = ks_count(set_->spec, K(minReadySeconds), 0);
    e->start = ks_int_or(ks_get2(set_->spec, K(ordinals), K(start)), 0);
    e->end = e->start + ks_count(set_->spec, K(replicas), 1);
    const sts_entry *former = ks_ids_get(&st->entries, set_->id);
    if (former != NULL) {
        e->update = former->update;
        e->wrote_pods = former->wrote_pods;
        e->wrote_claims = former->wrote_claims;
        e->wrote_set = former->wrote_set;
    }
    e->beyond = e->start;
    for (ks_walk w = ks_walk_owned(ks_view(sim), set_->uid, KS_POD); ks_walk_next(&w);) {
        if (ks_str_eq(w.object->owner_uid, set_->uid) && ks_str_eq(w.object->ns, set_->ns))
            sts_entry_put(sim, e, w.object, false);
    }
    index_claims(sim, st, e, set_);
    find_orphans(sim, st, e, set_);
    ks_ids_put(heap, &st->entries, set_->id, e);
}
