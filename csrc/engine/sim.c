/*
 * engine/sim.c - the virtual-time engine; see sim.h.
 *
 * Ready keys of all components run in the order in which they were queued, one at a time: they stand in one row. What is put off
 * stands in the agenda, one entry for one key of one component at one instant: {instant, sequence and component} -> key; so do
 * changes that are delivered late. Each component's `waits` says how a key of it waits, so that it waits once (client-go's workqueue:
 * k8s.io/client-go/util/workqueue); delayed adds turn into ready keys when their time comes. `failures` counts failed syncs for the
 * backoff.
 *
 * All waits are in one order, {instant, sequence}. The clock never passes a ready key, so all ready keys were queued at the instant
 * that it shows, and of two that are due then the one that began to wait first is first (next_is_ready()). One key may come before all of
 * them: that of a component that goes on from one to the next, as the scheduler does from pod to pod (`next`; ks_go_on()).
 */
#include "engine/cache.h"

#include <string.h>

enum { BACKOFF_BASE_MS = 5, BACKOFF_MAX_S = 1000, MAX_COMPONENTS = KS_DELIVERY + 1 };

_Static_assert(KS_KIND_COUNT <= 64, "a component's kinds are a word");

static ks_key what(int component, uint64_t key) { return (ks_key){(uint64_t)component, key}; }

/* Instants as unsigned words that keep their order. */
static uint64_t time_word(int64_t instant) { return (uint64_t)instant ^ (UINT64_C(1) << 63); }
static int64_t word_time(uint64_t word) { return (int64_t)(word ^ (UINT64_C(1) << 63)); }

static void *as_word(uint64_t value) { return (void *)(uintptr_t)value; }
static uint64_t of_word(const void *value) { return (uint64_t)(uintptr_t)value; }

/* Its place in the order of all that waits, which also says whose key it is. */
static uint64_t next_place(ks_sim *sim, int component) {
    return ++sim->sequence * MAX_COMPONENTS + (uint64_t)component;
}

static int component_at(uint64_t place) { return (int)(place % MAX_COMPONENTS); }

ks_key ks_agenda_add(ks_sim *sim, int component, uint64_t key, int64_t instant) {
    ks_key at = {time_word(instant), next_place(sim, component)};
    ks_tree_put(sim->world.heap, &sim->agenda, at, as_word(key));
    return at;
}

int64_t ks_agenda_instant(ks_key at) { return word_time(at.a); }

/* --- what a snapshot shares --- */

/* A component's state, counted: forks and snapshots share it until one of them works on it. */
typedef struct ks_held {
    uint32_t refs;
    void *state; /* NULL: it has none */
} held;

/* The component is going to change: from now on its state and waits are the snapshot's as well. Before that it counts neither: most calls
 * change few components. */
static inline void set_apart(ks_sim *sim, int component) {
    ks_sim *snapshot = sim->snapshot;
    if (snapshot == NULL || (snapshot->counted >> component & 1U) != 0) return;
    snapshot->counted |= 1U << component;
    sim->components[component].held->refs++;
    ks_ids_copied(&sim->components[component].waits, 1);
}

/* --- how a key waits: as a word --- */

/* It is ready, and that is all. */
static void *const only_ready = (void *)1;

/* It is put off; it may be ready, too. */
typedef struct timer {
    uint32_t refs;
    bool ready;
    ks_key at; /* in the agenda */
} timer;

static void wait_ref(void *value) {
    if (value != only_ready) ((timer *)value)->refs++;
}
static void wait_unref(ks_heap *heap, void *value) {
    timer *t = value;
    if (value != only_ready && --t->refs == 0) ks_free(heap, t, sizeof *t);
}
static const ks_ids_type waits_type = {.ref = wait_ref, .unref = wait_unref};

static const timer *timer_of(const void *value) { return value == only_ready ? NULL : value; }

/* The timer in a slot, for changing. */
static timer *timer_own(ks_heap *heap, void **slot) {
    timer *shared = *slot;
    if (shared->refs == 1) return shared;
    timer *own = ks_alloc(heap, sizeof *own);
    *own = *shared;
    own->refs = 1;
    shared->refs--;
    *slot = own;
    return own;
}

/* How a component's keys wait, for changing. */
static ks_ids *waits_of(ks_sim *sim, int component) {
    set_apart(sim, component);
    return &sim->components[component].waits;
}

/* A key that is worked on comes back into the row when that is done (workqueue: Done), behind what others have been told of
 * meanwhile. */
bool ks_enqueue(ks_sim *sim, int component, uint64_t key) {
    ks_heap *heap = sim->world.heap;
    if (component == sim->busy.component && key == sim->busy.key) {
        bool queued = sim->busy.again;
        sim->busy.again = true;
        return !queued;
    }
    void **how = ks_ids_make(heap, waits_of(sim, component), key);
    if (*how == only_ready) return false;
    if (*how == NULL) {
        *how = only_ready;
    } else {
        timer *t = timer_own(heap, how);
        if (t->ready) return false;
        t->ready = true;
    }
    ks_ready_add(heap, &sim->ready, (ks_ready_key){next_place(sim, component), key});
    return true;
}

void ks_go_on(ks_sim *sim, int component, uint64_t key) {
    sim->next.component = component;
    sim->next.key = key;
}

void ks_enqueue_at(ks_sim *sim, int component, uint64_t key, int64_t instant) {
    ks_heap *heap = sim->world.heap;
    if (instant > KS_LAST) return;
    if (instant <= sim->world.now) {
        ks_enqueue(sim, component, key);
        return;
    }
    void **how = ks_ids_make(heap, waits_of(sim, component), key);
    if (*how == NULL || *how == only_ready) {
        timer *fresh = ks_alloc(heap, sizeof *fresh);
        *fresh = (timer){.refs = 1, .ready = *how == only_ready};
        fresh->at = ks_agenda_add(sim, component, key, instant);
        *how = fresh;
        return;
    }
    if (word_time(((const timer *)*how)->at.a) <= instant) return;
    timer *t = timer_own(heap, how);
    ks_tree_del(heap, &sim->agenda, t->at);
    t->at = ks_agenda_add(sim, component, key, instant);
}

/* A key is not put off any more. */
static void drop_timer(ks_sim *sim, int component, uint64_t key, bool ready) {
    ks_heap *heap = sim->world.heap;
    if (ready)
        ks_ids_put(heap, waits_of(sim, component), key, only_ready);
    else
        ks_ids_del(heap, waits_of(sim, component), key);
}

/* A ready key is taken. */
static void drop_ready(ks_sim *sim, int component, uint64_t key) {
    ks_heap *heap = sim->world.heap;
    ks_ids *waits = waits_of(sim, component);
    void *how = ks_ids_take(heap, waits, key);
    if (how == only_ready) return;
    ks_ids_put(heap, waits, key, how);
    timer_own(heap, ks_ids_slot(heap, waits, key))->ready = false;
}

void ks_enqueue_backoff(ks_sim *sim, int component, uint64_t key) {
    ks_key id = what(component, key);
    uint64_t failures = of_word(ks_tree_get(&sim->failures, id));
    const ks_component *c = sim->components[component].component;
    int64_t first = c->retry_first != 0 ? c->retry_first : BACKOFF_BASE_MS * KS_MILLISECOND;
    int64_t delay = c->retry_most != 0 ? c->retry_most : BACKOFF_MAX_S * KS_SECOND;
    if (failures < 18 && first << failures < delay) delay = first << failures;
    ks_tree_put(sim->world.heap, &sim->failures, id, as_word(failures + 1));
    ks_enqueue_at(sim, component, key, sim->world.now + delay);
}

void ks_forget(ks_sim *sim, int component, uint64_t key) {
    if (sim->failures.count > 0) ks_tree_del(sim->world.heap, &sim->failures, what(component, key));
}

void ks_cancel(ks_sim *sim, int component, uint64_t key) {
    const void *how = ks_ids_get(&sim->components[component].waits, key);
    const timer *waiting = how == NULL ? NULL : timer_of(how);
    if (waiting == NULL) return;
    ks_tree_del(sim->world.heap, &sim->agenda, waiting->at);
    drop_timer(sim, component, key, waiting->ready);
}

void ks_rouse_at(ks_sim *sim, int component, int64_t instant) {
    uint32_t bit = 1U << component;
    if (sim->components[component].rouse == instant) return;
    sim->components[component].rouse = instant;
    sim->rests = instant <= KS_LAST ? sim->rests | bit : sim->rests & ~bit;
    sim->quiet = KS_NEVER;
    for (uint32_t left = sim->rests; left != 0; left &= left - 1) {
        int64_t at = sim->components[__builtin_ctz(left)].rouse;
        if (at < sim->quiet) sim->quiet = at;
    }
}

#define RESYNC_LEAST (12 * 3600 * KS_SECOND)

void ks_await_resync(ks_sim *sim, int component, uint64_t key) {
    if (sim->resync == 0) {
        double part = (double)ks_choose(&sim->world, KS_CHOOSE_JITTER, 0) / 4294967296.0;
        sim->resync = RESYNC_LEAST + (int64_t)(part * (double)RESYNC_LEAST);
    }
    int64_t times = sim->world.now / sim->resync + 1;
    ks_enqueue_at(sim, component, key | KS_RESYNC, times * sim->resync);
}

void ks_forget_resync(ks_sim *sim, int component, uint64_t key) {
    ks_cancel(sim, component, key | KS_RESYNC);
}

int ks_component_index(const ks_sim *sim, const ks_component *component) {
    for (int i = 0; i < sim->component_count; i++)
        if (sim->components[i].component == component) return i;
    return -1;
}

/* --- states --- */

static held *hold(ks_heap *heap, void *state) {
    held *h = ks_alloc(heap, sizeof *h);
    *h = (held){.refs = 1, .state = state};
    return h;
}

static void let_go(ks_heap *heap, const ks_component *c, held *h) {
    if (--h->refs > 0) return;
    if (c->dispose != NULL && h->state != NULL) c->dispose(heap, h->state);
    ks_free(heap, h, sizeof *h);
}

static void *own_copy(ks_sim *sim, int component) {
    const ks_component *c = sim->components[component].component;
    held *shared = sim->components[component].held;
    if (shared->state == NULL) return NULL;
    held *own = hold(sim->world.heap, NULL);
    own->state = c->copy(sim, shared->state);
    shared->refs--;
    sim->components[component].held = own;
    return own->state;
}

static inline void *state_own(ks_sim *sim, int component) {
    set_apart(sim, component);
    held *h = sim->components[component].held;
    return h->refs == 1 ? h->state : own_copy(sim, component);
}

void *ks_state_own(ks_sim *sim, int component) { return state_own(sim, component); }

void *ks_component_state(ks_sim *sim, const ks_component *component) {
    int index = ks_component_index(sim, component);
    return index < 0 ? NULL : ks_state_own(sim, index);
}

void *ks_state_at_work(const ks_sim *sim) {
    return sim->components[sim->busy.component].held->state;
}

const void *ks_component_look(const ks_sim *sim, const ks_component *component) {
    int index = ks_component_index(sim, component);
    return index < 0 ? NULL : sim->components[index].held->state;
}

static void *create(ks_sim *sim, const ks_component *component) {
    return component->create != NULL ? component->create(sim) : NULL;
}

/* --- what happens --- */

void ks_sim_fail(ks_sim *sim) { sim->pending_error = 1; }

/* Those whose watches lag are sent the change; it reaches the others at once. True: these are `*now`. */
static void send_late(ks_sim *sim, uint32_t *now, const ks_change *change) {
    *now &= ~sim->late;
    for (int i = 0; i < sim->component_count; i++)
        if (sim->late >> i & 1U) ks_cache_send(sim, i, change);
}

static uint32_t status_parts(const ks_object *now, const ks_object *old) {
    uint32_t parts = KS_PART_STATUS;
    if (now->kind != KS_POD && now->kind != KS_NODE) return parts;
    if (!ks_identical(ks_get(now->status, K(conditions)), ks_get(old->status, K(conditions))))
        parts |= KS_PART_CONDITIONS;
    if (now->kind == KS_NODE) return parts;
    const ks_str *const addresses[] = {K(podIP), K(podIPs)};
    for (int i = 0; i < 2; i++)
        if (!ks_identical(ks_get(now->status, addresses[i]), ks_get(old->status, addresses[i])))
            parts |= KS_PART_ADDRESSES;
    if (now->phase != old->phase) parts |= KS_PART_PHASE;
    if (now->ready != old->ready) parts |= KS_PART_READY;
    return parts;
}

static uint32_t parts_of(const ks_change *change) {
    const ks_object *now = change->object, *old = change->old;
    uint32_t parts = 0;
    if (ks_object_terminating(now)) parts |= KS_PART_ENDING;
    if (now->node == NULL) parts |= KS_PART_NODELESS;
    if (!ks_identical(now->meta, old->meta)) parts |= KS_PART_META;
    if (!ks_identical(now->labels, old->labels)) parts |= KS_PART_LABELS;
    if (!ks_identical(now->spec, old->spec)) parts |= KS_PART_SPEC;
    if (now->node != old->node && !ks_str_eq(now->node, old->node)) parts |= KS_PART_PLACE;
    if (!ks_identical(now->status, old->status)) parts |= status_parts(now, old);
    return parts;
}

/* Of which parts of a kind of which there are masses a component hears. */
static uint32_t heard_parts(const ks_component *c, int mass) {
    const uint32_t parts[KS_MASSES] = {c->pod_parts, c->claim_parts, c->volume_parts,
                                       c->attachment_parts};
    return parts[mass] != 0 ? parts[mass] : KS_ALL_PARTS;
}

/* Those that observe a kind, but for those that follow nothing to which it matters. */
static uint32_t awake(const ks_sim *sim, ks_kind kind) {
    return sim->observers[kind] & ~(sim->idle & sim->sleepers[kind]);
}

/* Those to whom a change can mean something, as far as its kind and the parts of the object tell; *parts is what `heeds` is given. */
static uint32_t observers_of(const ks_sim *sim, const ks_change *change, uint32_t *parts) {
    ks_kind kind = change->object->kind;
    uint32_t all = awake(sim, kind), some = 0;
    bool modified = change->type == KS_MODIFIED && change->old != NULL;
    int mass = ks_mass_of(kind);
    *parts = modified ? parts_of(change) : KS_ALL_PARTS;
    if (mass < 0) return all;
    uint32_t left = modified                     ? *parts
                    : change->type == KS_DELETED ? KS_PART_DELETED
                                                 : KS_PART_ADDED;
    for (; left != 0; left &= left - 1) some |= sim->part_observers[mass][__builtin_ctz(left)];
    return all & some;
}

void ks_note_idle(ks_sim *sim, int component) {
    const ks_component *c = sim->components[component].component;
    if (c->idles == NULL) return;
    uint32_t bit = 1U << component;
    sim->idle =
        c->idles(sim->components[component].held->state) ? sim->idle | bit : sim->idle & ~bit;
}

/* A component sees a change, if it has anything to do for it: else its state need not be its own. */
static inline void show(ks_sim *sim, int component, const ks_change *change, uint32_t parts) {
    const ks_component *c = sim->components[component].component;
    if (c->heeds != NULL && !c->heeds(sim, sim->components[component].held->state, change, parts))
        return;
    c->observe(sim, state_own(sim, component), change);
    if (c->idles != NULL) ks_note_idle(sim, component);
}

/* The server has written: every component sees it, in the order in which they were added. */
static void announce(void *payload, const ks_change *change) {
    ks_sim *sim = payload;
    uint32_t parts, waiting = observers_of(sim, change, &parts);
    if (sim->late != 0) send_late(sim, &waiting, change);
    const ks_store *view = sim->view; /* of whoever writes */
    sim->view = &sim->server.store;
    for (; waiting != 0; waiting &= waiting - 1) show(sim, __builtin_ctz(waiting), change, parts);
    sim->view = view;
    if (sim->on_change != NULL) sim->on_change(sim->hook_payload, change);
}

/* Does anybody have to hear of a change of that kind? */
static bool listens(void *payload, ks_kind kind) {
    const ks_sim *sim = payload;
    for (uint32_t left = awake(sim, kind); left != 0; left &= left - 1) {
        int i = __builtin_ctz(left);
        const ks_component *c = sim->components[i].component;
        if (c->listens == NULL || c->listens(sim->components[i].held->state)) return true;
    }
    return sim->listens != NULL && sim->listens(sim->hook_payload, kind);
}

void ks_sim_init(ks_sim *sim, ks_heap *heap, uint64_t seed, int64_t epoch, ks_rules rules) {
    memset(sim, 0, sizeof *sim);
    ks_world_init(&sim->world, heap, seed, epoch);
    ks_server_init(&sim->server, &sim->world, rules);
    sim->server.on_change = announce;
    sim->server.listens = listens;
    sim->server.payload = sim;
    sim->settings = ks_settings_new(heap);
    ks_ready_init(&sim->ready);
    sim->busy.component = -1;
    sim->next.component = -1;
    sim->quiet = KS_NEVER;
    sim->view = &sim->server.store;
    sim->counted = UINT32_MAX;
}

void ks_sim_add(ks_sim *sim, const ks_component *component) {
    int index = sim->component_count++;
    sim->components[index].component = component;
    sim->components[index].rouse = KS_NEVER;
    sim->components[index].waits.type = &waits_type;
    for (int kind = 0; kind < KS_KIND_COUNT && component->observe != NULL; kind++) {
        if (component->kinds & KS_KIND_BIT(kind)) sim->observers[kind] |= 1U << index;
        if (~component->idle_kinds & KS_KIND_BIT(kind)) sim->sleepers[kind] |= 1U << index;
    }
    for (int mass = 0; mass < KS_MASSES; mass++)
        for (int part = 0; part < KS_PART_COUNT; part++)
            if (heard_parts(component, mass) >> part & 1U)
                sim->part_observers[mass][part] |= 1U << index;
    sim->components[index].held = hold(sim->world.heap, NULL);
    sim->components[index].held->state = create(sim, component);
    ks_note_idle(sim, index);
}

/* All but the server, the components' states and how their keys wait, after a copy by assignment. */
static void copied_around(ks_sim *out) {
    ks_world_copied(&out->world);
    ks_settings_ref(out->settings);
    out->pending_error = 0;
    out->busy.component = -1;
    out->view = &out->server.store;
    ks_trees_copied(&out->agenda, 1);
    ks_trees_copied(&out->failures, 1);
    ks_ready_copied(&out->ready);
    for (int i = 0; out->late >> i != 0; i++) ks_cache_ref(out->components[i].cache);
}

static void connect(ks_sim *out) {
    out->server.on_change = announce;
    out->server.payload = out;
}

void ks_sim_copy(ks_sim *out, const ks_sim *from) {
    ks_store_gather(&from->server.store);
    *out = *from;
    copied_around(out);
    for (int i = 0; i < from->component_count; i++) {
        ks_ids_copied(&out->components[i].waits, 1);
        out->components[i].held->refs++;
    }
    out->snapshot = NULL;
    out->counted = UINT32_MAX;
    ks_server_copied(&out->server, &out->world);
    connect(out);
}

void ks_sim_snapshot(ks_sim *out, ks_sim *from) {
    for (int i = 0; i < from->component_count; i++) set_apart(from, i); /* for the one before */
    ks_store_gather(&from->server.store);
    *out = *from;
    copied_around(out);
    out->counted = 0;
    ks_server_snapshot(&out->server, &from->server, &out->world);
    connect(out);
    from->snapshot = out;
}

void ks_sim_keep(ks_sim *from) {
    ks_store_keep(&from->server.store);
    from->snapshot = from->snapshot->snapshot;
}

/* What has not changed goes over to the snapshot. */
void ks_sim_undo(ks_sim *from) {
    ks_sim *snapshot = from->snapshot;
    ks_store_undo(&from->server.store);
    from->counted = snapshot->counted;
    from->snapshot = NULL;
    snapshot->counted = UINT32_MAX;
}

void ks_sim_dispose(ks_sim *sim) {
    ks_heap *heap = sim->world.heap;
    for (int i = 0; i < sim->component_count && sim->counted >> i != 0; i++) {
        if ((sim->counted >> i & 1U) == 0) continue;
        let_go(heap, sim->components[i].component, sim->components[i].held);
        ks_ids_clear(heap, &sim->components[i].waits);
    }
    for (int i = 0; sim->late >> i != 0; i++) ks_cache_unref(heap, sim->components[i].cache);
    ks_tree_clear(heap, &sim->agenda);
    ks_ready_clear(heap, &sim->ready);
    ks_tree_clear(heap, &sim->failures);
    ks_settings_unref(heap, sim->settings);
    ks_server_dispose(&sim->server);
    ks_world_dispose(&sim->world);
}

/* --- restarting --- */

/* Of the ready keys those stay that are not the component's. */
static void forget_ready(ks_sim *sim, int component) {
    ks_heap *heap = sim->world.heap;
    ks_ready before = sim->ready;
    ks_ready_init(&sim->ready);
    while (ks_ready_first(&before) != NULL) {
        ks_ready_key key = ks_ready_take(heap, &before);
        if (component_at(key.place) != component) ks_ready_add(heap, &sim->ready, key);
    }
    ks_ready_clear(heap, &before);
}

static void forget_failures(ks_sim *sim, int component) {
    ks_key first, from = what(component, 0);
    while (ks_tree_ceiling(&sim->failures, from, &first, NULL) && first.a == from.a)
        ks_tree_del(sim->world.heap, &sim->failures, first);
}

/* Its keys leave the agenda and the row, wherever they wait. */
static void forget_keys(ks_sim *sim, int component) {
    ks_heap *heap = sim->world.heap;
    ks_ids *waits = waits_of(sim, component);
    for (ks_ids_iter it = ks_ids_begin(waits); ks_ids_next(&it);)
        if (timer_of(it.value) != NULL) ks_tree_del(heap, &sim->agenda, timer_of(it.value)->at);
    ks_ids_clear(heap, waits);
    ks_rouse_at(sim, component, KS_NEVER);
    if (sim->next.component == component) sim->next.component = -1;
    forget_ready(sim, component);
    forget_failures(sim, component);
}

/* What it reads is what it knows, until sim->view is put back. */
static void look_through_its_eyes(ks_sim *sim, int component) {
    ks_cache *cache = sim->components[component].cache;
    if (cache == NULL) return;
    cache->store.world = &sim->world; /* of whichever fork is at work */
    sim->view = &cache->store;
}

void ks_sim_restart(ks_sim *sim, int component) {
    const ks_component *c = sim->components[component].component;
    forget_keys(sim, component);
    set_apart(sim, component);
    held *before = sim->components[component].held;
    sim->components[component].held = hold(sim->world.heap, NULL);
    let_go(sim->world.heap, c, before);
    sim->components[component].held->state = create(sim, c);
    ks_cache_renew(sim, component);
    look_through_its_eyes(sim, component);
    for (ks_kind kind = 0; kind < KS_KIND_COUNT; kind++) {
        if (!(sim->observers[kind] >> component & 1U)) continue;
        for (ks_walk w = ks_walk_created(&sim->server.store, kind); ks_walk_next(&w);) {
            ks_change change = {.refs = 1, .type = KS_ADDED, .version = w.object->version};
            change.at = sim->world.now;
            change.object = w.object;
            c->observe(sim, ks_state_own(sim, component), &change);
        }
    }
    ks_note_idle(sim, component);
    sim->view = &sim->server.store;
}

/* --- running --- */

static bool any_is_ready(const ks_sim *sim) {
    return sim->next.component >= 0 || ks_ready_first(&sim->ready) != NULL;
}

static int64_t put_off_until(const ks_sim *sim) {
    ks_key first;
    return ks_tree_first(&sim->agenda, &first, NULL) ? word_time(first.a) : KS_NEVER;
}

int64_t ks_sim_due(const ks_sim *sim) {
    return any_is_ready(sim) ? sim->world.now : put_off_until(sim);
}

int64_t ks_sim_next(const ks_sim *sim) {
    if (any_is_ready(sim)) return sim->world.now;
    int64_t due = put_off_until(sim);
    return sim->quiet < due ? sim->quiet : due;
}

bool ks_sim_goes_on(const ks_sim *sim, int64_t instant) {
    int64_t due = ks_sim_due(sim);
    return due <= instant || (due != KS_NEVER && sim->quiet <= instant);
}

/* Whether a ready key comes before an entry of the agenda. NULL: there is none. */
static bool is_ready_first(const ks_sim *sim, const ks_ready_key *ready, const ks_key *at) {
    if (ready == NULL || at == NULL) return ready != NULL;
    int64_t instant = word_time(at->a);
    return instant > sim->world.now || (instant == sim->world.now && at->b > ready->place);
}

/* Whether a key that has failed is tried again; if not, informers bring its object back with the next resync. */
static bool may_retry(ks_sim *sim, int component, uint64_t key) {
    uint32_t most = sim->components[component].component->retries;
    if (most == 0 || of_word(ks_tree_get(&sim->failures, what(component, key))) < most) return true;
    ks_await_resync(sim, component, key);
    return false;
}

/* Works on a key, and queues it again, later each time, while it fails. */
static void work(ks_sim *sim, int index, uint64_t key) {
    const ks_component *c = sim->components[index].component;
    uint64_t facts[3] = {(uint64_t)sim->world.now, (uint64_t)index, key};
    ks_trace_words(&sim->world, facts, 3);
    if (c->retries != 0 && (key & KS_RESYNC) != 0) {
        ks_enqueue(sim, index, key & ~KS_RESYNC);
        return;
    }
    sim->server.fault_rate = sim->components[index].fault_rate;
    sim->busy.component = index;
    sim->busy.key = key;
    sim->busy.again = false;
    sim->idle &=
        ~(1U << index); /* what it writes itself it sees, if that is what it begins to follow */
    bool fine = c->sync(sim, state_own(sim, index), key);
    if (c->idles != NULL) ks_note_idle(sim, index);
    sim->busy.component = -1;
    sim->server.fault_rate = 0;
    if (fine || !may_retry(sim, index, key))
        ks_forget(sim, index, key);
    else
        ks_enqueue_backoff(sim, index, key);
    if (fine && c->retries != 0 && sim->resync != 0) ks_forget_resync(sim, index, key);
    if (sim->busy.again) ks_enqueue(sim, index, key);
}

static void describe(ks_sim *sim, int index, uint64_t key, ks_step *step) {
    const ks_component *c = sim->components[index].component;
    ks_buf text = {sim->world.heap, NULL, 0, 0};
    if (c->describe != NULL)
        c->describe(sim, sim->components[index].held->state,
                    c->retries != 0 ? key & ~KS_RESYNC : key, &text);
    *step = (ks_step){.at = sim->world.now, .component = c->name};
    step->key = ks_string_take(ks_buf_take(&text));
}

/* Works on a component's key, with its eyes. */
static void run(ks_sim *sim, int component, uint64_t key, ks_step *step) {
    look_through_its_eyes(sim, component);
    if (step != NULL) describe(sim, component, key, step);
    work(sim, component, key);
    sim->view = &sim->server.store;
}

/* Takes the agenda's first entry. False: there was nothing to do for it. */
static bool step_agenda(ks_sim *sim, ks_key at, uint64_t key, ks_step *step) {
    int component = component_at(at.b);
    ks_tree_take_first(sim->world.heap, &sim->agenda);
    if (word_time(at.a) > sim->world.now) sim->world.now = word_time(at.a);
    if (component == KS_DELIVERY) {
        ks_cache_deliver(sim, key, step);
        return true;
    }
    const timer *due = ks_ids_get(&sim->components[component].waits, key);
    bool ready = due->ready;
    drop_timer(sim, component, key, ready);
    if (!ready) run(sim, component, key, step);
    return !ready; /* else it waits already */
}

/* The clock comes to the earliest instant at which components want to be roused. */
static void rouse(ks_sim *sim) {
    if (sim->quiet > sim->world.now) sim->world.now = sim->quiet;
    for (uint32_t left = sim->rests; left != 0; left &= left - 1) {
        int i = __builtin_ctz(left);
        if (sim->components[i].rouse > sim->world.now) continue;
        ks_rouse_at(sim, i, KS_NEVER);
        ks_enqueue(sim, i, sim->components[i].component->rouse_key);
    }
}

/* A key that will be worked on, and the object that it stands for. */
typedef struct coming_key {
    uint64_t place, key;
    ks_coming object;
} coming_key;

/* How the key waits. */
static void ask_how(const ks_ids *waits, uint64_t key, int steps) {
    if (steps == KS_STEPS_AHEAD) {
        ks_ids_ask(waits, key);
    } else if (steps == 2) {
        const void *how = ks_ids_peek(waits, key);
        if (how != NULL && timer_of(how) != NULL) ks_fetch(how);
    }
}

/* Asks for what the key needs, as far as it can be asked for by now. */
static void ask_for(const ks_sim *sim, coming_key *next, int steps) {
    int index = component_at(next->place);
    if (index == KS_DELIVERY) return;
    const ks_component *c = sim->components[index].component;
    if (steps > 0) ask_how(&sim->components[index].waits, next->key, steps);
    if (c->keys == 0) return;
    if (steps > 0) {
        ks_store_ahead(&sim->server.store, &next->object, steps);
        ks_record_ahead(&sim->server, &next->object, steps);
    }
    if (c->ahead != NULL) c->ahead(sim, sim->components[index].held->state, &next->object, steps);
}

enum {
    AT_HAND = 2000, /* so many objects are always near, and so is what is known of them */
    TOGETHER = 8,   /* keys that are looked at ahead at a time */
    FEW = 64        /* where so few keys wait they are about what has just been worked on */
};

/* What waits, as far as it is looked at ahead: rows of ready keys and of the agenda, each with the row behind it. */
typedef struct upcoming {
    const ks_sim *sim;
    const ks_ready_key *ready;
    uint32_t ready_count;
    bool more_ready; /* behind it */
    ks_tree_row agenda[2];
} upcoming;

/* The next ready key; NULL: there is none, or it is not looked at. */
static const ks_ready_key *peek_ready(upcoming *u) {
    if (u->ready_count == 0 && u->more_ready) {
        u->ready_count = ks_ready_behind(&u->sim->ready, &u->ready);
        u->more_ready = false;
    }
    return u->ready_count > 0 ? u->ready : NULL;
}

static const ks_key *peek_agenda(upcoming *u) {
    if (u->agenda[0].len == 0) u->agenda[0] = u->agenda[1], u->agenda[1].len = 0;
    return u->agenda[0].len > 0 ? u->agenda[0].keys : NULL;
}

static coming_key coming_of(const ks_sim *sim, uint64_t place, uint64_t key) {
    int index = component_at(place);
    const ks_component *c = index == KS_DELIVERY ? NULL : sim->components[index].component;
    if (c == NULL) return (coming_key){.place = place};
    return (coming_key){place, key, {.kinds = c->keys, .id = key >> c->key_shift}};
}

/* What comes next. False: nothing does. */
static bool take_next(upcoming *u, coming_key *next) {
    const ks_ready_key *ready = peek_ready(u);
    const ks_key *at = peek_agenda(u);
    if (is_ready_first(u->sim, ready, at)) {
        *next = coming_of(u->sim, ready->place, ready->key);
        u->ready++, u->ready_count--;
        return true;
    }
    if (at == NULL) return false;
    *next = coming_of(u->sim, at->b, of_word(*u->agenda[0].values));
    u->agenda[0].keys++, u->agenda[0].values++, u->agenda[0].len--;
    return true;
}

/* The memory that the next keys need is asked for before they are worked on, for some keys together: step by step, all of them, so that what
 * one step asks for is there when the next one looks into it. Changes nothing, and nothing depends on it: keys that are queued later may
 * well come first. */
static void look_ahead(ks_sim *sim) {
    if (sim->server.store.last_id < AT_HAND || sim->next.component >= 0) return;
    if (sim->asked > 0) {
        sim->asked--;
        return;
    }
    upcoming u = {.sim = sim, .more_ready = true};
    u.ready_count = ks_ready_front(&sim->ready, &u.ready);
    if (sim->ready.full.count == 0 && u.ready_count + sim->agenda.count < FEW) return;
    ks_tree_front(&sim->agenda, u.agenda);
    coming_key next[TOGETHER];
    int count = 0;
    while (count < TOGETHER && take_next(&u, &next[count])) count++;
    for (int steps = KS_STEPS_AHEAD; steps >= 0; steps--)
        for (int i = 0; i < count; i++) ask_for(sim, &next[i], steps);
    sim->asked = count - 1;
}

static bool step_once(ks_sim *sim, ks_step *step) {
    if (sim->next.component >= 0) {
        int component = sim->next.component;
        sim->next.component = -1;
        run(sim, component, sim->next.key, step);
        return true;
    }
    for (;;) {
        ks_key at;
        void *key;
        bool any = ks_tree_first(&sim->agenda, &at, &key);
        if (is_ready_first(sim, ks_ready_first(&sim->ready), any ? &at : NULL)) {
            ks_ready_key ready = ks_ready_take(sim->world.heap, &sim->ready);
            int component = component_at(ready.place);
            drop_ready(sim, component, ready.key);
            run(sim, component, ready.key, step);
            return true;
        }
        if (!any && sim->quiet == KS_NEVER) return false;
        if (!any || (word_time(at.a) > sim->world.now && sim->quiet <= word_time(at.a)))
            rouse(sim); /* what was put off until then comes first all the same */
        else if (step_agenda(sim, at, of_word(key), step))
            return true;
    }
}

bool ks_sim_step(ks_sim *sim, ks_step *step) {
    look_ahead(sim);
    bool stepped = step_once(sim, step);
    if (stepped) sim->steps++;
    return stepped;
}

void ks_sim_run_until(ks_sim *sim, int64_t instant) {
    if (instant > KS_LAST) instant = KS_LAST;
    while (!sim->pending_error && ks_sim_next(sim) <= instant) ks_sim_step(sim, NULL);
    if (!sim->pending_error && sim->world.now < instant) sim->world.now = instant;
}
