/*
 * kubelet/worker.h - what the kubelets know: of each node, of each pod bound to it, of each container.
 *
 * Private to kubelet/. One component plays the kubelets of all nodes. Its state is a handful of persistent
 * maps; a pod's worker is a counted record that forks share and that is copied before it is changed.
 *
 * The shape follows the real kubelet (pkg/kubelet/kubelet.go SyncPod, kuberuntime_manager.go): a sync writes
 * the pod's status first and acts afterwards, so what an attempt came to shows with the following sync.
 */
#ifndef KS_KUBELET_WORKER_H
#define KS_KUBELET_WORKER_H

#include "api/values.h"
#include "doc/alike.h"
#include "doc/text.h"
#include "engine/sim.h"
#include "kubelet/kubelet.h"

/* The kubelet's own rhythm; not settable on a real node either. */
#define RELIST_PERIOD KS_SECOND        /* pkg/kubelet/kubelet.go: genericPlegRelistPeriod */
#define RETRY_PERIOD  (10 * KS_SECOND) /* backOffPeriod: the next look after a failed sync */
#define RETRY_LONGEST                                                                              \
    (60 * KS_SECOND) /* pod_workers.go: completeWork, a look at least this often */
#define LATE_PERCENT                                                                               \
    150 /* pod_workers.go: looks are late by up to a half (workerBackOffPeriodJitterFactor): here by all of it */
#define VOLUME_POLL (300 * KS_MILLISECOND) /* volume_manager.go: podAttachAndMountRetryInterval */
/* A pod leaves the API when a relist has confirmed the end of its containers (half a period on average) and a poll that its volumes
 * are unmounted. */
#define CLEANUP_LEAST (RELIST_PERIOD / 2 + VOLUME_POLL)
#define PATIENCE                                                                                   \
    (3600 * KS_SECOND) /* a failure that lasts longer is looked at less often: nothing new shows */
#define RETRY_PATIENT   (300 * KS_SECOND)
#define BACKOFF_FIRST   (10 * KS_SECOND)
#define BACKOFF_LONGEST (300 * KS_SECOND) /* MaxContainerBackOff */
#define BACKOFF_FORGET                                                                             \
    (600 * KS_SECOND)               /* backOffPeriod resets after an instance that lived so long */
#define GRACE_LEAST (2 * KS_SECOND) /* minimumGracePeriodInSeconds */

typedef enum role { ROLE_INIT, ROLE_SIDECAR, ROLE_APP } role;

/* What the container runtime has of a container. */
typedef enum run_state {
    RUN_NONE,    /* never made */
    RUN_CREATED, /* made, its start was refused */
    RUN_RUNNING,
    RUN_EXITED,
} run_state;

/* How one instance of a container ended. */
typedef struct ending {
    int64_t started, finished;
    const ks_str *reason;  /* counted; NULL: no such ending */
    const ks_str *message; /* counted; may be NULL */
    int32_t exit_code;
    int32_t instance; /* its restartCount */
} ending;

typedef enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS, PROBE_KINDS } probe_kind;

typedef struct probe {
    bool exists;
    bool passing;   /* the state that thresholds have settled on */
    bool known;     /* false: no result since the container started */
    bool quiet;     /* on hold until a new instance starts */
    int32_t run;    /* consecutive equal results */
    bool last;      /* what those were */
    int64_t next;   /* instant of the next tick; KS_NEVER: none */
    int64_t looked; /* instant of the last look that a status caused, + 1 */
} probe;

/* What only containers with a past or with probes have. */
typedef struct trouble {
    ending before; /* lastState */
    const ks_str
        *wait_reason; /* counted: the last attempt's, shown by the next sync (reasonCache) */
    const ks_str *wait_message;
    int64_t crash_delay, crash_at; /* back-off entry: delay and when it was made; 0: no entry */
    int64_t pull_delay, pull_at;   /* the same for the image */
    const ks_str *pull_error;      /* counted: why the last pull failed */
    probe probes[PROBE_KINDS];
} trouble;

typedef struct container {
    uint8_t role;
    uint8_t run;
    bool started;   /* status.started: startup probe passed or none */
    bool ready;     /* status.ready, of a running one */
    bool todo;      /* to be started by the sync in progress */
    bool doomed;    /* to be killed by the sync in progress, then started again if `again` */
    bool again;     /* ... with the same sync's start */
    bool changed;   /* its image is another one now: to be replaced */
    bool hooked;    /* started; its postStart hook sleeps */
    bool stopping;  /* being killed: dies at `ends` */
    uint16_t index; /* in spec.containers or spec.initContainers */
    int32_t restarts;
    int32_t id_of;    /* the instance that `id` is the id of, + 1; 0: of none */
    const ks_str *id; /* counted: its id as statuses show it */
    int64_t began;    /* start of this instance */
    int64_t ends;     /* when this instance ends, as far as is known now; KS_NEVER */
    int32_t end_code;
    bool end_killed;          /* by SIGKILL */
    const ks_str *end_reason; /* counted: of an end that was asked for (crash), or NULL */
    const char *doom;         /* constant: why it is doomed: "liveness", "startup", "changed", "" */
    int64_t ready_at;         /* without a readiness probe: answers from then on */
    ending end;               /* of this instance, RUN_EXITED */
    trouble *trouble;         /* may be NULL */
} container;

typedef enum stage {
    STAGE_SYNC,  /* the ordinary life */
    STAGE_KILL,  /* being ended: waits for processes */
    STAGE_ENDED, /* all ended, final status written; leaves the API when it is being deleted */
} stage;

typedef enum operation {
    OP_NONE,
    OP_VOLUMES, /* waiting until volumes are bound and attached */
    OP_MOUNT,
    OP_PULL,
    OP_START,
    OP_KILL,
} operation;

#define WAITS 4
enum { WAITS_FOR_NAME, WAITS_FOR_CLAIM, WAITS_FOR_ATTACHED, WAITED_FOR_ATTACHED };
typedef struct worker {
    uint32_t refs;
    uint32_t count; /* of containers */
    uint64_t node;  /* key of its node */
    uint8_t stage;
    uint8_t op;
    bool sandbox;        /* the pod's sandbox stands */
    bool mounted;        /* volumes are set up */
    bool again;          /* something changed in the runtime: sync once more, at once */
    bool deadline;       /* activeDeadlineSeconds has passed */
    bool ended_itself;   /* containers are done without a deletion */
    bool manual;         /* driven by hand */
    bool waits;          /* for something in wait_for */
    bool failed_sync;    /* the sync in progress had an error */
    bool moves;          /* ... one whose next look shows something new, however long it lasts */
    bool mount_failed;   /* the last look at the volumes tried a mount in vain */
    bool waits_for_more; /* than fits into wait_for */
    bool died;           /* ... has killed a container */
    bool extra_sync;     /* ... is followed by one at the next relist */
    bool told;           /* no readiness has changed since the status was written */
    bool deleted;        /* the kubelet has asked for the object's removal */
    bool final_written;
    uint8_t deaths;   /* that the next relist will tell */
    bool plain;       /* of its spec: it has nothing that twins.c would have to look at; */
    bool limited;     /* it has an activeDeadlineSeconds; */
    bool undemanding; /* of its volumes none can be wanting but one that is a claim; */
    bool mounts;      /* setting up its volumes takes time; */
    /* and where these members of it stand, + 1; 0: it has none (of `volumes`: they are none) */
    uint8_t inits, apps, volumes;
    int32_t at;     /* container that op is about */
    uint32_t ip;    /* 0: none */
    uint32_t grace; /* STAGE_KILL: what its containers have been given, in seconds */
    int64_t op_until;
    int64_t sync_at;    /* next sync; KS_NEVER: when something happens */
    int64_t retry_in;   /* shortest wait that the sync in progress met */
    int64_t start_time; /* status.startTime */
    int64_t final_at;   /* STAGE_ENDED: when to write the phase, or to delete */
    int64_t pull_from;  /* when the pull in progress was asked for and began */
    int64_t pull_begun;
    /* What this pod waits for: keys of `waits`, ids of claims, keys of `attached`. */
    uint64_t wait_for[WAITS];
    uint8_t wait_how[WAITS]; /* which of these */
    uint32_t wait_count;
    uint64_t awaited;     /* id of the volume that it waited for last until it be attached */
    uint64_t attached_at; /* kubelet.detached when it was, + 1; 0: not yet */
    int64_t mount_delay, mount_retry; /* back-off of mounts that fail */
    int64_t failing_since;  /* KS_NEVER: volumes are ready, and all containers could be started */
    const char *why;        /* constant: status.reason of a pod that the kubelet ended */
    const ks_str *why_text; /* counted */
    const ks_str *uid;      /* counted: the pod's */
    ks_val spec;            /* counted: the pod's spec as this worker acts on it; see take_spec() */
    container containers[]; /* init containers in order, then the app containers */
} worker;

/* A node as its kubelet knows it. */
typedef struct machine {
    uint32_t refs;
    uint64_t id; /* of the Node object */
    const ks_str *name;
    ks_val ip;          /* status.addresses, InternalIP: text */
    ks_val ips;         /* [{ip}], as in status.hostIPs */
    uint32_t net, size; /* pod addresses: first, and how many */
    uint32_t next;      /* offset that is tried next */
    int64_t refusing;   /* until then it looks at no pod that came without the scheduler */
    int64_t pulling;    /* serial pulls: busy until */
    ks_val in_use;      /* status.volumesInUse as this kubelet wrote it last */
    ks_val status;      /* of the Node that it had before, or KS_NOTHING */
} machine;

static inline bool is_lost(const ks_sim *sim, const machine *n) {
    const ks_settings *settings = sim->settings;
    return settings->silent.count > 0 && ks_settings_silence(settings, n->name) != KS_TALKS;
}

/* What a pod's status was made of, and the status: see twins.c. */
typedef struct twin {
    uint32_t state; /* the worker's and the containers', as bits */
    int32_t exit_code;
    const ks_str *reason; /* of the containers' end, constant; NULL: they have not ended */
    int64_t generation;
    int64_t start, began, ended; /* seconds: of the pod, and of its containers */
    int64_t second;              /* in which the status was made */
    uint64_t serial;             /* of this one alone, in that second */
    /* Found out when a twin asks, -1 before: whether `out` differs from `old` also in what is no leaf; whether the containers run, and did
     * before. */
    int8_t differs, stays;
    ks_val apps;     /* spec.containers; counted, like those below */
    ks_val old, out; /* the status before, and then */
} twin;
enum { TWINS = 64 };

/* What became of conditions, in statuses made of a twin's: pods that began together mostly have the very same list. */
typedef struct renewal {
    uint64_t twin;   /* its serial */
    ks_val old, out; /* the conditions before, and then; counted */
} renewal;

/* What statuses say of a second. */
typedef struct stamps {
    int64_t second;
    ks_val text;    /* KS_NOTHING: of none */
    ks_val running; /* {running: {startedAt: text}} */
} stamps;

/* Seconds in which pods began that end together may be many. */
enum { STAMPS = 128, RENEWALS = 256 };
typedef struct beginnings {
    stamps stamps[STAMPS];
    renewal renewals[RENEWALS];
} beginnings;

/* What the statuses of pods that do the same at the same time have in common; see status.c. Forks share it, and each puts into it what
 * it makes: nothing that is seen depends on what is in it. It is never found half-made, even if memory runs out on the way. */
typedef struct memo {
    uint32_t refs;
    int64_t second; /* -1: of none */
    ks_val now;     /* its text */
    ks_val running; /* {running: {startedAt: now}} */
    uint64_t kept;  /* a bit for each twin that is there */
    uint64_t serial;
    twin twins[TWINS];
    beginnings *beginnings; /* NULL: no status has told of another second yet */
    /* of all times */
    ks_val creating; /* {waiting: {reason: ContainerCreating}} */
    ks_val nothing;  /* {} */
    ks_val empty;    /* "" */
    ks_val image, image_id;
    ks_val mounts,
        mount_statuses; /* a container's volumeMounts, and what the status says of them */
    struct span {
        int64_t ns;
        const ks_str *text;
    } net, gross; /* how long pulls took, and with their waits, as events say it */
} memo;

typedef struct kubelet {
    ks_heap *heap;
    int self;
    ks_ids pods;          /* pod id -> worker */
    ks_ids nodes;         /* hash of name -> node */
    ks_ids without;       /* the same: machines whose Node has been deleted */
    ks_ids ips;           /* address -> pod id + 1 */
    ks_table images;      /* image_key -> instant from which it is present, + 1 */
    ks_links waits;       /* hash of what is awaited -> ids of the pods that wait for it */
    ks_links mounts;      /* hash of a claim on a node -> ids of the pods that have it mounted */
    uint32_t claim_waits; /* for how many claims pods wait, which say so themselves (wait_for) */
    /* attached_key -> what the nodes' statuses say (IS_ATTACHED); or who waits until they say it: twice the id of a pod, or SEVERAL_WAIT,
     * then `waits` has them. */
    ks_table attached;
    uint64_t detached; /* goes up with each volume that a node does not say is attached any more */
    ks_tree
        left; /* {hash of a claim, pod id} -> what node.status calls a volume that is mounted still, though its pod has gone */
    ks_tree
        untold; /* {Node id, sequence * 2 + mounted} -> name of a volume: what volumesInUse lacks */
    uint64_t sequence;
    ks_tree files; /* see files.c */
    ks_tree gone;  /* {0, pod id} -> object: deleted, but its processes still ran */
    ks_tree
        overruled; /* {0, pod id} -> object: as it was before others said otherwise in its kubelet's conditions */
    uint32_t next_net;
    uint32_t next_node;
    uint64_t busy;  /* id of the pod whose turn it is */
    bool busy_gone; /* that pod was deleted meanwhile */
    memo *memo;
} kubelet;

/* One pod's turn: what all functions below work on. */
typedef struct turn {
    ks_sim *sim;
    kubelet *k;
    ks_heap *heap;
    worker *w;            /* owned: may be changed */
    const ks_object *pod; /* counted by the turn; replaced after each write */
    machine *node;        /* borrowed */
    int64_t now;
} turn;

#define FIRST_NET (UINT32_C(10) << 24 | UINT32_C(244) << 16) /* 10.244.0.0 */
#define LAST_NET  (UINT32_C(10) << 24 | UINT32_C(0xffffff))  /* 10.255.255.255 */
#define NODE_NET  (UINT32_C(192) << 24 | UINT32_C(168) << 16 | UINT32_C(1) << 8) /* 192.168.1.0 */

static inline int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }
uint64_t hash64(const char *s, size_t len, uint64_t seed);
/* The first relist at or after an instant. */
int64_t relist_after(int64_t instant);

/* kubelet.c */
void forget(kubelet *k, const ks_object *pod);

/* worker.c */
extern const ks_ids_type worker_type, node_type;
extern const ks_tree_type store_type;
worker *worker_new(turn *t);
worker *worker_own(kubelet *k, uint64_t id); /* NULL when absent */
void take_spec(worker *w, ks_val spec);      /* takes it over; the one before stays counted */
static inline ks_val member_at(const worker *w, uint8_t place) {
    return place ? ks_pair_at(w->spec, place - 1U)->val : KS_NOTHING;
}
static inline ks_val spec_inits(const worker *w) { return member_at(w, w->inits); }
static inline ks_val spec_apps(const worker *w) { return member_at(w, w->apps); }
static inline ks_val spec_volumes(const worker *w) { return member_at(w, w->volumes); }
int64_t deadline_of(const worker *w); /* activeDeadlineSeconds as an instant, or KS_NEVER */
void worker_free(ks_heap *heap, worker *w);
machine *node_of(const kubelet *k, const ks_str *name,
                 uint64_t *key); /* borrowed, NULL when unknown */
machine *node_own(kubelet *k, uint64_t key);
trouble *trouble_of(ks_heap *heap, container *c); /* makes it */
/* The pod cannot go on: notes since when. True: for so long that waiting for changes will do. */
bool fails_for_long(turn *t);
void set_wait(turn *t, container *c, const ks_str *reason,
              const ks_str *message);                          /* takes over both */
void ending_set(ks_heap *heap, ending *e, const ending *from); /* counts up */
ks_val container_spec(const worker *w, const container *c);    /* borrowed */
const ks_str *container_name(const worker *w, const container *c);
container *container_named(const worker *w, const ks_str *name);
const ks_image *container_image(const turn *t, const container *c);
bool init_done(const container *c); /* lets the next init container begin */
void take_address(turn *t);
void address_text(uint32_t ip, char out[16]);

/* events.c: event(turn, container or NULL, type, reason, format, ...) records one; event_of_parts() by ks_record_parts(). */
ks_event event_head(const turn *t, const container *c, const char *type, const char *reason);
#define event(t, c, type, reason, ...)                                                             \
    do {                                                                                           \
        ks_event head_ = event_head((t), (c), (type), (reason));                                   \
        ks_record(&(t)->sim->server, (t)->pod, &head_, __VA_ARGS__);                               \
    } while (0)
#define event_of_parts(t, c, type, reason, format, ...)                                            \
    do {                                                                                           \
        ks_event head_ = event_head((t), (c), (type), (reason));                                   \
        ks_record_parts(&(t)->sim->server, (t)->pod, &head_, format, __VA_ARGS__);                 \
    } while (0)

/* status.c */
typedef enum status_mode {
    STATUS_SYNC,   /* an ordinary one */
    STATUS_ENDING, /* the containers are done, the phase waits */
    STATUS_FINAL,  /* the last one, with the phase */
} status_mode;
void put_status(turn *t, ks_val status); /* taken over */
/* The status manager's look at all its pods: what others have said in a pod's conditions that are the kubelet's is put right
 * (status_manager.go: needsReconcile). */
#define STATUS_PERIOD (10 * KS_SECOND)
void reconcile_status(turn *t);
void write_status(turn *t, status_mode mode);
/* Whether conditions of that type are the kubelet's to write (pkg/kubelet/types/pod_status.go). */
bool is_kubelets_condition(const ks_str *type);
const char *pod_phase(const worker *w, const ks_object *pod, bool terminal);
bool should_restart(const worker *w, const container *c, const ks_object *pod);

ks_val container_id(turn *t, container *c, int32_t instance);
/* status.podIP and podIPs, `old` being the status that is there. */
void pod_addresses(turn *t, ks_val old, ks_val *ip, ks_val *ips);
memo *memo_new(ks_heap *heap);
void memo_unref(ks_heap *heap, memo *m);
/* An instant as text, and {running: {startedAt: that text}}; new references to what is shared. */
ks_val stamp_of(turn *t, int64_t instant);
ks_val running_since(turn *t, int64_t instant);
void adopt_status(turn *t); /* a pod that had a status before this kubelet knew it */

/* twins.c */
/* The sibling whose status can be made into this pod's; NULL: there is none like that. */
twin *twin_of(turn *t, memo *m, status_mode mode, int64_t generation);
/* The status, made of that one's. `conditions`: taken over; KS_NOTHING: the sibling's. */
ks_val twin_status(turn *t, twin *kept, ks_val conditions);
/* Whether the status that was made differs from the one before also in what twins have in common. */
bool twin_differs(twin *kept);
void twin_keep(turn *t, memo *m, status_mode mode, int64_t generation, ks_val status);
void twin_clear(ks_heap *heap, twin *kept);

/* admit.c */
bool is_scheduled(const ks_object *pod);
bool admit(turn *t);

/* sync.c */
void new_spec(turn *t);
bool deadline_passed(turn *t);
void go_on_ending(turn *t);
void sync_pod(turn *t);
void continue_sync(turn *t);
void watch_processes(turn *t); /* processes that ended by themselves until now */
void end_instance(turn *t, container *c, int64_t at, int code, bool killed);
void begin_kill(turn *t);
bool is_grace_shortened(const turn *t);
void begin_last_kill(turn *t); /* of a pod whose object is gone */
void go_on_killing(turn *t);
int64_t kill_time(turn *t, container *c, int64_t grace, int64_t from);

/* images.c */
typedef enum pull_answer { PULL_THERE, PULL_WAIT, PULL_FAILED } pull_answer;
pull_answer pull_image(turn *t, container *c);
pull_answer pull_done(turn *t, container *c);

/* probes.c */
void probes_start(turn *t, container *c);
void probes_run(turn *t);
int64_t probes_next(const turn *t);
void probe_readiness_now(turn *t);
bool run_hook(turn *t, container *c, ks_val handler, ks_val *output, int *code,
              const char **problem);

/* pause.c: how long a lifecycle hook lets time pass, in ns */
int64_t hook_pause(ks_val hook);

/* files.c: file stores, by name */
typedef struct entry {
    uint32_t refs;
    bool directory;
    const ks_str *bytes; /* counted; NULL: empty */
    int64_t changed;     /* virtual instant */
} entry;
const entry *store_find(const kubelet *k, const char *store, const char *path);
void store_put(kubelet *k, const char *store, const char *path, bool directory, const ks_str *bytes,
               int64_t now); /* takes over */
/* The first entry below `prefix` (a directory's path with '/') after `after` ("" for the first), its path in *path (borrowed); NULL: none. */
const entry *store_next(const kubelet *k, const char *store, const char *prefix, const char *after,
                        const char **path);
bool store_remove(kubelet *k, const char *store, const char *path); /* with all below */
void store_drop(kubelet *k, const char *store);
ks_val decode_base64(ks_heap *heap, ks_val text); /* new */

/* exec.c */
bool is_course_app(ks_val spec);

/* env.c */
ks_val field_value(ks_sim *sim, const ks_object *pod, ks_val ref); /* fieldRef; new */
ks_val resource_value(ks_sim *sim, const ks_object *pod, ks_val spec,
                      ks_val ref);                                  /* resourceFieldRef; new */
ks_val expand(ks_heap *heap, ks_val text, ks_val env);              /* $(NAME); new */
ks_val spec_of_container(const ks_object *pod, const ks_str *name); /* borrowed */

/* mounts.c */
void files_sub_paths(turn *t, const container *c); /* makes the directories that subPath names */
bool files_on_node(const kubelet *k, const ks_str *node, const char *path, bool *directory);
void files_make_directory(kubelet *k, const ks_str *node, const char *path, int64_t now);
void files_forget_pod(kubelet *k, const worker *w, uint64_t id);
void files_volume_changed(kubelet *k, const ks_change *change);

/* volumes.c */
/* Where `waits` has those that wait for that. */
ks_key wait_key(const char *what, const ks_str *ns, const ks_str *name);
/* Where in wait_for that is; NULL: it does not wait for it. */
uint8_t *waits_for(worker *w, int how, uint64_t what);
void stop_waiting(kubelet *k, worker *w, uint64_t id);
enum { IS_ATTACHED = 1, SEVERAL_WAIT = 3 };
static inline ks_key attached_key(const ks_str *node, const ks_str *name) {
    return wait_key("attached", node, name);
}
/* Notes in a worker what its spec says of volumes; its containers are known. */
void read_volumes(worker *w);
int64_t mount_time(const turn *t);
bool volumes_ready(turn *t); /* false: w->op_until says when to look again */
void volumes_in_use(turn *t, bool in);
/* Writes into the node's status which volumes are mounted now, all that has changed at once. False: refused. */
bool tell_in_use(ks_sim *sim, kubelet *k, uint64_t node_id);
/* A new reference: what status.volumesInUse of a node is to be, whoever wrote what is in it. */
ks_val volumes_on(ks_sim *sim, kubelet *k, const ks_str *node);
void volumes_forget_pod(kubelet *k, const ks_object *pod);
void volumes_keep_names(ks_sim *sim, kubelet *k,
                        const ks_object *pod);       /* it goes, and its claims may */
extern const ks_tree_type name_type;                 /* values are counted strings */
const ks_str *missing_config(turn *t, container *c); /* new text, or NULL: env can be made */

#endif
