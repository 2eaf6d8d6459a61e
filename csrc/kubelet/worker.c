/*
 * kubelet/worker.c - the kubelet's records of pods, containers and nodes: made, shared, copied, freed.
 *
 * Called by all of kubelet/. Workers are counted: forks share them, worker_own() copies one before it changes.
 */
#include "kubelet/worker.h"

#include <stdio.h>
#include <string.h>

uint64_t hash64(const char *s, size_t len, uint64_t seed) {
    uint64_t h = seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        h ^= (unsigned char)s[i];
        h *= UINT64_C(0x100000001b3);
    }
    h ^= h >> 31; /* the tree orders by the high bits first: mix them */
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}

int64_t relist_after(int64_t instant) {
    int64_t beats = instant / RELIST_PERIOD;
    if (instant > KS_NEVER - RELIST_PERIOD) return instant;
    return beats * RELIST_PERIOD < instant ? (beats + 1) * RELIST_PERIOD : instant;
}

static void ending_clear(ks_heap *heap, ending *e) {
    ks_str_unref(heap, e->reason);
    ks_str_unref(heap, e->message);
    memset(e, 0, sizeof *e);
}

void ending_set(ks_heap *heap, ending *e, const ending *from) {
    ending copy = *from;
    ks_str_ref(copy.reason);
    ks_str_ref(copy.message);
    ending_clear(heap, e);
    *e = copy;
}

trouble *trouble_of(ks_heap *heap, container *c) {
    if (!c->trouble) {
        c->trouble = ks_alloc_zero(heap, sizeof *c->trouble);
        for (int i = 0; i < PROBE_KINDS; i++) c->trouble->probes[i].next = KS_NEVER;
    }
    return c->trouble;
}

bool fails_for_long(turn *t) {
    t->w->failing_since = earlier(t->w->failing_since, t->now);
    return t->now - t->w->failing_since > PATIENCE;
}

void set_wait(turn *t, container *c, const ks_str *reason, const ks_str *message) {
    if (!reason && !c->trouble) return;
    trouble *tr = trouble_of(t->heap, c);
    ks_str_unref(t->heap, tr->wait_reason);
    ks_str_unref(t->heap, tr->wait_message);
    tr->wait_reason = reason;
    tr->wait_message = message;
}

static size_t worker_size(uint32_t count) { return sizeof(worker) + count * sizeof(container); }

static void worker_ref(void *value) { ((worker *)value)->refs++; }

void worker_free(ks_heap *heap, worker *w) {
    if (--w->refs > 0) return;
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        ending_clear(heap, &c->end);
        ks_str_unref(heap, c->end_reason);
        ks_str_unref(heap, c->id);
        if (!c->trouble) continue;
        ending_clear(heap, &c->trouble->before);
        ks_str_unref(heap, c->trouble->wait_reason);
        ks_str_unref(heap, c->trouble->wait_message);
        ks_str_unref(heap, c->trouble->pull_error);
        ks_free(heap, c->trouble, sizeof *c->trouble);
    }
    ks_str_unref(heap, w->why_text);
    ks_str_unref(heap, w->uid);
    ks_unref(heap, w->spec);
    ks_free(heap, w, worker_size(w->count));
}

static void worker_unref(ks_heap *heap, void *value) { worker_free(heap, value); }

/* A snapshot's, that go when a long call is over. */
static void worker_leaves(const void *value, int step) {
    const worker *w = value;
    if (step == 0)
        ks_fetch_all(w, sizeof *w + sizeof *w->containers);
    else if (w->refs == 1 && w->count > 0 && w->containers[0].id)
        ks_fetch(w->containers[0].id);
}

const ks_ids_type worker_type = {
    .ref = worker_ref, .unref = worker_unref, .leaves = worker_leaves, .steps = 2};

static worker *worker_copy(ks_heap *heap, const worker *from) {
    worker *w = ks_alloc(heap, worker_size(from->count));
    memcpy(w, from, worker_size(from->count));
    w->refs = 1;
    ks_ref(w->spec);
    ks_str_ref(w->why_text);
    ks_str_ref(w->uid);
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        ks_str_ref(c->end.reason);
        ks_str_ref(c->end.message);
        ks_str_ref(c->end_reason);
        ks_str_ref(c->id);
        if (!c->trouble) continue;
        trouble *tr = ks_alloc(heap, sizeof *tr);
        *tr = *c->trouble;
        c->trouble = tr;
        ks_str_ref(tr->before.reason);
        ks_str_ref(tr->before.message);
        ks_str_ref(tr->wait_reason);
        ks_str_ref(tr->wait_message);
        ks_str_ref(tr->pull_error);
    }
    return w;
}

worker *worker_own(kubelet *k, uint64_t id) {
    void **slot = ks_ids_slot(k->heap, &k->pods, id);
    if (!slot) return NULL;
    worker *w = *slot;
    if (w->refs > 1) {
        worker *copy = worker_copy(k->heap, w);
        w->refs--;
        *slot = w = copy;
    }
    return w;
}

static void container_init(container *c, role what, uint32_t index) {
    memset(c, 0, sizeof *c);
    c->role = (uint8_t)what;
    c->index = (uint16_t)index;
    c->ends = KS_NEVER;
}

/* Notes where in it what is looked for all the time stands. No pod's spec has 255 members. */
void take_spec(worker *w, ks_val spec) {
    w->spec = spec;
    w->inits = w->apps = w->volumes = 0;
    w->limited = false;
    w->plain = true;
    for (uint32_t i = 0; i < ks_len(spec) && i < UINT8_MAX; i++) {
        const ks_pair *member = ks_pair_at(spec, i);
        const ks_str *key = member->key;
        uint8_t place = (uint8_t)(i + 1);
        if (key == K(containers))
            w->apps = place;
        else if (key == K(initContainers))
            w->inits = place;
        else if (key == K(volumes) && ks_len(member->val) > 0)
            w->volumes = place;
        else if (key == K(activeDeadlineSeconds))
            w->limited = true;
        else if (key == K(hostNetwork) || key == K(readinessGates))
            w->plain = false;
    }
    if (ks_len(spec_inits(w)) > 0) w->plain = false;
}

int64_t deadline_of(const worker *w) {
    ks_val span = w->limited ? ks_get(w->spec, K(activeDeadlineSeconds)) : KS_NOTHING;
    if (!ks_is(span, KS_INT) || w->start_time == KS_NEVER) return KS_NEVER;
    return ks_after(w->start_time, ks_seconds(span.i));
}

/* The record of a pod that has just been bound; it belongs to the kubelet's map. */
worker *worker_new(turn *t) {
    ks_val spec = t->pod->spec;
    uint32_t count = ks_len(ks_get(spec, K(initContainers))) + ks_len(ks_get(spec, K(containers)));
    worker *w = ks_alloc_zero(t->heap, worker_size(count));
    w->refs = 1;
    w->count = count;
    w->told = true;
    take_spec(w, ks_ref(spec));
    w->uid = ks_str_ref(t->pod->uid);
    w->op_until = w->sync_at = w->final_at = KS_NEVER;
    w->start_time = w->failing_since = KS_NEVER;
    uint32_t at = 0, index = 0;
    ks_each(c, spec_inits(w)) {
        bool side = ks_text_is(ks_get(*c, K(restartPolicy)), "Always");
        container_init(&w->containers[at++], side ? ROLE_SIDECAR : ROLE_INIT, index++);
    }
    for (index = 0; index < ks_len(spec_apps(w)); index++)
        container_init(&w->containers[at++], ROLE_APP, index);
    read_volumes(w);
    ks_ids_put(t->heap, &t->k->pods, t->pod->id, w);
    return w;
}

ks_val container_spec(const worker *w, const container *c) {
    return ks_at(c->role == ROLE_APP ? spec_apps(w) : spec_inits(w), c->index);
}

const ks_str *container_name(const worker *w, const container *c) {
    return ks_str_or_null(ks_get(container_spec(w, c), K(name)));
}

container *container_named(const worker *w, const ks_str *name) {
    for (uint32_t i = 0; i < w->count; i++)
        if (ks_str_eq(container_name(w, &w->containers[i]), name))
            return (container *)&w->containers[i];
    return NULL;
}

const ks_image *container_image(const turn *t, const container *c) {
    const ks_str *name = ks_str_or_null(ks_get(container_spec(t->w, c), K(image)));
    return ks_settings_image(t->sim->settings, name);
}

bool init_done(const container *c) {
    if (c->role == ROLE_SIDECAR) return c->run == RUN_RUNNING && c->started;
    return c->run == RUN_EXITED && c->end.exit_code == 0;
}

/* --- nodes --- */

static void node_ref(void *value) { ((machine *)value)->refs++; }

static void node_unref(ks_heap *heap, void *value) {
    machine *n = value;
    if (--n->refs > 0) return;
    ks_str_unref(heap, n->name);
    ks_unref(heap, n->ip);
    ks_unref(heap, n->ips);
    ks_unref(heap, n->in_use);
    ks_unref(heap, n->status);
    ks_free(heap, n, sizeof *n);
}

const ks_ids_type node_type = {.ref = node_ref, .unref = node_unref};

machine *node_of(const kubelet *k, const ks_str *name, uint64_t *key) {
    *key = hash64(name->s, name->len, 0);
    return ks_ids_get(&k->nodes, *key);
}

machine *node_own(kubelet *k, uint64_t key) {
    void **slot = ks_ids_slot(k->heap, &k->nodes, key);
    if (!slot) return NULL;
    machine *n = *slot;
    if (n->refs > 1) {
        machine *copy = ks_alloc(k->heap, sizeof *copy);
        *copy = *n;
        copy->refs = 1;
        ks_str_ref(copy->name);
        ks_ref(copy->ip);
        ks_ref(copy->ips);
        ks_ref(copy->in_use);
        ks_ref(copy->status);
        n->refs--;
        *slot = n = copy;
    }
    return n;
}

/* --- addresses --- */

void address_text(uint32_t ip, char out[16]) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        uint32_t part = ip >> shift & 255;
        if (part >= 100) *out++ = (char)('0' + part / 100);
        if (part >= 10) *out++ = (char)('0' + part / 10 % 10);
        *out++ = (char)('0' + part % 10);
        *out++ = shift > 0 ? '.' : '\0';
    }
}

/* As the host-local plugin deals out: round robin, the first two and the last of the range are not used. */
void take_address(turn *t) {
    if (t->w->ip || !t->node) return;
    machine *n = node_own(t->k, t->w->node);
    t->node = n;
    for (uint32_t tries = 0; tries < n->size; tries++) {
        if (n->next < 2 || n->next >= n->size - 1) n->next = 2;
        uint32_t ip = n->net + n->next++;
        void **whose = ks_ids_make(t->heap, &t->k->ips, ip);
        if (*whose) continue;
        *whose = (void *)(uintptr_t)(t->pod->id + 1);
        t->w->ip = ip;
        return;
    }
}
