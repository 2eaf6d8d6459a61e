/*
 * lua/verbs.c - what changes a cluster: apply, create, replace, import, patch, scale, delete,
 * evict.
 *
 * Everything that writes goes through ks_lua_change(): a dry run and a call that is refused
 * leave nothing behind.
 */
#include "lua/binding.h"

#include "doc/text.h"
#include "kubelet/kubelet.h"

#include <string.h>

static const char *const modes[] = {"Strict", "Warn", "Ignore", NULL};

typedef enum verb { VERB_APPLY, VERB_CREATE, VERB_REPLACE, VERB_IMPORT } verb;

/* A write of manifests. */
typedef struct writing {
    lua_State *L;
    ks_cluster *cluster;
    ks_result *result;
    verb verb;
    ks_field_validation validation;
    bool dry_run, keep_going, bare;
    const char *manager;     /* who writes, for managedFields, or NULL */
    const char *subresource; /* of replace, or NULL */
    const ks_str *ns;        /* where objects without a namespace go; owned */
    bool own_namespace;      /* the namespace was asked for: others are refused (kubectl -n) */
    ks_val entries;          /* list of what became of each */
} writing;

/* --- one object --- */

static const ks_str *text_at(ks_val doc, const ks_str *key) {
    return ks_str_or_null(ks_get(doc, key));
}

static ks_refusal *refuse_kind(writing *w, ks_val doc) {
    const ks_str *version = text_at(doc, K(apiVersion)), *kind = text_at(doc, K(kind));
    const char *missing = kind == NULL || kind->len == 0         ? "Kind"
                          : version == NULL || version->len == 0 ? "apiVersion"
                                                                 : NULL;
    if (missing != NULL) {
        ks_buf text = {.heap = w->cluster->heap};
        ks_json_write(&text, doc, KS_JSON_COMPACT);
        ks_refusal *refusal = ks_refuse(w->cluster->heap, 400, "BadRequest",
                                        "Object '%s' is missing in '%s'", missing, text.s);
        ks_buf_dispose(&text);
        return refusal;
    }
    ks_refusal *refusal =
        ks_refuse(w->cluster->heap, 404, "NotFound", "no matches for kind \"%s\" in version \"%s\"",
                  kind->s, version->s);
    const ks_str *name = ks_str_or_null(ks_get2(doc, K(metadata), K(name)));
    if (name != NULL) refusal->name = ks_str_ref(name);
    ks_val ns = ks_get2(doc, K(metadata), K(namespace)); /* kubectl says it, too */
    if (ns.type == KS_STRING) {
        ks_heap *heap = w->cluster->heap;
        ks_val cause = ks_map_of(heap, K(field), ks_text(heap, "metadata.namespace"), K(message),
                                 ks_ref(ns), NULL);
        refusal->causes = ks_append(heap, refusal->causes, cause);
    }
    return refusal;
}

/* The kind of a document. create() posts to a collection, which answers for what it cannot read;
 * kubectl looks kinds up. */
static ks_kind kind_of(const writing *w, const ks_str *version, const ks_str *kind) {
    if (version == NULL || kind == NULL) return KS_NO_KIND;
    ks_kind found = ks_kind_by_gvk(version->s, kind->s);
    if (found == KS_NO_KIND && w->verb == VERB_CREATE && !w->keep_going)
        found = ks_kind_by_name(kind->s, kind->len);
    return found;
}

/* Is there a namespace of this name? */
static bool has_namespace(const writing *w, const ks_str *name) {
    return ks_store_get(&w->cluster->sim->server.store, KS_NAMESPACE, NULL, name) != NULL;
}

/* kubectl's visitor SetNamespace / RequireNamespace (k8s.io/cli-runtime/pkg/resource/visitor.go).
 */
static ks_refusal *place(writing *w, ks_kind kind, ks_val *doc, const ks_str **ns) {
    *ns = NULL;
    if (!ks_kind_get(kind)->namespaced) return NULL;
    const ks_str *own = ks_str_or_null(ks_get2(*doc, K(metadata), K(namespace)));
    if (own != NULL && own->len > 0) {
        *ns = own;
        if (!w->own_namespace || ks_str_eq(own, w->ns)) {
            /* create() posts to the namespace of the call; kubectl to that of the object. The two
             * differ only in how they refuse a namespace that is not there. */
            if (w->verb == VERB_CREATE && !w->keep_going && !has_namespace(w, own)) *ns = w->ns;
            return NULL;
        }
        return ks_refuse(
            w->cluster->heap, 400, "BadRequest",
            "the namespace from the provided object \"%s\" does not match the namespace "
            "\"%s\". You must pass '--namespace=%s' to perform this operation.",
            own->s, w->ns->s, own->s);
    }
    *ns = w->ns;
    ks_val metadata = ks_get(*doc, K(metadata));
    if (metadata.type == KS_MAP || metadata.type == KS_NONE)
        *doc = ks_put2(w->cluster->heap, *doc, K(metadata), K(namespace), ks_string(w->ns));
    return NULL;
}

static ks_refusal *refuse_unnamed(writing *w, ks_val doc) {
    const ks_str *prefix = ks_str_or_null(ks_get2(doc, K(metadata), K(generateName)));
    if (prefix != NULL && prefix->len > 0)
        return ks_refuse(w->cluster->heap, 400, "BadRequest",
                         "from %s: cannot use generate name with apply", prefix->s);
    return ks_refuse_bad_request(w->cluster->heap, "resource name may not be empty");
}

/* Carries out the verb; `doc` is taken over. */
static ks_refusal *carry_out(writing *w, ks_kind kind, const ks_str *ns, ks_val doc,
                             const char **operation, const ks_object **out) {
    ks_server *server = &w->cluster->sim->server;
    ks_write_opts opts = {.field_validation = w->validation,
                          .dry_run = w->dry_run,
                          .manager = w->manager,
                          .warnings = &w->result->warnings};
    ks_applied applied = KS_CREATED;
    bool warned = false;
    const ks_str *name = ks_str_or_null(ks_get2(doc, K(metadata), K(name)));
    bool named = name != NULL && name->len > 0;
    ks_refusal *refusal;
    switch (w->verb) {
    case VERB_CREATE:
        *operation = "created";
        return ks_server_create(server, kind, ns, doc, &opts, out);
    case VERB_REPLACE:
        *operation = "replaced";
        return ks_server_update(server, kind, ns, doc, w->subresource, &opts, out);
    case VERB_IMPORT:
        *operation = "imported";
        return ks_server_import(server, kind, ns, doc, &opts, out);
    case VERB_APPLY: break;
    }
    if (!named) {
        refusal = refuse_unnamed(w, doc);
        ks_unref(w->cluster->heap, doc);
        return refusal;
    }
    refusal = ks_cluster_apply(w->cluster, kind, ns, doc, &opts, &applied, &warned, out);
    *operation = applied == KS_CREATED      ? "created"
                 : applied == KS_CONFIGURED ? "configured"
                                            : "unchanged";
    if (warned && refusal == NULL) {
        ks_heap *heap = w->cluster->heap;
        w->result->warnings = ks_append(
            heap, w->result->warnings,
            ks_format(
                heap,
                "resource %s/%s is missing the kubectl.kubernetes.io/last-applied-configuration "
                "annotation which is required by kubectl apply. kubectl apply should only be "
                "used on resources created declaratively by either kubectl create --save-config "
                "or kubectl apply. The missing annotation will be patched automatically.",
                ks_kind_get(kind)->plural, (*out)->name->s));
    }
    return refusal;
}

/* Refusals of single objects as documents, for callers that go on. */
static ks_val refusal_doc(ks_heap *heap, ks_refusal *r) {
    ks_val details =
        ks_map_of(heap, K(name), r->name ? ks_string(r->name) : KS_NOTHING, K(group),
                  r->group ? ks_string(r->group) : KS_NOTHING, K(kind),
                  r->kind ? ks_string(r->kind) : KS_NOTHING, K(causes), ks_ref(r->causes), NULL);
    ks_val doc = ks_map_of(heap, K(code), ks_int(r->code), K(reason), ks_text(heap, r->reason),
                           K(message), ks_string(r->message), K(details), details, NULL);
    ks_refusal_free(heap, r);
    return doc;
}

static void add_entry(writing *w, ks_kind kind, const char *operation, ks_val name, ks_val ns,
                      const ks_object *object, ks_val error) {
    ks_heap *heap = w->cluster->heap;
    ks_val entry = ks_map_new(heap, 6);
    if (kind != KS_NO_KIND)
        entry = ks_put(heap, entry, K(kind), ks_text(heap, ks_kind_get(kind)->name));
    entry = ks_put(heap, entry, K(name), name);
    entry = ks_put(heap, entry, K(namespace), ns);
    if (operation != NULL) entry = ks_put(heap, entry, K(operation), ks_text(heap, operation));
    entry = ks_put(heap, entry, K(error), error);
    w->entries = ks_append(heap, w->entries, entry);
    ks_lua_keep(w->result, w->bare ? NULL : ks_object_ref(object));
}

/* `doc` is taken over. */
static ks_refusal *write_one(writing *w, ks_val doc) {
    ks_heap *heap = w->cluster->heap;
    const ks_str *version = text_at(doc, K(apiVersion)), *kind_name = text_at(doc, K(kind)),
                 *ns = NULL;
    ks_kind kind = kind_of(w, version, kind_name);
    ks_val name = ks_ref(ks_get2(doc, K(metadata), K(name))), where = KS_NOTHING;
    const char *operation = NULL;
    const ks_object *object = NULL;
    ks_refusal *refusal = NULL;
    if (kind == KS_NO_KIND)
        refusal = refuse_kind(w, doc);
    else
        refusal = place(w, kind, &doc, &ns);
    if (refusal == NULL && ns != NULL) where = ks_string(ns);
    if (refusal == NULL)
        refusal = carry_out(w, kind, ks_str_or_null(where), doc, &operation, &object);
    else
        ks_unref(heap, doc);
    if (object != NULL) {
        ks_unref(heap, name);
        name = ks_string(object->name);
    }
    ks_val error = KS_NOTHING;
    if (refusal != NULL && w->keep_going) {
        error = refusal_doc(heap, refusal);
        refusal = NULL;
        operation = NULL;
    }
    if (refusal == NULL) {
        add_entry(w, kind, operation, name, where, object, error);
    } else {
        ks_unref(heap, name);
        ks_unref(heap, where);
    }
    ks_object_unref(heap, object);
    return refusal;
}

/* Lists of objects are opened. `doc` is taken over. */
static ks_refusal *write_doc(writing *w, ks_val doc) {
    const ks_str *kind = text_at(doc, K(kind));
    ks_val items = ks_get(doc, K(items));
    bool list = kind != NULL && kind->len >= 4 && strcmp(kind->s + kind->len - 4, "List") == 0 &&
                items.type == KS_LIST;
    if (!list) return write_one(w, doc);
    ks_refusal *refusal = NULL;
    ks_each(item, items) {
        if (refusal == NULL) refusal = write_doc(w, ks_ref(*item));
    }
    ks_unref(w->cluster->heap, doc);
    return refusal;
}

static ks_refusal *write_list(writing *w, ks_val list) {
    ks_refusal *refusal = NULL;
    ks_each(doc, list) {
        if (refusal == NULL) refusal = write_doc(w, ks_ref(*doc));
    }
    ks_unref(w->cluster->heap, list);
    return refusal;
}

/* --- manifests --- */

static ks_refusal *read_text(writing *w, int index, ks_val *list) {
    size_t len;
    ks_text_error err = {0};
    ks_heap *heap = w->cluster->heap;
    const char *s = lua_tolstring(w->L, index, &len);
    if (ks_yaml_read(heap, s, len, NULL, list, NULL, &err)) return NULL;
    /* What the reader knows beside the message: Status has a place for it in details.causes. */
    ks_refusal *refusal = ks_refuse_bad_request(heap, err.message->s);
    refusal->kind = ks_str_of(heap, "manifest");
    ks_val place = ks_map_of(heap, K(document), ks_int(err.document), K(line), ks_int(err.line),
                             K(column), ks_int(err.column), NULL);
    refusal->causes = ks_append(heap, refusal->causes, place);
    ks_str_unref(heap, err.message);
    return refusal;
}

/* The kind that a table says it is. */
static ks_kind table_kind(lua_State *L, int index) {
    ks_kind kind = KS_NO_KIND;
    if (!lua_istable(L, index)) return kind; /* a view, which needs no hints */
    int version = ks_lua_member(L, index, "apiVersion");
    int name = ks_lua_member(L, index, "kind");
    if (version == LUA_TSTRING && name == LUA_TSTRING)
        kind = ks_kind_by_gvk(lua_tostring(L, -2), lua_tostring(L, -1));
    lua_pop(L, 2);
    return kind;
}

static ks_refusal *add_table(writing *w, int index, ks_val *list) {
    ks_heap *heap = w->cluster->heap;
    ks_lua_problem problem;
    ks_val doc = KS_NOTHING;
    if (!ks_lua_read_object(w->L, index, heap, table_kind(w->L, index), &doc, &problem))
        return ks_refuse_bad_request(heap, problem.text);
    *list = ks_append(heap, *list, doc);
    return NULL;
}

/* A table is one object, or a sequence of objects and texts. */
static ks_refusal *read_tables(writing *w, int index, ks_val *list) {
    lua_Integer n = lua_istable(w->L, index) ? (lua_Integer)lua_rawlen(w->L, index) : 0;
    if (n == 0) return add_table(w, index, list);
    ks_refusal *refusal = NULL;
    for (lua_Integer i = 1; i <= n && refusal == NULL; i++) {
        lua_rawgeti(w->L, index, i);
        int at = lua_gettop(w->L);
        if (lua_type(w->L, at) == LUA_TTABLE) {
            refusal = read_tables(w, at, list);
        } else if (lua_type(w->L, at) == LUA_TSTRING) {
            ks_val more = KS_NOTHING;
            refusal = read_text(w, at, &more);
            ks_each(doc, more) *list = ks_append(w->cluster->heap, *list, ks_ref(*doc));
            ks_unref(w->cluster->heap, more);
        } else {
            refusal = ks_refuse_bad_request(w->cluster->heap, "a manifest is a text or a table");
        }
        lua_settop(w->L, at - 1);
    }
    return refusal;
}

/* What tables were read as, for the journal. What is no object is refused, whoever goes on after that. */
static void note(writing *w, ks_val list) {
    ks_heap *heap = w->cluster->heap;
    if (w->dry_run) return;
    ks_val objects = ks_list_new(heap, ks_len(list));
    ks_each(doc, list) {
        if (doc->type == KS_MAP) objects = ks_append(heap, objects, ks_ref(*doc));
    }
    ks_lua_note(w->cluster, objects);
    ks_unref(heap, objects);
}

static bool write_all(ks_cluster *cluster, void *arg) {
    writing *w = arg;
    ks_val list = KS_NOTHING;
    w->cluster = cluster;
    w->ns = ks_lua_string(w->L, 4, cluster->heap);
    w->entries = ks_list_new(cluster->heap, 4);
    ks_refusal *refusal =
        lua_type(w->L, 3) == LUA_TSTRING ? read_text(w, 3, &list) : read_tables(w, 3, &list);
    if (refusal == NULL && lua_type(w->L, 3) != LUA_TSTRING) note(w, list);
    if (refusal == NULL)
        refusal = write_list(w, list);
    else
        ks_unref(cluster->heap, list);
    ks_str_unref(cluster->heap, w->ns);
    w->result->value = w->entries;
    w->result->refusal = refusal;
    return refusal == NULL && !w->dry_run;
}

/* Warnings are returned behind the one result that is pushed already: how many that makes. */
static int and_warnings(lua_State *L, const ks_result *result) {
    ks_lua_push(L, result->warnings);
    return 2;
}

/* The entries, each with its object. */
static void push_entries(lua_State *L, const ks_result *result) {
    lua_createtable(L, (int)result->object_count, 0);
    for (size_t i = 0; i < result->object_count; i++) {
        ks_lua_push(L, ks_at(result->value, (uint32_t)i));
        if (result->objects[i] != NULL) {
            ks_lua_push_unseen(L, result->heap, result->objects[i]);
            lua_setfield(L, -2, "object");
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    if (result->object_count == 0) luaL_setmetatable(L, KS_ARRAY_TYPE);
}

/* A table or a view. */
static void check_document(lua_State *L, int index) {
    ks_val shown;
    if (!ks_lua_is_view(L, index, &shown)) luaL_checktype(L, index, LUA_TTABLE);
}

/* write(self, verb, manifests, namespace, validation, dry_run, keep_going, own_namespace, bare,
 * manager|nil, subresource|nil)
 * -> entries, warnings */
static int verb_write(lua_State *L) {
    static const char *const verbs[] = {"apply", "create", "replace", "import", NULL};
    ks_box *box = ks_lua_idle_box(L);
    writing w = {.L = L, .verb = (verb)luaL_checkoption(L, 2, NULL, verbs)};
    if (lua_type(L, 3) != LUA_TSTRING) check_document(L, 3);
    luaL_checkstring(L, 4);
    w.validation = (ks_field_validation)luaL_checkoption(L, 5, "Strict", modes);
    w.dry_run = lua_toboolean(L, 6);
    w.keep_going = lua_toboolean(L, 7);
    w.own_namespace = lua_toboolean(L, 8);
    w.bare = lua_toboolean(L, 9);
    w.manager = luaL_optstring(L, 10, NULL);
    w.subresource = luaL_optstring(L, 11, NULL);
    lua_settop(L, 11);
    w.result = ks_lua_result(L, box);
    ks_lua_change(L, box, (ks_call){KS_RECORD_write, 11, lua_type(L, 3) != LUA_TSTRING ? 3 : 0},
                  w.result, write_all, &w);
    ks_lua_tell(L, box);
    push_entries(L, w.result);
    int n = and_warnings(L, w.result);
    ks_lua_release(w.result);
    return n;
}

/* --- verbs on one named object --- */

typedef struct naming {
    lua_State *L;
    ks_result *result;
    ks_kind kind;
    const ks_str *ns, *name; /* owned */
    bool dry_run;
    /* of single verbs */
    int64_t number;
    ks_propagation propagation;
    ks_patch_type patch;
    ks_field_validation validation;
    const char *subresource, *manager;
    bool force;
} naming;

static void take_names(naming *n, ks_heap *heap) {
    n->ns = ks_kind_get(n->kind)->namespaced ? ks_lua_string(n->L, 3, heap) : NULL;
    n->name = ks_lua_string(n->L, 4, heap);
}

/* Keeps the object as the result. `object` is taken over. */
static bool end_naming(naming *n, ks_heap *heap, ks_refusal *refusal, const ks_object *object) {
    ks_lua_keep(n->result, object);
    ks_str_unref(heap, n->ns);
    ks_str_unref(heap, n->name);
    n->result->refusal = refusal;
    return refusal == NULL && !n->dry_run;
}

/* self, kind, namespace, name: the first four arguments of all of them. */
static ks_box *check_naming(lua_State *L, naming *n) {
    ks_box *box = ks_lua_idle_box(L);
    size_t len;
    const char *kind = luaL_checklstring(L, 2, &len);
    *n = (naming){.L = L, .kind = ks_kind_by_name(kind, len)};
    luaL_argcheck(L, n->kind != KS_NO_KIND, 2, "no such kind");
    luaL_checkstring(L, 3);
    luaL_checkstring(L, 4);
    return box;
}

static int run_naming(lua_State *L, ks_box *box, naming *n, ks_call call,
                      bool (*body)(ks_cluster *, void *)) {
    if (call.args != KS_NOTED) lua_settop(L, call.args);
    n->result = ks_lua_result(L, box);
    ks_lua_change(L, box, call, n->result, body, n);
    ks_lua_tell(L, box);
    if (n->result->object_count > 0 && n->result->objects[0] != NULL)
        ks_lua_push_unseen(L, n->result->heap, n->result->objects[0]);
    else
        lua_pushnil(L);
    int count = and_warnings(L, n->result);
    ks_lua_release(n->result);
    return count;
}

static bool do_scale(ks_cluster *cluster, void *arg) {
    naming *n = arg;
    const ks_object *object = NULL;
    take_names(n, cluster->heap);
    ks_refusal *refusal = ks_server_scale(&cluster->sim->server, n->kind, n->ns, n->name, n->number,
                                          &n->result->warnings, &object);
    return end_naming(n, cluster->heap, refusal, object);
}

/* scale(self, kind, namespace, name, n, dry_run) -> object, warnings */
static int verb_scale(lua_State *L) {
    naming n;
    ks_box *box = check_naming(L, &n);
    n.number = luaL_checkinteger(L, 5);
    n.dry_run = lua_toboolean(L, 6);
    return run_naming(L, box, &n, (ks_call){KS_RECORD_scale, 6, 0}, do_scale);
}

static bool do_delete(ks_cluster *cluster, void *arg) {
    naming *n = arg;
    const ks_object *object = NULL;
    ks_delete_opts opts = {.grace_period = n->number, .propagation = n->propagation};
    take_names(n, cluster->heap);
    ks_refusal *refusal =
        ks_server_delete(&cluster->sim->server, n->kind, n->ns, n->name, &opts, &object);
    return end_naming(n, cluster->heap, refusal, object);
}

/* delete(self, kind, namespace, name, grace_period|-1, propagation, dry_run) -> object|nil,
 * warnings */
static int verb_delete(lua_State *L) {
    static const char *const ways[] = {"default", "background", "foreground", "orphan", NULL};
    naming n;
    ks_box *box = check_naming(L, &n);
    n.number = luaL_checkinteger(L, 5);
    n.propagation = (ks_propagation)luaL_checkoption(L, 6, "background", ways);
    n.dry_run = lua_toboolean(L, 7);
    return run_naming(L, box, &n, (ks_call){KS_RECORD_delete, 7, 0}, do_delete);
}

static bool do_evict(ks_cluster *cluster, void *arg) {
    naming *n = arg;
    ks_delete_opts opts = {.grace_period = n->number};
    take_names(n, cluster->heap);
    ks_refusal *refusal = ks_server_evict(&cluster->sim->server, n->ns, n->name, &opts);
    return end_naming(n, cluster->heap, refusal, NULL);
}

/* evict(self, "pod", namespace, name, grace_period|-1, dry_run) */
static int verb_evict(lua_State *L) {
    naming n;
    ks_box *box = check_naming(L, &n);
    n.number = luaL_checkinteger(L, 5);
    n.dry_run = lua_toboolean(L, 6);
    return run_naming(L, box, &n, (ks_call){KS_RECORD_evict, 6, 0}, do_evict);
}

/* The patch at argument 5: text (JSON or YAML, as kubectl takes both) or a table. */
static ks_refusal *read_patch(naming *n, ks_heap *heap, ks_val *out) {
    ks_lua_problem problem;
    if (lua_type(n->L, 5) != LUA_TSTRING) {
        ks_kind hint = n->patch == KS_PATCH_JSON ? KS_NO_KIND : n->kind;
        return ks_lua_read_object(n->L, 5, heap, hint, out, &problem)
                   ? NULL
                   : ks_refuse_bad_request(heap, problem.text);
    }
    size_t len;
    ks_text_error err = {0};
    ks_val list = KS_NOTHING;
    const char *s = lua_tolstring(n->L, 5, &len);
    if (!ks_yaml_read(heap, s, len, NULL, &list, NULL, &err)) {
        ks_refusal *refusal =
            ks_refuse(heap, 400, "BadRequest", "unable to parse \"%s\": %s", s, err.message->s);
        ks_str_unref(heap, err.message);
        return refusal;
    }
    *out = ks_ref(ks_at(list, 0));
    ks_unref(heap, list);
    return NULL;
}

static char *put_word(char *to, const char *word) {
    return word != NULL ? ks_pack_put_text(to, word, strlen(word))
                        : ks_pack_put_byte(to, KS_PACK_NOTHING);
}

static const char *const patch_types[] = {"json", "merge", "strategic", "apply", NULL};

/* A text stays what it is: it may nest deeper than a table, and its numbers are written in their own ways. */
static void note_document(const naming *n, ks_buf *entry, ks_val patch) {
    size_t len;
    if (lua_type(n->L, 5) != LUA_TSTRING) {
        ks_pack(entry, patch);
        return;
    }
    const char *s = lua_tolstring(n->L, 5, &len);
    ks_pack_text(entry, s, len);
}

/* For the journal, from what has been read already: a patch costs so little that reading it from the Lua stack once more would show. */
static void note_patch(const naming *n, ks_cluster *cluster, ks_val patch) {
    enum { VALUES = 14, MOST_WORD = 16 };
    ks_buf *entry = &cluster->journal.entry;
    bool plain = n->manager == NULL && !n->force, strict = n->validation == KS_STRICT;
    if (n->dry_run || cluster->journal.off) return;
    size_t ns_len = n->ns != NULL ? n->ns->len : 0;
    size_t texts = ns_len + n->name->len + (n->subresource != NULL ? strlen(n->subresource) : 0) +
                   (n->manager != NULL ? strlen(n->manager) : 0) + MOST_WORD;
    note_document(n, entry, patch);
    char *to = ks_buf_room(entry, VALUES * KS_PACK_HEAD + texts);
    to = ks_pack_put_list(to, plain ? strict ? 7 : 8 : 11);
    to = ks_pack_put_int(to, KS_RECORD_patch);
    to = ks_pack_put_int(to, 5);
    to = ks_pack_put_int(to, n->kind);
    to = ks_pack_put_text(to, n->ns != NULL ? n->ns->s : "", ns_len);
    to = ks_pack_put_text(to, n->name->s, n->name->len);
    to = ks_pack_put_int(to, n->patch);
    to = put_word(to, n->subresource);
    if (!plain || !strict) to = put_word(to, modes[n->validation]); /* else as it is by default */
    if (!plain) {
        to = ks_pack_put_byte(to, KS_PACK_NOTHING); /* no dry run */
        to = put_word(to, n->manager);
        to = ks_pack_put_byte(to, n->force ? KS_PACK_TRUE : KS_PACK_FALSE);
    }
    ks_pack_end(entry, to);
}

/* As it is read again: words for what was noted as numbers. */
ks_val ks_lua_patch_in_words(ks_heap *heap, ks_val call) {
    enum { KIND = 1, TYPE = 5 };
    ks_kind kind = (ks_kind)ks_at(call, KIND).i;
    call = ks_set_at(heap, call, KIND, ks_text(heap, ks_kind_get(kind)->name));
    return ks_set_at(heap, call, TYPE, ks_text(heap, patch_types[ks_at(call, TYPE).i]));
}

static bool do_patch(ks_cluster *cluster, void *arg) {
    naming *n = arg;
    const ks_object *object = NULL;
    ks_val patch = KS_NOTHING;
    ks_write_opts opts = {.field_validation = n->validation,
                          .dry_run = n->dry_run,
                          .manager = n->manager,
                          .force = n->force,
                          .warnings = &n->result->warnings};
    take_names(n, cluster->heap);
    ks_refusal *refusal = read_patch(n, cluster->heap, &patch);
    if (refusal == NULL) note_patch(n, cluster, patch);
    if (refusal == NULL)
        refusal = ks_server_patch(&cluster->sim->server, n->kind, n->ns, n->name, n->patch, patch,
                                  n->subresource, &opts, &object);
    return end_naming(n, cluster->heap, refusal, object);
}

/* patch(self, kind, namespace, name, patch, type, subresource|nil, validation, dry_run,
 * manager|nil, force)
 * -> object, warnings */
static int verb_patch(lua_State *L) {
    naming n;
    ks_box *box = check_naming(L, &n);
    if (lua_type(L, 5) != LUA_TSTRING) check_document(L, 5);
    n.patch = (ks_patch_type)luaL_checkoption(L, 6, "strategic", patch_types);
    n.subresource = luaL_optstring(L, 7, NULL);
    n.validation = (ks_field_validation)luaL_checkoption(L, 8, "Strict", modes);
    n.dry_run = lua_toboolean(L, 9);
    n.manager = luaL_optstring(L, 10, NULL);
    n.force = lua_toboolean(L, 11);
    return run_naming(L, box, &n, (ks_call){KS_RECORD_patch, KS_NOTED, 5}, do_patch);
}

/* --- kubectl's patch --- */

static bool do_three_way(ks_cluster *cluster, void *arg) {
    naming *n = arg;
    ks_heap *heap = cluster->heap;
    ks_val doc = KS_NOTHING, patch = KS_NOTHING;
    ks_lua_problem problem;
    take_names(n, heap);
    const ks_object *live = ks_store_get(&cluster->sim->server.store, n->kind, n->ns, n->name);
    ks_refusal *refusal;
    if (live == NULL)
        refusal = ks_refuse_not_found(heap, n->kind, n->name);
    else if (!ks_lua_read_object(n->L, 5, heap, n->kind, &doc, &problem))
        refusal = ks_refuse_bad_request(heap, problem.text);
    else
        refusal = ks_cluster_apply_patch(cluster, live, doc, &patch);
    if (refusal == NULL && ks_len(patch) > 0) n->result->value = ks_ref(patch);
    ks_unref(heap, patch);
    ks_unref(heap, doc);
    return end_naming(n, heap, refusal, NULL);
}

/* three_way(self, kind, namespace, name, document) -> view: the strategic merge patch by which client-side apply gets from the live
 * object to the document, which carries its last-applied-configuration; nil: there is nothing to do */
static int verb_three_way(lua_State *L) {
    naming n;
    ks_box *box = check_naming(L, &n);
    check_document(L, 5);
    n.result = ks_lua_result(L, box);
    int result = lua_gettop(L);
    ks_lua_call(L, box, KS_LOOK, n.result, do_three_way, &n);
    ks_lua_push_view(L, n.result->value, result);
    return 1;
}

/* --- patches away from the store: kubectl's --local and --dry-run=client --- */

typedef struct patching {
    lua_State *L;
    ks_result *result;
    ks_kind kind;
    ks_patch_type type;
    ks_refusal *(*work)(const struct patching *p, ks_heap *heap, ks_val a, ks_val b, ks_val *out);
} patching;

/* The difference of two objects, as JSON text. */
static ks_refusal *work_difference(const patching *p, ks_heap *heap, ks_val before, ks_val after,
                                   ks_val *out) {
    ks_val patch = KS_NOTHING;
    ks_refusal *refusal = ks_patch_three_way(heap, p->kind, before, after, before, &patch);
    if (refusal == NULL) {
        ks_buf text = {.heap = heap};
        ks_json_write(&text, patch, KS_JSON_GO);
        *out = ks_string_take(ks_buf_take(&text));
    }
    ks_unref(heap, patch);
    return refusal;
}

static ks_refusal *work_patch(const patching *p, ks_heap *heap, ks_val doc, ks_val patch,
                              ks_val *out) {
    return ks_patch_apply(heap, p->kind, p->type, ks_ref(doc), ks_ref(patch), out);
}

static bool do_patching(ks_cluster *cluster, void *arg) {
    patching *p = arg;
    ks_heap *heap = cluster->heap;
    ks_val a = KS_NOTHING, b = KS_NOTHING;
    ks_lua_problem problem;
    ks_kind hint = p->work == work_patch && p->type == KS_PATCH_JSON ? KS_NO_KIND : p->kind;
    ks_refusal *refusal = NULL;
    if (!ks_lua_read_object(p->L, 3, heap, p->kind, &a, &problem) ||
        !ks_lua_read_object(p->L, 4, heap, hint, &b, &problem))
        refusal = ks_refuse_bad_request(heap, problem.text);
    else
        refusal = p->work(p, heap, a, b, &p->result->value);
    ks_unref(heap, a);
    ks_unref(heap, b);
    p->result->refusal = refusal;
    return true;
}

static int run_patching(lua_State *L, patching *p) {
    ks_box *box = ks_lua_box(L);
    size_t len;
    const char *kind = luaL_checklstring(L, 2, &len);
    p->L = L;
    p->kind = ks_kind_by_name(kind, len);
    luaL_argcheck(L, p->kind != KS_NO_KIND, 2, "no such kind");
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TTABLE);
    p->result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, p->result, do_patching, p);
    ks_lua_push(L, p->result->value);
    ks_lua_release(p->result);
    return 1;
}

/* difference(self, kind, before, after) -> JSON text of the strategic merge patch from one to the
 * other; "{}": none */
static int verb_difference(lua_State *L) {
    patching p = {.work = work_difference};
    return run_patching(L, &p);
}

/* patched(self, kind, object, patch, type) -> the object patched; nothing is stored */
static int verb_patched(lua_State *L) {
    static const char *const types[] = {"json", "merge", "strategic", NULL};
    patching p = {.work = work_patch};
    p.type = (ks_patch_type)luaL_checkoption(L, 5, "strategic", types);
    return run_patching(L, &p);
}

const luaL_Reg ks_lua_verbs[] = {{"write", verb_write},
                                 {"scale", verb_scale},
                                 {"delete", verb_delete},
                                 {"evict", verb_evict},
                                 {"patch", verb_patch},
                                 {"three_way", verb_three_way},
                                 {"difference", verb_difference},
                                 {"patched", verb_patched},
                                 {"watch", ks_lua_watch},
                                 {"history", ks_lua_history},
                                 {"unwatch", ks_lua_unwatch},
                                 {"policy", ks_lua_policy},
                                 {"has_plugin", ks_lua_has_plugin},
                                 {"image", ks_lua_image},
                                 {NULL, NULL}};
