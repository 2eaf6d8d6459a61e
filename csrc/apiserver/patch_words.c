/*
 * apiserver/patch_words.c - what a merge patch or a JSON patch makes of an object's kind and apiVersion.
 *
 * The patched text is read as any other, as what it calls itself, and then converted to what the request is about:
 * apimachinery/pkg/runtime/serializer/json/json.go and versioning/versioning.go (Decode). Called by patch.c.
 */
#include "apiserver/internal.h"
#include "doc/text.h"

#include <string.h>

static const char INTERNAL[] = "__internal";

/* What the words say. */
typedef struct called {
    const char *kind, *api_version, *version;
    int group; /* so long is the group's name, with which api_version begins */
} called;

static const char *not_a_text(ks_val v) {
    switch (v.type) {
    case KS_BOOL: return "bool";
    case KS_INT:
    case KS_FLOAT: return "number";
    case KS_LIST: return "array";
    case KS_MAP: return "object";
    default: return NULL;
    }
}

static ks_refusal *read_words(ks_heap *heap, ks_val doc, called *out) {
    const ks_str *const fields[] = {K(apiVersion), K(kind)};
    for (int i = 0; i < 2; i++) {
        const char *what = not_a_text(ks_get(doc, fields[i]));
        if (what != NULL)
            return ks_refuse(heap, 400, "BadRequest",
                             "couldn't get version/kind; json parse error: json: cannot unmarshal "
                             "%s into Go struct field .%s of type string",
                             what, fields[i]->s);
    }
    out->kind = ks_text_or(ks_get(doc, K(kind)), "");
    out->api_version = ks_text_or(ks_get(doc, K(apiVersion)), "");
    const char *slash = strchr(out->api_version, '/');
    if (slash != NULL && strchr(slash + 1, '/') != NULL)
        return ks_refuse(heap, 400, "BadRequest", "unexpected GroupVersion string: %s",
                         out->api_version);
    out->version = slash != NULL ? slash + 1 : out->api_version;
    out->group = slash != NULL ? (int)(slash - out->api_version) : 0;
    if (out->group == 0) out->api_version = out->version; /* "/v1" */
    return NULL;
}

static ks_refusal *not_registered(ks_heap *heap, const called *c) {
    static const char scheme[] = "in scheme \"pkg/api/legacyscheme/scheme.go:30\"";
    if (strcmp(c->version, INTERNAL) == 0)
        return ks_refuse(
            heap, 400, "BadRequest",
            "no kind \"%s\" is registered for the internal version of group \"%.*s\" %s", c->kind,
            c->group, c->api_version, scheme);
    return ks_refuse(heap, 400, "BadRequest", "no kind \"%s\" is registered for version \"%s\" %s",
                     c->kind, c->group > 0 ? c->api_version : c->version, scheme);
}

/* It is read as another kind, which nothing converts. */
static ks_refusal *unconverted(const ks_request *r, ks_kind kind, ks_val doc) {
    ks_heap *heap = r->heap;
    ks_val typed = KS_NOTHING;
    ks_refusal *refusal = ks_decode(heap, &r->s->rules, kind, ks_ref(doc), KS_IGNORE, NULL, &typed);
    ks_unref(heap, typed);
    if (refusal != NULL) return refusal;
    const ks_kind_info *as = ks_kind_get(kind);
    const char *package = r->info->group[0] != '\0' ? r->info->group : "core";
    return ks_refuse(heap, 400, "BadRequest", "converting (%s.%s) to (%.*s.%s): unknown conversion",
                     as->version, as->name, (int)strcspn(package, "."), package, r->info->name);
}

/* The server's own version of an object has no names for JSON: nothing of the document is known to it. */
static ks_val of_own_version(ks_heap *heap, ks_val doc, ks_val *unknown) {
    for (uint32_t i = 0; i < ks_len(doc); i++) {
        const ks_str *key = ks_pair_at(doc, i)->key;
        if (key != K(kind) && key != K(apiVersion))
            *unknown = ks_append(heap, *unknown, ks_format(heap, "unknown field \"%s\"", key->s));
    }
    ks_unref(heap, doc);
    return ks_map_new(heap, 0);
}

ks_refusal *ks_patch_words(const ks_request *r, ks_val *doc, ks_val *unknown) {
    const ks_kind_info *own = r->info;
    called c = {"", "", "", 0};
    if (ks_text_is(ks_get(*doc, K(kind)), own->name) &&
        ks_text_is(ks_get(*doc, K(apiVersion)), own->api_version))
        return NULL;
    ks_refusal *refusal = doc->type == KS_MAP ? read_words(r->heap, *doc, &c) : NULL;
    if (refusal != NULL || doc->type != KS_MAP) return refusal;
    if (c.kind[0] == '\0') c.kind = own->name;
    bool same = strcmp(c.kind, own->name) == 0,
         of_group = (int)strlen(own->group) == c.group &&
                    strncmp(c.api_version, own->group, (size_t)c.group) == 0;
    if (c.version[0] == '\0' && c.group > 0 && !of_group) {
        ks_buf text = {.heap = r->heap};
        ks_json_write(&text, *doc, KS_JSON_COMPACT);
        refusal =
            ks_refuse(r->heap, 400, "BadRequest", "Object 'apiVersion' is missing in '%s'", text.s);
        ks_buf_dispose(&text);
        return refusal;
    }
    bool internal = c.version[0] == '\0' || (of_group && strcmp(c.version, INTERNAL) == 0);
    if (same && internal) {
        *doc = of_own_version(r->heap, *doc, unknown);
        return NULL;
    }
    if (internal) c.version = INTERNAL;
    if (same && (strcmp(c.api_version, own->api_version) == 0 ||
                 ks_kind_had_version(own->kind, c.api_version))) {
        *doc = ks_drop(r->heap, ks_drop(r->heap, *doc, K(apiVersion)), K(kind));
        return NULL;
    }
    ks_kind other = internal ? KS_NO_KIND : ks_kind_by_gvk(c.api_version, c.kind);
    return other != KS_NO_KIND ? unconverted(r, other, *doc) : not_registered(r->heap, &c);
}
