/*
 * scheduler/filter.c - which nodes will do: findNodesThatFitPod (pkg/scheduler/schedule_one.go).
 */
#include "engine/nodes.h"
#include "scheduler/internal.h"

#include <string.h>

/* --- arena --- */

struct ks_arena_block {
    struct ks_arena_block *next;
    size_t size, used;
    _Alignas(16) char bytes[];
};

enum { BLOCK_SIZE = 16 * 1024 };

void *ks_sched_arena(ks_arena *arena, size_t size) {
    size = (size + 15) / 16 * 16;
    struct ks_arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        struct ks_arena_block *more = ks_alloc(arena->heap, sizeof *more + room);
        more->next = block;
        more->size = room;
        more->used = 0;
        arena->blocks = block = more;
    }
    void *p = block->bytes + block->used;
    block->used += size;
    memset(p, 0, size);
    return p;
}

void ks_sched_arena_reset(ks_arena *arena) {
    struct ks_arena_block *block = arena->blocks;
    while (block != NULL) {
        struct ks_arena_block *next = block->next;
        ks_free(arena->heap, block, sizeof *block + block->size);
        block = next;
    }
    arena->blocks = NULL;
}

/* --- one node --- */

/* rbd: one of the monitors is the same. */
static bool overlap(ks_val a, ks_val b) {
    ks_each(x, a) {
        ks_each(y, b) {
            if (ks_equal(*x, *y)) return true;
        }
    }
    return false;
}

static bool both_read_only(ks_val a, ks_val b) {
    return ks_bool_or(ks_get(a, K(readOnly)), false) && ks_bool_or(ks_get(b, K(readOnly)), false);
}

static bool same(ks_val a, ks_val b, const ks_str *key) {
    return ks_equal(ks_get(a, key), ks_get(b, key));
}

/* volume_restrictions.go: isVolumeConflict */
static bool volumes_clash(ks_val mine, ks_val theirs) {
    const ks_str *const kinds[] = {K(gcePersistentDisk), K(awsElasticBlockStore), K(iscsi), K(rbd)};
    for (int i = 0; i < 4; i++) {
        ks_val a = ks_get(mine, kinds[i]), b = ks_get(theirs, kinds[i]);
        if (!ks_exists(a) || !ks_exists(b)) continue;
        switch (i) {
        case 0:
            if (same(a, b, K(pdName)) && !both_read_only(a, b)) return true;
            break;
        case 1:
            if (same(a, b, K(volumeID))) return true;
            break;
        case 2:
            if (same(a, b, K(iqn)) && !both_read_only(a, b)) return true;
            break;
        default:
            if (overlap(ks_get(a, K(monitors)), ks_get(b, K(monitors))) && same(a, b, K(pool)) &&
                same(a, b, K(image)) && !both_read_only(a, b))
                return true;
        }
    }
    return false;
}

bool ks_sched_disks_clash(const ks_object *pod, const ks_object *other) {
    ks_each(mine, ks_get(pod->spec, K(volumes))) {
        ks_each(theirs, ks_get(other->spec, K(volumes))) {
            if (volumes_clash(*mine, *theirs)) return true;
        }
    }
    return false;
}

enum { HAS_GONE = 1, HAS_COME = 2 };

void ks_sched_disks_pod(ks_cycle *c, const ks_object *pod, int sign) {
    ks_heap *heap = c->sim->world.heap;
    if (!c->rules->legacy_disks) return;
    if (!ks_tree_del(heap, &c->moved, (ks_key){0, pod->id}))
        ks_tree_put(heap, &c->moved, (ks_key){0, pod->id},
                    (void *)(uintptr_t)(sign < 0 ? HAS_GONE : HAS_COME));
}

static bool stands_in_way(const ks_cycle *c, const ks_object *other) {
    return !ks_tree_has(&c->moved, (ks_key){0, other->id}) && ks_sched_disks_clash(c->pod, other);
}

static ks_verdict filter_legacy_disks(ks_cycle *c, const ks_object *node) {
    const ks_verdict taken = {KS_REASON_DISK, KS_PLUGIN_VOLUME_RESTRICTIONS, false};
    for (ks_walk w = ks_walk_node(ks_view(c->sim), node->name); ks_walk_next(&w);)
        if (!ks_sched_finished(w.object) && stands_in_way(c, w.object)) return taken;
    const ks_assumed *guest;
    for (ks_guests g = ks_sched_guests(c->st, node->name);
         (guest = ks_sched_next_guest(&g)) != NULL;)
        if (stands_in_way(c, guest->pod)) return taken;
    for (ks_tree_iter it = ks_tree_begin(&c->moved); ks_tree_next(&it);) {
        const ks_object *pod = (uintptr_t)it.value == HAS_COME
                                   ? ks_store_by_id(ks_view(c->sim), KS_POD, it.key.b)
                                   : NULL;
        if (pod != NULL && ks_sched_disks_clash(c->pod, pod)) return taken;
    }
    return KS_FEASIBLE;
}

/* The plugins behind those of an entry. */
static ks_verdict filter_rest(ks_cycle *c, const ks_node_info *node) {
    ks_verdict v = KS_FEASIBLE;
    if (c->rules->legacy_disks && !(c->rules->disabled >> KS_PLUGIN_VOLUME_RESTRICTIONS & 1U))
        v = filter_legacy_disks(c, node->object);
    if (v.plugin == KS_PLUGIN_NONE && c->claims.count > 0)
        v = ks_sched_filter_claims(c, node->object);
    if (v.plugin == KS_PLUGIN_NONE) v = ks_sched_filter_topology(c, node->slot);
    if (v.plugin == KS_PLUGIN_NONE && c->rules->has_policies)
        v = ks_sched_filter_policies(c, node->object);
    return v;
}

ks_verdict ks_sched_filter(ks_cycle *c, const ks_node_info *node) {
    ks_entry entry;
    ks_sched_evaluate(c->sim, c->st, c->rules, node, &entry);
    if (entry.plugin != KS_PLUGIN_NONE)
        return (ks_verdict){entry.reasons, entry.plugin, entry.unresolvable};
    return filter_rest(c, node);
}

/* Adds the pods of equal or higher priority that are nominated to the node: a copy of the node, or NULL when there are none. */
static ks_node_info *with_nominated(ks_cycle *c, const ks_node_info *node, int sign,
                                    ks_node_info *copy) {
    ks_heap *heap = c->sim->world.heap;
    const uint64_t here = ks_sched_node_word(node->object->name);
    for (ks_tree_iter it = ks_tree_from(&c->st->nominees, (ks_key){here, 0});
         ks_tree_next(&it) && it.key.a == here;) {
        if (it.key.b == c->pod->id) continue;
        const ks_object *pod = ks_store_by_id(ks_view(c->sim), KS_POD, it.key.b);
        if (pod == NULL || pod->node != NULL || ks_sched_priority(pod) < ks_sched_priority(c->pod))
            continue;
        if (sign > 0) {
            if (copy == NULL) copy = ks_sched_node_clone(heap, node);
            ks_sched_node_add(heap, copy, ks_sched_class(c->sim, c->st, pod)->rules, 1);
            c->class = ks_sched_class(c->sim, c->st, c->pod); /* reading others may have moved it */
        }
        ks_sched_topology_pod(c, pod, node->slot, sign);
        ks_sched_claims_pod(c, pod, sign);
        ks_sched_disks_pod(c, pod, sign);
    }
    return copy;
}

ks_verdict ks_sched_filter_nominated(ks_cycle *c, const ks_node_info *node) {
    if (c->st->nominated.count == 0) return ks_sched_filter(c, node);
    ks_node_info *copy = with_nominated(c, node, 1, NULL);
    if (copy == NULL) return ks_sched_filter(c, node);
    ks_verdict v = ks_sched_filter(c, copy);
    with_nominated(c, node, -1, copy);
    ks_sched_node_unref(c->sim->world.heap, copy);
    return v.plugin == KS_PLUGIN_NONE ? ks_sched_filter(c, node) : v;
}

/* --- all nodes --- */

void ks_sched_prefilter(ks_cycle *c) {
    c->claims.count = 0;
    c->claims.rwop_users = 0;
    if (ks_sched_names_conflict(c->rules)) {
        c->prefilter = "pod affinity terms conflict";
        c->plugins |= 1U << KS_PLUGIN_NODE_AFFINITY;
        return;
    }
    if (c->pod->claims) ks_sched_prefilter_claims(c);
    if (c->prefilter != NULL) return;
    ks_sched_catch_up(c->sim, c->st, c->class);
    ks_sched_prefilter_topology(c);
}

static bool has_nominees(const ks_sched *st, const ks_node_info *node) {
    if (st->nominees.count == 0) return false;
    ks_key from = {ks_sched_node_word(node->object->name), 0}, found;
    return ks_tree_ceiling(&st->nominees, from, &found, NULL) && found.a == from.a;
}

static void look_at(ks_cycle *c, const ks_node_info *node) {
    uint32_t slot = node->slot;
    ks_verdict v;
    if (has_nominees(c->st, node)) {
        v = ks_sched_filter_nominated(c, node);
    } else {
        const ks_entry *entry = ks_sched_entry(c->sim, c->st, c->class, slot);
        v = (ks_verdict){entry->reasons, entry->plugin, entry->unresolvable};
        if (v.plugin == KS_PLUGIN_NONE) v = filter_rest(c, node);
    }
    c->verdicts[slot] = v;
    c->looked[slot] = true;
    if (v.plugin == KS_PLUGIN_NONE) {
        c->feasible[c->feasible_count++] = slot;
    } else {
        c->failed_count++;
        c->plugins |= 1U << v.plugin;
    }
}

/* A nominated pod looks at its node first. */
static bool nominated_will_do(ks_cycle *c) {
    const ks_str *name = ks_str_or_null(ks_get(c->pod->status, K(nominatedNodeName)));
    int64_t slot = name == NULL || name->len == 0 ? -1 : ks_sched_slot(c->st, name);
    if (slot < 0) return false;
    look_at(c, c->st->nodes->at[slot]);
    if (c->feasible_count > 0) return true;
    c->failed_count = 0;
    return false;
}

void ks_sched_find_nodes(ks_cycle *c) {
    ks_sched *st = c->st;
    uint32_t n = st->nodes->count, want = ks_sched_enough(n);
    if (ks_sched_is_plain(c)) {
        ks_sched_walk_plainly(c);
        return;
    }
    c->feasible_count = c->failed_count = 0;
    memset(c->looked, 0, c->slots * sizeof *c->looked);
    memset(c->look, 0, c->slots * sizeof *c->look);
    if (nominated_will_do(c)) return;
    c->plugins = 0;
    const ks_roster *roster = ks_sched_roster(c->sim->world.heap, st);
    uint32_t start = n < 100 ? 0 : st->next_start % n;
    for (uint32_t i = 0, at = start; i < n && c->feasible_count < want && !c->failed;
         i++, at = at + 1 == n ? 0 : at + 1)
        look_at(c, st->nodes->at[roster->order[at]]);
    if (n >= 100) st->next_start = (start + c->feasible_count + c->failed_count) % n;
}
