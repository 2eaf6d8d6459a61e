/*
 * scheduler/preemption.c - putting pods of lower priority out of the way: framework/preemption/preemption.go,
 * plugins/defaultpreemption/default_preemption.go.
 */
#include "api/values.h"
#include "scheduler/internal.h"

#include <string.h>

/* A pod that might go. */
typedef struct victim {
    const ks_object *pod;
    ks_pod_rules *rules; /* counted while the node is tried */
    int64_t priority;
    int64_t start; /* KS_NEVER: has not started, so it counts as starting now */
} victim;

typedef struct candidate {
    uint32_t slot, count;
    victim *victims; /* most important first */
    int violations;
} candidate;

/* --- importance: scheduler/util/utils.go MoreImportantPod --- */

static bool more_important(const victim *a, const victim *b) {
    if (a->priority != b->priority) return a->priority > b->priority;
    /* "Now" is asked for anew each time, so the one asked about first is always the earlier. */
    if (a->start == KS_NEVER) return b->start == KS_NEVER;
    return b->start == KS_NEVER || a->start < b->start;
}

static void sort_victims(victim *v, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = i; j > 0 && more_important(&v[j], &v[j - 1]); j--) {
            victim swap = v[j];
            v[j] = v[j - 1];
            v[j - 1] = swap;
        }
}

/* --- disruption budgets --- */

typedef struct budget {
    const ks_object *pdb;
    ks_selector *selector;
    int64_t allowed;
} budget;

static uint32_t read_budgets(ks_cycle *c, budget **out) {
    ks_heap *heap = c->sim->world.heap;
    const ks_store *store = ks_view(c->sim);
    uint32_t n = 0;
    budget *list = ks_sched_arena(&c->arena, (ks_store_count(store, KS_PDB) + 1) * sizeof *list);
    for (ks_walk w = ks_walk_kind(store, KS_PDB, NULL); ks_walk_next(&w);) {
        const ks_str *why = NULL;
        ks_selector *selector = ks_selector_of(heap, ks_get(w.object->spec, K(selector)), &why);
        ks_str_unref(heap, why);
        if (selector == NULL || ks_selector_empty(selector)) {
            ks_selector_unref(heap, selector);
            continue;
        }
        list[n++] = (budget){w.object, selector,
                             ks_int_or(ks_get(w.object->status, K(disruptionsAllowed)), 0)};
    }
    *out = list;
    return n;
}

static bool violates(budget *budgets, uint32_t n, const ks_object *pod) {
    bool violated = false;
    if (ks_len(pod->labels) == 0) return false;
    for (uint32_t i = 0; i < n; i++) {
        budget *b = &budgets[i];
        if (!ks_str_eq(b->pdb->ns, pod->ns) || !ks_selector_matches(b->selector, pod->labels))
            continue;
        ks_val disrupted = ks_get(b->pdb->status, K(disruptedPods));
        if (ks_exists(ks_get_text(disrupted, pod->name->s, pod->name->len))) continue;
        if (--b->allowed < 0) violated = true;
    }
    return violated;
}

/* --- one node --- */

static void move(ks_cycle *c, ks_node_info *node, const victim *v, int sign) {
    ks_sched_node_add(c->sim->world.heap, node, v->rules, sign);
    ks_sched_topology_pod(c, v->pod, node->slot, sign);
    ks_sched_claims_pod(c, v->pod, sign);
    ks_sched_disks_pod(c, v->pod, sign);
}

static victim read_victim(ks_cycle *c, const ks_object *pod) {
    victim v = {.pod = pod, .priority = ks_sched_priority(pod)};
    v.start = ks_instant_of(&c->sim->world, ks_get(pod->status, K(startTime)));
    v.rules = ks_sched_class(c->sim, c->st, pod)->rules;
    v.rules->refs++;
    return v;
}

/* SelectVictimsOnNode. True: a candidate; else *verdict says why not. */
static bool try_node(ks_cycle *c, uint32_t slot, const budget *budgets, uint32_t budget_count,
                     candidate *out, ks_verdict *verdict) {
    ks_heap *heap = c->sim->world.heap;
    const ks_node_info *real = c->st->nodes->at[slot];
    int64_t priority = ks_sched_priority(c->pod);
    uint32_t room = (uint32_t)real->pods + 8, n = 0;
    victim *all = ks_sched_arena(&c->arena, room * sizeof *all);
    for (ks_walk w = ks_walk_node(ks_view(c->sim), real->object->name);
         n < room && ks_walk_next(&w);)
        if (!ks_sched_finished(w.object) && ks_sched_priority(w.object) < priority)
            all[n++] = read_victim(c, w.object);
    /* and those of which the view does not say that they are there, in the order in which they came to be pods */
    const ks_assumed *guest;
    ks_guests guests = ks_sched_guests(c->st, real->object->name);
    while (n < room && (guest = ks_sched_next_guest(&guests)) != NULL)
        if (ks_sched_priority(guest->pod) < priority) all[n++] = read_victim(c, guest->pod);
    c->class = ks_sched_class(c->sim, c->st, c->pod); /* reading others may have moved it */
    if (n == 0) {
        *verdict = (ks_verdict){KS_REASON_NO_VICTIMS, KS_PLUGIN_PREEMPTION, true};
        return false;
    }
    ks_node_info *node = ks_sched_node_clone(heap, real);
    for (uint32_t i = 0; i < n; i++) move(c, node, &all[i], -1);
    *verdict = ks_sched_filter_nominated(c, node);
    bool fits = verdict->plugin == KS_PLUGIN_NONE;
    victim *gone = ks_sched_arena(&c->arena, n * sizeof *gone);
    uint32_t gone_count = 0;
    int violations = 0;
    if (fits) {
        sort_victims(all, n);
        bool *violating = ks_sched_arena(&c->arena, n);
        budget *left = ks_sched_arena(&c->arena, (budget_count + 1) * sizeof *left);
        if (budget_count > 0) memcpy(left, budgets, budget_count * sizeof *left);
        bool both[2] = {false, false};
        for (uint32_t i = 0; i < n; i++)
            both[violating[i] = violates(left, budget_count, all[i].pod)] = true;
        for (int round = 0; round < 2; round++) { /* violating ones first */
            for (uint32_t i = 0; i < n; i++) {
                if (violating[i] != (round == 0)) continue;
                move(c, node, &all[i], 1);
                if (ks_sched_filter_nominated(c, node).plugin == KS_PLUGIN_NONE) continue;
                move(c, node, &all[i], -1);
                gone[gone_count++] = all[i];
                if (round == 0) violations++;
            }
        }
        if (both[0] && both[1]) sort_victims(gone, gone_count);
    }
    /* Put the cycle's counts back. */
    for (uint32_t i = 0; i < (fits ? gone_count : n); i++)
        move(c, node, fits ? &gone[i] : &all[i], 1);
    for (uint32_t i = 0; i < n; i++) ks_sched_rules_unref(heap, all[i].rules);
    *out = (candidate){slot, gone_count, gone, violations};
    ks_sched_node_unref(heap, node);
    return fits && gone_count > 0;
}

/* --- the best candidate: pickOneNodeForPreemption --- */

static int64_t measure(const candidate *k, int criterion) {
    int64_t sum = 0, earliest = KS_NEVER;
    switch (criterion) {
    case 0: return -k->violations;
    case 1: return -k->victims[0].priority;
    case 2:
        for (uint32_t i = 0; i < k->count; i++) sum += k->victims[i].priority + INT64_C(2147483648);
        return -sum;
    case 3: return -(int64_t)k->count;
    default: /* the earliest start among those of the highest priority; not started: now, the latest */
        for (uint32_t i = 0; i < k->count; i++)
            if (k->victims[i].priority == k->victims[0].priority && k->victims[i].start < earliest)
                earliest = k->victims[i].start;
        return earliest;
    }
}

static candidate *pick(ks_cycle *c, candidate *list, uint32_t n) {
    for (int criterion = 0; criterion < 5 && n > 1; criterion++) {
        int64_t best = INT64_MIN;
        uint32_t left = 0;
        for (uint32_t i = 0; i < n; i++) {
            int64_t m = measure(&list[i], criterion);
            if (m > best) best = m;
        }
        for (uint32_t i = 0; i < n; i++)
            if (measure(&list[i], criterion) == best) list[left++] = list[i];
        n = left;
    }
    return &list[n == 1 ? 0 : ks_choose(&c->sim->world, KS_CHOOSE_TIE, n)];
}

/* --- eligibility --- */

static bool terminating_by_preemption(const ks_object *pod) {
    if (!ks_object_terminating(pod)) return false;
    ks_val condition = ks_condition_of(pod->status, "DisruptionTarget");
    return ks_text_is(ks_get(condition, K(status)), "True") &&
           ks_text_is(ks_get(condition, K(reason)), "PreemptionByScheduler");
}

static const char *ineligible(ks_cycle *c) {
    if (ks_text_is(ks_get(c->pod->spec, K(preemptionPolicy)), "Never"))
        return "not eligible due to preemptionPolicy=Never.";
    const ks_str *nominated = ks_str_or_null(ks_get(c->pod->status, K(nominatedNodeName)));
    int64_t slot = nominated == NULL ? -1 : ks_sched_slot(c->st, nominated);
    if (slot < 0 || (c->looked[slot] && c->verdicts[slot].unresolvable)) return NULL;
    for (ks_walk w = ks_walk_node(ks_view(c->sim), nominated); ks_walk_next(&w);)
        if (ks_sched_priority(w.object) < ks_sched_priority(c->pod) &&
            !ks_sched_finished(w.object) && terminating_by_preemption(w.object))
            return "not eligible due to a terminating pod on the nominated node.";
    return NULL;
}

/* Remembers whom to evict: evicting happens when the failed look has been written down. */
static void take(ks_cycle *c, const candidate *best) {
    ks_heap *heap = c->sim->world.heap;
    ks_str_unref(heap, c->nominated);
    c->nominated = ks_str_ref(c->st->nodes->at[best->slot]->object->name);
    ks_val victims = ks_list_new(heap, best->count);
    for (uint32_t i = 0; i < best->count; i++)
        victims = ks_append(heap, victims, ks_int((int64_t)best->victims[i].pod->id));
    c->victim_ids = victims;
    for (uint32_t i = 0; i < best->count; i++)
        c->victims = ks_append(heap, c->victims, ks_string(best->victims[i].pod->name));
}

const ks_str *ks_sched_preempt(ks_cycle *c) {
    ks_heap *heap = c->sim->world.heap;
    const ks_node_table *nodes = c->st->nodes;
    const char *why = ineligible(c);
    if (why != NULL) return ks_str_printf(heap, "preemption: %s", why);
    c->renominated = true;
    uint32_t *potential = ks_sched_arena(&c->arena, (nodes->count + 1) * sizeof *potential), n = 0;
    for (uint32_t slot = 0; slot < nodes->slots; slot++)
        if (nodes->at[slot] != NULL && c->looked[slot] && !c->verdicts[slot].unresolvable)
            potential[n++] = slot;
    uint32_t want = n / 10 > 100 ? n / 10 : 100;
    uint32_t offset = n > want ? ks_choose(&c->sim->world, KS_CHOOSE_TIE, n) : 0;
    budget *budgets = NULL;
    uint32_t budget_count = n == 0 ? 0 : read_budgets(c, &budgets);
    candidate *candidates = ks_sched_arena(&c->arena, (n + 1) * sizeof *candidates);
    uint32_t found = 0, whole = 0;
    ks_val texts = KS_NOTHING;
    for (uint32_t i = n; i < nodes->count; i++)
        texts = ks_append(heap, texts,
                          ks_text(heap, ks_sched_reason_text(KS_REASON_NUMBER_NOT_HELPFUL)));
    for (uint32_t i = 0; i < n && !(whole > 0 && found >= want); i++) {
        uint32_t slot = potential[(offset + i) % n];
        ks_verdict verdict;
        if (try_node(c, slot, budgets, budget_count, &candidates[found], &verdict)) {
            whole += candidates[found].violations == 0;
            found++;
        } else {
            texts = ks_sched_reasons(c, verdict, c->st->nodes->at[slot], texts);
        }
    }
    for (uint32_t i = 0; i < budget_count; i++) ks_selector_unref(heap, budgets[i].selector);
    ks_buf out = {heap, NULL, 0, 0};
    if (found > 0) {
        take(c, pick(c, candidates, found));
    } else {
        ks_buf_puts(&out, "preemption: ");
        ks_sched_fit_message(heap, &out, nodes->count, texts);
    }
    ks_unref(heap, texts);
    return ks_buf_take(&out);
}

/* --- carrying it out --- */

static ks_refusal *mark_disrupted(ks_sim *sim, const ks_object *read, const char *scheduler) {
    ks_heap *heap = sim->world.heap;
    const ks_object *pod = ks_sched_patched(sim, read);
    if (pod == NULL) return ks_refuse_not_found(heap, KS_POD, read->name);
    ks_val conditions = ks_list_new(heap, 4);
    ks_each(condition, ks_get(pod->status, K(conditions))) {
        if (!ks_text_is(ks_get(*condition, K(type)), "DisruptionTarget"))
            conditions = ks_append(heap, conditions, ks_ref(*condition));
    }
    ks_val made = ks_map_of(
        heap, K(type), ks_text(heap, "DisruptionTarget"), K(status), ks_text(heap, "True"),
        K(reason), ks_text(heap, "PreemptionByScheduler"), K(message),
        ks_format(heap, "%s: preempting to accommodate a higher priority pod", scheduler),
        K(lastTransitionTime), ks_time_val(&sim->world, sim->world.now), K(lastProbeTime),
        ks_null(), K(observedGeneration), ks_ref(ks_get(pod->meta, K(generation))), NULL);
    conditions = ks_append(heap, conditions, made);
    ks_val status = ks_put(heap, ks_ref(pod->status), K(conditions), conditions);
    return ks_server_update_status(&sim->server, pod, status, NULL);
}

/* Whether an object could not be written: one that has gone needed not be. Frees `refusal`. */
static bool is_failure(ks_heap *heap, ks_refusal *refusal) {
    bool failure = refusal != NULL && refusal->code != 404;
    ks_refusal_free(heap, refusal);
    return failure;
}

/* Pods of lower priority that were nominated to the node lose that. Whether all could be told. */
static bool clear_nominations(ks_cycle *c) {
    ks_sim *sim = c->sim;
    ks_heap *heap = sim->world.heap;
    const uint64_t here = ks_sched_node_word(c->nominated);
    bool done = true;
    ks_tree all = ks_tree_copy(&c->st->nominees);
    for (ks_tree_iter it = ks_tree_from(&all, (ks_key){here, 0});
         ks_tree_next(&it) && it.key.a == here;) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.key.b);
        if (pod == NULL || pod->id == c->pod->id || pod->node != NULL) continue;
        if (ks_sched_priority(pod) >= ks_sched_priority(c->pod)) continue;
        const ks_object *newest = ks_sched_patched(sim, pod);
        if (newest == NULL) continue;
        ks_val status = ks_drop(heap, ks_ref(newest->status), K(nominatedNodeName));
        if (is_failure(heap, ks_server_update_status(&sim->server, newest, status, NULL)))
            done = false;
    }
    ks_tree_clear(heap, &all);
    return done;
}

static void record_preempted(ks_cycle *c, const ks_object *pod, bool called_off) {
    ks_event e = {.type = "Normal",
                  .reason = "Preempted",
                  .by = c->rules->scheduler,
                  .action = "Preempting",
                  .related = c->pod};
    ks_record(&c->sim->server, pod, &e, "Preempted by pod %s on node %s%s", c->pod->uid->s,
              c->nominated->s, called_off ? " (in kube-scheduler memory)." : "");
    ks_sched_wind(c->sim, c->st);
}

/* framework/preemption/executor.go: PreemptPod: one that waits for its volumes is told to give way, which needs no API server; others are
 * deleted. One that has gone already is not told of. False: it could not be deleted. */
static bool preempt(ks_cycle *c, const ks_object *pod) {
    ks_sim *sim = c->sim;
    bool called_off = ks_since(&sim->server.rules, KS_SINCE_BINDINGS_CALLED_OFF) &&
                      ks_sched_call_off(sim, c->st, pod->id);
    if (!called_off) {
        ks_refusal *refusal = mark_disrupted(sim, pod, c->rules->scheduler->s);
        if (refusal == NULL)
            refusal = ks_server_delete(&sim->server, KS_POD, pod->ns, pod->name, NULL, NULL);
        if (refusal != NULL) return !is_failure(sim->world.heap, refusal);
    }
    record_preempted(c, pod, called_off);
    return true;
}

/* prepareCandidateAsync: nothing is done to victims that terminate already; up to 1.34 they are preempted once more. */
static bool is_to_go(const ks_sim *sim, const ks_object *pod) {
    return pod != NULL && (!ks_object_terminating(pod) ||
                           !ks_since(&sim->server.rules, KS_SINCE_TERMINATING_LEFT_ALONE));
}

static bool any_is_to_go(const ks_cycle *c) {
    ks_each(id, c->victim_ids)
        if (is_to_go(c->sim, ks_store_by_id(ks_view(c->sim), KS_POD, (uint64_t)id->i))) return true;
    return false;
}

/* Where there is nobody to evict, others keep their nominations. */
void ks_sched_evict_victims(ks_cycle *c) {
    ks_sim *sim = c->sim;
    if (!any_is_to_go(c)) return;
    bool told = clear_nominations(c), gone = true;
    ks_each(id, c->victim_ids) {
        const ks_object *pod = ks_object_ref(ks_store_by_id(ks_view(sim), KS_POD, (uint64_t)id->i));
        if (gone && is_to_go(sim, pod)) gone = preempt(c, pod);
        ks_object_unref(sim->world.heap, pod);
    }
    if (!told || !gone) ks_sched_queue_activate(sim, c->st, c->pod->id);
}
