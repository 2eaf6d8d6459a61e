/*
 * scheduler/score.c - which of the nodes that will do is best: prioritizeNodes and selectHost (schedule_one.go), weights of
 * the default plugins.
 */
#include "scheduler/internal.h"

#include <string.h>

static bool off(const ks_cycle *c, ks_plugin plugin) {
    return (c->rules->disabled >> plugin & 1U) != 0;
}
static void skip(ks_cycle *c, ks_plugin plugin) { c->skipped |= 1U << plugin; }

/* Scores of one node alone, and those that are normalised over the feasible nodes; what spreads the pods is scored elsewhere. */
static void score_nodes(ks_cycle *c) {
    ks_norms norms = {0};
    const ks_pod_rules *r = c->rules;
    for (uint32_t i = 0; i < c->feasible_count; i++) {
        const ks_entry *e = ks_sched_entry(c->sim, c->st, c->class, c->feasible[i]);
        if (e->taints > norms.max_taints) norms.max_taints = e->taints;
        if (e->preference > norms.max_preference) norms.max_preference = e->preference;
    }
    for (uint32_t i = 0; i < c->feasible_count; i++) {
        uint32_t slot = c->feasible[i];
        c->look[slot] = ks_sched_grade(r, &norms, &c->class->entries[slot], 0);
        c->look[slot].spread = 0;
    }
    if (!r->asks_cpu_or_memory || off(c, KS_PLUGIN_BALANCED)) skip(c, KS_PLUGIN_BALANCED);
    if (off(c, KS_PLUGIN_FIT)) skip(c, KS_PLUGIN_FIT);
    if (off(c, KS_PLUGIN_IMAGES)) skip(c, KS_PLUGIN_IMAGES);
    if (ks_len(r->preferred) == 0 || off(c, KS_PLUGIN_NODE_AFFINITY))
        skip(c, KS_PLUGIN_NODE_AFFINITY);
    if (off(c, KS_PLUGIN_TAINTS)) skip(c, KS_PLUGIN_TAINTS);
}

/* Those that did not run left nothing behind, but for these two. */
int32_t ks_sched_total(const ks_look_node *l, uint32_t skipped) {
    int32_t taints = skipped >> KS_PLUGIN_TAINTS & 1U ? 0 : KS_W_TAINTS;
    int32_t affinity = skipped >> KS_PLUGIN_NODE_AFFINITY & 1U ? 0 : KS_W_AFFINITY;
    return l->policy + taints * l->taints + affinity * l->affinity + KS_W_FIT * l->fit +
           KS_W_SPREAD * l->spread + KS_W_POD_AFFINITY * l->pod_affinity +
           KS_W_BALANCED * l->balanced + KS_W_IMAGES * l->images;
}

uint32_t ks_sched_choose(ks_cycle *c) {
    c->skipped = 0;
    if (c->plain) return ks_sched_choose_plainly(c);
    if (c->feasible_count == 1) return c->feasible[0];
    score_nodes(c);
    if (!ks_sched_score_spread(c)) skip(c, KS_PLUGIN_SPREAD);
    if (ks_sched_score_affinity(c)) {
        for (uint32_t i = 0; i < c->feasible_count; i++)
            c->look[c->feasible[i]].pod_affinity = (uint8_t)c->raw[c->feasible[i]];
    } else {
        skip(c, KS_PLUGIN_POD_AFFINITY);
    }
    if (c->rules->has_policies) ks_sched_score_policies(c);
    int64_t best = INT64_MIN, *raw = c->raw;
    const uint32_t *feasible = c->feasible, count = c->feasible_count;
    const ks_look_node *looks = c->look;
    uint32_t equal = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t total = raw[feasible[i]] = ks_sched_total(&looks[feasible[i]], c->skipped);
        if (total > best) {
            best = total;
            equal = 0;
        }
        if (total == best) equal++;
    }
    uint32_t pick = equal == 1 ? 0 : ks_choose(&c->sim->world, KS_CHOOSE_TIE, equal);
    for (uint32_t i = 0;; i++)
        if (raw[feasible[i]] == best && pick-- == 0) return feasible[i];
}
