/*
 * apiserver/new_pod.c - what the API server writes into a new pod: matchLabelKeys and mismatchLabelKeys become part of the selector that they
 * stand beside, with the pod's own values, and a pod with scheduling gates says so (pkg/registry/core/pod/strategy.go: mutatePodAffinity,
 * mutateTopologySpreadConstraints, applySchedulingGatedCondition).
 *
 * Called by strategy.c; quick_create.c asks whether what came out is of that one pod.
 */
#include "api/values.h"
#include "apiserver/internal.h"

/* --- label keys --- */

static bool has_keys(ks_val term) {
    return ks_exists(ks_get(term, K(labelSelector))) &&
           ks_len(ks_get(term, K(matchLabelKeys))) + ks_len(ks_get(term, K(mismatchLabelKeys))) > 0;
}

/* The term with its label keys in its selector; taken over. */
static ks_val with_keys(ks_heap *heap, ks_val term, ks_val labels) {
    if (!has_keys(term)) return term;
    ks_val selector = ks_ref(ks_get(term, K(labelSelector)));
    selector = ks_selector_with_keys(heap, selector, ks_get(term, K(matchLabelKeys)), "In", labels);
    selector =
        ks_selector_with_keys(heap, selector, ks_get(term, K(mismatchLabelKeys)), "NotIn", labels);
    return ks_put(heap, term, K(labelSelector), selector);
}

typedef struct affinity_list {
    const ks_str *affinity, *list;
    bool weighted;
} affinity_list;

static const affinity_list lists[] = {
    {K(podAffinity), K(preferredDuringSchedulingIgnoredDuringExecution), true},
    {K(podAffinity), K(requiredDuringSchedulingIgnoredDuringExecution), false},
    {K(podAntiAffinity), K(preferredDuringSchedulingIgnoredDuringExecution), true},
    {K(podAntiAffinity), K(requiredDuringSchedulingIgnoredDuringExecution), false}};
enum { LISTS = sizeof lists / sizeof lists[0] };

static ks_val term_in(ks_val item, bool weighted) {
    return weighted ? ks_get(item, K(podAffinityTerm)) : item;
}

static bool any_keys(ks_val list, bool weighted) {
    ks_each(item, list) {
        if (has_keys(term_in(*item, weighted))) return true;
    }
    return false;
}

/* A list of terms with their label keys in their selectors: a new reference. */
static ks_val list_with_keys(ks_heap *heap, ks_val list, bool weighted, ks_val labels) {
    ks_val out = ks_list_new(heap, ks_len(list));
    ks_each(item, list) {
        ks_val term = with_keys(heap, ks_ref(term_in(*item, weighted)), labels);
        out = ks_append(heap, out,
                        weighted ? ks_put(heap, ks_ref(*item), K(podAffinityTerm), term) : term);
    }
    return out;
}

static void merge_affinity(ks_heap *heap, ks_val *doc, const affinity_list *of, ks_val labels) {
    ks_val affinity = ks_get2(*doc, K(spec), K(affinity));
    ks_val list = ks_get2(affinity, of->affinity, of->list);
    if (!any_keys(list, of->weighted)) return;
    affinity = ks_put2(heap, ks_ref(affinity), of->affinity, of->list,
                       list_with_keys(heap, list, of->weighted, labels));
    *doc = ks_put2(heap, *doc, K(spec), K(affinity), affinity);
}

static void merge_spreading(ks_heap *heap, ks_val *doc, ks_val labels) {
    ks_val list = ks_get2(*doc, K(spec), K(topologySpreadConstraints));
    if (!any_keys(list, false)) return;
    *doc = ks_put2(heap, *doc, K(spec), K(topologySpreadConstraints),
                   list_with_keys(heap, list, false, labels));
}

/* --- gates --- */

static bool is_gated(ks_val spec) { return ks_len(ks_get(spec, K(schedulingGates))) > 0; }

/* A new pod has no other condition. */
static void say_gated(const ks_request *r, ks_val *doc) {
    ks_heap *heap = r->heap;
    ks_val condition =
        ks_map_of(heap, K(type), ks_string(K(PodScheduled)), K(status), ks_string(K(False)),
                  K(reason), ks_text(heap, "SchedulingGated"), K(message),
                  ks_text(heap, "Scheduling is blocked due to non-empty scheduling gates"),
                  K(lastProbeTime), ks_null(), K(lastTransitionTime), ks_server__stamp(r->s), NULL);
    *doc = ks_put2(heap, *doc, K(status), K(conditions),
                   ks_append(heap, ks_list_new(heap, 1), condition));
}

/* --- both --- */

void ks_prepare_pod(const ks_request *r, ks_val *doc) {
    ks_val labels = ks_ref(ks_meta_get(*doc, K(labels)));
    if (is_gated(ks_get(*doc, K(spec)))) say_gated(r, doc);
    if (ks_exists(ks_get2(*doc, K(spec), K(affinity))))
        for (int i = 0; i < LISTS; i++) merge_affinity(r->heap, doc, &lists[i], labels);
    merge_spreading(r->heap, doc, labels);
    ks_unref(r->heap, labels);
}

bool ks_prepared_alone(ks_val spec) {
    if (is_gated(spec) || any_keys(ks_get(spec, K(topologySpreadConstraints)), false)) return true;
    ks_val affinity = ks_get(spec, K(affinity));
    for (int i = 0; i < LISTS && ks_exists(affinity); i++)
        if (any_keys(ks_get2(affinity, lists[i].affinity, lists[i].list), lists[i].weighted))
            return true;
    return false;
}
