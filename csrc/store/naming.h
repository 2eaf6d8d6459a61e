/*
 * store/naming.h - who names whom: pods their claims, claims their volume, volumes their claim, attachments their volume.
 *
 * These objects know each other by name. So that names need not be looked up at every step, a version says where the object is that
 * it names, if that was there when it was written; and a store finds those that name a claim or a volume by the id of that, or by its
 * name as long as it is not there. That is of the store's age: who looks at an old view of the cluster finds what named it then.
 */
#ifndef KS_STORE_NAMING_H
#define KS_STORE_NAMING_H

#include "store/store.h"

/* The claim's name of a pod's volume: persistentVolumeClaim or ephemeral ("<pod>-<volume>", new); NULL: no claim. A new
 * reference. */
const ks_str *ks_volume_claim_name(ks_heap *heap, const ks_object *pod, ks_val volume);
/* NULL: the claim is the pod's own. Else why it cannot be that of one of its ephemeral volumes, a new string.
 * component-helpers/storage/ephemeral/ephemeral.go: VolumeIsForPod. */
const ks_str *ks_claim_made_for_other(ks_heap *heap, const ks_object *claim, const ks_object *pod);
/* Whether one of its volumes is that claim, of its own namespace. */
bool ks_pod_names_claim(ks_heap *heap, const ks_object *pod, const ks_str *claim);

/* The claim of a pod that has one claim, which was not made for it, without a look at what it calls it; NULL: there are more, or it is
 * not known where that one is. Borrowed. */
const ks_object *ks_store_only_claim(const ks_store *s, const ks_object *pod);
/* Whether a claim or an attachment names that volume, or a volume that claim. */
bool ks_names(const ks_object *object, const ks_object *named);
/* Whether a volume's claimRef is that claim, by its uid, too, as far as that is known without a look. */
bool ks_is_exactly_for(const ks_object *volume, const ks_object *claim);
/* A pod's claim of that name: what ks_store_get() says, mostly found without it. Borrowed; NULL when absent. */
const ks_object *ks_store_claim_of(const ks_store *s, const ks_object *pod, const ks_str *claim);
/* What it names: a claim its volume, a volume its claim (by name alone, whatever the uid in its claimRef), an attachment its volume.
 * Borrowed; NULL: nothing, or that is not there. */
const ks_object *ks_store_named_by(const ks_store *s, const ks_object *object);

/* The id of what an object has noted that it names; 0: nothing, or it was not there when this was written. */
uint64_t ks_named_id(const ks_object *object);
/* What is written next names that object: so it need not be looked for by its name. A hint, and no harm if it is wrong. */
void ks_store_expect(ks_store *s, const ks_object *named);

/* Walks those that name an object, by id: of KS_POD and KS_PV, those that name a claim; of KS_VOLUMEATTACHMENT, those that name a
 * volume (`ns` NULL). Objects may come and go meanwhile.
 *     for (ks_namers n = ks_store_naming(s, KS_POD, ns, name); ks_namers_next(&n);) use(n.object); */
typedef struct ks_namers {
    const ks_store *store;
    const ks_str *ns, *name; /* private; NULL: it is known that they name it */
    uint64_t but;            /* may be set before the first step: the id of one that is left out */
    ks_link link;            /* private */
    const ks_object *object;
} ks_namers;
ks_namers ks_store_naming(const ks_store *s, ks_kind kind, const ks_str *ns, const ks_str *name);
/* The same, of an object that is or was there: found without its name, mostly. */
ks_namers ks_store_naming_it(const ks_store *s, ks_kind kind, const ks_object *named);
/* The pods that name the claim that this pod calls so, it too. */
ks_namers ks_store_sharing(const ks_store *s, const ks_object *pod, const ks_str *claim);
bool ks_namers_next(ks_namers *namers);

#endif
