/*
 * engine/sim.c - the virtual-time engine; see sim.h.
 *
 * One agenda entry is one key of one component at one instant: {instant, sequence and component} -> key. `queued` finds the entry
 * of a component's key, so that a key waits once (client-go's workqueue: k8s.io/client-go/util/workqueue). Ready keys of all
 * components run in the order in which they were queued, one at a time. `timers` holds delayed adds, which turn into queued keys when
 * their time comes; `failures` counts failed syncs for the backoff.
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

/* The agenda's key also says whose entry it is, and whether `timers` knows of it, in the low bits of the sequence: no block per
 * entry. */
static ks_key add(ks_sim *sim, int component, uint64_t key, int64_t instant, bool timed) {
    uint64_t place = ++sim->sequence * MAX_COMPONENTS + (uint64_t)component;
    ks_key at = {time_word(instant), place * 2 + timed};
    ks_tree_put(sim->world.heap, &sim->agenda, at, as_word(key));
    return at;
}

static int component_at(ks_key at) { return (int)(at.b / 2 % MAX_COMPONENTS); }

ks_key ks_agenda_add(ks_sim *sim, int component, uint64_t key, int64_t instant) {
    return add(sim, component, key, instant, false);
}

int64_t ks_agenda_instant(ks_key at) { return word_time(at.a); }

void ks_enqueue(ks_sim *sim, int component, uint64_t key) {
    size_t before = sim->queued.count;
    ks_tree_put(sim->world.heap, &sim->queued, what(component, key), as_word(1));
    if (sim->queued.count > before) ks_agenda_add(sim, component, key, sim->world.now);
}

/* A delayed key: where its entry stands in the agenda. */
typedef struct timer {
    uint32_t refs;
    ks_key at; /* in the agenda */
} timer;

static void timer_ref(void *value) { ((timer *)value)->refs++; }
static void timer_unref(ks_heap *heap, void *value) {
    timer *t = value;
    if (--t->refs == 0) ks_free(heap, t, sizeof *t);
}
static const ks_tree_type timers_type = {NULL, NULL, NULL, timer_ref, timer_unref};

void ks_enqueue_at(ks_sim *sim, int component, uint64_t key, int64_t instant) {
    ks_heap *heap = sim->world.heap;
    if (instant > KS_LAST) return;
    if (instant <= sim->world.now) {
        ks_enqueue(sim, component, key);
        return;
    }
    ks_key id = what(component, key);
    const timer *waiting = ks_tree_get(&sim->timers, id);
    if (waiting != NULL) {
        if (word_time(waiting->at.a) <= instant) return;
        ks_tree_del(heap, &sim->agenda, waiting->at);
    }
    timer *t = ks_alloc(heap, sizeof *t);
    *t = (timer){.refs = 1, .at = add(sim, component, key, instant, true)};
    ks_tree_put(heap, &sim->timers, id, t);
}

void ks_enqueue_backoff(ks_sim *sim, int component, uint64_t key) {
    ks_key id = what(component, key);
    uint64_t failures = of_word(ks_tree_get(&sim->failures, id));
    int64_t delay = BACKOFF_MAX_S * KS_SECOND;
    if (failures < 18) {
        int64_t doubled = (BACKOFF_BASE_MS * KS_MILLISECOND) << failures;
        if (doubled < delay) delay = doubled;
    }
    ks_tree_put(sim->world.heap, &sim->failures, id, as_word(failures + 1));
    ks_enqueue_at(sim, component, key, sim->world.now + delay);
}

void ks_forget(ks_sim *sim, int component, uint64_t key) {
    if (sim->failures.count > 0) ks_tree_del(sim->world.heap, &sim->failures, what(component, key));
}

void ks_cancel(ks_sim *sim, int component, uint64_t key) {
    ks_key id = what(component, key);
    const timer *waiting = sim->timers.count > 0 ? ks_tree_get(&sim->timers, id) : NULL;
    if (waiting == NULL) return;
    ks_tree_del(sim->world.heap, &sim->agenda, waiting->at);
    ks_tree_del(sim->world.heap, &sim->timers, id);
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

/* A component's state, counted: forks and snapshots share it until one of them works on it. */
typedef struct ks_held {
    uint32_t refs;
    void *state; /* NULL: it has none */
} held;

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

void *ks_state_own(ks_sim *sim, int component) {
    held *h = sim->components[component].held;
    return h->refs == 1 ? h->state : own_copy(sim, component);
}

void *ks_component_state(ks_sim *sim, const ks_component *component) {
    int index = ks_component_index(sim, component);
    return index < 0 ? NULL : ks_state_own(sim, index);
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
    if (now->kind != KS_POD) return parts;
    const ks_str *const addresses[] = {K(podIP), K(podIPs)};
    for (int i = 0; i < 2; i++)
        if (!ks_identical(ks_get(now->status, addresses[i]), ks_get(old->status, addresses[i])))
            parts |= KS_PART_ADDRESSES;
    if (!ks_identical(ks_get(now->status, K(conditions)), ks_get(old->status, K(conditions))))
        parts |= KS_PART_CONDITIONS;
    if (now->phase != old->phase) parts |= KS_PART_PHASE;
    if (now->ready != old->ready) parts |= KS_PART_READY;
    return parts;
}

static uint32_t parts_of(const ks_change *change) {
    const ks_object *now = change->object, *old = change->old;
    uint32_t parts = 0;
    if (change->type != KS_MODIFIED || old == NULL) return KS_ALL_PARTS;
    if (ks_object_terminating(now)) parts |= KS_PART_ENDING;
    if (!ks_identical(now->meta, old->meta)) parts |= KS_PART_META;
    if (!ks_identical(now->labels, old->labels)) parts |= KS_PART_LABELS;
    if (!ks_identical(now->spec, old->spec)) parts |= KS_PART_SPEC;
    if (now->node != old->node && !ks_str_eq(now->node, old->node)) parts |= KS_PART_PLACE;
    if (!ks_identical(now->status, old->status)) parts |= status_parts(now, old);
    return parts;
}

/* A component sees a change, if it has anything to do for it: else its state need not be its own. */
static void show(ks_sim *sim, int component, const ks_change *change, uint32_t parts) {
    const ks_component *c = sim->components[component].component;
    if (c->heeds != NULL && !c->heeds(sim, sim->components[component].held->state, change, parts))
        return;
    c->observe(sim, ks_state_own(sim, component), change);
}

/* The server has written: every component sees it, in the order in which they were added. */
static void announce(void *payload, const ks_change *change) {
    ks_sim *sim = payload;
    uint32_t waiting = sim->observers[change->object->kind];
    if (sim->late != 0) send_late(sim, &waiting, change);
    const ks_store *view = sim->view; /* of whoever writes */
    sim->view = &sim->server.store;
    uint32_t parts = parts_of(change);
    for (int i = 0; waiting != 0; i++, waiting >>= 1)
        if (waiting & 1U) show(sim, i, change, parts);
    sim->view = view;
    if (sim->on_change != NULL) sim->on_change(sim->hook_payload, change);
}

/* Does anybody have to hear of a change of that kind? */
static bool listens(void *payload, ks_kind kind) {
    const ks_sim *sim = payload;
    uint32_t observers = sim->observers[kind];
    for (int i = 0; observers != 0; i++, observers >>= 1) {
        if (!(observers & 1U)) continue;
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
    sim->timers.type = &timers_type;
    sim->view = &sim->server.store;
}

void ks_sim_add(ks_sim *sim, const ks_component *component) {
    int index = sim->component_count++;
    sim->components[index].component = component;
    for (int kind = 0; kind < KS_KIND_COUNT && component->observe != NULL; kind++)
        if (component->kinds & KS_KIND_BIT(kind)) sim->observers[kind] |= 1U << index;
    sim->components[index].held = hold(sim->world.heap, NULL);
    sim->components[index].held->state = create(sim, component);
}

/* All but the server. */
static void copy_around(ks_sim *out, const ks_sim *from) {
    *out = *from;
    ks_world_copied(&out->world);
    out->settings = ks_settings_ref(from->settings);
    out->pending_error = 0;
    out->view = &out->server.store;
    out->agenda = ks_tree_copy(&from->agenda);
    out->queued = ks_tree_copy(&from->queued);
    out->failures = ks_tree_copy(&from->failures);
    out->timers = ks_tree_copy(&from->timers);
    for (int i = 0; i < from->component_count; i++) {
        ks_cache_ref(out->components[i].cache);
        out->components[i].held->refs++;
    }
}

static void connect(ks_sim *out) {
    out->server.on_change = announce;
    out->server.payload = out;
}

void ks_sim_copy(ks_sim *out, const ks_sim *from) {
    copy_around(out, from);
    ks_server_copy(&out->server, &from->server, &out->world);
    connect(out);
}

void ks_sim_snapshot(ks_sim *out, ks_sim *from) {
    copy_around(out, from);
    ks_server_snapshot(&out->server, &from->server, &out->world);
    connect(out);
}

void ks_sim_keep(ks_sim *from) { ks_store_keep(&from->server.store); }

void ks_sim_undo(ks_sim *from) { ks_store_undo(&from->server.store); }

void ks_sim_dispose(ks_sim *sim) {
    ks_heap *heap = sim->world.heap;
    for (int i = 0; i < sim->component_count; i++) {
        let_go(heap, sim->components[i].component, sim->components[i].held);
        ks_cache_unref(heap, sim->components[i].cache);
    }
    ks_tree_clear(heap, &sim->agenda);
    ks_tree_clear(heap, &sim->queued);
    ks_tree_clear(heap, &sim->failures);
    ks_tree_clear(heap, &sim->timers);
    ks_settings_unref(heap, sim->settings);
    ks_server_dispose(&sim->server);
    ks_world_dispose(&sim->world);
}

/* --- restarting --- */

static void forget_all(ks_heap *heap, ks_tree *tree, int component) {
    ks_key first;
    ks_key from = what(component, 0);
    while (ks_tree_ceiling(tree, from, &first, NULL) && first.a == from.a)
        ks_tree_del(heap, tree, first);
}

/* Its keys leave the agenda, wherever they wait. */
static void forget_keys(ks_sim *sim, int component) {
    ks_heap *heap = sim->world.heap;
    ks_tree agenda = ks_tree_copy(&sim->agenda);
    for (ks_tree_iter it = ks_tree_begin(&agenda); ks_tree_next(&it);)
        if (component_at(it.key) == component) ks_tree_del(heap, &sim->agenda, it.key);
    ks_tree_clear(heap, &agenda);
    forget_all(heap, &sim->queued, component);
    forget_all(heap, &sim->failures, component);
    forget_all(heap, &sim->timers, component);
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
    sim->view = &sim->server.store;
}

/* --- running --- */

int64_t ks_sim_due(const ks_sim *sim) {
    ks_key first;
    return ks_tree_first(&sim->agenda, &first, NULL) ? word_time(first.a) : KS_NEVER;
}

/* Works on a key, and queues it again, later each time, while it fails. */
static void work(ks_sim *sim, int index, uint64_t key) {
    const ks_component *c = sim->components[index].component;
    uint64_t facts[3] = {(uint64_t)sim->world.now, (uint64_t)index, key};
    ks_trace(&sim->world, facts, sizeof facts);
    sim->server.fault_rate = sim->components[index].fault_rate;
    bool fine = c->sync(sim, ks_state_own(sim, index), key);
    sim->server.fault_rate = 0;
    if (fine)
        ks_forget(sim, index, key);
    else
        ks_enqueue_backoff(sim, index, key);
}

static void describe(ks_sim *sim, int index, uint64_t key, ks_step *step) {
    const ks_component *c = sim->components[index].component;
    ks_buf text = {sim->world.heap, NULL, 0, 0};
    if (c->describe != NULL) c->describe(sim, sim->components[index].held->state, key, &text);
    *step = (ks_step){.at = sim->world.now, .component = c->name};
    step->key = ks_string_take(ks_buf_take(&text));
}

bool ks_sim_step(ks_sim *sim, ks_step *step) {
    ks_heap *heap = sim->world.heap;
    ks_key at;
    void *value;
    if (!ks_tree_first(&sim->agenda, &at, &value)) return false;
    int component = component_at(at);
    uint64_t key = of_word(value);
    ks_tree_del(heap, &sim->agenda, at);
    if (word_time(at.a) > sim->world.now) sim->world.now = word_time(at.a);
    if (component == KS_DELIVERY) {
        ks_cache_deliver(sim, key, step);
        return true;
    }
    ks_key id = what(component, key);
    if (at.b & 1) {
        ks_tree_del(heap, &sim->timers, id);
        if (ks_tree_has(&sim->queued, id)) return ks_sim_step(sim, step); /* waits already */
    } else {
        ks_tree_del(heap, &sim->queued, id);
    }
    look_through_its_eyes(sim, component);
    if (step != NULL) describe(sim, component, key, step);
    work(sim, component, key);
    sim->view = &sim->server.store;
    return true;
}

void ks_sim_run_until(ks_sim *sim, int64_t instant) {
    if (instant > KS_LAST) instant = KS_LAST;
    while (!sim->pending_error && ks_sim_due(sim) <= instant) ks_sim_step(sim, NULL);
    if (!sim->pending_error && sim->world.now < instant) sim->world.now = instant;
}
