/*
 * engine/volumes.h - which volume a claim may take: rules that the volume binder and the scheduler share.
 * k8s.io/component-helpers/storage/volume/pv_helpers.go, pkg/controller/volume/persistentvolume/index.go.
 */
#ifndef KS_ENGINE_VOLUMES_H
#define KS_ENGINE_VOLUMES_H

#include "store/free_volumes.h"
#include "store/naming.h"

/* The volume that a claim takes when nobody looks at nodes (findBestMatchForClaim); `delayed`: only one that names the
 * claim. Borrowed; NULL: none. */
const ks_object *ks_volume_for_claim(const ks_store *store, const ks_object *claim, bool delayed);
/* Volumes that are not to be had, though the store does not say so. */
typedef struct ks_taken {
    bool (*is)(const void *of, const ks_object *volume);
    const void *of;
} ks_taken;
/* The volume that it takes on `node`, not one of those in `taken` (FindMatchingVolume with a node). */
const ks_object *ks_volume_on_node(const ks_store *store, const ks_object *claim,
                                   const ks_object *node, ks_taken taken);

/* Whether the volume's claimRef is this claim: by name, and by uid where it has one. */
bool ks_volume_is_for(const ks_object *volume, const ks_object *claim);
/* Whether both are file systems, or both block devices. */
bool ks_same_volume_mode(const ks_object *volume, const ks_object *claim);
/* What a claim asks for (spec.resources.requests.storage). */
ks_quantity ks_claim_request(const ks_object *claim);
/* Whether no volume is there that the claim might take. */
bool ks_no_volume_for(const ks_store *store, const ks_object *claim);
/* Why a volume that a claim names does not suit it (checkVolumeSatisfyClaim), or NULL. `text` has room for it. */
const char *ks_volume_unfit(const ks_object *volume, const ks_object *claim, char text[320]);

/* The class object of a claim; NULL: none or unknown. */
const ks_object *ks_claim_class(const ks_store *store, const ks_object *claim);
bool ks_class_waits(const ks_object *storage_class); /* WaitForFirstConsumer; NULL: no */
/* An annotation's text, or NULL. */
const ks_str *ks_annotation(const ks_object *object, const ks_str *key);
/* The CSI driver that attaches a volume, NULL where nothing is attached (`attached_as` in its header). Borrowed. */
const ks_str *ks_volume_attacher(const ks_object *volume);

#endif
