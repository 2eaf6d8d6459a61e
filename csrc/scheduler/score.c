/*
 * scheduler/score.c - which of the nodes that will do is best: prioritizeNodes and selectHost (schedule_one.go), weights of
 * the default plugins.
 */
#include "scheduler/internal.h"

#include <string.h>

enum {
    W_TAINTS = 3,
    W_AFFINITY = 2,
    W_FIT = 1,
    W_SPREAD = 2,
    W_POD_AFFINITY = 2,
    W_BALANCED = 1,
    W_IMAGES = 1
};

static bool off(const ks_cycle *c, ks_plugin plugin) {
    return (c->rules->disabled >> plugin & 1U) != 0;
}
static void skip(ks_cycle *c, ks_plugin plugin) { c->skipped |= 1U << plugin; }

/* Scores of one node alone, and the raw values that are normalised over the feasible nodes. */
static void score_nodes(ks_cycle *c) {
    uint32_t max_taints = 0;
    int32_t max_preference = 0;
    const ks_pod_rules *r = c->rules;
    uint32_t fit = off(c, KS_PLUGIN_FIT) ? 0 : 0xff,
             balanced = off(c, KS_PLUGIN_BALANCED) ? 0 : 0xff,
             images = off(c, KS_PLUGIN_IMAGES) ? 0 : 0xff;
    /* in locals: stores of bytes may change anything else, for all that the compiler knows */
    const uint32_t *feasible = c->feasible, count = c->feasible_count;
    ks_look_node *looks = c->look;
    ks_pod_class *class = c->class;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = feasible[i];
        const ks_entry *e = ks_sched_entry(c->sim, c->st, class, slot);
        if (e->taints > max_taints) max_taints = e->taints;
        if (e->preference > max_preference) max_preference = e->preference;
        looks[slot] = (ks_look_node){.scored = true,
                                     .taints = 100,
                                     .fit = (uint8_t)(e->fit & fit),
                                     .balanced = (uint8_t)(e->balanced & balanced),
                                     .images = (uint8_t)(e->images & images)};
    }
    bool differ = max_taints > 0 || max_preference > 0;
    for (uint32_t i = 0; differ && i < c->feasible_count; i++) {
        uint32_t slot = c->feasible[i];
        const ks_entry *e = &c->class->entries[slot];
        ks_look_node *look = &c->look[slot];
        look->taints = max_taints == 0 ? 100 : (uint8_t)(100 - 100 * e->taints / max_taints);
        look->affinity = max_preference == 0 ? 0 : (uint8_t)(100 * e->preference / max_preference);
    }
    if (!r->asks_cpu_or_memory || !balanced) skip(c, KS_PLUGIN_BALANCED);
    if (!fit) skip(c, KS_PLUGIN_FIT);
    if (!images) skip(c, KS_PLUGIN_IMAGES);
    if (ks_len(r->preferred) == 0 || off(c, KS_PLUGIN_NODE_AFFINITY))
        skip(c, KS_PLUGIN_NODE_AFFINITY);
    if (off(c, KS_PLUGIN_TAINTS)) skip(c, KS_PLUGIN_TAINTS);
}

/* Those that did not run left nothing behind, but for these two. */
int32_t ks_sched_total(const ks_look_node *l, uint32_t skipped) {
    int32_t taints = skipped >> KS_PLUGIN_TAINTS & 1U ? 0 : W_TAINTS;
    int32_t affinity = skipped >> KS_PLUGIN_NODE_AFFINITY & 1U ? 0 : W_AFFINITY;
    return l->policy + taints * l->taints + affinity * l->affinity + W_FIT * l->fit +
           W_SPREAD * l->spread + W_POD_AFFINITY * l->pod_affinity + W_BALANCED * l->balanced +
           W_IMAGES * l->images;
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
