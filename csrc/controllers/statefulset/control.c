/*
 * controllers/statefulset/control.c - what is done to which pod: stateful_set_control.go: updateStatefulSet.
 *
 * Upstream goes over all replicas. Most of them are as they should be, and are passed over without effect; the indexes of
 * the entry name the others. In a set with OrderedReady the first of these that is not settled ends the sync; in a Parallel one,
 * a replica that merely is not ready needs nothing at all.
 */
#include "controllers/statefulset/internal.h"

#include <string.h>

enum { MAX_BATCH = 500 };

typedef enum outcome { GO_ON, EXIT, FAIL } outcome;

static bool is_monotonic(const ks_object *set) {
    return !ks_text_is(ks_get(set->spec, K(podManagementPolicy)), "Parallel");
}

static void lower_to(const ks_tree *tree, int64_t from, int64_t *least) {
    ks_key key;
    if (tree->count > 0 && ks_tree_ceiling(tree, (ks_key){(uint64_t)from, 0}, &key, NULL) &&
        (int64_t)key.a < *least)
        *least = (int64_t)key.a;
}

/* The next ordinal in range, from `from` on, that something may have to be done about; the range's end: none. */
static int64_t next_replica(const sts_entry *e, int64_t from, bool monotonic) {
    int64_t least = e->end;
    if (e->beyond < least) least = e->beyond < from ? from : e->beyond;
    lower_to(&e->missing, from, &least);
    lower_to(&e->dirty, from, &least);
    lower_to(monotonic ? &e->unsettled : &e->finished, from, &least);
    return least;
}

static void remember_deleted(sts_sync *c, int64_t ordinal, uint64_t word) {
    if (c->deleted_count == c->deleted_cap) {
        size_t cap = c->deleted_cap == 0 ? 4 : 2 * c->deleted_cap;
        c->deleted = ks_resize(c->heap, c->deleted, c->deleted_cap * sizeof *c->deleted,
                               cap * sizeof *c->deleted);
        c->deleted_cap = cap;
    }
    c->deleted[c->deleted_count].ordinal = ordinal;
    c->deleted[c->deleted_count++].word = word;
}

static outcome process_finished(sts_sync *c, const ks_object *pod, int64_t ordinal, uint64_t word) {
    if (!(word & STS_TERMINATING)) {
        if (!sts_delete_pod(c, pod->ns, pod->name, NULL)) return FAIL;
        remember_deleted(c, ordinal, word);
    }
    return EXIT;
}

/* Identity, storage and owners of claims. */
static outcome process_invariants(sts_sync *c, const ks_object *pod, int64_t ordinal, bool noisy) {
    ks_key place = {(uint64_t)ordinal, 0};
    if (!ks_tree_has(&c->e->dirty, place)) return GO_ON;
    if (sts_identity_matches(pod) && sts_storage_matches(c->set, pod, sts_claims_of(c, ordinal)) &&
        sts_claims_match(c, pod, ordinal)) {
        if (!noisy) ks_tree_del(c->heap, &c->e->dirty, place);
        return GO_ON;
    }
    return sts_update_pod(c, pod, ordinal) ? GO_ON : FAIL;
}

/* processReplica */
static outcome process_pod(sts_sync *c, const ks_object *pod, int64_t ordinal, uint64_t word,
                           bool monotonic) {
    bool noisy = false;
    if (word & STS_FINISHED) return process_finished(c, pod, ordinal, word);
    if ((word & STS_PENDING) && ks_tree_has(&c->e->dirty, (ks_key){(uint64_t)ordinal, 0}) &&
        !sts_create_missing_claims(c, pod, ordinal, &noisy))
        return FAIL;
    bool settled = (word & STS_READY) && (word & STS_AVAILABLE) && !(word & STS_TERMINATING);
    if (monotonic && !settled) return EXIT;
    return process_invariants(c, pod, ordinal, noisy);
}

static outcome process_replica(sts_sync *c, int64_t ordinal, bool monotonic) {
    uint64_t word;
    const ks_object *pod = sts_pod_at(c, ordinal, &word);
    if (pod != NULL) {
        ks_object_ref(pod);
        outcome done = process_pod(c, pod, ordinal, word, monotonic);
        ks_object_unref(c->heap, pod);
        return done;
    }
    if (sts_pod_claims_stale(c, ordinal)) {
        c->waits_for_claims = true;
        return EXIT;
    }
    if (!sts_create_pod(c, ordinal)) return FAIL;
    return monotonic ? EXIT : GO_ON;
}

static outcome process_replicas_in_order(sts_sync *c) {
    for (int64_t o = c->e->start; (o = next_replica(c->e, o, true)) < c->e->end; o++) {
        outcome done = process_replica(c, o, true);
        if (done != GO_ON) return done;
    }
    return GO_ON;
}

static bool needs_work(const sts_entry *e, int64_t ordinal) {
    return next_replica(e, ordinal, false) == ordinal;
}

/* One batch. Its calls are made at once; Go's scheduler starts with the one that was made last. */
static bool process_batch(sts_sync *c, int64_t from, int64_t end) {
    bool fine = true;
    if (needs_work(c->e, end - 1)) fine = process_replica(c, end - 1, false) != FAIL;
    for (int64_t o = from; (o = next_replica(c->e, o, false)) < end - 1; o++)
        if (process_replica(c, o, false) == FAIL) fine = false;
    return fine;
}

/* slowStartBatch: batches of 1, 2, 4, ... replicas, those that need nothing counted; a batch with an error is the last. */
static outcome process_replicas_at_once(sts_sync *c) {
    int64_t batch = 1, next = next_replica(c->e, c->e->start, false);
    for (int64_t from = c->e->start; next < c->e->end;) {
        int64_t end = from + batch < c->e->end ? from + batch : c->e->end;
        if (next < end) {
            if (!process_batch(c, from, end)) return FAIL;
            next = next_replica(c->e, end, false);
        }
        from = end;
        batch = 2 * batch < MAX_BATCH ? 2 * batch : MAX_BATCH;
    }
    return GO_ON;
}

/* --- scaling down --- */

/* The highest condemned ordinal at or below `from` in a map of pods or ordinals; -1: none. */
static int64_t condemned_at(const sts_entry *e, const ks_tree *tree, int64_t from) {
    ks_key key;
    if (from < 0 || !ks_tree_floor(tree, (ks_key){(uint64_t)from, UINT64_MAX}, &key, NULL))
        return -1;
    int64_t ordinal = (int64_t)key.a;
    if (!sts_in_range(e, ordinal)) return ordinal;
    if (e->start == 0) return -1;
    if (!ks_tree_floor(tree, (ks_key){(uint64_t)e->start - 1, UINT64_MAX}, &key, NULL)) return -1;
    return (int64_t)key.a;
}

/* The owners of the claims of all condemned pods come before the first deletion. */
static bool fix_condemned_claims(sts_sync *c, bool monotonic) {
    if (ks_len(c->e->templates) == 0) return true;
    bool fine = true;
    for (int64_t o = INT32_MAX; (o = condemned_at(c->e, &c->e->dirty, o)) >= 0; o--) {
        const ks_object *pod = sts_pod_at(c, o, NULL);
        if (pod == NULL) continue;
        ks_object_ref(pod);
        bool done = sts_claims_match(c, pod, o) || sts_fix_claims(c, pod, o);
        ks_object_unref(c->heap, pod);
        if (done)
            ks_tree_del(c->heap, &c->e->dirty, (ks_key){(uint64_t)o, 0});
        else
            fine = false;
        if (!fine && monotonic) return false;
    }
    return fine;
}

/* The id of the unavailable pod of the lowest ordinal, 0: none. All replicas in range are available by now. */
static uint64_t first_unavailable(const sts_entry *e) {
    for (ks_tree_iter it = ks_tree_begin(&e->unsettled); ks_tree_next(&it);)
        if (ks_word_of(it.value) & STS_UNAVAILABLE) return it.key.b;
    return 0;
}

/* processCondemned, in order: one pod at most. */
static outcome process_condemned_in_order(sts_sync *c) {
    int64_t ordinal = condemned_at(c->e, &c->e->pods, INT32_MAX);
    if (ordinal < 0) return GO_ON;
    uint64_t word;
    const ks_object *pod = sts_pod_at(c, ordinal, &word);
    if (word & STS_TERMINATING) return EXIT;
    bool healthy = (word & STS_READY) && (word & STS_AVAILABLE);
    if (!healthy && first_unavailable(c->e) != pod->id) return EXIT;
    return sts_delete_pod(c, pod->ns, pod->name, NULL) ? EXIT : FAIL;
}

static bool delete_condemned(sts_sync *c, ks_key at) {
    if (!ks_tree_has(&c->e->condemned, at)) return true; /* terminating */
    const ks_object *pod = ks_store_by_id(ks_view(c->sim), KS_POD, at.b);
    return sts_delete_pod(c, pod->ns, pod->name, NULL);
}

/* The next `count` condemned pods below *from, the terminating ones too, into `out`; how many there are. */
static int64_t next_condemned(const sts_entry *e, int64_t *from, ks_key *out, int64_t count) {
    int64_t found = 0;
    while (found < count && (*from = condemned_at(e, &e->pods, *from)) >= 0) {
        ks_key key;
        ks_tree_floor(&e->pods, (ks_key){(uint64_t)*from, UINT64_MAX}, &key, NULL);
        out[found++] = key;
        --*from;
    }
    return found;
}

/* The same at once, in batches as above. */
static outcome process_condemned_at_once(sts_sync *c) {
    ks_key pods[MAX_BATCH];
    bool fine = true;
    int64_t from = INT32_MAX, count;
    if (c->e->condemned.count == 0) return GO_ON;
    for (int64_t batch = 1; fine && (count = next_condemned(c->e, &from, pods, batch)) > 0;) {
        if (!delete_condemned(c, pods[count - 1])) fine = false;
        for (int64_t i = 0; i + 1 < count; i++)
            if (!delete_condemned(c, pods[i])) fine = false;
        batch = 2 * batch < MAX_BATCH ? 2 * batch : MAX_BATCH;
    }
    return fine ? GO_ON : FAIL;
}

/* --- rolling update --- */

/* A replica as the update step sees it. */
typedef struct target {
    int64_t ordinal;
    bool outdated, unavailable; /* outdated: at another revision and not terminating */
} target;

/* Returns the id of the pod of the highest entry at or below `at_most`; 0: none. */
static uint64_t raise_to(const ks_tree *tree, int64_t at_most, int64_t *most) {
    ks_key key;
    if (tree->count == 0 || at_most < 0 ||
        !ks_tree_floor(tree, (ks_key){(uint64_t)at_most, UINT64_MAX}, &key, NULL))
        return 0;
    if ((int64_t)key.a > *most) *most = (int64_t)key.a;
    return key.b;
}

/* The highest replica at or below `at_most`, not below `least`, that is outdated or unavailable. Finished pods that this very
 * sync has deleted still count as what they were. */
static bool next_target(const sts_sync *c, int64_t at_most, int64_t least, target *out) {
    const sts_entry *e = c->e;
    int64_t most = least - 1;
    uint64_t outdated = raise_to(&e->outdated, at_most, &most);
    raise_to(&e->unsettled, at_most, &most);
    raise_to(&e->missing, at_most, &most);
    if (at_most >= e->beyond && at_most > most) most = at_most;
    *out = (target){most, false, false};
    for (size_t i = 0; i < c->deleted_count; i++) {
        int64_t ordinal = c->deleted[i].ordinal;
        if (ordinal > at_most || ordinal < out->ordinal) continue;
        uint64_t revision = (c->deleted[i].word >> STS_FLAG_BITS) << STS_FLAG_BITS;
        *out = (target){ordinal, revision != e->update, true};
        most = ordinal;
    }
    if (most < least) return false;
    if (out->unavailable) return true;
    uint64_t word;
    uint64_t pod = sts_id_at(e, most, &word);
    out->unavailable = pod == 0 || (word & STS_UNAVAILABLE);
    out->outdated = pod != 0 && pod == outdated;
    return true;
}

/* What has gone already is done with, whatever the event says. */
static bool delete_for_update(sts_sync *c, int64_t ordinal) {
    ks_val name = sts_pod_name(c->heap, c->set, ordinal);
    bool gone = false, fine = sts_delete_pod(c, c->set->ns, name.s, &gone) || gone;
    ks_unref(c->heap, name);
    if (fine) c->current_replicas--;
    return fine;
}

static bool update_one(sts_sync *c, int64_t least) {
    target t;
    for (int64_t o = c->e->end - 1; next_target(c, o, least, &t); o = t.ordinal - 1) {
        if (t.outdated) return delete_for_update(c, t.ordinal);
        if (t.unavailable) return true;
    }
    return true;
}

/* getStatefulSetMaxUnavailable */
static bool max_unavailable(const sts_sync *c, ks_val rolling, int64_t *max) {
    ks_val wanted = ks_get(rolling, K(maxUnavailable));
    int64_t replicas = ks_count(c->set->spec, K(replicas), 1);
    *max = 1;
    if (!ks_exists(wanted)) return true;
    if (!ks_scaled_value(wanted, replicas, false, max)) return false;
    if (*max < 1) *max = 1;
    return true;
}

/* updateStatefulSetAfterInvariantEstablished */
static bool update_some(sts_sync *c, ks_val rolling, int64_t least) {
    int64_t max;
    if (!max_unavailable(c, rolling, &max)) return false;
    int64_t room = max - c->e->unavailable - sts_missing(c->e);
    target t;
    for (int64_t o = c->e->end - 1; room > 0 && next_target(c, o, least, &t); o = t.ordinal - 1) {
        if (!t.outdated) continue;
        if (!delete_for_update(c, t.ordinal)) return false;
        room--;
    }
    return true;
}

static bool update_pods(sts_sync *c) {
    if (strcmp(sts_strategy(c->set), "OnDelete") == 0) return true;
    ks_val rolling = ks_get2(c->set->spec, K(updateStrategy), K(rollingUpdate));
    int64_t least = c->e->start + ks_count(rolling, K(partition), 0);
    if (c->sim->server.rules.max_unavailable_statefulset) return update_some(c, rolling, least);
    return update_one(c, least);
}

/* updateStatus: pods that this sync makes or deletes count only in the next one. */
static void count(sts_sync *c) {
    c->replicas = c->e->created;
    c->ready = c->e->ready;
    c->available = c->e->available;
    c->current_replicas = sts_labelled(c->e, c->current_word, true);
    c->updated_replicas = sts_labelled(c->e, c->update_word, true);
}

bool sts_control(sts_sync *c) {
    count(c);
    if (ks_object_terminating(c->set)) return true;
    bool monotonic = is_monotonic(c->set);
    outcome done = monotonic ? process_replicas_in_order(c) : process_replicas_at_once(c);
    if (done != GO_ON) return done == EXIT;
    if (!fix_condemned_claims(c, monotonic)) return false;
    done = monotonic ? process_condemned_in_order(c) : process_condemned_at_once(c);
    if (done != GO_ON) return done == EXIT;
    return update_pods(c);
}
