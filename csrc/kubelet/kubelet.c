/*
 * kubelet/kubelet.c - the component: what changes mean for the kubelets, and a pod's turn.
 *
 * The engine calls observe() for each change and sync() for each pod that is due. A turn does all that is due
 * for the pod now and says when it wants the next one; nothing runs in between.
 */
#include "kubelet/node.h"
#include "kubelet/worker.h"
#include "store/naming.h"

#include <stdio.h>
#include <string.h>

static void object_ref(void *value) { ks_object_ref(value); }

static void object_unref(ks_heap *heap, void *value) { ks_object_unref(heap, value); }

static const ks_tree_type object_type = {.ref = object_ref, .unref = object_unref};

/* In a key: the status of the node with that id is to be posted; other keys are ids of pods, and of nodes that have news of volumes. */
#define POST (UINT64_C(1) << 62)

static void *create(ks_sim *sim) {
    kubelet *k = ks_alloc_zero(sim->world.heap, sizeof *k);
    k->heap = sim->world.heap;
    k->self = ks_component_index(sim, &ks_kubelet);
    k->pods.type = &worker_type;
    k->nodes.type = k->without.type = &node_type;
    k->gone.type = &object_type;
    k->overruled.type = &object_type;
    k->files.type = &store_type;
    k->untold.type = &name_type;
    k->left.type = &name_type;
    k->next_net = FIRST_NET;
    k->memo = memo_new(k->heap);
    return k;
}

static void *copy(ks_sim *sim, const void *state) {
    const kubelet *from = state;
    kubelet *k = ks_alloc(from->heap, sizeof *k);
    (void)sim;
    *k = *from;
    k->pods = ks_ids_copy(&from->pods);
    k->nodes = ks_ids_copy(&from->nodes);
    k->without = ks_ids_copy(&from->without);
    k->ips = ks_ids_copy(&from->ips);
    k->images = ks_table_copy(&from->images);
    k->waits = ks_links_copy(&from->waits);
    k->mounts = ks_links_copy(&from->mounts);
    k->left = ks_tree_copy(&from->left);
    k->attached = ks_table_copy(&from->attached);
    k->untold = ks_tree_copy(&from->untold);
    k->files = ks_tree_copy(&from->files);
    k->gone = ks_tree_copy(&from->gone);
    k->overruled = ks_tree_copy(&from->overruled);
    k->memo->refs++;
    return k;
}

static void dispose(ks_heap *heap, void *state) {
    kubelet *k = state;
    ks_ids_clear(heap, &k->pods);
    ks_ids_clear(heap, &k->nodes);
    ks_ids_clear(heap, &k->without);
    ks_ids_clear(heap, &k->ips);
    ks_table_clear(heap, &k->images);
    ks_links_clear(heap, &k->waits);
    ks_links_clear(heap, &k->mounts);
    ks_tree_clear(heap, &k->left);
    ks_table_clear(heap, &k->attached);
    ks_tree_clear(heap, &k->untold);
    ks_tree_clear(heap, &k->files);
    ks_tree_clear(heap, &k->gone);
    ks_tree_clear(heap, &k->overruled);
    memo_unref(heap, k->memo);
    ks_free(heap, k, sizeof *k);
}

/* --- nodes --- */

static bool parse_net(const char *s, uint32_t *net, uint32_t *size) {
    unsigned a, b, c, d, bits;
    if (!s || sscanf(s, "%u.%u.%u.%u/%u", &a, &b, &c, &d, &bits) != 5) return false;
    if (a > 255 || b > 255 || c > 255 || d > 255 || bits < 8 || bits > 30) return false;
    *net = a << 24 | b << 16 | c << 8 | d;
    *size = UINT32_C(1) << (32 - bits);
    return true;
}

/* A range of addresses, a power of two that holds `pods` and the three that are not dealt out. Ranges follow each other
 * from 10.244.0.0, as kubeadm's pod network does, and go on at 100.64.0.0 when 10/8 is used up. */
static uint32_t deal_net(kubelet *k, int64_t pods, uint32_t *size) {
    uint32_t n = 256;
    while (n < (UINT32_C(1) << 24) && (int64_t)n < pods + 3) n *= 2;
    uint32_t net = (k->next_net + n - 1) & ~(n - 1);
    if (k->next_net <= LAST_NET && net + (n - 1) > LAST_NET)
        net = (UINT32_C(100) << 24 | UINT32_C(64) << 16 | (n - 1)) & ~(n - 1);
    k->next_net = net + n;
    *size = n;
    return net;
}

void ks_kubelet_deal_net(ks_sim *sim, int64_t pods, char *out, size_t size) {
    uint32_t n, bits = 32;
    uint32_t net = deal_net(ks_component_state(sim, &ks_kubelet), pods, &n);
    while (n > 1) {
        n /= 2;
        bits--;
    }
    char text[16];
    address_text(net, text);
    snprintf(out, size, "%s/%u", text, bits);
}

/* A machine that nobody has seen before. */
static void set_up(kubelet *k, uint64_t key, const ks_object *object) {
    ks_heap *heap = k->heap;
    machine *n = ks_alloc_zero(heap, sizeof *n);
    n->refs = 1;
    n->id = object->id;
    n->name = ks_str_ref(object->name);
    if (!parse_net(ks_text_or(ks_get(object->spec, K(podCIDR)), NULL), &n->net, &n->size)) {
        ks_val pods = ks_get3(ks_doc(object), K(status), K(capacity), K(pods));
        n->net = deal_net(k, ks_quantity_value(ks_quantity_of(pods)), &n->size);
    }
    n->next = 2;
    k->next_node++;
    ks_each(a, ks_get(object->status, K(addresses)))
        if (ks_text_is(ks_get(*a, K(type)), "InternalIP") && !ks_exists(n->ip))
            n->ip = ks_ref(ks_get(*a, K(address)));
    if (!ks_exists(n->ip)) {
        char text[16];
        address_text(NODE_NET + k->next_node, text);
        n->ip = ks_text(heap, text);
    }
    n->ips = ks_append(heap, KS_NOTHING, ks_map_of(heap, K(ip), ks_ref(n->ip), NULL));
    ks_ids_put(heap, &k->nodes, key, n);
}

/* A machine whose Node has been deleted is still there, and what runs on it: whoever makes the Node anew gets it back, and with its next
 * look its kubelet posts what it is. */
static void node_added(ks_sim *sim, kubelet *k, uint64_t key, const ks_object *object) {
    machine *n = ks_ids_take(k->heap, &k->without, key);
    if (n == NULL) {
        set_up(k, key, object);
        return;
    }
    ks_ids_put(k->heap, &k->nodes, key, n);
    n = node_own(k, key);
    n->id = object->id;
    ks_unref(k->heap, n->in_use);
    n->in_use = KS_NOTHING;
    if (!sim->settings->manual_kubelet)
        ks_enqueue_at(sim, k->self, POST | object->id, ks_node_next_look(sim, object));
}

static void node_deleted(ks_sim *sim, kubelet *k, uint64_t key, const ks_object *object) {
    machine *n = node_own(k, key);
    if (n == NULL) return;
    ks_unref(k->heap, n->status);
    n->status = ks_ref(object->status);
    n = ks_ids_take(k->heap, &k->nodes, key);
    ks_ids_put(k->heap, &k->without, key, n);
    /* Nobody is left to whom a silent one could tell that what was deleted there has ended. */
    for (ks_tree_iter it = ks_tree_begin(&k->gone); ks_tree_next(&it);)
        ks_enqueue(sim, k->self, it.key.b);
}

/* What a pod waits for has changed. */
static void wake(ks_sim *sim, kubelet *k, uint64_t id) {
    /* A container that lacked something starts with a later look; one that was put off for long is not any more. */
    const worker *w = ks_ids_get(&k->pods, id);
    int64_t look = sim->world.now + RETRY_PERIOD * LATE_PERCENT / 100;
    if (w && w->stage == STAGE_SYNC && w->op == OP_NONE && w->sync_at > look)
        worker_own(k, id)->sync_at = look;
    ks_enqueue(sim, k->self, id);
}

static void wake_all(ks_sim *sim, kubelet *k, ks_key what) {
    for (ks_link l = ks_links_of(&k->waits, what); ks_link_next(&l);) wake(sim, k, l.id);
}

/* One of the things that pods wait for by name has changed. */
static void wake_for(ks_sim *sim, kubelet *k, const char *what, const ks_object *object) {
    if (ks_links_any(&k->waits)) wake_all(sim, k, wait_key(what, object->ns, object->name));
}

static void claim_changed(ks_sim *sim, kubelet *k, const ks_object *claim) {
    wake_for(sim, k, "pvc", claim);
    if (k->claim_waits == 0) return;
    for (ks_namers n = ks_store_naming_it(&sim->server.store, KS_POD, claim); ks_namers_next(&n);) {
        worker *w = ks_ids_get(&k->pods, n.object->id);
        if (w && waits_for(w, WAITS_FOR_CLAIM, claim->id)) wake(sim, k, n.object->id);
    }
}

/* A volume is attached; `whose` says who waits for that. */
static void wake_for_attached(ks_sim *sim, kubelet *k, ks_key key, uint64_t whose) {
    if (whose == SEVERAL_WAIT) wake_all(sim, k, key);
    if (whose == 0 || whose % 2 != 0) return;
    worker *w = worker_own(k, whose / 2);
    if (!w) return;
    for (uint8_t *how; (how = waits_for(w, WAITS_FOR_ATTACHED, key.a)) != NULL;)
        *how = WAITED_FOR_ATTACHED;
    w->attached_at = k->detached + 1;
    wake(sim, k, whose / 2);
}

/* Follows what the node says is attached: an entry costs the change that brings or takes it, and what stands before and behind it in the
 * list a look. Those that are new wake the pods that wait for them. Either object may be NULL. */
static void follow_attached(ks_sim *sim, kubelet *k, const ks_object *node, const ks_object *old) {
    ks_val now = node ? ks_get(node->status, K(volumesAttached)) : KS_NOTHING,
           before = old ? ks_get(old->status, K(volumesAttached)) : KS_NOTHING;
    const ks_str *whose = node ? node->name : old->name;
    uint32_t same = 0, come = ks_len(now), gone = ks_len(before), least = come < gone ? come : gone;
    if (ks_is(now, KS_LIST) && ks_is(before, KS_LIST) && now.l == before.l)
        same = least; /* one has been made of the other by adding to it (ks_extend) */
    while (same < least && ks_identical(ks_at(now, same), ks_at(before, same))) same++;
    for (; least > same && ks_identical(ks_at(now, come - 1), ks_at(before, gone - 1)); least--)
        come--, gone--;
    for (uint32_t i = same; i < gone; i++) {
        const ks_str *name = ks_str_or_null(ks_get(ks_at(before, i), K(name)));
        ks_key key = name ? attached_key(whose, name) : (ks_key){0, 0};
        if (name && (uint64_t)(uintptr_t)ks_table_get(&k->attached, key) == IS_ATTACHED)
            ks_table_del(k->heap, &k->attached, key);
        k->detached++;
    }
    for (uint32_t i = same; i < come; i++) {
        if (i + 8 < come) ks_fetch(ks_at(now, i + 8).m);
        if (i + 4 < come) ks_fetch(ks_str_or_null(ks_get(ks_at(now, i + 4), K(name))));
        const ks_str *name = ks_str_or_null(ks_get(ks_at(now, i), K(name)));
        if (!name) continue;
        ks_key key = attached_key(whose, name);
        uint64_t waits = (uint64_t)(uintptr_t)ks_table_get(&k->attached, key);
        ks_table_put(k->heap, &k->attached, key, (void *)(uintptr_t)IS_ATTACHED);
        wake_for_attached(sim, k, key, waits);
    }
}

/* The pod is to be synced for another reason than its own: its status may have been changed by others. */
static void sync_soon(ks_sim *sim, kubelet *k, uint64_t id) {
    worker *w = worker_own(k, id);
    if (w) w->sync_at = earlier(w->sync_at, sim->world.now);
    ks_enqueue(sim, k->self, id);
}

/* The status manager's next look at all its pods. */
static int64_t next_reconcile(const ks_sim *sim) {
    return ks_after(sim->world.now, STATUS_PERIOD - sim->world.now % STATUS_PERIOD);
}

static void wake_all_on(ks_sim *sim, kubelet *k, const ks_str *name) {
    for (ks_walk w = ks_walk_node(&sim->server.store, name); ks_walk_next(&w);)
        sync_soon(sim, k, w.object->id);
}

void ks_kubelet_node_found(ks_sim *sim, const ks_str *name) {
    kubelet *k = ks_component_state(sim, &ks_kubelet);
    uint64_t key;
    const machine *n = node_of(k, name, &key);
    if (n && ks_exists(n->status)) ks_enqueue(sim, k->self, POST | n->id);
    wake_all_on(sim, k, name);
    for (ks_tree_iter it = ks_tree_begin(&k->gone); ks_tree_next(&it);)
        ks_enqueue(sim, k->self, it.key.b);
}

static void observe_node(ks_sim *sim, kubelet *k, const ks_change *change) {
    const ks_object *object = change->object;
    uint64_t key = hash64(object->name->s, object->name->len, 0);
    if (change->type == KS_ADDED) {
        node_added(sim, k, key, object);
        if (ks_node_is_given_up(object)) /* a cluster was imported in which it was silent */
            ks_settings_set_silence(k->heap, &sim->settings, object->name, KS_SILENT_LEASED,
                                    sim->world.now);
        follow_attached(sim, k, object, NULL);
        wake_all_on(sim, k, object->name);
    } else if (change->type == KS_DELETED) {
        follow_attached(sim, k, NULL, object);
        node_deleted(sim, k, key, object);
        ks_settings_set_silence(k->heap, &sim->settings, object->name, KS_TALKS, sim->world.now);
    } else {
        bool shut = ks_bool_or(ks_get(object->spec, K(unschedulable)), false);
        const machine *n = ks_ids_get(&k->nodes, key);
        bool talks = n && !is_lost(sim, n);
        if (talks && change->old &&
            shut != ks_bool_or(ks_get(change->old->spec, K(unschedulable)), false))
            ks_node_tell(sim, object, shut ? "NodeNotSchedulable" : "NodeSchedulable");
        if (talks && change->old &&
            !ks_identical(ks_get(object->status, K(conditions)),
                          ks_get(change->old->status, K(conditions))) &&
            ks_node_is_given_up(object))
            ks_enqueue_at(sim, k->self, POST | object->id, ks_node_next_look(sim, object));
        follow_attached(sim, k, object, change->old);
    }
}

/* --- pods --- */

/* A pod's record goes: its address is free, its files that belong to nothing else are gone. */
void forget(kubelet *k, const ks_object *pod) {
    uint64_t id = pod->id;
    worker *w = worker_own(k, id);
    if (!w) return;
    volumes_forget_pod(k, pod);
    stop_waiting(k, w, id);
    if (w->ip) ks_ids_del(k->heap, &k->ips, w->ip);
    files_forget_pod(k, w, id);
    ks_tree_del(k->heap, &k->overruled, (ks_key){0, id});
    ks_ids_del(k->heap, &k->pods, id);
}

static bool any_running(const worker *w) {
    for (uint32_t i = 0; i < w->count; i++)
        if (w->containers[i].run == RUN_RUNNING) return true;
    return false;
}

static void pod_deleted(ks_sim *sim, kubelet *k, const ks_object *object) {
    ks_key key = {0, object->id};
    const worker *w = ks_ids_get(&k->pods, object->id);
    if (!w) return;
    if (k->busy == object->id) {
        k->busy_gone = true;
    } else if (!w->manual && (w->stage == STAGE_KILL ||
                              (w->stage == STAGE_SYNC && (any_running(w) || w->mounted)))) {
        ks_tree_put(k->heap, &k->gone, key, (void *)(uintptr_t)ks_object_ref(object));
        if (w->mounted) volumes_keep_names(sim, k, object);
        ks_enqueue(sim, k->self, object->id);
    } else {
        forget(k, object);
    }
}

/* Whether a change is of interest to the kubelet, other than its own writes. */
static bool concerns(const ks_change *change) {
    const ks_object *o = change->object, *old = change->old;
    if (change->type == KS_ADDED || !old || !old->node) return true;
    if (o->deleting != old->deleting) return true;
    if (ks_is(o->spec, KS_MAP) && ks_is(old->spec, KS_MAP) && o->spec.m != old->spec.m) return true;
    return false;
}

/* Somebody turned a readiness gate. */
static bool gates_turned(const ks_change *change) {
    const ks_object *o = change->object, *old = change->old;
    return old && ks_is(o->status, KS_MAP) && ks_is(old->status, KS_MAP) &&
           o->status.m != old->status.m && ks_len(ks_get(o->spec, K(readinessGates))) > 0;
}

/* Whether a condition of the kubelet's is in `list` as it is, in so far as status_manager.go compares them. */
static bool is_said(ks_val condition, ks_val list) {
    ks_each(c, list) {
        if (ks_equal(ks_get(*c, K(type)), ks_get(condition, K(type))))
            return ks_equal(ks_get(*c, K(status)), ks_get(condition, K(status))) &&
                   ks_equal(ks_get(*c, K(reason)), ks_get(condition, K(reason))) &&
                   ks_equal(ks_get(*c, K(message)), ks_get(condition, K(message)));
    }
    return false;
}

static bool are_said(ks_val conditions, ks_val list) {
    ks_each(c, conditions)
        if (is_kubelets_condition(ks_str_or_null(ks_get(*c, K(type)))) && !is_said(*c, list))
            return false;
    return true;
}

/* Of a change that is not the kubelet's own: whether it says otherwise in conditions that are the kubelet's, as a scheduler does that has
 * not heard that it has bound the pod, or the node monitor with an old cache. */
static bool is_contradicted(const ks_change *change) {
    if (change->old == NULL || ks_identical(change->old->status, change->object->status))
        return false;
    ks_val was = ks_get(change->old->status, K(conditions)),
           is = ks_get(change->object->status, K(conditions));
    return !ks_identical(was, is) && !(are_said(was, is) && are_said(is, was));
}

/* Notes what the kubelet has told of a pod that it has, if others say otherwise now. Whether they do. */
static bool note_overruled(kubelet *k, const ks_change *change) {
    const ks_key key = {0, change->object->id};
    if (!is_contradicted(change) || ks_ids_get(&k->pods, key.b) == NULL) return false;
    if (!ks_tree_has(&k->overruled, key))
        ks_tree_put(k->heap, &k->overruled, key, (void *)(uintptr_t)ks_object_ref(change->old));
    return true;
}

static void pod_changed(ks_sim *sim, kubelet *k, const ks_change *change) {
    int64_t lag = sim->settings->latency.sync;
    bool overruled = note_overruled(k, change);
    if (gates_turned(change))
        sync_soon(sim, k, change->object->id);
    else if (overruled)
        ks_enqueue_at(sim, k->self, change->object->id, next_reconcile(sim));
    else if (concerns(change) && lag)
        ks_enqueue_at(sim, k->self, change->object->id, ks_after(sim->world.now, lag));
    else if (concerns(change))
        ks_enqueue(sim, k->self, change->object->id);
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    kubelet *k = state;
    const ks_object *o = change->object;
    switch (o->kind) {
    case KS_POD:
        if (!o->node) return;
        if (change->type == KS_DELETED)
            pod_deleted(sim, k, o);
        else if (!sim->settings->manual_kubelet && k->busy != o->id)
            pod_changed(sim, k, change);
        return;
    case KS_NODE: observe_node(sim, k, change); return;
    case KS_PVC: claim_changed(sim, k, o); return;
    case KS_CONFIGMAP: wake_for(sim, k, "configmap", o); return;
    case KS_SECRET: wake_for(sim, k, "secret", o); return;
    case KS_PV: files_volume_changed(k, change); return;
    default: return;
    }
}

/* Of a pod that it has, what others write into its status is nothing to it, but for conditions that the pod waits for, and those that
 * are the kubelet's to write. What it writes itself is not either. */
static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim;
    const ks_object *object = change->object;
    if (object->kind != KS_POD) return true;
    if (object->node == NULL) return false;
    if ((parts & (KS_PART_SPEC | KS_PART_PLACE | KS_PART_ENDING)) != 0) return true;
    if ((parts & KS_PART_STATUS) == 0 || ((const kubelet *)state)->busy == object->id) return false;
    return ks_len(ks_get(object->spec, K(readinessGates))) > 0 || is_contradicted(change);
}

/* --- a turn --- */

/* When the pod wants its next turn. */
static int64_t next_due(const turn *t) {
    const worker *w = t->w;
    if (w->stage == STAGE_KILL) return earlier(w->op_until, probes_next(t));
    if (w->stage == STAGE_ENDED) return w->final_at;
    int64_t due = w->op == OP_NONE ? w->sync_at : w->op_until;
    for (uint32_t i = 0; i < w->count; i++) {
        const container *c = &w->containers[i];
        if (c->run != RUN_RUNNING || c->stopping) continue;
        if (c->ends != KS_NEVER) due = earlier(due, relist_after(c->ends));
        if (!c->ready && c->started && c->ready_at > t->now) due = earlier(due, c->ready_at);
    }
    if (w->limited && !w->deadline) due = earlier(due, deadline_of(w));
    return earlier(due, probes_next(t));
}

/* A container without a readiness probe whose image answers late has begun to answer. */
static void late_answers(turn *t) {
    for (uint32_t i = 0; i < t->w->count; i++) {
        container *c = &t->w->containers[i];
        if (c->run == RUN_RUNNING && c->started && !c->ready && c->ready_at <= t->now &&
            !(c->trouble && c->trouble->probes[PROBE_READINESS].exists)) {
            c->ready = true;
            t->w->sync_at = t->now;
        }
    }
}

/* A pod that ends is shown anew from what it shows, which nobody has looked at for long. */
static void fetch_shown(const ks_object *pod) {
    enum { SHOWN = 6 * 64 };
    ks_each(status, ks_get(pod->status, K(containerStatuses))) {
        if (ks_is(*status, KS_MAP)) ks_fetch_all(status->m, SHOWN);
    }
}

/* A sync goes on with what its pod was when it began; what comes while it waits for volumes it still heeds. */
static bool takes_news(const worker *w) {
    return w->op == OP_NONE || w->op == OP_VOLUMES || w->op == OP_MOUNT;
}

static void live(turn *t) {
    worker *w = t->w;
    if (ks_object_terminating(t->pod)) fetch_shown(t->pod);
    for (;;) {
        if (w->stage == STAGE_ENDED) {
            go_on_ending(t);
            return;
        }
        if (w->stage == STAGE_KILL) {
            if (is_grace_shortened(t)) begin_kill(t);
            probes_run(t);
            if (w->op_until > t->now) return;
            go_on_killing(t);
            continue;
        }
        if (ks_object_terminating(t->pod)) {
            begin_kill(t);
            continue;
        }
        if (w->spec.m != t->pod->spec.m && takes_news(w)) new_spec(t);
        watch_processes(t);
        late_answers(t);
        probes_run(t);
        if (deadline_passed(t)) w->sync_at = t->now;
        if (w->op != OP_NONE) {
            if (w->op_until > t->now && w->op != OP_VOLUMES) return;
            continue_sync(t);
        } else if (w->sync_at <= t->now) {
            sync_pod(t);
        } else {
            return;
        }
        if (w->stage == STAGE_SYNC && w->op != OP_NONE && w->op_until > t->now) return;
    }
}

/* A pod whose object was removed while the kubelet still had processes or mounts of it: they end within 2 s, or as the kill that
 * was under way already says; then its volumes are free. A node that is lost hears of it when it is back. */
static bool gone_pod(ks_sim *sim, kubelet *k, uint64_t id) {
    const ks_object *object = k->gone.count ? ks_tree_get(&k->gone, (ks_key){0, id}) : NULL;
    if (!object) return tell_in_use(sim, k, id); /* a node's */
    turn t = {.sim = sim, .k = k, .heap = k->heap, .pod = object, .now = sim->world.now};
    t.w = worker_own(k, id);
    uint64_t node_key;
    machine *n = node_of(k, object->node, &node_key);
    if (t.w && n) {
        if (is_lost(sim, n)) return true;
        t.node = n;
        if (t.w->stage == STAGE_SYNC) begin_last_kill(&t);
        if (t.w->op_until > t.now) {
            ks_enqueue_at(sim, k->self, id, t.w->op_until);
            return true;
        }
        volumes_in_use(&t, false);
    }
    forget(k, object);
    ks_tree_del(k->heap, &k->gone, (ks_key){0, id});
    return true;
}

/* A node that talks was taken for silent, or was made anew. */
static bool post(ks_sim *sim, kubelet *k, uint64_t id) {
    const ks_object *node = ks_store_by_id(&sim->server.store, KS_NODE, id);
    uint64_t key;
    machine *n = node ? node_of(k, node->name, &key) : NULL;
    if (!n || is_lost(sim, n)) return true;
    if (ks_exists(n->status)) {
        n = node_own(k, key);
        ks_val before = n->status;
        n->status = KS_NOTHING;
        ks_node_post_anew(sim, node, before, volumes_on(sim, k, n->name));
        ks_unref(k->heap, before);
    } else if (ks_node_is_given_up(node)) {
        ks_node_post(sim, node);
    }
    return true;
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    kubelet *k = state;
    if (key & POST) return post(sim, k, key & ~POST);
    const ks_object *pod = ks_store_by_id(&sim->server.store, KS_POD, key);
    if (!pod) return gone_pod(sim, k, key);
    if (!pod->node || sim->settings->manual_kubelet) return true;
    worker *w = worker_own(k, key);
    uint64_t node_key = w ? w->node : 0;
    machine *n = w ? ks_ids_get(&k->nodes, node_key) : node_of(k, pod->node, &node_key);
    if (!n || is_lost(sim, n)) return true;
    if (!w && n->refusing > sim->world.now && !is_scheduled(pod)) {
        ks_enqueue_at(sim, k->self, key, n->refusing);
        return true;
    }
    turn t = {.sim = sim,
              .k = k,
              .heap = k->heap,
              .w = w,
              .pod = ks_object_ref(pod),
              .node = n,
              .now = sim->world.now};
    bool is_new = !w;
    if (is_new) {
        t.w = worker_new(&t);
        t.w->node = node_key;
        t.w->sync_at = t.now;
    }
    k->busy = key;
    k->busy_gone = false;
    if (is_new && admit(&t)) adopt_status(&t);
    reconcile_status(&t);
    if (!k->busy_gone) live(&t);
    k->busy = 0;
    if (k->busy_gone) {
        forget(k, t.pod);
    } else {
        int64_t due = next_due(&t);
        if (k->overruled.count > 0 && ks_tree_has(&k->overruled, (ks_key){0, key}))
            due = earlier(due, next_reconcile(sim));
        if (due != KS_NEVER) ks_enqueue_at(sim, k->self, key, later(due, t.now));
    }
    ks_object_unref(k->heap, t.pod);
    return true;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    const ks_object *pod = ks_store_by_id(&sim->server.store, KS_POD, key & ~POST);
    if (!pod) {
        const ks_object *node = ks_store_by_id(&sim->server.store, KS_NODE, key & ~POST);
        if (node)
            ks_buf_str(out, node->name);
        else
            ks_buf_printf(out, "pod #%llu", (unsigned long long)key);
        return;
    }
    ks_buf_str(out, pod->ns);
    ks_buf_putc(out, '/');
    ks_buf_str(out, pod->name);
}

/* A pod will be worked on. Mostly it has one container. */
static void ahead(const ks_sim *sim, const void *state, const ks_coming *next, int steps) {
    const kubelet *k = state;
    if (steps == KS_STEPS_AHEAD) {
        ks_ids_ask(&k->pods, next->id);
    } else if (steps < 3) {
        const worker *w = ks_ids_peek(&k->pods, next->id);
        if (w && steps == 2) {
            ks_fetch_all(w, sizeof *w + sizeof *w->containers);
        } else if (w && w->awaited && !w->mounted) {
            ks_coming volume = {.kinds = KS_KIND_BIT(KS_PV), .id = w->awaited};
            ks_store_ahead(&sim->server.store, &volume, steps + 3);
        }
    }
}

const ks_component ks_kubelet = {
    .name = "kubelet",
    .punctual = true,
    .lasting = true,
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .keys = KS_KIND_BIT(KS_POD),
    .ahead = ahead,
    .describe = describe,
    .volume_parts = KS_PART_STATUS | KS_PART_DELETED, /* files_volume_changed() */
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_NODE) | KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV) |
             KS_KIND_BIT(KS_CONFIGMAP) | KS_KIND_BIT(KS_SECRET),
};
