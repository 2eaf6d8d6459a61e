/*
 * kubelet/status.c - a pod's status document: phase, conditions, container statuses.
 *
 * pkg/kubelet/kubelet_pods.go (generateAPIPodStatus, convertToAPIContainerStatuses) and
 * pkg/kubelet/status/generate.go. Called by sync.c. Documents are built in key order; a condition that does
 * not change is the same value as before, so that equal parts are shared and compare at once.
 */
#include "kubelet/worker.h"

#include <string.h>

enum { OLD_SANDBOX, OLD_INITIALIZED, OLD_READY, OLD_CONTAINERS, OLD_SCHEDULED, OLD_COUNT };

typedef struct draft {
    turn *t;
    status_mode mode;
    ks_val old[OLD_COUNT]; /* conditions that the status has now */
    int64_t generation;
    const char *phase; /* as computed, not as shown */
    ks_val before;     /* the status that the kubelet told of last; counted */
} draft;

static ks_val map_of_one(ks_heap *heap, const ks_str *key, ks_val v) {
    ks_val m = ks_map_new(heap, 1);
    ks_map_push(heap, &m, key, v);
    return m;
}

memo *memo_new(ks_heap *heap) {
    memo *m = ks_alloc_zero(heap, sizeof *m);
    m->refs = 1;
    m->second = -1;
    m->creating =
        map_of_one(heap, K(waiting), map_of_one(heap, K(reason), ks_string(K(ContainerCreating))));
    m->nothing = ks_map_new(heap, 0);
    m->empty = ks_text(heap, "");
    return m;
}

/* Forgets what is of one second. */
static void end_second(ks_heap *heap, memo *m) {
    m->second = -1;
    ks_unref(heap, m->now);
    ks_unref(heap, m->running);
    m->now = m->running = KS_NOTHING;
}

void memo_unref(ks_heap *heap, memo *m) {
    if (--m->refs > 0) return;
    end_second(heap, m);
    for (; m->kept != 0; m->kept &= m->kept - 1)
        twin_clear(heap, &m->twins[__builtin_ctzll(m->kept)]);
    ks_unref(heap, m->creating);
    ks_unref(heap, m->nothing);
    ks_unref(heap, m->empty);
    ks_unref(heap, m->image);
    ks_unref(heap, m->image_id);
    ks_unref(heap, m->mounts);
    ks_unref(heap, m->mount_statuses);
    ks_str_unref(heap, m->net.text);
    ks_str_unref(heap, m->gross.text);
    beginnings *b = m->beginnings;
    for (int i = 0; b && i < STAMPS; i++) {
        ks_unref(heap, b->stamps[i].text);
        ks_unref(heap, b->stamps[i].running);
    }
    for (int i = 0; b && i < RENEWALS; i++) {
        ks_unref(heap, b->renewals[i].old);
        ks_unref(heap, b->renewals[i].out);
    }
    ks_free(heap, b, sizeof *b);
    ks_free(heap, m, sizeof *m);
}

/* The shared pieces, those of this second too. */
static memo *memo_now(turn *t) {
    memo *m = t->k->memo;
    int64_t second = t->now / KS_SECOND;
    if (m->second == second) return m;
    ks_heap *heap = t->heap;
    end_second(heap, m);
    m->now = ks_time_val(&t->sim->world, t->now);
    m->running = map_of_one(heap, K(running), map_of_one(heap, K(startedAt), ks_ref(m->now)));
    m->second = second;
    return m;
}

/* The time stamp of now. */
static ks_val stamp(turn *t) { return ks_ref(memo_now(t)->now); }

static beginnings *beginnings_of(ks_heap *heap, memo *m) {
    if (!m->beginnings) m->beginnings = ks_alloc_zero(heap, sizeof *m->beginnings);
    return m->beginnings;
}

/* What statuses say of an earlier second. */
static const stamps *stamps_of(turn *t, int64_t instant) {
    ks_heap *heap = t->heap;
    int64_t second = instant / KS_SECOND;
    stamps *at = &beginnings_of(heap, t->k->memo)->stamps[(uint64_t)second % STAMPS];
    if (ks_exists(at->text) && at->second == second) return at;
    ks_val text = ks_time_val(&t->sim->world, instant);
    ks_val running = map_of_one(heap, K(running), map_of_one(heap, K(startedAt), ks_ref(text)));
    ks_unref(heap, at->text);
    ks_unref(heap, at->running);
    *at = (stamps){second, text, running};
    return at;
}

ks_val stamp_of(turn *t, int64_t instant) {
    if (instant / KS_SECOND == t->now / KS_SECOND) return stamp(t);
    return ks_ref(stamps_of(t, instant)->text);
}

ks_val running_since(turn *t, int64_t instant) {
    if (instant / KS_SECOND == t->now / KS_SECOND) return ks_ref(memo_now(t)->running);
    return ks_ref(stamps_of(t, instant)->running);
}

static bool same_text(ks_val v, const ks_str *text) {
    return text ? ks_is(v, KS_STRING) && ks_str_eq(v.s, text) : !ks_is(v, KS_STRING);
}

/* One condition. `reason` NULL: none; `message` is taken over. */
static ks_val condition(draft *d, int slot, const ks_str *type, bool is_true, const ks_str *reason,
                        ks_val message) {
    ks_heap *heap = d->t->heap;
    ks_val old = d->old[slot];
    const ks_str *status = is_true ? K(True) : K(False);
    bool same = same_text(ks_get(old, K(status)), status);
    if (same && same_text(ks_get(old, K(reason)), reason) &&
        ks_int_or(ks_get(old, K(observedGeneration)), 0) == d->generation &&
        ks_equal(ks_get(old, K(message)), message)) {
        ks_unref(heap, message);
        return ks_ref(old);
    }
    ks_val c = ks_map_new(heap, 5 + (uint32_t)ks_exists(message) + (reason != NULL));
    ks_map_push(heap, &c, K(lastProbeTime), ks_null());
    ks_map_push(heap, &c, K(lastTransitionTime),
                same ? ks_ref(ks_get(old, K(lastTransitionTime))) : stamp(d->t));
    if (ks_exists(message)) ks_map_push(heap, &c, K(message), message);
    ks_map_push(heap, &c, K(observedGeneration), ks_int(d->generation));
    if (reason) ks_map_push(heap, &c, K(reason), ks_string(reason));
    ks_map_push(heap, &c, K(status), ks_string(status));
    ks_map_push(heap, &c, K(type), ks_string(type));
    return c;
}

/* --- conditions: pkg/kubelet/status/generate.go --- */

static void list_name(ks_buf *list, const char *head, const ks_str *name) {
    if (list->len)
        ks_buf_putc(list, ' ');
    else
        ks_buf_puts(list, head);
    ks_buf_str(list, name);
}

static ks_val listed(ks_buf *list) {
    ks_buf_putc(list, ']');
    return ks_string_take(ks_buf_take(list));
}

static ks_val containers_ready(draft *d) {
    const worker *w = d->t->w;
    if (!strcmp(d->phase, "Succeeded"))
        return condition(d, OLD_CONTAINERS, K(ContainersReady), false, K(PodCompleted), KS_NOTHING);
    if (!strcmp(d->phase, "Failed"))
        return condition(d, OLD_CONTAINERS, K(ContainersReady), false, K(PodFailed), KS_NOTHING);
    ks_buf list = {d->t->heap, NULL, 0, 0};
    for (uint32_t i = 0; i < w->count; i++) {
        const container *c = &w->containers[i];
        if (c->role != ROLE_INIT && !(c->run == RUN_RUNNING && c->ready))
            list_name(&list, "containers with unready status: [", container_name(w, c));
    }
    if (list.len)
        return condition(d, OLD_CONTAINERS, K(ContainersReady), false, K(ContainersNotReady),
                         listed(&list));
    return condition(d, OLD_CONTAINERS, K(ContainersReady), true, NULL, KS_NOTHING);
}

/* What the pod's readiness gates lack, or KS_NOTHING. */
static ks_val gates_lack(draft *d) {
    ks_heap *heap = d->t->heap;
    ks_val gates = ks_get(d->t->w->spec, K(readinessGates));
    if (!ks_len(gates)) return KS_NOTHING;
    ks_buf out = {heap, NULL, 0, 0};
    ks_each(g, gates) {
        const char *type = ks_text_or(ks_get(*g, K(conditionType)), "");
        ks_val found = ks_condition_of(d->t->pod->status, type);
        if (ks_text_is(ks_get(found, K(status)), "True")) continue;
        if (out.len) ks_buf_puts(&out, ", ");
        if (ks_exists(found))
            ks_buf_printf(&out, "the status of pod readiness gate \"%s\" is not \"True\", but %s",
                          type, ks_text_or(ks_get(found, K(status)), ""));
        else
            ks_buf_printf(
                &out, "corresponding condition of pod readiness gate \"%s\" does not exist.", type);
    }
    if (!out.len) return KS_NOTHING;
    return ks_string_take(ks_buf_take(&out));
}

static ks_val pod_ready(draft *d, ks_val containers) {
    bool all = ks_text_is(ks_get(containers, K(status)), "True");
    const ks_str *reason = ks_str_or_null(ks_get(containers, K(reason)));
    if (!all)
        return condition(d, OLD_READY, K(Ready), false, reason,
                         ks_ref(ks_get(containers, K(message))));
    ks_val lack = gates_lack(d);
    if (ks_exists(lack))
        return condition(d, OLD_READY, K(Ready), false, K(ReadinessGatesNotReady), lack);
    return condition(d, OLD_READY, K(Ready), true, NULL, KS_NOTHING);
}

static ks_val pod_initialized(draft *d) {
    const worker *w = d->t->w;
    ks_buf list = {d->t->heap, NULL, 0, 0};
    bool begun = false; /* an app container ran: the inits are done, whatever became of them */
    for (uint32_t i = 0; i < w->count; i++)
        begun = begun || (w->containers[i].role == ROLE_APP && w->containers[i].run > RUN_CREATED);
    if (!strcmp(d->phase, "Succeeded"))
        return condition(d, OLD_INITIALIZED, K(Initialized), true, K(PodCompleted), KS_NOTHING);
    for (uint32_t i = 0; i < w->count && !begun; i++)
        if (w->containers[i].role != ROLE_APP && !init_done(&w->containers[i]))
            list_name(&list, "containers with incomplete status: [",
                      container_name(w, &w->containers[i]));
    if (!list.len) return condition(d, OLD_INITIALIZED, K(Initialized), true, NULL, KS_NOTHING);
    if (!strcmp(d->phase, "Failed")) {
        ks_buf_dispose(&list);
        return condition(d, OLD_INITIALIZED, K(Initialized), false, K(PodFailed), KS_NOTHING);
    }
    return condition(d, OLD_INITIALIZED, K(Initialized), false, K(ContainersNotInitialized),
                     listed(&list));
}

static int slot_of(const ks_str *type) {
    if (!type) return -1;
    if (ks_str_eq(type, K(PodReadyToStartContainers))) return OLD_SANDBOX;
    if (ks_str_eq(type, K(Initialized))) return OLD_INITIALIZED;
    if (ks_str_eq(type, K(Ready))) return OLD_READY;
    if (ks_str_eq(type, K(ContainersReady))) return OLD_CONTAINERS;
    if (ks_str_eq(type, K(PodScheduled))) return OLD_SCHEDULED;
    return -1;
}

bool is_kubelets_condition(const ks_str *type) { return slot_of(type) >= 0; }

static ks_val conditions(draft *d) {
    turn *t = d->t;
    ks_heap *heap = t->heap;
    ks_val list = ks_list_new(heap, 6);
    ks_each(c, ks_get(d->before, K(conditions))) {
        int slot = slot_of(ks_str_or_null(ks_get(*c, K(type))));
        if (slot >= 0)
            d->old[slot] = *c;
        else
            list =
                ks_append(heap, list, ks_ref(*c)); /* gates, DisruptionTarget: not the kubelet's */
    }
    ks_val containers = containers_ready(d);
    list = ks_append(
        heap, list,
        condition(d, OLD_SANDBOX, K(PodReadyToStartContainers), t->w->sandbox, NULL, KS_NOTHING));
    list = ks_append(heap, list, pod_initialized(d));
    list = ks_append(heap, list, pod_ready(d, containers));
    list = ks_append(heap, list, containers);
    list =
        ks_append(heap, list, condition(d, OLD_SCHEDULED, K(PodScheduled), true, NULL, KS_NOTHING));
    return list;
}

/* The conditions for a status that is made of a twin's, a new reference; KS_NOTHING: the twin's. */
static ks_val twin_conditions(draft *d, memo *m, const twin *kept) {
    ks_heap *heap = d->t->heap;
    ks_val old = ks_get(d->t->pod->status, K(conditions));
    d->before = d->t->pod->status;
    if (kept->second != m->second) return conditions(d);
    if (ks_identical(old, ks_get(kept->old, K(conditions)))) return KS_NOTHING;
    uint64_t hash =
        ((uint64_t)(uintptr_t)ks_items(old) ^ kept->serial) * UINT64_C(0x9fb21c651e98df25);
    renewal *all = beginnings_of(heap, m)->renewals, *at = &all[(hash >> 32) % RENEWALS],
            *beside = &all[((hash >> 32) ^ 1) % RENEWALS];
    if (at->twin == kept->serial && ks_identical(at->old, old)) return ks_ref(at->out);
    if (beside->twin == kept->serial && ks_identical(beside->old, old)) return ks_ref(beside->out);
    ks_val out = conditions(d);
    if (at->twin == kept->serial) at = beside; /* it is of use still */
    at->twin = 0;
    ks_unref(heap, at->old);
    ks_unref(heap, at->out);
    *at = (renewal){kept->serial, ks_ref(old), ks_ref(out)};
    return out;
}

/* --- container statuses --- */

/* Eight digits, the lowest first. */
static char *put_reversed(char *out, uint32_t word) {
    uint32_t x = word >> 24 | (word >> 8 & 0xff00) | (word << 8 & 0xff0000) | word << 24;
    return ks_put_hex(out, (x & 0x0f0f0f0f) << 4 | (x >> 4 & 0x0f0f0f0f));
}

static void hex64(char *out, const ks_str *uid, const ks_str *name, int32_t instance) {
    uint64_t h = hash64(uid->s, uid->len, hash64(name->s, name->len, (uint64_t)instance + 1));
    for (int word = 0; word < 4; word++) {
        h ^= h << 13;
        h ^= h >> 7;
        h ^= h << 17;
        out = put_reversed(put_reversed(out, (uint32_t)h), (uint32_t)(h >> 32));
    }
}

/* "containerd://" and 64 digits that follow from the pod, the container and the instance. */
ks_val container_id(turn *t, container *c, int32_t instance) {
    if (c->id_of == instance + 1) return ks_string(c->id);
    char text[80] = "containerd://";
    hex64(text + 13, t->pod->uid, container_name(t->w, c), instance);
    ks_val id = ks_textn(t->heap, text, 13 + 64);
    if (instance == c->restarts) {
        ks_str_unref(t->heap, c->id);
        c->id = ks_str_ref(id.s);
        c->id_of = instance + 1;
    }
    return id;
}

static ks_val ended(draft *d, container *c, const ending *e) {
    ks_heap *heap = d->t->heap;
    ks_val m = ks_map_new(heap, 6);
    if (e->instance >= 0) ks_map_push(heap, &m, K(containerID), container_id(d->t, c, e->instance));
    ks_map_push(heap, &m, K(exitCode), ks_int(e->exit_code));
    ks_map_push(heap, &m, K(finishedAt),
                e->instance >= 0 ? stamp_of(d->t, e->finished) : ks_null());
    if (e->message) ks_map_push(heap, &m, K(message), ks_string(e->message));
    ks_map_push(heap, &m, K(reason), ks_string(e->reason));
    ks_map_push(heap, &m, K(startedAt), e->instance >= 0 ? stamp_of(d->t, e->started) : ks_null());
    ks_val state = ks_map_new(heap, 1);
    ks_map_push(heap, &state, K(terminated), m);
    return state;
}

static ks_val waits(draft *d, const ks_str *reason, const ks_str *message) {
    ks_heap *heap = d->t->heap;
    ks_val m = ks_map_new(heap, 2);
    if (message) ks_map_push(heap, &m, K(message), ks_string(message));
    if (reason) ks_map_push(heap, &m, K(reason), ks_string(reason));
    ks_val state = ks_map_new(heap, 1);
    ks_map_push(heap, &state, K(waiting), m);
    return state;
}

static ks_val mount_statuses(ks_heap *heap, ks_val mounts) {
    ks_val list = ks_list_new(heap, ks_len(mounts));
    ks_each(mount, mounts) {
        ks_val m = ks_map_new(heap, 4);
        ks_map_push(heap, &m, K(mountPath), ks_ref(ks_get(*mount, K(mountPath))));
        ks_map_push(heap, &m, K(name), ks_ref(ks_get(*mount, K(name))));
        if (ks_bool_or(ks_get(*mount, K(readOnly)), false)) {
            ks_map_push(heap, &m, K(readOnly), ks_bool(true));
            ks_map_push(heap, &m, K(recursiveReadOnly), ks_string(K(Disabled)));
        }
        list = ks_append(heap, list, m);
    }
    return list;
}

/* Pods of one template mount the very same list. */
static ks_val volume_mounts(draft *d, const container *c) {
    ks_heap *heap = d->t->heap;
    memo *m = memo_now(d->t);
    ks_val mounts = ks_get(container_spec(d->t->w, c), K(volumeMounts));
    if (!ks_len(mounts)) return KS_NOTHING;
    if (!ks_identical(m->mounts, mounts)) {
        ks_val made = mount_statuses(heap, mounts);
        ks_unref(heap, m->mounts);
        ks_unref(heap, m->mount_statuses);
        m->mounts = ks_ref(mounts);
        m->mount_statuses = made;
    }
    return ks_ref(m->mount_statuses);
}

/* The image's id: digits that follow from its name. */
static ks_val image_id(draft *d, ks_val image) {
    memo *m = memo_now(d->t);
    if (!ks_exists(m->image) || !ks_equal(m->image, image)) {
        char id[80] = "sha256:";
        hex64(id + 7, image.s, image.s, 0);
        ks_val made = ks_textn(d->t->heap, id, 7 + 64);
        ks_unref(d->t->heap, m->image);
        ks_unref(d->t->heap, m->image_id);
        m->image = ks_ref(image);
        m->image_id = made;
    }
    return ks_ref(m->image_id);
}

static ks_val container_status(draft *d, container *c, ks_val old) {
    turn *t = d->t;
    ks_heap *heap = t->heap;
    ks_val spec = container_spec(t->w, c);
    const trouble *tr = c->trouble;
    ks_val last, state;
    bool has = c->run != RUN_NONE, running = c->run == RUN_RUNNING;
    const ending *before = tr && tr->before.reason ? &tr->before : NULL;
    bool refused = tr && tr->wait_reason && !running && should_restart(t->w, c, t->pod);
    if (refused) {
        state = waits(d, tr->wait_reason, tr->wait_message);
        if (c->run == RUN_EXITED) before = &c->end;
    } else if (running) {
        state = running_since(t, c->began);
    } else if (c->run == RUN_EXITED) {
        state = ended(d, c, &c->end);
    } else if (d->mode == STATUS_FINAL) {
        ending lost = {.exit_code = 137, .instance = -1, .reason = K(ContainerStatusUnknown)};
        lost.message =
            ks_str_of(heap, "The container could not be located when the pod was terminated");
        state = ended(d, c, &lost);
        ks_str_unref(heap, lost.message);
    } else {
        bool inits = ks_len(spec_inits(t->w)) > 0;
        state = inits ? waits(d, K(PodInitializing), NULL) : ks_ref(memo_now(t)->creating);
    }
    last = before ? ended(d, c, before) : ks_ref(memo_now(t)->nothing);
    ks_val resources = ks_get(spec, K(resources));
    bool allocated = has && ks_len(ks_get(resources, K(requests))) > 0;
    ks_val mounts = ks_get(old, K(volumeMounts));
    mounts = ks_exists(mounts) ? ks_ref(mounts) : volume_mounts(d, c);
    ks_val s = ks_map_new(heap, (has ? 10 : 8) + (uint32_t)allocated + (uint32_t)ks_exists(mounts));
    if (has) {
        if (allocated)
            ks_map_push(heap, &s, K(allocatedResources), ks_ref(ks_get(resources, K(requests))));
        ks_map_push(heap, &s, K(containerID), container_id(t, c, c->restarts));
    }
    ks_map_push(heap, &s, K(image), ks_ref(ks_get(spec, K(image))));
    ks_val id = ks_get(old, K(imageID));
    if (!has)
        ks_map_push(heap, &s, K(imageID), ks_ref(memo_now(t)->empty));
    else if (ks_is(id, KS_STRING) && id.s->len &&
             ks_equal(ks_get(old, K(image)), ks_get(spec, K(image))))
        ks_map_push(heap, &s, K(imageID), ks_ref(id));
    else
        ks_map_push(heap, &s, K(imageID), image_id(d, ks_get(spec, K(image))));
    ks_map_push(heap, &s, K(lastState), last);
    ks_map_push(heap, &s, K(name), ks_ref(ks_get(spec, K(name))));
    bool ready =
        c->role == ROLE_INIT ? c->run == RUN_EXITED && c->end.exit_code == 0 : running && c->ready;
    ks_map_push(heap, &s, K(ready), ks_bool(ready));
    if (has)
        ks_map_push(heap, &s, K(resources),
                    ks_exists(resources) ? ks_ref(resources) : ks_ref(memo_now(t)->nothing));
    ks_map_push(heap, &s, K(restartCount), ks_int(c->restarts));
    ks_map_push(heap, &s, K(started), ks_bool(running && c->started));
    ks_map_push(heap, &s, K(state), state);
    if (ks_exists(mounts)) ks_map_push(heap, &s, K(volumeMounts), mounts);
    return s;
}

static ks_val old_status(ks_val list, const ks_str *name) {
    ks_each(s, list)
        if (ks_str_eq(ks_str_or_null(ks_get(*s, K(name))), name)) return *s;
    return KS_NOTHING;
}

/* App containers by name, init containers as in the spec. */
static ks_val container_statuses(draft *d, bool inits) {
    turn *t = d->t;
    ks_val old = ks_get(t->pod->status, inits ? K(initContainerStatuses) : K(containerStatuses));
    ks_val list = KS_NOTHING;
    for (uint32_t i = 0; i < t->w->count; i++) {
        container *c = &t->w->containers[i];
        if ((c->role != ROLE_APP) != inits) continue;
        const ks_str *name = container_name(t->w, c);
        ks_val s = container_status(d, c, old_status(old, name));
        uint32_t at = ks_len(list);
        while (!inits && at > 0 && ks_str_cmp(ks_get(ks_at(list, at - 1), K(name)).s, name) > 0)
            at--;
        if (!ks_exists(list)) list = ks_list_new(t->heap, t->w->count - i);
        list = ks_insert_at(t->heap, list, at, s);
    }
    return list;
}

/* --- the whole --- */

static const ks_str *shown_phase(draft *d) {
    const char *phase = d->phase;
    const char *old = ks_text_or(ks_get(d->t->pod->status, K(phase)), "Pending");
    if (!strcmp(old, "Succeeded") || !strcmp(old, "Failed"))
        phase = old;
    else if (d->mode == STATUS_FINAL)
        phase = d->t->w->deadline ? "Failed" : !strcmp(phase, "Succeeded") ? phase : "Failed";
    else if (!strcmp(phase, "Succeeded") || !strcmp(phase, "Failed"))
        phase = old;
    switch (phase[0]) {
    case 'R': return K(Running);
    case 'S': return K(Succeeded);
    case 'F': return K(Failed);
    default: return K(Pending);
    }
}

void pod_addresses(turn *t, ks_val old, ks_val *ip, ks_val *ips) {
    ks_heap *heap = t->heap;
    *ip = ks_ref(ks_get(old, K(podIP)));
    *ips = ks_ref(ks_get(old, K(podIPs)));
    if (ks_exists(*ip)) return;
    char text[16];
    address_text(t->w->ip, text);
    *ip = ks_text(heap, text);
    *ips = ks_append(heap, ks_list_new(heap, 1), map_of_one(heap, K(ip), ks_ref(*ip)));
}

static bool ours(const ks_str *key) {
    return key == K(conditions) || key == K(containerStatuses) || key == K(hostIP) ||
           key == K(hostIPs) || key == K(initContainerStatuses) || key == K(message) ||
           key == K(observedGeneration) || key == K(phase) || key == K(podIP) || key == K(podIPs) ||
           key == K(reason) || key == K(startTime);
}

static ks_val build(draft *d) {
    turn *t = d->t;
    worker *w = t->w;
    ks_heap *heap = t->heap;
    ks_val old = t->pod->status;
    /* With room for addresses from the first on: all statuses of a pod are blocks of one size. */
    bool inits = w->count > 0 && w->containers[0].role != ROLE_APP;
    ks_val s = ks_map_new(heap, inits ? 11 : 10);
    ks_val list = conditions(d); /* before the rest: it finds the old ones */
    bool host = ks_bool_or(ks_get(w->spec, K(hostNetwork)), false);
    ks_map_push(heap, &s, K(conditions), list);
    ks_map_push(heap, &s, K(containerStatuses), container_statuses(d, false));
    ks_map_push(heap, &s, K(hostIP), ks_ref(t->node->ip));
    ks_map_push(heap, &s, K(hostIPs), ks_ref(t->node->ips));
    if (inits) ks_map_push(heap, &s, K(initContainerStatuses), container_statuses(d, true));
    bool why = w->why && d->mode == STATUS_FINAL;
    if (why || ks_exists(ks_get(old, K(message))))
        ks_map_push(heap, &s, K(message),
                    why ? ks_string(w->why_text) : ks_ref(ks_get(old, K(message))));
    ks_map_push(heap, &s, K(observedGeneration), ks_int(d->generation));
    ks_map_push(heap, &s, K(phase), ks_string(shown_phase(d)));
    if (host) {
        ks_map_push(heap, &s, K(podIP), ks_ref(t->node->ip));
        ks_map_push(heap, &s, K(podIPs), ks_ref(t->node->ips));
    } else if (w->ip || ks_exists(ks_get(old, K(podIP)))) {
        ks_val ip, ips;
        pod_addresses(t, old, &ip, &ips);
        ks_map_push(heap, &s, K(podIP), ip);
        ks_map_push(heap, &s, K(podIPs), ips);
    }
    for (uint32_t i = 0; i < ks_len(old); i++) {
        const ks_pair *p = ks_pair_at(old, i);
        if (!ours(p->key)) ks_map_push(heap, &s, p->key, ks_ref(p->val));
    }
    if (why || ks_exists(ks_get(old, K(reason))))
        ks_map_push(heap, &s, K(reason),
                    why ? ks_text(heap, w->why) : ks_ref(ks_get(old, K(reason))));
    ks_map_push(heap, &s, K(startTime), stamp_of(t, w->start_time));
    ks_map_seal(heap, &s);
    return s;
}

/* The status with the kubelet's conditions as it told of them, a new reference: others may have written other ones meanwhile, which it
 * does not go by. */
static ks_val as_told(const turn *t) {
    ks_heap *heap = t->heap;
    ks_val status = t->pod->status;
    const ks_object *told =
        t->k->overruled.count == 0 ? NULL : ks_tree_get(&t->k->overruled, (ks_key){0, t->pod->id});
    if (!told) return ks_ref(status);
    ks_val now = ks_get(status, K(conditions)), list = ks_list_new(heap, ks_len(now));
    ks_each(c, now)
        if (!is_kubelets_condition(ks_str_or_null(ks_get(*c, K(type)))))
            list = ks_append(heap, list, ks_ref(*c));
    ks_each(c, ks_get(told->status, K(conditions)))
        if (is_kubelets_condition(ks_str_or_null(ks_get(*c, K(type)))))
            list = ks_append(heap, list, ks_ref(*c));
    return ks_put(heap, ks_ref(status), K(conditions), list);
}

/* `status`, which is another one than there is, is taken over. */
static void change_status(turn *t, ks_val status) {
    const ks_object *out = NULL;
    ks_refusal *refused = ks_server_change_status(&t->sim->server, t->pod, status, &out);
    if (!refused) ks_tree_del(t->heap, &t->k->overruled, (ks_key){0, t->pod->id});
    ks_refusal_free(t->heap, refused);
    if (out) {
        ks_object_unref(t->heap, t->pod);
        t->pod = out;
    }
}

void put_status(turn *t, ks_val status) {
    if (!ks_equal(status, t->pod->status)) {
        change_status(t, status);
        return;
    }
    ks_tree_del(t->heap, &t->k->overruled, (ks_key){0, t->pod->id});
    ks_unref(t->heap, status);
}

static int64_t generation_of(const ks_object *pod) {
    return pod->first ? 1 : ks_int_or(ks_get(pod->meta, K(generation)), 1);
}

void write_status(turn *t, status_mode mode) {
    draft d = {.t = t, .mode = mode, .generation = generation_of(t->pod)};
    bool terminal = t->w->stage != STAGE_SYNC || mode != STATUS_SYNC;
    d.phase = pod_phase(t->w, t->pod, terminal && mode == STATUS_FINAL);
    if (t->w->deadline) d.phase = "Failed";
    memo *m = memo_now(t);
    bool overruled =
        t->k->overruled.count > 0 && ks_tree_has(&t->k->overruled, (ks_key){0, t->pod->id});
    twin *kept = overruled ? NULL : twin_of(t, m, mode, d.generation);
    if (kept) {
        bool differs = twin_differs(kept);
        ks_val status = twin_status(t, kept, twin_conditions(&d, m, kept));
        differs ? change_status(t, status) : put_status(t, status);
        return;
    }
    d.before = as_told(t);
    ks_val status = build(&d);
    bool news = !overruled || !ks_equal(status, d.before);
    ks_unref(t->heap, d.before);
    if (!overruled) twin_keep(t, m, mode, d.generation, status);
    if (!news) { /* "Ignoring same status for pod": it has told of that */
        ks_unref(t->heap, status);
        return;
    }
    put_status(t, status);
}

void reconcile_status(turn *t) {
    if (t->now % STATUS_PERIOD == 0 && t->k->overruled.count > 0 &&
        ks_tree_has(&t->k->overruled, (ks_key){0, t->pod->id}))
        put_status(t, as_told(t));
}

/* A pod that had a status before this kubelet knew it (imported): its start and address are kept, containers that it shows as
 * running or ended are so. */
void adopt_status(turn *t) {
    ks_val status = t->pod->status;
    worker *w = t->w;
    if (!ks_exists(ks_get(status, K(startTime)))) return;
    w->start_time = ks_instant_of(&t->sim->world, ks_get(status, K(startTime)));
    w->sandbox = w->mounted = true;
    const char *phase = ks_text_or(ks_get(status, K(phase)), "");
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        ks_val list =
            ks_get(status, c->role == ROLE_APP ? K(containerStatuses) : K(initContainerStatuses));
        ks_val s = old_status(list, container_name(w, c));
        ks_val running = ks_get2(s, K(state), K(running)),
               done = ks_get2(s, K(state), K(terminated));
        c->restarts = (int32_t)ks_int_or(ks_get(s, K(restartCount)), 0);
        if (ks_exists(running)) {
            c->run = RUN_RUNNING;
            c->began = ks_instant_of(&t->sim->world, ks_get(running, K(startedAt)));
            c->ready_at = c->began;
            probes_start(t, c);
            c->started = ks_bool_or(ks_get(s, K(started)), true);
            c->ready = ks_bool_or(ks_get(s, K(ready)), true);
        } else if (ks_exists(done)) {
            ending e = {.exit_code = (int32_t)ks_int_or(ks_get(done, K(exitCode)), 0),
                        .instance = c->restarts};
            e.reason = ks_str_or_null(ks_get(done, K(reason)));
            if (!e.reason) e.reason = e.exit_code ? K(Error) : K(Completed);
            e.started = ks_instant_of(&t->sim->world, ks_get(done, K(startedAt)));
            e.finished = ks_instant_of(&t->sim->world, ks_get(done, K(finishedAt)));
            ending_set(t->heap, &c->end, &e);
            c->run = RUN_EXITED;
        }
    }
    if (!strcmp(phase, "Succeeded") || !strcmp(phase, "Failed")) {
        w->stage = STAGE_ENDED;
        w->final_written = true;
    }
}
