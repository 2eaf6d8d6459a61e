/*
 * lua/cluster.c - the handle of a cluster: its life, and the way from a Lua call through the core's door and back.
 */
#include "lua/binding.h"
#include "lua/chunks.h"

#include "base/reserve.h"

#include <unistd.h>

/* --- results --- */

static ks_result empty_result(ks_heap *heap) {
    return (ks_result){
        .heap = heap, .value = KS_NOTHING, .more = KS_NOTHING, .warnings = KS_NOTHING};
}

static int result_gc(lua_State *L) {
    ks_result *result = luaL_checkudata(L, 1, KS_RESULT_TYPE);
    ks_lua_release(result);
    if (result->heap != NULL) ks_heap_unref(result->heap);
    result->heap = NULL;
    return 0;
}

void ks_lua_release(ks_result *result) {
    if (result->heap == NULL) return;
    ks_unref(result->heap, result->value);
    ks_unref(result->heap, result->more);
    ks_unref(result->heap, result->warnings);
    if (result->refusal != NULL) ks_refusal_free(result->heap, result->refusal);
    for (size_t i = 0; i < result->object_count; i++)
        ks_object_unref(result->heap, result->objects[i]);
    ks_free(result->heap, result->objects, result->object_cap * sizeof(const ks_object *));
    *result = empty_result(result->heap);
    result->idle = true;
}

void ks_lua_keep(ks_result *result, const ks_object *object) {
    if (result->object_count == result->object_cap) {
        size_t size = sizeof(const ks_object *), cap = result->object_cap * 2 + 1;
        result->objects =
            ks_resize(result->heap, result->objects, result->object_cap * size, cap * size);
        result->object_cap = cap;
    }
    result->objects[result->object_count++] = object;
}

/* Most calls give theirs back: a userdata that is used again is much cheaper than one that is collected. */
ks_result *ks_lua_result(lua_State *L, ks_box *box) {
    lua_getiuservalue(L, 1, KS_BOX_RESULT);
    ks_result *result = lua_touserdata(L, -1);
    if (result != NULL && result->idle) {
        result->idle = false;
        return result;
    }
    lua_pop(L, 1);
    result = lua_newuserdatauv(L, sizeof *result, 0);
    *result = empty_result(NULL);
    luaL_setmetatable(L, KS_RESULT_TYPE);
    result->heap = ks_heap_ref(box->cluster->heap);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, KS_BOX_RESULT);
    return result;
}

/* The box is being closed, and what it keeps may not keep the heap. */
static void drop_result(lua_State *L) {
    lua_getiuservalue(L, 1, KS_BOX_RESULT);
    ks_result *result = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (result == NULL || !result->idle) return;
    ks_heap_unref(result->heap);
    *result = empty_result(NULL);
}

/* --- the box --- */

ks_box *ks_lua_box(lua_State *L) {
    ks_box *box = luaL_checkudata(L, 1, KS_BOX_TYPE);
    if (box->cluster == NULL) luaL_error(L, "the cluster is closed");
    return box;
}

ks_box *ks_lua_idle_box(lua_State *L) {
    ks_box *box = ks_lua_box(L);
    if (box->working > 0)
        luaL_error(L,
                   "the cluster is at work: a policy or an image's function can only look at it");
    return box;
}

const ks_str *ks_lua_string(lua_State *L, int index, ks_heap *heap) {
    size_t len;
    if (lua_type(L, index) != LUA_TSTRING) return NULL;
    const char *s = lua_tolstring(L, index, &len);
    return ks_str_new(heap, s, len);
}

static ks_box *new_box(lua_State *L) {
    ks_box *box = lua_newuserdatauv(L, sizeof *box, KS_BOX_VALUES);
    *box = (ks_box){.cluster = NULL, .scratch_at = -1};
    luaL_setmetatable(L, KS_BOX_TYPE);
    lua_newtable(L);
    lua_setiuservalue(L, -2, KS_BOX_WATCHES);
    return box;
}

static void adopt(ks_box *box, ks_cluster *cluster) {
    box->cluster = cluster;
    cluster->on_change = ks_lua_hear;
    cluster->payload = box;
    cluster->sim->hooks = &ks_lua_hooks;
}

/* Also __gc and __close: running twice is harmless. */
static int cluster_close(lua_State *L) {
    ks_box *box = luaL_checkudata(L, 1, KS_BOX_TYPE);
    if (box->cluster == NULL) return 0;
    if (box->working > 0 || box->telling)
        return luaL_error(L, "the cluster is at work: it cannot be closed now");
    ks_lua_watches_free(box);
    drop_result(L);
    ks_cluster *cluster = box->cluster;
    box->cluster = NULL;
    ks_cluster_close(cluster);
    return 0;
}

/* --- the way through the door --- */

typedef struct passage {
    lua_State *L;
    ks_call call;
    bool records; /* the journal has what comes of it, and what hooks answer */
    ks_result *result;
    bool (*body)(ks_cluster *cluster, void *arg);
    void *arg;
    bool kept;
} passage;

static bool pass(ks_cluster *cluster, void *arg) {
    passage *p = arg;
    p->kept = p->body(cluster, p->arg);
    if (p->kept && p->call.method != KS_RECORD_NONE && !cluster->journal.off)
        ks_lua_record(p->L, cluster, p->call);
    return p->kept;
}

static void go(lua_State *L, ks_box *box, ks_door door, passage *p) {
    ks_result *result = p->result;
    lua_State *outer = box->L;
    bool recording = box->recording; /* a hook looks at the cluster */
    int top = lua_gettop(L);
    size_t mark = box->last;
    box->L = L;
    box->recording = p->records;
    box->working++;
    int err = ks_cluster_enter(box->cluster, door, pass, p);
    box->working--;
    box->recording = recording;
    box->L = outer;
    if (box->working == 0) box->cluster->sim->pending_error = 0;
    lua_settop(L, top);
    if (!p->kept) ks_lua_forget(box, mark);
    if (box->raised && box->working == 0) {
        box->raised = false;
        lua_getiuservalue(L, 1, KS_BOX_ERROR);
        lua_pushnil(L);
        lua_setiuservalue(L, 1, KS_BOX_ERROR);
        lua_error(L);
    }
    if (err != KS_OK) {
        *result = empty_result(result->heap); /* what was in flight goes with the heap */
        luaL_error(L, "not enough memory");
    }
    if (result->refusal != NULL) {
        ks_lua_push_refusal(L, result->refusal);
        if (ks_len(result->warnings) > 0) { /* of what the server warned of before it refused */
            ks_lua_push(L, result->warnings);
            lua_setfield(L, -2, "warnings");
        }
        ks_lua_release(result);
        lua_error(L);
    }
}

void ks_lua_call(lua_State *L, ks_box *box, ks_door door, ks_result *result,
                 bool (*body)(ks_cluster *cluster, void *arg), void *arg) {
    passage p = {.result = result, .body = body, .arg = arg};
    go(L, box, door, &p);
}

void ks_lua_change(lua_State *L, ks_box *box, ks_call call, ks_result *result,
                   bool (*body)(ks_cluster *cluster, void *arg), void *arg) {
    passage p = {.L = L, .call = call, .records = true, .result = result, .body = body, .arg = arg};
    box->cluster->journal.entry.len = 0;
    go(L, box, KS_CHANGE, &p);
}

void ks_lua_do(lua_State *L, ks_box *box, ks_call call,
               bool (*body)(ks_cluster *cluster, void *arg), void *arg) {
    ks_result *result = ks_lua_result(L, box);
    ks_lua_change(L, box, call, result, body, arg);
    ks_lua_release(result);
    lua_pop(L, 1);
}

/* --- new, fork --- */

/* The reserve of this Lua state, in the registry: what its clusters leave when they are closed. */
#define RESERVE_TYPE "kubesim.reserve"

static int reserve_gc(lua_State *L) {
    ks_reserve **reserve = luaL_checkudata(L, 1, RESERVE_TYPE);
    if (*reserve != NULL) ks_reserve_close(*reserve);
    *reserve = NULL;
    return 0;
}

/* NULL: the Lua state is being closed, or there is no memory; heaps do without it then. */
static ks_reserve *reserve_of(lua_State *L) {
    if (lua_getfield(L, LUA_REGISTRYINDEX, RESERVE_TYPE ".this") != LUA_TUSERDATA) {
        ks_reserve **fresh = lua_newuserdatauv(L, sizeof(ks_reserve *), 0);
        *fresh = NULL;
        luaL_setmetatable(L, RESERVE_TYPE);
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, RESERVE_TYPE ".this");
        *fresh = ks_reserve_new();
        lua_replace(L, -2);
    }
    ks_reserve **reserve = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return *reserve;
}

/* What a list of nodes and classes at one stack place says. */
typedef struct founding {
    lua_State *L;
    int nodes, classes;
    ks_cluster_opts *opts;
    ks_result *result;
} founding;

static ks_refusal *read_list(founding *f, ks_cluster *cluster, int index, ks_kind kind,
                             ks_val *out) {
    ks_lua_problem problem;
    *out = KS_NOTHING;
    if (lua_type(f->L, index) != LUA_TTABLE) return NULL;
    lua_Unsigned n = lua_rawlen(f->L, index);
    ks_val list = ks_list_new(cluster->heap, (uint32_t)n);
    for (lua_Unsigned i = 1; i <= n; i++) {
        ks_val doc = KS_NOTHING;
        lua_rawgeti(f->L, index, (lua_Integer)i);
        bool fine = ks_lua_read_object(f->L, -1, cluster->heap, kind, &doc, &problem);
        lua_pop(f->L, 1);
        if (!fine) {
            ks_unref(cluster->heap, list);
            return ks_refuse_bad_request(cluster->heap, problem.text);
        }
        list = ks_append(cluster->heap, list, doc);
    }
    *out = list;
    return NULL;
}

static bool found(ks_cluster *cluster, void *arg) {
    founding *f = arg;
    ks_result *r = f->result;
    r->refusal = read_list(f, cluster, f->nodes, KS_NO_KIND, &r->value);
    if (r->refusal == NULL)
        r->refusal = read_list(f, cluster, f->classes, KS_STORAGECLASS, &r->more);
    f->opts->nodes = r->value;
    f->opts->storage_classes = r->more;
    if (r->refusal == NULL) r->refusal = ks_cluster_fill(cluster, f->opts);
    if (r->refusal == NULL && !cluster->journal.off)
        ks_lua_record(f->L, cluster, (ks_call){.method = KS_RECORD_new, .args = 2});
    return r->refusal == NULL;
}

static int64_t integer_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    lua_Integer i = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return i;
}

static bool bool_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    bool b = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return b;
}

#define FARTHEST (KS_NEVER / KS_SECOND) /* from 1970: what RFC 3339 text is read as is ns */

/* Three quarters of what the machine has: who asks for more, as a set of 2^31 pods does, is told so before the machine stands still. */
static uint64_t most_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages / 4 * 3 * (uint64_t)size : 0;
}

/* core.new{seed=, epoch=, minor=, max_unavailable=, consistent_replicasets=, consistent_statefulsets=, semantic_revisions=,
 * terminating_replicas=, manual=, no_journal=, latency={name=ns}, nodes={...}, storage_classes={...}} */
static int cluster_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    ks_cluster_opts opts = {
        .seed = (uint64_t)integer_field(L, 1, "seed"),
        .epoch = integer_field(L, 1, "epoch"),
        .rules = {.minor = (int)integer_field(L, 1, "minor"),
                  .max_unavailable_statefulset = bool_field(L, 1, "max_unavailable"),
                  .consistent_replicasets = bool_field(L, 1, "consistent_replicasets"),
                  .consistent_statefulsets = bool_field(L, 1, "consistent_statefulsets"),
                  .semantic_revisions = bool_field(L, 1, "semantic_revisions"),
                  .terminating_replicas = bool_field(L, 1, "terminating_replicas")},
        .manual_kubelet = bool_field(L, 1, "manual"),
        .no_journal = bool_field(L, 1, "no_journal")};
    lua_getfield(L, 1, "latency");
    luaL_argcheck(L, opts.rules.minor >= KS_OLDEST_MINOR && opts.rules.minor <= KS_NEWEST_MINOR, 1,
                  "no release");
    luaL_argcheck(L, opts.epoch >= -FARTHEST && opts.epoch <= FARTHEST, 1, "no time");
    /* one that the clock does not live to see is waited for, too (ks_after) */
#define READ_LATENCY(member, name, ms, what)                                                       \
    opts.latency.member = integer_field(L, -1, name);                                              \
    luaL_argcheck(L, opts.latency.member >= 0, 1, name);
    KS_LATENCIES(READ_LATENCY)
#undef READ_LATENCY
    lua_pop(L, 1);
    ks_box *box = new_box(L);
    lua_insert(L, 1); /* the box is argument 1 of every call through the door */
    ks_heap *heap = ks_heap_new(NULL, reserve_of(L));
    if (heap == NULL) return luaL_error(L, "not enough memory");
    ks_cluster *cluster = ks_cluster_new(heap, &opts);
    ks_heap_unref(heap);
    if (cluster == NULL) return luaL_error(L, "not enough memory");
    adopt(box, cluster);
    ks_heap_limit(heap, most_memory());
    founding f = {.L = L, .opts = &opts};
    lua_getfield(L, 2, "nodes");
    f.nodes = lua_gettop(L);
    lua_getfield(L, 2, "storage_classes");
    f.classes = lua_gettop(L);
    f.result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, f.result, found, &f);
    ks_lua_release(f.result);
    lua_settop(L, 1);
    return 1;
}

static int cluster_fork(lua_State *L) {
    ks_box *original = ks_lua_idle_box(L);
    ks_box *box = new_box(L);
    ks_lua_share_hooks(L, 1, original, box);
    ks_cluster *cluster = ks_cluster_fork(original->cluster);
    if (cluster == NULL) return luaL_error(L, "not enough memory");
    adopt(box, cluster);
    return 1;
}

/* --- memory: for tests --- */

/* memory(self) -> allocations made so far, blocks and bytes allocated now: by the cluster and its forks together */
static int cluster_memory(lua_State *L) {
    const ks_heap *heap = ks_lua_box(L)->cluster->heap;
    lua_pushinteger(L, (lua_Integer)ks_heap_allocations(heap));
    lua_pushinteger(L, (lua_Integer)ks_heap_blocks(heap));
    lua_pushinteger(L, (lua_Integer)ks_heap_bytes(heap));
    return 3;
}

/* fail_allocation(self, n): the n-th from now fails, once; 0: none */
static int cluster_fail_allocation(lua_State *L) {
    ks_heap_fail_after(ks_lua_idle_box(L)->cluster->heap, (uint64_t)luaL_checkinteger(L, 2));
    return 0;
}

/* limit_memory(self, bytes): no more than that at once; 0: no limit */
static int cluster_limit_memory(lua_State *L) {
    ks_heap_limit(ks_lua_idle_box(L)->cluster->heap, (uint64_t)luaL_checkinteger(L, 2));
    return 0;
}

/* --- opening --- */

/* The latencies' names and defaults in nanoseconds, for lua/kubesim/options.lua. */
static void push_latencies(lua_State *L) {
    lua_newtable(L);
#define PUSH_LATENCY(member, name, ms, what)                                                       \
    lua_pushinteger(L, (lua_Integer)((ms)*KS_MILLISECOND));                                        \
    lua_setfield(L, -2, name);
    KS_LATENCIES(PUSH_LATENCY)
#undef PUSH_LATENCY
}

/* The components by name: {lags = may its watches lag, restarts = may it}. */
static void push_components(lua_State *L) {
    const ks_component *component;
    lua_newtable(L);
    for (size_t i = 0; (component = ks_cluster_component(i)) != NULL; i++) {
        lua_createtable(L, 0, 2);
        lua_pushboolean(L, !component->punctual);
        lua_setfield(L, -2, "lags");
        lua_pushboolean(L, !component->lasting);
        lua_setfield(L, -2, "restarts");
        lua_setfield(L, -2, component->name);
    }
}

static const luaL_Reg handle_meta[] = {
    {"__gc", cluster_close}, {"__close", cluster_close}, {NULL, NULL}};
static const luaL_Reg handle_methods[] = {{"close", cluster_close},
                                          {"fork", cluster_fork},
                                          {"journal", ks_lua_journal},
                                          {"run_to", ks_lua_run_to},
                                          {"memory", cluster_memory},
                                          {"fail_allocation", cluster_fail_allocation},
                                          {"limit_memory", cluster_limit_memory},
                                          {NULL, NULL}};
static const luaL_Reg reserve_meta[] = {{"__gc", reserve_gc}, {NULL, NULL}};
static const luaL_Reg result_meta[] = {{"__gc", result_gc}, {NULL, NULL}};

static void open_types(lua_State *L) {
    luaL_newmetatable(L, KS_RESULT_TYPE);
    luaL_setfuncs(L, result_meta, 0);
    luaL_newmetatable(L, KS_ARRAY_TYPE);
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "__kubesim_array");
    luaL_newmetatable(L, KS_STATUS_TYPE);
    luaL_newmetatable(L, RESERVE_TYPE);
    luaL_setfuncs(L, reserve_meta, 0);
    lua_pop(L, 4);
    luaL_newmetatable(L, KS_BOX_TYPE);
    luaL_setfuncs(L, handle_meta, 0);
    lua_newtable(L);
    luaL_setfuncs(L, handle_methods, 0);
    luaL_setfuncs(L, ks_lua_verbs, 0);
    luaL_setfuncs(L, ks_lua_time, 0);
    luaL_setfuncs(L, ks_lua_looks, 0);
    luaL_setfuncs(L, ks_lua_inside, 0);
    luaL_setfuncs(L, ks_lua_faults, 0);
    luaL_setfuncs(L, ks_lua_network, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* The module: kubesim.core. Safe to open again in the same Lua state. */
__attribute__((visibility("default"))) int luaopen_kubesim_core(lua_State *L);
int luaopen_kubesim_core(lua_State *L) {
    open_types(L);
    ks_lua_open_values(L);
    ks_lua_open_views(L);
    ks_lua_open_unseen(L);
    ks_lua_open_chunks(L);
    lua_newtable(L);
    luaL_setfuncs(L, ks_lua_values, 0);
    luaL_setfuncs(L, ks_lua_types, 0);
    luaL_setfuncs(L, ks_lua_views, 0);
    luaL_setfuncs(L, ks_lua_unseen, 0);
    luaL_setfuncs(L, ks_lua_fields, 0);
    luaL_setfuncs(L, ks_lua_columns, 0);
    luaL_setfuncs(L, ks_lua_chunks, 0);
    lua_pushcfunction(L, cluster_new);
    lua_setfield(L, -2, "new");
    lua_pushcfunction(L, cluster_new);
    lua_pushcclosure(L, ks_lua_replay, 1);
    lua_setfield(L, -2, "replay");
    lua_pushcfunction(L, ks_lua_plain_file);
    lua_setfield(L, -2, "plain_file");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    push_latencies(L);
    lua_setfield(L, -2, "latencies");
    push_components(L);
    lua_setfield(L, -2, "components");
    luaL_getmetatable(L, KS_STATUS_TYPE);
    lua_setfield(L, -2, "Status");
    luaL_getmetatable(L, KS_ARRAY_TYPE);
    lua_setfield(L, -2, "array");
    return 1;
}
