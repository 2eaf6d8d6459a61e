/*
 * engine/cache.c - informer caches that are behind, and changes on their way to them; see cache.h.
 *
 * A change that is on its way is one entry of the agenda. Its key says where it goes and which it is:
 * {version, kind, component} in one word.
 */
#include "engine/cache.h"

enum { COMPONENT_BITS = 5, KIND_BITS = 6 };

_Static_assert(KS_KIND_COUNT <= 1 << KIND_BITS, "a kind fits into an agenda key");
_Static_assert(KS_DELIVERY < 1 << COMPONENT_BITS, "a component fits into an agenda key");

/* A change that has been written and not delivered. */
typedef struct late_change {
    uint32_t refs;
    ks_key at; /* in the agenda */
    const ks_change *change;
} late_change;

static void late_ref(void *value) { ((late_change *)value)->refs++; }

static void late_unref(ks_heap *heap, void *value) {
    late_change *late = value;
    if (--late->refs > 0) return;
    ks_change_unref(heap, late->change);
    ks_free(heap, late, sizeof *late);
}

static const ks_tree_type late_type = {NULL, NULL, NULL, late_ref, late_unref};

static ks_key place_of(ks_kind kind, uint64_t version) { return (ks_key){kind, version}; }

static uint64_t agenda_key(int component, const ks_change *change) {
    return (change->version << KIND_BITS | change->object->kind) << COMPONENT_BITS |
           (uint64_t)component;
}

/* --- life --- */

static ks_cache *cache_new(ks_sim *sim) {
    ks_cache *cache = ks_alloc_zero(sim->world.heap, sizeof *cache);
    cache->refs = 1;
    ks_store_copy(&cache->store, &sim->server.store, &sim->world);
    ks_store_shorten(&cache->store);
    cache->late.type = &late_type;
    return cache;
}

ks_cache *ks_cache_ref(ks_cache *cache) {
    if (cache != NULL) cache->refs++;
    return cache;
}

void ks_cache_unref(ks_heap *heap, ks_cache *cache) {
    if (cache == NULL || --cache->refs > 0) return;
    ks_store_clear(&cache->store, heap);
    ks_tree_clear(heap, &cache->late);
    ks_free(heap, cache, sizeof *cache);
}

/* The component's cache, for changing: this cluster alone has it from now on. */
static ks_cache *own(ks_sim *sim, int component) {
    ks_cache *shared = sim->components[component].cache;
    if (shared->refs == 1) return shared;
    ks_cache *cache = ks_alloc(sim->world.heap, sizeof *cache);
    *cache = *shared;
    cache->refs = 1;
    ks_store_copy(&cache->store, &shared->store, &sim->world);
    cache->late = ks_tree_copy(&shared->late);
    if (sim->view == &shared->store) sim->view = &cache->store;
    shared->refs--;
    return sim->components[component].cache = cache;
}

static void drop(ks_sim *sim, int component) {
    ks_cache *cache = sim->components[component].cache;
    for (ks_tree_iter it = ks_tree_begin(&cache->late); ks_tree_next(&it);)
        ks_tree_del(sim->world.heap, &sim->agenda, ((const late_change *)it.value)->at);
    ks_cache_unref(sim->world.heap, cache);
    sim->components[component].cache = NULL;
    sim->late &= ~(1U << component);
}

static bool is_late(const ks_sim *sim, int component) {
    return sim->components[component].lag.most > 0;
}

void ks_cache_renew(ks_sim *sim, int component) {
    if (sim->components[component].cache != NULL) drop(sim, component);
    if (!is_late(sim, component)) return;
    sim->components[component].cache = cache_new(sim);
    sim->late |= 1U << component;
}

/* --- on the way --- */

/* The instant at which what is sent now arrives. */
static int64_t arrival(ks_sim *sim, const ks_lag *lag) {
    int64_t span = lag->least;
    if (lag->most > lag->least) {
        double part = (double)ks_choose(&sim->world, KS_CHOOSE_JITTER, 0) / 4294967296.0;
        span += (int64_t)(part * (double)(lag->most - lag->least));
    }
    return ks_after(sim->world.now, span);
}

/* Kinds that the component has informers of: the others it asks the server for, or it knows them itself. */
static bool informed(const ks_component *c, ks_kind kind) {
    return (((c->kinds | c->lists) & ~c->own) >> kind & 1U) != 0;
}

/* The component is told of a change that its cache shows. */
static void tell(ks_sim *sim, int component, const ks_change *change) {
    const ks_component *c = sim->components[component].component;
    const ks_store *view = sim->view; /* of whoever writes */
    if (c->observe == NULL || (c->kinds >> change->object->kind & 1U) == 0) return;
    sim->view = &sim->components[component].cache->store;
    c->observe(sim, ks_state_own(sim, component), change);
    ks_note_idle(sim, component);
    sim->view = view;
}

/* What it has written itself, and goes by before it is told. */
static bool keeps(const ks_sim *sim, int component, const ks_change *change) {
    return sim->busy.component == component && change->type != KS_DELETED &&
           (sim->components[component].component->keeps >> change->object->kind & 1U) != 0;
}

/* It goes by what is as new, or newer. */
static bool outdated(const ks_cache *cache, const ks_change *change) {
    const ks_object *known =
        ks_store_by_id(&cache->store, change->object->kind, change->object->id);
    return change->type != KS_DELETED && known != NULL && known->version >= change->version;
}

void ks_cache_send(ks_sim *sim, int component, const ks_change *change) {
    ks_kind kind = change->object->kind;
    bool late_kind = informed(sim->components[component].component, kind);
    if (kind == KS_EVENT) { /* caches have none */
        if (!late_kind) tell(sim, component, change);
        return;
    }
    ks_cache *cache = own(sim, component);
    cache->store.world = &sim->world;
    if (!late_kind) {
        ks_store_follow(&cache->store, change);
        tell(sim, component, change);
        return;
    }
    if (keeps(sim, component, change)) ks_store_follow(&cache->store, change);
    int64_t at = arrival(sim, &sim->components[component].lag);
    if (at < cache->due[kind]) at = cache->due[kind];
    cache->due[kind] = at;
    late_change *late = ks_alloc(sim->world.heap, sizeof *late);
    *late = (late_change){.refs = 1, .change = ks_change_ref(change)};
    late->at = ks_agenda_add(sim, KS_DELIVERY, agenda_key(component, change), at);
    ks_tree_put(sim->world.heap, &cache->late, place_of(kind, change->version), late);
}

static const char *const what_happened[] = {"ADDED", "MODIFIED", "DELETED"};

static void describe(const ks_sim *sim, int component, const ks_change *change, ks_step *step) {
    const ks_object *o = change->object;
    *step =
        (ks_step){.at = sim->world.now, .component = sim->components[component].component->name};
    step->key = ks_format(sim->world.heap, "%s %s %s%s%s", what_happened[change->type],
                          ks_kind_get(o->kind)->singular, o->ns == NULL ? "" : o->ns->s,
                          o->ns == NULL ? "" : "/", o->name->s);
}

void ks_cache_deliver(ks_sim *sim, uint64_t key, ks_step *step) {
    int component = (int)(key & ((1U << COMPONENT_BITS) - 1));
    ks_kind kind = (ks_kind)(key >> COMPONENT_BITS & ((1U << KIND_BITS) - 1));
    ks_heap *heap = sim->world.heap;
    ks_cache *cache = own(sim, component);
    late_change *late =
        ks_tree_take(heap, &cache->late, place_of(kind, key >> (COMPONENT_BITS + KIND_BITS)));
    const ks_component *c = sim->components[component].component;
    ks_trace(&sim->world, &key, sizeof key);
    if (step != NULL) describe(sim, component, late->change, step);
    cache->store.world = &sim->world;
    if ((c->keeps >> kind & 1U) == 0 || !outdated(cache, late->change))
        ks_store_follow(&cache->store, late->change);
    tell(sim, component, late->change);
    late_unref(heap, late);
    if (cache->late.count == 0 && !is_late(sim, component)) drop(sim, component);
}

const ks_store *ks_view_of(const ks_sim *sim, int component) {
    const ks_cache *cache = sim->components[component].cache;
    return cache == NULL ? &sim->server.store : &cache->store;
}

ks_store *ks_view_own(ks_sim *sim, int component) {
    if (sim->components[component].cache == NULL) return &sim->server.store;
    ks_cache *cache = own(sim, component);
    cache->store.world = &sim->world;
    return &cache->store;
}

uint64_t ks_heard_until(const ks_sim *sim, int component, ks_kind kind) {
    const ks_cache *cache = sim->components[component].cache;
    ks_key first;
    bool waits = cache != NULL && ks_tree_ceiling(&cache->late, place_of(kind, 0), &first, NULL) &&
                 first.a == kind;
    return waits ? first.b - 1 : sim->server.store.version;
}

bool ks_has_heard(const ks_sim *sim, int component, ks_kind kind, uint64_t version) {
    return sim->components[component].cache == NULL ||
           version <= ks_heard_until(sim, component, kind);
}

/* --- setting --- */

/* What is on its way arrives no later than what would be sent now. */
static void hurry(ks_sim *sim, int component) {
    ks_heap *heap = sim->world.heap;
    ks_cache *cache = own(sim, component);
    ks_tree late = ks_tree_copy(&cache->late);
    int64_t due[KS_KIND_COUNT] = {0};
    for (ks_tree_iter it = ks_tree_begin(&late); ks_tree_next(&it);) {
        const late_change *before = it.value;
        ks_kind kind = before->change->object->kind;
        int64_t at = arrival(sim, &sim->components[component].lag);
        if (at > ks_agenda_instant(before->at)) at = ks_agenda_instant(before->at);
        if (at < due[kind]) at = due[kind];
        due[kind] = cache->due[kind] = at;
        late_change *now = ks_alloc(heap, sizeof *now);
        *now = (late_change){.refs = 1, .change = ks_change_ref(before->change)};
        ks_tree_del(heap, &sim->agenda, before->at);
        now->at = ks_agenda_add(sim, KS_DELIVERY, agenda_key(component, now->change), at);
        ks_tree_put(heap, &cache->late, it.key, now);
    }
    ks_tree_clear(heap, &late);
}

void ks_sim_set_lag(ks_sim *sim, int component, ks_lag lag) {
    sim->components[component].lag = lag;
    if (sim->components[component].cache == NULL)
        ks_cache_renew(sim, component);
    else if (sim->components[component].cache->late.count == 0 && lag.most == 0)
        drop(sim, component);
    else
        hurry(sim, component);
}
