/*
 * controllers/replicaset/entry.c - counters and indexes of one ReplicaSet, kept as its pods change.
 */
#include "controllers/replicaset/internal.h"

/* How a pod is counted: what its word in `pods` says. While it waits to become available, the bits above
 * say when, in seconds (time stamps of the API have no fractions). */
enum {
    ACTIVE = 1,
    LABELLED = 2,
    READY = 4,
    AVAILABLE = 8,
    TERMINATING = 16,
    MISFIT = 32,
    KNOWN = 64
};
enum { FLAG_BITS = 8 };
#define ORIGIN (INT64_C(1) << 40) /* keeps seconds before the start positive */

static uint64_t ripe_bits(int64_t ripe) {
    return (uint64_t)(ripe / KS_SECOND + ORIGIN) << FLAG_BITS;
}
static int64_t ripe_of(uint64_t word) {
    return ((int64_t)(word >> FLAG_BITS) - ORIGIN) * KS_SECOND;
}

static void entry_ref(void *value) { ((rs_entry *)value)->refs++; }

static void entry_unref(ks_heap *heap, void *value) {
    rs_entry *e = value;
    if (--e->refs > 0) return;
    ks_selector_unref(heap, e->selector);
    ks_unref(heap, e->template_labels);
    ks_tree_clear(heap, &e->pods);
    ks_tree_clear(heap, &e->waiting);
    ks_tree_clear(heap, &e->misfits);
    ks_tree_clear(heap, &e->orphans);
    ks_expectations_clear(heap, &e->expected);
    ks_free(heap, e, sizeof *e);
}

const ks_tree_type rs_entry_type = {NULL, NULL, NULL, entry_ref, entry_unref};

static rs_entry *entry_copy(ks_heap *heap, const rs_entry *from) {
    rs_entry *e = ks_alloc(heap, sizeof *e);
    *e = *from;
    e->refs = 1;
    if (e->selector != NULL) ks_selector_ref(e->selector);
    ks_ref(e->template_labels);
    e->pods = ks_tree_copy(&from->pods);
    e->waiting = ks_tree_copy(&from->waiting);
    e->misfits = ks_tree_copy(&from->misfits);
    e->orphans = ks_tree_copy(&from->orphans);
    e->expected = ks_expectations_copy(&from->expected);
    return e;
}

rs_entry *rs_entry_of(ks_heap *heap, rs_state *st, uint64_t id) {
    void **slot = ks_tree_slot(heap, &st->entries, (ks_key){0, id});
    if (slot == NULL) return NULL;
    rs_entry *e = *slot;
    if (e->refs > 1) {
        rs_entry *own = entry_copy(heap, e);
        e->refs--;
        *slot = e = own;
    }
    return e;
}

static void count(rs_counts *counts, uint64_t word, int64_t by) {
    if (word & ACTIVE) counts->active += by;
    if (word & LABELLED) counts->labelled += by;
    if (word & READY) counts->ready += by;
    if (word & AVAILABLE) counts->available += by;
    if (word & TERMINATING) counts->terminating += by;
}

/* replica_set_utils.go: calculateStatus; replica_set.go: claimedTerminatingPods. */
static uint64_t classify(const ks_sim *sim, const rs_entry *e, const ks_object *pod) {
    ks_phase phase = ks_phase_of(pod);
    uint64_t word = KNOWN;
    if (ks_phase_finished(phase)) return word;
    bool matches = e->selector != NULL && ks_selector_matches(e->selector, pod->labels);
    if (ks_object_terminating(pod)) return matches ? word | TERMINATING : word;
    if (!matches) return word | MISFIT;
    word |= ACTIVE;
    if (ks_labels_contain(pod->labels, e->template_labels)) word |= LABELLED;
    int64_t since;
    if (!ks_pod_ready(&sim->world, pod, &since)) return word;
    word |= READY;
    int64_t ripe = ks_pod_available_at(since, e->min_ready);
    if (ripe == KS_NEVER) return word;
    return ripe <= sim->world.now ? word | AVAILABLE : word | ripe_bits(ripe);
}

static ks_key waiting_key(uint64_t word, uint64_t pod) {
    return (ks_key){ks_instant_word(ripe_of(word)), pod};
}

void rs_entry_drop(ks_sim *sim, rs_entry *e, uint64_t pod) {
    ks_heap *heap = sim->world.heap;
    uint64_t word = ks_word_of(ks_tree_take(heap, &e->pods, (ks_key){0, pod}));
    if (word == 0) return;
    count(&e->counts, word, -1);
    if (word & MISFIT) ks_tree_del(heap, &e->misfits, (ks_key){0, pod});
    if (word >> FLAG_BITS) ks_tree_del(heap, &e->waiting, waiting_key(word, pod));
}

void rs_entry_put(ks_sim *sim, rs_entry *e, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_key key = {0, pod->id};
    uint64_t word = classify(sim, e, pod);
    uint64_t old = ks_word_of(ks_tree_get(&e->pods, key));
    if (word == old) return;
    if ((old >> FLAG_BITS) || (old & MISFIT)) {
        rs_entry_drop(sim, e, pod->id);
        old = 0;
    }
    count(&e->counts, old, -1);
    count(&e->counts, word, 1);
    ks_tree_put(heap, &e->pods, key, ks_word(word));
    if (word & MISFIT) ks_tree_put(heap, &e->misfits, key, ks_word(1));
    if (word >> FLAG_BITS) ks_tree_put(heap, &e->waiting, waiting_key(word, pod->id), ks_word(1));
}

void rs_entry_ripen(ks_sim *sim, rs_entry *e) {
    ks_heap *heap = sim->world.heap;
    ks_key first;
    while (ks_tree_first(&e->waiting, &first, NULL) && ks_word_instant(first.a) <= sim->world.now) {
        ks_tree_del(heap, &e->waiting, first);
        void **slot = ks_tree_slot(heap, &e->pods, (ks_key){0, first.b});
        *slot = ks_word((ks_word_of(*slot) & ((1U << FLAG_BITS) - 1)) | AVAILABLE);
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

void rs_entry_build(ks_sim *sim, rs_state *st, const ks_object *rs) {
    ks_heap *heap = sim->world.heap;
    const ks_store *store = ks_view(sim);
    rs_entry *e = ks_alloc_zero(heap, sizeof *e);
    const ks_str *why = NULL;
    e->refs = 1;
    e->selector = ks_selector_of(heap, ks_get(rs->spec, K(selector)), &why);
    ks_str_unref(heap, why);
    e->template_labels = ks_ref(ks_get3(rs->spec, K(template), K(metadata), K(labels)));
    e->min_ready = ks_count(rs->spec, K(minReadySeconds), 0);
    const rs_entry *former = ks_tree_get(&st->entries, (ks_key){0, rs->id});
    if (former != NULL) {
        e->expected = ks_expectations_copy(&former->expected);
        e->wrote_pods = former->wrote_pods;
        e->wrote_set = former->wrote_set;
    }
    for (ks_walk w = ks_walk_owned(store, rs->uid, KS_POD); ks_walk_next(&w);) {
        const ks_object *pod = w.object;
        if (ks_str_eq(pod->owner_uid, rs->uid) && ks_str_eq(pod->ns, rs->ns))
            rs_entry_put(sim, e, pod);
    }
    ks_key first = {ks_text_hash(rs->ns), 0};
    for (ks_tree_iter it = ks_tree_from(&st->loose, first);
         ks_tree_next(&it) && it.key.a == first.a;) {
        const ks_object *pod = ks_store_by_id(store, KS_POD, it.key.b);
        if (e->selector != NULL && ks_str_eq(pod->ns, rs->ns) && ks_pod_active(pod) &&
            ks_selector_matches(e->selector, pod->labels))
            ks_tree_put(heap, &e->orphans, (ks_key){0, pod->id}, ks_word(1));
    }
    ks_tree_put(heap, &st->entries, (ks_key){0, rs->id}, e);
}
