/*
 * scheduler/nodefit.c - the plugins that look at one node and one pod only: NodeUnschedulable, NodeName, TaintToleration,
 * NodeAffinity, NodePorts, NodeResourcesFit, NodeResourcesBalancedAllocation, ImageLocality (pkg/scheduler/framework/plugins).
 */
#include "engine/nodes.h"
#include "scheduler/internal.h"

#include <math.h>
#include <string.h>

static bool off(const ks_pod_rules *rules, ks_plugin plugin) {
    return (rules->disabled >> plugin & 1U) != 0;
}

/* --- ports --- */

static uint64_t protocol_code(const char *protocol) {
    return strcmp(protocol, "UDP") == 0 ? 1 : strcmp(protocol, "SCTP") == 0 ? 2 : 0;
}

/* 0 stands for every address. */
static ks_key port_key(ks_val port) {
    const char *ip = ks_text_or(ks_get(port, K(hostIP)), "");
    uint64_t number = (uint64_t)ks_int_or(ks_get(port, K(hostPort)), 0);
    uint64_t address = *ip == '\0' || strcmp(ip, "0.0.0.0") == 0
                           ? 0
                           : ks_hash_bytes(ip, strlen(ip)) | UINT64_C(1) << 32;
    return (ks_key){protocol_code(ks_text_or(ks_get(port, K(protocol)), "TCP")) << 32 | number,
                    address};
}

bool ks_sched_ports_free(const ks_pod_rules *rules, const ks_node_info *node) {
    if (node->ports.count == 0) return true;
    ks_each(port, rules->ports) {
        ks_key key = port_key(*port), found;
        if (key.b == 0) {
            if (ks_tree_ceiling(&node->ports, key, &found, NULL) && found.a == key.a) return false;
        } else if (ks_tree_has(&node->ports, key) ||
                   ks_tree_has(&node->ports, (ks_key){key.a, 0})) {
            return false;
        }
    }
    return true;
}

bool ks_sched_ports_clash(ks_val a, ks_val b) {
    ks_each(x, a) {
        ks_key mine = port_key(*x);
        ks_each(y, b) {
            ks_key other = port_key(*y);
            if (mine.a == other.a && (mine.b == other.b || mine.b == 0 || other.b == 0))
                return true;
        }
    }
    return false;
}

void ks_sched_ports_take(ks_heap *heap, ks_node_info *node, ks_val ports, bool take) {
    ks_each(port, ports) {
        if (take)
            ks_tree_put(heap, &node->ports, port_key(*port), (void *)(uintptr_t)1);
        else
            ks_tree_del(heap, &node->ports,
                        port_key(*port)); /* a set: also when two pods hold it */
    }
}

/* --- resources --- */

ks_verdict ks_sched_fit(const ks_pod_rules *rules, const ks_node_info *node) {
    const ks_amounts *ask = &rules->amounts;
    ks_verdict v = KS_FEASIBLE;
    if (node->pods + 1 > node->can_pods) v.reasons |= KS_REASON_PODS;
    if (ask->cpu > 0 && ask->cpu > ks_sched_minus(node->can_cpu, node->cpu)) {
        v.reasons |= KS_REASON_CPU;
        v.unresolvable = v.unresolvable || ask->cpu > node->can_cpu;
    }
    if (ask->memory > 0 && ask->memory > ks_sched_minus(node->can_memory, node->memory)) {
        v.reasons |= KS_REASON_MEMORY;
        v.unresolvable = v.unresolvable || ask->memory > node->can_memory;
    }
    if (ask->ephemeral > 0 &&
        ask->ephemeral > ks_sched_minus(node->can_ephemeral, node->ephemeral)) {
        v.reasons |= KS_REASON_EPHEMERAL;
        v.unresolvable = v.unresolvable || ask->ephemeral > node->can_ephemeral;
    }
    for (uint32_t i = 0; ask->extended.type == KS_MAP && i < ks_len(ask->extended); i++) {
        const ks_pair *p = ks_pair_at(ask->extended, i);
        int64_t want = ks_int_or(p->val, 0), can = ks_int_or(ks_get(node->can_extended, p->key), 0);
        if (want == 0 || want <= ks_sched_minus(can, ks_int_or(ks_get(node->extended, p->key), 0)))
            continue;
        v.reasons |= KS_REASON_EXTENDED;
        v.unresolvable = v.unresolvable || want > can;
    }
    if (v.reasons != 0) v.plugin = KS_PLUGIN_FIT;
    return v;
}

ks_val ks_sched_short_extended(ks_heap *heap, const ks_pod_rules *rules, const ks_node_info *node) {
    ks_val out = KS_NOTHING;
    ks_val ask = rules->amounts.extended;
    for (uint32_t i = 0; ask.type == KS_MAP && i < ks_len(ask); i++) {
        const ks_pair *p = ks_pair_at(ask, i);
        int64_t want = ks_int_or(p->val, 0);
        int64_t can = ks_int_or(ks_get(node->can_extended, p->key), 0);
        int64_t taken = ks_int_or(ks_get(node->extended, p->key), 0);
        if (want != 0 && want > ks_sched_minus(can, taken))
            out = ks_append(heap, out, ks_format(heap, "Insufficient %s", p->key->s));
    }
    return out;
}

/* least_allocated.go, for cpu and memory with weight 1 each. */
static uint8_t score_fit(const ks_pod_rules *rules, const ks_node_info *node) {
    int64_t sum = 0, weights = 0;
    int64_t cpu = ks_sched_plus(node->scored_cpu, rules->amounts.scored_cpu);
    int64_t memory = ks_sched_plus(node->scored_memory, rules->amounts.scored_memory);
    if (node->can_cpu > 0) {
        weights++;
        if (cpu >= 0 && cpu <= node->can_cpu) sum += (node->can_cpu - cpu) * 100 / node->can_cpu;
    }
    if (node->can_memory > 0) {
        weights++;
        if (memory >= 0 && memory <= node->can_memory)
            sum += (node->can_memory - memory) * 100 / node->can_memory;
    }
    return weights == 0 ? 0 : (uint8_t)(sum / weights);
}

static double fraction(int64_t taken, int64_t can) {
    double f = (double)taken / (double)can;
    return f > 1 ? 1 : f;
}

static int64_t balance(const ks_node_info *node, int64_t cpu, int64_t memory) {
    double deviation = 0;
    if (node->can_cpu > 0 && node->can_memory > 0)
        deviation = fabs((fraction(cpu, node->can_cpu) - fraction(memory, node->can_memory)) / 2);
    return (int64_t)((1 - deviation) * 100);
}

/* balanced_allocation.go; from v1.36 on the change counts. */
static uint8_t score_balanced(bool both, const ks_pod_rules *rules, const ks_node_info *node) {
    int64_t with = balance(node, ks_sched_plus(node->cpu, rules->amounts.cpu),
                           ks_sched_plus(node->memory, rules->amounts.memory));
    if (!both) return (uint8_t)with;
    return (uint8_t)(50 + (50 + with - balance(node, node->cpu, node->memory)) / 2);
}

/* --- images --- */

/* "nginx" and "nginx:latest" are one (a digest counts as a tag here: image_locality.go: normalizedImageName). */
static bool same_image(const char *listed, const char *asked) {
    if (strcmp(listed, asked) == 0) return true;
    const char *slash = strrchr(asked, '/'), *colon = strrchr(asked, ':');
    if (colon != NULL && (slash == NULL || colon > slash)) return false;
    size_t len = strlen(asked);
    return strncmp(listed, asked, len) == 0 && strcmp(listed + len, ":latest") == 0;
}

static bool node_has_image(const ks_node_info *node, const char *image, int64_t *size) {
    ks_each(entry, ks_get(node->object->status, K(images))) {
        ks_each(name, ks_get(*entry, K(names))) {
            if (!same_image(ks_text_or(*name, ""), image)) continue;
            *size = ks_int_or(ks_get(*entry, K(sizeBytes)), 0);
            return true;
        }
    }
    return false;
}

/* What one image is worth on a node that has it: its size as the first node told it, spread over the nodes that have it. */
static int64_t image_worth(const ks_sched *st, const ks_node_info *node, const char *image) {
    int64_t size, first_size = 0;
    uint64_t first = UINT64_MAX;
    uint32_t have = 0;
    if (!node_has_image(node, image, &size)) return 0;
    for (uint32_t i = 0; i < st->nodes->slots; i++) {
        const ks_node_info *other = st->nodes->at[i];
        if (other == NULL || !node_has_image(other, image, &size)) continue;
        have++;
        if (other->arrival >= first) continue;
        first = other->arrival;
        first_size = size;
    }
    return (int64_t)((double)first_size * ((double)have / (double)st->nodes->count));
}

int ks_sched_score_images(const ks_sched *st, const ks_pod_rules *rules, const ks_node_info *node) {
    const int64_t mi = 1024 * 1024, low = 23 * mi;
    int64_t high = 1000 * mi * rules->container_count, sum = 0;
    if (ks_len(ks_get(node->object->status, K(images))) == 0 || rules->container_count == 0)
        return 0;
    ks_each(c, ks_get(rules->spec, K(initContainers)))
        sum += image_worth(st, node, ks_text_or(ks_get(*c, K(image)), ""));
    ks_each(c, ks_get(rules->spec, K(containers)))
        sum += image_worth(st, node, ks_text_or(ks_get(*c, K(image)), ""));
    ks_each(v, ks_get(rules->spec, K(volumes))) {
        const char *reference = ks_text_or(ks_get2(*v, K(image), K(reference)), "");
        if (*reference != '\0') sum += image_worth(st, node, reference);
    }
    if (sum < low) sum = low;
    if (sum > high) sum = high;
    return (int)(100 * (sum - low) / (high - low));
}

/* --- all of them --- */

static ks_val unschedulable_taint(ks_heap *heap) {
    return ks_map_of(heap, K(key), ks_text(heap, "node.kubernetes.io/unschedulable"), K(effect),
                     ks_text(heap, "NoSchedule"), NULL);
}

bool ks_sched_tolerates_unschedulable(ks_heap *heap, ks_val tolerations) {
    ks_val taint = unschedulable_taint(heap);
    bool tolerated = false;
    ks_each(t, tolerations) tolerated = tolerated || ks_tolerates(*t, taint);
    ks_unref(heap, taint);
    return tolerated;
}

/* Tolerations that count for PreferNoSchedule: those with that effect or none. */
static uint32_t untolerated_preferences(ks_val taints, ks_val tolerations) {
    uint32_t count = 0;
    ks_each(taint, taints) {
        if (!ks_text_is(ks_get(*taint, K(effect)), "PreferNoSchedule")) continue;
        bool tolerated = false;
        ks_each(t, tolerations) tolerated = tolerated || ks_tolerates(*t, *taint);
        if (!tolerated) count++;
    }
    return count;
}

/* Whether a term of node affinity may mean a node of that name, as far as it names nodes. */
static bool term_allows(ks_val term, const ks_str *name) {
    ks_each(field, ks_get(term, K(matchFields))) {
        if (!ks_text_is(ks_get(*field, K(key)), "metadata.name") ||
            !ks_text_is(ks_get(*field, K(operator)), "In"))
            continue;
        bool here = false;
        ks_each(value, ks_get(*field, K(values)))
            here = here || ks_str_eq(ks_str_or_null(*value), name);
        if (!here) return false;
    }
    return true;
}

/* The names that required terms allow through metadata.name: a node outside them is refused as a set (node_affinity.go:
 * PreFilter). True when every term names nodes and this one is in none of them. */
static bool outside_name_set(const ks_pod_rules *rules, const ks_object *node) {
    ks_val terms = ks_get(rules->node_affinity, K(nodeSelectorTerms));
    ks_each(term, terms)
        if (term_allows(*term, node->name)) return false;
    return ks_len(terms) > 0;
}

/* Whether a term names nodes, but none that all of its fields name. */
static bool term_conflicts(ks_val term) {
    ks_each(field, ks_get(term, K(matchFields))) {
        if (!ks_text_is(ks_get(*field, K(key)), "metadata.name") ||
            !ks_text_is(ks_get(*field, K(operator)), "In"))
            continue;
        ks_each(value, ks_get(*field, K(values)))
            if (term_allows(term, ks_str_or_null(*value))) return false;
        return true;
    }
    return false;
}

bool ks_sched_names_conflict(const ks_pod_rules *rules) {
    ks_val terms = ks_get(rules->node_affinity, K(nodeSelectorTerms));
    if (off(rules, KS_PLUGIN_NODE_AFFINITY)) return false;
    ks_each(term, terms)
        if (!term_conflicts(*term)) return false;
    return ks_len(terms) > 0;
}

/* NodeName has nothing to do: a pod that names its node is never looked at. */
void ks_sched_evaluate(ks_sim *sim, const ks_sched *st, const ks_pod_rules *rules,
                       const ks_node_info *node, ks_entry *out) {
    ks_heap *heap = sim->world.heap;
    const ks_object *o = node->object;
    ks_val taints = ks_get(o->spec, K(taints));
    *out = (ks_entry){.hostname = ks_is(ks_get(o->labels, K(kubernetes_io_hostname)), KS_STRING)};
    out->affinity_ok = ks_node_labels_match(rules->node_selector, o) &&
                       ks_node_selector_matches(heap, rules->node_affinity, o);
    out->taints_ok =
        ks_len(taints) == 0 ||
        !ks_exists(ks_untolerated_taint(taints, rules->tolerations, "NoSchedule", "NoExecute"));
    if (!off(rules, KS_PLUGIN_NODE_AFFINITY) && outside_name_set(rules, o)) {
        out->plugin = KS_PLUGIN_NODE_AFFINITY, out->reasons = KS_REASON_NAME_SET,
        out->unresolvable = true, out->affinity_ok = false;
    } else if (node->unschedulable && !off(rules, KS_PLUGIN_UNSCHEDULABLE) &&
               !ks_sched_tolerates_unschedulable(heap, rules->tolerations)) {
        out->plugin = KS_PLUGIN_UNSCHEDULABLE, out->reasons = KS_REASON_UNSCHEDULABLE,
        out->unresolvable = true;
    } else if (!out->taints_ok && !off(rules, KS_PLUGIN_TAINTS)) {
        out->plugin = KS_PLUGIN_TAINTS, out->reasons = KS_REASON_TAINT, out->unresolvable = true;
    } else if (!out->affinity_ok && !off(rules, KS_PLUGIN_NODE_AFFINITY)) {
        out->plugin = KS_PLUGIN_NODE_AFFINITY, out->reasons = KS_REASON_AFFINITY,
        out->unresolvable = true;
    } else if (!off(rules, KS_PLUGIN_PORTS) && !ks_sched_ports_free(rules, node)) {
        out->plugin = KS_PLUGIN_PORTS, out->reasons = KS_REASON_PORTS;
    } else if (!off(rules, KS_PLUGIN_FIT)) {
        ks_verdict v = ks_sched_fit(rules, node);
        out->plugin = v.plugin, out->reasons = v.reasons, out->unresolvable = v.unresolvable;
    }
    if (out->plugin != KS_PLUGIN_NONE) return;
    out->fit = score_fit(rules, node);
    out->balanced =
        rules->asks_cpu_or_memory
            ? score_balanced(ks_since(&sim->server.rules, KS_SINCE_BALANCE_OF_BOTH), rules, node)
            : 0;
    out->images = (uint8_t)ks_sched_score_images(st, rules, node);
    out->taints = ks_len(taints) == 0 ? 0 : untolerated_preferences(taints, rules->tolerations);
    ks_each(term, rules->preferred) {
        if (ks_node_term_matches(heap, ks_get(*term, K(preference)), o))
            out->preference += (int32_t)ks_int_or(ks_get(*term, K(weight)), 0);
    }
}
