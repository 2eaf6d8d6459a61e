/*
 * scheduler/board.c - looks that depend on nothing but the class of the pod: the common case, and cheap.
 *
 * A class keeps what each node comes to for its pods (entries), the nodes that will do in the order of the walk, and their
 * totals. Placing a pod changes one node; the next look takes up that one entry (ks_sched_catch_up), its total, and then
 * runs over flat arrays for the extremes and for the best. Only when an extreme moves are all totals made again.
 * Looks that depend on more (claims that restrict nodes, affinity between pods, spreading that the pod asks for, nominated
 * pods, policies) take the way through filter.c and score.c, for which entries are the start. A policy's answers are its own
 * affair from call to call: nothing is kept of them.
 */
#include "scheduler/internal.h"

#include <math.h>
#include <string.h>

/* --- entries --- */

static size_t block_size(uint32_t cap) {
    return cap * (sizeof(ks_entry) + 3 * sizeof(int32_t) + 2 * sizeof(uint32_t) + sizeof(bool));
}

/* Lays the columns out over a block. */
static void lay_out(ks_pod_class *class, void *block, uint32_t cap) {
    class->cap = cap;
    class->entries = block;
    class->raw = (int32_t *)(class->entries + cap);
    class->total = class->raw + cap;
    class->sums = class->total + cap;
    class->feasible = (uint32_t *)(class->sums + cap);
    class->changed = class->feasible + cap;
    class->known = (bool *)(class->changed + cap);
}

void ks_sched_class_free(ks_heap *heap, ks_pod_class *class) {
    ks_sched_rules_unref(heap, class->rules);
    ks_sched_page_unref(heap, class->page);
    ks_free(heap, class->entries, block_size(class->cap));
    ks_free(heap, class, sizeof *class);
}

ks_pod_class *ks_sched_class_copy(ks_heap *heap, const ks_pod_class *class) {
    ks_pod_class *copy = ks_alloc(heap, sizeof *copy);
    *copy = *class;
    copy->refs = 1;
    copy->rules->refs++;
    if (copy->page != NULL) copy->page->refs++;
    if (class->cap == 0) return copy;
    lay_out(copy, ks_alloc(heap, block_size(class->cap)), class->cap);
    memcpy(copy->entries, class->entries, block_size(class->cap));
    return copy;
}

void ks_sched_class_reset(ks_heap *heap, ks_sched *st, ks_pod_class *class) {
    ks_sched_page_unref(heap, class->page);
    class->page = NULL;
    class->board = (ks_board){.walked = false};
    class->changed_count = 0;
    class->lost = class->uneven = false;
    class->seen = st->generation;
    if (class->cap > 0) memset(class->entries, 0, block_size(class->cap));
}

static void grow(ks_heap *heap, const ks_sched *st, ks_pod_class *class) {
    ks_pod_class old = *class;
    lay_out(class, ks_alloc_zero(heap, block_size(st->nodes->cap)), st->nodes->cap);
    class->board.walked = class->board.scored = false;
    if (old.cap == 0) return;
    memcpy(class->entries, old.entries, old.cap * sizeof *old.entries);
    memcpy(class->known, old.known, old.cap * sizeof *old.known);
    memcpy(class->changed, old.changed, old.changed_count * sizeof *old.changed);
    ks_free(heap, old.entries, block_size(old.cap));
}

void ks_sched_refresh(ks_sim *sim, ks_sched *st, ks_pod_class *class, uint32_t slot) {
    ks_entry entry, *old = &class->entries[slot];
    const ks_pod_rules *rules = class->rules;
    ks_sched_evaluate(sim, st, rules, st->nodes->at[slot], &entry);
    if (rules->spread_defaulted) {
        const ks_tally *tally = ks_sched_tally(st, rules->constraints[0].tally);
        if (tally != NULL && slot < tally->cap) entry.count = tally->counts[slot];
    }
    class->known[slot] = true;
    if (memcmp(old, &entry, sizeof entry) == 0) return;
    if (old->plugin != entry.plugin) class->board.walked = false;
    class->uneven = class->uneven || entry.taints > 0 || entry.preference > 0;
    *old = entry;
    if (class->changed_count < class->cap)
        class->changed[class->changed_count++] = slot;
    else
        class->lost = true;
}

void ks_sched_catch_up(ks_sim *sim, ks_sched *st, ks_pod_class *class) {
    const ks_node_changes *changes = st->changes;
    if (class->cap < st->nodes->cap) grow(sim->world.heap, st, class);
    if (class->seen == st->generation) return;
    if (changes == NULL || class->seen < changes->from ||
        st->generation - class->seen > KS_CHANGES) {
        memset(class->known, 0, class->cap * sizeof *class->known);
        class->board.walked = false;
    } else {
        for (uint64_t g = class->seen + 1; g <= st->generation; g++) {
            uint32_t slot = changes->slots[g % KS_CHANGES];
            /* nodes that the class has not come across may wait until it does */
            if (!class->known[slot]) continue;
            class->known[slot] = false;
            if (st->nodes->at[slot] != NULL) ks_sched_refresh(sim, st, class, slot);
        }
    }
    class->seen = st->generation;
}

/* --- which looks are plain --- */

/* A group of placed pods whose affinity bears on the pod. */
typedef struct bearing {
    ks_cycle *c;
    bool any;
} bearing;

static void bears(void *payload, const ks_group *g, uint64_t bucket) {
    bearing *b = payload;
    const ks_terms *lists[] = {&g->required, &g->required_anti, &g->preferred, &g->preferred_anti};
    for (int i = 0; i < 4; i++)
        for (uint32_t k = 0; k < lists[i]->count && !b->any; k++)
            b->any = lists[i]->items[k].bucket == bucket &&
                     ks_sched_term_matches(b->c->sim, &lists[i]->items[k], b->c->pod->ns,
                                           b->c->pod->labels);
}

static bool is_off(const ks_pod_rules *r, ks_plugin plugin) {
    return (r->disabled >> plugin & 1U) != 0;
}

bool ks_sched_is_plain(ks_cycle *c) {
    const ks_pod_rules *r = c->rules;
    if (c->st->nominated.count > 0 || r->legacy_disks || r->has_policies) return false;
    if (c->claims.count > 0 && (c->claims.restricts || c->claims.rwop_users > 0)) return false;
    if (r->constraint_count > 0 && !r->spread_defaulted && !is_off(r, KS_PLUGIN_SPREAD))
        return false;
    if (is_off(r, KS_PLUGIN_POD_AFFINITY)) return true;
    if (r->affinity.count + r->anti.count + r->preferred_affinity.count + r->preferred_anti.count >
        0)
        return false;
    bearing b = {c, false};
    if (c->st->group_terms.count > 0) ks_sched_groups_for(c->st, c->pod->labels, bears, &b);
    return !b.any;
}

/* --- the walk: which nodes will do --- */

/* numFeasibleNodesToFind. */
uint32_t ks_sched_enough(uint32_t nodes) {
    if (nodes < 100) return nodes;
    uint32_t percent = 50 - (nodes / 125 < 45 ? nodes / 125 : 45);
    uint32_t n = nodes * percent / 100;
    return n < 100 ? 100 : n;
}

static void walk(ks_cycle *c, const ks_roster *roster, uint32_t start, uint32_t want) {
    ks_pod_class *class = c->class;
    ks_board *b = &class->board;
    uint32_t n = roster->count, at = start, i = 0, found = 0, plugins = 0;
    for (; i < n && found < want; i++, at = at + 1 == n ? 0 : at + 1) {
        uint32_t slot = roster->order[at];
        const ks_entry *entry = ks_sched_entry(c->sim, c->st, class, slot);
        class->feasible[found] = slot;
        found += entry->plugin == KS_PLUGIN_NONE;
        plugins |= 1U << entry->plugin;
    }
    *b = (ks_board){.walked = true,
                    .topology = c->st->topology,
                    .start = start,
                    .end = i,
                    .count = found,
                    .plugins = plugins & ~1U};
}

void ks_sched_walk_plainly(ks_cycle *c) {
    ks_sched *st = c->st;
    const ks_roster *roster = ks_sched_roster(c->sim->world.heap, st);
    uint32_t n = roster->count, want = ks_sched_enough(n), start = n < 100 ? 0 : st->next_start % n;
    ks_board *b = &c->class->board;
    if (!b->walked || b->start != start || b->topology != st->topology)
        walk(c, roster, start, want);
    c->plain = true;
    c->feasible_count = b->count;
    c->failed_count = b->end - b->count;
    c->plugins = b->plugins;
    if (n >= 100) st->next_start = (start + b->end) % n;
    if (b->count > 0) return;
    memset(c->looked, 0, c->slots * sizeof *c->looked); /* why not is asked of the cycle */
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = roster->order[i];
        const ks_entry *e = &c->class->entries[slot];
        c->verdicts[slot] = (ks_verdict){e->reasons, e->plugin, e->unresolvable};
        c->looked[slot] = true;
    }
}

/* --- scores --- */

uint32_t ks_sched_skipped(const ks_pod_rules *r) {
    uint32_t skipped = 1U << KS_PLUGIN_POD_AFFINITY;
    if (!r->spread_soft || is_off(r, KS_PLUGIN_SPREAD)) skipped |= 1U << KS_PLUGIN_SPREAD;
    if (!r->asks_cpu_or_memory || is_off(r, KS_PLUGIN_BALANCED))
        skipped |= 1U << KS_PLUGIN_BALANCED;
    if (ks_len(r->preferred) == 0) skipped |= 1U << KS_PLUGIN_NODE_AFFINITY;
    return skipped | (r->disabled & (1U << KS_PLUGIN_FIT | 1U << KS_PLUGIN_IMAGES |
                                     1U << KS_PLUGIN_NODE_AFFINITY | 1U << KS_PLUGIN_TAINTS));
}

int32_t ks_sched_raw_spread(const ks_norms *norms, const ks_entry *entry, int32_t zone,
                            const int32_t *sums) {
    /* scoreForCount of both constraints, maxSkew 3 and 5 */
    double score = 0;
    if (entry->hostname) score += (double)entry->count * norms->host_weight + 2.0;
    if (zone >= 0) score += (double)sums[zone] * norms->zone_weight + 4.0;
    return (int32_t)(score + 0.5);
}

/* The weights: how many domains the nodes that will do lie in. And the pods by zone, of zones that one of them lies in. */
static void weigh(const ks_pod_rules *rules, const ks_roster *roster, const ks_entry *entries,
                  const uint32_t *feasible, uint32_t count, int32_t *sums, ks_norms *out) {
    out->host_weight = log((double)count + 2);
    if (roster->zones == 0) return;
    uint32_t size = 0;
    bool missing = false;
    for (uint32_t z = 0; z < roster->zones; z++) sums[z] = -1;
    for (uint32_t i = 0; i < count; i++) {
        int32_t z = roster->zone[feasible[i]];
        if (z < 0) {
            missing = true;
        } else if (sums[z] < 0) {
            sums[z] = 0;
            size++;
        }
    }
    out->zone_weight = log((double)(size + missing) + 2);
    bool honor = rules->constraints[1].honor_affinity;
    for (uint32_t slot = 0; slot < roster->slots; slot++) {
        int32_t z = roster->zone[slot];
        if (z >= 0 && sums[z] >= 0 && (entries[slot].affinity_ok || !honor))
            sums[z] += entries[slot].count;
    }
}

static bool spreads(const ks_pod_rules *rules) {
    return rules->spread_soft && !is_off(rules, KS_PLUGIN_SPREAD);
}

/* The extremes of raw values, and how many nodes have them. */
static void find_extremes(const uint32_t *feasible, uint32_t count, const int32_t *raw,
                          ks_norms *out, uint32_t *least, uint32_t *most) {
    int32_t min = INT32_MAX, max = 0;
    uint32_t at_min = 0, at_max = 0;
    for (uint32_t i = 0; i < count; i++) {
        int32_t value = raw[feasible[i]];
        if (value <= min) {
            at_min = value < min ? 1 : at_min + 1;
            min = value;
        }
        if (value >= max) {
            at_max = value > max ? 1 : at_max + 1;
            max = value;
        }
    }
    out->min_spread = min;
    out->max_spread = max;
    *least = at_min;
    *most = at_max;
}

/* The extremes of what entries say. */
static void find_most(const ks_entry *entries, const uint32_t *feasible, uint32_t count,
                      ks_norms *out) {
    out->max_taints = 0;
    out->max_preference = 0;
    for (uint32_t i = 0; i < count; i++) {
        const ks_entry *e = &entries[feasible[i]];
        if (e->taints > out->max_taints) out->max_taints = e->taints;
        if (e->preference > out->max_preference) out->max_preference = e->preference;
    }
}

static void make_raws(const ks_roster *roster, const ks_entry *entries, const uint32_t *feasible,
                      uint32_t count, int32_t *raw, const int32_t *sums, const ks_norms *norms) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = feasible[i];
        int32_t zone = roster->zones == 0 ? -1 : roster->zone[slot];
        raw[slot] = ks_sched_raw_spread(norms, &entries[slot], zone, sums);
    }
}

void ks_sched_norms(const ks_pod_rules *rules, const ks_roster *roster, const ks_entry *entries,
                    const uint32_t *feasible, uint32_t count, int32_t *raw, int32_t *sums,
                    ks_norms *out) {
    uint32_t least, most;
    *out = (ks_norms){.max_taints = 0};
    find_most(entries, feasible, count, out);
    if (!spreads(rules)) {
        for (uint32_t i = 0; i < count; i++) raw[feasible[i]] = 0;
        return;
    }
    weigh(rules, roster, entries, feasible, count, sums, out);
    make_raws(roster, entries, feasible, count, raw, sums, out);
    find_extremes(feasible, count, raw, out, &least, &most);
}

static inline ks_look_node grade(const ks_pod_rules *rules, const ks_norms *n, const ks_entry *e,
                                 int32_t raw) {
    int64_t spread = 0;
    if (spreads(rules))
        spread = n->max_spread == 0
                     ? 100
                     : 100 * ((int64_t)n->max_spread + n->min_spread - raw) / n->max_spread;
    return (ks_look_node){
        .scored = true,
        .taints = n->max_taints == 0 ? 100 : (uint8_t)(100 - 100 * e->taints / n->max_taints),
        .affinity = n->max_preference == 0 ? 0 : (uint8_t)(100 * e->preference / n->max_preference),
        .fit = is_off(rules, KS_PLUGIN_FIT) ? 0 : e->fit,
        .spread = (uint8_t)spread,
        .balanced = is_off(rules, KS_PLUGIN_BALANCED) ? 0 : e->balanced,
        .images = is_off(rules, KS_PLUGIN_IMAGES) ? 0 : e->images};
}

ks_look_node ks_sched_grade(const ks_pod_rules *rules, const ks_norms *norms, const ks_entry *entry,
                            int32_t raw) {
    return grade(rules, norms, entry, raw);
}

/* --- the choice --- */

static int32_t total_of(const ks_pod_class *class, uint32_t slot, uint32_t skipped) {
    ks_look_node look =
        grade(class->rules, &class->board.norms, &class->entries[slot], class->raw[slot]);
    return ks_sched_total(&look, skipped);
}

/* Where zones count, their sums take in nodes that the walk did not come to. */
static void know_all(ks_cycle *c, const ks_roster *roster) {
    ks_pod_class *class = c->class;
    const ks_tally *tally = ks_sched_tally(c->st, class->rules->constraints[0].tally);
    for (uint32_t slot = 0; slot < roster->slots; slot++)
        if (!class->known[slot] && roster->names[slot] != NULL &&
            (class->entries[slot].count != 0 ||
             (tally != NULL && slot < tally->cap && tally->counts[slot] != 0)))
            ks_sched_refresh(c->sim, c->st, class, slot);
}

/* A node that will do has another raw value: whether an extreme is left without a node. */
static bool move_raw(ks_board *b, int32_t *raw, int32_t now) {
    ks_norms *n = &b->norms;
    int32_t was = *raw;
    *raw = now;
    b->least -= was == n->min_spread;
    b->most -= was == n->max_spread;
    if (now < n->min_spread || now > n->max_spread) return true;
    b->least += now == n->min_spread;
    b->most += now == n->max_spread;
    return b->least == 0 || b->most == 0;
}

static void move_total(ks_board *b, int32_t *total, int32_t now) {
    b->equal -= *total == b->best;
    b->equal += now == b->best;
    if (now > b->best) {
        b->best = now;
        b->equal = 1;
    }
    *total = now;
}

static bool same_norms(const ks_norms *x, const ks_norms *y) {
    return x->max_taints == y->max_taints && x->max_preference == y->max_preference &&
           x->min_spread == y->min_spread && x->max_spread == y->max_spread &&
           x->host_weight == y->host_weight && x->zone_weight == y->zone_weight;
}

/* Takes up the entries that have changed since the totals were right. False: an extreme has moved, and so have all totals. */
static bool score_changed(ks_pod_class *class, uint32_t skipped) {
    ks_board *b = &class->board;
    const ks_norms before = b->norms;
    bool lost = false;
    for (uint32_t i = 0; i < class->changed_count && spreads(class->rules); i++) {
        uint32_t slot = class->changed[i];
        if (class->raw[slot] < 0) continue;
        int32_t raw = ks_sched_raw_spread(&b->norms, &class->entries[slot], -1, NULL);
        lost = move_raw(b, &class->raw[slot], raw) || lost;
    }
    if (lost) find_extremes(class->feasible, b->count, class->raw, &b->norms, &b->least, &b->most);
    if (class->uneven) find_most(class->entries, class->feasible, b->count, &b->norms);
    if (!same_norms(&before, &b->norms)) return false;
    for (uint32_t i = 0; i < class->changed_count; i++) {
        uint32_t slot = class->changed[i];
        if (class->raw[slot] >= 0)
            move_total(b, &class->total[slot], total_of(class, slot, skipped));
    }
    return true;
}

static void find_best(ks_pod_class *class) {
    ks_board *b = &class->board;
    b->best = INT32_MIN;
    b->equal = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        int32_t total = class->total[class->feasible[i]];
        if (total > b->best) {
            b->best = total;
            b->equal = 0;
        }
        b->equal += total == b->best;
    }
}

/* Brings raw values, norms and totals up to date. */
static void score(ks_cycle *c, const ks_roster *roster) {
    ks_pod_class *class = c->class;
    ks_board *b = &class->board;
    const ks_pod_rules *rules = class->rules;
    uint32_t skipped = ks_sched_skipped(rules);
    bool zoned = spreads(rules) && roster->zones > 0;
    if (b->scored && !class->lost && !zoned && score_changed(class, skipped)) {
        if (b->equal == 0) find_best(class);
        return;
    }
    if (zoned && b->end < roster->count) know_all(c, roster);
    if (zoned || !b->scored || class->lost) {
        memset(class->raw, 0xff, class->cap * sizeof *class->raw);
        ks_sched_norms(rules, roster, class->entries, class->feasible, b->count, class->raw,
                       class->sums, &b->norms);
        if (spreads(rules) && !zoned)
            find_extremes(class->feasible, b->count, class->raw, &b->norms, &b->least, &b->most);
    }
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t slot = class->feasible[i];
        class->total[slot] = total_of(class, slot, skipped);
    }
    find_best(class);
    b->scored = true;
}

uint32_t ks_sched_choose_plainly(ks_cycle *c) {
    ks_pod_class *class = c->class;
    ks_board *b = &class->board;
    if (b->count == 1) {
        b->scored = false;
        return class->feasible[0];
    }
    score(c, ks_sched_roster(c->sim->world.heap, c->st));
    uint32_t pick = b->equal == 1 ? 0 : ks_choose(&c->sim->world, KS_CHOOSE_TIE, b->equal);
    const uint32_t *at = class->feasible;
    for (;; at++)
        if (class->total[*at] == b->best && pick-- == 0) return *at;
}
