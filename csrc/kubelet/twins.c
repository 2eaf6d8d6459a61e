/*
 * kubelet/twins.c - a status that says of a pod what another one says of its sibling.
 *
 * Pods of one template that come to the same stage have statuses that differ in few leaves: addresses, the ids of containers, and when they
 * began and ended. The status that was made last of pods at a stage is kept; the next pod's is that one with the leaves exchanged, if all
 * that status.c makes a status of agrees: what the containers do (look), the spec's containers, and the status that was there, but for its
 * leaves. Conditions are a leaf, too, where the second is another one, or the pods had other conditions before: status.c makes the new ones,
 * in one second once for all pods that have had the very same. Called by status.c, which makes the other statuses, and the first.
 */
#include "kubelet/worker.h"

enum { LEAVES = 7 };

static uint32_t bits_of(const container *c) {
    return (uint32_t)c->run << 2 | (uint32_t)c->ready << 1 | (uint32_t)c->started;
}

/* A container without a past, that runs, has run, or is not there yet. */
static bool is_simple(const container *c) {
    const trouble *tr = c->trouble;
    if (c->role != ROLE_APP || c->restarts != 0 || c->run == RUN_CREATED) return false;
    if (tr && (tr->before.reason || tr->wait_reason)) return false;
    if (c->run != RUN_EXITED) return true;
    return !c->end.message && (c->end.reason == K(Completed) || c->end.reason == K(Error));
}

static int64_t second_of(int64_t instant) { return instant / KS_SECOND; }

/* What such a container shows. */
static void look_at(const container *c, twin *like) {
    if (c->run == RUN_NONE) return;
    like->began = second_of(c->run == RUN_EXITED ? c->end.started : c->began);
    if (c->run != RUN_EXITED) return;
    like->ended = second_of(c->end.finished);
    like->exit_code = c->end.exit_code;
    like->reason = c->end.reason;
}

/* But for when. */
static bool looks_like(const twin *a, const twin *b) {
    return a->state == b->state && a->exit_code == b->exit_code && a->reason == b->reason &&
           a->generation == b->generation && ks_identical(a->apps, b->apps);
}

static bool at_once(const twin *a, const twin *b) {
    return a->began == b->began && a->ended == b->ended;
}

/* What the pod's status is made of. False: of more than twins have in common. */
static bool look(const turn *t, status_mode mode, int64_t generation, twin *like) {
    const worker *w = t->w;
    if (!w->plain || w->count == 0 || w->deadline || w->why || !ks_is(t->pod->status, KS_MAP))
        return false;
    const container *first = &w->containers[0];
    uint32_t bits = bits_of(first);
    *like = (twin){.generation = generation, .start = second_of(w->start_time)};
    like->apps = spec_apps(w);
    like->state = bits << 8 | (uint32_t)mode << 5 | (uint32_t)w->stage << 3 |
                  (uint32_t)w->sandbox << 2 | (uint32_t)(w->ip != 0) << 1 |
                  (uint32_t)ks_object_terminating(t->pod);
    for (uint32_t i = 0; i < w->count; i++) {
        const container *c = &w->containers[i];
        twin other = *like;
        if (!is_simple(c) || bits_of(c) != bits) return false;
        look_at(c, i == 0 ? like : &other);
        if (i > 0 && !(looks_like(like, &other) && at_once(like, &other))) return false;
    }
    return true;
}

/* --- the status that was there --- */

static bool is_address(const ks_str *key) {
    return key == K(hostIP) || key == K(hostIPs) || key == K(podIP) || key == K(podIPs);
}

static bool same_container(ks_val a, ks_val b) {
    if (ks_identical(a, b)) return true;
    if (!ks_is(a, KS_MAP) || !ks_is(b, KS_MAP) || ks_len(a) != ks_len(b)) return false;
    const ks_pair *p = ks_pair_at(a, 0), *q = ks_pair_at(b, 0);
    for (uint32_t left = ks_len(a); left > 0; left--, p++, q++) {
        if (p->key != q->key) return false;
        if (ks_identical(p->val, q->val) || p->key == K(containerID) || p->key == K(state))
            continue;
        if (!ks_equal(p->val, q->val)) return false;
    }
    return true;
}

static bool same_containers(ks_val a, ks_val b) {
    if (ks_len(a) != ks_len(b)) return false;
    for (uint32_t i = 0; i < ks_len(a); i++)
        if (!same_container(ks_at(a, i), ks_at(b, i))) return false;
    return true;
}

static bool same_but_leaves(ks_val a, ks_val b) {
    if (ks_identical(a, b)) return true;
    if (ks_len(a) != ks_len(b)) return false;
    const ks_pair *p = ks_pair_at(a, 0), *q = ks_pair_at(b, 0);
    for (uint32_t left = ks_len(a); left > 0; left--, p++, q++) {
        if (p->key != q->key) return false;
        if (ks_identical(p->val, q->val)) continue;
        if (p->key == K(conditions) || p->key == K(startTime) || is_address(p->key)) continue;
        if (p->key == K(containerStatuses) ? !same_containers(p->val, q->val)
                                           : !ks_equal(p->val, q->val))
            return false;
    }
    return true;
}

/* --- exchanging --- */

/* {terminated: {...}} of the container, with that id. */
static ks_val ended_twin(turn *t, const container *c, ks_val state, ks_val id) {
    const ks_pair leaves[] = {{K(containerID), id},
                              {K(finishedAt), stamp_of(t, c->end.finished)},
                              {K(startedAt), stamp_of(t, c->end.started)}};
    ks_val ended = ks_exchange(t->heap, ks_ref(ks_get(state, K(terminated))), leaves, 3);
    ks_pair whole = {K(terminated), ended};
    return ks_exchange(t->heap, ks_ref(state), &whole, 1);
}

/* Whether the statuses that there are say of the containers, which run, what there is to say. */
static bool are_shown(turn *t, ks_val list) {
    ks_each(s, list) {
        const container *c = container_named(t->w, ks_str_or_null(ks_get(*s, K(name))));
        if (c->id_of != 1 || ks_str_or_null(ks_get(*s, K(containerID))) != c->id) return false;
        ks_val running = running_since(t, c->began);
        bool shown = ks_equal(ks_get(*s, K(state)), running);
        ks_unref(t->heap, running);
        if (!shown) return false;
    }
    return true;
}

static bool same_member(const twin *kept, const ks_str *key) {
    return ks_equal(ks_get(kept->old, key), ks_get(kept->out, key));
}

static bool stays(twin *kept) {
    if (kept->stays < 0) kept->stays = same_member(kept, K(containerStatuses));
    return kept->stays > 0;
}

/* The statuses of the containers. `like`: what the pod's show. */
static ks_val containers_of(turn *t, twin *kept, const twin *like) {
    ks_val old = ks_get(t->pod->status, K(containerStatuses));
    if (stays(kept) && are_shown(t, old)) return ks_ref(old);
    ks_val list = ks_get(kept->out, K(containerStatuses)), out = ks_list_new(t->heap, ks_len(list));
    bool since = kept->began != like->began;
    ks_each(s, list) {
        container *c = container_named(t->w, ks_str_or_null(ks_get(*s, K(name))));
        ks_pair leaves[2] = {{K(containerID), container_id(t, c, 0)}};
        uint32_t count = 1;
        if (kept->reason) {
            ks_val state = ended_twin(t, c, ks_get(*s, K(state)), ks_ref(leaves[0].val));
            leaves[count++] = (ks_pair){K(state), state};
        } else if (since) {
            leaves[count++] = (ks_pair){K(state), running_since(t, c->began)};
        }
        out = ks_append(t->heap, out, ks_exchange(t->heap, ks_ref(*s), leaves, count));
    }
    return out;
}

/* The pod stands for all of them from now on: those of a later second are like it. */
static void take_over(turn *t, twin *kept, const twin *like, ks_val status) {
    ks_heap *heap = t->heap;
    memo *m = t->k->memo;
    kept->second = m->second;
    kept->serial = ++m->serial;
    kept->start = like->start;
    kept->began = like->began;
    kept->ended = like->ended;
    if (kept->stays > 0) kept->stays = -1;
    ks_unref(heap, kept->old);
    ks_unref(heap, kept->out);
    kept->old = ks_ref(t->pod->status);
    kept->out = ks_ref(status);
}

ks_val twin_status(turn *t, twin *kept, ks_val conditions) {
    ks_val old = t->pod->status, ip = ks_get(kept->out, K(podIP));
    ks_pair leaves[LEAVES];
    uint32_t count = 0;
    twin like = {0};
    const container *first = &t->w->containers[0];
    bool made = first->run != RUN_NONE, whole = !ks_exists(conditions);
    look_at(first, &like);
    like.start = second_of(t->w->start_time);
    if (whole && !made && !ks_exists(ip) && kept->start == like.start &&
        ks_identical(ks_get(kept->out, K(hostIPs)), t->node->ips))
        return ks_ref(kept->out);
    if (!whole) leaves[count++] = (ks_pair){K(conditions), conditions};
    if (made) leaves[count++] = (ks_pair){K(containerStatuses), containers_of(t, kept, &like)};
    leaves[count++] = (ks_pair){K(hostIP), ks_ref(t->node->ip)};
    leaves[count++] = (ks_pair){K(hostIPs), ks_ref(t->node->ips)};
    if (ks_exists(ip)) {
        ks_val ips;
        pod_addresses(t, old, &ip, &ips);
        leaves[count++] = (ks_pair){K(podIP), ip};
        leaves[count++] = (ks_pair){K(podIPs), ips};
    }
    if (kept->start != like.start)
        leaves[count++] = (ks_pair){K(startTime), stamp_of(t, t->w->start_time)};
    ks_val status = ks_exchange(t->heap, ks_ref(kept->out), leaves, count);
    if (kept->second != t->k->memo->second) take_over(t, kept, &like, status);
    return status;
}

/* --- what is kept --- */

/* Where the last one at this stage is kept, or would be. */
static twin *place_of(memo *m, const twin *like) {
    uint64_t hash =
        ((uint64_t)(uintptr_t)ks_items(like->apps) ^ like->state) * UINT64_C(0x9fb21c651e98df25);
    return &m->twins[(hash >> 32) % TWINS];
}

twin *twin_of(turn *t, memo *m, status_mode mode, int64_t generation) {
    twin like;
    if (!look(t, mode, generation, &like)) return NULL;
    twin *kept = place_of(m, &like);
    bool alike = ks_exists(kept->out) && looks_like(kept, &like) &&
                 same_but_leaves(kept->old, t->pod->status);
    return alike ? kept : NULL;
}

bool twin_differs(twin *kept) {
    if (kept->differs < 0)
        kept->differs = !same_member(kept, K(phase)) || !same_member(kept, K(observedGeneration));
    return kept->differs > 0;
}

void twin_keep(turn *t, memo *m, status_mode mode, int64_t generation, ks_val status) {
    twin like;
    if (!look(t, mode, generation, &like)) return;
    twin *place = place_of(m, &like);
    ks_ref(like.apps);
    like.second = m->second;
    like.serial = ++m->serial;
    like.differs = -1;
    like.stays = t->w->containers[0].run == RUN_RUNNING ? -1 : 0;
    like.old = ks_ref(t->pod->status);
    like.out = ks_ref(status);
    twin_clear(t->heap, place);
    *place = like;
    m->kept |= UINT64_C(1) << (place - m->twins);
}

void twin_clear(ks_heap *heap, twin *kept) {
    ks_unref(heap, kept->apps);
    ks_unref(heap, kept->old);
    ks_unref(heap, kept->out);
    *kept = (twin){0};
}
