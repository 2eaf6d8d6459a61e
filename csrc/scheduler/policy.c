/*
 * scheduler/policy.c - policies of the embedder as plugins behind the default ones, and the profiles that they make.
 */
#include "scheduler/internal.h"

#include <string.h>

static int count(const ks_sim *sim) {
    return sim->hooks == NULL || sim->hooks->policy_count == NULL
               ? 0
               : sim->hooks->policy_count(sim->hook_payload);
}

bool ks_sched_has_profile(const ks_sim *sim, const ks_str *scheduler) {
    if (scheduler == NULL || scheduler->len == 0 || ks_str_is(scheduler, "default-scheduler"))
        return true;
    for (int i = 0; i < count(sim); i++)
        if (ks_str_is(scheduler, sim->hooks->policy_info(sim->hook_payload, i).scheduler))
            return true;
    return false;
}

ks_verdict ks_sched_filter_policies(ks_cycle *c, const ks_object *node) {
    ks_sim *sim = c->sim;
    ks_heap *heap = sim->world.heap;
    for (int i = 0; i < count(sim); i++) {
        struct ks_policy_info info = sim->hooks->policy_info(sim->hook_payload, i);
        if (!info.has_filter || !ks_str_is(c->rules->scheduler, info.scheduler)) continue;
        bool ok = true;
        ks_val reason = KS_NOTHING;
        if (!sim->hooks->policy_filter(sim->hook_payload, sim, i, c->pod, node, &ok, &reason)) {
            ks_unref(heap, reason);
            c->failed = true;
            return (ks_verdict){0, KS_PLUGIN_POLICY, false};
        }
        if (ok) {
            ks_unref(heap, reason);
            continue;
        }
        if (reason.type != KS_STRING) {
            ks_unref(heap, reason);
            reason = ks_format(heap, "node(s) were refused by policy %s", info.name);
        }
        const ks_str *key = ks_intern(heap, node->name->s, node->name->len);
        ks_val entry = ks_append(heap, ks_list_new(heap, 2), ks_text(heap, info.name));
        c->policy_texts = ks_put(heap, c->policy_texts, key, ks_append(heap, entry, reason));
        ks_str_unref(heap, key);
        return (ks_verdict){KS_REASON_POLICY, KS_PLUGIN_POLICY, false};
    }
    return KS_FEASIBLE;
}

void ks_sched_score_policies(ks_cycle *c) {
    ks_sim *sim = c->sim;
    ks_heap *heap = sim->world.heap;
    for (int i = 0; i < count(sim); i++) {
        struct ks_policy_info info = sim->hooks->policy_info(sim->hook_payload, i);
        if (!info.has_score || !ks_str_is(c->rules->scheduler, info.scheduler)) continue;
        const ks_str *policy = ks_intern_of(heap, info.name);
        int64_t weight = info.weight == 0 ? 1 : info.weight;
        for (uint32_t n = 0; n < c->feasible_count && !c->failed; n++) {
            uint32_t slot = c->feasible[n];
            const ks_object *node = c->st->nodes->at[slot]->object;
            int64_t score = 0;
            if (!sim->hooks->policy_score(sim->hook_payload, sim, i, c->pod, node, &score)) {
                c->failed = true;
                break;
            }
            c->look[slot].policy += (int32_t)(score * weight);
            const ks_str *key = ks_intern(heap, node->name->s, node->name->len);
            c->policy_scores = ks_put2(heap, c->policy_scores, key, policy, ks_int(score * weight));
            ks_str_unref(heap, key);
        }
        ks_str_unref(heap, policy);
    }
}
