/*
 * engine/sim.h - the virtual-time engine: agenda, work queues, components.
 *
 * What is due at a later instant stands in the agenda, a persistent map ordered by (time, sequence); what is ready stands in a row
 * (ready.h). A component is a constant table of functions plus a state that it keeps in persistent maps, so that a fork is O(1). It
 * sees each change of the store (observe), turns it into keys on its own work queue, and is called back for one key at a time (sync),
 * in virtual time.
 * Nothing sleeps, and nothing runs where nothing is due.
 *
 * Some things are done by the clock, for ever, although mostly nothing comes of them. Nobody waits for their next time, or no cluster
 * would come to rest: their component is roused when time passes that instant for another reason (ks_rouse_at()).
 */
#ifndef KS_ENGINE_SIM_H
#define KS_ENGINE_SIM_H

#include "apiserver/server.h"
#include "engine/ready.h"
#include "engine/settings.h"

typedef struct ks_sim ks_sim;

typedef struct ks_component {
    const char *name; /* "statefulset", "scheduler": what step() shows */
    /* Makes the state (may be NULL for none); called once for a new cluster. */
    void *(*create)(ks_sim *sim);
    /* A copy: O(1), ks_tree_copy for maps. Made when a cluster whose fork or snapshot has the same state first works on it. */
    void *(*copy)(ks_sim *sim, const void *state);
    void (*dispose)(ks_heap *heap, void *state);
    /* A change has been written (synchronously, in order): queue keys, update caches. Must not write to the server.
     * Called for changes of the kinds in `kinds` only. */
    void (*observe)(ks_sim *sim, void *state, const ks_change *change);
    /* Whether `observe` has anything to do for a change, for those that mostly have not: it says so quickly, looking at what the parts
     * of the object that are new (ks_part) can mean to it. NULL: always. It must be true where observe() would change anything.
     * A component whose watches lag, or that restarts, is told of all, without being asked: `observe` must not rely on this, nor on masks. */
    bool (*heeds)(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts);
    /* Works on one key. True: done (backoff is reset). False: failed, retry with backoff. */
    bool (*sync)(ks_sim *sim, void *state, uint64_t key);
    /* After how long a failed key is tried again: this at first, doubled each time, at most that. 0: 5 ms and 1000 s, as most do. */
    int64_t retry_first, retry_most;
    /* How many times (maxRetries of many controllers). Then it is left until something queues it again, at the latest the next resync,
     * and begins anew; sync() is not given KS_RESYNC. 0: without end. */
    uint32_t retries;
    uint64_t rouse_key; /* what it is called for when it is roused: ks_rouse_at() */
    /* Text of a key for step() and traces: "default/web". May be NULL. */
    void (*describe)(ks_sim *sim, const void *state, uint64_t key, ks_buf *out);
    /* Of objects of the kinds of which there are masses neither `heeds` nor `observe` hears unless one of these parts is new; 0: always. */
    uint32_t pod_parts, claim_parts, volume_parts, attachment_parts;
    uint64_t kinds; /* KS_KIND_BIT of those that `observe` has something to do for */
    /* Whether it follows nothing at the moment, so that `observe` has nothing to do but for changes of `idle_kinds`. Asked whenever it has
     * observed something or worked on a key. NULL: never. */
    bool (*idles)(const void *state);
    uint64_t idle_kinds;
    /* Whether there is anything to observe at the moment in changes of kinds that are kept as briefs (store.h). NULL: always. */
    bool (*listens)(const void *state);
    /* KS_KIND_BIT of those kinds whose objects' ids its keys are, mostly, and by how many bits to the left: so that they can be asked for
     * while others are worked on. 0: its keys are few, or something else. */
    uint64_t keys;
    int key_shift;
    /* The same for what the component itself keeps of a key, and for what else it will look at: ks_store_ahead(), and once more, with 0,
     * at the end. May be NULL; needs `keys`. */
    void (*ahead)(const ks_sim *sim, const void *state, const ks_coming *next, int steps);
    bool punctual; /* a lag of its watches is not simulated */
    bool lasting;  /* what it knows is not all in the store: it cannot be restarted */
    uint64_t
        lists; /* of others that it reads from its informers' caches (ks_view); what is in neither it asks the server for */
    /* Of these its cache shows what it has written itself at once, and of what it is told later only what is newer: the assume caches of
     * the scheduler (pkg/scheduler/util/assumecache), storeObjectUpdate of the volume binder. */
    uint64_t keeps;
    /* Of these it knows what it has done itself, not what it is told: the actual state of the world of the attach-detach controller. They
     * are never late. */
    uint64_t own;
} ks_component;

/* What of a modified object is not what it was before. Of one that is new or gone all is (`heeds` is given KS_ALL_PARTS). Found by comparing
 * the documents' addresses: what is equal may count as new, never the other way round. */
typedef enum ks_part {
    KS_PART_META = 1 << 0,       /* anything in metadata */
    KS_PART_LABELS = 1 << 1,     /* its labels */
    KS_PART_ENDING = 1 << 2,     /* not new: it is being deleted */
    KS_PART_SPEC = 1 << 3,       /* anything in spec */
    KS_PART_PLACE = 1 << 4,      /* Pod: its node */
    KS_PART_STATUS = 1 << 5,     /* anything in status */
    KS_PART_PHASE = 1 << 6,      /* Pod */
    KS_PART_READY = 1 << 7,      /* Pod: its condition Ready is true or not */
    KS_PART_ADDRESSES = 1 << 8,  /* Pod: its addresses */
    KS_PART_CONDITIONS = 1 << 9, /* Pod, Node */
    KS_PART_NODELESS = 1 << 10,  /* not new: it is a Pod that has no node */
    KS_PART_ADDED = 1 << 11,     /* the whole object */
    KS_PART_DELETED = 1 << 12,   /* it is gone */
} ks_part;
#define KS_PART_COUNT     13
#define KS_PART_EXISTENCE (KS_PART_ADDED | KS_PART_DELETED)
#define KS_ALL_PARTS      UINT32_MAX

#define KS_KIND_BIT(kind) (UINT64_C(1) << (kind))
#define KS_ALL_KINDS      UINT64_MAX

/* How late a component's watches deliver what was written: between two spans, in ns. */
typedef struct ks_lag {
    int64_t least, most;
} ks_lag;

struct ks_sim {
    ks_world world;
    ks_server server;
    ks_settings *settings;        /* counted, copied on write by forks */
    const struct ks_hooks *hooks; /* callbacks into the embedder; may be NULL */
    void *hook_payload;
    void (*on_change)(void *hook_payload, const ks_change *change); /* for watches; may be NULL */
    bool (*listens)(void *hook_payload, ks_kind kind); /* has it to hear of that kind? NULL: no */
    int pending_error; /* set by ks_sim_fail(): the run stops at the end of the step */
    uint64_t steps;    /* how many have been run since the cluster began */
    ks_tree agenda;    /* private to engine/, as is what follows */
    ks_ready ready;
    ks_tree failures;
    uint64_t sequence;
    int64_t quiet;  /* the earliest instant at which a component wants to be roused, or KS_NEVER */
    uint32_t rests; /* a bit for each component that wants to be */
    int asked;      /* for so many of the next keys memory has been asked for */
    struct {
        int component; /* -1: none */
        uint64_t key;
        bool again; /* it has been queued meanwhile */
    } busy;         /* the key that is worked on */
    struct {
        int component; /* -1: none */
        uint64_t key;
    } next; /* the key that comes before all others: ks_go_on() */
    int component_count;
    uint32_t observers[KS_KIND_COUNT]; /* by kind: a bit for each component that observes it */
    uint32_t sleepers[KS_KIND_COUNT];  /* ... but not while it follows nothing */
    uint32_t idle;                     /* a bit for each component that follows nothing */
    uint32_t part_observers
        [KS_MASSES]
        [KS_PART_COUNT];  /* as `observers`, by parts of the kinds of which there are masses */
    const ks_store *view; /* see ks_view() */
    uint32_t late;        /* a bit for each component that has a cache */
    int64_t resync;       /* the period of the informers; 0: not drawn yet */
    ks_sim *snapshot; /* what this is put back to if the call in progress fails; NULL: nothing */
    uint32_t
        counted; /* a bit for each component whose state and waits are counted here: all, but in a snapshot */
    struct {
        const ks_component *component;
        struct ks_held *held; /* its state */
        ks_lag lag;
        ks_ids waits;           /* key -> how it waits: sim.c */
        int64_t rouse;          /* when it is to be roused, or KS_NEVER */
        struct ks_cache *cache; /* what it knows, where that is not the newest: engine/cache.h */
        uint32_t fault_rate;    /* of 1000 writes, those that fail */
    } components[32];
};

/* --- for components --- */
/* What the component that is at work knows of the cluster: what upstream's reads from its listers and informers. What upstream asks
 * the API server for is read from sim->server.store. They are the same where watches deliver at once. */
static inline const ks_store *ks_view(const ks_sim *sim) { return sim->view; }
/* Whether that is not the newest: what was just written is not seen in it yet. */
static inline bool ks_view_is_late(const ks_sim *sim) { return sim->view != &sim->server.store; }
/* Whether the component hears of changes late, or has not heard of all yet. */
static inline bool ks_sim_is_late(const ks_sim *sim, int component) {
    return (sim->late >> component & 1U) != 0;
}
/* What a component knows, for those who ask from outside. */
const ks_store *ks_view_of(const ks_sim *sim, int component);
/* The same, for the component to note in its indexes what it goes by itself; forks and snapshots do not see that. */
ks_store *ks_view_own(ks_sim *sim, int component);
static inline bool ks_sim_any_is_late(const ks_sim *sim) { return sim->late != 0; }
/* Whether the component has been told of all changes of the kind up to that version: the view shows its own writes. */
bool ks_has_heard(const ks_sim *sim, int component, ks_kind kind, uint64_t version);
/* Up to which version that is. */
uint64_t ks_heard_until(const ks_sim *sim, int component, ks_kind kind);
/* Puts `key` on the component's queue, now; a key that waits already is not queued twice; one that is being worked on is
 * run again afterwards (client-go workqueue). Whether it was not queued yet. */
bool ks_enqueue(ks_sim *sim, int component, uint64_t key);
/* For a component that goes on from one key to the next without waiting for anything: the key, which waits nowhere, is worked on before
 * all else that is ready. Called once in a sync, at the most. */
void ks_go_on(ks_sim *sim, int component, uint64_t key);
/* The same, at an instant (several delayed adds of one key: the earliest wins, as client-go's AddAfter). */
void ks_enqueue_at(ks_sim *sim, int component, uint64_t key, int64_t instant);
/* With the key's backoff (5 ms doubling to 1000 s), as AddRateLimited; sync returning false does this, as often as the component wants. */
void ks_enqueue_backoff(ks_sim *sim, int component, uint64_t key);
void ks_forget(ks_sim *sim, int component, uint64_t key);
/* Takes back what ks_enqueue_at() has put off: what it was for has gone. */
void ks_cancel(ks_sim *sim, int component, uint64_t key);
/* When time passes that instant, because somebody lets it pass or because something else is due by then, the component's `rouse_key` is
 * queued; nothing waits for it: for ks_sim_due(), and so for whoever runs until nothing is due, it does not exist. A component has one such
 * instant, which comes once; KS_NEVER: none. */
void ks_rouse_at(ks_sim *sim, int component, int64_t instant);
/* Informers show their components all objects again every twelve hours or more (ResyncPeriod: twelve, and a random part of twelve; one
 * period for all). Where nothing is left undone that changes nothing, and costs nothing here: a component calls this for a key that
 * it has put aside although there is work for it, and the key is queued with the next of these instants; _forget: no more. */
#define KS_RESYNC                                                                                  \
    (UINT64_C(1)                                                                                   \
     << 63) /* in the key of such an entry: sync() is given it, and queues the key without */
void ks_await_resync(ks_sim *sim, int component, uint64_t key);
void ks_forget_resync(ks_sim *sim, int component, uint64_t key);
/* The index of the component whose functions are running (valid in create, observe, sync). */
int ks_component_index(const ks_sim *sim, const ks_component *component);
/* Its state, for changing (this cluster alone has it from now on) and for looking; NULL when it has none. */
void *ks_component_state(ks_sim *sim, const ks_component *component);
/* The state of the component whose key is worked on (valid in sync). */
void *ks_state_at_work(const ks_sim *sim);
const void *ks_component_look(const ks_sim *sim, const ks_component *component);

/* --- for cluster/ --- */
/* `sim` is filled; components are added before any change is written. */
void ks_sim_init(ks_sim *sim, ks_heap *heap, uint64_t seed, int64_t epoch, ks_rules rules);
void ks_sim_add(ks_sim *sim, const ks_component *component);
/* O(1), and little: what both have is copied when one of them first changes it. */
void ks_sim_copy(ks_sim *out, const ks_sim *from);
/* A copy that is only good for being put back, until one of the two says what becomes of it: see ks_store_snapshot(). */
void ks_sim_snapshot(ks_sim *out, ks_sim *from);
void ks_sim_keep(ks_sim *from);
void ks_sim_undo(ks_sim *from);
void ks_sim_dispose(ks_sim *sim);

/* From now on the component hears of changes that late; what is on its way to it arrives no later than that either. */
void ks_sim_set_lag(ks_sim *sim, int component, ks_lag lag);
/* The component loses all that it knew, and is told of every object as if it were new: a controller that restarts. */
void ks_sim_restart(ks_sim *sim, int component);

typedef struct ks_step {
    int64_t at;
    const char *component;
    ks_val key; /* text, a new reference */
} ks_step;
/* The instant of the next thing due, or KS_NEVER: what is waited for. */
int64_t ks_sim_due(const ks_sim *sim);
/* The instant at which something happens next if time goes on: the same, or a component is roused before. */
int64_t ks_sim_next(const ks_sim *sim);
/* Whether that comes by `instant` for one who lets time pass only while something is due. */
bool ks_sim_goes_on(const ks_sim *sim, int64_t instant);
/* Runs what happens next (moving the clock to it); false when nothing will. `step` may be NULL. */
bool ks_sim_step(ks_sim *sim, ks_step *step);
/* Runs everything due until `instant`, then sets the clock there; stops early when pending_error is set. */
void ks_sim_run_until(ks_sim *sim, int64_t instant);

/* Whether a probe is content with an HTTP status (pkg/probe/http/http.go). */
static inline bool ks_http_is_fine(int64_t status) { return status >= 200 && status < 400; }

/* Callbacks into the embedder (Lua). Each returns false when it raised: the caller gives up its step's work as on an
 * internal error and has called ks_sim_fail(). Documents are borrowed. */
typedef struct ks_hooks {
    /* Scheduling policies: number, and per policy name, scheduler name (profile), weight, what it has and disables. */
    int (*policy_count)(void *payload);
    struct ks_policy_info {
        const char *name, *scheduler;
        int64_t weight;
        bool has_filter, has_score;
        const char *const *disable;
    } (*policy_info)(void *payload, int index);
    /* filter: *ok, and a reason (new text) if not. score: 0..100. `node` and `pod` as objects. */
    bool (*policy_filter)(void *payload, ks_sim *sim, int index, const ks_object *pod,
                          const ks_object *node, bool *ok, ks_val *reason);
    bool (*policy_score)(void *payload, ks_sim *sim, int index, const ks_object *pod,
                         const ks_object *node, int64_t *score);
    /* An image's command, for exec and probes: handled = false when the image has none of that name. argv is a list of texts. `err` NULL:
     * a probe or a lifecycle hook asks, which wants to know how it went (*code; none of that name does as well as one that went well), and
     * only when it failed what it said, in *out. */
    bool (*image_command)(void *payload, ks_sim *sim, uint64_t image, ks_val argv,
                          const ks_object *pod, ks_val stdin_text, bool *handled, ks_val *out,
                          ks_val *err, int *code);
    /* An image's HTTP server. status 0: nothing listens on that port. `body` NULL: a probe or a lifecycle hook asks, to which any status
     * that is fine is as good as another. */
    bool (*image_http)(void *payload, ks_sim *sim, uint64_t image, int port, ks_val request,
                       const ks_object *pod, int *status, ks_val *body);
} ks_hooks;
void ks_sim_fail(ks_sim *sim); /* remembers that a hook raised */

#endif
