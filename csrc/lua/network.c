/*
 * lua/network.c - names and ways: cluster DNS, resolv.conf, hosts, routes. Only conversion; network/ answers.
 */
#include "lua/binding.h"

#include "network/client.h"
#include "network/dns.h"
#include "network/route.h"

/* A question from a pod of a namespace (pod nil: an ordinary one). */
typedef struct question {
    lua_State *L;
    ks_result *result;
    const ks_str *ns;
    const ks_object *pod; /* borrowed, or NULL */
    bool needs_pod, flag;
    int port;
    ks_dns_status status;
    ks_route_status route;
    void (*ask)(ks_cluster *cluster, struct question *q);
} question;

static bool put(ks_cluster *cluster, void *arg) {
    question *q = arg;
    ks_heap *heap = cluster->heap;
    const ks_str *ns = ks_lua_string(q->L, 2, heap), *name = ks_lua_string(q->L, 3, heap);
    q->ns = ns;
    q->pod = name != NULL ? ks_store_get(&cluster->sim->server.store, KS_POD, ns, name) : NULL;
    if (q->pod == NULL && name != NULL)
        q->result->refusal = ks_refuse_not_found(heap, KS_POD, name);
    else
        q->ask(cluster, q);
    ks_str_unref(heap, ns);
    ks_str_unref(heap, name);
    return q->result->refusal == NULL;
}

/* self, namespace, pod|nil: the first arguments of all but dns(). */
static void run(lua_State *L, question *q, ks_door door) {
    ks_box *box = door == KS_LOOK ? ks_lua_box(L) : ks_lua_idle_box(L);
    q->L = L;
    luaL_checkstring(L, 2);
    if (q->needs_pod)
        luaL_checkstring(L, 3);
    else
        luaL_optstring(L, 3, NULL);
    q->result = ks_lua_result(L, box);
    if (door == KS_LOOK)
        ks_lua_call(L, box, door, q->result, put, q);
    else
        ks_lua_change(L, box, (ks_call){KS_RECORD_route, 6, 0}, q->result, put, q);
}

static int finish(lua_State *L, question *q) {
    ks_lua_push(L, q->result->value);
    ks_lua_release(q->result);
    return 1;
}

/* --- names --- */

static bool ask_dns(ks_cluster *cluster, void *arg) {
    question *q = arg;
    size_t len;
    const char *name = lua_tolstring(q->L, 2, &len);
    q->status = ks_dns_resolve(cluster->sim, name, len, lua_tostring(q->L, 3), &q->result->value);
    return true;
}

static int answer(lua_State *L, question *q) {
    if (q->status == KS_DNS_OK) return finish(L, q);
    luaL_pushfail(L);
    lua_pushstring(L, ks_dns_status_text(q->status));
    return 2;
}

/* dns(self, name, type) -> records | nil, why: one question about an absolute name */
static int network_dns(lua_State *L) {
    ks_box *box = ks_lua_box(L);
    question q = {.L = L};
    luaL_checkstring(L, 2);
    luaL_checkstring(L, 3);
    q.result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, q.result, ask_dns, &q);
    return answer(L, &q);
}

static void ask_from(ks_cluster *cluster, question *q) {
    size_t len;
    const char *name = lua_tolstring(q->L, 4, &len);
    q->status = ks_dns_lookup(cluster->sim, q->ns, q->pod, name, len, lua_tostring(q->L, 5),
                              &q->result->value, &q->result->more);
}

/* dns_from(self, namespace, pod|nil, name, type) -> records | nil, why; and the name that was asked last */
static int network_dns_from(lua_State *L) {
    question q = {.ask = ask_from};
    luaL_checkstring(L, 4);
    luaL_checkstring(L, 5);
    run(L, &q, KS_LOOK);
    if (q.status == KS_DNS_OK) {
        ks_lua_push(L, q.result->value);
        lua_pushnil(L);
    } else {
        luaL_pushfail(L);
        lua_pushstring(L, ks_dns_status_text(q.status));
    }
    ks_lua_push(L, q.result->more);
    ks_lua_release(q.result);
    return 3;
}

static void ask_config(ks_cluster *cluster, question *q) {
    q->result->value = ks_dns_config(cluster->sim, q->ns, q->pod);
}

/* resolv_conf(self, namespace, pod|nil) -> {nameservers, searches, options} */
static int network_config(lua_State *L) {
    question q = {.ask = ask_config};
    run(L, &q, KS_LOOK);
    return finish(L, &q);
}

static void ask_resolv_conf(ks_cluster *cluster, question *q) {
    q->result->value = ks_dns_resolv_conf(cluster->sim, q->ns, q->pod);
}

/* resolv_conf_text(self, namespace, pod|nil) -> text */
static int network_resolv_conf(lua_State *L) {
    question q = {.ask = ask_resolv_conf};
    run(L, &q, KS_LOOK);
    return finish(L, &q);
}

static void ask_hosts(ks_cluster *cluster, question *q) {
    q->result->value = ks_dns_hosts(cluster->sim, q->pod);
}

/* hosts_file(self, namespace, pod) -> text */
static int network_hosts(lua_State *L) {
    question q = {.ask = ask_hosts, .needs_pod = true};
    run(L, &q, KS_LOOK);
    return finish(L, &q);
}

static void ask_hostname(ks_cluster *cluster, question *q) {
    q->result->value = ks_pod_hostname(cluster->sim, q->pod, false);
    q->result->more = ks_pod_hostname(cluster->sim, q->pod, true);
}

/* pod_hostname(self, namespace, pod) -> short, full */
static int network_hostname(lua_State *L) {
    question q = {.ask = ask_hostname, .needs_pod = true};
    run(L, &q, KS_LOOK);
    ks_lua_push(L, q.result->value);
    ks_lua_push(L, q.result->more);
    ks_lua_release(q.result);
    return 2;
}

static void ask_addresses(ks_cluster *cluster, question *q) {
    size_t len;
    const char *host = lua_tolstring(q->L, 4, &len);
    q->result->value = ks_host_addresses(cluster->sim, q->ns, q->pod, host, len);
}

/* host_addresses(self, namespace, pod|nil, host) -> list of texts | nil */
static int network_addresses(lua_State *L) {
    question q = {.ask = ask_addresses};
    luaL_checkstring(L, 4);
    run(L, &q, KS_LOOK);
    return finish(L, &q);
}

/* --- routes --- */

static void ask_route(ks_cluster *cluster, question *q) {
    size_t len;
    const char *host = lua_tolstring(q->L, 4, &len);
    q->route = ks_route(cluster->sim, q->ns, q->pod, host, len, q->port, lua_tostring(q->L, 6),
                        &q->result->value);
}

/* route(self, namespace, pod|nil, host, port, protocol|nil) -> {address, namespace, pod, port} | nil, why */
static int network_route(lua_State *L) {
    question q = {.ask = ask_route};
    luaL_checkstring(L, 4);
    q.port = (int)luaL_checkinteger(L, 5);
    lua_settop(L, 6);
    if (lua_isnil(L, 6)) {
        lua_pushliteral(L, "TCP");
        lua_replace(L, 6);
    }
    luaL_checkstring(L, 6);
    run(L, &q, KS_CHANGE); /* which endpoint answers is a choice */
    if (q.route == KS_ROUTE_OK) return finish(L, &q);
    luaL_pushfail(L);
    lua_pushstring(L, ks_route_status_text(q.route));
    return 2;
}

const luaL_Reg ks_lua_network[] = {{"dns", network_dns},
                                   {"dns_from", network_dns_from},
                                   {"resolv_conf", network_config},
                                   {"resolv_conf_text", network_resolv_conf},
                                   {"hosts_file", network_hosts},
                                   {"pod_hostname", network_hostname},
                                   {"host_addresses", network_addresses},
                                   {"route", network_route},
                                   {NULL, NULL}};
