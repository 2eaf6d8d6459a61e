/*
 * scheduler/topology.c - PodTopologySpread and InterPodAffinity (plugins/podtopologyspread, plugins/interpodaffinity): what
 * depends on which pods lie in which domain. Counts by node come from tallies and groups; a cycle sums them by domain.
 */
#include "scheduler/internal.h"

#include <math.h>

static int64_t count_on(const ks_tally *tally, uint32_t slot) {
    return tally == NULL || slot >= tally->cap ? 0 : tally->counts[slot];
}

static int32_t domain_of(const ks_axis *axis, uint32_t slot) {
    return axis == NULL ? -1 : axis->domain[slot];
}

static const ks_axis *axis_of(ks_cycle *c, const ks_str *key) {
    return ks_sched_axis(c->sim->world.heap, c->st, key);
}

static int64_t *sums_for(ks_cycle *c, const ks_axis *axis) {
    return ks_sched_arena(&c->arena, (axis == NULL ? 1 : axis->count + 1) * sizeof(int64_t));
}

static const ks_node_info *node_at(const ks_cycle *c, uint32_t slot) {
    return c->st->nodes->at[slot];
}

/* --- spread, filter --- */

/* Of a domain without a node that counts. Dry runs may take more pods from one than were counted: those that terminate. */
#define NOBODY INT64_MIN

static bool off(const ks_cycle *c, ks_plugin plugin) {
    return (c->rules->disabled >> plugin & 1U) != 0;
}

/* Node has the keys of all constraints that are hard (or of all, soft and hard apart). */
static bool has_keys(const ks_cycle *c, const ks_spread *spread, bool hard, uint32_t slot) {
    for (uint32_t i = 0; i < c->rules->constraint_count; i++)
        if (spread[i].constraint->hard == hard && domain_of(spread[i].axis, slot) < 0) return false;
    return true;
}

/* matchNodeInclusionPolicies. */
static bool included(ks_cycle *c, const ks_constraint *constraint, uint32_t slot) {
    const ks_entry *entry = ks_sched_entry(c->sim, c->st, c->class, slot);
    if (constraint->honor_affinity && !entry->affinity_ok) return false;
    return !constraint->honor_taints || entry->taints_ok;
}

static ks_spread *read_constraints(ks_cycle *c) {
    uint32_t n = c->rules->constraint_count;
    ks_spread *spread = ks_sched_arena(&c->arena, n * sizeof *spread);
    for (uint32_t i = 0; i < n; i++) {
        const ks_constraint *constraint = &c->rules->constraints[i];
        spread[i] = (ks_spread){.constraint = constraint,
                                .axis = axis_of(c, constraint->key),
                                .tally = ks_sched_tally(c->st, constraint->tally)};
    }
    return spread;
}

static void find_min(ks_spread *s) {
    s->min = INT64_MAX;
    s->domains = 0;
    for (uint32_t d = 0; s->axis != NULL && d < s->axis->count; d++) {
        if (s->counts[d] == NOBODY) continue;
        s->domains++;
        if (s->counts[d] < s->min) s->min = s->counts[d];
    }
    if (s->domains == 0) s->min = 0;
}

static void prefilter_spread(ks_cycle *c) {
    ks_spread *spread = c->spread = read_constraints(c);
    for (uint32_t i = 0; i < c->rules->constraint_count; i++) {
        ks_spread *s = &spread[i];
        if (!s->constraint->hard) continue;
        s->counts = sums_for(c, s->axis);
        for (uint32_t d = 0; s->axis != NULL && d < s->axis->count; d++) s->counts[d] = NOBODY;
        for (uint32_t slot = 0; s->axis != NULL && slot < c->slots; slot++) {
            if (node_at(c, slot) == NULL || !has_keys(c, spread, true, slot) ||
                !included(c, s->constraint, slot))
                continue;
            int64_t *count = &s->counts[s->axis->domain[slot]];
            *count = (*count == NOBODY ? 0 : *count) + count_on(s->tally, slot);
        }
        find_min(s);
    }
}

static ks_verdict filter_spread(const ks_cycle *c, uint32_t slot) {
    for (uint32_t i = 0; i < c->rules->constraint_count; i++) {
        const ks_spread *s = &c->spread[i];
        if (!s->constraint->hard) continue;
        int32_t d = domain_of(s->axis, slot);
        if (d < 0) return (ks_verdict){KS_REASON_SPREAD_LABEL, KS_PLUGIN_SPREAD, true};
        int64_t count = s->counts[d] == NOBODY ? 0 : s->counts[d];
        int64_t min = (int64_t)s->domains < s->constraint->min_domains ? 0 : s->min;
        if (count + (s->constraint->self ? 1 : 0) - min > s->constraint->max_skew)
            return (ks_verdict){KS_REASON_SPREAD, KS_PLUGIN_SPREAD, false};
    }
    return KS_FEASIBLE;
}

/* --- affinity, filter --- */

static void sum_tally(ks_cycle *c, ks_sums *out, const ks_str *key, ks_key tally_key) {
    const ks_tally *tally = ks_sched_tally(c->st, tally_key);
    out->axis = axis_of(c, key);
    out->sums = sums_for(c, out->axis);
    for (uint32_t slot = 0; tally != NULL && slot < c->slots; slot++) {
        int32_t d = domain_of(out->axis, slot);
        if (d >= 0) out->sums[d] += count_on(tally, slot);
    }
}

static void make_room(ks_cycle *c, ks_sums_list *list) {
    enum { MOSTLY = 4 };
    uint32_t cap = list->cap == 0 ? MOSTLY : list->cap * 2;
    ks_sums *items = ks_sched_arena(&c->arena, cap * sizeof *items);
    if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
    list->items = items;
    list->cap = cap;
}

/* The sums of a topology key, until another one's are asked for. */
static ks_sums *sums_of_key(ks_cycle *c, ks_sums_list *list, const ks_str *key) {
    const ks_axis *axis = axis_of(c, key);
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i].axis == axis) return &list->items[i];
    if (list->count == list->cap) make_room(c, list);
    list->items[list->count] = (ks_sums){axis, sums_for(c, axis)};
    return &list->items[list->count++];
}

static void add_group(ks_cycle *c, const ks_group *g, ks_sums *sums, int64_t weight) {
    for (uint32_t slot = 0; slot < g->cap && slot < c->slots; slot++) {
        int32_t d =
            g->counts[slot] == 0 || node_at(c, slot) == NULL ? -1 : domain_of(sums->axis, slot);
        if (d >= 0) sums->sums[d] += weight * g->counts[slot];
    }
}

static void find_any_affinity(ks_cycle *c) {
    c->any_affinity = false;
    for (uint32_t i = 0; i < c->rules->affinity.count; i++)
        for (uint32_t d = 0; c->affinity[i].axis != NULL && d < c->affinity[i].axis->count; d++)
            if (c->affinity[i].sums[d] > 0) c->any_affinity = true;
}

/* Pods that do not want to be with this one. */
static void existing_anti(void *payload, const ks_group *g, uint64_t bucket) {
    ks_cycle *c = payload;
    for (uint32_t i = 0; i < g->required_anti.count; i++) {
        const ks_term *term = &g->required_anti.items[i];
        if (term->bucket != bucket ||
            !ks_sched_term_matches(c->sim, term, c->pod->ns, c->pod->labels))
            continue;
        add_group(c, g, sums_of_key(c, &c->existing_anti, term->key), 1);
    }
}

static bool any_sum(const ks_sums_list *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        const ks_sums *s = &list->items[i];
        for (uint32_t d = 0; s->axis != NULL && d < s->axis->count; d++)
            if (s->sums[d] > 0) return true;
    }
    return false;
}

static void prefilter_affinity(ks_cycle *c) {
    const ks_pod_rules *r = c->rules;
    if (r->affinity.count + r->anti.count + c->st->groups.count == 0) return;
    c->affinity = ks_sched_arena(&c->arena, (r->affinity.count + 1) * sizeof *c->affinity);
    c->anti = ks_sched_arena(&c->arena, (r->anti.count + 1) * sizeof *c->anti);
    for (uint32_t i = 0; i < r->affinity.count; i++)
        sum_tally(c, &c->affinity[i], r->affinity.items[i].key, r->affinity_tally);
    for (uint32_t i = 0; i < r->anti.count; i++)
        sum_tally(c, &c->anti[i], r->anti.items[i].key, r->anti_tallies[i]);
    find_any_affinity(c);
    c->existing_anti.count = 0;
    if (c->st->groups.count > 0) ks_sched_groups_for(c->st, c->pod->labels, existing_anti, c);
    c->relates = r->affinity.count + r->anti.count > 0 || any_sum(&c->existing_anti);
}

static ks_verdict filter_affinity(const ks_cycle *c, uint32_t slot) {
    const ks_pod_rules *r = c->rules;
    bool exist = true;
    for (uint32_t i = 0; i < r->affinity.count; i++) {
        int32_t d = domain_of(c->affinity[i].axis, slot);
        if (d < 0) return (ks_verdict){KS_REASON_POD_AFFINITY, KS_PLUGIN_POD_AFFINITY, true};
        if (c->affinity[i].sums[d] <= 0) exist = false;
    }
    if (!exist && (c->any_affinity || !r->terms_self))
        return (ks_verdict){KS_REASON_POD_AFFINITY, KS_PLUGIN_POD_AFFINITY, true};
    for (uint32_t i = 0; i < r->anti.count; i++) {
        int32_t d = domain_of(c->anti[i].axis, slot);
        if (d >= 0 && c->anti[i].sums[d] > 0)
            return (ks_verdict){KS_REASON_POD_ANTI, KS_PLUGIN_POD_AFFINITY, false};
    }
    for (uint32_t i = 0; i < c->existing_anti.count; i++) {
        int32_t d = domain_of(c->existing_anti.items[i].axis, slot);
        if (d >= 0 && c->existing_anti.items[i].sums[d] > 0)
            return (ks_verdict){KS_REASON_EXISTING_ANTI, KS_PLUGIN_POD_AFFINITY, false};
    }
    return KS_FEASIBLE;
}

void ks_sched_prefilter_topology(ks_cycle *c) {
    if (c->rules->spread_hard && !off(c, KS_PLUGIN_SPREAD)) prefilter_spread(c);
    if (!off(c, KS_PLUGIN_POD_AFFINITY)) prefilter_affinity(c);
}

ks_verdict ks_sched_filter_topology(ks_cycle *c, uint32_t slot) {
    ks_verdict v = KS_FEASIBLE;
    if (c->rules->spread_hard && !off(c, KS_PLUGIN_SPREAD)) v = filter_spread(c, slot);
    if (v.plugin == KS_PLUGIN_NONE && !off(c, KS_PLUGIN_POD_AFFINITY)) v = filter_affinity(c, slot);
    return v;
}

/* --- dry runs: AddPod and RemovePod of both plugins --- */

/* Whether a pod terminates, and so was not counted, or nobody is, is not asked here: updateWithPod. */
static void spread_pod(ks_cycle *c, const ks_object *pod, uint32_t slot, int sign) {
    if (!ks_str_eq(pod->ns, c->pod->ns)) return;
    for (uint32_t i = 0; i < c->rules->constraint_count; i++) {
        ks_spread *s = &c->spread[i];
        int32_t d = domain_of(s->axis, slot);
        const ks_selector *selector = s->constraint->selector;
        if (!s->constraint->hard || selector == NULL || d < 0 || s->counts[d] == NOBODY) continue;
        if (!has_keys(c, c->spread, true, slot) || !included(c, s->constraint, slot)) continue;
        if (!ks_selector_matches(selector, pod->labels)) continue;
        s->counts[d] += sign;
        find_min(s);
    }
}

static void term_pod(ks_cycle *c, ks_sums *sums, ks_key tally_key, const ks_object *pod,
                     uint32_t slot, int sign) {
    const ks_tally *tally = ks_sched_tally(c->st, tally_key);
    int32_t d = domain_of(sums->axis, slot);
    if (tally != NULL && d >= 0 && ks_sched_tally_means(c->sim, tally, pod)) sums->sums[d] += sign;
}

void ks_sched_topology_pod(ks_cycle *c, const ks_object *pod, uint32_t slot, int sign) {
    const ks_pod_rules *r = c->rules;
    if (r->spread_hard && !off(c, KS_PLUGIN_SPREAD)) spread_pod(c, pod, slot, sign);
    if (off(c, KS_PLUGIN_POD_AFFINITY) || !c->relates) return;
    for (uint32_t i = 0; i < r->affinity.count; i++)
        term_pod(c, &c->affinity[i], r->affinity_tally, pod, slot, sign);
    for (uint32_t i = 0; i < r->anti.count; i++)
        term_pod(c, &c->anti[i], r->anti_tallies[i], pod, slot, sign);
    if (r->affinity.count > 0) find_any_affinity(c);
    ks_val anti = ks_get3(pod->spec, K(affinity), K(podAntiAffinity),
                          K(requiredDuringSchedulingIgnoredDuringExecution));
    if (ks_len(anti) == 0) return;
    ks_heap *heap = c->sim->world.heap;
    ks_terms terms;
    ks_sched_terms_read(heap, &terms, anti, pod->ns, false);
    for (uint32_t i = 0; i < terms.count; i++) {
        if (!ks_sched_term_matches(c->sim, &terms.items[i], c->pod->ns, c->pod->labels)) continue;
        ks_sums *sums = sums_of_key(c, &c->existing_anti, terms.items[i].key);
        int32_t d = domain_of(sums->axis, slot);
        if (d >= 0) sums->sums[d] += sign;
    }
    ks_sched_terms_dispose(heap, &terms);
}

/* --- spread, score --- */

/* Whether the node is left out: pods with constraints of their own leave out nodes that lack a key. */
static inline bool ignored(const ks_cycle *c, const ks_spread *spread, uint32_t slot) {
    return !c->rules->spread_defaulted && !has_keys(c, spread, false, slot);
}

/* How many domains the feasible nodes lie in, as the weight of the constraint; marks them in s->counts. Each node is a
 * domain of its own where the constraint is about host names; its pods are then counted by node. */
static void weigh(ks_cycle *c, const ks_spread *all, ks_spread *s, uint32_t kept) {
    uint32_t size = 0;
    bool missing = s->axis == NULL && kept > 0;
    if (s->constraint->hostname) {
        s->weight = log((double)kept + 2);
        return;
    }
    s->counts = sums_for(c, s->axis);
    for (uint32_t d = 0; s->axis != NULL && d < s->axis->count; d++) s->counts[d] = -1;
    if (s->axis != NULL && s->axis->count == 0 && kept > 0)
        missing = true; /* no node has the key */
    for (uint32_t i = 0; s->axis != NULL && s->axis->count > 0 && i < c->feasible_count; i++) {
        uint32_t slot = c->feasible[i];
        int32_t d = domain_of(s->axis, slot);
        if (ignored(c, all, slot)) continue;
        if (d < 0) {
            missing = true;
        } else if (s->counts[d] < 0) {
            s->counts[d] = 0;
            size++;
        }
    }
    s->weight = log((double)(size + missing) + 2);
}

static void count_domains(ks_cycle *c, const ks_spread *all, ks_spread *s) {
    if (s->axis == NULL || s->axis->count == 0 || s->tally == NULL) return;
    for (uint32_t slot = 0; slot < c->slots; slot++) {
        int32_t d = domain_of(s->axis, slot);
        if (d < 0 || s->counts == NULL || s->counts[d] < 0 || node_at(c, slot) == NULL ||
            count_on(s->tally, slot) == 0)
            continue;
        if (ignored(c, all, slot) || !included(c, s->constraint, slot)) continue;
        s->counts[d] += count_on(s->tally, slot);
    }
}

/* scoreForCount, summed over the soft constraints and rounded: never negative. */
static int64_t raw_spread(const ks_spread *spread, uint32_t n, uint32_t slot) {
    double score = 0;
    for (uint32_t k = 0; k < n; k++) {
        const ks_spread *s = &spread[k];
        int32_t d = domain_of(s->axis, slot);
        if (s->constraint->hard || d < 0) continue;
        int64_t count = s->constraint->hostname ? count_on(s->tally, slot) : s->counts[d];
        score += (double)count * s->weight + (double)(s->constraint->max_skew - 1);
    }
    return (int64_t)(score + 0.5);
}

/* What a constraint looks at on each node: its pods that count, or its domain; -1: nothing. */
typedef struct spread_view {
    const int32_t *domain,
        *counts;  /* by slot; no domains: no node has the key. No counts: the domain says all */
    uint32_t cap; /* of the counts; 0 behind it */
} spread_view;

static spread_view view_of(const ks_spread *s) {
    if (s->axis == NULL || s->axis->count == 0) return (spread_view){NULL, NULL, 0};
    if (!s->constraint->hostname) return (spread_view){s->axis->domain, NULL, 0};
    static const int32_t none;
    if (s->tally == NULL) return (spread_view){s->axis->domain, &none, 0};
    return (spread_view){s->axis->domain, s->tally->counts, s->tally->cap};
}

static inline int64_t fact_of(const spread_view *v, uint32_t slot) {
    if (v->domain == NULL) return -1;
    int32_t d = v->domain[slot];
    return d < 0 || v->counts == NULL ? d : slot < v->cap ? v->counts[slot] : 0;
}

/* Few nodes differ in what their scores are made from: what came out is kept for the next that is alike. `first` and
 * `second` are the facts that a raw score depends on where there are up to two constraints; a raw score is what a
 * normalised one depends on. */
typedef struct spread_memo {
    int64_t first, second, result;
} spread_memo;

enum { SPREAD_MEMOS = 16 };

static void clear_memos(spread_memo *memos) {
    for (int i = 0; i < SPREAD_MEMOS; i++) memos[i].first = INT64_MIN;
}

/* Raw scores of the feasible nodes. */
static void raw_spreads(ks_cycle *c, const ks_spread *spread, uint32_t n) {
    int64_t *raws = c->raw;
    const uint32_t *feasible = c->feasible, count = c->feasible_count;
    const spread_view x = view_of(&spread[0]),
                      y = n > 1 ? view_of(&spread[1]) : (spread_view){NULL, NULL, 0};
    bool all = c->rules->spread_defaulted; /* no node is left out */
    spread_memo memos[SPREAD_MEMOS];
    clear_memos(memos);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = feasible[i];
        if (n > 2 || !all) {
            raws[slot] = ignored(c, spread, slot) ? -1 : raw_spread(spread, n, slot);
            continue;
        }
        int64_t first = fact_of(&x, slot), second = fact_of(&y, slot);
        spread_memo *m = &memos[(uint64_t)(first + 5 * second) % SPREAD_MEMOS];
        if (m->first != first || m->second != second)
            *m = (spread_memo){first, second, raw_spread(spread, n, slot)};
        raws[slot] = m->result;
    }
}

/* NormalizeScore of one node. */
static inline int64_t spread_of(int64_t raw, int64_t min, int64_t max, spread_memo *memos) {
    spread_memo *m = &memos[(uint64_t)raw % SPREAD_MEMOS];
    if (m->first != raw)
        *m = (spread_memo){raw, 0, raw < 0 ? 0 : max == 0 ? 100 : 100 * (max + min - raw) / max};
    return m->result;
}

bool ks_sched_score_spread(ks_cycle *c) {
    if (!c->rules->spread_soft || off(c, KS_PLUGIN_SPREAD)) return false;
    ks_spread *spread = read_constraints(c);
    uint32_t n = c->rules->constraint_count, kept = 0;
    if (c->rules->spread_defaulted)
        kept = c->feasible_count;
    else
        for (uint32_t i = 0; i < c->feasible_count; i++)
            kept += !ignored(c, spread, c->feasible[i]);
    for (uint32_t k = 0; k < n; k++) {
        if (spread[k].constraint->hard) continue;
        weigh(c, spread, &spread[k], kept);
        if (!spread[k].constraint->hostname) count_domains(c, spread, &spread[k]);
    }
    raw_spreads(c, spread, n);
    int64_t min = INT64_MAX, max = 0, *raws = c->raw;
    const uint32_t *feasible = c->feasible, count = c->feasible_count;
    for (uint32_t i = 0; i < count; i++) {
        int64_t raw = raws[feasible[i]];
        if (raw < 0) continue;
        if (raw < min) min = raw;
        if (raw > max) max = raw;
    }
    spread_memo memos[SPREAD_MEMOS];
    clear_memos(memos);
    ks_look_node *looks = c->look;
    for (uint32_t i = 0; i < count; i++)
        looks[feasible[i]].spread = (uint8_t)spread_of(raws[feasible[i]], min, max, memos);
    return true;
}

/* --- affinity, score --- */

enum { HARD_AFFINITY_WEIGHT = 1 };

/* Scores that are being added up, by topology key. */
typedef struct affinity_scores {
    ks_cycle *c;
    ks_sums_list list;
    bool added;
} affinity_scores;

/* What pods that match the pod's own terms add. */
static void add_terms(affinity_scores *a, const ks_terms *terms, const ks_key *tallies, int sign) {
    for (uint32_t i = 0; i < terms->count; i++) {
        const ks_term *term = &terms->items[i];
        const ks_tally *tally = ks_sched_tally(a->c->st, tallies[i]);
        ks_sums *sums = sums_of_key(a->c, &a->list, term->key);
        for (uint32_t slot = 0; tally != NULL && slot < a->c->slots; slot++) {
            int32_t d = domain_of(sums->axis, slot);
            if (d < 0 || count_on(tally, slot) == 0) continue;
            sums->sums[d] += sign * term->weight * count_on(tally, slot);
            a->added = true;
        }
    }
}

/* What pods whose own terms match the pod add. */
static void add_group_terms(affinity_scores *a, const ks_group *g, const ks_terms *terms,
                            int64_t fixed_weight, int sign, uint64_t bucket) {
    ks_cycle *c = a->c;
    for (uint32_t i = 0; i < terms->count; i++) {
        const ks_term *term = &terms->items[i];
        if (term->bucket != bucket ||
            !ks_sched_term_matches(c->sim, term, c->pod->ns, c->pod->labels))
            continue;
        ks_sums *sums = sums_of_key(c, &a->list, term->key);
        int64_t weight = fixed_weight > 0 ? fixed_weight : term->weight;
        for (uint32_t slot = 0; slot < g->cap && slot < c->slots; slot++) {
            int32_t d =
                g->counts[slot] == 0 || node_at(c, slot) == NULL ? -1 : domain_of(sums->axis, slot);
            if (d < 0) continue;
            sums->sums[d] += sign * weight * g->counts[slot];
            a->added = true;
        }
    }
}

static void score_group(void *payload, const ks_group *g, uint64_t bucket) {
    affinity_scores *a = payload;
    add_group_terms(a, g, &g->required, HARD_AFFINITY_WEIGHT, 1, bucket);
    add_group_terms(a, g, &g->preferred, 0, 1, bucket);
    add_group_terms(a, g, &g->preferred_anti, 0, -1, bucket);
}

bool ks_sched_score_affinity(ks_cycle *c) {
    const ks_pod_rules *r = c->rules;
    if (off(c, KS_PLUGIN_POD_AFFINITY)) return false;
    if (r->preferred_affinity.count == 0 && r->preferred_anti.count == 0 &&
        c->st->groups.count == 0)
        return false;
    affinity_scores a = {.c = c};
    add_terms(&a, &r->preferred_affinity, r->preferred_tallies, 1);
    add_terms(&a, &r->preferred_anti, r->preferred_anti_tallies, -1);
    ks_sched_groups_for(c->st, c->pod->labels, score_group, &a);
    if (!a.added) return false;
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint32_t i = 0; i < c->feasible_count; i++) {
        uint32_t slot = c->feasible[i];
        int64_t score = 0;
        for (uint32_t k = 0; k < a.list.count; k++) {
            int32_t d = domain_of(a.list.items[k].axis, slot);
            if (d >= 0) score += a.list.items[k].sums[d];
        }
        c->raw[slot] = score;
        if (score < min) min = score;
        if (score > max) max = score;
    }
    for (uint32_t i = 0; i < c->feasible_count; i++) {
        int64_t *raw = &c->raw[c->feasible[i]];
        *raw = max == min ? 0 : (int64_t)(100 * ((double)(*raw - min) / (double)(max - min)));
    }
    return true;
}
