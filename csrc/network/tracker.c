/*
 * network/tracker.c - which Services select which pods, and which pods changed since a Service was
 * looked at.
 */
#include "network/tracker.h"

#include "api/values.h"
#include "network/endpoint.h"

/* A Service as it was last seen. Counted; not changed once shared. */
typedef struct tracked_service {
    uint32_t refs;
    uint64_t id, pair; /* pair: where it stands in by_pair */
    const ks_str *ns, *name;
    ks_selector *selector; /* NULL: none */
} tracked_service;

static void service_ref(void *value) { ((tracked_service *)value)->refs++; }

static void service_unref(ks_heap *heap, void *value) {
    tracked_service *service = value;
    if (--service->refs) return;
    ks_str_unref(heap, service->ns);
    ks_str_unref(heap, service->name);
    if (service->selector) ks_selector_unref(heap, service->selector);
    ks_free(heap, service, sizeof *service);
}

static const ks_tree_type services_type = {.ref = service_ref, .unref = service_unref};

#define PRESENT ((void *)(uintptr_t)1)

void ks_tracker_init(ks_tracker *tracker, int component) {
    *tracker = (ks_tracker){.services = {.type = &services_type},
                            .by_pair = {.type = &services_type},
                            .component = component};
}

ks_tracker ks_tracker_copy(const ks_tracker *tracker) {
    return (ks_tracker){
        .services = ks_tree_copy(&tracker->services),
        .by_pair = ks_tree_copy(&tracker->by_pair),
        .by_ns = ks_tree_copy(&tracker->by_ns),
        .dirty = ks_tree_copy(&tracker->dirty),
        .full = ks_tree_copy(&tracker->full),
        .triggers = ks_tree_copy(&tracker->triggers),
        .known = ks_tree_copy(&tracker->known),
        .waiting = ks_tree_copy(&tracker->waiting),
        .silent = ks_tree_copy(&tracker->silent),
        .served = tracker->served,
        .changes = tracker->changes,
        .component = tracker->component,
    };
}

void ks_tracker_dispose(ks_heap *heap, ks_tracker *tracker) {
    ks_tree_clear(heap, &tracker->services);
    ks_tree_clear(heap, &tracker->by_pair);
    ks_tree_clear(heap, &tracker->by_ns);
    ks_tree_clear(heap, &tracker->dirty);
    ks_tree_clear(heap, &tracker->full);
    ks_tree_clear(heap, &tracker->triggers);
    ks_tree_clear(heap, &tracker->known);
    ks_tree_clear(heap, &tracker->waiting);
    ks_tree_clear(heap, &tracker->silent);
}

/* A namespace and one label, as a key of by_pair. Collisions cost time, not truth. */
static uint64_t pair_hash(const ks_str *ns, const ks_str *key, const ks_str *value) {
    uint64_t low = ks_hash_bytes(key->s, key->len);
    uint64_t high = ks_hash_bytes(value->s, value->len);
    return (high << 32 | low) ^
           (uint64_t)ks_hash_bytes(ns->s, ns->len) * UINT64_C(0x9E3779B97F4A7C15);
}

static uint64_t ns_hash(const ks_str *ns) { return ks_hash_text(ns, 0); }

/* The namespace's bit in ks_tracker.served: told by its length and ends, which is quick. */
static uint64_t ns_bit(const ks_str *ns) {
    uint32_t ends = ns->len == 0 ? 0
                                 : (uint32_t)(unsigned char)ns->s[0] * 7 +
                                       (uint32_t)(unsigned char)ns->s[ns->len - 1] * 13;
    return UINT64_C(1) << (ends + ns->len) % 64;
}

static void index_service(ks_heap *heap, ks_tracker *tracker, const ks_object *object) {
    tracked_service *service = ks_alloc_zero(heap, sizeof *service);
    service->refs = 1;
    service->id = object->id;
    service->ns = ks_str_ref(object->ns);
    service->name = ks_str_ref(object->name);
    if (ks_service_is_managed(object)) {
        ks_val selector = ks_get(object->spec, K(selector));
        const ks_pair *pair = ks_pair_at(selector, 0);
        service->selector = ks_selector_of_map(heap, selector);
        service->pair = pair_hash(object->ns, pair->key, ks_str_or_null(pair->val));
        service->refs++;
        ks_tree_put(heap, &tracker->by_pair, (ks_key){service->pair, service->id}, service);
        ks_tree_put(heap, &tracker->by_ns, (ks_key){ns_hash(object->ns), service->id}, PRESENT);
        tracker->served |= ns_bit(object->ns);
    }
    ks_tree_put(heap, &tracker->services, (ks_key){0, service->id}, service);
}

static void unindex_service(ks_heap *heap, ks_tracker *tracker, uint64_t id) {
    tracked_service *service = ks_tree_get(&tracker->services, (ks_key){0, id});
    if (!service || !service->selector) return;
    ks_tree_del(heap, &tracker->by_pair, (ks_key){service->pair, id});
    ks_tree_del(heap, &tracker->by_ns, (ks_key){ns_hash(service->ns), id});
    if (tracker->by_ns.count == 0) tracker->served = 0;
}

void ks_tracker_service(ks_sim *sim, ks_tracker *tracker, const ks_change *change) {
    const ks_object *object = change->object;
    ks_heap *heap = sim->world.heap;
    unindex_service(heap, tracker, object->id);
    if (change->type != KS_DELETED) index_service(heap, tracker, object);
    ks_tree_put(heap, &tracker->full, (ks_key){0, object->id}, PRESENT);
    ks_enqueue(sim, tracker->component, object->id);
}

static bool is_silent(const ks_tracker *tracker, uint64_t service) {
    return tracker->silent.count > 0 && ks_tree_has(&tracker->silent, (ks_key){0, service});
}

/* endpointslice/util/controller_utils.go: podEndpointsChanged, but for the labels: whether upstream has all Services synced that select
 * the pod. */
static bool is_told(const ks_change *change) {
    const ks_object *now = change->object, *old = change->old;
    if (change->type != KS_MODIFIED || !old) return true;
    if (now->deleting != KS_NEVER || now->deleting != old->deleting || now->ready != old->ready)
        return true;
    ks_val ips = ks_get(now->status, K(podIPs)), before = ks_get(old->status, K(podIPs));
    return ks_len(ips) != ks_len(before) || (ks_len(ips) > 0 && !ks_equal(ips, before));
}

/* Whether a pod's endpoints can be others than before, its labels aside. */
static bool pod_matters(const ks_change *change) {
    const ks_object *now = change->object, *old = change->old;
    bool is = change->type != KS_DELETED && ks_pod_in_endpoints(now, true);
    if (!old || change->type == KS_DELETED)
        return is || (change->type == KS_DELETED && ks_pod_ip(now));
    bool was = ks_pod_in_endpoints(old, true);
    if (is != was) return true;
    if (!is) return false;
    return now->deleting != old->deleting || !ks_str_eq(ks_pod_ip(now), ks_pod_ip(old)) ||
           now->ready != old->ready || !ks_str_eq(now->node, old->node);
}

bool ks_tracker_heeds(const ks_tracker *tracker, const ks_object *pod) {
    if (!(tracker->served & ns_bit(pod->ns))) return false;
    ks_key ns = {ns_hash(pod->ns), 0}, any;
    return ks_tree_ceiling(&tracker->by_ns, ns, &any, NULL) && any.a == ns.a;
}

/* What a change of a pod is to a Service that selects it. */
typedef struct pod_news {
    bool dirty; /* its endpoint may be another one */
    bool
        told; /* the Service is synced; else it is found when the Service is synced the next time */
} pod_news;

static void tell(ks_sim *sim, ks_tracker *tracker, uint64_t service, uint64_t pod, pod_news news) {
    ks_heap *heap = sim->world.heap;
    if (news.dirty) ks_tree_put(heap, &tracker->dirty, (ks_key){service, pod}, PRESENT);
    if (news.told && (news.dirty || is_silent(tracker, service)))
        ks_enqueue(sim, tracker->component, service);
    else if (news.dirty)
        ks_tree_put(heap, &tracker->silent, (ks_key){0, service}, PRESENT);
}

/* Tells the Services that select the labels, and not those that select `but`, too (NULL: all). */
static void tell_matching(ks_sim *sim, ks_tracker *tracker, const ks_object *pod, ks_val labels,
                          const ks_val *but, pod_news news) {
    for (uint32_t i = 0; i < ks_len(labels); i++) {
        const ks_pair *pair = ks_pair_at(labels, i);
        const ks_str *value = ks_str_or_null(pair->val);
        if (!value) continue;
        uint64_t at = pair_hash(pod->ns, pair->key, value);
        for (ks_tree_iter it = ks_tree_from(&tracker->by_pair, (ks_key){at, 0});
             ks_tree_next(&it) && it.key.a == at;) {
            const tracked_service *service = it.value;
            if (!ks_str_eq(service->ns, pod->ns) ||
                !ks_selector_matches(service->selector, labels) ||
                (but && ks_selector_matches(service->selector, *but)))
                continue;
            tell(sim, tracker, service->id, pod->id, news);
        }
    }
}

void ks_tracker_pod(ks_sim *sim, ks_tracker *tracker, const ks_change *change) {
    const ks_object *now = change->object, *old = change->old;
    if (!ks_tracker_heeds(tracker, now)) return;
    bool relabelled = old && !ks_equal(old->labels, now->labels);
    pod_news news = {pod_matters(change), is_told(change)};
    bool means = news.dirty || (news.told && tracker->silent.count > 0);
    if (!means && !relabelled) return;
    bool published = ks_pod_in_endpoints(now, true) || (old && ks_pod_in_endpoints(old, true));
    tracker->changes += news.dirty || (relabelled && published);
    if (means) {
        tell_matching(sim, tracker, now, now->labels, NULL, news);
        if (relabelled) tell_matching(sim, tracker, now, old->labels, &now->labels, news);
    }
    if (!relabelled || (news.dirty && news.told)) return;
    /* those that select it no longer, or newly, hear of it in any case */
    news = (pod_news){published, true};
    tell_matching(sim, tracker, now, now->labels, &old->labels, news);
    tell_matching(sim, tracker, now, old->labels, &now->labels, news);
}

void ks_tracker_mark_full(ks_sim *sim, ks_tracker *tracker, uint64_t service) {
    ks_tree_put(sim->world.heap, &tracker->full, (ks_key){0, service}, PRESENT);
}

void ks_tracker_touch(ks_sim *sim, ks_tracker *tracker, uint64_t service) {
    ks_tracker_mark_full(sim, tracker, service);
    ks_tree_put(sim->world.heap, &tracker->silent, (ks_key){0, service}, PRESENT);
}

void ks_tracker_touch_all(ks_sim *sim, ks_tracker *tracker) {
    for (ks_tree_iter it = ks_tree_from(&tracker->services, (ks_key){0, 0}); ks_tree_next(&it);)
        ks_tracker_touch(sim, tracker, it.key.b);
}

void ks_tracker_mark_pod(ks_sim *sim, ks_tracker *tracker, uint64_t service, uint64_t pod) {
    ks_tree_put(sim->world.heap, &tracker->dirty, (ks_key){service, pod}, PRESENT);
}

uint64_t ks_tracker_find(const ks_tracker *tracker, const ks_store *store, const ks_str *ns,
                         const ks_str *name) {
    const ks_object *service = ks_store_get(store, KS_SERVICE, ns, name);
    return service && ks_tree_has(&tracker->services, (ks_key){0, service->id}) ? service->id : 0;
}

/* Trigger times are kept as words that are not 0: seconds, shifted. 1: a pod without a Ready
 * condition. */
static uintptr_t trigger_word(ks_sim *sim, const ks_object *pod) {
    ks_val condition = ks_pod_ready_condition(pod);
    int64_t at = ks_instant_of(&sim->world, ks_get(condition, K(lastTransitionTime)));
    if (at == KS_NEVER) return 1;
    return (uintptr_t)((uint64_t)(at / KS_SECOND) + (UINT64_C(1) << 40));
}

static int64_t trigger_instant(uintptr_t word) {
    return (int64_t)((uint64_t)word - (UINT64_C(1) << 40)) * KS_SECOND;
}

/* Notes the pod's trigger time; the earliest of those that are new is the Service's. */
static void note_trigger(ks_sim *sim, ks_tracker *tracker, ks_tracker_work *work,
                         const ks_tracked_pod *pod) {
    ks_key key = {work->service->id, pod->id};
    if (!pod->selected) {
        ks_tree_del(sim->world.heap, &tracker->triggers, key);
        return;
    }
    uintptr_t before = (uintptr_t)ks_tree_get(&tracker->triggers, key);
    uintptr_t now = trigger_word(sim, pod->pod);
    if (now > 1 && now > before && trigger_instant(now) < work->trigger)
        work->trigger = trigger_instant(now);
    if (now != before) ks_tree_put(sim->world.heap, &tracker->triggers, key, (void *)now);
}

static void add_pod(ks_heap *heap, ks_tracker_work *work, ks_tracked_pod pod) {
    if (work->count == work->capacity) {
        size_t capacity = work->capacity ? work->capacity * 2 : 8;
        work->pods = ks_resize(heap, work->pods, work->capacity * sizeof *work->pods,
                               capacity * sizeof *work->pods);
        work->capacity = capacity;
    }
    work->pods[work->count++] = pod;
}

/* A changed Service: all pods that it selects now or did select count as changed. */
static void mark_all(ks_sim *sim, ks_tracker *tracker, const tracked_service *service,
                     const ks_object *object) {
    ks_heap *heap = sim->world.heap;
    for (ks_tree_iter it = ks_tree_from(&tracker->triggers, (ks_key){service->id, 0});
         ks_tree_next(&it) && it.key.a == service->id;)
        ks_tree_put(heap, &tracker->dirty, it.key, PRESENT);
    if (!service->selector) return;
    const ks_pair *label = ks_pair_at(ks_get(object->spec, K(selector)), 0);
    for (ks_walk walk = ks_walk_labelled(ks_view(sim), service->ns, label); ks_walk_next(&walk);)
        if (ks_selector_matches(service->selector, walk.object->labels))
            ks_tree_put(heap, &tracker->dirty, (ks_key){service->id, walk.object->id}, PRESENT);
}

static void forget(ks_heap *heap, ks_tracker *tracker, uint64_t id) {
    ks_tree_del_all(heap, &tracker->dirty, id);
    ks_tree_del_all(heap, &tracker->triggers, id);
    ks_tree_del(heap, &tracker->known, (ks_key){0, id});
    ks_tree_del(heap, &tracker->silent, (ks_key){0, id});
    ks_tree_del(heap, &tracker->services, (ks_key){0, id});
}

bool ks_tracker_put_off(ks_sim *sim, ks_tracker *tracker, uint64_t service) {
    ks_heap *heap = sim->world.heap;
    ks_key key = {0, service};
    uintptr_t changes = (uintptr_t)tracker->changes + 1;
    uintptr_t before = (uintptr_t)ks_tree_get(&tracker->waiting, key);
    if (ks_sim_due(sim) > sim->world.now || before == changes) {
        if (before) ks_tree_del(heap, &tracker->waiting, key);
        return false;
    }
    ks_tree_put(heap, &tracker->waiting, key, (void *)changes);
    ks_enqueue(sim, tracker->component, service);
    return true;
}

bool ks_tracker_take(ks_sim *sim, ks_tracker *tracker, uint64_t id, ks_tracker_work *work) {
    ks_heap *heap = sim->world.heap;
    const ks_store *store = ks_view(sim);
    *work = (ks_tracker_work){.trigger = KS_NEVER};
    const tracked_service *service = ks_tree_get(&tracker->services, (ks_key){0, id});
    if (!service) return false;
    work->ns = ks_str_ref(service->ns);
    work->name = ks_str_ref(service->name);
    work->full = ks_tree_del(heap, &tracker->full, (ks_key){0, id});
    ks_tree_del(heap, &tracker->silent, (ks_key){0, id});
    const ks_object *object = ks_store_by_id(store, KS_SERVICE, id);
    if (!object) {
        forget(heap, tracker, id);
        return true;
    }
    work->service = ks_object_ref(object);
    if (work->full) mark_all(sim, tracker, service, object);
    for (ks_tree_iter it = ks_tree_from(&tracker->dirty, (ks_key){id, 0});
         ks_tree_next(&it) && it.key.a == id;) {
        ks_tracked_pod pod = {it.key.b, ks_store_by_id(store, KS_POD, it.key.b), false};
        pod.selected =
            pod.pod && service->selector && ks_selector_matches(service->selector, pod.pod->labels);
        note_trigger(sim, tracker, work, &pod);
        add_pod(heap, work, pod);
    }
    ks_tree_del_all(heap, &tracker->dirty, id);
    if (service->selector && !ks_tree_has(&tracker->known, (ks_key){0, id})) {
        ks_tree_put(heap, &tracker->known, (ks_key){0, id}, PRESENT);
        work->trigger = object->created;
    }
    return true;
}

void ks_tracker_work_dispose(ks_heap *heap, ks_tracker_work *work) {
    if (work->service) ks_object_unref(heap, work->service);
    ks_str_unref(heap, work->ns);
    ks_str_unref(heap, work->name);
    ks_free(heap, work->pods, work->capacity * sizeof *work->pods);
}

void ks_tracker_describe(const ks_tracker *tracker, uint64_t id, ks_buf *out) {
    const tracked_service *service = ks_tree_get(&tracker->services, (ks_key){0, id});
    if (!service) return;
    ks_buf_str(out, service->ns);
    ks_buf_putc(out, '/');
    ks_buf_str(out, service->name);
}
