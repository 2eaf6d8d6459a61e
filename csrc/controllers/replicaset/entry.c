/*
 * controllers/replicaset/entry.c - counters and indexes of one ReplicaSet, kept as its pods change.
 */
#include "controllers/replicaset/internal.h"

#define ORIGIN (INT64_C(1) << 40) /* keeps seconds before the start positive */

static uint64_t ripe_bits(int64_t ripe) {
    return (uint64_t)(ripe / KS_SECOND + ORIGIN) << RS_FLAG_BITS;
}
static int64_t ripe_of(uint64_t word) {
    return ((int64_t)(word >> RS_FLAG_BITS) - ORIGIN) * KS_SECOND;
}

/* --- shares --- */

static void share_ref(void *value) { ((rs_share *)value)->refs++; }

static void share_unref(ks_heap *heap, void *value) {
    rs_share *share = value;
    if (--share->refs > 0) return;
    ks_str_unref(heap, share->node);
    ks_free(heap, share, sizeof *share);
}

static const ks_tree_type shares_type = {NULL, NULL, NULL, share_ref, share_unref};

/* A pod more, or less, on a node. */
static void count_on(ks_heap *heap, rs_entry *e, const ks_str *node, int by) {
    ks_key key = {ks_text_hash(node), 0};
    rs_share **slot = (rs_share **)ks_tree_slot(heap, &e->shares, key), *share;
    if (slot == NULL || (*slot)->refs > 1) {
        share = ks_alloc(heap, sizeof *share);
        *share = (rs_share){1, slot == NULL ? 0 : (*slot)->pods, ks_str_ref(node)};
        ks_tree_put(heap, &e->shares, key, share);
    } else {
        share = *slot;
    }
    share->pods += by;
    if (share->pods == 0) ks_tree_del(heap, &e->shares, key);
}

/* --- entries --- */

void rs_ages_unref(ks_heap *heap, rs_ages *ages) {
    if (ages == NULL || --ages->refs > 0) return;
    ks_ids_clear(heap, &ages->last);
    ks_free(heap, ages, sizeof *ages + ages->room * sizeof *ages->pods);
}

static void entry_ref(void *value) { ((rs_entry *)value)->refs++; }

static void entry_unref(ks_heap *heap, void *value) {
    rs_entry *e = value;
    if (--e->refs > 0) return;
    ks_selector_unref(heap, e->selector);
    ks_unref(heap, e->template_labels);
    ks_ids_clear(heap, &e->pods);
    rs_ages_unref(heap, e->ages);
    ks_tree_clear(heap, &e->waiting);
    ks_tree_clear(heap, &e->misfits);
    ks_tree_clear(heap, &e->shares);
    ks_tree_clear(heap, &e->orphans);
    ks_expectations_clear(heap, &e->expected);
    ks_free(heap, e, sizeof *e);
}

const ks_ids_type rs_entry_type = {.ref = entry_ref, .unref = entry_unref};

static rs_entry *entry_copy(ks_heap *heap, const rs_entry *from) {
    rs_entry *e = ks_alloc(heap, sizeof *e);
    *e = *from;
    e->refs = 1;
    if (e->selector != NULL) ks_selector_ref(e->selector);
    ks_ref(e->template_labels);
    e->pods = ks_ids_copy(&from->pods);
    if (e->ages != NULL) e->ages->refs++;
    e->waiting = ks_tree_copy(&from->waiting);
    e->misfits = ks_tree_copy(&from->misfits);
    e->shares = ks_tree_copy(&from->shares);
    e->orphans = ks_tree_copy(&from->orphans);
    e->expected = ks_expectations_copy(&from->expected);
    return e;
}

rs_entry *rs_entry_of(ks_heap *heap, rs_state *st, uint64_t id) {
    void **slot = ks_ids_slot(heap, &st->entries, id);
    if (slot == NULL) return NULL;
    rs_entry *e = *slot;
    if (e->refs > 1) {
        rs_entry *own = entry_copy(heap, e);
        e->refs--;
        *slot = e = own;
    }
    return e;
}

bool rs_is_plain(uint64_t word) {
    const uint64_t plain = RS_ACTIVE | RS_ASSIGNED | RS_RUNNING | RS_READY;
    return (word & plain) == plain && !(word & RS_COSTED);
}

static void count(rs_counts *counts, uint64_t word, int64_t by) {
    if (word & RS_COSTED) counts->costed += by;
    if (rs_is_plain(word)) counts->plain += by;
    if (word & RS_ACTIVE) counts->active += by;
    if (word & RS_LABELLED) counts->labelled += by;
    if (word & RS_READY) counts->ready += by;
    if (word & RS_AVAILABLE) counts->available += by;
    if (word & RS_TERMINATING) counts->terminating += by;
}

static uint64_t costed(const ks_object *pod) {
    const ks_str *key = K(controller_kubernetes_io_pod_deletion_cost);
    return ks_exists(ks_get2(pod->meta, K(annotations), key)) ? RS_COSTED : 0;
}

/* replica_set_utils.go: calculateStatus; replica_set.go: claimedTerminatingPods. `before`: how a version with the same metadata was counted;
 * 0: not known. */
static uint64_t classify(const ks_sim *sim, const rs_entry *e, const ks_object *pod,
                         uint64_t before) {
    ks_phase phase = ks_phase_of(pod);
    uint64_t word = RS_KNOWN;
    if (ks_phase_finished(phase)) return word;
    bool as_made = e->template_matches && ks_identical(pod->labels, e->template_labels);
    bool matches =
        as_made || (e->selector != NULL && ks_selector_matches(e->selector, pod->labels));
    if (ks_object_terminating(pod)) return matches ? word | RS_TERMINATING : word;
    if (!matches) return word | RS_MISFIT;
    word |= RS_ACTIVE;
    if (pod->node != NULL) word |= RS_ASSIGNED;
    if (phase == KS_RUNNING) word |= RS_RUNNING;
    word |= before & RS_ACTIVE ? before & RS_COSTED : costed(pod);
    if (as_made || ks_labels_contain(pod->labels, e->template_labels)) word |= RS_LABELLED;
    if (!pod->ready) return word;
    word |= RS_READY;
    int64_t ripe = ks_pod_available_at(pod->ready_since, e->min_ready);
    if (ripe == KS_NEVER) return word;
    return ripe <= sim->world.now ? word | RS_AVAILABLE : word | ripe_bits(ripe);
}

static ks_key waiting_key(uint64_t word, uint64_t pod) {
    return (ks_key){ks_instant_word(ripe_of(word)), pod};
}

/* What else there is of a pod that is counted so, but its word: entered (`by` 1) or taken out (-1). */
static void index_pod(ks_heap *heap, rs_entry *e, const ks_object *pod, uint64_t word, int by) {
    if (word & RS_MISFIT) {
        if (by > 0)
            ks_tree_put(heap, &e->misfits, (ks_key){0, pod->id}, ks_word(1));
        else
            ks_tree_del(heap, &e->misfits, (ks_key){0, pod->id});
    }
    if (word >> RS_FLAG_BITS) {
        if (by > 0)
            ks_tree_put(heap, &e->waiting, waiting_key(word, pod->id), ks_word(1));
        else
            ks_tree_del(heap, &e->waiting, waiting_key(word, pod->id));
    }
}

void rs_entry_drop(ks_sim *sim, rs_entry *e, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    uint64_t word = ks_word_of(ks_ids_take(heap, &e->pods, pod->id));
    if (word == 0) return;
    count(&e->counts, word, -1);
    if (word & RS_ASSIGNED) count_on(heap, e, pod->node, -1);
    index_pod(heap, e, pod, word, -1);
}

void rs_stray(ks_sim *sim, rs_state *st, const ks_object *pod, bool counted) {
    if (counted && st->strays.count == 0) return;
    ks_key key = {ks_text_hash(pod->ns), pod->id};
    if (!counted && ks_pod_active(pod) && ks_exists(ks_get(pod->labels, K(pod_template_hash))))
        ks_tree_put(sim->world.heap, &st->strays, key, ks_word(1));
    else if (st->strays.count > 0)
        ks_tree_del(sim->world.heap, &st->strays, key);
}

void rs_entry_put(ks_sim *sim, rs_state *st, rs_entry *e, const ks_object *pod,
                  const ks_object *before) {
    ks_heap *heap = sim->world.heap;
    bool alike = before != NULL && ks_identical(before->meta, pod->meta);
    void **slot = ks_ids_make(heap, &e->pods, pod->id);
    uint64_t old = ks_word_of(*slot), word = classify(sim, e, pod, alike ? old : 0);
    if (e->ages != NULL && rs_is_plain(word)) {
        rs_ages *ages = e->ages;
        e->ages = NULL;
        rs_ages_unref(heap, ages);
    }
    if (word == old) return;
    *slot = ks_word(word);
    count(&e->counts, old, -1);
    count(&e->counts, word, 1);
    index_pod(heap, e, pod, old, -1);
    index_pod(heap, e, pod, word, 1);
    if ((word ^ old) & RS_ASSIGNED) count_on(heap, e, pod->node, word & RS_ASSIGNED ? 1 : -1);
    rs_stray(sim, st, pod, (word & RS_ACTIVE) && e->hash != 0);
}

void rs_entry_ripen(ks_sim *sim, rs_entry *e) {
    ks_heap *heap = sim->world.heap;
    ks_key first;
    while (ks_tree_first(&e->waiting, &first, NULL) && ks_word_instant(first.a) <= sim->world.now) {
        ks_tree_del(heap, &e->waiting, first);
        void **slot = ks_ids_slot(heap, &e->pods, first.b);
        *slot = ks_word((ks_word_of(*slot) & ((1U << RS_FLAG_BITS) - 1)) | RS_AVAILABLE);
        e->counts.available++;
    }
}

bool rs_entry_outdated(const ks_object *rs, const ks_object *old) {
    if (ks_is(rs->spec, KS_MAP) && ks_is(old->spec, KS_MAP) && rs->spec.m == old->spec.m)
        return false;
    return ks_count(rs->spec, K(minReadySeconds), 0) !=
               ks_count(old->spec, K(minReadySeconds), 0) ||
           !ks_equal(ks_get(rs->spec, K(selector)), ks_get(old->spec, K(selector))) ||
           !ks_equal(ks_get3(rs->spec, K(template), K(metadata), K(labels)),
                     ks_get3(old->spec, K(template), K(metadata), K(labels)));
}

void rs_entry_forget(ks_sim *sim, rs_state *st, uint64_t id) {
    ks_heap *heap = sim->world.heap;
    const rs_entry *e = ks_ids_get(&st->entries, id);
    if (e == NULL) return;
    ks_ids pods = ks_ids_copy(&e->pods);
    ks_tree_del(heap, &st->hashes, (ks_key){e->hash, id});
    ks_ids_del(heap, &st->entries, id);
    for (ks_ids_iter it = ks_ids_begin(&pods); ks_ids_next(&it);) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.id);
        if (pod != NULL) rs_stray(sim, st, pod, false);
    }
    ks_ids_clear(heap, &pods);
}

void rs_entry_build(ks_sim *sim, rs_state *st, const ks_object *rs) {
    ks_heap *heap = sim->world.heap;
    const ks_store *store = ks_view(sim);
    rs_entry *e = ks_alloc_zero(heap, sizeof *e);
    const ks_str *why = NULL;
    e->refs = 1;
    e->shares.type = &shares_type;
    e->selector = ks_selector_of(heap, ks_get(rs->spec, K(selector)), &why);
    ks_str_unref(heap, why);
    e->template_labels = ks_ref(ks_get3(rs->spec, K(template), K(metadata), K(labels)));
    e->template_matches =
        e->selector != NULL && ks_selector_matches(e->selector, e->template_labels);
    e->min_ready = ks_count(rs->spec, K(minReadySeconds), 0);
    const rs_entry *former = ks_ids_get(&st->entries, rs->id);
    if (former != NULL) {
        e->expected = ks_expectations_copy(&former->expected);
        e->wrote_pods = former->wrote_pods;
        e->wrote_set = former->wrote_set;
    }
    rs_entry_forget(sim, st, rs->id);
    const ks_str *hash =
        ks_str_or_null(ks_get3(rs->spec, K(selector), K(matchLabels), K(pod_template_hash)));
    if (e->selector != NULL && hash != NULL) {
        e->hash = (ks_text_hash(rs->ns) * 31 + ks_text_hash(hash)) | 1;
        ks_tree_put(heap, &st->hashes, (ks_key){e->hash, rs->id}, ks_word(1));
    }
    for (ks_walk w = ks_walk_owned(store, rs->uid, KS_POD); ks_walk_next(&w);) {
        const ks_object *pod = w.object;
        if (ks_str_eq(pod->owner_uid, rs->uid) && ks_str_eq(pod->ns, rs->ns))
            rs_entry_put(sim, st, e, pod, NULL);
    }
    ks_key first = {ks_text_hash(rs->ns), 0};
    for (ks_tree_iter it = ks_tree_from(&st->loose, first);
         ks_tree_next(&it) && it.key.a == first.a;) {
        const ks_object *pod = ks_store_by_id(store, KS_POD, it.key.b);
        if (e->selector != NULL && ks_str_eq(pod->ns, rs->ns) && ks_pod_active(pod) &&
            ks_selector_matches(e->selector, pod->labels))
            ks_tree_put(heap, &e->orphans, (ks_key){0, pod->id}, ks_word(RS_ORPHAN));
    }
    ks_ids_put(heap, &st->entries, rs->id, e);
}
