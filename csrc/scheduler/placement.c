/*
 * scheduler/placement.c - the scheduler's last look at each pod, for cluster:placement().
 *
 * A look is a function of what its class knew of each node and of where the walk went (board.c). So plain looks do not keep
 * what came out: they share a page of what became known or changed, in order, and remember how far of it they had come;
 * cluster:placement() plays the page that far and scores again. A page is shared by looks of about as many changes as there
 * are nodes, and goes with the last of them. Looks that depended on more are kept whole.
 */
#include "scheduler/internal.h"

#include <string.h>

/* What looks may take: so much in all, or so much for each. The oldest go when they take more. */
enum { KEEP_BYTES = 8 * 1024 * 1024, KEEP_BYTES_EACH = 160 };

/* --- pages --- */

void ks_sched_page_unref(ks_heap *heap, ks_page *page) {
    if (page == NULL || --page->refs > 0) return;
    ks_sched_rules_unref(heap, page->rules);
    ks_sched_roster_unref(heap, page->roster);
    ks_free(heap, page->items, page->cap * sizeof *page->items);
    ks_free(heap, page, sizeof *page);
}

/* Whether the class ever came across a node: what it found out then is on the page, or will be when it has changed. */
static bool was_met(const ks_pod_class *class, const ks_roster *roster, uint32_t slot) {
    static const ks_entry nothing;
    return roster->names[slot] != NULL &&
           memcmp(&class->entries[slot], &nothing, sizeof nothing) != 0;
}

/* A new page, which begins with all that the class knows. */
static ks_page *open_page(ks_heap *heap, ks_pod_class *class, ks_roster *roster) {
    ks_page *page = ks_alloc(heap, sizeof *page);
    uint32_t met = 0;
    for (uint32_t slot = 0; slot < roster->slots; slot++) met += was_met(class, roster, slot);
    *page = (ks_page){.refs = 1,
                      .cap = met,
                      .first = met,
                      .items = ks_alloc(heap, met * sizeof *page->items),
                      .rules = class->rules,
                      .roster = roster};
    page->rules->refs++;
    roster->refs++;
    for (uint32_t slot = 0; slot < roster->slots; slot++)
        if (was_met(class, roster, slot))
            page->items[page->count++] = (ks_page_item){slot, class->entries[slot]};
    ks_sched_page_unref(heap, class->page);
    class->page = page;
    return page;
}

/* Adds what has changed since the class's last plain look. */
static void write_changes(ks_heap *heap, ks_pod_class *class, ks_page *page) {
    uint32_t need = page->count + class->changed_count;
    if (need > page->cap) {
        uint32_t cap = page->cap + page->cap / 2 + 4;
        if (cap < need) cap = need;
        page->items = ks_resize(heap, page->items, page->cap * sizeof *page->items,
                                cap * sizeof *page->items);
        page->cap = cap;
    }
    for (uint32_t i = 0; i < class->changed_count; i++) {
        uint32_t slot = class->changed[i];
        page->items[page->count++] = (ks_page_item){slot, class->entries[slot]};
    }
}

/* The class's page, with all in it that it knows now. A page that someone else has written further in, is about other nodes
 * or other rules, or has doubled, is left. */
static ks_page *page_of(ks_heap *heap, ks_pod_class *class, ks_roster *roster) {
    ks_page *page = class->page;
    if (page == NULL || class->lost || page->count != class->page_at || page->roster != roster ||
        page->rules != class->rules || page->count + class->changed_count > 2 * page->first + 16)
        page = open_page(heap, class, roster);
    else
        write_changes(heap, class, page);
    class->page_at = page->count;
    class->changed_count = 0;
    class->lost = false;
    return page;
}

/* --- looks --- */

static size_t whole_size(uint32_t slots) {
    return sizeof(ks_whole_look) + slots * sizeof(ks_look_node);
}

static void free_whole(ks_heap *heap, ks_whole_look *look) {
    uint32_t slots = look->roster == NULL ? 0 : look->roster->slots;
    ks_sched_roster_unref(heap, look->roster);
    ks_str_unref(heap, look->node);
    ks_str_unref(heap, look->profile);
    ks_str_unref(heap, look->nominated);
    ks_unref(heap, look->victims);
    ks_unref(heap, look->policy_texts);
    ks_unref(heap, look->policy_scores);
    ks_unref(heap, look->extended_texts);
    ks_free(heap, look, whole_size(slots));
}

static void look_ref(void *value) { ((ks_look *)value)->refs++; }
static void look_unref(ks_heap *heap, void *value) {
    ks_look *look = value;
    if (--look->refs > 0) return;
    if (look->page == NULL) {
        free_whole(heap, (ks_whole_look *)look);
        return;
    }
    ks_sched_page_unref(heap, look->page);
    ks_free(heap, look, sizeof *look);
}
const ks_ids_type ks_sched_looks_type = {.ref = look_ref, .unref = look_unref};

/* Looks at the oldest pods go when there are too many. */
static void make_room(ks_heap *heap, ks_sched *st) {
    uint64_t oldest;
    void *value;
    while (st->look_bytes > KEEP_BYTES + st->looks.count * KEEP_BYTES_EACH && st->looks.count > 1 &&
           ks_ids_first(&st->looks, &oldest, &value)) {
        st->look_bytes -= ((const ks_look *)value)->bytes;
        ks_ids_del(heap, &st->looks, oldest);
    }
}

void ks_sched_forget_look(ks_heap *heap, ks_sched *st, uint64_t pod) {
    ks_look *look = ks_ids_take(heap, &st->looks, pod);
    if (look == NULL) return;
    st->look_bytes -= look->bytes;
    look_unref(heap, look);
}

/* Puts a pod's look where that before it is, if there is one: those that look for the first time come in the order of their ids. */
static void put_look(ks_heap *heap, ks_sched *st, uint64_t pod, ks_look *look) {
    void **slot = pod > st->last_look ? NULL : ks_ids_slot(heap, &st->looks, pod);
    if (pod > st->last_look) st->last_look = pod;
    if (slot == NULL) {
        ks_ids_put(heap, &st->looks, pod, look);
    } else {
        ks_look *before = *slot;
        *slot = look;
        st->look_bytes -= before->bytes;
        look_unref(heap, before);
    }
    st->look_bytes += look->bytes;
}

static ks_look *plain_look(ks_cycle *c, ks_roster *roster, int64_t slot) {
    ks_heap *heap = c->sim->world.heap;
    ks_look *look = ks_alloc(heap, sizeof *look);
    ks_pod_class *class = c->class;
    const ks_page *before = class->page;
    uint32_t items = before == NULL ? 0 : before->count;
    ks_page *page = page_of(heap, class, roster);
    items = page == before ? page->count - items : page->count;
    *look = (ks_look){.refs = 1,
                      .bytes = (uint32_t)(sizeof *look + items * sizeof *page->items),
                      .page = page,
                      .position = page->count,
                      .start = class->board.start,
                      .end = class->board.end,
                      .slot = (int32_t)slot};
    page->refs++;
    return look;
}

static ks_look *whole_look(ks_cycle *c, ks_roster *roster, int64_t chosen) {
    ks_heap *heap = c->sim->world.heap;
    const ks_sched *st = c->st;
    uint32_t slots = roster == NULL ? 0 : roster->slots;
    ks_whole_look *look = ks_alloc(heap, whole_size(slots));
    *look =
        (ks_whole_look){.head = {.refs = 1, .bytes = (uint32_t)whole_size(slots)},
                        .roster = roster,
                        .node = chosen < 0 ? NULL : ks_str_ref(st->nodes->at[chosen]->object->name),
                        .profile = ks_str_ref(c->rules->scheduler),
                        .nominated = ks_str_ref(c->nominated),
                        .victims = ks_ref(c->victims),
                        .policy_texts = ks_ref(c->policy_texts),
                        .policy_scores = ks_ref(c->policy_scores),
                        .skipped = c->skipped};
    if (roster != NULL) roster->refs++;
    if (slots > 0 && c->plain)
        memset(look->nodes, 0, slots * sizeof *look->nodes);
    else if (slots > 0)
        memcpy(look->nodes, c->look, slots * sizeof *c->look);
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
    return &look->head;
}

/* Whether the page tells it all: entries do not say which extended resource was short, and preemption may have read so many
 * other pods that the class has been compiled anew. */
static bool fits_on_page(const ks_cycle *c) {
    return c->plain && c->class->rules == c->rules && c->nominated == NULL &&
           !ks_exists(c->victims) && c->rules->amounts.extended.type != KS_MAP;
}

void ks_sched_remember(ks_cycle *c, int64_t slot) {
    ks_heap *heap = c->sim->world.heap;
    ks_sched *st = c->st;
    ks_roster *roster = c->prefilter == NULL ? ks_sched_roster(heap, st) : NULL;
    bool plain = roster != NULL && fits_on_page(c);
    ks_look *look = plain ? plain_look(c, roster, slot) : whole_look(c, roster, slot);
    put_look(heap, st, c->pod->id, look);
    make_room(heap, st);
}

/* Plays a page as far as a look had come, and scores the nodes that will do. */
static ks_whole_look *play(ks_heap *heap, const ks_look *look) {
    const ks_page *page = look->page;
    ks_roster *roster = page->roster;
    uint32_t slots = roster->slots, count = 0;
    ks_whole_look *out = ks_alloc_zero(heap, whole_size(slots));
    ks_entry *entries = ks_alloc_zero(heap, slots * sizeof *entries);
    uint32_t *feasible = ks_alloc(heap, slots * sizeof *feasible);
    int32_t *raw = ks_alloc(heap, slots * sizeof *raw),
            *sums = ks_alloc(heap, slots * sizeof *sums);
    out->head.refs = 1;
    out->roster = roster;
    roster->refs++;
    out->node = look->slot < 0 ? NULL : ks_str_ref(roster->names[look->slot]);
    out->profile = ks_str_ref(page->rules->scheduler);
    for (uint32_t i = 0; i < look->position; i++)
        entries[page->items[i].slot] = page->items[i].entry;
    for (uint32_t i = 0; i < look->end; i++) {
        uint32_t slot = roster->order[(look->start + i) % roster->count];
        const ks_entry *e = &entries[slot];
        if (e->plugin == KS_PLUGIN_NONE)
            feasible[count++] = slot;
        else
            out->nodes[slot] = (ks_look_node){.reasons = e->reasons, .plugin = e->plugin};
    }
    if (count > 1) {
        ks_norms norms;
        out->skipped = ks_sched_skipped(page->rules);
        ks_sched_norms(page->rules, roster, entries, feasible, count, raw, sums, &norms);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t slot = feasible[i];
            out->nodes[slot] = ks_sched_grade(page->rules, &norms, &entries[slot], raw[slot]);
        }
    }
    ks_free(heap, sums, slots * sizeof *sums);
    ks_free(heap, raw, slots * sizeof *raw);
    ks_free(heap, feasible, slots * sizeof *feasible);
    ks_free(heap, entries, slots * sizeof *entries);
    return out;
}

/* --- as a document --- */

static ks_val reason_text(ks_heap *heap, const ks_whole_look *look, const ks_look_node *n,
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

static ks_val put_score(ks_heap *heap, ks_val scores, const ks_whole_look *look, ks_plugin plugin,
                        int score, int64_t *total) {
    if (look->skipped >> plugin & 1U) return scores;
    const ks_str *key = ks_intern_of(heap, ks_sched_plugin_name(plugin));
    scores = ks_put(heap, scores, key, ks_int(score));
    ks_str_unref(heap, key);
    *total += score;
    return scores;
}

static ks_val node_doc(ks_heap *heap, const ks_whole_look *look, const ks_look_node *n,
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
    scores = put_score(heap, scores, look, KS_PLUGIN_TAINTS, KS_W_TAINTS * n->taints, &total);
    scores =
        put_score(heap, scores, look, KS_PLUGIN_NODE_AFFINITY, KS_W_AFFINITY * n->affinity, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_FIT, KS_W_FIT * n->fit, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_SPREAD, KS_W_SPREAD * n->spread, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_POD_AFFINITY,
                       KS_W_POD_AFFINITY * n->pod_affinity, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_CLAIMS, 0, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_BALANCED, KS_W_BALANCED * n->balanced, &total);
    scores = put_score(heap, scores, look, KS_PLUGIN_IMAGES, KS_W_IMAGES * n->images, &total);
    return ks_map_of(heap, K(total), ks_int(total + n->policy), K(scores), scores, NULL);
}

static ks_val look_doc(ks_heap *heap, const ks_whole_look *look) {
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

ks_val ks_scheduler_placement(ks_sim *sim, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    const ks_sched *st = ks_component_look(sim, &ks_scheduler);
    const ks_look *look = st == NULL ? NULL : ks_ids_get(&st->looks, pod->id);
    if (look == NULL) {
        if (pod->node == NULL) return KS_NOTHING;
        return ks_map_of(heap, K(node), ks_string(pod->node), K(profile),
                         ks_ref(ks_get(pod->spec, K(schedulerName))), NULL);
    }
    if (look->page == NULL) return look_doc(heap, (const ks_whole_look *)look);
    ks_whole_look *played = play(heap, look);
    ks_val doc = look_doc(heap, played);
    free_whole(heap, played);
    return doc;
}
