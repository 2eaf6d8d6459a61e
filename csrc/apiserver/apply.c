/*
 * apiserver/apply.c - server-side apply: the configuration is merged by the schema's list keys,
 * ownership of fields is checked and recorded, and what the same manager applied before and has now
 * left out goes.
 *
 * sigs.k8s.io/structured-merge-diff/v6/merge/update.go: Apply, prune;
 * k8s.io/apimachinery/pkg/util/managedfields/internal/ {structuredmerge,conflict}.go. Called by
 * patch.c.
 */
#include "apiserver/typed.h"
#include "doc/text.h"

#include <stdlib.h>
#include <string.h>

/* --- merging --- */

static const ks_str *name_of(ks_heap *heap, ks_owned list, ks_val item) {
    const ks_str *name = ks_owned_name(heap, list, item);
    ks_str_unref(heap,
                 name); /* interned by the set that is at hand: the pointer is compared only */
    return name;
}

static int64_t index_named(ks_heap *heap, ks_owned list, ks_val items, ks_val like) {
    const ks_str *name = ks_owned_name(heap, list, like);
    int64_t found = -1;
    for (uint32_t i = 0; i < ks_len(items) && found < 0; i++)
        if (name_of(heap, list, ks_at(items, i)) == name) found = i;
    ks_str_unref(heap, name);
    return found;
}

static ks_val merge(ks_heap *heap, ks_owned of, ks_val live, ks_val config);

/* The first item of `config` from `at` on that is in `live`, too; else how many items it has. */
static uint32_t next_shared(ks_heap *heap, ks_owned of, ks_val live, ks_val config, uint32_t at) {
    while (at < ks_len(config) && index_named(heap, of, live, ks_at(config, at)) < 0) at++;
    return at;
}

/* Item `at` of the configuration, merged with the live one if there is one. */
static ks_val take_item(ks_heap *heap, ks_owned of, ks_val live, ks_val config, uint32_t at,
                        ks_val out) {
    ks_val item = ks_at(config, at);
    int64_t like = of.field->list_type == KS_LIST_SET ? -1 : index_named(heap, of, live, item);
    return ks_append(heap, out,
                     like < 0 ? ks_ref(item)
                              : merge(heap, ks_owned_item(of), ks_at(live, (uint32_t)like), item));
}

/* Both lists are walked side by side, the configuration's items in its order. What only the live
 * list has comes as soon as the walk meets it, so before what is new in the configuration there;
 * live items that the configuration has at another place are passed over. typed/merge.go,
 * visitListItems. */
static ks_val merge_items(ks_heap *heap, ks_owned of, ks_val live, ks_val config) {
    ks_val out = ks_list_new(heap, ks_len(live) + ks_len(config));
    uint32_t l = 0, c = 0, shared = next_shared(heap, of, live, config, 0);
    while (l < ks_len(live) || c < ks_len(config)) {
        if (l < ks_len(live)) {
            int64_t place = index_named(heap, of, config, ks_at(live, l));
            bool more = c < ks_len(config);
            if (place < 0) {
                out = ks_append(heap, out, ks_ref(ks_at(live, l++)));
                continue;
            }
            if (more && place != c && shared < ks_len(config) && place != shared) {
                l++;
                continue;
            }
            if (place <= c) l++;
            if (!more) continue;
        }
        out = take_item(heap, of, live, config, c++, out);
        if (shared < c) shared = next_shared(heap, of, live, config, c);
    }
    return out;
}

/* Both borrowed; a new reference. A null is a map or list without members. */
static ks_val merge(ks_heap *heap, ks_owned of, ks_val live, ks_val config) {
    if (config.type == KS_NULL && live.type >= KS_LIST && !ks_owned_whole(of, live))
        return ks_ref(live);
    if (live.type != config.type || ks_owned_whole(of, config)) return ks_ref(config);
    if (config.type == KS_LIST) return merge_items(heap, of, live, config);
    ks_val out = ks_ref(live);
    for (uint32_t i = 0; i < ks_len(config); i++) {
        const ks_pair *pair = ks_pair_at(config, i);
        ks_val merged =
            merge(heap, ks_owned_member(of, pair->key), ks_get(live, pair->key), pair->val);
        out = ks_put(heap, out, pair->key, merged);
    }
    return out;
}

/* --- removing what is owned no more --- */

static ks_val prune(ks_heap *heap, ks_owned of, ks_val value, ks_val gone, ks_val kept);

static ks_val below(ks_val kept, const ks_str *key) {
    return kept.type == KS_NULL ? kept : ks_get(kept, key);
}

static ks_val prune_items(ks_heap *heap, ks_owned of, ks_val value, ks_val gone, ks_val kept) {
    ks_val out = ks_list_new(heap, ks_len(value));
    ks_each(item, value) {
        const ks_str *name = ks_owned_name(heap, of, *item);
        ks_val part = ks_get(gone, name), rest = below(kept, name);
        ks_str_unref(heap, name);
        if (ks_fields_member(part)) continue;
        out = ks_append(heap, out, prune(heap, ks_owned_item(of), ks_ref(*item), part, rest));
    }
    ks_unref(heap, value);
    return out;
}

/* Does all of a member go? It is named itself; or it is a struct's field (EnsureNamedFieldsAreMembers) of which nobody keeps anything: then
 * what nobody owns in it, such as defaults, goes with it. */
static bool goes_whole(ks_owned of, ks_val inner, ks_val gone, ks_val kept) {
    if (ks_fields_member(gone) && (inner.type < KS_LIST || ks_len(gone) == 0)) return true;
    return of.field != NULL && kept.type == KS_NONE;
}

/* Takes `gone`'s members out of `value` (taken over). `kept`: what is owned still. */
static ks_val prune(ks_heap *heap, ks_owned of, ks_val value, ks_val gone, ks_val kept) {
    if (gone.type != KS_MAP || ks_len(gone) == 0 || ks_owned_whole(of, value)) return value;
    if (value.type == KS_LIST) return prune_items(heap, of, value, gone, kept);
    for (uint32_t i = 0; i < ks_len(gone); i++) {
        const ks_pair *pair = ks_pair_at(gone, i);
        if (pair->key->len < 3 || pair->key->s[0] != 'f') continue;
        const ks_str *key = ks_interned(heap, pair->key->s + 2, pair->key->len - 2);
        ks_val inner = key != NULL ? ks_ref(ks_get(value, key)) : KS_NOTHING;
        if (inner.type == KS_NONE) continue;
        ks_owned member = ks_owned_member(of, key);
        ks_val rest = below(kept, pair->key);
        if (goes_whole(member, inner, pair->val, rest)) {
            ks_unref(heap, inner);
            value = ks_drop(heap, value, key);
            continue;
        }
        inner = prune(heap, member, inner, pair->val, rest);
        if (ks_len(inner) == 0 && inner.type >= KS_LIST) {
            ks_unref(heap, inner);
            inner = KS_NOTHING;
        }
        value = ks_put(heap, value, key, inner);
    }
    return value;
}

/* --- conflicts --- */

static bool is_entry(const ks_request *r, ks_val entry, const char *operation) {
    return ks_text_is(ks_get(entry, K(operation)), operation) &&
           ks_text_is(ks_get(entry, K(manager)), r->manager) &&
           strcmp(ks_text_or(ks_get(entry, K(subresource)), ""),
                  r->subresource != NULL ? r->subresource : "") == 0;
}

static size_t go_down(ks_buf *path, const ks_str *key) {
    size_t mark = path->len;
    if (key->s[0] == 'f')
        ks_buf_printf(path, ".%s", key->s + 2);
    else
        ks_typed_place(path, key);
    return mark;
}

static void go_back(ks_buf *path, size_t mark) {
    path->len = mark;
    path->s[mark] = '\0';
}

/* The paths of a set's members, appended to a list of texts: first those that stand there themselves, then what is below (fieldpath:
 * Set.Iterate). */
static void list_paths(ks_heap *heap, ks_val set, ks_buf *path, ks_val *out) {
    for (uint32_t i = 0; i < ks_len(set); i++) {
        const ks_pair *pair = ks_pair_at(set, i);
        if (ks_str_is(pair->key, ".") || !ks_fields_member(pair->val)) continue;
        size_t mark = go_down(path, pair->key);
        *out = ks_append(heap, *out, ks_textn(heap, path->s, path->len));
        go_back(path, mark);
    }
    for (uint32_t i = 0; i < ks_len(set); i++) {
        const ks_pair *pair = ks_pair_at(set, i);
        if (ks_str_is(pair->key, ".")) continue;
        size_t mark = go_down(path, pair->key);
        list_paths(heap, pair->val, path, out);
        go_back(path, mark);
    }
}

static void print_manager(ks_buf *out, ks_val entry) {
    const char *subresource = ks_text_or(ks_get(entry, K(subresource)), "");
    ks_buf_printf(out, "\"%s\"", ks_text_or(ks_get(entry, K(manager)), ""));
    if (*subresource != '\0') ks_buf_printf(out, " with subresource \"%s\"", subresource);
    if (ks_text_is(ks_get(entry, K(operation)), "Update"))
        ks_buf_printf(out, " using %s", ks_text_or(ks_get(entry, K(apiVersion)), ""));
}

/* The conflicts with one manager: causes, and text for the message. */
static void add_conflicts(ks_heap *heap, ks_val entry, ks_val common, ks_val *causes,
                          ks_buf *text) {
    ks_buf who = {.heap = heap}, path = {.heap = heap};
    ks_val paths = KS_NOTHING;
    list_paths(heap, common, &path, &paths);
    ks_buf_dispose(&path);
    if (ks_len(paths) == 0) return;
    print_manager(&who, entry);
    if (text->len > 0) ks_buf_putc(text, '\n');
    ks_buf_printf(text, "conflicts with %s:", who.s);
    ks_each(p, paths) {
        ks_buf_printf(text, "\n- %s", p->s->s);
        *causes = ks_append(heap, *causes,
                            ks_map_of(heap, K(field), ks_ref(*p), K(message),
                                      ks_format(heap, "conflict with %s", who.s), K(reason),
                                      ks_text(heap, "FieldManagerConflict"), NULL));
    }
    ks_unref(heap, paths);
    ks_buf_dispose(&who);
}

static ks_refusal *refuse_conflicts(const ks_request *r, const ks_str *name, ks_val causes,
                                    const ks_buf *text) {
    ks_heap *heap = r->heap;
    uint32_t count = ks_len(causes);
    ks_refusal *refusal;
    if (count == 1)
        refusal = ks_refuse(heap, 409, "Conflict", "Apply failed with 1 conflict: %s: %s",
                            ks_text_or(ks_get(ks_at(causes, 0), K(message)), ""),
                            ks_text_or(ks_get(ks_at(causes, 0), K(field)), ""));
    else
        refusal =
            ks_refuse(heap, 409, "Conflict", "Apply failed with %u conflicts: %s", count, text->s);
    (void)name;
    refusal->causes = causes;
    return refusal;
}

/* BuildManagerIdentifier: conflicts come in the order of these texts. */
static bool is_named_before(ks_val a, ks_val b) {
    const ks_str *const keys[] = {K(manager), K(operation), K(apiVersion), K(time), K(subresource)};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        bool applied = i > 1 && ks_text_is(ks_get(a, K(operation)), "Apply");
        if (applied && keys[i] != K(subresource)) continue;
        int order = strcmp(ks_text_or(ks_get(a, keys[i]), ""), ks_text_or(ks_get(b, keys[i]), ""));
        if (order != 0) return order < 0;
    }
    return false;
}

/* The entries of a list of managedFields by name. A new reference. */
static ks_val by_name(ks_heap *heap, ks_val managed) {
    ks_val sorted = KS_NOTHING;
    ks_each(entry, managed) {
        uint32_t at = ks_len(sorted);
        while (at > 0 && is_named_before(*entry, ks_at(sorted, at - 1))) at--;
        sorted = at < ks_len(sorted) ? ks_insert_at(heap, sorted, at, ks_ref(*entry))
                                     : ks_append(heap, sorted, ks_ref(*entry));
    }
    return sorted;
}

/* Fields of others that would change. */
static ks_refusal *check_conflicts(const ks_request *r, const ks_object *live, ks_val changed) {
    ks_heap *heap = r->heap;
    ks_val causes = KS_NOTHING, managed = by_name(heap, ks_get(live->meta, K(managedFields)));
    ks_buf text = {.heap = heap};
    ks_each(entry, managed) {
        if (is_entry(r, *entry, "Apply")) continue;
        ks_val common = ks_fields_common(heap, ks_ref(ks_get(*entry, K(fieldsV1))), changed);
        if (common.type == KS_MAP) add_conflicts(heap, *entry, common, &causes, &text);
        ks_unref(heap, common);
    }
    ks_refusal *refusal =
        ks_len(causes) > 0 ? refuse_conflicts(r, live->name, causes, &text) : NULL;
    ks_unref(heap, managed);
    ks_buf_dispose(&text);
    return refusal;
}

/* --- ownership afterwards --- */

/* Takes over `mine`. */
static ks_val own(const ks_request *r, const ks_object *live, ks_val mine, ks_val changed,
                  ks_val removed) {
    ks_heap *heap = r->heap;
    ks_val list = KS_NOTHING, applied = KS_NOTHING;
    ks_each(entry, live != NULL ? ks_get(live->meta, K(managedFields)) : KS_NOTHING) {
        ks_val before = ks_get(*entry, K(fieldsV1));
        if (is_entry(r, *entry, "Apply")) {
            if (ks_equal(before, mine)) applied = ks_ref(*entry);
            continue;
        }
        ks_val set = ks_fields_minus(heap, ks_fields_minus(heap, ks_ref(before), changed), removed);
        if (set.type == KS_MAP)
            list = ks_managed_with(heap, list, ks_put(heap, ks_ref(*entry), K(fieldsV1), set));
    }
    if (applied.type == KS_NONE && mine.type == KS_MAP)
        applied = ks_managed_entry(r, "Apply", ks_ref(mine));
    ks_unref(heap, mine);
    return applied.type == KS_NONE ? list : ks_managed_with(heap, list, applied);
}

/* What the manager applied last time, and leaves to nobody now. */
static ks_val abandoned(const ks_request *r, const ks_object *live, ks_val mine) {
    ks_heap *heap = r->heap;
    ks_val gone = KS_NOTHING, managed = ks_get(live->meta, K(managedFields));
    ks_each(entry, managed) {
        if (is_entry(r, *entry, "Apply"))
            gone = ks_fields_beyond(heap, ks_ref(ks_get(*entry, K(fieldsV1))), mine);
    }
    ks_each(entry, managed) {
        if (!is_entry(r, *entry, "Apply"))
            gone = ks_fields_beyond(heap, gone, ks_get(*entry, K(fieldsV1)));
    }
    return gone;
}

/* What somebody owns once `mine` is all that this manager has applied; null: all that is there. */
static ks_val still_owned(const ks_request *r, const ks_object *live, ks_val mine) {
    ks_heap *heap = r->heap;
    ks_val kept = ks_ref(mine);
    ks_each(entry, ks_get(live->meta, K(managedFields))) {
        if (!is_entry(r, *entry, "Apply"))
            kept = ks_fields_union(heap, kept, ks_get(*entry, K(fieldsV1)));
    }
    const ks_str *metadata = ks_intern(heap, "f:metadata", strlen("f:metadata"));
    kept = ks_put(heap, kept, metadata, ks_null()); /* components own labels that nobody notes */
    ks_str_unref(heap, metadata);
    return kept;
}

/* --- the door --- */

static ks_refusal *check_schema(const ks_request *r, const ks_str *ns, const ks_str *name,
                                ks_val config) {
    const ks_str *errors = ks_typed_errors(r->heap, r->info->type, config);
    if (errors == NULL) return NULL;
    ks_refusal *refusal = ks_refuse(
        r->heap, 500, "", "failed to create typed patch object (%s/%s; %s/%s, Kind=%s): %s",
        ns != NULL ? ns->s : "", name->s, r->info->group, r->info->version, r->info->name,
        errors->s);
    ks_str_unref(r->heap, errors);
    return refusal;
}

/* managedfields/internal/structuredmerge.go: what is merged becomes the server's own version. */
static ks_refusal *check_conversion(const ks_request *r, const ks_str *ns, const ks_str *name,
                                    ks_val object) {
    const ks_str *why = ks_unconvertible(r->heap, r->kind, object);
    if (why == NULL) return NULL;
    ks_refusal *refusal = ks_refuse(
        r->heap, 500, "", "failed to convert to unversioned (%s/%s; %s/%s, Kind=%s): %s",
        ns != NULL ? ns->s : "", name->s, r->info->group, r->info->version, r->info->name, why->s);
    ks_str_unref(r->heap, why);
    return refusal;
}

static ks_refusal *check_request(const ks_request *r, const ks_str *ns, const ks_str *name,
                                 ks_val config) {
    ks_heap *heap = r->heap;
    if (config.type != KS_MAP)
        return ks_refuse_bad_request(heap, "error decoding YAML: not an object");
    if (r->manager == NULL || *r->manager == '\0')
        return ks_refuse(heap, 422, "Invalid",
                         "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: "
                         "is required for apply patch");
    const char *version = ks_text_or(ks_get(config, K(apiVersion)), "");
    if (strcmp(version, r->info->api_version) != 0)
        return ks_refuse(
            heap, 400, "BadRequest",
            "Incorrect version specified in apply patch. Specified patch version: %s, expected: %s",
            version, r->info->api_version);
    if (ks_exists(ks_meta_get(config, K(managedFields))))
        return ks_refuse_bad_request(heap, "metadata.managedFields must be nil");
    return check_schema(r, ns, name, config);
}

/* --- from client-side to server-side apply --- */

static const ks_str *last_applied(ks_val meta) {
    const ks_str *text = ks_str_or_null(
        ks_get2(meta, K(annotations), K(kubectl_kubernetes_io_last_applied_configuration)));
    return text != NULL && text->len > 0 ? text : NULL;
}

/* The applier "kubectl" may change what the same person applied on the client's side: the fields of
 * the annotation that are as it says. internal/lastappliedmanager.go. */
static ks_val applied_before(const ks_request *r, const ks_object *live) {
    ks_heap *heap = r->heap;
    const ks_str *text = strcmp(r->manager, "kubectl") == 0 ? last_applied(live->meta) : NULL;
    ks_val doc = KS_NOTHING;
    ks_text_error err = {0};
    if (text == NULL) return KS_NOTHING;
    if (!ks_json_read(heap, text->s, text->len, NULL, &doc, &err)) {
        ks_str_unref(heap, err.message);
        return KS_NOTHING;
    }
    bool fits = ks_text_is(ks_get(doc, K(apiVersion)), r->info->api_version);
    const ks_str *errors = fits ? ks_typed_errors(heap, r->info->type, doc) : NULL;
    fits = fits && errors == NULL;
    ks_str_unref(heap, errors);
    if (!fits) {
        ks_unref(heap, doc);
        return KS_NOTHING;
    }
    ks_fields_diff differs = ks_fields_compare(heap, r->info->type, ks_doc(live), doc);
    ks_val set = ks_fields_minus(heap, ks_fields_of(heap, r->info->type, doc), differs.changed);
    ks_unref(heap, differs.changed);
    ks_unref(heap, differs.removed);
    ks_unref(heap, doc);
    return set;
}

/* The same applier keeps the annotation up to date where there is one. internal/lastappliedupdater.go.
 * Takes over `doc`, returns. */
static ks_val keep_last_applied(const ks_request *r, ks_val doc, ks_val config) {
    ks_heap *heap = r->heap;
    if (strcmp(r->manager, "kubectl") != 0 || last_applied(ks_get(doc, K(metadata))) == NULL)
        return doc;
    ks_val annotations = ks_ref(ks_get2(config, K(metadata), K(annotations))),
           bare = ks_ref(config);
    if (annotations.type == KS_MAP) {
        annotations =
            ks_drop(heap, annotations, K(kubectl_kubernetes_io_last_applied_configuration));
        bare = ks_put2(heap, bare, K(metadata), K(annotations), annotations);
    } else {
        ks_unref(heap, annotations);
    }
    ks_buf text = {.heap = heap};
    ks_json_write(&text, bare, KS_JSON_GO);
    ks_buf_putc(&text, '\n');
    ks_unref(heap, bare);
    return ks_put3(heap, doc, K(metadata), K(annotations),
                   K(kubectl_kubernetes_io_last_applied_configuration),
                   ks_string_take(ks_buf_take(&text)));
}

static ks_refusal *apply_over(ks_request *r, const ks_object *live, ks_val config,
                              const ks_object **out) {
    ks_heap *heap = r->heap;
    const ks_type *type = r->info->type;
    ks_val mine = ks_fields_of(heap, type, config), typed = KS_NOTHING;
    ks_val merged = merge(heap, ks_owned_root(type), ks_doc(live), config);
    ks_val removed = abandoned(r, live, mine), kept = still_owned(r, live, mine);
    merged = prune(heap, ks_owned_root(type), merged, removed, kept);
    ks_unref(heap, kept);
    ks_fields_diff all = ks_fields_compare(heap, type, ks_doc(live), merged); /* as it is written */
    ks_val changed = all.changed;
    ks_unref(heap, all.removed);
    ks_refusal *refusal = ks_decode_changed(heap, &r->s->rules, r->kind, merged, KS_NOTHING, true,
                                            KS_IGNORE, NULL, &typed);
    if (refusal == NULL) {
        typed = ks_default(heap, &r->s->rules, r->kind, typed);
        if (!r->force) {
            ks_val before = applied_before(r, live);
            ks_val foreign = ks_fields_minus(heap, ks_ref(changed), before);
            refusal = check_conflicts(r, live, foreign);
            ks_unref(heap, foreign);
            ks_unref(heap, before);
        }
    }
    if (refusal == NULL) refusal = check_conversion(r, live->ns, live->name, typed);
    if (refusal == NULL) {
        typed = keep_last_applied(r, ks_convert(heap, r->kind, typed), config);
        if (!ks_exists(ks_meta_get(config, K(resourceVersion)))) /* what it was applied over */
            ks_meta_put(heap, &typed, K(resourceVersion),
                        ks_format(heap, "%llu", (unsigned long long)live->version));
        r->managed = own(r, live, ks_ref(mine), changed, removed);
        refusal = ks_update_with(r, live, typed, out);
        ks_unref(heap, r->managed);
        r->managed = KS_NOTHING;
    } else {
        ks_unref(heap, typed);
    }
    ks_unref(heap, mine);
    ks_unref(heap, changed);
    ks_unref(heap, removed);
    return refusal;
}

ks_refusal *ks_apply(ks_request *r, const ks_str *ns, const ks_str *name, ks_val config,
                     const ks_object **out) {
    ks_heap *heap = r->heap;
    ks_refusal *refusal = check_request(r, ns, name, config);
    const ks_object *live =
        ks_store_get(&r->s->store, r->kind, r->info->namespaced ? ns : NULL, name);
    if (refusal == NULL && live == NULL) {
        if (ks_exists(ks_meta_get(config, K(uid)))) {
            ks_buf why = {.heap = heap};
            ks_buf_printf(&why,
                          "uid mismatch: the provided object specified uid %s, and no existing "
                          "object was found",
                          ks_text_or(ks_meta_get(config, K(uid)), ""));
            refusal = ks_refuse_conflict(heap, r->kind, name, why.s);
            ks_buf_dispose(&why);
        } else {
            r->managed =
                own(r, NULL, ks_fields_of(heap, r->info->type, config), KS_NOTHING, KS_NOTHING);
            ks_val doc = ks_put2(heap, ks_ref(config), K(metadata), K(name), ks_string(name));
            refusal = check_conversion(r, ns, name, config);
            if (refusal == NULL)
                refusal = ks_create_with(r, ns, doc, out);
            else
                ks_unref(heap, doc);
            ks_unref(heap, r->managed);
            r->managed = KS_NOTHING;
        }
    } else if (refusal == NULL) {
        refusal = apply_over(r, live, config, out);
    }
    ks_unref(heap, config);
    return refusal;
}
