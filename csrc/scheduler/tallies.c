/*
 * scheduler/tallies.c - how many pods on each node a list of terms matches, kept up to date pod by pod.
 *
 * A tally is found by one label that all of its pods have (bucket: hash of name and value, and of the namespace if they are all in one; 0
 * when its selectors demand none), so that a pod's change looks at the tallies that its own labels name, not at all. Groups count the
 * pods that have one and the same affinity: their terms bear on pods that come later.
 */
#include "scheduler/internal.h"

#include <string.h>

enum { MAX_TALLY_BYTES = 32 * 1024 * 1024 };

/* --- counting and copying --- */

static void tally_ref(void *value) { ((ks_tally *)value)->refs++; }
static void tally_unref(ks_heap *heap, void *value) {
    ks_tally *t = value;
    if (--t->refs > 0) return;
    ks_str_unref(heap, t->ns);
    for (uint32_t i = 0; i < t->count; i++) ks_sched_term_dispose(heap, &t->terms[i]);
    ks_free(heap, t->terms, t->count * sizeof *t->terms);
    ks_free(heap, t->counts, t->cap * sizeof *t->counts);
    ks_free(heap, t, sizeof *t);
}
const ks_tree_type ks_sched_tallies_type = {NULL, NULL, NULL, tally_ref, tally_unref};

static void group_ref(void *value) { ((ks_group *)value)->refs++; }
static void group_unref(ks_heap *heap, void *value) {
    ks_group *g = value;
    if (--g->refs > 0) return;
    ks_unref(heap, g->affinity);
    ks_str_unref(heap, g->ns);
    ks_sched_terms_dispose(heap, &g->required);
    ks_sched_terms_dispose(heap, &g->required_anti);
    ks_sched_terms_dispose(heap, &g->preferred);
    ks_sched_terms_dispose(heap, &g->preferred_anti);
    ks_free(heap, g->counts, g->cap * sizeof *g->counts);
    ks_free(heap, g, sizeof *g);
}
const ks_tree_type ks_sched_groups_type = {NULL, NULL, NULL, group_ref, group_unref};

static int32_t *copy_counts(ks_heap *heap, const int32_t *counts, uint32_t cap) {
    int32_t *copy = ks_alloc(heap, cap * sizeof *copy);
    if (cap > 0) memcpy(copy, counts, cap * sizeof *copy);
    return copy;
}

static void reserve(ks_heap *heap, int32_t **counts, uint32_t *cap, uint32_t slot) {
    if (*counts != NULL && slot < *cap) return;
    uint32_t more = slot + 1 < 16 ? 16 : (slot + 1) * 2;
    *counts = ks_resize(heap, *counts, *cap * sizeof **counts, more * sizeof **counts);
    memset(*counts + *cap, 0, (more - *cap) * sizeof **counts);
    *cap = more;
}

static void reserve_tally(ks_heap *heap, ks_sched *st, ks_tally *t, uint32_t slot) {
    uint32_t before = t->cap;
    reserve(heap, &t->counts, &t->cap, slot);
    st->tally_bytes += (t->cap - before) * sizeof *t->counts;
}

/* The tally at a key, this state's own. */
static ks_tally *own_tally(ks_heap *heap, ks_sched *st, ks_key key) {
    void **slot = ks_tree_slot(heap, &st->tallies, key);
    ks_tally *t = *slot;
    if (t->refs == 1) return t;
    ks_tally *copy = ks_alloc(heap, sizeof *copy);
    *copy = *t;
    copy->refs = 1;
    ks_str_ref(t->ns);
    copy->terms = ks_alloc(heap, t->count * sizeof *copy->terms);
    for (uint32_t i = 0; i < t->count; i++) ks_sched_term_copy(heap, &copy->terms[i], &t->terms[i]);
    copy->counts = copy_counts(heap, t->counts, t->cap);
    tally_unref(heap, t);
    *slot = copy;
    return copy;
}

/* --- buckets --- */

/* Labels that each pod of a StatefulSet has its own value of share one bucket: so many values are not worth counting. */
enum { PER_POD_BUCKET = 1 };

/* Whether a label selector asks for such a label. */
static bool selects_by_pod(ks_val selector) {
    ks_val labels = ks_get(selector, K(matchLabels));
    for (uint32_t i = 0; i < ks_len(labels); i++)
        if (ks_is_own_label(ks_pair_at(labels, i)->key)) return true;
    ks_each(e, ks_get(selector, K(matchExpressions))) {
        if (ks_is_own_label(ks_str_or_null(ks_get(*e, K(key))))) return true;
    }
    return false;
}

static uint64_t pair_hash(const ks_str *key, const ks_str *value) {
    if (ks_is_own_label(key)) return PER_POD_BUCKET;
    uint64_t hash = key->interned ? key->hash : ks_hash_bytes(key->s, key->len);
    return (hash << 32 | ks_hash_text(value, 0) >> 32) + 2;
}

/* A label that every pod of the selector has, as a bucket; 0: none. */
uint64_t ks_sched_bucket(ks_val selector) {
    ks_val labels = ks_get(selector, K(matchLabels));
    if (ks_len(labels) > 0) {
        const ks_pair *p = ks_pair_at(labels, 0);
        if (p->val.type == KS_STRING) return pair_hash(p->key, p->val.s);
    }
    ks_each(e, ks_get(selector, K(matchExpressions))) {
        ks_val values = ks_get(*e, K(values));
        const ks_str *key = ks_str_or_null(ks_get(*e, K(key)));
        if (key != NULL && ks_text_is(ks_get(*e, K(operator)), "In") && ks_len(values) == 1)
            return pair_hash(key, ks_str_or_null(ks_at(values, 0)));
    }
    return 0;
}

/* The same label in one namespace. */
static uint64_t in_namespace(uint64_t bucket, const ks_str *ns) {
    return ns == NULL || bucket <= PER_POD_BUCKET ? bucket : bucket ^ (ks_hash_text(ns, 0) | 1);
}

uint64_t ks_sched_label_bucket(const ks_str *ns, const ks_pair *label) {
    const ks_str *value = ks_str_or_null(label->val);
    if (value == NULL) return 0;
    return (ks_hash_text(label->key, 0) ^ ks_hash_text(ns, 0) * 3) + ks_hash_text(value, 0) * 5;
}

static uint64_t tally_bucket(const ks_str *ns, const ks_term *items, uint32_t count) {
    uint64_t bucket = 0;
    for (uint32_t i = 0; i < count && bucket == 0; i++)
        bucket = ks_sched_bucket(items[i].selector_doc);
    return in_namespace(bucket, ns);
}

/* Whether there may be a pod that all selectors mean: somebody has each of the labels that they want. */
static bool anybody_has(const ks_sched *st, const ks_term *items, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        ks_val labels = ks_get(items[i].selector_doc, K(matchLabels));
        for (uint32_t k = 0; k < ks_len(labels); k++) {
            const ks_pair *p = ks_pair_at(labels, k);
            if (p->val.type != KS_STRING) continue;
            uint64_t pair = pair_hash(p->key, p->val.s);
            if (pair != PER_POD_BUCKET && !ks_tree_has(&st->pairs, (ks_key){0, pair})) return false;
        }
    }
    return true;
}

/* Whether a pod counts in a tally, were it alive. */
static bool means(ks_sim *sim, const ks_tally *t, const ks_object *pod) {
    if (t->ns != NULL && !ks_str_eq(t->ns, pod->ns)) return false;
    for (uint32_t i = 0; i < t->count; i++) {
        const ks_term *term = &t->terms[i];
        if (t->ns != NULL
                ? term->selector == NULL || !ks_selector_matches(term->selector, pod->labels)
                : !ks_sched_own_term_matches(sim, term, pod->ns, pod->labels))
            return false;
    }
    return true;
}

bool ks_sched_tally_means(ks_sim *sim, const ks_tally *t, const ks_object *pod) {
    return !(t->living && ks_object_terminating(pod)) && means(sim, t, pod);
}

static void add_to(ks_heap *heap, ks_sched *st, ks_key key, uint32_t slot, int sign) {
    ks_tally *t = own_tally(heap, st, key);
    reserve_tally(heap, st, t, slot);
    t->counts[slot] += sign;
}

/* A pod that counts, or not any more. */
typedef struct counting {
    ks_sim *sim;
    ks_sched *st;
    const ks_object *pod;
    uint32_t slot;
    int sign;
    ks_pod_class *class; /* NULL: count; else note the tallies in the class */
} counting;

/* The tallies of a bucket that mean the pod. */
static void look_into(const counting *c, uint64_t bucket) {
    ks_key key = {bucket, 0};
    void *value;
    for (bool more = ks_tree_ceiling(&c->st->tallies, key, &key, &value); more && key.a == bucket;
         more = ks_tree_higher(&c->st->tallies, key, &key, &value)) {
        if (c->class == NULL) {
            if (key.b <= c->st->mark && ks_sched_tally_means(c->sim, value, c->pod))
                add_to(c->sim->world.heap, c->st, key, c->slot, c->sign);
        } else if (means(c->sim, value, c->pod)) {
            if (c->class->tally_count < KS_CLASS_TALLIES)
                c->class->tally_keys[c->class->tally_count] = key;
            c->class->tally_count++;
        }
    }
}

/* All tallies that a pod may count in are in the buckets of its labels. */
static void look_into_all(const counting *c) {
    bool per_pod = false;
    look_into(c, 0);
    for (uint32_t i = 0; c->pod->labels.type == KS_MAP && i < ks_len(c->pod->labels); i++) {
        const ks_pair *p = ks_pair_at(c->pod->labels, i);
        if (p->val.type != KS_STRING) continue;
        uint64_t pair = pair_hash(p->key, p->val.s);
        if (pair == PER_POD_BUCKET) {
            if (per_pod) continue;
            per_pod = true;
        } else {
            look_into(c, in_namespace(pair, c->pod->ns));
        }
        look_into(c, pair);
    }
}

static void account_pair(ks_heap *heap, ks_sched *st, uint64_t pair, int sign) {
    ks_key key = {0, pair};
    void **slot = ks_tree_slot(heap, &st->pairs, key);
    uint64_t count = slot == NULL ? 0 : (uint64_t)(uintptr_t)*slot;
    count = sign > 0 ? count + 1 : count - (count > 0);
    if (count == 0)
        ks_tree_del(heap, &st->pairs, key);
    else if (slot == NULL)
        ks_tree_put(heap, &st->pairs, key, (void *)(uintptr_t)count);
    else
        *slot = (void *)(uintptr_t)count;
}

void ks_sched_pairs_account(ks_heap *heap, ks_sched *st, const ks_object *pod, int sign) {
    for (uint32_t i = 0; pod->labels.type == KS_MAP && i < ks_len(pod->labels); i++) {
        const ks_pair *p = ks_pair_at(pod->labels, i);
        if (p->val.type != KS_STRING) continue;
        uint64_t pair = pair_hash(p->key, p->val.s);
        if (pair != PER_POD_BUCKET) account_pair(heap, st, pair, sign);
    }
}

void ks_sched_tallies_account(ks_sim *sim, ks_sched *st, ks_pod_class *class, const ks_object *pod,
                              uint32_t slot, int sign) {
    if (st->tallies.count == 0) return;
    counting c = {sim, st, pod, slot, sign, NULL};
    if (st->tallies_by_pod > 0) {
        look_into_all(&c);
        return;
    }
    if (class->tallies != st->tally_set) {
        c.class = class;
        class->tally_count = 0;
        class->tallies = st->tally_set;
        look_into_all(&c);
        c.class = NULL;
    }
    if (class->tally_count > KS_CLASS_TALLIES) {
        look_into_all(&c);
        return;
    }
    for (uint32_t i = 0; i < class->tally_count; i++) {
        ks_key key = class->tally_keys[i];
        const ks_tally *t = ks_tree_get(&st->tallies, key);
        if (key.b <= st->mark && !(t->living && ks_object_terminating(pod)))
            add_to(sim->world.heap, st, key, slot, sign);
    }
}

void ks_sched_tallies_drop(ks_heap *heap, ks_sched *st) {
    ks_tree_clear(heap, &st->tallies);
    st->tally_epoch++;
    st->tally_set++;
    st->tallies_by_pod = 0;
    st->tally_bytes = 0;
}

static void count_one(ks_sim *sim, ks_sched *st, ks_tally *t, const ks_object *pod,
                      const ks_str *node) {
    if (ks_sched_finished(pod) || !ks_sched_tally_means(sim, t, pod)) return;
    int64_t slot = ks_sched_slot(st, node);
    if (slot < 0) return;
    reserve_tally(sim->world.heap, st, t, (uint32_t)slot);
    t->counts[slot]++;
}

/* All pods that a tally may mean, and maybe others. */
static ks_walk walk_meant(ks_sim *sim, const ks_tally *t) {
    for (uint32_t i = 0; i < t->count && t->ns != NULL; i++) {
        ks_val labels = ks_get(t->terms[i].selector_doc, K(matchLabels));
        if (ks_len(labels) > 0) return ks_walk_labelled(ks_view(sim), t->ns, ks_pair_at(labels, 0));
    }
    return ks_walk_kind(ks_view(sim), KS_POD, t->ns);
}

/* Counts the pods that have a node already, and those that are assumed to have one. */
static void count_all(ks_sim *sim, ks_sched *st, ks_tally *t) {
    for (ks_walk w = walk_meant(sim, t); ks_walk_next(&w);)
        if (w.object->node != NULL && ks_sched_assumed(st, w.object->id) == NULL)
            count_one(sim, st, t, w.object, w.object->node);
    for (ks_tree_iter it = ks_tree_begin(&st->assumed); ks_tree_next(&it);) {
        const ks_assumed *assumed = it.value;
        count_one(sim, st, t, assumed->pod, assumed->node);
    }
}

static bool same_term(const ks_tally *t, const ks_term *a, const ks_term *b) {
    if ((a->selector == NULL) != (b->selector == NULL) ||
        !ks_equal(a->selector_doc, b->selector_doc))
        return false;
    if (t->ns != NULL) return true;
    return ks_str_eq(a->ns, b->ns) && ks_equal(a->namespaces, b->namespaces) &&
           a->ns_selector == NULL && b->ns_selector == NULL;
}

static bool same_tally(const ks_tally *t, const ks_str *ns, const ks_term *items, uint32_t count,
                       bool living) {
    if (!ks_str_eq(t->ns, ns) || t->count != count || t->living != living) return false;
    for (uint32_t i = 0; i < count; i++)
        if (!same_term(t, &t->terms[i], &items[i])) return false;
    return true;
}

ks_key ks_sched_tally_of(ks_sim *sim, ks_sched *st, const ks_str *ns, ks_term *items,
                         uint32_t count, bool living) {
    ks_heap *heap = sim->world.heap;
    uint64_t bucket = tally_bucket(ns, items, count);
    ks_key key = {bucket, 0};
    void *value;
    for (bool more = ks_tree_ceiling(&st->tallies, key, &key, &value); more && key.a == bucket;
         more = ks_tree_higher(&st->tallies, key, &key, &value)) {
        if (!same_tally(value, ns, items, count, living)) continue;
        for (uint32_t i = 0; i < count; i++) ks_sched_term_dispose(heap, &items[i]);
        return key;
    }
    if (st->tally_bytes >= MAX_TALLY_BYTES) ks_sched_tallies_drop(heap, st);
    ks_tally *t = ks_alloc_zero(heap, sizeof *t);
    *t = (ks_tally){.refs = 1, .ns = ks_str_ref(ns), .count = count, .living = living};
    t->terms = ks_alloc(heap, count * sizeof *t->terms);
    memcpy(t->terms, items, count * sizeof *t->terms);
    for (uint32_t i = 0; i < count; i++)
        t->by_pod = t->by_pod || selects_by_pod(items[i].selector_doc);
    st->tally_bytes += sizeof *t + count * sizeof *t->terms;
    if (anybody_has(st, items, count)) count_all(sim, st, t);
    key = (ks_key){bucket, ++st->sequence};
    ks_tree_put(heap, &st->tallies, key, t);
    st->tally_set++;
    st->tallies_by_pod += t->by_pod;
    return key;
}

const ks_tally *ks_sched_tally(ks_sched *st, ks_key key) { return ks_tree_get(&st->tallies, key); }

/* --- groups of pods with one affinity --- */

uint64_t ks_sched_hash_val(ks_val v) {
    uint64_t hash = (uint64_t)v.type * UINT64_C(0x9e3779b97f4a7c15);
    switch (v.type) {
    case KS_BOOL: return hash + v.b;
    case KS_INT: return hash + (uint64_t)v.i * UINT64_C(0xbf58476d1ce4e5b9);
    case KS_STRING: return hash + ks_hash_bytes(v.s->s, v.s->len);
    case KS_LIST:
        ks_each(item, v) hash = (hash ^ ks_sched_hash_val(*item)) * UINT64_C(0x100000001b3);
        return hash;
    case KS_MAP:
        for (uint32_t i = 0; i < ks_len(v); i++) {
            const ks_pair *p = ks_pair_at(v, i);
            hash = (hash ^ ks_hash_bytes(p->key->s, p->key->len)) * UINT64_C(0x100000001b3);
            hash = (hash ^ ks_sched_hash_val(p->val)) * UINT64_C(0x100000001b3);
        }
        return hash;
    default: return hash;
    }
}

/* Enters a group's terms into the index of terms, or takes them out. */
static void index_terms(ks_heap *heap, ks_sched *st, const ks_terms *terms, ks_key group,
                        bool enter) {
    for (uint32_t i = 0; i < terms->count; i++) {
        ks_key key = {terms->items[i].bucket, group.b};
        if (enter)
            ks_tree_put(heap, &st->group_terms, key, (void *)(uintptr_t)group.a);
        else
            ks_tree_del(heap, &st->group_terms, key);
    }
}

static void index_group(ks_heap *heap, ks_sched *st, const ks_group *g, ks_key key, bool enter) {
    index_terms(heap, st, &g->required, key, enter);
    index_terms(heap, st, &g->required_anti, key, enter);
    index_terms(heap, st, &g->preferred, key, enter);
    index_terms(heap, st, &g->preferred_anti, key, enter);
}

static void visit_bucket(const ks_sched *st, uint64_t bucket,
                         void (*visit)(void *, const ks_group *, uint64_t), void *payload) {
    for (ks_tree_iter it = ks_tree_from(&st->group_terms, (ks_key){bucket, 0});
         ks_tree_next(&it) && it.key.a == bucket;) {
        const ks_group *g =
            ks_tree_get(&st->groups, (ks_key){(uint64_t)(uintptr_t)it.value, it.key.b});
        if (g != NULL) visit(payload, g, bucket);
    }
}

void ks_sched_groups_for(const ks_sched *st, ks_val labels,
                         void (*visit)(void *, const ks_group *, uint64_t), void *payload) {
    if (st->group_terms.count == 0) return;
    bool per_pod = false;
    visit_bucket(st, 0, visit, payload);
    for (uint32_t i = 0; labels.type == KS_MAP && i < ks_len(labels); i++) {
        const ks_pair *p = ks_pair_at(labels, i);
        if (p->val.type != KS_STRING) continue;
        uint64_t bucket = pair_hash(p->key, p->val.s);
        if (bucket == PER_POD_BUCKET && per_pod) continue;
        per_pod = per_pod || bucket == PER_POD_BUCKET;
        visit_bucket(st, bucket, visit, payload);
    }
}

static ks_group *own_group(ks_heap *heap, ks_sched *st, ks_key key, ks_val affinity,
                           const ks_str *ns) {
    void **slot = ks_tree_slot(heap, &st->groups, key);
    ks_group *g = *slot;
    if (g->refs == 1) return g;
    ks_group *copy = ks_alloc_zero(heap, sizeof *copy);
    *copy = (ks_group){.refs = 1,
                       .affinity = ks_ref(affinity),
                       .ns = ks_str_ref(ns),
                       .total = g->total,
                       .cap = g->cap};
    ks_val aff = ks_get(affinity, K(podAffinity)), anti = ks_get(affinity, K(podAntiAffinity));
    ks_sched_terms_read(heap, &copy->required,
                        ks_get(aff, K(requiredDuringSchedulingIgnoredDuringExecution)), ns, false);
    ks_sched_terms_read(heap, &copy->required_anti,
                        ks_get(anti, K(requiredDuringSchedulingIgnoredDuringExecution)), ns, false);
    ks_sched_terms_read(heap, &copy->preferred,
                        ks_get(aff, K(preferredDuringSchedulingIgnoredDuringExecution)), ns, true);
    ks_sched_terms_read(heap, &copy->preferred_anti,
                        ks_get(anti, K(preferredDuringSchedulingIgnoredDuringExecution)), ns, true);
    copy->counts = g->cap == 0 ? NULL : copy_counts(heap, g->counts, g->cap);
    *slot = copy;
    group_unref(heap, g);
    return copy;
}

/* The group of an affinity; made when there is none and `make`. */
static bool find_group(ks_heap *heap, ks_sched *st, ks_val affinity, const ks_str *ns, bool make,
                       ks_key *key) {
    uint64_t hash = ks_sched_hash_val(affinity) ^ ks_hash_bytes(ns->s, ns->len);
    void *value;
    *key = (ks_key){hash, 0};
    for (bool more = ks_tree_ceiling(&st->groups, *key, key, &value); more && key->a == hash;
         more = ks_tree_higher(&st->groups, *key, key, &value)) {
        const ks_group *g = value;
        if (ks_str_eq(g->ns, ns) && ks_equal(g->affinity, affinity)) return true;
    }
    if (!make) return false;
    *key = (ks_key){hash, ++st->sequence};
    ks_group *shell = ks_alloc_zero(heap, sizeof *shell);
    *shell = (ks_group){.refs = 2}; /* not owned: own_group fills in a copy */
    ks_tree_put(heap, &st->groups, *key, shell);
    index_group(heap, st, own_group(heap, st, *key, affinity, ns), *key, true);
    group_unref(heap, shell);
    return true;
}

void ks_sched_groups_account(ks_sim *sim, ks_sched *st, const ks_object *pod, uint32_t slot,
                             int sign) {
    ks_heap *heap = sim->world.heap;
    ks_val affinity = ks_get(pod->spec, K(affinity));
    if (!ks_exists(ks_get(affinity, K(podAffinity))) &&
        !ks_exists(ks_get(affinity, K(podAntiAffinity))))
        return;
    ks_key key;
    if (!find_group(heap, st, affinity, pod->ns, sign > 0, &key)) return;
    const ks_group *read = ks_tree_get(&st->groups, key);
    ks_group *g = own_group(heap, st, key, read->affinity, read->ns);
    reserve(heap, &g->counts, &g->cap, slot);
    g->counts[slot] += sign;
    g->total += sign;
    if (g->total > 0) return;
    index_group(heap, st, g, key, false);
    ks_tree_del(heap, &st->groups, key);
}
