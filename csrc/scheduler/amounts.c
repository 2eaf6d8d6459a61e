/*
 * scheduler/amounts.c - what a pod asks for: component-helpers/resource/helpers.go PodRequests, and the same with the
 * defaults that scoring assumes (pkg/scheduler/util: 100m of CPU, 200Mi of memory for containers that name none).
 */
#include "scheduler/internal.h"

#include <string.h>

enum { DEFAULT_CPU = 100 };
#define DEFAULT_MEMORY (INT64_C(200) * 1024 * 1024)

ks_val ks_sched_extended_add(ks_heap *heap, ks_val map, ks_val more, int sign) {
    for (uint32_t i = 0; more.type == KS_MAP && i < ks_len(more); i++) {
        const ks_pair *p = ks_pair_at(more, i);
        int64_t before = ks_int_or(ks_get(map, p->key), 0), change = ks_int_or(p->val, 0);
        int64_t now = sign < 0 ? ks_sched_minus(before, change) : ks_sched_plus(before, change);
        map = ks_put(heap, map, p->key, ks_int(now));
    }
    return map;
}

/* Each of the two, the larger: for init containers. */
static void take_larger(ks_heap *heap, ks_amounts *a, const ks_amounts *b) {
    if (b->cpu > a->cpu) a->cpu = b->cpu;
    if (b->memory > a->memory) a->memory = b->memory;
    if (b->ephemeral > a->ephemeral) a->ephemeral = b->ephemeral;
    if (b->scored_cpu > a->scored_cpu) a->scored_cpu = b->scored_cpu;
    if (b->scored_memory > a->scored_memory) a->scored_memory = b->scored_memory;
    for (uint32_t i = 0; b->extended.type == KS_MAP && i < ks_len(b->extended); i++) {
        const ks_pair *p = ks_pair_at(b->extended, i);
        if (ks_int_or(p->val, 0) > ks_int_or(ks_get(a->extended, p->key), 0))
            a->extended = ks_put(heap, a->extended, p->key, p->val);
    }
}

static void add(ks_heap *heap, ks_amounts *a, const ks_amounts *b) {
    a->cpu = ks_sched_held(a->cpu + b->cpu);
    a->memory = ks_sched_held(a->memory + b->memory);
    a->ephemeral = ks_sched_held(a->ephemeral + b->ephemeral);
    a->scored_cpu = ks_sched_held(a->scored_cpu + b->scored_cpu);
    a->scored_memory = ks_sched_held(a->scored_memory + b->scored_memory);
    a->extended = ks_sched_extended_add(heap, a->extended, b->extended, 1);
}

/* The amounts of a resource list. */
static ks_amounts read_list(ks_heap *heap, ks_val requests) {
    ks_amounts out = {.extended = KS_NOTHING};
    for (uint32_t i = 0; requests.type == KS_MAP && i < ks_len(requests); i++) {
        const ks_pair *p = ks_pair_at(requests, i);
        ks_quantity q = ks_quantity_of(p->val);
        if (p->key == K(cpu))
            out.cpu = ks_sched_held(ks_quantity_milli(q));
        else if (p->key == K(memory))
            out.memory = ks_sched_held(ks_quantity_value(q));
        else if (p->key == K(ephemeral_storage))
            out.ephemeral = ks_sched_held(ks_quantity_value(q));
        else if (p->key != K(pods))
            out.extended =
                ks_put(heap, out.extended, p->key, ks_int(ks_sched_held(ks_quantity_value(q))));
    }
    return out;
}

static ks_amounts of_container(ks_heap *heap, ks_val container) {
    ks_val requests = ks_get2(container, K(resources), K(requests));
    ks_amounts out = read_list(heap, requests);
    out.scored_cpu = ks_exists(ks_get(requests, K(cpu))) ? out.cpu : DEFAULT_CPU;
    out.scored_memory = ks_exists(ks_get(requests, K(memory))) ? out.memory : DEFAULT_MEMORY;
    return out;
}

void ks_sched_amounts(ks_heap *heap, ks_val spec, ks_amounts *out) {
    ks_amounts sidecars = {.extended = KS_NOTHING}, init = {.extended = KS_NOTHING};
    *out = (ks_amounts){.extended = KS_NOTHING};
    ks_each(c, ks_get(spec, K(containers))) {
        ks_amounts one = of_container(heap, *c);
        add(heap, out, &one);
        ks_sched_amounts_dispose(heap, &one);
    }
    ks_each(c, ks_get(spec, K(initContainers))) {
        ks_amounts one = of_container(heap, *c);
        bool sidecar = ks_text_is(ks_get(*c, K(restartPolicy)), "Always");
        if (sidecar) {
            add(heap, out, &one);
            add(heap, &sidecars, &one);
            take_larger(heap, &init, &sidecars);
        } else {
            add(heap, &one, &sidecars);
            take_larger(heap, &init, &one);
        }
        ks_sched_amounts_dispose(heap, &one);
    }
    take_larger(heap, out, &init);
    ks_sched_amounts_dispose(heap, &init);
    ks_sched_amounts_dispose(heap, &sidecars);
    ks_val whole = ks_get2(spec, K(resources), K(requests)); /* of the pod as a whole */
    if (ks_len(whole) > 0) {
        ks_amounts pod = read_list(heap, whole);
        if (ks_exists(ks_get(whole, K(cpu)))) out->cpu = out->scored_cpu = pod.cpu;
        if (ks_exists(ks_get(whole, K(memory)))) out->memory = out->scored_memory = pod.memory;
        for (uint32_t i = 0; pod.extended.type == KS_MAP && i < ks_len(pod.extended); i++) {
            const ks_pair *p = ks_pair_at(pod.extended, i);
            if (strncmp(p->key->s, "hugepages-", 10) == 0)
                out->extended = ks_put(heap, out->extended, p->key, p->val);
        }
        ks_sched_amounts_dispose(heap, &pod);
    }
    ks_val overhead = ks_get(spec, K(overhead));
    if (ks_len(overhead) > 0) {
        ks_amounts more = read_list(heap, overhead);
        more.scored_cpu = more.cpu;
        more.scored_memory = more.memory;
        add(heap, out, &more);
        ks_sched_amounts_dispose(heap, &more);
    }
}

void ks_sched_amounts_dispose(ks_heap *heap, ks_amounts *amounts) {
    ks_unref(heap, amounts->extended);
    amounts->extended = KS_NOTHING;
}
