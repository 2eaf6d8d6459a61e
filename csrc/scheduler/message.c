/*
 * scheduler/message.c - the words of refusals: framework/types.go FitError.
 */
#include "scheduler/internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[KS_PLUGIN_COUNT] = {"",
                                                   "SchedulingGates",
                                                   "NodeUnschedulable",
                                                   "NodeName",
                                                   "TaintToleration",
                                                   "NodeAffinity",
                                                   "NodePorts",
                                                   "NodeResourcesFit",
                                                   "VolumeRestrictions",
                                                   "NodeVolumeLimits",
                                                   "VolumeBinding",
                                                   "VolumeZone",
                                                   "PodTopologySpread",
                                                   "InterPodAffinity",
                                                   "DynamicResources",
                                                   "DefaultPreemption",
                                                   "NodeResourcesBalancedAllocation",
                                                   "ImageLocality",
                                                   "DefaultBinder",
                                                   "NodeDeclaredFeatures",
                                                   "policy"};

const char *ks_sched_plugin_name(ks_plugin plugin) { return names[plugin]; }

ks_plugin ks_sched_plugin_named(const char *name) {
    for (int i = 1; i < KS_PLUGIN_COUNT; i++)
        if (strcmp(names[i], name) == 0) return (ks_plugin)i;
    return KS_PLUGIN_NONE;
}

bool ks_scheduler_has_plugin(const char *name) {
    ks_plugin plugin = ks_sched_plugin_named(name);
    return plugin != KS_PLUGIN_NONE && plugin != KS_PLUGIN_POLICY;
}

static const char *const reason_texts[KS_REASON_COUNT] = {
#define KS_SCHED_REASON_TEXT(name, text) text,
    KS_SCHED_REASONS(KS_SCHED_REASON_TEXT)
#undef KS_SCHED_REASON_TEXT
};

const char *ks_sched_reason_text(int number) { return reason_texts[number]; }

ks_val ks_sched_reasons(ks_cycle *c, ks_verdict verdict, const ks_node_info *node, ks_val texts) {
    ks_heap *heap = c->sim->world.heap;
    for (int i = 0; i < KS_REASON_COUNT; i++) {
        if (!(verdict.reasons >> i & 1U)) continue;
        if (i == KS_REASON_NUMBER_EXTENDED) {
            ks_val more = ks_sched_short_extended(heap, c->rules, node);
            ks_each(text, more) texts = ks_append(heap, texts, ks_ref(*text));
            ks_unref(heap, more);
        } else if (i == KS_REASON_NUMBER_POLICY) {
            const ks_str *name = node->object->name;
            texts = ks_append(heap, texts,
                              ks_ref(ks_at(ks_get_text(c->policy_texts, name->s, name->len), 1)));
        } else {
            texts = ks_append(heap, texts, ks_text(heap, reason_texts[i]));
        }
    }
    return texts;
}

static int by_text(const void *a, const void *b) {
    return ks_str_cmp(((const ks_val *)a)->s, ((const ks_val *)b)->s);
}

/* Sorts a list of texts in place: it is the caller's own. */
static void sort(ks_val list) {
    if (list.type == KS_LIST) qsort(list.l->items, list.count, sizeof list.l->items[0], by_text);
}

void ks_sched_fit_message(ks_heap *heap, ks_buf *out, uint32_t nodes, ks_val texts) {
    ks_val lines = KS_NOTHING;
    sort(texts);
    for (uint32_t i = 0; i < ks_len(texts);) {
        uint32_t n = 1;
        while (i + n < ks_len(texts) && ks_equal(ks_at(texts, i), ks_at(texts, i + n))) n++;
        lines = ks_append(heap, lines, ks_format(heap, "%u %s", n, ks_at(texts, i).s->s));
        i += n;
    }
    sort(lines);
    ks_buf_printf(out, "0/%u nodes are available:", nodes);
    for (uint32_t i = 0; i < ks_len(lines); i++) {
        ks_buf_puts(out, i == 0 ? " " : ", ");
        ks_buf_str(out, ks_at(lines, i).s);
    }
    if (ks_len(lines) > 0) ks_buf_putc(out, '.');
    ks_unref(heap, lines);
}
