/*
 * apiserver/patch.c - PATCH: applies a patch to the stored document and lets the result run through
 * the checks of an update.
 *
 * k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
 */
#include "api/schema_table.h"
#include "api/values.h"
#include "apiserver/internal.h"
#include "doc/text.h"

#include <stdio.h>
#include <string.h>

ks_refusal *ks_patch_apply(ks_heap *heap, ks_kind kind, ks_patch_type type, ks_val doc,
                           ks_val patch, ks_val *out) {
    *out = KS_NOTHING;
    switch (type) {
    case KS_PATCH_JSON: return ks_patch_json(heap, doc, patch, out);
    case KS_PATCH_STRATEGIC:
        return ks_patch_strategic(heap, ks_kind_get(kind)->type, doc, patch, out);
    case KS_PATCH_MERGE:
        if (patch.type == KS_MAP) {
            *out = ks_patch_merge(heap, doc, patch);
            return NULL;
        }
        ks_unref(heap, doc);
        ks_unref(heap, patch);
        return ks_refuse(heap, 400, "BadRequest",
                         "error decoding patch: json: cannot unmarshal %s into Go value of type "
                         "map[string]interface {}",
                         patch.type == KS_LIST     ? "array"
                         : patch.type == KS_STRING ? "string"
                         : patch.type == KS_BOOL   ? "bool"
                                                   : "number");
    case KS_PATCH_APPLY: break;
    }
    ks_unref(heap, doc);
    ks_unref(heap, patch);
    return ks_refuse(heap, 415, "UnsupportedMediaType",
                     "not supported yet: server-side apply of a Scale");
}

/* --- what cannot be decoded --- */

/* "v1.PodSpec", not "v1.Protocol", which is a text. */
static bool is_struct(const char *go_type) {
    const char *dot = strrchr(go_type, '.');
    if (dot == NULL) return false;
    for (int i = 0; i < KS_TYPE_COUNT; i++)
        if (strcmp(ks_type_go_name(&ks_types[i]), dot + 1) == 0) return true;
    return false;
}

/* What Go calls the kind of a value of which a text speaks as the JSON decoder does. */
static const char *kind_in(const char *text) {
    static const struct {
        const char *json, *go;
    } kinds[] = {{"number", "int64"},
                 {"float64", "float64"},
                 {"array", "slice"},
                 {"object", "map"},
                 {"bool", "bool"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(text, kinds[i].json, strlen(kinds[i].json)) == 0) return kinds[i].go;
    return "string";
}

/* The converter from maps to structs words its errors otherwise than the JSON decoder, unless they come from a type's own decoder:
 * runtime/converter.go. Appends to `out`. */
static void convert_text(ks_buf *out, const char *text) {
    static const char mark[] = "json: cannot unmarshal ", of_type[] = " of type ";
    const char *into = strstr(text, " into Go struct field "), *of = strstr(text, of_type);
    if (strncmp(text, mark, strlen(mark)) != 0 || into == NULL || of == NULL) {
        if (strncmp(text, "illegal base64", 14) == 0)
            ks_buf_puts(out, "error decoding from json: ");
        ks_buf_puts(out, text);
        return;
    }
    const char *from = text + strlen(mark), *to = of + strlen(of_type), *kind = kind_in(from);
    bool number = strncmp(from, "number", 6) == 0, named = strchr(to, '.') != NULL;
    if (strncmp(to, "map[", 4) == 0 || strcmp(to, "v1.ResourceList") == 0)
        ks_buf_printf(out, "cannot restore map from %s", kind);
    else if (strncmp(to, "[]", 2) == 0)
        ks_buf_printf(out, "cannot restore slice from %s", kind);
    else if (is_struct(to))
        ks_buf_printf(out, "cannot restore struct from: %s", kind);
    else if (number && (named || strcmp(to, "string") == 0 || strncmp(to, "int", 3) == 0))
        ks_buf_printf(out, "cannot convert %s to %s",
                      memchr(from, '.', (size_t)(into - from)) != NULL ? "float64" : kind, to);
    else
        ks_buf_printf(out, "unrecognized type: %s", named ? "string" : to);
}

static const char STRICT[] = "strict decoding error: ";

/* Why the result could not be decoded, with what the patch itself has too much. Appends to `out`. */
static void put_why(ks_buf *out, const char *why, ks_val unknown) {
    size_t len = strlen(STRICT);
    if (ks_len(unknown) == 0 || strncmp(why, STRICT, len) != 0) {
        ks_buf_puts(out, why);
        return;
    }
    ks_buf_puts(out, STRICT);
    for (uint32_t i = 0; i < ks_len(unknown); i++) {
        if (i > 0) ks_buf_puts(out, ", ");
        ks_buf_str(out, ks_at(unknown, i).s);
    }
    if (why[len] != '\0') ks_buf_printf(out, ", %s", why + len);
}

/* The result of a patch of `original` could not be decoded: a 422 about the patch, as the server words it. Takes over
 * `refusal`. */
static ks_refusal *about_patch(ks_heap *heap, ks_refusal *refusal, ks_patch_type type,
                               ks_val original, ks_val patch, ks_val patched, ks_val unknown) {
    const char *text = refusal->message->s, *why = strstr(text, " cannot be handled as a ");
    why = why != NULL ? strstr(why, ": ") : NULL;
    why = why != NULL ? why + 2 : text;
    ks_buf value = {.heap = heap}, words = {.heap = heap};
    if (type == KS_PATCH_STRATEGIC) {
        ks_val left = ks_patch_spent(heap, original, patch);
        ks_print_go(&value, left);
        ks_unref(heap, left);
        convert_text(&words, why);
    } else {
        ks_json_write(&value, patched, KS_JSON_COMPACT);
        put_why(&words, why, unknown);
    }
    ks_errors errors = {.heap = heap};
    ks_val shown = ks_textn(heap, value.s != NULL ? value.s : "", value.len);
    ks_error_invalid(&errors, "patch", shown, words.s);
    ks_unref(heap, shown);
    ks_val causes = errors.causes;
    errors.causes = KS_NOTHING;
    ks_errors_dispose(&errors);
    const char *message = ks_text_or(ks_get(ks_at(causes, 0), K(message)), "");
    ks_refusal *made = ks_refuse(heap, 422, "Invalid", " \"\" is invalid: patch: %s", message);
    made->causes = causes;
    ks_buf_dispose(&value);
    ks_buf_dispose(&words);
    ks_refusal_free(heap, refusal);
    return made;
}

/* What a strategic patch makes is a struct that no decoder has read: it is converted by itself (patch.go: smpPatcher). */
static ks_refusal *convert(ks_heap *heap, ks_kind kind, ks_val *typed) {
    const ks_str *why = ks_unconvertible(heap, kind, *typed);
    if (why == NULL) {
        *typed = ks_convert(heap, kind, *typed);
        return NULL;
    }
    ks_unref(heap, *typed);
    ks_refusal *refusal = ks_refuse(heap, 500, "", "%s", why->s);
    ks_str_unref(heap, why);
    return refusal;
}

/* --- scale --- */

/* The Scale of an object, without its selector's text. */
static ks_val scale_of(ks_heap *heap, const ks_object *o) {
    char version[24];
    snprintf(version, sizeof version, "%llu", (unsigned long long)o->version);
    ks_val meta =
        ks_map_of(heap, K(name), ks_string(o->name), K(namespace), ks_string(o->ns), K(uid),
                  ks_string(o->uid), K(resourceVersion), ks_text(heap, version),
                  K(creationTimestamp), ks_ref(ks_get(o->meta, K(creationTimestamp))), NULL);
    ks_val spec =
        ks_map_of(heap, K(replicas), ks_int(ks_int_or(ks_get(o->spec, K(replicas)), 0)), NULL);
    ks_val status =
        ks_map_of(heap, K(replicas), ks_int(ks_int_or(ks_get(o->status, K(replicas)), 0)), NULL);
    return ks_map_of(heap, K(apiVersion), ks_text(heap, "autoscaling/v1"), K(kind),
                     ks_text(heap, "Scale"), K(metadata), meta, K(spec), spec, K(status), status,
                     NULL);
}

/* --- the door --- */

static ks_refusal *check_names(const ks_request *r, ks_val doc, const ks_object *old) {
    const char *name = ks_text_or(ks_meta_get(doc, K(name)), ""),
               *ns = ks_text_or(ks_meta_get(doc, K(namespace)), "");
    ks_buf why = {.heap = r->heap};
    if (old->ns != NULL && *ns != '\0' && !ks_str_is(old->ns, ns))
        ks_buf_puts(&why, "the namespace of the provided object does not match the namespace sent "
                          "on the request");
    else if (*name == '\0')
        ks_buf_printf(
            &why,
            "the name of the object (%s based on URL) was undeterminable: name must be provided",
            old->name->s);
    else if (!ks_str_is(old->name, name))
        ks_buf_printf(&why, "the name of the object (%s) does not match the name on the URL (%s)",
                      name, old->name->s);
    if (why.s == NULL) return NULL;
    ks_refusal *refusal = ks_refuse_bad_request(r->heap, why.s);
    ks_buf_dispose(&why);
    return refusal;
}

/* A strategic patch makes an object of the kind that the request names, whatever words for it the patch has (patch.go:
 * strategicPatchObject). Takes over `patched`. */
static ks_val without_words(ks_heap *heap, ks_val patch, ks_val patched) {
    bool worded = ks_exists(ks_get(patch, K(kind))) || ks_exists(ks_get(patch, K(apiVersion)));
    if (!worded || patched.type != KS_MAP) return patched;
    if (ks_get(patched, K(kind)).type == KS_STRING) patched = ks_drop(heap, patched, K(kind));
    if (ks_get(patched, K(apiVersion)).type == KS_STRING)
        patched = ks_drop(heap, patched, K(apiVersion));
    return patched;
}

/* What a Scale has in metadata of the object that it scales. */
static ks_refusal *check_scaled(ks_heap *heap, const ks_object *old, ks_val scale) {
    const ks_kind_info *info = ks_kind_get(old->kind);
    const char *uid = ks_text_or(ks_meta_get(scale, K(uid)), "");
    if (*uid != '\0' && !ks_str_is(old->uid, uid)) {
        ks_refusal *refusal = ks_refuse(
            heap, 409, "Conflict",
            "Operation cannot be fulfilled on %s/scale.%s \"%s\": Precondition failed: UID in "
            "precondition: %s, UID in object meta: %s",
            info->plural, info->group, old->name->s, uid, old->uid->s);
        refusal->name = ks_str_ref(old->name);
        refusal->group = ks_str_of(heap, info->group);
        refusal->kind = ks_str_printf(heap, "%s/scale", info->plural);
        return refusal;
    }
    const ks_str *version = ks_str_or_null(ks_meta_get(scale, K(resourceVersion)));
    uint64_t number;
    if (version == NULL || version->len == 0) return NULL;
    ks_refusal *refusal = ks_read_version(heap, version, &number);
    if (refusal == NULL && number != 0 && number != old->version)
        refusal = ks_refuse_stale(heap, old->kind, old->name);
    return refusal;
}

static ks_refusal *patch_scale(const ks_request *r, const ks_object *old, ks_patch_type type,
                               ks_val patch, const ks_object **out) {
    ks_heap *heap = r->heap;
    const ks_type *scale_type = ks_type_named("autoscaling/v1.Scale");
    ks_val patched = KS_NOTHING, typed = KS_NOTHING, scale = scale_of(heap, old);
    ks_refusal *refusal =
        type == KS_PATCH_STRATEGIC
            ? ks_patch_strategic(heap, scale_type, scale, ks_ref(patch), &patched)
            : ks_patch_apply(heap, old->kind, type, scale, ks_ref(patch), &patched);
    if (refusal == NULL && type == KS_PATCH_STRATEGIC)
        patched = without_words(heap, patch, patched);
    if (refusal == NULL) {
        refusal = ks_decode_scale(heap, &r->s->rules, ks_ref(patched), type == KS_PATCH_STRATEGIC,
                                  r->field_validation, r->warnings, &typed);
        if (refusal != NULL) {
            ks_val original = scale_of(heap, old);
            refusal = about_patch(heap, refusal, type, original, patch, patched, KS_NOTHING);
            ks_unref(heap, original);
        }
    }
    ks_unref(heap, patched);
    ks_unref(heap, patch);
    if (refusal == NULL) refusal = check_names(r, typed, old);
    if (refusal == NULL) refusal = check_scaled(heap, old, typed);
    if (refusal == NULL)
        refusal =
            ks_server_scale(r->s, old->kind, old->ns, old->name,
                            ks_int_or(ks_get2(typed, K(spec), K(replicas)), 0), r->warnings, out);
    ks_unref(heap, typed);
    return refusal;
}

/* Whether the patch says anything about metadata, or about the object as a whole. If not, what it is applied to need not name its
 * version, and metadata stays the stored one. */
static bool touches_meta(ks_val patch) {
    if (patch.type != KS_MAP) return true;
    for (uint32_t i = 0; i < ks_len(patch); i++) {
        const ks_str *key = ks_pair_at(patch, i)->key;
        if (key == K(metadata) || ks_is_directive(key)) return true;
    }
    return false;
}

ks_refusal *ks_server_patch(ks_server *s, ks_kind kind, const ks_str *ns, const ks_str *name,
                            ks_patch_type type, ks_val patch, const char *subresource,
                            const ks_write_opts *opts, const ks_object **out) {
    ks_heap *heap = s->heap;
    bool scale = subresource != NULL && strcmp(subresource, "scale") == 0;
    ks_request r = ks_request_of(s, kind, scale ? NULL : subresource, opts);
    if (out != NULL) *out = NULL;
    r.patches = true;
    if (type == KS_PATCH_APPLY && !scale) return ks_apply(&r, ns, name, patch, out);
    const ks_object *old = ks_store_get(&s->store, kind, r.info->namespaced ? ns : NULL, name);
    if (old == NULL) {
        ks_unref(heap, patch);
        return ks_refuse_not_found(heap, kind, name);
    }
    if (scale && r.info->has_scale) return patch_scale(&r, old, type, patch, out);
    if (subresource != NULL && (scale || !r.info->has_status)) {
        ks_unref(heap, patch);
        return ks_refuse(heap, 404, "NotFound", "the server could not find the requested resource");
    }
    ks_val patched = KS_NOTHING, typed = KS_NOTHING;
    bool whole = type == KS_PATCH_JSON || touches_meta(patch) || old->imported;
    r.from_stored = !old->imported;
    ks_val doc = whole ? ks_object_doc(heap, old) : ks_doc_ref(old);
    ks_refusal *refusal = ks_patch_apply(heap, kind, type, doc, ks_ref(patch), &patched);
    if (refusal == NULL && type == KS_PATCH_STRATEGIC)
        patched = without_words(heap, patch, patched);
    if (refusal == NULL && !r.trusted) {
        ks_val read = ks_ref(patched),
               unknown = type == KS_PATCH_JSON ? ks_patch_json_unknown(heap, patch) : KS_NOTHING;
        if (type != KS_PATCH_STRATEGIC) refusal = ks_patch_words(&r, &read, &unknown);
        if (r.field_validation == KS_WARN && r.warnings != NULL && refusal == NULL)
            ks_each(text, unknown) *r.warnings = ks_append(heap, *r.warnings, ks_ref(*text));
        if (refusal == NULL)
            refusal = ks_decode_changed(heap, &s->rules, kind, ks_ref(read), ks_doc(old),
                                        type == KS_PATCH_STRATEGIC, r.field_validation, r.warnings,
                                        &typed);
        ks_unref(heap, read);
        if (refusal == NULL && r.field_validation == KS_STRICT && ks_len(unknown) > 0) {
            ks_unref(heap, typed);
            typed = KS_NOTHING;
            refusal = ks_refuse(heap, 400, "", "%s", STRICT);
        }
        if (refusal != NULL) {
            if (!whole)
                ks_meta_put(heap, &patched, K(resourceVersion),
                            ks_format(heap, "%llu", (unsigned long long)old->version));
            refusal = about_patch(heap, refusal, type, ks_doc(old), patch, patched, unknown);
        } else if (type == KS_PATCH_STRATEGIC) {
            refusal = convert(heap, kind, &typed);
        }
        ks_unref(heap, unknown);
    } else if (refusal == NULL) {
        typed = ks_ref(patched);
    }
    ks_unref(heap, patched);
    ks_unref(heap, patch);
    if (refusal != NULL) return refusal;
    typed = ks_default_changed(heap, &s->rules, kind, typed, ks_doc(old));
    refusal = check_names(&r, typed, old);
    if (refusal == NULL) return ks_update_with(&r, old, typed, out);
    ks_unref(heap, typed);
    return refusal;
}
