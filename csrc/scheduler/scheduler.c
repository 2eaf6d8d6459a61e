/*
 * scheduler/scheduler.c - the component: what it notices, and what becomes of a pod that is looked at
 * (pkg/scheduler/schedule_one.go, eventhandlers.go).
 */
#include "scheduler/internal.h"

#include <string.h>

/* Keys: an odd one looks at the next pod of the queue. It is twice the id of the pod that brought the look along, and one; or 1, for those
 * that brought none. An even key is twice the id of a pod that waits for its volumes. */
enum { SCHEDULE_KEY = 1, BIND_TIMEOUT_SECONDS = 600, NOTE_LIMIT = 1024 };

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
    st->looks.type = &ks_sched_looks_type;
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
    st->waiting = ks_tree_copy(&from->waiting);
    st->refused = ks_tree_copy(&from->refused);
    st->services_by = ks_tree_copy(&from->services_by);
    st->assumed = ks_tree_copy(&from->assumed);
    st->nominated = ks_tree_copy(&from->nominated);
    st->looks = ks_tree_copy(&from->looks);
    st->scratch = NULL;
    st->told = NULL;
    st->told_at = KS_NOTHING;
    memset(&st->failed, 0, sizeof st->failed);
    st->changes = NULL;
    memset(st->axes, 0, sizeof st->axes);
    return st;
}

static void drop_axes(ks_heap *heap, ks_sched *st) {
    for (int i = 0; i < KS_MAX_AXES; i++) {
        ks_axis *axis = &st->axes[i];
        ks_str_unref(heap, axis->key);
        ks_free(heap, axis->domain, axis->cap * sizeof *axis->domain);
        *axis = (ks_axis){.key = NULL};
    }
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
    ks_tree *trees[] = {&st->slots,   &st->classes,     &st->tallies, &st->pairs,
                        &st->groups,  &st->group_terms, &st->active,  &st->backoff,
                        &st->errors,  &st->waiting,     &st->refused, &st->services_by,
                        &st->assumed, &st->nominated,   &st->looks};
    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) ks_tree_clear(heap, trees[i]);
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

static void account(ks_sim *sim, ks_sched *st, const ks_object *pod, const ks_str *node, int sign) {
    int64_t slot = ks_sched_slot(st, node);
    if (slot >= 0) ks_sched_account(sim, st, pod, (uint32_t)slot, sign);
}

/* A pod counts as it is now instead of as it was. */
static void recount(ks_sim *sim, ks_sched *st, const ks_object *old, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_sched_pairs_account(heap, st, pod, 1);
    account(sim, st, old, pod->node, -1);
    account(sim, st, pod, pod->node, 1);
    ks_sched_pairs_account(heap, st, old, -1);
}

/* Nothing is assumed of a pod any more: what counted, a new reference; NULL: nothing was. */
static const ks_object *end_assumption(ks_sim *sim, ks_sched *st, uint64_t id) {
    const ks_assumed *assumed = ks_sched_assumed(st, id);
    const ks_object *counted = assumed == NULL ? NULL : ks_object_ref(assumed->pod);
    if (assumed != NULL) ks_tree_del(sim->world.heap, &st->assumed, (ks_key){0, id});
    return counted;
}

/* It does not come to be on its node: backend/cache/cache.go: ForgetPod. */
static void forget_assumed(ks_sim *sim, ks_sched *st, uint64_t id) {
    ks_heap *heap = sim->world.heap;
    const ks_assumed *assumed = ks_sched_assumed(st, id);
    if (assumed == NULL) return;
    const ks_str *node = ks_str_ref(assumed->node);
    const ks_object *counted = end_assumption(sim, st, id);
    st->mark = ++st->sequence;
    account(sim, st, counted, node, -1);
    ks_sched_pairs_account(heap, st, counted, -1);
    ks_object_unref(heap, counted);
    ks_str_unref(heap, node);
}

/* The view has the pod where it was assumed to be: cache.go: AddPod, of an assumed pod. */
static void confirm_assumed(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    const ks_object *counted = end_assumption(sim, st, pod->id);
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
        account(sim, st, old, old->node, -1);
        ks_sched_pairs_account(heap, st, old, -1);
    }
    const ks_assumed *assumed = ks_sched_assumed(st, pod->id);
    if (assumed != NULL && has && ks_str_eq(assumed->node, pod->node)) {
        confirm_assumed(sim, st, pod);
        return;
    }
    if (pod->node != NULL || change->type == KS_DELETED) forget_assumed(sim, st, pod->id);
    if (!has) return;
    ks_sched_pairs_account(heap, st, pod, 1);
    account(sim, st, pod, pod->node, 1);
}

static void follow_nomination(ks_sim *sim, ks_sched *st, const ks_object *pod, bool gone) {
    ks_heap *heap = sim->world.heap;
    bool placed = pod->node != NULL || ks_sched_assumed(st, pod->id) != NULL;
    const ks_str *name =
        gone || placed ? NULL : ks_str_or_null(ks_get(pod->status, K(nominatedNodeName)));
    int64_t slot = name == NULL || name->len == 0 ? -1 : ks_sched_slot(st, name);
    if (slot >= 0)
        ks_tree_put(heap, &st->nominated, (ks_key){0, pod->id}, (void *)(uintptr_t)(slot + 1));
    else if (st->nominated.count > 0)
        ks_tree_del(heap, &st->nominated, (ks_key){0, pod->id});
}

/* Whether an update of an unscheduled pod may make it schedulable: what the default plugins look at. */
static bool relevant_update(const ks_object *old, const ks_object *new) {
    if (!ks_equal(old->labels, new->labels)) return true;
    if (old->spec.type == KS_MAP && new->spec.type == KS_MAP && old->spec.m == new->spec.m)
        return false;
    return !ks_equal(ks_get(old->spec, K(tolerations)), ks_get(new->spec, K(tolerations))) ||
           !ks_equal(ks_get(old->spec, K(schedulingGates)),
                     ks_get(new->spec, K(schedulingGates))) ||
           !ks_equal(ks_get(old->spec, K(nodeSelector)), ks_get(new->spec, K(nodeSelector))) ||
           !ks_equal(ks_get(old->spec, K(affinity)), ks_get(new->spec, K(affinity))) ||
           !ks_equal(ks_get(old->spec, K(containers)), ks_get(new->spec, K(containers)));
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
    const ks_waiting *w =
        st->waiting.count == 0 ? NULL : ks_tree_get(&st->waiting, (ks_key){0, pod->id});
    if (w == NULL || change->old == NULL || !relevant_update(change->old, pod)) return;
    if (w->place == KS_IN_GATED) {
        if (ks_len(ks_get(change->old->spec, K(schedulingGates))) > 0)
            ks_sched_queue_add(sim, st, pod);
    } else if (w->place == KS_IN_UNSCHEDULABLE) {
        ks_sched_queue_release(sim, st, pod);
    }
}

static void observe_pod(ks_sim *sim, ks_sched *st, const ks_change *change) {
    const ks_object *pod = change->object, *old = change->type == KS_DELETED ? pod : change->old;
    bool gone = change->type == KS_DELETED;
    bool had = old != NULL && takes_place(old), has = !gone && takes_place(pod);
    if (had || has || gone || ks_sched_assumed(st, pod->id) != NULL)
        observe_placed(sim, st, change, old, had, has);
    if (!had || gone) observe_unplaced(sim, st, change);
    if (st->nominated.count > 0 || ks_exists(ks_get(pod->status, K(nominatedNodeName))))
        follow_nomination(sim, st, pod, gone);
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

/* With the kubelet played by hand a pod is bound as soon as its claims are. */
static void wake_prebind(ks_sim *sim, ks_sched *st) {
    if (!sim->settings->manual_kubelet) return;
    for (ks_tree_iter it = ks_tree_begin(&st->assumed); ks_tree_next(&it);)
        if (!((const ks_assumed *)it.value)->bound) ks_enqueue(sim, st->index, it.key.b * 2);
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    ks_sched *st = state;
    st->mark = ++st->sequence;
    switch (change->object->kind) {
    case KS_POD: observe_pod(sim, st, change); break;
    case KS_NODE: ks_sched_node_changed(sim, st, change); break;
    case KS_SERVICE: observe_service(sim->world.heap, st, change); break;
    case KS_PVC:
        if (st->assumed.count > 0) wake_prebind(sim, st);
        break;
    case KS_NAMESPACE: /* terms select namespaces by label */
        if (change->old != NULL && !ks_equal(change->old->labels, change->object->labels))
            ks_sched_tallies_drop(sim->world.heap, st);
        return;
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

static ks_cycle *begin(ks_sim *sim, ks_sched *st, const ks_object *pod) {
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
    if (st->axes[KS_MAX_AXES - 1].key != NULL) drop_axes(heap, st);
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

static void end(ks_cycle *c) {
    ks_heap *heap = c->sim->world.heap;
    ks_object_unref(heap, c->pod);
    ks_sched_rules_unref(heap, c->rules);
    ks_unref(heap, c->prefilter_text);
    ks_unref(heap, c->policy_texts);
    ks_unref(heap, c->policy_scores);
    ks_unref(heap, c->victims);
    ks_unref(heap, c->victim_ids);
    ks_str_unref(heap, c->nominated);
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

static bool same_failure(ks_val condition, const char *reason, const ks_str *message) {
    return ks_text_is(ks_get(condition, K(status)), "False") &&
           ks_text_is(ks_get(condition, K(reason)), reason) &&
           ks_str_eq(ks_str_or_null(ks_get(condition, K(message))), message);
}

/* The same text, if it is what has been told last, else that: pods that fail alike share it, and in one second their status (`failed`).
 * Takes over `message`. */
static const ks_str *told(ks_sim *sim, ks_sched *st, const ks_str *message) {
    ks_heap *heap = sim->world.heap;
    ks_val now = ks_time_val(&sim->world, sim->world.now);
    if (!ks_identical(st->told_at, now)) ks_alike_clear(heap, &st->failed);
    ks_unref(heap, st->told_at);
    st->told_at = now;
    if (st->told != NULL && ks_str_eq(st->told, message)) {
        ks_str_unref(heap, message);
        return ks_str_ref(st->told);
    }
    ks_str_unref(heap, st->told);
    st->told = ks_str_ref(message);
    return message;
}

/* A list of conditions with that one in it, in place of what it had of the type: a new reference. `made` is taken over. */
static ks_val with_condition(ks_heap *heap, ks_val conditions, const char *type, ks_val made) {
    ks_val list = ks_list_new(heap, ks_len(conditions) + 1);
    bool there = false;
    ks_each(condition, conditions) {
        bool same = ks_text_is(ks_get(*condition, K(type)), type);
        there = there || same;
        list = ks_append(heap, list, ks_ref(same ? made : *condition));
    }
    if (!there) list = ks_append(heap, list, ks_ref(made));
    ks_unref(heap, made);
    return list;
}

/* The PodScheduled condition, and the nominated node when `nominate`. Whether that was news, for which the API server is asked. */
static bool patch_status(ks_sim *sim, ks_sched *st, const ks_object *looked_at, const char *reason,
                         const ks_str *message, bool nominate, const ks_str *nominated) {
    ks_heap *heap = sim->world.heap;
    const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, looked_at->id);
    if (pod == NULL) pod = looked_at;
    const ks_object *newest = ks_sched_patched(sim, pod);
    if (newest == NULL) return true;
    ks_val text = {.type = KS_STRING, .s = message}, generation = ks_get(pod->meta, K(generation));
    bool alone = nominate || newest != pod;
    ks_val alike = alone ? KS_NOTHING : ks_alike_get(&st->failed, pod->status, text, generation);
    if (ks_exists(alike)) {
        ks_refusal_free(heap, ks_server_update_status(&sim->server, pod, alike, NULL));
        return true;
    }
    ks_val old = KS_NOTHING;
    ks_each(condition, ks_get(pod->status, K(conditions))) {
        if (ks_text_is(ks_get(*condition, K(type)), "PodScheduled")) old = *condition;
    }
    ks_val since = ks_text_is(ks_get(old, K(status)), "False")
                       ? ks_ref(ks_get(old, K(lastTransitionTime)))
                       : ks_time_val(&sim->world, sim->world.now);
    ks_val made = ks_map_of(heap, K(type), ks_string(K(PodScheduled)), K(status),
                            ks_string(K(False)), K(reason), ks_text(heap, reason), K(message),
                            ks_string(message), K(lastProbeTime), ks_null(), K(lastTransitionTime),
                            since, K(observedGeneration), ks_ref(generation), NULL);
    bool same = same_failure(old, reason, message) &&
                ks_equal(ks_get(old, K(observedGeneration)), ks_get(made, K(observedGeneration)));
    const ks_str *now = ks_str_or_null(ks_get(pod->status, K(nominatedNodeName)));
    if (!nominate) nominated = now;
    if (same && ks_str_eq(now, nominated)) {
        ks_unref(heap, made);
        return false;
    }
    ks_val conditions =
        same ? ks_ref(ks_get(newest->status, K(conditions)))
             : with_condition(heap, ks_get(newest->status, K(conditions)), "PodScheduled", made);
    if (same) ks_unref(heap, made);
    ks_val status = ks_put(heap, ks_ref(newest->status), K(conditions), conditions);
    if (!ks_str_eq(now, nominated))
        status = ks_put(heap, status, K(nominatedNodeName),
                        nominated == NULL ? KS_NOTHING : ks_string(nominated));
    if (!alone) ks_alike_put(heap, &st->failed, pod->status, text, generation, status);
    ks_refusal_free(heap, ks_server_update_status(&sim->server, newest, status, NULL));
    return true;
}

static void record_failure(ks_sim *sim, const ks_object *pod, const ks_str *profile,
                           const ks_str *message) {
    ks_event e = {.type = "Warning",
                  .reason = "FailedScheduling",
                  .component = profile->s,
                  .action = "Scheduling"};
    if (message->len > NOTE_LIMIT)
        ks_record(&sim->server, pod, &e, "%.*s ...", NOTE_LIMIT - 4, message->s);
    else
        ks_record(&sim->server, pod, &e, "%s", message->s);
}

/* The pod is to be tried again, if it still is what the view has. False: another has its name by now. */
static bool requeue(ks_cycle *c, uint32_t plugins) {
    const ks_store *view = ks_view(c->sim);
    const ks_object *now = ks_store_by_id(view, KS_POD, c->pod->id);
    if (now == NULL) return ks_store_get(view, KS_POD, c->pod->ns, c->pod->name) == NULL;
    if (now->node == NULL) ks_sched_queue_failed(c->sim, c->st, c->pod, plugins);
    return true;
}

/* handleSchedulingFailure. Takes over `message`; `plugins` 0: an error. Whether it took a call of the API server. */
static bool fail(ks_cycle *c, const char *reason, const ks_str *message, uint32_t plugins) {
    ks_sim *sim = c->sim;
    bool asked = false;
    message = told(sim, c->st, message);
    if (requeue(c, plugins)) {
        record_failure(sim, c->pod, c->rules->scheduler, message);
        asked = patch_status(sim, c->st, c->pod, reason, message, c->renominated, c->nominated);
    }
    ks_str_unref(sim->world.heap, message);
    return asked;
}

/* schedule_one.go: clearNominatedNode. */
static void clear_nominated(ks_cycle *c) {
    ks_str_unref(c->sim->world.heap, c->nominated);
    c->nominated = NULL;
    c->renominated = true;
}

/* handleBindingCycleError: what was assumed is forgotten, which is to other pods as if this one had been deleted from its node. Takes
 * over `message`. */
static void fail_binding(ks_cycle *c, const ks_str *message) {
    clear_nominated(c);
    ks_change gone = {.refs = 1, .type = KS_DELETED, .object = c->pod};
    if (ks_sched_assumed(c->st, c->pod->id) != NULL) forget_assumed(c->sim, c->st, c->pod->id);
    ks_sched_hint_gone(c->sim, c->st, &gone);
    fail(c, "SchedulerError", message, 0);
}

static void fail_prebind(ks_cycle *c, const char *why) {
    fail_binding(
        c, ks_str_printf(c->sim->world.heap, "running PreBind plugin \"VolumeBinding\": %s", why));
}

/* --- binding --- */

static void record_scheduled(ks_sim *sim, const ks_object *pod, const ks_str *node) {
    const char *profile = ks_text_or(ks_get(pod->spec, K(schedulerName)), "default-scheduler");
    ks_event e = {
        .type = "Normal", .reason = "Scheduled", .component = profile, .action = "Binding"};
    ks_record_parts(&sim->server, pod, &e, "Successfully assigned %s/%s to %s", pod->ns, pod->name,
                    node);
}

/* It is bound; whether the view shows it is another matter. */
static void mark_bound(ks_sim *sim, ks_sched *st, uint64_t id) {
    const ks_assumed *assumed = ks_sched_assumed(st, id);
    if (assumed == NULL) return;
    ks_assumed *bound = ks_alloc(sim->world.heap, sizeof *bound);
    *bound = *assumed;
    bound->refs = 1;
    bound->bound = true;
    ks_str_ref(bound->node);
    ks_object_ref(bound->pod);
    ks_tree_put(sim->world.heap, &st->assumed, (ks_key){0, id}, bound);
}

/* Binds a pod. NULL, or what was wrong. */
static ks_refusal *bind(ks_sim *sim, ks_sched *st, const ks_object *pod, const ks_str *node) {
    ks_refusal *refusal = ks_server_bind(&sim->server, pod, node);
    if (refusal != NULL) return refusal;
    mark_bound(sim, st, pod->id);
    record_scheduled(sim, pod, node);
    ks_sched_queue_remove(sim, st, pod->id);
    return NULL;
}

static void bind_failed(ks_cycle *c, ks_refusal *refusal) {
    ks_heap *heap = c->sim->world.heap;
    const ks_str *message =
        ks_str_printf(heap, "running Bind plugin \"DefaultBinder\": %s", refusal->message->s);
    ks_refusal_free(heap, refusal);
    fail_binding(c, message);
}

/* The pod counts on its node from now on: schedule_one.go: assume. */
static void assume(ks_cycle *c, const ks_str *node) {
    ks_heap *heap = c->sim->world.heap;
    ks_sched *st = c->st;
    ks_assumed *a = ks_alloc(heap, sizeof *a);
    *a = (ks_assumed){.refs = 1,
                      .node = ks_str_ref(node),
                      .pod = ks_object_ref(c->pod),
                      .since = c->sim->world.now};
    ks_tree_put(heap, &st->assumed, (ks_key){0, c->pod->id}, a);
    if (st->nominated.count > 0) ks_tree_del(heap, &st->nominated, (ks_key){0, c->pod->id});
    st->mark = ++st->sequence;
    ks_sched_pairs_account(heap, st, c->pod, 1);
    account(c->sim, st, c->pod, node, 1);
}

/* Says where a pod is going to be that waits for its volumes. */
static void nominate(ks_cycle *c, const ks_str *node) {
    ks_sim *sim = c->sim;
    ks_heap *heap = sim->world.heap;
    if (!ks_since(&sim->server.rules, KS_SINCE_NOMINATION_BEFORE_BINDING) ||
        ks_str_eq(ks_str_or_null(ks_get(c->pod->status, K(nominatedNodeName))), node))
        return;
    const ks_object *newest = ks_sched_patched(sim, c->pod);
    if (newest == NULL) return;
    ks_val status = ks_put(heap, ks_ref(newest->status), K(nominatedNodeName), ks_string(node));
    ks_refusal_free(heap, ks_server_update_status(&sim->server, newest, status, NULL));
}

/* The pod has its node, and waits there for its volumes. */
static void begin_binding(ks_cycle *c, const ks_object *node) {
    ks_sim *sim = c->sim;
    ks_heap *heap = sim->world.heap;
    uint64_t id = c->pod->id;
    assume(c, node->name);
    nominate(c, node->name);
    const ks_str *why = ks_sched_reserve_claims(c, node);
    if (why != NULL)
        fail_prebind(c, why->s);
    else
        ks_enqueue_at(sim, c->st->index, id * 2,
                      sim->settings->manual_kubelet ? sim->world.now : sim->world.now + KS_SECOND);
    ks_str_unref(heap, why);
}

static void place(ks_cycle *c, uint32_t slot) {
    ks_sim *sim = c->sim;
    ks_heap *heap = sim->world.heap;
    const ks_object *node = ks_object_ref(c->st->nodes->at[slot]->object);
    ks_sched_remember(c, slot);
    if (c->claims.any_delayed) {
        begin_binding(c, node);
    } else {
        /* else the view shows it as soon as it is bound */
        if (ks_view_is_late(sim)) assume(c, node->name);
        c->st->placing.pod = c->pod->id;
        c->st->placing.class = c->st->last_class;
        ks_refusal *refusal = bind(sim, c->st, c->pod, node->name);
        c->st->placing.pod = 0;
        if (refusal != NULL) bind_failed(c, refusal);
    }
    ks_object_unref(heap, node);
}

/* Looks at a pod. Whether that took the scheduler a call of the API server: a pod that cannot be placed is told so before the next one
 * is looked at; binding, telling of Events and getting rid of victims go on beside that (schedule_one.go: go sched.runBindingCycle). */
static bool schedule(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_cycle *c = begin(sim, st, pod);
    bool asked = false;
    if (ks_object_terminating(pod)) {
        const ks_str *message =
            ks_str_printf(heap, "skip schedule deleting pod: %s/%s", pod->ns->s, pod->name->s);
        record_failure(sim, pod, c->rules->scheduler, message);
        ks_str_unref(heap, message);
    } else if (st->nodes->count == 0) {
        clear_nominated(c);
        asked = fail(c, "Unschedulable", ks_str_of(heap, "no nodes available to schedule pods"), 0);
    } else {
        ks_sched_prefilter(c);
        if (c->prefilter == NULL) ks_sched_find_nodes(c);
        uint32_t slot = c->feasible_count > 0 && !c->failed ? ks_sched_choose(c) : 0;
        if (c->failed) {
            ks_sched_queue_failed(sim, st, pod, 0);
            ks_sim_fail(sim);
        } else if (c->feasible_count > 0) {
            place(c, slot);
        } else {
            const ks_str *message = failure_message(c);
            ks_sched_remember(c, -1);
            asked = fail(c, "Unschedulable", message, c->plugins);
            if (ks_len(c->victim_ids) > 0) ks_sched_evict_victims(c);
        }
    }
    end(c);
    return asked;
}

static void give_up_binding(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_refusal *refusal) {
    ks_cycle *c = begin(sim, st, pod);
    if (refusal != NULL)
        bind_failed(c, refusal);
    else
        fail_prebind(c, "binding volumes: context deadline exceeded");
    end(c);
}

/* A pod that waits for its volumes: binds it when they are there. */
static void finish_binding(ks_sim *sim, ks_sched *st, uint64_t id) {
    ks_heap *heap = sim->world.heap;
    const ks_assumed *waits = ks_sched_assumed(st, id);
    if (waits == NULL || waits->bound) return;
    const ks_object *pod = ks_object_ref(ks_store_by_id(ks_view(sim), KS_POD, id));
    if (pod == NULL) return;
    const ks_str *node = ks_str_ref(waits->node);
    int64_t deadline = waits->since + BIND_TIMEOUT_SECONDS * KS_SECOND;
    if (ks_sched_claims_bound(sim, pod)) {
        ks_refusal *refusal = bind(sim, st, pod, node);
        if (refusal != NULL) give_up_binding(sim, st, pod, refusal);
    } else if (sim->world.now >= deadline) {
        give_up_binding(sim, st, pod, NULL);
    } else {
        ks_enqueue_at(sim, st->index, id * 2,
                      sim->settings->manual_kubelet ? deadline : sim->world.now + KS_SECOND);
    }
    ks_str_unref(heap, node);
    ks_object_unref(heap, pod);
}

/* Of many that wait for a look the next ones are asked for: to the engine, which asks for what keys need, they are one key. */
static void look_ahead(const ks_sim *sim, const ks_sched *st) {
    enum { MANY = 200 };
    const ks_key *at;
    void *const *ids;
    if (st->active.count < MANY) return;
    int count = ks_tree_front(&st->active, &at, &ids);
    for (int i = 0; i < count && i < KS_STEPS_AHEAD; i++)
        ks_store_ahead(ks_view(sim), KS_KIND_BIT(KS_POD), (uint64_t)(uintptr_t)ids[i], i + 1);
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    ks_sched *st = state;
    if (key % 2 == 0) {
        finish_binding(sim, st, key / 2);
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
        const ks_waiting *w = ks_tree_get(&st->waiting, (ks_key){0, pod->id});
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
    .keys = KS_KIND_BIT(KS_POD),
    .key_shift = 1,
    .describe = describe,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_NODE) | KS_KIND_BIT(KS_SERVICE) |
             KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV) | KS_KIND_BIT(KS_STORAGECLASS) |
             KS_KIND_BIT(KS_VOLUMEATTACHMENT) | KS_KIND_BIT(KS_NAMESPACE),
    .lists = KS_KIND_BIT(KS_PDB) | KS_KIND_BIT(KS_REPLICASET) | KS_KIND_BIT(KS_STATEFULSET),
    .keeps = KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV), /* plugins/volumebinding/assume_cache.go */
};
