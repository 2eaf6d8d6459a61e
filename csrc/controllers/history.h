/*
 * controllers/history.h - ControllerRevisions: the history of a set's templates
 * (pkg/controller/history/controller_history.go, pkg/controller/statefulset/stateful_set_utils.go).
 */
#ifndef KS_CONTROLLERS_HISTORY_H
#define KS_CONTROLLERS_HISTORY_H

#include "controllers/common.h"

/* The revisions in the owner's namespace that `selector` matches and that are the owner's or nobody's: sorted by revision,
 * creation, name. References. `loose`: those that nobody controls, as ks_keep_loose() has them. */
void ks_history_list(ks_sim *sim, const ks_object *owner, const ks_selector *selector,
                     const ks_tree *loose, ks_objects *out);
/* The number of a revision. */
int64_t ks_revision_number(const ks_object *revision);
/* What a revision of this template holds: {"spec":{"template":{"$patch":"replace", ...}}}; a new reference. */
ks_val ks_revision_data(ks_heap *heap, ks_val template);
/* The template in a revision's data, without the directive; a new reference. */
ks_val ks_revision_template(ks_heap *heap, ks_val data);
/* Creates the revision of that data, with the number `number`; raises *collisions while other data has the name. *out: the
 * revision that now has it, a new reference. NULL: done. */
ks_refusal *ks_revision_create(ks_sim *sim, const ks_object *owner, ks_val data, int64_t number,
                               int64_t *collisions, const ks_object **out);
/* Renumbers an older revision. *out as above. */
ks_refusal *ks_revision_renumber(ks_sim *sim, const ks_object *revision, int64_t number,
                                 const ks_object **out);

#endif
