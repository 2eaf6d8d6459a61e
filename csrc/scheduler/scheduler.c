/*
 * scheduler/scheduler.c - the component: what it notices, and what becomes of a pod that is looked at
 * (pkg/scheduler/schedule_one.go, eventhandlers.go).
 */
#include "scheduler/internal.h"

#include <string.h>

/* Keys: an odd one looks at the next pod of the queue. It is twice the id of the pod that brought the look along, and one; or 1, for those
 * that brought none. An even key is twice the id of a pod that waits for its volumes, or 0: what is done by the clock. */
enum { SCHEDULE_KEY = 1 };

/* --- life --- */

static void *create(ks_sim *sim) {
    ks_heap *heap = sim->world.heap;
    ks_sched *st = ks_alloc_zero(heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_scheduler);
    st->nodes = ks_alloc_zero(heap, sizeof *st->nodes);
    st->nodes->refs = 1;
    st->classes.type = &ks_sched_classes_type;
    st->tallies.type = &ks_sched_tallies_type;
    st->groups.type = &ks_sched_groups_type;
    st->waiting.type = &ks_sched_waiting_type;
    st->assumed.type = &ks_sched_assumed_type;
    st->bindings.type = &ks_sched_bindings_type;
    st->looks.type = &ks_sched_looks_type;
    ks_ready_init(&st->leftovers);
    st->since = sim->world.now;
    st->flush = KS_NEVER;
    ks_record_begin(&sim->server);
    ks_sched_put_all_back(sim);
    return st;
}

static void *copy(ks_sim *sim, const void *state) {
    const ks_sched *from = state;
    ks_sched *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = *from;
    st->nodes->refs++;
    if (st->roster != NULL) st->roster->refs++;
    st->slots = ks_tree_copy(&from->slots);
    st->classes = ks_tree_copy(&from->classes);
    st->tallies = ks_tree_copy(&from->tallies);
    st->pairs = ks_tree_copy(&from->pairs);
    st->groups = ks_tree_copy(&from->groups);
    st->group_terms = ks_tree_copy(&from->group_terms);
    st->active = ks_tree_copy(&from->active);
    st->backoff = ks_tree_copy(&from->backoff);
    st->errors = ks_tree_copy(&from->errors);
    st->waiting = ks_ids_copy(&from->waiting);
    st->refused = ks_ids_copy(&from->refused);
    ks_ready_copied(&st->leftovers);
    st->services_by = ks_tree_copy(&from->services_by);
    st->assumed = ks_tree_copy(&from->assumed);
    st->guests = ks_tree_copy(&from->guests);
    st->bindings = ks_tree_copy(&from->bindings);
    st->pending = ks_tree_copy(&from->pending);
    st->nominated = ks_tree_copy(&from->nominated);
    st->nominees = ks_tree_copy(&from->nominees);
    st->looks = ks_ids_copy(&from->looks);
    st->scratch = NULL;
    st->told = NULL;
    st->told_at = KS_NOTHING;
    memset(&st->failed, 0, sizeof st->failed);
    st->changes = NULL;
    st->axes = NULL;
    st->axes_count = 0;
    return st;
}

static void drop_axes(ks_heap *heap, ks_sched *st) {
    for (ks_axis *axis = st->axes, *next; axis != NULL; axis = next) {
        next = axis->next;
        ks_str_unref(heap, axis->key);
        ks_free(heap, axis->domain, axis->cap * sizeof *axis->domain);
        ks_free(heap, axis, sizeof *axis);
    }
    st->axes = NULL;
    st->axes_count = 0;
}

static void free_scratch(ks_heap *heap, ks_cycle *c) {
    if (c == NULL) return;
    ks_free(heap, c->verdicts, c->cap * sizeof *c->verdicts);
    ks_free(heap, c->looked, c->cap * sizeof *c->looked);
    ks_free(heap, c->feasible, c->cap * sizeof *c->feasible);
    ks_free(heap, c->raw, c->cap * sizeof *c->raw);
    ks_free(heap, c->look, c->cap * sizeof *c->look);
    ks_free(heap, c, sizeof *c);
}

static void dispose(ks_heap *heap, void *state) {
    ks_sched *st = state;
    ks_sched_table_unref(heap, st->nodes);
    ks_sched_roster_unref(heap, st->roster);
    ks_tree *trees[] = {&st->slots,    &st->classes,     &st->tallies,   &st->pairs,
                        &st->groups,   &st->group_terms, &st->active,    &st->backoff,
                        &st->errors,   &st->services_by, &st->assumed,   &st->guests,
                        &st->bindings, &st->pending,     &st->nominated, &st->nominees};
    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) ks_tree_clear(heap, trees[i]);
    ks_ids_clear(heap, &st->waiting);
    ks_ids_clear(heap, &st->refused);
    ks_ready_clear(heap, &st->leftovers);
    ks_ids_clear(heap, &st->looks);
    drop_axes(heap, st);
    free_scratch(heap, st->scratch);
    ks_str_unref(heap, st->told);
    ks_unref(heap, st->told_at);
    ks_alike_clear(heap, &st->failed);
    ks_free(heap, st->changes, sizeof *st->changes);
    ks_free(heap, st, sizeof *st);
}

/* --- what is noticed --- */

static bool takes_place(const ks_object *pod) {
    return pod->node != NULL && !ks_sched_finished(pod);
}

/* Whether a pod counts otherwise than before, though it is where it was and terminates if it did. */
static bool counts_otherwise(const ks_object *old, const ks_object *new) {
    if (new->labels.m != old->labels.m && !ks_equal(old->labels, new->labels)) return true;
    if (old->spec.type == KS_MAP && new->spec.type == KS_MAP && old->spec.m == new->spec.m)
        return false;
    return !ks_equal(ks_get(old->spec, K(containers)), ks_get(new->spec, K(containers)));
}

/* A pod counts as it is now instead of as it was. */
static void recount(ks_sim *sim, ks_sched *st, const ks_object *old, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_sched_pairs_account(heap, st, pod, 1);
    ks_sched_account_by_name(sim, st, old, pod->node, -1);
    ks_sched_account_by_name(sim, st, pod, pod->node, 1);
    ks_sched_pairs_account(heap, st, old, -1);
}

/* The view has the pod where it was assumed to be: cache.go: AddPod, of an assumed pod. */
static void confirm_assumed(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    const ks_object *counted = ks_sched_end_assumption(sim, st, pod->id);
    if (counts_otherwise(counted, pod)) recount(sim, st, counted, pod);
    ks_object_unref(sim->world.heap, counted);
}

static void observe_placed(ks_sim *sim, ks_sched *st, const ks_change *change, const ks_object *old,
                           bool had, bool has) {
    ks_heap *heap = sim->world.heap;
    const ks_object *pod = change->object;
    if (had && has && ks_str_eq(old->node, pod->node)) {
        if (!counts_otherwise(old, pod)) {
            if (ks_object_terminating(old) == ks_object_terminating(pod)) return;
            int64_t slot = ks_sched_slot(st, pod->node);
            if (slot >= 0) ks_sched_account_end(sim, st, old, pod, (uint32_t)slot);
            return;
        }
        recount(sim, st, old, pod);
        return;
    }
    if (had) {
        ks_sched_account_by_name(sim, st, old, old->node, -1);
        ks_sched_pairs_account(heap, st, old, -1);
    }
    const ks_assumed *assumed = ks_sched_assumed(st, pod->id);
    if (assumed != NULL && has && ks_str_eq(assumed->node, pod->node)) {
        confirm_assumed(sim, st, pod);
        return;
    }
    if (pod->node != NULL) ks_sched_forget(sim, st, pod->id);
    if (!has) return;
    ks_sched_pairs_account(heap, st, pod, 1);
    ks_sched_account_by_name(sim, st, pod, pod->node, 1);
}

/* A pod that is assumed to be on a node is deleted, or begins to be: eventhandlers.go: handleAssumedPodDeletion. Its binding finds out by
 * itself; up to 1.34 only then the place is free, where there is one. */
static void observe_assumed(ks_sim *sim, ks_sched *st, const ks_change *change) {
    const ks_object *pod = change->object;
    bool gone = change->type == KS_DELETED || ks_object_terminating(pod);
    if (!gone || (!ks_since(&sim->server.rules, KS_SINCE_ASSUMED_END_AT_ONCE) &&
                  ks_tree_has(&st->bindings, (ks_key){0, pod->id})))
        return;
    const ks_change end = {.refs = 1, .type = KS_DELETED, .object = pod};
    if (ks_sched_forget(sim, st, pod->id)) ks_sched_hint_gone(sim, st, &end);
}

void ks_sched_nominate(ks_sim *sim, ks_sched *st, const ks_object *pod, const ks_str *node) {
    ks_heap *heap = sim->world.heap;
    const ks_key key = {0, pod->id};
    const uint64_t word = node == NULL || node->len == 0 ? 0 : ks_sched_node_word(node);
    void *before = st->nominated.count == 0 ? NULL : ks_tree_get(&st->nominated, key);
    if ((uintptr_t)before == word) return;
    if (before != NULL) {
        ks_tree_del(heap, &st->nominees, (ks_key){(uintptr_t)before, pod->id});
        ks_tree_del(heap, &st->nominated, key);
    }
    if (word == 0) return;
    ks_tree_put(heap, &st->nominated, key, (void *)(uintptr_t)word);
    ks_tree_put(heap, &st->nominees, (ks_key){word, pod->id}, (void *)1);
}

/* What the scheduler has found out itself holds as long as others say nothing of it (backend/queue/nominator.go: UpdateNominatedPod). */
static void follow_nomination(ks_sim *sim, ks_sched *st, const ks_object *pod, const ks_object *old,
                              bool gone) {
    bool placed = pod->node != NULL || ks_sched_assumed(st, pod->id) != NULL ||
                  ks_tree_has(&st->bindings, (ks_key){0, pod->id});
    const ks_str *name =
        gone || placed ? NULL : ks_str_or_null(ks_get(pod->status, K(nominatedNodeName)));
    bool unsaid = !gone && !placed && old != NULL && name == NULL &&
                  !ks_exists(ks_get(old->status, K(nominatedNodeName)));
    if (!unsaid) ks_sched_nominate(sim, st, pod, name);
}

static void observe_unplaced(ks_sim *sim, ks_sched *st, const ks_change *change) {
    const ks_object *pod = change->object;
    bool mine = pod->node == NULL && change->type != KS_DELETED && !ks_sched_finished(pod);
    if (!mine) {
        ks_sched_queue_remove(sim, st, pod->id);
        return;
    }
    if (change->type == KS_ADDED) {
        if (ks_sched_has_profile(sim, ks_str_or_null(ks_get(pod->spec, K(schedulerName)))))
            ks_sched_queue_add(sim, st, pod);
        return;
    }
    ks_sched_queue_changed(sim, st, pod->id);
    const ks_waiting *w = ks_ids_get(&st->waiting, pod->id);
    if (w == NULL || change->old == NULL) return;
    if (w->place == KS_IN_GATED) {
        if (ks_len(ks_get(change->old->spec, K(schedulingGates))) > 0)
            ks_sched_queue_ungated(sim, st, pod);
    } else if (w->place == KS_IN_UNSCHEDULABLE && ks_sched_hint_own(sim, st, w->plugins, change)) {
        ks_sched_queue_release(sim, st, pod);
    }
}

static void observe_pod(ks_sim *sim, ks_sched *st, const ks_change *change) {
    const ks_object *pod = change->object, *old = change->type == KS_DELETED ? pod : change->old;
    bool gone = change->type == KS_DELETED;
    bool had = old != NULL && takes_place(old), has = !gone && takes_place(pod);
    if (had || has || gone || ks_sched_assumed(st, pod->id) != NULL)
        observe_placed(sim, st, change, old, had, has);
    if (pod->node == NULL && ks_sched_assumed(st, pod->id) != NULL)
        observe_assumed(sim, st, change);
    if (!had || gone) observe_unplaced(sim, st, change);
    /* of one that has its node, or goes, there is at most something to forget */
    bool may_hope = !gone && pod->node == NULL;
    if (st->nominated.count > 0 ||
        (may_hope && ks_exists(ks_get(pod->status, K(nominatedNodeName)))))
        follow_nomination(sim, st, pod, old, gone || ks_sched_finished(pod));
    if (gone) ks_sched_forget_look(sim->world.heap, st, pod->id);
}

static bool selects_pod_names(ks_val selector) {
    return ks_exists(ks_get(selector, K(statefulset_kubernetes_io_pod_name))) ||
           ks_exists(ks_get(selector, K(apps_kubernetes_io_pod_index)));
}

/* Where a Service stands in `services_by`; it has a selector. */
static ks_key service_key(const ks_object *service, ks_val selector) {
    return (ks_key){ks_sched_label_bucket(service->ns, ks_pair_at(selector, 0)), service->id};
}

static void observe_service(ks_heap *heap, ks_sched *st, const ks_change *change) {
    const ks_object *old = change->type == KS_DELETED ? change->object : change->old;
    ks_val was = old == NULL ? KS_NOTHING : ks_get(old->spec, K(selector));
    ks_val is = change->type == KS_DELETED ? KS_NOTHING : ks_get(change->object->spec, K(selector));
    if (ks_equal(was, is)) return;
    if (ks_len(was) > 0) ks_tree_del(heap, &st->services_by, service_key(old, was));
    if (ks_len(is) > 0)
        ks_tree_put(heap, &st->services_by, service_key(change->object, is), (void *)1);
    st->services++;
    if (selects_pod_names(was)) st->pod_name_selectors--;
    if (selects_pod_names(is)) st->pod_name_selectors++;
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    ks_sched *st = state;
    st->mark = ++st->sequence;
    if (st->bindings.count > 0) ks_sched_bindings_heard(sim, st, change);
    switch (change->object->kind) {
    case KS_POD: observe_pod(sim, st, change); break;
    case KS_NODE: ks_sched_node_changed(sim, st, change); break;
    case KS_SERVICE: observe_service(sim->world.heap, st, change); break;
    case KS_NAMESPACE: /* terms select namespaces by label */
        if (change->old != NULL && !ks_equal(change->old->labels, change->object->labels))
            ks_sched_tallies_drop(sim->world.heap, st);
        return;
    case KS_PVC:
    case KS_PV:
    case KS_STORAGECLASS:
    case KS_VOLUMEATTACHMENT: break;
    default: return;
    }
    ks_sched_hints(sim, st, change);
}

/* A pod that has its place, while nobody waits for one. That it begins to end its metadata say. */
static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim;
    const ks_sched *st = state;
    const ks_object *object = change->object;
    enum { COUNTED = KS_PART_META | KS_PART_SPEC | KS_PART_PLACE | KS_PART_PHASE };
    return object->kind != KS_POD || object->node == NULL || (parts & COUNTED) != 0 ||
           st->waiting.count > 0 || st->nominated.count > 0 ||
           ks_exists(ks_get(object->status, K(nominatedNodeName)));
}

/* --- a cycle --- */

ks_cycle *ks_sched_begin(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_cycle *c = st->scratch;
    uint32_t cap = st->nodes->cap;
    if (c == NULL || c->cap < cap) {
        free_scratch(heap, c);
        c = st->scratch = ks_alloc_zero(heap, sizeof *c);
        c->cap = cap;
        c->verdicts = ks_alloc_zero(heap, cap * sizeof *c->verdicts);
        c->looked = ks_alloc_zero(heap, cap * sizeof *c->looked);
        c->feasible = ks_alloc_zero(heap, cap * sizeof *c->feasible);
        c->raw = ks_alloc_zero(heap, cap * sizeof *c->raw);
        c->look = ks_alloc_zero(heap, cap * sizeof *c->look);
    }
    if (st->axes_count >= KS_AXES_KEPT) drop_axes(heap, st);
    ks_cycle fresh = {.sim = sim,
                      .st = st,
                      .pod = ks_object_ref(pod),
                      .slots = st->nodes->slots,
                      .cap = c->cap,
                      .verdicts = c->verdicts,
                      .looked = c->looked,
                      .feasible = c->feasible,
                      .raw = c->raw,
                      .look = c->look,
                      .arena = {heap, NULL}};
    *c = fresh;
    c->class = ks_sched_class(sim, st, pod);
    c->rules = c->class->rules;
    c->rules->refs++;
    return c;
}

void ks_sched_end(ks_cycle *c) {
    ks_heap *heap = c->sim->world.heap;
    ks_object_unref(heap, c->pod);
    ks_sched_rules_unref(heap, c->rules);
    ks_unref(heap, c->prefilter_text);
    ks_unref(heap, c->policy_texts);
    ks_unref(heap, c->policy_scores);
    ks_unref(heap, c->victims);
    ks_unref(heap, c->victim_ids);
    ks_str_unref(heap, c->nominated);
    ks_tree_clear(heap, &c->moved);
    ks_sched_arena_reset(&c->arena);
}

/* --- failing --- */

static const ks_str *failure_message(ks_cycle *c) {
    ks_heap *heap = c->sim->world.heap;
    const ks_node_table *nodes = c->st->nodes;
    ks_buf out = {heap, NULL, 0, 0};
    if (c->prefilter != NULL) {
        /* The state that DynamicResources' PostFilter wants was never written. */
        ks_buf_printf(&out, "0/%u nodes are available: %s.", nodes->count, c->prefilter);
        ks_buf_puts(&out, " not found");
        return ks_buf_take(&out);
    }
    ks_val texts = KS_NOTHING;
    for (uint32_t slot = 0; slot < nodes->slots; slot++)
        if (nodes->at[slot] != NULL && c->looked[slot])
            texts = ks_sched_reasons(c, c->verdicts[slot], nodes->at[slot], texts);
    ks_sched_fit_message(heap, &out, nodes->count, texts);
    ks_unref(heap, texts);
    if (c->rules->disabled >> KS_PLUGIN_PREEMPTION & 1U) {
        if (ks_since(&c->sim->server.rules, KS_SINCE_CLAIMS_IN_MESSAGES))
            ks_buf_puts(&out, " no new claims to deallocate");
        return ks_buf_take(&out);
    }
    const ks_str *post = ks_sched_preempt(c);
    if (post->len > 0) {
        ks_buf_putc(&out, ' ');
        ks_buf_puts(&out, "no new claims to deallocate, ");
        ks_buf_str(&out, post);
    }
    ks_str_unref(heap, post);
    return ks_buf_take(&out);
}

/* Looks at a pod. Whether that took the scheduler a call of the API server: a pod that cannot be placed is told so before the next one
 * is looked at; binding, telling of Events and getting rid of victims go on beside that (schedule_one.go: go sched.runBindingCycle). */
static bool schedule(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_cycle *c = ks_sched_begin(sim, st, pod);
    bool asked = false;
    if (ks_object_terminating(pod)) {
        const ks_str *message =
            ks_str_printf(heap, "skip schedule deleting pod: %s/%s", pod->ns->s, pod->name->s);
        ks_sched_record_failure(sim, st, pod, c->rules->scheduler, message);
        ks_str_unref(heap, message);
    } else if (st->nodes->count == 0) {
        ks_sched_clear_nominated(c);
        asked = ks_sched_fail(c, "Unschedulable",
                              ks_str_of(heap, "no nodes available to schedule pods"), 0);
    } else {
        ks_sched_prefilter(c);
        if (c->prefilter == NULL) ks_sched_find_nodes(c);
        uint32_t slot = c->feasible_count > 0 && !c->failed ? ks_sched_choose(c) : 0;
        if (c->failed) {
            ks_sched_queue_failed(sim, st, pod, 0);
            ks_sim_fail(sim);
        } else if (c->feasible_count > 0) {
            ks_sched_place(c, slot);
        } else {
            const ks_str *message = failure_message(c);
            ks_sched_remember(c, -1);
            asked = ks_sched_fail(c, "Unschedulable", message, c->plugins);
            if (ks_len(c->victim_ids) > 0) ks_sched_evict_victims(c);
        }
    }
    ks_sched_end(c);
    return asked;
}

/* Of many that wait for a look the next ones are asked for: to the engine, which asks for what keys need, they are one key. */
static void look_ahead(const ks_sim *sim, const ks_sched *st) {
    enum { MANY = 200 };
    ks_tree_row rows[2];
    if (st->active.count < MANY) return;
    ks_tree_front(&st->active, rows);
    int first = rows[0].len, count = first + rows[1].len;
    for (int i = 0; i < count && i < KS_STEPS_AHEAD; i++) {
        const void *id = i < first ? rows[0].values[i] : rows[1].values[i - first];
        ks_coming next = {.kinds = KS_KIND_BIT(KS_POD), .id = (uint64_t)(uintptr_t)id};
        ks_store_ahead(ks_view(sim), &next, i + 1);
    }
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    ks_sched *st = state;
    if (key == KS_SCHED_CLOCK) {
        ks_sched_tick(sim, st);
        return true;
    }
    if (key % 2 == 0) {
        ks_sched_go_on_binding(sim, st, key / 2);
        return true;
    }
    if (key != SCHEDULE_KEY) st->turns--;
    uint64_t id = ks_sched_queue_pop(sim, st);
    look_ahead(sim, st);
    const ks_object *pod = id == 0 ? NULL : ks_object_ref(ks_store_by_id(ks_view(sim), KS_POD, id));
    /* one that is assumed has had its look: schedule_one.go: skipPodSchedule */
    bool asked = false;
    if (pod != NULL && pod->node == NULL && ks_sched_assumed(st, id) == NULL)
        asked = schedule(sim, st, pod);
    ks_object_unref(sim->world.heap, pod);
    if (key == SCHEDULE_KEY)
        st->armed = false; /* not before: what is let go meanwhile waits here */
    ks_sched_queue_arm(sim, st, !asked);
    return true;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    const ks_object *pod =
        ks_store_by_id(ks_view(sim), KS_POD, key % 2 == 0 ? key / 2 : ks_sched_queue_head(state));
    if (pod != NULL) ks_buf_printf(out, "%s/%s", pod->ns->s, pod->name->s);
}

void ks_scheduler_policies_changed(ks_sim *sim) {
    ks_sched *st = ks_component_state(sim, &ks_scheduler);
    if (st == NULL) return;
    ks_ids pods = ks_ids_copy(&ks_view_of(sim, st->index)->by_id[KS_POD]);
    for (ks_ids_iter it = ks_ids_begin(&pods); ks_ids_next(&it);) {
        const ks_object *pod = it.value;
        if (pod->node != NULL || ks_sched_finished(pod) || ks_sched_assumed(st, pod->id) != NULL)
            continue;
        if (!ks_sched_has_profile(sim, ks_str_or_null(ks_get(pod->spec, K(schedulerName)))))
            continue;
        const ks_waiting *w = ks_ids_get(&st->waiting, pod->id);
        if (w == NULL && !ks_sched_queue_has_fresh(st, pod->id)) ks_sched_queue_add(sim, st, pod);
        if (w != NULL && w->place == KS_IN_UNSCHEDULABLE) ks_sched_queue_release(sim, st, pod);
    }
    ks_ids_clear(sim->world.heap, &pods);
}

const ks_component ks_scheduler = {
    .name = "scheduler",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .rouse_key = KS_SCHED_CLOCK,
    .keys = KS_KIND_BIT(KS_POD),
    .key_shift = 1,
    .describe = describe,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_NODE) | KS_KIND_BIT(KS_SERVICE) |
             KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV) | KS_KIND_BIT(KS_STORAGECLASS) |
             KS_KIND_BIT(KS_VOLUMEATTACHMENT) | KS_KIND_BIT(KS_NAMESPACE),
    .lists = KS_KIND_BIT(KS_PDB) | KS_KIND_BIT(KS_REPLICASET) | KS_KIND_BIT(KS_STATEFULSET),
    .keeps = KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV), /* plugins/volumebinding/assume_cache.go */
};
