/*
 * apiserver/limits.c - LimitRanges: what they fill into new pods, and the bounds that they set.
 *
 * k8s.io/kubernetes/plugin/pkg/admission/limitranger/admission.go. Called by admission.c, create.c
 * and update.c.
 */
#include "api/values.h"
#include "apiserver/internal.h"

#include <string.h>

/* --- filling --- */

/* "cpu, memory limit for container c" for the names in `set` (sorted already), appended to the
 * notes. */
static void note(ks_buf *notes, ks_val set, const char *what, const char *kind, ks_val container) {
    if (ks_len(set) == 0) return;
    ks_buf_puts(notes, notes->len == 0 ? "LimitRanger plugin set: " : "; ");
    for (uint32_t i = 0; i < ks_len(set); i++) {
        if (i > 0) ks_buf_puts(notes, ", ");
        ks_buf_str(notes, ks_at(set, i).s);
    }
    ks_buf_printf(notes, " %s for %s %s", what, kind, ks_text_or(ks_get(container, K(name)), ""));
}

/* Fills what `defaults` has and container.resources[part] lacks; the names that were set. */
static ks_val fill_part(ks_heap *heap, ks_val *container, const ks_str *part, ks_val defaults) {
    ks_val set = KS_NOTHING;
    for (uint32_t i = 0; i < ks_len(defaults); i++) {
        const ks_pair *pair = ks_pair_at(defaults, i);
        if (ks_exists(ks_get(ks_get2(*container, K(resources), part), pair->key))) continue;
        *container = ks_put3(heap, *container, K(resources), part, pair->key, ks_ref(pair->val));
        set = ks_append(heap, set, ks_string(pair->key));
    }
    return set;
}

static void fill_containers(ks_heap *heap, ks_val *doc, const ks_str *key, const char *kind,
                            ks_val item, ks_buf *notes) {
    ks_val containers = ks_ref(ks_get2(*doc, K(spec), key));
    for (uint32_t i = 0; i < ks_len(containers); i++) {
        ks_val container = ks_ref(ks_at(containers, i));
        ks_val limits = fill_part(heap, &container, K(limits), ks_get(item, K(default)));
        ks_val requests = fill_part(heap, &container, K(requests), ks_get(item, K(defaultRequest)));
        note(notes, requests, "request", kind, container);
        note(notes, limits, "limit", kind, container);
        ks_unref(heap, limits);
        ks_unref(heap, requests);
        containers = ks_set_at(heap, containers, i, container);
    }
    if (containers.type == KS_LIST) *doc = ks_put2(heap, *doc, K(spec), key, containers);
}

/* mergePodResourceRequirements: each LimitRange that sets something writes the note anew. */
void ks_limits_fill(const ks_request *r, ks_val *doc) {
    ks_heap *heap = r->heap;
    if (ks_store_count(&r->s->store, KS_LIMITRANGE) == 0) return;
    const ks_str *ns = ks_str_or_null(ks_meta_get(*doc, K(namespace)));
    for (ks_walk w = ks_walk_kind(&r->s->store, KS_LIMITRANGE, ns); ks_walk_next(&w);) {
        ks_buf notes = {.heap = heap};
        ks_each(item, ks_get(w.object->spec, K(limits))) { /* one at most is for containers */
            if (!ks_text_is(ks_get(*item, K(type)), "Container")) continue;
            fill_containers(heap, doc, K(containers), "container", *item, &notes);
            fill_containers(heap, doc, K(initContainers), "init container", *item, &notes);
        }
        if (notes.len > 0)
            *doc = ks_put3(heap, *doc, K(metadata), K(annotations), K(kubernetes_io_limit_ranger),
                           ks_string_take(ks_buf_take(&notes)));
        else
            ks_buf_dispose(&notes);
    }
}

/* --- bounds --- */

/* What is measured: requests and limits of a container, a pod or a claim, and the texts so far. */
typedef struct measure {
    ks_heap *heap;
    const char *type; /* "Container" */
    ks_val requests, limits;
    ks_val texts;
} measure;

static void add_text(measure *m, ks_buf *text) {
    m->texts = ks_append(m->heap, m->texts, ks_string_take(ks_buf_take(text)));
}

/* A quantity as it is printed. */
static const char *shown(ks_val v, char out[64]) {
    ks_quantity_print(ks_quantity_of(v), out);
    return out;
}

static void complain(measure *m, const char *which, const ks_pair *bound, const char *what,
                     ks_val value) {
    char enforced[64], given[64];
    ks_buf text = {.heap = m->heap};
    ks_buf_printf(&text, "%s %s usage per %s is %s", which, bound->key->s, m->type,
                  shown(bound->val, enforced));
    if (ks_exists(value))
        ks_buf_printf(&text, ", but %s is %s", what, shown(value, given));
    else
        ks_buf_printf(&text, ".  No %s is specified", what);
    add_text(m, &text);
}

static int compare(ks_val a, ks_val b) {
    return ks_quantity_cmp(ks_quantity_of(a), ks_quantity_of(b));
}

static void check_min(measure *m, const ks_pair *bound) {
    ks_val request = ks_get(m->requests, bound->key), limit = ks_get(m->limits, bound->key);
    if (!ks_exists(request) || compare(request, bound->val) < 0)
        complain(m, "minimum", bound, "request", request);
    else if (ks_exists(limit) && compare(limit, bound->val) < 0)
        complain(m, "minimum", bound, "limit", limit);
}

static void check_max(measure *m, const ks_pair *bound, bool of_claim) {
    ks_val request = ks_get(m->requests, bound->key), limit = ks_get(m->limits, bound->key);
    if (!of_claim && (!ks_exists(limit) || compare(limit, bound->val) > 0))
        complain(m, "maximum", bound, "limit", limit);
    else if ((of_claim && !ks_exists(request)) ||
             (ks_exists(request) && compare(request, bound->val) > 0))
        complain(m, "maximum", bound, "request", request);
}

static void check_ratio(measure *m, const ks_pair *bound) {
    ks_quantity request = ks_quantity_of(ks_get(m->requests, bound->key));
    ks_quantity limit = ks_quantity_of(ks_get(m->limits, bound->key));
    ks_quantity most = ks_quantity_of(bound->val);
    char enforced[64];
    ks_buf text = {.heap = m->heap};
    ks_buf_printf(&text, "%s max limit to request ratio per %s is %s, but ", bound->key->s, m->type,
                  shown(bound->val, enforced));
    double ratio = request.nanos != 0 ? (double)limit.nanos / (double)request.nanos : 0;
    if (request.nanos == 0)
        ks_buf_puts(&text, "no request is specified or request is 0");
    else if (limit.nanos == 0)
        ks_buf_puts(&text, "no limit is specified or limit is 0");
    else if (ratio * 1e9 > (double)most.nanos)
        ks_buf_printf(&text, "provided ratio is %f", ratio);
    else {
        ks_buf_dispose(&text);
        return;
    }
    add_text(m, &text);
}

static void check_item(measure *m, ks_val item, bool of_claim) {
    ks_val min = ks_get(item, K(min)), max = ks_get(item, K(max)),
           ratio = ks_get(item, K(maxLimitRequestRatio));
    for (uint32_t i = 0; i < ks_len(min); i++) check_min(m, ks_pair_at(min, i));
    for (uint32_t i = 0; i < ks_len(max); i++) check_max(m, ks_pair_at(max, i), of_claim);
    for (uint32_t i = 0; !of_claim && i < ks_len(ratio); i++) check_ratio(m, ks_pair_at(ratio, i));
}

static void check_containers(measure *m, ks_val containers, ks_val item) {
    ks_each(container, containers) {
        m->requests = ks_get2(*container, K(resources), K(requests));
        m->limits = ks_get2(*container, K(resources), K(limits));
        check_item(m, item, false);
    }
}

static void add_resource(ks_heap *heap, ks_val *list, const ks_pair *pair) {
    ks_quantity q = ks_quantity_of(ks_get(*list, pair->key)), add = ks_quantity_of(pair->val);
    if (q.nanos == 0) q.format = add.format;
    ks_quantity_add(&q, add);
    *list = ks_put(heap, *list, pair->key, ks_quantity_val(heap, q));
}

/* addResourceList */
static void add_list(ks_heap *heap, ks_val *list, ks_val more) {
    for (uint32_t i = 0; i < ks_len(more); i++) add_resource(heap, list, ks_pair_at(more, i));
}

/* maxResourceList */
static void max_list(ks_heap *heap, ks_val *list, ks_val other) {
    for (uint32_t i = 0; i < ks_len(other); i++) {
        const ks_pair *pair = ks_pair_at(other, i);
        ks_val known = ks_get(*list, pair->key);
        if (!ks_exists(known) || compare(pair->val, known) > 0)
            *list = ks_put(heap, *list, pair->key, ks_ref(pair->val));
    }
}

/* The most that a step of the initialisation takes: sidecars stay, and are added to `sum`. */
static ks_val peak_of_start(ks_heap *heap, ks_val spec, const ks_str *part, ks_val *sum) {
    ks_val most = ks_map_new(heap, 4), sidecars = ks_map_new(heap, 4);
    ks_each(container, ks_get(spec, K(initContainers))) {
        ks_val own = ks_get2(*container, K(resources), part);
        bool stays = ks_text_is(ks_get(*container, K(restartPolicy)), "Always");
        if (stays) {
            add_list(heap, sum, own);
            add_list(heap, &sidecars, own);
        }
        ks_val step = ks_ref(sidecars);
        if (!stays) add_list(heap, &step, own);
        max_list(heap, &most, step);
        ks_unref(heap, step);
    }
    ks_unref(heap, sidecars);
    return most;
}

/* podRequests, podLimits: {resource: quantity}; `part`: requests or limits. A new reference. */
static ks_val totals(ks_heap *heap, ks_val spec, const ks_str *part) {
    ks_val sum = ks_map_new(heap, 4), whole = ks_get2(spec, K(resources), part);
    ks_each(container, ks_get(spec, K(containers)))
        add_list(heap, &sum, ks_get2(*container, K(resources), part));
    ks_val most = peak_of_start(heap, spec, part, &sum);
    max_list(heap, &sum, most);
    ks_unref(heap, most);
    const ks_str *const of_pods[] = {K(cpu), K(memory)};
    for (int i = 0; i < 2; i++) {
        ks_val q = ks_get(whole, of_pods[i]);
        if (ks_exists(q)) sum = ks_put(heap, sum, of_pods[i], ks_ref(q));
    }
    return sum;
}

static void check_pod(measure *m, ks_val spec, ks_val item) {
    ks_val type = ks_get(item, K(type));
    if (ks_text_is(type, "Container")) {
        m->type = "Container";
        check_containers(m, ks_get(spec, K(containers)), item);
        check_containers(m, ks_get(spec, K(initContainers)), item);
    } else if (ks_text_is(type, "Pod")) {
        ks_val requests = totals(m->heap, spec, K(requests)),
               limits = totals(m->heap, spec, K(limits));
        m->type = "Pod";
        m->requests = requests;
        m->limits = limits;
        check_item(m, item, false);
        ks_unref(m->heap, requests);
        ks_unref(m->heap, limits);
    }
}

static ks_refusal *refuse(const ks_request *r, ks_val doc, ks_val texts) {
    ks_buf why = {.heap = r->heap};
    uint32_t count = ks_len(texts);
    if (count == 0) return NULL;
    if (count > 1) ks_buf_putc(&why, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) ks_buf_puts(&why, ", ");
        ks_buf_str(&why, ks_at(texts, i).s);
    }
    if (count > 1) ks_buf_putc(&why, ']');
    const ks_str *name = ks_admission_name(doc);
    ks_refusal *refusal =
        ks_refuse_forbidden(r->heap, r->kind, name != NULL ? name : K(default), why.s);
    ks_buf_dispose(&why);
    return refusal;
}

ks_refusal *ks_limits_check(const ks_request *r, ks_val doc, const ks_object *old) {
    bool claim = r->kind == KS_PVC;
    if ((r->kind != KS_POD && !claim) || (!claim && old != NULL)) return NULL;
    if (old != NULL && ks_object_terminating(old)) return NULL;
    if (ks_store_count(&r->s->store, KS_LIMITRANGE) == 0) return NULL;
    const ks_str *ns = ks_str_or_null(ks_meta_get(doc, K(namespace)));
    ks_refusal *refusal = NULL;
    for (ks_walk w = ks_walk_kind(&r->s->store, KS_LIMITRANGE, ns);
         refusal == NULL && ks_walk_next(&w);) {
        measure m = {.heap = r->heap};
        ks_each(item, ks_get(w.object->spec, K(limits))) {
            if (!claim) {
                check_pod(&m, ks_get(doc, K(spec)), *item);
            } else if (ks_text_is(ks_get(*item, K(type)), "PersistentVolumeClaim")) {
                m.type = "PersistentVolumeClaim";
                m.requests = ks_get3(doc, K(spec), K(resources), K(requests));
                check_item(&m, *item, true);
            }
        }
        refusal = refuse(r, doc, m.texts);
        ks_unref(r->heap, m.texts);
    }
    return refusal;
}
