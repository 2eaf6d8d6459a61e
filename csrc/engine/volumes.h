/*
 * engine/volumes.h - which volume a claim may take: rules that the volume binder and the scheduler share.
 *
 * A ks_volume_index, kept by each of them in its state, finds the volumes that a claim could take without walking those
 * that others have: k8s.io/component-helpers/storage/volume/pv_helpers.go, pkg/controller/volume/persistentvolume/index.go.
 */
#ifndef KS_ENGINE_VOLUMES_H
#define KS_ENGINE_VOLUMES_H

#include "store/store.h"

typedef struct ks_volume_index {
    ks_tree free;    /* volume id: no claimRef */
    ks_tree claimed; /* {hash of the claimRef's namespace and name, volume id} */
} ks_volume_index;

ks_volume_index ks_volume_index_copy(const ks_volume_index *index);
void ks_volume_index_clear(ks_heap *heap, ks_volume_index *index);
/* To be called with every change of a PersistentVolume. */
void ks_volume_index_observe(ks_heap *heap, ks_volume_index *index, const ks_change *change);

/* Walks the volumes whose claimRef names a claim. Borrowed; NULL at the end.
 *     ks_tree_iter it = ks_volumes_naming(index, ns, name); while ((pv = ks_volume_naming(store, &it, ns, name))) ... */
ks_tree_iter ks_volumes_naming(const ks_volume_index *index, const ks_str *ns, const ks_str *name);
const ks_object *ks_volume_naming(const ks_store *store, ks_tree_iter *iter, const ks_str *ns,
                                  const ks_str *name);

/* The volume that a claim takes when nobody looks at nodes (findBestMatchForClaim); `delayed`: only one that names the
 * claim. Borrowed; NULL: none. */
const ks_object *ks_volume_for_claim(const ks_store *store, const ks_volume_index *index,
                                     const ks_object *claim, bool delayed);
/* The volume that it takes on `node`, not one of the names in `taken` (FindMatchingVolume with a node). */
const ks_object *ks_volume_on_node(const ks_store *store, const ks_volume_index *index,
                                   const ks_object *claim, const ks_object *node, ks_val taken);

/* Whether the volume's claimRef is this claim: by name, and by uid where it has one. */
bool ks_volume_is_for(const ks_object *volume, const ks_object *claim);
/* Why a volume that a claim names does not suit it (checkVolumeSatisfyClaim), or NULL. `text` has room for it. */
const char *ks_volume_unfit(const ks_object *volume, const ks_object *claim, char text[320]);

/* The class of a claim or volume: annotation first; "" when there is none. */
const char *ks_volume_class(const ks_object *claim_or_volume);
/* The class object of a claim; NULL: none or unknown. */
const ks_object *ks_claim_class(const ks_store *store, const ks_object *claim);
bool ks_class_waits(const ks_object *storage_class); /* WaitForFirstConsumer; NULL: no */
/* Bound for good: volumeName is set and the binder has finished. */
bool ks_claim_bound(const ks_object *claim);
/* An annotation's text, or NULL. */
const ks_str *ks_annotation(const ks_object *object, const ks_str *key);
/* The CSI driver that attaches a volume, NULL where nothing is attached. Borrowed. */
const ks_str *ks_volume_attacher(const ks_object *volume);
/* How a node's status calls an attached volume: "kubernetes.io/csi/<driver>^<handle>", a new reference
 * (pkg/volume/csi/csi_attacher.go, util/volumehelpers: GetUniqueVolumeName). */
const ks_str *ks_volume_unique_name(ks_heap *heap, const ks_object *volume);
/* The claim's name of a pod's volume: persistentVolumeClaim or ephemeral ("<pod>-<volume>", new); NULL: no claim. A new
 * reference. */
const ks_str *ks_volume_claim_name(ks_heap *heap, const ks_object *pod, ks_val volume);

#endif
