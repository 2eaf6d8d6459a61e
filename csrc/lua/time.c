/*
 * lua/time.c - letting virtual time pass: runs, single steps, waiting.
 *
 * A run returns to Lua whenever a watch has something to hear; then goes on.
 *
 * Who lets time pass up to an instant, to see what comes or until a time-out, lets it pass for those components, too, that only want to be
 * roused (engine/sim.h): what they do then may be the very thing that is waited for. Who goes on only while something is due - a step,
 * settling - does not wait for them: they are roused if something else takes that long.
 */
#include "lua/binding.h"

#include "api/values.h"

typedef struct running {
    ks_box *box;
    int64_t until;
    bool reached;
    /* wait() */
    lua_State *L;
    ks_condition condition;
    ks_kind kind;
    bool met;
    /* step() */
    ks_result *result;
    ks_step step;
    bool stepped;
} running;

static bool run(ks_cluster *cluster, void *arg) {
    running *r = arg;
    r->reached = ks_cluster_run(cluster, r->until, &r->box->stop);
    return true;
}

/* The journal need not know that time passes: how far the run has come is said with the next call. */
static const ks_call NO_CALL = {.method = KS_RECORD_NONE};

static void run_on(lua_State *L, running *r, bool (*body)(ks_cluster *cluster, void *arg)) {
    ks_lua_do(L, r->box, NO_CALL, body, r);
}

/* run(self, until): until that instant (ns). */
static int time_run(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    running r = {.box = box, .until = luaL_checkinteger(L, 2)};
    lua_settop(L, 2);
    ks_lua_tell(L, box);
    while (!r.reached) {
        run_on(L, &r, run);
        ks_lua_tell(L, box);
    }
    return 0;
}

static bool run_to_change(ks_cluster *cluster, void *arg) {
    running *r = arg;
    uint64_t version = cluster->sim->server.store.version;
    while (ks_sim_next(cluster->sim) <= r->until) {
        ks_sim_step(cluster->sim, NULL);
        if (r->box->stop || cluster->sim->pending_error) return true;
        if (cluster->sim->server.store.version != version) return true;
    }
    if (cluster->sim->world.now < r->until) cluster->sim->world.now = r->until;
    r->reached = true;
    return true;
}

/* run_to_change(self, until) -> true when something was written before that instant */
static int time_run_to_change(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    running r = {.box = box, .until = luaL_checkinteger(L, 2)};
    lua_settop(L, 2);
    ks_lua_tell(L, box);
    run_on(L, &r, run_to_change);
    ks_lua_tell(L, box);
    lua_pushboolean(L, !r.reached);
    return 1;
}

/* Runs what is due until `until`; unlike run() the clock stays where the last thing happened, and a component that only wants to be roused
 * when time passes is not waited for. */
static bool drain(ks_cluster *cluster, void *arg) {
    running *r = arg;
    while (ks_sim_goes_on(cluster->sim, r->until)) {
        ks_sim_step(cluster->sim, NULL);
        if (r->box->stop || cluster->sim->pending_error) return true;
    }
    r->reached = true;
    if (ks_sim_due(cluster->sim) != KS_NEVER && cluster->sim->world.now < r->until)
        cluster->sim->world.now = r->until;
    return true;
}

/* settle(self, until) -> true when nothing is due any more */
static int time_settle(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    running r = {.box = box, .until = luaL_checkinteger(L, 2)};
    lua_settop(L, 2);
    ks_lua_tell(L, box);
    do {
        r.reached = false;
        run_on(L, &r, drain);
        ks_lua_tell(L, box);
    } while (!r.reached || ks_sim_goes_on(box->cluster->sim, r.until));
    lua_pushboolean(L, ks_sim_due(box->cluster->sim) == KS_NEVER);
    return 1;
}

/* --- steps --- */

static bool step(ks_cluster *cluster, void *arg) {
    running *r = arg;
    r->stepped = ks_sim_due(cluster->sim) != KS_NEVER && ks_sim_step(cluster->sim, &r->step);
    if (r->stepped) r->result->value = r->step.key;
    return true;
}

/* step(self) -> {time = ns, component, key} | nil */
static int time_step(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    running r = {.box = box};
    lua_settop(L, 1);
    r.result = ks_lua_result(L, box);
    ks_lua_change(L, box, NO_CALL, r.result, step, &r);
    ks_lua_tell(L, box);
    if (r.stepped) {
        lua_createtable(L, 0, 3);
        lua_pushinteger(L, r.step.at);
        lua_setfield(L, -2, "time");
        lua_pushstring(L, r.step.component);
        lua_setfield(L, -2, "component");
        ks_lua_push(L, r.result->value);
        lua_setfield(L, -2, "key");
    }
    ks_lua_release(r.result);
    return r.stepped;
}

/* --- waiting for one object --- */

static const ks_object *awaited(const ks_cluster *cluster) {
    return ks_store_get(&cluster->sim->server.store, cluster->awaited_kind, cluster->awaited_ns,
                        cluster->awaited_name);
}

/* Runs until the object meets the condition, or somebody else has to be heard. */
static bool wait_some(ks_cluster *cluster, void *arg) {
    running *r = arg;
    ks_heap *heap = cluster->heap;
    cluster->awaited_kind = r->kind;
    cluster->awaited_ns = ks_kind_get(r->kind)->namespaced ? ks_lua_string(r->L, 4, heap) : NULL;
    cluster->awaited_name = ks_lua_string(r->L, 5, heap);
    r->condition.type = ks_lua_string(r->L, 7, heap);
    r->condition.status = ks_lua_string(r->L, 8, heap);
    for (;;) {
        r->met = ks_cluster_meets(cluster, &r->condition, awaited(cluster));
        if (r->met) break;
        r->reached = ks_cluster_run(cluster, r->until, &r->box->stop);
        if (r->reached || r->box->stop || cluster->sim->pending_error) break;
    }
    if (r->reached) r->met = ks_cluster_meets(cluster, &r->condition, awaited(cluster));
    ks_str_unref(heap, cluster->awaited_ns);
    ks_str_unref(heap, cluster->awaited_name);
    ks_str_unref(heap, r->condition.type);
    ks_str_unref(heap, r->condition.status);
    cluster->awaited_ns = cluster->awaited_name = NULL;
    return true;
}

/* wait(self, what, kind, namespace, name, until, type|nil, status|nil) -> boolean */
static int time_wait(lua_State *L) {
    static const char *const whats[] = {"ready", "deleted", "condition", NULL};
    ks_box *box = ks_lua_idle_box(L);
    size_t len;
    running r = {.box = box, .L = L};
    r.condition.what = luaL_checkoption(L, 2, NULL, whats);
    const char *kind = luaL_checklstring(L, 3, &len);
    r.kind = ks_kind_by_name(kind, len);
    luaL_argcheck(L, r.kind != KS_NO_KIND, 3, "no such kind");
    luaL_checkstring(L, 4);
    luaL_checkstring(L, 5);
    r.until = luaL_checkinteger(L, 6);
    if (r.condition.what == KS_WAIT_CONDITION) {
        luaL_checkstring(L, 7);
        luaL_checkstring(L, 8);
    }
    lua_settop(L, 8);
    ks_lua_tell(L, box);
    do {
        run_on(L, &r, wait_some);
        ks_lua_tell(L, box);
    } while (!r.met && !r.reached);
    lua_pushboolean(L, r.met);
    return 1;
}

/* --- clocks --- */

/* now(self) -> seconds since the start: an integer when it is a whole number */
static int time_now(lua_State *L) {
    const ks_box *box = ks_lua_box(L);
    int64_t now = box->cluster->sim->world.now;
    if (now % KS_SECOND == 0)
        lua_pushinteger(L, now / KS_SECOND);
    else
        lua_pushnumber(L, (lua_Number)now / (lua_Number)KS_SECOND);
    return 1;
}

/* instant(self) -> ns since the start */
static int time_instant(lua_State *L) {
    lua_pushinteger(L, ks_lua_box(L)->cluster->sim->world.now);
    return 1;
}

/* due(self) -> ns of the next thing due | nil */
static int time_due(lua_State *L) {
    int64_t due = ks_sim_due(ks_lua_box(L)->cluster->sim);
    if (due == KS_NEVER) return 0;
    lua_pushinteger(L, due);
    return 1;
}

/* epoch(self) -> Unix seconds of the start */
static int time_epoch(lua_State *L) {
    lua_pushinteger(L, ks_lua_box(L)->cluster->sim->world.epoch);
    return 1;
}

static bool make_clock(ks_cluster *cluster, void *arg) {
    ks_result *result = arg;
    result->value = ks_time_val(&cluster->sim->world, cluster->sim->world.now);
    return true;
}

/* clock(self) -> RFC 3339 text */
static int time_clock(lua_State *L) {
    ks_box *box = ks_lua_box(L);
    lua_settop(L, 1);
    ks_result *result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, result, make_clock, result);
    ks_lua_push(L, result->value);
    ks_lua_release(result);
    return 1;
}

/* trace(self) -> 16 hexadecimal digits: equal runs have equal ones */
static int time_trace(lua_State *L) {
    char text[17];
    lua_Unsigned trace = ks_lua_box(L)->cluster->sim->world.trace;
    for (int i = 15; i >= 0; i--, trace >>= 4) text[i] = "0123456789abcdef"[trace & 15];
    text[16] = '\0';
    lua_pushstring(L, text);
    return 1;
}

const luaL_Reg ks_lua_time[] = {{"run", time_run},         {"run_to_change", time_run_to_change},
                                {"settle", time_settle},   {"step", time_step},
                                {"wait", time_wait},       {"now", time_now},
                                {"instant", time_instant}, {"due", time_due},
                                {"epoch", time_epoch},     {"clock", time_clock},
                                {"trace", time_trace},     {NULL, NULL}};
