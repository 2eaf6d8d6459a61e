/*
 * scheduler/placement.c - the scheduler's last look at each pod, for cluster:placement().
 */
#include "scheduler/internal.h"

#include <string.h>

enum { KEEP_BYTES = 8 * 1024 * 1024 };

static size_t look_size(uint32_t slots) { return sizeof(ks_look) + slots * sizeof(ks_look_node); }

static void look_ref(void *value) { ((ks_look *)value)->refs++; }
static void look_unref(ks_heap *heap, void *value) {
    ks_look *look = value;
    if (--look->refs > 0) return;
    uint32_t slots = look->roster == NULL ? 0 : look->roster->slots;
    ks_sched_roster_unref(heap, look->roster);
    ks_str_unref(heap, look->node);
    ks_str_unref(heap, look->profile);
    ks_str_unref(heap, look->nominated);
    ks_unref(heap, look->victims);
    ks_unref(heap, look->policy_texts);
    ks_unref(heap, look->policy_scores);
    ks_unref(heap, look->extended_texts);
    ks_free(heap, look, look_size(slots));
}
const ks_tree_type ks_sched_looks_type = {NULL, NULL, NULL, look_ref, look_unref};

/* Looks at the oldest pods go when there are too many. */
static void make_room(ks_heap *heap, ks_sched *st) {
    ks_key oldest;
    void *value;
    while (st->look_bytes > KEEP_BYTES && st->looks.count > 1 &&
           ks_tree_first(&st->looks, &oldest, &value)) {
        const ks_look *look = value;
        st->look_bytes -= look_size(look->roster == NULL ? 0 : look->roster->slots);
        ks_tree_del(heap, &st->looks, oldest);
    }
}

void ks_sched_forget_look(ks_heap *heap, ks_sched *st, uint64_t pod) {
    const ks_look *look = st->looks.count == 0 ? NULL : ks_tree_get(&st->looks, (ks_key){0, pod});
    if (look == NULL) return;
    st->look_bytes -= look_size(look->roster == NULL ? 0 : look->roster->slots);
    ks_tree_del(heap, &st->looks, (ks_key){0, pod});
}

void ks_sched_remember(ks_cycle *c, const ks_str *node) {
    ks_heap *heap = c->sim->world.heap;
    ks_sched *st = c->st;
    bool nodes = c->prefilter == NULL;
    ks_roster *roster = nodes ? ks_sched_roster(heap, st) : NULL;
    uint32_t slots = nodes ? roster->slots : 0;
    ks_look *look = ks_alloc(heap, look_size(slots));
    *look = (ks_look){.refs = 1,
                      .roster = roster,
                      .node = ks_str_ref(node),
                      .profile = ks_str_ref(c->rules->scheduler),
                      .nominated = ks_str_ref(c->nominated),
                      .victims = ks_ref(c->victims),
                      .policy_texts = ks_ref(c->policy_texts),
                      .policy_scores = ks_ref(c->policy_scores),
                      .skipped = c->skipped};
    if (roster != NULL) roster->refs++;
    if (slots > 0) memcpy(look->nodes, c->look, slots * sizeof *c->look);
    for (uint32_t slot = 0; slot < slots && c->failed_count > 0; slot++) {
        ks_verdict v = c->verdicts[slot];
        if (roster->names[slot] == NULL || !c->looked[slot] || v.plugin == KS_PLUGIN_NONE) continue;
        look->nodes[slot] = (ks_look_node){.reasons = v.reasons, .plugin = v.plugin};
        if (!(v.reasons & KS_REASON_EXTENDED)) continue;
        const ks_str *key = ks_intern(heap, roster->names[slot]->s, roster->names[slot]->len);
        look->extended_texts = ks_put(heap, look->extended_texts, key,
                                      ks_sched_short_extended(heap, c->rules, st->nodes->at[slot]));
        ks_str_unref(heap, key);
    }
    ks_sched_forget_look(heap, st, c->pod->id);
    ks_tree_put(heap, &st->looks, (ks_key){0, c->pod->id}, look);
    st->look_bytes += look_size(slots);
    make_room(heap, st);
}

/* --- as a document --- */

static ks_val reason_text(ks_heap *heap, const ks_look *look, const ks_look_node *n,
                          const ks_str *name) {
    ks_buf text = {heap, NULL, 0, 0};
    for (int i = 0; i < KS_REASON_COUNT; i++) {
        if (!(n->reasons >> i & 1U)) continue;
        if (i == KS_REASON_NUMBER_EXTENDED) {
            ks_each(t, ks_get_text(look->extended_texts, name->s, name->len)) {
                if (text.len > 0) ks_buf_puts(&text, ", ");
                ks_buf_puts(&text, ks_text_or(*t, ""));
            }
            continue;
        }
        if (text.len > 0) ks_buf_puts(&text, ", ");
        ks_buf_puts(
            &text,
            i == KS_REASON_NUMBER_POLICY
                ? ks_text_or(ks_at(ks_get_text(look->policy_texts, name->s, name->len), 1), "")
                : ks_sched_reason_text(i));
    }
    return ks_string_take(ks_buf_take(&text));
}

static ks_val put_score(ks_heap *heap, ks_val scores, const ks_look *look, ks_plugin plugin,
                        int score, int64_t *total) {
    if (look->skipped >> plugin & 1U) return scores;
    const ks_str *key = ks_intern_of(heap, ks_sched_plugin_name(plugin));
    scores = ks_put(heap, scores, key, ks_int(score));
    ks_str_unref(heap, key);
    *total += score;
    return scores;
}

static ks_val node_doc(ks_heap *heap, const ks_look *look, const ks_look_node *n,
                       const ks_str *name) {
    if (n->plugin != KS_PLUGIN_NONE) {
        const char *plugin = ks_sched_plugin_name((ks_plugin)n->plugin);
        if (n->plugin == KS_PLUGIN_POLICY)
            plugin =
                ks_text_or(ks_at(ks_get_text(look->policy_texts, name->s, name->len), 0), plugin);
        return ks_map_of(heap, K(plugin), ks_text(heap, plugin), K(reason),
                         reason_text(heap, look, n, name), NULL);
    }
    if (!n->scored) return ks_map_new(heap, 0);
    int64_t total = 0;
    ks_val scores = KS_NOTHING;
    ks_val policies = ks_get_text(look->policy_scores, name->s, name->len);
    for (uint32_t i = 0; policies.type == KS_MAP && i < ks_len(policies); i++)
        scores = ks_put(heap, scores, ks_pair_at(policies, i)->key, ks_pair_at(policies, i)->val);
    scores = put_score(heap, scores, look, KS_PLUGIN_TAINTS, 3 * n->taints, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_NODE_AFFINITY, 2 * n->affinity, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_FIT, n->fit, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_SPREAD, 2 * n->spread, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_POD_AFFINITY, 2 * n->pod_affinity, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_CLAIMS, 0, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_BALANCED, n->balanced, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_IMAGES, n->images, &total);
    return ks_map_of(heap, K(total), ks_int(total + n->policy), K(scores), scores, NULL);
}

ks_val ks_scheduler_placement(ks_sim *sim, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    const ks_sched *st = ks_component_state(sim, &ks_scheduler);
    const ks_look *look = st == NULL ? NULL : ks_tree_get(&st->looks, (ks_key){0, pod->id});
    if (look == NULL) {
        if (pod->node == NULL) return KS_NOTHING;
        return ks_map_of(heap, K(node), ks_string(pod->node), K(profile),
                         ks_ref(ks_get(pod->spec, K(schedulerName))), NULL);
    }
    ks_val nodes = ks_map_new(heap, 0);
    for (uint32_t slot = 0; look->roster != NULL && slot < look->roster->slots; slot++) {
        const ks_str *name = look->roster->names[slot];
        if (name == NULL) continue;
        const ks_str *key = ks_intern(heap, name->s, name->len);
        nodes = ks_put(heap, nodes, key, node_doc(heap, look, &look->nodes[slot], name));
        ks_str_unref(heap, key);
    }
    return ks_map_of(heap, K(node), look->node == NULL ? KS_NOTHING : ks_string(look->node),
                     K(profile), ks_string(look->profile), K(nodes), nodes, K(nominated),
                     look->nominated == NULL ? KS_NOTHING : ks_string(look->nominated), K(victims),
                     ks_ref(look->victims), NULL);
}
