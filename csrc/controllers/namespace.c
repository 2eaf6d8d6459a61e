/*
 * controllers/namespace.c - empties a namespace that is being deleted, and lets it go.
 *
 * pkg/controller/namespace/namespace_controller.go and deletion/namespaced_resources_deleter.go:
 * pods first, then everything else; status.conditions tell what is left. The real controller looks
 * again on a timer; so does this one, but where nothing in the namespace has changed since its last
 * look (a finalizer that nobody removes) it waits for a change, and then for that timer.
 *
 * It hears of namespaces; what is in one it asks the server for, and so it does for the namespace before it writes.
 *
 * Keys are ids of Namespaces.
 */
#include "controllers/common.h"
#include "controllers/controllers.h"

#include <string.h>

enum {
    SETTLE_SECONDS = 5,     /* namespaceDeletionGracePeriod */
    FINALIZER_SECONDS = 15, /* finalizerEstimateSeconds */
    RETRY_FIRST_MS = 5,
    RETRY_MOST_SECONDS = 60,
    RETRY_CAPPED = 14, /* 5 ms doubled so often is more than 60 s */
};

/* A namespace with content that is left: when it was looked at, and after how long it is again. */
typedef struct waiter {
    uint32_t refs;
    int64_t looked, period;
    int failures; /* looks in a row that ended in an error */
} waiter;

static void waiter_ref(void *value) { ((waiter *)value)->refs++; }
static void waiter_unref(ks_heap *heap, void *value) {
    waiter *w = value;
    if (--w->refs == 0) ks_free(heap, w, sizeof *w);
}
static const ks_tree_type waiter_type = {NULL, NULL, NULL, waiter_ref, waiter_unref};

typedef struct state {
    int index;
    ks_tree waiters; /* {0, Namespace} -> waiter */
} state;

static void *create(ks_sim *sim) {
    state *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_namespace_controller);
    st->waiters.type = &waiter_type;
    return st;
}

static void *copy(ks_sim *sim, const void *from) {
    const state *old = from;
    state *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = (state){old->index, ks_tree_copy(&old->waiters)};
    return st;
}

static void dispose(ks_heap *heap, void *payload) {
    state *st = payload;
    ks_tree_clear(heap, &st->waiters);
    ks_free(heap, st, sizeof *st);
}

/* --- what is noticed --- */

/* Something has changed in a namespace that waits: the next look is worth its while. */
static void notice_content(ks_sim *sim, const state *st, const ks_object *object) {
    const ks_object *ns = ks_store_get(ks_view(sim), KS_NAMESPACE, NULL, object->ns);
    if (ns == NULL) return;
    const waiter *w = ks_tree_get(&st->waiters, (ks_key){0, ns->id});
    if (w == NULL) return;
    int64_t periods = (sim->world.now - w->looked) / w->period + 1;
    ks_enqueue_at(sim, st->index, ns->id, ks_after(w->looked, periods * w->period));
}

/* No Event is recorded in a namespace that is going away: it never waits for one. */
static bool listens(const void *payload) {
    (void)payload;
    return false;
}

static void observe(ks_sim *sim, void *payload, const ks_change *change) {
    state *st = payload;
    const ks_object *object = change->object;
    if (object->kind != KS_NAMESPACE) {
        if (st->waiters.count > 0 && object->ns != NULL) notice_content(sim, st, object);
        return;
    }
    if (change->type == KS_DELETED)
        ks_tree_del(sim->world.heap, &st->waiters, (ks_key){0, object->id});
    else if (ks_object_terminating(object))
        ks_enqueue_at(sim, st->index, object->id, sim->world.now + SETTLE_SECONDS * KS_SECOND);
}

/* No namespace waits for what is in it to go. */
static bool idles(const void *payload) { return ((const state *)payload)->waiters.count == 0; }

static bool heeds(const ks_sim *sim, const void *payload, const ks_change *change, uint32_t parts) {
    (void)sim, (void)parts;
    const state *st = payload;
    return change->object->kind == KS_NAMESPACE || st->waiters.count > 0;
}

/* --- what is left --- */

/* Counts by name, in the order of the names: "pods.", "kubernetes.io/pvc-protection". */
typedef struct tally {
    ks_val names;     /* {name: count} */
    ks_val errors;    /* list of texts */
    int64_t estimate; /* seconds until it is worth looking again; 0: nothing is left */
} tally;

static void count(ks_heap *heap, ks_val *map, const char *name, int64_t by) {
    const ks_str *key = ks_intern_of(heap, name);
    *map = ks_put(heap, *map, key, ks_int(ks_int_or(ks_get(*map, key), 0) + by));
    ks_str_unref(heap, key);
}

/* estimateGracefulTerminationForPods: the longest grace of those that run, 0 once it has passed. */
static int64_t grace_left(const ks_sim *sim, const ks_object *ns) {
    int64_t most = 0;
    for (ks_walk w = ks_walk_kind(&sim->server.store, KS_POD, ns->name); ks_walk_next(&w);) {
        if (ks_phase_finished(ks_phase_of(w.object))) continue;
        int64_t grace = ks_count(w.object->spec, K(terminationGracePeriodSeconds), 0);
        if (grace > most) most = grace;
    }
    return sim->world.now - ns->deleting >= ks_seconds(most) ? 0 : most;
}

/* DELETE of the collection: one after the other, in the order of a list. */
static void delete_all(ks_sim *sim, ks_kind kind, const ks_str *ns) {
    ks_heap *heap = sim->world.heap;
    static const ks_delete_opts opts = {.grace_period = -1, .propagation = KS_BACKGROUND};
    ks_objects list = {NULL, 0, 0};
    for (ks_walk w = ks_walk_kind(&sim->server.store, kind, ns); ks_walk_next(&w);)
        ks_objects_add(heap, &list, w.object);
    ks_store_sort(heap, list.items, list.count);
    for (size_t i = 0; i < list.count; i++) {
        const ks_object *o = list.items[i];
        ks_refusal *refusal = ks_server_delete(&sim->server, kind, o->ns, o->name, &opts, NULL);
        if (refusal != NULL) ks_refusal_free(heap, refusal); /* gone meanwhile */
    }
    ks_objects_dispose(heap, &list);
}

/* deleteAllContentForGroupVersionResource; how many are left. */
static int64_t empty(ks_sim *sim, ks_kind kind, const ks_object *ns, tally *left, tally *held) {
    ks_heap *heap = sim->world.heap;
    const ks_kind_info *info = ks_kind_get(kind);
    int64_t estimate = kind == KS_POD ? grace_left(sim, ns) : 0, remaining = 0;
    bool finalizers = false;
    delete_all(sim, kind, ns->name);
    for (ks_walk w = ks_walk_kind(&sim->server.store, kind, ns->name); ks_walk_next(&w);) {
        remaining++;
        ks_each(finalizer, ks_get(w.object->meta, K(finalizers))) {
            count(heap, &held->names, ks_text_or(*finalizer, ""), 1);
            finalizers = true;
        }
    }
    if (remaining == 0) return 0;
    if (estimate == 0 && finalizers) estimate = FINALIZER_SECONDS;
    if (estimate > left->estimate) left->estimate = estimate;
    ks_val name = ks_format(heap, "%s.%s", info->plural, info->group);
    count(heap, &left->names, name.s->s, remaining);
    ks_unref(heap, name);
    if (estimate == 0) {
        ks_val text = ks_format(
            heap,
            "%s%s%sunexpected items still remain in namespace: %s for gvr: %s/%s, Resource=%s",
            kind == KS_POD ? "failed to delete pods for namespace: " : "",
            kind == KS_POD ? ns->name->s : "", kind == KS_POD ? ", err: " : "", ns->name->s,
            info->group, info->version, info->plural);
        left->errors = ks_append(heap, left->errors, text);
    }
    return remaining;
}

/* --- conditions: deletion/status_condition_utils.go --- */

static const struct {
    const char *type, *fine_reason, *fine_message, *bad_reason;
} rules[] = {
    {"NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered",
     "All resources successfully discovered", ""},
    {"NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions",
     "All legacy kube types successfully parsed", ""},
    {"NamespaceDeletionContentFailure", "ContentDeleted",
     "All content successfully deleted, may be waiting on finalization", "ContentDeletionFailed"},
    {"NamespaceContentRemaining", "ContentRemoved", "All content successfully removed",
     "SomeResourcesRemain"},
    {"NamespaceFinalizersRemaining", "ContentHasNoFinalizers",
     "All content-preserving finalizers finished", "SomeFinalizersRemain"},
};
enum {
    RULES = sizeof rules / sizeof *rules,
    CONTENT_FAILURE = 2,
    CONTENT_REMAINING,
    FINALIZERS_REMAINING
};

/* "a has 1 resource instances, b has 2 ...", or KS_NOTHING. */
static ks_val list_counts(ks_heap *heap, ks_val names, const char *before, const char *between) {
    ks_buf text = {.heap = heap};
    if (ks_len(names) == 0) return KS_NOTHING;
    for (uint32_t i = 0; i < ks_len(names); i++) {
        const ks_pair *pair = ks_pair_at(names, i);
        ks_buf_printf(&text, "%s%s %s %lld resource instances", i == 0 ? before : ", ",
                      pair->key->s, between, (long long)ks_int_or(pair->val, 0));
    }
    return ks_string_take(ks_buf_take(&text));
}

static ks_val list_errors(ks_heap *heap, ks_val errors) {
    ks_buf text = {.heap = heap};
    if (ks_len(errors) == 0) return KS_NOTHING;
    ks_buf_printf(&text, "Failed to delete all resource types, %u remaining: ", ks_len(errors));
    for (uint32_t i = 0; i < ks_len(errors); i++) {
        if (i > 0) ks_buf_puts(&text, ", ");
        ks_buf_puts(&text, ks_text_or(ks_at(errors, i), ""));
    }
    return ks_string_take(ks_buf_take(&text));
}

/* One condition, as it is to be: `message` (taken over) tells what is wrong, KS_NOTHING: nothing.
 */
static ks_val put_condition(ks_sim *sim, ks_val list, int rule, ks_val message) {
    ks_heap *heap = sim->world.heap;
    bool bad = ks_exists(message);
    const char *status = bad ? "True" : "False",
               *reason = bad ? rules[rule].bad_reason : rules[rule].fine_reason;
    if (!bad) message = ks_text(heap, rules[rule].fine_message);
    uint32_t at = 0;
    while (at < ks_len(list) && !ks_text_is(ks_get(ks_at(list, at), K(type)), rules[rule].type))
        at++;
    ks_val before = ks_at(list, at);
    ks_val since = ks_text_is(ks_get(before, K(status)), status)
                       ? ks_ref(ks_get(before, K(lastTransitionTime)))
                       : ks_time_val(&sim->world, sim->world.now);
    ks_val now = ks_map_of(heap, K(type), ks_text(heap, rules[rule].type), K(status),
                           ks_text(heap, status), K(lastTransitionTime), since, K(reason),
                           ks_text(heap, reason), K(message), message, NULL);
    return at < ks_len(list) ? ks_set_at(heap, list, at, now) : ks_append(heap, list, now);
}

/* While pods are left, what is left is not told: upstream returns before it has looked at the rest.
 */
static void write_conditions(ks_sim *sim, uint64_t id, const tally *left, const tally *held,
                             bool totals) {
    ks_heap *heap = sim->world.heap;
    const ks_object *ns = ks_store_by_id(&sim->server.store, KS_NAMESPACE, id);
    if (ns == NULL) return;
    ks_val list = ks_ref(ks_get(ns->status, K(conditions)));
    for (int rule = 0; rule < RULES; rule++) {
        ks_val wrong = KS_NOTHING;
        if (rule == CONTENT_FAILURE)
            wrong = list_errors(heap, left->errors);
        else if (rule == CONTENT_REMAINING && totals)
            wrong = list_counts(heap, left->names, "Some resources are remaining: ", "has");
        else if (rule == FINALIZERS_REMAINING && totals)
            wrong = list_counts(heap, held->names,
                                "Some content in the namespace has finalizers remaining: ", "in");
        list = put_condition(sim, list, rule, wrong);
    }
    ks_val status = ks_put(heap, ks_ref(ns->status), K(conditions), list);
    ks_refusal *refusal = ks_server_update_status(&sim->server, ns, status, NULL);
    if (refusal != NULL) ks_refusal_free(heap, refusal);
}

/* --- a sync --- */

/* finalizeNamespace: the last finalizer lets it go. */
static void finalize(ks_sim *sim, uint64_t id) {
    ks_heap *heap = sim->world.heap;
    const ks_object *ns = ks_store_by_id(&sim->server.store, KS_NAMESPACE, id);
    if (ns == NULL) return;
    ks_val rest = KS_NOTHING;
    ks_each(finalizer, ks_get(ns->spec, K(finalizers))) {
        if (!ks_text_is(*finalizer, "kubernetes")) rest = ks_append(heap, rest, ks_ref(*finalizer));
    }
    ks_val doc = ks_put2(heap, ks_doc_ref(ns), K(spec), K(finalizers), rest);
    ks_refusal *refusal = ks_server_update_object(&sim->server, ns, doc, NULL);
    if (refusal != NULL) ks_refusal_free(heap, refusal);
}

/* Content is left: looks again after a while, if it can be another sight by then. */
static void look_again(ks_sim *sim, state *st, uint64_t id, const tally *left) {
    const waiter *before = ks_tree_get(&st->waiters, (ks_key){0, id});
    int failures = before != NULL ? before->failures : 0;
    waiter *w = ks_alloc(sim->world.heap, sizeof *w);
    *w = (waiter){.refs = 1, .looked = sim->world.now};
    bool idle = false;
    if (ks_len(left->errors) > 0) {
        idle = failures >= RETRY_CAPPED;
        w->failures = idle ? failures : failures + 1;
        w->period =
            idle ? RETRY_MOST_SECONDS * KS_SECOND : (RETRY_FIRST_MS * KS_MILLISECOND) << failures;
    } else {
        int64_t seconds = left->estimate / 2 + 1;
        bool endless =
            seconds > KS_LAST / KS_SECOND; /* it overflows upstream, which looks at once */
        idle = endless || left->estimate == FINALIZER_SECONDS;
        w->period = ks_seconds(endless ? FINALIZER_SECONDS / 2 + 1 : seconds);
    }
    ks_tree_put(sim->world.heap, &st->waiters, (ks_key){0, id}, w);
    if (!idle) ks_enqueue_at(sim, st->index, id, ks_after(w->looked, w->period));
}

/* deleteAllContent; true when nothing is left. */
static bool empty_all(ks_sim *sim, state *st, const ks_object *ns) {
    ks_heap *heap = sim->world.heap;
    tally left = {KS_NOTHING, KS_NOTHING, 0}, held = {KS_NOTHING, KS_NOTHING, 0};
    int64_t pods = empty(sim, KS_POD, ns, &left, &held);
    for (ks_kind kind = 0; kind < KS_KIND_COUNT && pods == 0; kind++)
        if (kind != KS_POD && ks_kind_get(kind)->namespaced) empty(sim, kind, ns, &left, &held);
    write_conditions(sim, ns->id, &left, &held, pods == 0);
    bool done = ks_len(left.names) == 0;
    if (!done) look_again(sim, st, ns->id, &left);
    ks_unref(heap, left.names);
    ks_unref(heap, left.errors);
    ks_unref(heap, held.names);
    return done;
}

static bool sync(ks_sim *sim, void *payload, uint64_t key) {
    if (ks_store_by_id(ks_view(sim), KS_NAMESPACE, key) == NULL) return true;
    const ks_object *ns = ks_store_by_id(&sim->server.store, KS_NAMESPACE, key);
    if (ns == NULL || !ks_object_terminating(ns) || ks_len(ks_get(ns->spec, K(finalizers))) == 0)
        return true;
    ks_object_ref(ns);
    if (empty_all(sim, payload, ns)) finalize(sim, key);
    ks_object_unref(sim->world.heap, ns);
    return true;
}

static void describe(ks_sim *sim, const void *payload, uint64_t key, ks_buf *out) {
    (void)payload;
    ks_describe_object(sim, KS_NAMESPACE, key, out);
}

const ks_component ks_namespace_controller = {
    .name = "namespace",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .kinds = KS_ALL_KINDS,
    .idles = idles,
    .idle_kinds = KS_KIND_BIT(KS_NAMESPACE),
    .own = ~KS_KIND_BIT(KS_NAMESPACE), /* asks the server what is left */
    .listens = listens,
};
