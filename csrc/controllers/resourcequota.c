/*
 * controllers/resourcequota.c - keeps status.hard and status.used of ResourceQuotas:
 * pkg/controller/resourcequota/resource_quota_controller.go.
 *
 * Admission counts objects in as they come; this controller counts them out as they go. Upstream
 * counts a namespace anew whenever something was freed. Here each quota has running sums that every
 * change of an object adjusts by what it is worth; they are written at the moments at which
 * upstream counts.
 *
 * A terminating pod is charged for until its grace has passed twice (a lost node must not block its
 * successor), which upstream notices with its resync each 5 minutes. So it does what admission has counted in
 * and what did not come to be, because its name was taken.
 *
 * Keys: ids of ResourceQuotas; RESYNC.
 */
#include "apiserver/quota.h"
#include "controllers/common.h"
#include "controllers/controllers.h"

#include <string.h>

#define RESYNC (UINT64_C(1) << 63)
#define PERIOD (300 * KS_SECOND)

/* What a quota's namespace uses: one sum a name of spec.hard, in its order. */
typedef struct entry {
    uint32_t refs;
    ks_val spec;
    ks_quantity *sums;
    uint32_t count;
    uint64_t counted
        [KS_KIND_COUNT]; /* by kind: the version up to which all was known when all was counted */
} entry;

typedef struct state {
    int index;
    ks_tree entries; /* {0, ResourceQuota} -> entry */
    ks_tree
        ending; /* {instant, pod}: a terminating pod is over after it; kept while there are quotas */
    ks_tree over;   /* {0, pod}: charged for its existence only */
    ks_tree astray; /* {0, ResourceQuota}: its status.used is not what is there */
} state;

/* --- entries --- */

static entry *entry_new(ks_heap *heap, ks_val spec) {
    entry *e = ks_alloc_zero(heap, sizeof *e);
    e->refs = 1;
    e->spec = ks_ref(spec);
    e->count = ks_len(ks_get(spec, K(hard)));
    if (e->count > 0) e->sums = ks_alloc_zero(heap, e->count * sizeof *e->sums);
    return e;
}

static void entry_ref(void *value) { ((entry *)value)->refs++; }

static void entry_unref(ks_heap *heap, void *value) {
    entry *e = value;
    if (--e->refs > 0) return;
    ks_unref(heap, e->spec);
    if (e->count > 0) ks_free(heap, e->sums, e->count * sizeof *e->sums);
    ks_free(heap, e, sizeof *e);
}

static const ks_tree_type entry_type = {NULL, NULL, NULL, entry_ref, entry_unref};

/* The entry, owned by this state alone. */
static entry *entry_own(ks_heap *heap, state *st, uint64_t quota) {
    void **slot = ks_tree_slot(heap, &st->entries, (ks_key){0, quota});
    if (slot == NULL) return NULL;
    entry *e = *slot;
    if (e->refs > 1) {
        entry *own = entry_new(heap, e->spec);
        for (uint32_t i = 0; i < e->count; i++) own->sums[i] = e->sums[i];
        memcpy(own->counted, e->counted, sizeof own->counted);
        e->refs--;
        *slot = e = own;
    }
    return e;
}

static ks_val names_of(const entry *e) { return ks_get(e->spec, K(hard)); }

/* Adds (`sign` 1) or takes away (-1) what an object uses. */
static void charge(ks_heap *heap, entry *e, const ks_object *object, bool over, int sign) {
    ks_doc_room room;
    ks_val doc = ks_doc_look(object, &room);
    if (!ks_quota_matches(object->kind, doc, e->spec)) return;
    for (uint32_t i = 0; i < e->count; i++) {
        ks_quantity q;
        if (!ks_quota_usage(heap, object->kind, doc, ks_pair_at(names_of(e), i)->key, over, &q))
            continue;
        q.nanos *= sign;
        ks_quota_add(&e->sums[i], q);
    }
}

/* --- the component's state --- */

static void *create(ks_sim *sim) {
    state *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_quota_controller);
    st->entries.type = &entry_type;
    return st;
}

static void *copy(ks_sim *sim, const void *payload) {
    const state *from = payload;
    state *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = (state){from->index, ks_tree_copy(&from->entries), ks_tree_copy(&from->ending),
                  ks_tree_copy(&from->over), ks_tree_copy(&from->astray)};
    return st;
}

static void dispose(ks_heap *heap, void *payload) {
    state *st = payload;
    ks_tree_clear(heap, &st->entries);
    ks_tree_clear(heap, &st->ending);
    ks_tree_clear(heap, &st->over);
    ks_tree_clear(heap, &st->astray);
    ks_free(heap, st, sizeof *st);
}

/* --- pods that take too long to go --- */

static bool is_over(const state *st, const ks_object *object) {
    return object->kind == KS_POD && ks_tree_has(&st->over, (ks_key){0, object->id});
}

/* QuotaV1Pod: when a terminating pod stops being charged for; KS_NEVER: it is not terminating. */
static int64_t end_of(const ks_object *pod) {
    ks_val grace = ks_get(pod->meta, K(deletionGracePeriodSeconds));
    if (!ks_object_terminating(pod) || !ks_exists(grace)) return KS_NEVER;
    return ks_after(pod->deleting, ks_seconds(ks_int_or(grace, 0)));
}

static ks_key ending_key(const ks_object *pod) {
    return (ks_key){ks_instant_word(end_of(pod)), pod->id};
}

/* The resync is worked only where it will find something. */
static void arm_resync(ks_sim *sim, const state *st) {
    ks_key first;
    int64_t after = KS_NEVER;
    ks_cancel(sim, st->index, RESYNC);
    if (st->entries.count == 0) return;
    if (st->astray.count > 0)
        after = sim->world.now;
    else if (ks_tree_first(&st->ending, &first, NULL))
        after = ks_word_instant(first.a);
    if (after != KS_NEVER) ks_enqueue_at(sim, st->index, RESYNC, (after / PERIOD + 1) * PERIOD);
}

static void note_end(ks_heap *heap, state *st, const ks_object *pod) {
    if (end_of(pod) != KS_NEVER && !is_over(st, pod))
        ks_tree_put(heap, &st->ending, ending_key(pod), ks_word(1));
}

static void track_end(ks_sim *sim, state *st, const ks_change *change) {
    const ks_object *pod = change->object, *old = change->old;
    ks_heap *heap = sim->world.heap;
    bool gone = change->type == KS_DELETED;
    int64_t was = old == NULL ? KS_NEVER : end_of(old);
    if (gone && st->over.count > 0) ks_tree_del(heap, &st->over, (ks_key){0, pod->id});
    if (st->entries.count == 0 || (!gone && was == end_of(pod))) return;
    if (was != KS_NEVER) ks_tree_del(heap, &st->ending, ending_key(old));
    if (!gone) note_end(heap, st, pod);
    arm_resync(sim, st);
}

/* With the first quota it begins to matter when pods are over; with the last it ends. */
static void track_all(ks_sim *sim, state *st) {
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_POD, NULL); ks_walk_next(&w);)
        note_end(sim->world.heap, st, w.object);
}

/* --- what is noticed --- */

/* Is any kind charged for it? */
static bool is_known(ks_heap *heap, const ks_str *name) {
    ks_quantity q;
    for (ks_kind kind = 0; kind < KS_KIND_COUNT; kind++)
        if (ks_kind_get(kind)->namespaced &&
            ks_quota_usage(heap, kind, KS_NOTHING, name, false, &q))
            return true;
    return false;
}

/* Does status.used say of a resource that is counted here something else than the sum? */
static bool misses(ks_heap *heap, const entry *e, const ks_object *quota) {
    ks_val used = ks_get(quota->status, K(used));
    for (uint32_t i = 0; i < e->count; i++) {
        const ks_str *name = ks_pair_at(names_of(e), i)->key;
        ks_val said = ks_get(used, name);
        if (ks_exists(said) && ks_quantity_cmp(ks_quantity_of(said), e->sums[i]) != 0 &&
            is_known(heap, name))
            return true;
    }
    return false;
}

/* Admission has counted in what did not come to be, or that is over. */
static void weigh(ks_sim *sim, state *st, const ks_object *quota) {
    const ks_key key = {0, quota->id};
    const entry *e = ks_tree_get(&st->entries, key);
    bool astray = e != NULL && misses(sim->world.heap, e, quota);
    if (astray == ks_tree_has(&st->astray, key)) return;
    if (astray)
        ks_tree_put(sim->world.heap, &st->astray, key, ks_word(1));
    else
        ks_tree_del(sim->world.heap, &st->astray, key);
    arm_resync(sim, st);
}

/* Every quota of the object's namespace that was counted before `version`: `old` out, `now` in;
 * either may be NULL. When that is written is another matter: replenish(). */
static void recharge(ks_sim *sim, state *st, uint64_t version, const ks_object *old, bool old_over,
                     const ks_object *now, bool now_over) {
    ks_heap *heap = sim->world.heap;
    const ks_str *ns = old != NULL ? old->ns : now->ns;
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_RESOURCEQUOTA, ns); ks_walk_next(&w);) {
        entry *e = entry_own(heap, st, w.object->id);
        if (e == NULL || version <= e->counted[(old != NULL ? old : now)->kind]) continue;
        if (old != NULL) charge(heap, e, old, old_over, -1);
        if (now != NULL) charge(heap, e, now, now_over, 1);
        if (st->astray.count > 0 || old_over != now_over) weigh(sim, st, w.object);
    }
}

/* Whether the change can be a change of what is used. */
static bool matters(const ks_change *change) {
    const ks_object *now = change->object, *old = change->old;
    if (change->type != KS_MODIFIED || old == NULL) return true;
    if (now->kind != KS_POD && now->kind != KS_PVC && now->kind != KS_SERVICE) return false;
    return now->spec.m != old->spec.m ||
           !ks_equal(ks_get(now->status, K(phase)), ks_get(old->status, K(phase))) ||
           !ks_equal(ks_get(now->status, K(allocatedResources)),
                     ks_get(old->status, K(allocatedResources)));
}

/* MatchingResources: does it limit something of this kind? */
static bool limits(ks_heap *heap, const entry *e, ks_kind kind) {
    ks_quantity q;
    if (!ks_kind_get(kind)->namespaced) return false;
    for (uint32_t i = 0; i < e->count; i++)
        if (ks_quota_usage(heap, kind, KS_NOTHING, ks_pair_at(names_of(e), i)->key, false, &q))
            return true;
    return false;
}

static void count_all(ks_sim *sim, const state *st, entry *e, const ks_str *ns) {
    for (ks_kind kind = 0; kind < KS_KIND_COUNT; kind++) {
        if (!limits(sim->world.heap, e, kind)) continue;
        for (ks_walk w = ks_walk_kind(ks_view(sim), kind, ns); ks_walk_next(&w);)
            charge(sim->world.heap, e, w.object, is_over(st, w.object), 1);
    }
}

/* --- when upstream counts anew: pkg/quota/v1/install/update_filter.go --- */

static ks_val status_named(ks_val statuses, ks_val name) {
    ks_each(status, statuses) {
        if (ks_equal(ks_get(*status, K(name)), name)) return *status;
    }
    return KS_NOTHING;
}

/* hasResourcesChanged, of containers that have a status in both. */
static bool resources_differ(const ks_object *old, const ks_object *now, const ks_str *list) {
    ks_val later = ks_get(now->status, list);
    ks_each(status, ks_get(old->status, list)) {
        ks_val same = status_named(later, ks_get(*status, K(name)));
        if (ks_exists(same) && !ks_equal(ks_get(*status, K(resources)), ks_get(same, K(resources))))
            return true;
    }
    return false;
}

/* QuotaV1Pod */
static bool is_charged_for(const ks_object *pod, int64_t now) {
    int64_t end = end_of(pod);
    return !ks_phase_finished(ks_phase_of(pod)) && (end == KS_NEVER || end >= now);
}

static bool frees_pod(const ks_object *old, const ks_object *pod, int64_t now) {
    return resources_differ(old, pod, K(containerStatuses)) ||
           resources_differ(old, pod, K(initContainerStatuses)) ||
           ks_exists(ks_get(old->spec, K(activeDeadlineSeconds))) !=
               ks_exists(ks_get(pod->spec, K(activeDeadlineSeconds))) ||
           (is_charged_for(old, now) && !is_charged_for(pod, now));
}

/* GetQuotaServiceType */
static ks_val limited_type(const ks_object *service) {
    ks_val type = ks_get(service->spec, K(type));
    return ks_text_is(type, "NodePort") || ks_text_is(type, "LoadBalancer") ? type : KS_NOTHING;
}

/* What goes frees something, and so may some changes; of claims all (RequiresQuotaReplenish compares addresses). */
static bool may_free(const ks_sim *sim, const ks_change *change) {
    const ks_object *now = change->object, *old = change->old;
    if (change->type == KS_DELETED) return true;
    if (change->type != KS_MODIFIED || old == NULL) return false;
    switch (now->kind) {
    case KS_POD: return frees_pod(old, now, sim->world.now);
    case KS_PVC: return true;
    case KS_SERVICE: return !ks_equal(limited_type(old), limited_type(now));
    default: return false;
    }
}

/* replenishQuota */
static void replenish(ks_sim *sim, const state *st, const ks_object *object) {
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_RESOURCEQUOTA, object->ns); ks_walk_next(&w);) {
        const entry *e = ks_tree_get(&st->entries, (ks_key){0, w.object->id});
        if (e != NULL && limits(sim->world.heap, e, object->kind))
            ks_enqueue(sim, st->index, w.object->id);
    }
}

static void observe_quota(ks_sim *sim, state *st, const ks_change *change) {
    const ks_object *quota = change->object;
    ks_key key = {0, quota->id};
    if (change->type == KS_DELETED) {
        ks_tree_del(sim->world.heap, &st->entries, key);
        if (st->astray.count > 0) ks_tree_del(sim->world.heap, &st->astray, key);
        if (st->entries.count == 0) ks_tree_clear(sim->world.heap, &st->ending);
        arm_resync(sim, st);
        return;
    }
    if (change->old != NULL && ks_equal(change->old->spec, quota->spec)) {
        weigh(sim, st, quota);
        return;
    }
    entry *e = entry_new(sim->world.heap, quota->spec);
    if (st->entries.count == 0) track_all(sim, st);
    count_all(sim, st, e, quota->ns);
    for (ks_kind kind = 0; kind < KS_KIND_COUNT; kind++)
        e->counted[kind] = ks_heard_until(sim, st->index, kind);
    ks_tree_put(sim->world.heap, &st->entries, key, e);
    arm_resync(sim, st);
    ks_enqueue(sim, st->index, quota->id);
}

static void observe(ks_sim *sim, void *payload, const ks_change *change) {
    state *st = payload;
    const ks_object *object = change->object;
    if (object->ns == NULL) return;
    if (st->entries.count > 0 && matters(change)) {
        bool over = is_over(st, object);
        recharge(sim, st, change->version, change->type == KS_DELETED ? object : change->old, over,
                 change->type == KS_DELETED ? NULL : object, over);
    }
    if (st->entries.count > 0 && may_free(sim, change)) replenish(sim, st, object);
    if (object->kind == KS_POD) track_end(sim, st, change);
    if (object->kind == KS_RESOURCEQUOTA) observe_quota(sim, st, change);
}

/* There is no quota, and none whose pods have not all gone. */
static bool idles(const void *payload) {
    const state *st = payload;
    return st->entries.count == 0 && st->over.count == 0;
}

static bool heeds(const ks_sim *sim, const void *payload, const ks_change *change, uint32_t parts) {
    (void)sim, (void)parts;
    const state *st = payload;
    ks_kind kind = change->object->kind;
    if (st->entries.count > 0 || kind == KS_RESOURCEQUOTA) return true;
    return kind == KS_POD && change->type == KS_DELETED && st->over.count > 0;
}

/* --- syncs --- */

/* Pods whose time has run out by now. */
static void end_pods(ks_sim *sim, state *st) {
    ks_heap *heap = sim->world.heap;
    ks_key first;
    while (ks_tree_first(&st->ending, &first, NULL) && ks_word_instant(first.a) < sim->world.now) {
        ks_tree_del(heap, &st->ending, first);
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, first.b);
        if (pod == NULL) continue;
        if (st->entries.count > 0) recharge(sim, st, UINT64_MAX, pod, false, pod, true);
        ks_tree_put(heap, &st->over, (ks_key){0, pod->id}, ks_word(1));
    }
    arm_resync(sim, st);
}

/* syncResourceQuota. What no kind is charged for keeps the number that it has. */
static bool sync_quota(ks_sim *sim, const state *st, const ks_object *quota) {
    ks_heap *heap = sim->world.heap;
    const entry *e = ks_tree_get(&st->entries, (ks_key){0, quota->id});
    if (e == NULL) return true;
    ks_val hard = ks_get(quota->spec, K(hard)), before = ks_get(quota->status, K(used));
    ks_val used = ks_map_new(heap, e->count);
    for (uint32_t i = 0; i < e->count; i++) {
        const ks_str *name = ks_pair_at(names_of(e), i)->key;
        ks_quantity sum = e->sums[i];
        if (sum.nanos == 0) sum.format = KS_DECIMAL_SI;
        if (is_known(heap, name))
            used = ks_put(heap, used, name, ks_quantity_val(heap, sum));
        else if (ks_exists(ks_get(before, name)))
            used = ks_put(heap, used, name, ks_ref(ks_get(before, name)));
    }
    ks_val status = ks_ref(quota->status);
    status = ks_put(heap, status, K(hard), e->count > 0 ? ks_ref(hard) : KS_NOTHING);
    if (ks_len(used) == 0) {
        ks_unref(heap, used);
        used = KS_NOTHING;
    }
    status = ks_put(heap, status, K(used), used);
    ks_refusal *refusal = ks_server_update_status(&sim->server, quota, status, NULL);
    if (refusal == NULL) return true;
    ks_refusal_free(heap, refusal);
    return false;
}

static bool sync(ks_sim *sim, void *payload, uint64_t key) {
    state *st = payload;
    end_pods(sim, st);
    if (key == RESYNC) {
        for (ks_tree_iter it = ks_tree_begin(&st->astray); ks_tree_next(&it);)
            ks_enqueue(sim, st->index, it.key.b);
        return true;
    }
    const ks_object *quota = ks_store_by_id(ks_view(sim), KS_RESOURCEQUOTA, key);
    if (quota == NULL) return true;
    ks_object_ref(quota);
    bool fine = sync_quota(sim, st, quota);
    ks_object_unref(sim->world.heap, quota);
    return fine;
}

static void describe(ks_sim *sim, const void *payload, uint64_t key, ks_buf *out) {
    (void)payload;
    if (key == RESYNC)
        ks_buf_puts(out, "resync");
    else
        ks_describe_object(sim, KS_RESOURCEQUOTA, key, out);
}

const ks_component ks_quota_controller = {
    .name = "resourcequota",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .kinds = KS_ALL_KINDS & ~KS_KIND_BIT(KS_EVENT),
    .idles = idles,
    .idle_kinds = KS_KIND_BIT(KS_RESOURCEQUOTA),
};
