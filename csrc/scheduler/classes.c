/*
 * scheduler/classes.c - classes of pods: those alike in all that placing them depends on share compiled rules and, per node,
 * what the rules came to. A class is found by the pod's controller and its namespace; what differs (a StatefulSet's pod names,
 * claims) is left out of the comparison.
 */
#include "scheduler/internal.h"

#include <string.h>

/* What classes may take in memory, more or less. */
enum { MAX_CLASS_BYTES = 32 * 1024 * 1024 };

/* --- life --- */

static void free_keys(ks_heap *heap, ks_key *keys, uint32_t count) {
    ks_free(heap, keys, count * sizeof *keys);
}

void ks_sched_rules_unref(ks_heap *heap, ks_pod_rules *r) {
    if (r == NULL || --r->refs > 0) return;
    ks_str_unref(heap, r->ns);
    ks_str_unref(heap, r->scheduler);
    ks_str_unref(heap, r->owner_uid);
    ks_unref(heap, r->labels);
    ks_unref(heap, r->spec);
    ks_unref(heap, r->ports);
    ks_sched_amounts_dispose(heap, &r->amounts);
    for (uint32_t i = 0; i < r->constraint_count; i++) {
        ks_str_unref(heap, r->constraints[i].key);
        ks_selector_unref(heap, r->constraints[i].selector);
    }
    ks_free(heap, r->constraints, r->constraint_count * sizeof *r->constraints);
    free_keys(heap, r->anti_tallies, r->anti.count);
    free_keys(heap, r->preferred_tallies, r->preferred_affinity.count);
    free_keys(heap, r->preferred_anti_tallies, r->preferred_anti.count);
    ks_sched_terms_dispose(heap, &r->affinity);
    ks_sched_terms_dispose(heap, &r->anti);
    ks_sched_terms_dispose(heap, &r->preferred_affinity);
    ks_sched_terms_dispose(heap, &r->preferred_anti);
    ks_free(heap, r, sizeof *r);
}

static void class_ref(void *value) { ((ks_pod_class *)value)->refs++; }
static void class_unref(ks_heap *heap, void *value) {
    ks_pod_class *class = value;
    if (--class->refs == 0) ks_sched_class_free(heap, class);
}
const ks_tree_type ks_sched_classes_type = {NULL, NULL, NULL, class_ref, class_unref};

/* The class at a key, this state's own: what was worked out for nodes is not shared with forks. */
static ks_pod_class *own_class(ks_heap *heap, ks_sched *st, ks_key key) {
    void **slot = ks_tree_slot(heap, &st->classes, key);
    ks_pod_class *class = *slot;
    if (class->refs == 1) return class;
    ks_pod_class *copy = ks_sched_class_copy(heap, class);
    class_unref(heap, class);
    *slot = copy;
    return copy;
}

/* --- comparing --- */

/* The very same value; others may be equal. */
static inline bool same_value(ks_val a, ks_val b) {
    return a.type == b.type && (a.type <= KS_NULL || a.i == b.i);
}

static bool same_labels(const ks_sched *st, ks_val a, ks_val b) {
    if (a.type == KS_MAP && b.type == KS_MAP && a.m == b.m) return true;
    if (st->pod_name_selectors > 0) return ks_equal(a, b);
    uint32_t i = 0, j = 0, n = ks_len(a), m = ks_len(b);
    for (;;) {
        while (i < n && ks_is_own_label(ks_pair_at(a, i)->key)) i++;
        while (j < m && ks_is_own_label(ks_pair_at(b, j)->key)) j++;
        if (i == n || j == m) return i == n && j == m;
        const ks_pair *x = ks_pair_at(a, i++), *y = ks_pair_at(b, j++);
        if (x->key != y->key || !(same_value(x->val, y->val) || ks_equal(x->val, y->val)))
            return false;
    }
}

static bool same_containers(ks_val a, ks_val b) {
    if (ks_is(a, KS_LIST) && ks_identical(a, b)) return true;
    uint32_t n = ks_len(a);
    if (n != ks_len(b)) return false;
    for (uint32_t i = 0; i < n; i++) {
        ks_val x = ks_at(a, i), y = ks_at(b, i);
        if (!ks_equal(ks_get(x, K(image)), ks_get(y, K(image))) ||
            !ks_equal(ks_get(x, K(resources)), ks_get(y, K(resources))) ||
            !ks_equal(ks_get(x, K(ports)), ks_get(y, K(ports))) ||
            !ks_equal(ks_get(x, K(restartPolicy)), ks_get(y, K(restartPolicy))))
            return false;
    }
    return true;
}

static bool legacy_disk(ks_val volume) {
    return ks_exists(ks_get(volume, K(gcePersistentDisk))) ||
           ks_exists(ks_get(volume, K(awsElasticBlockStore))) ||
           ks_exists(ks_get(volume, K(rbd))) || ks_exists(ks_get(volume, K(iscsi)));
}

/* Volumes that belong to the class: disks and images. Claims are looked at pod by pod, others never. */
static bool volumes_matter(ks_val volumes) {
    ks_each(v, volumes) {
        for (uint32_t i = 0; v->type == KS_MAP && i < ks_len(*v); i++) {
            const ks_str *key = ks_pair_at(*v, i)->key;
            if (key == K(gcePersistentDisk) || key == K(awsElasticBlockStore) || key == K(rbd) ||
                key == K(iscsi) || key == K(image))
                return true;
        }
    }
    return false;
}

static bool same_volumes(ks_val a, ks_val b) {
    return !(volumes_matter(a) || volumes_matter(b)) || ks_equal(a, b);
}

/* Whether placing a pod depends on this member of its spec. */
static bool matters(const ks_str *key) {
    return key == K(containers) || key == K(initContainers) || key == K(nodeSelector) ||
           key == K(affinity) || key == K(tolerations) || key == K(topologySpreadConstraints) ||
           key == K(overhead) || key == K(resources) || key == K(volumes) ||
           key == K(schedulerName);
}

static bool same_member(const ks_str *key, ks_val a, ks_val b) {
    if (key == K(containers) || key == K(initContainers)) return same_containers(a, b);
    return key == K(volumes) ? same_volumes(a, b) : ks_equal(a, b);
}

static inline bool same_pair(const ks_pair *x, const ks_pair *y) {
    return x->key == y->key && same_value(x->val, y->val);
}

/* Specs of one template have nearly all members in common: one walk over both finds the others. */
static bool same_spec(ks_val a, ks_val b) {
    if (a.type != KS_MAP || b.type != KS_MAP) return a.type == b.type;
    if (a.m == b.m) return true;
    uint32_t i = 0, j = 0, n = a.m->len, m = b.m->len;
    while (i < n || j < m) {
        while (i < n && j < m && same_pair(a.m->pairs + i, b.m->pairs + j)) i++, j++;
        if (i == n && j == m) return true;
        const ks_pair *x = i < n ? ks_pair_at(a, i) : NULL, *y = j < m ? ks_pair_at(b, j) : NULL;
        int order = x == NULL          ? 1
                    : y == NULL        ? -1
                    : x->key == y->key ? 0
                                       : ks_str_cmp(x->key, y->key);
        i += order <= 0;
        j += order >= 0;
        const ks_str *key = order <= 0 ? x->key : y->key;
        if (matters(key) &&
            !same_member(key, order <= 0 ? x->val : KS_NOTHING, order >= 0 ? y->val : KS_NOTHING))
            return false;
    }
    return true;
}

static const ks_str *scheduler_of(const ks_object *pod) {
    return ks_str_or_null(ks_get(pod->spec, K(schedulerName)));
}

static uint64_t policy_version(const ks_sim *sim) {
    return sim->hooks == NULL || sim->hooks->policy_count == NULL
               ? 0
               : (uint64_t)sim->hooks->policy_count(sim->hook_payload);
}

static bool is_of(const ks_sched *st, const ks_pod_class *class, const ks_object *pod) {
    const ks_pod_rules *r = class->rules;
    if (!ks_str_eq(r->owner_uid, pod->owner_uid) || !ks_str_eq(r->ns, pod->ns)) return false;
    /* a pod's kin are of its class, unless it matters in what they differ: their specs need not be read */
    if (pod->kin != 0 && pod->kin == class->kin && st->pod_name_selectors == 0) return true;
    return same_spec(r->spec, pod->spec) && same_labels(st, r->labels, pod->labels);
}

/* --- compiling --- */

/* Of init containers those that stay have theirs (scheduler/util/utils.go: GetHostPorts). */
static ks_val host_ports(ks_heap *heap, ks_val containers, bool init, ks_val out) {
    ks_each(c, containers) {
        if (init && !ks_text_is(ks_get(*c, K(restartPolicy)), "Always")) continue;
        ks_each(port, ks_get(*c, K(ports))) {
            if (ks_int_or(ks_get(*port, K(hostPort)), 0) > 0)
                out = ks_append(heap, out, ks_ref(*port));
        }
    }
    return out;
}

static ks_selector *compile(ks_heap *heap, ks_val label_selector) {
    if (!ks_exists(label_selector)) return NULL;
    const ks_str *why = NULL;
    ks_selector *selector = ks_selector_of(heap, label_selector, &why);
    ks_str_unref(heap, why);
    return selector;
}

static ks_term selector_term(ks_heap *heap, ks_val label_selector) {
    return (ks_term){.namespaces = KS_NOTHING,
                     .selector = compile(heap, label_selector),
                     .selector_doc = ks_ref(label_selector)};
}

#define NO_SERVICE UINT64_MAX

/* The first id above `id` of a Service that may select the pod by one of its labels; NO_SERVICE: there is none. */
static uint64_t next_service(const ks_sched *st, const ks_object *pod, uint64_t id) {
    uint64_t next = NO_SERVICE;
    for (uint32_t i = 0; i < ks_len(pod->labels); i++) {
        ks_key from = {ks_sched_label_bucket(pod->ns, ks_pair_at(pod->labels, i)), id + 1}, found;
        if (ks_tree_ceiling(&st->services_by, from, &found, NULL) && found.a == from.a &&
            found.b < next)
            next = found.b;
    }
    return next;
}

/* The selectors that say which pods belong together by default: of the Services that select the pod, and of its controller
 * (plugins/helper/spread.go: DefaultSelector). Returns how many. */
static uint32_t default_terms(ks_sim *sim, const ks_sched *st, const ks_object *pod, ks_term *out,
                              uint32_t room) {
    ks_heap *heap = sim->world.heap;
    uint32_t count = 0;
    const ks_object *owner = ks_store_owner(ks_view(sim), pod);
    if (owner != NULL && (owner->kind == KS_REPLICASET || owner->kind == KS_STATEFULSET))
        out[count++] = selector_term(heap, ks_get(owner->spec, K(selector)));
    for (uint64_t id = next_service(st, pod, 0); count < room && id != NO_SERVICE;
         id = next_service(st, pod, id)) {
        const ks_object *service = ks_store_by_id(ks_view(sim), KS_SERVICE, id);
        if (service == NULL || !ks_str_eq(service->ns, pod->ns)) continue;
        ks_val map = ks_get(service->spec, K(selector));
        ks_selector *selector = ks_selector_of_map(heap, map);
        if (selector == NULL || !ks_selector_matches(selector, pod->labels)) {
            ks_selector_unref(heap, selector);
            continue;
        }
        ks_val doc = ks_map_of(heap, K(matchLabels), ks_ref(map), NULL);
        out[count++] =
            (ks_term){.namespaces = KS_NOTHING, .selector = selector, .selector_doc = doc};
    }
    return count;
}

static void default_constraints(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_pod_rules *r) {
    ks_heap *heap = sim->world.heap;
    ks_term terms[16];
    uint32_t count = default_terms(sim, st, pod, terms, 16);
    if (count == 0) return;
    ks_key tally = ks_sched_tally_of(sim, st, pod->ns, terms, count, true);
    r->constraint_count = 2;
    r->constraints = ks_alloc_zero(heap, 2 * sizeof *r->constraints);
    r->constraints[0] = (ks_constraint){.key = ks_str_ref(K(kubernetes_io_hostname)),
                                        .max_skew = 3,
                                        .hostname = true,
                                        .honor_affinity = true,
                                        .tally = tally};
    r->constraints[1] = (ks_constraint){.key = ks_str_ref(K(topology_kubernetes_io_zone)),
                                        .max_skew = 5,
                                        .honor_affinity = true,
                                        .tally = tally};
    r->spread_soft = r->spread_defaulted = true;
}

/* A constraint's selector with its label keys: they are looked up anew each time (podtopologyspread/common.go:
 * filterTopologySpreadConstraints). A new reference. */
static ks_val spread_selector(ks_heap *heap, ks_val constraint, ks_val labels) {
    ks_val selector = ks_ref(ks_get(constraint, K(labelSelector)));
    if (!ks_exists(selector)) return selector;
    return ks_selector_with_keys(heap, selector, ks_get(constraint, K(matchLabelKeys)), "In",
                                 labels);
}

static void own_constraints(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_val list,
                            ks_pod_rules *r) {
    ks_heap *heap = sim->world.heap;
    r->constraint_count = ks_len(list);
    r->constraints = ks_alloc_zero(heap, r->constraint_count * sizeof *r->constraints);
    ks_constraint *c = r->constraints;
    ks_each(doc, list) {
        const ks_str *key = ks_str_or_null(ks_get(*doc, K(topologyKey)));
        ks_val selector = spread_selector(heap, *doc, pod->labels);
        ks_term term = selector_term(heap, selector);
        ks_unref(heap, selector);
        *c = (ks_constraint){
            .key = key == NULL ? ks_intern_of(heap, "") : ks_intern(heap, key->s, key->len),
            .max_skew = ks_int_or(ks_get(*doc, K(maxSkew)), 1),
            .min_domains = ks_int_or(ks_get(*doc, K(minDomains)), 1),
            .hard = !ks_text_is(ks_get(*doc, K(whenUnsatisfiable)), "ScheduleAnyway"),
            .honor_affinity = !ks_text_is(ks_get(*doc, K(nodeAffinityPolicy)), "Ignore"),
            .honor_taints = ks_text_is(ks_get(*doc, K(nodeTaintsPolicy)), "Honor")};
        c->hostname = c->key == K(kubernetes_io_hostname);
        c->selector = ks_selector_ref(term.selector);
        c->self = c->selector != NULL && ks_selector_matches(c->selector, pod->labels);
        if (c->selector != NULL && ks_selector_empty(c->selector)) { /* countPodsMatchSelector */
            ks_selector_unref(heap, term.selector);
            term.selector = NULL;
        }
        c->tally = ks_sched_tally_of(sim, st, pod->ns, &term, 1, true);
        if (c->hard)
            r->spread_hard = true;
        else
            r->spread_soft = true;
        c++;
    }
}

static ks_key *term_tallies(ks_sim *sim, ks_sched *st, const ks_terms *terms) {
    ks_heap *heap = sim->world.heap;
    if (terms->count == 0) return NULL;
    ks_key *keys = ks_alloc(heap, terms->count * sizeof *keys);
    for (uint32_t i = 0; i < terms->count; i++) {
        ks_term term;
        ks_sched_term_copy(heap, &term, &terms->items[i]);
        keys[i] = ks_sched_tally_of(sim, st, NULL, &term, 1, false);
    }
    return keys;
}

static void compile_affinity(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_pod_rules *r) {
    ks_heap *heap = sim->world.heap;
    ks_val affinity = ks_get(pod->spec, K(affinity));
    r->node_affinity =
        ks_get2(affinity, K(nodeAffinity), K(requiredDuringSchedulingIgnoredDuringExecution));
    r->preferred =
        ks_get2(affinity, K(nodeAffinity), K(preferredDuringSchedulingIgnoredDuringExecution));
    ks_val aff = ks_get(affinity, K(podAffinity)), anti = ks_get(affinity, K(podAntiAffinity));
    ks_sched_terms_read(heap, &r->affinity,
                        ks_get(aff, K(requiredDuringSchedulingIgnoredDuringExecution)), pod->ns,
                        false);
    ks_sched_terms_read(heap, &r->anti,
                        ks_get(anti, K(requiredDuringSchedulingIgnoredDuringExecution)), pod->ns,
                        false);
    ks_sched_terms_read(heap, &r->preferred_affinity,
                        ks_get(aff, K(preferredDuringSchedulingIgnoredDuringExecution)), pod->ns,
                        true);
    ks_sched_terms_read(heap, &r->preferred_anti,
                        ks_get(anti, K(preferredDuringSchedulingIgnoredDuringExecution)), pod->ns,
                        true);
    r->anti_tallies = term_tallies(sim, st, &r->anti);
    r->preferred_tallies = term_tallies(sim, st, &r->preferred_affinity);
    r->preferred_anti_tallies = term_tallies(sim, st, &r->preferred_anti);
    if (r->affinity.count == 0) return;
    ks_term *terms = ks_alloc(heap, r->affinity.count * sizeof *terms);
    r->terms_self = true;
    for (uint32_t i = 0; i < r->affinity.count; i++) {
        ks_sched_term_copy(heap, &terms[i], &r->affinity.items[i]);
        if (!ks_sched_own_term_matches(sim, &terms[i], pod->ns, pod->labels)) r->terms_self = false;
    }
    r->affinity_tally = ks_sched_tally_of(sim, st, NULL, terms, r->affinity.count, false);
    ks_free(heap, terms, r->affinity.count * sizeof *terms);
}

/* The profile: which plugins its policies switch off. */
static void compile_profile(const ks_sim *sim, ks_pod_rules *r) {
    for (int i = 0; i < (int)r->policies; i++) {
        struct ks_policy_info info = sim->hooks->policy_info(sim->hook_payload, i);
        if (!ks_str_is(r->scheduler, info.scheduler)) continue;
        if (info.has_filter || info.has_score) r->has_policies = true;
        for (const char *const *name = info.disable; name != NULL && *name != NULL; name++)
            r->disabled |= 1U << ks_sched_plugin_named(*name);
    }
    r->disabled &= ~1U;
}

/* What it says of its pods will be known later: until then its pods' rules are made anew for each look. */
static bool owner_is_unheard(const ks_sim *sim, const ks_object *pod) {
    return ks_view_is_late(sim) && pod->owner_uid != NULL &&
           ks_store_by_uid(ks_view(sim), pod->owner_uid) == NULL;
}

static ks_pod_rules *compile_rules(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_pod_rules *r = ks_alloc_zero(heap, sizeof *r);
    const ks_str *scheduler = scheduler_of(pod);
    r->refs = 1;
    r->ns = ks_str_ref(pod->ns);
    r->scheduler = scheduler == NULL ? ks_str_of(heap, "default-scheduler") : ks_str_ref(scheduler);
    r->owner_uid = ks_str_ref(pod->owner_uid);
    r->labels = ks_ref(pod->labels);
    r->spec = ks_ref(pod->spec);
    r->services = owner_is_unheard(sim, pod) ? UINT64_MAX : st->services;
    r->epoch = st->tally_epoch;
    r->policies = policy_version(sim);
    ks_sched_amounts(heap, pod->spec, &r->amounts);
    r->asks_cpu_or_memory = r->amounts.cpu > 0 || r->amounts.memory > 0;
    r->node_selector = ks_get(pod->spec, K(nodeSelector));
    r->tolerations = ks_get(pod->spec, K(tolerations));
    r->ports = host_ports(heap, ks_get(pod->spec, K(containers)), false, KS_NOTHING);
    r->ports = host_ports(heap, ks_get(pod->spec, K(initContainers)), true, r->ports);
    r->container_count = (int)(ks_len(ks_get(pod->spec, K(containers))) +
                               ks_len(ks_get(pod->spec, K(initContainers))));
    ks_each(v, ks_get(pod->spec, K(volumes))) r->legacy_disks = r->legacy_disks || legacy_disk(*v);
    compile_profile(sim, r);
    ks_val constraints = ks_get(pod->spec, K(topologySpreadConstraints));
    if (ks_len(constraints) > 0)
        own_constraints(sim, st, pod, constraints, r);
    else
        default_constraints(sim, st, pod, r);
    compile_affinity(sim, st, pod, r);
    return r;
}

/* --- finding --- */

static uint64_t class_hash(const ks_object *pod) {
    const ks_str *uid = pod->owner_uid;
    if (uid != NULL) return ks_hash_text(uid, 0) >> 24; /* below those of pods without an owner */
    ks_val first = ks_at(ks_get(pod->spec, K(containers)), 0);
    const ks_str *image = ks_str_or_null(ks_get(first, K(image)));
    uint64_t hash = ks_sched_hash_val(pod->labels) << 8;
    return (hash ^ (image == NULL ? 0 : ks_hash_bytes(image->s, image->len))) | UINT64_C(1) << 40;
}

static uint64_t max_classes(const ks_sched *st) {
    uint64_t slot = sizeof(ks_entry) + 21; /* with the columns of the board */
    uint64_t n = MAX_CLASS_BYTES / (st->nodes->cap * slot + sizeof(ks_pod_rules));
    return n < 64 ? 64 : n;
}

/* Classes that were not used of late go. */
static void sweep(ks_heap *heap, ks_sched *st) {
    ks_tree all = ks_tree_copy(&st->classes);
    for (ks_tree_iter it = ks_tree_begin(&all); ks_tree_next(&it);) {
        const ks_pod_class *class = it.value;
        if (class->used + max_classes(st) / 2 < st->cycles) ks_tree_del(heap, &st->classes, it.key);
    }
    ks_tree_clear(heap, &all);
}

/* Where the class of a pod stands: mostly it is the one that was asked for last. */
static bool find_class(const ks_sched *st, const ks_object *pod, uint64_t *hash, ks_key *key) {
    bool placed = pod->id == st->placing.pod;
    *key = placed ? st->placing.class : st->last_class;
    const ks_pod_class *last = ks_tree_get(&st->classes, *key);
    if (last != NULL && (placed || is_of(st, last, pod))) return true;
    *hash = class_hash(pod);
    *key = (ks_key){*hash, 0};
    void *value;
    for (bool more = ks_tree_ceiling(&st->classes, *key, key, &value); more && key->a == *hash;
         more = ks_tree_higher(&st->classes, *key, key, &value))
        if (is_of(st, value, pod)) return true;
    return false;
}

ks_pod_class *ks_sched_class(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    uint64_t hash = 0;
    ks_key key;
    st->cycles++;
    if (find_class(st, pod, &hash, &key)) {
        ks_pod_class *class = own_class(heap, st, key);
        st->last_class = key;
        class->used = st->cycles;
        if (pod->kin != 0) class->kin = pod->kin;
        const ks_pod_rules *r = class->rules;
        if (r->services == st->services && r->policies == policy_version(sim) &&
            r->epoch == st->tally_epoch)
            return class;
        ks_sched_rules_unref(heap, class->rules);
        class->rules = compile_rules(sim, st, pod);
        ks_sched_class_reset(heap, st, class);
        class->tallies = 0;
        return class;
    }
    if (st->classes.count >= max_classes(st)) sweep(heap, st);
    ks_pod_class *class = ks_alloc_zero(heap, sizeof *class);
    class->refs = 1;
    class->used = st->cycles;
    class->rules = compile_rules(sim, st, pod);
    class->kin = pod->kin;
    class->seen = st->generation;
    st->last_class = (ks_key){hash, ++st->sequence};
    ks_tree_put(heap, &st->classes, st->last_class, class);
    return class;
}
