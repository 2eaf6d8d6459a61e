/*
 * store/store.h - what etcd does: versions of objects, indexes over them, the log of changes.
 *
 * Objects are immutable versions. Each object (not version) has an id, dealt out in order of
 * creation and never reused: work queues and indexes speak of ids. A store is a handful of
 * persistent maps: copying it is O(1) and gives a consistent snapshot for ever.
 */
#ifndef KS_STORE_STORE_H
#define KS_STORE_STORE_H

#include "api/kind.h"
#include "base/ids.h"
#include "base/links.h"
#include "base/world.h"

/* One version of one object. Counted; never changed but for `whole`. The header's members are borrowed from the document, or from its parts.
 */
typedef struct ks_object {
    uint32_t refs;
    ks_kind kind;
    uint64_t id;      /* of the object; the same in all its versions */
    uint64_t version; /* resourceVersion: not in `doc`, put in by ks_object_doc() */
    /* The whole object: apiVersion, kind, metadata, ...; NULL: written in parts, and nobody has asked for it yet. Private: ks_doc() */
    ks_map *whole;
    ks_heap *heap;
    ks_val meta, spec, status, labels; /* members of the document; KS_NOTHING when absent */
    ks_val owners;                     /* metadata.ownerReferences */
    const ks_str *ns;                  /* NULL for cluster-scoped kinds */
    const ks_str *name, *uid;
    const ks_str *node;      /* Pod: spec.nodeName, or NULL */
    const ks_str *owner_uid; /* of the controlling ownerReference, or NULL */
    /* Where the object of that uid is, if it was there when this was written; private to store/. The same of the object that it names:
     * naming.h. */
    uint64_t owner, named;
    /* Pod: those of one number, other than 0, have come of one template, and nothing of labels and spec has changed since, but that they may have a
     * node: these are equal but for that, hostname, subdomain, how volumes name their claims, and the two labels that only pods of
     * StatefulSets have. */
    uint32_t kin;
    uint8_t
        claims; /* Pod: how many of its volumes are, or come from, a claim; 255: as many or more */
    /* Pod, claim, volume: the first letter of status.phase if it is one of those that Kubernetes gives them; '\0' for none, '?' for any
     * other. */
    char phase;
    /* That owner is what the ownerReference says (apiVersion, kind, name), in its own namespace: so it is the controller for as long as
     * it is there. */
    bool owner_agrees : 1;
    bool bound : 1;     /* Claim: it names a volume, and the binder is done with it */
    bool alone : 1;     /* Claim, volume: only one pod may use it (ReadWriteOncePod) */
    bool local : 1;     /* Volume: only nodes that it selects may use it (nodeAffinity) */
    bool imported : 1;  /* it came as it was, unchecked, or is a later version of such a one */
    bool disrupted : 1; /* Pod: it has a condition DisruptionTarget */
    bool
        restarted : 1; /* Pod: one of its containers, of the init containers too, has been started again */
    bool ready : 1;        /* Pod: its condition Ready is True since `ready_since` */
    bool exact : 1;        /* Volume: its claimRef has the uid of the claim that `named` says */
    bool usual : 1;        /* Claim, volume: it is a file system, without a VolumeAttributesClass */
    bool first : 1;        /* its metadata.generation is 1 */
    bool makes_claims : 1; /* Pod: it has volumes whose claims are made for it alone (ephemeral) */
    bool wants_devices : 1; /* Pod: it has resourceClaims */
    bool apart : 1; /* it was written in parts, and holds these itself: metadata, spec and status */
    union {
        int64_t
            ready_since; /* neither a claim nor a volume; Pod: lastTransitionTime of its condition Ready, or KS_NEVER */
        const ks_str *class_name; /* Claim: its StorageClass (ks_volume_class()), or NULL */
        /* Volume: what the status of nodes calls it, if it attaches: "kubernetes.io/csi/<driver>^<handle>"
         * (pkg/volume/csi/csi_attacher.go, util/volumehelpers: GetUniqueVolumeName). Counted; NULL: it does not attach. */
        const ks_str *attached_as;
    };
    int64_t created;  /* virtual instants, ns (may be negative when imported) */
    int64_t deleting; /* metadata.deletionTimestamp, or KS_NEVER: not being deleted */
} ks_object;

const ks_object *ks_object_ref(const ks_object *object);
void ks_object_unref(ks_heap *heap, const ks_object *object);
/* The kind of its controller, if that was there when this was written; else KS_NO_KIND. */
ks_kind ks_object_owner_kind(const ks_object *object);
static inline bool ks_object_terminating(const ks_object *o) { return o->deleting != KS_NEVER; }

/* The whole document, borrowed. Of a version that was written in parts it is made now, and kept with it. */
ks_val ks_object__compose(const ks_object *object); /* private: nobody has asked yet */
static inline ks_val ks_doc(const ks_object *object) {
    if (object->whole == NULL) return ks_object__compose(object);
    return (ks_val){.type = KS_MAP, .m = object->whole};
}
/* A new reference to it, for those who make another one of it: nothing is kept. */
ks_val ks_doc_ref(const ks_object *object);
/* The same for a look that must not allocate, borrowed, and good for as long as `room` is. */
enum { KS_DOC_PARTS = 5 };
typedef union ks_doc_room {
    ks_map map;
    struct {
        uint32_t refs, len, cap;
        ks_pair pairs[KS_DOC_PARTS];
    } whole;
} ks_doc_room;
ks_val ks_doc_look(const ks_object *object, ks_doc_room *room);
/* Whether that document is its own. */
bool ks_doc_is(const ks_object *object, ks_val doc);
/* The document with metadata.resourceVersion in it: a new reference. */
ks_val ks_object_doc(ks_heap *heap, const ks_object *object);

/* --- briefs: versions that are kept short --- */

/* A version whose writer keeps it in a form of its own, shorter than a document, because mostly nobody looks at it: a recorded Event.
 * Whoever looks at the store finds an ordinary ks_object all the same, made on the first look and kept with the brief for as long as
 * that lives. It must come out the same whenever that is: so whatever is drawn, counted or read off the clock is in the brief. It has
 * neither labels nor owners.
 * Counted; never changed but for `whole`. It is the first member of its writer's own struct. */
typedef struct ks_brief {
    uint32_t refs;
    uint32_t spare; /* its writer's */
    const struct ks_brief_type *type;
    uint64_t id, version; /* as in ks_object: given by ks_store_write_brief() */
    const ks_object
        *whole; /* private to store/: what has been made of it; NULL: nobody has looked */
} ks_brief;

/* What the writer knows about its briefs. */
typedef struct ks_brief_type {
    ks_kind kind;
    /* The whole document, as ks_object.doc: a new reference. */
    ks_val (*compose)(ks_world *world, const ks_brief *brief);
    /* Frees the brief, which nobody holds any more, and what it holds. */
    void (*dispose)(ks_heap *heap, ks_brief *brief);
    const ks_str *(*ns)(const ks_brief *brief); /* its namespace, borrowed */
    ks_key (*key)(const ks_brief *brief);       /* ks_store_stamped() of its name */
    int64_t (*added)(const ks_brief *brief);    /* of a first one: when it was written */
    /* The text of the field at a path of field selectors ("involvedObject.name"), borrowed; NULL: look at the document. */
    const char *(*field)(const ks_brief *brief, const char *path);
} ks_brief_type;

void ks_brief_unref(ks_heap *heap, const ks_brief *brief);

typedef enum ks_change_type { KS_ADDED, KS_MODIFIED, KS_DELETED } ks_change_type;
typedef struct ks_change {
    uint32_t refs;
    ks_change_type type;
    uint64_t version;
    int64_t at; /* virtual instant */
    /* The new version; for KS_DELETED the last one, with the version of its deletion. */
    const ks_object *object;
    const ks_object *old; /* the one before, or NULL */
} ks_change;
const ks_change *ks_change_ref(const ks_change *change);
void ks_change_unref(ks_heap *heap, const ks_change *change);

/* Kinds of which there are masses: where nobody asks for a uid, none of theirs is indexed (store.c), and what is new of one of them is
 * shown to few (engine/sim.c). */
enum { KS_MASSES = 4 };
static const ks_kind ks_masses[KS_MASSES] = {KS_POD, KS_PVC, KS_PV, KS_VOLUMEATTACHMENT};
/* Which of them a kind is, or -1. */
static inline int ks_mass_of(ks_kind kind) {
    for (int i = 0; i < KS_MASSES; i++)
        if (ks_masses[i] == kind) return i;
    return -1;
}

typedef struct ks_store {
    ks_world *world;
    uint64_t version; /* of the last write */
    uint64_t last_id;
    /* Object or (marked) brief: order of creation. New Events are put in a page of the log at a time, or when somebody looks. */
    ks_ids by_id[KS_KIND_COUNT];
    uint64_t kinds; /* a bit for each kind whose map is there: all, but in a snapshot */
    /* indexes say which object (kind and id in one word), so a new version touches by_id alone */
    ks_table by_name; /* hash of kind, namespace and name (not Events) */
    ks_table
        by_uid; /* hash of the uid (not Events; of the kinds that come in masses, only what is in `uids_known`) */
    /* Who names what (naming.h): ids of claims -> their pods; ids of claims -> their volumes, and of volumes -> their attachments. */
    ks_ties named[2];
    ks_links
        unmet; /* those that name what is not there: under the hash of its name, and of their kind */
    /* Hash of namespace and name: of Events with ids up to `events_named`. The others are put in when somebody asks for an Event by its
     * name. */
    ks_table event_names;
    uint64_t events_named;
    /* The same for uids of pods, claims, volumes and attachments: the last ids that are in `by_uid`. */
    uint64_t uids_known[KS_MASSES];
    uint64_t last_owner; /* where the owner is of what was written last */
    uint64_t owning;     /* a bit for each kind of which there may be owners */
    uint64_t expected;   /* where that is which the next is going to name: naming.h */
    struct ks_store_maps {
        ks_tree by_owner; /* {64 bits of the hash of the owner's uid, id}: all ownerReferences */
        ks_tree pods_by_node;                           /* {hash of node name, id} */
        ks_tree free_volumes, node_volumes, free_sorts; /* what no claim has: free_volumes.c */
        ks_tree pin_labels; /* {0, number} -> label: those that tie volumes to nodes */
        ks_tree log;        /* {0, first version} -> page of changes in a row; bounded */
    } maps;
    struct ks_log_page *page; /* the newest changes, not in `log` yet; counted */
    uint32_t page_len;        /* how many of those in it are this store's, */
    uint32_t page_known;      /* and of how many the new Events are in `by_id` */
    uint64_t compacted;       /* versions up to here are no longer in the log */
    struct ks_spaces
        *spaces;  /* who is in which namespace: spaces.c. Counted; NULL: nobody has asked */
    bool follows; /* somebody's cache: ks_store_follow() writes it, and not in the order of ids */
    uint64_t walked;      /* pods that were walked by for want of an index of labels */
    struct ks_undo *undo; /* what has to be put back if the call in progress fails; NULL: nothing */
} ks_store;

void ks_store_init(ks_store *store, ks_world *world);
void ks_store_dispose(ks_store *store);
/* To be called before any copy by assignment is made. */
void ks_store_gather(const ks_store *from);
/* O(1). `world` of the copy is the one given. */
void ks_store_copy(ks_store *out, const ks_store *from, ks_world *world);
/* The same, after a copy by assignment. */
void ks_store_copied(ks_store *out, ks_world *world);
/* Makes a copy by assignment one that is only good for being put back, soon: new versions of objects are written into the maps that both share, and
 * noted. So a call that changes one object of many need not copy any map, and a kind that is not written costs nothing. `from` must not
 * move until one of the two ends it: */
void ks_store_snapshot(ks_store *out, ks_store *from, ks_world *world);
/* what was done is kept (`out` may be disposed of then), */
void ks_store_keep(ks_store *from);
/* or it is undone, and `out` is what `from` was. Allocates nothing, so that it can be done when memory has run out; `from` may be in
 * any state then, and can be disposed of if no write was interrupted. */
void ks_store_undo(ks_store *from);

/* --- copies that go their own way: informer caches --- */
/* Follows a change of the store that it was copied from, in which the changes of this kind before it have been followed. */
void ks_store_follow(ks_store *s, const ks_change *change);
void ks_store_shorten(ks_store *s); /* without a log, and without Events */
/* Dispose, of a copy whose world may be gone. */
void ks_store_clear(ks_store *s, ks_heap *heap);

/* Looking: borrowed until the next change of the store; NULL when absent. ns NULL for cluster-scoped kinds. */
const ks_object *ks_store_get(const ks_store *s, ks_kind kind, const ks_str *ns,
                              const ks_str *name);
const ks_object *ks_store_get_text(const ks_store *s, ks_kind kind, const char *ns,
                                   const char *name);
const ks_object *ks_store_by_id(const ks_store *s, ks_kind kind, uint64_t id);
const ks_object *ks_store_by_uid(const ks_store *s, const ks_str *uid);
/* The object that `object` names as its controller (by uid alone), or NULL. */
const ks_object *ks_store_owner(const ks_store *s, const ks_object *object);
/* The same, where its ownerReference also gives that object's kind, which is `kind`, and name, and both are in one namespace. */
const ks_object *ks_store_controller(const ks_store *s, const ks_object *object, ks_kind kind);
/* Whether an object of that kind may own another; ask the server's own store. What comes with a uid of its own, from outside, may have that of
 * anything. */
static inline bool ks_store_may_own(const ks_store *s, ks_kind kind) {
    return (s->owning >> kind & 1U) != 0;
}
void ks_store_doubt_owners(ks_store *s);
/* Whether one of the object's ownerReferences, its controller's or another, has that uid. */
bool ks_is_owned(const ks_object *object, const ks_str *uid);
size_t ks_store_count(const ks_store *s, ks_kind kind);

/* An object that will be looked at. */
typedef struct ks_coming {
    uint64_t kinds; /* a bit for each that it may be of */
    uint64_t id;
    const ks_object *object; /* once it has been found; as long as the store does not change */
    const void *recorded;    /* what ks_record_ahead() has found */
} ks_coming;

/* Asks for the memory of an object before it is looked at, as far as it can be asked for by now: for each of KS_STEPS_AHEAD steps to 1,
 * with a fraction of a microsecond between them. */
enum { KS_STEPS_AHEAD = 4 };
void ks_store_ahead(const ks_store *s, ks_coming *next, int steps);
/* The same for the one of a kind that names an object (naming.h), of an id. */
void ks_store_ahead_naming(const ks_store *s, ks_kind kind, uint64_t id, int steps);
/* The same for an object of a name, not an Event's, which will be looked for or made within this step. */
void ks_store_ask_name(const ks_store *s, ks_kind kind, const ks_str *ns, const ks_str *name);

/* A pod is about to have that node, an object to be deleted: asks for the memory in which it is indexed. */
void ks_store_ask_node(const ks_store *s, const ks_str *node, uint64_t pod);
void ks_store_ask_leaving(const ks_store *s, const ks_object *object);

/* Walking, in order of creation; `ns` NULL walks all namespaces. The store must not change
 * meanwhile (walk a copy, or collect first). for (ks_walk w = ks_walk_kind(s, KS_POD, ns);
 * ks_walk_next(&w);) use(w.object); */
typedef struct ks_walk {
    const ks_store *store;
    union {
        ks_ids_iter ids;   /* of all of the kind, */
        ks_tree_iter iter; /* or of an index */
    };
    const ks_str *ns;   /* stop where the namespace ends */
    uint64_t prefix;    /* stop where key.a ends */
    const ks_str *text; /* uid or node name that must agree */
    void *const
        *beside;  /* of an index: where the next entry stands, if it is in one node with the last */
    ks_kind kind; /* KS_NO_KIND: any */
    int mode;
    /* May be set before the first step: briefs that it does not let pass are gone by, and nothing is made of them. */
    bool (*passes)(void *payload, const ks_brief *brief);
    void *payload;
    const ks_object *object;
} ks_walk;
ks_walk ks_walk_kind(const ks_store *s, ks_kind kind, const ks_str *ns);
ks_walk ks_walk_created(const ks_store *s, ks_kind kind);
/* A namespace's pods that may have the label {key, value}: all that have it, and maybe others; by id. */
ks_walk ks_walk_labelled(const ks_store *s, const ks_str *ns, const ks_pair *label);
ks_walk ks_walk_owned(const ks_store *s, const ks_str *owner_uid,
                      ks_kind kind);                         /* any ownerReference to it; by id */
ks_walk ks_walk_node(const ks_store *s, const ks_str *node); /* pods on a node; by id */
bool ks_walk_next(ks_walk *walk);
/* Sorts by "namespace/name", as etcd's keys do: the order in which the API server lists. */
void ks_store_sort(ks_heap *heap, const ks_object **objects, size_t n);

/* Writing: takes over `doc` (a full object whose metadata has name, namespace and uid). Gives it
 * the next version, indexes it, logs the change. `old` NULL: a new object (the caller has checked
 * that the name is free), of that kin. The answer is the change, a new reference (the object lives in it). Only
 * apiserver/ calls these. */
const ks_change *ks_store_write(ks_store *s, ks_kind kind, ks_val doc, const ks_object *old,
                                uint32_t kin);
/* The same in parts, all taken over, of the kinds of which there are masses: what these objects have in common, apiVersion and kind, is put
 * to them when somebody asks for the document. */
typedef struct ks_parts {
    ks_val meta, spec, status;
} ks_parts;
const ks_change *ks_store_write_parts(ks_store *s, ks_kind kind, ks_parts parts,
                                      const ks_object *old, uint32_t kin);
const ks_change *ks_store_delete(ks_store *s, const ks_object *object);

/* The same for a brief (taken over, refs 1), `old` being the brief before. Nobody is told: who has to hear of it finds the change with
 * ks_store_since(). */
void ks_store_write_brief(ks_store *s, ks_brief *brief, const ks_brief *old);
/* The object as the brief that it is kept as, borrowed; NULL when it is not there or whole. */
const ks_brief *ks_store_brief(const ks_store *s, ks_kind kind, uint64_t id);
/* The key of a name that ends in '.' and a number as hexadecimal digits, `before` being what precedes the point: later
 * numbers stand behind earlier ones in the index, which so grows at its end. `hash` is ks_store_hash() of what precedes. */
ks_key ks_store_stamped(uint64_t hash, uint64_t number);
uint64_t ks_store_hash(const ks_str *ns, const ks_str *before);

/* What there was of a kind at an earlier version: today's objects, but for those that have changed
 * since. */
typedef struct ks_past {
    ks_tree then; /* {0, id} -> the object as it was, or NULL when it was not there yet */
} ks_past;
/* False when `version` is compacted away. To be disposed of if true. */
bool ks_past_open(const ks_store *s, ks_kind kind, uint64_t version, ks_past *out);
/* All objects of the kind as they were then, in no order: borrowed; calls `found` for each. */
void ks_past_walk(const ks_store *s, ks_kind kind, const ks_past *past,
                  void (*found)(void *payload, const ks_object *object), void *payload);
void ks_past_dispose(const ks_store *s, ks_past *past);

/* The first change of the kind (KS_NO_KIND: of any) after `version`, borrowed, NULL when there is none; false when it is compacted away
 * (410 Gone). */
bool ks_store_since(const ks_store *s, ks_kind kind, uint64_t version, const ks_change **change);

#endif
