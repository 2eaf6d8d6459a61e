/*
 * controllers/statefulset/revisions.c - which ControllerRevision is the set's template, which one it comes from, and which may go:
 * stateful_set_control.go: getStatefulSetRevisions, truncateHistory.
 */
#include "controllers/statefulset/internal.h"

#include "api/codec.h"

void sts_history_unref(ks_heap *heap, sts_history *history) {
    if (history == NULL || --history->refs > 0) return;
    ks_free(heap, history->words, history->list.count * sizeof *history->words);
    ks_objects_dispose(heap, &history->list);
    ks_unref(heap, history->chosen_for);
    ks_object_unref(heap, history->chosen);
    ks_free(heap, history, sizeof *history);
}

void sts_forget_history(ks_heap *heap, sts_entry *e) {
    sts_history_unref(heap, e->history);
    e->history = NULL;
}

static sts_history *make_history(const sts_sync *c) {
    sts_history *h = ks_alloc_zero(c->heap, sizeof *h);
    h->refs = 1;
    ks_history_list(c->sim, c->set, c->e->selector, &c->st->loose_revisions, &h->list);
    if (h->list.count > 0) h->words = ks_alloc(c->heap, h->list.count * sizeof *h->words);
    for (size_t i = 0; i < h->list.count; i++)
        h->words[i] = sts_revision_word(h->list.items[i]->name);
    return h;
}

static uint64_t word_of(const sts_history *h, const ks_object *revision) {
    for (size_t i = h->list.count; i-- > 0;)
        if (h->list.items[i] == revision) return h->words[i];
    return sts_revision_word(revision->name);
}

static void list(sts_sync *c) {
    if (c->e->history == NULL) c->e->history = make_history(c);
    sts_history_unref(c->heap, c->history);
    c->history = c->e->history;
    c->history->refs++;
}

/* set.go: adoptOrphanRevisions: a set that is being deleted may not, and its sync fails. */
bool sts_list_revisions(sts_sync *c) {
    list(c);
    bool adopted = false;
    for (size_t i = 0; i < c->history->list.count; i++) {
        const ks_object *revision = c->history->list.items[i];
        if (revision->owner_uid != NULL) continue;
        if (ks_object_terminating(c->set)) return false;
        ks_adopt(c->sim, revision, c->set, &adopted);
        if (!adopted) return false;
    }
    if (adopted) list(c);
    return true;
}

static ks_val data_of(const ks_object *revision) { return ks_get(ks_doc(revision), K(data)); }

/* The template that the revision holds, where it holds nothing else, as those do that a set has made; else KS_NOTHING. With what it says of itself
 * as a patch. */
static ks_val held_by(const ks_object *revision) {
    ks_val data = data_of(revision), held = ks_get2(data, K(spec), K(template));
    bool alone = ks_len(data) == 1 && ks_len(ks_get(data, K(spec))) == 1;
    return alone && ks_text_is(ks_get(held, K(_patch)), "replace") ? held : KS_NOTHING;
}

/* Does the revision hold just this template? */
static bool holds(const ks_object *revision, ks_val template) {
    ks_val held = held_by(revision);
    if (ks_len(held) != ks_len(template) + 1) return false;
    for (uint32_t i = 0; i < ks_len(template); i++) {
        const ks_pair *pair = ks_pair_at(template, i);
        if (!ks_equal(pair->val, ks_get(held, pair->key))) return false;
    }
    return true;
}

/* The set as the revision, a patch of it, makes it; KS_NOTHING when that does not go. */
static ks_val patched(sts_sync *c, const ks_object *revision) {
    ks_heap *heap = c->heap;
    if (ks_exists(held_by(revision)))
        return ks_put2(heap, ks_doc_ref(c->set), K(spec), K(template),
                       ks_revision_template(heap, data_of(revision)));
    ks_val doc;
    ks_refusal *refusal = ks_patch_apply(heap, KS_STATEFULSET, KS_PATCH_STRATEGIC,
                                         ks_doc_ref(c->set), ks_ref(data_of(revision)), &doc);
    if (refusal == NULL) return doc;
    ks_refusal_free(heap, refusal);
    return KS_NOTHING;
}

/* The same, decoded. */
static ks_val apply(sts_sync *c, const ks_object *revision) {
    ks_val doc = patched(c, revision), out;
    if (!ks_exists(doc)) return KS_NOTHING;
    ks_refusal *refusal =
        ks_decode(c->heap, &c->sim->server.rules, KS_STATEFULSET, doc, KS_IGNORE, NULL, &out);
    if (refusal == NULL) return out;
    ks_refusal_free(c->heap, refusal);
    return KS_NOTHING;
}

/* setMatchesLatestExistingRevision */
static bool means_the_same(sts_sync *c, const ks_object *revision, ks_val template) {
    if (!c->sim->server.rules.semantic_revisions) return false;
    ks_val set = apply(c, revision);
    if (!ks_exists(set)) return false;
    set = ks_default(c->heap, &c->sim->server.rules, KS_STATEFULSET, set);
    bool same = ks_equal(ks_get2(set, K(spec), K(template)), template);
    ks_unref(c->heap, set);
    return same;
}

ks_val sts_template_of(sts_sync *c, const ks_object *revision) {
    ks_val template = ks_get(c->set->spec, K(template));
    if (holds(revision, template)) return template;
    sts_entry *e = c->e;
    if (e->parsed_version != revision->version) {
        ks_val set = apply(c, revision);
        ks_unref(c->heap, e->parsed);
        e->parsed = ks_ref(ks_get2(set, K(spec), K(template)));
        /* what is no template by itself means something else with each version of the set */
        e->parsed_version = ks_exists(held_by(revision)) ? revision->version : 0;
        ks_unref(c->heap, set);
    }
    return e->parsed;
}

static int64_t next_number(const ks_objects *list_) {
    return list_->count == 0 ? 1 : ks_revision_number(list_->items[list_->count - 1]) + 1;
}

/* A new reference into c->update; *written: the history has changed. */
static ks_refusal *pick(sts_sync *c, ks_val template, bool *written) {
    const ks_objects *all = &c->history->list;
    size_t equal = all->count;
    *written = false;
    while (equal > 0 && !holds(all->items[equal - 1], template)) equal--;
    if (equal > 0 && equal == all->count) {
        c->update = ks_object_ref(all->items[equal - 1]);
        return NULL;
    }
    if (equal == 0 && all->count > 0 && means_the_same(c, all->items[all->count - 1], template)) {
        c->update = ks_object_ref(all->items[all->count - 1]);
        return NULL;
    }
    *written = true;
    if (equal > 0)
        return ks_revision_renumber(c->sim, all->items[equal - 1], next_number(all), &c->update);
    ks_val data = ks_revision_data(c->heap, template);
    ks_refusal *refusal =
        ks_revision_create(c->sim, c->set, data, next_number(all), &c->collisions, &c->update);
    ks_unref(c->heap, data);
    return refusal;
}

bool sts_choose_revisions(sts_sync *c) {
    ks_val template = ks_get(c->set->spec, K(template));
    sts_history *h = c->history;
    c->collisions = ks_count(c->set->status, K(collisionCount), 0);
    if (h->chosen != NULL && h->chosen_for.m == template.m) {
        c->update = ks_object_ref(h->chosen);
    } else {
        bool written;
        ks_refusal *refusal = pick(c, template, &written);
        if (refusal != NULL) {
            ks_refusal_free(c->heap, refusal);
            return false;
        }
        if (!written) {
            ks_unref(c->heap, h->chosen_for);
            ks_object_unref(c->heap, h->chosen);
            h->chosen_for = ks_ref(template);
            h->chosen = ks_object_ref(c->update);
        }
    }
    const ks_str *name = ks_str_or_null(ks_get(c->set->status, K(currentRevision)));
    for (size_t i = 0; i < h->list.count && c->current == NULL; i++)
        if (ks_str_eq(h->list.items[i]->name, name)) c->current = ks_object_ref(h->list.items[i]);
    if (c->current == NULL) c->current = ks_object_ref(c->update);
    c->current_word = word_of(h, c->current);
    c->update_word = word_of(h, c->update);
    sts_entry_aim(c->sim, c->e, c->update_word);
    return true;
}

static bool is_live(const sts_sync *c, const ks_object *revision) {
    if (c->current != NULL && ks_str_eq(revision->name, c->current->name)) return true;
    if (c->update != NULL && ks_str_eq(revision->name, c->update->name)) return true;
    return sts_labelled(c->e, word_of(c->history, revision), false) > 0;
}

bool sts_truncate_history(sts_sync *c) {
    const ks_objects *all = &c->history->list;
    int64_t limit = ks_count(c->set->spec, K(revisionHistoryLimit), 10), dead = 0;
    if (limit < 0 || (int64_t)all->count <= limit) return true;
    for (size_t i = 0; i < all->count; i++) dead += !is_live(c, all->items[i]);
    for (size_t i = 0; i < all->count && dead > limit; i++) {
        const ks_object *revision = all->items[i];
        if (is_live(c, revision)) continue;
        dead--;
        ks_refusal *refusal = ks_server_delete(&c->sim->server, KS_CONTROLLERREVISION, revision->ns,
                                               revision->name, NULL, NULL);
        if (refusal == NULL) continue;
        ks_refusal_free(c->heap,
                        refusal); /* gone already: the cache is old, and the sync is repeated */
        return false;
    }
    return true;
}
