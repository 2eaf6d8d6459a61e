/*
 * lua/faults.c - controllers that restart, writes of controllers that fail, watches that lag. Only conversion.
 */
#include "lua/binding.h"

#include <string.h>

typedef struct request {
    const char *name;
    uint32_t rate;
    ks_lag lag;
} request;

/* The component that argument 2 names, one that can be restarted; raises. */
static const char *check_name(lua_State *L) {
    const char *name = luaL_checkstring(L, 2);
    const ks_component *component;
    for (size_t i = 0; (component = ks_cluster_component(i)) != NULL; i++)
        if (strcmp(component->name, name) == 0 && !component->lasting) return name;
    luaL_argerror(L, 2, lua_pushfstring(L, "no controller is called '%s'", name));
    return NULL;
}

static int index_of(const ks_sim *sim, const char *name) {
    int at = 0;
    while (strcmp(sim->components[at].component->name, name) != 0) at++;
    return at;
}

static bool do_restart(ks_cluster *cluster, void *arg) {
    const request *r = arg;
    ks_sim_restart(cluster->sim, index_of(cluster->sim, r->name));
    return true;
}

static bool do_fail(ks_cluster *cluster, void *arg) {
    const request *r = arg;
    cluster->sim->components[index_of(cluster->sim, r->name)].fault_rate = r->rate;
    return true;
}

static void run(lua_State *L, request *r, ks_call call,
                bool (*body)(ks_cluster *cluster, void *arg)) {
    ks_box *box = ks_lua_idle_box(L);
    lua_settop(L, call.args);
    ks_lua_do(L, box, call, body, r);
}

/* restart(self, controller) */
static int faults_restart(lua_State *L) {
    request r = {.name = check_name(L)};
    run(L, &r, (ks_call){KS_RECORD_restart, 2, 0}, do_restart);
    return 0;
}

/* fail_writes(self, controller, of 1000) */
static int faults_fail(lua_State *L) {
    request r = {.name = check_name(L)};
    lua_Integer rate = luaL_checkinteger(L, 3);
    luaL_argcheck(L, rate >= 0 && rate <= 1000, 3, "not between 0 and 1000");
    r.rate = (uint32_t)rate;
    run(L, &r, (ks_call){KS_RECORD_fail_writes, 3, 0}, do_fail);
    return 0;
}

static bool lags(const char *name) {
    const ks_component *component;
    for (size_t i = 0; (component = ks_cluster_component(i)) != NULL; i++)
        if (strcmp(component->name, name) == 0) return !component->punctual;
    return false;
}

static bool do_lag(ks_cluster *cluster, void *arg) {
    const request *r = arg;
    ks_sim_set_lag(cluster->sim, index_of(cluster->sim, r->name), r->lag);
    return true;
}

/* lag(self, component, least ns, most ns): the component is one of core.components */
static int faults_lag(lua_State *L) {
    request r = {.name = luaL_checkstring(L, 2)};
    r.lag = (ks_lag){luaL_checkinteger(L, 3), luaL_checkinteger(L, 4)};
    luaL_argcheck(L, lags(r.name), 2, "no component whose watches can lag");
    luaL_argcheck(L, r.lag.least >= 0 && r.lag.most >= r.lag.least && r.lag.most <= KS_LAST, 4,
                  "not a range");
    run(L, &r, (ks_call){KS_RECORD_lag, 4, 0}, do_lag);
    return 0;
}

const luaL_Reg ks_lua_faults[] = {
    {"restart", faults_restart}, {"fail_writes", faults_fail}, {"lag", faults_lag}, {NULL, NULL}};
