/*
 * controllers/disruption.c - the status of PodDisruptionBudgets: how many of their pods may be
 * evicted now.
 *
 * pkg/controller/disruption/disruption.go. Per budget an entry of counters follows its pods; a sync
 * reads the counters and the scale of the few controllers behind the pods.
 *
 * Keys: ids of budgets; STALE | id of a pod whose DisruptionTarget condition nobody acted upon;
 * MULTIPLE | id of a pod that several budgets select, which it is told; RECHECK | id of a budget that is
 * to be looked at again although nothing has happened.
 */
#include "controllers/common.h"
#include "controllers/controllers.h"

#include <string.h>

#define STALE            (UINT64_C(1) << 63)
#define MULTIPLE         (UINT64_C(1) << 62)
#define RECHECK          (UINT64_C(1) << 61)
#define DELETION_TIMEOUT (120 * KS_SECOND) /* an evicted pod that is still there counts again */
#define STALE_TIMEOUT    (120 * KS_SECOND)
#define RECHECK_DELAY    (5 * KS_MILLISECOND) /* the recheck goes through the rate limiter */

/* The pods that a budget selects. */
typedef struct entry {
    uint32_t refs;
    ks_selector *selector; /* NULL: it does not convert */
    ks_tree pods;          /* {0, pod} -> FLAGS */
    ks_tree owners;        /* {hash of the controller's uid, pod}; 0: nobody controls it */
    int64_t healthy;       /* Ready and not terminating */
    uint32_t changes
        [2]; /* so much has happened that no sync has looked at: [1] where there were no pods */
    uint32_t unmanaged_changes; /* of them: where there were pods that nobody controls */
} entry;
enum { KNOWN = 1, HEALTHY = 2 };

typedef struct state {
    int index;
    ks_tree entries; /* {0, budget} -> entry */
} state;

/* --- entries --- */

static void entry_ref(void *value) { ((entry *)value)->refs++; }

static void entry_unref(ks_heap *heap, void *value) {
    entry *e = value;
    if (--e->refs > 0) return;
    ks_selector_unref(heap, e->selector);
    ks_tree_clear(heap, &e->pods);
    ks_tree_clear(heap, &e->owners);
    ks_free(heap, e, sizeof *e);
}

static const ks_tree_type entry_type = {NULL, NULL, NULL, entry_ref, entry_unref};

/* The entry, owned by this state alone. */
static entry *entry_own(ks_heap *heap, state *st, uint64_t budget) {
    void **slot = ks_tree_slot(heap, &st->entries, (ks_key){0, budget});
    if (slot == NULL) return NULL;
    entry *e = *slot;
    if (e->refs > 1) {
        entry *own = ks_alloc(heap, sizeof *own);
        *own = (entry){.refs = 1, .healthy = e->healthy};
        memcpy(own->changes, e->changes, sizeof own->changes);
        own->unmanaged_changes = e->unmanaged_changes;
        own->selector = e->selector != NULL ? ks_selector_ref(e->selector) : NULL;
        own->pods = ks_tree_copy(&e->pods);
        own->owners = ks_tree_copy(&e->owners);
        e->refs--;
        *slot = e = own;
    }
    return e;
}

static uint64_t owner_word(const ks_object *pod) {
    return pod->owner_uid == NULL ? 0 : ks_text_hash(pod->owner_uid) | 1;
}

static void drop(ks_heap *heap, entry *e, const ks_object *pod) {
    uint64_t flags = ks_word_of(ks_tree_take(heap, &e->pods, (ks_key){0, pod->id}));
    if (flags == 0) return;
    if (flags & HEALTHY) e->healthy--;
    ks_tree_del(heap, &e->owners, (ks_key){owner_word(pod), pod->id});
}

static bool is_healthy(const ks_object *pod) { return !ks_object_terminating(pod) && pod->ready; }

static void put(ks_sim *sim, entry *e, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    bool healthy = is_healthy(pod);
    drop(heap, e, pod);
    ks_tree_put(heap, &e->pods, (ks_key){0, pod->id}, ks_word(KNOWN | (healthy ? HEALTHY : 0)));
    ks_tree_put(heap, &e->owners, (ks_key){owner_word(pod), pod->id}, ks_word(1));
    if (healthy) e->healthy++;
}

static void entry_build(ks_sim *sim, state *st, const ks_object *budget) {
    ks_heap *heap = sim->world.heap;
    entry *e = ks_alloc_zero(heap, sizeof *e);
    const ks_str *why = NULL;
    e->refs = 1;
    e->selector = ks_selector_of(heap, ks_get(budget->spec, K(selector)), &why);
    ks_str_unref(heap, why);
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_POD, budget->ns); ks_walk_next(&w);)
        if (e->selector != NULL && ks_selector_matches(e->selector, w.object->labels))
            put(sim, e, w.object);
    ks_tree_put(heap, &st->entries, (ks_key){0, budget->id}, e);
}

static bool has_unmanaged(const entry *e) {
    ks_tree_iter first = ks_tree_begin(&e->owners);
    return ks_tree_next(&first) && first.key.a == 0;
}

/* Something has happened to the budget or its pods. */
static void look_again(ks_sim *sim, state *st, uint64_t budget) {
    entry *e = entry_own(sim->world.heap, st, budget);
    if (e != NULL) {
        e->changes[e->pods.count == 0]++;
        if (has_unmanaged(e)) e->unmanaged_changes++;
    }
    ks_enqueue(sim, st->index, budget);
}

/* --- the component's state --- */

static void *create(ks_sim *sim) {
    state *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_disruption_controller);
    st->entries.type = &entry_type;
    return st;
}

static void *copy(ks_sim *sim, const void *payload) {
    const state *from = payload;
    state *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = (state){from->index, ks_tree_copy(&from->entries)};
    return st;
}

static void dispose(ks_heap *heap, void *payload) {
    state *st = payload;
    ks_tree_clear(heap, &st->entries);
    ks_free(heap, st, sizeof *st);
}

/* --- what is noticed --- */

static ks_event event_of(const char *type, const char *reason) {
    return (ks_event){.type = type, .reason = reason, .component = "controllermanager"};
}

static void observe_budget(ks_sim *sim, state *st, const ks_change *change) {
    const ks_object *budget = change->object;
    if (change->type == KS_DELETED) {
        ks_tree_del(sim->world.heap, &st->entries, (ks_key){0, budget->id});
        return;
    }
    if (change->old == NULL ||
        !ks_equal(ks_get(change->old->spec, K(selector)), ks_get(budget->spec, K(selector))))
        entry_build(sim, st, budget);
    look_again(sim, st, budget->id);
}

/* nonTerminatingPodHasStaleDisruptionCondition: the instant from which it is stale, or KS_NEVER. */
static int64_t stale_at(const ks_sim *sim, const ks_object *pod) {
    if (ks_object_terminating(pod) || ks_phase_finished(ks_phase_of(pod))) return KS_NEVER;
    ks_val condition = ks_condition_of(pod->status, "DisruptionTarget");
    if (!ks_text_is(ks_get(condition, K(status)), "True") ||
        ks_text_is(ks_get(condition, K(reason)), "TerminationByKubelet"))
        return KS_NEVER;
    int64_t since = ks_instant_of(&sim->world, ks_get(condition, K(lastTransitionTime)));
    return since == KS_NEVER ? sim->world.now : since + STALE_TIMEOUT;
}

/* A pod that several budgets select is counted by each of them; one of them looks at once. */
static void observe_pod(ks_sim *sim, state *st, const ks_change *change) {
    ks_heap *heap = sim->world.heap;
    const ks_object *pod = change->object, *first = NULL;
    if (st->entries.count == 0) return;
    int matching = 0;
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_PDB, pod->ns); ks_walk_next(&w);) {
        entry *e = entry_own(heap, st, w.object->id);
        bool matches =
            e != NULL && e->selector != NULL && ks_selector_matches(e->selector, pod->labels);
        if (e != NULL && change->old != NULL) drop(heap, e, change->old);
        if (!matches) continue;
        if (change->type != KS_DELETED) put(sim, e, pod);
        if (matching++ == 0) first = w.object;
    }
    if (first != NULL) look_again(sim, st, first->id);
    if (matching > 1) ks_enqueue(sim, st->index, MULTIPLE | pod->id);
}

static void observe(ks_sim *sim, void *payload, const ks_change *change) {
    state *st = payload;
    const ks_object *object = change->object;
    if (object->kind == KS_PDB) observe_budget(sim, st, change);
    if (object->kind != KS_POD) return;
    observe_pod(sim, st, change);
    if (change->type == KS_DELETED) return;
    int64_t stale = stale_at(sim, object);
    if (stale != KS_NEVER) ks_enqueue_at(sim, st->index, STALE | object->id, stale);
}

static bool heeds(const ks_sim *sim, const void *payload, const ks_change *change, uint32_t parts) {
    (void)sim, (void)parts;
    const state *st = payload;
    return st->entries.count > 0 || change->object->kind != KS_POD || change->object->disrupted;
}

/* --- who is behind the pods --- */

/* Scales by controller, each once: {uid: replicas}. */
typedef struct scales {
    ks_val by_uid;
    bool unmanaged; /* there are pods that nobody controls */
    ks_val error;   /* a text, or KS_NOTHING */
} scales;

static void add_scale(ks_heap *heap, scales *s, const ks_object *owner) {
    const ks_str *uid = ks_intern(heap, owner->uid->s, owner->uid->len);
    s->by_uid = ks_put(heap, s->by_uid, uid, ks_int(ks_count(owner->spec, K(replicas), 1)));
    ks_str_unref(heap, uid);
}

/* Kinds of a real cluster that are not simulated: they exist and have no scale. */
static const char *const scaleless[][3] = {
    {"apps/v1", "DaemonSet", "daemonsets.apps"},
    {"batch/v1", "Job", "jobs.batch"},
    {"batch/v1", "CronJob", "cronjobs.batch"},
};

/* getScaleController: why there is no scale; KS_NOTHING: the controller is merely not there. */
static ks_val lacks_scale(ks_heap *heap, const char *api_version, const char *name) {
    static const char format[] = "%s does not implement the scale subresource";
    ks_kind kind = ks_kind_by_gvk(api_version, name);
    for (size_t i = 0; i < sizeof scaleless / sizeof *scaleless; i++)
        if (strcmp(scaleless[i][0], api_version) == 0 && strcmp(scaleless[i][1], name) == 0)
            return ks_format(heap, format, scaleless[i][2]);
    if (strcmp(api_version, "v1") == 0 && strcmp(name, "ReplicationController") == 0)
        return KS_NOTHING;
    if (kind == KS_NO_KIND)
        return ks_format(heap, "no matches for kind \"%s\" in version \"%s\"", name, api_version);
    const ks_kind_info *info = ks_kind_get(kind);
    if (info->has_scale) return KS_NOTHING;
    return ks_format(heap, "%s%s%s does not implement the scale subresource", info->plural,
                     *info->group != '\0' ? "." : "", info->group);
}

/* The controller behind a pod: of a Deployment's ReplicaSet the Deployment, while it is there. */
static void find_scale(ks_sim *sim, const ks_object *pod, scales *s) {
    ks_heap *heap = sim->world.heap;
    const ks_store *store = ks_view(sim);
    ks_val ref = ks_controller_ref(pod);
    const char *api_version = ks_text_or(ks_get(ref, K(apiVersion)), ""),
               *name = ks_text_or(ks_get(ref, K(kind)), "");
    ks_kind kind = ks_kind_by_gvk(api_version, name);
    const ks_object *owner = NULL;
    if (kind != KS_NO_KIND && ks_kind_get(kind)->has_scale)
        owner = ks_store_controller(store, pod, kind);
    if (owner != NULL && kind == KS_REPLICASET) {
        const ks_object *deployment = ks_store_controller(store, owner, KS_DEPLOYMENT);
        if (deployment != NULL) owner = deployment;
    }
    if (owner != NULL) {
        add_scale(heap, s, owner);
        return;
    }
    s->error = lacks_scale(heap, api_version, name);
    if (!ks_exists(s->error))
        s->error = ks_format(heap, "found no controllers for pod \"%s\"", pod->name->s);
}

/* getExpectedScale: one look at each controller, through the first of its pods. */
static scales scales_of(ks_sim *sim, const entry *e) {
    scales s = {KS_NOTHING, false, KS_NOTHING};
    ks_key at = {0, 0};
    s.unmanaged = has_unmanaged(e);
    while (!ks_exists(s.error) && ks_tree_ceiling(&e->owners, (ks_key){at.a + 1, 0}, &at, NULL)) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, at.b);
        if (pod != NULL) find_scale(sim, pod, &s);
    }
    return s;
}

/* --- a sync --- */

typedef struct count {
    int64_t healthy, desired, expected;
    ks_val disrupted; /* {pod: time}, KS_NOTHING: none */
    int64_t recheck;  /* KS_NEVER: not needed */
} count;

/* What a LabelSelector prints as with Go's %v: the generated String() of meta/v1. */
static void print_selector(ks_buf *out, ks_val selector) {
    ks_val labels = ks_get(selector, K(matchLabels)), terms = ks_get(selector, K(matchExpressions));
    ks_buf_puts(out, "&LabelSelector{MatchLabels:map[string]string{");
    for (uint32_t i = 0; i < ks_len(labels); i++)
        ks_buf_printf(out, "%s: %s,", ks_pair_at(labels, i)->key->s,
                      ks_text_or(ks_pair_at(labels, i)->val, ""));
    ks_buf_puts(out, "},MatchExpressions:[]LabelSelectorRequirement{");
    ks_each(term, terms) {
        ks_buf_printf(out, "LabelSelectorRequirement{Key:%s,Operator:%s,Values:[",
                      ks_text_or(ks_get(*term, K(key)), ""),
                      ks_text_or(ks_get(*term, K(operator)), ""));
        ks_val values = ks_get(*term, K(values));
        for (uint32_t i = 0; i < ks_len(values); i++)
            ks_buf_printf(out, "%s%s", i > 0 ? " " : "", ks_text_or(ks_at(values, i), ""));
        ks_buf_puts(out, "],},");
    }
    ks_buf_puts(out, "},}");
}

static void tell_unmanaged(ks_sim *sim, const ks_object *budget) {
    ks_event e = event_of("Warning", "UnmanagedPods");
    ks_buf selector = {.heap = sim->world.heap};
    print_selector(&selector, ks_get(budget->spec, K(selector)));
    ks_record(&sim->server, budget, &e,
              "Pods selected by this PodDisruptionBudget (selector: %s) were found to be "
              "unmanaged. As a result, "
              "the status of the PDB cannot be calculated correctly, which may result in undefined "
              "behavior. To "
              "account for these pods please set \".spec.minAvailable\" field of the PDB to an "
              "integer value.",
              selector.s);
    ks_buf_dispose(&selector);
}

/* Its rule needs to know what the controllers of its pods want. */
static bool counts_by_scale(const ks_object *budget) {
    return ks_exists(ks_get(budget->spec, K(maxUnavailable))) ||
           ks_is(ks_get(budget->spec, K(minAvailable)), KS_STRING);
}

/* getExpectedPodCount; an error's text, or KS_NOTHING. */
static ks_val expect(ks_sim *sim, const ks_object *budget, const entry *e, count *c, bool *told) {
    ks_val most = ks_get(budget->spec, K(maxUnavailable)),
           least = ks_get(budget->spec, K(minAvailable));
    if (!counts_by_scale(budget)) {
        c->desired = ks_int_or(least, 0);
        c->expected = ks_exists(least) ? (int64_t)e->pods.count : 0;
        return KS_NOTHING;
    }
    scales s = scales_of(sim, e);
    for (uint32_t i = 0; i < ks_len(s.by_uid); i++)
        c->expected += ks_int_or(ks_pair_at(s.by_uid, i)->val, 0);
    ks_unref(sim->world.heap, s.by_uid);
    int64_t scaled = 0;
    ks_scaled_value(ks_exists(most) ? most : least, c->expected, true, &scaled);
    c->desired = ks_exists(most) ? c->expected - scaled : scaled;
    if (c->desired < 0) c->desired = 0;
    if (!ks_exists(s.error) && s.unmanaged) {
        tell_unmanaged(sim, budget);
        *told = true;
    }
    return s.error;
}

/* buildDisruptedPodMap, countHealthyPods: evicted pods that have not begun to go. */
static void count_disrupted(ks_sim *sim, const ks_object *budget, const entry *e, count *c) {
    ks_heap *heap = sim->world.heap;
    ks_val map = ks_get(budget->status, K(disruptedPods));
    c->healthy = e->healthy;
    for (uint32_t i = 0; i < ks_len(map); i++) {
        const ks_pair *pair = ks_pair_at(map, i);
        const ks_object *pod = ks_store_get(ks_view(sim), KS_POD, budget->ns, pair->key);
        if (pod == NULL || ks_object_terminating(pod) ||
            !ks_tree_has(&e->pods, (ks_key){0, pod->id}))
            continue;
        int64_t end = ks_instant_of(&sim->world, pair->val) + DELETION_TIMEOUT;
        if (end > sim->world.now && is_healthy(pod)) c->healthy--;
        if (end < sim->world.now) {
            ks_event event = event_of("Warning", "NotDeleted");
            ks_record(&sim->server, pod, &event,
                      "Pod was expected by PDB %s/%s to be deleted but it wasn't", budget->ns->s,
                      budget->ns->s); /* upstream prints the namespace twice */
            continue;
        }
        if (end < c->recheck) c->recheck = end;
        c->disrupted = ks_put(heap, c->disrupted, pair->key, ks_ref(pair->val));
    }
}

/* meta.SetStatusCondition of DisruptionAllowed. */
static ks_val put_condition(ks_sim *sim, ks_val list, bool allowed, const char *reason,
                            ks_val message, ks_val generation) {
    ks_heap *heap = sim->world.heap;
    const char *value = allowed ? "True" : "False";
    uint32_t at = 0;
    while (at < ks_len(list) && !ks_text_is(ks_get(ks_at(list, at), K(type)), "DisruptionAllowed"))
        at++;
    ks_val before = ks_at(list, at);
    ks_val since = ks_text_is(ks_get(before, K(status)), value)
                       ? ks_ref(ks_get(before, K(lastTransitionTime)))
                       : ks_time_val(&sim->world, sim->world.now);
    ks_val now =
        ks_map_of(heap, K(lastTransitionTime), since, K(message), message, K(observedGeneration),
                  ks_ref(generation), K(reason), ks_text(heap, reason), K(status),
                  ks_text(heap, value), K(type), ks_text(heap, "DisruptionAllowed"), NULL);
    return at < ks_len(list) ? ks_set_at(heap, list, at, now) : ks_append(heap, list, now);
}

static bool write(ks_sim *sim, const ks_object *budget, ks_val status) {
    ks_refusal *refusal = ks_server_update_status(&sim->server, budget, status, NULL);
    if (refusal == NULL) return true;
    ks_refusal_free(sim->world.heap, refusal);
    return false;
}

static void tell_failed(ks_sim *sim, const ks_object *budget, ks_val error) {
    ks_event e = event_of("Warning", "CalculateExpectedPodCountFailed");
    ks_record(&sim->server, budget, &e, "Failed to calculate the number of expected pods: %s",
              ks_text_or(error, ""));
}

/* failSafe: what cannot be worked out allows nothing. `error` is taken over. */
static bool fail_safe(ks_sim *sim, const ks_object *budget, ks_val error) {
    ks_heap *heap = sim->world.heap;
    tell_failed(sim, budget, error);
    ks_val status = ks_put(heap, ks_ref(budget->status), K(disruptionsAllowed), ks_int(0));
    ks_val list = put_condition(sim, ks_ref(ks_get(status, K(conditions))), false, "SyncFailed",
                                error, ks_get(status, K(observedGeneration)));
    return write(sim, budget, ks_put(heap, status, K(conditions), list));
}

/* updatePdbStatus */
static bool write_status(ks_sim *sim, const ks_object *budget, const count *c) {
    ks_heap *heap = sim->world.heap;
    int64_t allowed = c->healthy - c->desired;
    if (c->expected <= 0 || allowed < 0) allowed = 0;
    ks_val generation = ks_get(budget->meta, K(generation));
    ks_val list = put_condition(sim, ks_ref(ks_get(budget->status, K(conditions))), allowed > 0,
                                allowed > 0 ? "SufficientPods" : "InsufficientPods",
                                ks_text(heap, ""), generation);
    return write(sim, budget,
                 ks_map_of(heap, K(conditions), list, K(currentHealthy), ks_int(c->healthy),
                           K(desiredHealthy), ks_int(c->desired), K(disruptedPods), c->disrupted,
                           K(disruptionsAllowed), ks_int(allowed), K(expectedPods),
                           ks_int(c->expected), K(observedGeneration), ks_ref(generation), NULL));
}

/* trySync. *told: it has recorded an Event. */
static bool try_sync(ks_sim *sim, const state *st, const ks_object *budget, bool *told) {
    const entry *e = ks_tree_get(&st->entries, (ks_key){0, budget->id});
    if (e == NULL || e->selector == NULL) return true;
    if (e->pods.count == 0) {
        ks_event event = event_of("Normal", "NoPods");
        ks_record(&sim->server, budget, &event, "No matching pods found");
        *told = true;
    }
    count c = {.disrupted = KS_NOTHING, .recheck = KS_NEVER};
    ks_val error = expect(sim, budget, e, &c, told);
    if (ks_exists(error)) {
        *told = true;
        return fail_safe(sim, budget, error);
    }
    count_disrupted(sim, budget, e, &c);
    bool fine = write_status(sim, budget, &c);
    if (fine && c.recheck != KS_NEVER)
        ks_enqueue_at(sim, st->index, RECHECK | budget->id, c.recheck + RECHECK_DELAY);
    return fine;
}

/* One look at the budget as it stands. */
static bool look(ks_sim *sim, state *st, const ks_object *budget, bool *told) {
    ks_object_ref(budget);
    bool fine = try_sync(sim, st, budget, told);
    ks_object_unref(sim->world.heap, budget);
    return fine;
}

/* The error of the last look, if it came to none. */
static ks_val failure_of(const ks_object *budget) {
    ks_val condition = ks_condition_of(budget->status, "DisruptionAllowed");
    bool failed = ks_text_is(ks_get(condition, K(reason)), "SyncFailed");
    return failed ? ks_get(condition, K(message)) : KS_NOTHING;
}

/* A pod that goes at once is seen going before it is gone: what is said of pods that nobody controls, or whose controller is not to be
 * found, is said of it once more although it has gone by now. */
static void tell_of_gone(ks_sim *sim, const ks_object *budget, entry *e) {
    uint32_t unmanaged = e->unmanaged_changes, seen = e->changes[0];
    ks_val failure = failure_of(budget);
    e->unmanaged_changes = 0;
    if (has_unmanaged(e) || !counts_by_scale(budget)) return;
    if (e->pods.count == 0 && ks_exists(failure)) {
        for (; seen > 0; seen--) tell_failed(sim, budget, failure);
        return;
    }
    for (; unmanaged > 0; unmanaged--) tell_unmanaged(sim, budget);
}

/* Each change of a budget and of its pods is looked at by itself, those of the budget that were written here too, and before others have
 * done what takes them more than one call to the server: of a budget that has no pods any more that is said twice, whoever makes new ones.
 * Only what is said shows it: where nothing is, one look does for all; and what came before there were no pods has seen some. */
static bool sync_budget(ks_sim *sim, state *st, uint64_t id) {
    bool fine = true;
    const ks_object *budget;
    while (fine && (budget = ks_store_by_id(ks_view(sim), KS_PDB, id)) != NULL) {
        entry *e = entry_own(sim->world.heap, st, id);
        if (e == NULL || e->changes[0] + e->changes[1] == 0) break;
        bool empty = e->pods.count == 0, told = false;
        uint32_t changes = e->changes[empty] > 0 ? e->changes[empty] : 1;
        tell_of_gone(sim, budget, e);
        e->changes[0] = e->changes[1] = 0;
        fine = look(sim, st, budget, &told);
        e = entry_own(sim->world.heap, st, id);
        if (e != NULL && (told || !fine)) e->changes[empty] += changes - fine;
    }
    return fine;
}

/* syncStalePodDisruption */
static bool sync_stale(ks_sim *sim, const state *st, uint64_t id) {
    const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, id);
    int64_t stale = pod == NULL ? KS_NEVER : stale_at(sim, pod);
    if (stale == KS_NEVER) return true;
    if (stale > sim->world.now) {
        ks_enqueue_at(sim, st->index, STALE | id, stale);
        return true;
    }
    return write(sim, pod,
                 ks_put_pod_condition(sim, pod, ks_ref(pod->status), "DisruptionTarget", "False",
                                      NULL, NULL));
}

/* getPdbForPod: the first of several budgets. */
static bool sync_multiple(ks_sim *sim, const state *st, uint64_t id) {
    const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, id);
    if (pod == NULL) return true;
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_PDB, pod->ns); ks_walk_next(&w);) {
        const entry *e = ks_tree_get(&st->entries, (ks_key){0, w.object->id});
        if (e == NULL || !ks_tree_has(&e->pods, (ks_key){0, id})) continue;
        ks_event event = event_of("Warning", "MultiplePodDisruptionBudgets");
        ks_record(
            &sim->server, pod, &event,
            "Pod \"%s\"/\"%s\" matches multiple PodDisruptionBudgets.  Chose \"%s\" arbitrarily.",
            pod->ns->s, pod->name->s, w.object->name->s);
        break;
    }
    return true;
}

static bool sync(ks_sim *sim, void *payload, uint64_t key) {
    if (key & STALE) return sync_stale(sim, payload, key & ~STALE);
    if (key & MULTIPLE) return sync_multiple(sim, payload, key & ~MULTIPLE);
    if ((key & RECHECK) == 0) return sync_budget(sim, payload, key);
    look_again(sim, payload, key & ~RECHECK);
    return true;
}

static void describe(ks_sim *sim, const void *payload, uint64_t key, ks_buf *out) {
    (void)payload;
    ks_describe_object(sim, key & (STALE | MULTIPLE) ? KS_POD : KS_PDB,
                       key & ~(STALE | MULTIPLE | RECHECK), out);
}

const ks_component ks_disruption_controller = {
    .name = "disruption",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_PDB),
    .lists = KS_KIND_BIT(KS_REPLICASET) | KS_KIND_BIT(KS_DEPLOYMENT) | KS_KIND_BIT(KS_STATEFULSET),
};
