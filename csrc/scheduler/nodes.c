/*
 * scheduler/nodes.c - what the scheduler keeps of each node: what it can give, what its pods take, and where it lies.
 */
#include "engine/nodes.h"
#include "scheduler/internal.h"

#include <stdlib.h>
#include <string.h>

/* --- life of a node_info --- */

void ks_sched_node_unref(ks_heap *heap, ks_node_info *node) {
    if (node == NULL || --node->refs > 0) return;
    ks_object_unref(heap, node->object);
    ks_unref(heap, node->can_extended);
    ks_unref(heap, node->extended);
    ks_tree_clear(heap, &node->ports);
    ks_free(heap, node, sizeof *node);
}

ks_node_info *ks_sched_node_clone(ks_heap *heap, const ks_node_info *node) {
    ks_node_info *copy = ks_alloc(heap, sizeof *copy);
    *copy = *node;
    copy->refs = 1;
    ks_object_ref(copy->object);
    ks_ref(copy->can_extended);
    ks_ref(copy->extended);
    copy->ports = ks_tree_copy(&node->ports);
    return copy;
}

/* --- the table --- */

void ks_sched_table_unref(ks_heap *heap, ks_node_table *table) {
    if (table == NULL || --table->refs > 0) return;
    for (uint32_t i = 0; i < table->slots; i++) ks_sched_node_unref(heap, table->at[i]);
    ks_free(heap, table->at, table->cap * sizeof *table->at);
    ks_free(heap, table->order, table->cap * sizeof *table->order);
    ks_free(heap, table, sizeof *table);
}

static ks_node_table *own_table(ks_heap *heap, ks_sched *st) {
    ks_node_table *t = st->nodes;
    if (t->refs == 1) return t;
    ks_node_table *copy = ks_alloc(heap, sizeof *copy);
    *copy = *t;
    copy->refs = 1;
    copy->at = ks_alloc_zero(heap, t->cap * sizeof *copy->at);
    copy->order = ks_alloc_zero(heap, t->cap * sizeof *copy->order);
    for (uint32_t i = 0; i < t->slots; i++) {
        copy->at[i] = t->at[i];
        if (t->at[i] != NULL) t->at[i]->refs++;
    }
    if (t->count > 0) memcpy(copy->order, t->order, t->count * sizeof *copy->order);
    ks_sched_table_unref(heap, t);
    st->nodes = copy;
    return copy;
}

/* A change of a node: what was found out about it no longer holds. */
static void note_change(ks_heap *heap, ks_sched *st, ks_node_info *node) {
    if (st->changes == NULL) {
        st->changes = ks_alloc(heap, sizeof *st->changes);
        st->changes->from = st->generation;
    }
    node->generation = ++st->generation;
    st->changes->slots[st->generation % KS_CHANGES] = node->slot;
}

ks_node_info *ks_sched_node_own(ks_heap *heap, ks_sched *st, uint32_t slot) {
    ks_node_table *table = own_table(heap, st);
    ks_node_info *node = table->at[slot];
    if (node->refs > 1) {
        table->at[slot] = ks_sched_node_clone(heap, node);
        ks_sched_node_unref(heap, node);
        node = table->at[slot];
    }
    note_change(heap, st, node);
    return node;
}

static uint64_t hash_name(const ks_str *name) { return ks_hash_text(name, 0); }

int64_t ks_sched_slot(const ks_sched *st, const ks_str *name) {
    if (name == NULL) return -1;
    for (ks_key key = {hash_name(name), 0};; key.b++) {
        uint64_t found = (uint64_t)(uintptr_t)ks_tree_get(&st->slots, key);
        if (found == 0) return -1;
        const ks_node_info *node = st->nodes->at[found - 1];
        if (node != NULL && ks_str_eq(node->object->name, name)) return (int64_t)found - 1;
    }
}

static void name_slot(ks_heap *heap, ks_sched *st, const ks_str *name, uint32_t slot) {
    ks_key key = {hash_name(name), 0};
    while (ks_tree_has(&st->slots, key)) key.b++;
    ks_tree_put(heap, &st->slots, key, (void *)(uintptr_t)(slot + 1));
}

static void forget_slot(ks_heap *heap, ks_sched *st, const ks_str *name, uint32_t slot) {
    uint64_t hash = hash_name(name);
    ks_key last = {hash, 0}, gone = {hash, 0};
    while (ks_tree_has(&st->slots, (ks_key){hash, last.b + 1})) last.b++;
    while ((uint64_t)(uintptr_t)ks_tree_get(&st->slots, gone) != (uint64_t)slot + 1) gone.b++;
    void *moved = ks_tree_get(&st->slots, last);
    ks_tree_put(heap, &st->slots, gone, moved);
    ks_tree_del(heap, &st->slots, last);
}

/* --- order: nodes of the zones by turns (backend/cache/node_tree.go: list) --- */

static const ks_str *zone_of(const ks_node_info *node, bool region) {
    const ks_str *value =
        ks_str_or_null(ks_get(node->object->labels, region ? K(topology_kubernetes_io_region)
                                                           : K(topology_kubernetes_io_zone)));
    if (value != NULL) return value;
    return ks_str_or_null(
        ks_get(node->object->labels, region ? K(failure_domain_beta_kubernetes_io_region)
                                            : K(failure_domain_beta_kubernetes_io_zone)));
}

static bool same_zone(const ks_node_info *a, const ks_node_info *b) {
    return ks_str_eq(zone_of(a, false), zone_of(b, false)) &&
           ks_str_eq(zone_of(a, true), zone_of(b, true));
}

/* A node's place in the order of walks. */
typedef struct turn_of {
    uint32_t turn; /* how many of its zone came before it */
    uint32_t zone; /* zones are numbered as their first nodes came */
    uint32_t slot;
} turn_of;

static int by_turn(const void *a, const void *b) {
    const turn_of *x = a, *y = b;
    if (x->turn != y->turn) return x->turn < y->turn ? -1 : 1;
    return x->zone < y->zone ? -1 : x->zone > y->zone;
}

static uint32_t zone_hash(const ks_node_info *node) {
    const ks_str *zone = zone_of(node, false), *region = zone_of(node, true);
    uint32_t hash = zone == NULL ? 0 : ks_hash_bytes(zone->s, zone->len);
    return hash * 31 + (region == NULL ? 0 : ks_hash_bytes(region->s, region->len));
}

/* Turn t takes the t-th node of each zone. */
static void take_turns(ks_heap *heap, ks_node_table *table, uint32_t n) {
    uint32_t size = 16, zones = 0;
    while (size < n * 2) size *= 2;
    /* A table of the zones met so far: the last node of each, and its place among `all`. */
    struct seen {
        const ks_node_info *node;
        uint32_t last;
    } *seen = ks_alloc_zero(heap, size * sizeof *seen);
    turn_of *all = ks_alloc(heap, n * sizeof *all);
    for (uint32_t i = 0; i < n; i++) {
        const ks_node_info *node = table->at[table->order[i]];
        uint32_t at = zone_hash(node) & (size - 1);
        while (seen[at].node != NULL && !same_zone(seen[at].node, node)) at = (at + 1) & (size - 1);
        all[i] = (turn_of){0, 0, table->order[i]};
        if (seen[at].node == NULL) {
            all[i].zone = zones++;
        } else {
            all[i].turn = all[seen[at].last].turn + 1;
            all[i].zone = all[seen[at].last].zone;
        }
        seen[at].node = node;
        seen[at].last = i;
    }
    qsort(all, n, sizeof *all, by_turn);
    for (uint32_t i = 0; i < n; i++) table->order[i] = all[i].slot;
    ks_free(heap, all, n * sizeof *all);
    ks_free(heap, seen, size * sizeof *seen);
}

const uint32_t *ks_sched_order(ks_heap *heap, ks_sched *st) {
    if (st->nodes->ordered) return st->nodes->order;
    ks_node_table *table = own_table(heap, st);
    uint32_t n = 0, *sorted = table->order;
    for (uint32_t i = 0; i < table->slots; i++) {
        if (table->at[i] == NULL) continue;
        uint32_t at = n++;
        for (; at > 0 && table->at[sorted[at - 1]]->arrival > table->at[i]->arrival; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = i;
    }
    bool one_zone = true;
    for (uint32_t i = 1; i < n; i++)
        one_zone = one_zone && same_zone(table->at[sorted[0]], table->at[sorted[i]]);
    if (!one_zone) take_turns(heap, table, n);
    table->ordered = true;
    return table->order;
}

/* --- roster and axes --- */

void ks_sched_roster_unref(ks_heap *heap, ks_roster *roster) {
    if (roster == NULL || --roster->refs > 0) return;
    for (uint32_t i = 0; i < roster->slots; i++) ks_str_unref(heap, roster->names[i]);
    ks_free(heap, roster->names, roster->slots * sizeof *roster->names);
    ks_free(heap, roster->order, roster->slots * sizeof *roster->order);
    ks_free(heap, roster->zone, roster->slots * sizeof *roster->zone);
    ks_free(heap, roster, sizeof *roster);
}

/* Sorts the nodes by the value that they have for a label: numbers the values from 0 on, -1 for none. Returns how many. */
static uint32_t sort_by_label(ks_heap *heap, const ks_sched *st, const ks_str *key, int32_t *out) {
    uint32_t slots = st->nodes->slots, size = 16, count = 0;
    while (size < slots * 2) size *= 2;
    /* A table of the values met so far: value and its number. */
    struct seen {
        const ks_str *value;
        int32_t number;
    } *seen = ks_alloc_zero(heap, size * sizeof *seen);
    for (uint32_t i = 0; i < slots; i++) {
        out[i] = -1;
        if (st->nodes->at[i] == NULL) continue;
        const ks_str *value = ks_str_or_null(ks_get(st->nodes->at[i]->object->labels, key));
        if (value == NULL) continue;
        uint32_t at = ks_hash_bytes(value->s, value->len) & (size - 1);
        while (seen[at].value != NULL && !ks_str_eq(seen[at].value, value))
            at = (at + 1) & (size - 1);
        if (seen[at].value == NULL) {
            seen[at].value = value;
            seen[at].number = (int32_t)count++;
        }
        out[i] = seen[at].number;
    }
    ks_free(heap, seen, size * sizeof *seen);
    return count;
}

/* The order of a walk: that of the slots where all nodes are looked at anyway. */
static void copy_order(ks_heap *heap, ks_sched *st, uint32_t *out) {
    uint32_t n = 0;
    if (st->nodes->count >= 100) {
        memcpy(out, ks_sched_order(heap, st), st->nodes->count * sizeof *out);
        return;
    }
    for (uint32_t slot = 0; slot < st->nodes->slots; slot++)
        if (st->nodes->at[slot] != NULL) out[n++] = slot;
}

ks_roster *ks_sched_roster(ks_heap *heap, ks_sched *st) {
    if (st->roster != NULL) return st->roster;
    uint32_t slots = st->nodes->slots;
    ks_roster *roster = ks_alloc(heap, sizeof *roster);
    *roster = (ks_roster){.refs = 1,
                          .slots = slots,
                          .count = st->nodes->count,
                          .names = ks_alloc(heap, slots * sizeof *roster->names),
                          .order = ks_alloc(heap, slots * sizeof *roster->order),
                          .zone = ks_alloc(heap, slots * sizeof *roster->zone)};
    copy_order(heap, st, roster->order);
    roster->zones = sort_by_label(heap, st, K(topology_kubernetes_io_zone), roster->zone);
    for (uint32_t i = 0; i < slots; i++)
        roster->names[i] =
            st->nodes->at[i] == NULL ? NULL : ks_str_ref(st->nodes->at[i]->object->name);
    st->roster = roster;
    return roster;
}

/* The set of nodes or what lies where has changed. */
static void new_topology(ks_heap *heap, ks_sched *st) {
    st->topology++;
    ks_sched_roster_unref(heap, st->roster);
    st->roster = NULL;
}

static void fill_axis(ks_heap *heap, const ks_sched *st, ks_axis *axis) {
    uint32_t slots = st->nodes->slots;
    if (axis->cap < slots) {
        axis->domain = ks_resize(heap, axis->domain, axis->cap * sizeof *axis->domain,
                                 slots * sizeof *axis->domain);
        axis->cap = slots;
    }
    axis->count = sort_by_label(heap, st, axis->key, axis->domain);
    axis->topology = st->topology;
}

static ks_axis *new_axis(ks_heap *heap, ks_sched *st, const ks_str *key) {
    ks_axis *axis = ks_alloc_zero(heap, sizeof *axis);
    axis->key = ks_str_ref(key);
    axis->topology = st->topology - 1;
    axis->next = st->axes;
    st->axes_count++;
    return st->axes = axis;
}

const ks_axis *ks_sched_axis(ks_heap *heap, ks_sched *st, const ks_str *key) {
    ks_axis *axis = st->axes;
    while (axis != NULL && axis->key != key) axis = axis->next;
    if (axis == NULL) axis = new_axis(heap, st, key);
    if (axis->topology != st->topology) fill_axis(heap, st, axis);
    return axis;
}

/* --- what pods take --- */

bool ks_sched_finished(const ks_object *pod) { return pod->phase == 'S' || pod->phase == 'F'; }

void ks_sched_node_add(ks_heap *heap, ks_node_info *node, const ks_pod_rules *rules, int sign) {
    const ks_amounts *a = &rules->amounts;
    node->cpu = ks_sched_plus(node->cpu, sign * a->cpu);
    node->memory = ks_sched_plus(node->memory, sign * a->memory);
    node->ephemeral = ks_sched_plus(node->ephemeral, sign * a->ephemeral);
    node->scored_cpu = ks_sched_plus(node->scored_cpu, sign * a->scored_cpu);
    node->scored_memory = ks_sched_plus(node->scored_memory, sign * a->scored_memory);
    node->pods += sign;
    if (a->extended.type == KS_MAP)
        node->extended = ks_sched_extended_add(heap, node->extended, a->extended, sign);
    if (rules->ports.type == KS_LIST) ks_sched_ports_take(heap, node, rules->ports, sign > 0);
}

void ks_sched_account(ks_sim *sim, ks_sched *st, const ks_object *pod, uint32_t slot, int sign) {
    ks_heap *heap = sim->world.heap;
    ks_pod_class *class = ks_sched_class(sim, st, pod);
    ks_sched_node_add(heap, ks_sched_node_own(heap, st, slot), class->rules, sign);
    ks_sched_tallies_account(sim, st, class, pod, slot, sign);
    if (ks_exists(ks_get(pod->spec, K(affinity))))
        ks_sched_groups_account(sim, st, pod, slot, sign);
}

void ks_sched_account_by_name(ks_sim *sim, ks_sched *st, const ks_object *pod, const ks_str *node,
                              int sign) {
    int64_t slot = ks_sched_slot(st, node);
    if (slot >= 0) ks_sched_account(sim, st, pod, (uint32_t)slot, sign);
}

void ks_sched_account_end(ks_sim *sim, ks_sched *st, const ks_object *old, const ks_object *pod,
                          uint32_t slot) {
    ks_pod_class *class = ks_sched_class(sim, st, pod);
    ks_sched_node_own(sim->world.heap, st, slot);
    ks_sched_tallies_account(sim, st, class, old, slot, -1);
    ks_sched_tallies_account(sim, st, class, pod, slot, 1);
}

/* --- nodes come, change and go --- */

static void read_node(ks_heap *heap, ks_node_info *node, const ks_object *object) {
    ks_object_ref(object);
    ks_object_unref(heap, node->object);
    node->object = object;
    node->unschedulable = ks_bool_or(ks_get(object->spec, K(unschedulable)), false);
    ks_val can = ks_get(object->status, K(allocatable));
    if (!ks_exists(can)) can = ks_get(object->status, K(capacity));
    ks_unref(heap, node->can_extended);
    node->can_extended = KS_NOTHING;
    node->can_cpu = node->can_memory = node->can_ephemeral = node->can_pods = 0;
    for (uint32_t i = 0; can.type == KS_MAP && i < ks_len(can); i++) {
        const ks_pair *p = ks_pair_at(can, i);
        ks_quantity q = ks_quantity_of(p->val);
        if (p->key == K(cpu))
            node->can_cpu = ks_sched_held(ks_quantity_milli(q));
        else if (p->key == K(memory))
            node->can_memory = ks_sched_held(ks_quantity_value(q));
        else if (p->key == K(ephemeral_storage))
            node->can_ephemeral = ks_sched_held(ks_quantity_value(q));
        else if (p->key == K(pods))
            node->can_pods = ks_quantity_value(q);
        else
            node->can_extended = ks_put(heap, node->can_extended, p->key,
                                        ks_int(ks_sched_held(ks_quantity_value(q))));
    }
}

/* Images count across nodes: when they, or the number of nodes, change, scores of all nodes may. */
static void touch_all(ks_heap *heap, ks_sched *st) {
    for (uint32_t i = 0; i < st->nodes->slots; i++)
        if (st->nodes->at[i] != NULL) ks_sched_node_own(heap, st, i);
}

static bool any_images(const ks_sched *st) {
    for (uint32_t i = 0; i < st->nodes->slots; i++)
        if (st->nodes->at[i] != NULL &&
            ks_len(ks_get(st->nodes->at[i]->object->status, K(images))) > 0)
            return true;
    return false;
}

static void account_pods_of(ks_sim *sim, ks_sched *st, const ks_str *node, uint32_t slot) {
    for (ks_walk w = ks_walk_node(ks_view(sim), node); ks_walk_next(&w);)
        if (!ks_sched_finished(w.object)) ks_sched_account(sim, st, w.object, slot, 1);
    const ks_assumed *assumed;
    for (ks_guests g = ks_sched_guests(st, node); (assumed = ks_sched_next_guest(&g)) != NULL;)
        ks_sched_account(sim, st, assumed->pod, slot, 1);
}

static void add_node(ks_sim *sim, ks_sched *st, const ks_object *object) {
    ks_heap *heap = sim->world.heap;
    ks_node_table *table = own_table(heap, st);
    uint32_t slot = 0;
    while (slot < table->slots && table->at[slot] != NULL) slot++;
    if (slot == table->cap) {
        uint32_t cap = table->cap == 0 ? 16 : table->cap * 2;
        table->at =
            ks_resize(heap, table->at, table->cap * sizeof *table->at, cap * sizeof *table->at);
        table->order = ks_resize(heap, table->order, table->cap * sizeof *table->order,
                                 cap * sizeof *table->order);
        table->cap = cap;
    }
    if (slot == table->slots) table->slots++;
    ks_node_info *node = ks_alloc_zero(heap, sizeof *node);
    node->refs = 1;
    node->slot = slot;
    node->arrival = ++st->sequence;
    note_change(heap, st, node);
    read_node(heap, node, object);
    table->at[slot] = node;
    table->count++;
    table->ordered = false;
    name_slot(heap, st, object->name, slot);
    new_topology(heap, st);
    ks_sched_tallies_drop(heap, st);
    st->mark = ++st->sequence;
    account_pods_of(sim, st, object->name, slot);
    if (any_images(st)) touch_all(heap, st);
}

static void remove_node(ks_sim *sim, ks_sched *st, uint32_t slot) {
    ks_heap *heap = sim->world.heap;
    const ks_str *name = ks_str_ref(st->nodes->at[slot]->object->name);
    for (ks_walk w = ks_walk_node(ks_view(sim), name); ks_walk_next(&w);)
        if (!ks_sched_finished(w.object)) ks_sched_groups_account(sim, st, w.object, slot, -1);
    const ks_assumed *assumed;
    for (ks_guests g = ks_sched_guests(st, name); (assumed = ks_sched_next_guest(&g)) != NULL;)
        ks_sched_groups_account(sim, st, assumed->pod, slot, -1);
    ks_node_table *table = own_table(heap, st);
    forget_slot(heap, st, name, slot);
    ks_sched_node_unref(heap, table->at[slot]);
    table->at[slot] = NULL;
    table->count--;
    table->ordered = false;
    new_topology(heap, st);
    ks_sched_tallies_drop(heap, st);
    if (any_images(st)) touch_all(heap, st);
    ks_str_unref(heap, name);
}

void ks_sched_node_changed(ks_sim *sim, ks_sched *st, const ks_change *change) {
    ks_heap *heap = sim->world.heap;
    const ks_object *object = change->object;
    int64_t slot = ks_sched_slot(st, object->name);
    if (change->type == KS_DELETED) {
        if (slot >= 0) remove_node(sim, st, (uint32_t)slot);
        return;
    }
    if (slot < 0) {
        add_node(sim, st, object);
        return;
    }
    const ks_object *old = st->nodes->at[slot]->object;
    bool labels = !ks_equal(old->labels, object->labels);
    bool images = !ks_equal(ks_get(old->status, K(images)), ks_get(object->status, K(images)));
    if (!labels && !images && ks_equal(old->spec, object->spec) &&
        ks_equal(ks_get(old->status, K(allocatable)), ks_get(object->status, K(allocatable))) &&
        ks_equal(ks_get(old->status, K(capacity)), ks_get(object->status, K(capacity))))
        return;
    read_node(heap, ks_sched_node_own(heap, st, (uint32_t)slot), object);
    if (labels) {
        own_table(heap, st)->ordered = false;
        new_topology(heap, st);
    }
    if (images) touch_all(heap, st);
}
