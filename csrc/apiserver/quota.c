/*
 * apiserver/quota.c - ResourceQuotas: may this object come in, and counting it in.
 *
 * k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go: checkRequest;
 * k8s.io/kubernetes/pkg/quota/v1/evaluator/core (pods, claims, services). status.used is the quota
 * controller's; where it has not looked yet, the objects are counted. Called by create.c and
 * update.c after validation; controllers/resourcequota.c counts by the same rules (quota.h).
 */
#include "apiserver/quota.h"
#include "apiserver/internal.h"

#include <string.h>

static ks_quantity count_of(int64_t n) {
    return (ks_quantity){.nanos = (__extension__(__int128) n) * 1000000000,
                         .format = KS_DECIMAL_SI};
}

void ks_quota_add(ks_quantity *sum, ks_quantity q) {
    if (sum->nanos == 0) sum->format = q.format;
    ks_quantity_add(sum, q);
}

/* --- pods --- */

static ks_quantity resource_of(ks_val container, const ks_str *part, const ks_str *resource) {
    return ks_quantity_of(ks_get(ks_get2(container, K(resources), part), resource));
}

/* k8s.io/component-helpers/resource: the sum of containers and sidecars, or the largest step of
 * initialisation. */
static ks_quantity pod_total(ks_val spec, const ks_str *part, const ks_str *resource) {
    ks_val whole = ks_get(ks_get2(spec, K(resources), part), resource);
    ks_quantity sum = {0}, sidecars = {0}, most = {0};
    if (ks_exists(whole)) return ks_quantity_of(whole);
    ks_each(container, ks_get(spec, K(containers)))
        ks_quota_add(&sum, resource_of(*container, part, resource));
    ks_each(init, ks_get(spec, K(initContainers))) {
        ks_quantity step = resource_of(*init, part, resource);
        if (ks_text_is(ks_get(*init, K(restartPolicy)), "Always")) {
            ks_quota_add(&sidecars, step);
            step = sidecars;
        } else {
            ks_quota_add(&step, sidecars);
        }
        if (ks_quantity_cmp(step, most) > 0) most = step;
    }
    ks_quota_add(&sum, sidecars);
    if (ks_quantity_cmp(most, sum) > 0) sum = most;
    ks_val overhead = ks_get2(spec, K(overhead), resource);
    if (ks_exists(overhead)) ks_quota_add(&sum, ks_quantity_of(overhead));
    return sum;
}

static bool is_terminal(ks_val doc) {
    ks_val phase = ks_get2(doc, K(status), K(phase));
    return ks_text_is(phase, "Succeeded") || ks_text_is(phase, "Failed");
}

static bool plain_compute(const char *name) {
    return strcmp(name, "cpu") == 0 || strcmp(name, "memory") == 0 ||
           strcmp(name, "ephemeral-storage") == 0 || strncmp(name, "hugepages-", 10) == 0;
}

/* What a pod uses of the named resource; false: the name is none of pods. */
static bool pod_usage(ks_heap *heap, ks_val doc, const ks_str *name, bool over, ks_quantity *out) {
    const char *text = name->s;
    *out = (ks_quantity){0};
    if (strcmp(text, "count/pods") == 0) {
        *out = count_of(1);
        return true;
    }
    bool limits = strncmp(text, "limits.", 7) == 0, requests = strncmp(text, "requests.", 9) == 0;
    if (strcmp(text, "pods") != 0 && !limits && !requests && !plain_compute(text)) return false;
    if (requests && strcmp(text, "requests.storage") == 0) return false;
    if (over || is_terminal(doc)) return true;
    if (strcmp(text, "pods") == 0) {
        *out = count_of(1);
        return true;
    }
    const char *resource = text + (limits ? 7 : requests ? 9 : 0);
    const ks_str *key = ks_interned(heap, resource, strlen(resource));
    if (key != NULL) *out = pod_total(ks_get(doc, K(spec)), limits ? K(limits) : K(requests), key);
    return true;
}

/* --- claims, services, everything --- */

/* Whole bytes; what an expansion has already been granted, if that is more. */
static ks_quantity claim_storage(ks_val doc) {
    ks_quantity asked =
        ks_quantity_of(ks_get3(ks_get(doc, K(spec)), K(resources), K(requests), K(storage)));
    ks_quantity granted =
        ks_quantity_of(ks_get3(doc, K(status), K(allocatedResources), K(storage)));
    if (ks_quantity_cmp(granted, asked) > 0) asked = granted;
    asked.nanos = (__extension__(__int128) ks_quantity_value(asked)) * 1000000000;
    return asked;
}

static bool claim_usage(ks_val doc, const char *name, ks_quantity *out) {
    static const char infix[] = ".storageclass.storage.k8s.io/";
    const char *class = ks_text_or(ks_get2(doc, K(spec), K(storageClassName)), ""),
               *at = strstr(name, infix);
    bool counts = true;
    *out = (ks_quantity){0};
    if (at != NULL) {
        size_t len = (size_t)(at - name);
        counts = strlen(class) == len && strncmp(class, name, len) == 0;
        name = at + sizeof infix - 1;
    }
    if (strcmp(name, "persistentvolumeclaims") == 0)
        *out = count_of(counts ? 1 : 0);
    else if (strcmp(name, "requests.storage") != 0)
        return false;
    else if (counts)
        *out = claim_storage(doc);
    return true;
}

/* Node ports that are allocated, or will be; where none are to be, those that were asked for. */
static int64_t node_ports(ks_val spec) {
    ks_val type = ks_get(spec, K(type)), ports = ks_get(spec, K(ports));
    if (ks_text_is(type, "NodePort")) return ks_len(ports);
    if (!ks_text_is(type, "LoadBalancer")) return 0;
    if (ks_bool_or(ks_get(spec, K(allocateLoadBalancerNodePorts)), true)) return ks_len(ports);
    int64_t count = 0;
    ks_each(port, ports) count += ks_int_or(ks_get(*port, K(nodePort)), 0) != 0;
    return count;
}

static bool service_usage(ks_val doc, const char *name, ks_quantity *out) {
    ks_val spec = ks_get(doc, K(spec)), type = ks_get(spec, K(type));
    *out = (ks_quantity){0};
    if (strcmp(name, "services") == 0)
        *out = count_of(1);
    else if (strcmp(name, "services.loadbalancers") == 0)
        *out = count_of(ks_text_is(type, "LoadBalancer") ? 1 : 0);
    else if (strcmp(name, "services.nodeports") == 0)
        *out = count_of(node_ports(spec));
    else
        return false;
    return true;
}

bool ks_quota_usage(ks_heap *heap, ks_kind kind, ks_val doc, const ks_str *name, bool over,
                    ks_quantity *out) {
    const ks_kind_info *info = ks_kind_get(kind);
    if (kind == KS_POD) return pod_usage(heap, doc, name, over, out);
    if (kind == KS_EVENT) return false; /* ignored: pkg/quota/v1/install/registry.go */
    *out = count_of(1);
    if (strncmp(name->s, "count/", 6) == 0) {
        const char *what = name->s + 6;
        size_t len = strlen(info->plural);
        if (strncmp(what, info->plural, len) != 0) return false;
        return *info->group == '\0' ? what[len] == '\0'
                                    : what[len] == '.' && strcmp(what + len + 1, info->group) == 0;
    }
    if (kind == KS_PVC) return claim_usage(doc, name->s, out);
    if (kind == KS_SERVICE) return service_usage(doc, name->s, out);
    return (kind == KS_CONFIGMAP || kind == KS_SECRET || kind == KS_RESOURCEQUOTA) &&
           strcmp(name->s, info->plural) == 0;
}

/* --- scopes --- */

static bool reaches_out(ks_val terms, bool weighted) {
    ks_each(item, terms) {
        ks_val term = weighted ? ks_get(*item, K(podAffinityTerm)) : *item;
        if (ks_len(ks_get(term, K(namespaces))) > 0 ||
            ks_exists(ks_get(term, K(namespaceSelector))))
            return true;
    }
    return false;
}

/* A (anti-)affinity term that looks into other namespaces. */
static bool crosses_namespaces(ks_val spec) {
    for (int i = 0; i < 2; i++) {
        ks_val part = ks_get2(spec, K(affinity), i == 0 ? K(podAffinity) : K(podAntiAffinity));
        if (reaches_out(ks_get(part, K(requiredDuringSchedulingIgnoredDuringExecution)), false) ||
            reaches_out(ks_get(part, K(preferredDuringSchedulingIgnoredDuringExecution)), true))
            return true;
    }
    return false;
}

static bool in_scope(ks_val doc, const char *scope, const char *operator, ks_val values) {
    ks_val spec = ks_get(doc, K(spec));
    bool timed = ks_exists(ks_get(spec, K(activeDeadlineSeconds)));
    if (strcmp(scope, "Terminating") == 0) return timed;
    if (strcmp(scope, "NotTerminating") == 0) return !timed;
    if (strcmp(scope, "BestEffort") == 0) return strcmp(ks_pod_qos(spec), "BestEffort") == 0;
    if (strcmp(scope, "NotBestEffort") == 0) return strcmp(ks_pod_qos(spec), "BestEffort") != 0;
    if (strcmp(scope, "CrossNamespacePodAffinity") == 0) return crosses_namespaces(spec);
    if (strcmp(scope, "PriorityClass") == 0) {
        const char *class = ks_text_or(ks_get(spec, K(priorityClassName)), "");
        if (strcmp(operator, "Exists") == 0) return *class != '\0';
        if (strcmp(operator, "DoesNotExist") == 0) return *class == '\0';
        return ks_has_text(values, class) == (strcmp(operator, "In") == 0);
    }
    return false;
}

bool ks_quota_matches(ks_kind kind, ks_val doc, ks_val quota_spec) {
    ks_val scopes = ks_get(quota_spec, K(scopes));
    ks_val terms = ks_get2(quota_spec, K(scopeSelector), K(matchExpressions));
    if (ks_len(scopes) == 0 && ks_len(terms) == 0) return true;
    if (kind != KS_POD) return false;
    ks_each(scope, scopes) {
        if (!in_scope(doc, ks_text_or(*scope, ""), "Exists", KS_NOTHING)) return false;
    }
    ks_each(term, terms) {
        if (!in_scope(doc, ks_text_or(ks_get(*term, K(scopeName)), ""),
                      ks_text_or(ks_get(*term, K(operator)), ""), ks_get(*term, K(values))))
            return false;
    }
    return true;
}

/* --- what is used --- */

/* All of the namespace's objects of a kind, for a quota whose status nobody has written yet. */
static ks_quantity counted(const ks_request *r, const ks_object *quota, const ks_str *name) {
    ks_quantity sum = {0}, one;
    for (ks_walk w = ks_walk_kind(&r->s->store, r->kind, quota->ns); ks_walk_next(&w);) {
        ks_doc_room room;
        ks_val doc = ks_doc_look(w.object, &room);
        if (ks_quota_matches(r->kind, doc, quota->spec) &&
            ks_quota_usage(r->heap, r->kind, doc, name, false, &one))
            ks_quota_add(&sum, one);
    }
    return sum;
}

static ks_quantity used(const ks_request *r, const ks_object *quota, const ks_str *name) {
    ks_val known = ks_get(ks_get(quota->status, K(used)), name);
    bool observed = ks_equal(ks_get(quota->status, K(hard)), ks_get(quota->spec, K(hard)));
    return observed && ks_exists(known) ? ks_quantity_of(known) : counted(r, quota, name);
}

/* --- refusing --- */

static ks_refusal *refuse(const ks_request *r, ks_val doc, ks_buf *why) {
    const ks_str *name = ks_admission_name(doc);
    ks_refusal *refusal =
        ks_refuse_forbidden(r->heap, r->kind, name != NULL ? name : K(default), why->s);
    ks_buf_dispose(why);
    return refusal;
}

/* "limits.memory for: a,b; requests.cpu for: b" */
static void missing(const ks_request *r, ks_val doc, const ks_str *name, ks_buf *out) {
    const char *text = name->s;
    bool limits = strncmp(text, "limits.", 7) == 0, requests = strncmp(text, "requests.", 9) == 0;
    const char *resource = text + (limits ? 7 : requests ? 9 : 0);
    if (strcmp(resource, "cpu") != 0 && strcmp(resource, "memory") != 0) return;
    const ks_str *key = *resource == 'c' ? K(cpu) : K(memory),
                 *part = limits ? K(limits) : K(requests);
    ks_val names = KS_NOTHING;
    for (int i = 0; i < 2; i++) {
        ks_each(container, ks_get2(doc, K(spec), i == 0 ? K(containers) : K(initContainers))) {
            if (ks_exists(ks_get(ks_get2(*container, K(resources), part), key))) continue;
            ks_val its = ks_get(*container, K(name));
            uint32_t at = 0;
            if (its.type != KS_STRING) continue;
            while (at < ks_len(names) && ks_str_cmp(ks_at(names, at).s, its.s) < 0) at++;
            names = ks_insert_at(r->heap, names, at, ks_ref(its));
        }
    }
    for (uint32_t i = 0; i < ks_len(names); i++) {
        if (i > 0)
            ks_buf_putc(out, ',');
        else
            ks_buf_printf(out, "%s%s for: ", out->len == 0 ? "must specify " : "; ", text);
        ks_buf_str(out, ks_at(names, i).s);
    }
    ks_unref(r->heap, names);
}

static ks_refusal *check_specified(const ks_request *r, ks_val doc, const ks_object *quota) {
    ks_val hard = ks_get(quota->spec, K(hard)), whole = ks_get2(doc, K(spec), K(resources));
    if (ks_len(ks_get(whole, K(requests))) > 0 || ks_len(ks_get(whole, K(limits))) > 0) return NULL;
    ks_buf lacks = {.heap = r->heap}, why = {.heap = r->heap};
    for (uint32_t i = 0; i < ks_len(hard); i++) missing(r, doc, ks_pair_at(hard, i)->key, &lacks);
    if (lacks.len == 0) {
        ks_buf_dispose(&lacks);
        return NULL;
    }
    ks_buf_printf(&why, "failed quota: %s: %s", quota->name->s, lacks.s);
    ks_buf_dispose(&lacks);
    return refuse(r, doc, &why);
}

static void list(ks_buf *out, const ks_str *name, ks_quantity q) {
    char text[64];
    ks_quantity_print(q, text);
    ks_buf_printf(out, "%s%s=%s", out->len > 0 ? "," : "", name->s, text);
}

/* Checks one quota; *after: what would be used, {resource: quantity}, KS_NOTHING when it does not
 * concern the quota. */
static ks_refusal *check(const ks_request *r, ks_val doc, const ks_object *old,
                         const ks_object *quota, ks_val *after) {
    ks_heap *heap = r->heap;
    ks_val hard = ks_get(quota->spec, K(hard));
    ks_buf requested = {.heap = heap}, using = {.heap = heap}, limited = {.heap = heap};
    *after = KS_NOTHING;
    for (uint32_t i = 0; i < ks_len(hard); i++) {
        const ks_pair *pair = ks_pair_at(hard, i);
        ks_quantity delta, before;
        if (!ks_quota_usage(heap, r->kind, doc, pair->key, false, &delta)) continue;
        if (old != NULL && ks_quota_usage(heap, r->kind, ks_doc(old), pair->key, false, &before))
            ks_quantity_sub(&delta, before);
        if (delta.nanos == 0) continue;
        before = used(r, quota, pair->key);
        ks_quantity sum = before, most = ks_quantity_of(pair->val);
        ks_quota_add(&sum, delta);
        *after = ks_put(heap, *after, pair->key, ks_quantity_val(heap, sum));
        if (delta.nanos < 0 || ks_quantity_cmp(sum, most) <= 0) continue;
        list(&requested, pair->key, delta);
        list(&using, pair->key, before);
        list(&limited, pair->key, most);
    }
    ks_refusal *refusal = NULL;
    if (requested.len > 0) {
        ks_buf why = {.heap = heap};
        ks_buf_printf(&why, "exceeded quota: %s, requested: %s, used: %s, limited: %s",
                      quota->name->s, requested.s, using.s, limited.s);
        refusal = refuse(r, doc, &why);
        ks_unref(heap, *after);
        *after = KS_NOTHING;
    }
    ks_buf_dispose(&requested);
    ks_buf_dispose(&using);
    ks_buf_dispose(&limited);
    return refusal;
}

/* status.used of a quota whose status has been written. */
static void count_in(const ks_request *r, const ks_object *quota, ks_val after) {
    if (!ks_exists(ks_get(quota->status, K(used)))) return;
    ks_val sums = ks_ref(ks_get(quota->status, K(used)));
    for (uint32_t i = 0; i < ks_len(after); i++)
        sums = ks_put(r->heap, sums, ks_pair_at(after, i)->key, ks_ref(ks_pair_at(after, i)->val));
    ks_val status = ks_put(r->heap, ks_ref(quota->status), K(used), sums);
    ks_refusal *refusal = ks_server_update_status(r->s, quota, status, NULL);
    if (refusal != NULL) ks_refusal_free(r->heap, refusal);
}

/* A quota, and what it is used for with what is to be admitted. */
typedef struct charge {
    const ks_object *quota; /* counted */
    ks_val after;
} charge;
typedef struct charges {
    ks_heap *heap;
    charge *items;
    size_t count, room;
} charges;

static charge *new_charge(charges *all) {
    enum { MOSTLY = 2 };
    if (all->count == all->room) {
        size_t room = all->room == 0 ? MOSTLY : all->room * 2;
        all->items = ks_resize(all->heap, all->items, all->room * sizeof *all->items,
                               room * sizeof *all->items);
        all->room = room;
    }
    return &all->items[all->count++];
}

ks_refusal *ks_quota_admit(const ks_request *r, ks_val doc, const ks_object *old) {
    const ks_str *ns = ks_str_or_null(ks_meta_get(doc, K(namespace)));
    if (ns == NULL || ks_store_count(&r->s->store, KS_RESOURCEQUOTA) == 0) return NULL;
    if (old != NULL && r->kind != KS_PVC && r->kind != KS_SERVICE) return NULL;
    charges charged = {.heap = r->heap};
    ks_refusal *refusal = NULL;
    for (ks_walk w = ks_walk_kind(&r->s->store, KS_RESOURCEQUOTA, ns);
         refusal == NULL && ks_walk_next(&w);) {
        ks_val after = KS_NOTHING;
        if (!ks_quota_matches(r->kind, doc, w.object->spec)) continue;
        if (r->kind == KS_POD) refusal = check_specified(r, doc, w.object);
        if (refusal == NULL) refusal = check(r, doc, old, w.object, &after);
        if (refusal == NULL && after.type == KS_MAP)
            *new_charge(&charged) = (charge){ks_object_ref(w.object), after};
    }
    for (size_t i = 0; i < charged.count; i++) {
        charge *one = &charged.items[i];
        if (refusal == NULL && !r->dry_run) count_in(r, one->quota, one->after);
        ks_unref(r->heap, one->after);
        ks_object_unref(r->heap, one->quota);
    }
    ks_free(r->heap, charged.items, charged.room * sizeof *charged.items);
    return refusal;
}
