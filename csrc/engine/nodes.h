/*
 * engine/nodes.h - rules about nodes that several components follow: node selectors, taints and tolerations.
 */
#ifndef KS_ENGINE_NODES_H
#define KS_ENGINE_NODES_H

#include "store/store.h"

/* One NodeSelectorTerm: all expressions and fields must hold; a term without any matches nothing.
 * k8s.io/component-helpers/scheduling/corev1/nodeaffinity. */
bool ks_node_term_matches(ks_heap *heap, ks_val term, const ks_object *node);
/* A NodeSelector ({nodeSelectorTerms}): one of the terms must hold. Absent: every node. */
bool ks_node_selector_matches(ks_heap *heap, ks_val node_selector, const ks_object *node);
/* Whether a volume is to be had on a node: its node affinity is shown labels alone, and asks for no names then
 * (k8s.io/component-helpers/storage/volume/helpers.go: CheckNodeAffinity). */
bool ks_node_has_volume(ks_heap *heap, const ks_object *volume, const ks_object *node);
/* A pod's spec.nodeSelector: each label must be there. Absent: every node. */
bool ks_node_labels_match(ks_val node_selector_map, const ks_object *node);

/* Whether one toleration tolerates one taint (toleration.go: ToleratesTaint). */
bool ks_tolerates(ks_val toleration, ks_val taint);
/* The first taint of the list that no toleration tolerates, among those with one of two effects (`effect2` may be NULL);
 * KS_NOTHING: none. Borrowed. */
ks_val ks_untolerated_taint(ks_val taints, ks_val tolerations, const char *effect1,
                            const char *effect2);
/* Whether somebody has said that the node is out of service: it has that taint (pkg/util/taints/taints.go: TaintKeyExists). */
bool ks_node_out_of_service(const ks_object *node);

/* What a label says, for a label name that is not known at compile time; NULL: absent. Borrowed. */
const ks_str *ks_label(ks_heap *heap, ks_val labels, const ks_str *name);

#endif
